"""make_store and make_store_path: what a user may pass as a store."""

from __future__ import annotations

import collections
import os
import pathlib
import types
import warnings
from pathlib import Path
from typing import Any

import fsspec
import pytest

import zarr.storage
from zarr.core.buffer import Buffer, cpu
from zarr.core.sync import sync
from zarr.errors import ZarrDeprecationWarning
from zarr.storage import (
    FsspecStore,
    LocalStore,
    ManagedMemoryStore,
    MemoryStore,
    StorePath,
    ZipStore,
)
from zarr.storage._common import make_store, make_store_path

MODES: tuple[Any, ...] = (None, "r", "r+", "a", "w", "w-")
UNUSED = "'storage_options' was provided but unused"


def buffer(value: bytes) -> Buffer:
    return cpu.Buffer.from_bytes(value)


def make(store_like: Any, **kwargs: Any) -> Any:
    return sync(make_store(store_like, **kwargs))


def make_path(store_like: Any, **kwargs: Any) -> StorePath:
    return sync(make_store_path(store_like, **kwargs))


# --- local paths ------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("convert", [str, Path, lambda path: f"file://{path}"])
@pytest.mark.parametrize("exists", [True, False])
def test_local_paths(tmp_path: Path, mode: Any, convert: Any, exists: bool) -> None:
    """Reading needs the directory, and makes none; no mode empties it."""
    root = tmp_path / "root"
    if exists:
        root.mkdir()
        (root / "other").write_bytes(b"kept")
    if mode in ("r", "r+") and not exists:
        with pytest.raises(FileNotFoundError, match="does not exist"):
            make(convert(root), mode=mode)
        assert not root.exists()
        return
    store = make(convert(root), mode=mode)
    assert isinstance(store, LocalStore)
    assert store.root == root
    assert store.read_only == (mode == "r")
    assert store._is_open
    place = make_path(convert(root), path="sub/node", mode=mode)
    assert place.path == "sub/node"
    assert place.read_only == (mode == "r")
    if exists:
        assert (root / "other").read_bytes() == b"kept"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", "."),
        ("rel.zarr", "rel.zarr"),
        ("~/x", "~/x"),
        ("a:b", "a:b"),
        ("memory:foo", "memory:foo"),
        ("with::colons", None),
        ("/x/y/../z", "/x/y/../z"),
        ("file:///x/y", "/x/y"),
        ("FILE:///x/y", "/x/y"),
        ("file:/x/y", "/x/y"),
        ("file:x/y", "x/y"),
        ("file://x/y", "x/y"),
        ("file://localhost/x/y", "/x/y"),
        ("file://localhosts/x", "localhosts/x"),
        ("file:///C:/x", "C:/x"),
        ("file:///x/a%20b", "/x/a%20b"),
        ("local:///x/y", "/x/y"),
    ],
)
def test_local_strings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, path: str | None
) -> None:
    opened: list[Path] = []

    async def open_store(root: Path, **kwargs: Any) -> LocalStore:
        opened.append(root)
        return LocalStore(root)

    monkeypatch.setattr(LocalStore, "open", open_store)
    if path is None:
        with pytest.raises(ValueError, match="Protocol not known"):
            make(text)
    else:
        assert isinstance(make(text), LocalStore)
        assert opened == [Path(path)]


def test_upath_of_a_local_directory(tmp_path: Path) -> None:
    upath = pytest.importorskip("upath")
    for made in (upath.UPath(tmp_path), upath.UPath(f"file://{tmp_path}")):
        store = make(made, mode="r")
        assert isinstance(store, LocalStore)
        assert store.root == tmp_path


# --- URLs -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_urls(mode: Any) -> None:
    store = make("memory://some/where", mode=mode)
    assert isinstance(store, FsspecStore)
    assert store.path == "/some/where"
    assert store.read_only == (mode == "r")
    if mode != "w-":
        place = make_path("memory://some/where", path="c", mode=mode)
        assert (place.path, place.read_only) == ("c", mode == "r")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://host/a", "http://host/a"),
        ("simplecache::memory://a/b", "/a/b"),
        ("simplecache::file:///a/b", "/a/b"),
        ("s3://bucket/a/", "bucket/a"),
    ],
)
def test_urls_of_fsspec(url: str, path: str) -> None:
    store = make(url)
    assert isinstance(store, FsspecStore)
    assert store.path == path


def test_storage_options_reach_the_file_system() -> None:
    store = make("http://host/a", storage_options={"block_size": 5})
    assert store.fs.block_size == 5
    references: dict[str, Any] = {"version": 1, "refs": {"a": "x"}}
    store = make("reference://", storage_options={"fo": references})
    assert sync(store.exists("a"))


def test_unknown_protocol() -> None:
    with pytest.raises(ValueError, match="Protocol not known: nosuchscheme"):
        make("nosuchscheme://a/b")


