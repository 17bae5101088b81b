"""Checks of keys, values and paths, for use by all stores."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zarr.core._byte_ranges import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import Buffer, cpu
from zarr.core.common import (
    ZARR_JSON,
    ZARRAY_JSON,
    ZATTRS_JSON,
    ZGROUP_JSON,
    ZMETADATA_V2_JSON,
)

if TYPE_CHECKING:
    from zarr.abc.store import Store
    from zarr.core._byte_ranges import ByteRequest

METADATA_NAMES = frozenset({ZARR_JSON, ZARRAY_JSON, ZGROUP_JSON, ZATTRS_JSON, ZMETADATA_V2_JSON})

# Matches keys that could refer to files outside the store, or to different files on different
# systems.
_SUSPICIOUS = re.compile(r"(?:^|/)\.\.(?:/|$)|^/|^[A-Za-z]:[/\\]|[\\\0]")


# The pattern `_SUSPICIOUS`, compiled to search one string in which many keys are joined by line
# breaks. This pattern may match valid keys (false positives), but never misses an invalid key.
_SUSPICIOUS_LINES = re.compile(_SUSPICIOUS.pattern, re.MULTILINE)


def check_keys(keys: Sequence[str]) -> None:
    """Check many keys in one call; see `check_key`.

    Raises
    ------
    TypeError, ValueError
        See `check_key`.
    """
    try:
        suspicious = _SUSPICIOUS_LINES.search("\n".join(keys)) is not None
    except TypeError:
        suspicious = True
    if suspicious:
        for key in keys:
            check_key(key)


def check_key(key: str) -> str:
    """Return a key after checking that it is a relative path within a store.

    Raises
    ------
    TypeError
        If the key is not a string.
    ValueError
        If the key is absolute, or contains a ``..`` part, a backslash or a NUL character. Such a
        key could refer to a file outside the store.
    """
    if not isinstance(key, str):
        raise TypeError(f"A key must be a string. Got {key!r}, of type {type(key).__name__}.")
    # Only keys with suspicious characters are matched against the pattern. This reduces the time of
    # the check to a third, which matters for small chunks.
    may_be = ".." in key or "\\" in key or "\0" in key or ":" in key or key.startswith("/")
    if may_be and _SUSPICIOUS.search(key) is not None:
        raise ValueError(
            f"The key {key!r} is not allowed: a key is a relative path with '/' between its "
            "parts, without '..', backslash or NUL."
        )
    return key


# Keys that cannot belong to a node, because `normalize_path` drops or rejects some of their parts.
_UNREACHABLE = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)|^[A-Za-z]:[/\\]|[\\\0]")


def is_allowed(key: str) -> bool:
    """Return whether `check_key` accepts a key that was found in a store."""
    return _SUSPICIOUS.search(key) is None


def can_be_key(name: str) -> bool:
    """Return whether a name found in a store can be the key of a value.

    The result is False for names that `check_key` rejects, and for names with an empty part or a
    part ``.``. Listings omit these names.
    """
    return _UNREACHABLE.search(name) is None


def can_be_child(name: str) -> bool:
    """Return whether a name found in a listing can be one part of a key."""
    return "/" not in name and can_be_key(name)


def normalize_path(path: str | bytes | Path | None) -> str:
    """Return the normalized path of a node: parts joined by ``/``, without outer slashes.

    Parameters
    ----------
    path : str, bytes, Path or None
        The path; None or empty for the root. Backslashes are converted to ``/``.

    Raises
    ------
    TypeError
        If `path` is not a string, bytes, a `pathlib.Path` or None.
    ValueError
        If a part of the path is ``.`` or ``..``.
    """
    if path is None:
        return ""
    if isinstance(path, bytes):
        text = path.decode("ascii")
    elif isinstance(path, str):
        text = path
    elif isinstance(path, Path):
        text = str(path)
    else:
        raise TypeError(f'Object {path} has an invalid type for "path": {type(path).__name__}')
    parts = [part for part in text.replace("\\", "/").split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise ValueError(
            f"The path {text!r} is invalid because its string representation contains '.' or '..' "
            "segments."
        )
    return "/".join(parts)


def as_directory(prefix: str) -> str:
    """Return a prefix with a trailing slash, so that ``a`` does not match ``ab``.

    An empty prefix is returned unchanged.
    """
    return prefix if prefix == "" or prefix.endswith("/") else f"{prefix}/"


def children(keys: Iterable[str], prefix: str) -> Iterator[str]:
    """Yield the names directly below a prefix, each once.

    Parameters
    ----------
    keys : iterable of str
        Keys of a store.
    prefix : str
        The prefix, which names a directory of keys; empty for the whole store.
    """
    base = as_directory(prefix)
    seen: set[str] = set()
    for key in keys:
        if key.startswith(base):
            name = key[len(base) :].split("/", 1)[0]
            if name not in seen and can_be_key(name):
                seen.add(name)
                yield name


def check_value(value: object, store: str) -> None:
    """Raise an error if a value to write is not a `Buffer`.

    Parameters
    ----------
    value : object
        The value.
    store : str
        Name of the store class, for the error message.

    Raises
    ------
    TypeError
        If the value is not a `Buffer`.
    """
    if not isinstance(value, Buffer):
        raise TypeError(
            f"{store}.set(): `value` must be a Buffer instance. "
            f"Got an instance of {type(value)} instead."
        )


def check_write(store: Store, key: str, value: object, name: str) -> None:
    """Raise an error if the arguments of a write are invalid.

    Parameters
    ----------
    store : Store
        The store.
    key : str
        The key.
    value : object
        The value.
    name : str
        Name of the store class, for the error message.

    Raises
    ------
    TypeError
        If the key is not a string, or the value is not a `Buffer`.
    ValueError
        If the store is read-only, or the key is empty or invalid.
    """
    store._check_writable()
    check_key(key)
    if not key:
        raise ValueError("A value cannot be stored under the empty key.")
    check_value(value, name)


def frozen(value: Buffer) -> Buffer:
    """Return a value in immutable memory: the value itself if it is immutable, else a copy.

    A method must call this function before it keeps a value, for example in a dictionary. After the
    method has returned, its caller may modify the memory of the original value.
    """
    if not isinstance(value, cpu.Buffer):
        return value.combine([])
    data = value.as_numpy_array()
    # Codecs usually return `bytes`, which are immutable.
    if type(data) is np.ndarray and isinstance(data.base, bytes):
        return value
    return type(value).from_bytes(data.tobytes())


# --- private names that other packages import -------------------------------------------


def _join_paths(paths: Iterable[str]) -> str:
    """Join the non-empty parts of a path with ``/``; make no other changes."""
    return "/".join(part for part in paths if part != "")


def _relativize_path(*, path: str, prefix: str) -> str:
    """Return a path relative to a prefix.

    Parameters
    ----------
    path : str
        The path.
    prefix : str
        A parent path without a trailing ``/``; empty for the root.

    Raises
    ------
    ValueError
        If the path is not below the prefix.
    """
    base = f"{prefix}/" if prefix else ""
    if not path.startswith(base):
        raise ValueError(f"The path {path!r} does not lie below {prefix!r}.")
    return path[len(base) :]


def _normalize_byte_range_index(data: Buffer, byte_range: ByteRequest | None) -> tuple[int, int]:
    """Return the bounds of the slice that selects a byte range of a value.

    Parameters
    ----------
    data : Buffer
        The whole value.
    byte_range : ByteRequest or None
        The byte range; None means all bytes.

    Returns
    -------
    tuple of int
        Start and stop, in bytes. The stop may exceed the length of the value.

    Raises
    ------
    ValueError
        If `byte_range` is neither None nor an instance of a byte range class.
    """
    stop = len(data) + 1
    if byte_range is None:
        return 0, stop
    if isinstance(byte_range, RangeByteRequest):
        return byte_range.start, byte_range.end
    if isinstance(byte_range, OffsetByteRequest):
        return byte_range.offset, stop
    if isinstance(byte_range, SuffixByteRequest):
        return max(0, len(data) - byte_range.suffix), stop
    raise ValueError(f"Unexpected byte_range, got {byte_range}.")
