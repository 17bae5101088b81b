"""Conformance tests for stores, and a store that simulates the latency of a network.

Derive a test class from `StoreTests`, and define how to make a store and how to access its data
directly. Pytest then tests the store against the contract of `zarr.abc.store.Store`::

    class TestMyStore(StoreTests[MyStore, cpu.Buffer]):
        store_cls = MyStore
        buffer_cls = cpu.Buffer

        async def set(self, store, key, value): ...
        async def get(self, store, key): ...

        @pytest.fixture
        def store_kwargs(self): return {...}

The tests need pytest and pytest-asyncio, and work in both modes of pytest-asyncio (auto and
strict).
"""

from __future__ import annotations

import asyncio
import pickle
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar, cast

import pytest

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
    SupportsDeleteSync,
    SupportsGetSync,
    SupportsSetSync,
)
from zarr.core._byte_ranges import resolve_byte_range
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.core.common import closing
from zarr.storage import WrapperStore
from zarr.testing._edges import EDGE_RANGES, TEN_BYTES, as_bytes
from zarr.testing._latency import LatencyStore

__all__ = ["LatencyStore", "StoreTests"]

S = TypeVar("S", bound=Store)
B = TypeVar("B", bound=Buffer)


class StoreTests(Generic[S, B]):
    """Conformance tests for stores.

    Attributes
    ----------
    store_cls : type of Store
        Class under test.
    buffer_cls : type of Buffer
        Buffer class of the values written in the tests.
    """

    store_cls: type[S]
    buffer_cls: type[B]

    # --- to be defined by a subclass ----------------------------------------------------

    @abstractmethod
    async def set(self, store: S, key: str, value: Buffer) -> None:
        """Write a value directly to the storage, bypassing the store."""

    @abstractmethod
    async def get(self, store: S, key: str) -> Buffer:
        """Read a value directly from the storage, bypassing the store."""

    @pytest.fixture
    def store_kwargs(self) -> dict[str, Any]:
        """Arguments of the constructor for a new, empty store."""
        raise NotImplementedError

    @pytest.fixture
    def open_kwargs(self, store_kwargs: dict[str, Any]) -> dict[str, Any]:
        """Arguments for the class method ``open``; by default, the arguments of the constructor."""
        return store_kwargs

    @pytest.fixture
    async def store(self, open_kwargs: dict[str, Any]) -> Store:
        """An open, empty store."""
        return await self.store_cls.open(**open_kwargs)

    @pytest.fixture
    async def store_not_open(self, store_kwargs: dict[str, Any]) -> Store:
        """A store that has not been opened."""
        return self.store_cls(**store_kwargs)

    def _buffer(self, value: bytes) -> B:
        return self.buffer_cls.from_bytes(value)

    async def _fill(self, store: S, **values: bytes) -> None:
        for key, value in values.items():
            await self.set(store, key.replace("__", "/"), self._buffer(value))

    # --- properties of the store --------------------------------------------------------

    def test_store_type(self, store: S) -> None:
        assert isinstance(store, Store)
        assert isinstance(store, self.store_cls)

    def test_store_eq(self, store: S, store_kwargs: dict[str, Any]) -> None:
        assert store == self.store_cls(**store_kwargs)
        assert store != object()

    async def test_serializable_store(self, store: S) -> None:
        await self.set(store, "foo", self._buffer(b"x"))
        again = pickle.loads(pickle.dumps(store))
        assert again == store
        assert again.read_only == store.read_only

    @abstractmethod
    def test_store_repr(self, store: S) -> None:
        """Check the output of `repr` and `str`."""

    @abstractmethod
    def test_store_supports_writes(self, store: S) -> None:
        """Check `supports_writes`."""

    @abstractmethod
    def test_store_supports_listing(self, store: S) -> None:
        """Check `supports_listing`."""

    def test_store_supports_partial_writes(self, store: S) -> None:
        assert not store.supports_partial_writes

    def test_store_read_only(self, store: S) -> None:
        assert not store.read_only
        with pytest.raises(AttributeError):
            store.read_only = False  # type: ignore[misc]

    @pytest.mark.parametrize("read_only", [True, False])
    async def test_store_open_read_only(self, open_kwargs: dict[str, Any], read_only: bool) -> None:
        store = await self.store_cls.open(**(open_kwargs | {"read_only": read_only}))
        assert store._is_open
        assert store.read_only == read_only

    async def test_store_context_manager(self, open_kwargs: dict[str, Any]) -> None:
        with await self.store_cls.open(**open_kwargs) as store:
            assert store._is_open
            with pytest.raises(ValueError, match="store is already open"):
                await store._open()
        assert not store._is_open

    async def test_read_only_store_raises(self, open_kwargs: dict[str, Any]) -> None:
        store = await self.store_cls.open(**(open_kwargs | {"read_only": True}))
        await self._refuses_changes(store)

    async def _refuses_changes(self, store: Store) -> None:
        """Check that a read-only store refuses every change."""
        refusal = "store was opened in read-only mode and does not support writing"
        value = self._buffer(b"\x00")
        changes: tuple[Callable[[], Awaitable[None]], ...] = (
            lambda: store.set("foo", value),
            lambda: store.set_if_not_exists("foo", value),
            lambda: store.delete("foo"),
            lambda: store.delete_dir("foo"),
            lambda: store.clear(),
        )
        for change in changes:
            with pytest.raises(ValueError, match=refusal):
                await change()
        if self._is_sync(store, SupportsSetSync):
            with pytest.raises(ValueError, match=refusal):
                cast("SupportsSetSync", store).set_sync("foo", value)
        if self._is_sync(store, SupportsDeleteSync):
            with pytest.raises(ValueError, match=refusal):
                cast("SupportsDeleteSync", store).delete_sync("foo")

    async def test_with_read_only_store(self, open_kwargs: dict[str, Any]) -> None:
        store = await self.store_cls.open(**open_kwargs)
        await self.set(store, "foo", self._buffer(b"\x01"))
        reader = store.with_read_only(read_only=True)
        assert reader.read_only
        await self._refuses_changes(reader)
        found = await reader.get("foo", default_buffer_prototype())
        assert found is not None
        assert found.to_bytes() == b"\x01"
        writer = reader.with_read_only(read_only=False)
        assert not writer.read_only
        await writer.set("foo", self._buffer(b"\x02"))
        await writer.delete("foo")

    # --- reading ------------------------------------------------------------------------

    @pytest.mark.parametrize("key", ["zarr.json", "foo/c/0.0"])
    @pytest.mark.parametrize("data", [TEN_BYTES])
    @pytest.mark.parametrize("byte_range", EDGE_RANGES)
    async def test_get(
        self, store: S, key: str, data: bytes, byte_range: ByteRequest | None
    ) -> None:
        await self.set(store, key, self._buffer(data))
        observed = await store.get(key, default_buffer_prototype(), byte_range)
        assert observed is not None
        start, stop = resolve_byte_range(byte_range, len(data))
        assert observed.to_bytes() == data[start:stop]

    async def test_get_not_open(self, store_not_open: S) -> None:
        """A store opens itself on the first read."""
        assert not store_not_open._is_open
        await self.set(store_not_open, "c/0", self._buffer(b"\x01\x02"))
        observed = await store_not_open.get("c/0", default_buffer_prototype())
        assert observed is not None
        assert observed.to_bytes() == b"\x01\x02"

    async def test_get_missing(self, store: S) -> None:
        """A read of an absent key returns None, even if other keys are present."""
        await self._fill(store, a=b"x", b__c=b"y")
        for key in ("nope", "b/nope", "b/c2"):
            assert await store.get(key, default_buffer_prototype()) is None
            assert await store.get(key, default_buffer_prototype(), RangeByteRequest(0, 1)) is None
            assert await store.get(key, default_buffer_prototype(), RangeByteRequest(0, 0)) is None

    async def test_get_empty_value(self, store: S) -> None:
        """A key with an empty value is present: a read returns an empty buffer, not None."""
        await self._fill(store, a=b"")
        observed = await store.get("a", default_buffer_prototype())
        assert observed is not None
        assert len(observed) == 0

    async def test_get_raises(self, store: S) -> None:
        """A read with an invalid byte range raises an error."""
        await self.set(store, "c/0", self._buffer(TEN_BYTES))
        with pytest.raises((ValueError, TypeError), match="Unexpected byte_range, got"):
            await store.get("c/0", default_buffer_prototype(), byte_range=(0, 2))  # type: ignore[arg-type]

    @pytest.mark.parametrize("key", ["..", "../up", "/absolute", "a/../../up", "a\\b", "a\x00b"])
    async def test_keys_that_lead_outside_are_refused(self, store: S, key: str) -> None:
        """Every method raises an error for keys that could refer to data outside the store."""
        prototype = default_buffer_prototype()
        value = self._buffer(b"x")
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: store.get(key, prototype),
            lambda: store.get(key, prototype, RangeByteRequest(0, 0)),
            lambda: store.get_partial_values(prototype, [(key, None)]),
            lambda: store.exists(key),
            lambda: store.getsize(key),
            lambda: store.set(key, value),
            lambda: store.set_if_not_exists(key, value),
        ]
        if store.supports_deletes:
            calls.append(lambda: store.delete(key))
        for call in calls:
            with pytest.raises(ValueError, match="not allowed"):
                await call()
        assert await store.is_empty("")

    async def test_get_many(self, store: S) -> None:
        """The private method `_get_many` reads several values in one call."""
        wanted = {f"c/{i}": bytes([i]) for i in range(10)}
        for key, value in wanted.items():
            await self.set(store, key, self._buffer(value))
        requests = [(key, default_buffer_prototype(), None) for key in wanted]
        found = {key: value async for key, value in store._get_many(requests)}
        assert {key: as_bytes(value) for key, value in found.items()} == wanted

    @pytest.mark.parametrize(
        "key_ranges",
        [
            [],
            [("zarr.json", RangeByteRequest(0, 2))],
            [("c/0", RangeByteRequest(0, 2)), ("zarr.json", None)],
            [("c/0/0", RangeByteRequest(1, 2)), ("c/0/1", SuffixByteRequest(2))],
            [("c/0/0", OffsetByteRequest(3)), ("c/0/0", OffsetByteRequest(3))],
        ],
    )
    async def test_get_partial_values(
        self, store: S, key_ranges: list[tuple[str, ByteRequest | None]]
    ) -> None:
        for key, _ in key_ranges:
            await self.set(store, key, self._buffer(key.encode() * 3))
        observed = await store.get_partial_values(default_buffer_prototype(), key_ranges)
        expected = []
        for key, byte_range in key_ranges:
            value = key.encode() * 3
            start, stop = resolve_byte_range(byte_range, len(value))
            expected.append(value[start:stop])
        assert [as_bytes(value) for value in observed] == expected

    async def test_get_partial_values_missing(self, store: S) -> None:
        """The result for an absent key is None; the results for other keys are not affected."""
        await self._fill(store, a=b"x")
        wanted = [("nope", None), ("a", None), ("nope", RangeByteRequest(0, 1)), ("a", None)]
        observed = await store.get_partial_values(default_buffer_prototype(), iter(wanted))
        assert [as_bytes(value) for value in observed] == [None, b"x", None, b"x"]

    async def test_get_ranges(self, store: S) -> None:
        """Byte ranges of one value are read correctly, whether reads are merged or not."""
        await self.set(store, "c/0", self._buffer(TEN_BYTES))
        wanted: list[ByteRequest | None] = [
            RangeByteRequest(0, 2),
            RangeByteRequest(5, 6),
            SuffixByteRequest(3),
            None,
        ]
        for gap in (0, 100):
            found: dict[int, bytes | None] = {}
            batches = store.get_ranges(
                "c/0", wanted, prototype=default_buffer_prototype(), max_gap_bytes=gap
            )
            async for batch in batches:
                found |= {index: value.to_bytes() for index, value in batch if value is not None}
            assert [found[index] for index in range(4)] == [b"01", b"5", b"789", TEN_BYTES]

    @pytest.mark.parametrize("max_gap_bytes", [0, 100])
    async def test_get_ranges_like_get(self, store: S, max_gap_bytes: int) -> None:
        """`get_ranges` returns each byte range once, with the same bytes as `get`."""
        await self.set(store, "c/0", self._buffer(TEN_BYTES))
        prototype = default_buffer_prototype()
        wanted = [*EDGE_RANGES, *EDGE_RANGES]
        found: list[tuple[int, bytes | None]] = []
        batches = store.get_ranges(
            "c/0", iter(wanted), prototype=prototype, max_gap_bytes=max_gap_bytes
        )
        async for batch in batches:
            found += [(index, as_bytes(value)) for index, value in batch]
        alone = [await store.get("c/0", prototype, byte_range) for byte_range in wanted]
        assert sorted(found) == [(index, as_bytes(value)) for index, value in enumerate(alone)]

    async def test_get_ranges_missing(self, store: S) -> None:
        prototype = default_buffer_prototype()
        for wanted in (RangeByteRequest(0, 1), RangeByteRequest(0, 0), None):
            with pytest.raises(ExceptionGroup) as raised:
                async for _ in store.get_ranges("nope", [wanted], prototype=prototype):
                    pass
            assert raised.group_contains(FileNotFoundError)
        assert [b async for b in store.get_ranges("nope", [], prototype=prototype)] == []

    async def _read_many(
        self, store: S, requests: Iterable[str | tuple[str, ByteRequest | None]]
    ) -> dict[int, bytes | None]:
        """Return all results of `Store.get_many` by index; check that no index is repeated."""
        found: dict[int, bytes | None] = {}
        batches = store.get_many(requests, prototype=default_buffer_prototype())
        async with closing(batches):
            async for batch in batches:
                for index, value in batch:
                    assert index not in found
                    found[index] = None if value is None else value.to_bytes()
        return found

    async def test_get_many_like_get(self, store: S) -> None:
        """Bulk reads return the values that `get` returns, even if keys are absent or repeated."""
        await self._fill(store, a=TEN_BYTES, b__c=b"", b__d=b"xyz")
        prototype = default_buffer_prototype()
        wanted = [(key, part) for key in ("b/d", "a", "nope", "b/c", "a") for part in EDGE_RANGES]
        alone = [await store.get(key, prototype, part) for key, part in wanted]
        expected = {
            i: value if value is None else value.to_bytes() for i, value in enumerate(alone)
        }
        assert await self._read_many(store, iter(wanted)) == expected
        for index, request in enumerate(wanted):
            assert await self._read_many(store, [request]) == {0: expected[index]}

    async def test_get_many_of_keys(self, store: S) -> None:
        """A request that consists of a key without a byte range reads the whole value."""
        values = {f"c/{i}": bytes([i]) * i for i in range(30)}
        for key, value in values.items():
            await self.set(store, key, self._buffer(value))
        found = await self._read_many(store, (key for key in [*values, "c/none"]))
        assert found == dict(enumerate([*values.values(), None]))
        assert await self._read_many(store, []) == {}

    @pytest.mark.parametrize("bad", [5, ("a",), ("a", (0, 3)), (5, None), None])
    async def test_get_many_refuses(self, store: S, bad: Any) -> None:
        await self._fill(store, a=b"x")
        with pytest.raises((TypeError, ValueError), match=r"Expected a key|Unexpected byte_range"):
            await self._read_many(store, ["a", bad])
        with pytest.raises(ValueError, match="not allowed"):
            await self._read_many(store, ["a", "../up"])

    async def test_get_many_left_early(self, store: S) -> None:
        """If the iterator of `get_many` is closed early, no tasks keep running."""
        for i in range(30):
            await self.set(store, f"c/{i}", self._buffer(b"x"))
        before = asyncio.all_tasks()
        keys = [f"c/{i}" for i in range(30)]
        batches = store.get_many(keys, prototype=default_buffer_prototype())
        async with closing(batches):
            async for _ in batches:
                break
        assert asyncio.all_tasks() == before

    async def test_exists(self, store: S) -> None:
        assert not await store.exists("foo")
        await self.set(store, "foo/zarr.json", self._buffer(b"x"))
        assert await store.exists("foo/zarr.json")
        assert not await store.exists("foo/zarr")

    @pytest.mark.parametrize("key", ["zarr.json", "c/0", "foo/0.0"])
    @pytest.mark.parametrize("data", [b"\x01\x02\x03\x04", b""])
    async def test_getsize(self, store: S, key: str, data: bytes) -> None:
        await self.set(store, key, self._buffer(data))
        assert await store.getsize(key) == len(data)

    async def test_getsize_raises(self, store: S) -> None:
        with pytest.raises(FileNotFoundError):
            await store.getsize("not-a-real-key")

    async def test_getsize_prefix(self, store: S) -> None:
        await self._fill(store, c__0__0=b"x" * 4, c__0__1=b"x" * 5, c2__0=b"x" * 100)
        assert await store.getsize_prefix("c") == 9

    # --- writing ------------------------------------------------------------------------

    @pytest.mark.parametrize("key", ["zarr.json", "c/0", "foo/c/0.0", "foo/0/0"])
    @pytest.mark.parametrize("data", [b"\x01\x02\x03\x04", b""])
    async def test_set(self, store: S, key: str, data: bytes) -> None:
        await self.set(store, key, self._buffer(b"old and longer"))
        await store.set(key, self._buffer(data))
        assert (await self.get(store, key)).to_bytes() == data
        with pytest.raises(TypeError, match="must be a Buffer"):
            await store.set(key, 1)  # type: ignore[arg-type]

    async def test_set_not_open(self, store_not_open: S) -> None:
        """A store opens itself on the first write."""
        assert not store_not_open._is_open
        await store_not_open.set("c/0", self._buffer(b"\x01"))
        assert (await self.get(store_not_open, "c/0")).to_bytes() == b"\x01"

    async def test_set_many(self, store: S) -> None:
        wanted = {f"c/{i}": bytes([i]) for i in range(10)}
        await store._set_many((key, self._buffer(value)) for key, value in wanted.items())
        for key, value in wanted.items():
            assert (await self.get(store, key)).to_bytes() == value

    async def test_set_if_not_exists(self, store: S) -> None:
        await self.set(store, "k", self._buffer(b"old"))
        await store.set_if_not_exists("k", self._buffer(b"new"))
        await store.set_if_not_exists("k2", self._buffer(b"new"))
        assert (await self.get(store, "k")).to_bytes() == b"old"
        assert (await self.get(store, "k2")).to_bytes() == b"new"

    async def test_delete(self, store: S) -> None:
        if not store.supports_deletes:
            pytest.skip("this store does not delete")
        await store.set("foo/zarr.json", self._buffer(b"bar"))
        assert await store.exists("foo/zarr.json")
        await store.delete("foo/zarr.json")
        assert not await store.exists("foo/zarr.json")
        assert await store.get("foo/zarr.json", default_buffer_prototype()) is None

    async def test_delete_nonexistent_key_does_not_raise(self, store: S) -> None:
        if not store.supports_deletes:
            pytest.skip("this store does not delete")
        await store.delete("nonexistent_key")

    async def test_delete_dir(self, store: S) -> None:
        if not store.supports_deletes:
            pytest.skip("this store does not delete")
        await self._fill(store, foo__zarr=b"r", foo__c__0=b"c", foo_bar__zarr=b"r", zarr=b"r")
        await store.delete_dir("foo")
        assert sorted([key async for key in store.list()]) == ["foo_bar/zarr", "zarr"]

    async def test_clear(self, store: S) -> None:
        if not store.supports_deletes:
            pytest.skip("this store does not delete")
        await self._fill(store, key=b"x", a__b=b"y")
        await store.clear()
        assert await store.is_empty("")
        assert await store.get("key", default_buffer_prototype()) is None

    # --- listing ------------------------------------------------------------------------

    async def test_is_empty(self, store: S) -> None:
        assert await store.is_empty("")
        await self._fill(store, key=b"x", foo__bar=b"y")
        assert not await store.is_empty("")
        assert not await store.is_empty("foo")
        assert await store.is_empty("fo")
        assert await store.is_empty("spam")

    async def test_list(self, store: S) -> None:
        assert [key async for key in store.list()] == []
        keys = {f"{prefix}/c/{i}" for prefix in ("foo", "foobar") for i in range(4)} | {"top"}
        for key in keys:
            await self.set(store, key, self._buffer(b"x"))
        found = [key async for key in store.list()]
        assert len(found) == len(keys)
        assert set(found) == keys

    async def test_list_prefix(self, store: S) -> None:
        await self._fill(store, a__b=b"x", a__c__d=b"x", ab=b"x", b=b"x")
        for prefix in ("", "a", "a/", "a/c", "b", "nope"):
            found = sorted([key async for key in store.list_prefix(prefix)])
            keys = ["a/b", "a/c/d", "ab", "b"]
            assert found == [key for key in keys if key.startswith(prefix)]

    async def test_list_empty_path(self, store: S) -> None:
        """An empty prefix lists all keys of the store."""
        keys = {"foo/bar/zarr.json", "foo/bar/c/1", "foo/baz/c/0"}
        for key in keys:
            await self.set(store, key, self._buffer(b"x"))
        assert {key async for key in store.list_prefix("")} == keys

    async def test_list_dir(self, store: S) -> None:
        assert [name async for name in store.list_dir("")] == []
        await self._fill(store, foo__zarr=b"x", foo__c__1=b"x", foobar=b"x", group__foo__c=b"x")
        for prefix, names in (
            ("", {"foo", "foobar", "group"}),
            ("foo", {"zarr", "c"}),
            ("foo/", {"zarr", "c"}),
            ("group/foo", {"c"}),
            ("nope", set()),
        ):
            found = [name async for name in store.list_dir(prefix)]
            assert len(found) == len(names)
            assert set(found) == names

    # --- synchronous methods, if the store supports them --------------------------------

    def _is_sync(self, store: Store, *protocols: type) -> bool:
        while isinstance(store, WrapperStore):
            store = store._store
        return all(isinstance(store, protocol) for protocol in protocols)

    def _needs_sync(self, store: S, *protocols: type) -> None:
        if not self._is_sync(store, *protocols):
            pytest.skip("this store does not work in the calling thread")

    def test_get_sync(self, store: S) -> None:
        self._needs_sync(store, SupportsGetSync)
        asyncio.run(self.set(store, "foo", self._buffer(TEN_BYTES)))
        found = cast("SupportsGetSync", store).get_sync("foo", prototype=default_buffer_prototype())
        assert found is not None
        assert found.to_bytes() == TEN_BYTES

    def test_get_sync_missing(self, store: S) -> None:
        self._needs_sync(store, SupportsGetSync)
        assert cast("SupportsGetSync", store).get_sync("nope") is None

    @pytest.mark.parametrize("byte_range", EDGE_RANGES)
    async def test_get_sync_byte_range_parity(
        self, store: S, byte_range: ByteRequest | None
    ) -> None:
        self._needs_sync(store, SupportsGetSync)
        await self.set(store, "foo", self._buffer(TEN_BYTES))
        prototype = default_buffer_prototype()
        awaited = await store.get("foo", prototype, byte_range)
        direct = cast("SupportsGetSync", store).get_sync(
            "foo", prototype=prototype, byte_range=byte_range
        )
        assert awaited is not None
        assert direct is not None
        assert awaited.to_bytes() == direct.to_bytes()

    def test_set_sync(self, store: S) -> None:
        self._needs_sync(store, SupportsSetSync)
        cast("SupportsSetSync", store).set_sync("foo", self._buffer(b"x"))
        assert asyncio.run(self.get(store, "foo")).to_bytes() == b"x"

    @pytest.mark.parametrize("direction", ["sync to async", "async to sync"])
    async def test_sync_async_set_get_parity(self, store: S, direction: str) -> None:
        self._needs_sync(store, SupportsGetSync, SupportsSetSync)
        direct = cast("Any", store)
        prototype = default_buffer_prototype()
        if direction == "sync to async":
            direct.set_sync("foo", self._buffer(b"x"))
            found = await store.get("foo", prototype)
        else:
            await store.set("foo", self._buffer(b"x"))
            found = direct.get_sync("foo", prototype=prototype)
        assert found is not None
        assert found.to_bytes() == b"x"

    def test_delete_sync(self, store: S) -> None:
        self._needs_sync(store, SupportsDeleteSync, SupportsSetSync)
        direct = cast("Any", store)
        direct.set_sync("foo", self._buffer(b"x"))
        direct.delete_sync("foo")
        assert direct.get_sync("foo") is None

    def test_delete_sync_missing(self, store: S) -> None:
        self._needs_sync(store, SupportsDeleteSync)
        cast("SupportsDeleteSync", store).delete_sync("nope")

    async def test_delete_sync_visible_to_async_get(self, store: S) -> None:
        self._needs_sync(store, SupportsDeleteSync)
        await store.set("foo", self._buffer(b"x"))
        cast("SupportsDeleteSync", store).delete_sync("foo")
        assert await store.get("foo", default_buffer_prototype()) is None
