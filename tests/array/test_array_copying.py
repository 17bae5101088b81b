"""Arrays made from data: what is kept, and how the elements get over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest

import zarr
from zarr.codecs.bytes import BytesCodec
from zarr.codecs.crc32c_ import Crc32cCodec
from zarr.codecs.gzip import GzipCodec
from zarr.codecs.sharding import ShardingCodec
from zarr.codecs.transpose import TransposeCodec
from zarr.codecs.zstd import ZstdCodec
from zarr.core.array import Array, AsyncArray, create_array, from_array
from zarr.core.chunk_key_encodings import DefaultChunkKeyEncoding
from zarr.core.config import config
from zarr.core.metadata import ArrayV3Metadata
from zarr.core.sync import sync
from zarr.errors import ZarrUserWarning
from zarr.storage import LoggingStore, MemoryStore

NewArray = Callable[..., Any]


def test_data(new_array: NewArray) -> None:
    data = np.arange(6).reshape(2, 3)
    array = new_array(data=data, chunks=(1, 3))
    np.testing.assert_array_equal(array[...], data)
    assert array.chunks == (1, 3)
    empty = new_array(data=data, write_data=False)
    np.testing.assert_array_equal(empty[...], np.zeros((2, 3)))


class Lazy:
    """An array-like that records what it is asked for."""

    def __init__(self, data: np.ndarray[Any, Any]) -> None:
        self.data, self.shape, self.dtype = data, data.shape, data.dtype
        self.asked: list[Any] = []

    def __getitem__(self, key: Any) -> Any:
        self.asked.append(key)
        return self.data[key]

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise AssertionError("read whole")


def test_lazy_data_are_read_by_the_chunk(new_array: NewArray) -> None:
    lazy = Lazy(np.arange(5))
    array = new_array(data=lazy, chunks=(2,))
    assert sorted(lazy.asked, key=repr) == [(slice(i, min(i + 2, 5), 1),) for i in (0, 2, 4)]
    np.testing.assert_array_equal(array[:], np.arange(5))


def test_lazy_data_may_use_the_synchronous_api(new_array: NewArray) -> None:
    source = new_array(data=np.arange(5))

    class Wrapped:
        shape, dtype = source.shape, source.dtype

        def __getitem__(self, key: Any) -> Any:
            return source[key]

    np.testing.assert_array_equal(new_array(data=Wrapped(), chunks=(2,))[:], np.arange(5))


def _from(data: Any, **parameters: Any) -> Array[Any]:
    return Array(sync(from_array({}, data=data, **parameters)))


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"shards": {"shape": (4,), "index_location": "start"}},
        {"compressors": None, "serializer": BytesCodec(endian="big")},
        {"filters": [TransposeCodec(order=(0,))], "compressors": [GzipCodec(), Crc32cCodec()]},
        {"chunk_key_encoding": {"name": "v2", "separator": "/"}},
    ],
    ids=repr,
)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_keeping_all_of_a_format_3_array(
    new_array: NewArray, layout: dict[str, Any], asynchronous: bool
) -> None:
    source = new_array(
        shape=(8,),
        chunks=(2,),
        dtype="i4",
        attributes={"k": 1},
        fill_value=5,
        dimension_names=["t"],
        **layout,
    )
    source[:6] = np.arange(6)
    copy = _from(source.async_array if asynchronous else source)
    assert copy.metadata == source.metadata
    np.testing.assert_array_equal(copy[:], source[:])


def test_keeping_all_of_a_format_2_array(new_array: NewArray) -> None:
    source = new_array(
        shape=(4, 3),
        chunks=(2, 2),
        dtype=">i4",
        zarr_format=2,
        order="F",
        filters=[numcodecs.Delta(dtype=">i4")],
        compressors=numcodecs.GZip(1),
        attributes={"a": 1},
        fill_value=None,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    source[...] = np.arange(12).reshape(4, 3)
    copy = _from(source)
    assert copy.metadata == source.metadata
    np.testing.assert_array_equal(copy[...], source[...])


def test_from_format_2_to_format_3(new_array: NewArray) -> None:
    source = new_array(
        shape=(4, 4),
        chunks=(2, 3),
        dtype=">i4",
        zarr_format=2,
        order="F",
        compressors=None,
        attributes={"a": 1},
        fill_value=None,
    )
    source[...] = np.arange(16).reshape(4, 4)
    with pytest.warns(ZarrUserWarning, match="existing order='F'"):
        copy = _from(source, zarr_format=3)
    assert (copy.chunks, copy.attrs.asdict(), copy.fill_value) == ((2, 3), {"a": 1}, 0)
    assert copy.compressors == (ZstdCodec(),)
    assert copy.metadata.chunk_key_encoding == DefaultChunkKeyEncoding()
    np.testing.assert_array_equal(copy[...], source[...])


def test_from_format_3_to_format_2(new_array: NewArray) -> None:
    source = new_array(data=np.arange(8), chunks=(2,), compressors=GzipCodec(), fill_value=3)
    copy = _from(source, zarr_format=2)
    assert (copy.metadata.zarr_format, copy.chunks, copy.fill_value) == (2, (2,), 3)
    assert copy.compressors == (numcodecs.Zstd(level=0),)
    np.testing.assert_array_equal(copy[...], source[...])
    sharded = new_array(shape=(8,), chunks=(2,), shards=(4,), dtype="i4")
    with pytest.raises(ValueError, match="shard_shape"):
        _from(sharded, zarr_format=2)


def test_parameters_win_over_the_source(new_array: NewArray) -> None:
    source = new_array(
        shape=(8,), chunks=(2,), shards=(4,), dtype="i4", attributes={"a": 1}, fill_value=3
    )
    copy = _from(
        source, chunks=(4,), shards=None, fill_value=7, attributes={"n": 1}, compressors=None
    )
    assert (copy.chunks, copy.shards, copy.fill_value) == ((4,), None, 7)
    assert (copy.attrs.asdict(), copy.compressors) == ({"n": 1}, ())
    np.testing.assert_array_equal(copy[:], 3)
    assert _from(source, chunks="auto", shards=None, write_data=False).chunks == (8,)
    assert _from(source, chunks=(1,)).shards == (4,)


@pytest.mark.parametrize("data", [[1, 2, 3], range(3), ["a", "b"], 3, np.arange(4.0)])
def test_from_what_is_no_array_of_ours(data: Any) -> None:
    array = _from(data)
    assert array.metadata.zarr_format == 3
    np.testing.assert_array_equal(array[...], np.asarray(data))


def test_keeping_rectilinear_chunks(new_array: NewArray) -> None:
    with config.set({"array.rectilinear_chunks": True}):
        source = new_array(shape=(10, 4), chunks=[[6, 4], 3], dtype="u1")
        source[...] = np.arange(40).reshape(10, 4)
        source.resize((8, 4))
        copy = _from(source)
        assert copy.read_chunk_sizes == source.read_chunk_sizes == ((6, 2), (3, 1))
        np.testing.assert_array_equal(copy[...], source[...])


@pytest.mark.parametrize("shards", [False, True])
def test_keeping_a_rectilinear_grid_of_one_length(shards: bool) -> None:
    sizes = ((), (3,), (4,), (3, 4), (3, [4, 2]), ([3, 3], 4), ([9],))
    for sizes_given in sizes:
        shape = (6, 6)[: len(sizes_given)]
        with config.set({"array.rectilinear_chunks": True}):
            made = sync(create_array(MemoryStore(), shape=shape, dtype="i4"))
            document = made.metadata.to_dict()
            document["chunk_grid"] = {
                "name": "rectilinear",
                "configuration": {"kind": "inline", "chunk_shapes": list(sizes_given)},
            }
            if shards:
                inner = ShardingCodec(chunk_shape=(1,) * len(shape))
                document["codecs"] = [inner.to_dict()]
            source = Array(AsyncArray(ArrayV3Metadata.from_dict(document), made.store_path))
            source[...] = np.arange(source.size).reshape(shape)
            kept: list[dict[str, Any]] = [{}, {"chunks": "keep", "shards": "keep"}]
            for keywords in kept:
                copy = _from(source, **keywords)
                assert copy.metadata.chunk_grid == source.metadata.chunk_grid
                np.testing.assert_array_equal(copy[...], source[...])
                assert zarr.open_array(copy.store, mode="r").metadata == copy.metadata
            chosen = _from(source, chunks=(1,) * len(shape), shards=None)
            assert chosen.metadata.chunk_grid.to_dict()["name"] == "regular"
            if not shards and all(isinstance(size, int) for size in sizes_given):
                assert _from(source, zarr_format=2).chunks == sizes_given


@pytest.mark.parametrize("name", ["g/a", "g", ""])
@pytest.mark.parametrize("kind", ["memory", "wrapped", "local", "other root"])
def test_a_copy_does_not_delete_its_source(
    new_array: NewArray, tmp_path: Path, name: str, kind: str
) -> None:
    memory = MemoryStore()
    store, other, path = {
        "memory": (memory, memory, name),
        "wrapped": (memory, LoggingStore(memory), name),
        "local": (str(tmp_path), str(tmp_path), name),
        "other root": (str(tmp_path), str(tmp_path / name), ""),
    }[kind]
    source = new_array(store, name="g/a", data=np.arange(4))
    with pytest.raises(ValueError, match="because the paths overlap"):
        sync(from_array(other, data=source, name=path, overwrite=True))
    np.testing.assert_array_equal(source[:], np.arange(4))
    copy = Array(sync(from_array(other, data=source[...], name=path, overwrite=True)))
    np.testing.assert_array_equal(copy[:], np.arange(4))


def test_a_copy_may_replace_its_neighbours(new_array: NewArray) -> None:
    store = MemoryStore()
    source = new_array(store, name="a", data=np.arange(4))
    new_array(store, name="ab", data=np.zeros(4))
    for target in (store, MemoryStore(dict(store._store_dict))):
        copy = Array(sync(from_array(target, data=source, name="ab", overwrite=True)))
        np.testing.assert_array_equal(copy[:], np.arange(4))
    twin = MemoryStore(dict(store._store_dict))
    copy = Array(sync(from_array(twin, data=source, name="a", overwrite=True)))
    np.testing.assert_array_equal(copy[:], np.arange(4))


def test_rectilinear_chunks_of_format_2(new_array: NewArray) -> None:
    with (
        config.set({"array.rectilinear_chunks": True}),
        pytest.raises(ValueError, match="format 2 does not support rectilinear"),
    ):
        new_array(shape=(10,), chunks=[[3, 3, 4]], dtype="u1", zarr_format=2)
