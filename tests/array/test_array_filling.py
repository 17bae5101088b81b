"""Every way to create an array from elements: who moves them, and what is stored in the end."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import zarr
import zarr.api.asynchronous as za
from zarr.abc._store_access import access_of
from zarr.abc.store import Store
from zarr.core.array._copy import boxes, encodes_alike
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.core.config import config
from zarr.errors import ChunkNotFoundError
from zarr.storage import LocalStore, MemoryStore, WrapperStore
from zarr.testing.recording import RecordingStore

DOCUMENTS = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")
DATA = np.arange(1, 13, dtype="i4")


class Call(NamedTuple):
    method: str
    key: str
    thread: str


class Watched:
    """Writes down who asks for chunks, and fails where a test wants it to.

    The coroutines of both stores come down to these methods, in a thread of the pool perhaps.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calls: list[Call] = []
        self.failures: dict[str, Exception] = {}

    def with_read_only(self, read_only: bool = False) -> Any:
        view: Any = super().with_read_only(read_only)  # type: ignore[misc]
        view.calls, view.failures = self.calls, self.failures
        return view

    def _note(self, method: str, key: str) -> None:
        if not key.endswith(DOCUMENTS):
            self.calls.append(Call(method, key, threading.current_thread().name))
            if (failure := self.failures.get(f"{method} {key}")) is not None:
                raise failure

    def get_sync(self, key: str, **kwargs: Any) -> Buffer | None:
        self._note("get", key)
        found: Buffer | None = super().get_sync(key, **kwargs)  # type: ignore[misc]
        return found

    def set_sync(self, key: str, value: Buffer) -> None:
        self._note("set", key)
        super().set_sync(key, value)  # type: ignore[misc]

    def counted(self, method: str) -> list[str]:
        return [call.key for call in self.calls if call.method == method]


class WatchedMemory(Watched, MemoryStore):
    pass


class WatchedLocal(Watched, LocalStore):
    pass


