"""One budget for all reads of a store: `ReadScheduler`, which has a `ReadQueue` for each event loop."""

from __future__ import annotations

import asyncio
import threading
from weakref import WeakKeyDictionary

from zarr.core._byte_ranges import ByteRequest
from zarr.core._fetch import BulkReadCounter
from zarr.core._read_options import ReadOptions
from zarr.core._read_queue import ReadQueue, Request, Source


class ReadScheduler:
    """Makes the reads of a store: in one budget, shared and merged between callers.

    Parameters
    ----------
    options : ReadOptions
        How many reads at a time, what is merged, and the rest.
    """

    def __init__(self, options: ReadOptions) -> None:
        self.options = options
        self._lock = threading.Lock()
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, ReadQueue] = WeakKeyDictionary()

    def __reduce__(self) -> tuple[type[ReadScheduler], tuple[ReadOptions]]:
        return type(self), (self.options,)

    def _queue(self) -> ReadQueue:
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            with self._lock:
                for other in list(self._queues):  # which its queue keeps alive
                    if other.is_closed():
                        del self._queues[other]
                queue = self._queues[loop] = ReadQueue(self.options)
        return queue

    def submit(
        self,
        source: Source,
        byte_range: ByteRequest | None,
        max_concurrency: int,
        *,
        caller: object = None,
        counter: BulkReadCounter | None = None,
        nbytes: int | None = None,
    ) -> asyncio.Future[bytes | None]:
        """Ask for an object, or a part of it; see `read`.

        Parameters
        ----------
        max_concurrency : int
            How many reads may be in flight now.
        source : Source
            As for `read`.
        byte_range : ByteRequest or None
            As for `read`.
        caller : object
            As for `read`.
        counter : BulkReadCounter or None
            As for `read`.
        nbytes : int or None
            As for `read`.

        Returns
        -------
        asyncio.Future
            What `read` returns, or raises. Who cancels it waits for `drain`.
        """
        queue = self._queue()
        caller = object() if caller is None else caller
        request = Request(queue, source, byte_range, caller, nbytes or 0, counter)
        queue.submit(request, max_concurrency)
        return request

    async def drain(self) -> None:
        """Wait until the reads of this event loop that were cancelled have ended."""
        await self._queue().drain()

    async def read(
        self,
        source: Source,
        byte_range: ByteRequest | None,
        *,
        caller: object = None,
        counter: BulkReadCounter | None = None,
        nbytes: int | None = None,
    ) -> bytes | None:
        """Read an object, or a part of it.

        Parameters
        ----------
        source : Source
            The object.
        byte_range : ByteRequest or None
            Which bytes; None for all.
        caller : object or None
            The operation that the read belongs to, told apart by identity. Operations are served
            round robin. Neighbouring reads of one operation are not merged: it has planned them.
            None for an operation of this read alone.
        counter : BulkReadCounter or None
            Counts what was read.
        nbytes : int or None
            How large the object is about, where all of it is read; None where that is not known.

        Returns
        -------
        bytes or None
            None where there is no such object.

        Raises
        ------
        Exception
            What the source raises for this request.
        """
        request = self.submit(
            source,
            byte_range,
            self.options.concurrency(),
            caller=caller,
            counter=counter,
            nbytes=nbytes,
        )
        try:
            return await request
        except asyncio.CancelledError:
            await self.drain()
            raise
