"""What the tests of stores share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from zarr.abc.store import Store, SupportsDeleteSync, SupportsGetSync, SupportsSetSync
from zarr.core.buffer import Buffer, cpu, default_buffer_prototype
from zarr.storage import MemoryStore
from zarr.testing.store import StoreTests

PROTOTYPE = default_buffer_prototype()


def buffer(value: bytes) -> cpu.Buffer:
    return cpu.Buffer.from_bytes(value)


async def drained(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


class Capable:
    """A store that can do everything."""

    def test_store_supports_writes(self, store: Store) -> None:
        assert store.supports_writes
        assert store.supports_deletes

    def test_store_supports_listing(self, store: Store) -> None:
        assert store.supports_listing
        assert store.supports_consolidated_metadata


class ChangedByAwaiting:
    """A store that cannot be changed in the calling thread: tests of that are left out."""

    test_set_sync: Any = None
    test_sync_async_set_get_parity: Any = None
    test_delete_sync: Any = None
    test_delete_sync_missing: Any = None
    test_delete_sync_visible_to_async_get: Any = None

    def test_is_not_changed_in_the_calling_thread(self, store: Store) -> None:
        assert not isinstance(store, (SupportsSetSync, SupportsDeleteSync))


class Awaited(ChangedByAwaiting):
    """A store that does nothing in the calling thread."""

    test_get_sync: Any = None
    test_get_sync_missing: Any = None
    test_get_sync_byte_range_parity: Any = None

    def test_is_not_read_in_the_calling_thread(self, store: Store) -> None:
        assert not isinstance(store, SupportsGetSync)


class WrapperTests(Capable, StoreTests[Any, cpu.Buffer]):
    """The kit for a store around a store in memory."""

    buffer_cls = cpu.Buffer

    @pytest.fixture
    def store_kwargs(self) -> dict[str, Any]:
        return {"store": MemoryStore({})}

    @pytest.fixture
    def open_kwargs(self) -> dict[str, Any]:
        return {"store_cls": MemoryStore, "store_dict": {}}

    def test_store_eq(self, store: Any, store_kwargs: dict[str, Any]) -> None:
        assert store == type(store)(MemoryStore(store._store._store_dict))
        assert store != type(store)(MemoryStore({"a": buffer(b"x")}))
        assert store != store._store

    async def set(self, store: Any, key: str, value: Buffer) -> None:
        store._store._store_dict[key] = value

    async def get(self, store: Any, key: str) -> Buffer:
        found: Buffer = store._store._store_dict[key]
        return found


class AsyncOnlyStore(Store):
    """A store as others write them: no methods for the calling thread, nothing optional."""

    supports_writes = True
    supports_deletes = True
    supports_listing = True

    def __init__(self, *, read_only: bool = False) -> None:
        super().__init__(read_only=read_only)
        self._inner = MemoryStore()

    def __eq__(self, value: object) -> bool:
        return self is value

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Buffer | None:
        return await self._inner.get(key, prototype, byte_range)

    async def get_partial_values(self, prototype: Any, key_ranges: Any) -> Any:
        return await self._inner.get_partial_values(prototype, key_ranges)

    async def exists(self, key: str) -> bool:
        return await self._inner.exists(key)

    async def set(self, key: str, value: Buffer) -> None:
        await self._inner.set(key, value)

    async def delete(self, key: str) -> None:
        await self._inner.delete(key)

    def list(self) -> Any:
        return self._inner.list()

    def list_prefix(self, prefix: str) -> Any:
        return self._inner.list_prefix(prefix)

    def list_dir(self, prefix: str) -> Any:
        return self._inner.list_dir(prefix)
