"""Metadata of arrays, stored as ``zarr.json`` (format 3) or ``.zarray`` (format 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from zarr.core.metadata.v2 import ArrayV2Metadata, ArrayV2MetadataDict
from zarr.core.metadata.v3 import ArrayMetadataJSON_V3, ArrayV3Metadata

ArrayMetadata: TypeAlias = ArrayV2Metadata | ArrayV3Metadata
ArrayMetadataDict: TypeAlias = ArrayV2MetadataDict | ArrayMetadataJSON_V3

__all__ = [
    "ArrayMetadata",
    "ArrayMetadataDict",
    "ArrayMetadataJSON_V3",
    "ArrayV2Metadata",
    "ArrayV2MetadataDict",
    "ArrayV3Metadata",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name != "io":  # public, but imported lazily: it depends on higher layers
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
