"""Groups that know the same consolidated metadata, when one of them deletes a member."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.group.recording import RecordingStore, contents

import zarr as _zarr
from zarr.core.group import AsyncGroup
from zarr.storage import MemoryStore

zarr: Any = _zarr

pytestmark = pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")

ALL = {"c", "c/d", "c/d/x", "c/y", "k"}


def names(group: Any) -> set[str]:
    """Return the paths of all members, by every way to find them."""
    found = {path for path, _ in group.members(max_depth=None)}
    consolidated = group.metadata.consolidated_metadata
    assert found == set(consolidated.flattened_metadata)
    assert {name for name in found if "/" not in name} == set(group.keys())
    assert all(path in group for path in found)
    return found


@pytest.fixture(params=[2, 3])
def root(request: pytest.FixtureRequest) -> Any:
    store = MemoryStore()
    group = zarr.create_group(store, zarr_format=request.param)
    for path in ("c/d/x", "c/y", "k"):
        group.create_array(path, shape=(1,), dtype="i4")
    zarr.consolidate_metadata(store)
    return zarr.open_consolidated(store)


def by_del(group: Any, path: str) -> None:
    del group[path]


def by_delitem(group: Any, path: str) -> None:
    asyncio.run(group._async_group.delitem(path))


@pytest.mark.parametrize("delete", [by_del, by_delitem])
@pytest.mark.parametrize(
    ("place", "path", "gone"),
    [
        ("", "k", {"k"}),
        ("", "c/y", {"c/y"}),
        ("c", "y", {"c/y"}),
        ("", "c/d/x", {"c/d/x"}),
        ("c", "d/x", {"c/d/x"}),
        ("c/d", "x", {"c/d/x"}),
        ("c", "d", {"c/d", "c/d/x"}),
        ("", "/c//d/", {"c/d", "c/d/x"}),
    ],
)
def test_all_see_that_it_is_gone(
    root: Any, place: str, path: str, gone: set[str], delete: Callable[[Any, str], None]
) -> None:
    views = {"": root, "c": root["c"], "c/d": root["c/d"]}
    others = [root["c"], root.get_group("c"), dict(root.members())["c"], dict(root.groups())["c"]]
    held = root.metadata.consolidated_metadata
    delete(views[place], path)
    left = ALL - gone

    def below(prefix: str) -> set[str]:
        return {name.removeprefix(prefix) for name in left if name.startswith(prefix)}

    assert names(root) == left
    assert set(held.flattened_metadata) == left
    for view in (views["c"], *others):
        assert names(view) == below("c/")
    if "c/d" in left:
        assert names(views["c/d"]) == below("c/d/")
    # The document of the group that deleted it is up to date.
    again = zarr.open_consolidated(root.store_path.store, path=place)
    prefix = f"{place}/" if place else ""
    assert names(again) == below(prefix)


def test_a_handle_of_its_own_knows_what_it_read(root: Any) -> None:
    other = zarr.open_consolidated(root.store_path.store)
    del root["k"]
    assert names(other) == ALL


def test_members_may_be_deleted_while_they_are_walked_through(root: Any) -> None:
    async def delete_all(group: AsyncGroup) -> None:
        async for path, _ in group.members(max_depth=None):
            await group.delitem(path)

    asyncio.run(delete_all(root._async_group))
    assert names(root) == names(zarr.open_consolidated(root.store_path.store)) == set()


def test_what_is_not_there_stores_nothing(root: Any) -> None:
    before = contents(root.store_path.store)
    for path in ("nothing", "c/nothing", "k/below", "nothing/below"):
        del root[path]
    assert contents(root.store_path.store) == before
    assert names(root) == ALL


def test_a_member_is_known_to_be_gone_though_the_document_could_not_be_stored() -> None:
    class Full(RecordingStore):
        full = False

        async def set(self, key: str, value: Any, *args: Any, **kwargs: Any) -> None:
            if self.full:
                raise OSError("no space left")
            await super().set(key, value, *args, **kwargs)

    store = Full()
    zarr.create_group(store).create_array("k", shape=(1,), dtype="i4")
    group = zarr.consolidate_metadata(store)
    store.full = True
    with pytest.raises(OSError, match="no space left"):
        del group["k"]
    assert "k/zarr.json" not in contents(store)
    assert "k" not in group


def test_attributes_survive(root: Any) -> None:
    root.attrs["a"] = 1
    root["c"].attrs["b"] = 2
    del root["c/y"]
    again = zarr.open_consolidated(root.store_path.store)
    assert (dict(root.attrs), dict(again.attrs)) == ({"a": 1}, {"a": 1})
    assert (dict(root["c"].attrs), dict(again["c"].attrs)) == ({"b": 2}, {"b": 2})


# --- update_attributes ------------------------------------------------------------------


def _node(kind: str, zarr_format: Any) -> Any:
    more: dict[str, Any] = {"zarr_format": zarr_format, "attributes": {"a": 1, "n": {"p": 1}}}
    if kind == "group":
        return zarr.create_group({}, **more)
    return zarr.create_array({}, shape=(2,), dtype="i4", **more)


@pytest.mark.parametrize("kind", ["group", "array"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_update_attributes(kind: str, zarr_format: Any) -> None:
    """They are merged by name, at the top alone; who has the node sees them, who opened it not."""
    node = _node(kind, zarr_format)
    view, other = node.attrs, zarr.open(node.store_path)
    result = node.update_attributes({"b": [2], "n": {"q": 2}})
    assert type(result) is type(node)
    expected = {"a": 1, "n": {"q": 2}, "b": [2]}
    if kind == "group":
        assert result is node
    for each in (result, node, zarr.open(node.store_path)):
        assert each.attrs.asdict() == each.metadata.attributes == expected
    assert view.asdict() == expected
    assert other.attrs.asdict() == {"a": 1, "n": {"p": 1}}
    inner = node._async_group if kind == "group" else node.async_array
    assert asyncio.run(inner.update_attributes({"c": 3})) is inner
    assert node.attrs["c"] == inner.attrs["c"] == 3
    assert node.update_attributes([("d", 4)]).attrs["d"] == 4
    assert dict(node.update_attributes({}).attrs) == {**expected, "c": 3, "d": 4}
    for wrong in (None, 5):
        with pytest.raises(TypeError, match="not iterable"):
            node.update_attributes(wrong)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_update_attributes_async_keeps_the_others(zarr_format: Any) -> None:
    """The released package drops them."""
    group = _node("group", zarr_format)
    result = asyncio.run(group.update_attributes_async({"b": 2}))
    assert dict(result.attrs) == dict(group.attrs) == {"a": 1, "n": {"p": 1}, "b": 2}


def test_update_attributes_of_a_member_are_seen_in_consolidated_metadata(root: Any) -> None:
    for path in ("c", "k"):
        root[path].update_attributes({"q": 1})
        assert root[path].attrs["q"] == 1
        known = root.metadata.consolidated_metadata.metadata[path]
        assert known.attributes == {"q": 1}
