"""Reading several arrays at once: what a loop over them gives, at the same time, or one clear error."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import basic_indices
from tests.waiting import PATIENCE, until

import zarr
import zarr.api.asynchronous as za
from zarr.core.array import Array, _read_many
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.config import config
from zarr.core.sync import get_loop
from zarr.errors import BoundsCheckError, ChunkNotFoundError
from zarr.storage import LocalStore, LoggingStore, MemoryStore, WrapperStore
from zarr.testing.recording import RecordingStore

NewArray = Callable[..., Any]
ReadMany = Callable[[Any], list[Any]]

LAYOUTS: dict[str, dict[str, Any]] = {
    "v3": {"chunks": (2, 4)},
    "one chunk": {"chunks": (5, 6)},
    "sharded": {"chunks": (1, 2), "shards": (2, 4)},
    "v2": {"chunks": (2, 4), "zarr_format": 2},
    "memory order F": {"chunks": (3, 4), "config": {"order": "F"}},
}
DATA = np.arange(30, dtype="int32").reshape(5, 6)
MASK = DATA % 3 == 0

SELECTIONS: list[Any] = [
    ...,
    (),
    2,
    -1,
    np.int64(3),
    (0, 1),
    (slice(1, 4), slice(None, None, 2)),
    (..., 3),
    (slice(3, 1), slice(None)),
    [4, 0],
    ([0, 2], slice(None)),
    ([0, 2], [1, 3]),
    (2, [1, 3, 3]),
    (np.array([[0, 1], [4, 2]]), np.array([[5, 0], [1, 1]])),
    (np.array([True, False, True, False, True]), slice(None)),
    MASK,
]


class GetOnly(MemoryStore):
    """Read by `get` alone, on the event loop; knows how many are in flight, and can hold them up."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.keys: list[str] = []
        self.running = self.most = 0
        self.held: Callable[[str], bool] = lambda key: False
        self.failures: dict[str, Exception] = {}

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: Any = None
    ) -> Buffer | None:
        self.keys.append(key)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for _ in range(5):
                await asyncio.sleep(0)
            if key in self.failures:
                raise self.failures[key]
            while self.held(key):
                await asyncio.sleep(0)
            return await super().get(key, prototype, byte_range)
        finally:
            self.running -= 1


class Bulk(GetOnly):
    """Has a bulk read of its own, and notes what is asked for in one turn of the event loop."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.turns: list[list[str]] = []
        self.calls = self.most_calls = 0

    async def get_many(
        self, requests: Iterable[Any], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        keys = list(requests)
        if not self.calls:
            self.turns.append([])
        self.turns[-1] += keys
        self.calls += 1
        self.most_calls = max(self.most_calls, self.calls)
        try:
            for _ in range(5):
                await asyncio.sleep(0)
            for index, key in enumerate(keys):
                try:
                    value = await super().get(key, prototype)
                except Exception as error:
                    error.add_note(f"while reading the key {key}")
                    raise
                yield [(index, value)]
        finally:
            self.calls -= 1


class InThread(MemoryStore):
    """Read by the thread that waits; notes which one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.read: list[tuple[str, int]] = []

    def get_sync(self, key: str, **kwargs: Any) -> Buffer | None:
        self.read.append((key, threading.get_ident()))
        return super().get_sync(key, **kwargs)


def in_coroutine(selections: Any) -> list[Any]:
    async def run() -> list[Any]:
        async with asyncio.timeout(PATIENCE):
            before = asyncio.all_tasks()
            try:
                return await za.read_many(selections)
            finally:
                assert asyncio.all_tasks() == before

    return asyncio.run(run())


@pytest.fixture(params=[zarr.read_many, in_coroutine], ids=["sync", "async"])
def read_many(request: pytest.FixtureRequest) -> ReadMany:
    """Either function; no task is left when it ends."""

    def run(selections: Any) -> list[Any]:
        try:
            found: list[Any] = request.param(selections)
            return found
        finally:
            until(
                lambda: not asyncio.all_tasks(get_loop())
            )  # the last step of a task may be going on

    return run


def assert_same(result: Any, expected: Any) -> None:
    assert type(result) is type(expected)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected, strict=True)
    if isinstance(expected, np.ndarray):
        assert result.flags.f_contiguous == expected.flags.f_contiguous


@contextmanager
def noted(kind: type[Exception], *parts: str) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    notes = "\n".join(getattr(caught.value, "__notes__", []))
    assert [part for part in parts if part not in notes] == []


STORES: dict[str, Callable[[Path], Any]] = {
    "memory": lambda _: MemoryStore(),
    "local": LocalStore,
    "get only": lambda _: GetOnly(),
    "bulk": lambda _: Bulk(),
    "logging": lambda path: LoggingStore(LocalStore(path)),
}


