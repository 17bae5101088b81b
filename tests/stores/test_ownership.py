"""A store has its values to itself: who wrote one, or read it, cannot change it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.stores.store_kit import PROTOTYPE, AsyncOnlyStore, buffer, drained

import zarr
import zarr.api.asynchronous as async_api
from zarr.core.buffer import cpu
from zarr.core.sync import sync
from zarr.experimental.cache_store import CacheStore
from zarr.storage import (
    FsspecStore,
    LocalStore,
    LoggingStore,
    ManagedMemoryStore,
    MemoryStore,
    ObjectStore,
    StorePath,
    WrapperStore,
    ZipStore,
)
from zarr.testing.buffer import TestBuffer


def _object_store() -> Any:
    return ObjectStore(pytest.importorskip("obstore.store").MemoryStore())


def _fsspec(path: Path) -> Any:
    pytest.importorskip("fsspec")
    return FsspecStore.from_url(f"memory://{path.name}")


STORES: dict[str, Callable[[Path], Any]] = {
    "memory": lambda _: MemoryStore(),
    "managed": lambda _: ManagedMemoryStore(path="a"),
    "logged": lambda _: LoggingStore(MemoryStore()),
    "wrapped": lambda _: WrapperStore(MemoryStore()),
    "cached": lambda _: CacheStore(MemoryStore(), cache_store=MemoryStore()),
    "async only": lambda _: AsyncOnlyStore(),
    "local": lambda path: LocalStore(path),
    "zip": lambda path: ZipStore(path / "x.zip", mode="w"),
    "object": lambda _: _object_store(),
    "fsspec": _fsspec,
}


def _bulk(store: Any) -> Any:
    batches = sync(drained(store.get_many(["k"], prototype=PROTOTYPE)))
    ((_, found),) = [pair for batch in batches for pair in batch]
    return found


WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "set": lambda s, v: sync(s.set("k", v)),
    "set_if_not_exists": lambda s, v: sync(s.set_if_not_exists("k", v)),
    "_set_many": lambda s, v: sync(s._set_many([("k", v)])),
    "path": lambda s, v: sync(StorePath(s, "k").set(v)),
    "path, set_if_not_exists": lambda s, v: sync(StorePath(s, "k").set_if_not_exists(v)),
    "set_sync": lambda s, v: s.set_sync("k", v),
}


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("nbytes", [4, 1 << 20])
def test_what_was_written_does_not_change(tmp_path: Path, kind: str, way: str, nbytes: int) -> None:
    store = STORES[kind](tmp_path)
    if way == "set_sync" and not hasattr(store, "set_sync"):
        pytest.skip("only by awaiting")
    data = np.zeros(nbytes + 8, "u1")
    WAYS[way](store, cpu.Buffer.from_array_like(data[4:-4]))
    data[:] = 255
    for read in (
        lambda: sync(store.get("k", PROTOTYPE)),
        lambda: _bulk(store),
    ):
        assert read().to_bytes() == bytes(nbytes)
    store.close()


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("source", ["array", "bytes", "bytearray"])
def test_what_was_read_does_not_change_the_store(tmp_path: Path, kind: str, source: str) -> None:
    store = STORES[kind](tmp_path)
    value = {
        "array": lambda: cpu.Buffer.from_array_like(np.zeros(4, "u1")),
        "bytes": lambda: buffer(bytes(4)),
        "bytearray": lambda: cpu.Buffer.from_bytes(bytearray(4)),
    }[source]()
    sync(store.set("k", value))
    for read in (
        lambda: sync(store.get("k", PROTOTYPE)),
        lambda: _bulk(store),
        lambda: sync(store.get("k", PROTOTYPE, zarr.abc.store.RangeByteRequest(0, 4))),
    ):
        found = read()
        try:
            found.as_numpy_array()[:] = 255
        except ValueError:  # it is read-only
            pass
        try:
            found[0:1] = buffer(b"x")
        except ValueError:
            pass
        assert sync(store.get("k", PROTOTYPE)).to_bytes() == bytes(4)
    store.close()


def test_a_dictionary_is_shared() -> None:
    value = buffer(b"x")
    shared: dict[str, Any] = {"a": value}
    store = MemoryStore(shared)
    store.set_sync("b", value)
    assert shared["b"] == value
    assert shared["a"] is value
    assert sync(store.get("a", PROTOTYPE)) is value


def test_bytes_are_kept_as_they_are() -> None:
    """What codecs return is not copied once more."""
    store = MemoryStore()
    value = buffer(b"encoded")
    store.set_sync("a", value)
    assert store._store_dict["a"] is value
    part = buffer(b"0123456789")[2:4]
    store.set_sync("b", part)
    assert store._store_dict["b"].to_bytes() == b"23"


def test_other_classes_of_buffers_stay_what_they_are() -> None:
    store = MemoryStore()
    data = np.zeros(4, "u1")
    store.set_sync("a", TestBuffer.from_array_like(data))
    data[:] = 1
    assert type(store._store_dict["a"]) is TestBuffer
    assert store._store_dict["a"].to_bytes() == bytes(4)


def test_a_value_that_is_none_is_still_refused() -> None:
    store = MemoryStore()
    for value in (b"x", np.zeros(3, "u1"), None):
        with pytest.raises(TypeError, match="must be a Buffer instance"):
            store.set_sync("a", value)  # type: ignore[arg-type]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("shards", [None, (4,)])
@pytest.mark.parametrize("compressors", [None, "auto"])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("store_cls", [MemoryStore, AsyncOnlyStore])
def test_an_assigned_array_may_change_afterwards(
    zarr_format: Any, shards: Any, compressors: Any, asynchronous: bool, store_cls: Any
) -> None:
    if shards and zarr_format == 2:
        pytest.skip("no shards")
    store = store_cls()
    array: Any = zarr.create_array(
        store,
        shape=(8,),
        chunks=(4,),
        shards=shards,
        dtype="i4",
        compressors=compressors,
        zarr_format=zarr_format,
        filters=None,
    )
    values = np.arange(1, 9, dtype="i4")
    if asynchronous:
        opened: Any = sync(async_api.open_array(store=store, mode="r+"))
        sync(opened.setitem(slice(None), values))
    else:
        array[:] = values
    values[:] = 0
    assert array[:].tolist() == list(range(1, 9))
    found = array[0:4]
    found[:] = 9
    assert array[:].tolist() == list(range(1, 9))
