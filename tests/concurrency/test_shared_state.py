"""State that all threads of a process share: no update is lost or made twice, or visible in part.

The threads of a test start at the same moment. A trace function suspends them now and then between
two bytecode instructions of the code under test, so that races also show with the GIL.
"""

from __future__ import annotations

import asyncio
import collections
import gc
import os
import random
import sys
import threading
import time
import weakref
import zipfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.metadata import EntryPoint
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import donfig
import numpy as np
import pytest
from tests.concurrency.programs import printed_by
from tests.optional import lacks
from tests.waiting import PATIENCE

import zarr
import zarr.dtype as zd
from zarr import registry
from zarr.abc.codec import BytesBytesCodec
from zarr.abc.store import RangeByteRequest, Store
from zarr.core._read_options import ReadOptions
from zarr.core._read_scheduler import ReadScheduler
from zarr.core._writes import epoch, note_write
from zarr.core.buffer import cpu, default_buffer_prototype
from zarr.core.chunks import _scheduling
from zarr.core.chunks._scheduling import FairSemaphore
from zarr.core.config import config
from zarr.core.dtype import registry as dtype_registry
from zarr.core.dtype.registry import DataTypeRegistry
from zarr.core.sync import cleanup_resources, get_loop, get_pool
from zarr.experimental._key_locks import KeyLocks
from zarr.experimental.cache_store import CacheStore
from zarr.storage import LocalStore, LoggingStore, ManagedMemoryStore, MemoryStore, ZipStore
from zarr.storage import _zip_forks as zip_forks

S = TypeVar("S")
T = TypeVar("T")
THREADS = 8
PROTOTYPE = default_buffer_prototype()

needs_fsspec = pytest.mark.skipif(lacks("fsspec"), reason="needs fsspec")


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    """Set the switch interval of the GIL to one microsecond; the default is five milliseconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield pool


# The code that is traced: the package and the libraries that it is built on.
_TRACED = (
    str(Path(zarr.__file__).parent),
    str(Path(donfig.__file__).parent),
    weakref.__file__,
    collections.__file__,
    str(Path(zipfile.__file__).with_suffix("")),  # in Python 3.12 and later it is a folder
)
# After one of this many traced instructions, other threads get a moment to run.
_OUT_OF = 60


def hesitate(frame: FrameType, event: str, arg: object) -> Any:
    """Trace a thread; other threads may run between two bytecode instructions of traced code."""
    if not frame.f_code.co_filename.startswith(_TRACED):
        return None
    frame.f_trace_opcodes = True
    frame.f_trace_lines = False

    def between(frame: FrameType, event: str, arg: object) -> Any:
        if event == "opcode" and not random.randrange(_OUT_OF):
            time.sleep(1e-6)
        return between

    return between


def at_once(pool: ThreadPoolExecutor, job: Callable[[int], T]) -> list[T]:
    """Call a function in all threads at the same moment, with the number of the thread."""
    begin = threading.Barrier(THREADS, timeout=PATIENCE)

    def run(number: int) -> T:
        before = sys.gettrace()
        begin.wait()
        sys.settrace(hesitate)
        try:
            return job(number)
        finally:
            sys.settrace(before)

    return [job.result(PATIENCE) for job in [pool.submit(run, n) for n in range(THREADS)]]


def value_of(data: bytes) -> cpu.Buffer:
    return cpu.Buffer.from_bytes(data)


# --- registries ------------------------------------------------------------------------------


class Codec(BytesBytesCodec):
    is_fixed_size = True


def test_no_registered_codec_is_lost(threads: ThreadPoolExecutor) -> None:
    for number in range(50):
        key = f"test.shared-state-{number}"
        at_once(threads, lambda n, key=key: registry.register_codec(key, Codec, qualname=str(n)))  # type: ignore[misc]
        assert sorted(registry._codecs.pop(key)) == sorted(map(str, range(THREADS)))


PLUGIN = """
import sys, threading
sys.setswitchinterval(1e-6)
from zarr.registry import get_codec_class
begin, found = threading.Barrier(8), []

def look_up():
    begin.wait()
    try:
        found.append(get_codec_class("plugged").__name__)
    except Exception as error:
        found.append(repr(error))

