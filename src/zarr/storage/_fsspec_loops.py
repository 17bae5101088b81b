"""Map event loops to instances of fsspec file systems, and close their clients.

An asynchronous fsspec file system opens its client on first use. After that, the instance can be
used only on the same event loop and in the same process. A store, however, is used on several event
loops: the loop of the synchronous API, loops that `asyncio.run` creates, and loops of forked child
processes. Therefore each event loop after the first gets its own instance of the file system, made
from the same arguments.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

from zarr.core.sync import end_all_running
from zarr.storage._fsspec_instances import OWN, clone, is_async, is_wrapper

if TYPE_CHECKING:
    from fsspec.asyn import AsyncFileSystem

_HOME = "_zarr_home_loop"
# Attributes in which file systems store their client: ``_session`` for HTTP and Google Cloud,
# ``_s3`` for S3.
_CLIENTS = ("_session", "_s3")

# This lock guards the variables below, and the marks that `_claim` sets. The lock is reentrant,
# because garbage collection can run in a thread that holds the lock. If a store is finalized during
# this garbage collection, the thread acquires the lock again.
_lock = threading.RLock()
_states: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _OfLoop] = weakref.WeakKeyDictionary()
_of_parents: list[object] = []
_stores_of: Counter[str] = Counter()
_SECONDS_AT_EXIT = 1.0

if hasattr(os, "register_at_fork"):

    def _after_fork() -> None:
        global _lock, _states
        # Another thread of the parent may have held the old lock.
        _lock = threading.RLock()
        # The child cannot close the clients of the parent, because the event loops of the parent do
        # not run in the child. References to these clients are kept, because an open client issues
        # a warning when it is garbage collected.
        _of_parents.append(_states)
        _states = weakref.WeakKeyDictionary()

    os.register_at_fork(after_in_child=_after_fork)


class _OfLoop:
    """The file system instances of one event loop; their clients are closed before the loop closes.

    Before an event loop closes, it shuts down all suspended asynchronous generators. Each `_OfLoop`
    keeps such a generator, and closes the clients when the generator is shut down. Each loop has
    one `_OfLoop`, so that no client is closed twice.
    """

    def __init__(self) -> None:
        self.clones: dict[str, AsyncFileSystem] = {}
        # The keys are ids, because fsspec instances with the same arguments compare equal.
        self.served: weakref.WeakValueDictionary[int, AsyncFileSystem] = (
            weakref.WeakValueDictionary()
        )
        self._clients: list[Any] = []
        self._end: AsyncGenerator[None, None] | None = None

    def watch(self) -> None:
        """Ensure that the clients are closed when the running event loop shuts down."""
        if self._end is None:
            self._end = self._closed_at_the_end()
            try:
                self._end.asend(None).send(None)
            except StopIteration:
                return  # the generator is suspended at its yield

    async def _closed_at_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self.close_all()
            self._end = None  # the loop may run again

    async def close_all(self) -> None:
        """Close the clients of all instances."""
        with _lock:
            refs, self.clones = self.served.valuerefs(), {}
            served = [fs for ref in refs if (fs := ref()) is not None]
        for fs in served:
            await self.close(fs)
        await self._close_clients()

    async def close(self, fs: AsyncFileSystem) -> None:
        """Close the client of an instance; any event loop can use the instance afterwards."""
        with _lock:
            if self.served.pop(id(fs), None) is None:
                return
            for name in _CLIENTS:
                client = fs.__dict__.get(name)
                if client is not None:
                    setattr(fs, name, None)
                    self._clients.append(client)
            fs.__dict__.pop(_HOME, None)
        await self._close_clients()

    async def _close_clients(self) -> None:
        while self._clients:
            client = self._clients.pop()
            try:
                await client.__aexit__(None, None, None)
            except asyncio.CancelledError:
                # This client and the remaining clients will be closed when the loop closes.
                self._clients.append(client)
                raise


def _loops() -> list[asyncio.AbstractEventLoop]:
    """Return the event loops that have an entry in `_states`.

    The weak references are copied in one atomic step. Iterating over `_states` itself would fail if
    a loop was garbage collected in another thread during the iteration.
    """
    return [loop for ref in _states.keyrefs() if (loop := ref()) is not None]


def for_running_loop(fs: AsyncFileSystem) -> AsyncFileSystem:
    """Return the instance of a file system for use on the running event loop.

    An asynchronous instance and its inner instances can be used only on one event loop. fsspec may
    share one inner instance among several outer instances. If an inner instance is already used on
    another event loop, new outer and inner instances are made.
    """
    if is_wrapper(fs):
        return fs
    loop = asyncio.get_running_loop()
    home = fs.__dict__.get(_HOME)
    if home is not None and home() is loop:
        return fs
    with _lock:
        for other in _loops():
            if other.is_closed():
                _states.pop(other, None)
        state = _states.get(loop)
        if state is None:
            state = _states[loop] = _OfLoop()
        parts = list(_with_inner(fs))
        if all(_is_free(part, loop) for part in parts):
            _claim(parts, loop, state)
            state.watch()
            return fs
        found = state.clones.get(fs._fs_token)
    if found is None:
        made = clone(fs)  # no race: only this thread makes clones for this loop
        with _lock:
            found = state.clones[fs._fs_token] = made
            _claim(list(_with_inner(made)), loop, state)
    state.watch()
    return found


def _is_free(fs: AsyncFileSystem, loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether an instance can be used on the given event loop.

    An instance that is in use on a loop can be used only on this loop. An instance that is not in
    use on any loop can be used if it is asynchronous and was made in this process.
    """
    home = fs.__dict__.get(_HOME)
    if home is not None:
        return home() is loop
    return bool(fs.asynchronous) and getattr(fs, "_pid", None) == os.getpid()


