"""How many reads and writes of a store are in flight at once: several, and no more than configured."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.optional import lacks
from tests.servers.range_server import RangeServer
from tests.waiting import PATIENCE, steps

import zarr
from zarr.codecs import BytesCodec, ShardingCodec
from zarr.core.array import AsyncArray
from zarr.core.array_spec import parse_array_config
from zarr.core.sync import sync
from zarr.storage import LocalStore, MemoryStore, WrapperStore

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

BUDGET = 6
SHAPE = (48, 48)
VALUES = np.arange(1, 48 * 48 + 1).reshape(SHAPE)

# Something of some inner chunks in each shard, which are not read whole then.
SPREAD = (slice(0, 48, 8), slice(0, 48, 5))

LAYOUTS: dict[str, dict[str, Any]] = {
    "chunks": {"chunks": (4, 4)},
    "shards": {"chunks": (1, 1), "shards": (8, 8)},
    "nested shards": {
        "chunks": (24, 24),
        "serializer": ShardingCodec(
            chunk_shape=(4, 4), codecs=[ShardingCodec(chunk_shape=(1, 1), codecs=[BytesCodec()])]
        ),
        "compressors": None,
    },
    "a nested shard": {
        "chunks": (48, 48),
        "serializer": ShardingCodec(
            chunk_shape=(4, 4), codecs=[ShardingCodec(chunk_shape=(1, 1), codecs=[BytesCodec()])]
        ),
        "compressors": None,
    },
}


# How many requests to a server come at once: as many as the budget allows, and of several objects
# the same number for each.
TOGETHER = {"chunks": BUDGET, "shards": BUDGET, "nested shards": 4, "a nested shard": BUDGET}


class Held(dict[str, bytes]):
    """Objects of a server, whose chunks are not sent before so many requests for them are there.

    Parameters
    ----------
    together : int
        How many. Once they are there one more would have time to come; then all are answered.
    begins : callable
        Tells of a key whether requests for it are held by now.
    """

    def __init__(self, together: int, begins: Callable[[str], bool]) -> None:
        super().__init__()
        self.most = 0
        self._together = together
        self._begins = begins
        self._now = 0
        self._lock = threading.Lock()
        self._open = threading.Event()

    def __getitem__(self, key: str) -> bytes:
        if not key.startswith("c/") or not self._begins(key):
            return super().__getitem__(key)
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            are_there = self._now == self._together
        try:
            if are_there and not self._open.is_set():
                sync(steps(1000))
            else:
                self._open.wait(PATIENCE)
            self._open.set()  # also where it was in vain: what comes one by one waits but once
            return super().__getitem__(key)
        finally:
            with self._lock:
                self._now -= 1


class Counting(WrapperStore[Any]):
    """Counts the calls that are in flight, each of which takes some turns of the event loop."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.most = self.now = 0
        self.lock = threading.Lock()

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            yield
        finally:
            with self.lock:
                self.now -= 1

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        with self.counted():
            for _ in range(5):
                await asyncio.sleep(0)
            return await super().get(key, prototype, byte_range)

    async def set(self, key: str, value: Buffer) -> None:
        with self.counted():
            for _ in range(5):
                await asyncio.sleep(0)
            await super().set(key, value)

    async def delete(self, key: str) -> None:
        with self.counted():
            for _ in range(5):
                await asyncio.sleep(0)
            await super().delete(key)


@pytest.fixture(autouse=True)
def _budget() -> Iterator[None]:
    # Nothing is merged, so that there is something to be in flight.
    alone = {"array.sharding_coalesce_max_gap_bytes": 0, "array.sharding_coalesce_max_bytes": 1}
    with zarr.config.set({"async.concurrency": BUDGET, **alone}):
        yield


def read_sync(array: zarr.Array[Any]) -> Any:
    return array[SPREAD]


def read_async(array: zarr.Array[Any]) -> Any:
    return sync(array.async_array.getitem(SPREAD))


def write_sync(array: zarr.Array[Any], value: Any) -> None:
    array[SPREAD] = value


