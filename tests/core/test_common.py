"""Leaf helpers: parsing, run-length encoding, bounded concurrency."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.waiting import steps

from zarr.core.common import (
    ceildiv,
    ceildiv_int,
    closing,
    compress_rle,
    concurrent_foreach,
    concurrent_iter,
    concurrent_map,
    concurrent_results,
    expand_rle,
    parse_bool,
    parse_chunk_shape,
    parse_int,
    parse_named_configuration,
    parse_order,
    parse_shapelike,
    validate_rectilinear_edges,
    validate_rectilinear_kind,
)


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (3, (3,)),
        ((), ()),
        ([2, 3], (2, 3)),
        (np.array([4, 5]), (4, 5)),
        (np.int32(6), (6,)),
        ((0,), (0,)),
    ],
)
def test_shape(data: Any, shape: tuple[int, ...]) -> None:
    parsed = parse_shapelike(data)
    assert parsed == shape
    assert all(type(length) is int for length in parsed)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ((3.5,), TypeError, "Expected an iterable of integers. Got (3.5,) instead."),
        ("abc", TypeError, "Expected an iterable of integers. Got abc instead."),
        ((-1,), ValueError, "Expected all values to be non-negative. Got (-1,) instead."),
        (-1, ValueError, "Expected a non-negative integer. Got -1 instead"),
        (None, TypeError, "Expected an integer or an iterable of integers. Got None instead."),
        ((True,), TypeError, "Expected an iterable of integers. Got (True,) instead."),
    ],
)
def test_shape_refused(data: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        parse_shapelike(data)
    assert str(caught.value) == message


@pytest.mark.parametrize("function", [parse_int, parse_bool, parse_order])
def test_scalar_parsers_refuse(function: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="xpected"):
        function("nonsense")


def test_named_configuration() -> None:
    gzip: Any = {"name": "gzip", "configuration": {"level": 1}}
    assert parse_named_configuration(gzip) == ("gzip", {"level": 1})
    assert parse_named_configuration("bytes", require_configuration=False) == ("bytes", None)
    with pytest.raises(ValueError, match="Got gzip instead"):
        parse_named_configuration(gzip, "zstd")
    with pytest.raises(ValueError, match="does not have a 'name' key"):
        parse_named_configuration({"configuration": {}})
    with pytest.raises(ValueError, match="does not have a 'configuration' key"):
        parse_named_configuration({"name": "gzip"})
    with pytest.raises(TypeError, match="Expected dict"):
        parse_named_configuration("gzip")


@given(st.integers(0, 10**12), st.integers(1, 10**6))
def test_ceildiv(a: int, b: int) -> None:
    assert ceildiv_int(a, b) * b >= a > (ceildiv_int(a, b) - 1) * b
    assert ceildiv_int(10**18 + 1, 10) == 10**17 + 1
    assert ceildiv(7, 2) == 4


@given(st.lists(st.integers(1, 4)))
def test_run_lengths_round_trip(edges: list[int]) -> None:
    compressed = compress_rle(edges)
    assert expand_rle(compressed) == tuple(edges)
    assert len(compressed) <= len(edges)


@pytest.mark.parametrize(
    "bad", [[0], [[2, 0]], [[2]], [[2, 1, 1]], [1.5], ["ab"], [[2.5, 1]], [[2, 1 << 40]]]
)
def test_run_lengths_refused(bad: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        expand_rle(bad)
    with pytest.raises((TypeError, ValueError), match="dimension 3"):
        expand_rle([7, *bad], 3)


@pytest.mark.parametrize(
    ("bad", "error"),
    [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("a", TypeError), (True, TypeError)],
)
def test_edges_that_are_none_name_the_dimension(bad: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="dimension 1"):
        parse_chunk_shape((4, bad))
    with pytest.raises(error, match="dimension 1"):
        expand_rle((4, bad), 1)


def test_rectilinear_checks() -> None:
    validate_rectilinear_edges([(2, 3), 4], (5, 10))
    with pytest.raises(ValueError, match="dimension 0 add up to 4"):
        validate_rectilinear_edges([(2, 2), 4], (5, 10))
    validate_rectilinear_kind("inline")
    for kind in (None, "other"):
        with pytest.raises(ValueError, match="inline"):
            validate_rectilinear_kind(kind)


class Calls:
    """Counts what runs at a time, and what was ever started."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.running = self.most = self.started = self.cancelled = 0
        self.fail_at = fail_at

    async def __call__(self, index: int) -> int:
        self.started += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await steps(10 * (index % 3))
            if index == self.fail_at:
                raise KeyError(index)
            return index * 10
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1


@pytest.mark.parametrize("limit", [1, 3, None])
async def test_map_keeps_order_within_the_limit(limit: int | None) -> None:
    calls = Calls()
    assert await concurrent_map([(i,) for i in range(30)], calls, limit) == [
        i * 10 for i in range(30)
    ]
    assert calls.most <= (limit or 10)
    assert limit == 1 or calls.most > 1


