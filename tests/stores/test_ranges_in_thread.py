"""`get_ranges_sync`, of every store that reads in the calling thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.stores.store_kit import PROTOTYPE, buffer

from zarr.abc.store import RangeByteRequest, Store
from zarr.core.sync import sync
from zarr.storage import (
    LocalStore,
    LoggingStore,
    ManagedMemoryStore,
    MemoryStore,
    WrapperStore,
    ZipStore,
)
from zarr.testing.recording import RecordingStore

FIRST, LAST = RangeByteRequest(0, 2), RangeByteRequest(90, 100)
STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "managed": lambda _: ManagedMemoryStore(),
    "local": lambda place: LocalStore(place / "store"),
    "zip": lambda place: ZipStore(place / "a.zip", mode="w"),
    "wrapper": lambda _: WrapperStore(MemoryStore()),
    "logging": lambda place: LoggingStore(LocalStore(place / "store")),
    "recording": lambda _: RecordingStore(MemoryStore()),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return STORES[request.param](tmp_path)


def test_an_absent_key_is_a_group(store: Any) -> None:
    for ranges in ([FIRST], [FIRST, LAST], [None]):
        with pytest.raises(ExceptionGroup) as raised:
            store.get_ranges_sync("nope", ranges, prototype=PROTOTYPE, max_gap_bytes=0)
        assert {type(error) for error in raised.value.exceptions} == {FileNotFoundError}
        assert "nope" in str(raised.value.exceptions[0])
    assert list(store.get_ranges_sync("nope", [], prototype=PROTOTYPE)) == []


def test_what_is_there_is_read(store: Any) -> None:
    sync(store.set("a", buffer(bytes(range(100)))))
    found = dict(store.get_ranges_sync("a", [LAST, FIRST], prototype=PROTOTYPE, max_gap_bytes=0))
    assert found[0].to_bytes() == bytes(range(90, 100))
    assert found[1].to_bytes() == bytes(range(2))


def test_other_failures_come_as_they_are() -> None:
    class Broken(MemoryStore):
        def get_sync(self, key: str, **_: Any) -> Any:
            raise ConnectionResetError(key)

    for store in (Broken(), WrapperStore(Broken())):
        with pytest.raises(ConnectionResetError):
            store.get_ranges_sync("a", [FIRST], prototype=PROTOTYPE)