# --- results ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STORES)
def test_a_loop_gives_the_same(
    kind: str, new_array: NewArray, read_many: ReadMany, tmp_path: Path
) -> None:
    store = STORES[kind](tmp_path)
    arrays = []
    for number, parameters in enumerate(LAYOUTS.values()):
        place = {"name": f"a{number}", "shape": DATA.shape, "dtype": DATA.dtype}
        array = new_array(store, **place, **parameters)
        array[...] = DATA * (number + 1)
        arrays.append(array)
    pairs = [(array, selection) for selection in SELECTIONS for array in arrays]
    expected = [array[selection] for array, selection in pairs]
    results = read_many(pairs)
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        assert_same(result, wanted)
    for result, wanted in zip(read_many((a.async_array, s) for a, s in pairs), expected):
        assert_same(result, wanted)
    whole = read_many([arrays[0], (arrays[1], None), arrays[2].async_array])
    for result, array in zip(whole, arrays[:3], strict=True):
        assert_same(result, array[...])


def test_fields_and_scalars(new_array: NewArray, read_many: ReadMany) -> None:
    dtype = [("x", "i4"), ("y", "f8")]
    records = new_array(shape=(4,), chunks=(2,), dtype=dtype, zarr_format=2, fill_value=None)
    records[...] = np.array([(i, i / 2) for i in range(4)], dtype=dtype)
    scalar = new_array(shape=(), dtype="f4", fill_value=3)
    text = new_array(shape=(3,), chunks=(1,), dtype="str")
    text[...] = np.array(["a", "", "ccc"], dtype=object)
    empty = new_array(shape=(0, 3), chunks=(1, 1), dtype="i2")
    pairs = [
        *[
            (records, at)
            for at in ("x", ("x", "y"), ("y", slice(1, 3)), ("x", 2), 3, ("x", [0, 3]))
        ],
        *[(scalar, at) for at in (..., ())],
        *[(text, at) for at in (..., 1, [2, 0])],
        (empty, ...),
    ]
    for result, (array, selection) in zip(read_many(pairs), pairs, strict=True):
        expected = array[selection]
        assert type(result) is type(expected)
        np.testing.assert_array_equal(result, expected)
    assert read_many([]) == []
    assert read_many(iter([scalar])) == [3]


@given(st.data())
def test_any_boxes(data: st.DataObject) -> None:
    shapes = data.draw(st.lists(st.sampled_from([(5, 6), (7,), (2, 3, 4), ()]), max_size=6))
    pairs = []
    for number, shape in enumerate(shapes):
        store = MemoryStore() if number % 2 else GetOnly()
        array = zarr.create_array(store, shape=shape, chunks=(2,) * len(shape), dtype="i4")
        array[...] = np.arange(np.prod(shape, dtype=int)).reshape(shape)
        indices = basic_indices(shape, allow_newaxis=False).filter(_steps_forward)
        pairs.append((array, data.draw(indices)))
    expected = [array[selection] for array, selection in pairs]
    for results in (zarr.read_many(pairs), in_coroutine(pairs)):
        for result, wanted in zip(results, expected, strict=True):
            assert_same(result, wanted)


def _steps_forward(selection: Any) -> bool:
    items = selection if isinstance(selection, tuple) else (selection,)
    return all((item.step or 1) > 0 for item in items if isinstance(item, slice))


def test_stores_of_all_kinds_in_one_call(
    new_array: NewArray, read_many: ReadMany, tmp_path: Path
) -> None:
    arrays = []
    for number in range(12):
        kind = list(STORES)[number % len(STORES)]
        array = new_array(STORES[kind](tmp_path / str(number)), shape=(4,), chunks=(2,), dtype="i4")
        array[...] = number
        arrays.append(array)
    results = read_many(arrays)
    assert [result.tolist() for result in results] == [[number] * 4 for number in range(12)]


def test_lazy_selections(new_array: NewArray, read_many: ReadMany) -> None:
    array = new_array(GetOnly(), shape=(5, 6), chunks=(2, 4), dtype="i4")
    array[...] = DATA
    mask = new_array(GetOnly(), data=MASK, chunks=(2, 2))
    (result,) = read_many([(array, mask)])
    assert_same(result, DATA[MASK])


async def test_an_iterable_runs_in_the_calling_thread(new_array: NewArray) -> None:
    # Here a loop is running, as in a notebook; on that of the package, opening would be refused.
    stores = [GetOnly() for _ in range(3)]
    for number, store in enumerate(stores):
        new_array(store, shape=(2,), dtype="i4")[...] = number
    results: list[Any] = zarr.read_many(zarr.open_array(store) for store in stores)
    assert [result.tolist() for result in results] == [[0, 0], [1, 1], [2, 2]]