def _claim(parts: list[AsyncFileSystem], loop: asyncio.AbstractEventLoop, state: _OfLoop) -> None:
    for part in parts:
        part.__dict__[_HOME] = weakref.ref(loop)
        state.served[id(part)] = part


def keep_for(store: object, fs: AsyncFileSystem) -> None:
    """Close the clients of a file system when the last store that uses the file system is freed.

    Instances that the user made, and instances in the cache of fsspec, are not closed.

    Parameters
    ----------
    store : object
        The store.
    fs : fsspec.asyn.AsyncFileSystem
        The file system of the store.
    """
    if not is_wrapper(fs):
        with _lock:
            _stores_of[fs._fs_token] += 1
        weakref.finalize(store, _release, fs).atexit = False


def _release(fs: AsyncFileSystem) -> None:
    token = fs._fs_token
    with _lock:
        _stores_of[token] -= 1
        if _stores_of[token] > 0:
            return
        del _stores_of[token]
        states = [_states.get(loop) for loop in _loops()]
        clones = [None if state is None else state.clones.pop(token, None) for state in states]
    if OWN in fs.__dict__ and not _is_cached(fs):
        _close_soon(fs)
    for found in clones:
        if found is not None:
            _close_soon(found)


def _is_cached(fs: AsyncFileSystem) -> bool:
    """Return whether the instance cache of fsspec contains this instance."""
    return type(fs)._cache.get(fs._fs_token) is fs


def _close_soon(fs: AsyncFileSystem) -> None:
    """Schedule closing the client of a file system on the event loop that uses the client.

    The clients of inner file systems are also closed, with one exception: an inner instance in the
    cache of fsspec may be used by other file systems. The client of such an instance is closed when
    the loop closes.
    """
    for part in list(_with_inner(fs)):
        home = part.__dict__.get(_HOME)
        loop = None if home is None else home()
        state = None if loop is None else _states.get(loop)
        if loop is None or state is None or part._pid != os.getpid():
            continue
        if part is not fs and _is_cached(part):
            continue
        try:
            loop.call_soon_threadsafe(_finish, state, part)
        except RuntimeError:  # the loop is closed; it closed the client while shutting down
            return


def _finish(state: _OfLoop, fs: AsyncFileSystem) -> None:
    task = asyncio.ensure_future(state.close(fs))
    _closing.add(task)
    task.add_done_callback(_closing.discard)


_closing: set[asyncio.Future[None]] = set()


@atexit.register
def _close_all() -> None:
    """Close all open clients at exit, before the event loops stop.

    fsspec does not close the clients of its cached instances, and aiohttp would issue a warning for
    each open client.
    """
    end_all_running()  # otherwise reads in flight would fail
    with _lock:
        states = [(loop, _states.get(loop)) for loop in _loops()]
    closing = [
        asyncio.run_coroutine_threadsafe(state.close_all(), loop)
        for loop, state in states
        if state is not None and loop.is_running()
    ]
    wait(closing, timeout=_SECONDS_AT_EXIT)


def _with_inner(fs: AsyncFileSystem) -> Iterator[AsyncFileSystem]:
    """Yield a file system, and recursively its inner file systems that run on an event loop."""
    yield fs
    state = fs.__dict__
    for inner in (state.get("fs"), *(state.get("fss") or {}).values()):
        if inner is not None and is_async(inner) and not is_wrapper(inner):
            yield from _with_inner(inner)
