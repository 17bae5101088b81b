"""FsspecStore.get_many over HTTP and references: what is merged, counted where it arrives."""

from __future__ import annotations

import asyncio
import base64
import pickle
import threading
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import fsspec
import numpy as np
import pytest
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from fsspec.implementations.reference import LazyReferenceMapper, ReferenceNotReachable
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.servers.range_server import Fault, RangeServer
from tests.stores.bulk_kit import (
    PATTERN,
    PROTOTYPE,
    Request,
    bulk,
    gets,
    numbers,
    one_by_one,
    open_array,
    outcome,
    packed_array,
    put,
    reference_store,
)
from tests.waiting import PATIENCE

from zarr.abc.store import (
    OffsetByteRequest,
    RangeByteRequest,
    SuffixByteRequest,
)
from zarr.core._byte_ranges import resolve_byte_range
from zarr.core._fetch import BulkReadReport, expecting
from zarr.core.config import config
from zarr.core.sync import sync
from zarr.storage import FsspecStore

# --- what is merged ---------------------------------------------------------------------


def adjacent(url: str, count: int, nbytes: int, gap: int = 0) -> dict[str, Any]:
    return {f"c/{i}": [url, i * (nbytes + gap), nbytes] for i in range(count)}


def test_adjacent_references_are_one_request(range_server: RangeServer) -> None:
    put(range_server, {"data": PATTERN})
    store = reference_store(adjacent(f"{range_server.url}/data", 20, 100))
    keys = [f"c/{i}" for i in range(20)]
    assert sync(bulk(store, keys)) == {i: PATTERN[100 * i : 100 * i + 100] for i in range(20)}
    assert gets(range_server) == [("data", "bytes=0-1999")]
    assert len(range_server.requests) == 1

    range_server.clear()
    assert sync(bulk(store, keys[::-1])) == sync(one_by_one(store, keys[::-1]))
    assert len(range_server.requests) == 1 + 20


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_array_in_one_file_is_one_request(range_server: RangeServer, zarr_format: int) -> None:
    data = numbers(20, 7)
    references, file = packed_array(
        data, f"{range_server.url}/all", chunks=(1, 7), zarr_format=zarr_format
    )
    put(range_server, {"all": file})
    array = open_array(reference_store(references), zarr_format)
    assert range_server.requests == []  # metadata are in the references
    np.testing.assert_array_equal(array[:], data)
    assert gets(range_server) == [("all", f"bytes=0-{len(file) - 1}")]

    range_server.clear()
    np.testing.assert_array_equal(array[3:6, 2:4], data[3:6, 2:4])
    assert len(range_server.requests) == 1


def test_absent_chunks_of_an_array_cost_nothing(range_server: RangeServer) -> None:
    data = numbers(20)
    left_out = ["c/0", "c/7", "c/8"]
    references, file = packed_array(
        data, f"{range_server.url}/all", chunks=(1,), skip=left_out, fill_value=-1
    )
    put(range_server, {"all": file})
    expected = data.copy()
    expected[[0, 7, 8]] = -1
    np.testing.assert_array_equal(open_array(reference_store(references))[:], expected)
    assert len(range_server.requests) == 1


@pytest.mark.parametrize("limit", [0, 1, 10, 1000])
@pytest.mark.parametrize(("beyond", "requests"), [(0, 1), (1, 2)])
def test_gap_at_the_limit_and_past_it(
    range_server: RangeServer, limit: int, beyond: int, requests: int
) -> None:
    put(range_server, {"data": PATTERN})
    references = adjacent(f"{range_server.url}/data", 2, 50, gap=limit + beyond)
    store = reference_store(references, max_gap_bytes=limit)
    start = 50 + limit + beyond
    assert sync(bulk(store, ["c/0", "c/1"])) == {0: PATTERN[:50], 1: PATTERN[start : start + 50]}
    expected = {1: [f"bytes=0-{start + 49}"], 2: ["bytes=0-49", f"bytes={start}-{start + 49}"]}
    assert [range_ for _, range_ in gets(range_server)] == expected[requests]


