"""Reading and writing chunks by a thread that waits: in place, or handed over from the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.stores.bulk_kit import PROTOTYPE, BulkStore, DictStore, buffer, numbers
from tests.waiting import PATIENCE, steps, until

import zarr
from zarr.abc.codec import BytesBytesCodec
from zarr.abc.store import ByteRequest, Store
from zarr.codecs import BytesCodec, GzipCodec, ShardingCodec
from zarr.core._codec_chain import ResolvedChain
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, BufferPrototype, NDBuffer, default_buffer_prototype
from zarr.core.buffer.cpu import Buffer as CpuBuffer
from zarr.core.buffer.cpu import NDBuffer as CpuNDBuffer
from zarr.core.chunks import _read
from zarr.core.codec_pipeline import _AT_ONCE, BatchedCodecPipeline, FusedCodecPipeline
from zarr.core.config import config
from zarr.core.sync import SyncError, get_loop, get_pool, iter_ahead, sync
from zarr.errors import ChunkNotFoundError
from zarr.registry import register_pipeline
from zarr.storage import LocalStore, MemoryStore
from zarr.testing.store import LatencyStore

LARGE = 64 * 1024  # elements of 8 bytes: chunks worth a hand-over, also when compressed badly


def made_array(store: Any, data: np.ndarray, **parameters: Any) -> zarr.Array[Any]:
    array = zarr.create_array(store, shape=data.shape, dtype=data.dtype, **parameters)
    array[...] = data
    return array


STORES: dict[str, Callable[[Path], Any]] = {
    "memory": lambda tmp_path: MemoryStore(),
    "local": lambda tmp_path: LocalStore(tmp_path / "store"),
    "dict": lambda tmp_path: DictStore(),
    "bulk": lambda tmp_path: BulkStore(),
}


@pytest.fixture
def no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every use of the event loop by the read and write path fail."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("the event loop was used")

    monkeypatch.setattr("zarr.core.codec_pipeline.sync", refuse)
    monkeypatch.setattr("zarr.abc.store.iter_ahead", refuse)


LAYOUTS: list[dict[str, Any]] = [
    {"chunks": (2, 3)},
    {"chunks": (2, 3), "zarr_format": 2},
    {"chunks": (2, 3), "compressors": None, "config": {"order": "F"}},
    {"chunks": (1, 3), "shards": (4, 6)},
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", STORES)
def test_both_ways_store_and_read_the_same(
    kind: str, layout: dict[str, Any], tmp_path: Path
) -> None:
    data = numbers(10, 6)
    array = made_array(STORES[kind](tmp_path), data, **layout)
    array[1:3, 2:] = data[1:3, 2:] + 100
    data[1:3, 2:] += 100

    async def by_the_loop(selection: Any) -> Any:
        return await array.async_array.getitem(selection)

    selections: list[Any] = [(slice(None), slice(None)), (slice(1, 9, 3), 4), (slice(5, 5), 0)]
    for selection in selections:
        np.testing.assert_array_equal(array[selection], data[selection])
        np.testing.assert_array_equal(sync(by_the_loop(selection)), data[selection])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["memory", "local"])
@pytest.mark.usefixtures("no_loop")
def test_stores_at_hand_need_no_loop(kind: str, layout: dict[str, Any], tmp_path: Path) -> None:
    data = numbers(10, 6)
    array = made_array(STORES[kind](tmp_path), data, **layout)
    array[3, 1:4] = -1  # parts of chunks are read, changed and stored
    data[3, 1:4] = -1
    array[8:, :] = 0  # fill value: chunks are deleted
    data[8:, :] = 0
    np.testing.assert_array_equal(array[:], data)
    np.testing.assert_array_equal(
        array.oindex[np.array([9, 2]), np.array([0, 5])], data[np.ix_([9, 2], [0, 5])]
    )


def test_what_holds_only_fill_value_is_not_kept() -> None:
    store = MemoryStore()
    array = made_array(store, numbers(4, 6), chunks=(2, 3))
    array[:2] = 0
    assert sorted(store._store_dict) == ["c/1/0", "c/1/1", "zarr.json"]


def test_absent_chunks_are_told() -> None:
    array = zarr.create_array(
        MemoryStore(), shape=(6,), chunks=(2,), dtype="i4", config={"read_missing_chunks": False}
    )
    array[2:4] = 1
    with pytest.raises(zarr.errors.ChunkNotFoundError, match="2 chunk"):
        array[:]


# --- who is asked -----------------------------------------------------------------------


class Noting(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []


class GetAlone(Noting):
    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        self.seen.append(key)
        return await super().get(key, prototype, byte_range)


class ManyAlone(Noting):
    async def get_many(self, requests: Iterable[Any], *, prototype: BufferPrototype) -> Any:
        requests = list(requests)
        self.seen += requests
        async for batch in super().get_many(requests, prototype=prototype):
            yield batch


class SyncAlone(Noting):
    def get_sync(self, key: str, **kwargs: Any) -> Buffer | None:
        self.seen.append(key)
        return super().get_sync(key, **kwargs)


class SetAlone(Noting):
    async def set(self, key: str, value: Buffer, byte_range: None = None) -> None:
        self.seen.append(key)
        await super().set(key, value, byte_range)


class DeleteAlone(Noting):
    async def delete(self, key: str) -> None:
        self.seen.append(key)
        await super().delete(key)


@pytest.mark.parametrize("store_class", [GetAlone, ManyAlone, SyncAlone])
@pytest.mark.parametrize("shards", [None, (4,)])
def test_a_subclass_that_overrides_one_way_to_read_sees_every_read(
    store_class: type[Noting], shards: Any
) -> None:
    if store_class is ManyAlone and shards:
        pytest.skip("shards are read in ranges of one key")
    store = store_class()
    array = made_array(store, np.arange(8), chunks=(2,), shards=shards)
    store.seen.clear()
    np.testing.assert_array_equal(array[:6], np.arange(6))
    assert {key for key in store.seen if key.startswith("c/")} == (
        {"c/0", "c/1"} if shards else {"c/0", "c/1", "c/2"}
    )


@pytest.mark.parametrize(
    ("store_class", "expected"), [(SetAlone, ["c/0", "c/1"]), (DeleteAlone, ["c/2", "c/3"])]
)
def test_a_subclass_that_overrides_one_way_to_write_sees_every_write(
    store_class: type[Noting], expected: list[str]
) -> None:
    store = store_class()
    array = zarr.create_array(store, shape=(8,), chunks=(2,), dtype="i8")
    store.seen.clear()
    array[:] = [1, 2, 3, 4, 0, 0, 0, 0]
    assert sorted(store.seen) == expected


# --- threads ----------------------------------------------------------------------------


class Where(BytesBytesCodec):
    """Notes the thread of each call, and fails on request.

    With `meet`, a call in another thread ends only after one in the main thread.
    """

    is_fixed_size = True
    threads: list[str]
    fail_at: bytes | None = None
    meet = False

    def __init__(self) -> None:
        self.threads = []
        self.running = 0
        self.lock = threading.Lock()

    def to_dict(self) -> Any:
        return {"name": "gzip", "configuration": {"level": 0}}

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        with self.lock:
            self.running += 1
            self.threads.append(threading.current_thread().name)
        try:
            if self.meet:
                until(lambda: HERE in self.threads)
            if self.fail_at is not None and chunk_data.to_bytes()[:8] == self.fail_at:
                raise OSError("broken here")
            return chunk_data
        finally:
            with self.lock:
                self.running -= 1

    def _encode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return self._decode_sync(chunk_data, chunk_spec)


def large_array(codec: Where, chunks: int, size: int, store: Store) -> zarr.Array[Any]:
    with config.set({"codecs.gzip": "zarr.codecs.GzipCodec"}):
        array = zarr.create_array(
            store, shape=(chunks * size,), chunks=(size,), dtype="i8", compressors=None
        )
    pipeline = BatchedCodecPipeline.from_codecs([BytesCodec(), codec])
    object.__setattr__(array.async_array, "codec_pipeline", pipeline)
    return array


HERE = threading.main_thread().name


def kinds(threads: Iterable[str]) -> set[str]:
    return {"pool" if name.startswith("zarr_pool") else name for name in threads}


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("size", [4, LARGE])
def test_the_waiting_thread_codes_and_large_chunks_are_shared(
    kind: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zarr.core.chunks._executor._CPUS", 2)
    codec = Where()
    codec.meet = kind in ("memory", "local")
    array = large_array(codec, 6, size, STORES[kind](tmp_path))
    data = np.arange(6 * size)
    array[:] = data
    if codec.meet:
        assert kinds(codec.threads) == ({HERE, "pool"} if size == LARGE else {HERE})
    codec.threads.clear()
    codec.meet = True
    np.testing.assert_array_equal(array[:], data)
    assert kinds(codec.threads) == ({HERE, "pool"} if size == LARGE else {HERE})


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("at", range(4))
def test_a_chunk_that_does_not_decode_fails_the_read(kind: str, at: int, tmp_path: Path) -> None:
    codec = Where()
    array = large_array(codec, 4, LARGE, STORES[kind](tmp_path))
    array[:] = np.arange(4 * LARGE)
    codec.fail_at = np.int64(at * LARGE).tobytes()
    out = PROTOTYPE.nd_buffer.create(shape=array.shape, dtype=array.dtype)
    with pytest.raises(OSError, match="broken here") as caught:
        array.get_basic_selection(slice(None), out=out)
    assert any(f"c/{at}" in note for note in caught.value.__notes__)
    # Nothing goes on behind the caller's back, nor waits in the pool until it has its turn.
    assert codec.running == 0
    decoded = len(codec.threads)
    get_pool().submit(int).result(PATIENCE)
    assert len(codec.threads) == decoded


@pytest.mark.parametrize("at", range(4))
def test_a_chunk_that_does_not_encode_fails_the_write(at: int) -> None:
    codec = Where()
    array = large_array(codec, 4, LARGE, MemoryStore())
    codec.fail_at = np.int64(at * LARGE).tobytes()
    with pytest.raises(OSError, match="broken here") as caught:
        array[:] = np.arange(4 * LARGE)
    assert any(f"c/{at}" in note for note in caught.value.__notes__)


# --- handed over from the loop ----------------------------------------------------------


async def count(
    to: int, asked: list[int], closed: list[bool], fail: BaseException | None = None
) -> AsyncIterator[int]:
    try:
        for number in range(to):
            asked.append(number)
            await asyncio.sleep(0)
            yield number
        if fail is not None:
            raise fail
    finally:
        closed.append(True)


def test_iteration_ends_and_closes() -> None:
    closed: list[bool] = []
    assert list(iter_ahead(count(5, [], closed))) == [0, 1, 2, 3, 4]
    assert closed == [True]


@pytest.mark.parametrize("ahead", [1, 3])
def test_the_iterator_goes_on_while_the_caller_is_busy_as_far_as_it_may(ahead: int) -> None:
    asked: list[int] = []
    items = iter_ahead(count(10, asked, []), ahead=ahead)
    assert next(items) == 0
    until(lambda: len(asked) == 1 + ahead)
    sync(steps())
    assert len(asked) == 1 + ahead
    assert next(items) == 1
    until(lambda: len(asked) == 2 + ahead)
    items.close()  # type: ignore[attr-defined]


def test_leaving_early_closes_the_iterator() -> None:
    closed: list[bool] = []
    items = iter_ahead(count(10, [], closed))
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert closed == [True]


@pytest.mark.parametrize(
    "error", [TimeoutError("late"), KeyError("k"), ExceptionGroup("g", [OSError()])]
)
def test_a_failure_is_raised_as_it_was_after_what_came_before(error: Exception) -> None:
    closed: list[bool] = []
    seen: list[int] = []
    with pytest.raises(type(error)) as caught:
        seen.extend(iter_ahead(count(3, [], closed, error)))
    assert caught.value is error
    assert (seen, closed) == ([0, 1, 2], [True])


def test_refused_on_the_loop_itself() -> None:
    async def wait_there() -> list[int]:
        return list(iter_ahead(count(1, [], [])))

    with pytest.raises(SyncError):
        sync(wait_there())


class Gone(BulkStore):
    """Fails a bulk read after its first batch, and notes what still runs then."""

    async def get_many(self, requests: Iterable[Any], *, prototype: BufferPrototype) -> Any:
        yield [(0, prototype.buffer.from_bytes(self.values["c/0"]))]
        raise ConnectionResetError("gone")


def test_a_failed_bulk_read_reaches_the_caller_and_leaves_no_task() -> None:
    store = Gone()
    array = made_array(store, np.arange(8), chunks=(2,), compressors=None)
    with pytest.raises(ConnectionResetError, match="gone"):
        array[:]

    async def tasks() -> Sequence[Any]:
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    assert asyncio.run_coroutine_threadsafe(tasks(), get_loop()).result(PATIENCE) == []


# --- the other name ---------------------------------------------------------------------


class AsyncOnly(BytesBytesCodec):
    is_fixed_size = True

    def to_dict(self) -> Any:
        return {"name": "gzip", "configuration": {"level": 0}}

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return chunk_data

    async def _encode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return chunk_data


FUSED = "zarr.core.codec_pipeline.FusedCodecPipeline"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", STORES)
def test_the_fused_pipeline_reads_and_writes(
    kind: str, layout: dict[str, Any], tmp_path: Path
) -> None:
    data = numbers(10, 6)
    store = STORES[kind](tmp_path)
    with config.set({"codec_pipeline.path": FUSED}):
        array = made_array(store, data, **layout)
        assert type(array.async_array.codec_pipeline) is FusedCodecPipeline
        np.testing.assert_array_equal(array[:], data)
    np.testing.assert_array_equal(zarr.open_array(store)[:], data)


def test_the_fused_pipeline_knows_whether_its_codecs_wait() -> None:
    pipeline = FusedCodecPipeline.from_codecs([BytesCodec(), GzipCodec()])
    assert pipeline.codecs == tuple(pipeline) == (BytesCodec(), GzipCodec())
    assert pipeline.sync_transform is not None
    assert FusedCodecPipeline.from_codecs([BytesCodec(), AsyncOnly()]).sync_transform is None
    assert pipeline == FusedCodecPipeline.from_codecs([BytesCodec(), GzipCodec()])
    assert pipeline != FusedCodecPipeline.from_codecs([BytesCodec()])


def test_the_fused_pipeline_uses_one_thread_unless_told() -> None:
    codec = Where()
    array = large_array(codec, 4, LARGE, MemoryStore())
    pipeline = FusedCodecPipeline.from_codecs([BytesCodec(), codec])
    object.__setattr__(array.async_array, "codec_pipeline", pipeline)
    array[:] = np.arange(4 * LARGE)
    np.testing.assert_array_equal(array[:], np.arange(4 * LARGE))
    assert kinds(codec.threads) == {HERE}


def test_codecs_of_coroutines_work_in_the_sync_api() -> None:
    store = DictStore()
    array = zarr.create_array(store, shape=(4,), chunks=(2,), dtype="i4", compressors=None)
    pipeline = BatchedCodecPipeline.from_codecs([BytesCodec(), AsyncOnly()])
    object.__setattr__(array.async_array, "codec_pipeline", pipeline)
    array[:] = [1, 2, 3, 4]
    assert array[:].tolist() == [1, 2, 3, 4]  # type: ignore[union-attr]
    assert buffer(store.values["c/1"]).to_bytes() == np.array([3, 4], dtype="<i4").tobytes()


@pytest.mark.parametrize(
    ("selection", "directly"),
    [
        ((slice(None), slice(None)), True),
        ((slice(1, 9, 2), slice(3, 5)), True),
        ((4, slice(None)), True),
        ((4, 4), False),
        ((np.array([3, 1]), np.array([5, 0])), False),
    ],
)
def test_shards_are_decoded_into_their_place(
    selection: Any, directly: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not stored is fill value there too."""
    array = zarr.create_array(
        MemoryStore(), shape=(10, 6), chunks=(1, 3), shards=(5, 6), dtype="i4", fill_value=-1
    )
    data = np.full((10, 6), -1, dtype="i4")
    data[3:8, :3] = array[3:8, :3] = np.arange(15).reshape(5, 3)
    parts: list[bool] = []
    decode = ShardingCodec._decode_partial_by

    async def noting(*args: Any) -> Any:
        part = await decode(*args)
        parts.append(part is args[-1])
        return part

    monkeypatch.setattr(ShardingCodec, "_decode_partial_by", noting)
    expected = data[np.ix_(*selection)] if isinstance(selection[0], np.ndarray) else data[selection]
    np.testing.assert_array_equal(array.oindex[selection], expected)
    assert set(parts) == {directly}


