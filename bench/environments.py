"""The peers and their virtual environments; the environments are kept between runs."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.workers import environment

ROOT = Path(__file__).parents[1]
RELEASED = "zarr==3.4.2"
SERIES = "^Series: get-many 1/2"
PYTHONS = ("python3.13", "python3.12", "python3.14")
OLDEST = (3, 12)  # the oldest Python that the released package supports
CLIENTS = ("xarray", "dask")
REMOTE = ("fsspec", "s3fs", "aiohttp", "obstore", *CLIENTS)
BUILD_SECONDS = 600.0


class Unavailable(Exception):
    """A peer is not available here; the message gives the reason."""


@dataclass(frozen=True)
class Peer:
    """A participant in the benchmarks: a package, or a loop over files without zarr.

    Parameters
    ----------
    name : str
        Short name.
    title : str
        Description.
    module : str
        Module of `bench.peers` that implements the operations.
    requirements : tuple of str or None
        Packages in the environment of the peer; None means the result of `own_requirements`.
    source : str
        ``checkout`` or ``parent``, the source tree from which `zarr` is imported. Empty for the
        installed package.
    settings : dict
        See `bench.peers.load`.
    """

    name: str
    title: str
    module: str = "zarr_api"
    requirements: tuple[str, ...] | None = None
    source: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


def pipeline(path: str) -> dict[str, Any]:
    """Return the settings that select a codec pipeline."""
    return {"config": {"codec_pipeline.path": path}}


PEERS = (
    Peer("ours", "this checkout", source="checkout"),
    Peer("main", "the commit before Store.get_many", source="parent"),
    Peer("zarr", RELEASED, requirements=(RELEASED, *REMOTE)),
    Peer(
        "fused",
        f"{RELEASED} with its FusedCodecPipeline",
        requirements=(RELEASED, *REMOTE),
        settings=pipeline("zarr.core.codec_pipeline.FusedCodecPipeline"),
    ),
    Peer(
        "zarrs",
        f"{RELEASED} with the pipeline of zarrs",
        requirements=(RELEASED, "zarrs", *REMOTE),
        settings={"imports": ["zarrs"], **pipeline("zarrs.ZarrsCodecPipeline")},
    ),
    Peer(
        "tensorstore",
        "tensorstore",
        module="tensorstore_api",
        requirements=("tensorstore", "numcodecs"),
    ),
    Peer("limit", "a loop over files, numcodecs and numpy, without zarr", module="bare"),
)


def run(command: Sequence[str | Path], **kwargs: Any) -> bytes:
    """Run a command and return its standard output.

    Raises
    ------
    Unavailable
        If the command cannot be run or fails; the message contains the last line of its standard
        error.
    """
    try:
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            timeout=BUILD_SECONDS,
            check=False,
            **kwargs,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{Path(str(command[0])).name}: {type(error).__name__}") from error
    if done.returncode:
        complaint = done.stderr.decode(errors="replace").strip().rpartition("\n")[2].strip()
        raise Unavailable(f"{Path(str(command[0])).name} failed: {complaint}")
    return done.stdout


def find_python() -> str:
    """Return the interpreter from which the environments of all peers are made.

    Raises
    ------
    Unavailable
        If no suitable interpreter is found.
    """
    if sys.version_info >= OLDEST:
        return sys.executable
    for name in PYTHONS:
        try:
            return run([name, "-c", "import sys; print(sys.executable)"]).decode().strip()
        except Unavailable:
            continue
    raise Unavailable(
        f"no Python {'.'.join(map(str, OLDEST))} or later was found; specify one with --python"
    )


def uv() -> list[str] | None:
    """Return the command to run uv, or None if uv is not installed."""
    found = shutil.which("uv")
    if found is not None:
        return [found]
    return [sys.executable, "-m", "uv"] if importlib.util.find_spec("uv") else None


def own_requirements() -> tuple[str, ...]:
    """Return the dependencies of this package, of its extra ``remote``, and `CLIENTS`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return (*project["dependencies"], *project["optional-dependencies"]["remote"], *CLIENTS)


class Environments:
    """Builds the environments of peers and starts their workers.

    Parameters
    ----------
    folder : Path
        Directory in which the environments are kept.
    python : str or None
        Interpreter from which the environments are made; None to search for one.
    main : str or None
        Commit from which the source of the peer ``main`` is taken. None means the parent of the
        newest commit whose message matches `SERIES`.
    """

    def __init__(self, folder: Path, python: str | None = None, *, main: str | None = None) -> None:
        self._folder = folder.resolve()
        self._python = python
        self._main = main

    def command(self, peer: Peer) -> tuple[list[str], dict[str, str]]:
        """Return the command and the environment variables that start the worker of a peer.

        Raises
        ------
        Unavailable
            If the peer is not available.
        """
        path = [str(ROOT)]
        if peer.source:
            path.insert(0, str(ROOT if peer.source == "checkout" else self._parent()) + "/src")
        return worker_command(str(self._interpreter(peer)), peer), environment(path)

    def _interpreter(self, peer: Peer) -> Path:
        """Return the interpreter in the environment of a peer; build the environment if needed."""
        requirements = own_requirements() if peer.requirements is None else peer.requirements
        if self._python is None:
            self._python = find_python()
        described = json.dumps([self._python, sorted(requirements)])
        place = self._folder / f"env-{hashlib.sha256(described.encode()).hexdigest()[:12]}"
        python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            tool = uv()
            if tool is not None:
                run([*tool, "venv", "--quiet", "--python", self._python, place])
                run([*tool, "pip", "install", "--quiet", "--python", python, *requirements])
            else:
                run([self._python, "-m", "venv", place])
                run([python, "-m", "pip", "install", "--quiet", *requirements])
            (place / "complete").touch()
        return python

    def _parent(self) -> Path:
        """Return a directory with the source of the peer ``main``; create it if needed."""
        git = ["git", "-C", str(ROOT)]
        wanted = self._main
        if wanted is None:
            found = run([*git, "log", "-1", "--format=%H", "--grep", SERIES]).decode().split()
            if not found:
                raise Unavailable("the history has no commit of the series")
            wanted = f"{found[0]}^"
        revision = run([*git, "rev-parse", "--verify", f"{wanted}^{{commit}}"]).decode().strip()
        place = self._folder / f"parent-{revision[:12]}"
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            with tarfile.open(fileobj=io.BytesIO(run([*git, "archive", revision, "src"]))) as tree:
                tree.extractall(place, filter="data")
            (place / "complete").touch()
        return place


def worker_command(python: str, peer: Peer) -> list[str]:
    """Return the command that starts the worker of a peer with a given interpreter."""
    return [python, "-P", "-m", "bench.worker", peer.module, json.dumps(peer.settings)]
