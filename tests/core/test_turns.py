"""Threads that read many small chunks take turns, and none waits for long."""

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
from zarr.core import _helping, _in_place, _placing, _turns
from zarr.core._turns import Turn
from zarr.core.buffer import default_buffer_prototype
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.storage import LocalStore, MemoryStore
from zarr.storage import _local as local

if TYPE_CHECKING:
    from collections.abc import Callable

    from zarr.abc.store import Store
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer


@pytest.fixture(autouse=True)
def _near(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what other tests have found out."""
    for module in (_in_place, local):
        monkeypatch.setattr(module, "distance", _turns.Distance())


PROTOTYPE = default_buffer_prototype()


@pytest.mark.parametrize("at_once", [1, 3])
def test_so_many_at_a_time(at_once: int) -> None:
    turn, guard, inside, most = Turn(patience=PATIENCE, at_once=at_once), threading.Lock(), 0, 0
    all_inside = threading.Event()

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with turn.taken() as taken:
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
    turn, waited = Turn(patience=0.3), []

    class Gate:
        """Is waited for in vain as many times as turns of others end meanwhile, and once more."""

        def acquire(self, timeout: float | None = None) -> bool:
            if timeout is None:
                return True
            waited.append(timeout)
            if len(waited) <= ends:
                turn._ended += 1
                return False
            if gets_it:
                turn._give_back()
            return gets_it

        def release(self) -> None:
            pass

    turn._free = 0
    monkeypatch.setattr("threading.Lock", Gate)
    with turn.taken() as taken:
        assert taken == gets_it
    assert waited == [0.3] * (ends + 1)


@pytest.mark.parametrize("at_once", [1, 2])
def test_nobody_is_overtaken_for_ever(at_once: int) -> None:
    turn, over = Turn(patience=PATIENCE, at_once=at_once), threading.Event()

    def again_and_again() -> None:
        while not over.is_set():
            with turn.taken():
                sum(range(1000))

    threads = [threading.Thread(target=again_and_again) for _ in range(at_once + 1)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(50):
            with turn.taken() as taken:  # which would hang
                assert taken
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert turn._free == at_once
    assert not turn._waiting


def test_who_came_first_is_first() -> None:
    turn, order = Turn(patience=PATIENCE), []

    def work(number: int) -> None:
        with turn.taken():
            order.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    with turn.taken():
        for waiting, thread in enumerate(threads, 1):
            thread.start()
            until(lambda waiting=waiting: len(turn._waiting) == waiting)  # type: ignore[misc]
    for thread in threads:
        thread.join(PATIENCE)
    assert order == [0, 1, 2, 3]


@pytest.mark.parametrize("is_handed_over", [False, True])
def test_who_is_interrupted_while_waiting_leaves_no_trace(is_handed_over: bool) -> None:
    turn = Turn(patience=5)

    class Interrupted:
        def acquire(self, timeout: float = 0) -> bool:
            if timeout:
                if is_handed_over:
                    turn._give_back()
                raise KeyboardInterrupt
            return True

        def release(self) -> None:
            pass

    turn._free = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("threading.Lock", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            turn.taken().__enter__()
    assert not turn._waiting
    assert turn._free == int(is_handed_over)
    assert not turn._of_thread.has_turn


def test_who_has_the_turn_may_take_it_again() -> None:
    turn = Turn(patience=PATIENCE)
    with turn.taken() as first, turn.taken() as second:
        assert (first, second) == (True, True)
    with turn.taken():
        assert turn._free == 0
    assert turn._free == 1


def test_nobody_waits_for_long_and_a_failure_gives_the_turn_back() -> None:
    turn, holds, over = Turn(patience=0.01), threading.Event(), threading.Event()

    def hold() -> None:
        with suppress(ValueError), turn.taken():
            holds.set()
            over.wait(PATIENCE)
            raise ValueError("x")

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(PATIENCE)
    with turn.taken() as taken:
        assert not taken
    over.set()
    thread.join(PATIENCE)
    with turn.taken() as taken:
        assert taken


def test_nobody_waits_where_threads_share_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = Turn(patience=PATIENCE)
    monkeypatch.setattr(_turns, "_has_gil", lambda: False)
    turn._free = 0
    with turn.taken() as taken:  # without asking for it
        assert taken is False
    assert turn._free == 0


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="cannot fork")
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_child_does_not_wait_for_a_thread_of_its_parent() -> None:
    turn, context = Turn(patience=1), multiprocessing.get_context("fork")
    answers: Any = context.SimpleQueue()

    def ask() -> None:
        with turn.taken() as taken:
            answers.put(taken)

    with turn.taken():
        child = context.Process(target=ask)
        child.start()
        child.join(PATIENCE)
    assert child.exitcode == 0
    assert answers.get()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files had been read whenever the turn was taken."""
    seen: list[int] = []
    reads, read = [0], local._read

    def counted(*args: Any) -> bytes:
        reads[0] += 1
        return read(*args)

    class Counting(Turn):
        def taken(self) -> Any:
            seen.append(reads[0])
            return super().taken()

    monkeypatch.setattr(local, "short_work", Counting(patience=PATIENCE))
    monkeypatch.setattr(local, "_read", counted)
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


class Busy(Turn):
    """Never to be had."""

    def __init__(self) -> None:
        super().__init__(patience=0.02)
        self.asked = 0

    def _take(self) -> bool:
        self.asked += 1
        return False


@pytest.mark.parametrize(
    ("module", "name"), [(local, "short_work"), (_placing, "short_work"), (_in_place, "reading")]
)
def test_who_did_not_get_the_turn_goes_on_without(
    module: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = zarr.create_array(tmp_path, data=np.arange(200), chunks=(1,))
    busy = Busy()
    monkeypatch.setattr(module, name, busy)
    np.testing.assert_array_equal(array[:], np.arange(200))
    assert busy.asked == 1


def test_who_waits_for_a_network_or_decodes_for_long_has_no_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, distance = Busy(), _turns.Distance()
    monkeypatch.setattr(_in_place, "reading", busy)
    monkeypatch.setattr(_in_place, "distance", distance)
    monkeypatch.setattr(_turns, "_NEAR_SECONDS", -1.0)
    monkeypatch.setattr(_turns, "_BUSY_SHARE", math.inf)
    for store, chunk in ((DictStore(), 1), (LocalStore(tmp_path), 300_000)):
        data = np.arange(3 * chunk)
        array = zarr.create_array(store, data=data, chunks=(chunk,))
        np.testing.assert_array_equal(array[:], data)
    assert busy.asked == 0
    # Nor does it say anything of small files that are at hand.
    assert distance.is_near


class FarAway(MemoryStore):
    """Lets two clocks go on with every value that is asked for."""

    def __init__(self, seconds: float, busy: float) -> None:
        super().__init__()
        self._steps = seconds, busy
        self._now = [0.0, 0.0]

    def clocks(self) -> tuple[float, float]:
        return self._now[0], self._now[1]

    def get_sync(self, key: str, **kwargs: Any) -> Buffer | None:
        self._now = [now + step for now, step in zip(self._now, self._steps)]
        return super().get_sync(key, **kwargs)


@pytest.mark.parametrize(
    ("seconds", "busy", "is_far"),
    [(0.001, 0.0001, True), (0.0001, 0.0, False), (0.001, 0.0009, False)],
    ids=["far", "near", "busy"],
)
def test_nobody_waits_for_those_who_read_from_far_away(
    seconds: float, busy: float, is_far: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn, distance, store = Busy(), _turns.Distance(), FarAway(seconds, busy)
    monkeypatch.setattr(_turns, "_NEAR_SECONDS", 0.0005)
    monkeypatch.setattr(_turns, "_FAR_FOR_SECONDS", 10_000.0)
    for module in (_in_place, _turns):
        monkeypatch.setattr(module, "clocks", store.clocks)
    for module in (_in_place, local):
        monkeypatch.setattr(module, "distance", distance)
    for module, name in ((_in_place, "reading"), (local, "short_work")):
        monkeypatch.setattr(module, name, turn)
    far = zarr.create_array(store, data=np.arange(8), chunks=(1,))
    near = zarr.create_array(LocalStore(tmp_path), data=np.arange(8), chunks=(1,))
    np.testing.assert_array_equal(near[:], np.arange(8))
    assert turn.asked == 2
    np.testing.assert_array_equal(far[:], np.arange(8))
    assert turn.asked == 3
    for array in (far, near, far):
        np.testing.assert_array_equal(array[:], np.arange(8))
    assert turn.asked == (3 if is_far else 7)
    distance._far_until -= 20_000
    np.testing.assert_array_equal(near[:], np.arange(8))
    assert turn.asked == (5 if is_far else 9)


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
        def decode(chunks: list[Buffer]) -> list[NDBuffer]:
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
        def decode(chunks: list[Buffer]) -> list[NDBuffer]:
            self.runs.append((threading.get_ident(), len(chunks)))
            if any(chunk.to_bytes() == b"\x64" for chunk in chunks):
                raise ValueError("damaged")
            return [self._decode_sync(chunk, chunk_spec) for chunk in chunks]

        return decode


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Make an array of 100 chunks, of 1, 2, 3 to 100, whose decoding is watched."""
    monkeypatch.setattr(Watched, "runs", [])
    monkeypatch.setattr(_helping, "_CPUS", 4)
    monkeypatch.setattr(_turns, "reading", Turn(patience=PATIENCE, at_once=4))
    monkeypatch.setattr(_in_place, "reading", _turns.reading)
    monkeypatch.setattr(_placing, "_SLOW_SECONDS", -1.0)
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
    monkeypatch.setattr(_placing, "_SLOW_SECONDS", 1.0)
    assert decoded_here(watched(MemoryStore())) == (99, 0)


def test_nor_those_of_several_readers(watched: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    array = watched(MemoryStore())
    holds, over = threading.Event(), threading.Event()

    def hold() -> None:
        with _turns.reading.taken():
            holds.set()
            over.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(PATIENCE)
    assert decoded_here(array) == (99, 0)
    with monkeypatch.context() as patch:
        patch.setattr(_turns.Distance, "is_near", False)  # so without a turn
        assert decoded_here(array) == (99, 0)
    monkeypatch.setattr(_turns, "_has_gil", lambda: False)
    assert decoded_here(array) == (32, 67)
    over.set()
    thread.join(PATIENCE)


def test_nor_those_that_come_from_far_away(watched: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    array = watched(MemoryStore())
    monkeypatch.setattr(_turns.Distance, "is_near", False)
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
    read, read_at = os.read, local._read_at
    monkeypatch.setattr(os, "read", lambda d, n: read(d, min(n, 7)))
    monkeypatch.setattr(local, "_read_at", lambda d, n, at: read_at(d, min(n, 1000), at))
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