def test_more_chunks_than_are_looked_at_together(no_loop: None) -> None:
    data = np.arange(1, 2 * _AT_ONCE + 11)
    store = MemoryStore()
    array = made_array(store, data, chunks=(1,))
    np.testing.assert_array_equal(array[:], data)
    absent = [_AT_ONCE, 2 * _AT_ONCE + 9]
    for index in absent:
        store.delete_sync(f"c/{index}")
    data[absent] = 0
    np.testing.assert_array_equal(array[:], data)
    strict = array.with_config({"read_missing_chunks": False})
    with pytest.raises(ChunkNotFoundError, match=f"(?s)2 chunk.*'c/{absent[0]}'.*'c/{absent[1]}'"):
        strict[:]


def test_a_store_that_may_fetch_neighbours_is_asked_for_all_chunks_at_once() -> None:
    data = np.arange(_AT_ONCE + 10)
    store = BulkStore()
    array = made_array(store, data, chunks=(1,))
    store.bulk.clear()
    np.testing.assert_array_equal(array[:], data)
    assert [len(requests) for requests in store.bulk] == [len(data)]


def test_codecs_prepare_for_an_array_once() -> None:
    array = zarr.create_array({}, shape=10, chunks=(4,), dtype="i2")
    array[:] = np.arange(10)
    chain = array.async_array.codec_pipeline._chain  # type: ignore[attr-defined]
    (kept,) = chain._resolved.values()
    assert array[3] == 3
    array[:3] = 7
    np.testing.assert_array_equal(array[2:5], [7, 3, 4])
    assert list(chain._resolved.values()) == [kept]
    # Unless it has changed, or something else is asked for.
    array.resize(12)
    np.testing.assert_array_equal(array[2:5], [7, 3, 4])
    assert len(chain._resolved) == 2
    other = BufferPrototype(type("OtherBuffer", (CpuBuffer,), {}), CpuNDBuffer)
    spec = array.async_array._regular_spec(other)
    assert spec.prototype is other
    assert array.async_array._regular_spec(default_buffer_prototype()).prototype is not other


