"""Symbolic links in a directory: what is deleted is the link, and nothing behind it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.stores.store_kit import PROTOTYPE, buffer, drained

import zarr
from zarr.core.sync import sync
from zarr.storage import LocalStore, _local_files

pytestmark = pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links")


@pytest.fixture(params=[True, False], ids=["by descriptor", "by path"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every system names files relative to an open directory."""
    if request.param and not _local_files._HAS_RELATIVE_NAMES:
        pytest.skip("not here")
    monkeypatch.setattr(_local_files, "_HAS_RELATIVE_NAMES", request.param)


class Place:
    """A store, and data outside of it that a link in the store leads to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        outside = path / "outside"
        zarr.create_group(outside)
        zarr.create_array(outside / "a", data=np.arange(1, 5), chunks=(2,))
        (outside / "precious").write_bytes(b"x")
        self.before = self.outside()
        self.root = path / "root"
        self.group = zarr.create_group(self.root)
        self.link = self.root / "link"
        self.link.symlink_to(outside, target_is_directory=True)
        self.store = LocalStore(self.root)

    def outside(self) -> dict[str, bytes]:
        top = self.path / "outside"
        return {str(p): p.read_bytes() for p in sorted(top.rglob("*")) if p.is_file()}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def _opened_to_empty(place: Place) -> None:
    await LocalStore.open(place.root, mode="w")


def _shrink(place: Place) -> None:
    zarr.open_array(place.root, path="link/a", mode="r+").resize((1,))


ON_THE_LINK: dict[str, Callable[[Place], Any]] = {
    "create_group": lambda p: p.group.create_group("link", overwrite=True),
    "create_array": lambda p: p.group.create_array("link", shape=(2,), dtype="i4", overwrite=True),
    "create_array v2": lambda p: zarr.create_array(
        p.root, name="link", shape=(2,), dtype="i4", overwrite=True, zarr_format=2
    ),
    "from_array": lambda p: zarr.from_array(
        p.root, name="link", data=zarr.ones((2,)), overwrite=True
    ),
    "open_group": lambda p: zarr.open_group(p.root, path="link", mode="w"),
    "open_array": lambda p: zarr.open_array(p.root, path="link", mode="w", shape=(2,), dtype="i4"),
    "delitem": lambda p: p.group.__delitem__("link"),
    "delete_dir": lambda p: p.store.delete_dir("link"),
    "delete_dir, slash": lambda p: p.store.delete_dir("link/"),
    "delete_dir, dot": lambda p: p.store.delete_dir("link/."),
    "delete_dir of the root": lambda p: p.store.delete_dir(""),
    "delete": lambda p: p.store.delete("link"),
    "delete, dot": lambda p: p.store.delete("link/."),
    "delete_sync": lambda p: p.store.delete_sync("link"),
    "clear": lambda p: p.store.clear(),
    "root, overwritten": lambda p: zarr.create_group(p.root, overwrite=True),
    "root, opened": lambda p: zarr.open_group(p.root, mode="w"),
    "opened to be empty": _opened_to_empty,
    "set": lambda p: p.store.set("link", buffer(b"v")),
}

BEHIND_THE_LINK: dict[str, Callable[[Place], Any]] = {
    "create_group": lambda p: p.group.create_group("link/a", overwrite=True),
    "create_array": lambda p: p.group.create_array(
        "link/a", shape=(2,), dtype="i4", overwrite=True
    ),
    "open_array": lambda p: zarr.open_array(
        p.root, path="link/a", mode="w", shape=(2,), dtype="i4"
    ),
    "delitem": lambda p: p.group["link"].__delitem__("a"),  # type: ignore[union-attr]
    "delete_dir": lambda p: p.store.delete_dir("link/a"),
    "delete of a directory": lambda p: p.store.delete("link/a"),
    "delete of a file": lambda p: p.store.delete("link/precious"),
    "delete of a file, doubled slash": lambda p: p.store.delete("link//precious"),
    "delete_sync": lambda p: p.store.delete_sync("link/a/c/0"),
    "shrink": _shrink,
}


def _done(change: Callable[[Place], Any], place: Place) -> None:
    answer = change(place)
    if isinstance(answer, Coroutine):
        asyncio.run(answer)


@pytest.mark.parametrize("how", ON_THE_LINK)
@pytest.mark.parametrize("target", ["directory", "file", "nothing", "itself"])
def test_a_link_is_unlinked_or_refused(place: Place, how: str, target: str) -> None:
    if target != "directory":
        place.link.unlink()
        targets = {"file": "../outside/precious", "nothing": "nope", "itself": "link"}
        place.link.symlink_to(targets[target])
    try:
        _done(ON_THE_LINK[how], place)
    except (ValueError, OSError, KeyError):  # refused, or nothing there that could be deleted
        assert target != "directory"
        assert place.link.is_symlink()
    else:
        assert not place.link.is_symlink()
    assert place.outside() == place.before


@pytest.mark.parametrize("how", BEHIND_THE_LINK)
def test_nothing_behind_a_link_is_deleted(place: Place, how: str) -> None:
    with pytest.raises(NotImplementedError, match="'link' is a symbolic link"):
        _done(BEHIND_THE_LINK[how], place)
    assert place.outside() == place.before
    assert place.link.is_symlink()


def test_what_is_not_there_behind_a_link_is_no_failure(place: Place) -> None:
    for key in ("link/nope", "link/a/c/77", "link/precious/x"):
        place.store.delete_sync(key)
        asyncio.run(place.store.delete_dir(key))
    assert place.outside() == place.before


@pytest.mark.parametrize("depth", [0, 1, 40])
def test_links_deep_in_what_is_deleted(place: Place, depth: int) -> None:
    folder = place.root.joinpath("g", *["d"] * depth)
    folder.mkdir(parents=True)
    (folder / "to").symlink_to(place.path / "outside", target_is_directory=True)
    (folder / "file").symlink_to(place.path / "outside" / "precious")
    (folder / "gone").symlink_to("nope")
    (folder / "other").mkdir()
    (folder / "other" / "x").write_bytes(b"x")
    asyncio.run(place.store.delete_dir("g"))
    assert not (place.root / "g").exists()
    assert place.outside() == place.before


@pytest.mark.parametrize("how", ["clear", "delete_dir", "open"])
def test_a_root_that_is_a_link_is_followed(tmp_path: Path, how: str) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to("real", target_is_directory=True)
    store = LocalStore(tmp_path / "root")
    store.set_sync("a/b", buffer(b"x"))
    store.set_sync("a/c", buffer(b"x"))
    store.delete_sync("a/b")
    assert sync(drained(store.list())) == ["a/c"]
    calls: dict[str, Callable[[], Any]] = {
        "clear": store.clear,
        "delete_dir": lambda: store.delete_dir(""),
        "open": lambda: LocalStore.open(tmp_path / "root", mode="w"),
    }
    sync(calls[how]())
    assert os.listdir(tmp_path / "real") == []
    assert (tmp_path / "root").is_symlink()
    store.set_sync("a", buffer(b"x"))
    assert (tmp_path / "real" / "a").read_bytes() == b"x"


@pytest.mark.parametrize("absolute", [True, False])
async def test_a_root_that_is_a_link_moves_with_its_data(tmp_path: Path, absolute: bool) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" if absolute else "real"
    (tmp_path / "root").symlink_to(target, target_is_directory=True)
    store = LocalStore(tmp_path / "root")
    await store.set("a", buffer(b"x"))
    await store.move(tmp_path / "deep" / "er")
    assert not (tmp_path / "root").is_symlink()
    found = await store.get("a", PROTOTYPE)
    assert found is not None
    assert found.to_bytes() == b"x"
    assert os.listdir(tmp_path / "deep") == ["er"]


async def test_nothing_is_moved_onto_a_link_that_leads_to_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "root")
    await store.set("a", buffer(b"x"))
    (tmp_path / "taken").symlink_to("nope")
    with pytest.raises(FileExistsError):
        await store.move(tmp_path / "taken")
    assert (tmp_path / "root" / "a").read_bytes() == b"x"


def test_a_chunk_of_fill_value_behind_a_link_is_written(place: Place) -> None:
    """What cannot be deleted holds the fill value afterwards, as it does in other stores."""
    a: Any = zarr.open_array(place.root, path="link/a", mode="r+")
    a[:2] = 0
    assert a[:].tolist() == [0, 0, 3, 4]
    fresh: Any = zarr.open_array(place.path / "outside" / "a", mode="r")
    assert fresh[:].tolist() == [0, 0, 3, 4]


def test_a_directory_that_turns_into_a_link_meanwhile(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking at a directory and deleting in it."""
    if not _local_files._HAS_RELATIVE_NAMES:
        pytest.skip("needs names relative to a directory")
    (place.root / "g" / "d").mkdir(parents=True)
    open_file = os.open

    def swap(path: Any, *args: Any, **kwargs: Any) -> int:
        if path == "d" and kwargs.get("dir_fd") is not None:
            (place.root / "g" / "d").rename(place.root / "was")
            (place.root / "g" / "d").symlink_to(place.path / "outside")
        return open_file(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", swap)
    for call in (lambda: place.store.delete_dir("g"), lambda: place.store.delete_dir("g/d/a")):
        with pytest.raises((OSError, NotImplementedError)):
            asyncio.run(call())
        assert place.outside() == place.before
        if not (place.root / "g" / "d").is_symlink():
            pytest.fail("nothing was swapped")
        (place.root / "g" / "d").unlink()
        (place.root / "was").rename(place.root / "g" / "d")
        (place.root / "g" / "d" / "a").mkdir(exist_ok=True)


# --- listing ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["itself", "nothing", "ring"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_link_to_nothing_is_no_member(tmp_path: Path, name: str, zarr_format: Any) -> None:
    root = tmp_path / "root"
    group = zarr.create_group(root, zarr_format=zarr_format)
    group.create_array("x", shape=(2,), dtype="i4", chunks=(1,))[:] = 1
    targets = {"itself": "bad", "nothing": "nope", "ring": "other"}
    (root / "bad").symlink_to(targets[name])
    if name == "ring":
        (root / "other").symlink_to("bad")
    (root / "x" / "bad").symlink_to("bad")
    assert list(zarr.open_group(root, mode="r").keys()) == ["x"]
    assert "bad" not in str(zarr.open_group(root, mode="r").tree())
    store = LocalStore(root)
    keys = sync(drained(store.list()))
    assert keys
    assert not [key for key in keys if "bad" in key or "other" in key]
    assert sync(drained(store.list_dir(""))) == [
        key for key in os.listdir(root) if key not in ("bad", "other")
    ]
    assert sync(store.getsize_prefix("")) > 0
    assert zarr.open_array(root, path="x", mode="r").nchunks_initialized == 2


async def test_a_link_to_a_directory_above_ends(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "root")
    await store.set("a/b/x", buffer(b"x"))
    (store.root / "a" / "b" / "up").symlink_to("../..")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "y").write_bytes(b"y")
    (tmp_path / "out" / "back").symlink_to(store.root)
    (store.root / "out").symlink_to(tmp_path / "out")
    assert sorted(await drained(store.list())) == ["a/b/x", "out/y"]
    found = await drained(store.list_prefix("a/"))
    assert "a/b/x" in found
    assert len(found) == len(set(found)) <= 4


