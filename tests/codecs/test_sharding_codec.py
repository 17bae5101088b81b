"""The sharding codec by itself: parameters, JSON, stored bytes, whole shards."""

from __future__ import annotations

import json
import pickle
import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codecs.sharding_kit import (
    AsyncOnlyCodec,
    counting,
    decode,
    decode_async,
    encode,
    encode_async,
    make_spec,
)

from zarr.codecs import (
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    VLenUTF8Codec,
    ZstdCodec,
)
from zarr.codecs.sharding import ShardingCodecIndexLocation
from zarr.codecs.sharding._plan import write_order
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import BufferPrototype
from zarr.core.buffer.cpu import Buffer, NDBuffer
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.core.dtype import VariableLengthUTF8
from zarr.core.metadata import ArrayV3Metadata
from zarr.core.metadata.v3 import RectilinearChunkGridMetadata, RegularChunkGridMetadata
from zarr.errors import UnknownCodecError, ZarrUserWarning

ABSENT = (2**64 - 1, 2**64 - 1)
LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}


def index(*entries: tuple[int, int], order: str = "<", checksum: bool = True) -> bytes:
    data = b"".join(struct.pack(f"{order}QQ", *entry) for entry in entries)
    return data + google_crc32c.value(data).to_bytes(4, "little") if checksum else data


# --- stored bytes -----------------------------------------------------------------------


def test_a_shard_ends_with_its_index() -> None:
    codec = ShardingCodec(chunk_shape=(1,), codecs=[BytesCodec(endian=None)])
    stored = encode(codec, np.array([1, 0, 3, 0], "u1"), make_spec((4,), "u1"))
    assert stored == b"\x01\x03" + index((0, 1), ABSENT, (1, 1), ABSENT)


def test_a_shard_may_begin_with_its_index() -> None:
    codec = ShardingCodec(chunk_shape=(1,), index_location="start")
    stored = encode(codec, np.array([1, 0, 3, 0], "u1"), make_spec((4,), "u1"))
    assert stored == index((68, 1), ABSENT, (69, 1), ABSENT) + b"\x01\x03"


INDEX_CODECS: list[tuple[list[Any], bytes]] = [
    ([BytesCodec()], index((0, 2), (2, 2), checksum=False)),
    ([BytesCodec(endian="big")], index((0, 2), (2, 2), order=">", checksum=False)),
    (
        [TransposeCodec(order=(1, 0)), BytesCodec()],
        struct.pack("<4Q", 0, 2, 2, 2),
    ),
    (
        [BytesCodec(), Crc32cCodec(), Crc32cCodec()],
        (once := index((0, 2), (2, 2))) + google_crc32c.value(once).to_bytes(4, "little"),
    ),
]


@pytest.mark.parametrize(("index_codecs", "stored_index"), INDEX_CODECS)
@pytest.mark.parametrize("location", ["end", "start"])
def test_the_index_is_stored_through_its_codecs(
    index_codecs: list[Any], stored_index: bytes, location: Any
) -> None:
    codec = ShardingCodec(chunk_shape=(2,), index_codecs=index_codecs, index_location=location)
    spec = make_spec((4,), "u1")
    array = counting((4,), "u1")
    stored = encode(codec, array, spec)
    assert stored is not None
    if location == "end":
        assert stored == b"\x01\x02\x03\x04" + stored_index
    else:
        assert len(stored) == 4 + len(stored_index)
    assert np.array_equal(decode(codec, stored, spec), array)


