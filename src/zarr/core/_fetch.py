"""Running many reads at once: streaming, bounded, and leaving nothing behind."""

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

if TYPE_CHECKING:
    from zarr.core._coalesce import Read
    from zarr.core.buffer import Buffer

logger = logging.getLogger(__name__)

R = TypeVar("R")
T = TypeVar("T")

# Bytes read but not consumed, per bulk read. Two merged reads of the largest default size fit.
MAX_PENDING_BYTES = 32 * MiB

# What a read of unknown size counts as, until answers say more: so that four start at once.
_UNKNOWN_NBYTES = 8 * MiB

# Compressed values may differ in size. Once some have arrived, each further one is taken to be as
# large as the largest of them, and at least this part of what the caller said that it may be.
_LEAST_PART = 8

_expected_nbytes: ContextVar[int | None] = ContextVar("_expected_nbytes", default=None)


@contextmanager
def expecting(nbytes: int | None) -> Iterator[None]:
    """Say how large the values are that bulk reads in this context ask for as a whole.

    A bulk read starts only as many reads as its bound on bytes allows, and does not know the size
    of a value before it arrives. Whoever reads chunks knows how large they are when decoded.

    Parameters
    ----------
    nbytes : int or None
        Size of a value in bytes, at most and about; None if it is not known.
    """
    token = _expected_nbytes.set(nbytes)
    try:
        yield
    finally:
        _expected_nbytes.reset(token)


_planned_by: ContextVar[object] = ContextVar("_planned_by", default=None)


@contextmanager
def planning(plan: object) -> Iterator[None]:
    """Say that the reads of this context belong to one operation, which has planned them.

    A store that merges the reads of several callers does not merge those of one plan with each
    other: whoever planned them has left them apart. So the partial decode of shards makes the same
    requests whatever the store merges.

    Parameters
    ----------
    plan : object
        Tells one plan from another, by identity.
    """
    token = _planned_by.set(plan)
    try:
        yield
    finally:
        _planned_by.reset(token)


def planned_by() -> object:
    """Return the plan that `planning` was given in this context; None where there is none."""
    return _planned_by.get()


def expected_nbytes() -> int | None:
    """Return what `expecting` was given in this context."""
    return _expected_nbytes.get()


# A slice that is smaller than this part of its read is copied, so that keeping it does not keep
# the whole read in memory. Larger ones are views: at most this many times their size stays alive.
_MAX_PINNED = 2


class _Stream(Generic[R, T]):
    """Keeps reads going in the background while a consumer is busy with what has arrived.

    New reads start as earlier ones finish, not when the consumer asks, so that fetching and
    decoding overlap; they wait while `max_pending_bytes` are read and not consumed.
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
        self._largest = 0  # of what has arrived and was there
        self._failure: BaseException | None = None
        self._wake = asyncio.Event()
        self.arrived: deque[tuple[R, T, int]] = deque()

    def start(self) -> None:
        """Start as many reads as the bounds allow."""
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
            task = asyncio.ensure_future(self._fetch(read))
            self._running[task] = (read, expected)
            self._pending_bytes += expected
            task.add_done_callback(self._finished)

    def _estimate(self) -> int:
        """Return what a read of unknown size counts as, in bytes."""
        if self._largest:
            return max(self._largest, (self._expected or 0) // _LEAST_PART)
        return _UNKNOWN_NBYTES if self._expected is None else self._expected

    def _finished(self, task: asyncio.Future[T]) -> None:
        entry = self._running.pop(task, None)
        if entry is None:  # closed already
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
        """Free the room of what the consumer is done with."""
        self._pending_bytes -= nbytes
        self.start()

    async def wait(self) -> bool:
        """Wait until something has arrived; False once all has.

        Raises
        ------
        BaseException
            The first failure, before anything that arrived and was not yet handed out.
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
        """Cancel what runs and wait for it to end."""
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
    """Run reads and yield what they return, in the order of completion.

    Parameters
    ----------
    reads : iterable of tuple
        A read and its size in bytes, None where it is not known beforehand. Read once, as far as
        the bounds allow.
    fetch : callable
        Performs one read; returns an awaitable.
    size : callable
        Gives the size of an answer in bytes.
    max_concurrency : int
        Most reads in flight.
    max_pending_bytes : int
        Most bytes that are in flight, or read and not consumed; a lone read may be larger. What
        has been yielded counts until the next batch is asked for.

    Yields
    ------
    list of tuple
        All answers that arrived since the last batch, each with its read.

    Raises
    ------
    Exception
        The first failure, as it was raised. Then, on cancellation, and when the iterator is
        closed, the reads in flight are cancelled and waited for, and no further one starts.
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
    """The answers that one read gave, and its size in bytes."""

    answers: Sequence[tuple[int, Buffer | None]]
    nbytes: int


def answered_nbytes(answered: Answered) -> int:
    """Return the size of a read in bytes."""
    return answered.nbytes


async def answer(
    read: Read, get: Callable[[ByteRequest | None, int], Awaitable[Buffer | None]]
) -> Answered:
    """Perform one read and give each of its requests its bytes.

    A request is cut out of the read only where the read reached as far as it. One that lies, or
    runs, past the end of what came is asked for by itself, so that it gets the bytes or the error
    that it would get alone: merging never hides a fault.

    Parameters
    ----------
    read : Read
        The read.
    get : callable
        Fetches bytes of the object, None for all, on behalf of a request, given by its index.
        Returns None where the object is absent.

    Returns
    -------
    Answered
        One answer per request, None for bytes of an absent object.
    """
    buffer = await get(read.byte_range, read.slices[0].request)
    return Answered(await divide(read, buffer, get), 0 if buffer is None else len(buffer))


async def divide(
    read: Read,
    buffer: Buffer | None,
    get: Callable[[ByteRequest | None, int], Awaitable[Buffer | None]],
) -> list[tuple[int, Buffer | None]]:
    """Give each request of a read its bytes.

    Parameters
    ----------
    read : Read
        The merged read, as for `answer`.
    get : callable
        Reads alone a request that the merged read did not reach, as for `answer`.
    buffer : Buffer or None
        What the read returned; None where the object is absent.
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
    """Return whether a read that returned `nbytes` bytes holds all that a slice of it wants."""
    if isinstance(byte_range, RangeByteRequest):
        return max(byte_range.start, byte_range.end) <= nbytes
    if isinstance(byte_range, OffsetByteRequest):
        return byte_range.offset <= nbytes
    return True


