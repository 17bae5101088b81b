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
import weakref
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import wait
from typing import TYPE_CHECKING

from zarr.core.sync import end_all_running
from zarr.storage._fsspec_instances import OWN, clone, is_async, is_wrapper

if TYPE_CHECKING:
    from fsspec.asyn import AsyncFileSystem

_HOME = "_zarr_home_loop"
_GUARD = "_zarr_client_guard"
_CLIENTS = ("_session", "_s3")  # where HTTP and Google Cloud, and S3, keep theirs

_clones: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, AsyncFileSystem]] = (
    weakref.WeakKeyDictionary()
)
_stores_of: Counter[str] = Counter()
_guarded: weakref.WeakValueDictionary[int, AsyncFileSystem] = weakref.WeakValueDictionary()
_SECONDS_AT_EXIT = 1.0


def for_running_loop(fs: AsyncFileSystem) -> AsyncFileSystem:
    """Return the instance of a file system that serves the running event loop."""
    if is_wrapper(fs):
        return fs
    loop = asyncio.get_running_loop()
    state = fs.__dict__
    home = state.get(_HOME)
    if home is not None and home() is loop:
        return fs
    if home is None and fs.asynchronous and getattr(fs, "_pid", None) == os.getpid():
        # Threads with a loop each may come here at once; one of them gets the instance.
        claim = weakref.ref(loop)
        if state.setdefault(_HOME, claim) is claim:
            _guard(fs)
            return fs
    for other in [other for other in list(_clones) if other.is_closed()]:
        _clones.pop(other, None)
    clones = _clones.setdefault(loop, {})
    token = fs._fs_token
    found = clones.get(token)
    if found is None:
        found = clones[token] = clone(fs)
        found.__dict__[_HOME] = weakref.ref(loop)
        _guard(found)
    return found


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
        _stores_of[fs._fs_token] += 1
        weakref.finalize(store, _release, fs).atexit = False


def _release(fs: AsyncFileSystem) -> None:
    token = fs._fs_token
    _stores_of[token] -= 1
    if _stores_of[token] > 0:
        return
    del _stores_of[token]
    if OWN in fs.__dict__ and not _is_cached(fs):
        _close_soon(fs)
    for clones in list(_clones.values()):
        found = clones.pop(token, None)
        if found is not None:
            _close_soon(found)


def _is_cached(fs: AsyncFileSystem) -> bool:
    """Tell whether fsspec hands out this very instance to the next who asks."""
    return type(fs)._cache.get(fs._fs_token) is fs


def _close_soon(fs: AsyncFileSystem) -> None:
    """Close the client of a file system on the loop that it serves, if there still is one."""
    guard, home = fs.__dict__.pop(_GUARD, None), fs.__dict__.get(_HOME)
    loop = None if home is None else home()
    if guard is None or loop is None or fs._pid != os.getpid():
        return
    try:
        loop.call_soon_threadsafe(_finish, guard)
    except RuntimeError:  # closed, and with it the client
        return


def _finish(guard: AsyncGenerator[None, None]) -> None:
    task = asyncio.ensure_future(guard.aclose())
    _closing.add(task)
    task.add_done_callback(_closing.discard)


_closing: set[asyncio.Future[None]] = set()


@atexit.register
def _close_all() -> None:
    """Close what is still open at the end of the process, before the loops stop.

    Nobody else would: fsspec keeps its instances, and aiohttp prints a complaint for each.
    """
    end_all_running()  # else what reads by them would fail
    closing = []
    for fs in list(_guarded.values()):
        guard, home = fs.__dict__.pop(_GUARD, None), fs.__dict__.get(_HOME)
        loop = None if home is None else home()
        if guard is None or loop is None or not loop.is_running() or fs._pid != os.getpid():
            continue
        closing.append(asyncio.run_coroutine_threadsafe(_finished(guard), loop))
    wait(closing, timeout=_SECONDS_AT_EXIT)


async def _finished(guard: AsyncGenerator[None, None]) -> None:
    await guard.aclose()


def _guard(fs: AsyncFileSystem) -> None:
    """Have the client of a file system closed before the running event loop is.

    A loop finishes its asynchronous generators before it is closed; one that waits for that is
    the way to hear of it.
    """
    guard = _closed_at_the_end(fs)
    try:
        guard.asend(None).send(None)
    except StopIteration:  # it has come to its yield
        fs.__dict__[_GUARD] = guard
        _guarded[id(fs)] = fs


async def _closed_at_the_end(fs: AsyncFileSystem) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        loop_ends = getattr(asyncio.get_running_loop(), "_asyncgens_shutdown_called", False)
        for instance in _with_inner(fs):
            # While the loop goes on, others may read through an instance that fsspec caches.
            if instance is not fs and _is_cached(instance) and not loop_ends:
                continue
            for name in _CLIENTS:
                client = instance.__dict__.get(name)
                if client is not None:
                    setattr(instance, name, None)
                    await client.__aexit__(None, None, None)
        fs.__dict__.pop(_GUARD, None)
        fs.__dict__.pop(_HOME, None)  # from here on it is as good as new


def _with_inner(fs: AsyncFileSystem) -> Iterator[AsyncFileSystem]:
    """Yield a file system and those it reads through."""
    yield fs
    state = fs.__dict__
    for inner in (state.get("fs"), *(state.get("fss") or {}).values()):
        if inner is not None and is_async(inner):
            yield from _with_inner(inner)
