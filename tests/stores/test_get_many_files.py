"""Bulk reads of local files and archives: what is read together, in which order, and no further."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from tests.stores.bulk_kit import PROTOTYPE, Request, buffer, bulk
from tests.waiting import PATIENCE

from zarr.abc.store import RangeByteRequest, SuffixByteRequest
from zarr.core.config import config
from zarr.core.sync import get_pool, in_pool, sync
from zarr.storage import LocalStore, ZipStore, _local, _local_read


@pytest.fixture
def local(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, str]]:
    """Every read of a file: its name, the bytes wanted, the thread."""
    found: list[tuple[str, Any, str]] = []
    real = _local_read.read_file

    def noting(path: str, byte_range: Any, *expected: int) -> bytes:
        found.append((Path(path).name, byte_range, threading.current_thread().name))
        return real(path, byte_range, *expected)

    monkeypatch.setattr(_local, "read_file", noting)
    return found


def test_parts_of_one_file_that_touch_are_read_together(
    local: LocalStore, reads: list[tuple[str, Any, str]]
) -> None:
    local.set_sync("a", buffer(bytes(range(100))))
    local.set_sync("b", buffer(b"other"))
    wanted: list[Request] = [
        ("a", RangeByteRequest(10, 20)),
        ("b", None),
        ("a", RangeByteRequest(0, 10)),
        ("a", RangeByteRequest(15, 30)),
        ("a", RangeByteRequest(31, 40)),
        ("a", SuffixByteRequest(2)),
        "nope",
    ]
    found = sync(bulk(local, wanted))
    data = bytes(range(100))
    assert found == {
        0: data[10:20],
        1: b"other",
        2: data[:10],
        3: data[15:30],
        4: data[31:40],
        5: data[98:],
        6: None,
    }
    assert sorted((name, str(part)) for name, part, _ in reads) == sorted(
        [
            ("a", str(RangeByteRequest(0, 30))),
            ("a", str(RangeByteRequest(31, 40))),
            ("a", str(SuffixByteRequest(2))),
            ("b", "None"),
            ("nope", "None"),
        ]
    )


@pytest.mark.parametrize(("count", "most"), [(4, 1), (400, 32)])
def test_many_files_share_a_hop_few_do_not(
    local: LocalStore, monkeypatch: pytest.MonkeyPatch, count: int, most: int
) -> None:
    for i in range(count):
        local.set_sync(f"k{i}", buffer(b"x"))
    batches: list[int] = []
    real = in_pool

    async def noting(function: Callable[[], Any]) -> Any:
        answered = await real(function)
        batches.append(len(answered.answers))
        return answered

    monkeypatch.setattr(_local, "in_pool", noting)
    assert len(sync(bulk(local, [f"k{i}" for i in range(count)]))) == count
    assert sum(batches) == count
    assert max(batches) == most


def test_a_hop_ends_when_much_has_been_read(
    local: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_local, "_BYTES_A_HOP", 100)
    for i in range(40):
        local.set_sync(f"k{i}", buffer(bytes(60)))
    sizes: list[int] = []
    real = in_pool

    async def noting(function: Callable[[], Any]) -> Any:
        answered = await real(function)
        sizes.append(len(answered.answers))
        return answered

    monkeypatch.setattr(_local, "in_pool", noting)
    with config.set({"async.concurrency": 2}):
        sync(bulk(local, [f"k{i}" for i in range(40)]))
    assert max(sizes) == 2


def after_the_pool() -> None:
    """Wait until all that the worker pool was given has ended, which no thread of it may not."""
    pool = get_pool()
    width = pool._max_workers
    meeting = threading.Barrier(width)
    for waiting in [pool.submit(meeting.wait, PATIENCE) for _ in range(width)]:
        waiting.result()


def test_no_file_is_opened_after_the_first_failure(
    local: LocalStore, reads: list[tuple[str, Any, str]]
) -> None:
    for i in range(300):
        local.set_sync(f"k{i}", buffer(b"x"))
    (local.root / "k0").unlink()
    (local.root / "k0").mkdir()
    with config.set({"async.concurrency": 1}), pytest.raises(IsADirectoryError) as caught:
        sync(bulk(local, [f"k{i}" for i in range(300)]))
    assert any("'k0'" in note for note in caught.value.__notes__)
    after_the_pool()
    assert len(reads) == 1


def test_leaving_early_stops_the_thread_at_its_file(
    local: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(100):
        local.set_sync(f"k{i}", buffer(b"x"))
    go_on, count = threading.Event(), [0]
    real = _local_read.read_file

    def slow(path: str, byte_range: Any, *expected: int) -> bytes:
        count[0] += 1
        if count[0] > 50:
            assert go_on.wait(PATIENCE)
        return real(path, byte_range, *expected)

    monkeypatch.setattr(_local, "read_file", slow)

    async def first_only() -> None:
        batches = local.get_many([f"k{i}" for i in range(100)], prototype=PROTOTYPE)
        async with aclosing(batches):  # type: ignore[type-var]
            async for _ in batches:
                while count[0] <= 50:
                    await asyncio.sleep(0)
                break

    with config.set({"async.concurrency": 1}):
        sync(first_only())
        seen = count[0]
        go_on.set()
        after_the_pool()
    assert count[0] == seen


def archive(path: Path) -> ZipStore:
    store = ZipStore(path, mode="w")
    for name in "bca":
        sync(store.set(name, buffer(name.encode() * 3)))
    store.close()
    return ZipStore(path)


@pytest.mark.parametrize("in_place", [True, False])
def test_an_archive_is_read_as_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_place: bool
) -> None:
    store = archive(tmp_path / "a.zip")
    order: list[str] = []
    real = store._read

    def noting(key: str, byte_range: Any) -> bytes | None:
        order.append(key)
        return real(key, byte_range)

    monkeypatch.setattr(store, "_read", noting)
    wanted: list[Request] = ["a", ("b", RangeByteRequest(1, 2)), "nope", "c"]
    expected = {0: b"aaa", 1: b"b", 2: None, 3: b"ccc"}
    if in_place:
        found = {
            index: None if value is None else value.to_bytes()
            for batch in store._get_many_sync(wanted, prototype=PROTOTYPE)
            for index, value in batch
        }
    else:
        found = sync(bulk(store, wanted))
    assert found == expected
    assert order == ["nope", "b", "c", "a"]


def test_an_archive_without_requests_is_not_opened(tmp_path: Path) -> None:
    store = ZipStore(tmp_path / "missing.zip")
    assert sync(bulk(store, [])) == {}
    assert list(store._get_many_sync([], prototype=PROTOTYPE)) == []
    with pytest.raises(FileNotFoundError):
        sync(bulk(store, ["a"]))


@pytest.mark.parametrize("in_place", [True, False])
def test_a_damaged_member_fails_the_bulk_read(tmp_path: Path, in_place: bool) -> None:
    path = tmp_path / "a.zip"
    archive(path).close()
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"ccc", b"cXc", 1))
    store = ZipStore(path)
    read: Callable[[], object] = (
        (lambda: list(store._get_many_sync(["a", "c"], prototype=PROTOTYPE)))
        if in_place
        else (lambda: sync(bulk(store, ["a", "c"])))
    )
    with pytest.raises(Exception, match="CRC") as caught:
        read()
    assert any("'c'" in note and repr(store) in note for note in caught.value.__notes__)


def test_a_subclass_with_a_get_sync_of_its_own_is_asked(tmp_path: Path) -> None:
    archive(tmp_path / "a.zip").close()
    seen: list[str] = []

    class Noting(ZipStore):
        def get_sync(self, key: str, **kwargs: Any) -> Any:
            seen.append(key)
            return super().get_sync(key, **kwargs)

    assert (
        len(list(Noting(tmp_path / "a.zip")._get_many_sync(["a", "b"], prototype=PROTOTYPE))) == 1
    )
    assert seen == ["a", "b"]
