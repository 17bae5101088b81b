"""Coroutines of stores leave the file system to other threads than that of the event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stores.store_kit import PROTOTYPE, buffer, drained

from zarr.abc.store import RangeByteRequest, Store
from zarr.experimental.cache_store import CacheStore
from zarr.storage import LocalStore, LoggingStore, WrapperStore, ZipStore

# What Python tells an audit hook of; looking at a file without opening it is none of it.
_EVENTS = frozenset(
    {"open", "shutil.move", "shutil.rmtree", "shutil.copyfile"}
    | {f"os.{name}" for name in ("listdir", "scandir", "remove", "rename", "mkdir", "rmdir")}
    | {f"os.{name}" for name in ("link", "symlink", "truncate", "chmod")}
)
_QUIET = ("stat", "lstat", "access", "readlink")


class Watch:
    """Notes what a thread does to files below a directory."""

    def __init__(self) -> None:
        self.thread: int | None = None
        self.where = ""
        self.seen: list[tuple[str, str]] = []
        self.others = 0

    def note(self, event: str, name: object) -> None:
        if self.thread is None or not (isinstance(name, int) or self.where in str(name)):
            return
        if threading.get_ident() == self.thread:
            self.seen.append((event, str(name)))
        else:
            self.others += 1


_watch = Watch()
_is_hooked = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _watch.thread is not None and event in _EVENTS and args:
        _watch.note(event, args[0])


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    global _is_hooked
    if not _is_hooked:
        sys.addaudithook(_hook)  # for good: hooks cannot be taken off
        _is_hooked = True
    import os

    for name in _QUIET:
        real = getattr(os, name)

        def noting(path: Any, *args: Any, _name: str = name, _real: Any = real, **more: Any) -> Any:
            _watch.note(_name, path)
            return _real(path, *args, **more)

        monkeypatch.setattr(os, name, noting)
    _watch.__init__()  # type: ignore[misc]
    _watch.where = str(tmp_path)
    yield _watch
    _watch.thread = None


async def _move(store: Any, place: Path) -> None:
    inner = store
    while hasattr(inner, "_store"):
        inner = inner._store
    await inner.move(place / "moved" / "x.zip")


USES: dict[str, Callable[[Store, Path], Any]] = {
    "get": lambda s, _: s.get("g/a", PROTOTYPE),
    "get, absent": lambda s, _: s.get("g/nope", PROTOTYPE),
    "get, range": lambda s, _: s.get("g/a", PROTOTYPE, RangeByteRequest(0, 1)),
    "get_many": lambda s, _: drained(s.get_many(["g/a", "g/b", "no"], prototype=PROTOTYPE)),
    "get_ranges": lambda s, _: drained(
        s.get_ranges("g/a", [RangeByteRequest(0, 1)], prototype=PROTOTYPE)
    ),
    "get_partial_values": lambda s, _: s.get_partial_values(PROTOTYPE, [("g/a", None)]),
    "exists": lambda s, _: s.exists("g/a"),
    "exists below a file": lambda s, _: s.exists("g/a/x"),
    "getsize": lambda s, _: s.getsize("g/a"),
    "getsize_prefix": lambda s, _: s.getsize_prefix("g"),
    "is_empty": lambda s, _: s.is_empty("g"),
    "list": lambda s, _: drained(s.list()),
    "list_prefix": lambda s, _: drained(s.list_prefix("g/")),
    "list_dir": lambda s, _: drained(s.list_dir("g")),
    "set": lambda s, _: s.set("new/a", buffer(b"x")),
    "set_if_not_exists": lambda s, _: s.set_if_not_exists("new/b", buffer(b"x")),
    "delete": lambda s, _: s.delete("g/nope") if isinstance(s, ZipStore) else s.delete("g/b"),
    "delete_dir": lambda s, _: s.delete_dir("nope"),
    "clear": lambda s, _: s.clear(),
    "move": _move,
}


def _make(kind: str, place: Path) -> Any:
    makers: dict[str, Callable[[], Any]] = {
        "local": lambda: LocalStore(place / "root"),
        "zip": lambda: ZipStore(place / "x.zip", mode="a"),
        "logged": lambda: LoggingStore(LocalStore(place / "root")),
        "wrapped": lambda: WrapperStore(LocalStore(place / "root")),
        "cached": lambda: CacheStore(
            LocalStore(place / "root"), cache_store=LocalStore(place / "cache")
        ),
    }
    return makers[kind]()


@pytest.mark.parametrize("kind", ["local", "zip", "logged", "wrapped", "cached"])
@pytest.mark.parametrize("use", USES)
def test_no_coroutine_touches_the_file_system(
    tmp_path: Path, watch: Watch, kind: str, use: str
) -> None:
    store = _make(kind, tmp_path)

    async def fill() -> None:
        await store.set("g/a", buffer(b"value"))
        await store.set("g/b", buffer(b"value"))

    asyncio.run(fill())
    if kind == "zip":
        store.close()

    async def run() -> None:
        watch.thread = threading.get_ident()
        try:
            await USES[use](store, tmp_path)
        except FileNotFoundError:
            assert "absent" in use
        finally:
            watch.thread = None

    asyncio.run(run())
    assert watch.seen == []
    assert watch.others or (kind == "cached" and use.startswith("get"))
    store.close()


@pytest.mark.parametrize("mode", ["r", "r+", "a", "w", "w-", None])
def test_opening_touches_nothing_on_the_loop(tmp_path: Path, watch: Watch, mode: Any) -> None:
    root = tmp_path / "deep" / "root"
    if mode != "w-":
        root.mkdir(parents=True)
        (root / "x").write_bytes(b"x")
    elsewhere: Any = tmp_path / "x.zip"

    async def run() -> None:
        watch.thread = threading.get_ident()
        store = await LocalStore.open(root, mode=mode)
        if mode == "a":
            archive = await ZipStore.open(elsewhere, mode="a")
            watch.thread = None
            archive.close()
        watch.thread = None
        assert store._is_open

    asyncio.run(run())
    assert watch.seen == []
    assert watch.others


def test_a_key_below_a_file_is_looked_at_elsewhere(tmp_path: Path, watch: Watch) -> None:
    store = LocalStore(tmp_path / "root")
    store.set_sync("a", buffer(b"x"))

    async def run() -> None:
        watch.thread = threading.get_ident()
        with pytest.raises(FileNotFoundError):
            await store.getsize("a/zarr.json")
        with pytest.raises(NotADirectoryError):
            await store.getsize("a/c")
        watch.thread = None

    asyncio.run(run())
    assert watch.seen == []
