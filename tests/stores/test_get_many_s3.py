"""FsspecStore.get_many on S3: what is asked of the server, counted there, and its failures."""

from __future__ import annotations

import asyncio
from typing import Any

import fsspec
import numpy as np
import pytest
from tests.servers.s3 import S3Server
from tests.stores.bulk_kit import (
    PATTERN,
    Request,
    buffer,
    bulk,
    is_metadata,
    numbers,
    one_by_one,
    open_array,
    packed_array,
)

import zarr
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core._fetch import BulkReadReport
from zarr.core.array import Array, create_array
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import FsspecStore, ObjectStore

PROTOTYPE = default_buffer_prototype()


@pytest.fixture
def root(s3_bucket: str) -> str:
    return f"{s3_bucket}/root"


def open_store(server: S3Server, root: str, **options: Any) -> FsspecStore:
    return FsspecStore.from_url(f"s3://{root}", server.storage_options, **options)


def filled(server: S3Server, root: str, values: dict[str, bytes], **options: Any) -> FsspecStore:
    """Return a store over objects that another client has put there."""
    bucket, _, prefix = root.partition("/")
    client = server.client()
    for key, value in values.items():
        client.put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=value)
    server.clear()
    return open_store(server, root, **options)


# --- what is asked for ------------------------------------------------------------------


def test_fifty_keys_are_fifty_requests(s3_server: S3Server, root: str) -> None:
    """No HEAD, no listing, nothing else."""
    values = {f"c/{i}": PATTERN[i : i + 20 + i] for i in range(50)}
    store = filled(s3_server, root, values)
    keys = list(values)
    assert sync(bulk(store, keys)) == dict(enumerate(values.values()))
    assert sorted(s3_server.reads()) == sorted((f"{root}/{key}", None) for key in keys)
    assert len(s3_server.requests) == 50


def test_absent_keys_are_none_at_one_request_each(s3_server: S3Server, root: str) -> None:
    store = filled(s3_server, root, {"a": b"aaa", "b/c": b"ccc"})
    wanted: list[Request] = ["a", "nope", "b", ("nope2", RangeByteRequest(0, 2)), "b/c", "nope"]
    found = {0: b"aaa", 1: None, 2: None, 3: None, 4: b"ccc", 5: None}
    assert sync(bulk(store, wanted)) == found
    assert sorted(s3_server.reads()) == [
        (f"{root}/a", None),
        (f"{root}/b", None),
        (f"{root}/b/c", None),
        (f"{root}/nope", None),
        (f"{root}/nope2", "bytes=0-1"),
    ]
    assert len(s3_server.requests) == 5


def test_ranges_of_one_key_are_merged(s3_server: S3Server, root: str) -> None:
    store = filled(s3_server, root, {"k": PATTERN, "w": PATTERN[:100]}, max_gap_bytes=10)
    wanted: list[Request] = [
        ("k", RangeByteRequest(60, 100)),
        ("k", RangeByteRequest(0, 50)),
        ("k", RangeByteRequest(111, 120)),
        ("k", RangeByteRequest(7, 7)),
        ("k", RangeByteRequest(0, 50)),
        ("w", OffsetByteRequest(90)),
        ("w", None),
        ("w", SuffixByteRequest(3)),
    ]
    found = sync(bulk(store, wanted))
    assert sorted(s3_server.reads(), key=str) == [
        (f"{root}/k", "bytes=0-99"),
        (f"{root}/k", "bytes=111-119"),
        (f"{root}/w", None),
    ]
    assert len(s3_server.requests) == 3
    assert found == {
        0: PATTERN[60:100],
        1: PATTERN[:50],
        2: PATTERN[111:120],
        3: b"",
        4: PATTERN[:50],
        5: PATTERN[90:100],
        6: PATTERN[:100],
        7: PATTERN[97:100],
    }


