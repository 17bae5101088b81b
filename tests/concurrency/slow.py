"""A store whose chunks take their time, for what happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from tests.waiting import until

import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

__all__ = ["CHUNKS", "KEYS", "PROTOTYPE", "VALUES", "SlowStore", "slow_store", "until"]

CHUNKS = 20
VALUES = np.arange(100)
KEYS = [f"c/{i}" for i in range(CHUNKS)]
PROTOTYPE = default_buffer_prototype()


class SlowStore(MemoryStore):
    """Values in memory; chunks are read and written after `seconds`,
    and none while `held` is true.

    `started` and `ended` count the chunks whose reading or writing has begun, and has ended in
    whatever way.
    """

    started: int = 0
    ended: int = 0
    held: bool = False
    seconds: float = 3600

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        async with self._slowly(key):
            return await super().get(key, prototype, byte_range)

    async def set(self, key: str, value: Any, byte_range: Any = None) -> None:
        async with self._slowly(key):
            await super().set(key, value)

    @asynccontextmanager
    async def _slowly(self, key: str) -> AsyncIterator[None]:
        if not key.startswith("c/"):
            yield
            return
        self.started += 1
        try:
            await asyncio.sleep(self.seconds)
            while self.held:
                await asyncio.sleep(0.01)
            yield
        finally:
            self.ended += 1

    def has_ended(self) -> bool:
        """Tell whether all that was started has ended; at least something was."""
        return 0 < self.started == self.ended


def slow_store() -> SlowStore:
    """Return a store that holds an array of `VALUES`."""
    store = MemoryStore()
    zarr.create_array(store, data=VALUES, chunks=(VALUES.size // CHUNKS,))
    return SlowStore(store._store_dict)
