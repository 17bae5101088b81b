"""The loop thread, the worker pool and synchronous twins."""

from __future__ import annotations

import asyncio
import inspect
import os
import pickle
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any

import numpy as np
import pytest
from tests.waiting import PATIENCE, time_out_once, until

import zarr
from zarr.core import sync as sync_module
from zarr.core._derive import sync_iteration, sync_method, sync_twin
from zarr.core.config import config
from zarr.core.sync import (
    SyncError,
    SyncMixin,
    collect_aiterator,
    get_loop,
    get_pool,
    in_pool,
    in_pool_to_its_end,
    iter_ahead,
    sync,
)
from zarr.storage import MemoryStore
from zarr.testing.store import LatencyStore


async def double(value: int, *, times: int = 2) -> int:
    """Multiply."""
    await asyncio.sleep(0)
    return value * times


async def numbers(n: int) -> AsyncIterator[int]:
    for i in range(n):
        await asyncio.sleep(0)
        yield i


doubled = sync_twin(double)
doubled_text = sync_twin(double, wrap=str)


def test_result_and_error() -> None:
    assert sync(double(4)) == 8

    async def fail() -> None:
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        sync(fail())


def test_refused_on_its_own_loop() -> None:
    async def nested() -> None:
        sync(double(1))

    with pytest.raises(SyncError, match="running loop"):
        sync(nested())


def test_works_inside_another_running_loop() -> None:
    async def outer() -> int:
        return sync(double(5))

    assert asyncio.run(outer()) == 10


def test_timeout_cancels() -> None:
    began, cancelled = threading.Event(), threading.Event()

    async def forever() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    twin = sync_twin(forever)
    calls: list[Callable[[], None]] = [
        lambda: sync(forever(), timeout=0.05),
        lambda: SyncMixin()._sync(forever()),
        twin,
    ]
    for call in calls:
        began.clear()
        cancelled.clear()
        with (
            config.set({"async.timeout": 0.05}),
            time_out_once(began.is_set),
            pytest.raises(TimeoutError),
        ):
            call()
        assert cancelled.is_set()


def test_a_timeout_before_it_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    async def never() -> None:
        raise AssertionError("it was begun")

    monkeypatch.setattr(sync_module, "_MOMENT", 0.0)
    get_loop().call_soon_threadsafe(block)
    assert begun.wait(PATIENCE)
    calls: list[Callable[[], None]] = [lambda: sync(never(), timeout=0.0), sync_twin(never)]
    try:
        for call in calls:
            with config.set({"async.timeout": 0.0}), pytest.raises(TimeoutError):
                call()
    finally:
        go_on.set()
    assert sync(double(4)) == 8


def test_a_timeout_error_of_the_coroutine_is_its_own() -> None:
    error = TimeoutError("the server's")
    error.add_note("while reading")

    async def late() -> None:
        raise error

    with pytest.raises(TimeoutError, match="the server's") as caught:
        sync(late())
    assert caught.value is error


def test_bad_loops() -> None:
    coroutine = double(1)
    with pytest.raises(TypeError):
        sync(coroutine, loop="no")  # type: ignore[arg-type]
    closed = asyncio.new_event_loop()
    closed.close()
    with pytest.raises(RuntimeError):
        sync(coroutine, loop=closed)
    coroutine.close()


def test_iteration() -> None:
    assert collect_aiterator(numbers(4)) == (0, 1, 2, 3)
    assert SyncMixin()._sync_iter(numbers(2)) == [0, 1]
    closed = threading.Event()

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    steps = iter_ahead(endless())
    assert next(steps) == 1
    steps.close()  # type: ignore[attr-defined]
    assert closed.is_set()


def test_one_loop_for_all_threads() -> None:
    loops = set()
    threads = [threading.Thread(target=lambda: loops.add(get_loop())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loops) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_gets_its_own_loop_and_pool() -> None:
    sync(double(1))
    get_pool().submit(int).result()
    # A process of its own: forking a multi-threaded test runner is what warns, not the library.
    program = (
        "import os, warnings; warnings.simplefilter('ignore')\n"
        "import asyncio\n"
        "from zarr.core.sync import sync, get_pool\n"
        "async def f(): return 7\n"
        "sync(f()); get_pool().submit(int).result()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    ok = sync(f()) == 7 and get_pool().submit(lambda: 3).result(60) == 3\n"
        "    os._exit(0 if ok else 1)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", program]) == 0