def test_every_kind_of_request_equals_a_loop_over_get(s3_server: S3Server, root: str) -> None:
    """Also empty ranges, for which S3 would send the whole object, and ranges past the end."""
    store = filled(s3_server, root, {"k": PATTERN[:40], "empty": b""}, max_gap_bytes=1000)
    ranges: list[ByteRequest] = [
        RangeByteRequest(0, 40),
        RangeByteRequest(5, 5),
        RangeByteRequest(30, 100),
        RangeByteRequest(40, 50),
        RangeByteRequest(60, 70),
        OffsetByteRequest(0),
        OffsetByteRequest(33),
        OffsetByteRequest(40),
        OffsetByteRequest(99),
        SuffixByteRequest(0),
        SuffixByteRequest(4),
        SuffixByteRequest(400),
    ]
    wanted: list[Request] = [(key, part) for key in ("k", "empty", "nope") for part in ranges]
    assert sync(bulk(store, wanted)) == sync(one_by_one(store, wanted))
    for request in wanted:
        assert sync(bulk(store, [request])) == sync(one_by_one(store, [request])), request


def test_the_report_is_what_the_server_counted(s3_server: S3Server, root: str) -> None:
    reports: list[BulkReadReport] = []
    store = filled(s3_server, root, {"k": PATTERN, "w": b"123"}, on_bulk_read=reports.append)
    wanted: list[Request] = [
        ("k", RangeByteRequest(0, 10)),
        ("k", RangeByteRequest(15, 20)),
        "w",
        ("w", SuffixByteRequest(2)),
    ]
    sync(bulk(store, wanted))
    sent = sum(request.body_nbytes for request in s3_server.requests)
    assert reports == [BulkReadReport(4, len(s3_server.requests), 10 + 5 + 3 + 2, sent)]
    assert reports[0].reads == 2


def test_references_into_an_object_on_s3(s3_server: S3Server, root: str) -> None:
    data = numbers(20)
    references, file = packed_array(data, f"s3://{root}/all", chunks=(1,))
    filled(s3_server, root, {"all": file})
    fs = fsspec.filesystem(
        "reference",
        fo=references,
        remote_protocol="s3",
        remote_options={"asynchronous": True, **s3_server.storage_options},
        asynchronous=True,
    )
    array = open_array(FsspecStore(fs, read_only=True, path=""))
    np.testing.assert_array_equal(array[:], data)
    assert s3_server.reads() == [(f"{root}/all", f"bytes=0-{len(file) - 1}")]
    assert len(s3_server.requests) == 1


# --- arrays -----------------------------------------------------------------------------


def new_array(server: S3Server, root: str, data: Any, **parameters: Any) -> Array[Any]:
    store = open_store(server, root)
    sync(create_array(store, data=data, fill_value=-5, **parameters))
    array = open_array(store, parameters.get("zarr_format", 3))
    server.clear()
    return array


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_array_is_read_by_one_request_a_chunk(
    s3_server: S3Server, root: str, zarr_format: int
) -> None:
    data = numbers(12, 10)
    array = new_array(s3_server, root, data, chunks=(3, 5), zarr_format=zarr_format)
    np.testing.assert_array_equal(array[:], data)
    reads = s3_server.reads()
    assert len(set(reads)) == len(reads) == len(s3_server.requests) == 8
    assert {range_ for _, range_ in reads} == {None}
    assert not any(is_metadata(path) for path, _ in reads)

    s3_server.clear()
    np.testing.assert_array_equal(array[2:4, 7], data[2:4, 7])
    assert len(s3_server.requests) == 2


def test_absent_chunks_of_an_array_are_fill_value(s3_server: S3Server, root: str) -> None:
    data = numbers(12)
    array = new_array(s3_server, root, data, chunks=(3,))
    sync(open_store(s3_server, root).delete("c/2"))
    s3_server.clear()
    data[6:9] = -5
    np.testing.assert_array_equal(array[:], data)
    assert len(s3_server.requests) == 4


# --- failures ---------------------------------------------------------------------------

FAILURES: list[tuple[int, type[Exception]]] = [
    (403, PermissionError),
    (500, OSError),
    (429, OSError),
    (416, OSError),
]


