"""Internal methods of arrays that others override: whoever does is asked for every read and write."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pytest

import zarr
from zarr.core.array import Array, AsyncArray
from zarr.core.buffer import default_buffer_prototype
from zarr.core.indexing import BasicIndexer, OrthogonalIndexer
from zarr.storage import MemoryStore, StorePath, WrapperStore

MASK = np.arange(10) % 2 == 0
NAMES = ["_get_selection", "_set_selection", "_save_metadata"]

READS: dict[str, Callable[[Any], Any]] = {
    "slice": lambda z: z[:],
    "integer": lambda z: z[3],
    "nothing": lambda z: z[0:0],
    "get_basic_selection": lambda z: z.get_basic_selection(slice(2, 4)),
    "oindex": lambda z: z.oindex[[1, 2]],
    "vindex": lambda z: z.vindex[[1, 2]],
    "mask": lambda z: z.vindex[MASK],
    "blocks": lambda z: z.blocks[0],
    "numpy": np.asarray,
    "read_many": lambda z: zarr.read_many([z])[0],
    "getitem": lambda z: asyncio.run(z.async_array.getitem(slice(1, 4))),
    "getitem of one": lambda z: asyncio.run(z.async_array.getitem(4)),
    "async oindex": lambda z: asyncio.run(z.async_array.oindex.getitem([1, 2])),
    "async vindex": lambda z: asyncio.run(z.async_array.vindex.getitem([1, 2])),
    "get_mask_selection": lambda z: asyncio.run(z.async_array.get_mask_selection(MASK)),
}
WRITES: dict[str, Callable[[Any], Any]] = {
    "slice": lambda z: z.__setitem__(slice(None), 5),
    "integer": lambda z: z.__setitem__(3, 5),
    "oindex": lambda z: z.oindex.__setitem__([1, 2], 5),
    "vindex": lambda z: z.vindex.__setitem__([1, 2], 5),
    "mask": lambda z: z.vindex.__setitem__(MASK, 5),
    "blocks": lambda z: z.blocks.__setitem__(0, 5),
    "setitem": lambda z: asyncio.run(z.async_array.setitem(slice(1, 4), 5)),
    "append": lambda z: z.append(np.full(3, 5, dtype="i4")),
    "async append": lambda z: asyncio.run(z.async_array.append(np.full(3, 5, dtype="i4"))),
}
SAVES: dict[str, Callable[[Any], Any]] = {
    "update_attributes": lambda z: z.update_attributes({"a": 1}),
    "async update_attributes": lambda z: asyncio.run(z.async_array.update_attributes({"a": 1})),
    "attrs": lambda z: z.attrs.__setitem__("a", 1),
    "attrs.put": lambda z: z.attrs.put({"a": 1}),
    "resize": lambda z: z.resize((7,)),
    "shape": lambda z: setattr(z, "shape", (7,)),
    "async resize": lambda z: asyncio.run(z.async_array.resize((7,))),
    "append": lambda z: z.append(np.zeros(3, dtype="i4")),
}
CASES = [
    pytest.param(name, function, id=f"{name}: {case}")
    for name, table in zip(NAMES, (READS, WRITES, SAVES), strict=True)
    for case, function in table.items()
]


def recording(name: str, calls: list[str]) -> Any:
    """Return a coroutine function that does what the method does, and notes that."""
    original = getattr(AsyncArray, name)

    @functools.wraps(original)
    async def method(self: AsyncArray[Any], *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)  # as those may that wait for something
        calls.append(name)
        return await original(self, *args, **kwargs)

    return method


def content(zarr_format: Any = 3, **kwargs: Any) -> Any:
    array = zarr.create_array(
        MemoryStore(), shape=(10,), chunks=(3,), dtype="i4", zarr_format=zarr_format, **kwargs
    )
    array[:] = np.arange(10)
    return array


@pytest.fixture(params=["subclass", "class", "object"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def overridden(
    array: Array[Any], name: str, way: str, calls: list[str], patch: pytest.MonkeyPatch
) -> Array[Any]:
    method = recording(name, calls)
    inner = array.async_array
    if way == "subclass":
        own: Any = type("Own", (AsyncArray,), {name: method})
        return Array(own(inner.metadata, inner.store_path, inner.config))
    if way == "class":
        patch.setattr(AsyncArray, name, method)
    else:
        object.__setattr__(inner, name, method.__get__(inner))
    return array


@pytest.mark.parametrize(("name", "use"), CASES)
def test_what_overrides_a_method_is_called_once(
    name: str, use: Callable[[Array[Any]], Any], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, twin = content(), content()
    result = use(expected)
    calls: list[str] = []
    array = overridden(twin, name, way, calls, monkeypatch)
    found = use(array)
    assert calls == [name]
    if name == "_get_selection":
        assert type(found) is type(result)
        np.testing.assert_array_equal(found, result)
    monkeypatch.undo()
    stored, wanted = (zarr.open_array(each.store_path) for each in (array, expected))
    assert stored.metadata == wanted.metadata
    np.testing.assert_array_equal(stored[:], wanted[:])


@pytest.mark.parametrize("name", NAMES)
def test_mock_patch_object_is_reached_and_undone(name: str) -> None:
    array = content()

    def use() -> None:
        array[0], array[1]
        array[0] = 3
        array.attrs["a"] = 1

    with mock.patch.object(AsyncArray, name, autospec=True, side_effect=None) as patched:
        use()
    assert patched.call_count == {"_get_selection": 2}.get(name, 1)
    use()
    assert array[0] == 3
    assert patched.call_count == {"_get_selection": 2}.get(name, 1)


def test_what_is_returned_instead_is_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    async def doubled(self: AsyncArray[Any], indexer: Any, **kwargs: Any) -> Any:
        return 2 * np.asarray(await original(self, indexer, **kwargs))

    original = AsyncArray._get_selection
    array = content()
    monkeypatch.setattr(AsyncArray, "_get_selection", doubled)
    assert list(array[3:5]) == [6, 8]
    copied: Any = zarr.from_array({}, data=array)
    monkeypatch.undo()
    # Also where encoded chunks would have gone over as they are.
    assert list(copied[3:5]) == [6, 8]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("data", ["array", "array-like", "values"])
def test_elements_of_a_new_array_are_set_by_what_overrides_that(
    data: str, zarr_format: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ArrayLike:
        shape, dtype, ndim = (10,), np.dtype("i4"), 1

        def __getitem__(self, selection: Any) -> Any:
            return np.arange(10, dtype="i4")[selection]

    source = content(zarr_format)
    given = {"array": source, "array-like": ArrayLike(), "values": np.arange(10, dtype="i4")}[data]
    calls: list[str] = []
    monkeypatch.setattr(AsyncArray, "_set_selection", recording("_set_selection", calls))
    array: Any = zarr.from_array({}, data=given, chunks=(3,), zarr_format=zarr_format)
    assert calls
    assert list(array[:]) == list(range(10))


def test_an_override_runs_on_the_event_loop_whatever_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner = content()
    calls: list[str] = []
    monkeypatch.setattr(AsyncArray, "_get_selection", recording("_get_selection", calls))
    array = zarr.open_array(WrapperStore(inner.store))
    results = zarr.read_many([(array, slice(2)), inner, (inner, 4)])
    assert [np.asarray(each).tolist() for each in results] == [[0, 1], list(range(10)), 4]
    assert len(calls) == 3


# --- what the methods do by themselves --------------------------------------------------


def test_get_selection_returns_what_indexing_does() -> None:
    array = content().async_array
    prototype = default_buffer_prototype()

    def get(indexer: Any, **kwargs: Any) -> Any:
        return asyncio.run(array._get_selection(indexer, prototype=prototype, **kwargs))

    one = BasicIndexer(2, array.shape, array._chunk_grid)
    assert type(get(one)) is np.int32
    assert type(get(OrthogonalIndexer(2, array.shape, array._chunk_grid))) is np.ndarray
    box = BasicIndexer(slice(2, 5), array.shape, array._chunk_grid)
    out = prototype.nd_buffer.from_numpy_array(np.zeros(3, dtype="i4"))
    get(box, out=out)
    assert out.as_numpy_array().tolist() == [2, 3, 4]


def test_set_selection_sets_elements_and_fields() -> None:
    array = zarr.create_array({}, shape=(4,), chunks=(3,), dtype=[("a", "i4"), ("b", "i4")])
    inner = array.async_array
    indexer = BasicIndexer(slice(1, 3), inner.shape, inner._chunk_grid)
    done: Any = asyncio.run(
        inner._set_selection(indexer, 7, prototype=default_buffer_prototype(), fields="b")
    )
    assert done is None
    elements: Any = array[:]
    assert elements["b"].tolist() == [0, 7, 7, 0]
    assert elements["a"].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_save_metadata_stores_what_it_is_given(zarr_format: Any) -> None:
    array = content(zarr_format).async_array
    other = array.metadata.update_attributes({"a": 1})
    done: Any = asyncio.run(array._save_metadata(other))
    assert done is None
    assert array.metadata.attributes == {}
    assert zarr.open_array(array.store_path).attrs.asdict() == {"a": 1}


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_save_metadata_creates_groups_above_only_if_asked(zarr_format: Any) -> None:
    store = MemoryStore()
    metadata = content(zarr_format).metadata
    array: AsyncArray[Any] = AsyncArray(metadata, StorePath(store, "p/q/a"))
    zarr.create_group(store, path="p", attributes={"x": 1}, zarr_format=zarr_format)
    before = set(store._store_dict)
    asyncio.run(array._save_metadata(metadata))
    assert {key.rpartition("/")[0] for key in set(store._store_dict) - before} == {"p/q/a"}
    asyncio.run(array._save_metadata(metadata, ensure_parents=True))
    root = zarr.open_group(store, mode="r", zarr_format=zarr_format)
    assert [path for path, _ in root.members(None)] == ["p", "p/q", "p/q/a"]
    assert root["p"].attrs.asdict() == {"x": 1}
    below: AsyncArray[Any] = AsyncArray(metadata, StorePath(store, "p/q/a/b"))
    with pytest.raises(ValueError, match="is an array - only groups may have child nodes"):
        asyncio.run(below._save_metadata(metadata, ensure_parents=True))


def test_save_metadata_refuses_a_store_that_is_read_only() -> None:
    array = content()
    place = StorePath(array.store.with_read_only(True), "other")
    with pytest.raises(ValueError, match="read-only"):
        asyncio.run(AsyncArray(array.metadata, place)._save_metadata(array.metadata))


def test_attributes_stay_where_storing_them_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(self: Any, metadata: Any, ensure_parents: bool = False) -> None:
        raise OSError("no space")

    array = content()
    monkeypatch.setattr(AsyncArray, "_save_metadata", refuse)
    with pytest.raises(OSError, match="no space"):
        array.attrs["a"] = 1
    with pytest.raises(OSError, match="no space"):
        array.resize((20,))
    assert array.attrs.asdict() == {}
    assert array.shape == (10,)


def test_properties_under_their_internal_names() -> None:
    array = content().async_array
    assert array._config is array.config
    assert array._zdtype == array.metadata.dtype


@pytest.mark.parametrize("of", ["Array", "AsyncArray"])
@pytest.mark.parametrize("name", ["_iter_shard_regions", "_iter_chunk_regions"])
def test_regions_are_those_of_what_is_stored_by_itself(name: str, of: str) -> None:
    kept = zarr.create_array({}, shape=(10, 7), chunks=(2, 2), shards=(4, 4), dtype="i4")
    array = kept if of == "Array" else kept.async_array
    regions = getattr(array, name)
    assert [tuple((s.start, s.stop, s.step) for s in each) for each in regions()] == [
        ((row, min(row + 4, 10), 1), (column, min(column + 4, 7), 1))
        for row in (0, 4, 8)
        for column in (0, 4)
    ]
    assert list(regions(origin=(1, 1), selection_shape=(1, 1))) == [
        (slice(4, 8, 1), slice(4, 7, 1))
    ]
    assert list(regions((2, 1))) == [(slice(8, 10, 1), slice(4, 7, 1))]
    assert len(list(regions(selection_shape=(2, 2)))) == 4
    assert list(regions(selection_shape=(0, 1))) == []
    assert list(regions(origin=(9, 9))) == []
    with pytest.raises(ValueError, match="argument"):
        list(regions(origin=(1,)))


def test_regions_of_arrays_without_shards_without_dimensions_and_without_elements() -> None:
    plain = zarr.create_array({}, shape=(5,), chunks=(2,), dtype="i4")
    assert list(plain._iter_chunk_regions()) == [
        (slice(0, 2, 1),),
        (slice(2, 4, 1),),
        (slice(4, 5, 1),),
    ]
    scalar = zarr.create_array({}, shape=(), dtype="i4")
    assert list(scalar._iter_shard_regions()) == [()]
    empty = zarr.create_array({}, shape=(0, 3), chunks=(1, 1), dtype="i4")
    assert list(empty._iter_shard_regions()) == []
