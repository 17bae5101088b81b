"""Consolidated metadata that describe a node and lack a group above it."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from tests.group.recording import contents, document, put

import zarr as _zarr
from zarr.core.group import AsyncGroup, ConsolidatedMetadata, Group, GroupMetadata
from zarr.errors import GroupNotFoundError, MetadataValidationError, ZarrUserWarning
from zarr.storage import MemoryStore

zarr: Any = _zarr

pytestmark = pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")

LACKING = [("a",), ("a/b",), ("a", "a/b")]


def store_lacking(paths: tuple[str, ...], zarr_format: Any) -> MemoryStore:
    """Return a store with all groups, some of which the consolidated metadata lack."""
    store = MemoryStore()
    group = zarr.create_group(store, zarr_format=zarr_format, attributes={"kept": 1})
    group.create_array("a/b/x", shape=(1,), dtype="i4")
    group.create_array("k", shape=(2,), dtype="i4")[:] = 7
    zarr.consolidate_metadata(store)
    name = "zarr.json" if zarr_format == 3 else ".zmetadata"
    stored = document(store, name)
    known = (stored["consolidated_metadata"] if zarr_format == 3 else stored)["metadata"]
    for path in paths:
        for key in [path, f"{path}/.zgroup", f"{path}/.zattrs"]:
            known.pop(key, None)
    put(store, name, stored)
    return store


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("paths", LACKING)
def test_the_group_is_refused(paths: tuple[str, ...], zarr_format: Any) -> None:
    """Nothing of it is changed, whatever the mode may create."""
    store = store_lacking(paths, zarr_format)
    before = contents(store)
    for opening in (
        *(
            lambda mode=mode, use=use: zarr.open_group(store, mode=mode, use_consolidated=use)
            for mode in ("r", "r+", "a")
            for use in (None, True)
        ),
        lambda: zarr.open_group(store, zarr_format=zarr_format),
        lambda: zarr.group(store),
        lambda: zarr.open(store, mode="a"),
        lambda: zarr.open(store, mode="r"),
        lambda: zarr.open(store, mode="a", shape=(1,)),
        lambda: zarr.open_consolidated(store),
        lambda: Group.open(store, zarr_format=zarr_format),
        lambda: asyncio.run(AsyncGroup.open(store, zarr_format=zarr_format)),
    ):
        with pytest.raises(GroupNotFoundError, match="but no group above it") as caught:
            opening()
        assert isinstance(caught.value, MetadataValidationError)
        assert any("metadata document" in note for note in caught.value.__notes__)
    assert contents(store) == before


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("paths", LACKING)
def test_what_does_not_use_them_goes_on(paths: tuple[str, ...], zarr_format: Any) -> None:
    store = store_lacking(paths, zarr_format)
    group = zarr.open_group(store, mode="r+", use_consolidated=False)
    assert (group["k"][...] == np.full(2, 7)).all()
    assert {path for path, _ in group.members(max_depth=None)} == {"a", "a/b", "a/b/x", "k"}
    assert dict(group.attrs) == {"kept": 1}
    assert zarr.open_array(store, path="a/b/x").shape == (1,)
    zarr.consolidate_metadata(store)
    assert zarr.open_consolidated(store)["a/b/x"].shape == (1,)


def test_a_member_whose_own_lack_one_is_no_absent_member() -> None:
    """The released package leaves it out of the members, and says that it is not there."""
    lacking = document(store_lacking(("a",), 3), "zarr.json")
    store = MemoryStore()
    group = zarr.create_group(store)
    put(store, "c/zarr.json", lacking)
    for use in (
        lambda: group["c"],
        lambda: "c" in group,
        lambda: group.get("c"),
        lambda: group.members(),
        lambda: group.require_group("c"),
    ):
        with pytest.raises(GroupNotFoundError, match="but no group above it"):
            use()
    assert document(store, "c/zarr.json") == lacking


def test_metadata() -> None:
    group = GroupMetadata().to_dict()
    with pytest.raises(GroupNotFoundError, match="'a/b', but no group above it"):
        ConsolidatedMetadata.from_dict({"kind": "inline", "metadata": {"a/b": group}})
    array = zarr.array([1]).metadata.to_dict()
    with pytest.raises(MetadataValidationError) as caught:
        ConsolidatedMetadata.from_dict({"kind": "inline", "metadata": {"a": array, "a/b": group}})
    assert not isinstance(caught.value, GroupNotFoundError)


def test_what_else_is_not_valid_is_warned_of() -> None:
    """They are a copy, and what they describe can be read from the store itself."""
    store = store_lacking((), 3)
    stored = document(store, "zarr.json")
    known = stored["consolidated_metadata"]["metadata"]
    known["k/below"] = known["k"]
    put(store, "zarr.json", stored)
    with pytest.warns(ZarrUserWarning, match="are not valid and are not used"):
        group = zarr.open_group(store)
    assert sorted(group.keys()) == ["a", "k"]
