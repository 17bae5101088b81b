"""Released dask.distributed: arrays, groups and stores travel to workers in other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.clients.bulk_reads import BulkReads, count_bulk_reads
from tests.clients.needs import client
from tests.servers.range_server import Fault, RangeServer
from tests.stores.bulk_kit import put, values_of

import zarr
from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore, MemoryStore, ObjectStore, StorePath, ZipStore

distributed = client("distributed")
dask = client("dask")
da = client("dask.array")
xarray = client("xarray")

from tests.clients.datasets import dataset  # noqa: E402  # imports a client

VALUES = np.arange(1, 97, dtype="i4")
NCHUNKS = 12


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A client of two workers, each a process with two threads, on loopback."""
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=2,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as workers,
        distributed.Client(workers, timeout="120s") as connected,
    ):
        yield connected


_counting = ExitStack()
_counted: list[BulkReads] = []


def start_counting() -> None:
    """Begin to count bulk reads in this process."""
    _counted.append(_counting.enter_context(count_bulk_reads()))


def stop_counting() -> BulkReads:
    """Return the bulk reads of this process."""
    _counting.close()
    return _counted.pop()


class WorkerReads:
    """The bulk reads of the workers of a cluster, collected when asked for."""

    def __init__(self, cluster: Any, here: BulkReads) -> None:
        self._cluster = cluster
        self._here = here
        cluster.run(start_counting)

    def take(self) -> BulkReads:
        """Return what all workers have read since this was called last."""
        found = BulkReads()
        for reads in self._cluster.run(stop_counting).values():
            found.calls += reads.calls
            found.chunks += reads.chunks
        self._cluster.run(start_counting)
        return found

    def expect_some(self) -> list[tuple[str, int]]:
        """Return the reads of chunks and record all; this process has to have read no chunk."""
        assert self._here.chunks == []
        found = self.take()
        self._here.calls += found.calls
        self._here.chunks += found.chunks
        self._here.expect_some("distributed")
        self._here.clear()
        return found.chunks


@pytest.fixture
def worker_reads(cluster: Any, bulk_reads: BulkReads) -> Iterator[WorkerReads]:
    reads = WorkerReads(cluster, bulk_reads)
    yield reads
    cluster.run(stop_counting)


def filled(store: Any, **options: Any) -> zarr.Array[Any]:
    array = zarr.create_array(
        store, shape=VALUES.shape, chunks=(8,), dtype="i4", fill_value=0, **options
    )
    array[:] = VALUES
    return array


# --- reading ----------------------------------------------------------------------------


def test_workers_read(cluster: Any, tmp_path: Path, worker_reads: WorkerReads) -> None:
    filled(tmp_path / "a")
    lazy = da.from_zarr(tmp_path / "a", chunks=(32,))
    np.testing.assert_array_equal(cluster.compute(lazy, sync=True), VALUES)
    assert [count for _, count in worker_reads.expect_some()] == [4, 4, 4]
    assert cluster.compute(lazy[::-2].sum(), sync=True) == VALUES[::-2].sum()
    assert worker_reads.expect_some()


def test_one_array_on_many_threads(cluster: Any, tmp_path: Path, worker_reads: WorkerReads) -> None:
    array = filled(tmp_path / "a")
    futures = cluster.map(read_at, [array] * 60, list(range(60)), pure=False)
    assert cluster.gather(futures) == VALUES[:60].tolist()
    assert [count for _, count in worker_reads.expect_some()] == [1] * 60


def read_at(array: zarr.Array[Any], position: int) -> int:
    """Return one element."""
    return int(np.asarray(array[position]))


async def read_on_the_loop_of_the_worker(array: zarr.AsyncArray[Any]) -> list[int]:
    """Return all elements, by a coroutine: not on the event loop that zarr has for itself."""
    return np.asarray(await array.getitem(...)).tolist()


def test_coroutines(cluster: Any, tmp_path: Path, worker_reads: WorkerReads) -> None:
    array = filled(tmp_path / "a").async_array
    future = cluster.submit(read_on_the_loop_of_the_worker, array)
    assert future.result(timeout=120) == VALUES.tolist()
    assert worker_reads.expect_some() == [("LocalStore", NCHUNKS)]


# --- what travels -----------------------------------------------------------------------


def _local(path: Path, server: RangeServer) -> Store:
    return LocalStore(path / "a")


