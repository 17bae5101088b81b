"""What fails in a store of somebody else names key and store, whatever is done with chunks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import zarr
from zarr.core.sync import sync
from zarr.storage import MemoryStore, WrapperStore


class Reset(Exception):
    """The connection was reset."""


class Failing(WrapperStore[Any]):
    """A store of coroutines that says of failures nothing but what they are."""

    failing = ""

    def _fail(self, verb: str, key: str) -> None:
        if verb == self.failing and "c/" in key:
            raise Reset("connection reset")

    async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        self._fail("get", key)
        return await super().get(key, *args, **kwargs)

    async def set(self, key: str, value: Any) -> None:
        self._fail("set", key)
        await super().set(key, value)

    async def delete(self, key: str) -> None:
        self._fail("delete", key)
        await super().delete(key)


class FailingInThread(MemoryStore):
    """One that reads and writes in the calling thread."""

    failing = ""
    _fail = Failing._fail

    def get_sync(self, key: str, *args: Any, **kwargs: Any) -> Any:
        self._fail("get", key)  # type: ignore[misc]
        return super().get_sync(key, *args, **kwargs)

    def set_sync(self, key: str, value: Any) -> None:
        self._fail("set", key)  # type: ignore[misc]
        super().set_sync(key, value)

    def delete_sync(self, key: str) -> None:
        self._fail("delete", key)  # type: ignore[misc]
        super().delete_sync(key)


WAYS = {
    "read all": ("get", lambda array: array[:]),
    "read a part": ("get", lambda array: array[1:3]),
    "read before a part is written": ("get", lambda array: array.set_basic_selection(1, 9)),
    "write all": ("set", lambda array: array.set_basic_selection(..., 9)),
    "write a part": ("set", lambda array: array.set_basic_selection(1, 9)),
    "delete": ("delete", lambda array: array.set_basic_selection(..., 0)),
    "await a read": ("get", lambda array: sync(array.async_array.getitem(...))),
    "await a write": ("set", lambda array: sync(array.async_array.setitem(..., 9))),
    "await a deletion": ("delete", lambda array: sync(array.async_array.setitem(..., 0))),
}


@pytest.mark.parametrize("make", [lambda: Failing(MemoryStore()), FailingInThread])
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("shards", [None, (4,)])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_failure_names_key_and_store(make: Any, zarr_format: Any, shards: Any, way: Any) -> None:
    if shards and zarr_format == 2:
        pytest.skip("no shards")
    store = make()
    array = zarr.create_array(
        store,
        data=np.arange(1, 5),
        chunks=(2,),
        shards=shards,
        zarr_format=zarr_format,
        chunk_key_encoding={"name": "v2" if zarr_format == 2 else "default", "separator": "/"},
        name="a/c" if zarr_format == 2 else "a",
    )
    store.failing, act = way
    with pytest.raises(Reset) as raised:
        act(array)
    named = [note for note in raised.value.__notes__ if repr(store) in note]
    assert len(named) == 1
    keys = [array.metadata.encode_chunk_key((i,)) for i in range(2)]
    assert any(repr(f"{array.path}/{key}") in named[0] for key in keys)
