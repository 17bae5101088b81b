"""Keys, values and paths: what every store checks in the same way."""

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

# A key must not lead out of its store, nor mean different places on different systems.
_SUSPICIOUS = re.compile(r"(?:^|/)\.\.(?:/|$)|^/|^[A-Za-z]:[/\\]|[\\\0]")


# The same for keys joined by line breaks. It finds more, never less.
_SUSPICIOUS_LINES = re.compile(_SUSPICIOUS.pattern, re.MULTILINE)


def check_keys(keys: Sequence[str]) -> None:
    """Refuse what `check_key` refuses, looking at all keys together.

    Raises
    ------
    TypeError, ValueError
        As `check_key`.
    """
    try:
        suspicious = _SUSPICIOUS_LINES.search("\n".join(keys)) is not None
    except TypeError:
        suspicious = True
    if suspicious:
        for key in keys:
            check_key(key)


def check_key(key: str) -> str:
    """Return a key that is a relative path within a store.

    Raises
    ------
    TypeError
        If it is not a string.
    ValueError
        If it is absolute, has a ``..`` part, a backslash or a NUL character; those could name
        something outside the store.
    """
    if not isinstance(key, str):
        raise TypeError(f"A key is a string. Got {key!r}, of type {type(key).__name__}.")
    # Looking for characters first takes a third of the time, which counts for small chunks.
    may_be = ".." in key or "\\" in key or "\0" in key or ":" in key or key.startswith("/")
    if may_be and _SUSPICIOUS.search(key) is not None:
        raise ValueError(
            f"The key {key!r} is not allowed: a key is a relative path with '/' between its "
            "parts, without '..', backslash or NUL."
        )
    return key


# Keys that no path leads to, as parts of it would be dropped or refused.
_UNREACHABLE = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)|^[A-Za-z]:[/\\]|[\\\0]")


def is_allowed(key: str) -> bool:
    """Tell whether `check_key` lets a key pass that somebody else has put into a store."""
    return _SUSPICIOUS.search(key) is None


def can_be_key(name: str) -> bool:
    """Tell whether what somebody else has put into a store can be the key of a value.

    Not what `check_key` refuses, nor a name with an empty part or a part ``.``, which paths do not
    have. Listings leave these out.
    """
    return _UNREACHABLE.search(name) is None


def can_be_child(name: str) -> bool:
    """Tell whether a name in a listing can be that of a node: one part of a key."""
    return "/" not in name and can_be_key(name)


def normalize_path(path: str | bytes | Path | None) -> str:
    """Return the path of a node as stores use it: parts joined by ``/``, none at the ends.

    Parameters
    ----------
    path : str, bytes, Path or None
        The path; None for the root, as is the empty path. Backslashes count as ``/``.

    Raises
    ------
    TypeError
        If it is something else.
    ValueError
        If a part is ``.`` or ``..``.
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
    """Return a prefix that covers what lies below it and nothing beside: ``a`` becomes ``a/``."""
    return prefix if prefix == "" or prefix.endswith("/") else f"{prefix}/"


def children(keys: Iterable[str], prefix: str) -> Iterator[str]:
    """Yield the names directly below a prefix, each once.

    Parameters
    ----------
    keys : iterable of str
        Keys of a store.
    prefix : str
        Taken as a directory; empty for the whole store.
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
    """Refuse to write what is no Buffer.

    Parameters
    ----------
    value : object
        What a caller gave.
    store : str
        The name of the class of stores, for the message.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if not isinstance(value, Buffer):
        raise TypeError(
            f"{store}.set(): `value` must be a Buffer instance. "
            f"Got an instance of {type(value)} instead."
        )


def check_write(store: Store, key: str, value: object, name: str) -> None:
    """Refuse a write that no store of keys and values can do.

    Parameters
    ----------
    store : Store
        Where it goes.
    key : str
        The key.
    value : object
        What a caller gave.
    name : str
        The name of the class of stores, for the message.

    Raises
    ------
    TypeError
        If the key is no string, or the value no Buffer.
    ValueError
        If the store is read-only, or the key is empty or not allowed.
    """
    store._check_writable()
    check_key(key)
    if not key:
        raise ValueError("A value cannot be stored under the empty key.")
    check_value(value, name)


def frozen(value: Buffer) -> Buffer:
    """Return a value in memory that does not change: itself where that is so, a copy otherwise.

    Who keeps a value, or goes on with it after the call that brought it, keeps this one.
    """
    if not isinstance(value, cpu.Buffer):
        return value.combine([])
    data = value.as_numpy_array()
    # What codecs return is bytes as a rule, and nothing writes into those.
    if type(data) is np.ndarray and isinstance(data.base, bytes):
        return value
    return type(value).from_bytes(data.tobytes())


# --- names that other packages reach for ------------------------------------------------


def _join_paths(paths: Iterable[str]) -> str:
    """Join parts of a path by ``/``, leaving out empty ones; nothing else is changed."""
    return "/".join(part for part in paths if part != "")


def _relativize_path(*, path: str, prefix: str) -> str:
    """Return a path relative to one above it.

    Parameters
    ----------
    path : str
        The path.
    prefix : str
        The one above it, without a ``/`` at its end; empty for the root.

    Raises
    ------
    ValueError
        If the path does not lie below the prefix.
    """
    base = f"{prefix}/" if prefix else ""
    if not path.startswith(base):
        raise ValueError(f"The path {path!r} does not lie below {prefix!r}.")
    return path[len(base) :]


def _normalize_byte_range_index(data: Buffer, byte_range: ByteRequest | None) -> tuple[int, int]:
    """Return the bounds of the slice of a value that a byte request asks for.

    Parameters
    ----------
    data : Buffer
        The whole value.
    byte_range : ByteRequest or None
        The request; None for all of it.

    Returns
    -------
    tuple of int
        Start and stop, in bytes. The stop may lie behind the end, where slices end anyway.

    Raises
    ------
    ValueError
        If it is no byte request.
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
