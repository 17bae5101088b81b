"""Released VirtualiZarr: HDF5 files behind HTTP, read as arrays through manifests of their chunks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from tests.clients.bulk_reads import BulkReads
from tests.clients.needs import client
from tests.servers.range_server import Fault, RangeServer
from tests.stores.bulk_kit import gets, values_of

import zarr
from zarr.abc.store import RangeByteRequest, ReadRequest, parse_requests
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.errors import ContainsArrayError, ContainsGroupError
from zarr.storage import FsspecStore, MemoryStore
from zarr.storage.bulk import ReadScheduler

h5py = client("h5py")
obstore = client("obstore")
client("obstore.store")
virtualizarr = client("virtualizarr")
manifests = client("virtualizarr.manifests")
manifest_utils = client("virtualizarr.manifests.utils")
parsers = client("virtualizarr.parsers")
registries = client("obspec_utils.registry")
xarray = client("xarray")

# Assigned, since types are not looked up in modules that may be missing.
ManifestStore: Any = manifests.ManifestStore

pytestmark = [
    pytest.mark.filterwarnings("ignore:The 'fastparquet' engine is deprecated"),
]

DAYS, NLAT, NLON = 12, 8, 10
FILES = 3


def values(number: int) -> np.ndarray[Any, Any]:
    """Return the temperatures of one file, unlike those of the others."""
    return np.random.default_rng(number).random((DAYS, NLAT, NLON)).astype("f4")


def hdf5(path: Path, number: int = 0) -> None:
    """Write a file with a compressed variable, contiguous ones, and one in a group."""
    with h5py.File(path, "w") as file:
        file.attrs["title"] = "a test"
        time = file.create_dataset("time", data=1 + np.arange(DAYS) + DAYS * number)
        time.make_scale("time")
        lat = file.create_dataset("lat", data=np.linspace(-90, 90, NLAT))
        lat.make_scale("lat")
        lon = file.create_dataset("lon", data=np.arange(NLON, dtype="f4"))
        lon.make_scale("lon")
        temperature = file.create_dataset(
            "temperature",
            data=values(number),
            chunks=(1, NLAT, NLON),
            compression="gzip",
            shuffle=True,
            fillvalue=-1,
        )
        temperature.attrs["units"] = "K"
        plain = file.create_dataset("plain", data=values(number + 100), chunks=(3, 4, NLON))
        for variable in (temperature, plain):
            for axis, scale in enumerate((time, lat, lon)):
                variable.dims[axis].attach_scale(scale)
        below = file.create_group("below").create_dataset("big", data=np.arange(6, dtype=">i2"))
        below.attrs["long_name"] = "in a group"


def http_registry(server: RangeServer) -> Any:
    """Make VirtualiZarr read from the server, by the client that its users have."""
    store = obstore.store.HTTPStore.from_url(server.url, client_options={"allow_http": True})
    return registries.ObjectStoreRegistry({server.url: store})


@pytest.fixture
def urls(tmp_path: Path, range_server: RangeServer) -> list[str]:
    """The addresses of a few files on the server."""
    for number in range(FILES):
        path = tmp_path / f"{number}.h5"
        hdf5(path, number)
        range_server.objects[path.name] = path.read_bytes()
    return [f"{range_server.url}/{number}.h5" for number in range(FILES)]


@pytest.fixture
def store(urls: list[str], range_server: RangeServer) -> Any:
    """The first file as a store; the server forgot how it was parsed."""
    made = parsers.HDFParser()(urls[0], http_registry(range_server))
    range_server.clear()
    return made


# --- read by our arrays -----------------------------------------------------------------


def test_values_are_those_of_the_file(store: Any, tmp_path: Path, bulk_reads: BulkReads) -> None:
    group = zarr.open_group(store, mode="r", zarr_format=3)
    assert group.attrs["title"] == "a test"
    with h5py.File(tmp_path / "0.h5") as file:
        for name in ("time", "lat", "lon", "temperature", "plain", "below/big"):
            array = group[name]
            assert isinstance(array, zarr.Array)
            assert (array.shape, array.dtype) == (
                file[name].shape,
                file[name].dtype.newbyteorder("="),
            )
            np.testing.assert_array_equal(array[:], file[name][:])
    temperature = group["temperature"]
    assert isinstance(temperature, zarr.Array)
    assert temperature.attrs["units"] == "K"
    assert temperature.metadata.dimension_names == ("time", "lat", "lon")
    assert ("ManifestStore", DAYS) in bulk_reads.chunks
    bulk_reads.expect_some("virtualizarr")


def test_selections_read_the_chunks_they_need(
    store: Any, range_server: RangeServer, bulk_reads: BulkReads
) -> None:
    plain: Any = zarr.open_array(store, path="plain", mode="r")
    expected = values(100)
    for index, nchunks in (
        ((slice(3, 6), slice(0, 4)), 1),
        ((4,), 2),
        ((slice(None, None, 5), 7), 3),
        ((slice(0, 0),), 0),
    ):
        bulk_reads.clear()
        range_server.clear()
        np.testing.assert_array_equal(plain[index], expected[index])
        assert sum(requests for _, requests in bulk_reads.chunks) == nchunks
        assert len(range_server.requests) == nchunks
    np.testing.assert_array_equal(plain.oindex[[9, 0], :, [1]], expected[[9, 0]][:, :, [1]])
    np.testing.assert_array_equal(
        plain.vindex[[9, 0], [1, 2], [3, 4]], expected[[9, 0], [1, 2], [3, 4]]
    )
    bulk_reads.expect_some("virtualizarr")


async def test_asynchronous_arrays(store: Any, bulk_reads: BulkReads) -> None:
    group = await zarr.api.asynchronous.open_group(store, mode="r", zarr_format=3)
    array = await group.getitem("temperature")
    assert isinstance(array, zarr.AsyncArray)
    np.testing.assert_array_equal(await array.getitem(slice(2, 5)), values(0)[2:5])
    assert bulk_reads.chunks == [("ManifestStore", 3)]
    bulk_reads.expect_some("virtualizarr")


def test_what_it_does_not_support_is_refused(store: Any) -> None:
    group = zarr.open_group(store, mode="r", zarr_format=3)
    assert group.read_only
    with pytest.raises(ValueError, match="read-only"):
        group["plain"][:] = 0  # type: ignore[index]
    # The store answers for the document of a group at any path, as with the released package.
    with pytest.raises(ContainsGroupError, match="new"):
        group.create_array("new", shape=(1,), dtype="i4")
    with pytest.raises(ContainsArrayError, match="plain"):
        group.create_array("plain", shape=(1,), dtype="i4")
    assert sorted(group) == ["below", "lat", "lon", "plain", "temperature", "time"]


@pytest.mark.parametrize("fault", [Fault(status=404), Fault(truncate_to=10)])
def test_a_failed_request_is_no_missing_value(
    store: Any, range_server: RangeServer, fault: Fault
) -> None:
    array = zarr.open_array(store, path="temperature", mode="r")
    range_server.inject("0.h5", fault)
    with pytest.raises(Exception, match=r"0\.h5|temperature|length|body") as caught:
        array[:]
    assert not isinstance(caught.value, (KeyError, AssertionError))
    assert "temperature/c" in f"{caught.value} {getattr(caught.value, '__notes__', '')}"


# --- opened as xarray's users open it ---------------------------------------------------


def test_xarray_over_a_store(store: Any, range_server: RangeServer, bulk_reads: BulkReads) -> None:
    with xarray.open_zarr(store, consolidated=False, zarr_format=3, chunks=None) as lazy:
        assert lazy.attrs["title"] == "a test"
        np.testing.assert_array_equal(lazy["lat"], np.linspace(-90, 90, NLAT))
        bulk_reads.clear()
        found = lazy["temperature"].isel(time=slice(3, 9)).load()
    assert bulk_reads.chunks == [("ManifestStore", 6)]
    np.testing.assert_array_equal(found, values(0)[3:9])
    np.testing.assert_array_equal(found["time"], 1 + np.arange(3, 9))
    bulk_reads.expect_some("virtualizarr")


def test_a_group_of_the_file(
    urls: list[str], range_server: RangeServer, bulk_reads: BulkReads
) -> None:
    below = parsers.HDFParser(group="below")(urls[0], http_registry(range_server))
    array = zarr.open_array(below, path="big", mode="r")
    assert array.attrs["long_name"] == "in a group"
    np.testing.assert_array_equal(array[:], np.arange(6))
    bulk_reads.expect_some("virtualizarr")


def test_loadable_variables_are_read_by_our_arrays(
    urls: list[str], range_server: RangeServer, bulk_reads: BulkReads
) -> None:
    found = virtualizarr.open_virtual_dataset(
        urls[0],
        registry=http_registry(range_server),
        parser=parsers.HDFParser(),
        loadable_variables=["time", "lat", "lon", "temperature"],
    )
    assert isinstance(found["plain"].data, manifests.ManifestArray)
    np.testing.assert_array_equal(found["temperature"].values, values(0))
    assert ("ManifestStore", DAYS) in bulk_reads.chunks
    bulk_reads.expect_some("virtualizarr")


# --- made by hand -----------------------------------------------------------------------


def handmade(url: str, registry: Any, cls: Any = None) -> Any:
    """Return a store over one object of 4-byte integers: chunks, one absent, and one inlined."""
    metadata = manifest_utils.create_v3_array_metadata(
        shape=(10, 6),
        data_type=np.dtype("<i4"),
        chunk_shape=(2, 6),
        chunk_key_encoding={"name": "default", "separator": "."},
        codecs=[],
        fill_value=-1,
        dimension_names=("x", "y"),
        attributes={"made": "by hand"},
    )
    entries: dict[str, Any] = {
        f"{number}.0": {"path": url, "offset": 100 + 48 * number, "length": 48}
        for number in (0, 1, 3)
    }
    entries["4.0"] = {"path": "", "offset": 0, "length": 48, "data": bytes(48)}
    array = manifests.ManifestArray(
        metadata=metadata, chunkmanifest=manifests.ChunkManifest(entries, shape=(5, 1))
    )
    group = manifests.ManifestGroup(arrays={"v": array}, attributes={"a": 1})
    return (cls or ManifestStore)(group, registry=registry)


def handmade_object() -> tuple[bytes, np.ndarray[Any, Any]]:
    """Return the object, and what the store reads as."""
    data = np.arange(1, 61, dtype="<i4").reshape(10, 6)
    expected = data.copy()
    expected[4:6] = -1
    expected[8:10] = 0
    return b"h" * 100 + data.tobytes(), expected


def test_absent_chunks_and_inlined_ones(bulk_reads: BulkReads) -> None:
    encoded, expected = handmade_object()
    memory = obstore.store.MemoryStore()
    memory.put("all.bin", encoded)
    registry = registries.ObjectStoreRegistry({"memory://": memory})
    store = handmade("memory:///all.bin", registry)
    array = zarr.open_array(store, path="v", mode="r")
    assert array.attrs["made"] == "by hand"
    bulk_reads.clear()
    np.testing.assert_array_equal(array[:], expected)
    np.testing.assert_array_equal(array[3:7, ::2], expected[3:7, ::2])
    assert bulk_reads.chunks == [("ManifestStore", 5), ("ManifestStore", 3)]
    bulk_reads.expect_some("virtualizarr")


# --- with a `get_many` of its own -------------------------------------------------------


class MergingManifestStore(ManifestStore):
    """A store that asks for all that a read needs of one object at once.

    Its object stores merge ranges that lie near each other, if they are asked for several.
    """

    def _entry(self, key: str) -> Any:
        """Return where a chunk lies; None for what is no chunk, absent, or inlined."""
        name, _, rest = key.partition("/")
        array = self._group.arrays.get(name)
        if array is None or rest == "zarr.json":
            return None
        separator = array.metadata.chunk_key_encoding.separator
        index = manifest_utils.parse_manifest_index(key, separator, expand_pattern=True)
        entry = array.manifest.get_entry(index)
        return entry if entry is not None and "://" in entry["path"] else None

    async def get_many(
        self, requests: Iterable[ReadRequest], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        ranges: dict[str, list[tuple[int, int, int]]] = {}
        for index, request in enumerate(requests):
            key, byte_range = (request, None) if isinstance(request, str) else request
            entry = self._entry(key) if byte_range is None else None
            if entry is None:
                yield [(index, await self.get(key, prototype, byte_range))]
            else:
                start = entry["offset"]
                found = ranges.setdefault(entry["path"], [])
                found.append((index, start, start + entry["length"]))
        for url, wanted in ranges.items():
            store, path = self._registry.resolve(url)
            indices, starts, ends = zip(*wanted)
            parts = await store.get_ranges_async(path, starts=starts, ends=ends)
            yield [
                (index, prototype.buffer.from_bytes(bytes(part)))
                for index, part in zip(indices, parts)
            ]


def merging(store: Any) -> Any:
    return MergingManifestStore(store._group, registry=store._registry)


def test_merging_needs_one_request(
    store: Any, range_server: RangeServer, bulk_reads: BulkReads
) -> None:
    """The same manifest, the same values: one request for each chunk, and one for all."""
    plainly = zarr.open_array(store, path="temperature", mode="r")
    merged = zarr.open_array(merging(store), path="temperature", mode="r")
    range_server.clear()
    np.testing.assert_array_equal(plainly[:], values(0))
    assert len(range_server.requests) == DAYS
    range_server.clear()
    bulk_reads.clear()
    np.testing.assert_array_equal(merged[:], values(0))
    assert len(range_server.requests) == 1
    assert bulk_reads.chunks == [("MergingManifestStore", DAYS)]
    range_server.clear()
    np.testing.assert_array_equal(merged[4:7, 1], values(0)[4:7, 1])
    assert len(range_server.requests) == 1
    bulk_reads.expect_some("virtualizarr")


def test_merging_by_hand(range_server: RangeServer, bulk_reads: BulkReads) -> None:
    encoded, expected = handmade_object()
    range_server.objects["all.bin"] = encoded
    url = f"{range_server.url}/all.bin"
    store = handmade(url, http_registry(range_server), MergingManifestStore)
    array: Any = zarr.open_array(store, path="v", mode="r")
    np.testing.assert_array_equal(array[:], expected)
    assert len(range_server.requests) == 1
    np.testing.assert_array_equal(array.oindex[[5, 9, 0]], expected[[5, 9, 0]])
    bulk_reads.expect_some("virtualizarr")


def test_merging_across_files_under_xarray(
    urls: list[str], range_server: RangeServer, bulk_reads: BulkReads
) -> None:
    """Files concatenated along time: a read asks each file once."""
    registry = http_registry(range_server)
    stores = [parsers.HDFParser()(url, registry) for url in urls]
    parts = [store._group.arrays["temperature"] for store in stores]
    whole = manifests.ManifestGroup(arrays={"temperature": np.concatenate(parts, axis=0)})
    store = MergingManifestStore(whole, registry=registry)
    expected = np.concatenate([values(number) for number in range(FILES)])
    range_server.clear()
    with xarray.open_zarr(store, consolidated=False, zarr_format=3, chunks=None) as lazy:
        bulk_reads.clear()
        np.testing.assert_array_equal(lazy["temperature"][:], expected)
        assert bulk_reads.chunks == [("MergingManifestStore", FILES * DAYS)]
        assert sorted(path for path, _ in gets(range_server)) == ["0.h5", "1.h5", "2.h5"]
        range_server.clear()
        np.testing.assert_array_equal(lazy["temperature"][10:14], expected[10:14])
        assert sorted(path for path, _ in gets(range_server)) == ["0.h5", "1.h5"]
    bulk_reads.expect_some("virtualizarr")


class ScheduledManifestStore(MergingManifestStore):
    """The same with a scheduler, which merges what lies apart, and across callers."""

    def __init__(self, group: Any, *, registry: Any = None) -> None:
        super().__init__(group, registry=registry)
        self._scheduler = ReadScheduler(self._fetch, None)  # obstore tries again by itself

    async def _fetch(self, url: str, byte_range: Any) -> Any:
        store, path = self._registry.resolve(url)
        return await store.get_range_async(path, start=byte_range.start, end=byte_range.end)

    async def get_many(
        self, requests: Iterable[ReadRequest], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        pairs = parse_requests(requests)
        entries = [self._entry(key) if part is None else None for key, part in pairs]
        for index, (pair, entry) in enumerate(zip(pairs, entries)):
            if entry is None:
                yield [(index, await self.get(pair[0], prototype, pair[1]))]
        found = [(index, entry) for index, entry in enumerate(entries) if entry is not None]
        ends = [(e["offset"], e["offset"] + e["length"]) for _, e in found]
        ranges = [(e["path"], RangeByteRequest(*end)) for (_, e), end in zip(found, ends)]
        async with aclosing(self._scheduler.get_many(ranges, prototype=prototype)) as batches:
            async for batch in batches:
                yield [(found[position][0], value) for position, value in batch]


def test_a_scheduler_makes_few_requests_of_many(
    tmp_path: Path, range_server: RangeServer, bulk_reads: BulkReads
) -> None:
    """280 chunks of one file: as many requests as chunks without an override, and at most 5."""
    data = np.random.default_rng(5).random((280, NLAT, NLON))
    with h5py.File(tmp_path / "many.h5", "w") as file:
        file.create_dataset("v", data=data, chunks=(1, NLAT, NLON), compression="gzip")
    range_server.objects["many.h5"] = (tmp_path / "many.h5").read_bytes()
    made = parsers.HDFParser()(f"{range_server.url}/many.h5", http_registry(range_server))
    plainly = zarr.open_array(made, path="v", mode="r")
    range_server.clear()
    np.testing.assert_array_equal(plainly[:], data)
    assert len(range_server.requests) == 280
    store = ScheduledManifestStore(made._group, registry=made._registry)
    array = zarr.open_array(store, path="v", mode="r")
    range_server.clear()
    np.testing.assert_array_equal(array[:], data)
    assert len(range_server.requests) <= 5
    range_server.clear()
    # And of several callers together.
    parts = zarr.read_many([(array, (slice(n, n + 1),)) for n in range(20)])
    np.testing.assert_array_equal(np.concatenate(parts), data[:20])
    assert len(range_server.requests) <= 2
    bulk_reads.expect_some("virtualizarr")


def test_a_failure_while_merging_is_raised(store: Any, range_server: RangeServer) -> None:
    array = zarr.open_array(merging(store), path="temperature", mode="r")
    range_server.inject("0.h5", Fault(status=404))
    with pytest.raises(FileNotFoundError):
        array[:]
    range_server.clear()
    np.testing.assert_array_equal(array[:], values(0))


# --- to and from references, and other stores -------------------------------------------


def opened(references: Any) -> zarr.Group:
    fs = fsspec.filesystem(
        "reference",
        fo=references,
        remote_protocol="http",
        remote_options={"asynchronous": True},
        asynchronous=True,
        skip_instance_cache=True,
    )
    store = FsspecStore(fs, read_only=True, path="")
    return zarr.open_group(store, mode="r", zarr_format=2, use_consolidated=False)


def virtual(url: str, server: RangeServer) -> Any:
    return virtualizarr.open_virtual_dataset(
        url, registry=http_registry(server), parser=parsers.HDFParser()
    )


def test_references_for_kerchunk(
    urls: list[str], tmp_path: Path, range_server: RangeServer, bulk_reads: BulkReads
) -> None:
    """Virtual datasets are concatenated, and written as references, which our own store reads."""
    parts = [virtual(url, range_server) for url in urls]
    whole = xarray.concat(
        parts,
        dim="time",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )
    references = whole.vz.to_kerchunk(format="dict")
    whole.vz.to_kerchunk(str(tmp_path / "refs.json"), format="json")
    assert json.loads((tmp_path / "refs.json").read_text()) == references
    group = opened(references)
    expected = np.concatenate([values(number) for number in range(FILES)])
    bulk_reads.clear()
    range_server.clear()
    np.testing.assert_array_equal(group["temperature"][:], expected)  # type: ignore[index]
    assert bulk_reads.chunks == [("FsspecStore", FILES * DAYS)]
    assert sorted(path for path, _ in gets(range_server)) == ["0.h5", "1.h5", "2.h5"]
    np.testing.assert_array_equal(group["time"][:], 1 + np.arange(FILES * DAYS))  # type: ignore[index]
    bulk_reads.expect_some("virtualizarr")

    again = parsers.KerchunkJSONParser()(
        (tmp_path / "refs.json").as_uri(), _both(range_server, tmp_path)
    )
    temperature = zarr.open_array(merging(again), path="temperature", mode="r")
    range_server.clear()
    np.testing.assert_array_equal(temperature[:], expected)
    assert len(range_server.requests) == FILES


def _both(server: RangeServer, path: Path) -> Any:
    registry = http_registry(server)
    registry.register(path.as_uri(), obstore.store.LocalStore(path))
    return registry


def test_references_in_parquet(
    urls: list[str], tmp_path: Path, range_server: RangeServer, bulk_reads: BulkReads
) -> None:
    client("fastparquet")
    path = str(tmp_path / "refs.parquet")
    virtual(urls[1], range_server).vz.to_kerchunk(path, format="parquet")
    np.testing.assert_array_equal(opened(path)["temperature"][:], values(1))  # type: ignore[index]
    bulk_reads.expect_some("virtualizarr")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_arrays_of_ours_become_manifests(zarr_format: Any, bulk_reads: BulkReads) -> None:
    """What we wrote is parsed, by our asynchronous groups, and read through the manifest."""
    client("arro3.core")
    memory = MemoryStore()
    made = zarr.create_group(memory, zarr_format=zarr_format, attributes={"a": 1})
    for name, dims, data in (("v", ["x", "y"], values(0)[0]), ("w", ["w"], np.arange(4))):
        names: dict[str, Any] = {"attributes": {"_ARRAY_DIMENSIONS": dims}}
        if zarr_format == 3:
            names = {"dimension_names": dims}
        made.create_array(name, data=data, chunks=(3, 4)[: data.ndim], fill_value=5, **names)
    objects = obstore.store.MemoryStore()
    for key, value in values_of(memory).items():
        objects.put(f"a.zarr/{key}", value)
    registry = registries.ObjectStoreRegistry({"memory://here": objects})
    store = parsers.ZarrParser()("memory://here/a.zarr", registry)
    bulk_reads.clear()
    group = zarr.open_group(store, mode="r", zarr_format=3)
    assert group.attrs["a"] == 1
    np.testing.assert_array_equal(group["v"][:], values(0)[0])  # type: ignore[index]
    np.testing.assert_array_equal(group["w"][:], np.arange(4))  # type: ignore[index]
    bulk_reads.expect_some("virtualizarr")
    if zarr_format == 3:
        references = store.to_virtual_dataset().vz.to_kerchunk(format="dict")
        assert json.loads(references["refs"]["v/.zarray"])["filters"] == [
            {"id": "zstd", "level": 0, "checksum": False}
        ]
