"""`FsspecStore`: a store over an fsspec file system. fsspec is imported only when it is used."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from zarr.abc.store import ReadRequest, Store, parse_requests
from zarr.core._bulk_read import bulk_read
from zarr.core._byte_ranges import ByteRequest, check_byte_range
from zarr.core._fetch import BulkReadReport, expected_nbytes, planned_by
from zarr.core._read_options import BulkOptions, Configured, ReadOptions
from zarr.core._read_request import Source
from zarr.core._read_scheduler import ReadScheduler
from zarr.core._redact import redact_failure, redact_url
from zarr.core._writes import writes
from zarr.core.buffer import Buffer
from zarr.core.common import closing, concurrent_map
from zarr.errors import ZarrUserWarning
from zarr.storage._failures import naming, note_failure
from zarr.storage._fsspec_caches import behind_cache, unsure_cache, whole_file_cache
from zarr.storage._fsspec_faults import fault_behind, is_missing_bucket
from zarr.storage._fsspec_fetch import fetch_bytes, find_targets, means_absent
from zarr.storage._fsspec_instances import as_async, as_own, is_async, open_url, same
from zarr.storage._fsspec_links import refuse_links
from zarr.storage._fsspec_listing import bare, below, children, files
from zarr.storage._fsspec_loops import for_running_loop, keep_for
from zarr.storage._fsspec_paths import has_magic, is_remote, join, root_marker
from zarr.storage._fsspec_serial import serialize
from zarr.storage._fsspec_targets import Target, inline_answer
from zarr.storage._transient import retries_itself, transient
from zarr.storage._utils import check_key, check_write, is_allowed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fsspec.asyn import AsyncFileSystem
    from fsspec.mapping import FSMap
    from typing_extensions import Unpack
    from upath import UPath

    from zarr.core._bulk_read import BulkRequest
    from zarr.core._retry import Transient
    from zarr.core.buffer import BufferPrototype

ALLOWED_EXCEPTIONS: Final[tuple[type[Exception], ...]] = (
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
)

_make_async = as_async  # other packages import this name


def _path_of(target: Target, path: str) -> Hashable:
    """Return a hashable value that identifies the object from which a key is read."""
    # A direct read is not merged with a read through a reference. If the object is missing, a
    # direct read shows that the key is absent, but a read through a reference raises an error.
    return id(target.fs), target.path, target.path == path


def _transient(fs: AsyncFileSystem, error: BaseException) -> Transient | None:
    """Return a `Transient` if a failure is transient and `fs` itself does not retry; else None."""
    return None if retries_itself(fs) else transient(error)


class FsspecStore(Store):
    """A store over the objects below a path of an fsspec file system.

    Parameters
    ----------
    fs : fsspec.asyn.AsyncFileSystem
        The file system, made with ``asynchronous=True``. If `fs` was made without this argument,
        the store makes a new instance with this argument, and calls only the new instance.
    read_only : bool
        Whether every attempt to change the store raises an error.
    path : str
        Root of the store within the file system.
    allowed_exceptions : tuple of type
        Types of exceptions that can indicate an absent key. The following conditions apply to the
        default types. A `FileNotFoundError` means an absent key unless its cause is another
        failure. An `IsADirectoryError` means an absent key if the directory contains keys. A
        `NotADirectoryError` means an absent key if the key ends in the name of a metadata document.
        If further types are given, exceptions of these types always mean an absent key. If a read
        of a chunk fails with such an exception, the read returns fill values.
    max_gap_bytes : int, None or "config"
        Requests for two byte ranges of an object are merged into one read only if the gap between
        them has at most this number of bytes. The read includes the gap. Requests of one `get_many`
        call are merged, and so are requests of concurrent callers. If 0, only ranges that touch or
        overlap are merged. If None, only nested ranges are merged. ``"config"`` means the value of
        the setting of the same name (here ``bulk_reads.max_gap_bytes``) when the store is created.
        The configuration default is 16 KiB.
    max_coalesced_bytes : int or "config"
        Maximum size of a merged read, in bytes; a single request can be larger. If the limit is too
        large, a few connections transfer all bytes and the others are idle. The configuration
        default is 4 MiB.
    max_concurrency : int or None
        Maximum number of reads of the store in flight, per event loop. None means the configured
        ``bulk_reads.max_concurrency``. If this setting is also None, the maximum is
        ``async.concurrency`` if the user has set that key, and 64 otherwise.
    window_seconds : float or "config"
        Time in seconds that a request waits for further requests that can be merged with it. The
        configuration default is 0: a request waits only if too many reads are in flight.
    read_ahead_bytes : int or "config"
        Number of bytes to read ahead when an object is read sequentially. These bytes are cached
        for all callers, for at most 60 seconds. The size of the cache is four times this number,
        but at least 16 MiB. Use this option only if no other program or store changes the objects.
        The configuration default is 0.
    max_retries : int or "config"
        Maximum number of retries of a read after a reset or refused connection, a truncated body, a
        timeout, or an HTTP status of 408, 429, 500, 502, 503 or 504. The option is ignored for file
        systems that have their own retries, such as s3fs. The configuration default is 3.
    on_bulk_read : callable or None
        Function called with a `BulkReadReport` after each `get_many`. Exceptions that the function
        raises are ignored. A pickled store does not contain the function.

    Raises
    ------
    TypeError
        If `fs` is a synchronous file system. In that case use `from_url` or `from_mapper`, or wrap
        the file system in fsspec's ``AsyncFileSystemWrapper``.

    Warns
    -----
    ZarrUserWarning
        If `fs` was not made with ``asynchronous=True``.
    """

    supports_writes: bool = True
    supports_deletes: bool = True
    supports_listing: bool = True

    fs: AsyncFileSystem
    path: str
    allowed_exceptions: tuple[type[Exception], ...]

    def __init__(
        self,
        fs: AsyncFileSystem,
        read_only: bool = False,
        path: str = "/",
        allowed_exceptions: tuple[type[Exception], ...] = ALLOWED_EXCEPTIONS,
        *,
        max_gap_bytes: int | Configured | None = "config",
        max_coalesced_bytes: int | Configured = "config",
        max_concurrency: int | None = None,
        window_seconds: float | Configured = "config",
        read_ahead_bytes: int | Configured = "config",
        max_retries: int | Configured = "config",
        on_bulk_read: Callable[[BulkReadReport], object] | None = None,
    ) -> None:
        super().__init__(read_only=read_only)
        options = ReadOptions.configured(
            max_gap_bytes=max_gap_bytes,
            max_coalesced_bytes=max_coalesced_bytes,
            max_concurrency=max_concurrency,
            window_seconds=window_seconds,
            read_ahead_bytes=read_ahead_bytes,
            max_retries=max_retries,
        )
        self._reads = ReadScheduler(options)
        self.on_bulk_read = on_bulk_read
        if not is_async(fs):
            raise TypeError("Filesystem needs to support async operations.")
        if not fs.asynchronous:
            warnings.warn(
                f"fs ({fs}) was not created with `asynchronous=True`, "
                "this may lead to surprising behavior",
                category=ZarrUserWarning,
                stacklevel=2,
            )
        self.fs = fs
        self.path = path
        self.allowed_exceptions = allowed_exceptions
        self._prepare(fs)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_reads" not in state:  # pickled by zarr-python
            self._reads = ReadScheduler(ReadOptions.configured())
            self.on_bulk_read = None
        self._prepare(as_own(self.fs))

    def _prepare(self, fs: AsyncFileSystem) -> None:
        """Prepare a file system for concurrent callers, and register its client for closing."""
        serialize(fs)
        keep_for(self, fs)
        cache = whole_file_cache(fs) or unsure_cache(fs)
        if cache is not None:
            keep_for(self, behind_cache(cache))

    @classmethod
    def from_url(
        cls,
        url: str,
        storage_options: dict[str, Any] | None = None,
        read_only: bool = False,
        allowed_exceptions: tuple[type[Exception], ...] = ALLOWED_EXCEPTIONS,
        **bulk: Unpack[BulkOptions],
    ) -> FsspecStore:
        """Make a store from a URL.

        Parameters
        ----------
        url : str
            A URL that fsspec supports. The URL can be chained (``simplecache::s3://bucket/key``).
        storage_options : dict or None
            Arguments for the file system; None means no arguments.
        read_only : bool
            Whether every attempt to change the store raises an error.
        allowed_exceptions : tuple of exception classes
            Types of exceptions that can indicate an absent key; see `FsspecStore`.
        **bulk
            Options of bulk reads; see `FsspecStore`.

        Raises
        ------
        ValueError
            If no file system is known for the protocol of the URL.
        """
        fs, path = open_url(url, storage_options)
        return cls(
            fs, read_only=read_only, path=path, allowed_exceptions=allowed_exceptions, **bulk
        )

    @classmethod
    def from_mapper(
        cls,
        fs_map: FSMap,
        read_only: bool = False,
        allowed_exceptions: tuple[type[Exception], ...] = ALLOWED_EXCEPTIONS,
        **bulk: Unpack[BulkOptions],
    ) -> FsspecStore:
        """Make a store from an fsspec mapper, the result of `fsspec.get_mapper`.

        Parameters
        ----------
        fs_map : fsspec.FSMap
            The mapper; the file system of the mapper can be synchronous.
        read_only : bool
            Whether every attempt to change the store raises an error.
        allowed_exceptions : tuple of exception classes
            Types of exceptions that can indicate an absent key; see `FsspecStore`.
        **bulk
            Options of bulk reads; see `FsspecStore`.
        """
        return cls._over(as_async(fs_map.fs), read_only, fs_map.root, allowed_exceptions, **bulk)

    @classmethod
    def from_upath(
        cls,
        upath: UPath,
        read_only: bool = False,
        allowed_exceptions: tuple[type[Exception], ...] = ALLOWED_EXCEPTIONS,
        **bulk: Unpack[BulkOptions],
    ) -> FsspecStore:
        """Make a store from a `UPath`, a path of the package universal_pathlib.

        Parameters
        ----------
        upath : upath.UPath
            The path; the file system of the path can be synchronous.
        read_only : bool
            Whether every attempt to change the store raises an error.
        allowed_exceptions : tuple of exception classes
            Types of exceptions that can indicate an absent key; see `FsspecStore`.
        **bulk
            Options of bulk reads; see `FsspecStore`.
        """
        return cls._over(as_async(upath.fs), read_only, upath.path, allowed_exceptions, **bulk)

    @classmethod
    def _over(
        cls,
        fs: AsyncFileSystem,
        read_only: bool,
        path: str,
        allowed_exceptions: tuple[type[Exception], ...],
        **bulk: Unpack[BulkOptions],
    ) -> FsspecStore:
        """Make a store; suppress the warning that `fs` was made without ``asynchronous=True``."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ZarrUserWarning)
            return cls(
                fs, read_only=read_only, path=path, allowed_exceptions=allowed_exceptions, **bulk
            )

    def with_read_only(self, read_only: bool = False) -> FsspecStore:
        # docstring inherited
        view = self._over(
            self.fs,
            read_only,
            self.path,
            self.allowed_exceptions,
            on_bulk_read=self.on_bulk_read,
        )
        view._reads = self._reads  # both stores share one limit on reads in flight
        return view

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, type(self))
            and self.path == other.path
            and self.read_only == other.read_only
            and same(self.fs, other.fs)
        )

    def __repr__(self) -> str:
        path = redact_url(self.path, relative=is_remote(self.fs))
        return f"<{type(self).__name__}({type(self.fs).__name__}, {path})>"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"on_bulk_read": None}

    @property
    def read_options(self) -> ReadOptions:
        """Options of bulk reads: concurrency, merging, retries."""
        return self._reads.options

    @property
    def max_gap_bytes(self) -> int | None:
        """Maximum gap in a merged read, in bytes; None merges only nested ranges."""
        return self.read_options.policy.max_gap_bytes

    @property
    def max_coalesced_bytes(self) -> int:
        """Maximum size of a merged read, in bytes."""
        return self.read_options.policy.max_coalesced_bytes

    @property
    def max_concurrency(self) -> int | None:
        """Maximum number of reads in flight; None means the configured number."""
        return self.read_options.max_concurrency

    # --- reading ------------------------------------------------------------------------

    async def get_many(
        self, requests: Iterable[ReadRequest], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        """Read many values, or byte ranges of values, with merged reads; see `Store.get_many`.

        Each key is first resolved to an object. With fsspec's reference file system, this is the
        target of a reference; otherwise, it is the object at the path of the key. The options of
        the store determine which requests for one object are merged. If the file system overrides
        ``_cat_ranges``, this override receives batches of merged reads. Otherwise each merged read
        is a separate call. fsspec's default ``_cat_ranges`` is not called, because it does not
        merge reads. Moreover, its reads continue after the call is cancelled.
        """
        wanted = parse_requests(requests)
        paths = [self._path_of(key) for key, _ in wanted]
        fs = for_running_loop(self.fs)
        targets = await find_targets(self, fs, wanted, paths)
        located: list[BulkRequest] = []
        for request, target, path in zip(wanted, targets, paths):
            found = inline_answer(target, request[1])
            if isinstance(found, Target):
                located.append((_path_of(found, path), found.locate(request[1])))
            else:
                located.append(found)

        def make_source(index: int) -> Source:
            target = targets[index]
            assert isinstance(target, Target)
            return self._source(target, wanted[index], paths[index])

        make_buffer = prototype.buffer.from_bytes
        batches = bulk_read(self._reads, located, make_source, make_buffer, self.on_bulk_read)
        async with closing(batches):
            async for batch in batches:
                yield batch

    def _source(self, target: Target, request: tuple[str, ByteRequest | None], path: str) -> Source:
        """Return the `Source` that reads the object of a request."""
        return Source(
            _path_of(target, path),
            partial(fetch_bytes, self, target, request, path),
            partial(_transient, target.fs),
        )

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        # docstring inherited
        check_byte_range(byte_range)
        request = (key, byte_range)
        path = self._path_of(key)
        (target,) = await find_targets(self, for_running_loop(self.fs), [request], [path])
        data = inline_answer(target, byte_range)
        if isinstance(data, Target):
            data = await self._reads.read(
                self._source(data, request, path),
                data.locate(byte_range),
                caller=planned_by(),
                nbytes=expected_nbytes(),
            )
        return None if data is None else prototype.buffer.from_bytes(data)

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
        path = self._path_of(key)
        fs = for_running_loop(self.fs)
        try:
            await fs._info(path)
        except Exception as error:
            if isinstance(error, NotADirectoryError):
                return False
            if await means_absent(self, fs, key, path, error):
                return False
            self._fail(error, key)
        return True

    async def getsize(self, key: str) -> int:
        # docstring inherited
        fs = for_running_loop(self.fs)
        try:
            info = await fs._info(self._path_of(key))
        except Exception as error:
            self._fail(error, key)
        if info["type"] == "directory":
            raise FileNotFoundError(key)
        if info["size"] is None:  # the server does not report the size
            return await super().getsize(key)
        return int(info["size"])

    # --- writing ------------------------------------------------------------------------

    @writes
    async def set(self, key: str, value: Buffer, byte_range: tuple[int, int] | None = None) -> None:
        """Write the value of a key, replacing any previous value; see `Store.set`.

        Parameters
        ----------
        key : str
            The key.
        value : Buffer
            All bytes of the new value.
        byte_range : None
            Must be None: partial writes are not supported.

        Raises
        ------
        TypeError
            If `value` is not a `Buffer`.
        NotImplementedError
            If `byte_range` is not None.
        ValueError
            If the store is read-only.
        """
        check_write(self, key, value, "FsspecStore")
        path = self._path_of(key)
        if byte_range is not None:
            raise NotImplementedError
        with naming(self, key):
            await for_running_loop(self.fs)._pipe_file(path, value.to_bytes())

    @writes
    async def delete(self, key: str) -> None:
        # docstring inherited
        self._check_writable()
        path = self._path_of(key)
        fs = for_running_loop(self.fs)
        await refuse_links(fs, self._path_of_prefix(""), path)
        try:
            await fs._rm_file(path)
        except (FileNotFoundError, IsADirectoryError) as error:
            if fault_behind(error) is not None:
                self._fail(error, key)
        except Exception as error:
            self._fail(error, key)

    @writes
    async def delete_dir(self, prefix: str) -> None:
        # docstring inherited
        self._check_writable()
        fs = for_running_loop(self.fs)
        fs.invalidate_cache()  # a stale listing may lack objects that must be deleted
        directory = self._path_of_prefix(prefix)
        await refuse_links(fs, self._path_of_prefix(""), directory)
        names = await below(fs, directory)
        if names is not None and not any(
            has_magic(name) or name.endswith("/") for name in (directory, *names)
        ):
            if names:
                await fs._rm(names)
                fs.invalidate_cache()
                self._check_gone(prefix, set(names).intersection(await below(fs, directory) or ()))
            return
        if prefix.strip("/"):
            targets = [directory]
        else:
            # Do not delete the root itself: the store may be unable to create the bucket again.
            targets = [child.path for child in await children(fs, directory)]
        keys = [key async for key in self.list_prefix(prefix)]
        if any(has_magic(name) for name in (directory, *keys)):
            # fsspec would treat such a name as a glob pattern, and delete all matching keys.
            await concurrent_map([(key,) for key in keys], self.delete)
            return
        for target in targets:
            try:
                await fs._rm(target, recursive=True)
            except FileNotFoundError as error:
                if fault_behind(error) is not None:
                    self._fail(error, prefix)
            except RecursionError:  # fsspec and shutil recurse once per directory level
                await concurrent_map([(key,) for key in keys], self.delete)
        # S3 reports failures of a bulk deletion in a part of the response that s3fs ignores.
        fs.invalidate_cache()
        self._check_gone(
            prefix, set(keys).intersection([key async for key in self.list_prefix(prefix)])
        )

    def _check_gone(self, prefix: str, kept: Collection[str]) -> None:
        if kept:
            raise OSError(
                f"{len(kept)} keys below {prefix!r} in {self!r} could not be deleted, "
                f"among them {min(kept)!r}."
            )

    # --- listing ------------------------------------------------------------------------

    async def list(self) -> AsyncIterator[str]:
        # docstring inherited
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield all keys below a prefix, and the key that equals the prefix.

        Parameters
        ----------
        prefix : str
            The prefix, which names a directory of keys; empty for all keys.
        """
        fs = for_running_loop(self.fs)
        for key, _ in await self._files(fs, prefix):
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        fs = for_running_loop(self.fs)
        with naming(self, prefix):
            found = await children(fs, self._path_of_prefix(prefix))
        for child in found:
            yield child.name

    async def getsize_prefix(self, prefix: str) -> int:
        # docstring inherited
        total = 0
        unknown = []
        for key, nbytes in await self._files(for_running_loop(self.fs), prefix, sizes=True):
            if nbytes is None:
                unknown.append((key,))
            else:
                total += nbytes
        return total + sum(await concurrent_map(unknown, self.getsize))

    async def _files(
        self, fs: AsyncFileSystem, prefix: str, *, sizes: bool = False
    ) -> Sequence[tuple[str, int | None]]:
        """Return the keys below a prefix, each with its size in bytes (None if unknown)."""
        root = bare(fs, self._path_of_prefix(""))
        with naming(self, prefix):
            found = await files(fs, self._path_of_prefix(prefix), sizes=sizes)
        keys = ((bare(fs, name)[len(root) :].removeprefix("/"), nbytes) for name, nbytes in found)
        return [(key, nbytes) for key, nbytes in keys if key and is_allowed(key)]

    # --- paths --------------------------------------------------------------------------

    def _path_of(self, key: str) -> str:
        """Return the path of a key in the file system."""
        check_key(key)
        return join(self.path if self.path.strip("/") else root_marker(self.fs), key)

    def _path_of_prefix(self, prefix: str) -> str:
        prefix = prefix.strip("/")
        if prefix:
            return self._path_of(prefix)
        return self.path.rstrip("/") or self.path[:1]

    # --- failures -----------------------------------------------------------------------

    def _fail(self, error: Exception, key: str, byte_range: ByteRequest | None = None) -> NoReturn:
        """Raise `error` or its original cause, after adding a note that names the request."""
        fault = fault_behind(error) if isinstance(error, FileNotFoundError) else None
        # Code that opens arrays expects a `FileNotFoundError` if the bucket is missing.
        failure = error if fault is None or is_missing_bucket(fault) else fault
        redact_failure(error)
        note_failure(failure, self, key, byte_range)
        raise failure from failure.__cause__
