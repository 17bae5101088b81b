"""An HTTP server for files that waits before each answer and counts, as fast as Python allows.

    python -P -m bench.server DIRECTORY DELAY

prints its port. It has a process of its own, so that it takes no time from whom it serves except
that of the processor. ``GET /-/counts`` answers requests and bytes so far as JSON, and the most
requests at once since it was asked last; uncounted and at once. A directory answers with links to
what it holds. Whatever is below ``/-/busy/`` is what is below ``/``, but one request of 20 is
answered by 503 and Retry-After.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from urllib.parse import unquote

_find_range = re.compile(rb"\r\nrange:\s*bytes=(\d*)-(\d*)", re.I).search
CONTROL = "-/counts"
BUSY = "-/busy/"
BUSY_EVERY = 20
STATUS = {
    200: "OK",
    206: "Partial Content",
    404: "Not Found",
    416: "Range Not Satisfiable",
    503: "Service Unavailable",
}


class Files:
    """What is served: files, kept in memory once they have been asked for.

    Parameters
    ----------
    root : Path
        The directory.
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
        """Return what has been answered, and begin anew with the most at once."""
        told = {"requests": self.requests, "bytes": self.nbytes, "peak": self.peak}
        self.peak = self.in_flight
        return told

    def arrived(self) -> None:
        """Take note of a request that waits for its answer."""
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    def refuses(self) -> bool:
        """Tell whether the next request to what is busy is one that there is no time for."""
        self.asked_while_busy += 1
        return self.asked_while_busy % BUSY_EVERY == 0

    def get(self, path: str) -> bytes | None:
        """Return what is at a path: a file, or links for a directory; None for nothing."""
        data = self._known.get(path)
        if data is None and ".." not in path.split("/"):
            place = self._root / path
            if place.is_file():
                data = self._known[path] = place.read_bytes()
            elif place.is_dir():
                names = sorted(child.name + "/" * child.is_dir() for child in place.iterdir())
                data = "\n".join(f'<a href="{name}">{name}</a>' for name in names).encode()
        return data


class Connection(asyncio.Protocol):
    """One connection, which is kept until the client closes it.

    Parameters
    ----------
    files : Files
        What is served.
    delay : float
        Seconds to wait before each answer.
    """

    def __init__(self, files: Files, delay: float) -> None:
        self._files = files
        self._delay = delay
        self._received = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers go to."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that has come in full; none of them has a body."""
        *heads, self._received = (self._received + data).split(b"\r\n\r\n")
        for head in heads:
            method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
            path = unquote(target.partition("?")[0]).strip("/")
            if path == CONTROL:
                self._send(method, 200, json.dumps(self._files.counts()).encode())
            else:
                self._files.arrived()
                self._loop.call_later(self._delay, self._answer, method, path, head)

    def _answer(self, method: str, path: str, head: bytes) -> None:
        self._files.in_flight -= 1
        is_refused = path.startswith(BUSY) and self._files.refuses()
        data, status, header = self._files.get(path.removeprefix(BUSY)), 200, ""
        asked = _find_range(head)
        if is_refused:
            data, status, header = b"", 503, "Retry-After: 1\r\n"
        elif data is None:
            data, status = b"", 404
        elif asked is not None:
            start, stop = bounds(asked[1], asked[2], len(data))
            header = f"Content-Range: bytes {start}-{stop - 1}/{len(data)}\r\n"
            data, status = data[start:stop], 206
            if start >= stop:
                status, header = 416, ""
        self._files.requests += 1
        self._files.nbytes += 0 if method == "HEAD" else len(data)
        self._send(method, status, data, header)

    def _send(self, method: str, status: int, data: bytes, header: str = "") -> None:
        if self._transport.is_closing():
            return
        head = (
            f"HTTP/1.1 {status} {STATUS[status]}\r\nContent-Length: {len(data)}\r\n"
            f"Content-Type: text/html\r\nAccept-Ranges: bytes\r\n{header}\r\n"
        )
        self._transport.write(head.encode() + (b"" if method == "HEAD" else data))


def busy(url: str) -> str:
    """Return where the server of a URL has the same behind answers that it has no time."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}/{BUSY}{path}"


def bounds(first: bytes, last: bytes, nbytes: int) -> tuple[int, int]:
    """Return start and stop of a byte range, of which one end may be left out."""
    if not first:
        return max(0, nbytes - int(last)), nbytes
    return int(first), min(int(last) + 1, nbytes) if last else nbytes


async def serve(root: Path, delay: float) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    files = Files(root)
    server = await loop.create_server(lambda: Connection(files, delay), "127.0.0.1", 0, backlog=512)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), float(sys.argv[2])))
