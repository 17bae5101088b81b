"""Archives that are damaged, or cannot be written to the end."""

from __future__ import annotations

import errno
import gc
import io
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.stores.store_kit import PROTOTYPE, buffer, drained

import zarr
from zarr.abc.store import RangeByteRequest
from zarr.core.sync import sync
from zarr.storage import ZipStore

OLD = {f"old/{i}": bytes([i]) * (i * 7) for i in range(20)}
NEW = {f"new/{i}": bytes([i]) * (i * 11) for i in range(20)} | {"old/3": b"other"}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate name")
        yield


def content(target: Any) -> dict[str, bytes]:
    """What another reader finds."""
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def put(store: ZipStore, values: dict[str, bytes]) -> None:
    for key, value in values.items():
        sync(store.set(key, buffer(value)))


def archive_of(values: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with ZipStore(file, mode="w") as store:
        put(store, values)
    return file.getvalue()


class Full(io.BytesIO):
    """A file on a disk that takes so many bytes more."""

    room: int | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        if self.room is not None:
            position = self.tell()
            growth = max(0, position + len(view) - len(self.getbuffer()))
            if growth > self.room:
                super().write(view[: len(view) - growth + self.room])  # part of it is there
                self.room = 0
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.room -= growth
        return super().write(data)


class Broken(io.BytesIO):
    """A file that fails from the n-th byte written on, wherever it goes."""

    room: int | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        if self.room is not None:
            if len(view) > self.room:
                super().write(view[: self.room])
                self.room = 0
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            self.room -= len(view)
        return super().write(data)


BEFORE = archive_of(OLD)
BOTH = len(archive_of(OLD | NEW))


@pytest.mark.parametrize("kind", [Full, Broken])
@pytest.mark.parametrize("room", [0, 1, 29, 30, *range(31, 5200, 347)])
def test_what_was_there_stays_where_the_file_cannot_be_written(kind: Any, room: int) -> None:
    file = kind(BEFORE)
    store = ZipStore(file, mode="a")
    assert sync(store.exists("old/3"))
    file.room = room
    failed = False
    for key, value in NEW.items():
        failure = error_of(partial(put, store, {key: value}))
        if failure is not None:
            failed = True
            assert any(repr(key) in note and repr(store) in note for note in failure.__notes__)
            found = sync(store.get(key, PROTOTYPE))
            assert (found and found.to_bytes()) == OLD.get(key)
    failure = error_of(store.close)
    if failure is not None:
        failed = True
        assert "archive" in failure.__notes__[0]
        assert content(file) == OLD
    else:
        found_now = content(file)
        assert found_now.items() >= {k: v for k, v in OLD.items() if k != "old/3"}.items()
        assert found_now["old/3"] in (OLD["old/3"], NEW["old/3"])
        assert set(found_now) <= set(OLD | NEW)
    assert failed == (room < file_growth(kind))
    gc.collect()
    file.room = None
    with ZipStore(file, mode="a") as again:  # and it can be added to
        put(again, NEW)
    assert content(file) == OLD | NEW


def error_of(call: Callable[[], object]) -> OSError | None:
    try:
        call()
    except OSError as error:
        return error
    return None


def file_growth(kind: Any) -> int:
    """Return how many bytes adding the new values writes."""
    file = kind(BEFORE)
    file.room = 1 << 30
    with ZipStore(file, mode="a") as store:
        put(store, NEW)
    return (1 << 30) - int(file.room)


@contextmanager
def largest_file(nbytes: int) -> Iterator[None]:
    """Limit the size of files, which fails as a full disk does."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("where", ["path", "file", "raw file"])
@pytest.mark.parametrize("room", [1, 60, 500, 2500])
def test_a_full_disk(tmp_path: Path, where: str, room: int) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(BEFORE)
    target: Any = path
    if where != "path":
        target = open(path, "r+b", buffering=0 if where == "raw file" else -1)  # noqa: SIM115
    store = ZipStore(target, mode="a")
    failures = 0
    with largest_file(len(BEFORE) + room):
        for key, value in NEW.items():
            try:
                sync(store.set(key, buffer(value)))
            except OSError:
                failures += 1
        with pytest.raises(OSError, match=r".") as raised:
            store.close()
        assert raised.value.errno == errno.EFBIG
        assert content(path) == OLD
    if where != "path":
        target.close()  # there is room now for what it held back
        assert content(path) == OLD
    if where == "path":
        with ZipStore(path, mode="a") as again:
            put(again, NEW)
        assert content(path) == OLD | NEW


def test_several_sessions(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    expected: dict[str, bytes] = {}
    for i in range(4):
        with ZipStore(path, mode="a") as store:
            put(store, {f"{i}": b"x" * i, "same": bytes([i])})
            expected |= {f"{i}": b"x" * i, "same": bytes([i])}
            found = sync(store.get("same", PROTOTYPE))
            assert found is not None
            assert found.to_bytes() == bytes([i])
            if i == 2:
                store.close()
                put(store, {"late": b"l"})
                expected["late"] = b"l"
        assert content(path) == expected
        with ZipStore(path) as reader:
            assert sorted(sync(drained(reader.list()))) == sorted(expected)
            found = sync(reader.get("same", PROTOTYPE, RangeByteRequest(0, 1)))
            assert found is not None
            assert found.to_bytes() == bytes([i])


def test_an_archive_that_is_only_opened_to_be_added_to_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(BEFORE)
    with ZipStore(path, mode="a") as store:
        assert sync(store.exists("old/3"))
    assert path.read_bytes() == BEFORE


def test_a_writer_that_dies_leaves_the_directory_in_the_file(tmp_path: Path) -> None:
    """Nothing of what was there is written over."""
    path = tmp_path / "x.zip"
    path.write_bytes(BEFORE)
    store = ZipStore(path, mode="a")
    put(store, NEW)
    assert path.read_bytes()[: len(BEFORE)] == BEFORE
    store.close()
    assert path.read_bytes()[: len(BEFORE)] == BEFORE


def test_an_archive_with_bytes_in_front_and_a_comment(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    inner = io.BytesIO(BEFORE)
    with zipfile.ZipFile(inner, "a") as archive:
        archive.comment = b"said"
    path.write_bytes(b"#!/bin/sh\n" + inner.getvalue())
    with ZipStore(path, mode="a") as store:
        put(store, NEW)
    assert content(path) == OLD | NEW
    with zipfile.ZipFile(path) as archive:
        assert archive.comment == b"said"


class Named(io.BytesIO):
    """A file object whose name is known."""

    def __repr__(self) -> str:
        return "<x.zip>"


# --- damage -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["r", "a"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"<html>not found</html>",
        lambda data: data[:-30],
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"PK\x01\x02", b"PK\x01\x03"),
        lambda data: data.replace(b"PK\x01\x02\x14", b"PK\x01\x02\xff").replace(
            b"PK\x01\x02\xff\x03\x14", b"PK\x01\x02\xff\x03\xff"
        ),
    ],
)
@pytest.mark.parametrize("where", ["path", "file"])
def test_a_damaged_archive_is_named(
    tmp_path: Path, mode: Any, damage: Callable[[bytes], bytes], where: str
) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(damage(BEFORE))
    target = path if where == "path" else Named(path.read_bytes())
    uses: list[Callable[[ZipStore], Any]] = [
        lambda s: s.get("a", PROTOTYPE),
        lambda s: drained(s.list()),
        lambda s: s.exists("a"),
    ]
    for use in uses:
        with pytest.raises((zipfile.BadZipFile, NotImplementedError)) as raised:
            sync(use(ZipStore(target, mode=mode)))
        assert "x.zip" in str(raised.value) + "".join(getattr(raised.value, "__notes__", []))
    assert path.read_bytes() == damage(BEFORE)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("mode", ["r", "a", "w"])
def test_a_pipe_is_no_archive(tmp_path: Path, mode: Any) -> None:
    os.mkfifo(tmp_path / "x.zip")
    with pytest.raises(OSError, match=r"not a regular file but a named pipe.*x\.zip"):
        sync(drained(ZipStore(tmp_path / "x.zip", mode=mode).list()))


# --- names --------------------------------------------------------------------------------

STRANGE = ["../x", "/etc/x", "a\\b", "g//x", "g/./x", "./y", "C:/z", "g/../x", "..", ".", "g/a/"]


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_members_that_can_be_no_keys_are_not_listed(
    tmp_path: Path, name: str, zarr_format: Any
) -> None:
    path = tmp_path / "x.zip"
    with ZipStore(path, mode="w") as store:
        group = zarr.create_group(store, path="g", zarr_format=zarr_format)
        group.create_array("a", data=np.arange(4), chunks=(2,))
        before = sorted(sync(drained(store.list())))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")
        archive.writestr(zipfile.ZipInfo("dup"), b"1")
        archive.writestr(zipfile.ZipInfo("dup"), b"2")
    with ZipStore(path) as store:
        listed = sorted(sync(drained(store.list())))
        assert [key for key in listed if key != name] == sorted([*before, "dup"])
        for key in listed:
            assert sync(store.get(key, PROTOTYPE)) is not None
        names = sync(drained(store.list_dir("g")))
        assert len(names) == len(set(names))
        assert set(names) == {key.split("/")[1] for key in before if key.startswith("g/")}
        opened = zarr.open_group(store, path="g", mode="r")
        assert list(opened.keys()) == ["a"]
        assert "a" in str(opened.tree())
        assert sync(store.getsize_prefix("")) > 0


def test_a_member_without_a_name_is_left_out(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("key", b"1")
        archive.writestr(zipfile.ZipInfo("", (1980, 1, 1, 0, 0, 0)), b"")
    store = ZipStore(tmp_path / "a.zip", mode="r")

    async def listed() -> list[str]:
        return [key async for key in store.list()] + [key async for key in store.list_dir("")]

    assert sync(listed()) == ["key", "key"]
