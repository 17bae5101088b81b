"""Implementation of `Store.get_many` with a read scheduler."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from zarr.core._coalesce import plan_reads
from zarr.core._fetch import BulkReadCounter, divide, expected_nbytes, stream
from zarr.core.common import closing

if TYPE_CHECKING:
    from asyncio import Future

    from zarr.core._byte_ranges import ByteRequest
    from zarr.core._fetch import BulkReadReport
    from zarr.core._read_request import Source
    from zarr.core._read_scheduler import ReadScheduler
    from zarr.core.buffer import Buffer

    # A tuple contains an object and the byte range to read (None for the whole object). A value
    # that is not a tuple is an answer that is known without a read: bytes, or None if the object
    # is absent.
    BulkRequest: TypeAlias = tuple[Hashable, ByteRequest | None] | bytes | None


async def bulk_read(
    scheduler: ReadScheduler,
    requests: Sequence[BulkRequest],
    make_source: Callable[[int], Source],
    make_buffer: Callable[[bytes], Buffer],
    on_bulk_read: Callable[[BulkReadReport], object] | None,
) -> AsyncGenerator[list[tuple[int, Buffer | None]], None]:
    """Read byte ranges of objects for one caller, and merge neighbouring ranges.

    Each bulk read makes a plan for its own requests only, so that the plan does not depend on other
    callers. The scheduler may later merge the planned reads with reads of other callers. At most
    `MAX_PENDING_BYTES` bytes are in flight or not yet consumed.

    Parameters
    ----------
    scheduler : ReadScheduler
        Performs the reads.
    requests : sequence of tuple, bytes or None
        Each item is a pair of an object and a byte range; the byte range None means all bytes. If
        the answer is already known, the item is that answer: the bytes, or None for an absent
        object.
    make_source : callable
        Takes the index of a request, and returns the `Source` of the requested object. The function
        is called once per read, not once per request.
    make_buffer : callable
        Makes a buffer from bytes.
    on_bulk_read : callable or None
        Called with a report when the bulk read is complete.

    Yields
    ------
    list of tuple
        Pairs ``(index into requests, bytes)`` in the order of arrival. Each index occurs exactly
        once. If the object is absent, the pair contains None instead of bytes. Answers that are
        known without a read come first.

    Raises
    ------
    Exception
        The first failure.
    """
    counter = BulkReadCounter(len(requests))
    known: list[tuple[int, Buffer | None]] = []
    asked: list[int] = []  # position in `wanted` -> index of the request
    wanted: list[tuple[Hashable, ByteRequest | None]] = []
    for index, request in enumerate(requests):
        if isinstance(request, tuple):
            asked.append(index)
            wanted.append(request)
        else:
            known.append((index, None if request is None else make_buffer(request)))
    plan = plan_reads(wanted, scheduler.options.policy)
    if known:
        yield known
    caller = object()
    nbytes = expected_nbytes()
    concurrency = scheduler.options.concurrency()
    queue = scheduler.queue()

    def fetch(byte_range: ByteRequest | None, position: int) -> Future[bytes | None]:
        return queue.submit(
            make_source(asked[position]),
            byte_range,
            concurrency,
            caller=caller,
            counter=counter,
            nbytes=nbytes,
        )

    async def get(byte_range: ByteRequest | None, position: int) -> Buffer | None:
        data = await fetch(byte_range, position)
        return None if data is None else make_buffer(data)

    batches = stream(
        ((read, read.nbytes) for read in plan),
        lambda read: fetch(read.byte_range, read.slices[0].request),
        size=lambda data: 0 if data is None else len(data),
        max_concurrency=concurrency,
    )
    try:
        async with closing(batches):
            async for batch in batches:
                answers: list[tuple[int, Buffer | None]] = []
                for read, data in batch:
                    buffer = None if data is None else make_buffer(data)
                    if len(read.slices) == 1 and read.slices[0].byte_range is None:
                        answers.append((read.slices[0].request, buffer))
                    else:
                        answers += await divide(read, buffer, get)
                counter.wanted(answers)
                yield [(asked[position], value) for position, value in answers]
    finally:
        await queue.drain()
    counter.deliver(on_bulk_read)
