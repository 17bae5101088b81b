"""Answer the requests of `FsspecStore`: resolve keys, fetch bytes, recognize absent keys."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from zarr.core._byte_ranges import RangeByteRequest, is_empty_request
from zarr.core._redact import redact_url
from zarr.storage._fsspec_caches import behind_cache, unsure_cache
from zarr.storage._fsspec_faults import check_length, fault_behind
from zarr.storage._fsspec_listing import has_children
from zarr.storage._fsspec_loops import for_running_loop
from zarr.storage._fsspec_read import means_past_the_end, read_object
from zarr.storage._fsspec_targets import (
    Target,
    are_in_memory,
    has_references,
    resolve_references,
)
from zarr.storage._utils import METADATA_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fsspec.asyn import AsyncFileSystem

    from zarr.core._byte_ranges import ByteRequest
    from zarr.storage._fsspec import FsspecStore


async def find_targets(
    store: FsspecStore,
    fs: AsyncFileSystem,
    requests: Sequence[tuple[str, ByteRequest | None]],
    paths: Sequence[str],
) -> Sequence[Target | bytes | None]:
    """Resolve keys to objects: the first step of every read."""
    if not has_references(fs):
        return [Target(fs, path) for path in paths]
    if are_in_memory(fs):
        resolved = resolve_references(fs, paths)
    else:
        resolved = await asyncio.to_thread(resolve_references, fs, paths)
    for request, target in zip(requests, resolved):
        if isinstance(target, Exception):
            store._fail(target, *request)
    return cast("Sequence[Target | bytes | None]", resolved)


async def fetch_bytes(
    store: FsspecStore,
    target: Target,
    request: tuple[str, ByteRequest | None],
    path: str,
    byte_range: ByteRequest | None,
) -> bytes | None:
    """Fetch the bytes of an object for a request; return None if the key is absent.

    Parameters
    ----------
    store : FsspecStore
        The store.
    target : Target
        The object, or the region of an object, that contains the value of the key.
    request : tuple
        The key and the byte range that the caller requested.
    path : str
        The path of the key.
    byte_range : ByteRequest or None
        The bytes to fetch from the object; None means all. If requests are merged, this is the byte
        range of the merged read.
    """
    # An HTTP request cannot express an empty range; S3 would reply with the whole object. Therefore
    # one byte is requested instead. The response also shows whether the key is present.
    empty = is_empty_request(byte_range)
    if empty:
        byte_range = RangeByteRequest(0, 1)
    fetch_part = _fetch_own if target.path == path else _fetch_referenced
    data = await fetch_part(store, target, request, path, byte_range)
    return b"" if empty and data is not None else data


async def _fetch_own(
    store: FsspecStore,
    target: Target,
    request: tuple[str, ByteRequest | None],
    path: str,
    byte_range: ByteRequest | None,
) -> bytes | None:
    """Fetch bytes of a key that is not resolved through a reference; see `fetch_bytes`."""
    key, _ = request
    try:
        return await read_object(target.fs, path, byte_range)
    except Exception as error:
        if await means_absent(store, target.fs, key, path, error):
            return None
        if byte_range is None or not await means_past_the_end(target.fs, path, byte_range, error):
            store._fail(error, key, byte_range)
        return b""


async def _fetch_referenced(
    store: FsspecStore,
    target: Target,
    request: tuple[str, ByteRequest | None],
    path: str,
    byte_range: ByteRequest | None,
) -> bytes:
    """Fetch bytes of the target object of a reference; see `fetch_bytes`."""
    key, part = request
    fs = for_running_loop(target.fs)
    try:
        data = await read_object(fs, target.path, byte_range)
        if target.nbytes is not None and byte_range == target.locate(part):
            # According to the reference, the object contains all requested bytes. If the response
            # contains fewer bytes, the object has changed. If a merged read returns too few bytes,
            # each request that this read does not cover is repeated as a separate read. The length
            # of the separate read is checked here.
            assert isinstance(byte_range, RangeByteRequest)
            check_length(data, None, byte_range.end - byte_range.start)
    except Exception as error:
        from fsspec.implementations.reference import ReferenceNotReachable

        if (
            byte_range is not None
            and target.nbytes is None
            and await means_past_the_end(fs, target.path, byte_range, error)
        ):
            return b""
        # If the target object is absent, the read fails: the key itself exists as a reference.
        failure = ReferenceNotReachable(path, redact_url(target.path))
        failure.__cause__ = error
        store._fail(failure, key, part)
    return data


async def means_absent(
    store: FsspecStore, fs: AsyncFileSystem, key: str, path: str, error: Exception
) -> bool:
    """Return whether a failure proves that a key is absent."""
    if not isinstance(error, store.allowed_exceptions):
        return False
    if isinstance(error, FileNotFoundError):
        if fault_behind(error) is not None:
            return False
        cache = unsure_cache(fs)
        if cache is None:
            return True
        # The cache raises a `FileNotFoundError` for every failure. To find the cause, read the key
        # from the underlying file system.
        inner = for_running_loop(behind_cache(cache))
        try:
            await read_object(inner, path, RangeByteRequest(0, 1))
        except Exception as other:
            if await means_absent(store, inner, key, path, other):
                return True
            store._fail(other, key)
        return False
    if isinstance(error, IsADirectoryError):
        # The path is a directory. If the directory has children, the path holds no value, so
        # the key is absent. An empty directory is an error: this package never creates empty
        # directories, so another program has put the directory in place of a value.
        return await has_children(fs, path)
    if isinstance(error, NotADirectoryError):
        # The directory of a group may contain files such as README.md. A search for the members of
        # the group then requests keys such as README.md/zarr.json, which are absent.
        return key.rpartition("/")[2] in METADATA_NAMES
    return True
