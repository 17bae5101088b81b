"""`ReadScheduler`, which makes all reads of a store, with one `ReadQueue` per event loop."""

from __future__ import annotations

import asyncio
import threading
from weakref import WeakKeyDictionary

from zarr.core._byte_ranges import ByteRequest
from zarr.core._fetch import BulkReadCounter
from zarr.core._read_options import ReadOptions
from zarr.core._read_queue import ReadQueue
from zarr.core._read_request import Source


class ReadScheduler:
    """Makes all reads of a store, with one limit for all callers on the same event loop.

    Requests of different callers on the same event loop may share a read.

    Parameters
    ----------
    options : ReadOptions
        Concurrency, merging policy and other options.
    """

    def __init__(self, options: ReadOptions) -> None:
        self.options = options
        self._lock = threading.Lock()
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, ReadQueue] = WeakKeyDictionary()
        self._latest: ReadQueue | None = None

    def __reduce__(self) -> tuple[type[ReadScheduler], tuple[ReadOptions]]:
        return type(self), (self.options,)

    def queue(self) -> ReadQueue:
        """Return the queue of the running event loop."""
        loop = asyncio.get_running_loop()
        queue = self._latest
        if queue is not None and queue.loop is loop:
            return queue  # fast path: called for each read, and nearly always on the same loop
        queue = self._queues.get(loop)
        if queue is None:
            with self._lock:
                # A queue references its loop, so closed loops have to be removed explicitly.
                for other in list(self._queues):
                    if other.is_closed():
                        del self._queues[other]
                queue = self._queues[loop] = ReadQueue(self.options)
        self._latest = queue
        return queue

    async def drain(self) -> None:
        """Wait until the cancelled reads of the running event loop have ended."""
        await self.queue().drain()

    async def read(
        self,
        source: Source,
        byte_range: ByteRequest | None,
        *,
        caller: object = None,
        counter: BulkReadCounter | None = None,
        nbytes: int | None = None,
    ) -> bytes | None:
        """Read an object or a part of it.

        Parameters
        ----------
        source : Source
            The object.
        byte_range : ByteRequest or None
            The bytes to read; None means the whole object.
        caller : object or None
            Object that represents the operation that makes the read. Two reads with the same object
            belong to one operation. Operations take turns. Neighbouring ranges of one operation are
            not merged, because the operation has already planned its reads. None if the operation
            makes only this read.
        counter : BulkReadCounter or None
            Counts reads and bytes.
        nbytes : int or None
            Approximate size of the object in bytes, used if the whole object is read; None if
            unknown.

        Returns
        -------
        bytes or None
            The bytes; None if the object is absent.

        Raises
        ------
        Exception
            The error that the source raises for this request.
        """
        request = self.queue().submit(
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