def _file_system(path: Path, server: RangeServer) -> Store:
    return FsspecStore.from_url(f"file://{path}/a", storage_options={"auto_mkdir": True})


def _object_store(path: Path, server: RangeServer) -> Store:
    obstore_store = client("obstore.store")
    return ObjectStore(obstore_store.LocalStore(str(path / "a"), mkdir=True))


def _zip(path: Path, server: RangeServer) -> Store:
    with ZipStore(path / "a.zip", mode="w") as store:
        filled(store, name="x/y")
    return ZipStore(path / "a.zip", mode="r")


def _http(path: Path, server: RangeServer) -> Store:
    serve(server)
    return FsspecStore.from_url(f"{server.url}/a", read_only=True)


def serve(server: RangeServer) -> None:
    """Put a group with an array on the server."""
    store = MemoryStore()
    filled(store, name="x/y")
    put(server, {f"a/{key}": value for key, value in values_of(store).items()})


def echo(thing: Any) -> Any:
    """Send back what came."""
    return thing


def total(thing: Any) -> int:
    """Return the sum of an array, however it is given."""
    if isinstance(thing, StorePath):
        thing = zarr.open_array(thing, mode="r")
    elif isinstance(thing, Store):
        thing = zarr.open_group(thing, mode="r", use_consolidated=False)
    if isinstance(thing, zarr.Group):
        thing = thing["x/y"]
    return int(np.asarray(thing[:]).sum())


@pytest.mark.parametrize("make", [_local, _file_system, _object_store, _zip, _http])
def test_stores_and_nodes_travel(
    cluster: Any,
    tmp_path: Path,
    range_server: RangeServer,
    make: Callable[[Path, RangeServer], Store],
    worker_reads: WorkerReads,
) -> None:
    store = make(tmp_path, range_server)
    if not store.read_only:
        filled(store, name="x/y")
    group = zarr.open_group(store, mode="r", use_consolidated=False)
    array = group["x/y"]
    assert isinstance(array, zarr.Array)
    things = [store, StorePath(store, "x/y"), group, group["x"], array]
    graph: Any = [dask.delayed(total)(thing) for thing in (*things[:3], array)]
    assert cluster.compute(dask.delayed(sum)(graph), sync=True) == 4 * VALUES.sum()
    calls = worker_reads.expect_some()
    assert [count for _, count in calls] == [NCHUNKS] * 4
    for thing in things:
        assert cluster.submit(echo, thing, pure=False).result(timeout=120) == thing


def test_memory_stays_where_it_is(cluster: Any) -> None:
    """Workers would write into copies; dask refuses, as it knows the class of the store."""
    array = filled(MemoryStore())
    with pytest.raises(RuntimeError, match="distributed scheduler"):
        da.zeros(96, chunks=8, dtype="i4").to_zarr(array)
    np.testing.assert_array_equal(array[:], VALUES)


# --- writing ----------------------------------------------------------------------------


def write_rows(array: zarr.Array[Any], start: int, stop: int) -> None:
    """Write a region."""
    array[start:stop] = VALUES[start:stop]


@pytest.mark.parametrize("options", [{"zarr_format": 2}, {"zarr_format": 3}, {"shards": (16,)}])
def test_regions_are_written_side_by_side(
    cluster: Any, tmp_path: Path, options: dict[str, Any]
) -> None:
    array = zarr.create_array(tmp_path / "a", shape=(96,), chunks=(8,), dtype="i4", **options)
    starts = list(range(0, 96, 16))
    futures = cluster.map(write_rows, [array] * 6, starts, [start + 16 for start in starts])
    cluster.gather(futures)
    np.testing.assert_array_equal(array[:], VALUES)


def test_dask_arrays_are_stored(cluster: Any, tmp_path: Path, worker_reads: WorkerReads) -> None:
    lazy = da.from_array(VALUES, chunks=(16,))
    lazy.to_zarr(tmp_path / "a", zarr_format=3)
    target = zarr.create_array(tmp_path / "b", shape=(192,), chunks=(16,), dtype="i4")
    with dask.config.set({"array.chunk-size": "64B"}):
        for start in (96, 0):
            place = slice(start, start + 96)
            (da.from_zarr(tmp_path / "a") * 2).to_zarr(target, region=(place,))
    assert len(worker_reads.expect_some()) == 12
    np.testing.assert_array_equal(target[:], np.tile(VALUES * 2, 2))


# --- failing ----------------------------------------------------------------------------


