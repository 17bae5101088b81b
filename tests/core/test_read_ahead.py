"""What is read ahead: where reads follow each other, and no more than is to be kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr.core import _read_ahead
from zarr.core._read_ahead import MAX_AGE_SECONDS, ReadAhead


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> ReadAhead:
    """One that reads 10 bytes ahead and keeps 40."""
    monkeypatch.setattr(_read_ahead, "_LEAST_BYTES", 0)
    return ReadAhead(10)


# --- when to read ahead -----------------------------------------------------------------


def test_never_by_default() -> None:
    ahead = ReadAhead(0)
    assert [ahead.extension("a", 4 * i, 4 * i + 4, 100) for i in range(5)] == [(0, 0)] * 5


def test_reads_that_follow_each_other(small: ReadAhead) -> None:
    assert small.extension("a", 0, 4, 2) == (0, 0)
    assert small.extension("a", 4, 8, 2) == (0, 10)
    assert small.extension("a", 10, 14, 2) == (0, 10)  # at the limit of the gap
    assert small.extension("a", 17, 20, 2) == (0, 0)  # one past it
    assert small.extension("a", 13, 14, 2) == (0, 0)  # before the end of the one before
    assert small.extension("b", 4, 8, 2) == (0, 0)  # another object


def test_reads_that_go_backwards(small: ReadAhead) -> None:
    """As dask does, which begins with the last chunk."""
    assert small.extension("a", 96, 100, 2) == (0, 0)
    assert small.extension("a", 92, 96, 2) == (10, 0)
    assert small.extension("a", 86, 90, 2) == (10, 0)  # at the limit of the gap
    assert small.extension("a", 80, 83, 2) == (0, 0)  # one past it
    assert small.extension("a", 74, 80, 2) == (10, 0)
    assert small.extension("b", 4, 8, 2) == (0, 0)
    assert small.extension("b", 0, 4, 2) == (0, 0)  # at the beginning of the object
    assert small.extension("c", 4, 8, 2) == (0, 0)
    assert small.extension("c", 2, 4, 2) == (2, 0)


def test_readers_side_by_side(small: ReadAhead) -> None:
    """Each of many threads reads its own part of an object."""
    readers = range(0, 30_000, 1000)
    assert [small.extension("a", start, start + 4, 0) for start in readers] == [(0, 0)] * 30
    for step in range(1, 5):
        starts = [start + 4 * step for start in readers]
        assert [small.extension("a", start, start + 4, 0) for start in starts] == [(0, 10)] * 30


def test_as_many_objects_as_are_remembered(small: ReadAhead) -> None:
    for number in range(5000):
        small.extension(number, 0, 4, 0)
    assert len(small._reads) <= 256
    assert small.extension(4999, 4, 8, 0) == (0, 10)
    assert small.extension(0, 4, 8, 0) == (0, 0)


# --- what is kept -----------------------------------------------------------------------


def test_any_part_of_what_is_kept(small: ReadAhead) -> None:
    small.keep("a", 100, b"0123456789", 1)
    assert small.find("a", 100, 110, 1) == b"0123456789"
    assert small.find("a", 103, 105, 1) == b"34"
    assert small.find("a", 99, 101, 1) is None
    assert small.find("a", 109, 111, 1) is None
    assert small.find("b", 103, 105, 1) is None


def test_nothing_is_kept_past_a_write(small: ReadAhead) -> None:
    small.keep("a", 0, b"0123", 1)
    assert small.find("a", 0, 4, 2) is None
    assert small.nbytes_kept == 0


def test_nothing_is_kept_past_its_age() -> None:
    clock = Clock()
    ahead = ReadAhead(10, clock)
    ahead.keep("a", 0, b"0123", 1)
    clock.now += MAX_AGE_SECONDS
    assert ahead.find("a", 0, 4, 1) == b"0123"
    clock.now += 1
    assert ahead.find("a", 0, 4, 1) is None
    assert ahead.nbytes_kept == 0


def test_the_least_recently_used_goes_first(small: ReadAhead) -> None:
    for number in range(4):
        small.keep(number, 0, bytes(10), 1)
    assert small.find(0, 0, 10, 1) is not None
    small.keep(4, 0, bytes(10), 1)
    found = [number for number in range(5) if small.find(number, 0, 1, 1) is not None]
    assert found == [0, 2, 3, 4]


def test_what_is_larger_than_all_that_is_kept(small: ReadAhead) -> None:
    small.keep("a", 0, bytes(10), 1)
    small.keep("b", 0, bytes(41), 1)
    small.keep("c", 0, b"", 1)
    assert small.nbytes_kept == 10
    assert small.find("b", 0, 1, 1) is None


def test_many_small_pieces_are_not_kept() -> None:
    """Each has a cost beside its bytes, and all of an object are looked through."""
    ahead = ReadAhead(1 << 20)
    for number in range(3000):
        ahead.keep("a", 2 * number, b"x", 1)
    assert len(ahead._kept) <= 256
    assert ahead.nbytes_kept == len(ahead._kept)
    assert ahead.find("a", 5998, 5999, 1) == b"x"


pieces = st.tuples(st.sampled_from("ab"), st.integers(0, 30), st.integers(0, 50), st.integers(1, 2))


@given(st.lists(st.one_of(pieces, st.floats(0, 40)), max_size=40))
def test_it_returns_what_was_kept_or_nothing(happening: list[object]) -> None:
    """And never keeps more than it may, whatever is kept and looked up."""
    clock = Clock()
    objects = {(path, epoch): bytes(range(epoch, 90)) for path in "ab" for epoch in (1, 2)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_read_ahead, "_LEAST_BYTES", 0)
        ahead = ReadAhead(10, clock)
    for event in happening:
        if not isinstance(event, tuple):
            assert isinstance(event, float)
            clock.now += event
            continue
        path, start, nbytes, epoch = event
        whole = objects[path, epoch]
        found = ahead.find(path, start, start + nbytes, epoch)
        assert found in (None, whole[start : start + nbytes])
        ahead.keep(path, start, whole[start : start + nbytes], epoch)
        assert ahead.nbytes_kept <= 40
        kept = {key: data for key, (data, _, _) in ahead._kept.items()}
        assert ahead.nbytes_kept == sum(map(len, kept.values()))
        places = sorted(
            (path, offset) for path, found in ahead._offsets.items() for offset in found
        )
        assert places == sorted(kept)
