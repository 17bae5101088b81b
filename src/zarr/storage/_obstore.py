"""`ObjectStore`: a store over an obstore store. obstore is imported only when it is used."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import AsyncIterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from zarr.abc.store import ReadRequest, Store, parse_requests
from zarr.core._bulk_read import bulk_read
from zarr.core._byte_ranges import (
    OffsetByteRequest,
    RangeByteRequest,
    SuffixByteRequest,
    check_byte_range,
    is_empty_request,
    resolve_byte_range,
)
from zarr.core._fetch import expected_nbytes, planned_by
from zarr.core._read_options import ReadOptions
from zarr.core._read_request import Source
from zarr.core._read_scheduler import ReadScheduler
from zarr.core._redact import redact_failure, redact_urls_in
from zarr.core._writes import writes
from zarr.core.buffer import Buffer
from zarr.core.common import closing, concurrent_map
from zarr.core.sync import in_pool
from zarr.storage._failures import naming, note_failure
from zarr.storage._local_files import refuse_pipe
from zarr.storage._utils import can_be_key, check_key, check_write, frozen, is_allowed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from obstore.store import ObjectStore as AnyObstore
    from typing_extensions import Unpack

    from zarr.core._byte_ranges import ByteRequest
    from zarr.core._read_options import BulkOptions
    from zarr.core.buffer import BufferPrototype

T_Store = TypeVar("T_Store", bound="AnyObstore")

_KEYS_PER_DELETION = 1000  # the limit of one request to S3
_runtime_pid: int | None = None


class ObjectStore(Store, Generic[T_Store]):
    """A store over an obstore store: S3, Google Cloud, Azure, HTTP, a directory, or memory.

    Parameters
    ----------
    store : obstore.store.ObjectStore
        The obstore store. If the obstore store has a prefix, the prefix is the root of this store.
    read_only : bool
        Whether every attempt to change the store raises an error.
    **bulk
        Options of bulk reads: the keyword arguments of `FsspecStore` for merging and concurrency,
        and `on_bulk_read`. `max_retries` has no effect, because obstore has its own retries; see
        the ``retry_config`` of obstore.

    Raises
    ------
    TypeError
        If `store` is not an obstore store, or if an option is not a number.
    ValueError
        If an option is out of range.
    """

    store: T_Store

    def __init__(
        self, store: T_Store, *, read_only: bool = False, **bulk: Unpack[BulkOptions]
    ) -> None:
        from obstore.store import ObjectStore as AnyObstore

        if not isinstance(store, AnyObstore):
            raise TypeError(f"expected ObjectStore class, got {store!r}")
        super().__init__(read_only=read_only)
        self.on_bulk_read = bulk.pop("on_bulk_read", None)
        self._reads = ReadScheduler(ReadOptions.configured(**bulk))
        self.store = store
        self._directory = _directory_of(store)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"on_bulk_read": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_reads" not in state:  # pickled by zarr-python
            self._reads = ReadScheduler(ReadOptions.configured())
            self.on_bulk_read = None
            if isinstance(self.store, bytes):
                self.store = pickle.loads(self.store)
        self._directory = _directory_of(self.store)

    def with_read_only(self, read_only: bool = False) -> ObjectStore[T_Store]:
        # docstring inherited
        view = type(self)(self.store, read_only=read_only)
        # The view and the original store share one limit on the number of reads in flight.
        view._reads, view.on_bulk_read = self._reads, self.on_bulk_read
        return view

    @property
    def read_options(self) -> ReadOptions:
        """Options of bulk reads: concurrency and merging."""
        return self._reads.options

    def __eq__(self, value: object) -> bool:
        return (
            isinstance(value, ObjectStore)
            and self.read_only == value.read_only
            and bool(self.store == value.store)
        )

    def __str__(self) -> str:
        return f"object_store://{redact_urls_in(str(self.store))}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"

    # --- reading ------------------------------------------------------------------------

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        # docstring inherited
        check_byte_range(byte_range)
        check_key(key)
        if not key:
            return None
        data = await self._reads.read(
            self._source(key, byte_range),
            byte_range,
            caller=planned_by(),
            nbytes=expected_nbytes(),
        )
        return None if data is None else prototype.buffer.from_bytes(data)

    async def get_many(
        self, requests: Iterable[ReadRequest], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        """Read many values, or byte ranges of values, with merged reads; see `Store.get_many`.

        The options of the store determine which requests for one object are merged.
        """
        wanted = parse_requests(requests)
        for key, _ in wanted:
            check_key(key)
        located = [(key, byte_range) if key else None for key, byte_range in wanted]
        make_buffer = prototype.buffer.from_bytes
        batches = bulk_read(
            self._reads,
            located,
            lambda index: self._source(*wanted[index]),
            make_buffer,
            self.on_bulk_read,
        )
        async with closing(batches):
            async for batch in batches:
                yield batch

    def _source(self, key: str, wanted: ByteRequest | None) -> Source:
        """Return the `Source` that reads the object with the given key."""
        return Source(key, partial(self._fetch, key, wanted))

    async def _fetch(
        self, key: str, wanted: ByteRequest | None, byte_range: ByteRequest | None
    ) -> Any:
        """Read the bytes in `byte_range`; return None if the key is absent.

        `wanted`, the byte range that the caller requested, appears in error messages. `byte_range`
        includes `wanted`, and may be larger because of merging.
        """
        try:
            _check_runtime()
            if self._directory is not None:
                await self._refuse_pipe(key)
            if byte_range is None:
                return await self._read_checked(key, None)
            return await self._read_range(key, byte_range)
        except Exception as error:
            if _is_not_found(error):
                return None
            self._fail(error, key, wanted)

    def _fail(self, error: Exception, key: str, byte_range: ByteRequest | None = None) -> NoReturn:
        """Raise an exception, after redacting secrets and adding a note that names the request."""
        redact_failure(error)
        note_failure(error, self, key, byte_range)
        raise error

    async def _read_range(self, key: str, byte_range: ByteRequest) -> Any:
        """Return the bytes in a byte range, as an object that supports the buffer protocol."""
        import obstore

        if is_empty_request(byte_range):
            await obstore.head_async(self.store, key)  # obstore does not accept an empty range
            return b""
        if byte_range == OffsetByteRequest(0):
            return await self._read_checked(key, None)
        try:
            return await self._read_checked(key, byte_range)
        except obstore.exceptions.BaseError as error:
            if _is_not_found(error):
                raise
            return await self._read_by_size(key, byte_range, error)

    async def _refuse_pipe(self, key: str) -> None:
        """Raise an error if the local file of a key is a pipe: obstore would block on a pipe."""
        if self._directory is not None:
            path = os.path.join(self._directory, key)
            await in_pool(lambda: refuse_pipe(path))

    async def _read_checked(self, key: str, byte_range: ByteRequest | None) -> Any:
        """Return the bytes after checking that their length matches the range in the response.

        obstore checks the range of a response against the request, but it does not check the length
        of the body. obstore also neither detects nor decodes a compressed body.

        Raises
        ------
        OSError
            If the body of the response has the wrong length, or if an HTTP server has compressed
            the body.
        """
        import obstore

        is_http = isinstance(self.store, obstore.store.HTTPStore)
        if isinstance(byte_range, RangeByteRequest) and not is_http:
            data = await obstore.get_range_async(
                self.store, key, start=byte_range.start, end=byte_range.end
            )
            if len(data) != byte_range.end - byte_range.start:
                nbytes = int((await obstore.head_async(self.store, key))["size"])
                start, stop = resolve_byte_range(byte_range, nbytes)
                _check_length(data, stop - start)
            return data
        options = None if byte_range is None else {"range": _option(byte_range)}
        answer = await obstore.get_async(self.store, key, options=options)
        if is_http:
            coding = answer.attributes.get("Content-Encoding", "identity")
            # Content-Encoding is checked only for HTTP servers. On other backends, Content-Encoding
            # is an attribute that is stored with the object; it does not show that the server
            # compressed the response.
            if coding != "identity":
                raise OSError(
                    errno.EIO,
                    "expected an object without Content-Encoding, but the server sent "
                    f"Content-Encoding {coding!r}",
                )
        data = await answer.bytes_async()
        start, stop = answer.range
        _check_length(data, stop - start)
        return data

    async def _read_by_size(self, key: str, byte_range: ByteRequest, error: Exception) -> Any:
        """Use the size of the object to answer a request whose byte range the backend rejected.

        obstore raises a generic error for a range past the end of an object. Azure does not support
        suffix ranges.
        """
        import obstore

        try:
            nbytes = int((await obstore.head_async(self.store, key))["size"])
        except Exception as other:
            if _is_not_found(other):
                raise
            raise error from None  # report the failure of the read instead of `other`
        start, stop = resolve_byte_range(byte_range, nbytes)
        if start == stop:
            return b""
        if isinstance(byte_range, SuffixByteRequest) and isinstance(
            error, obstore.exceptions.NotSupportedError
        ):
            return await self._read_checked(key, RangeByteRequest(start, stop))
        raise error

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        # docstring inherited
        requests = [(key, prototype, byte_range) for key, byte_range in key_ranges]
        return await concurrent_map(requests, self.get)

    async def exists(self, key: str) -> bool:
        # docstring inherited
        import obstore

        check_key(key)
        if not key:
            return False
        _check_runtime()
        try:
            await self._refuse_pipe(key)
        except OSError:
            return False
        with naming(self, key):
            try:
                await obstore.head_async(self.store, key)
            except Exception as error:
                if _is_not_found(error):
                    return False
                raise
        return True

    async def getsize(self, key: str) -> int:
        # docstring inherited
        import obstore

        check_key(key)
        _check_runtime()
        with naming(self, key):
            await self._refuse_pipe(key)
            try:
                return int((await obstore.head_async(self.store, key))["size"])
            except obstore.exceptions.NotFoundError as error:
                raise FileNotFoundError(key) from error

    # --- writing ------------------------------------------------------------------------

    @property
    def supports_writes(self) -> bool:
        # docstring inherited
        return True

    @property
    def supports_deletes(self) -> bool:
        # docstring inherited
        return True

    @writes
    async def set(self, key: str, value: Buffer) -> None:
        # docstring inherited
        import obstore

        self._check_value(key, value)
        with naming(self, key):
            await obstore.put_async(self.store, key, frozen(value).as_buffer_like())

    @writes
    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        # docstring inherited
        import obstore

        self._check_value(key, value)
        data = frozen(value).as_buffer_like()
        try:
            with naming(self, key):
                await obstore.put_async(self.store, key, data, mode="create")
        except (obstore.exceptions.AlreadyExistsError, FileExistsError):
            return
        except (obstore.exceptions.NotSupportedError, NotImplementedError):
            await super().set_if_not_exists(key, value)

    def _check_value(self, key: str, value: Buffer) -> None:
        check_write(self, key, value, "ObjectStore")
        _check_runtime()

    @writes
    async def delete(self, key: str) -> None:
        # docstring inherited
        import obstore

        self._check_writable()
        check_key(key)
        _check_runtime()
        with naming(self, key):
            try:
                await obstore.delete_async(self.store, key)
            except Exception as error:
                if not _is_not_found(error):
                    raise

    @writes
    async def delete_dir(self, prefix: str) -> None:
        # docstring inherited
        self._check_writable()
        keys = iter([key async for key in self.list_prefix(prefix)])
        with naming(self, prefix):
            while batch := list(islice(keys, _KEYS_PER_DELETION)):
                await self._delete_batch(batch)

    async def _delete_batch(self, keys: list[str]) -> None:
        import obstore

        try:
            await obstore.delete_async(self.store, keys)
        except Exception as error:
            if not _is_not_found(error):
                raise
            # Another writer deleted one of the keys. obstore does not report which keys remain, so
            # delete the keys one by one.
            await concurrent_map([(key,) for key in keys], self.delete)

    # --- listing ------------------------------------------------------------------------

    @property
    def supports_listing(self) -> bool:
        # docstring inherited
        return True

    def list(self) -> AsyncIterator[str]:
        # docstring inherited
        return self.list_prefix("")

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield all keys below a prefix.

        Parameters
        ----------
        prefix : str
            The prefix, which names a directory of keys; empty for all keys.
        """
        return self._list_prefix(prefix)

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        return self._list_dir(prefix)

    async def _list_prefix(self, prefix: str) -> AsyncIterator[str]:
        async for portion in self._objects(prefix):
            for key, _ in portion:
                yield key

    async def getsize_prefix(self, prefix: str) -> int:
        # docstring inherited
        return sum([size async for portion in self._objects(prefix) for _, size in portion])

    async def _objects(self, prefix: str) -> AsyncIterator[Sequence[tuple[str, int]]]:
        """Yield keys below a prefix, with the sizes of their values, in batches."""
        import obstore

        _check_runtime()
        with naming(self, prefix):
            async for batch in obstore.list(self.store, prefix=prefix.strip("/") or None):
                found = [(each["path"], each["size"]) for each in batch if is_allowed(each["path"])]
                if self._has_folders:
                    empty = [key for key, size in found if size == 0]
                    there = await concurrent_map([(key,) for key in empty], self.exists)
                    folders = {key for key, exists in zip(empty, there, strict=True) if not exists}
                    found = [(key, size) for key, size in found if key not in folders]
                yield found

    @property
    def _has_folders(self) -> bool:
        """Whether the store may contain folder markers: empty objects whose names end with a slash.

        For example, obstore lists the folder marker ``a/`` as ``a``. If the store contains no
        object with the name ``a``, `exists` returns False for the key ``a``.
        """
        from obstore.store import LocalStore, MemoryStore

        return not isinstance(self.store, (LocalStore, MemoryStore))

    async def _list_dir(self, prefix: str) -> AsyncIterator[str]:
        import obstore

        _check_runtime()
        prefix = prefix.strip("/")
        with naming(self, prefix):
            found = await obstore.list_with_delimiter_async(self.store, prefix=prefix or None)
        paths = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
        # If there is a folder marker for the prefix itself, one of the names is empty. `can_be_key`
        # rejects the empty name.
        names = dict.fromkeys(path[len(prefix) :].strip("/") for path in paths)
        for name in names:
            if can_be_key(name):
                yield name