def write_async(array: zarr.Array[Any], value: Any) -> None:
    sync(array.async_array.setitem(SPREAD, value))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("read", [read_sync, read_async])
@pytest.mark.parametrize("kind", ["memory", "local"])
def test_reads(kind: str, read: Any, layout: str, tmp_path: Path) -> None:
    inner = MemoryStore() if kind == "memory" else LocalStore(tmp_path)
    store = Counting(inner)
    array = zarr.create_array(store, data=VALUES, **LAYOUTS[layout])
    store.most = 0
    np.testing.assert_array_equal(read(array), VALUES[SPREAD])
    assert 1 < store.most <= BUDGET


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("write", [write_sync, write_async])
@pytest.mark.parametrize("kind", ["memory", "local"])
def test_writes(kind: str, write: Any, layout: str, tmp_path: Path) -> None:
    inner = MemoryStore() if kind == "memory" else LocalStore(tmp_path)
    store = Counting(inner)
    array = zarr.create_array(store, data=VALUES, **LAYOUTS[layout])
    least = 1 if layout == "a nested shard" else 2  # which is a single object
    for value in (-1, 0):
        store.most = 0
        write(array, value)
        assert least <= store.most <= BUDGET
        assert np.all(np.asarray(array[SPREAD]) == value)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("read", [read_sync, read_async])
@pytest.mark.parametrize("kind", ["fsspec", "obstore"])
def test_reads_over_http(kind: str, read: Any, layout: str) -> None:
    if lacks(kind):
        pytest.skip(f"{kind} is missing")
    written = MemoryStore()
    zarr.create_array(written, data=VALUES, **LAYOUTS[layout])

    def begins(key: str) -> bool:
        # The index of a shard comes alone.
        return layout == "chunks" or any(sent.path == key for sent in server.requests)

    objects = Held(TOGETHER[layout], begins)
    objects.update({key: value.to_bytes() for key, value in written._store_dict.items()})
    with RangeServer(objects) as server:
        array: Any = zarr.open_array(served(kind, server.url), mode="r")
        server.clear()
        np.testing.assert_array_equal(read(array), VALUES[SPREAD])
        assert TOGETHER[layout] <= objects.most <= BUDGET


def served(kind: str, url: str) -> Any:
    """Return a store that waits as long as a server holds its requests."""
    forever = 10 * PATIENCE
    if kind == "fsspec":
        import aiohttp

        from zarr.storage import FsspecStore

        options: Any = {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=forever)}}
        # Its bulk reads have a number of their own.
        return FsspecStore.from_url(url, options, max_concurrency=BUDGET)
    import obstore

    from zarr.storage import ObjectStore

    # A request that is sent again would look like another one.
    options = {"allow_http": True, "timeout": timedelta(seconds=forever)}
    retries: Any = {"max_retries": 0}
    store = obstore.store.HTTPStore.from_url(url, client_options=options, retry_config=retries)
    return ObjectStore(store)


class OwnWay(ShardingCodec):
    """Reads parts of shards by the coroutine that others override."""

    async def _decode_partial_single(self, *args: Any) -> Any:
        return await super()._decode_partial_single(*args)


@pytest.mark.parametrize("budget", [1, 3, BUDGET])
def test_a_codec_that_overrides_the_coroutine_keeps_its_share(budget: int) -> None:
    store = Counting(MemoryStore())
    array = zarr.create_array(
        store,
        name="a",
        shape=SHAPE,
        dtype="i8",
        chunks=(8, 8),
        compressors=None,
        serializer=OwnWay(chunk_shape=(1, 1), codecs=[BytesCodec()]),
    )
    array[...] = VALUES
    store.most = 0
    gaps: Any = {"sharding_coalesce_max_gap_bytes": 0}
    codec = OwnWay(chunk_shape=(1, 1), codecs=[BytesCodec()])
    metadata = dataclasses.replace(array.metadata, codecs=(codec,))
    opened: Any = AsyncArray(metadata, array.store_path, parse_array_config(gaps))
    with zarr.config.set({"async.concurrency": budget}):
        assert (sync(opened.getitem(SPREAD)) == VALUES[SPREAD]).all()
    assert store.most == budget
