"""ObjectStore: conformance, ranges, and what obstore reports as errors."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.stores.store_kit import Awaited
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
from zarr.storage import MemoryStore, ObjectStore
from zarr.testing.store import StoreTests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers.range_server import RangeServer
    from tests.servers.s3 import S3Server

obstore = pytest.importorskip("obstore")

PROTOTYPE = default_buffer_prototype()
TEN = b"0123456789"
RANGES: tuple[ByteRequest | None, ...] = (
    None,
    RangeByteRequest(0, 10),
    RangeByteRequest(2, 5),
    RangeByteRequest(8, 20),
    RangeByteRequest(10, 20),
    RangeByteRequest(20, 30),
    RangeByteRequest(3, 3),
    RangeByteRequest(5, 2),
    OffsetByteRequest(0),
    OffsetByteRequest(7),
    OffsetByteRequest(10),
    OffsetByteRequest(20),
    SuffixByteRequest(0),
    SuffixByteRequest(3),
    SuffixByteRequest(10),
    SuffixByteRequest(20),
)


def buffer(value: bytes) -> Buffer:
    return cpu.Buffer.from_bytes(value)


def read(store: ObjectStore[Any], key: str, byte_range: ByteRequest | None = None) -> bytes | None:
    found = sync(store.get(key, PROTOTYPE, byte_range))
    return None if found is None else found.to_bytes()


async def listed(store: ObjectStore[Any], prefix: str = "") -> list[str]:
    return sorted([key async for key in store.list_prefix(prefix)])


def memory(**values: bytes) -> ObjectStore[Any]:
    store = ObjectStore(obstore.store.MemoryStore())
    for key, value in values.items():
        obstore.put(store.store, key, value)
    return store


class ObstoreTests(Awaited, StoreTests[ObjectStore[Any], cpu.Buffer]):
    store_cls = ObjectStore
    buffer_cls = cpu.Buffer

    async def set(self, store: ObjectStore[Any], key: str, value: Buffer) -> None:
        await obstore.put_async(store.store, key, value.to_bytes())

    async def get(self, store: ObjectStore[Any], key: str) -> Buffer:
        found = await obstore.get_async(store.store, key)
        return self._buffer(bytes(await found.bytes_async()))

    def test_store_repr(self, store: ObjectStore[Any]) -> None:
        assert str(store) == f"object_store://{store.store}"
        assert repr(store) == f"ObjectStore(object_store://{store.store})"

    def test_store_supports_writes(self, store: ObjectStore[Any]) -> None:
        assert store.supports_writes
        assert store.supports_deletes

    def test_store_supports_listing(self, store: ObjectStore[Any]) -> None:
        assert store.supports_listing

    async def test_list_prefix(self, store: ObjectStore[Any]) -> None:
        """obstore takes a prefix as a directory."""
        await self._fill(store, a__b=b"x", a__c__d=b"x", ab=b"x", b=b"x")
        for prefix, keys in {
            "": ["a/b", "a/c/d", "ab", "b"],
            "a": ["a/b", "a/c/d"],
            "a/": ["a/b", "a/c/d"],
            "a/c": ["a/c/d"],
            "b": [],
            "nope": [],
        }.items():
            assert await listed(store, prefix) == keys


class TestMemory(ObstoreTests):
    @pytest.fixture
    def store_kwargs(self) -> dict[str, Any]:
        return {"store": obstore.store.MemoryStore()}

    async def test_serializable_store(self, store: ObjectStore[Any]) -> None:
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(store)


class TestLocal(ObstoreTests):
    @pytest.fixture
    def store_kwargs(self, tmp_path: Path) -> dict[str, Any]:
        return {"store": obstore.store.LocalStore(str(tmp_path))}


# --- every backend answers alike --------------------------------------------------------


@pytest.fixture(params=["memory", "local", "http", "s3"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., ObjectStore[Any]]:
    """A function that makes a store with the given values, over one of several backends."""

    def make(**values: bytes) -> ObjectStore[Any]:
        if request.param == "memory":
            return memory(**values)
        if request.param == "local":
            for key, value in values.items():
                (tmp_path / key).write_bytes(value)
            return ObjectStore(obstore.store.LocalStore(str(tmp_path)))
        if request.param == "http":
            server: RangeServer = request.getfixturevalue("range_server")
            server.objects.update(values)
            options = {"allow_http": True}
            return ObjectStore(obstore.store.HTTPStore.from_url(server.url, client_options=options))
        s3 = request.getfixturevalue("s3_server")
        bucket = request.getfixturevalue("s3_bucket")
        return s3_store(s3, bucket, **values)

    return make


def s3_store(s3: S3Server, bucket: str, **values: bytes) -> ObjectStore[Any]:
    store = obstore.store.S3Store(
        bucket,
        prefix="root",
        endpoint=s3.url,
        access_key_id="testing",
        secret_access_key="testing",
        region="us-east-1",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    for key, value in values.items():
        obstore.put(store, key, value)
    return ObjectStore(store)


def test_ranges_are_slices(filled: Callable[..., ObjectStore[Any]]) -> None:
    """A range is the slice of the value, also past its end, and of what is absent, absent."""
    store = filled(a=TEN, empty=b"", other=b"x")
    for key, value in (("a", TEN), ("empty", b"")):
        for byte_range in RANGES:
            start, stop = resolve_byte_range(byte_range, len(value))
            assert read(store, key, byte_range) == value[start:stop], (key, byte_range)
    for byte_range in RANGES:
        assert read(store, "nope", byte_range) is None, byte_range


def test_one_request_for_one_value(s3_server: S3Server, s3_bucket: str) -> None:
    store = s3_store(s3_server, s3_bucket, a=TEN)
    for byte_range, sent in (
        (None, None),
        (RangeByteRequest(2, 5), "bytes=2-4"),
        (OffsetByteRequest(7), "bytes=7-"),
        (SuffixByteRequest(3), "bytes=-3"),
    ):
        s3_server.clear()
        read(store, "a", byte_range)
        assert s3_server.reads() == [(f"{s3_bucket}/root/a", sent)]
        assert len(s3_server.requests) == 1


@pytest.mark.parametrize("status", [403, 500])
@pytest.mark.parametrize(
    "byte_range", [None, RangeByteRequest(2, 5), RangeByteRequest(20, 30), SuffixByteRequest(3)]
)
def test_fault_is_raised(
    s3_server: S3Server, s3_bucket: str, status: int, byte_range: ByteRequest | None
) -> None:
    store = s3_store(s3_server, s3_bucket, a=TEN)
    s3_server.inject(f"{s3_bucket}/root/a", status, method=None)
    with pytest.raises(obstore.exceptions.BaseError) as raised:
        read(store, "a", byte_range)
    assert "key 'a'" in raised.value.__notes__[-1]
    with pytest.raises(obstore.exceptions.BaseError):
        sync(store.exists("a"))
    with pytest.raises(obstore.exceptions.BaseError):
        sync(store.getsize("a"))


def test_range_that_is_refused_though_it_exists(s3_server: S3Server, s3_bucket: str) -> None:
    """An error is not taken for a range past the end."""
    store = s3_store(s3_server, s3_bucket, a=TEN)
    s3_server.inject(f"{s3_bucket}/root/a", 416)
    for byte_range in (RangeByteRequest(2, 5), SuffixByteRequest(3)):
        with pytest.raises(obstore.exceptions.BaseError):
            read(store, "a", byte_range)
    assert read(store, "a", RangeByteRequest(10, 12)) == b""


def test_backend_without_suffixes(monkeypatch: pytest.MonkeyPatch) -> None:
    store = memory(a=TEN)
    get = obstore.get_async

    async def refuse(inner: Any, path: str, *, options: Any = None) -> Any:
        if options is not None and "suffix" in options["range"]:
            raise obstore.exceptions.NotSupportedError("no suffixes")
        return await get(inner, path, options=options)

    monkeypatch.setattr(obstore, "get_async", refuse)
    assert read(store, "a", SuffixByteRequest(3)) == b"789"
    assert read(store, "a", SuffixByteRequest(30)) == TEN
    assert read(store, "nope", SuffixByteRequest(3)) is None


# --- values -----------------------------------------------------------------------------


def test_partial_values_of_missing_keys() -> None:
    store = memory(a=TEN)
    wanted = [("a", None), ("nope", None), ("a", SuffixByteRequest(1)), ("nope", RANGES[2])]
    found = sync(store.get_partial_values(PROTOTYPE, wanted))
    assert [None if v is None else v.to_bytes() for v in found] == [TEN, None, b"9", None]


def test_buffer_is_not_copied() -> None:
    found = sync(memory(a=TEN).get("a", PROTOTYPE))
    assert found is not None
    assert found.as_numpy_array().base is not None


def test_set_if_not_exists_is_one_step() -> None:
    """Of many writers at once, one wins."""
    store = memory()

    async def race() -> bytes:
        values = [buffer(bytes([i])) for i in range(10)]
        await asyncio.gather(*(store.set_if_not_exists("a", value) for value in values))
        found = await store.get("a", PROTOTYPE)
        assert found is not None
        return found.to_bytes()

    first = asyncio.run(race())
    sync(store.set_if_not_exists("a", buffer(b"late")))
    assert read(store, "a") == first


def test_set_if_not_exists_without_support(monkeypatch: pytest.MonkeyPatch) -> None:
    store = memory(a=TEN)
    put = obstore.put_async

    async def refuse(inner: Any, path: str, value: Any, *, mode: str = "overwrite") -> None:
        if mode == "create":
            raise obstore.exceptions.NotSupportedError("no conditions")
        await put(inner, path, value)

    monkeypatch.setattr(obstore, "put_async", refuse)
    sync(store.set_if_not_exists("a", buffer(b"x")))
    sync(store.set_if_not_exists("b", buffer(b"x")))
    assert (read(store, "a"), read(store, "b")) == (TEN, b"x")


def test_set_refuses_before_it_writes() -> None:
    store = memory()
    for key, value, error in (
        ("a", b"bytes", TypeError),
        ("", buffer(b""), ValueError),
        ("../a", buffer(b""), ValueError),
        (5, buffer(b""), TypeError),
    ):
        with pytest.raises(error):
            sync(store.set(key, value))  # type: ignore[arg-type]
        with pytest.raises(error):
            sync(store.set_if_not_exists(key, value))  # type: ignore[arg-type]
    assert sync(listed(store)) == []


def test_empty_key_is_absent() -> None:
    store = memory(a=TEN)
    assert read(store, "") is None
    assert not sync(store.exists(""))


def test_deleting_more_than_one_request_can() -> None:
    store = memory(**{f"g/{i}": b"x" for i in range(2500)}, gg=b"x")
    sync(store.delete_dir("g"))
    assert sync(listed(store)) == ["gg"]
    sync(store.delete_dir("nope"))
    sync(store.delete("nope"))
    sync(store.clear())
    assert sync(listed(store)) == []


def test_deleting_what_others_delete_too(tmp_path: Path) -> None:
    """A directory reports a file that is gone as an error."""
    store = ObjectStore(obstore.store.LocalStore(str(tmp_path)))
    for key in ("g/a", "g/b", "g/c"):
        sync(store.set(key, buffer(b"x")))
    real = store.list_prefix

    def with_ghost(prefix: str) -> Any:
        async def keys() -> Any:
            yield "g/ghost"
            async for key in real(prefix):
                yield key

        return keys()

    store.list_prefix = with_ghost  # type: ignore[method-assign]
    sync(store.delete_dir("g"))
    assert os.listdir(tmp_path / "g") == []


# --- the object -------------------------------------------------------------------------


@pytest.mark.parametrize("inner", ["text", 5, None, MemoryStore])
def test_inner_store_has_to_be_one(inner: Any) -> None:
    with pytest.raises(TypeError, match="expected ObjectStore class, got"):
        ObjectStore(inner)


def test_equality() -> None:
    inner = obstore.store.MemoryStore()
    store = ObjectStore(inner)
    assert store == ObjectStore(inner)
    assert store.store is inner
    assert store != ObjectStore(obstore.store.MemoryStore())
    assert store != ObjectStore(inner, read_only=True)
    assert store != MemoryStore()


def test_pickle(tmp_path: Path) -> None:
    store = ObjectStore(obstore.store.LocalStore(str(tmp_path)), read_only=True)
    (tmp_path / "a").write_bytes(TEN)
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    assert again.read_only
    assert read(again, "a") == TEN


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_child_is_told_instead_of_waiting_for_ever() -> None:
    code = """
