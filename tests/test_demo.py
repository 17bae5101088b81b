"""The demo, run as a newcomer would."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from demo.progress import progress

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
    found = re.findall(r"^(\S.*?) {2,}(\d+) .* (yes|NO)$", text, re.M)
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
    # Tasks of dask read one chunk each; what they read is counted at the server as well.
    assert table["dask, one get per chunk"] == (240, "yes")
    assert table["dask, default settings"][1] == "yes"
    assert table["dask, read_ahead_bytes"][0] <= 20
    assert table["dask, read_ahead_bytes"][1] == "yes"
    assert len(table) == 5
    for picture in ("waterfall.png", "waterfall-dask.png"):
        assert (tmp_path / "out" / picture).read_bytes().startswith(b"\x89PNG")
    assert done.stderr == ""  # progress is for terminals


@needs_demo
def test_demo_of_a_zarr_store(tmp_path: Path) -> None:
    path = tmp_path / "own.zarr"
    zarr.create_array(path, data=np.arange(100.0), chunks=(10,))
    done = run("-m", "demo.bulk_read", str(path), "--latency-ms", "0", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout) == {"one get per chunk": (10, "yes"), "Store.get_many": (10, "yes")}
    assert not (tmp_path / "waterfall-dask.png").exists()  # there are no references
    missing = run("-m", "demo.bulk_read", str(tmp_path / "none.nc"))
    assert missing.returncode != 0
    assert "does not exist" in missing.stderr


@needs_demo
def test_demo_of_a_variable_in_a_group(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "nested.h5"
    with h5py.File(path, "w") as file:
        values = np.arange(24.0).reshape(6, 4)
        file.create_dataset("deep/er/v", data=values, chunks=(1, 4), compression="gzip")
    done = run(
        *("-m", "demo.bulk_read", str(path), "--variable", "deep/er/v"),
        *("--latency-ms", "0", "--output", str(tmp_path)),
    )
    assert done.returncode == 0, done.stderr
    table = rows(done.stdout)
    assert table["one get per chunk"] == table["dask, one get per chunk"] == (6, "yes")
    assert table["dask, read_ahead_bytes"][1] == "yes"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal, or not."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def test_progress_is_shown_on_a_terminal_and_removed() -> None:
    stream, described = Terminal(is_terminal=True), threading.Event()

    def describe() -> str:
        described.set()
        return "7 requests"

    with progress(describe, stream, first_after=0):
        assert described.wait(60)
    assert "7 requests" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_progress_is_silent_elsewhere() -> None:
    stream = Terminal(is_terminal=False)
    with progress(lambda: "nothing", stream, first_after=0):
        pass
    assert stream.getvalue() == ""
