"""Keeping what a run gave, so that another one need not be made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from suites.junit import Outcome
from suites.run import Ran


def fingerprint(*parts: object) -> str:
    """Return what tells runs apart: whatever they depend on, in short."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()


def digest(paths: Iterable[Path], root: Path) -> str:
    """Return a digest of files, by their contents and their paths below a folder."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def save_text(path: Path, key: str, text: str) -> None:
    """Keep requirements under the key of what they depend on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {key}\n{text}", encoding="utf-8")


def load_text(path: Path, key: str) -> str | None:
    """Return the requirements that were kept, None if there are none of this key."""
    if not path.exists():
        return None
    first, _, text = path.read_text(encoding="utf-8").partition("\n")
    return text if first == f"# {key}" else None


def save(path: Path, key: str, ran: Ran) -> None:
    """Keep a run under the key of what it depends on."""
    told = {
        "key": key,
        "fault": ran.fault,
        "seconds": ran.seconds,
        "outcomes": {test: [it.what, it.message] for test, it in ran.outcomes.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")


def load(path: Path, key: str) -> Ran | None:
    """Return the run that was kept, None if there is none of this key."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if told["key"] != key:
        return None
    outcomes = {test: Outcome(*it) for test, it in told["outcomes"].items()}
    return Ran(outcomes, told["fault"], told["seconds"])
