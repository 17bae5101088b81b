"""A server that speaks S3, on loopback, and counts what is asked of it.

It is moto behind a small layer that records every request with its ``Range`` header, where a
server sees it, and can answer with errors of S3 instead.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.servers.range_server import Matcher, Request, matcher
from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from types import TracebackType

ACCESS_KEY = "testing"
SECRET_KEY = "testing"
REGION = "us-east-1"

_ERROR_CODES = {
    403: "AccessDenied",
    404: "NoSuchKey",
    416: "InvalidRange",
    429: "TooManyRequests",
    500: "InternalError",
    503: "SlowDown",
}


@dataclass
class _Injection:
    matches: Matcher
    status: int
    times: int | None


class S3Server:
    """Serve S3 until the end of a ``with`` block.

    Requests are recorded as `Request`, their paths as ``bucket/key``; a listing has the path of
    its bucket.
    """

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._app = DomainDispatcherApplication(create_backend_app)
        self._requests: list[Request] = []
        self._injections: list[_Injection] = []
        self._lock = threading.Lock()
        self._server = make_server(
            "127.0.0.1", 0, self._serve, threaded=True, request_handler=_QuietHandler
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        """The endpoint, ``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def storage_options(self) -> dict[str, Any]:
        """Arguments for s3fs; without its retries, which back off for seconds.

        The server may be slow to answer where the machine is busy, and s3fs waits 5 seconds only.
        """
        return {
            "endpoint_url": self.url,
            "key": ACCESS_KEY,
            "secret": SECRET_KEY,
            "client_kwargs": {"region_name": REGION},
            "config_kwargs": {
                "connect_timeout": 120,
                "read_timeout": 120,
                "retries": {"total_max_attempts": 1},
            },
        }

    @property
    def requests(self) -> list[Request]:
        """All requests so far, in the order in which they were finished."""
        with self._lock:
            return list(self._requests)

    def reads(self) -> list[tuple[str, str | None]]:
        """Return path and ``Range`` of all GET requests for objects so far."""
        return [(r.path, r.range) for r in self.requests if r.method == "GET" and "/" in r.path]

    def clear(self) -> None:
        """Forget the requests so far, and all errors still to come."""
        with self._lock:
            self._requests.clear()
            self._injections.clear()

    def inject(
        self,
        where: str | Matcher,
        status: int,
        *,
        times: int | None = None,
        method: str | None = "GET",
    ) -> None:
        """Answer matching requests with an error.

        Parameters
        ----------
        where : str or callable
            A path ``bucket/key``, or a function of method, path and ``Range`` (or None).
        status : int
            The status; S3's error code goes with it.
        times : int or None
            How often; None for always.
        method : str or None
            The method that a path is for; None for all.
        """
        with self._lock:
            self._injections.append(_Injection(matcher(where, method), status, times))

    def create_bucket(self, name: str) -> None:
        """Make an empty bucket."""
        self.client().create_bucket(Bucket=name)

    def client(self) -> Any:
        """Return a boto3 client for this server."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=REGION,
        )

    def __enter__(self) -> S3Server:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def _serve(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        started = time.monotonic()
        method = environ["REQUEST_METHOD"]
        path = unquote(environ["PATH_INFO"]).strip("/")
        range_ = environ.get("HTTP_RANGE")
        seen: list[int] = []

        def respond(status: str, headers: list[tuple[str, str]], *args: Any) -> Any:
            seen.append(int(status[:3]))
            # The server adds these itself, and strict clients refuse to get them twice.
            kept = [pair for pair in headers if pair[0].lower() not in ("server", "date")]
            return start_response(status, kept, *args)

        injected = self._status_for(method, path, range_)
        if injected is None:
            parts = list(self._app(environ, respond))
        else:
            parts = [_error(injected)]
            respond(f"{injected} Injected", [("Content-Type", "application/xml")])
        nbytes = 0 if method == "HEAD" else sum(map(len, parts))
        request = Request(method, path, range_, seen[-1], nbytes, started, time.monotonic())
        with self._lock:
            self._requests.append(request)
        return parts

    def _status_for(self, method: str, path: str, range_: str | None) -> int | None:
        with self._lock:
            for injection in self._injections:
                if injection.times == 0 or not injection.matches(method, path, range_):
                    continue
                if injection.times is not None:
                    injection.times -= 1
                return injection.status
        return None


class _QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept, as by S3

    def log(self, type: str, message: str, *args: Any) -> None:
        """Requests are recorded, not printed."""


def _error(status: int) -> bytes:
    code = _ERROR_CODES.get(status, str(status))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code>'
        f"<Message>injected {status}</Message></Error>"
    ).encode()
