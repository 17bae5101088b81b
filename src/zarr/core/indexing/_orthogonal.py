"""Orthogonal selections, which have one independent index, slice or array per dimension."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from zarr.core.chunk_grids import ChunkGrid, DimensionGrid
from zarr.core.indexing._combine import combine
from zarr.core.indexing._dims import (
    BoolArrayDimIndexer,
    IntArrayDimIndexer,
    IntDimIndexer,
    SliceDimIndexer,
)
from zarr.core.indexing._kinds import is_bool_array, is_integer, is_integer_array, is_slice
from zarr.core.indexing._lazy import made_arrays
from zarr.core.indexing._normalize import (
    ensure_tuple,
    normalize_integer_selection,
    replace_ellipsis,
    replace_lists,
    slice_to_range,
)
from zarr.core.indexing._types import ChunkProjection, Indexer

_DimIndexer: TypeAlias = IntDimIndexer | SliceDimIndexer | IntArrayDimIndexer | BoolArrayDimIndexer


@dataclass(init=False, unsafe_hash=True)
class OrthogonalIndexer(Indexer):
    """A selection that treats each dimension independently.

    Parameters
    ----------
    selection : int, slice, list, array, Ellipsis or tuple of these
        One item per dimension. An item can be an integer, a slice with a step of at least 1, a
        one-dimensional list or array of integers in any order, or a list or array of bools. A list
        or array of bools contains one bool for each index of the dimension. An integer drops the
        dimension. Dimensions without an item are selected completely.
    shape : tuple of int
        Shape of the array in elements.
    chunk_grid : ChunkGrid
        Division of the array into chunks.

    Attributes
    ----------
    is_advanced : bool
        Whether at least one dimension is selected by an array. If True, chunk selections keep all
        dimensions, and `drop_axes` contains the dimensions that are selected by an integer.

    Raises
    ------
    IndexError
        If an item has a wrong type or a wrong shape, or if there are too many items.
    BoundsCheckError, NegativeStepError
        If an integer is out of bounds, or if a slice has a negative step.
    """

    dim_indexers: tuple[_DimIndexer, ...]
    dim_grids: tuple[DimensionGrid, ...]
    shape: tuple[int, ...]
    is_advanced: bool
    drop_axes: tuple[int, ...]

    def __init__(self, selection: Any, shape: tuple[int, ...], chunk_grid: ChunkGrid) -> None:
        items = replace_ellipsis(replace_lists(ensure_tuple(made_arrays(selection))), shape)
        self.dim_grids = chunk_grid.dimensions
        self.dim_indexers = tuple(
            _index_dimension(item, length, grid)
            for item, length, grid in zip(items, shape, self.dim_grids, strict=True)
        )
        dropped = [isinstance(dim, IntDimIndexer) for dim in self.dim_indexers]
        self.shape = tuple(
            dim.nitems for dim, drop in zip(self.dim_indexers, dropped, strict=True) if not drop
        )
        self.is_advanced = any(
            isinstance(dim, (IntArrayDimIndexer, BoolArrayDimIndexer)) for dim in self.dim_indexers
        )
        self.drop_axes = tuple(np.flatnonzero(dropped).tolist()) if self.is_advanced else ()

    def __iter__(self) -> Iterator[ChunkProjection]:
        return combine(self.dim_indexers, keep_dims=self.is_advanced)


def _index_dimension(item: Any, length: int, grid: DimensionGrid) -> _DimIndexer:
    if is_integer(item):
        return IntDimIndexer(item, length, grid)
    if is_slice(item):
        return SliceDimIndexer(item, length, grid)
    if is_integer_array(item):
        return IntArrayDimIndexer(item, length, grid)
    if is_bool_array(item):
        return BoolArrayDimIndexer(item, length, grid)
    raise IndexError(
        "unsupported selection item for orthogonal indexing; "
        f"expected integer, slice, integer array or Boolean array, got {type(item)!r}"
    )


# --- orthogonal selections of NumPy arrays ----------------------------------------------


def ix_(selection: Sequence[Any], shape: tuple[int, ...]) -> tuple[npt.NDArray[np.intp], ...]:
    """Return index arrays for an orthogonal selection of a NumPy array.

    Parameters
    ----------
    selection : sequence
        For each dimension an integer, a slice, or a list or array of integers or bools.
    shape : tuple of int
        Shape of the array in elements.

    Returns
    -------
    tuple of array
        One array per dimension. Each array extends along its own dimension, and has length one
        along all others. No dimension is dropped: an integer selects a range of length one.
    """
    return np.ix_(
        *[
            _indices(item, length)
            for item, length in zip(replace_lists(selection), shape, strict=True)
        ]
    )


def _indices(item: Any, length: int) -> npt.NDArray[np.intp]:
    if is_slice(item):
        return np.array(slice_to_range(item, length), dtype=np.intp)
    if is_integer(item):
        return np.array([normalize_integer_selection(item, length)], dtype=np.intp)
    return np.flatnonzero(item) if is_bool_array(item) else np.asarray(item)


def oindex(a: npt.NDArray[Any], selection: Any) -> npt.NDArray[Any]:
    """Return a copy of an orthogonal selection of a NumPy array.

    Parameters
    ----------
    a : array
        Array to read.
    selection : object
        A selection that `OrthogonalIndexer` supports. In addition, slices may have a negative step.

    Returns
    -------
    array
        The selected elements, without the dimensions that are selected by an integer.
    """
    items = replace_ellipsis(replace_lists(ensure_tuple(selection)), a.shape)
    taken: npt.NDArray[Any] = a[ix_(items, a.shape)]
    return taken.reshape(_kept_shape(items, taken.shape))


def oindex_set(a: npt.NDArray[Any], selection: Any, value: Any) -> None:
    """Write to an orthogonal selection of a NumPy array.

    Parameters
    ----------
    a : array
        Array to write to.
    selection : object
        A selection that `oindex` supports.
    value : object
        Any value that NumPy can broadcast to the shape of the selection.

    Raises
    ------
    ValueError
        If `value` cannot be broadcast to the shape of the selection.
    """
    items = replace_ellipsis(replace_lists(ensure_tuple(selection)), a.shape)
    mesh = ix_(items, a.shape)
    shape = np.broadcast_shapes(*[part.shape for part in mesh])
    kept = np.broadcast_to(np.asarray(value, dtype=a.dtype), _kept_shape(items, shape))
    a[mesh] = kept.reshape(shape)


def _kept_shape(items: Sequence[Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for item, n in zip(items, shape, strict=True) if not is_integer(item))
