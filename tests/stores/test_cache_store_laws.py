"""What holds of a cache in front of a store, whatever is done and in whatever order it happens."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.stores.bulk_kit import Request, bulk, one_by_one
from tests.stores.cache_kit import Faulty, contents, ranges, read
from tests.stores.store_kit import buffer

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer
from zarr.experimental._flights import Flights
from zarr.experimental._key_locks import KeyLocks
from zarr.experimental._ledger import Entry, Ledger
from zarr.experimental.cache_store import CacheStore
from zarr.storage import MemoryStore

KEYS = ("a", "g/a", "g2")
PARTS = (RangeByteRequest(0, 2), OffsetByteRequest(1), SuffixByteRequest(2), RangeByteRequest(3, 9))
keys = st.sampled_from(KEYS)
values = st.sampled_from([b"", b"12", b"3456", b"6543", b"789abc"])
parts: st.SearchStrategy[ByteRequest | None] = st.sampled_from([None, *PARTS])
requests: st.SearchStrategy[Request] = keys | st.tuples(keys, parts)
CALLS: list[st.SearchStrategy[tuple[Any, ...]]] = [
    st.tuples(st.just("set"), keys, values),
    st.tuples(st.just("get"), keys, parts),
    st.tuples(st.just("get_many"), st.lists(requests, max_size=8)),
    st.tuples(st.just("get_ranges"), keys, st.lists(parts, max_size=5)),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("set_if_not_exists"), keys, values),
    st.tuples(st.just("delete_dir"), st.sampled_from(["", "g", "g/a"])),
    st.tuples(st.sampled_from(["clear", "clear_cache"])),
]
FAILING = st.sets(st.sampled_from(["get", "set", "delete", "delete_dir", "exists"]), max_size=3)
TROUBLE: list[st.SearchStrategy[tuple[Any, ...]]] = [
    st.tuples(st.just("again")),
    st.tuples(st.just("break"), st.booleans(), FAILING),
]
options = st.fixed_dictionaries(
    {"max_size": st.none() | st.integers(0, 15), "cache_set_data": st.booleans()}
)


READS = {"get", "get_many", "get_ranges"}


async def perform(store: CacheStore, step: tuple[Any, ...]) -> None:
    method, *arguments = step
    if method.startswith("set"):
        arguments[1] = buffer(arguments[1])
    await getattr(store, method)(*arguments)


async def check(store: CacheStore, step: tuple[Any, ...]) -> None:
    """Read by the cache what is read from the source."""
    method, *arguments = step
    source = store._store
    if method == "get":
        assert await read(store, *arguments) == await read(source, *arguments)
    elif method == "get_many":
        assert await bulk(store, *arguments) == await one_by_one(source, *arguments)
    elif method == "get_ranges" and await source.exists(arguments[0]):
        key, wanted = arguments
        expected = {index: await read(source, key, part) for index, part in enumerate(wanted)}
        assert await ranges(store, key, wanted) == expected


async def check_all(store: CacheStore) -> None:
    for key in KEYS:
        # Parts first: afterwards they are cut out of the whole value.
        for part in (*PARTS, None):
            await check(store, ("get", key, part))


@given(script=st.lists(st.one_of(CALLS), max_size=20), options=options)
def test_it_reads_what_the_source_holds(
    script: list[tuple[Any, ...]], options: dict[str, Any]
) -> None:
    async def run() -> None:
        cache = MemoryStore()
        store = CacheStore(MemoryStore(), cache_store=cache, **options)
        for step in script:
            if step[0] in READS:
                await check(store, step)
            else:
                await perform(store, step)
            nbytes = sum(map(len, contents(cache).values()))
            assert nbytes == store.cache_info()["current_size"]
            assert len(contents(cache)) == store.cache_info()["tracked_keys"]
            assert options["max_size"] is None or nbytes <= options["max_size"]
        await check_all(store)

    asyncio.run(run())


@given(script=st.lists(st.one_of(CALLS + TROUBLE), max_size=25), options=options)
def test_it_does_so_whatever_fails(script: list[tuple[Any, ...]], options: dict[str, Any]) -> None:
    """Now and then the cache fails, or the source in a change, or all starts anew."""

    async def run() -> None:
        source, cache = Faulty(), Faulty()
        store = CacheStore(source, cache_store=cache, **options)
        failing: set[str] = set()
        for step in script:
            if step == ("again",):
                store = CacheStore(source, cache_store=cache, **options)
            elif step[0] == "break" and step[1]:
                failing = step[2]
            elif step[0] == "break":
                cache.failing = step[2]
            elif step[0] in READS:
                await check(store, step)
            else:
                before = contents(source)
                source.failing = failing
                try:
                    await perform(store, step)
                except OSError:
                    assert failing | cache.failing
                    # What has been done in the source would not be reported as a failure.
                    assert contents(source) == before
                source.failing = set()
        cache.failing = set()
        await check_all(CacheStore(source, cache_store=cache, **options))
        await check_all(store)

    asyncio.run(run())


class Unsteady(MemoryStore):
    """Takes a random number of turns of the loop before and after it does something."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance

    async def _turns(self) -> None:
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)

    async def get(self, *args: Any, **kwargs: Any) -> Buffer | None:
        await self._turns()
        found = await super().get(*args, **kwargs)
        await self._turns()
        return found

    async def set(self, key: str, value: Buffer, byte_range: None = None) -> None:
        await self._turns()
        await super().set(key, value)
        await self._turns()

    async def delete(self, key: str) -> None:
        await self._turns()
        await super().delete(key)
        await self._turns()

    async def delete_dir(self, prefix: str) -> None:
        await self._turns()
        await super().delete_dir(prefix)
        await self._turns()


