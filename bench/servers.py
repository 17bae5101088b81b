"""The servers that cases read from, and their counts."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import urlopen

from bench.cases import Case
from bench.server import CONTROL
from bench.task import ENDPOINT
from bench.workers import environment

ROOT = Path(__file__).parents[1]
# Kind of server for each transport that needs one.
KINDS = {"http": "http", "references": "http", "s3": "s3", "s3-references": "s3"}


@dataclass(frozen=True)
class Counts:
    """Answered requests, bytes of the response bodies, and maximum number of concurrent requests.

    `peak` is the maximum since the previous query, or 0 if the server does not report a maximum.
    """

    requests: int = 0
    nbytes: int = 0
    peak: int = 0

    def __sub__(self, other: Counts) -> Counts:
        return Counts(self.requests - other.requests, self.nbytes - other.nbytes, self.peak)


class HTTP:
    """The HTTP server of a directory, in its own process.

    Parameters
    ----------
    root : Path
        Directory to serve.
    delay : float
        Seconds by which each response is delayed.
    kind : str
        ``http`` or ``s3``. An S3 server serves each directory in `root` as a bucket.
    """

    def __init__(self, root: Path, delay: float, kind: str = "http") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.server", str(root.resolve()), str(delay), kind],
            cwd=ROOT,
            env=environment([str(ROOT)]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def counts(self) -> Counts:
        """Return the counts so far."""
        with urlopen(f"{self.url}/{CONTROL}", timeout=10) as response:
            told = json.load(response)
        return Counts(told["requests"], told["bytes"], told["peak"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Servers:
    """Starts servers when cases first need them; the end of a ``with`` block stops them.

    Parameters
    ----------
    root : Path
        Directory with the datasets.
    delay : float
        Seconds by which each response is delayed.
    """

    def __init__(self, root: Path, delay: float) -> None:
        self._root = root
        self._delay = delay
        self._stack = ExitStack()
        self._started: dict[str, HTTP] = {}

    def __enter__(self) -> Servers:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def place(self, case: Case, folder: Path) -> tuple[str, dict[str, Any]]:
        """Return URL and options for a dataset; the URL is empty for a case without a server."""
        kind = KINDS.get(case.transport)
        if kind is None:
            return "", {}
        if kind not in self._started:
            self._started[kind] = HTTP(self._root, self._delay, kind)
            self._stack.callback(self._started[kind].close)
        url = self._started[kind].url
        if kind == "s3":
            return f"s3://{folder.name}", {ENDPOINT: url}
        return f"{url}/{folder.name}", {}

    def counts(self, case: Case) -> Counts | None:
        """Return the counts of the server that a case uses; None if the case uses no server."""
        server = self._started.get(KINDS.get(case.transport, ""))
        return None if server is None else server.counts()
