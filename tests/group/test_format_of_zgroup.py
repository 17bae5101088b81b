"""What a ``.zgroup`` document says of its format."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.group.recording import document, put

import zarr as _zarr
from zarr.core.group import AsyncGroup, Group
from zarr.errors import MetadataValidationError
from zarr.storage import MemoryStore

zarr: Any = _zarr


def store_of(said: object, prefix: str = "") -> MemoryStore:
    store = MemoryStore()
    put(store, ".zgroup", {"zarr_format": 2})
    put(store, f"{prefix}.zgroup", said)
    put(store, f"{prefix}.zattrs", {"a": 1})
    return store


@pytest.mark.parametrize(("said", "expected"), [({"zarr_format": 3}, 3), ({}, 2)])
def test_it_is_believed(said: object, expected: int) -> None:
    groups = [
        zarr.open_group(store_of(said)),
        zarr.open_group(store_of(said), mode="r", zarr_format=2),
        zarr.open(store_of(said), mode="r"),
        Group.open(store_of(said), zarr_format=2),
        asyncio.run(AsyncGroup.open(store_of(said), zarr_format=2)),
        zarr.open_group(store_of(said, "c/"))["c"],
        zarr.open_group(store_of(said, "c/")).require_group("c"),
        dict(zarr.open_group(store_of(said, "c/")).members(max_depth=None))["c"],
    ]
    for group in groups:
        assert group.metadata.zarr_format == expected
        assert dict(group.attrs) == {"a": 1}


def test_format_3_is_stored_as_such() -> None:
    store = store_of({"zarr_format": 3})
    zarr.open_group(store).attrs["b"] = 2
    assert document(store, "zarr.json")["attributes"] == {"a": 1, "b": 2}
    assert document(store, ".zgroup") == {"zarr_format": 3}


def test_members_of_a_group_that_says_nothing_are_found() -> None:
    """The released package takes it for format 3, and does not see them."""
    store = store_of({}, "c/")
    zarr.create_array(store, name="c/x", shape=(1,), dtype="i4", zarr_format=2)
    for group in (zarr.open_group(store), zarr.open_consolidated(consolidated(store))):
        assert group["c/x"].shape == (1,)
        assert [path for path, _ in group.members(max_depth=None)] == ["c", "c/x"]


@pytest.mark.parametrize("said", [{"zarr_format": 3}, {}])
def test_consolidated(said: object) -> None:
    group = zarr.open_consolidated(consolidated(store_of(said, "c/")))
    assert dict(group["c"].attrs) == {"a": 1}


def consolidated(store: MemoryStore) -> MemoryStore:
    zarr.consolidate_metadata(store)
    return store


@pytest.mark.parametrize("said", [{"zarr_format": 4}, {"zarr_format": None}, {"zarr_format": "2"}])
def test_other_formats_are_refused(said: object) -> None:
    with pytest.raises(MetadataValidationError, match="expected 2"):
        zarr.open_group(store_of(said))
    with pytest.raises(MetadataValidationError, match="expected 2"):
        zarr.open_group(store_of(said, "c/"))["c"]
