"""Arrays and groups that a parent process opened, in its children, however they were started."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from tests.concurrency.programs import printed_by
from tests.optional import lacks
from tests.servers.range_server import RangeServer

import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

METHODS = multiprocessing.get_all_start_methods()
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
MAIN = "if __name__ == '__main__':\n    main()\n"

# What every program with children needs: it says how they are started, and with which warnings.
HEAD = """
import asyncio, multiprocessing, os, sys, threading, warnings
import numpy as np
import zarr
from zarr.core.sync import get_loop, get_pool, sync
from zarr.storage import FsspecStore, LocalStore, LoggingStore, WrapperStore, ZipStore

warnings.filterwarnings("ignore", "This process .* is multi-threaded, use of fork")  # from 3.12 on
warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)  # what is the parent's to close
VALUES = np.arange(400.0).reshape(20, 20)

def ended_well(process):
    process.join(120)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode == 0, process.exitcode
"""

# The parent has used its loop and its pool. Each child reads and writes what the parent opened,
# uses a loop of its own, and starts a process in turn.
CHILDREN = (
    HEAD
    + """
def make_arrays():
    small = dict(data=VALUES, chunks=(5, 20))
    large = dict(data=np.zeros((4, 200_000)), chunks=(1, 200_000), compressors=None)
    arrays = {
        "local": zarr.create_array("local", **small),
        "large": zarr.create_array("large", **large),
        "wrapper": zarr.create_array(WrapperStore(LocalStore("wrapper")), **small),
        "logging": zarr.create_array(LoggingStore(LocalStore("logged"), log_level="CRITICAL"), **small),
        "sharded": zarr.create_array("sharded", data=VALUES, chunks=(5, 5), shards=(10, 20)),
        "format 2": zarr.create_array("v2", zarr_format=2, **small),
        "memory": zarr.create_array({}, **small),
    }
    if FSSPEC:
        store = FsspecStore.from_url("file://" + zarr.storage.LocalStore("fs").root.absolute().as_posix(),
            storage_options={"auto_mkdir": True})
        arrays["fsspec"] = zarr.create_array(store, **small)
    return arrays

def make_frozen():
    with ZipStore("a.zip", mode="w") as store:
        zarr.create_array(store, data=VALUES, chunks=(5, 20))
    frozen = {"zip": zarr.open_array(ZipStore("a.zip", mode="r"), mode="r")}
    if HTTP:
        frozen["http"] = zarr.open_array(HTTP, mode="r")
    return frozen

def use(array, position):
    values = array[...]
    values[0, 0] = 1000.0 + position
    array[0] = values[0]
    np.testing.assert_array_equal(array[...], values)
    async def read():
        return await array.async_array.getitem(...)
    np.testing.assert_array_equal(asyncio.run(read()), values)

def look(frozen):
    for array in frozen.values():
        assert array.read_only
        np.testing.assert_array_equal(array[...], VALUES)
        np.testing.assert_array_equal(asyncio.run(array.async_array.getitem((3, ...))), VALUES[3])

def grow(group, name):
    group.create_array(name, data=VALUES)
    group.attrs[name] = True
    for member in (name, "a"):
        np.testing.assert_array_equal(group[member][...], VALUES)

def child(arrays, frozen, group, depth):
    look(frozen)
    for position, array in enumerate(arrays.values()):
        use(array, position)
    grow(group, f"made {depth}")
    assert get_loop().is_running() or sync(asyncio.sleep(0, 5)) == 5
    assert get_pool().submit(int, 7).result(120) == 7
    if depth:
        start([arrays, frozen, group, depth - 1])
    look(frozen)

def start(arguments):
    process = multiprocessing.get_context(METHOD).Process(target=child, args=arguments)
    process.start()
    ended_well(process)

def main():
    arrays, frozen = make_arrays(), make_frozen()
    group = zarr.create_group("group")
    group.create_array("a", data=VALUES)
    for array in arrays.values():
        array[...]  # by the calling thread, with the pool
        asyncio.run(array.async_array.getitem(...))
    look(frozen)
    start([arrays, frozen, group, 1])
    look(frozen)
    assert sorted(group) == ["a", "made 0", "made 1"]
    assert dict(zarr.open_group("group").attrs) == {"made 0": True, "made 1": True}
    for position, (name, array) in enumerate(arrays.items()):
        changed = array[0, 0] == 1000.0 + position
        assert changed == (name != "memory"), name  # memory is that of each process
    print("done")
"""
)


@pytest.fixture
def remote(range_server: RangeServer) -> str:
    """The URL of an array on a server, with the values of the programs; empty where none can be read."""
    if lacks("fsspec") or lacks("aiohttp"):
        return ""
    store = MemoryStore()
    zarr.create_array(store, data=np.arange(400.0).reshape(20, 20), chunks=(5, 20))
    for key in ("zarr.json", *(f"c/{i}/0" for i in range(4))):
        value = store.get_sync(key, prototype=default_buffer_prototype())
        assert value is not None
        range_server.objects[key] = value.to_bytes()
    return range_server.url


@pytest.mark.parametrize("method", METHODS)
def test_children_use_what_the_parent_opened(tmp_path: Path, method: str, remote: str) -> None:
    settings = f"METHOD, FSSPEC, HTTP = {method!r}, {not lacks('fsspec')}, {remote!r}\n"
    assert printed_by(tmp_path, settings + CHILDREN + MAIN) == "done\n"


# --- many processes at once ----------------------------------------------------------------

# All work on arrays that the parent opened; each has regions, and members of a group, of its own.
POOL = (
    HEAD
    + """
from concurrent.futures import ProcessPoolExecutor

WIDTH, TIMES = 8, 5

