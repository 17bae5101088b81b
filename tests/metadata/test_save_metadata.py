"""`zarr.core.metadata.io.save_metadata`: what converters of hierarchies store nodes with."""

from __future__ import annotations

import json
from typing import Any

import pytest

import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.group import GroupMetadata
from zarr.core.metadata.io import save_metadata
from zarr.core.sync import sync
from zarr.storage import MemoryStore, StorePath

FORMATS: list[Any] = [2, 3]


def array_metadata(zarr_format: Any) -> Any:
    return zarr.create_array(
        {}, shape=3, dtype="i1", attributes={"a": 1}, zarr_format=zarr_format
    ).metadata


@pytest.mark.parametrize("zarr_format", FORMATS)
@pytest.mark.parametrize("path", ["", "p/q"])
def test_an_array(zarr_format: Any, path: str) -> None:
    store = MemoryStore()
    metadata = array_metadata(zarr_format)
    sync(save_metadata(StorePath(store, path), metadata))
    assert zarr.open_array(store, path=path, zarr_format=zarr_format).metadata == metadata
    names = metadata.to_buffer_dict(default_buffer_prototype())
    assert keys(store) == sorted(f"{path}/{name}".lstrip("/") for name in names)


@pytest.mark.parametrize("zarr_format", FORMATS)
def test_a_group_and_the_groups_above_it(zarr_format: Any) -> None:
    store = MemoryStore()
    metadata = GroupMetadata(attributes={"k": 2}, zarr_format=zarr_format)
    sync(save_metadata(StorePath(store, "p/q"), metadata, ensure_parents=True))
    root = zarr.open_group(store, mode="r", zarr_format=zarr_format)
    assert [name for name, _ in root.members(max_depth=None)] == ["p", "p/q"]
    assert root["p/q"].attrs.asdict() == {"k": 2}
    assert root.attrs.asdict() == {}


@pytest.mark.parametrize("zarr_format", FORMATS)
def test_what_is_there_is_replaced_and_groups_above_stay(zarr_format: Any) -> None:
    store = MemoryStore()
    zarr.create_group(store, path="p", attributes={"mine": 1}, zarr_format=zarr_format)
    place = StorePath(store, "p/q")
    for value in (1, 2):
        metadata = GroupMetadata(attributes={"k": value}, zarr_format=zarr_format)
        sync(save_metadata(place, metadata, True))
    group = zarr.open_group(store, path="p", mode="r", zarr_format=zarr_format)
    assert group.attrs.asdict() == {"mine": 1}
    assert group["q"].attrs.asdict() == {"k": 2}


@pytest.mark.parametrize("zarr_format", FORMATS)
def test_an_array_has_no_nodes_below(zarr_format: Any) -> None:
    store = MemoryStore()
    metadata = array_metadata(zarr_format)
    sync(save_metadata(StorePath(store, "p"), metadata))
    before = keys(store)
    with pytest.raises(ValueError, match="only groups may have child nodes"):
        sync(save_metadata(StorePath(store, "p/q"), metadata, ensure_parents=True))
    assert keys(store) == before


@pytest.mark.parametrize("ensure_parents", [False, True])
def test_a_read_only_store_stays_as_it_is(ensure_parents: bool) -> None:
    store = MemoryStore()
    place = StorePath(store.with_read_only(True), "p")
    with pytest.raises(ValueError, match="read-only"):
        sync(save_metadata(place, array_metadata(3), ensure_parents))
    assert keys(store) == []


def test_attributes_without_a_json_form_store_nothing() -> None:
    store = MemoryStore()
    metadata = GroupMetadata(attributes={"k": object()})
    with pytest.raises(TypeError):
        sync(save_metadata(StorePath(store, "p"), metadata, True))
    assert keys(store) == []


def test_what_is_stored_is_the_document_of_the_metadata() -> None:
    store = MemoryStore()
    sync(save_metadata(StorePath(store, ""), GroupMetadata(attributes={"k": 2})))
    document = json.loads(store._store_dict["zarr.json"].to_bytes())
    assert document == {"attributes": {"k": 2}, "zarr_format": 3, "node_type": "group"}


def keys(store: MemoryStore) -> list[str]:
    return sorted(store._store_dict)
