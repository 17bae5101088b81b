"""The integer data types, at an import path that other packages use."""

from zarr.core.dtype._int import (
    BaseInt,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
)
from zarr.core.dtype.npy.common import IntLike

__all__ = [
    "BaseInt",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "IntLike",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
]
