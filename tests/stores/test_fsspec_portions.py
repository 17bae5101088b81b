"""A file system's own `_cat_ranges` gets the merged reads of `FsspecStore` in portions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from fsspec import AbstractFileSystem
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from fsspec.implementations.dirfs import DirFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stores.bulk_kit import PATTERN, PROTOTYPE, bulk, one_by_one
from tests.waiting import PATIENCE

from zarr.abc.store import RangeByteRequest, SuffixByteRequest
from zarr.core.sync import sync
from zarr.storage import FsspecStore
from zarr.storage._fsspec_portions import PORTION, has_own_cat_ranges

Answer = Callable[[str, int, int], Any]


class InMemory(AsyncFileSystem):
    """Objects of a dictionary, with the generic `_cat_ranges`; calls are recorded."""

    cachable = False

    def __init__(self, objects: dict[str, bytes], **kwargs: Any) -> None:
        super().__init__(asynchronous=True, **kwargs)
        self.objects = objects
        self.files: list[tuple[str, int | None, int | None]] = []
        self.calls: list[tuple[list[str], list[int], list[int], str]] = []
        self.answer: Answer | None = None

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        self.files.append((path, start, end))
        if path not in self.objects:
            raise FileNotFoundError(path)
        return self.objects[path][start:end]

    async def _info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        return {"name": path, "size": len(self.objects[path]), "type": "file"}


class OwnRanges(InMemory):
    """Has a `_cat_ranges` of its own."""

    async def _cat_ranges(
        self,
        paths: list[str],
        starts: list[int],
        ends: list[int],
        max_gap: int | None = None,
        batch_size: int | None = None,
        on_error: str = "return",
        **kwargs: Any,
    ) -> Sequence[Any]:
        self.calls.append((paths, starts, ends, on_error))
        return [self.one(*item) for item in zip(paths, starts, ends, strict=True)]

    def one(self, path: str, start: int, end: int) -> Any:
        if self.answer is not None:
            return self.answer(path, start, end)
        if path not in self.objects:
            return FileNotFoundError(path)
        return self.objects[path][start:end]


class SyncRanges(AbstractFileSystem):
    """A synchronous file system with a `cat_ranges` of its own."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[list[str], str]] = []

    def cat_ranges(
        self, paths: Any, starts: Any, ends: Any, max_gap: Any = None, on_error: str = "return"
    ) -> list[bytes]:
        self.calls.append((paths, on_error))
        return [PATTERN[start:end] for start, end in zip(starts, ends, strict=True)]


def apart(count: int) -> list[tuple[str, RangeByteRequest]]:
    """Ranges of one object that nothing merges."""
    return [("all", RangeByteRequest(i * 100, i * 100 + 10)) for i in range(count)]


def store_of(fs: AsyncFileSystem, **options: Any) -> FsspecStore:
    return FsspecStore(fs, path="data", **{"max_gap_bytes": 0, **options})


def nested(fs: AsyncFileSystem) -> AsyncFileSystem:
    inner = DirFileSystem("b", fs, asynchronous=True)
    return DirFileSystem("a", inner, asynchronous=True)


def test_ranges_that_start_together_are_one_call() -> None:
    fs = OwnRanges({"data/all": PATTERN})
    store = store_of(fs)
    assert sync(bulk(store, apart(5))) == {i: PATTERN[i * 100 : i * 100 + 10] for i in range(5)}
    assert fs.calls == [
        (
            ["data/all"] * 5,
            [0, 100, 200, 300, 400],
            [10, 110, 210, 310, 410],
            "return",
        )
    ]
    assert fs.files == []


def test_neighbours_are_merged_before_they_are_handed_over() -> None:
    fs = OwnRanges({"data/all": PATTERN, "data/other": PATTERN})
    near = [("all", RangeByteRequest(i * 10, i * 10 + 10)) for i in range(50)]
    sync(bulk(store_of(fs), [*near, ("other", RangeByteRequest(7, 9))]))
    assert fs.calls == [(["data/all", "data/other"], [0, 7], [500, 9], "return")]


