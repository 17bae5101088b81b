"""The snippets of README.md, one for each client, read from a server as a user would run them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.clients.needs import client
from tests.servers.range_server import RangeServer

h5py = client("h5py")
kerchunk_hdf = client("kerchunk.hdf")
xarray = client("xarray")

ROOT = Path(__file__).parents[2]
SNIPPETS = dict(
    re.findall(
        r"^### (\w+)$(?:(?!^#).)*?^```python\n(.*?)^```$",
        (ROOT / "README.md").read_text(),
        re.M | re.S,
    )
)
NEEDS = {
    "dask": ["dask.array"],
    "VirtualiZarr": ["virtualizarr", "obspec_utils", "obstore"],
    "icechunk": ["icechunk"],
}
AIR = np.random.default_rng(0).random((24, 8, 10))
LAT = np.linspace(-70, 70, 8)
MEANS = {"xarray": AIR[:, (LAT >= 0) & (LAT <= 30)].mean(), "icechunk": 1.0}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RangeServer]:
    """The data that the snippets read, and their folder has the references."""
    served = tmp_path / "served"
    served.mkdir()
    coordinates = {"lat": LAT, "lon": np.arange(10.0)}
    dataset = xarray.Dataset({"air": (("time", "lat", "lon"), AIR)}, coords=coordinates)
    dataset.to_zarr(
        served / "air.zarr", consolidated=False, encoding={"air": {"chunks": (1, 8, 10)}}
    )
    with h5py.File(served / "air.h5", "w") as file:
        file.create_dataset("air", data=AIR, chunks=(1, 8, 10), compression="gzip")
    with RangeServer(served) as running:
        with open(served / "air.h5", "rb") as file:
            url = f"{running.url}/air.h5"
            found = kerchunk_hdf.SingleHdf5ToZarr(file, url, inline_threshold=0).translate()
        (tmp_path / "references.json").write_text(json.dumps(found))
        yield running


def test_there_is_a_snippet_for_each_client() -> None:
    assert list(SNIPPETS) == ["xarray", "dask", "kerchunk", "VirtualiZarr", "icechunk"]


@pytest.mark.parametrize("name", SNIPPETS)
def test_snippet(name: str, tmp_path: Path, server: RangeServer) -> None:
    """It prints the mean of what the server has."""
    for module in NEEDS.get(name, []):
        client(module)
    program = SNIPPETS[name].replace(
        'from_url("https://example.org")',  # refuses what is not encrypted unless it is told
        'from_url("https://example.org", client_options={"allow_http": True})',
    )
    program = program.replace("https://example.org", server.url).replace('"https"', '"http"')
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # icechunk for Python 3.11 prints a warning first.
    assert float(done.stdout.split()[-1]) == pytest.approx(MEANS.get(name, AIR.mean()))
    if name == "kerchunk":
        read = [each for each in server.requests if each.method == "GET"]
        assert 1 <= len(read) < len(AIR)
