"""Listing what is in a group: which nodes, how many requests, how many at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import aclosing
from typing import Any

import pytest
from tests.group.recording import RecordingStore, contents, put

import zarr
from zarr.core.array import AsyncArray
from zarr.core.buffer import BufferPrototype
from zarr.core.config import config
from zarr.core.group import AsyncGroup, Group
from zarr.core.group._members import _PORTION
from zarr.errors import ZarrUserWarning
from zarr.storage import MemoryStore

PATHS = ["a", "b", "s", "s/c", "s/t", "s/t/d", "z"]
ARRAYS = {"a", "b", "s/c", "s/t/d"}


def _fill(group: Group) -> Group:
    for path in PATHS:
        if path in ARRAYS:
            group.create_array(path, shape=(2, 3), dtype="f4")
        else:
            group.require_group(path)
    return group


@pytest.fixture(params=[(2, ""), (3, ""), (3, "deep/down")])
def group(request: pytest.FixtureRequest) -> Group:
    zarr_format, path = request.param
    store = RecordingStore()
    found = _fill(zarr.create_group(store, path=path, zarr_format=zarr_format))
    store.reset()
    return found


@pytest.mark.parametrize(
    ("max_depth", "expected"),
    [
        (0, ["a", "b", "s", "z"]),
        (1, ["a", "b", "s", "z", "s/c", "s/t"]),
        (2, ["a", "b", "s", "z", "s/c", "s/t", "s/t/d"]),
        (9, ["a", "b", "s", "z", "s/c", "s/t", "s/t/d"]),
        (None, ["a", "b", "s", "z", "s/c", "s/t", "s/t/d"]),
    ],
)
def test_members_by_depth(group: Group, max_depth: int | None, expected: list[str]) -> None:
    members = group.members(max_depth)
    assert [path for path, _ in members] == expected
    for path, node in members:
        assert isinstance(node, zarr.Array if path in ARRAYS else Group)
        assert node.path == f"{group.path}/{path}".lstrip("/")
        assert node.metadata.zarr_format == group.metadata.zarr_format
    assert group.nmembers(max_depth) == len(expected)


def test_members_have_a_default_depth(group: Group) -> None:
    assert [name for name, _ in group.members()] == ["a", "b", "s", "z"]
    assert group.nmembers() == len(group) == 4


@pytest.mark.parametrize("max_depth", [-1, -7])
def test_negative_depth_is_refused(group: Group, max_depth: int) -> None:
    with pytest.raises(ValueError, match=re.escape(f"Got '{max_depth}'")):
        group.members(max_depth)
    with pytest.raises(ValueError, match=re.escape(f"Got '{max_depth}'")):
        group.tree(level=max_depth)


def test_children_by_kind(group: Group) -> None:
    assert list(group) == list(group.keys()) == ["a", "b", "s", "z"]
    assert list(group.array_keys()) == [name for name, _ in group.arrays()] == ["a", "b"]
    assert list(group.group_keys()) == [name for name, _ in group.groups()] == ["s", "z"]
    assert [array.basename for array in group.array_values()] == ["a", "b"]
    assert [child.basename for child in group.group_values()] == ["s", "z"]
    assert all(isinstance(array, zarr.Array) for _, array in group.arrays())
    assert all(isinstance(child, Group) for _, child in group.groups())


async def test_children_by_kind_async() -> None:
    group = await AsyncGroup.from_store(MemoryStore())
    await group.create_array("x", shape=(1,), dtype="i1")
    await group.create_group("y")
    assert [name async for name in group.keys()] == ["x", "y"]  # noqa: SIM118
    assert [name async for name in group.array_keys()] == ["x"]
    assert [name async for name in group.group_keys()] == ["y"]
    assert [(name, type(node)) async for name, node in group.members()] == [
        ("x", AsyncArray),
        ("y", AsyncGroup),
    ]
    assert [array.path async for array in group.array_values()] == ["x"]
    assert [child.path async for child in group.group_values()] == ["y"]
    assert await group.nmembers() == 2


def test_a_level_takes_one_round_to_list_and_one_to_read(group: Group) -> None:
    store = group.store
    assert isinstance(store, RecordingStore)
    documents = 1 if group.metadata.zarr_format == 3 else 3
    list(group.keys())
    assert (len(store.listed), len(store.keys)) == (1, 4 * documents)
    store.reset()
    group.members(None)
    # The root, then s and z, then s/t: the groups of one level are listed together.
    assert sorted(store.listed) == sorted(
        f"{group.path}/{path}".strip("/") for path in ("", "s", "z", "s/t")
    )
    assert len(store.keys) == 7 * documents
    with config.set({"async.concurrency": 100}):
        store.reset()
        group.members(None)
    assert store.rounds == 6


@pytest.mark.parametrize("limit", [1, 3, 10])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_concurrency_is_bounded(zarr_format: Any, limit: int) -> None:
    store = RecordingStore()
    group = zarr.create_group(store, zarr_format=zarr_format)
    for index in range(40):
        group.create_group(f"g{index}")
    store.reset()
    with config.set({"async.concurrency": limit}):
        assert group.nmembers(None) == 40
    assert store.most == limit


async def test_a_large_group_is_read_in_portions() -> None:
    store = RecordingStore()
    group = await AsyncGroup.from_store(store)
    count = _PORTION + 7
    for index in range(count):
        put(store, f"n{index:05}/zarr.json", {"zarr_format": 3, "node_type": "group"})
    assert [name async for name in group.keys()] == [f"n{i:05}" for i in range(count)]  # noqa: SIM118
    store.reset()
    async with aclosing(group.members()) as members:
        async for _ in members:
            break
    assert len(store.keys) == _PORTION
    assert store.running == 0


def test_consolidated_metadata_answer_without_the_store() -> None:
    store = RecordingStore()
    _fill(zarr.create_group(store, zarr_format=2))
    group = zarr.consolidate_metadata(store)
    expected = [path for path, _ in group.members(None)]
    store.reset()
    opened = zarr.open_group(store)
    assert len(store.keys) == 4
    assert store.rounds == 1
    store.reset()
    assert sorted(expected) == PATHS
    assert [path for path, _ in opened.members(None)] == expected
    assert opened.nmembers(None) == 7
    assert "s/t/d" in opened
    assert opened["s/c"].metadata.zarr_format == 2
    assert repr(opened.info).splitlines()[-3:] == repr(opened.info_complete()).splitlines()[-3:]
    assert str(opened.tree()).count("\n") == 8
    assert (store.keys, store.listed) == ([], [])


def test_consolidated_metadata_of_children(recwarn: pytest.WarningsRecorder) -> None:
    store = MemoryStore()
    group = _fill(zarr.create_group(store))
    with pytest.warns(ZarrUserWarning, match="not part in the Zarr format 3"):
        zarr.consolidate_metadata(store, path="s")
    zarr.create_group(store, path="s/later")
    assert "s/later" not in dict(group.members(None))
    fresh = dict(group.members(None, use_consolidated_for_children=False))
    assert "s/later" in fresh
    child = fresh["s"]
    assert isinstance(child, Group)
    assert child.metadata.consolidated_metadata is None


def test_what_is_no_node_is_warned_of_and_left_out() -> None:
    store = MemoryStore()
    group = zarr.create_group(store)
    group.create_group("ok")
    put(store, "stray/file", b"x")
    put(store, "ok/readme.txt", b"x")
    with pytest.warns(ZarrUserWarning) as warned:
        assert [path for path, _ in group.members(None)] == ["ok"]
    assert [str(w.message) for w in warned] == [
        f"Object at {path} is not recognized as a component of a Zarr hierarchy."
        for path in ("stray", "ok/readme.txt")
    ]


def test_own_documents_are_no_strays() -> None:
    store = MemoryStore()
    zarr.create_group(store, zarr_format=2)
    group = zarr.consolidate_metadata(store)
    assert sorted(contents(store)) == [".zattrs", ".zgroup", ".zmetadata"]
    assert list(zarr.open_group(store, use_consolidated=False)) == list(group) == []


@pytest.mark.parametrize(
    ("stored", "error", "match"),
    [
        (b"{broken", json.JSONDecodeError, "property name"),
        (b"[]", TypeError, "Expected a JSON object, got list"),
    ],
)
def test_a_broken_document_raises_and_is_named(
    stored: bytes, error: type[Exception], match: str
) -> None:
    store = MemoryStore()
    group = _fill(zarr.create_group(store))
    put(store, "s/c/zarr.json", stored)
    assert list(group) == ["a", "b", "s", "z"]
    with pytest.raises(error, match=match) as raised:
        group.members(None)
    assert "s/c/zarr.json" in raised.value.__notes__[0]
    with pytest.raises(error, match=match):
        group["s/c"]
    with pytest.raises(error, match=match):
        assert "s/c" in group


def test_a_failing_read_raises() -> None:
    class Failing(MemoryStore):
        async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
            if key.startswith("s/c"):
                raise ConnectionError("gone")
            return await super().get(key, *args, **kwargs)

    store = Failing()
    group = zarr.create_group(store)
    group.create_group("s")
    put(store, "s/c/zarr.json", {"zarr_format": 3, "node_type": "group"})
    with pytest.raises(ConnectionError, match="gone"):
        group.members(None)
    with pytest.raises(ConnectionError, match="gone"):
        assert "s/c" in group


def test_a_store_that_cannot_list() -> None:
    class NoListing(MemoryStore):
        supports_listing = False

    group = zarr.create_group(NoListing())
    child = group.create_group("x")
    with pytest.raises(ValueError, match="does not support listing"):
        list(group)
    assert group["x"] == child


def test_tree() -> None:
    group = _fill(zarr.create_group({}))
    text = (
        "/\n├── a (2, 3) float32\n├── b (2, 3) float32\n├── s\n│   ├── c (2, 3) float32\n"
        "│   └── t\n│       └── d (2, 3) float32\n└── z\n"
    )
    assert str(group.tree()) == repr(group.tree()) == text
    assert str(group.tree(level=0)) == (
        "/\n├── a (2, 3) float32\n├── b (2, 3) float32\n├── s\n└── z\n"
    )
    child = group["s"]
    assert isinstance(child, Group)
    assert str(child.tree()) == "/s\n├── c (2, 3) float32\n└── t\n    └── d (2, 3) float32\n"
    assert str(group.tree(max_nodes=7)) == text
    assert str(group.tree(max_nodes=1)) == (
        "Truncated at max_nodes=1, some nodes and their children may be missing\n"
        "/\n└── a (2, 3) float32\n"
    )
    bundle = group.tree()._repr_mimebundle_()
    assert bundle["text/plain"] == text
    assert "<b>a</b> (2, 3) float32\n" in bundle["text/html"]
    assert "<b>" not in group.tree(plain=True)._repr_mimebundle_()["text/html"]
    with pytest.raises(NotImplementedError, match="'expand' is not yet implemented"):
        group.tree(expand=True)


def test_tree_escapes_names_for_html() -> None:
    group = zarr.create_group({})
    group.create_group("<script>")
    html = group.tree()._repr_mimebundle_()["text/html"]
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_info() -> None:
    group = _fill(zarr.create_group({}, path="p"))
    assert repr(group.info) == (
        "Name        : p\nType        : Group\nZarr format : 3\nRead-only   : False\n"
        "Store type  : MemoryStore"
    )
    assert repr(group.info_complete()) == (
        repr(group.info) + "\nNo. members : 7\nNo. arrays  : 4\nNo. groups  : 3"
    )


class BulkCountingStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.bulk: list[int] = []

    async def get_many(self, requests: Iterable[Any], *, prototype: BufferPrototype) -> Any:
        requests = list(requests)
        self.bulk.append(len(requests))
        async for batch in super().get_many(requests, prototype=prototype):
            yield batch


@pytest.mark.parametrize(("zarr_format", "documents"), [(2, 3), (3, 1)])
async def test_the_metadata_of_a_level_are_one_bulk_read(zarr_format: Any, documents: int) -> None:
    store = BulkCountingStore()
    root = zarr.create_group(store, zarr_format=zarr_format)
    for i in range(5):
        root.create_group(f"g{i}").create_array("a", shape=(2,), dtype="i1")
    store.bulk.clear()
    found = [path async for path, _ in root._async_group.members(max_depth=None)]
    assert len(found) == 10
    assert store.bulk == [5 * documents, 5 * documents]


async def test_many_nodes_of_format_2_take_no_document_that_only_groups_have() -> None:
    store = BulkCountingStore()
    root = zarr.create_group(store, zarr_format=2)
    for i in range(20):
        root.create_array(f"a{i:02}", shape=(2,), dtype="i1", attributes={"i": i})
    for i in range(3):
        root.create_group(f"g{i}", attributes={"i": i})
    store.bulk.clear()
    found = [(path, node.attrs["i"]) async for path, node in root._async_group.members()]
    assert found == [(f"a{i:02}", i) for i in range(20)] + [(f"g{i}", i) for i in range(3)]
    assert store.bulk == [2 * 23, 3]
