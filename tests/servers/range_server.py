"""An HTTP/1.1 server on loopback that serves byte ranges, records requests and misbehaves on demand.

The server runs in threads of the test process; it serves a mapping, which a test may change at
any time, or the files below a directory::

    with RangeServer({"data/c/0": b"..."}) as server:
        server.inject("data/c/0", Fault(status=503), times=1)
        ...  # read from server.url
        assert [request.range for request in server.requests] == ["bytes=0-9", "bytes=0-9"]

Faults that have a name are in `tests.servers.faults`.
"""

from __future__ import annotations

import gzip
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from types import TracebackType

_parse_range = re.compile(r"bytes=(\d*)-(\d*)\Z").match


@dataclass(frozen=True)
class Request:
    """One request that the server has answered, or given up on.

    Times are seconds of the monotonic clock: from the arrival of the request to the moment
    before the answer is sent, after any delay.
    """

    method: str
    path: str
    range: str | None
    status: int
    body_nbytes: int
    started: float
    ended: float


@dataclass(frozen=True)
class Fault:
    """How to answer a request otherwise than with what is stored. Parts may be combined.

    Parameters
    ----------
    delay : float
        Seconds to wait before anything is sent.
    status : int or None
        Status to answer with, and a short text instead of the object; None for the true one.
    claim : int or None
        Status to answer with, headers and body being those of the true answer.
    reason : str or None
        Reason phrase of the status line; None for the usual one.
    headers : mapping or None
        Headers that replace the true ones, for instance ``Content-Range``; one whose value is None
        is left out.
    body : bytes or None
        Body to send instead of the true one, its length declared correctly.
    reset : bool
        Reset the connection instead of sending anything.
    reset_after : int or None
        Reset the connection after so many bytes of the body.
    truncate_to : int or None
        Send only so many bytes of the body, under the true length, and close the connection.
    declare : int or None
        Declare this ``Content-Length``, whatever the body is, and close the connection after it.
    hang : bool
        Send nothing until the client goes away or the server is stopped.
    ignore_range : bool
        Answer with status 200 and the whole object.
    send_range : tuple of int or None
        Answer with status 206 and the bytes from the first to before the second of these, whatever
        was asked for.
    shift : int
        Send the range asked for moved by so many bytes, or back by as many where it would pass the
        end of the object, and say so in ``Content-Range``.
    keep_description : bool
        Send the ``Content-Range`` of the range asked for with one that `shift` has moved.
    compress : {"body", "object"} or None
        Apply ``Content-Encoding: gzip`` to what would be sent, or to the object, whose range is
        then a part of a compressed stream (RFC 9110, section 14.1).
    """

    delay: float = 0.0
    status: int | None = None
    claim: int | None = None
    reason: str | None = None
    headers: Mapping[str, str | None] | None = None
    body: bytes | None = None
    reset: bool = False
    reset_after: int | None = None
    truncate_to: int | None = None
    declare: int | None = None
    hang: bool = False
    ignore_range: bool = False
    send_range: tuple[int, int] | None = None
    shift: int = 0
    keep_description: bool = False
    compress: Literal["body", "object"] | None = None


Matcher: TypeAlias = Callable[[str, str, str | None], bool]


def matcher(where: str | Matcher, method: str | None) -> Matcher:
    """Return the function of method, path and ``Range`` for a path and a method, None for all."""
    if not isinstance(where, str):
        return where
    wanted = where.lstrip("/")
    return lambda verb, path, _: path == wanted and method in (None, verb)


@dataclass
class _Injection:
    matches: Matcher
    fault: Fault
    times: int | None


@dataclass
class Reply:
    """An answer; a header whose value is None is left out."""

    status: int
    headers: dict[str, str | None] = field(default_factory=dict)
    body: bytes = b""


