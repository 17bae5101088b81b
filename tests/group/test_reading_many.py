"""Reading several arrays of a group at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.group.recording import RecordingStore, put

import zarr
from zarr.core.group import Group
from zarr.errors import BoundsCheckError, ContainsGroupError
from zarr.storage import MemoryStore

NAMES = ["lat", "lon", "deep/down/t", "scalar"]
ReadMany = Callable[[Group, Any], dict[str, Any]]


@pytest.fixture(params=["sync", "async"])
def read_many(request: pytest.FixtureRequest) -> ReadMany:
    if request.param == "sync":
        return lambda group, names: group.read_many(names)
    return lambda group, names: asyncio.run(group._async_group.read_many(names))


@pytest.fixture(params=[(2, ""), (3, ""), (3, "above/here")])
def group(request: pytest.FixtureRequest) -> Group:
    zarr_format, path = request.param
    store = RecordingStore()
    group = zarr.create_group(store, path=path, zarr_format=zarr_format)
    for number, name in enumerate(NAMES):
        shape = () if name == "scalar" else (5,)
        chunks = () if name == "scalar" else (2,)
        array = group.create_array(name, shape=shape, chunks=chunks, dtype="i4")
        array[...] = number + np.arange(5) if shape else number
    group.require_group("empty")
    store.reset()
    return group


def store_of(group: Group) -> Any:
    return group.store_path.store


def is_document(key: str) -> bool:
    return key.rpartition("/")[2].startswith((".z", "zarr.json"))


def assert_equal(results: dict[str, Any], expected: dict[str, Any]) -> None:
    assert type(results) is dict
    assert list(results) == list(expected)
    for name, result in results.items():
        assert type(result) is type(expected[name])
        np.testing.assert_array_equal(result, expected[name], strict=True)


def test_names(group: Group, read_many: ReadMany) -> None:
    expected: dict[str, Any] = {name: group[name][...] for name in NAMES[::-1]}  # type: ignore[index]
    for names in (NAMES[::-1], tuple(NAMES[::-1]), iter(NAMES[::-1]), NAMES[::-1] * 2):
        assert_equal(read_many(group, names), expected)
    assert read_many(group, []) == read_many(group, {}) == {}
    children = {name: group[name][...] for name in group.array_keys()}  # type: ignore[index]
    assert_equal(read_many(group, group.array_keys()), children)


def test_selections(group: Group, read_many: ReadMany) -> None:
    selections: dict[str, Any] = {
        "deep/down/t": [4, 0],
        "lon": 2,
        "lat": slice(1, 3),
        "/lat/": None,
        "scalar": (),
    }
    expected: dict[str, Any] = {
        name: group[name][... if selection is None else selection]  # type: ignore[index]
        for name, selection in selections.items()
    }
    assert_equal(read_many(group, selections), expected)


def test_members_are_looked_up_at_once(group: Group, read_many: ReadMany) -> None:
    store = store_of(group)
    read_many(group, NAMES)
    documents = [key for key in store.keys if is_document(key)]
    chunks = [key for key in store.keys if not is_document(key)]
    assert len(documents) == len(NAMES) * (3 if group.metadata.zarr_format == 2 else 1)
    assert len(chunks) == 3 * 3 + 1
    # All documents go before the first chunk. The former are asked for together.
    assert store.keys == documents + chunks
    assert store.rounds <= 2 + (len(documents) + len(chunks)) // 10
    assert store.listed == []


@pytest.mark.filterwarnings("ignore:Consolidated metadata:UserWarning")
def test_consolidated_members_are_not_looked_up(group: Group, read_many: ReadMany) -> None:
    store = store_of(group)
    zarr.consolidate_metadata(store, path=group.path, zarr_format=group.metadata.zarr_format)
    opened = zarr.open_consolidated(store, path=group.path, zarr_format=group.metadata.zarr_format)
    expected: dict[str, Any] = {name: group[name][...] for name in NAMES}  # type: ignore[index]
    store.reset()
    assert_equal(read_many(opened, NAMES), expected)
    assert [key for key in store.keys if is_document(key)] == []
    with pytest.raises(KeyError, match="'absent' not found in consolidated metadata"):
        read_many(opened, ["lat", "absent"])
    with pytest.raises(ContainsGroupError, match="deep/down"):
        read_many(opened, ["lat", "deep/down"])


NO_NAMES: list[tuple[Any, type[Exception]]] = [
    ("lat", TypeError),
    (b"lat", TypeError),
    (3, TypeError),
    (None, TypeError),
    (["lat", 3], TypeError),
    (["lat", None], TypeError),
    ([b"lat"], TypeError),
    ({"lat": None, 3: None}, TypeError),
    ([("lat", slice(1))], TypeError),
    (["lat", "../lat"], ValueError),
]


@pytest.mark.parametrize(("names", "kind"), NO_NAMES, ids=repr)
def test_no_names_are_refused_before_anything_is_read(
    group: Group, read_many: ReadMany, names: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        read_many(group, names)
    assert store_of(group).keys == []


NO_ARRAYS: list[tuple[Any, type[Exception]]] = [
    (["lat", "absent"], KeyError),
    (["lat", "deep/absent/t"], KeyError),
    ({"lat": None, "empty": slice(1)}, ContainsGroupError),
    (["lat", "deep/down"], ContainsGroupError),
    (["lat", ""], ContainsGroupError),
    ({"lat": None, "lon": 9}, BoundsCheckError),
    ({"lat": None, "lon": "x"}, IndexError),
    ({"lat": None, "scalar": 0}, IndexError),
]


@pytest.mark.parametrize(("names", "kind"), NO_ARRAYS, ids=repr)
def test_no_chunk_is_read_where_one_is_no_array_or_no_selection(
    group: Group, read_many: ReadMany, names: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as caught:
        read_many(group, names)
    assert [key for key in store_of(group).keys if not is_document(key)] == []
    told = [str(caught.value), *getattr(caught.value, "__notes__", [])]
    assert list(names)[-1] in "\n".join(told)


def test_damaged_members_are_named(read_many: ReadMany) -> None:
    store = MemoryStore()
    group = zarr.create_group(store)
    for name in NAMES:
        group.create_array(name, shape=(2,), chunks=(1,), dtype="i4")[...] = 3
    put(store, "lon/c/1", b"damaged")
    with pytest.raises(Exception) as caught:
        read_many(group, NAMES)
    notes = "\n".join(caught.value.__notes__)
    assert "lon/c/1" in notes
    assert "while reading the array" in notes
    put(store, "lon/zarr.json", b"damaged")
    with pytest.raises(ValueError) as caught:
        read_many(group, NAMES)
    assert "lon/zarr.json" in "\n".join(caught.value.__notes__)
