"""Arrays with storage transformers: their metadata are read, the arrays are refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.group.recording import contents, document, put

import zarr as _zarr
from zarr.core.array import AsyncArray
from zarr.core.metadata import ArrayV3Metadata
from zarr.storage import MemoryStore, StorePath

zarr: Any = _zarr

TRANSFORMERS = [{"name": "x", "configuration": {}}]


@pytest.fixture
def store() -> MemoryStore:
    """Return a store with a group, an array ``a`` that has a transformer and one ``b`` without."""
    store = MemoryStore()
    group = zarr.create_group(store)
    for name in ("a", "b"):
        group.create_array(name, shape=(2,), dtype="i4", attributes={"name": name})[:] = 1
    changed = {**document(store, "a/zarr.json"), "storage_transformers": TRANSFORMERS}
    put(store, "a/zarr.json", changed)
    return store


def metadata_of(store: MemoryStore) -> ArrayV3Metadata:
    return ArrayV3Metadata.from_dict(document(store, "a/zarr.json"))


def refused() -> Any:
    return pytest.raises(ValueError, match="contains storage transformers")


def test_the_array_is_refused(store: MemoryStore) -> None:
    """No chunk may be read: what is stored would be taken for fill values, or for elements."""
    place = StorePath(store, "a")
    for opening in (
        lambda: zarr.open_array(place),
        lambda: zarr.open(place, mode="r"),
        lambda: zarr.Array.open(place),
        lambda: zarr.open_group(store)["a"],
        lambda: zarr.open_group(store).get("a"),
        lambda: zarr.open_group(store).read_many(["b", "a"]),
        lambda: zarr.open_group(store).require_array("a", shape=(2,), dtype="i4"),
        lambda: zarr.open_group(store).members(),
        lambda: AsyncArray(metadata_of(store), place),
        lambda: AsyncArray.from_dict(place, document(store, "a/zarr.json")),
    ):
        with refused() as caught:
            opening()
        assert any(str(place) in note for note in caught.value.__notes__)


def test_nothing_is_created(store: MemoryStore) -> None:
    nodes = {"c/a": metadata_of(store)}
    before = contents(store)
    with refused():
        dict(zarr.create_hierarchy(store=store, nodes=nodes))
    with refused():
        dict(zarr.open_group(store).create_hierarchy(nodes, overwrite=True))
    assert contents(store) == before


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_what_needs_no_chunk_goes_on(store: MemoryStore) -> None:
    group = zarr.open_group(store)
    assert sorted(group.keys()) == sorted(group.array_keys()) == ["a", "b"]
    assert "a" in group
    assert group.nmembers() == 2
    assert "a (2,) int32" in str(group.tree())
    consolidated = zarr.consolidate_metadata(store).metadata.consolidated_metadata
    assert consolidated.metadata["a"].storage_transformers == tuple(TRANSFORMERS)
    opened = zarr.open_consolidated(store)
    assert opened["b"].shape == (2,)
    with refused():
        opened["a"]
    with refused():
        asyncio.run(opened._async_group.getitem("a"))
