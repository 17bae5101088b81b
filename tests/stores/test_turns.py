"""Threads that read many small files take turns, and none waits for long."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import LocalStore
from zarr.storage import _local as local
from zarr.storage._turns import Turn

PROTOTYPE = default_buffer_prototype()


def test_one_at_a_time() -> None:
    turn, inside, most = Turn(patience=10), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with turn.taken() as taken:
                assert taken
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == 1


def test_nobody_waits_for_long_and_a_failure_gives_the_turn_back() -> None:
    turn, holds, over = Turn(patience=0.01), threading.Event(), threading.Event()

    def hold() -> None:
        with suppress(ValueError), turn.taken():
            holds.set()
            over.wait(10)
            raise ValueError("x")

    thread = threading.Thread(target=hold)
    thread.start()
    holds.wait(10)
    with turn.taken() as taken:
        assert not taken
    over.set()
    thread.join(10)
    with turn.taken() as taken:
        assert taken


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="cannot fork")
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_child_does_not_wait_for_a_thread_of_its_parent() -> None:
    turn, context = Turn(patience=10), multiprocessing.get_context("fork")
    answers: Any = context.SimpleQueue()

    def ask() -> None:
        began = time.monotonic()
        with turn.taken() as taken:
            answers.put((taken, time.monotonic() - began < 5))

    with turn.taken():
        child = context.Process(target=ask)
        child.start()
        child.join(30)
    assert child.exitcode == 0
    assert answers.get() == (True, True)


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

    monkeypatch.setattr(local, "_turn", Counting(patience=10))
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


def test_who_did_not_get_the_turn_goes_on_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = zarr.create_array(tmp_path, data=np.arange(200), chunks=(1,))
    turn = Turn(patience=0.02)
    monkeypatch.setattr(local, "_turn", turn)
    asked: list[float] = []
    acquire = turn._lock.acquire
    with turn.taken():

        class Counted:
            def acquire(self, timeout: float) -> bool:
                asked.append(timeout)
                return bool(acquire(timeout=timeout))

        lock, turn._lock = turn._lock, Counted()  # type: ignore[assignment]
        np.testing.assert_array_equal(array[:], np.arange(200))
        turn._lock = lock
    assert asked == [0.02]


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
