"""Decompressing Zstandard with one context a thread, by `zstandard`.

numcodecs makes a context for each chunk, some 100 kB of memory, which takes as long as the work on
10 kB. And it never comes back from some streams of several frames that are cut off. What is stored
it compresses as ever: the two libraries bring different versions of the one underneath, which do
not always compress to the same bytes.
"""

from __future__ import annotations

import threading
from functools import cache, partial
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from zarr.core._coalesce import MiB
from zarr.core._decoded_size import NO_LIMIT, too_large

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from zstandard import ZstdDecompressor

    from zarr.core._decoded_size import DecodedLimit

# As numcodecs puts it.
_FAULT = "Zstd decompression error: invalid input data"

# RFC 8878, section 3.1.1: the first bytes of a frame, how many bytes its content size takes by the
# first two bits of the descriptor, and the block that is one byte, repeated.
_MAGIC = bytes.fromhex("28b52ffd")
_SIZE_NBYTES = (0, 2, 4, 8)
_RLE_BLOCK = 1
_LEAST_FRAME_NBYTES = 9

# How much is decompressed at a time of what does not tell its size. It cannot become more than 32
# MiB, for a block of four bytes is one of 128 KiB at most.
_PIECE_NBYTES = 1024

# To how many bytes chunks are decompressed in one call at most. It is kept by the thread, and for
# larger chunks one call for each is as good.
_TOGETHER_NBYTES = 1 * MiB


class _Memory:
    """Memory that is used again as soon as nobody looks at it any more.

    The system takes back what is freed in such pieces, and clears it before it gives it again.
    """

    def __init__(self) -> None:
        self._memory = bytearray()

    def take(self, nbytes: int) -> memoryview:
        """Return so many bytes, of any content."""
        try:
            # Its size cannot change while somebody looks at it.
            self._memory.extend(bytes(max(1, nbytes - len(self._memory))))
        except BufferError:
            self._memory = bytearray(nbytes)
        return memoryview(self._memory)[:nbytes]


class _Contexts(threading.local):
    """What each thread has for itself, as two must not use it at once."""

    decompressor: ZstdDecompressor | None = None

    # Comes with it. What a frame says of its content in bytes; negative if it says nothing.
    content_size: Callable[[Any], int]

    def __init__(self) -> None:
        self.joined = _Memory()
        self.decoded = _Memory()


_contexts = _Contexts()


def decode_zstd(data: Any, limit: DecodedLimit = NO_LIMIT) -> bytes:
    """Decompress one Zstandard frame, or several (RFC 8878, section 3).

    Parameters
    ----------
    data : numpy.ndarray or bytes-like
        Contiguous.
    limit : DecodedLimit
        How many bytes it may decompress to.

    Raises
    ------
    RuntimeError
        If a frame is truncated or corrupt, or something else follows it.
    ValueError
        If it decompresses to more than the limit.
    """
    context = _contexts.decompressor or _new_decompressor()
    most = limit.of(len(data))
    try:
        if _contexts.content_size(data) > most:
            raise too_large(most)  # before that much is allocated; told below
        # Anything but one frame that tells its size fails, or returns no bytes if it begins with
        # an empty frame. Without the option, what follows the frame would not be looked at.
        decoded = context.decompress(data, allow_extra_data=False)
    except Exception:
        # Of a damaged frame the context may keep as much memory as its header asks for.
        _contexts.decompressor = None
        decoded = b""
    return decoded or _decode_frames(bytes(data), most)


def decode_many_zstd(
    data: Sequence[Any], limit: DecodedLimit = NO_LIMIT, beside_loop: bool = False
) -> Sequence[Any]:
    """Decompress chunks, with as little as possible in between; see `decode_zstd`.

    Parameters
    ----------
    data : sequence of bytes-like
        The encoded chunks.
    limit : DecodedLimit
        Largest decoded size of each, as for `decode_zstd`.
    beside_loop : bool
        Whether an event loop contends for the GIL meanwhile.
    """
    if len(data) > 1 and beside_loop and _takes_frames():
        return _decode_together(data) or _decode_in_order(data, limit)
    return _decode_in_order(data, limit)


