"""Memory, local and wrapping stores: the conformance kit, and what is theirs alone."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zarr.storage
from zarr.abc.store import ByteRequest, RangeByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype, cpu, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import (
    LocalStore,
    LoggingStore,
    ManagedMemoryStore,
    MemoryStore,
    WrapperStore,
)
from zarr.testing.store import LatencyStore, StoreTests

PROTOTYPE = default_buffer_prototype()


def buffer(value: bytes) -> cpu.Buffer:
    return cpu.Buffer.from_bytes(value)


class Supported:
    """A store that can do everything."""

    def test_store_supports_writes(self, store: Store) -> None:
        assert store.supports_writes

    def test_store_supports_listing(self, store: Store) -> None:
        assert store.supports_listing


class TestMemoryStore(Supported, StoreTests[MemoryStore, cpu.Buffer]):
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

    def test_the_dictionary_is_used_as_it_is(self) -> None:
        values: dict[str, Buffer] = {}
        sync(MemoryStore(values).set("a", buffer(b"x")))
        assert list(values) == ["a"]


class TestManagedMemoryStore(Supported, StoreTests[ManagedMemoryStore, cpu.Buffer]):
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

    def test_lives_as_long_as_its_stores(self) -> None:
        first = ManagedMemoryStore("shared")
        sync(first.set("a/b", buffer(b"x")))
        second = ManagedMemoryStore.from_url("memory://shared/a")
        assert sync(second.exists("b"))
        del first, second
        with pytest.raises(ValueError, match="garbage collected"):
            ManagedMemoryStore.from_url("memory://shared/a")

    def test_clear_keeps_to_its_path(self) -> None:
        top = ManagedMemoryStore("clear")
        sync(top.set("a/b", buffer(b"x")))
        sync(top.set("ab", buffer(b"x")))
        sync(ManagedMemoryStore("clear", path="a").clear())
        assert list(top._store_dict) == ["ab"]


class TestLocalStore(Supported, StoreTests[LocalStore, cpu.Buffer]):
    store_cls = LocalStore
    buffer_cls = cpu.Buffer

    @pytest.fixture
    def store_kwargs(self, tmp_path: Path) -> dict[str, Any]:
        return {"root": tmp_path}

    async def set(self, store: LocalStore, key: str, value: Buffer) -> None:
        path = store.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value.to_bytes())

    async def get(self, store: LocalStore, key: str) -> Buffer:
        return buffer((store.root / key).read_bytes())

    def test_store_repr(self, store: LocalStore) -> None:
        assert str(store) == f"file://{store.root.as_posix()}"
        assert repr(store) == f"LocalStore('{store}')"

    async def test_a_directory_or_a_file_in_between_is_a_fault(self, store: LocalStore) -> None:
        await store.set("a/b", buffer(b"x"))
        with pytest.raises(IsADirectoryError):
            await store.get("a", PROTOTYPE)
        with pytest.raises(IsADirectoryError):
            await store.get("a", PROTOTYPE, RangeByteRequest(0, 0))
        with pytest.raises(NotADirectoryError):
            await store.get("a/b/c", PROTOTYPE)

    async def test_permission_is_a_fault(self, store: LocalStore, monkeypatch: Any) -> None:
        def refuse(*args: object) -> int:
            raise PermissionError(13, "Permission denied")

        await store.set("a", buffer(b"x"))
        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(PermissionError):
            await store.get("a", PROTOTYPE)

    async def test_failed_write_leaves_the_old_value_and_no_file(
        self, store: LocalStore, monkeypatch: Any
    ) -> None:
        await store.set("a/b", buffer(b"old"))

        def full(*args: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            await store.set("a/b", buffer(b"new"))
        monkeypatch.undo()
        assert (await self.get(store, "a/b")).to_bytes() == b"old"
        assert os.listdir(store.root / "a") == ["b"]

    async def test_files_being_written_are_no_keys(self, store: LocalStore) -> None:
        await store.set("a", buffer(b"x"))
        (store.root / ".__zarr_partial-1-2-3").write_bytes(b"half")
        assert [key async for key in store.list()] == ["a"]
        assert [key async for key in store.list_prefix("")] == ["a"]
        assert [name async for name in store.list_dir("")] == ["a"]

    async def test_one_of_many_first_writers_wins(self, store: LocalStore) -> None:
        values = [bytes([i]) * 1000 for i in range(20)]
        await asyncio.gather(*(store.set_if_not_exists("a", buffer(v)) for v in values))
        assert (await self.get(store, "a")).to_bytes() in values
        assert os.listdir(store.root) == ["a"]

    def test_killed_writer_leaves_whole_values(self, tmp_path: Path) -> None:
        program = (
            "import sys, itertools\n"
            "from zarr.storage import LocalStore\n"
            "from zarr.core.buffer import cpu\n"
            "store = LocalStore(sys.argv[1])\n"
            "for i in itertools.count():\n"
            "    store.set_sync('a', cpu.Buffer.from_bytes(bytes([i % 256]) * 300_000))\n"
            "    print(i, flush=True)\n"
        )
        for _ in range(3):
            writer = subprocess.Popen(
                [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE
            )
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.05)
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            writer.stdout.close()
            value = (tmp_path / "a").read_bytes()
            assert len(value) == 300_000
            assert len(set(value)) == 1

    async def test_open_modes(self, tmp_path: Path) -> None:
        absent, present = tmp_path / "no", tmp_path / "yes"
        present.mkdir()
        for mode in ("r", "r+"):
            with pytest.raises(FileNotFoundError, match="does not exist"):
                await LocalStore.open(absent, mode=mode)
        with pytest.raises(FileExistsError):
            await LocalStore.open(present, mode="w-")
        assert (await LocalStore.open(present, mode="r")).read_only
        (present / "a").write_bytes(b"x")
        await LocalStore.open(present, mode="w")
        assert list(present.iterdir()) == []
        with pytest.raises(ValueError, match="Invalid mode"):
            await LocalStore.open(present, mode="x")  # type: ignore[arg-type]

    async def test_move(self, store: LocalStore, tmp_path_factory: Any) -> None:
        await store.set("a/b", buffer(b"x"))
        folder = tmp_path_factory.mktemp("to")
        with pytest.raises(FileExistsError):
            await store.move(folder)
        await store.move(folder / "deep" / "er")
        assert store.root == folder / "deep" / "er"
        assert await store.exists("a/b")

    def test_a_root_that_is_a_file_holds_no_keys(self, tmp_path: Path) -> None:
        (tmp_path / "plain").write_text("x")
        assert sync(LocalStore(tmp_path / "plain").get("zarr.json", PROTOTYPE)) is None

    @pytest.mark.parametrize("root", [5, None, b"x"])
    def test_bad_root(self, root: Any) -> None:
        with pytest.raises(TypeError, match="must be a string or Path"):
            LocalStore(root)


class WrapperTests(Supported, StoreTests[Any, cpu.Buffer]):
    buffer_cls = cpu.Buffer

    @pytest.fixture
    def store_kwargs(self) -> dict[str, Any]:
        return {"store": MemoryStore({})}

    @pytest.fixture
    def open_kwargs(self) -> dict[str, Any]:
        return {"store_cls": MemoryStore, "store_dict": {}}

    def test_store_eq(self, store: Any, store_kwargs: dict[str, Any]) -> None:
        assert store == type(store)(MemoryStore(store._store._store_dict))
        assert store != store._store

    async def set(self, store: Any, key: str, value: Buffer) -> None:
        store._store._store_dict[key] = value

    async def get(self, store: Any, key: str) -> Buffer:
        found: Buffer = store._store._store_dict[key]
        return found


class TestWrapperStore(WrapperTests):
    store_cls = WrapperStore

    def test_store_repr(self, store: Any) -> None:
        assert str(store) == f"wrapping-{store._store}"
        assert repr(store) == f"WrapperStore(MemoryStore, '{store._store}')"


class TestLoggingStore(WrapperTests):
    store_cls = LoggingStore

    @pytest.fixture(autouse=True)
    def _quiet(self) -> Any:
        logging.disable(logging.INFO)
        yield
        logging.disable(logging.NOTSET)

    def test_store_repr(self, store: Any) -> None:
        assert str(store) == f"logging-{store._store}"
        assert repr(store) == f"LoggingStore(MemoryStore, '{store._store}')"


class TestLatencyStore(WrapperTests):
    store_cls = LatencyStore

    def test_store_repr(self, store: Any) -> None:
        assert repr(store) == f"LatencyStore(MemoryStore, '{store._store}')"

    def test_it_waits(self) -> None:
        store = LatencyStore(MemoryStore(), get_latency=0.03, set_latency=0.02)
        began = time.perf_counter()
        sync(store.set("a", buffer(b"0123")))
        assert time.perf_counter() - began >= 0.02
        for read in (
            lambda: store.get("a", PROTOTYPE),
            lambda: store.get_partial_values(PROTOTYPE, [("a", None)]),
        ):
            began = time.perf_counter()
            sync(read())
            assert time.perf_counter() - began >= 0.03
        assert store.with_read_only(True).get_latency == 0.03


def test_log_lines_and_counts() -> None:
    log = io.StringIO()
    store = LoggingStore(MemoryStore(), log_level="INFO", log_handler=logging.StreamHandler(log))
    sync(store.set("a", buffer(b"0123")))

    async def parts() -> list[Any]:
        wanted = [RangeByteRequest(0, 1)]
        return [b async for b in store.get_ranges("a", wanted, prototype=PROTOTYPE)]

    assert len(sync(parts())) == 1
    lines = log.getvalue().splitlines()
    assert lines[0] == " Calling MemoryStore.set(a)"
    assert lines[1].startswith("Finished MemoryStore.set(a) [")
    assert " Calling MemoryStore.get_ranges(a, 1 ranges)" in lines
    assert store.counter["set"] == 1
    assert store.counter["get_ranges"] == 1
    with pytest.raises(ValueError, match="Unknown level"):
        LoggingStore(MemoryStore(), log_level="NOPE")


def test_wrapper_overrides_every_method_of_a_store() -> None:
    """A method that is not forwarded would act on the wrapper, which holds nothing."""
    own = {"get_ranges_sync", "_get_many"}  # made of others that are forwarded
    methods = {
        name
        for name, value in vars(Store).items()
        if (callable(value) or isinstance(value, (property, classmethod)))
        and name not in {"__init__", "__init_subclass__", "__hash__"}
    }
    assert methods - own <= set(vars(WrapperStore)), methods - own - set(vars(WrapperStore))


async def test_overriding_get_alone_sees_every_read() -> None:
    seen: list[tuple[str, ByteRequest | None]] = []

    class Retrying(WrapperStore[Store]):
        async def get(
            self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
        ) -> Buffer | None:
            seen.append((key, byte_range))
            return await super().get(key, prototype, byte_range)

    store = Retrying(MemoryStore({"a": buffer(b"0123")}))
    await store.get_partial_values(PROTOTYPE, [("a", None)])
    async for _ in store.get_ranges("a", [RangeByteRequest(0, 1)], prototype=PROTOTYPE):
        pass
    assert seen == [("a", None), ("a", RangeByteRequest(0, 1))]


def test_storage_exports() -> None:
    assert {"FsspecStore", "LocalStore", "MemoryStore", "StorePath", "ZipStore"} <= set(
        zarr.storage.__all__
    )


def test_values_are_not_copied_in_memory() -> None:
    data = np.arange(4, dtype="u1")
    store = MemoryStore()
    sync(store.set("a", cpu.Buffer.from_array_like(data)))
    found = sync(store.get("a", PROTOTYPE, RangeByteRequest(1, 3)))
    assert found is not None
    assert np.shares_memory(found.as_numpy_array(), data)
