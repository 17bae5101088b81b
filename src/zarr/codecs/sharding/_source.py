"""Sources of the bytes of a shard: a store, memory, or a byte range of an outer shard."""

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
    """A shard read through a byte getter, usually a key of a store.

    Parameters
    ----------
    key : ByteGetter
        Reads the shard. To read several ranges of a `StorePath`, `Store.get_ranges` is called once;
        it merges neighbouring ranges. For any other byte getter, `get` is called once for each
        range. If the key is read in the calling thread, `Store.get_ranges_sync` is called instead
        of `Store.get_ranges`, and `get_sync` instead of `get`.
    """

    def __init__(self, key: ByteGetter | InThread) -> None:
        self._key = key
        self._place: Any = key.place if isinstance(key, InThread) else key

    @property
    def name(self) -> str:
        """Name of the shard for error messages."""
        place = self._place
        return str(place) if hasattr(place, "path") else f"<{type(place).__name__}>"

    async def get(self, prototype: BufferPrototype, byte_range: AnyRange) -> Buffer | None:
        """Return a byte range of the shard; None if the shard is absent.

        If `byte_range` is None, all bytes of the shard are returned.
        """
        return await self._key.get(prototype, byte_range)

    async def get_ranges(
        self, prototype: BufferPrototype, ranges: Ranges, policy: CoalescePolicy, concurrency: int
    ) -> AsyncIterator[Batch]:
        """Yield batches of ``(index into ranges, bytes)`` pairs as they arrive.

        Each index into `ranges` occurs exactly once. At most `concurrency` reads are in flight at a
        time.
        """
        key: Any = self._key
        place = self._place
        method = "get" if place is key else "get_sync"
        if getattr(type(place), method, None) is not getattr(StorePath, method):
            # The byte getter defines this method itself, so the method may not simply read the key
            # from a store. Therefore the method is called once for each range.
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

    if isinstance(key, InThread):  # synchronous, so nothing can run concurrently
        for index, wanted in enumerate(ranges):
            yield await fetch(index, wanted)
        return
    arriving = concurrent_results(enumerate(ranges), fetch, concurrency)
    async with closing(arriving):
        async for batch in arriving:
            yield batch


class MemorySource:
    """A shard whose bytes are in memory.

    Parameters
    ----------
    shard : Buffer
        The bytes of the whole shard.
    name : str
        Name of the shard for error messages.
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
    """A stored inner chunk, whose bytes are a byte range of the outer shard.

    A part of an inner chunk is read through this class if the inner chunk is itself a shard, or if
    the codec of the inner chunks overrides partial decoding. In the second case, the codec
    receives a `WindowSource` as its byte getter.

    Parameters
    ----------
    outer : Source
        The outer shard.
    start : int
        Position of the first byte of the inner chunk within the outer shard.
    stop : int
        One past the position of the last byte of the inner chunk within the outer shard.
    name : str
        Name of the inner chunk for error messages.
    """

    def __init__(self, outer: Source, start: int, stop: int, name: str) -> None:
        self._outer = outer
        self._start, self._stop = start, stop
        self.name = name

    def _shift(self, byte_range: ByteRequest | None) -> RangeByteRequest:
        start, stop = resolve_byte_range(byte_range, self._stop - self._start)
        return RangeByteRequest(self._start + start, self._start + stop)

    async def get(self, prototype: BufferPrototype, byte_range: AnyRange = None) -> Buffer | None:
        # docstring inherited
        return await self._outer.get(prototype, self._shift(byte_range))

    def get_ranges(
        self, prototype: BufferPrototype, ranges: Ranges, policy: CoalescePolicy, concurrency: int
    ) -> AsyncIterator[Batch]:
        # docstring inherited
        shifted = [self._shift(wanted) for wanted in ranges]
        return self._outer.get_ranges(prototype, shifted, policy, concurrency)


# A source of the bytes of one shard.
Source: TypeAlias = KeySource | MemorySource | WindowSource
