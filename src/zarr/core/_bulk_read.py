"""Answering many requests over a read scheduler: the body of a store's `get_many`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from zarr.core._coalesce import plan_reads
from zarr.core._fetch import BulkReadCounter, answer, answered_nbytes, expected_nbytes, stream
from zarr.core.common import closing

if TYPE_CHECKING:
    from zarr.core._byte_ranges import ByteRequest
    from zarr.core._coalesce import Read
    from zarr.core._fetch import Answered, BulkReadReport
    from zarr.core._read_scheduler import ReadScheduler, Source
    from zarr.core.buffer import Buffer

    # An object and which bytes of it, None for all; or an answer that needs no read.
    BulkRequest: TypeAlias = tuple[Source, ByteRequest | None] | bytes | None


async def bulk_read(
    scheduler: ReadScheduler,
    requests: Sequence[BulkRequest],
    make_buffer: Callable[[bytes], Buffer],
    on_bulk_read: Callable[[BulkReadReport], object] | None,
) -> AsyncGenerator[list[tuple[int, Buffer | None]], None]:
    """Read parts of objects for one caller, neighbours together.

    The requests are planned by themselves, so that a bulk read makes the same reads whoever else
    reads; the scheduler merges them with those of other callers. At most `MAX_PENDING_BYTES` are on
    their way, or not yet consumed.

    Parameters
    ----------
    scheduler : ReadScheduler
        Makes the reads.
    requests : sequence of tuple, bytes or None
        An object, and which bytes of it; None for all. Or what the answer is known to be.
    make_buffer : callable
        Makes a buffer of bytes.
    on_bulk_read : callable or None
        Called with a report when all is read.

    Yields
    ------
    list of tuple
        ``(index into requests, bytes)`` as they arrive, each index once; None for bytes of an
        object that is absent. Answers that are known come first.

    Raises
    ------
    Exception
        The first failure.
    """
    counter = BulkReadCounter(len(requests))
    known: list[tuple[int, Buffer | None]] = []
    asked: list[int] = []  # position in `wanted` -> index of the request
    wanted: list[tuple[Source, ByteRequest | None]] = []
    for index, request in enumerate(requests):
        if isinstance(request, tuple):
            asked.append(index)
            wanted.append(request)
        else:
            known.append((index, None if request is None else make_buffer(request)))
    plan = plan_reads(
        ((source.path, byte_range) for source, byte_range in wanted), scheduler.options.policy
    )
    if known:
        yield known
    caller = object()
    nbytes = expected_nbytes()

    async def get(byte_range: ByteRequest | None, position: int) -> Buffer | None:
        data = await scheduler.read(
            wanted[position][0], byte_range, caller=caller, counter=counter, nbytes=nbytes
        )
        return None if data is None else make_buffer(data)

    async def fetch(read: Read) -> Answered:
        return await answer(read, get)

    batches = stream(
        ((read, read.nbytes) for read in plan),
        fetch,
        size=answered_nbytes,
        max_concurrency=scheduler.options.concurrency(),
    )
    async with closing(batches):
        async for batch in batches:
            answers = [pair for _, answered in batch for pair in answered.answers]
            counter.wanted(answers)
            yield [(asked[position], value) for position, value in answers]
    counter.deliver(on_bulk_read)
