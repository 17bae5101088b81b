"""Read-ahead for immutable objects: decides when to read additional bytes, and caches the bytes."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Final

from zarr.core._coalesce import MiB

# Maximum time for which bytes that were read ahead are kept, in seconds.
MAX_AGE_SECONDS: Final = 60.0

# The maximum number of bytes kept is the larger of two numbers: `_TIMES` times the read-ahead size,
# and `_LEAST_BYTES`.
_TIMES: Final = 4
_LEAST_BYTES: Final = 16 * MiB

# Maximum number of kept pieces. A piece is a byte range of an object that was read ahead. The limit
# exists because each piece has a memory overhead, and because a look-up is a linear search over the
# pieces of an object.
_MOST_PIECES: Final = 256

# At most `_OBJECTS` objects are remembered, with at most `_READS` recent reads per object. Several
# reads are remembered because several threads may read parts of an object at the same time.
_READS: Final = 64
_OBJECTS: Final = 256


class ReadAhead:
    """Detect sequential reads of an object, and keep the bytes that were read ahead.

    Parameters
    ----------
    nbytes : int
        Number of bytes to read ahead; 0 disables read-ahead.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(self, nbytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._nbytes = nbytes
        self._clock = clock
        self._max_bytes = max(_TIMES * nbytes, _LEAST_BYTES)
        self._reads: OrderedDict[Hashable, deque[tuple[int, int]]] = OrderedDict()
        # LRU cache. A key is a pair of an object and an offset. A value consists of the bytes, the
        # time at which the bytes were stored, and the epoch. The least recently used entry is the
        # first.
        self._kept: OrderedDict[tuple[Hashable, int], tuple[bytes, float, int]] = OrderedDict()
        self._offsets: dict[Hashable, list[int]] = {}
        self.nbytes_kept = 0

    def extension(
        self, path: Hashable, start: int, end: int, max_gap_bytes: int
    ) -> tuple[int, int]:
        """Record a read, and return how many additional bytes to read before and after it.

        Sequential reads are detected in both directions, because dask begins with the last chunk.

        Parameters
        ----------
        path : hashable
            The object.
        start : int
            Position of the first requested byte.
        end : int
            One past the position of the last requested byte.
        max_gap_bytes : int
            Two reads count as sequential if the gap between them is at most this large, in bytes.
        """
        if not self._nbytes:
            return 0, 0
        reads = self._reads.setdefault(path, deque(maxlen=_READS))
        self._reads.move_to_end(path)
        if len(self._reads) > _OBJECTS:
            self._reads.popitem(last=False)
        is_next = any(0 <= start - other_end <= max_gap_bytes for _, other_end in reads)
        is_before = any(0 <= other_start - end <= max_gap_bytes for other_start, _ in reads)
        reads.append((start, end))
        if is_next:
            return 0, self._nbytes
        return (min(start, self._nbytes) if is_before else 0), 0

    def keep(self, path: Hashable, offset: int, data: bytes, epoch: int) -> None:
        """Keep bytes that were read ahead.

        Parameters
        ----------
        path : hashable
            The object.
        offset : int
            Offset of the bytes in the object.
        data : bytes
            The bytes.
        epoch : int
            The epoch in which the read of the bytes started. An epoch ends with each write in this
            process.
        """
        if not data or len(data) > self._max_bytes:
            return
        self._drop(path, offset)
        self._kept[path, offset] = (data, self._clock(), epoch)
        self._offsets.setdefault(path, []).append(offset)
        self.nbytes_kept += len(data)
        while self.nbytes_kept > self._max_bytes or len(self._kept) > _MOST_PIECES:
            self._drop(*next(iter(self._kept)))

    def find(self, path: Hashable, start: int, end: int, epoch: int) -> bytes | None:
        """Return requested bytes from the pieces read ahead; None if no valid piece contains them.

        A piece is valid if it was read in the current epoch, and is not older than
        `MAX_AGE_SECONDS`.

        Parameters
        ----------
        path : hashable
            The object.
        start : int
            Position of the first requested byte.
        end : int
            One past the position of the last requested byte.
        epoch : int
            The current epoch. Bytes that were read in an earlier epoch are stale and are not
            returned.
        """
        for offset in list(self._offsets.get(path, ())):
            data, since, of_epoch = self._kept[path, offset]
            if of_epoch != epoch or self._clock() - since > MAX_AGE_SECONDS:
                self._drop(path, offset)
            elif offset <= start and end <= offset + len(data):
                self._kept.move_to_end((path, offset))
                return data[start - offset : end - offset]
        return None

    def ranges(self, path: Hashable) -> list[tuple[int, int]]:
        """Return the start and the end of each kept piece of an object."""
        return [
            (offset, offset + len(self._kept[path, offset][0]))
            for offset in self._offsets.get(path, ())
        ]

    def _drop(self, path: Hashable, offset: int) -> None:
        entry = self._kept.pop((path, offset), None)
        if entry is not None:
            self.nbytes_kept -= len(entry[0])
            offsets = self._offsets[path]
            offsets.remove(offset)
            if not offsets:
                del self._offsets[path]
