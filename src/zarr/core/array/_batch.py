"""Batches for a codec pipeline, made from the chunks of a selection."""

from __future__ import annotations

from itertools import tee
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from zarr.core.array._pipeline import chunk_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zarr.core.array._async import AsyncArray
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import BufferPrototype
    from zarr.core.indexing import ChunkProjection, SelectorTuple
    from zarr.storage._common import StorePath

BatchItem: TypeAlias = "tuple[StorePath, ArraySpec, SelectorTuple, SelectorTuple, bool]"


def make_batch(
    array: AsyncArray[Any], projections: Iterable[ChunkProjection], prototype: BufferPrototype
) -> Iterator[BatchItem]:
    """Yield one item per chunk of a selection, as input for methods of a codec pipeline.

    Chunks of the same shape share one spec, so that codecs are not prepared again for each chunk.

    Parameters
    ----------
    array : AsyncArray
        The array.
    projections : iterable of ChunkProjection
        Items of an indexer: grid position of a chunk, selection within the chunk, selection within
        the result, and whether the whole chunk is selected.
    prototype : BufferPrototype
        Buffer classes for encoded and decoded data.
    """
    metadata, grid = array.metadata, array._chunk_grid
    regular = array._regular_spec(prototype) if grid.is_regular else None
    projections, others = tee(projections)
    places = chunk_places(array, map(attrgetter("chunk_coords"), others))
    if regular is not None:
        for place, (_, chunk_selection, out_selection, is_complete) in zip(places, projections):
            yield place, regular, chunk_selection, out_selection, is_complete
        return
    specs: dict[tuple[int, ...], ArraySpec] = {}
    for place, (coords, chunk_selection, out_selection, is_complete) in zip(places, projections):
        shape = tuple(
            dimension.chunk_size(index)
            for dimension, index in zip(grid.dimensions, coords, strict=True)
        )
        spec = specs.get(shape)
        if spec is None:
            spec = specs[shape] = chunk_spec(metadata, array.config, shape, prototype)
        yield place, spec, chunk_selection, out_selection, is_complete


def chunk_places(array: AsyncArray[Any], coords: Iterable[tuple[int, ...]]) -> Iterator[StorePath]:
    """Yield the locations of chunks in the store."""
    metadata, base = array.metadata, array.store_path
    template = metadata._key_template()
    if template is None:
        return (base / metadata.encode_chunk_key(position) for position in coords)
    if base.path:
        escaped = base.path.replace("%", "%%")
        template = f"{escaped}/{template}"
    return base._siblings(map(template.__mod__, coords))
