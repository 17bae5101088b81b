"""The two sides of a comparison; each side runs cases in a monitored worker process."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from differential.cases import PREAMBLE

WORKER = Path(__file__).with_name("worker.py")
# Operations that write nothing.
READ_ONLY = ("describe", "item", "members", "read")
START_SECONDS = 300.0
Answers = list[dict[str, Any]]


class WorkerFault(Exception):
    """The worker did not answer: it hung and was killed, or it died."""


class Side:
    """An interpreter with one version of `zarr`, which runs cases in its own process.

    Parameters
    ----------
    python : str
        Path of the Python interpreter that runs the cases.
    path : str or None
        Directory that is searched first for modules; None for installed modules.
    timeout : float
        Maximum duration of a case in seconds.
    """

    def __init__(self, python: str, path: str | None, timeout: float) -> None:
        self._python = python
        self._timeout = timeout
        self._environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        if path is not None:
            self._environment["PYTHONPATH"] = path
        self.versions: dict[str, str] = {}
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [self._python, "-P", str(WORKER)],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Standard error is discarded, because libraries write output such as tracebacks to it.
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(
            target=self._listen, args=(self._process, self._lines), daemon=True
        ).start()
        self.versions = self._receive(START_SECONDS)

    @staticmethod
    def _listen(process: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    def _receive(self, timeout: float) -> Any:
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            self.close()
            raise WorkerFault(f"hung for {timeout:.0f} s and was killed") from None
        if line is None:
            self.close()
            raise WorkerFault(f"died with status {self._process.returncode}")
        return json.loads(line)

    def run(self, case: Mapping[str, Any], store: Mapping[str, str] | None = None) -> Answers:
        """Run a case, or only its final steps on a given store.

        Parameters
        ----------
        case : mapping
            Case to run.
        store : mapping or None
            Content of the store that the final steps read, as a mapping from keys to values in
            base64. None to run all steps.

        Raises
        ------
        WorkerFault
            If the worker hung or died; a new worker is started.
        """
        steps: Sequence[Mapping[str, Any]] = case["steps"]
        if store is not None:
            steps = [step for step in steps if step.get("final")]
        request = {
            "preamble": PREAMBLE,
            "steps": [step["code"] for step in steps],
            "needed": [number for number, step in enumerate(steps) if step.get("needed")],
            "settle": [number for number, step in enumerate(steps) if step["op"] not in READ_ONLY],
            "config": case["config"],
            "store": store or {},
        }
        assert self._process.stdin is not None
        try:
            try:
                self._process.stdin.write(json.dumps(request) + "\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                self.close()
                raise WorkerFault(f"died with status {self._process.returncode}") from None
            answers: Answers = self._receive(self._timeout)
        except WorkerFault:
            self._start()
            raise
        return answers

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
