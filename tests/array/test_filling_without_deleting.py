"""Chunks of fill value over stored ones, in stores whose keys cannot be deleted."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from tests.stores.store_kit import AsyncOnlyStore, drained

import zarr
import zarr.api.asynchronous as async_api
from zarr.abc.store import Store
from zarr.core.buffer import Buffer
from zarr.core.sync import sync
from zarr.storage import LoggingStore, MemoryStore, WrapperStore, ZipStore


class Keeping(MemoryStore):
    """Does not delete, and says so."""

    supports_deletes = False

    async def delete(self, key: str) -> None:
        raise NotImplementedError

    def delete_sync(self, key: str) -> None:
        raise NotImplementedError


class Refusing(Keeping):
    """Says that it deletes, and does not."""

    supports_deletes = True


class Ignoring(Keeping):
    """Says that it does not delete, and means it."""

    async def delete(self, key: str) -> None:
        pass

    def delete_sync(self, key: str) -> None:
        pass


class KeepingByAwaiting(AsyncOnlyStore):
    supports_deletes = False

    async def delete(self, key: str) -> None:
        raise NotImplementedError


@pytest.fixture(
    params=[
        "zip",
        "deflated",
        "logged zip",
        "wrapped zip",
        "keeping",
        "refusing",
        "ignoring",
        "async",
    ]
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    compression = 8 if request.param == "deflated" else 0
    archive = ZipStore(tmp_path / "x.zip", mode="w", compression=compression)
    stores: dict[str, Any] = {
        "logged zip": lambda: LoggingStore(archive),
        "wrapped zip": lambda: WrapperStore(archive),
        "keeping": Keeping,
        "refusing": Refusing,
        "ignoring": Ignoring,
        "async": KeepingByAwaiting,
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate name")
        yield stores.get(request.param, lambda: archive)()
        archive.close()


LAYOUTS: dict[str, dict[str, Any]] = {
    "v2": {"zarr_format": 2},
    "v2, compressed": {"zarr_format": 2, "compressors": "auto"},
    "v3": {},
    "v3, compressed": {"compressors": "auto"},
    "shards": {"shards": (4,)},
    "nested shards": {
        "chunks": (4,),
        "serializer": zarr.codecs.ShardingCodec(
            chunk_shape=(2,), codecs=[zarr.codecs.ShardingCodec(chunk_shape=(1,))]
        ),
    },
    "shards, compressed": {
        "chunks": (4,),
        "serializer": zarr.codecs.ShardingCodec(chunk_shape=(2,)),
        "compressors": [zarr.codecs.GzipCodec()],
    },
}


def make(store: Store, layout: str, **more: Any) -> Any:
    parameters = {"chunks": (2,), "compressors": None, **LAYOUTS[layout], **more}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return zarr.create_array(store, shape=(11,), dtype="i4", **parameters)


def keys_of(store: Store) -> list[str]:
    return sorted(sync(drained(store.list())))


@pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    "selection",
    [slice(None), slice(0, 4), slice(1, 8), slice(8, 11), slice(9, 11)],
    ids=["all", "whole", "parts", "end", "part of the end"],
)
def test_fill_value_over_what_is_stored(
    store: Store, layout: str, asynchronous: bool, selection: slice
) -> None:
    fill_value = 0 if asynchronous else -7
    array = make(store, layout, fill_value=fill_value)
    expected = np.arange(1, 12, dtype="i4")
    array[:] = expected
    keys = keys_of(store)
    expected[selection] = fill_value
    if asynchronous:
        opened = sync(async_api.open_array(store=store, mode="r+"))
        sync(opened.setitem(selection, fill_value))
    else:
        array[selection] = expected[selection]
    np.testing.assert_array_equal(array[:], expected)
    np.testing.assert_array_equal(cast("Any", zarr.open_array(store, mode="r+"))[:], expected)
    assert keys_of(store) == keys
    array[:] = np.arange(1, 12, dtype="i4")
    np.testing.assert_array_equal(array[:], np.arange(1, 12))


@pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_fill_value_where_nothing_is_stored_writes_nothing(store: Store, layout: str) -> None:
    array = make(store, layout)
    keys = keys_of(store)
    array[:] = 0
    array[1:3] = 0
    array[8:] = 0
    assert keys_of(store) == keys


def test_a_shard_of_fill_value_is_its_index(tmp_path: Path) -> None:
    store = Keeping()
    array: Any = zarr.create_array(store, shape=(2000,), dtype="f8", chunks=(500,), shards=(1000,))
    array[:] = np.random.default_rng(0).random(2000)
    array[:1000] = 0
    assert len(store._store_dict["c/0"]) == 2 * 16 + 4
    assert not array[:1000].any()


def test_other_failures_to_delete_are_raised() -> None:
    class Failing(MemoryStore):
        def delete_sync(self, key: str) -> None:
            raise OSError("no")

        async def delete(self, key: str) -> None:
            raise OSError("no")

    array: Any = zarr.create_array(Failing(), shape=(4,), chunks=(2,), dtype="i4")
    array[:] = 1
    with pytest.raises(OSError, match="no"):
        array[:2] = 0
    with pytest.raises(OSError, match="no"):
        sync(array.async_array.setitem(slice(0, 2), 0))
    assert array[:].tolist() == [1, 1, 1, 1]


def test_a_write_where_keys_are_deleted_asks_nothing_more() -> None:
    class Counting(MemoryStore):
        reads = 0

        def get_sync(self, key: str, **more: Any) -> Buffer | None:
            type(self).reads += 1
            return super().get_sync(key, **more)

    store = Counting()
    array: Any = zarr.create_array(store, shape=(4,), chunks=(2,), dtype="i4")
    array[:] = 1
    before = Counting.reads
    array[:] = 0
    assert Counting.reads == before
    assert keys_of(store) == ["zarr.json"]
