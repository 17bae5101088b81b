"""The documentation: every Python snippet runs, every configuration key is told, the site builds."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.optional import lacks
from zarr.core.config import config

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
NEEDS = {
    "quick-start.md": "xarray",
    "slow-kerchunk.md": "kerchunk",
    "small-objects.md": "fsspec",
    "dask-distributed.md": "dask",
    "storage.md": "fsspec",
}


def snippets(page: Path) -> str:
    """Return all Python of a page as one program, each line where it is in the page."""
    text = page.read_text()
    lines = [""] * (text.count("\n") + 1)
    for found in SNIPPET.finditer(text):
        start = text.count("\n", 0, found.start(1))
        for offset, line in enumerate(found.group(1).splitlines()):
            lines[start + offset] = line
    return "\n".join(lines).rstrip() + "\n"


def run(source: str, page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    program = folder / f"{page.stem}.py"
    program.write_text(source)
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::UserWarning", program.name],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


RUN = [page for page in PAGES if SNIPPET.search(page.read_text()) and page.name != "README.md"]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_snippets_run(page: Path, tmp_path: Path) -> None:
    if lacks(NEEDS.get(page.name, "numpy")):
        pytest.skip(f"needs {NEEDS[page.name]}")
    done = run(snippets(page), page, tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_broken_snippet_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```python\nimport zarr\nzarr.open_arrays('x')\n```\n")
    done = run(snippets(page), page, tmp_path)
    assert done.returncode != 0
    assert "line 5" in done.stderr


def representations() -> Any:
    """Return the module that puts HTML representations into pages, which mkdocs calls."""
    path = ROOT / "docs" / "_extensions" / "representations.py"
    spec = importlib.util.spec_from_file_location("representations", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_representations_come_from_running_the_page() -> None:
    page = (ROOT / "docs" / "guide" / "notebooks.md").read_text()
    shown = representations().on_page_markdown(page)
    assert shown.count('<div class="zarr-node">') == 2
    assert shown.count('<div class="representation">') == 3
    assert "<!-- representation" not in shown
    assert "air temperature" in shown
    assert representations().on_page_markdown("as it is") == "as it is"
    with pytest.raises(NameError):
        representations().on_page_markdown("<!-- representation: nothing -->")


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def undocumented(keys: Mapping[str, Any], page: str) -> list[str]:
    """Return the keys that a page does not tell, or tells with another default."""
    told = dict(re.findall(r"^\| `([\w.]+)` \| `([^`]*)` \|", page, re.M))
    codecs = set(re.findall(r"`([\w-]+)`", page[page.index("The keys below `codecs`") :]))
    missing: list[str] = []
    for key, default in keys.items():
        if key.startswith("codecs."):
            known = key.removeprefix("codecs.").removeprefix("numcodecs.") in codecs
        elif key in ("buffer", "ndbuffer"):
            known = f"`{key}`" in page and f'"{default}"' in page
        else:
            shown = f'"{default}"' if isinstance(default, str) else str(default)
            known = told.get(key) == shown
        if not known:
            missing.append(key)
    return missing


def test_every_configuration_key_is_told() -> None:
    keys = dict(leaves(config.defaults[0]))
    assert len(keys) > 40
    page = (ROOT / "docs" / "guide" / "configuration.md").read_text()
    assert undocumented(keys, page) == []
    assert undocumented({**keys, "array.unheard_of": 1, "codecs.new": "x"}, page) == [
        "array.unheard_of",
        "codecs.new",
    ]
    assert undocumented({**keys, "async.concurrency": 11}, page) == ["async.concurrency"]


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = [str(page.relative_to(ROOT / "docs")) for page in PAGES if page.name != "README.md"]
    assert [page for page in pages if f": {page}" not in navigation] == []