def test_resources_come_back_after_cleanup() -> None:
    before = get_loop()
    sync_module.cleanup_resources()
    until(before.is_closed)
    assert sync(double(3)) == 6
    assert get_loop() is not before


def test_twin_keeps_what_describes_the_original() -> None:
    assert doubled(3) == 6
    assert doubled(3, times=5) == 15
    assert doubled_text(3) == "6"
    assert str(inspect.signature(doubled)) == str(inspect.signature(double))
    assert doubled.__doc__ == "Multiply."
    assert doubled.__module__ == __name__
    assert not inspect.iscoroutinefunction(doubled)


def test_twin_methods() -> None:
    class Async:
        async def get(self, key: str, default: int = 0) -> int:
            """Get."""
            return len(key) + default

        async def each(self, n: int) -> AsyncIterator[int]:
            for i in range(n):
                yield i

    class Sync:
        _inner = Async()
        get = sync_method(Async.get, to=lambda self: self._inner, wrap=str)
        each = sync_iteration(Async.each, to=lambda self: self._inner)

    assert Sync().get("abc", default=1) == "4"
    assert list(Sync().each(3)) == [0, 1, 2]
    assert str(inspect.signature(Sync.get)) == "(self, key: 'str', default: 'int' = 0) -> 'int'"


def test_pickling_of_twins() -> None:
    doubled.__qualname__ = doubled.__name__ = "doubled"
    assert pickle.loads(pickle.dumps(doubled)) is doubled


@pytest.mark.parametrize(
    "call",
    [
        lambda store: zarr.open(store),
        lambda store: zarr.open_array(store),
        lambda store: zarr.load(store),
        lambda store: zarr.Array.open(store),
        lambda store: zarr.open_group(store),
        lambda store: zarr.create_group(store),
    ],
)
def test_synchronous_functions_give_up_in_time(call: Callable[[Any], Any]) -> None:
    store = LatencyStore(MemoryStore(), get_latency=30)
    with config.set({"async.timeout": 0.05}), pytest.raises(TimeoutError, match=r"within 0\.05 s"):
        call(store)


# --- jobs of the worker pool ------------------------------------------------------------

asked_by: ContextVar[str | None] = ContextVar("asked_by", default=None)


@pytest.mark.parametrize("run", [in_pool, in_pool_to_its_end])
async def test_a_job_sees_the_context_of_its_caller(run: Any) -> None:
    asked_by.set("me")

    def look() -> tuple[Any, Any]:
        found = asked_by.get(), np.geterr()["divide"]
        asked_by.set("a job")
        return found

    with np.errstate(divide="ignore"):
        assert await run(look) == ("me", "ignore")
    with np.errstate(divide="raise"):
        assert get_pool().submit(look).result() == ("me", "raise")
    assert asked_by.get() == "me"


async def test_a_job_that_has_not_begun_is_taken_back() -> None:
    release, ran = threading.Event(), threading.Event()
    workers = [get_pool().submit(release.wait, PATIENCE) for _ in range(64)]
    waiting = asyncio.ensure_future(in_pool_to_its_end(ran.set))
    await asyncio.sleep(0)
    waiting.cancel()
    try:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, PATIENCE / 2)
        assert not release.is_set()
    finally:
        release.set()
    for worker in workers:
        await asyncio.wrap_future(worker)
    assert not ran.is_set()


async def test_a_job_that_runs_is_waited_for() -> None:
    began, release, stopped = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        assert release.wait(PATIENCE)

    waiting = asyncio.ensure_future(in_pool_to_its_end(work, stopped.set))
    assert await asyncio.to_thread(began.wait, PATIENCE)
    waiting.cancel()
    assert await asyncio.to_thread(stopped.wait, PATIENCE)
    waiting.cancel()  # once more
    await asyncio.sleep(0)
    assert not waiting.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
