"""Running coroutines from synchronous code.

One event loop runs in one daemon thread of the process, made on first use and made anew in a
forked child, where the parent's thread does not exist. The loop thread does I/O only; codecs run
in the calling thread or in the worker pool that `get_pool` returns.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import queue
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, TypeVar, cast

from zarr.core.config import config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

# How long a caller that gives up waits for what it started to end, in seconds.
_MOMENT = 1.0

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None
_pool: ThreadPoolExecutor | None = None


class SyncError(Exception):
    """A coroutine cannot be run to its end from where `sync` was called."""


def get_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of the process, starting its thread where needed."""
    global _loop, _thread
    if _loop is None:
        with _lock:
            if _loop is None:
                loop = asyncio.new_event_loop()
                _thread = threading.Thread(
                    target=_run_loop, args=(loop,), name="zarr_io", daemon=True
                )
                _thread.start()
                _loop = loop
    return _loop


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        asyncio.set_event_loop(None)


def get_pool() -> ThreadPoolExecutor:
    """Return the worker pool of the process, for codecs and blocking calls.

    Its size is the configured ``threading.max_workers`` when it is first used; None leaves the
    choice to `concurrent.futures.ThreadPoolExecutor`.
    """
    global _pool
    if _pool is None:
        with _lock:
            if _pool is None:
                _pool = ThreadPoolExecutor(
                    config.get("threading.max_workers", None), thread_name_prefix="zarr_pool"
                )
    return _pool


async def in_pool(function: Callable[[], T]) -> T:
    """Call a function in the worker pool, and raise its failure as it was raised.

    asyncio makes a new `TimeoutError` of one that comes out of a thread, and what was noted on it is
    lost. A cancelled wait does not end the function.
    """
    loop = asyncio.get_running_loop()
    result, error = await loop.run_in_executor(get_pool(), _called, function)
    if error is not None:
        raise error
    return cast("T", result)


def _called(function: Callable[[], T]) -> tuple[T | None, Exception | None]:
    try:
        return function(), None
    except Exception as error:
        return None, error


def cleanup_resources() -> None:
    """Stop the event loop thread and the worker pool; the next use makes them anew."""
    global _loop, _thread, _pool
    with _lock:
        loop, thread, pool = _loop, _thread, _pool
        _loop = _thread = _pool = None
    if pool is not None:
        pool.shutdown(wait=False, cancel_futures=True)
    if loop is not None and thread is not None:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=1)
        if not thread.is_alive():
            loop.close()


def reset_resources_after_fork() -> None:
    """Forget the loop and the pool of the parent process; their threads do not exist here."""
    global _loop, _thread, _pool, _lock
    _lock = threading.Lock()  # another thread of the parent may have held it at the fork
    _loop = _thread = _pool = None


atexit.register(cleanup_resources)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=reset_resources_after_fork)


def sync(
    coro: Coroutine[Any, Any, T],
    loop: asyncio.AbstractEventLoop | None = None,
    timeout: float | None = None,
) -> T:
    """Run a coroutine on the event loop of the process and wait for its result.

    Parameters
    ----------
    coro : coroutine
        What to run.
    loop : asyncio.AbstractEventLoop or None
        The loop to use, running in another thread; None for the one of the process.
    timeout : float or None
        Seconds to wait; None for as long as it takes.

    Returns
    -------
    object
        What the coroutine returns.

    Raises
    ------
    SyncError
        If called on the thread of that very loop, where waiting would never end.
    TimeoutError
        If it takes longer than `timeout`. The coroutine is cancelled, as it is when the wait is
        interrupted.
    """
    target = get_loop() if loop is None else loop
    if not isinstance(target, asyncio.AbstractEventLoop):
        raise TypeError(f"loop cannot be of type {type(target)}")
    if target.is_closed():
        raise RuntimeError("Loop is not running")
    if _runs_here(target):
        coro.close()
        raise SyncError("Calling sync() from within a running loop")
    future = asyncio.run_coroutine_threadsafe(_settled(coro), target)
    try:
        result, error = future.result(timeout)
    except FutureTimeoutError:
        _cancel_and_wait(future)
        raise TimeoutError(f"Coroutine {coro} failed to finish within {timeout} s") from None
    except BaseException:
        _cancel_and_wait(future)
        raise
    if error is not None:
        raise error
    return cast("T", result)


