"""The read scheduler: each caller gets what a read of its own gives, whoever else reads."""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.waiting import PATIENCE, steps

import zarr
from zarr.core import _read_ahead, _read_queue
from zarr.core._byte_ranges import ByteRequest, resolve_byte_range
from zarr.core._byte_ranges import OffsetByteRequest as O
from zarr.core._byte_ranges import RangeByteRequest as R
from zarr.core._byte_ranges import SuffixByteRequest as S
from zarr.core._fetch import BulkReadCounter, BulkReadReport
from zarr.core._read_options import ReadOptions
from zarr.core._read_queue import _Object
from zarr.core._read_request import Source
from zarr.core._read_scheduler import ReadScheduler
from zarr.core._retry import RetryPolicy, Transient
from zarr.core._writes import note_write

who: ContextVar[object] = ContextVar("who", default=None)


class FailureOf(OSError):
    """A failure of a fetch, and whose it was."""

    def __init__(self, name: object, text: str) -> None:
        super().__init__(f"{text}, {name}")
        self.name = name


class Gone(FailureOf):
    """One that may go away."""


class Busy(FailureOf):
    """One of a server that has too much to do."""


def transient(error: BaseException) -> Transient | None:
    if isinstance(error, Busy):
        return Transient(is_overload=True, retry_after=0.0)
    return Transient() if isinstance(error, Gone) else None


class World:
    """Objects, and fetches of them that are recorded, and end when a test lets them.

    Parameters
    ----------
    objects : dict
        Bytes by path.
    bad : dict
        Paths and an offset: what reaches over it cannot be read.
    is_held : bool
        Whether fetches wait to be let go.
    """

    def __init__(
        self,
        objects: dict[str, bytes],
        bad: dict[str, int] | None = None,
        *,
        is_held: bool = True,
    ) -> None:
        self.objects, self.bad, self.is_held = objects, bad or {}, is_held
        self.calls: list[tuple[str, ByteRequest | None, object]] = []
        self.running: list[asyncio.Future[type[FailureOf] | None]] = []
        self.most = 0

    def source(self, path: str, name: object = None, *, is_strict: bool = False) -> Source:
        """Return how a caller of a name reads; a strict one takes a short reply for a fault."""
        return Source(path, functools.partial(self.fetch, path, name, is_strict), transient)

    def alone(
        self, path: str, name: object, is_strict: bool, byte_range: ByteRequest | None
    ) -> bytes | None:
        """Return what a lone fetch does."""
        data = self.objects.get(path)
        if data is None:
            return None
        start, stop = resolve_byte_range(byte_range, len(data))
        if path in self.bad and start <= self.bad[path] < stop:
            raise FailureOf(name, "bad")
        if is_strict and isinstance(byte_range, R) and stop - start < byte_range.end - start:
            raise FailureOf(name, "short")
        return data[start:stop]

    async def fetch(
        self, path: str, name: object, is_strict: bool, byte_range: ByteRequest | None
    ) -> bytes | None:
        assert who.get() in (None, name)
        self.calls.append((path, byte_range, name))
        gate: asyncio.Future[type[FailureOf] | None] = asyncio.get_running_loop().create_future()
        self.running.append(gate)
        self.most = max(self.most, len(self.running))
        if not self.is_held:
            gate.set_result(None)
        try:
            failure = await gate
        finally:
            self.running.remove(gate)
        if failure is not None:
            raise failure(name, "for now")
        # Strictness is about what its own caller wants, as it is with references.
        return self.alone(path, name, is_strict and byte_range in WANTED.get(name, ()), byte_range)

    @property
    def ranges(self) -> list[ByteRequest | None]:
        return [byte_range for _, byte_range, _ in self.calls]

    async def let_go(self, failure: type[FailureOf] | None = None, index: int = 0) -> None:
        """End a fetch, and let what follows from that happen."""
        self.running[index].set_result(failure)
        await steps(10)


