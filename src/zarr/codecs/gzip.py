"""The ``gzip`` codec."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zarr.abc.codec import BytesBytesCodec
from zarr.codecs._named import NamedCodec
from zarr.codecs._parse import parse_integer
from zarr.codecs._streams import decode_gzip
from zarr.core._decoded_size import limit_of

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer


def parse_gzip_level(data: object) -> int:
    """Return `data` if it is a valid gzip compression level: an integer from 0 to 9.

    Raises
    ------
    TypeError
        If `data` is not an integer.
    ValueError
        If `data` is less than 0 or greater than 9.
    """
    level = parse_integer(data, "level")
    if level not in range(10):
        raise ValueError(
            f"Expected an integer from the inclusive range (0, 9). Got {level} instead."
        )
    return level


@dataclass(frozen=True)
class GzipCodec(BytesBytesCodec, NamedCodec):
    """Codec that compresses with gzip (RFC 1952; Zarr v3 core specification, "gzip codec").

    Parameters
    ----------
    level : int
        Compression level, from 0 (no compression) to 9 (smallest output).

    Raises
    ------
    TypeError
        If `level` is not an integer.
    ValueError
        If `level` is less than 0 or greater than 9.
    """

    is_fixed_size = False
    _name = "gzip"

    level: int = 5

    def __init__(self, *, level: int = 5) -> None:
        object.__setattr__(self, "level", parse_gzip_level(level))

    @cached_property
    def _codec(self) -> Any:
        from numcodecs.gzip import GZip

        return GZip(self.level)

    def compute_encoded_size(self, _input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        # docstring inherited
        return super().compute_encoded_size(_input_byte_length, _chunk_spec)

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        decoded = decode_gzip(chunk_data.as_numpy_array(), limit_of(chunk_spec))
        return chunk_spec.prototype.buffer.from_bytes(decoded)

    def _encode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        encoded = self._codec.encode(chunk_data.as_numpy_array())
        return chunk_spec.prototype.buffer.from_bytes(encoded)
