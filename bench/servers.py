"""The servers of the cases that ask one, and what they count."""

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
from bench.workers import environment

ROOT = Path(__file__).parents[1]
BUCKET = "bench"


@dataclass(frozen=True)
class Counts:
    """Requests that a server has answered, bytes of their bodies, and the most requests at once.

    The last is since it was asked before; 0 where the server does not tell.
    """

    requests: int = 0
    nbytes: int = 0
    peak: int = 0

    def __sub__(self, other: Counts) -> Counts:
        return Counts(self.requests - other.requests, self.nbytes - other.nbytes, self.peak)


class HTTP:
    """The HTTP server over a directory, in a process of its own.

    Parameters
    ----------
    root : Path
        The directory.
    delay : float
        Seconds that each answer is held back.
    """

    def __init__(self, root: Path, delay: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.server", str(root.resolve()), str(delay)],
            cwd=ROOT,
            env=environment([str(ROOT)]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def counts(self) -> Counts:
        """Return what has been answered so far."""
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


class S3:
    """moto's S3 server, in threads of this process, and a bucket."""

    def __init__(self, stack: ExitStack) -> None:
        from tests.servers import s3

        self._server = stack.enter_context(s3.S3Server())
        self._server.create_bucket(BUCKET)
        self._held: set[str] = set()
        self.options = {
            "key": s3.ACCESS_KEY,
            "secret": s3.SECRET_KEY,
            "endpoint_url": self._server.url,
        }

    def upload(self, folder: Path) -> str:
        """Copy a directory into the bucket, unless it is there; return its URL."""
        if folder.name not in self._held:
            client = self._server.client()
            for path in folder.rglob("*"):
                if path.is_file():
                    name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
                    client.put_object(Bucket=BUCKET, Key=name, Body=path.read_bytes())
            client.close()
            self._held.add(folder.name)
        return f"s3://{BUCKET}/{folder.name}"

    def counts(self) -> Counts:
        """Return what has been answered so far."""
        requests = self._server.requests
        return Counts(len(requests), sum(request.body_nbytes for request in requests))


class Servers:
    """Starts the servers that cases need when they need them, until the end of a ``with`` block.

    Parameters
    ----------
    root : Path
        The directory with the datasets.
    delay : float
        Seconds that each answer over HTTP is held back.
    """

    def __init__(self, root: Path, delay: float) -> None:
        self._root = root
        self._delay = delay
        self._stack = ExitStack()
        self._http: HTTP | None = None
        self._s3: S3 | None = None

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
        """Return the URL of a dataset for a case, empty for none, and options to reach it."""
        if case.transport in ("http", "references"):
            if self._http is None:
                self._http = HTTP(self._root, self._delay)
                self._stack.callback(self._http.close)
            return f"{self._http.url}/{folder.name}", {}
        if case.transport == "s3":
            if self._s3 is None:
                self._s3 = S3(self._stack)
            return self._s3.upload(folder), {"storage": self._s3.options}
        return "", {}

    def counts(self, case: Case) -> Counts | None:
        """Return what the server of a case has answered so far, None without a server."""
        if case.transport in ("http", "references") and self._http is not None:
            return self._http.counts()
        if case.transport == "s3" and self._s3 is not None:
            return self._s3.counts()
        return None
