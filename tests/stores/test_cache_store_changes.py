"""A cache in front of a store while values change, many read at once, and things fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
from tests.stores.bulk_kit import DictStore, Request, bulk
from tests.stores.cache_kit import (
    FIRST,
    FROM,
    LAST,
    Faulty,
    Waiting,
    contents,
    filled,
    ranges,
    read,
    stats,
    step,
)
from tests.stores.store_kit import PROTOTYPE, buffer
from tests.waiting import PATIENCE

from zarr.abc.store import Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.core.sync import sync
from zarr.experimental.cache_store import CacheStore
from zarr.storage import MemoryStore

# --- one read for all who ask at the same time ----------------------------------------------


async def test_readers_of_one_key_share_a_read() -> None:
    source = Waiting({"a": b"0123", "b": b"b"})
    store = CacheStore(source, cache_store=MemoryStore())
    reads = [asyncio.create_task(read(store, "a")) for _ in range(10)]
    reads += [asyncio.create_task(read(store, *other)) for other in (("b",), ("a", FIRST))]
    await step()
    assert source.got == [("a", None), ("b", None), ("a", FIRST)]
    reads[0].cancel()  # the one who began it
    await step()
    source.gate.set()
    assert await asyncio.gather(*reads[1:]) == [b"0123"] * 9 + [b"b", b"01"]
    assert source.cancelled == 0
    assert store._shared.flights._by_key == {}


async def test_a_read_that_nobody_waits_for_ends() -> None:
    source = Waiting({"a": b"0123"})
    store = CacheStore(source, cache_store=MemoryStore())
    before = asyncio.all_tasks()
    reads = [asyncio.create_task(read(store, "a")) for _ in range(3)]
    await step()
    for task in reads:
        task.cancel()
    await asyncio.gather(*reads, return_exceptions=True)
    assert source.cancelled == 1
    assert asyncio.all_tasks() == before
    assert store._shared.flights._by_key == {}
    source.gate.set()
    assert await read(store, "a") == b"0123"


async def test_a_failure_reaches_all_who_wait() -> None:
    source = Waiting({"a": b"0123"})
    source.failure = PermissionError("denied")
    store = CacheStore(source, cache_store=MemoryStore())
    reads = [asyncio.create_task(read(store, "a")) for _ in range(3)]
    await step()
    source.gate.set()
    failures = await asyncio.gather(*reads, return_exceptions=True)
    assert [type(failure) for failure in failures] == [PermissionError] * 3
    source.failure = None
    assert await read(store, "a") == b"0123"


def test_readers_on_other_loops_read_by_themselves() -> None:
    store = CacheStore(filled(a=b"0123"), cache_store=MemoryStore())
    found: list[Any] = []

    def reader() -> None:
        found.append(asyncio.run(read(store, "a")))

    threads = [threading.Thread(target=reader) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert found == [b"0123"] * 8
    assert sync(read(store, "a")) == b"0123"


# --- writing while others read ----------------------------------------------------------------


CHANGES: dict[str, Callable[[Store], Any]] = {
    "set": lambda store: store.set("g/a", buffer(b"new!")),
    "delete": lambda store: store.delete("g/a"),
    "delete_dir": lambda store: store.delete_dir("g"),
    "clear": lambda store: store.clear(),
}
READS: dict[str, Callable[[Store], Any]] = {
    "get": lambda store: read(store, "g/a"),
    "get_many": lambda store: bulk(store, ["g/a", "g/b"]),
    "get_ranges": lambda store: ranges(store, "g/a", [FIRST]),
}
OLD: list[Any] = [b"old!", {0: b"old!", 1: None}, {0: b"ol"}]


class Noting(MemoryStore):
    """Notes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    async def set(self, key: str, value: Buffer, byte_range: None = None) -> None:
        self.written.append(value.to_bytes())
        await super().set(key, value)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("how", READS)
async def test_what_was_read_before_a_change_is_not_cached_after_it(change: str, how: str) -> None:
    source, cache = Waiting({"g/a": b"old!"}), Noting()
    store = CacheStore(source, cache_store=cache)
    reading = asyncio.create_task(READS[how](store))
    await step()
    assert source.got
    await CHANGES[change](store)
    expected = b"new!" if change == "set" else None
    late = asyncio.create_task(read(store, "g/a"))  # may not join the read of before
    await step()
    source.gate.set()
    assert await reading in OLD
    assert await late == await read(store, "g/a") == expected
    assert contents(cache) == ({"g/a": b"new!"} if change == "set" else {})
    assert set(cache.written) <= {b"new!"}


