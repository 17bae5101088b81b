"""The planner of bulk reads: named cases at the edges, and laws for random requests."""

from __future__ import annotations

import itertools
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr.core._byte_ranges import ByteRangeError, ByteRequest, resolve_byte_range
from zarr.core._byte_ranges import OffsetByteRequest as O
from zarr.core._byte_ranges import RangeByteRequest as R
from zarr.core._byte_ranges import SuffixByteRequest as S
from zarr.core._coalesce import CoalescePolicy, merge_around, plan_reads
from zarr.core._fetch import answer_sync
from zarr.core.buffer.cpu import Buffer


def reads_of(ranges: list[ByteRequest | None], gap: int | None, cap: int = 1000) -> list[object]:
    plan = plan_reads([("a", r) for r in ranges], CoalescePolicy(gap, cap))
    return [read.byte_range for read in plan]


CASES: dict[str, tuple[list[ByteRequest | None], int | None, int, list[object]]] = {
    "touching ranges merge at gap 0": ([R(0, 2), R(2, 4)], 0, 1000, [R(0, 4)]),
    "one byte apart does not merge at gap 0": ([R(0, 2), R(3, 4)], 0, 1000, [R(0, 2), R(3, 4)]),
    "gap at the limit": ([R(0, 2), R(7, 9)], 5, 1000, [R(0, 9)]),
    "gap one past the limit": ([R(0, 2), R(8, 9)], 5, 1000, [R(0, 2), R(8, 9)]),
    "cap at the limit": ([R(0, 5), R(5, 10)], 0, 10, [R(0, 10)]),
    "cap one past the limit": ([R(0, 5), R(5, 11)], 0, 10, [R(0, 5), R(5, 11)]),
    "a lone range may exceed the cap": ([R(0, 50)], 0, 10, [R(0, 50)]),
    "within another, over the cap": ([R(0, 50), R(10, 20)], 0, 10, [R(0, 50)]),
    "at the start of another, over the cap": ([R(0, 5), R(0, 50)], 0, 10, [R(0, 50)]),
    "at the start of another, without merging": ([R(0, 5), R(0, 50)], None, 10, [R(0, 50)]),
    "overlap over the cap is read twice": ([R(0, 8), R(4, 12)], 0, 10, [R(0, 8), R(4, 12)]),
    "overlap": ([R(0, 8), R(4, 12)], 0, 100, [R(0, 12)]),
    "None never merges": ([R(0, 2), R(2, 4)], None, 1000, [R(0, 2), R(2, 4)]),
    "None still shares equal ranges": ([R(0, 2), R(0, 2)], None, 1000, [R(0, 2)]),
    "unsorted": ([R(4, 6), R(0, 2), R(2, 4)], 0, 1000, [R(0, 6)]),
    "whole absorbs": ([R(4, 6), None, S(2), O(3), R(1, 1)], 0, 1000, [None]),
    "suffix and open end stay alone": (
        [R(0, 2), S(2), O(2), S(2)],
        100,
        1000,
        [R(0, 2), S(2), O(2)],
    ),
    "empty rides along": ([R(5, 5), R(0, 2)], 0, 1000, [R(0, 2)]),
    "empty alone is asked for": ([R(5, 5), R(9, 7)], 0, 1000, [R(0, 0)]),
    "a single empty range is passed on": ([R(5, 5)], 0, 1000, [R(5, 5)]),
}


@pytest.mark.parametrize("name", CASES)
def test_cases(name: str) -> None:
    ranges, gap, cap, expected = CASES[name]
    assert reads_of(ranges, gap, cap) == expected


def test_objects_do_not_mix() -> None:
    plan = plan_reads([("a", R(0, 2)), ("b", R(2, 4)), ("a", R(2, 4))], CoalescePolicy(0, 100))
    assert [(read.path, read.byte_range) for read in plan] == [("a", R(0, 4)), ("b", R(2, 4))]


