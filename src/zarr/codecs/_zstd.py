"""Zstandard with one context a thread, by `zstandard`.

numcodecs makes a context for each chunk, some 100 kB of memory to decompress and more to compress,
which takes as long as the work on 10 kB. And it never comes back from some streams of several
frames that are cut off.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from zarr.core._coalesce import KiB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zstandard import ZstdCompressor, ZstdDecompressor

# A context to compress grows with its input and level, up to hundreds of MB, and is kept.
_SMALL_NBYTES = 256 * KiB

# As numcodecs puts it.
_FAULT = "Zstd decompression error: invalid input data"


class _Contexts(threading.local):
    """What each thread has for itself, as two must not use it at once."""

    decompressor: ZstdDecompressor | None = None
    compressor: ZstdCompressor | None = None
    compresses: tuple[int, bool] | None = None


_contexts = _Contexts()


def decode_zstd(data: Any) -> bytes:
    """Decompress one Zstandard frame, or several (RFC 8878, section 3).

    Parameters
    ----------
    data : numpy.ndarray or bytes-like
        Contiguous.

    Raises
    ------
    RuntimeError
        If a frame is truncated or corrupt, or something else follows it.
    """
    context = _contexts.decompressor or _new_decompressor()
    try:
        # Anything but one frame that tells its size fails, or returns no bytes if it begins with
        # an empty frame. Without the option, what follows the frame would not be looked at.
        decoded = context.decompress(data, allow_extra_data=False)
    except Exception:
        # Of a damaged frame the context may keep as much memory as its header asks for.
        _contexts.decompressor = None
        decoded = b""
    return decoded or _decode_frames(bytes(data))


def decode_many_zstd(data: Sequence[Any]) -> list[bytes]:
    """Decompress chunks one after the other, with nothing in between; see `decode_zstd`."""
    # Not `multi_decompress_to_buffer`, which damages memory where frames are damaged.
    context = _contexts.decompressor or _new_decompressor()
    decompress = partial(context.decompress, allow_extra_data=False)
    try:
        decoded = [decompress(chunk) for chunk in data]
    except Exception:
        _contexts.decompressor = None
        decoded = []
    if len(decoded) == len(data) and all(decoded):
        return decoded
    return [decode_zstd(chunk) for chunk in data]


def _new_decompressor() -> ZstdDecompressor:
    from zstandard import ZstdDecompressor

    _contexts.decompressor = context = ZstdDecompressor()
    return context


def _decode_frames(data: bytes) -> bytes:
    """Decompress frames of which there may be several, that need not tell their size."""
    from zstandard import ZstdDecompressor, ZstdError

    decoded = []
    while True:
        frame = ZstdDecompressor().decompressobj()
        try:
            decoded.append(frame.decompress(data))
        except ZstdError as error:
            raise RuntimeError(_FAULT) from error
        if not frame.eof:
            raise RuntimeError(_FAULT)
        data = frame.unused_data
        if not data:
            return b"".join(decoded)


def encode_zstd(data: Any, level: int, checksum: bool) -> bytes:
    """Compress to one Zstandard frame, which tells its size.

    Parameters
    ----------
    data : numpy.ndarray or bytes-like
        What is compressed, in memory order.
    level : int
        0 for the library's default.
    checksum : bool
        Whether the frame carries a checksum of its content.
    """
    if (
        type(data) is not np.ndarray
        or data.nbytes > _SMALL_NBYTES
        or not data.flags.c_contiguous
        # Their memory holds addresses. numcodecs refuses them.
        or data.dtype.hasobject
    ):
        return _encode_anything(data, level, checksum)
    context = _contexts.compressor
    if context is None or _contexts.compresses != (level, checksum):
        from zstandard import MAX_COMPRESSION_LEVEL, ZstdCompressor

        if level > MAX_COMPRESSION_LEVEL:
            return _encode_anything(data, level, checksum)
        context = ZstdCompressor(level=level, write_checksum=checksum)
        _contexts.compressor, _contexts.compresses = context, (level, checksum)
    compress: Any = context.compress
    encoded: bytes = compress(data)
    return encoded


def _encode_anything(data: Any, level: int, checksum: bool) -> bytes:
    from numcodecs.zstd import Zstd

    encoded: bytes = Zstd(level=level, checksum=checksum).encode(data)
    return encoded
