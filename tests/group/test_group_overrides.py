"""Internal methods of groups that others override: whoever does is asked for every member."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import zarr
from zarr.core.group import AsyncGroup, Group, GroupMetadata
from zarr.storage import MemoryStore, StorePath
from zarr.testing.recording import RecordingStore

pytestmark = pytest.mark.filterwarnings("ignore:Consolidated metadata")

Look = tuple[str, str]  # path of the group, and key


async def collected(items: Any) -> list[Any]:
    return [item async for item in items]


# What is done with a group, and the members of it that are looked up.
LOOK_UPS: dict[str, tuple[Callable[[Group], Any], list[Look]]] = {
    "item": (lambda g: g["a"], [("", "a")]),
    "item below": (lambda g: g["s/b"], [("", "s/b")]),
    "item itself": (lambda g: g[""], [("", "")]),
    "get": (lambda g: g.get("a"), [("", "a")]),
    "get of none": (lambda g: g.get("none", 5), [("", "none")]),
    "in": (lambda g: "a" in g, [("", "a")]),
    "not in": (lambda g: "none" in g, [("", "none")]),
    "get_array": (lambda g: g.get_array("a"), [("", "a")]),
    "get_group": (lambda g: g.get_group("s"), [("", "s")]),
    "require_array": (lambda g: g.require_array("a", shape=(2,), dtype="i4"), [("", "a")]),
    "require_array of none": (lambda g: g.require_array("n", shape=2, dtype="i4"), [("", "n")]),
    "require_group": (lambda g: g.require_group("s"), [("", "s")]),
    "require_group of none": (lambda g: g.require_group("n"), [("", "n")]),
    "require_groups": (lambda g: g.require_groups("s", "n"), [("", "s"), ("", "n")]),
    "read_many": (lambda g: g.read_many(["a", "s/b"]), [("", "a"), ("", "s/b")]),
    "getitem": (lambda g: asyncio.run(g._async_group.getitem("a")), [("", "a")]),
    "async get": (lambda g: asyncio.run(g._async_group.get("a")), [("", "a")]),
    "contains": (lambda g: asyncio.run(g._async_group.contains("a")), [("", "a")]),
    "async require_group": (lambda g: asyncio.run(g._async_group.require_group("s")), [("", "s")]),
    "async read_many": (lambda g: asyncio.run(g._async_group.read_many(["a"])), [("", "a")]),
    "create_array": (lambda g: g.create_array("n", shape=(2,), dtype="i4"), []),
    "create_group": (lambda g: g.create_group("n"), []),
    "require_group anew": (lambda g: g.require_group("s", overwrite=True), []),
    "assignment": (lambda g: g.__setitem__("n", np.arange(2)), []),
    "deletion": (lambda g: g.__delitem__("a"), []),
    "attributes": (lambda g: g.attrs.put({"a": 1}), []),
}
CHILDREN = [("", "a"), ("", "s")]
EVERY = [*CHILDREN, ("s", "b"), ("s", "t")]
LISTINGS: dict[str, tuple[Callable[[Group], Any], list[Look]]] = {
    "members": (lambda g: g.members(), CHILDREN),
    "all members": (lambda g: g.members(max_depth=None), EVERY),
    "arrays": (lambda g: list(g.arrays()), CHILDREN),
    "array_keys": (lambda g: list(g.array_keys()), CHILDREN),
    "array_values": (lambda g: list(g.array_values()), CHILDREN),
    "groups": (lambda g: list(g.groups()), CHILDREN),
    "group_keys": (lambda g: list(g.group_keys()), CHILDREN),
    "group_values": (lambda g: list(g.group_values()), CHILDREN),
    "keys": (lambda g: list(g.keys()), CHILDREN),
    "iteration": (lambda g: list(iter(g)), CHILDREN),
    "len": (len, CHILDREN),
    "nmembers": (lambda g: g.nmembers(), CHILDREN),
    "nmembers of all": (lambda g: g.nmembers(max_depth=None), EVERY),
    "tree": (lambda g: str(g.tree()), EVERY),
    "info_complete": (lambda g: g.info_complete(), EVERY),
    "async members": (lambda g: asyncio.run(collected(g._async_group.members())), CHILDREN),
}


def make(zarr_format: Any = 3, *, consolidated: bool = False) -> Group:
    store = MemoryStore()
    group = zarr.create_group(store, zarr_format=zarr_format)
    group.create_array("a", data=np.arange(2, dtype="i4"))
    group.create_group("s/t")
    group.create_array("s/b", data=np.arange(2, dtype="i4"))
    return zarr.consolidate_metadata(store) if consolidated else group


def recording(looks: list[Look]) -> Any:
    original = AsyncGroup.getitem

    @functools.wraps(original)
    async def getitem(self: AsyncGroup, key: str) -> Any:
        await asyncio.sleep(0)  # as those may that wait for something
        looks.append((self.path, key))
        return await original(self, key)

    return getitem


@pytest.fixture(params=["class", "subclass", "object"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def overridden(group: Group, way: str, looks: list[Look], patch: pytest.MonkeyPatch) -> Group:
    getitem, inner = recording(looks), group._async_group
    if way == "subclass":
        own: Any = type("Own", (AsyncGroup,), {"getitem": getitem})
        return Group(own(inner.metadata, inner.store_path))
    if way == "class":
        patch.setattr(AsyncGroup, "getitem", getitem)
    else:
        object.__setattr__(inner, "getitem", getitem.__get__(inner))
    return group


def shown(value: Any) -> Any:
    """Return what can be compared of results that name different stores."""
    if isinstance(value, tuple | list):
        return type(value)(map(shown, value))
    if isinstance(value, dict):
        return {key: shown(each) for key, each in value.items()}
    return (type(value), value.path) if hasattr(value, "store_path") else str(value)


@pytest.mark.parametrize("consolidated", [False, True], ids=["plain", "consolidated"])
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("case", LOOK_UPS)
def test_every_look_up_is_one_getitem(
    case: str, zarr_format: Any, consolidated: bool, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use, expected = LOOK_UPS[case]
    wanted = use(make(zarr_format, consolidated=consolidated))
    looks: list[Look] = []
    group = make(zarr_format, consolidated=consolidated)
    found = use(overridden(group, way, looks, monkeypatch))
    assert sorted(looks) == sorted(expected)
    if "itself" not in case:  # which is of the class of the group
        assert shown(found) == shown(wanted)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("case", LISTINGS)
def test_members_are_looked_up_by_what_overrides_getitem(
    case: str, zarr_format: Any, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use, expected = LISTINGS[case]
    wanted = use(make(zarr_format))
    looks: list[Look] = []
    found = use(overridden(make(zarr_format), way, looks, monkeypatch))
    if way != "class":  # groups within it are as ever
        expected = [look for look in expected if look[0] == ""]
    if case == "iteration":  # `list` asks for the length first
        looks = looks[: len(looks) // 2] if len(looks) > len(expected) else looks
    assert sorted(looks) == sorted(expected)
    assert shown(found) == shown(wanted)
    looks.clear()
    monkeypatch.undo()
    known = overridden(make(zarr_format, consolidated=True), way, looks, monkeypatch)
    use(known)
    assert looks == []  # consolidated metadata say it all


def test_members_are_read_in_bulk_where_nobody_overrides_getitem() -> None:
    store = RecordingStore(MemoryStore())
    group = zarr.create_group(store)
    for index in range(20):
        group.create_group(f"g{index}")
    store.reset()
    assert len(group.members()) == 20
    assert {asked.method for asked in store.asked} == {"list_dir", "get_many"}


def test_a_member_that_getitem_gives_is_the_member(monkeypatch: pytest.MonkeyPatch) -> None:
    original = AsyncGroup.getitem
    group = make()

    async def getitem(self: AsyncGroup, key: str) -> Any:
        if key == "hidden":
            raise KeyError(key)
        return await original(self, "s/b" if key == "a" else key)

    group.create_group("hidden")
    monkeypatch.setattr(AsyncGroup, "getitem", getitem)
    assert group.get("hidden") is None
    assert "hidden" not in group
    with pytest.warns(UserWarning, match="hidden is not recognized"):
        members = dict(group.members())
    assert {name: node.path for name, node in members.items()} == {"a": "s/b", "s": "s"}
    assert group.require_array("a", shape=(2,), dtype="i4").path == "s/b"
    options: Any = {"write_empty_chunks": True}
    array = group.require_array("a", shape=(2,), dtype="i4", config=options)
    assert (array.path, array.config.write_empty_chunks) == ("s/b", True)


def test_only_a_key_error_is_an_absence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getitem(self: AsyncGroup, key: str) -> Any:
        raise OSError("gone")

    group = make()
    monkeypatch.setattr(AsyncGroup, "getitem", getitem)
    for use in (
        lambda: group.get("a"),
        lambda: "a" in group,
        lambda: group.members(),
        lambda: group.require_array("a", shape=2, dtype="i4"),
    ):
        with pytest.raises(OSError, match="gone"):
            use()


def test_consolidation_does_not_use_what_is_consolidated_below() -> None:
    group = make()
    zarr.consolidate_metadata(group.store, path="s")
    group.create_group("s/late")
    consolidated = zarr.consolidate_metadata(group.store)
    assert "s/late" in dict(consolidated.members(None))


@pytest.mark.parametrize("use_consolidated", [True, False])
def test_consolidated_metadata_of_children_are_used_on_request(
    use_consolidated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = make()
    zarr.consolidate_metadata(group.store, path="s")
    group.create_group("s/late")

    def names() -> list[str]:
        kwargs = {"use_consolidated_for_children": use_consolidated}
        return sorted(path for path, _ in group.members(None, **kwargs))

    wanted = names()
    assert ("s/late" in wanted) is not use_consolidated
    monkeypatch.setattr(AsyncGroup, "getitem", recording([]))
    assert names() == wanted


@pytest.mark.parametrize("method", ["get", "contains", "get_array"])
def test_coroutines_of_a_subclass_may_wait(method: str) -> None:
    original = getattr(AsyncGroup, method)

    async def waiting(self: AsyncGroup, key: str) -> Any:
        await asyncio.sleep(0)
        return await original(self, key)

    own: Any = type("Own", (AsyncGroup,), {method: waiting})
    inner = make()._async_group
    group = Group(own(inner.metadata, inner.store_path))
    assert group.get("a") is not None
    assert "a" in group
    assert group.get_array("a").shape == (2,)


# --- storing metadata -------------------------------------------------------------------


async def gone_through(group: Group) -> None:
    await group.update_attributes_async({"a": 1})


SAVES: dict[str, Callable[[Group], Any]] = {
    "update_attributes": lambda g: g.update_attributes({"a": 1}),
    "update_attributes_async": lambda g: asyncio.run(gone_through(g)),
    "attrs": lambda g: g.attrs.__setitem__("a", 1),
    "attrs.put": lambda g: g.attrs.put({"a": 1}),
    "deletion": lambda g: g.__delitem__("a"),
}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("case", SAVES)
def test_metadata_are_stored_by_what_overrides_that(
    case: str, zarr_format: Any, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    original = AsyncGroup._save_metadata

    async def save(self: AsyncGroup, ensure_parents: bool = False) -> None:
        calls.append(self.path)
        await original(self, ensure_parents)

    group, twin = (make(zarr_format, consolidated=True) for _ in range(2))
    inner: Any = group._async_group
    if way == "subclass":
        own: Any = type("Own", (AsyncGroup,), {"_save_metadata": save})
        group = Group(own(inner.metadata, inner.store_path))
    elif way == "class":
        monkeypatch.setattr(AsyncGroup, "_save_metadata", save)
    else:
        object.__setattr__(inner, "_save_metadata", save.__get__(inner))
    SAVES[case](group)
    assert calls == [""]
    monkeypatch.undo()
    SAVES[case](twin)
    assert group.metadata == twin.metadata
    for store in (group.store, twin.store):
        assert zarr.open_group(store, zarr_format=zarr_format).metadata == twin.metadata


def test_consolidating_stores_by_what_overrides_that(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    original = AsyncGroup._save_metadata

    async def save(self: AsyncGroup, ensure_parents: bool = False) -> None:
        calls.append(self.path)
        await original(self, ensure_parents)

    group = make()
    monkeypatch.setattr(AsyncGroup, "_save_metadata", save)
    zarr.consolidate_metadata(group.store)
    assert calls == [""]
    assert zarr.open_group(group.store, use_consolidated=True).nmembers() == 2


def test_attributes_stay_where_storing_them_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(self: AsyncGroup, ensure_parents: bool = False) -> None:
        raise OSError("no space")

    group = make()
    before = group.metadata
    monkeypatch.setattr(AsyncGroup, "_save_metadata", refuse)
    with pytest.raises(OSError, match="no space"):
        group.attrs["a"] = 1
    assert group.metadata is before
    assert group.attrs.asdict() == {}


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_save_metadata_creates_groups_above_only_if_asked(zarr_format: Any) -> None:
    store = MemoryStore()
    metadata = GroupMetadata(attributes={"k": 1}, zarr_format=zarr_format)
    group = AsyncGroup(metadata, StorePath(store, "r/s"))
    asyncio.run(group._save_metadata())
    assert {key.rpartition("/")[0] for key in store._store_dict} == {"r/s"}
    asyncio.run(group._save_metadata(True))
    assert {key.rpartition("/")[0] for key in store._store_dict} == {"", "r", "r/s"}
    assert zarr.open_group(store, path="r/s", zarr_format=zarr_format).attrs["k"] == 1
