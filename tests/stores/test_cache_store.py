"""A store with a cache in front of it."""

from __future__ import annotations

import asyncio
import os
import pickle
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from tests.stores.bulk_kit import BulkStore, DictStore, bulk, one_by_one
from tests.stores.cache_kit import (
    FIRST,
    FROM,
    LAST,
    Faulty,
    Waiting,
    contents,
    filled,
    methods,
    ranges,
    read,
    stats,
    step,
)
from tests.stores.store_kit import PROTOTYPE, AsyncOnlyStore, WrapperTests, buffer

from zarr.abc.store import (
    ByteRequest,
    RangeByteRequest,
    Store,
)
from zarr.core.array import Array, create_array, open_array_node
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.core.sync import sync
from zarr.experimental.cache_store import CacheStore
from zarr.storage import (
    LocalStore,
    LoggingStore,
    ManagedMemoryStore,
    MemoryStore,
    StorePath,
    ZipStore,
)
from zarr.testing.recording import RecordingStore


class TestCacheStore(WrapperTests):
    """Everything fits."""

    store_cls = CacheStore

    @pytest.fixture
    def store_kwargs(self) -> dict[str, Any]:
        return {"store": MemoryStore({}), "cache_store": MemoryStore({})}

    @pytest.fixture
    def open_kwargs(self) -> dict[str, Any]:
        return {"store_cls": MemoryStore, "store_dict": {}, "cache_store": MemoryStore({})}

    def test_store_eq(self, store: Any, store_kwargs: dict[str, Any]) -> None:
        same = MemoryStore(store._store._store_dict)
        assert store == CacheStore(same, cache_store=MemoryStore(), max_size=3)
        assert store != CacheStore(MemoryStore({"a": buffer(b"x")}), cache_store=MemoryStore())
        assert store != store._store

    def test_store_repr(self, store: Any) -> None:
        assert str(store) == f"wrapping-{store._store}"
        assert repr(store) == (
            f"CacheStore(store={store._store!r}, cache_store={store._cache_store!r}, "
            "max_age_seconds=infinity, max_size=None, current_size=0, cached_keys=0)"
        )


class TestSmallCacheOnDisk(TestCacheStore):
    """Much does not fit, and what does is a file."""

    @pytest.fixture
    def open_kwargs(self, tmp_path: Path) -> dict[str, Any]:
        cache = {"cache_store": LocalStore(tmp_path), "max_size": 12, "max_age_seconds": 3600}
        return {"store_cls": MemoryStore, "store_dict": {}} | cache

    def test_store_repr(self, store: Any) -> None:
        shown = "max_age_seconds=3600, max_size=12, current_size=0, cached_keys=0)"
        assert repr(store).endswith(shown)


# --- what is cached -----------------------------------------------------------------------


async def test_a_value_is_read_once() -> None:
    source = filled(a=b"0123")
    store = CacheStore(source, cache_store=MemoryStore())
    assert [await read(store, "a"), await read(store, "a")] == [b"0123"] * 2
    assert methods(source) == ["get"]
    assert contents(store._cache_store) == {"a": b"0123"}
    assert store.cache_info()["current_size"] == 4


@pytest.mark.parametrize("part", [FIRST, LAST, FROM, RangeByteRequest(1, 9)])
async def test_a_part_is_read_once(part: ByteRequest) -> None:
    source = filled(a=b"0123")
    store = CacheStore(source, cache_store=MemoryStore())
    expected = await read(source, "a", part)
    source.reset()
    assert [await read(store, "a", part) for _ in range(3)] == [expected] * 3
    assert [(asked.method, asked.byte_range) for asked in source.asked] == [("get", part)]
    # The value as a whole is not in the cache.
    assert "a" not in contents(store._cache_store)
    assert store.cache_info()["current_size"] == len(expected or b"")


