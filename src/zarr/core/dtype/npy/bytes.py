"""The byte string data types, at an import path that other packages use."""

from zarr.core.common import BytesLike
from zarr.core.dtype._bytes import (
    NullTerminatedBytes,
    NullterminatedBytesJSON_V2,
    NullTerminatedBytesJSON_V3,
    RawBytes,
    RawBytesJSON_V2,
    RawBytesJSON_V3,
    VariableLengthBytes,
    VariableLengthBytesJSON_V2,
)
from zarr.core.dtype._string import LengthBytesConfig as FixedLengthBytesConfig

__all__ = [
    "BytesLike",
    "FixedLengthBytesConfig",
    "NullTerminatedBytes",
    "NullTerminatedBytesJSON_V3",
    "NullterminatedBytesJSON_V2",
    "RawBytes",
    "RawBytesJSON_V2",
    "RawBytesJSON_V3",
    "VariableLengthBytes",
    "VariableLengthBytesJSON_V2",
]
