"""BatchedCodecPipeline.read: one bulk read for all chunks, decoded while others are on their way."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tests.stores.bulk_kit import (
    PROTOTYPE,
    BulkStore,
    DictStore,
    Request,
    buffer,
    is_metadata,
    numbers,
    open_array,
)
from tests.waiting import PATIENCE

import zarr
from zarr.abc.codec import BytesBytesCodec, GetResult
from zarr.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.codecs import BytesCodec, GzipCodec, ShardingCodec
from zarr.core.array import create_array
from zarr.core.array_spec import ArraySpec, parse_array_config
from zarr.core.buffer import Buffer, BufferPrototype, NDBuffer
from zarr.core.buffer.cpu import Buffer as CPUBuffer
from zarr.core.buffer.cpu import NDBuffer as CPUNDBuffer
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.core.config import config
from zarr.core.dtype import parse_dtype
from zarr.core.sync import cleanup_resources, sync
from zarr.storage import LoggingStore, MemoryStore, StorePath, WrapperStore

PRESENT, MISSING = GetResult(status="present"), GetResult(status="missing")

# --- chunks without an array around them ------------------------------------------------

SPEC = ArraySpec(
    shape=(2,),
    dtype=parse_dtype("int32", zarr_format=3),
    fill_value=-1,
    config=parse_array_config(None),
    prototype=PROTOTYPE,
)


def chunk(i: int) -> bytes:
    """Return chunk `i` as it is stored."""
    return np.array([2 * i, 2 * i + 1], dtype="<i4").tobytes()


def number_of(encoded: Buffer) -> int:
    return int.from_bytes(encoded.to_bytes()[:4], "little") // 2


def chunks(n: int) -> dict[str, bytes]:
    return {f"c/{i}": chunk(i) for i in range(n)}


def pipeline(*codecs: BytesBytesCodec, batch_size: int = 1) -> BatchedCodecPipeline:
    made = BatchedCodecPipeline.from_codecs([BytesCodec(), *codecs], batch_size=batch_size)
    return made.evolve_from_array_spec(SPEC)


def items_of(getters: Sequence[Any], spec: ArraySpec = SPEC) -> list[Any]:
    """Return the batch that reads whole chunks one behind the other."""
    return [
        (getter, spec, (slice(0, 2),), (slice(2 * i, 2 * i + 2),), True)
        for i, getter in enumerate(getters)
    ]


def paths(store: Store, n: int) -> list[StorePath]:
    return [StorePath(store, f"c/{i}") for i in range(n)]


def new_out(n: int) -> NDBuffer:
    return PROTOTYPE.nd_buffer.create(shape=(2 * n,), dtype=np.dtype("i4"), fill_value=-7)


def values(out: NDBuffer) -> list[int]:
    found: list[int] = out.as_numpy_array().tolist()
    return found


# --- who is asked for what --------------------------------------------------------------


def stored_array(store: DictStore, zarr_format: Any = 3, **parameters: Any) -> Any:
    """Write an array of 10 chunks into a store, and return its values."""
    data = numbers(10, 6)
    chosen = {"chunks": (2, 3), "zarr_format": zarr_format} | parameters
    sync(create_array(store, data=data, **chosen))
    return data


def chunk_keys(store: DictStore) -> list[str]:
    return sorted(key for key in store.values if not is_metadata(key))


@contextmanager
def only_chunks(store: DictStore) -> Iterator[None]:
    """Forget what was noted before."""
    store.got.clear()
    if isinstance(store, BulkStore):
        store.bulk.clear()
    yield


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 1000])
def test_one_bulk_read_whatever_the_batch_size(batch_size: int, zarr_format: int) -> None:
    store = BulkStore()
    data = stored_array(store, zarr_format)
    keys = chunk_keys(store)
    assert len(keys) == 10
    with config.set({"codec_pipeline.batch_size": batch_size}):
        array = open_array(store, zarr_format)
        with only_chunks(store):
            np.testing.assert_array_equal(array[:], data)
        assert [sorted(map(str, requests)) for requests in store.bulk] == [keys]
        assert store.got == []
        with only_chunks(store):
            np.testing.assert_array_equal(array[3:7, 4], data[3:7, 4])
        assert [len(requests) for requests in store.bulk] == [3]
        with only_chunks(store):
            picked = np.ix_([9, 0, 5], [5, 1])
            np.testing.assert_array_equal(
                array.oindex[np.array([9, 0, 5]), np.array([5, 1])], data[picked]
            )
        assert [len(requests) for requests in store.bulk] == [6]
        assert store.got == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"zarr_format": 2, "compressors": None, "order": "F"},
        {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
        {"zarr_format": 3, "compressors": None},
        {"zarr_format": 3, "config": {"order": "F"}},
    ],
)
def test_values_are_right_in_bulk(parameters: dict[str, Any]) -> None:
    store = BulkStore()
    data = stored_array(store, **parameters)
    array = open_array(store, parameters["zarr_format"])
    store.bulk.clear()
    np.testing.assert_array_equal(array[:], data)
    np.testing.assert_array_equal(array[1:-1:3], data[1:-1:3])
    assert len(store.bulk) == 2


@pytest.mark.parametrize("batch_size", [1, 1000])
def test_a_store_with_get_alone_is_asked_once_a_chunk(batch_size: int) -> None:
    store = DictStore()
    data = stored_array(store)
    with config.set({"codec_pipeline.batch_size": batch_size}):
        array = open_array(store)
        store.got.clear()
        np.testing.assert_array_equal(array[:], data)
    assert sorted(key for key, _ in store.got) == chunk_keys(store)
    assert {byte_range for _, byte_range in store.got} == {None}


class Retrying(WrapperStore[DictStore]):
    """A wrapper that overrides `get` alone, as those do that retry or log."""

    def __init__(self, store: DictStore) -> None:
        super().__init__(store)
        self.seen: list[str] = []

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        self.seen.append(key)
        return await super().get(key, prototype, byte_range)


@pytest.mark.parametrize("kind", [DictStore, BulkStore])
@pytest.mark.parametrize("wrapper", [WrapperStore, LoggingStore])
def test_wrappers_leave_the_choice_to_the_store(kind: Any, wrapper: Any) -> None:
    store = kind()
    data = stored_array(store)
    array = open_array(wrapper(WrapperStore(store)))
    with only_chunks(store):
        np.testing.assert_array_equal(array[:], data)
    if kind is BulkStore:
        assert [len(requests) for requests in store.bulk] == [10]
        assert store.got == []
    else:
        assert sorted(key for key, _ in store.got) == chunk_keys(store)


@pytest.mark.parametrize("kind", [DictStore, BulkStore])
def test_a_wrapper_that_overrides_get_sees_every_chunk(kind: Any) -> None:
    store = kind()
    data = stored_array(store)
    wrapper = Retrying(store)
    array = open_array(wrapper)
    wrapper.seen.clear()
    with only_chunks(store):
        np.testing.assert_array_equal(array[:], data)
    assert sorted(wrapper.seen) == chunk_keys(store)
    assert sorted(key for key, _ in store.got) == chunk_keys(store)
    assert getattr(store, "bulk", []) == []


async def test_nothing_is_read_for_nothing() -> None:
    store = BulkStore()
    assert await pipeline().read([], new_out(0)) == ()
    assert (store.bulk, store.got) == ([], [])


# --- byte getters that are not of one store ---------------------------------------------


@pytest.mark.parametrize("same_content", [True, False])
async def test_two_stores_are_read_chunk_by_chunk(same_content: bool) -> None:
    one = BulkStore(chunks(4))
    other = BulkStore(dict(one.values) if same_content else {"c/1": chunk(1), "c/3": chunk(3)})
    getters = [StorePath((one, other)[i % 2], f"c/{i}") for i in range(4)]
    out = new_out(4)
    assert await pipeline().read(items_of(getters), out) == (PRESENT,) * 4
    assert values(out) == list(range(8))
    assert (one.bulk, other.bulk) == ([], [])
    assert sorted(one.got) == [("c/0", None), ("c/2", None)]
    assert sorted(other.got) == [("c/1", None), ("c/3", None)]


class OwnBuffer(CPUBuffer):
    """Another class of buffers."""


async def test_two_kinds_of_buffer_are_read_chunk_by_chunk() -> None:
    store = BulkStore(chunks(2))
    own = ArraySpec(
        SPEC.shape, SPEC.dtype, -1, SPEC.config, BufferPrototype(OwnBuffer, CPUNDBuffer)
    )
    first, second = paths(store, 2)
    items = [items_of([first])[0], items_of([first, second], own)[1]]
    out = new_out(2)
    assert await pipeline().read(items, out) == (PRESENT,) * 2
    assert values(out) == list(range(4))
    assert store.bulk == []
    assert sorted(store.got) == [("c/0", None), ("c/1", None)]


async def test_the_buffer_class_of_the_read_reaches_the_store() -> None:
    seen: list[type[Buffer]] = []

    class Looking(BulkStore):
        async def get_many(
            self, requests: Iterable[Request], *, prototype: BufferPrototype
        ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
            seen.append(prototype.buffer)
            async for batch in super().get_many(requests, prototype=prototype):
                yield batch

    own = ArraySpec(
        SPEC.shape, SPEC.dtype, -1, SPEC.config, BufferPrototype(OwnBuffer, CPUNDBuffer)
    )
    out = new_out(3)
    await pipeline().read(items_of(paths(Looking(chunks(3)), 3), own), out)
    assert seen == [OwnBuffer]
    assert values(out) == list(range(6))


class Foreign:
    """A byte getter that has nothing to do with a store, as virtual data sets have them."""

    def __init__(self, value: bytes | None) -> None:
        self.value = value
        self.calls: list[ByteRequest | None] = []

    async def get(
        self, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        self.calls.append(byte_range)
        return None if self.value is None else prototype.buffer.from_bytes(self.value)


async def test_foreign_byte_getters() -> None:
    foreign = [Foreign(chunk(0)), Foreign(None), Foreign(chunk(2))]
    out = new_out(3)
    assert await pipeline().read(items_of(foreign), out) == (PRESENT, MISSING, PRESENT)
    assert values(out) == [0, 1, -1, -1, 4, 5]
    assert [getter.calls for getter in foreign] == [[None]] * 3


@pytest.mark.parametrize("foreign_at", [0, 1, 2])
async def test_foreign_byte_getters_beside_those_of_a_store(foreign_at: int) -> None:
    store = BulkStore(chunks(3))
    getters: list[Any] = list(paths(store, 3))
    getters[foreign_at] = Foreign(chunk(foreign_at))
    out = new_out(3)
    assert await pipeline().read(items_of(getters), out) == (PRESENT,) * 3
    assert values(out) == list(range(6))
    assert store.bulk == []
    assert len(store.got) == 2


@pytest.mark.parametrize("alone", [True, False])
async def test_a_store_path_with_a_get_of_its_own_is_asked_itself(alone: bool) -> None:
    class Decrypting(StorePath):
        async def get(
            self, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
        ) -> Buffer | None:
            return buffer(chunk(7))

    store = BulkStore(chunks(2))
    getters = [Decrypting(store, "c/0"), (Decrypting if alone else StorePath)(store, "c/1")]
    out = new_out(2)
    await pipeline().read(items_of(getters), out)
    assert values(out) == [14, 15, *([14, 15] if alone else [2, 3])]
    assert store.bulk == []


# --- absent chunks ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [DictStore, BulkStore])
@pytest.mark.parametrize("absent", [set(), {0}, {2, 3}, set(range(5))])
async def test_absent_chunks_are_filled_and_told(kind: Any, absent: set[int]) -> None:
    store = kind({f"c/{i}": chunk(i) for i in range(5) if i not in absent})
    out = new_out(5)
    results = await pipeline().read(items_of(paths(store, 5)), out)
    assert results == tuple(MISSING if i in absent else PRESENT for i in range(5))
    assert values(out) == [-1 if n // 2 in absent else n for n in range(10)]


async def test_results_are_in_order_whatever_the_order_of_arrival() -> None:
    class Shuffled(BulkStore):
        async def get_many(
            self, requests: Iterable[Request], *, prototype: BufferPrototype
        ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
            async for batch in super().get_many(requests, prototype=prototype):
                for pair in reversed(batch):
                    yield [pair]

    store = Shuffled({f"c/{i}": chunk(i) for i in (0, 1, 3)})
    out = new_out(5)
    results = await pipeline().read(items_of(paths(store, 5)), out)
    assert results == (PRESENT, PRESENT, MISSING, PRESENT, MISSING)
    assert values(out) == [0, 1, 2, 3, -1, -1, 6, 7, -1, -1]


# --- decoding while others are on their way ---------------------------------------------

Hook = Callable[[int], None]


@dataclass(frozen=True)
class Hooked(BytesBytesCodec):
    """Decodes to what it gets, after a call with the number of the chunk."""

    hook: Hook
    is_fixed_size = True

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        self.hook(number_of(chunk_data))
        return chunk_data

    def _encode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        return chunk_data


@dataclass(frozen=True)
class HookedAsync(BytesBytesCodec):
    """The same by coroutines only, as a third party may write it."""

    hook: Hook
    is_fixed_size = True

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        await asyncio.sleep(0)
        self.hook(number_of(chunk_data))
        return chunk_data

    async def _encode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        await asyncio.sleep(0)
        return chunk_data


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, PATIENCE)


class Streaming(DictStore):
    """Hands out one chunk a batch; before each, `before` is awaited with its position."""

    def __init__(self, n: int, before: Callable[[int], Any]) -> None:
        super().__init__(chunks(n))
        self.before = before
        self.handed_out = 0
        self.closed = False

    async def get_many(
        self, requests: Iterable[Request], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        try:
            for index, request in enumerate(requests):
                await self.before(index)
                self.handed_out += 1
                yield [(index, self.find(str(request), prototype))]
        finally:
            self.closed = True


@pytest.mark.parametrize("codec", [Hooked, HookedAsync])
async def test_decoding_starts_before_the_last_chunk_has_arrived(codec: Any) -> None:
    decoded = [threading.Event() for _ in range(6)]

    async def before(index: int) -> None:
        if index:
            await until(decoded[index - 1])

    store = Streaming(6, before)
    out = new_out(6)
    await pipeline(codec(lambda number: decoded[number].set())).read(items_of(paths(store, 6)), out)
    assert values(out) == list(range(12))


async def test_no_codec_runs_on_the_loop() -> None:
    threads: set[int] = set()
    out = new_out(4)
    codec = Hooked(lambda number: threads.add(threading.get_ident()))
    await pipeline(codec).read(items_of(paths(BulkStore(chunks(4)), 4)), out)
    assert threads
    assert threading.get_ident() not in threads


async def test_a_slow_decoder_holds_the_reading_back() -> None:
    """What has been read and not decoded stays bounded."""
    release = threading.Event()
    started = threading.Event()

    def wait(number: int) -> None:
        started.set()
        assert release.wait(PATIENCE)

    async def before(index: int) -> None:
        await asyncio.sleep(0)

    store = Streaming(100, before)
    out = new_out(100)
    reading = asyncio.create_task(pipeline(Hooked(wait)).read(items_of(paths(store, 100)), out))
    try:
        await until(started)
        for _ in range(500):
            await asyncio.sleep(0)
        assert store.handed_out <= 1 + (os.cpu_count() or 1)
    finally:
        release.set()
    await reading
    assert values(out) == list(range(200))


@pytest.mark.parametrize("codec", [Hooked, HookedAsync])
async def test_a_source_is_read_in_one_task(codec: Any) -> None:
    """Time limits and other scopes of a task may be open in it."""
    tasks: set[Any] = set()

    async def before(index: int) -> None:
        await asyncio.sleep(0)
        tasks.add(asyncio.current_task())

    out = new_out(40)
    store = Streaming(40, before)
    await pipeline(codec(lambda number: None)).read(items_of(paths(store, 40)), out)
    assert len(tasks) == 1
    assert values(out) == list(range(80))


# --- decoding that fails ----------------------------------------------------------------


class Decoding:
    """Counts chunks being decoded; fails and blocks as told."""

    def __init__(self, fail: Iterable[int] = (), block: Iterable[int] = ()) -> None:
        self.fail, self.block = set(fail), set(block)
        self.lock = threading.Lock()
        self.running = 0
        self.done: list[int] = []
        self.failed = threading.Event()
        self.blocked = threading.Event()
        self.release = threading.Event()

    def __call__(self, number: int) -> None:
        with self.lock:
            self.running += 1
        try:
            if number in self.block:
                self.blocked.set()
                assert self.release.wait(PATIENCE)
            if number in self.fail:
                self.failed.set()
                raise RuntimeError(f"chunk {number} is damaged")
            self.done.append(number)
        finally:
            with self.lock:
                self.running -= 1


@pytest.mark.parametrize("codec", [Hooked, HookedAsync])
@pytest.mark.parametrize("kind", [DictStore, BulkStore])
async def test_a_decode_error_names_the_chunk(codec: Any, kind: Any) -> None:
    decoding = Decoding(fail=[3])
    store = kind(chunks(6))
    with pytest.raises(RuntimeError, match="chunk 3 is damaged") as caught:
        await pipeline(codec(decoding)).read(items_of(paths(store, 6)), new_out(6))
    assert any("c/3" in note for note in caught.value.__notes__)
    assert not any("c/2" in note for note in caught.value.__notes__)
    assert decoding.running == 0


async def test_after_a_decode_error_nothing_runs_and_nothing_is_written() -> None:
    """The read ends when the last of its chunks is decoded, though it failed before."""
    decoding = Decoding(fail=[0], block=[1])

    async def before(index: int) -> None:
        if index == 2:
            await until(decoding.failed)
            if (os.cpu_count() or 1) > 1:
                await until(decoding.blocked)  # what has not begun would be taken back

    store = Streaming(3, before)
    store.values["c/2"] = b"not a chunk"
    out = new_out(3)
    before_tasks = asyncio.all_tasks()
    reading = asyncio.create_task(pipeline(Hooked(decoding)).read(items_of(paths(store, 3)), out))
    try:
        await until(decoding.failed)
        if (os.cpu_count() or 1) > 1:
            await until(decoding.blocked)
            for _ in range(500):
                await asyncio.sleep(0)
            assert not reading.done()
    finally:
        decoding.release.set()
    with pytest.raises((RuntimeError, ValueError)) as caught:
        await reading
    assert decoding.running == 0
    assert "c/" in caught.value.__notes__[0]
    assert store.closed
    assert asyncio.all_tasks() == before_tasks
    after = values(out)
    assert after[:2] == [-7, -7]
    await asyncio.sleep(0)
    assert values(out) == after


@pytest.fixture
def one_worker() -> Iterator[None]:
    """A pool that tells how a job has ended before it begins the next one."""
    with config.set({"threading.max_workers": 1}):
        cleanup_resources()
        yield
    cleanup_resources()


@pytest.mark.usefixtures("one_worker")
@pytest.mark.parametrize("codec", [Hooked, HookedAsync])
async def test_a_decode_error_ends_the_reading(codec: Any) -> None:
    decoding = Decoding(fail=[0])

    async def before(index: int) -> None:
        if index:
            await until(decoding.failed)

    store = Streaming(500, before)
    with pytest.raises(RuntimeError, match="chunk 0 is damaged"):
        await pipeline(codec(decoding)).read(items_of(paths(store, 500)), new_out(500))
    assert store.closed
    assert store.handed_out < 100


async def test_of_several_decode_errors_none_is_left_over() -> None:
    """Not even in the report of the loop about failures that nobody looked at."""
    complaints: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    decoding = Decoding(fail=range(6))

    async def before(index: int) -> None:
        if index >= 2:
            await until(decoding.failed)
            for _ in range(20):  # until both are done, as far as the loop knows
                await asyncio.sleep(0.001)

    store = Streaming(6, before)
    with pytest.raises(RuntimeError, match="is damaged"):
        await pipeline(Hooked(decoding)).read(items_of(paths(store, 6)), new_out(6))
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0)
    assert complaints == []


@pytest.mark.parametrize("codec", [Hooked, HookedAsync])
async def test_a_cancelled_read_ends_with_its_decoding(codec: Any) -> None:
    decoding = Decoding(block=[0] if codec is Hooked else [])
    arrived = asyncio.Event()

    async def before(index: int) -> None:
        if index == 1:
            arrived.set()
            await asyncio.Event().wait()

    store = Streaming(3, before)
    out = new_out(3)
    before_tasks = asyncio.all_tasks()
    reading = asyncio.create_task(pipeline(codec(decoding)).read(items_of(paths(store, 3)), out))
    await asyncio.wait_for(arrived.wait(), PATIENCE)
    if codec is Hooked:  # in the pool, where one that has not begun would be cancelled
        await until(decoding.blocked)
    reading.cancel()
    for _ in range(100):
        await asyncio.sleep(0)
    assert reading.done() == (codec is HookedAsync)
    decoding.release.set()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert decoding.running == 0
    assert store.closed
    assert asyncio.all_tasks() == before_tasks


@pytest.mark.parametrize("kind", [DictStore, BulkStore])
@pytest.mark.parametrize("bad", [b"", b"\x01", bytes(4), bytes(12)])
async def test_a_chunk_of_another_size_is_a_fault(kind: Any, bad: bytes) -> None:
    store = kind(chunks(4) | {"c/2": bad})
    out = new_out(4)
    with pytest.raises(ValueError) as caught:
        await pipeline().read(items_of(paths(store, 4)), out)
    assert any("c/2" in note for note in caught.value.__notes__)
    assert values(out)[4:6] == [-7, -7]


# --- answers that are not what was asked for --------------------------------------------


class Answering(DictStore):
    """Answers by batches that a test makes of those that would be right."""

    def __init__(self, n: int, change: Callable[[list[Any]], Iterable[Any]]) -> None:
        super().__init__(chunks(n))
        self.change = change

    async def get_many(
        self, requests: Iterable[Request], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        right = [[(i, self.find(str(key), prototype))] for i, key in enumerate(requests)]
        for batch in self.change(right):
            yield batch


async def read_of(store: DictStore, how: str) -> Any:
    out = new_out(6)
    items = items_of(paths(store, 6))
    if how == "sync":
        await asyncio.to_thread(pipeline().read_sync, items, out)
    else:
        await pipeline(*[Hooked(lambda _: None)] if how == "codec" else []).read(items, out)
    return values(out)


HOWS = pytest.mark.parametrize("how", ["sync", "async", "codec"])


@HOWS
@pytest.mark.parametrize(
    "change",
    [
        lambda right: right[:4] + right[5:],
        lambda right: [*right[:4], None, *right[4:]],
        lambda right: [],
    ],
    ids=["left out", "None", "nothing"],
)
async def test_a_chunk_without_an_answer_is_a_fault(how: str, change: Any) -> None:
    with pytest.raises(ValueError, match="returned no result for the chunk dict://"):
        await read_of(Answering(6, change), how)


class LeavingOut(DictStore):
    """Answers for all keys but one, and for one that nobody asked for, as a test says."""

    left_out = ""
    extra: int | None = None

    async def get_many(
        self, requests: Iterable[Request], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        for index, request in enumerate(requests):
            key = request if isinstance(request, str) else request[0]
            if not self.left_out or not key.endswith(self.left_out):
                yield [(index, self.find(key, prototype))]
        if self.extra is not None:
            yield [(self.extra, None)]


class LeavingOutInThread(MemoryStore):
    """The same, by a store that is read in the calling thread."""

    left_out = ""
    extra: int | None = None

    def _get_many_in_thread(self, requests: Any, prototype: Any) -> Any:
        for index, (key, _) in enumerate(requests):
            if not self.left_out or not key.endswith(self.left_out):
                yield [(index, self.get_sync(key, prototype=prototype))]
        if self.extra is not None:
            yield [(self.extra, None)]


BULK_READERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "members": ("a/zarr.json", lambda store: zarr.open_group(store, mode="r+").members()),
    "a copy": ("c/1", lambda store: zarr.from_array({}, data=zarr.open_array(store, path="a"))),
    "an awaited copy": (
        "c/1",
        lambda store: sync(
            zarr.api.asynchronous.from_array({}, data=zarr.open_array(store, path="a"))
        ),
    ),
    "a read": ("c/1", lambda store: zarr.open_array(store, path="a")[:]),
    "an awaited read": (
        "c/1",
        lambda store: sync(zarr.open_array(store, path="a").async_array.getitem(...)),
    ),
}


@pytest.mark.parametrize("make", [LeavingOut, LeavingOutInThread])
@pytest.mark.parametrize("fault", ["left out", -1, 1000])
@pytest.mark.parametrize("reader", BULK_READERS.values(), ids=BULK_READERS)
def test_every_bulk_read_takes_no_answer_for_a_fault(make: Any, fault: Any, reader: Any) -> None:
    store = make()
    zarr.create_group(store).create_array("a", data=np.arange(1, 7), chunks=(2,))
    key, read = reader
    read(store)
    if fault == "left out":
        store.left_out = key
    else:
        store.extra = fault
    with pytest.raises(
        ValueError, match=r"returned no result for|chunk (-1|1000) of 0 to|request (-1|1000) of"
    ):
        read(store)


@HOWS
@pytest.mark.parametrize("index", [-1, 6])
async def test_an_answer_that_nobody_asked_for_is_a_fault(how: str, index: int) -> None:
    store = Answering(6, lambda right: [*right[:5], [(index, right[5][0][1])]])
    with pytest.raises(ValueError, match=f"returned chunk {index} of 0 to 5"):
        await read_of(store, how)


@HOWS
async def test_batches_may_be_any_iterables(how: str) -> None:
    store = Answering(6, lambda right: [iter(batch) for batch in right])
    assert await read_of(store, how) == list(range(12))


@HOWS
async def test_an_iterable_need_not_be_an_iterator(how: str) -> None:
    class Iterable_(Answering):
        def get_many(self, *args: Any, **kwargs: Any) -> Any:
            answers = super().get_many(*args, **kwargs)

            class Once:
                def __aiter__(self) -> Any:
                    return answers

            return Once()

    assert await read_of(Iterable_(6, lambda right: right), how) == list(range(12))


LOST = r"gave \d results for \d chunks|returned None for the stored bytes"


@dataclass(frozen=True)
class Losing(BytesBytesCodec):
    """Returns too few results for a batch, or None for what is there."""

    lost: str
    is_fixed_size = True

    async def decode(self, chunks_and_specs: Iterable[Any]) -> Iterable[Any]:
        batch = [data for data, _ in chunks_and_specs]
        return batch[:-1] if self.lost == "result" else [None for _ in batch]

    async def encode(self, chunks_and_specs: Iterable[Any]) -> Iterable[Any]:
        batch = [data for data, _ in chunks_and_specs]
        return batch[:-1] if self.lost == "result" else batch


@pytest.mark.parametrize("lost", ["result", "value"])
@pytest.mark.parametrize("shards", [None, (4,)])
def test_a_codec_of_coroutines_that_loses_a_chunk(lost: str, shards: Any) -> None:
    values = np.arange(1, 9)
    array: Any = sync(
        create_array(
            StorePath(DictStore()),
            shape=(8,),
            dtype="i8",
            chunks=(2,),
            shards=shards,
            compressors=None,
        )
    )
    sync(array.setitem(..., values))
    lossy = sync(open_node(array, Losing(lost)))
    with pytest.raises(ValueError, match=LOST):
        sync(lossy.getitem(slice(0, 6)))
    with pytest.raises(ValueError, match=LOST):
        sync(lossy.setitem(0, 100))
    assert sync(array.getitem(...)).tolist() == values.tolist()


async def open_node(array: Any, codec: Any) -> Any:
    """Return an array over the same chunks with one codec more."""
    codecs = array.metadata.codecs
    if isinstance(codecs[0], ShardingCodec):
        codecs = (ShardingCodec(chunk_shape=(2,), codecs=[BytesCodec(), codec]),)
    else:
        codecs = (*codecs, codec)
    metadata = dataclasses.replace(array.metadata, codecs=codecs)
    return type(array)(metadata, array.store_path, array.config)


# --- codecs that are given by coroutines ------------------------------------------------


@dataclass(frozen=True)
class Batching(BytesBytesCodec):
    """Decodes many chunks at once; notes how many."""

    sizes: list[int]
    is_fixed_size = True

    async def decode(
        self, chunks_and_specs: Iterable[tuple[Buffer | None, ArraySpec]]
    ) -> Iterable[Buffer | None]:
        batch = [data for data, _ in chunks_and_specs]
        self.sizes.append(len(batch))
        return batch

    async def encode(
        self, chunks_and_specs: Iterable[tuple[Buffer | None, ArraySpec]]
    ) -> Iterable[Buffer | None]:
        return [data for data, _ in chunks_and_specs]


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(1, [1] * 8), (3, [3, 3, 2]), (8, [8]), (1000, [8])]
)
async def test_a_batch_codec_gets_batches(batch_size: int, sizes: list[int]) -> None:
    codec = Batching([])
    store = BulkStore({f"c/{i}": chunk(i) for i in range(10) if i not in (0, 5)})
    out = new_out(10)
    await pipeline(codec, batch_size=batch_size).read(items_of(paths(store, 10)), out)
    assert codec.sizes == sizes
    assert values(out) == [-1 if n // 2 in (0, 5) else n for n in range(20)]
    assert len(store.bulk) == 1


@pytest.mark.parametrize("kind", [DictStore, BulkStore])
@pytest.mark.parametrize("batch_size", [1, 4])
async def test_a_codec_of_coroutines_writes_and_reads(kind: Any, batch_size: int) -> None:
    seen: list[int] = []
    store = kind()
    coded = pipeline(HookedAsync(seen.append), batch_size=batch_size)
    value = CPUNDBuffer.from_numpy_array(np.arange(10, dtype="i4"))
    await coded.write(items_of(paths(store, 5)), value)
    assert store.values == chunks(5)
    out = new_out(5)
    assert await coded.read(items_of(paths(store, 5)), out) == (PRESENT,) * 5
    assert values(out) == list(range(10))
    assert sorted(seen) == list(range(5))


# --- sharded arrays: the same requests as without bulk reads ----------------------------

# Shards of 16 elements of 4 bytes, in chunks of 4 elements; the index lies at the end and has 4
# entries of 16 bytes and a checksum of 4. What is asked for was recorded before there were bulk
# reads of whole chunks: byte range requests, None for all of the shard.
INDEX = SuffixByteRequest(4 * 16 + 4)
SHARD_READS: dict[str, tuple[slice, list[tuple[str, ByteRequest | None]]]] = {
    "everything": (slice(None), [(f"c/{i}", None) for i in range(4)]),
    "a shard": (slice(16), [("c/0", None)]),
    "a chunk": (slice(4, 8), [("c/0", RangeByteRequest(16, 32)), ("c/0", INDEX)]),
    "parts of chunks": (slice(2, 6), [("c/0", RangeByteRequest(0, 32)), ("c/0", INDEX)]),
    "chunks apart": (slice(1, 14, 12), [("c/0", RangeByteRequest(0, 64)), ("c/0", INDEX)]),
    "two shards": (
        slice(14, 20),
        [
            ("c/0", RangeByteRequest(48, 64)),
            ("c/0", INDEX),
            ("c/1", RangeByteRequest(0, 16)),
            ("c/1", INDEX),
        ],
    ),
    "an absent shard": (slice(33, 40), [("c/2", INDEX)]),
    "steps": (
        slice(0, 64, 5),
        [
            ("c/0", None),
            ("c/1", RangeByteRequest(16, 64)),
            ("c/1", INDEX),
            ("c/2", INDEX),
            ("c/3", RangeByteRequest(0, 64)),
            ("c/3", INDEX),
        ],
    ),
}


def sharded(store: DictStore) -> Any:
    """Write a sharded array of which one shard is absent, and return its values."""
    data = numbers(64)
    shape: dict[str, Any] = {"chunks": (4,), "shards": (16,)}
    sync(create_array(store, data=data, **shape, compressors=None, fill_value=0))
    del store.values["c/2"]
    data[32:48] = 0
    return data


@pytest.mark.parametrize("kind", [DictStore, BulkStore])
@pytest.mark.parametrize("name", SHARD_READS)
def test_a_sharded_array_is_read_as_before(kind: Any, name: str) -> None:
    selection, requests = SHARD_READS[name]
    store = kind()
    data = sharded(store)
    array = open_array(store)
    with only_chunks(store):
        np.testing.assert_array_equal(array[selection], data[selection])
    assert sorted(store.got, key=str) == requests
    assert getattr(store, "bulk", []) == []


@pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec disables partial reads")
def test_shards_that_cannot_be_read_in_parts_are_read_in_bulk() -> None:
    store = BulkStore(chunks(3))
    inner = ShardingCodec(chunk_shape=(1,))
    coded = BatchedCodecPipeline.from_codecs([inner, GzipCodec()]).evolve_from_array_spec(SPEC)
    value = CPUNDBuffer.from_numpy_array(np.arange(6, dtype="i4"))
    out = new_out(3)

    async def roundtrip() -> None:
        await coded.write(items_of(paths(store, 3)), value)
        await coded.read(items_of(paths(store, 3)), out)

    sync(roundtrip())
    assert values(out) == list(range(6))
    assert store.bulk == [["c/0", "c/1", "c/2"]]
    assert store.got == []
