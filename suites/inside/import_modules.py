"""Test suite for a package whose sdist has no tests: import each module of the package."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Iterator

import pytest


def names(package: str) -> Iterator[str]:
    """Yield the names of a package and of all its modules, without importing the modules."""
    yield package
    spec = importlib.util.find_spec(package)
    for place in spec.submodule_search_locations or () if spec else ():
        yield from _below(place, package)


def _below(place: str, package: str) -> Iterator[str]:
    for module in pkgutil.iter_modules([place], f"{package}."):
        short = module.name.rpartition(".")[2]
        if short == "__main__":  # importing it would run the program
            continue
        yield module.name
        if module.ispkg:
            yield from _below(os.path.join(place, short), module.name)


@pytest.mark.parametrize(
    "name", sorted(n for p in os.environ.get("SUITES_IMPORT", "").split() for n in names(p))
)
def test_import(name: str) -> None:
    importlib.import_module(name)