@pytest.mark.parametrize(
    ("cap", "sent"),
    [
        (150, ["bytes=0-149"]),
        (149, ["bytes=0-99", "bytes=100-149"]),
        (100, ["bytes=0-99", "bytes=100-149"]),
        (99, ["bytes=0-49", "bytes=100-149", "bytes=50-99"]),
        (10, ["bytes=0-49", "bytes=100-149", "bytes=50-99"]),
        (0, ["bytes=0-49", "bytes=100-149", "bytes=50-99"]),
    ],
)
def test_cap_at_the_limit_and_past_it(range_server: RangeServer, cap: int, sent: list[str]) -> None:
    put(range_server, {"data": PATTERN})
    references = adjacent(f"{range_server.url}/data", 3, 50)
    store = reference_store(references, max_coalesced_bytes=cap)
    keys = ["c/2", "c/0", "c/1"]
    assert sync(bulk(store, keys)) == sync(one_by_one(store, keys))
    range_server.clear()
    sync(bulk(store, keys))
    assert [range_ for _, range_ in gets(range_server)] == sent


def test_without_gap_option_nothing_is_merged(range_server: RangeServer) -> None:
    put(range_server, {"data": PATTERN})
    store = reference_store(adjacent(f"{range_server.url}/data", 8, 50), max_gap_bytes=None)
    sync(bulk(store, [f"c/{i}" for i in range(8)]))
    assert len(range_server.requests) == 8


def test_what_lies_in_another_request_shares_it(range_server: RangeServer) -> None:
    """Also where nothing else is merged."""
    put(range_server, {"data": PATTERN})
    url = f"{range_server.url}/data"
    references = {"a": [url, 0, 1000], "b": [url, 100, 50], "c": [url, 0, 1000]}
    store = reference_store(references, max_gap_bytes=None, max_coalesced_bytes=0)
    assert sync(bulk(store, ["b", "a", "c"])) == {
        0: PATTERN[100:150],
        1: PATTERN[:1000],
        2: PATTERN[:1000],
    }
    assert gets(range_server) == [("data", "bytes=0-999")]


def test_one_request_a_file(range_server: RangeServer) -> None:
    references: dict[str, Any] = {}
    for name in ("x", "y", "z"):
        put(range_server, {name: PATTERN[ord(name) :]})
        for i in range(10):
            references[f"{name}/{i}"] = [f"{range_server.url}/{name}", 30 * i, 30]
    store = reference_store(references)
    keys = [f"{name}/{i}" for i in range(10) for name in ("x", "y", "z")]
    expected = sync(one_by_one(store, keys))
    range_server.clear()
    assert sync(bulk(store, keys)) == expected
    assert gets(range_server) == [(name, "bytes=0-299") for name in ("x", "y", "z")]


# --- all kinds of reference and request together ----------------------------------------


def mixed_references(url: str) -> dict[str, Any]:
    return {
        "text": "plain text",
        "base64": "base64:" + base64.b64encode(b"\x00\xff bytes").decode(),
        "nothing": "",
        "whole": [f"{url}/whole"],
        "r/0": [f"{url}/data", 0, 100],
        "r/1": [f"{url}/data", 100, 100],
        "r/2": [f"{url}/data", 200, 100],
        "far": [f"{url}/data", 9000, 10],
        "empty": [f"{url}/data", 50, 0],
    }


MIXED: list[Request] = [
    "r/1",
    "text",
    "absent",
    ("r/0", RangeByteRequest(10, 20)),
    "base64",
    ("r/0", RangeByteRequest(95, 300)),
    ("text", RangeByteRequest(2, 5)),
    "whole",
    ("whole", RangeByteRequest(3, 9)),
    ("whole", SuffixByteRequest(5)),
    "r/1",
    ("r/1", None),
    ("r/2", OffsetByteRequest(90)),
    ("r/2", SuffixByteRequest(7)),
    ("r/2", SuffixByteRequest(700)),
    ("r/2", RangeByteRequest(5, 5)),
    ("r/2", SuffixByteRequest(0)),
    ("r/2", OffsetByteRequest(100)),
    ("r/2", OffsetByteRequest(1000)),
    ("r/2", RangeByteRequest(1000, 1010)),
    ("absent", RangeByteRequest(0, 4)),
    ("absent", RangeByteRequest(0, 0)),
    ("base64", SuffixByteRequest(3)),
    ("text", OffsetByteRequest(100)),
    ("text", RangeByteRequest(3, 3)),
    "nothing",
    "far",
    "empty",
    "absent",
]


