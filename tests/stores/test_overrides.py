"""Which method of a store a read or write reaches, where some of them are overridden or patched."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch

import numpy as np
import pytest
from tests.optional import lacks

import zarr
from zarr.abc._store_access import access_of
from zarr.abc.store import Store
from zarr.core.buffer import Buffer
from zarr.core.sync import sync
from zarr.experimental.cache_store import CacheStore
from zarr.storage import (
    LocalStore,
    LoggingStore,
    ManagedMemoryStore,
    MemoryStore,
    WrapperStore,
    ZipStore,
)
from zarr.testing.recording import RecordingStore
from zarr.testing.store import LatencyStore

Make = Callable[[type, Path], Any]
Seen = tuple[str, str]  # a method and a key
Meant = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]  # see `Kind`


class Beneath(MemoryStore):
    """Notes which writes and deletions of chunks the store around it passes on."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Seen] = []

    def _note(self, name: str, key: str) -> None:
        if key.startswith("c/"):
            self.seen.append((name, key))

    async def set(self, key: str, value: Buffer, byte_range: None = None) -> None:
        self._note("set", key)
        super().set_sync(key, value)

    def set_sync(self, key: str, value: Buffer) -> None:
        self._note("set_sync", key)
        super().set_sync(key, value)

    async def delete(self, key: str) -> None:
        self._note("delete", key)
        super().delete_sync(key)

    def delete_sync(self, key: str) -> None:
        self._note("delete_sync", key)
        super().delete_sync(key)


def _fsspec(cls: type, root: Path) -> Any:
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
    from fsspec.implementations.memory import MemoryFileSystem

    fs = AsyncFileSystemWrapper(MemoryFileSystem(), asynchronous=True)
    return cls(fs, path=str(root))


def _obstore(cls: type, root: Path) -> Any:
    import obstore

    return cls(obstore.store.MemoryStore())


@dataclass(frozen=True)
class Kind:
    """How a kind of store is made, and which of its methods are meant where several are overridden.

    Parameters
    ----------
    make : callable
        Returns a store of the class, in a directory.
    reads : tuple of str
        Its ways to read; of those that one class overrides the first one is meant.
    writes, deletes : tuple of str
        The same for writing and deleting. What is not here nobody calls, overridden or not.
    many_by_get : bool
        Whether its `get_many` is derived from its `get`, and so calls that, too.
    """

    make: Make
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    deletes: tuple[str, ...]
    many_by_get: bool = False


# Stores that the calling thread may read and write, which then does; one that it may read; stores
# around others, read in bulk unless nothing but `get_sync` is overridden, and never written in the
# calling thread; stores that are far away.
HERE: Meant = (
    ("get_sync", "get_many", "get"),
    ("set_sync", "set"),
    ("delete_sync", "delete"),
)
READ_HERE: Meant = (("get_sync", "get_many", "get"), ("set",), ())
AROUND: Meant = (("get_many", "get", "get_sync"), ("set",), ("delete",))
FAR: Meant = (("get_many", "get"), ("set",), ("delete",))

KINDS: dict[type[Store], Kind] = {
    MemoryStore: Kind(lambda cls, root: cls(), *HERE),
    ManagedMemoryStore: Kind(lambda cls, root: cls(), *HERE),
    LocalStore: Kind(lambda cls, root: cls(root), *HERE),
    ZipStore: Kind(lambda cls, root: cls(root / "a.zip", mode="a"), *READ_HERE),
    WrapperStore: Kind(lambda cls, root: cls(Beneath()), *AROUND),
    LoggingStore: Kind(lambda cls, root: cls(Beneath(), log_level="CRITICAL"), *AROUND),
    LatencyStore: Kind(lambda cls, root: cls(Beneath()), *AROUND, many_by_get=True),
    RecordingStore: Kind(lambda cls, root: cls(Beneath()), *AROUND),
    CacheStore: Kind(lambda cls, root: cls(Beneath(), cache_store=MemoryStore()), *AROUND),
}
if not lacks("fsspec"):
    from zarr.storage import FsspecStore

    KINDS[FsspecStore] = Kind(_fsspec, *FAR)
if not lacks("obstore"):
    from zarr.storage import ObjectStore

    KINDS[ObjectStore] = Kind(_obstore, *FAR)


def calls(meant: Iterable[str], names: tuple[str, ...], keys: Sequence[str]) -> list[Seen]:
    """Return the calls of overridden methods, each key once: to the first one that is meant."""
    first = next((name for name in meant if name in names), None)
    return [] if first is None else [(first, key) for key in keys]


