"""`get_partial_values` of a store that only says how it reads one value."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.stores.store_kit import PROTOTYPE, AsyncOnlyStore, buffer
from tests.waiting import steps

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store
from zarr.core.buffer import Buffer
from zarr.core.config import config
from zarr.storage import MemoryStore


class Slow(MemoryStore):
    """Overrides `get`, so its bulk reads are derived from it; later keys answer first."""

    def __init__(self, n: int) -> None:
        super().__init__({f"{i:03}": buffer(b"%03d" % i) for i in range(n)})
        self.running = self.most = 0
        self.asked: list[str] = []
        self.cancelled: list[str] = []
        self.broken = ""

    async def get(
        self, key: str, prototype: Any = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        self.asked.append(key)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if key == self.broken:
                await asyncio.sleep(0)
                raise ConnectionResetError(key)
            if self.broken:
                await asyncio.Event().wait()
            await steps(10 * (5 - len(self.asked) % 5))
            return await super().get(key, prototype, byte_range)
        except asyncio.CancelledError:
            self.cancelled.append(key)
            raise
        finally:
            self.running -= 1


class BySuper(AsyncOnlyStore):
    """Says that it reads as the default does, and nothing else about reading several values."""

    def __init__(self, inner: Slow) -> None:
        super().__init__()
        self._inner = inner

    async def get_partial_values(self, prototype: Any, key_ranges: Any) -> Any:
        return await Store.get_partial_values(self, prototype, key_ranges)


@pytest.fixture(params=["overrides get", "calls the default"])
def make(request: pytest.FixtureRequest) -> Callable[[Slow], Store]:
    return (lambda slow: slow) if request.param == "overrides get" else BySuper


async def test_in_the_order_of_the_requests(make: Callable[[Slow], Store]) -> None:
    slow = Slow(30)
    store = make(slow)
    wanted: list[tuple[str, ByteRequest | None]] = [(f"{i:03}", None) for i in range(30)]
    wanted[3] = ("003", RangeByteRequest(1, 3))
    wanted[4] = ("absent", None)
    wanted[5] = ("003", OffsetByteRequest(2))
    with config.set({"async.concurrency": 7}):
        found = await store.get_partial_values(PROTOTYPE, iter(wanted))
    values = [None if value is None else value.to_bytes() for value in found]
    expected: list[bytes | None] = [b"%03d" % i for i in range(30)]
    expected[3:6] = [b"03", None, b"3"]
    assert values == expected
    assert slow.most == 7


async def test_no_requests() -> None:
    store = Slow(1)
    assert await store.get_partial_values(PROTOTYPE, []) == []
    assert store.asked == []


async def test_first_failure_cancels_the_others(make: Callable[[Slow], Store]) -> None:
    slow = Slow(100)
    slow.broken = "005"
    store = make(slow)
    with config.set({"async.concurrency": 10}), pytest.raises(ConnectionResetError, match="005"):
        await store.get_partial_values(PROTOTYPE, [(f"{i:03}", None) for i in range(100)])
    assert slow.running == 0
    assert len(slow.asked) <= 11
    assert sorted(slow.cancelled) == sorted(set(slow.asked) - {"005"})
