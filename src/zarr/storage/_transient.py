"""Find out whether to retry a failed read, and whether a client library retries requests itself.

Client libraries are optional and slow to import, so their classes are recognized by name.
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

# --- transient failures -----------------------------------------------------------------

_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
_OVERLOADS = frozenset({429, 503})

# Error codes of S3 and compatible servers, and the equivalent HTTP statuses. The response itself
# may have a different status: S3 sends RequestTimeout with status 400.
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

# Names of exception classes per package, and whether the exceptions are transient. None means that
# the class alone does not show whether an exception is transient: the error number and the causes
# of the exception are then examined. A class is classified by the first class in its MRO that is in
# this table.
_NAMED: dict[str, dict[str, bool | None]] = {
    "aiohttp": {
        "ServerFingerprintMismatch": False,
        "ClientSSLError": None,
        "ClientConnectorDNSError": None,
        "ClientConnectorError": None,
        "ClientConnectionError": True,
        "ClientPayloadError": True,
        "ContentEncodingError": False,  # the body is complete but contradicts its headers
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
        # `SSLEOFError`, `SSLZeroReturnError` and `SSLSyscallError` mean that the connection was
        # closed. Other SSL errors concern certificates, versions and ciphers.
        "SSLEOFError": True,
        "SSLZeroReturnError": True,
        "SSLSyscallError": True,
        "SSLError": False,
    },
}
_LASTING = frozenset({"ServerFingerprintMismatch", "ContentEncodingError"})

# Error codes of c-ares, a DNS library that aiohttp may use: SERVFAIL, ECONNREFUSED (by the
# resolver), ETIMEOUT.
_DNS_CODES = frozenset({3, 11, 12})

# Attributes in which exceptions store an inner exception that is not their ``__cause__``.
_INNER = ("os_error", "certificate_error", "reason", "inner_exception", "args", "kwargs")
_MOST_CAUSES = 32


def transient(error: BaseException) -> Transient | None:
    """Return a `Transient` if a failure is transient, else None.

    Transient failures are: a refused or prematurely closed connection, a timeout, a temporary DNS
    failure, and the statuses 408, 429, 500, 502, 503 and 504. The failure and its causes are
    examined in order; the first exception that can be classified determines the result. The
    ``__context__`` of a failure is ignored, because it may be unrelated, for example the failure of
    an earlier attempt.

    Parameters
    ----------
    error : BaseException
        The failure.

    Returns
    -------
    Transient or None
        For a transient failure, an object that tells whether the server is overloaded, and how
        long the server asks the client to wait. None for all other failures, such as wrong
        responses, refused access, untrusted certificates, and failures that cannot be classified.
    """
    if not isinstance(error, Exception):
        return None
    chain = list(_with_causes(error))
    # Check for DNS, TLS and decoding failures first, because exceptions that look transient may
    # wrap such failures.
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
    """Yield an exception and its causes, each once."""
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
    """Return whether a failure of DNS, TLS or body decoding is transient.

    The result is None for all other failures.
    """
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    package, name, goes_away = _named(error)
    if package == "aiodns":
        return bool(error.args) and error.args[0] in _DNS_CODES
    return goes_away if package == "ssl" or name in _LASTING else None


def _status(error: BaseException) -> int | None:
    """Return the status of the response that caused an exception; None if there is no response."""
    if _named(error)[2] is not None:
        return None  # HTTP parsers attach a status to their own parse errors
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
    """Return whether a failure without a status is transient.

    The result is None if the failure itself does not show whether it is transient. In that case,
    the cause of the failure must be examined.
    """
    if isinstance(error, asyncio.CancelledError):
        return False
    if isinstance(error, (TimeoutError, ConnectionError, asyncio.IncompleteReadError)):
        return True
    _, name, goes_away = _named(error)
    if goes_away is not None:
        return goes_away
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return True
    # A `ClientConnectorError` without an errno means one of two things: either connections to
    # several addresses failed for different reasons, or the reason is unknown.
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
    """Return package, name and `_NAMED` value of the first recognized class in the MRO."""
    for base in cls.__mro__:
        package = base.__module__.partition(".")[0]
        if package == "aiodns":
            return package, base.__name__, None
        names = _NAMED.get(package, {})
        if base.__name__ in names:
            return package, base.__name__, names[base.__name__]
    return _UNNAMED


# --- when to retry ----------------------------------------------------------------------

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
    """Return the seconds to wait according to ``Retry-After``; None if there is no valid header.

    Parameters
    ----------
    headers : mapping
        Headers of a response, keyed by lower-case name.
    """
    value = str(headers.get("retry-after", "")).strip()
    if _is_number(value):
        seconds = float(value)
        return seconds if math.isfinite(seconds) else None
    moment = _date(value)
    if moment is None:
        return None
    # Use the clock of the server if the response has a ``Date`` header.
    now = _date(str(headers.get("date", ""))) or datetime.now(UTC)
    return max(0.0, (moment - now).total_seconds())


def _date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, LookupError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


# --- clients that retry -----------------------------------------------------------------

# Packages whose clients retry by default after connection failures and status 503.
_RETRYING = frozenset({"s3fs", "gcsfs", "adlfs", "ocifs", "tosfs", "huggingface_hub", "obstore"})
# Module of the fsspec file systems that use pyarrow. The clients of AWS, Google, Azure and Hadoop
# that pyarrow uses also retry failed requests.
_ARROW = "fsspec.implementations.arrow"


def retries_itself(fs: AbstractFileSystem) -> bool:
    """Return whether an fsspec file system retries failed requests itself.

    Parameters
    ----------
    fs : fsspec.spec.AbstractFileSystem
        The file system. For a wrapper, a cache or an archive, the underlying file system is
        examined. For a reference file system, pass the file system of the files that are
        referenced.

    Returns
    -------
    bool
        False if the file system does not retry requests, or if this is unknown.
    """
    inner: Any = fs
    while inner is not None:
        if _is_retrying(_class(inner)):
            return True
        try:
            state = state_of(inner)
        except AttributeError:  # not an fsspec file system
            return False
        files = (state.get("of"), state.get("fo"))  # the file of an archive
        behind = (state.get("sync_fs"), state.get("fs"), *(getattr(f, "fs", None) for f in files))
        inner = next((found for found in behind if found is not None), None)
    return False


@lru_cache(maxsize=256)
def _is_retrying(cls: type) -> bool:
    modules = [base.__module__ for base in cls.__mro__]
    return _ARROW in modules or any(name.partition(".")[0] in _RETRYING for name in modules)