async def _settled(coro: Coroutine[Any, Any, T]) -> tuple[T | None, Exception | None]:
    """Run a coroutine to its end and return its result or its failure.

    A failure is handed over as a value: asyncio makes a new `TimeoutError` of one that crosses
    from a loop to a waiting thread, and the notes that say what was being read are lost.
    """
    try:
        return await coro, None
    except Exception as error:
        return None, error


def configured_timeout() -> float | None:
    """Return how many seconds synchronous methods wait (``async.timeout``); None for ever."""
    timeout: float | None = config.get("async.timeout", None)
    return timeout


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _cancel_and_wait(future: Future[Any]) -> None:
    """Cancel what runs on the loop, and give it a moment to end there."""
    if future.cancel():
        return
    try:
        future.exception(timeout=1)
    except BaseException:  # the original failure is what the caller raises
        return


async def _collect(data: AsyncIterable[T]) -> tuple[T, ...]:
    return tuple([item async for item in data])


def collect_aiterator(data: AsyncIterator[T]) -> tuple[T, ...]:
    """Run an async iterator to its end on the event loop of the process.

    Parameters
    ----------
    data : async iterator
        What to read.

    Returns
    -------
    tuple
        All it yields, in order.
    """
    return sync(_collect(data), timeout=configured_timeout())


class SyncMixin:
    """What a synchronous class needs to be derived from an asynchronous one."""

    def _sync(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and wait for its result."""
        return sync(coroutine, timeout=configured_timeout())

    def _sync_iter(self, async_iterator: AsyncIterator[T]) -> list[T]:
        """Run an async iterator to its end and return what it yields."""
        return list(collect_aiterator(async_iterator))


def iter_ahead(data: AsyncIterator[T], *, ahead: int = 1) -> Iterator[T]:
    """Iterate over what an async iterator yields, which goes on while the caller is busy.

    Parameters
    ----------
    data : async iterator
        Runs on the event loop of the process. It is closed in the end, also where the returned
        generator is closed early.
    ahead : int
        How many items wait for the caller at most; the iterator is not asked for more.

    Raises
    ------
    SyncError
        If called on the thread of that loop, where waiting would never end.
    Exception
        What the iterator raises, as it was raised.
    """
    loop = get_loop()
    if _runs_here(loop):
        raise SyncError("Calling iter_ahead() from within a running loop")
    arrived: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
    room = asyncio.Semaphore(ahead)

    async def hand_over() -> None:
        ended: BaseException = StopAsyncIteration()
        try:
            try:
                async for item in data:
                    arrived.put((item, None))
                    await room.acquire()
            finally:
                close = getattr(data, "aclose", None)
                if close is not None:
                    await close()
        except BaseException as error:
            ended = error
        arrived.put((None, ended))

    running = asyncio.run_coroutine_threadsafe(hand_over(), loop)
    ended: BaseException | None = None
    try:
        while True:
            item, ended = arrived.get()
            if isinstance(ended, StopAsyncIteration):
                return
            if ended is not None:
                raise ended
            yield item  # type: ignore[misc]
            loop.call_soon_threadsafe(room.release)
    finally:
        if ended is None:
            running.cancel()
            _wait_for_end(arrived)


def _wait_for_end(arrived: queue.SimpleQueue[tuple[Any, BaseException | None]]) -> None:
    """Let go of what arrives until the end is reached, and give it a moment to come."""
    deadline = time.monotonic() + _MOMENT
    try:
        while arrived.get(timeout=max(0, deadline - time.monotonic()))[1] is None:
            pass
    except queue.Empty:
        pass


def iter_sync(data: AsyncIterator[T]) -> Iterator[T]:
    """Step through an async iterator on the loop of the process, one item at a time.

    Closing the returned generator closes the async iterator, so nothing it started is left
    running.
    """

    async def step() -> tuple[bool, T | None]:
        try:
            return True, await anext(data)
        except StopAsyncIteration:
            return False, None

    try:
        while True:
            more, item = sync(step())
            if not more:
                return
            yield item  # type: ignore[misc]
    finally:
        close = getattr(data, "aclose", None)
        if close is not None:
            sync(close())
