"""Where the bytes of a shard come from: a store, memory, or a range of another source."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from zarr.abc._store_access import read_method
from zarr.core._byte_ranges import RangeByteRequest, resolve_byte_range
from zarr.core.chunks._item import InThread
from zarr.core.common import closing, concurrent_results
from zarr.storage._common import StorePath

if TYPE_CHECKING:
    from zarr.abc.store import ByteGetter
    from zarr.core._byte_ranges import ByteRequest
    from zarr.core._coalesce import CoalescePolicy
    from zarr.core.buffer import Buffer, BufferPrototype
    from zarr.core.chunks._item import Batch

    AnyRange: TypeAlias = ByteRequest | None
    Ranges: TypeAlias = Sequence[RangeByteRequest]


class KeySource:
    """A shard behind a byte getter: a key of a store, as a rule.

    Parameters
    ----------
    key : ByteGetter
        Reads the shard. Where it is a `StorePath`, ranges are read by
        `Store.get_ranges`, which merges neighbours, or by `get_ranges_sync` for a key that is
        read in the calling thread; otherwise each is read by its `get`.
    """

    def __init__(self, key: ByteGetter | InThread) -> None:
        self._key = key
        self._place: Any = key.place if isinstance(key, InThread) else key

    @property
    def name(self) -> str:
        """What messages call the shard."""
        place = self._place
        return str(place) if hasattr(place, "path") else f"<{type(place).__name__}>"

    async def get(self, prototype: BufferPrototype, byte_range: AnyRange) -> Buffer | None:
        """Return some of the bytes, None for all of them; None where the shard is absent."""
        return await self._key.get(prototype, byte_range)

    async def get_ranges(
        self, prototype: BufferPrototype, ranges: Ranges, policy: CoalescePolicy, concurrency: int
    ) -> AsyncIterator[Batch]:
        """Yield ``(index into ranges, bytes)`` as they arrive, each index once.

        At most `concurrency` reads are in flight.
        """
        key: Any = self._key
        place = self._place
        method = "get" if place is key else "get_sync"
        if getattr(type(place), method, None) is not getattr(StorePath, method):
            # It reads in a way of its own, which need not be that of a store it may have.
            batches = _get_one_by_one(key, prototype, ranges, concurrency)
        else:
            options: dict[str, Any] = {"prototype": prototype, **vars(policy)}
            if place is not key:
                yield read_method(place.store, "get_ranges_sync")(place.path, ranges, **options)
                return
            get_ranges = read_method(place.store, "get_ranges")
            batches = get_ranges(place.path, ranges, max_concurrency=concurrency, **options)
        async with closing(batches):
            async for batch in batches:
                yield batch


async def _get_one_by_one(
    key: ByteGetter | InThread, prototype: BufferPrototype, ranges: Ranges, concurrency: int
) -> AsyncIterator[Batch]:
    async def fetch(index: int, wanted: RangeByteRequest) -> Batch:
        return [(index, await key.get(prototype, wanted))]

    if isinstance(key, InThread):  # which never waits
        for index, wanted in enumerate(ranges):
            yield await fetch(index, wanted)
        return
    arriving = concurrent_results(enumerate(ranges), fetch, concurrency)
    async with closing(arriving):
        async for batch in arriving:
            yield batch


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

    async def get(self, prototype: BufferPrototype, byte_range: AnyRange) -> Buffer | None:
        # docstring inherited
        start, stop = resolve_byte_range(byte_range, len(self._shard))
        return self._shard[start:stop]

    async def get_ranges(
        self, prototype: BufferPrototype, ranges: Ranges, policy: CoalescePolicy, concurrency: int
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
    start : int
        Its first byte there.
    stop : int
        One past its last byte there.
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

    async def get(self, prototype: BufferPrototype, byte_range: AnyRange) -> Buffer | None:
        # docstring inherited
        return await self._outer.get(prototype, self._shift(byte_range))

    def get_ranges(
        self, prototype: BufferPrototype, ranges: Ranges, policy: CoalescePolicy, concurrency: int
    ) -> AsyncIterator[Batch]:
        # docstring inherited
        shifted = [self._shift(wanted) for wanted in ranges]
        return self._outer.get_ranges(prototype, shifted, policy, concurrency)


# The bytes of one shard.
Source: TypeAlias = KeySource | MemorySource | WindowSource
