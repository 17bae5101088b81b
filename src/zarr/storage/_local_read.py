"""Reading a file of a local file system, or a part of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from zarr.core._byte_ranges import ByteRequest, resolve_byte_range
from zarr.storage._local_files import irregular, refuse_irregular

# A named pipe would keep who opens it waiting, for somebody who writes into it.
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)

# What a pipe or a device answers where a file would not.
_NOT_OF_FILES = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ESPIPE, errno.EINVAL, errno.ENXIO}


def read_file(path: str, byte_range: ByteRequest | None, expected: int) -> bytes:
    """Read a file, or part of it; a whole one sooner where it has fewer bytes than expected.

    Plain system calls: `open` builds three objects and asks for the size twice.
    """
    descriptor = _open(path)
    try:
        if byte_range is None:
            # Most values are small, and where a file ends takes less to find than all of its state.
            # What has no end, or none yet, is no regular file.
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
    """Open a file for reading, and wait for nobody."""
    try:
        return os.open(path, _FLAGS)
    except OSError as error:
        if error.errno == errno.ENXIO:  # of a socket
            raise irregular(path, os.stat(path).st_mode) from None
        if isinstance(error, BlockingIOError) and os.path.isfile(path):  # others hold a lease
            return os.open(path, _FLAGS & ~os.O_NONBLOCK)
        raise


def _seek_and_read(descriptor: int, nbytes: int, offset: int, /) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, nbytes)


# Not every system has positional reads. Either may return less than it is asked for.
_read_at: Callable[[int, int, int], bytes] = getattr(os, "pread", _seek_and_read)
