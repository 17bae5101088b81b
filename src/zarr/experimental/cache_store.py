"""`CacheStore`: a store that caches the values of another store."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import (
    AsyncIterator,
    Callable,
    Iterable,
    Sequence,
)
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

from zarr.abc._store_access import read_method
from zarr.abc.store import ByteRequest, Store, parse_requests
from zarr.core._byte_ranges import check_byte_range
from zarr.core._process_lock import ProcessLock
from zarr.core.common import closing, concurrent_map
from zarr.experimental._cache import Cache, Request, can_be_cached
from zarr.experimental._state import CacheState, parse_max_age, parse_max_size
from zarr.storage import LocalStore, MemoryStore, WrapperStore
from zarr.storage._utils import as_directory, check_key

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from zarr.abc.store import ReadRequest
    from zarr.core.buffer import Buffer, BufferPrototype
    from zarr.experimental._ledger import Entry, Since

__all__ = ["CacheStore"]

_renewing = ProcessLock()  # held while a forked child replaces the state

_Batches = AsyncIterator[Sequence[tuple[int, "Buffer | None"]]]


class _CacheState:
    """Class of the cache state in pickles made by zarr-python; the pickled state is ignored."""

    def __setstate__(self, state: object) -> None:
        pass


class CacheStore(WrapperStore[Store]):
    """Caches values of a source store in a second store, the cache store.

    The source is authoritative. The absence of a key is never cached. Before a value of the source
    is changed through this store, the copies of the value are invalidated. The cache store can be
    any store that supports deletes. Do not keep other data in the cache store, because the cache
    can delete all content of the cache store. Values that are already in the cache store when the
    `CacheStore` is created are treated as valid copies if `max_age_seconds` is infinity. Otherwise
    these values are ignored, because their age is unknown.

    If a whole value is requested, the whole value is cached; if a byte range is requested, that
    byte range is cached. The copy of a whole value also answers requests for byte ranges of the
    value. A bulk read takes available copies from the cache, and requests all other values from the
    source in one call. Concurrent reads of one key, except bulk reads, share one read of the
    source.

    Failures of the source are raised. Failures of the cache store are logged, and the value is read
    from the source. There is one exception: before a value is changed, its copy is deleted. If the
    copy cannot be deleted, the error is raised and the value is not changed. If another store or
    program changes the source, the cache does not detect this change.

    Parameters
    ----------
    store : Store
        The source.
    cache_store : Store
        The store that contains the copies.
    max_age_seconds : float or "infinity"
        Maximum age of copies, in seconds since the values were read from the source or written to
        the source. Older copies are not used.
    max_size : int or None
        Maximum total size of all copies, in bytes; None means no limit. The least recently used
        copies are evicted to make room for a new copy. A value larger than `max_size` is not
        cached.
    cache_set_data : bool
        Whether a value is also cached when it is written.

    Raises
    ------
    TypeError, ValueError
        If the cache store does not support deletes, if it is the same store as the source, or if
        `max_age_seconds` or `max_size` is invalid.
    """

    def __init__(
        self,
        store: Store,
        *,
        cache_store: Store,
        max_age_seconds: float | Literal["infinity"] = "infinity",
        max_size: int | None = None,
        cache_set_data: bool = True,
    ) -> None:
        super().__init__(store)
        if not cache_store.supports_deletes:
            raise ValueError(
                f"The provided cache store {cache_store} does not support deletes. "
                "The cache_store must support deletes for CacheStore to function properly."
            )
        if _is_same_place(store, cache_store):
            raise ValueError(
                f"The cache store must not be the source store itself, got the source {store} "
                f"and the cache store {cache_store}."
            )
        self._cache_store = cache_store
        self.cache_set_data = cache_set_data
        self._shared = CacheState(cache_store, max_age_seconds, max_size)

    @classmethod
    async def open(cls, store_cls: type[Store], *args: Any, **kwargs: Any) -> Self:
        """Open a store of the given class, and return a `CacheStore` with that store as its source.

        Parameters
        ----------
        store_cls : type of Store
            The class of the source.
        *args
            Positional arguments of `store_cls`.
        **kwargs
            Keyword arguments of `store_cls`, and of `CacheStore`.
        """
        own = {name: kwargs.pop(name) for name in _OPTIONS if name in kwargs}
        return cls(await store_cls.open(*args, **kwargs), **own)

    @property
    def _state(self) -> CacheState:
        # A forked child process gets a new state. When the parent process forks, its threads may
        # hold locks of the old state, and reads may be in flight. In the child, these locks would
        # never be released, and these reads would never end.
        shared = self._shared
        if shared.process != os.getpid():
            with _renewing:
                shared = self._shared
                if shared.process != os.getpid():
                    max_size = shared.cache.ledger.max_size
                    shared = CacheState(self._cache_store, shared.max_age, max_size)
                    self._shared = shared
        return shared

    @property
    def _cache(self) -> Store:
        return self._cache_store

    @property
    def max_age_seconds(self) -> Any:
        """Maximum age of copies, in seconds; a new value also applies to existing copies."""
        return self._state.max_age

    @max_age_seconds.setter
    def max_age_seconds(self, value: object) -> None:
        self._state.cache.ledger.max_age = parse_max_age(value)
        self._state.max_age = value

    @property
    def max_size(self) -> int | None:
        """Maximum total size of copies, in bytes; a new value applies when a copy is added."""
        return self._state.cache.ledger.max_size

    @max_size.setter
    def max_size(self, value: object) -> None:
        self._state.cache.ledger.max_size = parse_max_size(value)

    def _is_key_fresh(self, key: str) -> bool:
        """Return whether the copy of the value of a key is young enough to use."""
        return self._state.cache.ledger.is_fresh(key)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "_store": self._store,
            "_cache": self._cache_store,
            "max_age_seconds": self.max_age_seconds,
            "max_size": self.max_size,
            "cache_set_data": self.cache_set_data,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Pickles made by zarr-python also contain the cache state. The cache state is ignored.
        self._store = state["_store"]
        self._cache_store = state["_cache"]
        self.cache_set_data = state["cache_set_data"]
        self._shared = CacheState(self._cache_store, state["max_age_seconds"], state["max_size"])

    def close(self) -> None:
        # docstring inherited
        super().close()
        self._cache_store.close()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super().__exit__(exc_type, exc_value, traceback)
        self._cache_store.__exit__(exc_type, exc_value, traceback)

    def __repr__(self) -> str:
        ledger = self._state.cache.ledger
        return (
            f"{type(self).__name__}(store={self._store!r}, cache_store={self._cache_store!r}, "
            f"max_age_seconds={self.max_age_seconds}, max_size={self.max_size}, "
            f"current_size={ledger.nbytes}, cached_keys={len(ledger)})"
        )

    # --- the cache ----------------------------------------------------------------------

    def cache_info(self) -> dict[str, Any]:
        """Return the parameters and the size of the cache.

        Returns
        -------
        dict
            The class name of the cache store, the parameters, the total size of all copies in bytes
            (``current_size``), and the number of copies. The number of copies is stored twice, as
            ``tracked_keys`` and as ``cached_keys``.
        """
        ledger = self._state.cache.ledger
        return {
            "cache_store_type": type(self._cache_store).__name__,
            "max_age_seconds": self.max_age_seconds,
            "max_size": self.max_size,
            "current_size": ledger.nbytes,
            "cache_set_data": self.cache_set_data,
            "tracked_keys": len(ledger),
            "cached_keys": len(ledger),
        }

    def cache_stats(self) -> dict[str, Any]:
        """Return the hit and miss counts of the cache.

        Returns
        -------
        dict
            The number of requests that were answered from the cache (``hits``), the number of other
            requests (``misses``), their sum, the fraction of hits, and the number of evicted
            copies.
        """
        ledger = self._state.cache.ledger
        total = ledger.hits + ledger.misses
        return {
            "hits": ledger.hits,
            "misses": ledger.misses,
            "evictions": ledger.evictions,
            "total_requests": total,
            "hit_rate": ledger.hits / total if total else 0.0,
        }

    async def clear_cache(self) -> None:
        """Delete the content of the cache store; the source is not changed.

        Raises
        ------
        Exception
            If the cache store cannot be cleared.
        """
        async with self._state.cache.changing_below(""):
            pass

    # --- reading ------------------------------------------------------------------------

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        # docstring inherited
        check_byte_range(byte_range)
        if not can_be_cached(check_key(key)):
            return await self._store.get(key, prototype, byte_range)
        state = self._state
        request = (key, byte_range)
        with state.cache.ledger.watching() as since:
            value = await state.cache.get(request, prototype, since)
        if value is not None:
            state.cache.ledger.count(hits=1)
            return value
        state.cache.ledger.count(misses=1)

        async def fetch() -> Buffer | None:
            with state.cache.ledger.watching() as since:
                value = await self._store.get(key, prototype, byte_range)
                if value is not None:
                    await state.cache.offer(request, value, since)
            return value

        return await state.flights.join(key, (prototype, byte_range), fetch)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        # docstring inherited
        found: dict[int, Buffer | None] = {}
        async for batch in self.get_many(key_ranges, prototype=prototype):
            found.update(batch)
        return [found[index] for index in range(len(found))]

    async def get_many(
        self, requests: Iterable[ReadRequest], *, prototype: BufferPrototype
    ) -> _Batches:
        # docstring inherited
        wanted = parse_requests(requests)
        for key, _ in wanted:
            check_key(key)

        def fetch(missing: Sequence[Request]) -> _Batches:
            return self._store.get_many(missing, prototype=prototype)

        batches = self._read(wanted, prototype, fetch)
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
    ) -> _Batches:
        # docstring inherited
        wanted = [(check_key(key), byte_range) for byte_range in byte_ranges]
        for _, byte_range in wanted:
            check_byte_range(byte_range)
        forward = super().get_ranges

        def fetch(missing: Sequence[Request]) -> _Batches:
            return forward(
                key,
                [byte_range for _, byte_range in missing],
                prototype=prototype,
                max_concurrency=max_concurrency,
                max_gap_bytes=max_gap_bytes,
                max_coalesced_bytes=max_coalesced_bytes,
            )

        batches = self._read(wanted, prototype, fetch)
        async with closing(batches):
            async for batch in batches:
                yield batch

    async def _read(
        self,
        wanted: Sequence[Request],
        prototype: BufferPrototype,
        fetch: Callable[[Sequence[Request]], _Batches],
    ) -> _Batches:
        """Take available copies from the cache, and read all other values with `fetch`."""
        cache = self._state.cache
        places: dict[Request, list[int]] = defaultdict(list)
        for index, request in enumerate(wanted):
            places[request].append(index)

        def answers(
            found: Iterable[tuple[Request, Buffer | None]],
        ) -> list[tuple[int, Buffer | None]]:
            return [(index, value) for request, value in found for index in places[request]]

        async def copies(held: dict[Request, Entry | None]) -> _Batches:
            found = cache.get_many(held, prototype, since)
            async with closing(found):
                async for batch in found:
                    answered = answers(batch)
                    cache.ledger.count(hits=len(answered))
                    yield answered

        async def fetched(batches: _Batches, asked: Sequence[Request]) -> _Batches:
            async with closing(batches):
                async for batch in batches:
                    found = [(asked[index], value) for index, value in batch]
                    there = [
                        (request, value, since) for request, value in found if value is not None
                    ]
                    await concurrent_map(there, cache.offer)
                    answered = answers(found)
                    cache.ledger.count(misses=len(answered))
                    yield answered

        with cache.ledger.watching() as since:
            held, unknown, missing = cache.sort(places)
            async with closing(copies(unknown)) as batches:
                async for batch in batches:
                    yield batch
            missing += unknown
            # Start the read of the source now, so that it runs while the caller processes the
            # copies from the cache.
            ahead = _Ahead(fetch(missing)) if missing else None
            try:
                async with closing(copies(held)) as batches:
                    async for batch in batches:
                        yield batch
            except BaseException:
                if ahead is not None:
                    await ahead.aclose()
                raise
            if ahead is not None:
                async with closing(fetched(ahead, missing)) as batches:
                    async for batch in batches:
                        yield batch
            if lost := list(held):  # copies that were deleted or are invalid
                async with closing(fetched(fetch(lost), lost)) as batches:
                    async for batch in batches:
                        yield batch

    # --- writing ------------------------------------------------------------------------

    async def set(self, key: str, value: Buffer) -> None:
        # docstring inherited
        async with self._changing(key) as change:
            await self._store.set(key, value)
            if change is not None and self.cache_set_data:
                # The bytes are copied, because the caller may change the memory later.
                cache, since = change
                await cache.keep((key, None), value.combine([]), since)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        # docstring inherited
        async with self._changing(key):
            await self._store.set_if_not_exists(key, value)

    async def delete(self, key: str) -> None:
        # docstring inherited
        async with self._changing(key):
            await self._store.delete(key)

    @asynccontextmanager
    async def _changing(self, key: str) -> AsyncIterator[tuple[Cache, Since] | None]:
        """Context manager for changing the value of a key in the source.

        If the key can be cached, yields the cache and the time at which the change starts.
        Otherwise yields None.
        """
        self._check_writable()
        if not can_be_cached(check_key(key)):
            yield None
            return
        state = self._state
        async with state.cache.changing(key) as since:
            state.flights.detach(key)
            try:
                yield state.cache, since
            finally:
                state.flights.detach(key)

    async def delete_dir(self, prefix: str) -> None:
        # docstring inherited
        async with self._changing_below(prefix):
            await read_method(self._store, "delete_dir")(prefix)

    async def clear(self) -> None:
        # docstring inherited
        async with self._changing_below(""):
            await read_method(self._store, "clear")()

    @asynccontextmanager
    async def _changing_below(self, prefix: str) -> AsyncIterator[None]:
        self._check_writable()
        state = self._state
        async with state.cache.changing_below(prefix):
            state.flights.detach_below(as_directory(prefix))
            try:
                yield
            finally:
                state.flights.detach_below(as_directory(prefix))


_OPTIONS = ("cache_store", "max_age_seconds", "max_size", "cache_set_data")


class _Ahead:
    """Iterates over batches; the first batch is requested when the iterator is created."""

    def __init__(self, batches: _Batches) -> None:
        self._batches = batches
        self._first: asyncio.Future[Any] | None = asyncio.ensure_future(anext(batches, None))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Sequence[tuple[int, Buffer | None]]:
        if self._first is None:
            return await anext(self._batches)
        batch: Sequence[tuple[int, Buffer | None]] | None = await self._first
        self._first = None
        if batch is None:
            raise StopAsyncIteration
        return batch

    async def aclose(self) -> None:
        """Cancel the pending request and close the iterator."""
        if self._first is not None:
            self._first.cancel()
            await asyncio.gather(self._first, return_exceptions=True)
        async with closing(self._batches):
            pass


def _is_same_place(store: Store, other: Store) -> bool:
    """Return whether two stores certainly access the same storage."""
    while isinstance(store, WrapperStore):
        store = store._store
    while isinstance(other, WrapperStore):
        other = other._store
    named = isinstance(store, (MemoryStore, LocalStore)) and type(store) is type(other)
    return store is other or (named and str(store) == str(other))
