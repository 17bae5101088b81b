"""What speaks S3 on the servers for tests and benchmarks, as s3fs and obstore see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from bench.servers import HTTP
from tests.optional import lacks
from tests.servers import faults, s3_dialect
from tests.servers.range_server import Fault
from tests.servers.s3_range_server import S3RangeServer

import zarr
from zarr.storage import FsspecStore, ObjectStore

VALUE = bytes(range(256)) * 4
# More than one page of a listing, and names that have to be escaped.
OBJECTS = {
    **{f"many/{i:04}": b"x" for i in range(1100)},
    "data/c/0": VALUE,
    "data/c/1": b"one",
    "data/zarr.json": b"{}",
    "data/a b & <c> +%41é": b"odd",
    "datum": b"no part of data",
    "empty": b"",
}

needs_s3fs = pytest.mark.skipif(lacks("s3fs"), reason="needs s3fs")
needs_obstore = pytest.mark.skipif(lacks("obstore"), reason="needs obstore")


@dataclass
class Served:
    """A server that has `OBJECTS` in the bucket ``bucket``."""

    url: str
    count: Callable[[], int]


@pytest.fixture(scope="module", params=["of the suite", "of the benchmarks"])
def server(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Both servers, one after the other."""
    if request.param == "of the suite":
        with S3RangeServer({f"bucket/{key}": value for key, value in OBJECTS.items()}) as suite:
            yield Served(suite.url, lambda: len(suite.requests))
        return
    root: Path = tmp_path_factory.mktemp("buckets")
    for key, value in OBJECTS.items():
        (root / "bucket" / key).parent.mkdir(parents=True, exist_ok=True)
        (root / "bucket" / key).write_bytes(value)
    bench = HTTP(root, 0.0, "s3")
    yield Served(bench.url, lambda: bench.counts().requests)
    bench.close()


@pytest.fixture
def s3fs(server: Served) -> Any:
    """The file system of s3fs for a server."""
    module = pytest.importorskip("s3fs")
    return module.S3FileSystem(**s3_dialect.s3fs_options(server.url), skip_instance_cache=True)


@pytest.fixture
def obstore_client(server: Served) -> Any:
    """The store of obstore for a bucket of a server."""
    store = pytest.importorskip("obstore.store")
    return store.S3Store("bucket", **s3_dialect.obstore_options(server.url))


@needs_s3fs
def test_s3fs_reads_objects_and_ranges(server: Served, s3fs: Any) -> None:
    assert s3fs.cat_file("bucket/data/c/0") == VALUE
    before = server.count()
    assert s3fs.cat_file("bucket/data/c/0", start=10, end=300) == VALUE[10:300]
    assert server.count() - before == 1
    assert s3fs.cat_file("bucket/data/a b & <c> +%41é") == b"odd"
    assert s3fs.info("bucket/data/c/0")["size"] == len(VALUE)
    assert s3fs.exists("bucket/data/c")
    with pytest.raises(FileNotFoundError):
        s3fs.cat_file("bucket/data/c/7")
    with pytest.raises(FileNotFoundError):
        s3fs.info("bucket/data/d")


@needs_s3fs
def test_s3fs_lists(s3fs: Any) -> None:
    odd = "bucket/data/a b & <c> +%41é"
    found = {entry["name"]: entry["type"] for entry in s3fs.ls("bucket/data", detail=True)}
    assert found == {odd: "file", "bucket/data/c": "directory", "bucket/data/zarr.json": "file"}
    assert sorted(s3fs.find("bucket/data")) == sorted(
        f"bucket/{key}" for key in OBJECTS if key.startswith("data/")
    )
    assert len(s3fs.ls("bucket/many")) == 1100
    assert len(s3fs.find("bucket")) == len(OBJECTS)
    with pytest.raises(FileNotFoundError):
        s3fs.ls("bucket/nothing")
    with pytest.raises(FileNotFoundError):
        s3fs.ls("elsewhere")


@needs_obstore
def test_obstore_reads_objects_and_ranges(server: Served, obstore_client: Any) -> None:
    before = server.count()
    assert bytes(obstore_client.get("data/c/0").bytes()) == VALUE
    assert bytes(obstore_client.get_range("data/c/0", start=10, end=300)) == VALUE[10:300]
    assert (
        bytes(obstore_client.get("data/c/0", options={"range": {"suffix": 7}}).bytes())
        == (VALUE[-7:])
    )
    assert server.count() - before == 3
    assert bytes(obstore_client.get("data/a b & <c> +%41é").bytes()) == b"odd"
    assert obstore_client.head("data/c/0")["size"] == len(VALUE)
    with pytest.raises(FileNotFoundError):
        obstore_client.get("data/c/7")
    with pytest.raises(FileNotFoundError):
        obstore_client.head("data/d")