def test_mixed_requests_equal_a_loop_over_get(range_server: RangeServer) -> None:
    put(range_server, {"data": PATTERN, "whole": PATTERN[5000:5300]})
    store = reference_store(mixed_references(range_server.url), max_gap_bytes=100)
    found = sync(bulk(store, MIXED))
    assert gets(range_server) == [
        ("data", "bytes=10-299"),
        ("data", "bytes=9000-9009"),
        ("whole", None),
    ]
    assert found == sync(one_by_one(store, MIXED))
    assert found[2] is None
    assert found[21] is None
    assert found[15] == b""
    assert found[5] == PATTERN[95:100]  # not what lies behind the reference


sizes = st.integers(0, 40)
starts = st.integers(0, 120)
references_ = st.one_of(
    st.binary(max_size=8).map(lambda b: "base64:" + base64.b64encode(b).decode()),
    st.text("abc", max_size=8),
    st.tuples(st.sampled_from("xy"), starts, sizes),
    st.tuples(st.sampled_from("xy"), starts, sizes),
    st.tuples(st.sampled_from("xy"), starts, sizes),
    st.sampled_from(("x", "tiny", "empty")).map(lambda name: (name,)),
)
bounds = st.integers(0, 50)
byte_ranges = st.one_of(
    st.none(),
    st.builds(lambda start, n: RangeByteRequest(start, start + n), bounds, bounds),
    st.builds(OffsetByteRequest, bounds),
    st.builds(SuffixByteRequest, bounds),
)
KEYS = ("a", "b", "c/0", "c/1", "c/2", "c/3")
requests_ = st.lists(
    st.one_of(st.sampled_from(KEYS), st.tuples(st.sampled_from(KEYS), byte_ranges)), max_size=15
)
gaps = st.one_of(st.none(), st.integers(0, 30))


@pytest.fixture(scope="module")
def served() -> Iterator[RangeServer]:
    """A server for many small reads."""
    objects = {
        "x": PATTERN[:160],
        "y": PATTERN[160:320],
        "short": PATTERN[:100],
        "tiny": PATTERN[:20],
        "empty": b"",
    }
    with RangeServer(objects) as server:
        yield server


def document(drawn: dict[str, Any], url: str) -> dict[str, Any]:
    return {
        key: [f"{url}/{value[0]}", *value[1:]] if isinstance(value, tuple) else value
        for key, value in drawn.items()
    }


@settings(max_examples=40)
@given(
    drawn=st.dictionaries(st.sampled_from(KEYS), references_),
    wanted=requests_,
    gap=gaps,
    cap=st.integers(0, 200),
)
def test_any_references_equal_a_loop_over_get(
    served: RangeServer, drawn: dict[str, Any], wanted: list[Request], gap: int | None, cap: int
) -> None:
    store = reference_store(document(drawn, served.url), max_gap_bytes=gap, max_coalesced_bytes=cap)
    expected = outcome(lambda: one_by_one(store, wanted))
    served.clear()
    assert outcome(lambda: bulk(store, wanted)) == expected
    resolved = {key: value for key, value in drawn.items() if isinstance(value, tuple)}
    distinct = {request if isinstance(request, str) else request[0] for request in wanted}
    if gap is None:
        return
    assert len(served.requests) <= len(wanted)
    assert {path for path, _ in gets(served)} <= {
        resolved[key][0] for key in distinct & {*resolved}
    }


@settings(max_examples=40)
@given(
    drawn=st.dictionaries(
        st.sampled_from(KEYS),
        st.one_of(
            st.tuples(st.just("short"), st.integers(0, 110), st.integers(1, 40)),
            st.sampled_from([("short",), ("tiny",), ("gone",)]),
        ),
        min_size=1,
    ),
    wanted=requests_,
    gap=gaps,
)
def test_references_past_the_end_fail_in_bulk_as_alone(
    served: RangeServer, drawn: dict[str, Any], wanted: list[Request], gap: int | None
) -> None:
    """Merging never turns a fault into bytes, nor bytes into a fault."""
    store = reference_store(document(drawn, served.url), max_gap_bytes=gap)
    alone = outcome(lambda: one_by_one(store, wanted))
    together = outcome(lambda: bulk(store, wanted))
    if isinstance(alone, dict):
        assert together == alone
    else:
        assert isinstance(together, type)


# --- references that lead nowhere -------------------------------------------------------


