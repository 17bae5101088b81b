"""The codec pipeline of an array, its chunk grid, and the specs of its chunks."""

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
    """Make the pipeline that the configuration names, for the codecs of an array.

    Parameters
    ----------
    metadata : ArrayV2Metadata or ArrayV3Metadata
        Metadata of the array.
    store : Store or None
        Offered to pipelines that read the store by themselves; None where there is none yet.

    Raises
    ------
    TypeError
        If `metadata` is something else.
    """
    if not isinstance(metadata, ArrayV2Metadata | ArrayV3Metadata):
        raise TypeError(f"Expected array metadata, got {type(metadata)}.")
    pipeline = get_pipeline_class()
    if store is not None:
        try:
            return pipeline.from_array_metadata_and_store(array_metadata=metadata, store=store)
        except NotImplementedError:
            pass  # made of codecs, as most are
    if isinstance(metadata, ArrayV3Metadata):
        return pipeline.from_codecs(metadata.codecs)
    return pipeline.from_codecs([V2Codec(metadata.filters, metadata.compressor)])


def chunk_spec(
    metadata: ArrayMetadata,
    config: ArrayConfig,
    shape: tuple[int, ...],
    prototype: BufferPrototype,
) -> ArraySpec:
    """Return the spec of the chunks of one shape.

    Parameters
    ----------
    metadata : ArrayV2Metadata or ArrayV3Metadata
        Metadata of the array.
    config : ArrayConfig
        Options of the array.
    shape : tuple of int
        Encoded shape of the chunks in elements.
    prototype : BufferPrototype
        Classes that hold encoded and decoded data.
    """
    if isinstance(metadata, ArrayV2Metadata) and metadata.order != config.order:
        # The layout is part of what a format 2 array stores, and no option of the reader.
        config = replace(config, order=metadata.order)
    return ArraySpec(shape, metadata.dtype, metadata.fill_value, config, prototype)


def chunk_grid(metadata: ArrayMetadata) -> ChunkGrid:
    """Return the grid of what is stored under one key each: shards, or chunks without shards."""
    if isinstance(metadata, ArrayV2Metadata):
        return ChunkGrid.from_sizes(metadata.shape, metadata.chunks)
    return ChunkGrid.from_metadata(metadata)
