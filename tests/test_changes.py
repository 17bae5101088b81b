"""Changelog fragments: their names, and that they render."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TYPES = [
    kind["directory"]
    for kind in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]["type"]
]
NAME = re.compile(rf"(?:\d+|\+[a-z][a-z0-9-]*)\.(?:{'|'.join(TYPES)})(?:\.\d+)?\.md")


def problems(folder: Path) -> list[str]:
    """Return what is wrong with the fragments in a folder."""
    found: list[str] = []
    for path in sorted(folder.iterdir()):
        if path.name == "README.md":
            continue
        if not NAME.fullmatch(path.name):
            found.append(f"{path.name}: expected NUMBER.TYPE.md or +NAME.TYPE.md, TYPE of {TYPES}")
        elif not path.read_text().strip():
            found.append(f"{path.name}: is empty")
    return found


def test_types_are_those_that_contributors_are_told() -> None:
    assert TYPES == ["feature", "bugfix", "doc", "removal", "misc"]
    readme = (ROOT / "changes" / "README.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", readme, re.M) == TYPES


def test_fragments() -> None:
    assert problems(ROOT / "changes") == []


@pytest.mark.parametrize(
    "name",
    ["12.features.md", "12.md", "feature.md", "12.feature.txt", "+.feature.md", "12.feature.a.md"],
)
def test_a_wrong_name_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("text")
    (tmp_path / "12.feature.1.md").write_text("text")
    assert [line.partition(": ")[0] for line in problems(tmp_path)] == [name]


def test_an_empty_fragment_is_found(tmp_path: Path) -> None:
    (tmp_path / "12.doc.md").write_text("\n")
    assert problems(tmp_path) == ["12.doc.md: is empty"]


def test_release_notes_render() -> None:
    pytest.importorskip("towncrier")
    done = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "next"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Store.get_many" in done.stdout
    for title in ("## next", "### Features"):
        assert title in done.stdout
