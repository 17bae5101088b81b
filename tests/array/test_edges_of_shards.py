"""Shards that stick out of their array: what is stored is what lies within."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import zarr
from zarr.abc.codec import BytesBytesCodec
from zarr.codecs.numcodecs import BitRound
from zarr.core.array import Array
from zarr.core.sync import sync
from zarr.storage import MemoryStore
from zarr.testing.store import LatencyStore

INDEX = 16  # bytes of the index for each chunk of a shard, and 4 of its checksum
ABSENT = 2**64 - 1


class NoFaster(BytesBytesCodec):
    """Does nothing, by coroutines, so that shards are not written in the calling thread."""

    is_fixed_size = True

    async def _encode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        return chunk_bytes

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        return chunk_bytes

    def compute_encoded_size(self, nbytes: int, spec: Any) -> int:
        return nbytes


def offsets(shard: Any) -> list[int | None]:
    found = np.frombuffer(shard.to_bytes()[:-4][-3 * INDEX :], dtype="<u8")[::2]
    return [None if offset == ABSENT else int(offset) for offset in found]


def made(store: dict[str, Any], *, keep_empty: bool) -> Array[Any]:
    return zarr.create_array(
        store,
        shape=(6,),
        chunks=(3,),
        shards=(9,),
        dtype="i1",
        compressors=None,
        config={"write_empty_chunks": keep_empty},
    )


def write(array: Array[Any], how: str, value: Any) -> None:
    if how == "in place":
        array[:] = value
    else:
        sync(array.async_array.setitem(slice(None), value))


@pytest.mark.parametrize("how", ["in place", "by the loop"])
@pytest.mark.parametrize("value", [1, np.arange(1, 7), 0])
def test_padding_is_not_stored(how: str, value: Any) -> None:
    store: dict[str, Any] = {}
    array = made(store, keep_empty=True)
    write(array, how, value)
    assert offsets(store["c/0"]) == [0, 3, None]
    assert np.asarray(array[:]).tolist() == np.broadcast_to(value, 6).tolist()


@pytest.mark.parametrize("how", ["in place", "by the loop"])
def test_a_shard_of_fill_value_alone_is_deleted(how: str) -> None:
    store: dict[str, Any] = {}
    array = made(store, keep_empty=False)
    write(array, how, 1)
    assert "c/0" in store
    write(array, how, 0)
    assert "c/0" not in store
    write(array, how, 0)
    assert np.asarray(array[:]).tolist() == [0] * 6


def test_what_is_replaced_is_not_read() -> None:
    store: dict[str, Any] = {}
    array = made(store, keep_empty=False)
    store["c/0"] = type(store["zarr.json"]).from_bytes(b"not a shard")
    array[:] = 2
    assert np.asarray(array[:]).tolist() == [2] * 6


@pytest.mark.parametrize("shards", [None, (2,)])
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("dtype", ["variable_length_bytes", "string"])
def test_one_element_of_variable_length(shards: Any, dtype: Any) -> None:
    elements: list[Any] = [b"a\0", b"", b"hello", b"\0\xff"]
    if dtype == "string":
        elements = ["a\0", "", "hello", "\0\xff"]
    array: Any = zarr.create_array({}, shape=(4,), chunks=(1,), shards=shards, dtype=dtype)
    array[:] = np.array(elements, dtype=object)
    assert [np.asarray(array[index])[()] for index in range(4)] == elements
    assert [np.asarray(array.oindex[index])[()] for index in range(4)] == elements
    assert [np.asarray(element)[()] for element in array] == elements
    array[1] = array[2]
    assert np.asarray(array[:]).tolist() == [elements[0], elements[2], *elements[2:]]


def what_sticks_out(array: Any) -> None:
    array[4:] = 1


def whole_shard(array: Any) -> None:
    array[:4] = 1


def part_of_a_shard(array: Any) -> None:
    array[1] = 1


@pytest.mark.parametrize("write", [what_sticks_out, whole_shard, part_of_a_shard])
@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_failed_write_names_the_shard(write: Any, how: str) -> None:
    # BitRound takes no big-endian numbers.
    store = MemoryStore() if how == "sync" else LatencyStore(MemoryStore(), set_latency=0)
    array = zarr.create_array(
        store,
        name="x",
        shape=(6,),
        chunks=(1,),
        shards=(4,),
        dtype=">f4",
        filters=[BitRound(keepbits=4)],
    )
    with pytest.raises(KeyError) as caught:
        write(array)
    assert "x/c/" in "\n".join(caught.value.__notes__)
