"""What a cache holds: sizes, ages, the order of use, and which of it may be believed.

No I/O; every method is one step, also where several threads call.
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
    """One value in the cache.

    Parameters
    ----------
    name : str
        Its key in the cache; that of the source for a whole value.
    key : str
        Its key in the source.
    byte_range : ByteRequest or None
        Which part of the value it is; None for all.
    nbytes : int
        Its size in bytes.
    read_at : float
        When reading it from the source began, in seconds of the monotonic clock; minus infinity
        where that is not known.
    valid : bool
        Whether the bytes in the cache are what the source had; not while they are written, nor
        once they are out of date.
    """

    name: str
    key: str
    byte_range: ByteRequest | None
    nbytes: int
    read_at: float
    valid: bool = False

    def expects(self, byte_range: ByteRequest | None) -> int:
        """Return how many bytes a request for part of the value gets from this entry."""
        start, stop = resolve_byte_range(
            byte_range if self.byte_range is None else None, self.nbytes
        )
        return stop - start


class Since(NamedTuple):
    """A moment: number of the last change, and seconds of the monotonic clock."""

    change: int
    time: float


class Ledger:
    """Keeps the books of a cache.

    Parameters
    ----------
    max_age : float
        Entries older than this many seconds are not used; infinity for no limit.
    max_size : int or None
        Most bytes held; None for no limit.
    """

    def __init__(self, max_age: float, max_size: int | None) -> None:
        self.max_age = max_age
        self.max_size = max_size
        self.nbytes = self.hits = self.misses = self.evictions = 0
        # By name, the least recently used first.
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._parts: dict[str, dict[ByteRequest, Entry]] = {}
        self._lock = threading.Lock()
        # What changed while reads were under way; nobody else needs to know.
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
        """Return the entry that answers a request, which counts as a use of it."""
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
        """Tell whether a copy of a key, if there is one, is not too old; unknown ages count as old."""
        with self._lock:
            entry = self._entries.get(key)
            return self.max_age == float("inf") or (entry is not None and self._is_fresh(entry))

    def knows_nothing_of(self, key: str) -> bool:
        """Tell whether what the cache may hold of a key was put there by somebody else.

        It may be used then, unless its age matters.
        """
        with self._lock:
            return self.max_age == float("inf") and key not in self._entries

    def parts_of(self, key: str) -> list[Entry]:
        """Return the entries that are parts of a value."""
        with self._lock:
            return list(self._parts.get(key, {}).values())

    def count(self, *, hits: int = 0, misses: int = 0) -> None:
        """Count requests that were, or were not, answered from the cache."""
        with self._lock:
            self.hits += hits
            self.misses += misses

    # --- changes of the source ----------------------------------------------------------

    @contextmanager
    def watching(self) -> Iterator[Since]:
        """Remember what changes while a read is under way; the value is the moment it began."""
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
        """Tell whether no change of a key has begun or ended since a moment, or is under way."""
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
        """Invalidate what is held of a key, whose value is about to change, and return it."""
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
        """Note that the change of a key is over."""
        with self._lock:
            self._note_change(key)

    def _note_change(self, key: str) -> None:
        self._change += 1
        if self._watchers:
            self._changed[key] = self._change

    def begin_change_below(self, base: str) -> list[Entry]:
        """Invalidate what is held of all keys that begin with `base`, and return it."""
        with self._lock:
            self._note_change_below(base)
            self._changing_below.append(base)
            return self._invalidated(
                [entry for entry in self._entries.values() if entry.key.startswith(base)]
            )

    def end_change_below(self, base: str) -> None:
        """Note that the change of keys that begin with `base` is over."""
        with self._lock:
            self._changing_below.remove(base)
            self._note_change_below(base)

    def _note_change_below(self, base: str) -> None:
        self._change += 1
        if self._watchers:
            self._changed_below[base] = self._change

    # --- entries ------------------------------------------------------------------------

    def reserve(self, entry: Entry) -> bool:
        """Enter what is about to be written, if there is room; tell whether there is."""
        with self._lock:
            old = self._entries.get(entry.name)
            nbytes = self.nbytes + entry.nbytes - (0 if old is None else old.nbytes)
            if self.max_size is not None and nbytes > self.max_size:
                return False
            self._put(entry)
            return True

    def commit(self, entry: Entry, since: Since) -> bool:
        """Validate an entry that has been written, unless its key has changed; tell whether."""
        with self._lock:
            entry.valid = self._unchanged(entry.key, since)
            return entry.valid

    def adopt(
        self, found: Iterable[Entry], since: Since, held: Callable[[str], bool], *, used: bool
    ) -> None:
        """Enter what the cache turned out to hold.

        Parameters
        ----------
        found : iterable of Entry
            Entries; one that is known by now is left out.
        since : Since
            When looking for them began. Those whose keys changed since are left out.
        held : callable
            Tells whether somebody is busy with a key; such ones are left out.
        used : bool
            Whether they are the most, or the least recently used.
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
        """Use an entry no longer."""
        with self._lock:
            entry.valid = False

    def forget(self, entry: Entry) -> None:
        """Strike out an entry whose bytes have been deleted."""
        with self._lock:
            if self._entries.get(entry.name) is entry:
                self._take(entry)

    def evictable(self, key: str, held: Callable[[str], bool]) -> Entry | None:
        """Return the least recently used entry that nobody is busy with.

        Parameters
        ----------
        key : str
            The key that the caller itself is busy with.
        held : callable
            Tells whether somebody is busy with a key.
        """
        with self._lock:
            for entry in self._entries.values():
                if entry.key == key or not held(entry.key):
                    return entry
            return None

    def evicted(self) -> None:
        """Count an entry that had to make room."""
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
