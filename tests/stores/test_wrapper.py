"""Stores around stores."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from tests.stores.store_kit import PROTOTYPE, AsyncOnlyStore, WrapperTests, buffer

from zarr.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.core.sync import sync
from zarr.storage import LoggingStore, MemoryStore, WrapperStore
from zarr.testing.recording import RecordingStore
from zarr.testing.store import LatencyStore


class TestWrapperStore(WrapperTests):
    store_cls = WrapperStore

    def test_store_repr(self, store: Any) -> None:
        assert str(store) == f"wrapping-{store._store}"
        assert repr(store) == f"WrapperStore(MemoryStore, '{store._store}')"


class TestLatencyStore(WrapperTests):
    store_cls = LatencyStore

    def test_store_repr(self, store: Any) -> None:
        assert repr(store) == f"LatencyStore(MemoryStore, '{store._store}')"


# --- forwarding -------------------------------------------------------------------------

# Made of other methods of the wrapper, which are forwarded or overridden.
DERIVED = {
    "_get_many",
    "_get_many_sync",
    "_get_many_in_thread",
}
OF_THE_OBJECT = {"__init__", "__init_subclass__", "__hash__"}
METHODS = {
    name
    for name, value in vars(Store).items()
    if (callable(value) or isinstance(value, (property, classmethod))) and name not in OF_THE_OBJECT
}


def test_every_method_of_a_store_is_overridden() -> None:
    """One that is not would act on the wrapper, which holds nothing."""
    missing = METHODS - DERIVED - set(vars(WrapperStore))
    assert missing == set()


@pytest.mark.parametrize("name", sorted(METHODS - DERIVED - {"__eq__", "open"}))
def test_signatures_are_those_of_a_store(name: str) -> None:
    if not inspect.isfunction(vars(Store)[name]):
        assert type(vars(WrapperStore)[name]) is type(vars(Store)[name])
        return
    of_store = inspect.signature(vars(Store)[name]).parameters
    of_wrapper = inspect.signature(vars(WrapperStore)[name]).parameters
    assert [(p.name, p.kind) for p in of_wrapper.values()] == [
        (p.name, p.kind) for p in of_store.values()
    ]


class Spy(MemoryStore):
    """Notes the name of each method that is called."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.called: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in METHODS or name.endswith("_sync"):
            self.called.append(name)
        return super().__getattribute__(name)


ASKED: dict[str, Callable[[Any], Any]] = {
    "get": lambda s: s.get("a", PROTOTYPE),
    "get_partial_values": lambda s: s.get_partial_values(PROTOTYPE, [("a", None)]),
    "get_many": lambda s: s.get_many(["a"], prototype=PROTOTYPE),
    "get_ranges": lambda s: s.get_ranges("a", [RangeByteRequest(0, 1)], prototype=PROTOTYPE),
    "get_sync": lambda s: s.get_sync("a", prototype=PROTOTYPE),
    "get_ranges_sync": lambda s: s.get_ranges_sync("a", [None], prototype=PROTOTYPE),
    "exists": lambda s: s.exists("a"),
    "getsize": lambda s: s.getsize("a"),
    "getsize_prefix": lambda s: s.getsize_prefix(""),
    "set": lambda s: s.set("b", buffer(b"x")),
    "set_sync": lambda s: s.set_sync("b", buffer(b"x")),
    "set_if_not_exists": lambda s: s.set_if_not_exists("b", buffer(b"x")),
    "delete": lambda s: s.delete("b"),
    "delete_sync": lambda s: s.delete_sync("b"),
    "delete_dir": lambda s: s.delete_dir("b"),
    "clear": lambda s: s.clear(),
    "list": lambda s: s.list(),
    "list_prefix": lambda s: s.list_prefix(""),
    "list_dir": lambda s: s.list_dir(""),
    "is_empty": lambda s: s.is_empty(""),
    "with_read_only": lambda s: s.with_read_only(True),
    "close": lambda s: s.close(),
    "read_only": lambda s: s.read_only,
    "supports_writes": lambda s: s.supports_writes,
    "supports_partial_writes": lambda s: s.supports_partial_writes,
    "supports_deletes": lambda s: s.supports_deletes,
    "supports_listing": lambda s: s.supports_listing,
    "supports_consolidated_metadata": lambda s: s.supports_consolidated_metadata,
    "_open": lambda s: s._open(),
    "_ensure_open": lambda s: s._ensure_open(),
    "_check_writable": lambda s: s._check_writable(),
    "__enter__": lambda s: s.__enter__(),
    "__exit__": lambda s: s.__exit__(None, None, None),
}


