"""Data types: their names in metadata and their representation in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarr.core.dtype._bool import Bool
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
from zarr.core.dtype._complex import Complex64, Complex128
from zarr.core.dtype._float import Float16, Float32, Float64
from zarr.core.dtype._int import Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64
from zarr.core.dtype._lookup import data_type_registry
from zarr.core.dtype._lookup import get_data_type_from_json as get_data_type_from_json
from zarr.core.dtype._lookup import (
    get_data_type_from_native_dtype as get_data_type_from_native_dtype,
)
from zarr.core.dtype._lookup import is_pandas_text as is_pandas_text
from zarr.core.dtype._parse import VLEN_UTF8_ALIAS as VLEN_UTF8_ALIAS
from zarr.core.dtype._parse import ZDTypeLike as ZDTypeLike
from zarr.core.dtype._parse import parse_data_type, parse_dtype
from zarr.core.dtype._string import (
    FixedLengthUTF32,
    FixedLengthUTF32JSON_V2,
    FixedLengthUTF32JSON_V3,
    VariableLengthUTF8,
    VariableLengthUTF8JSON_V2,
)
from zarr.core.dtype._structured import (
    Struct,
    StructJSON_V3,
    Structured,
    StructuredJSON_V2,
    StructuredJSON_V3,
)
from zarr.core.dtype._time import (
    DateTime64,
    DateTime64JSON_V2,
    DateTime64JSON_V3,
    TimeDelta64,
    TimeDelta64JSON_V2,
    TimeDelta64JSON_V3,
)
from zarr.core.dtype.common import moved_error as _moved_error
from zarr.core.dtype.registry import DataTypeRegistry
from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType

__all__ = [
    "Bool",
    "Complex64",
    "Complex128",
    "DataTypeRegistry",
    "DateTime64",
    "DateTime64JSON_V2",
    "DateTime64JSON_V3",
    "FixedLengthUTF32",
    "FixedLengthUTF32JSON_V2",
    "FixedLengthUTF32JSON_V3",
    "Float16",
    "Float32",
    "Float64",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "NullTerminatedBytes",
    "NullTerminatedBytesJSON_V3",
    "NullterminatedBytesJSON_V2",
    "RawBytes",
    "RawBytesJSON_V2",
    "RawBytesJSON_V3",
    "Struct",
    "StructJSON_V3",
    "Structured",
    "StructuredJSON_V2",
    "StructuredJSON_V3",
    "TBaseDType",
    "TBaseScalar",
    "TimeDelta64",
    "TimeDelta64JSON_V2",
    "TimeDelta64JSON_V3",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "VariableLengthBytes",
    "VariableLengthBytesJSON_V2",
    "VariableLengthUTF8",
    "VariableLengthUTF8JSON_V2",
    "ZDType",
    "data_type_registry",
    "parse_data_type",
    "parse_dtype",
]

for _cls in (
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float16,
    Float32,
    Float64,
    Complex64,
    Complex128,
    FixedLengthUTF32,
    VariableLengthUTF8,
    RawBytes,
    NullTerminatedBytes,
    VariableLengthBytes,
    Struct,
    DateTime64,
    TimeDelta64,
):
    data_type_registry.register(_cls._zarr_v3_name, _cls)
del _cls

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name == "npy":  # imported lazily; only other packages use it
            from importlib import import_module

            return import_module(f"{__name__}.{name}")
        return _moved_error(__name__, name)
