"""Write, delete, list and move files and directories of a local file system.

Deletion never follows a symbolic link below the root: it deletes the link itself, or nothing. The
functions that create, delete and list directories are not recursive, because a key may have
thousands of parts, more than the recursion limit of Python.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from zarr.core.buffer import Buffer
from zarr.storage._utils import can_be_key

# Prefix of the names of temporary files that are being written. A file with such a name is never
# listed as a key.
PARTIAL = ".__zarr_partial-"

# Error numbers that file systems without hard links report for `os.link`.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}

# `_IS_LINK`: error numbers of `os.open` with O_NOFOLLOW if the path is a symbolic link.
# `_LEADS_NOWHERE`: error numbers of `os.stat` if a link is broken or leads to itself.
_IS_LINK = {errno.ELOOP, errno.ENOTDIR, getattr(errno, "EMLINK", errno.ELOOP)}
_LEADS_NOWHERE = {errno.ELOOP, errno.ENOENT, errno.ENOTDIR}

# Whether system calls accept names relative to an open directory. If such names are used, a link
# cannot redirect a deletion. If full paths are used, another process could replace a directory with
# a link after this module has checked the directory.
_HAS_RELATIVE_NAMES = (
    {os.open, os.unlink, os.rmdir, os.stat} <= os.supports_dir_fd
    and os.scandir in os.supports_fd
    and hasattr(os, "O_NOFOLLOW")
    and hasattr(os, "O_DIRECTORY")
)
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_REAL_DIRECTORY = _DIRECTORY | _NOFOLLOW
# With O_PATH, a parent directory of a file can be opened even without permission to list the
# directory.
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | _REAL_DIRECTORY


# --- file types ---------------------------------------------------------------------------


def refuse_irregular(status: os.stat_result, path: str) -> None:
    """Raise an error if a path is not a regular file.

    Reading a named pipe or a device could block, or never reach an end.

    Raises
    ------
    IsADirectoryError
        If the path is a directory.
    OSError
        If the path is a named pipe, a socket or a device.
    """
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise irregular(path, status.st_mode)


def refuse_pipe(path: str) -> None:
    """Raise an error if a path exists and is neither a regular file nor a directory.

    Call this function before a library opens the path: opening a named pipe would block until
    another process writes to it.

    Raises
    ------
    OSError
        If the path is a named pipe, a socket or a device.
    """
    try:
        status = os.stat(path)
    except OSError:
        return
    if not stat.S_ISDIR(status.st_mode):
        refuse_irregular(status, path)


def irregular(path: str, mode: int) -> OSError:
    """Return an error for a path that is not a regular file; the message names the file type."""
    kinds = (
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    kind = next((name for tell, name in kinds if tell(mode)), "something else")
    return OSError(errno.EINVAL, f"not a regular file but {kind}, which holds no value", path)


# --- writing ------------------------------------------------------------------------------


def replace(path: str, value: Buffer, *, unless_exists: bool = False) -> None:
    """Write a file atomically: create the file, or replace the old file, in one step.

    Parameters
    ----------
    path : str
        Path of the file.
    value : Buffer
        Content of the file.
    unless_exists : bool
        Whether to keep an existing file instead of replacing it.
    """
    if unless_exists and os.path.isfile(path):
        return
    folder = os.path.dirname(path)
    # The name of the temporary file is random, because process and thread ids can be the same on
    # other hosts or after a crash.
    partial = os.path.join(folder, f"{PARTIAL}{os.urandom(12).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(partial, flags, 0o666)
    except FileNotFoundError:
        make_directories(folder)
        descriptor = os.open(partial, flags, 0o666)
    try:
        try:
            left = memoryview(value.as_buffer_like()).cast("B")
            while len(left):
                left = left[os.write(descriptor, left) :]
        finally:
            os.close(descriptor)
        if unless_exists:
            _take_place(partial, path)
        else:
            os.replace(partial, path)
    except BaseException as error:
        try:
            os.unlink(partial)
        except FileNotFoundError:
            pass
        if isinstance(error, OSError) and error.filename is None:
            error.filename = path  # an error for a full disk, for example, does not name the file
        raise


def _take_place(partial: str, path: str) -> None:
    """Move a file to a path, unless the path exists."""
    try:
        # Creating a link is atomic: if several writers try it, only one of them succeeds.
        os.link(partial, path)
    except FileExistsError:
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # This check and the replacement of the file are two steps, not one atomic step. The file is
        # always complete, but if several writers run concurrently, one of them may replace the file
        # of another.
        if not os.path.exists(path):
            os.replace(partial, path)
            return
    os.unlink(partial)


def make_directories(path: str) -> None:
    """Create a directory and its missing parents; unlike `os.makedirs`, do not use recursion.

    Raises
    ------
    FileExistsError
        If the path exists and is not a directory.
    """
    missing: list[str] = []
    while not _has_made(path):
        missing.append(path)
        path = os.path.dirname(path)
    for name in reversed(missing):
        if not _has_made(name):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def _has_made(path: str) -> bool:
    """Create a directory unless it exists; return False if its parent is missing, else True."""
    try:
        os.mkdir(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    except FileNotFoundError:
        if os.path.dirname(path) in ("", path):
            raise
        return False
    return True


def move(source: str, destination: str) -> None:
    """Move a file or a directory, creating parent directories of the new path.

    A symbolic link still leads to the same target after the move.
    """
    make_directories(os.path.dirname(os.path.abspath(destination)))
    if not os.path.islink(source) or os.path.isabs(os.readlink(source)):
        shutil.move(source, destination)
        return
    partial = f"{destination}{PARTIAL}{os.urandom(12).hex()}"
    os.symlink(os.path.realpath(source), partial, target_is_directory=os.path.isdir(source))
    try:
        os.replace(partial, destination)
    except BaseException:
        os.unlink(partial)
        raise
    os.unlink(source)


# --- deleting -----------------------------------------------------------------------------


def remove(root: str, parts: Sequence[str]) -> None:
    """Delete a file, a link, or a directory with its content.

    Parameters
    ----------
    root : str
        The root directory of the store, which may be a link.
    parts : sequence of str
        The parts of the path relative to the root; at least one part.

    Raises
    ------
    NotImplementedError
        If the path exists, and any part of the path other than the last part is a symbolic link.
        The target of such a link may be outside the store.
    """
    path = os.sep.join((root, *parts))
    try:
        # Usually, the path to delete does not exist. For example, if only the fill value is written
        # to a chunk, the key of the chunk is deleted. Most such keys were never stored.
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        (_remove_relative if _HAS_RELATIVE_NAMES else _remove_by_path)(root, parts, path)
    except FileNotFoundError:  # another process deleted it first
        return


def empty(root: str) -> None:
    """Delete the content of a directory.

    `root` itself may be a link. Links in the directory are deleted, but not followed.
    """
    try:
        (_empty_relative if _HAS_RELATIVE_NAMES else _empty_by_path)(root)
    except (FileNotFoundError, NotADirectoryError):
        return


def _remove_relative(root: str, parts: Sequence[str], path: str) -> None:
    folder = os.open(root, _PASS & ~_NOFOLLOW)
    try:
        for part in parts[:-1]:
            try:
                inner = os.open(part, _PASS, dir_fd=folder)
            except OSError as error:
                if error.errno in _IS_LINK and _is_link(part, folder):
                    raise _leads_out(part, path) from None
                raise
            os.close(folder)
            folder = inner
        _remove_in(folder, parts[-1])
    finally:
        os.close(folder)


def _is_link(name: str, folder: int) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def _remove_in(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except (IsADirectoryError, PermissionError):
        # If the name belongs to a directory, `os.unlink` raises `IsADirectoryError` on some
        # operating systems, and `PermissionError` on others.
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            raise
        _remove_tree(folder, name)


def _remove_tree(folder: int, name: str) -> None:
    try:
        top = os.open(name, _REAL_DIRECTORY, dir_fd=folder)
    except FileNotFoundError:
        return
    try:
        _empty_open(top)
    finally:
        os.close(top)
    try:
        os.rmdir(name, dir_fd=folder)
    except FileNotFoundError:
        pass


def _empty_relative(root: str) -> None:
    top = os.open(root, _DIRECTORY)
    try:
        _empty_open(top)
    finally:
        os.close(top)


def _empty_open(top: int) -> None:
    """Delete the content of a directory, which is given by an open file descriptor.

    Only one subdirectory is kept open at a time, however deep the directory tree is.
    """
    folder = os.dup(top)
    try:
        above = [_Level(*_identity(folder), "", _delete_files(folder))]
        while True:
            level = above[-1]
            if level.names:
                name = level.names.pop()
                try:
                    inner = os.open(name, _REAL_DIRECTORY, dir_fd=folder)
                except FileNotFoundError:
                    continue
                os.close(folder)
                folder = inner
                above.append(_Level(*_identity(folder), name, _delete_files(folder)))
                continue
            above.pop()
            if not above:
                return
            outer = os.open("..", _DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = outer
            if _identity(folder) != above[-1][:2]:
                raise OSError(
                    errno.EBUSY, f"the directory {level.name!r} was moved while it was deleted"
                )
            try:
                os.rmdir(level.name, dir_fd=folder)
            except FileNotFoundError:
                pass
    finally:
        os.close(folder)


class _Level(NamedTuple):
    """A directory being emptied: its identity, its name, and its remaining subdirectories."""

    device: int
    inode: int
    name: str
    names: list[str]


def _identity(folder: int) -> tuple[int, int]:
    status = os.fstat(folder)
    return status.st_dev, status.st_ino


def _delete_files(folder: int) -> list[str]:
    """Delete the files and links in an open directory; return the names of its subdirectories."""
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if not is_directory:
            try:
                os.unlink(name, dir_fd=folder)
            except FileNotFoundError:
                pass
    return [name for name, is_directory in found if is_directory]


def _remove_by_path(root: str, parts: Sequence[str], path: str) -> None:
    folder = root
    for part in parts[:-1]:
        folder = f"{folder}{os.sep}{part}"
        if _is_any_link(folder):
            raise _leads_out(part, path)
    if not _is_any_link(path) and os.path.isdir(path):
        _empty_by_path(path)
        os.rmdir(path)
    else:
        os.unlink(path)


def _empty_by_path(root: str) -> None:
    above = [(root, _delete_files_by_path(root))]
    while above:
        folder, names = above[-1]
        if names:
            inner = f"{folder}{os.sep}{names.pop()}"
            above.append((inner, _delete_files_by_path(inner)))
            continue
        above.pop()
        if above:
            os.rmdir(folder)


def _delete_files_by_path(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        found = [
            (entry.name, entry.is_dir(follow_symlinks=False) and not _is_any_link(entry.path))
            for entry in entries
        ]
    for name, is_directory in found:
        if not is_directory:
            os.unlink(f"{folder}{os.sep}{name}")
    return [name for name, is_directory in found if is_directory]


def _is_any_link(path: str) -> bool:
    is_junction: Callable[[str], bool] = getattr(os.path, "isjunction", lambda _: False)
    return os.path.islink(path) or is_junction(path)


def _leads_out(part: str, path: str) -> NotImplementedError:
    return NotImplementedError(
        f"{path!r} cannot be deleted: {part!r} is a symbolic link, and the store does not delete "
        "files through symbolic links."
    )


# --- listing ------------------------------------------------------------------------------


def names_in(path: str, base: str) -> Iterator[str]:
    """Yield the names in a directory that can be parts of keys: names of files and directories.

    Parameters
    ----------
    path : str
        The directory.
    base : str
        Prefix that all keys in the directory start with.
    """
    for entry in _entries(path):
        if can_be_key(base + entry.name) and (_leads_to_file(entry) is not None):
            yield entry.name


def walk(top: str, base: str) -> Iterator[str]:
    """Yield the keys of all files below a directory.

    Symbolic links are followed. If a link leads to a directory that contains the link, no directory
    is listed again inside itself, because otherwise the listing would never end.

    Parameters
    ----------
    top : str
        The directory.
    base : str
        Prefix of each yielded key; the path relative to `top` follows it.
    """
    # Only a link can lead to an endless loop. Therefore the device and inode numbers of a directory
    # and its parents are recorded only if the directory is reached through a link.
    pending: list[tuple[str, str, frozenset[tuple[int, int]] | None]] = [(top, base, None)]
    while pending:
        path, base, above = pending.pop()
        for entry in _entries(path):
            key = base + entry.name
            if not can_be_key(key):
                continue
            is_file = _leads_to_file(entry)
            if is_file:
                yield key
            elif is_file is not None:
                within = above
                if above is not None or entry.is_symlink():
                    seen = _identities(top, path) if above is None else above
                    status = entry.stat()
                    if (status.st_dev, status.st_ino) in seen:
                        continue
                    within = seen | {(status.st_dev, status.st_ino)}
                pending.append((entry.path, f"{key}/", within))


def _entries(path: str) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a directory, except temporary files that are being written."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if not entry.name.startswith(PARTIAL):
                    yield entry
    except (FileNotFoundError, NotADirectoryError):
        return


def _leads_to_file(entry: os.DirEntry[str]) -> bool | None:
    """Return True for a file, False for a directory, None for any other type of entry.

    Links are followed. The result is also None for a broken link and for a link to itself.
    """
    try:
        if entry.is_dir():
            return False
        return True if entry.is_file() else None
    except OSError as error:
        if error.errno in _LEADS_NOWHERE:
            return None
        raise


def _identities(top: str, path: str) -> frozenset[tuple[int, int]]:
    """Return the device and inode numbers of each directory from `top` to `path`."""
    found = set()
    while True:
        status = os.stat(path)
        found.add((status.st_dev, status.st_ino))
        if path == top:
            return frozenset(found)
        path = os.path.dirname(path)