def test_all_methods_are_asked() -> None:
    apart = {"__eq__", "open", "_set_many", *DERIVED}
    assert METHODS - apart <= set(ASKED)


@pytest.mark.parametrize("wrapper", [WrapperStore, LoggingStore, RecordingStore])
@pytest.mark.parametrize("name", ASKED)
async def test_a_call_reaches_the_same_method(wrapper: type[WrapperStore[Any]], name: str) -> None:
    # Where `get_sync` is overridden, parts are read by it, merged.
    derived = name == "get_ranges_sync" and wrapper is not WrapperStore
    spy = Spy({"a": buffer(b"0123")})
    store = wrapper(spy)
    spy.called.clear()
    answer = ASKED[name](store)
    if inspect.isasyncgen(answer):
        assert [item async for item in answer]
    elif inspect.isawaitable(answer):
        await answer
    assert spy.called[0] == ("get_sync" if derived else name)


async def test_limits_of_ranged_reads_are_passed_on() -> None:
    given: list[dict[str, Any]] = []

    class Noting(MemoryStore):
        async def get_ranges(self, key: str, byte_ranges: Any, **kwargs: Any) -> Any:
            given.append(kwargs)
            async for batch in super().get_ranges(key, byte_ranges, **kwargs):
                yield batch

    values: Any = {"a": buffer(b"0123")}
    for wrapper in (WrapperStore, LoggingStore, RecordingStore, LatencyStore):
        store = wrapper(wrapper(Noting(values)))
        async for _ in store.get_ranges("a", [None], prototype=PROTOTYPE):
            pass
        limits = {"max_concurrency": 3, "max_gap_bytes": 0, "max_coalesced_bytes": 9}
        async for _ in store.get_ranges("a", [None], prototype=PROTOTYPE, **limits):
            pass
        if wrapper is LatencyStore:  # each merged read waits, so it goes by `get`
            assert given == []
            continue
        assert given == [{"prototype": PROTOTYPE}, {"prototype": PROTOTYPE} | limits]
        given.clear()


async def test_the_life_of_a_wrapper_is_that_of_its_store() -> None:
    inner = MemoryStore()
    store = WrapperStore(inner)
    assert not store._is_open
    await store._ensure_open()
    assert inner._is_open
    with pytest.raises(ValueError, match="already open"):
        await store._open()
    store.close()
    assert not inner._is_open
    with await WrapperStore.open(MemoryStore) as opened:
        assert opened._store._is_open
    assert not opened._is_open
    assert (await WrapperStore.open(MemoryStore, read_only=True)).read_only


def test_equality() -> None:
    inner = MemoryStore()
    assert WrapperStore(inner) == WrapperStore(inner)
    assert WrapperStore(inner) != LatencyStore(inner)
    assert WrapperStore(inner) != inner
    with pytest.raises(TypeError, match="unhashable"):
        hash(WrapperStore(inner))


# --- overriding one method --------------------------------------------------------------


class OwnGet(WrapperStore[Store]):
    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.seen: list[tuple[str, ByteRequest | None]] = []

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        self.seen.append((key, byte_range))
        return await super().get(key, prototype, byte_range)


class OwnGetBelow(OwnGet):
    """One class further down nothing changes."""


class OwnGetOfLogging(LoggingStore[Store]):
    def __init__(self, store: Store) -> None:
        super().__init__(store, log_level="ERROR")
        self.seen: list[tuple[str, ByteRequest | None]] = []

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        self.seen.append((key, byte_range))
        return await super().get(key, prototype, byte_range)


