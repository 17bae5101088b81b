"""FsspecStore: conformance over several file systems, ranges, faults, loops and processes."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import uuid
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.reference import ReferenceNotReachable
from tests.stores.fsspec_kit import PROTOTYPE, RANGES, TEN, buffer, listed, memory_root, part, read
from tests.stores.store_kit import Awaited

from zarr.core._byte_ranges import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, cpu
from zarr.core.sync import sync
from zarr.errors import ZarrUserWarning
from zarr.storage import FsspecStore
from zarr.testing.store import StoreTests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


# --- conformance ------------------------------------------------------------------------


class FsspecTests(Awaited, StoreTests[FsspecStore, cpu.Buffer]):
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
        ("/", "a", "a"),
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
    notes = "\n".join(raised.value.__notes__)  # the last one may say how often it was tried
    assert "key 'a'" in notes
    assert repr(store) in notes


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
        with pytest.raises(OSError, match="returned 10 bytes, expected at most 3"):
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
