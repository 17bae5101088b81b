"""Paths within an fsspec file system."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsspec.asyn import AsyncFileSystem


def root_marker(fs: AsyncFileSystem) -> str:
    """Return what the paths of a file system begin with: a slash, or nothing.

    A file system of references knows ``a``, and not ``/a``; a local one takes ``a`` for a path
    below the working directory.
    """
    return str(getattr(fs, "sync_fs", fs).root_marker)


def join(root: str, key: str) -> str:
    """Return the path of a key below the root of a store; either may be empty."""
    if not root or not key:
        return root or key
    return f"{root}{key}" if root.endswith("/") else f"{root}/{key}"


def is_remote(fs: AsyncFileSystem) -> bool:
    """Tell whether the paths of a file system are what remains of URLs, not names of files."""
    protocol = getattr(fs, "sync_fs", fs).protocol
    names = {protocol} if isinstance(protocol, str) else set(protocol)
    return names.isdisjoint({"file", "local", "memory", "zip", "tar", "dir", "reference"})


def has_magic(name: str) -> bool:
    """Tell whether fsspec would take a name for a pattern."""
    return any(character in name for character in "*?[")