FIRST, LAST = RangeByteRequest(0, 1), SuffixByteRequest(1)


@pytest.mark.parametrize("wrapper", [OwnGet, OwnGetBelow, OwnGetOfLogging])
def test_overriding_get_sees_every_read(wrapper: Any) -> None:
    store = wrapper(MemoryStore({"a": buffer(b"0123")}))

    async def ranges(wanted: Iterable[ByteRequest]) -> dict[int, Any]:
        found: dict[int, Any] = {}
        async for batch in store.get_ranges("a", wanted, prototype=PROTOTYPE):
            found |= dict(batch)
        return found

    async def many() -> list[Any]:
        return [value async for _, value in store._get_many([("a", PROTOTYPE, FIRST)])]

    asked: list[tuple[Callable[[], Any], list[tuple[str, ByteRequest | None]]]] = [
        (lambda: sync(store.get("a", PROTOTYPE, FIRST)), [("a", FIRST)]),
        (
            lambda: sync(store.get_partial_values(PROTOTYPE, [("a", FIRST), ("b", None)])),
            [("a", FIRST), ("b", None)],
        ),
        (lambda: sync(ranges([FIRST])), [("a", FIRST)]),
        (lambda: sync(many()), [("a", FIRST)]),
        (lambda: store.get_sync("a"), [("a", None)]),
        (lambda: store.get_sync("a", prototype=PROTOTYPE, byte_range=LAST), [("a", LAST)]),
        (lambda: store.get_ranges_sync("a", [FIRST], prototype=PROTOTYPE), [("a", FIRST)]),
    ]
    for ask, expected in asked:
        store.seen.clear()
        assert ask() is not None
        assert store.seen == expected


def test_overriding_set_or_delete_sees_the_other_ways_to_it() -> None:
    seen: list[str] = []

    class OwnChanges(WrapperStore[Store]):
        async def set(self, key: str, value: Buffer) -> None:
            seen.append(f"set {key}")
            await super().set(key, value)

        async def delete(self, key: str) -> None:
            seen.append(f"delete {key}")
            await super().delete(key)

    inner = MemoryStore()
    store = OwnChanges(inner)
    store.set_sync("a", buffer(b"x"))
    sync(store._set_many([("b", buffer(b"x")), ("c", buffer(b"x"))]))
    store.delete_sync("a")
    assert seen[0] == "set a"
    assert sorted(seen[1:3]) == ["set b", "set c"]
    assert seen[3:] == ["delete a"]
    assert sorted(inner._store_dict) == ["b", "c"]
    assert store.get_sync("b") is inner._store_dict["b"]


def test_constructors_may_take_more() -> None:
    class Named(WrapperStore[Store]):
        def __init__(self, name: str, *, store: Store) -> None:
            super().__init__(store)
            self.name = name

    store = Named("first", store=MemoryStore({"a": buffer(b"x")}))
    view = store.with_read_only(True)
    assert (type(view), view.name, view.read_only, store.read_only) == (Named, "first", True, False)
    assert view.get_sync("a") == buffer(b"x")
    with Named("second", store=MemoryStore()) as entered:
        assert entered.name == "second"


def test_overriding_the_methods_for_the_calling_thread_keeps_them() -> None:
    class Own(WrapperStore[Store]):
        async def get(self, *args: Any, **kwargs: Any) -> Buffer | None:
            raise AssertionError("not for get_sync")

        def get_sync(self, *args: Any, **kwargs: Any) -> Buffer | None:
            return buffer(b"own")

    store = Own(MemoryStore())
    found = store.get_sync("a")
    assert found is not None
    assert found.to_bytes() == b"own"
    [(index, part)] = store.get_ranges_sync("a", [FIRST], prototype=PROTOTYPE)
    assert index == 0
    assert part is not None


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda s: s.get_sync("a"), "reads"),
        (lambda s: s.get_ranges_sync("a", [None], prototype=PROTOTYPE), "reads"),
        (lambda s: s.set_sync("a", buffer(b"x")), "writes"),
        (lambda s: s.delete_sync("a"), "deletes"),
    ],
)
def test_a_store_that_cannot_work_in_the_calling_thread(
    call: Callable[[Any], Any], what: str
) -> None:
    with pytest.raises(TypeError, match=f"AsyncOnlyStore does not support synchronous {what}"):
        call(WrapperStore(AsyncOnlyStore()))


