"""Run coroutines from synchronous code.

One event loop runs in one daemon thread of the process. The loop is created on first use. A forked
child creates its own loop, because the thread of the parent does not exist in the child. The loop
thread does only I/O. Codecs run in the calling thread, or in the worker pool that `get_pool`
returns.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import queue
import sys
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from zarr.core._pool import Pool, pool_depth
from zarr.core.config import config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

# Maximum time in seconds that a caller waits for the end of a cancelled coroutine. A caller that
# waits for a running coroutine checks at this interval that the event loop still exists.
_MOMENT = 1.0

_is_finalizing = sys.is_finalizing  # a reference, because `sys` loses its attributes at shutdown

_lock = threading.Lock()
# `loop` contains the event loop of the process, and `iothread` contains the thread of the loop.
# Each is a list of one item, which is None if there is no event loop. The lists are never replaced,
# because other packages access the items. They set the items to None to get a new event loop.
loop: list[asyncio.AbstractEventLoop | None] = [None]
iothread: list[threading.Thread | None] = [None]
_pools: dict[int, ThreadPoolExecutor] = {}

# Number of calls of `end_all_running`, which runs when the process ends.
_endings = 0


class SyncError(Exception):
    """A synchronous function was called in the thread of the event loop, where it must not wait."""


def refuse_at_the_end() -> None:
    """Raise an error if the interpreter is shutting down.

    During shutdown, only the thread that ends the interpreter still runs. The event loop does not
    respond, imports fail, and extension modules may already be unloaded, so an operation would hang
    or crash. An operation may still be started during shutdown, for example by the ``__del__``
    method of an object in a global variable. Functions registered with `atexit` run before the
    shutdown, so they can still read and write.

    Raises
    ------
    RuntimeError
        If the interpreter is shutting down.
    """
    if _is_finalizing():
        raise RuntimeError("zarr cannot read or write any more: the interpreter is shutting down")


def get_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of the process; start its thread if needed.

    Raises
    ------
    RuntimeError
        If there is no event loop and the interpreter is shutting down.
    """
    found = loop[0]
    if found is None or found.is_closed():
        refuse_at_the_end()  # starting a thread would hang
        with _lock:
            found = loop[0]
            if found is None or found.is_closed():
                found = asyncio.new_event_loop()
                found.set_default_executor(Pool("zarr_wait"))
                thread = threading.Thread(
                    target=_run_loop, args=(found,), name="zarr_io", daemon=True
                )
                thread.start()
                loop[0], iothread[0] = found, thread
    return found


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        while True:
            try:
                loop.run_forever()
            except (KeyboardInterrupt, SystemExit):
                continue  # a coroutine raised this; its caller gets it, other coroutines continue
            break
        loop.run_until_complete(_end_others())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _end_others() -> None:
    """Cancel all tasks of the running loop except the current task; wait briefly for their end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=_MOMENT / 2)
    for task in others:
        if task.done() and not task.cancelled():
            task.exception()  # retrieve it, so that asyncio does not log it


def get_pool() -> ThreadPoolExecutor:
    """Return the worker pool of the process, for codecs and blocking calls.

    The size of the pool is the value of ``threading.max_workers`` at first use; None means the
    default of `concurrent.futures.ThreadPoolExecutor`. A worker may itself wait for other jobs, for
    example if a codec reads an array. If a worker submits jobs, they run in another pool of the
    same size. If they ran in the same pool, all workers could wait for jobs that never start.
    """
    depth = pool_depth.get()
    pool = _pools.get(depth)
    if pool is None:
        with _lock:
            pool = _pools.get(depth)
            if pool is None:
                pool = _pools[depth] = Pool(
                    "zarr_pool", config.get("threading.max_workers", None), depth + 1
                )
    return pool


async def in_pool(function: Callable[[], T]) -> T:
    """Call a function in the worker pool; return its result, or raise its exception unchanged.

    The worker returns the exception as a value, and does not raise it. Otherwise asyncio would
    replace a `TimeoutError` from a thread with a new `TimeoutError`, and the notes of the original
    exception would be lost. If this coroutine is cancelled after the function has started, the
    function still runs to its end. If there is no event loop (see `run_now`), the calling thread
    calls the function.
    """
    if not has_event_loop():
        return function()
    loop = asyncio.get_running_loop()
    result, error = await loop.run_in_executor(get_pool(), _called, function)
    if error is not None:
        raise error
    return cast("T", result)


async def in_pool_to_its_end(
    function: Callable[[], T], stop: Callable[[], None] | None = None
) -> T:
    """Call a function in the worker pool; wait for its end even if this coroutine is cancelled.

    A thread cannot be interrupted. If this coroutine is cancelled after the function has started,
    the coroutine calls `stop` (if given) and waits until the function has ended. The result and the
    exceptions are those of `in_pool`.
    """
    job = get_pool().submit(_called, function)
    try:
        result, error = await asyncio.wrap_future(job)
    except asyncio.CancelledError:
        if not job.cancel() and stop is not None:
            stop()
        while not job.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([asyncio.wrap_future(job)])
        raise
    if error is not None:
        raise error
    return cast("T", result)


def _called(function: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    try:
        return function(), None
    except BaseException as error:
        return None, error


def cleanup_resources() -> None:
    """Stop the event loop thread and the worker pool; the next use creates new ones.

    Tasks that still run on the loop are cancelled.
    """
    global _pools
    with _lock:
        ended, thread, pools = loop[0], iothread[0], _pools
        loop[0], iothread[0], _pools = None, None, {}
    for pool in pools.values():
        pool.shutdown(wait=False, cancel_futures=True)
    if ended is not None and thread is not None:
        try:
            ended.call_soon_threadsafe(ended.stop)
        except RuntimeError:  # already closed
            return
        if thread is not threading.current_thread():
            thread.join(timeout=_MOMENT)


@atexit.register
def end_all_running() -> None:
    """Cancel all tasks on the event loop when the process ends.

    The loop stays usable for later callers. When this function runs, only the main thread and
    daemon threads are left. A daemon thread that waits for a cancelled task gets no error; the
    thread waits until the process ends.
    """
    global _endings
    current = loop[0]
    if current is not None and not current.is_closed():
        _endings += 1
        ending = asyncio.run_coroutine_threadsafe(_end_others(), current)
        concurrent.futures.wait([ending], timeout=_MOMENT)


def reset_resources_after_fork() -> None:
    """Drop the loop and pools of the parent process; their threads do not exist in the child."""
    global _pools, _lock
    _lock = threading.Lock()  # another thread may have held the old lock during the fork
    loop[0], iothread[0], _pools = None, None, {}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=reset_resources_after_fork)


def sync(
    coro: Coroutine[Any, Any, T],
    loop: asyncio.AbstractEventLoop | None = None,
    timeout: float | None = None,
) -> T:
    """Run a coroutine on the event loop of the process, and return its result.

    Parameters
    ----------
    coro : coroutine
        The coroutine.
    loop : asyncio.AbstractEventLoop or None
        Event loop that runs the coroutine; None means the loop of the process. The loop must run in
        a thread other than the calling thread.
    timeout : float or None
        Maximum time to wait, in seconds; None means no timeout.

    Returns
    -------
    object
        The result of the coroutine.

    Raises
    ------
    SyncError
        If called in the thread of the loop that runs the coroutine, because waiting there would
        deadlock.
    TimeoutError
        If the coroutine takes longer than `timeout`; the coroutine is then cancelled. The coroutine
        is also cancelled if an exception such as `KeyboardInterrupt` interrupts the wait.
    RuntimeError
        If the interpreter is shutting down.
    """
    try:
        refuse_at_the_end()
    except RuntimeError:
        if asyncio.iscoroutine(coro):
            coro.close()
        raise
    target = get_loop() if loop is None else loop
    if not isinstance(target, asyncio.AbstractEventLoop):
        raise TypeError(f"loop cannot be of type {type(target)}")
    if target.is_closed():
        raise RuntimeError("Loop is not running")
    if _runs_here(target):
        coro.close()
        raise SyncError("Calling sync() from within a running loop")
    if not asyncio.iscoroutine(coro):
        raise TypeError(f"a coroutine was expected, got {coro!r}")
    running = _Running(coro, target)
    try:
        running.start()  # within `try`, because an interrupt may come at any time from here on
        in_time = running.wait(timeout)
    except BaseException:
        running.cancel()
        raise
    if not in_time:
        running.cancel()
        raise TimeoutError(f"Coroutine {coro} failed to finish within {timeout} s")
    try:
        return running.result()
    finally:
        del running  # break the reference cycle of frame and exception


class _Running(Generic[T]):
    """A coroutine that runs in another thread, with methods for the thread that waits for it.

    A future of `asyncio.run_coroutine_threadsafe` is not sufficient, for three reasons. A cancelled
    future is done immediately, while the coroutine still runs. If the loop has been closed, the
    future is never done. A `TimeoutError` is replaced with a new one, which lacks the notes about
    the key.

    Parameters
    ----------
    coro : coroutine
        The coroutine.
    loop : asyncio.AbstractEventLoop
        The loop that runs the coroutine.
    """

    def __init__(self, coro: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        self._coro = coro
        self._loop = loop
        self._task: asyncio.Task[T] | None = None
        self._ended = threading.Event()
        self._began_before = _endings

    def start(self) -> None:
        """Start the coroutine.

        Raises
        ------
        RuntimeError
            If the loop is already closed.
        """
        try:
            self._loop.call_soon_threadsafe(self._start)
        except RuntimeError:
            self._coro.close()
            raise

    def _start(self) -> None:
        self._task = self._loop.create_task(self._coro)
        self._task.add_done_callback(lambda _: self._ended.set())

    def wait(self, timeout: float | None) -> bool:
        """Wait for the coroutine; return False if it takes longer than `timeout` seconds.

        Raises
        ------
        RuntimeError
            If the loop is closed during the wait.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _MOMENT if deadline is None else deadline - time.monotonic()
            if self._ended.wait(min(_MOMENT, max(0, left))):
                self.stay_if_over()
                return True
            if self._loop.is_closed():
                if self._task is None:
                    self._coro.close()
                raise RuntimeError("The event loop was closed before the coroutine finished")
            if deadline is not None and time.monotonic() >= deadline:
                return False

    def stay_if_over(self) -> None:
        """Block the calling thread forever if it is a daemon thread and the process is ending.

        The process is ending if `end_all_running` was called after the coroutine was created.
        """
        if self._began_before != _endings and threading.current_thread().daemon:
            threading.Event().wait()

    def result(self) -> T:
        """Return the result of the ended coroutine, or raise its error."""
        task = self._task
        assert task is not None
        if task.cancelled():
            # `asyncio.CancelledError` would be wrong, because no task of the caller was cancelled.
            raise concurrent.futures.CancelledError
        try:
            return task.result()
        finally:
            del self, task  # see `sync`

    def cancel(self) -> None:
        """Cancel the coroutine, and wait at most `_MOMENT` seconds for its end."""
        try:
            self._loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:  # the loop is closed, so no coroutine runs on it
            return
        # Do not wait in the loop thread, because the thread would wait for itself. Do not wait
        # during finalization, because the loop thread no longer runs.
        if not _runs_here(self._loop) and not _is_finalizing():
            self._ended.wait(_MOMENT)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        else:  # the wait was interrupted before the coroutine started
            self._coro.close()
            self._ended.set()