def cut(buffer: Buffer, byte_range: ByteRequest | None) -> Buffer:
    """Return part of what a read returned.

    Parameters
    ----------
    buffer : Buffer
        What the read returned.
    byte_range : ByteRequest or None
        The part; None for all.

    Returns
    -------
    Buffer
        Shares memory with `buffer`, unless it would keep a much larger read alive.
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

    A request without an answer must not be taken for an absent key.

    Parameters
    ----------
    count : int
        How many requests there are.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._left = set(range(count))

    def answered(self, index: int) -> None:
        """Note an answer.

        Raises
        ------
        ValueError
            If there is no request of that index.
        """
        if not 0 <= index < self._count:
            raise ValueError(f"The store answered for {index} of {self._count} requests.")
        self._left.discard(index)

    def check(self, name: Callable[[int], object]) -> None:
        """Refuse a bulk read that has ended without all answers.

        Parameters
        ----------
        name : callable
            Returns what the request of an index is called.

        Raises
        ------
        ValueError
            Naming the first request without an answer.
        """
        if self._left:
            raise ValueError(f"The store did not answer for {name(min(self._left))}.")


@dataclass(frozen=True)
class BulkReadReport:
    """What one bulk read did.

    Parameters
    ----------
    requests : int
        Requests of the caller.
    reads : int
        Physical reads made for them.
    nbytes_wanted : int
        Bytes handed to the caller that had to be read.
    nbytes_fetched : int
        Bytes read. Less than wanted where requests shared bytes, more where gaps were read.
    shared : int
        Reads of other callers that answered some of them, and count there.
    retries : int
        How often a read was made again after a failure that may go away.
    nbytes_read_ahead : int
        Bytes read before anybody asked for them; they count as fetched, too.
    nbytes_from_read_ahead : int
        Bytes handed to the caller that had been read ahead before.
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
    """Counts towards a `BulkReadReport`.

    Parameters
    ----------
    requests : int
        Requests of the caller.
    """

    def __init__(self, requests: int) -> None:
        self._requests = requests
        self._reads = self._wanted = self._fetched = 0
        self._shared = self._retries = self._read_ahead = self._served = 0

    def fetched(self, nbytes: int) -> None:
        """Count a read of some bytes."""
        self._reads += 1
        self._fetched += nbytes

    def shared(self) -> None:
        """Count a read that counts for another caller."""
        self._shared += 1

    def retried(self) -> None:
        """Count a read that is made again."""
        self._retries += 1

    def came_early(self, nbytes: int) -> None:
        """Count bytes that were read ahead."""
        self._read_ahead += nbytes

    def served(self, nbytes: int) -> None:
        """Count bytes that had been read ahead."""
        self._served += nbytes

    def wanted(self, answers: Sequence[tuple[int, Buffer | None]]) -> None:
        """Count bytes handed to the caller."""
        self._wanted += sum(0 if value is None else len(value) for _, value in answers)

    def deliver(self, hook: Callable[[BulkReadReport], object] | None) -> None:
        """Call a hook with the report; a hook that fails does not fail the read."""
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
