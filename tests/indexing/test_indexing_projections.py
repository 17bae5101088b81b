"""The exact projections of some selections: what a pipeline and a shard reader are handed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zarr.core.chunk_grids import ChunkGrid
from zarr.core.indexing import (
    BasicIndexer,
    BlockIndexer,
    CoordinateIndexer,
    Indexer,
    MaskIndexer,
    Order,
    OrthogonalIndexer,
    sorted_run_ends,
)

SHAPE = (5, 6)
GRID = ChunkGrid.from_sizes(SHAPE, (2, 4))


def shown(indexer: Indexer) -> list[tuple[Any, ...]]:
    def plain(selection: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(s.tolist() if isinstance(s, np.ndarray) else s for s in selection)

    return [
        (coords, plain(chunk), plain(out), complete) for coords, chunk, out, complete in indexer
    ]


def test_basic() -> None:
    indexer = BasicIndexer((1, slice(None)), SHAPE, GRID)
    assert indexer.shape == (6,)
    assert indexer.drop_axes == ()
    assert shown(indexer) == [
        ((0, 0), (1, slice(0, 4, 1)), (slice(0, 4, 1),), False),
        ((0, 1), (1, slice(0, 2, 1)), (slice(4, 6, 1),), False),
    ]


def test_strides_skip_chunks_and_vanish_where_one_element_is_left() -> None:
    grid = ChunkGrid.from_sizes((20,), (3,))
    assert shown(BasicIndexer(slice(1, None, 8), (20,), grid)) == [
        ((0,), (slice(1, 2, 1),), (slice(0, 1, 1),), False),
        ((3,), (slice(0, 1, 1),), (slice(1, 2, 1),), False),
        ((5,), (slice(2, 3, 1),), (slice(2, 3, 1),), False),
    ]


def test_edge_chunks_are_complete_without_their_padding() -> None:
    assert shown(BasicIndexer((slice(4, 5), slice(4, 6)), SHAPE, GRID)) == [
        ((2, 1), (slice(0, 1, 1), slice(0, 2, 1)), (slice(0, 1, 1), slice(0, 2, 1)), True)
    ]


def test_a_single_index_completes_a_chunk_of_length_one() -> None:
    grid = ChunkGrid.from_sizes((3, 4), (1, 4))
    assert [p.is_complete_chunk for p in BasicIndexer(1, (3, 4), grid)] == [True]


def test_no_dimensions() -> None:
    indexer = BasicIndexer((), (), ChunkGrid.from_sizes((), ()))
    assert indexer.shape == ()
    assert list(indexer) == [((), (), (), True)]


@pytest.mark.parametrize("indexer", [BasicIndexer, OrthogonalIndexer, BlockIndexer])
def test_nothing_is_selected_of_an_empty_array(indexer: Any) -> None:
    bound = indexer((), (0, 4), ChunkGrid.from_sizes((0, 4), (2, 2)))
    assert bound.shape == (0, 4)
    assert list(bound) == []


def test_index_arrays_become_slices_where_their_steps_are_equal() -> None:
    indexer = OrthogonalIndexer([0, 1, 2, 4, 6, 7, 7, 9], (12,), ChunkGrid.from_sizes((12,), (3,)))
    assert shown(indexer) == [
        ((0,), (slice(0, 3, 1),), (slice(0, 3, 1),), True),
        ((1,), (slice(1, 2, 1),), (slice(3, 4, 1),), False),
        ((2,), ([0, 1, 1],), (slice(4, 7, 1),), False),
        ((3,), (slice(0, 1, 1),), (slice(7, 8, 1),), False),
    ]
    strided = OrthogonalIndexer([0, 2, 4, 7], (8,), ChunkGrid.from_sizes((8,), (8,)))
    assert shown(strided) == [((0,), ([0, 2, 4, 7],), (slice(0, 4, 1),), False)]
    strided = OrthogonalIndexer([1, 3, 5], (8,), ChunkGrid.from_sizes((8,), (8,)))
    assert shown(strided) == [((0,), (slice(1, 6, 2),), (slice(0, 3, 1),), False)]


def test_unordered_index_arrays_scatter_into_the_output() -> None:
    indexer = OrthogonalIndexer(([4, 1, 0], slice(0, 4)), SHAPE, GRID)
    assert shown(indexer) == [
        ((0, 0), (slice(0, 2, 1), slice(0, 4, 1)), ([2, 1], slice(0, 4, 1)), True),
        ((2, 0), (slice(0, 1, 1), slice(0, 4, 1)), (slice(0, 1, 1), slice(0, 4, 1)), True),
    ]


def test_an_integer_beside_an_array_stays_a_dimension_of_the_chunk() -> None:
    indexer = OrthogonalIndexer(([0, 1, 4], 1), SHAPE, GRID)
    assert indexer.is_advanced
    assert indexer.shape == (3,)
    assert indexer.drop_axes == (1,)
    assert shown(indexer) == [
        ((0, 0), (slice(0, 2, 1), slice(1, 2, 1)), (slice(0, 2, 1),), False),
        ((2, 0), (slice(0, 1, 1), slice(1, 2, 1)), (slice(2, 3, 1),), False),
    ]


def test_two_arrays_are_shaped_as_a_mesh() -> None:
    grid = ChunkGrid.from_sizes((8, 2, 8), (8, 2, 8))
    indexer = OrthogonalIndexer(([0, 1, 3], slice(None), [0, 4, 5]), (8, 2, 8), grid)
    (projection,) = indexer
    shapes = [selection.shape for selection in projection.chunk_selection]
    assert shapes == [(3, 1, 1), (1, 2, 1), (1, 1, 3)]
    neighbours = OrthogonalIndexer(([0, 1, 3], [1, 0], slice(None)), (8, 2, 8), grid)
    (projection,) = neighbours
    # The second is in order once it is sorted; what is left is one array.
    assert projection.chunk_selection[1:] == (slice(0, 2, 1), slice(0, 8, 1))
    assert projection.out_selection[0] == slice(0, 3, 1)


def test_points_sorted_by_chunk_keep_their_order() -> None:
    indexer = CoordinateIndexer(([0, 1, 3], [3, 0, 5]), SHAPE, GRID)
    assert indexer.sel_sort is None
    assert shown(indexer) == [
        ((0, 0), ([0, 1], [3, 0]), (slice(0, 2, 1),), False),
        ((1, 1), ([1], [1]), (slice(2, 3, 1),), False),
    ]


def test_points_in_any_order_are_grouped_by_chunk() -> None:
    indexer = CoordinateIndexer(([[4], [0]], [[1, 5]]), SHAPE, GRID)
    assert indexer.sel_shape == (2, 2)
    assert indexer.shape == (4,)
    assert indexer.chunk_nitems_cumsum.tolist() == [1, 2, 2, 2, 3, 4]
    assert shown(indexer) == [
        ((0, 0), ([0], [1]), (slice(2, 3, 1),), False),
        ((0, 1), ([0], [1]), (slice(3, 4, 1),), False),
        ((2, 0), ([0], [1]), (slice(0, 1, 1),), False),
        ((2, 1), ([0], [1]), (slice(1, 2, 1),), False),
    ]


def test_points_along_one_dimension_are_taken_as_slices() -> None:
    grid = ChunkGrid.from_sizes((20,), (6,))
    assert shown(CoordinateIndexer([7, 3, 8, 2], (20,), grid)) == [
        ((0,), (slice(2, 4, 1),), ([3, 1],), False),
        ((1,), (slice(1, 3, 1),), (slice(0, 3, 2),), False),
    ]


def test_single_points_have_one_dimension() -> None:
    assert CoordinateIndexer((3, 4), SHAPE, GRID).sel_shape == (1,)
    assert CoordinateIndexer(3, (20,), ChunkGrid.from_sizes((20,), (6,))).sel_shape == (1,)


def test_a_chunk_is_complete_once_all_its_points_are_given() -> None:
    rows, columns = np.meshgrid([0, 1], [4, 5])
    once = CoordinateIndexer((rows, columns), SHAPE, GRID)
    assert [p.is_complete_chunk for p in once] == [True]
    rows[0, 0] = rows[0, 1]
    twice = CoordinateIndexer((rows, columns), SHAPE, GRID)
    assert [p.is_complete_chunk for p in twice] == [False]


def test_masks_tell_which_chunks_they_fill() -> None:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[:2, 4:] = True
    mask[4, 0] = True
    indexer = MaskIndexer(mask.tolist(), SHAPE, GRID)
    assert indexer.sel_shape == (5,)
    assert [(p.chunk_coords, p.is_complete_chunk) for p in indexer] == [
        ((0, 1), True),
        ((2, 0), False),
    ]
    assert list(MaskIndexer(np.zeros(SHAPE, dtype=bool), SHAPE, GRID)) == []


def test_counts_per_chunk() -> None:
    indexer = OrthogonalIndexer(
        ([0, 1, 4], np.array([True, False, True, True, False, True])), SHAPE, GRID
    )
    rows, columns = indexer.dim_indexers
    assert rows.chunk_nitems.tolist() == [2, 0, 1]  # type: ignore[union-attr]
    assert rows.chunk_nitems_cumsum.tolist() == [2, 2, 3]  # type: ignore[union-attr]
    assert columns.chunk_nitems.tolist() == [3, 1]  # type: ignore[union-attr]


def test_indexers_can_be_iterated_again_and_compared() -> None:
    first, second = (BasicIndexer((1, slice(3)), SHAPE, GRID) for _ in range(2))
    assert list(first) == list(first)
    assert first == second
    assert hash(first) == hash(second)
    assert first != BasicIndexer((2, slice(3)), SHAPE, GRID)
    points = CoordinateIndexer(([0], [1]), SHAPE, GRID)
    assert points == points
    assert points != CoordinateIndexer(([0], [1]), SHAPE, GRID)
    assert len({points, points}) == 1


@pytest.mark.parametrize(
    ("values", "order"),
    [
        ([1, 2, 3], Order.INCREASING),
        ([1, 1, 2], Order.INCREASING),
        ([3], Order.INCREASING),
        ([], Order.INCREASING),
        ([3, 2, 1], Order.DECREASING),
        ([2, 2, 1], Order.UNORDERED),
        ([2, 1, 3], Order.UNORDERED),
    ],
)
def test_order(values: list[int], order: Order) -> None:
    assert Order.check(np.array(values, dtype=int)) is order


def test_runs_of_sorted_values() -> None:
    values, ends = sorted_run_ends(np.array([1, 1, 2, 5, 5, 5]))
    assert values.tolist() == [1, 2, 5]
    assert ends.tolist() == [2, 3, 6]
    values, ends = sorted_run_ends(np.array([], dtype=int))
    assert values.tolist() == ends.tolist() == []
