"""Archives behind file objects, those of `io` and others."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.optional import lacks
from tests.stores.store_kit import PROTOTYPE, buffer

import zarr
from zarr.abc.store import ByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.sync import sync
from zarr.storage import ZipStore

COMPRESSIONS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]


def archive(compression: int = zipfile.ZIP_STORED, **values: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as file:
        for key, value in (values or {"a": b"0123456789" * 5000}).items():
            file.writestr(key, value)
    return made.getvalue()


def read(store: ZipStore, key: str, byte_range: ByteRequest | None = None) -> bytes | None:
    value = sync(store.get(key, PROTOTYPE, byte_range))
    return None if value is None else value.to_bytes()


async def listed(store: ZipStore) -> list[str]:
    return [key async for key in store.list()]


class Reader:
    """Reads, and does nothing else that a file can; what it reads is no `bytes`."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)
        self.closed = False

    def read(self, nbytes: int = -1) -> memoryview:
        return memoryview(self._file.read(nbytes))

    def seek(self, offset: int, whence: int = 0) -> None:
        self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self.closed = True


def obstore_reader(data: bytes) -> Any:
    import obstore

    store = obstore.store.MemoryStore()
    obstore.put(store, "x.zip", data)
    return obstore.open_reader(store, "x.zip")


READERS = [Reader, *([] if lacks("obstore") else [obstore_reader])]


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("make", READERS)
def test_readers_that_are_not_those_of_io(make: Any, compression: int) -> None:
    value = b"0123456789" * 5000
    store = ZipStore(make(archive(compression)))
    assert store.read_only
    assert sync(listed(store)) == ["a"]
    assert read(store, "a") == value
    assert read(store, "a", RangeByteRequest(4001, 4005)) == value[4001:4005]
    assert read(store, "a", SuffixByteRequest(3)) == b"789"
    assert read(store, "nope") is None
    assert sync(store.getsize("a")) == len(value)
    store.close()
    assert read(store, "a", RangeByteRequest(0, 2)) == b"01"  # opened anew


@pytest.mark.parametrize("make", READERS)
@pytest.mark.parametrize("mode", ["w", "a", "x"])
def test_what_only_reads_is_refused_for_writing(make: Any, mode: Any) -> None:
    with pytest.raises(TypeError, match=f"can only be read.*Got mode '{mode}'"):
        ZipStore(make(archive()), mode=mode)


def test_a_reader_is_told_from_others_and_left_open() -> None:
    reader = Reader(archive())
    store = ZipStore(reader)  # type: ignore[arg-type]
    assert store == ZipStore(reader)  # type: ignore[arg-type]
    assert store != ZipStore(Reader(archive()))  # type: ignore[arg-type]
    assert "Reader object" in str(store)
    assert read(store, "a") is not None
    store.close()
    del store
    assert not reader.closed


def test_a_reader_that_gives_more_than_was_asked_for() -> None:
    class Generous(Reader):
        def read(self, nbytes: int = -1) -> memoryview:
            return super().read(-1 if nbytes < 0 else nbytes + 1)

    with pytest.raises(OSError, match="expected at most"):
        read(ZipStore(Generous(archive())), "a")  # type: ignore[arg-type]


def test_an_array_in_memory() -> None:
    file = io.BytesIO()
    with ZipStore(file, mode="w") as store:
        array = zarr.create_array(store, shape=(8,), chunks=(2,), shards=(4,), dtype="i4")
        array[:] = range(8)
    assert not file.closed
    for source in (file, Reader(file.getvalue())):
        found = zarr.open_array(ZipStore(source), mode="r")  # type: ignore[arg-type]
        assert found[:].tolist() == list(range(8))  # type: ignore[union-attr]


def test_files_that_are_written_only_are_not_damaged(tmp_path: Path) -> None:
    with (tmp_path / "x.zip").open("wb") as file, ZipStore(file, mode="w") as store:
        sync(store.set("a", buffer(b"x")))
        with pytest.raises(io.UnsupportedOperation, match="read"):
            read(store, "a")
    assert zipfile.ZipFile(tmp_path / "x.zip").namelist() == ["a"]


# --- clearing ---------------------------------------------------------------------------


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("mode", ["w", "a", "x", "r"])
def test_a_cleared_archive_is_empty_and_can_be_written(
    tmp_path: Path, mode: Any, used: bool
) -> None:
    path = tmp_path / "x.zip"
    if mode != "x":
        path.write_bytes(archive())
    with ZipStore(path, mode=mode, read_only=False) as store:
        if used:
            sync(listed(store))
        sync(store.clear())
        assert sync(listed(store)) == []
        sync(store.set("b", buffer(b"x")))
        assert sync(listed(store)) == ["b"]
    assert zipfile.ZipFile(path).namelist() == ["b"]


@pytest.mark.parametrize("mode", ["w", "a", "x", "r"])
def test_a_read_only_archive_is_not_cleared(tmp_path: Path, mode: Any) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(archive())
    with pytest.raises(ValueError, match="read-only"):
        sync(ZipStore(path, mode=mode, read_only=True).clear())
    assert path.read_bytes() == archive()


@pytest.mark.parametrize("mode", ["w", "a", "x", "r"])
def test_a_file_object_is_not_cleared(mode: Any) -> None:
    file = io.BytesIO(archive())
    store = ZipStore(file, mode=mode, read_only=False)
    with pytest.raises(NotImplementedError, match="file object"):
        sync(store.clear())
    assert file.getvalue() == archive()
