"""Where the keys of an fsspec file system lie: themselves, or behind references.

On fsspec's reference file system a key is a part of another object, or bytes kept in the reference
document (kerchunk reference specification, version 1). Reads can be merged only between requests
whose target object is known.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from zarr.core._byte_ranges import ByteRequest, RangeByteRequest, resolve_byte_range

if TYPE_CHECKING:
    from fsspec.asyn import AsyncFileSystem


class Target(NamedTuple):
    """An object of a file system, or a region of one.

    Parameters
    ----------
    fs : fsspec.asyn.AsyncFileSystem
        The file system that holds the object.
    path : str
        Its path there.
    start : int
        Offset of the region in bytes.
    nbytes : int or None
        Size of the region in bytes; None for the whole object, of unknown size.
    """

    fs: AsyncFileSystem
    path: str
    start: int = 0
    nbytes: int | None = None

    def locate(self, byte_range: ByteRequest | None) -> ByteRequest | None:
        """Turn a request for part of the region into one for part of the object."""
        if self.nbytes is None:
            return byte_range
        start, stop = resolve_byte_range(byte_range, self.nbytes)
        return RangeByteRequest(self.start + start, self.start + stop)


def has_references(fs: AsyncFileSystem) -> bool:
    """Tell whether keys of a file system are references."""
    return hasattr(fs, "references") and hasattr(fs, "fss")


def resolve_references(fs: Any, paths: Iterable[str]) -> list[Target | bytes | None]:
    """Look up what references point to.

    It may read parts of a reference document that is loaded piece by piece, so it does not
    belong on an event loop.

    Parameters
    ----------
    fs : fsspec.implementations.reference.ReferenceFileSystem
        The file system.
    paths : iterable of str
        Paths in it.

    Returns
    -------
    list of Target, bytes or None
        For each path the region it stands for, the bytes kept in the reference itself, or None
        where it is not listed.

    Raises
    ------
    ValueError
        If a reference has none of the forms of the specification.
    """
    return [_resolve(fs, path) for path in paths]


def _resolve(fs: Any, path: str) -> Target | bytes | None:
    from fsspec.core import split_protocol

    try:
        reference = fs.references[fs._strip_protocol(path)]
    except KeyError:
        return None
    if hasattr(reference, "to_bytes"):
        reference = reference.to_bytes()
    if isinstance(reference, str):
        reference = reference.encode()
    if isinstance(reference, bytes):
        inline = reference.startswith(b"base64:")
        return base64.b64decode(reference[7:]) if inline else reference
    if not isinstance(reference, (list, tuple)) or len(reference) not in (1, 3):
        raise ValueError(
            f"The reference {path!r} is neither bytes nor a file or part of one: {reference!r}"
        )
    url = fs.target if reference[0] is None else reference[0]
    target_fs = fs.fss[split_protocol(url)[0]]
    if len(reference) == 1:
        return Target(target_fs, url)
    return Target(target_fs, url, int(reference[1]), int(reference[2]))