def test_managed_memory_comes_first() -> None:
    managed = ManagedMemoryStore()
    url = str(managed)
    sync(managed.set("a", buffer(b"1")))
    found = make(url, mode="r")
    assert isinstance(found, ManagedMemoryStore)
    assert found.read_only
    assert sync(found.exists("a"))
    del managed, found
    assert isinstance(make(url), FsspecStore)


def test_upath_of_another_file_system() -> None:
    upath = pytest.importorskip("upath")
    store = make(upath.UPath("memory://u/p"), mode="r")
    assert isinstance(store, FsspecStore)
    assert (store.path, store.read_only) == ("/u/p", True)


def test_mapper() -> None:
    mapper = fsspec.get_mapper("memory://mapped")
    store = make(mapper, mode="r")
    assert isinstance(store, FsspecStore)
    assert (store.path, store.read_only) == ("/mapped", True)


# --- memory and stores ------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("store_like", [None, {}, collections.OrderedDict()])
def test_memory(mode: Any, store_like: Any) -> None:
    store = make(store_like, mode=mode)
    assert isinstance(store, MemoryStore)
    assert store.read_only == (mode == "r")
    assert store._is_open
    if store_like is not None:
        assert store._store_dict is store_like


@pytest.mark.parametrize("mode", MODES)
def test_stores_stay_what_they_are(mode: Any, tmp_path: Path) -> None:
    for store in (MemoryStore(), MemoryStore(read_only=True), ZipStore(tmp_path / "x.zip")):
        assert make(store, mode=mode) is store
        assert make(StorePath(store, "x"), mode=mode) is store
        assert not store._is_open


@pytest.mark.parametrize("path", ["", "/", "c", "c//d/"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wrap", [lambda store: store, lambda store: StorePath(store, "x/y")])
def test_places(mode: Any, wrap: Any, path: str) -> None:
    """A store is held to the mode; a StorePath is used as it is, read-only for ``"r"``."""
    given_as_place = isinstance(wrap(None), StorePath)
    base = getattr(wrap(None), "path", "")
    expected = "/".join(part for part in (base, *path.split("/")) if part)
    store = MemoryStore()
    place = make_path(wrap(store), path=path, mode=mode)
    assert place.path == expected
    assert place.read_only == (mode == "r")
    reader = MemoryStore(read_only=True)
    if mode in (None, "r") or given_as_place:
        assert make_path(wrap(reader), path=path, mode=mode).store is reader
    else:
        with pytest.raises(ValueError, match="Store is read-only but mode is"):
            make_path(wrap(reader), path=path, mode=mode)
    full = MemoryStore({f"{expected}/k".lstrip("/"): buffer(b"1")})
    if mode == "w-" and not given_as_place:
        with pytest.raises(FileExistsError, match="already contains data"):
            make_path(wrap(full), path=path, mode=mode)
    else:
        make_path(wrap(full), path=path, mode=mode)
        assert len(full._store_dict) == 1


# --- what is refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    "store_like",
    [5, b"bytes", [1], object(), pathlib.PurePosixPath("/x"), types.MappingProxyType({})],
)
def test_what_is_no_store(store_like: Any) -> None:
    expected = f"Unsupported type for store_like: '{type(store_like).__name__}'"
    with pytest.raises(TypeError, match=expected):
        make(store_like)


@pytest.mark.parametrize("store_like", [None, {}, "x", "memory://x", MemoryStore()])
def test_modes_that_are_none(
    store_like: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for use in (make, make_path):
        with pytest.raises(ValueError, match="Invalid mode: bad, expected one of"):
            use(store_like, mode="bad")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", [5, pathlib.PurePosixPath("x"), "../x"])
def test_paths_that_are_none(path: Any, tmp_path: Path) -> None:
    with pytest.raises((TypeError, ValueError)):
        make_path(tmp_path / "root", path=path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("options", [{"a": 1}, {}])
def test_storage_options_without_use(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mapper = fsspec.get_mapper("memory://mapped")
    likes: tuple[Any, ...] = (
        None,
        {},
        "x",
        Path("x"),
        f"file://{tmp_path}/x",
        "memory://x",
        MemoryStore(),
        mapper,
    )
    for store_like in likes:
        for use in (make, make_path):
            with pytest.raises(TypeError, match=UNUSED):
                use(store_like, storage_options=options)
    assert os.listdir(tmp_path) == []
    with pytest.raises(TypeError, match=UNUSED):
        make(StorePath(MemoryStore()), storage_options={"a": 1})


# --- the package ------------------------------------------------------------------------


def test_default_compressor_is_gone() -> None:
    module: Any = zarr.storage
    with pytest.warns(ZarrDeprecationWarning, match=r"array\.v2_default_compressor"):
        module.default_compressor = 5
    assert not hasattr(module, "default_compressor")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module.something = 5
    assert module.something == 5
    del module.something


def test_names() -> None:
    assert len(zarr.storage.__all__) == 11
    for name in zarr.storage.__all__:
        assert hasattr(zarr.storage, name)
    assert repr(zarr.storage.StoreLike) == "StoreLike"
