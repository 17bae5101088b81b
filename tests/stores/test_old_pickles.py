"""Stores that releases of zarr-python have pickled."""

from __future__ import annotations

import base64
import logging
import pickle
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.optional import lacks
from tests.stores.store_kit import PROTOTYPE, buffer

from zarr.core.buffer import cpu
from zarr.core.sync import sync
from zarr.experimental.cache_store import CacheStore
from zarr.storage import (
    FsspecStore,
    LocalStore,
    LoggingStore,
    ManagedMemoryStore,
    MemoryStore,
    ObjectStore,
    ZipStore,
)

# `MemoryStore({"a": cpu.Buffer.from_bytes(b"mem")}, read_only=True)`, as the releases wrote it.
MEMORY = {
    "3.1.5": (
        "gASVGwEAAAAAAACMFHphcnIuc3RvcmFnZS5fbWVtb3J5lIwLTWVtb3J5U3RvcmWUk5QpgZR9lCiMCF9pc19vcGVu"
        "lImMCl9yZWFkX29ubHmUiIwLX3N0b3JlX2RpY3SUfZSMAWGUjBR6YXJyLmNvcmUuYnVmZmVyLmNwdZSMBkJ1ZmZl"
        "cpSTlCmBlH2UjAVfZGF0YZSMFm51bXB5Ll9jb3JlLm11bHRpYXJyYXmUjAxfcmVjb25zdHJ1Y3SUk5SMBW51bXB5"
        "lIwHbmRhcnJheZSTlEsAhZRDAWKUh5RSlChLAUsDhZRoE4wFZHR5cGWUk5SMAnUxlImIh5RSlChLA4wBfJROTk5K"
        "/////0r/////SwB0lGKJQwNtZW2UdJRic2JzdWIu"
    ),
    "3.4.2": (
        "gASVGwEAAAAAAACMFHphcnIuc3RvcmFnZS5fbWVtb3J5lIwLTWVtb3J5U3RvcmWUk5QpgZR9lCiMCF9pc19vcGVu"
        "lImMCl9yZWFkX29ubHmUiIwLX3N0b3JlX2RpY3SUfZSMAWGUjBR6YXJyLmNvcmUuYnVmZmVyLmNwdZSMBkJ1ZmZl"
        "cpSTlCmBlH2UjAVfZGF0YZSMFm51bXB5Ll9jb3JlLm11bHRpYXJyYXmUjAxfcmVjb25zdHJ1Y3SUk5SMBW51bXB5"
        "lIwHbmRhcnJheZSTlEsAhZRDAWKUh5RSlChLAUsDhZRoE4wFZHR5cGWUk5SMAnUxlImIh5RSlChLA4wBfJROTk5K"
        "/////0r/////SwB0lGKJQwNtZW2UdJRic2JzdWIu"
    ),
}
OLD, NEW = "3.1", "3.4"


class _Pickled:
    def __init__(self, cls: type, state: Any) -> None:
        self.reduced: Any = (object.__new__, (cls,), state)

    def __reduce__(self) -> Any:
        return self.reduced


def unpickled(cls: type, state: Any) -> Any:
    """Return what a pickle of an object of a class with this state becomes."""
    return pickle.loads(pickle.dumps(_Pickled(cls, state)))


def read(store: Any, key: str) -> bytes | None:
    value = sync(store.get(key, PROTOTYPE))
    return None if value is None else value.to_bytes()


@pytest.mark.parametrize("release", MEMORY)
def test_memory(release: str) -> None:
    store = pickle.loads(base64.b64decode(MEMORY[release]))
    assert isinstance(store, MemoryStore)
    assert store.read_only
    assert read(store, "a") == b"mem"
    assert pickle.loads(pickle.dumps(store)) == store


def test_buffers() -> None:
    data = buffer(b"abc").as_numpy_array()
    assert unpickled(cpu.Buffer, {"_data": data}).to_bytes() == b"abc"
    assert unpickled(cpu.NDBuffer, {"_data": data}).as_numpy_array() is not None
    # As buffers with slots are pickled, and those of a subclass with a dictionary too.
    own = pickle.loads(pickle.dumps(buffer(b"abc")))
    assert (type(own), own.to_bytes()) == (cpu.Buffer, b"abc")

    other = unpickled(Noted, ({"note": 1}, {"_data": data}))
    assert (other.note, other.to_bytes()) == (1, b"abc")


