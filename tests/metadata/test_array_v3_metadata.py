"""The ``zarr.json`` document of an array: reading, refusing, settling, writing."""

from __future__ import annotations

import copy
import json
import pickle
import re
import warnings
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr.codecs import (
    BytesCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    VLenUTF8Codec,
    ZstdCodec,
)
from zarr.core.buffer.cpu import buffer_prototype
from zarr.core.config import config
from zarr.core.dtype import Float64, Int8, Int32, VariableLengthUTF8
from zarr.core.metadata import ArrayV3Metadata
from zarr.core.metadata.v3 import (
    RectilinearChunksDisabledError,
    RegularChunkGridMetadata,
    check_allowed_extra_field,
    parse_codecs,
    parse_dimension_names,
    parse_extra_fields,
    parse_node_type_array,
    parse_storage_transformers,
    parse_zarr_format,
    validate_array_bytes_codec,
    validate_codecs,
)
from zarr.errors import (
    MetadataValidationError,
    NodeTypeValidationError,
    UnknownCodecError,
    UnstableSpecificationWarning,
    ZarrUserWarning,
)

BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
DOCUMENT: dict[str, Any] = {
    "shape": [4, 6],
    "data_type": "int32",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 3]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 7,
    "codecs": [BYTES],
    "attributes": {},
    "zarr_format": 3,
    "node_type": "array",
    "storage_transformers": [],
}


def document(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy({**DOCUMENT, **changes})


def regular(*chunk_shape: Any) -> dict[str, Any]:
    return {"name": "regular", "configuration": {"chunk_shape": list(chunk_shape)}}


def rectilinear(*chunk_shapes: Any) -> dict[str, Any]:
    configuration = {"kind": "inline", "chunk_shapes": list(chunk_shapes)}
    return {"name": "rectilinear", "configuration": configuration}


def sharding(*chunk_shape: int, codecs: Any = (BYTES,)) -> dict[str, Any]:
    configuration = {
        "chunk_shape": list(chunk_shape),
        "codecs": list(codecs),
        "index_codecs": [BYTES, {"name": "crc32c"}],
        "index_location": "end",
    }
    return {"name": "sharding_indexed", "configuration": configuration}


def make(**changes: Any) -> ArrayV3Metadata:
    return ArrayV3Metadata.from_dict(document(**changes))


def stored(metadata: ArrayV3Metadata) -> Any:
    buffers = metadata.to_buffer_dict(buffer_prototype)
    assert list(buffers) == ["zarr.json"]
    return json.loads(buffers["zarr.json"].to_bytes())


# --- writing what was read --------------------------------------------------------------

SAME_AGAIN: list[dict[str, Any]] = [
    {},
    {"shape": [], "chunk_grid": regular()},
    {"shape": [0, 6]},
    {"attributes": {"a": {"b": [1, None, True, "é"]}}},
    {"dimension_names": ["y", None]},
    {"dimension_names": [None, None]},
    {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}}},
    {"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "/"}}},
    {"data_type": "float64", "fill_value": "NaN"},
    {"data_type": "float32", "fill_value": "-Infinity"},
    {"data_type": "complex64", "fill_value": [1.5, "NaN"]},
    {"data_type": "bool", "fill_value": True, "codecs": [{"name": "bytes"}]},
    {"data_type": "uint64", "fill_value": 2**64 - 1},
    {"data_type": "string", "fill_value": "é", "codecs": [{"name": "vlen-utf8"}]},
    {
        "data_type": {
            "name": "numpy.datetime64",
            "configuration": {"unit": "s", "scale_factor": 1},
        },
        "fill_value": -(2**63),
    },
    {
        "data_type": {
            "name": "struct",
            "configuration": {"fields": [{"name": "a", "data_type": "int32"}]},
        },
        "fill_value": {"a": 3},
    },
    {"codecs": [{"name": "transpose", "configuration": {"order": [1, 0]}}, BYTES]},
    {"codecs": [BYTES, {"name": "gzip", "configuration": {"level": 5}}, {"name": "crc32c"}]},
    {"codecs": [sharding(1, 3)]},
    {"codecs": [sharding(2, 3, codecs=[sharding(1, 1)])]},
    {"extension": {"must_understand": False, "k": [1]}},
]


