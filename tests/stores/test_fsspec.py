"""FsspecStore: conformance over several file systems, ranges, faults, loops and processes."""

from __future__ import annotations

import asyncio
import errno
import os
import pickle
import sys
import threading
import uuid
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.implementations.reference import ReferenceNotReachable
from tests.servers.range_server import Fault, RangeServer

from zarr.core._byte_ranges import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    SuffixByteRequest,
    resolve_byte_range,
)
from zarr.core.buffer import Buffer, cpu, default_buffer_prototype
from zarr.core.sync import sync
from zarr.errors import ZarrUserWarning
from zarr.storage import FsspecStore
from zarr.testing.store import StoreTests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers.s3 import S3Server

PROTOTYPE = default_buffer_prototype()
TEN = b"0123456789"
RANGES: tuple[ByteRequest | None, ...] = (
    None,
    RangeByteRequest(0, 10),
    RangeByteRequest(2, 5),
    RangeByteRequest(8, 20),
    RangeByteRequest(10, 20),
    RangeByteRequest(20, 30),
    RangeByteRequest(3, 3),
    RangeByteRequest(5, 2),
    OffsetByteRequest(0),
    OffsetByteRequest(7),
    OffsetByteRequest(10),
    OffsetByteRequest(20),
    SuffixByteRequest(0),
    SuffixByteRequest(3),
    SuffixByteRequest(10),
    SuffixByteRequest(20),
)


def buffer(value: bytes) -> Buffer:
    return cpu.Buffer.from_bytes(value)


def read(store: FsspecStore, key: str, byte_range: ByteRequest | None = None) -> bytes | None:
    """Read from the loop of the synchronous API."""
    found = sync(store.get(key, PROTOTYPE, byte_range))
    return None if found is None else found.to_bytes()


def part(value: bytes, byte_range: ByteRequest | None) -> bytes:
    start, stop = resolve_byte_range(byte_range, len(value))
    return value[start:stop]


async def listed(store: FsspecStore) -> list[str]:
    return sorted([key async for key in store.list()])


# --- conformance ------------------------------------------------------------------------


class FsspecTests(StoreTests[FsspecStore, cpu.Buffer]):
    store_cls = FsspecStore
    buffer_cls = cpu.Buffer

    def test_store_repr(self, store: FsspecStore) -> None:
        expected = f"<FsspecStore({type(store.fs).__name__}, {store.path})>"
        assert repr(store) == str(store) == expected

    def test_store_supports_writes(self, store: FsspecStore) -> None:
        assert store.supports_writes

    def test_store_supports_listing(self, store: FsspecStore) -> None:
        assert store.supports_listing

    async def test_list_prefix(self, store: FsspecStore) -> None:
        """File systems list directories, so a prefix is one, or a key."""
        await self._fill(store, a__b=b"x", a__c__d=b"x", ab=b"x", b=b"x")
        for prefix, keys in {
            "": ["a/b", "a/c/d", "ab", "b"],
            "a": ["a/b", "a/c/d"],
            "a/": ["a/b", "a/c/d"],
            "a/c": ["a/c/d"],
            "b": ["b"],
            "nope": [],
        }.items():
            assert sorted([key async for key in store.list_prefix(prefix)]) == keys


class TestMemory(FsspecTests):
    @pytest.fixture
    def store_kwargs(self) -> Iterator[dict[str, Any]]:
        root = f"/{uuid.uuid4()}"
        fs = AsyncFileSystemWrapper(fsspec.filesystem("memory"), asynchronous=True)
        yield {"fs": fs, "path": root}
        if fs.sync_fs.exists(root):
            fs.sync_fs.rm(root, recursive=True)

    async def set(self, store: FsspecStore, key: str, value: Buffer) -> None:
        store.fs.sync_fs.pipe_file(f"{store.path}/{key}", value.to_bytes())

    async def get(self, store: FsspecStore, key: str) -> Buffer:
        return self._buffer(store.fs.sync_fs.cat_file(f"{store.path}/{key}"))


class TestLocal(FsspecTests):
    @pytest.fixture
    def store_kwargs(self, tmp_path: Path) -> dict[str, Any]:
        fs = AsyncFileSystemWrapper(fsspec.filesystem("file", auto_mkdir=True), asynchronous=True)
        return {"fs": fs, "path": str(tmp_path / "root")}

    async def set(self, store: FsspecStore, key: str, value: Buffer) -> None:
        store.fs.sync_fs.pipe_file(f"{store.path}/{key}", value.to_bytes())

    async def get(self, store: FsspecStore, key: str) -> Buffer:
        return self._buffer(store.fs.sync_fs.cat_file(f"{store.path}/{key}"))


# --- every backend answers alike --------------------------------------------------------