def test_a_file_that_is_gone_is_no_absent_key(range_server: RangeServer) -> None:
    put(range_server, {"data": PATTERN})
    url = range_server.url
    references = {"a": [f"{url}/data", 0, 10], "b": [f"{url}/gone", 0, 10], "w": [f"{url}/gone"]}
    store = reference_store(references)
    assert sync(bulk(store, ["a", "unlisted"])) == {0: PATTERN[:10], 1: None}
    request: Request
    for request in (
        "b",
        "w",
        ("w", RangeByteRequest(0, 3)),
        ("w", RangeByteRequest(3, 3)),
        ("w", SuffixByteRequest(0)),
        ("b", SuffixByteRequest(2)),
    ):
        with pytest.raises(ReferenceNotReachable, match="gone") as caught:
            sync(bulk(store, ["a", request]))
        key, byte_range = (request, "") if isinstance(request, str) else request
        assert isinstance(caught.value.__cause__, FileNotFoundError)
        assert repr(key) in caught.value.__notes__[0]
        assert str(byte_range) in caught.value.__notes__[0]


@pytest.mark.parametrize("kind", ["gone", "truncated", "emptied"])
def test_an_array_in_a_damaged_file_is_no_fill_value(range_server: RangeServer, kind: str) -> None:
    data = numbers(20)
    references, file = packed_array(
        data, f"{range_server.url}/all", chunks=(1,), compressors=None, fill_value=0
    )
    if kind != "gone":
        put(range_server, {"all": file[:-6] if kind == "truncated" else b""})
    array = open_array(reference_store(references))
    with pytest.raises(ReferenceNotReachable):
        array[:]
    if kind == "truncated":
        np.testing.assert_array_equal(array[:18], data[:18])
        with pytest.raises((ReferenceNotReachable, OSError)):
            array[18]


@pytest.mark.parametrize("at", [95, 99, 100, 101, 200])
@pytest.mark.parametrize("together", [True, False])
def test_a_reference_past_the_end_of_its_file(
    range_server: RangeServer, at: int, together: bool
) -> None:
    put(range_server, {"data": PATTERN[:100]})
    url = f"{range_server.url}/data"
    references = {"in": [url, 50, 40], "end": [url, 90, 10], "out": [url, at, 10]}
    store = reference_store(references, max_gap_bytes=1000)
    assert sync(bulk(store, ["in", "end"])) == {0: PATTERN[50:90], 1: PATTERN[90:100]}
    requests: list[list[Request]] = [["in", "out", "end"], ["out", "in"]]
    for wanted in requests if together else [["out"]]:
        with pytest.raises(ReferenceNotReachable, match="data") as caught:
            sync(bulk(store, wanted))
        assert caught.value.__cause__ is not None


def test_a_whole_file_beside_a_reference_past_its_end(range_server: RangeServer) -> None:
    """The one is an answer, the other a fault, in whatever order they are asked for."""
    put(range_server, {"data": PATTERN[:100]})
    url = f"{range_server.url}/data"
    store = reference_store({"whole": [url], "out": [url, 95, 10], "in": [url, 90, 10]})
    fine: list[Request] = ["in", "whole", ("whole", RangeByteRequest(95, 300))]
    assert sync(bulk(store, fine)) == {0: PATTERN[90:100], 1: PATTERN[:100], 2: PATTERN[95:100]}
    faulty: list[list[Request]] = [
        ["whole", "out"],
        ["out", "whole"],
        [("whole", RangeByteRequest(80, 99)), "out"],
        ["out", ("whole", RangeByteRequest(80, 99))],
    ]
    for wanted in faulty:
        with pytest.raises(ReferenceNotReachable):
            sync(bulk(store, wanted))


@pytest.mark.parametrize(
    "reference",
    [
        *(
            [None, 1],
            ["http://x", 1],
            5.5,
            {"a": 1},
            [],
            [1, 2, 3],
            [[], 0, 8],
            ["http://x", 1.5, 8],
        ),
        *(["http://x", -1, 8], ["http://x", 0, -8], ["http://x", True, 8], ["http://x", "0", 8]),
        *(
            ["http://x", None, None],
            ["http://x", 0, 8, 9],
            [b"http://x", 0, 8],
            [None],
            "base64:x",
            5,
            -1,
            True,
        ),
    ],
)
def test_a_malformed_reference_is_refused(reference: Any) -> None:
    store = reference_store({"a": "x"})
    store.fs.references["bad"] = reference
    for read in (bulk, one_by_one):
        with pytest.raises(ValueError) as raised:
            sync(read(store, ["a", "bad"]))
        assert "key 'bad'" in " ".join(raised.value.__notes__)


