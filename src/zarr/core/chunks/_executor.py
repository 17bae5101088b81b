"""Executors, which run codecs either in the calling thread or in the worker pool.

The coroutines that read and write chunks and shards take an executor. If the executor is `Inline`
and the source does not wait, these coroutines never suspend. In this case `run_now` can run them
without an event loop.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from zarr.core._coalesce import KiB
from zarr.core.chunks._scheduling import SCHEDULING, has_gil
from zarr.core.common import cancel_all, closing, concurrent_foreach, concurrent_map
from zarr.core.config import config
from zarr.core.sync import get_pool, in_pool_to_its_end, run_now

if TYPE_CHECKING:
    from concurrent.futures import Future

    from zarr.core.buffer import Buffer
    from zarr.core.chunks._item import Batch

T = TypeVar("T")
R = TypeVar("R")

# Minimum number of bytes for which it is worthwhile to pass work to another thread. Passing a job
# to another thread takes about 20 us. Decoding 256 KiB with zstd takes 200 us.
PORTION_BYTES = 256 * KiB

# The number of processors is cached, because `os.cpu_count` takes microseconds.
_CPUS = os.cpu_count() or 1

# If decoding a small chunk takes longer than this time in seconds, it is worthwhile to decode some
# chunks in another thread, despite GIL contention. In 100 us, zstd decodes 64 KiB, and gzip
# decodes 16 KiB.
_SLOW_SECONDS = 100e-6

# A function that takes an item and an executor. The concurrency of the operation is divided among
# the items. The executor that the function takes is limited to the share of this item.
Job: TypeAlias = Callable[[T, "Executor"], Awaitable[object]]

# A function that takes some encoded chunks and a bool. The bool is True if an event loop is busy
# while the function runs. In this case, the function should release the GIL as rarely as possible.
Work: TypeAlias = Callable[["Batch", bool], None]


class _Operation:
    """Base class of the executors; implements the cancellation of reads and writes in threads."""

    _is_stopped = False

    def stop(self) -> None:
        """Request the end of the operation; may be called from any thread."""
        self._is_stopped = True

    def proceed(self) -> None:
        """Raise `asyncio.CancelledError` if `stop` was called."""
        if self._is_stopped:
            raise asyncio.CancelledError


class Inline(_Operation):
    """Run jobs in the calling thread, which may pass large chunks to the worker pool.

    A large job is passed to the pool if fewer than `workers` threads are busy. Otherwise the
    calling thread does the job itself. In this way, several threads work in parallel, and no job
    waits in a queue.

    Parameters
    ----------
    workers : int or None
        Maximum number of threads, including the calling thread. If `workers` is None, the maximum
        is one thread per processor.
    contends : bool
        Whether the calling thread itself reads many small chunks, and so contends for the GIL.
    are_large : bool
        Whether decoded chunks are large. If they are large, it is worthwhile to pass chunks to
        another thread even if the encoded chunks are small.
    beside_loop : bool
        Whether the event loop fetches chunks while the calling thread decodes other chunks.
    """

    waits = False  # there is no event loop
    concurrency = 1  # maximum number of store reads or writes at a time

    def __init__(
        self,
        workers: int | None = 1,
        *,
        contends: bool = False,
        are_large: bool = False,
        beside_loop: bool = False,
    ) -> None:
        # One permit for each additional thread that may work for this executor.
        self._spare = deque([None] * ((_CPUS if workers is None else workers) - 1))
        self._is_alone = not self._spare
        self._contends = contends
        self._are_large = are_large
        self._beside_loop = beside_loop
        self._are_slow = False

    async def run(self, function: Callable[..., R], *args: Any) -> R:
        """Return the result of ``function(*args)``."""
        return function(*args)

    async def map(self, function: Callable[[T], R], items: Sequence[T], nbytes: int) -> list[R]:
        """Apply a function to items of `nbytes` bytes each, and return the results in order."""
        return [function(item) for item in items]

    async def each(self, function: Job[T], items: Sequence[T], nbytes: Callable[[T], int]) -> None:
        """Run a coroutine for each item, several at a time.

        Parameters
        ----------
        function : callable
            Function that takes an item and an executor, and returns an awaitable.
        items : sequence
            The items.
        nbytes : callable
            Function that takes an item, and returns the number of bytes that the codecs process for
            the item.

        Raises
        ------
        Exception
            The first failure. After a failure, no coroutine is started for the remaining items. The
            exception is raised when all running coroutines have ended.
        """
        is_shared = not self._is_alone and len(items) > 1

        def run(item: T) -> None:
            run_now(cast("Coroutine[Any, Any, object]", function(item, Inline())))

        with _Helpers(self._spare) as helpers:
            for item in items:
                self.proceed()
                is_large = is_shared and nbytes(item) >= PORTION_BYTES
                if not (is_large and helpers.take(run, item)):
                    await function(item, self)

    async def consume(self, batches: AsyncIterator[Batch], work: Work) -> None:
        """Call a function with all chunks that `batches` yields.

        A batch may be divided between several calls.

        Parameters
        ----------
        batches : async iterator
            Yields encoded chunks as they arrive. The iterator is closed at the end of the call.
        work : callable
            Function that is called with some of the chunks, possibly in another thread.

        Raises
        ------
        Exception
            The first failure. The exception is raised after all calls of `work` have ended.
        """
        held = self._contends
        async with closing(batches):
            with _Helpers(self._spare) as helpers:
                while True:
                    with SCHEDULING.readers.held(held) as held:
                        batch = await anext(batches, None)
                        if batch is None:
                            break
                        self._work(batch, work, helpers)

    def _work(self, batch: Batch, work: Work, helpers: _Helpers) -> None:
        """Process a batch; pass large chunks, and small chunks that decode slowly, to the pool."""
        beside_loop = self._beside_loop and has_gil()
        if self._is_alone:
            work(batch, beside_loop)
            return
        small: list[tuple[int, Buffer | None]] = []
        for answer in batch:
            if _nbytes(answer[1]) < PORTION_BYTES:
                small.append(answer)
            elif not helpers.take(work, [answer], beside_loop):
                work([answer], beside_loop)
        if not small:
            return
        # Encoded chunks that are small but decode slowly are passed to the pool if the decoded
        # chunks are large, or if no other reader competes for the GIL. If several readers compete
        # for the GIL, passing work to other threads does not make the readers faster.
        may_share = self._are_slow and (self._are_large or SCHEDULING.readers.is_uncontended)
        if may_share and helpers.take(work, small, beside_loop):
            return
        began = time.thread_time()
        work(small, beside_loop)
        self._are_slow = time.thread_time() - began > len(small) * _SLOW_SECONDS


class _Helpers:
    """Context manager that submits jobs of the calling thread to the worker pool.

    At the end of the ``with`` block, the context manager waits until all jobs have ended.

    Parameters
    ----------
    spare : deque
        A queue with one item for each free thread. Only the calling thread removes items from the
        queue.
    """

    def __init__(self, spare: deque[None]) -> None:
        self._spare = spare
        self._running: deque[Future[object]] = deque()

    def __enter__(self) -> _Helpers:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Wait for the jobs, because no job may run after the end of the ``with`` block, and a
        # thread cannot be interrupted.
        failed = [ended for ended in (job.exception() for job in self._running) if ended]
        if failed and kind is None:
            raise failed[0]

    def take(self, job: Callable[..., object], *args: Any) -> bool:
        """Submit a job if a thread is free; return whether the job was submitted.

        Raises
        ------
        Exception
            If an earlier job has failed.
        """
        while self._running and self._running[0].done():
            self._running.popleft().result()
        if not self._spare:
            return False
        self._spare.pop()
        running = get_pool().submit(job, *args)
        running.add_done_callback(lambda _: self._spare.append(None))
        self._running.append(running)
        return True


class OnLoop(_Operation):
    """Run functions in the worker pool, several at a time, so that the event loop is not blocked.

    Parameters
    ----------
    concurrency : int
        Maximum number of store reads or writes that are in progress at the same time.
    """

    waits = True

    def __init__(self, concurrency: int) -> None:
        self.concurrency = max(1, concurrency)

    async def run(self, function: Callable[..., R], *args: Any) -> R:
        # docstring inherited
        return await in_pool_to_its_end(partial(function, *args), self.stop)

    async def map(self, function: Callable[[T], R], items: Sequence[T], nbytes: int) -> list[R]:
        # docstring inherited
        def run_portion(portion: Sequence[T]) -> list[R]:
            return [function(item) for item in portion]

        portions = [(run_portion, portion) for portion in _portions(items, nbytes)]
        together = max(1, len(portions))
        return list(chain.from_iterable(await concurrent_map(portions, self.run, together)))

    async def each(self, function: Job[T], items: Sequence[T], nbytes: Callable[[T], int]) -> None:
        # docstring inherited
        together = max(1, min(self.concurrency, len(items)))
        share = OnLoop(self.concurrency // together)

        async def run(item: T) -> None:  # runs in its own task, which has its own context
            _SHARE.set(share)
            await function(item, share)

        await concurrent_foreach(((item,) for item in items), run, together)

    async def consume(self, batches: AsyncIterator[Batch], work: Work) -> None:
        # docstring inherited
        # Read all batches in one task, because a resource of the source, such as a timeout, may
        # belong to the task that created it.
        running: set[asyncio.Task[None]] = set()
        try:
            async with closing(batches):
                async for batch in batches:
                    nbytes = sum(_nbytes(buffer) for _, buffer in batch)
                    for portion in _portions(batch, nbytes // max(1, len(batch))):
                        # Back-pressure: take no more batches while all threads are busy. Meanwhile
                        # the source collects arriving chunks in one batch. The source also limits
                        # the number of bytes that have been read but not yet decoded.
                        await _until_at_most(_CPUS - 1, running)
                        running.add(asyncio.create_task(self.run(work, portion, has_gil())))
            await _until_at_most(0, running)
        finally:
            await cancel_all(running)


async def _until_at_most(count: int, running: set[asyncio.Task[None]]) -> None:
    """Wait until at most `count` tasks are running; raise an exception if a task has failed."""
    while len(running) > count:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        running -= done
        for failure in [task.exception() for task in done]:
            if failure is not None:
                raise failure


# The coroutine methods of a codec have no parameter for an executor. If a coroutine method of a
# codec reads or writes a store, the method gets an executor from this variable.
_SHARE: ContextVar[OnLoop | None] = ContextVar("zarr_share", default=None)


def on_loop() -> OnLoop:
    """Return the executor that `OnLoop.each` passed to the job in which the caller runs.

    If the caller does not run in a job of `OnLoop.each`, return a new executor with the configured
    ``async.concurrency``.
    """
    return _SHARE.get() or OnLoop(int(config.get("async.concurrency")))


# An executor runs CPU-bound functions, and coroutines that call such functions.
Executor: TypeAlias = Inline | OnLoop


def _nbytes(buffer: Buffer | None) -> int:
    return 0 if buffer is None else len(buffer)


def _portions(items: Sequence[T], nbytes: int) -> list[Sequence[T]]:
    """Divide a sequence of items into portions of about equal length, one portion per thread.

    Each item has `nbytes` bytes. If there are several portions, each portion has at least about
    `PORTION_BYTES` bytes.
    """
    count = max(1, min(_CPUS, len(items) * nbytes // PORTION_BYTES))
    size = -(-len(items) // count) or 1
    return [items[start : start + size] for start in range(0, len(items), size)]


async def run_in_worker(coroutine: Coroutine[Any, Any, R], executor: Inline) -> R:
    """Run a coroutine that never waits, in a thread of the worker pool.

    If this function is cancelled, the coroutine stops before it processes further chunks. This
    function raises `asyncio.CancelledError` only after the coroutine has ended.
    """
    try:
        return await in_pool_to_its_end(partial(run_now, coroutine), executor.stop)
    finally:
        coroutine.close()  # if the pool refused the job, the coroutine was never started