# Grid, and the order in which its positions (numbered in C order) are stored.
ORDERS: list[tuple[tuple[int, ...], Any, list[int]]] = [
    ((), "morton", [0]),
    ((6,), "morton", [0, 1, 2, 3, 4, 5]),
    ((2, 2), "morton", [0, 2, 1, 3]),
    ((3, 5), "morton", [0, 5, 1, 6, 10, 11, 2, 7, 3, 8, 12, 13, 4, 9, 14]),
    ((5, 3), "morton", [0, 3, 1, 4, 6, 9, 7, 10, 2, 5, 8, 11, 12, 13, 14]),
    (
        (3, 1, 2, 3),
        "morton",
        [0, 6, 3, 9, 1, 7, 4, 10, 12, 15, 13, 16, 2, 8, 5, 11, 14, 17],
    ),
    ((3, 5), "lexicographic", list(range(15))),
    ((3, 5), "colexicographic", [0, 5, 10, 1, 6, 11, 2, 7, 12, 3, 8, 13, 4, 9, 14]),
    ((2, 3, 2), "colexicographic", [0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]),
]


@pytest.mark.parametrize(("grid", "order", "numbers"), ORDERS)
def test_inner_chunks_are_stored_in_the_order_asked_for(
    grid: tuple[int, ...], order: Any, numbers: list[int]
) -> None:
    codec = ShardingCodec(chunk_shape=(1,) * len(grid), subchunk_write_order=order)
    array = np.arange(np.prod(grid, dtype=int), dtype="u1").reshape(grid)
    stored = encode(codec, array, make_spec(grid, "u1", fill_value=255))
    assert stored is not None
    assert list(stored[: len(numbers)]) == numbers


@given(st.lists(st.integers(1, 6), max_size=4).map(tuple))
def test_every_order_has_each_inner_chunk_once(grid: tuple[int, ...]) -> None:
    numbers = list(range(int(np.prod(grid, dtype=int))))
    for order in ("morton", "unordered", "lexicographic", "colexicographic"):
        assert sorted(write_order(grid, order)) == numbers


def test_a_shard_of_fill_value_is_not_stored() -> None:
    codec = ShardingCodec(chunk_shape=(2,))
    assert encode(codec, np.zeros(4, "i4"), make_spec((4,))) is None
    kept = encode(codec, np.zeros(4, "i4"), make_spec((4,), write_empty_chunks=True))
    assert kept == bytes(16) + index((0, 8), (8, 8))


def test_a_shard_without_inner_chunks_decodes_to_fill_value() -> None:
    codec = ShardingCodec(chunk_shape=(2,))
    shard = decode(codec, index(ABSENT, ABSENT), make_spec((4,), fill_value=9))
    assert shard.tolist() == [9, 9, 9, 9]


CHAINS = st.lists(
    st.sampled_from([ZstdCodec(), ZstdCodec(level=3), Crc32cCodec()]), max_size=2
).map(lambda tail: [BytesCodec(), *tail])


@settings(max_examples=60)
@given(data=st.data())
def test_decoding_returns_what_was_encoded(data: st.DataObject) -> None:
    chunk = tuple(data.draw(st.lists(st.integers(1, 3), max_size=3)))
    grid = tuple(data.draw(st.integers(1, 4)) for _ in chunk)
    chain: list[Any] = data.draw(CHAINS)
    if data.draw(st.booleans()):
        chain = [ShardingCodec(chunk_shape=(1,) * len(chunk), codecs=chain)]
    if data.draw(st.booleans()):
        axes = data.draw(st.permutations(range(len(chunk))))
        chunk_after = tuple(chunk[axis] for axis in axes)
        if chunk_after == chunk:
            chain = [TransposeCodec(order=axes), *chain]
    codec = ShardingCodec(
        chunk_shape=chunk,
        codecs=chain,
        index_codecs=data.draw(st.sampled_from([(BytesCodec(), Crc32cCodec()), (BytesCodec(),)])),
        index_location=data.draw(st.sampled_from(["start", "end"])),
        subchunk_write_order=data.draw(st.sampled_from(["morton", "unordered"])),
    )
    spec = make_spec(
        tuple(g * c for g, c in zip(grid, chunk)),
        data.draw(st.sampled_from(["u1", ">i4", "f8", "M8[s]"])),
        write_empty_chunks=data.draw(st.booleans()),
    )
    dtype = spec.dtype.to_native_dtype()
    # Most elements are fill value, so that some inner chunks are empty.
    array = np.random.default_rng(0).integers(-9, 3, spec.shape).clip(0).astype("i8").astype(dtype)
    codec = codec.evolve_from_array_spec(spec)
    stored = encode(codec, array, spec)
    assert encode_async(codec, array, spec) == stored
    if stored is None:
        assert not array.astype("i8").any()
        return
    for result in (decode(codec, stored, spec), decode_async(codec, stored, spec)):
        assert result.dtype == dtype
        assert np.array_equal(result, array)


