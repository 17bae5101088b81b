"""How numcodecs codecs are run here: with checks that the library leaves out, and sooner."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from zarr.codecs._counts import decode_items, decode_vlen
from zarr.codecs._results import byte_view
from zarr.codecs._streams import decode_bz2, decode_gzip, decode_lzma, decode_zlib
from zarr.codecs._zstd import decode_many_zstd, decode_zstd
from zarr.core._decoded_size import NO_LIMIT, limit_of, too_large, unknown
from zarr.core.config import config
from zarr.errors import PickleCodecDisabledError

if TYPE_CHECKING:
    from types import ModuleType

    import numpy.typing as npt

    from zarr.abc.numcodec import Numcodec
    from zarr.core._decoded_size import DecodedLimit
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer

# Blosc 1 header: version, version of the format, flags, typesize, and three sizes of 4 bytes each,
# little-endian, the last of them that of the whole compressed buffer.
_BLOSC_HEADER_NBYTES = 16
_BLOSC_SIZE = slice(4, 8)
_BLOSC_COMPRESSED_SIZE = slice(12, 16)

# Uncompressed size 0, the block size that goes with it, compressed size 16.
_BLOSC_SIZES_OF_NOTHING = bytes.fromhex("000000000100000010000000")

# What LZ4 writes in front: the uncompressed size.
_LZ4_SIZE_NBYTES = 4

_PICKLE_ID = "pickle"
_PICKLE_OPTION = "array.allow_unsafe_pickle_decode"


def many_decoder(
    decompress: Callable[[Sequence[Any], DecodedLimit, bool], Sequence[Any]], chunk_spec: ArraySpec
) -> Callable[[Sequence[Buffer], bool], list[Buffer]]:
    """Return what decompresses several buffers.

    Parameters
    ----------
    decompress : callable
        Takes one-dimensional arrays of bytes, how many bytes each may decompress to, and whether an
        event loop contends for the GIL meanwhile. Returns as many bytes-like objects.
    chunk_spec : ArraySpec
        What the codec sees.
    """
    wrap, limit = chunk_spec.prototype.buffer.from_bytes, limit_of(chunk_spec)

    def decode(chunks: Sequence[Buffer], beside_loop: bool = False) -> list[Buffer]:
        encoded = [chunk.as_numpy_array() for chunk in chunks]
        return [wrap(data) for data in decompress(encoded, limit, beside_loop)]

    return decode


def decode_by(codec: Any, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
    """Return what a codec with the methods of those of numcodecs decodes.

    Parameters
    ----------
    codec : numcodecs.abc.Codec or similar
        The codec.
    chunk_data : Buffer
        What it encoded.
    chunk_spec : ArraySpec
        What the codec around it sees.
    """
    decoded = codec.decode(chunk_data.as_numpy_array())
    return chunk_spec.prototype.buffer.from_bytes(memoryview(decoded).tobytes())


@cache
def blosc_library() -> ModuleType:
    """Return `numcodecs.blosc`, imported when first used."""
    import numcodecs.blosc

    return numcodecs.blosc  # type: ignore[no-any-return]


def decode_blosc(data: npt.NDArray[Any], limit: DecodedLimit = NO_LIMIT) -> bytes:
    """Decompress a Blosc buffer, a one-dimensional array of bytes.

    Raises
    ------
    RuntimeError
        If it is truncated or corrupt.
    ValueError
        If it says to decompress to more than the limit.
    """
    _check_blosc_sizes(data, limit)
    try:
        decoded: bytes = blosc_library().decompress(data)
    except RuntimeError:
        # The library cannot read what it makes of 0 bytes: a header alone.
        if data.size == _BLOSC_HEADER_NBYTES and data[4:].tobytes() == _BLOSC_SIZES_OF_NOTHING:
            return b""
        raise
    return decoded


def _check_blosc_sizes(data: npt.NDArray[Any], limit: DecodedLimit) -> None:
    # Blosc believes its header: it would read past the end of a truncated buffer, and makes room
    # for as much as that says. Of a header that is cut off it would read what lies behind.
    if data.size < _BLOSC_HEADER_NBYTES:
        raise RuntimeError(
            f"error during blosc decompression: the buffer has {data.size} bytes, fewer than a header"
        )
    header = data[:_BLOSC_HEADER_NBYTES].tobytes()
    nbytes = int.from_bytes(header[_BLOSC_COMPRESSED_SIZE], "little")
    if nbytes > data.size:
        raise RuntimeError(
            f"error during blosc decompression: the buffer has {data.size} bytes, its header "
            f"says {nbytes}"
        )
    if int.from_bytes(header[_BLOSC_SIZE], "little") > limit.of(data.size):
        raise too_large(limit.of(data.size))


def decode_many_blosc(
    data: Sequence[npt.NDArray[Any]], limit: DecodedLimit = NO_LIMIT, beside_loop: bool = False
) -> list[bytes]:
    """Decompress Blosc buffers one after the other, with nothing in between; see `decode_blosc`."""
    for chunk in data:
        _check_blosc_sizes(chunk, limit)
    decompress = blosc_library().decompress
    try:
        return [decompress(chunk) for chunk in data]
    except RuntimeError:
        return [decode_blosc(chunk, limit) for chunk in data]


def decoder_of(codec: Numcodec, spec: ArraySpec, limit: DecodedLimit) -> Callable[[Any], Any]:
    """Return the function that decodes what `codec` encoded.

    Parameters
    ----------
    codec : Numcodec
        One that unpickles refuses to when called, unless the configuration allows it: any whose
        class or base class has the id of `numcodecs.Pickle`.
    spec : ArraySpec
        Describes the chunk.
    limit : DecodedLimit
        How many bytes it may decode to. Codecs whose input can ask for more memory than a multiple
        of its size are held to it.

    Returns
    -------
    callable
        Takes an array or bytes-like object and returns another.
    """
    if any(
        getattr(owner, "codec_id", None) == _PICKLE_ID for owner in (codec, *type(codec).__mro__)
    ):
        return _Guarded(codec)
    name = _name_of(codec)
    if name in _CHECKED:
        return partial(_CHECKED[name], limit=limit)
    if name in _COUNTED:
        return partial(decode_vlen, codec, shape=spec.shape)
    if name in _ITEMIZED:
        return partial(_ITEMIZED[name], codec, spec.shape, unknown(spec))
    if name == "numcodecs.lz4.LZ4":
        return partial(_decode_lz4, codec, limit=limit)
    if name == "numcodecs.lzma.LZMA":
        made: Any = codec
        return partial(decode_lzma, limit=limit, format=made.format, filters=made.filters)
    return codec.decode


def many_decoder_of(
    codec: Numcodec, spec: ArraySpec, limit: DecodedLimit
) -> Callable[[Sequence[Any], bool], Sequence[Any]]:
    """Return the function that decodes several chunks that `codec` encoded; see `decoder_of`.

    It is also told whether an event loop contends for the GIL.
    """
    decode_many = _MANY.get(_name_of(codec))
    if decode_many is not None:
        return lambda data, beside_loop: decode_many(data, limit, beside_loop)
    decode = decoder_of(codec, spec, limit)
    return lambda data, _: [decode(chunk) for chunk in data]


def _name_of(codec: Numcodec) -> str:
    """Return the full name of the class of a codec; a subclass has another."""
    owner = type(codec)
    return f"{owner.__module__}.{owner.__name__}"


def _decode_lz4(codec: Numcodec, data: Any, limit: DecodedLimit) -> Any:
    encoded = byte_view(data)
    most = limit.of(encoded.nbytes)
    if int.from_bytes(encoded[:_LZ4_SIZE_NBYTES], "little") > most:
        raise too_large(most)
    return codec.decode(data)


def _decode_json(codec: Any, shape: tuple[int, ...], limit: DecodedLimit, data: Any) -> Any:
    parameters = codec.get_config()
    text = bytes(byte_view(data)).decode(parameters["encoding"])
    items = json.loads(text, strict=parameters["strict"])
    return decode_items(items, shape, limit.of(len(text)))


def _decode_msgpack(codec: Any, shape: tuple[int, ...], limit: DecodedLimit, data: Any) -> Any:
    encoded = byte_view(data)
    items = import_module("msgpack").unpackb(encoded, raw=codec.raw)
    return decode_items(items, shape, limit.of(encoded.nbytes))


_ZSTD = "numcodecs.zstd.Zstd"

_CHECKED: dict[str, Callable[..., Any]] = {
    "numcodecs.blosc.Blosc": decode_blosc,
    "numcodecs.bz2.BZ2": decode_bz2,
    "numcodecs.gzip.GZip": decode_gzip,
    "numcodecs.zlib.Zlib": decode_zlib,
    _ZSTD: decode_zstd,
}

_COUNTED = frozenset(f"numcodecs.vlen.VLen{kind}" for kind in ("UTF8", "Bytes", "Array"))

_ITEMIZED: dict[str, Callable[..., Any]] = {
    "numcodecs.json.JSON": _decode_json,
    "numcodecs.msgpacks.MsgPack": _decode_msgpack,
}

_MANY: dict[str, Callable[..., Sequence[Any]]] = {
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
