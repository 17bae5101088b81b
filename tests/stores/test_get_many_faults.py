"""A fault during a bulk read never becomes a value: every kind of store, every kind of fault."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, cast

import aiohttp
import fsspec
import numpy as np
import pytest
from fsspec.implementations import http
from fsspec.implementations.reference import ReferenceNotReachable
from tests.servers.range_server import Fault, RangeServer
from tests.stores.bulk_kit import (
    PROTOTYPE,
    Answers,
    DictStore,
    Request,
    numbers,
    open_array,
    put,
    values_of,
)
from tests.waiting import PATIENCE

import zarr
from zarr.abc.store import ByteRequest, RangeByteRequest, Store
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec
from zarr.core.array import create_array
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.core.buffer.cpu import Buffer as CPUBuffer
from zarr.core.config import config
from zarr.core.sync import sync
from zarr.storage import FsspecStore, LocalStore, LoggingStore, MemoryStore, WrapperStore, ZipStore

CHUNKS = 40
CONCURRENCY = 4
PART = RangeByteRequest(1, 3)

# Where in a read a fault lies: drawn once, so that a failure can be repeated.
POSITIONS = sorted(random.Random(1806).sample(range(CHUNKS), 3))


# --- stores of every kind that hold an array, one chunk of which cannot be read ----------


def array_values() -> dict[str, bytes]:
    """Return an array of `CHUNKS` chunks of 4 bytes, key by key."""
    memory = MemoryStore()
    shape: dict[str, Any] = {"chunks": (1,), "compressors": None, "fill_value": 0}
    sync(create_array(memory, data=numbers(CHUNKS), **shape))
    return values_of(memory)


VALUES = array_values()


@dataclass(frozen=True)
class Case:
    """A kind of store and a fault; `make` gives the store, with the fault at a key."""

    kind: str
    fault: str
    make: Callable[[pytest.FixtureRequest, str], Store]
    error: type[Exception] | tuple[type[Exception], ...]
    match: str = ""


ERRORS: dict[str, Exception] = {
    "permission": PermissionError(errno.EACCES, "denied"),
    "timeout": TimeoutError("too slow"),
    "reset": ConnectionResetError(errno.ECONNRESET, "reset"),
    "refused": ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
    "directory": IsADirectoryError(errno.EISDIR, "a directory"),
    "not a directory": NotADirectoryError(errno.ENOTDIR, "not a directory"),
    "not found": FileNotFoundError(errno.ENOENT, "raised, where None would mean absent"),
    "io": OSError(errno.EIO, "input/output error"),
    "full": OSError(errno.ENOSPC, "no space"),
    "key": KeyError("k"),
    "value": ValueError("bad"),
    "runtime": RuntimeError("broken"),
    "eof": EOFError("ended early"),
    "memory": MemoryError("no memory"),
    "group": ExceptionGroup("a group of its own", [ValueError("one")]),
}


class Faulty(WrapperStore[Store]):
    """Fails at one key."""

    def __init__(self, store: Store, key: str, error: Exception) -> None:
        super().__init__(store)
        self.key, self.error = key, error

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        await asyncio.sleep(0)
        if key == self.key:
            raise self.error
        return await super().get(key, prototype, byte_range)


def fresh(error: Exception) -> Exception:
    """Return an exception of its own for each read: notes are kept with it."""
    args: tuple[Any, ...] = error.args
    return type(error)(*args)


class FaultyDict(dict[str, Buffer]):
    """The memory of a memory store, broken at one key."""

    def __init__(self, key: str, error: Exception) -> None:
        super().__init__({k: CPUBuffer.from_bytes(v) for k, v in VALUES.items()})
        self.key, self.error = key, error

    def get(self, key: str, default: Any = None) -> Any:
        if key == self.key:
            raise self.error
        return super().get(key, default)

    def __getitem__(self, key: str) -> Buffer:
        if key == self.key:
            raise self.error
        return super().__getitem__(key)


def wrapper_case(name: str, error: Exception) -> Case:
    def make(request: pytest.FixtureRequest, key: str) -> Store:
        return Faulty(DictStore(VALUES), key, fresh(error))

    return Case("wrapper", name, make, type(error))


def wrapped_case(name: str, error: Exception) -> Case:
    def make(request: pytest.FixtureRequest, key: str) -> Store:
        faulty = Faulty(DictStore(VALUES), key, fresh(error))
        return LoggingStore(WrapperStore(faulty), log_level="CRITICAL")

    return Case("wrapped", name, make, type(error))


def memory_case(name: str, error: Exception) -> Case:
    def make(request: pytest.FixtureRequest, key: str) -> Store:
        return MemoryStore(FaultyDict(key, fresh(error)))

    return Case("memory", name, make, type(error))


# --- local files ------------------------------------------------------------------------


def local_case(
    name: str, spoil: Callable[[Path], object], error: Any, *, folder: bool = False
) -> Case:
    def make(request: pytest.FixtureRequest, key: str) -> Store:
        root: Path = request.getfixturevalue("tmp_path") / "root"
        for name, value in VALUES.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(value)
        (root / key).unlink()
        spoil(root / "c" if folder else root / key)
        return LocalStore(root)

    return Case("local", name, make, error)


def file_instead(path: Path) -> None:
    shutil.rmtree(path)
    path.write_bytes(b"not a directory")


def loop_instead(path: Path) -> None:
    path.symlink_to(path)


def socket_instead(path: Path) -> None:
    import socket

    folder = os.open(path.parent, os.O_RDONLY)  # the path may be too long for a socket
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def system_call_case(name: str, error: OSError) -> Case:
    """The system fails to open one file, as it does with bad disks and network mounts."""

    def make(request: pytest.FixtureRequest, key: str) -> Store:
        store = local_case("", lambda path: path.write_bytes(VALUES[key]), OSError).make(
            request, key
        )
        assert isinstance(store, LocalStore)
        bad = str(store.root / key)
        patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        really_open = os.open

        def open_(path: Any, *args: Any, **kwargs: Any) -> int:
            if str(path) == bad:
                raise fresh(error)
            return really_open(path, *args, **kwargs)

        patch.setattr(os, "open", open_)
        return store

    return Case("local", name, make, type(error))


# --- archives ---------------------------------------------------------------------------


def zip_case(
    name: str,
    spoil: Callable[[bytearray, zipfile.ZipInfo], object],
    error: Any,
    compression: int = zipfile.ZIP_STORED,
) -> Case:
    def make(request: pytest.FixtureRequest, key: str) -> Store:
        path: Path = request.getfixturevalue("tmp_path") / "a.zip"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, value in VALUES.items():
                archive.writestr(name, value)
            member = archive.getinfo(key)
        data = bytearray(path.read_bytes())
        spoil(data, member)
        path.write_bytes(data)
        store = ZipStore(path, mode="r")
        request.addfinalizer(store.close)
        return store

    return Case("zip", name, make, error)


def content_at(data: bytearray, member: zipfile.ZipInfo) -> int:
    start = member.header_offset
    names = int.from_bytes(data[start + 26 : start + 28], "little")
    extra = int.from_bytes(data[start + 28 : start + 30], "little")
    return start + 30 + names + extra


def entry_at(data: bytearray, member: zipfile.ZipInfo) -> int:
    """Return where the entry of a member in the directory of the archive begins."""
    name = member.filename.encode()
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(name))
    while data[at + 46 : at + 46 + len(name)] != name or data[at + 28] != len(name):
        at = data.rindex(b"PK\x01\x02", 0, at)
    return at


def flip_content(data: bytearray, member: zipfile.ZipInfo) -> None:
    data[content_at(data, member)] ^= 0xFF


def wreck_content(data: bytearray, member: zipfile.ZipInfo) -> None:
    at = content_at(data, member)
    data[at : at + member.compress_size] = b"\xff" * member.compress_size


def wreck_header(data: bytearray, member: zipfile.ZipInfo) -> None:
    data[member.header_offset : member.header_offset + 4] = b"none"


def another_name(data: bytearray, member: zipfile.ZipInfo) -> None:
    data[member.header_offset + 30] ^= 1


def unknown_method(data: bytearray, member: zipfile.ZipInfo) -> None:
    at = entry_at(data, member)
    data[at + 10 : at + 12] = (97).to_bytes(2, "little")


def encrypted(data: bytearray, member: zipfile.ZipInfo) -> None:
    data[entry_at(data, member) + 8] |= 1
    data[member.header_offset + 6] |= 1


def far_away(data: bytearray, member: zipfile.ZipInfo) -> None:
    at = entry_at(data, member)
    data[at + 42 : at + 46] = (len(data) - 10).to_bytes(4, "little")


# --- HTTP, and references over HTTP -----------------------------------------------------


def impatient(path: str) -> dict[str, Any]:
    """Return options of a client that gives up soon what hangs, and nothing else however slow."""

    async def get_client(**options: Any) -> aiohttp.ClientSession:
        session = await http.get_client(**options)
        ask = session._request

        async def limited(method: str, url: str, **more: Any) -> Any:
            if str(url).endswith(f"/{path}"):
                more["timeout"] = aiohttp.ClientTimeout(total=0.2)
            return await ask(method, url, **more)

        session._request = limited
        return session

    return {"get_client": get_client}


class Objects(dict[str, bytes]):
    """Objects of a server that hold back those behind a key until `release` is set."""

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        super().__init__(objects)
        self.held: set[str] = set()
        self.release = threading.Event()

    def __getitem__(self, key: str) -> bytes:
        if key in self.held:
            assert self.release.wait(PATIENCE)
        return super().__getitem__(key)


@pytest.fixture
def server() -> Iterator[RangeServer]:
    """A server over the array; values lie behind 10 bytes of something else."""
    objects = Objects({f"p/{key}": value for key, value in VALUES.items()})
    objects |= {f"r/{key}": b"#" * 10 + value + b"#" * 10 for key, value in VALUES.items()}
    with RangeServer(objects) as running:
        try:
            yield running
        finally:
            objects.release.set()


def http_store(server: RangeServer, hanging: str = "") -> Store:
    options = impatient(f"p/{hanging}") if hanging else {}
    return FsspecStore.from_url(f"{server.url}/p", options, max_concurrency=CONCURRENCY)


def reference_store(server: RangeServer, hanging: str = "") -> Store:
    """Return a store of which each value lies in a file of its own."""
    references = {key: [f"{server.url}/r/{key}", 10, len(v)] for key, v in VALUES.items()}
    options = impatient(f"r/{hanging}") if hanging else {}
    fs = fsspec.filesystem(
        "reference",
        fo=references,
        remote_protocol="http",
        remote_options={"asynchronous": True, **options},
        asynchronous=True,
    )
    return FsspecStore(fs, read_only=True, path="", max_concurrency=CONCURRENCY)


def http_case(name: str, fault: Fault, error: Any, match: str) -> Case:
    def make(request: pytest.FixtureRequest, key: str) -> Store:
        running: RangeServer = request.getfixturevalue("server")
        running.inject(f"p/{key}", fault)
        return http_store(running, key if fault.hang else "")

    return Case("http", name, make, error, match)


def reference_case(name: str, fault: Fault) -> Case:
    def make(request: pytest.FixtureRequest, key: str) -> Store:
        running: RangeServer = request.getfixturevalue("server")
        running.inject(f"r/{key}", fault)
        return reference_store(running, key if fault.hang else "")

    return Case("reference", name, make, ReferenceNotReachable, "failed to fetch")


ClientError = aiohttp.ClientError
HTTP_FAULTS: dict[str, tuple[Fault, Any, str]] = {
    "400": (Fault(status=400), ClientError, "400"),
    "401": (Fault(status=401), ClientError, "401"),
    "403": (Fault(status=403), ClientError, "403"),
    "416": (Fault(status=416), ClientError, "416"),
    "429": (Fault(status=429), ClientError, "429"),
    "500": (Fault(status=500), ClientError, "500"),
    "503": (Fault(status=503), ClientError, "503"),
    "hang": (Fault(hang=True), TimeoutError, ""),
    "reset": (Fault(reset=True), (ClientError, ConnectionError), ""),
    "reset in the body": (Fault(reset_after=1), (ClientError, ConnectionError), ""),
    "cut body": (Fault(truncate_to=1), ClientError, "not completed"),
    "no body": (Fault(truncate_to=0), ClientError, "not completed"),
    "no gzip": (Fault(headers={"Content-Encoding": "gzip"}), (ClientError, OSError), "gzip"),
}
# Replies that are well-formed, and those to another question.
REFERENCE_FAULTS = {
    "gone": Fault(status=404),
    "another range": Fault(headers={"Content-Range": "bytes 0-3/24"}),
    "no range": Fault(headers={"Content-Range": "unknown"}),
    "short": Fault(body=b"a"),
    "empty": Fault(body=b""),
    "long": Fault(body=b"abcdefgh"),
    "shorter object": Fault(ignore_range=True, body=b"12345678901"),
    "no content": Fault(status=204, body=b""),
}

CASES = [
    *(wrapper_case(name, error) for name, error in ERRORS.items() if name != "group"),
    *(wrapped_case(name, ERRORS[name]) for name in ("permission", "not found", "runtime")),
    *(memory_case(name, error) for name, error in ERRORS.items() if name != "group"),
    local_case("directory", Path.mkdir, IsADirectoryError),
    local_case("not a directory", file_instead, NotADirectoryError, folder=True),
    local_case("link to itself", loop_instead, OSError),
    local_case("socket", socket_instead, OSError),
    system_call_case("permission", PermissionError(errno.EACCES, "denied")),
    system_call_case("io", OSError(errno.EIO, "input/output error")),
    system_call_case("stale", OSError(errno.ESTALE, "stale file handle")),
    system_call_case("timeout", TimeoutError(errno.ETIMEDOUT, "timed out")),
    system_call_case("too many files", OSError(errno.EMFILE, "too many open files")),
    system_call_case("interrupted", InterruptedError(errno.EINTR, "interrupted")),
    zip_case("bad checksum", flip_content, zipfile.BadZipFile),
    zip_case("bad deflate", wreck_content, (zipfile.BadZipFile, Exception), zipfile.ZIP_DEFLATED),
    zip_case("bad header", wreck_header, zipfile.BadZipFile),
    zip_case("another name", another_name, zipfile.BadZipFile),
    zip_case("unknown method", unknown_method, NotImplementedError),
    zip_case("encrypted", encrypted, RuntimeError),
    zip_case("outside", far_away, Exception),
    *(http_case(name, *what) for name, what in HTTP_FAULTS.items()),
    *(reference_case(name, what[0]) for name, what in HTTP_FAULTS.items()),
    *(reference_case(name, fault) for name, fault in REFERENCE_FAULTS.items()),
]
# A part of a stored member is read from where the directory of the archive says it is; checksum
# and name are checked with the whole value.
UNNOTICED_IN_PARTS = {("zip", "bad checksum"), ("zip", "another name")}


def named(case: Case) -> str:
    return f"{case.kind}-{case.fault}".replace(" ", "-")


# --- the law ----------------------------------------------------------------------------


async def read_until_failure(
    store: Store, wanted: list[Request], error: Any
) -> tuple[Exception, Answers]:
    """Run a bulk read that has to fail; return how, and what came before."""
    answers: Answers = {}

    async def read() -> None:
        batches = cast(Any, store.get_many(wanted, prototype=PROTOTYPE))
        async with aclosing(batches):
            async for batch in batches:
                for index, value in batch:
                    answers[index] = None if value is None else value.to_bytes()

    before = asyncio.all_tasks()
    with pytest.raises(error) as caught:
        await read()
    assert asyncio.all_tasks() == before
    return caught.value, answers


def a_position(case: Case) -> int:
    """Return where the fault of a case lies; drawn once for all runs."""
    return random.Random(named(case)).randrange(CHUNKS)


def chunk_key(i: int) -> str:
    return f"c/{i}"


READS = [
    pytest.param(case, ranged, id=f"{named(case)}-{'part' if ranged else 'whole'}")
    for case in CASES
    for ranged in (False, True)
    if not ranged or (case.kind, case.fault) not in UNNOTICED_IN_PARTS
]


@pytest.mark.parametrize(("case", "ranged"), READS)
def test_a_fault_is_raised_with_what_was_read(
    request: pytest.FixtureRequest, case: Case, ranged: bool
) -> None:
    position = a_position(case)
    key = chunk_key(position)
    store = case.make(request, key)
    wanted: list[Request] = [
        (chunk_key(i), PART) if ranged else chunk_key(i) for i in range(CHUNKS)
    ]
    with config.set({"async.concurrency": CONCURRENCY}):
        error, answers = sync(read_until_failure(store, wanted, case.error))
    assert case.match in str(error)
    assert not isinstance(error, BaseExceptionGroup)
    parts = [repr(store) if case.kind != "wrapped" else "Faulty"]
    if case.fault != "not a directory" or case.kind != "local":
        parts += [repr(key), *([str(PART)] if ranged else [])]
        assert position not in answers
    assert any(all(part in note for part in parts) for note in error.__notes__), error.__notes__
    for index, value in answers.items():
        expected = VALUES[chunk_key(index)]
        assert value == (expected[1:3] if ranged else expected)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_an_array_raises_and_is_not_filled(request: pytest.FixtureRequest, case: Case) -> None:
    position = a_position(case)
    store = case.make(request, chunk_key(position))
    array = open_array(store)
    with pytest.raises(case.error, match=case.match or None) as caught:
        array[:]
    if case.fault != "not a directory" or case.kind != "local":
        key = chunk_key(position)
        assert any(repr(key) in note for note in getattr(caught.value, "__notes__", []))
    with pytest.raises(case.error, match=case.match or None):
        array[position]
    if case.fault != "not a directory" or case.kind != "local":
        np.testing.assert_array_equal(array[:position], numbers(CHUNKS)[:position])
        np.testing.assert_array_equal(array[position + 1 :], numbers(CHUNKS)[position + 1 :])


def test_a_group_that_a_store_raises_is_left_as_it_is() -> None:
    """It is what that store raised, not one made of its failure."""
    group = ERRORS["group"]
    assert isinstance(group, ExceptionGroup)
    own = ExceptionGroup(group.message, list(group.exceptions))
    error, _ = sync(
        read_until_failure(
            Faulty(DictStore(VALUES), "c/3", own), [chunk_key(i) for i in range(9)], ExceptionGroup
        )
    )
    assert error is own


# --- what does not start after a fault --------------------------------------------------


@pytest.mark.parametrize("name", [n for n in HTTP_FAULTS if n != "hang"])
@pytest.mark.parametrize("kind", ["http", "reference"])
def test_nothing_is_asked_for_after_a_fault(server: RangeServer, kind: str, name: str) -> None:
    """Keys behind the fault are not answered before it, so only those in flight were asked for."""
    position = random.Random(f"{kind} {name}").choice(POSITIONS)
    prefix, make = {"http": ("p", http_store), "reference": ("r", reference_store)}[kind]
    objects = cast(Objects, server.objects)
    objects.held = {f"{prefix}/{chunk_key(i)}" for i in range(position + 1, CHUNKS)}
    server.inject(f"{prefix}/{chunk_key(position)}", HTTP_FAULTS[name][0])
    with zarr.config.set({"bulk_reads.max_retries": 0}):  # a retry would wait for those held back
        store = make(server)
    wanted: list[Request] = [chunk_key(i) for i in range(CHUNKS)]
    error = ReferenceNotReachable if kind == "reference" else HTTP_FAULTS[name][1]
    sync(read_until_failure(store, wanted, error))
    objects.release.set()
    # One after the other: time in which a read that went on would show.
    for i in range(position):
        sync(read_one(store, chunk_key(i)))
    asked = {request.path for request in server.requests}
    allowed = {f"{prefix}/{chunk_key(i)}" for i in range(position + CONCURRENCY)}
    assert asked <= allowed
    assert f"{prefix}/{chunk_key(position)}" in asked


async def read_one(store: Store, key: str) -> None:
    assert await store.get(key, PROTOTYPE) is not None


class Holding(DictStore):
    """Fails at one key, and answers those behind it only once that has been raised."""

    def __init__(self, fail: str) -> None:
        super().__init__(VALUES)
        self.fail = fail
        self.cancelled = 0

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        self.got.append((key, byte_range))
        if int(key[2:]) > int(self.fail[2:]):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        await asyncio.sleep(0)
        if key == self.fail:
            raise PermissionError("denied")
        return self.find(key, prototype, byte_range)


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("wrapped", [False, True])
async def test_those_in_flight_are_cancelled(position: int, wrapped: bool) -> None:
    inner = Holding(chunk_key(position))
    store: Store = WrapperStore(inner) if wrapped else inner
    wanted: list[Request] = [chunk_key(i) for i in range(CHUNKS)]
    with config.set({"async.concurrency": CONCURRENCY}):
        await read_until_failure(store, wanted, PermissionError)
    for _ in range(50):
        await asyncio.sleep(0)
    assert [key for key, _ in inner.got] == wanted[: position + CONCURRENCY]
    assert inner.cancelled == CONCURRENCY - 1


# --- bytes that came, but are not those of a chunk --------------------------------------

GARBAGE: dict[str, Callable[[bytes], bytes]] = {
    "zeros": lambda value: bytes(len(value)),
    "nothing": lambda value: b"",
    "cut": lambda value: value[:-3],
    "half": lambda value: value[: len(value) // 2],
    "text": lambda value: b"<html>please log in</html>",
    "flipped": lambda value: bytes([*value[:-1], value[-1] ^ 0xFF]),
}
CODECS: dict[str, Any] = {
    "zstd": ZstdCodec(checksum=True),
    "gzip": GzipCodec(),
    "crc32c": Crc32cCodec(),
    "blosc": BloscCodec(),
    "none": None,
}


# Without a checksum these bytes are as good as others.
UNNOTICED = {("none", "zeros"), ("none", "flipped"), ("none", "text")}
UNNOTICED |= {("blosc", "zeros"), ("blosc", "flipped")}


@pytest.mark.parametrize(
    ("codec", "garbage"), [pair for pair in product(CODECS, GARBAGE) if pair not in UNNOTICED]
)
@pytest.mark.parametrize("kind", ["memory", "http"])
def test_garbage_is_not_decoded_to_values(
    range_server: RangeServer, kind: str, codec: str, garbage: str
) -> None:
    memory = MemoryStore()
    data = numbers(200)
    sync(create_array(memory, data=data, chunks=(20,), compressors=CODECS[codec], fill_value=0))
    values = values_of(memory)
    position = random.Random(f"{codec} {garbage}").randrange(10)
    key = chunk_key(position)
    values[key] = GARBAGE[garbage](values[key])
    if kind == "memory":
        array = open_array(DictStore(values))
    else:
        put(range_server, values)
        array = open_array(FsspecStore.from_url(range_server.url))
    with pytest.raises(Exception) as caught:  # each codec has its own
        array[:]
    assert not isinstance(caught.value, BaseExceptionGroup)
    assert any(key in note for note in caught.value.__notes__)
    start, stop = 20 * position, 20 * position + 20
    np.testing.assert_array_equal(array[:start], data[:start])
    np.testing.assert_array_equal(array[stop:], data[stop:])