@pytest.mark.parametrize("changes", SAME_AGAIN, ids=lambda c: ",".join(c) or "plain")
def test_a_document_is_written_as_it_was_read(changes: dict[str, Any]) -> None:
    if changes.get("data_type") == "string":
        # The codec writes its empty configuration out.
        expected = document(**changes) | {"codecs": [{"name": "vlen-utf8", "configuration": {}}]}
    else:
        expected = document(**changes)
    assert stored(make(**changes)) == expected
    assert ArrayV3Metadata.from_dict(make(**changes).to_dict()) == make(**changes)


@pytest.mark.parametrize(
    ("indent", "head"), [(2, b'{\n  "shape": [\n    4,'), (None, b'{"shape": [4, 6], "data_ty')]
)
def test_the_text_is_indented_as_configured_and_in_a_fixed_order(
    indent: int | None, head: bytes
) -> None:
    metadata = make(dimension_names=["y", "x"], zzz={"must_understand": False})
    with config.set({"json_indent": indent}):
        text = metadata.to_buffer_dict(buffer_prototype)["zarr.json"].to_bytes()
    assert text.startswith(head)
    assert text == json.dumps(json.loads(text), indent=indent).encode()
    assert list(json.loads(text)) == [
        "shape",
        "data_type",
        "chunk_grid",
        "chunk_key_encoding",
        "fill_value",
        "codecs",
        "attributes",
        "dimension_names",
        "zarr_format",
        "node_type",
        "storage_transformers",
        "zzz",
    ]


def test_fields_that_may_be_left_out_get_defaults() -> None:
    given_document = document()
    for name in ("attributes", "storage_transformers"):
        del given_document[name]
    metadata = ArrayV3Metadata.from_dict(given_document)
    assert (metadata.attributes, metadata.storage_transformers) == ({}, ())
    assert metadata.dimension_names is None
    assert "dimension_names" not in metadata.to_dict()
    with pytest.raises(ValueError, match="`dimension_names` and `shape`"):
        make(dimension_names=[])
    assert ArrayV3Metadata.from_dict(given_document | {"attributes": None}).attributes == {}


@pytest.mark.parametrize("names", [(), [], iter([])])
def test_no_names_for_no_dimensions_are_kept(names: Any) -> None:
    named = make(shape=[], chunk_grid=regular(), dimension_names=names)
    unnamed = make(shape=[], chunk_grid=regular(), dimension_names=None)
    assert (named.dimension_names, unnamed.dimension_names) == ((), None)
    assert named.to_dict()["dimension_names"] == ()
    assert "dimension_names" not in unnamed.to_dict()
    assert named != unnamed
    assert named.update_attributes({"a": 1}).dimension_names == ()
    stored = json.loads(named.to_buffer_dict(buffer_prototype)["zarr.json"].to_bytes())
    assert stored["dimension_names"] == []
    assert ArrayV3Metadata.from_dict(stored) == named


def test_storage_transformers_are_kept() -> None:
    """They are refused where the array would be used."""
    transformers = ({"name": "x", "configuration": {}},)
    metadata = make(storage_transformers=transformers)
    assert metadata.storage_transformers == transformers
    assert metadata.to_dict()["storage_transformers"] == transformers
    assert metadata != make(storage_transformers=())
    assert metadata.update_shape((9, 9)).storage_transformers == transformers
    stored = json.loads(metadata.to_buffer_dict(buffer_prototype)["zarr.json"].to_bytes())
    assert ArrayV3Metadata.from_dict(stored).to_dict()["storage_transformers"] == transformers


def test_attributes_keep_not_a_number_as_the_bare_word() -> None:
    metadata = make(attributes={"v": float("nan"), "w": float("-inf")})
    text = metadata.to_buffer_dict(buffer_prototype)["zarr.json"].to_bytes()
    assert b'"v": NaN' in text
    assert b'"w": -Infinity' in text


@pytest.mark.parametrize("value", [np.float32(1), b"x", {1, 2}, np.arange(2), object()])
def test_attributes_without_a_json_form_are_refused_when_stored(value: object) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        make(attributes={"v": value}).to_buffer_dict(buffer_prototype)


def test_a_data_type_without_a_specification_warns_when_written_only() -> None:
    data_type = {"name": "null_terminated_bytes", "configuration": {"length_bytes": 3}}
    metadata = make(data_type=data_type, fill_value="", codecs=[{"name": "bytes"}])
    with pytest.warns(UnstableSpecificationWarning, match="does not have a Zarr V3 specification"):
        metadata.to_buffer_dict(buffer_prototype)


