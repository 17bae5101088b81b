"""Stores, arrays and groups that are pickled or copied: equal to the original, and of use."""

from __future__ import annotations

import asyncio
import copy
import io
import pickle
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, TypeAlias, cast

import numpy as np
import pytest
from tests.optional import lacks

import zarr
from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
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
from zarr.testing.recording import RecordingStore

Way: TypeAlias = Callable[[Any], Any]
VALUES = np.arange(60).reshape(6, 10)
PROTOTYPE = default_buffer_prototype()


def cloudpickled(value: object) -> Any:
    dumped = import_module("cloudpickle").dumps(value)
    return pickle.loads(dumped)


WAYS: dict[str, Way] = {
    "oldest protocol": lambda value: pickle.loads(pickle.dumps(value, 2)),
    "pickle": lambda value: pickle.loads(pickle.dumps(value, pickle.HIGHEST_PROTOCOL)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
if find_spec("cloudpickle") is not None:
    WAYS["cloudpickle"] = cloudpickled

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "managed": lambda folder: ManagedMemoryStore(folder.name),
    "local": lambda folder: LocalStore(folder),
    "zip": lambda folder: ZipStore(folder / "a.zip", mode="w"),
    "wrapper": lambda folder: WrapperStore(LocalStore(folder)),
    "wrapped memory": lambda _: WrapperStore(MemoryStore()),
    "logging": lambda folder: LoggingStore(LocalStore(folder), log_level="CRITICAL"),
    "recording": lambda folder: RecordingStore(LocalStore(folder)),
    "cache": lambda folder: CacheStore(LocalStore(folder), cache_store=MemoryStore()),
}
if not lacks("fsspec"):
    STORES["fsspec local"] = lambda folder: FsspecStore.from_url(
        folder.as_uri(), storage_options={"auto_mkdir": True}
    )
    STORES["fsspec memory"] = lambda folder: FsspecStore.from_url(f"memory:/{folder.as_posix()}")
if not lacks("obstore"):
    STORES["obstore"] = lambda folder: ObjectStore(
        import_module("obstore.store").LocalStore(str(folder))
    )


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of each kind that holds the group ``g`` and in it the array ``a``."""
    store = STORES[request.param](tmp_path)
    group = zarr.create_group(store, path="g", attributes={"kept": [1]})
    group.create_array("a", data=VALUES, chunks=(2, 10), attributes={"unit": "m"})
    if not isinstance(store, ZipStore):
        return store
    store.close()
    return ZipStore(tmp_path / "a.zip", mode="r")


def test_stores(store: Store, way: Way) -> None:
    again = way(store)
    assert type(again) is type(store)
    assert again is not store
    assert again == store
    assert again.read_only is store.read_only
    np.testing.assert_array_equal(zarr.open_array(again, path="g/a", mode="r")[...], VALUES)


def test_stores_that_may_not_be_written(store: Store, way: Way) -> None:
    frozen = store if store.read_only else store.with_read_only(True)
    again = way(frozen)
    assert again.read_only
    assert again == frozen
    value = PROTOTYPE.buffer.from_bytes(b"1")
    with pytest.raises(ValueError, match="read-only"):
        asyncio.run(again.set("new", value))
    assert not asyncio.run(store.exists("new"))


def test_places(store: Store, way: Way) -> None:
    place = StorePath(store, "g") / "a"
    again = way(place)
    assert again == place
    assert (again.path, again.store, again.read_only) == ("g/a", store, store.read_only)
    document = asyncio.run((again / "zarr.json").get())
    assert document is not None
    assert b'"unit"' in document.to_bytes()


def test_arrays(store: Store, way: Way) -> None:
    array = zarr.open_array(store, path="g/a", mode="r")
    again = way(array)
    assert isinstance(again, zarr.Array)
    assert again == array
    assert again.attrs.asdict() == {"unit": "m"}
    np.testing.assert_array_equal(again[...], VALUES)
    np.testing.assert_array_equal(again.oindex[np.array([5, 0]), 3], VALUES[[5, 0], 3])
    assert again.read_only
    with pytest.raises(ValueError, match="read-only"):
        again[1:4] = -1


@pytest.mark.parametrize("store", sorted(STORES.keys() - {"zip"}), indirect=True)
def test_arrays_that_may_be_written(store: Store, way: Way) -> None:
    again = way(zarr.open_array(store, path="g/a", mode="r+"))
    assert not again.read_only
    again[1:4] = -1
    np.testing.assert_array_equal(again[:, 0], [0, -1, -1, -1, 40, 50])


def test_async_arrays(store: Store, way: Way) -> None:
    array = zarr.open_array(store, path="g/a", mode="r").async_array
    again = way(array)
    assert isinstance(again, zarr.AsyncArray)
    assert again == array
    assert again.metadata == array.metadata
    assert again.config == array.config
    np.testing.assert_array_equal(asyncio.run(again.getitem(...)), VALUES)


def test_groups(store: Store, way: Way) -> None:
    group = zarr.open_group(store, path="g", mode="r")
    again = way(group)
    assert isinstance(again, zarr.Group)
    assert again == group
    assert again.read_only
    assert again.attrs.asdict() == {"kept": [1]}
    assert list(again) == ["a"]
    np.testing.assert_array_equal(cast("zarr.Array", again["a"])[...], VALUES)
    inner = way(group._async_group)
    assert isinstance(inner, zarr.AsyncGroup)
    assert inner == group._async_group
    assert asyncio.run(inner.getitem("a")) == again["a"].async_array  # type: ignore[union-attr]


def test_all_at_once(store: Store) -> None:
    # As in the arguments of a task: what was one store is one store afterwards.
    array = zarr.open_array(store, path="g/a", mode="r")
    group = zarr.open_group(array.store, path="g", mode="r")
    first, second, place = pickle.loads(pickle.dumps([array, group, array.store_path]))
    assert first.store is place.store
    assert first.store is second.store
    np.testing.assert_array_equal(second["a"][...], first[...])


# --- whose values they are ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "shared"),
    [
        ("memory", "copy", True),
        ("memory", "deepcopy", False),
        ("memory", "pickle", False),
        ("wrapped memory", "pickle", False),
        ("managed", "deepcopy", True),
        ("managed", "pickle", True),
        ("local", "pickle", True),
        ("local", "deepcopy", True),
    ],
)
def test_what_shares_its_values(tmp_path: Path, kind: str, name: str, shared: bool) -> None:
    array = zarr.create_array(STORES[kind](tmp_path), data=VALUES, chunks=(2, 10))
    again = WAYS[name](array)
    again[...] = 0
    np.testing.assert_array_equal(array[...], 0 * VALUES if shared else VALUES)


# --- what else belongs to an array ---------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_options_of_an_array_are_kept(tmp_path: Path, way: Way, zarr_format: Any) -> None:
    options: Any = {"order": "F", "write_empty_chunks": True}
    array = zarr.create_array(
        tmp_path, shape=(4, 4), chunks=(2, 2), dtype="i4", config=options, zarr_format=zarr_format
    )
    again = way(array)
    # A stored order, which format 2 has, wins over the option.
    assert again.order == array.order == ("F" if zarr_format == 3 else "C")
    assert again[...].flags.f_contiguous == (zarr_format == 3)
    again[...] = 0
    assert again.nchunks_initialized == 4  # chunks of fill value are stored, as they were to be
    assert again.metadata == array.metadata


@pytest.mark.parametrize(
    "kwargs",
    [
        {"shards": (6, 10)},
        {"compressors": zarr.codecs.BloscCodec(cname="zstd"), "filters": None},
        {"compressors": zarr.codecs.GzipCodec(level=2)},
        {"serializer": zarr.codecs.BytesCodec(endian="big"), "compressors": None},
        {"filters": [zarr.codecs.TransposeCodec(order=(1, 0))]},
    ],
)
def test_codecs(way: Way, kwargs: dict[str, Any]) -> None:
    array = zarr.create_array({}, data=VALUES, chunks=(2, 5), **kwargs)
    np.testing.assert_array_equal(array[...], VALUES)  # codecs have been used
    again = way(array)
    assert again.metadata == array.metadata
    np.testing.assert_array_equal(again[1:3, 4:], VALUES[1:3, 4:])


@pytest.mark.parametrize(
    "values",
    [
        np.array(["a", "längere", ""], dtype=np.dtypes.StringDType()),
        np.array([b"ab", b"c"], dtype="S2"),
        np.array(["2020-01-01", "NaT"], dtype="M8[D]"),
        np.array([(1, 2.5)], dtype=[("x", "i4"), ("y", "f8")]),
        np.array([1 + 2j]),
    ],
    ids=lambda values: str(values.dtype),
)
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_data_types(way: Way, values: np.ndarray) -> None:
    array = zarr.create_array({}, data=values)
    again = way(array)
    assert again.dtype == array.dtype
    assert again.metadata.fill_value == array.metadata.fill_value or values.dtype.kind == "M"
    np.testing.assert_array_equal(again[...], values)


def test_consolidated_metadata_comes_along(tmp_path: Path, way: Way) -> None:
    zarr.create_array(tmp_path, name="a", data=VALUES)
    with pytest.warns(zarr.errors.ZarrUserWarning):
        group = zarr.consolidate_metadata(tmp_path)
    again = way(group)
    assert again.metadata.consolidated_metadata == group.metadata.consolidated_metadata
    np.testing.assert_array_equal(again["a"][...], VALUES)


def test_while_others_use_it(store: Store) -> None:
    array = zarr.open_array(store, path="g/a", mode="r")
    stop, failed = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            if not np.array_equal(array[...], VALUES):
                failed.append(1)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(10):
            again = pickle.loads(pickle.dumps(array))
            np.testing.assert_array_equal(again[...], VALUES)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert not failed


# --- what cannot be pickled ----------------------------------------------------------------


def test_open_file_objects() -> None:
    store = ZipStore(io.BytesIO(), mode="w")
    array = zarr.create_array(store, data=VALUES)
    for value in (store, array, array.async_array, array.store_path, WrapperStore(store)):
        with pytest.raises(TypeError, match=r"cannot pickle ZipStore.*open file object"):
            pickle.dumps(value)


def test_archives_that_are_being_written(tmp_path: Path, way: Way) -> None:
    with ZipStore(tmp_path / "a.zip", mode="w") as store:
        array = zarr.create_array(store, data=VALUES)
        again = StorePath(way(store)) / "zarr.json"
        with pytest.raises(RuntimeError, match="only the store that opened the archive can use it"):
            asyncio.run(again.get())
        np.testing.assert_array_equal(array[...], VALUES)
    written = zarr.open_array(ZipStore(tmp_path / "a.zip", mode="r"), mode="r")
    np.testing.assert_array_equal(written[...], VALUES)


@pytest.mark.skipif(lacks("obstore"), reason="needs obstore")
def test_object_stores_in_memory() -> None:
    store = ObjectStore(import_module("obstore.store").MemoryStore())
    array = zarr.create_array(store, data=VALUES)
    for value in (store, array, WrapperStore(store)):
        with pytest.raises(TypeError, match="cannot pickle 'MemoryStore' object"):
            pickle.dumps(value)


def test_local_classes() -> None:
    class Special(MemoryStore):
        pass

    array = zarr.create_array(Special(), data=VALUES)
    with pytest.raises((AttributeError, pickle.PicklingError), match=r"local object.*Special"):
        pickle.dumps(array)
    if "cloudpickle" in WAYS:
        again = WAYS["cloudpickle"](array)
        np.testing.assert_array_equal(again[...], VALUES)
        assert type(again.store).__name__ == "Special"


@pytest.mark.skipif(find_spec("cloudpickle") is None, reason="needs cloudpickle")
def test_modules_are_pickled_by_name() -> None:
    # As globals of functions that workers of dask run.
    names = ["zarr", *(module.name for module in walk_packages(zarr.__path__, "zarr."))]
    for name in names:
        if "_cli" in name or name.endswith("__main__"):  # needs the command line's packages
            continue
        module = import_module(name)
        assert cloudpickled(module) is module
    assert pickle.loads(pickle.dumps(zarr.storage)) is zarr.storage
