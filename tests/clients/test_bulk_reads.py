"""The counter that tests of clients rely on: it sees every bulk read, once, and changes none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.clients import needs
from tests.clients.bulk_reads import BulkReads, count_bulk_reads

import zarr
from zarr.abc.store import ReadRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import MemoryStore, WrapperStore
from zarr.testing.recording import RecordingStore

PROTOTYPE = default_buffer_prototype()


@pytest.fixture
def counted() -> Iterator[BulkReads]:
    """The reads of this test, which is about no client and so not in the summary."""
    with count_bulk_reads() as reads:
        yield reads


def array(store: Store, nchunks: int = 6) -> zarr.Array[Any]:
    made = zarr.create_array(store, shape=(2 * nchunks,), chunks=(2,), dtype="i4")
    made[:] = np.arange(2 * nchunks)
    return made


def own_methods() -> dict[type, Any]:
    found: dict[type, Any] = {}
    left: list[type] = [Store]
    while left:
        cls = left.pop()
        found[cls] = {name: value for name, value in vars(cls).items() if "get_many" in name}
        left += cls.__subclasses__()
    return found


async def drain(batches: AsyncIterator[Sequence[tuple[int, Buffer | None]]]) -> list[int]:
    return [index async for batch in batches for index, _ in batch]


def test_a_read_is_a_call(counted: BulkReads) -> None:
    made = array(MemoryStore())
    assert counted.calls == []
    np.testing.assert_array_equal(made[:], np.arange(12))
    assert counted.calls == [("MemoryStore", 6)]
    np.testing.assert_array_equal(made[4:8], np.arange(4, 8))
    assert counted.calls == [("MemoryStore", 6), ("MemoryStore", 2)]
    assert counted.chunks == counted.calls
    assert counted.requests == 8
    counted.expect_some("a client")
    counted.clear()
    with pytest.raises(AssertionError, match="a client read no chunks"):
        counted.expect_some("a client")


async def test_metadata_are_told_from_chunks(counted: BulkReads) -> None:
    store = MemoryStore()
    await drain(store.get_many(["a/zarr.json", ".zgroup"], prototype=PROTOTYPE))
    assert counted.calls == [("MemoryStore", 2)]
    assert counted.chunks == []
    with pytest.raises(AssertionError):
        counted.expect_some("a client")
    await drain(store.get_many(["a/.zarray", ("a/c/0", None)], prototype=PROTOTYPE))
    assert counted.calls == [("MemoryStore", 2)] * 2
    assert counted.chunks == [("MemoryStore", 1)]


def test_a_read_by_a_coroutine_is_a_call(counted: BulkReads) -> None:
    made = array(MemoryStore()).async_array
    np.testing.assert_array_equal(np.asarray(sync(made.getitem(slice(0, 3)))), np.arange(3))
    assert counted.calls == [("MemoryStore", 2)]


def test_a_store_around_a_store_counts_for_both(counted: BulkReads) -> None:
    """And a class that calls what it overrides counts once."""
    array(RecordingStore(MemoryStore()))[:]
    assert counted.calls == [("RecordingStore", 6), ("MemoryStore", 6)]


def test_classes_made_meanwhile_count(counted: BulkReads) -> None:
    class Overriding(MemoryStore):
        async def get_many(
            self, requests: Iterable[ReadRequest], *, prototype: BufferPrototype
        ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
            async for batch in super().get_many(requests, prototype=prototype):
                yield batch

    class Reading(WrapperStore[MemoryStore]):
        async def get(self, *args: Any, **kwargs: Any) -> Buffer | None:
            return await super().get(*args, **kwargs)

    array(Overriding())[:]
    array(Reading(MemoryStore()))[:]
    assert counted.calls == [("Overriding", 6), ("Reading", 6)]


async def test_requests_that_can_be_read_once(counted: BulkReads) -> None:
    batches = MemoryStore().get_many((key for key in "abc"), prototype=PROTOTYPE)
    assert await drain(batches) == [0, 1, 2]
    assert counted.calls == [("MemoryStore", 3)]


def test_all_is_as_before_afterwards() -> None:
    before = own_methods()
    init_subclass = vars(Store)["__init_subclass__"]
    with count_bulk_reads() as reads:

        class Late(WrapperStore[MemoryStore]):
            async def get(self, *args: Any, **kwargs: Any) -> Buffer | None:
                return await super().get(*args, **kwargs)

        with pytest.raises(RuntimeError, match="already"), count_bulk_reads():
            pass
    after = own_methods()
    # What is derived from the methods that the class overrides, or is given in their place.
    derived = ("get_many", "_get_many_in_thread")
    assert after.pop(Late) == {name: vars(Store)[name] for name in derived}
    assert after == before
    assert vars(Store)["__init_subclass__"] is init_subclass
    array(Late(MemoryStore()))[:]
    assert reads.calls == []


RECORDING = """
import zarr

def test_reads(bulk_reads):
    array = zarr.create_array(zarr.storage.MemoryStore(), shape=(12,), chunks=(2,), dtype="i4")
    array[:]
    bulk_reads.expect_some("numpy")
    array[:4]
    bulk_reads.expect_some("numpy")

def test_reads_nothing(bulk_reads):
    bulk_reads.record("numpy")

def test_expects_too_much(bulk_reads):
    bulk_reads.expect_some("numpy")
"""


def test_summary(tmp_path: Path) -> None:
    """What tests recorded is listed by client, also where they ran in other processes."""
    (tmp_path / "test_recording.py").write_text(RECORDING)
    root = Path(__file__).parents[2]
    arguments = ["-p", "tests.clients.conftest", "-c", str(root / "pyproject.toml"), "-n", "1"]
    outcome = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=root,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (root / "src", root)))},
    )
    lines = outcome.stdout.splitlines()
    assert "1 failed, 2 passed" in lines[-1]
    assert "numpy read no chunks through Store.get_many" in outcome.stdout
    assert any(f"bulk reads by clients of zarr {zarr.__version__}" in line for line in lines)
    counts = "2 calls of get_many in 2 tests, with 8 requests, 8 of them for chunks"
    assert f"numpy {np.__version__}: {counts}" in lines


def test_a_missing_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "ALL_CLIENTS", False)
    with pytest.raises(pytest.skip.Exception):
        needs.client("no_such_client")
    assert needs.client("numpy.linalg") is np.linalg
    monkeypatch.setattr(needs, "ALL_CLIENTS", True)
    with pytest.raises(ModuleNotFoundError):
        needs.client("no_such_client")
    assert needs.client("numpy.linalg") is np.linalg
