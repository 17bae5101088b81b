"""References that others wrote, damaged: a value, or an error that names the key."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.fuzz_kit import BOUNDED, guarded
from tests.servers.range_server import RangeServer
from tests.stores.bulk_kit import PATTERN

import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import FsspecStore, MemoryStore

PROTOTYPE = default_buffer_prototype()


@pytest.fixture(scope="module")
def server() -> Iterator[RangeServer]:
    with RangeServer({"blob": PATTERN}) as running:
        yield running


numbers = (
    st.integers(-5, 5)
    | st.integers(11_990, 12_010)
    | st.sampled_from([2**31, 2**63, 2**64, -(2**63), 10**40])
    | st.floats()
    | st.booleans()
    | st.none()
    | st.text(max_size=3)
)
urls = st.sampled_from(["blob", "gone", "", "a\0b", "../blob", "blob?x=1", "blob#1"])
schemes = st.sampled_from(["HTTP://", "gopher://b/", "http:", "://", "", "file:///", "memory://"])
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
references = (
    st.tuples(urls, numbers, numbers).map(lambda item: ["SERVER" + item[0], *item[1:]])
    | st.tuples(schemes, urls, numbers, numbers).map(lambda i: [i[0] + i[1], *i[2:]])
    | st.lists(junk, max_size=4)
    | st.binary(max_size=40).map(lambda data: "base64:" + base64.b64encode(data).decode())
    | st.text(max_size=10).map(lambda text: "base64:" + text)
    | st.text(max_size=10)
    | junk
)
parts = st.sampled_from(
    [None, RangeByteRequest(1, 3), RangeByteRequest(2, 2), OffsetByteRequest(3)]
    + [SuffixByteRequest(2), RangeByteRequest(11_999, 12_001)]
)


def placed(reference: Any, url: str) -> Any:
    """Return a reference with the URL of the server in it."""
    if isinstance(reference, list) and reference and isinstance(reference[0], str):
        return [reference[0].replace("SERVER", f"{url}/"), *reference[1:]]
    return reference


def expected(reference: Any, url: str) -> bytes | None:
    """Return the value that a well-formed reference to the object of the server stands for."""
    if isinstance(reference, list) and len(reference) == 3 and reference[0] == f"{url}/blob":
        start, nbytes = reference[1:]
        if type(start) is type(nbytes) is int and start >= 0 and nbytes >= 0:
            found = PATTERN[start : start + nbytes]
            return found if len(found) == nbytes else None
    return None


def store_of(reference: Any) -> FsspecStore:
    fs = fsspec.filesystem(
        "reference",
        fo={"fine": "x"},
        remote_protocol="http",
        remote_options={"asynchronous": True},
        asynchronous=True,
        skip_instance_cache=True,
    )
    # As a document that is loaded piece by piece would have it: nothing has looked at it before.
    fs.references["the/key"] = reference
    return FsspecStore(fs, read_only=True, path="")


@BOUNDED
@given(references, parts)
def test_reading_what_a_reference_names(server: RangeServer, reference: Any, part: Any) -> None:
    reference = placed(reference, server.url)
    store = store_of(reference)
    outcome = guarded(lambda: sync(store.get("the/key", PROTOTYPE, part)), "the/key")
    if outcome.error is None and part is None and outcome.value is not None:
        value = expected(reference, server.url)
        assert value is None or outcome.value.to_bytes() == value

    async def bulk() -> Any:
        found: dict[int, Any] = {}
        async for batch in store.get_many(["fine", ("the/key", part)], prototype=PROTOTYPE):
            found |= dict(batch)
        return found[1]

    many = guarded(lambda: sync(bulk()), "the/key")
    assert type(many.error) is type(outcome.error)
    if many.error is None:
        values = [None if v is None else v.to_bytes() for v in (many.value, outcome.value)]
        assert values[0] == values[1]


@BOUNDED
@given(references)
def test_opening_a_document_with_such_a_reference(server: RangeServer, reference: Any) -> None:
    """The chunk is damaged, the others are read."""
    memory = MemoryStore()
    zarr.create_array(memory, shape=(4,), chunks=(2,), dtype="u1", compressors=None, fill_value=7)
    document = {
        "zarr.json": memory._store_dict["zarr.json"].to_bytes().decode(),
        "c/0": [f"{server.url}/blob", 0, 2],
        "c/1": placed(reference, server.url),
    }
    options = {"fo": document, "remote_protocol": "http", "skip_instance_cache": True}

    def read() -> Any:
        store = FsspecStore.from_url("reference://", options, read_only=True)
        return zarr.open_array(store, mode="r")

    opened = guarded(read)
    if opened.error is None:
        assert list(opened.value[:2]) == list(PATTERN[:2])
        guarded(lambda: opened.value[2:], "c/1")
