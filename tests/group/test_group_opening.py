"""Opening groups and nodes: which documents are read, which format wins, what is refused."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from tests.group.recording import RecordingStore, contents, put

import zarr
from zarr.core.group import AsyncGroup, Group, GroupMetadata, get_node
from zarr.core.group._documents import find_place, read_node_metadata
from zarr.core.metadata import ArrayV2Metadata
from zarr.core.sync import sync
from zarr.core.sync_group import get_node as get_node_sync
from zarr.errors import (
    ContainsArrayError,
    GroupNotFoundError,
    MetadataValidationError,
    NodeNotFoundError,
    NodeTypeValidationError,
    ZarrUserWarning,
)
from zarr.storage import MemoryStore
from zarr.storage._common import StorePath

V3_GROUP = {"zarr_format": 3, "node_type": "group"}


def _store(*documents: tuple[str, object]) -> RecordingStore:
    store = RecordingStore()
    for key, content in documents:
        put(store, key, content)
    return store


V2, V3 = (".zgroup", {"zarr_format": 2}), ("zarr.json", V3_GROUP)


@pytest.mark.parametrize(
    ("zarr_format", "use_consolidated", "keys"),
    [
        (3, None, {"zarr.json"}),
        (2, None, {".zgroup", ".zattrs", ".zmetadata"}),
        (2, False, {".zgroup", ".zattrs"}),
        (None, None, {"zarr.json", ".zgroup", ".zattrs", ".zmetadata"}),
        (None, False, {"zarr.json", ".zgroup", ".zattrs"}),
    ],
)
@pytest.mark.parametrize("path", ["", "a/b"])
async def test_a_group_opens_in_one_round(
    path: str, zarr_format: Any, use_consolidated: Any, keys: set[str]
) -> None:
    prefix = f"{path}/" if path else ""
    store = _store(*((prefix + key, content) for key, content in (V2, V3)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZarrUserWarning)
        await AsyncGroup.open(StorePath(store, path), zarr_format, use_consolidated)
    assert set(store.keys) == {prefix + key for key in keys}
    assert len(store.keys) == len(keys)
    assert store.rounds == 1


def test_format_3_wins() -> None:
    store = _store(V2, V3)
    with pytest.warns(ZarrUserWarning, match=r"Both zarr.json .* and .zgroup .* format 3 will be"):
        assert zarr.open_group(store).metadata.zarr_format == 3
    assert zarr.open_group(store, zarr_format=2).metadata.zarr_format == 2


def test_group_of_one_format() -> None:
    assert zarr.open_group(_store(V2)).metadata.zarr_format == 2
    assert Group.open(_store(V2), zarr_format=None).metadata.zarr_format == 2
    for store, zarr_format in ((_store(V2), 3), (_store(V3), 2)):
        with pytest.raises(GroupNotFoundError):
            Group.open(store, zarr_format=zarr_format)  # type: ignore[arg-type]
        with pytest.raises(FileNotFoundError):
            sync(AsyncGroup.open(store, zarr_format=zarr_format))  # type: ignore[arg-type]


@pytest.mark.parametrize("zarr_format", [1, 4, "3"])
def test_formats_there_are_not(zarr_format: Any) -> None:
    with pytest.raises(MetadataValidationError, match="Expected 2, 3, or None"):
        Group.open(_store(V3), zarr_format=zarr_format)


@pytest.mark.parametrize(
    ("documents", "error", "match"),
    [
        ([("zarr.json", {**V3_GROUP, "node_type": "array"})], ContainsArrayError, "An array"),
        ([("zarr.json", {**V3_GROUP, "node_type": "x"})], NodeTypeValidationError, "Got 'x'"),
        ([("zarr.json", b"{")], json.JSONDecodeError, "property name"),
        ([("zarr.json", b"3")], TypeError, "Expected a JSON object"),
        ([(".zgroup", {"zarr_format": 4})], MetadataValidationError, "zarr_format 4; expected 2"),
        ([V2, (".zattrs", b"[]")], TypeError, "Expected a JSON object"),
        ([], GroupNotFoundError, "No group found"),
        ([(".zattrs", {})], GroupNotFoundError, "No group found"),
    ],
)
def test_stored_documents_that_are_no_group(
    documents: list[tuple[str, object]], error: type[Exception], match: str
) -> None:
    store = _store(*documents)
    before = contents(store)
    for mode in ("r", "r+"):
        with pytest.raises(error, match=match):
            zarr.open_group(store, mode=mode)
    with pytest.raises(error, match=match):
        sync(AsyncGroup.open(store, zarr_format=None))
    assert contents(store) == before


def test_attributes_of_format_2() -> None:
    assert zarr.open_group(_store(V2, (".zattrs", {"a": 1}))).attrs.asdict() == {"a": 1}
    assert zarr.open_group(_store(V2)).attrs.asdict() == {}


def test_from_dict_reads_nothing() -> None:
    store = _store()
    group = AsyncGroup.from_dict(StorePath(store, "q"), {**V3_GROUP, "attributes": {"a": 1}})
    assert (group.path, group.attrs, store.keys) == ("q", {"a": 1}, [])


# --- consolidated metadata --------------------------------------------------------------

INLINE = {"kind": "inline", "must_understand": False, "metadata": {"x": V3_GROUP}}
ZMETADATA = {
    "zarr_consolidated_format": 1,
    "metadata": {".zgroup": {"zarr_format": 2}, "x/.zgroup": {"zarr_format": 2}},
}
CONSOLIDATED: dict[int, list[tuple[str, object]]] = {
    2: [V2, (".zmetadata", ZMETADATA)],
    3: [("zarr.json", {**V3_GROUP, "consolidated_metadata": INLINE})],
}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    ("use_consolidated", "expected"), [(None, ["x"]), (True, ["x"]), (False, None)]
)
def test_use_consolidated(zarr_format: int, use_consolidated: Any, expected: Any) -> None:
    group = zarr.open_group(_store(*CONSOLIDATED[zarr_format]), use_consolidated=use_consolidated)
    found = group.metadata.consolidated_metadata
    assert (None if found is None else list(found.metadata)) == expected


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_consolidated_metadata_that_are_asked_for_and_absent(zarr_format: int) -> None:
    store = _store(V2 if zarr_format == 2 else V3)
    assert zarr.open_group(store).metadata.consolidated_metadata is None
    with pytest.raises(ValueError, match="'use_consolidated=True' but not found"):
        zarr.open_group(store, use_consolidated=True)


def test_another_key_of_format_2() -> None:
    store = _store(V2, ("other", ZMETADATA))
    group = zarr.open_group(store, use_consolidated="other")
    assert list(group) == ["x"]
    assert ".zmetadata" not in store.keys
    with pytest.raises(ValueError, match="under 'missing'"):
        zarr.open_group(store, use_consolidated="missing")
    with pytest.raises(TypeError, match="must be a bool or None for Zarr format 3"):
        zarr.open_group(_store(V3), use_consolidated="other")


@pytest.mark.parametrize(
    "documents",
    [
        [("zarr.json", {**V3_GROUP, "consolidated_metadata": {**INLINE, "kind": "other"}})],
        [("zarr.json", {**V3_GROUP, "consolidated_metadata": {**INLINE, "metadata": {"x": 1}}})],
        [("zarr.json", {**V3_GROUP, "consolidated_metadata": {**INLINE, "metadata": {"x": {}}}})],
        [V2, (".zmetadata", {"zarr_consolidated_format": 7})],
        [V2, (".zmetadata", {"metadata": {"a/.zgroup": {"zarr_format": 4}}})],
    ],
)
def test_bad_consolidated_metadata_are_used_only_if_asked_for(
    documents: list[tuple[str, object]],
) -> None:
    store = _store(*documents)
    with pytest.warns(ZarrUserWarning, match="are not valid and are not used"):
        assert zarr.open_group(store).metadata.consolidated_metadata is None
    assert zarr.open_group(store, use_consolidated=False).metadata.consolidated_metadata is None
    with pytest.raises((TypeError, ValueError)):
        zarr.open_group(store, use_consolidated=True)


def test_a_store_without_consolidated_metadata() -> None:
    class Without(MemoryStore):
        supports_consolidated_metadata = False

    store = Without()
    put(store, "zarr.json", {**V3_GROUP, "consolidated_metadata": INLINE})
    assert zarr.open_group(store).metadata.consolidated_metadata is None
    with pytest.raises(ValueError, match="doesn't support consolidated"):
        zarr.open_group(store, use_consolidated=True)
    with pytest.raises(TypeError, match="doesn't support consolidated"):
        zarr.consolidate_metadata(store)


def test_golden_hierarchy(golden: Path) -> None:
    root = golden / "v3" / "hier"
    for use_consolidated in (True, False):
        group = zarr.open_group(root, mode="r", use_consolidated=use_consolidated)
        assert group.attrs.asdict() == {"title": "root"}
        groups = [p for p, node in group.members(None) if isinstance(node, Group)]
        assert sorted(groups) == ["empty", "x", "x/y"]
        arrays = {p for p, node in group.members(None) if isinstance(node, zarr.Array)}
        assert arrays == {"one", "x/y/temp"}


# --- nodes ------------------------------------------------------------------------------


def _mixed() -> RecordingStore:
    store = RecordingStore()
    zarr.create_group(store)
    zarr.create_array(store, name="a", shape=(1,), dtype="i1")
    zarr.create_group(store, path="old", zarr_format=2)
    zarr.create_array(store, name="old/a", shape=(1,), dtype="i1", zarr_format=2)
    store.reset()
    return store


@pytest.mark.parametrize(
    ("path", "zarr_format", "kind"),
    [
        ("", 3, Group),
        ("a", 3, zarr.Array),
        ("/a/", 3, zarr.Array),
        ("old", 2, Group),
        ("old/a", 2, zarr.Array),
    ],
)
def test_get_node(path: str, zarr_format: Any, kind: type) -> None:
    store = _mixed()
    node = get_node_sync(store, path, zarr_format)
    assert isinstance(node, kind)
    assert node.path == path.strip("/")
    assert node.metadata.zarr_format == zarr_format
    assert store.rounds == 1
    assert type(sync(get_node(store, path, zarr_format))).__name__ == f"Async{kind.__name__}"


def test_get_node_that_is_absent() -> None:
    for path, zarr_format in (("a", 2), ("old/a", 3), ("zz", 3)):
        with pytest.raises(FileNotFoundError, match=path):
            get_node_sync(_mixed(), path, zarr_format)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Unexpected zarr format: None"):
        get_node_sync(_mixed(), "a", None)  # type: ignore[arg-type]


async def test_any_node_takes_one_round() -> None:
    store = _mixed()
    assert isinstance(await read_node_metadata(StorePath(store, "old/a"), None), ArrayV2Metadata)
    assert store.rounds == 1
    assert len(store.keys) == 4
    store.reset()
    node = await read_node_metadata(StorePath(store, ""), 3)
    assert isinstance(node, GroupMetadata)
    assert store.keys == ["zarr.json"]
    with pytest.raises(NodeNotFoundError, match="'nope'"):
        await read_node_metadata(StorePath(store, "nope"), None)


async def test_within_format_2_an_array_wins() -> None:
    store = _mixed()
    put(store, "old/a/.zgroup", {"zarr_format": 2})
    assert isinstance(await read_node_metadata(StorePath(store, "old/a"), None), ArrayV2Metadata)
    group = await AsyncGroup.open(StorePath(store, "old"), zarr_format=2)
    assert [name async for name in group.array_keys()] == ["a"]


def test_both_formats_of_an_array() -> None:
    store = MemoryStore()
    for zarr_format, length in ((2, 2), (3, 3)):
        zarr.create_array(store, shape=(length,), dtype="i1", zarr_format=zarr_format)  # type: ignore[arg-type]
    with pytest.warns(ZarrUserWarning, match=r"and .zarray .* Zarr v3 will be used"):
        node = zarr.open(store)
    assert node.metadata.shape == (3,)  # type: ignore[union-attr]


async def test_find_place_creates_no_directory(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    for store in (missing, str(missing), f"file://{missing}"):
        with pytest.raises(FileNotFoundError, match="does not exist"):
            await find_place(store)
    assert list(tmp_path.iterdir()) == []
    assert (await find_place(tmp_path, path="x")).read_only is False
    read_only = MemoryStore(read_only=True)
    assert (await find_place(read_only)).store is read_only
