"""ZipStore: conformance, modes, threads, forks, pickles, and archives that are not well."""

from __future__ import annotations

import gc
import io
import os
import pickle
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.stores.store_kit import ChangedByAwaiting
from tests.waiting import PATIENCE

from zarr.core._byte_ranges import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    SuffixByteRequest,
    resolve_byte_range,
)
from zarr.core.buffer import Buffer, cpu, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import MemoryStore, ZipStore
from zarr.testing.store import StoreTests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROTOTYPE = default_buffer_prototype()


def buffer(value: bytes) -> Buffer:
    return cpu.Buffer.from_bytes(value)


def read(store: ZipStore, key: str, byte_range: ByteRequest | None = None) -> bytes | None:
    found = store.get_sync(key, byte_range=byte_range)
    return None if found is None else found.to_bytes()


def write(path: Path, **values: bytes) -> Path:
    """Make an archive with other means."""
    with zipfile.ZipFile(path, "w") as archive:
        for key, value in values.items():
            archive.writestr(key.replace("__", "/"), value)
    return path


class TestZipStore(ChangedByAwaiting, StoreTests[ZipStore, cpu.Buffer]):
    store_cls = ZipStore
    buffer_cls = cpu.Buffer

    async def set(self, store: ZipStore, key: str, value: Buffer) -> None:
        with store._lock:
            store._opened().writestr(key, value.to_bytes())

    async def get(self, store: ZipStore, key: str) -> Buffer:
        with store._lock:
            return self._buffer(store._opened().read(key))

    @pytest.fixture
    def store_kwargs(self, tmp_path: Path) -> dict[str, Any]:
        return {"path": tmp_path / "data.zip", "mode": "w"}

    def test_store_repr(self, store: ZipStore) -> None:
        assert str(store) == f"zip://{store.path}"
        assert repr(store) == f"ZipStore('zip://{store.path}')"

    def test_store_supports_writes(self, store: ZipStore) -> None:
        assert store.supports_writes

    def test_store_supports_listing(self, store: ZipStore) -> None:
        assert store.supports_listing
        assert not store.supports_deletes

    # Members of an archive stay, but what deletes nothing is no failure, and all of them can go.

    async def test_delete(self, store: ZipStore) -> None:
        await store.set("foo/zarr.json", buffer(b"bar"))
        with pytest.raises(NotImplementedError, match=r"cannot delete 'foo/zarr\.json'"):
            await store.delete("foo/zarr.json")
        assert read(store, "foo/zarr.json") == b"bar"

    async def test_delete_nonexistent_key_does_not_raise(self, store: ZipStore) -> None:
        await store.set("foo/zarr.json", buffer(b"bar"))
        await store.delete("foo")
        assert await store.exists("foo/zarr.json")

    async def test_delete_dir(self, store: ZipStore) -> None:
        await self._fill(store, foo__zarr=b"r", foo_bar__zarr=b"r")
        with pytest.raises(NotImplementedError, match="cannot delete below 'foo'"):
            await store.delete_dir("foo")
        await store.delete_dir("fo")
        assert sorted([key async for key in store.list()]) == ["foo/zarr", "foo_bar/zarr"]

    async def test_clear(self, store: ZipStore) -> None:
        await self._fill(store, key=b"x", a__b=b"y")
        await store.clear()
        assert await store.is_empty("")
        assert read(store, "key") is None

    async def test_with_read_only_store(self, open_kwargs: dict[str, Any]) -> None:
        store = await ZipStore.open(**open_kwargs)
        with pytest.raises(NotImplementedError, match="with_read_only is not implemented"):
            store.with_read_only(True)

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    @pytest.mark.parametrize("key", ["zarr.json", "c/0", "foo/c/0.0", "foo/0/0"])
    @pytest.mark.parametrize("data", [b"\x01\x02\x03\x04", b""])
    async def test_set(self, store: ZipStore, key: str, data: bytes) -> None:
        await super().test_set(store, key, data)

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    @pytest.mark.parametrize(
        "key_ranges", [[("c/0/0", OffsetByteRequest(3)), ("c/0/0", SuffixByteRequest(3))]]
    )
    async def test_get_partial_values(self, store: ZipStore, key_ranges: Any) -> None:
        await super().test_get_partial_values(store, key_ranges)


