"""Read an object of an fsspec file system, or a byte range of it, and check the response."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from zarr.core._byte_ranges import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    SuffixByteRequest,
)
from zarr.storage._fsspec_caches import read_through_cache, whole_file_cache
from zarr.storage._fsspec_faults import check_length, is_range_error, starts_past_the_end
from zarr.storage._fsspec_http import HttpReply
from zarr.storage._fsspec_links import refuse_pipes
from zarr.storage._fsspec_portions import has_own_cat_ranges, read_in_portion
from zarr.storage._fsspec_serial import is_cache

if TYPE_CHECKING:
    from fsspec.asyn import AsyncFileSystem


async def read_object(fs: AsyncFileSystem, path: str, byte_range: ByteRequest | None) -> bytes:
    """Read an object, or a byte range of it.

    Parameters
    ----------
    fs : fsspec.asyn.AsyncFileSystem
        The file system instance of the running event loop.
    path : str
        The path of the object in the file system.
    byte_range : ByteRequest or None
        The byte range, not empty; None means all bytes.

    Returns
    -------
    bytes
        The requested bytes; fewer bytes if the byte range extends past the end of the object.

    Raises
    ------
    OSError
        If the response does not match the request. The length of the response is checked, and for
        HTTP also the status and the headers.
    Exception
        Any exception that the file system raises.
    """
    cache = whole_file_cache(fs)
    if cache is not None:
        return await read_through_cache(cache, path, byte_range, read_object)
    await refuse_pipes(fs, path)
    data: bytes
    # Pass keyword arguments only: the order of the parameters differs between file systems.
    limits: dict[str, Any] = {}
    if isinstance(byte_range, SuffixByteRequest) and _lacks_suffixes(fs):
        size = (await fs._info(path))["size"]
        if size is None:  # the server does not report the size
            data = await read_object(fs, path, None)
            return data[len(data) - byte_range.suffix :] if byte_range.suffix < len(data) else data
        limits = {"start": max(0, size - byte_range.suffix), "end": size}
    elif byte_range is not None:
        limits = _limits(byte_range)
    if isinstance(byte_range, RangeByteRequest) and has_own_cat_ranges(fs):
        data = await read_in_portion(fs, path, byte_range.start, byte_range.end)
        check_length(data, byte_range)
        return data
    http = _http_behind(fs)
    if http is not None:
        reply = HttpReply(byte_range if limits else None)
        if limits:
            # Request the range uncompressed. Otherwise the server could compress the range, or send
            # a range of the compressed object. The response does not distinguish these two cases.
            headers = {**http.kwargs.get("headers", {}), "Accept-Encoding": "identity"}
            limits["headers"] = headers
        return reply.part(await fs._cat_file(path, raise_for_status=reply, **limits))
    if not limits and _reads_in_parts(_class(fs)):
        # Send one request per value. Otherwise s3fs requests the size of the value first, because
        # it reads large values in several parts.
        limits["max_concurrency"] = 1
    data = await fs._cat_file(path, **limits)
    check_length(data, byte_range)
    return data


async def means_past_the_end(
    fs: AsyncFileSystem, path: str, byte_range: ByteRequest, error: Exception
) -> bool:
    """Return whether a byte range was rejected because it is past the end of the object.

    The size of the object is looked up, because a server may also reject a range for other reasons.
    """
    if not is_range_error(error):
        return False
    try:
        size = (await fs._info(path))["size"]
    except Exception:  # the caller raises the first failure
        return False
    return size is not None and starts_past_the_end(byte_range, int(size))


def _limits(byte_range: ByteRequest) -> dict[str, Any]:
    if isinstance(byte_range, RangeByteRequest):
        return {"start": byte_range.start, "end": byte_range.end}
    if isinstance(byte_range, OffsetByteRequest):
        return {"start": byte_range.offset, "end": None} if byte_range.offset else {}
    return {"start": -byte_range.suffix, "end": None}


def _http_behind(fs: AsyncFileSystem) -> Any:
    """Return the HTTP file system inside all `DirFileSystem` layers.

    The result is None if the innermost file system is not an HTTP file system.
    """
    while _is_from(_class(fs), "fsspec.implementations.dirfs"):
        fs = fs.fs
    return fs if _is_from(_class(fs), "fsspec.implementations.http") else None


def _lacks_suffixes(fs: AsyncFileSystem) -> bool:
    """Return whether a file system is an fsspec cache; such caches cannot read suffix ranges."""
    inner = fs.__dict__.get("sync_fs")
    return inner is not None and is_cache(inner)


def _class(fs: AsyncFileSystem) -> type:
    return type(fs)


@lru_cache(maxsize=256)
def _is_from(cls: type, module: str) -> bool:
    # Modules are compared by name, because importing them may need packages that are not installed.
    return any(base.__module__ == module for base in cls.__mro__)


@lru_cache(maxsize=64)
def _reads_in_parts(cls: type) -> bool:
    return "max_concurrency" in inspect.signature(cls._cat_file).parameters  # type: ignore[attr-defined]
