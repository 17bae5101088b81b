"""Read ZIP archives by offset, and adapt file objects that do not derive from `io.IOBase`."""

from __future__ import annotations

import errno
import io
import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

_STORED = 0
_LOCAL_HEADER_NBYTES = 30  # fixed part (APPNOTE.TXT 4.3.7), before the name and extra field


class PositionalReader:
    """Reads bytes of a file by offset, so that several threads can read without a lock.

    The file stays open as long as the reader is referenced.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    """

    is_available: bool = hasattr(os, "pread")

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY)
        self._starts: dict[int, int] = {}
        # The file is closed only when the last reference to this reader is gone, because other
        # threads may still be reading the archive while `ZipStore.close` runs. If `ZipStore.close`
        # closed the file, the system could reuse the descriptor number for another file. These
        # threads would then read from that file.
        weakref.finalize(self, os.close, self._fd)

    def read_stored(self, member: ZipInfo, start: int, stop: int) -> bytes:
        """Return the bytes from offset `start` to `stop` of an uncompressed member."""
        first = self._starts.get(member.header_offset)
        if first is None:
            first = self._starts[member.header_offset] = self._find_start(member)
        return self._read(first + start, stop - start)

    def _find_start(self, member: ZipInfo) -> int:
        from zipfile import BadZipFile

        header = self._read(member.header_offset, _LOCAL_HEADER_NBYTES)
        if header[:4] != b"PK\x03\x04":
            raise BadZipFile(f"Bad magic number for file header of {member.filename!r}")
        name_nbytes = int.from_bytes(header[26:28], "little")
        extra_nbytes = int.from_bytes(header[28:30], "little")
        return member.header_offset + _LOCAL_HEADER_NBYTES + name_nbytes + extra_nbytes

    def _read(self, offset: int, nbytes: int) -> bytes:
        parts = []
        while nbytes:
            part = os.pread(self._fd, nbytes, offset)
            if not part:
                from zipfile import BadZipFile

                raise BadZipFile("The archive ends within one of its members.")
            parts.append(part)
            offset, nbytes = offset + len(part), nbytes - len(part)
        return b"".join(parts) if len(parts) != 1 else parts[0]


def check_member(archive: ZipFile, member: ZipInfo) -> None:
    """Raise an error if the entry of a member in the central directory is invalid.

    Raises
    ------
    zipfile.BadZipFile
        If the entry has a negative offset, if the member begins within the archive file and ends
        after it, or if an uncompressed member has unequal `file_size` and `compress_size`.
    """
    start, end = member.header_offset, member.header_offset + member.compress_size
    # `_nbytes` is the size of the archive file. A `ZipFile` that is not an `Archive` lacks this
    # attribute; in that case the end of the member is not checked.
    if start < 0 or (start < getattr(archive, "_nbytes", 0) < end):
        from zipfile import BadZipFile

        raise BadZipFile(
            f"According to the directory of the archive, the member {member.filename!r} is not "
            "completely inside the archive"
        )
    if member.compress_type == _STORED and member.file_size != member.compress_size:
        from zipfile import BadZipFile

        raise BadZipFile(
            "According to the directory of the archive, the uncompressed member "
            f"{member.filename!r} has {member.file_size} bytes, but {member.compress_size} bytes "
            "are stored"
        )


class ForeignReader(io.RawIOBase):
    """An `io.RawIOBase` over an object that has only ``read``, ``seek`` and ``tell``.

    Closing the reader does not close the object.

    Parameters
    ----------
    source : object
        The object to read from, for example a reader of obstore. Its ``read`` method may return any
        object that supports the buffer protocol.
    """

    def __init__(self, source: Any) -> None:
        self.source = source

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer, and return the number of bytes read; 0 at the end of the source.

        Raises
        ------
        OSError
            If ``read`` of the source returns more bytes than requested.
        """
        data = memoryview(self.source.read(len(buffer))).cast("B")
        if len(data) > len(buffer):
            message = f"{self.source!r} returned {len(data)} bytes, expected at most {len(buffer)}"
            raise OSError(errno.EIO, message)
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position as `io.IOBase.seek` does, and return the new position."""
        self.source.seek(offset, whence)
        return self.tell()

    def tell(self) -> int:
        """Return the position."""
        return int(self.source.tell())


def given(file: Any) -> Any:
    """Return the file object as the user passed it."""
    raw = getattr(file, "raw", None)
    return raw.source if isinstance(raw, ForeignReader) else file


def path_or_file(path: object, mode: str) -> tuple[Path | None, Any]:
    """Return the path and the file object of an archive; exactly one of them is None.

    Raises
    ------
    TypeError
        If `path` is neither a path nor a binary file object. If the file object does not derive
        from `io.IOBase`, the error is raised for every `mode` except ``"r"``.
    """
    if isinstance(path, (str, os.PathLike)):
        return Path(os.fspath(path)), None
    if not all(hasattr(path, method) for method in ("read", "seek", "tell")) or isinstance(
        path, io.TextIOBase
    ):
        raise TypeError(
            "expected a path or an open binary file object supporting read/seek/tell, "
            f"got {type(path).__name__}"
        )
    if isinstance(path, io.IOBase):
        return None, path
    if mode != "r":
        raise TypeError(
            f"{path!r} is not an instance of io.IOBase. Such a file object can only be read, so "
            f"the mode must be 'r'. Got mode {mode!r}."
        )
    return None, io.BufferedReader(ForeignReader(path))


def is_directory(member: ZipInfo) -> bool:
    """Return whether the name of a member ends in ``/`` and the member has no content."""
    return member.filename.endswith("/") and member.file_size == 0


def of_size(nbytes: int, data: bytes) -> bytes:
    """Return the data of a member after checking the size of the data.

    Raises
    ------
    zipfile.BadZipFile
        If the size of the data is not `nbytes`.
    """
    if len(data) != nbytes:
        from zipfile import BadZipFile

        raise BadZipFile(f"Expected {nbytes} bytes of the member, got {len(data)} bytes")
    return data
