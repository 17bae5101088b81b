"""File systems of fsspec that keep files of others, and those that allow one call at a time."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from fsspec.implementations.memory import MemoryFileSystem
from tests.servers import faults
from tests.servers.range_server import Fault, RangeServer
from tests.stores.bulk_kit import PATTERN, PROTOTYPE, Request, bulk, put, values_of

import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.sync import sync
from zarr.storage import FsspecStore, MemoryStore
from zarr.storage._fsspec_serial import Queue, serialize

# fsspec leaves the files of its block cache to be collected.
_UNCLOSED = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
CACHES = ("simplecache", "filecache", pytest.param("blockcache", marks=_UNCLOSED))
CHUNKS = 40
WAIT = 60.0


def served(server: RangeServer, **options: Any) -> np.ndarray[Any, Any]:
    """Put an array of `CHUNKS` chunks on a server."""
    data = np.arange(1, CHUNKS * 50 + 1, dtype="i4")
    memory = MemoryStore()
    zarr.create_array(memory, data=data, chunks=(50,), compressors=None, fill_value=0, **options)
    put(server, {f"a/{key}": value for key, value in values_of(memory).items()})
    return data


def opened(protocol: str, server: RangeServer, folder: Path) -> zarr.Array:
    options = {protocol: {"cache_storage": str(folder)}}
    return zarr.open_array(f"{protocol}::{server.url}/a", mode="r", storage_options=options)


def cached_store(protocol: str, url: str, folder: Path) -> FsspecStore:
    options = {protocol: {"cache_storage": str(folder)}}
    return FsspecStore.from_url(f"{protocol}::{url}", options, read_only=True)


@pytest.mark.parametrize("protocol", CACHES)
def test_bulk_reads(protocol: str, range_server: RangeServer, tmp_path: Path) -> None:
    data = served(range_server)
    np.testing.assert_array_equal(opened(protocol, range_server, tmp_path)[:], data)
    range_server.clear()
    np.testing.assert_array_equal(opened(protocol, range_server, tmp_path)[:], data)
    fetched = [r.path for r in range_server.requests if r.method == "GET" and "/c/" in r.path]
    assert fetched == []


@pytest.mark.parametrize("protocol", CACHES)
@pytest.mark.parametrize("backwards", [False, True])
def test_parts_and_absent_keys(
    protocol: str, backwards: bool, range_server: RangeServer, tmp_path: Path
) -> None:
    put(range_server, {"key": PATTERN})
    store = cached_store(protocol, range_server.url, tmp_path)
    expected: dict[Request, bytes | None] = {
        "key": PATTERN,
        ("key", RangeByteRequest(5, 9)): PATTERN[5:9],
        "absent": None,
        ("key", OffsetByteRequest(11_990)): PATTERN[11_990:],
        ("key", SuffixByteRequest(7)): PATTERN[-7:],
        ("absent", RangeByteRequest(0, 1)): None,
        ("key", RangeByteRequest(20_000, 20_001)): b"",
    }
    requests = list(expected)[:: -1 if backwards else 1]
    for request in requests:
        key, part = request if isinstance(request, tuple) else (request, None)
        value = sync(store.get(key, PROTOTYPE, part))
        assert (None if value is None else value.to_bytes()) == expected[request]
    assert sync(bulk(store, requests)) == dict(enumerate(expected[r] for r in requests))


@pytest.mark.parametrize("protocol", CACHES)
def test_many_threads_read_two_to_a_chunk(
    protocol: str, range_server: RangeServer, tmp_path: Path
) -> None:
    data = served(range_server)
    array = opened(protocol, range_server, tmp_path)
    start = threading.Barrier(8)

    def read(i: int) -> bool:
        start.wait(WAIT)
        # In loops of their own half of them: a lock of one event loop would not do.
        part = slice(i * 25, i * 25 + 25)
        got = array[part] if i % 2 else asyncio.run(array._async_array.getitem(part))
        return bool((np.asarray(got) == data[part]).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8)))


@pytest.mark.parametrize("protocol", ["simplecache", "filecache"])
def test_a_failed_download_leaves_no_file(
    protocol: str, range_server: RangeServer, tmp_path: Path
) -> None:
    put(range_server, {"key": PATTERN})
    with zarr.config.set({"bulk_reads.max_retries": 0}):  # or the cut would be mended
        store = cached_store(protocol, range_server.url, tmp_path)
    for fault in (faults.cut_in_the_body(), faults.redirect_to_nowhere(), faults.unasked_part()):
        range_server.inject("key", fault, times=1, method="GET")
        with pytest.raises(Exception, match=r"(?s).*") as raised:
            sync(store.get("key", PROTOTYPE))
        assert "'key'" in " ".join(raised.value.__notes__)
        value = sync(store.get("key", PROTOTYPE, RangeByteRequest(0, 12)))
        assert value is not None
        assert value.to_bytes() == PATTERN[:12]
        for name in os.listdir(tmp_path):
            os.remove(tmp_path / name)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "options",
    [{"simplecache": {"compression": "gzip"}}, {"filecache": {"compression": "gzip"}}]
    + [{"blockcache": {}}, {"simplecache": {}}, {"filecache": {}}],
)
@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_a_fault_is_no_absent_key(
    options: dict[str, Any], status: int, range_server: RangeServer, tmp_path: Path
) -> None:
    """fsspec says of every download that fails that there is no such file."""
    put(range_server, {"key": PATTERN})
    ((protocol, of_cache),) = options.items()
    of_cache = of_cache | {"cache_storage": str(tmp_path)}
    url = f"{protocol}::{range_server.url}"
    store = FsspecStore.from_url(url, {protocol: of_cache}, read_only=True)
    assert sync(store.get("absent", PROTOTYPE)) is None
    assert sync(bulk(store, ["absent"])) == {0: None}
    range_server.inject(lambda *_: True, Fault(status=status))
    for read in (store.get("key", PROTOTYPE), bulk(store, ["key"])):
        with pytest.raises(Exception, match=str(status)) as raised:
            sync(read)
        assert not isinstance(raised.value, FileNotFoundError)


def test_a_file_that_vanishes_is_fetched_again(range_server: RangeServer, tmp_path: Path) -> None:
    """It never says that the object is absent."""
    put(range_server, {"key": PATTERN})
    store = cached_store("simplecache", range_server.url, tmp_path)
    assert sync(bulk(store, ["key"])) == {0: PATTERN}
    inner: Any = store.fs
    check = type(inner.sync_fs)._check_file

    def vanishing(self: Any, path: str) -> Any:
        name = check(self, path)
        if name:
            os.remove(name)
        return name

    type(inner.sync_fs)._check_file = vanishing
    try:
        assert sync(bulk(store, ["key"])) == {0: PATTERN}
    finally:
        type(inner.sync_fs)._check_file = check


def test_compressed_files_are_decompressed(range_server: RangeServer, tmp_path: Path) -> None:
    import gzip

    put(range_server, {"key": gzip.compress(PATTERN)})
    options = {"simplecache": {"cache_storage": str(tmp_path), "compression": "gzip"}}
    store = FsspecStore.from_url(f"simplecache::{range_server.url}", options, read_only=True)
    assert sync(bulk(store, ["key", ("key", RangeByteRequest(3, 6))])) == {
        0: PATTERN,
        1: PATTERN[3:6],
    }


# --- one call at a time -----------------------------------------------------------------


class OneCall(MemoryFileSystem):
    """A file system that notices when two calls run at once."""

    protocol = "sftp"
    cachable = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.running = self.most = 0
        self.count = threading.Lock()
        self.hold: threading.Event | None = None
        self.began = threading.Event()

    def cat_file(self, path: str, start: Any = None, end: Any = None, **options: Any) -> bytes:
        with self.count:
            self.running += 1
            self.most = max(self.most, self.running)
        self.began.set()
        try:
            if self.hold is not None:
                assert self.hold.wait(WAIT)
            return b"0123456789"[start:end]
        finally:
            with self.count:
                self.running -= 1


def test_one_call_at_a_time_over_loops_and_threads() -> None:
    fs = OneCall()
    stores = [FsspecStore(AsyncFileSystemWrapper(fs, asynchronous=True), path="") for _ in range(2)]

    def read(i: int) -> Any:
        keys = [f"k{j}" for j in range(20)]
        return asyncio.run(bulk(stores[i % 2], keys))

    with ThreadPoolExecutor(6) as pool:
        for found in pool.map(read, range(6)):
            assert found == dict.fromkeys(range(20), b"0123456789")
    assert fs.most == 1


async def test_a_cancelled_caller_does_not_let_the_next_call_begin() -> None:
    fs = OneCall()
    fs.hold = threading.Event()
    store = FsspecStore(AsyncFileSystemWrapper(fs, asynchronous=True), path="")
    first = asyncio.ensure_future(store.get("a", PROTOTYPE))
    await asyncio.to_thread(fs.began.wait, WAIT)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.ensure_future(store.get("b", PROTOTYPE))
    await asyncio.sleep(0)
    fs.hold.set()
    assert (await second) is not None
    assert fs.most == 1


def test_a_wrapper_is_serialized_once_and_survives_pickling() -> None:
    fs = AsyncFileSystemWrapper(OneCall(), asynchronous=True)
    serialize(serialize(fs))
    assert fs._cat_file.__wrapped__ == fs.sync_fs.cat_file
    store = pickle.loads(pickle.dumps(FsspecStore(fs, path="")))
    assert sync(bulk(store, ["a"])) == {0: b"0123456789"}
    plain = AsyncFileSystemWrapper(MemoryFileSystem(), asynchronous=True)
    before = plain._cat_file
    assert serialize(plain)._cat_file is before


async def test_a_queue_runs_calls_in_order_and_passes_failures_on() -> None:
    queue = Queue()
    done: list[int] = []
    await asyncio.gather(*(queue.run(done.append, i) for i in range(5)))
    assert done == list(range(5))
    with pytest.raises(ZeroDivisionError):
        await queue.run(divmod, 1, 0)
