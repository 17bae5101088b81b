"""Ctrl-C, and the end of the interpreter, while reads and writes are under way."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.concurrency.programs import printed_by, running
from tests.concurrency.slow import KEYS, PROTOTYPE, VALUES, slow_store, until

import zarr
from zarr.core.sync import get_loop, sync

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals")

HEAD = """
import asyncio, atexit, os, signal, sys, threading, time
import numpy as np
import zarr
from tests.concurrency.slow import KEYS, PROTOTYPE, VALUES, SlowStore, slow_store, until
from zarr.core import sync as module
from zarr.core.sync import get_loop, get_pool, sync

module._MOMENT = 100.0  # which no caller waits for what it started to end, if that ends
store = slow_store()
array = zarr.open_array(store, mode="r+")

async def bulk():
    async for _ in store.get_many(KEYS, prototype=PROTOTYPE):
        raise AssertionError("nothing can have arrived")

CALLS = {
    "get": lambda: sync(store.get(KEYS[0], PROTOTYPE)),
    "bulk": lambda: sync(bulk()),
    "read": lambda: array[...],
    "read by the loop": lambda: sync(array.async_array.getitem(...)),
    "write": lambda: array.__setitem__(slice(3, None), 7),
    "copy": lambda: zarr.create_array({}, data=array, chunks=(5,)),
    "iteration": lambda: list(array),
}

def waits():
    frame = sys._current_frames()[threading.main_thread().ident]
    return frame.f_code.co_name in ("wait", "select", "iter_ahead")

def began():
    until(lambda: store.started)
    until(waits)
    # A signal does not end a system call that begins just after the signal has arrived. Give the
    # main thread the time to enter the call: on a busy machine, a test hung without this pause.
    time.sleep(0.5)
    print("began", flush=True)

def usable():
    \"\"\"Nothing of before is under way, and all works as ever.\"\"\"
    until(store.has_ended)
    until(lambda: not asyncio.all_tasks(get_loop()))
    store.seconds = 0
    np.testing.assert_array_equal(array[...], VALUES)
    np.testing.assert_array_equal(sync(array.async_array.getitem(slice(7, None))), VALUES[7:])
    array[:5] = 9
    np.testing.assert_array_equal(array[:6], [9, 9, 9, 9, 9, 5])
"""


def test_interrupted_calls(tmp_path: Path) -> None:
    code = """
for name, call in CALLS.items():
    store.started, store.ended, store.seconds = 0, 0, 3600
    watcher = threading.Thread(target=began)
    watcher.start()
    try:
        call()
    except KeyboardInterrupt:
        assert store.has_ended(), name  # before the caller hears of it
        watcher.join()
        usable()
        array[...] = VALUES
        print("interrupted", flush=True)
print("done")
"""
    with running(tmp_path, HEAD + code) as program:
        for _ in range(7):
            program.wait_for("began")
            program.interrupt()
            program.wait_for("interrupted")
        assert program.finish(0) == ("done\n", "")


@pytest.mark.parametrize("handed_over", [True, False])
@pytest.mark.parametrize("name", ["get", "read"])
def test_an_interrupt_before_the_wait(
    monkeypatch: pytest.MonkeyPatch, name: str, handed_over: bool
) -> None:
    store = slow_store()
    array = zarr.open_array(store, mode="r+")
    loop = get_loop()
    hand_over = loop.call_soon_threadsafe

    def interrupted(*arguments: Any) -> None:
        monkeypatch.undo()
        if handed_over:
            hand_over(*arguments)
            until(lambda: store.started)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "call_soon_threadsafe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        array[...] if name == "read" else sync(store.get(KEYS[0], PROTOTYPE))
    assert store.started == store.ended
    assert handed_over == bool(store.started)
    assert not asyncio.all_tasks(loop)
    store.seconds = 0
    np.testing.assert_array_equal(array[...], VALUES)


def test_interrupted_twice(tmp_path: Path) -> None:
    # The second time comes while the first call, which does not want to end, is waited for.
    code = """
interrupts = []
def interrupt(*_):
    interrupts.append(None)
    raise KeyboardInterrupt
signal.signal(signal.SIGINT, interrupt)
async def stay():
    print("began", flush=True)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("cancelled", flush=True)
    while len(interrupts) < 2:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            pass
    store.started = store.ended = 1
try:
    sync(stay())
except KeyboardInterrupt:
    assert len(interrupts) == 2
    print("interrupted", flush=True)
    usable()
    print("done")
"""
    with running(tmp_path, HEAD + code) as program:
        program.wait_for("began")
        program.interrupt()
        program.wait_for("cancelled")
        program.interrupt()
        program.wait_for("interrupted")
        assert program.finish(0) == ("done\n", "")


def test_other_threads_go_on(tmp_path: Path) -> None:
    code = """
other = slow_store()
other.seconds, other.held = 0, True
parts = []
thread = threading.Thread(target=lambda: parts.append(zarr.open_array(other, mode="r+")[...]))
thread.start()
until(lambda: other.started)
watcher = threading.Thread(target=began)
watcher.start()
try:
    array[...]
