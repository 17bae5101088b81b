"""A `StorePath` given where a store is taken is used as it is, whatever the mode says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.group.recording import contents

import zarr as _zarr
import zarr.api.asynchronous as _za
from zarr.core.array import Array, AsyncArray
from zarr.core.group import AsyncGroup, Group
from zarr.errors import (
    ArrayNotFoundError,
    ContainsArrayError,
    ContainsGroupError,
    GroupNotFoundError,
    NodeTypeValidationError,
    ZarrUserWarning,
)
from zarr.storage import LocalStore, MemoryStore, StorePath, ZipStore

# Wrong parameters are given on purpose.
zarr: Any = _zarr
za: Any = _za

DATA = np.arange(2, dtype="i4")
ARRAY: dict[str, Any] = {"shape": (2,), "dtype": "i4"}
READ_ONLY = "opened in read-only mode"
OVERWRITE: tuple[dict[str, Any], ...] = ({}, {"overwrite": True})


def awaited(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls a coroutine function and waits for it."""
    return lambda *args, **kwargs: asyncio.run(function(*args, **kwargs))


BOTH = [pytest.param(zarr, id="sync"), pytest.param(za, id="async")]


class Functions:
    """The functions of one API, called at once."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(self._api, name)
        return awaited(function) if self._api is za else function


@pytest.fixture(params=BOTH)
def api(request: pytest.FixtureRequest) -> Functions:
    return Functions(request.param)


def stored(zarr_format: Any = 3) -> MemoryStore:
    """Return a store with a group ``g``, an array ``g/a`` and nothing at ``x``."""
    store = MemoryStore()
    group = zarr.create_group(store, path="g", zarr_format=zarr_format)
    group.create_array("a", data=DATA)
    return store


def reader(store: MemoryStore, path: str) -> StorePath:
    return StorePath(store.with_read_only(True), path)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("mode", ["r", "r+", "a", None])
def test_a_read_only_place_opens_read_only(api: Functions, mode: Any, zarr_format: Any) -> None:
    store = stored(zarr_format)
    before = contents(store)
    nodes = [
        api.open(store=reader(store, "g"), mode=mode),
        api.open(store=reader(store, ""), path="g/a", mode=mode),
        api.open_group(reader(store, "g"), mode=mode),
        api.open_group(reader(store, ""), path="g", mode=mode, zarr_format=zarr_format),
        api.open_array(store=reader(store, "g/a"), mode=mode),
        api.open_array(store=reader(store, "g"), path="a", mode=mode, **ARRAY),
        api.open_like(DATA, "a", store=reader(store, "g"), mode=mode),
    ]
    assert all(node.read_only for node in nodes)
    assert contents(store) == before


def test_what_opens_without_a_mode(api: Functions) -> None:
    store = stored()
    with pytest.warns(ZarrUserWarning, match="not part"):
        zarr.consolidate_metadata(store, path="g")
    nodes = [
        api.group(store=reader(store, "g")),
        api.open_consolidated(reader(store, "g")),
        api.open_consolidated(reader(store, "g"), mode="r+"),
        Group.open(reader(store, "g")),
        awaited(AsyncGroup.open)(reader(store, "g")),
        Array.open(reader(store, "g/a")),
        awaited(AsyncArray.open)(reader(store, "g/a")),
    ]
    assert all(node.read_only for node in nodes)
    assert (api.load(store=reader(store, "g/a")) == DATA).all()


@pytest.mark.parametrize("mode", ["r+", "a"])
@pytest.mark.parametrize("kind", ["local", "zip"])
def test_members_of_a_group_opened_to_read(kind: str, mode: Any, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "x") if kind == "local" else ZipStore(tmp_path / "x", mode="w")
    zarr.create_group(store).create_array("a", data=DATA)
    store.close()
    opened = LocalStore(tmp_path / "x") if kind == "local" else ZipStore(tmp_path / "x", mode="r")
    group = zarr.open_group(opened, mode="r")
    assert zarr.open_group(group.store_path, mode=mode).read_only
    assert zarr.group(group.store_path).read_only
    array = zarr.open_array(group.store_path, path="a", mode=mode)
    assert array.read_only
    assert (array[...] == DATA).all()
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 5


def test_a_writable_place_is_read_only_for_r(api: Functions) -> None:
    store = stored()
    assert api.open_group(StorePath(store, "g"), mode="r").read_only
    assert api.open_array(store=StorePath(store, "g"), path="a", mode="r").read_only
    assert api.open(store=StorePath(store, "g"), mode="r").read_only
    with pytest.raises(ValueError, match=READ_ONLY):
        api.create(2, store=StorePath(store, "x"), mode="r")


def test_nothing_is_created_in_a_read_only_place(api: Functions) -> None:
    store = stored()
    before = contents(store)
    place = reader(store, "x")
    for mode in ("r", "r+"):
        with pytest.raises(GroupNotFoundError):
            api.open(store=place, mode=mode)
        with pytest.raises(GroupNotFoundError):
            api.open_group(place, mode=mode)
    for mode in ("r", "r+", "a", "w-"):
        with pytest.raises(ArrayNotFoundError):
            api.open_array(store=place, mode=mode, **ARRAY)
        with pytest.raises(ArrayNotFoundError):
            api.open_like(DATA, "", store=place, mode=mode)
    for mode in ("a", "w", "w-"):
        with pytest.raises(ValueError, match=READ_ONLY):
            api.open_group(place, mode=mode)
        with pytest.raises(ValueError, match=READ_ONLY):
            api.create(2, store=place, mode=mode)
    for creating in (
        lambda **more: api.group(store=place, **more),
        lambda **more: api.create_group(store=place, **more),
        lambda **more: api.create_array(store=place, **ARRAY, **more),
        lambda **more: api.from_array(place, data=DATA, **more),
        lambda **more: api.zeros(2, store=place, **more),
        lambda **more: api.save_array(place, DATA, **more),
    ):
        for more in OVERWRITE:
            with pytest.raises(ValueError, match=READ_ONLY):
                creating(**more)
    assert contents(store) == before


@pytest.mark.parametrize(
    ("path", "error"), [("g", ContainsGroupError), ("g/a", ContainsArrayError)]
)
@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize("zarr_format", [2, 3, None])
def test_w_minus_names_what_is_there(
    api: Functions, zarr_format: Any, writable: bool, path: str, error: type[Exception]
) -> None:
    """Also where it asks for the other kind of node, and where it may overwrite."""
    stored_format = zarr_format or 2
    store = stored(stored_format)
    before = contents(store)
    kept = store if writable else store.with_read_only(True)
    place, root = StorePath(kept, path), StorePath(kept)
    asked: dict[str, Any] = {"mode": "w-", "zarr_format": zarr_format}
    same: dict[str, Any] = {"mode": "w-", "zarr_format": stored_format}
    for more in OVERWRITE:
        for opening in (
            lambda more: api.open(store=place, **asked, **more),
            lambda more: api.open(store=place, **asked, **ARRAY, **more),
            lambda more: api.open_array(store=place, **asked, **more),
            lambda more: api.open_array(store=root, path=path, **asked, **ARRAY, **more),
            lambda more: api.open_like(DATA, path, store=root, **asked, **more),
            lambda more: api.create(2, store=place, **same, **more),
            lambda more: api.array(DATA, store=place, **same, **more),
            lambda more: api.save_array(place, DATA, **same, **more),
        ):
            with pytest.raises(error):
                opening(more)
    with pytest.raises(error):
        api.open_group(place, **asked)
    with pytest.raises(error):
        api.open_group(root, path=path, **asked)
    assert contents(store) == before


@pytest.mark.parametrize("function", ["create_group", "create_array", "from_array", "from_store"])
def test_a_read_only_place_is_looked_at_first(api: Functions, function: str) -> None:
    """What is there is named, rather than that nothing could be written."""
    store = stored()
    calls: dict[str, Callable[[StorePath], Any]] = {
        "create_group": lambda place: api.create_group(store=place),
        "create_array": lambda place: api.create_array(store=place, **ARRAY),
        "from_array": lambda place: api.from_array(place, data=DATA),
        "from_store": awaited(AsyncGroup.from_store),
    }
    with pytest.raises(ContainsGroupError):
        calls[function](reader(store, "g"))
    with pytest.raises(ContainsArrayError):
        calls[function](reader(store, "g/a"))


def test_w_minus_creates_beside_what_is_no_node(api: Functions) -> None:
    store = stored()
    zarr.create_group(store, path="x/below")
    del store._store_dict["x/zarr.json"]
    api.open_group(StorePath(store, "x"), mode="w-")
    assert "x/below/zarr.json" in store._store_dict
    assert not api.open_array(store=StorePath(store, "y"), mode="w-", **ARRAY).read_only


def test_a_store_is_still_held_to_the_mode(api: Functions) -> None:
    store = stored()
    with pytest.raises(FileExistsError):
        api.open_group(store, path="g", mode="w-")
    with pytest.raises(ValueError, match="Store is read-only but mode is"):
        api.open_array(store=store.with_read_only(True), path="g/a", mode="r+")


def test_the_mode_none(api: Functions) -> None:
    """It is that of the store for `open`, creates nothing for arrays, and is "a" for `open_like`."""
    store = stored()
    assert api.open(store=reader(store, "g"), mode=None).read_only
    assert not api.open(store=StorePath(store, "g"), mode=None).read_only
    assert not api.open_group(StorePath(store, "g"), mode=None).read_only
    assert not api.open_array(store=StorePath(store, "g/a"), mode=None).read_only
    with pytest.raises(ArrayNotFoundError):
        api.open_array(store=StorePath(store, "x"), mode=None, **ARRAY)
    with pytest.raises(GroupNotFoundError):
        api.open_group(StorePath(store, "x"), mode=None)
    with pytest.raises(NodeTypeValidationError):
        api.open_array(store=StorePath(store, "g"), mode=None)
    assert api.open_like(DATA, "x", store=StorePath(store), mode=None).shape == (2,)
    assert api.open_like(DATA, "x", store=store, mode=None).shape == (2,)
