"""Resolve keys of an fsspec file system to objects, following references.

In a reference file system of fsspec, each key has a reference. The reference contains the value
itself, or points to another object or a region of this object (kerchunk reference specification,
version 1). Requests can be merged only if their target object is known.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from zarr.core._byte_ranges import ByteRequest, RangeByteRequest, resolve_byte_range
from zarr.core._redact import redact_url, redact_urls_in

if TYPE_CHECKING:
    from fsspec.asyn import AsyncFileSystem


class Target(NamedTuple):
    """An object of a file system, or a region of an object.

    Parameters
    ----------
    fs : fsspec.asyn.AsyncFileSystem
        The file system that contains the object.
    path : str
        Path of the object in the file system.
    start : int
        Offset of the region in the object, in bytes.
    nbytes : int or None
        Size of the region in bytes; None for the whole object, whose size is unknown.
    """

    fs: AsyncFileSystem
    path: str
    start: int = 0
    nbytes: int | None = None

    def locate(self, byte_range: ByteRequest | None) -> ByteRequest | None:
        """Convert a byte range of the region to a byte range of the object."""
        if self.nbytes is None:
            return byte_range
        if byte_range is None:
            return RangeByteRequest(self.start, self.start + self.nbytes)
        start, stop = resolve_byte_range(byte_range, self.nbytes)
        return RangeByteRequest(self.start + start, self.start + stop)

    def wants_nothing(self, byte_range: ByteRequest | None) -> bool:
        """Return whether a byte range contains no byte of the region.

        The size of the region must be known.
        """
        assert self.nbytes is not None
        start, stop = resolve_byte_range(byte_range, self.nbytes)
        return start == stop


def has_references(fs: AsyncFileSystem) -> bool:
    """Return whether a file system finds the values of its keys through references."""
    return hasattr(fs, "references") and hasattr(fs, "fss")


def are_in_memory(fs: Any) -> bool:
    """Return whether all references are in memory, so that lookups read no files."""
    return isinstance(fs.references, dict)


def inline_answer(
    target: Target | bytes | None, byte_range: ByteRequest | None
) -> Target | bytes | None:
    """Return the result of a request if this is possible without a read; otherwise `target`.

    Parameters
    ----------
    target : Target, bytes or None
        The result of resolving the key; see `resolve_references`.
    byte_range : ByteRequest or None
        The requested byte range; None for the whole value.

    Returns
    -------
    Target, bytes or None
        `target` itself if a read is necessary. Otherwise the requested bytes, or None if the key is
        absent.
    """
    if isinstance(target, Target):
        # A reference proves that its key is present, so an empty byte range needs no read.
        return b"" if target.nbytes is not None and target.wants_nothing(byte_range) else target
    if target is None:
        return None
    start, stop = resolve_byte_range(byte_range, len(target))
    return target[start:stop]


def resolve_references(fs: Any, paths: Iterable[str]) -> list[Target | bytes | Exception | None]:
    """Look up the targets of references.

    If the reference document is loaded lazily, this function may read parts of the document. In
    that case, do not call this function on an event loop; see `are_in_memory`.

    Parameters
    ----------
    fs : fsspec.implementations.reference.ReferenceFileSystem
        The file system.
    paths : iterable of str
        Paths in the file system.

    Returns
    -------
    list of Target, bytes, None or Exception
        One item for each path: the target of its reference, or the inline bytes, or None if the
        path has no reference. If looking up the path fails, the item is the exception. Examples are
        a `ValueError` for a malformed reference, and a `ReferenceNotReachable` if no file system is
        known for the protocol of the target.
    """
    find_fs = cache(partial(_target_fs, fs))  # many references share one URL
    resolved: list[Target | bytes | Exception | None] = []
    for path in paths:
        try:
            resolved.append(_resolve(fs, path, find_fs))
        except Exception as error:
            resolved.append(error)
    return resolved


def _resolve(
    fs: Any, path: str, find_fs: Callable[[str], AsyncFileSystem | str]
) -> Target | bytes | None:
    try:
        reference = fs.references[fs._strip_protocol(path)]
    except KeyError:
        return None
    if hasattr(reference, "to_bytes") and not isinstance(reference, int):
        reference = reference.to_bytes()
    if isinstance(reference, str):
        reference = reference.encode()
    if isinstance(reference, bytes):
        inline = reference.startswith(b"base64:")
        return base64.b64decode(reference[7:], validate=True) if inline else reference
    url, *region = _parse_reference(reference, path, fs.target)
    target_fs = find_fs(url)
    if isinstance(target_fs, str):
        from fsspec.implementations.reference import ReferenceNotReachable

        raise ReferenceNotReachable(path, redact_url(url)) from ValueError(target_fs)
    return Target(target_fs, url, *region)


def _target_fs(fs: Any, url: str) -> AsyncFileSystem | str:
    """Return the file system for a URL, or a message if no file system is known for it."""
    from fsspec.core import split_protocol

    protocol = split_protocol(url)[0]
    found: AsyncFileSystem | None = fs.fss.get(protocol)
    return f"There is no file system for the protocol {protocol!r}." if found is None else found


def _parse_reference(reference: object, path: str, target: str | None) -> Sequence[Any]:
    """Return the URL in a reference, followed by offset and size if these are given.

    If the URL in the reference is None, `target` takes its place. An error is raised if the
    reference is malformed.
    """
    if isinstance(reference, (list, tuple)) and len(reference) in (1, 3):
        url, *region = reference
        url = target if url is None else url
        if isinstance(url, str) and all(map(_is_size, region)):
            return [url, *map(int, region)]
    raise ValueError(
        f"The reference {path!r} must be bytes, [url] or [url, offset, size], got "
        f"{redact_urls_in(repr(reference))[:200]}"
    )


def _is_size(value: object) -> bool:
    if type(value) is int:  # the common case
        return value >= 0
    is_number = isinstance(value, Integral) and not isinstance(value, bool)
    return is_number and int(cast("Any", value)) >= 0