def test_a_reference_of_a_protocol_that_is_not_there_is_named() -> None:
    store = reference_store({"a": "x", "b": ["gopher://b/b", 0, 8]})
    requests: list[list[Request]] = [["a", "b"], [("b", RangeByteRequest(0, 2))]]
    for wanted in requests:
        for read in (bulk, one_by_one):
            with pytest.raises(ReferenceNotReachable, match="gopher") as raised:
                sync(read(store, wanted))
            assert "key 'b'" in " ".join(raised.value.__notes__)


@pytest.mark.filterwarnings("ignore:The 'fastparquet' engine is deprecated")
def test_references_in_parquet_files(range_server: RangeServer, tmp_path: Path) -> None:
    """They are loaded piece by piece, while the keys of a bulk read are resolved."""
    for module in ("pandas", "fastparquet", "kerchunk.df"):
        pytest.importorskip(module, exc_type=ImportError)
    data = numbers(20)
    references, file = packed_array(
        data, f"{range_server.url}/all", chunks=(1,), zarr_format=2, fill_value=0
    )
    put(range_server, {"all": file})
    root = tmp_path / "refs.parq"
    lazy = LazyReferenceMapper.create(
        str(root), fs=fsspec.filesystem("file"), record_size=6, engine="fastparquet"
    )
    # The mapper has to know an array before its chunks.
    for key, value in sorted(references.items(), key=lambda item: not isinstance(item[1], str)):
        if isinstance(value, str):
            lazy[f"v/{key}"] = base64.b64decode(value.removeprefix("base64:"))
        elif key != "4":
            lazy[f"v/{key}"] = value
    lazy.flush()
    fs = fsspec.filesystem(
        "reference",
        fo=str(root),
        remote_protocol="http",
        remote_options={"asynchronous": True},
        asynchronous=True,
    )
    store = FsspecStore(fs, read_only=True, path="v", max_gap_bytes=10_000)
    expected = data.copy()
    expected[4] = 0
    np.testing.assert_array_equal(open_array(store, 2)[:], expected)
    assert len(range_server.requests) == 1
    assert sync(bulk(store, ["4", ("5", RangeByteRequest(0, 3)), ".zarray"])) == sync(
        one_by_one(store, ["4", ("5", RangeByteRequest(0, 3)), ".zarray"])
    )


# --- plain keys -------------------------------------------------------------------------


def test_ranges_of_one_key_are_merged(range_server: RangeServer) -> None:
    put(range_server, {"k": PATTERN})
    put(range_server, {"other": PATTERN[1:]})
    store = FsspecStore.from_url(range_server.url, max_gap_bytes=10)
    wanted: list[Request] = [
        ("k", RangeByteRequest(100, 150)),
        ("k", RangeByteRequest(0, 50)),
        ("k", RangeByteRequest(60, 100)),
        ("k", RangeByteRequest(161, 170)),
        ("k", RangeByteRequest(0, 0)),
        ("other", RangeByteRequest(50, 60)),
        ("nope", RangeByteRequest(50, 60)),
        ("nope", RangeByteRequest(60, 65)),
    ]
    found = sync(bulk(store, wanted))
    assert gets(range_server) == [
        ("k", "bytes=0-149"),
        ("k", "bytes=161-169"),
        ("nope", "bytes=50-64"),
        ("other", "bytes=50-59"),
    ]
    assert found == sync(one_by_one(store, wanted))


def test_a_whole_value_answers_its_ranges(range_server: RangeServer) -> None:
    put(range_server, {"k": PATTERN[:100]})
    store = FsspecStore.from_url(range_server.url, max_gap_bytes=None)
    wanted: list[Request] = [
        ("k", RangeByteRequest(10, 20)),
        "k",
        ("k", OffsetByteRequest(70)),
        ("k", SuffixByteRequest(7)),
        ("k", SuffixByteRequest(700)),
        ("k", RangeByteRequest(3, 3)),
        "k",
    ]
    found = sync(bulk(store, wanted))
    assert gets(range_server) == [("k", None)]
    assert found == sync(one_by_one(store, wanted))


