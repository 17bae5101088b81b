"""The event loop, its thread and the pool under the names by which other packages find them."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest

import zarr
from zarr.core import sync as sync_module
from zarr.core.sync import _collect_aiterator, _get_executor, _get_lock, _get_loop, sync


async def _here() -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
    return asyncio.get_running_loop(), threading.current_thread()


def test_the_loop_is_the_one_on_which_synchronous_calls_run() -> None:
    loop, thread = sync(_here())
    assert _get_loop() is loop
    assert sync_module.loop == [loop]
    assert sync_module.iothread == [thread]
    assert loop.is_running()


def test_the_lists_are_those_of_before_with_a_new_loop() -> None:
    loops, threads = sync_module.loop, sync_module.iothread
    old = _get_loop()
    sync_module.cleanup_resources()
    assert (loops, threads) == ([None], [None])
    new, thread = sync(_here())
    assert new is not old
    assert sync_module.loop is loops
    assert sync_module.iothread is threads
    assert (loops, threads) == ([new], [thread])


def test_who_takes_the_loop_away_gets_a_new_one() -> None:
    old, old_thread = sync(_here())
    sync_module.loop[0] = None
    try:
        new, thread = sync(_here())
        assert new is not old
        assert thread is not old_thread
        assert sync_module.iothread == [thread]
    finally:
        old.call_soon_threadsafe(old.stop)
        old_thread.join(30)


def test_a_loop_that_others_put_there_is_used() -> None:
    own = asyncio.new_event_loop()
    thread = threading.Thread(target=own.run_forever, daemon=True)
    thread.start()
    sync_module.cleanup_resources()
    try:
        sync_module.loop[0] = own
        assert sync(_here()) == (own, thread)
    finally:
        sync_module.loop[0] = None
        own.call_soon_threadsafe(own.stop)
        thread.join(30)
        own.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_none() -> None:
    program = (
        "import os\n"
        "from zarr.core import sync\n"
        "sync._get_loop()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if sync.loop == [None] and sync.iothread == [None] else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


def test_work_of_others_runs_beside_synchronous_calls() -> None:
    loop = _get_loop()
    theirs = asyncio.run_coroutine_threadsafe(_here(), loop)
    array = zarr.create_array({}, shape=4, dtype="i4")
    array[:] = 1
    assert theirs.result(60)[0] is loop


def test_nothing_is_left_on_the_loop_after_a_call() -> None:
    # Who waits for all tasks of the loop, as one does before it deletes what is written, goes on.
    array = zarr.create_array({}, shape=(64, 64), chunks=(8, 8), dtype="i4")
    array[:] = 1
    assert np.sum(np.asarray(array[:])) == 64 * 64

    async def others() -> set[asyncio.Task[object]]:
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert sync(others()) == set()


def test_the_executor_is_the_pool_in_which_codecs_run() -> None:
    executor = _get_executor()
    assert executor is _get_executor()
    assert executor.submit(threading.current_thread).result(60).name.startswith("zarr_pool")


def test_the_lock_is_one_and_free() -> None:
    lock = _get_lock()
    assert lock is _get_lock()
    with lock:
        assert lock.locked()
    assert not lock.locked()


def test_collecting_is_a_coroutine() -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    collecting = _collect_aiterator(numbers())
    assert inspect.iscoroutine(collecting)
    assert sync(collecting) == (0, 1, 2)
