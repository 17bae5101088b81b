"""No store shows passwords and signatures: not itself, not in places, nodes, notes and logs."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zarr
from zarr.abc.store import Store
from zarr.core.group import AsyncGroup, GroupMetadata
from zarr.core.sync import sync
from zarr.experimental.cache_store import CacheStore
from zarr.storage import (
    FsspecStore,
    LocalStore,
    LoggingStore,
    MemoryStore,
    ObjectStore,
    StorePath,
    WrapperStore,
    ZipStore,
)
from zarr.testing.store import LatencyStore

# Nothing listens on this port.
URL = "http://user:SECRET@127.0.0.1:9/x?X-Amz-Signature=SECRET&X-Amz-Date=1"


def http() -> Store:
    pytest.importorskip("aiohttp")
    return FsspecStore.from_url(URL, read_only=True)


def chained() -> Store:
    pytest.importorskip("aiohttp")
    return FsspecStore.from_url(f"simplecache::{URL}", read_only=True)


def bucket() -> Store:
    pytest.importorskip("s3fs")
    return FsspecStore.from_url("s3://bucket/a?signature=SECRET", read_only=True)


def obstore() -> Store:
    pytest.importorskip("obstore")
    from obstore.store import HTTPStore

    return ObjectStore(HTTPStore(URL), read_only=True)


def archive() -> Store:
    class Remote(io.BytesIO):
        def __str__(self) -> str:
            return f"<File-like object HTTPFileSystem, {URL}>"

        __repr__ = __str__

    return ZipStore(Remote(), mode="w")


STORES = (http, chained, bucket, obstore, archive)
WRAPPERS: dict[str, Callable[[Store], Store]] = {
    "itself": lambda store: store,
    "wrapper": WrapperStore,
    "logging": lambda store: LoggingStore(store, log_handler=logging.NullHandler()),
    "latency": LatencyStore,
    "cache": lambda store: CacheStore(store, cache_store=MemoryStore()),
}


@pytest.mark.parametrize("make", STORES)
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_what_is_shown(make: Callable[[], Store], wrapper: str) -> None:
    store = WRAPPERS[wrapper](make())
    place = StorePath(store, "a")
    metadata = zarr.create_array({}, shape=(1,), dtype="int8").async_array.metadata
    array = zarr.Array(zarr.AsyncArray(metadata, place))
    group = zarr.Group(AsyncGroup(GroupMetadata(), place))
    for thing in (store, place, array, group, array.async_array, array.info, group.info):
        for shown in (repr(thing), str(thing), f"{thing}"):
            assert "SECRET" not in shown
    for html in (array._repr_html_(), group._repr_html_()):
        assert "SECRET" not in html


def everything_said(error: BaseException | None) -> str:
    said = []
    while error is not None:
        said += [str(error), repr(error), *getattr(error, "__notes__", [])]
        error = error.__cause__
    return "\n".join(said)


def test_nodes_that_are_not_there() -> None:
    pytest.importorskip("aiohttp")
    for call in (
        lambda: zarr.open_group(URL.replace("http", "memory", 1), mode="r"),
        lambda: zarr.open_array(URL.replace("http", "memory", 1), mode="r"),
    ):
        with pytest.raises(FileNotFoundError):
            call()
    from zarr.core.array._documents import find_array

    with pytest.raises(FileNotFoundError) as caught:
        sync(find_array("file://nowhere/at/all"))
    assert "nowhere" in everything_said(caught.value)


def test_a_damaged_document_behind_a_signed_url() -> None:
    pytest.importorskip("aiohttp")
    store = MemoryStore()
    prototype = zarr.core.buffer.default_buffer_prototype()

    class Signed(WrapperStore[Store]):
        def __str__(self) -> str:
            return str(http())

    sync(store.set("zarr.json", prototype.buffer.from_bytes(b"<html>")))
    with pytest.raises(json.JSONDecodeError) as caught:
        zarr.open(Signed(store), mode="r")
    said = everything_said(caught.value)
    assert "zarr.json" in said
    assert "127.0.0.1:9" in said
    assert "SECRET" not in said


def test_a_group_that_is_not_at_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    async def place(*args: Any, **kwargs: Any) -> StorePath:
        return StorePath(MemoryStore())

    monkeypatch.setattr("zarr.api._open.make_store_path", place)
    with pytest.raises(zarr.errors.GroupNotFoundError) as caught:
        zarr.open_group(URL, mode="r")
    assert "127.0.0.1" in str(caught.value)
    assert "SECRET" not in everything_said(caught.value)


def test_the_log() -> None:
    log = io.StringIO()
    store = LoggingStore(http(), log_handler=logging.StreamHandler(log))
    assert "SECRET" not in store.logger.name
    with pytest.raises(Exception):  # noqa: B017  (nothing listens)
        zarr.open_group(store, mode="r")
    assert "Calling FsspecStore.get" in log.getvalue()
    assert "SECRET" not in log.getvalue()


def test_what_is_used_is_whole() -> None:
    store = http()
    assert isinstance(store, FsspecStore)
    assert store.path == URL


def test_local_paths_are_shown_as_they_are(tmp_path: Path) -> None:
    odd = tmp_path / "a?b=1@c:d"
    assert str(LocalStore(odd)) == f"file://{odd}"
    assert str(ZipStore(odd, mode="w")) == f"zip://{odd}"
    pytest.importorskip("fsspec")
    assert str(odd) in repr(FsspecStore.from_url(f"simplecache::file://{odd}", read_only=True))
