"""A store that writes down what is asked of it."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from tests.stores.store_kit import PROTOTYPE, WrapperTests, buffer, drained
from tests.waiting import PATIENCE

from zarr.abc.store import RangeByteRequest, SuffixByteRequest
from zarr.core.sync import sync
from zarr.storage import MemoryStore, StorePath
from zarr.testing import recording
from zarr.testing.recording import Asked, RecordingStore


class TestRecordingStore(WrapperTests):
    store_cls = RecordingStore

    def test_store_repr(self, store: Any) -> None:
        assert repr(store) == f"RecordingStore(MemoryStore, '{store._store}')"


FIRST, LAST = RangeByteRequest(0, 1), SuffixByteRequest(1)


@pytest.fixture
def store() -> RecordingStore[MemoryStore]:
    values: Any = {"a": buffer(b"0123"), "g/b": buffer(b"x")}
    return RecordingStore(MemoryStore(values))


CALLS: list[tuple[Callable[[Any], Any], list[Asked]]] = [
    (lambda s: s.get("a", PROTOTYPE), [Asked("get", "a", None)]),
    (lambda s: s.get("a", PROTOTYPE, FIRST), [Asked("get", "a", FIRST)]),
    (lambda s: s.get("nope", PROTOTYPE), [Asked("get", "nope")]),
    (
        lambda s: s.get_partial_values(PROTOTYPE, iter([("a", LAST), ("a", LAST), ("b", None)])),
        [
            Asked("get_partial_values", "a", LAST),
            Asked("get_partial_values", "a", LAST),
            Asked("get_partial_values", "b"),
        ],
    ),
    (
        lambda s: drained(s.get_ranges("a", iter([LAST, FIRST]), prototype=PROTOTYPE)),
        [Asked("get_ranges", "a", LAST), Asked("get_ranges", "a", FIRST)],
    ),
    (lambda s: s.get_partial_values(PROTOTYPE, []), []),
    (lambda s: s.exists("a"), [Asked("exists", "a")]),
    (lambda s: s.getsize("a"), [Asked("getsize", "a")]),
    (lambda s: drained(s.list()), [Asked("list", "")]),
    (lambda s: drained(s.list_prefix("g")), [Asked("list_prefix", "g")]),
    (lambda s: drained(s.list_dir("g")), [Asked("list_dir", "g")]),
    (lambda s: asyncio.to_thread(s.get_sync, "a"), [Asked("get_sync", "a")]),
    (
        lambda s: asyncio.to_thread(s.get_sync, "a", byte_range=FIRST),
        [Asked("get_sync", "a", FIRST)],
    ),
    (
        lambda s: asyncio.to_thread(s.get_ranges_sync, "a", [FIRST], prototype=PROTOTYPE),
        [Asked("get_sync", "a", FIRST)],
    ),
    (lambda s: s.set("n", buffer(b"x")), []),
    (lambda s: s.delete("a"), []),
]


@pytest.mark.parametrize(("call", "expected"), CALLS)
async def test_reads_are_written_down(
    store: RecordingStore[MemoryStore], call: Callable[[Any], Any], expected: list[Asked]
) -> None:
    await call(store)
    assert store.asked == expected
    await call(store)
    assert store.asked == expected * 2
    store.reset()
    assert store.asked == []


async def test_the_order_is_that_in_which_calls_begin(store: RecordingStore[MemoryStore]) -> None:
    store.delays["slow"] = 0.02
    await asyncio.gather(*(store.get(key, PROTOTYPE) for key in ("slow", "a", "b")))
    assert [asked.key for asked in store.asked] == ["slow", "a", "b"]


async def test_delays_are_those_of_keys() -> None:
    done: list[str] = []
    store = RecordingStore(MemoryStore({"a": buffer(b"x")}), delays={"slow": 0.05, "slower": 0.1})

    async def read(key: str) -> None:
        await store.get(key, PROTOTYPE)
        done.append(key)

    await asyncio.gather(*map(read, ("slower", "slow", "a")))
    assert done == ["a", "slow", "slower"]


@pytest.mark.parametrize(
    "call",
    [
        lambda s: sync(s.get("a", PROTOTYPE)),
        lambda s: sync(s.get_partial_values(PROTOTYPE, [("b", None), ("a", None)])),
        lambda s: sync(drained(s.get_ranges("a", [FIRST], prototype=PROTOTYPE))),
        lambda s: s.get_sync("a"),
        lambda s: s.get_ranges_sync("a", [FIRST], prototype=PROTOTYPE),
        lambda s: sync(s.exists("a")),
        lambda s: sync(s.getsize("a")),
        lambda s: sync(drained(s.list_dir("a"))),
    ],
)
def test_reads_wait_and_fail(
    store: RecordingStore[MemoryStore], call: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def noting(seconds: float) -> None:
        waited.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(recording, "asyncio", SimpleNamespace(sleep=noting))
    monkeypatch.setattr(recording, "time", SimpleNamespace(sleep=waited.append))
    error = ConnectionError("reset by peer")
    store.failures["a"] = error
    store.delays["a"] = 0.02
    with pytest.raises(ConnectionError) as raised:
        call(store)
    assert waited == [0.02]
    assert raised.value is error
    assert store.asked[-1].key == "a"
    del store.failures["a"]
    call(store)


async def test_a_failure_is_that_of_its_key() -> None:
    store = RecordingStore(MemoryStore({"a": buffer(b"x")}), failures={"b": OSError("broken")})
    assert await store.get("a", PROTOTYPE) is not None
    assert await store.get("c", PROTOTYPE) is None
    with pytest.raises(OSError, match="broken"):
        await store.get("b", PROTOTYPE)


async def test_calls_in_flight(store: RecordingStore[MemoryStore]) -> None:
    await store.get("a", PROTOTYPE)
    assert store.most_in_flight == 1
    await asyncio.gather(*(store.get("a", PROTOTYPE) for _ in range(7)))
    await store.get("a", PROTOTYPE)
    assert store.most_in_flight == 7
    store.reset()
    assert store.most_in_flight == 0
    store.failures["a"] = OSError()
    for _ in range(3):
        with pytest.raises(OSError):
            await store.get("a", PROTOTYPE)
    assert store.most_in_flight == 1


def test_calls_in_flight_of_several_threads() -> None:
    class Meeting(MemoryStore):
        """Answers nobody before four have asked."""

        def get_sync(self, key: str, **kwargs: Any) -> Any:
            meeting.wait(PATIENCE)
            return super().get_sync(key, **kwargs)

    meeting = threading.Barrier(4)
    store = RecordingStore(Meeting({"a": buffer(b"x")}))
    threads = [threading.Thread(target=store.get_sync, args=("a",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.asked) == 4
    assert store.most_in_flight == 4


async def test_a_listing_that_is_given_up_is_in_flight_no_more(
    store: RecordingStore[MemoryStore],
) -> None:
    names = store.list()
    await anext(names)
    await names.aclose()  # type: ignore[attr-defined]
    store.reset()
    assert store.most_in_flight == 0


async def test_views_share_the_list(store: RecordingStore[MemoryStore]) -> None:
    """A node that is opened for reading reads from a read-only view of the store."""
    view = store.with_read_only(True)
    store.failures["bad"] = OSError("broken")
    await view.get("a", PROTOTYPE)
    await store.get("b", PROTOTYPE)
    assert [asked.key for asked in store.asked] == ["a", "b"]
    with pytest.raises(OSError, match="broken"):
        await view.get("bad", PROTOTYPE)
    place = await StorePath.open(store, "g", mode="r")
    store.reset()
    await (place / "b").get()
    assert store.asked == [Asked("get", "g/b")]


async def test_other_stores_have_their_own_list() -> None:
    one, other = RecordingStore(MemoryStore()), RecordingStore(MemoryStore())
    await one.get("a", PROTOTYPE)
    assert other.asked == []


async def test_pickles_keep_what_was_asked(store: RecordingStore[MemoryStore]) -> None:
    store.delays["a"] = 0.0
    await store.get("a", PROTOTYPE, FIRST)
    again = pickle.loads(pickle.dumps(store))
    assert again.asked == store.asked
    assert again.delays == {"a": 0.0}
