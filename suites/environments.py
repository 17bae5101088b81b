"""The environments: for each package one with the released zarr and one with this checkout's.

Both get the same versions of everything else.
"""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from pathlib import Path

from suites.commands import run, uv
from suites.pins import Package, Pins

ROOT = Path(__file__).parents[1]


def interpreter(place: Path) -> Path:
    """Return the interpreter of an environment."""
    return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def build_wheel(folder: Path, python: str) -> Path:
    """Return a wheel of this checkout."""
    shutil.rmtree(folder, ignore_errors=True)
    run([*uv(), "build", "--quiet", "--wheel", "--python", python, "--out-dir", folder, ROOT])
    (wheel,) = folder.glob("*.whl")
    return wheel


def resolve(package: Package, pins: Pins, python: str, folder: Path) -> str:
    """Return the versions of everything, as requirements; zarr's is the released one.

    Raises
    ------
    Unavailable
        If no versions agree.
    """
    own = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = (package.requirement, *package.requirements, *pins.requirements, *own["dependencies"])
    options = ["--quiet", "--no-header", "--no-annotate", "--python", python]
    if package.override:
        override = folder / "override.txt"
        override.write_text(pins.released)
        options += ["--override", str(override)]
    given = "\n".join([*wanted, pins.released])
    return run([*uv(), "pip", "compile", *options, "-"], given=given)


def without_zarr(locked: str) -> str:
    """Return requirements without the one for zarr."""
    return "".join(
        line for line in locked.splitlines(keepends=True) if not re.match(r"zarr(\[.*\])?==", line)
    )


def make(place: Path, python: str, locked: str, wheel: Path | None) -> Path:
    """Make an environment and return its interpreter.

    Parameters
    ----------
    place : Path
        Where; kept as it is where it is complete, but for the wheel.
    python : str
        The interpreter that it is made of.
    locked : str
        All versions, as requirements.
    wheel : Path or None
        The zarr to install instead of the one in `locked`; None for that one.

    Raises
    ------
    Unavailable
        If something cannot be installed.
    """
    inside = interpreter(place)
    install: list[str | Path] = [
        *uv(),
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--python",
        inside,
    ]
    complete = place / "complete"
    lines = locked if wheel is None else without_zarr(locked)
    if not complete.exists() or complete.read_text() != lines:
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        run([*uv(), "venv", "--quiet", "--python", python, place])
        run([*install, "-r", "-"], given=lines)
        complete.write_text(lines)
    if wheel is not None:
        run([*install, "--reinstall", wheel])
    return inside


def python_version(python: str) -> str:
    """Return the version of an interpreter."""
    code = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
    return run([python, "-I", "-c", code]).strip()


def zarr_version(python: Path) -> str:
    """Return the version of zarr in an environment."""
    code = "import importlib.metadata as m; print(m.version('zarr'))"
    return run([python, "-I", "-c", code]).strip()
