"""Which failures of reads may go away, and which file systems try again by themselves."""

from __future__ import annotations

import asyncio
import errno
import http.client
import socket
import ssl
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import boto3  # noqa: F401  (what is imported below comes with it)
import fsspec
import pytest
from botocore import exceptions as botocore
from fsspec.core import OpenFile
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.reference import ReferenceNotReachable
from hypothesis import given
from hypothesis import strategies as st
from tests.servers import faults
from tests.servers.range_server import Fault, RangeServer
from tests.stores.bulk_kit import PROTOTYPE

from zarr.abc.store import ByteRequest, RangeByteRequest
from zarr.core._retry import Transient
from zarr.core.sync import sync
from zarr.storage import FsspecStore
from zarr.storage._fsspec_faults import check_length
from zarr.storage._transient import _retry_after, retries_itself, transient

AGAIN = Transient()
OVERLOAD = Transient(is_overload=True)


# --- what file systems raise ------------------------------------------------------------

FAULTS: dict[str, tuple[Fault, Transient | None]] = {
    "reset_before_the_reply": (faults.reset_before_the_reply(), AGAIN),
    "reset_in_the_body": (faults.reset_in_the_body(), AGAIN),
    "cut_in_the_body": (faults.cut_in_the_body(), AGAIN),
    "declared_too_long": (faults.declared_too_long(), AGAIN),
    "declared_too_short": (faults.declared_too_short(), None),
    "unavailable": (faults.unavailable(7), Transient(True, 7.0)),
    "too_many_requests": (faults.too_many_requests(0), Transient(True, 0.0)),
    "other_range": (faults.other_range(), None),
    "no_content": (faults.no_content(), None),
    "range_of_the_gzip": (faults.range_of_the_gzip(), None),
    "page": (faults.html_page(), None),
    "no_length": (Fault(headers={"Content-Length": "many"}), None),
    **{
        str(status): (Fault(status=status), None)
        for status in (400, 401, 403, 405, 410, 416, 418, 501, 505)
    },
    **{str(status): (Fault(status=status), AGAIN) for status in (408, 500, 502, 504)},
    **{str(status): (Fault(status=status), OVERLOAD) for status in (429, 503)},
    "asked_to_wait_by_another": (
        Fault(status=502, headers={"Retry-After": "2"}),
        Transient(False, 2.0),
    ),
}


def failure(url: str, byte_range: ByteRequest | None = None, **options: Any) -> Exception:
    """Return what a read from a store of fsspec raises."""
    store = FsspecStore.from_url(url, storage_options=options, read_only=True)
    with pytest.raises(Exception) as caught:
        sync(store.get("key", PROTOTYPE, byte_range))
    return caught.value


@pytest.mark.parametrize("name", FAULTS)
def test_failures_of_http(name: str, range_server: RangeServer) -> None:
    fault, expected = FAULTS[name]
    range_server.objects["key"] = bytes(range(200))
    range_server.inject("key", fault)
    assert transient(failure(range_server.url, RangeByteRequest(4, 60))) == expected


@pytest.mark.parametrize("name", ["cut_in_the_body", "unavailable", "403", "404"])
def test_failures_behind_references(name: str, range_server: RangeServer) -> None:
    fault, expected = FAULTS.get(name, (Fault(status=404), None))
    range_server.objects["blob"] = bytes(range(200))
    range_server.inject("blob", fault)
    found = failure(
        "reference://", fo={"key": [f"{range_server.url}/blob", 4, 60]}, remote_protocol="http"
    )
    assert isinstance(found, ReferenceNotReachable)
    assert transient(found) == expected


def test_a_body_that_cannot_be_decoded(range_server: RangeServer) -> None:
    # aiohttp raises the same exception as for one that is cut.
    range_server.objects["key"] = bytes(range(200))
    range_server.inject("key", Fault(headers={"Content-Encoding": "gzip"}))
    found = failure(range_server.url)
    assert isinstance(found, aiohttp.ClientPayloadError)
    assert transient(found) is None


