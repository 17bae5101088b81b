"""Resizing and appending: shapes, and which chunks remain."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from zarr.core.array import Array
from zarr.core.array import _resize as resize_room
from zarr.core.config import config
from zarr.core.sync import sync
from zarr.storage import MemoryStore, ZipStore

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


class Recording(MemoryStore):
    """Records the keys that are deleted, and how many deletions are under way at once."""

    def __init__(self, fails: str = "never", **more: Any) -> None:
        super().__init__(**more)
        self.fails = fails
        self.deleted: list[str] = []
        self.pending = self.most_pending = 0

    async def delete(self, key: str) -> None:
        self.deleted.append(key)
        self.pending += 1
        self.most_pending = max(self.pending, self.most_pending)
        await asyncio.sleep(0)
        self.pending -= 1
        if key.endswith(self.fails):
            raise OSError("no")
        await super().delete(key)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("shards", [None, (2,)])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("listed", [False, True])
def test_a_failure_to_delete_is_told_and_the_shape_stays(
    new_array: NewArray,
    monkeypatch: pytest.MonkeyPatch,
    zarr_format: int,
    shards: Any,
    asynchronous: bool,
    listed: bool,
) -> None:
    if shards and zarr_format == 2:
        pytest.skip("no shards")
    if listed:
        monkeypatch.setattr(resize_room, "_MAX_BLIND_DELETES", -1)
    store = Recording(fails="7")
    size = 2 if shards else 1
    array = new_array(
        store,
        data=np.arange(1, 40 * size + 1),
        chunks=(1,),
        shards=shards,
        zarr_format=zarr_format,
    )
    documents = {key: store._store_dict[key] for key in list(store._store_dict) if "z" in key}
    shape = (2 * size,)
    with config.set({"async.concurrency": 2}), pytest.raises(OSError, match="no"):
        sync(array.async_array.resize(shape)) if asynchronous else array.resize(shape)
    assert array.shape == (40 * size,)
    assert {key: store._store_dict[key] for key in documents} == documents
    assert len(store.deleted) <= 40 if listed else 8
    assert store.most_pending <= 2
    np.testing.assert_array_equal(array[: 2 * size], np.arange(1, 2 * size + 1))
    store.fails = "never"
    array.resize((2 * size,))
    array.resize((40 * size,))
    assert not array[2 * size :].any()


def test_chunks_go_before_the_shape_is_stored(new_array: NewArray) -> None:
    """Chunks that are left without a shape would come back when the array grows."""
    store = Recording()
    array = new_array(store, data=np.arange(1, 7), chunks=(2,))
    seen: list[int] = []
    set_value = store.set

    async def fail(key: str, value: Any, byte_range: None = None) -> None:
        seen.append(len(store.deleted))
        raise OSError("disk full")

    store.set = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="disk full"):
        array.resize((2,))
    assert seen == [2]
    assert array.shape == (6,)
    store.set = set_value  # type: ignore[method-assign]
    np.testing.assert_array_equal(array[:], [1, 2, 0, 0, 0, 0])


class Unlisted(Recording):
    supports_listing = False


@pytest.mark.parametrize("store_cls", [Recording, Unlisted])
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("axis", [0, 1])
def test_shrinking_a_huge_grid_visits_the_chunks_that_go(
    new_array: NewArray, store_cls: type[Recording], zarr_format: int, axis: int
) -> None:
    store = store_cls()
    shape = (2**40, 2) if axis == 0 else (2, 2**40)
    smaller = (2**40 - 1, 2) if axis == 0 else (2, 2**40 - 1)
    array = new_array(store, shape=shape, chunks=(1, 1), dtype="u1", zarr_format=zarr_format)
    array[-1, -1] = 5
    with memory_of(64 << 20):
        array.resize(smaller)
    assert len(store.deleted) == 2
    array.resize(shape)
    assert array[-1, -1] == 0


def test_deleting_many_chunks_takes_little_memory(new_array: NewArray) -> None:
    """Of a store that does not list every chunk that goes has to be named, but not at once."""
    store = Unlisted()
    array = new_array(store, shape=(100_000, 2), chunks=(1, 2), dtype="u1")

    async def count(key: str) -> None:
        store.pending += 1
        store.most_pending = max(store.pending, store.most_pending)
        await asyncio.sleep(0)
        store.pending -= 1

    store.delete = count  # type: ignore[method-assign]
    tracemalloc.start()
    try:
        array.resize((70_000, 2))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert store.most_pending <= config.get("async.concurrency")
    assert peak < 2 << 20


@pytest.mark.parametrize("at_once", [1, 3, 100])
@pytest.mark.parametrize("skips", [False, True])
def test_what_a_listing_hides_while_things_go_is_found_later(
    new_array: NewArray, monkeypatch: pytest.MonkeyPatch, at_once: int, skips: bool
) -> None:
    class Skipping(Recording):
        async def list_prefix(self, prefix: str) -> Any:
            """List as a server does whose pages are counted: what goes moves the rest up."""
            start = 0
            while page := [key for key in self._keys() if key.startswith(prefix)][start:][:4]:
                for key in page:
                    yield key
                start += 4

    monkeypatch.setattr(resize_room, "_MAX_BLIND_DELETES", -1)
    monkeypatch.setattr(resize_room, "_DELETED_AT_ONCE", at_once)
    store = Skipping() if skips else Recording()
    array = new_array(store, data=np.arange(1, 31), chunks=(1,))
    array.resize((5,))
    assert _chunk_keys(dict(store._store_dict)) == [f"c/{i}" for i in range(5)]


@contextmanager
def memory_of(nbytes: int) -> Iterator[None]:
    """Limit what may be allocated, so that too much fails at once."""
    resource = pytest.importorskip("resource")
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + nbytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


# --- stores that cannot delete ----------------------------------------------------------


class Keeping(MemoryStore):
    """A store of somebody else's that cannot delete, and says so."""

    supports_deletes = False

    async def delete(self, key: str) -> None:
        raise NotImplementedError

    def delete_sync(self, key: str) -> None:
        raise NotImplementedError

    async def delete_dir(self, prefix: str) -> None:
        raise NotImplementedError