@pytest.mark.parametrize("answered_first", [False, True])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("how", READS)
async def test_what_is_read_during_a_change_is_not_cached_after_it(
    change: str, how: str, answered_first: bool
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def blocked() -> None:
        begun.set()
        await go_on.wait()

    class Slow(Waiting):
        async def set(self, key: str, value: Buffer) -> None:
            await blocked()
            await super().set(key, value)

        async def delete(self, key: str) -> None:
            await blocked()
            await super().delete(key)

    source, cache = Slow({"g/a": b"old!"}), Noting()
    store = CacheStore(source, cache_store=cache, cache_set_data=False)
    changing = asyncio.create_task(CHANGES[change](store))
    await begun.wait()
    reading = asyncio.create_task(READS[how](store))
    await step()
    if answered_first:
        source.gate.set()
        assert await reading in OLD
    go_on.set()
    await changing
    late = asyncio.create_task(read(store, "g/a"))
    await step()
    source.gate.set()
    assert await reading in OLD
    assert await late == await read(store, "g/a") == (b"new!" if change == "set" else None)
    assert set(cache.written) <= {b"new!"}


@pytest.mark.parametrize("change", ["delete_dir", "clear", "clear_cache"])
@pytest.mark.parametrize("how", ["set", "get", "get_ranges"])
async def test_a_copy_being_written_does_not_outlive_what_is_deleted(change: str, how: str) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow(MemoryStore):
        async def set(self, key: str, value: Buffer, byte_range: None = None) -> None:
            begun.set()
            await go_on.wait()
            await super().set(key, value)

    source, cache = MemoryStore({"g/a": buffer(b"old!")}), Slow()
    store = CacheStore(source, cache_store=cache)
    copying = asyncio.create_task({**CHANGES, **READS}[how](store))
    await begun.wait()
    await (store.clear_cache() if change == "clear_cache" else CHANGES[change](store))
    go_on.set()
    await copying
    assert contents(cache) == {}
    assert store.cache_info()["current_size"] == store.cache_info()["tracked_keys"] == 0
    assert await read(store, "g/a") == await read(source, "g/a")


async def test_two_reads_of_one_key_write_one_copy() -> None:
    source, cache = Waiting({"a": b"0123"}), Noting()
    store = CacheStore(source, cache_store=cache)
    reads = [asyncio.create_task(how) for how in (bulk(store, ["a"]), bulk(store, ["a", "b"]))]
    await step()
    source.gate.set()
    await asyncio.gather(*reads)
    assert cache.written == [b"0123"]


async def test_changes_of_one_key_take_turns() -> None:
    """Else the cache could be left with one value and the source with the other."""
    order: list[str] = []

    class Slow(MemoryStore):
        async def set(self, key: str, value: Buffer, byte_range: None = None) -> None:
            order.append(f"{value.to_bytes().decode()} begins")
            await step()
            await super().set(key, value)
            order.append(f"{value.to_bytes().decode()} ends")

    source = Slow()
    store = CacheStore(source, cache_store=MemoryStore())
    await asyncio.gather(*(store.set("k", buffer(name.encode())) for name in "ab"))
    assert order == ["a begins", "a ends", "b begins", "b ends"]
    assert contents(source) == contents(store._cache_store) == {"k": b"b"}


async def test_a_change_that_is_given_up_lets_the_next_one_in() -> None:
    class Stuck(MemoryStore):
        async def set(self, key: str, value: Buffer, byte_range: None = None) -> None:
            if value.to_bytes() == b"stuck":
                await asyncio.Event().wait()
            await super().set(key, value)

    store = CacheStore(Stuck({"k": buffer(b"old")}), cache_store=MemoryStore())
    stuck, waiting, last = (
        asyncio.create_task(store.set("k", buffer(value))) for value in (b"stuck", b"x", b"last")
    )
    await step()
    assert await read(store, "k") == b"old"
    waiting.cancel()
    await step()
    assert not last.done()
    stuck.cancel()
    await last
    assert await read(store, "k") == b"last"
    assert store._shared.cache._locks._queues == {}


async def test_what_is_written_is_copied() -> None:
    memory = np.frombuffer(bytearray(b"0123"), "u1")
    source = DictStore()  # which copies
    store = CacheStore(source, cache_store=MemoryStore())
    await store.set("a", type(buffer(b"")).from_array_like(cast(Any, memory)))
    memory[:] = 0
    assert await read(store, "a") == await read(source, "a") == b"0123"


async def test_without_caching_of_what_is_written() -> None:
    source = filled(a=b"old", b=b"old")
    store = CacheStore(source, cache_store=MemoryStore(), cache_set_data=False)
    await read(store, "a", FIRST)
    await read(store, "b", FIRST)
    await store.set("a", buffer(b"new"))
    await store.delete("b")
    assert contents(store._cache_store) == {}
    await read(store, "a")
    await store.set("a", buffer(b"new"))
    assert contents(store._cache_store) == {}
    assert await read(store, "a") == b"new"


async def test_set_if_not_exists_leaves_no_copy_of_something_else() -> None:
    source = filled(a=b"old")
    store = CacheStore(source, cache_store=MemoryStore())
    await read(store, "a")
    await source._store.delete("a")
    await store.set_if_not_exists("a", buffer(b"new"))
    assert await read(store, "a") == b"new"


async def test_below_a_prefix() -> None:
    names = ["g/a", "g/b/c", "ga", "h"]
    source = MemoryStore({name: buffer(b"0123") for name in [*names, "g/d"]})
    cache = MemoryStore({"g/left": buffer(b"of somebody else")})
    store = CacheStore(source, cache_store=cache)
    await bulk(store, names[:2] + names[3:])
    await read(store, "ga", FIRST)
    await read(store, "g/d", FIRST)
    await store.delete_dir("g")
    assert len(contents(cache)) == 2
    assert await bulk(store, [*names, "g/left"]) == dict(
        enumerate([None, None, b"0123", b"0123", None])
    )
    assert sorted(contents(cache)) == ["ga", "h"]
    await store.clear()
    assert contents(cache) == contents(source) == {}
    assert store.cache_info()["tracked_keys"] == store.cache_info()["current_size"] == 0


# --- faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", ["get", "set", "both"])
async def test_reading_survives_faults_of_the_cache(
    failing: str, caplog: pytest.LogCaptureFixture
) -> None:
    source, cache = filled(a=b"0123"), Faulty()
    store = CacheStore(source, cache_store=cache)
    await store.set("b", buffer(b"4567"))
    cache.failing = {"get", "set"} if failing == "both" else {failing}
    wanted: list[Request] = ["a", "b", ("b", FIRST), "nope"]
    for _ in range(2):
        assert await bulk(store, wanted) == {0: b"0123", 1: b"4567", 2: b"45", 3: None}
        assert [await read(store, "a"), await read(store, "b", LAST)] == [b"0123", b"67"]
        assert await ranges(store, "b", [LAST]) == {0: b"67"}
    assert "the cache failed to" in caplog.text
    cache.failing = set()
    assert await bulk(store, wanted) == {0: b"0123", 1: b"4567", 2: b"45", 3: None}


async def test_a_fault_amid_a_bulk_read_of_the_cache() -> None:
    class Breaking(MemoryStore):
        async def get_many(self, requests: Any, *, prototype: BufferPrototype) -> Any:
            async for batch in super().get_many(requests, prototype=prototype):
                yield batch[:1]
                raise OSError("lost the connection")

    source, cache = filled(a=b"a", b=b"b", c=b"c"), Breaking()
    store = CacheStore(source, cache_store=cache)
    for key in "ab":
        await read(store, key)
    source.reset()
    assert await bulk(store, ["a", "b", "c"]) == {0: b"a", 1: b"b", 2: b"c"}
    asked = [(asked.method, asked.key) for asked in source.asked]
    assert asked == [("get_many", "c"), ("get_many", "b")]


async def test_copies_that_were_deleted_or_cut_are_read_again() -> None:
    source, cache = filled(a=b"0123", b=b"0123", c=b"0123"), MemoryStore()
    store = CacheStore(source, cache_store=cache)
    for break_it in (dict.popitem, lambda values: values.update(a=buffer(b"01"))):
        await bulk(store, ["a", "b", ("c", FROM)])
        for key in list(cache._store_dict):
            cache._store_dict[key] = cache._store_dict[key][:1]
        break_it(cast(Any, cache._store_dict))
        assert await bulk(store, ["a", ("b", LAST), ("c", FROM)]) == {
            0: b"0123",
            1: b"23",
            2: b"23",
        }
        cache._store_dict.clear()
        for _ in range(2):
            assert [await read(store, "a"), await read(store, "b", LAST)] == [b"0123", b"23"]
    source.reset()
    assert [await read(store, "a"), await read(store, "b", LAST)] == [b"0123", b"23"]
    assert source.asked == []


@pytest.mark.parametrize("call", ["set", "delete", "set_if_not_exists", "delete_dir", "clear"])
@pytest.mark.parametrize("where", ["source", "cache"])
async def test_a_change_that_fails_leaves_no_doubt(where: str, call: str) -> None:
    """After it, and again after a new start, reading gives what the source has."""
    source, cache = Faulty({"g/a": buffer(b"old")}), Faulty()
    store = CacheStore(source, cache_store=cache)
    await read(store, "g/a")
    await read(store, "g/b")
    calls: dict[str, Callable[[], Any]] = {
        "set": lambda: store.set("g/a", buffer(b"new")),
        "delete": lambda: store.delete("g/a"),
        "set_if_not_exists": lambda: store.set_if_not_exists("g/a", buffer(b"new")),
        "delete_dir": lambda: store.delete_dir("g"),
        "clear": lambda: store.clear(),
    }
    broken = source if where == "source" else cache
    broken.failing = {"set", "delete", "delete_dir"}
    with pytest.raises(OSError, match="failed") as raised:
        await calls[call]()
    if where == "cache" and call in ("set", "delete", "set_if_not_exists"):
        assert raised.value.__notes__ == ["while removing 'g/a', about to change, from the cache"]
    assert contents(source) == {"g/a": b"old"}
    assert await read(store, "g/a") == await read(store, "g/a") == b"old"
    broken.failing = set()
    assert await read(CacheStore(source, cache_store=cache), "g/a") == b"old"
    await calls[call]()
    there = (await source.get("g/a", PROTOTYPE)) is not None
    assert there == (call in ("set", "set_if_not_exists"))
    assert await read(store, "g/a") == await read(source, "g/a")


async def test_a_write_whose_copy_fails_is_done() -> None:
    source, cache = MemoryStore({"a": buffer(b"old")}), Faulty()
    store = CacheStore(source, cache_store=cache)
    await read(store, "a")
    cache.failing = {"set"}
    await store.set("a", buffer(b"new"))
    assert contents(source) == {"a": b"new"}
    assert contents(cache) == {}
    assert await read(store, "a") == b"new"


@pytest.mark.parametrize("how", ["get", "set"])
async def test_what_is_left_of_a_copy_that_failed_is_not_used_later(how: str) -> None:
    class Full(MemoryStore):
        async def set(self, key: str, value: Buffer, byte_range: None = None) -> None:
            await super().set(key, value[:1])
            raise OSError("no space left")

    source, cache = MemoryStore({"g/a": buffer(b"old!")}), Full()
    store = CacheStore(source, cache_store=cache)
    await {**CHANGES, **READS}[how](store)
    assert contents(cache) == {}
    for reader in (store, CacheStore(source, cache_store=cache)):
        assert await read(reader, "g/a") == await read(source, "g/a")


async def test_bytes_that_cannot_be_deleted_are_not_believed() -> None:
    source, cache = MemoryStore({"a": buffer(b"0123"), "b": buffer(b"0123")}), Faulty()
    store = CacheStore(source, cache_store=cache, max_size=6)
    await read(store, "a", FIRST)
    cache.failing = {"delete", "exists"}
    with pytest.raises(OSError, match="delete failed"):
        await store.set("a", buffer(b"new!"))
    cache.failing = {"exists"}
    await store.set("a", buffer(b"new!"))
    cache.failing = {"delete"}
    assert await read(store, "a", FIRST) == b"ne"
    assert await read(store, "b") == b"0123"  # there is no room, and none can be made
    assert store.cache_info()["current_size"] == 4
    cache.failing = set()
    assert await read(store, "b") == b"0123"
    assert contents(cache) == {"b": b"0123"}


async def test_clearing_the_cache_leaves_the_source() -> None:
    source, cache = filled(a=b"a", b=b"b"), Faulty({"c": buffer(b"of somebody else")})
    store = CacheStore(source, cache_store=cache)
    await bulk(store, ["a", ("b", LAST)])
    cache.failing = {"delete_dir"}
    with pytest.raises(OSError, match="delete_dir failed"):
        await store.clear_cache()
    assert stats(store) == (0, 2, 0)
    assert await bulk(store, ["a"]) == {0: b"a"}  # not from what is left in the cache
    assert stats(store) == (0, 3, 0)
    cache.failing = set()
    await store.clear_cache()
    assert contents(cache) == {}
    assert store.cache_info()["current_size"] == store.cache_info()["cached_keys"] == 0
    assert contents(source._store) == {"a": b"a", "b": b"b"}
    assert stats(store) == (0, 3, 0)


async def test_refused_changes_touch_nothing() -> None:
    source = MemoryStore({"a": buffer(b"x")}, read_only=True)
    store = CacheStore(source, cache_store=MemoryStore())
    await read(store, "a")
    for change in (store.set("a", buffer(b"y")), store.delete("a"), store.clear()):
        with pytest.raises(ValueError, match="read-only mode"):
            await change
    assert contents(store._cache_store) == {"a": b"x"}
    await store.clear_cache()
    assert contents(store._cache_store) == {}
