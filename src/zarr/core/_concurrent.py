"""Concurrent calls of coroutine functions."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar, cast

from zarr.core.config import config as zarr_config
from zarr.core.sync import has_event_loop

_R = TypeVar("_R")


def concurrent_iter(
    items: Iterable[tuple[Any, ...]],
    func: Callable[..., Awaitable[_R]],
    limit: int | None = None,
) -> list[asyncio.Task[_R]]:
    """Start ``func(*item)`` for all items, and return the tasks.

    This function consumes all of `items` before it returns. The caller owns the tasks: a failure of
    one task does not cancel the others. `concurrent_results`, in contrast, consumes items only as
    needed, and cancels all calls if one fails.

    Parameters
    ----------
    items : iterable of tuple
        The arguments of each call.
    func : callable
        A function that is called with the members of an item, and returns an awaitable.
    limit : int or None
        Maximum number of calls in flight; None for no limit. The remaining calls wait, and start in
        the order of `items`.

    Returns
    -------
    list of asyncio.Task
        One per item, in the order of `items`.

    Raises
    ------
    ValueError
        If `limit` is below 1.
    RuntimeError
        If there is no running event loop.
    Exception
        If the iteration over `items` fails, or if `func` raises instead of returning an awaitable.
        Tasks that have already been started are cancelled.
    """
    turn = None if limit is None else asyncio.Semaphore(_parse_limit(limit))
    asyncio.get_running_loop()  # before any item is consumed

    async def in_turn(semaphore: asyncio.Semaphore, item: tuple[Any, ...]) -> _R:
        async with semaphore:
            return await func(*item)

    begun: list[asyncio.Task[_R]] = []
    try:
        for item in items:
            call = func(*item) if turn is None else in_turn(turn, item)
            begun.append(cast("asyncio.Task[_R]", asyncio.ensure_future(call)))
    except BaseException:
        # The caller does not get these tasks, so cancel them here.
        for task in begun:
            task.cancel()
        raise
    return begun


def _parse_limit(limit: int) -> int:
    if operator.index(limit) < 1:
        raise ValueError(f"Expected at least 1 concurrent call, got a limit of {limit}.")
    return limit


async def concurrent_results(
    items: Iterable[tuple[Any, ...]],
    func: Callable[..., Awaitable[_R]],
    limit: int | None = None,
) -> AsyncIterator[_R]:
    """Yield the results of ``func(*item)`` in the order of completion.

    At most `limit` calls run at a time. An item is consumed only when its call starts. Under
    `run_now` there is no event loop, so the calls run one after the other.

    Parameters
    ----------
    items : iterable of tuple
        The arguments of each call.
    func : callable
        A function that is called with the members of an item, and returns an awaitable.
    limit : int or None
        Maximum number of calls in flight; None means the configured ``async.concurrency``.

    Yields
    ------
    object
        Results in the order of completion.

    Raises
    ------
    Exception
        The first failure, unchanged. If several calls fail in the same iteration of the event loop,
        the failure of the item that comes first in `items` is raised. If other calls also fail,
        even during their cancellation, the cause of the raised exception is an exception group of
        all failures. After a failure, and when the consumer closes the iterator, calls that are
        still running are cancelled and awaited.
    """
    most = int(zarr_config.get("async.concurrency")) if limit is None else _parse_limit(limit)
    if not has_event_loop():
        for item in items:
            yield await func(*item)
        return
    source = iter(items)
    running: dict[asyncio.Future[_R], None] = {}  # in the order of `items`
    exhausted = False
    try:
        while True:
            while not exhausted and len(running) < max(1, most):
                try:
                    item = next(source)
                except StopIteration:
                    exhausted = True
                else:
                    running[asyncio.ensure_future(func(*item))] = None
            if not running:
                return
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            # Raise a failure before yielding results of the same iteration of the event loop.
            if any(task.cancelled() or task.exception() is not None for task in done):
                await _raise_first(done, running)
            for task in done:
                del running[task]
            for task in done:
                yield task.result()
    finally:
        await cancel_all(running)


async def _raise_first(
    done: set[asyncio.Future[_R]], running: Iterable[asyncio.Future[_R]]
) -> None:
    """Raise the first failure of the calls, with a group of all failures as its cause."""
    tasks = list(running)
    await cancel_all(task for task in tasks if task not in done)
    ended = [task for task in tasks if task in done] + [task for task in tasks if task not in done]
    first = next(task for task in ended if task.cancelled() or task.exception() is not None)
    failures = {
        id(error): error
        for task in ended
        if not task.cancelled() and (error := task.exception()) is not None
    }
    failure = None if first.cancelled() else first.exception()
    # If the failure already has a cause, keep it.
    if failure is not None and failure.__cause__ is None and len(failures) > 1:
        raise failure from BaseExceptionGroup("several calls failed", list(failures.values()))
    first.result()


class closing(Generic[_R]):
    """Close an async iterator at the end of an ``async with`` block, if it has an ``aclose``.

    This class works like `contextlib.aclosing`, but also accepts third-party iterators that have no
    ``aclose``.

    Parameters
    ----------
    items : async iterator
        The iterator to close. The ``async with`` statement binds this iterator to the name after
        ``as``.
    """

    def __init__(self, items: AsyncIterator[_R]) -> None:
        self._items = items

    async def __aenter__(self) -> AsyncIterator[_R]:
        return self._items

    async def __aexit__(self, *_: object) -> None:
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()


async def cancel_all(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel tasks, and wait until they have ended."""
    pending = list(tasks)
    for task in pending:
        task.cancel()
    # Tasks that are already done are gathered too, because asyncio logs failures that nobody
    # retrieves.
    if pending:
        await asyncio.gather(*pending, return_exceptions=True)


async def concurrent_map(
    items: Iterable[tuple[Any, ...]],
    func: Callable[..., Awaitable[_R]],
    limit: int | None = None,
) -> list[_R]:
    """Return the results of ``func(*item)`` in the order of `items`.

    Parameters
    ----------
    items : iterable of tuple
        The arguments of each call.
    func : callable
        A function that is called with the members of an item, and returns an awaitable.
    limit : int or None
        Maximum number of calls in flight; None means the configured ``async.concurrency``.

    Returns
    -------
    list
        One result per item, in the order of `items`.

    Raises
    ------
    ValueError
        If `limit` is below 1.
    Exception
        The first failure, unchanged. No further call starts, and the running calls are cancelled.
        If several calls fail, the cause of the raised exception is an exception group of all
        failures.
    """
    if not has_event_loop():
        return [await func(*item) for item in items]
    results: dict[int, _R] = {}

    async def numbered(index: int, item: tuple[Any, ...]) -> None:
        results[index] = await func(*item)

    await concurrent_foreach(enumerate(items), numbered, limit)
    return [results[index] for index in range(len(results))]


async def concurrent_foreach(
    items: Iterable[tuple[Any, ...]],
    func: Callable[..., Awaitable[object]],
    limit: int | None,
) -> None:
    """Call ``func(*item)`` for every item, at most `limit` at a time; discard the results.

    Parameters
    ----------
    items : iterable of tuple
        The arguments of each call.
    func : callable
        A function that is called with the members of an item, and returns an awaitable.
    limit : int or None
        Maximum number of calls in flight; None means the configured ``async.concurrency``.

    Raises
    ------
    ValueError
        If `limit` is below 1.
    Exception
        The first failure, as in `concurrent_map`.
    """
    async for _ in concurrent_results(items, func, limit):
        pass