def test_a_call_has_a_bounded_number_of_ranges() -> None:
    fs = OwnRanges({"data/all": PATTERN * 20})
    requests = apart(2 * PORTION + 3)
    assert len(sync(bulk(store_of(fs), requests))) == len(requests)
    assert [len(paths) for paths, *_ in fs.calls] == [PORTION, PORTION, 3]


def test_never_more_ranges_than_reads_may_be_in_flight() -> None:
    fs = OwnRanges({"data/all": PATTERN * 20})
    sync(bulk(store_of(fs, max_concurrency=4), apart(40)))
    assert max(len(paths) for paths, *_ in fs.calls) <= 4


def test_what_is_no_bounded_range_is_read_as_a_file() -> None:
    fs = OwnRanges({"data/all": PATTERN})
    requests = [("all", None), ("all", SuffixByteRequest(3))]
    assert sync(bulk(store_of(fs), requests)) == {0: PATTERN, 1: PATTERN[-3:]}
    assert fs.calls == []


def test_a_generic_method_is_not_called() -> None:
    fs = InMemory({"data/all": PATTERN})
    assert sync(bulk(store_of(fs), apart(5))) == sync(one_by_one(store_of(fs), apart(5)))
    assert not has_own_cat_ranges(fs)
    assert ("data/all", 0, 10) in fs.files


@pytest.mark.parametrize(
    ("wrap", "is_own"),
    [
        (lambda: OwnRanges({}), True),
        (lambda: DirFileSystem("a", OwnRanges({}), asynchronous=True), True),
        (lambda: nested(OwnRanges({})), True),
        (lambda: nested(InMemory({})), False),
        (lambda: AsyncFileSystemWrapper(SyncRanges()), True),
        (lambda: AsyncFileSystemWrapper(AbstractFileSystem()), False),
    ],
)
def test_who_has_a_method_of_its_own(wrap: Callable[[], Any], is_own: bool) -> None:
    assert has_own_cat_ranges(wrap()) is is_own


def test_a_directory_hands_the_ranges_on() -> None:
    fs = OwnRanges({"bucket/data/all": PATTERN})
    store = store_of(DirFileSystem("bucket", fs, asynchronous=True))
    assert sync(bulk(store, apart(3))) == {i: PATTERN[i * 100 : i * 100 + 10] for i in range(3)}
    assert [paths for paths, *_ in fs.calls] == [["bucket/data/all"] * 3]


def test_a_synchronous_file_system_is_called_in_a_thread() -> None:
    inner = SyncRanges()
    found = sync(bulk(store_of(AsyncFileSystemWrapper(inner, asynchronous=True)), apart(3)))
    assert found == {i: PATTERN[i * 100 : i * 100 + 10] for i in range(3)}
    assert inner.calls == [(["data/all"] * 3, "return")]


# --- failures ---------------------------------------------------------------------------


def test_an_absent_object_is_none_beside_others() -> None:
    fs = OwnRanges({"data/all": PATTERN})
    requests = [*apart(2), ("absent", RangeByteRequest(0, 4))]
    found = sync(bulk(store_of(fs), requests))
    assert found == {0: PATTERN[:10], 1: PATTERN[100:110], 2: None}
    assert len(fs.calls) == 1


def test_a_failed_range_is_the_failure_of_its_caller() -> None:
    fs = OwnRanges({"data/all": PATTERN, "data/bad": PATTERN})
    fs.answer = lambda path, start, end: (
        PermissionError("no") if path == "data/bad" else PATTERN[start:end]
    )

    async def read() -> list[Any]:
        store = store_of(fs)
        ranges = [("all", RangeByteRequest(0, 5)), ("bad", RangeByteRequest(0, 5))]
        return await asyncio.gather(
            *(store.get(key, PROTOTYPE, part) for key, part in ranges), return_exceptions=True
        )

    good, bad = sync(read())
    assert good.to_bytes() == PATTERN[:5]
    assert isinstance(bad, PermissionError)
    assert "bad" in str(bad.__notes__)


