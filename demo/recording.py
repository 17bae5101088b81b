"""Recording the requests of a read: start, end and size of each."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from tests.servers.range_server import RangeServer


@dataclass(frozen=True)
class Request:
    """One request: start and end in seconds since the recording began, and size in bytes."""

    start: float
    end: float
    nbytes: int


@dataclass
class Recording:
    """The requests of one read, in the order in which they ended.

    If there is a local server, the requests are recorded by the server. Otherwise they are recorded
    by the watched file systems.
    """

    requests: list[Request] = field(default_factory=list)
    seconds: float = 0.0
    server: RangeServer | None = None
    _began: float = field(default_factory=time.monotonic)
    _earlier: int = 0  # number of requests before the recording began

    @property
    def nbytes(self) -> int:
        """Bytes fetched."""
        return sum(request.nbytes for request in self.requests)

    def copy(self) -> Recording:
        """Return a copy, which later requests do not change."""
        return Recording(list(self.requests), self.seconds)

    def so_far(self) -> str:
        """Return the number of requests so far, as a text."""
        return f"{len(self._at_server() if self.server else self.requests)} requests"

    def __enter__(self) -> Recording:
        self.requests.clear()
        self._earlier = len(self.server.requests) if self.server else 0
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._began
        if self.server:
            self.requests[:] = self._at_server()

    def watch(self, filesystem: Any) -> None:
        """Record every read of an async fsspec file system, unless a server records them."""
        if self.server or getattr(filesystem._cat_file, "recording", None) is self:
            return  # fsspec returns the same instance for the same arguments
        fetch = filesystem._cat_file

        async def cat_file(path: str, start: Any = None, end: Any = None, **kwargs: Any) -> bytes:
            began = time.monotonic() - self._began
            data: bytes = await fetch(path, start=start, end=end, **kwargs)
            ended = time.monotonic() - self._began
            self.requests.append(Request(began, ended, len(data)))
            return data

        cat_file.recording = self  # type: ignore[attr-defined]
        filesystem._cat_file = cat_file

    def _at_server(self) -> list[Request]:
        assert self.server is not None
        return [
            Request(made.started - self._began, made.ended - self._began, made.body_nbytes)
            for made in self.server.requests[self._earlier :]
        ]