class _Directory(Mapping[str, bytes]):
    """The files below a directory, read anew for each request."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __getitem__(self, key: str) -> bytes:
        path = self._root / key
        if ".." in key.split("/") or not path.is_file():
            raise KeyError(key)
        return path.read_bytes()

    def __iter__(self) -> Iterator[str]:
        for path in self._root.rglob("*"):
            if path.is_file():
                yield path.relative_to(self._root).as_posix()

    def __len__(self) -> int:
        return sum(1 for _ in self)


class RangeServer:
    """Serve objects over HTTP until the end of a ``with`` block.

    Parameters
    ----------
    objects : dict or pathlib.Path
        Paths, without leading slash, and what is stored there, used in place; or a directory.
        Other paths that begin stored ones answer with an HTML index of links.
    """

    def __init__(self, objects: dict[str, bytes] | Path) -> None:
        self.objects: dict[str, bytes] = {} if isinstance(objects, Path) else objects
        self._source = _Directory(objects) if isinstance(objects, Path) else self.objects
        self.max_in_flight = 0
        self._requests: list[Request] = []
        self._injections: list[_Injection] = []
        self._lock = threading.Lock()
        self._in_flight = 0
        self._connections: set[socket.socket] = set()
        self._stopping = threading.Event()
        self._httpd = _Server(("127.0.0.1", 0), self)
        self._thread = threading.Thread(
            target=self._httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        """Where the objects are: ``http://127.0.0.1:PORT``, without a slash at the end."""
        host, port = self._httpd.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def requests(self) -> list[Request]:
        """All requests answered so far, in that order."""
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        """Forget the requests so far, and all faults still to come."""
        with self._lock:
            self._requests.clear()
            self._injections.clear()
            self.max_in_flight = self._in_flight

    def inject(
        self,
        where: str | Matcher,
        fault: Fault,
        *,
        times: int | None = None,
        method: str | None = "GET",
    ) -> None:
        """Answer matching requests with a fault.

        Parameters
        ----------
        where : str or callable
            A path, or a function of method, path and value of the ``Range`` header (or None).
        fault : Fault
            What to do.
        times : int or None
            How often; None for always. Of several faults that match, the first one that is left
            is used.
        method : str or None
            The method that a path is for; None for all.
        """
        with self._lock:
            self._injections.append(_Injection(matcher(where, method), fault, times))

    def __enter__(self) -> RangeServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._httpd.shutdown()
        self._httpd.server_close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # gone already
        self._thread.join(timeout=5)

    # --- called by the handler ----------------------------------------------------------

    def _fault_for(self, method: str, path: str, range_: str | None) -> Fault:
        with self._lock:
            for injection in self._injections:
                if injection.times == 0 or not injection.matches(method, path, range_):
                    continue
                if injection.times is not None:
                    injection.times -= 1
                return injection.fault
        return Fault()

    def _began(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
            self._in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self._in_flight)

    def _finished(self, request: Request) -> None:
        with self._lock:
            self._in_flight -= 1
            self._requests.append(request)

    def _reply(self, path: str, range_: str | None, fault: Fault, query: str) -> Reply:
        try:
            stored = self._source[path]
        except KeyError:
            return self._index(path)
        if fault.compress == "object":
            stored = _gzipped(stored)
        if fault.send_range is not None:
            return _part(stored, *fault.send_range)
        if range_ is None or fault.ignore_range:
            return Reply(200, {"Accept-Ranges": "bytes"}, stored)
        bounds = _resolve(range_, len(stored))
        if bounds is None:
            return Reply(416, {"Content-Range": f"bytes */{len(stored)}"})
        start, stop = bounds
        shift = fault.shift if stop + fault.shift <= len(stored) else -fault.shift
        reply = _part(stored, max(0, start + shift), stop + shift)
        if fault.keep_description:
            reply.headers = _part(stored, start, stop).headers
        return reply

    def _index(self, path: str) -> Reply:
        prefix = path if not path or path.endswith("/") else f"{path}/"
        names = set()
        for key in self._source:
            if key.startswith(prefix):
                name, slash, _ = key[len(prefix) :].partition("/")
                names.add(name + slash)
        if not names:
            return Reply(404, {}, b"not found")
        links = "".join(f'<a href="{name}">{name}</a>\n' for name in sorted(names))
        return Reply(200, {"Content-Type": "text/html"}, f"<html>{links}</html>".encode())


