"""An HTTP file server with low overhead, which delays each response and counts requests.

    python -P -m bench.server DIRECTORY DELAY http
    python -P -m bench.server DIRECTORY DELAY s3

prints its port. In the first form, the response for a directory contains links to its entries. The
second form supports the S3 operations that clients need for reading without signatures: GET with a
range, HEAD and ListObjectsV2, with path-style URLs. Each directory in DIRECTORY is a bucket. The
server runs in its own process, so it competes with its clients only for the processors.

``GET /-/counts`` returns a JSON object with the number of requests so far, the number of bytes so
far, and the maximum number of concurrent requests since the previous ``GET /-/counts``. A request
for ``/-/counts`` is neither delayed nor counted. A path below ``/-/busy/`` gives the same file as
the same path below ``/``. However, the response to every 20th request below ``/-/busy/`` has the
status 503 and the header Retry-After.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from tests.servers import s3_dialect

_find_range = re.compile(rb"\r\nrange:\s*bytes=(\d*)-(\d*)", re.I).search
CONTROL = "-/counts"
BUSY = "-/busy/"
BUSY_EVERY = 20
NO_HEADERS: Mapping[str, str] = {}
STATUS = {
    200: "OK",
    206: "Partial Content",
    404: "Not Found",
    416: "Range Not Satisfiable",
    503: "Service Unavailable",
}


class Files:
    """The served files, which are kept in memory after the first request.

    Parameters
    ----------
    root : Path
        Directory with the files.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, bytes] = {}
        self.requests = 0
        self.nbytes = 0
        self.in_flight = 0
        self.peak = 0
        self.asked_while_busy = 0

    def counts(self) -> dict[str, int]:
        """Return the counts so far, and reset the maximum number of concurrent requests."""
        told = {"requests": self.requests, "bytes": self.nbytes, "peak": self.peak}
        self.peak = self.in_flight
        return told

    def arrived(self) -> None:
        """Count a request that waits for its response."""
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    def refuses(self) -> bool:
        """Return whether to refuse the next request below ``/-/busy/``."""
        self.asked_while_busy += 1
        return self.asked_while_busy % BUSY_EVERY == 0

    def get(self, path: str, query: str) -> bytes | None:
        """Return a file, or links to the entries of a directory; None if neither exists."""
        data = self.file(path)
        place = self._root / path
        if data is None and ".." not in path.split("/") and place.is_dir():
            names = sorted(child.name + "/" * child.is_dir() for child in place.iterdir())
            data = "\n".join(f'<a href="{name}">{name}</a>' for name in names).encode()
        return data

    def file(self, path: str) -> bytes | None:
        """Return the content of a file; None if it does not exist."""
        data = self._known.get(path)
        if data is None and ".." not in path.split("/") and (self._root / path).is_file():
            data = self._known[path] = (self._root / path).read_bytes()
        return data

    def absent(self, path: str) -> bytes:
        """Return the body of a response with status 404."""
        return b""

    def headers(self, path: str, nbytes: int) -> Mapping[str, str]:
        """Return the headers of a response, without length and range."""
        return {"Content-Type": "text/html"}


class Buckets(Files):
    """The served files as S3 objects: directories are buckets, and files are objects."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._sizes: dict[str, dict[str, int]] = {}

    def get(self, path: str, query: str) -> bytes | None:
        """Return an object or a listing of a bucket; None if the object or bucket is missing."""
        bucket, _, key = path.partition("/")
        if s3_dialect.asks_for_listing(query):
            sizes = self.sizes(bucket)
            return s3_dialect.listing(bucket, sizes, query) if sizes else None
        return self.file(path) if key else (b"" if self.sizes(bucket) else None)

    def sizes(self, bucket: str) -> dict[str, int]:
        """Return the sizes of the objects in a bucket in bytes, by key."""
        if bucket not in self._sizes and bucket not in ("", "..") and "/" not in bucket:
            place = self._root / bucket
            self._sizes[bucket] = {
                path.relative_to(place).as_posix(): path.stat().st_size
                for path in place.rglob("*")
                if path.is_file()
            }
        return self._sizes.get(bucket, {})

    def absent(self, path: str) -> bytes:
        """Return the body of a response with status 404."""
        return s3_dialect.error("NoSuchKey", path.partition("/")[2])

    def headers(self, path: str, nbytes: int) -> Mapping[str, str]:
        """Return the headers of a response, without length and range."""
        return s3_dialect.object_headers(path.partition("/")[2], nbytes)


KINDS: dict[str, type[Files]] = {"http": Files, "s3": Buckets}


class Connection(asyncio.Protocol):
    """One connection, which is kept until the client closes it.

    Parameters
    ----------
    files : Files
        Files to serve.
    delay : float
        Seconds to wait before each response.
    """

    def __init__(self, files: Files, delay: float) -> None:
        self._files = files
        self._delay = delay
        self._received = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the responses."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each complete request; requests have no body."""
        *heads, self._received = (self._received + data).split(b"\r\n\r\n")
        for head in heads:
            method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
            encoded, _, query = target.partition("?")
            path = unquote(encoded).strip("/")
            if path == CONTROL:
                self._send(method, 200, json.dumps(self._files.counts()).encode())
            else:
                self._files.arrived()
                self._loop.call_later(self._delay, self._answer, method, path, query, head)

    def _answer(self, method: str, path: str, query: str, head: bytes) -> None:
        files = self._files
        files.in_flight -= 1
        is_refused = path.startswith(BUSY) and files.refuses()
        path = path.removeprefix(BUSY)
        data, status = files.get(path, query), 200
        headers: dict[str, str] = {}
        asked = _find_range(head)
        if is_refused:
            data, status, headers = b"", 503, {"Retry-After": "1"}
        elif data is None:
            data, status = files.absent(path), 404
        else:
            headers = {**files.headers(path, len(data)), "Accept-Ranges": "bytes"}
            if asked is not None:
                start, stop = bounds(asked[1], asked[2], len(data))
                if start < stop:
                    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
                data, status = data[start:stop], 206 if start < stop else 416
        files.requests += 1
        files.nbytes += 0 if method == "HEAD" else len(data)
        self._send(method, status, data, headers)

    def _send(
        self, method: str, status: int, data: bytes, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        if self._transport.is_closing():
            return
        lines = [f"HTTP/1.1 {status} {STATUS[status]}", f"Content-Length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines) + "\r\n\r\n"
        self._transport.write(head.encode() + (b"" if method == "HEAD" else data))


def busy(url: str) -> str:
    """Return the URL of the same file below ``/-/busy/``."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}/{BUSY}{path}"


def bounds(first: bytes, last: bytes, nbytes: int) -> tuple[int, int]:
    """Return start and stop of a byte range; `first` or `last` may be empty."""
    if not first:
        return max(0, nbytes - int(last)), nbytes
    return int(first), min(int(last) + 1, nbytes) if last else nbytes


async def serve(files: Files, delay: float) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(files, delay), "127.0.0.1", 0, backlog=512)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(KINDS[sys.argv[3]](Path(sys.argv[1])), float(sys.argv[2])))
