"""Zstandard decompression with the package `zstandard` and one context per thread.

numcodecs creates a context of about 100 kB for each chunk. Creating a context takes as long as
decompressing 10 kB. Besides, numcodecs hangs when it decompresses certain truncated streams of
several frames. Compression still uses numcodecs, because numcodecs and `zstandard` bundle different
versions of the Zstandard library, which do not always produce the same bytes.
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

# The message with which numcodecs rejects invalid data.
_FAULT = "Zstd decompression error: invalid input data"

# Constants of RFC 8878, section 3.1.1. `_MAGIC` is the magic number of a frame. `_SIZE_NBYTES`
# contains the size of the content size field in bytes, indexed by the two highest bits of the frame
# descriptor. `_RLE_BLOCK` is the type of a block that repeats a byte. `_LEAST_FRAME_NBYTES` is the
# size of the smallest frame in bytes.
_MAGIC = bytes.fromhex("28b52ffd")
_SIZE_NBYTES = (0, 2, 4, 8)
_RLE_BLOCK = 1
_LEAST_FRAME_NBYTES = 9

# Number of input bytes that are decompressed in one step, for a frame that may lack a content size.
# The output of one step is at most 32 MiB, because a block takes at least 4 bytes and decompresses
# to at most 128 KiB.
_PIECE_NBYTES = 1024

# Maximum total decoded size of the chunks that are decompressed in one call. Each thread keeps a
# buffer of up to this size. For larger chunks, one call for all chunks is no faster than a separate
# call for each chunk.
_TOGETHER_NBYTES = 1 * MiB


class _Memory:
    """A buffer that is reused as soon as no view of it exists.

    Allocating a new buffer each time would be slower. When a buffer of this size is freed, its
    memory returns to the operating system, which has to clear the memory for the next buffer.
    """

    def __init__(self) -> None:
        self._memory = bytearray()

    def take(self, nbytes: int) -> memoryview:
        """Return a view of `nbytes` bytes with arbitrary content."""
        try:
            # Resizing raises BufferError if a view of the buffer exists. To detect such a view, a
            # buffer that is large enough is resized by one byte, and then resized back.
            self._memory.extend(bytes(max(1, nbytes - len(self._memory))))
            if len(self._memory) > nbytes:
                self._memory.pop()
        except BufferError:
            self._memory = bytearray(nbytes)
        return memoryview(self._memory)[:nbytes]


class _Contexts(threading.local):
    """The decompression objects of one thread; threads must not share them."""

    decompressor: ZstdDecompressor | None = None

    # `content_size` is set together with `decompressor`. `content_size` returns the content size of
    # a frame in bytes, or a negative number if the frame does not store the size.
    content_size: Callable[[Any], int]

    def __init__(self) -> None:
        self.joined = _Memory()
        self.decoded = _Memory()


_contexts = _Contexts()


def decode_zstd(data: Any, limit: DecodedLimit = NO_LIMIT) -> bytes:
    """Decompress one or more Zstandard frames (RFC 8878, section 3).

    Parameters
    ----------
    data : numpy.ndarray or bytes-like
        The compressed data; must be contiguous.
    limit : DecodedLimit
        Maximum number of decompressed bytes.

    Raises
    ------
    RuntimeError
        If a frame is truncated or corrupt, or is followed by other data.
    ValueError
        If the decompressed size exceeds the limit.
    """
    context = _contexts.decompressor or _new_decompressor()
    most = limit.of(len(data))
    try:
        if _contexts.content_size(data) > most:
            # Decoding stops here, before memory is allocated. The `except` clause below catches the
            # error that is raised here. `_decode_frames` then raises an error with the same
            # message. If the frame is truncated or corrupt, `_decode_frames` can raise a
            # `RuntimeError` instead.
            raise too_large(most)
        # This call fails unless the data are exactly one frame with a content size. The call
        # returns no bytes if the first frame is empty. Without `allow_extra_data=False`, data after
        # the frame would be ignored.
        decoded = context.decompress(data, allow_extra_data=False)
    except Exception:
        # Drop the context. After a damaged frame, a context may keep as much memory as the header
        # of the frame requested.
        _contexts.decompressor = None
        decoded = b""
    return decoded or _decode_frames(bytes(data), most)


def decode_many_zstd(
    data: Sequence[Any], limit: DecodedLimit = NO_LIMIT, beside_loop: bool = False
) -> Sequence[Any]:
    """Decompress several chunks with little overhead per chunk; see `decode_zstd`.

    Parameters
    ----------
    data : sequence of bytes-like
        The encoded chunks.
    limit : DecodedLimit
        Maximum decoded size of each chunk.
    beside_loop : bool
        Whether an event loop in another thread competes with this thread for the GIL.
    """
    if len(data) > 1 and beside_loop and _takes_frames():
        return _decode_together(data) or _decode_in_order(data, limit)
    return _decode_in_order(data, limit)


def _decode_in_order(data: Sequence[Any], limit: DecodedLimit) -> list[bytes]:
    # `multi_decompress_to_buffer` is not used, because it corrupts memory if a frame is damaged.
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
    """Decompress chunks in one call; return None if they cannot be decompressed in one call.

    One call is possible only if each chunk is exactly one frame with a content size, and if the
    total size of the decoded chunks is at most 1 MiB. The decoded chunks are contiguous in the
    output, in the order of the frames in the input.

    A single call for all chunks takes 5 us more per chunk than separate calls. It nevertheless
    saves time if an event loop runs in another thread. Between separate calls, the calling thread
    and the thread of the loop would contend for the GIL. Without an event loop, the single call
    saves no time, even if several threads read concurrently.
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
    """Yield the start and stop of consecutive parts with the given sizes."""
    return pairwise(accumulate(sizes, initial=0))


def _content_size(frame: memoryview) -> int:
    """Return the decoded size of a chunk that is exactly one frame with a content size.

    The result is 0 if the chunk is not such a frame, or if the frame uses a dictionary.
    """
    if len(frame) < _LEAST_FRAME_NBYTES or frame[:4] != _MAGIC:
        return 0
    descriptor = frame[4]
    if descriptor & 0b1011:  # the reserved bit is set, or the frame uses a dictionary
        return 0
    is_single_segment = descriptor >> 5 & 1
    nbytes = _SIZE_NBYTES[descriptor >> 6] or is_single_segment
    # The header of a single-segment frame lacks the byte for the window size.
    position = 6 - is_single_segment
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
    """Return whether numcodecs can decompress several frames in one call (since 0.16.4)."""
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
    """Decompress one or more frames, which may lack a content size."""
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
