"""What of `zarr.testing` can be used where neither pytest nor hypothesis is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import zarr.testing

WITHOUT = """
import sys, importlib
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Absent())
importlib.import_module({module!r})
"""
MODULES = sorted(
    f"zarr.testing.{path.stem}" if path.stem != "__init__" else "zarr.testing"
    for path in Path(str(zarr.testing.__file__)).parent.glob("*.py")
)


def imports(module: str, *missing: str) -> bool:
    code = WITHOUT.format(module=module, missing=set(missing))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 or "ModuleNotFoundError" in done.stderr, done.stderr
    return done.returncode == 0


def needs_hypothesis(module: str) -> bool:
    return any(word in module for word in ("strategies", "stateful"))


@pytest.mark.parametrize("module", MODULES)
def test_modules_need_no_more_than_they_use(module: str) -> None:
    # The conformance kit is made of tests; its stores, buffers and helpers are not.
    if module != "zarr.testing.store":
        assert imports(module, "pytest", "_pytest") or needs_hypothesis(module)
    assert imports(module, "hypothesis") or needs_hypothesis(module)


def test_names_are_there_when_they_are_used() -> None:
    from zarr.testing.store import StoreTests

    assert zarr.testing.StoreTests is StoreTests
    assert {"StoreTests", "assert_bytes_equal"} <= set(dir(zarr.testing))
    with pytest.raises(AttributeError, match="nothing"):
        zarr.testing.nothing