def total(array, start):
    return float(array[start:start + 3].sum())

def write(array, start):
    for i in range(TIMES):
        array[start:start + WIDTH] = i * 1000 + start

def make(group, name):
    group.require_group("shared").create_array(f"{name}/a", data=VALUES[:2])
    group[f"shared/{name}"].attrs["name"] = name
    return name

def fail(array, index):
    return array[index]

def main():
    table = zarr.create_array("table", data=VALUES, chunks=(1, 20))
    written = {
        "chunks": zarr.create_array("chunks", shape=64, chunks=4, dtype="i8"),
        "shards": zarr.create_array("shards", shape=64, chunks=2, shards=8, dtype="i8"),
    }
    group = zarr.create_group("group")
    group.create_group("shared")
    starts = range(0, 64, WIDTH)
    context = multiprocessing.get_context(METHOD)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        totals = pool.map(total, [table] * 18, range(18))
        np.testing.assert_array_equal(list(totals), [VALUES[i:i + 3].sum() for i in range(18)])
        for name, array in written.items():
            list(pool.map(write, [array] * 8, starts))
            np.testing.assert_array_equal(
                array[...], np.repeat([(TIMES - 1) * 1000 + start for start in starts], WIDTH), name)
        names = [f"a{i}" for i in range(12)]
        assert list(pool.map(make, [group] * 12, names)) == names
        assert sorted(group["shared"]) == sorted(names)
        for name in names:
            assert group["shared"][name].attrs["name"] == name
        try:
            pool.submit(fail, table, 99).result(120)
        except IndexError as error:
            print(type(error).__name__)
        os.truncate("table/c/3/0", 5)  # a fault comes to the parent with what it was about
        try:
            pool.submit(fail, table, 3).result(120)
        except Exception as error:
            print("c/3/0" in "".join(error.__notes__))
    print("done")
"""
)


@pytest.mark.parametrize("method", METHODS)
def test_a_pool_of_processes(tmp_path: Path, method: str) -> None:
    code = f"METHOD = {method!r}\n" + POOL + MAIN
    assert printed_by(tmp_path, code) == "BoundsCheckError\nTrue\ndone\n"


# --- forks while much is going on ------------------------------------------------------------

# Threads of the parent read, by the loop and with the pool, and change what locks guard, all
# the time. Children are forked from the main thread, another one, a coroutine and a pool worker.
BUSY = (
    HEAD
    + """
def main():
    stop, failed = threading.Event(), []
    large = zarr.create_array("large", data=np.arange(300_000.0).reshape(3, -1), chunks=(1, 100_000), compressors=None)
    small = zarr.create_array("small", data=VALUES, chunks=(1, 20))
    with ZipStore("a.zip", mode="w") as store:
        zarr.create_array(store, data=VALUES, chunks=(1, 20))
    archive = zarr.open_array(ZipStore("a.zip", mode="r"), mode="r")
    arrays = [large, small, archive]
    expected = [array[...] for array in arrays]
    def check():
        for array, values in zip(arrays, expected):
            np.testing.assert_array_equal(array[...], values)
            np.testing.assert_array_equal(asyncio.run(array.async_array.getitem(...)), values)
            assert sync(array.async_array.getitem((0, 0))) == values[0, 0]
    def busy():
        try:
            while not stop.is_set():
                check()
        except BaseException as error:
            failed.append(error)
            raise
    check()  # has all imported: what is being imported at a fork stays locked in the child
    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    def fork():
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                check()
                status = 0
            finally:
                sys.stderr.flush()
                os._exit(status)
        return pid
    async def fork_here():
        return fork()
    children = [fork() for _ in range(4)]
    children += [asyncio.run(fork_here()) for _ in range(2)]
    children += [sync(fork_here()) for _ in range(2)]
    children += [get_pool().submit(fork).result() for _ in range(2)]
    def other():
        children.append(fork())
    for _ in range(2):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    for pid in children:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed
    print(len(children))
"""
)


@needs_fork
def test_forks_while_threads_read(tmp_path: Path) -> None:
    assert printed_by(tmp_path, BUSY + MAIN) == "12\n"


@needs_fork
def test_forked_while_a_lock_is_held_and_reads_wait(tmp_path: Path) -> None:
    code = (
        HEAD
        + """
from tests.concurrency.slow import slow_store, until
from zarr.core import sync as module

def main():
    store = slow_store()
    array = zarr.open_array(store, mode="r+")
    reader = threading.Thread(target=lambda: array[...], daemon=True)
    reader.start()
    until(lambda: store.started)
    with module._lock:  # as another thread may, at that moment
        pid = os.fork()
    if pid == 0:
        store.seconds = 0
        np.testing.assert_array_equal(array[...], np.arange(100))
        assert get_pool().submit(int, 7).result(120) == 7
        print("child", flush=True)
        sys.exit()  # in order, with all that is done at the exit
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert reader.is_alive() and store.ended == 0  # what the parent reads goes on
    print("parent")
"""
    )
    assert printed_by(tmp_path, code + MAIN) == "child\nparent\n"


@needs_fork
def test_a_parent_that_goes_first(tmp_path: Path) -> None:
    code = """
array = zarr.create_array("a", data=VALUES, chunks=(1, 20))
sync(array.async_array.getitem(...))
ready, go = os.pipe()
if os.fork() == 0:
    os.close(go)
    os.read(ready, 1)  # ends when the parent has
    np.testing.assert_array_equal(sync(array.async_array.getitem(...)), VALUES)
    print("child", flush=True)
else:
    print("parent", flush=True)
"""
    # Its output is read to the end, and so the child waited for.
    assert printed_by(tmp_path, HEAD + code) == "parent\nchild\n"
