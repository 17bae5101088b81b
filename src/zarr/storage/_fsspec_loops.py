"""Map event loops to instances of fsspec file systems, and close their clients.

An asynchronous fsspec file system opens its client on first use. From then on it is bound to the
event loop and the process of that use. A store outlives both: callers use it from the event loop of
the synchronous API, from loops of `asyncio.run`, and in forked children. So each further event loop
gets its own instance, made from the same arguments.
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
_CLIENTS = ("_session", "_s3")  # attributes of the client: HTTP and Google Cloud, and S3

# Guards the variables below, and the claims. It is reentrant: garbage collection may finalize a
# store, which takes the lock, in a thread that already holds it.
_lock = threading.RLock()
_states: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _OfLoop] = weakref.WeakKeyDictionary()
_of_parents: list[object] = []
_stores_of: Counter[str] = Counter()
_SECONDS_AT_EXIT = 1.0

if hasattr(os, "register_at_fork"):

    def _after_fork() -> None:
        global _lock, _states
        _lock = threading.RLock()  # another thread of the parent may have held the old lock
        # The loops do not exist in the child. Keep their clients: collected, they would warn.
        _of_parents.append(_states)
        _states = weakref.WeakKeyDictionary()

    os.register_at_fork(after_in_child=_after_fork)


class _OfLoop:
    """The instances that serve one event loop, and the clients to close before the loop closes.

    An event loop shuts down its asynchronous generators before it closes. A suspended generator is
    therefore notified of the end of the loop. Each loop has one such object, so that no client is
    closed twice.
    """

    def __init__(self) -> None:
        self.clones: dict[str, AsyncFileSystem] = {}
        # Keyed by id: fsspec instances with the same arguments compare equal.
        self.served: weakref.WeakValueDictionary[int, AsyncFileSystem] = (
            weakref.WeakValueDictionary()
        )
        self._clients: list[Any] = []
        self._end: AsyncGenerator[None, None] | None = None

    def watch(self) -> None:
        """Start to watch for the end of the running event loop."""
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
            served, self.clones = list(self.served.values()), {}
        for fs in served:
            await self.close(fs)
        await self._close_clients()

    async def close(self, fs: AsyncFileSystem) -> None:
        """Close the client of an instance and reset the instance to unused."""
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
            except asyncio.CancelledError:  # close the remaining clients with the loop
                self._clients.append(client)
                raise


def for_running_loop(fs: AsyncFileSystem) -> AsyncFileSystem:
    """Return the instance of a file system that serves the running event loop.

    Its inner file systems must serve the same loop. fsspec may share one inner instance among
    several outer ones, which may serve other loops. In that case a new instance is made.
    """
    if is_wrapper(fs):
        return fs
    loop = asyncio.get_running_loop()
    home = fs.__dict__.get(_HOME)
    if home is not None and home() is loop:
        return fs
    with _lock:
        for other in [other for other in list(_states) if other.is_closed()]:
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
        made = clone(fs)  # no race: only the thread of this loop makes it
        with _lock:
            found = state.clones[fs._fs_token] = made
            _claim(list(_with_inner(made)), loop, state)
    state.watch()
    return found


def _is_free(fs: AsyncFileSystem, loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether an instance belongs to this process and serves no other event loop."""
    home = fs.__dict__.get(_HOME)
    if home is not None:
        return home() is loop
    return bool(fs.asynchronous) and getattr(fs, "_pid", None) == os.getpid()


def _claim(parts: list[AsyncFileSystem], loop: asyncio.AbstractEventLoop, state: _OfLoop) -> None:
    for part in parts:
        part.__dict__[_HOME] = weakref.ref(loop)
        state.served[id(part)] = part


def keep_for(store: object, fs: AsyncFileSystem) -> None:
    """Close the clients of a file system after its last store is garbage collected.

    Instances that the user made, and instances in the cache of fsspec, are not closed.

    Parameters
    ----------
    store : object
        The store.
    fs : fsspec.asyn.AsyncFileSystem
        Its file system.
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
        clones = [state.clones.pop(token, None) for state in list(_states.values())]
    if OWN in fs.__dict__ and not _is_cached(fs):
        _close_soon(fs)
    for found in clones:
        if found is not None:
            _close_soon(found)


def _is_cached(fs: AsyncFileSystem) -> bool:
    """Return whether the instance cache of fsspec holds this very instance."""
    return type(fs)._cache.get(fs._fs_token) is fs


def _close_soon(fs: AsyncFileSystem) -> None:
    """Schedule closing the client of a file system on its event loop, if the loop still runs.

    Other file systems may use an inner instance that fsspec caches; it is closed with the loop.
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
        except RuntimeError:  # the loop is closed, and the client with it
            return


def _finish(state: _OfLoop, fs: AsyncFileSystem) -> None:
    task = asyncio.ensure_future(state.close(fs))
    _closing.add(task)
    task.add_done_callback(_closing.discard)


_closing: set[asyncio.Future[None]] = set()


@atexit.register
def _close_all() -> None:
    """Close all open clients at exit, before the event loops stop.

    fsspec does not close its cached instances, and aiohttp would warn about each open client.
    """
    end_all_running()  # otherwise reads in flight would fail
    with _lock:
        states = list(_states.items())
    closing = [
        asyncio.run_coroutine_threadsafe(state.close_all(), loop)
        for loop, state in states
        if loop.is_running()
    ]
    wait(closing, timeout=_SECONDS_AT_EXIT)


def _with_inner(fs: AsyncFileSystem) -> Iterator[AsyncFileSystem]:
    """Yield a file system and its inner ones, as far as they are bound to an event loop."""
    yield fs
    state = fs.__dict__
    for inner in (state.get("fs"), *(state.get("fss") or {}).values()):
        if inner is not None and is_async(inner) and not is_wrapper(inner):
            yield from _with_inner(inner)
