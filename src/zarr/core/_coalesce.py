"""Planning of bulk reads: which requests share a read, and where their bytes are in that read.

The functions are pure: they use no I/O, no clock and no configuration. A *request* is a key and a
byte range that a caller asks for. A *read* is one physical operation. In a plan, each request is
covered by exactly one read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from zarr.core._byte_ranges import (
    ByteRequest,
    RangeByteRequest,
    check_byte_range,
)

KiB = 1 << 10
MiB = 1 << 20

# Default limits for merging ranges of one value, for example the chunks of a shard. The bytes
# between two ranges of one value are likely to be requested later.
DEFAULT_MAX_GAP_BYTES: Final = 1 * MiB
DEFAULT_MAX_COALESCED_BYTES: Final = 16 * MiB

# Default limits for merging the requests of bulk reads of an fsspec store. "How `FsspecStore`
# merges" in docs/bulk-reads.md explains the values.
FSSPEC_MAX_GAP_BYTES: Final = 16 * KiB
FSSPEC_MAX_COALESCED_BYTES: Final = 4 * MiB


@dataclass(frozen=True)
class CoalescePolicy:
    """Limits on the merging of requests for one object into one read.

    Parameters
    ----------
    max_gap_bytes : int or None
        Maximum gap between two neighbouring ranges that are merged, in bytes. A gap of exactly this
        size is allowed. The bytes of a gap are read and discarded. With 0, only touching and
        overlapping ranges are merged. With None, two ranges are merged only if one range contains
        the other.
    max_coalesced_bytes : int
        Maximum size of a merged read, in bytes. A read of exactly this size is allowed. A request
        for more bytes is not split. It is merged with another request only if one range contains
        the other.

    Raises
    ------
    ValueError
        If `max_gap_bytes` or `max_coalesced_bytes` is negative.
    """

    max_gap_bytes: int | None
    max_coalesced_bytes: int

    def __post_init__(self) -> None:
        if self.max_gap_bytes is not None and self.max_gap_bytes < 0:
            raise ValueError(f"max_gap_bytes must be 0 or more, got {self.max_gap_bytes}.")
        if self.max_coalesced_bytes < 0:
            raise ValueError(
                f"max_coalesced_bytes must be 0 or more, got {self.max_coalesced_bytes}."
            )


class Slice(NamedTuple):
    """The position of the bytes of one request within the bytes that a read returns.

    `request` is the index of the request. `byte_range` is relative to the start of the read; None
    means all bytes of the read.
    """

    request: int
    byte_range: ByteRequest | None


class Read(NamedTuple):
    """One physical read, and the requests that it answers.

    `path` names the object. `byte_range` is the range to read; None means the whole object.
    `slices` has one entry for each request that the read answers.
    """

    path: Hashable
    byte_range: ByteRequest | None
    slices: tuple[Slice, ...]

    @property
    def nbytes(self) -> int | None:
        """Maximum number of bytes that the read returns.

        If `byte_range` is None or an open-ended range, there is no maximum, and the value is None.
        """
        if isinstance(self.byte_range, RangeByteRequest):
            return self.byte_range.end - self.byte_range.start
        return getattr(self.byte_range, "suffix", None)

    def request_of(self, part: Slice) -> ByteRequest | None:
        """Return the byte range of a slice, counted from the start of the object."""
        if not isinstance(self.byte_range, RangeByteRequest):
            return part.byte_range if self.byte_range is None else self.byte_range
        if not isinstance(part.byte_range, RangeByteRequest):
            return self.byte_range
        shift = self.byte_range.start
        return RangeByteRequest(part.byte_range.start + shift, part.byte_range.end + shift)


def plan_reads(
    requests: Iterable[tuple[Hashable, ByteRequest | None]], policy: CoalescePolicy
) -> list[Read]:
    """Return a plan that covers all requests with as few reads as a policy allows.

    - Requests for the same bytes of the same object share one read.
    - If a whole object is requested, its read answers all other requests for that object.
    - Bounded ranges are merged with neighbouring ranges if `policy` allows it. A range within
      another range never gets a separate read.
    - Suffix and open-ended requests are not merged with other ranges, because their position
      depends on the size of the object.
    - A request for an empty range is answered by any other read of its object. If there is no other
      read, the empty range is still read, to find out whether the object exists.

    Parameters
    ----------
    requests : iterable of tuple
        Pairs of an object and the byte range to read. The byte range None means the whole object.
        The index of a request is its position in this iterable.
    policy : CoalescePolicy
        The merging policy.

    Returns
    -------
    list of Read
        The reads, grouped by object, in the order of the first request for each object. Within a
        group, the reads of bounded ranges come first, in the order of their offsets.

    Raises
    ------
    ByteRangeError, ValueError
        If a byte range has a wrong type or a negative bound.
    """
    by_path: dict[Hashable, list[tuple[int, ByteRequest | None]]] = defaultdict(list)
    for index, (path, byte_range) in enumerate(requests):
        if byte_range is not None:
            check_byte_range(byte_range)
        by_path[path].append((index, byte_range))
    plan: list[Read] = []
    for path, wanted in by_path.items():
        if len(wanted) == 1:
            index, byte_range = wanted[0]
            plan.append(Read(path, byte_range, (Slice(index, None),)))
        else:
            plan.extend(_plan_object(path, wanted, policy))
    return plan


def _plan_object(
    path: Hashable, wanted: list[tuple[int, ByteRequest | None]], policy: CoalescePolicy
) -> list[Read]:
    if any(byte_range is None for _, byte_range in wanted):
        # At least one request asks for the whole object, so one read of the whole object answers
        # all requests for the object.
        return [Read(path, None, tuple(Slice(*request) for request in wanted))]
    bounded: list[tuple[int, int, int]] = []
    empty: list[int] = []
    alone: dict[ByteRequest, list[int]] = defaultdict(list)
    for index, byte_range in wanted:
        if not isinstance(byte_range, RangeByteRequest):
            assert byte_range is not None
            alone[byte_range].append(index)
        elif byte_range.end <= byte_range.start:
            empty.append(index)
        else:
            bounded.append((byte_range.start, byte_range.end, index))
    reads = [_merged(path, group) for group in _groups(sorted(bounded), policy)]
    reads += [
        Read(path, byte_range, tuple(Slice(index, None) for index in indices))
        for byte_range, indices in alone.items()
    ]
    if empty:
        nothing = RangeByteRequest(0, 0)
        if reads:
            riders = tuple(Slice(index, nothing) for index in empty)
            reads[0] = reads[0]._replace(slices=reads[0].slices + riders)
        else:
            reads.append(Read(path, nothing, tuple(Slice(index, None) for index in empty)))
    return reads


def _groups(
    ranges: list[tuple[int, int, int]], policy: CoalescePolicy
) -> Iterable[list[tuple[int, int, int]]]:
    """Split a sorted list of ``(start, end, index)`` into groups, one group for each read."""
    group: list[tuple[int, int, int]] = []
    first = last = 0
    for item in ranges:
        start, end, _ = item
        if group:
            within = end <= last or start == first  # one range contains the other
            near = policy.max_gap_bytes is not None and start - last <= policy.max_gap_bytes
            fits = max(end, last) - first <= policy.max_coalesced_bytes
            if within or (near and fits):
                group.append(item)
                last = max(end, last)
                continue
            yield group
        group, first, last = [item], start, end
    if group:
        yield group


def _merged(path: Hashable, group: list[tuple[int, int, int]]) -> Read:
    first = group[0][0]
    last = max(end for _, end, _ in group)
    slices = tuple(
        Slice(
            index,
            None if (start, end) == (first, last) else RangeByteRequest(start - first, end - first),
        )
        for start, end, index in group
    )
    return Read(path, RangeByteRequest(first, last), slices)


def merge_around(
    ranges: Sequence[tuple[int, int, *tuple[Any, ...]]],
    index: int,
    policy: CoalescePolicy,
    may_join: Callable[[int, int], bool] = lambda left, right: True,
) -> tuple[int, int]:
    """Find the waiting ranges of an object that can be merged with the range that is read next.

    Parameters
    ----------
    ranges : sequence of tuple
        The waiting ranges, in sorted order. Each range is a tuple of start, end, and further items.
        Because many ranges may wait, only ranges near `index` are examined.
    index : int
        Index of the range that is read next.
    policy : CoalescePolicy
        The merging policy. A neighbouring range that contains the bytes merged so far, or lies
        within these bytes, is always merged, regardless of `policy` and `may_join`.
    may_join : callable
        Takes the indices of two neighbouring ranges, and returns whether the ranges may be merged.

    Returns
    -------
    tuple of int
        Index of the first range to merge, and one past the index of the last range to merge.
    """
    first = last = index
    start, end = ranges[index][:2]

    def may_merge(near: int, new_start: int, new_end: int, neighbour: int) -> bool:
        gap = max(new_start - end, start - new_end)
        fits = max(end, new_end) - min(start, new_start) <= policy.max_coalesced_bytes
        is_near = policy.max_gap_bytes is not None and gap <= policy.max_gap_bytes
        left, right = sorted((near, neighbour))
        return is_near and fits and may_join(left, right)

    while True:
        grown = False
        while last + 1 < len(ranges):
            new_start, new_end = ranges[last + 1][:2]
            within = new_end <= end or new_start == start
            if not (within or may_merge(last, new_start, new_end, last + 1)):
                break
            last, end, grown = last + 1, max(end, new_end), True
        while first > 0:
            new_start, new_end = ranges[first - 1][:2]
            within = end <= new_end or new_start == start
            if not (within or may_merge(first, new_start, new_end, first - 1)):
                break
            first, start, end, grown = first - 1, new_start, max(end, new_end), True
        if not grown:
            return first, last + 1
