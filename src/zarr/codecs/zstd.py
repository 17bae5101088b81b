"""The ``zstd`` codec."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zarr.abc.codec import BytesBytesCodec
from zarr.codecs._coders import decode_by, many_decoder
from zarr.codecs._named import NamedCodec
from zarr.codecs._parse import parse_flag, parse_integer
from zarr.codecs._zstd import decode_many_zstd, decode_zstd
from zarr.core._decoded_size import limit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer

_MAX_LEVEL = 22


def parse_zstd_level(data: object) -> int:
    """Return `data` if it is a valid Zstandard compression level: an integer of at most 22.

    Raises
    ------
    TypeError
        If `data` is not an integer.
    ValueError
        If `data` is greater than 22.
    """
    level = parse_integer(data, "level")
    if level > _MAX_LEVEL:
        raise ValueError(f"Value must be less than or equal to {_MAX_LEVEL}. Got {level} instead.")
    return level


def parse_checksum(data: object) -> bool:
    """Return `data` if it is a valid ``checksum`` option: a bool.

    Raises
    ------
    TypeError
        If `data` is not a bool.
    """
    return parse_flag(data, "checksum")


@dataclass(frozen=True)
class ZstdCodec(BytesBytesCodec, NamedCodec):
    """Codec that compresses with Zstandard (RFC 8878; zarr-extensions, "zstd").

    Parameters
    ----------
    level : int
        Compression level, at most 22 (smallest output). 0 selects the default level of the library.
        Negative levels are faster than positive levels and compress less.
    checksum : bool
        Whether encoding adds a checksum to each chunk. If a chunk has a checksum, decoding
        verifies it.

    Raises
    ------
    TypeError
        If `level` is not an integer, or `checksum` is not a bool.
    ValueError
        If `level` is greater than 22.
    """

    is_fixed_size = False
    _name = "zstd"

    level: int = 0
    checksum: bool = False

    def __init__(self, *, level: int = 0, checksum: bool = False) -> None:
        object.__setattr__(self, "level", parse_zstd_level(level))
        object.__setattr__(self, "checksum", parse_checksum(checksum))

    @cached_property
    def _zstd_codec(self) -> Any:
        """The numcodecs codec that encodes chunks.

        By default, chunks are decoded with `decode_zstd`. If a subclass overrides this property,
        chunks are encoded and decoded with the codec that the subclass returns.
        """
        from numcodecs.zstd import Zstd

        return Zstd(level=self.level, checksum=self.checksum)

    def compute_encoded_size(self, _input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        # docstring inherited
        return super().compute_encoded_size(_input_byte_length, _chunk_spec)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        if type(self)._zstd_codec is not _OWN:
            return decode_by(self._zstd_codec, chunk_data, chunk_spec)
        decoded = decode_zstd(chunk_data.as_numpy_array(), limit_of(chunk_spec))
        return chunk_spec.prototype.buffer.from_bytes(decoded)

    def _many_decoder_for(
        self, chunk_spec: ArraySpec
    ) -> Callable[[Sequence[Buffer], bool], list[Buffer]]:
        """Return a function that decodes several chunks of the same spec; see `_decode_sync`."""
        if type(self)._zstd_codec is not _OWN:
            return lambda chunks, _: [self._decode_sync(each, chunk_spec) for each in chunks]
        return many_decoder(decode_many_zstd, chunk_spec)

    def _encode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        encoded = self._zstd_codec.encode(chunk_data.as_numpy_array())
        return chunk_spec.prototype.buffer.from_bytes(encoded)


_OWN = ZstdCodec._zstd_codec