@pytest.fixture(params=["memory", "local"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Any]:
    numbers = iter(range(100))

    def new() -> Any:
        if request.param == "memory":
            return WatchedMemory()
        return WatchedLocal(tmp_path / str(next(numbers)))

    return new


class Lazy:
    """An array-like that is no array."""

    def __init__(self, data: np.ndarray[Any, Any], failing: int | None = None) -> None:
        self.data, self.shape, self.dtype, self.failing = data, data.shape, data.dtype, failing
        self.asked: list[int] = []

    def __getitem__(self, key: tuple[slice, ...]) -> Any:
        self.asked.append(key[0].start)
        if key[0].start == self.failing:
            raise ConnectionError("no data")
        return self.data[key]


def contents(store: Any) -> dict[str, bytes]:
    """Return all that is stored."""
    if isinstance(store, MemoryStore):
        return {key: value.to_bytes() for key, value in store._store_dict.items()}
    files = [path for path in store.root.rglob("*") if path.is_file()]
    return {path.relative_to(store.root).as_posix(): path.read_bytes() for path in files}


def chunks_of(store: Any) -> dict[str, bytes]:
    return {key: value for key, value in contents(store).items() if not key.endswith(DOCUMENTS)}


def stored(data: Any = DATA, store: Store | None = None, **parameters: Any) -> Any:
    """Return an array by creating it and assigning its elements."""
    array = zarr.create_array(
        MemoryStore() if store is None else store,
        shape=data.shape,
        **{"dtype": data.dtype, "chunks": (2,), **parameters},
    )
    array[:] = data
    return array


# --- who moves the elements -------------------------------------------------------------


def _append(store: Any) -> None:
    zarr.create_array(store, shape=(0,), chunks=(2,), dtype="i4").append(DATA)


LEGACY: dict[str, Any] = {"dtype": "i4", "chunks": (2,), "data": DATA, "path": "a"}
IN_GROUP: dict[str, Any] = {"dtype": "i4", "chunks": (2,), "data": DATA, "name": "a"}
DOORS: dict[str, Callable[[Any], Any]] = {
    "create_array": lambda s: zarr.create_array(s, data=DATA, chunks=(2,)),
    "from_array": lambda s: zarr.from_array(s, data=DATA, chunks=(2,)),
    "from a list": lambda s: zarr.from_array(s, data=DATA.tolist(), chunks=(2,)),
    "from lazy data": lambda s: zarr.from_array(s, data=Lazy(DATA), chunks=(2,)),
    "from a stored array": lambda s: zarr.from_array(s, data=stored()),
    "from other codecs": lambda s: zarr.from_array(s, data=stored(), compressors=None),
    "from other shards": lambda s: zarr.from_array(s, data=stored(), shards=(4,)),
    "create_array from stored": lambda s: zarr.create_array(s, data=stored(), chunks=(2,)),
    "array": lambda s: zarr.array(DATA, store=s, chunks=(2,)),
    "array from stored": lambda s: zarr.array(stored(), store=s),
    "array from lazy data": lambda s: zarr.array(DATA.tolist(), store=s, chunks=(2,)),
    "create": lambda s: zarr.create((12,), store=s, **LEGACY),
    "full": lambda s: zarr.full((12,), 0, store=s, **LEGACY),
    "zeros": lambda s: zarr.zeros((12,), store=s, **LEGACY),
    "ones": lambda s: zarr.ones((12,), store=s, **LEGACY),
    "empty": lambda s: zarr.empty((12,), store=s, **LEGACY),
    "full_like": lambda s: zarr.full_like(DATA, fill_value=0, store=s, **LEGACY),
    "zeros_like": lambda s: zarr.zeros_like(DATA, store=s, **LEGACY),
    "ones_like": lambda s: zarr.ones_like(DATA, store=s, **LEGACY),
    "empty_like": lambda s: zarr.empty_like(DATA, store=s, **LEGACY),
    "open_like": lambda s: zarr.open_like(DATA, "a", store=s, chunks=(2,), data=DATA),
    "open": lambda s: zarr.open(s, mode="w", shape=(12,), **LEGACY),
    "open if absent": lambda s: zarr.open(s, mode="a", shape=(12,), **LEGACY),
    "open_array": lambda s: zarr.open_array(s, mode="w", shape=(12,), **LEGACY),
    "save": lambda s: zarr.save(s, DATA),
    "save several": lambda s: zarr.save(s, DATA, b=DATA),
    "save_array": lambda s: zarr.save_array(s, DATA, chunks=(2,)),
    "save_group": lambda s: zarr.save_group(s, a=DATA, b=DATA),
    "append": _append,
    "Group.create_array": lambda s: zarr.group(s).create_array("a", data=DATA, chunks=(2,)),
    "Group.create": lambda s: zarr.group(s).create("a", data=DATA, chunks=(2,)),
    "Group.__setitem__": lambda s: zarr.group(s).__setitem__("a", DATA),
    "Group.full": lambda s: zarr.group(s).full(shape=(12,), fill_value=0, **IN_GROUP),
    "Group.zeros": lambda s: zarr.group(s).zeros(shape=(12,), **IN_GROUP),
    "Group.ones": lambda s: zarr.group(s).ones(shape=(12,), **IN_GROUP),
    "Group.empty": lambda s: zarr.group(s).empty(shape=(12,), **IN_GROUP),
    "Group.zeros_like": lambda s: zarr.zeros_like(DATA, store=s, **LEGACY),
}


@pytest.mark.parametrize("door", DOORS)
def test_the_calling_thread_moves_the_elements(new_store: Callable[[], Any], door: str) -> None:
    store = new_store()
    assert access_of(store).writes_in_thread
    DOORS[door](store)
    me = threading.current_thread().name
    assert {(call.method, call.thread) for call in store.calls} == {("set", me)}
    node: Any = zarr.open(store, mode="r")
    arrays = [node] if isinstance(node, zarr.Array) else [array for _, array in node.arrays()]
    for array in arrays:
        np.testing.assert_array_equal(array[:], DATA)
    assert {call.thread for call in store.calls} == {me}


@pytest.mark.parametrize("parameters", [{}, {"compressors": None}, {"shards": (4,)}])
def test_the_calling_thread_reads_what_it_copies(
    new_store: Callable[[], Any], parameters: dict[str, Any]
) -> None:
    source = stored(store=new_store())
    source.store.calls.clear()
    zarr.from_array(new_store(), data=source, **parameters)
    me = threading.current_thread().name
    assert {(call.method, call.thread) for call in source.store.calls} == {("get", me)}


def test_load_reads_in_the_calling_thread(new_store: Callable[[], Any]) -> None:
    store = new_store()
    zarr.save(store, DATA)
    store.calls.clear()
    np.testing.assert_array_equal(zarr.load(store), DATA)
    assert {call.thread for call in store.calls} == {threading.current_thread().name}


@pytest.mark.parametrize("name", ["create_array", "from_array", "open", "save", "create"])
def test_coroutines_look_as_if_they_were_written_in_one_step(name: str) -> None:
    function = getattr(za, name)
    assert inspect.iscoroutinefunction(function)
    returned = inspect.signature(function).return_annotation
    assert returned in ("AsyncArray[Any]", "AsyncArray[Any] | AsyncGroup", "None")
    assert function.__annotations__["return"] == returned


class Meeting(WrapperStore[Store]):
    """Stores the first chunk of an array only when chunks of both arrays are on their way."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.seen: set[str] = set()
        self.met = asyncio.Event()

    async def set(self, key: str, value: Buffer) -> None:
        if not key.endswith(DOCUMENTS):
            self.seen.add(key.partition("/")[0])
            if len(self.seen) == 2:
                self.met.set()
            await asyncio.wait_for(self.met.wait(), 60)
        await super().set(key, value)


def test_arrays_of_a_store_that_waits_are_written_at_the_same_time() -> None:
    store = Meeting(MemoryStore())
    zarr.save_group(store, a=DATA, b=DATA)
    assert store.seen == {"a", "b"}


# --- what is stored ---------------------------------------------------------------------

STRUCTURED = np.array([(i, i / 2) for i in range(1, 13)], dtype=[("a", "i4"), ("b", "f8")])
STRINGS = np.array([f"s{i}" * i for i in range(1, 13)], dtype="T")
LAYOUTS: list[Any] = [
    pytest.param(DATA, {"zarr_format": 2}, id="v2"),
    pytest.param(DATA, {"zarr_format": 3}, id="v3"),
    pytest.param(DATA, {"zarr_format": 3, "chunks": (5,)}, id="v3 chunks that stick out"),
    pytest.param(DATA, {"zarr_format": 3, "shards": (4,)}, id="shards"),
    pytest.param(DATA, {"zarr_format": 3, "compressors": None}, id="uncompressed"),
    pytest.param(DATA, {"config": {"write_empty_chunks": True}}, id="empty chunks"),
    pytest.param(STRUCTURED, {"zarr_format": 2}, id="structured v2"),
    pytest.param(STRUCTURED, {"zarr_format": 3}, id="structured v3"),
    pytest.param(STRINGS, {"zarr_format": 2}, id="strings v2"),
    pytest.param(STRINGS, {"zarr_format": 3}, id="strings v3"),
    pytest.param(DATA * (DATA > 6), {"zarr_format": 3}, id="zeros"),
]


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize(("data", "layout"), LAYOUTS)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_all_ways_store_the_same_bytes(
    new_store: Callable[[], Any], data: Any, layout: dict[str, Any], asynchronous: bool
) -> None:
    given = {"chunks": (2,), **layout}
    expected = stored(data, new_store(), **given)
    assert chunks_of(expected.store)

    def run(name: str, **parameters: Any) -> Any:
        store = new_store()
        if asynchronous:
            asyncio.run(getattr(za, name)(store, **parameters))
        else:
            getattr(zarr, name)(store, **parameters)
        return store

    same = {"config": layout["config"]} if "config" in layout else {}
    ways = [
        run("create_array", data=data, **given),
        run("from_array", data=data, **given),
        run("from_array", data=Lazy(data), **given),
        run("from_array", data=expected, **same),
        # By way of other codecs or chunks, so that elements are decoded.
        run("from_array", data=stored(data, **{**given, "chunks": (4,)}), **given),
    ]
    for store in ways:
        assert contents(store) == contents(expected.store)
    group = zarr.create_group(new_store(), zarr_format=expected.metadata.zarr_format)
    to_group = {"compressors": expected.compressors, **given}
    to_group.pop("zarr_format", None)
    group.create_array("a", data=data, **to_group)
    assert {k.removeprefix("a/"): v for k, v in chunks_of(group.store).items()} == chunks_of(
        expected.store
    )


# --- encoded copies ---------------------------------------------------------------------


def _copy(store: Any, source: Any, asynchronous: bool, **parameters: Any) -> Any:
    if asynchronous:
        return zarr.Array(asyncio.run(za.from_array(store, data=source, **parameters)))
    return zarr.from_array(store, data=source, **parameters)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("layout", [{}, {"zarr_format": 2}, {"chunks": (2,), "shards": (4,)}])
def test_chunks_encoded_alike_go_over_as_they_are(
    new_store: Callable[[], Any], layout: dict[str, Any], asynchronous: bool
) -> None:
    source: Any = zarr.create_array(
        new_store(), shape=(12,), dtype="i4", **{"chunks": (4,), **layout}
    )
    source[:8] = DATA[:8]
    keys = sorted(chunks_of(source.store))
    for key in keys[1:2]:  # what cannot be decoded shows that nobody tried
        source.store.set_sync(key, default_buffer_prototype().buffer.from_bytes(b"damaged"))
    source.store.calls.clear()
    target = new_store()
    attributes = {"attributes": {"a": 1}, "dimension_names": None}
    copied = _copy(target, source, asynchronous, **attributes)
    assert chunks_of(target) == chunks_of(source.store)
    assert sorted(target.counted("set")) == keys
    assert len(source.store.counted("get")) == 3  # two stored, one absent
    assert target.counted("get") == []
    np.testing.assert_array_equal(copied[:4], DATA[:4])
    with pytest.raises(Exception, match=r".") as caught:
        copied[4:8]
    assert not isinstance(caught.value, AssertionError)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_encoded_chunks_are_read_in_bulk(asynchronous: bool) -> None:
    store = RecordingStore(MemoryStore())
    source = stored(store=store)
    store.reset()
    _copy(MemoryStore(), source, asynchronous, chunk_key_encoding={"name": "v2"})
    chunks = [asked for asked in store.asked if not asked.key.endswith(DOCUMENTS)]
    assert [(each.method, each.key) for each in chunks] == [
        ("get_many", f"c/{index}") for index in range(6)
    ]


def test_stores_in_memory_share_no_memory() -> None:
    source = stored(compressors=None)
    data = np.array([9, 9], dtype="i4")
    source.store._store_dict["c/0"] = default_buffer_prototype().buffer.from_array_like(
        data.view("B")
    )
    copied = zarr.from_array(MemoryStore(), data=source)
    data[:] = 0
    np.testing.assert_array_equal(copied[:2], 9)


@pytest.mark.parametrize(
    "change",
    [
        {"chunks": (4,)},
        {"fill_value": 1},
        {"compressors": None},
        {"shards": (4,)},
        {"zarr_format": 2},
    ],
)
def test_what_is_encoded_otherwise_is_decoded(change: dict[str, Any]) -> None:
    source = stored()
    copied = zarr.from_array(MemoryStore(), data=source, **change)
    assert not encodes_alike(source.async_array, copied.async_array)
    np.testing.assert_array_equal(copied[:], DATA)
    alike: dict[str, Any]
    for alike in ({"attributes": {"n": 1}}, {"dimension_names": ["x"]}, {"config": {"order": "F"}}):
        copied = zarr.from_array(MemoryStore(), data=source, **alike)
        assert encodes_alike(source.async_array, copied.async_array)
    zero = stored(DATA.astype("f4"), fill_value=0.0)
    copied = zarr.from_array(MemoryStore(), data=zero, fill_value=-0.0)
    assert not encodes_alike(zero.async_array, copied.async_array)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_chunks_of_fill_value(zarr_format: Any, asynchronous: bool) -> None:
    data = np.array([1, 2, 0, 0], dtype="i4")
    parameters: dict[str, Any] = {"dtype": "i4", "chunks": (2,), "zarr_format": zarr_format}
    keeping: Any = {"write_empty_chunks": True}
    source = zarr.create_array({}, shape=(8,), config=keeping, **parameters)
    source[:4] = data
    assert source.nchunks_initialized == 2
    # Of a source that keeps them, for a target that does not, they are left out.
    assert _copy(MemoryStore(), source, asynchronous).nchunks_initialized == 1
    # A target that keeps them has them all, as if they had been written.
    for lenient in (source, source.with_config({"write_empty_chunks": False})):
        assert _copy(MemoryStore(), lenient, asynchronous, config=keeping).nchunks_initialized == 4
    # Otherwise what is stored stays stored.
    again = zarr.open_array(source.store)
    assert _copy(MemoryStore(), again, asynchronous).nchunks_initialized == 2


@pytest.mark.parametrize("asynchronous", [False, True])
def test_shards_of_fill_value(asynchronous: bool) -> None:
    source = zarr.create_array({}, shape=(8,), chunks=(2,), shards=(4,), dtype="i4")
    source[:2] = 1
    keeping = {"write_empty_chunks": True}
    copied = _copy(MemoryStore(), source, asynchronous, config=keeping)
    expected = stored(source[:], shards=(4,), config=keeping)
    assert chunks_of(copied.store) == chunks_of(expected.store)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("parameters", [{}, {"compressors": None}])
def test_absent_chunks_are_missed_where_they_have_to_be_there(
    parameters: dict[str, Any], asynchronous: bool
) -> None:
    source = zarr.create_array({}, shape=(8,), chunks=(2,), dtype="i4")
    source[:4] = 1
    strict = source.with_config({"read_missing_chunks": False})
    with pytest.raises(ChunkNotFoundError, match="c/2"):
        _copy(MemoryStore(), strict, asynchronous, **parameters)


# --- failures and memory ----------------------------------------------------------------

SOURCES: dict[str, Callable[[], Any]] = {
    "memory": lambda: DATA,
    "lazy": lambda: Lazy(DATA),
    "encoded": stored,
    "decoded": lambda: stored(fill_value=5),
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_failed_write_leaves_what_was_written_before(
    new_store: Callable[[], Any], source: str
) -> None:
    store = new_store()
    store.failures["set c/2"] = OSError("no space")
    with pytest.raises(OSError, match="no space"):
        zarr.from_array(store, data=SOURCES[source](), chunks=(2,), fill_value=0, shards=None)
    assert sorted(chunks_of(store)) == ["c/0", "c/1"]
    assert zarr.open_array(store, mode="r").shape == DATA.shape


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("parameters", [{}, {"compressors": None}])
def test_a_failed_read_of_the_source_is_no_fill_value(
    new_store: Callable[[], Any], parameters: dict[str, Any], asynchronous: bool
) -> None:
    source = stored(store=new_store())
    source.store.failures["get c/2"] = OSError("bad disk")
    with pytest.raises(OSError, match="bad disk") as caught:
        _copy(new_store(), source, asynchronous, **parameters)
    assert "c/2" in "".join(caught.value.__notes__)


def test_nothing_is_stored_for_what_is_refused(new_store: Callable[[], Any]) -> None:
    store = new_store()
    with pytest.raises(ValueError, match=r"could not convert|invalid literal"):
        zarr.create((2,), dtype="i4", data=np.array(["a", "b"]), store=store)
    with pytest.raises(ValueError, match="broadcast"):
        zarr.create((2,), dtype="i4", data=[1, 2, 3], store=store)
    with pytest.raises(TypeError, match="arr argument"):
        zarr.save_array(store, [1, 2])  # type: ignore[arg-type]
    assert contents(store) == {}


def test_a_failure_of_lazy_data_ends_the_copy() -> None:
    lazy = Lazy(np.arange(100, dtype="i4"), failing=10)
    store = WatchedMemory()
    with config.set({"async.concurrency": 3}), pytest.raises(ConnectionError, match="no data"):
        zarr.from_array(store, data=lazy, chunks=(2,))
    assert len(store.counted("set")) == 5
    assert len(lazy.asked) <= 5 + 3


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("parameters", [{}, {"fill_value": 7}], ids=["encoded", "decoded"])
def test_a_stored_array_is_not_read_whole(parameters: dict[str, Any], asynchronous: bool) -> None:
    """Chunks of 1 MiB: no more are read before others are written than 16, twice."""
    calls: list[int] = []

    class Counted(WatchedMemory):
        def _note(self, method: str, key: str) -> None:
            if not key.endswith(DOCUMENTS):
                calls.append(1 if method == "get" else -1)

    source = zarr.create_array(
        Counted(), shape=(64 << 20,), chunks=(1 << 20,), dtype="u1", compressors=None
    )
    source[:] = 3
    calls.clear()
    _copy(Counted(), source, asynchronous, **parameters)
    ahead = np.cumsum(calls)
    assert len(calls) == 128
    assert ahead[-1] == 0
    assert np.max(ahead) <= 32


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize(
    ("shape", "chunks"),
    [((), ()), ((0,), (3,)), ((7,), (3,)), ((700, 9), (1, 2)), ((5, 300, 3), (2, 7, 3))],
)
def test_boxes_cover_an_array_once(shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
    array = zarr.create_array({}, shape=shape, chunks=chunks, dtype="S65536").async_array
    seen = np.zeros(shape, dtype=int)
    for box in boxes(array):
        seen[box] += 1
        assert all(part.start % length == 0 for part, length in zip(box, chunks))
    assert (seen == 1).all()
    assert len(list(boxes(array))) > 1 or len(shape) < 2


@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_boxes_of_rectilinear_chunks() -> None:
    with config.set({"array.rectilinear_chunks": True}):
        chunks: Any = [[6, 3, 1], 3]
        array = zarr.create_array({}, shape=(10, 4), chunks=chunks, dtype="S9000000")
    assert list(boxes(array.async_array)) == [
        (rows, slice(0, 4, 1)) for rows in (slice(0, 9, 1), slice(9, 10, 1))
    ]
