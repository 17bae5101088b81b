"""The order in which the members of a group come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.group.recording import put
from tests.optional import lacks

import zarr as _zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.group import AsyncGroup, ConsolidatedMetadata, GroupMetadata
from zarr.storage import FsspecStore, LocalStore, MemoryStore, StorePath, ZipStore
from zarr.testing.store import LatencyStore

zarr: Any = _zarr  # some of what is checked here is not typed

GROUPS = ("z", "b", "m")
ARRAYS = ("k", "c")
BELOW = ("y", "x", "a")


class ListedBackwards(MemoryStore):
    """A store that lists names backwards, and the first of them twice."""

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        names = [name async for name in super().list_dir(prefix)]
        for name in sorted(names, reverse=True) + names[:1]:
            yield name


def fill(store: Any, zarr_format: Any) -> Any:
    group = zarr.open_group(store, mode="w", zarr_format=zarr_format)
    for name in GROUPS:
        child = group.create_group(name)
        child.create_group("y")
        child.create_group("x").create_array("w", shape=(1,), dtype="i1")
        child.create_array("a", shape=(1,), dtype="i1")
    for name in ARRAYS:
        group.create_array(name, shape=(1,), dtype="i1")
    return group


@pytest.fixture(params=["memory", "backwards", "slow", "local", "zip", "fsspec"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "backwards":
        return ListedBackwards()
    if request.param == "slow":
        return LatencyStore(MemoryStore(), get_latency=0.0, set_latency=0.0)
    if request.param == "local":
        return LocalStore(tmp_path / "x")
    if request.param == "zip":
        return ZipStore(tmp_path / "x.zip", mode="w")
    if lacks("fsspec"):
        pytest.skip("fsspec is not installed")
    return FsspecStore.from_url(f"memory://{tmp_path}")


def listed(store: Any, path: str = "") -> list[str]:
    async def names() -> list[str]:
        return [name async for name in store.list_dir(path)]

    own = ("zarr.json", ".zgroup", ".zattrs", ".zmetadata")
    return list(dict.fromkeys(name for name in asyncio.run(names()) if name not in own))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_members_come_as_the_store_lists_them(store: Any, zarr_format: Any) -> None:
    group = fill(store, zarr_format)
    names = listed(store)
    assert sorted(names) == sorted(GROUPS + ARRAYS)
    groups = [name for name in names if name in GROUPS]
    arrays = [name for name in names if name in ARRAYS]
    assert list(group) == names
    assert list(group.keys()) == names
    assert [name for name, _ in group.members()] == names
    assert list(group.group_keys()) == groups
    assert list(group.array_keys()) == arrays
    assert [name for name, _ in group.groups()] == groups
    assert [name for name, _ in group.arrays()] == arrays
    assert [node.basename for node in group.group_values()] == groups
    assert [node.basename for node in group.array_values()] == arrays
    second = [f"{name}/{child}" for name in groups for child in listed(store, name)]
    assert [path for path, _ in group.members(max_depth=1)] == names + second
    third = [f"{name}/x/w" for name in groups]
    assert [path for path, _ in group.members(max_depth=None)] == names + second + third


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_members_come_as_the_store_lists_them_async(store: Any, zarr_format: Any) -> None:
    group = fill(store, zarr_format)._async_group
    names = listed(store)

    async def collect() -> tuple[list[str], ...]:
        return (
            [name async for name in group.keys()],  # noqa: SIM118  (no mapping)
            [name async for name, _ in group.members()],
            [name async for name in group.group_keys()],
            [name async for name, _ in group.arrays()],
        )

    groups = [name for name in names if name in GROUPS]
    arrays = [name for name in names if name in ARRAYS]
    assert asyncio.run(collect()) == (names, names, groups, arrays)


DEEP = ["b", "b/a", "b/x", "b/x/w", "b/y", "c", "k", "m", "m/a", "m/x", "m/x/w", "m/y"]
DEEP += ["z", "z/a", "z/x", "z/x/w", "z/y"]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_consolidated_members_come_depth_first(zarr_format: Any) -> None:
    store = MemoryStore()
    made = fill(store, zarr_format)
    returned = zarr.consolidate_metadata(store)
    assert list(returned.keys()) == list(made.keys())  # as they were listed
    group = zarr.open_consolidated(store)
    assert list(group) == ["b", "c", "k", "m", "z"]  # as they are stored
    assert [path for path, _ in group.members(max_depth=None)] == DEEP
    shallow = [path for path in DEEP if path.count("/") <= 1]
    assert [path for path, _ in group.members(max_depth=1)] == shallow
    assert [path for path, _ in group.members(max_depth=5)] == DEEP
    assert [path for path, _ in group.members(max_depth=0)] == ["b", "c", "k", "m", "z"]
    assert group.nmembers(max_depth=None) == len(DEEP)

    async def collect() -> list[str]:
        return [path async for path, _ in group._async_group.members(max_depth=None)]

    assert asyncio.run(collect()) == DEEP


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_consolidated_members_come_as_the_document_has_them() -> None:
    store = MemoryStore()
    fill(store, 3)
    stored = zarr.consolidate_metadata(store).metadata.to_dict()
    documents = stored["consolidated_metadata"]["metadata"]
    order = [*reversed(DEEP[:12]), *DEEP[12:]]  # children before their parents among them
    stored["consolidated_metadata"]["metadata"] = {path: documents[path] for path in order}
    put(store, "zarr.json", stored)
    found = [path for path, _ in zarr.open_group(store).members(max_depth=None)]
    expected = ["m", "m/y", "m/x", "m/x/w", "m/a", "k", "c", "b", "b/y", "b/x", "b/x/w", "b/a"]
    assert found == expected + DEEP[12:]


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_a_child_with_consolidated_metadata_comes_in_one_piece() -> None:
    """After all its siblings; what has to be listed comes level by level."""
    store = MemoryStore()
    fill(store, 3)
    zarr.consolidate_metadata(store, path="b")
    found = [path for path, _ in zarr.open_group(store).members(max_depth=None)]
    first, second = ["z", "b", "m", "k", "c"], ["z/y", "z/x", "z/a"]
    piece = ["b/a", "b/x", "b/x/w", "b/y"]
    assert found == [*first, *second, *piece, "m/y", "m/x", "m/a", "z/x/w", "m/x/w"]
    found = [path for path, _ in zarr.open_group(store).members(max_depth=1)]
    assert found == [*first, *second, "b/a", "b/x", "b/y", "m/y", "m/x", "m/a"]


def test_what_consolidated_metadata_do_not_know_is_listed() -> None:
    store = MemoryStore()
    zarr.create_group(store).create_group("known").create_group("unknown/below/it")
    known = GroupMetadata(consolidated_metadata=ConsolidatedMetadata({"unknown": GroupMetadata()}))
    metadata = GroupMetadata(consolidated_metadata=ConsolidatedMetadata({"known": known}))
    group = zarr.Group(AsyncGroup(metadata=metadata, store_path=StorePath(store)))
    for depth, count in ((0, 1), (1, 2), (2, 3), (3, 4), (None, 4)):
        expected = ["known", "known/unknown", "known/unknown/below", "known/unknown/below/it"]
        assert [path for path, _ in group.members(max_depth=depth)] == expected[:count]


def test_a_deep_hierarchy() -> None:
    """It may be deeper than functions may call each other."""
    metadata = GroupMetadata()
    for _ in range(3000):
        metadata = GroupMetadata(consolidated_metadata=ConsolidatedMetadata({"g": metadata}))
    store = MemoryStore()
    document = GroupMetadata().to_buffer_dict(default_buffer_prototype())["zarr.json"]
    asyncio.run(store.set("zarr.json", document))
    group = zarr.Group(AsyncGroup(metadata=metadata, store_path=StorePath(store)))
    assert group.nmembers(max_depth=2000) == 2001