async def test_parts_are_cut_out_of_a_cached_value() -> None:
    source = filled(a=b"0123")
    store = CacheStore(source, cache_store=MemoryStore())
    await read(store, "a", FIRST)
    await read(store, "a")
    # Which is all that is kept then.
    assert contents(store._cache_store) == {"a": b"0123"}
    source.reset()
    assert [await read(store, "a", part) for part in (FIRST, LAST, FROM)] == [b"01", b"23", b"23"]
    assert await ranges(store, "a", [LAST, None, FIRST]) == {0: b"23", 1: b"0123", 2: b"01"}
    found = await store.get_partial_values(PROTOTYPE, [("a", LAST), ("a", FIRST)])
    assert [value and value.to_bytes() for value in found] == [b"23", b"01"]
    assert source.asked == []


async def test_what_is_absent_or_empty_is_asked_for_again() -> None:
    source = filled(a=b"0123")
    store = CacheStore(source, cache_store=MemoryStore())
    for _ in range(2):
        assert await read(store, "nope") is None
        assert await read(store, "a", RangeByteRequest(7, 9)) == b""
        assert await bulk(store, ["nope", ("a", RangeByteRequest(3, 3))]) == {0: None, 1: b""}
    assert methods(source) == ["get", "get", "get_many", "get_many"] * 2
    await source._store.set("nope", buffer(b""))
    assert await read(store, "nope") == await read(store, "nope") == b""
    assert methods(source) == ["get"]


async def test_what_is_not_a_range_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    store = CacheStore(filled(a=b"0123"), cache_store=MemoryStore())
    await read(store, "a")
    for bad in ((0, 2), RangeByteRequest(-1, 2)):
        with pytest.raises(ValueError, match=r"byte.range"):
            await read(store, "a", cast(Any, bad))
        with pytest.raises(ValueError, match=r"byte.range"):
            await ranges(store, "a", [cast(Any, bad)])
    assert caplog.records == []


async def test_ranges_that_are_not_cached_go_in_one_call() -> None:
    source = filled(a=b"0123456789")
    store = CacheStore(source, cache_store=MemoryStore())
    wanted: list[ByteRequest | None] = [FIRST, RangeByteRequest(4, 6), LAST, FIRST]
    expected = {0: b"01", 1: b"45", 2: b"89", 3: b"01"}
    await read(store, "a", LAST)
    source.reset()
    assert await ranges(store, "a", wanted) == expected
    assert [(asked.method, asked.byte_range) for asked in source.asked] == [
        ("get_ranges", FIRST),
        ("get_ranges", RangeByteRequest(4, 6)),
    ]
    source.reset()
    assert await ranges(store, "a", wanted) == expected
    assert source.asked == []
    assert stats(store)[:2] == (5, 4)


async def test_limits_of_ranged_reads_are_passed_on() -> None:
    given: list[dict[str, Any]] = []

    class Noting(MemoryStore):
        async def get_ranges(self, key: str, byte_ranges: Any, **kwargs: Any) -> Any:
            given.append(kwargs)
            async for batch in super().get_ranges(key, byte_ranges, **kwargs):
                yield batch

    values: Any = {"a": buffer(b"0123")}
    store = CacheStore(Noting(values), cache_store=MemoryStore())
    limits = {"max_concurrency": 3, "max_gap_bytes": 0, "max_coalesced_bytes": 9}
    await ranges(store, "a", [FIRST], **limits)
    await ranges(store, "a", [LAST])
    assert given == [{"prototype": PROTOTYPE} | limits, {"prototype": PROTOTYPE}]


async def test_keys_like_those_of_the_cache_itself_are_passed_through() -> None:
    """Else a value of the source could be taken for a part of another one."""
    source = filled(a=b"0123")
    cache = MemoryStore()
    store = CacheStore(source, cache_store=cache)
    await read(store, "a", FIRST)
    (name,) = contents(cache)
    assert await read(store, name) is None
    await store.set(name, buffer(b"own"))
    assert await bulk(store, [name, ("a", FIRST)]) == {0: b"own", 1: b"01"}
    assert [key for key, value in contents(source._store).items() if value == b"own"] == [name]
    await store.delete(name)
    assert contents(cache) == {name: b"01"}


