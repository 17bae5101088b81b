"""StorePath, and what is asked about a place before a node is made there."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.optional import lacks

from zarr.abc.store import ByteGetter, ByteSetter, Store
from zarr.core._byte_ranges import RangeByteRequest
from zarr.core.buffer import Buffer, cpu, default_buffer_prototype
from zarr.core.sync import sync
from zarr.errors import (
    ContainsArrayAndGroupError,
    ContainsArrayError,
    ContainsGroupError,
    MetadataValidationError,
)
from zarr.storage import FsspecStore, LocalStore, MemoryStore, StorePath, WrapperStore, ZipStore
from zarr.storage._common import contains_array, contains_group, ensure_no_existing_node

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def buffer(value: bytes) -> Buffer:
    return cpu.Buffer.from_bytes(value)


def memory(**values: bytes) -> MemoryStore:
    return MemoryStore({key: buffer(value) for key, value in values.items()})


# --- paths ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", ""),
        ("/", ""),
        ("a/", "a"),
        ("/a//b/", "a/b"),
        ("a\\b", "a/b"),
        ("..a/b..", "..a/b.."),
        (None, ""),
        (b"a/b", "a/b"),
    ],
)
def test_paths_are_normalized(path: Any, expected: str) -> None:
    assert StorePath(MemoryStore(), path).path == expected


@pytest.mark.parametrize("path", ["..", ".", "a/../b", "a/./b", "a\\..\\b"])
def test_dots_are_refused(path: str) -> None:
    store = MemoryStore()
    with pytest.raises(ValueError, match=r"contains '\.' or '\.\.' segments"):
        StorePath(store, path)
    for place in (StorePath(store), StorePath(store, "x")):
        with pytest.raises(ValueError, match=r"contains '\.' or '\.\.' segments"):
            place / path


@pytest.mark.parametrize("path", [5, 1.5, ["a"]])
def test_what_is_no_path_is_refused(path: Any) -> None:
    with pytest.raises(TypeError):
        StorePath(MemoryStore(), path)
    with pytest.raises(TypeError):
        StorePath(MemoryStore(), "a") / path


@given(
    base=st.text("ab./\\", max_size=6),
    child=st.text("ab.0/\\", max_size=8),
)
def test_division_is_joining(base: str, child: str) -> None:
    """The short cut for keys that need no change is one."""
    store = MemoryStore()
    try:
        place = StorePath(store, base)
    except ValueError:
        return
    try:
        expected = StorePath(store, f"{place.path}/{child}")
    except ValueError:
        with pytest.raises(ValueError, match="segments"):
            place / child
        return
    result = place / child
    assert type(result) is StorePath
    assert vars(result) == vars(expected)


def test_equality_and_representation() -> None:
    store = MemoryStore()
    place = StorePath(store, "a") / "b/c"
    assert place == StorePath(store, "a/b/c")
    assert place != StorePath(store, "a/b")
    assert place != StorePath(memory(x=b"1"), "a/b/c")
    assert place != "a/b/c"
    assert str(place) == f"{store}/a/b/c"
    assert repr(place) == f"StorePath(MemoryStore, '{store}/a/b/c')"
    assert str(StorePath(store)) == str(store)
    with pytest.raises(TypeError, match="unhashable"):
        hash(place)


def test_pickle(tmp_path: Path) -> None:
    place = StorePath(LocalStore(tmp_path), "a/b")
    assert pickle.loads(pickle.dumps(place)) == place


# --- values -----------------------------------------------------------------------------


async def test_values() -> None:
    place = StorePath(MemoryStore(), "k")
    assert isinstance(place, ByteGetter)
    assert isinstance(place, ByteSetter)
    assert await place.get() is None
    assert not await place.exists()
    await place.set(buffer(b"hello"))
    await place.set_if_not_exists(buffer(b"other"))
    found = await place.get(default_buffer_prototype(), RangeByteRequest(1, 3))
    assert found is not None
    assert found.to_bytes() == b"el"
    assert await place.exists()
    assert await place.is_empty()
    await (place / "below").set(buffer(b"1"))
    assert not await place.is_empty()
    await place.delete_dir()
    assert await place.is_empty()
    await place.delete()
    assert not await place.exists()


async def test_json() -> None:
    place = StorePath(MemoryStore(), "k")
    assert await place.get_json() is None
    await place.set(buffer(b'{"a": [1]}--'))
    assert await place.get_json(byte_range=RangeByteRequest(0, 10)) == {"a": [1]}
    with pytest.raises(json.JSONDecodeError):
        await place.get_json()


def test_in_the_calling_thread() -> None:
    place = StorePath(MemoryStore(), "k")
    place.set_sync(buffer(b"hello"))
    found = place.get_sync(byte_range=RangeByteRequest(1, 3))
    assert found is not None
    assert found.to_bytes() == b"el"
    place.delete_sync()
    assert place.get_sync() is None


@pytest.mark.skipif(lacks("fsspec"), reason="fsspec gives a store that cannot")
def test_in_the_calling_thread_needs_a_store_that_can() -> None:
    place = StorePath(FsspecStore.from_url("memory://x"), "k")
    uses: dict[str, Callable[[], Any]] = {
        "get": lambda: place.get_sync(),
        "set": lambda: place.set_sync(buffer(b"")),
        "delete": lambda: place.delete_sync(),
    }
    for verb, use in uses.items():
        with pytest.raises(TypeError, match=f"FsspecStore does not support synchronous {verb}"):
            use()


# --- access modes -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["a", "empty"])
@pytest.mark.parametrize("mode", [None, "r", "r+", "a", "w", "w-"])
def test_modes_of_a_writable_store(mode: Any, path: str) -> None:
    store = memory(**{"a/b": b"1", "c": b"1"})
    if mode == "w-" and path == "a":
        with pytest.raises(FileExistsError, match="Cannot create 'a' with mode 'w-'"):
            sync(StorePath.open(store, path, mode))
    else:
        place = sync(StorePath.open(store, path, mode))
        assert place.path == path
        assert place.read_only == (mode == "r")
        if mode != "r":
            assert place.store is store
            assert store._is_open
    assert not store.read_only
    assert sorted(store._store_dict) == ["a/b", "c"]


@pytest.mark.parametrize("mode", [None, "r", "r+", "a", "w", "w-"])
def test_modes_of_a_read_only_store(mode: Any) -> None:
    store = MemoryStore(read_only=True)
    if mode in (None, "r"):
        assert sync(StorePath.open(store, "a", mode)).store is store
    else:
        with pytest.raises(ValueError, match=f"Store is read-only but mode is '{mode[0]}"):
            sync(StorePath.open(store, "a", mode))


def test_modes_that_are_none() -> None:
    with pytest.raises(ValueError, match="Invalid mode: bad, expected one of"):
        sync(StorePath.open(MemoryStore(), "", "bad"))  # type: ignore[arg-type]


def test_reading_from_a_store_without_read_only_view(tmp_path: Path) -> None:
    store = ZipStore(tmp_path / "x.zip", mode="w")
    with pytest.raises(ValueError, match="Unable to create a read-only copy of the store"):
        sync(StorePath.open(store, "", "r"))
    store.close()


# --- nodes ------------------------------------------------------------------------------

V3_ARRAY = {"zarr.json": b'{"zarr_format": 3, "node_type": "array"}'}
V3_GROUP = {"zarr.json": b'{"zarr_format": 3, "node_type": "group"}'}
V2_ARRAY = {".zarray": b"{}"}
V2_GROUP = {".zgroup": b"{}"}
NEITHER = (
    {"zarr.json": b"{bad"},
    {"zarr.json": b"[]"},
    {"zarr.json": b"{}"},
    {"zarr.json": b'{"node_type": "other"}'},
    {"zarr.json": b"\xff"},
)


@pytest.mark.parametrize("path", ["", "p/q"])
@pytest.mark.parametrize(
    ("documents", "zarr_format", "array", "group"),
    [
        ({}, 2, False, False),
        ({}, 3, False, False),
        (V3_ARRAY, 3, True, False),
        (V3_ARRAY, 2, False, False),
        (V3_GROUP, 3, False, True),
        (V2_ARRAY, 2, True, False),
        (V2_ARRAY, 3, False, False),
        (V2_GROUP, 2, False, True),
        (V2_ARRAY | V2_GROUP, 2, True, True),
        (V2_GROUP | V3_ARRAY, 3, True, False),
        (V2_GROUP | V3_ARRAY, 2, False, True),
        *((document, 3, False, False) for document in NEITHER),
        ({".zattrs": b"{}"}, 2, False, False),
    ],
)
async def test_what_a_place_contains(
    documents: dict[str, bytes], zarr_format: Any, array: bool, group: bool, path: str
) -> None:
    prefix = f"{path}/" if path else ""
    store = memory(**{prefix + name: value for name, value in documents.items()})
    place = StorePath(store, path)
    assert await contains_array(place, zarr_format) is array
    assert await contains_group(place, zarr_format) is group
    errors: dict[Any, type[Exception] | None] = {
        None: ContainsArrayError if array else ContainsGroupError if group else None,
        "array": ContainsArrayError if array else None,
        "group": ContainsGroupError if group else None,
    }
    for node_type, error in errors.items():
        if array and group:
            error = ContainsArrayAndGroupError
        elif documents in NEITHER:
            error = MetadataValidationError
        if error is None:
            await ensure_no_existing_node(place, zarr_format, node_type)
        else:
            with pytest.raises(error) as raised:
                await ensure_no_existing_node(place, zarr_format, node_type)
            assert f"{store!r} at path {path!r}" in str(raised.value)


@pytest.mark.parametrize("zarr_format", [1, 4, None, "3"])
async def test_formats_that_are_none(zarr_format: Any) -> None:
    place = StorePath(MemoryStore())
    for ask in (contains_array, contains_group, ensure_no_existing_node):
        with pytest.raises(ValueError, match="Invalid zarr_format provided"):
            await ask(place, zarr_format)


class Recording(WrapperStore[Store]):
    """Notes what is asked, and can fail."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.asked: list[str] = []
        self.error: Exception | None = None

    async def get(self, key: str, *args: Any, **kwargs: Any) -> Buffer | None:
        self.asked.append(f"get {key}")
        if self.error is not None:
            raise self.error
        return await super().get(key, *args, **kwargs)

    async def exists(self, key: str) -> bool:
        self.asked.append(f"exists {key}")
        if self.error is not None:
            raise self.error
        return await super().exists(key)


@pytest.mark.parametrize(
    ("ask", "zarr_format", "asked"),
    [
        (contains_array, 2, ["exists .zarray"]),
        (contains_group, 2, ["exists .zgroup"]),
        (contains_array, 3, ["get zarr.json"]),
        (contains_group, 3, ["get zarr.json"]),
        (ensure_no_existing_node, 2, ["exists .zarray", "exists .zgroup"]),
        (ensure_no_existing_node, 3, ["get zarr.json"]),
    ],
)
async def test_questions_asked(ask: Any, zarr_format: int, asked: list[str]) -> None:
    store = Recording(MemoryStore())
    await ask(StorePath(store), zarr_format)
    assert sorted(store.asked) == asked
    store.error = PermissionError("denied")
    with pytest.raises(PermissionError):
        await ask(StorePath(store), zarr_format)
