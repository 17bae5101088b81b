"""What functions that create arrays make of names of dimensions, and of a shape beside elements."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.group.recording import document, put

import zarr as _zarr
import zarr.api.asynchronous as za
from zarr.storage import MemoryStore

zarr: Any = _zarr  # wrong parameters are given on purpose

DATA = np.arange(6, dtype="i4")
CREATING: dict[str, Callable[..., Any]] = {
    "create": lambda shape, **more: zarr.create(shape, dtype="i4", **more),
    "create_array": lambda shape, **more: zarr.create_array(shape=shape, dtype="i4", **more),
    "zeros": lambda shape, **more: zarr.zeros(shape, **more),
    "full": lambda shape, **more: zarr.full(shape, fill_value=1, **more),
    "array": lambda shape, **more: zarr.array(np.zeros(shape), **more),
    "from_array": lambda shape, **more: zarr.from_array(data=np.zeros(shape), **more),
}


@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
@pytest.mark.parametrize("names", [(), [], None])
@pytest.mark.parametrize("function", CREATING)
def test_no_names_at_all(function: str, names: Any, shape: tuple[int, ...]) -> None:
    store = MemoryStore()
    array = CREATING[function](shape, store=store, dimension_names=names)
    assert array.metadata.dimension_names is None
    assert "dimension_names" not in document(store, "zarr.json")


@pytest.mark.parametrize("names", [["y", "x"], [None, None], [""]])
def test_too_many_names_are_still_refused(names: Any) -> None:
    for shape in ((), (2, 3, 4)):
        with pytest.raises(ValueError, match="`dimension_names` and `shape`"):
            zarr.create_array(MemoryStore(), shape=shape, dtype="i4", dimension_names=names)


def test_a_stored_empty_list_of_names() -> None:
    store = MemoryStore()
    zarr.create_array(store, shape=(), dtype="i4")
    put(store, "zarr.json", {**document(store, "zarr.json"), "dimension_names": []})
    array = zarr.open_array(store)
    assert array.metadata.dimension_names == ()
    array.attrs["a"] = 1
    assert document(store, "zarr.json")["dimension_names"] == []
    assert zarr.from_array({}, data=array).metadata.dimension_names is None


@pytest.mark.parametrize("shape", [(2,), (9,), 9, None, "bad"])
def test_the_shape_is_that_of_the_elements(shape: Any) -> None:
    array = zarr.array(DATA, shape=shape, chunks=4)
    assert (array.shape, array.chunks) == ((6,), (4,))
    assert (array[...] == DATA).all()
    assert zarr.array([1, 2, 3], shape=shape).shape == (3,)
    assert asyncio.run(za.array(DATA, shape=shape)).shape == (6,)


def test_a_shape_beside_elements_is_refused_by_create_array() -> None:
    with pytest.raises(ValueError, match="the shape parameter was also used"):
        zarr.create_array({}, data=DATA, shape=(6,))