def memory_root() -> str:
    return f"memory://{uuid.uuid4()}"


@pytest.fixture(params=["memory", "local", "http", "s3", "reference", "dir", "cached"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., FsspecStore]:
    """A function that makes a store with the given values, over one of several file systems."""
    kind = request.param

    def make(**values: bytes) -> FsspecStore:
        if kind == "http":
            server = request.getfixturevalue("range_server")
            server.objects.update(values)
            return FsspecStore.from_url(server.url)
        if kind == "s3":
            server = request.getfixturevalue("s3_server")
            root = f"{request.getfixturevalue('s3_bucket')}/root"
            store = FsspecStore.from_url(f"s3://{root}", server.storage_options)
        elif kind == "local":
            store = FsspecStore.from_url(f"file://{tmp_path}", {"auto_mkdir": True})
        elif kind == "dir":
            inner = AsyncFileSystemWrapper(fsspec.filesystem("memory"), asynchronous=True)
            fs = DirFileSystem(path=f"/{uuid.uuid4()}", fs=inner, asynchronous=True)
            store = FsspecStore(fs, path="")
        elif kind == "cached":
            store = FsspecStore.from_url(f"simplecache::{memory_root()}")
        else:
            store = FsspecStore.from_url(memory_root())
        for key, value in values.items():
            sync(store.set(key, buffer(value)))
        if kind != "reference":
            return store
        target = f"{store.path}/all"
        references: dict[str, Any] = {}
        packed = b"--"
        for key, value in values.items():
            references[key] = [f"memory://{target}", len(packed), len(value)]
            packed += value + b"--"
        store.fs.sync_fs.pipe_file(target, packed)
        options = {"fo": {"version": 1, "refs": references}, "remote_protocol": "memory"}
        return FsspecStore.from_url("reference://", options)

    return make


def test_ranges_are_slices(filled: Callable[..., FsspecStore]) -> None:
    """A range is the slice of the value, also past its end, and of what is absent, absent."""
    store = filled(a=TEN, empty=b"", other=b"x")
    for key, value in (("a", TEN), ("empty", b"")):
        for byte_range in RANGES:
            assert read(store, key, byte_range) == part(value, byte_range), (key, byte_range)
    for byte_range in RANGES:
        assert read(store, "nope", byte_range) is None, byte_range


def test_partial_values(filled: Callable[..., FsspecStore]) -> None:
    store = filled(a=TEN, b=b"xyz")
    wanted = [("a", None), ("nope", None), ("b", SuffixByteRequest(1)), ("a", RANGES[2])]
    found = sync(store.get_partial_values(PROTOTYPE, wanted))
    assert [None if v is None else v.to_bytes() for v in found] == [TEN, None, b"z", b"234"]
    assert sync(store.get_partial_values(PROTOTYPE, [])) == []


def test_sizes_and_existence(filled: Callable[..., FsspecStore]) -> None:
    store = filled(a=TEN, empty=b"")
    assert [sync(store.exists(key)) for key in ("a", "empty", "nope")] == [True, True, False]
    assert [sync(store.getsize(key)) for key in ("a", "empty")] == [10, 0]
    with pytest.raises(FileNotFoundError):
        sync(store.getsize("nope"))


def test_size_of_what_has_none(tmp_path: Path) -> None:
    store = FsspecStore.from_url(f"file://{tmp_path}", {"auto_mkdir": True})
    sync(store.set("g/a", buffer(TEN)))
    with pytest.raises(FileNotFoundError, match="g"):
        sync(store.getsize("g"))
    silent, fs = fake(a=TEN)

    async def info(path: str, **kwargs: Any) -> dict[str, Any]:
        return {"name": path, "type": "file", "size": None}

    fs._info = info  # type: ignore[method-assign]
    assert sync(silent.getsize("a")) == 10


def test_listing(filled: Callable[..., FsspecStore]) -> None:
    store = filled(**{"a": b"1", "g/zarr.json": b"2", "g/c/0": b"3", "gg": b"4"})
    assert sync(listed(store)) == ["a", "g/c/0", "g/zarr.json", "gg"]

    async def names(prefix: str) -> list[str]:
        return sorted([name async for name in store.list_dir(prefix)])

    assert sync(names("")) == ["a", "g", "gg"]
    assert sync(names("g")) == ["c", "zarr.json"]
    assert sync(names("nope")) == []
    assert sync(store.is_empty("nope"))
    assert not sync(store.is_empty("g"))


# --- what is asked of a file system -----------------------------------------------------


class FakeFileSystem(AsyncFileSystem):
    """Values in a dict, with the parameters of `_cat_file` in the order that s3fs has.

    `calls` are the reads so far, and `failures` what to raise for a path instead of answering.
    """

    protocol = "fake"
    cachable = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(asynchronous=True, **kwargs)
        self.values: dict[str, bytes] = {}
        self.failures: dict[str, Exception] = {}
        self.calls: list[tuple[str, int | None, int | None]] = []
        self.deletes = True

    async def _cat_file(
        self,
        path: str,
        version: str | None = None,
        start: int | None = None,
        end: int | None = None,
        **kwargs: Any,
    ) -> bytes:
        assert version is None
        self.calls.append((path, start, end))
        return self._find_value(path)[start:end]

    async def _info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        return {"name": path, "type": "file", "size": len(self._find_value(path))}

    async def _ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        if path in self.failures:
            raise self.failures[path]
        base = f"{path}/" if path else ""
        names = {}
        for key in self.values:
            if key.startswith(base):
                name, slash, _ = key[len(base) :].partition("/")
                names[base + name] = "directory" if slash else "file"
        if not names:
            raise FileNotFoundError(path)
        return [{"name": name, "type": kind, "size": 0} for name, kind in names.items()]

    async def _rm(self, path: str, recursive: bool = False, **kwargs: Any) -> None:
        if self.deletes:
            assert recursive
            for key in [key for key in self.values if key.startswith(f"{path}/")]:
                del self.values[key]
            self.values.pop(path, None)

    async def _rm_file(self, path: str, **kwargs: Any) -> None:
        self._find_value(path)
        del self.values[path]

    def _find_value(self, path: str) -> bytes:
        if path in self.failures:
            raise self.failures[path]
        if path not in self.values:
            raise FileNotFoundError(path)
        return self.values[path]


def fake(**values: bytes) -> tuple[FsspecStore, FakeFileSystem]:
    fs = FakeFileSystem()
    fs.values.update({f"root/{key}": value for key, value in values.items()})
    return FsspecStore(fs, path="root"), fs


@pytest.mark.parametrize("byte_range", RANGES)
def test_no_empty_range_is_sent(byte_range: ByteRequest | None) -> None:
    """HTTP has no empty range, and S3 answers one with the whole object."""
    store, fs = fake(a=TEN)
    assert read(store, "a", byte_range) == part(TEN, byte_range)
    ((path, start, end),) = fs.calls
    assert path == "root/a"
    assert start is None or start < 0 or end is None or start < end


@pytest.mark.parametrize(
    ("byte_range", "sent"),
    [
        (None, (None, None)),
        (OffsetByteRequest(0), (None, None)),
        (OffsetByteRequest(3), (3, None)),
        (SuffixByteRequest(3), (-3, None)),
        (RangeByteRequest(0, 3), (0, 3)),
        (RangeByteRequest(3, 3), (0, 1)),
        (SuffixByteRequest(0), (0, 1)),
    ],
)
def test_one_read_for_one_request(byte_range: ByteRequest | None, sent: Any) -> None:
    store, fs = fake(a=TEN)
    read(store, "a", byte_range)
    assert fs.calls == [("root/a", *sent)]


@pytest.mark.parametrize("byte_range", [(0, 3), 5, slice(0, 3)])
def test_what_is_no_byte_range_is_refused(byte_range: Any) -> None:
    store, fs = fake(a=TEN)
    for error in (TypeError, ValueError):
        with pytest.raises(error, match="Unexpected byte_range, got"):
            read(store, "a", byte_range)
    assert fs.calls == []


@pytest.mark.parametrize("key", ["../a", "/a", "a\\b", "a\0"])
def test_keys_that_lead_outside_are_refused(key: str) -> None:
    store, fs = fake(a=TEN)
    for use in (
        lambda: store.get(key, PROTOTYPE),
        lambda: store.exists(key),
        lambda: store.getsize(key),
        lambda: store.set(key, buffer(b"")),
        lambda: store.delete(key),
    ):
        with pytest.raises(ValueError, match="not allowed"):
            sync(use())
    assert fs.calls == []


def test_paths_in_the_file_system() -> None:
    for root, key, path in (
        ("/", "a", "/a"),
        ("", "a", "a"),
        ("root", "a/b", "root/a/b"),
        ("root/", "a", "root/a"),
        ("http://host/root/", "a", "http://host/root/a"),
    ):
        fs = FakeFileSystem()
        fs.values[path] = TEN
        assert read(FsspecStore(fs, path=root), key) == TEN
        assert fs.calls == [(path, None, None)]


# --- faults are no data -----------------------------------------------------------------


class StatusError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class BotoError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


FAULTS = [
    PermissionError("denied"),
    IsADirectoryError("is a directory"),
    NotADirectoryError("is not a directory"),
    TimeoutError("late"),
    ConnectionResetError("reset"),
    OSError(errno.EIO, "broken"),
    RuntimeError("runtime"),
    KeyError("key"),
    ValueError("value"),
    ReferenceNotReachable("a", "memory://gone"),
    caused(ReferenceNotReachable("a", "memory://gone"), FileNotFoundError("gone")),
    StatusError(404),
    StatusError(416),
    BotoError("InvalidRange"),
    BotoError("NoSuchKey"),
]
HIDDEN = [
    StatusError(403),
    StatusError(500),
    BotoError("AccessDenied"),
    BotoError("SlowDown"),
    PermissionError("denied"),
    ConnectionResetError("reset"),
    TimeoutError("late"),
    RuntimeError("closed"),
]
ABSENT = [
    FileNotFoundError("gone"),
    caused(FileNotFoundError("gone"), KeyError("gone")),
    caused(FileNotFoundError("gone"), FileNotFoundError("gone")),
    caused(FileNotFoundError("gone"), StatusError(404)),
    caused(FileNotFoundError("gone"), BotoError("NoSuchKey")),
]


@pytest.mark.parametrize("byte_range", [None, RangeByteRequest(1, 2), RangeByteRequest(2, 2)])
@pytest.mark.parametrize("error", FAULTS, ids=repr)
def test_fault_is_raised(error: Exception, byte_range: ByteRequest | None) -> None:
    store, fs = fake(a=TEN)
    fs.failures["root/a"] = error
    with pytest.raises(type(error)) as raised:
        asyncio.run(store.get("a", PROTOTYPE, byte_range))
    assert raised.value is error
    assert "key 'a'" in raised.value.__notes__[-1]
    assert repr(store) in raised.value.__notes__[-1]


@pytest.mark.parametrize("hidden", HIDDEN, ids=repr)
def test_fault_reported_as_not_found_is_raised(hidden: Exception) -> None:
    """A file system that calls every failure a missing file does not make it one."""
    store, fs = fake(a=TEN)
    fs.failures["root/a"] = caused(FileNotFoundError("a"), hidden)
    for use in (
        lambda: store.get("a", PROTOTYPE),
        lambda: store.get("a", PROTOTYPE, SuffixByteRequest(1)),
        lambda: store.exists("a"),
        lambda: store.getsize("a"),
        lambda: store.delete("a"),
        lambda: store.set_if_not_exists("a", buffer(b"")),
    ):
        with pytest.raises(type(hidden)) as raised:
            asyncio.run(use())
        assert raised.value is hidden


@pytest.mark.parametrize("error", ABSENT, ids=lambda e: f"{e!r} from {e.__cause__!r}")
def test_absent_is_none(error: Exception) -> None:
    store, fs = fake()
    fs.failures["root/a"] = error
    assert read(store, "a") is None
    assert read(store, "a", RangeByteRequest(0, 1)) is None
    assert not sync(store.exists("a"))
    sync(store.delete("a"))


def test_allowed_exceptions_are_what_the_user_says() -> None:
    _, fs = fake()
    fs.failures["root/a"] = ReferenceNotReachable("a", "memory://gone")
    fs.failures["root/b"] = FileNotFoundError("b")
    wide = FsspecStore(fs, path="root", allowed_exceptions=(ReferenceNotReachable,))
    assert read(wide, "a") is None
    with pytest.raises(FileNotFoundError):
        read(wide, "b")
    again = wide.with_read_only(True)
    assert again.allowed_exceptions == (ReferenceNotReachable,)
    assert FsspecStore(fs).allowed_exceptions == (
        FileNotFoundError,
        IsADirectoryError,
        NotADirectoryError,
    )


def test_answer_longer_than_the_request_is_refused() -> None:
    store, fs = fake(a=TEN)

    async def whole(path: str, **kwargs: Any) -> bytes:
        return TEN

    fs._cat_file = whole  # type: ignore[method-assign, assignment]
    for byte_range in (RangeByteRequest(0, 3), SuffixByteRequest(3)):
        with pytest.raises(OSError, match="answered 10 bytes, not at most 3"):
            read(store, "a", byte_range)


def test_directories_where_values_should_be(tmp_path: Path) -> None:
    store = FsspecStore.from_url(f"file://{tmp_path}", {"auto_mkdir": True})
    sync(store.set("g/c/0", buffer(TEN)))
    sync(store.set("README.md", buffer(TEN)))
    os.mkdir(tmp_path / "g/c/1")
    assert read(store, "g") is None  # a prefix of keys
    assert read(store, "g/c", RangeByteRequest(0, 1)) is None
    with pytest.raises(IsADirectoryError):
        read(store, "g/c/1")
    for name in ("zarr.json", ".zarray", ".zgroup", ".zattrs"):
        assert read(store, f"README.md/{name}") is None
    with pytest.raises(NotADirectoryError):
        read(store, "g/c/0/0")
    assert not sync(store.exists("g/c/0/0"))
    assert sync(listed(store)) == ["README.md", "g/c/0"]


def test_directory_that_cannot_be_listed_is_not_empty() -> None:
    """fsspec's own walk leaves out what it cannot list."""
    store, fs = fake(**{"a": b"1", "g/c/0": b"2"})
    fs.failures["root/g"] = PermissionError("denied")
    for use in (lambda: listed(store), lambda: store.is_empty("g"), lambda: store.delete_dir("g")):
        with pytest.raises(PermissionError):
            sync(use())
    fs.failures["root/g"] = caused(FileNotFoundError("g"), StatusError(500))
    with pytest.raises(StatusError):
        sync(listed(store))


# --- a real server that misbehaves ------------------------------------------------------


FAILING = {
    "403": Fault(status=403),
    "408": Fault(status=408),
    "416": Fault(status=416),
    "429": Fault(status=429),
    "500": Fault(status=500),
    "503": Fault(status=503),
    "reset": Fault(reset=True),
    "reset amid the body": Fault(reset_after=1),
    "truncated": Fault(truncate_to=1),
    "too long a body promised": Fault(declare=200),
    "too short a body promised": Fault(declare=2),
}
MISLEADING = {
    "another range": Fault(headers={"Content-Range": "bytes 0-2/10"}),
    "a shifted range": Fault(headers={"Content-Range": "bytes 6-8/10"}),
    "garbage as range": Fault(headers={"Content-Range": "garbage"}),
    "no range": Fault(headers={"Content-Range": ""}),
    "part of the range": Fault(body=b"z"),
    "more than the range": Fault(body=b"zzzzzzzzz"),
}


@pytest.mark.parametrize("name", FAILING)
def test_http_failure_is_raised(range_server: RangeServer, name: str) -> None:
    range_server.objects["a"] = TEN
    range_server.inject("a", FAILING[name])
    store = FsspecStore.from_url(range_server.url)
    for byte_range in (None, RangeByteRequest(2, 5), OffsetByteRequest(3), SuffixByteRequest(3)):
        with pytest.raises(Exception, match=r"."):
            read(store, "a", byte_range)


@pytest.mark.parametrize("name", MISLEADING)
@pytest.mark.parametrize(
    "byte_range", [RangeByteRequest(2, 5), OffsetByteRequest(5), SuffixByteRequest(4)], ids=repr
)
def test_http_answer_to_another_question_is_refused(
    range_server: RangeServer, name: str, byte_range: ByteRequest
) -> None:
    range_server.objects["a"] = TEN
    range_server.inject("a", MISLEADING[name])
    with pytest.raises(OSError, match="the server sent"):
        read(FsspecStore.from_url(range_server.url), "a", byte_range)


@pytest.mark.parametrize("byte_range", RANGES, ids=repr)
def test_http_server_that_ignores_ranges(
    range_server: RangeServer, byte_range: ByteRequest | None
) -> None:
    """It may, and then sends the whole object, of which the range is a part."""
    range_server.objects["a"] = TEN
    range_server.inject("a", Fault(ignore_range=True))
    assert read(FsspecStore.from_url(range_server.url), "a", byte_range) == part(TEN, byte_range)


@pytest.mark.parametrize("total", ["10", "*"])
@pytest.mark.parametrize("byte_range", [r for r in RANGES if r is not None], ids=repr)
def test_http_range_of_known_or_unknown_size(
    range_server: RangeServer, byte_range: ByteRequest, total: str
) -> None:
    range_server.objects["a"] = TEN
    wanted = part(TEN, byte_range)
    if wanted:
        start = TEN.index(wanted)
        described = f"bytes {start}-{start + len(wanted) - 1}/{total}"
        range_server.inject("a", Fault(headers={"Content-Range": described}))
    if len(wanted) < 10:  # the other ranges ask for no range
        assert read(FsspecStore.from_url(range_server.url), "a", byte_range) == wanted


@pytest.mark.parametrize("status", [403, 500, 503])
def test_http_look_at_a_path_that_fails(range_server: RangeServer, status: int) -> None:
    """fsspec reports it as a missing file."""
    range_server.objects["a"] = TEN
    range_server.inject("a", Fault(status=status), method=None)
    store = FsspecStore.from_url(range_server.url)
    looks: list[Callable[[], Any]] = [lambda: store.exists("a"), lambda: store.getsize("a")]
    for look in looks:
        with pytest.raises(Exception, match=str(status)) as raised:
            sync(look())
        assert not isinstance(raised.value, FileNotFoundError)


def test_http_404_is_absent(range_server: RangeServer) -> None:
    store = FsspecStore.from_url(range_server.url)
    assert read(store, "nope") is None
    assert [(r.method, r.status) for r in range_server.requests] == [("GET", 404)]
    assert not sync(store.exists("nope"))


def test_http_timeout_is_raised(range_server: RangeServer) -> None:
    aiohttp = pytest.importorskip("aiohttp")
    range_server.objects["a"] = TEN
    range_server.inject("a", Fault(hang=True))
    timeout = aiohttp.ClientTimeout(total=0.2)
    store = FsspecStore.from_url(range_server.url, {"client_kwargs": {"timeout": timeout}})
    with pytest.raises(TimeoutError):
        read(store, "a")


def test_s3_requests(s3_server: S3Server, s3_bucket: str) -> None:
    """One request for one value, its range where there is one, and no second look."""
    store = FsspecStore.from_url(f"s3://{s3_bucket}/root", s3_server.storage_options)
    sync(store.set("a", buffer(TEN)))
    path = f"{s3_bucket}/root/a"
    for byte_range, sent in (
        (None, None),
        (RangeByteRequest(2, 5), "bytes=2-4"),
        (OffsetByteRequest(7), "bytes=7-"),
        (SuffixByteRequest(3), "bytes=-3"),
        (RangeByteRequest(3, 3), "bytes=0-0"),
    ):
        s3_server.clear()
        assert read(store, "a", byte_range) == part(TEN, byte_range)
        assert s3_server.reads() == [(path, sent)]
        assert len(s3_server.requests) == 1
    for status, error in ((403, PermissionError), (500, OSError)):
        s3_server.clear()
        s3_server.inject(path, status)
        with pytest.raises(error):
            read(store, "a")
    s3_server.clear()
    sync(store.set("g/c/0", buffer(TEN)))
    sync(store.set("gg", buffer(TEN)))
    sync(store.delete_dir("g"))
    assert sync(listed(store)) == ["a", "gg"]
    sync(store.clear())
    assert sync(listed(store)) == []
    assert s3_server.client().list_buckets()["Buckets"]  # the root is not part of its contents


# --- deleting ---------------------------------------------------------------------------


def test_clear_leaves_nothing_and_keeps_the_root(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    store = FsspecStore.from_url(f"file://{tmp_path}/root", {"auto_mkdir": True})
    for key in ("a", "gg", "g/c/0", "g/zarr.json"):
        sync(store.set(key, buffer(TEN)))
    with pytest.raises(ValueError, match="read-only"):
        sync(store.with_read_only(True).clear())
    assert len(sync(listed(store))) == 4
    sync(store.clear())
    assert os.listdir(tmp_path) == ["root"]
    assert os.listdir(tmp_path / "root") == []
    sync(store.clear())


@pytest.mark.parametrize("name", ["g*", "g?", "g[gh]"])
def test_names_are_no_patterns(name: str) -> None:
    """fsspec deletes all that matches."""
    store = FsspecStore.from_url(memory_root())
    for key in (f"{name}/c/0", "gg/c/0", "gh/c/0"):
        sync(store.set(key, buffer(TEN)))
    sync(store.delete_dir(name))
    assert sync(listed(store)) == ["gg/c/0", "gh/c/0"]
    sync(store.set(f"gg/{name}", buffer(TEN)))
    sync(store.delete(f"gg/{name}"))
    assert sync(listed(store)) == ["gg/c/0", "gh/c/0"]
    sync(store.set(f"{name}/c/0", buffer(TEN)))
    sync(store.clear())
    assert sync(listed(store)) == []


def test_keys_that_stay_are_reported() -> None:
    store, fs = fake(**{"g/a": b"1", "g/b": b"2"})
    fs.deletes = False
    with pytest.raises(
        OSError, match=r"2 keys below 'g' .* could not be deleted, among them 'g/a'"
    ):
        sync(store.delete_dir("g"))


def test_deleting_what_is_no_key() -> None:
    store = FsspecStore.from_url(memory_root())
    sync(store.set("g/a", buffer(TEN)))
    for key in ("nope", "g"):
        sync(store.delete(key))
    sync(store.delete_dir("nope"))
    assert sync(listed(store)) == ["g/a"]


# --- references -------------------------------------------------------------------------


def test_references(range_server: RangeServer) -> None:
    """Inlined values, parts of files, whole files, and references that lead nowhere."""
    range_server.objects["big"] = bytes(range(100))
    url = f"{range_server.url}/big"
    refs = {
        "inline": "text",
        "part": [url, 10, 5],
        "whole": [url],
        "gone": [f"{range_server.url}/gone", 0, 5],
        "past": [url, 98, 5],
        "none": [url, 10, 0],
    }
    options = {"fo": {"version": 1, "refs": refs}, "remote_protocol": "http"}
    store = FsspecStore.from_url("reference://", options)
    assert read(store, "inline") == b"text"
    for byte_range in RANGES:
        assert read(store, "part", byte_range) == part(bytes(range(10, 15)), byte_range)
    assert read(store, "whole", RangeByteRequest(3, 5)) == b"\3\4"
    assert read(store, "whole", RangeByteRequest(100, 105)) == b""
    assert read(store, "unlisted") is None
    with pytest.raises(ReferenceNotReachable) as raised:
        read(store, "gone")
    assert isinstance(raised.value.__cause__, FileNotFoundError)
    with pytest.raises(OSError, match="answered 2 bytes, not 5"):
        read(store, "past")
    assert sync(listed(store)) == sorted(refs)
    range_server.inject("big", Fault(status=503))
    with pytest.raises(ReferenceNotReachable):
        read(store, "part")


def reference_arguments(url: str) -> dict[str, Callable[[], Any]]:
    """Ways in which users make a reference file system."""
    refs: dict[str, Any] = {"version": 1, "refs": {"a": [url, 2, 3]}}
    return {
        "remote_protocol": lambda: {"fo": refs, "remote_protocol": "http"},
        "remote_options": lambda: {
            "fo": refs,
            "remote_protocol": "http",
            "remote_options": {"block_size": 5},
        },
        "protocol of the references": lambda: {"fo": refs},
        "fs": lambda: {"fo": refs, "fs": fsspec.filesystem("http")},
        "dict of fs": lambda: {"fo": refs, "fs": {"http": fsspec.filesystem("http")}},
        "dict of options": lambda: {"fo": refs, "fs": {"http": {"block_size": 5}}},
    }


@pytest.mark.parametrize("how", reference_arguments(""))
@pytest.mark.parametrize("by", ["url", "mapper", "instance"])
def test_reference_file_systems_open(range_server: RangeServer, how: str, by: str) -> None:
    """However synchronous the parts are, they are made asynchronous together."""
    range_server.objects["big"] = TEN
    options = reference_arguments(f"{range_server.url}/big")[how]()
    if by == "url":
        store = FsspecStore.from_url("reference://", options)
    elif by == "mapper":
        store = FsspecStore.from_mapper(fsspec.get_mapper("reference://", **options))
    else:
        with pytest.warns(ZarrUserWarning, match="was not created with `asynchronous=True`"):
            store = FsspecStore(fsspec.filesystem("reference", **options), path="")
    assert read(store, "a") == b"234"
    assert asyncio.run(store.get("a", PROTOTYPE)).to_bytes() == b"234"  # type: ignore[union-attr]


# --- loops and processes ----------------------------------------------------------------


def test_one_store_in_several_loops(range_server: RangeServer) -> None:
    range_server.objects["a"] = TEN
    store = FsspecStore.from_url(range_server.url)
    other = FsspecStore.from_url(range_server.url)

    async def get(store: FsspecStore) -> bytes:
        found = await asyncio.gather(*(store.get("a", PROTOTYPE) for _ in range(3)))
        return b"".join(value.to_bytes() for value in found if value is not None)

    for _ in range(2):
        assert asyncio.run(get(store)) == TEN * 3
        assert asyncio.run(get(other)) == TEN * 3
        assert sync(get(store)) == TEN * 3
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: answers.append(asyncio.run(get(store)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [TEN * 3] * 4


def test_synchronous_instances(range_server: RangeServer) -> None:
    """An instance whose client lives in fsspec's own loop is not used in another."""
    range_server.objects["a"] = TEN
    fs = fsspec.filesystem("http")
    assert fs.cat_file(f"{range_server.url}/a") == TEN
    with pytest.warns(ZarrUserWarning, match="was not created with `asynchronous=True`"):
        store = FsspecStore(fs, path=range_server.url)
    assert read(store, "a") == TEN
    assert fs.cat_file(f"{range_server.url}/a") == TEN
    mapped = FsspecStore.from_mapper(fs.get_mapper(range_server.url))
    assert mapped.fs.asynchronous
    assert read(mapped, "a") == TEN
    with pytest.raises(TypeError, match="Filesystem needs to support async operations"):
        FsspecStore(fsspec.filesystem("memory"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("used_before", [True, False])
def test_forked_child_reads(range_server: RangeServer, used_before: bool) -> None:
    range_server.objects["a"] = TEN
    store = FsspecStore.from_url(range_server.url)
    if used_before:
        assert read(store, "a") == TEN
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if read(store, "a") == TEN else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert read(store, "a") == TEN


def test_pickle(range_server: RangeServer) -> None:
    range_server.objects["a"] = TEN
    refs = {"version": 1, "refs": {"a": [f"{range_server.url}/a", 0, 10]}}
    memory = FsspecStore.from_url(memory_root())
    sync(memory.set("a", buffer(TEN)))
    for store in (
        memory,
        FsspecStore.from_url(range_server.url, read_only=True, allowed_exceptions=(KeyError,)),
        FsspecStore.from_url("reference://", {"fo": refs, "remote_protocol": "http"}),
    ):
        assert read(store, "a") == TEN
        pickled = pickle.dumps(store)
        assert len(pickled) < 2000
        again = pickle.loads(pickled)
        assert again == store
        assert again.read_only == store.read_only
        assert again.allowed_exceptions == store.allowed_exceptions
        assert read(again, "a") == TEN


class SlowFtp(MemoryFileSystem):
    """A synchronous file system that fails when it is called twice at a time."""

    protocol = "ftp"
    cachable = False
    busy = threading.Lock()

    def cat_file(self, path: str, **kwargs: Any) -> bytes:
        assert self.busy.acquire(blocking=False), "called twice at a time"
        try:
            threading.Event().wait(0.002)
            return super().cat_file(path, **kwargs)
        finally:
            self.busy.release()


@pytest.mark.parametrize("chained", [False, True])
def test_clients_of_one_connection_get_one_call_at_a_time(chained: bool) -> None:
    fs = SlowFtp()
    root = f"/{uuid.uuid4()}"
    fs.pipe_file(f"{root}/a", TEN)
    if chained:
        fs = DirFileSystem(path=root, fs=fs, skip_instance_cache=True)
        root = ""
    store = pickle.loads(pickle.dumps(FsspecStore.from_mapper(fs.get_mapper(root))))
    requests = [("a", None)] * 10
    for _ in range(2):
        found = asyncio.run(store.get_partial_values(PROTOTYPE, requests))
        assert [value.to_bytes() for value in found] == [TEN] * 10


# --- making one -------------------------------------------------------------------------


def test_from_url() -> None:
    store = FsspecStore.from_url("memory://some/where", read_only=True)
    assert (store.path, store.read_only) == ("/some/where", True)
    assert isinstance(store.fs, AsyncFileSystemWrapper)
    with pytest.raises(ValueError, match="Protocol not known: nosuchscheme"):
        FsspecStore.from_url("nosuchscheme://a/b")
    assert FsspecStore.from_url("file:///x", {"auto_mkdir": True}).fs.sync_fs.auto_mkdir
    assert FsspecStore.from_url("http://host/a").fs.asynchronous
    with pytest.warns(ZarrUserWarning, match="asynchronous"):
        store = FsspecStore.from_url("http://host/a", {"asynchronous": False})
    assert not store.fs.asynchronous
    assert not store.with_read_only(True).fs.asynchronous


def test_from_upath() -> None:
    upath = pytest.importorskip("upath")
    store = FsspecStore.from_upath(upath.UPath("memory://u/p"), read_only=True)
    assert (store.path, store.read_only) == ("/u/p", True)
    assert isinstance(store.fs, AsyncFileSystemWrapper)


def test_from_mapper() -> None:
    mapper = fsspec.get_mapper(memory_root())
    store = FsspecStore.from_mapper(mapper)
    sync(store.set("a", buffer(TEN)))
    assert mapper["a"] == TEN
    assert store.path == mapper.root


def test_equality() -> None:
    url = memory_root()
    store = FsspecStore.from_url(url)
    assert store == FsspecStore.from_url(url)
    assert store == sync(_made_in_loop(url))
    for other in (
        FsspecStore.from_url(f"{url}/x"),
        FsspecStore.from_url(url, read_only=True),
        FsspecStore.from_url(f"file://{store.path}"),
        url,
    ):
        assert store != other
    assert FsspecStore.from_url("http://a/b") != FsspecStore.from_url("http://a/b", {"x": 1})


async def _made_in_loop(url: str) -> FsspecStore:
    return FsspecStore.from_url(url)


def test_set_refuses_before_it_writes() -> None:
    store = FsspecStore.from_url(memory_root())
    with pytest.raises(TypeError, match="must be a Buffer instance"):
        sync(store.set("a", b"bytes"))  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError):
        sync(store.set("a", buffer(b""), byte_range=(0, 1)))
    with pytest.raises(ValueError, match="empty key"):
        sync(store.set("", buffer(b"")))
    with pytest.raises(TypeError):
        sync(store.set(5, buffer(b"")))  # type: ignore[arg-type]
    assert sync(listed(store)) == []


def test_not_imported_with_zarr_storage() -> None:
    import subprocess

    code = (
        "import sys, zarr.storage; "
        "print([m for m in ('fsspec', 'obstore', 'aiohttp', 's3fs') if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert result.stdout.strip() == "[]"
