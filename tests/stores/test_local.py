"""Values in files."""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest
from tests.stores.store_kit import PROTOTYPE, Capable, buffer, drained

from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, cpu
from zarr.core.sync import sync
from zarr.storage import LocalStore, _local, _local_read
from zarr.testing.store import StoreTests


class TestLocalStore(Capable, StoreTests[LocalStore, cpu.Buffer]):
    store_cls = LocalStore
    buffer_cls = cpu.Buffer

    @pytest.fixture
    def store_kwargs(self, tmp_path: Path) -> dict[str, Any]:
        return {"root": tmp_path}

    async def set(self, store: LocalStore, key: str, value: Buffer) -> None:
        path = store.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value.to_bytes())

    async def get(self, store: LocalStore, key: str) -> Buffer:
        return buffer((store.root / key).read_bytes())

    def test_store_repr(self, store: LocalStore) -> None:
        assert str(store) == f"file://{store.root.as_posix()}"
        assert repr(store) == f"LocalStore('{store}')"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "root")


def files(store: LocalStore) -> list[str]:
    """All files, partial ones included, as paths below the root."""
    found = [path for path in store.root.rglob("*") if not path.is_dir()]
    return sorted(path.relative_to(store.root).as_posix() for path in found)


async def _call(method: Callable[..., Any], *args: Any) -> None:
    answer = method(*args)
    if inspect.isawaitable(answer):
        await answer


def failing(code: int) -> Callable[..., Any]:
    def fail(*args: object, **kwargs: object) -> Any:
        raise OSError(code, os.strerror(code))

    return fail


# --- reading: a fault is not an absent key ------------------------------------------------


@pytest.mark.parametrize("byte_range", [None, RangeByteRequest(0, 0), SuffixByteRequest(1)])
async def test_a_directory_is_no_value(store: LocalStore, byte_range: Any) -> None:
    await store.set("a/b", buffer(b"x"))
    with pytest.raises(IsADirectoryError, match=r"root/a'"):
        await store.get("a", PROTOTYPE, byte_range)
    with pytest.raises(IsADirectoryError):
        await store.getsize("a")
    with pytest.raises(IsADirectoryError):
        await store.get("", PROTOTYPE, byte_range)
    assert not await store.exists("a")


@pytest.mark.parametrize("byte_range", [None, RangeByteRequest(0, 0)])
async def test_a_file_within_a_path_is_a_fault(store: LocalStore, byte_range: Any) -> None:
    await store.set("a/b", buffer(b"x"))
    with pytest.raises(NotADirectoryError):
        await store.get("a/b/c", PROTOTYPE, byte_range)
    with pytest.raises(NotADirectoryError):
        await store.getsize("a/b/c")
    with pytest.raises((NotADirectoryError, FileExistsError)):
        await store.set("a/b/c", buffer(b"y"))
    assert not await store.exists("a/b/c")
    await store.delete("a/b/c")
    assert files(store) == ["a/b"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EIO, errno.ELOOP, errno.EMFILE])
