"""Storing the results of runs, so that they can be reused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from suites.junit import Outcome
from suites.run import Ran


def fingerprint(*parts: object) -> str:
    """Return a hash of everything that a run depends on."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()


def digest(paths: Iterable[Path], root: Path) -> str:
    """Return a hash of the contents of files, and of the paths of the files relative to `root`."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def save_text(path: Path, key: str, text: str) -> None:
    """Store the text of a requirements file, together with the key of its inputs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {key}\n{text}", encoding="utf-8")


def load_text(path: Path, key: str) -> str | None:
    """Return the stored text of a requirements file; None if there is no text with this key."""
    if not path.exists():
        return None
    first, _, text = path.read_text(encoding="utf-8").partition("\n")
    return text if first == f"# {key}" else None


def save(path: Path, key: str, ran: Ran) -> None:
    """Store a run together with the key of its inputs."""
    told = {
        "key": key,
        "fault": ran.fault,
        "seconds": ran.seconds,
        "outcomes": {test: [it.what, it.message] for test, it in ran.outcomes.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")


def load(path: Path, key: str) -> Ran | None:
    """Return a stored run; None if there is none with this key."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if told["key"] != key:
        return None
    outcomes = {test: Outcome(*it) for test, it in told["outcomes"].items()}
    return Ran(outcomes, told["fault"], told["seconds"])
