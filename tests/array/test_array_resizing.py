"""Resizing and appending: shapes, and which chunks remain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from zarr.core.array import Array
from zarr.core.array import _resize as resize_room
from zarr.core.config import config
from zarr.core.sync import sync

NewArray = Callable[..., Any]


def _chunk_keys(store: dict[str, Any]) -> list[str]:
    return sorted(key for key in store if not key.endswith(("zarr.json", ".zarray", ".zattrs")))


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    ("new_shape", "keys"),
    [
        ((4, 3), ["0/0", "0/1", "1/0", "1/1"]),
        ((2, 2), ["0/0"]),
        ((3, 4), ["0/0", "0/1", "1/0", "1/1"]),
        ((1, 9), ["0/0", "0/1"]),
        ((0, 4), []),
    ],
)
@pytest.mark.parametrize("listed", [False, True])
def test_resize(
    new_array: NewArray,
    monkeypatch: pytest.MonkeyPatch,
    zarr_format: int,
    new_shape: tuple[int, ...],
    keys: list[str],
    listed: bool,
) -> None:
    if listed:
        monkeypatch.setattr(resize_room, "_MAX_BLIND_DELETES", -1)
    store: dict[str, Any] = {}
    data = np.arange(1, 13).reshape(3, 4)
    array = new_array(
        store, data=data, chunks=(2, 2), name="a", fill_value=-1, zarr_format=zarr_format
    )
    new_array(store, name="ab", data=np.ones((9,)), chunks=(1,), zarr_format=zarr_format)
    before = len(_chunk_keys(store))
    assert array.resize(new_shape) is None
    expected = np.full(new_shape, -1)
    kept = tuple(slice(0, min(pair)) for pair in zip(new_shape, data.shape, strict=True))
    expected[kept] = data[kept]
    np.testing.assert_array_equal(array[...], expected)
    reopened = Array(sync(type(array.async_array).open(array.store_path, zarr_format=None)))
    assert array.shape == reopened.shape == new_shape
    prefix = "a/c/" if zarr_format == 3 else "a/"
    separator = "/" if zarr_format == 3 else "."
    expected_keys = [prefix + key.replace("/", separator) for key in keys]
    assert [key for key in _chunk_keys(store) if key.startswith("a/")] == expected_keys
    assert before - len(_chunk_keys(store)) == 4 - len(keys)


def test_resize_without_deleting(new_array: NewArray) -> None:
    store: dict[str, Any] = {}
    array = new_array(store, data=np.arange(1, 9), chunks=(2,))
    sync(array.async_array.resize((2,), delete_outside_chunks=False))
    assert len(_chunk_keys(store)) == 4
    array.shape = (8,)
    np.testing.assert_array_equal(array[:], np.arange(1, 9))


def test_what_a_cut_chunk_holds_comes_back(new_array: NewArray) -> None:
    array = new_array(data=np.arange(6), chunks=(4,))
    array.resize(3)
    array.resize(6)
    np.testing.assert_array_equal(array[:], [0, 1, 2, 3, 0, 0])


def test_shards_are_deleted(new_array: NewArray) -> None:
    store: dict[str, Any] = {}
    array = new_array(store, shape=(8,), chunks=(2,), shards=(4,), dtype="i4")
    array[:] = np.arange(8)
    array.resize((4,))
    assert _chunk_keys(store) == ["c/0"]
    np.testing.assert_array_equal(array[:], np.arange(4))


def test_rectilinear_chunks(new_array: NewArray) -> None:
    with config.set({"array.rectilinear_chunks": True}):
        store: dict[str, Any] = {}
        array = new_array(store, shape=(10,), chunks=[[6, 4]], dtype="u1")
        array[:] = np.arange(10)
        array.resize((12,))
        assert array.read_chunk_sizes == ((6, 4, 2),)
        array.append(np.array([7, 8], "u1"))
        assert array.shape == (14,)
        np.testing.assert_array_equal(array[8:], [8, 9, 0, 0, 7, 8])
        array.resize((5,))
        assert _chunk_keys(store) == ["c/0"]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_chunks_outside_are_the_difference_of_the_grids(data: st.DataObject) -> None:
    old = tuple(data.draw(st.lists(st.integers(0, 4), max_size=3)))
    new = tuple(data.draw(st.integers(0, 5)) for _ in old)
    found = list(resize_room._difference(old, new))
    expected = {at for at in np.ndindex(*old) if any(i >= n for i, n in zip(at, new, strict=True))}
    assert set(found) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("new_shape", "error"),
    [((8, 2), ValueError), ((-1,), ValueError), ("5", TypeError), ((2.5,), TypeError)],
)
def test_refused_shapes(new_array: NewArray, new_shape: Any, error: type[Exception]) -> None:
    array = new_array(data=np.arange(6), chunks=(2,))
    with pytest.raises(error):
        array.resize(new_shape)
    np.testing.assert_array_equal(array[:], np.arange(6))


def test_metadata_are_stored_before_chunks_go(
    new_array: NewArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: dict[str, Any] = {}
    array = new_array(store, data=np.arange(1, 7), chunks=(2,))

    async def refuse(*_: Any) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(type(array.store), "set", refuse)
        with pytest.raises(OSError, match="disk full"):
            array.resize((2,))
    assert array.shape == (6,)
    np.testing.assert_array_equal(array[:], np.arange(1, 7))


# --- append -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axis", "added"),
    [(0, (2, 3)), (1, (2, 2)), (-1, (2, 1)), (-2, (1, 3)), (0, (0, 3))],
)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_append(new_array: NewArray, axis: int, added: tuple[int, ...], asynchronous: bool) -> None:
    data = np.arange(6).reshape(2, 3)
    more = np.full(added, 9.7)
    array = new_array(data=data, chunks=(2, 2))
    result = (
        sync(array.async_array.append(more, axis)) if asynchronous else array.append(more, axis)
    )
    expected = np.append(data, more.astype(int), axis)
    assert result == array.shape == expected.shape
    np.testing.assert_array_equal(array[...], expected)


def test_append_what_is_no_numpy_array(new_array: NewArray) -> None:
    array = new_array(data=np.arange(3))
    array.append([7, 8])
    array.append(new_array(data=np.arange(2)))
    sync(array.async_array.append(new_array(data=np.arange(2))))
    np.testing.assert_array_equal(array[:], [0, 1, 2, 7, 8, 0, 1, 0, 1])


def test_append_keeps_the_rest(new_array: NewArray) -> None:
    array = new_array(data=np.arange(3), dimension_names=["t"], attributes={"k": 1})
    array.append(np.arange(2))
    assert array.metadata.dimension_names == ("t",)
    assert array.attrs.asdict() == {"k": 1}


@pytest.mark.parametrize(
    ("data", "axis", "error"),
    [
        (np.ones((2, 3)), 2, ValueError),
        (np.ones((2, 3)), -3, ValueError),
        (np.ones((2, 2)), 0, ValueError),
        (np.ones(3), 0, ValueError),
        (np.ones((1, 2, 3)), 0, ValueError),
        (5, 0, IndexError),
        (np.full((2, 3), "x"), 0, ValueError),
    ],
)
def test_refused_appends_change_nothing(
    new_array: NewArray, data: Any, axis: int, error: type[Exception]
) -> None:
    array = new_array(data=np.arange(6).reshape(2, 3))
    with pytest.raises(error):
        array.append(data, axis)
    with pytest.raises(error):
        sync(array.async_array.append(data, axis))
    assert array.shape == (2, 3)
    np.testing.assert_array_equal(array[...], np.arange(6).reshape(2, 3))


def test_append_to_an_array_without_dimensions(new_array: NewArray) -> None:
    with pytest.raises(ValueError, match="out of bounds"):
        new_array(shape=(), dtype="i4").append(np.array([1]))
