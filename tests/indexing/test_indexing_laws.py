"""Every indexer reads and writes what numpy does, whatever the shape, the grid and the selection."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.indexing.chunked import (
    ChunkedArray,
    basic_selections,
    bool_arrays_of,
    chunk_sizes_of,
    chunked_arrays,
    coordinate_selections,
    int_arrays_of,
    orthogonal_selections,
    slices_of,
    take_orthogonally,
)

from zarr.core.chunk_grids import ChunkGrid
from zarr.core.indexing import (
    BasicIndexer,
    BlockIndexer,
    CoordinateIndexer,
    Indexer,
    MaskIndexer,
    OrthogonalIndexer,
    get_indexer,
    ix_,
    oindex,
    oindex_set,
    replace_ellipsis,
)


def assert_same_array(actual: np.ndarray, expected: Any) -> None:
    assert actual.shape == np.shape(expected)
    assert np.array_equal(actual, expected)


def new_values(shape: tuple[int, ...]) -> np.ndarray:
    return 1000 + np.arange(np.prod(shape, dtype=int)).reshape(shape)


@given(st.data())
def test_basic_selection_reads_and_writes_like_numpy(data: st.DataObject) -> None:
    values, chunked = data.draw(chunked_arrays())
    selection = data.draw(basic_selections(values.shape))
    indexer = BasicIndexer(selection, values.shape, chunked.grid)
    expected = values[selection]
    assert_same_array(chunked.read(indexer), expected)
    value = new_values(np.shape(expected))
    chunked.write(indexer, value)
    values[selection] = value
    assert_same_array(chunked.to_numpy(), values)


@given(st.data())
def test_orthogonal_selection_reads_and_writes_each_dimension_on_its_own(
    data: st.DataObject,
) -> None:
    values, chunked = data.draw(chunked_arrays())
    selection = data.draw(orthogonal_selections(values.shape))
    indexer = OrthogonalIndexer(selection, values.shape, chunked.grid)
    expected = take_orthogonally(values, selection)
    assert_same_array(chunked.read(indexer), expected)
    value = new_values(expected.shape)
    chunked.write(indexer, value)
    positions = take_orthogonally(np.arange(values.size).reshape(values.shape), selection)
    flat = values.reshape(-1)
    # One by one: of an element that is selected twice the last value stays.
    for position, element in zip(positions.flat, value.flat, strict=True):
        flat[position] = element
    assert_same_array(chunked.to_numpy(), values)


@given(st.data())
def test_coordinate_selection_reads_and_writes_points_like_numpy(data: st.DataObject) -> None:
    values, chunked = data.draw(chunked_arrays(min_dims=1, min_side=1))
    selection = data.draw(coordinate_selections(values.shape))
    indexer = CoordinateIndexer(selection, values.shape, chunked.grid)
    expected = np.atleast_1d(values[selection])
    assert_same_array(chunked.read(indexer), expected)
    value = new_values(expected.shape)
    chunked.write(indexer, value)
    points = np.broadcast_arrays(*map(np.atleast_1d, selection))
    for *point, element in zip(*[coords.flat for coords in points], value.flat, strict=True):
        values[tuple(point)] = element
    assert_same_array(chunked.to_numpy(), values)


@given(st.data())
def test_mask_selection_reads_and_writes_like_numpy(data: st.DataObject) -> None:
    values, chunked = data.draw(chunked_arrays(min_dims=1))
    bits = st.lists(st.booleans(), min_size=values.size, max_size=values.size)
    everything = st.just([True] * values.size)
    mask = np.array(data.draw(bits | everything), dtype=bool).reshape(values.shape)
    indexer = MaskIndexer(mask, values.shape, chunked.grid)
    assert_same_array(chunked.read(indexer), values[mask])
    value = new_values((int(mask.sum()),))
    chunked.write(indexer, value)
    values[mask] = value
    assert_same_array(chunked.to_numpy(), values)


@given(st.data())
def test_block_selection_selects_the_elements_of_whole_chunks(data: st.DataObject) -> None:
    values, chunked = data.draw(chunked_arrays())
    grid_shape = chunked.grid.grid_shape
    items: list[Any] = []
    elements: list[slice] = []
    for axis, dim in enumerate(chunked.grid.dimensions):
        n = grid_shape[axis]
        bound = st.none() | st.integers(-n - 1, n + 1)
        item = (
            data.draw(st.builds(slice, bound, bound) | st.integers(-n, n - 1)) if n else slice(None)
        )
        items.append(item)
        chosen = range(n)[item] if isinstance(item, slice) else [range(n)[item]]
        start = dim.chunk_offset(chosen[0]) if len(chosen) else 0
        length = sum(map(dim.data_size, chosen))
        elements.append(slice(start, start + length))
    indexer = BlockIndexer(tuple(items), values.shape, chunked.grid)
    expected = values[tuple(elements)]
    assert_same_array(chunked.read(indexer), expected)
    assert all(projection.is_complete_chunk for projection in indexer)
    value = new_values(expected.shape)
    chunked.write(indexer, value)
    values[tuple(elements)] = value
    assert_same_array(chunked.to_numpy(), values)


@given(st.data())
def test_chunk_selections_can_be_indexed_again(data: st.DataObject) -> None:
    """A shard is read with what an indexer selects of it, through a grid of its own."""
    values, chunked = data.draw(chunked_arrays(min_dims=1, min_side=1))
    indexers: list[Indexer] = [
        BasicIndexer(data.draw(basic_selections(values.shape)), values.shape, chunked.grid),
        OrthogonalIndexer(
            data.draw(orthogonal_selections(values.shape)), values.shape, chunked.grid
        ),
        CoordinateIndexer(
            data.draw(coordinate_selections(values.shape)), values.shape, chunked.grid
        ),
    ]
    for indexer in indexers:
        for coords, chunk_selection, _, _ in indexer:
            shard = np.arange(chunked.chunks[coords].size).reshape(chunked.chunks[coords].shape)
            shard_shape: tuple[int, ...] = shard.shape
            sizes = tuple(data.draw(chunk_sizes_of(length)) for length in shard_shape)
            inner = ChunkedArray(shard, sizes)
            within = get_indexer(chunk_selection, shard_shape, inner.grid)
            assert_same_array(inner.read(within), shard[chunk_selection])


@given(st.data())
def test_get_indexer_selects_what_numpy_selects(data: st.DataObject) -> None:
    values, chunked = data.draw(chunked_arrays(min_dims=1, min_side=1))
    shape = values.shape
    bits = st.lists(st.booleans(), min_size=values.size, max_size=values.size)
    one_array: list[Any] = [data.draw(slices_of(n)) for n in shape]
    axis = data.draw(st.integers(0, len(shape) - 1))
    one_array[axis] = data.draw(int_arrays_of(shape[axis]) | bool_arrays_of(shape[axis]))
    selection = data.draw(
        st.sampled_from(
            [
                data.draw(basic_selections(shape)),
                data.draw(coordinate_selections(shape)),
                np.array(data.draw(bits), dtype=bool).reshape(shape),
                ix_(data.draw(orthogonal_selections(shape)), shape),
                tuple(one_array),
            ]
        )
    )
    indexer = get_indexer(selection, shape, chunked.grid)
    expected = values[selection]
    if isinstance(indexer, CoordinateIndexer):
        expected = np.atleast_1d(expected)
    assert_same_array(chunked.read(indexer), expected)


ROWS, COLUMNS = np.ix_([0, 3, 1], [4, 0])
POINTS = np.array([[0, 3], [1, 0]])


@pytest.mark.parametrize(
    ("selection", "indexer"),
    [
        ((ROWS, COLUMNS), OrthogonalIndexer),
        ((ROWS, COLUMNS, slice(1, 3)), OrthogonalIndexer),
        ((slice(1, 3), ROWS, COLUMNS), OrthogonalIndexer),
        ((slice(1), ROWS, COLUMNS, slice(1, 5, 2)), OrthogonalIndexer),
        ((COLUMNS, ROWS), CoordinateIndexer),
        ((POINTS, COLUMNS), CoordinateIndexer),
        ((POINTS, POINTS), CoordinateIndexer),
        ((ROWS, COLUMNS, 2), CoordinateIndexer),
        ((ROWS[..., 0], COLUMNS[0, :1]), CoordinateIndexer),
        (POINTS[0], CoordinateIndexer),
        ((POINTS[0], slice(1, 3)), OrthogonalIndexer),
        ((slice(1, 3), 2), BasicIndexer),
        ((..., 2), BasicIndexer),
        (POINTS == 3, MaskIndexer),
    ],
)
def test_a_mesh_is_not_taken_point_by_point(selection: Any, indexer: type[Indexer]) -> None:
    items = selection if isinstance(selection, tuple) else (selection,)
    ndim = selection.ndim if indexer is MaskIndexer else len(items)
    shape = POINTS.shape if indexer is MaskIndexer else (5,) * ndim
    values = np.arange(np.prod(shape)).reshape(shape)
    chunked = ChunkedArray(values, (2,) * ndim)
    made = get_indexer(selection, shape, chunked.grid)
    assert type(made) is indexer
    assert_same_array(chunked.read(made), values[selection])


@pytest.mark.parametrize(
    "selection",
    [
        (ROWS, slice(None), COLUMNS),
        (0, slice(None), ROWS, COLUMNS),
        (ROWS, COLUMNS, ...),
        (POINTS, POINTS, slice(None)),
        (COLUMNS, ROWS, slice(None)),
    ],
)
def test_arrays_that_are_neither_points_nor_a_mesh_are_refused(selection: tuple[Any, ...]) -> None:
    shape = (5,) * len(selection)
    with pytest.raises(IndexError, match=r"unsupported selection item|must be 1-dimensional"):
        get_indexer(selection, shape, ChunkGrid.from_sizes(shape, (2,) * len(shape)))


@given(st.data())
def test_oindex_of_numpy_arrays_agrees_with_the_indexer(data: st.DataObject) -> None:
    values, chunked = data.draw(chunked_arrays())
    selection = data.draw(orthogonal_selections(values.shape))
    expected = chunked.read(OrthogonalIndexer(selection, values.shape, chunked.grid))
    assert_same_array(oindex(values, selection), expected)
    copy = values.copy()
    oindex_set(copy, selection, oindex(values, selection))
    assert_same_array(copy, values)
    oindex_set(copy, selection, -5)
    assert (oindex(copy, selection) == -5).all()
    assert (copy == -5).sum() == np.unique(expected).size


def test_oindex_set_broadcasts_over_dropped_dimensions() -> None:
    a = np.zeros((3, 4), dtype=int)
    oindex_set(a, ([0, 2], 1), [5, 6])
    assert a[:, 1].tolist() == [5, 0, 6]
    with pytest.raises(ValueError, match="broadcast"):
        oindex_set(a, ([0, 2], 1), [5, 6, 7])


@pytest.mark.parametrize("nchunks", [10, 100_000])
def test_cost_of_a_selection_does_not_depend_on_the_size_of_the_grid(nchunks: int) -> None:
    """Counted in calls on the grid, not in seconds."""
    shape = (nchunks * 4,)
    calls = 0

    class CountingDimension:
        extent = shape[0]
        nchunks = ngridcells = shape[0] // 4

        def chunk_offset(self, chunk_ix: int) -> int:
            nonlocal calls
            calls += 1
            return chunk_ix * 4

        def chunk_size(self, chunk_ix: int) -> int:
            return 4

        def data_size(self, chunk_ix: int) -> int:
            return 4

        def index_to_chunk(self, idx: int) -> int:
            return idx // 4

        def indices_to_chunks(self, indices: Any) -> Any:
            return indices // 4

        def with_extent(self, new_extent: int) -> Any:
            raise AssertionError

        resize = with_extent

    grid = ChunkGrid(dimensions=[CountingDimension()])
    for indexer in (
        BasicIndexer(slice(3, 21), shape, grid),
        OrthogonalIndexer([20, 3, 3], shape, grid),
        CoordinateIndexer([20, 3, 3], shape, grid),
    ):
        calls = 0
        projections = list(indexer)
        assert calls == len(projections) <= 6


@given(st.data())
def test_an_ellipsis_stands_for_all_dimensions_that_are_not_named(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 3), max_size=4)))
    head = data.draw(st.integers(0, len(shape)))
    tail = data.draw(st.integers(0, len(shape) - head))
    replaced = replace_ellipsis((0,) * head + (Ellipsis,) + (0,) * tail, shape)
    full = (slice(None),) * (len(shape) - head - tail)
    assert replaced == (0,) * head + full + (0,) * tail
