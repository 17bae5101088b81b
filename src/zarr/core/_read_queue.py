"""The queue of the read requests of one event loop, and the reads that answer the requests.

A slot permits one read in flight. A request that needs a new read waits until a slot is free. If a
slot is free, the read of a whole object may start at once. All other requests also wait at least
until the current turn of the event loop ends. When a request gets a slot, other waiting requests
for the same object are merged with it as far as `merge_around` allows. These requests may come from
other callers. Each caller gets only the bytes that it requested. If a merged read fails, a separate
read is made for each of its requests. So a request of one caller cannot make a request of another
caller fail. If a caller is cancelled, each of its reads is cancelled, unless another caller waits
for the read.
"""

from __future__ import annotations

import asyncio
import itertools
from bisect import bisect_left, insort
from collections import OrderedDict, deque
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from zarr.core._byte_ranges import (
    ByteRequest,
    RangeByteRequest,
    resolve_byte_range,
)
from zarr.core._coalesce import MiB, merge_around
from zarr.core._fetch import BulkReadCounter, reaches
from zarr.core._read_ahead import ReadAhead
from zarr.core._read_options import ReadOptions
from zarr.core._read_request import Flight, Request, Source, covers, detach, fail, nbytes_of
from zarr.core._retry import AdaptiveLimit, RetryPolicy
from zarr.core._writes import epoch

# Maximum number of bytes in flight for a store. In addition, each bulk read has its own limit on
# bytes that are in flight or not yet consumed.
MAX_IN_FLIGHT_BYTES: Final = 128 * MiB

# Maximum time between the first failure of a read and the decision to retry it, in seconds. Some
# reads take minutes to fail, for example if a server does not answer.
MAX_RETRYING_SECONDS: Final = 120.0

# If the size of a read is unknown, it is estimated. Until an answer arrives, the estimate is the
# size that the caller expects; if the caller expects no size, the estimate is `_UNKNOWN_NBYTES`.
# Each later estimate is at least `1 / _LEAST_PART` of the size that the caller expects.
_UNKNOWN_NBYTES: Final = 1 * MiB
_LEAST_PART: Final = 8


@dataclass(slots=True)
class _Object:
    """The waiting requests for one object: sorted bounded ranges, and all other requests."""

    bounded: list[tuple[int, int, int, Request]] = field(default_factory=list)
    others: list[Request] = field(default_factory=list)


