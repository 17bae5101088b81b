"""A cache that keeps copies of the values of a source store in a second store."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.common import closing, concurrent_map
from zarr.experimental._key_locks import KeyLocks
from zarr.experimental._ledger import Entry, Ledger, Since
from zarr.storage._utils import as_directory

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer, BufferPrototype

logger = logging.getLogger(__name__)

Request: TypeAlias = tuple[str, ByteRequest | None]

# Key prefix of copies of byte ranges. Values whose keys begin with this prefix are not cached.
_PARTS = "__ranges__/"

# Name of the lock for listing the cache store. No other lock has this name: the names of the
# other locks are keys, and the empty string is not a valid key.
_STOCK = ""


def can_be_cached(key: str) -> bool:
    """Return whether the value of a key can be cached.

    The result is False if the key begins with the prefix that is reserved for copies of byte
    ranges.
    """
    return not key.startswith(_PARTS)


def _name_of(key: str, byte_range: ByteRequest | None) -> str:
    """Return the key under which the cache store keeps the copy of a value or of a byte range."""
    if byte_range is None:
        return key
    # The name contains a hash of the key. If the name contained the key itself, a local cache store
    # could need a file and a directory of the same name.
    digest = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    if isinstance(byte_range, RangeByteRequest):
        return f"{_PARTS}{digest}/{byte_range.start}-{byte_range.end}"
    if isinstance(byte_range, OffsetByteRequest):
        return f"{_PARTS}{digest}/{byte_range.offset}-"
    assert isinstance(byte_range, SuffixByteRequest)
    return f"{_PARTS}{digest}/-{byte_range.suffix}"


class Cache:
    """Copies of values, and of byte ranges of values, in a store that only the cache uses.

    If the cache store fails, the failure is logged and the value is read from the source. This rule
    has one exception: the copy of a source value is deleted before the value changes. If this
    deletion fails, the error is raised and the source is not changed.

    Parameters
    ----------
    store : Store
        The store that contains the copies. The copy of a whole value has the same key as the value.
        Values that are already in the cache store when the cache is created are treated as valid
        copies if `max_age` is infinity. A copy of a byte range is used only by the cache object
        that wrote the copy.
    max_age : float
        Copies older than this many seconds are not used; infinity for no limit.
    max_size : int or None
        Maximum total size of all copies, in bytes; None means no limit. The total size also
        includes values that were already in the cache store when the cache was created. If
        `max_size` is not None and the cache store supports listing, the cache adds the sizes of all
        these values immediately before it writes its first copy. If `max_age` is infinity, the
        cache also adds the size of such a value when it reads the whole value. Values that are
        included in the total size can be evicted.
    """

    def __init__(self, store: Store, max_age: float, max_size: int | None) -> None:
        self.store = store
        self.ledger = Ledger(max_age, max_size)
        self._locks = KeyLocks()
        self._took_stock = False

    # --- reading ------------------------------------------------------------------------

    async def get(
        self, request: Request, prototype: BufferPrototype, since: Since
    ) -> Buffer | None:
        """Return the copy of a value, or of a byte range of a value; None if no copy is usable."""
        key, byte_range = request
        entry = self.ledger.find(key, byte_range)
        if entry is None and not self.ledger.knows_nothing_of(key):
            return None
        name, part = _place_of(request, entry)
        try:
            value = await self.store.get(name, prototype, part)
        except Exception as error:
            _log("read", name, error)
            return None
        return value if self._accept(request, entry, value, since) else None

    def sort(
        self, requests: Iterable[Request]
    ) -> tuple[dict[Request, Entry | None], dict[Request, Entry | None], list[Request]]:
        """Split requests into three groups: with a copy, possibly with a copy, without a copy.

        Returns
        -------
        tuple
            Three collections. The first is a dict with the requests that have a copy; the value for
            each request is the entry of its copy. The second is a dict with the requests that
            possibly have a copy; the value for each request is None. The third is a list of all
            other requests.
        """
        held: dict[Request, Entry | None] = {}
        unknown: dict[Request, Entry | None] = {}
        missing = []
        for request in requests:
            key, byte_range = request
            if not can_be_cached(key):
                missing.append(request)
            elif (entry := self.ledger.find(key, byte_range)) is not None:
                held[request] = entry
            elif self.ledger.knows_nothing_of(key):
                unknown[request] = None
            else:
                missing.append(request)
        return held, unknown, missing

    async def get_many(
        self, wanted: dict[Request, Entry | None], prototype: BufferPrototype, since: Since
    ) -> AsyncIterator[list[tuple[Request, Buffer]]]:
        """Read copies from the cache store, and yield them in batches of pairs (request, copy).

        Parameters
        ----------
        wanted : dict
            One of the dicts that `sort` returns. The dict maps each request to an entry or to None.
            Each request is deleted from the dict when its copy is yielded. Requests that remain in
            the dict at the end have no usable copy.
        prototype : BufferPrototype
            The copies are instances of the ``buffer`` class of the prototype.
        since : Since
            Time at which the read started.
        """
        if not wanted:
            return
        asked = list(wanted.items())
        places = [_place_of(request, entry) for request, entry in asked]
        batches = self.store.get_many(places, prototype=prototype)
        try:
            async with closing(batches):
                async for batch in batches:
                    found = []
                    for index, value in batch:
                        request, entry = asked[index]
                        if value is not None and self._accept(request, entry, value, since):
                            del wanted[request]
                            found.append((request, value))
                    if found:
                        yield found
        except Exception as error:
            _log("read", f"{len(wanted)} keys", error)

    def _accept(
        self, request: Request, entry: Entry | None, value: Buffer | None, since: Since
    ) -> bool:
        """Return whether a value read from the cache store is the expected copy."""
        key, byte_range = request
        if entry is None:
            if value is not None and byte_range is None:
                found = Entry(key, key, None, len(value), -float("inf"), valid=True)
                self.ledger.adopt([found], since, self._locks.held, used=True)
            return value is not None
        if value is not None and len(value) == entry.expects(byte_range):
            return True
        # Another program has deleted or truncated the copy, or the copy changed during the read.
        self.ledger.invalidate(entry)
        return False

    # --- filling ------------------------------------------------------------------------

    async def offer(self, request: Request, value: Buffer, since: Since) -> None:
        """Store a copy of a value that was read, unless the value has changed after `since`."""
        key, byte_range = request
        if byte_range is not None and not len(value):
            return
        # If another caller holds the lock, nothing is stored: that caller is writing the same copy,
        # or it is changing the value.
        if not can_be_cached(key) or not self._locks.try_acquire(key):
            return
        try:
            if self.ledger.find(key, byte_range) is None:
                await self.keep(request, value, since)
        finally:
            self._locks.release(key)

    async def keep(self, request: Request, value: Buffer, since: Since) -> None:
        """Write a copy, and evict other copies if necessary.

        The caller must hold the lock of the key.
        """
        key, byte_range = request
        if self.store.read_only or not self.ledger.unchanged(key, since):
            return
        entry = Entry(_name_of(key, byte_range), key, byte_range, len(value), since.time)
        if not await self._reserve(entry):
            return
        try:
            await self.store.set(entry.name, value)
        except Exception as error:
            _log("write", entry.name, error)
            await self._discard(entry)
            return
        if not self.ledger.commit(entry, since):
            await self._discard(entry)
        elif byte_range is None:
            for part in self.ledger.parts_of(key):
                await self._discard(part)

    async def _reserve(self, entry: Entry) -> bool:
        """Add an entry before its copy is written; evict least recently used copies if necessary.

        Returns False if the copy cannot be stored within `max_size`.
        """
        max_size = self.ledger.max_size
        if max_size is not None:
            if entry.nbytes > max_size:
                return False
            await self._take_stock()
        while not self.ledger.reserve(entry):
            victim = self.ledger.evictable(entry.key, self._locks.held)
            if victim is None:
                return False
            own = victim.key == entry.key
            if not own and not self._locks.try_acquire(victim.key):
                continue
            try:
                if not await self._discard(victim):
                    return False
            finally:
                if not own:
                    self._locks.release(victim.key)
            self.ledger.evicted()
        return True

    async def _take_stock(self) -> None:
        """Add entries for the copies that exist in the cache store; later calls do nothing.

        These entries are necessary only if `max_size` limits the total size of the copies.
        """
        if self._took_stock:
            return
        await self._locks.acquire(_STOCK)
        try:
            if self._took_stock:
                return
            with self.ledger.watching() as since:
                found: list[Entry] = []
                try:
                    if self.store.supports_listing:
                        names = [(name,) async for name in self.store.list()]
                        sizes = await concurrent_map(names, self.store.getsize)
                        found = [
                            self._found(name, nbytes)
                            for (name,), nbytes in zip(names, sizes, strict=True)
                        ]
                except Exception as error:
                    _log("list", "all keys", error)
                self.ledger.adopt(found, since, self._locks.held, used=False)
            self._took_stock = True
        finally:
            self._locks.release(_STOCK)

    def _found(self, name: str, nbytes: int) -> Entry:
        # The age is unknown, so the copy is usable only if the age is not limited.
        of_use = can_be_cached(name) and self.ledger.max_age == float("inf")
        return Entry(name, name, None, nbytes, -float("inf"), valid=of_use)

    async def _discard(self, entry: Entry) -> bool:
        """Delete a copy; return whether this succeeded."""
        self.ledger.invalidate(entry)
        try:
            await self.store.delete(entry.name)
        except Exception as error:
            _log("delete", entry.name, error)
            return False
        self.ledger.forget(entry)
        return True

    # --- changes of the source ----------------------------------------------------------

    @asynccontextmanager
    async def changing(self, key: str) -> AsyncIterator[Since]:
        """Context manager for changing a source value; deletes the copies of the value first.

        Changes of the same key run one after the other. Yields the time at which the change starts;
        the caller passes this time to `keep`.

        Raises
        ------
        Exception
            If the copy of the value cannot be deleted.
        """
        await self._locks.acquire(key)
        try:
            entries = self.ledger.begin_change(key)
            try:
                with self.ledger.watching() as since:
                    await self._remove(key)
                    for entry in entries:
                        if entry.byte_range is None:
                            self.ledger.forget(entry)
                        else:
                            await self._discard(entry)
                    yield since
            finally:
                self.ledger.end_change(key)
        finally:
            self._locks.release(key)

    async def _remove(self, key: str) -> None:
        """Delete the copy of a value, even if the copy has no entry.

        If a stale copy remained, it would be used after a restart.
        """
        try:
            await self.store.delete(key)
        except Exception as error:
            if await self._may_exist(key):
                error.add_note(f"while removing {key!r}, about to change, from the cache")
                raise

    async def _may_exist(self, name: str) -> bool:
        try:
            return await self.store.exists(name)
        except Exception:
            return True

    @asynccontextmanager
    async def changing_below(self, prefix: str) -> AsyncIterator[None]:
        """Context manager for changing the source values of all keys below a prefix.

        The copies of these values are deleted first.

        Parameters
        ----------
        prefix : str
            The prefix, which names a directory of keys; empty for all keys.

        Raises
        ------
        Exception
            If the copies of the values cannot be deleted.
        """
        base = as_directory(prefix)
        entries = self.ledger.begin_change_below(base)
        try:
            if base:
                await self.store.delete_dir(prefix)
                parts = [(entry,) for entry in entries if entry.byte_range is not None]
                await concurrent_map(parts, self._discard)
            else:
                await self.store.clear()
            for entry in entries:
                if entry.byte_range is None or not base:
                    self.ledger.forget(entry)
            yield
        finally:
            self.ledger.end_change_below(base)


def _place_of(request: Request, entry: Entry | None) -> Request:
    """Return the key and byte range to read from the cache store."""
    key, byte_range = request
    if entry is None or entry.byte_range is None:
        return key, byte_range
    return entry.name, None


def _log(action: str, what: str, error: Exception) -> None:
    logger.warning("the cache failed to %s %s: %s: %s", action, what, type(error).__name__, error)
