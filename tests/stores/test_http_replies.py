"""What the reply of an HTTP server is worth: by status, headers and body, then in every kind of read."""

from __future__ import annotations

from typing import Any

import aiohttp
import fsspec
import pytest
from tests.servers import faults
from tests.servers.range_server import Fault, RangeServer
from tests.stores.bulk_kit import PATTERN, PROTOTYPE, bulk, reference_store

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.common import closing
from zarr.core.sync import sync
from zarr.storage import FsspecStore
from zarr.storage._fsspec_http import HttpReply

WANTED = RangeByteRequest(4, 8)
BODY = b"0123456789"
PAGE = b"<!DOCTYPE html><html><body>please log in</body></html>"


class Response:
    """A fake of what aiohttp hands over, which knows whether it was closed."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status, self.headers = status, headers
        self.closed = False

    def close(self) -> None:
        self.closed = True


async def judged(byte_range: ByteRequest | None, status: int, body: bytes, **headers: str) -> bytes:
    reply = HttpReply(byte_range)
    response = Response(status, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        await reply(response)
    except OSError:
        assert response.closed
        raise
    assert not response.closed
    return reply.part(body)


@pytest.mark.parametrize(
    ("byte_range", "status", "body", "headers", "expected"),
    [
        (None, 200, BODY, {}, BODY),
        (None, 203, BODY, {}, BODY),
        (None, 200, PAGE, {"Content_Type": "text/html"}, PAGE),  # the object may be one
        (WANTED, 206, b"4567", {"Content_Range": "bytes 4-7/10"}, b"4567"),
        (WANTED, 206, b"4567", {"Content_Range": "bytes 4-7/*"}, b"4567"),
        (
            WANTED,
            206,
            b"45",
            {"Content_Range": "bytes 4-5/6", "Content_Encoding": "identity"},
            b"45",
        ),
        (WANTED, 200, BODY, {}, b"4567"),
        (WANTED, 200, BODY[:6], {}, b"45"),
        (WANTED, 200, b"\0" * 10, {"Content_Type": "text/html"}, b"\0" * 4),  # said of anything
        (WANTED, 200, b"<a,b>,<c>", {"Content_Type": "text/csv"}, b">,<c"),
        (OffsetByteRequest(8), 200, BODY, {}, b"89"),
        (OffsetByteRequest(8), 206, b"89", {"Content_Range": "bytes 8-9/10"}, b"89"),
        (SuffixByteRequest(2), 200, BODY, {}, b"89"),
        (SuffixByteRequest(2), 206, b"89", {"Content_Range": "bytes 8-9/10"}, b"89"),
        (SuffixByteRequest(20), 206, BODY, {"Content_Range": "bytes 0-9/10"}, BODY),
    ],
)
async def test_replies_that_are_taken(
    byte_range: ByteRequest | None, status: int, body: bytes, headers: Any, expected: bytes
) -> None:
    assert await judged(byte_range, status, body, **headers) == expected


@pytest.mark.parametrize(
    ("byte_range", "status", "body", "headers"),
    [
        (None, 206, BODY[:4], {"Content_Range": "bytes 0-3/10"}),
        (None, 204, b"", {}),
        (None, 302, PAGE, {}),
        (None, 304, b"", {}),
        (WANTED, 203, BODY, {}),
        (WANTED, 204, b"", {}),
        (WANTED, 302, BODY, {}),
        (WANTED, 206, b"4567", {}),
        (WANTED, 206, b"4567", {"Content_Range": "4-7/10"}),
        (WANTED, 206, b"5678", {"Content_Range": "bytes 5-8/10"}),
        (WANTED, 206, b"456", {"Content_Range": "bytes 4-6/10"}),
        (WANTED, 206, b"45678", {"Content_Range": "bytes 4-8/10"}),
        (WANTED, 206, b"456", {"Content_Range": "bytes 4-7/10"}),
        (WANTED, 206, b"4567", {"Content_Range": "bytes 4-7/10", "Content_Encoding": "gzip"}),
        (WANTED, 200, PAGE, {}),
        (WANTED, 200, b"\xef\xbb\xbf\n  <HTML >" + BODY, {}),
        (WANTED, 200, b"please log in", {"Content_Type": "text/html; charset=utf-8"}),
        (SuffixByteRequest(2), 206, b"789", {"Content_Range": "bytes 7-9/10"}),
        (SuffixByteRequest(2), 206, b"78", {"Content_Range": "bytes 7-8/10"}),
        (SuffixByteRequest(2), 206, b"789", {"Content_Range": "bytes 7-9/*"}),
        (OffsetByteRequest(8), 206, b"8", {"Content_Range": "bytes 8-8/10"}),
    ],
)
async def test_replies_that_are_refused(
    byte_range: ByteRequest | None, status: int, body: bytes, headers: Any
) -> None:
    with pytest.raises(OSError, match="the server"):
        await judged(byte_range, status, body, **headers)


async def test_failures_are_left_to_the_file_system() -> None:
    for status in (400, 404, 416, 503):
        await judged(WANTED, status, b"")


# --- in every kind of read --------------------------------------------------------------


def direct(server: RangeServer) -> FsspecStore:
    return FsspecStore.from_url(server.url, read_only=True)


def in_a_directory(server: RangeServer) -> FsspecStore:
    options = {"path": server.url, "target_protocol": "http"}
    return FsspecStore.from_url("dir://", options, read_only=True)


def behind_references(server: RangeServer) -> FsspecStore:
    return reference_store({"data": [f"{server.url}/data", 0, len(PATTERN)]})


def behind_a_whole_reference(server: RangeServer) -> FsspecStore:
    return reference_store({"data": [f"{server.url}/data"]})


async def by_get(store: FsspecStore, part: ByteRequest | None) -> bytes | None:
    value = await store.get("data", PROTOTYPE, part)
    return None if value is None else value.to_bytes()


async def by_get_many(store: FsspecStore, part: ByteRequest | None) -> bytes | None:
    return (await bulk(store, [("data", part)]))[0]


async def by_get_ranges(store: FsspecStore, part: ByteRequest | None) -> bytes | None:
    found: Any = None
    async with closing(store.get_ranges("data", [part], prototype=PROTOTYPE)) as batches:
        async for batch in batches:
            ((_, found),) = batch
    return None if found is None else found.to_bytes()


READS = (by_get, by_get_many, by_get_ranges)
PARTS = (RangeByteRequest(40, 80), OffsetByteRequest(11_960), SuffixByteRequest(40))
STORES = (direct, in_a_directory, behind_references, behind_a_whole_reference)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("make", STORES)
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "fault",
    [
        faults.html_page(),
        faults.redirect_to_nowhere(),
        faults.other_range(),
        faults.undescribed_part(),
        faults.unasked_part(),
        faults.no_content(),
        faults.range_of_the_gzip(),
    ],
)
def test_a_range_is_not_taken_from_another_reply(
    range_server: RangeServer, make: Any, read: Any, part: ByteRequest, fault: Fault
) -> None:
    range_server.objects["data"] = PATTERN
    range_server.inject("data", fault, method="GET")
    with pytest.raises((OSError, RuntimeError, aiohttp.ClientError, ExceptionGroup)) as raised:
        sync(read(make(range_server), part))
    error: BaseException = raised.value
    if isinstance(error, ExceptionGroup):  # as `get_ranges` raises
        (error,) = error.exceptions
    assert "'data'" in " ".join(error.__notes__)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("make", [direct, in_a_directory, behind_a_whole_reference])
@pytest.mark.parametrize(
    "fault", [faults.redirect_to_nowhere(), faults.unasked_part(), faults.no_content()]
)
def test_a_whole_object_is_not_taken_from_another_reply(
    range_server: RangeServer, make: Any, read: Any, fault: Fault
) -> None:
    range_server.objects["data"] = PATTERN
    range_server.inject("data", fault, method="GET")
    with pytest.raises((OSError, RuntimeError, ExceptionGroup)):
        sync(read(make(range_server), None))


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("make", STORES)
@pytest.mark.parametrize("part", PARTS)
def test_a_server_may_ignore_ranges(
    range_server: RangeServer, make: Any, read: Any, part: ByteRequest
) -> None:
    range_server.objects["data"] = PATTERN
    range_server.inject("data", faults.whole_for_range())
    expected = PATTERN[40:80] if isinstance(part, RangeByteRequest) else PATTERN[-40:]
    assert sync(read(make(range_server), part)) == expected


def test_ranges_are_asked_for_as_they_are_stored(range_server: RangeServer) -> None:
    """A range of what a server compresses could not be told from a range that is compressed."""
    headers = []
    range_server.objects["data"] = PATTERN
    fs = fsspec.filesystem(
        "http", asynchronous=True, headers={"X-Mine": "1"}, skip_instance_cache=True
    )
    store = FsspecStore(fs, path=range_server.url, read_only=True)
    original = type(fs)._cat_file

    async def spy(self: Any, url: str, **options: Any) -> bytes:
        headers.append(options.get("headers"))
        result: bytes = await original(self, url, **options)
        return result

    type(fs)._cat_file = spy
    try:
        sync(by_get(store, RangeByteRequest(0, 4)))
        sync(by_get(store, None))
    finally:
        type(fs)._cat_file = original
    assert headers == [{"X-Mine": "1", "Accept-Encoding": "identity"}, None]