# --- what is read -----------------------------------------------------------------------


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("where", ["path", "file", "being written"])
@given(data=st.data())
def test_ranges_are_slices(
    tmp_path_factory: pytest.TempPathFactory, compression: int, where: str, data: st.DataObject
) -> None:
    """Whatever way a member is read, a range of it is the slice of its value."""
    value = data.draw(st.binary(max_size=64))
    bound = st.integers(0, 80)
    request = data.draw(
        st.one_of(
            st.none(),
            st.builds(RangeByteRequest, bound, bound),
            st.builds(OffsetByteRequest, bound),
            st.builds(SuffixByteRequest, bound),
        )
    )
    path = tmp_path_factory.getbasetemp() / "ranges.zip"
    with ZipStore(path, mode="w", compression=compression) as writer:
        sync(writer.set("before", buffer(b"x" * 7)))
        sync(writer.set("k", buffer(value)))
        start, stop = resolve_byte_range(request, len(value))
        if where == "being written":
            assert read(writer, "k", request) == value[start:stop]
    if where == "path":
        with ZipStore(path) as reader:
            assert read(reader, "k", request) == value[start:stop]
    if where == "file":
        with path.open("rb") as file, ZipStore(file) as reader:
            assert read(reader, "k", request) == value[start:stop]


def test_archive_with_bytes_in_front_and_extra_fields(tmp_path: Path) -> None:
    """Members are found by their local headers, which may be longer than expected."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        member = zipfile.ZipInfo("k")
        member.extra = b"\xfe\xca\x04\x00abcd"
        archive.writestr(member, b"0123456789")
    path = tmp_path / "x.zip"
    path.write_bytes(b"#!/bin/sh\n" + inner.getvalue())
    with ZipStore(path) as store:
        assert read(store, "k", RangeByteRequest(2, 5)) == b"234"
        assert read(store, "k", RangeByteRequest(7, 50)) == b"789"
        assert read(store, "k") == b"0123456789"


def test_last_value_counts(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with ZipStore(path, mode="w") as store:
        sync(store.set("a", buffer(b"old one")))
        with pytest.warns(UserWarning, match="Duplicate name: 'a'"):
            sync(store.set("a", buffer(b"new")))
        assert read(store, "a") == b"new"
    with ZipStore(path) as store:
        assert read(store, "a") == b"new"
        assert read(store, "a", SuffixByteRequest(1)) == b"w"
        assert sync(store.getsize("a")) == 3
        assert sync(_list(store)) == ["a"]


async def _list(store: ZipStore) -> list[str]:
    return [key async for key in store.list()]


def test_directory_members_are_no_keys(tmp_path: Path) -> None:
    write(tmp_path / "x.zip", g=b"", g__a=b"1")
    with zipfile.ZipFile(tmp_path / "x.zip", "a") as archive:
        archive.writestr("g/", b"")
    with ZipStore(tmp_path / "x.zip") as store:
        assert sync(_list(store)) == ["g", "g/a"]
        assert read(store, "g/") is None
        assert not sync(store.exists("g/"))


async def test_listing_takes_prefixes_as_text_and_directories_as_such(tmp_path: Path) -> None:
    write(tmp_path / "x.zip", a=b"", g__zarr=b"", g__c__0=b"", gg=b"")
    store = ZipStore(tmp_path / "x.zip")
    assert [key async for key in store.list_prefix("g")] == ["g/zarr", "g/c/0", "gg"]
    assert [name async for name in store.list_dir("g")] == ["zarr", "c"]
    assert [await store.is_empty(x) for x in ("", "g", "g/c", "gg", "nope")] == [
        False, False, False, True, True,
    ]  # fmt: skip


def test_damaged_member_raises(tmp_path: Path) -> None:
    path = write(tmp_path / "x.zip", k=b"0123456789")
    content = bytearray(path.read_bytes())
    content[content.index(b"0123")] = 0
    path.write_bytes(content)
    with ZipStore(path) as store:
        with pytest.raises(zipfile.BadZipFile, match="CRC") as failure:
            read(store, "k")
        assert "key 'k'" in failure.value.__notes__[0]


def test_truncated_archive_raises(tmp_path: Path) -> None:
    """A directory that promises more than the file holds gives no short values."""
    path = write(tmp_path / "x.zip", k=b"0123456789" * 10)
    with ZipStore(path) as store:
        assert read(store, "k", RangeByteRequest(1, 3)) == b"12"
        with open(path, "r+b") as file:
            file.truncate(60)
        with pytest.raises(zipfile.BadZipFile, match="ends within one of its members"):
            read(store, "k", RangeByteRequest(50, 90))


async def _get(store: ZipStore, key: str, byte_range: ByteRequest | None) -> None:
    await store.get(key, PROTOTYPE, byte_range)


async def _get_sync(store: ZipStore, key: str, byte_range: ByteRequest | None) -> None:
    store.get_sync(key, byte_range=byte_range)


async def _get_many(store: ZipStore, key: str, byte_range: ByteRequest | None) -> None:
    async for _ in store.get_many([(key, byte_range)], prototype=PROTOTYPE):
        pass


async def notes_of_a_failed_read(
    path: Path, get: Callable[..., Any], byte_range: ByteRequest | None
) -> list[str]:
    """Return what is noted of a read of a member that is cut off, without the path itself."""
    write(path, k=b"0123456789" * 10)
    with ZipStore(path) as store:
        assert await store.exists("k")
        os.truncate(path, 60)
        with pytest.raises(zipfile.BadZipFile) as failure:
            await get(store, "k", byte_range)
        notes: list[str] = failure.value.__notes__
        assert all(repr(store) in note for note in notes)
        return [note.replace(str(path), "PATH") for note in notes]


@pytest.mark.parametrize("get", [_get, _get_sync, _get_many])
@pytest.mark.parametrize(
    "byte_range",
    [
        RangeByteRequest(50, 90),
        RangeByteRequest(0, 100),
        OffsetByteRequest(0),
        SuffixByteRequest(9),
    ],
    ids=str,
)
async def test_a_failed_read_of_a_part_names_key_bytes_and_store(
    tmp_path: Path, get: Callable[..., Any], byte_range: ByteRequest
) -> None:
    notes = await notes_of_a_failed_read(tmp_path / "x.zip", get, byte_range)
    assert f"key 'k', {byte_range} in ZipStore('zip://PATH')" in notes
    assert all("'k'" in note and str(byte_range) in note for note in notes)


@pytest.mark.parametrize("get", [_get, _get_sync, _get_many])
async def test_a_failed_read_of_a_whole_member_names_key_and_store(
    tmp_path: Path, get: Callable[..., Any]
) -> None:
    notes = await notes_of_a_failed_read(tmp_path / "x.zip", get, None)
    assert notes
    assert all("'k'" in note for note in notes)
    assert not any("None" in note for note in notes)


def test_not_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"not a zip")
    with pytest.raises(zipfile.BadZipFile, match="File is not a zip file"):
        read(ZipStore(path), "k")
    with pytest.raises(zipfile.BadZipFile, match="cannot be appended to"):
        sync(ZipStore(path, mode="a").set("k", buffer(b"")))
    assert path.read_bytes() == b"not a zip"


# --- modes ------------------------------------------------------------------------------


def test_opened_on_first_use(tmp_path: Path) -> None:
    store = ZipStore(tmp_path / "nope.zip")
    assert store.read_only
    with pytest.raises(FileNotFoundError):
        read(store, "k")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", [5, None, io.StringIO(), "text".upper])
def test_path_has_to_be_one(path: object) -> None:
    with pytest.raises(TypeError, match="expected a path or an open binary file object"):
        ZipStore(path)  # type: ignore[arg-type]


def test_modes(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with ZipStore(path, mode="x") as store:
        sync(store.set("a", buffer(b"1")))
    with pytest.raises(FileExistsError):
        sync(ZipStore(path, mode="x").set("a", buffer(b"1")))
    with ZipStore(path, mode="a") as store:
        sync(store.set("b", buffer(b"2")))
    with ZipStore(path) as store:
        assert sync(_list(store)) == ["a", "b"]
        with pytest.raises(ValueError, match="read-only mode"):
            sync(store.set("c", buffer(b"")))
    with ZipStore(path, read_only=False) as store:
        with pytest.raises(ValueError, match="requires mode"):
            sync(store.set("c", buffer(b"")))
        assert sync(_list(store)) == ["a", "b"]
        sync(store.clear())
        sync(store.set("d", buffer(b"4")))
        assert sync(_list(store)) == ["d"]
    assert zipfile.ZipFile(path).namelist() == ["d"]
    with ZipStore(path, mode="w") as store:
        assert sync(_list(store)) == []
    with pytest.raises(ValueError, match="mode"):
        read(ZipStore(path, mode="q"), "a")  # type: ignore[arg-type]


def test_closed_store_goes_on_where_it_was(tmp_path: Path) -> None:
    """Opened anew, a store that created its archive does not truncate it."""
    store = ZipStore(tmp_path / "x.zip", mode="w")
    sync(store.set("a", buffer(b"1")))
    store.close()
    assert zipfile.ZipFile(tmp_path / "x.zip").namelist() == ["a"]
    assert read(store, "a") == b"1"
    sync(store.set("b", buffer(b"2")))
    store.close()
    assert zipfile.ZipFile(tmp_path / "x.zip").namelist() == ["a", "b"]


def test_nothing_is_deleted(tmp_path: Path) -> None:
    with ZipStore(tmp_path / "x.zip", mode="w") as store:
        sync(store.set("g/a", buffer(b"1")))
        sync(store.delete("nope"))
        sync(store.delete("g"))
        sync(store.delete_dir("nope"))
        sync(store.delete_dir("g/a"))
        changes: list[Callable[[], Any]] = [
            lambda: store.delete("g/a"),
            lambda: store.delete_dir("g"),
        ]
        for change in changes:
            with pytest.raises(NotImplementedError):
                sync(change())
        sync(store.clear())
        assert sync(_list(store)) == []
        sync(store.set("b", buffer(b"2")))
    assert zipfile.ZipFile(tmp_path / "x.zip").namelist() == ["b"]


@pytest.mark.parametrize(("key", "error"), [("", ValueError), (5, TypeError), ("../x", ValueError)])
def test_keys_that_are_refused(tmp_path: Path, key: Any, error: type[Exception]) -> None:
    with ZipStore(tmp_path / "x.zip", mode="w") as store:
        with pytest.raises(error):
            sync(store.set(key, buffer(b"")))
        assert sync(_list(store)) == []


def test_move(tmp_path: Path) -> None:
    with ZipStore(tmp_path / "x.zip", mode="w") as store:
        sync(store.set("a", buffer(b"1")))
        sync(store.move(tmp_path / "new" / "y.zip"))
        assert not (tmp_path / "x.zip").exists()
        assert store.path == tmp_path / "new" / "y.zip"
        assert read(store, "a") == b"1"
    with pytest.raises(NotImplementedError, match="file object"):
        sync(ZipStore(io.BytesIO(), mode="w").move(tmp_path / "z.zip"))


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_compressed_as_asked(tmp_path: Path, compression: int) -> None:
    with ZipStore(tmp_path / "x.zip", mode="w", compression=compression) as store:
        sync(store.set("a", buffer(b"1" * 1000)))
    member = zipfile.ZipFile(tmp_path / "x.zip").getinfo("a")
    assert member.compress_type == compression
    assert (member.compress_size < 1000) == (compression == zipfile.ZIP_DEFLATED)


def test_equality(tmp_path: Path) -> None:
    def make(name: str = "x.zip", **kwargs: Any) -> ZipStore:
        return ZipStore(tmp_path / name, **kwargs)

    assert make() == make()
    assert make(mode="w") == make(mode="w")
    for other in (make("y.zip"), make(mode="w"), make(read_only=False), make(compression=8)):
        assert make() != other
    assert make() != MemoryStore()
    file = io.BytesIO()
    assert ZipStore(file) == ZipStore(file)
    assert ZipStore(file) != ZipStore(io.BytesIO())


# --- threads, processes -----------------------------------------------------------------


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("where", ["path", "file"])
def test_threads_read_together(tmp_path: Path, compression: int, where: str) -> None:
    path = tmp_path / "x.zip"
    wanted = {f"c/{i}": bytes([i]) * (1000 + i) for i in range(20)}
    with zipfile.ZipFile(path, "w", compression=compression) as archive:
        for key, value in wanted.items():
            archive.writestr(key, value)
    with open(path, "rb") as file:
        store = ZipStore(path if where == "path" else file)

        def check(_: int) -> None:
            for key, value in wanted.items():
                assert read(store, key) == value
                assert read(store, key, RangeByteRequest(10, 20)) == value[10:20]

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(check, range(16)))
        store.close()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_threads_write_and_read_together(tmp_path: Path) -> None:
    store = ZipStore(tmp_path / "x.zip", mode="w")

    def work(number: int) -> None:
        for i in range(10):
            sync(store.set(f"{number}/{i}", buffer(bytes([number, i]))))
            assert read(store, f"{number}/{i}") == bytes([number, i])
            sync(store.set_if_not_exists("shared", buffer(b"x")))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    store.close()
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 41


def in_child(work: Any) -> int:
    """Fork, call `work` in the child, and return the exit code: 0 if it returns true."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
