"""Where codecs run: in the calling thread, or in the worker pool beside the event loop.

Chunks, and shards within them, are read and written by coroutines over an executor. With `Inline`
and a source that does not wait they never suspend, so `run_now` runs them without an event loop.
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

# Bytes worth a hand-over to another thread, which takes about 20 us; zstd decodes them in 200 us.
PORTION_BYTES = 256 * KiB

# Asking takes microseconds.
_CPUS = os.cpu_count() or 1

# Seconds of work on a small chunk for which decoding some of them in another thread pays, though
# both threads contend for the GIL: 64 KiB by zstd, 16 KiB by gzip.
_SLOW_SECONDS = 100e-6

# Called with an item and the executor for it, which has its share of the concurrency.
Job: TypeAlias = Callable[[T, "Executor"], Awaitable[object]]

# Called with some encoded chunks, and with whether an event loop is busy at the same time: then it
# should let go of the GIL as seldom as it can.
Work: TypeAlias = Callable[["Batch", bool], None]


class _Operation:
    """Cancellation of a read or a write whose functions run in threads."""

    _is_stopped = False

    def stop(self) -> None:
        """Have what runs end soon; for another thread to call."""
        self._is_stopped = True

    def proceed(self) -> None:
        """Raise a `CancelledError` if what runs is to end."""
        if self._is_stopped:
            raise asyncio.CancelledError


class Inline(_Operation):
    """Runs everything in the calling thread, which may share large chunks with the worker pool.

    A large job goes to the pool as long as a processor may be free there; otherwise the thread
    does it itself, so many threads work side by side without a queue.

    Parameters
    ----------
    workers : int or None
        How many threads work at most, the calling one included; None for one per processor.
    contends : bool
        Whether the thread itself reads many small chunks, for which it has to contend for the GIL.
    are_large : bool
        Whether chunks are large once they are decoded: worth a hand-over though they may be small
        when they come.
    beside_loop : bool
        Whether the event loop fetches them meanwhile.
    """

    waits = False  # there is no event loop to wait in
    concurrency = 1  # reads or writes of a store in flight at once

    def __init__(
        self,
        workers: int | None = 1,
        *,
        contends: bool = False,
        are_large: bool = False,
        beside_loop: bool = False,
    ) -> None:
        # A permit for each thread that may help this executor and all that runs over it.
        self._spare = deque([None] * ((_CPUS if workers is None else workers) - 1))
        self._is_alone = not self._spare
        self._contends = contends
        self._are_large = are_large
        self._beside_loop = beside_loop
        self._are_slow = False

    async def run(self, function: Callable[..., R], *args: Any) -> R:
        """Return what ``function(*args)`` returns."""
        return function(*args)

    async def map(self, function: Callable[[T], R], items: Sequence[T], nbytes: int) -> list[R]:
        """Return the results of a function of each item, which has `nbytes` bytes, in order."""
        return [function(item) for item in items]

    async def each(self, function: Job[T], items: Sequence[T], nbytes: Callable[[T], int]) -> None:
        """Run a coroutine of each item, several at a time.

        Parameters
        ----------
        function : callable
            Makes the coroutine of an item and the executor for it.
        items : sequence
            The items.
        nbytes : callable
            Returns how many bytes the codecs of an item have to work on.

        Raises
        ------
        Exception
            The first failure; no further one starts, and those that run have ended.
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
        """Call a function with all that `batches` yields, cut or joined as it suits.

        Parameters
        ----------
        batches : async iterator
            Encoded chunks as they arrive. It is closed in the end.
        work : callable
            Called with some of them, in any thread.

        Raises
        ------
        Exception
            The first failure, when nothing works any more.
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
        """Work on a batch; the pool has the large chunks of it, and small ones that take long."""
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
        # As long as there is no other reader: readers that help each other get no more done.
        may_share = self._are_slow and (self._are_large or SCHEDULING.readers.is_uncontended)
        if may_share and helpers.take(work, small, beside_loop):
            return
        began = time.thread_time()
        work(small, beside_loop)
        self._are_slow = time.thread_time() - began > len(small) * _SLOW_SECONDS


class _Helpers:
    """Threads of the worker pool that take jobs off the calling one, which waits for them in the end.

    Parameters
    ----------
    spare : deque
        Has an item for each of them that is free. Only the calling thread takes one.
    """

    def __init__(self, spare: deque[None]) -> None:
        self._spare = spare
        self._running: deque[Future[object]] = deque()

    def __enter__(self) -> _Helpers:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # A thread cannot be interrupted: wait, so that nothing goes on behind the caller's back.
        failed = [ended for ended in (job.exception() for job in self._running) if ended]
        if failed and kind is None:
            raise failed[0]

    def take(self, job: Callable[..., object], *args: Any) -> bool:
        """Do a job if one of them is free; tell whether it is.

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
    """Runs functions in the worker pool, several at a time, so that the event loop stays free.

    Parameters
    ----------
    concurrency : int
        How many reads or writes of a store may be in flight at once.
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

        async def run(item: T) -> None:  # in a task, so in a context, of its own
            _SHARE.set(share)
            await function(item, share)

        await concurrent_foreach(((item,) for item in items), run, together)

    async def consume(self, batches: AsyncIterator[Batch], work: Work) -> None:
        # docstring inherited
        # Read in one task: what a source has open, a time limit say, may belong to its task.
        running: set[asyncio.Task[None]] = set()
        try:
            async with closing(batches):
                async for batch in batches:
                    nbytes = sum(_nbytes(buffer) for _, buffer in batch)
                    for portion in _portions(batch, nbytes // max(1, len(batch))):
                        # Nothing more is taken while all threads are busy, so that what is read
                        # and not decoded stays bounded by the source, which joins what arrives.
                        await _until_at_most(_CPUS - 1, running)
                        running.add(asyncio.create_task(self.run(work, portion, has_gil())))
            await _until_at_most(0, running)
        finally:
            await cancel_all(running)


async def _until_at_most(count: int, running: set[asyncio.Task[None]]) -> None:
    """Wait until so many tasks at most are running; raise the failure of one that has ended."""
    while len(running) > count:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        running -= done
        for failure in [task.exception() for task in done]:
            if failure is not None:
                raise failure


# The share of the concurrency for what a codec reads or writes by a coroutine that has no executor.
_SHARE: ContextVar[OnLoop | None] = ContextVar("zarr_share", default=None)


def on_loop() -> OnLoop:
    """Return an executor with the share of the running operation, or the configured number."""
    return _SHARE.get() or OnLoop(int(config.get("async.concurrency")))


# Runs functions that keep a processor busy, and coroutines made of them.
Executor: TypeAlias = Inline | OnLoop


def _nbytes(buffer: Buffer | None) -> int:
    return 0 if buffer is None else len(buffer)


def _portions(items: Sequence[T], nbytes: int) -> list[Sequence[T]]:
    """Cut items of `nbytes` bytes into runs of about equal length, as many as are worth a thread."""
    count = max(1, min(_CPUS, len(items) * nbytes // PORTION_BYTES))
    size = -(-len(items) // count) or 1
    return [items[start : start + size] for start in range(0, len(items), size)]


async def run_in_worker(coroutine: Coroutine[Any, Any, R], executor: Inline) -> R:
    """Run a coroutine over an executor in a thread of the worker pool, where it never waits.

    When the wait is cancelled, it stops before the next chunks, and nothing of it goes on.
    """
    try:
        return await in_pool_to_its_end(partial(run_now, coroutine), executor.stop)
    finally:
        coroutine.close()  # which has not begun where the pool takes no more jobs
