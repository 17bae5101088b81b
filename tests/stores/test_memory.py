"""Stores in the memory of the process."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import subprocess
import sys
import types
from typing import Any

import numpy as np
import pytest
from tests.stores.store_kit import PROTOTYPE, Capable, buffer
from tests.waiting import PATIENCE

from zarr.abc.store import OffsetByteRequest, RangeByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, cpu
from zarr.storage import GpuMemoryStore, ManagedMemoryStore, MemoryStore
from zarr.testing.buffer import TestBuffer
from zarr.testing.store import StoreTests
from zarr.testing.utils import has_cupy


class TestMemoryStore(Capable, StoreTests[MemoryStore, cpu.Buffer]):
    store_cls = MemoryStore
    buffer_cls = cpu.Buffer

    @pytest.fixture
    def store_kwargs(self) -> dict[str, Any]:
        return {"store_dict": {}}

    async def set(self, store: MemoryStore, key: str, value: Buffer) -> None:
        store._store_dict[key] = value

    async def get(self, store: MemoryStore, key: str) -> Buffer:
        return store._store_dict[key]

    def test_store_repr(self, store: MemoryStore) -> None:
        assert str(store) == f"memory://{id(store._store_dict)}"
        assert repr(store) == f"MemoryStore('{store}')"


class TestManagedMemoryStore(Capable, StoreTests[ManagedMemoryStore, cpu.Buffer]):
    store_cls = ManagedMemoryStore
    buffer_cls = cpu.Buffer

    @pytest.fixture
    def store_kwargs(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        return {"name": request.node.name.replace("/", "-"), "path": "in/ner"}

    async def set(self, store: ManagedMemoryStore, key: str, value: Buffer) -> None:
        store._store_dict[f"in/ner/{key}"] = value

    async def get(self, store: ManagedMemoryStore, key: str) -> Buffer:
        return store._store_dict[f"in/ner/{key}"]

    def test_store_repr(self, store: ManagedMemoryStore) -> None:
        assert str(store) == f"memory://{store.name}/in/ner"
        assert repr(store) == f"ManagedMemoryStore('{store}')"


class DeviceBuffer(cpu.Buffer):
    """Stands for a buffer on a GPU."""


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("zarr.buffer.gpu")
    module.Buffer = DeviceBuffer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "zarr.buffer.gpu", module)


@pytest.mark.usefixtures("gpu")
class TestGpuMemoryStore(Capable, StoreTests[GpuMemoryStore, cpu.Buffer]):
    store_cls = GpuMemoryStore
    buffer_cls = cpu.Buffer

    @pytest.fixture
    def store_kwargs(self) -> dict[str, Any]:
        return {"store_dict": {}}

    async def set(self, store: GpuMemoryStore, key: str, value: Buffer) -> None:
        store._store_dict[key] = DeviceBuffer.from_buffer(value)

    async def get(self, store: GpuMemoryStore, key: str) -> Buffer:
        found = store._store_dict[key]
        assert type(found) is DeviceBuffer
        return found

    def test_store_repr(self, store: GpuMemoryStore) -> None:
        assert str(store) == f"gpumemory://{id(store._store_dict)}"
        assert repr(store) == f"GpuMemoryStore('{store}')"

    async def test_values_move(self) -> None:
        store = GpuMemoryStore.from_dict({"a": buffer(b"xyz")})
        assert type(store._store_dict["a"]) is DeviceBuffer
        on_device = DeviceBuffer.from_bytes(b"there")
        await store.set("b", on_device)
        assert store._store_dict["b"] is on_device
        prototype = BufferPrototype(DeviceBuffer, cpu.NDBuffer)
        assert await store.get("b", prototype) is on_device
        assert type(await store.get("b", PROTOTYPE)) is cpu.Buffer


@pytest.mark.skipif(has_cupy(), reason="cupy is there")
async def test_without_cupy_a_gpu_store_holds_nothing() -> None:
    store = GpuMemoryStore()
    for write in (store.set, store.set_if_not_exists):
        with pytest.raises(ImportError, match=r"without cupy\. Please install cupy"):
            await write("a", buffer(b"x"))
    with pytest.raises(ImportError, match="without cupy"):
        GpuMemoryStore.from_dict({"a": buffer(b"x")})
    assert not await store.exists("a")


# --- the dictionary ---------------------------------------------------------------------


async def test_the_dictionary_is_used_as_it_is() -> None:
    values: dict[str, Buffer] = {"a": buffer(b"x")}
    store = MemoryStore(values)
    await store.set("b", buffer(b"y"))
    assert sorted(values) == ["a", "b"]
    values["c"] = buffer(b"z")
    assert await store.exists("c")
    view = store.with_read_only(True)
    await store.delete("a")
    assert not await view.exists("a")


async def test_any_mutable_mapping_will_do() -> None:
    class Upper(dict[str, Buffer]):
        def __setitem__(self, key: str, value: Buffer) -> None:
            super().__setitem__(key.upper(), value)

    values = Upper()
    await MemoryStore(values).set("a", buffer(b"x"))
    assert list(values) == ["A"]


async def test_reading_copies_nothing() -> None:
    store = MemoryStore()
    await store.set("a", cpu.Buffer.from_array_like(np.arange(4, dtype="u1")))
    data = store._store_dict["a"].as_numpy_array()
    found = await store.get("a", PROTOTYPE, RangeByteRequest(1, 3))
    assert found is not None
    assert np.shares_memory(found.as_numpy_array(), data)


@pytest.mark.parametrize("byte_range", [None, RangeByteRequest(1, 3), OffsetByteRequest(9)])
async def test_values_come_in_the_class_asked_for(byte_range: Any) -> None:
    store = MemoryStore({"a": buffer(b"0123")})
    prototype = BufferPrototype(TestBuffer, cpu.NDBuffer)
    assert type(await store.get("a", prototype, byte_range)) is TestBuffer
    assert type(store.get_sync("a", prototype=prototype, byte_range=byte_range)) is TestBuffer
    assert type(await store.get("a", None, byte_range)) is PROTOTYPE.buffer


@pytest.mark.parametrize("value", [b"raw", bytearray(b"raw"), None, 5, np.zeros(3, "u1")])
async def test_values_are_buffers(value: Any) -> None:
    store = MemoryStore()
    for write in (store.set, store.set_if_not_exists):
        with pytest.raises(TypeError, match=r"MemoryStore\.set\(\): `value` must be a Buffer"):
            await write("a", value)
    assert store._store_dict == {}


async def test_parts_of_values_are_not_written() -> None:
    store = MemoryStore({"a": buffer(b"0123")})
    with pytest.raises(NotImplementedError, match="whole values"):
        await store.set("a", buffer(b"x"), (0, 1))  # type: ignore[arg-type]
    assert store._store_dict["a"].to_bytes() == b"0123"


async def test_equality_is_that_of_the_content() -> None:
    one, other = MemoryStore(), MemoryStore()
    assert one == other
    await one.set("a", buffer(b"x"))
    assert one != other
    await other.set("a", buffer(b"x"))
    assert one == other
    assert one != one.with_read_only(True)
    assert one != {"a": buffer(b"x")}
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


async def test_of_many_first_writers_one_wins() -> None:
    store = MemoryStore()
    values = [bytes([i]) for i in range(20)]
    await asyncio.gather(*(store.set_if_not_exists("a", buffer(v)) for v in values))
    assert store._store_dict["a"].to_bytes() == values[0]


async def test_writing_while_listing() -> None:
    for listing in (MemoryStore.list, lambda store: store.list_prefix("k")):
        store = MemoryStore({f"k/{i}": buffer(b"x") for i in range(5)})
        seen = []
        async for key in listing(store):
            seen.append(key)
            await store.set(f"k/new/{key}", buffer(b"x"))
            await store.delete("k/4")
        assert seen == [f"k/{i}" for i in range(5)]


# --- values under a name ----------------------------------------------------------------


async def test_stores_of_one_name_share_values() -> None:
    first = ManagedMemoryStore("shared")
    await first.set("a/b", buffer(b"x"))
    second = ManagedMemoryStore("shared")
    assert first == second
    assert await second.exists("a/b")
    assert ManagedMemoryStore("other") != first
    assert not await ManagedMemoryStore("other").exists("a/b")
    inner = ManagedMemoryStore("shared", path="/a/")
    assert inner != first
    assert inner.path == "a"
    assert [key async for key in inner.list()] == ["b"]
    assert await inner.getsize("b") == 1
    with pytest.raises(FileNotFoundError, match=r"^a/b$"):
        await inner.getsize("a/b")


async def test_values_live_as_long_as_their_stores() -> None:
    first = ManagedMemoryStore("living")
    await first.set("a/b", buffer(b"x"))
    second = ManagedMemoryStore.from_url("memory://living/a")
    del first
    gc.collect()
    assert await second.exists("b")
    del second
    gc.collect()
    with pytest.raises(ValueError, match="may have been garbage collected"):
        ManagedMemoryStore.from_url("memory://living/a")


@pytest.mark.parametrize("name", ["n", "with space", "a?b", "a#b", "a:1", "UPPER", "ä"])
@pytest.mark.parametrize("path", ["", "p", "p/q"])
def test_a_store_is_found_by_what_it_shows(name: str, path: str) -> None:
    store = ManagedMemoryStore(name, path=path)
    found = ManagedMemoryStore.from_url(str(store), read_only=True)
    assert (found.name, found.path) == (name, path)
    assert found.read_only
    assert found._store_dict is store._store_dict


@pytest.mark.parametrize(
    "url", ["memory://nobody", "memory://", "memory:///x", "file://here", "here", ""]
)
def test_urls_of_no_store(url: str) -> None:
    held = ManagedMemoryStore("here")
    with pytest.raises(ValueError, match="Memory store not found for URL"):
        ManagedMemoryStore.from_url(url)
    assert held.name == "here"


def test_names() -> None:
    with pytest.raises(ValueError, match="Store name cannot contain '/': 'a/b'"):
        ManagedMemoryStore("a/b")
    with pytest.raises(ValueError, match=r"segments"):
        ManagedMemoryStore("a", path="../b")


def test_names_of_stores_without_a_name() -> None:
    one, other = ManagedMemoryStore(), ManagedMemoryStore(path="a")
    number = int(one.name)
    assert str(one) == f"memory://{number}"
    assert str(other) == f"memory://{number + 1}/a"
    assert one != other
    assert ManagedMemoryStore(one.name) == ManagedMemoryStore.from_url(str(one)) == one
    # A number that a store has as its name is left out.
    named = [ManagedMemoryStore(str(number + step)) for step in (2, 4)]
    unnamed = [ManagedMemoryStore() for _ in range(3)]
    assert [store.name for store in unnamed] == [str(number + step) for step in (3, 5, 6)]
    assert not any(store == other for store in unnamed for other in named)


def test_names_are_not_given_again() -> None:
    name = ManagedMemoryStore().name
    assert ManagedMemoryStore().name == str(int(name) + 1)
    with pytest.raises(ValueError, match="not found"):
        ManagedMemoryStore.from_url(f"memory://{name}")


def test_the_first_name_of_a_process() -> None:
    program = (
        "from zarr.storage import ManagedMemoryStore as M; print(M().name, M('0').name, M().name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert done.stdout.split() == ["0", "0", "1"]


async def test_clear_keeps_to_its_path() -> None:
    top = ManagedMemoryStore("clear")
    for key in ("a/b", "ab", "b"):
        await top.set(key, buffer(b"x"))
    await ManagedMemoryStore("clear", path="a").clear()
    assert sorted(top._store_dict) == ["ab", "b"]


async def test_pickles_lead_back_to_the_values() -> None:
    store = ManagedMemoryStore("pickled", path="p", read_only=True)
    await ManagedMemoryStore("pickled").set("p/a", buffer(bytes(10_000)))
    pickled = pickle.dumps(store)
    assert len(pickled) < 300
    again = pickle.loads(pickled)
    assert again._store_dict is store._store_dict
    assert again == store
    assert again.read_only


PROGRAM = """
import pickle, sys
from zarr.storage import ManagedMemoryStore
there = ManagedMemoryStore("pickled")  # of the same name, and another one
try:
    pickle.loads(sys.stdin.buffer.read())
except RuntimeError as error:
    print(error)
"""


@pytest.mark.parametrize("alike", [False, True])
def test_pickles_are_refused_in_another_process(alike: bool) -> None:
    if alike:  # containers number their processes alike
        program = f"import os; os.getpid = lambda: {os.getpid()}\n" + PROGRAM
    else:
        program = PROGRAM
    store = ManagedMemoryStore("pickled")
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps(store),
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    assert f"'pickled' was pickled in process {os.getpid()}" in done.stdout.decode()


def test_pickles_are_refused_in_a_forked_process(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ManagedMemoryStore("forked")
    pickled = pickle.dumps(store)
    # What a child sees: all that its parent had, and a number of its own.
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(RuntimeError, match="cannot be used in process -1"):
        pickle.loads(pickled)
    assert pickle.loads(pickle.dumps(store)) == store
