"""What servers answer that is not what was asked for: right data, or an error that names the key.

Every store that reads from an HTTP server, every kind of read, every fault. A fault never becomes
an absent key, a fill value, or data.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from tests.servers import faults
from tests.servers.range_server import Fault, RangeServer
from tests.stores.bulk_kit import (
    PATTERN,
    PROTOTYPE,
    bulk,
    open_array,
    packed_array,
    reference_store,
    values_of,
)

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.codecs import BytesCodec, Crc32cCodec
from zarr.core._byte_ranges import resolve_byte_range
from zarr.core.array import create_array
from zarr.core.buffer import Buffer
from zarr.core.sync import sync
from zarr.storage import FsspecStore, MemoryStore, ObjectStore

pytest.importorskip("aiohttp")

FAULTS: dict[str, Fault] = {
    name: getattr(faults, name)()
    for name in (
        "html_page",
        "redirect_to_nowhere",
        "other_range",
        "disguised_range",
        "unasked_part",
        "undescribed_part",
        "no_content",
        "transformed",
        "too_many_requests",
        "unavailable",
        "gzip_of_the_answer",
        "range_of_the_gzip",
        "reset_before_the_reply",
        "cut_in_the_body",
        "reset_in_the_body",
        "declared_too_long",
        "declared_too_short",
        "range_refused",
        "whole_for_range",
    )
}
FAULTS["page_for_404"] = faults.html_page(500)
FAULTS["empty_page"] = Fault(status=200, body=b"")
FAULTS["forbidden"] = Fault(status=403)

# --- stores -----------------------------------------------------------------------------

Objects = dict[str, bytes]
MakeStore = Callable[[RangeServer, Objects, Path], Store]


def over_http(server: RangeServer, objects: Objects, _: Path) -> Store:
    server.objects.update(objects)
    return FsspecStore.from_url(server.url, read_only=True)


def over_references(server: RangeServer, objects: Objects, _: Path) -> Store:
    """Return a store whose keys are whole objects."""
    server.objects.update(objects)
    return reference_store({key: [f"{server.url}/{key}"] for key in objects})


def over_parts(server: RangeServer, objects: Objects, _: Path) -> Store:
    """Return a store whose keys are parts of one object, between bytes of others."""
    blob, references = bytes(64), {}
    for key, value in objects.items():
        references[key] = [f"{server.url}/blob", len(blob), len(value)]
        blob += value + bytes(64)
    server.objects["blob"] = blob
    return reference_store(references)


def over_obstore(server: RangeServer, objects: Objects, _: Path) -> Store:
    server.objects.update(objects)
    return ObjectStore(obstore_client(server.url), read_only=True)


@functools.cache  # it reads certificates when it is made
def obstore_client(url: str) -> Any:
    obstore = pytest.importorskip("obstore")
    moment = timedelta(milliseconds=1)
    return obstore.store.HTTPStore.from_url(
        url,
        client_options={"allow_http": True},
        retry_config={
            "max_retries": 1,
            "retry_timeout": timedelta(seconds=20),
            "backoff": {"init_backoff": moment, "max_backoff": moment, "base": 2},
        },
    )


def over_cache(server: RangeServer, objects: Objects, directory: Path) -> Store:
    server.objects.update(objects)
    return FsspecStore.from_url(
        f"simplecache::{server.url}",
        {"simplecache": {"cache_storage": str(directory / uuid.uuid4().hex)}},
        read_only=True,
    )


STORES: dict[str, MakeStore] = {
    "http": over_http,
    "references": over_references,
    "parts": over_parts,
    "obstore": over_obstore,
    "simplecache": over_cache,
}

# --- kinds of reads ---------------------------------------------------------------------

VALUES: Objects = {"a": PATTERN[:4000], "b": PATTERN[4000:4500], "d/c": PATTERN[5000:7000]}
PARTS: dict[str, ByteRequest] = {
    "head": RangeByteRequest(0, 40),
    "range": RangeByteRequest(100, 140),
    "offset": OffsetByteRequest(3900),
    "suffix": SuffixByteRequest(40),
}
Outcome = dict[int, bytes | None]


async def gotten(store: Store, key: str, byte_range: ByteRequest | None = None) -> Outcome:
    value = await store.get(key, PROTOTYPE, byte_range)
    return {0: None if value is None else value.to_bytes()}


async def ranges_of(store: Store, key: str, byte_ranges: Iterable[ByteRequest | None]) -> Outcome:
    found: Outcome = {}
    batches = cast(
        "AsyncIterator[list[tuple[int, Buffer | None]]]",
        store.get_ranges(key, byte_ranges, prototype=PROTOTYPE, max_gap_bytes=0),
    )
    async with aclosing(cast(Any, batches)):
        async for batch in batches:
            found.update((i, None if v is None else v.to_bytes()) for i, v in batch)
    return found


Request = tuple[str, ByteRequest | None]
SOME = (*PARTS.values(), RangeByteRequest(2000, 2040), None)


def kinds() -> dict[str, tuple[Callable[[Store], Awaitable[Outcome]], list[Request]]]:
    result: dict[str, tuple[Callable[[Store], Awaitable[Outcome]], list[Request]]] = {}
    wholes: list[Request] = [(key, None) for key in VALUES]
    parts: list[Request] = [(key, byte_range) for key in VALUES for byte_range in PARTS.values()]
    parts = [(key, part) for key, part in parts if key != "b" or part != PARTS["offset"]]
    result["get"] = (lambda store: gotten(store, "a"), [("a", None)])
    for name, part in PARTS.items():
        read = functools.partial(gotten, key="a", byte_range=part)
        result[f"get {name}"] = (read, [("a", part)])
    result["get_ranges"] = (lambda s: ranges_of(s, "a", SOME), [("a", part) for part in SOME])
    result["get_many"] = (lambda store: bulk(store, wholes), wholes)
    result["get_many parts"] = (lambda store: bulk(store, parts), parts)
    return result


KINDS = kinds()

# --- what no client can tell ------------------------------------------------------------


def cannot_be_told(store: str, kind: str, fault: str) -> bool:
    """Tell whether a fault looks just like a right answer, so that only a codec can find out."""
    whole = kind in ("get", "get_many", "get_ranges") or store == "simplecache"
    if store == "parts":
        whole = False  # the reference says how many bytes there have to be
    if whole and fault in ("html_page", "empty_page", "declared_too_short"):
        return True
    if whole and (store, fault) == ("obstore", "unasked_part"):
        return True  # obstore does not tell the status
    in_parts = kind not in ("get", "get_many") or store == "parts"
    if fault == "disguised_range":
        return in_parts
    # 200 with less than was asked for may be a short object.
    return in_parts and store != "parts" and fault == "empty_page"


def texts(error: BaseException) -> Iterator[str]:
    yield str(error)
    yield from getattr(error, "__notes__", ())
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from texts(part)


def check_named(error: BaseException, keys: Iterable[str]) -> None:
    """Check that an error says which of these keys could not be read."""
    said = "\n".join(texts(error))
    assert any(repr(key) in said or f"/{key}" in said or f" {key}" in said for key in keys), (
        f"{type(error).__name__} names no key: {said}"
    )


@pytest.fixture(scope="module")
def server() -> Iterator[RangeServer]:
    with RangeServer({}) as server:
        yield server


def on_data(verb: str, path: str, range_: str | None) -> bool:
    """Match what holds values, and neither metadata nor a look at how long something is."""
    return verb == "GET" and not path.endswith(("zarr.json", ".zarray", ".zattrs"))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", STORES)
def test_a_fault_is_no_data(
    server: RangeServer, tmp_path: Path, make: str, kind: str, fault: str
) -> None:
    if cannot_be_told(make, kind, fault):
        pytest.skip("looks like a right answer")
    read, requests = KINDS[kind]
    for times in (1, None):
        server.clear()
        server.objects.clear()
        store = STORES[make](server, VALUES, tmp_path)
        server.inject(on_data, FAULTS[fault], times=times)
        try:
            found = sync(asyncio.wait_for(_awaited(read(store)), 60))
        except Exception as error:
            check_named(error, VALUES)
            assert server.requests, "nothing was asked for"
        else:
            for index, (key, part) in enumerate(requests):
                start, stop = resolve_byte_range(part, len(VALUES[key]))
                assert found[index] == VALUES[key][start:stop], (key, part)


async def _awaited(result: Awaitable[Outcome]) -> Outcome:
    return await result


# --- arrays -----------------------------------------------------------------------------

DATA = np.arange(1, 1025, dtype="i4")
FILL = -1
ARRAYS: dict[str, dict[str, Any]] = {
    "raw": {"chunks": (128,), "compressors": None},
    "checksum": {"chunks": (128,), "compressors": Crc32cCodec(), "serializer": BytesCodec()},
    "compressed": {"chunks": (128,)},
    "raw shards": {"chunks": (32,), "shards": (256,), "compressors": None},
    "shards": {"chunks": (32,), "shards": (256,), "compressors": Crc32cCodec()},
}
SELECTIONS = (slice(None), slice(70, 90), slice(250, 600))


@functools.cache
def stored(array: str) -> Objects:
    memory = MemoryStore()
    sync(create_array(memory, data=DATA, fill_value=FILL, **ARRAYS[array]))
    return values_of(memory)


def array_cannot_be_told(make: str, array: str, fault: str) -> bool:
    """Without a checksum a disguised range is data; a shard is read in parts always."""
    in_parts = make == "parts" or "shards" in array
    return fault == "disguised_range" and in_parts and array.startswith("raw")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("make", STORES)
def test_a_fault_is_no_element(
    server: RangeServer, tmp_path: Path, make: str, array: str, fault: str
) -> None:
    if array_cannot_be_told(make, array, fault):
        pytest.skip("looks like a right answer")
    objects = stored(array)
    server.objects.clear()
    if make == "parts":
        references, blob = packed_array(
            DATA, f"{server.url}/blob", gap=16, fill_value=FILL, **ARRAYS[array]
        )
        server.objects["blob"] = blob
        store: Store = reference_store(references)
    else:
        store = STORES[make](server, objects, tmp_path)
    for where, times in itertools.product(SELECTIONS, (1, None)):
        server.clear()
        opened = open_array(store)
        server.inject(on_data, FAULTS[fault], times=times)
        try:
            found = opened[where]
        except Exception as error:
            check_named(error, [key for key in objects if key != "zarr.json"])
        else:
            np.testing.assert_array_equal(found, DATA[where])
