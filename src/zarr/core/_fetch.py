"""Many concurrent reads, with streamed results, bounded memory, and cancellation on failure."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from zarr.core._byte_ranges import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    resolve_byte_range,
)
from zarr.core._coalesce import MiB
from zarr.core._immediate import ImmediateFuture

if TYPE_CHECKING:
    from zarr.core._coalesce import Read
    from zarr.core.buffer import Buffer

logger = logging.getLogger(__name__)

R = TypeVar("R")
T = TypeVar("T")

# Maximum number of bytes of one bulk read that are in flight or not yet consumed. There are two
# default limits on the size of a merged read. The larger limit is `DEFAULT_MAX_COALESCED_BYTES`,
# and `MAX_PENDING_BYTES` is twice this limit.
MAX_PENDING_BYTES = 32 * MiB

# Until the first answer has arrived, this size is assumed for each read of unknown size, unless the
# caller sets an expected size. `MAX_PENDING_BYTES` allows four reads of this size at the same time.
_UNKNOWN_NBYTES = 8 * MiB

# Compressed values may differ in size. Once an answer has arrived, the size of each further value
# is estimated as the size of the largest answer so far. The lower bound of the estimate is the size
# that the caller expects, divided by `_LEAST_PART`.
_LEAST_PART = 8

_expected_nbytes: ContextVar[int | None] = ContextVar("_expected_nbytes", default=None)


@contextmanager
def expecting(nbytes: int | None) -> Iterator[None]:
    """Context manager that sets the expected size of the values that are read in its block.

    A bulk read starts only as many reads as its limit on bytes allows, but the size of a value is
    unknown before the value arrives. A caller that reads chunks knows their decoded size.

    Parameters
    ----------
    nbytes : int or None
        Approximate upper bound of the size of a value in bytes; None if unknown.
    """
    token = _expected_nbytes.set(nbytes)
    try:
        yield
    finally:
        _expected_nbytes.reset(token)


_planned_by: ContextVar[object] = ContextVar("_planned_by", default=None)


@contextmanager
def planning(plan: object) -> Iterator[None]:
    """Context manager that marks all reads in its block as planned by one operation.

    A store may merge reads of several callers. Two reads of one plan are not merged, because the
    plan separates them on purpose. So the physical reads for a part of a shard do not depend on
    the merging policy of the store.

    Parameters
    ----------
    plan : object
        Identifies the plan. Plans are compared by object identity.
    """
    token = _planned_by.set(plan)
    try:
        yield
    finally:
        _planned_by.reset(token)


def planned_by() -> object:
    """Return the plan set by `planning` in this context; None if there is none."""
    return _planned_by.get()


def expected_nbytes() -> int | None:
    """Return the size set by `expecting` in this context, in bytes; None if there is none."""
    return _expected_nbytes.get()


# A slice is a view of the bytes that a read returned, and a view keeps all these bytes in memory.
# So a slice is copied if the read is more than `_MAX_PINNED` times as large as the slice.
_MAX_PINNED = 2


class _Stream(Generic[R, T]):
    """Run reads in the background while a consumer processes the answers that have arrived.

    A new read starts when an earlier read finishes, even if the consumer has not asked for more
    answers. So fetching and decoding overlap. Bytes are pending from the start of their read until
    they are consumed. A read starts only if no bytes are pending, or if the pending bytes and the
    expected size of the read are together at most `max_pending_bytes`.
    """

    def __init__(
        self,
        reads: Iterator[tuple[R, int | None]],
        fetch: Callable[[R], Awaitable[T]],
        size: Callable[[T], int],
        max_concurrency: int,
        max_pending_bytes: int,
    ) -> None:
        self._reads = reads
        self._fetch = fetch
        self._size = size
        self._max_concurrency = max(1, max_concurrency)
        self._max_pending_bytes = max_pending_bytes
        self._waiting: tuple[R, int | None] | None = None
        self._running: dict[asyncio.Future[T], tuple[R, int]] = {}
        self._pending_bytes = 0
        self._expected = _expected_nbytes.get()
        self._largest = 0  # size of the largest answer so far, in bytes
        self._failure: BaseException | None = None
        self._wake = asyncio.Event()
        self.arrived: deque[tuple[R, T, int]] = deque()

    def start(self) -> None:
        """Start as many reads as the limits allow."""
        while self._failure is None and len(self._running) < self._max_concurrency:
            if self._waiting is None:
                self._waiting = next(self._reads, None)
                if self._waiting is None:
                    return
            read, nbytes = self._waiting
            expected = self._estimate() if nbytes is None else nbytes
            if self._pending_bytes and self._pending_bytes + expected > self._max_pending_bytes:
                return
            self._waiting = None
            answer = self._fetch(read)
            self._pending_bytes += expected
            if isinstance(answer, ImmediateFuture):
                self._running[answer] = (read, expected)
                answer.call_when_done(self._finished)
            else:
                task = asyncio.ensure_future(answer)
                self._running[task] = (read, expected)
                task.add_done_callback(self._finished)

    def _estimate(self) -> int:
        """Return the estimated size, in bytes, of a read whose size is unknown."""
        if self._largest:
            return max(self._largest, (self._expected or 0) // _LEAST_PART)
        return _UNKNOWN_NBYTES if self._expected is None else self._expected

    def _finished(self, task: asyncio.Future[T]) -> None:
        entry = self._running.pop(task, None)
        if entry is None:  # the stream is closed
            if not task.cancelled():
                task.exception()
            return
        read, expected = entry
        if task.cancelled():
            self._failure = self._failure or asyncio.CancelledError()
        elif (error := task.exception()) is not None:
            self._failure = self._failure or error
        else:
            nbytes = self._size(task.result())
            self._pending_bytes += nbytes - expected
            self._largest = max(self._largest, nbytes)
            self.arrived.append((read, task.result(), nbytes))
            self.start()
        self._wake.set()

    def consumed(self, nbytes: int) -> None:
        """Record that the consumer has processed answers of `nbytes` bytes; start further reads."""
        self._pending_bytes -= nbytes
        self.start()

    async def wait(self) -> bool:
        """Wait until an answer has arrived; return False if all answers have been consumed.

        Raises
        ------
        BaseException
            The first failure. The failure is raised even if some answers have arrived but are not
            yet consumed.
        """
        while True:
            if self._failure is not None:
                raise self._failure
            if self.arrived:
                return True
            if not self._running and self._waiting is None:
                return False
            self._wake.clear()
            await self._wake.wait()

    async def close(self) -> None:
        """Cancel the running reads and wait until they have ended."""
        tasks = list(self._running)
        self._running.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
        self.arrived.clear()


async def stream(
    reads: Iterable[tuple[R, int | None]],
    fetch: Callable[[R], Awaitable[T]],
    *,
    size: Callable[[T], int],
    max_concurrency: int,
    max_pending_bytes: int = MAX_PENDING_BYTES,
) -> AsyncIterator[list[tuple[R, T]]]:
    """Run reads and yield their answers in the order of completion.

    Parameters
    ----------
    reads : iterable of tuple
        Pairs of a read and its size in bytes. The size is None if it is unknown. Each pair is
        consumed only when the limits allow its read to start.
    fetch : callable
        Performs one read; returns an awaitable.
    size : callable
        Returns the size of an answer in bytes.
    max_concurrency : int
        Maximum number of reads in flight.
    max_pending_bytes : int
        Maximum number of pending bytes: bytes in flight, and bytes that have arrived but are not
        yet consumed. A single read may be larger. The bytes of a yielded batch count as not yet
        consumed until the next batch is requested.

    Yields
    ------
    list of tuple
        Pairs of a read and its answer, for all answers that have arrived since the last batch.

    Raises
    ------
    Exception
        The first failure, unchanged. After a failure, on cancellation, and when the iterator is
        closed, the reads in flight are cancelled and awaited, and no further read starts.
    """
    running = _Stream(iter(reads), fetch, size, max_concurrency, max_pending_bytes)
    try:
        running.start()
        while await running.wait():
            arrived = list(running.arrived)
            running.arrived.clear()
            yield [(read, answer) for read, answer, _ in arrived]
            running.consumed(sum(nbytes for _, _, nbytes in arrived))
    finally:
        await running.close()


class Answered(NamedTuple):
    """The answers to the requests of one read, and the size of the read in bytes."""

    answers: Sequence[tuple[int, Buffer | None]]
    nbytes: int


def answered_nbytes(answered: Answered) -> int:
    """Return the size in bytes of the read that returned the answers."""
    return answered.nbytes


async def answer(
    read: Read, get: Callable[[ByteRequest | None, int], Awaitable[Buffer | None]]
) -> Answered:
    """Perform one read, and return the answer to each of its requests.

    The answer to a request is taken from the merged read only if the returned bytes cover the
    request. Otherwise a separate read is made for the request, so that the request gets the same
    bytes or the same error as without merged reads.

    Parameters
    ----------
    read : Read
        The read.
    get : callable
        Takes a byte range (None for the whole object) and the index of a request, and reads that
        range of the requested object. Returns None if the object is absent.

    Returns
    -------
    Answered
        One answer per request. An answer is None if the object is absent.
    """
    buffer = await get(read.byte_range, read.slices[0].request)
    return Answered(await divide(read, buffer, get), 0 if buffer is None else len(buffer))


async def divide(
    read: Read,
    buffer: Buffer | None,
    get: Callable[[ByteRequest | None, int], Awaitable[Buffer | None]],
) -> list[tuple[int, Buffer | None]]:
    """Return the answer to each request of a read.

    Parameters
    ----------
    read : Read
        The merged read.
    get : callable
        As for `answer`. Called for each request whose bytes are not completely in `buffer`.
    buffer : Buffer or None
        The result of the read; None if the object is absent.
    """
    if buffer is None:
        return [(part.request, None) for part in read.slices]
    nbytes = len(buffer)
    result: list[tuple[int, Buffer | None]] = []
    for part in read.slices:
        if reaches(part.byte_range, nbytes):
            result.append((part.request, cut(buffer, part.byte_range)))
        else:
            result.append((part.request, await get(read.request_of(part), part.request)))
    return result


def answer_sync(read: Read, get: Callable[[ByteRequest | None, int], Buffer | None]) -> Answered:
    """Perform one read in the calling thread; see `answer`."""
    buffer = get(read.byte_range, read.slices[0].request)
    if buffer is None:
        return Answered([(part.request, None) for part in read.slices], 0)
    nbytes = len(buffer)
    return Answered(
        [
            (
                part.request,
                cut(buffer, part.byte_range)
                if reaches(part.byte_range, nbytes)
                else get(read.request_of(part), part.request),
            )
            for part in read.slices
        ],
        nbytes,
    )


def reaches(byte_range: ByteRequest | None, nbytes: int) -> bool:
    """Return whether a slice is completely within the `nbytes` bytes that a read returned."""
    if isinstance(byte_range, RangeByteRequest):
        return max(byte_range.start, byte_range.end) <= nbytes
    if isinstance(byte_range, OffsetByteRequest):
        return byte_range.offset <= nbytes
    return True


def cut(buffer: Buffer, byte_range: ByteRequest | None) -> Buffer:
    """Return a part of the bytes of a read.

    Parameters
    ----------
    buffer : Buffer
        The result of the read.
    byte_range : ByteRequest or None
        Range relative to the start of `buffer`; None means all bytes.

    Returns
    -------
    Buffer
        A view of `buffer`, or a copy if the view would keep a much larger read in memory.
    """
    if byte_range is None:
        return buffer
    nbytes = len(buffer)
    start, stop = resolve_byte_range(byte_range, nbytes)
    part = buffer[start:stop]
    if (stop - start) * _MAX_PINNED < nbytes:
        return type(buffer).from_bytes(part.to_bytes())
    return part


class Outstanding:
    """The requests of a bulk read that have no answer yet.

    A request without an answer must not be treated as a request for an absent key.

    Parameters
    ----------
    count : int
        Number of requests.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._left = set(range(count))

    def answered(self, index: int) -> None:
        """Record an answer.

        Raises
        ------
        ValueError
            If no request has the index `index`.
        """
        if not 0 <= index < self._count:
            raise ValueError(
                f"The store returned a result for request {index} of requests 0 to {self._count - 1}."
            )
        self._left.discard(index)

    def check(self, name: Callable[[int], object]) -> None:
        """Raise an error if a request of a finished bulk read has no answer.

        Parameters
        ----------
        name : callable
            Takes the index of a request, and returns the name of the request for the error message.

        Raises
        ------
        ValueError
            If a request has no answer. The message names the first such request.
        """
        if self._left:
            raise ValueError(f"The store returned no result for {name(min(self._left))}.")


