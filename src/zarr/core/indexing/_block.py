"""Selections of whole chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from zarr.core.chunk_grids import ChunkGrid, DimensionGrid
from zarr.core.indexing._combine import combine
from zarr.core.indexing._dims import SliceDimIndexer
from zarr.core.indexing._kinds import is_contiguous_slice, is_integer, is_slice
from zarr.core.indexing._lazy import made_arrays
from zarr.core.indexing._normalize import ensure_tuple, replace_ellipsis, replace_lists
from zarr.core.indexing._types import ChunkProjection, Indexer
from zarr.errors import BoundsCheckError

_UNSUPPORTED = "unsupported selection item for block indexing; expected integer or slice"


@dataclass(init=False, unsafe_hash=True)
class BlockIndexer(Indexer):
    """A selection of whole chunks by their positions in the grid. No dimension is dropped.

    Parameters
    ----------
    selection : int, slice, Ellipsis or tuple of these
        Positions of the selected chunks in the grid; negative positions count from the end. Slices
        must have a step of 1.
    shape : tuple of int
        Shape of the array in elements.
    chunk_grid : ChunkGrid
        Division of the array into chunks.

    Raises
    ------
    IndexError
        If an item has a wrong type, if the step of a slice is not 1, or if there are too many
        items.
    BoundsCheckError
        If an integer is outside the grid.
    """

    dim_indexers: tuple[SliceDimIndexer, ...]
    shape: tuple[int, ...]
    drop_axes: tuple[int, ...]

    def __init__(self, selection: Any, shape: tuple[int, ...], chunk_grid: ChunkGrid) -> None:
        items = replace_ellipsis(replace_lists(ensure_tuple(made_arrays(selection))), shape)
        self.dim_indexers = tuple(
            SliceDimIndexer(_elements(item, grid), length, grid)
            for item, length, grid in zip(items, shape, chunk_grid.dimensions, strict=True)
        )
        self.shape = tuple(dim.nitems for dim in self.dim_indexers)
        self.drop_axes = ()

    def __iter__(self) -> Iterator[ChunkProjection]:
        return combine(self.dim_indexers)


def _elements(item: Any, grid: DimensionGrid) -> slice:
    """Convert an item, which selects chunks along one dimension, to a slice of elements."""
    nchunks = grid.nchunks
    if is_integer(item):
        start = item + nchunks if item < 0 else item
        if not 0 <= start < nchunks:
            raise BoundsCheckError(
                f"block index out of bounds for dimension with {nchunks} chunk(s)"
            )
        stop = start + 1
    elif is_contiguous_slice(item):
        start, stop, _ = item.indices(nchunks)
    elif is_slice(item):
        raise IndexError(f"{_UNSUPPORTED} with step=1, got {type(item)!r}")
    else:
        raise IndexError(f"{_UNSUPPORTED}, got {type(item)!r}")
    return slice(grid.chunk_offset(start), grid.chunk_offset(stop))
