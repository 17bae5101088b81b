"""Released xarray, as its users use it: datasets written and read through this package."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.clients.bulk_reads import BulkReads
from tests.clients.needs import client

import zarr
from zarr.codecs import BloscCodec, GzipCodec
from zarr.storage import LocalStore, MemoryStore, ZipStore
from zarr.testing.recording import RecordingStore

xarray = client("xarray")
pandas = client("pandas")

from tests.clients.datasets import dataset  # noqa: E402  # imports the clients

FORMATS = list(itertools.product([2, 3], [True, False]))

# Consolidated metadata are in no specification of version 3, and the package says so.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:Consolidated metadata is currently not part:zarr.errors.ZarrUserWarning"
    ),
]

ENCODING: dict[str, Any] = {
    "temperature": {"chunks": (2, 2, 5)},
    "packed": {"dtype": "int16", "scale_factor": 1e-4, "_FillValue": -9999},
}


def stored(path: Path, name: str) -> zarr.Array[Any]:
    """Open a variable without xarray."""
    array = zarr.open_group(path, mode="r", use_consolidated=False)[name]
    assert isinstance(array, zarr.Array)
    return array


# --- round trips ------------------------------------------------------------------------


@pytest.mark.parametrize(("zarr_format", "consolidated"), FORMATS)
def test_round_trip(
    tmp_path: Path, zarr_format: Any, consolidated: bool, bulk_reads: BulkReads
) -> None:
    expected = dataset()
    path = tmp_path / "a.zarr"
    expected.to_zarr(path, zarr_format=zarr_format, consolidated=consolidated, encoding=ENCODING)
    bulk_reads.clear()
    with xarray.open_zarr(path, consolidated=consolidated, chunks=None) as lazy:
        assert ("LocalStore", 6) not in bulk_reads.chunks
        found = lazy.load()
    bulk_reads.expect_some("xarray")
    assert bulk_reads.chunks.count(("LocalStore", 6)) == 1  # the temperature, in one go
    xarray.testing.assert_allclose(found, expected, atol=1e-4)
    assert found.attrs == expected.attrs
    xarray.testing.assert_identical(found["temperature"], expected["temperature"])
    array = stored(path, "temperature")
    assert array.metadata.zarr_format == zarr_format
    assert array.chunks == (2, 2, 5)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_types(tmp_path: Path, zarr_format: Any, bulk_reads: BulkReads) -> None:
    """Every type that xarray stores comes back as it was, missing values included."""
    expected = xarray.Dataset(
        {
            "f2": ("x", np.array([1, np.nan, 3], "f2")),
            "f8": ("x", np.array([1, np.inf, -0.0])),
            "c8": ("x", np.array([1 + 2j, 3, 4j], "c8")),
            "u1": ("x", np.array([0, 1, 255], "u1")),
            "big": ("x", np.array([1, 2, 3], ">i4")),
            "bool": ("x", np.array([True, False, True])),
            "str": ("x", np.array(["a", "", "ccc"], dtype=object)),
            "when": ("x", np.array(["2001-01-01", "NaT", "2003-01-01T12:30"], "M8[ns]")),
            "long": ("x", np.array([3600, "NaT", 3], "m8[s]").astype("m8[ns]")),
            "none": (("x", "e"), np.empty((3, 0))),
            "scalar": ((), 7),
        },
    )
    expected.to_zarr(tmp_path / "a", zarr_format=zarr_format, consolidated=False)
    with xarray.open_zarr(
        tmp_path / "a", consolidated=False, chunks=None, decode_timedelta=True
    ) as lazy:
        found = lazy.load()
    xarray.testing.assert_equal(found, expected)
    for name in ("f2", "f8", "c8", "u1", "bool", "scalar"):
        assert found[name].dtype == expected[name].dtype
    bulk_reads.expect_some("xarray")


@pytest.mark.filterwarnings(
    "ignore:The data type .* does not have a Zarr V3 specification"
    ":zarr.errors.UnstableSpecificationWarning"
)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_texts_of_fixed_length(tmp_path: Path, zarr_format: Any) -> None:
    expected = xarray.Dataset(
        {"u": ("x", np.array(["a", "bé"])), "s": ("x", np.array([b"ab", b"c"]))}
    )
    expected.to_zarr(tmp_path / "a", zarr_format=zarr_format, consolidated=False)
    with xarray.open_zarr(tmp_path / "a", consolidated=False) as found:
        assert found["u"].values.tolist() == ["a", "bé"]
        assert found["s"].values.tolist() == [b"ab", b"c"]
        assert found["u"].dtype == expected["u"].dtype


def test_encodings_of_version_3(tmp_path: Path, bulk_reads: BulkReads) -> None:
    expected = dataset()[["temperature", "count"]]
    expected.to_zarr(
        tmp_path / "a",
        zarr_format=3,
        consolidated=False,
        encoding={
            "temperature": {
                "chunks": (1, 2, 5),
                "shards": (4, 4, 5),
                "compressors": (BloscCodec(cname="zstd", clevel=3),),
            },
            "count": {"chunks": (4,), "compressors": None, "fill_value": 7, "dtype": "i2"},
        },
    )
    temperature = stored(tmp_path / "a", "temperature")
    assert (temperature.chunks, temperature.shards) == ((1, 2, 5), (4, 4, 5))
    assert [type(codec) for codec in temperature.compressors] == [BloscCodec]
    count = stored(tmp_path / "a", "count")
    assert (count.chunks, count.dtype, count.fill_value) == ((4,), np.dtype("i2"), 7)
    assert count.compressors == ()
    with xarray.open_zarr(tmp_path / "a", consolidated=False, chunks=None) as found:
        assert found["temperature"].encoding["shards"] == (4, 4, 5)
        found.load()
        xarray.testing.assert_equal(found, expected)
        # What was read is written with the same encodings.
        found.to_zarr(tmp_path / "b", consolidated=False)
    again = stored(tmp_path / "b", "temperature")
    assert (again.chunks, again.shards) == ((1, 2, 5), (4, 4, 5))
    bulk_reads.expect_some("xarray")


def test_encodings_of_version_2(tmp_path: Path) -> None:
    numcodecs = client("numcodecs")
    expected = dataset()[["temperature", "count"]]
    expected.to_zarr(
        tmp_path / "a",
        zarr_format=2,
        consolidated=False,
        encoding={
            "temperature": {
                "chunks": (2, 4, 5),
                "compressors": [numcodecs.Zlib(level=2)],
                "filters": [numcodecs.Shuffle(elementsize=4)],
            },
            "count": {"compressors": None},
        },
    )
    temperature = stored(tmp_path / "a", "temperature")
    assert temperature.compressors == (numcodecs.Zlib(level=2),)
    assert temperature.filters == (numcodecs.Shuffle(elementsize=4),)
    assert stored(tmp_path / "a", "count").compressors == ()
    with xarray.open_zarr(tmp_path / "a", consolidated=False) as found:
        xarray.testing.assert_equal(found.load(), expected)


def test_codecs_of_the_other_version_are_refused(tmp_path: Path) -> None:
    encoding = {"count": {"compressors": (GzipCodec(),)}}
    with pytest.raises((TypeError, ValueError)):
        dataset()[["count"]].to_zarr(tmp_path / "a", zarr_format=2, encoding=encoding)


# --- changing what is stored ------------------------------------------------------------


@pytest.mark.parametrize(("zarr_format", "consolidated"), FORMATS)
def test_append(
    tmp_path: Path, zarr_format: Any, consolidated: bool, bulk_reads: BulkReads
) -> None:
    expected = dataset()[["temperature", "count"]]
    path = tmp_path / "a.zarr"
    parts = [expected.isel(time=slice(start, start + 2)) for start in (0, 2, 4)]
    parts[0].to_zarr(path, zarr_format=zarr_format, consolidated=consolidated)
    for part in parts[1:]:
        part.to_zarr(path, append_dim="time", consolidated=consolidated)
    with xarray.open_zarr(path, consolidated=consolidated) as found:
        xarray.testing.assert_equal(found.load(), expected)
    bulk_reads.expect_some("xarray")
    with pytest.raises(ValueError, match="lat"):
        parts[0].isel(lat=slice(1)).to_zarr(path, append_dim="time", consolidated=consolidated)
    with xarray.open_zarr(path, consolidated=consolidated) as found:
        xarray.testing.assert_equal(found.load(), expected)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_regions(tmp_path: Path, zarr_format: Any, bulk_reads: BulkReads) -> None:
    """Metadata first, then parts in any order, at given places and found by coordinates."""
    expected = dataset()[["temperature", "count"]]
    path = tmp_path / "a.zarr"
    template = expected.chunk({"time": 2})
    template.to_zarr(path, compute=False, zarr_format=zarr_format, consolidated=False)
    with xarray.open_zarr(path, consolidated=False, chunks=None) as found:
        assert np.isnan(found["temperature"].values).all() or not found["temperature"].any()
        np.testing.assert_array_equal(found["time"], expected["time"])
    for start in (4, 0):
        part = expected.isel(time=slice(start, start + 2)).drop_vars(["lat", "lon"])
        region = {"time": slice(start, start + 2)}
        part.to_zarr(path, region=region, consolidated=False)
    middle = expected.isel(time=slice(2, 4))
    bulk_reads.clear()
    middle.drop_vars(["lat", "lon"]).to_zarr(path, region={"time": "auto"}, consolidated=False)
    bulk_reads.expect_some("xarray")  # the coordinates, to find the place
    with xarray.open_zarr(path, consolidated=False) as found:
        xarray.testing.assert_equal(found.load(), expected)
    (middle + 10).to_zarr(path, region="auto", mode="r+", consolidated=False)
    with xarray.open_zarr(path, consolidated=False) as found:
        np.testing.assert_array_equal(found["count"], [0, 1, 12, 13, 4, 5])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_modes(tmp_path: Path, zarr_format: Any) -> None:
    path = tmp_path / "a.zarr"
    options: dict[str, Any] = {"zarr_format": zarr_format, "consolidated": False}
    first = dataset()[["count"]]
    first.to_zarr(path, mode="w-", **options)
    with pytest.raises(FileExistsError):
        first.to_zarr(path, mode="w-", **options)
    with pytest.raises(ValueError, match="non-pre-existing"):
        dataset()[["flag"]].to_zarr(path, mode="r+", **options)
    dataset()[["flag"]].to_zarr(path, mode="a", **options)
    with xarray.open_zarr(path, consolidated=False) as found:
        assert set(found.data_vars) == {"count", "flag"}
    (first + 1).to_zarr(path, mode="w", **options)
    with xarray.open_zarr(path, consolidated=False) as found:
        xarray.testing.assert_equal(found.load(), first + 1)
    with pytest.raises(FileNotFoundError):
        xarray.open_zarr(tmp_path / "no.zarr", consolidated=False)


# --- reading ----------------------------------------------------------------------------

SELECTIONS: tuple[dict[str, Any], ...] = (
    {"time": 3},
    {"time": -1, "lat": slice(None, None, -1)},
    {"time": [5, 0, 2], "lat": slice(1, 3)},
    {"time": slice(None, None, 2), "lon": [4, 1]},
    {"time": slice(0, 0)},
    {"time": ("p", [0, 1]), "lat": ("p", [2, 3])},
    {"time": (("p", "q"), [[0, 1], [4, 0]]), "lat": ("q", [2, 3]), "lon": slice(1, 4)},
)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_selections(tmp_path: Path, zarr_format: Any, bulk_reads: BulkReads) -> None:
    """They read the chunks that they need, and no other."""
    expected = dataset()[["temperature"]]
    encoding = {"temperature": {"chunks": (2, 2, 5)}}
    path = tmp_path / "a.zarr"
    expected.to_zarr(path, zarr_format=zarr_format, consolidated=False, encoding=encoding)
    with xarray.open_zarr(path, consolidated=False, chunks=None) as lazy:
        bulk_reads.clear()
        for indexers in SELECTIONS:
            picked = {
                dim: xarray.DataArray(index[1], dims=index[0]) if type(index) is tuple else index
                for dim, index in indexers.items()
            }
            xarray.testing.assert_equal(
                lazy["temperature"].isel(picked).load(), expected["temperature"].isel(picked)
            )
        bulk_reads.expect_some("xarray")
        bulk_reads.clear()
        assert lazy["temperature"].isel(time=slice(2, 4), lat=0).values.shape == (2, 5)
        assert bulk_reads.chunks == [("LocalStore", 1)]


async def test_load_async(tmp_path: Path, bulk_reads: BulkReads) -> None:
    """xarray reads all variables at once, by the asynchronous arrays."""
    expected = dataset()
    expected.to_zarr(tmp_path / "a.zarr", zarr_format=3, consolidated=False, encoding=ENCODING)
    lazy = xarray.open_zarr(tmp_path / "a.zarr", consolidated=False, chunks=None)
    bulk_reads.clear()
    found = await lazy.isel(time=slice(0, 4)).load_async()
    bulk_reads.expect_some("xarray")
    assert ("LocalStore", 4) in bulk_reads.chunks
    xarray.testing.assert_allclose(found, expected.isel(time=slice(0, 4)), atol=1e-4)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_fill_values(tmp_path: Path, zarr_format: Any) -> None:
    """In version 2 xarray takes the fill value for a missing value, in version 3 for a value."""
    group = zarr.create_group(tmp_path / "a", zarr_format=zarr_format)
    names: dict[str, Any] = {"attributes": {"_ARRAY_DIMENSIONS": ["x"]}}
    if zarr_format == 3:
        names = {"dimension_names": ["x"]}
    array = group.create_array("v", shape=(4,), chunks=(2,), dtype="f4", fill_value=-1, **names)
    array[:2] = [1, -1]
    with xarray.open_zarr(tmp_path / "a", consolidated=False, chunks=None) as found:
        expected = [1, np.nan, np.nan, np.nan] if zarr_format == 2 else [1, -1, -1, -1]
        np.testing.assert_array_equal(found["v"], expected)


@pytest.mark.parametrize("damaged", [True, False])
def test_a_fault_is_no_missing_value(tmp_path: Path, damaged: bool) -> None:
    expected = dataset()[["temperature"]]
    path = tmp_path / "a.zarr"
    encoding = {"temperature": {"chunks": (2, 4, 5)}}
    expected.to_zarr(path, zarr_format=3, consolidated=False, encoding=encoding)
    key = "temperature/c/1/0/0"
    encoded = (path / key).read_bytes()
    (path / key).unlink()
    with xarray.open_zarr(path, consolidated=False, chunks=None) as found:
        assert np.isnan(found["temperature"][2:4]).all()
    (path / key).write_bytes(encoded[:10] if damaged else encoded)
    failure = OSError(f"{key} is on fire")
    store = RecordingStore(LocalStore(path), failures={} if damaged else {key: failure})
    with xarray.open_zarr(store, consolidated=False, chunks=None) as found:
        with pytest.raises(RuntimeError if damaged else OSError) as caught:
            found.load()
        assert key in f"{caught.value} {getattr(caught.value, '__notes__', '')}"
        np.testing.assert_array_equal(found["temperature"][:2], expected["temperature"][:2])


def test_pickled_before_it_is_read(tmp_path: Path, bulk_reads: BulkReads) -> None:
    expected = dataset()[["temperature"]]
    expected.to_zarr(tmp_path / "a.zarr", zarr_format=3, consolidated=False)
    with xarray.open_zarr(tmp_path / "a.zarr", consolidated=False, chunks=None) as lazy:
        copied = pickle.loads(pickle.dumps(lazy))
    bulk_reads.clear()
    xarray.testing.assert_identical(copied.load()["temperature"], expected["temperature"])
    bulk_reads.expect_some("xarray")


# --- where it is stored -----------------------------------------------------------------


def _memory(path: Path) -> Any:
    return MemoryStore()


def _memory_url(path: Path) -> Any:
    return f"memory://{path.name}/xarray"


def _zip(path: Path) -> Any:
    return ZipStore(path / "a.zip", mode="w")


def _local(path: Path) -> Any:
    return LocalStore(path / "a")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")  # a zip file replaces nothing
@pytest.mark.parametrize("make", [_memory, _memory_url, _zip, _local])
def test_stores(tmp_path: Path, make: Callable[[Path], Any], bulk_reads: BulkReads) -> None:
    expected = dataset()[["temperature", "count"]]
    store = make(tmp_path)
    encoding = {"temperature": {"chunks": (2, 2, 5)}}
    expected.to_zarr(store, zarr_format=3, consolidated=False, encoding=encoding)
    if isinstance(store, ZipStore):
        store.close()
        store = ZipStore(tmp_path / "a.zip", mode="r")
    bulk_reads.clear()
    with xarray.open_zarr(store, consolidated=False, chunks=None) as found:
        xarray.testing.assert_equal(found.load(), expected)
    bulk_reads.expect_some("xarray")
    assert 6 in [requests for _, requests in bulk_reads.chunks]


@pytest.mark.parametrize(("zarr_format", "consolidated"), FORMATS)
def test_opening_consolidated_reads_one_document(zarr_format: Any, consolidated: bool) -> None:
    store = RecordingStore(MemoryStore())
    data = dataset()[["temperature", "count"]].drop_vars(["time", "lat", "lon"])
    data.to_zarr(store, zarr_format=zarr_format, consolidated=consolidated)
    store.reset()
    with xarray.open_zarr(store, consolidated=consolidated, chunks=None) as found:
        documents = {asked.key for asked in store.asked}
        children = {key for key in documents if "/" in key}
        assert bool(children) is not consolidated
        found.load()


def test_groups_of_one_store(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "a")
    for name in ("one", "deep/two"):
        dataset()[["count"]].to_zarr(store, group=name, zarr_format=3, consolidated=False)
    with xarray.open_zarr(store, group="deep/two", consolidated=False) as found:
        xarray.testing.assert_equal(found.load(), dataset()[["count"]])
    opened = xarray.open_groups(tmp_path / "a", engine="zarr", consolidated=False)
    assert sorted(opened) == ["/", "/deep", "/deep/two", "/one"]  # in the order of the directory
