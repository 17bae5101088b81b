"""`ConsolidatedMetadata._flat_to_nested`, for who makes consolidated metadata by themselves."""

from __future__ import annotations

from typing import Any

import pytest

import zarr
from zarr.core.group import ConsolidatedMetadata, GroupMetadata
from zarr.core.metadata import ArrayV3Metadata
from zarr.core.metadata.io import save_metadata
from zarr.core.sync import sync
from zarr.storage import MemoryStore, StorePath


def array_metadata() -> ArrayV3Metadata:
    metadata = zarr.create_array({}, shape=3, dtype="i1").metadata
    assert isinstance(metadata, ArrayV3Metadata)
    return metadata


def flat() -> dict[str, Any]:
    return {
        "x": array_metadata(),
        "c/d/e": GroupMetadata(attributes={"at": "c/d/e"}),
        "c/d": GroupMetadata(),
        "c": GroupMetadata(attributes={"at": "c"}),
        "a/b": array_metadata(),
        "a": GroupMetadata(),
    }


def test_nodes_hang_below_their_groups_in_the_dictionary_itself() -> None:
    given = flat()
    nodes = dict(given)
    ConsolidatedMetadata._flat_to_nested(given)
    assert list(given) == ["x", "c", "a"]
    assert given["x"] is nodes["x"]
    assert given["c"].attributes == {"at": "c"}
    assert given["a"].consolidated_metadata.metadata == {"b": nodes["a/b"]}
    below = given["c"].consolidated_metadata.metadata["d"].consolidated_metadata.metadata["e"]
    assert below.attributes == {"at": "c/d/e"}
    assert below.consolidated_metadata == ConsolidatedMetadata({})
    # Those that were given have not changed.
    assert nodes["c"].consolidated_metadata is None


def test_it_is_what_the_class_takes() -> None:
    given = flat()
    ConsolidatedMetadata._flat_to_nested(given)
    store: dict[str, Any] = {}
    metadata = GroupMetadata(consolidated_metadata=ConsolidatedMetadata(metadata=given))
    assert given == ConsolidatedMetadata.from_nodes(flat()).metadata
    sync(save_metadata(StorePath(MemoryStore(store), ""), metadata))
    group = zarr.open_consolidated(store)
    assert {path for path, _ in group.members(max_depth=None)} == set(flat())
    assert group["c/d/e"].attrs.asdict() == {"at": "c/d/e"}


def test_nothing() -> None:
    given: dict[str, Any] = {}
    ConsolidatedMetadata._flat_to_nested(given)
    assert given == {}


@pytest.mark.parametrize("missing", ["c", "c/d"])
def test_a_group_that_lacks_is_named_before_anything_changes(missing: str) -> None:
    given = flat()
    del given[missing]
    before = dict(given)
    with pytest.raises(KeyError, match="no group above"):
        ConsolidatedMetadata._flat_to_nested(given)
    assert given == before
