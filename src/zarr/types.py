"""Type aliases for annotations: arrays, JSON values, and data types in metadata.

`Array` and `AsyncArray` have three aliases each: for arrays of Zarr format 2, for arrays of format
3, and for arrays of either format.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import TypeAliasType

from zarr.core.array import Array, AsyncArray
from zarr.core.common import JSON, ZarrFormat
from zarr.core.dtype.common import DTypeConfig_V2, DTypeJSON
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata

__all__ = [
    "JSON",
    "AnyArray",
    "AnyAsyncArray",
    "ArrayV2",
    "ArrayV3",
    "AsyncArrayV2",
    "AsyncArrayV3",
    "DTypeConfig_V2",
    "DTypeJSON",
    "ZarrFormat",
]

AnyArray = TypeAliasType("AnyArray", Array[Any])
"""An array of either format."""

AnyAsyncArray = TypeAliasType("AnyAsyncArray", AsyncArray[Any])
"""An array of either format, for the asynchronous API."""

ArrayV2 = TypeAliasType("ArrayV2", Array[ArrayV2Metadata])
"""A format 2 array."""

ArrayV3 = TypeAliasType("ArrayV3", Array[ArrayV3Metadata])
"""A format 3 array."""

AsyncArrayV2 = TypeAliasType("AsyncArrayV2", AsyncArray[ArrayV2Metadata])
"""A format 2 array, for the asynchronous API."""

AsyncArrayV3 = TypeAliasType("AsyncArrayV3", AsyncArray[ArrayV3Metadata])
"""A format 3 array, for the asynchronous API."""