async def test_values_of_the_cache_store_count_unless_age_matters() -> None:
    for age, expected in (("infinity", b"old"), (float("inf"), b"old"), (3600, b"new")):
        source = filled(a=b"new", b=b"new")
        cache = MemoryStore({"a": buffer(b"old"), "b": buffer(b"old")})
        store = CacheStore(source, cache_store=cache, max_age_seconds=cast(Any, age))
        assert await read(store, "a", FIRST) == expected[:2]
        assert await bulk(store, ["a", "nope"]) == {0: expected, 1: None}
        assert await ranges(store, "b", [FROM]) == {0: expected[2:]}
        if expected == b"old":
            assert [asked.key for asked in source.asked] == ["nope"]
            assert store.cache_info()["current_size"] == 3


async def test_the_cache_may_be_read_only(caplog: pytest.LogCaptureFixture) -> None:
    source = filled(a=b"new", b=b"new")
    cache = MemoryStore({"a": buffer(b"old")}, read_only=True)
    store = CacheStore(source, cache_store=cache)
    assert await bulk(store, ["a", "b"]) == {0: b"old", 1: b"new"}
    await store.set("b", buffer(b"newer"))
    assert await read(store, "b") == b"newer"
    assert caplog.records == []
    with pytest.raises(ValueError, match="read-only mode"):
        await store.set("a", buffer(b"newer"))
    assert contents(source._store) == {"a": b"new", "b": b"newer"}


# --- bulk reads ---------------------------------------------------------------------------


async def test_a_bulk_read_asks_the_source_once_for_what_is_not_cached() -> None:
    source = BulkStore({key: key.encode() * 4 for key in "abcde"})
    store = CacheStore(source, cache_store=MemoryStore())
    await read(store, "b")
    await read(store, "d", LAST)
    wanted: list[Any] = ["a", "b", "nope", ("a", FIRST), ("d", LAST), "c", ("d", FIRST), "c", "b"]
    answers = await bulk(store, iter(wanted))
    assert answers == await one_by_one(source, wanted)
    asked = [("a", None), ("nope", None), ("a", FIRST), ("c", None), ("d", FIRST)]
    assert source.bulk == [asked]
    # All but what is absent has come from the cache, the second time.
    assert await bulk(store, wanted) == answers
    assert source.bulk == [asked, [("nope", None)]]
    await bulk(store, ["a", "b"])
    await bulk(store, [])
    assert len(source.bulk) == 2


async def test_bulk_reads_are_counted() -> None:
    store = CacheStore(filled(a=b"a", b=b"b"), cache_store=MemoryStore())
    await read(store, "a")
    await bulk(store, ["a", "b", "a", "b", "nope"])
    assert stats(store) == (2, 4, 0)
    assert store.cache_stats()["total_requests"] == 6
    assert store.cache_stats()["hit_rate"] == 1 / 3


class Gated(DictStore):
    """Answers bulk reads once `gate` is set."""

    def __init__(self, values: dict[str, bytes]) -> None:
        super().__init__(values)
        self.gate = asyncio.Event()
        self.began = self.ended = False

    async def get_many(self, requests: Any, *, prototype: BufferPrototype) -> AsyncIterator[Any]:
        self.began = True
        try:
            await self.gate.wait()
            yield [(i, self.find(key, prototype, part)) for i, (key, part) in enumerate(requests)]
        finally:
            self.ended = True


async def test_copies_come_at_once_and_the_source_is_read_meanwhile() -> None:
    source = Gated({"a": b"a", "b": b"b", "c": b"c"})
    store = CacheStore(source, cache_store=MemoryStore())
    await read(store, "b")
    batches = cast(Any, store.get_many(["a", "b", "c"], prototype=PROTOTYPE))
    [(index, value)] = await anext(batches)
    assert (index, value.to_bytes()) == (1, b"b")
    await asyncio.sleep(0)
    assert source.began
    source.gate.set()
    found = [pair async for batch in batches for pair in batch]
    assert [(index, value.to_bytes()) for index, value in found] == [(0, b"a"), (2, b"c")]


