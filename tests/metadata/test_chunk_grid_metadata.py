"""The ``chunk_grid`` field: regular and rectilinear."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr.core.chunk_grids import ChunkGrid
from zarr.core.config import config
from zarr.core.metadata.v3 import (
    RectilinearChunkGridMetadata,
    RectilinearChunksDisabledError,
    RegularChunkGridMetadata,
    create_chunk_grid_metadata,
    parse_chunk_grid,
)

# What is stored, and the chunk shapes it stands for.
RECTILINEAR: list[tuple[list[Any], tuple[Any, ...]]] = [
    ([], ()),
    ([2], (2,)),
    ([[2]], ((2,),)),
    ([[2, 2]], ((2, 2),)),
    ([[[2, 3]]], ((2, 2, 2),)),
    ([[[2, 1], 3]], ((2, 3),)),
    ([[1, [2, 2], 1], 4], ((1, 2, 2, 1), 4)),
]


@pytest.mark.parametrize(("stored", "shapes"), RECTILINEAR)
def test_runs_are_written_out_when_read(stored: list[Any], shapes: tuple[Any, ...]) -> None:
    with config.set({"array.rectilinear_chunks": True}):
        grid = parse_chunk_grid(
            {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": stored}}
        )
    assert isinstance(grid, RectilinearChunkGridMetadata)
    assert grid.chunk_shapes == shapes
    assert grid.ndim == len(shapes)


@given(
    st.lists(st.integers(1, 5) | st.lists(st.integers(1, 3), min_size=1, max_size=12), max_size=4)
)
def test_reading_what_was_written_gives_the_same_grid(shapes: list[Any]) -> None:
    grid = RectilinearChunkGridMetadata(chunk_shapes=tuple(shapes))
    with config.set({"array.rectilinear_chunks": True}):
        assert parse_chunk_grid(json.loads(json.dumps(grid.to_dict()))) == grid
    assert pickle.loads(pickle.dumps(grid)) == grid


REFUSED: list[tuple[Any, type[Exception]]] = [
    ([[0, 4]], ValueError),
    ([0], ValueError),
    ([[-1]], ValueError),
    ([[2.0]], TypeError),
    ([["2"]], TypeError),
    ([True], TypeError),
    ([[]], ValueError),
    ([[[2]]], ValueError),
    ([[[2, 2, 2]]], ValueError),
    ([[[2, 0]]], ValueError),
    (["2"], TypeError),
    ("22", TypeError),
    (4, TypeError),
]


@pytest.mark.parametrize(("shapes", "error"), REFUSED)
def test_shapes_that_are_not_valid_are_refused(shapes: Any, error: type[Exception]) -> None:
    configuration = {"kind": "inline", "chunk_shapes": shapes}
    with config.set({"array.rectilinear_chunks": True}), pytest.raises(error):
        parse_chunk_grid({"name": "rectilinear", "configuration": configuration})


@pytest.mark.parametrize(
    ("configuration", "error", "message"),
    [
        ({"chunk_shapes": [2]}, ValueError, "'kind'"),
        ({"kind": "url", "chunk_shapes": [2]}, ValueError, "'url'"),
        ({"kind": "inline"}, KeyError, "chunk_shapes"),
    ],
)
def test_configurations_that_are_not_valid_are_refused(
    configuration: Any, error: type[Exception], message: str
) -> None:
    document = {"name": "rectilinear", "configuration": configuration}
    with config.set({"array.rectilinear_chunks": True}), pytest.raises(error, match=message):
        parse_chunk_grid(document)


def test_rectilinear_grids_are_read_only_when_enabled() -> None:
    grid = RectilinearChunkGridMetadata(chunk_shapes=((1, 2),))
    with pytest.raises(RectilinearChunksDisabledError, match="ZARR_ARRAY__RECTILINEAR_CHUNKS"):
        parse_chunk_grid(grid.to_dict())
    assert parse_chunk_grid(grid) is grid


# old shape, new shape, chunk shapes before, chunk shapes after
RESIZED: list[tuple[tuple[int, ...], tuple[int, ...], tuple[Any, ...], tuple[Any, ...]]] = [
    ((4,), (6,), ((2, 2),), ((2, 2, 2),)),
    ((4,), (4,), ((2, 2),), ((2, 2),)),
    ((4,), (0,), ((2, 2),), ((2, 2),)),
    ((3,), (9,), ((2, 2, 2),), ((2, 2, 2, 3),)),
    ((3,), (6,), ((2, 2, 2),), ((2, 2, 2),)),
    ((4, 9), (9, 99), ((2, 2), 3), ((2, 2, 5), 3)),
]


@pytest.mark.parametrize(("old", "new", "before", "after"), RESIZED)
def test_resizing(
    old: tuple[int, ...], new: tuple[int, ...], before: tuple[Any, ...], after: tuple[Any, ...]
) -> None:
    grid = RectilinearChunkGridMetadata(chunk_shapes=before)
    assert grid.update_shape(old, new) == RectilinearChunkGridMetadata(chunk_shapes=after)


def test_regular_grids() -> None:
    grid = RegularChunkGridMetadata(chunk_shape=[2, np.int64(3)])  # type: ignore[arg-type]
    assert grid.to_dict() == {"name": "regular", "configuration": {"chunk_shape": (2, 3)}}
    assert grid.ndim == 2
    assert RegularChunkGridMetadata.from_dict(grid.to_dict()) == grid
    with pytest.raises(ValueError, match="Expected 'regular'"):
        RegularChunkGridMetadata.from_dict(grid.to_dict() | {"name": "x"})
    for chunk_shape in (5, (0,), (1.5,)):
        with pytest.raises((TypeError, ValueError)):
            RegularChunkGridMetadata(chunk_shape=chunk_shape)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((2, 3), RegularChunkGridMetadata(chunk_shape=(2, 3))),
        (((2, 2), 3), RectilinearChunkGridMetadata(chunk_shapes=((2, 2), 3))),
        (ChunkGrid.from_sizes((4, 4), (2, 3)), RegularChunkGridMetadata(chunk_shape=(2, 3))),
        (
            ChunkGrid.from_sizes((4, 4), ([1, 3], 3)),
            RectilinearChunkGridMetadata(chunk_shapes=((1, 3), 3)),
        ),
    ],
)
def test_metadata_of_a_grid(chunks: Any, expected: Any) -> None:
    assert create_chunk_grid_metadata(chunks) == expected