@pytest.fixture(params=["zip", "keeping"])
def keeping(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "keeping":
        return Keeping()
    return ZipStore(tmp_path / "x.zip", mode="w")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("shards", [None, (4,)])
@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("write_empty_chunks", [False, True])
def test_old_values_do_not_come_back(
    new_array: NewArray,
    monkeypatch: pytest.MonkeyPatch,
    keeping: Any,
    zarr_format: int,
    shards: Any,
    listed: bool,
    write_empty_chunks: bool,
) -> None:
    if shards and zarr_format == 2:
        pytest.skip("no shards")
    if listed:
        monkeypatch.setattr(resize_room, "_MAX_BLIND_DELETES", -1)
    array = new_array(
        keeping,
        shape=(24,),
        dtype="i4",
        chunks=(2,),
        shards=shards,
        zarr_format=zarr_format,
        fill_value=-1,
        config={"write_empty_chunks": write_empty_chunks},
    )
    array[:12] = np.arange(1, 13)
    keys = set(sync(_drained(keeping.list())))
    array.resize((4,))
    array.resize((24,))
    assert array[:].tolist() == [1, 2, 3, 4, *[-1] * 20]
    assert set(sync(_drained(keeping.list()))) == keys  # nothing that was not stored


async def _drained(items: Any) -> list[str]:
    return [item async for item in items]


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


class KeepsAll(MemoryStore):
    """A store that says that it has deleted a chunk, and has not."""

    async def delete(self, key: str) -> None:
        pass


def test_a_store_that_deletes_nothing_is_told(
    new_array: NewArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listing again would otherwise go on for ever."""
    monkeypatch.setattr(resize_room, "_DELETED_AT_ONCE", 5)
    monkeypatch.setattr(resize_room, "_MAX_BLIND_DELETES", -1)
    array = new_array(KeepsAll(), data=np.arange(1, 21), chunks=(1,))
    with pytest.raises(OSError, match="the store still lists it"):
        array.resize((2,))
    assert array.shape == (20,)