@pytest.mark.parametrize("batches", [0, 1])
async def test_leaving_a_bulk_read_early_ends_that_of_the_source(batches: int) -> None:
    source = Gated({"a": b"a", "b": b"b"})
    store = CacheStore(source, cache_store=MemoryStore())
    await read(store, "b")
    before = asyncio.all_tasks()

    async def consume() -> None:
        async with aclosing(cast(Any, store.get_many(["a", "b"], prototype=PROTOTYPE))) as found:
            async for _ in found:
                if batches:
                    await asyncio.sleep(0)
                    return

    consuming = asyncio.create_task(consume())
    for _ in range(20):
        await asyncio.sleep(0)
    if not batches:  # it waits for the source
        assert not consuming.done()
        consuming.cancel()
    await asyncio.gather(consuming, return_exceptions=True)
    assert source.began
    assert source.ended
    assert asyncio.all_tasks() == before


async def test_a_failing_source_fails_the_bulk_read() -> None:
    source = filled(a=b"a", b=b"b", c=b"c")
    source.failures["b"] = PermissionError("denied")
    store = CacheStore(source, cache_store=MemoryStore())
    await read(store, "a")
    before = asyncio.all_tasks()
    batches = aiter(store.get_many(["a", "b", "c"], prototype=PROTOTYPE))
    assert [index for index, _ in await anext(batches)] == [0]
    with pytest.raises(PermissionError, match="denied"):
        await anext(batches)
    with pytest.raises(PermissionError, match="denied"):
        await read(store, "b")
    with pytest.raises(ExceptionGroup) as raised:
        await ranges(store, "nope", [FIRST])
    assert raised.group_contains(FileNotFoundError)
    assert asyncio.all_tasks() == before
    assert contents(store._cache_store) == {"a": b"a"}


@pytest.mark.parametrize("source", [AsyncOnlyStore(), DictStore({})])
async def test_any_store_can_be_source_or_cache(source: Store) -> None:
    store = CacheStore(source, cache_store=AsyncOnlyStore())
    await store.set("a", buffer(b"0123"))
    assert await bulk(store, ["a", ("a", LAST), "b"]) == {0: b"0123", 1: b"23", 2: None}


# --- with arrays --------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [None, (16,)])
def test_an_array_is_read_from_the_cache_the_second_time(shards: Any) -> None:
    data = np.arange(64)
    inner = MemoryStore()
    sync(create_array(inner, data=data, chunks=(4,), shards=shards))
    source = RecordingStore(inner)
    store = CacheStore(source, cache_store=MemoryStore())
    array: Array[Any] = Array(sync(open_array_node(StorePath(store), zarr_format=3)))
    source.reset()
    np.testing.assert_array_equal(array[:], data)
    assert {asked.method for asked in source.asked} == {"get" if shards else "get_many"}
    np.testing.assert_array_equal(array[5:30], data[5:30])
    source.reset()
    np.testing.assert_array_equal(array[:], data)
    assert source.asked == []


def test_parts_of_shards_are_read_from_the_cache_the_second_time() -> None:
    data = np.arange(64)
    inner = MemoryStore()
    sync(create_array(inner, data=data, chunks=(4,), shards=(32,)))
    source = RecordingStore(inner)
    store = CacheStore(source, cache_store=MemoryStore())
    array: Array[Any] = Array(sync(open_array_node(StorePath(store), zarr_format=3)))
    for _ in range(2):
        np.testing.assert_array_equal(array[6:11], data[6:11])
    parts = [asked for asked in source.asked if asked.byte_range is not None]
    assert parts
    assert len(set(parts)) == len(parts)
    array[7] = -1
    np.testing.assert_array_equal(array[6:11], [6, -1, 8, 9, 10])
    assert len(contents(store._cache_store)) == 2  # the shard and the metadata, no parts


# --- age and size -------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("zarr.experimental._ledger.monotonic", lambda: now[0])
    return now


async def test_age(clock: list[float]) -> None:
    source = filled(a=b"1")
    store = CacheStore(source, cache_store=MemoryStore(), max_age_seconds=10)
    await read(store, "a")
    await store.set("b", buffer(b"1"))
    source._store._store_dict.update({"a": buffer(b"2"), "b": buffer(b"2")})
    clock[0] += 9.9
    assert await bulk(store, ["a", "b"]) == {0: b"1", 1: b"1"}
    clock[0] += 0.1  # use does not make it younger
    assert await bulk(store, ["a", "b"]) == {0: b"2", 1: b"2"}
    assert contents(store._cache_store) == {"a": b"2", "b": b"2"}
    assert store.cache_info()["current_size"] == 2
    clock[0] += 9.9
    assert [await read(store, "a", FIRST), await read(store, "b")] == [b"2"] * 2
    clock[0] += 0.1
    source._store._store_dict.clear()
    assert [await read(store, "a"), await read(store, "b")] == [None, None]