import asyncio, os, obstore, warnings
from zarr.storage import ObjectStore
from zarr.core.buffer import cpu, default_buffer_prototype
from zarr.core.sync import sync

warnings.simplefilter("ignore")
store = ObjectStore(obstore.store.MemoryStore())
uses = [
    lambda: store.get("a", default_buffer_prototype()),
    lambda: store.set("a", cpu.Buffer.from_bytes(b"")),
    lambda: store.exists("a"),
    lambda: store.getsize("a"),
    lambda: store.delete("a"),
    lambda: store.is_empty(""),
    lambda: anext(store.list_dir("")),
]
sync(store.exists("a"))
pid = os.fork()
if pid == 0:
    refused = 0
    for use in uses:
        try:
            sync(use(), timeout=30)
        except RuntimeError as error:
            refused += "forked" in str(error)
    os._exit(refused)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), len(uses))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
        timeout=300,
    )
    refused, uses = result.stdout.split()
    assert refused == uses


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("byte_range", RANGES)
@pytest.mark.parametrize("has_prefix", [True, False])
def test_a_named_pipe_is_refused(
    tmp_path: Path, byte_range: ByteRequest | None, has_prefix: bool
) -> None:
    os.mkfifo(tmp_path / "pipe")
    store = ObjectStore(obstore.store.LocalStore(tmp_path if has_prefix else None))
    key = "pipe" if has_prefix else f"{tmp_path}/pipe".lstrip("/")

    async def read() -> None:
        await asyncio.wait_for(store.get(key, PROTOTYPE, byte_range), PATIENCE)

    with pytest.raises(OSError, match="not a regular file but a named pipe") as raised:
        sync(read())
    assert any(repr(key) in note for note in raised.value.__notes__)
    with pytest.raises(OSError, match="not a regular file but a named pipe"):
        sync(asyncio.wait_for(store.getsize(key), PATIENCE))
    assert not sync(asyncio.wait_for(store.exists(key), PATIENCE))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize("is_pickled", [False, True])
def test_pipes_are_looked_for_where_the_store_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_pickled: bool
) -> None:
    """A relative prefix means the directory in which the store was made."""
    for place in ("one", "two"):
        (tmp_path / place / "d").mkdir(parents=True)
    os.mkfifo(tmp_path / "one" / "d" / "k")
    (tmp_path / "two" / "d" / "k").write_bytes(TEN)
    monkeypatch.chdir(tmp_path / "one")
    store = ObjectStore(obstore.store.LocalStore("d"))
    if is_pickled:
        store = pickle.loads(pickle.dumps(store))
    monkeypatch.chdir(tmp_path / "two")
    with pytest.raises(OSError, match="not a regular file but a named pipe"):
        sync(asyncio.wait_for(store.get("k", PROTOTYPE), PATIENCE))