@needs_obstore
def test_obstore_lists(obstore_client: Any) -> None:
    found = obstore_client.list_with_delimiter("data")
    assert found["common_prefixes"] == ["data/c"]
    assert {meta["path"]: meta["size"] for meta in found["objects"]} == {
        "data/a b & <c> +%41é": 3,
        "data/zarr.json": 2,
    }
    listed = [meta["path"] for page in obstore_client.list() for meta in page]
    assert sorted(listed) == sorted(OBJECTS)
    assert [*obstore_client.list("nothing")] == []


def pages(query: dict[str, Any], keys: dict[str, int]) -> list[list[str]]:
    """Return the names on the pages of a listing, one list a page."""
    found: list[list[str]] = []
    tag, token = f"{{{s3_dialect.NAMESPACE}}}", ""
    while token or not found:
        asked = {"list-type": 2, **query} | ({"continuation-token": token} if token else {})
        root = ElementTree.fromstring(s3_dialect.listing("bucket", keys, urlencode(asked)))
        names = [e.text or "" for e in root.iter() if e.tag in (f"{tag}Key",)]
        prefixes = [e.text or "" for e in root.findall(f"{tag}CommonPrefixes/{tag}Prefix")]
        found.append(sorted(names + prefixes))
        token = root.findtext(f"{tag}NextContinuationToken") or ""
        assert (root.findtext(f"{tag}IsTruncated") == "true") == bool(token)
    return found


def test_pages_of_a_listing_give_each_name_once() -> None:
    keys = dict.fromkeys(("a", "b/1", "b/2", "b/3", "b0", "c/1", "d"), 1)
    assert pages({"max-keys": 2}, keys) == [["a", "b/1"], ["b/2", "b/3"], ["b0", "c/1"], ["d"]]
    short = pages({"max-keys": 2, "delimiter": "/"}, keys)
    assert short == [["a", "b/"], ["b0", "c/"], ["d"]]
    assert pages({"prefix": "b/", "start-after": "b/1"}, keys) == [["b/2", "b/3"]]
    assert pages({"prefix": "x"}, keys) == [[]]


@pytest.mark.skipif(lacks("s3fs") or lacks("obstore"), reason="needs s3fs and obstore")
def test_both_stores_read_an_array(server: Served, s3fs: Any) -> None:
    store = pytest.importorskip("obstore.store")
    client = store.S3Store("bucket", prefix="data", **s3_dialect.obstore_options(server.url))
    by_obstore = ObjectStore(client, read_only=True)
    by_s3fs = FsspecStore.from_url(
        "s3://bucket/data",
        storage_options={**s3_dialect.s3fs_options(server.url), "skip_instance_cache": True},
        read_only=True,
    )
    for opened in (by_obstore, by_s3fs):
        values = zarr.core.sync.sync(_get_all(opened))
        assert values == {"c/0": VALUE, "c/1": b"one", "c/9": None}


async def _get_all(store: Any) -> dict[str, bytes | None]:
    keys = ["c/0", "c/1", "c/9"]
    found: dict[str, bytes | None] = {}
    prototype = zarr.buffer.default_buffer_prototype()
    async for batch in store.get_many(keys, prototype=prototype):
        for index, buffer in batch:
            found[keys[index]] = None if buffer is None else buffer.to_bytes()
    return dict(sorted(found.items()))


@needs_obstore
def test_faults_reach_clients_of_s3() -> None:
    store = pytest.importorskip("obstore.store")
    with S3RangeServer({"bucket/a": VALUE}) as server:
        server.inject("bucket/a", faults.unavailable(), times=1)
        server.inject("bucket/a", Fault(headers={"ETag": '"other"'}), times=1)
        client = store.S3Store("bucket", **s3_dialect.obstore_options(server.url))
        found = client.get("a")  # it tries again by itself
        assert bytes(found.bytes()) == VALUE
        assert found.meta["e_tag"] == '"other"'
        assert [request.status for request in server.requests] == [503, 200]
