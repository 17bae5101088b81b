"""Decoding functions for numcodecs codecs, with more checks and faster paths than numcodecs."""

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

# The Blosc 1 header has one byte each for version, format version, flags and typesize. After these
# bytes, the header contains three sizes, each as a little-endian integer of 4 bytes. The last
# size is the size of the whole compressed buffer.
_BLOSC_HEADER_NBYTES = 16
_BLOSC_SIZE = slice(4, 8)
_BLOSC_COMPRESSED_SIZE = slice(12, 16)

# The three sizes in the header of a buffer that decompresses to 0 bytes: uncompressed size 0, block
# size 1, compressed size 16.
_BLOSC_SIZES_OF_NOTHING = bytes.fromhex("000000000100000010000000")

# The LZ4 codec of numcodecs stores the uncompressed size before the compressed data.
_LZ4_SIZE_NBYTES = 4

_PICKLE_ID = "pickle"
_PICKLE_OPTION = "array.allow_unsafe_pickle_decode"


def many_decoder(
    decompress: Callable[[Sequence[Any], DecodedLimit, bool], Sequence[Any]], chunk_spec: ArraySpec
) -> Callable[[Sequence[Buffer], bool], list[Buffer]]:
    """Return a function that decompresses several buffers.

    Parameters
    ----------
    decompress : callable
        A function of three arguments: a sequence of one-dimensional byte arrays, the maximum
        decompressed size of each array, and a flag that tells whether an event loop in another
        thread competes for the GIL. The function returns one bytes-like object per array.
    chunk_spec : ArraySpec
        Spec of the decoded chunks.
    """
    wrap, limit = chunk_spec.prototype.buffer.from_bytes, limit_of(chunk_spec)

    def decode(chunks: Sequence[Buffer], beside_loop: bool = False) -> list[Buffer]:
        encoded = [chunk.as_numpy_array() for chunk in chunks]
        return [wrap(data) for data in decompress(encoded, limit, beside_loop)]

    return decode


def decode_by(codec: Any, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
    """Decode a chunk with a codec that has the interface of numcodecs.

    Parameters
    ----------
    codec : numcodecs.abc.Codec or similar
        The codec.
    chunk_data : Buffer
        The encoded chunk.
    chunk_spec : ArraySpec
        Spec of the decoded chunk.
    """
    decoded = codec.decode(chunk_data.as_numpy_array())
    return chunk_spec.prototype.buffer.from_bytes(memoryview(decoded).tobytes())


@cache
def blosc_library() -> ModuleType:
    """Return the module `numcodecs.blosc`, which is imported on first use."""
    import numcodecs.blosc

    return numcodecs.blosc  # type: ignore[no-any-return]


def decode_blosc(data: npt.NDArray[Any], limit: DecodedLimit = NO_LIMIT) -> bytes:
    """Decompress a Blosc buffer, given as a one-dimensional byte array.

    Raises
    ------
    RuntimeError
        If the buffer is truncated or corrupt.
    ValueError
        If the header of the buffer declares a decompressed size above the limit.
    """
    _check_blosc_sizes(data, limit)
    try:
        decoded: bytes = blosc_library().decompress(data)
    except RuntimeError:
        # Blosc compresses 0 bytes to a buffer that consists only of a header, but it cannot
        # decompress such a buffer.
        if data.size == _BLOSC_HEADER_NBYTES and data[4:].tobytes() == _BLOSC_SIZES_OF_NOTHING:
            return b""
        raise
    return decoded


def _check_blosc_sizes(data: npt.NDArray[Any], limit: DecodedLimit) -> None:
    # The Blosc library trusts the header. Without these checks, the library would read past the end
    # of a truncated buffer or header, and would allocate as much memory as the header declares.
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
    """Decompress several Blosc buffers with little overhead per buffer; see `decode_blosc`."""
    for chunk in data:
        _check_blosc_sizes(chunk, limit)
    decompress = blosc_library().decompress
    try:
        return [decompress(chunk) for chunk in data]
    except RuntimeError:
        return [decode_blosc(chunk, limit) for chunk in data]


def decoder_of(codec: Numcodec, spec: ArraySpec, limit: DecodedLimit) -> Callable[[Any], Any]:
    """Return a function that decodes data encoded by `codec`.

    Parameters
    ----------
    codec : Numcodec
        The codec. It counts as a pickle codec if it or one of its base classes has the id of
        `numcodecs.Pickle`. For a pickle codec, each call of the returned function raises an error
        if the configuration does not allow unpickling.
    spec : ArraySpec
        Describes the chunk.
    limit : DecodedLimit
        Maximum number of decoded bytes. The limit is enforced only for codecs that can decode a
        small input to a much larger output.

    Returns
    -------
    callable
        Takes the encoded data as an array or bytes-like object, and returns the decoded data as an
        array or bytes-like object.
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
    """Return a function that decodes several chunks encoded by `codec`; see `decoder_of`.

    The second argument of the returned function tells whether an event loop in another thread
    competes for the GIL.
    """
    decode_many = _MANY.get(_name_of(codec))
    if decode_many is not None:
        return lambda data, beside_loop: decode_many(data, limit, beside_loop)
    decode = decoder_of(codec, spec, limit)
    return lambda data, _: [decode(chunk) for chunk in data]


def _name_of(codec: Numcodec) -> str:
    """Return the name of the class of a codec, with its module.

    A subclass has a different name, so the special decoders in this module are not used for the
    subclass.
    """
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
    """Decoder for a codec that unpickles data; each call checks the configuration."""

    def __init__(self, codec: Numcodec) -> None:
        self._codec = codec

    def __call__(self, data: Any) -> Any:
        if config.get(_PICKLE_OPTION, False) is not True:
            raise PickleCodecDisabledError(
                "Refusing to decode data with the 'pickle' codec: unpickling data from an untrusted "
                "source can execute arbitrary code. For data you trust, allow it with "
                f"zarr.config.set({{'{_PICKLE_OPTION}': True}}) or the environment variable "
                "ZARR_ARRAY__ALLOW_UNSAFE_PICKLE_DECODE=True. You must also allow it in "
                "numcodecs: set numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE = True, or set the "
                "environment variable NUMCODECS_ALLOW_UNSAFE_PICKLE_DECODE=1 before numcodecs is "
                "imported."
            )
        return self._codec.decode(data)
