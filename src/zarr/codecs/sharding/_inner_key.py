"""Access to inner chunks in memory, for codecs that override partial decoding or encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarr.storage._common import StorePath
from zarr.storage._memory import MemoryStore

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer

_KEY = "chunk"


def inner_key(value: Buffer | None) -> StorePath:
    """Return an object with which a codec reads and writes an encoded inner chunk in memory.

    Parameters
    ----------
    value : Buffer or None
        The encoded inner chunk; None if it is absent.
    """
    return StorePath(MemoryStore({} if value is None else {_KEY: value}), _KEY)