# What callers want, by name: a strict fetch judges only that.
WANTED: dict[object, list[ByteRequest | None]] = {}


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    """Let retries follow at once."""
    policy = functools.partial(RetryPolicy, base_seconds=0.0, max_seconds=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_read_queue, "RetryPolicy", policy)
        yield
    WANTED.clear()


def scheduler_of(**options: Any) -> ReadScheduler:
    return ReadScheduler(ReadOptions(**{"max_concurrency": 4, "max_gap_bytes": 0} | options))


def is_idle(scheduler: ReadScheduler) -> bool:
    queue = scheduler.queue()
    return (
        queue._active == 0
        and queue._active_bytes == 0
        and not queue._objects
        and not queue._in_flight
        and not queue._again
        and not any(r.is_waiting for waiting in queue._callers.values() for r in waiting)
    )


@asynccontextmanager
async def nothing_left(scheduler: ReadScheduler) -> AsyncIterator[None]:
    """Check that all has ended in the end."""
    before = asyncio.all_tasks()
    yield
    await steps(20)
    assert asyncio.all_tasks() == before
    assert is_idle(scheduler)


def start(scheduler: ReadScheduler, world: World, path: str, byte_range: Any, **more: Any) -> Any:
    """Begin a read in a task of its own."""
    name = more.pop("name", None)
    source = world.source(path, name, is_strict=more.pop("is_strict", False))
    WANTED.setdefault(name, []).append(byte_range)
    return asyncio.ensure_future(scheduler.read(source, byte_range, **more))


# --- laws -------------------------------------------------------------------------------

LENGTH = 24
bounds = st.integers(0, LENGTH + 4)
byte_ranges = st.one_of(
    st.builds(lambda start, n: R(start, start + n), bounds, st.integers(0, 6)),
    st.builds(lambda index: R(4 * index, 4 * index + 4), st.integers(0, 6)),
    st.just(R(LENGTH - 2, LENGTH + 2)),
    st.none(),
    st.builds(O, bounds),
    st.builds(S, bounds),
)


@dataclass(frozen=True)
class Reads:
    path: str
    byte_range: ByteRequest | None
    caller: int | None
    is_strict: bool


@dataclass(frozen=True)
class Again:
    """A read of what another one wanted, by somebody else."""

    index: int
    is_strict: bool


@dataclass(frozen=True)
class Turns:
    count: int


@dataclass(frozen=True)
class Ends:
    index: int
    failure: type[FailureOf] | None


@dataclass(frozen=True)
class Cancels:
    index: int


@dataclass(frozen=True)
class Writes:
    pass


indices = st.integers(0, 40)
reads = st.builds(
    Reads,
    st.sampled_from(["a", "bad", "bad", "none"]),
    byte_ranges,
    st.one_of(st.none(), st.integers(0, 2)),
    st.booleans(),
)
failures = st.sampled_from([None, None, None, Gone, Busy])
events = st.one_of(
    reads,
    reads,
    st.builds(Again, indices, st.booleans()),
    st.builds(Again, indices, st.booleans()),
    st.builds(Turns, st.integers(1, 4)),
    st.builds(Ends, indices, failures),
    st.builds(Cancels, indices),
    st.builds(Writes),
)
options_of_reads = st.fixed_dictionaries(
    {
        "max_concurrency": st.integers(1, 4),
        "max_gap_bytes": st.one_of(st.none(), st.integers(0, 4)),
        "max_coalesced_bytes": st.integers(0, LENGTH),
        "window_seconds": st.sampled_from([0.0, 0.0, 1e-4]),
        "read_ahead_bytes": st.sampled_from([0, 0, 3, 8]),
        "max_retries": st.integers(0, 3),
    }
)


@given(st.lists(events, max_size=40), options_of_reads)
def test_each_caller_gets_what_a_read_of_its_own_gives(
    happening: list[Any], options: dict[str, Any]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_read_ahead, "_LEAST_BYTES", 10)
        asyncio.run(law(happening, options))