@pytest.mark.parametrize(("status", "expected"), FAILURES)
@pytest.mark.parametrize("position", [0, 7, 11])
def test_a_failure_names_its_key_and_ends_the_read(
    s3_server: S3Server, root: str, status: int, expected: type[Exception], position: int
) -> None:
    store = filled(s3_server, root, {"c/0": b"123456", "c/9": b"123456"}, max_concurrency=2)
    s3_server.inject(f"{root}/c/{position}", status)
    part = RangeByteRequest(2, 5)
    wanted: list[Request] = [(f"c/{i}", part) if i == position else f"c/{i}" for i in range(300)]

    async def check() -> None:
        before = asyncio.all_tasks()
        with pytest.raises(expected) as caught:
            await bulk(store, wanted)
        assert not isinstance(caught.value, FileNotFoundError)
        (note,) = caught.value.__notes__
        assert repr(f"c/{position}") in note
        assert str(part) in note
        assert repr(store) in note
        assert asyncio.all_tasks() == before

    sync(check())
    started = len(s3_server.requests)
    assert position <= started < 200
    for _ in range(10):  # time in which a read that went on would show
        assert sync(bulk(store, ["c/9"])) == {0: b"123456"}
    assert len(s3_server.requests) <= started + 10 + 2


@pytest.mark.parametrize(("status", "expected"), FAILURES)
@pytest.mark.parametrize("position", [0, 2, 3])
def test_a_failure_is_no_fill_value(
    s3_server: S3Server, root: str, status: int, expected: type[Exception], position: int
) -> None:
    array = new_array(s3_server, root, numbers(12), chunks=(3,))
    s3_server.inject(f"{root}/c/{position}", status)
    with pytest.raises(expected) as caught:
        array[:]
    assert not isinstance(caught.value, FileNotFoundError)
    assert any(repr(f"c/{position}") in note for note in caught.value.__notes__)


def test_a_whole_bucket_that_is_refused(s3_server: S3Server, root: str) -> None:
    """As with wrong credentials: whatever is asked for, it is not absent."""
    array = new_array(s3_server, root, numbers(12), chunks=(3,))
    s3_server.inject(lambda method, path, range_: True, 403)
    with pytest.raises(PermissionError):
        array[:]
    store = open_store(s3_server, root)
    requests: list[list[Request]] = [["c/0"], ["nope"], ["c/0", "c/1", "nope"]]
    for wanted in requests:
        with pytest.raises(PermissionError, match=r"denied|Denied|403|injected"):
            sync(bulk(store, wanted))


def test_a_value_written_after_the_store_was_opened_is_found(
    s3_server: S3Server, root: str
) -> None:
    """What is absent is looked up anew by every read."""
    store = open_store(s3_server, root)
    assert sync(bulk(store, ["a", "b"])) == {0: None, 1: None}
    sync(store.set("a", buffer(b"123")))
    assert sync(bulk(store, ["a", "b"])) == {0: b"123", 1: None}


# --- a bucket that is gone --------------------------------------------------------------


def without_bucket(server: S3Server, name: str) -> None:
    client = server.client()
    for found in client.list_objects_v2(Bucket=name)["Contents"]:
        client.delete_object(Bucket=name, Key=found["Key"])
    client.delete_bucket(Bucket=name)
    client.close()


def s3_stores(server: S3Server, bucket: str) -> dict[str, Any]:
    obstore = pytest.importorskip("obstore")
    options = server.storage_options
    other = obstore.store.S3Store(
        bucket,
        endpoint=server.url,
        access_key_id=options["key"],
        secret_access_key=options["secret"],
        region="us-east-1",
        client_options={"allow_http": True},
        virtual_hosted_style_request=False,
    )
    return {"fsspec": open_store(server, bucket), "obstore": ObjectStore(other)}


@pytest.mark.parametrize("kind", ["fsspec", "obstore"])
def test_where_the_bucket_is_gone_no_chunk_counts_as_absent(
    s3_server: S3Server, s3_bucket: str, kind: str
) -> None:
    store = s3_stores(s3_server, s3_bucket)[kind]
    array = zarr.create_array(store, data=np.arange(1, 9), chunks=(2,))
    without_bucket(s3_server, s3_bucket)
    with pytest.raises(FileNotFoundError, match=r"(?i)bucket does not exist") as raised:
        array[:]
    assert "c/" in "".join(raised.value.__notes__)
    for read in (store.get("c/0", PROTOTYPE), bulk(store, ["c/0", "c/1"])):
        with pytest.raises(FileNotFoundError, match=r"(?i)bucket does not exist"):
            sync(read)
    with pytest.raises(FileNotFoundError):
        zarr.open_array(store, mode="r")