async def test_a_copy_is_as_old_as_the_read_that_made_it(clock: list[float]) -> None:
    class Slow(MemoryStore):
        async def get(self, *args: Any, **kwargs: Any) -> Buffer | None:
            found = await super().get(*args, **kwargs)
            clock[0] += 7
            return found

    store = CacheStore(Slow({"a": buffer(b"1")}), cache_store=MemoryStore(), max_age_seconds=10)
    await read(store, "a")
    clock[0] += 4
    await read(store, "a")
    assert stats(store) == (0, 2, 0)


async def test_what_is_too_old_is_replaced_in_its_place(clock: list[float]) -> None:
    source, cache = filled(a=b"11", b=b"11"), MemoryStore()
    store = CacheStore(source, cache_store=cache, max_size=4, max_age_seconds=10)
    await read(store, "a")
    clock[0] += 6
    await read(store, "b")
    clock[0] += 6
    await read(store, "a")
    assert sorted(contents(cache)) == ["a", "b"]
    assert stats(store) == (0, 3, 0)


@pytest.mark.parametrize("age", [0, -1, -0.5])
async def test_an_age_that_nothing_has(age: float) -> None:
    store = CacheStore(filled(a=b"1"), cache_store=MemoryStore(), max_age_seconds=age)
    for _ in range(3):
        assert await read(store, "a") == b"1"
    assert stats(store) == (0, 3, 0)


async def test_the_least_recently_used_make_room() -> None:
    source = filled(a=b"aaa", b=b"bbb", c=b"ccc", d=b"dddd")
    cache = MemoryStore()
    store = CacheStore(source, cache_store=cache, max_size=9)
    await bulk(store, ["a", "b", "c"])
    await read(store, "a")  # used, so it stays
    assert sorted(contents(cache)) == ["a", "b", "c"]
    await read(store, "d")
    assert sorted(contents(cache)) == ["a", "d"]
    assert stats(store) == (1, 4, 2)
    assert store.cache_info()["current_size"] == 7
    await read(store, "c", RangeByteRequest(0, 2))
    assert store.cache_info()["current_size"] == 9
    await store.delete("a")
    await store.set("b", buffer(b"bbb"))
    assert store.cache_info()["current_size"] == 9
    assert len(contents(cache)) == 3


async def test_what_is_too_large_is_passed_through() -> None:
    cache = MemoryStore()
    source = filled(a=b"aaa", b=b"bbbb")
    store = CacheStore(source, cache_store=cache, max_size=3)
    assert await bulk(store, ["a", "b"]) == {0: b"aaa", 1: b"bbbb"}
    assert contents(cache) == {"a": b"aaa"}
    await store.set("a", buffer(b"aaaa"))
    assert await read(store, "a") == b"aaaa"
    assert contents(cache) == {}
    none = CacheStore(source, cache_store=cache, max_size=0)
    assert await read(none, "b") == b"bbbb"
    assert contents(cache) == {}


@pytest.mark.parametrize("age", ["infinity", 10**9])
async def test_what_lies_in_the_cache_store_counts_towards_its_size(age: Any) -> None:
    values = {f"c/{i}": buffer(b"x" * 10) for i in range(10)}
    source, cache = MemoryStore(dict(values)), MemoryStore()
    names = list(values)
    first = CacheStore(source, cache_store=cache)
    await bulk(first, names)
    await read(first, "c/1", FIRST)
    await bulk(first, [("c/1", LAST)])
    source._store_dict["new"] = buffer(b"y" * 25)
    again = CacheStore(source, cache_store=cache, max_size=50, max_age_seconds=age)
    assert await read(again, "new") == b"y" * 25
    kept = contents(cache)
    assert again.cache_info()["current_size"] == sum(map(len, kept.values())) <= 50
    assert kept["new"] == b"y" * 25
    assert again.cache_info()["tracked_keys"] == len(kept) == 3
    (old,) = [key for key in kept if key in names][:1]
    source._store_dict[old] = buffer(b"z" * 10)
    assert await read(again, old) == (b"x" if age == "infinity" else b"z") * 10
    source._store_dict[old] = buffer(b"x" * 10)
    await again.set(old, source._store_dict[old])
    assert await bulk(again, names) == dict.fromkeys(range(10), b"x" * 10)