def test_suffixes_and_open_ends_are_read_alone(range_server: RangeServer) -> None:
    put(range_server, {"k": PATTERN[:100]})
    store = FsspecStore.from_url(range_server.url)
    wanted: list[Request] = [
        ("k", RangeByteRequest(0, 90)),
        ("k", OffsetByteRequest(90)),
        ("k", SuffixByteRequest(10)),
        ("k", SuffixByteRequest(10)),
    ]
    assert sync(bulk(store, wanted)) == {
        0: PATTERN[:90],
        1: PATTERN[90:100],
        2: PATTERN[90:100],
        3: PATTERN[90:100],
    }
    assert gets(range_server) == [("k", "bytes=-10"), ("k", "bytes=0-89"), ("k", "bytes=90-")]


def test_merged_ranges_past_the_end_of_a_key(range_server: RangeServer) -> None:
    """Each gets what it would get alone."""
    put(range_server, {"k": PATTERN[:100]})
    store = FsspecStore.from_url(range_server.url, max_gap_bytes=1000)
    wanted: list[Request] = [
        ("k", RangeByteRequest(0, 10)),
        ("k", RangeByteRequest(95, 130)),
        ("k", RangeByteRequest(130, 140)),
    ]
    assert sync(bulk(store, wanted)) == {0: PATTERN[:10], 1: PATTERN[95:100], 2: b""}
    assert sync(bulk(store, wanted[2:])) == {0: b""}


@settings(max_examples=40)
@given(
    wanted=st.lists(st.tuples(st.sampled_from(("x", "y", "nope")), byte_ranges), max_size=15),
    gap=gaps,
    cap=st.integers(0, 200),
)
def test_any_ranges_of_plain_keys_equal_a_loop_over_get(
    served: RangeServer, wanted: list[Request], gap: int | None, cap: int
) -> None:
    store = FsspecStore.from_url(served.url, max_gap_bytes=gap, max_coalesced_bytes=cap)
    assert outcome(lambda: bulk(store, wanted)) == outcome(lambda: one_by_one(store, wanted))


# --- what is observed -------------------------------------------------------------------


def expected_bytes(wanted: list[Request], values: dict[str, bytes]) -> int:
    """Return how many bytes of the values requests are for."""
    total = 0
    for request in wanted:
        key, byte_range = (request, None) if isinstance(request, str) else request
        if key in values:
            start, stop = resolve_byte_range(byte_range, len(values[key]))
            total += stop - start
    return total


def test_the_report_is_what_the_server_counted(range_server: RangeServer) -> None:
    put(range_server, {"data": PATTERN, "whole": PATTERN[5000:5300]})
    reports: list[BulkReadReport] = []
    references = mixed_references(range_server.url)
    store = reference_store(references, max_gap_bytes=100, on_bulk_read=reports.append)
    stored = {"whole": PATTERN[5000:5300], "far": PATTERN[9000:9010]}
    stored |= {f"r/{i}": PATTERN[100 * i : 100 * i + 100] for i in range(3)}
    found = sync(bulk(store, MIXED))
    (report,) = reports
    assert report == BulkReadReport(
        requests=len(MIXED),
        reads=len(range_server.requests),
        nbytes_wanted=expected_bytes(MIXED, stored),
        nbytes_fetched=sum(request.body_nbytes for request in range_server.requests),
    )
    assert report.reads == 3
    assert len(found) == len(MIXED)

    reports.clear()
    range_server.clear()
    sync(bulk(store, ["text", "absent"]))
    assert reports == [BulkReadReport(2, 0, 0, 0)]
    assert range_server.requests == []


def test_the_report_counts_gaps_and_absent_keys(range_server: RangeServer) -> None:
    put(range_server, {"k": PATTERN})
    reports: list[BulkReadReport] = []
    store = FsspecStore.from_url(range_server.url, max_gap_bytes=10, on_bulk_read=reports.append)
    wanted: list[Request] = [
        ("k", RangeByteRequest(0, 10)),
        ("k", RangeByteRequest(20, 30)),
        "nope",
    ]
    sync(bulk(store, wanted))
    assert reports == [BulkReadReport(requests=3, reads=2, nbytes_wanted=20, nbytes_fetched=30)]
    assert len(range_server.requests) == 2
    # A read that fails is reported by its failure.
    range_server.inject("k", Fault(status=500))
    with pytest.raises(Exception, match="500"):
        sync(bulk(store, wanted))
    assert len(reports) == 1


