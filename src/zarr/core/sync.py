"""Running coroutines from synchronous code.

One event loop runs in one daemon thread of the process, made on first use and made anew in a
forked child, where the parent's thread does not exist. The loop thread does I/O only; codecs run
in the calling thread or in the worker pool that `get_pool` returns.
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

# How long a caller that gives up waits for what it started to end, in seconds. As often, one that
# waits looks whether the loop is still there.
_MOMENT = 1.0

_is_finalizing = sys.is_finalizing  # held here: `sys` loses what it has in the end

_lock = threading.Lock()
# The event loop of the process and its thread, None without them. Lists of one, which never become
# others: other packages look into them, and write None there to have a new loop.
loop: list[asyncio.AbstractEventLoop | None] = [None]
iothread: list[threading.Thread | None] = [None]
_pools: dict[int, ThreadPoolExecutor] = {}

# Counts the times that all running was ended; it happens when the process does.
_endings = 0


class SyncError(Exception):
    """A coroutine cannot be run to its end from where `sync` was called."""


def refuse_at_the_end() -> None:
    """Refuse to begin what the interpreter does not let end any more, as it is shutting down.

    From then on no other thread runs, so the event loop answers nobody, nothing can be imported,
    and extension modules may be gone already: what goes on all the same hangs or crashes. Objects
    that are deleted so late, as global variables of modules are, come here from their ``__del__``.
    Functions that `atexit` calls come earlier, and may do all.

    Raises
    ------
    RuntimeError
        If the interpreter is shutting down.
    """
    if _is_finalizing():
        raise RuntimeError("zarr cannot read or write any more: the interpreter is shutting down")


def get_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of the process, starting its thread where needed.

    Raises
    ------
    RuntimeError
        If there is none, and the interpreter is shutting down.
    """
    found = loop[0]
    if found is None or found.is_closed():
        refuse_at_the_end()  # a thread would not start, and starting it not return
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
                continue  # of a coroutine: whoever waits for it gets it, the others go on
            break
        loop.run_until_complete(_end_others())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _end_others() -> None:
    """Cancel all other tasks of the running loop, and give them a moment to end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=_MOMENT / 2)
    for task in others:
        if task.done() and not task.cancelled():
            task.exception()  # nobody waits for it, so nobody needs to hear of it


def get_pool() -> ThreadPoolExecutor:
    """Return the worker pool of the process, for codecs and blocking calls.

    Its size is the configured ``threading.max_workers`` when it is first used; None leaves the
    choice to `concurrent.futures.ThreadPoolExecutor`. What a worker waits for, a codec that reads
    an array say, gets another pool of that size: it would wait for ever for a place in one whose
    workers all wait.
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
    """Call a function in the worker pool, and raise its failure as it was raised.

    asyncio makes a new `TimeoutError` of one that comes out of a thread, and what was noted on it is
    lost. A cancelled wait does not end the function. Without an event loop, under `run_now`, the
    calling thread calls it.
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
    """Call a function in the worker pool as `in_pool` does, and never leave it running.

    A thread cannot be interrupted. So a cancelled wait calls `stop`, where there is one, and goes
    on until the function has ended, if it has begun.
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
    """Stop the event loop thread and the worker pool; the next use makes them anew.

    What still runs on the loop is cancelled.
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
        except RuntimeError:  # closed already
            return
        if thread is not threading.current_thread():
            thread.join(timeout=_MOMENT)


@atexit.register
def end_all_running() -> None:
    """Cancel what runs on the event loop, when the process ends.

    The loop stays, for those who use it after this. What threads were waiting for has not failed:
    only daemon threads are left, and they go on waiting until they vanish with the process.
    """
    global _endings
    current = loop[0]
    if current is not None and not current.is_closed():
        _endings += 1
        ending = asyncio.run_coroutine_threadsafe(_end_others(), current)
        concurrent.futures.wait([ending], timeout=_MOMENT)


def reset_resources_after_fork() -> None:
    """Forget the loop and the pool of the parent process; their threads do not exist here."""
    global _pools, _lock
    _lock = threading.Lock()  # another thread of the parent may have held it at the fork
    loop[0], iothread[0], _pools = None, None, {}


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
        running.start()  # an interrupt may come as soon as this has begun
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
        del running  # an exception refers to this frame, which is not to refer to the exception


class _Running(Generic[T]):
    """A coroutine on the loop of another thread, as the thread that waits for it sees it.

    What `asyncio.run_coroutine_threadsafe` returns does not do: a cancelled one counts as ended
    while the coroutine still runs, one on a loop that is gone is waited for in vain, and a
    `TimeoutError` comes through as a new one, without the notes that say what was being read.

    Parameters
    ----------
    coro : coroutine
        What to run.
    loop : asyncio.AbstractEventLoop
        Where to run it.
    """

    def __init__(self, coro: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        self._coro = coro
        self._loop = loop
        self._task: asyncio.Task[T] | None = None
        self._ended = threading.Event()
        self._began_before = _endings

    def start(self) -> None:
        """Have the coroutine begin.

        Raises
        ------
        RuntimeError
            If its loop has been closed just now.
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
        """Wait until the coroutine has ended; False if it takes longer than `timeout` seconds.

        Raises
        ------
        RuntimeError
            If its loop has been closed.
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
                raise RuntimeError("The event loop was closed while a coroutine was waited for")
            if deadline is not None and time.monotonic() >= deadline:
                return False

    def stay_if_over(self) -> None:
        """Do not return to a daemon thread once `end_all_running` has ended the coroutine."""
        if self._began_before != _endings and threading.current_thread().daemon:
            threading.Event().wait()

    def result(self) -> T:
        """Return what the ended coroutine returned, or raise what it raised."""
        task = self._task
        assert task is not None
        if task.cancelled():
            # Not the exception of asyncio: a task of the caller is not what was cancelled.
            raise concurrent.futures.CancelledError
        try:
            return task.result()
        finally:
            del self, task  # see `sync`

    def cancel(self) -> None:
        """Cancel the coroutine, and give it a moment to end."""
        try:
            self._loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:  # closed, and nothing runs there
            return
        # Its own thread would wait for itself, and at the very end no other one runs.
        if not _runs_here(self._loop) and not _is_finalizing():
            self._ended.wait(_MOMENT)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        else:  # interrupted before it was handed over
            self._coro.close()
            self._ended.set()


def sync_in_time(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine and return its result, within the configured ``async.timeout``; see `sync`.

    Raises
    ------
    TimeoutError
        If it takes longer.
    """
    return sync(coro, timeout=config.get("async.timeout", None))