async def test_first_failure_ends_the_map() -> None:
    calls = Calls(fail_at=4)
    with pytest.raises(KeyError, match="4"):
        await concurrent_map([(i,) for i in range(1000)], calls, 3)
    assert calls.started < 20
    assert calls.running == 0


async def test_closing_the_iterator_leaves_nothing() -> None:
    calls = Calls()
    async with closing(concurrent_results(((i,) for i in range(1000)), calls, 5)) as results:
        async for _ in results:
            break
    assert calls.running == 0
    assert calls.started < 20


@pytest.mark.parametrize("limit", [None, 1, 3])
async def test_iter_starts_every_call_at_once(limit: int | None) -> None:
    calls = Calls(fail_at=4)
    tasks = concurrent_iter(((i,) for i in range(30)), calls, limit)
    assert [type(task) for task in tasks] == [asyncio.Task] * 30
    await steps(1)  # nobody waits for any of them
    assert calls.started >= (limit or 30)
    done = await asyncio.gather(*tasks, return_exceptions=True)
    # The failure of one is not that of another.
    assert isinstance(done.pop(4), KeyError)
    assert done == [i * 10 for i in range(30) if i != 4]
    assert calls.most <= (limit or 30)
    assert calls.cancelled == 0


async def test_iter_calls_a_plain_function_before_it_returns() -> None:
    called: list[int] = []

    def act(index: int) -> asyncio.Future[int]:
        called.append(index)
        return asyncio.ensure_future(asyncio.sleep(0, index))

    tasks = concurrent_iter([(0,), (1,)], act)
    assert called == [0, 1]
    assert [await task for task in tasks] == [0, 1]


async def test_iter_ends_what_it_began_where_it_fails() -> None:
    def items() -> Iterator[tuple[int]]:
        yield (0,)
        yield (1,)
        raise RuntimeError("no more")

    calls = Calls()
    before = asyncio.all_tasks()
    with pytest.raises(RuntimeError, match="no more"):
        concurrent_iter(items(), calls)
    await steps()
    assert asyncio.all_tasks() == before
    assert calls.running == 0


def test_iter_needs_a_loop() -> None:
    items = iter([(0,)])
    with pytest.raises(RuntimeError, match="loop"):
        concurrent_iter(items, Calls())
    assert list(items) == [(0,)]


@pytest.mark.parametrize("limit", [0, -1])
async def test_limits_below_one_are_refused(limit: int) -> None:
    calls = Calls()
    with pytest.raises(ValueError, match=f"limit of {limit}"):
        concurrent_iter([(0,)], calls, limit)
    for run in (concurrent_map, concurrent_foreach):
        with pytest.raises(ValueError, match=f"limit of {limit}"):
            await run([(0,)], calls, limit)
    assert calls.started == 0


@pytest.mark.parametrize("run", [concurrent_map, concurrent_foreach])
async def test_a_single_failure_is_bare(run: Any) -> None:
    async def act(index: int) -> None:
        await steps(1)
        if index == 1:
            raise ValueError(index)
        await steps(1000)

    with pytest.raises(ValueError, match="1") as raised:
        await run([(i,) for i in range(3)], act, 3)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("run", [concurrent_map, concurrent_foreach])
async def test_of_failures_in_one_step_the_first_item_counts(run: Any) -> None:
    async def act(index: int) -> None:
        await gate.wait()
        raise ValueError(index)

    # Sets of tasks have no order, so once would not do.
    for _ in range(20):
        gate = asyncio.Event()
        running = asyncio.ensure_future(run([(i,) for i in range(8)], act, 8))
        await steps(2)
        gate.set()
        with pytest.raises(ValueError, match=r"^0$") as raised:
            await running
        cause = raised.value.__cause__
        assert isinstance(cause, ExceptionGroup)
        assert [error.args for error in cause.exceptions] == [(i,) for i in range(8)]


async def test_failures_while_being_cancelled_are_told() -> None:
    async def act(index: int) -> None:
        if index == 1:
            await steps(1)
            raise ValueError("first")
        try:
            await steps(1000)
        except asyncio.CancelledError:
            raise KeyError(index) from None

    with pytest.raises(ValueError, match="first") as raised:
        await concurrent_foreach([(i,) for i in range(3)], act, 3)
    cause = raised.value.__cause__
    assert isinstance(cause, ExceptionGroup)
    assert [error.args for error in cause.exceptions] == [("first",), (0,), (2,)]


async def test_the_cause_of_a_failure_stays() -> None:
    async def act(index: int) -> None:
        raise ValueError(index) from OSError(index)

    with pytest.raises(ValueError, match=r"^0$") as raised:
        await concurrent_foreach([(0,), (1,)], act, 2)
    assert isinstance(raised.value.__cause__, OSError)


async def test_empty_input() -> None:
    assert await concurrent_map([], Calls()) == []
    await concurrent_foreach([], Calls(), 3)
