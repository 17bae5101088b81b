"""Detect symbolic links, pipes and devices in fsspec file systems that access local files."""

from __future__ import annotations

import errno
import os
from functools import lru_cache
from typing import Any, cast

from zarr.core.sync import in_pool
from zarr.storage._local_files import refuse_pipe

_LEADS_NOWHERE = {errno.ELOOP, errno.ENOENT, errno.ENOTDIR}


async def refuse_links(fs: Any, root: str, path: str) -> None:
    """Raise an error if a path to delete has a symbolic link among its parent directories.

    Only directories below the root of the store are checked.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
        The file system; only local file systems are checked.
    root : str
        The root of the store, which can itself be a link.
    path : str
        The path to delete. A missing path is not an error.

    Raises
    ------
    NotImplementedError
        If a directory between the root and the path is a link, and the path exists.
    """
    top, place = _local_path(fs, root), _local_path(fs, path)
    if top is None or place is None:
        return
    *between, last = [part for part in place[len(top) :].split("/") if part not in ("", ".")] or [
        ""
    ]

    def refuse() -> None:
        folder = top.rstrip("/")
        for part in between:
            folder = f"{folder}/{part}"
            if os.path.islink(folder) and os.path.lexists(place):
                raise NotImplementedError(
                    f"{last!r} cannot be deleted: {part!r} on the way to it is a symbolic link, "
                    f"and the store does not delete files through symbolic links ({place!r})"
                )

    if between:
        await in_pool(refuse)


async def refuse_pipes(fs: Any, path: str) -> None:
    """Raise an error if a path is a named pipe, a socket or a device of a local file system.

    See `zarr.storage._local_files.refuse_pipe`.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
        The file system.
    path : str
        The path to read. If the path is missing, or if it is a directory, no error is raised here.

    Raises
    ------
    OSError
        If the path is a named pipe, a socket or a device.
    """
    if not _may_be_local(cast("Any", type(fs))):
        return
    place = _local_path(fs, path)
    if place is not None:
        await in_pool(lambda: refuse_pipe(place))


async def leads_nowhere(fs: Any, entry: dict[str, Any]) -> bool:
    """Return whether an entry of a listing is a broken symbolic link, or a link to itself."""
    if not entry.get("islink"):
        return False
    path = _local_path(fs, entry["name"])
    return path is not None and await in_pool(lambda: _is_broken(path))


def _is_broken(path: str) -> bool:
    try:
        os.stat(path)
    except OSError as error:
        return error.errno in _LEADS_NOWHERE
    return False


@lru_cache(maxsize=256)
def _may_be_local(cls: type) -> bool:
    """Return whether a file system class is local, or may wrap a local file system."""
    modules = {base.__module__ for base in cls.__mro__}
    return not modules.isdisjoint(
        f"fsspec.implementations.{name}" for name in ("asyn_wrapper", "dirfs", "local")
    )


def _local_path(fs: Any, path: str) -> str | None:
    """Return the local path for a path of a file system; None if the file system is not local."""
    while True:
        modules = {base.__module__ for base in type(fs).__mro__}
        if hasattr(fs, "sync_fs"):
            fs = fs.sync_fs
        elif "fsspec.implementations.dirfs" in modules:
            fs, path = fs.fs, fs._join(path)
        elif "fsspec.implementations.cached" in modules:
            fs = fs.fs
        elif "fsspec.implementations.local" in modules:
            stripped: str = fs._strip_protocol(path)
            return stripped
        else:
            return None