ignore_fork = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@needs_fork
@ignore_fork
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_forked_readers_do_not_disturb_each_other(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "x.zip"
    wanted = {f"c/{i}": os.urandom(2000) for i in range(50)}
    with zipfile.ZipFile(path, "w", compression=compression) as archive:
        for key, value in wanted.items():
            archive.writestr(key, value)
    store = ZipStore(path)

    def check() -> bool:
        return all(read(store, key) == value for key, value in wanted.items() for _ in range(5))

    assert check()
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(in_child(check)), daemon=True)
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    assert check()
    for thread in threads:
        thread.join()
    assert codes == [0] * 4
    store.close()


@needs_fork
@ignore_fork
def test_forked_child_leaves_the_archive_of_its_parent_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    stores = [ZipStore(path, mode="w")]
    sync(stores[0].set("a", buffer(b"1")))

    def use_and_drop() -> bool:
        uses: list[Callable[[], Any]] = [
            lambda: read(stores[0], "a"),
            lambda: sync(stores[0].set("c", buffer(b""))),
            lambda: sync(stores[0].clear()),
        ]
        for use in uses:
            try:
                use()
            except RuntimeError as error:
                if "only the store that opened the archive" not in str(error):
                    return False
            else:
                return False
        stores.pop().close()
        gc.collect()
        return True

    before = path.read_bytes()
    assert in_child(use_and_drop) == 0
    assert path.read_bytes() == before
    sync(stores[0].set("b", buffer(b"2")))
    stores[0].close()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a", "b"]