def test_a_damaged_chunk_raises_at_the_client(cluster: Any, tmp_path: Path) -> None:
    array = filled(tmp_path / "a")
    chunk = tmp_path / "a" / "c" / "5"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    with pytest.raises(RuntimeError) as here:
        array[:]
    with pytest.raises(RuntimeError) as there:
        cluster.compute(da.from_zarr(tmp_path / "a", chunks=(48,)).sum(), sync=True)
    assert str(there.value) == str(here.value)
    assert "c/5" in "".join(there.value.__notes__)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(status=500), "500|ClientResponseError"),
        (Fault(truncate_to=3), "received 3 of"),
        (Fault(reset=True), "reset by peer"),
    ],
)
def test_a_failed_request_raises_at_the_client(
    cluster: Any, range_server: RangeServer, fault: Fault, message: str
) -> None:
    serve(range_server)
    lazy = da.from_zarr(f"{range_server.url}/a", component="x/y")
    range_server.inject("a/x/y/c/5", fault)
    with pytest.raises(Exception, match=message):  # not all of aiohttp's errors can be pickled
        cluster.compute(lazy.sum(), sync=True)


def open_nothing(path: str) -> None:
    """Open an array that is not there."""
    zarr.open_array(path, mode="r")


def make_again(path: str) -> None:
    """Create an array where one is."""
    zarr.create_array(path, shape=(1,), dtype="i4")


def read_past_the_end(path: str) -> None:
    """Ask for an element that an array does not have."""
    zarr.open_array(path, mode="r")[1000]


def write_to_read_only(path: str) -> None:
    """Write to an array that was opened for reading."""
    zarr.open_array(path, mode="r")[0] = 1


@pytest.mark.parametrize(
    "function", [open_nothing, make_again, read_past_the_end, write_to_read_only]
)
def test_errors_are_the_same_at_the_client(
    cluster: Any, tmp_path: Path, function: Callable[[str], None]
) -> None:
    path = str(tmp_path / "a")
    if function is not open_nothing:
        filled(path)
    with pytest.raises(Exception) as here:  # whatever it is
        function(path)
    with pytest.raises(type(here.value)) as there:
        cluster.submit(function, path).result(timeout=120)
    assert type(there.value) is type(here.value)
    assert str(there.value) == str(here.value)


# --- xarray -----------------------------------------------------------------------------


def write_part(path: str, start: int, stop: int) -> None:
    """Write a few days into a store that another process has made."""
    part = dataset(12)[["temperature"]].isel(time=slice(start, stop))
    region = {"time": slice(start, stop)}
    part.drop_vars(["lat", "lon"]).to_zarr(path, region=region, consolidated=False)


def test_xarray_on_workers(
    cluster: Any, tmp_path: Path, worker_reads: WorkerReads, bulk_reads: BulkReads
) -> None:
    expected = dataset(12)[["temperature"]]
    path = str(tmp_path / "a")
    encoding = {"temperature": {"chunks": (3, 4, 5)}}
    expected.chunk({"time": 3}).to_zarr(
        path, zarr_format=3, consolidated=False, compute=False, encoding=encoding
    )
    starts = [0, 3, 6, 9]
    cluster.gather(cluster.map(write_part, [path] * 4, starts, [start + 3 for start in starts]))
    with xarray.open_zarr(path, consolidated=False, chunks={"time": 6}) as lazy:
        bulk_reads.clear()
        worker_reads.take()
        assert lazy["temperature"].chunks[0] == (6, 6)
        means = cluster.compute(lazy["temperature"].mean("lon"), sync=True)
    np.testing.assert_allclose(means, expected["temperature"].mean("lon"), rtol=1e-6)
    assert worker_reads.expect_some() == [("LocalStore", 2)] * 2


def test_many_stores_opened_on_workers(cluster: Any, tmp_path: Path) -> None:
    expected = dataset(9)[["temperature"]]
    paths = [str(tmp_path / f"{start}.zarr") for start in (0, 3, 6)]
    for start, path in zip((0, 3, 6), paths):
        part = expected.isel(time=slice(start, start + 3))
        part.chunk({"time": 1}).to_zarr(path, zarr_format=2, consolidated=True)
    with xarray.open_mfdataset(
        paths, engine="zarr", parallel=True, data_vars="minimal", coords="minimal",
        compat="override", join="override", combine="by_coords",
    ) as lazy:  # fmt: skip
        xarray.testing.assert_equal(lazy.compute(), expected)
