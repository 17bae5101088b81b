"""Where the bytes of a shard come from: a store, memory, or a range of another source."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from zarr.abc._store_access import read_method
from zarr.core._byte_ranges import RangeByteRequest, resolve_byte_range
from zarr.core.chunks._keys import InThread, key_itself
from zarr.core.common import closing, concurrent_iter

if TYPE_CHECKING:
    from zarr.abc.store import ByteGetter, Store, SyncByteGetter
    from zarr.core._byte_ranges import ByteRequest
    from zarr.core._coalesce import CoalescePolicy
    from zarr.core.buffer import Buffer, BufferPrototype
    from zarr.core.chunks._item import Batch


class Source(Protocol):
    """The bytes of one shard."""

    @property
    def name(self) -> str:
        """What messages call the shard."""

    async def get(
        self, prototype: BufferPrototype, byte_range: ByteRequest | None
    ) -> Buffer | None:
        """Return some of the bytes, None for all of them; None where the shard is absent."""

    def get_ranges(
        self,
        prototype: BufferPrototype,
        ranges: Sequence[RangeByteRequest],
        policy: CoalescePolicy,
        concurrency: int,
    ) -> AsyncIterator[Batch]:
        """Yield ``(index into ranges, bytes)`` as they arrive, each index once.

        At most `concurrency` reads are in flight.
        """


def name_of(byte_getter: object) -> str:
    """Return what messages call the shard that a byte getter reads."""
    place = key_itself(byte_getter)  # what is written over a key is named by the key
    return str(place) if hasattr(place, "path") else f"<{type(place).__name__}>"


def source_of(byte_getter: ByteGetter | InThread) -> Source:
    """Return the source of the shard behind a byte getter."""
    if isinstance(byte_getter, InThread):
        return SyncGetterSource(byte_getter.place)
    return GetterSource(byte_getter)


class GetterSource:
    """A shard behind a byte getter: a key of a store, as a rule.

    Parameters
    ----------
    byte_getter : ByteGetter
        Reads the shard. Where it has a `store` and a `path`, ranges are read by
        `Store.get_ranges`, which merges neighbours; otherwise each is read by its `get`.
    """

    def __init__(self, byte_getter: ByteGetter) -> None:
        self._getter = byte_getter

    @property
    def name(self) -> str:
        # docstring inherited
        return name_of(self._getter)

    async def get(
        self, prototype: BufferPrototype, byte_range: ByteRequest | None
    ) -> Buffer | None:
        # docstring inherited
        return await self._getter.get(prototype, byte_range)

    async def get_ranges(
        self,
        prototype: BufferPrototype,
        ranges: Sequence[RangeByteRequest],
        policy: CoalescePolicy,
        concurrency: int,
    ) -> AsyncIterator[Batch]:
        # docstring inherited
        store: Store | None = getattr(self._getter, "store", None)
        if store is not None and hasattr(self._getter, "path"):
            batches = read_method(store, "get_ranges")(
                self._getter.path,
                ranges,
                prototype=prototype,
                max_concurrency=concurrency,
                max_gap_bytes=cast("int", policy.max_gap_bytes),
                max_coalesced_bytes=policy.max_coalesced_bytes,
            )
            async with closing(batches):
                async for batch in batches:
                    yield batch
            return

        async def fetch(index: int, wanted: RangeByteRequest) -> tuple[int, Buffer | None]:
            return index, await self._getter.get(prototype, wanted)

        arriving = concurrent_iter(enumerate(ranges), fetch, concurrency)
        async with closing(arriving):
            async for answer in arriving:
                yield [answer]


class SyncGetterSource:
    """A shard behind a byte getter that reads in the calling thread.

    Parameters
    ----------
    byte_getter : SyncByteGetter
        As for `GetterSource`, by `Store.get_ranges_sync` or its `get_sync`.
    """

    def __init__(self, byte_getter: SyncByteGetter) -> None:
        self._getter = byte_getter

    @property
    def name(self) -> str:
        # docstring inherited
        return name_of(self._getter)

    async def get(
        self, prototype: BufferPrototype, byte_range: ByteRequest | None
    ) -> Buffer | None:
        # docstring inherited
        return self._getter.get_sync(prototype=prototype, byte_range=byte_range)

    async def get_ranges(
        self,
        prototype: BufferPrototype,
        ranges: Sequence[RangeByteRequest],
        policy: CoalescePolicy,
        concurrency: int,
    ) -> AsyncIterator[Batch]:
        # docstring inherited
        store: Store | None = getattr(self._getter, "store", None)
        if store is not None and hasattr(self._getter, "path"):
            yield read_method(store, "get_ranges_sync")(
                self._getter.path,
                ranges,
                prototype=prototype,
                max_gap_bytes=cast("int", policy.max_gap_bytes),
                max_coalesced_bytes=policy.max_coalesced_bytes,
            )
            return
        for index, wanted in enumerate(ranges):
            yield [(index, self._getter.get_sync(prototype=prototype, byte_range=wanted))]


class MemorySource:
    """A shard that has been read already.

    Parameters
    ----------
    shard : Buffer
        All its bytes.
    name : str
        What messages call it.
    """

    def __init__(self, shard: Buffer, name: str) -> None:
        self._shard = shard
        self.name = name

    async def get(
        self, prototype: BufferPrototype, byte_range: ByteRequest | None
    ) -> Buffer | None:
        # docstring inherited
        start, stop = resolve_byte_range(byte_range, len(self._shard))
        return self._shard[start:stop]

    async def get_ranges(
        self,
        prototype: BufferPrototype,
        ranges: Sequence[RangeByteRequest],
        policy: CoalescePolicy,
        concurrency: int,
    ) -> AsyncIterator[Batch]:
        # docstring inherited
        shard = self._shard
        yield [(index, shard[wanted.start : wanted.end]) for index, wanted in enumerate(ranges)]


class WindowSource:
    """An inner chunk that is a shard itself: a range of the shard around it.

    Parameters
    ----------
    outer : Source
        The shard around it.
    start, stop : int
        Its first byte there, and one past its last.
    name : str
        What messages call it.
    """

    def __init__(self, outer: Source, start: int, stop: int, name: str) -> None:
        self._outer = outer
        self._start = start
        self._stop = stop
        self.name = name

    def _shift(self, byte_range: ByteRequest | None) -> RangeByteRequest:
        start, stop = resolve_byte_range(byte_range, self._stop - self._start)
        return RangeByteRequest(self._start + start, self._start + stop)

    async def get(
        self, prototype: BufferPrototype, byte_range: ByteRequest | None
    ) -> Buffer | None:
        # docstring inherited
        return await self._outer.get(prototype, self._shift(byte_range))

    async def get_ranges(
        self,
        prototype: BufferPrototype,
        ranges: Sequence[RangeByteRequest],
        policy: CoalescePolicy,
        concurrency: int,
    ) -> AsyncIterator[Batch]:
        # docstring inherited
        shifted = [self._shift(wanted) for wanted in ranges]
        batches = self._outer.get_ranges(prototype, shifted, policy, concurrency)
        async with closing(batches):
            async for batch in batches:
                yield batch
