"""From a selection to what a codec pipeline is asked to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from zarr.core.array._pipeline import chunk_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarr.core.array._async import AsyncArray
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import BufferPrototype
    from zarr.core.indexing import ChunkProjection, SelectorTuple
    from zarr.storage._common import StorePath

BatchItem: TypeAlias = "tuple[StorePath, ArraySpec, SelectorTuple, SelectorTuple, bool]"


def make_batch(
    array: AsyncArray[Any], projections: Sequence[ChunkProjection], prototype: BufferPrototype
) -> list[BatchItem]:
    """Return the batch of a pipeline's ``read`` or ``write`` for the chunks of a selection.

    Chunks of one shape share one spec, so codecs can prepare for it once.

    Parameters
    ----------
    array : AsyncArray
        The array.
    projections : sequence of ChunkProjection
        What an indexer yields: chunk, selection within it, place of that in the result.
    prototype : BufferPrototype
        Classes that hold encoded and decoded data.
    """
    metadata, grid, base = array.metadata, array._chunk_grid, array.store_path
    regular = (
        chunk_spec(metadata, array.config, grid.chunk_shape, prototype) if grid.is_regular else None
    )
    specs: dict[tuple[int, ...], ArraySpec] = {}
    batch: list[BatchItem] = []
    for coords, chunk_selection, out_selection, is_complete in projections:
        spec = regular
        if spec is None:
            shape = tuple(
                dimension.chunk_size(index)
                for dimension, index in zip(grid.dimensions, coords, strict=True)
            )
            spec = specs.get(shape)
            if spec is None:
                spec = specs[shape] = chunk_spec(metadata, array.config, shape, prototype)
        path = base / metadata.encode_chunk_key(coords)
        batch.append((path, spec, chunk_selection, out_selection, is_complete))
    return batch
