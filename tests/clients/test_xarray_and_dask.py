"""Released xarray over dask: lazy, chunked datasets, read and written by several threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.clients.bulk_reads import BulkReads
from tests.clients.needs import client

import zarr

xarray = client("xarray")
dask = client("dask")

from tests.clients.datasets import dataset  # noqa: E402  # imports the client


def write(path: Path, data: Any, chunks: tuple[int, ...] = (2, 2, 5), **options: Any) -> None:
    encoding = {"temperature": {"chunks": chunks, **options}}
    data.to_zarr(path, zarr_format=3, consolidated=False, encoding=encoding)


def test_one_task_reads_what_its_chunk_needs(tmp_path: Path, bulk_reads: BulkReads) -> None:
    expected = dataset()[["temperature"]]
    write(tmp_path / "a", expected)
    for chunks, sizes, requests in (
        ({}, (2, 2, 2), [1] * 6),  # those of the store
        ({"time": 4, "lat": 4}, (4, 2), [4, 2]),
        (-1, (6,), [6]),
        ("auto", (6,), [6]),
    ):
        with xarray.open_zarr(tmp_path / "a", consolidated=False, chunks=chunks) as lazy:
            assert lazy["temperature"].chunks[0] == sizes
            bulk_reads.clear()
            found = lazy["temperature"].compute(scheduler="threads")
            assert sorted(count for _, count in bulk_reads.chunks) == sorted(requests)
            xarray.testing.assert_equal(found, expected["temperature"])
    bulk_reads.expect_some("xarray")
    bulk_reads.expect_some("dask")


def test_computed_while_it_is_read(tmp_path: Path, bulk_reads: BulkReads) -> None:
    data = dataset(20).drop_vars("name")
    write(tmp_path / "a", data, chunks=(3, 2, 5))
    with xarray.open_zarr(tmp_path / "a", consolidated=False) as lazy:
        means = lazy["temperature"].mean("time").compute(scheduler="threads")
        picked = lazy["temperature"].isel(time=[17, 3, 4], lat=1).compute(scheduler="threads")
        months = lazy["count"].groupby(lazy["time"].dt.day % 3).sum().compute(scheduler="threads")
    np.testing.assert_allclose(means, data["temperature"].mean("time"), rtol=1e-6)
    xarray.testing.assert_equal(picked, data["temperature"].isel(time=[17, 3, 4], lat=1))
    assert int(months.sum()) == int(data["count"].sum())
    bulk_reads.expect_some("dask")


@pytest.mark.parametrize("shards", [None, (4, 4, 5)])
def test_chunked_datasets_are_written(tmp_path: Path, shards: Any, bulk_reads: BulkReads) -> None:
    expected = dataset(12).drop_vars("name")
    options = {} if shards is None else {"shards": shards}
    with dask.config.set(scheduler="threads"):
        write(tmp_path / "a", expected.chunk({"time": 4}), chunks=(2, 2, 5), **options)
        with xarray.open_zarr(tmp_path / "a", consolidated=False) as found:
            xarray.testing.assert_equal(found.compute(), expected)
    array = zarr.open_array(tmp_path / "a" / "temperature", mode="r")
    assert (array.chunks, array.shards) == ((2, 2, 5), shards)
    bulk_reads.expect_some("xarray")


def test_tasks_that_would_share_a_chunk_are_refused(tmp_path: Path) -> None:
    chunked = dataset(12)[["temperature"]].chunk({"time": 3})
    with pytest.raises(ValueError, match="would overlap"):
        write(tmp_path / "a", chunked, chunks=(2, 4, 5))
    encoding = {"temperature": {"chunks": (2, 4, 5)}}
    chunked.to_zarr(
        tmp_path / "b", zarr_format=3, consolidated=False, encoding=encoding, align_chunks=True
    )
    with xarray.open_zarr(tmp_path / "b", consolidated=False) as found:
        xarray.testing.assert_equal(found.compute(), dataset(12)[["temperature"]])


def test_written_later(tmp_path: Path) -> None:
    expected = dataset()[["temperature"]]
    delayed = expected.chunk({"time": 2}).to_zarr(
        tmp_path / "a", zarr_format=3, consolidated=False, compute=False
    )
    with xarray.open_zarr(tmp_path / "a", consolidated=False) as found:
        assert np.isnan(found["temperature"].values).all()
    delayed.compute(scheduler="threads")
    with xarray.open_zarr(tmp_path / "a", consolidated=False) as found:
        xarray.testing.assert_equal(found.compute(), expected)


@pytest.mark.parametrize("parallel", [True, False])
def test_many_stores_are_one_dataset(tmp_path: Path, parallel: bool, bulk_reads: BulkReads) -> None:
    expected = dataset(9)[["temperature", "count"]]
    paths = [tmp_path / f"{start}.zarr" for start in (0, 3, 6)]
    for start, path in zip((0, 3, 6), paths):
        write(path, expected.isel(time=slice(start, start + 3)), chunks=(1, 4, 5))
    bulk_reads.clear()
    with (
        dask.config.set(scheduler="threads"),
        xarray.open_mfdataset(
            paths,
            engine="zarr",
            parallel=parallel,
            combine="by_coords",
            data_vars="minimal",
            compat="override",
            coords="minimal",
            join="override",
            chunks={"time": 3},
            consolidated=False,
        ) as lazy,
    ):
        assert lazy["temperature"].chunks == ((3, 3, 3), (4,), (5,))
        xarray.testing.assert_equal(lazy.compute(), expected)
    assert bulk_reads.chunks.count(("LocalStore", 3)) == 3  # the temperatures, one call a store
    bulk_reads.expect_some("xarray")


def test_a_fault_ends_the_computation(tmp_path: Path) -> None:
    write(tmp_path / "a", dataset()[["temperature"]], chunks=(1, 4, 5))
    chunk = tmp_path / "a" / "temperature" / "c" / "3" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    with xarray.open_zarr(tmp_path / "a", consolidated=False) as lazy:
        with pytest.raises(RuntimeError) as caught:
            lazy["temperature"].mean().compute(scheduler="threads")
        assert "c/3/0/0" in "".join(caught.value.__notes__)
