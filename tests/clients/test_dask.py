"""Released dask, as its users use it: arrays read and written through this package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.clients.bulk_reads import BulkReads
from tests.clients.needs import client
from tests.servers.range_server import Fault, RangeServer
from tests.stores.bulk_kit import put, values_of

import zarr
from zarr.storage import LocalStore, MemoryStore

dask = client("dask")
da = client("dask.array")

VALUES = np.random.default_rng(1).random((50, 40))


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    with dask.config.set(scheduler="threads"):
        yield


def stored(where: Path | str | MemoryStore, **options: Any) -> zarr.Array[Any]:
    array = zarr.create_array(
        where, shape=VALUES.shape, chunks=(10, 10), dtype="f8", fill_value=0, **options
    )
    array[:] = VALUES
    return array


# --- reading ----------------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_each_task_reads_in_bulk(tmp_path: Path, zarr_format: Any, bulk_reads: BulkReads) -> None:
    stored(tmp_path / "a", zarr_format=zarr_format)
    bulk_reads.clear()
    lazy = da.from_zarr(str(tmp_path / "a"))
    assert lazy.chunksize == (10, 10)
    np.testing.assert_array_equal(lazy.compute(), VALUES)
    assert [count for _, count in bulk_reads.chunks] == [1] * 20
    bulk_reads.clear()
    lazy = da.from_zarr(str(tmp_path / "a"), chunks=(30, 40))
    np.testing.assert_array_equal(lazy.compute(), VALUES)
    assert sorted(count for _, count in bulk_reads.chunks) == [8, 12]
    bulk_reads.expect_some("dask")


SELECTIONS = (
    np.s_[::3, 5:20],
    np.s_[7],
    np.s_[::-1, -3:],
    np.s_[[1, 40, 3], :],
    np.s_[..., 11, None],
    np.s_[3:3],
)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_slices(tmp_path: Path, selection: Any, bulk_reads: BulkReads) -> None:
    array = stored(tmp_path / "a")
    found = da.from_zarr(array)[selection].compute()
    np.testing.assert_array_equal(found, VALUES[selection])
    bulk_reads.record("dask")


def test_reductions(tmp_path: Path, bulk_reads: BulkReads) -> None:
    lazy = da.from_zarr(stored(tmp_path / "a"))
    np.testing.assert_allclose((lazy @ lazy.T).sum().compute(), (VALUES @ VALUES.T).sum())
    np.testing.assert_allclose(lazy.std(axis=0).compute(), VALUES.std(axis=0))
    bulk_reads.expect_some("dask")


def test_where_arrays_may_be(tmp_path: Path, bulk_reads: BulkReads) -> None:
    """A path, a URL, a part of a group, a store, an array."""
    group = zarr.create_group(tmp_path / "g")
    array = group.create_array("deep/a", shape=VALUES.shape, chunks=(10, 10), dtype="f8")
    array[:] = VALUES
    memory = MemoryStore()
    stored(memory)
    stored("memory://dask-reads/a")
    for lazy in (
        da.from_zarr(tmp_path / "g" / "deep" / "a"),
        da.from_zarr(str(tmp_path / "g"), component="deep/a"),
        da.from_zarr(LocalStore(tmp_path / "g"), component="deep/a"),
        da.from_zarr(array),
        da.from_zarr(array, inline_array=True),
        da.from_zarr(memory),
        da.from_zarr("memory://dask-reads/a"),
        da.from_array(array),
        da.from_array(array, chunks=(25, 40)),
    ):
        np.testing.assert_array_equal(lazy.compute(), VALUES)
    bulk_reads.expect_some("dask")
    with pytest.raises(FileNotFoundError):
        da.from_zarr(str(tmp_path / "nothing"))


def test_names_say_what_is_read(tmp_path: Path) -> None:
    """The same array has the same name in task graphs; another one, or one that is resized, not."""
    stored(tmp_path / "a")
    stored(tmp_path / "b")
    one, same, other = (da.from_zarr(str(tmp_path / name)) for name in "aab")
    assert one.name == same.name
    assert one.name != other.name
    zarr.open_array(tmp_path / "a", mode="r+").resize((60, 40))
    assert da.from_zarr(str(tmp_path / "a")).name != one.name


def test_sharded_arrays(tmp_path: Path, bulk_reads: BulkReads) -> None:
    array = stored(tmp_path / "a", shards=(20, 40))
    lazy = da.from_zarr(array, chunks=(20, 40))
    np.testing.assert_array_equal(lazy.compute(), VALUES)
    lazy.map_blocks(np.negative).to_zarr(
        str(tmp_path / "b"), chunks=(10, 10), shards=(20, 40), fill_value=0
    )
    written = zarr.open_array(tmp_path / "b", mode="r")
    assert written.shards == (20, 40)
    np.testing.assert_array_equal(written[:], -VALUES)


def test_types(tmp_path: Path) -> None:
    for number, values in enumerate(
        (
            np.array([True, False, True, True]),
            np.array([1 + 2j, 3, 4, 5], "c8"),
            np.array(["2001-01-01", "NaT", "2003-01-01", "1970-01-01"], "M8[s]"),
            np.array([1, 2, 3, 4], "m8[ms]"),
            np.array([1, 2, 3, 4], "<u2"),
        )
    ):
        path = str(tmp_path / str(number))
        da.from_array(values, chunks=3).to_zarr(path)
        found = da.from_zarr(path)
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(found.compute(), values)


# --- writing ----------------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_arrays_are_made(tmp_path: Path, zarr_format: Any) -> None:
    path = str(tmp_path / "d.zarr")
    lazy = da.from_array(VALUES, chunks=(16, 11))
    lazy.to_zarr(path, zarr_format=zarr_format)
    array = zarr.open_array(path, mode="r")
    assert array.metadata.zarr_format == zarr_format
    assert array.chunks == (16, 11)
    np.testing.assert_array_equal(array[:], VALUES)
    with pytest.raises(zarr.errors.ContainsArrayError):
        lazy.to_zarr(path, zarr_format=zarr_format)
    (lazy + 1).to_zarr(path, zarr_format=zarr_format, mode="w")
    np.testing.assert_array_equal(zarr.open_array(path, mode="r")[:], VALUES + 1)
    lazy.to_zarr(str(tmp_path / "g.zarr"), component="x/y", zarr_format=zarr_format)
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "g.zarr")["x/y"][:], VALUES)  # type: ignore[index]


def test_regions(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a", shape=(50, 40), chunks=(10, 10), dtype="f8")
    lazy = da.from_array(VALUES, chunks=(10, 40))
    with dask.config.set({"array.chunk-size": "3200B"}):
        for start in (30, 0, 10):
            rows = slice(start, start + 20)
            lazy[rows].to_zarr(array, region=(rows, slice(None)))
    np.testing.assert_array_equal(array[:], VALUES)


def test_many_threads_write_and_read(tmp_path: Path, bulk_reads: BulkReads) -> None:
    """Later reads see what was stored, and what is stored is written once it is computed."""
    target = zarr.create_array(tmp_path / "a", shape=(200, 40), chunks=(5, 40), dtype="i4")
    values = np.arange(8000, dtype="i4").reshape(200, 40)
    lazy = da.from_array(values, chunks=(5, 40))
    with dask.config.set(num_workers=8):
        delayed = da.store(lazy, target, lock=False, compute=False)
        assert not np.asarray(target[:]).any()
        delayed.compute()
        bulk_reads.clear()
        again = da.store(lazy * 2, target, lock=False, return_stored=True)
        np.testing.assert_array_equal(again.compute(), values * 2)
    assert bulk_reads.chunks == [("LocalStore", 1)] * 40
    bulk_reads.expect_some("dask")


# --- other processes --------------------------------------------------------------------


def served(server: RangeServer, nchunks: int = 8) -> tuple[str, np.ndarray[Any, Any]]:
    """Return the URL of an array that the server has, and its values."""
    store = MemoryStore()
    array = zarr.create_array(store, shape=(4 * nchunks,), chunks=(4,), dtype="i4", fill_value=0)
    values = np.arange(1, 4 * nchunks + 1, dtype="i4")
    array[:] = values
    put(server, {f"a/{key}": value for key, value in values_of(store).items()})
    return f"{server.url}/a", values


@pytest.mark.parametrize("scheduler", ["threads", "processes", "synchronous"])
def test_schedulers(range_server: RangeServer, scheduler: str, bulk_reads: BulkReads) -> None:
    """Whichever process reads asks for each chunk once, and for nothing else."""
    url, values = served(range_server)
    lazy = da.from_zarr(url, chunks=(16,))
    range_server.clear()
    bulk_reads.clear()
    total = (lazy + 1).sum().compute(scheduler=scheduler, num_workers=2)
    assert total == (values + 1).sum()
    asked = sorted(request.path for request in range_server.requests)
    assert asked == [f"a/c/{i}" for i in range(8)]
    if scheduler != "processes":
        assert bulk_reads.chunks == [("FsspecStore", 4)] * 2
        bulk_reads.expect_some("dask")


def test_processes_write(tmp_path: Path) -> None:
    target = zarr.create_array(tmp_path / "a", shape=(50, 40), chunks=(25, 40), dtype="f8")
    lazy = da.from_array(VALUES, chunks=(25, 40))
    da.store(lazy, target, lock=False, scheduler="processes", num_workers=2)
    np.testing.assert_array_equal(target[:], VALUES)


@pytest.mark.parametrize("status", [403, 500])
def test_a_fault_is_raised(range_server: RangeServer, status: int) -> None:
    url, _ = served(range_server)
    range_server.inject("a/c/5", Fault(status=status))
    with pytest.raises(client("aiohttp").ClientResponseError, match=str(status)) as caught:
        da.from_zarr(url).sum().compute()
    assert "c/5" in "".join(caught.value.__notes__)


def test_a_fault_is_raised_by_another_process(tmp_path: Path) -> None:
    array = stored(tmp_path / "a", compressors=zarr.codecs.ZstdCodec(checksum=True))
    chunk = tmp_path / "a" / "c" / "3" / "2"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    lazy = da.from_zarr(array, chunks=(50, 40)).sum()
    with pytest.raises(RuntimeError) as here:
        lazy.compute()
    assert "c/3/2" in "".join(here.value.__notes__)
    with pytest.raises(RuntimeError) as there:
        lazy.compute(scheduler="processes", num_workers=2)
    assert str(here.value) in str(there.value)  # dask may add where it was raised
    assert there.value.__notes__ == here.value.__notes__


def test_a_chunk_that_is_not_there_is_filled(range_server: RangeServer) -> None:
    url, values = served(range_server)
    del range_server.objects["a/c/5"]
    values[20:24] = 0
    np.testing.assert_array_equal(da.from_zarr(url).compute(), values)
