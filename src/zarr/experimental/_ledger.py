"""Bookkeeping of a cache: sizes, ages, LRU order and validity of its entries.

This module does no I/O. Every method is atomic and thread-safe.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple

from zarr.core._byte_ranges import ByteRequest, resolve_byte_range


@dataclass(eq=False, slots=True)
class Entry:
    """A cached value, or a cached byte range of a value.

    Parameters
    ----------
    name : str
        Key of the copy in the cache store; equal to `key` for a whole value.
    key : str
        Key of the value in the source.
    byte_range : ByteRequest or None
        The cached byte range; None for the whole value.
    nbytes : int
        Size of the copy in bytes.
    read_at : float
        Time at which the read from the source started, in seconds of the monotonic clock; minus
        infinity if unknown.
    valid : bool
        Whether the copy may be used. False while the copy is being written, and after the entry has
        been invalidated, for example because the value is about to change.
    """

    name: str
    key: str
    byte_range: ByteRequest | None
    nbytes: int
    read_at: float
    valid: bool = False

    def expects(self, byte_range: ByteRequest | None) -> int:
        """Return the number of bytes that a request for `byte_range` reads from this copy."""
        start, stop = resolve_byte_range(
            byte_range if self.byte_range is None else None, self.nbytes
        )
        return stop - start


class Since(NamedTuple):
    """A point in time: the sequence number of the last change, and a `time.monotonic` value."""

    change: int
    time: float


class Ledger:
    """Keeps track of the entries of a cache.

    Parameters
    ----------
    max_age : float
        Entries older than this many seconds are not used; infinity for no limit.
    max_size : int or None
        Maximum total size of all copies, in bytes; None means no limit.
    """

    def __init__(self, max_age: float, max_size: int | None) -> None:
        self.max_age = max_age
        self.max_size = max_size
        self.nbytes = self.hits = self.misses = self.evictions = 0
        # All entries by name, the least recently used first.
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._parts: dict[str, dict[ByteRequest, Entry]] = {}
        self._lock = threading.Lock()
        # Changes are recorded only while reads are in flight.
        self._change = 0
        self._watchers = 0
        self._changed: dict[str, int] = {}
        self._changed_below: dict[str, int] = {}
        self._changing_below: list[str] = []

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> list[Entry]:
        """Return all entries, the least recently used first."""
        with self._lock:
            return list(self._entries.values())

    # --- looking up ---------------------------------------------------------------------

    def find(self, key: str, byte_range: ByteRequest | None) -> Entry | None:
        """Return a usable entry for a request, and mark it as most recently used.

        Returns None if there is no such entry.
        """
        with self._lock:
            part = None if byte_range is None else self._parts.get(key, {}).get(byte_range)
            for entry in (self._entries.get(key), part):
                if entry is not None and entry.valid and self._is_fresh(entry):
                    self._entries.move_to_end(entry.name)
                    return entry
            return None

    def _is_fresh(self, entry: Entry) -> bool:
        return self.max_age == float("inf") or monotonic() - entry.read_at < self.max_age

    def is_fresh(self, key: str) -> bool:
        """Return whether the copy of the value of a key is young enough to use.

        If there is no age limit, the result is True. If there is an age limit and the age of the
        copy is unknown, the result is False.
        """
        with self._lock:
            entry = self._entries.get(key)
            return self.max_age == float("inf") or (entry is not None and self._is_fresh(entry))

    def knows_nothing_of(self, key: str) -> bool:
        """Return whether a value has no entry, and a copy of unknown age may be used.

        If the result is True, the cache store may contain such a copy, which was not written by
        this cache object. A copy of unknown age may be used only if there is no age limit.
        """
        with self._lock:
            return self.max_age == float("inf") and key not in self._entries

    def parts_of(self, key: str) -> list[Entry]:
        """Return one entry for each cached byte range of the value of a key."""
        with self._lock:
            return list(self._parts.get(key, {}).values())

    def count(self, *, hits: int = 0, misses: int = 0) -> None:
        """Count requests that were answered from the cache (hits), and all others (misses)."""
        with self._lock:
            self.hits += hits
            self.misses += misses

    # --- changes of the source ----------------------------------------------------------

    @contextmanager
    def watching(self) -> Iterator[Since]:
        """Context manager that records changes during a read; yields the start time of the read."""
        with self._lock:
            self._watchers += 1
            since = Since(self._change, monotonic())
        try:
            yield since
        finally:
            with self._lock:
                self._watchers -= 1
                if not self._watchers:
                    self._changed.clear()
                    self._changed_below.clear()

    def unchanged(self, key: str, since: Since) -> bool:
        """Return whether the value of a key has certainly not changed since a point in time.

        The result is False if a change of the value has started or ended since that time. One
        change can affect the values of all keys that begin with a prefix. During such a change, the
        result is False for each of these keys.
        """
        with self._lock:
            return self._unchanged(key, since)

    def _unchanged(self, key: str, since: Since) -> bool:
        return (
            self._changed.get(key, 0) <= since.change
            and not any(key.startswith(base) for base in self._changing_below)
            and not any(
                change > since.change and key.startswith(base)
                for base, change in self._changed_below.items()
            )
        )

    def begin_change(self, key: str) -> list[Entry]:
        """Invalidate and return all entries of a key whose value is about to change."""
        with self._lock:
            self._note_change(key)
            whole = self._entries.get(key)
            entries = [*self._parts.get(key, {}).values()]
            return self._invalidated(entries if whole is None else [whole, *entries])

    def _invalidated(self, entries: list[Entry]) -> list[Entry]:
        for entry in entries:
            entry.valid = False
        return entries

    def end_change(self, key: str) -> None:
        """Record that a change of the value of a key has ended."""
        with self._lock:
            self._note_change(key)

    def _note_change(self, key: str) -> None:
        self._change += 1
        if self._watchers:
            self._changed[key] = self._change

    def begin_change_below(self, base: str) -> list[Entry]:
        """Invalidate and return all entries of keys that begin with `base`.

        The values of these keys are about to change.
        """
        with self._lock:
            self._note_change_below(base)
            self._changing_below.append(base)
            return self._invalidated(
                [entry for entry in self._entries.values() if entry.key.startswith(base)]
            )

    def end_change_below(self, base: str) -> None:
        """Record the end of an operation that changes all keys with the prefix `base`."""
        with self._lock:
            self._changing_below.remove(base)
            self._note_change_below(base)

    def _note_change_below(self, base: str) -> None:
        self._change += 1
        if self._watchers:
            self._changed_below[base] = self._change

    # --- entries ------------------------------------------------------------------------

    def reserve(self, entry: Entry) -> bool:
        """Add an entry for a copy that will be written, if the size limit allows the copy.

        Returns whether the entry was added.
        """
        with self._lock:
            old = self._entries.get(entry.name)
            nbytes = self.nbytes + entry.nbytes - (0 if old is None else old.nbytes)
            if self.max_size is not None and nbytes > self.max_size:
                return False
            self._put(entry)
            return True

    def commit(self, entry: Entry, since: Since) -> bool:
        """Mark a written copy as valid, unless its value may have changed after the time `since`.

        Returns whether the copy is valid.
        """
        with self._lock:
            entry.valid = self._unchanged(entry.key, since)
            return entry.valid

    def adopt(
        self, found: Iterable[Entry], since: Since, held: Callable[[str], bool], *, used: bool
    ) -> None:
        """Add entries that were found in the cache store.

        Parameters
        ----------
        found : iterable of Entry
            The entries. An entry is skipped if the ledger already has an entry with the same name.
        since : Since
            Start time of the operation that found the entries. An entry is skipped if the value of
            its key has changed since this time.
        held : callable
            Function that returns whether the lock of a key is held. Entries of locked keys are
            skipped.
        used : bool
            Whether the entries are added as the most recently used entries. If False, they are
            added as the least recently used entries.
        """
        with self._lock:
            for entry in found:
                if (
                    entry.name not in self._entries
                    and not held(entry.key)
                    and self._unchanged(entry.key, since)
                ):
                    self._put(entry)
                    self._entries.move_to_end(entry.name, last=used)

    def invalidate(self, entry: Entry) -> None:
        """Mark an entry as invalid."""
        with self._lock:
            entry.valid = False

    def forget(self, entry: Entry) -> None:
        """Remove the entry of a copy that has been deleted."""
        with self._lock:
            if self._entries.get(entry.name) is entry:
                self._take(entry)

    def evictable(self, key: str, held: Callable[[str], bool]) -> Entry | None:
        """Return the least recently used entry that can be evicted; None if there is no such entry.

        An entry can be evicted if no other caller has locked the key of the entry.

        Parameters
        ----------
        key : str
            The key that the caller has locked; entries of this key can be evicted.
        held : callable
            Function that returns whether the lock of a key is held.
        """
        with self._lock:
            for entry in self._entries.values():
                if entry.key == key or not held(entry.key):
                    return entry
            return None

    def evicted(self) -> None:
        """Count an eviction."""
        with self._lock:
            self.evictions += 1

    def _put(self, entry: Entry) -> None:
        old = self._entries.get(entry.name)
        if old is not None:
            self._take(old)
        self._entries[entry.name] = entry
        self.nbytes += entry.nbytes
        if entry.byte_range is not None:
            self._parts.setdefault(entry.key, {})[entry.byte_range] = entry

    def _take(self, entry: Entry) -> None:
        del self._entries[entry.name]
        self.nbytes -= entry.nbytes
        if entry.byte_range is not None:
            parts = self._parts[entry.key]
            del parts[entry.byte_range]
            if not parts:
                del self._parts[entry.key]