def sync_opening(coro: Coroutine[Any, Any, T], *, in_thread: bool) -> T:
    """Run a coroutine that reads metadata, in the calling thread if it need not wait.

    Parameters
    ----------
    coro : coroutine
        What to run.
    in_thread : bool
        Whether its store answers in the calling thread, which runs it by `run_now` then: opening an
        array on a local disk takes a tenth of a millisecond, and the way to the event loop, on to
        the worker pool and back three times as long. The event loop is used nevertheless where
        there is a limit of time, and where the calling thread runs an event loop itself.

    Returns
    -------
    object
        What the coroutine returns.

    Raises
    ------
    SyncError, TimeoutError
        As `sync_in_time`.
    """
    if not in_thread or _is_finalizing() or has_event_loop():
        return sync_in_time(coro)
    if config.get("async.timeout", None) is not None:
        return sync_in_time(coro)
    return run_now(coro)


def has_event_loop() -> bool:
    """Return whether the calling thread runs an event loop; without one nothing can be waited for."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    return has_event_loop() and asyncio.get_running_loop() is loop


def run_now(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits to its end in the calling thread, without an event loop.

    Raises
    ------
    RuntimeError
        If it waits for something after all. It is closed.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    finally:
        coroutine.close()
    raise RuntimeError(f"{coroutine} waits for something, which no event loop will bring about.")


async def _collect_aiterator(data: AsyncIterable[T]) -> tuple[T, ...]:
    """Return all that an async iterator yields, in order."""
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
    return sync_in_time(_collect_aiterator(data))


class SyncMixin:
    """What a synchronous class needs to be derived from an asynchronous one."""

    def _sync(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and wait for its result."""
        return sync_in_time(coroutine)

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
    RuntimeError
        If the interpreter is shutting down.
    Exception
        What the iterator raises, as it was raised.
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
                if running.wait(0) and arrived.empty():  # cancelled before it began
                    raise concurrent.futures.CancelledError from None
                continue
            if isinstance(ended, StopAsyncIteration):
                return
            if ended is not None:
                running.stay_if_over()
                if isinstance(ended, asyncio.CancelledError):
                    raise concurrent.futures.CancelledError from None  # as `sync`
                raise ended
            yield item  # type: ignore[misc]
            loop.call_soon_threadsafe(room.release)
    finally:
        if ended is None:
            running.cancel()


# --- names that other packages reach for ------------------------------------------------

_get_loop = get_loop
_get_executor = get_pool


def _get_lock() -> threading.Lock:
    """Return the lock under which the event loop and the worker pool are made and given up."""
    return _lock