def test_strings_of_variable_length() -> None:
    codec = ShardingCodec(chunk_shape=(2,), codecs=[VLenUTF8Codec(), ZstdCodec()])
    spec = make_spec((4,))
    spec = ArraySpec((4,), VariableLengthUTF8(), "-", spec.config, spec.prototype)
    array = np.array(["a", "é" * 50, "-", "-"], dtype=spec.dtype.to_native_dtype())
    stored = encode(codec, array, spec)
    assert stored is not None
    assert decode(codec, stored, spec).tolist() == array.tolist()


def test_async_only_codecs_work_by_coroutines() -> None:
    codec = ShardingCodec(chunk_shape=(2,), codecs=[BytesCodec(), AsyncOnlyCodec()])
    nested = ShardingCodec(chunk_shape=(4,), codecs=[codec])
    spec = make_spec((8,))
    for sharding in (codec, nested):
        stored = encode_async(sharding, counting((8,)), spec)
        assert stored is not None
        assert np.array_equal(decode_async(sharding, stored, spec), counting((8,)))
        with pytest.raises(TypeError, match="has only asynchronous methods"):
            encode(sharding, counting((8,)), spec)
        with pytest.raises(TypeError, match="has only asynchronous methods"):
            decode(sharding, stored, spec)


def test_an_index_codec_may_be_async_only() -> None:
    codec = ShardingCodec(chunk_shape=(2,), index_codecs=[BytesCodec(), AsyncOnlyCodec()])
    spec = make_spec((4,))
    stored = encode_async(codec, counting((4,)), spec)
    assert stored is not None
    inverted = bytes(255 - byte for byte in index((0, 8), (8, 8), checksum=False))
    assert stored[16:] == inverted
    assert np.array_equal(decode_async(codec, stored, spec), counting((4,)))


def test_an_index_that_is_not_of_the_size_it_claims_is_not_stored() -> None:
    class Liar(AsyncOnlyCodec):
        def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
            return input_byte_length + 1

    codec = ShardingCodec(chunk_shape=(2,), index_codecs=[BytesCodec(), Liar()])
    with pytest.raises(
        ValueError, match=r"to 32 bytes, but their compute_encoded_size returned 33"
    ):
        encode_async(codec, counting((4,)), make_spec((4,)))