async def law(happening: list[Any], options: dict[str, Any]) -> None:
    data = bytes(range(LENGTH))
    world = World({"a": data, "bad": data[::-1]}, {"bad": 9})
    scheduler = ReadScheduler(ReadOptions(**options))
    callers = [object() for _ in range(3)]
    tasks: list[asyncio.Task[bytes | None]] = []
    wanted: list[Reads] = []
    cancelled: set[int] = set()
    WANTED.clear()

    async def read(name: int, event: Reads) -> bytes | None:
        who.set(name)
        caller = None if event.caller is None else callers[event.caller]
        source = world.source(event.path, name, is_strict=event.is_strict)
        return await scheduler.read(source, event.byte_range, caller=caller)

    def check() -> None:
        kept = scheduler.queue()._ahead.nbytes_kept
        assert kept <= max(10, 4 * options["read_ahead_bytes"])
        assert world.most <= options["max_concurrency"]

    for event in happening:
        if isinstance(event, Again) and wanted:
            same = wanted[event.index % len(wanted)]
            event = Reads(same.path, same.byte_range, None, event.is_strict)
        match event:
            case Reads():
                WANTED[len(tasks)] = [event.byte_range]
                tasks.append(asyncio.create_task(read(len(tasks), event)))
                wanted.append(event)
            case Turns(count):
                await steps(count)
            case Ends(index, failure):
                open_gates = [gate for gate in world.running if not gate.done()]
                if open_gates:
                    open_gates[index % len(open_gates)].set_result(failure)
            case Cancels(index) if tasks:
                cancelled.add(index % len(tasks))
                tasks[index % len(tasks)].cancel()
            case Writes():
                note_write()
        check()
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not all(task.done() for task in tasks):
        assert asyncio.get_running_loop().time() < deadline
        for gate in world.running:
            if not gate.done():
                gate.set_result(None)
        await asyncio.sleep(0)
        check()

    for index, (task, event) in enumerate(zip(tasks, wanted, strict=True)):
        if task.cancelled():
            assert index in cancelled
            continue
        error = task.exception()
        if isinstance(error, Gone | Busy):
            assert error.name == index
            continue
        expected: object
        try:
            expected = world.alone(event.path, index, event.is_strict, event.byte_range)
        except FailureOf as failure:
            expected = str(failure)  # it says whose
        assert expected == (task.result() if error is None else str(error))
    await steps(20)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert is_idle(scheduler)


# --- one by one -------------------------------------------------------------------------

DATA = bytes(i % 251 for i in range(100_000))


async def test_a_lone_read_leaves_at_once() -> None:
    world, scheduler = World({"a": DATA}), scheduler_of()
    async with nothing_left(scheduler):
        task = start(scheduler, world, "a", R(0, 4))
        await steps(3)  # the task, the queue, the fetch
        assert world.ranges == [R(0, 4)]
        await world.let_go()
        assert await task == DATA[:4]


async def test_adjacent_reads_of_one_turn_are_one_fetch() -> None:
    world, scheduler = World({"a": DATA}, is_held=False), scheduler_of()
    async with nothing_left(scheduler):
        tasks = [start(scheduler, world, "a", R(4 * i, 4 * i + 4)) for i in range(50)]
        assert await asyncio.gather(*tasks) == [DATA[4 * i : 4 * i + 4] for i in range(50)]
    assert world.ranges == [R(0, 200)]


@pytest.mark.parametrize("wanted", [R(3, 9), R(5, 5), None, O(7), S(5)])
async def test_identical_reads_share_a_fetch(wanted: ByteRequest | None) -> None:
    world, scheduler = World({"a": DATA}), scheduler_of()
    expected = world.alone("a", None, False, wanted)
    async with nothing_left(scheduler):
        tasks = [start(scheduler, world, "a", wanted) for _ in range(3)]
        await steps()
        tasks += [start(scheduler, world, "a", wanted) for _ in range(3)]  # it is on its way
        await steps()
        await world.let_go()
        assert await asyncio.gather(*tasks) == [expected] * 6
    assert world.ranges == [wanted]


