"""Threads that read many small chunks share a fair semaphore, and none waits for long."""

from __future__ import annotations

import math
import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
import pytest
from tests.stores.bulk_kit import DictStore
from tests.waiting import PATIENCE, until

import zarr
from zarr.codecs import BytesCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.chunks import _executor, _scheduling
from zarr.core.chunks._scheduling import SCHEDULING, FairSemaphore
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.storage import LocalStore, MemoryStore, _local_read
from zarr.storage import _local as local

if TYPE_CHECKING:
    from collections.abc import Callable

    from zarr.abc.store import Store
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer


PROTOTYPE = default_buffer_prototype()


def no_gil(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (_scheduling, _executor):
        monkeypatch.setattr(module, "has_gil", lambda: False)


@pytest.mark.parametrize("at_once", [1, 3])
def test_so_many_at_a_time(at_once: int) -> None:
    semaphore, guard, inside, most = (
        FairSemaphore(at_once, timeout=PATIENCE),
        threading.Lock(),
        0,
        0,
    )
    all_inside = threading.Event()

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with semaphore.held() as taken:
                assert taken
                with guard:
                    inside += 1
                    most = max(most, inside)
                    if inside == at_once:
                        all_inside.set()
                all_inside.wait(PATIENCE)
                with guard:
                    inside -= 1

    with ThreadPoolExecutor(4) as pool:
        for running in [pool.submit(work) for _ in range(4)]:
            running.result(PATIENCE)
    assert most == at_once


@pytest.mark.parametrize("gets_it", [True, False])
@pytest.mark.parametrize("ends", [0, 1, 5])
def test_who_waits_for_many_that_are_quick_goes_on_waiting(
    ends: int, gets_it: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    semaphore, waited = FairSemaphore(1, timeout=0.3), []

    class Gate:
        """Is waited for in vain as many times as turns of others end meanwhile, and once more."""

        def acquire(self, timeout: float | None = None) -> bool:
            if timeout is None:
                return True
            waited.append(timeout)
            if len(waited) <= ends:
                semaphore._given_back += 1
                return False
            if gets_it:
                semaphore._release()
            return gets_it

        def release(self) -> None:
            pass

    semaphore._free = 0
    monkeypatch.setattr("threading.Lock", Gate)
    with semaphore.held() as taken:
        assert taken == gets_it
    assert waited == [0.3] * (ends + 1)


@pytest.mark.parametrize("at_once", [1, 2])
def test_nobody_is_overtaken_for_ever(at_once: int) -> None:
    semaphore, over = FairSemaphore(at_once, timeout=PATIENCE), threading.Event()

    def again_and_again() -> None:
        while not over.is_set():
            with semaphore.held():
                sum(range(1000))

    threads = [threading.Thread(target=again_and_again) for _ in range(at_once + 1)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(50):
            with semaphore.held() as taken:  # which would hang
                assert taken
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert semaphore._free == at_once
    assert not semaphore._waiting


def test_who_came_first_is_first() -> None:
    semaphore, order = FairSemaphore(1, timeout=PATIENCE), []

    def work(number: int) -> None:
        with semaphore.held():
            order.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    with semaphore.held():
        for waiting, thread in enumerate(threads, 1):
            thread.start()
            until(lambda waiting=waiting: len(semaphore._waiting) == waiting)  # type: ignore[misc]
    for thread in threads:
        thread.join(PATIENCE)
    assert order == [0, 1, 2, 3]


@pytest.mark.parametrize("is_handed_over", [False, True])
def test_who_is_interrupted_while_waiting_leaves_no_trace(is_handed_over: bool) -> None:
    semaphore = FairSemaphore(1, timeout=5)

    class Interrupted:
        def acquire(self, timeout: float = 0) -> bool:
            if timeout:
                if is_handed_over:
                    semaphore._release()
                raise KeyboardInterrupt
            return True

        def release(self) -> None:
            pass

    semaphore._free = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("threading.Lock", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            semaphore.held().__enter__()
    assert not semaphore._waiting
    assert semaphore._free == int(is_handed_over)
    assert not semaphore._is_mine()


def test_who_has_the_turn_may_take_it_again() -> None:
    semaphore = FairSemaphore(1, timeout=PATIENCE)
    with semaphore.held() as first, semaphore.held() as second:
        assert (first, second) == (True, True)
    with semaphore.held():
        assert semaphore._free == 0
    assert semaphore._free == 1


def test_nobody_waits_for_long_and_a_failure_gives_the_turn_back() -> None:
    semaphore, holds, over = FairSemaphore(1, timeout=0.01), threading.Event(), threading.Event()

    def hold() -> None:
        with suppress(ValueError), semaphore.held():
            holds.set()
            over.wait(PATIENCE)
            raise ValueError("x")

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(PATIENCE)
    with semaphore.held() as taken:
        assert not taken
    over.set()
    thread.join(PATIENCE)
    with semaphore.held() as taken:
        assert taken


def test_nobody_waits_where_threads_share_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    semaphore = FairSemaphore(1, timeout=PATIENCE)
    no_gil(monkeypatch)
    semaphore._free = 0
    with semaphore.held() as taken:  # without asking for it
        assert taken is False
    assert semaphore._free == 0


@pytest.mark.parametrize("permits", [1, 2])
def test_a_permit_that_was_held_at_a_fork_is_not_released_in_the_child(permits: int) -> None:
    semaphore = FairSemaphore(permits, timeout=1)
    with semaphore.held():
        semaphore._renew()  # what a fork runs in the child; a real fork would copy other threads
        assert not semaphore._is_mine()
    assert semaphore._free == permits


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="cannot fork")
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_child_does_not_wait_for_a_thread_of_its_parent() -> None:
    semaphore, context = FairSemaphore(1, timeout=1), multiprocessing.get_context("fork")
    answers: Any = context.SimpleQueue()

    def ask() -> None:
        with semaphore.held() as taken:
            answers.put(taken)

    with semaphore.held():
        child = context.Process(target=ask)
        child.start()
        child.join(PATIENCE)
    assert child.exitcode == 0
    assert answers.get()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files had been read whenever the turn was taken."""
    seen: list[int] = []
    reads, read = [0], _local_read.read_file

    def counted(*args: Any) -> bytes:
        reads[0] += 1
        return read(*args)

    class Counting(FairSemaphore):
        def held(self, is_wanted: bool = True) -> Any:
            if is_wanted:
                seen.append(reads[0])
            return super().held(is_wanted)

    monkeypatch.setattr(SCHEDULING, "short_work", Counting(1, timeout=PATIENCE))
    monkeypatch.setattr(local, "read_file", counted)
    return seen


def make_files(folder: Path, count: int, nbytes: int) -> list[str]:
    for index in range(count):
        (folder / f"k{index}").write_bytes(bytes([index % 256]) * nbytes)
    return [f"k{index}" for index in range(count)]


def test_small_files_are_read_in_turns(tmp_path: Path, taken: list[int]) -> None:
    keys = make_files(tmp_path, 70, 100)
    store = LocalStore(tmp_path)
    portions = [list(each) for each in store._get_many_sync(keys, prototype=PROTOTYPE)]
    assert [len(portion) for portion in portions] == [32, 32, 6]
    assert taken == [0, 32, 64, 70]
    found = [pair for portion in portions for pair in portion]
    assert [index for index, _ in found] == list(range(70))
    assert all(v is not None and v.to_bytes() == bytes([i]) * 100 for i, v in found)


def test_large_files_and_single_ones_are_not(tmp_path: Path, taken: list[int]) -> None:
    keys = make_files(tmp_path, 40, 100_000)
    store = LocalStore(tmp_path)
    sizes = [len(list(each)) for each in store._get_many_sync(keys, prototype=PROTOTYPE)]
    assert sizes == [11, 11, 11, 7]
    assert taken == [0]
    taken.clear()
    list(store._get_many_sync(["k1"], prototype=PROTOTYPE))
    assert taken == []


class Busy(FairSemaphore):
    """Never to be had."""

    def __init__(self) -> None:
        super().__init__(1, timeout=0.02)
        self.asked = 0

    def _acquire(self) -> bool:
        self.asked += 1
        return False


@pytest.mark.parametrize(("name", "asked"), [("short_work", 2), ("readers", 1)])
def test_who_did_not_get_a_permit_goes_on_without(
    name: str, asked: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = zarr.create_array(tmp_path, data=np.arange(200), chunks=(1,))
    busy = Busy()
    monkeypatch.setattr(SCHEDULING, name, busy)
    np.testing.assert_array_equal(array[:], np.arange(200))
    assert busy.asked == asked  # once to read files, once to copy chunks


def test_who_waits_for_a_network_or_decodes_for_long_needs_no_permit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Busy()
    monkeypatch.setattr(SCHEDULING, "readers", busy)
    for store, chunk in ((DictStore(), 1), (LocalStore(tmp_path), 300_000)):
        data = np.arange(3 * chunk)
        array = zarr.create_array(store, data=data, chunks=(chunk,))
        np.testing.assert_array_equal(array[:], data)
    assert busy.asked == 0


class Clocks:
    """Two clocks, which go on when they are told."""

    def __init__(self) -> None:
        self.now = self.worked = 100.0

    def monotonic(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.worked


@pytest.mark.parametrize(
    ("seconds", "busy", "is_far"),
    [(0.010, 0.001, True), (0.001, 0.0, False), (0.010, 0.009, False)],
    ids=["far", "near", "busy"],
)
def test_nobody_waits_for_those_who_wait_for_a_network(
    seconds: float, busy: float, is_far: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks, semaphore = Clocks(), FairSemaphore(1, timeout=PATIENCE)
    monkeypatch.setattr(_scheduling, "_FAR_SECONDS", 0.002)
    monkeypatch.setattr(_scheduling, "time", clocks)
    for _ in range(_scheduling._FAR_TIMES):  # once is no proof: the thread may have been preempted
        with semaphore.held() as held:
            assert held
            clocks.now += seconds
            clocks.worked += busy
    with semaphore.held() as held:
        assert held == (not is_far)
    clocks.now += _scheduling._FAR_FOR_SECONDS + 1
    with semaphore.held() as held:
        assert held


class NotTogether(BytesCodec):
    """Tells how chunks are decoded, and cannot decode some."""

    damaged = b""
    alone: ClassVar[list[bytes]] = []

    def _decoder_for(self, chunk_spec: ArraySpec) -> Any:
        def decode(chunk: Buffer) -> NDBuffer:
            if chunk.to_bytes() == self.damaged:
                raise ValueError("damaged")
            self.alone.append(chunk.to_bytes())
            return self._decode_sync(chunk, chunk_spec)

        return decode

    def _many_decoder_for(self, chunk_spec: ArraySpec) -> Any:
        def decode(chunks: list[Buffer], _: bool) -> list[NDBuffer]:
            if any(chunk.to_bytes() == self.damaged for chunk in chunks):
                raise ValueError("which one is not known")
            return [self._decode_sync(chunk, chunk_spec) for chunk in chunks]

        return decode


@pytest.mark.parametrize("kind", [LocalStore, MemoryStore])
@pytest.mark.parametrize("damaged", [None, 0, 7])
def test_small_chunks_are_decoded_together(
    kind: Any, damaged: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = zarr.create_array(
        kind(tmp_path) if kind is LocalStore else kind(),
        shape=8,
        chunks=(1,),
        dtype="u1",
        compressors=None,
    )
    array[:] = np.arange(1, 9)
    codec = NotTogether(endian=None)
    monkeypatch.setattr(NotTogether, "damaged", b"" if damaged is None else bytes([damaged + 1]))
    monkeypatch.setattr(NotTogether, "alone", [])
    pipeline = BatchedCodecPipeline.from_codecs([codec])
    object.__setattr__(array.async_array, "codec_pipeline", pipeline)
    if damaged is None:
        np.testing.assert_array_equal(array[:], np.arange(1, 9))
        assert codec.alone == []
        return
    with pytest.raises(ValueError, match="damaged") as caught:
        array[:]
    assert str(caught.value.args[0]) == "damaged"
    assert f"c/{damaged}" in caught.value.__notes__[0]
    assert codec.alone == [bytes([index + 1]) for index in range(damaged)]


Watch: TypeAlias = "Callable[..., Any]"


class Watched(BytesCodec):
    """Tells how many chunks each thread decodes, run by run."""

    runs: ClassVar[list[tuple[int, int]]] = []

    def _decoder_for(self, chunk_spec: ArraySpec) -> Any:
        def decode(chunk: Buffer) -> NDBuffer:
            self.runs.append((threading.get_ident(), 1))
            if chunk.to_bytes() == b"\x64":
                raise ValueError("damaged")
            return self._decode_sync(chunk, chunk_spec)

        return decode

    def _many_decoder_for(self, chunk_spec: ArraySpec) -> Any:
        def decode(chunks: list[Buffer], _: bool) -> list[NDBuffer]:
            self.runs.append((threading.get_ident(), len(chunks)))
            if any(chunk.to_bytes() == b"\x64" for chunk in chunks):
                raise ValueError("damaged")
            return [self._decode_sync(chunk, chunk_spec) for chunk in chunks]

        return decode


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Make an array of 100 chunks, of 1, 2, 3 to 100, whose decoding is watched."""
    monkeypatch.setattr(Watched, "runs", [])
    monkeypatch.setattr(_executor, "_CPUS", 4)
    monkeypatch.setattr(SCHEDULING, "readers", FairSemaphore(4, timeout=PATIENCE))
    monkeypatch.setattr(_executor, "_SLOW_SECONDS", -1.0)
    monkeypatch.setattr("zarr.storage._memory._ANSWERED_AT_ONCE", 32)

    def make(store: Store, chunk: int = 1) -> Any:
        array = zarr.create_array(
            store,
            shape=100 * chunk,
            chunks=(chunk,),
            dtype="u1",
            compressors=None if chunk == 1 else "auto",
        )
        array[:] = np.arange(1, 101, dtype="u1").repeat(chunk)
        chain = [Watched(endian=None), *array.compressors]
        object.__setattr__(
            array.async_array, "codec_pipeline", BatchedCodecPipeline.from_codecs(chain)
        )
        return array

    return make


def decoded_here(array: Any, stop: int = 99) -> tuple[int, int]:
    """Read an array; return how many chunks the calling thread decoded, and how many others."""
    del Watched.runs[:]
    values = array[: stop * array.chunks[0]]
    same = np.array_equal(values, np.arange(1, stop + 1, dtype="u1").repeat(array.chunks[0]))
    assert same
    here = sum(count for thread, count in Watched.runs if thread == threading.get_ident())
    return here, sum(count for _, count in Watched.runs) - here


@pytest.mark.parametrize("kind", [LocalStore, MemoryStore])
def test_slow_chunks_are_shared(kind: Any, tmp_path: Path, watched: Watch) -> None:
    array = watched(kind(tmp_path) if kind is LocalStore else kind())
    assert decoded_here(array) == (32, 67)
    assert decoded_here(array, stop=32) == (32, 0)


def test_quick_chunks_are_not(watched: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_executor, "_SLOW_SECONDS", 1.0)
    assert decoded_here(watched(MemoryStore())) == (99, 0)


def test_nor_those_of_several_readers(watched: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    array = watched(MemoryStore())
    holds, over = threading.Event(), threading.Event()

    def hold() -> None:
        with SCHEDULING.readers.held():
            holds.set()
            over.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(PATIENCE)
    assert decoded_here(array) == (99, 0)
    with monkeypatch.context() as patch:
        patch.setattr(SCHEDULING.readers, "_far_until", math.inf)  # so without a permit
        assert decoded_here(array) == (99, 0)
    no_gil(monkeypatch)
    assert decoded_here(array) == (32, 67)
    over.set()
    thread.join(PATIENCE)


def test_nor_those_that_come_from_far_away(watched: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    array = watched(MemoryStore())
    monkeypatch.setattr(SCHEDULING.readers, "_far_until", math.inf)
    assert decoded_here(array) == (99, 0)


def test_nor_those_that_the_event_loop_fetches_unless_they_are_large(watched: Watch) -> None:
    assert decoded_here(watched(DictStore())) == (99, 0)
    here, others = decoded_here(watched(DictStore(), 300_000))
    assert here + others == 99
    assert others > 0


def test_nobody_helps_who_is_not_wanted(watched: Watch) -> None:
    with zarr.config.set({"codec_pipeline.max_workers": 1}):
        assert decoded_here(watched(MemoryStore())) == (99, 0)


def test_a_chunk_that_a_helper_cannot_decode_is_named(watched: Watch) -> None:
    array = watched(MemoryStore())
    with pytest.raises(ValueError, match="damaged") as caught:
        array[:]
    assert any("c/99" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("nbytes", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_files_of_any_size_are_read_whole(tmp_path: Path, nbytes: int) -> None:
    content = np.random.default_rng(nbytes).bytes(nbytes)
    (tmp_path / "k").write_bytes(content)
    found = LocalStore(tmp_path).get_sync("k")
    assert found is not None
    assert found.to_bytes() == content


@pytest.mark.parametrize("nbytes", [10, 40_000])
def test_reads_that_return_less_than_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nbytes: int
) -> None:
    """As file systems over a network may."""
    content = np.random.default_rng(0).bytes(nbytes)
    (tmp_path / "k").write_bytes(content)
    read, read_at = os.read, _local_read._read_at
    monkeypatch.setattr(os, "read", lambda d, n: read(d, min(n, 7)))
    monkeypatch.setattr(_local_read, "_read_at", lambda d, n, at: read_at(d, min(n, 1000), at))
    found = LocalStore(tmp_path).get_sync("k")
    assert found is not None
    assert found.to_bytes() == content


def test_a_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "k").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        LocalStore(tmp_path).get_sync("k")
    assert caught.value.filename == str(tmp_path / "k")


@pytest.mark.parametrize("key", ["../secret", "/etc/passwd", "a/../../secret", "a\\b", "a\0b"])
def test_keys_that_lead_outside_are_refused_before_anything_is_read(
    tmp_path: Path, taken: list[int], key: str
) -> None:
    keys = make_files(tmp_path, 3, 10)
    with pytest.raises(ValueError, match="is not allowed"):
        list(LocalStore(tmp_path)._get_many_sync([*keys, key], prototype=PROTOTYPE))
    assert taken == []
