"""The environments of each package: one with the released zarr and one with this checkout.

Both environments have the same versions of all other packages.
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
    """Build a wheel of this checkout and return its path."""
    shutil.rmtree(folder, ignore_errors=True)
    run([*uv(), "build", "--quiet", "--wheel", "--python", python, "--out-dir", folder, ROOT])
    (wheel,) = folder.glob("*.whl")
    return wheel


def resolve(package: Package, pins: Pins, python: str, folder: Path) -> str:
    """Return pinned versions of all packages, as requirements; zarr is the released one.

    Raises
    ------
    Unavailable
        If the requirements conflict.
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
    """Return requirements without the line for zarr."""
    return "".join(
        line for line in locked.splitlines(keepends=True) if not re.match(r"zarr(\[.*\])?==", line)
    )


def make(place: Path, python: str, locked: str, wheel: Path | None) -> Path:
    """Make an environment and return its interpreter.

    Parameters
    ----------
    place : Path
        Directory. A complete environment in it is reused; only the wheel is installed again.
    python : str
        Interpreter from which the environment is made.
    locked : str
        Pinned versions of all packages, as requirements.
    wheel : Path or None
        Wheel of zarr to install instead of the version in `locked`; None for that version.

    Raises
    ------
    Unavailable
        If a package cannot be installed.
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
