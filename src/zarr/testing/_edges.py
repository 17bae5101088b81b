"""Byte ranges for conformance tests: within a value, at its edges, and past its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer

# Byte ranges for a value of 10 bytes: within the value, at its edges, and past its end.
EDGE_RANGES: tuple[ByteRequest | None, ...] = (
    None,
    RangeByteRequest(1, 4),
    RangeByteRequest(0, 10),
    RangeByteRequest(6, 50),
    RangeByteRequest(3, 3),
    RangeByteRequest(10, 10),
    RangeByteRequest(10, 11),
    RangeByteRequest(20, 30),
    OffsetByteRequest(0),
    OffsetByteRequest(1),
    OffsetByteRequest(9),
    OffsetByteRequest(10),
    OffsetByteRequest(50),
    SuffixByteRequest(0),
    SuffixByteRequest(1),
    SuffixByteRequest(10),
    SuffixByteRequest(50),
)
TEN_BYTES = b"0123456789"


def as_bytes(value: Buffer | None) -> bytes | None:
    """Return a copy of the bytes of a value; None if the value is None."""
    return None if value is None else value.to_bytes()
