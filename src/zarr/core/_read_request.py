"""Requests for objects of a store, and the reads in flight that answer them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from zarr.core._byte_ranges import ByteRequest, RangeByteRequest
from zarr.core._fetch import BulkReadCounter
from zarr.core._immediate import ImmediateFuture
from zarr.core._retry import Transient

# A function that takes a byte range, or None for the whole object. It returns the bytes, or None if
# the object is absent.
Fetch: TypeAlias = Callable[[ByteRequest | None], Coroutine[Any, Any, bytes | None]]


class Source(NamedTuple):
    """An object, and how to read it.

    Parameters
    ----------
    path : hashable
        Identifies the object. Requests with equal paths may be merged.
    fetch : callable
        Reads the object. If the read fails, the function raises an error of a type that the caller
        expects.
    transient : callable or None
        Takes an exception. Returns a `Transient` if the failure is transient, None otherwise. Pass
        None instead of a callable if the client library retries failed reads itself. In that case
        the queue does not retry failed reads.
    """

    path: Hashable
    fetch: Fetch
    transient: Callable[[BaseException], Transient | None] | None = None


class Request(ImmediateFuture["bytes | None"]):
    """A future for the bytes that one caller requested. `cancel` withdraws the request."""

    __slots__ = (
        "_withdraw",
        "byte_range",
        "caller",
        "context",
        "counter",
        "flight",
        "is_waiting",
        "nbytes",
        "source",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        withdraw: Callable[[Request], object],
        source: Source,
        byte_range: ByteRequest | None,
        caller: object,
        nbytes: int,
        counter: BulkReadCounter | None,
    ) -> None:
        super().__init__(loop)
        self._withdraw = withdraw
        self.source = source
        self.byte_range = byte_range
        self.caller = caller
        self.nbytes = nbytes
        self.counter = counter
        self.context = copy_context()
        self.is_waiting = False
        self.flight: Flight | None = None

    def cancel(self, msg: object = None) -> bool:
        # docstring inherited
        if not super().cancel(msg):
            return False
        self._withdraw(self)
        return True


@dataclass(eq=False, slots=True)
class Flight:
    """One read, and the requests that wait for it.

    If read-ahead has extended the read, `wanted` is the start and the end of the requested range.
    Otherwise `wanted` is None.
    """

    lead: Request
    byte_range: ByteRequest | None
    requests: list[Request]
    nbytes: int
    wanted: tuple[int, int] | None = None
    tries: int = 0  # number of retries after transient failures
    attempts: int = 0  # number of attempts, including those of an earlier merged read
    since: float = 0.0
    epoch: int = 0
    mark: int = 0
    task: asyncio.Task[None] | None = None
    on_done: Callable[[asyncio.Task[None]], None] | None = None  # done callback of the task
    timer: asyncio.TimerHandle | None = None


def detach(flight: Flight) -> None:
    """Break the reference cycles between a read and its finished requests.

    Such a cycle would keep the bytes of a request in memory until the next garbage collection.
    """
    for request in flight.requests:
        if request.flight is flight and request.done():
            request.flight = None


def fail(flight: Flight, error: BaseException) -> None:
    """Set a failure as the result of all requests of a read."""
    for request in flight.requests:
        if not request.done():
            request.set_exception(error)


def covers(read: ByteRequest | None, wanted: ByteRequest | None) -> bool:
    """Return whether the range of a read contains a requested range."""
    if read is None or read == wanted:
        return True
    if not isinstance(read, RangeByteRequest) or not isinstance(wanted, RangeByteRequest):
        return False
    return read.start <= wanted.start < wanted.end <= read.end


def nbytes_of(byte_range: ByteRequest | None) -> int:
    """Return the size of a byte range in bytes; 0 if unknown."""
    if isinstance(byte_range, RangeByteRequest):
        return max(0, byte_range.end - byte_range.start)
    return int(getattr(byte_range, "suffix", 0))
