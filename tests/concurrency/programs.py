"""Programs in processes of their own, none of which may hang.

What a test asserts about a process - that it ends in time, what it leaves on standard error - is
asserted about one that runs nothing else.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A program that takes longer prints where all its threads are, and is ended. None does unless it
# hangs: on a busy machine one that takes 3 s has taken 25 s.
SECONDS = 240

# An alarm, where there is one: the thread that faulthandler counts with is missing in a forked
# child, which would wait for it at its end.
_HEAD = f"""\
import faulthandler, signal
if hasattr(signal, "SIGALRM"):
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm({SECONDS - 5})
elif __name__ == "__main__":
    faulthandler.dump_traceback_later({SECONDS - 5}, exit=True)
"""


class Program:
    """A running program.

    Parameters
    ----------
    process : subprocess.Popen
        Its process, the leader of a group.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def wait_for(self, line: str) -> None:
        """Wait until it has printed a line."""
        stdout = self._process.stdout
        assert stdout is not None
        printed = b""
        # Byte by byte: what a buffer held would be missing from what `finish` returns.
        while byte := os.read(stdout.fileno(), 1):
            printed += byte
            if printed.endswith(b"\n") and printed.splitlines()[-1] == line.encode():
                return
        raise AssertionError(f"{line!r} was not printed: {self.finish()}")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def finish(self, returncode: int | None = None) -> tuple[str, str]:
        """Wait for its end, and return what it printed and what it left on standard error.

        Parameters
        ----------
        returncode : int or None
            What it has to end with; None for anything.
        """
        try:
            out, error = self._process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"hangs, or a process it started does: {self.end()}") from None
        if returncode is not None:
            assert self._process.returncode == returncode, f"{out}\n{error}"
        return out, error

    def end(self) -> tuple[str, str]:
        """End it and its children, wherever they are; return what they left.

        They say where they are, if they still run.
        """
        if not hasattr(os, "killpg"):
            self._process.kill()
            return self._process.communicate()
        for number in (signal.SIGALRM, signal.SIGKILL):
            try:
                return self._process.communicate(timeout=0 if self._process.poll() is None else 1)
            except subprocess.TimeoutExpired:  # one of the group holds the pipes, so there is one
                os.killpg(self._process.pid, number)
                time.sleep(0.2)
        return self._process.communicate(timeout=60)


@contextmanager
def running(folder: Path, code: str, *flags: str, warnings: str = "error") -> Iterator[Program]:
    """Start a program that is a file, so that processes it spawns can import it.

    Parameters
    ----------
    folder : Path
        Where the file goes.
    code : str
        The program.
    *flags : str
        Options of the interpreter.
    warnings : str
        What becomes of warnings, ``-W``.
    """
    file = folder / "program.py"
    file.write_text(_HEAD + textwrap.dedent(code))
    paths = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-W", warnings, *flags, str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        cwd=folder,
        start_new_session=True,
    )
    program = Program(process)
    try:
        yield program
    finally:
        program.end()


def printed_by(folder: Path, code: str, *flags: str, warnings: str = "error") -> str:
    """Run a program that has to end well, and with nothing on standard error."""
    with running(folder, code, *flags, warnings=warnings) as program:
        out, error = program.finish(0)
    assert not error, error
    return out