@dataclass(frozen=True)
class BulkReadReport:
    """Statistics of one bulk read.

    Parameters
    ----------
    requests : int
        Number of requests of the caller.
    reads : int
        Number of physical reads that were made for the requests of the caller.
    nbytes_wanted : int
        Number of bytes returned to the caller, including bytes that had been read ahead. Values
        that are known without any read, for example because a reference document contains them,
        are not counted.
    nbytes_fetched : int
        Number of bytes read. If requests share bytes, this number can be smaller than
        `nbytes_wanted`; if gaps were read, it can be larger.
    shared : int
        Number of reads that were made for other callers, and that also answered requests of this
        caller. These reads count in the reports of the other callers.
    retries : int
        Number of retries after transient failures.
    nbytes_read_ahead : int
        Number of bytes read ahead, before any request asked for them. `nbytes_fetched` includes
        these bytes.
    nbytes_from_read_ahead : int
        Number of bytes that had been read ahead and were then returned to the caller.
    """

    requests: int
    reads: int
    nbytes_wanted: int
    nbytes_fetched: int
    shared: int = 0
    retries: int = 0
    nbytes_read_ahead: int = 0
    nbytes_from_read_ahead: int = 0


class BulkReadCounter:
    """Counts of reads and bytes of one bulk read, for its `BulkReadReport`.

    Parameters
    ----------
    requests : int
        Number of requests of the caller.
    """

    def __init__(self, requests: int) -> None:
        self._requests = requests
        self._reads = self._wanted = self._fetched = 0
        self._shared = self._retries = self._read_ahead = self._served = 0

    def fetched(self, nbytes: int) -> None:
        """Count a read and its bytes."""
        self._reads += 1
        self._fetched += nbytes

    def shared(self) -> None:
        """Count a read that was made for another caller and also answers this caller."""
        self._shared += 1

    def retried(self) -> None:
        """Count a retry."""
        self._retries += 1

    def came_early(self, nbytes: int) -> None:
        """Count bytes that were read ahead."""
        self._read_ahead += nbytes

    def served(self, nbytes: int) -> None:
        """Count bytes that were read ahead and are now returned to the caller."""
        self._served += nbytes

    def wanted(self, answers: Sequence[tuple[int, Buffer | None]]) -> None:
        """Count bytes returned to the caller."""
        self._wanted += sum(0 if value is None else len(value) for _, value in answers)

    def deliver(self, hook: Callable[[BulkReadReport], object] | None) -> None:
        """Call a hook with the report; log a failure of the hook instead of raising it."""
        if hook is None:
            return
        try:
            hook(
                BulkReadReport(
                    requests=self._requests,
                    reads=self._reads,
                    nbytes_wanted=self._wanted,
                    nbytes_fetched=self._fetched,
                    shared=self._shared,
                    retries=self._retries,
                    nbytes_read_ahead=self._read_ahead,
                    nbytes_from_read_ahead=self._served,
                )
            )
        except Exception:
            logger.exception("the hook on_bulk_read failed")
