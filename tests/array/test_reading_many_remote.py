"""Reading several arrays at once from a server: the same elements and requests, and named faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.servers.range_server import Fault, RangeServer
from tests.stores.bulk_kit import gets, is_metadata, reference_store, values_of
from tests.waiting import PATIENCE, until

import zarr
import zarr.api.asynchronous as za
from zarr.core.sync import get_loop, sync
from zarr.storage import FsspecStore, MemoryStore

pytest.importorskip("aiohttp")

LAYOUTS: dict[str, dict[str, Any]] = {
    "v3": {"chunks": (2, 4)},
    "v2": {"chunks": (2, 4), "zarr_format": 2},
    "sharded": {"chunks": (1, 2), "shards": (2, 4)},
    "one chunk": {"chunks": (5, 6)},
}
DATA = np.arange(30, dtype="int32").reshape(5, 6)
SELECTIONS = [..., 1, (slice(1, 3), slice(None)), ([0, 4], [1, 1])]


async def bounded(arrays: Any) -> list[Any]:
    async with asyncio.timeout(PATIENCE):
        return await za.read_many(arrays)


def on_the_loop(arrays: Any) -> list[Any]:
    return sync(bounded(arrays))


BOTH = pytest.mark.parametrize("read_many", [zarr.read_many, on_the_loop], ids=["sync", "async"])


def served(server: RangeServer, count: int, parameters: dict[str, Any]) -> list[Any]:
    """Put arrays on a server, and return them as they are read from there."""
    memory = MemoryStore()
    zarr_format = parameters.get("zarr_format", 3)
    for number in range(count):
        array = zarr.create_array(
            memory, name=f"a{number}", shape=DATA.shape, dtype=DATA.dtype, **parameters
        )
        array[...] = DATA + 100 * number
    objects: Any = server.objects
    objects.update(values_of(memory))
    store = FsspecStore.from_url(server.url, read_only=True)
    names = [f"a{number}" for number in range(count)]
    return [zarr.open_array(store, path=name, zarr_format=zarr_format) for name in names]


@BOTH
@pytest.mark.parametrize("layout", LAYOUTS)
def test_elements_and_requests_are_those_of_a_loop(
    range_server: RangeServer, layout: str, read_many: Callable[[Any], list[Any]]
) -> None:
    arrays = served(range_server, 8, LAYOUTS[layout])
    pairs = [(array, SELECTIONS[n % len(SELECTIONS)]) for n, array in enumerate(arrays)]
    range_server.clear()
    expected = [array[selection] for array, selection in pairs]
    asked = gets(range_server)
    range_server.clear()
    results = read_many(pairs)
    # Never more; a store may merge what arrays ask for at the same time.
    assert {path for path, _ in gets(range_server)} == {path for path, _ in asked}
    assert len(gets(range_server)) <= len(asked)
    for result, wanted in zip(results, expected, strict=True):
        assert type(result) is type(wanted)
        np.testing.assert_array_equal(result, wanted, strict=True)


@BOTH
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_fault_names_array_and_chunk(
    range_server: RangeServer, layout: str, read_many: Callable[[Any], list[Any]]
) -> None:
    arrays = served(range_server, 6, LAYOUTS[layout])
    key = "a3/0.0" if layout == "v2" else "a3/c/0/0"
    range_server.inject(key, Fault(status=403))
    with pytest.raises(Exception, match="403") as caught:
        read_many(arrays)
    notes = "\n".join(caught.value.__notes__)
    assert key in notes
    assert f"while reading the array {arrays[3].store_path}" in notes
    until(lambda: not asyncio.all_tasks(get_loop()))  # the last step of a task may be going on


@BOTH
def test_small_arrays_of_one_file(
    range_server: RangeServer, read_many: Callable[[Any], list[Any]]
) -> None:
    memory = MemoryStore()
    for number in range(50):
        zarr.create_array(memory, name=f"v{number}", data=np.full(10, number), chunks=(10,))
    references: dict[str, Any] = {}
    file = b""
    for key, value in sorted(values_of(memory).items()):
        if is_metadata(key):
            references[key] = value.decode()
        else:
            references[key] = [f"{range_server.url}/file", len(file), len(value)]
            file += value
    objects: Any = range_server.objects
    objects["file"] = file
    store = reference_store(references)
    arrays = [zarr.open_array(store, path=f"v{number}") for number in range(50)]
    range_server.clear()
    results = read_many(arrays)
    assert [result.tolist() for result in results] == [[number] * 10 for number in range(50)]
    assert len(range_server.requests) <= 50
