"""The process of a peer: runs the operations that are requested on standard input.

    python -P -m bench.worker MODULE SETTINGS

reads one request per line and writes one answer per line, both as JSON. ``{"prepare": task}``
prepares an operation, runs it once, and checks the result. ``{"run": null}`` collects garbage, runs
the operation one or more times, and answers with the mean figure. ``{"run": "at once"}`` does the
same without collecting garbage first. An answer with ``unsupported`` or ``error`` gives the reason
why there is no figure.
"""

from __future__ import annotations

import dataclasses
import gc
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from bench.peers import load
from bench.task import Task
from bench.workload import Unsupported, Workload, nothing, repetitions, timed

MESSAGE_LENGTH = 200
PACKAGES = (
    "zarr",
    "zarrs",
    "tensorstore",
    "numpy",
    "numcodecs",
    "zstandard",
    "fsspec",
    "s3fs",
    "aiohttp",
    "obstore",
    "xarray",
    "dask",
)


def versions() -> dict[str, str]:
    """Return the versions of installed packages; for zarr, the version that is imported."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    loaded = sys.modules.get("zarr")
    if loaded is not None:
        found["zarr"] = str(loaded.__version__)
    return found


def once(work: Workload, check: Callable[[Any], None] = nothing) -> float:
    """Run a workload once; return its seconds, without the time for checking the result."""
    work.before()
    started = time.perf_counter()
    result = work.run()
    seconds = time.perf_counter() - started
    check(result)
    return seconds


class Session:
    """The state of a worker: the prepared workload."""

    def __init__(self, arguments: tuple[str, ...]) -> None:
        self._arguments = arguments
        self._peer = load(*arguments)
        self._work: Workload | None = None
        self._number = 1

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Perform a request, and return the answer."""
        try:
            if "prepare" in request:
                return self._prepare(Task.from_json(request["prepare"]), request["fill"])
            if self._work is None:
                raise Unsupported("nothing is prepared")
            if request["run"] is None:
                gc.collect()
            return {"figure": timed(self._work, self._number), "number": self._number}
        except Unsupported as error:
            return {"unsupported": str(error)}
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            return {"error": " ".join(message.split())[:MESSAGE_LENGTH]}

    def _prepare(self, task: Task, fill: float) -> dict[str, Any]:
        self.close()
        operation = self._peer.OPERATIONS.get(task.operation)
        if operation is None:
            raise Unsupported("does not apply")
        work: Workload = operation(dataclasses.replace(task, worker=self._arguments))
        try:
            seconds = once(work, work.check)
            if seconds < fill:  # the first run is often slower
                seconds = once(work)
        except BaseException:
            work.close()
            raise
        self._work, self._number = work, repetitions(work, seconds, fill)
        return {"seconds": seconds, "number": self._number}

    def close(self) -> None:
        """Close the prepared workload."""
        work, self._work = self._work, None
        if work is not None:
            work.close()


def serve(requests: TextIO, answers: TextIO, arguments: tuple[str, ...]) -> None:
    """Answer requests until there are no more."""

    def send(answer: Any) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    session = Session(arguments)
    send({"versions": versions()})
    for line in requests:
        send(session.answer(json.loads(line)))
    session.close()


if __name__ == "__main__":
    # Output of a library must not be mistaken for an answer.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, channel, tuple(sys.argv[1:]))