# --- how they are read ------------------------------------------------------------------


def test_the_calling_thread_reads_what_it_can(new_array: NewArray) -> None:
    store = InThread()
    arrays = [new_array(store, name=f"a{i}", shape=(2,), dtype="i4") for i in range(4)]
    for array in arrays:
        array[...] = 1
    store.read.clear()
    zarr.read_many(arrays)
    here = threading.get_ident()
    assert store.read == [(f"a{i}/c/0", here) for i in range(4)]


@pytest.mark.parametrize("layout", ["v3", "v2", "sharded"])
def test_a_store_is_asked_for_all_at_once(
    new_array: NewArray, read_many: ReadMany, layout: str
) -> None:
    store = Bulk()
    arrays = []
    for number in range(40):
        parameters = LAYOUTS[layout] | {"name": f"a{number}", "shape": DATA.shape, "dtype": "i4"}
        array = new_array(store, **parameters)
        array[...] = DATA
        arrays.append(array)
    store.most = 0
    read_many(arrays)
    if layout == "sharded":
        assert store.most >= 40  # indices of shards are read by `get`
        return
    assert len(store.turns) == 1
    assert len(store.turns[0]) == 40 * 6
    assert store.most_calls == 40


@pytest.mark.parametrize("layout", ["v3", "sharded", "one chunk"])
@pytest.mark.parametrize("wrap", [lambda store: store, WrapperStore, LoggingStore])
def test_one_budget_where_the_store_has_none(
    new_array: NewArray, read_many: ReadMany, layout: str, wrap: Callable[[Any], Any]
) -> None:
    store = GetOnly()
    arrays = []
    for number in range(10):
        parameters = LAYOUTS[layout] | {"name": f"a{number}", "shape": DATA.shape, "dtype": "i4"}
        array = new_array(wrap(store), **parameters)
        array[...] = DATA
        arrays.append(zarr.open_array(wrap(store), path=f"a{number}"))
    with config.set({"async.concurrency": 3}):
        single = arrays[0][...]
        store.most = 0
        results = read_many(arrays)
    assert store.most <= 3
    for result in results:
        assert_same(result, single)