def test_golden_documents_are_written_as_they_were_read(golden: Path) -> None:
    documents = [
        json.loads(path.read_text())
        for path in golden.rglob("zarr.json")
        if json.loads(path.read_text())["node_type"] == "array"
    ]
    assert len(documents) > 20
    with config.set({"array.rectilinear_chunks": True}), warnings.catch_warnings():
        warnings.simplefilter("ignore", UnstableSpecificationWarning)
        for original in documents:
            written = stored(ArrayV3Metadata.from_dict(original))
            assert normal(written) == normal(original)


def normal(value: Any) -> Any:
    """Write defaults out, which a document may leave out: an empty configuration, for one."""
    if isinstance(value, list):
        return [normal(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {key: normal(item) for key, item in value.items() if item not in ({}, [])}
    if result.get("name") == "sharding_indexed":
        configuration = {"index_location": "end"} | result["configuration"]
        result["configuration"] = configuration
    separator = {"default": "/", "v2": "."}.get(result.get("name", ""))
    if separator is not None and "configuration" not in result:
        result["configuration"] = {"separator": separator}
    return result


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    shape=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), max_size=4),
    attributes=st.dictionaries(st.text(), JSON_VALUES, max_size=3),
    fill_value=st.floats(),
    separator=st.sampled_from([".", "/"]),
)
def test_reading_what_was_written_gives_the_same_metadata(
    shape: list[tuple[int, int]], attributes: Any, fill_value: float, separator: str
) -> None:
    metadata = ArrayV3Metadata(
        shape=[n for n, _ in shape],
        data_type=Float64(),
        chunk_grid=RegularChunkGridMetadata(chunk_shape=tuple(c for _, c in shape)),
        chunk_key_encoding={"name": "v2", "configuration": {"separator": separator}},
        fill_value=fill_value,
        codecs=[BytesCodec(), ZstdCodec()],
        attributes=attributes,
        dimension_names=[str(n) for n, _ in shape],
    )
    again = ArrayV3Metadata.from_dict(stored(metadata))
    assert again == metadata
    assert hash(again) == hash(metadata)
    assert pickle.loads(pickle.dumps(metadata)) == metadata


# --- refusing ---------------------------------------------------------------------------

REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"zarr_format": 2}, MetadataValidationError, "expected Literal[3], got 2"),
    ({"node_type": "group"}, NodeTypeValidationError, "expected Literal['array'], got 'group'"),
    ({"shape": [-1, 6]}, ValueError, "non-negative"),
    ({"shape": [4.0, 6]}, TypeError, "Expected an iterable of integers"),
    ({"shape": "46"}, TypeError, "Expected an iterable of integers"),
    ({"shape": [4]}, ValueError, "`chunk_grid` and `shape` need to have the same number"),
    ({"chunk_grid": regular(2, -1)}, ValueError, "-1"),
    ({"chunk_grid": regular(2, 1.5)}, TypeError, "integers"),
    ({"chunk_grid": {"name": "other", "configuration": {}}}, ValueError, "Unknown chunk grid"),
    ({"chunk_grid": {"name": "regular"}}, ValueError, "does not have a 'configuration' key"),
    ({"chunk_grid": "regular"}, TypeError, "Expected dict, got <class 'str'>"),
    ({"chunk_grid": rectilinear(2, 3)}, RectilinearChunksDisabledError, "disabled by default"),
    ({"chunk_key_encoding": "default"}, TypeError, "Expected dict, got <class 'str'>"),
    ({"chunk_key_encoding": {"name": "x"}}, ValueError, "Unknown chunk key encoding"),
    ({"data_type": "int7"}, ValueError, "No Zarr data type found that matches 'int7'"),
    ({"data_type": ["int32"]}, ValueError, "Invalid data_type: ['int32']"),
    ({"data_type": {"name": "int32"}}, ValueError, "Invalid data_type"),
    ({"fill_value": None}, TypeError, "Invalid type: None"),
    ({"fill_value": 2**40}, OverflowError, "out of bounds"),
    ({"dimension_names": ["y"]}, ValueError, "`dimension_names` and `shape` need to have"),
    ({"dimension_names": [1, 2]}, TypeError, "Expected either None or an iterable of str"),
    ({"attributes": "x"}, ValueError, "dictionary update sequence"),
    ({"storage_transformers": "x"}, TypeError, "Expected an iterable of dicts"),
    ({"codecs": []}, ValueError, "At least one ArrayBytesCodec is required."),
    ({"codecs": None}, TypeError, "Expected iterable"),
    ({"codecs": [BYTES, BYTES]}, ValueError, "Only one ArrayBytesCodec is allowed."),
    ({"codecs": ["bytes"]}, TypeError, "Expected dict, got <class 'str'>"),
    ({"codecs": [{"name": "nope"}]}, UnknownCodecError, "codec 'nope' is not available"),
    ({"codecs": [{"name": "bytes"}]}, ValueError, "`endian` configuration needs to be"),
    (
        {"codecs": [{"name": "gzip", "configuration": {"level": 1}}, BYTES]},
        TypeError,
        "must be preceded by an ArrayArrayCodec. Got <class 'zarr.codecs.gzip.GzipCodec'>",
    ),
    (
        {"codecs": [BYTES, {"name": "transpose", "configuration": {"order": [1, 0]}}]},
        TypeError,
        "must be preceded by another ArrayArrayCodec",
    ),
    ({"codecs": [sharding(2, 2)]}, ValueError, "length 3 in dimension 1 is not divisible"),
    ({"codecs": [sharding(2)]}, ValueError, "same number of dimensions"),
    (
        {"codecs": [sharding(2, 3, codecs=[sharding(2, 2)])]},
        ValueError,
        "length 3 in dimension 1 is not divisible by the shard's inner chunk size 2",
    ),
    ({"extra": 7}, MetadataValidationError, "disallowed extra fields: ['extra']"),
    ({"extra": {"k": 1}}, MetadataValidationError, "disallowed extra fields: ['extra']"),
    ({"extra": {"must_understand": True}}, MetadataValidationError, "disallowed extra fields"),
]


