"""The state of a `CacheStore`, which its read-only views share."""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from numbers import Real
from typing import TYPE_CHECKING, Any

from zarr.core.common import parse_int
from zarr.experimental._cache import Cache, Request
from zarr.experimental._flights import Flights

if TYPE_CHECKING:
    from zarr.abc.store import Store
    from zarr.core.buffer import Buffer
    from zarr.experimental._ledger import Entry


class CacheState:
    """State shared by a store and its read-only views: the cache, and the reads in flight.

    The properties of this class exist because users of `CacheStore` read them through the attribute
    ``_state`` of the store. These properties refer to each copy by a name. The name of a copy of a
    whole value is the key. The name of a copy of a byte range is the pair of the key and the byte
    range.
    """

    def __init__(self, cache_store: Store, max_age: object, max_size: object) -> None:
        self.max_age: Any = max_age
        self.cache = Cache(cache_store, parse_max_age(max_age), parse_max_size(max_size))
        self.flights: Flights[Buffer | None] = Flights()
        self.process = os.getpid()

    @property
    def current_size(self) -> int:
        """Total size of all copies, in bytes."""
        return self.cache.ledger.nbytes

    @property
    def hits(self) -> int:
        """Number of requests that were answered from the cache."""
        return self.cache.ledger.hits

    @property
    def misses(self) -> int:
        """Number of requests that were not answered from the cache."""
        return self.cache.ledger.misses

    @property
    def evictions(self) -> int:
        """Number of evicted copies."""
        return self.cache.ledger.evictions

    @property
    def cache_order(self) -> OrderedDict[str | Request, None]:
        """Names of the copies, least recently used first."""
        return OrderedDict.fromkeys(map(_name, self.cache.ledger.entries()))

    @property
    def key_sizes(self) -> dict[str | Request, int]:
        """The size of each copy in bytes."""
        return {_name(entry): entry.nbytes for entry in self.cache.ledger.entries()}

    @property
    def key_insert_times(self) -> MutableMapping[str | Request, float]:
        """Start time of the read or write that created each copy, in seconds of `time.monotonic`.

        A time that is not known is minus infinity. The times can be set.
        """
        return _Times({_name(entry): entry for entry in self.cache.ledger.entries()})


def _name(entry: Entry) -> str | Request:
    return entry.key if entry.byte_range is None else (entry.key, entry.byte_range)


class _Times(MutableMapping["str | Request", float]):
    """Maps the name of each copy to the start time of the read or write that created the copy.

    The times can be set.
    """

    def __init__(self, entries: dict[str | Request, Entry]) -> None:
        self._entries = entries

    def __getitem__(self, name: str | Request) -> float:
        return self._entries[name].read_at

    def __setitem__(self, name: str | Request, seconds: float) -> None:
        self._entries[name].read_at = seconds

    def __delitem__(self, name: str | Request) -> None:
        # A copy whose time is minus infinity is older than any finite age limit.
        self._entries.pop(name).read_at = -math.inf

    def __iter__(self) -> Iterator[str | Request]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return repr(dict(self))


def parse_max_age(data: object) -> float:
    if isinstance(data, str):
        if data != "infinity":
            raise ValueError("max_age_seconds string value must be 'infinity'")
        return math.inf
    if isinstance(data, bool) or not isinstance(data, Real):
        raise TypeError(f"max_age_seconds must be a number or 'infinity', got {data!r}.")
    if math.isnan(data):
        raise ValueError("max_age_seconds must be a number or 'infinity', got nan.")
    return float(data)


def parse_max_size(data: object) -> int | None:
    if data is None:
        return None
    size = parse_int(data)
    if size < 0:
        raise ValueError(f"max_size must be 0 or more bytes, or None, got {size}.")
    return size