async def test_one_directory_under_two_names_is_listed_under_both(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "root")
    await store.set("a/x", buffer(b"x"))
    (store.root / "b").symlink_to("a")
    (store.root / "c").symlink_to("a")
    assert sorted(await drained(store.list())) == ["a/x", "b/x", "c/x"]
    assert sorted(await drained(store.list_dir(""))) == ["a", "b", "c"]


# --- the local file system of fsspec ------------------------------------------------------


def _file_systems() -> dict[str, Callable[[Path], Any]]:
    asyn = pytest.importorskip("fsspec.implementations.asyn_wrapper")
    local = pytest.importorskip("fsspec.implementations.local").LocalFileSystem
    dirfs = pytest.importorskip("fsspec.implementations.dirfs").DirFileSystem
    store = pytest.importorskip("zarr.storage").FsspecStore
    wrap = asyn.AsyncFileSystemWrapper

    def within(root: Path) -> Any:
        inner = wrap(local(auto_mkdir=True), asynchronous=True)
        return store(dirfs(path=str(root), fs=inner, asynchronous=True), path="")

    def around(root: Path) -> Any:
        inner = dirfs(path=str(root), fs=local(auto_mkdir=True))
        return store(wrap(inner, asynchronous=True), path="")

    return {
        "file": lambda root: store.from_url(f"file://{root}", storage_options={"auto_mkdir": True}),
        "directory around": around,
        "directory within": within,
    }


