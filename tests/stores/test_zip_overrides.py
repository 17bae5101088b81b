"""What others use and override of `ZipStore` under internal names."""

from __future__ import annotations

import asyncio
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarr
from zarr.core.buffer import Buffer, cpu, default_buffer_prototype
from zarr.storage import ZipStore

VALUE = cpu.Buffer.from_bytes(b"abc")


class Noting(ZipStore):
    """Notes which members are added and when the archive is opened."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.notes: list[str] = []
        super().__init__(*args, **kwargs)

    def _set(self, key: str, value: Buffer) -> None:
        assert self._lock._is_owned()  # type: ignore[attr-defined]
        assert self._is_open
        self.notes.append(key)
        super()._set(key, value)

    def _sync_open(self) -> None:
        self.notes.append("opened")
        super()._sync_open()


def test_the_comment_of_the_archive_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    store = ZipStore(path, mode="w")
    zarr.create_array(store, name="a", data=np.arange(3))
    store._zf.comment = b"of a new archive"
    store.close()
    assert zipfile.ZipFile(path).comment == b"of a new archive"
    with ZipStore(path, mode="a") as store:
        store._sync_open()
        assert store._zf.comment == b"of a new archive"
        store._zf.comment = b"of one that is there"
    archive = zipfile.ZipFile(path)
    assert archive.comment == b"of one that is there"
    assert archive.testzip() is None
    array: Any = zarr.open_array(ZipStore(path), path="a")
    assert array[:].tolist() == [0, 1, 2]


def test_the_comment_written_under_the_lock_after_opening(tmp_path: Path) -> None:
    store = ZipStore(tmp_path / "a.zip", mode="w")
    store._sync_open()
    with store._lock:
        store._zf.comment = b"first"
        store._zf.writestr("extra.txt", "x")
    zarr.create_group(store)
    store.close()
    archive = zipfile.ZipFile(tmp_path / "a.zip")
    assert (archive.comment, archive.namelist()) == (b"first", ["extra.txt", "zarr.json"])


def test_the_archive_before_and_after_it_is_open(tmp_path: Path) -> None:
    store = ZipStore(tmp_path / "a.zip", mode="w")
    assert not hasattr(store, "_zf")
    zarr.create_group(store)
    assert isinstance(store._zf, zipfile.ZipFile)
    with pytest.raises(ValueError, match="already open"):
        store._sync_open()
    store.close()
    assert store._zf.fp is None
    read = ZipStore(tmp_path / "a.zip")
    read._sync_open()
    assert read._is_open
    assert not hasattr(pickle.loads(pickle.dumps(read)), "_zf")


def test_a_subclass_adds_every_member_and_opens_the_archive(tmp_path: Path) -> None:
    store = Noting(tmp_path / "a.zip", mode="w")
    assert store.notes == []
    group = zarr.create_group(store)
    assert store.notes == ["opened", "zarr.json"]
    group.create_array("a", data=np.arange(4), chunks=(2,))
    assert sorted(store.notes[2:]) == ["a/c/0", "a/c/1", "a/zarr.json"]
    store.notes.clear()
    asyncio.run(store.set("k", VALUE))
    asyncio.run(store.set_if_not_exists("l", VALUE))
    asyncio.run(store.set_if_not_exists("l", VALUE))
    asyncio.run(store._set_many([("m", VALUE)]))
    assert store.notes == ["k", "l", "m"]
    store.close()
    assert sorted(zipfile.ZipFile(store.path or "").namelist()) == sorted(
        ["zarr.json", "a/zarr.json", "a/c/0", "a/c/1", "k", "l", "m"]
    )


@pytest.mark.parametrize("how", ["get", "list", "open", "sync", "clear"])
def test_every_use_opens_by_what_overrides_that(how: str, tmp_path: Path) -> None:
    zarr.create_group(ZipStore(tmp_path / "a.zip", mode="w")).store.close()
    store = Noting(tmp_path / "a.zip", mode="a")

    async def use() -> None:
        if how == "get":
            await store.get("zarr.json", default_buffer_prototype())
        elif how == "list":
            assert [key async for key in store.list()] == ["zarr.json"]
        elif how == "open":
            await store._open()
        elif how == "sync":
            store.get_sync("zarr.json")
        else:
            await store.clear()

    asyncio.run(use())
    assert store.notes == ["opened"]
    store.close()


class OwnArchive(ZipStore):
    """Opens the archive itself."""

    def _sync_open(self) -> None:
        self._zf = zipfile.ZipFile(
            str(self.path),
            mode=self._zmode,
            compression=self.compression,
            allowZip64=self.allowZip64,
        )
        self._is_open = True


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_subclass_may_open_an_archive_of_its_own(compression: int, tmp_path: Path) -> None:
    store = OwnArchive(tmp_path / "a.zip", mode="w", compression=compression)
    array: Any = zarr.create_array(store, name="a", data=np.arange(100), shards=(50,), chunks=(10,))
    assert array[35:65:5].tolist() == list(range(35, 65, 5))
    store.close()
    again: Any = zarr.open_array(OwnArchive(tmp_path / "a.zip"), path="a")
    assert again[35:65:5].tolist() == list(range(35, 65, 5))
    plain: Any = zarr.open_array(ZipStore(tmp_path / "a.zip"), path="a")
    assert plain[:].tolist() == list(range(100))


def test_a_subclass_that_opens_nothing_is_told_so(tmp_path: Path) -> None:
    class Idle(ZipStore):
        def _sync_open(self) -> None:
            pass

    with pytest.raises(RuntimeError, match="did not open the archive"):
        asyncio.run(Idle(tmp_path / "a.zip", mode="w").set("k", VALUE))


def test_members_are_set_directly(tmp_path: Path) -> None:
    store = ZipStore(tmp_path / "a.zip", mode="w")
    store._set("k", VALUE)
    store.close()
    assert zipfile.ZipFile(tmp_path / "a.zip").read("k") == b"abc"
    with pytest.raises(ValueError, match="requires mode"):
        ZipStore(tmp_path / "a.zip")._set("l", VALUE)