async def test_a_cache_store_that_cannot_be_looked_through_is_used_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class NoListing(MemoryStore):
        supports_listing = False

    for cache in (NoListing({"old": buffer(b"x")}), Faulty({"old": buffer(b"x")})):
        if isinstance(cache, Faulty):
            cache.failing = {"getsize"}
        store = CacheStore(filled(a=b"aaa"), cache_store=cache, max_size=3)
        assert [await read(store, "a"), await read(store, "a")] == [b"aaa"] * 2
        assert stats(store)[:2] == (1, 1)
    assert len(caplog.records) == 1
    assert "getsize failed" in caplog.text


# --- making one -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"max_age_seconds": "soon"}, ValueError, "string value must be 'infinity'"),
        ({"max_age_seconds": None}, TypeError, "max_age_seconds must be a number or 'infinity'"),
        ({"max_age_seconds": True}, TypeError, "max_age_seconds must be a number or 'infinity'"),
        ({"max_age_seconds": float("nan")}, ValueError, "got nan"),
        ({"max_size": -1}, ValueError, "max_size must be 0 or more"),
        ({"max_size": 1.5}, TypeError, "Expected an integer"),
    ],
)
def test_limits_that_are_none(
    parameters: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        CacheStore(MemoryStore(), cache_store=MemoryStore(), **parameters)


def test_stores_that_cannot_be_a_cache(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not support deletes"):
        CacheStore(MemoryStore(), cache_store=ZipStore(tmp_path / "x.zip", mode="w"))
    values: dict[str, Buffer] = {}
    managed = ManagedMemoryStore("cache-test", path="a")
    same: list[tuple[Store, Store]] = [
        (MemoryStore(values), MemoryStore(values, read_only=True)),
        (LoggingStore(MemoryStore(values)), MemoryStore(values)),
        (LocalStore(tmp_path), LocalStore(tmp_path, read_only=True)),
        (managed, managed.with_read_only(True)),
    ]
    for source, cache in same:
        with pytest.raises(ValueError, match="must not be the source store itself"):
            CacheStore(source, cache_store=cache)
    CacheStore(LocalStore(tmp_path), cache_store=LocalStore(tmp_path / "cache"))
    CacheStore(managed, cache_store=ManagedMemoryStore("cache-test", path="b"))


async def test_limits_that_are_set_count_from_then_on(clock: list[float]) -> None:
    source, cache = filled(a=b"x" * 4, b=b"y" * 4, c=b"z" * 4), MemoryStore()
    store = CacheStore(source, cache_store=cache, max_age_seconds=60)
    for key in "ab":
        await read(store, key)
    clock[0] += 10
    assert store._is_key_fresh("a")
    store.max_age_seconds = 5
    assert store.cache_info()["max_age_seconds"] == 5
    assert not store._is_key_fresh("a")
    before = stats(store)
    await read(store, "a")
    assert stats(store) != before
    assert store.cache_stats()["hits"] == 0
    store.max_age_seconds = "infinity"
    await read(store, "b")
    assert store.cache_stats()["hits"] == 1
    store.max_size = 8
    await read(store, "c")  # that was used longest ago makes room
    assert sorted(cache._store_dict) == ["b", "c"]
    assert store._state.evictions == 1
    store.cache_set_data = False
    await store.set("b", buffer(b"new"))
    assert sorted(cache._store_dict) == ["c"]
    for name, value in (("max_age_seconds", "x"), ("max_size", -1)):
        with pytest.raises(ValueError, match=name):
            setattr(store, name, value)
    assert (store.max_age_seconds, store.max_size) == ("infinity", 8)


async def test_the_size_that_is_set_counts_what_lay_there_before() -> None:
    cache = filled(old=b"x" * 6)
    store = CacheStore(filled(a=b"y" * 4), cache_store=cache)
    await read(store, "a")
    store.max_size = 8
    await store.set("b", buffer(b"z" * 3))
    assert store.cache_info()["current_size"] == 7
    assert sorted(cache._store._store_dict) == ["a", "b"]


async def test_an_age_that_is_not_known_is_too_old_once_age_matters() -> None:
    store = CacheStore(filled(a=b"new"), cache_store=filled(a=b"old"))
    assert await read(store, "a") == b"old"
    store.max_age_seconds = 1e9
    assert not store._is_key_fresh("a")
    assert await read(store, "a") == b"new"


async def test_what_users_read_of_the_state(clock: list[float]) -> None:
    source, cache = filled(a=b"x" * 4, b=b"y" * 4), MemoryStore()
    store = CacheStore(source, cache_store=cache, max_age_seconds=60)
    assert store._cache is cache
    await read(store, "a")
    clock[0] += 1
    await read(store, "b", FIRST)
    await read(store, "a")
    state = store._state
    assert list(state.cache_order) == [("b", FIRST), "a"]
    assert state.key_sizes == {"a": 4, ("b", FIRST): 2}
    assert (state.current_size, state.hits, state.misses, state.evictions) == (6, 1, 2, 0)
    times = state.key_insert_times
    assert times[("b", FIRST)] - times["a"] == 1
    assert set(times) == set(state.key_sizes)
    times["a"] -= 60  # it grows old
    assert not store._is_key_fresh("a")
    await read(store, "a")
    assert state.misses == 3
    assert store._is_key_fresh("a")
    del state.key_insert_times["a"]
    assert not store._is_key_fresh("a")
    await store.delete("a")
    assert (set(state.key_sizes), state.current_size) == ({("b", FIRST)}, 2)
    await store.clear_cache()
    assert (dict(state.cache_order), state.current_size, len(times)) == ({}, 0, 2)
    assert len(state.key_insert_times) == 0


async def test_views_share_the_cache() -> None:
    store = CacheStore(filled(a=b"a"), cache_store=MemoryStore(), max_size=7, max_age_seconds=9)
    view = store.with_read_only(True)
    assert view.read_only
    assert await read(view, "a") == await read(store, "a") == b"a"
    assert view.cache_stats() == store.cache_stats()
    assert stats(store) == (1, 1, 0)
    assert view.cache_info() == store.cache_info()
    await store.set("a", buffer(b"b"))
    assert await read(view, "a") == b"b"


async def test_pickles_go_on_with_what_the_cache_store_holds(tmp_path: Path) -> None:
    source = LocalStore(tmp_path / "source")
    store = CacheStore(source, cache_store=LocalStore(tmp_path / "cache"), max_size=100)
    await store.set("a", buffer(b"0123"))
    await store.set("b", buffer(b"0123"))
    await store.set("b", buffer(b"4567"))
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    assert again.cache_info() == store.cache_info() | {
        "current_size": 0,
        "tracked_keys": 0,
        "cached_keys": 0,
    }
    await source.clear()
    assert await bulk(again, ["a", ("b", LAST)]) == {0: b"0123", 1: b"67"}
    assert await read(again, "a") == b"0123"


async def test_a_forked_process_waits_for_nobody_of_its_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Waiting({"a": b"a"})
    store = CacheStore(source, cache_store=MemoryStore())
    reading = asyncio.create_task(read(store, "a"))
    await step()
    parent = store._state
    async with parent.cache.changing("a"):
        monkeypatch.setattr(os, "getpid", lambda: -1)
        source.gate.set()
        await store.set("a", buffer(b"b"))
        assert await read(store, "a") == b"b"
        assert store._state is not parent
    await reading


async def test_closing_closes_both() -> None:
    source, cache = await MemoryStore.open(), await MemoryStore.open()
    with CacheStore(source, cache_store=cache) as store:
        assert store._is_open
    assert not source._is_open
    assert not cache._is_open
    source, cache = await MemoryStore.open(), await MemoryStore.open()
    CacheStore(source, cache_store=cache).close()
    assert not source._is_open
    assert not cache._is_open
