"""The state machines are content with the stores of the project, and not with broken ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

import zarr
from zarr.abc.store import RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import cpu, default_buffer_prototype
from zarr.storage import LocalStore, MemoryStore, ZipStore
from zarr.testing._stateful_hierarchy import assert_same
from zarr.testing._stateful_steps import above, check_names, folded
from zarr.testing.stateful import (
    MAX_BINARY_SIZE,
    SyncStoreWrapper,
    ZarrHierarchyStateMachine,
    ZarrStoreStateMachine,
    split_prefix_name,
    with_frequency,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning"),
    # What is written again to an archive is in it twice.
    pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning"),
]

PROTOTYPE = default_buffer_prototype()

brief = settings(max_examples=8, stateful_step_count=20, deadline=None)
# A fault need be found only, not shown at its smallest, and found on every run: after up to 80
# examples, of which the first ones are the same in every run, but not all.
search = settings(
    max_examples=3000,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


class HierarchyOfFormat2(ZarrHierarchyStateMachine):
    zarr_format: ClassVar[Any] = 2


def run(machine: Callable[[], RuleBasedStateMachine], *, settings: settings) -> None:
    """Run what a function makes, which hypothesis allows and its annotations do not."""
    run_state_machine_as_test(cast("Any", machine), settings=settings)


# --- stores that work -------------------------------------------------------------------


@pytest.fixture(params=["memory", "local", "zip"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    stores: dict[str, Callable[[], Store]] = {
        "memory": MemoryStore,
        "local": lambda: LocalStore(tmp_path),
        "zip": lambda: ZipStore(tmp_path / "a.zip", mode="w"),
    }
    with stores[request.param]() as made:
        yield made


@pytest.mark.parametrize("machine", [ZarrStoreStateMachine, ZarrHierarchyStateMachine])
def test_machines_are_content_with_the_stores_of_the_project(machine: Any, store: Store) -> None:
    run(lambda: machine(store), settings=brief)


def test_hierarchies_of_format_2(tmp_path: Path) -> None:
    run(lambda: HierarchyOfFormat2(LocalStore(tmp_path)), settings=brief)


# --- stores that are broken -------------------------------------------------------------


class LosesWrites(MemoryStore):
    """Keeps the first value of a key."""

    async def set(self, key: str, value: Any, byte_range: Any = None) -> None:
        if not await self.exists(key):
            await super().set(key, value)


class SetsAlways(MemoryStore):
    async def set_if_not_exists(self, key: str, value: Any) -> None:
        await self.set(key, value)


class CutsRanges(MemoryStore):
    """Leaves the last byte out of a range."""

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        if isinstance(byte_range, RangeByteRequest) and byte_range.end > byte_range.start:
            byte_range = RangeByteRequest(byte_range.start, byte_range.end - 1)
        return await super().get(key, prototype, byte_range)


class WholeForSuffix(MemoryStore):
    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        part = None if isinstance(byte_range, SuffixByteRequest) else byte_range
        return await super().get(key, prototype, part)


class EmptyForAbsent(MemoryStore):
    """Reads a part of what is not there as no bytes."""

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        found = await super().get(key, prototype, byte_range)
        return PROTOTYPE.buffer.from_bytes(b"") if found is None and byte_range else found


class SwapsAnswers(MemoryStore):
    async def get_partial_values(self, prototype: Any, key_ranges: Any) -> Any:
        return (await super().get_partial_values(prototype, key_ranges))[::-1]


class DropsAnswers(MemoryStore):
    """Leaves requests for absent keys unanswered."""

    async def get_many(self, requests: Any, **options: Any) -> AsyncIterator[Any]:
        async for batch in super().get_many(requests, **options):
            yield [answer for answer in batch if answer[1] is not None]


class MixesRanges(MemoryStore):
    async def get_ranges(self, key: str, byte_ranges: Any, **options: Any) -> AsyncIterator[Any]:
        async for batch in super().get_ranges(key, list(byte_ranges)[::-1], **options):
            yield batch


class EmptyIsAbsent(MemoryStore):
    async def exists(self, key: str) -> bool:
        value = await self.get(key, PROTOTYPE)
        return value is not None and len(value) > 0


class SizeOfNeighbours(MemoryStore):
    """Takes names that begin the same for names below."""

    async def getsize_prefix(self, prefix: str) -> int:
        keys = [key for key in self._store_dict if key.startswith(prefix)]
        return sum([await self.getsize(key) for key in keys])


class DeletesNeighbours(MemoryStore):
    async def delete_dir(self, prefix: str) -> None:
        for key in [key for key in self._store_dict if key.startswith(prefix)]:
            await self.delete(key)


class DeletesNothing(MemoryStore):
    async def delete(self, key: str) -> None:
        pass


class ClearsLittle(MemoryStore):
    async def clear(self) -> None:
        for key in [key for key in self._store_dict if "/" not in key]:
            await self.delete(key)


class ListsTwice(MemoryStore):
    async def list(self) -> AsyncIterator[str]:
        for key in list(self._store_dict):
            yield key
            if "." in key:
                yield key


class ListsPrefixesShort(MemoryStore):
    """Leaves out keys that lie deep."""

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        async for key in super().list_prefix(prefix):
            if key.count("/") < 2:
                yield key


class ListsPaths(MemoryStore):
    """Gives what lies in a folder with the name of the folder."""

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        async for name in super().list_dir(prefix):
            yield f"{prefix}/{name}" if prefix else name


class ListsNames(MemoryStore):
    """Gives a folder once for every key in it."""

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        base = f"{prefix}/" if prefix else ""
        for key in list(self._store_dict):
            if key.startswith(base):
                yield key[len(base) :].split("/")[0]


class NeverEmpty(MemoryStore):
    async def is_empty(self, prefix: str) -> bool:
        return not self._store_dict


FAULTS_OF_STORES = [
    *(LosesWrites, SetsAlways, CutsRanges, WholeForSuffix, EmptyForAbsent, SwapsAnswers),
    *(DropsAnswers, MixesRanges, EmptyIsAbsent, SizeOfNeighbours, DeletesNeighbours),
    *(DeletesNothing, ClearsLittle, ListsTwice, ListsPrefixesShort, ListsPaths, ListsNames),
    NeverEmpty,
]


@pytest.mark.parametrize("broken", FAULTS_OF_STORES)
def test_the_machine_of_stores_finds_a_fault(broken: type[MemoryStore]) -> None:
    with pytest.raises(AssertionError):
        run(lambda: ZarrStoreStateMachine(broken()), settings=search)


class LosesChunks(LocalStore):
    """Keeps documents, and no chunk."""

    async def set(self, key: str, value: Any) -> None:
        if key.endswith("zarr.json"):
            await super().set(key, value)

    def set_sync(self, key: str, value: Any) -> None:
        if key.endswith("zarr.json"):
            super().set_sync(key, value)


class KeepsNodes(LocalStore):
    """Deletes no folder."""

    async def delete_dir(self, prefix: str) -> None:
        pass


class KeepsDocuments(LocalStore):
    """Writes a document once."""

    async def set(self, key: str, value: Any) -> None:
        if not (key.endswith("zarr.json") and await self.exists(key)):
            await super().set(key, value)


class HidesFolders(LocalStore):
    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        async for name in super().list_dir(prefix):
            if not (self.root / prefix / name).is_dir():
                yield name


class KeepsChunks(LocalStore):
    """Does not delete chunks."""

    async def delete(self, key: str) -> None:
        if key.endswith("zarr.json"):
            await super().delete(key)

    def delete_sync(self, key: str) -> None:
        if key.endswith("zarr.json"):
            super().delete_sync(key)


@pytest.mark.parametrize(
    "broken", [LosesChunks, KeepsNodes, KeepsDocuments, HidesFolders, KeepsChunks]
)
def test_the_machine_of_hierarchies_finds_a_fault(broken: type[LocalStore], tmp_path: Path) -> None:
    # What goes wrong first is chance.
    with pytest.raises(Exception) as caught:
        run(lambda: ZarrHierarchyStateMachine(broken(tmp_path)), settings=search)
    assert not isinstance(caught.value, (TypeError, AttributeError))


# --- stores that can do less ------------------------------------------------------------


class NoDeletes(MemoryStore):
    """Cannot delete, but be cleared."""

    supports_deletes = False

    async def delete(self, key: str) -> None:
        raise NotImplementedError

    async def delete_dir(self, prefix: str) -> None:
        raise NotImplementedError

    async def clear(self) -> None:
        self._store_dict.clear()


@pytest.mark.parametrize("machine", [ZarrStoreStateMachine, ZarrHierarchyStateMachine])
def test_nothing_is_deleted_where_the_store_cannot(machine: Any) -> None:
    run(lambda: machine(NoDeletes()), settings=brief)


# --- parts ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a", ("", "a")), ("a/b", ("a", "b")), ("a/b/c", ("a/b", "c")), ("", ("", ""))],
)
def test_paths_are_split_at_the_last_name(path: str, expected: tuple[str, str]) -> None:
    assert split_prefix_name(path) == expected


def test_folders_above_a_key() -> None:
    assert above("a/b/c") == ["a", "a/b"]
    assert above("a") == []


def test_names_that_stand_for_nothing_are_found() -> None:
    check_names(["a", "old"], {"a"}, "", lambda folder: folder == "old")
    check_names(["a", "old"], {"a"}, "b", lambda folder: folder == "b/old")
    for found in (["a", "a"], ["old"], ["a", "other"]):
        with pytest.raises(AssertionError):
            check_names(found, {"a"}, "", lambda folder: folder == "old")


@pytest.mark.parametrize(
    ("platform", "expected"), [("linux", "A/b"), ("darwin", "a/b"), ("win32", "a/b")]
)
def test_file_names_may_differ_in_case_alone(
    platform: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    assert folded(LocalStore(tmp_path), "A/b") == expected
    assert folded(MemoryStore(), "A/b") == "A/b"


def test_keys_that_a_file_system_cannot_hold_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = ZarrStoreStateMachine(LocalStore(tmp_path))
    machine.put("a/b", PROTOTYPE.buffer.from_bytes(b""))
    assert [machine.is_key(key) for key in ("a", "a/b", "a/b/c", "a/c", "A/c")] == [
        *(False, True, False, True, True)
    ]
    assert [machine.is_folder(key) for key in ("a", "a/b", "a/b/c", "b", "A")] == [
        *(True, False, False, True, True)
    ]
    monkeypatch.setattr("sys.platform", "darwin")
    assert not machine.is_key("A/c")
    assert not machine.is_key("a/B")
    assert not machine.is_folder("A")
    hierarchy = ZarrHierarchyStateMachine(LocalStore(tmp_path))
    hierarchy.all_arrays = {"g/x"}
    assert [hierarchy.can_add(path) for path in ("g/X", "g/x/y", "g/y")] == [False, False, True]


@pytest.mark.parametrize("frequency", [-0.1, 1.1])
def test_frequencies_out_of_range(frequency: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        with_frequency(frequency)


def test_a_frequency_makes_a_rule_rarer() -> None:
    counts = {"always": 0, "seldom": 0, "never": 0}

    class Machine(RuleBasedStateMachine):
        @with_frequency(1.0)
        @rule()
        def always(self) -> None:
            counts["always"] += 1

        @with_frequency(0.5)
        @rule()
        def seldom(self) -> None:
            counts["seldom"] += 1

        @with_frequency(0)
        @rule()
        def never(self) -> None:
            counts["never"] += 1

    run(Machine, settings=brief)
    assert counts["never"] == 0
    assert 0 < counts["seldom"] < counts["always"] / 2


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        (np.array([1, 2]), np.array([1, 2]), True),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), True),
        (np.array([1, 2]), np.array([1, 3]), False),
        (np.array([1, 2]), np.array([[1, 2]]), False),
        (np.array([1, 2]), np.array([1.0, 2.0]), False),
        (np.array([b"ab"], "V2"), np.array([b"ab"], "V2"), True),
        (np.array([b"ab"], "V2"), np.array([b"ac"], "V2"), False),
        (np.array([(1, np.nan)], "i4,f4"), np.array([(1, np.nan)], "i4,f4"), True),
        (np.array([(1, 2.0)], "i4,f4"), np.array([(1, 3.0)], "i4,f4"), False),
    ],
)
def test_arrays_are_compared(found: np.ndarray, expected: np.ndarray, same: bool) -> None:
    if same:
        assert_same(found, expected)
    else:
        with pytest.raises(AssertionError):
            assert_same(found, expected)


def test_the_wrapper_calls_the_store() -> None:
    store = SyncStoreWrapper(MemoryStore())
    assert not store.read_only
    assert store.supports_writes
    assert store.supports_deletes
    assert store.supports_listing
    value = cpu.Buffer.from_bytes(b"0123456789")
    store.set("a/b", value)
    store.set_if_not_exists("a/b", cpu.Buffer.from_bytes(b"other"))
    part = RangeByteRequest(2, 4)
    found = store.get("a/b", PROTOTYPE, part)
    assert found is not None
    assert found.to_bytes() == b"23"
    (again, absent) = store.get_partial_values([("a/b", part), ("c", None)], PROTOTYPE)
    assert again is not None
    assert again.to_bytes() == b"23"
    assert absent is None
    assert [index for index, _ in store.get_ranges("a/b", [part, None], PROTOTYPE)] == [0, 1]
    assert sorted(i for i, _ in store.get_many([("a/b", None), ("c", None)], PROTOTYPE)) == [0, 1]
    assert (store.getsize("a/b"), store.getsize_prefix("a")) == (10, 10)
    assert (store.list(), store.list_prefix("a/"), store.list_dir("")) == (["a/b"], ["a/b"], ["a"])
    store.delete("a/b")
    assert not store.exists("a/b")
    store.set("a/b", value)
    store.delete_dir("a")
    assert store.is_empty("")
    store.set("a/b", value)
    store.clear()
    assert store.is_empty("a")


def test_values_stay_small() -> None:
    largest = 0

    class Machine(ZarrStoreStateMachine):
        def put(self, key: str, value: Any) -> None:
            nonlocal largest
            largest = max(largest, len(value))
            super().put(key, value)

    run(lambda: Machine(MemoryStore()), settings=brief)
    assert 0 < largest <= MAX_BINARY_SIZE


def test_the_machine_of_hierarchies_leaves_nodes() -> None:
    store, nodes = MemoryStore(), []

    class Machine(ZarrHierarchyStateMachine):
        def teardown(self) -> None:
            nodes.append(len(dict(zarr.open_group(store, mode="r").members(max_depth=None))))

    run(lambda: Machine(store), settings=brief)
    assert max(nodes) > 2
