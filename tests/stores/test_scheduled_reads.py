"""Reads of a store share one budget, leave together and are tried again: as a server sees it."""

from __future__ import annotations

import asyncio
import functools
import itertools
import threading
from typing import Any

import fsspec
import numpy as np
import pytest
from tests.servers import faults
from tests.servers.range_server import Fault, RangeServer
from tests.stores.bulk_kit import PROTOTYPE
from tests.waiting import PATIENCE

import zarr
from zarr.abc.store import RangeByteRequest
from zarr.core import _read_queue
from zarr.core._retry import RetryPolicy
from zarr.core.buffer.cpu import Buffer
from zarr.core.sync import sync
from zarr.storage import FsspecStore, MemoryStore

VALUES = np.arange(1, 201, dtype="<i4")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retries follow at once."""
    policy = functools.partial(RetryPolicy, base_seconds=0.0, max_seconds=0.0)
    monkeypatch.setattr(_read_queue, "RetryPolicy", policy)


@pytest.fixture
def server(range_server: RangeServer) -> RangeServer:
    """A server over an array of 200 chunks."""
    memory = MemoryStore()
    zarr.create_array(memory, data=VALUES, chunks=(1,), compressors=None, name="x")
    for key, value in memory._store_dict.items():
        range_server.objects[f"root/{key}"] = value.to_bytes()
    return range_server


def store_of(server: RangeServer, **options: Any) -> FsspecStore:
    return FsspecStore.from_url(f"{server.url}/root", read_only=True, **options)


def get(store: FsspecStore, key: str, byte_range: Any = None) -> bytes | None:
    buffer = sync(store.get(key, PROTOTYPE, byte_range))
    return None if buffer is None else buffer.to_bytes()


def chunks_asked_for(server: RangeServer) -> int:
    return sum("/c/" in request.path for request in server.requests)


# --- failures that go away --------------------------------------------------------------


@pytest.mark.parametrize("fault", [faults.unavailable(), faults.too_many_requests()])
def test_a_server_that_refuses_some(server: RangeServer, fault: Fault) -> None:
    lock, count = threading.Lock(), itertools.count()

    def one_of_20(method: str, path: str, range_: str | None) -> bool:
        with lock:
            return "/c/" in path and next(count) % 20 == 7

    server.inject(one_of_20, fault)
    array = zarr.open_array(store_of(server), path="x", mode="r")
    np.testing.assert_array_equal(array[:], VALUES)
    refused = sum(request.status in (429, 503) for request in server.requests)
    assert refused >= 10
    assert chunks_asked_for(server) == 200 + refused


AGAIN = {
    "reset": faults.reset_before_the_reply(),
    "reset in the body": faults.reset_in_the_body(1),
    "cut": faults.cut_in_the_body(1),
    **{str(status): Fault(status=status) for status in (408, 429, 500, 502, 503, 504)},
}


@pytest.mark.parametrize("name", AGAIN)
@pytest.mark.parametrize("part", [None, RangeByteRequest(1, 3)])
def test_once(server: RangeServer, name: str, part: Any) -> None:
    key, path = "x/c/7", "root/x/c/7"
    expected = server.objects[path] if part is None else server.objects[path][1:3]
    server.inject(path, AGAIN[name], times=1)
    assert get(store_of(server), key, part) == expected
    assert len(server.requests) == 2


def test_an_array_of_which_some_replies_are_cut(server: RangeServer) -> None:
    for index, name in enumerate(AGAIN):
        server.inject(f"root/x/c/{10 * index}", AGAIN[name], times=2)
    array = zarr.open_array(store_of(server), path="x", mode="r")
    np.testing.assert_array_equal(array[:], VALUES)


@pytest.mark.parametrize("most", [0, 2])
@pytest.mark.parametrize("name", AGAIN)
def test_always(server: RangeServer, name: str, most: int) -> None:
    server.inject("root/x/c/7", AGAIN[name])
    with pytest.raises(Exception) as caught:
        get(store_of(server, max_retries=most), "x/c/7")
    # aiohttp makes a request again, once, where the connection is reset before there is a reply.
    assert len(server.requests) == (most + 1) * (2 if name == "reset" else 1)
    notes = " ".join(caught.value.__notes__)
    assert "x/c/7" in notes
    assert (f"tried {most + 1} times" in notes) is bool(most)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 416])
def test_never_again(server: RangeServer, status: int) -> None:
    server.inject("root/x/c/7", Fault(status=status))
    store = store_of(server)
    if status == 404:
        assert get(store, "x/c/7") is None
    else:
        with pytest.raises(Exception) as caught:
            get(store, "x/c/7")
        assert "tried" not in " ".join(caught.value.__notes__)
    assert len(server.requests) == 1


# --- sharing ----------------------------------------------------------------------------


def test_an_object_that_is_replaced(server: RangeServer) -> None:
    store = store_of(server)
    for number in range(3):
        server.objects["root/x/c/7"] = bytes([number]) * 4
        assert get(store, "x/c/7") == bytes([number]) * 4
        assert get(store, "x/c/7", RangeByteRequest(0, 2)) == bytes([number]) * 2
    assert len(server.requests) == 6


async def test_what_was_written_is_read() -> None:
    store = FsspecStore.from_url("memory://scheduled-reads")
    for number in range(20):
        value = bytes([number]) * 4
        before = asyncio.ensure_future(store.get("key", PROTOTYPE))
        await store.set("key", Buffer.from_bytes(value))
        after = await store.get("key", PROTOTYPE)
        assert after is not None
        assert after.to_bytes() == value
        await before
    await store.delete("key")
    assert await store.get("key", PROTOTYPE) is None


async def test_many_reads_have_one_budget(server: RangeServer) -> None:
    store = store_of(server, max_concurrency=5)
    array = await zarr.api.asynchronous.open_array(store=store, path="x", mode="r")
    found = await asyncio.gather(*(array.getitem(slice(i, None)) for i in range(16)))
    for i, values in enumerate(found):
        np.testing.assert_array_equal(values, VALUES[i:])
    assert server.max_in_flight <= 5
    server.clear()
    view = store.with_read_only(True)
    gets = [s.get(f"x/c/{i}", PROTOTYPE) for s in (store, view) for i in range(50)]
    assert None not in await asyncio.gather(*gets)
    assert server.max_in_flight <= 5
    assert len(server.requests) <= 100


async def test_parts_of_a_value_have_the_budget(server: RangeServer) -> None:
    """They are planned by themselves, and stay apart where they were."""
    server.objects["root/value"] = bytes(range(250))
    store = store_of(server, max_concurrency=2)
    wanted = [RangeByteRequest(10 * i, 10 * i + 5) for i in range(20)]
    found: dict[int, bytes] = {}
    async for batch in store.get_ranges("value", wanted, prototype=PROTOTYPE, max_gap_bytes=0):
        found |= {index: value.to_bytes() for index, value in batch if value is not None}
    assert found == {i: bytes(range(10 * i, 10 * i + 5)) for i in range(20)}
    assert len(server.requests) == 20
    assert server.max_in_flight <= 2


# --- small variables of one file --------------------------------------------------------


@pytest.fixture
def variables(range_server: RangeServer) -> FsspecStore:
    """50 arrays of one chunk, side by side in one file."""
    memory = MemoryStore()
    group = zarr.create_group(memory)
    for i in range(50):
        group.create_array(f"v{i}", data=VALUES[i : i + 10], compressors=None)
    references: dict[str, Any] = {}
    content = b""
    for key, value in sorted(memory._store_dict.items()):
        if "/c/" in key:
            references[key] = [f"{range_server.url}/file", len(content), len(value)]
            content += value.to_bytes()
        else:
            references[key] = value.to_bytes()
    range_server.objects["file"] = content
    fs = fsspec.filesystem(
        "reference",
        fo=references,
        remote_protocol="http",
        remote_options={"asynchronous": True},
        asynchronous=True,
    )
    return FsspecStore(fs, read_only=True, path="")


async def test_variables_that_are_read_at_the_same_time(
    variables: FsspecStore, range_server: RangeServer
) -> None:
    group = await zarr.api.asynchronous.open_group(store=variables, mode="r")
    arrays = [await group.getitem(f"v{i}") for i in range(50)]
    reads = [a.getitem(...) for a in arrays if isinstance(a, zarr.AsyncArray)]
    async with asyncio.timeout(PATIENCE):
        found = await asyncio.gather(*reads)
    for i, values in enumerate(found):
        np.testing.assert_array_equal(values, VALUES[i : i + 10])
    assert len(found) == 50
    assert len(range_server.requests) <= 3


def test_variables_that_are_read_by_one_call(
    variables: FsspecStore, range_server: RangeServer
) -> None:
    group = zarr.open_group(variables, mode="r")
    arrays = [group[f"v{i}"] for i in range(50)]
    found = zarr.read_many([a for a in arrays if isinstance(a, zarr.Array)])
    for i, values in enumerate(found):
        np.testing.assert_array_equal(values, VALUES[i : i + 10])
    assert len(found) == 50
    assert len(range_server.requests) <= 2


async def test_one_of_the_variables_is_out_of_the_file(
    variables: FsspecStore, range_server: RangeServer
) -> None:
    """It fails; the rest, which was fetched with it, does not."""
    range_server.objects["file"] = range_server.objects["file"][:-10]
    keys = [key for key in variables.fs.references if "/c/" in key]
    reads = [variables.get(key, PROTOTYPE) for key in keys]
    found = await asyncio.gather(*reads, return_exceptions=True)
    failed = [key for key, value in zip(keys, found, strict=True) if isinstance(value, Exception)]
    assert failed == [max(keys)]
    assert f"'{max(keys)}'" in str(found[keys.index(max(keys))]) + "".join(
        getattr(found[keys.index(max(keys))], "__notes__", [])
    )
    assert len(range_server.requests) == 2