def test_a_failing_hook_does_not_fail_the_read(
    range_server: RangeServer, caplog: pytest.LogCaptureFixture
) -> None:
    put(range_server, {"k": PATTERN})
    called = []

    def hook(report: BulkReadReport) -> None:
        called.append(report)
        raise RuntimeError("the hook is broken")

    store = FsspecStore.from_url(range_server.url, on_bulk_read=hook)
    assert sync(bulk(store, ["k"])) == {0: PATTERN}
    assert len(called) == 1
    assert "the hook is broken" in caplog.text


# --- concurrency and streaming ----------------------------------------------------------


class Gate(dict[str, bytes]):
    """Objects of a server that answers only when `open` of them have been asked for at once."""

    def __init__(self, objects: dict[str, bytes], at_once: int) -> None:
        super().__init__(objects)
        self.barrier = threading.Barrier(at_once)

    def __getitem__(self, key: str) -> bytes:
        value = super().__getitem__(key)
        self.barrier.wait(PATIENCE)
        return value


@pytest.mark.parametrize("how", ["option", "config"])
def test_as_many_reads_in_flight_as_allowed(how: str) -> None:
    """The server answers no request before there are three, and there never are four."""
    keys = [f"k{i}" for i in range(12)]
    with RangeServer(Gate(dict.fromkeys(keys, b"x"), at_once=3)) as server:
        store = FsspecStore.from_url(server.url, max_concurrency=3 if how == "option" else None)
        with config.set({"async.concurrency": 50 if how == "option" else 3}):
            assert sync(bulk(store, keys)) == dict.fromkeys(range(12), b"x")
        assert server.max_in_flight == 3
        assert len(server.requests) == 12


@pytest.mark.parametrize("in_flight", [None, 10, 20])
def test_what_is_in_flight_where_it_is_set_and_where_not(in_flight: int | None) -> None:
    """The default of 10 is that of operations; 10 set by somebody is what they ask for."""
    most = in_flight or 64
    requests: list[Request] = [(f"k{i}", RangeByteRequest(0, 1)) for i in range(2 * most)]
    objects = {f"k{i}": b"x" for i in range(2 * most)}
    set_to = {} if in_flight is None else {"async.concurrency": in_flight}
    with RangeServer(Gate(objects, at_once=most)) as server, config.set(set_to):
        found = sync(bulk(FsspecStore.from_url(server.url), requests))
        assert found == dict.fromkeys(range(2 * most), b"x")
        assert server.max_in_flight == most


def test_values_of_unknown_size_are_read_few_at_a_time_until_some_have_come() -> None:
    keys = [f"k{i}" for i in range(40)]
    with RangeServer(Gate(dict.fromkeys(keys, b"x"), at_once=4)) as server:
        found = sync(bulk(FsspecStore.from_url(server.url), keys[:4]))
        assert found == dict.fromkeys(range(4), b"x")
        assert server.max_in_flight == 4
    with RangeServer(Gate(dict.fromkeys(keys, b"x"), at_once=40)) as server, expecting(100):
        found = sync(bulk(FsspecStore.from_url(server.url), keys))
        assert found == dict.fromkeys(range(40), b"x")
        assert server.max_in_flight == 40


class Held(dict[str, bytes]):
    """Objects of a server of which one is held back until `release` is set."""

    def __init__(self, objects: dict[str, bytes], held: str) -> None:
        super().__init__(objects)
        self.held = held
        self.release = threading.Event()

    def __getitem__(self, key: str) -> bytes:
        value = super().__getitem__(key)
        if key == self.held:
            assert self.release.wait(PATIENCE)
        return value


@pytest.mark.parametrize("position", [0, 5, 11])
def test_first_batch_comes_before_the_last_answer(position: int) -> None:
    keys = [f"k{i}" for i in range(12)]
    objects = Held(dict.fromkeys(keys, b"x"), held=keys[position])

    async def check(store: FsspecStore) -> None:
        batches = cast(Any, store.get_many(keys, prototype=PROTOTYPE))
        async with aclosing(batches):
            seen = [index for index, _ in await asyncio.wait_for(anext(batches), PATIENCE)]
            while len(seen) < 11:
                seen += [index for index, _ in await asyncio.wait_for(anext(batches), PATIENCE)]
            assert position not in seen
            objects.release.set()
            assert [index async for batch in batches for index, _ in batch] == [position]

    with RangeServer(objects) as server:
        try:
            sync(check(FsspecStore.from_url(server.url)))
        finally:
            objects.release.set()