def sync_in_time(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine with `sync`; the timeout is the configured ``async.timeout``.

    Raises
    ------
    TimeoutError
        If the coroutine takes longer than ``async.timeout``.
    """
    return sync(coro, timeout=config.get("async.timeout", None))


def sync_opening(coro: Coroutine[Any, Any, T], *, in_thread: bool) -> T:
    """Run a coroutine that reads metadata, in the calling thread if possible.

    Opening an array on a local disk takes a tenth of a millisecond in the calling thread, and three
    times as long with the event loop and the worker pool.

    Parameters
    ----------
    coro : coroutine
        The coroutine.
    in_thread : bool
        Whether the store answers in the calling thread, so that the coroutine never waits. If True,
        `run_now` runs the coroutine, unless a timeout is configured or the calling thread runs an
        event loop. Otherwise the coroutine runs on the event loop of the process.

    Returns
    -------
    object
        The result of the coroutine.

    Raises
    ------
    SyncError, TimeoutError
        As for `sync_in_time`.
    """
    if not in_thread or _is_finalizing() or has_event_loop():
        return sync_in_time(coro)
    if config.get("async.timeout", None) is not None:
        return sync_in_time(coro)
    return run_now(coro)


def has_event_loop() -> bool:
    """Return whether the calling thread runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    return has_event_loop() and asyncio.get_running_loop() is loop


def run_now(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, in the calling thread and without an event loop.

    Raises
    ------
    RuntimeError
        If the coroutine waits for something. The coroutine is closed before the error is raised.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    finally:
        coroutine.close()
    raise RuntimeError(
        f"{coroutine} waits for something, but no event loop runs that could end the wait."
    )


async def _collect_aiterator(data: AsyncIterable[T]) -> tuple[T, ...]:
    """Return all items of an async iterator, in order."""
    return tuple([item async for item in data])


def collect_aiterator(data: AsyncIterator[T]) -> tuple[T, ...]:
    """Return all items of an async iterator, which runs on the event loop of the process.

    Parameters
    ----------
    data : async iterator
        The iterator.

    Returns
    -------
    tuple
        All items, in order.
    """
    return sync_in_time(_collect_aiterator(data))


class SyncMixin:
    """Methods for a synchronous class that wraps an asynchronous class."""

    def _sync(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return its result."""
        return sync_in_time(coroutine)

    def _sync_iter(self, async_iterator: AsyncIterator[T]) -> list[T]:
        """Return all items of an async iterator."""
        return list(collect_aiterator(async_iterator))


def iter_ahead(data: AsyncIterator[T], *, ahead: int = 1) -> Iterator[T]:
    """Yield the items of an async iterator, which fetches the next items while the caller is busy.

    Parameters
    ----------
    data : async iterator
        The iterator, which runs on the event loop of the process. The iterator is closed at the
        end, even if the returned generator is closed early.
    ahead : int
        Maximum number of fetched items that the caller has not yet taken. The iterator pauses when
        this number is reached.

    Raises
    ------
    SyncError
        If called in the thread of the loop that runs the iterator, because waiting there would
        deadlock.
    RuntimeError
        If the interpreter is shutting down.
    Exception
        Any exception that the iterator raises, unchanged.
    """
    refuse_at_the_end()
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

    running = _Running(hand_over(), loop)
    ended: BaseException | None = None
    try:
        running.start()
        while True:
            try:
                item, ended = arrived.get(timeout=_MOMENT)
            except queue.Empty:
                if running.wait(0) and arrived.empty():  # `hand_over` was cancelled before it began
                    raise concurrent.futures.CancelledError from None
                continue
            if isinstance(ended, StopAsyncIteration):
                return
            if ended is not None:
                running.stay_if_over()
                if isinstance(ended, asyncio.CancelledError):
                    raise concurrent.futures.CancelledError from None  # as in `sync`
                raise ended
            yield item  # type: ignore[misc]
            loop.call_soon_threadsafe(room.release)
    finally:
        if ended is None:
            running.cancel()


# --- names that other packages use ------------------------------------------------------

_get_loop = get_loop
_get_executor = get_pool


def _get_lock() -> threading.Lock:
    """Return the lock that protects the creation and removal of the event loop and the pools."""
    return _lock
