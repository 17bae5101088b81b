"""What the tests of FsspecStore share."""

from __future__ import annotations

import uuid

from zarr.core._byte_ranges import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    SuffixByteRequest,
    resolve_byte_range,
)
from zarr.core.buffer import Buffer, cpu, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import FsspecStore

PROTOTYPE = default_buffer_prototype()
TEN = b"0123456789"
RANGES: tuple[ByteRequest | None, ...] = (
    None,
    RangeByteRequest(0, 10),
    RangeByteRequest(2, 5),
    RangeByteRequest(8, 20),
    RangeByteRequest(10, 20),
    RangeByteRequest(20, 30),
    RangeByteRequest(3, 3),
    RangeByteRequest(5, 2),
    OffsetByteRequest(0),
    OffsetByteRequest(7),
    OffsetByteRequest(10),
    OffsetByteRequest(20),
    SuffixByteRequest(0),
    SuffixByteRequest(3),
    SuffixByteRequest(10),
    SuffixByteRequest(20),
)


def buffer(value: bytes) -> Buffer:
    return cpu.Buffer.from_bytes(value)


def read(store: FsspecStore, key: str, byte_range: ByteRequest | None = None) -> bytes | None:
    """Read from the loop of the synchronous API."""
    found = sync(store.get(key, PROTOTYPE, byte_range))
    return None if found is None else found.to_bytes()


def part(value: bytes, byte_range: ByteRequest | None) -> bytes:
    start, stop = resolve_byte_range(byte_range, len(value))
    return value[start:stop]


async def listed(store: FsspecStore) -> list[str]:
    return sorted([key async for key in store.list()])


def memory_root() -> str:
    return f"memory://{uuid.uuid4()}"