@needs_fork
@ignore_fork
def test_fork_waits_for_a_write(tmp_path: Path) -> None:
    """A lock that another thread holds at the fork is free in the child."""
    store = ZipStore(write(tmp_path / "x.zip", a=b"1"))
    assert read(store, "a") == b"1"
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with store._lock:
            held.set()
            let_go.wait(PATIENCE)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(PATIENCE)
    threading.Timer(0.1, let_go.set).start()
    assert in_child(lambda: store._lock.acquire(timeout=PATIENCE) and read(store, "a") == b"1") == 0
    holder.join()
    store.close()


def test_pickled_reader_opens_anew(tmp_path: Path) -> None:
    store = ZipStore(write(tmp_path / "x.zip", a=b"1"))
    assert read(store, "a") == b"1"
    pickled = pickle.dumps(store)
    assert len(pickled) < 1000
    again = pickle.loads(pickled)
    assert not again._is_open
    assert again == store
    store.close()
    assert read(again, "a") == b"1"
    again.close()


def test_pickled_writer_cannot_be_used_while_the_other_may_write(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    store = ZipStore(path, mode="w")
    unopened = pickle.loads(pickle.dumps(store))
    assert not path.exists()
    sync(store.set("a", buffer(b"1")))
    copy = pickle.loads(pickle.dumps(store))
    assert copy == store
    for use in (lambda: read(copy, "a"), lambda: sync(copy.clear())):
        with pytest.raises(RuntimeError, match="only the store that opened the archive"):
            use()
    copy.close()
    store.close()
    closed = pickle.loads(pickle.dumps(store))
    assert read(closed, "a") == b"1"
    closed.close()
    sync(unopened.set("b", buffer(b"2")))
    unopened.close()
    assert zipfile.ZipFile(path).namelist() == ["b"]


def test_file_object_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="open file object"):
        pickle.dumps(ZipStore(io.BytesIO(), mode="w"))
