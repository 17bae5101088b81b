"""The benchmarks as tests: each runs once, unless pytest-benchmark is asked for them alone.

pytest tests/benchmarks                       once each, nothing is timed
pytest tests/benchmarks --benchmark-only      timed by pytest-benchmark
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

Timed: TypeAlias = Callable[..., Any]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give benchmarks the fixture of the plugin where they are to be timed.

    Not elsewhere, where it would warn, of running in several processes for one.
    """
    if item.config.getoption("benchmark_only", False):
        names = getattr(item, "fixturenames", [])
        if "timed" in names:
            names.append("benchmark")


@pytest.fixture
def timed(request: pytest.FixtureRequest) -> Timed:
    """What calls a function with arguments, and times it if that is wanted."""
    if "benchmark" in request.fixturenames:
        benchmark: Timed = request.getfixturevalue("benchmark")
        return benchmark
    return lambda function, *args, **kwargs: function(*args, **kwargs)
