"""Serialize calls of fsspec file systems that are not thread-safe."""

from __future__ import annotations

import asyncio
import functools
import os
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from zarr.core._process_lock import ProcessLock

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from fsspec.asyn import AsyncFileSystem

R = TypeVar("R")

# Protocols of file systems that use one connection, or one file position, for all calls.
_SERIAL_PROTOCOLS = frozenset({"ftp", "sftp", "ssh", "zip", "tar", "libarchive"})

# The caching file systems that this fsspec module defines, except `SimpleCacheFileSystem`, keep a
# list of their cached data in a file, and do not lock this file.
_CACHES = "fsspec.implementations.cached"
_CACHE_CALLS = ("_cat", "_get", "_open", "_pipe", "_put", "_read", "_head", "_tail")

_QUEUE = "_zarr_queue"


class Queue:
    """Runs functions one after the other, for callers on any event loop and in any thread.

    If a caller is cancelled during its call, the call continues. The next call waits for its end.
    """

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="zarr-serial")
        self._pid = os.getpid()  # set last: a thread that sees this pid also sees the new executor

    async def run(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        """Call a function after all earlier calls have ended, and return its result."""
        if self._pid != os.getpid():
            with _lock:
                if self._pid != os.getpid():
                    # The thread of the parent does not exist in a forked child.
                    self._start()
        # Run in a copy of the caller's context variables, like `asyncio.to_thread`.
        call = functools.partial(copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)


# One queue per cache directory, because several instances may share a cache directory.
_queues: weakref.WeakValueDictionary[str, Queue] = weakref.WeakValueDictionary()
_lock = ProcessLock()  # `setdefault` of a `WeakValueDictionary` is not atomic


def state_of(fs: AbstractFileSystem) -> dict[str, Any]:
    """Return the attributes of the file system itself.

    Ordinary attribute access on a caching file system may return attributes of the file system that
    it caches.
    """
    state: dict[str, Any] = object.__getattribute__(fs, "__dict__")
    return state


def is_cache(fs: AbstractFileSystem) -> bool:
    """Return whether a file system caches data of another file system in local files."""
    return any(base.__module__ == _CACHES for base in type(fs).__mro__)


def queue_of_cache(fs: AbstractFileSystem) -> Queue:
    """Return the queue shared by all caching file systems with the same cache directory."""
    state = state_of(fs)
    queue: Queue | None = state.get(_QUEUE)
    if queue is None:
        directory = os.path.realpath(state["storage"][-1])
        with _lock:
            queue = state[_QUEUE] = _queues.setdefault(directory, Queue())
    return queue


def serialize(fs: AsyncFileSystem) -> AsyncFileSystem:
    """Serialize the calls of a wrapper if its synchronous file system is not thread-safe.

    Parameters
    ----------
    fs : fsspec.asyn.AsyncFileSystem
        Any file system. A wrapper of a synchronous file system is changed in place. Other file
        systems are not changed.

    Returns
    -------
    fsspec.asyn.AsyncFileSystem
        `fs`.
    """
    inner = state_of(fs).get("sync_fs")
    if inner is None:
        return fs
    names: tuple[str, ...]
    if _is_serial(inner):
        queue, names = state_of(inner).setdefault(_QUEUE, Queue()), ("_",)
    elif is_cache(inner):
        queue, names = queue_of_cache(inner), _CACHE_CALLS
    else:
        return fs
    for name, method in list(state_of(fs).items()):
        function = getattr(method, "__wrapped__", None)
        if function is not None and name.startswith(names):
            setattr(fs, name, _queued(queue, function))
    return fs


def _queued(queue: Queue, function: Callable[..., R]) -> Callable[..., Awaitable[R]]:
    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> R:
        return await queue.run(function, *args, **kwargs)

    return call


def _is_serial(fs: AbstractFileSystem | None) -> bool:
    while fs is not None:
        protocols = {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
        if protocols & _SERIAL_PROTOCOLS:
            return True
        fs = state_of(fs).get("fs")
    return False
