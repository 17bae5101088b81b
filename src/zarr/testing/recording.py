"""A store that records requests.

The store can also delay requests, or raise errors for requests.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from zarr.abc.store import Store, parse_requests
from zarr.core.common import closing
from zarr.storage import WrapperStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zarr.abc.store import ByteRequest, ReadRequest
    from zarr.core.buffer import Buffer, BufferPrototype

__all__ = ["Asked", "RecordingStore"]

S = TypeVar("S", bound=Store)


class Asked(NamedTuple):
    """A recorded request.

    Parameters
    ----------
    method : str
        Name of the called method.
    key : str
        Key of the request; for a listing method, the prefix of the listed keys.
    byte_range : ByteRequest or None
        Requested bytes of the value. None if the whole value is requested, or if the method reads
        no value.
    """

    method: str
    key: str
    byte_range: ByteRequest | None = None


class _Traffic:
    """State shared by a store and its read-only views."""

    def __init__(
        self,
        delays: Mapping[str, float],
        failures: Mapping[str, Exception],
        asked: Iterable[Asked] = (),
    ) -> None:
        self.delays = dict(delays)
        self.failures = dict(failures)
        self.asked = list(asked)
        self.in_flight = 0
        self.most_in_flight = 0
        self._lock = threading.Lock()  # reads may come from several threads

    def __reduce__(self) -> Any:
        return type(self), (self.delays, self.failures, self.asked)

    @contextmanager
    def call(self, method: str, items: Sequence[tuple[str, Any]]) -> Iterator[float]:
        """Record a call of a method, and yield the delay of the call in seconds."""
        with self._lock:
            self.asked += [Asked(method, key, byte_range) for key, byte_range in items]
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield max((self.delays.get(key, 0) for key, _ in items), default=0)
        finally:
            with self._lock:
                self.in_flight -= 1

    @asynccontextmanager
    async def awaited(self, method: str, items: Sequence[tuple[str, Any]]) -> AsyncIterator[None]:
        """Record an asynchronous call, wait for the delay, and raise a configured exception."""
        with self.call(method, items) as seconds:
            await asyncio.sleep(seconds)
            self.fail(items)
            yield

    def fail(self, items: Sequence[tuple[str, Any]]) -> None:
        """Raise the exception of the first item for which an exception is configured, if any."""
        for key, _ in items:
            if key in self.failures:
                raise self.failures[key]


class RecordingStore(WrapperStore[S]):
    """Forwards every read to another store, and records the requests in order.

    A bulk read counts as one call, but each of its requests is recorded. Read-only views share the
    records and the configured failures with the original store.

    Parameters
    ----------
    store : Store
        The wrapped store, which performs the reads.
    delays : mapping or None
        Mapping from keys to the delay of a read in seconds. The delays of concurrent reads overlap.
        If None, no read is delayed.
    failures : mapping or None
        Mapping from keys to the exception that a read raises after its delay. If None, no such
        exceptions are raised.
    """

    def __init__(
        self,
        store: S,
        *,
        delays: Mapping[str, float] | None = None,
        failures: Mapping[str, Exception] | None = None,
    ) -> None:
        super().__init__(store)
        self._traffic = _Traffic(delays or {}, failures or {})

    @property
    def delays(self) -> dict[str, float]:
        """Mapping from keys to the delay of a read in seconds; it may be changed at any time."""
        return self._traffic.delays

    @property
    def failures(self) -> dict[str, Exception]:
        """Mapping from keys to the exception that a read raises; it may be changed at any time."""
        return self._traffic.failures

    @property
    def asked(self) -> list[Asked]:
        """Requests recorded so far, in the order in which their calls began."""
        return self._traffic.asked

    @property
    def most_in_flight(self) -> int:
        """Maximum number of calls that were in flight at the same time."""
        return self._traffic.most_in_flight

    def reset(self) -> None:
        """Clear the recorded requests; delays and failures are kept."""
        self._traffic.asked.clear()
        self._traffic.most_in_flight = self._traffic.in_flight

    # --- reading ------------------------------------------------------------------------

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        # docstring inherited
        async with self._traffic.awaited("get", [(key, byte_range)]):
            return await self._store.get(key, prototype, byte_range)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        # docstring inherited
        items = list(key_ranges)
        async with self._traffic.awaited("get_partial_values", items):
            return await self._store.get_partial_values(prototype, items)

    async def get_many(
        self, requests: Iterable[ReadRequest], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        # docstring inherited
        items = parse_requests(requests)
        async with self._traffic.awaited("get_many", items):
            batches = super().get_many(items, prototype=prototype)
            async with closing(batches):
                async for batch in batches:
                    yield batch

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
        items = [(key, byte_range) for byte_range in byte_ranges]
        async with self._traffic.awaited("get_ranges", items):
            batches = super().get_ranges(
                key,
                [byte_range for _, byte_range in items],
                prototype=prototype,
                max_concurrency=max_concurrency,
                max_gap_bytes=max_gap_bytes,
                max_coalesced_bytes=max_coalesced_bytes,
            )
            async with closing(batches):
                async for batch in batches:
                    yield batch

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        # docstring inherited
        items = [(key, byte_range)]
        with self._traffic.call("get_sync", items) as seconds:
            time.sleep(seconds)
            self._traffic.fail(items)
            return super().get_sync(key, prototype=prototype, byte_range=byte_range)

    async def exists(self, key: str) -> bool:
        # docstring inherited
        async with self._traffic.awaited("exists", [(key, None)]):
            return await self._store.exists(key)

    async def getsize(self, key: str) -> int:
        # docstring inherited
        async with self._traffic.awaited("getsize", [(key, None)]):
            return await self._store.getsize(key)

    # --- listing ------------------------------------------------------------------------

    def list(self) -> AsyncIterator[str]:
        # docstring inherited
        return self._listing("list", "", self._store.list())

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        return self._listing("list_prefix", prefix, self._store.list_prefix(prefix))

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        return self._listing("list_dir", prefix, self._store.list_dir(prefix))

    async def _listing(
        self, method: str, prefix: str, names: AsyncIterator[str]
    ) -> AsyncIterator[str]:
        async with self._traffic.awaited(method, [(prefix, None)]), closing(names):
            async for name in names:
                yield name
