"""A ZIP archive whose content survives a failure to write to it."""

from __future__ import annotations

import errno
import lzma
import os
import struct
import zlib
from io import UnsupportedOperation
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile, ZipFile, ZipInfo, is_zipfile

from zarr.storage._local_files import refuse_irregular

# What `zipfile` and the decompressors raise where bytes are damaged, besides `BadZipFile`.
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
    """An archive that is read, made, or added to.

    What is added goes behind the directory that is there, not in its place, so that it stays until
    the new one is complete. Where that fails, what was added is cut off again.

    Parameters
    ----------
    target : pathlib.Path or file object
        The archive.
    mode : {"r", "w", "a", "x"}
        As for `zipfile.ZipFile`.
    **options
        Those of `zipfile.ZipFile`.

    Raises
    ------
    zipfile.BadZipFile
        If it is damaged, or no archive; it is named.
    """

    _nbytes_before: int | None = None
    _didModify: bool

    def __init__(self, target: Path | IO[bytes], mode: Any, **options: Any) -> None:
        self._target = target
        nbytes = nbytes_of(target)
        if mode == "a" and nbytes and not is_zipfile(target):
            # ZipFile appends to any file; what is there would be lost without a word.
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
            # It takes an archive whose directory is damaged for an empty one, and would write that;
            # a member before the beginning cannot be written into a directory.
            self._didModify = False
            super().close()
            raise BadZipFile(f"File is not a zip file, or damaged: {target}")
        if mode == "a" and nbytes:
            self._nbytes_before = self.start_dir = nbytes

    def close(self) -> None:
        """Write the directory, if anything was added, and close the archive.

        Raises
        ------
        OSError
            If that fails. What was in the archive when it was opened stays.
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
    """Add a member, or leave the archive as it is where that fails."""
    start, count = archive.start_dir, len(archive.filelist)
    before = archive.NameToInfo.get(member.filename)
    try:
        archive.writestr(member, data)
    except BaseException:
        # `zipfile` counts what is only half there.
        del archive.filelist[count:]
        archive.NameToInfo.pop(member.filename, None)
        if before is not None:
            archive.NameToInfo[member.filename] = before
        archive.start_dir = start
        raise


def as_damage(error: Exception) -> Exception:
    """Return `BadZipFile` for what damaged bytes make others raise, any other error as it is."""
    if isinstance(error, (BadZipFile, UnsupportedOperation)):  # of a file that is not readable
        return error
    is_damage = isinstance(error, _DAMAGED) or (
        isinstance(error, OSError) and error.errno in (None, errno.EINVAL)
    )
    return BadZipFile(f"{type(error).__name__}: {error}") if is_damage else error


def nbytes_of(target: Path | IO[bytes]) -> int:
    """Return the size of an archive in bytes, 0 where there is none.

    Raises
    ------
    OSError
        If it is no regular file: opening a named pipe waits for ever.
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
        # What it holds back does not fit either; the file itself can be made shorter.
        os.ftruncate(target.fileno(), nbytes)
    target.seek(0, os.SEEK_END)
