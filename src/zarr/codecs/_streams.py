"""Decompressing what does not tell its size: gzip, zlib, bz2 and lzma, up to a limit."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from zarr.codecs._results import byte_view
from zarr.core._decoded_size import NO_LIMIT, too_large

if TYPE_CHECKING:
    from collections.abc import Callable

    from zarr.core._decoded_size import DecodedLimit

_GZIP_WINDOW_BITS = 31
_ZLIB_WINDOW_BITS = 15

# What an lzma dictionary may take at any rate, in bytes; that of the strongest preset has 64 MiB.
_LZMA_DICTIONARY_NBYTES = 512 << 20


def decode_gzip(data: Any, limit: DecodedLimit = NO_LIMIT) -> bytes:
    """Decompress gzip members.

    Parameters
    ----------
    data : numpy.ndarray or bytes-like
        Contiguous.
    limit : DecodedLimit
        How many bytes they may decompress to.

    Raises
    ------
    EOFError
        If the last member is truncated, or there is none.
    gzip.BadGzipFile, zlib.error
        If a member is corrupt.
    ValueError
        If they decompress to more than the limit.
    """
    view = byte_view(data)
    if view.nbytes == 0:
        raise EOFError("0 bytes are not a gzip member; not even its header is there.")
    most = limit.of(view.nbytes)
    # One complete member, which is the rule, needs neither the copy nor the file object that
    # numcodecs makes: 16 kB decode in 36 us instead of 62. Everything else is its matter.
    member = zlib.decompressobj(_GZIP_WINDOW_BITS)
    try:
        decoded = member.decompress(view, _one_more(most))
    except zlib.error:
        decoded = b""
    if len(decoded) > most:
        raise too_large(most)
    if member.eof and not member.unused_data:
        return decoded
    from gzip import GzipFile
    from io import BytesIO

    with GzipFile(fileobj=BytesIO(view), mode="rb") as members:
        decoded = members.read(_one_more(most))
    if len(decoded) > most:
        raise too_large(most)
    return decoded


def decode_zlib(data: Any, limit: DecodedLimit) -> bytes:
    """Decompress a zlib stream, as `zlib.decompress` does: what follows it is left alone.

    Raises
    ------
    zlib.error
        If it is truncated or corrupt.
    ValueError
        If it decompresses to more than the limit.
    """
    view = byte_view(data)
    most = limit.of(view.nbytes)
    stream = zlib.decompressobj(_ZLIB_WINDOW_BITS)
    decoded = stream.decompress(view, _one_more(most))
    if len(decoded) > most:
        raise too_large(most)
    if not stream.eof:
        raise zlib.error("Error -5 while decompressing data: incomplete or truncated stream")
    return decoded


def decode_bz2(data: Any, limit: DecodedLimit) -> bytes:
    """Decompress bz2 streams, as `bz2.decompress` does.

    Raises
    ------
    OSError
        If the first one is corrupt; what follows and is none is left alone.
    ValueError
        If one is truncated, or they decompress to more than the limit.
    """
    from bz2 import BZ2Decompressor

    if byte_view(data).nbytes == 0:
        return b""
    return _decode_streams(data, limit, BZ2Decompressor, OSError)


def decode_lzma(data: Any, limit: DecodedLimit, *, format: int, filters: Any) -> bytes:
    """Decompress lzma streams, as `lzma.decompress` does.

    Raises
    ------
    lzma.LZMAError
        If the first one is corrupt or truncated, or needs a dictionary of over 512 MiB that is
        larger than all that it may decompress to; what follows and is none is left alone.
    ValueError
        If they decompress to more than the limit.
    """
    import lzma

    nbytes = byte_view(data).nbytes
    # Raw streams have no header that could ask for a dictionary; their filters are in the metadata.
    memory = None
    if format != lzma.FORMAT_RAW:
        memory = max(_LZMA_DICTIONARY_NBYTES, min(2 * limit.of(nbytes), 1 << 62))

    def new_stream() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(format=format, memlimit=memory, filters=filters)

    try:
        return _decode_streams(data, limit, new_stream, lzma.LZMAError)
    except _Truncated as error:
        raise lzma.LZMAError(str(error)) from None


class _Truncated(ValueError):
    """A stream ends before its end."""


def _decode_streams(
    data: Any,
    limit: DecodedLimit,
    new_stream: Callable[[], Any],
    fault: type[Exception],
) -> bytes:
    """Decompress streams one after the other, by the decompressors of the standard library."""
    rest: Any = byte_view(data)
    most = limit.of(rest.nbytes)
    decoded: list[bytes] = []
    nbytes = 0
    while True:
        stream = new_stream()
        try:
            part = stream.decompress(rest, max_length=_one_more(most - nbytes))
        except fault:
            if decoded:
                break  # not a stream
            raise
        nbytes += len(part)
        if nbytes > most:
            raise too_large(most)
        if not stream.eof:
            raise _Truncated("Compressed data ended before the end-of-stream marker was reached")
        decoded.append(part)
        rest = stream.unused_data
        if not rest:
            break
    return decoded[0] if len(decoded) == 1 else b"".join(decoded)


def _one_more(nbytes: int) -> int:
    """Return a length to ask for, so that more than `nbytes` is noticed."""
    return min(nbytes, (1 << 62) - 1) + 1