def test_no_requests() -> None:
    assert plan_reads([], CoalescePolicy(0, 0)) == []


@pytest.mark.parametrize("bad", [(0, 3), "x", 5])
def test_what_is_not_a_byte_range(bad: object) -> None:
    with pytest.raises(ByteRangeError, match="Unexpected byte_range"):
        plan_reads([("a", bad)], CoalescePolicy(0, 0))  # type: ignore[list-item]


@pytest.mark.parametrize("bad", [R(-1, 3), R(1, -3), O(-1), S(-1)])
def test_negative_bounds(bad: ByteRequest) -> None:
    with pytest.raises(ValueError, match="Negative"):
        plan_reads([("a", bad)], CoalescePolicy(0, 0))
    with pytest.raises(ValueError, match="Negative"):
        resolve_byte_range(bad, 10)


@pytest.mark.parametrize("policy", [(-1, 0), (0, -1)])
def test_negative_policy(policy: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        CoalescePolicy(*policy)


bounds = st.integers(0, 40)
byte_ranges = st.one_of(
    st.none(),
    st.builds(R, bounds, bounds),
    st.builds(O, bounds),
    st.builds(S, bounds),
)
bounded_only = st.builds(lambda start, n: R(start, start + n), bounds, st.integers(1, 10))
requests = st.lists(st.tuples(st.sampled_from("abc"), byte_ranges), max_size=20)


@given(requests, st.one_of(st.none(), st.integers(0, 10)), st.integers(0, 50), st.integers(0, 30))
def test_answers_equal_single_reads(
    wanted: list[tuple[str, ByteRequest | None]], gap: int | None, cap: int, nbytes: int
) -> None:
    """Whatever is merged, each request gets exactly what a read of its own would give."""
    stored = {path: bytes((ord(path) + i) % 256 for i in range(nbytes)) for path in "ab"}
    got: dict[int, bytes | None] = {}
    for read in plan_reads(wanted, CoalescePolicy(gap, cap)):
        value = stored.get(str(read.path))

        def get(
            byte_range: ByteRequest | None, _: int, value: bytes | None = value
        ) -> Buffer | None:
            if value is None:
                return None
            start, stop = resolve_byte_range(byte_range, nbytes)
            return Buffer.from_bytes(value[start:stop])

        for index, part in answer_sync(read, get).answers:
            assert index not in got
            got[index] = None if part is None else part.to_bytes()
    assert sorted(got) == list(range(len(wanted)))
    for index, (path, byte_range) in enumerate(wanted):
        value = stored.get(path)
        start, stop = resolve_byte_range(byte_range, nbytes)
        assert got[index] == (None if value is None else value[start:stop])


@given(st.lists(bounded_only, min_size=1, max_size=30), st.integers(0, 10), st.integers(1, 40))
def test_merged_reads_obey_the_policy(ranges: list[R], gap: int, cap: int) -> None:
    plan = plan_reads([("a", r) for r in ranges], CoalescePolicy(gap, cap))
    spans = []
    for read in plan:
        assert isinstance(read.byte_range, R)
        members = [ranges[part.request] for part in read.slices]
        start, end = read.byte_range.start, read.byte_range.end
        assert start == min(m.start for m in members)
        assert end == max(m.end for m in members)
        assert end - start <= max(cap, *(m.end - m.start for m in members))
        covered = sorted((m.start, m.end) for m in members)
        reach = covered[0][1]
        for low, high in covered[1:]:
            assert low - reach <= gap
            reach = max(reach, high)
        spans.append((start, end))
    # Nothing that may be merged was left apart.
    for (low, high), (low2, high2) in zip(sorted(spans), sorted(spans)[1:]):
        assert low2 - high > gap or max(high, high2) - low > cap


@given(
    st.lists(bounded_only, max_size=30),
    st.one_of(st.none(), st.integers(0, 10)),
    st.integers(1, 40),
)
def test_no_read_lies_within_another(ranges: list[R], gap: int | None, cap: int) -> None:
    spans = [cast("R", span) for span in reads_of(list(ranges), gap, cap)]
    for one, other in itertools.permutations(spans, 2):
        assert not (other.start <= one.start and one.end <= other.end)


@given(st.lists(bounded_only, max_size=30))
def test_order_of_requests_does_not_matter(ranges: list[R]) -> None:
    forward = {r.byte_range for r in plan_reads([("a", x) for x in ranges], CoalescePolicy(3, 20))}
    back = {
        r.byte_range for r in plan_reads([("a", x) for x in ranges[::-1]], CoalescePolicy(3, 20))
    }
    assert forward == back


# --- what waits, around one that leaves -------------------------------------------------


def around(
    ranges: list[tuple[int, int]], index: int, gap: int | None, cap: int = 1000
) -> list[Any]:
    first, last = merge_around(ranges, index, CoalescePolicy(gap, cap))
    return ranges[first:last]


def test_neighbours_leave_together() -> None:
    ranges = [(0, 2), (3, 5), (8, 10), (10, 12), (20, 22)]
    assert around(ranges, 2, 0) == [(8, 10), (10, 12)]
    assert around(ranges, 3, 3) == ranges[:4]
    assert around(ranges, 4, 7) == [(20, 22)]
    assert around(ranges, 4, 8) == ranges
    assert around(ranges, 1, None) == [(3, 5)]
    assert around(ranges, 2, 10, 8) == [(8, 10), (10, 12)]
    assert around([(0, 50), (10, 20)], 0, None) == [(0, 50), (10, 20)]
    assert around([(0, 50), (10, 20)], 1, None) == [(0, 50), (10, 20)]
    assert around([(0, 10), (0, 50)], 0, None) == [(0, 10), (0, 50)]
    assert around([(0, 10), (0, 50)], 1, None) == [(0, 10), (0, 50)]
    assert around([(0, 4), (4, 4 + 4)], 1, 0, 7) == [(4, 8)]


some_ranges = st.lists(
    st.builds(lambda start, n: (start, start + n), bounds, st.integers(1, 10)), min_size=1
).map(sorted)


@given(
    some_ranges,
    st.data(),
    st.one_of(st.none(), st.integers(0, 10)),
    st.integers(0, 40),
    st.sets(st.integers(0, 40)),
)
def test_what_leaves_together_obeys_the_policy(
    ranges: list[tuple[int, int]], data: st.DataObject, gap: int | None, cap: int, apart: set[int]
) -> None:
    index = data.draw(st.integers(0, len(ranges) - 1))
    first, last = merge_around(
        ranges, index, CoalescePolicy(gap, cap), lambda left, right: left not in apart
    )
    assert 0 <= first <= index < last <= len(ranges)
    group = ranges[first:last]
    start, end = group[0][0], max(item[1] for item in group)
    assert end - start <= cap or (start, end) in group
    reach = group[0][1]
    for position in range(first + 1, last):
        low, high = ranges[position]
        if not (high <= reach or ranges[position - 1] == ranges[position]):
            within = any(
                other != ranges[position] and other[0] <= low and high <= other[1]
                for other in group
            )
            assert (
                within
                or ((gap is not None and low - reach <= gap) and position - 1 not in apart)
                or (low, high) == (start, end)
                or low == start
            )
        reach = max(reach, high)
    # Nothing that could have joined is left.
    if last < len(ranges):
        low, high = ranges[last]
        near = gap is not None and low - end <= gap and max(high, end) - start <= cap
        assert high > end
        assert low > start
        assert not (near and last - 1 not in apart)
    if first > 0:
        low, high = ranges[first - 1]
        near = gap is not None and start - high <= gap and max(end, high) - low <= cap
        assert low < start
        assert high < end
        assert not (near and first - 1 not in apart)
