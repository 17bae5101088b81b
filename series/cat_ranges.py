"""Measure fsspec's generic `_cat_ranges`: its number of requests, and the effect of cancellation.

    python -m series.cat_ranges

If a file system does not override `_cat_ranges`, zarr makes a separate call for each merged read.
This measurement shows why. It uses fsspec's file system for HTTP. The server counts requests and
delays each response by 20 ms.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass

import fsspec
from tests.servers.range_server import Fault, RangeServer

NRANGES, NBYTES, DELAY = 100, 7000, 0.02
BATCH = 10
PATH = "object"


@dataclass(frozen=True)
class Found:
    """The measured numbers.

    Parameters
    ----------
    requests : int
        Number of requests that the server answered for adjacent ranges.
    running, finished : int
        `running` is the number of reads that were still running after the cancellation, and
        `finished` is the number of these reads that ran to their end.
    """

    requests: int
    running: int
    finished: int


async def measure() -> Found:
    """Read ranges twice; the second read is cancelled."""
    with RangeServer({PATH: bytes(NRANGES * NBYTES)}) as server:
        server.inject(lambda *_: True, Fault(delay=DELAY))
        filesystem = fsspec.filesystem("http", asynchronous=True, skip_instance_cache=True)
        paths = [f"{server.url}/{PATH}"] * NRANGES
        starts = [i * NBYTES for i in range(NRANGES)]
        stops = [start + NBYTES for start in starts]
        await filesystem._cat_ranges(paths, starts, stops)
        requests = len(server.requests)

        started = finished = 0
        all_read, is_cancelled = asyncio.Event(), asyncio.Event()
        fetch = filesystem._cat_file

        async def cat_file(path: str, start: int, end: int) -> bytes:
            nonlocal started, finished
            started += 1
            if started == BATCH:
                all_read.set()
            await is_cancelled.wait()  # so that no read finishes before the cancellation
            data: bytes = await fetch(path, start=start, end=end)
            finished += 1
            return data

        filesystem._cat_file = cat_file
        bulk = asyncio.create_task(
            filesystem._cat_ranges(paths, starts, stops, batch_size=BATCH, on_error="raise")
        )
        await all_read.wait()
        bulk.cancel()
        await asyncio.wait([bulk])
        left = asyncio.all_tasks() - {asyncio.current_task()}
        is_cancelled.set()
        if left:
            await asyncio.wait(left)
        await filesystem._session.close()
        return Found(requests, len(left), finished)


def main() -> int:
    """Print the measured numbers; return the exit status."""
    found = asyncio.run(measure())
    sys.stdout.write(
        f"fsspec {fsspec.__version__}, AsyncFileSystem._cat_ranges over HTTP:\n"
        f"{NRANGES} adjacent ranges of one object: {found.requests} requests.\n"
        f"Cancelled with {BATCH} reads in flight: {found.running} were left running, "
        f"{found.finished} of them read to the end.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