@pytest.mark.parametrize("answers", ["raises", "too few"])
def test_a_call_that_fails_is_made_again_range_by_range(answers: str) -> None:
    class Fails(OwnRanges):
        async def _cat_ranges(self, *args: Any, **kwargs: Any) -> Sequence[Any]:
            found = await super()._cat_ranges(*args, **kwargs)
            if answers == "raises":
                raise OSError("all of it")
            return found[:-1]

    fs = Fails({"data/all": PATTERN})
    requests = [*apart(2), ("absent", RangeByteRequest(0, 4))]
    found = sync(bulk(store_of(fs), requests))
    assert found == {0: PATTERN[:10], 1: PATTERN[100:110], 2: None}
    assert len(fs.calls) == 1
    assert len(fs.files) == 3


def test_a_lone_range_that_fails_raises_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fs = OwnRanges({"data/all": PATTERN})

    async def refuse(*args: Any, **kwargs: Any) -> Any:
        raise PermissionError("no")

    monkeypatch.setattr(fs, "_cat_ranges", refuse)
    with pytest.raises(PermissionError, match="no"):
        sync(bulk(store_of(fs), apart(1)))
    assert fs.files == []


def test_more_bytes_than_asked_for_are_refused() -> None:
    fs = OwnRanges({"data/all": PATTERN})
    fs.answer = lambda path, start, end: PATTERN
    with pytest.raises(OSError, match="all"):
        sync(bulk(store_of(fs), apart(2)))


def test_views_become_bytes() -> None:
    fs = OwnRanges({"data/all": PATTERN})
    fs.answer = lambda path, start, end: memoryview(PATTERN)[start:end]
    assert sync(bulk(store_of(fs), apart(1))) == {0: PATTERN[:10]}


# --- cancellation -----------------------------------------------------------------------


class Gated(OwnRanges):
    """Answers when the gate is opened."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__(objects)
        self.gate = asyncio.Event()
        self.began = asyncio.Event()
        self.running = 0

    async def _cat_ranges(self, *args: Any, **kwargs: Any) -> Sequence[Any]:
        self.running += 1
        self.began.set()
        try:
            await self.gate.wait()
            return await super()._cat_ranges(*args, **kwargs)
        finally:
            self.running -= 1


def test_nothing_runs_on_when_all_who_wait_are_cancelled() -> None:
    async def read() -> None:
        fs = Gated({"data/all": PATTERN})
        task = asyncio.ensure_future(bulk(store_of(fs), apart(4)))
        await asyncio.wait_for(fs.began.wait(), PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert fs.running == 0

    sync(read())


def test_who_still_waits_gets_an_answer() -> None:
    async def read() -> Any:
        fs = Gated({"data/all": PATTERN, "data/other": PATTERN})
        store = store_of(fs)
        first, second = (
            asyncio.ensure_future(store.get(key, PROTOTYPE, RangeByteRequest(0, 4)))
            for key in ("all", "other")
        )
        await asyncio.wait_for(fs.began.wait(), PATIENCE)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert fs.running == 1
        fs.gate.set()
        found = await asyncio.wait_for(second, PATIENCE)
        assert len(fs.calls) == 1
        return found

    assert sync(read()).to_bytes() == PATTERN[:4]


@settings(max_examples=60, deadline=None)
@given(
    ranges=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 900), st.integers(0, 300))),
    gap=st.sampled_from([None, 0, 50]),
    failing=st.sets(st.integers(0, 5)),
)
def test_a_bulk_read_equals_a_loop(
    ranges: list[tuple[str, int, int]], gap: int | None, failing: set[int]
) -> None:
    class SometimesFails(OwnRanges):
        async def _cat_ranges(self, *args: Any, **kwargs: Any) -> Sequence[Any]:
            found = await super()._cat_ranges(*args, **kwargs)
            if len(self.calls) - 1 in failing and len(found) > 1:
                raise ConnectionResetError
            return found

    objects = {"data/a": PATTERN[:1000], "data/b": PATTERN[:40]}  # and no c
    requests = [(key, RangeByteRequest(start, start + size)) for key, start, size in ranges]
    found = sync(bulk(store_of(SometimesFails(objects), max_gap_bytes=gap), requests))
    assert found == sync(one_by_one(store_of(InMemory(objects)), requests))