def test_a_server_that_says_nothing(range_server: RangeServer) -> None:
    range_server.objects["key"] = bytes(200)
    range_server.inject("key", Fault(hang=True))
    options = {"timeout": aiohttp.ClientTimeout(sock_read=0.05)}
    assert transient(failure(range_server.url, client_kwargs=options)) == AGAIN


def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = failure(f"http://127.0.0.1:{free.getsockname()[1]}")
    assert isinstance(found, aiohttp.ClientConnectorError)
    assert transient(found) == AGAIN


def test_a_server_that_speaks_no_tls(range_server: RangeServer) -> None:
    found = failure(range_server.url.replace("http:", "https:"))
    assert isinstance(found, aiohttp.ClientSSLError)
    assert transient(found) is None


def test_a_url_that_is_none() -> None:
    assert transient(failure("http://[::1")) is None


# --- exceptions, one by one -------------------------------------------------------------


def caused(error: BaseException, *causes: BaseException) -> BaseException:
    """Return an exception that came of another, and that of the next."""
    outer = error
    for cause in causes:
        outer.__cause__ = cause
        outer = cause
    return error


def in_the_context_of(error: BaseException, earlier: BaseException) -> BaseException:
    error.__context__ = earlier
    return error


def connector(cls: type[aiohttp.ClientConnectorError], error: Any) -> Exception:
    key: Any = SimpleNamespace(host="host", port=443, is_ssl=True, ssl=True)
    return cls(key, error)


def response_error(status: int, **headers: str) -> Exception:
    fields: Any = {name.replace("_", "-"): value for name, value in headers.items()}
    request: Any = SimpleNamespace(real_url="http://host/key")
    return aiohttp.ClientResponseError(request, (), status=status, headers=fields)


def client_error(code: str, status: int, **headers: str) -> Exception:
    reply: Any = {
        "Error": {"Code": code},
        "ResponseMetadata": {
            "HTTPStatusCode": status,
            "HTTPHeaders": {name.replace("_", "-"): value for name, value in headers.items()},
        },
    }
    return botocore.ClientError(reply, "GetObject")


def fake(name: str, *bases: type, module: str, **attributes: Any) -> Exception:
    """Return an exception like one of a package that is not installed."""
    cls = type(name, bases or (Exception,), {"__module__": module})
    error: Exception = cls("message")
    for attribute, value in attributes.items():
        setattr(error, attribute, value)
    return error


def wrong_length() -> Exception:
    with pytest.raises(OSError) as caught:
        check_length(b"12345", RangeByteRequest(0, 4))
    return caught.value


CERTIFICATE = ssl.SSLCertVerificationError(1, "certificate verify failed")
NO_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
NO_RESOLVER = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
REPLY = SimpleNamespace(status_code=503, headers={"Retry-After": "4"})