def test_golden_shards_decode_to_their_values(golden: Path) -> None:
    seen = 0
    for entry in json.loads((golden / "index.json").read_text()):
        if entry["kind"] != "array" or entry["zarr_format"] != 3:
            continue
        folder = golden / entry["path"]
        document = json.loads((folder / "zarr.json").read_text())
        if document["codecs"][0]["name"] != "sharding_indexed" or len(document["codecs"]) > 1:
            continue
        metadata = ArrayV3Metadata.from_dict(document)
        codec, shards = metadata.sharding_codec, metadata.shards
        assert codec is not None
        assert shards is not None
        expected = np.load(golden / entry["expected"])
        spec = make_spec(shards, expected.dtype, metadata.fill_value)
        for number in np.ndindex(*(-(-n // s) for n, s in zip(metadata.shape, shards))):
            path = folder / metadata.encode_chunk_key(number)
            if not path.exists():
                continue
            region = tuple(slice(i * s, (i + 1) * s) for i, s in zip(number, shards))
            inside = tuple(slice(0, n) for n in expected[region].shape)
            shard = decode(codec, path.read_bytes(), spec)
            assert np.array_equal(shard[inside], expected[region]), entry["path"]
            seen += 1
    assert seen > 8


def test_one_codec_serves_shards_that_differ_in_their_spec() -> None:
    codec = ShardingCodec(chunk_shape=(2,))
    specs = [
        make_spec((4,)),
        make_spec((4,), fill_value=9),
        make_spec((4,), "f8"),
        make_spec((4,), write_empty_chunks=True),
        make_spec((8,)),
    ]
    for _ in range(2):
        for spec in specs:
            array = counting(spec.shape, spec.dtype.to_native_dtype())
            array[2:4] = spec.fill_value
            stored = encode(codec, array, spec)
            assert stored is not None
            assert np.array_equal(decode(codec, stored, spec), array)
            kept = len(array) if spec.config.write_empty_chunks else len(array) - 2
            assert len(stored) == kept * array.itemsize + len(array) // 2 * 16 + 4


def test_what_is_worked_out_for_a_shape_is_kept_for_a_bounded_number_of_shapes() -> None:
    codec = ShardingCodec(chunk_shape=(1,))
    shapes = [(n,) for n in range(1, 200)]
    first = codec._layout(make_spec(shapes[0]))
    assert codec._layout(make_spec(shapes[1])) is not first
    assert codec._layout(make_spec(shapes[0])) is first
    for shape in shapes:
        codec._layout(make_spec(shape))
    assert len(codec._layouts) < 100


# --- parameters -------------------------------------------------------------------------


def test_defaults_and_json() -> None:
    codec = ShardingCodec(chunk_shape=[2, 3])
    assert codec.to_dict() == {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": (2, 3),
            "codecs": (LITTLE,),
            "index_codecs": (LITTLE, {"name": "crc32c"}),
            "index_location": "end",
        },
    }
    assert codec.subchunk_write_order == "morton"
    assert codec.is_fixed_size is False
    assert repr(codec) == (
        "ShardingCodec(chunk_shape=(2, 3), codecs=(BytesCodec(endian='little'),), "
        "index_codecs=(BytesCodec(endian='little'), Crc32cCodec()), index_location='end', "
        "subchunk_write_order='morton')"
    )


@pytest.mark.parametrize(
    "codec",
    [
        ShardingCodec(chunk_shape=(2, 3)),
        ShardingCodec(chunk_shape=(2,), index_location="start", index_codecs=[BytesCodec()]),
        ShardingCodec(chunk_shape=(4,), codecs=[ShardingCodec(chunk_shape=(2,))]),
        ShardingCodec(chunk_shape=(), codecs=[BytesCodec(), GzipCodec(level=2)]),
    ],
)
def test_json_holds_what_is_stored(codec: ShardingCodec) -> None:
    assert ShardingCodec.from_dict(json.loads(json.dumps(codec.to_dict()))) == codec
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert hash(pickle.loads(pickle.dumps(codec))) == hash(codec)


def test_the_write_order_is_not_stored_but_part_of_the_codec() -> None:
    codec = ShardingCodec(chunk_shape=(2,), subchunk_write_order="lexicographic")
    assert "subchunk_write_order" not in codec.to_dict()["configuration"]  # type: ignore[operator]
    assert codec != ShardingCodec(chunk_shape=(2,))
    assert pickle.loads(pickle.dumps(codec)).subchunk_write_order == "lexicographic"


def test_a_used_codec_pickles_as_a_new_one() -> None:
    codec = ShardingCodec(chunk_shape=(2,))
    unused = len(pickle.dumps(codec))
    encode(codec, counting((4,)), make_spec((4,)))
    assert len(pickle.dumps(codec)) == unused < 1000


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"chunk_shape": (0,)}, ValueError, "at least 1"),
    ({"chunk_shape": (-1,)}, ValueError, "non-negative"),
    ({"chunk_shape": (1.5,)}, TypeError, "Expected an iterable of integers"),
    ({"codecs": None}, TypeError, "Expected iterable"),
    ({"codecs": ["bytes"]}, TypeError, "Expected dict, got <class 'str'>"),
    ({"codecs": [{"name": "nope"}]}, UnknownCodecError, "codec 'nope'"),
    ({"index_codecs": [BytesCodec(), GzipCodec(level=5)]}, ValueError, "[GzipCodec(level=5)]"),
    ({"index_location": "middle"}, ValueError, "one of ['start', 'end']. Got 'middle'"),
    ({"index_location": None}, ValueError, "one of ['start', 'end']. Got None"),
    ({"subchunk_write_order": "x"}, ValueError, "Unrecognized subchunk write order: x"),
    ({"foo": 1}, TypeError, "unexpected keyword argument 'foo'"),
]


