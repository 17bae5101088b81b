"""Metadata documents that are not what they should be: each is an error, none is an absence."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import zarr
from zarr.core.array import get_array_metadata
from zarr.core.buffer import Buffer, cpu
from zarr.core.group import ConsolidatedMetadata
from zarr.core.sync import sync
from zarr.errors import MetadataValidationError, NodeTypeValidationError
from zarr.storage import MemoryStore, StorePath

V3: dict[str, Any] = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [4],
    "data_type": "float32",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}},
    "chunk_key_encoding": {"name": "default"},
    "fill_value": 0,
    "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
}
V2: dict[str, Any] = {
    "zarr_format": 2,
    "shape": [4],
    "chunks": [2],
    "dtype": "<f4",
    "compressor": None,
    "fill_value": 0,
    "order": "C",
    "filters": None,
}


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


def store_with(key: str, document: Any, **others: Any) -> MemoryStore:
    values: dict[str, Buffer] = {}
    for name, content in {key: document, **others}.items():
        values[name] = cpu.Buffer.from_bytes(json.dumps(content).encode())
    return MemoryStore(values)


# --- opening one ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        {},
        without(V3, "node_type"),
        without(V3, "zarr_format", "node_type"),
        {"zarr_format": 3},
        {"node_type": "group"},
        {"zarr_format": 3, "node_type": "group"},
        {"zarr_format": 2, "node_type": "group"},
        {**V3, "node_type": None},
        {**V3, "node_type": "thing"},
    ],
)
@pytest.mark.parametrize("open_array", [zarr.open_array, zarr.Array.open])
def test_document_that_describes_no_array(
    document: dict[str, Any], open_array: Callable[[Any], Any]
) -> None:
    store = store_with("zarr.json", document)
    with pytest.raises(NodeTypeValidationError, match=r"expected Literal\['array'\]"):
        open_array(store)
    with pytest.raises(NodeTypeValidationError):
        sync(get_array_metadata(StorePath(store)))


@pytest.mark.parametrize("opener", [zarr.open, zarr.open_array])
@pytest.mark.parametrize("zarr_format", [1, 2, 7, "3", None])
def test_format_that_the_name_of_the_document_denies(opener: Any, zarr_format: Any) -> None:
    store = store_with("zarr.json", {**V3, **V2, "zarr_format": zarr_format})
    with pytest.raises(MetadataValidationError, match="zarr_format"):
        opener(store=store)


@pytest.mark.parametrize("opener", [zarr.open, zarr.open_array])
@pytest.mark.parametrize("zarr_format", [1, 3, "2", None])
def test_format_that_the_name_of_a_format_2_document_denies(opener: Any, zarr_format: Any) -> None:
    store = store_with(".zarray", {**V3, **V2, "zarr_format": zarr_format})
    with pytest.raises(MetadataValidationError, match="zarr_format"):
        opener(store=store)


@pytest.mark.parametrize("opener", [zarr.open, zarr.open_array])
@pytest.mark.parametrize(("key", "document"), [("zarr.json", V3), (".zarray", V2)])
def test_document_without_a_format(opener: Any, key: str, document: dict[str, Any]) -> None:
    store = store_with(key, without(document, "zarr_format"))
    for kind in (KeyError, MetadataValidationError):  # whichever a caller handles
        with pytest.raises(kind, match="zarr_format"):
            opener(store=store)


@pytest.mark.parametrize("value", ["x", 5, [], {"kind": "inline", "metadata": []}])
def test_consolidated_metadata_that_are_none(value: Any) -> None:
    document = {"zarr_format": 3, "node_type": "group", "consolidated_metadata": value}
    store = store_with("zarr.json", document)
    with pytest.warns(UserWarning, match="consolidated metadata .* are not valid"):
        assert zarr.open_group(store, mode="r").metadata.consolidated_metadata is None
    with pytest.raises(TypeError):
        zarr.open_consolidated(store)
    with pytest.raises(TypeError):
        ConsolidatedMetadata.from_dict(value)


# --- members ----------------------------------------------------------------------------

DAMAGED = {
    "no node type": without(V3, "node_type"),
    "node type null": {"zarr_format": 3, "node_type": None},
    "other node type": {**V3, "node_type": "thing"},
    "nothing": {},
    "no format": without(V3, "zarr_format"),
    "format 2": {**V2, "node_type": "array"},
    "no shape": without(V3, "shape"),
    "no object": [],
}


def require_array(group: zarr.Group) -> Any:
    return group.require_array("x", shape=(4,), dtype="f4")


MEMBER_USES: dict[str, Callable[[zarr.Group], Any]] = {
    "getitem": lambda group: group["x"],
    "in": lambda group: "x" in group,
    "get": lambda group: group.get("x"),
    "members": lambda group: group.members(),
    "arrays": lambda group: list(group.arrays()),
    "require_group": lambda group: group.require_group("x"),
    "require_array": require_array,
    "create_array": lambda group: group.create_array("x", shape=(4,), dtype="f4"),
}


@pytest.mark.parametrize("use", MEMBER_USES)
@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_member_is_not_an_absent_one(damage: str, use: str) -> None:
    root = {"zarr_format": 3, "node_type": "group"}
    store = store_with("zarr.json", root, **{"x/zarr.json": DAMAGED[damage]})
    before = dict(store._store_dict)
    group = zarr.open_group(store, mode="r+")
    with pytest.raises((TypeError, ValueError)):
        MEMBER_USES[use](group)
    assert store._store_dict == before


def test_damaged_member_of_format_2() -> None:
    store = store_with(".zgroup", {"zarr_format": 2}, **{"x/.zarray": without(V2, "shape")})
    group = zarr.open_group(store, mode="r", zarr_format=2)
    with pytest.raises(MetadataValidationError, match="shape"):
        group.__contains__("x")
    with pytest.raises(MetadataValidationError, match="shape"):
        group.get("x")


def test_member_without_node_type() -> None:
    root = {"zarr_format": 3, "node_type": "group"}
    group = zarr.open_group(
        store_with("zarr.json", root, **{"x/zarr.json": {"zarr_format": 3}}), mode="r"
    )
    with pytest.raises(NodeTypeValidationError, match="'node_type' is missing"):
        group["x"]


@pytest.mark.parametrize("consolidated", [False, True])
def test_absent_member_is_absent_still(consolidated: bool) -> None:
    store = MemoryStore()
    group = zarr.create_group(store)
    group.create_group("there")
    if consolidated:
        with pytest.warns(UserWarning, match="not part"):
            group = zarr.consolidate_metadata(store)
    assert "x" not in group
    assert group.get("x") is None
    assert group.get("x", 5) == 5
    assert group.get("there", 5) == group["there"]
    with pytest.raises(KeyError, match="consolidated" if consolidated else "x"):
        group["x"]
