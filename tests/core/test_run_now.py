"""Opening what lies in stores that answer in the calling thread: no other thread takes part."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import PATIENCE

import zarr
from zarr.core.common import concurrent_map, concurrent_results
from zarr.core.config import config
from zarr.core.sync import SyncError, has_event_loop, in_pool, run_now, sync
from zarr.storage import LocalStore, ManagedMemoryStore, MemoryStore, StorePath, ZipStore

CALLS: dict[str, Callable[[Any], Any]] = {
    "open": lambda store: zarr.open(store, mode="r"),
    "open_group": lambda store: zarr.open_group(store, mode="r"),
    "open_consolidated": zarr.open_consolidated,
    "Group.open": lambda store: zarr.Group.open(store, zarr_format=None),
    "open_array": lambda store: zarr.open_array(store, path="a", zarr_format=2),
    "open_array for reading": lambda store: zarr.open_array(store, path="a", mode="r"),
}
OF_GROUP: dict[str, Callable[[zarr.Group], Any]] = {
    "getitem": lambda group: group["a"],
    "get": lambda group: group.get("a"),
    "contains": lambda group: "a" in group,
    "get_array": lambda group: group.get_array("a"),
    "get_group": lambda group: group.get_group("g"),
}


@pytest.fixture(params=["memory", "managed", "local", "zip"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    made: dict[str, Callable[[], Any]] = {
        "memory": MemoryStore,
        "managed": ManagedMemoryStore,
        "local": lambda: LocalStore(tmp_path),
        "zip": lambda: ZipStore(tmp_path / "x.zip", mode="w"),
    }
    store = made[request.param]()
    group = zarr.create_group(store, zarr_format=2)
    group.create_array("a", shape=(2,), dtype="i1")
    group.create_group("g")
    if request.param != "zip":  # where nothing is written twice
        zarr.consolidate_metadata(store)
    else:
        store.close()
        store = ZipStore(tmp_path / "x.zip")
    with store:
        yield store


@contextmanager
def no_other_thread() -> Iterator[None]:
    """Fail whatever goes to the event loop or to the worker pool."""

    def refuse(*_: object) -> Any:
        raise AssertionError("another thread was asked")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zarr.core.sync._Running.start", refuse)
        patch.setattr("zarr.core.sync.get_pool", refuse)
        yield


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_opening_takes_no_other_thread(store: Any, call: Callable[[Any], Any]) -> None:
    if isinstance(store, ZipStore) and call is zarr.open_consolidated:
        pytest.skip("it has no consolidated metadata")
    with no_other_thread():
        assert call(store).metadata.zarr_format == 2


@pytest.mark.parametrize("call", OF_GROUP.values(), ids=OF_GROUP)
@pytest.mark.parametrize("consolidated", [True, False])
def test_looking_up_a_member_takes_no_other_thread(
    store: Any, consolidated: bool, call: Callable[[Any], Any]
) -> None:
    use = None if consolidated else False
    group = zarr.open_group(store, mode="r", use_consolidated=use)
    with no_other_thread():
        assert call(group) is not None


@pytest.mark.parametrize("of", [str, Path, LocalStore])
def test_a_path_is_opened_in_the_calling_thread(of: Any, tmp_path: Path) -> None:
    zarr.create_group(tmp_path).create_array("a", shape=(2,), dtype="i1")
    with no_other_thread():
        assert zarr.open(of(tmp_path), mode="r").metadata.zarr_format == 3
        assert zarr.Array.open(StorePath(LocalStore(tmp_path), "a")).shape == (2,)
        with pytest.raises(KeyError, match="missing"):
            zarr.open_group(of(tmp_path), mode="r")["missing"]


def test_a_group_is_created_in_the_calling_thread(tmp_path: Path) -> None:
    with no_other_thread():
        zarr.open_group(tmp_path / "new", attributes={"x": 1})
    assert zarr.open_group(tmp_path / "new").attrs["x"] == 1


class Waiting(LocalStore):
    """A store whose `get` has to wait, as that of a class which a user derives may."""

    waited = 0

    async def get(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0.001)
        Waiting.waited += 1
        return await super().get(*args, **kwargs)


def test_a_class_of_the_user_may_wait(tmp_path: Path) -> None:
    zarr.create_array(LocalStore(tmp_path), shape=(2,), dtype="i1")
    assert zarr.open_array(Waiting(tmp_path), mode="r").shape == (2,)
    assert Waiting.waited == 3


def test_a_limit_of_time_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    zarr.create_array(LocalStore(tmp_path), shape=(2,), dtype="i1")
    read, ended = LocalStore.get_sync, threading.Event()

    def slow(*args: Any, **kwargs: Any) -> Any:
        ended.wait(PATIENCE)
        return read(*args, **kwargs)

    monkeypatch.setattr(LocalStore, "get_sync", slow)
    monkeypatch.setattr("zarr.core.sync._MOMENT", 0.0)
    try:
        with config.set({"async.timeout": 0.05}), pytest.raises(TimeoutError):
            zarr.open_array(tmp_path, mode="r")
    finally:
        ended.set()


def test_refused_on_the_thread_of_the_loop(tmp_path: Path) -> None:
    zarr.create_array(LocalStore(tmp_path), shape=(2,), dtype="i1")

    async def on_the_loop() -> None:
        zarr.open_array(tmp_path, mode="r")

    with pytest.raises(SyncError):
        sync(on_the_loop())


async def test_works_inside_another_running_loop(tmp_path: Path) -> None:
    zarr.create_array(LocalStore(tmp_path), shape=(2,), dtype="i1")
    assert zarr.open_array(tmp_path, mode="r").shape == (2,)


async def test_opens_from_within_another_loop_of_the_thread(tmp_path: Path) -> None:
    """What may wait goes to the event loop of the process then: this one must not be taken."""
    group = zarr.create_group(tmp_path)
    group.create_array("a", shape=(2,), dtype="i1")
    group.create_group("g")
    for call in OF_GROUP.values():
        assert call(zarr.open_group(tmp_path, mode="r")) is not None


def test_what_waits_is_closed_and_told() -> None:
    closed = []

    async def waits() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            closed.append(has_event_loop())

    waiting = waits()
    with pytest.raises(RuntimeError, match="waits for something"):
        run_now(waiting)
    assert closed == [False]  # while there is still a reference to it


def test_failures_come_through() -> None:
    async def fails() -> None:
        raise KeyError("x")

    async def outer() -> int:
        with pytest.raises(KeyError):
            run_now(fails())
        return 3

    assert run_now(outer()) == 3


async def test_the_loop_of_the_thread_is_seen() -> None:
    async def look() -> bool:
        return has_event_loop()

    assert run_now(look())
    assert not await asyncio.to_thread(lambda: run_now(look()))


def test_helpers_do_the_work_in_order() -> None:
    begun: list[int] = []

    async def double(number: int) -> int:
        begun.append(number)
        if number < 0:
            raise ValueError(number)
        return await in_pool(lambda: 2 * number)

    async def both() -> tuple[list[int], list[int]]:
        items = [(1,), (2,), (3,)]
        return await concurrent_map(items, double), [
            x async for x in concurrent_results(items, double)
        ]

    assert run_now(both()) == ([2, 4, 6], [2, 4, 6])
    begun.clear()
    with pytest.raises(ValueError, match="-1"):
        run_now(concurrent_map([(1,), (-1,), (2,)], double))
    assert begun == [1, -1]
