"""The process of a peer: does the work that it is told on standard input.

    python -P -m bench.worker MODULE SETTINGS

reads one request per line and answers each with one line, both JSON. ``{"prepare": task}`` makes
work ready, does it once, and checks the result; ``{"run": null}`` does it as often as fills a
moment and answers the figure; ``{"run": "at once"}`` without collecting garbage before. An answer with ``unsupported`` or ``error`` says why there is none.
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
    """Return what is used here; of zarr, what is imported and not what may be installed."""
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
    """Do work once; return how long it took, without a check of the result."""
    work.before()
    started = time.perf_counter()
    result = work.run()
    seconds = time.perf_counter() - started
    check(result)
    return seconds


class Session:
    """What one worker has prepared."""

    def __init__(self, arguments: tuple[str, ...]) -> None:
        self._arguments = arguments
        self._peer = load(*arguments)
        self._work: Workload | None = None
        self._number = 1

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what a request asks, and tell how it went."""
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
            if seconds < fill:  # the first time is often slower
                seconds = once(work)
        except BaseException:
            work.close()
            raise
        self._work, self._number = work, repetitions(work, seconds, fill)
        return {"seconds": seconds, "number": self._number}

    def close(self) -> None:
        """Let go of what is prepared."""
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
    # What a library prints must not be taken for an answer.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, channel, tuple(sys.argv[1:]))
