"""Creating many nodes at once: which are stored, which are refused, what is left untouched."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.group.recording import RecordingStore, contents, document, put
from tests.waiting import steps

import zarr
from zarr.core.config import config
from zarr.core.group import (
    Group,
    GroupMetadata,
    ImplicitGroupMarker,
    create_hierarchy,
    create_nodes,
    create_rooted_hierarchy,
)
from zarr.core.sync_group import create_hierarchy as create_hierarchy_sync
from zarr.core.sync_group import create_nodes as create_nodes_sync
from zarr.core.sync_group import create_rooted_hierarchy as create_rooted_hierarchy_sync
from zarr.errors import ContainsArrayError, ContainsGroupError
from zarr.storage import MemoryStore

Nodes = dict[str, Any]


def _array(zarr_format: int = 3) -> Any:
    return zarr.create_array({}, shape=(4,), dtype="i4", zarr_format=zarr_format).metadata  # type: ignore[arg-type]


V3_ARRAY, V2_ARRAY = _array(3), _array(2)
GROUP = GroupMetadata()


def _create(store: MemoryStore, nodes: Mapping[str, Any], **kwargs: Any) -> dict[str, Any]:
    return dict(zarr.create_hierarchy(store=store, nodes=nodes, **kwargs))


@pytest.mark.parametrize(
    ("nodes", "paths"),
    [
        ({"": GROUP}, [""]),
        ({"": V3_ARRAY}, [""]),
        ({"x/y/a": V3_ARRAY}, ["", "x", "x/y", "x/y/a"]),
        ({"/x//y/": GROUP, "a": GROUP}, ["", "a", "x", "x/y"]),
        ({"x": ImplicitGroupMarker(), "x/y": GROUP}, ["", "x", "x/y"]),
        ({}, []),
    ],
)
def test_groups_above_are_implied(nodes: Nodes, paths: list[str]) -> None:
    store = MemoryStore()
    created = _create(store, nodes)
    assert sorted(created) == paths
    assert sorted(contents(store)) == sorted(f"{path}/zarr.json".lstrip("/") for path in paths)
    for path, node in created.items():
        is_array = any(key.strip("/") == path and value is V3_ARRAY for key, value in nodes.items())
        assert isinstance(node, zarr.Array if is_array else Group)
        assert node.path == path
        assert zarr.open(store, path=path) == node


def test_format_2() -> None:
    store = MemoryStore()
    root = GroupMetadata({"r": 1}, zarr_format=2)
    assert sorted(_create(store, {"x/a": V2_ARRAY, "": root})) == ["", "x", "x/a"]
    assert sorted(contents(store)) == [
        ".zattrs", ".zgroup", "x/.zattrs", "x/.zgroup", "x/a/.zarray", "x/a/.zattrs",
    ]  # fmt: skip
    assert zarr.open_group(store).attrs.asdict() == {"r": 1}


@pytest.mark.parametrize(
    ("nodes", "error", "match"),
    [
        ({"a": V2_ARRAY, "": GROUP}, ValueError, r"v2 nodes: \['a'\].*v3 nodes: \[''\]"),
        ({"a": V3_ARRAY, "a/g": GROUP}, ValueError, "The node at a contains other nodes"),
        ({"a": V3_ARRAY, "a/b/g": GROUP}, ValueError, "The node at a contains other nodes"),
        ({"": V3_ARRAY, "g": GROUP}, ValueError, "The node at  contains other nodes"),
        ({"a//b/": GROUP, "a/b": GROUP}, ValueError, "'a/b' collides with 'a//b/'"),
        ({"a/../b": GROUP}, ValueError, "segments"),
        ({"a": 5}, AttributeError, "zarr_format"),
        ({"a": GroupMetadata({"x": object()}), "b": GROUP}, TypeError, "not JSON serializable"),
    ],
)
@pytest.mark.parametrize("overwrite", [True, False])
def test_bad_hierarchies_touch_nothing(
    nodes: Nodes, error: type[Exception], match: str, overwrite: bool
) -> None:
    store = MemoryStore()
    zarr.create_group(store, path="b").create_group("kept")
    before = contents(store)
    with pytest.raises(error, match=match):
        _create(store, nodes, overwrite=overwrite)
    assert contents(store) == before


def _existing() -> MemoryStore:
    store = MemoryStore()
    zarr.create_group(store, attributes={"root": 1})
    zarr.create_group(store, path="g/kid", attributes={"old": 1})
    zarr.create_array(store, name="a", shape=(1,), dtype="i1")
    return store


@pytest.mark.parametrize(
    ("nodes", "error"),
    [
        ({"g": GROUP}, ContainsGroupError),
        ({"g": V3_ARRAY}, ContainsGroupError),
        ({"a": GROUP}, ContainsArrayError),
        ({"a": V3_ARRAY}, ContainsArrayError),
        ({"a/new": GROUP}, ContainsArrayError),
        ({"new": GROUP, "g/kid": GROUP}, ContainsGroupError),
    ],
)
def test_existing_nodes_are_kept(nodes: Nodes, error: type[Exception]) -> None:
    store = _existing()
    before = contents(store)
    with pytest.raises(error):
        _create(store, nodes)
    assert contents(store) == before


def test_implied_groups_that_exist_stay() -> None:
    for overwrite in (False, True):
        store = _existing()
        assert list(_create(store, {"g/new": GROUP}, overwrite=overwrite)) == ["g/new"]
        assert zarr.open_group(store).attrs.asdict() == {"root": 1}
        assert "g/kid" in zarr.open_group(store)


def test_overwriting_deletes_what_lies_below() -> None:
    store = _existing()
    created = _create(store, {"g": GroupMetadata({"new": 1}), "a": GROUP}, overwrite=True)
    assert sorted(created) == ["a", "g"]
    assert sorted(contents(store)) == ["a/zarr.json", "g/zarr.json", "zarr.json"]
    assert created["g"].attrs.asdict() == {"new": 1}


def test_overwriting_makes_groups_again_that_it_deleted() -> None:
    store = _existing()
    put(store, "g/kid/zarr.json", b"{broken")
    assert sorted(_create(store, {"g": GROUP, "g/kid/x": GROUP}, overwrite=True)) == [
        "g",
        "g/kid",
        "g/kid/x",
    ]
    assert zarr.open_group(store, path="g/kid").attrs.asdict() == {}


def test_overwriting_spares_what_has_a_longer_name() -> None:
    store = _existing()
    zarr.create_group(store, path="gg", attributes={"kept": 1}).create_group("kid")
    created = _create(store, {"g": GROUP, "gg/new": GROUP}, overwrite=True)
    assert sorted(created) == ["g", "gg/new"]
    group = zarr.open_group(store, path="gg")
    assert (group.attrs.asdict(), list(group)) == ({"kept": 1}, ["kid", "new"])


def test_overwriting_spares_an_array_that_was_not_named() -> None:
    store = _existing()
    before = contents(store)
    with pytest.raises(ContainsArrayError):
        _create(store, {"a/x": GROUP, "g": GROUP}, overwrite=True)
    assert contents(store) == before


def test_a_store_that_cannot_delete_is_not_overwritten() -> None:
    class Kept(MemoryStore):
        supports_deletes = False

    store = Kept()
    zarr.create_group(store)
    with pytest.raises(ContainsGroupError):
        _create(store, {"": GROUP}, overwrite=True)


def test_a_read_only_store() -> None:
    store = MemoryStore(read_only=True)
    for create in (create_hierarchy_sync, create_nodes_sync, create_rooted_hierarchy_sync):
        with pytest.raises(ValueError, match="read-only"):
            create(store=store, nodes={"x": GROUP})
    assert contents(store) == {}


def test_synchronous_creation_does_not_wait_for_iteration() -> None:
    store = MemoryStore()
    zarr.create_hierarchy(store=store, nodes={"x": GROUP})
    zarr.create_group(store, path="g").create_hierarchy({"y": GROUP})
    assert sorted(contents(store)) == ["g/y/zarr.json", "g/zarr.json", "x/zarr.json", "zarr.json"]


# --- below a group ----------------------------------------------------------------------


def test_below_a_group() -> None:
    store = MemoryStore()
    group = zarr.create_group(store, path="p/q", attributes={"k": 1})
    created = dict(group.create_hierarchy({"/x//a": V3_ARRAY, "g": GroupMetadata({"z": 1})}))
    assert {path: node.path for path, node in created.items()} == {
        "x": "p/q/x",
        "x/a": "p/q/x/a",
        "g": "p/q/g",
    }
    assert zarr.open_group(store, path="p/q").attrs.asdict() == {"k": 1}
    assert [path for path, _ in group.members(None)] == ["g", "x", "x/a"]
    with pytest.raises(ContainsGroupError):
        group.create_hierarchy({"g": GROUP})
    again = dict(group.create_hierarchy({"g": GROUP}, overwrite=True))
    assert again["g"].attrs.asdict() == {}


def test_a_group_is_not_among_what_it_creates() -> None:
    store = RecordingStore()
    group = zarr.create_group(store)
    store.reset()
    assert sorted(path for path, _ in group.create_hierarchy({"a/b": GROUP})) == ["a", "a/b"]
    assert sorted(store.keys) == ["a/b/zarr.json", "a/zarr.json"]


def test_a_group_does_not_create_itself_nor_another_format() -> None:
    group = zarr.create_group({}, zarr_format=2)
    for path in ("", "/"):
        with pytest.raises(ValueError, match="a root node already exists"):
            group.create_hierarchy({path: GroupMetadata(zarr_format=2)})
    with pytest.raises(ValueError, match=r"at x has zarr_format 3, .* has zarr_format 2"):
        group.create_hierarchy({"x": GROUP})
    assert dict(group.create_hierarchy({})) == {}


# --- rooted -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "root"),
    [
        ({"": GROUP, "a": V3_ARRAY}, ""),
        ({"": V3_ARRAY}, ""),
        ({"x/y/z": GROUP, "x/y": GROUP}, "x/y"),
        ({"/a/": V3_ARRAY}, "a"),
    ],
)
def test_rooted_hierarchies(nodes: Nodes, root: str) -> None:
    store = MemoryStore()
    node = create_rooted_hierarchy_sync(store=store, nodes=nodes)
    assert node.path == root
    assert zarr.open(store, path=root) == node
    assert sorted(set(contents(store))) == sorted(
        {f"{path.strip('/')}/zarr.json".lstrip("/") for path in nodes}
        | {f"{'/'.join(root.split('/')[:n])}/zarr.json".lstrip("/") for n in range(3)}
        if root
        else {f"{path}/zarr.json".lstrip("/") for path in nodes}
    )


@pytest.mark.parametrize(
    "nodes", [{}, {"a": GROUP, "b": GROUP}, {"x/y": GROUP, "x/z": GROUP}, {"a": GROUP, "ab": GROUP}]
)
def test_hierarchies_without_a_root(nodes: Nodes) -> None:
    store = MemoryStore()
    with pytest.raises(ValueError, match="does not specify a root node"):
        create_rooted_hierarchy_sync(store=store, nodes=nodes)
    assert contents(store) == {}


async def test_rooted_async() -> None:
    node = await create_rooted_hierarchy(store=MemoryStore(), nodes={"x": GROUP})
    assert repr(node).startswith("<AsyncGroup")


# --- nodes as they are ------------------------------------------------------------------


def test_create_nodes_looks_at_nothing() -> None:
    store = RecordingStore()
    put(store, "zarr.json", b"{broken")
    created = dict(
        create_nodes_sync(store=store, nodes={"/a//b/": GROUP, "c": V3_ARRAY, "": GROUP})
    )
    assert {path: node.path for path, node in created.items()} == {
        "/a//b/": "a/b",
        "c": "c",
        "": "",
    }
    assert sorted(contents(store)) == ["a/b/zarr.json", "c/zarr.json", "zarr.json"]
    assert document(store, "zarr.json")["node_type"] == "group"
    assert store.keys == []


# --- concurrency ------------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("limit", [1, 4])
def test_concurrency_is_bounded(zarr_format: Any, limit: int) -> None:
    store = RecordingStore()
    nodes = {f"g{index}": GroupMetadata(zarr_format=zarr_format) for index in range(30)}
    with config.set({"async.concurrency": limit}):
        assert len(_create(store, nodes)) == 31
    assert store.most == limit


@pytest.mark.parametrize("create", [create_nodes, create_hierarchy])
async def test_closing_leaves_nothing_running(create: Any) -> None:
    store = RecordingStore()
    nodes = {f"g{index:02}": GROUP for index in range(50)}
    before = asyncio.all_tasks()
    async with aclosing(create(store=store, nodes=nodes)) as created:
        async for _ in created:
            break
    assert asyncio.all_tasks() == before
    stored = len(contents(store))
    await steps()
    assert len(contents(store)) == stored < 50


async def test_the_first_failure_is_raised() -> None:
    class Failing(RecordingStore):
        async def set(self, key: str, value: Any, *args: Any) -> None:
            if key.startswith("g3/"):
                raise OSError("disk full")
            await super().set(key, value)

    store = Failing()
    nodes = {f"g{index}": GROUP for index in range(40)}
    with pytest.raises(OSError, match="disk full"):
        [path async for path, _ in create_hierarchy(store=store, nodes=nodes)]
    assert store.running == 0
    assert len(contents(store)) < 40


# --- a law ------------------------------------------------------------------------------

_paths = st.lists(st.sampled_from(["a", "b", "c"]), min_size=0, max_size=3).map("/".join)


@given(st.dictionaries(_paths, st.booleans(), max_size=6))
def test_what_is_created_is_what_is_found(kinds: dict[str, bool]) -> None:
    nodes = {path: V3_ARRAY if is_array else GROUP for path, is_array in kinds.items()}
    store = MemoryStore()
    below_an_array = any(
        is_array and other != path and (not path or other.startswith(f"{path}/"))
        for path, is_array in kinds.items()
        for other in kinds
    )
    if below_an_array:
        with pytest.raises(ValueError, match="contains other nodes"):
            _create(store, nodes)
        assert contents(store) == {}
        return
    created = _create(store, nodes)
    assert nodes.keys() <= created.keys()
    assert sorted(contents(store)) == sorted(f"{p}/zarr.json".lstrip("/") for p in created)
    if created and nodes.get("") is not V3_ARRAY:
        root = zarr.open_group(store)
        assert {path for path, _ in root.members(None)} == created.keys() - {""}
        for path, node in created.items():
            assert root[path] == node