class ReadQueue:
    """The waiting requests of one event loop, and the reads in flight that answer requests."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._policy = options.policy
        self._retry = RetryPolicy(options.max_retries)
        self.loop = asyncio.get_running_loop()
        self._limit = AdaptiveLimit()
        self._max_concurrency = 1  # the value passed with the latest request
        self._ending: set[asyncio.Task[None]] = set()  # cancelled reads that have not ended yet
        self._ahead = ReadAhead(options.read_ahead_bytes)
        self._numbers = itertools.count()
        self._objects: dict[Hashable, _Object] = {}
        # The keys are ids, because a caller may be unhashable. The first entry is the caller whose
        # turn is next.
        self._callers: OrderedDict[int, deque[Request]] = OrderedDict()
        self._again: deque[Flight] = deque()  # reads to retry
        self._in_flight: dict[Hashable, list[Flight]] = {}
        self._active = 0
        self._active_bytes = 0
        self._largest = 0
        self._handle: asyncio.Handle | None = None
        self._lacks_slot = False  # whether the last `_dispatch` left requests waiting

    # --- requests -----------------------------------------------------------------------

    def submit(
        self,
        source: Source,
        byte_range: ByteRequest | None,
        max_concurrency: int,
        *,
        caller: object = None,
        counter: BulkReadCounter | None = None,
        nbytes: int | None = None,
    ) -> Request:
        """Request an object or a part of it; see `ReadScheduler.read`.

        Parameters
        ----------
        source : Source
            The object.
        byte_range : ByteRequest or None
            The bytes to read; None means the whole object.
        max_concurrency : int
            Current maximum number of reads in flight.
        caller : object or None
            Identifies the operation that makes the read; None if the operation makes only this
            read.
        counter : BulkReadCounter or None
            Counts reads and bytes.
        nbytes : int or None
            Approximate size of the object in bytes; None if unknown.

        Returns
        -------
        Request
            A future for the bytes. A caller that cancels the future must await `drain`.
        """
        caller = object() if caller is None else caller
        request = Request(
            self.loop, self.withdraw, source, byte_range, caller, nbytes or 0, counter
        )
        self._answer_or_queue(request, max_concurrency)
        return request

    def _answer_or_queue(self, request: Request, max_concurrency: int) -> None:
        """Answer a request without a new read if possible; otherwise start or queue a read."""
        self._max_concurrency = max_concurrency
        path, wanted = request.source.path, request.byte_range
        if self._options.read_ahead_bytes and isinstance(wanted, RangeByteRequest):
            data = self._ahead.find(path, wanted.start, wanted.end, epoch())
            if data is not None:
                self._note(wanted, path)
                if request.counter is not None:
                    request.counter.served(len(data))
                request.set_result(data)
                return
        for flight in self._in_flight.get(path, ()):
            # Skip a read without requests: it has been cancelled, and is about to end.
            if flight.requests and flight.epoch == epoch() and covers(flight.byte_range, wanted):
                flight.requests.append(request)
                request.flight = flight
                if isinstance(wanted, RangeByteRequest):
                    self._note(wanted, path)
                return
        if wanted is None and self._has_slot():
            nbytes = self._size(request)
            if self._fits(nbytes):
                # Further requests for the object in this turn of the event loop share the read.
                self._start(Flight(request, None, [request], nbytes))
                return
        entry = self._objects.setdefault(path, _Object())
        if isinstance(wanted, RangeByteRequest) and wanted.start < wanted.end:
            insort(entry.bounded, (wanted.start, wanted.end, next(self._numbers), request))
        else:
            entry.others.append(request)
        request.is_waiting = True
        self._callers.setdefault(id(request.caller), deque()).append(request)
        self._wake(self._options.window_seconds)

    def _has_slot(self) -> bool:
        """Return whether a new request can get a slot now, without waiting for other requests."""
        return (
            not self._callers
            and not self._again
            and not self._options.window_seconds
            and self._active < self._limit.allowed(self._max_concurrency)
        )

    def withdraw(self, request: Request) -> None:
        """Withdraw a request, and cancel its read if no other request waits for it."""
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
        """Wait until cancelled reads have ended; ignore a cancellation during the wait."""
        while self._ending:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(self._ending)

    def _take(self, request: Request) -> None:
        """Remove a request from the queue."""
        request.is_waiting = False
        # Requests at the front of the caller's queue may no longer be waiting. Remove them, because
        # they would keep the store alive. If the queue is then empty, remove the queue.
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
        """Record a range that needs no read, so that read-ahead still detects sequential reads."""
        self._ahead.extension(path, wanted.start, wanted.end, self._policy.max_gap_bytes or 0)

    # --- starting reads -----------------------------------------------------------------

    def _wake(self, seconds: float = 0) -> None:
        """Start reads after `seconds`; 0 means at the end of this turn of the event loop."""
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
        """Start reads while slots are free and `MAX_IN_FLIGHT_BYTES` is not exceeded."""
        allowed = self._limit.allowed(self._max_concurrency)
        while self._active < allowed:
            if self._again:
                if not self._fits(self._again[0].nbytes):
                    return
                self._start(self._again.popleft())
                continue
            request = self._next()
            if request is None or not self._fits(self._size(request)):
                return  # the request stays first in line, so that large reads do not starve
            self._callers.move_to_end(id(request.caller))
            self._start(self._plan(request))

    def _fits(self, nbytes: int) -> bool:
        return not self._active or self._active_bytes + nbytes <= MAX_IN_FLIGHT_BYTES

    def _next(self) -> Request | None:
        """Return the next request, or None if no request waits; callers take turns."""
        requests = next(iter(self._callers.values()), None)
        return None if requests is None else requests[0]

    def _size(self, request: Request) -> int:
        """Return the size of a request in bytes, or an estimate if the size is unknown."""
        if request.byte_range is not None:
            nbytes = nbytes_of(request.byte_range)
            if nbytes:
                return nbytes
        if self._largest:
            # `request.nbytes` is only an upper bound, because it is the decoded size of a chunk and
            # encoded chunks are usually smaller.
            return max(self._largest, request.nbytes // _LEAST_PART)
        return request.nbytes or _UNKNOWN_NBYTES

    def _plan(self, request: Request) -> Flight:
        """Return one read for a request and for all waiting requests that can be merged with it.

        These requests are removed from the queue.
        """
        path = request.source.path
        entry = self._objects[path]
        byte_range = request.byte_range
        wanted = None
        whole = next((other for other in entry.others if other.byte_range is None), None)
        if whole is not None:
            # The read of the whole object answers all other requests for the object.
            request, byte_range = whole, None
            group = [*entry.others, *(item[3] for item in entry.bounded)]
        elif isinstance(byte_range, RangeByteRequest) and byte_range.start < byte_range.end:
            group, byte_range, wanted = self._plan_range(path, entry, request)
        else:
            group = [other for other in entry.others if other.byte_range == byte_range]
        nbytes = nbytes_of(byte_range) or self._size(request)
        for other in group:
            self._take(other)
        return Flight(request, byte_range, group, nbytes, wanted)

    def _plan_range(
        self, path: Hashable, entry: _Object, request: Request
    ) -> tuple[list[Request], RangeByteRequest, tuple[int, int] | None]:
        """Merge a bounded range with its neighbours; extend the range if the reads are sequential.

        Returns the merged requests, the range to read, and the start and end of the range without
        the extension. The last item is None if read-ahead does not extend the range.
        """
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
            # Do not merge two ranges of one caller, because the plan of the caller has separated
            # the ranges.
            lambda left, right: items[left][3].caller is not items[right][3].caller,
        )
        group = items[first:last]
        start, end = group[0][0], max(item[1] for item in group)
        requests = [item[3] for item in group]
        before, after = self._ahead.extension(path, start, end, self._policy.max_gap_bytes or 0)
        if not before and not after:
            return requests, RangeByteRequest(start, end), None
        # Do not read bytes twice: the extension must not overlap waiting ranges, reads in flight,
        # or bytes that were read ahead.
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

    def _start(self, flight: Flight) -> None:
        lead, requests = flight.lead, flight.requests
        if lead is not requests[0] and lead not in requests:  # `lead` has been cancelled
            lead = flight.lead = requests[0]
        for request in requests:
            request.flight = flight
        flight.epoch = epoch()
        flight.timer = None
        flight.attempts += 1
        flight.mark = self._limit.began()
        self._active += 1
        self._active_bytes += flight.nbytes
        self._in_flight.setdefault(lead.source.path, []).append(flight)
        task = self.loop.create_task(self._run(flight), context=lead.context)
        on_done = partial(self._done, flight)
        task.add_done_callback(on_done)
        flight.task, flight.on_done = task, on_done

    # --- reads in flight ----------------------------------------------------------------

    async def _run(self, flight: Flight) -> None:
        """Perform a read, free its slot, and deliver the bytes.

        The last two steps happen in the turn of the event loop in which the bytes arrive.
        """
        data = await flight.lead.source.fetch(flight.byte_range)
        task, on_done = flight.task, flight.on_done
        if task is not None and on_done is not None:  # the callback would run one turn later
            task.remove_done_callback(on_done)
            self._ending.discard(task)
        self._end(flight)
        try:
            self._limit.succeeded()
            self._deliver(flight, data)
        except Exception as error:  # the source is faulty, but no request may wait forever
            fail(flight, error)
        finally:
            detach(flight)

    def _done(self, flight: Flight, task: asyncio.Task[None]) -> None:
        """Pass the failure or the cancellation of a read to its requests."""
        self._ending.discard(task)
        self._end(flight)
        try:
            if task.cancelled():  # by `withdraw`, or because all tasks were cancelled
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
                except Exception as failure:  # raised by `transient`
                    error = failure
            fail(flight, error)  # also for `KeyboardInterrupt` and `SystemExit`
        finally:
            detach(flight)

    def _end(self, flight: Flight) -> None:
        """Free the slot of a read, and start waiting reads."""
        flight.task = flight.on_done = None
        self._active -= 1
        self._active_bytes -= flight.nbytes
        path = flight.lead.source.path
        flights = self._in_flight[path]
        flights.remove(flight)
        if not flights:
            del self._in_flight[path]
        if self._lacks_slot:  # do not wait for the timer of newer requests
            self._wake()

    def _failed(self, flight: Flight, error: Exception) -> None:
        """Handle a failed read.

        The read is retried if the failure is transient, retries remain, and the first failure was
        less than `MAX_RETRYING_SECONDS` ago. Otherwise, a merged or extended read is replaced by a
        separate read for each of its requests. For any other read, the error becomes the result of
        its request.
        """
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

    def _come_back(self, flight: Flight) -> None:
        self._again.append(flight)
        self._wake()

    def _read_alone(self, request: Request, before: Flight) -> None:
        """Make a separate read for one request; it gives the request its own answer or error."""
        flight = Flight(request, request.byte_range, [request], self._size(request))
        flight.tries, flight.since = before.tries, before.since
        flight.attempts = before.attempts
        request.flight = flight
        self._come_back(flight)

    def _deliver(self, flight: Flight, data: bytes | None) -> None:
        """Pass the bytes of a successful read to its requests."""
        nbytes = 0 if data is None else len(data)
        if flight.byte_range is None:  # after small values, the estimate becomes smaller again
            self._largest = max(nbytes, self._largest // 2)
        reader = flight.lead
        requests = flight.requests
        if len(requests) == 1 and requests[0] is reader and reader.byte_range is flight.byte_range:
            # In the common case, the read answers one request and has the same byte range as the
            # request.
            if reader.counter is not None:
                reader.counter.fetched(nbytes)
            if not reader.done():
                reader.set_result(data)
            return
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
                # The object ends before the end of the requested range. Only a separate read for
                # this request shows whether the source raises an error in this case.
                self._read_alone(request, flight)