def noting(original: Any, name: str, seen: list[Seen], of: Callable[[Any], Any]) -> Any:
    """Return a method that notes its name when it is called with a chunk, and does what it did."""

    def note(key: Any) -> None:
        key = key[0] if isinstance(key, tuple) else key
        if key.startswith("c/") or name.startswith("delete"):
            seen.append((name, key))

    if name == "get_many":

        async def get_many(self: Any, requests: Any, **kwargs: Any) -> Any:
            requests = list(requests)
            for request in requests:
                note(request)
            async for batch in of(self)(requests, **kwargs):
                yield batch

        return get_many
    if inspect.iscoroutinefunction(original):

        async def method(self: Any, key: str, *args: Any, **kwargs: Any) -> Any:
            note(key)
            return await of(self)(key, *args, **kwargs)

        return method

    def in_thread(self: Any, key: str, *args: Any, **kwargs: Any) -> Any:
        note(key)
        return of(self)(key, *args, **kwargs)

    return in_thread


@pytest.fixture(params=["subclass", "class patched", "object patched"])
def overriding(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[Any, list[Seen]]]:
    """Return a function that makes a store of a class with some methods overridden."""

    def made(cls: type[Store], names: tuple[str, ...]) -> tuple[Any, list[Seen]]:
        seen: list[Seen] = []
        originals = {name: getattr(cls, name) for name in names}

        def bound(name: str) -> Callable[[Any], Any]:
            return lambda self: originals[name].__get__(self)

        methods = {name: noting(originals[name], name, seen, bound(name)) for name in names}
        if request.param == "subclass":
            cls = type(f"Own{cls.__name__}", (cls,), methods)
        if request.param == "class patched":
            for name, method in methods.items():
                monkeypatch.setattr(cls, name, method)
        store = KINDS[next(base for base in cls.__mro__ if base in KINDS)].make(cls, tmp_path)
        if request.param == "object patched":
            for name, method in methods.items():
                store.__dict__[name] = method.__get__(store)
        return store, seen

    return made


def created(store: Any, shards: Any = None) -> zarr.Array[Any]:
    return zarr.create_array(store, shape=(8,), chunks=(2,), shards=shards, dtype="i8")


def stored(store: Any, shards: Any = None) -> zarr.Array[Any]:
    array = created(store, shards)
    array[:] = np.arange(1, 9)
    return array


def read_sync(array: Any) -> Any:
    return array[:6]


def read_async(array: Any) -> Any:
    return sync(array.async_array.getitem(slice(0, 6)))


def has(cls: type[Store], names: tuple[str, ...]) -> bool:
    return all(hasattr(cls, name) for name in names)


@pytest.mark.parametrize(
    "names",
    [
        ("get",),
        ("get_many",),
        ("get_sync",),
        ("get", "get_many"),
        ("get", "get_sync"),
        ("get_many", "get_sync"),
    ],
    ids="-".join,
)
@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("read", [read_sync, read_async])
def test_chunks(cls: type[Store], names: tuple[str, ...], read: Any, overriding: Any) -> None:
    if not has(cls, names):
        pytest.skip(f"{cls.__name__} has no such methods")
    kind = KINDS[cls]
    expected = calls(kind.reads, names, ["c/0", "c/1", "c/2"])
    if "get_many" in names and kind.many_by_get:
        expected += calls(["get"], names, ["c/0", "c/1", "c/2"])
    assert expected
    store, seen = overriding(cls, names)
    array = stored(store)
    seen.clear()
    np.testing.assert_array_equal(read(array), np.arange(1, 7))
    assert sorted(seen) == sorted(expected)


@pytest.mark.parametrize("names", [("get",), ("get_sync",), ("get", "get_sync")], ids="-".join)
@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("read", [read_sync, read_async])
def test_parts_of_shards(
    cls: type[Store], names: tuple[str, ...], read: Any, overriding: Any
) -> None:
    if not has(cls, names):
        pytest.skip(f"{cls.__name__} has no such methods")
    # The first shard whole; of the second one its index, and one of two chunks.
    expected = calls(KINDS[cls].reads, names, ["c/0", "c/1", "c/1"])
    assert expected
    store, seen = overriding(cls, names)
    array = stored(store, (4,))
    seen.clear()
    np.testing.assert_array_equal(read(array), np.arange(1, 7))
    assert sorted(seen) == expected


def write_sync(array: Any, value: Any) -> None:
    array[:] = value


