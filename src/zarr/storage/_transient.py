"""Which failures of reads may go away, so that it is worth to try again, and who tries again anyway.

Client libraries may not be installed, and are slow to import: their classes are known by name.
"""

from __future__ import annotations

import asyncio
import errno
import math
import re
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from zarr.core._retry import Transient
from zarr.storage._fsspec_faults import status_of
from zarr.storage._fsspec_serial import state_of

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# --- what goes away ---------------------------------------------------------------------

_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
_OVERLOADS = frozenset({429, 503})

# Codes of S3 and what imitates it, and the statuses that mean the same. Not all come with these:
# S3's RequestTimeout has status 400.
_CODES = {
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "SlowDown": 503,
    "BandwidthLimitExceeded": 503,
    "RequestTimeout": 408,
    "RequestTimeoutException": 408,
    "RequestLimitExceeded": 429,
    "Throttling": 429,
    "ThrottlingException": 429,
    "ThrottledException": 429,
    "RequestThrottled": 429,
    "RequestThrottledException": 429,
    "TooManyRequests": 429,
    "TooManyRequestsException": 429,
}

_ERRNOS = frozenset(
    getattr(errno, name)
    for name in (
        *("ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EPIPE", "ESHUTDOWN", "ETIMEDOUT"),
        *("ENETDOWN", "ENETUNREACH", "ENETRESET", "EHOSTDOWN", "EHOSTUNREACH", "EADDRNOTAVAIL"),
    )
    if hasattr(errno, name)
)

# By package: names of exceptions, and whether they tell of a failure that may go away. None where
# what is behind them tells. A class is what the first of its bases in this table is.
_NAMED: dict[str, dict[str, bool | None]] = {
    "aiohttp": {
        "ServerFingerprintMismatch": False,
        "ClientSSLError": None,
        "ClientConnectorDNSError": None,
        "ClientConnectorError": None,
        "ClientConnectionError": True,
        "ClientPayloadError": True,
        "ContentEncodingError": False,  # the body is whole, and not what its headers say
    },
    "requests": {
        "SSLError": None,
        "ConnectionError": True,
        "Timeout": True,
        "ChunkedEncodingError": True,
    },
    "urllib3": {
        "SSLError": None,
        "MaxRetryError": None,
        "ProtocolError": True,
        "TimeoutError": True,
        "NewConnectionError": True,
        "ProxyError": True,
    },
    "botocore": {
        "SSLError": None,
        "ConnectionError": True,
        "ConnectionClosedError": True,
        "ConnectTimeoutError": True,
        "EndpointConnectionError": True,
        "IncompleteReadError": True,
        "ProxyConnectionError": True,
        "ReadTimeoutError": True,
        "ResponseStreamingError": True,
    },
    "oss2": {"RequestError": True},
    "azure": {
        "ServiceRequestError": True,
        "ServiceResponseError": True,
        "IncompleteReadError": True,
    },
    "httpx": {"TimeoutException": True, "NetworkError": True, "RemoteProtocolError": True},
    "httpcore": {"TimeoutException": True, "NetworkError": True, "RemoteProtocolError": True},
    "http": {"IncompleteRead": True},
    "ssl": {
        # The connection ended; all else is of certificates, versions and ciphers.
        "SSLEOFError": True,
        "SSLZeroReturnError": True,
        "SSLSyscallError": True,
        "SSLError": False,
    },
}
_LASTING = frozenset({"ServerFingerprintMismatch", "ContentEncodingError"})

# c-ares, by which aiohttp may resolve names: SERVFAIL, ECONNREFUSED (by the resolver), ETIMEOUT.
_DNS_CODES = frozenset({3, 11, 12})

# Where exceptions keep the one that they were made from, if it is not their cause.
_INNER = ("os_error", "certificate_error", "reason", "inner_exception", "args", "kwargs")
_MOST_CAUSES = 32


