"""The contract of stores: keys to values, as bytes."""

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

# Requests for the same bytes still share one read.
NEVER_MERGE = CoalescePolicy(max_gap_bytes=None, max_coalesced_bytes=0)

# Most that is answered at once in the calling thread, before any of it is used.
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

    A key is a relative path with ``/`` between its parts, a prefix one that may be empty. `get`
    is the one way to read that a store has to give; what else reads is derived from it, and a
    store overrides what it can do better. A subclass that overrides `get` alone, to retry or to
    log, means every read: what it inherits that reads otherwise goes back to being derived from
    `get`. The same holds for `get_sync` in the calling thread.

    Parameters
    ----------
    read_only : bool
        Whether every method that changes the store refuses to.
    """

    _read_only: bool
    _is_open: bool

    # Whether those who wait go by `get_many` like others, though there is a `get_sync`: a store
    # around another one, which may have a better way than one read after the other.
    _prefers_get_many: ClassVar[bool] = False
    # Whether coroutines may wait for what only an event loop brings about. A class says so of
    # itself alone: what derives from it may wait.
    _coroutines_wait: ClassVar[bool] = True
    _access: ClassVar[StoreAccess]
    _derived: ClassVar[dict[str, Any]]  # how each is derived, by its name
    _find_methods: ClassVar[Callable[[type[Store]], Any]]  # those that the record is made of
    _methods: ClassVar[Any]  # as they were when the class was made

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
            Positional arguments of the class.
        **kwargs
            Keyword arguments of the class.
        """
        store = cls(*args, **kwargs)
        await store._open()
        return store

    async def _open(self) -> None:
        """Open the store, which may be done once.

        Raises
        ------
        ValueError
            If it is open already.
        """
        if self._is_open:
            raise ValueError("store is already open")
        self._is_open = True

    async def _ensure_open(self) -> None:
        """Open the store if it is not."""
        if self._is_open:
            return
        try:
            await self._open()
        except ValueError:
            if not self._is_open:  # else another task was faster
                raise

    def close(self) -> None:
        """Let go of what the store holds open."""
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
        """Return a store over the same data that is, or is not, read-only.

        Parameters
        ----------
        read_only : bool
            What the new store is.

        Raises
        ------
        NotImplementedError
            If the store cannot be made a second time.
        """
        raise NotImplementedError(
            f"with_read_only is not implemented for the {type(self)} store type."
        )

    @property
    def read_only(self) -> bool:
        """Whether every method that changes the store refuses to."""
        return self._read_only

    def _check_writable(self) -> None:
        """Refuse to change a read-only store.

        Raises
        ------
        ValueError
            If the store is read-only.
        """
        if self.read_only:
            raise ValueError("store was opened in read-only mode and does not support writing")

    @abstractmethod
    def __eq__(self, value: object) -> bool:
        """Tell whether `value` is a store over the same data."""

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
            Its ``buffer`` class holds the result.
        byte_range : ByteRequest or None
            Which bytes; None for all. What lies past the end of the value is left out.

        Returns
        -------
        Buffer or None
            The bytes; None only if the key is proven to be absent.

        Raises
        ------
        Exception
            Whatever else goes wrong. A fault is never None.
        """

    @abstractmethod
    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Read values, or parts of them.

        Parameters
        ----------
        prototype : BufferPrototype
            Its ``buffer`` class holds the results.
        key_ranges : iterable of tuple
            Keys, each with the bytes wanted, None for all. A key may come more than once.

        Returns
        -------
        list of Buffer or None
            In the order of `key_ranges`, each what `get` returns.

        Raises
        ------
        Exception
            The first failure of a read. No further one starts then, and those in flight, at most
            ``async.concurrency``, are cancelled.
        """
        return await _partial_values(self, prototype, key_ranges)

    async def get_many(
        self, requests: Iterable[ReadRequest], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        """Read many values, or parts of them, in one call.

        It answers what a loop over `get` would, item by item, and lets a store that knows where
        its values lie fetch neighbours together. This default calls `get`, several at a time;
        requests for the same bytes share one call, and a request for a whole value answers those
        for parts of it. A store with a better way overrides it. How much to merge, and how many
        reads run at once, is the store's to know, so there is no parameter for it.

        Iterate under `contextlib.aclosing` where the loop may be left early.

        Parameters
        ----------
        requests : iterable of str or tuple of (str, ByteRequest or None)
            Keys, or keys with the bytes wanted, None for all. Read once; a request may come more
            than once, and is answered for each of its positions.
        prototype : BufferPrototype
            Its ``buffer`` class holds the results.

        Yields
        ------
        sequence of tuple
            ``(index into requests, bytes)``. Every index comes exactly once, in the order in which
            reads complete; the first batch comes before the last read is answered. The bytes are
            None only if the key is proven to be absent. They may share memory with each other.

        Raises
        ------
        TypeError, ValueError
            If a request is not a key or a key with a byte range, before anything is read.
        Exception
            The first failure, as the store raised it, with a note that names key, range and store.
            No further read starts then, and those in flight are cancelled; the same holds when the
            iterator is closed or the consumer is cancelled.
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

    # A store by itself has to say how it does this; one that derives from a store gets it above.
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
        """Read many parts of one value, neighbours together.

        Parameters
        ----------
        key : str
            The key.
        byte_ranges : iterable of ByteRequest or None
            The parts; None for the whole value.
        prototype : BufferPrototype
            Its ``buffer`` class holds the results.
        max_concurrency : int
            Most reads in flight.
        max_gap_bytes : int
            Ranges no further apart than this are fetched by one read; 0 for touching ones only.
        max_coalesced_bytes : int
            Largest such merged read, in bytes; a single range may be larger.

        Yields
        ------
        sequence of tuple
            ``(index into byte_ranges, bytes)``, in the order in which reads complete; each index
            comes exactly once.

        Raises
        ------
        ExceptionGroup
            Of the first failure; of a `FileNotFoundError` if the key is absent. Use ``except*``.
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
        """Read many parts of one value, neighbours together, in the calling thread.

        Parameters
        ----------
        key : str
            Key of the value.
        byte_ranges : iterable of ByteRequest or None
            Parts of the value to read; None for all of it.
        prototype : BufferPrototype
            Classes that hold data.
        max_gap_bytes : int
            Largest gap between two ranges that one read fetches, in bytes.
        max_coalesced_bytes : int
            Largest merged read, in bytes.

        Returns
        -------
        list of tuple
            ``(index into byte_ranges, bytes)``.

        Raises
        ------
        TypeError
            If the store has no `get_sync`.
        ExceptionGroup
            Of a `FileNotFoundError` if the key is absent, as `get_ranges` raises it; use
            ``except*``. Other failures come as they are.
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
        """Answer `get_many` to a thread that waits.

        A store that reads in the calling thread does it there, portion by portion as they are
        asked for. For any other one `get_many` goes on, on the event loop, while the caller is
        busy with what came.

        Parameters
        ----------
        requests : iterable of ReadRequest
            As for `get_many`; so are what is yielded, and the errors raised.
        prototype : BufferPrototype
            Classes that hold data.
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
        """Answer `get_many` by `get_sync`, one request after the other."""
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
        """Yield the answers to several `get` requests, each with its key, in the given order."""
        for key, prototype, byte_range in requests:
            yield key, await self.get(key, prototype, byte_range)

    @abstractmethod
    async def exists(self, key: str) -> bool:
        """Tell whether a key has a value."""

    async def getsize(self, key: str) -> int:
        """Return the size of the value of a key.

        Returns
        -------
        int
            Size in bytes.

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
        """Return the size of all values below a prefix together.

        Parameters
        ----------
        prefix : str
            The prefix; empty for the whole store.

        Returns
        -------
        int
            Size in bytes, 0 where there is nothing.
        """
        keys = [(key,) async for key in self.list_prefix(_as_directory(prefix))]
        return sum(await concurrent_map(keys, self.getsize))

    # --- writing ------------------------------------------------------------------------

    @property
    @abstractmethod
    def supports_writes(self) -> bool:
        """Whether values can be written at all."""

    @property
    def supports_partial_writes(self) -> bool:
        """Always False: values are written whole."""
        return False

    @property
    @abstractmethod
    def supports_deletes(self) -> bool:
        """Whether values can be deleted."""

    @property
    def supports_consolidated_metadata(self) -> bool:
        """Whether consolidated metadata make sense for the store."""
        return True

    @abstractmethod
    async def set(self, key: str, value: Buffer) -> None:
        """Write the value of a key, replacing the one before.

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
        """Write the value of a key unless it has one.

        Two writers at once may both find the key absent, unless the store overrides this.

        Raises
        ------
        ValueError
            If the store is read-only.
        """
        self._check_writable()
        if not await self.exists(key):
            await self.set(key, value)

    async def _set_many(self, values: Iterable[tuple[str, Buffer]]) -> None:
        """Write several values, several at a time."""
        await concurrent_map(values, self.set)

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Delete a key; one that is absent already is no error.

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
            The prefix, taken as a directory: ``a`` does not cover the key ``ab``. Empty for all.

        Raises
        ------
        NotImplementedError
            If the store cannot list, or cannot delete.
        ValueError
            If the store is read-only.
        """
        if not self.supports_deletes or not self.supports_listing:
            raise NotImplementedError(f"{type(self).__name__} cannot delete by prefix.")
        self._check_writable()
        keys = [(key,) async for key in self.list_prefix(_as_directory(prefix))]
        await concurrent_map(keys, self.delete)

    async def clear(self) -> None:
        """Delete all keys.

        Raises
        ------
        NotImplementedError
            If the store cannot list, or cannot delete.
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
        """Yield all keys that begin with a prefix, in full and in no particular order."""

    @abstractmethod
    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names directly below a prefix: keys and first parts of keys, without ``/``."""

    async def is_empty(self, prefix: str) -> bool:
        """Tell whether no key lies below a prefix.

        Parameters
        ----------
        prefix : str
            The prefix, taken as a directory; empty for the whole store.

        Raises
        ------
        NotImplementedError
            If the store cannot list.
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
    """Read values, or parts of them, by `Store.get`; see `Store.get_partial_values`."""
    requests = ((key, prototype, byte_range) for key, byte_range in key_ranges)
    return await concurrent_map(requests, self.get)


async def _delete_each(self: Store, prefix: str) -> None:
    """Delete all keys below a prefix by `Store.delete`; see `Store.delete_dir`."""
    self._check_writable()
    keys = [(key,) async for key in self.list_prefix(_as_directory(prefix))]
    await concurrent_map(keys, self.delete)
    if (remove_empty := getattr(self, "_remove_empty", None)) is not None:
        await remove_empty(prefix)


async def _clear_directory(self: Store) -> None:
    """Delete all keys by `Store.delete_dir`; see `Store.clear`."""
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
        If a request is neither a string nor a pair that begins with one.
    ByteRangeError, ValueError
        If a byte range is not one, or has a negative bound.
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
    """Add to a failed read which key, which bytes and which store it was about."""
    part = "" if byte_range is None else f", {byte_range}"
    error.add_note(f"while reading {key!r}{part} from {store!r}")


def _as_directory(prefix: str) -> str:
    return prefix if prefix == "" or prefix.endswith("/") else f"{prefix}/"


def _plan_one_key(
    byte_ranges: Iterable[ByteRequest | None], max_gap_bytes: int, max_coalesced_bytes: int
) -> list[Read]:
    policy = CoalescePolicy(max_gap_bytes, max_coalesced_bytes)
    return plan_reads((("", byte_range) for byte_range in byte_ranges), policy)
