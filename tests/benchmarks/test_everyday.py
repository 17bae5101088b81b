"""What users do every day, in both formats: reading, writing, opening and listing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numcodecs
import numpy as np
import numpy.typing as npt
import pytest

import zarr
from zarr.codecs import ZstdCodec
from zarr.storage import LocalStore, MemoryStore

ZarrFormat = Literal[2, 3]
Timed = Callable[..., Any]
Values = npt.NDArray[np.float32]

SIDE, CHUNK, SHARD = 1024, 64, 256
CHILDREN = 50


@pytest.fixture(params=[2, 3], ids=["v2", "v3"])
def zarr_format(request: pytest.FixtureRequest) -> ZarrFormat:
    """Each of the formats."""
    found: ZarrFormat = request.param
    return found


@pytest.fixture(scope="module")
def values() -> Values:
    """What is stored: 256 chunks of a field that compresses a little."""
    y, x = np.linspace(0, 20, SIDE, dtype="f4"), np.linspace(0, 20, SIDE, dtype="f4")
    noise = np.random.default_rng(0).normal(0, 0.1, (SIDE, SIDE))
    return (100 * np.cos(y)[:, None] * np.sin(x) + noise).astype("f4")


def create(store: Any, zarr_format: ZarrFormat, **kwargs: Any) -> zarr.Array[Any]:
    zstd = numcodecs.Zstd(level=1) if zarr_format == 2 else ZstdCodec(level=1)
    settings: dict[str, Any] = {
        "shape": (SIDE, SIDE),
        "chunks": (CHUNK, CHUNK),
        "dtype": "f4",
        "compressors": zstd,
        "zarr_format": zarr_format,
    }
    return zarr.create_array(store, **{**settings, **kwargs})


@pytest.fixture
def stored(tmp_path: Path, zarr_format: ZarrFormat, values: Values) -> zarr.Array[Any]:
    """An array of small chunks in a directory."""
    array = create(tmp_path / "stored.zarr", zarr_format)
    array[...] = values
    return array


def test_read_small_chunks(timed: Timed, stored: zarr.Array[Any], values: Values) -> None:
    np.testing.assert_array_equal(timed(stored.__getitem__, ...), values)


def test_read_a_slice(timed: Timed, stored: zarr.Array[Any], values: Values) -> None:
    window = slice(100, 300), slice(100, 300)
    np.testing.assert_array_equal(timed(stored.__getitem__, window), values[window])


def test_read_orthogonal(timed: Timed, stored: zarr.Array[Any], values: Values) -> None:
    rows, columns = np.arange(0, SIDE, 50), np.arange(0, SIDE, 70)
    result = timed(stored.oindex.__getitem__, (rows, columns))
    np.testing.assert_array_equal(result, values[np.ix_(rows, columns)])


def test_read_coordinates(timed: Timed, stored: zarr.Array[Any], values: Values) -> None:
    points = np.arange(0, SIDE, 7), np.arange(0, SIDE, 7)
    np.testing.assert_array_equal(timed(stored.vindex.__getitem__, points), values[points])


def test_write_small_chunks(
    timed: Timed, tmp_path: Path, zarr_format: ZarrFormat, values: Values
) -> None:
    array = create(tmp_path / "written.zarr", zarr_format)
    timed(array.__setitem__, ..., values)
    np.testing.assert_array_equal(array[...], values)


@pytest.mark.parametrize("window", [slice(None), slice(100, 300)], ids=["full", "slice"])
def test_read_sharded(timed: Timed, tmp_path: Path, values: Values, window: slice) -> None:
    array = create(tmp_path / "sharded.zarr", 3, shards=(SHARD, SHARD))
    array[...] = values
    np.testing.assert_array_equal(
        timed(array.__getitem__, (window, window)), values[window, window]
    )


def test_write_sharded(timed: Timed, tmp_path: Path, values: Values) -> None:
    array = create(tmp_path / "sharded.zarr", 3, shards=(SHARD, SHARD))
    timed(array.__setitem__, ..., values)
    np.testing.assert_array_equal(array[...], values)


def test_read_from_memory(timed: Timed, zarr_format: ZarrFormat, values: Values) -> None:
    array = create(MemoryStore(), zarr_format, compressors=None)
    array[...] = values
    np.testing.assert_array_equal(timed(array.__getitem__, ...), values)


def test_write_to_memory(timed: Timed, zarr_format: ZarrFormat, values: Values) -> None:
    array = create(MemoryStore(), zarr_format, compressors=None)
    timed(array.__setitem__, ..., values)
    np.testing.assert_array_equal(array[...], values)


def test_read_one_chunk(timed: Timed, tmp_path: Path, zarr_format: ZarrFormat) -> None:
    array = create(tmp_path / "one.zarr", zarr_format, shape=(16,), chunks=(16,))
    array[...] = np.arange(16)
    np.testing.assert_array_equal(timed(array.__getitem__, ...), np.arange(16))


def test_open_an_array(timed: Timed, stored: zarr.Array[Any]) -> None:
    assert isinstance(stored.store, LocalStore)
    array = timed(zarr.open_array, stored.store.root, mode="r")
    assert array.metadata == stored.metadata


def test_list_a_group(timed: Timed, tmp_path: Path, zarr_format: ZarrFormat) -> None:
    group = zarr.create_group(tmp_path / "group.zarr", zarr_format=zarr_format)
    for number in range(CHILDREN):
        group.create_array(f"a{number}", shape=(4,), dtype="i4")

    def list_members() -> set[str]:
        return {name for name, _ in zarr.open_group(tmp_path / "group.zarr", mode="r").members()}

    assert timed(list_members) == {f"a{number}" for number in range(CHILDREN)}