except KeyboardInterrupt:
    print("interrupted", flush=True)
    assert thread.is_alive()
    other.held = False
    thread.join()
    np.testing.assert_array_equal(parts, [VALUES])
    usable()
"""
    with running(tmp_path, HEAD + code) as program:
        program.wait_for("began")
        program.interrupt()
        program.wait_for("interrupted")
        assert program.finish(0) == ("", "")


def test_an_interrupted_program_ends(tmp_path: Path) -> None:
    code = """
threading.Thread(target=began, daemon=True).start()
array[...]
"""
    with running(tmp_path, HEAD + code) as program:
        program.wait_for("began")
        program.interrupt()
        out, error = program.finish(-2)
    assert out == ""
    assert error.splitlines()[-1] == "KeyboardInterrupt"
    assert error.count("Traceback") == 1  # the one that leads to the call, and no complaint after


def test_an_interrupted_loop_of_the_user(tmp_path: Path) -> None:
    code = """
async def main():
    await asyncio.gather(array.async_array.getitem(...), array.async_array.getitem(3))
threading.Thread(target=began).start()
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
usable()
"""
    with running(tmp_path, HEAD + code) as program:
        program.wait_for("began")
        program.interrupt()
        program.wait_for("interrupted")
        assert program.finish(0) == ("", "")


# --- the end of the interpreter --------------------------------------------------------------


def test_an_end_while_daemon_threads_work(tmp_path: Path) -> None:
    code = """
for call in CALLS.values():
    before = store.started
    threading.Thread(target=call, daemon=True).start()
    until(lambda: store.started > before)
"""
    assert printed_by(tmp_path, HEAD + code) == ""


def test_an_end_while_threads_work(tmp_path: Path) -> None:
    # The interpreter waits for them: they get what they asked for, though it starts no jobs.
    code = """
store.seconds = 0.3
large = zarr.create_array("large", data=np.ones((4, 200_000)), chunks=(1, 200_000))
def read():
    until(lambda: not threading.main_thread().is_alive())
    for _ in range(2):
        np.testing.assert_array_equal(array[...], VALUES)
        np.testing.assert_array_equal(sync(array.async_array.getitem(...)), VALUES)
        assert large[...].sum() == sync(large.async_array.getitem(...)).sum() == 800_000
    store.seconds = 0
    array[5:] = 0
    print(int(array[...].sum()), flush=True)
threading.Thread(target=read).start()
"""
    assert printed_by(tmp_path, HEAD + code) == "10\n"


def test_an_end_while_tasks_work(tmp_path: Path) -> None:
    code = """
asyncio.run_coroutine_threadsafe(bulk(), get_loop())
get_pool().submit(lambda: array.shape)
until(lambda: store.started)
"""
    assert printed_by(tmp_path, HEAD + code) == ""


def test_use_at_the_end(tmp_path: Path) -> None:
    # In an order in which the library is called before and after its own handlers.
    code = """
import atexit, sys
def late(when):
    import numpy as np
    import zarr
    array = zarr.create_array(when, data=np.arange(100), chunks=(5,), overwrite=True)
    array[:5] = 1
    assert array[...].sum() == 4945
    assert zarr.open_array(when)[-1] == 99
    from zarr.core.sync import sync
    assert sync(array.async_array.getitem(...)).sum() == 4945
    zarr.open_group("group", mode="a").attrs[when] = True
    print(when, flush=True)
atexit.register(late, "after")
import numpy as np
import zarr, zarr.storage
zarr.create_group("group")
atexit.register(late, "before")
class Held:
    array = zarr.create_array("held", data=np.arange(10), chunks=(2,))
    def __del__(self):
        assert self.array[...].sum() == 45
        print("deleted", flush=True)
held = Held()
del held
kept = Held()
atexit.register(globals().pop, "kept")
"""
    assert printed_by(tmp_path, code) == "deleted\ndeleted\nbefore\nafter\n"


@pytest.mark.parametrize("how", ["sys.exit(3)", "raise SystemExit(3)"])
def test_an_exit_amid_an_iteration(tmp_path: Path, how: str) -> None:
    code = f"""
store.seconds = 0
group = zarr.create_group({{}})
for i in range(5):
    group.create_array(f"a{{i}}", data=VALUES)
for name, member in group.members():
    for row in array:
        batches = store._get_many_sync(KEYS, prototype=PROTOTYPE)
        next(batches)
        store.seconds = 3600
        {how}
"""
    with running(tmp_path, HEAD + code) as program:
        assert program.finish(3) == ("", "")


def test_an_exit_within_a_coroutine(tmp_path: Path) -> None:
    code = """
async def leave():
    sys.exit(4)
reader = threading.Thread(target=lambda: array[...], daemon=True)
reader.start()
until(lambda: store.started)
try:
    sync(leave())
except SystemExit:
    assert reader.is_alive() and store.ended == 0  # the loop goes on
sync(leave())
"""
    with running(tmp_path, HEAD + code) as program:
        assert program.finish(4) == ("", "")


def test_os_exit(tmp_path: Path) -> None:
    code = """
threading.Thread(target=lambda: array[...], daemon=True).start()
until(lambda: store.started)
os._exit(5)
"""
    with running(tmp_path, HEAD + code) as program:
        assert program.finish(5) == ("", "")
