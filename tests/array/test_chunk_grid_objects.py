"""Creating arrays with the metadata of a chunk grid as `chunks` or `shards`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import zarr
from zarr.api import asynchronous
from zarr.core.chunk_grids import normalize_chunks_nd
from zarr.core.config import config
from zarr.core.metadata.v3 import (
    RectilinearChunkGridMetadata,
    RectilinearChunksDisabledError,
    RegularChunkGridMetadata,
)
from zarr.storage import MemoryStore

VALUES = np.arange(1, 7, dtype="i4")
NEW: dict[str, Any] = {"shape": (6,), "dtype": "i4"}
REGULAR = RegularChunkGridMetadata(chunk_shape=(2,))
VARYING = RectilinearChunkGridMetadata(chunk_shapes=((2, 4),))
BEYOND = RectilinearChunkGridMetadata(chunk_shapes=((2, 9),))
EQUAL = RectilinearChunkGridMetadata(chunk_shapes=(2,))

Make = Callable[..., Any]


def _async(function: Make) -> Make:
    return lambda store, **given: asyncio.run(function(store, **given))


# Doors that take any grid as it is, and those of zarr-python 2.
DOORS: dict[str, Make] = {
    "create_array": lambda store, **given: zarr.create_array(store, **NEW, **given),
    "data": lambda store, **given: zarr.create_array(store, data=VALUES, **given),
    "from_array": lambda store, **given: zarr.from_array(store, data=VALUES, **given),
    "group": lambda store, zarr_format, **given: zarr.open_group(
        store, mode="a", zarr_format=zarr_format
    ).create_array("a", **NEW, **given),
    "async create_array": _async(
        lambda store, **given: asynchronous.create_array(store, **NEW, **given)
    ),
    "async from_array": _async(
        lambda store, **given: asynchronous.from_array(store, data=VALUES, **given)
    ),
}
LEGACY: dict[str, Make] = {
    "create": lambda store, **given: zarr.create(store=store, **NEW, **given),
    "array": lambda store, **given: zarr.array(VALUES, store=store, **given),
    "zeros": lambda store, **given: zarr.zeros(store=store, **NEW, **given),
    "open": lambda store, **given: zarr.open_array(store=store, mode="w", **NEW, **given),
    "async create": _async(lambda store, **given: asynchronous.create(store=store, **NEW, **given)),
}


@pytest.mark.parametrize("door", [*DOORS, *LEGACY])
def test_chunks(door: str) -> None:
    make = {**DOORS, **LEGACY}[door]
    assert make(MemoryStore(), chunks=REGULAR, zarr_format=3).metadata.chunk_grid == REGULAR
    assert make(MemoryStore(), chunks=REGULAR, zarr_format=2).metadata.chunks == (2,)
    assert make(MemoryStore(), chunks=EQUAL, zarr_format=2).metadata.chunks == (2,)
    with config.set({"array.rectilinear_chunks": True}):
        for grid in (VARYING, BEYOND):
            store = MemoryStore()
            made = make(store, chunks=grid, zarr_format=3)
            assert made.metadata.chunk_grid == grid
            array: Any = zarr.open_array(made.store_path, mode="r+")
            array[:] = VALUES
            assert array[:].tolist() == VALUES.tolist()
        # The creating functions of zarr-python 2 describe equal chunks by a regular grid.
        kept = make(MemoryStore(), chunks=EQUAL, zarr_format=3).metadata.chunk_grid
        assert kept == (EQUAL if door in DOORS else REGULAR)


@pytest.mark.parametrize("door", DOORS)
def test_shards(door: str) -> None:
    make = DOORS[door]
    one: dict[str, Any] = {"chunks": (1,), "zarr_format": 3}
    made = make(MemoryStore(), shards=REGULAR, **one)
    assert (made.metadata.chunk_grid, made.metadata.chunks) == (REGULAR, (1,))
    made = make(MemoryStore(), shards={"shape": EQUAL}, **one)
    assert (made.metadata.chunk_grid, made.metadata.chunks) == (REGULAR, (1,))
    made = make(MemoryStore(), chunks=REGULAR, shards=(4,), zarr_format=3)
    assert (made.shards, made.chunks) == ((4,), (2,))
    with config.set({"array.rectilinear_chunks": True}):
        for grid in (VARYING, BEYOND, EQUAL):
            made = make(MemoryStore(), shards=grid, **one)
            assert made.metadata.chunk_grid == grid
            array: Any = zarr.open_array(made.store_path, mode="r+")
            array[:] = VALUES
            assert array[:].tolist() == VALUES.tolist()


TWO = RegularChunkGridMetadata(chunk_shape=(2, 2))
SHORT = RectilinearChunkGridMetadata(chunk_shapes=((2, 2),))


@pytest.mark.parametrize("door", [*DOORS, *LEGACY])
@pytest.mark.parametrize(
    ("grid", "zarr_format", "error", "message"),
    [
        (VARYING, 3, RectilinearChunksDisabledError, "disabled by default"),
        (VARYING, 2, ValueError, "format 2 does not support rectilinear"),
        (TWO, 3, ValueError, "1 dimensions but chunk_sizes has 2"),
        (TWO, 2, ValueError, "1 dimensions but chunk_sizes has 2"),
        (SHORT, 3, ValueError, "exceeds sum of edges 4"),
    ],
)
def test_refused_chunks_touch_nothing(
    door: str, grid: Any, zarr_format: int, error: type[Exception], message: str
) -> None:
    store = MemoryStore()
    zarr.create_group(store, path="a/kept", zarr_format=zarr_format)  # type: ignore[arg-type]
    before = dict(store._store_dict)
    overwrite: dict[str, Any] = {} if door == "open" else {"overwrite": True}
    with pytest.raises(error, match=message):
        {**DOORS, **LEGACY}[door](store, chunks=grid, zarr_format=zarr_format, **overwrite)
    assert store._store_dict.keys() == before.keys()


@pytest.mark.parametrize("door", DOORS)
def test_refused_shards(door: str) -> None:
    make = DOORS[door]
    given: list[tuple[Any, Any, int, str]] = [
        ((1,), REGULAR, 2, "`shard_shape` set to `None`"),
        ((1,), VARYING, 3, "disabled by default"),
        ((1,), EQUAL, 3, "disabled by default"),
        (VARYING, (4,), 3, "Rectilinear chunks with sharding is not supported"),
        ((3,), REGULAR, 3, "divisible"),
    ]
    for chunks, shards, zarr_format, message in given:
        store = MemoryStore()
        with pytest.raises(ValueError, match=message):
            make(store, chunks=chunks, shards=shards, zarr_format=zarr_format)
        assert not any(key.startswith("c/") or key == "zarr.json" for key in store._store_dict) or (
            door == "group" and list(store._store_dict) == ["zarr.json"]
        )


def test_normalized() -> None:
    assert repr(normalize_chunks_nd(BEYOND, (6,))) == repr(normalize_chunks_nd(BEYOND, 6))
    assert normalize_chunks_nd(EQUAL, 6) == normalize_chunks_nd(REGULAR, 6)
    with pytest.raises(TypeError):
        normalize_chunks_nd(RegularChunkGridMetadata, 6)
