"""The metadata of a new array, from what a user gave; no I/O."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

from zarr.codecs.sharding import ShardingCodec
from zarr.core.array._parse import parse_chunk_layout, parse_codecs_v2, parse_codecs_v3
from zarr.core.array._types import DEFAULT_FILL_VALUE
from zarr.core.array_spec import ArrayConfig, parse_array_config
from zarr.core.chunk_key_encodings import parse_chunk_key_encoding
from zarr.core.common import parse_order, parse_shapelike
from zarr.core.config import config as zarr_config
from zarr.core.dtype import parse_dtype
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata
from zarr.core.metadata.v3 import create_chunk_grid_metadata
from zarr.errors import ZarrRuntimeWarning

if TYPE_CHECKING:
    from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec, Codec
    from zarr.abc.numcodec import Numcodec
    from zarr.core.array_spec import ArrayConfigParams
    from zarr.core.chunk_grids import ChunkGrid, ChunkLayout
    from zarr.core.chunk_key_encodings import ChunkKeyEncodingLike
    from zarr.core.common import JSON, DimensionNames, MemoryOrder, ShapeLike, ZarrFormat
    from zarr.core.dtype import ZDTypeLike
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType
    from zarr.core.metadata import ArrayMetadata


def resolve_zarr_format(zarr_format: object) -> ZarrFormat:
    """Return the format of a new array.

    Parameters
    ----------
    zarr_format : {2, 3} or None
        None for the configured ``default_zarr_format``.

    Raises
    ------
    ValueError
        If it is neither 2 nor 3.
    """
    chosen = zarr_config.get("default_zarr_format") if zarr_format is None else zarr_format
    if chosen not in (2, 3):
        raise ValueError(f"zarr_format must be 2 or 3, got {chosen}")
    return cast("ZarrFormat", chosen)


def warn_order_without_effect() -> None:
    """Tell the user that a format 3 array does not store a memory layout."""
    warnings.warn(
        "The `order` keyword argument has no effect for Zarr format 3 arrays. To control the memory "
        "layout of the array, either use the `config` keyword argument, as in "
        "`config={'order': 'C'}`,or change the global 'array.order' configuration variable.",
        ZarrRuntimeWarning,
        stacklevel=3,
    )


def build_metadata(
    *,
    shape: ShapeLike,
    dtype: ZDTypeLike,
    chunks: object,
    shards: object,
    filters: object,
    compressors: object,
    serializer: object,
    fill_value: object,
    order: MemoryOrder | None,
    zarr_format: ZarrFormat | None,
    attributes: Mapping[str, JSON] | None,
    chunk_key_encoding: ChunkKeyEncodingLike | None,
    dimension_names: DimensionNames,
    config: ArrayConfig | ArrayConfigParams | None,
) -> tuple[ArrayMetadata, ArrayConfig]:
    """Return the metadata and the options of a new array; parameters are those of `init_array`.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not valid, or does not go with the format or with another parameter.
    """
    zarr_format = resolve_zarr_format(zarr_format)
    lengths = parse_shapelike(shape)
    data_type = parse_dtype(dtype, zarr_format=zarr_format)
    options = parse_array_config(config)
    if zarr_format == 2:
        if dimension_names is not None:
            raise ValueError("Zarr format 2 arrays do not support dimension names.")
        if serializer != "auto":
            raise ValueError("Zarr format 2 arrays do not support `serializer`.")
        if shards is not None:
            shard_shape = shards.get("shape") if isinstance(shards, Mapping) else shards
            raise ValueError(
                "Zarr format 2 arrays can only be created with `shard_shape` set to `None`. "
                f"Got `shard_shape={shard_shape}` instead."
            )
        codecs = parse_codecs_v2(filters, compressors, data_type)
        layout = parse_chunk_layout(chunks, None, lengths, data_type)
        metadata_v2 = build_v2(
            shape=lengths,
            dtype=data_type,
            grid=layout.outer_chunks,
            fill_value=fill_value,
            # Which order is stored, `config` does not say: that is for reading.
            order=parse_array_config(None).order if order is None else order,
            filters=codecs[0],
            compressor=codecs[1],
            dimension_separator=_separator_v2(chunk_key_encoding),
            attributes=attributes,
        )
        return metadata_v2, options
    if order is not None:
        warn_order_without_effect()
    chain = parse_codecs_v3(filters, serializer, compressors, data_type)
    layout = parse_chunk_layout(chunks, shards, lengths, data_type)
    metadata_v3 = build_v3(
        shape=lengths,
        dtype=data_type,
        grid=layout.outer_chunks,
        fill_value=fill_value,
        codecs=_join_codecs(chain, layout, shards),
        chunk_key_encoding=chunk_key_encoding,
        dimension_names=dimension_names,
        attributes=attributes,
    )
    return metadata_v3, options


def _separator_v2(encoding: object) -> Literal[".", "/"]:
    if encoding is None:
        return "."
    parsed: Any = parse_chunk_key_encoding(cast("Any", encoding))
    if parsed.name != "v2":
        raise ValueError(
            "Invalid chunk key encoding. For Zarr format 2 arrays, the `name` field of the chunk "
            f"key encoding must be 'v2'. Got `name` = {parsed.name} instead."
        )
    return cast("Literal['.', '/']", parsed.separator)


def _join_codecs(
    chain: tuple[tuple[ArrayArrayCodec, ...], ArrayBytesCodec, tuple[BytesBytesCodec, ...]],
    layout: ChunkLayout,
    shards: object,
) -> tuple[Codec, ...]:
    """Return the codecs in the order of encoding, within a sharding codec where there are shards."""
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
        If a parameter is not valid, or the chunks are not regular.
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
        dimension_names=dimension_names,
    )
