"""Running preparatory commands without showing their output, except in error messages."""

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
    """The suite of a package cannot be run here; the message gives the reason."""


def uv() -> list[str]:
    """Return the command to run uv.

    Raises
    ------
    Unavailable
        If uv is not installed.
    """
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv")
    if found is None:
        raise Unavailable("uv is not installed")
    return [found]


def last_words(text: str) -> str:
    """Return the error message of a command as one line, without URLs."""
    lines = [line.strip(" \t\u2570\u2500\u25b6\u2502\xd7") for line in text.splitlines()]
    told = " ".join([line for line in lines if line][-3:])
    return re.sub(r"\w+://\S+", "(address)", told)[:300]


def run(command: Sequence[str | Path], *, given: str = "") -> str:
    """Run a command and return its standard output.

    Parameters
    ----------
    command : sequence of str or Path
        Command with its arguments.
    given : str
        Text for its standard input.

    Raises
    ------
    Unavailable
        If the command cannot be run, takes too long, or fails.
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
