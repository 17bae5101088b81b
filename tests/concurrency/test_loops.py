"""Event loops: the synchronous API inside of one, the asynchronous API on those of the user."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from tests.concurrency.programs import printed_by
from tests.concurrency.slow import KEYS, PROTOTYPE, VALUES, SlowStore, slow_store, until
from tests.optional import lacks
from tests.servers.range_server import RangeServer
from tests.waiting import time_out_once

import zarr
from zarr.api import asynchronous
from zarr.core.common import closing
from zarr.core.config import config
from zarr.core.sync import SyncError, get_loop, sync
from zarr.storage import FsspecStore, LocalStore, MemoryStore

T = TypeVar("T")
needs_http = pytest.mark.skipif(lacks("fsspec") or lacks("aiohttp"), reason="needs fsspec")


def _with_uvloop(main: Coroutine[Any, Any, T]) -> T:
    result: T = import_module("uvloop").run(main)
    return result


def _with_eager_tasks(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner() as runner:
        runner.get_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        return runner.run(main)


RUNNERS: dict[str, Callable[[Coroutine[Any, Any, Any]], Any]] = {"asyncio": asyncio.run}
if find_spec("uvloop") is not None:
    RUNNERS["uvloop"] = _with_uvloop
if sys.version_info >= (3, 12):
    RUNNERS["eager tasks"] = _with_eager_tasks


@pytest.fixture(params=RUNNERS)
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """What runs a coroutine on a loop of its own, and refuses to leave tasks behind."""

    async def alone(main: Coroutine[Any, Any, Any]) -> Any:
        result = await main
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        return result

    return lambda main: RUNNERS[request.param](alone(main))


@pytest.fixture
def served(range_server: RangeServer, tmp_path: Path) -> str:
    """The URL of a group with the array ``a`` of `VALUES`."""
    zarr.create_group(tmp_path).create_array("a", data=VALUES, chunks=(5,))
    for file in tmp_path.rglob("*"):
        if file.is_file():
            range_server.objects[file.relative_to(tmp_path).as_posix()] = file.read_bytes()
    return range_server.url


# --- the synchronous API inside of a running loop --------------------------------------------


def use_all(root: Any) -> None:
    """Use the synchronous API: create, write, read, list, change, delete."""
    group = zarr.open_group(root, mode="w")
    array = group.create_array("a", data=VALUES, chunks=(5,), attributes={"unit": "m"})
    array[3:17] = 0
    array.append(VALUES[:5])
    np.testing.assert_array_equal(array[3:20], [0] * 14 + [17, 18, 19])
    np.testing.assert_array_equal(zarr.open_array(root, path="a")[-5:], VALUES[:5])
    np.testing.assert_array_equal(array.oindex[np.array([99, 1])], [99, 1])
    assert [name for name, _ in group.members()] == ["a"]
    assert group["a"].attrs["unit"] == "m"
    zarr.save_array(root, VALUES, path="b")
    del group["a"]
    assert "a" not in group
    np.testing.assert_array_equal(np.asarray(zarr.load(root, path="b")), VALUES)


@pytest.mark.parametrize("kind", ["memory", "local", "slow"])
def test_sync_api_in_a_running_loop(
    tmp_path: Path, run: Callable[[Coroutine[Any, Any, Any]], Any], kind: str
) -> None:
    store = {"memory": MemoryStore(), "local": LocalStore(tmp_path), "slow": SlowStore()}[kind]
    if isinstance(store, SlowStore):
        store.seconds = 0

    async def main() -> None:
        use_all(store)
        await asyncio.sleep(0)
        use_all(store)

    run(main())
    run(main())


@needs_http
def test_sync_api_in_a_running_loop_over_http(
    served: str, run: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    async def main() -> None:
        np.testing.assert_array_equal(zarr.open_array(f"{served}/a", mode="r")[...], VALUES)

    run(main())
    run(main())


def test_sync_api_on_the_loop_of_the_process_is_refused() -> None:
    array = zarr.open_array(slow_store(), mode="r+")

    async def use(call: Callable[[], object]) -> None:
        call()

    for call in (
        lambda: array[...],
        lambda: zarr.open_array(array.store),
        lambda: array.append([1]),
    ):
        with pytest.raises(SyncError, match="running loop"):
            sync(use(call))


async def test_sync_api_in_other_threads_of_a_loop() -> None:
    # As a server does: its handlers use the synchronous API in threads.
    array = zarr.create_array({}, data=VALUES, chunks=(5,))
    parts = await asyncio.gather(
        *(asyncio.to_thread(array.__getitem__, slice(i, i + 7)) for i in range(90))
    )
    for i, part in enumerate(parts):
        np.testing.assert_array_equal(part, VALUES[i : i + 7])


# --- the asynchronous API on loops of the user -----------------------------------------------


async def use_all_async(root: Any) -> Any:
    """Use the asynchronous API: create, write, read, list."""
    group = await asynchronous.open_group(root, mode="w")
    array = await group.create_array("a", data=VALUES, chunks=(5,))
    await array.setitem(slice(3, 17), 0)
    parts = await asyncio.gather(*(array.getitem(slice(i, i + 5)) for i in range(15, 90)))
    for i, part in enumerate(parts, 15):
        np.testing.assert_array_equal(
            part, np.where(np.arange(i, i + 5) < 17, 0, VALUES[i : i + 5])
        )
    assert [name async for name, _ in group.members()] == ["a"]
    return array


@pytest.mark.parametrize("kind", ["memory", "local", "slow"])
def test_async_api_on_one_loop_after_the_other(
    tmp_path: Path, run: Callable[[Coroutine[Any, Any, Any]], Any], kind: str
) -> None:
    store = {"memory": MemoryStore(), "local": LocalStore(tmp_path), "slow": SlowStore()}[kind]
    if isinstance(store, SlowStore):
        store.seconds = 0
    run(use_all_async(store))
    array = run(use_all_async(store))
    np.testing.assert_array_equal(run(array.getitem(slice(17, None))), VALUES[17:])
    np.testing.assert_array_equal(zarr.Array(array)[17:], VALUES[17:])


@needs_http
def test_one_remote_store_on_many_loops(
    served: str, run: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    array = zarr.open_array(FsspecStore.from_url(f"{served}/a", read_only=True), mode="r")

    async def read() -> None:
        both = await asyncio.gather(array.async_array.getitem(...), array.async_array.getitem(7))
        np.testing.assert_array_equal(both[0], VALUES)
        assert both[1] == 7

    for _ in range(3):
        run(read())
        np.testing.assert_array_equal(array[...], VALUES)


@needs_http
def test_one_remote_store_on_loops_that_take_turns(served: str) -> None:
    array = zarr.open_array(FsspecStore.from_url(f"{served}/a", read_only=True), mode="r")
    loops = [asyncio.new_event_loop() for _ in range(3)]
    try:
        for part in range(4):
            for loop in loops:
                rows = slice(part * 20, part * 20 + 20)
                here = loop.run_until_complete(array.async_array.getitem(rows))
                np.testing.assert_array_equal(here, VALUES[rows])
            if part == 1:
                loops[0].run_until_complete(loops[0].shutdown_asyncgens())
                loops.pop(0).close()
    finally:
        for loop in loops:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


@needs_http
def test_remote_stores_leave_nothing_to_complain_about(tmp_path: Path, served: str) -> None:
    code = f"""
