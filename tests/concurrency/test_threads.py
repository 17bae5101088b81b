"""Many threads that read and write at once, and work that waits for other work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pytest
from tests.concurrency.programs import printed_by
from tests.optional import lacks
from tests.servers.range_server import RangeServer
from tests.waiting import PATIENCE

import zarr
from zarr.abc.codec import ArrayArrayCodec
from zarr.core.config import config
from zarr.core.sync import cleanup_resources, get_loop, get_pool, sync
from zarr.registry import register_codec
from zarr.storage import FsspecStore, LocalStore, MemoryStore, WrapperStore, ZipStore

if TYPE_CHECKING:
    from zarr.abc.store import Store
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import NDBuffer

S = TypeVar("S")
T = TypeVar("T")
THREADS = 16
VALUES = np.arange(32 * 30, dtype="f8").reshape(32, 30)


def at_once(job: Callable[[S], T], items: Iterable[S]) -> list[T]:
    """Run a job per item, in threads that all begin at the same moment; return the results."""
    waiting = list(items)
    begin = threading.Barrier(len(waiting), timeout=PATIENCE)

    def run(item: S) -> T:
        begin.wait()
        return job(item)

    with ThreadPoolExecutor(len(waiting)) as pool:
        return [
            running.result(PATIENCE) for running in [pool.submit(run, item) for item in waiting]
        ]


def fresh_resources() -> Iterator[None]:
    """Make loop and pools anew, by what is configured by then, and once more afterwards."""
    cleanup_resources()
    yield
    cleanup_resources()


# --- reading ---------------------------------------------------------------------------------

REMOTE = [] if lacks("fsspec") or lacks("aiohttp") else ["http"]


@pytest.fixture(params=["memory", "local", "zip", *REMOTE])
def filled(request: pytest.FixtureRequest, tmp_path: Path, range_server: RangeServer) -> Store:
    """A store with arrays of the same rows, which are read in different ways."""
    kind = request.param
    store: Store = LocalStore(tmp_path / "a")
    if kind in ("memory", "zip"):
        store = MemoryStore() if kind == "memory" else ZipStore(tmp_path / "a.zip", mode="w")
    zarr.create_array(store, name="small", data=VALUES, chunks=(2, 30))
    zarr.create_array(store, name="plain", data=VALUES, chunks=(4, 15), compressors=None)
    zarr.create_array(store, name="sharded", data=VALUES, chunks=(2, 10), shards=(8, 30))
    # Its chunks are worth a hand-over to the pool.
    zarr.create_array(store, name="large", data=np.tile(VALUES, 150), chunks=(8, 4500))
    if kind == "zip":
        store.close()
        return ZipStore(tmp_path / "a.zip", mode="r")
    if kind == "http":
        for file in (tmp_path / "a").rglob("*"):
            if file.is_file():
                key = file.relative_to(tmp_path / "a").as_posix()
                range_server.objects[key] = file.read_bytes()
        return FsspecStore.from_url(range_server.url, read_only=True)
    return store


NAMES = ["small", "plain", "sharded", "large"]


@pytest.mark.parametrize("name", NAMES)
def test_threads_read_one_array(filled: Store, name: str) -> None:
    array = zarr.open_array(filled, path=name, mode="r")

    def read(first: int) -> None:
        rows = slice(first, first + 9)
        np.testing.assert_array_equal(array[rows, :30], VALUES[rows])
        np.testing.assert_array_equal(array[first], np.resize(VALUES[first], array.shape[1]))
        np.testing.assert_array_equal(array[..., 29], VALUES[:, 29])

    at_once(read, range(THREADS))


def test_threads_open_and_read_different_arrays(filled: Store) -> None:
    def read(name: str) -> Any:
        return zarr.open_group(filled, mode="r").get(name)[4:8, :30]

    for part in at_once(read, NAMES * (THREADS // 4)):
        np.testing.assert_array_equal(part, VALUES[4:8])


def test_threads_with_loops_of_their_own(filled: Store) -> None:
    array = zarr.open_array(filled, path="small", mode="r")

    async def read(first: int) -> None:
        here = await array.async_array.getitem((slice(first, None), ...))
        np.testing.assert_array_equal(here, VALUES[first:])
        np.testing.assert_array_equal(array[first:], VALUES[first:])  # by the loop of the process

    at_once(lambda first: asyncio.run(read(first)), range(THREADS))


@pytest.mark.parametrize("limit", [1, 3])
def test_few_reads_at_a_time_are_enough(filled: Store, limit: int) -> None:
    with config.set({"async.concurrency": limit, "codec_pipeline.max_workers": limit}):
        arrays = [zarr.open_array(filled, path=name, mode="r") for name in NAMES]
        for part in at_once(lambda array: array[:, :30], arrays * 4):
            np.testing.assert_array_equal(part, VALUES)


def test_configuration_that_changes_meanwhile(filled: Store) -> None:
    array = zarr.open_array(filled, path="small", mode="r")

    def read(number: int) -> None:
        # Contexts of threads overlap: what is configured is that of the process.
        with config.set({"async.concurrency": 1 + number, "codec_pipeline.batch_size": 1 + number}):
            again = zarr.open_array(filled, path="sharded", mode="r")
            np.testing.assert_array_equal(again[...], array[...])

    at_once(read, range(THREADS))


# --- writing ---------------------------------------------------------------------------------

LAYOUTS: dict[str, dict[str, Any]] = {
    "chunks": {"chunks": 8},
    "shards": {"chunks": 2, "shards": 8},
    "format 2": {"chunks": 8, "zarr_format": 2},
    "uncompressed": {"chunks": 8, "compressors": None},
}
WRITABLE: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "local": lambda folder: LocalStore(folder),
    "wrapper": lambda folder: WrapperStore(LocalStore(folder)),
    "zip": lambda folder: ZipStore(folder / "a.zip", mode="w"),
}
if not lacks("fsspec"):
    WRITABLE["fsspec"] = lambda folder: FsspecStore.from_url(
        folder.as_uri(), storage_options={"auto_mkdir": True}
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")  # of a chunk that is written in two halves
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", WRITABLE)
def test_writes_to_different_chunks(tmp_path: Path, kind: str, layout: str) -> None:
    array = zarr.create_array(
        WRITABLE[kind](tmp_path), shape=THREADS * 16, dtype="i4", **LAYOUTS[layout]
    )

    def write(number: int) -> None:
        # Two chunks, one of them in two halves, and by a view of the array of its own.
        mine = zarr.open_array(array.store, mode="r+") if number % 2 else array
        first = number * 16
        mine[first : first + 8] = number
        mine[first + 8 : first + 12] = number
        mine[first + 12 : first + 16] = number
        np.testing.assert_array_equal(mine[first : first + 16], number)

    at_once(write, range(THREADS))
    np.testing.assert_array_equal(array[...], np.repeat(np.arange(THREADS), 16))
    array.store.close()
    written = tmp_path / "a.zip" if kind == "zip" else array.store
    again = zarr.open_array(ZipStore(written) if isinstance(written, Path) else written, mode="r")
    np.testing.assert_array_equal(again[...], np.repeat(np.arange(THREADS), 16))
    again.store.close()


@pytest.mark.parametrize("kind", ["memory", "local", "wrapper"])
def test_readers_see_a_chunk_before_or_after_a_write(tmp_path: Path, kind: str) -> None:
    array = zarr.create_array(
        WRITABLE[kind](tmp_path), data=np.full((4, 5000), 1), chunks=(1, 5000)
    )
    writing = threading.Event()
    writing.set()

    def write(row: int) -> None:
        for value in range(2, 40):
            array[row] = value

    def read() -> int:
        reads = 0
        while writing.is_set() or not reads:
            for row in np.asarray(array[...]):
                assert 1 <= row[0] < 40
                np.testing.assert_array_equal(row, row[0])
            reads += 1
        return reads

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        writers = [pool.submit(write, row) for row in range(4)]
        try:
            for writer in writers:
                writer.result(PATIENCE)
        finally:
            writing.clear()
        assert all(reader.result(PATIENCE) for reader in readers)
    np.testing.assert_array_equal(array[...], 39)


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_members_that_are_made_at_once(tmp_path: Path, kind: str) -> None:
    group = zarr.create_group(WRITABLE[kind](tmp_path))

    def make(number: int) -> None:
        group.create_array(f"within/{number}/a", data=VALUES[number])
        group[f"within/{number}"].attrs["number"] = number

    at_once(make, range(THREADS))
    assert set(group) == {"within"}
    for number in range(THREADS):
        assert group[f"within/{number}"].attrs["number"] == number
        np.testing.assert_array_equal(
            zarr.open_array(group.store, path=f"within/{number}/a")[...], VALUES[number]
        )


# --- the first use ---------------------------------------------------------------------------

FIRST = """
import sys, threading
threads, results, failed = [], [], []
barrier = threading.Barrier(16)

