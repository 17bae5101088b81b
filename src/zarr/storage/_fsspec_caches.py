"""Read through the whole-file caches of fsspec: ``simplecache`` and ``filecache``.

fsspec downloads an object directly into its cache file, and treats every existing cache file as
complete. During a download, and after a failed download, other readers would therefore read a
truncated file. This module first reads the whole object from the underlying file system, which the
cache wraps. After that, it writes the cache file atomically.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from zarr.core._byte_ranges import ByteRequest, resolve_byte_range
from zarr.storage._fsspec_instances import as_async
from zarr.storage._fsspec_loops import for_running_loop
from zarr.storage._fsspec_serial import is_cache, queue_of_cache, state_of

if TYPE_CHECKING:
    from fsspec.asyn import AsyncFileSystem

_INNER = "_zarr_inner"


def whole_file_cache(fs: AsyncFileSystem) -> Any:
    """Return the whole-file cache that `fs` wraps, or None.

    The result is None if `fs` wraps no whole-file cache, or if the cache compresses its files.

    Parameters
    ----------
    fs : fsspec.asyn.AsyncFileSystem
        Any file system.
    """
    cache = fs.__dict__.get("sync_fs")
    if cache is None or not is_cache(cache):
        return None
    from fsspec.implementations.cached import WholeFileCacheFileSystem

    if not issubclass(type(cache), WholeFileCacheFileSystem) or state_of(cache).get("compression"):
        return None
    return cache


def unsure_cache(fs: AsyncFileSystem) -> Any:
    """Return the cache that `fs` wraps if it compresses its files or does not cache whole files.

    In all other cases, the result is None. The returned cache is read through its own methods,
    which raise a `FileNotFoundError` for any failure to fetch an object.
    """
    cache = fs.__dict__.get("sync_fs")
    is_one = cache is not None and is_cache(cache) and whole_file_cache(fs) is None
    return cache if is_one else None


def behind_cache(cache: Any) -> AsyncFileSystem:
    """Return the underlying file system of a cache, in asynchronous form."""
    state = state_of(cache)
    inner = state.get(_INNER)
    if inner is None:
        inner = state.setdefault(_INNER, as_async(state["fs"]))
    result: AsyncFileSystem = inner
    return result


async def read_through_cache(
    cache: Any,
    path: str,
    byte_range: ByteRequest | None,
    read: Callable[[AsyncFileSystem, str, ByteRequest | None], Awaitable[bytes]],
) -> bytes:
    """Read an object from its cache file, after creating the file if it is missing.

    Parameters
    ----------
    cache : fsspec.implementations.cached.WholeFileCacheFileSystem
        The caching file system.
    path : str
        The path of the object.
    byte_range : ByteRequest or None
        The byte range to read; None means the whole object.
    read : callable
        Function that reads an object of the underlying file system.

    Raises
    ------
    Exception
        Any exception that `read` raises; in that case no cache file is written. An `OSError` is
        raised if the cache file cannot be written.
    """
    path = cache._strip_protocol(path)
    queue = queue_of_cache(cache)
    name = await queue.run(_find, cache, path)
    data = None if name is None else await asyncio.to_thread(_read_file, name, byte_range)
    if data is not None:
        return data
    data = await read(for_running_loop(behind_cache(cache)), path, None)
    await queue.run(_keep, cache, path, data)
    start, stop = resolve_byte_range(byte_range, len(data))
    return data[start:stop]


def _find(cache: Any, path: str) -> str | None:
    """Return the name of the cache file of an object; None if the file is missing or expired."""
    found = cache._check_file(path)
    if not found:
        return None
    return str(found[1] if isinstance(found, tuple) else found)


def _read_file(name: str, byte_range: ByteRequest | None) -> bytes | None:
    """Return a byte range of a cache file, or None if another process has deleted the file."""
    try:
        with open(name, "rb") as file:
            start, stop = resolve_byte_range(byte_range, os.fstat(file.fileno()).st_size)
            file.seek(start)
            return file.read(stop - start)
    except FileNotFoundError:  # callers would mistake it for an absent object
        return None


def _keep(cache: Any, path: str, data: bytes) -> None:
    """Write the cache file of an object atomically."""
    cache._mkcache()
    name = os.path.join(cache.storage[-1], cache._mapper(path))
    os.makedirs(os.path.dirname(name), exist_ok=True)
    unfinished = f"{name}.{uuid.uuid4().hex}.part"
    try:
        with open(unfinished, "wb") as file:
            file.write(data)
        os.replace(unfinished, name)
    except BaseException:
        if os.path.exists(unfinished):
            os.remove(unfinished)
        raise
    if not _is_simple(cache):
        cache._make_local_details(path)
        cache.save_cache()


def _is_simple(cache: Any) -> bool:
    """Return whether a cache is a ``simplecache``, which stores no metadata about its files."""
    from fsspec.implementations.cached import SimpleCacheFileSystem

    return issubclass(type(cache), SimpleCacheFileSystem)
