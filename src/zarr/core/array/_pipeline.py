"""Codec pipeline, chunk grid and chunk specs of an array."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zarr.codecs._v2 import V2Codec
from zarr.core.array_spec import ArraySpec
from zarr.core.chunk_grids import ChunkGrid
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata
from zarr.registry import get_pipeline_class

if TYPE_CHECKING:
    from zarr.abc.codec import CodecPipeline
    from zarr.abc.store import Store
    from zarr.core.array_spec import ArrayConfig
    from zarr.core.buffer import BufferPrototype
    from zarr.core.metadata import ArrayMetadata


def create_codec_pipeline(metadata: ArrayMetadata, *, store: Store | None = None) -> CodecPipeline:
    """Create a codec pipeline of the configured class for the codecs of an array.

    Parameters
    ----------
    metadata : ArrayV2Metadata or ArrayV3Metadata
        Metadata of the array.
    store : Store or None
        Store of the array, passed to pipeline classes that access the store directly; None if the
        array has no store yet.

    Raises
    ------
    TypeError
        If `metadata` is not the metadata of an array.
    """
    if not isinstance(metadata, ArrayV2Metadata | ArrayV3Metadata):
        raise TypeError(f"Expected array metadata, got {type(metadata)}.")
    pipeline = get_pipeline_class()
    if store is not None:
        try:
            return pipeline.from_array_metadata_and_store(array_metadata=metadata, store=store)
        except NotImplementedError:
            pass  # most pipeline classes only implement `from_codecs`
    if isinstance(metadata, ArrayV3Metadata):
        return pipeline.from_codecs(metadata.codecs)
    return pipeline.from_codecs([V2Codec(metadata.filters, metadata.compressor)])


def chunk_spec(
    metadata: ArrayMetadata,
    config: ArrayConfig,
    shape: tuple[int, ...],
    prototype: BufferPrototype,
) -> ArraySpec:
    """Return the `ArraySpec` of the chunks that have a given shape.

    Parameters
    ----------
    metadata : ArrayV2Metadata or ArrayV3Metadata
        Metadata of the array.
    config : ArrayConfig
        Options of the array.
    shape : tuple of int
        Shape of the chunks before encoding, in elements.
    prototype : BufferPrototype
        Buffer classes for encoded and decoded data.
    """
    if isinstance(metadata, ArrayV2Metadata) and metadata.order != config.order:
        # In format 2 the memory layout is stored in the metadata and is not a runtime option.
        config = replace(config, order=metadata.order)
    return ArraySpec(shape, metadata.dtype, metadata.fill_value, config, prototype)


def chunk_grid(metadata: ArrayMetadata) -> ChunkGrid:
    """Return the grid of the shards, or of the chunks if the array has no shards."""
    if isinstance(metadata, ArrayV2Metadata):
        return ChunkGrid.from_sizes(metadata.shape, metadata.chunks)
    return ChunkGrid.from_metadata(metadata)
