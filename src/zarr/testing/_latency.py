"""A store that simulates the latency of a network."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from zarr.abc.store import Store
from zarr.storage import WrapperStore

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

S = TypeVar("S", bound=Store)


class LatencyStore(WrapperStore[S]):
    """Waits before every read and write, to simulate the latency of a remote store.

    Parameters
    ----------
    store : Store
        The wrapped store, which performs the reads and writes.
    get_latency : float or tuple of float
        Delay before each read, in seconds; the delays of concurrent reads overlap. A tuple contains
        the mean and the standard deviation of a normal distribution. The delay of each read is
        drawn from this distribution; a negative delay counts as 0.
    set_latency : float or tuple of float
        Delay before each write, in seconds: a number or a tuple, as for `get_latency`.

    Raises
    ------
    TypeError, ValueError
        If a latency is neither a number nor a tuple of two numbers, or if a standard deviation is
        negative.
    """

    _options = ("get_latency", "set_latency")

    def __init__(
        self,
        store: S,
        *,
        get_latency: float | tuple[float, float] = 0,
        set_latency: float | tuple[float, float] = 0,
    ) -> None:
        super().__init__(store)
        self._get_latency = _parse_latency(get_latency)
        self._set_latency = _parse_latency(set_latency)

    @property
    def get_latency(self) -> float:
        """Delay before the next read, in seconds."""
        return _draw(self._get_latency)

    @property
    def set_latency(self) -> float:
        """Delay before the next write, in seconds."""
        return _draw(self._set_latency)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        # docstring inherited
        await asyncio.sleep(self.get_latency)
        return await self._store.get(key, prototype, byte_range)

    async def get_ranges(
        self,
        key: str,
        byte_ranges: Iterable[ByteRequest | None],
        *,
        prototype: BufferPrototype,
        max_concurrency: int | None = None,
        max_gap_bytes: int | None = None,
        max_coalesced_bytes: int | None = None,
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        # docstring inherited
        limits: dict[str, Any] = {
            "max_concurrency": max_concurrency,
            "max_gap_bytes": max_gap_bytes,
            "max_coalesced_bytes": max_coalesced_bytes,
        }
        given = {name: value for name, value in limits.items() if value is not None}
        # This class, not the wrapped store, merges the reads and calls `get` for each merged read,
        # so that each merged read is delayed.
        async for batch in Store.get_ranges(self, key, byte_ranges, prototype=prototype, **given):
            yield batch

    async def set(self, key: str, value: Buffer) -> None:
        # docstring inherited
        await asyncio.sleep(self.set_latency)
        await self._store.set(key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        # docstring inherited
        await asyncio.sleep(self.set_latency)
        await self._store.set_if_not_exists(key, value)


LatencyStore.__module__ = "zarr.testing.store"  # the public module


def _parse_latency(data: float | tuple[float, ...]) -> float | tuple[float, float]:
    if not isinstance(data, tuple):
        return float(data)
    if len(data) != 2 or float(data[1]) < 0:
        raise ValueError(f"Expected mean and standard deviation, at least 0, got {data!r}.")
    return float(data[0]), float(data[1])


def _draw(latency: float | tuple[float, float]) -> float:
    return max(0.0, random.gauss(*latency)) if isinstance(latency, tuple) else latency
