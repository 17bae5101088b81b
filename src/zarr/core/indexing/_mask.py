"""Selections of points by a mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from zarr.core.chunk_grids import ChunkGrid
from zarr.core.indexing._coordinate import CoordinateIndexer
from zarr.core.indexing._kinds import is_mask_selection
from zarr.core.indexing._lazy import made_arrays
from zarr.core.indexing._normalize import ensure_tuple, replace_lists


class MaskIndexer(CoordinateIndexer):
    """A selection of the points at which a mask is True, in C order.

    Parameters
    ----------
    selection : array or nested list of bool
        One bool per element of the array.
    shape : tuple of int
        Shape of the array in elements.
    chunk_grid : ChunkGrid
        Division of the array into chunks.

    Raises
    ------
    IndexError
        If `selection` is not a mask of the given shape, or if the array is zero-dimensional.
    """

    _distinct = True

    def __init__(self, selection: Any, shape: tuple[int, ...], chunk_grid: ChunkGrid) -> None:
        items = replace_lists(ensure_tuple(made_arrays(selection)))
        if not shape or not is_mask_selection(items, shape):
            raise IndexError(
                "invalid mask selection; expected one Boolean (mask)array "
                f"with the same shape as the target array, got {items!r}"
            )
        self._bind(np.nonzero(items[0]), chunk_grid)
