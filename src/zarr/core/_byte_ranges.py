"""Byte ranges: the bytes of a stored value that a request asks for."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import TypeAlias

from zarr.core._states import set_fields


@dataclass(frozen=True)
class RangeByteRequest:
    """The bytes from `start` up to, but not including, `end`.

    If `end` is past the end of the value, the answer ends at the end of the value. So the answer
    may be shorter than ``end - start``, or empty.

    Parameters
    ----------
    start : int
        Position of the first byte, counted from the start of the value.
    end : int
        One past the position of the last byte.
    """

    start: int
    end: int

    __setstate__ = set_fields

    def __post_init__(self) -> None:
        # If both bounds have the type int, skip the two calls to save time.
        if type(self.start) is not int or type(self.end) is not int:
            _make_plain(self, "start", self.start)
            _make_plain(self, "end", self.end)


@dataclass(frozen=True)
class OffsetByteRequest:
    """The bytes from `offset` to the end of the value; empty if `offset` is past the end.

    Parameters
    ----------
    offset : int
        Position of the first byte, counted from the start of the value.
    """

    offset: int

    __setstate__ = set_fields

    def __post_init__(self) -> None:
        _make_plain(self, "offset", self.offset)


@dataclass(frozen=True)
class SuffixByteRequest:
    """The last `suffix` bytes of the value, or the whole value if it has fewer bytes.

    Parameters
    ----------
    suffix : int
        Number of bytes.
    """

    suffix: int

    __setstate__ = set_fields

    def __post_init__(self) -> None:
        _make_plain(self, "suffix", self.suffix)


ByteRequest: TypeAlias = RangeByteRequest | OffsetByteRequest | SuffixByteRequest


def _make_plain(request: ByteRequest, name: str, bound: int) -> None:
    # Chunk manifests contain offsets as NumPy integers. These are converted to Python integers,
    # because NumPy integers can overflow.
    if isinstance(bound, Integral):
        object.__setattr__(request, name, int(bound))


class ByteRangeError(TypeError, ValueError):
    """An argument has a wrong type: it must be a byte request.

    Some stores of other packages raise a `TypeError` in this case, others raise a `ValueError`.
    This class inherits from `TypeError` and `ValueError`, so that handlers of either type catch the
    error.
    """


def resolve_byte_range(byte_range: ByteRequest | None, nbytes: int) -> tuple[int, int]:
    """Return the bounds of a byte request within a value of known size.

    Parameters
    ----------
    byte_range : ByteRequest or None
        The request; None asks for the whole value.
    nbytes : int
        Size of the value in bytes.

    Returns
    -------
    tuple of int
        ``(start, stop)`` with ``0 <= start <= stop <= nbytes``.

    Raises
    ------
    ByteRangeError
        If `byte_range` is neither a byte request nor None.
    ValueError
        If `byte_range` has a negative bound.
    """
    if byte_range is None:
        return 0, nbytes
    if (
        isinstance(byte_range, RangeByteRequest)
        and 0 <= byte_range.start <= byte_range.end <= nbytes
    ):
        return byte_range.start, byte_range.end  # the common case, which needs no further checks
    check_byte_range(byte_range)
    if isinstance(byte_range, RangeByteRequest):
        start = min(byte_range.start, nbytes)
        return start, max(start, min(byte_range.end, nbytes))
    if isinstance(byte_range, OffsetByteRequest):
        return min(byte_range.offset, nbytes), nbytes
    return max(0, nbytes - byte_range.suffix), nbytes


def is_empty_request(byte_range: ByteRequest | None) -> bool:
    """Return whether a byte request is empty for values of every size."""
    if isinstance(byte_range, RangeByteRequest):
        return byte_range.end <= byte_range.start
    return isinstance(byte_range, SuffixByteRequest) and byte_range.suffix == 0


def check_byte_range(byte_range: object) -> None:
    """Raise an error for an invalid byte request.

    Raises
    ------
    ByteRangeError
        If `byte_range` is neither a byte request nor None.
    ValueError
        If a bound is negative.
    """
    if byte_range is None:
        return
    if isinstance(byte_range, RangeByteRequest):
        bounds: tuple[int, ...] = (byte_range.start, byte_range.end)
    elif isinstance(byte_range, OffsetByteRequest):
        bounds = (byte_range.offset,)
    elif isinstance(byte_range, SuffixByteRequest):
        bounds = (byte_range.suffix,)
    else:
        raise ByteRangeError(f"Unexpected byte_range, got {byte_range}.")
    if min(bounds) < 0:
        raise ValueError(f"Negative bounds are not allowed in a byte range, got {byte_range}.")
