"""Chunk grids, and how they are chosen from what a user gives."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.indexing.chunked import chunk_sizes_of

import zarr
from zarr.core.chunk_grids import (
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
    resolve_outer_and_inner_chunks,
)
from zarr.core.config import config
from zarr.errors import ZarrUserWarning

# --- one dimension ----------------------------------------------------------------------


@st.composite
def dimensions(draw: st.DrawFn) -> DimensionGrid:
    extent = draw(st.integers(0, 12))
    sizes = draw(chunk_sizes_of(extent))
    if isinstance(sizes, int):
        return FixedDimension(sizes, extent)
    return VaryingDimension(sizes, extent)


@given(dimensions())
def test_chunks_cover_a_dimension_without_gap(dim: DimensionGrid) -> None:
    assert isinstance(dim, DimensionGrid)
    covered = []
    for ix in range(dim.nchunks):
        first, length = dim.chunk_offset(ix), dim.data_size(ix)
        assert 1 <= length <= dim.chunk_size(ix)
        covered += [(position, ix) for position in range(first, first + length)]
    assert [position for position, _ in covered] == list(range(dim.extent))
    assert [(p, dim.index_to_chunk(p)) for p, _ in covered] == covered
    indices = np.arange(dim.extent)
    assert dim.indices_to_chunks(indices).tolist() == [ix for _, ix in covered]
    assert dim.nchunks <= dim.ngridcells


@given(dimensions())
def test_positions_outside_a_dimension_have_no_chunk(dim: DimensionGrid) -> None:
    for index in (-1, dim.extent):
        with pytest.raises(IndexError, match=str(index)):
            dim.index_to_chunk(index)


@given(dimensions(), st.integers(0, 20))
def test_chunks_stay_where_they_are_on_resize(dim: DimensionGrid, extent: int) -> None:
    resized = dim.resize(extent)
    assert resized.extent == extent
    common = min(dim.ngridcells, resized.ngridcells)
    assert [resized.chunk_offset(i) for i in range(common)] == [
        dim.chunk_offset(i) for i in range(common)
    ]
    assert sum(map(resized.data_size, range(resized.nchunks))) == extent


def test_varying_dimension_grows_by_one_chunk() -> None:
    dim = VaryingDimension((3, 3, 4), 8)
    assert dim.resize(9).edges == (3, 3, 4)
    assert dim.resize(12) == VaryingDimension((3, 3, 4, 2), 12)
    assert dim.resize(0).nchunks == 0
    assert dim.with_extent(5).nchunks == 2
    with pytest.raises(ValueError, match="edge sum 10 is less than new extent 12"):
        dim.with_extent(12)


def test_dimension_reprs() -> None:
    assert repr(FixedDimension(4, 10)) == "FixedDimension(size=4, extent=10)"
    assert (
        repr(VaryingDimension([3, 4], 6))
        == "VaryingDimension(edges=(3, 4), cumulative=(3, 7), extent=6)"
    )


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: FixedDimension(0, 3), ValueError, "FixedDimension size must be >= 1, got 0"),
        (lambda: FixedDimension(4, -1), ValueError, "FixedDimension extent must be >= 0, got -1"),
        (lambda: FixedDimension(4.0, 8), TypeError, "float"),  # type: ignore[arg-type]
        (lambda: VaryingDimension((), 0), ValueError, "VaryingDimension edges must not be empty"),
        (
            lambda: VaryingDimension((3, 0), 3),
            ValueError,
            "All edge lengths must be > 0, got (3, 0)",
        ),
        (
            lambda: VaryingDimension((3,), -1),
            ValueError,
            "VaryingDimension extent must be >= 0, got -1",
        ),
        (
            lambda: VaryingDimension((4, 4, 1), 10),
            ValueError,
            "VaryingDimension extent 10 exceeds sum of edges 9",
        ),
    ],
)
def test_impossible_dimensions(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        make()


# --- grids ------------------------------------------------------------------------------


def test_regular_grid() -> None:
    grid = ChunkGrid.from_sizes((10, 6), (4, 3))
    assert (grid.ndim, grid.grid_shape, grid.get_nchunks()) == (2, (3, 2), 6)
    assert grid.is_regular
    assert grid.chunk_shape == (4, 3)
    assert grid.chunk_sizes == ((4, 4, 2), (3, 3))
    assert list(grid.all_chunk_coords()) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    assert grid[2, 1] == ChunkSpec((slice(8, 10, 1), slice(3, 6, 1)), (4, 3))
    assert grid[2, 1].is_boundary
    assert grid[2, 1].shape == (2, 3)
    assert not grid[0, 0].is_boundary  # type: ignore[union-attr]
    assert repr(grid) == "ChunkGrid(chunk_sizes=(4, 3), array_shape=(10, 6))"


def test_rectilinear_grid() -> None:
    grid = ChunkGrid.from_sizes((10, 6), ([3, 3, 3, 3], 3))
    assert not grid.is_regular
    assert grid.grid_shape == (4, 2)
    assert grid.chunk_sizes == ((3, 3, 3, 1), (3, 3))
    assert grid[3, 0] == ChunkSpec((slice(9, 10, 1), slice(0, 3, 1)), (3, 3))
    assert repr(grid) == "ChunkGrid(chunk_sizes=((3, 3, 3, 3), 3), array_shape=(10, 6))"
    with pytest.raises(ValueError, match="chunk_shape is only available for regular chunk grids"):
        grid.chunk_shape
    assert ChunkGrid.from_sizes((10,), ([4, 4, 4, 4],)).grid_shape == (3,)


def test_positions_outside_a_grid() -> None:
    grid = ChunkGrid.from_sizes((10,), (4,))
    assert grid[0] == grid[(0,)]
    assert grid[3] is None
    assert grid[-1] is None
    with pytest.raises(ValueError, match=r"Expected 1 coordinate\(s\) for a 1-d chunk grid, got 2"):
        grid[0, 0]


def test_array_without_dimensions_has_one_chunk() -> None:
    grid = ChunkGrid.from_sizes((), ())
    assert grid.get_nchunks() == 1
    assert list(grid) == [ChunkSpec((), ())]
    assert grid[()] == ChunkSpec((), ())


def test_empty_array_has_no_chunks() -> None:
    grid = ChunkGrid.from_sizes((0, 3), (4, 2))
    assert grid.grid_shape == (0, 2)
    assert list(grid) == []


@given(st.lists(dimensions(), max_size=3))
def test_regions_of_chunks_tile_the_array(dims: list[DimensionGrid]) -> None:
    grid = ChunkGrid(dimensions=dims)
    hits = np.zeros([dim.extent for dim in dims], dtype=int)
    for spec, region in zip(grid, grid.iter_chunk_regions(), strict=True):
        assert spec.slices == region
        hits[region] += 1
    assert (hits == 1).all()
    assert len(list(grid)) == grid.get_nchunks()


def test_a_box_of_chunks() -> None:
    grid = ChunkGrid.from_sizes((10, 6), (4, 3))
    assert list(grid.all_chunk_coords(origin=(1, 0))) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert list(grid.all_chunk_coords(selection_shape=(2, 1))) == [(0, 0), (1, 0)]
    assert list(grid.all_chunk_coords(origin=(5, 0))) == []
    assert list(grid.iter_chunk_regions(origin=(2, 1))) == [(slice(8, 10, 1), slice(3, 6, 1))]
    message = "Invalid selection shape (5) for origin (1) and grid shape (3) at axis 0."
    with pytest.raises(IndexError, match=re.escape(message)):
        grid.all_chunk_coords(origin=(1, 0), selection_shape=(5, 1))
    with pytest.raises(IndexError, match="axis 1"):
        grid.all_chunk_coords(origin=(0, -1))
    with pytest.raises(ValueError, match="zip"):
        grid.all_chunk_coords(origin=(1,))


def test_from_metadata_of_either_format() -> None:
    regular = SimpleNamespace(shape=(10,), chunk_grid=SimpleNamespace(chunk_shape=(4,)))
    assert ChunkGrid.from_metadata(regular) == ChunkGrid.from_sizes((10,), (4,))
    shapes = SimpleNamespace(chunk_shapes=((6, 4), 2))
    rectilinear = SimpleNamespace(shape=(10, 4), chunk_grid=shapes)
    grid = ChunkGrid.from_metadata(rectilinear)
    assert grid == ChunkGrid.from_sizes((10, 4), ((6, 4), 2))
    assert grid.dimensions == (VaryingDimension((6, 4), 10), FixedDimension(2, 4))


def test_update_shape() -> None:
    grid = ChunkGrid.from_sizes((10, 6), ([3, 7], 3))
    assert grid.update_shape((12, 9)) == ChunkGrid.from_sizes((12, 9), ([3, 7, 2], 3))
    assert grid.update_shape((2, 9)).chunk_sizes == ((2,), (3, 3, 3))
    with pytest.raises(ValueError, match="new_shape has 1 dimensions but chunk grid has 2"):
        grid.update_shape((12,))


def test_grids_are_compared_by_value() -> None:
    first, second = ChunkGrid.from_sizes((10, 6), (4, 3)), ChunkGrid.from_sizes((10, 6), (4, 3))
    assert first == second
    assert hash(first) == hash(second)
    assert first != ChunkGrid.from_sizes((10, 6), ([4, 4, 2], 3))
    with pytest.raises(ValueError, match="array_shape has 2 dimensions but chunk_sizes has 1"):
        ChunkGrid.from_sizes((10, 6), (4,))


# --- choosing ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([4, 4, 2], True),
        ([4, 4, 4], True),
        ([4], True),
        ([], True),
        ([4, 4, 5], False),
        ([2, 4, 4], False),
        ([4, 2, 4], False),
        (np.array([4, 4, 2]), True),
    ],
)
def test_regular_lengths(sizes: Any, expected: bool) -> None:
    assert is_regular_1d(sizes) is expected
    assert is_regular_nd([[5, 5], sizes]) is expected


@pytest.mark.parametrize(
    ("span", "unit", "expected"), [(10, 1, 10), (10, 3, 12), (0, 1, 1), (0, 3, 3), (10, 20, 20)]
)
def test_one_chunk_for_all(span: int, unit: int, expected: int) -> None:
    assert full_span_chunk_size(span, unit) == expected
    assert normalize_chunks_1d(-1, span, unit) == FixedDimension(expected, span)


@pytest.mark.parametrize(
    ("chunks", "shape", "expected"),
    [
        ((4, 3), (10, 6), (4, 3)),
        ([2, 2], (3, 2), (2, 2)),
        (3, (4, 6), (3, 3)),
        (np.int64(3), (4, 6), (3, 3)),
        (np.array(3), (4, 6), (3, 3)),
        (np.array([4, 3]), (10, 6), (4, 3)),
        (np.array([4]), (10,), (4,)),
        ((np.int64(2), np.int32(3)), (4, 6), (2, 3)),
        (iter((4, 3)), (10, 6), (4, 3)),
        ((10, 10), (4, 6), (10, 10)),
        (-1, (10, 6), (10, 6)),
        ((2, -1), (4, 4), (2, 4)),
        (False, (4, 6), (4, 6)),
        (False, (0, 6), (1, 6)),
        ((), (), ()),
        (3, (), ()),
        ([[3, 7], 3], (10, 6), ((3, 7), 3)),
        (np.array([[3, 7], [2, 8]]), (10, 10), ((3, 7), (2, 8))),
    ],
)
def test_chunks_from_what_a_user_gives(chunks: Any, shape: Any, expected: Any) -> None:
    assert normalize_chunks_nd(chunks, shape) == ChunkGrid.from_sizes(shape, expected)


INVALID = (
    'is not a valid chunk input. Use chunks=None or chunks="auto" from the top-level API for '
    "auto-chunking, or pass an int / tuple of ints."
)
NEITHER = "Chunk specification must be an integer or an iterable of integers; got "


@pytest.mark.parametrize(
    ("chunks", "shape", "error", "message"),
    [
        (None, (4, 6), ValueError, f"None {INVALID}"),
        (True, (4, 6), ValueError, f"True {INVALID}"),
        ((0,), (4,), ValueError, "Chunk size must be positive or -1, got 0"),
        ((-2, 2), (4, 4), ValueError, "Chunk size must be positive or -1, got -2"),
        ((2,), (4, 4), ValueError, "chunks has 1 dimensions but shape has 2 dimensions"),
        ((2, 2), (4,), ValueError, "chunks has 2 dimensions but shape has 1 dimensions"),
        ("bogus", (4, 6), ValueError, "chunks has 5 dimensions but shape has 2 dimensions"),
        ((None, 3), (4, 6), TypeError, f"{NEITHER}None of type NoneType."),
        ((2.0, 3), (4, 6), TypeError, f"{NEITHER}2.0 of type float."),
        (2.0, (4, 6), TypeError, f"{NEITHER}2.0 of type float."),
        (2.5, (), TypeError, f"{NEITHER}2.5 of type float."),
        ([[3, 3]], (10,), ValueError, "Chunk sizes [3, 3] do not sum to span 10"),
        ([[3, 0]], (3,), ValueError, "All chunk sizes must be positive, got [3, 0]"),
        ([[]], (3,), ValueError, "Chunk specification must not be empty"),
        (
            [[1.0, 2]],
            (3,),
            TypeError,
            "Each chunk size must be an integer; got non-integer element(s) (1.0,) at indices (0,). "
            "Chunk sizes must be declared as a flat sequence of positive integers (e.g. [3, 3, 1]).",
        ),
    ],
)
def test_chunks_that_are_refused(
    chunks: Any, shape: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        normalize_chunks_nd(chunks, shape)


@pytest.mark.parametrize(
    ("shape", "typesize", "expected"),
    [
        ((1,), 1, (1,)),
        ((1000,), 4, (1000,)),
        ((10**6,), 8, (62500,)),
        ((10**6,), 1, (250000,)),
        ((10**7,), 1, (625000,)),
        ((10**9,), 4, (976563,)),
        ((2**31,), 1, (2097152,)),
        ((100, 100), 4, (100, 100)),
        ((10000, 10000), 8, (313, 625)),
        ((10000, 10000), 4, (625, 625)),
        ((65536, 65536), 1, (2048, 2048)),
        ((10**5, 10**5), 16, (782, 782)),
        ((20000, 30), 2, (10000, 15)),
        ((3, 10**6), 1, (1, 500000)),
        ((1, 10**7), 8, (1, 156250)),
        ((10**7, 1), 8, (156250, 1)),
        ((500, 500, 500), 2, (63, 125, 125)),
        ((7, 4096, 4096), 4, (1, 512, 1024)),
        ((12, 365, 721, 1440), 4, (2, 46, 91, 180)),
        ((2, 2, 2, 2, 2, 2), 16, (2, 2, 2, 2, 2, 2)),
        ((10**9, 10**9, 10**9), 8, (120, 239, 239)),
        ((3, 3), 10**9, (1, 1)),
        ((0, 100), 4, (1, 100)),
        ((1000, 0, 10), 4, (1000, 1, 10)),
        ((), 8, ()),
        ((10**6,), 0, (10**6,)),
    ],
)
def test_guessed_chunks(shape: Any, typesize: int, expected: Any) -> None:
    assert guess_chunks(shape, typesize) == ChunkGrid.from_sizes(shape, expected)


def test_guessed_chunks_stay_below_a_limit() -> None:
    assert guess_chunks((10000, 10000), 8, max_bytes=2**20).chunk_shape == (313, 313)
    assert guess_chunks((500, 500, 500), 2, max_bytes=2**20).chunk_shape == (63, 63, 125)
    with pytest.raises(ValueError, match=r"more min_bytes \(131072\) than max_bytes \(1000\)"):
        guess_chunks((10**6,), 8, max_bytes=1000)


def layout(shape: Any, chunks: Any, shards: Any, item_size: int = 1) -> Any:
    resolved = resolve_outer_and_inner_chunks(
        array_shape=shape,
        chunks=normalize_chunks_nd(chunks, shape),
        shard_shape=shards,
        item_size=item_size,
    )
    assert resolved.inner == ChunkLayout(normalize_chunks_nd(chunks, shape))
    outer = resolved.outer_chunks
    return outer.chunk_shape if outer.is_regular else outer.chunk_sizes


@pytest.mark.parametrize(
    ("shape", "chunks", "shards", "expected"),
    [
        ((8, 8), (2, 2), (4, 4), (4, 4)),
        ((8, 8), (2, 2), 4, (4, 4)),
        ((8, 8), (2, 2), {"shape": (4, 4)}, (4, 4)),
        ((9, 9), (2, 2), -1, (10, 10)),
        ((9, 9), (2, 2), False, (10, 10)),
        ((12,), (2,), [[4, 8]], ((4, 8),)),
        ((), (), (), ()),
    ],
)
def test_shards_from_what_a_user_gives(shape: Any, chunks: Any, shards: Any, expected: Any) -> None:
    assert layout(shape, chunks, shards) == expected


@pytest.mark.parametrize(
    ("target", "shape", "chunks", "item_size", "expected"),
    [
        (None, (100, 100), (10, 10), 4, (20, 20)),
        (None, (17,), (2,), 1, (2,)),
        (None, (18,), (2,), 1, (4,)),
        (None, (900, 9), (2, 3), 1, (4, 3)),
        (None, (7,), (100,), 1, (100,)),
        (None, (0, 100), (2, 2), 1, (2, 4)),
        (None, (), (), 8, ()),
        (50, (4000, 4000), (100, 100), 1, (100, 100)),
        (399, (4000, 4000), (10, 10), 1, (10, 10)),
        (400, (4000, 4000), (10, 10), 1, (20, 20)),
        (400, (4000, 4000), (10, 10), 4, (10, 10)),
        (10**6, (4000, 4000), (100, 100), 1, (1000, 1000)),
        (10**7, (4000, 4000), (500, 1000), 1, (2000, 4000)),
        (10**9, (95, 45), (10, 10), 1, (40, 40)),
        (1000, (4000,), (10,), 0, (10,)),
        (1000, (), (), 8, ()),
    ],
)
def test_guessed_shards(
    target: int | None, shape: Any, chunks: Any, item_size: int, expected: Any
) -> None:
    with (
        config.set({"array.target_shard_size_bytes": target}),
        pytest.warns(ZarrUserWarning, match="Automatic shard shape inference is experimental"),
    ):
        assert layout(shape, chunks, "auto", item_size) == expected


def test_no_shards() -> None:
    chunks = normalize_chunks_nd((4, 3), (10, 6))
    resolved = resolve_outer_and_inner_chunks(
        array_shape=(10, 6), chunks=chunks, shard_shape=None, item_size=8
    )
    assert resolved == ChunkLayout(chunks, None)


@pytest.mark.parametrize("shards", [[[6, 6]], (6,), "auto"])
def test_rectilinear_chunks_within_shards_are_refused(shards: Any) -> None:
    with pytest.raises(ValueError, match="Rectilinear chunks with sharding is not supported"):
        layout((12,), [[6, 4, 2]], shards)


def test_shards_that_are_refused() -> None:
    with pytest.raises(KeyError, match="shape"):
        layout((8, 8), (2, 2), {"index_location": "end"})
    with pytest.raises(ValueError, match="chunks has 1 dimensions but shape has 2 dimensions"):
        layout((8, 8), (2, 2), (4,))
    with pytest.raises(ValueError, match="True is not a valid chunk input"):
        layout((8, 8), (2, 2), True)


def test_chunks_of_varying_length_before_there_are_elements() -> None:
    with config.set({"array.rectilinear_chunks": True}):
        array = zarr.create_array({}, shape=(0, 4), dtype="i1", chunks=[[1, 1], [2, 2]])
        assert array.write_chunk_sizes == ((), (2, 2))
        array.resize((3, 4))
        resized: Any = array.write_chunk_sizes
        assert resized == ((1, 1, 1), (2, 2))