def test_chunks_of_several_shapes_are_not_mixed_up(tmp_path: Path) -> None:
    values = np.arange(25, dtype="i2").reshape(5, 5)
    with config.set({"array.rectilinear_chunks": True}):
        array = zarr.create_array(tmp_path, shape=(5, 5), chunks=[[2, 3], [3, 2]], dtype="i2")
    array[:] = values
    np.testing.assert_array_equal(array[:], values)
    # A chunk of shape (2, 3) and one of shape (3, 2), which are as long.
    np.testing.assert_array_equal(array.vindex[[1, 4, 3], [1, 3, 4]], values[[1, 4, 3], [1, 3, 4]])


def test_so_many_chunks_are_decoded_together_as_fit_the_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[int] = []
    decode = ResolvedChain.decode_many_sync

    def recorded(
        self: ResolvedChain, buffers: Sequence[Buffer], *, beside_loop: bool
    ) -> list[NDBuffer]:
        runs.append(len(buffers))
        return decode(self, buffers, beside_loop=beside_loop)

    monkeypatch.setattr(ResolvedChain, "decode_many_sync", recorded)
    monkeypatch.setattr(_read, "RUN_BYTES", 30)
    array = zarr.create_array({}, data=np.arange(44, dtype="i2"), chunks=(4,))
    np.testing.assert_array_equal(array[:], np.arange(44))
    assert runs == [3, 3, 3, 2]
    # Chunks of several shapes, of which the first is too large to be decoded with others
    runs.clear()
    with config.set({"array.rectilinear_chunks": True}):
        mixed = zarr.create_array({}, shape=30, chunks=[[20, *[2] * 5]], dtype="i2")
    mixed[:] = np.arange(30)
    np.testing.assert_array_equal(mixed[:], np.arange(30))
    assert runs == [5]
    # No telling how large these are
    runs.clear()
    text = zarr.create_array({}, data=np.array(["a", "b"], dtype="T"), chunks=(1,))
    np.testing.assert_array_equal(text[:], np.array(["a", "b"], dtype="T"))
    assert runs == []
    # Those that are larger are decoded one by one.
    runs.clear()
    monkeypatch.setattr(_read, "RUN_BYTES", 15)
    np.testing.assert_array_equal(array[:], np.arange(44))
    assert runs == []


