"""What was read before it was asked for, and when to read ahead. For objects that do not change."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Final

from zarr.core._coalesce import MiB

# How long bytes that nobody asked for are kept, in seconds.
MAX_AGE_SECONDS: Final = 60.0

# Bytes that are kept: so many times what is read ahead, and no less than the second number.
_TIMES: Final = 4
_LEAST_BYTES: Final = 16 * MiB

# Pieces that are kept: each costs more than its bytes, and those of an object are looked through.
_MOST_PIECES: Final = 256

# The latest reads that are remembered: of an object, since several threads may read parts of it side
# by side, and of how many objects.
_READS: Final = 64
_OBJECTS: Final = 256


class ReadAhead:
    """Sees where reads of an object follow each other, and keeps what came early.

    Parameters
    ----------
    nbytes : int
        How far to read ahead, in bytes; 0 never.
    clock : callable
        Returns seconds.
    """

    def __init__(self, nbytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._nbytes = nbytes
        self._clock = clock
        self._max_bytes = max(_TIMES * nbytes, _LEAST_BYTES)
        self._reads: OrderedDict[Hashable, deque[tuple[int, int]]] = OrderedDict()
        # Object and offset -> bytes, since when, and the epoch they are of. Least recently used first.
        self._kept: OrderedDict[tuple[Hashable, int], tuple[bytes, float, int]] = OrderedDict()
        self._offsets: dict[Hashable, list[int]] = {}
        self.nbytes_kept = 0

    def extension(
        self, path: Hashable, start: int, end: int, max_gap_bytes: int
    ) -> tuple[int, int]:
        """Take note of a read; return how many bytes more to read before it, and behind it.

        Reads may follow each other in either direction: dask begins with the last chunk.

        Parameters
        ----------
        path : hashable
            The object.
        start : int
            First byte that is wanted.
        end : int
            One past the last byte that is wanted.
        max_gap_bytes : int
            How far from an earlier read it may be to be the next one.
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
        """Keep bytes that came early.

        Parameters
        ----------
        path : hashable
            The object.
        offset : int
            Where they begin in it.
        data : bytes
            The bytes.
        epoch : int
            The number of writes before they were read; see `find`.
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
        """Return bytes that were kept; None where they were not, or something was written since.

        Parameters
        ----------
        path : hashable
            The object.
        start : int
            First byte that is wanted.
        end : int
            One past the last byte that is wanted.
        epoch : int
            The number of writes so far. Bytes of an earlier epoch are not served.
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
        """Return start and end of what is kept of an object."""
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
