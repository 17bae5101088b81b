"""`LocalStore`: a store in a local directory, with one file per key."""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from zarr.abc.store import ReadRequest, Store, note_request, parse_requests
from zarr.core._byte_ranges import ByteRequest
from zarr.core._coalesce import (
    DEFAULT_MAX_COALESCED_BYTES,
    CoalescePolicy,
    KiB,
    MiB,
    Read,
    plan_reads,
)
from zarr.core._fetch import Answered, answer_sync, answered_nbytes, stream
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.chunks._scheduling import SCHEDULING
from zarr.core.common import ANY_ACCESS_MODE, closing, concurrent_map
from zarr.core.config import config
from zarr.core.sync import in_pool
from zarr.storage._local_files import (
    empty,
    make_directories,
    move,
    names_in,
    refuse_irregular,
    remove,
    replace,
    walk,
)
from zarr.storage._local_read import read_file
from zarr.storage._utils import METADATA_NAMES, as_directory, check_key, check_keys, check_value

if TYPE_CHECKING:
    from typing import Self

    from zarr.core.common import AccessModeLiteral

__all__ = ["LocalStore"]

_T = TypeVar("_T")

# Limits of one task of the thread pool in a bulk read: number of files, and approximate number of
# bytes.
_FILES_A_HOP = 32
_BYTES_A_HOP = 1 * MiB

# A bulk read in the calling thread reads the files in portions; the caller decodes each portion.
# Limits of one portion: number of files, and approximate number of bytes. If the files are small,
# the threads of the process usually read their portions one after another, not concurrently.
_FILES_A_TURN = 32
_BYTES_A_TURN = 1 * MiB
_SMALL_NBYTES = 64 * KiB

# Margin in bytes that is added to the expected size of a file. The expected size is estimated from
# the sizes of the files that were read previously.
_ROOM_NBYTES = 4 * KiB

# Merge only adjacent or overlapping byte ranges of a file. Merging two ranges with a gap between
# them would not save time, because a separate read takes only microseconds.
_TOUCHING = CoalescePolicy(max_gap_bytes=0, max_coalesced_bytes=DEFAULT_MAX_COALESCED_BYTES)

# Whether a relative path can begin with the name of a drive, as "C:a" does.
_HAS_DRIVES = os.name == "nt"

# Number of names that a listing fetches per task of the thread pool.
_LISTED_AT_ONCE = 1000


