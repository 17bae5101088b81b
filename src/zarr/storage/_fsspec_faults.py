"""Classify failures of fsspec file systems: absent key, range past the end, other failure."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from zarr.core._byte_ranges import RangeByteRequest, SuffixByteRequest, resolve_byte_range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarr.core._byte_ranges import ByteRequest

# A missing bucket does not prove that a key is absent.
_NO_BUCKET = "NoSuchBucket"
_ABSENT_CODES = frozenset({404, 410, "404", "NoSuchKey", "NoSuchVersion"})
_RANGE_CODES = frozenset({416, "416", "InvalidRange"})


def fault_behind(error: BaseException) -> BaseException | None:
    """Return the failure that caused a `FileNotFoundError`; None if the object is really absent.

    Some file systems, such as fsspec's HTTP file system, raise a `FileNotFoundError` for every
    failure to look up a path. The original failure is the cause of that exception.
    """
    for cause in _causes(error):
        code = status_of(cause)
        if code is not None:
            if code not in _ABSENT_CODES:
                return cause
        elif isinstance(cause, (FileNotFoundError, NotADirectoryError)):
            continue
        elif isinstance(cause, (OSError, RuntimeError)) or _is_client_error(cause):
            return cause
    return None


def is_missing_bucket(error: BaseException) -> bool:
    """Return whether a server reported a missing bucket."""
    return status_of(error) == _NO_BUCKET


def is_range_error(error: BaseException) -> bool:
    """Return whether a server rejected a byte range because it is outside the object."""
    return any(status_of(cause) in _RANGE_CODES for cause in (error, *_causes(error)))


def starts_past_the_end(byte_range: ByteRequest, nbytes: int) -> bool:
    """Return whether a byte range lies completely outside an object of `nbytes` bytes."""
    start, stop = resolve_byte_range(byte_range, nbytes)
    return start == stop


def check_length(data: bytes, byte_range: ByteRequest | None, nbytes: int | None = None) -> None:
    """Raise an error if the length of a response does not match its byte range.

    Parameters
    ----------
    data : bytes
        The bytes of the response.
    byte_range : ByteRequest or None
        The byte range; None means the whole object.
    nbytes : int or None
        Size of the object in bytes; None if unknown.

    Raises
    ------
    OSError
        If `nbytes` is known and the response is shorter or longer than expected. If `nbytes` is
        None and the response is longer than the byte range.
    """
    if nbytes is not None:
        start, stop = resolve_byte_range(byte_range, nbytes)
        if len(data) == stop - start:
            return
        wanted = f"{stop - start}"
    else:
        if isinstance(byte_range, RangeByteRequest):
            most = max(0, byte_range.end - byte_range.start)
        elif isinstance(byte_range, SuffixByteRequest):
            most = byte_range.suffix
        else:
            return
        if len(data) <= most:
            return
        wanted = f"at most {most}"
    raise OSError(errno.EIO, f"the file system returned {len(data)} bytes, expected {wanted}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__
    while cause is not None:
        yield cause
        cause = cause.__cause__


def status_of(error: BaseException) -> int | str | None:
    """Return the HTTP status or error code attached to an exception; None if there is none."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        code = response.get("Error", {}).get("Code")
        return code if isinstance(code, (int, str)) else None
    for holder in (error, response):
        for name in ("status", "status_code", "code"):
            code = getattr(holder, name, None)
            if isinstance(code, int) or (isinstance(code, str) and code.isdecimal()):
                return int(code)
    return None


def _is_client_error(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in ("aiohttp", "botocore", "aiobotocore")
