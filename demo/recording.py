"""Recording what a file system is asked for: which bytes, when, and how many came."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request: when it began and ended, in seconds since the recording began, and its size."""

    start: float
    end: float
    nbytes: int


@dataclass
class Recording:
    """The requests of one read, in the order in which they ended."""

    requests: list[Request] = field(default_factory=list)
    seconds: float = 0.0
    _began: float = field(default_factory=time.perf_counter)

    @property
    def nbytes(self) -> int:
        """Bytes fetched."""
        return sum(request.nbytes for request in self.requests)

    def __enter__(self) -> Recording:
        self.requests.clear()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._began

    def watch(self, filesystem: Any) -> None:
        """Record every read of an async fsspec file system from now on."""
        if getattr(filesystem._cat_file, "recording", None) is self:
            return  # fsspec hands out one instance for the same arguments
        fetch = filesystem._cat_file

        async def cat_file(path: str, start: Any = None, end: Any = None, **kwargs: Any) -> bytes:
            began = time.perf_counter() - self._began
            data: bytes = await fetch(path, start=start, end=end, **kwargs)
            ended = time.perf_counter() - self._began
            self.requests.append(Request(began, ended, len(data)))
            return data

        cat_file.recording = self  # type: ignore[attr-defined]
        filesystem._cat_file = cat_file
