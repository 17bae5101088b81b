"""Bulk reads as dictionaries, stores over references to one server, and arrays packed into a file."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

import numpy as np
from tests.servers.range_server import RangeServer

from zarr.abc.store import ByteRequest, Store
from zarr.core._byte_ranges import resolve_byte_range
from zarr.core.array import Array, create_array, open_array_node
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import FsspecStore, MemoryStore, StorePath

PROTOTYPE = default_buffer_prototype()
Request = str | tuple[str, ByteRequest | None]
Answers = dict[int, bytes | None]

# Bytes in which every part can be told from every other of three bytes and more.
PATTERN = b"".join(i.to_bytes(3, "big") for i in range(4000))


def buffer(value: bytes) -> Buffer:
    return PROTOTYPE.buffer.from_bytes(value)


async def bulk(store: Store, requests: Iterable[Request]) -> Answers:
    """Run `get_many` to its end; each index may come once."""
    answers: Answers = {}
    # An async generator, so that it can be closed.
    batches = cast(Any, store.get_many(requests, prototype=PROTOTYPE))
    async with aclosing(batches):
        batch: Sequence[tuple[int, Buffer | None]]
        async for batch in batches:
            for index, value in batch:
                assert index not in answers
                answers[index] = None if value is None else value.to_bytes()
    return answers


async def one_by_one(store: Store, requests: Sequence[Request]) -> Answers:
    """Read the same by a loop over `get`."""
    answers: Answers = {}
    for index, request in enumerate(requests):
        key, byte_range = (request, None) if isinstance(request, str) else request
        value = await store.get(key, PROTOTYPE, byte_range)
        answers[index] = None if value is None else value.to_bytes()
    return answers


def outcome(read: Callable[[], Awaitable[Answers]]) -> Answers | type[Exception]:
    """Return what a read gives, or the class of what it raises."""

    async def run() -> Answers | type[Exception]:
        try:
            return await read()
        except Exception as error:
            return type(error)

    return sync(run())


def reference_store(references: dict[str, Any], **options: Any) -> FsspecStore:
    """Return a store over fsspec's reference file system, whose targets are reached by HTTP."""
    import fsspec

    fs = fsspec.filesystem(
        "reference",
        fo=references,
        remote_protocol="http",
        remote_options={"asynchronous": True},
        asynchronous=True,
    )
    return FsspecStore(fs, read_only=True, path="", **options)


def gets(server: RangeServer) -> list[tuple[str, str | None]]:
    """Return path and ``Range`` of all GET requests so far, sorted."""
    sent = [(r.path, r.range) for r in server.requests if r.method == "GET"]
    return sorted(sent, key=lambda item: (item[0], item[1] or ""))


def put(server: RangeServer, objects: Mapping[str, bytes]) -> None:
    """Add objects to those that a server has in memory."""
    there: Any = server.objects
    there.update(objects)


def values_of(store: MemoryStore) -> dict[str, bytes]:
    """Return all keys and values."""

    async def keys() -> list[str]:
        return [key async for key in store.list()]

    found = {}
    for key in sync(keys()):
        value = store.get_sync(key)
        assert value is not None
        found[key] = value.to_bytes()
    return found


def is_metadata(key: str) -> bool:
    return key.rpartition("/")[2] in ("zarr.json", ".zarray", ".zattrs")


def packed_array(
    data: Any, url: str, *, gap: int = 0, skip: Sequence[str] = (), **parameters: Any
) -> tuple[dict[str, Any], bytes]:
    """Write an array, and put its chunks one behind the other, in order, into one file.

    Parameters
    ----------
    data : numpy.ndarray
        The values.
    url : str
        Where the file will be.
    gap : int
        Bytes between two chunks.
    skip : sequence of str
        Chunk keys to leave out of the references.
    **parameters
        Those of `create_array`.

    Returns
    -------
    tuple
        References, the metadata among them as base64, and the bytes of the file.
    """
    memory = MemoryStore()
    sync(create_array(memory, data=data, **parameters))
    references: dict[str, Any] = {}
    file = b""
    for key, value in sorted(values_of(memory).items(), key=lambda item: (len(item[0]), item)):
        if is_metadata(key):
            references[key] = "base64:" + base64.b64encode(value).decode()
        elif key not in skip:
            references[key] = [url, len(file), len(value)]
            file += value + bytes(gap)
    return references, file


def open_array(store: Store, zarr_format: Any = 3) -> Array[Any]:
    return Array(sync(open_array_node(StorePath(store), zarr_format=zarr_format)))


def numbers(*shape: int, dtype: str = "i4") -> np.ndarray[Any, Any]:
    """Return values that differ from each other and from zero."""
    return np.arange(1, 1 + int(np.prod(shape)), dtype=dtype).reshape(shape)


class DictStore(Store):
    """Holds values in a dictionary and gives nothing but `get`; notes what it is asked for."""

    supports_writes = True
    supports_deletes = True
    supports_listing = True

    def __init__(self, values: dict[str, bytes] | None = None) -> None:
        super().__init__()
        self.values = {} if values is None else values
        self.got: list[tuple[str, ByteRequest | None]] = []

    def __eq__(self, value: object) -> bool:
        return isinstance(value, DictStore) and self.values == value.values

    def __str__(self) -> str:
        return "dict://"

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        self.got.append((key, byte_range))
        await asyncio.sleep(0)
        return self.find(key, prototype, byte_range)

    def find(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return what is stored, unnoted."""
        value = self.values.get(key)
        if value is None:
            return None
        start, stop = resolve_byte_range(byte_range, len(value))
        return prototype.buffer.from_bytes(value[start:stop])

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        return key in self.values

    async def set(self, key: str, value: Buffer) -> None:
        self.values[key] = value.to_bytes()

    async def delete(self, key: str) -> None:
        self.values.pop(key, None)

    async def list(self) -> AsyncIterator[str]:
        for key in self.values:
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for key in self.values:
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        for key in self.values:
            yield key.partition("/")[0]


class BulkStore(DictStore):
    """Answers bulk reads by itself, all in one batch; notes the requests of each in `bulk`."""

    def __init__(self, values: dict[str, bytes] | None = None) -> None:
        super().__init__(values)
        self.bulk: list[list[Request]] = []

    async def get_many(
        self, requests: Iterable[Request], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        wanted = [*requests]
        self.bulk.append(wanted)
        await asyncio.sleep(0)
        pairs = [(request, None) if isinstance(request, str) else request for request in wanted]
        yield [(i, self.find(key, prototype, part)) for i, (key, part) in enumerate(pairs)]
