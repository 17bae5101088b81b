"""The engine of bulk reads: streaming, bounds, failure and cancellation."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest
from tests.waiting import PATIENCE, steps

from zarr.core._byte_ranges import ByteRequest, RangeByteRequest
from zarr.core._coalesce import Read, Slice
from zarr.core._fetch import answer, cut, expecting, stream
from zarr.core.buffer.cpu import Buffer
from zarr.core.common import closing


class Source:
    """A fake that answers reads by number, with recorded calls.

    Each takes so many steps of the event loop, of eight the first most.
    """

    def __init__(self, *, nbytes: int = 1, fail_at: int | None = None, hang: bool = False) -> None:
        self.started: list[int] = []
        self.running = self.most = self.cancelled = 0
        self.nbytes, self.fail_at, self.hang = nbytes, fail_at, hang
        self.gate = asyncio.Event()

    async def __call__(self, number: int) -> bytes:
        self.started.append(number)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if self.hang and number:
                await self.gate.wait()
            await steps(10 * (8 - number % 8))
            if number == self.fail_at:
                raise ConnectionResetError(f"read {number}")
            return bytes(self.nbytes)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1


def run(source: Source, n: int, nbytes: int | None = None, **bounds: int) -> Any:
    return stream(
        ((i, nbytes) for i in range(n)), source, size=len, **({"max_concurrency": 4} | bounds)
    )


async def test_every_read_once_in_order_of_completion() -> None:
    source = Source()
    got = [read async for batch in run(source, 40, max_concurrency=8) for read, _ in batch]
    assert sorted(got) == list(range(40))
    assert got != list(range(40))
    assert 1 < source.most <= 8


async def test_first_batch_comes_before_the_last_answer() -> None:
    source = Source(hang=True)
    async with aclosing(run(source, 3)) as batches:
        first = await asyncio.wait_for(anext(batches), PATIENCE)
        assert [read for read, _ in first] == [0]
        assert source.running == 2
        source.gate.set()
        assert sorted([read async for batch in batches for read, _ in batch]) == [1, 2]


@pytest.mark.parametrize("known", [True, False])
async def test_slow_consumer_holds_the_reads_back(known: bool) -> None:
    source = Source(nbytes=10)
    batches = run(source, 100, 10 if known else None, max_pending_bytes=40)
    async with aclosing(batches):
        await anext(batches)
        await steps(1000)
        assert source.running == 0
        # Unknown sizes are learnt from the first answers, so one round may start blind.
        assert len(source.started) <= (4 if known else 8)


async def test_reads_go_on_while_the_consumer_is_busy() -> None:
    source = Source()
    async with aclosing(run(source, 100, max_concurrency=2)) as batches:
        await anext(batches)
        await steps(1000)
        assert len(source.started) > 10


async def test_a_read_larger_than_the_bound_is_still_made() -> None:
    source = Source(nbytes=100)
    got = [read async for batch in run(source, 5, 100, max_pending_bytes=10) for read, _ in batch]
    assert got == list(range(5))
    assert source.most == 1


async def test_first_failure_is_raised_and_nothing_more_starts() -> None:
    source = Source(fail_at=9)
    with pytest.raises(ConnectionResetError, match="read 9"):
        async for _ in run(source, 1000):
            pass
    assert source.running == 0
    assert max(source.started) < 9 + 8
    started = len(source.started)
    await steps(200)
    assert len(source.started) == started


async def test_closing_leaves_no_task() -> None:
    source = Source()
    before = asyncio.all_tasks()
    batches = run(source, 1000)
    await anext(batches)
    await batches.aclose()
    assert source.running == 0
    assert asyncio.all_tasks() == before


async def test_cancelling_the_consumer_leaves_no_task() -> None:
    source = Source(hang=True)

    async def consume() -> None:
        async with aclosing(run(source, 100)) as batches:
            async for _ in batches:
                pass

    task = asyncio.create_task(consume())
    await steps(200)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.running == 0
    assert source.cancelled > 0


async def test_no_reads() -> None:
    assert [batch async for batch in run(Source(), 0)] == []


async def test_reads_are_taken_as_far_as_the_bounds_allow() -> None:
    taken = 0

    def numbers() -> Iterator[tuple[int, None]]:
        nonlocal taken
        for i in range(1000):
            taken += 1
            yield i, None

    source = Source()
    async with closing(stream(numbers(), source, size=len, max_concurrency=2)) as batches:
        await anext(batches)
        assert taken < 10


def test_small_slices_do_not_pin_the_read() -> None:
    data = np.arange(100, dtype="u1")
    buffer = Buffer.from_array_like(data)
    small, large = cut(buffer, RangeByteRequest(3, 6)), cut(buffer, RangeByteRequest(0, 90))
    assert small.to_bytes() == bytes([3, 4, 5])
    assert not np.shares_memory(small.as_numpy_array(), data)
    assert np.shares_memory(large.as_numpy_array(), data)
    assert cut(buffer, None) is buffer


async def test_what_a_short_read_does_not_reach_is_asked_for_alone() -> None:
    """The object ends at 10: merged or not, each request fares as it would alone."""
    asked: list[ByteRequest | None] = []

    async def get(byte_range: ByteRequest | None, request: int) -> Buffer:
        asked.append(byte_range)
        assert isinstance(byte_range, RangeByteRequest)
        if byte_range.start >= 10:
            raise OSError("416")
        return Buffer.from_bytes(bytes(range(byte_range.start, min(byte_range.end, 10))))

    inside, over = Slice(0, RangeByteRequest(0, 4)), Slice(1, RangeByteRequest(4, 18))
    answered = await answer(Read("a", RangeByteRequest(2, 20), (inside, over)), get)
    assert [part and part.to_bytes() for _, part in answered.answers] == [
        bytes([2, 3, 4, 5]),
        bytes([6, 7, 8, 9]),
    ]
    assert asked == [RangeByteRequest(2, 20), RangeByteRequest(6, 20)]
    past = Slice(2, RangeByteRequest(10, 18))
    with pytest.raises(OSError, match="416"):
        await answer(Read("a", RangeByteRequest(2, 20), (inside, past)), get)


async def test_failures_not_raised_are_not_reported_late(recwarn: pytest.WarningsRecorder) -> None:
    """Several reads fail in one step; only the first is raised, none is 'never retrieved'."""
    problems: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))

    async def fail(number: int) -> bytes:
        raise OSError(number)

    with pytest.raises(OSError, match="0"):
        async for _ in stream(((i, None) for i in range(4)), fail, size=len, max_concurrency=4):
            pass
    gc.collect()
    await asyncio.sleep(0)
    assert problems == []


# --- values of unknown size -------------------------------------------------------------


class Held:
    """A fake whose reads wait until they are released, one by one."""

    def __init__(self) -> None:
        self.waiting: dict[int, asyncio.Future[bytes]] = {}

    async def __call__(self, number: int) -> bytes:
        self.waiting[number] = asyncio.get_running_loop().create_future()
        try:
            return await self.waiting[number]
        finally:
            del self.waiting[number]

    async def started(self) -> set[int]:
        """Return which reads run once no more of them begin."""
        for _ in range(20):  # turns of the loop; nothing else runs in it
            await asyncio.sleep(0)
        return set(self.waiting)


async def started_after(
    answers: list[int], nbytes: int | None, expected: int | None, bound: int
) -> list[int]:
    """Return how many of 100 reads run, at first and after answers of so many bytes each."""
    source = Held()
    counts: list[int] = []
    with expecting(expected):
        batches: Any = stream(
            ((i, nbytes) for i in range(100)),
            source,
            size=len,
            max_concurrency=64,
            max_pending_bytes=bound,
        )
        async with aclosing(batches):
            first = asyncio.ensure_future(anext(batches))
            counts.append(len(await source.started()))
            for size in answers:
                source.waiting[min(source.waiting)].set_result(bytes(size))
                counts.append(len(await source.started()))
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
    return counts


@pytest.mark.parametrize(
    ("answers", "expected", "counts"),
    [
        ([], None, [4]),
        ([], 1 << 20, [32]),
        ([], 64 << 20, [1]),
        ([100], 100, [64, 63]),
    ],
)
async def test_unknown_sizes_count_as_large(
    answers: list[int], expected: int | None, counts: list[int]
) -> None:
    found = await started_after(answers, None, expected, 32 << 20)
    assert found[0] == counts[0]


async def test_an_absent_value_says_nothing_of_others() -> None:
    """Its size of 0 once let 64 large values start at once."""
    assert await started_after([0, 0], None, None, 32 << 20) == [4, 4, 4]


async def test_the_first_answers_say_how_large_the_others_may_be() -> None:
    small, large = 1000, 12 << 20
    assert (await started_after([small], None, None, 32 << 20))[1] > 4
    assert (await started_after([large], None, None, 32 << 20))[1] <= 4
    # Of compressed values the first may be small by chance.
    assert await started_after([small], None, 16 << 20, 32 << 20) == [2, 8]