async def test_what_lies_in_a_read_on_its_way_shares_it() -> None:
    world, scheduler = World({"a": DATA}), scheduler_of()
    async with nothing_left(scheduler):
        tasks = [start(scheduler, world, "a", R(10, 50))]
        await steps()
        tasks += [start(scheduler, world, "a", R(20, 30)), start(scheduler, world, "b", R(20, 30))]
        await steps()
        assert len(world.calls) == 2
        await world.let_go(index=1)
        await world.let_go()
        assert await asyncio.gather(*tasks) == [DATA[10:50], DATA[20:30], None]


async def test_a_read_that_is_being_cancelled_is_not_shared() -> None:
    world, scheduler = World({"a": DATA}), scheduler_of()
    async with nothing_left(scheduler):
        first = start(scheduler, world, "a", R(0, 4))
        await steps()
        (gate,) = world.running
        first.cancel()
        await asyncio.sleep(0)  # the read is taken back, and has not ended
        second = start(scheduler, world, "a", R(0, 4))
        await steps()
        assert first.cancelled()
        assert gate.cancelled()
        await world.let_go()
        assert await second == DATA[:4]


@pytest.mark.parametrize("wanted", [(R(0, 4), R(4, 8)), (R(0, 4), R(0, 4)), (None, R(4, 8))])
async def test_the_failure_of_a_caller_that_has_left_is_not_seen(wanted: Any) -> None:
    world, scheduler = World({"a": DATA}, {"a": 5}), scheduler_of()
    async with nothing_left(scheduler):
        first = start(scheduler, world, "a", wanted[0], name="first")
        second = start(scheduler, world, "a", wanted[1], name="second")
        await steps()
        ((_, _, reader),) = world.calls
        assert reader == "first"
        first.cancel()
        await steps()
        assert first.cancelled()
        await world.let_go(FailureOf)
        assert world.calls[1:] == [("a", wanted[1], "second")]
        await world.let_go()
        if wanted[1] == R(0, 4):
            assert await second == DATA[:4]
        else:
            with pytest.raises(FailureOf, match="bad, second"):
                await second


async def test_bytes_of_a_caller_that_has_left_are_no_fault_of_others() -> None:
    world, scheduler = World({"a": DATA}, {"a": 5}), scheduler_of()
    async with nothing_left(scheduler):
        first = start(scheduler, world, "a", R(0, 4), name="first")
        second = start(scheduler, world, "a", R(4, 8), name="second")
        await steps()
        second.cancel()
        await steps()
        await world.let_go()  # which fails for what the second wanted
        await world.let_go()
        assert await first == DATA[:4]


async def test_a_merged_read_that_fails_is_made_for_each_alone() -> None:
    world, scheduler = World({"a": DATA}, {"a": 9}, is_held=False), scheduler_of()
    async with nothing_left(scheduler):
        tasks = [start(scheduler, world, "a", R(4 * i, 4 * i + 4), name=i) for i in range(5)]
        done = await asyncio.gather(*tasks, return_exceptions=True)
    assert world.ranges[0] == R(0, 20)
    assert sorted(world.calls[1:], key=lambda call: str(call[2])) == [
        ("a", R(4 * i, 4 * i + 4), i) for i in range(5)
    ]
    assert [str(d) for d in done if isinstance(d, Exception)] == ["bad, 2"]
    assert [d for d in done if isinstance(d, bytes)] == [
        DATA[4 * i : 4 * i + 4] for i in (0, 1, 3, 4)
    ]


