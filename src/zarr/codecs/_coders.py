"""How numcodecs codecs are run here: with checks that the library leaves out, and sooner."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from zarr.codecs._zstd import decode_many_zstd, decode_zstd
from zarr.core.config import config
from zarr.errors import PickleCodecDisabledError

if TYPE_CHECKING:
    from types import ModuleType

    import numpy.typing as npt

    from zarr.abc.numcodec import Numcodec
    from zarr.core.buffer import Buffer, BufferPrototype

_GZIP_WINDOW_BITS = 31

# Blosc 1 header: version, version of the format, flags, typesize, and three sizes of 4 bytes each,
# little-endian, the last of them that of the whole compressed buffer.
_BLOSC_HEADER_NBYTES = 16
_BLOSC_COMPRESSED_SIZE = slice(12, 16)

# Uncompressed size 0, the block size that goes with it, compressed size 16.
_BLOSC_SIZES_OF_NOTHING = bytes.fromhex("000000000100000010000000")

_PICKLE_ID = "pickle"
_PICKLE_OPTION = "array.allow_unsafe_pickle_decode"


def many_decoder(
    decompress: Callable[[Sequence[Any]], Sequence[Any]], prototype: BufferPrototype
) -> Callable[[Sequence[Buffer]], list[Buffer]]:
    """Return what decompresses several buffers.

    Parameters
    ----------
    decompress : callable
        Takes one-dimensional arrays of bytes and returns as many bytes-like objects.
    prototype : BufferPrototype
        Its ``buffer`` class holds the results.
    """
    wrap = prototype.buffer.from_bytes

    def decode(chunks: Sequence[Buffer]) -> list[Buffer]:
        return [wrap(data) for data in decompress([chunk.as_numpy_array() for chunk in chunks])]

    return decode


@cache
def blosc_library() -> ModuleType:
    """Return `numcodecs.blosc`, imported when first used."""
    import numcodecs.blosc

    return numcodecs.blosc  # type: ignore[no-any-return]


def decode_blosc(data: npt.NDArray[Any]) -> bytes:
    """Decompress a Blosc buffer, a one-dimensional array of bytes.

    Raises
    ------
    RuntimeError
        If it is truncated or corrupt.
    """
    _check_blosc_size(data)
    try:
        decoded: bytes = blosc_library().decompress(data)
    except RuntimeError:
        # The library cannot read what it makes of 0 bytes: a header alone.
        if data.size == _BLOSC_HEADER_NBYTES and data[4:].tobytes() == _BLOSC_SIZES_OF_NOTHING:
            return b""
        raise
    return decoded


def _check_blosc_size(data: npt.NDArray[Any]) -> None:
    # Blosc believes its header and would read past the end of a truncated buffer.
    if data.size >= _BLOSC_HEADER_NBYTES:
        nbytes = int.from_bytes(data[_BLOSC_COMPRESSED_SIZE].tobytes(), "little")
        if nbytes > data.size:
            raise RuntimeError(
                f"error during blosc decompression: the buffer has {data.size} bytes, its header "
                f"says {nbytes}"
            )


def decode_many_blosc(data: Sequence[npt.NDArray[Any]]) -> list[bytes]:
    """Decompress Blosc buffers one after the other, with nothing in between; see `decode_blosc`."""
    for chunk in data:
        _check_blosc_size(chunk)
    decompress = blosc_library().decompress
    try:
        return [decompress(chunk) for chunk in data]
    except RuntimeError:
        return [decode_blosc(chunk) for chunk in data]


def decode_gzip(data: npt.NDArray[Any]) -> bytes:
    """Decompress gzip members, a one-dimensional array of bytes.

    Raises
    ------
    EOFError
        If the last member is truncated, or there is none.
    gzip.BadGzipFile, zlib.error
        If a member is corrupt.
    """
    if data.size == 0:
        raise EOFError("0 bytes are not a gzip member; not even its header is there.")
    # One complete member, which is the rule, needs neither the copy nor the file object that
    # numcodecs makes: 16 kB decode in 36 us instead of 62. Everything else is its matter.
    member = zlib.decompressobj(_GZIP_WINDOW_BITS)
    try:
        decoded = member.decompress(data.data)
    except zlib.error:
        decoded = b""
    if member.eof and not member.unused_data:
        return decoded
    from numcodecs.gzip import GZip

    whole: bytes = GZip().decode(data)
    return whole


def decoder_of(codec: Numcodec) -> Callable[[Any], Any]:
    """Return the function that decodes what `codec` encoded.

    Parameters
    ----------
    codec : Numcodec
        One that unpickles refuses to when called, unless the configuration allows it: any whose
        class or base class has the id of `numcodecs.Pickle`.

    Returns
    -------
    callable
        Takes an array or bytes-like object and returns another.
    """
    if any(
        getattr(owner, "codec_id", None) == _PICKLE_ID for owner in (codec, *type(codec).__mro__)
    ):
        return _Guarded(codec)
    decode = _CHECKED.get(_name_of(codec))
    return codec.decode if decode is None else decode


def many_decoder_of(codec: Numcodec) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Return the function that decodes several chunks that `codec` encoded; see `decoder_of`."""
    decode_many = _MANY.get(_name_of(codec))
    if decode_many is not None:
        return decode_many
    decode = decoder_of(codec)
    return lambda data: [decode(chunk) for chunk in data]


def _name_of(codec: Numcodec) -> str:
    """Return the full name of the class of a codec; a subclass has another."""
    owner = type(codec)
    return f"{owner.__module__}.{owner.__name__}"


_ZSTD = "numcodecs.zstd.Zstd"

_CHECKED: dict[str, Callable[[Any], Any]] = {
    "numcodecs.blosc.Blosc": decode_blosc,
    "numcodecs.gzip.GZip": decode_gzip,
    _ZSTD: decode_zstd,
}

_MANY: dict[str, Callable[[Sequence[Any]], Sequence[Any]]] = {
    "numcodecs.blosc.Blosc": decode_many_blosc,
    _ZSTD: decode_many_zstd,
}


class _Guarded:
    """Decodes with a codec that unpickles, if the configuration allows it at that moment."""

    def __init__(self, codec: Numcodec) -> None:
        self._codec = codec

    def __call__(self, data: Any) -> Any:
        if config.get(_PICKLE_OPTION, False) is not True:
            raise PickleCodecDisabledError(
                "Refusing to decode data with the 'pickle' codec: unpickling data from an untrusted "
                "source can execute arbitrary code. For data you trust, allow it with "
                f"zarr.config.set({{'{_PICKLE_OPTION}': True}}) or the environment variable "
                "ZARR_ARRAY__ALLOW_UNSAFE_PICKLE_DECODE=True. numcodecs has a switch of its own, "
                "which has to be on as well: numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE = True, "
                "or the environment variable NUMCODECS_ALLOW_UNSAFE_PICKLE_DECODE=1 before "
                "numcodecs is imported."
            )
        return self._codec.decode(data)