def _decode_in_order(data: Sequence[Any], limit: DecodedLimit) -> list[bytes]:
    # Not `multi_decompress_to_buffer`, which damages memory where frames are damaged.
    context = _contexts.decompressor or _new_decompressor()
    decompress = partial(context.decompress, allow_extra_data=False)
    try:
        if max(map(_contexts.content_size, data), default=0) > limit.of(0):
            decoded = []
        else:
            decoded = [decompress(chunk) for chunk in data]
    except Exception:
        _contexts.decompressor = None
        decoded = []
    if len(decoded) == len(data) and all(decoded):
        return decoded
    return [decode_zstd(chunk, limit) for chunk in data]


def _decode_together(data: Sequence[Any]) -> list[Any] | None:
    """Decompress chunks in one call; None if that is not possible.

    It is if each is one whole frame: then the next one begins where the one before has ended, in
    what is stored as in what is decompressed, and each gets what it would get alone. That takes 5 us
    a chunk more than one after the other, and saves more beside the event loop: between two calls a
    thread takes the interpreter away from it, or waits for it. (Readers that are beside each other
    gain nothing.)
    """
    from numcodecs.zstd import decompress

    try:
        frames = [memoryview(chunk).cast("B") for chunk in data]
    except TypeError:
        return None  # not contiguous
    sizes = [_content_size(frame) for frame in frames]
    if not all(sizes) or sum(sizes) > _TOGETHER_NBYTES:
        return None
    joined = _contexts.joined.take(sum(map(len, frames)))
    for frame, (start, stop) in zip(frames, _places(map(len, frames))):
        joined[start:stop] = frame
    decoded = _contexts.decoded.take(sum(sizes))
    try:
        decompress(joined, decoded)
    except Exception:
        return None
    return [decoded[start:stop] for start, stop in _places(sizes)]


def _places(sizes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield where each of several things begins and ends that lie one behind the other."""
    return pairwise(accumulate(sizes, initial=0))


def _content_size(frame: memoryview) -> int:
    """Return how many bytes a chunk decompresses to; 0 unless it is one whole frame that tells."""
    if len(frame) < _LEAST_FRAME_NBYTES or frame[:4] != _MAGIC:
        return 0
    descriptor = frame[4]
    if descriptor & 0b1011:  # a reserved bit, or a dictionary
        return 0
    is_single_segment = descriptor >> 5 & 1
    nbytes = _SIZE_NBYTES[descriptor >> 6] or is_single_segment
    position = 6 - is_single_segment  # others say how large a window they need
    size = int.from_bytes(frame[position : position + nbytes], "little")
    position += nbytes
    is_last = False
    while not is_last:
        block = int.from_bytes(frame[position : position + 3], "little")
        position += 3 + (1 if block >> 1 & 3 == _RLE_BLOCK else block >> 3)
        if position > len(frame):
            return 0
        is_last = bool(block & 1)
    if descriptor & 0b100:
        position += 4  # a checksum
    if position != len(frame):
        return 0
    return size + 256 if nbytes == 2 else size


@cache
def _takes_frames() -> bool:
    """Tell whether numcodecs decompresses several frames in one call, as it does from 0.16.4 on."""
    from numcodecs.zstd import compress, decompress

    frame = compress(_MAGIC)
    decoded = bytearray(2 * len(_MAGIC))
    try:
        decompress(frame + frame, decoded)
    except Exception:
        return False
    return decoded == _MAGIC + _MAGIC


def _new_decompressor() -> ZstdDecompressor:
    from zstandard import ZstdDecompressor, frame_content_size

    _contexts.decompressor = context = ZstdDecompressor()
    _contexts.content_size = frame_content_size
    return context


def _decode_frames(data: bytes, most: int) -> bytes:
    """Decompress frames of which there may be several, that need not tell their size."""
    from zstandard import ZstdDecompressor, ZstdError

    decoded = []
    nbytes = position = 0
    while True:
        frame = ZstdDecompressor().decompressobj()
        while not frame.eof:
            piece = data[position : position + _PIECE_NBYTES]
            if not piece:
                raise RuntimeError(_FAULT)
            try:
                part = frame.decompress(piece)
            except ZstdError as error:
                raise RuntimeError(_FAULT) from error
            position += len(piece)
            nbytes += len(part)
            if nbytes > most:
                raise too_large(most)
            decoded.append(part)
        position -= len(frame.unused_data)
        if position == len(data):
            return b"".join(decoded)
