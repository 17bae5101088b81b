"""Commands that prepare: run quietly, their last words kept."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SECONDS = 1800.0


class Unavailable(Exception):
    """A package cannot be had here; the message says why."""


def uv() -> list[str]:
    """Return the command uv.

    Raises
    ------
    Unavailable
        If there is none.
    """
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv")
    if found is None:
        raise Unavailable("uv is not installed")
    return [found]


def last_words(text: str) -> str:
    """Return what a command complained by, in a line, without addresses."""
    lines = [line.strip(" \t\u2570\u2500\u25b6\u2502\xd7") for line in text.splitlines()]
    told = " ".join([line for line in lines if line][-3:])
    return re.sub(r"\w+://\S+", "(address)", told)[:300]


def run(command: Sequence[str | Path], *, given: str = "") -> str:
    """Run a command and return what it printed.

    Parameters
    ----------
    command : sequence of str or Path
        The command.
    given : str
        Its standard input.

    Raises
    ------
    Unavailable
        If it cannot be run, takes too long, or fails.
    """
    name = Path(str(command[0])).name
    try:
        done = subprocess.run(
            [str(part) for part in command],
            input=given,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{name}: {type(error).__name__}") from error
    if done.returncode:
        raise Unavailable(last_words(done.stderr) or f"{name} ended with {done.returncode}")
    return done.stdout
