"""Arrays in memory for the tests of the array room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zarr.core.array import Array, create_array
from zarr.core.sync import sync


def _create(store: Any = None, **parameters: Any) -> Array[Any]:
    return Array(sync(create_array({} if store is None else store, **parameters)))


@pytest.fixture(scope="session")
def new_array() -> Callable[..., Array[Any]]:
    """Return what creates an array; parameters are those of `create_array`, a new store by default."""
    return _create
