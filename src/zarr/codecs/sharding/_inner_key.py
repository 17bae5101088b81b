"""Inner chunks in memory, for codecs that override the decoding or encoding of parts of chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarr.storage._common import StorePath
from zarr.storage._memory import MemoryStore

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer

_KEY = "chunk"


def inner_key(value: Buffer | None) -> StorePath:
    """Return a byte getter and setter for an encoded inner chunk.

    Parameters
    ----------
    value : Buffer or None
        The encoded inner chunk; None if it is absent.
    """
    return StorePath(MemoryStore({} if value is None else {_KEY: value}), _KEY)
