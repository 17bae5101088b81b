"""Bulk reads for authors of stores: what `FsspecStore` merges and schedules its reads with.

A store that knows where its values lie makes a `ReadScheduler` of one function that reads bytes of
an object, and answers `Store.get_many` with it: see docs/teach-your-store.md.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Hashable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from zarr.core._bulk_read import bulk_read
from zarr.core._byte_ranges import check_byte_range
from zarr.core._coalesce import CoalescePolicy, Read, Slice, plan_reads
from zarr.core._fetch import BulkReadReport, expected_nbytes, planned_by
from zarr.core._read_options import BulkOptions, ReadOptions
from zarr.core._read_queue import Source
from zarr.core._read_scheduler import ReadScheduler as _ReadScheduler
from zarr.core._retry import Transient
from zarr.core._writes import note_write
from zarr.core.common import closing
from zarr.storage._transient import transient as transient_failure

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from zarr.core._byte_ranges import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

__all__ = [
    "BulkReadReport",
    "CoalescePolicy",
    "Read",
    "ReadOptions",
    "ReadScheduler",
    "Slice",
    "Transient",
    "note_write",
    "plan_reads",
    "transient_failure",
]

# Takes an object and a byte range of it, None for all.
FetchObject: TypeAlias = Callable[[Any, "ByteRequest | None"], Coroutine[Any, Any, bytes | None]]


class ReadScheduler:
    """Reads parts of objects for many callers: merged, shared, in one budget, tried again.

    One serves a store, on every event loop. It can be pickled if `fetch` can.

    Parameters
    ----------
    fetch : callable
        A coroutine function that takes an object, as it is named in the requests, and a byte
        range, None for all of it. Returns the bytes, fewer where the object ends before the range
        does; None where there is no such object. Everything else it raises.
    is_transient : callable or None
        Returns a `Transient` for a failure that may go away, None for any other; as it is,
        `transient_failure`, which knows the exceptions of well-known clients. None for a client
        that tries again by itself.
    **options
        `max_concurrency`, `max_gap_bytes`, `max_coalesced_bytes`, `window_seconds`,
        `read_ahead_bytes`, `max_retries` and `on_bulk_read`, as for `FsspecStore`.

    Raises
    ------
    TypeError, ValueError
        If an option is no number, or out of its bounds.
    """

    def __init__(
        self,
        fetch: FetchObject,
        is_transient: Callable[[BaseException], Transient | None] | None = transient_failure,
        **options: Unpack[BulkOptions],
    ) -> None:
        self._fetch = fetch
        self._is_transient = is_transient
        self.on_bulk_read = options.pop("on_bulk_read", None)
        self._reads = _ReadScheduler(ReadOptions.configured(**options))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"on_bulk_read": None}

    @property
    def options(self) -> ReadOptions:
        """How many reads at a time, what is merged, and the rest."""
        return self._reads.options

    async def get(
        self, path: Hashable, byte_range: ByteRequest | None, *, prototype: BufferPrototype
    ) -> Buffer | None:
        """Read an object, or a part of it.

        Parameters
        ----------
        path : hashable
            The object.
        byte_range : ByteRequest or None
            Which bytes; None for all.
        prototype : BufferPrototype
            Its ``buffer`` class holds the result.

        Returns
        -------
        Buffer or None
            None where there is no such object.

        Raises
        ------
        Exception
            What `fetch` raises.
        """
        check_byte_range(byte_range)
        data = await self._reads.read(
            self._source(path), byte_range, caller=planned_by(), nbytes=expected_nbytes()
        )
        return None if data is None else prototype.buffer.from_bytes(data)

    async def get_many(
        self,
        requests: Iterable[tuple[Hashable, ByteRequest | None] | None],
        *,
        prototype: BufferPrototype,
    ) -> AsyncGenerator[Sequence[tuple[int, Buffer | None]], None]:
        """Read many parts of objects, neighbours together.

        Parameters
        ----------
        requests : iterable of tuple or None
            An object, and which bytes of it, None for all. None instead of the two is answered by
            None, as for a key that is known to be absent.
        prototype : BufferPrototype
            Its ``buffer`` class holds the results.

        Yields
        ------
        sequence of tuple
            ``(index into requests, bytes)`` as they arrive, each index once; None for bytes of an
            object that is absent. What a store's `get_many` has to yield.

        Raises
        ------
        Exception
            The first failure, as `fetch` raised it.
        """
        wanted = list(requests)

        def make_source(index: int) -> Source:
            request = wanted[index]
            assert request is not None
            return self._source(request[0])

        make_buffer = prototype.buffer.from_bytes
        batches = bulk_read(self._reads, wanted, make_source, make_buffer, self.on_bulk_read)
        async with closing(batches):
            async for batch in batches:
                yield batch

    def _source(self, path: Hashable) -> Source:
        return Source(path, partial(self._fetch, path), self._is_transient)
