"""The requests of an event loop for the objects of a store, and the reads that answer them.

A request waits until there is a free slot, at least to the end of the turn of the loop. Whatever
waits for the same object then, of whoever else, is read with it as far as `merge_around` allows, and
each caller is given its bytes. Callers are isolated from each other: a merged read that fails is
made again for each alone, and a caller that is cancelled takes back only what nobody else waits for.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from bisect import bisect_left, insort
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Hashable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from zarr.core._byte_ranges import (
    ByteRequest,
    RangeByteRequest,
    resolve_byte_range,
)
from zarr.core._coalesce import MiB, merge_around
from zarr.core._fetch import BulkReadCounter, reaches
from zarr.core._read_ahead import ReadAhead
from zarr.core._read_options import ReadOptions
from zarr.core._retry import AdaptiveLimit, RetryPolicy, Transient
from zarr.core._writes import epoch

# Bytes in flight for a store. Each caller has a bound of its own on what it has not consumed.
MAX_IN_FLIGHT_BYTES: Final = 128 * MiB

# No read is tried again later than this after its first failure, in seconds. Some failures take
# minutes to show: a server that does not answer, say.
MAX_RETRYING_SECONDS: Final = 120.0

# What a read of unknown size counts as, until an answer has come; and after that at least this part
# of what the caller said that it may be.
_UNKNOWN_NBYTES: Final = 1 * MiB
_LEAST_PART: Final = 8

# Returns some bytes of an object, None for all of them; None where there is no such object.
Fetch: TypeAlias = Callable[[ByteRequest | None], Coroutine[Any, Any, bytes | None]]


class Source(NamedTuple):
    """How an object is read.

    Parameters
    ----------
    path : hashable
        Names the object. Requests of one name may be merged.
    fetch : callable
        Reads the object for one caller, and raises what that caller should see.
    transient : callable or None
        Returns what is known of a failure that may go away, None for any other. None where no
        failure is worth a retry, as the client makes them itself.
    """

    path: Hashable
    fetch: Fetch
    transient: Callable[[BaseException], Transient | None] | None = None


class Request(asyncio.Future["bytes | None"]):
    """What one caller waits for: the bytes. Who cancels it takes it back."""

    def __init__(
        self,
        queue: ReadQueue,
        source: Source,
        byte_range: ByteRequest | None,
        caller: object,
        nbytes: int,
        counter: BulkReadCounter | None,
    ) -> None:
        super().__init__(loop=queue.loop)
        self._queue = queue
        self.source = source
        self.byte_range = byte_range
        self.caller = caller
        self.nbytes = nbytes
        self.counter = counter
        self.context = copy_context()
        self.is_waiting = False
        self.flight: _Flight | None = None

    def cancel(self, msg: object = None) -> bool:
        # docstring inherited
        if not super().cancel(msg):
            return False
        self._queue.withdraw(self)
        return True


@dataclass(eq=False, slots=True)
class _Flight:
    """One read, and who waits for it.

    `wanted` is what somebody asked for of a read that was extended; None for others.
    """

    lead: Request
    byte_range: ByteRequest | None
    requests: list[Request]
    nbytes: int
    wanted: tuple[int, int] | None = None
    tries: int = 0  # again, after transient failures
    attempts: int = 0  # all of them, also by a merged read before
    since: float = 0.0
    epoch: int = 0
    mark: int = 0
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Object:
    """What waits for one object: bounded ranges in order, and everything else."""

    bounded: list[tuple[int, int, int, Request]] = field(default_factory=list)
    others: list[Request] = field(default_factory=list)


class ReadQueue:
    """The requests of one event loop, and its reads in flight."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._policy = options.policy
        self._retry = RetryPolicy(options.max_retries)
        self.loop = asyncio.get_running_loop()
        self._limit = AdaptiveLimit()
        self._max_concurrency = 1  # as it was for the latest request
        self._ending: set[asyncio.Task[None]] = set()  # those that were cancelled
        self._ahead = ReadAhead(options.read_ahead_bytes)
        self._numbers = itertools.count()
        self._objects: dict[Hashable, _Object] = {}
        # By identity, as a caller need not be hashable; the one whose turn it is comes first.
        self._callers: OrderedDict[int, deque[Request]] = OrderedDict()
        self._again: deque[_Flight] = deque()  # those that failed once
        self._in_flight: dict[Hashable, list[_Flight]] = {}
        self._active = 0
        self._active_bytes = 0
        self._largest = 0
        self._handle: asyncio.Handle | None = None
        self._lacks_slot = False  # whether requests wait that need not wait for others any more

    # --- requests -----------------------------------------------------------------------

    def submit(self, request: Request, max_concurrency: int) -> None:
        """Answer a request from what is there or on its way, or have it wait for a slot."""
        self._max_concurrency = max_concurrency
        path, wanted = request.source.path, request.byte_range
        if isinstance(wanted, RangeByteRequest) and self._options.read_ahead_bytes:
            data = self._ahead.find(path, wanted.start, wanted.end, epoch())
            if data is not None:
                self._note(wanted, path)
                if request.counter is not None:
                    request.counter.served(len(data))
                request.set_result(data)
                return
        for flight in self._in_flight.get(path, ()):
            # One that nobody waits for has been cancelled, and is about to end.
            if flight.requests and flight.epoch == epoch() and _covers(flight.byte_range, wanted):
                flight.requests.append(request)
                request.flight = flight
                if isinstance(wanted, RangeByteRequest):
                    self._note(wanted, path)
                return
        if wanted is None and self._may_start(path, request):
            # Nothing that comes in the same turn is lost: it shares the read.
            self._start(_Flight(request, None, [request], self._size(request)))
            return
        entry = self._objects.setdefault(path, _Object())
        if isinstance(wanted, RangeByteRequest) and wanted.start < wanted.end:
            insort(entry.bounded, (wanted.start, wanted.end, next(self._numbers), request))
        else:
            entry.others.append(request)
        request.is_waiting = True
        self._callers.setdefault(id(request.caller), deque()).append(request)
        self._wake(self._options.window_seconds)

    def _may_start(self, path: Hashable, request: Request) -> bool:
        """Return whether a request need not wait: there is a slot, and nobody waits for one."""
        return (
            not self._callers
            and not self._again
            and not self._options.window_seconds
            and self._active < self._limit.allowed(self._max_concurrency)
            and self._fits(self._size(request))
        )

    def withdraw(self, request: Request) -> None:
        """Take back a request, and cancel a read that nobody else waits for."""
        if request.is_waiting:
            self._take(request)
            return
        flight, request.flight = request.flight, None
        if flight is None or request not in flight.requests:
            return
        flight.requests.remove(request)
        if flight.requests:
            return
        if flight.timer is not None:
            flight.timer.cancel()
        if flight in self._again:
            self._again.remove(flight)
        elif flight.task is not None and not flight.task.done():
            flight.task.cancel()
            self._ending.add(flight.task)

    async def drain(self) -> None:
        """Wait until reads that were cancelled have ended, also if that is cancelled."""
        while self._ending:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(self._ending)

    def _take(self, request: Request) -> None:
        """Let a request wait no longer."""
        request.is_waiting = False
        # Nothing is left here of who waits no longer: it would keep its store alive.
        requests = self._callers[id(request.caller)]
        while requests and not requests[0].is_waiting:
            requests.popleft()
        if not requests:
            del self._callers[id(request.caller)]
        path, wanted = request.source.path, request.byte_range
        entry = self._objects[path]
        if request in entry.others:
            entry.others.remove(request)
        else:
            assert isinstance(wanted, RangeByteRequest)
            index = bisect_left(entry.bounded, (wanted.start, wanted.end, -1))
            while entry.bounded[index][3] is not request:
                index += 1
            del entry.bounded[index]
        if not entry.bounded and not entry.others:
            del self._objects[path]

    def _note(self, wanted: RangeByteRequest, path: Hashable) -> None:
        """Remember a range that needs no read of its own, for the one that follows it."""
        self._ahead.extension(path, wanted.start, wanted.end, self._policy.max_gap_bytes or 0)

    # --- starting reads -----------------------------------------------------------------

    def _wake(self, seconds: float = 0) -> None:
        """Start reads at the end of this turn of the loop, or some time later."""
        if self._handle is not None:
            if seconds or not isinstance(self._handle, asyncio.TimerHandle):
                return
            self._handle.cancel()
        if seconds:
            self._handle = self.loop.call_later(seconds, self._dispatch)
        else:
            self._handle = self.loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._handle = None
        self._start_reads()
        self._lacks_slot = bool(self._callers or self._again)

    def _start_reads(self) -> None:
        """Start reads as long as there are slots, and room for their bytes."""
        allowed = self._limit.allowed(self._max_concurrency)
        while self._active < allowed:
            if self._again:
                if not self._fits(self._again[0].nbytes):
                    return
                self._start(self._again.popleft())
                continue
            request = self._next()
            if request is None or not self._fits(self._size(request)):
                return  # keeping its turn: what is large would wait for ever otherwise
            self._callers.move_to_end(id(request.caller))
            self._start(self._plan(request))

    def _fits(self, nbytes: int) -> bool:
        return not self._active or self._active_bytes + nbytes <= MAX_IN_FLIGHT_BYTES

    def _next(self) -> Request | None:
        """Return the request whose turn it is: the callers are served in turn (round robin)."""
        requests = next(iter(self._callers.values()), None)
        return None if requests is None else requests[0]

    def _size(self, request: Request) -> int:
        """Return what a request counts as, in bytes: a guess where only the object knows."""
        nbytes = _nbytes(request.byte_range)
        if nbytes:
            return nbytes
        if self._largest:
            # What the caller said is an upper bound: chunks are smaller than when decoded.
            return max(self._largest, request.nbytes // _LEAST_PART)
        return request.nbytes or _UNKNOWN_NBYTES

    def _plan(self, request: Request) -> _Flight:
        """Take a request, and those that can be read with it, from the queue."""
        path = request.source.path
        entry = self._objects[path]
        byte_range = request.byte_range
        wanted = None
        whole = next((other for other in entry.others if other.byte_range is None), None)
        if whole is not None:
            # All other bytes are on their way then.
            request, byte_range = whole, None
            group = [*entry.others, *(item[3] for item in entry.bounded)]
        elif isinstance(byte_range, RangeByteRequest) and byte_range.start < byte_range.end:
            group, byte_range, wanted = self._plan_range(path, entry, request)
        else:
            group = [other for other in entry.others if other.byte_range == byte_range]
        nbytes = _nbytes(byte_range) or self._size(request)
        for other in group:
            self._take(other)
        return _Flight(request, byte_range, group, nbytes, wanted)

    def _plan_range(
        self, path: Hashable, entry: _Object, request: Request
    ) -> tuple[list[Request], RangeByteRequest, tuple[int, int] | None]:
        """Merge a bounded range with its neighbours, and extend it where reads follow each other."""
        items = entry.bounded
        wanted = request.byte_range
        assert isinstance(wanted, RangeByteRequest)
        index = bisect_left(items, (wanted.start, wanted.end, -1))
        while items[index][3] is not request:
            index += 1
        first, last = merge_around(
            items,
            index,
            self._policy,
            # What one caller did not merge by itself stays apart.
            lambda left, right: items[left][3].caller is not items[right][3].caller,
        )
        group = items[first:last]
        start, end = group[0][0], max(item[1] for item in group)
        requests = [item[3] for item in group]
        before, after = self._ahead.extension(path, start, end, self._policy.max_gap_bytes or 0)
        if not before and not after:
            return requests, RangeByteRequest(start, end), None
        # Nothing is read twice: neither what waits, nor what is on its way or has come early.
        others = [(item[0], item[1]) for item in (*items[:first], *items[last:])]
        for flight in self._in_flight.get(path, ()):
            if flight.byte_range is None:
                return requests, RangeByteRequest(start, end), None
            if isinstance(flight.byte_range, RangeByteRequest):
                others.append((flight.byte_range.start, flight.byte_range.end))
        others += self._ahead.ranges(path)
        begin = max([start - before, *(min(hi, start) for lo, hi in others if lo < start)])
        stop = min([end + after, *(max(lo, end) for lo, hi in others if hi > end)])
        is_extended = begin < start or stop > end
        return requests, RangeByteRequest(begin, stop), (start, end) if is_extended else None

    def _start(self, flight: _Flight) -> None:
        if flight.lead not in flight.requests:  # cancelled since the read was tried before
            flight.lead = flight.requests[0]
        for request in flight.requests:
            request.flight = flight
        flight.epoch = epoch()
        flight.timer = None
        flight.attempts += 1
        flight.mark = self._limit.began()
        self._active += 1
        self._active_bytes += flight.nbytes
        self._in_flight.setdefault(flight.lead.source.path, []).append(flight)
        flight.task = self.loop.create_task(self._run(flight), context=flight.lead.context)
        flight.task.add_done_callback(functools.partial(self._done, flight))

    # --- reads in flight ----------------------------------------------------------------

    async def _run(self, flight: _Flight) -> None:
        """Read, and deliver in the same turn of the loop: others wait for the slot."""
        data = await flight.lead.source.fetch(flight.byte_range)
        with self._ended(flight):
            try:
                self._limit.succeeded()
                self._deliver(flight, data)
            except Exception as error:  # a source that is wrong; nobody is to wait for ever
                _fail(flight, error)

    def _done(self, flight: _Flight, task: asyncio.Task[None]) -> None:
        """Tell who waits for a read how it has ended, unless it was delivered."""
        self._ending.discard(task)
        if flight.task is not task:
            return
        with self._ended(flight):
            if task.cancelled():  # by the last who waited, or with all; maybe before it began
                for request in list(flight.requests):
                    if request is flight.lead or request.done():
                        request.cancel()
                    else:
                        self._read_alone(request, flight)
                return
            error = task.exception()
            assert error is not None
            if isinstance(error, Exception):
                try:
                    self._failed(flight, error)
                    return
                except Exception as failure:  # of `transient`
                    error = failure
            _fail(flight, error)  # that, or the process is to end

    @contextmanager
    def _ended(self, flight: _Flight) -> Iterator[None]:
        """Free the slot of a read; in the end let it keep no request that has its answer."""
        flight.task = None
        self._end(flight)
        try:
            yield
        finally:
            # Not in a cycle with its requests: their bytes would stay until that is collected.
            for request in flight.requests:
                if request.flight is flight and request.done():
                    request.flight = None

    def _end(self, flight: _Flight) -> None:
        """Free the slot of a read."""
        self._active -= 1
        self._active_bytes -= flight.nbytes
        path = flight.lead.source.path
        flights = self._in_flight[path]
        flights.remove(flight)
        if not flights:
            del self._in_flight[path]
        if self._lacks_slot:  # though a window is open for those that came later
            self._wake()

    def _failed(self, flight: _Flight, error: Exception) -> None:
        """Try a read again, for all or for each alone; or raise its failure."""
        if not flight.requests:
            return
        lead = flight.lead
        transient = None if lead.source.transient is None else lead.source.transient(error)
        if transient is not None:
            if transient.is_overload:
                self._limit.overloaded(flight.mark, self._max_concurrency)
            if not flight.tries:
                flight.since = self.loop.time()
            in_time = self.loop.time() - flight.since < MAX_RETRYING_SECONDS
            if flight.tries < self._retry.max_retries and in_time:
                seconds = self._retry.delay(flight.tries, transient)
                flight.tries += 1
                if lead.counter is not None:
                    lead.counter.retried()
                flight.timer = self.loop.call_later(seconds, self._come_back, flight)
                return
        if flight.requests != [lead] or flight.byte_range != lead.byte_range:
            for request in flight.requests:
                self._read_alone(request, flight)
            return
        if flight.attempts > 1:
            error.add_note(f"The read was tried {flight.attempts} times.")
        (request,) = flight.requests
        if not request.done():
            request.set_exception(error)

    def _come_back(self, flight: _Flight) -> None:
        self._again.append(flight)
        self._wake()

    def _read_alone(self, request: Request, before: _Flight) -> None:
        """Read what one caller wants, and nothing more, so that it gets its own answer."""
        flight = _Flight(request, request.byte_range, [request], self._size(request))
        flight.tries, flight.since = before.tries, before.since
        flight.attempts = before.attempts
        request.flight = flight
        self._come_back(flight)

    def _deliver(self, flight: _Flight, data: bytes | None) -> None:
        """Give each caller its bytes."""
        nbytes = 0 if data is None else len(data)
        if flight.byte_range is None:  # a large value is forgotten after some small ones
            self._largest = max(nbytes, self._largest // 2)
        reader = flight.lead
        if flight.requests and flight.lead not in flight.requests:
            flight.lead = flight.requests[0]
        counter = flight.lead.counter
        if counter is not None:
            counter.fetched(nbytes)
        begin = flight.byte_range.start if isinstance(flight.byte_range, RangeByteRequest) else 0
        if flight.wanted is not None and data is not None:
            start, end = flight.wanted
            path, view = flight.lead.source.path, memoryview(data)
            early = bytes(view[: start - begin]), bytes(view[end - begin :])
            self._ahead.keep(path, begin, early[0], flight.epoch)
            self._ahead.keep(path, end, early[1], flight.epoch)
            if counter is not None:
                counter.came_early(len(early[0]) + len(early[1]))
        for request in flight.requests:
            if request.counter is not None and request is not flight.lead:
                request.counter.shared()
            if request.done():
                continue
            part = request.byte_range
            if isinstance(part, RangeByteRequest):
                part = RangeByteRequest(part.start - begin, part.end - begin)
                is_whole = request is reader or reaches(part, nbytes)
            else:
                is_whole = True
            if data is None or (is_whole and request.byte_range == flight.byte_range):
                request.set_result(data)
                continue
            if reaches(part, nbytes):
                start, stop = resolve_byte_range(part, nbytes)
                request.set_result(bytes(memoryview(data)[start:stop]))
            else:
                # Whether it may be so short is for the source of each request to say.
                self._read_alone(request, flight)


def _fail(flight: _Flight, error: BaseException) -> None:
    """Raise a failure for all who wait for a read."""
    for request in flight.requests:
        if not request.done():
            request.set_exception(error)


def _covers(read: ByteRequest | None, wanted: ByteRequest | None) -> bool:
    """Return whether what a read returns holds all that is wanted."""
    if read is None or read == wanted:
        return True
    if not isinstance(read, RangeByteRequest) or not isinstance(wanted, RangeByteRequest):
        return False
    return read.start <= wanted.start < wanted.end <= read.end


def _nbytes(byte_range: ByteRequest | None) -> int:
    """Return the size of a request in bytes, 0 where it is not known."""
    if isinstance(byte_range, RangeByteRequest):
        return max(0, byte_range.end - byte_range.start)
    return int(getattr(byte_range, "suffix", 0))
