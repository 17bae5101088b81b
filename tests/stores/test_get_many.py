"""Store.get_many: equal to a loop over get, for every store, and what it promises besides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.optional import lacks
from tests.waiting import steps

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.common import closing
from zarr.core.config import config
from zarr.core.sync import sync
from zarr.storage import (
    FsspecStore,
    LocalStore,
    LoggingStore,
    MemoryStore,
    ObjectStore,
    WrapperStore,
    ZipStore,
)

KEYS = ("a", "b/c", "b/d", "empty", "absent", "b/absent")
VALUES = {
    "a": bytes(range(50)),
    "b/c": b"0123456789",
    "b/d": b"x",
    "empty": b"",
}
Request = str | tuple[str, ByteRequest | None]


async def collect(
    store: Store, requests: Iterable[Request], prototype: BufferPrototype | None = None
) -> dict[int, bytes | None]:
    """Run get_many to its end; each index may come once."""
    answers: dict[int, bytes | None] = {}
    batches = store.get_many(requests, prototype=prototype or default_buffer_prototype())
    async with closing(batches):
        async for batch in batches:
            for index, value in batch:
                assert index not in answers
                answers[index] = None if value is None else value.to_bytes()
    return answers


async def loop_over_get(store: Store, requests: Sequence[Request]) -> dict[int, bytes | None]:
    answers = {}
    for index, request in enumerate(requests):
        key, byte_range = (request, None) if isinstance(request, str) else request
        value = await store.get(key, default_buffer_prototype(), byte_range)
        answers[index] = None if value is None else value.to_bytes()
    return answers


def fill(store: Store) -> Store:
    async def write() -> None:
        for key, value in VALUES.items():
            await store.set(key, buffer_from(value))

    sync(write())
    return store


def buffer_from(value: bytes) -> Buffer:
    return default_buffer_prototype().buffer.from_bytes(value)


class OnlyGet(WrapperStore[Store]):
    """Overrides `get` and nothing else: all reads have to come through it."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.got: list[Any] = []

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        self.got.append((key, byte_range))
        return await super().get(key, prototype, byte_range)


