"""Where the work on inner chunks runs: in the calling thread, or in the worker pool.

The steps of a shard are written once, as coroutines over a runner and a source. With `InPlace` and
a source that does not wait they never suspend, so `run_now` runs them without an event loop.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from zarr.core._coalesce import KiB, MiB
from zarr.core.common import concurrent_map
from zarr.core.sync import get_pool, in_pool

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer

T = TypeVar("T")
R = TypeVar("R")

# What one job in the pool gets at least: below this, handing work to a thread costs more than it.
_MIN_JOB_BYTES = 256 * KiB

# Inner chunks that have arrived while earlier ones are being decoded wait up to this size.
_MAX_WAITING_BYTES = 16 * MiB

Batch = Sequence[tuple[int, "Buffer | None"]]


@asynccontextmanager
async def closing(batches: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Close an async iterator in the end, where it can be closed."""
    try:
        yield batches
    finally:
        close = getattr(batches, "aclose", None)
        if close is not None:
            await close()


class Runner(Protocol):
    """Runs functions that keep a CPU busy."""

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Return what ``function(*args)`` returns."""

    async def map(self, function: Callable[[T], R], items: Sequence[T], nbytes: int) -> list[R]:
        """Return the results of a function of each item, which has `nbytes` bytes, in order."""

    async def consume(self, batches: AsyncIterator[Batch], work: Callable[[Batch], None]) -> None:
        """Call `work` with all that `batches` yields, cut or joined as it suits."""

    async def gather(self, coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """Return the results of coroutines in order."""


class InPlace:
    """Runs everything in the calling thread, one after the other."""

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        # docstring inherited
        return function(*args)

    async def map(self, function: Callable[[T], R], items: Sequence[T], nbytes: int) -> list[R]:
        # docstring inherited
        return [function(item) for item in items]

    async def consume(self, batches: AsyncIterator[Batch], work: Callable[[Batch], None]) -> None:
        # docstring inherited
        async with closing(batches):
            async for batch in batches:
                work(batch)

    async def gather(self, coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        # docstring inherited
        try:
            return [await coroutine for coroutine in coroutines]
        finally:
            for coroutine in coroutines:
                coroutine.close()  # those after one that fails


class InPool:
    """Runs functions in the worker pool, several at a time, so that the event loop stays free."""

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        # docstring inherited
        return await in_pool(lambda: function(*args))

    async def map(self, function: Callable[[T], R], items: Sequence[T], nbytes: int) -> list[R]:
        # docstring inherited
        def run_portion(portion: Sequence[T]) -> list[R]:
            return [function(item) for item in portion]

        portions = _portions(items, [nbytes] * len(items))
        return list(chain.from_iterable(await self._all(run_portion, portions)))

    async def consume(self, batches: AsyncIterator[Batch], work: Callable[[Batch], None]) -> None:
        # docstring inherited
        waiting: list[tuple[int, Buffer | None]] = []
        waiting_nbytes = 0
        running: asyncio.Future[Any] | None = None

        def start() -> asyncio.Future[Any]:
            batch = waiting.copy()
            waiting.clear()
            portions = _portions(batch, [_nbytes(buffer) for _, buffer in batch])
            return asyncio.ensure_future(self._all(work, portions))

        try:
            async with closing(batches):
                async for batch in batches:
                    waiting.extend(batch)
                    waiting_nbytes += sum(_nbytes(buffer) for _, buffer in batch)
                    # What arrives during a job is taken by the next one, together.
                    if running is not None and (
                        running.done() or waiting_nbytes > _MAX_WAITING_BYTES
                    ):
                        await running
                        running = None
                    if running is None:
                        running, waiting_nbytes = start(), 0
            if running is not None:
                await running
            if waiting:
                running = start()
                await running
        finally:
            if running is not None:
                await asyncio.gather(running, return_exceptions=True)

    async def gather(self, coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        # docstring inherited
        async def one(coroutine: Coroutine[Any, Any, T]) -> T:
            return await coroutine

        try:
            return await concurrent_map([(coroutine,) for coroutine in coroutines], one)
        finally:
            for coroutine in coroutines:
                coroutine.close()

    async def _all(self, function: Callable[[Any], R], portions: Sequence[Any]) -> list[R]:
        """Run a function of each portion; on failure, wait for the others before raising."""
        loop = asyncio.get_running_loop()
        jobs = [loop.run_in_executor(get_pool(), function, portion) for portion in portions]
        try:
            return list(await asyncio.gather(*jobs))
        except BaseException:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            raise


def _nbytes(buffer: Buffer | None) -> int:
    return 0 if buffer is None else len(buffer)


def _portions(items: Sequence[T], nbytes: Sequence[int]) -> list[Sequence[T]]:
    """Cut items into runs of about equal size in bytes, as many as are worth a thread each."""
    total = sum(nbytes)
    wanted = max(1, min(os.cpu_count() or 1, total // _MIN_JOB_BYTES))
    if wanted == 1:
        return [items] if items else []
    share = total / wanted
    portions: list[Sequence[T]] = []
    begin, size = 0, 0
    for position, item_nbytes in enumerate(nbytes):
        size += item_nbytes
        if size >= share:
            portions.append(items[begin : position + 1])
            begin, size = position + 1, 0
    if begin < len(items):
        portions.append(items[begin:])
    return portions


def run_now(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits to its end, without an event loop.

    Raises
    ------
    RuntimeError
        If it waits for something after all.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    finally:
        coroutine.close()
    raise RuntimeError(f"{coroutine} waits, and there is no event loop to wait in.")
