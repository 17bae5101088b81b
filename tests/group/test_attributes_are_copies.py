"""Attributes that are taken from a caller, or given to one, are nobody else's."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import zarr
import zarr.api.asynchronous as async_api
from zarr.core.group import GroupMetadata
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata
from zarr.core.metadata.common import copied
from zarr.core.sync import sync
from zarr.storage import MemoryStore

VALUE: dict[str, Any] = {"n": {"x": [1, {"y": 2}]}, "l": [[1]], "t": ({"z": [1]},), "s": "text"}


def change(value: Any) -> None:
    """Change all containers within a value."""
    if isinstance(value, dict):
        for each in list(value.values()):
            change(each)
        value["changed"] = True
    elif isinstance(value, (list, tuple)):
        for each in value:
            change(each)
        if isinstance(value, list):
            value.append("changed")


def _put(node: Any, value: Any) -> Any:
    node.attrs.put(value)
    return node


def _set(node: Any, value: Any) -> Any:
    for key in value:
        node.attrs[key] = value[key]
    return node


def _update(node: Any, value: Any) -> Any:
    node.attrs.update(value)
    return node


def _array(zarr_format: Any, **more: Any) -> Any:
    return zarr.create_array({}, shape=(2,), dtype="i4", zarr_format=zarr_format, **more)


TAKEN: dict[str, Callable[[Any, Any], Any]] = {
    "create_array": lambda v, f: _array(f, attributes=v),
    "create": lambda v, f: zarr.create((2,), store={}, attributes=v, zarr_format=f),
    "zeros": lambda v, f: zarr.zeros((2,), store={}, attributes=v, zarr_format=f),
    "create_group": lambda v, f: zarr.create_group({}, attributes=v, zarr_format=f),
    "open_group": lambda v, f: zarr.open_group({}, mode="w", attributes=v, zarr_format=f),
    "group.create_group": lambda v, f: zarr.create_group({}, zarr_format=f).create_group(
        "a", attributes=v
    ),
    "group.create_array": lambda v, f: zarr.create_group({}, zarr_format=f).create_array(
        "a", shape=(2,), dtype="i4", attributes=v
    ),
    "from_array": lambda v, f: zarr.from_array({}, data=_array(f), attributes=v),
    "array.update_attributes": lambda v, f: _array(f).update_attributes(v),
    "group.update_attributes": lambda v, f: zarr.create_group({}, zarr_format=f).update_attributes(
        v
    ),
    "array.attrs.put": lambda v, f: _put(_array(f), v),
    "group.attrs.put": lambda v, f: _put(zarr.create_group({}, zarr_format=f), v),
    "array.attrs[...]": lambda v, f: _set(_array(f), v),
    "group.attrs[...]": lambda v, f: _set(zarr.create_group({}, zarr_format=f), v),
    "array.attrs.update": lambda v, f: _update(_array(f), v),
    "group.attrs.update": lambda v, f: _update(zarr.create_group({}, zarr_format=f), v),
    "asynchronous": lambda v, f: sync(
        async_api.create_group(store={}, attributes=v, zarr_format=f)
    ),
    "create_hierarchy": lambda v, f: next(
        node
        for path, node in zarr.create_hierarchy(
            store=MemoryStore(), nodes={"": GroupMetadata(attributes=v, zarr_format=f)}
        )
    ),
}


@pytest.mark.parametrize("how", TAKEN)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_a_caller_gives_is_copied(how: str, zarr_format: Any) -> None:
    value = copy.deepcopy(VALUE)
    node = TAKEN[how](value, zarr_format)
    change(value)
    assert dict(node.attrs) == VALUE


GIVEN: dict[str, Callable[[Any], Any]] = {
    "asdict": lambda node: node.attrs.asdict(),
    "to_dict": lambda node: node.metadata.to_dict(),
    "to_dict of a copy": lambda node: (
        type(node.metadata).from_dict(node.metadata.to_dict()).to_dict()
    ),
}


@pytest.mark.parametrize("how", GIVEN)
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("kind", ["array", "group"])
def test_what_a_caller_gets_is_a_copy(how: str, zarr_format: Any, kind: str) -> None:
    node: Any = (
        _array(zarr_format, attributes=VALUE)
        if kind == "array"
        else zarr.create_group({}, attributes=VALUE, zarr_format=zarr_format)
    )
    change(GIVEN[how](node))
    assert dict(node.attrs) == VALUE


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("target_format", [2, 3])
def test_an_array_made_from_another_has_its_own(zarr_format: Any, target_format: Any) -> None:
    source = _array(zarr_format, attributes=VALUE)
    for made in (
        zarr.from_array({}, data=source, zarr_format=target_format),
        zarr.zeros_like(source, store={}),
    ):
        attributes = made.metadata.attributes
        change(attributes)
        assert dict(source.attrs) == VALUE


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_documents_that_are_parsed_are_copied(zarr_format: Any) -> None:
    node = _array(zarr_format, attributes=VALUE)
    document: Any = copy.deepcopy(node.metadata.to_dict())
    cls = ArrayV2Metadata if zarr_format == 2 else ArrayV3Metadata
    array = cls.from_dict(document)
    group = GroupMetadata.from_dict(
        {"attributes": document["attributes"], "zarr_format": zarr_format, "node_type": "group"}
    )
    change(document["attributes"])
    assert array.attributes == VALUE
    assert group.attributes == VALUE


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_consolidated_metadata(zarr_format: Any) -> None:
    store = MemoryStore()
    group = zarr.create_group(store, zarr_format=zarr_format, attributes=VALUE)
    group.create_group("g", attributes=VALUE).create_array(
        "a", shape=(2,), dtype="i4", attributes=VALUE
    )
    opened: Any = zarr.consolidate_metadata(store)
    change(opened.metadata.to_dict())
    change(opened.metadata.consolidated_metadata.to_dict())
    change(opened["g/a"].attrs.asdict())
    again: Any = zarr.open_group(store, mode="r", use_consolidated=True)
    for root in (opened, again):
        for node in (root, root["g"], root["g/a"]):
            assert {k: v for k, v in node.attrs.items() if k != "t"} == {
                k: v for k, v in VALUE.items() if k != "t"
            }


def test_one_metadata_for_two_nodes() -> None:
    metadata = GroupMetadata(attributes={"a": 1})
    made = dict(zarr.create_hierarchy(store=MemoryStore(), nodes={"": metadata, "x": metadata}))
    made["x"].attrs["a"] = 2
    assert made[""].attrs["a"] == 1
    assert metadata.attributes == {"a": 1}


def test_unknown_fields_are_copied() -> None:
    field = {"must_understand": False, "x": [1]}
    metadata = GroupMetadata(extra_fields={"f": field})  # type: ignore[dict-item]
    change(field["x"])
    change(metadata.to_dict())
    assert metadata.to_dict()["f"] == {"must_understand": False, "x": [1]}


def test_copying_deep_shared_and_circular_values() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    found = copied(deep)
    depth = 0
    while found:
        found, depth = found[0], depth + 1
    assert depth == 100_000
    one = [1]
    both = copied({"a": one, "b": one})
    assert both == {"a": [1], "b": [1]}
    assert both["a"] is not one
    circular: Any = {}
    circular["self"] = circular
    with pytest.raises(ValueError, match=r"[Cc]ircular"):
        zarr.create_group({}, attributes=circular)
