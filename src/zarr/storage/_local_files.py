"""Files and directories of a local file system: how they are written, deleted, listed and moved.

Deleting never goes through a symbolic link below the root: the link is what goes, or nothing does.
No function calls itself, since keys may have thousands of parts.
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

# Names of files still being written begin with this; they are never keys.
PARTIAL = ".__zarr_partial-"

# What file systems without hard links say when asked for one.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}

# What a link says that is not to be followed, or that leads to nothing.
_IS_LINK = {errno.ELOOP, errno.ENOTDIR, getattr(errno, "EMLINK", errno.ELOOP)}
_LEADS_NOWHERE = {errno.ELOOP, errno.ENOENT, errno.ENOTDIR}

# Whether what lies in an open directory can be named relative to it, so that nobody can put a link
# in the place of a directory between looking at it and deleting in it.
_HAS_RELATIVE_NAMES = (
    {os.open, os.unlink, os.rmdir, os.stat} <= os.supports_dir_fd
    and os.scandir in os.supports_fd
    and hasattr(os, "O_NOFOLLOW")
    and hasattr(os, "O_DIRECTORY")
)
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_REAL_DIRECTORY = _DIRECTORY | _NOFOLLOW
# Passing through a directory takes no permission to list it, where that can be said.
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | _REAL_DIRECTORY


# --- what a file is -----------------------------------------------------------------------


def refuse_irregular(status: os.stat_result, path: str) -> None:
    """Refuse what is no regular file: reading it may wait for ever, or never end.

    Raises
    ------
    IsADirectoryError
        If it is a directory.
    OSError
        If it is a named pipe, a socket or a device.
    """
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise irregular(path, status.st_mode)


def refuse_pipe(path: str) -> None:
    """Refuse to read what is no regular file; what is not there, or a directory, is not refused.

    For readers of others, which open a named pipe like any file and wait for somebody to write.

    Raises
    ------
    OSError
        If it is a named pipe, a socket or a device.
    """
    try:
        status = os.stat(path)
    except OSError:
        return
    if not stat.S_ISDIR(status.st_mode):
        refuse_irregular(status, path)


def irregular(path: str, mode: int) -> OSError:
    """Return the error that says what a path names instead of a regular file."""
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
    """Write a file so that it appears, or replaces the one before, in one step."""
    if unless_exists and os.path.isfile(path):
        return
    folder = os.path.dirname(path)
    # Random, as process and thread numbers repeat: on another host, after a crash.
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
            error.filename = path  # a disk that is full says nothing of what did not fit
        raise


def _take_place(partial: str, path: str) -> None:
    """Move a file to a path, unless something is there."""
    try:
        # One step: of several writers, one makes the link.
        os.link(partial, path)
    except FileExistsError:
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Two steps: each writer finds whole values, but the last of several may win.
        if not os.path.exists(path):
            os.replace(partial, path)
            return
    os.unlink(partial)


def make_directories(path: str) -> None:
    """Make a directory and those above it; `os.makedirs` calls itself for each of them.

    Raises
    ------
    FileExistsError
        If something else is in its place.
    """
    missing: list[str] = []
    while not _has_made(path):
        missing.append(path)
        path = os.path.dirname(path)
    for name in reversed(missing):
        if not _has_made(name):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def _has_made(path: str) -> bool:
    """Make a directory that may be there already; not where the one above it is missing."""
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
    """Move a file or a directory, with directories above the new place as they are needed.

    A symbolic link goes on leading to where it led.
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
    """Delete a file, a link, or a directory with all that is in it.

    Parameters
    ----------
    root : str
        The directory of the store; it may be a link.
    parts : sequence of str
        The names on the way to what is deleted, at least one.

    Raises
    ------
    NotImplementedError
        If a part in the middle is a symbolic link: what lies behind it is not the store's.
    """
    path = os.sep.join((root, *parts))
    try:
        # Most of what is deleted is not there: chunks of fill value that were never stored.
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        (_remove_relative if _HAS_RELATIVE_NAMES else _remove_by_path)(root, parts, path)
    except FileNotFoundError:  # others delete, too
        return


def empty(root: str) -> None:
    """Delete all that is in a directory, which may be a link, and nothing behind links in it."""
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
        # What some systems say when asked to unlink a directory.
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
    """Delete what is in an open directory, and below it, with one more open at a time."""
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
    """A directory on the way down: what it is, its name, and what is left in it."""

    device: int
    inode: int
    name: str
    names: list[str]


def _identity(folder: int) -> tuple[int, int]:
    status = os.fstat(folder)
    return status.st_dev, status.st_ino


def _delete_files(folder: int) -> list[str]:
    """Delete the files and links in an open directory, and return the directories in it."""
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
        f"{path!r} cannot be deleted: {part!r} is a symbolic link, and what lies behind it is left "
        "alone."
    )


# --- listing ------------------------------------------------------------------------------


def names_in(path: str, base: str) -> Iterator[str]:
    """Yield the names in a directory that are, or lead to, keys; `base` is its own key."""
    for entry in _entries(path):
        if can_be_key(base + entry.name) and (_leads_to_file(entry) is not None):
            yield entry.name


def walk(top: str, base: str) -> Iterator[str]:
    """Yield the keys of all files below a directory, each behind `base`.

    Links are followed, but not to a directory on the way down to them: that would never end.
    """
    # Identities are known below links only; elsewhere no directory can be met twice.
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
    """Yield what lies in a directory, without files that are still being written."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if not entry.name.startswith(PARTIAL):
                    yield entry
    except (FileNotFoundError, NotADirectoryError):
        return


def _leads_to_file(entry: os.DirEntry[str]) -> bool | None:
    """Tell whether an entry is a file, or a directory; None for what is neither.

    None also for a link that leads to itself or to nothing.
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
    """Return what the directories from `top` down to `path` are, however they are named."""
    found = set()
    while True:
        status = os.stat(path)
        found.add((status.st_dev, status.st_ino))
        if path == top:
            return frozenset(found)
        path = os.path.dirname(path)
