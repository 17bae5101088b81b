"""Answering many requests over a read scheduler: the body of a store's `get_many`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from zarr.core._coalesce import plan_reads
from zarr.core._fetch import answer, answered_nbytes, expected_nbytes, stream
from zarr.core.common import closing

if TYPE_CHECKING:
    from zarr.core._byte_ranges import ByteRequest
    from zarr.core._coalesce import Read
    from zarr.core._fetch import Answered, BulkReadCounter
    from zarr.core._read_scheduler import ReadScheduler, Source
    from zarr.core.buffer import Buffer


async def bulk_read(
    scheduler: ReadScheduler,
    requests: Sequence[tuple[Source, ByteRequest | None]],
    make_buffer: Callable[[bytes], Buffer],
    counter: BulkReadCounter,
) -> AsyncIterator[list[tuple[int, Buffer | None]]]:
    """Read parts of objects for one caller, neighbours together.

    The requests are planned by themselves, so that a bulk read makes the same reads whoever else
    reads; the scheduler merges them with those of other callers. At most `MAX_PENDING_BYTES` are on
    their way, or not yet consumed.

    Parameters
    ----------
    scheduler : ReadScheduler
        Makes the reads.
    requests : sequence of tuple
        An object, and which bytes of it; None for all.
    make_buffer : callable
        Makes a buffer of bytes.
    counter : BulkReadCounter
        Counts what was read.

    Yields
    ------
    list of tuple
        ``(index into requests, bytes)`` as they arrive, each index once; None for bytes of an
        object that is absent.

    Raises
    ------
    Exception
        The first failure.
    """
    caller = object()
    nbytes = expected_nbytes()

    async def get(byte_range: ByteRequest | None, index: int) -> Buffer | None:
        data = await scheduler.read(
            requests[index][0], byte_range, caller=caller, counter=counter, nbytes=nbytes
        )
        return None if data is None else make_buffer(data)

    async def fetch(read: Read) -> Answered:
        return await answer(read, get)

    plan = plan_reads(
        ((source.path, byte_range) for source, byte_range in requests), scheduler.options.policy
    )
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
            yield answers