ROWS: list[tuple[BaseException, Transient | None]] = [
    # of Python
    (ConnectionResetError(), AGAIN),
    (ConnectionRefusedError(), AGAIN),
    (ConnectionAbortedError(), AGAIN),
    (BrokenPipeError(), AGAIN),
    (OSError(errno.EHOSTUNREACH, "No route to host"), AGAIN),
    (OSError(errno.ENETUNREACH, "Network is unreachable"), AGAIN),
    (TimeoutError(), AGAIN),
    (OSError(errno.ETIMEDOUT, "timed out"), AGAIN),
    (fsspec.exceptions.FSTimeoutError(), AGAIN),
    (caused(TimeoutError(), asyncio.CancelledError()), AGAIN),
    (asyncio.IncompleteReadError(b"", 4), AGAIN),
    (http.client.IncompleteRead(b""), AGAIN),
    (http.client.RemoteDisconnected("no reply"), AGAIN),
    (NO_RESOLVER, AGAIN),
    (NO_NAME, None),
    (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), AGAIN),
    (ssl.SSLError(1, "wrong version number"), None),
    (CERTIFICATE, None),
    (asyncio.CancelledError(), None),
    (KeyboardInterrupt(), None),
    (ValueError(), None),
    (OSError(), None),
    (OSError(errno.EIO, "the reply is wrong"), None),
    (wrong_length(), None),
    (PermissionError(errno.EACCES, "no"), None),
    (FileNotFoundError(errno.ENOENT, "no"), None),
    (IsADirectoryError(), None),
    (OSError(errno.ENOSPC, "full"), None),
    # of aiohttp
    (aiohttp.ServerDisconnectedError(), AGAIN),
    (aiohttp.ClientConnectionError("Connection closed"), AGAIN),
    (aiohttp.ClientConnectionResetError(), AGAIN),
    (aiohttp.ClientOSError(errno.EPIPE, "Broken pipe"), AGAIN),
    (aiohttp.ServerTimeoutError(), AGAIN),
    (aiohttp.ConnectionTimeoutError(), AGAIN),
    (aiohttp.SocketTimeoutError(), AGAIN),
    (aiohttp.ClientPayloadError(), AGAIN),
    (aiohttp.InvalidURL("nowhere"), None),
    (aiohttp.ServerFingerprintMismatch(b"", b"", "host", 443), None),
    (connector(aiohttp.ClientConnectorError, ConnectionRefusedError(111, "refused")), AGAIN),
    (connector(aiohttp.ClientConnectorError, OSError("Multiple exceptions: ...")), AGAIN),
    (connector(aiohttp.ClientConnectorError, PermissionError(errno.EACCES, "no")), None),
    (connector(aiohttp.ClientConnectorCertificateError, CERTIFICATE), None),
    (connector(aiohttp.ClientConnectorSSLError, ssl.SSLError(1, "no cipher")), None),
    (connector(aiohttp.ClientConnectorSSLError, ssl.SSLEOFError(8, "EOF")), AGAIN),
    (connector(aiohttp.ClientConnectorDNSError, NO_NAME), None),
    (connector(aiohttp.ClientConnectorDNSError, NO_RESOLVER), AGAIN),
    *(
        (
            connector(
                aiohttp.ClientConnectorDNSError,
                caused(OSError(None, "no"), fake("DNSError", module="aiodns.error", args=(code,))),
            ),
            expected,
        )
        for code, expected in [(4, None), (1, None), (11, AGAIN), (12, AGAIN)]
    ),
    (response_error(404), None),
    (response_error(200), None),
    (response_error(500), AGAIN),
    (response_error(503), OVERLOAD),
    (response_error(503, retry_after="3"), Transient(True, 3.0)),
    # behind others
    (caused(FileNotFoundError("url"), response_error(503, Retry_After="1")), Transient(True, 1.0)),
    (caused(FileNotFoundError("url"), response_error(403)), None),
    (caused(FileNotFoundError("url"), response_error(404), ConnectionResetError()), None),
    (caused(FileNotFoundError("url"), aiohttp.ServerDisconnectedError()), AGAIN),
    (caused(RuntimeError(), ValueError(), TimeoutError()), AGAIN),
    (in_the_context_of(FileNotFoundError("url"), response_error(503)), None),
    (in_the_context_of(OSError(errno.EIO, "the reply is wrong"), TimeoutError()), None),
    # of botocore, and of s3fs by it
    (client_error("SlowDown", 503, retry_after="2"), Transient(True, 2.0)),
    (client_error("InternalError", 500), AGAIN),
    (client_error("RequestTimeout", 400), AGAIN),
    (client_error("ThrottlingException", 400), OVERLOAD),
    (client_error("Unheard", 502), AGAIN),
    (client_error("503", 503), OVERLOAD),
    (client_error("404", 404), None),
    (client_error("NoSuchKey", 404), None),
    (client_error("NoSuchBucket", 404), None),
    (client_error("AccessDenied", 403), None),
    (client_error("InvalidRange", 416), None),
    (caused(OSError(errno.EBUSY, "slow"), client_error("SlowDown", 503)), OVERLOAD),
    (caused(PermissionError("no"), client_error("AccessDenied", 403)), None),
    (botocore.ReadTimeoutError(endpoint_url="url"), AGAIN),
    (botocore.ConnectTimeoutError(endpoint_url="url"), AGAIN),
    (botocore.ConnectionClosedError(endpoint_url="url"), AGAIN),
    (botocore.EndpointConnectionError(endpoint_url="url", error=OSError()), AGAIN),
    (botocore.EndpointConnectionError(endpoint_url="url", error=NO_NAME), None),
    (botocore.IncompleteReadError(actual_bytes=1, expected_bytes=2), AGAIN),
    (botocore.SSLError(endpoint_url="url", error=CERTIFICATE), None),
    (botocore.NoCredentialsError(), None),
    # of packages that are not here
    (fake("HttpError", module="gcsfs.retry", code=503), OVERLOAD),
    (fake("HttpError", module="gcsfs.retry", code=403), None),
    (fake("ChecksumError", module="gcsfs.retry"), None),
    (
        fake("HttpResponseError", module="azure.core.exceptions", status_code=503, response=REPLY),
        Transient(True, 4.0),
    ),
    (fake("HttpResponseError", module="azure.core.exceptions", status_code=404), None),
    (fake("ServiceRequestError", module="azure.core.exceptions", inner_exception=None), AGAIN),
    (
        fake("ServiceRequestError", module="azure.core.exceptions", inner_exception=CERTIFICATE),
        None,
    ),
    (fake("HTTPStatusError", module="httpx", response=REPLY), Transient(True, 4.0)),
    (fake("NetworkError", module="httpx"), AGAIN),
    (caused(fake("NetworkError", module="httpx"), NO_NAME), None),
    (fake("RequestError", module="oss2.exceptions", status=-2), AGAIN),
    (fake("ServerError", module="oss2.exceptions", status=503, headers={}), OVERLOAD),
    # like one of a client, and none
    (fake("ClientPayloadError", module="elsewhere"), None),
    (fake("Later", aiohttp.ClientPayloadError, module="elsewhere"), AGAIN),
]


