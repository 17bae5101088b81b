"""Paths within an fsspec file system."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsspec.asyn import AsyncFileSystem


def root_marker(fs: AsyncFileSystem) -> str:
    """Return the prefix of absolute paths in a file system: a slash, or the empty string.

    For example, the key ``a`` in the root of a reference file system has the path ``a``. In the
    root of a local file system, the key has the path ``/a``, because the path ``a`` would be
    relative to the working directory.
    """
    return str(getattr(fs, "sync_fs", fs).root_marker)


def join(root: str, key: str) -> str:
    """Return the path of a key below the root of a store; the root or the key may be empty."""
    if not root or not key:
        return root or key
    return f"{root}{key}" if root.endswith("/") else f"{root}/{key}"


def is_remote(fs: AsyncFileSystem) -> bool:
    """Return whether the paths of a file system are parts of URLs, not local file names."""
    protocol = getattr(fs, "sync_fs", fs).protocol
    names = {protocol} if isinstance(protocol, str) else set(protocol)
    return names.isdisjoint({"file", "local", "memory", "zip", "tar", "dir", "reference"})


def has_magic(name: str) -> bool:
    """Return whether fsspec would treat a name as a glob pattern."""
    return any(character in name for character in "*?[")
