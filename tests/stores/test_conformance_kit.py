"""The kit itself: a store that breaks the contract does not pass."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from tests.stores.store_kit import Capable, buffer

from zarr.abc.store import RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import Buffer, cpu
from zarr.storage import MemoryStore
from zarr.testing.store import StoreTests


class Kit(Capable, StoreTests[Any, cpu.Buffer]):
    __test__ = False
    buffer_cls = cpu.Buffer

    async def set(self, store: Any, key: str, value: Buffer) -> None:
        store._store_dict[key] = value

    async def get(self, store: Any, key: str) -> Buffer:
        found: Buffer = store._store_dict[key]
        return found

    def test_store_repr(self, store: Any) -> None:
        assert repr(store)


class AbsentIsEmpty(MemoryStore):
    async def get(self, *args: Any, **kwargs: Any) -> Buffer | None:
        found = await super().get(*args, **kwargs)
        return buffer(b"") if found is None else found


class EmptyIsAbsent(MemoryStore):
    async def get(self, *args: Any, **kwargs: Any) -> Buffer | None:
        return await super().get(*args, **kwargs) or None


class AbsentIsKeyError(MemoryStore):
    async def get(self, *args: Any, **kwargs: Any) -> Buffer | None:
        found = await super().get(*args, **kwargs)
        if found is None:
            raise KeyError(args[0])
        return found


class IgnoresRanges(MemoryStore):
    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Buffer | None:
        return await super().get(key, prototype)


class PythonSlices(MemoryStore):
    """The last no bytes are ``value[-0:]``."""

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Buffer | None:
        if isinstance(byte_range, SuffixByteRequest):
            value = await super().get(key, prototype)
            return None if value is None else value[-byte_range.suffix :]
        return await super().get(key, prototype, byte_range)


class PadsRanges(MemoryStore):
    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Buffer | None:
        value = await super().get(key, prototype, byte_range)
        if value is not None and isinstance(byte_range, RangeByteRequest):
            return buffer(value.to_bytes().ljust(byte_range.end - byte_range.start, b"\0"))
        return value


class RangesOutOfPlace(MemoryStore):
    async def get_ranges(self, *args: Any, **kwargs: Any) -> Any:
        async for batch in super().get_ranges(*args, **kwargs):
            yield [(0, value) for _, value in batch]


class DropsPartialValues(MemoryStore):
    async def get_partial_values(self, *args: Any, **kwargs: Any) -> Any:
        return [v for v in await super().get_partial_values(*args, **kwargs) if v is not None]


class ClearsAnyway(MemoryStore):
    async def clear(self) -> None:
        self._store_dict.clear()


class SetsAnyway(MemoryStore):
    def set_sync(self, key: str, value: Buffer) -> None:
        self._store_dict[key] = value


class Overwrites(MemoryStore):
    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        await self.set(key, value)


class TakesAnyKey(MemoryStore):
    async def exists(self, key: str) -> bool:
        return key in self._store_dict


class MissingHasSize(MemoryStore):
    async def getsize(self, key: str) -> int:
        return len(self._store_dict.get(key, b""))


class DeletesBeside(MemoryStore):
    """``a`` covers ``ab`` too."""

    async def delete_dir(self, prefix: str) -> None:
        self._check_writable()
        for key in [key for key in self._store_dict if key.startswith(prefix)]:
            del self._store_dict[key]


class ListsTwice(MemoryStore):
    async def list(self) -> Any:
        for key in self._keys() * 2:
            yield key


class ListsWholeKeys(MemoryStore):
    async def list_dir(self, prefix: str) -> Any:
        for key in self._keys():
            if key.startswith(prefix):
                yield key


class ListsRelativeKeys(MemoryStore):
    async def list_prefix(self, prefix: str) -> Any:
        for key in self._keys():
            if key.startswith(prefix):
                yield key.removeprefix(prefix)


class DeletesLoudly(MemoryStore):
    async def delete(self, key: str) -> None:
        del self._store_dict[key]


class PicklesNothing(MemoryStore):
    def __reduce__(self) -> Any:
        return type(self), ()


CASES: list[tuple[type[MemoryStore], str]] = [
    (AbsentIsEmpty, "test_get_missing"),
    (AbsentIsEmpty, "test_get_partial_values_missing"),
    (AbsentIsKeyError, "test_get_missing"),
    (EmptyIsAbsent, "test_get_empty_value"),
    (IgnoresRanges, "test_get"),
    (PythonSlices, "test_get"),
    (PadsRanges, "test_get"),
    (PadsRanges, "test_get_sync_byte_range_parity"),
    (RangesOutOfPlace, "test_get_ranges_like_get"),
    (DropsPartialValues, "test_get_partial_values_missing"),
    (ClearsAnyway, "test_read_only_store_raises"),
    (SetsAnyway, "test_read_only_store_raises"),
    (SetsAnyway, "test_keys_that_lead_outside_are_refused"),
    (Overwrites, "test_set_if_not_exists"),
    (TakesAnyKey, "test_keys_that_lead_outside_are_refused"),
    (MissingHasSize, "test_getsize_raises"),
    (DeletesBeside, "test_delete_dir"),
    (ListsTwice, "test_list"),
    (ListsWholeKeys, "test_list_dir"),
    (ListsRelativeKeys, "test_list_prefix"),
    (DeletesLoudly, "test_delete_nonexistent_key_does_not_raise"),
    (PicklesNothing, "test_serializable_store"),
]


async def outcomes(store_cls: type[MemoryStore], name: str) -> list[BaseException | None]:
    """Run one test of the kit, with each of its parameters, on a new store."""
    test = getattr(StoreTests, name)
    variants: list[dict[str, Any]] = [{}]
    for mark in getattr(test, "pytestmark", []):
        [argument, values] = mark.args
        variants = [variant | {argument: value} for variant in variants for value in values]
    found: list[BaseException | None] = []
    for variant in variants:
        kit = Kit()
        kit.store_cls = store_cls
        needed = inspect.signature(test).parameters
        kwargs: dict[str, Any] = {"store_dict": {}}
        given = {"store": store_cls({}), "open_kwargs": kwargs, "store_kwargs": kwargs} | variant
        try:
            answer = getattr(kit, name)(**{key: given[key] for key in needed if key != "self"})
            if inspect.isawaitable(answer):
                await answer
        except (Exception, pytest.fail.Exception) as error:
            found.append(error)
        else:
            found.append(None)
    return found


@pytest.mark.parametrize(("store_cls", "name"), CASES)
async def test_a_broken_store_does_not_pass(store_cls: type[MemoryStore], name: str) -> None:
    assert any(error is not None for error in await outcomes(store_cls, name))


@pytest.mark.parametrize("name", sorted({name for _, name in CASES}))
async def test_a_store_that_keeps_the_contract_passes(name: str) -> None:
    assert all(error is None for error in await outcomes(MemoryStore, name))
