"""Abstract base class of stores: mappings from keys to bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

from zarr.abc._byte_access import (
    ByteGetter,
    ByteSetter,
    SupportsDeleteSync,
    SupportsGetSync,
    SupportsSetSync,
    SupportsSyncStore,
    SyncByteGetter,
    SyncByteSetter,
    set_or_delete,
)
from zarr.abc._store_access import StoreAccess, access_of, read_method, settle_access
from zarr.core._byte_ranges import (
    ByteRequest as ByteRequest,
)
from zarr.core._byte_ranges import (
    OffsetByteRequest as OffsetByteRequest,
)
from zarr.core._byte_ranges import (
    RangeByteRequest as RangeByteRequest,
)
from zarr.core._byte_ranges import (
    SuffixByteRequest as SuffixByteRequest,
)
from zarr.core._byte_ranges import check_byte_range
from zarr.core._coalesce import (
    DEFAULT_MAX_COALESCED_BYTES,
    DEFAULT_MAX_GAP_BYTES,
    CoalescePolicy,
    MiB,
    Read,
    plan_reads,
)
from zarr.core._fetch import (
    Answered,
    answer,
    answer_sync,
    answered_nbytes,
    planned_by,
    planning,
    stream,
)
from zarr.core.buffer import default_buffer_prototype
from zarr.core.common import closing, concurrent_map
from zarr.core.config import config
from zarr.core.sync import iter_ahead

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from zarr.core.buffer import Buffer, BufferPrototype

ReadRequest: TypeAlias = str | tuple[str, ByteRequest | None]

# A policy that merges two byte ranges only if one of them contains the other. Requests for the
# same bytes share one read.
NEVER_MERGE = CoalescePolicy(max_gap_bytes=None, max_coalesced_bytes=0)

# If a store reads in the calling thread, a batch ends when it contains `_BATCH_COUNT` requests, or
# at least `_BATCH_BYTES` bytes.
_BATCH_COUNT = 256
_BATCH_BYTES = 1 * MiB

__all__ = [
    "ByteGetter",
    "ByteSetter",
    "Store",
    "SupportsDeleteSync",
    "SupportsGetSync",
    "SupportsSetSync",
    "SupportsSyncStore",
    "SyncByteGetter",
    "SyncByteSetter",
    "set_or_delete",
]


class Store(ABC):
    """A mapping from keys to byte strings: memory, a directory, an object store, …

    A key is a relative path whose parts are separated by ``/``. A prefix can be empty. A store must
    implement one reading method, `get`. All other reading methods are derived from `get`; a store
    can override them with faster implementations. A subclass may override only `get`, for example
    to retry or to log. Inherited methods that would bypass the new `get` are then replaced with
    methods that call the new `get`. The same applies to `get_sync` for reads in the calling thread.

    Parameters
    ----------
    read_only : bool
        Whether methods that change the store raise an error.
    """

    _read_only: bool
    _is_open: bool

    # Whether blocking callers use `get_many` even if the store has a `get_sync`. True for wrappers,
    # because `get_many` of the wrapped store may be faster than repeated calls of `get_sync`.
    _prefers_get_many: ClassVar[bool] = False
    # Whether coroutines of the store may depend on an event loop. The value is not inherited: each
    # class declares its own.
    _coroutines_wait: ClassVar[bool] = True
    _access: ClassVar[StoreAccess]
    _derived: ClassVar[dict[str, Any]]  # default implementations of derived methods, by name
    _find_methods: ClassVar[Callable[[type[Store]], Any]]  # finds the methods for `_access`
    _methods: ClassVar[Any]  # what `_find_methods` returned when the class was created
    _defined: ClassVar[dict[str, Any]]  # methods that the class itself defined at its creation

    def __init__(self, *, read_only: bool = False) -> None:
        self._is_open = False
        self._read_only = read_only

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        settle_access(cls)

    # --- life cycle ---------------------------------------------------------------------

    @classmethod
    async def open(cls, *args: Any, **kwargs: Any) -> Self:
        """Make a store and open it.

        Parameters
        ----------
        *args
            Positional arguments of the constructor.
        **kwargs
            Keyword arguments of the constructor.
        """
        store = cls(*args, **kwargs)
        await store._open()
        return store

    async def _open(self) -> None:
        """Open the store; a store can be opened only once.

        Raises
        ------
        ValueError
            If the store is already open.
        """
        if self._is_open:
            raise ValueError("store is already open")
        self._is_open = True

    async def _ensure_open(self) -> None:
        """Open the store unless it is already open."""
        if self._is_open:
            return
        try:
            await self._open()
        except ValueError:
            if not self._is_open:  # if open, another task opened the store
                raise

    def close(self) -> None:
        """Release the resources of the store, such as open files."""
        self._is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def with_read_only(self, read_only: bool = False) -> Store:
        """Return a store with the same data and the given value of `read_only`.

        Parameters
        ----------
        read_only : bool
            Whether the new store is read-only.

        Raises
        ------
        NotImplementedError
            If the store class does not support this operation.
        """
        raise NotImplementedError(
            f"with_read_only is not implemented for the {type(self)} store type."
        )

    @property
    def read_only(self) -> bool:
        """Whether methods that change the store raise an error."""
        return self._read_only

    def _check_writable(self) -> None:
        """Raise an error if the store is read-only.

        Raises
        ------
        ValueError
            If the store is read-only.
        """
        if self.read_only:
            raise ValueError("store was opened in read-only mode and does not support writing")

    @abstractmethod
    def __eq__(self, value: object) -> bool:
        """Return whether `value` is a store with the same data."""

    # --- reading ------------------------------------------------------------------------

    @abstractmethod
    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read the value of a key.

        Parameters
        ----------
        key : str
            The key.
        prototype : BufferPrototype
            The result is an instance of ``prototype.buffer``.
        byte_range : ByteRequest or None
            The bytes to read; None for the whole value. If the range extends past the end of the
            value, the result ends there.

        Returns
        -------
        Buffer or None
            The bytes that were read; None only if the key is proven absent.

        Raises
        ------
        Exception
            If the value cannot be read. A failure is never reported as None.
        """

    @abstractmethod
    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Read values, or byte ranges of values.

        Parameters
        ----------
        prototype : BufferPrototype
            The results are instances of ``prototype.buffer``.
        key_ranges : iterable of tuple
            Pairs of key and byte range; a byte range of None stands for the whole value. A key may
            occur more than once.

        Returns
        -------
        list of Buffer or None
            The results of `get`, in the order of `key_ranges`.

        Raises
        ------
        Exception
            The first exception that a read raises. After a failure no further read starts, and
            reads in flight are cancelled. At most ``async.concurrency`` reads are in flight at a
            time.
        """
        return await _partial_values(self, prototype, key_ranges)

    async def get_many(
        self, requests: Iterable[ReadRequest], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        """Read many values, or byte ranges of values, in one call.

        The results are the same as those of one call of `get` per request. A store that knows the
        locations of its values can merge reads of neighbouring byte ranges. The default
        implementation calls `get` concurrently. Requests for the same bytes share one call, and the
        read of a whole value also answers requests for parts of that value. A store that has a
        faster way to read many values overrides this method. The store decides how much to merge
        and how many reads are in flight at a time, so this method has no parameters for these
        limits.

        If the loop over the batches can end early, wrap the iterator in `contextlib.aclosing`.

        Parameters
        ----------
        requests : iterable of str or tuple of (str, ByteRequest or None)
            Keys, or pairs of key and byte range; a byte range of None stands for the whole value.
            The iterable is consumed once. A request may occur more than once; each occurrence has a
            result of its own.
        prototype : BufferPrototype
            The results are instances of ``prototype.buffer``.

        Yields
        ------
        sequence of tuple
            ``(index into requests, bytes)``. Every index occurs exactly once. The results are
            yielded in the order in which the reads complete. A batch may be yielded before the
            other reads complete. The bytes are None only if the key is proven absent. Results may
            share memory with each other.

        Raises
        ------
        TypeError, ValueError
            If a request is neither a key nor a pair of key and byte range. This error is raised
            before any read starts.
        Exception
            The first exception that the store raises for a read, with a note that names the key,
            the byte range and the store. After a failure no further read starts, and reads in
            flight are cancelled. Closing the iterator or cancelling the consumer also cancels the
            reads.
        """
        wanted = parse_requests(requests)
        plan = plan_reads(wanted, NEVER_MERGE)

        async def fetch(read: Read) -> Answered:
            key = str(read.path)

            async def get(byte_range: ByteRequest | None, _: int) -> Buffer | None:
                try:
                    return await self.get(key, prototype, byte_range)
                except Exception as error:
                    note_request(error, self, key, byte_range)
                    raise

            return await answer(read, get)

        batches = stream(
            ((read, read.nbytes) for read in plan),
            fetch,
            size=answered_nbytes,
            max_concurrency=int(config.get("async.concurrency")),
        )
        async with closing(batches):
            async for batch in batches:
                yield [pair for _, answered in batch for pair in answered.answers]

    # `get_partial_values` is abstract in this class. For a subclass that defines `get`,
    # `settle_access` derives `get_partial_values` from `get`.
    get_partial_values.__isabstractmethod__ = True  # type: ignore[attr-defined]

    async def get_ranges(
        self,
        key: str,
        byte_ranges: Iterable[ByteRequest | None],
        *,
        prototype: BufferPrototype,
        max_concurrency: int = 10,
        max_gap_bytes: int = DEFAULT_MAX_GAP_BYTES,
        max_coalesced_bytes: int = DEFAULT_MAX_COALESCED_BYTES,
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        """Read many byte ranges of one value, merging neighbouring ranges.

        Parameters
        ----------
        key : str
            The key.
        byte_ranges : iterable of ByteRequest or None
            The byte ranges to read; a byte range of None stands for the whole value.
        prototype : BufferPrototype
            The results are instances of ``prototype.buffer``.
        max_concurrency : int
            Maximum number of reads in flight.
        max_gap_bytes : int
            Maximum size of the gap between two ranges that are merged, in bytes; 0 merges only
            adjacent ranges.
        max_coalesced_bytes : int
            Maximum size of a merged read, in bytes; a single range may be larger.

        Yields
        ------
        sequence of tuple
            ``(index into byte_ranges, bytes)``. Every index occurs exactly once. The results are
            yielded in the order in which the reads complete.

        Raises
        ------
        ExceptionGroup
            If a read fails. The `ExceptionGroup` contains exactly one exception: the first
            exception that a read raises. If the key is absent, this exception is a
            `FileNotFoundError`. Catch the `ExceptionGroup` with ``except*``.
        """
        plan = _plan_one_key(byte_ranges, max_gap_bytes, max_coalesced_bytes)

        async def get(byte_range: ByteRequest | None, _: int) -> Buffer:
            buffer = await self.get(key, prototype, byte_range)
            if buffer is None:
                raise FileNotFoundError(key)
            return buffer

        whole_plan = planned_by() or object()

        async def fetch(read: Read) -> Answered:
            with planning(whole_plan):
                return await answer(read, get)

        batches = stream(
            ((read, read.nbytes) for read in plan),
            fetch,
            size=answered_nbytes,
            max_concurrency=max_concurrency,
        )
        try:
            async with closing(batches):
                async for batch in batches:
                    for _, answered in batch:
                        yield answered.answers
        except Exception as error:
            raise ExceptionGroup("unhandled errors in a TaskGroup", [error]) from None

    def get_ranges_sync(
        self,
        key: str,
        byte_ranges: Iterable[ByteRequest | None],
        *,
        prototype: BufferPrototype,
        max_gap_bytes: int = DEFAULT_MAX_GAP_BYTES,
        max_coalesced_bytes: int = DEFAULT_MAX_COALESCED_BYTES,
    ) -> list[tuple[int, Buffer | None]]:
        """Read many byte ranges of one value in the calling thread, merging neighbouring ranges.

        Parameters
        ----------
        key : str
            The key.
        byte_ranges : iterable of ByteRequest or None
            The byte ranges to read; a byte range of None stands for the whole value.
        prototype : BufferPrototype
            The results are instances of ``prototype.buffer``.
        max_gap_bytes : int
            Maximum size of the gap between two ranges that are merged, in bytes; 0 merges only
            adjacent ranges.
        max_coalesced_bytes : int
            Maximum size of a merged read, in bytes; a single range may be larger.

        Returns
        -------
        list of tuple
            ``(index into byte_ranges, bytes)``.

        Raises
        ------
        TypeError
            If the store has no `get_sync`.
        ExceptionGroup
            If the key is absent. The `ExceptionGroup` contains exactly one exception, a
            `FileNotFoundError`. Catch the `ExceptionGroup` with ``except*``. Other exceptions are
            raised directly, not in an `ExceptionGroup`.
        """
        if not isinstance(self, SupportsGetSync):
            raise TypeError(f"{type(self).__name__} does not support synchronous reads")
        get_sync = self.get_sync

        def get(byte_range: ByteRequest | None, _: int) -> Buffer:
            buffer = get_sync(key, prototype=prototype, byte_range=byte_range)
            if buffer is None:
                raise ExceptionGroup("the key is absent", [FileNotFoundError(key)])
            return buffer

        return [
            answered
            for read in _plan_one_key(byte_ranges, max_gap_bytes, max_coalesced_bytes)
            for answered in answer_sync(read, get).answers
        ]

    def _get_many_sync(
        self, requests: Iterable[ReadRequest], *, prototype: BufferPrototype
    ) -> Iterator[Sequence[tuple[int, Buffer | None]]]:
        """Run `get_many` for a blocking caller.

        A store that reads in the calling thread reads each batch when the caller asks for it. For
        any other store, `get_many` runs on the event loop while the caller processes earlier
        batches.

        Parameters
        ----------
        requests : iterable of ReadRequest
            The requests. For the requests, the batches and the errors, see `get_many`.
        prototype : BufferPrototype
            The results are instances of ``prototype.buffer``.
        """
        access = access_of(self)
        if access.reads_in_thread:
            get_many = read_method(self, "_get_many_in_thread", access)
            answers = get_many(parse_requests(requests), prototype)
            return cast("Iterator[Sequence[tuple[int, Buffer | None]]]", answers)
        return iter_ahead(read_method(self, "get_many", access)(requests, prototype=prototype))

    def _get_many_in_thread(
        self, requests: Sequence[tuple[str, ByteRequest | None]], prototype: BufferPrototype
    ) -> Iterator[Sequence[tuple[int, Buffer | None]]]:
        """Call `get_sync` for one request after the other, and yield the results in batches."""
        get_sync = cast("SupportsGetSync", self).get_sync
        portion: list[tuple[int, Buffer | None]] = []
        nbytes = 0
        for index, (key, byte_range) in enumerate(requests):
            try:
                value = get_sync(key, prototype=prototype, byte_range=byte_range)
            except Exception as error:
                note_request(error, self, key, byte_range)
                raise
            portion.append((index, value))
            nbytes += 0 if value is None else len(value)
            if nbytes >= _BATCH_BYTES or len(portion) >= _BATCH_COUNT:
                yield portion
                portion, nbytes = [], 0
        if portion:
            yield portion

    async def _get_many(
        self, requests: Iterable[tuple[str, BufferPrototype, ByteRequest | None]]
    ) -> AsyncIterator[tuple[str, Buffer | None]]:
        """Yield the key and the result of `get` for each request, in the order of `requests`."""
        for key, prototype, byte_range in requests:
            yield key, await self.get(key, prototype, byte_range)

    @abstractmethod
    async def exists(self, key: str) -> bool:
        """Return whether a key is present."""

    async def getsize(self, key: str) -> int:
        """Return the size of the value of a key.

        Returns
        -------
        int
            Size of the value in bytes.

        Raises
        ------
        FileNotFoundError
            If the key is absent.
        """
        value = await self.get(key, default_buffer_prototype())
        if value is None:
            raise FileNotFoundError(key)
        return len(value)

    async def getsize_prefix(self, prefix: str) -> int:
        """Return the total size of all values below a prefix.

        Parameters
        ----------
        prefix : str
            The prefix; empty for the whole store.

        Returns
        -------
        int
            Total size in bytes; 0 if there is no key below the prefix.
        """
        keys = [(key,) async for key in self.list_prefix(_as_directory(prefix))]
        return sum(await concurrent_map(keys, self.getsize))

    # --- writing ------------------------------------------------------------------------

    @property
    @abstractmethod
    def supports_writes(self) -> bool:
        """Whether values can be written."""

    @property
    def supports_partial_writes(self) -> bool:
        """Always False: a store cannot write a part of a value."""
        return False

    @property
    @abstractmethod
    def supports_deletes(self) -> bool:
        """Whether values can be deleted."""

    @property
    def supports_consolidated_metadata(self) -> bool:
        """Whether the store supports reading and writing of consolidated metadata."""
        return True

    @abstractmethod
    async def set(self, key: str, value: Buffer) -> None:
        """Write the value of a key, replacing any previous value.

        Parameters
        ----------
        key : str
            The key.
        value : Buffer
            All bytes of the new value.

        Raises
        ------
        ValueError
            If the store is read-only.
        """

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write the value of a key if the key is absent.

        The default implementation has a race condition: two concurrent writers may both find the
        key absent. A store may override this method with an atomic operation.

        Raises
        ------
        ValueError
            If the store is read-only.
        """
        self._check_writable()
        if not await self.exists(key):
            await self.set(key, value)

    async def _set_many(self, values: Iterable[tuple[str, Buffer]]) -> None:
        """Write several values concurrently."""
        await concurrent_map(values, self.set)

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Delete a key; deleting an absent key is not an error.

        Raises
        ------
        ValueError
            If the store is read-only.
        """

    async def delete_dir(self, prefix: str) -> None:
        """Delete all keys below a prefix.

        Parameters
        ----------
        prefix : str
            The prefix, treated as a directory: ``a`` does not match ``ab``. An empty prefix stands
            for all keys.

        Raises
        ------
        NotImplementedError
            If the store cannot list or cannot delete keys.
        ValueError
            If the store is read-only.
        """
        if not self.supports_deletes or not self.supports_listing:
            raise NotImplementedError(
                f"{type(self).__name__} cannot delete all keys below a prefix, because it does not "
                "support both deletes and listing."
            )
        self._check_writable()
        keys = [(key,) async for key in self.list_prefix(_as_directory(prefix))]
        await concurrent_map(keys, self.delete)

    async def clear(self) -> None:
        """Delete all keys.

        Raises
        ------
        NotImplementedError
            If the store cannot list or cannot delete keys.
        ValueError
            If the store is read-only.
        """
        self._check_writable()
        await self.delete_dir("")

    # --- listing ------------------------------------------------------------------------

    @property
    @abstractmethod
    def supports_listing(self) -> bool:
        """Whether keys can be listed."""

    @abstractmethod
    def list(self) -> AsyncIterator[str]:
        """Yield all keys, in no particular order."""

    @abstractmethod
    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield all keys that begin with a prefix, in no particular order.

        The yielded keys include the prefix.
        """

    @abstractmethod
    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names of the keys and subdirectories directly below a prefix.

        A name contains no ``/``.
        """

    async def is_empty(self, prefix: str) -> bool:
        """Return whether no key is present below a prefix.

        Parameters
        ----------
        prefix : str
            The prefix, treated as a directory; empty for the whole store.

        Raises
        ------
        NotImplementedError
            If the store cannot list keys.
        """
        if not self.supports_listing:
            raise NotImplementedError(f"{type(self).__name__} cannot list keys.")
        keys = self.list_prefix(_as_directory(prefix))
        async for _ in keys:
            if (close := getattr(keys, "aclose", None)) is not None:
                await close()
            return False
        return True


async def _partial_values(
    self: Store,
    prototype: BufferPrototype,
    key_ranges: Iterable[tuple[str, ByteRequest | None]],
) -> list[Buffer | None]:
    """Read values, or byte ranges of values, with `Store.get`; see `Store.get_partial_values`."""
    requests = ((key, prototype, byte_range) for key, byte_range in key_ranges)
    return await concurrent_map(requests, self.get)


async def _delete_each(self: Store, prefix: str) -> None:
    """Call `Store.delete` for each key below a prefix; see `Store.delete_dir`."""
    self._check_writable()
    keys = [(key,) async for key in self.list_prefix(_as_directory(prefix))]
    await concurrent_map(keys, self.delete)
    if (remove_empty := getattr(self, "_remove_empty", None)) is not None:
        await remove_empty(prefix)


async def _clear_directory(self: Store) -> None:
    """Delete all keys by calling `Store.delete_dir`; see `Store.clear`."""
    self._check_writable()
    await read_method(self, "delete_dir")("")


Store._derived = {
    "get_many": Store.get_many,
    "get_ranges": Store.get_ranges,
    "get_partial_values": _partial_values,
    "get_ranges_sync": Store.get_ranges_sync,
    "_get_many_in_thread": Store._get_many_in_thread,
    "delete_dir": _delete_each,
    "clear": _clear_directory,
}


def parse_requests(requests: Iterable[ReadRequest]) -> list[tuple[str, ByteRequest | None]]:
    """Return the requests of `Store.get_many` as pairs of key and byte range.

    Raises
    ------
    TypeError
        If a request is neither a string nor a pair that begins with a string.
    ByteRangeError, ValueError
        If a byte range is not a `ByteRequest`, or has a negative bound.
    """
    pairs: list[tuple[str, ByteRequest | None]] = []
    for request in cast("Iterable[object]", requests):
        if isinstance(request, str):
            pairs.append((request, None))
            continue
        if not isinstance(request, tuple) or len(request) != 2 or not isinstance(request[0], str):
            raise TypeError(f"Expected a key, or a pair of key and byte range. Got {request!r}.")
        check_byte_range(request[1])
        pairs.append(cast("tuple[str, ByteRequest | None]", request))
    return pairs


def note_request(
    error: BaseException, store: Store, key: str, byte_range: ByteRequest | None
) -> None:
    """Add a note with the key, the byte range and the store to the error of a failed read."""
    part = "" if byte_range is None else f", {byte_range}"
    error.add_note(f"while reading {key!r}{part} from {store!r}")


def _as_directory(prefix: str) -> str:
    return prefix if prefix == "" or prefix.endswith("/") else f"{prefix}/"


def _plan_one_key(
    byte_ranges: Iterable[ByteRequest | None], max_gap_bytes: int, max_coalesced_bytes: int
) -> list[Read]:
    policy = CoalescePolicy(max_gap_bytes, max_coalesced_bytes)
    return plan_reads((("", byte_range) for byte_range in byte_ranges), policy)
