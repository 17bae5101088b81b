"""The worker processes of the peers: starting them, and exchanging messages with them."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO, Any

from bench.task import Task

START_SECONDS = 60.0


class WorkerFault(Exception):
    """A worker did not answer: it hung and was killed, or it died."""


class Worker:
    """A process that runs operations on request.

    Parameters
    ----------
    command : sequence of str
        Command that starts the process.
    environment : mapping or None
        Environment variables of the new process; None to copy the variables of this process.
    log : file or None
        File for the standard error of the process; None to discard it.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        log: IO[str] | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            command,
            env=None if environment is None else dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if log is None else log,
            text=True,
            encoding="utf-8",
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.versions: dict[str, str] = self.receive(START_SECONDS)["versions"]

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def prepare(self, task: Task, *, fill: float, timeout: float) -> dict[str, Any]:
        """Let the worker prepare and check a task, within `timeout` seconds.

        If the operation takes less than `fill` seconds, each run repeats it for about `fill`
        seconds.
        """
        self.send({"prepare": task.to_json(), "fill": fill})
        return self.receive(timeout)

    def run(self, timeout: float) -> dict[str, Any]:
        """Let the worker run the prepared task, within `timeout` seconds."""
        self.send({"run": None})
        return self.receive(timeout)

    def send(self, request: Mapping[str, Any]) -> None:
        """Send a request; the worker returns one answer, which must be received."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):  # ValueError if the pipe is closed
            self.close()
            raise WorkerFault(f"died with status {self._process.returncode}") from None

    def receive(self, timeout: float) -> dict[str, Any]:
        """Return the next answer.

        Raises
        ------
        WorkerFault
            If there is no answer within `timeout` seconds, or the process died. The process is
            ended.
        """
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            self.close()
            raise WorkerFault(f"took longer than {timeout:.0f} s") from None
        if line is None:
            self.close()
            raise WorkerFault(f"died with status {self._process.returncode}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process, after a short time to release its resources."""
        if self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except OSError:
                pass
        try:
            self._process.wait(timeout=0.5 if self._process.poll() is None else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(timeout=5)
        if self._process.stdout is not None:
            self._process.stdout.close()


def environment(path: Sequence[str]) -> dict[str, str]:
    """Return environment variables with which a worker imports modules from `path` first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONPATH": os.pathsep.join(path), "PYTHONHASHSEED": "0"}
