"""Released obstore: arrays and datasets in memory, in a directory and in S3, by its stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.clients.bulk_reads import BulkReads
from tests.clients.needs import client
from tests.servers.range_server import RangeServer
from tests.stores.bulk_kit import values_of
from tests.stores.store_kit import Awaited

import zarr
from zarr.abc.store import RangeByteRequest
from zarr.core.buffer import Buffer, cpu
from zarr.core.sync import sync
from zarr.storage import FsspecStore, MemoryStore, ObjectStore
from zarr.testing.store import StoreTests

if TYPE_CHECKING:
    from tests.servers.s3 import S3Server

obstore = client("obstore")
client("obstore.store")
obstore_fsspec = client("obstore.fsspec")
client("moto")
xarray = client("xarray")

from tests.clients.datasets import dataset  # noqa: E402  # imports a client

VALUES = np.arange(1, 97, dtype="i4").reshape(12, 8)
NCHUNKS = 6


def s3_config(server: S3Server) -> dict[str, Any]:
    """Return arguments for a store of S3; without retries, which back off for seconds."""
    return {
        "endpoint": server.url,
        "access_key_id": "testing",
        "secret_access_key": "testing",
        "region": "us-east-1",
        "client_options": {"allow_http": True},
        "retry_config": {"max_retries": 0},
    }


def s3_store(server: S3Server, bucket: str, prefix: str | None = None) -> Any:
    return obstore.store.S3Store(bucket, prefix=prefix, **s3_config(server))


@pytest.fixture(params=["memory", "local", "s3"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """An empty store of obstore."""
    if request.param == "memory":
        return obstore.store.MemoryStore()
    if request.param == "local":
        return obstore.store.LocalStore(str(tmp_path / "a"), mkdir=True)
    server = request.getfixturevalue("s3_server")
    return s3_store(server, request.getfixturevalue("s3_bucket"), "deep/down")


def filled(store: ObjectStore[Any] | FsspecStore | MemoryStore, **options: Any) -> zarr.Array[Any]:
    array = zarr.create_array(
        store, name="x/y", shape=VALUES.shape, chunks=(4, 4), dtype="i4", fill_value=0, **options
    )
    array[:] = VALUES
    return array


# --- the conformance kit, in S3 ---------------------------------------------------------


class TestS3(Awaited, StoreTests[ObjectStore[Any], cpu.Buffer]):
    """The same tests that run over memory and a directory elsewhere."""

    store_cls = ObjectStore
    buffer_cls = cpu.Buffer

    @pytest.fixture
    def store_kwargs(self, s3_server: S3Server, s3_bucket: str) -> dict[str, Any]:
        return {"store": s3_store(s3_server, s3_bucket, "root")}

    async def set(self, store: ObjectStore[Any], key: str, value: Buffer) -> None:
        await obstore.put_async(store.store, key, value.to_bytes())

    async def get(self, store: ObjectStore[Any], key: str) -> Buffer:
        found = await obstore.get_async(store.store, key)
        return self._buffer(bytes(await found.bytes_async()))

    def test_store_repr(self, store: ObjectStore[Any]) -> None:
        assert repr(store) == f"ObjectStore({store})"

    def test_store_supports_writes(self, store: ObjectStore[Any]) -> None:
        assert store.supports_writes

    def test_store_supports_listing(self, store: ObjectStore[Any]) -> None:
        assert store.supports_listing

    async def test_list_prefix(self, store: ObjectStore[Any]) -> None:
        """obstore takes a prefix as a directory."""
        await self._fill(store, a__b=b"x", ab=b"x")

        async def listed(keys: AsyncIterator[str]) -> list[str]:
            return sorted([key async for key in keys])

        assert await listed(store.list_prefix("a")) == ["a/b"]
        assert await listed(store.list_prefix("")) == ["a/b", "ab"]


# --- arrays -----------------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_whole_chunks_are_read_in_bulk(
    backend: Any, zarr_format: Any, bulk_reads: BulkReads
) -> None:
    filled(ObjectStore(backend), zarr_format=zarr_format)
    group = zarr.open_group(ObjectStore(backend, read_only=True), mode="r", use_consolidated=False)
    array = group["x/y"]
    assert isinstance(array, zarr.Array)
    bulk_reads.clear()
    np.testing.assert_array_equal(array[:], VALUES)
    assert bulk_reads.chunks == [("ObjectStore", NCHUNKS)]
    np.testing.assert_array_equal(array[5:7, ::2], VALUES[5:7, ::2])
    np.testing.assert_array_equal(array.oindex[np.array([0, 11]), :4], VALUES[[0, 11], :4])
    np.testing.assert_array_equal(array.vindex[[0, 11], [7, 0]], VALUES[[0, 11], [7, 0]])
    bulk_reads.expect_some("obstore")


async def test_asynchronous_arrays(backend: Any, bulk_reads: BulkReads) -> None:
    store = ObjectStore(backend)
    array = await zarr.api.asynchronous.create_array(
        store, shape=VALUES.shape, chunks=(4, 4), dtype="i4", name="a"
    )
    await array.setitem(..., VALUES)
    np.testing.assert_array_equal(np.asarray(await array.getitem(...)), VALUES)
    assert bulk_reads.chunks == [("ObjectStore", NCHUNKS)]
    bulk_reads.expect_some("obstore")


def test_each_chunk_is_one_request(
    s3_server: S3Server, s3_bucket: str, bulk_reads: BulkReads
) -> None:
    array = filled(ObjectStore(s3_store(s3_server, s3_bucket, "root")))
    s3_server.clear()
    bulk_reads.clear()
    np.testing.assert_array_equal(array[:], VALUES)
    keys = [f"{s3_bucket}/root/x/y/c/{i}/{j}" for i in range(3) for j in range(2)]
    assert sorted(s3_server.reads()) == [(key, None) for key in keys]
    assert len(s3_server.requests) == NCHUNKS
    bulk_reads.expect_some("obstore")


def test_neighbours_of_an_object_are_one_request(s3_server: S3Server, s3_bucket: str) -> None:
    """Requests for parts of an object are merged, those of several callers too."""
    store = ObjectStore(s3_store(s3_server, s3_bucket, "root"))
    data = bytes(range(200))

    async def read() -> list[bytes]:
        await store.set("big", cpu.Buffer.from_bytes(data))
        s3_server.clear()
        wanted = [("big", RangeByteRequest(10 * i, 10 * i + 10)) for i in range(20)]
        found = [b""] * 20
        batches = store.get_many(wanted, prototype=cpu.buffer_prototype)
        async for batch in batches:
            for index, buffer in batch:
                assert buffer is not None
                found[index] = buffer.to_bytes()
        assert len(s3_server.reads()) == 1
        s3_server.clear()
        gets = [store.get(key, cpu.buffer_prototype, part) for key, part in wanted]
        again = [buffer.to_bytes() for buffer in await asyncio.gather(*gets) if buffer is not None]
        assert again == found
        assert len(s3_server.reads()) == 1
        return found

    assert b"".join(sync(read())) == data


def test_what_is_there_is_changed_by_either(backend: Any) -> None:
    """obstore sees what arrays are made of; arrays see what obstore copies and deletes."""
    array = filled(ObjectStore(backend))
    paths = {entry["path"] for batch in obstore.list(backend) for entry in batch}
    assert {"zarr.json", "x/zarr.json", "x/y/zarr.json", "x/y/c/0/0", "x/y/c/2/1"} <= paths
    for path in paths:
        if path.startswith("x/y/"):
            obstore.copy(backend, path, path.replace("x/y/", "x/z/"))
    obstore.delete(backend, "x/y/c/1/0")
    expected = VALUES.copy()
    expected[4:8, :4] = 0
    np.testing.assert_array_equal(array[:], expected)
    group = zarr.open_group(ObjectStore(backend), mode="r+", use_consolidated=False)
    assert {"x", "x/y", "x/z"} == {name for name, _ in group.members(max_depth=None)}
    np.testing.assert_array_equal(group["x/z"][:], VALUES)  # type: ignore[index]
    del group["x/z"]
    paths = {entry["path"] for batch in obstore.list(backend) for entry in batch}
    assert not any(path.startswith("x/z/") for path in paths)


def test_shards(backend: Any) -> None:
    array = filled(ObjectStore(backend), shards=(12, 8))
    np.testing.assert_array_equal(array[:], VALUES)
    np.testing.assert_array_equal(array[2:6, 5], VALUES[2:6, 5])
    array[0, 0] = 100
    assert int(np.asarray(array[:4, :4]).max()) == 100


def test_served_by_http(range_server: RangeServer, bulk_reads: BulkReads) -> None:
    memory = MemoryStore()
    filled(memory)
    range_server.objects.update({f"a/{key}": value for key, value in values_of(memory).items()})
    store = obstore.store.HTTPStore.from_url(
        f"{range_server.url}/a", client_options={"allow_http": True}
    )
    array = zarr.open_array(ObjectStore(store, read_only=True), path="x/y", mode="r")
    range_server.clear()
    bulk_reads.clear()
    np.testing.assert_array_equal(array[:], VALUES)
    assert sorted(request.path for request in range_server.requests) == [
        f"a/x/y/c/{i}/{j}" for i in range(3) for j in range(2)
    ]
    bulk_reads.expect_some("obstore")


# --- xarray and fsspec on top -----------------------------------------------------------


@pytest.mark.filterwarnings(
    "ignore:Consolidated metadata is currently not part:zarr.errors.ZarrUserWarning"
)
@pytest.mark.parametrize("consolidated", [True, False])
def test_datasets(backend: Any, consolidated: bool, bulk_reads: BulkReads) -> None:
    expected = dataset()[["temperature", "count"]]
    encoding = {"temperature": {"chunks": (2, 2, 5)}}
    store = ObjectStore(backend)
    expected.isel(time=slice(4)).to_zarr(
        store, zarr_format=3, consolidated=consolidated, encoding=encoding
    )
    expected.isel(time=slice(4, 6)).to_zarr(store, append_dim="time", consolidated=consolidated)
    bulk_reads.clear()
    with xarray.open_zarr(store, consolidated=consolidated, chunks=None) as found:
        xarray.testing.assert_equal(found.load(), expected)
    assert ("ObjectStore", 6) in bulk_reads.chunks
    bulk_reads.expect_some("obstore")


def test_as_a_file_system(s3_server: S3Server, s3_bucket: str, bulk_reads: BulkReads) -> None:
    """obstore also is a file system of fsspec, and then `FsspecStore` reads through it."""
    config = s3_config(s3_server)
    options = config.pop("client_options"), config.pop("retry_config")
    fs = obstore_fsspec.FsspecStore(
        "s3", config=config, client_options=options[0], retry_config=options[1], asynchronous=True
    )
    store = FsspecStore(fs, path=f"{s3_bucket}/root")
    array = filled(store)
    s3_server.clear()
    bulk_reads.clear()
    np.testing.assert_array_equal(array[:], VALUES)
    assert bulk_reads.chunks == [("FsspecStore", NCHUNKS)]
    assert len(s3_server.reads()) == NCHUNKS
    bulk_reads.expect_some("obstore")


# --- failing ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_failed_request_is_no_missing_chunk(
    s3_server: S3Server, s3_bucket: str, status: int
) -> None:
    array = filled(ObjectStore(s3_store(s3_server, s3_bucket, "root")))
    key = "x/y/c/1/0"
    s3_server.inject(f"{s3_bucket}/root/{key}", status)
    read: list[Callable[[], Any]] = [lambda: array[:], lambda: array[5, 1]]
    for fails in read:
        with pytest.raises(obstore.exceptions.BaseError) as caught:
            fails()
        assert key in "".join(caught.value.__notes__)
    np.testing.assert_array_equal(array[:4], VALUES[:4])
    s3_server.clear()
    np.testing.assert_array_equal(array[:], VALUES)


def test_a_missing_bucket_is_no_empty_array(s3_server: S3Server, s3_bucket: str) -> None:
    with pytest.raises(FileNotFoundError, match="NoSuchBucket"):
        zarr.open_array(ObjectStore(s3_store(s3_server, "no-such-bucket")), mode="r")
