"""Decompressing Zstandard with one context a thread, by `zstandard`.

numcodecs makes a context for each chunk, some 100 kB of memory, which takes as long as the work on
10 kB. And it never comes back from some streams of several frames that are cut off. What is stored
it compresses as ever: the two libraries bring different versions of the one underneath, which do
not always compress to the same bytes.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zstandard import ZstdDecompressor

# As numcodecs puts it.
_FAULT = "Zstd decompression error: invalid input data"


class _Contexts(threading.local):
    """What each thread has for itself, as two must not use it at once."""

    decompressor: ZstdDecompressor | None = None


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