@pytest.mark.parametrize(
    ("error", "expected"),
    ROWS,
    ids=[f"{n}-{type(error).__name__}" for n, (error, _) in enumerate(ROWS)],
)
def test_exceptions(error: BaseException, expected: Transient | None) -> None:
    assert transient(error) == expected


def refused(url: str) -> Exception:
    requests = pytest.importorskip("requests")
    with pytest.raises(requests.RequestException) as caught:
        requests.get(url, timeout=5).raise_for_status()
    found: Exception = caught.value
    return found


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (faults.reset_before_the_reply(), AGAIN),
        (faults.cut_in_the_body(), AGAIN),
        (faults.unavailable(5), Transient(True, 5.0)),
        (Fault(status=404), None),
    ],
    ids=["reset", "cut", "503", "404"],
)
def test_failures_of_requests(
    fault: Fault, expected: Transient | None, range_server: RangeServer
) -> None:
    range_server.objects["key"] = bytes(200)
    range_server.inject("key", fault)
    assert transient(refused(f"{range_server.url}/key")) == expected


def test_failures_of_requests_to_connect(range_server: RangeServer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert transient(refused(f"http://127.0.0.1:{free.getsockname()[1]}")) == AGAIN
    assert transient(refused(range_server.url.replace("http:", "https:"))) is None


def test_causes_that_go_round_in_a_circle() -> None:
    first, second = ValueError(), RuntimeError()
    first.__cause__, second.__cause__ = second, first
    assert transient(first) is None


# --- when to come back ------------------------------------------------------------------

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def date(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("1.5", 1.5),
        (date(90), 90.0),
        (date(-90), 0.0),
        ("Thursday, 01-Jan-26 12:00:30 GMT", 30.0),
        ("Thu Jan  1 12:00:30 2026", 30.0),
        *((nonsense, None) for nonsense in ("", "-5", "soon", "nan", "inf", "1e3", "0x10", "٣")),
        ("Fri, 99 Foo 2026 12:00:00 GMT", None),
        ("9" * 400, None),
    ],
)
def test_retry_after(value: str, expected: float | None) -> None:
    # By the clock of the server: that of the client may be wrong.
    assert _retry_after({"retry-after": value, "date": date(0)}) == expected