def transient(error: BaseException) -> Transient | None:
    """Tell whether a failure may go away by itself.

    That is a connection that was refused, or ended too early, a time limit that was passed, a
    resolver of names that could not answer, and a status of the server that speaks of its state:
    408, 429, 500, 502, 503 and 504. It is looked for in the failure and in its causes, the first
    that tells deciding. The context of a failure does not count: it is whatever was being handled
    when it was raised, such as the failure of an earlier attempt.

    Parameters
    ----------
    error : BaseException
        What was raised.

    Returns
    -------
    Transient or None
        What is known of the failure; None for all others, such as wrong replies, refused access,
        untrusted certificates, and what cannot be told.
    """
    if not isinstance(error, Exception):
        return None
    chain = list(_with_causes(error))
    # What wraps these does not tell them from what goes away.
    for cause in chain:
        goes_away = _decides(cause)
        if goes_away is not None:
            return Transient() if goes_away else None
    for cause in chain:
        status = _status(cause)
        if status is not None:
            if status not in _STATUSES:
                return None
            return Transient(status in _OVERLOADS, _retry_after(_headers(cause)))
        goes_away = _goes_away(cause)
        if goes_away is not None:
            return Transient() if goes_away else None
    return None


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it came of, each once."""
    seen = {id(error)}
    waiting = [error]
    while waiting and len(seen) <= _MOST_CAUSES:
        found = waiting.pop(0)
        yield found
        inner = [found.__cause__]
        if _named(found) is not _UNNAMED:
            inner += _inner(found)
        for other in inner:
            if other is not None and id(other) not in seen:
                seen.add(id(other))
                waiting.append(other)


def _inner(error: BaseException) -> Iterator[BaseException]:
    for name in _INNER:
        value = getattr(error, name, None)
        if isinstance(value, Mapping):
            value = tuple(value.values())
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, BaseException):
                yield item


def _decides(error: BaseException) -> bool | None:
    """Return whether a failure to find or to trust a host, or to decode a body, may go away.

    None for all others.
    """
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    package, name, goes_away = _named(error)
    if package == "aiodns":
        return bool(error.args) and error.args[0] in _DNS_CODES
    return goes_away if package == "ssl" or name in _LASTING else None


def _status(error: BaseException) -> int | None:
    """Return the status of the reply that an exception is about, None if it is about none."""
    if _named(error)[2] is not None:
        return None  # parsers of HTTP give a status to what they cannot read
    code = status_of(error)
    if not isinstance(code, str):
        return code
    if code in _CODES:
        return _CODES[code]
    if code.isdecimal():
        return int(code)
    response: Any = getattr(error, "response", None)
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else None


def _goes_away(error: BaseException) -> bool | None:
    """Return whether a failure without a status may go away, None if its cause tells."""
    if isinstance(error, asyncio.CancelledError):
        return False
    if isinstance(error, (TimeoutError, ConnectionError, asyncio.IncompleteReadError)):
        return True
    _, name, goes_away = _named(error)
    if goes_away is not None:
        return goes_away
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return True
    # Several addresses were tried, for as many reasons; or the reason is not known.
    unknown = name == "ClientConnectorError" and getattr(error, "errno", None) is None
    return True if unknown else None


_Named = tuple[str, str, "bool | None"]
_UNNAMED: _Named = ("", "", None)


def _named(error: BaseException) -> _Named:
    return _named_type(_class(error))


def _class(value: object) -> type:
    return type(value)


@lru_cache(maxsize=256)
def _named_type(cls: type) -> _Named:
    """Return package, name and meaning of the first base of a class that is in the table."""
    for base in cls.__mro__:
        package = base.__module__.partition(".")[0]
        if package == "aiodns":
            return package, base.__name__, None
        names = _NAMED.get(package, {})
        if base.__name__ in names:
            return package, base.__name__, names[base.__name__]
    return _UNNAMED


# --- when to come back ------------------------------------------------------------------

_is_number = re.compile(r"[0-9]+(?:\.[0-9]*)?\Z").match


def _headers(error: BaseException) -> Mapping[str, Any]:
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        found = response.get("ResponseMetadata", {}).get("HTTPHeaders")
    else:
        found = getattr(error, "headers", None) or getattr(response, "headers", None)
    if not hasattr(found, "items"):
        return {}
    return {str(name).lower(): value for name, value in found.items()}


def _retry_after(headers: Mapping[str, Any]) -> float | None:
    """Return the seconds to wait that headers speak of, None if they do not.

    Parameters
    ----------
    headers : mapping
        Headers of a reply, by their names in lower case.
    """
    value = str(headers.get("retry-after", "")).strip()
    if _is_number(value):
        seconds = float(value)
        return seconds if math.isfinite(seconds) else None
    moment = _date(value)
    if moment is None:
        return None
    # By the clock of the server, where it says what that shows.
    now = _date(str(headers.get("date", ""))) or datetime.now(UTC)
    return max(0.0, (moment - now).total_seconds())


def _date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, LookupError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


# --- who tries again --------------------------------------------------------------------

# Packages whose clients repeat requests, by default, on failures of connections and on status 503.
_RETRYING = frozenset({"s3fs", "gcsfs", "adlfs", "ocifs", "tosfs", "huggingface_hub", "obstore"})
# Its file systems are pyarrow's, which have the clients of AWS, Google, Azure and Hadoop.
_ARROW = "fsspec.implementations.arrow"


def retries_itself(fs: AbstractFileSystem) -> bool:
    """Return whether a file system of fsspec makes failed requests again by itself.

    Parameters
    ----------
    fs : fsspec.spec.AbstractFileSystem
        The file system, or a wrapper, a cache or an archive, which does what the one behind it
        does. Of one that follows references hand over the target of a reference instead.

    Returns
    -------
    bool
        False also where it is not known.
    """
    inner: Any = fs
    while inner is not None:
        if _is_retrying(_class(inner)):
            return True
        try:
            state = state_of(inner)
        except AttributeError:  # no file system of fsspec
            return False
        files = (state.get("of"), state.get("fo"))  # of an archive
        behind = (state.get("sync_fs"), state.get("fs"), *(getattr(f, "fs", None) for f in files))
        inner = next((found for found in behind if found is not None), None)
    return False


@lru_cache(maxsize=256)
def _is_retrying(cls: type) -> bool:
    modules = [base.__module__ for base in cls.__mro__]
    return _ARROW in modules or any(name.partition(".")[0] in _RETRYING for name in modules)
