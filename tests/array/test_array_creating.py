"""Creating arrays: what is stored for which parameters, and what is refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any, cast

import numcodecs
import numpy as np
import pytest

import zarr
import zarr.core.array as array_module
from zarr.api.asynchronous import create
from zarr.codecs.bytes import BytesCodec
from zarr.codecs.crc32c_ import Crc32cCodec
from zarr.codecs.gzip import GzipCodec
from zarr.codecs.sharding import ShardingCodec
from zarr.codecs.transpose import TransposeCodec
from zarr.codecs.zstd import ZstdCodec
from zarr.core.array import (
    DEFAULT_FILL_VALUE,
    Array,
    create_codec_pipeline,
    default_compressor_v2,
    default_compressors_v3,
    default_filters_v2,
    default_serializer_v3,
    init_array,
    parse_array_metadata,
)
from zarr.core.chunk_key_encodings import DefaultChunkKeyEncoding, V2ChunkKeyEncoding
from zarr.core.config import config
from zarr.core.dtype import VariableLengthBytes, VariableLengthUTF8, parse_dtype
from zarr.core.sync import sync
from zarr.errors import (
    ContainsArrayError,
    ContainsGroupError,
    NodeTypeValidationError,
    UnstableSpecificationWarning,
    ZarrRuntimeWarning,
)
from zarr.storage import MemoryStore
from zarr.storage._common import StorePath

NewArray = Callable[..., Any]

GROUP_JSON = b'{\n  "attributes": {},\n  "zarr_format": 3,\n  "node_type": "group"\n}'


def _legacy(store: Any = None, path: str = "", **parameters: Any) -> Array[Any]:
    memory = MemoryStore({} if store is None else store)
    return Array(sync(create(store=StorePath(memory, path), **parameters)))


# --- shapes, data types, fill values ----------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "shape", "chunks", "fill_value"),
    [
        ({"shape": 10, "dtype": "f4"}, (10,), (10,), 0.0),
        ({"shape": (), "dtype": "f4"}, (), (), 0.0),
        ({"shape": (0, 5), "dtype": "f4"}, (0, 5), (1, 5), 0.0),
        ({"shape": [3, 2], "dtype": np.int16, "chunks": [2, 2]}, (3, 2), (2, 2), 0),
        ({"shape": (4, 4), "dtype": "i4", "chunks": (2, -1)}, (4, 4), (2, 4), 0),
        ({"shape": (4, 6), "dtype": "i4", "chunks": 3}, (4, 6), (3, 3), 0),
        ({"shape": (4, 6), "dtype": "i4", "chunks": False}, (4, 6), (4, 6), 0),
        ({"shape": (2,), "dtype": "i4", "fill_value": None}, (2,), (2,), 0),
        ({"shape": (2,), "dtype": "i4", "fill_value": 7}, (2,), (2,), 7),
        ({"shape": (2,), "dtype": "bool"}, (2,), (2,), False),
        ({"shape": (2,), "dtype": str, "fill_value": "q"}, (2,), (2,), "q"),
    ],
)
def test_basics(
    new_array: NewArray, parameters: dict[str, Any], shape: Any, chunks: Any, fill_value: Any
) -> None:
    array = new_array(**parameters)
    assert (array.shape, array.chunks, array.shards) == (shape, chunks, None)
    assert array.fill_value == fill_value
    assert array.metadata.zarr_format == 3
    assert array.dtype == parse_dtype(parameters["dtype"], zarr_format=3).to_native_dtype()
    np.testing.assert_array_equal(array[...], np.full(shape, fill_value))


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({}, ValueError, "shape was not specified"),
        ({"shape": (3,)}, ValueError, "dtype was not specified"),
        ({"shape": (3,), "data": np.arange(3)}, ValueError, "the shape parameter was also used"),
        ({"dtype": "i4", "data": np.arange(3)}, ValueError, "the dtype parameter was also used"),
        ({"data": [1, 2]}, AttributeError, "shape"),
        ({"shape": (-1,), "dtype": "i4"}, ValueError, "non-negative"),
        ({"shape": "abc", "dtype": "i4"}, TypeError, "iterable of integers"),
        ({"shape": (4,), "dtype": "nonsense"}, TypeError, "nonsense"),
        ({"shape": (4,), "dtype": "i4", "chunks": (0,)}, ValueError, "positive"),
        ({"shape": (4,), "dtype": "i4", "chunks": None}, ValueError, "not a valid chunk input"),
        ({"shape": (4, 4), "dtype": "i4", "chunks": (2,)}, ValueError, "1 dimensions"),
        ({"shape": (4,), "dtype": "i4", "zarr_format": 1}, ValueError, "2 or 3, got 1"),
        ({"shape": (4,), "dtype": "i4", "zarr_format": 4}, ValueError, "2 or 3, got 4"),
        ({"shape": (4,), "dtype": "i4", "fill_value": "x"}, (TypeError, ValueError), "x"),
        ({"shape": (4,), "dtype": "i4", "dimension_names": ["a", "b"]}, ValueError, "same number"),
        ({"shape": (4,), "dtype": "i4", "config": {"order": "Q"}}, ValueError, "order"),
        ({"shape": (4,), "dtype": "i4", "config": {"bogus": 1}}, TypeError, "bogus"),
        ({"shape": (4,), "dtype": "i4", "attributes": {"a": object()}}, TypeError, "JSON"),
        ({"shape": (8,), "dtype": "i4", "chunks": (3,), "shards": (4,)}, ValueError, "divisible"),
        ({"shape": (8,), "dtype": "i4", "chunks": [[4, 4]]}, ValueError, "disabled by default"),
    ],
)
def test_refused_parameters_delete_nothing(
    new_array: NewArray, parameters: dict[str, Any], error: type[Exception], message: str
) -> None:
    store: dict[str, Any] = {}
    new_array(store, data=np.arange(3), name="a")
    before = dict(store)
    with pytest.raises(error, match=message):
        new_array(store, name="a", overwrite=True, **parameters)
    with pytest.raises(error, match=message):
        new_array(store, name="new/one", **parameters)
    assert store == before


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"dimension_names": ["x"]}, "dimension names"),
        ({"serializer": BytesCodec()}, "`serializer`"),
        ({"serializer": "bytes"}, "`serializer`"),
        ({"shards": (2,)}, r"Got `shard_shape=\(2,\)`"),
        ({"chunk_key_encoding": {"name": "default"}}, "must be 'v2'"),
        ({"order": "Q"}, "order"),
        ({"dtype": str, "filters": None}, "requires the numcodecs.VLenUTF8 codec"),
        ({"dtype": VariableLengthBytes(), "filters": ()}, "requires the numcodecs.VLenBytes"),
    ],
)
def test_refused_parameters_of_format_2(
    new_array: NewArray, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        new_array(**({"shape": (4,), "dtype": "i4", "zarr_format": 2} | parameters))


def test_default_format(new_array: NewArray) -> None:
    with config.set({"default_zarr_format": 2}):
        assert new_array(shape=(1,), dtype="i1").metadata.zarr_format == 3
        assert new_array(shape=(1,), dtype="i1", zarr_format=None).metadata.zarr_format == 2
        assert _legacy(shape=(1,)).metadata.zarr_format == 2


def test_the_default_fill_value_is_one_object() -> None:
    assert repr(DEFAULT_FILL_VALUE) == "DEFAULT_FILL_VALUE"
    assert pickle.loads(pickle.dumps(DEFAULT_FILL_VALUE)) is DEFAULT_FILL_VALUE
    assert type(DEFAULT_FILL_VALUE)() is DEFAULT_FILL_VALUE


# --- chunks and shards ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "dtype", "parameters", "chunks", "shards"),
    [
        ((10000, 10000), "f8", {}, (313, 625), None),
        ((10**6,), str, {}, (250000,), None),
        ((100000,), "U32", {}, (6250,), None),
        ((10000, 10000), "f8", {"shards": "auto"}, (313, 313), (626, 626)),
        ((500, 500, 500), "u2", {"shards": "auto"}, (63, 63, 125), (63, 63, 125)),
        ((10000, 10000), "u1", {"shards": (5000, 5000)}, (625, 1250), (5000, 5000)),
        ((8, 8), "i4", {"chunks": (2, 2), "shards": (4, -1)}, (2, 2), (4, 8)),
    ],
)
@pytest.mark.filterwarnings("ignore:Automatic shard shape")
def test_chosen_chunks(
    new_array: NewArray, shape: Any, dtype: Any, parameters: Any, chunks: Any, shards: Any
) -> None:
    array = new_array(shape=shape, dtype=dtype, **parameters)
    assert (array.chunks, array.shards) == (chunks, shards)


def test_shards(new_array: NewArray) -> None:
    array = new_array(
        shape=(8,),
        chunks=(2,),
        shards={"shape": (4,), "index_location": "start"},
        dtype="i4",
        filters=[TransposeCodec(order=(0,))],
        compressors=[GzipCodec(level=1), Crc32cCodec()],
    )
    (sharding,) = array.metadata.codecs
    assert isinstance(sharding, ShardingCodec)
    assert sharding.index_location == "start"
    assert sharding.chunk_shape == (2,)
    # Filters, serializer and compressors are those of the chunks within.
    assert array.filters == (TransposeCodec(order=(0,)),)
    assert array.serializer == BytesCodec()
    assert array.compressors == (GzipCodec(level=1), Crc32cCodec())
    with pytest.raises(ValueError, match="middle"):
        new_array(
            shape=(8,), chunks=(2,), shards={"shape": (4,), "index_location": "middle"}, dtype="i4"
        )


# --- codecs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "filters", "serializer", "compressors"),
    [
        ({}, (), BytesCodec(), (ZstdCodec(),)),
        ({"compressors": None, "filters": None}, (), BytesCodec(), ()),
        ({"compressors": ()}, (), BytesCodec(), ()),
        ({"compressors": GzipCodec(level=2)}, (), BytesCodec(), (GzipCodec(level=2),)),
        (
            {"compressors": {"name": "gzip", "configuration": {"level": 1}}},
            (),
            BytesCodec(),
            (GzipCodec(level=1),),
        ),
        (
            {"compressors": [GzipCodec(level=1), {"name": "crc32c"}]},
            (),
            BytesCodec(),
            (GzipCodec(level=1), Crc32cCodec()),
        ),
        (
            {"filters": {"name": "transpose", "configuration": {"order": [0]}}},
            (TransposeCodec(order=(0,)),),
            BytesCodec(),
            (ZstdCodec(),),
        ),
        (
            {"serializer": {"name": "bytes", "configuration": {"endian": "big"}}},
            (),
            BytesCodec(endian="big"),
            (ZstdCodec(),),
        ),
        ({"dtype": "u1", "serializer": BytesCodec()}, (), BytesCodec(endian=None), (ZstdCodec(),)),
    ],
)
def test_codecs_of_format_3(
    new_array: NewArray, parameters: Any, filters: Any, serializer: Any, compressors: Any
) -> None:
    array = new_array(**({"shape": (4,), "dtype": "i4"} | parameters))
    assert array.filters == filters
    assert array.serializer == serializer
    assert array.compressors == compressors
    array[...] = 3
    np.testing.assert_array_equal(array[...], 3)


@pytest.mark.parametrize(
    "parameters",
    [
        {"compressors": "gzip"},
        {"compressors": 5},
        {"compressors": [None]},
        {"compressors": TransposeCodec(order=(0,))},
        {"compressors": [numcodecs.GZip(1)]},
        {"filters": [GzipCodec()]},
        {"filters": "delta"},
        {"filters": [numcodecs.Delta(dtype="i4")]},
        {"serializer": None},
        {"serializer": "bytes"},
        {"serializer": GzipCodec()},
        {"filters": [numcodecs.Delta(dtype="i4"), 5], "zarr_format": 2},
        {"filters": "delta", "zarr_format": 2},
        {"filters": 5, "zarr_format": 2},
        {"filters": [TransposeCodec(order=(0,))], "zarr_format": 2},
        {"compressors": [numcodecs.GZip(1), numcodecs.GZip(2)], "zarr_format": 2},
        {"compressors": "gzip", "zarr_format": 2},
    ],
    ids=repr,
)
def test_what_is_no_codec_of_the_role(new_array: NewArray, parameters: Any) -> None:
    with pytest.raises(TypeError):
        new_array(shape=(4,), dtype="i4", **parameters)


def test_codec_without_a_name(new_array: NewArray) -> None:
    with pytest.raises(KeyError, match="name"):
        new_array(shape=(4,), dtype="i4", compressors={"id": "zlib", "level": 1})


@pytest.mark.parametrize(
    ("parameters", "filters", "compressors"),
    [
        ({}, (), (numcodecs.Zstd(level=0),)),
        ({"compressors": None}, (), ()),
        ({"compressors": ()}, (), ()),
        ({"compressors": {"id": "gzip", "level": 1}}, (), (numcodecs.GZip(1),)),
        ({"compressors": [numcodecs.GZip(1)]}, (), (numcodecs.GZip(1),)),
        ({"filters": numcodecs.Delta(dtype="i4")}, (numcodecs.Delta(dtype="i4"),), ...),
        ({"filters": (numcodecs.Delta(dtype="i4"),)}, (numcodecs.Delta(dtype="i4"),), ...),
        ({"filters": ()}, (), ...),
        ({"filters": {"id": "delta", "dtype": "i4"}}, (numcodecs.Delta(dtype="i4"),), ...),
        ({"filters": [{"id": "delta", "dtype": "i4"}]}, (numcodecs.Delta(dtype="i4"),), ...),
        ({"dtype": str}, (numcodecs.VLenUTF8(),), ...),
        ({"dtype": str, "filters": [numcodecs.JSON()]}, (numcodecs.JSON(),), ...),
    ],
    ids=repr,
)
def test_codecs_of_format_2(
    new_array: NewArray, parameters: Any, filters: Any, compressors: Any
) -> None:
    array = new_array(**({"shape": (4,), "dtype": "i4", "zarr_format": 2} | parameters))
    assert array.filters == filters
    assert array.serializer is None
    assert array.compressors == ((numcodecs.Zstd(level=0),) if compressors is ... else compressors)
    array[...] = "3"
    assert array[0] == (array.dtype.type(3) if array.dtype.kind == "i" else "3")


@pytest.mark.parametrize(
    ("dtype", "endian"),
    [
        ("u1", None),
        ("bool", None),
        ("S4", None),
        ("V3", None),
        ("i4", "little"),
        (">i4", "little"),
        ("U4", "little"),
        ("M8[s]", "little"),
        ([("a", "i4")], "little"),
        ([("a", "u1")], None),
        ([("a", "u1"), ("b", [("c", "i2")])], "little"),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_default_serializer(dtype: Any, endian: Any) -> None:
    data_type = parse_dtype(dtype, zarr_format=3)
    assert default_serializer_v3(data_type) == BytesCodec(endian=endian)
    assert default_compressors_v3(data_type) == (ZstdCodec(),)
    assert default_filters_v2(data_type) is None
    assert default_compressor_v2(data_type) == numcodecs.Zstd(level=0)


def test_default_codecs_for_objects() -> None:
    text, data = VariableLengthUTF8(), VariableLengthBytes()
    assert type(default_serializer_v3(text)).__name__ == "VLenUTF8Codec"
    assert type(default_serializer_v3(data)).__name__ == "VLenBytesCodec"
    assert default_filters_v2(text) == (numcodecs.VLenUTF8(),)
    assert default_filters_v2(data) == (numcodecs.VLenBytes(),)


def test_unstable_data_types_warn(new_array: NewArray) -> None:
    with pytest.warns(UnstableSpecificationWarning):
        new_array(shape=(1,), dtype="S4")


def test_pipeline(new_array: NewArray) -> None:
    array = new_array(shape=(4,), dtype="i4", zarr_format=2)
    pipeline: Any = create_codec_pipeline(array.metadata)
    assert type(pipeline.array_bytes_codec).__name__ == "V2Codec"
    with pytest.raises(TypeError, match="array metadata"):
        create_codec_pipeline(cast("Any", 5))


# --- order and chunk keys ---------------------------------------------------------------


def test_order_of_format_2(new_array: NewArray) -> None:
    store: dict[str, Any] = {}
    array = new_array(store, shape=(2, 2), dtype="i4", order="F", zarr_format=2, compressors=None)
    assert (array.order, array.metadata.order, array.config.order) == ("F", "F", "C")
    array[...] = [[1, 2], [3, 4]]
    assert np.frombuffer(store["0.0"].to_bytes(), "<i4").tolist() == [1, 3, 2, 4]
    with config.set({"array.order": "F"}):
        assert new_array(shape=(2, 2), dtype="i4", zarr_format=2).metadata.order == "F"
    # The stored layout wins over the option of whoever opens the array.
    reopened = array.with_config({"order": "C"})
    assert reopened.order == "F"
    np.testing.assert_array_equal(reopened[...], [[1, 2], [3, 4]])
    reopened[0, 1] = 9
    np.testing.assert_array_equal(array[...], [[1, 9], [3, 4]])


def test_order_of_format_3(new_array: NewArray) -> None:
    with pytest.warns(ZarrRuntimeWarning, match="`order` keyword argument has no effect"):
        array = new_array(shape=(2, 2), dtype="i4", order="F")
    assert array.order == "C"
    assert new_array(shape=(2, 2), dtype="i4", config={"order": "F"}).order == "F"


@pytest.mark.parametrize(
    ("zarr_format", "encoding", "keys"),
    [
        (3, None, ["c/0/0", "c/0/1"]),
        (3, {"name": "default", "separator": "."}, ["c.0.0", "c.0.1"]),
        (3, {"name": "v2", "configuration": {"separator": "/"}}, ["0/0", "0/1"]),
        (3, V2ChunkKeyEncoding(), ["0.0", "0.1"]),
        (2, None, ["0.0", "0.1"]),
        (2, {"name": "v2", "separator": "/"}, ["0/0", "0/1"]),
        (2, V2ChunkKeyEncoding(separator="/"), ["0/0", "0/1"]),
    ],
)
def test_chunk_keys(new_array: NewArray, zarr_format: int, encoding: Any, keys: list[str]) -> None:
    store: dict[str, Any] = {}
    array = new_array(
        store,
        shape=(1, 2),
        chunks=(1, 1),
        dtype="i4",
        zarr_format=zarr_format,
        chunk_key_encoding=encoding,
    )
    array[...] = 1
    assert sorted(key for key in store if key[0] in "c0") == keys
    assert array.nchunks_initialized == 2


# --- the place --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["foo/bar", "/foo//bar/"])
def test_groups_above_are_created(new_array: NewArray, name: str) -> None:
    store: dict[str, Any] = {}
    array = new_array(store, name=name, shape=(3,), dtype="i4")
    assert (array.name, array.path, array.basename) == ("/foo/bar", "foo/bar", "bar")
    assert sorted(store) == ["foo/bar/zarr.json", "foo/zarr.json", "zarr.json"]
    assert store["zarr.json"].to_bytes() == store["foo/zarr.json"].to_bytes() == GROUP_JSON
    new_array(store, name="baz", shape=(3,), dtype="i4", zarr_format=2)
    assert json.loads(store[".zgroup"].to_bytes()) == {"zarr_format": 2}
    assert json.loads(store[".zattrs"].to_bytes()) == {}


def test_groups_above_are_left_alone(new_array: NewArray) -> None:
    store: dict[str, Any] = {}
    new_array(store, name="a", shape=(1,), dtype="i1")
    document = {**json.loads(GROUP_JSON), "attributes": {"mine": 1}}
    store["zarr.json"] = type(store["zarr.json"]).from_bytes(json.dumps(document).encode())
    new_array(store, name="b", shape=(1,), dtype="i1")
    assert json.loads(store["zarr.json"].to_bytes())["attributes"] == {"mine": 1}


@pytest.mark.parametrize("above", [2, 3])
@pytest.mark.parametrize("below", [2, 3])
def test_nothing_goes_below_an_array(new_array: NewArray, above: Any, below: Any) -> None:
    store: dict[str, Any] = {}
    new_array(store, name="x", shape=(1,), dtype="i1", zarr_format=above)
    before = dict(store)
    with pytest.raises(ValueError, match=r"A parent of memory://.*/x/y/z is an array"):
        new_array(store, name="x/y/z", shape=(1,), dtype="i1", zarr_format=below, overwrite=True)
    assert store == before


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_an_array_is_there_already(new_array: NewArray, zarr_format: int) -> None:
    store: dict[str, Any] = {}
    new_array(store, data=np.arange(1, 4), name="a", zarr_format=zarr_format)
    with pytest.raises(ContainsArrayError, match="at path 'a'"):
        new_array(store, shape=(3,), dtype="i4", name="a", zarr_format=zarr_format)
    array = new_array(
        store, shape=(2,), dtype="i2", name="a", zarr_format=zarr_format, overwrite=True
    )
    np.testing.assert_array_equal(array[:], [0, 0])
    assert not any(key in store for key in ("a/c/0", "a/0"))


def test_a_group_is_there_already(new_array: NewArray) -> None:
    store: dict[str, Any] = {}
    new_array(store, shape=(1,), dtype="i1", name="g/x")
    with pytest.raises(ContainsGroupError, match="at path 'g'"):
        new_array(store, shape=(3,), dtype="i4", name="g")
    new_array(store, shape=(3,), dtype="i4", name="g", overwrite=True)
    assert sorted(store) == ["g/zarr.json", "zarr.json"]


@pytest.mark.parametrize("name", ["../up", "a/./b", "a/.."])
def test_refused_names(new_array: NewArray, name: str) -> None:
    with pytest.raises(ValueError, match="invalid"):
        new_array(name=name, shape=(3,), dtype="i4")


def test_read_only_store(new_array: NewArray) -> None:
    with pytest.raises(ValueError, match="read-only"):
        new_array(MemoryStore(read_only=True), shape=(3,), dtype="i4", overwrite=True)
    place = StorePath(MemoryStore(read_only=True), "x")
    with pytest.raises(ValueError, match="read-only"):
        sync(init_array(store_path=place, shape=(3,), dtype="i4"))


def test_init_array() -> None:
    place = StorePath(MemoryStore(), "p/q")
    array = sync(init_array(store_path=place, shape=(3,), dtype="i4", attributes={"a": 1}))
    assert array.attrs == {"a": 1}
    assert array.metadata.chunk_key_encoding == DefaultChunkKeyEncoding()


# --- the parameters of zarr.create ------------------------------------------------------


def test_legacy_defaults() -> None:
    array = _legacy(shape=4)
    assert (array.shape, array.chunks, array.fill_value) == ((4,), (4,), 0)
    assert array.dtype == "f8"
    assert array.metadata.codecs == (BytesCodec(), ZstdCodec())
    assert _legacy(shape=(4, 4), chunk_shape=(2, 2)).chunks == (2, 2)
    assert _legacy(shape=(5, 5), chunks=2).chunks == (2, 2)
    assert _legacy(shape=(5, 5), chunks=False).chunks == (5, 5)


def test_legacy_format_2() -> None:
    array = _legacy(
        shape=(5,),
        dtype="i4",
        zarr_format=2,
        order="F",
        dimension_separator="/",
        filters=[{"id": "delta", "dtype": "i4"}],
        compressor={"id": "zlib"},
        fill_value=None,
        attributes={"a": 1},
    )
    assert (array.metadata.order, array.metadata.dimension_separator) == ("F", "/")
    assert array.config.order == "F"
    assert array.filters == (numcodecs.Delta(dtype="i4"),)
    assert array.compressors == (numcodecs.Zlib(),)
    assert array.fill_value is None
    assert array.attrs.asdict() == {"a": 1}
    assert _legacy(shape=(5,), zarr_format=2, compressor=None).compressors == ()
    assert _legacy(shape=(5,), zarr_format=2, dtype=str).filters == (numcodecs.VLenUTF8(),)


def test_legacy_format_3() -> None:
    array = _legacy(
        shape=(4,),
        dtype="i4",
        codecs=[{"name": "bytes", "configuration": {"endian": "big"}}, GzipCodec(level=1)],
        chunk_key_encoding=("v2", "/"),
        dimension_names=["x"],
        data=[1, 2, 3, 4],
    )
    assert array.metadata.codecs == (BytesCodec(endian="big"), GzipCodec(level=1))
    assert array.metadata.chunk_key_encoding == V2ChunkKeyEncoding(separator="/")
    assert array.metadata.dimension_names == ("x",)
    np.testing.assert_array_equal(array[:], [1, 2, 3, 4])
    sharded = _legacy(shape=(8,), chunks=(4,), dtype="u1", codecs=[ShardingCodec(chunk_shape=(2,))])
    assert (sharded.chunks, sharded.shards) == ((2,), (4,))
    with pytest.warns(ZarrRuntimeWarning, match="`order` keyword argument has no effect"):
        assert _legacy(shape=(4,), order="F").order == "C"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"chunks": (2,), "chunk_shape": (2,)}, "Only one of chunk_shape or chunks"),
        ({"dimension_separator": "/"}, "dimension_separator cannot.*Use chunk_key_encoding"),
        ({"filters": ()}, "filters cannot.*Use array-to-array codecs"),
        ({"compressor": None}, "compressor cannot.*Use bytes-to-bytes codecs"),
        ({"codecs": []}, "At least one ArrayBytesCodec"),
        ({"codecs": [GzipCodec()]}, "At least one ArrayBytesCodec"),
        ({"chunks": True}, "not a valid chunk input"),
        ({"zarr_format": 1}, "must be 2 or 3, got 1"),
        ({"data": np.arange(3)}, "could not|cannot|broadcast"),
        ({"zarr_format": 2, "codecs": []}, "codecs cannot.*Use filters and compressor"),
        ({"zarr_format": 2, "chunk_key_encoding": ("v2", "/")}, "Use dimension_separator"),
        ({"zarr_format": 2, "dimension_names": ["x"]}, "dimension_names cannot be used"),
        ({"zarr_format": 2, "compressor": GzipCodec()}, "Cannot use a BytesBytesCodec"),
        ({"zarr_format": 2, "compressor": 5}, "Invalid compressor"),
        ({"zarr_format": 2, "dimension_separator": "x"}, "separator"),
        ({"zarr_format": 2, "dtype": str, "filters": ()}, "requires the numcodecs.VLenUTF8"),
    ],
    ids=repr,
)
def test_refused_legacy_parameters(parameters: dict[str, Any], message: str) -> None:
    store: dict[str, Any] = {}
    with pytest.raises(ValueError, match=message):
        _legacy(store, **({"shape": (4,)} | parameters))
    assert store == {}


def test_legacy_overwrite() -> None:
    store: dict[str, Any] = {}
    _legacy(store, "p", shape=(2,), data=[1, 2])
    with pytest.raises(ContainsArrayError):
        _legacy(store, "p", shape=(2,))
    np.testing.assert_array_equal(_legacy(store, "p", shape=(2,), overwrite=True)[:], [0, 0])


# --- metadata documents -----------------------------------------------------------------


def test_parse_array_metadata(new_array: NewArray) -> None:
    for zarr_format in (2, 3):
        metadata = new_array(shape=(3,), dtype="i4", zarr_format=zarr_format).metadata
        assert parse_array_metadata(metadata) is metadata
        assert parse_array_metadata(metadata.to_dict()) == metadata
    for data, error in (
        (5, TypeError),
        ({}, ValueError),
        ({"zarr_format": 9}, ValueError),
        ({"zarr_format": 3, "node_type": "group"}, NodeTypeValidationError),
    ):
        with pytest.raises(error):
            parse_array_metadata(data)


def test_public_module_of_the_names() -> None:
    for name in ("Array", "AsyncArray", "create_array", "from_array"):
        assert getattr(array_module, name).__module__ == "zarr.core.array"


def test_order_of_format_2_is_not_that_of_the_config(new_array: NewArray) -> None:
    array = new_array(shape=(4,), dtype="i1", zarr_format=2, config={"order": "F"})
    assert (array.metadata.order, array.order, array.config.order) == ("C", "C", "F")
    with config.set({"array.order": "F"}):
        array = new_array(shape=(4,), dtype="i1", zarr_format=2, config={"order": "C"})
    assert array.metadata.order == "F"


def test_a_legacy_compressor_is_one_codec() -> None:
    for wrong in ([numcodecs.Zlib()], (numcodecs.Zlib(),), "zlib"):
        with pytest.raises(ValueError, match="Invalid compressor"):
            zarr.create(shape=3, zarr_format=2, compressor=wrong)  # type: ignore[arg-type]


def test_an_object_without_dimensions_is_one_element() -> None:
    array = zarr.create_array({}, shape=(2,), chunks=(2,), dtype="string")
    array[0] = np.array("xyz", dtype=object)
    array[1:] = np.array("ab", dtype=object)
    assert np.asarray(array[:]).tolist() == ["xyz", "ab"]


def test_a_copy_keeps_edges_and_order() -> None:
    with config.set({"array.rectilinear_chunks": True}):
        source = zarr.create_array({}, shape=(4, 3), dtype="i1", chunks=[[1, 2, 1], [1, 1, 1]])
        for shape in [(2, 3), (2, 0), (0, 0)]:
            source.resize(shape)
            copy = zarr.from_array({}, data=source)
            grid: Any = source.metadata
            kept: Any = copy.metadata
            assert kept.chunk_grid == grid.chunk_grid
    source = zarr.create_array({}, shape=(4, 3), dtype="i1", config={"order": "F"})
    kept = zarr.from_array({}, data=source, zarr_format=2).metadata
    assert kept.order == "F"
    kept = zarr.from_array({}, data=source, zarr_format=2, order="C").metadata
    assert kept.order == "C"