import asyncio, gc
import zarr
from zarr.api import asynchronous
async def read():
    array = await asynchronous.open_array(store={served + "/a"!r}, mode="r")
    return (await array.getitem(...)).sum()
array = zarr.open_array({served + "/a"!r}, mode="r")
async def read_again():
    return (await array.async_array.getitem(...)).sum()
for _ in range(3):
    assert asyncio.run(read()) == asyncio.run(read_again()) == array[...].sum() == 4950
gc.collect()
print("done")
"""
    assert printed_by(tmp_path, code) == "done\n"


async def test_many_reads_at_once() -> None:
    array = zarr.create_array({}, data=np.arange(1000), chunks=(10,))
    before = threading.active_count()
    parts = await asyncio.gather(
        *(array.async_array.getitem(slice(i, i + 100)) for i in range(0, 900, 2))
    )
    for i, part in zip(range(0, 900, 2), parts):
        np.testing.assert_array_equal(part, np.arange(i, i + 100))
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert threading.active_count() - before <= 32  # workers of one pool, however many wait


# --- reads that are given up -----------------------------------------------------------------


def _reads(store: SlowStore) -> dict[str, Callable[[], Awaitable[object]]]:
    array = zarr.open_array(store, mode="r+").async_array

    async def bulk() -> None:
        async for _ in store.get_many(KEYS, prototype=PROTOTYPE):
            raise AssertionError("nothing can have arrived")

    return {
        "read": lambda: array.getitem(...),
        "read one": lambda: array.getitem(4),
        "write": lambda: array.setitem(slice(3, None), 7),
        "append": lambda: array.append(VALUES),
        "bulk": bulk,
        "copy": lambda: asynchronous.create_array({}, data=zarr.Array(array)),
    }


GIVEN_UP = list(_reads(slow_store()))


@pytest.mark.parametrize("name", GIVEN_UP)
async def test_a_timeout_ends_what_was_started(name: str) -> None:
    store = slow_store()
    call = _reads(store)[name]

    async def limited() -> None:
        async with asyncio.timeout(None) as limit:
            over = asyncio.create_task(_once(lambda: store.started))
            over.add_done_callback(lambda _: limit.reschedule(0.0))
            await call()

    with pytest.raises(TimeoutError):
        await limited()
    assert store.has_ended()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    store.seconds = 0
    array = zarr.open_array(store, mode="r+")
    np.testing.assert_array_equal(np.asarray(await array.async_array.getitem(...))[:100], VALUES)


@pytest.mark.parametrize("name", GIVEN_UP)
async def test_cancelling_many_ends_what_was_started(name: str) -> None:
    store = slow_store()
    gathered = asyncio.gather(*(_reads(store)[name]() for _ in range(4)))
    while not store.started:
        await asyncio.sleep(0)
    gathered.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathered
    while len(asyncio.all_tasks()) > 1:  # `gather` does not wait for the others
        await asyncio.sleep(0)
    assert store.has_ended()


@pytest.mark.parametrize("name", GIVEN_UP)
async def test_a_failure_ends_the_reads_beside_it(name: str) -> None:
    store = slow_store()

    async def fail() -> None:
        while not store.started:
            await asyncio.sleep(0)
        raise KeyError("elsewhere")

    async def read_beside_it() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(_awaited(_reads(store)[name]()))
            group.create_task(fail())

    with pytest.raises(ExceptionGroup) as caught:
        await read_beside_it()
    assert [str(error) for error in caught.value.exceptions] == ["'elsewhere'"]
    assert store.has_ended()


async def _awaited(awaitable: Awaitable[object]) -> None:
    await awaitable


async def _once(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0)


async def test_iteration_that_is_left_early() -> None:
    store = slow_store()
    store.seconds = 0
    async with closing(_batches(store)) as batches:
        async for _ in batches:
            store.seconds = 3600
            break
    assert store.has_ended()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_iteration_that_nobody_closes() -> None:
    store = slow_store()
    store.seconds = 0
    async for _ in store.get_many(KEYS, prototype=PROTOTYPE):
        store.seconds = 3600
        break
    gc.collect()  # the loop closes what is collected
    for _ in range(20):
        await asyncio.sleep(0)
    assert store.has_ended()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def _batches(store: SlowStore) -> AsyncIterator[Any]:
    async with closing(store.get_many(KEYS, prototype=PROTOTYPE)) as batches:
        async for batch in batches:
            yield batch


# --- the configured timeout ------------------------------------------------------------------


class SlowToOpen(MemoryStore):
    """A store that takes its time for metadata."""

    started = ended = 0

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        if key.endswith("zarr.json"):
            self.started += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.ended += 1
        return await super().get(key, prototype, byte_range)


def test_the_configured_timeout() -> None:
    stored = MemoryStore()
    zarr.create_array(stored, name="a", data=VALUES)
    store = SlowToOpen(stored._store_dict)
    calls: list[Callable[[], object]] = [
        lambda: zarr.open_group(store),
        lambda: zarr.consolidate_metadata(store),
    ]
    for call in calls:
        store.started = store.ended = 0
        with (
            config.set({"async.timeout": 0.05}),
            time_out_once(lambda: store.started),
            pytest.raises(TimeoutError),
        ):
            call()
        assert 0 < store.started == store.ended
    assert zarr.open_array(stored, path="a")[3] == 3
    assert get_loop().is_running()
    until(lambda: not asyncio.all_tasks(get_loop()))