def _part(stored: bytes, start: int, stop: int) -> Reply:
    stop = min(stop, len(stored))
    described = f"bytes {start}-{stop - 1}/{len(stored)}"
    return Reply(206, {"Content-Range": described}, stored[start:stop])


def _gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _resolve(range_: str, nbytes: int) -> tuple[int, int] | None:
    """Return the bounds of a single byte range (RFC 9110, section 14.1.2), None if unsatisfiable."""
    match = _parse_range(range_)
    if match is None or (not match[1] and not match[2]):
        return 0, nbytes  # not a byte range: as good as ignored
    if not match[1]:
        suffix = int(match[2])
        return (max(0, nbytes - suffix), nbytes) if suffix and nbytes else None
    start = int(match[1])
    stop = min(int(match[2]) + 1, nbytes) if match[2] else nbytes
    return (start, stop) if start < stop else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], owner: RangeServer) -> None:
        self.owner = owner
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about connections that one side has cut."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are recorded, not printed."""

    def _answer(self) -> None:
        owner = self.server.owner
        owner._began(self.connection)
        started = time.monotonic()
        target = urlsplit(self.path)
        path = unquote(target.path).lstrip("/")
        range_ = self.headers.get("Range")

        def record(status: int, body_nbytes: int) -> None:
            now = time.monotonic()
            owner._finished(Request(self.command, path, range_, status, body_nbytes, started, now))

        fault = owner._fault_for(self.command, path, range_)
        if fault.delay:
            owner._stopping.wait(fault.delay)
        if fault.hang:
            self._hang()
            record(0, 0)
        elif fault.reset:
            record(0, 0)
            self._reset()
        else:
            reply = _distort(owner._reply(path, range_, fault, target.query), fault)
            head, body = self._prepare(reply, fault)
            # Before it is sent: who has read the answer finds it recorded.
            record(reply.status, len(body))
            try:
                self.wfile.write(head + body)
            except OSError:
                self.close_connection = True
            if fault.reset_after is not None:
                self._reset()

    def _prepare(self, reply: Reply, fault: Fault) -> tuple[bytes, bytes]:
        body = b"" if self.command == "HEAD" else reply.body
        nbytes = len(reply.body) if fault.declare is None else fault.declare
        reason = fault.reason
        if reason is None:
            reason = self.responses.get(reply.status, ("?",))[0]
        lines = [f"HTTP/1.1 {reply.status} {reason}"]
        headers: dict[str, str | None] = {"Content-Length": str(nbytes), **reply.headers}
        cut = next((n for n in (fault.truncate_to, fault.reset_after) if n is not None), None)
        if cut is not None or fault.declare is not None:
            headers["Connection"] = "close"
            self.close_connection = True
            body = body if cut is None else body[:cut]
        lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n", body

    def _reset(self) -> None:
        """Close the connection in a way that the client sees as an error."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _hang(self) -> None:
        self.close_connection = True
        self.connection.settimeout(0.05)
        while not self.server.owner._stopping.is_set():
            try:
                if self.connection.recv(1) == b"":
                    return
            except TimeoutError:
                continue


def _distort(reply: Reply, fault: Fault) -> Reply:
    if fault.status is not None:
        reply = Reply(fault.status, {}, f"status {fault.status}".encode())
    if fault.claim is not None:
        reply.status = fault.claim
    if fault.body is not None:
        reply.body = fault.body
    if fault.compress == "body":
        reply.body = _gzipped(reply.body)
    if fault.compress is not None:
        reply.headers["Content-Encoding"] = "gzip"
    reply.headers.update(fault.headers or {})
    return reply
