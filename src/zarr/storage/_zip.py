"""`ZipStore`: a store in one ZIP archive."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

from zarr.abc.store import ReadRequest, Store, note_request, parse_requests
from zarr.core._byte_ranges import check_byte_range, resolve_byte_range
from zarr.core._coalesce import MiB
from zarr.core._redact import redact_urls_in
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.core.common import concurrent_map
from zarr.core.sync import in_pool
from zarr.storage._failures import note_failure
from zarr.storage._local_files import move
from zarr.storage._utils import (
    as_directory,
    check_key,
    check_keys,
    check_write,
    children,
    is_allowed,
)
from zarr.storage._zip_forks import release_in_forks
from zarr.storage._zip_pickles import state_of_zarr_python
from zarr.storage._zip_reader import (
    PositionalReader,
    check_member,
    given,
    is_directory,
    of_size,
    path_or_file,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
    from zipfile import ZipFile, ZipInfo

    from zarr.core._byte_ranges import ByteRequest
    from zarr.core.buffer import BufferPrototype
    from zarr.storage._zip_archive import Archive

    _Wanted: TypeAlias = tuple[int, str, ByteRequest | None]

ZipMode: TypeAlias = Literal["r", "w", "a", "x"]

_STORED = 0
_ENCRYPTED = 0x1
_REGULAR_FILE = 0o100644 << 16

# Limits of one batch of a bulk read: number of members, and approximate number of bytes.
_MEMBERS_A_HOP = 64
_BYTES_A_HOP = 1 * MiB


class ZipStore(Store):
    """A store in a ZIP archive.

    The archive is opened on first use. If a key is written twice, the archive contains two members
    of this name, and the second member contains the current value. Keys cannot be deleted. `close`
    writes the central directory; until then, other readers cannot open an archive to which this
    store writes. Several threads may read concurrently. In a forked child and after unpickling, an
    archive opened for reading is reopened, but an archive opened for writing cannot be used.

    Parameters
    ----------
    path : str, pathlib.Path or file object
        The archive. A file object must be open in binary mode and support ``read``, ``seek`` and
        ``tell``. A file object that is not an `io.IOBase`, such as a reader of obstore, can only be
        read. The store does not close a file object.
    mode : {"r", "w", "a", "x"}
        Mode of the archive. The modes have the same meaning as in `zipfile.ZipFile`: ``"r"`` reads,
        ``"w"`` creates or truncates the file, ``"a"`` appends, and ``"x"`` creates a new file. If a
        store with mode ``"w"``, ``"a"`` or ``"x"`` is used after `close`, the store reopens the
        archive for appending.
    read_only : bool or None
        Whether every attempt to change the store raises an error. None means True for mode ``"r"``,
        and False for the other modes.
    compression : int
        Compression method for written values, as a constant of `zipfile`.
    allowZip64 : bool
        Whether the archive may exceed 4 GiB.

    Raises
    ------
    TypeError
        If `path` is neither a path nor a file object, or if `mode` is not ``"r"`` and the file
        object can only be read.
    """

    supports_writes: bool = True
    supports_deletes: bool = False
    supports_listing: bool = True
    _coroutines_wait = False

    path: Path | None
    compression: int
    allowZip64: bool

    def __init__(
        self,
        path: Path | str | IO[bytes],
        *,
        mode: ZipMode = "r",
        read_only: bool | None = None,
        compression: int = _STORED,
        allowZip64: bool = True,
    ) -> None:
        super().__init__(read_only=mode == "r" if read_only is None else read_only)
        self.path, self._file = path_or_file(path, mode)
        self._mode: ZipMode = mode
        self.compression = compression
        self.allowZip64 = allowZip64
        self._reset(mode, orphaned=False)

    def _reset(self, next_mode: ZipMode, *, orphaned: bool) -> None:
        self._next_mode: ZipMode = next_mode
        self._orphaned = orphaned
        self._lock = threading.RLock()
        self._archive: ZipFile | None = None
        self._closed_archive: ZipFile | None = None
        self._reader: PositionalReader | None = None
        release_in_forks(self)

    # --- life cycle ---------------------------------------------------------------------

    async def _open(self) -> None:
        # docstring inherited
        if self._is_open:
            raise ValueError("store is already open")
        await in_pool(self._opened)

    def _opened(self) -> ZipFile:
        """Return the archive, opening it if necessary."""
        archive = self._archive
        if archive is not None:
            return archive
        with self._lock:
            if self._archive is None:
                self._sync_open()
            if self._archive is None:
                raise RuntimeError(f"{type(self).__name__}._sync_open did not open the archive")
            return self._archive

    # Other packages override or use the private names `_sync_open`, `_zf`, `_zmode`, `_lock` and
    # `_set`. `_lock` is held during writes to the archive.

    def _sync_open(self) -> None:
        """Open the archive. Methods that need the archive call this method on first use.

        Raises
        ------
        ValueError
            If the store is already open.
        """
        with self._lock:
            if self._is_open:
                raise ValueError("store is already open")
            self._archive = self._open_archive()
            self._is_open = True

    @property
    def _zf(self) -> ZipFile:
        """The `ZipFile` of the archive, which may be open or closed.

        If an attribute such as ``comment`` is changed while the archive is open, `close` writes the
        new value.

        Raises
        ------
        AttributeError
            If the archive has never been opened.
        """
        archive = self._archive or self._closed_archive
        if archive is None:
            raise AttributeError(f"the archive of {self!r} has not been opened yet")
        return archive

    @_zf.setter
    def _zf(self, archive: ZipFile) -> None:
        self._archive = archive

    @property
    def _zmode(self) -> ZipMode:
        """The mode in which the archive will be opened the next time."""
        return self._next_mode

    def _open_archive(self) -> Archive:
        from zarr.storage._zip_archive import Archive

        if self._orphaned:
            raise RuntimeError(
                f"{self!r} is a copy, made by a fork or a pickle, of a store that writes to the "
                "archive; only the store that opened the archive can use it."
            )
        target = self.path if self._file is None else self._file
        assert target is not None
        archive = Archive(
            target, self._next_mode, compression=self.compression, allowZip64=self.allowZip64
        )
        if self._next_mode == "r":
            if self.path is not None and PositionalReader.is_available:
                self._reader = PositionalReader(self.path)
        else:
            self._next_mode = "a"
        return archive

    def close(self) -> None:
        """Close the archive; if it was opened for writing, first write its central directory."""
        with self._lock:
            archive, self._archive = self._archive, None
            self._closed_archive = archive or self._closed_archive
            self._reader = None
            super().close()
            if archive is not None:
                archive.close()

    def _forget_archive_of_parent(self) -> None:
        """In a forked child, release the archive of the parent process without writing to it."""
        archive, next_mode = self._archive, self._next_mode
        if archive is not None:
            archive.fp = None  # otherwise garbage collection would write to the file
        self._is_open = False
        self._reset(next_mode, orphaned=next_mode != "r")

    def __getstate__(self) -> dict[str, Any]:
        if self._file is not None:
            raise TypeError(f"cannot pickle {self!r}: it uses an open file object")
        with self._lock:
            is_written = self._archive is not None and self._next_mode != "r"
            state = dict(self.__dict__)
        for name in ("_lock", "_archive", "_closed_archive", "_reader"):
            del state[name]
        return {**state, "_is_open": False, "_orphaned": self._orphaned or is_written}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "_next_mode" not in state:
            state = state_of_zarr_python(state)
        self.__dict__.update(state)
        self._reset(state["_next_mode"], orphaned=state["_orphaned"])

    def __str__(self) -> str:
        # The repr of a file object may contain a URL with secrets.
        return f"zip://{redact_urls_in(str(given(self._file))) if self.path is None else self.path}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{self}')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self._identity() == other._identity()

    def _identity(self) -> tuple[object, ...]:
        options = (self._mode, self.read_only, self.compression, self.allowZip64)
        return self.path, given(self._file), *options

    # --- reading ------------------------------------------------------------------------

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        # docstring inherited
        check_byte_range(byte_range)
        check_key(key)
        make_buffer = prototype.buffer.from_bytes
        data = await in_pool(lambda: self._read(key, byte_range))
        return None if data is None else make_buffer(data)

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read the value of a key in the calling thread.

        Parameters
        ----------
        key : str
            The key.
        prototype : BufferPrototype or None
            The result is an instance of the ``buffer`` class of this prototype. If None, the
            configured prototype is used.
        byte_range : ByteRequest or None
            The bytes to read; None means all.

        Returns
        -------
        Buffer or None
            The bytes; None only if the key is absent.
        """
        check_byte_range(byte_range)
        check_key(key)
        if prototype is None:
            prototype = default_buffer_prototype()
        data = self._read(key, byte_range)
        return None if data is None else prototype.buffer.from_bytes(data)

    async def get_many(
        self, requests: Iterable[ReadRequest], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        """Read many values, or byte ranges of values; see `Store.get_many`.

        The values are read in the order of the members in the archive.
        """
        wanted = parse_requests(requests)
        check_keys([key for key, _ in wanted])
        if not wanted:
            return
        remaining = self._in_archive_order(wanted, await self._ready())
        try:
            while remaining:
                yield await in_pool(lambda: self._read_some(remaining, prototype))
        finally:
            remaining.clear()  # a thread that is still reading stops after its current member

    def _get_many_in_thread(
        self, requests: Sequence[tuple[str, ByteRequest | None]], prototype: BufferPrototype
    ) -> Iterator[Sequence[tuple[int, Buffer | None]]]:
        # docstring inherited
        check_keys([key for key, _ in requests])
        if requests:
            remaining = self._in_archive_order(requests, self._opened())
            while remaining:
                yield self._read_some(remaining, prototype)

    def _in_archive_order(
        self, wanted: Sequence[tuple[str, ByteRequest | None]], archive: ZipFile
    ) -> deque[_Wanted]:
        """Return the requests and their indices, in the order of the members in the archive."""

        def offset(request: _Wanted) -> int:
            member = archive.NameToInfo.get(request[1])
            return -1 if member is None else member.header_offset

        requests = [(index, key, byte_range) for index, (key, byte_range) in enumerate(wanted)]
        return deque(sorted(requests, key=offset))

    def _read_some(
        self, remaining: deque[_Wanted], prototype: BufferPrototype
    ) -> list[tuple[int, Buffer | None]]:
        """Read the members of the next requests: at most 64 members and about 1 MiB of data."""
        answers: list[tuple[int, Buffer | None]] = []
        nbytes = 0
        while nbytes < _BYTES_A_HOP and len(answers) < _MEMBERS_A_HOP:
            try:
                index, key, byte_range = remaining.popleft()
            except IndexError:  # all requests were taken, or the caller has stopped
                break
            try:
                data = self._read(key, byte_range)
            except Exception as error:
                note_request(error, self, key, byte_range)
                raise
            answers.append((index, None if data is None else prototype.buffer.from_bytes(data)))
            nbytes += 0 if data is None else len(data)
        return answers

    def _read(self, key: str, byte_range: ByteRequest | None) -> bytes | None:
        archive = self._opened()
        with self._exclusive():
            member = archive.NameToInfo.get(key)
            if member is None or is_directory(member):
                return None
            start, stop = resolve_byte_range(byte_range, member.file_size)
            try:
                return self._read_member(archive, member, start, stop)
            except Exception as error:
                from zarr.storage._zip_archive import as_damage

                failure = error if archive.fp is None else as_damage(error)
                note_failure(failure, self, key, byte_range)
                raise failure from (error if failure is not error else error.__cause__)

    def _read_member(self, archive: ZipFile, member: ZipInfo, start: int, stop: int) -> bytes:
        check_member(archive, member)
        if start == stop:
            return b""
        if stop - start == member.file_size:
            return of_size(member.file_size, archive.read(member))  # checks the CRC
        reader = self._reader
        if (
            reader is not None
            and member.compress_type == _STORED
            and not member.flag_bits & _ENCRYPTED
        ):
            return reader.read_stored(member, start, stop)
        with archive.open(member) as file:
            file.seek(start)
            return of_size(stop - start, file.read(stop - start))

    def _exclusive(self) -> AbstractContextManager[object]:
        """Return a null context if the archive was given as a path and is only read, else the lock.

        `zipfile` synchronizes the readers of an archive, but it does not synchronize readers with a
        writer. `zipfile` also cannot prevent other code from moving the position of a file object.
        """
        return nullcontext() if self._next_mode == "r" and self._file is None else self._lock

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
        check_key(key)
        return await self._member(key) is not None

    async def getsize(self, key: str) -> int:
        # docstring inherited
        check_key(key)
        member = await self._member(key)
        if member is None:
            raise FileNotFoundError(key)
        return member.file_size

    async def getsize_prefix(self, prefix: str) -> int:
        # docstring inherited
        base = as_directory(prefix)
        archive = await self._ready()
        with self._lock:
            members = list(archive.NameToInfo.items())
        return sum(member.file_size for key, member in members if key.startswith(base))

    async def _member(self, key: str) -> ZipInfo | None:
        member = (await self._ready()).NameToInfo.get(key)
        return None if member is None or is_directory(member) else member

    async def _ready(self) -> ZipFile:
        """Return the archive, opening it in a worker thread if necessary."""
        archive = self._archive
        return archive if archive is not None else await in_pool(self._opened)

    # --- writing ------------------------------------------------------------------------

    async def set(self, key: str, value: Buffer) -> None:
        # docstring inherited
        check_write(self, key, value, "ZipStore")
        await in_pool(lambda: self._write(key, value, replace=True))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        # docstring inherited
        check_write(self, key, value, "ZipStore")
        await in_pool(lambda: self._write(key, value, replace=False))

    def _write(self, key: str, value: Buffer, *, replace: bool) -> None:
        with self._lock:
            archive = self._opened()
            if replace or key not in archive.NameToInfo:
                self._set(key, value)

    def _set(self, key: str, value: Buffer) -> None:
        """Add a member to the archive in the calling thread; all writes call this method.

        Parameters
        ----------
        key : str
            Name of the member.
        value : Buffer
            Content of the member.

        Raises
        ------
        ValueError
            If the archive was opened for reading.
        """
        from zipfile import ZipInfo

        from zarr.storage._zip_archive import add_member

        with self._lock:
            archive = self._opened()
            member = ZipInfo(key, date_time=time.localtime()[:6])
            member.compress_type = self.compression
            member.external_attr = _REGULAR_FILE
            try:
                add_member(archive, member, value.to_bytes())
            except Exception as error:
                error.add_note(f"while writing {key!r} to {self!r}")
                raise

    async def delete(self, key: str) -> None:
        """Raise an error if the key is present, because archive members cannot be deleted.

        Raises
        ------
        NotImplementedError
            If the key is present.
        ValueError
            If the store is read-only.
        """
        self._check_writable()
        if await self.exists(key):
            raise NotImplementedError(f"{type(self).__name__} cannot delete {key!r}.")

    async def delete_dir(self, prefix: str) -> None:
        """Raise an error if keys are below the prefix, because archive members cannot be deleted.

        Raises
        ------
        NotImplementedError
            If keys are present below the prefix.
        ValueError
            If the store is read-only.
        """
        self._check_writable()
        base = as_directory(prefix)
        if any(key.startswith(base) for key in await self._keys()):
            raise NotImplementedError(f"{type(self).__name__} cannot delete below {prefix!r}.")

    async def clear(self) -> None:
        """Replace the archive with an empty archive that is open for writing.

        Raises
        ------
        ValueError
            If the store is read-only.
        NotImplementedError
            If the store uses a file object.
        """
        self._check_writable()
        if self.path is None:
            raise NotImplementedError(f"cannot clear {self!r}: it uses an open file object")
        await in_pool(self._truncate)

    def _truncate(self) -> None:
        with self._lock:
            if self._orphaned:
                self._opened()  # raises an error
            self.close()
            self._next_mode = "w"
            self._opened()

    async def move(self, path: Path | str) -> None:
        """Close the archive and move it to another path of the local file system.

        Parameters
        ----------
        path : str or pathlib.Path
            The new path. Missing directories are created; an existing file is replaced.

        Raises
        ------
        NotImplementedError
            If the store uses a file object.
        """
        if self.path is None:
            raise NotImplementedError(f"cannot move {self!r}: it uses an open file object")
        await in_pool(lambda: self._move(Path(path)))

    def _move(self, path: Path) -> None:
        with self._lock:
            assert self.path is not None
            self.close()
            move(str(self.path), str(path))
            self.path = path

    # --- listing ------------------------------------------------------------------------

    async def _keys(self) -> tuple[str, ...]:
        """Return the names of the members, except directories and invalid keys such as ``../x``."""

        def listed() -> tuple[str, ...]:
            archive = self._opened()
            with self._lock:  # writers hold the lock while they change the archive
                members = tuple(archive.NameToInfo.items())
            return tuple(
                key
                for key, member in members
                if key and is_allowed(key) and not is_directory(member)
            )

        return await in_pool(listed)

    async def list(self) -> AsyncIterator[str]:
        # docstring inherited
        for key in await self._keys():
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        for key in await self._keys():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        for name in children(await self._keys(), prefix):
            yield name