@dataclass(frozen=True)
class OwnCoroutines(BatchedCodecPipeline):
    """A pipeline of somebody else, with coroutines of its own."""

    async def read(self, batch_info: Any, *args: Any) -> Any:
        items = list(batch_info)
        NOTED.append(("read", len(items)))
        return await super().read(items, *args)

    async def write(self, batch_info: Any, *args: Any) -> None:
        items = list(batch_info)
        NOTED.append(("write", len(items)))
        await super().write(items, *args)

    async def decode_partial_batch(self, batch_info: Any) -> Any:
        NOTED.append(("decode_partial_batch", 1))
        return await super().decode_partial_batch(batch_info)

    async def encode_partial_batch(self, batch_info: Any) -> None:
        NOTED.append(("encode_partial_batch", 1))
        await super().encode_partial_batch(batch_info)


NOTED: list[tuple[str, int]] = []


@pytest.mark.parametrize("make", [MemoryStore, lambda: LatencyStore(MemoryStore())])
@pytest.mark.parametrize("shards", [None, (4,)])
def test_coroutines_that_a_pipeline_overrides_are_called(make: Any, shards: Any) -> None:
    register_pipeline(OwnCoroutines)
    name = f"{OwnCoroutines.__module__}.{OwnCoroutines.__qualname__}"
    with zarr.config.set({"codec_pipeline.path": name}):
        array: Any = zarr.create_array(make(), shape=(8,), dtype="i8", chunks=(2,), shards=shards)
        NOTED.clear()
        array[1:] = 5
        assert array[1:7].tolist() == [5] * 6
        chunks = 2 if shards else 4
        expected = [("write", chunks), ("read", chunks)]
        assert [noted for noted in NOTED if "partial" not in noted[0]] == expected
        partial = [name for name, _ in NOTED if "partial" in name]
        names = ("encode_partial_batch", "decode_partial_batch")
        parts = [name for name in names for _ in range(2)] if shards else []
        assert partial == parts
