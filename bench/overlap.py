"""Whether fetching and decoding overlap.

Chunks are read from a store of limited throughput. The limit is set so that fetching all chunks
takes as long as decoding them. The figure is the duration of the read, divided by the maximum of
the time for fetching and the time for decoding. The figure is 1 if fetching and decoding overlap
completely, and 2 if they do not overlap.

The store keeps the values in memory. If the values were in files, threads would read them, and
would compete with decoding for the processors. Then the number of processors would limit the
overlap.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import zarr
from bench.task import Task
from bench.values import check_equal
from bench.workload import Workload

# An event loop wakes up at most once per millisecond; tens of small values arrive in that time.
AT_ONCE = 64

METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup")


class Channel(zarr.storage.WrapperStore[Any]):
    """A store that returns one value after the other, at fixed intervals.

    Parameters
    ----------
    store : Store
        Store with the values.
    seconds : float
        Interval between two values; 0 for no wait.
    """

    def __init__(self, store: Any, seconds: float = 0.0) -> None:
        super().__init__(store)
        self._inner = store
        self.seconds = seconds
        self._free_at = 0.0

    def _with_store(self, store: Any) -> Channel:
        return type(self)(store, self.seconds)

    async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        """Read a value; for a chunk, first wait until the interval of this chunk has ended."""
        if self.seconds and not key.endswith(METADATA):
            now = time.perf_counter()
            self._free_at = max(now, self._free_at) + self.seconds
            await asyncio.sleep(self._free_at - now)
        return await self._inner.get(key, *args, **kwargs)


def fetch(channel: Channel, keys: list[str]) -> float:
    """Get all values with `AT_ONCE` concurrent requests; return the duration in seconds."""
    prototype = zarr.core.buffer.default_buffer_prototype()
    remaining = iter(keys)

    async def one_after_the_other() -> None:
        for key in remaining:
            await channel.get(key, prototype)

    async def all_of_them() -> float:
        started = time.perf_counter()
        await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))
        return time.perf_counter() - started

    return asyncio.run(all_of_them())


def in_memory(folder: Path) -> Any:
    """Return a memory store with the contents of all files in a folder."""
    buffer = zarr.core.buffer.default_buffer_prototype().buffer.from_bytes
    files = (path for path in folder.rglob("*") if path.is_file())
    return zarr.storage.MemoryStore(
        {path.relative_to(folder).as_posix(): buffer(path.read_bytes()) for path in files}
    )


def workload(task: Task) -> Workload:
    """Measure the read of an array that is stored in a directory."""
    from bench.peers import bare

    channel = Channel(in_memory(Path(task.path())))
    array = zarr.open_array(channel, mode="r")
    bounds = bare.bounds_of(task)
    keys = [bare.key(task.dataset, p) for p in bare.touched(bounds, task.dataset.chunks)]
    check_equal(array[...], task.expected())

    def read() -> float:
        started = time.perf_counter()
        array[...]
        return time.perf_counter() - started

    def run() -> float:
        with zarr.config.set({"async.concurrency": AT_ONCE}):
            channel.seconds = 0.0
            decoding = min(read() for _ in range(3))
            channel.seconds = decoding / len(keys)
            fetching = fetch(channel, keys)
            together = read()
            channel.seconds = 0.0
        return together / max(fetching, decoding)

    return Workload(run, is_measure=True)
