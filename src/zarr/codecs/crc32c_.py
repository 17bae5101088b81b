"""The ``crc32c`` codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zarr.abc.codec import BytesBytesCodec
from zarr.codecs._named import NamedCodec
from zarr.core.common import parse_named_configuration

if TYPE_CHECKING:
    from typing import Self

    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer
    from zarr.core.common import JSON

_CHECKSUM_NBYTES = 4


@dataclass(frozen=True)
class Crc32cCodec(BytesBytesCodec, NamedCodec):
    """Codec that appends a CRC32C checksum, and verifies the checksum when it decodes.

    The checksum has 4 bytes and is little-endian. See RFC 3720, and the Zarr v3 core specification,
    "crc32c codec".
    """

    is_fixed_size = True
    _name = "crc32c"

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        # docstring inherited
        parse_named_configuration(data, cls._name, require_configuration=False)
        return cls()

    def _configuration(self) -> dict[str, JSON] | None:
        return None

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        # docstring inherited
        return input_byte_length + _CHECKSUM_NBYTES

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        data = chunk_data.as_numpy_array()
        stored = data[-_CHECKSUM_NBYTES:].tobytes()
        computed = _checksum(data[:-_CHECKSUM_NBYTES])
        if stored != computed:
            raise ValueError(
                "Stored and computed checksum do not match. "
                f"Stored: {stored!r}. Computed: {computed!r}."
            )
        return chunk_data[:-_CHECKSUM_NBYTES]

    def _encode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        data = chunk_data.as_numpy_array()
        encoded = np.empty(data.size + _CHECKSUM_NBYTES, dtype="B")
        encoded[:-_CHECKSUM_NBYTES] = data.view("B")
        encoded[-_CHECKSUM_NBYTES:] = np.frombuffer(_checksum(data), dtype="B")
        return chunk_spec.prototype.buffer.from_bytes(encoded.data)


def _checksum(data: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> bytes:
    import google_crc32c

    value: int = google_crc32c.value(data)
    return value.to_bytes(_CHECKSUM_NBYTES, "little")