async def test_a_short_reply_is_judged_by_each_caller() -> None:
    world, scheduler = World({"a": DATA[:6]}, is_held=False), scheduler_of()
    async with nothing_left(scheduler):
        lenient = start(scheduler, world, "a", R(4, 8), name="lenient")
        strict = start(scheduler, world, "a", R(4, 8), name="strict", is_strict=True)
        assert await lenient == DATA[4:6]
        with pytest.raises(FailureOf, match="short, strict"):
            await strict


async def test_a_fetch_that_is_cancelled_by_itself_concerns_its_caller_only() -> None:
    world, scheduler = World({"a": DATA}), scheduler_of()
    async with nothing_left(scheduler):
        first = start(scheduler, world, "a", R(0, 4), name="first")
        second = start(scheduler, world, "a", R(4, 8), name="second")
        await steps()
        world.running[0].cancel()
        await steps()
        assert first.cancelled()
        await world.let_go()
        assert await second == DATA[4:8]


async def test_a_caller_takes_back_only_its_own() -> None:
    world, scheduler = World({"a": DATA}), scheduler_of(max_concurrency=1)
    async with nothing_left(scheduler):
        first, second = (start(scheduler, world, "a", R(0, 4)) for _ in range(2))
        waiting = start(scheduler, world, "a", R(50, 54))
        early = start(scheduler, world, "b", None)
        early.cancel()  # before it has begun
        await steps()
        first.cancel()
        await steps()
        assert first.cancelled()
        assert len(world.running) == 1
        waiting.cancel()
        await steps()
        assert waiting.cancelled()
        second.cancel()
        await steps()
        assert second.cancelled()
        assert world.running == []
        assert world.ranges == [R(0, 4)]


async def test_callers_have_turns() -> None:
    """One that wants much does not hold up one that wants little."""
    world, scheduler = World({"a": DATA, "zarr.json": b"{}"}), scheduler_of()
    async with nothing_left(scheduler):
        caller = object()
        many = [
            start(scheduler, world, "a", R(8 * i, 8 * i + 4), caller=caller) for i in range(1000)
        ]
        await steps()
        assert len(world.running) == 4
        one = start(scheduler, world, "zarr.json", None)
        await steps()
        completions = 0
        while not one.done():
            await world.let_go()
            completions += 1
        assert completions <= 6
        assert await one == b"{}"
        world.is_held = False
        for _ in range(4):
            await world.let_go()
        assert await asyncio.gather(*many) == [DATA[8 * i : 8 * i + 4] for i in range(1000)]
    assert world.most == 4


