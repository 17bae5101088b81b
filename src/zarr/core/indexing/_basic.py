"""Selections by integers and slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from zarr.core.chunk_grids import ChunkGrid, DimensionGrid
from zarr.core.indexing._combine import combine
from zarr.core.indexing._dims import IntDimIndexer, SliceDimIndexer
from zarr.core.indexing._kinds import is_integer, is_slice
from zarr.core.indexing._lazy import made_arrays
from zarr.core.indexing._normalize import replace_ellipsis
from zarr.core.indexing._types import ChunkProjection, Indexer


@dataclass(init=False, unsafe_hash=True)
class BasicIndexer(Indexer):
    """A selection by integers, slices and ``...``, as in NumPy.

    Parameters
    ----------
    selection : int, slice, Ellipsis or tuple of these
        One item per dimension. Dimensions without an item are selected completely. Dimensions that
        are selected by an integer are dropped. Slices must have a step of at least 1.
    shape : tuple of int
        Shape of the array in elements.
    chunk_grid : ChunkGrid
        Division of the array into chunks.

    Raises
    ------
    IndexError
        If an item has a wrong type, or if there are too many items.
    BoundsCheckError, NegativeStepError
        If an integer is out of bounds, or if a slice has a negative step.
    """

    dim_indexers: tuple[IntDimIndexer | SliceDimIndexer, ...]
    shape: tuple[int, ...]
    drop_axes: tuple[int, ...]

    def __init__(self, selection: Any, shape: tuple[int, ...], chunk_grid: ChunkGrid) -> None:
        items = replace_ellipsis(made_arrays(selection), shape)
        self.dim_indexers = tuple(
            _index_dimension(item, length, grid)
            for item, length, grid in zip(items, shape, chunk_grid.dimensions, strict=True)
        )
        self.shape = tuple(
            dim.nitems for dim in self.dim_indexers if not isinstance(dim, IntDimIndexer)
        )
        self.drop_axes = ()

    def __iter__(self) -> Iterator[ChunkProjection]:
        return combine(self.dim_indexers)


def _index_dimension(
    item: Any, length: int, grid: DimensionGrid
) -> IntDimIndexer | SliceDimIndexer:
    if is_integer(item):
        return IntDimIndexer(item, length, grid)
    if is_slice(item):
        return SliceDimIndexer(item, length, grid)
    raise IndexError(
        "unsupported selection item for basic indexing; "
        f"expected integer or slice, got {type(item)!r}"
    )