class LocalStore(Store):
    """A store in a local directory, with one file per key.

    Writes are atomic: the value is written to a temporary file, which then replaces the old file.
    Concurrent readers, and readers after a writer was killed, see either the old or the new value.

    Parameters
    ----------
    root : str or Path
        The directory. The first write creates a missing directory.
    read_only : bool
        Whether every attempt to change the store raises an error.

    Raises
    ------
    TypeError
        If `root` is neither a string nor a path.
    """

    supports_writes = True
    supports_deletes = True
    supports_listing = True
    _coroutines_wait = False

    root: Path

    def __init__(self, root: Path | str, *, read_only: bool = False) -> None:
        super().__init__(read_only=read_only)
        if isinstance(root, str):
            root = Path(root)
        if not isinstance(root, Path):
            raise TypeError(
                f"'root' must be a string or Path instance. Got an instance of {type(root)} instead."
            )
        self.root = root

    @classmethod
    async def open(
        cls,
        root: Path | str,
        *,
        read_only: bool = False,
        mode: AccessModeLiteral | None = None,
    ) -> Self:
        """Make a store and open it.

        Parameters
        ----------
        root : Path or str
            The directory.
        read_only : bool
            Whether every attempt to change the store raises an error.
        mode : {"r", "r+", "a", "w", "w-"} or None
            ``"r"`` makes the store read-only. If the store is read-only, or if the mode is
            ``"r+"``, the directory must exist. Otherwise a missing directory is created. ``"w"``
            also empties the directory, and ``"w-"`` requires that the directory does not exist.

        Raises
        ------
        FileNotFoundError
            If the directory does not exist, and the store is read-only or the mode is ``"r+"``.
        FileExistsError
            If the directory exists and the mode is ``"w-"``.
        ValueError
            If `mode` is invalid.
        """
        if mode is not None and mode not in ANY_ACCESS_MODE:
            raise ValueError(f"Invalid mode: {mode}, expected one of {sorted(ANY_ACCESS_MODE)}")
        store = cls(root, read_only=read_only or mode == "r")
        await store._open(mode=mode)
        return store

    async def _open(self, *, mode: AccessModeLiteral | None = None) -> None:
        await in_pool(lambda: self._prepare(mode))
        await super()._open()
        if mode == "w":
            await self.clear()

    def _prepare(self, mode: AccessModeLiteral | None) -> None:
        """Check or create the directory, depending on the mode."""
        if self.read_only or mode == "r+":
            if not self.root.exists():
                raise FileNotFoundError(f"{self.root} does not exist")
        elif mode == "w-" and self.root.exists():
            raise FileExistsError(f"{self.root} already exists")
        else:
            make_directories(str(self.root))

    def with_read_only(self, read_only: bool = False) -> LocalStore:
        # docstring inherited
        return type(self)(self.root, read_only=read_only)

    def __str__(self) -> str:
        return f"file://{self.root.as_posix()}"

    def __repr__(self) -> str:
        return f"LocalStore('{self}')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.root == other.root

    def __hash__(self) -> int:
        return hash((type(self), self.root))

    def _path(self, key: str) -> str:
        if check_key(key) and _HAS_DRIVES and os.path.splitdrive(key)[0]:
            raise ValueError(f"The key {key!r} is not allowed: it names a drive.")
        return f"{self.root}{os.sep}{key.rstrip('/')}" if key else str(self.root)

    def _path_of_value(self, key: str) -> str:
        path = self._path(key)
        if not _parts(key):
            # The root is a directory, and a file cannot replace it. Raise `IsADirectoryError`
            # before `replace` creates a temporary file beside the directory.
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return path

    def _is_gone(self, error: OSError, key: str) -> bool:
        """Return whether a failure to open a file proves that the key is absent.

        If the root is a file, the store has no keys. The directory of a group may contain files
        such as README.md. A search for members requests keys such as README.md/zarr.json, which are
        absent. For keys that do not name a metadata document, such as keys of chunks, a file in
        place of a directory means that the store is damaged. Such a key must not count as absent;
        otherwise the chunk would be read as fill values.
        """
        if isinstance(error, NotADirectoryError):
            return key.rpartition("/")[2] in METADATA_NAMES or not os.path.isdir(self.root)
        return isinstance(error, FileNotFoundError)

    # --- in the calling thread ----------------------------------------------------------

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read the value of a key in the calling thread; see `Store.get`."""
        path = self._path(key)
        try:
            data = self._stored(path, key, byte_range)
        except OSError as error:
            note_request(error, self, key, byte_range)
            raise
        classes = prototype or default_buffer_prototype()
        return None if data is None else classes.buffer.from_bytes(data)

    def _stored(
        self,
        path: str,
        key: str,
        byte_range: ByteRequest | None,
        expected: int = _SMALL_NBYTES,
    ) -> bytes | None:
        """Return the bytes that `read_file` reads for a key; None if the key is absent."""
        try:
            return read_file(path, byte_range, expected)
        except (FileNotFoundError, NotADirectoryError) as error:
            if self._is_gone(error, key):
                return None
            raise

    def _get_many_in_thread(
        self, requests: Sequence[tuple[str, ByteRequest | None]], prototype: BufferPrototype
    ) -> Iterator[Sequence[tuple[int, Buffer | None]]]:
        # docstring inherited
        check_keys([key for key, _ in requests])
        remaining = iter(enumerate(requests))
        contends = len(requests) > 1
        expected = _SMALL_NBYTES
        while True:
            with SCHEDULING.short_work.held(contends) as contends:
                portion, nbytes = self._next_portion(remaining, prototype, expected)
            if not portion:
                return
            expected = min(_SMALL_NBYTES, 2 * nbytes // len(portion) + _ROOM_NBYTES)
            contends = contends and nbytes <= _SMALL_NBYTES * len(portion)
            yield portion

    def _next_portion(
        self,
        remaining: Iterator[tuple[int, tuple[str, ByteRequest | None]]],
        prototype: BufferPrototype,
        expected: int,
    ) -> tuple[list[tuple[int, Buffer | None]], int]:
        """Read the next files in the calling thread; return the results and their size in bytes.

        The list of results is empty if no requests remain. Other threads may wait until this method
        returns. The method makes few Python calls, so that the wait is short.
        """
        portion: list[tuple[int, Buffer | None]] = []
        nbytes = 0
        base = f"{self.root}{os.sep}"
        wrap = prototype.buffer.from_bytes
        for index, (key, byte_range) in remaining:
            try:
                # The caller has checked the keys.
                path = self._path(key) if _HAS_DRIVES or key[-1:] in ("", "/") else base + key
                data = self._stored(path, key, byte_range, expected)
                portion.append((index, None if data is None else wrap(data)))
            except Exception as error:
                note_request(error, self, key, byte_range)
                raise
            nbytes += 0 if data is None else len(data)
            if nbytes >= _BYTES_A_TURN or len(portion) >= _FILES_A_TURN:
                break
        return portion, nbytes

    def set_sync(self, key: str, value: Buffer) -> None:
        """Write the value of a key in the calling thread; see `Store.set`."""
        self._write(key, value)

    def _write(self, key: str, value: Buffer, *, unless_exists: bool = False) -> None:
        self._check_writable()
        check_value(value, "LocalStore")
        path = self._path_of_value(key)
        try:
            replace(path, value, unless_exists=unless_exists)
        except OSError as error:
            error.add_note(f"while writing {key!r} to {self!r}")
            raise

    @contextmanager
    def _noting(self, doing: str, what: object) -> Iterator[None]:
        """Add a note to file system errors; the note contains `doing`, `what` and the store."""
        try:
            yield
        except (OSError, NotImplementedError) as error:
            error.add_note(f"while {doing} {what!r} in {self!r}")
            raise

    def delete_sync(self, key: str) -> None:
        """Delete a key in the calling thread; see `Store.delete`.

        If the key is a directory, all keys in the directory are deleted; the root cannot be
        deleted. If the key is a symbolic link, the link is deleted and its target is kept.

        Raises
        ------
        NotImplementedError
            If the key exists, and a directory between the root and the key is a symbolic link.
        """
        self._check_writable()
        self._path(key)  # raises an error for an invalid key
        if parts := _parts(key):
            with self._noting("deleting", key):
                remove(str(self.root), parts)

    # --- methods of Store ---------------------------------------------------------------

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        # docstring inherited
        return await in_pool(lambda: self.get_sync(key, prototype=prototype, byte_range=byte_range))

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        # docstring inherited
        requests = ((key, prototype, byte_range) for key, byte_range in key_ranges)
        return await concurrent_map(requests, self.get)

    async def get_many(
        self, requests: Iterable[ReadRequest], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        """Read many values, with several files per task of the thread pool; see `Store.get_many`.

        Adjacent or overlapping byte ranges of one file are merged into one read.
        """
        wanted = parse_requests(requests)
        check_keys([key for key, _ in wanted])
        remaining = deque(plan_reads(wanted, _TOUCHING))
        concurrency = int(config.get("async.concurrency"))
        # If there are only a few files, all are read concurrently, because a network file system
        # has a high latency.
        at_once = max(1, min(_FILES_A_HOP, len(remaining) // concurrency))

        def read_some() -> Answered:
            """Read the next files in a worker thread."""
            answers: list[tuple[int, Buffer | None]] = []
            nbytes = count = 0
            while count < at_once and nbytes < _BYTES_A_HOP:
                try:
                    read = remaining.popleft()
                except IndexError:  # a check before `popleft` would be a race condition
                    break
                try:
                    answered = self._answer(read, prototype)
                except BaseException:
                    remaining.clear()
                    raise
                answers += answered.answers
                nbytes += answered.nbytes
                count += 1
            return Answered(answers, nbytes)

        batches = stream(
            ((hop, None) for hop in iter(lambda: bool(remaining), False)),
            lambda _: in_pool(read_some),
            size=answered_nbytes,
            max_concurrency=concurrency,
        )
        try:
            async with closing(batches):
                async for batch in batches:
                    yield [pair for _, answered in batch for pair in answered.answers]
        finally:
            remaining.clear()  # threads that are still reading stop after their current file

    def _answer(self, read: Read, prototype: BufferPrototype) -> Answered:
        """Read one file, or byte ranges of it, in the calling thread."""
        key = str(read.path)

        def get(byte_range: ByteRequest | None, _: int) -> Buffer | None:
            try:
                return self.get_sync(key, prototype=prototype, byte_range=byte_range)
            except Exception as error:
                if not getattr(error, "__notes__", None):
                    note_request(error, self, key, byte_range)
                raise

        return answer_sync(read, get)

    async def exists(self, key: str) -> bool:
        # docstring inherited
        path = self._path(key)

        def is_value() -> bool:
            try:
                # `os.path.isfile` is not used: it returns False if permission is denied.
                status = os.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                return False
            if not stat.S_ISDIR(status.st_mode):
                refuse_irregular(status, path)
            return stat.S_ISREG(status.st_mode)

        with self._noting("looking for", key):
            return await in_pool(is_value)

    async def getsize(self, key: str) -> int:
        # docstring inherited
        path = self._path(key)

        def size() -> int:
            try:
                status = os.stat(path)
            except NotADirectoryError as error:
                if self._is_gone(error, key):
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
                raise
            refuse_irregular(status, path)
            return status.st_size

        with self._noting("looking for", key):
            return await in_pool(size)

    async def getsize_prefix(self, prefix: str) -> int:
        # docstring inherited
        keys = [key async for key in self.list_prefix(as_directory(prefix))]

        def total() -> int:
            nbytes = 0
            for key in keys:
                with suppress(FileNotFoundError):  # deleted after the listing
                    nbytes += os.stat(self._path(key)).st_size
            return nbytes

        return await in_pool(total)

    async def set(self, key: str, value: Buffer) -> None:
        # docstring inherited
        await in_pool(lambda: self.set_sync(key, value))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        # docstring inherited
        await in_pool(lambda: self._write(key, value, unless_exists=True))

    async def delete(self, key: str) -> None:
        # docstring inherited
        await in_pool(lambda: self.delete_sync(key))

    async def delete_dir(self, prefix: str) -> None:
        """Delete all keys below a prefix; see `Store.delete_dir`.

        Symbolic links are deleted, but their targets are kept.

        Raises
        ------
        NotImplementedError
            If the prefix exists, and a directory between the root and the prefix is a symbolic
            link.
        ValueError
            If the prefix names a file, or if the store is read-only.
        """
        self._check_writable()
        path = self._path(prefix)

        def delete() -> None:
            if not (parts := _parts(prefix)):
                empty(path)
                _remove_directory(path)
                return
            if os.path.lexists(path) and not os.path.isdir(path) and os.path.exists(path):
                raise ValueError(f"delete_dir was passed a {prefix=!r} that is a file")
            remove(str(self.root), parts)

        with self._noting("deleting", prefix):
            await in_pool(delete)

    async def _remove_empty(self, prefix: str) -> None:
        """Remove the empty directories that remain after all keys below a prefix were deleted."""
        path = self._path(prefix)

        def remove_empty() -> None:
            for folder, _, _ in os.walk(path, topdown=False):
                if prefix or folder != str(path):
                    with suppress(OSError):  # the directory is not empty
                        os.rmdir(folder)

        await in_pool(remove_empty)

    async def clear(self) -> None:
        # docstring inherited
        self._check_writable()
        root = str(self.root)

        def clear() -> None:
            make_directories(root)
            empty(root)

        with self._noting("deleting", ""):
            await in_pool(clear)

    async def move(self, dest_root: Path | str) -> None:
        """Move the directory to a new path, and use the new path as the root of this store.

        Parameters
        ----------
        dest_root : str or Path
            The new path, which must not exist.

        Raises
        ------
        FileExistsError
            If the new path exists.
        ValueError
            If the store is read-only.
        """
        self._check_writable()
        destination = Path(dest_root)

        def move_root() -> None:
            if os.path.lexists(destination):
                raise FileExistsError(f"Destination root {destination} already exists.")
            move(str(self.root), str(destination))

        with self._noting("moving to", str(destination)):
            await in_pool(move_root)
        self.root = destination

    async def list(self) -> AsyncIterator[str]:
        # docstring inherited
        with self._noting("listing", ""):
            async with closing(_in_steps(walk(str(self.root), ""))) as keys:
                async for key in keys:
                    yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        folder = prefix.rpartition("/")[0]
        base = as_directory(folder)
        top = self._path(folder)
        with self._noting("listing", prefix):
            async with closing(_in_steps(walk(top, base))) as keys:
                async for key in keys:
                    if key.startswith(prefix):
                        yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        path = self._path(prefix)
        with self._noting("listing", prefix):
            async with closing(_in_steps(names_in(path, as_directory(prefix)))) as names:
                async for name in names:
                    yield name


async def _in_steps(items: Iterator[_T]) -> AsyncIterator[_T]:
    """Yield the items of a blocking iterator; fetch them in batches in the thread pool."""
    while batch := await in_pool(lambda: list(islice(items, _LISTED_AT_ONCE))):
        for item in batch:
            yield item


def _parts(key: str) -> list[str]:
    """Return the parts of a key as a list, which is empty for the root."""
    return [part for part in key.split("/") if part not in ("", ".")]


def _remove_directory(path: str) -> None:
    try:
        os.rmdir(path)
    except (FileNotFoundError, NotADirectoryError):  # NotADirectoryError: a link to a directory
        pass