@pytest.mark.parametrize(("parameters", "error", "message"), REFUSED)
def test_parameters_that_are_not_valid_are_refused(
    parameters: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        ShardingCodec(**({"chunk_shape": (2,)} | parameters))
    if "subchunk_write_order" not in parameters and "index_codecs" not in parameters:
        document: dict[str, Any] = {
            "name": "sharding_indexed",
            "configuration": {"chunk_shape": [2]} | parameters,
        }
        with pytest.raises(error, match=re.escape(message)):
            ShardingCodec.from_dict(document)


@pytest.mark.parametrize(
    ("document", "error", "message"),
    [
        ({"name": "sharding_indexed"}, ValueError, "does not have a 'configuration' key"),
        ({"name": "x", "configuration": {}}, ValueError, "Expected 'sharding_indexed'"),
        ({"name": "sharding_indexed", "configuration": {}}, TypeError, "chunk_shape"),
    ],
)
def test_documents_that_are_not_valid_are_refused(
    document: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ShardingCodec.from_dict(document)


def test_names_of_index_locations_are_deprecated() -> None:
    with pytest.warns(DeprecationWarning, match="pass the string 'end' instead"):
        assert ShardingCodecIndexLocation.end == "end"
    with pytest.raises(AttributeError):
        ShardingCodecIndexLocation.middle


# --- the array it is for ----------------------------------------------------------------


def regular(*chunk_shape: int) -> RegularChunkGridMetadata:
    return RegularChunkGridMetadata(chunk_shape=chunk_shape)


def rectilinear(*shapes: Any) -> RectilinearChunkGridMetadata:
    return RectilinearChunkGridMetadata(chunk_shapes=shapes)


GRIDS: list[tuple[tuple[int, ...], tuple[int, ...], Any, str | None]] = [
    ((2,), (8,), regular(8), None),
    ((2,), (7,), regular(2), None),
    ((2,), (8,), regular(7), "length 7 in dimension 0 is not divisible by the shard's inner"),
    ((2, 3), (8, 9), regular(4, 4), "length 4 in dimension 1 is not divisible"),
    ((2,), (8, 8), regular(8, 8), "need to have the same number of dimensions"),
    ((2,), (10,), rectilinear((4, 6)), None),
    ((2,), (10,), rectilinear(4), None),
    ((2,), (8,), rectilinear((3, 5)), "is not divisible"),
    ((2,), (8,), rectilinear(3), "length 3 in dimension 0 is not divisible"),
]


@pytest.mark.parametrize(("chunk_shape", "shape", "grid", "message"), GRIDS)
def test_shards_have_to_be_whole_numbers_of_inner_chunks(
    chunk_shape: tuple[int, ...], shape: tuple[int, ...], grid: Any, message: str | None
) -> None:
    codec = ShardingCodec(chunk_shape=chunk_shape)
    dtype = make_spec(()).dtype
    if message is None:
        codec.validate(shape=shape, dtype=dtype, chunk_grid=grid)
    else:
        with pytest.raises(ValueError, match=message):
            codec.validate(shape=shape, dtype=dtype, chunk_grid=grid)


def test_inner_codecs_are_validated_too() -> None:
    dtype = make_spec(()).dtype
    inner = ShardingCodec(chunk_shape=(4,), codecs=[ShardingCodec(chunk_shape=(3,))])
    with pytest.raises(ValueError, match="length 4 in dimension 0 is not divisible"):
        inner.validate(shape=(8,), dtype=dtype, chunk_grid=regular(8))
    disordered = ShardingCodec(chunk_shape=(4,), codecs=[GzipCodec(), BytesCodec()])
    with pytest.raises(TypeError, match="Invalid codec order"):
        disordered.validate(shape=(8,), dtype=dtype, chunk_grid=regular(8))
    around = ShardingCodec(chunk_shape=(4,), codecs=[ShardingCodec(chunk_shape=(2,)), GzipCodec()])
    with pytest.warns(ZarrUserWarning, match="disables partial reads"):
        around.validate(shape=(8,), dtype=dtype, chunk_grid=regular(8))


@pytest.mark.parametrize(
    ("index_codecs", "message"),
    [
        ([], "ArrayBytesCodec"),
        ([BytesCodec(endian=None)], "`endian` configuration"),
        ([BytesCodec(), BytesCodec()], "ArrayBytesCodec"),
    ],
)
def test_index_codecs_are_validated_too(index_codecs: list[Any], message: str) -> None:
    codec = ShardingCodec(chunk_shape=(4,), index_codecs=index_codecs)
    with pytest.raises(ValueError, match=message):
        codec.validate(shape=(8,), dtype=make_spec(()).dtype, chunk_grid=regular(8))


def test_inner_codecs_are_settled_for_the_data_type() -> None:
    codec = ShardingCodec(chunk_shape=(2,))
    assert codec.evolve_from_array_spec(make_spec((8,), "i4")) is codec
    evolved = codec.evolve_from_array_spec(make_spec((8,), "u1"))
    assert evolved == ShardingCodec(chunk_shape=(2,), codecs=[BytesCodec(endian=None)])
    without = ShardingCodec(chunk_shape=(2,), codecs=[BytesCodec(endian=None)])
    with pytest.raises(ValueError, match="`endian` configuration"):
        without.evolve_from_array_spec(make_spec((8,), "i4"))


def test_sizes_and_specs() -> None:
    spec = make_spec((8,))
    assert ShardingCodec(chunk_shape=(2,)).compute_encoded_size(100, spec) == 100 + 4 * 16 + 4
    bare = ShardingCodec(chunk_shape=(2,), index_codecs=[BytesCodec()])
    assert bare.compute_encoded_size(100, spec) == 100 + 4 * 16
    assert bare.resolve_metadata(spec) == spec


def test_the_pipeline_of_the_inner_chunks() -> None:
    pipeline = ShardingCodec(chunk_shape=(2,), codecs=[BytesCodec(), GzipCodec()]).codec_pipeline
    assert isinstance(pipeline, BatchedCodecPipeline)
    assert tuple(pipeline) == (BytesCodec(), GzipCodec())


class OtherBuffer(Buffer):
    pass


class OtherNDBuffer(NDBuffer):
    pass


def test_results_are_held_by_the_classes_asked_for() -> None:
    codec, array = ShardingCodec(chunk_shape=(2,)), counting((4,))
    spec = replace(make_spec((4,)), prototype=BufferPrototype(OtherBuffer, OtherNDBuffer))
    stored = codec._encode_sync(NDBuffer.from_numpy_array(array), spec)
    assert type(stored) is OtherBuffer
    decoded = codec._decode_sync(stored, spec)
    assert type(decoded) is OtherNDBuffer
    assert np.array_equal(decoded.as_numpy_array(), array)