# Error codes for a missing bucket (S3, Google) or a missing container (Azure). For these codes,
# obstore raises the same exception as for a missing key. The codes tell the cases apart: only a
# missing key may be read as a fill value.
_NO_BUCKET = ("<Code>NoSuchBucket</Code>", "<Code>ContainerNotFound</Code>")


def _is_not_found(error: BaseException) -> bool:
    from obstore.exceptions import NotFoundError

    if not isinstance(error, (NotFoundError, FileNotFoundError)):
        return False
    message = str(error)
    return not any(code in message for code in _NO_BUCKET)


def _check_length(data: Any, nbytes: int) -> None:
    if len(data) != nbytes:
        raise OSError(errno.EIO, f"expected {nbytes} bytes, but the server sent {len(data)} bytes")


def _option(byte_range: ByteRequest) -> Any:
    if isinstance(byte_range, RangeByteRequest):
        return byte_range.start, byte_range.end
    if isinstance(byte_range, OffsetByteRequest):
        return {"offset": byte_range.offset}
    assert isinstance(byte_range, SuffixByteRequest)
    return {"suffix": byte_range.suffix}


def _check_runtime() -> None:
    """Raise an error in a forked child process, in which the threads of obstore do not exist.

    Raises
    ------
    RuntimeError
        If the parent process used obstore before the fork. In that case every call of obstore in
        the child would block forever.
    """
    global _runtime_pid
    pid = os.getpid()
    if _runtime_pid is None:
        _runtime_pid = pid
    elif _runtime_pid != pid:
        raise RuntimeError(
            "obstore cannot be used in this process, because the process was forked after its "
            "parent had used obstore. Start processes with the 'spawn' or 'forkserver' method."
        )


def _directory_of(store: AnyObstore) -> str | None:
    """Return the absolute directory of an obstore `LocalStore`; None for other stores."""
    from obstore.store import LocalStore

    if not isinstance(store, LocalStore):
        return None
    return os.path.abspath(store.prefix or os.sep)