class OwnBulk(MemoryStore):
    """Overrides `get_many`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.bulk: list[int] = []

    async def get_many(
        self, requests: Iterable[Request], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        wanted = list(requests)
        self.bulk.append(len(wanted))
        batches = super().get_many(wanted, prototype=prototype)
        async with closing(batches):
            async for batch in batches:
                yield batch


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Store]]:
    """One store of each kind with the same content."""
    folder = tmp_path_factory.mktemp("stores")
    zipped = fill(ZipStore(folder / "a.zip", mode="w"))
    zipped.close()
    made: dict[str, Store] = {
        "memory": fill(MemoryStore()),
        "local": fill(LocalStore(folder / "local")),
        "zip": ZipStore(folder / "a.zip", mode="r"),
        "wrapper": fill(WrapperStore(MemoryStore())),
        "logging": fill(LoggingStore(MemoryStore(), log_level="ERROR")),
        "only get": fill(OnlyGet(LocalStore(folder / "local2"))),
        "own bulk": fill(OwnBulk()),
        "wrapper around own bulk": fill(WrapperStore(OwnBulk())),
        "only get around own bulk": fill(OnlyGet(OwnBulk())),
    }
    if not lacks("fsspec"):
        made["fsspec-memory"] = fill(FsspecStore.from_url("memory://get-many"))
        made["fsspec-file"] = fill(
            FsspecStore.from_url(f"file://{folder}/fs", storage_options={"auto_mkdir": True})
        )
    if not lacks("obstore"):
        import obstore

        made["obstore"] = fill(ObjectStore(obstore.store.MemoryStore()))
    yield made
    for store in made.values():
        store.close()


STORES = (
    "memory",
    "local",
    "zip",
    *(() if lacks("fsspec") else ("fsspec-memory", "fsspec-file")),
    *(() if lacks("obstore") else ("obstore",)),
    "wrapper",
    "logging",
    "only get",
    "own bulk",
    "wrapper around own bulk",
    "only get around own bulk",
)

bounds = st.integers(0, 12)
byte_ranges = st.one_of(
    st.none(),
    st.builds(lambda start, n: RangeByteRequest(start, start + n), bounds, bounds),
    st.builds(OffsetByteRequest, bounds),
    st.builds(SuffixByteRequest, bounds),
)
requests = st.lists(
    st.one_of(st.sampled_from(KEYS), st.tuples(st.sampled_from(KEYS), byte_ranges)), max_size=25
)


@pytest.mark.parametrize("name", STORES)
@given(wanted=requests)
def test_equals_a_loop_over_get(stores: dict[str, Store], name: str, wanted: list[Request]) -> None:
    store = stores[name]

    async def outcome(call: Callable[[], Any]) -> Any:
        try:
            return await call()
        except Exception as error:
            return type(error)

    bulk = sync(outcome(lambda: collect(store, wanted)))
    one_by_one = sync(outcome(lambda: loop_over_get(store, wanted)))
    assert bulk == one_by_one


@pytest.mark.parametrize("name", STORES)
def test_semantics(stores: dict[str, Store], name: str) -> None:
    store = stores[name]

    async def check() -> None:
        assert await collect(store, []) == {}
        assert await collect(store, ["a", "a", "absent", "a"]) == {
            0: VALUES["a"],
            1: VALUES["a"],
            2: None,
            3: VALUES["a"],
        }
        once = (key for key in ("b/c", "b/d"))
        assert await collect(store, once) == {0: b"0123456789", 1: b"x"}
        mixed: list[Request] = ["b/c", ("b/c", RangeByteRequest(2, 4)), ("b/c", None)]
        assert await collect(store, mixed) == {0: b"0123456789", 1: b"23", 2: b"0123456789"}

    sync(check())


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("bad", [5, ("a",), ("a", (0, 3)), (5, None), ("a", None, 1), b"a", None])
def test_bad_requests_are_refused_before_anything_is_read(
    stores: dict[str, Store], name: str, bad: Any
) -> None:
    store = stores[name]
    calls = store.got if isinstance(store, OnlyGet) else []
    before = len(calls)
    with pytest.raises((TypeError, ValueError), match=r"Expected a key|byte_range"):
        sync(collect(store, ["a", bad]))
    assert len(calls) == before


@pytest.mark.parametrize("integer", [np.uint8, np.uint64, np.int32])
@pytest.mark.parametrize("name", STORES)
def test_bounds_may_be_integers_of_numpy(
    stores: dict[str, Store], name: str, integer: Callable[[int], Any]
) -> None:
    """Which overflow where they are subtracted: as manifests of chunks hold them."""
    plain: list[ByteRequest] = [
        RangeByteRequest(2, 5),
        RangeByteRequest(8, 20),
        RangeByteRequest(20, 30),
        RangeByteRequest(5, 2),
        OffsetByteRequest(4),
        OffsetByteRequest(20),
        SuffixByteRequest(3),
        SuffixByteRequest(20),
    ]
    of_numpy = [type(each)(*map(integer, vars(each).values())) for each in plain]
    assert of_numpy == plain
    store = stores[name]

    async def check() -> None:
        wanted: list[Request] = [("b/c", each) for each in plain]
        expected = await loop_over_get(store, wanted)
        asked: list[Request] = [("b/c", each) for each in of_numpy]
        assert await loop_over_get(store, asked) == expected
        assert await collect(store, asked) == expected
        parts: dict[int, bytes | None] = {}
        async for batch in store.get_ranges("b/c", of_numpy, prototype=default_buffer_prototype()):
            parts.update((i, None if v is None else v.to_bytes()) for i, v in batch)
        assert parts == expected

    sync(check())


def test_negative_bounds_are_refused(stores: dict[str, Store]) -> None:
    for store in stores.values():
        with pytest.raises(ValueError, match="Negative"):
            sync(collect(store, [("a", RangeByteRequest(-1, 4))]))


class Slow(WrapperStore[Store]):
    """Only `get`; takes its time, records, and fails where told."""

    def __init__(self, store: Store, fail: str | None = None) -> None:
        super().__init__(store)
        self.fail = fail
        self.started: list[str] = []
        self.running = self.most = 0

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        self.started.append(key)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await steps(10 * (1 + len(self.started) % 3))
            if key == self.fail:
                raise ConnectionResetError("the network is gone")
            return buffer_from(key.encode())
        finally:
            self.running -= 1


async def test_default_streams_within_the_configured_concurrency() -> None:
    store = Slow(MemoryStore())
    keys = [f"k{i}" for i in range(60)]
    with config.set({"async.concurrency": 7}):
        batches = store.get_many(keys, prototype=default_buffer_prototype())
        async with closing(batches):
            await anext(batches)
            assert len(store.started) < 60
            rest = [index async for batch in batches for index, _ in batch]
    assert store.most == 7
    assert len(rest) < 60
    assert sorted(store.started) == sorted(keys)


async def test_first_failure_names_key_range_and_store_and_stops_the_rest() -> None:
    store = Slow(MemoryStore(), fail="k17")
    wanted: list[Request] = [(f"k{i}", RangeByteRequest(0, 9)) for i in range(500)]
    with pytest.raises(ConnectionResetError, match="the network is gone") as caught:
        await collect(store, wanted)
    (note,) = caught.value.__notes__
    assert "'k17'" in note
    assert "RangeByteRequest(start=0, end=9)" in note
    assert "Slow" in note or "memory" in note
    assert store.running == 0
    started = len(store.started)
    assert started < 17 + 25
    await steps()
    assert len(store.started) == started


@pytest.mark.parametrize("how", ["break", "cancel"])
async def test_leaving_early_leaves_nothing(how: str) -> None:
    store = Slow(MemoryStore())
    before = asyncio.all_tasks()

    async def consume() -> None:
        batches = store.get_many(
            [f"k{i}" for i in range(500)], prototype=default_buffer_prototype()
        )
        async with closing(batches):
            async for _ in batches:
                if how == "break":
                    break

    task = asyncio.create_task(consume())
    if how == "cancel":
        while not store.started:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        await task
    assert store.running == 0
    assert asyncio.all_tasks() == before
    assert len(store.started) < 100


async def test_an_override_of_get_alone_sees_every_read() -> None:
    inner = OwnBulk()
    await inner.set("a", buffer_from(b"abc"))
    store = OnlyGet(inner)
    assert await collect(store, ["a", ("a", RangeByteRequest(0, 1)), "zz"]) == {
        0: b"abc",
        1: b"a",
        2: None,
    }
    assert [key for key, _ in store.got] == ["a", "zz"]
    assert inner.bulk == []


async def test_a_mixin_that_overrides_get_sees_every_read() -> None:
    seen: list[str] = []

    class Mixin:
        async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
            seen.append(key)
            return await super().get(key, *args, **kwargs)  # type: ignore[misc]

    class Mixed(Mixin, OwnBulk):
        pass

    store = Mixed()
    assert await collect(store, ["a", "b"]) == {0: None, 1: None}
    assert seen == ["a", "b"]
    assert store.bulk == []


async def test_wrappers_forward_to_an_override() -> None:
    inner = OwnBulk()
    await inner.set("a", buffer_from(b"abc"))
    assert await collect(WrapperStore(WrapperStore(inner)), ["a", "zz"]) == {0: b"abc", 1: None}
    assert inner.bulk == [2]


def test_local_answers_do_not_depend_on_the_folder(tmp_path: Path) -> None:
    """A directory is not a value: asking for one is a fault in bulk as it is alone."""
    store = fill(LocalStore(tmp_path / "root"))
    with pytest.raises(OSError, match="b"):
        sync(collect(store, ["a", "b"]))


def test_a_memory_store_names_what_failed() -> None:
    class Broken(MemoryStore):
        def get_sync(self, key: str, **kwargs: Any) -> Buffer | None:
            raise OSError(5, "the memory is broken")

    with pytest.raises(OSError, match="broken") as caught:
        sync(collect(Broken(), [("b", RangeByteRequest(0, 2))]))
    (note,) = caught.value.__notes__
    assert "'b'" in note
    assert "RangeByteRequest(start=0, end=2)" in note
