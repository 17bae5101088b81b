"""Which instance of an fsspec file system serves which event loop, and how its client ends.

An asynchronous fsspec file system opens its client on first use and is tied from then on to the
event loop, and to the process, of that use. A store outlives both: it may be called from the
loop of the synchronous API, from one that `asyncio.run` made, and in a forked child. So each
further loop gets an instance of its own, made from the same arguments.
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
_CLIENTS = ("_session", "_s3")  # where HTTP and Google Cloud, and S3, keep theirs

# Guards what is below, and the claims. An instance may be dropped, and with it what was opened for
# it, wherever memory is collected: also by a thread that has the lock.
_lock = threading.RLock()
_states: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _OfLoop] = weakref.WeakKeyDictionary()
_of_parents: list[object] = []
_stores_of: Counter[str] = Counter()
_SECONDS_AT_EXIT = 1.0

if hasattr(os, "register_at_fork"):

    def _after_fork() -> None:
        global _lock, _states
        _lock = threading.RLock()  # another thread of the parent may have held it
        # The loops do not exist here. What served them is kept: dropped, it would complain.
        _of_parents.append(_states)
        _states = weakref.WeakKeyDictionary()

    os.register_at_fork(after_in_child=_after_fork)


class _OfLoop:
    """The instances that serve one event loop, and what is to be closed before it is.

    A loop finishes its asynchronous generators before it is closed; one that waits for that is the
    way to hear of it. There is one for each loop, so that nothing is closed twice.
    """

    def __init__(self) -> None:
        self.clones: dict[str, AsyncFileSystem] = {}
        # By identity: instances with the same arguments are equal to fsspec.
        self.served: weakref.WeakValueDictionary[int, AsyncFileSystem] = (
            weakref.WeakValueDictionary()
        )
        self._clients: list[Any] = []
        self._end: AsyncGenerator[None, None] | None = None

    def watch(self) -> None:
        """Hear of the end of the running loop from now on."""
        if self._end is None:
            self._end = self._closed_at_the_end()
            try:
                self._end.asend(None).send(None)
            except StopIteration:
                return  # it has come to its yield

    async def _closed_at_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self.close_all()
            self._end = None  # the loop may go on, and begin anew

    async def close_all(self) -> None:
        """Close the clients of all instances."""
        with _lock:
            served, self.clones = list(self.served.values()), {}
        for fs in served:
            await self.close(fs)
        await self._close_clients()

    async def close(self, fs: AsyncFileSystem) -> None:
        """Close the client of an instance, which is as good as new then."""
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
            except asyncio.CancelledError:  # what is left is closed with the loop
                self._clients.append(client)
                raise


def for_running_loop(fs: AsyncFileSystem) -> AsyncFileSystem:
    """Return the instance of a file system that serves the running event loop.

    Those that it reads through serve that loop too: fsspec hands the same inner instance to many
    outer ones, which may serve other loops. Where it does, an instance of its own is made.
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
        made = clone(fs)  # by the thread of the loop, so nobody else makes it
        with _lock:
            found = state.clones[fs._fs_token] = made
            _claim(list(_with_inner(made)), loop, state)
    state.watch()
    return found


def _is_free(fs: AsyncFileSystem, loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether an instance serves no other loop, in this process."""
    home = fs.__dict__.get(_HOME)
    if home is not None:
        return home() is loop
    return bool(fs.asynchronous) and getattr(fs, "_pid", None) == os.getpid()


def _claim(parts: list[AsyncFileSystem], loop: asyncio.AbstractEventLoop, state: _OfLoop) -> None:
    for part in parts:
        part.__dict__[_HOME] = weakref.ref(loop)
        state.served[id(part)] = part


def keep_for(store: object, fs: AsyncFileSystem) -> None:
    """Close what was opened for the stores of a file system when the last of them is gone.

    Instances that a user made, and those that fsspec keeps in its cache for the next one who
    asks, stay as they are.

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
    """Tell whether fsspec hands out this very instance to the next who asks."""
    return type(fs)._cache.get(fs._fs_token) is fs


def _close_soon(fs: AsyncFileSystem) -> None:
    """Close the client of a file system on the loop that it serves, if there still is one.

    Others may read through an inner instance that fsspec caches; that is closed with the loop.
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
        except RuntimeError:  # closed, and with it the client
            return


def _finish(state: _OfLoop, fs: AsyncFileSystem) -> None:
    task = asyncio.ensure_future(state.close(fs))
    _closing.add(task)
    task.add_done_callback(_closing.discard)


_closing: set[asyncio.Future[None]] = set()


@atexit.register
def _close_all() -> None:
    """Close what is still open at the end of the process, before the loops stop.

    Nobody else would: fsspec keeps its instances, and aiohttp prints a complaint for each.
    """
    end_all_running()  # else what reads by them would fail
    with _lock:
        states = list(_states.items())
    closing = [
        asyncio.run_coroutine_threadsafe(state.close_all(), loop)
        for loop, state in states
        if loop.is_running()
    ]
    wait(closing, timeout=_SECONDS_AT_EXIT)


def _with_inner(fs: AsyncFileSystem) -> Iterator[AsyncFileSystem]:
    """Yield a file system and those it reads through, as far as they are tied to a loop."""
    yield fs
    state = fs.__dict__
    for inner in (state.get("fs"), *(state.get("fss") or {}).values()):
        if inner is not None and is_async(inner) and not is_wrapper(inner):
            yield from _with_inner(inner)
