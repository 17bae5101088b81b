"""Types of the arguments that describe a new array."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NotRequired, TypedDict, TypeVar

from typing_extensions import TypeAliasType

from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec
from zarr.abc.numcodec import Numcodec
from zarr.core.common import JSON, ChunksLike
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata

T_ArrayMetadata = TypeVar("T_ArrayMetadata", bound=ArrayV2Metadata | ArrayV3Metadata)


class DefaultFillValue:
    """Type of `DEFAULT_FILL_VALUE`, the sentinel for the default fill value of the data type."""

    _instance: DefaultFillValue | None = None

    def __new__(cls) -> DefaultFillValue:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "DEFAULT_FILL_VALUE"

    def __reduce__(self) -> str:
        return "DEFAULT_FILL_VALUE"


DEFAULT_FILL_VALUE: Final = DefaultFillValue()


class ShardsConfigParam(TypedDict):
    """Dictionary with the shape of the shards, and optionally the position of the shard index."""

    shape: tuple[int, ...]
    index_location: NotRequired[Literal["start", "end"] | None]


ShardsLike = TypeAliasType("ShardsLike", ChunksLike | ShardsConfigParam | Literal["auto"])
"""Shape of the shards, ``"auto"``, or None for no shards."""

CompressorLike = TypeAliasType(
    "CompressorLike", dict[str, JSON] | BytesBytesCodec | Numcodec | Literal["auto"] | None
)
"""One codec from bytes to bytes, or its JSON form; ``"auto"`` for the default, None for no codec."""

CompressorsLike = TypeAliasType(
    "CompressorsLike",
    Iterable[dict[str, JSON] | BytesBytesCodec | Numcodec]
    | Mapping[str, JSON]
    | BytesBytesCodec
    | Numcodec
    | Literal["auto"]
    | None,
)
"""Codecs from bytes to bytes, in the order of encoding; a format 2 array has at most one."""

FiltersLike = TypeAliasType(
    "FiltersLike",
    Iterable[dict[str, JSON] | ArrayArrayCodec | Numcodec]
    | Mapping[str, JSON]
    | ArrayArrayCodec
    | Numcodec
    | Literal["auto"]
    | None,
)
"""Codecs from array to array (format 3) or codecs of numcodecs (format 2), in order."""

SerializerLike = TypeAliasType(
    "SerializerLike", dict[str, JSON] | ArrayBytesCodec | Literal["auto"]
)
"""The codec from array to bytes of a format 3 array."""