def test_so_many_arrays_at_a_time(
    new_array: NewArray, read_many: ReadMany, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Bulk()
    arrays = [new_array(store, name=f"a{i}", shape=(100,), dtype="i4") for i in range(30)]
    monkeypatch.setattr(_read_many, "_AT_ONCE", 8)
    read_many(arrays)
    assert store.most_calls == 8
    # Each counts as four of them.
    monkeypatch.setattr(_read_many, "_PART_NBYTES", 128)
    store.most_calls = 0
    read_many(arrays)
    assert store.most_calls == 2
    # What is fetched counts, not what is selected of it.
    store.most_calls = 0
    read_many([(array, 3) for array in arrays])
    assert store.most_calls == 2
    # And as no more than all of them.
    monkeypatch.setattr(_read_many, "_PART_NBYTES", 1)
    store.most_calls = 0
    read_many(arrays)
    assert store.most_calls == 1


# --- what is refused --------------------------------------------------------------------

BAD: dict[str, tuple[Callable[[Any, Any], Any], type[Exception]]] = {
    "an array": (lambda a, b: a, TypeError),
    "an asynchronous array": (lambda a, b: a.async_array, TypeError),
    "a group": (lambda a, b: zarr.open_group(a.store), TypeError),
    "no iterable": (lambda a, b: 3, TypeError),
    "nothing": (lambda a, b: None, TypeError),
    "a name": (lambda a, b: "a0", TypeError),
    "one pair": (lambda a, b: (a, slice(1)), TypeError),
    "a number": (lambda a, b: [a, 3], TypeError),
    "an array of NumPy": (lambda a, b: [a, np.zeros(3)], TypeError),
    "no array in a pair": (lambda a, b: [a, (3, slice(1))], TypeError),
    "a triple": (lambda a, b: [a, (b, 1, 2)], TypeError),
    "a single": (lambda a, b: [a, (b,)], TypeError),
    "an empty tuple": (lambda a, b: [a, ()], TypeError),
    "a list for a pair": (lambda a, b: [a, [b, 1]], TypeError),
    "a group among them": (lambda a, b: [a, zarr.open_group(a.store)], TypeError),
    "a mapping": (lambda a, b: {"a": a}, TypeError),
    "out of bounds": (lambda a, b: [a, (b, 9)], BoundsCheckError),
    "coordinates out of bounds": (lambda a, b: [a, (b, ([0, 9], [0, 0]))], BoundsCheckError),
    "too many items": (lambda a, b: [a, (b, (1, 1, 1))], IndexError),
    "no field": (lambda a, b: [a, (b, "x")], IndexError),
    "a step back": (lambda a, b: [a, (b, slice(None, None, -1))], IndexError),
    "a mask of another shape": (lambda a, b: [a, (b, np.ones((2, 2), dtype=bool))], IndexError),
    "no selection": (lambda a, b: [a, (b, object())], IndexError),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_before_anything_is_read(
    new_array: NewArray, read_many: ReadMany, case: str
) -> None:
    make, kind = BAD[case]
    store = RecordingStore(MemoryStore())
    zarr.create_group(store)
    a, b = [new_array(store, name=f"a{i}", shape=DATA.shape, dtype="i4") for i in range(2)]
    bad = make(a, b)
    store.asked.clear()
    with pytest.raises(kind) as caught:
        read_many(bad)
    assert store.asked == []
    if kind is not TypeError:
        assert any(str(b.store_path) in note for note in caught.value.__notes__)


# --- failures ---------------------------------------------------------------------------


def failing(store: Any, new_array: NewArray, layout: str = "v3") -> list[Array[Any]]:
    arrays = []
    for number in range(5):
        parameters = LAYOUTS[layout] | {"name": f"a{number}", "shape": DATA.shape, "dtype": "i4"}
        array = new_array(store, **parameters)
        array[...] = DATA
        arrays.append(array)
    return arrays


@pytest.mark.parametrize(
    ("make", "layout"),
    [(GetOnly, "v3"), (Bulk, "v3"), (Bulk, "sharded"), (GetOnly, "memory order F")],
)
def test_a_failure_names_array_and_chunk_and_stops_the_rest(
    new_array: NewArray, read_many: ReadMany, make: type[GetOnly], layout: str
) -> None:
    store = make()
    arrays = failing(store, new_array, layout)
    failure = PermissionError("no")
    store.failures["a2/c/1/1"] = failure
    # The others do not end by themselves.
    store.held = lambda key: not key.startswith("a2/")
    with config.set({"async.concurrency": 60}), noted(PermissionError, "/a2", "a2/c/1/1"):
        read_many(arrays)
    assert failure.__notes__[-1] == f"while reading the array {arrays[2].store_path}"
    assert store.running == 0


def test_damaged_chunks_are_named_with_their_array(
    new_array: NewArray, read_many: ReadMany
) -> None:
    for store in (MemoryStore(), GetOnly()):
        arrays = failing(store, new_array)
        store._store_dict["a3/c/0/1"] = default_buffer_prototype().buffer.from_bytes(b"damaged")
        with noted(Exception, "a3/c/0/1", f"array {arrays[3].store_path}"):
            read_many(arrays)


def test_a_failure_in_the_calling_thread_stops_the_rest(new_array: NewArray) -> None:
    store, other = InThread(), GetOnly()
    arrays = failing(store, new_array)
    store._store_dict["a1/c/0/0"] = default_buffer_prototype().buffer.from_bytes(b"damaged")
    others = failing(other, new_array)
    store.read.clear()
    other.keys.clear()
    with noted(Exception, "a1/c/0/0"):
        zarr.read_many([*others, *arrays])
    assert {key.partition("/")[0] for key, _ in store.read} == {"a0", "a1"}
    assert other.keys == []


def test_absent_chunks_that_may_not_be(new_array: NewArray, read_many: ReadMany) -> None:
    for store in (MemoryStore(), GetOnly()):
        arrays = [
            new_array(store, name=f"a{i}", shape=(2,), chunks=(1,), dtype="i4") for i in range(3)
        ]
        strict = [array.with_config({"read_missing_chunks": False}) for array in arrays]
        assert [result.tolist() for result in read_many(arrays)] == [[0, 0]] * 3
        with noted(ChunkNotFoundError, str(arrays[1].store_path)):
            read_many([arrays[0], strict[1], arrays[2]])


@pytest.mark.parametrize("make", [GetOnly, Bulk, MemoryStore])
async def test_nothing_is_left_of_a_cancelled_read(new_array: NewArray, make: Any) -> None:
    store = make()
    arrays = await asyncio.to_thread(failing, store, new_array)
    if isinstance(store, GetOnly):
        store.keys.clear()
        store.held = lambda key: True
    before = asyncio.all_tasks()
    async with asyncio.timeout(PATIENCE):
        reading = asyncio.ensure_future(za.read_many(arrays))
        while isinstance(store, GetOnly) and len(store.keys) < 5:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert asyncio.all_tasks() == before
    assert getattr(store, "running", 0) == 0
