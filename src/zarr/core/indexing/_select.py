"""Choice of the indexer class for a selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarr.core.indexing._basic import BasicIndexer
from zarr.core.indexing._coordinate import CoordinateIndexer
from zarr.core.indexing._kinds import (
    is_basic_selection,
    is_coordinate_selection,
    is_integer_array,
    is_mask_selection,
    is_pure_fancy_indexing,
    is_pure_orthogonal_indexing,
)
from zarr.core.indexing._lazy import made_arrays
from zarr.core.indexing._mask import MaskIndexer
from zarr.core.indexing._normalize import ensure_tuple, pop_fields, replace_lists
from zarr.core.indexing._orthogonal import OrthogonalIndexer
from zarr.errors import VindexInvalidSelectionError

if TYPE_CHECKING:
    from zarr.core.chunk_grids import ChunkGrid
    from zarr.core.indexing._types import Fields, Indexer


def is_vectorized_mask(items: tuple[Any, ...], shape: tuple[int, ...]) -> bool:
    """Return True if a selection of points is a mask, and False if it consists of coordinates.

    Parameters
    ----------
    items : tuple
        The items of a selection. The caller has converted lists to arrays.
    shape : tuple of int
        Shape of the array in elements.

    Raises
    ------
    VindexInvalidSelectionError
        If the selection is neither a mask nor coordinates.
    """
    if is_coordinate_selection(items, shape):
        return False
    if is_mask_selection(items, shape):
        return True
    raise VindexInvalidSelectionError(
        "unsupported selection type for vectorized indexing; only coordinate selection "
        "(tuple of integer arrays) and mask selection (single Boolean array) are supported; "
        f"got {items!r}"
    )


def get_indexer(selection: Any, shape: tuple[int, ...], chunk_grid: ChunkGrid) -> Indexer:
    """Return the indexer for a selection with NumPy semantics.

    Parameters
    ----------
    selection : object
        A selection without field names. A single array or list among integers and slices selects
        along its dimension. If every dimension has an integer array, the arrays are the coordinates
        of points. But if these arrays have the shapes that `numpy.ix_` returns, each array selects
        along its own dimension.
    shape : tuple of int
        Shape of the array in elements.
    chunk_grid : ChunkGrid
        Division of the array into chunks.

    Raises
    ------
    IndexError
        If the selection is not supported, or not valid for the shape.
    """
    if is_basic_selection(selection):
        return BasicIndexer(selection, shape, chunk_grid)
    selection = made_arrays(selection)
    flattened = _flatten_mesh(selection, len(shape))
    if flattened is not None:
        return OrthogonalIndexer(flattened, shape, chunk_grid)
    if is_pure_fancy_indexing(selection, len(shape)):
        items = replace_lists(ensure_tuple(selection))
        if is_vectorized_mask(items, shape):
            return MaskIndexer(items, shape, chunk_grid)
        return CoordinateIndexer(items, shape, chunk_grid)
    if is_pure_orthogonal_indexing(selection, len(shape)):
        return OrthogonalIndexer(selection, shape, chunk_grid)
    return BasicIndexer(selection, shape, chunk_grid)


def item_indexer(
    selection: Any, shape: tuple[int, ...], chunk_grid: ChunkGrid
) -> tuple[Indexer, Fields | None, bool]:
    """Return the indexer for ``array[selection]``.

    Parameters
    ----------
    selection : object
        The selection, possibly with field names. Arrays must be NumPy arrays; see `made_arrays`.
    shape : tuple of int
        Shape of the array in elements.
    chunk_grid : ChunkGrid
        Division of the array into chunks.

    Returns
    -------
    tuple
        The indexer, the fields, and a bool. The bool says whether the indexer is a `BasicIndexer`.
        If the bool is True, the caller returns a zero-dimensional result as a scalar.

    Raises
    ------
    IndexError
        If the selection is not supported, or not valid for the shape.
    """
    fields, plain = pop_fields(selection)
    if is_pure_fancy_indexing(plain, len(shape)):
        items = replace_lists(ensure_tuple(plain))
        points = MaskIndexer if is_vectorized_mask(items, shape) else CoordinateIndexer
        return points(items, shape, chunk_grid), fields, False
    if is_pure_orthogonal_indexing(plain, len(shape)):
        return OrthogonalIndexer(plain, shape, chunk_grid), fields, False
    return BasicIndexer(plain, shape, chunk_grid), fields, True


def _flatten_mesh(selection: Any, ndim: int) -> tuple[Any, ...] | None:
    """Make the arrays of an open mesh one-dimensional; return None for other selections.

    In an open mesh, several adjacent items are arrays, and all other items are slices. Each array
    extends along its own axis and has length one along the axes of the other arrays, as in the
    result of `numpy.ix_`. Orthogonal indexers use open meshes to select from chunks. A mesh could
    also be treated as a selection of points, but coordinates would be needed for every element.
    """
    if not isinstance(selection, tuple) or len(selection) != ndim:
        return None
    axes = [axis for axis, item in enumerate(selection) if is_integer_array(item)]
    if len(axes) < 2 or axes[-1] - axes[0] != len(axes) - 1:
        return None
    for place, axis in enumerate(axes):
        shape = selection[axis].shape
        if len(shape) != len(axes) or any(n != 1 for at, n in enumerate(shape) if at != place):
            return None
    others = [item for axis, item in enumerate(selection) if axis not in axes]
    if not all(isinstance(item, slice) for item in others):
        return None
    return tuple(item.reshape(-1) if is_integer_array(item) else item for item in selection)
