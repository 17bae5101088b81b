"""Stores that fail or wait, and short ways to read from stores, for the tests of caches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from tests.stores.bulk_kit import DictStore
from tests.stores.store_kit import PROTOTYPE, buffer

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer
from zarr.experimental.cache_store import CacheStore
from zarr.storage import MemoryStore
from zarr.testing.recording import RecordingStore

FIRST, LAST, FROM = RangeByteRequest(0, 2), SuffixByteRequest(2), OffsetByteRequest(2)


class Faulty(MemoryStore):
    """Fails in the methods that `failing` names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.failing: set[str] = set()

    def _may_fail(self, method: str) -> None:
        if method in self.failing:
            raise OSError(f"{method} failed")

    async def get(self, *args: Any, **kwargs: Any) -> Buffer | None:
        self._may_fail("get")
        return await super().get(*args, **kwargs)

    async def set(self, *args: Any, **kwargs: Any) -> None:
        self._may_fail("set")
        await super().set(*args, **kwargs)

    async def set_if_not_exists(self, *args: Any, **kwargs: Any) -> None:
        self._may_fail("set")
        await super().set_if_not_exists(*args, **kwargs)

    async def delete(self, *args: Any, **kwargs: Any) -> None:
        self._may_fail("delete")
        await super().delete(*args, **kwargs)

    async def delete_dir(self, *args: Any, **kwargs: Any) -> None:
        self._may_fail("delete_dir")
        await super().delete_dir(*args, **kwargs)

    async def exists(self, *args: Any, **kwargs: Any) -> bool:
        self._may_fail("exists")
        return await super().exists(*args, **kwargs)

    async def getsize(self, *args: Any, **kwargs: Any) -> int:
        self._may_fail("getsize")
        return await super().getsize(*args, **kwargs)


def contents(store: Any) -> dict[str, bytes]:
    return {key: value.to_bytes() for key, value in store._store_dict.items()}


def filled(**values: bytes) -> RecordingStore[MemoryStore]:
    return RecordingStore(MemoryStore({key: buffer(value) for key, value in values.items()}))


async def read(store: Store, key: str, part: ByteRequest | None = None) -> bytes | None:
    value = await store.get(key, PROTOTYPE, part)
    return None if value is None else value.to_bytes()


async def ranges(
    store: Store, key: str, parts: Iterable[ByteRequest | None], **limits: int
) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    async for batch in store.get_ranges(key, parts, prototype=PROTOTYPE, **limits):
        for index, value in batch:
            assert index not in found
            assert value is not None
            found[index] = value.to_bytes()
    return found


def methods(source: RecordingStore[Any]) -> list[str]:
    asked = [asked.method for asked in source.asked]
    source.reset()
    return asked


def stats(store: CacheStore) -> tuple[int, int, int]:
    shown = store.cache_stats()
    return shown["hits"], shown["misses"], shown["evictions"]


class Waiting(DictStore):
    """Answers single reads once `gate` is set."""

    def __init__(self, values: dict[str, bytes]) -> None:
        super().__init__(values)
        self.gate = asyncio.Event()
        self.cancelled = 0
        self.failure: Exception | None = None

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Buffer | None:
        self.got.append((key, byte_range))
        found = self.find(key, prototype, byte_range)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failure is not None:
            raise self.failure
        return found


async def step() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
