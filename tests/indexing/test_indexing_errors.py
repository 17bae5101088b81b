"""Selections that are refused: class and message, before anything is read."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from zarr.core.chunk_grids import ChunkGrid, FixedDimension
from zarr.core.indexing import (
    BasicIndexer,
    BlockIndexer,
    BoolArrayDimIndexer,
    CoordinateIndexer,
    IntArrayDimIndexer,
    MaskIndexer,
    Order,
    OrthogonalIndexer,
    get_indexer,
    make_slice_selection,
    replace_ellipsis,
)
from zarr.errors import (
    ArrayIndexError,
    BoundsCheckError,
    NegativeStepError,
    VindexInvalidSelectionError,
)

SHAPE = (5, 6)
GRID = ChunkGrid.from_sizes(SHAPE, (2, 4))
STEP = "only slices with step >= 1 are supported."
BASIC = "unsupported selection item for basic indexing; expected integer or slice, got "
ORTHOGONAL = (
    "unsupported selection item for orthogonal indexing; "
    "expected integer, slice, integer array or Boolean array, got "
)
BLOCK = "unsupported selection item for block indexing; expected integer or slice"
COORDINATE = (
    "invalid coordinate selection; expected one integer (coordinate) array "
    "per dimension of the target array, got "
)
MASK = (
    "invalid mask selection; expected one Boolean (mask)array "
    "with the same shape as the target array, got "
)
VECTORIZED = (
    "unsupported selection type for vectorized indexing; only coordinate selection "
    "(tuple of integer arrays) and mask selection (single Boolean array) are supported; got "
)


def bounds(length: int) -> str:
    return f"index out of bounds for dimension with length {length}"


@pytest.mark.parametrize(
    ("indexer", "selection", "error", "message"),
    [
        (BasicIndexer, 5, BoundsCheckError, bounds(5)),
        (BasicIndexer, -6, BoundsCheckError, bounds(5)),
        (BasicIndexer, (slice(None), 6), BoundsCheckError, bounds(6)),
        (BasicIndexer, slice(None, None, -1), NegativeStepError, STEP),
        (BasicIndexer, slice(4, 2, -1), NegativeStepError, STEP),
        (BasicIndexer, slice(None, None, 0), ValueError, "slice step cannot be zero"),
        (BasicIndexer, slice(1.0, 3), TypeError, "slice indices must be integers"),
        (BasicIndexer, None, IndexError, BASIC + "<class 'NoneType'>"),
        (BasicIndexer, 1.5, IndexError, BASIC + "<class 'float'>"),
        (BasicIndexer, True, IndexError, BASIC + "<class 'bool'>"),
        (BasicIndexer, [1, 2], IndexError, BASIC + "<class 'list'>"),
        (BasicIndexer, ((0,), (1,)), IndexError, BASIC + "<class 'tuple'>"),
        (BasicIndexer, np.array(3), IndexError, BASIC + "<class 'numpy.ndarray'>"),
        (BasicIndexer, range(3), IndexError, BASIC + "<class 'range'>"),
        (BasicIndexer, (0, 0, 0), IndexError, "too many indices for array; expected 2, got 3"),
        (BasicIndexer, (..., ...), IndexError, "an index can only have a single ellipsis ('...')"),
        (OrthogonalIndexer, ([0, 5],), BoundsCheckError, bounds(5)),
        (OrthogonalIndexer, ([0, -6],), BoundsCheckError, bounds(5)),
        (OrthogonalIndexer, np.array([2**64 - 1], dtype="u8"), BoundsCheckError, bounds(5)),
        (OrthogonalIndexer, (slice(None), 6), BoundsCheckError, bounds(6)),
        (OrthogonalIndexer, slice(None, None, -1), NegativeStepError, STEP),
        (OrthogonalIndexer, [1.0, 2.0], IndexError, ORTHOGONAL + "<class 'numpy.ndarray'>"),
        (OrthogonalIndexer, [], IndexError, ORTHOGONAL + "<class 'numpy.ndarray'>"),
        (OrthogonalIndexer, None, IndexError, ORTHOGONAL + "<class 'NoneType'>"),
        (OrthogonalIndexer, True, IndexError, ORTHOGONAL + "<class 'bool'>"),
        (
            OrthogonalIndexer,
            ([0], [0], [0]),
            IndexError,
            "too many indices for array; expected 2, got 3",
        ),
        (
            OrthogonalIndexer,
            [[0, 1], [2, 3]],
            IndexError,
            "integer arrays in an orthogonal selection must be 1-dimensional only",
        ),
        (
            OrthogonalIndexer,
            np.ones(SHAPE, dtype=bool),
            IndexError,
            "Boolean arrays in an orthogonal selection must be 1-dimensional only",
        ),
        (
            OrthogonalIndexer,
            [True, False],
            IndexError,
            "Boolean array has the wrong length for dimension; expected 5, got 2",
        ),
        (CoordinateIndexer, ([5], [0]), BoundsCheckError, bounds(5)),
        (CoordinateIndexer, ([-6], [0]), BoundsCheckError, bounds(5)),
        (CoordinateIndexer, ([0], np.array([9], dtype="u1")), BoundsCheckError, bounds(6)),
        (CoordinateIndexer, [0, 2], IndexError, COORDINATE + "[0, 2]"),
        (CoordinateIndexer, ([], []), IndexError, COORDINATE + "([], [])"),
        (CoordinateIndexer, ([1.5], [1]), IndexError, COORDINATE),
        (CoordinateIndexer, ..., IndexError, COORDINATE + "Ellipsis"),
        (
            CoordinateIndexer,
            ([0, 1], [0, 1, 2]),
            ValueError,
            "shape mismatch: objects cannot be broadcast to a single shape.",
        ),
        (MaskIndexer, np.array([True]), IndexError, MASK + "(array([ True]),)"),
        (MaskIndexer, np.ones((5, 5), dtype=bool), IndexError, MASK),
        (MaskIndexer, np.ones(SHAPE), IndexError, MASK),
        (MaskIndexer, 3, IndexError, MASK + "(3,)"),
        (
            BlockIndexer,
            3,
            BoundsCheckError,
            "block index out of bounds for dimension with 3 chunk(s)",
        ),
        (
            BlockIndexer,
            -4,
            BoundsCheckError,
            "block index out of bounds for dimension with 3 chunk(s)",
        ),
        (
            BlockIndexer,
            (0, 2),
            BoundsCheckError,
            "block index out of bounds for dimension with 2 chunk(s)",
        ),
        (
            BlockIndexer,
            slice(None, None, 2),
            IndexError,
            BLOCK + " with step=1, got <class 'slice'>",
        ),
        (BlockIndexer, [0, 1], IndexError, BLOCK + ", got <class 'numpy.ndarray'>"),
        (BlockIndexer, True, IndexError, BLOCK + ", got <class 'bool'>"),
        (BlockIndexer, (0, 0, 0), IndexError, "too many indices for array; expected 2, got 3"),
        (get_indexer, np.ones(5, dtype=bool), VindexInvalidSelectionError, VECTORIZED),
        (get_indexer, np.ones((2, 2), dtype=bool), VindexInvalidSelectionError, VECTORIZED),
        (get_indexer, None, IndexError, BASIC + "<class 'NoneType'>"),
        (get_indexer, slice(None, None, -1), NegativeStepError, STEP),
        (get_indexer, (..., 6), BoundsCheckError, bounds(6)),
    ],
)
def test_refused(indexer: Any, selection: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)) as caught:
        indexer(selection, SHAPE, GRID)
    assert type(caught.value) is error


def test_an_array_without_dimensions_has_no_points() -> None:
    grid = ChunkGrid.from_sizes((), ())
    with pytest.raises(IndexError, match="invalid coordinate selection"):
        CoordinateIndexer((), (), grid)
    with pytest.raises(IndexError, match="invalid mask selection"):
        MaskIndexer(np.array(True), (), grid)
    with pytest.raises(IndexError, match="expected 0, got 1"):
        BasicIndexer(slice(None), (), grid)


def test_dimension_indexers_check_their_arrays() -> None:
    grid = FixedDimension(4, 10)
    with pytest.raises(IndexError, match=r"integer arrays .* must be 1-dimensional"):
        IntArrayDimIndexer(np.array([1.0]), 10, grid)
    with pytest.raises(IndexError, match=r"Boolean arrays .* must be 1-dimensional"):
        BoolArrayDimIndexer(np.array([1, 0]), 2, grid)
    with pytest.raises(BoundsCheckError):
        IntArrayDimIndexer(np.array([-1]), 10, grid, wraparound=False)


def test_a_known_order_is_not_looked_up_again() -> None:
    increasing = IntArrayDimIndexer([1, 5, 9], 10, FixedDimension(4, 10), order=Order.INCREASING)
    assert increasing.dim_out_sel is None
    unordered = IntArrayDimIndexer([1, 5, 9], 10, FixedDimension(4, 10), order=Order.UNORDERED)
    assert unordered.dim_out_sel is not None
    assert list(increasing) == list(unordered)


def test_slices_for_single_indices() -> None:
    selection = (3, np.int64(4), -1, slice(2), np.array([5]), np.array([[6]]), [7, 8], ...)
    expected = [slice(3, 4, 1), slice(4, 5, 1), slice(-1, None, 1), slice(2), slice(5, 6, 1)]
    assert make_slice_selection(selection) == [*expected, slice(6, 7, 1), [7, 8], Ellipsis]
    with pytest.raises(ArrayIndexError, match="2 indices"):
        make_slice_selection((np.array([1, 2]),))


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (1, (1, slice(None))),
        ((), (slice(None), slice(None))),
        (([1, 2],), ([1, 2], slice(None))),
        ((1, ..., 2), (1, 2)),
        ((..., 2), (slice(None), 2)),
    ],
)
def test_one_item_per_dimension(selection: Any, expected: tuple[Any, ...]) -> None:
    assert replace_ellipsis(selection, (2, 3)) == expected
