"""The functions that create arrays by the parameters of `zarr.create`, and save and load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
from tests.group.recording import contents, put

import zarr as _zarr
import zarr.api.asynchronous as _za
from zarr.errors import (
    ContainsArrayError,
    ContainsGroupError,
    GroupNotFoundError,
    ZarrRuntimeWarning,
)
from zarr.storage import MemoryStore

# Wrong parameters are given on purpose.
zarr: Any = _zarr
za: Any = _za

# --- create -----------------------------------------------------------------------------


def test_create() -> None:
    store = MemoryStore()
    array = zarr.create((4,), store=store, path="p/q", dtype="i1", chunks=2, attributes={"a": 1})
    assert (array.path, array.chunks, array.attrs.asdict()) == ("p/q", (2,), {"a": 1})
    assert sorted(contents(store)) == ["p/q/zarr.json", "p/zarr.json", "zarr.json"]
    with pytest.raises(ContainsArrayError):
        zarr.create((4,), store=store, path="p/q")
    with pytest.raises(ContainsGroupError):
        zarr.create((4,), store=store, path="p", mode="a")
    assert zarr.create((5,), store=store, path="p/q", overwrite=True).shape == (5,)
    assert zarr.create((6,), store=store, path="p/q", mode="w").shape == (6,)
    assert zarr.create(4).dtype == np.float64
    assert zarr.create((3,), data=[1, 2, 3], dtype="i2")[:].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "name",
    [
        "synchronizer",
        "chunk_store",
        "cache_metadata",
        "cache_attrs",
        "read_only",
        "object_codec",
        "meta_array",
    ],
)
def test_parameters_without_effect(name: str) -> None:
    with pytest.warns(ZarrRuntimeWarning, match=f"^{name} is not yet implemented$"):
        zarr.create((1,), **{name: 1})


def test_write_empty_chunks() -> None:
    with pytest.warns(ZarrRuntimeWarning, match="`write_empty_chunks` keyword argument"):
        array = zarr.create((1,), write_empty_chunks=True)
    assert array.config.write_empty_chunks
    assert zarr.create((1,), config={"order": "F"}).config.order == "F"


# --- one value --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda **k: zarr.zeros((2, 3), **k), 0),
        (lambda **k: zarr.ones((2, 3), **k), 1),
        (lambda **k: zarr.full((2, 3), 7, **k), 7),
        (lambda **k: zarr.full((2, 3), fill_value=7, **k), 7),
        (lambda **k: zarr.empty((2, 3), **k), 0),
    ],
)
def test_arrays_with_one_value(make: Callable[..., Any], value: int) -> None:
    for parameters in ({}, {"dtype": "i2"}, {"zarr_format": 2, "chunks": (1, 2)}):
        array = make(**parameters)
        np.testing.assert_array_equal(array[:], np.full((2, 3), value))
        assert array.dtype == parameters.get("dtype", "f8")
        assert array.fill_value == value
        assert array.metadata.zarr_format == parameters.get("zarr_format", 3)


def test_full_needs_a_value() -> None:
    with pytest.raises(TypeError, match="'fill_value'"):
        zarr.full((2,))
    with pytest.raises(TypeError, match="'fill_value'"):
        zarr.full_like(np.ones(2))
    with pytest.raises(OverflowError):
        zarr.full((2,), 300, dtype="u1")


LIKE = {"zeros_like": 0, "ones_like": 1, "full_like": 9, "empty_like": 9}


@pytest.mark.parametrize("name", LIKE)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_like_an_array(name: str, zarr_format: Any) -> None:
    like = zarr.full((4, 6), 9, chunks=(2, 3), dtype="i2", zarr_format=zarr_format)
    made = getattr(zarr, name)(like)
    assert (made.shape, made.chunks, made.dtype) == ((4, 6), (2, 3), np.dtype("i2"))
    assert made.metadata.zarr_format == zarr_format
    assert made.compressors == like.compressors
    assert made[0, 0] == made.fill_value == LIKE[name]
    other = getattr(zarr, name)(like, zarr_format=5 - zarr_format)
    assert (other.metadata.zarr_format, other.chunks) == (5 - zarr_format, (2, 3))
    changed = getattr(zarr, name)(like, shape=(8, 6), dtype="f4", path="x", store={})
    assert (changed.shape, changed.dtype, changed.path) == ((8, 6), np.float32, "x")


@pytest.mark.parametrize("name", LIKE)
def test_like_something_else(name: str) -> None:
    parameters = {"fill_value": 9} if name == "full_like" else {}
    made = getattr(zarr, name)(np.ones((2, 5), dtype="f4"), **parameters)
    assert (made.shape, made.dtype) == ((2, 5), np.float32)
    with pytest.raises(TypeError, match="'shape'"):
        getattr(zarr, name)([1, 2, 3], **parameters)


def test_like_keeps_shards_and_codecs() -> None:
    like = zarr.create_array({}, shape=(8,), chunks=(2,), shards=(4,), dtype="i4")
    made = zarr.zeros_like(like)
    assert (made.chunks, made.shards) == ((2,), (4,))
    assert zarr.zeros_like(like, chunk_shape=(8,), codecs=None).chunks == (8,)
    v2 = zarr.create(
        (3, 2),
        zarr_format=2,
        compressor=None,
        order="F",
        filters=[{"id": "delta", "dtype": "<f8"}],
    )
    made = zarr.ones_like(v2)
    assert made.metadata.order == "F"
    assert made.filters == (numcodecs.Delta(dtype="<f8"),)
    assert made.compressors == ()
    bytes_ = zarr.create_array({}, shape=(2,), dtype="u1")
    assert zarr.zeros_like(bytes_, dtype="i4").dtype == np.int32


def test_like_takes_rectilinear_chunks() -> None:
    with zarr.config.set({"array.rectilinear_chunks": True}):
        like = zarr.create_array({}, shape=(6,), chunks=((1, 2, 3),), dtype="i4")
        assert zarr.zeros_like(like).metadata.chunk_grid == like.metadata.chunk_grid


# --- array ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        ([[1, 2], [3, 4]], "i8"),
        (3, "i8"),
        (np.arange(4, dtype=">i2"), "i2"),
        (["a", "bcd"], "U3"),
        (np.zeros((0, 2)), "f8"),
    ],
)
def test_array(data: Any, dtype: str) -> None:
    made = zarr.array(data)
    np.testing.assert_array_equal(made[...], np.asarray(data))
    assert made.dtype.newbyteorder("=") == np.dtype(dtype)


def test_array_with_parameters(tmp_path: Path) -> None:
    made = zarr.array(
        np.arange(4), dtype="f8", chunks=(2,), store=tmp_path / "q", path="a/b", fill_value=9
    )
    assert (made.path, made.dtype, made.chunks, made.fill_value) == ("a/b", np.float64, (2,), 9)
    assert made[:].tolist() == [0, 1, 2, 3]


def test_array_of_an_array() -> None:
    source = zarr.create_array({}, data=np.arange(5), chunks=(2,), attributes={"k": 1})
    made = zarr.array(source, store={}, name="x")
    assert (made.path, made.chunks, made.attrs.asdict()) == ("x", (2,), {"k": 1})
    assert made[:].tolist() == [0, 1, 2, 3, 4]


# --- save and load ----------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [None, 2, 3])
@pytest.mark.parametrize("path", [None, "p/q"])
def test_save_and_load(zarr_format: Any, path: str | None, tmp_path: Path) -> None:
    elements = np.arange(12).reshape(3, 4)
    for store in (MemoryStore(), tmp_path / "s", str(tmp_path / "t")):
        zarr.save(store, elements, path=path, zarr_format=zarr_format)
        np.testing.assert_array_equal(zarr.load(store, path=path), elements)
        node = zarr.open(store, path=path)
        assert node.metadata.zarr_format == (zarr_format or 3)
        with pytest.raises(ContainsArrayError):
            zarr.save(store, elements[:1], path=path, zarr_format=zarr_format)


@pytest.mark.parametrize("elements", [np.float32(3), np.array(5), np.zeros((0, 3)), np.zeros(0)])
def test_shapes_without_extent(elements: Any) -> None:
    store = MemoryStore()
    zarr.save_array(store, np.asarray(elements))
    loaded = np.asarray(zarr.load(store))
    assert (loaded.shape, loaded.dtype) == (np.shape(elements), elements.dtype)


def test_save_array_takes_parameters_of_create() -> None:
    store = MemoryStore()
    zarr.save_array(store, np.arange(4), chunks=(2,), attributes={"a": 1}, fill_value=3)
    array = zarr.open_array(store)
    assert (array.chunks, array.attrs.asdict(), array.fill_value) == ((2,), {"a": 1}, 3)
    zarr.save_array(store, np.arange(2), overwrite=True)
    zarr.save_array(store, np.arange(3), mode="w")
    assert zarr.load(store).tolist() == [0, 1, 2]


def test_save_group() -> None:
    store = MemoryStore()
    zarr.save(store, np.arange(2), np.arange(3), x=np.ones(1), path="g")
    group = zarr.open_group(store, path="g", mode="r")
    assert {name: array[:].tolist() for name, array in group.arrays()} == {
        "arr_0": [0, 1],
        "arr_1": [0, 1, 2],
        "x": [1],
    }
    zarr.save_group(store, x=np.zeros(2), path="g")
    assert group["x"][:].tolist() == [0, 0]
    assert sorted(group) == ["arr_0", "arr_1", "x"]
    zarr.save_group(store, np.arange(2), path="old", zarr_format=2)
    assert zarr.open_group(store, path="old").metadata.zarr_format == 2


def test_what_cannot_be_saved() -> None:
    store = MemoryStore()
    for save in (zarr.save, zarr.save_group):
        with pytest.raises(ValueError, match="at least one array"):
            save(store)
    for data in ([1, 2], 5, "text", zarr.ones((2,)), np.float64(3)):
        with pytest.raises(TypeError, match="arr argument must be numpy or other NDArrayLike"):
            zarr.save(store, data)
        with pytest.raises(TypeError, match="All arguments must be numpy"):
            zarr.save_group(store, np.ones(1), data)
        with pytest.raises(TypeError, match="'x' must be a numpy"):
            zarr.save(store, x=data)
    assert contents(store) == {}


def test_what_cannot_be_loaded() -> None:
    store = MemoryStore()
    with pytest.raises(GroupNotFoundError):
        zarr.load(store, path="deep/er")
    assert contents(store) == {}
    zarr.create_group(store)
    with pytest.raises(NotImplementedError, match="loading groups"):
        zarr.load(store)
    put(store, "zarr.json", b"{broken")
    with pytest.raises(ValueError, match="property name"):
        zarr.load(store)


async def test_asynchronous() -> None:
    store = MemoryStore()
    await za.save(store, np.arange(3))
    assert np.asarray(await za.load(store=store)).tolist() == [0, 1, 2]
    made = await za.zeros_like(await za.ones((2,), dtype="i2"))
    assert isinstance(made, zarr.AsyncArray)
    assert (made.dtype, np.asarray(await made.getitem(...)).tolist()) == (np.int16, [0, 0])