async def test_many_that_wait_are_not_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planning a read takes as long however many wait."""
    looked_at: list[int] = []

    class Waiting(list[Any]):
        def __getitem__(self, index: Any) -> Any:
            looked_at.append(index)
            return super().__getitem__(index)

        def __iter__(self) -> Any:
            raise AssertionError("went through all")

    monkeypatch.setattr(_read_queue, "_Object", lambda: _Object(Waiting()))
    world, scheduler = World({"a": DATA}, is_held=False), scheduler_of()
    async with nothing_left(scheduler):
        tasks = [start(scheduler, world, "a", R(8 * i, 8 * i + 4)) for i in range(1000)]
        await asyncio.gather(*tasks)
    assert len(world.calls) == 1000
    assert len(looked_at) <= 60 * 1000  # it is found by bisection


async def test_one_that_wants_very_much_has_its_turn() -> None:
    world, scheduler = World({"a": DATA, "large": b"large"}), scheduler_of()
    async with nothing_left(scheduler):
        caller = object()
        many = [
            start(scheduler, world, "a", R(8 * i, 8 * i + 4), caller=caller) for i in range(100)
        ]
        large = start(scheduler, world, "large", None, nbytes=1 << 40)
        await steps()
        completions = 0
        while not large.done():
            await world.let_go()
            completions += 1
        assert completions <= 12
        world.is_held = False
        while world.running:
            await world.let_go()
        await asyncio.gather(*many)


async def test_reads_of_one_caller_stay_apart() -> None:
    world, scheduler = World({"a": DATA}, is_held=False), scheduler_of()
    caller: list[object] = []  # not hashable, and false
    async with nothing_left(scheduler):
        tasks = [start(scheduler, world, "a", r, caller=caller) for r in (R(0, 4), R(4, 8))]
        assert await asyncio.gather(*tasks) == [DATA[:4], DATA[4:8]]
    assert world.ranges == [R(0, 4), R(4, 8)]


async def test_what_began_before_a_write_is_not_shared() -> None:
    world, scheduler = World({"a": b"old!"}), scheduler_of()
    async with nothing_left(scheduler):
        before = start(scheduler, world, "a", None)
        await steps()
        world.objects["a"] = b"new!"
        note_write()
        after = start(scheduler, world, "a", None)
        await steps()
        assert len(world.calls) == 2
        await world.let_go()
        await world.let_go()
        assert await after == b"new!"
        await before


async def test_a_window_gathers_reads() -> None:
    world, scheduler = World({"a": DATA}, is_held=False), scheduler_of(window_seconds=0.05)
    async with nothing_left(scheduler):
        tasks = []
        for i in range(4):
            tasks.append(start(scheduler, world, "a", R(4 * i, 4 * i + 4)))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
    assert world.ranges[0] != R(0, 4)


async def test_a_free_slot_does_not_wait_for_a_window() -> None:
    """Reads whose window has ended leave as soon as they can, though another one is open."""
    world = World({"a": DATA, "b": DATA, "c": DATA})
    scheduler = scheduler_of(window_seconds=0.01, max_concurrency=1)
    async with nothing_left(scheduler):
        first, second = (start(scheduler, world, path, None) for path in "ab")
        while not world.running:
            await asyncio.sleep(0.005)
        scheduler.options = scheduler.queue()._options = ReadOptions(
            window_seconds=1000 * PATIENCE, max_concurrency=1
        )
        third = start(scheduler, world, "c", None)
        await steps()
        await world.let_go()
        assert len(world.running) == 1
        await world.let_go()
        await world.let_go()
        assert [await task for task in (first, second, third)] == [DATA] * 3


# --- retries ----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_failure_that_goes_away(count: int) -> None:
    reports: list[BulkReadReport] = []
    counter = BulkReadCounter(1)
    world, scheduler = World({"a": DATA}), scheduler_of()
    async with nothing_left(scheduler):
        task = start(scheduler, world, "a", R(0, 4), counter=counter)
        await steps()
        for _ in range(count):
            await world.let_go(Gone)
        await world.let_go()
        assert await task == DATA[:4]
    counter.deliver(reports.append)
    assert len(world.calls) == count + 1
    assert (reports[0].retries, reports[0].reads) == (count, 1)


@pytest.mark.parametrize("most", [0, 1, 3])
async def test_the_last_failure_says_how_often_it_was_tried(most: int) -> None:
    world, scheduler = World({"a": DATA}), scheduler_of(max_retries=most)
    async with nothing_left(scheduler):
        task = start(scheduler, world, "a", R(0, 4))
        await steps()
        while world.running:
            await world.let_go(Gone)
        with pytest.raises(Gone) as caught:
            await task
    assert len(world.calls) == most + 1
    notes = getattr(caught.value, "__notes__", [])
    assert notes == ([f"The read was tried {most + 1} times."] if most else [])


async def test_attempts_of_a_merged_read_are_counted() -> None:
    world, scheduler = World({"a": DATA}), scheduler_of(max_retries=1)
    async with nothing_left(scheduler):
        tasks = [start(scheduler, world, "a", R(4 * i, 4 * i + 4)) for i in range(2)]
        await steps()
        while world.running:
            await world.let_go(Gone)
        for task in tasks:
            with pytest.raises(Gone) as caught:
                await task
            # Twice together, and once alone.
            assert caught.value.__notes__ == ["The read was tried 3 times."]
    assert world.ranges == [R(0, 8), R(0, 8), R(0, 4), R(4, 8)]


async def test_other_failures_are_not_tried_again() -> None:
    world, scheduler = World({"a": DATA}), scheduler_of()
    async with nothing_left(scheduler):
        task = start(scheduler, world, "a", R(0, 4))
        await steps()
        await world.let_go(FailureOf)
        with pytest.raises(FailureOf) as caught:
            await task
    assert len(world.calls) == 1
    assert not getattr(caught.value, "__notes__", [])


async def test_each_alone_has_the_tries_that_are_left() -> None:
    world, scheduler = World({"a": DATA}), scheduler_of(max_retries=3)
    async with nothing_left(scheduler):
        tasks = [start(scheduler, world, "a", r) for r in (R(0, 4), R(4, 8))]
        await steps()
        await world.let_go(Gone)
        await world.let_go(FailureOf)  # now each for itself
        assert world.ranges[2:] == [R(0, 4), R(4, 8)]
        await world.let_go(Gone)
        await world.let_go(Gone)
        assert len(world.calls) == 6
        await world.let_go()
        await world.let_go()
        assert await asyncio.gather(*tasks) == [DATA[:4], DATA[4:8]]


async def test_a_retry_is_not_made_for_who_has_left() -> None:
    world, scheduler = World({"a": DATA}), scheduler_of()
    async with nothing_left(scheduler):
        first = start(scheduler, world, "a", R(0, 4), name="first")
        second = start(scheduler, world, "a", R(4, 8), name="second")
        await steps()
        first.cancel()
        await steps()
        await world.let_go(Gone)
        assert world.calls[-1][2] == "second"
        second.cancel()
        await steps()
        assert second.cancelled()


async def test_a_server_that_has_too_much_to_do_gets_half() -> None:
    world, scheduler = World({"a": DATA}), scheduler_of(max_concurrency=8)
    async with nothing_left(scheduler):
        tasks = [start(scheduler, world, "a", R(8 * i, 8 * i + 4)) for i in range(60)]
        await steps()
        assert len(world.running) == 8
        await world.let_go(Busy)
        for _ in range(7):
            await world.let_go()
        assert 4 <= len(world.running) <= 6
        while world.running:
            await world.let_go()
        assert await asyncio.gather(*tasks) == [DATA[8 * i : 8 * i + 4] for i in range(60)]


# --- what must not stop the queue -------------------------------------------------------


async def test_sources_that_are_wrong_fail_and_block_nothing() -> None:
    world, scheduler = World({"a": DATA}, is_held=False), scheduler_of(max_concurrency=1)

    def raises(byte_range: ByteRequest | None) -> Any:
        raise ValueError("at once")

    async def no_bytes(byte_range: ByteRequest | None) -> Any:
        return 5

    async def fails(byte_range: ByteRequest | None) -> Any:
        raise FailureOf("x", "bad")

    def unsure(error: BaseException) -> Any:
        raise ValueError("does not know")

    async with nothing_left(scheduler):
        for source, error in [
            (Source("a", raises), ValueError),
            (Source("a", no_bytes), TypeError),
            (Source("a", fails, unsure), ValueError),
        ]:
            with pytest.raises(error):
                async with asyncio.timeout(PATIENCE):
                    await scheduler.read(source, R(0, 4))
        assert await start(scheduler, world, "a", R(0, 4)) == DATA[:4]


async def test_a_limit_that_is_none_is_refused() -> None:
    world = World({"a": DATA}, is_held=False)
    scheduler = scheduler_of(max_concurrency=None)
    async with nothing_left(scheduler):
        wrong = zarr.config.set({"bulk_reads.max_concurrency": 0})
        with wrong, pytest.raises(ValueError, match="at least 1"):
            await start(scheduler, world, "a", None)
        assert await start(scheduler, world, "a", R(0, 4)) == DATA[:4]


async def test_one_large_value_does_not_slow_down_the_rest() -> None:
    """Sizes that are not known are guessed from the latest ones."""
    objects = {str(i): b"{}" for i in range(64)} | {"large": bytes(64 << 20)}
    world, scheduler = World(objects), scheduler_of(max_concurrency=8)
    async with nothing_left(scheduler):
        large = start(scheduler, world, "large", None)
        await steps()
        await world.let_go()
        await large
        tasks = [start(scheduler, world, str(i), None) for i in range(64)]
        await steps()
        while world.running:
            await world.let_go()
        await asyncio.gather(*tasks)
    assert world.most == 8


async def test_values_that_are_smaller_than_expected() -> None:
    objects = {str(i): b"compressed" for i in range(64)}
    world, scheduler = World(objects), scheduler_of(max_concurrency=8)
    async with nothing_left(scheduler):
        tasks = [start(scheduler, world, str(i), None, nbytes=64 << 20) for i in range(64)]
        await steps()
        assert len(world.running) == 2
        while world.running:
            await world.let_go()
        await asyncio.gather(*tasks)
    assert world.most == 8


def test_what_was_read_is_not_kept() -> None:
    """Neither by the queue nor by a cycle of objects, which is collected some time later."""

    async def run() -> None:
        world, scheduler = World({"a": DATA}, is_held=False), scheduler_of()
        data = bytes(1000)

        async def fetch(byte_range: ByteRequest | None) -> bytes:
            return data

        before = sys.getrefcount(data)
        await asyncio.gather(*(scheduler.read(Source("x", fetch), r) for r in (None, R(0, 4))))
        await steps()
        assert sys.getrefcount(data) == before
        assert world.running == []

    gc.disable()
    try:
        asyncio.run(run())
    finally:
        gc.enable()


def test_loops_that_are_closed_are_forgotten() -> None:
    world, scheduler = World({"a": DATA}, is_held=False), scheduler_of()

    async def run() -> None:
        assert await start(scheduler, world, "a", R(0, 4)) == DATA[:4]

    for _ in range(5):
        asyncio.run(run())
    assert len(scheduler._queues) <= 1


async def test_fetches_see_the_context_of_their_caller() -> None:
    world, scheduler = World({"a": DATA}), scheduler_of()
    seen: list[object] = []

    async def fetch(byte_range: ByteRequest | None) -> bytes:
        seen.append(who.get())
        who.set("changed")
        return DATA[:4]

    async def read(name: str) -> None:
        who.set(name)
        await scheduler.read(Source(name, fetch), R(0, 4))
        assert who.get() == name

    async with nothing_left(scheduler):
        await asyncio.gather(read("first"), read("second"))
    assert sorted(map(str, seen)) == ["first", "second"]
    assert world.calls == []


# --- read-ahead -------------------------------------------------------------------------


async def test_reads_that_follow_each_other_are_extended() -> None:
    world, scheduler = World({"a": DATA}, is_held=False), scheduler_of(read_ahead_bytes=100)
    async with nothing_left(scheduler):
        for i in range(20):
            assert await start(scheduler, world, "a", R(10 * i, 10 * i + 10)) == DATA[10 * i :][:10]
        assert world.ranges == [R(0, 10), R(10, 120), R(120, 230)]
        note_write()
        world.objects["a"] = bytes(len(DATA))
        assert await start(scheduler, world, "a", R(200, 210)) == bytes(10)


async def test_an_extension_is_no_reason_to_fail() -> None:
    world, scheduler = (
        World({"a": DATA[:40]}, {"a": 35}, is_held=False),
        scheduler_of(read_ahead_bytes=100),
    )
    async with nothing_left(scheduler):
        for i in range(3):
            assert await start(scheduler, world, "a", R(10 * i, 10 * i + 10)) == DATA[10 * i :][:10]
    assert world.ranges == [R(0, 10), R(10, 120), R(10, 20), R(20, 130), R(20, 30)]
