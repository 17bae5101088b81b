"""Opening what is not there: which error, and that nothing is created on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.optional import lacks
from tests.servers.range_server import RangeServer
from tests.servers.s3 import S3Server

import zarr
from zarr.errors import ArrayNotFoundError, GroupNotFoundError
from zarr.storage import ManagedMemoryStore, ZipStore

OPENERS: dict[str, tuple[Callable[..., Any], type[Exception]]] = {
    "open": (zarr.open, GroupNotFoundError),
    "open_group": (zarr.open_group, GroupNotFoundError),
    "open_array": (zarr.open_array, ArrayNotFoundError),
}


needs_fsspec = pytest.mark.skipif(lacks("fsspec"), reason="needs fsspec")


@needs_fsspec
@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize("path", [None, "a/b"])
@pytest.mark.parametrize(
    "url", ["memory://absent", "memory://absent/sub", "simplecache::memory://absent"]
)
def test_url_without_a_node(url: str, path: str | None, mode: str, opener: str) -> None:
    open_node, error = OPENERS[opener]
    with pytest.raises(error):
        open_node(url, path=path, mode=mode)


@pytest.mark.parametrize("opener", OPENERS)
def test_memory_that_another_store_names(opener: str) -> None:
    open_node, error = OPENERS[opener]
    store = ManagedMemoryStore("named-but-empty")
    with pytest.raises(error):
        open_node("memory://named-but-empty", mode="r")
    assert store._store_dict == {}


@pytest.mark.skipif(lacks("aiohttp"), reason="needs aiohttp")
@pytest.mark.parametrize("opener", OPENERS)
def test_server_without_the_keys(range_server: RangeServer, opener: str) -> None:
    open_node, error = OPENERS[opener]
    with pytest.raises(error):
        open_node(f"{range_server.url}/absent", mode="r")
    assert {request.status for request in range_server.requests} == {404}


@pytest.mark.skipif(lacks("s3fs"), reason="needs s3fs")
@pytest.mark.parametrize("opener", OPENERS)
def test_bucket_without_the_keys(s3_server: S3Server, s3_bucket: str, opener: str) -> None:
    open_node, error = OPENERS[opener]
    with pytest.raises(error):
        open_node(f"s3://{s3_bucket}/absent", mode="r", storage_options=s3_server.storage_options)


# --- local directories ------------------------------------------------------------------


def async_open(place: Any) -> Any:
    return asyncio.run(zarr.AsyncArray.open(place))


@pytest.mark.parametrize("open_array", [zarr.Array.open, async_open, zarr.open_array])
def test_opening_an_array_makes_no_directory(
    tmp_path: Path, open_array: Callable[[Any], Any]
) -> None:
    absent = tmp_path / "absent"
    for place in (absent, str(absent), f"file://{absent}", absent / "deep"):
        with pytest.raises(ArrayNotFoundError, match="absent"):
            open_array(place)
    assert list(tmp_path.iterdir()) == []


def test_array_open_finds_what_is_there(tmp_path: Path) -> None:
    stored: dict[str, Any] = {}
    for place in (tmp_path / "x", str(tmp_path / "y"), stored):
        zarr.create_array(place, data=np.arange(3))
        zarr.Array.open(place)[0] = 7
        np.testing.assert_array_equal(zarr.open_array(place)[:], [7, 1, 2])


@pytest.mark.parametrize("name", ["x.zip", "plain"])
def test_file_where_a_directory_is_asked_for(tmp_path: Path, name: str) -> None:
    """The path of a file is no store, whatever its suffix says: an archive takes a `ZipStore`."""
    path = tmp_path / name
    if name == "plain":
        path.write_bytes(b"x")
    else:
        with ZipStore(path, mode="w") as store:
            zarr.create_array(store, data=np.arange(3))
    before = path.read_bytes()
    with pytest.raises(GroupNotFoundError):
        zarr.load(path)
    with pytest.raises(ArrayNotFoundError):
        zarr.Array.open(path)
    for open_node, error in OPENERS.values():
        with pytest.raises(error):
            open_node(path, mode="r")
    with pytest.raises(FileExistsError):
        zarr.save(path, np.arange(3))
    assert path.read_bytes() == before
