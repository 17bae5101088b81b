"""A store in a directory of the local file system: one file a key."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import stat
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from zarr.abc.store import Store
from zarr.core._byte_ranges import ByteRequest, resolve_byte_range
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.common import ANY_ACCESS_MODE
from zarr.core.sync import get_pool
from zarr.storage._utils import as_directory, check_key

if TYPE_CHECKING:
    from typing import Self

    from zarr.core.common import AccessModeLiteral

__all__ = ["LocalStore"]

_T = TypeVar("_T")

# Names of files still being written begin with this; they are never keys.
_PARTIAL = ".__zarr_partial-"
_partial_numbers = count()


class LocalStore(Store):
    """Values in files below a directory.

    A write goes to a file of its own first and then replaces the old one in one step, so a reader,
    and whoever comes after a crash, finds the old value or the new.

    Parameters
    ----------
    root : str or Path
        The directory. It is made with the first write.
    read_only : bool
        Whether every method that changes the store refuses to.

    Raises
    ------
    TypeError
        If `root` is neither a string nor a path.
    """

    supports_writes = True
    supports_deletes = True
    supports_listing = True

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
        root, read_only
            As for the class.
        mode : {"r", "r+", "a", "w", "w-"} or None
            ``"r"`` makes it read-only; ``"r"`` and ``"r+"`` need the directory to exist, ``"w"``
            empties it, ``"w-"`` needs it to be absent. None makes the directory, unless read-only.

        Raises
        ------
        FileNotFoundError
            If the directory has to exist and does not.
        FileExistsError
            If it has to be absent and is not.
        ValueError
            If `mode` is not one of these.
        """
        if mode is not None and mode not in ANY_ACCESS_MODE:
            raise ValueError(f"Invalid mode: {mode}, expected one of {sorted(ANY_ACCESS_MODE)}")
        store = cls(root, read_only=read_only or mode == "r")
        await store._open(mode=mode)
        return store

    async def _open(self, *, mode: AccessModeLiteral | None = None) -> None:
        if self.read_only or mode == "r+":
            if not self.root.exists():
                raise FileNotFoundError(f"{self.root} does not exist")
        elif mode == "w-" and self.root.exists():
            raise FileExistsError(f"{self.root} already exists")
        else:
            self.root.mkdir(parents=True, exist_ok=True)
        await super()._open()
        if mode == "w":
            await self.clear()

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
        return os.path.join(self.root, check_key(key)) if key else str(self.root)

    # --- in the calling thread ----------------------------------------------------------

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read the value of a key in the calling thread; see `Store.get`."""
        prototype = prototype or default_buffer_prototype()
        try:
            data = _read(self._path(key), byte_range)
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            # Where the root is a file there is no store, so no key. A file in the middle of a
            # path means a damaged store, which must not read as fill value.
            if os.path.isdir(self.root):
                raise
            return None
        return prototype.buffer.from_array_like(data)

    def set_sync(self, key: str, value: Buffer) -> None:
        """Write the value of a key in the calling thread; see `Store.set`."""
        self._check_writable()
        _check_value(value)
        _replace(self._path(key), value)

    def delete_sync(self, key: str) -> None:
        """Delete a key in the calling thread; see `Store.delete`.

        A directory is deleted with all keys in it.
        """
        self._check_writable()
        _remove(self._path(key))

    # --- the contract -------------------------------------------------------------------

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        # docstring inherited
        return await _in_pool(
            lambda: self.get_sync(key, prototype=prototype, byte_range=byte_range)
        )

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        # docstring inherited
        wanted = list(key_ranges)
        return list(
            await asyncio.gather(
                *(self.get(key, prototype, byte_range) for key, byte_range in wanted)
            )
        )

    async def exists(self, key: str) -> bool:
        # docstring inherited
        return await _in_pool(lambda: os.path.isfile(self._path(key)))

    async def getsize(self, key: str) -> int:
        # docstring inherited
        path = self._path(key)
        try:
            return (await _in_pool(lambda: os.stat(path))).st_size
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(key) from None

    async def set(self, key: str, value: Buffer) -> None:
        # docstring inherited
        await _in_pool(lambda: self.set_sync(key, value))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        # docstring inherited
        self._check_writable()
        _check_value(value)
        path = self._path(key)
        await _in_pool(lambda: _replace(path, value, unless_exists=True))

    async def delete(self, key: str) -> None:
        # docstring inherited
        await _in_pool(lambda: self.delete_sync(key))

    async def delete_dir(self, prefix: str) -> None:
        # docstring inherited
        self._check_writable()
        path = self._path(prefix.rstrip("/"))
        if os.path.isfile(path):
            raise ValueError(f"delete_dir was passed a {prefix=!r} that is a file")
        await _in_pool(lambda: _remove_tree(path))

    async def clear(self) -> None:
        # docstring inherited
        self._check_writable()
        root = str(self.root)

        def empty() -> None:
            _remove_tree(root)
            os.makedirs(root, exist_ok=True)

        await _in_pool(empty)

    async def move(self, dest_root: Path | str) -> None:
        """Move the directory elsewhere; the store goes with it.

        Parameters
        ----------
        dest_root : str or Path
            Where it goes; nothing may be there.

        Raises
        ------
        FileExistsError
            If something is there.
        ValueError
            If the store is read-only.
        """
        self._check_writable()
        destination = Path(dest_root)
        if destination.exists():
            raise FileExistsError(f"Destination root {destination} already exists.")
        destination.parent.mkdir(parents=True, exist_ok=True)
        await _in_pool(lambda: shutil.move(self.root, destination))
        self.root = destination

    async def list(self) -> AsyncIterator[str]:
        # docstring inherited
        for key in await _in_pool(lambda: list(_walk(str(self.root), ""))):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        folder = prefix.rpartition("/")[0]
        base = as_directory(folder)
        top = self._path(folder)
        for key in await _in_pool(lambda: list(_walk(top, base))):
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        path = self._path(prefix.rstrip("/"))
        for name in await _in_pool(lambda: [entry.name for entry in _entries(path)]):
            yield name


async def _in_pool(function: Callable[[], _T]) -> _T:
    return await asyncio.get_running_loop().run_in_executor(get_pool(), function)


def _check_value(value: object) -> None:
    if not isinstance(value, Buffer):
        raise TypeError(
            "LocalStore.set(): `value` must be a Buffer instance. "
            f"Got an instance of {type(value)} instead."
        )


def _read(path: str, byte_range: ByteRequest | None) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Read a file, or part of it.

    Plain system calls: `open` builds three objects and asks for the size twice.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        start, stop = resolve_byte_range(byte_range, status.st_size)
        data = np.empty(stop - start, dtype="u1")
        view = memoryview(data.data)
        done = 0
        while done < len(view):
            if hasattr(os, "preadv"):
                got = os.preadv(descriptor, [view[done:]], start + done)
            else:
                os.lseek(descriptor, start + done, os.SEEK_SET)
                piece = os.read(descriptor, len(view) - done)
                view[done : done + len(piece)] = piece
                got = len(piece)
            if got == 0:
                raise OSError(
                    errno.EIO,
                    f"the file ended {len(view) - done} bytes early while it was read",
                    path,
                )
            done += got
        return data
    finally:
        os.close(descriptor)


def _replace(path: str, value: Buffer, *, unless_exists: bool = False) -> None:
    """Write a file so that it appears, or replaces the one before, in one step."""
    folder = os.path.dirname(path)
    unique = f"{os.getpid()}-{threading.get_ident()}-{next(_partial_numbers)}"
    partial = os.path.join(folder, f"{_PARTIAL}{unique}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(partial, flags, 0o666)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)
        descriptor = os.open(partial, flags, 0o666)
    try:
        try:
            left = memoryview(value.as_buffer_like()).cast("B")
            while len(left):
                left = left[os.write(descriptor, left) :]
        finally:
            os.close(descriptor)
        if unless_exists:
            try:
                os.link(partial, path)
            except FileExistsError:
                pass
            os.unlink(partial)
        else:
            os.replace(partial, path)
    except BaseException:
        try:
            os.unlink(partial)
        except FileNotFoundError:
            pass
        raise


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except (IsADirectoryError, PermissionError):
        # What some systems say when asked to unlink a directory.
        if not os.path.isdir(path):
            raise
        _remove_tree(path)


def _remove_tree(path: str) -> None:
    """Delete a directory with all that is in it; what others delete meanwhile is no error."""
    for entry in list(_scan(path)):
        if entry.is_dir(follow_symlinks=False):
            _remove_tree(entry.path)
        else:
            try:
                os.unlink(entry.path)
            except FileNotFoundError:
                pass
    try:
        os.rmdir(path)
    except (FileNotFoundError, NotADirectoryError):
        pass


def _scan(path: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            yield from entries
    except (FileNotFoundError, NotADirectoryError):
        return


def _entries(path: str) -> Iterator[os.DirEntry[str]]:
    """Yield what lies in a directory, without files that are still being written."""
    return (entry for entry in _scan(path) if not entry.name.startswith(_PARTIAL))


def _walk(path: str, base: str) -> Iterator[str]:
    """Yield the keys of all files below a directory, each behind `base`."""
    for entry in _entries(path):
        if entry.is_dir():
            yield from _walk(entry.path, f"{base}{entry.name}/")
        else:
            yield base + entry.name
