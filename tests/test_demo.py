"""The demo and the examples of the README, run as a newcomer would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zarr
from tests.optional import lacks

ROOT = Path(__file__).parent.parent


def run(*args: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def rows(text: str) -> dict[str, tuple[int, str]]:
    """Return requests and verdict of each line of the table."""
    found = re.findall(r"^(one get per chunk|Store.get_many) +(\d+) .* (yes|NO)$", text, re.M)
    return {name: (int(requests), verdict) for name, requests, verdict in found}


needs_demo = pytest.mark.skipif(lacks("kerchunk"), reason="the demo needs kerchunk")


@needs_demo
def test_demo_of_a_climate_file(tmp_path: Path) -> None:
    done = run("-m", "demo.bulk_read", "--latency-ms", "1", "--output", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    table = rows(done.stdout)
    assert table["one get per chunk"] == (240, "yes")
    assert table["Store.get_many"][0] <= 5
    assert table["Store.get_many"][1] == "yes"
    assert (tmp_path / "out" / "waterfall.png").read_bytes().startswith(b"\x89PNG")
    assert done.stderr == ""


@needs_demo
def test_demo_of_a_zarr_store(tmp_path: Path) -> None:
    path = tmp_path / "own.zarr"
    zarr.create_array(path, data=np.arange(100.0), chunks=(10,))
    done = run("-m", "demo.bulk_read", str(path), "--latency-ms", "0", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout) == {"one get per chunk": (10, "yes"), "Store.get_many": (10, "yes")}
    missing = run("-m", "demo.bulk_read", str(tmp_path / "none.nc"))
    assert missing.returncode != 0
    assert "does not exist" in missing.stderr


EXAMPLES = [
    code
    for page in ("README.md", "docs/bulk-reads.md")
    for code in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)
    if "references.json" not in code  # needs a server; the demo runs the same
]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples(tmp_path: Path, number: int) -> None:
    done = run("-W", "error", "-c", EXAMPLES[number], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
