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
    from collections.abc import Callable

# A context to compress grows with its input and level, up to hundreds of MB, and is kept.
_SMALL_NBYTES = 256 * KiB

# As numcodecs puts it.
_FAULT = "Zstd decompression error: invalid input data"


class _Contexts(threading.local):
    """What each thread has for itself, as two must not use it at once."""

    decompress: Callable[[Any], bytes] | None = None
    compress: Callable[[Any], bytes] | None = None
    compresses: tuple[int, bool] | None = None


_contexts = _Contexts()


def decompressor() -> Callable[[Any], bytes]:
    """Return what decompresses one frame that tells its size, in this thread only.

    It raises for anything else, and returns no bytes for what begins with an empty frame, whatever
    follows.
    """
    decompress = _contexts.decompress
    if decompress is None:
        from zstandard import ZstdDecompressor

        # Without the option, what follows the frame would not be looked at.
        decompress = partial(ZstdDecompressor().decompress, allow_extra_data=False)
        _contexts.decompress = decompress
    return decompress


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
    try:
        decoded = (_contexts.decompress or decompressor())(data)
    except Exception:
        # Of a damaged frame the context may keep as much memory as its header asks for.
        _contexts.decompress = None
        decoded = b""
    return decoded or _decode_frames(bytes(data))


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
    compress = _contexts.compress
    if compress is None or _contexts.compresses != (level, checksum):
        from zstandard import MAX_COMPRESSION_LEVEL, ZstdCompressor

        if level > MAX_COMPRESSION_LEVEL:
            return _encode_anything(data, level, checksum)
        compressor: Any = ZstdCompressor(level=level, write_checksum=checksum)
        compress = compressor.compress
        _contexts.compress, _contexts.compresses = compress, (level, checksum)
    return compress(data)


def _encode_anything(data: Any, level: int, checksum: bool) -> bytes:
    from numcodecs.zstd import Zstd

    encoded: bytes = Zstd(level=level, checksum=checksum).encode(data)
    return encoded
