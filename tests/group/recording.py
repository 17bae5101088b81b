"""A store in memory that records what is asked of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.storage import MemoryStore


class RecordingStore(MemoryStore):
    """Each request takes a few turns of the event loop, so that concurrent ones overlap."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reset()

    def reset(self) -> None:
        self.keys: list[str] = []
        self.listed: list[str] = []
        self.running = self.most = self.rounds = 0

    async def _turns(self) -> None:
        if self.running == 0:
            self.rounds += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for _ in range(5):
                await asyncio.sleep(0)
        finally:
            self.running -= 1

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: Any = None
    ) -> Buffer | None:
        self.keys.append(key)
        await self._turns()
        return await super().get(key, prototype, byte_range)

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        self.listed.append(prefix)
        await self._turns()
        async for name in super().list_dir(prefix):
            yield name

    async def set(self, key: str, value: Buffer, *args: Any) -> None:
        await self._turns()
        await super().set(key, value, *args)


def put(store: MemoryStore, key: str, document: object) -> None:
    """Store a JSON document, or bytes as they are."""
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    store._store_dict[key] = default_buffer_prototype().buffer.from_bytes(data)


def document(store: MemoryStore, key: str) -> Any:
    """Return a stored JSON document."""
    return json.loads(store._store_dict[key].to_bytes())


def contents(store: MemoryStore) -> dict[str, bytes]:
    """Return all that is stored."""
    return {key: value.to_bytes() for key, value in sorted(store._store_dict.items())}