def write_async(array: Any, value: Any) -> None:
    sync(array.async_array.setitem(slice(None), value))


@pytest.mark.parametrize(
    "names",
    [
        ("set",),
        ("set_sync",),
        ("set", "set_sync"),
        ("delete",),
        ("delete_sync",),
        ("delete", "delete_sync"),
    ],
    ids="-".join,
)
@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("write", [write_sync, write_async])
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")  # of members of archives
def test_writes(cls: type[Store], names: tuple[str, ...], write: Any, overriding: Any) -> None:
    deletes = names[0].startswith("delete")
    if not has(cls, names):
        pytest.skip(f"{cls.__name__} has no such methods")
    keys = ["c/0", "c/1", "c/2", "c/3"]
    kind = KINDS[cls]
    store, seen = overriding(cls, names)
    array = stored(store) if deletes else created(store)
    around = isinstance(store, WrapperStore)
    seen.clear()
    if around:
        store._store.seen.clear()
    value = np.zeros(8, int) if deletes else np.arange(2, 10)
    write(array, value)
    assert sorted(seen) == calls(kind.deletes if deletes else kind.writes, names, keys)
    if around:
        # Whether an override was called or not: this is how the chunks got where they are.
        verb = "delete" if deletes else "set"
        assert sorted(store._store.seen) == [(verb, key) for key in keys]
    np.testing.assert_array_equal(array[:], value)
    assert [sync(store.exists(key)) for key in keys] == [not (deletes and kind.deletes)] * 4


DELETIONS: dict[str, Callable[[Any, Any], Any]] = {
    "del": lambda group, array: group.__delitem__("a"),
    "async del": lambda group, array: sync(group._async_group.delitem("a")),
    "overwriting": lambda group, array: group.create_array(
        "a", shape=(2,), dtype="i4", overwrite=True
    ),
    "delete_dir": lambda group, array: sync((group.store_path / "a").delete_dir()),
}


@pytest.mark.parametrize(
    "names",
    [("delete",), ("delete_sync",), ("delete", "delete_sync"), ("delete_dir",)],
    ids="-".join,
)
@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("case", DELETIONS)
def test_deletions_below_a_place(
    cls: type[Store], names: tuple[str, ...], case: str, overriding: Any
) -> None:
    if not has(cls, names) or cls is ZipStore:
        pytest.skip(f"{cls.__name__} has no such methods, or cannot delete")
    if names == ("delete_sync",) and "delete_sync" not in KINDS[cls].deletes:
        pytest.skip(f"nobody calls delete_sync of {cls.__name__}")
    store, seen = overriding(cls, names)
    group = zarr.create_group(store)
    array = group.create_array("a", shape=(4,), chunks=(2,), dtype="i4")
    array[:] = 1
    seen.clear()
    DELETIONS[case](group, array)
    keys = ["a/c/0", "a/c/1", "a/zarr.json"]
    if names == ("delete_dir",):
        assert seen == [("delete_dir", "a")]
    else:
        assert sorted({key for _, key in seen}) == keys
        assert {name for name, _ in seen} <= set(names)
    left = sorted([key for key in sync_list(store) if key.startswith("a/")])
    assert left == (["a/zarr.json"] if case == "overwriting" else [])
    assert sorted(group.keys()) == (["a"] if left else [])


@pytest.mark.parametrize("names", [("delete",), ("delete_dir",)], ids="-".join)
@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
def test_clearing(cls: type[Store], names: tuple[str, ...], overriding: Any) -> None:
    if cls is ZipStore:
        pytest.skip(f"{cls.__name__} cannot delete")
    store, seen = overriding(cls, names)
    if "Own" not in type(store).__name__:
        pytest.skip("a caller of `clear` looks nothing up")
    stored(store)
    seen.clear()
    sync(store.clear())
    keys = [""] if names == ("delete_dir",) else ["c/0", "c/1", "c/2", "c/3", "zarr.json"]
    assert sorted(seen) == [(names[0], key) for key in keys]
    assert sync_list(store) == []


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("cls", KINDS, ids=lambda cls: cls.__name__)
def test_making_a_node_in_a_group_that_is_there(
    cls: type[Store], wrapped: bool, zarr_format: Any, overwrite: bool, tmp_path: Path
) -> None:
    if overwrite and cls is ZipStore:
        pytest.skip("it cannot delete")
    seen: list[str] = []
    original: Any = cls.set_if_not_exists

    async def set_if_not_exists(self: Any, key: str, value: Buffer) -> None:
        seen.append(key)
        await original(self, key, value)

    own = type(f"Own{cls.__name__}", (cls,), {"set_if_not_exists": set_if_not_exists})
    store = KINDS[cls].make(own, tmp_path)
    store = WrapperStore(store) if wrapped else store
    group = zarr.create_group(store, attributes={"a": 1}, zarr_format=zarr_format)
    group.create_group("b", attributes={"b": 1})
    seen.clear()
    group.create_array("b/c", shape=(2,), dtype="i4", overwrite=overwrite)
    name = "zarr.json" if zarr_format == 3 else ".zgroup"
    assert {name, f"b/{name}"} <= set(seen)
    again = zarr.open_group(store, mode="r+", zarr_format=zarr_format)
    assert (again.attrs.asdict(), again["b"].attrs.asdict()) == ({"a": 1}, {"b": 1})