@pytest.mark.parametrize("max_size", [None, 30])
@pytest.mark.parametrize("seed", range(60))
async def test_nothing_out_of_date_is_read(seed: int, max_size: int | None) -> None:
    """A read that begins after a write has ended sees that write, or a later one."""
    chance = random.Random(seed)
    source, cache = Unsteady(chance), Unsteady(chance)
    store = CacheStore(
        source, cache_store=cache, max_size=max_size, cache_set_data=chance.random() < 0.5
    )
    names = ["g/a", "g/b", "c"]
    written: dict[str, int] = defaultdict(int)
    begun: dict[str, int] = defaultdict(int)

    def number(value: bytes | None) -> int | None:
        return None if value is None else int(value.rstrip(b".") or b"0")

    async def write(key: str) -> None:
        for _ in range(6):
            begun[key] += 1
            mine = begun[key]
            # Numbered and padded, so that parts of values can be told apart too.
            await store.set(key, buffer(f"{mine}".encode() + b"." * chance.randrange(4)))
            written[key] = mine
            if chance.random() < 0.3:
                await store.delete_dir("h")  # something else

    async def reader() -> None:
        for _ in range(12):
            key = chance.choice(names)
            least = written[key]
            how = chance.randrange(4)
            if how == 0:
                value = await read(store, key)
            elif how == 1:
                value = await read(store, key, RangeByteRequest(0, 3))
            elif how == 2:
                value = (await bulk(store, [key, "nope"]))[0]
            elif least:
                value = (await ranges(store, key, [OffsetByteRequest(0)]))[0]
            else:
                continue
            found = number(value) or 0
            assert least <= found <= begun[key]

    await asyncio.gather(*map(write, names), *(reader() for _ in range(5)))
    before = asyncio.all_tasks()
    for _ in range(2):
        for key in names:
            assert number(await read(store, key)) == 6
    assert asyncio.all_tasks() == before
    for key, value in contents(cache).items():
        assert value == contents(source).get(key, value)