def test_retry_after_by_the_clock_of_the_client() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    found = _retry_after({"retry-after": later, "date": "today"})
    assert found is not None
    assert 3600 < found <= 7200
    assert _retry_after({"retry-after": date(-(10**9))}) == 0.0


@given(st.text(), st.text())
def test_no_header_is_a_failure(value: str, now: str) -> None:
    found = _retry_after({"retry-after": value, "date": now})
    assert found is None or found >= 0


# --- who tries again --------------------------------------------------------------------


class FakeFileSystem(fsspec.AbstractFileSystem):
    """One of a package that is not installed."""


def of(module: str) -> fsspec.AbstractFileSystem:
    made: fsspec.AbstractFileSystem = type("Its", (FakeFileSystem,), {"__module__": module})()
    return made


def over(protocol: str) -> Callable[[fsspec.AbstractFileSystem], fsspec.AbstractFileSystem]:
    return lambda fs: fsspec.filesystem(protocol, fs=fs)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda fs: fs,
        lambda fs: DirFileSystem("bucket", fs),
        AsyncFileSystemWrapper,
        over("simplecache"),
        over("filecache"),
        over("blockcache"),
        lambda fs: AsyncFileSystemWrapper(fsspec.filesystem("simplecache", fs=fs)),
        lambda fs: DirFileSystem("bucket", AsyncFileSystemWrapper(fs)),
    ],
)
def test_wrappers_do_what_they_wrap(
    wrap: Callable[[fsspec.AbstractFileSystem], fsspec.AbstractFileSystem],
) -> None:
    assert retries_itself(wrap(fsspec.filesystem("s3", anon=True, skip_instance_cache=True)))
    assert retries_itself(wrap(of("gcsfs.core")))
    assert not retries_itself(wrap(fsspec.filesystem("http")))
    assert not retries_itself(wrap(of("unheard.of")))


@pytest.mark.parametrize(
    "module",
    ["adlfs.spec", "ocifs.core", "tosfs.core", "huggingface_hub.hf_file_system"],
)
def test_packages_that_try_again(module: str) -> None:
    assert retries_itself(of(module))


def test_obstore_tries_again() -> None:
    obstore = pytest.importorskip("obstore.fsspec")
    assert retries_itself(obstore.FsspecStore("https"))
    assert retries_itself(type("FsspecStore_http", (obstore.FsspecStore,), {})("http"))


def test_references_do_what_their_targets_do() -> None:
    remote = fsspec.filesystem("s3", anon=True)
    fs = fsspec.filesystem("reference", fo={}, fs={"s3": remote, "http": fsspec.filesystem("http")})
    assert retries_itself(fs.fss["s3"])
    assert not retries_itself(fs.fss["http"])


def test_archives_do_what_holds_them(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("key", b"value")
    local = fsspec.filesystem("file")
    retrying = type("Retrying", (type(local),), {"__module__": "s3fs.core"})()
    for fs in (local, retrying):
        opened = OpenFile(fs, str(tmp_path / "archive.zip"))
        by_file = fsspec.filesystem("zip", fo=opened, skip_instance_cache=True)
        assert by_file.cat("key") == b"value"
        assert retries_itself(by_file) is (fs is retrying)
        cached = fsspec.filesystem("blockcache", fs=by_file, skip_instance_cache=True)
        assert retries_itself(cached) is (fs is retrying)
        with fs.open(str(tmp_path / "archive.zip")) as file:
            by_handle = fsspec.filesystem("zip", fo=file, skip_instance_cache=True)
            assert retries_itself(by_handle) is (fs is retrying)


def test_what_is_no_file_system_of_fsspec() -> None:
    fs = FakeFileSystem()
    fs.fs = object()
    assert not retries_itself(fs)