def test_a_deletion_that_is_refused_leaves_the_value() -> None:
    class Keeping(MemoryStore):
        async def delete(self, key: str) -> None:
            if key.endswith("c/0"):
                raise PermissionError(key)
            await super().delete(key)

    store = Keeping()
    group = zarr.create_group(store)
    group.create_array("a", shape=(4,), chunks=(2,), dtype="i4")[:] = 1
    with pytest.raises(PermissionError, match="a/c/0"):
        del group["a"]
    with pytest.raises(PermissionError, match="a/c/0"):
        sync(WrapperStore(store).clear())
    assert "a/c/0" in sync_list(store)


def sync_list(store: Any) -> list[str]:
    async def keys() -> list[str]:
        return [key async for key in store.list()]

    return sync(keys())


def test_a_patch_is_forgotten_when_it_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(MemoryStore):
        pass

    store = MemoryStore()
    before = access_of(store)
    with monkeypatch.context() as patch:
        patch.setattr(MemoryStore, "get", lambda *_: None)
        assert not access_of(store).reads_in_thread
        assert not access_of(Own()).reads_in_thread
        assert not access_of(store).never_waits
    assert access_of(store) is before


@pytest.fixture(autouse=True)
def _no_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield
    if not lacks("fsspec"):
        from fsspec.implementations.memory import MemoryFileSystem

        MemoryFileSystem.store.clear()
        MemoryFileSystem.pseudo_dirs[:] = [""]


# --- methods patched by mocks -----------------------------------------------------------


def test_mocks_of_methods_record_only_the_calls_of_the_store() -> None:
    store = MemoryStore()
    names = ("get", "set", "list_dir", "list_prefix")
    mocks = {name: MagicMock(side_effect=getattr(store, name)) for name in names}
    with patch.multiple(MemoryStore, **mocks):
        group = zarr.create_group(store, attributes={"a": 1})
        group.create_array("x", data=np.arange(4), chunks=(2,))
        assert zarr.open_array(store, path="x", mode="r")[3] == 3
    for mock in mocks.values():
        assert {name for name, _, _ in mock.mock_calls} <= {""}  # no `__eq__`, for example
    keys = [call.args[0] for call in mocks["set"].mock_calls]
    assert sorted(keys) == ["x/c/0", "x/c/1", "x/zarr.json", "zarr.json"]
    # One read to see whether the array exists, one to open it.
    assert [call.args[0] for call in mocks["get"].mock_calls].count("x/zarr.json") == 2


@pytest.mark.parametrize("on_class", [True, False])
def test_a_patched_set_sees_new_nodes(
    on_class: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for store in (MemoryStore(), LocalStore(tmp_path / "a"), WrapperStore(MemoryStore())):
        keys: list[str] = []
        original = store.set

        async def noted(
            *args: Any, keys: list[str] = keys, original: Any = original, **options: Any
        ) -> None:
            key, value = args[-2:]
            keys.append(key)
            await original(key, value, **options)

        with monkeypatch.context() as context:
            context.setattr(type(store) if on_class else store, "set", noted)
            zarr.create_group(store).create_array("x", shape=(2,), dtype="i1")
        assert keys == ["zarr.json", "x/zarr.json"]


@pytest.mark.parametrize("parent_format", [2, 3])
def test_a_group_of_format_3_is_one_request_for_a_new_member(parent_format: Any) -> None:
    inner = MemoryStore()
    zarr.create_group(inner, zarr_format=parent_format)
    store = RecordingStore(inner)
    zarr.create_array(store, name="x", shape=(2,), dtype="i1", zarr_format=3)
    keys = {request.key for request in store.asked}
    assert (".zarray" in keys) is (parent_format == 2)