async def test_other_failures_raise(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    await store.set("a", buffer(b"x"))
    real: dict[str, Callable[..., Any]] = {"open": os.open, "stat": os.stat}
    target = os.path.join(store.root, "a")

    def fail(name: str) -> Callable[..., Any]:
        def call(path: Any, *args: Any, **kwargs: Any) -> Any:
            if path == target:
                failing(code)()
            return real[name](path, *args, **kwargs)

        return call

    for name in real:
        monkeypatch.setattr(os, name, fail(name))
    calls: list[Callable[[], Any]] = [
        lambda: store.get("a", PROTOTYPE),
        lambda: store.get_partial_values(PROTOTYPE, [("b", None), ("a", None)]),
        lambda: store.exists("a"),
        lambda: store.getsize("a"),
    ]
    for call in calls:
        with pytest.raises(OSError, match=os.strerror(code)) as raised:
            await call()
        assert raised.value.errno == code


async def test_a_root_that_is_missing_or_a_file_holds_no_keys(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    for root in ("plain", "missing"):
        store = LocalStore(tmp_path / root)
        assert await store.get("zarr.json", PROTOTYPE) is None
        assert not await store.exists("zarr.json")
        assert [key async for key in store.list()] == []
        assert [name async for name in store.list_dir("")] == []
        assert await store.is_empty("")
        await store.delete("zarr.json")
        with pytest.raises(FileNotFoundError):
            await store.getsize("zarr.json")
    assert sorted(os.listdir(tmp_path)) == ["plain"]


async def test_a_file_that_ends_early_is_a_fault(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.set("a", buffer(b"0123456789"))
    await store.set("large", buffer(bytes(100_000)))
    monkeypatch.setattr("zarr.storage._local_read._read_at", lambda *args: b"")
    for key, byte_range, nbytes in (("a", RangeByteRequest(1, 9), 8), ("large", None, 100_000)):
        with pytest.raises(OSError, match=f"the file ended {nbytes} bytes early") as raised:
            await store.get(key, PROTOTYPE, byte_range)
        assert raised.value.errno == errno.EIO


@pytest.mark.parametrize("read_at", ["pread", "_seek_and_read"])
@pytest.mark.parametrize(
    ("byte_range", "expected"),
    [
        (None, b"0123456789"),
        (RangeByteRequest(2, 9), b"2345678"),
        (OffsetByteRequest(4), b"456789"),
        (SuffixByteRequest(3), b"789"),
        (RangeByteRequest(4, 4), b""),
    ],
)
def test_reads_that_come_in_pieces(
    store: LocalStore,
    monkeypatch: pytest.MonkeyPatch,
    read_at: str,
    byte_range: Any,
    expected: bytes,
) -> None:
    """The system may return less than was asked for, and not each one has positional reads."""
    store.set_sync("a", buffer(b"0123456789"))
    read = getattr(os if read_at == "pread" else _local_read, read_at)
    monkeypatch.setattr(_local_read, "_read_at", lambda fd, n, at: read(fd, min(n, 3), at))
    found = store.get_sync("a", byte_range=byte_range)
    assert found is not None
    assert found.to_bytes() == expected


def test_no_file_stays_open(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    closed: list[int] = []
    real_open, real_close = os.open, os.close

    def counting_open(*args: Any, **kwargs: Any) -> int:
        opened.append(real_open(*args, **kwargs))
        return opened[-1]

    def counting_close(descriptor: int) -> None:
        closed.append(descriptor)
        real_close(descriptor)

    store.set_sync("d/a", buffer(b"x"))
    monkeypatch.setattr(os, "open", counting_open)
    monkeypatch.setattr(os, "close", counting_close)
    store.get_sync("d/a")
    store.set_sync("d/b", buffer(b"x"))
    for ask in (
        lambda: store.get_sync("d"),
        lambda: store.get_sync("d/a", byte_range=(0, 1)),  # type: ignore[arg-type]
        lambda: store.set_sync("d", buffer(b"x")),
    ):
        with pytest.raises((IsADirectoryError, ValueError)):
            ask()
    assert len(opened) == 5
    assert opened == closed


# --- writing: the old value or the new --------------------------------------------------


@pytest.mark.parametrize("call", ["write", "replace"])
@pytest.mark.parametrize("old", [b"old", None])
async def test_a_write_that_fails_changes_nothing(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, call: str, old: bytes | None
) -> None:
    await store.set("a/c", buffer(b"other"))
    if old is not None:
        await store.set("a/b", buffer(old))
    before = files(store)
    monkeypatch.setattr(os, call, failing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        await store.set("a/b", buffer(b"new"))
    monkeypatch.undo()
    assert files(store) == before
    found = await store.get("a/b", PROTOTYPE)
    assert (found and found.to_bytes()) == old


async def test_a_write_in_pieces(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    await store.set("a", buffer(b"0123456789"))
    assert (store.root / "a").read_bytes() == b"0123456789"


async def test_readers_never_see_part_of_a_value(store: LocalStore) -> None:
    """While one value replaces another, also of another length."""
    values = [bytes([i]) * (i + 1) * 50_000 for i in range(3)]
    store.set_sync("a", buffer(values[0]))
    done = threading.Event()

    def write() -> None:
        for i in range(150):
            store.set_sync("a", buffer(values[i % 3]))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not done.is_set():
            found = store.get_sync("a")
            assert found is not None
            assert found.to_bytes() in values
    finally:
        writer.join()
    assert files(store) == ["a"]


def test_a_writer_that_is_killed_leaves_whole_values(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from zarr.storage import LocalStore\n"
        "from zarr.core.buffer import cpu\n"
        "store = LocalStore(sys.argv[1])\n"
        "values = [cpu.Buffer.from_bytes(bytes([i]) * 2_000_000) for i in range(2)]\n"
        "while True:\n"
        "    for value in values:\n"
        "        store.set_sync('a', value)\n"
        "        print('.', end='', flush=True)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.read(15)
        writer.send_signal(signal.SIGKILL)
    value = (tmp_path / "a").read_bytes()
    assert len(value) == 2_000_000
    assert len(set(value)) == 1


@pytest.mark.parametrize("name", [".__zarr_partial-0", ".__zarr_partial-"])
async def test_files_that_are_being_written_are_no_keys(store: LocalStore, name: str) -> None:
    await store.set("a/b", buffer(b"x"))
    (store.root / name).write_bytes(b"half")
    (store.root / "a" / name).write_bytes(b"half")
    assert [key async for key in store.list()] == ["a/b"]
    assert [key async for key in store.list_prefix("")] == ["a/b"]
    assert [key async for key in store.list_prefix("a/")] == ["a/b"]
    assert [key async for key in store.list_prefix(".__")] == []
    assert [name async for name in store.list_dir("")] == ["a"]
    assert [name async for name in store.list_dir("a")] == ["b"]
    assert await store.getsize_prefix("") == 1
    await store.clear()
    assert files(store) == []


async def test_what_a_write_leaves_behind_is_hidden(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name under which a value is written is one of those that are never listed."""
    names: list[list[str]] = []
    replace = os.replace

    async def listed() -> list[str]:
        return [key async for key in store.list()]

    def watch(source: str, target: str) -> None:
        assert os.path.dirname(source) == os.path.dirname(target)
        names.append(sync(listed()))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watch)
    await asyncio.to_thread(store.set_sync, "a", buffer(b"x"))
    await asyncio.to_thread(store.set_sync, "b", buffer(b"x"))
    assert names == [[], ["a"]]


# --- writing unless there is a value ----------------------------------------------------


@pytest.mark.parametrize("links", [True, False])
async def test_of_many_first_writers_one_wins(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", failing(errno.EPERM))
    values = [bytes([i]) * 1000 for i in range(20)]
    await asyncio.gather(*(store.set_if_not_exists("a", buffer(v)) for v in values))
    assert (store.root / "a").read_bytes() in values
    assert files(store) == ["a"]
    kept = (store.root / "a").read_bytes()
    await store.set_if_not_exists("a", buffer(b"late"))
    assert (store.root / "a").read_bytes() == kept


@pytest.mark.parametrize("links", [True, False])
async def test_a_value_that_appears_meanwhile_stays(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    link = os.link if links else failing(errno.EOPNOTSUPP)

    def late(source: str, target: str) -> None:
        Path(target).write_bytes(b"first")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    await store.set_if_not_exists("a", buffer(b"second"))
    assert (store.root / "a").read_bytes() == b"first"
    assert files(store) == ["a"]


async def test_a_link_that_fails_otherwise_raises(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", failing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        await store.set_if_not_exists("a", buffer(b"x"))
    assert files(store) == []


# --- keys and what they name ------------------------------------------------------------


@pytest.mark.parametrize("write", ["set", "set_if_not_exists", "set_sync"])
@pytest.mark.parametrize("key", ["a", "", ".", "./"])
async def test_a_value_does_not_replace_a_directory(
    store: LocalStore, write: str, key: str
) -> None:
    await store.set("a/b", buffer(b"x"))
    with pytest.raises(IsADirectoryError):
        await _call(getattr(store, write), key, buffer(b"y"))
    assert files(store) == ["a/b"]
    assert os.listdir(store.root.parent) == ["root"]


@pytest.mark.parametrize("key", ["", ".", "./"])
async def test_no_key_deletes_the_root(store: LocalStore, key: str) -> None:
    await store.set("a/b", buffer(b"x"))
    await store.delete(key)
    assert files(store) == ["a/b"]


@pytest.mark.parametrize(
    ("key", "listed"), [("x//y", "x/y"), ("trail/", "trail"), ("a/./b", "a/b"), ("...", "...")]
)
async def test_keys_written_in_other_ways(store: LocalStore, key: str, listed: str) -> None:
    await store.set(key, buffer(b"v"))
    assert [found async for found in store.list()] == [listed]
    for name in (key, listed):
        found = await store.get(name, PROTOTYPE)
        assert found is not None
        assert found.to_bytes() == b"v"
    await store.delete(key)
    assert files(store) == []


async def test_deleting_a_directory_by_its_key(store: LocalStore) -> None:
    for key in ("g/a", "g/b/c", "gg"):
        await store.set(key, buffer(b"x"))
    await store.delete("g")
    assert files(store) == ["gg"]


async def test_delete_dir_is_for_directories(store: LocalStore) -> None:
    await store.set("a/b", buffer(b"x"))
    with pytest.raises(ValueError, match="delete_dir was passed a prefix='a/b' that is a file"):
        await store.delete_dir("a/b")
    assert files(store) == ["a/b"]
    await store.delete_dir("missing")
    await store.delete_dir("a/")
    assert files(store) == []
    assert not (store.root / "a").exists()


@pytest.mark.parametrize("method", ["delete_dir", "clear", "delete"])
async def test_links_are_not_followed_when_deleting(
    store: LocalStore, tmp_path: Path, method: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").write_bytes(b"keep")
    await store.set("a/b", buffer(b"x"))
    (store.root / "a" / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert sorted([key async for key in store.list()]) == ["a/b", "a/link/x"]
    await (store.clear() if method == "clear" else getattr(store, method)("a"))
    assert files(store) == []
    assert (tmp_path / "elsewhere" / "x").read_bytes() == b"keep"


# --- listing ----------------------------------------------------------------------------


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_local, "_LISTED_AT_ONCE", 2)


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
async def test_listing_in_steps(store: LocalStore, count: int) -> None:
    keys = {f"a/{i % 2}/{i}" for i in range(count)}
    for key in keys:
        await store.set(key, buffer(b"x"))
    for listing in (store.list(), store.list_prefix(""), store.list_prefix("a/")):
        found = [key async for key in listing]
        assert len(found) == len(keys)
        assert set(found) == keys
    assert {name async for name in store.list_dir("a/0")} == {
        str(i) for i in range(count) if i % 2 == 0
    }


@pytest.mark.usefixtures("small_steps")
async def test_files_that_go_while_they_are_listed(store: LocalStore) -> None:
    for i in range(6):
        await store.set(f"{i}/a/b", buffer(b"x"))
    seen = 0
    async for _ in store.list():
        seen += 1
        await store.clear()
    assert 1 <= seen <= 6
    assert [key async for key in store.list()] == []


@pytest.mark.usefixtures("small_steps")
async def test_a_listing_that_is_given_up(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(6):
        await store.set(f"{i}/a", buffer(b"x"))
    scanned: list[str] = []
    scan = os.scandir

    def noting(path: str) -> Any:
        scanned.append(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", noting)
    for listing in (store.list(), store.list_prefix(""), store.list_dir("")):
        scanned.clear()
        async for _ in listing:
            break
        await listing.aclose()  # type: ignore[attr-defined]
        assert len(scanned) <= 3
    assert not await store.is_empty("")
    assert not await store.is_empty("3")
    assert await store.is_empty("6")


async def test_a_directory_that_may_not_be_listed_is_a_fault(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.set("a/b", buffer(b"x"))
    monkeypatch.setattr(os, "scandir", failing(errno.EACCES))
    for listing in (store.list(), store.list_prefix("a"), store.list_dir("a")):
        with pytest.raises(PermissionError):
            await drained(listing)
    with pytest.raises(PermissionError):
        await store.clear()


# --- the object -------------------------------------------------------------------------


async def test_opening(tmp_path: Path) -> None:
    absent, present = tmp_path / "no" / "where", tmp_path / "yes"
    present.mkdir()
    (present / "a").write_bytes(b"x")
    for arguments in ({"mode": "r"}, {"mode": "r+"}, {"read_only": True}):
        with pytest.raises(FileNotFoundError, match="does not exist"):
            await LocalStore.open(absent, **arguments)
        store = await LocalStore.open(present, **arguments)
        assert store.read_only == (arguments != {"mode": "r+"})
    assert not absent.parent.exists()
    with pytest.raises(FileExistsError, match="already exists"):
        await LocalStore.open(present, mode="w-")
    with pytest.raises(ValueError, match="Invalid mode: x, expected one of"):
        await LocalStore.open(present, mode="x")  # type: ignore[arg-type]
    assert (present / "a").read_bytes() == b"x"
    for mode in ("a", None):
        store = await LocalStore.open(present, mode=mode)
        assert await store.exists("a")
    await LocalStore.open(present, mode="w")
    assert list(present.iterdir()) == []
    modes: list[Any] = ["w", "w-", "a", None]
    for i, mode in enumerate(modes):
        await LocalStore.open(tmp_path / f"new{i}", mode=mode)
        assert (tmp_path / f"new{i}").is_dir()


async def test_moving(store: LocalStore, tmp_path: Path) -> None:
    await store.set("a/b", buffer(b"x"))
    (tmp_path / "taken").mkdir()
    with pytest.raises(FileExistsError, match="already exists"):
        await store.move(tmp_path / "taken")
    with pytest.raises(ValueError, match="read-only"):
        await store.with_read_only(True).move(tmp_path / "free")
    assert files(store) == ["a/b"]
    old = store.root
    await store.move(str(tmp_path / "deep" / "er"))
    assert store.root == tmp_path / "deep" / "er"
    assert not old.exists()
    assert files(store) == ["a/b"]


@pytest.mark.parametrize("root", [5, None, b"x", ["x"]])
def test_a_root_is_a_path(root: Any) -> None:
    with pytest.raises(TypeError, match="'root' must be a string or Path instance"):
        LocalStore(root)


def test_equal_stores_have_equal_hashes(tmp_path: Path) -> None:
    one, other = LocalStore(tmp_path), LocalStore(str(tmp_path))
    assert one == other
    assert hash(one) == hash(other)
    assert one != LocalStore(tmp_path / "a")
    assert one != tmp_path


def test_pickles_are_small(store: LocalStore) -> None:
    store.set_sync("a", buffer(bytes(10_000)))
    pickled = pickle.dumps(store)
    assert len(pickled) < 1000
    again = pickle.loads(pickled)
    assert again == store
    found = again.get_sync("a")
    assert found.to_bytes() == bytes(10_000)


async def test_a_file_beside_nodes_holds_no_metadata(tmp_path: Path) -> None:
    """Listing a group asks every name in it for metadata, also those of stray files."""
    store = LocalStore(tmp_path)
    (tmp_path / "README.md").write_text("hello")
    assert await store.get("README.md/zarr.json", PROTOTYPE) is None
    with pytest.raises(NotADirectoryError):
        await store.get("README.md/c/0", PROTOTYPE)


class Unusable(cpu.Buffer):
    """Lacks a library where it is to hold something."""

    @classmethod
    def from_bytes(cls, bytes_like: Any) -> Self:
        raise FileNotFoundError("libmissing.so")


def test_a_file_that_something_else_misses_is_no_absent_key(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(b"1")
    store = LocalStore(tmp_path)
    prototype = BufferPrototype(buffer=Unusable, nd_buffer=cpu.NDBuffer)
    with pytest.raises(FileNotFoundError, match="libmissing"):
        store.get_sync("k", prototype=prototype)
    with pytest.raises(FileNotFoundError, match="libmissing") as caught:
        list(store._get_many_sync(["absent", "k"], prototype=prototype))
    assert "'k'" in caught.value.__notes__[0]