# --- latency ----------------------------------------------------------------------------


def test_a_latency_store_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def noting(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", noting)
    store = LatencyStore(MemoryStore(), get_latency=2, set_latency=3)
    assert (store.get_latency, store.set_latency) == (2.0, 3.0)

    async def ranges(**limits: int) -> None:
        async for _ in store.get_ranges("a", [FIRST, LAST, LAST], prototype=PROTOTYPE, **limits):
            pass

    calls: list[tuple[Callable[[], Any], list[float]]] = [
        (lambda: sync(store.set("a", buffer(b"0123"))), [3]),
        (lambda: sync(store.set_if_not_exists("b", buffer(b"0123"))), [3]),
        (lambda: store.set_sync("a", buffer(b"0123")), [3]),
        (lambda: sync(store.get("a", PROTOTYPE)), [2]),
        (lambda: sync(store.get("a", PROTOTYPE, FIRST)), [2]),
        (lambda: store.get_sync("a"), [2]),
        (lambda: sync(store.get_partial_values(PROTOTYPE, [("a", None), ("b", None)])), [2, 2]),
        (lambda: sync(ranges()), [2, 2]),
        (lambda: sync(store.with_read_only(True).get("a", PROTOTYPE)), [2]),
    ]
    for call, expected in calls:
        slept.clear()
        call()
        assert slept == expected
    assert LatencyStore(MemoryStore()).get_latency == 0


async def test_reads_at_the_same_time_wait_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = LatencyStore(MemoryStore({"a": buffer(b"x")}), get_latency=5)
    waiting: list[float] = []
    over = asyncio.Event()

    async def wait(seconds: float) -> None:
        waiting.append(seconds)
        if len(waiting) == 100:
            over.set()
        await over.wait()

    monkeypatch.setattr(asyncio, "sleep", wait)
    found = await asyncio.gather(*(store.get("a", PROTOTYPE) for _ in range(100)))
    assert len(found) == 100
    assert waiting == [5.0] * 100


def test_latencies_that_vary() -> None:
    store = LatencyStore(MemoryStore(), get_latency=(5, 1), set_latency=(0, 1000))
    drawn = [store.get_latency for _ in range(50)]
    assert len(set(drawn)) == 50
    assert 3 < sum(drawn) / 50 < 7
    assert min(store.set_latency for _ in range(50)) == 0
    assert LatencyStore(MemoryStore(), get_latency=(2, 0)).get_latency == 2
    view = store.with_read_only(True)
    assert view.get_latency != view.get_latency
    for bad in ((1,), (1, 2, 3), (1, -1)):
        with pytest.raises(ValueError, match="mean and standard deviation"):
            LatencyStore(MemoryStore(), get_latency=bad)  # type: ignore[arg-type]


async def test_open_takes_the_options_of_the_wrapper() -> None:
    slow = await LatencyStore.open(MemoryStore, get_latency=(1, 0), set_latency=2, read_only=True)
    assert (slow.get_latency, slow.set_latency, slow.read_only) == (1, 2, True)
    handler = logging.NullHandler()
    logged = await LoggingStore.open(
        MemoryStore, store_dict={}, log_level="INFO", log_handler=handler
    )
    assert (logged.log_level, logged.log_handler) == ("INFO", handler)
    with pytest.raises(ValueError, match="Unknown level"):
        await LoggingStore.open(MemoryStore, log_level="NOPE")
    with pytest.raises(TypeError, match="get_latency"):
        await WrapperStore.open(MemoryStore, get_latency=1)
