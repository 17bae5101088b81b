"""Downloading source distributions (sdists) from the package index."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

from suites.commands import Unavailable, run, uv
from suites.pins import Package

SECONDS = 300.0


def find_sdist(package: Package, python: str, folder: Path) -> str:
    """Return the URL of an sdist in the index for which uv is configured.

    Raises
    ------
    Unavailable
        If the index cannot be reached, or has no sdist.
    """
    lock = folder / "pylock.toml"
    options = ["--quiet", "--no-deps", "--no-header", "--format", "pylock.toml"]
    asked = f"{package.name}=={package.version}"
    command: list[str | Path] = [
        *uv(),
        "pip",
        "compile",
        *options,
        "--python",
        python,
        "-o",
        lock,
        "-",
    ]
    run(command, given=asked)
    (entry,) = tomllib.loads(lock.read_text(encoding="utf-8"))["packages"]
    lock.unlink()
    if "sdist" not in entry:
        raise Unavailable(f"the index has no sdist of {asked}")
    return str(entry["sdist"]["url"])


def fetch(package: Package, python: str, folder: Path) -> Path:
    """Return the sdist of a package; download it if it is not in the folder.

    Raises
    ------
    Unavailable
        If the sdist cannot be downloaded, or its hash differs from the pinned hash.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{package.name}-{package.version}.tar.gz"
    if not place.exists():
        try:
            with urllib.request.urlopen(find_sdist(package, python, folder), timeout=SECONDS) as it:
                place.write_bytes(it.read())
        except (OSError, urllib.error.URLError) as error:
            raise Unavailable(f"its sdist was not fetched: {type(error).__name__}") from error
    found = hashlib.sha256(place.read_bytes()).hexdigest()
    if found != package.sha256:
        place.unlink()
        raise Unavailable(f"its sdist is not the one that is pinned, but {found}")
    return place


# pytest reads its configuration from these files in the folder in which it is started.
CONFIGURATION = ("pyproject.toml", "pytest.ini", "tox.ini", "setup.cfg", "conftest.py")


def unpack(sdist: Path, wanted: tuple[str, ...], place: Path) -> None:
    """Copy paths of an sdist, and the files that configure pytest, to a new folder.

    Raises
    ------
    Unavailable
        If the sdist lacks one of the paths.
    """
    whole = place.with_name(f"{place.name}-sdist")
    for old in (whole, place):
        shutil.rmtree(old, ignore_errors=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(whole, filter="data")
    (top,) = whole.iterdir()
    place.mkdir(parents=True)
    for name in (*wanted, *CONFIGURATION):
        source, target = top / name, place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.is_file():
            shutil.copyfile(source, target)
        elif name in wanted:
            raise Unavailable(f"its sdist has no {name}")
    shutil.rmtree(whole)


def edit(package: Package, place: Path) -> None:
    """Apply the edits of a package to its suite.

    Raises
    ------
    Unavailable
        If the text to be replaced is not found.
    """
    for one in package.edits:
        text = (place / one.file).read_text(encoding="utf-8")
        if one.old not in text:
            raise Unavailable(f"an edit of its {one.file} does not fit")
        (place / one.file).write_text(text.replace(one.old, one.new), encoding="utf-8")
