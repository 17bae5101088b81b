"""The faults of the HTTP server, as a client without opinions of its own receives them."""

from __future__ import annotations

import gzip
import http.client
from typing import NamedTuple

import pytest
from tests.servers import faults
from tests.servers.range_server import Fault, RangeServer

OBJECT = bytes(range(256)) * 4


class Answer(NamedTuple):
    status: int
    reason: str
    headers: dict[str, str]
    body: bytes


def ask(server: RangeServer, range_: str | None = None, method: str = "GET") -> Answer:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    try:
        connection.request(method, "/a", headers={} if range_ is None else {"Range": range_})
        reply = connection.getresponse()
        return Answer(reply.status, reply.reason, dict(reply.getheaders()), reply.read())
    finally:
        connection.close()


def answer(fault: Fault, range_: str | None = None) -> Answer:
    with RangeServer({"a": OBJECT}) as server:
        server.inject("a", fault, times=1)
        found = ask(server, range_)
        assert [r.status for r in server.requests] == [found.status]
        assert ask(server).body == OBJECT  # the next one is right again
    return found


@pytest.mark.parametrize("range_", [None, "bytes=16-31"])
def test_answers_without_the_object(range_: str | None) -> None:
    page = answer(faults.html_page(), range_)
    assert (page.status, page.body) == (200, faults.HTML)
    assert page.headers["Content-Type"] == "text/html"

    moved = answer(faults.redirect_to_nowhere(), range_)
    assert (moved.status, "Location" in moved.headers) == (302, False)

    nothing = answer(faults.no_content(), range_)
    assert (nothing.status, nothing.body) == (204, b"")
    assert "Content-Length" not in nothing.headers

    for fault, status in ((faults.too_many_requests(3), 429), (faults.unavailable(3), 503)):
        refused = answer(fault, range_)
        assert (refused.status, refused.headers["Retry-After"]) == (status, "3")

    bare = answer(faults.range_refused(), range_)
    assert (bare.status, bare.reason, bare.body) == (416, "", b"")
    assert "Content-Range" not in bare.headers


def test_answers_with_another_part() -> None:
    whole = f"/{len(OBJECT)}"
    other = answer(faults.other_range(8), "bytes=16-31")
    assert (other.status, other.body) == (206, OBJECT[24:40])
    assert other.headers["Content-Range"] == f"bytes 24-39{whole}"

    back = answer(faults.other_range(8), f"bytes={len(OBJECT) - 16}-")
    assert back.body == OBJECT[-24:-8]

    disguised = answer(faults.disguised_range(8), "bytes=16-31")
    assert (disguised.status, disguised.body) == (206, OBJECT[24:40])
    assert disguised.headers["Content-Range"] == f"bytes 16-31{whole}"

    for range_ in (None, "bytes=16-31"):
        unasked = answer(faults.unasked_part(0, 16), range_)
        assert (unasked.status, unasked.body) == (206, OBJECT[:16])
        assert unasked.headers["Content-Range"] == f"bytes 0-15{whole}"

    bare = answer(faults.undescribed_part(), "bytes=16-31")
    assert (bare.status, bare.body) == (206, OBJECT[16:32])
    assert "Content-Range" not in bare.headers


def test_answers_with_the_whole_object() -> None:
    for fault, status in ((faults.whole_for_range(), 200), (faults.transformed(), 203)):
        found = answer(fault, "bytes=16-31")
        assert (found.status, found.body) == (status, OBJECT)
        assert "Content-Range" not in found.headers


def test_compressed_answers() -> None:
    for fault in (faults.gzip_of_the_answer(), faults.range_of_the_gzip()):
        found = answer(fault)
        assert found.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(found.body) == OBJECT

    part = answer(faults.gzip_of_the_answer(), "bytes=16-31")
    assert (part.status, gzip.decompress(part.body)) == (206, OBJECT[16:32])

    stream = answer(faults.range_of_the_gzip(), "bytes=16-31")
    assert (stream.status, len(stream.body)) == (206, 16)
    with pytest.raises((OSError, EOFError)):
        gzip.decompress(stream.body)


def test_connections_that_break() -> None:
    with RangeServer({"a": OBJECT}) as server:
        for fault in (faults.reset_before_the_reply(), faults.reset_in_the_body()):
            server.inject("a", fault, times=1)
            with pytest.raises((ConnectionError, http.client.HTTPException)):
                ask(server)
        for fault, there in (
            (faults.cut_in_the_body(5), OBJECT[:5]),
            (faults.declared_too_long(2000), OBJECT),
        ):
            server.inject("a", fault, times=1)
            with pytest.raises(http.client.IncompleteRead) as caught:
                ask(server)
            assert caught.value.partial == there
        server.inject("a", faults.declared_too_short(5), times=1)
        assert ask(server).body == OBJECT[:5]
        assert ask(server).body == OBJECT


def test_faults_are_told_apart_by_method_and_count() -> None:
    with RangeServer({"a": OBJECT}) as server:
        server.inject("a", faults.unavailable(), method="HEAD")
        server.inject(lambda verb, path, range_: range_ == "bytes=0-3", faults.html_page(), times=2)
        assert ask(server, method="HEAD").status == 503
        assert ask(server).body == OBJECT
        statuses = [ask(server, "bytes=0-3").status for _ in range(3)]
        assert statuses == [200, 200, 206]