@pytest.mark.parametrize("kind", ["file", "directory around", "directory within"])
@pytest.mark.parametrize("key", ["link", "link/a", "link/precious", "link/nope", "link/./precious"])
@pytest.mark.parametrize("method", ["delete", "delete_dir", "clear"])
def test_fsspec_deletes_nothing_behind_a_link(
    place: Place, kind: str, key: str, method: str
) -> None:
    store = _file_systems()[kind](place.root)
    is_behind = method != "clear" and key.count("/") > 0 and key != "link/nope"
    refused = pytest.raises(NotImplementedError, match="'link' on the way to it is a symbolic link")
    with refused if is_behind else nullcontext():
        sync(store.clear() if method == "clear" else getattr(store, method)(key))
    assert place.outside() == place.before


@pytest.mark.parametrize("kind", ["file", "directory around", "directory within"])
def test_fsspec_overwrites_nothing_behind_a_link(place: Place, kind: str) -> None:
    store = _file_systems()[kind](place.root)
    with pytest.raises(NotImplementedError, match="'link' on the way to it is a symbolic link"):
        zarr.create_array(store, name="link/a", shape=(2,), dtype="i4", overwrite=True)
    zarr.create_group(store, path="link", overwrite=True)
    assert place.outside() == place.before


@pytest.mark.parametrize("kind", ["file", "directory around", "directory within"])
def test_fsspec_lists_no_link_to_nothing(place: Place, kind: str) -> None:
    (place.root / "itself").symlink_to("itself")
    (place.root / "nothing").symlink_to("nope")
    store = _file_systems()[kind](place.root)
    assert sorted(sync(drained(store.list_dir("")))) == ["link", "zarr.json"]
    assert list(zarr.open_group(store, mode="r").keys()) == ["link"]
