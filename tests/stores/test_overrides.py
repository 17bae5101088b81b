"""Which method of a store a read or write reaches, where some of them are overridden or patched."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.optional import lacks

import zarr
from zarr.abc._store_access import access_of
from zarr.abc.store import Store
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


def _fsspec(cls: type, root: Path) -> Any:
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
    from fsspec.implementations.memory import MemoryFileSystem

    fs = AsyncFileSystemWrapper(MemoryFileSystem(), asynchronous=True)
    return cls(fs, path=str(root))


def _obstore(cls: type, root: Path) -> Any:
    import obstore

    return cls(obstore.store.MemoryStore())


MAKE: dict[type[Store], Make] = {
    MemoryStore: lambda cls, root: cls(),
    ManagedMemoryStore: lambda cls, root: cls(),
    LocalStore: lambda cls, root: cls(root),
    ZipStore: lambda cls, root: cls(root / "a.zip", mode="a"),
    WrapperStore: lambda cls, root: cls(MemoryStore()),
    LoggingStore: lambda cls, root: cls(MemoryStore(), log_level="CRITICAL"),
    LatencyStore: lambda cls, root: cls(MemoryStore()),
    RecordingStore: lambda cls, root: cls(MemoryStore()),
    CacheStore: lambda cls, root: cls(MemoryStore(), cache_store=MemoryStore()),
}
if not lacks("fsspec"):
    from zarr.storage import FsspecStore

    MAKE[FsspecStore] = _fsspec
if not lacks("obstore"):
    from zarr.storage import ObjectStore

    MAKE[ObjectStore] = _obstore


def noting(original: Any, name: str, seen: list[Seen], of: Callable[[Any], Any]) -> Any:
    """Return a method that notes its name when it is called with a chunk, and does what it did."""

    def note(key: Any) -> None:
        key = key[0] if isinstance(key, tuple) else key
        if key.startswith("c/"):
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
        store = MAKE[next(base for base in cls.__mro__ if base in MAKE)](cls, tmp_path)
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


def methods(seen: list[Seen]) -> set[str]:
    return {name for name, _ in seen}


def keys(seen: list[Seen]) -> set[str]:
    return {key for _, key in seen}


def read_sync(array: Any) -> Any:
    return array[:6]


def read_async(array: Any) -> Any:
    return sync(array.async_array.getitem(slice(0, 6)))


# What is overridden, and what a read of chunks in the calling thread begins with. A method may call
# another one that is overridden, too.
READS: list[tuple[tuple[str, ...], str]] = [
    (("get",), "get"),
    (("get_many",), "get_many"),
    (("get_sync",), "get_sync"),
    (("get", "get_many"), "get_many"),
    (("get", "get_sync"), "get_sync"),
    (("get_many", "get_sync"), "get_sync"),
]


def has(cls: type[Store], names: tuple[str, ...]) -> bool:
    return all(hasattr(cls, name) for name in names)


@pytest.mark.parametrize(("names", "first"), READS, ids=str)
@pytest.mark.parametrize("cls", MAKE, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("read", [read_sync, read_async])
def test_chunks(
    cls: type[Store], names: tuple[str, ...], first: str, read: Any, overriding: Any
) -> None:
    if not has(cls, names):
        pytest.skip(f"{cls.__name__} has no such methods")
    store, seen = overriding(cls, names)
    array = stored(store)
    seen.clear()
    np.testing.assert_array_equal(read(array), np.arange(1, 7))
    assert keys(seen) == {"c/0", "c/1", "c/2"}
    assert methods(seen) <= set(names)
    # A store around another one goes by its `get_many`, or what that is derived from.
    if read is read_sync and not issubclass(cls, WrapperStore):
        assert seen[0][0] == first


@pytest.mark.parametrize("names", [("get",), ("get_sync",), ("get", "get_sync")], ids="-".join)
@pytest.mark.parametrize("cls", MAKE, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("read", [read_sync, read_async])
def test_parts_of_shards(
    cls: type[Store], names: tuple[str, ...], read: Any, overriding: Any
) -> None:
    if not has(cls, names):
        pytest.skip(f"{cls.__name__} has no such methods")
    store, seen = overriding(cls, names)
    array = stored(store, (4,))
    seen.clear()
    np.testing.assert_array_equal(read(array), np.arange(1, 7))
    assert keys(seen) == {"c/0", "c/1"}
    assert methods(seen) <= set(names)


def write_sync(array: Any, value: Any) -> None:
    array[:] = value


def write_async(array: Any, value: Any) -> None:
    sync(array.async_array.setitem(slice(None), value))


@pytest.mark.parametrize(
    "names",
    [("set",), ("set_sync",), ("set", "set_sync"), ("delete",), ("delete_sync",)],
    ids="-".join,
)
@pytest.mark.parametrize("cls", MAKE, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("write", [write_sync, write_async])
def test_writes(cls: type[Store], names: tuple[str, ...], write: Any, overriding: Any) -> None:
    deletes = names[0].startswith("delete")
    if not has(cls, names) or (deletes and cls is ZipStore):
        pytest.skip(f"{cls.__name__} has no such methods")
    store, seen = overriding(cls, names)
    array = stored(store) if deletes else created(store)
    seen.clear()
    write(array, 0 if deletes else np.arange(2, 10))
    in_thread = names[0].endswith("_sync")
    if in_thread and not access_of(store).writes_in_thread:
        assert methods(seen) <= set(names)
    else:
        assert keys(seen) == {"c/0", "c/1", "c/2", "c/3"}
        assert methods(seen) <= set(names)


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
