"""Indices that have yet to become NumPy arrays: of dask, of other libraries, NumPy bools."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import zarr
from zarr.core.indexing import made_arrays
from zarr.core.sync import sync

VALUES = np.arange(12).reshape(3, 4)
MASK = VALUES % 5 == 0


class Lazy:
    """An array that notes in which thread it is computed."""

    def __init__(self, data: Any) -> None:
        self.array = np.asarray(data)
        self.shape, self.dtype = self.array.shape, self.array.dtype
        self.size = float("nan")  # is not known before
        self.threads: list[threading.Thread] = []

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        self.threads.append(threading.current_thread())
        return self.array


class Interface:
    """What only tells where its memory is."""

    def __init__(self, data: Any) -> None:
        self._array = np.asarray(data)
        self.__array_interface__ = self._array.__array_interface__


def dask(data: Any) -> Any:
    return pytest.importorskip("dask.array").from_array(np.asarray(data), chunks=1)


def series(data: Any) -> Any:
    pandas = pytest.importorskip("pandas")
    return pandas.Series(data) if np.ndim(data) == 1 else dask(data)


def stored(data: Any) -> Any:
    return zarr.array(np.asarray(data))


@pytest.fixture(params=[Lazy, Interface, dask, series, stored])
def lazy(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[2, 3, "shards"])
def array(request: pytest.FixtureRequest) -> zarr.Array[Any]:
    more: Any = {"shards": (2, 4)} if request.param == "shards" else {"zarr_format": request.param}
    return zarr.create_array({}, data=VALUES, chunks=(1, 2), **more)


GET: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "vindex": (lambda a, f: a.vindex[f([0, 2]), f([1, 1])], VALUES[[0, 2], [1, 1]]),
    "vindex, one of them": (lambda a, f: a.vindex[f([0, 2]), [1, 1]], VALUES[[0, 2], [1, 1]]),
    "vindex mask": (lambda a, f: a.vindex[f(MASK)], VALUES[MASK]),
    "oindex": (lambda a, f: a.oindex[f([0, 2]), f([3, 1])], VALUES[np.ix_([0, 2], [3, 1])]),
    "oindex mask": (lambda a, f: a.oindex[f([True, False, True]), :], VALUES[[0, 2]]),
    "oindex one": (lambda a, f: a.oindex[f([2, 0])], VALUES[[2, 0]]),
    "brackets": (lambda a, f: a[f([0, 2]), f([1, 1])], VALUES[[0, 2], [1, 1]]),
    "brackets and slice": (lambda a, f: a[f([2, 0]), 1:3], VALUES[[2, 0], 1:3]),
    "brackets mask": (lambda a, f: a[f(MASK)], VALUES[MASK]),
    "integer": (lambda a, f: a[f(2)], VALUES[2]),
    "basic": (lambda a, f: a.get_basic_selection((f(2), slice(1, 3))), VALUES[2, 1:3]),
    "orthogonal": (lambda a, f: a.get_orthogonal_selection(f([2, 0])), VALUES[[2, 0]]),
    "coordinates": (
        lambda a, f: a.get_coordinate_selection((f([0, 2]), f([1, 1]))),
        VALUES[[0, 2], [1, 1]],
    ),
    "mask": (lambda a, f: a.get_mask_selection(f(MASK)), VALUES[MASK]),
    "block": (lambda a, f: a.get_block_selection((f(0), slice(None)))[0], VALUES[0]),
    "async": (
        lambda a, f: sync(a.async_array.get_orthogonal_selection(f([2, 0]))),
        VALUES[[2, 0]],
    ),
    "async integer": (lambda a, f: sync(a.async_array.getitem(f(2))), VALUES[2]),
    "async mask": (lambda a, f: sync(a.async_array.get_mask_selection(f(MASK))), VALUES[MASK]),
    "async coordinates": (
        lambda a, f: sync(a.async_array.get_coordinate_selection((f([0]), f([1])))),
        VALUES[[0], [1]],
    ),
    "async oindex": (
        lambda a, f: sync(a.async_array.oindex.getitem((f([2, 0]), slice(None)))),
        VALUES[[2, 0]],
    ),
    "async vindex": (
        lambda a, f: sync(a.async_array.vindex.getitem((f([0, 2]), f([1, 1])))),
        VALUES[[0, 2], [1, 1]],
    ),
    "async vindex mask": (
        lambda a, f: sync(a.async_array.vindex.getitem(f(MASK))),
        VALUES[MASK],
    ),
}
SET: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "vindex": (lambda a, f: a.vindex.__setitem__((f([0, 2]), f([1, 1])), -1), ([0, 2], [1, 1])),
    "vindex mask": (lambda a, f: a.vindex.__setitem__(f(MASK), -1), MASK),
    "oindex": (lambda a, f: a.oindex.__setitem__((f([0, 2]), f([3])), -1), np.ix_([0, 2], [3])),
    "brackets": (lambda a, f: a.__setitem__((f([0, 2]), f([1, 1])), -1), ([0, 2], [1, 1])),
    "brackets mask": (lambda a, f: a.__setitem__(f(MASK), -1), MASK),
    "brackets and slice": (
        lambda a, f: a.__setitem__((f([2, 0]), slice(1, 3)), -1),
        ([2, 0], slice(1, 3)),
    ),
    "orthogonal": (lambda a, f: a.set_orthogonal_selection(f([2, 0]), -1), [2, 0]),
    "coordinates": (
        lambda a, f: a.set_coordinate_selection((f([0, 2]), f([1, 1])), -1),
        ([0, 2], [1, 1]),
    ),
    "mask": (lambda a, f: a.set_mask_selection(f(MASK), -1), MASK),
    "basic": (lambda a, f: a.set_basic_selection(f(2), -1), 2),
    "async": (lambda a, f: sync(a.async_array.setitem(f(2), -1)), 2),
}


@pytest.mark.parametrize("way", GET)
def test_reading(array: zarr.Array[Any], lazy: Any, way: str) -> None:
    get, expected = GET[way]
    np.testing.assert_array_equal(get(array, lazy), expected)


@pytest.mark.parametrize("way", SET)
def test_writing(array: zarr.Array[Any], lazy: Any, way: str) -> None:
    write, where = SET[way]
    expected = VALUES.copy()
    expected[where] = -1
    write(array, lazy)
    np.testing.assert_array_equal(array[:], expected)


@pytest.mark.parametrize("way", [*GET, *(f"set {way}" for way in SET)])
def test_nothing_is_computed_on_the_event_loop_or_twice(way: str) -> None:
    made: list[Lazy] = []

    def lazy(data: Any) -> Lazy:
        made.append(Lazy(data))
        return made[-1]

    async def loop_thread() -> threading.Thread:
        return threading.current_thread()

    act = SET[way[4:]][0] if way.startswith("set ") else GET[way][0]
    act(zarr.array(VALUES.copy(), chunks=(1, 2)), lazy)
    assert [len(item.threads) for item in made] == [1] * len(made)
    threads = {thread for item in made for thread in item.threads}
    assert sync(loop_thread()) not in threads
    if "async" not in way:
        assert threads == {threading.current_thread()}


def test_an_index_that_is_read_from_an_array_on_the_loop() -> None:
    """Computing it needs the loop that waits for it."""
    index = zarr.array(np.array([2, 0]), chunks=1)
    array = zarr.array(VALUES)
    result = sync(array.async_array.get_orthogonal_selection(index))  # type: ignore[arg-type]
    np.testing.assert_array_equal(np.asarray(result), VALUES[[2, 0]])


def test_errors_are_those_of_arrays() -> None:
    array: Any = zarr.array(VALUES)
    for bad in ([0.5], ["a"], [5]):
        for get in (array.oindex.__getitem__, array.get_orthogonal_selection):
            with pytest.raises(IndexError):
                get(Lazy(bad))
    with pytest.raises(IndexError):
        array.vindex[Lazy(MASK[:2])]


@pytest.mark.parametrize("value", [np.True_, np.False_])
def test_a_numpy_bool_selects_as_an_array_without_dimensions_does(value: Any) -> None:
    for data in (VALUES, VALUES[0]):
        array: Any = zarr.array(data)
        for get in (
            array.__getitem__,
            array.oindex.__getitem__,
            array.vindex.__getitem__,
            array.get_orthogonal_selection,
            array.get_mask_selection,
            array.get_coordinate_selection,
            lambda selection, array=array: array.__setitem__(selection, 0),
        ):
            errors = []
            for selection in (value, np.asarray(value)):
                with pytest.raises(IndexError) as caught:
                    get(selection)
                errors.append(caught.value)
            assert type(errors[0]) is type(errors[1])
        np.testing.assert_array_equal(array[:], data)
        bools = [np.bool_(i % 2) for i in range(len(data))]
        np.testing.assert_array_equal(array.oindex[bools], data[np.array(bools)])


def test_what_is_settled_is_left_alone() -> None:
    class OnGpu:
        __cuda_array_interface__ = ("memory",)

        def __array__(self) -> Any:
            raise AssertionError

    for selection in (1, slice(2), ..., np.array([1]), [1], "a", None, np.int64(1), OnGpu()):
        assert made_arrays(selection) is selection
    settled = (1, slice(2), np.array([1]))
    assert made_arrays(settled) is settled
