"""Bulk reads for store authors: the scheduler with which `FsspecStore` merges and limits reads.

A store must know which object contains the value of a key, and it must provide one function, which
reads bytes of an object. The store makes a `ReadScheduler` from this function, and implements
`Store.get_many` with the scheduler; see docs/teach-your-store.md.
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
from zarr.core._read_request import Source
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

# A function that takes an object and a byte range (None means all bytes), and returns the bytes, or
# None if the object is absent.
FetchObject: TypeAlias = Callable[[Any, "ByteRequest | None"], Coroutine[Any, Any, bytes | None]]


class ReadScheduler:
    """Reads byte ranges of objects; merges requests of many callers; limits and retries reads.

    A store needs only one scheduler, even if it is used on several event loops. A scheduler can be
    pickled if `fetch` can be pickled.

    Parameters
    ----------
    fetch : callable
        A coroutine function with two parameters: an object, as it appears in the requests, and a
        byte range (None means all bytes). It returns the bytes, truncated at the end of the object,
        or None if the object is absent. If the read fails, it raises an exception.
    is_transient : callable or None
        A function that returns a `Transient` for a transient failure, and None for any other
        failure. The default, `transient_failure`, recognizes the exceptions of common client
        libraries. Pass None for a client that has its own retries.
    **options
        `max_concurrency`, `max_gap_bytes`, `max_coalesced_bytes`, `window_seconds`,
        `read_ahead_bytes`, `max_retries` and `on_bulk_read`: the options of `FsspecStore`.

    Raises
    ------
    TypeError, ValueError
        If an option is not a number, or if an option is out of range.
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
        """Options of bulk reads: concurrency, merging, retries."""
        return self._reads.options

    async def get(
        self, path: Hashable, byte_range: ByteRequest | None, *, prototype: BufferPrototype
    ) -> Buffer | None:
        """Read an object, or a byte range of it.

        Parameters
        ----------
        path : hashable
            The object to read, in the form that `fetch` expects.
        byte_range : ByteRequest or None
            The bytes to read; None means all.
        prototype : BufferPrototype
            The result is an instance of the ``buffer`` class of the prototype.

        Returns
        -------
        Buffer or None
            The bytes; None if the object is absent.

        Raises
        ------
        Exception
            An exception that `fetch` raises, unless the read is retried.
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
        """Read many byte ranges of objects, merging neighbouring ranges.

        Parameters
        ----------
        requests : iterable of tuple or None
            Pairs of an object and a byte range (None means all bytes). If a key is known to be
            absent, pass None in place of the pair; the result of this request is then None.
        prototype : BufferPrototype
            The results are instances of the ``buffer`` class of the prototype.

        Yields
        ------
        sequence of tuple
            A batch of pairs ``(index into requests, bytes)``, as `Store.get_many` yields them. Each
            index occurs once; the order is the order in which the reads complete. The bytes are
            None if the object is absent.

        Raises
        ------
        Exception
            The first exception that `fetch` raises for a read that is not retried any more.
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