class Noted(cpu.Buffer):
    note: int


def test_local(tmp_path: Path) -> None:
    state = {"_is_open": True, "_read_only": False, "root": tmp_path}
    store = unpickled(LocalStore, state)
    sync(store.set("a", buffer(b"x")))
    assert read(store, "a") == b"x"
    assert store == LocalStore(tmp_path)


def test_logging(tmp_path: Path) -> None:
    state = {
        "_store": LocalStore(tmp_path),
        "counter": defaultdict(int),
        "log_level": "DEBUG",
        "log_handler": None,
        "logger": logging.getLogger("as it was"),
    }
    store = unpickled(LoggingStore, state)
    sync(store.set("a", buffer(b"x")))
    assert store == LoggingStore(LocalStore(tmp_path))


def zip_state(path: Path, mode: str, release: str, *, is_open: bool = False) -> dict[str, Any]:
    state = {
        "_is_open": is_open,
        "_read_only": mode == "r",
        "path": path,
        "_zmode": mode,
        "compression": 0,
        "allowZip64": True,
    }
    if release == NEW:
        state |= {"_fileobj": None, "_was_opened": is_open, "_close_failed": False}
    return state


def archive(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a", b"x")
    return path


@pytest.mark.parametrize("release", [OLD, NEW])
def test_zip_that_is_read(tmp_path: Path, release: str) -> None:
    path = archive(tmp_path / "x.zip")
    for is_open in (False, True):
        store = unpickled(ZipStore, zip_state(path, "r", release, is_open=is_open))
        assert read(store, "a") == b"x"
        assert store == ZipStore(path)
        assert read(pickle.loads(pickle.dumps(store)), "a") == b"x"
        store.close()


@pytest.mark.parametrize("release", [OLD, NEW])
@pytest.mark.parametrize("mode", ["w", "a", "x"])
def test_zip_that_makes_its_archive(tmp_path: Path, release: str, mode: str) -> None:
    path = tmp_path / "x.zip"
    store = unpickled(ZipStore, zip_state(path, mode, release))
    assert store == ZipStore(path, mode=mode)  # type: ignore[arg-type]
    sync(store.set("a", buffer(b"x")))
    store.close()
    assert zipfile.ZipFile(path).namelist() == ["a"]


def test_zip_that_may_have_made_its_archive_keeps_it(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.zip")
    with unpickled(ZipStore, zip_state(path, "w", OLD)) as store:
        assert read(store, "a") == b"x"
        sync(store.set("b", buffer(b"y")))
    assert zipfile.ZipFile(path).namelist() == ["a", "b"]
    with unpickled(ZipStore, zip_state(path, "w", NEW)) as store:  # which has not opened it
        assert read(store, "a") is None


@pytest.mark.parametrize("release", [OLD, NEW])
def test_zip_that_may_be_written_elsewhere(tmp_path: Path, release: str) -> None:
    path = archive(tmp_path / "x.zip")
    store = unpickled(ZipStore, zip_state(path, "a", release, is_open=True))
    with pytest.raises(RuntimeError, match="only the store that opened the archive"):
        read(store, "a")


@pytest.mark.skipif(lacks("fsspec"), reason="it needs fsspec")
def test_fsspec(tmp_path: Path) -> None:
    new = FsspecStore.from_url(tmp_path.as_uri())
    state = {
        "_is_open": False,
        "_read_only": False,
        "fs": new.fs,
        "path": new.path,
        "allowed_exceptions": new.allowed_exceptions,
    }
    store = unpickled(FsspecStore, state)
    assert store == new
    assert store.read_options == new.read_options
    sync(store.set("a", buffer(b"x")))
    assert read(store, "a") == b"x"
    assert read(store, "nope") is None
    assert read(pickle.loads(pickle.dumps(store)), "a") == b"x"


@pytest.mark.skipif(lacks("obstore"), reason="it needs obstore")
def test_obstore(tmp_path: Path) -> None:
    import obstore.store

    inner = obstore.store.LocalStore(tmp_path)
    state = {"_is_open": False, "_read_only": False, "store": pickle.dumps(inner)}
    store = unpickled(ObjectStore, state)
    assert store == ObjectStore(inner)
    sync(store.set("a", buffer(b"x")))
    assert read(store, "a") == b"x"
    assert read(pickle.loads(pickle.dumps(store)), "a") == b"x"


CACHE: Mapping[str, dict[str, Any]] = {
    OLD: {"key_insert_times": {}, "_current_size": 0, "_hits": 3, "_lock": None},
    NEW: {"_state": None},
}


@pytest.mark.parametrize("release", CACHE)
def test_cache(tmp_path: Path, release: str) -> None:
    limits = {"max_age_seconds": 60, "max_size": 100, "cache_set_data": False}
    place = {"_store": LocalStore(tmp_path), "_cache": MemoryStore()}
    store = unpickled(CacheStore, place | limits | CACHE[release])
    info = store.cache_info()
    assert {name: info[name] for name in limits} == limits
    sync(store.set("a", buffer(b"x")))
    assert [read(store, "a"), read(store, "a")] == [b"x", b"x"]
    assert store.cache_stats()["hits"] == 1
    assert read(pickle.loads(pickle.dumps(store)), "a") == b"x"


# `CacheStore(MemoryStore({"a": cpu.Buffer.from_bytes(b"mem")}), cache_store=MemoryStore(),
# max_age_seconds=60, max_size=100)`, as 3.4.2 wrote it, compressed by zlib.
WHOLE_CACHE = (
    "eNpdUk1v1DAQzXa3223TAgdUiQP39hKJOyeWE4EglR9gOfaUWE2cyHagqagEh0Ij+bbDT+jvbMfOroTwIZo3H29m3uTn"
    "4u/DXhKff33DjcngugOjGtCO15ngogJmXWsA/dE6oC8RbPD8F97imV/uoi9jdQD8K2SsgaY1A/r0UzT+q1oxZVnbgcbR"
    "HzEDXLJW1wOhdOJjUglHqX7Gd9SC3FnZX14C2V2Pfvkugh2r32eSO0o/1X3TDRmLBU1fO0XlnGY5pk6i1daZnsg3VBEz"
    "0R9oOaVsME/ucD0r8Q9e4Fk+y+d3WL3y+9INXZjf7/VvcLyfonM/+4FFUXx4pBc/eeKwHNdz2h7JsqXtS5IoyojVatq+"
    "SsfqeKxObpGCzxt+zUgxZsNo0mL+1q+Cz6obwFz6Z9sbgJvWu4+Sc0d8Cam1vUnAUYciyJtONa2RJA+htq5BOEWrE/oc"
    "vCDfq6jB+QXpInpj6ODbnok/vIIhAht0XdStuEJ/wu2ghWqzAIlo8TG4/znpd64cGIuFP2AhBySOtOGiUs4G1mWjrIVo"
    "HsI3tR2I0IvQTmkLxjFHv17smhquSZZJOpLqN5Z9mT0BPGAWWw=="
)


def test_whole_cache() -> None:
    store = pickle.loads(zlib.decompress(base64.b64decode(WHOLE_CACHE)))
    assert [read(store, "a"), read(store, "a")] == [b"mem", b"mem"]
    assert store.cache_stats()["hits"] == 1
    assert store.cache_info()["max_size"] == 100
    assert read(pickle.loads(pickle.dumps(store)), "a") == b"mem"


def test_managed_memory_of_another_process() -> None:
    class Elsewhere(_Pickled):
        def __init__(self) -> None:
            state = {"path": "p", "read_only": True, "created_pid": 0}
            self.reduced = (ManagedMemoryStore, ("elsewhere",), state)

    with pytest.raises(RuntimeError, match="'elsewhere' was pickled in process 0"):
        pickle.loads(pickle.dumps(Elsewhere()))
    with pytest.raises(ValueError, match="not found"):  # nothing is left behind
        ManagedMemoryStore.from_url("memory://elsewhere")
