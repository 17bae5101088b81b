"""Consolidating metadata, and what later changes do to them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.group.recording import RecordingStore, contents, document, put

import zarr
from zarr.core.group import ConsolidatedMetadata, Group, GroupMetadata
from zarr.errors import ContainsArrayError, GroupNotFoundError, ZarrUserWarning
from zarr.storage import LocalStore, MemoryStore

pytestmark = pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")


def _fill(store: Any, zarr_format: Any, path: str = "") -> Group:
    group = zarr.create_group(store, path=path, zarr_format=zarr_format, attributes={"r": 1})
    group.create_array("a", shape=(2,), dtype="i1")
    group.create_group("s", attributes={"k": "v"}).create_array(
        "b", data=np.arange(3), attributes={"q": 2}
    )
    group.create_group("s/t")
    return group


def _consolidated(group: Group) -> ConsolidatedMetadata:
    found = group.metadata.consolidated_metadata
    assert found is not None
    return found


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("path", ["", "p/q"])
def test_they_say_the_same_as_the_store(zarr_format: Any, path: str) -> None:
    store = MemoryStore()
    group = _fill(store, zarr_format, path)
    before = contents(store)
    result = zarr.consolidate_metadata(store, path=path or None)
    assert isinstance(result, Group)
    opened = zarr.open_consolidated(store, path=path or None)
    assert opened == result
    plain = dict(group.members(None))
    found = dict(opened.members(None))
    assert found.keys() == plain.keys()
    for key, node in plain.items():
        assert found[key].metadata.attributes == node.metadata.attributes
        if isinstance(node, zarr.Array):
            assert found[key].metadata == node.metadata
            assert opened[key] == node
    nested: Any = opened["s"]
    assert nested["b"][:].tolist() == [0, 1, 2]
    changed = {key for key, value in contents(store).items() if before.get(key) != value}
    name = ".zmetadata" if zarr_format == 2 else "zarr.json"
    assert changed == {f"{path}/{name}".lstrip("/")}
    assert zarr.open_group(store, path=path, use_consolidated=False) == group


def test_format_3_document() -> None:
    store = MemoryStore()
    _fill(store, 3)
    zarr.consolidate_metadata(store)
    stored = document(store, "zarr.json")
    assert list(stored) == ["attributes", "zarr_format", "consolidated_metadata", "node_type"]
    inline = stored["consolidated_metadata"]
    assert (inline["kind"], inline["must_understand"]) == ("inline", False)
    assert list(inline["metadata"]) == ["a", "s", "s/b", "s/t"]
    assert inline["metadata"]["a"] == document(store, "a/zarr.json")
    assert inline["metadata"]["s"] == {
        **document(store, "s/zarr.json"),
        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": {}},
    }


def test_format_2_document() -> None:
    store = MemoryStore()
    _fill(store, 2)
    zarr.consolidate_metadata(store)
    stored = document(store, ".zmetadata")
    assert stored["zarr_consolidated_format"] == 1
    documents = stored["metadata"]
    assert sorted(documents) == sorted(key for key in contents(store) if key.rpartition("/")[2] in {
        ".zgroup", ".zarray", ".zattrs",
    })  # fmt: skip
    for key, found in documents.items():
        found.pop("consolidated_metadata", None)
        assert found == document(store, key)


def test_format_3_is_warned_of() -> None:
    store = MemoryStore()
    group = zarr.create_group(store)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zarr.consolidate_metadata(store)
    group.create_group("x")
    with pytest.warns(ZarrUserWarning, match="not part in the Zarr format 3 specification"):
        zarr.consolidate_metadata(store)


def test_consolidating_again_and_inside() -> None:
    store = MemoryStore()
    group = _fill(store, 3)
    zarr.consolidate_metadata(store, path="s")
    zarr.consolidate_metadata(store)
    group.create_group("s/later")
    result = zarr.consolidate_metadata(store)
    assert sorted(_consolidated(result).flattened_metadata) == ["a", "s", "s/b", "s/later", "s/t"]
    inline = document(store, "zarr.json")["consolidated_metadata"]["metadata"]
    assert inline["s"]["consolidated_metadata"]["metadata"] == {}


def test_what_cannot_be_consolidated() -> None:
    with pytest.raises(GroupNotFoundError):
        zarr.consolidate_metadata({})
    with pytest.raises(FileNotFoundError):
        zarr.consolidate_metadata(_fill(MemoryStore(), 3).store, zarr_format=2)
    store = MemoryStore()
    zarr.create_array(store, shape=(1,), dtype="i1")
    with pytest.raises(ContainsArrayError):
        zarr.consolidate_metadata(store)
    store = MemoryStore()
    _fill(store, 3)
    before = contents(store)
    with pytest.raises(ValueError, match="read-only"):
        zarr.consolidate_metadata(store.with_read_only(True))
    put(store, "a/zarr.json", b"{broken")
    with pytest.raises(json.JSONDecodeError):
        zarr.consolidate_metadata(store)
    assert contents(store)["zarr.json"] == before["zarr.json"]


def test_a_read_only_store_is_not_walked_in_vain() -> None:
    store = RecordingStore()
    _fill(store, 3)
    frozen = store.with_read_only(True)
    assert isinstance(frozen, RecordingStore)
    with pytest.raises(ValueError, match="read-only"):
        zarr.consolidate_metadata(frozen)
    assert frozen.listed == []


def test_no_directory_is_created(tmp_path: Path) -> None:
    for function in (zarr.consolidate_metadata, zarr.open_consolidated):
        with pytest.raises(FileNotFoundError):
            function(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_one_of_two_formats(zarr_format: Any) -> None:
    store = MemoryStore()
    zarr.create_group(store, zarr_format=5 - zarr_format)
    _fill(store, zarr_format)
    with pytest.warns(ZarrUserWarning, match="not recognized as a component"):
        group = zarr.consolidate_metadata(store, zarr_format=zarr_format)
    assert group.metadata.zarr_format == zarr_format
    assert sorted(_consolidated(group).flattened_metadata) == ["a", "s", "s/b", "s/t"]


# --- afterwards -------------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_they_are_as_of_some_moment(zarr_format: Any) -> None:
    store = MemoryStore()
    group = _fill(store, zarr_format)
    zarr.consolidate_metadata(store)
    group.create_group("later")
    opened = zarr.open_group(store)
    assert "later" not in opened
    with pytest.raises(KeyError, match="'later' not found in consolidated metadata"):
        opened["later"]
    for key in ("s/nope", "a/nope"):
        with pytest.raises(KeyError, match="not found in consolidated metadata"):
            opened[key]
    assert opened[""] == opened
    assert "later" in zarr.open_group(store, use_consolidated=False)
    # To create or keep, the store itself is asked.
    assert opened.require_group("later").path == "later"
    group.create_array("x", shape=(2,), dtype="i1")
    assert opened.require_array("x", shape=(2,), dtype="i1").path == "x"


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_deleting_keeps_them_true(zarr_format: Any) -> None:
    store = MemoryStore()
    _fill(store, zarr_format)
    group = zarr.consolidate_metadata(store)
    del group["s/b"]
    left = ["a", "s", "s/t"]
    assert sorted(_consolidated(group).flattened_metadata) == left
    reopened = zarr.open_consolidated(store)
    assert sorted(_consolidated(reopened).flattened_metadata) == left
    assert reopened == group
    del group["s"]
    assert list(zarr.open_consolidated(store)) == list(group) == ["a"]
    before = contents(store)
    del group["nothing/here"]
    assert contents(store) == before
    assert reopened.attrs.asdict() == {"r": 1}


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_attributes_of_the_group_keep_them(zarr_format: Any) -> None:
    store = MemoryStore()
    _fill(store, zarr_format)
    group = zarr.consolidate_metadata(store)
    group.attrs["new"] = 1
    reopened = zarr.open_consolidated(store)
    assert reopened.attrs.asdict() == {"r": 1, "new": 1}
    assert sorted(_consolidated(reopened).flattened_metadata) == ["a", "s", "s/b", "s/t"]
    if zarr_format == 2:
        assert document(store, ".zmetadata")["metadata"][".zattrs"] == {"r": 1, "new": 1}


def test_changes_of_an_array_are_not_seen() -> None:
    store = MemoryStore()
    _fill(store, 3)
    group = zarr.consolidate_metadata(store)
    array = group["a"]
    array.attrs["k"] = 1
    array.resize((5,))  # type: ignore[union-attr]
    assert group["a"].shape == (2,)  # type: ignore[union-attr]
    fresh = zarr.open_group(store, use_consolidated=False)["a"]
    assert (fresh.shape, fresh.attrs.asdict()) == ((5,), {"k": 1})  # type: ignore[union-attr]


def test_unconsolidated_children_stay_plain() -> None:
    store = RecordingStore()
    _fill(store, 2)
    zarr.consolidate_metadata(store, path="s")
    group = zarr.open_group(store)
    store.reset()
    child = group["s"]
    assert isinstance(child.metadata, GroupMetadata)
    assert child.metadata.consolidated_metadata is None
    assert "s/.zmetadata" not in store.keys
    assert zarr.open_group(store, path="s").metadata.consolidated_metadata is not None


def test_local(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "g")
    _fill(store, 3)
    zarr.consolidate_metadata(tmp_path / "g")
    assert sorted(zarr.open_consolidated(tmp_path / "g", mode="r")) == ["a", "s"]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("name", ["a", "b"])
def test_attributes_of_members_are_kept(zarr_format: Any, name: str) -> None:
    store = MemoryStore()
    group = zarr.create_group(store, zarr_format=zarr_format)
    group.create_group("a")
    group.create_array("b", shape=(2,), dtype="i1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZarrUserWarning)
        group = zarr.consolidate_metadata(store)
        group[name].attrs["x"] = 1
        assert group[name].attrs.asdict() == {"x": 1}
        group[name].attrs["y"] = 2
        assert zarr.open(store, path=name).attrs.asdict() == {"x": 1, "y": 2}
        group.attrs["of the group"] = 0  # stores the consolidated metadata again
        again = zarr.open_consolidated(store)
    assert again[name].attrs.asdict() == {"x": 1, "y": 2}


def test_attributes_that_are_given_stay_as_they_are() -> None:
    given: dict[str, Any] = {"k": 1}
    group = zarr.create_group(MemoryStore(), attributes=given)
    array = group.create_array("a", shape=(2,), dtype="i1", attributes=given)
    copy = zarr.from_array(MemoryStore(), data=array)
    for node in (group, array, copy):
        node.attrs["new"] = 1
    assert given == {"k": 1}
    copy.attrs["only here"] = 2
    assert "only here" not in array.attrs


def test_changing_no_attributes_writes_nothing() -> None:
    group = zarr.create_group(MemoryStore())
    group = zarr.open_group(group.store.with_read_only(True), mode="r")
    group.attrs.update({})
    group.attrs.clear()
    with pytest.raises(ValueError, match="read-only"):
        group.attrs.put({})
