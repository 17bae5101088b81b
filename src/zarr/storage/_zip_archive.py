"""A ZIP archive whose content survives failed writes."""

from __future__ import annotations

import errno
import lzma
import os
import struct
import threading
import zlib
from io import UnsupportedOperation
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile, ZipInfo, is_zipfile

from zarr.storage._local_files import refuse_irregular

# Exceptions that `zipfile` and the decompressors raise for damaged bytes, in addition to
# `BadZipFile`.
_DAMAGED = (
    struct.error,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    UnicodeError,
    ValueError,
)


class Archive(ZipFile):
    """A `zipfile.ZipFile` that appends without overwriting its old central directory.

    New members are written after the old central directory, which stays valid until the new one is
    complete. If writing the new central directory fails, the file is truncated to its old size.

    Parameters
    ----------
    target : pathlib.Path or file object
        The archive.
    mode : {"r", "w", "a", "x"}
        As for `zipfile.ZipFile`.
    **options
        Options of `zipfile.ZipFile`.

    Raises
    ------
    zipfile.BadZipFile
        If the file is damaged or is not a ZIP archive. The message names the file.
    """

    _nbytes_before: int | None = None
    _didModify: bool
    _lock: threading.RLock

    def __init__(self, target: Path | IO[bytes], mode: Any, **options: Any) -> None:
        self._target = target
        nbytes = nbytes_of(target)
        if mode == "a" and nbytes and not is_zipfile(target):
            # `ZipFile` appends to any file, even if the file is not an archive. If `ZipFile`
            # appended to a damaged archive, the old members would be lost without an error.
            raise BadZipFile(f"File is not a zip file, and cannot be appended to: {target}")
        try:
            super().__init__(target, mode, **options)
        except Exception as error:
            if mode not in ("r", "a"):
                raise
            failure = as_damage(error)
            if isinstance(failure, BadZipFile):
                raise BadZipFile(f"{failure}: {target}") from error
            error.add_note(f"while opening the archive {target}")
            raise
        self._nbytes = nbytes if mode in ("r", "a") else 0
        if (
            mode == "a"
            and nbytes
            and (self._didModify or any(member.header_offset < 0 for member in self.filelist))
        ):
            # If the central directory of an archive is damaged, `ZipFile` treats the archive as
            # empty, and would later write an empty central directory. A negative offset of a member
            # is also a sign of damage.
            self._didModify = False
            super().close()
            raise BadZipFile(f"File is not a zip file, or damaged: {target}")
        if mode == "a" and nbytes:
            self._nbytes_before = self.start_dir = nbytes

    # `zipfile` counts the open members, and closes the file when the count reaches zero.
    # `ZipFile.open` and `ZipFile._fpclose` change this count without acquiring a lock. `Archive`
    # overrides `open` and `_fpclose`, so that each of them holds the lock of the archive.

    def open(self, *args: Any, **kwargs: Any) -> IO[bytes]:
        # docstring inherited
        with self._lock:
            return super().open(*args, **kwargs)

    def _fpclose(self, fp: IO[bytes]) -> None:
        with self._lock:
            super()._fpclose(fp)  # type: ignore[misc]

    def close(self) -> None:
        """Write the central directory if members were added, and close the archive.

        Raises
        ------
        OSError
            If the central directory cannot be written. If members were appended to an existing
            archive, the file is first truncated to its old size, which restores its old content. A
            note of the error says whether this succeeded.
        """
        try:
            super().close()
        except Exception as error:
            failure = as_damage(error) if isinstance(error, struct.error) else error
            self._cut_off(failure)
            raise failure from (error if failure is not error else error.__cause__)

    def _cut_off(self, error: BaseException) -> None:
        nbytes = self._nbytes_before
        if nbytes is None:
            error.add_note(f"while writing the directory of the archive {self._target}")
            return
        try:
            _truncate(self._target, nbytes)
        except Exception as failure:
            error.add_note(f"and the archive {self._target} could not be restored: {failure}")
        else:
            error.add_note(
                f"while writing the directory of the archive {self._target}, which holds again "
                "what it held before it was opened"
            )


def add_member(archive: ZipFile, member: ZipInfo, data: bytes) -> None:
    """Add a member; if this fails, leave the archive unchanged."""
    start, count = archive.start_dir, len(archive.filelist)
    before = archive.NameToInfo.get(member.filename)
    try:
        archive.writestr(member, data)
    except BaseException:
        # `zipfile` has already registered the incomplete member, so remove the registration.
        del archive.filelist[count:]
        archive.NameToInfo.pop(member.filename, None)
        if before is not None:
            archive.NameToInfo[member.filename] = before
        archive.start_dir = start
        raise


def as_damage(error: Exception) -> Exception:
    """Convert an error caused by damaged bytes to a `BadZipFile`; return other errors unchanged."""
    # A file object that is not readable, for example, raises `UnsupportedOperation`. This error is
    # no sign of damage.
    if isinstance(error, (BadZipFile, UnsupportedOperation)):
        return error
    is_damage = isinstance(error, _DAMAGED) or (
        isinstance(error, OSError) and error.errno in (None, errno.EINVAL)
    )
    return BadZipFile(f"{type(error).__name__}: {error}") if is_damage else error


def nbytes_of(target: Path | IO[bytes]) -> int:
    """Return the size of an archive in bytes; 0 if the archive does not exist.

    Raises
    ------
    OSError
        If the target is not a regular file. Opening a file of another type, such as a named pipe,
        could block forever.
    """
    if not isinstance(target, Path):
        return target.seek(0, os.SEEK_END)
    try:
        status = os.stat(target)
    except FileNotFoundError:
        return 0
    refuse_irregular(status, str(target))
    return status.st_size


def _truncate(target: Path | IO[bytes], nbytes: int) -> None:
    if isinstance(target, Path):
        os.truncate(target, nbytes)
        return
    try:
        target.truncate(nbytes)
    except OSError:
        # `truncate` first flushes the buffer of the file object. The flush fails if the disk is
        # full, for example. Truncate the file by its descriptor instead, without a flush.
        os.ftruncate(target.fileno(), nbytes)
    target.seek(0, os.SEEK_END)