def first(number):
    try:
        barrier.wait()
        import zarr
        from zarr.core.sync import get_loop, get_pool
        array = zarr.create_array(f"a{number}", shape=(4, 4), chunks=(2, 2), dtype="i4", fill_value=number)
        array[0] = 7
        assert array[...].sum() == 28 + 12 * number
        pool = get_pool()
        assert pool.submit(int, 1).result(120) == 1
        results.append((get_loop(), pool))
    except BaseException as error:
        failed.append(error)
        raise

for number in range(16):
    threads.append(threading.Thread(target=first, args=(number,)))
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failed
names = [thread.name for thread in threading.enumerate()]
print(len(set(results)), names.count("zarr_io"))
"""


def test_first_use_by_all_threads_at_once(tmp_path: Path) -> None:
    # What is imported on first use is imported by all of them, too.
    assert printed_by(tmp_path, FIRST) == "1 1\n"


def test_one_loop_and_one_pool_anew() -> None:
    cleanup_resources()
    made = at_once(lambda _: (get_loop(), get_pool()), range(THREADS))
    assert len(set(made)) == 1
    assert sum(thread.name == "zarr_io" for thread in threading.enumerate()) == 1


# --- work that waits for work ----------------------------------------------------------------

SOURCES: dict[str, Callable[[], np.ndarray]] = {}


@dataclass(frozen=True)
class Added(ArrayArrayCodec):
    """Adds, when decoding, what it reads elsewhere."""

    source: str

    @classmethod
    def from_dict(cls, data: Any) -> Added:
        return cls(**data["configuration"])

    def to_dict(self) -> dict[str, Any]:
        return {"name": "test.added", "configuration": {"source": self.source}}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        return input_byte_length

    def _decode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        values = chunk_data.as_numpy_array() + SOURCES[self.source]().mean()
        return chunk_spec.prototype.nd_buffer.from_numpy_array(values)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        return chunk_data


class Lazy:
    """An array-like that reads when it is asked for a region."""

    def __init__(self, read: Callable[[], np.ndarray]) -> None:
        values = read()
        self.shape, self.dtype, self._read = values.shape, values.dtype, read

    def __getitem__(self, region: Any) -> np.ndarray:
        return self._read()[region]


# How often a read waits for another one. Each holds a worker while it does.
DEPTH = 5


@pytest.fixture
def small_pools() -> Iterator[None]:
    """Pools of one worker each."""
    with config.set({"threading.max_workers": 1, "codec_pipeline.max_workers": 3}):
        yield from fresh_resources()
    SOURCES.clear()


def _reads(array: zarr.Array[Any]) -> dict[str, Callable[[], Any]]:
    return {
        "in place": lambda: array[...],
        "by the loop": lambda: sync(array.async_array.getitem(...)),
    }


@pytest.mark.usefixtures("small_pools")
@pytest.mark.parametrize("way", ["in place", "by the loop"])
@pytest.mark.parametrize("nbytes", [100, 300_000])
@pytest.mark.parametrize("kind", ["memory", "local"])
def test_codecs_that_read_arrays(tmp_path: Path, kind: str, nbytes: int, way: str) -> None:
    register_codec("test.added", Added)
    values = np.ones((3, nbytes), dtype="u1")
    array = zarr.create_array(WRITABLE[kind](tmp_path), name="0", data=values, chunks=(1, nbytes))
    for depth in range(1, DEPTH):
        SOURCES[str(depth)] = _reads(array)[way]
        array = zarr.create_array(
            array.store,
            name=str(depth),
            data=values,
            chunks=(1, nbytes),
            filters=[Added(str(depth))],
        )
    expected = values * DEPTH
    np.testing.assert_array_equal(array[...], expected)
    np.testing.assert_array_equal(sync(array.async_array.getitem(...)), expected)
    for part in at_once(lambda _: array[1:], range(2)):
        np.testing.assert_array_equal(part, expected[1:])
    array[0] = 3  # which is written as it is
    np.testing.assert_array_equal(array[0], 2 + expected[0])


@pytest.mark.usefixtures("small_pools")
@pytest.mark.parametrize("way", ["in place", "by the loop"])
@pytest.mark.parametrize("kind", ["memory", "local", "zip"])
def test_sources_that_read_arrays(tmp_path: Path, kind: str, way: str) -> None:
    store = WRITABLE[kind](tmp_path)
    array = zarr.create_array(store, name="0", data=VALUES, chunks=(4, 30))

    def copied(depth: int) -> Any:
        # What reads an array copies another one first, whose source does the same.
        if depth == 0:
            return _reads(array)[way]()
        source: Any = Lazy(lambda: copied(depth - 1))
        copy = zarr.from_array({}, data=source, chunks=(8, 30))
        return _reads(copy)[way]()

    np.testing.assert_array_equal(copied(DEPTH - 1), VALUES)
    store.close()


class Behind(MemoryStore):
    """A store whose values are read by a thread, out of another array."""

    behind: Callable[[], object] | None = None

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        if self.behind is not None and key.startswith("c/"):
            await asyncio.to_thread(self.behind)
        return await super().get(key, prototype, byte_range)


@pytest.mark.usefixtures("small_pools")
def test_stores_that_read_arrays() -> None:
    store = Behind()
    array = zarr.create_array(store, data=np.arange(40), chunks=(1,))
    inner = zarr.create_array({}, data=VALUES, chunks=(4, 30))
    store.behind = _reads(inner)["by the loop"]
    for part in at_once(lambda _: array[...], range(THREADS)):
        np.testing.assert_array_equal(part, np.arange(40))


# --- a loop that ends ------------------------------------------------------------------------


def test_who_waits_hears_of_a_loop_that_is_closed() -> None:
    started = threading.Semaphore(0)

    async def wait() -> None:
        started.release()
        await asyncio.Event().wait()

    async def stay() -> None:
        while True:  # whatever cancels it
            try:
                await wait()
            except asyncio.CancelledError:
                continue

    with ThreadPoolExecutor(2) as pool:
        obedient, stubborn = pool.submit(sync, wait()), pool.submit(sync, stay())
        assert started.acquire(timeout=PATIENCE)
        assert started.acquire(timeout=PATIENCE)
        cleanup_resources()
        with pytest.raises(CancelledError):
            obedient.result(PATIENCE)
        with pytest.raises(RuntimeError, match="event loop was closed"):
            stubborn.result(PATIENCE)
    assert sync(asyncio.sleep(0, 3)) == 3


# --- dask ------------------------------------------------------------------------------------


@pytest.mark.skipif(lacks("dask"), reason="needs dask")
def test_dask_threads(filled: Store) -> None:
    from_array = import_module("dask.array").from_array
    source = zarr.open_array(filled, path="small", mode="r")
    target = zarr.create_array({}, shape=source.shape, dtype=source.dtype, chunks=(2, 30))
    lazy = from_array(source, chunks=(2, 30)) + from_array(
        zarr.open_array(filled, path="sharded", mode="r"), chunks=(2, 30)
    )
    lazy.store(target, lock=False, scheduler="threads", num_workers=THREADS)
    np.testing.assert_array_equal(target[...], 2 * VALUES)