def test_closing_early_leaves_nothing() -> None:
    keys = [f"k{i}" for i in range(50)]
    objects = Held(dict.fromkeys(keys, b"x"), held="k3")

    async def check(store: FsspecStore) -> int:
        before = asyncio.all_tasks()
        batches = cast(Any, store.get_many(keys, prototype=PROTOTYPE))
        async with aclosing(batches):
            await asyncio.wait_for(anext(batches), PATIENCE)
        assert asyncio.all_tasks() == before
        return len(server.requests)

    with RangeServer(objects) as server:
        try:
            sync(check(FsspecStore.from_url(server.url, max_concurrency=4)))
        finally:
            objects.release.set()
        assert len(server.requests) < 50


# --- options ----------------------------------------------------------------------------

OPTIONS: dict[str, Any] = {"max_gap_bytes": 7, "max_coalesced_bytes": 120, "max_concurrency": 3}


def options_of(store: FsspecStore) -> dict[str, Any]:
    return {name: getattr(store, name) for name in OPTIONS}


def test_options_survive_copies(range_server: RangeServer) -> None:
    put(range_server, {"k": PATTERN})
    reports: list[BulkReadReport] = []
    store = FsspecStore.from_url(
        range_server.url, **OPTIONS, on_bulk_read=lambda report: reports.append(report)
    )
    read_only = store.with_read_only(True)
    thawed: FsspecStore = pickle.loads(pickle.dumps(store))
    assert read_only.read_only
    assert read_only.on_bulk_read is store.on_bulk_read
    assert thawed.on_bulk_read is None
    assert thawed == store
    near: list[Request] = [("k", RangeByteRequest(0, 50)), ("k", RangeByteRequest(57, 100))]
    too_far: list[Request] = [("k", RangeByteRequest(0, 50)), ("k", RangeByteRequest(58, 100))]
    too_long: list[Request] = [("k", RangeByteRequest(0, 50)), ("k", RangeByteRequest(50, 121))]
    for copy in (store, read_only, thawed):
        assert options_of(copy) == OPTIONS
        for wanted, count in ((near, 1), (too_far, 2), (too_long, 2)):
            range_server.clear()
            sync(bulk(copy, wanted))
            assert len(range_server.requests) == count
    assert len(reports) == 6


def test_every_constructor_takes_the_options() -> None:
    upath = pytest.importorskip("upath")
    fs = AsyncFileSystemWrapper(fsspec.filesystem("memory"), asynchronous=True)
    reports: list[BulkReadReport] = []
    hook = reports.append
    for store in (
        FsspecStore(fs, path="/x", **OPTIONS, on_bulk_read=hook),
        FsspecStore.from_url("memory://x", **OPTIONS, on_bulk_read=hook),
        FsspecStore.from_mapper(fsspec.get_mapper("memory://x"), **OPTIONS, on_bulk_read=hook),
        FsspecStore.from_upath(upath.UPath("memory://x"), **OPTIONS, on_bulk_read=hook),
    ):
        assert options_of(store) == OPTIONS
        assert store.on_bulk_read is hook


@pytest.mark.parametrize(
    ("name", "bad"),
    [("max_gap_bytes", -1), ("max_coalesced_bytes", -1), ("max_concurrency", 0)],
)
def test_bad_options_are_refused(name: str, bad: int) -> None:
    with pytest.raises(ValueError, match=name):
        FsspecStore.from_url("memory://x", **{name: bad})  # type: ignore[arg-type]


def test_a_range_past_the_end_beside_a_reference_that_vouches(range_server: RangeServer) -> None:
    """What one reference vouches for is not asked of the range that was merged with it."""
    put(range_server, {"data": PATTERN})
    url, nbytes = f"{range_server.url}/data", len(PATTERN)
    references = {"in": [url, nbytes - 10, 10], "whole": [url]}
    store = reference_store(references, max_gap_bytes=1000)
    wanted: list[Request] = ["in", ("whole", RangeByteRequest(nbytes - 5, nbytes + 200))]
    assert sync(bulk(store, wanted)) == {0: PATTERN[-10:], 1: PATTERN[-5:]}
