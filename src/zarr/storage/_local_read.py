"""Read a file of a local file system, or a byte range of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from zarr.core._byte_ranges import ByteRequest, resolve_byte_range
from zarr.storage._local_files import irregular, refuse_irregular

# Without O_NONBLOCK, opening a named pipe would block until another process opens it for writing.
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)

# Error numbers that occur for pipes and devices, but not for regular files.
_NOT_OF_FILES = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ESPIPE, errno.EINVAL, errno.ENXIO}


def read_file(path: str, byte_range: ByteRequest | None, expected: int) -> bytes:
    """Read a file, or a byte range of it.

    The file is opened with `os.open`, because the built-in `open` creates three objects and
    requests the file size twice.

    Parameters
    ----------
    path : str
        Path of the file.
    byte_range : ByteRequest or None
        The bytes to read; None means all.
    expected : int
        Expected size of the file in bytes. If the whole file is requested, is not empty, and has
        fewer bytes than `expected`, the file is read without `fstat`, which is faster.
    """
    descriptor = _open(path)
    try:
        if byte_range is None:
            # Most values are small, so one call usually reads the whole file. To check whether the
            # call has read the whole file, seek to the end of the file: a seek is faster than
            # `fstat`. Pipes and devices fail this check, because they have no fixed end.
            data = os.read(descriptor, expected)
            if 0 < len(data) < expected and os.lseek(descriptor, 0, os.SEEK_END) == len(data):
                return data
        status = os.fstat(descriptor)
        refuse_irregular(status, path)
        if byte_range is None:
            start, stop = 0, status.st_size
        else:
            start, stop = resolve_byte_range(byte_range, status.st_size)
        data = _read_at(descriptor, stop - start, start)
        if len(data) == stop - start:
            return data
        pieces = [data]
        while (start := start + len(data)) < stop:
            if not data:
                raise OSError(
                    errno.EIO,
                    f"the file ended {stop - start} bytes early while it was read",
                    path,
                )
            data = _read_at(descriptor, stop - start, start)
            pieces.append(data)
        return b"".join(pieces)
    except IsADirectoryError as error:
        error.filename = path
        raise
    except OSError as error:
        if error.errno in _NOT_OF_FILES:
            refuse_irregular(os.fstat(descriptor), path)
        error.filename = path
        raise
    finally:
        os.close(descriptor)


def _open(path: str) -> int:
    """Open a file for reading without blocking."""
    try:
        return os.open(path, _FLAGS)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise irregular(path, os.stat(path).st_mode) from None
        # If another process has a lease on the file, wait until that process releases the lease.
        if isinstance(error, BlockingIOError) and os.path.isfile(path):
            return os.open(path, _FLAGS & ~os.O_NONBLOCK)
        raise


def _seek_and_read(descriptor: int, nbytes: int, offset: int, /) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, nbytes)


# Not every operating system has `os.pread`. Both `os.pread` and `_seek_and_read` may return fewer
# bytes than requested.
_read_at: Callable[[int, int, int], bytes] = getattr(os, "pread", _seek_and_read)
