"""When a failed request is made again, and how many run at once where a server has too many."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr.core._retry import AdaptiveLimit, RetryPolicy, Transient

SECONDS = st.floats(0, 1e6)
TRANSIENTS = st.builds(
    Transient, is_overload=st.booleans(), retry_after=st.none() | st.floats(0, math.inf)
)
POLICIES = st.builds(
    RetryPolicy,
    base_seconds=SECONDS,
    max_seconds=SECONDS,
    max_retry_after_seconds=SECONDS,
)


def most(low: float, high: float) -> float:
    return high


def least(low: float, high: float) -> float:
    return low


# --- delays -----------------------------------------------------------------------------


@given(POLICIES, st.integers(0, 10**9), TRANSIENTS)
def test_a_delay_is_within_its_bounds(
    policy: RetryPolicy, attempt: int, transient: Transient
) -> None:
    asked = min(transient.retry_after or 0.0, policy.max_retry_after_seconds)
    shortest = policy.delay(attempt, transient, least)
    longest = policy.delay(attempt, transient, most)
    assert shortest == asked
    assert asked <= longest <= asked + policy.max_seconds
    assert shortest <= policy.delay(attempt, transient) <= longest


@given(POLICIES, st.integers(0, 2000), TRANSIENTS)
def test_delays_grow(policy: RetryPolicy, attempt: int, transient: Transient) -> None:
    assert policy.delay(attempt, transient, most) <= policy.delay(attempt + 1, transient, most)


def test_the_bound_doubles_up_to_the_largest() -> None:
    policy = RetryPolicy(base_seconds=0.5, max_seconds=3)
    assert [policy.delay(n, Transient(), most) for n in range(5)] == [0.5, 1, 2, 3, 3]


def test_delays_of_clients_that_failed_together_differ() -> None:
    for transient in (Transient(), Transient(True, 30.0)):
        assert len({RetryPolicy().delay(0, transient) for _ in range(20)}) > 1


@pytest.mark.parametrize(
    ("asked", "expected"), [(0.0, 1.0), (7.0, 8.0), (20.0, 21.0), (1e9, 21.0), (math.inf, 21.0)]
)
def test_a_server_is_heeded_up_to_a_bound(asked: float, expected: float) -> None:
    policy = RetryPolicy(base_seconds=1, max_retry_after_seconds=20)
    assert policy.delay(0, Transient(True, asked), most) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_retries": -1},
        {"base_seconds": -0.1},
        {"max_seconds": math.inf},
        {"max_retry_after_seconds": math.nan},
    ],
    ids=str,
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryPolicy(**wrong)  # type: ignore[arg-type]


def test_a_policy_may_be_never_to_retry() -> None:
    assert RetryPolicy(max_retries=0).max_retries == 0


# --- the limit --------------------------------------------------------------------------

MAXIMA = st.integers(1, 64)


def test_there_is_no_limit_at_first() -> None:
    limit = AdaptiveLimit()
    limit.succeeded()
    assert [limit.allowed(maximum) for maximum in (1, 10, 10**6)] == [1, 10, 10**6]


def test_the_limit_halves_down_to_one() -> None:
    limit, found = AdaptiveLimit(), []
    for _ in range(5):
        limit.overloaded(limit.began(), 10)
        found.append(limit.allowed(10))
    assert found == [5, 2, 1, 1, 1]


def test_requests_of_one_generation_halve_once() -> None:
    limit = AdaptiveLimit()
    marks = [limit.began() for _ in range(64)]
    for mark in marks:
        limit.overloaded(mark, 64)
    assert limit.allowed(64) == 32
    later = [limit.began() for _ in range(32)]
    for mark in [*later, *marks]:
        limit.overloaded(mark, 64)
    assert limit.allowed(64) == 16


def test_it_grows_by_about_one_each_time_that_what_it_allows_has_succeeded() -> None:
    limit = AdaptiveLimit()
    limit.overloaded(limit.began(), 64)
    for expected in range(33, 64):
        for _ in range(expected):
            limit.succeeded()
        assert limit.allowed(64) == expected


@given(st.lists(st.tuples(st.sampled_from("boas"), MAXIMA), max_size=200))
def test_the_limit_stays_between_one_and_the_maximum(calls: list[tuple[str, int]]) -> None:
    limit = AdaptiveLimit()
    marks = [limit.began()]
    halved = dict[int, int]()
    for name, maximum in calls:
        before = limit.allowed(maximum)
        if name == "b":
            marks.append(limit.began())
        elif name == "o":
            mark = marks[len(marks) * maximum // 65]  # of any request so far
            limit.overloaded(mark, maximum)
            after = limit.allowed(maximum)
            assert after in (before, max(1, before // 2))
            if after < before:
                halved[mark] = halved.get(mark, 0) + 1
        elif name == "s":
            limit.succeeded()
            assert limit.allowed(maximum) >= before
        assert 1 <= limit.allowed(maximum) <= maximum
    assert all(count == 1 for count in halved.values())


@given(MAXIMA, st.integers(1, 10), MAXIMA)
def test_it_goes_away_when_enough_has_succeeded(maximum: int, overloads: int, larger: int) -> None:
    limit = AdaptiveLimit()
    for _ in range(overloads):
        limit.overloaded(limit.began(), maximum)
    largest = max(maximum, larger)
    limit.allowed(largest)
    for _ in range(largest**2):
        limit.succeeded()
    assert limit.allowed(10**6) == 10**6


def test_a_maximum_that_was_low_for_a_while_does_not_lift_the_limit() -> None:
    limit = AdaptiveLimit()
    limit.overloaded(limit.began(), 64)
    assert limit.allowed(8) == 8
    for _ in range(8):
        limit.succeeded()
    assert limit.allowed(64) == 32


def test_a_maximum_that_grows_meanwhile_is_reached_step_by_step() -> None:
    limit = AdaptiveLimit()
    limit.overloaded(limit.began(), 8)
    assert limit.allowed(64) == 4
    for _ in range(8**2):
        limit.succeeded()
    assert 8 < limit.allowed(64) < 16
