"""Build the metadata of a new array from user arguments, without I/O."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

from zarr.codecs.sharding import ShardingCodec
from zarr.core.array._types import DEFAULT_FILL_VALUE
from zarr.core.chunk_key_encodings import parse_chunk_key_encoding
from zarr.core.common import parse_order
from zarr.core.config import config as zarr_config
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata
from zarr.core.metadata.v3 import create_chunk_grid_metadata
from zarr.errors import ZarrRuntimeWarning

if TYPE_CHECKING:
    from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec, Codec
    from zarr.abc.numcodec import Numcodec
    from zarr.core.chunk_grids import ChunkGrid, ChunkLayout
    from zarr.core.chunk_key_encodings import ChunkKeyEncodingLike
    from zarr.core.common import JSON, DimensionNames, MemoryOrder, ZarrFormat
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType


def resolve_zarr_format(zarr_format: object) -> ZarrFormat:
    """Return the Zarr format of a new array.

    Parameters
    ----------
    zarr_format : {2, 3} or None
        None means the configured ``default_zarr_format``.

    Raises
    ------
    ValueError
        If the chosen format is neither 2 nor 3.
    """
    chosen = zarr_config.get("default_zarr_format") if zarr_format is None else zarr_format
    if chosen not in (2, 3):
        raise ValueError(f"zarr_format must be 2 or 3, got {chosen}")
    return cast("ZarrFormat", chosen)


def warn_order_without_effect() -> None:
    """Warn that `order` has no effect for format 3 arrays."""
    warnings.warn(
        "The `order` keyword argument has no effect for Zarr format 3 arrays. To control the memory "
        "layout of the array, either use the `config` keyword argument, as in "
        "`config={'order': 'C'}`,or change the global 'array.order' configuration variable.",
        ZarrRuntimeWarning,
        stacklevel=2,
    )


def separator_v2(encoding: object) -> Literal[".", "/"]:
    """Return the character that separates the numbers of a format 2 chunk key."""
    if encoding is None:
        return "."
    parsed: Any = parse_chunk_key_encoding(cast("Any", encoding))
    if parsed.name != "v2":
        raise ValueError(
            "Invalid chunk key encoding. For Zarr format 2 arrays, the `name` field of the chunk "
            f"key encoding must be 'v2'. Got `name` = {parsed.name} instead."
        )
    return cast("Literal['.', '/']", parsed.separator)


def join_codecs(
    chain: tuple[tuple[ArrayArrayCodec, ...], ArrayBytesCodec, tuple[BytesBytesCodec, ...]],
    layout: ChunkLayout,
    shards: object,
) -> tuple[Codec, ...]:
    """Return the codecs of an array in encoding order.

    For an array with shards, the result is a single sharding codec, which contains the codecs of
    `chain`.
    """
    filters, serializer, compressors = chain
    codecs: tuple[Codec, ...] = (*filters, serializer, *compressors)
    if layout.inner is None:
        return codecs
    location = shards.get("index_location") if isinstance(shards, Mapping) else None
    return (
        ShardingCodec(
            chunk_shape=layout.inner.outer_chunks.chunk_shape,
            codecs=codecs,
            index_location="end" if location is None else location,
        ),
    )


def build_v2(
    *,
    shape: tuple[int, ...],
    dtype: ZDType[TBaseDType, TBaseScalar],
    grid: ChunkGrid,
    fill_value: object,
    order: MemoryOrder,
    filters: tuple[Numcodec, ...] | None,
    compressor: Numcodec | None,
    dimension_separator: Literal[".", "/"],
    attributes: Mapping[str, JSON] | None,
) -> ArrayV2Metadata:
    """Return the metadata of a new format 2 array.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not valid, or if the chunk grid is not regular.
    """
    if not grid.is_regular:
        raise ValueError("Zarr format 2 does not support rectilinear chunk grids.")
    return ArrayV2Metadata(
        shape=shape,
        dtype=dtype,
        chunks=grid.chunk_shape,
        fill_value=dtype.default_scalar() if fill_value is DEFAULT_FILL_VALUE else fill_value,
        order=parse_order(order),
        dimension_separator=dimension_separator,
        compressor=cast("Any", compressor),
        filters=filters,
        attributes=attributes,
    )


def build_v3(
    *,
    shape: tuple[int, ...],
    dtype: ZDType[TBaseDType, TBaseScalar],
    grid: ChunkGrid,
    fill_value: object,
    codecs: Iterable[Codec],
    chunk_key_encoding: ChunkKeyEncodingLike | None,
    dimension_names: DimensionNames,
    attributes: Mapping[str, JSON] | None,
) -> ArrayV3Metadata:
    """Return the metadata of a new format 3 array.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not valid.
    """
    undefined = fill_value is DEFAULT_FILL_VALUE or fill_value is None
    encoding = {"name": "default"} if chunk_key_encoding is None else chunk_key_encoding
    return ArrayV3Metadata(
        shape=shape,
        data_type=dtype,
        chunk_grid=create_chunk_grid_metadata(grid),
        chunk_key_encoding=cast("Any", encoding),
        fill_value=dtype.default_scalar() if undefined else fill_value,
        codecs=codecs,
        attributes=attributes,
        # An empty sequence means that no dimension has a name, whatever the number of dimensions
        # is.
        dimension_names=dimension_names or None,
    )
