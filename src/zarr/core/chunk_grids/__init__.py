"""Chunk grids of arrays, and the functions that choose a grid.

A grid consists of one `DimensionGrid` for each dimension. A dimension is divided into chunks of
equal length (Zarr v3 core specification, "Regular grids"; Zarr v2, "chunks") or of given lengths
(rectilinear chunk grid, zarr-extensions). All lengths and offsets are in elements.

Two lengths describe a chunk along a dimension. `chunk_size` is the length of the encoded chunk, and
`data_size` is the length of the part within the array. The two lengths differ only if the array
ends within the chunk.
"""

from zarr.core.chunk_grids._dimensions import DimensionGrid, FixedDimension, VaryingDimension
from zarr.core.chunk_grids._grid import ChunkGrid, ChunkSpec, positions
from zarr.core.chunk_grids._guess import guess_chunks
from zarr.core.chunk_grids._normalize import (
    ChunkSizes,
    RectilinearChunks,
    full_span_chunk_size,
    is_regular_1d,
    is_regular_nd,
    normalize_chunks_1d,
    normalize_chunks_nd,
)
from zarr.core.chunk_grids._shards import (
    SHARDED_INNER_CHUNK_MAX_BYTES,
    ChunkLayout,
    resolve_outer_and_inner_chunks,
)

__all__ = [
    "SHARDED_INNER_CHUNK_MAX_BYTES",
    "ChunkGrid",
    "ChunkLayout",
    "ChunkSizes",
    "ChunkSpec",
    "DimensionGrid",
    "FixedDimension",
    "RectilinearChunks",
    "VaryingDimension",
    "full_span_chunk_size",
    "guess_chunks",
    "is_regular_1d",
    "is_regular_nd",
    "normalize_chunks_1d",
    "normalize_chunks_nd",
    "positions",
    "resolve_outer_and_inner_chunks",
]

# A pickle stores the `__module__` of a class or function. Set `__module__` to the name of this
# package, so that pickles do not contain names of private modules.
for _public in (
    ChunkGrid,
    ChunkLayout,
    ChunkSpec,
    DimensionGrid,
    FixedDimension,
    VaryingDimension,
    full_span_chunk_size,
    guess_chunks,
    is_regular_1d,
    is_regular_nd,
    normalize_chunks_1d,
    normalize_chunks_nd,
    positions,
    resolve_outer_and_inner_chunks,
):
    _public.__module__ = __name__
