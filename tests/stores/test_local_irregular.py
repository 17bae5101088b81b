"""What is no regular file, or has a name of thousands of parts, in a directory."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.stores.store_kit import PROTOTYPE, buffer, drained

import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.sync import sync
from zarr.storage import LocalStore, MemoryStore, ZipStore

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    """End the tests if one of them waits for a pipe."""
    timer = threading.Timer(120, lambda: os._exit(86))
    timer.start()
    yield
    timer.cancel()


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def _link(path: Path) -> None:
    os.mkfifo(f"{path}.pipe")
    path.symlink_to(f"{path}.pipe")


KINDS: dict[str, Callable[[Path], object]] = {
    "named pipe": os.mkfifo if hasattr(os, "mkfifo") else print,
    "socket": _socket,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "device that is empty": lambda path: path.symlink_to("/dev/null"),
    "linked pipe": lambda path: _link(path),
}

READS: dict[str, Callable[[LocalStore], Any]] = {
    "get": lambda s: sync(s.get("a/c/1", PROTOTYPE)),
    "get, range": lambda s: sync(s.get("a/c/1", PROTOTYPE, RangeByteRequest(0, 2))),
    "get, offset": lambda s: sync(s.get("a/c/1", PROTOTYPE, OffsetByteRequest(1))),
    "get, suffix": lambda s: sync(s.get("a/c/1", PROTOTYPE, SuffixByteRequest(1))),
    "get_sync": lambda s: s.get_sync("a/c/1"),
    "get_sync, range": lambda s: s.get_sync("a/c/1", byte_range=RangeByteRequest(0, 2)),
    "get_many": lambda s: sync(drained(s.get_many(["a/c/0", "a/c/1"], prototype=PROTOTYPE))),
    "get_many, in place": lambda s: list(s._get_many_sync(["a/c/1"], prototype=PROTOTYPE)),
    "get_partial_values": lambda s: sync(s.get_partial_values(PROTOTYPE, [("a/c/1", None)])),
    "getsize": lambda s: sync(s.getsize("a/c/1")),
    "exists": lambda s: sync(s.exists("a/c/1")),
}


@needs_pipes
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", READS)
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str, how: str) -> None:
    store = LocalStore(tmp_path)
    store.set_sync("a/c/0", buffer(b"x"))
    KINDS[kind](tmp_path / "a" / "c" / "1")
    with pytest.raises(
        OSError, match=rf"not a regular file but a {kind.split()[-1][:4]}|a "
    ) as raised:
        READS[how](store)
    said = " ".join([str(raised.value), *raised.value.__notes__])
    assert "'a/c/1'" in said
    assert repr(store) in said
    assert "not a regular file" in said
    assert [key for key in sync(drained(store.list())) if ".pipe" not in key] == ["a/c/0"]
    assert "1" not in sync(drained(store.list_dir("a/c")))


@needs_pipes
@pytest.mark.parametrize("how", READS)
@pytest.mark.parametrize("data", [b"", b"x" * 10])
def test_a_pipe_that_somebody_writes_into(tmp_path: Path, how: str, data: bytes) -> None:
    """Whatever comes out of it is no value, also where it ends."""
    store = LocalStore(tmp_path)
    store.set_sync("a/c/0", buffer(b"x"))
    path = tmp_path / "a" / "c" / "1"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    try:
        os.write(writing, data)
        with pytest.raises(OSError, match="not a regular file but a named pipe"):
            READS[how](store)
    finally:
        os.close(writing)
        os.close(reading)


@needs_pipes
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("shards", [None, (4,)])
def test_a_pipe_for_a_chunk(tmp_path: Path, zarr_format: Any, shards: Any) -> None:
    if shards and zarr_format == 2:
        pytest.skip("no shards")
    array: Any = zarr.create_array(
        tmp_path, data=np.arange(1, 9), chunks=(2,), shards=shards, zarr_format=zarr_format
    )
    key = array.metadata.encode_chunk_key((1,))
    at = 5 if shards else 3
    (tmp_path / key).unlink()
    os.mkfifo(tmp_path / key)
    for read in (lambda: array[:], lambda: array[at], lambda: sync(array.async_array.getitem(at))):
        with pytest.raises(OSError, match="not a regular file but a named pipe") as raised:
            read()
        assert key in str(raised.value)
    array[:] = 7  # a file replaces it
    assert array[:].tolist() == [7] * 8


@needs_pipes
@pytest.mark.parametrize("name", ["zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata", "x"])
def test_a_pipe_beside_metadata(tmp_path: Path, name: str) -> None:
    group = zarr.create_group(tmp_path, zarr_format=3 if name == "zarr.json" else 2)
    group.create_array("a", shape=(2,), dtype="i4")
    (tmp_path / "b").mkdir()
    os.mkfifo(tmp_path / "b" / name)
    os.mkfifo(tmp_path / "pipe")
    if name == "x":
        with pytest.warns(UserWarning, match="Object at b is not recognized"):
            assert list(zarr.open_group(tmp_path, mode="r").keys()) == ["a"]
    else:
        with pytest.raises(OSError, match="not a regular file but a named pipe"):
            zarr.open(tmp_path / "b", mode="r")


@needs_pipes
def test_a_pipe_is_replaced_and_deleted(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for call in (
        lambda: store.set("p", buffer(b"x")),
        lambda: store.delete("p"),
        lambda: store.clear(),
        lambda: store.delete_dir(""),
    ):
        tmp_path.mkdir(exist_ok=True)
        if not (tmp_path / "p").exists():
            os.mkfifo(tmp_path / "p")
        sync(call())
        assert not (tmp_path / "p").is_fifo()
        (tmp_path / "p").unlink(missing_ok=True)


@pytest.mark.parametrize("nbytes", [0, 1, 65535, 65536, 65537, 1 << 20])
def test_files_of_every_size(tmp_path: Path, nbytes: int) -> None:
    store = LocalStore(tmp_path)
    value = os.urandom(nbytes)
    store.set_sync("a", buffer(value))
    found = store.get_sync("a")
    assert found is not None
    assert found.to_bytes() == value


# --- keys of many parts -------------------------------------------------------------------

# More than calls can be nested.
LONG = "/".join("a" * 1100)


@pytest.fixture(params=["local", "memory", "zip"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return LocalStore(tmp_path / "s")
    return MemoryStore() if request.param == "memory" else ZipStore(tmp_path / "x.zip", mode="w")


def test_a_key_of_many_parts(store: Store) -> None:
    async def use() -> None:
        await store.set(LONG, buffer(b"v"))
        await store.set_if_not_exists(f"{LONG}b", buffer(b"w"))
        found = await store.get(LONG, PROTOTYPE)
        assert found is not None
        assert found.to_bytes() == b"v"
        assert await store.exists(LONG)
        assert await store.getsize(LONG) == 1
        assert sorted(await drained(store.list())) == [LONG, f"{LONG}b"]
        assert await drained(store.list_dir("")) == ["a"]
        assert sorted(await drained(store.list_dir(LONG[:-2]))) == ["a", "ab"]
        assert not await store.is_empty("")
        assert await store.getsize_prefix("") == 2
        if store.supports_deletes:
            await store.delete(LONG)
            assert await drained(store.list()) == [f"{LONG}b"]
            await store.delete_dir("a")
        await store.clear()
        assert await drained(store.list()) == []

    sync(use())


def test_a_node_far_down(store: Store) -> None:
    path = "/".join("a" * 1100)
    array: Any = zarr.create_array(store, name=path, data=np.arange(4), chunks=(2,))
    assert array[:].tolist() == [0, 1, 2, 3]
    assert zarr.open_array(store, path=path, mode="r+").shape == (4,)
    if store.supports_deletes:
        zarr.create_group(store, overwrite=True)
        assert sync(drained(store.list())) == ["zarr.json"]


def test_deep_directories_are_deleted_with_few_files_open(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    store = LocalStore(tmp_path / "s")
    for i in range(3):
        store.set_sync(f"{LONG[:1000]}/{i}/x", buffer(b"v"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 20, hard))
    try:
        assert len(sync(drained(store.list()))) == 3
        sync(store.delete_dir("a"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert os.listdir(tmp_path / "s") == []


@pytest.mark.parametrize("key", ["x" * 300, "/".join("ab" * 3000)])
def test_a_key_that_is_too_long_is_named(tmp_path: Path, key: str) -> None:
    store = LocalStore(tmp_path)
    for call in (
        lambda: store.get(key, PROTOTYPE),
        lambda: store.set(key, buffer(b"v")),
        lambda: store.delete(key),
    ):
        with pytest.raises(OSError, match=r".") as raised:
            sync(call())
        assert raised.value.errno == errno.ENAMETOOLONG
        assert any(key in note and repr(store) in note for note in raised.value.__notes__)


# --- failures of the file system ----------------------------------------------------------


def _failing(*args: Any, **more: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


CHANGES: dict[str, tuple[str, Callable[[LocalStore], Any]]] = {
    "set": ("write", lambda s: s.set("g/a", buffer(b"x"))),
    "set, made": ("mkdir", lambda s: s.set("new/a", buffer(b"x"))),
    "set, opened": ("open", lambda s: s.set("g/a", buffer(b"x"))),
    "set, put in place": ("replace", lambda s: s.set("g/a", buffer(b"x"))),
    "set_sync": ("write", lambda s: s.set_sync("g/a", buffer(b"x"))),
    "set_if_not_exists": ("write", lambda s: s.set_if_not_exists("g/a", buffer(b"x"))),
    "set_if_not_exists, linked": ("link", lambda s: s.set_if_not_exists("g/a", buffer(b"x"))),
    "delete": ("unlink", lambda s: s.delete("g/b")),
    "delete_sync": ("unlink", lambda s: s.delete_sync("g/b")),
    "delete_dir": ("rmdir", lambda s: s.delete_dir("g")),
    "clear": ("scandir", lambda s: s.clear()),
    "move": ("mkdir", lambda s: s.move(s.root.parent / "new" / "elsewhere")),
    "list": ("scandir", lambda s: drained(s.list())),
    "list_prefix": ("scandir", lambda s: drained(s.list_prefix("g/"))),
    "list_dir": ("scandir", lambda s: drained(s.list_dir("g"))),
    "exists": ("stat", lambda s: s.exists("g/b")),
    "getsize": ("stat", lambda s: s.getsize("g/b")),
    "get": ("open", lambda s: s.get("g/b", PROTOTYPE)),
    "get_sync": ("read", lambda s: s.get_sync("g/b")),
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_failure_names_key_and_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    store = LocalStore(tmp_path / "root")
    store.set_sync("g/b", buffer(b"x"))
    call, change = CHANGES[how]

    async def run() -> None:
        answer = change(store)
        if answer is not None:
            await answer

    loop_is_ready = sync(store.exists("g/b"))
    assert loop_is_ready
    monkeypatch.setattr(os, call, _failing)
    with pytest.raises(OSError, match="No space left") as raised:
        sync(run())
    monkeypatch.undo()
    named = {"clear": "''", "move": "elsewhere", "list": "''"}.get(
        how, "g" if "new" not in how else "new"
    )
    if how == "set, made":
        named = "new/a"
    assert any(named in note and repr(store) in note for note in raised.value.__notes__)
    assert (tmp_path / "root" / "g" / "b").exists() == (how != "delete_dir")


@pytest.mark.parametrize("how", ["set", "set_sync", "set_if_not_exists"])
def test_a_full_disk_names_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    store = LocalStore(tmp_path)
    monkeypatch.setattr(os, "write", _failing)

    async def run() -> None:
        answer = getattr(store, how)("a/b", buffer(b"x"))
        if answer is not None:
            await answer

    with pytest.raises(OSError, match=r"No space left on device: '.*/a/b'"):
        sync(run())


@needs_pipes
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("url", ["file://{}", "simplecache::file://{}"])
def test_what_is_no_file_behind_fsspec_is_refused(tmp_path: Path, kind: str, url: str) -> None:
    pytest.importorskip("fsspec")
    from zarr.storage import FsspecStore

    KINDS[kind](tmp_path / "key")
    store = FsspecStore.from_url(url.format(tmp_path), read_only=True)
    for part in (None, RangeByteRequest(0, 2)):
        with pytest.raises(OSError, match="not a regular file") as raised:
            sync(store.get("key", PROTOTYPE, part))
        assert "key 'key'" in " ".join(raised.value.__notes__)
    assert sync(store.get("absent", PROTOTYPE)) is None