@pytest.mark.parametrize(("changes", "error", "message"), REFUSED)
def test_documents_that_are_not_valid_are_refused(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        make(**changes)


@pytest.mark.parametrize(
    "name", [n for n in DOCUMENT if n not in ("attributes", "storage_transformers")]
)
def test_a_missing_field_is_named_with_the_place(name: str) -> None:
    lacking = document()
    del lacking[name]
    with pytest.raises(MetadataValidationError, match=f"'a/b' lack the field '{name}'") as caught:
        ArrayV3Metadata.from_dict(lacking, path="a/b")
    assert isinstance(caught.value, KeyError)


def test_string_data_needs_the_codec_for_strings() -> None:
    make(data_type="string", fill_value="", codecs=[{"name": "vlen-utf8"}])
    make(data_type="string", fill_value="", codecs=[sharding(2, 3, codecs=[{"name": "vlen-utf8"}])])
    for codecs in ([BYTES], [{"name": "vlen-bytes"}], [sharding(2, 3)]):
        with pytest.raises(ValueError, match="ArrayBytesCodec must be `VLenUTF8Codec`, got `"):
            make(data_type="string", fill_value="", codecs=codecs)


def test_fill_values_are_converted_once() -> None:
    assert make(fill_value=1.0).fill_value == np.int32(1)
    assert type(make(fill_value=1.0).fill_value) is np.int32


PARSED: list[tuple[Any, Any, Any]] = [
    (parse_zarr_format, 3, 3),
    (parse_node_type_array, "array", "array"),
    (parse_dimension_names, None, None),
    (parse_dimension_names, ["a", None], ("a", None)),
    (parse_storage_transformers, None, ()),
    (parse_storage_transformers, [], ()),
    (parse_codecs, [BYTES, GzipCodec(level=1)], (BytesCodec(), GzipCodec(level=1))),
    (check_allowed_extra_field, {"must_understand": False}, True),
    (check_allowed_extra_field, {"must_understand": 0}, False),
    (check_allowed_extra_field, {}, False),
    (check_allowed_extra_field, 5, False),
    (validate_array_bytes_codec, (BytesCodec(), GzipCodec()), BytesCodec()),
]


@pytest.mark.parametrize(("parse", "data", "expected"), PARSED)
def test_fields_are_parsed(parse: Any, data: Any, expected: Any) -> None:
    assert parse(data) == expected


def test_extra_fields_may_not_take_reserved_names() -> None:
    allowed = {"must_understand": False}
    for node_type in ("array", "group"):
        with pytest.raises(ValueError, match=f"keys: \\['shape'\\].*{node_type} metadata"):
            parse_extra_fields({"shape": allowed}, reserved_keys={"shape"}, node_type=node_type)
    assert parse_extra_fields(None, reserved_keys={"shape"}, node_type="array") == {}


def test_codecs_are_validated_for_the_data_type() -> None:
    validate_codecs((VLenUTF8Codec(),), VariableLengthUTF8())
    validate_codecs((TransposeCodec(order=(0,)), BytesCodec(), GzipCodec()), Int8())


# --- codecs settled for the array -------------------------------------------------------


def test_each_codec_is_settled_for_what_the_one_before_leaves() -> None:
    cast = {
        "name": "cast_value",
        "configuration": {"data_type": "uint8", "rounding": "nearest-even"},
    }
    metadata = make(data_type="float64", fill_value=0.0, codecs=[cast, {"name": "bytes"}])
    assert metadata.codecs[-1] == BytesCodec(endian=None)
    with pytest.raises(ValueError, match="`endian` configuration"):
        make(data_type="float64", fill_value=0.0, codecs=[{"name": "bytes"}])


def test_a_codec_behind_a_transposition_sees_the_transposed_chunks() -> None:
    transpose = {"name": "transpose", "configuration": {"order": [1, 0]}}
    kept = make(codecs=[transpose, sharding(3, 2)])  # chunks of (2, 3) arrive as (3, 2)
    assert kept.codecs[1] == ShardingCodec(chunk_shape=(3, 2))
    with pytest.raises(ValueError, match="not divisible"):
        make(codecs=[transpose, sharding(2, 3)])


# --- what the document says about chunks ------------------------------------------------


def test_chunks_and_shards() -> None:
    plain, sharded = make(), make(codecs=[sharding(1, 3)])
    assert (plain.chunks, plain.shards, plain.sharding_codec) == ((2, 3), None, None)
    assert plain.inner_codecs == plain.codecs == (BytesCodec(),)
    assert (sharded.chunks, sharded.shards) == ((1, 3), (2, 3))
    assert sharded.sharding_codec is sharded.codecs[0]
    assert sharded.inner_codecs == (BytesCodec(),)


def test_codecs_around_a_sharding_codec_hide_the_inner_chunks() -> None:
    with pytest.warns(ZarrUserWarning, match="disables partial reads"):
        nested = make(codecs=[sharding(2, 3, codecs=[sharding(1, 3), {"name": "crc32c"}])])
    assert nested.sharding_codec is not None
    outside = make(codecs=[sharding(1, 3), {"name": "crc32c"}])
    assert (outside.sharding_codec, outside.shards, outside.chunks) == (None, None, (2, 3))


def test_rectilinear_grids_have_no_one_chunk_shape() -> None:
    with config.set({"array.rectilinear_chunks": True}):
        plain = make(chunk_grid=rectilinear([1, 3], 3))
        sharded = make(chunk_grid=rectilinear([2, 2], 3), codecs=[sharding(1, 3)])
    with pytest.raises(NotImplementedError, match=r"`chunks` attribute.*`read_chunk_sizes`"):
        plain.chunks
    assert plain.shards is None
    assert sharded.chunks == (1, 3)
    with pytest.raises(NotImplementedError, match=r"`shards` attribute.*`write_chunk_sizes`"):
        sharded.shards
    with pytest.raises(RectilinearChunksDisabledError):
        plain.to_buffer_dict(buffer_prototype)


def test_edges_have_to_reach_the_end_of_the_array() -> None:
    with config.set({"array.rectilinear_chunks": True}):
        make(chunk_grid=rectilinear([1, 4], 3))
        with pytest.raises(ValueError, match=r"dimension 0 add up to 3.*4"):
            make(chunk_grid=rectilinear([1, 2], 3))


def test_chunk_keys() -> None:
    assert make().encode_chunk_key((1, 0)) == "c/1/0"
    v2 = make(chunk_key_encoding={"name": "v2"})
    assert v2.encode_chunk_key((1, 0)) == "1.0"
    assert (v2.ndim, v2.dtype) == (2, Int32())


# --- changing ---------------------------------------------------------------------------


def test_updates_return_new_metadata() -> None:
    metadata = make(attributes={"a": 1})
    larger = metadata.update_shape((9, 9))
    assert (larger.shape, metadata.shape) == ((9, 9), (4, 6))
    assert larger.chunk_grid == metadata.chunk_grid
    other = metadata.update_attributes({"b": 2})
    assert (other.attributes, metadata.attributes) == ({"b": 2}, {"a": 1})
    assert metadata.update_attributes(None).attributes == {}
    with pytest.raises(ValueError, match="same number of dimensions"):
        metadata.update_shape((9,))
    with pytest.raises(FrozenInstanceError):
        metadata.shape = (1, 1)  # type: ignore[misc]


def test_attributes_are_not_shared_with_the_caller() -> None:
    attributes: dict[str, Any] = {"a": 1}
    metadata = make().update_attributes(attributes)
    attributes["a"] = 2
    assert metadata.attributes == {"a": 1}


def test_resizing_extends_a_rectilinear_grid() -> None:
    with config.set({"array.rectilinear_chunks": True}):
        metadata = make(chunk_grid=rectilinear([1, 3], 3))
        larger, smaller = metadata.update_shape((9, 6)), metadata.update_shape((1, 6))
    assert larger.chunk_grid.to_dict()["configuration"]["chunk_shapes"] == ([1, 3, 5], 3)  # type: ignore[call-overload,index]
    assert smaller.chunk_grid == metadata.chunk_grid


DIFFERENT: list[dict[str, Any]] = [
    {"shape": [5, 6]},
    {"data_type": "int64"},
    {"chunk_grid": regular(1, 3)},
    {"chunk_key_encoding": {"name": "v2"}},
    {"fill_value": 8},
    {"codecs": [BYTES, {"name": "crc32c"}]},
    {"attributes": {"a": 1}},
    {"dimension_names": ["y", "x"]},
    {"x": {"must_understand": False}},
]


@pytest.mark.parametrize("changes", DIFFERENT, ids=lambda c: next(iter(c)))
def test_metadata_that_differ_are_not_equal(changes: dict[str, Any]) -> None:
    assert make(**changes) != make()
    assert make(**changes) == make(**changes)


def test_not_a_number_equals_itself() -> None:
    changes = {"data_type": "float64", "fill_value": "NaN"}
    one = make(**changes, attributes={"v": [float("nan")]})
    other = make(**changes, attributes={"v": [float("nan") * -1]})
    assert one == other
    assert hash(one) == hash(other)


def test_attributes_without_a_json_form_can_be_compared() -> None:
    assert make(attributes={"v": {1, 2}}) == make(attributes={"v": {1, 2}})
    assert make(attributes={"v": {1, 2}}) != make(attributes={"v": {1, 3}})


def test_metadata_equal_nothing_else() -> None:
    assert make() != DOCUMENT


# --- chunk lengths of zero --------------------------------------------------------------


def test_an_empty_array_with_chunk_length_zero_is_repaired_silently() -> None:
    written = document(shape=[0, 6], chunk_grid=regular(0, 3))
    metadata = ArrayV3Metadata.from_dict(written)
    assert metadata.chunks == (1, 3)
    assert metadata._stored_document == written
    assert stored(metadata)["chunk_grid"] == regular(1, 3)
    assert metadata.update_attributes({})._stored_document is None
    assert make()._stored_document is None


def test_an_array_whose_chunks_cannot_exist_is_repaired_with_a_warning() -> None:
    with pytest.warns(ZarrUserWarning, match=r"'p' is stored with .*\[0, 3\].*\(dimensions: \[0\]"):
        metadata = ArrayV3Metadata.from_dict(document(chunk_grid=regular(0, 3)), path="p")
    assert metadata.chunks == (1, 3)


def test_a_shard_length_of_zero_becomes_the_inner_length() -> None:
    metadata = make(shape=[0, 6], chunk_grid=regular(0, 3), codecs=[sharding(2, 3)])
    assert metadata.shards == (2, 3)


@pytest.mark.parametrize("chunk_shape", [[0, -1], [0, 3.0], [0], [0, 3, 1], [0, None]])
def test_other_faults_of_a_chunk_shape_are_not_repaired(chunk_shape: list[Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        make(shape=[0, 6], chunk_grid=regular(*chunk_shape))