import zarr.codecs
threads = [threading.Thread(target=look_up) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*sorted(set(found)))
"""


def test_all_threads_find_a_codec_of_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugin.py").write_text(
        "from zarr.abc.codec import BytesBytesCodec\n"
        "class Plugged(BytesBytesCodec):\n    is_fixed_size = True\n"
    )
    info = tmp_path / "plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[zarr.codecs]\nplugged = plugin:Plugged\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert printed_by(tmp_path, PLUGIN) == "Plugged\n"


class Plugged(zd.Int8):
    _zarr_v3_name = "test.plugged"


def of_codecs(entry: EntryPoint) -> Callable[[], object]:
    mine: registry.Registry[Any] = registry.Registry()
    mine.lazy_load_list.append(entry)

    def look_up() -> object:
        mine.lazy_load(use_entrypoint_name=True)
        return mine["test.plugged"]

    return look_up


def of_data_types(entry: EntryPoint) -> Callable[[], object]:
    mine = DataTypeRegistry()
    mine._lazy_load_list.append(entry)
    return lambda: type(mine.match_json("test.plugged", zarr_format=3))


def of_dtypes(entry: EntryPoint) -> Callable[[], object]:
    mine = DataTypeRegistry()
    mine._lazy_load_list.append(entry)
    return lambda: type(mine.match_dtype(np.dtype("i1")))


@pytest.mark.parametrize("kind", [of_codecs, of_data_types, of_dtypes])
def test_an_entry_point_that_another_thread_is_loading(
    threads: ThreadPoolExecutor, kind: Callable[[EntryPoint], Callable[[], object]]
) -> None:
    began, may_end = threading.Event(), threading.Event()

    class Slow(EntryPoint):
        def load(self) -> Any:
            if began.is_set():
                may_end.set()
            else:  # the first one waits until the other one has looked up, or has to load it, too
                began.set()
                assert may_end.wait(PATIENCE)
            return super().load()

    look_up = kind(Slow("test.plugged", f"{__name__}:Plugged", "any"))
    first = threads.submit(look_up)
    assert began.wait(PATIENCE)
    try:
        assert look_up() is Plugged
    finally:
        may_end.set()
    assert first.result(PATIENCE) is Plugged


def test_a_type_that_is_looked_up_by_the_module_that_has_it() -> None:
    # As an entry point of a module that looks for implementations when it is imported.
    mine: registry.Registry[Any] = registry.Registry()

    class Recursive(EntryPoint):
        def load(self) -> Any:
            mine.lazy_load()
            return super().load()

    mine.lazy_load_list.append(Recursive("a", f"{__name__}:Plugged", "any"))
    mine.lazy_load()
    assert list(mine.values()) == [Plugged]
    assert mine.lazy_load_list == []


def test_an_entry_point_that_fails_leaves_the_others() -> None:
    mine: registry.Registry[Any] = registry.Registry()
    mine.lazy_load_list += [
        EntryPoint("a", f"{__name__}:Missing", "any"),
        EntryPoint("b", f"{__name__}:Plugged", "any"),
    ]
    with pytest.raises(AttributeError, match="Missing"):
        mine.lazy_load()
    mine.lazy_load()
    assert list(mine.values()) == [Plugged]


def test_data_types_that_are_registered_while_others_are_looked_up(
    threads: ThreadPoolExecutor,
) -> None:
    mine = DataTypeRegistry()
    for cls in (zd.Int8, zd.Int16, zd.Int32, zd.Float32, zd.Float64):
        mine.register(cls._zarr_v3_name, cls)

    def work(number: int) -> None:
        for _ in range(40):
            if number % 2:
                mine.register(f"test.{number}", zd.UInt8)
                mine.unregister(f"test.{number}")
            else:
                assert mine.match_dtype(np.dtype("f8")) == zd.Float64()

    at_once(threads, work)


def test_a_lookup_that_began_before_a_change_is_not_remembered(
    threads: ThreadPoolExecutor,
) -> None:
    mine = DataTypeRegistry()

    class Old(zd.Int8):
        @classmethod
        def from_native_dtype(cls, dtype: Any) -> Any:
            threads.submit(mine.register, "int8", zd.Int8).result(PATIENCE)
            return super().from_native_dtype(dtype)

    mine.register("int8", Old)
    mine.match_dtype(np.dtype("i1"))
    assert type(mine.match_dtype(np.dtype("i1"))) is zd.Int8
    assert dtype_registry._MEMO_LIMIT > len(mine._memo) > 0


# --- configuration ---------------------------------------------------------------------------

KEY = "async.concurrency"


def test_keys_that_are_set_by_turns_are_counted(threads: ThreadPoolExecutor) -> None:
    def work(number: int) -> None:
        for _ in range(30):
            with config.set({KEY: 1 + number, "array.order": "C"}):
                assert config.is_set(KEY)

    at_once(threads, work)
    assert not config.is_set(KEY)
    assert set(config._times_set.values()) == {0}


@pytest.mark.parametrize("renew", [config.refresh, config.reset])
def test_no_key_is_missing_while_the_configuration_is_read_again(
    threads: ThreadPoolExecutor, renew: Callable[[], None]
) -> None:
    ended = threading.Event()

    def work(number: int) -> None:
        if number == 0:
            try:
                for _ in range(5):
                    renew()
            finally:
                ended.set()
        while not ended.is_set():
            assert config.get(KEY) == 10
            assert config.get("codecs").get("gzip")

    config.set({"array.extra": 1, "extra": 1})
    at_once(threads, work)
    assert config.get("extra", None) is config.get("array.extra", None) is None


# --- one of each -----------------------------------------------------------------------------


def test_one_loop_and_one_pool_each_time(threads: ThreadPoolExecutor) -> None:
    for _ in range(20):
        cleanup_resources()
        made = at_once(threads, lambda _: (get_loop(), get_pool()))
        assert len(set(made)) == 1
    assert sum(thread.name == "zarr_io" for thread in threading.enumerate()) == 1
    cleanup_resources()


def test_one_queue_for_each_loop(threads: ThreadPoolExecutor) -> None:
    scheduler = ReadScheduler(ReadOptions.configured())
    held: list[Any] = []  # so that no number is given again

    async def ask() -> None:
        queue = scheduler.queue()
        held.append(queue)
        assert queue.loop is asyncio.get_running_loop()
        for step in range(30):
            assert scheduler.queue() is queue
            if not step % 10:
                await asyncio.sleep(0)

    def work(_: int) -> None:
        for _ in range(10):
            asyncio.run(ask())

    at_once(threads, work)
    assert len(set(map(id, held))) == 10 * THREADS
    asyncio.run(ask())
    assert len(scheduler._queues) == 1  # those of closed loops are dropped


def test_one_memory_for_each_name(threads: ThreadPoolExecutor) -> None:
    names = (f"shared-state-{number}" for number in count())
    for name in [next(names) for _ in range(30)]:
        stores = at_once(threads, lambda _, name=name: ManagedMemoryStore(name))  # type: ignore[misc]
        assert len({id(store._store_dict) for store in stores}) == 1
    unnamed = at_once(threads, lambda _: [ManagedMemoryStore() for _ in range(50)])
    assert len({store.name for stores in unnamed for store in stores}) == 50 * THREADS


@needs_fsspec
def test_one_queue_for_each_cache_directory(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    serial = import_module("zarr.storage._fsspec_serial")
    filesystem = import_module("fsspec").filesystem
    for number in range(15):
        caches = [
            filesystem(
                "filecache",
                target_protocol="memory",
                cache_storage=str(tmp_path / str(number)),
                skip_instance_cache=True,
            )
            for _ in range(THREADS)
        ]
        queues = at_once(threads, lambda n, caches=caches: serial.queue_of_cache(caches[n]))  # type: ignore[misc]
        assert len(set(map(id, queues))) == 1


@needs_fsspec
@pytest.mark.skipif(lacks("aiohttp"), reason="needs aiohttp")
def test_one_file_system_for_each_loop(threads: ThreadPoolExecutor) -> None:
    loops = import_module("zarr.storage._fsspec_loops")
    shared = import_module("fsspec").filesystem("http", asynchronous=True, skip_instance_cache=True)

    async def use() -> None:
        for _ in range(5):
            mine = loops.for_running_loop(shared)
            assert mine.__dict__[loops._HOME]() is asyncio.get_running_loop()
            await asyncio.sleep(0)

    def work(_: int) -> None:
        for _ in range(10):
            asyncio.run(use())

    at_once(threads, work)
    assert not [loop for loop in loops._loops() if not loop.is_closed() and not loop.is_running()]


# --- counts ----------------------------------------------------------------------------------


def test_each_write_has_an_epoch_of_its_own(threads: ThreadPoolExecutor) -> None:
    before = epoch()

    def work(_: int) -> None:
        for _ in range(100):
            seen = epoch()
            note_write()
            assert epoch() > seen

    at_once(threads, work)
    assert epoch() == before + 100 * THREADS


def test_each_call_is_counted(threads: ThreadPoolExecutor) -> None:
    store = LoggingStore(MemoryStore(), log_level="CRITICAL")

    def work(_: int) -> None:
        for _ in range(40):
            store.supports_writes

    at_once(threads, work)
    assert store.counter["supports_writes"] == 40 * THREADS


class Meter:
    """Counts the threads that are inside a block, and the maximum so far."""

    def __init__(self) -> None:
        self._inside = Counter[str]()
        self._lock = threading.Lock()
        self.most = self.times = 0

    def enter(self, name: str = "") -> None:
        with self._lock:
            self._inside[name] += 1
            self.times += 1
            self.most = max(self.most, self._inside[name])

    def leave(self, name: str = "") -> None:
        with self._lock:
            self._inside[name] -= 1


@pytest.mark.parametrize("permits", [1, 3])
def test_a_semaphore_has_so_many_holders(
    threads: ThreadPoolExecutor, permits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_scheduling, "has_gil", lambda: True)  # without one nobody waits
    semaphore, meter = FairSemaphore(permits, timeout=PATIENCE), Meter()

    def work(_: int) -> None:
        for _ in range(100):
            with semaphore.held() as is_holder:
                meter.enter()
                assert is_holder
                meter.leave()

    at_once(threads, work)
    assert (meter.most <= permits, meter.times) == (True, 100 * THREADS)
    assert semaphore._free == permits
    assert not semaphore._waiting


def test_one_holder_of_each_key(threads: ThreadPoolExecutor) -> None:
    locks, meter = KeyLocks(), Meter()

    async def work() -> None:
        for step in range(40):
            key = f"key-{step % 2}"
            await locks.acquire(key)
            meter.enter(key)
            await asyncio.sleep(0)
            meter.leave(key)
            locks.release(key)

    at_once(threads, lambda _: asyncio.run(work()))
    assert (meter.most, meter.times) == (1, 40 * THREADS)
    assert not locks.held("key-0")
    assert not locks.held("key-1")


def test_the_ledger_of_a_cache_adds_up(threads: ThreadPoolExecutor) -> None:
    source = MemoryStore({f"c/{n}": value_of(bytes(10 + n)) for n in range(20)})
    store = CacheStore(source, cache_store=MemoryStore(), max_size=200)

    async def work(number: int) -> None:
        for step in range(30):
            key = f"c/{(step * (number + 1)) % 20}"
            data = await store.get(key, PROTOTYPE)
            assert data is not None
            assert len(data) == 10 + int(key[2:])

    at_once(threads, lambda number: asyncio.run(work(number)))
    state, ledger = store._state, store._state.cache.ledger
    assert state.hits + state.misses == 30 * THREADS
    assert ledger.nbytes == sum(entry.nbytes for entry in ledger.entries()) <= 200
    assert sorted(state.key_sizes) == sorted(store._cache_store._store_dict)  # type: ignore[attr-defined]


# --- stores ----------------------------------------------------------------------------------

COUNT = 100


def filled(kind: str, folder: Path) -> Store:
    """A store with short values; a bulk read of them makes many calls."""
    values = {f"c/{number}": bytes([number]) * (number + 1) for number in range(COUNT)}
    if kind == "memory":
        return MemoryStore({key: value_of(data) for key, data in values.items()})
    if kind == "local":
        for key, data in values.items():
            path = folder / key
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        return LocalStore(folder)
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for key, data in values.items():
            archive.writestr(key, data)
    return ZipStore(folder / "a.zip", mode="r")


REQUESTS = [(f"c/{number % COUNT}", None) for number in range(COUNT + 20)]


@pytest.mark.parametrize("kind", ["memory", "local", "zip"])
def test_each_request_of_a_bulk_read_is_answered_once(
    kind: str, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    store = filled(kind, tmp_path)

    def check(answers: Iterable[tuple[int, Any]]) -> None:
        found = sorted(answers, key=lambda answer: answer[0])
        assert [number for number, _ in found] == list(range(len(REQUESTS)))
        for number, data in found:
            key = number % COUNT
            assert data.to_bytes() == bytes([key]) * (key + 1)

    async def read() -> list[tuple[int, Any]]:
        return [a async for batch in store.get_many(REQUESTS, prototype=PROTOTYPE) for a in batch]

    def work(number: int) -> None:
        if number % 2:
            check(asyncio.run(read()))
        else:
            batches = store._get_many_sync(REQUESTS, prototype=PROTOTYPE)
            check(answer for batch in batches for answer in batch)

    at_once(threads, work)
    store.close()


async def test_a_worker_that_finds_the_last_file_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, times = threading.Barrier(2, timeout=PATIENCE), count()

    class Asked(deque[Any]):
        """A queue that reports one item to two workers, so that one of them gets nothing."""

        def __bool__(self) -> bool:
            left = len(self)
            is_worker = threading.current_thread() is not threading.main_thread()
            if left == 1 and is_worker and next(times) < 2:
                both.wait()
            return left > 0

    monkeypatch.setattr("zarr.storage._local.deque", Asked)
    store = filled("local", tmp_path)
    read = store.get_many(REQUESTS[:1], prototype=PROTOTYPE)
    assert [number async for batch in read for number, _ in batch] == [0]


def test_one_of_all_who_write_if_there_is_nothing(threads: ThreadPoolExecutor) -> None:
    for store in [MemoryStore() for _ in range(20)]:

        def write(number: int, store: MemoryStore = store) -> bytes:
            asyncio.run(store.set_if_not_exists("a", value_of(b"%d" % number)))
            found = store.get_sync("a")
            assert found is not None
            return found.to_bytes()

        assert len(set(at_once(threads, write))) == 1


@pytest.mark.parametrize("kind", [MemoryStore, ManagedMemoryStore])
def test_values_in_memory_are_whole(kind: type[MemoryStore], threads: ThreadPoolExecutor) -> None:
    store = kind()

    async def keys() -> list[str]:
        return [key async for key in store.list()]

    def work(number: int) -> None:
        for step in range(30):
            store.set_sync(f"c/{step}", value_of(bytes([number]) * (1000 + number)))
            store.set_sync(f"own/{number}/{step}", value_of(b""))
            data = store.get_sync(f"c/{step}")
            assert data is not None
            found = data.to_bytes()
            assert found == bytes([found[0]]) * (1000 + found[0])
            if step % 10 == number:
                assert f"own/{number}/{step}" in asyncio.run(keys())
            if step % 3 == 0:
                store.delete_sync(f"own/{number}/{step}")

    at_once(threads, work)
    assert len(asyncio.run(keys())) == 30 + 20 * THREADS


@pytest.mark.parametrize("kind", [MemoryStore, ManagedMemoryStore])
def test_a_listing_while_others_write(kind: type[MemoryStore], threads: ThreadPoolExecutor) -> None:
    store = kind()
    for number in range(100):
        store.set_sync(f"c/{number}", value_of(b"1"))

    async def look() -> None:
        assert len([key async for key in store.list_prefix("c/")]) == 100
        assert [name async for name in store.list_dir("")] in (["c"], ["c", "d"])
        assert await store.getsize_prefix("c") == 100

    def work(number: int) -> None:
        for step in range(4):
            if number % 2:
                asyncio.run(look())
                continue
            for other in range(20):
                store.set_sync(f"d/{number}/{step}/{other}", value_of(b"1"))
            for other in range(20):
                store.delete_sync(f"d/{number}/{step}/{other}")

    at_once(threads, work)


def test_members_of_an_archive_that_are_open_are_counted(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    store = filled("zip", tmp_path)
    assert isinstance(store, ZipStore)

    def work(number: int) -> None:
        for step in range(20):
            key = (step + number) % COUNT
            data = store.get_sync(f"c/{key}")
            assert data is not None
            assert data.to_bytes() == bytes([key]) * (key + 1)

    at_once(threads, work)
    archive: Any = store._zf
    assert archive._fileRefCnt == 1  # the archive itself
    store.close()
    assert archive._fileRefCnt == 0
    assert archive.fp is None


@pytest.mark.skipif(not hasattr(os, "pread"), reason="needs os.pread")
def test_a_thread_that_reads_an_archive_while_it_is_closed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", b"ours " * 100)
    (tmp_path / "other").write_bytes(b"not ours " * 100)
    store = ZipStore(tmp_path / "a.zip", mode="r")
    asyncio.run(store.get("a", PROTOTYPE, RangeByteRequest(0, 4)))
    reader, member = store._reader, store._zf.getinfo("a")  # as a read in another thread has them
    assert reader is not None
    store.close()
    others = [(tmp_path / "other").open("rb") for _ in range(20)]
    assert reader.read_stored(member, 5, 9) == b"ours"
    number = reader._fd
    del reader
    gc.collect()  # without the GIL an object may stay a little longer
    with pytest.raises(OSError):  # closed with the last one who reads
        os.fstat(number)
    for file in others:
        file.close()


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="needs fork")
def test_archives_that_come_and_go_while_a_process_forks(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    kept = [ZipStore(tmp_path / f"{n}.zip", mode="w") for n in range(50)]

    def work(number: int) -> None:
        for _ in range(15):
            if number % 2:
                zip_forks._before_fork()  # a real fork would copy the threads of the test
                zip_forks._after_fork_in_parent()
            else:
                ZipStore(tmp_path / f"{number}.zip", mode="w")

    at_once(threads, work)
    assert all(store in zip_forks._stores.values() for store in kept)
    assert not zip_forks._held
