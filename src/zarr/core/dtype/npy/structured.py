"""The structured data types, at an import path that other packages use."""

from __future__ import annotations

from typing import TypeAlias

from zarr.core.dtype._structured import (
    Struct,
    StructJSON_V3,
    Structured,
    StructuredJSON_V2,
    StructuredJSON_V3,
)

__all__ = [
    "Struct",
    "StructJSON_V3",
    "Structured",
    "StructuredJSON_V2",
    "StructuredJSON_V3",
    "StructuredScalarLike",
]

StructuredScalarLike: TypeAlias = list[object] | tuple[object, ...] | bytes | int
