"""Released kerchunk over fsspec: HDF5 files read as arrays through references to their bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from tests.clients.bulk_reads import BulkReads
from tests.clients.needs import client
from tests.servers.range_server import Fault, RangeServer
from tests.stores.bulk_kit import gets

import zarr
from zarr.storage import FsspecStore

h5py = client("h5py")
client("kerchunk")
kerchunk_hdf = client("kerchunk.hdf")
kerchunk_combine = client("kerchunk.combine")
kerchunk_df = client("kerchunk.df")
kerchunk_utils = client("kerchunk.utils")
xarray = client("xarray")
dask = client("dask")

pytestmark = [
    pytest.mark.filterwarnings("ignore:The 'fastparquet' engine is deprecated"),
]

DAYS, NLAT, NLON = 12, 8, 10
FILES = 3


def values(number: int) -> np.ndarray[Any, Any]:
    """Return the temperatures of one file, unlike those of the others."""
    return np.random.default_rng(number).random((DAYS, NLAT, NLON)).astype("f4")


def hdf5(path: Path, number: int = 0) -> None:
    """Write a file with a chunked and compressed variable, and a contiguous one."""
    with h5py.File(path, "w") as file:
        file.attrs["title"] = "a test"
        time = file.create_dataset("time", data=1 + np.arange(DAYS) + DAYS * number)
        time.make_scale("time")
        lat = file.create_dataset("lat", data=np.linspace(-90, 90, NLAT))
        lat.make_scale("lat")
        temperature = file.create_dataset(
            "temperature",
            data=values(number),
            chunks=(1, NLAT, NLON),
            compression="gzip",
            shuffle=True,
            fillvalue=-1,
        )
        temperature.attrs["units"] = "K"
        temperature.dims[0].attach_scale(time)
        temperature.dims[1].attach_scale(lat)
        flat = file.create_dataset("flat", data=1 + np.arange(NLAT))
        flat.dims[0].attach_scale(lat)


@pytest.fixture
def references(tmp_path: Path, range_server: RangeServer) -> list[dict[str, Any]]:
    """What kerchunk found in a few files, which the server has; the server forgot about that."""
    found = []
    for number in range(FILES):
        path = tmp_path / f"{number}.h5"
        hdf5(path, number)
        range_server.objects[path.name] = path.read_bytes()
        url = f"{range_server.url}/{path.name}"
        # It reads the metadata by HTTP, as a user's does, and writes through this package.
        with fsspec.open(url, "rb") as file:
            found.append(kerchunk_hdf.SingleHdf5ToZarr(file, url, inline_threshold=0).translate())
    range_server.clear()
    return found


def reference_fs(references: Any, **options: Any) -> Any:
    return fsspec.filesystem(
        "reference",
        fo=references,
        remote_protocol="http",
        remote_options={"asynchronous": True},
        asynchronous=True,
        skip_instance_cache=True,
        **options,
    )


def opened(references: Any, **options: Any) -> zarr.Group:
    store = FsspecStore(reference_fs(references), read_only=True, path="", **options)
    return zarr.open_group(store, mode="r", zarr_format=2, use_consolidated=False)


def read_of(server: RangeServer) -> list[str]:
    """Return the files of all reads so far, sorted."""
    return [path for path, _ in gets(server)]


# --- reading through references ---------------------------------------------------------


def test_neighbours_are_one_request(
    references: list[dict[str, Any]], range_server: RangeServer, bulk_reads: BulkReads
) -> None:
    """The chunks lie one behind the other in the file, and are read together."""
    group = opened(references[0])
    temperature = group["temperature"]
    assert isinstance(temperature, zarr.Array)
    assert temperature.chunks == (1, NLAT, NLON)
    bulk_reads.clear()
    range_server.clear()
    np.testing.assert_array_equal(temperature[:], values(0))
    assert bulk_reads.chunks == [("FsspecStore", DAYS)]
    assert len(range_server.requests) == 1
    bulk_reads.expect_some("kerchunk")

    range_server.clear()
    np.testing.assert_array_equal(temperature[3:5], values(0)[3:5])
    (request,) = range_server.requests
    assert request.body_nbytes < len(range_server.objects["0.h5"]) / 3


def test_without_merging_each_chunk_is_a_request(
    references: list[dict[str, Any]], range_server: RangeServer
) -> None:
    temperature = opened(references[0], max_gap_bytes=None)["temperature"]
    range_server.clear()
    np.testing.assert_array_equal(temperature[:], values(0))  # type: ignore[index]
    assert len(range_server.requests) == DAYS


def test_metadata_and_small_values_ask_for_nothing(
    tmp_path: Path, range_server: RangeServer
) -> None:
    hdf5(tmp_path / "0.h5")
    url = f"{range_server.url}/0.h5"
    with open(tmp_path / "0.h5", "rb") as file:
        inlined = kerchunk_hdf.SingleHdf5ToZarr(file, url, inline_threshold=500).translate()
    group = opened(inlined)
    assert group.attrs["title"] == "a test"
    np.testing.assert_array_equal(group["flat"][:], 1 + np.arange(NLAT))  # type: ignore[index]
    np.testing.assert_array_equal(group["time"][:], 1 + np.arange(DAYS))  # type: ignore[index]
    assert group["temperature"].attrs["units"] == "K"
    assert range_server.requests == []


# --- the ways in which users open them --------------------------------------------------


def _dict(references: dict[str, Any], path: Path) -> Any:
    return references


def _json(references: dict[str, Any], path: Path) -> Any:
    (path / "refs.json").write_text(json.dumps(references))
    return str(path / "refs.json")


def _parquet(references: dict[str, Any], path: Path) -> Any:
    client("fastparquet")
    kerchunk_df.refs_to_dataframe(references, str(path / "refs.parquet"), record_size=5)
    return str(path / "refs.parquet")


@pytest.fixture(params=[_dict, _json, _parquet])
def written(
    request: pytest.FixtureRequest, references: list[dict[str, Any]], tmp_path: Path
) -> Any:
    """The references to one file, as one of the things that can be opened."""
    return request.param(references[0], tmp_path)


def _engine_kerchunk(source: Any) -> Any:
    return xarray.open_dataset(
        source,
        engine="kerchunk",
        storage_options={"remote_protocol": "http"},
        open_dataset_options={"chunks": None},
    )


def _engine_zarr(source: Any) -> Any:
    return xarray.open_dataset(
        "reference://",
        engine="zarr",
        chunks=None,
        consolidated=False,
        storage_options={
            "fo": source,
            "remote_protocol": "http",
            "remote_options": {"asynchronous": True},
        },
    )


def _mapper(source: Any) -> Any:
    mapper = fsspec.get_mapper(
        "reference://",
        fo=source,
        remote_protocol="http",
        remote_options={"asynchronous": True},
        asynchronous=True,
    )
    return xarray.open_zarr(mapper, consolidated=False, chunks=None, zarr_format=2)


def _store(source: Any) -> Any:
    store = FsspecStore(reference_fs(source), read_only=True, path="")
    return xarray.open_zarr(store, consolidated=False, chunks=None, zarr_format=2)


@pytest.mark.parametrize("open_dataset", [_engine_kerchunk, _engine_zarr, _mapper, _store])
def test_datasets(
    written: Any,
    range_server: RangeServer,
    open_dataset: Callable[[Any], Any],
    bulk_reads: BulkReads,
) -> None:
    with open_dataset(written) as lazy:
        assert lazy.attrs["title"] == "a test"
        range_server.clear()
        bulk_reads.clear()
        temperature = lazy["temperature"].load()
        assert bulk_reads.chunks == [("FsspecStore", DAYS)]
        assert read_of(range_server) == ["0.h5"]
        np.testing.assert_array_equal(temperature, values(0))
        np.testing.assert_array_equal(lazy["flat"], 1 + np.arange(NLAT))
        np.testing.assert_array_equal(lazy["temperature"]["lat"], np.linspace(-90, 90, NLAT))
    bulk_reads.expect_some("kerchunk")


# --- many files -------------------------------------------------------------------------


@pytest.fixture
def combined(references: list[dict[str, Any]]) -> Any:
    """References to all files, along time."""
    return kerchunk_combine.MultiZarrToZarr(
        references,
        remote_protocol="http",
        concat_dims=["time"],
        identical_dims=["lat", "flat"],
        inline_threshold=0,
    ).translate()


def test_each_file_is_one_request(
    combined: dict[str, Any], range_server: RangeServer, bulk_reads: BulkReads
) -> None:
    expected = np.concatenate([values(number) for number in range(FILES)])
    temperature = opened(combined)["temperature"]
    range_server.clear()
    bulk_reads.clear()
    np.testing.assert_array_equal(temperature[:], expected)  # type: ignore[index]
    assert bulk_reads.chunks == [("FsspecStore", FILES * DAYS)]
    assert read_of(range_server) == ["0.h5", "1.h5", "2.h5"]
    bulk_reads.expect_some("kerchunk")

    range_server.clear()
    np.testing.assert_array_equal(temperature[10:14, 2], expected[10:14, 2])  # type: ignore[index]
    assert read_of(range_server) == ["0.h5", "1.h5"]


def test_many_files_in_parquet(
    combined: dict[str, Any], tmp_path: Path, range_server: RangeServer
) -> None:
    """References are looked up in several files, as chunks need them."""
    client("fastparquet")
    path = str(tmp_path / "all.parquet")
    kerchunk_df.refs_to_dataframe(combined, path, record_size=7)
    temperature = opened(path)["temperature"]
    range_server.clear()
    expected = np.concatenate([values(number) for number in range(FILES)])
    np.testing.assert_array_equal(temperature[8:20], expected[8:20])  # type: ignore[index]
    assert read_of(range_server) == ["0.h5", "1.h5"]


def test_dask_over_references(
    combined: dict[str, Any], range_server: RangeServer, bulk_reads: BulkReads
) -> None:
    """Tasks on several threads, each of which reads a part of a file in one request."""
    with xarray.open_dataset(
        combined,
        engine="kerchunk",
        storage_options={"remote_protocol": "http"},
        open_dataset_options={"chunks": {"time": 6}},
    ) as lazy:
        range_server.clear()
        bulk_reads.clear()
        means = lazy["temperature"].mean(lazy["temperature"].dims[1:]).compute(scheduler="threads")
    expected = np.concatenate([values(number) for number in range(FILES)]).mean((1, 2))
    np.testing.assert_allclose(means, expected, rtol=1e-6)
    assert bulk_reads.chunks.count(("FsspecStore", 6)) == 6
    asked = read_of(range_server)
    assert set(asked) == {"0.h5", "1.h5", "2.h5"}
    assert len(asked) <= 6  # two tasks of one file may be one request
    bulk_reads.expect_some("kerchunk")


def test_tasks_of_one_chunk_read_ahead(tmp_path: Path, range_server: RangeServer) -> None:
    """With one setting, tasks that read a chunk each share few requests."""
    data = np.random.default_rng(7).random((200, NLAT, NLON))
    with h5py.File(tmp_path / "many.h5", "w") as file:
        file.create_dataset("v", data=data, chunks=(1, NLAT, NLON))
    range_server.objects["many.h5"] = (tmp_path / "many.h5").read_bytes()
    url = f"{range_server.url}/many.h5"
    with fsspec.open(url, "rb") as remote:
        found = kerchunk_hdf.SingleHdf5ToZarr(remote, url, inline_threshold=0).translate()
    with zarr.config.set({"bulk_reads.read_ahead_bytes": 1 << 20}):
        store = FsspecStore(reference_fs(found), read_only=True, path="")
    with xarray.open_zarr(store, consolidated=False, zarr_format=2, chunks={}) as lazy:
        assert lazy["v"].chunks[0] == (1,) * 200
        range_server.clear()
        loaded = lazy["v"].compute(scheduler="threads", num_workers=2)
    np.testing.assert_array_equal(loaded, data)
    assert len(range_server.requests) <= 20


async def test_variables_are_loaded_together(
    tmp_path: Path, range_server: RangeServer, bulk_reads: BulkReads
) -> None:
    """Twenty small variables of one file by `load_async`, which reads them all at once."""
    names = [f"v{number:02}" for number in range(20)]
    with h5py.File(tmp_path / "small.h5", "w") as file:
        for number, name in enumerate(names):
            file.create_dataset(name, data=np.arange(1.0, 9.0) + number)
    range_server.objects["small.h5"] = (tmp_path / "small.h5").read_bytes()
    url = f"{range_server.url}/small.h5"
    with fsspec.open(url, "rb") as remote:
        found = kerchunk_hdf.SingleHdf5ToZarr(remote, url, inline_threshold=0).translate()
    store = FsspecStore(reference_fs(found), read_only=True, path="")
    with xarray.open_zarr(store, consolidated=False, zarr_format=2, chunks=None) as lazy:
        range_server.clear()
        bulk_reads.clear()
        loaded = await lazy.load_async()
    for number, name in enumerate(names):
        np.testing.assert_array_equal(loaded[name], np.arange(1.0, 9.0) + number)
    assert len(range_server.requests) <= 3
    bulk_reads.expect_some("kerchunk")


def test_arrays_are_inlined_and_split(tmp_path: Path, range_server: RangeServer) -> None:
    """kerchunk's own tools that read and write arrays."""
    hdf5(tmp_path / "0.h5")
    with h5py.File(tmp_path / "0.h5", "a") as file:
        file.create_dataset("plain", data=values(5))  # not compressed, one chunk
    range_server.objects["0.h5"] = (tmp_path / "0.h5").read_bytes()
    url = f"{range_server.url}/0.h5"
    with open(tmp_path / "0.h5", "rb") as file:
        found = kerchunk_hdf.SingleHdf5ToZarr(file, url, inline_threshold=0).translate()
    split = kerchunk_utils.subchunk(found, "plain", 4)
    plain = opened(split)["plain"]
    assert plain.chunks == (DAYS // 4, NLAT, NLON)  # type: ignore[union-attr]
    np.testing.assert_array_equal(plain[:], values(5))  # type: ignore[index]
    assert len(range_server.requests) == 1
    inlined = kerchunk_utils.inline_array(
        found, threshold=0, names=["temperature"], remote_options={"asynchronous": True}
    )
    range_server.clear()
    temperature = opened(inlined)["temperature"]
    np.testing.assert_array_equal(temperature[:], values(0))  # type: ignore[index]
    assert range_server.requests == []


# --- failing ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [Fault(status=500), Fault(status=404), Fault(truncate_to=100), Fault(reset=True)]
)
def test_a_failed_request_is_no_missing_value(
    references: list[dict[str, Any]], range_server: RangeServer, fault: Fault
) -> None:
    with _engine_kerchunk(references[0]) as lazy:
        range_server.inject("0.h5", fault)
        with pytest.raises(Exception, match="temperature") as caught:
            lazy["temperature"].load()
        assert not isinstance(caught.value, (KeyError, AssertionError))
        range_server.clear()
        np.testing.assert_array_equal(lazy["temperature"], values(0))


def test_a_chunk_without_a_reference_is_filled(
    references: list[dict[str, Any]], range_server: RangeServer
) -> None:
    del references[0]["refs"]["temperature/4.0.0"]
    found = opened(references[0])["temperature"][:]  # type: ignore[index]
    expected = values(0)
    expected[4] = -1
    np.testing.assert_array_equal(found, expected)