@pytest.mark.parametrize("seed", range(60))
async def test_changes_of_all_kinds_at_once(seed: int) -> None:
    """Once all is quiet, the cache and the source agree."""
    chance = random.Random(seed)
    source, cache = Unsteady(chance), Unsteady(chance)
    store = CacheStore(
        source,
        cache_store=cache,
        max_size=chance.choice([None, 20]),
        cache_set_data=chance.random() < 0.5,
    )
    names = ["g/a", "g/b", "h"]

    async def work(value: bytes) -> None:
        for _ in range(8):
            key = chance.choice(names)
            todo: list[Callable[[], Awaitable[object]]] = [
                lambda key=key: store.set(key, buffer(value)),  # type: ignore[misc]
                lambda key=key: store.delete(key),  # type: ignore[misc]
                lambda key=key: store.set_if_not_exists(key, buffer(value)),  # type: ignore[misc]
                lambda key=key: read(store, key),  # type: ignore[misc]
                lambda key=key: read(store, key, SuffixByteRequest(2)),  # type: ignore[misc]
                lambda: bulk(store, [*names]),
                lambda: store.delete_dir("g"),
                store.clear,
                store.clear_cache,
            ]
            weights = [6, 2, 1, 3, 2, 3, 1, 1, 1]
            task = asyncio.ensure_future(chance.choices(todo, weights)[0]())
            if chance.random() < 0.2:
                await asyncio.sleep(0)
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled() or task.exception() is None

    await asyncio.gather(*(work(str(i).encode() * (i + 2)) for i in range(6)))
    assert store._shared.cache._locks._queues == {}
    assert store._shared.flights._by_key == {}
    for reader in (store, CacheStore(source, cache_store=cache)):
        for key in names:
            expected = await read(source, key)
            end = None if expected is None else expected[-2:]
            assert await read(reader, key, SuffixByteRequest(2)) == end
            assert await read(reader, key) == expected
    await store.clear_cache()
    assert store.cache_info()["current_size"] == store.cache_info()["tracked_keys"] == 0


@pytest.mark.parametrize("seed", range(30))
async def test_locks_are_held_by_one_and_never_lost(seed: int) -> None:
    chance = random.Random(seed)
    locks = KeyLocks()
    inside: set[str] = set()

    async def hold(key: str) -> None:
        if chance.random() < 0.3:
            if not locks.try_acquire(key):
                return
        else:
            await locks.acquire(key)
        try:
            assert key not in inside
            assert locks.held(key)
            inside.add(key)
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)
            inside.remove(key)
        except asyncio.CancelledError:
            inside.remove(key)
            raise
        finally:
            locks.release(key)

    tasks = [asyncio.create_task(hold(chance.choice("ab"))) for _ in range(40)]
    while not all(task.done() for task in tasks):
        if chance.random() < 0.3:
            chance.choice(tasks).cancel()
        await asyncio.sleep(0)
    assert all(task.cancelled() or task.exception() is None for task in tasks)
    assert locks._queues == {}


async def test_flights_of_different_kinds_are_apart() -> None:
    flights: Flights[int] = Flights()
    began: list[int] = []

    def fetch(number: int) -> Callable[[], Awaitable[int]]:
        async def fetching() -> int:
            began.append(number)
            await asyncio.sleep(0)
            return number

        return fetching

    found = await asyncio.gather(
        flights.join("a", 1, fetch(1)),
        flights.join("a", 1, fetch(2)),
        flights.join("a", 2, fetch(3)),
        flights.join("b", 1, fetch(4)),
    )
    assert list(found) == [1, 1, 3, 4]
    assert began == [1, 3, 4]


def test_entries_that_turn_up_are_entered_unless_something_happened() -> None:
    ledger = Ledger(float("inf"), 4)

    def found(name: str) -> Entry:
        return Entry(name, name, None, 1, 0, valid=True)

    with ledger.watching() as since:
        ledger.begin_change("changed")
        ledger.end_change("changed")
        busy = {"busy"}
        for name, used in (("a", True), ("changed", True), ("busy", True), ("b", False)):
            ledger.adopt([found(name)], since, busy.__contains__, used=used)
        ledger.adopt([found("b"), found("c")], since, busy.__contains__, used=True)
    assert (len(ledger), ledger.nbytes) == (3, 3)
    victim = ledger.evictable("a", busy.__contains__)
    assert victim is not None
    assert victim.name == "b"
    # Somebody writes it anew meanwhile.
    assert not ledger.reserve(Entry("b", "b", None, 3, 0))
    assert ledger.reserve(Entry("b", "b", None, 2, 0))
    ledger.forget(victim)
    assert (len(ledger), ledger.nbytes) == (3, 4)
