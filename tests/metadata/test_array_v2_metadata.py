"""The ``.zarray`` and ``.zattrs`` documents: reading, refusing, writing."""

from __future__ import annotations

import copy
import json
import pickle
import re
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr.codecs import GzipCodec
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer.cpu import buffer_prototype
from zarr.core.chunk_grids import ChunkGrid
from zarr.core.config import config
from zarr.core.dtype import Float32, Int16, Int32, VariableLengthBytes, VariableLengthUTF8
from zarr.core.metadata import ArrayV2Metadata
from zarr.core.metadata.v2 import (
    get_object_codec_id,
    parse_chunks,
    parse_compressor,
    parse_dtype,
    parse_filters,
    parse_zarr_format,
)
from zarr.errors import MetadataValidationError, UnknownCodecError, ZarrUserWarning

DOCUMENT: dict[str, Any] = {
    "shape": [4, 6],
    "chunks": [2, 3],
    "dtype": "<i4",
    "fill_value": 7,
    "order": "C",
    "filters": None,
    "dimension_separator": ".",
    "compressor": None,
    "zarr_format": 2,
}


def document(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy({**DOCUMENT, **changes})


def make(**changes: Any) -> ArrayV2Metadata:
    return ArrayV2Metadata.from_dict(document(**changes))


def stored(metadata: ArrayV2Metadata) -> tuple[Any, Any]:
    buffers = metadata.to_buffer_dict(buffer_prototype)
    assert list(buffers) == [".zarray", ".zattrs"]
    array, attributes = (json.loads(buffer.to_bytes()) for buffer in buffers.values())
    return array, attributes


SAME_AGAIN: list[dict[str, Any]] = [
    {},
    {"shape": [], "chunks": []},
    {"fill_value": None},
    {"order": "F"},
    {"dimension_separator": "/"},
    {"dtype": ">f8", "fill_value": "NaN"},
    {"dtype": "<c8", "fill_value": [1.0, "Infinity"]},
    {"dtype": "|b1", "fill_value": True},
    {"dtype": "|S3", "fill_value": "YWI="},
    {"dtype": "<U2", "fill_value": "é"},
    {"dtype": "<M8[10ms]", "fill_value": -(2**63)},
    {"dtype": [["a", "<i4"], ["b", ">f8"]], "fill_value": "AAAAAAAAAAAAAAAA"},
    {"dtype": "|O", "fill_value": "", "filters": [{"id": "vlen-utf8"}]},
    {"dtype": "|O", "fill_value": None, "compressor": {"id": "vlen-utf8"}},
    {"compressor": {"id": "zstd", "level": 3}},
    {"compressor": {"id": "zstd", "level": 3, "checksum": True}},
    {"filters": [{"id": "delta", "dtype": "<i4", "astype": "<i4"}, {"id": "zlib", "level": 1}]},
]


@pytest.mark.parametrize("changes", SAME_AGAIN, ids=lambda c: ",".join(c) or "plain")
def test_a_document_is_written_as_it_was_read(changes: dict[str, Any]) -> None:
    metadata = make(**changes)
    array, attributes = stored(metadata)
    assert array == document(**changes)
    assert attributes == {}
    assert ArrayV2Metadata.from_dict(metadata.to_dict()) == metadata


def test_the_text_is_indented_as_configured_and_in_a_fixed_order() -> None:
    buffers = make(attributes={"u": [1, {"v": None}]}).to_buffer_dict(buffer_prototype)
    text = buffers[".zarray"].to_bytes()
    assert text == json.dumps(DOCUMENT, indent=2).encode()
    assert (
        buffers[".zattrs"].to_bytes()
        == b'{\n  "u": [\n    1,\n    {\n      "v": null\n    }\n  ]\n}'
    )
    with config.set({"json_indent": None}):
        assert make().to_buffer_dict(buffer_prototype)[".zattrs"].to_bytes() == b"{}"
        text = make().to_buffer_dict(buffer_prototype)[".zarray"].to_bytes()
    assert text == json.dumps(DOCUMENT).encode()


def test_attributes_belong_to_the_dictionary_and_not_to_the_array_document() -> None:
    metadata = make(attributes={"a": float("nan")})
    assert list(metadata.to_dict()) == [*list(DOCUMENT)[:-1], "attributes", "zarr_format"]
    assert metadata.to_buffer_dict(buffer_prototype)[".zattrs"].to_bytes() == b'{\n  "a": NaN\n}'
    assert make(attributes=None).attributes == {}


def test_unknown_fields_are_ignored() -> None:
    assert make(extra=1, node_type="array") == make()


def test_optional_fields() -> None:
    lacking = document()
    for name in ("dimension_separator", "compressor", "filters"):
        del lacking[name]
    metadata = ArrayV2Metadata.from_dict(lacking)
    assert metadata == make()


def test_golden_documents_are_written_as_they_were_read(golden: Path) -> None:
    paths = list(golden.rglob(".zarray"))
    assert len(paths) > 20
    for path in paths:
        original = json.loads(path.read_text())
        array, _ = stored(ArrayV2Metadata.from_dict(original))
        if (original["compressor"] or {}).get("checksum") is False:
            del original["compressor"]["checksum"]  # the default, which older readers refuse
        assert array == {"dimension_separator": "."} | original


@given(
    shape=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), max_size=4),
    fill_value=st.none() | st.floats(width=32),
    order=st.sampled_from(["C", "F"]),
    compressor=st.sampled_from([None, numcodecs.Zstd(level=1), {"id": "gzip", "level": 1}]),
    filters=st.lists(st.sampled_from([numcodecs.Shuffle(4), {"id": "zlib", "level": 2}])),
)
def test_reading_what_was_written_gives_the_same_metadata(
    shape: list[tuple[int, int]],
    fill_value: float | None,
    order: Any,
    compressor: Any,
    filters: Any,
) -> None:
    metadata = ArrayV2Metadata(
        shape=[n for n, _ in shape],
        chunks=[c for _, c in shape],
        dtype=Float32(),
        fill_value=fill_value,
        order=order,
        compressor=compressor,
        filters=filters or None,
    )
    array, attributes = stored(metadata)
    again = ArrayV2Metadata.from_dict(array | {"attributes": attributes})
    assert again == metadata
    assert hash(again) == hash(metadata)
    assert pickle.loads(pickle.dumps(metadata)) == metadata


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"zarr_format": 3}, ValueError, "expected Literal[2], got 3"),
    ({"shape": [-1, 6]}, ValueError, "non-negative"),
    ({"chunks": [2]}, ValueError, "`chunks` has length 1, but `shape` has length 2"),
    ({"chunks": [2, 1.5]}, TypeError, "Expected an iterable of integers"),
    ({"chunks": None}, TypeError, "Expected an integer or an iterable of integers"),
    ({"order": "X"}, ValueError, "expected Literal['C', 'F'], got 'X'"),
    ({"dimension_separator": "-"}, ValueError, "expected Literal['.', '/'], got '-'"),
    ({"dtype": "zz"}, ValueError, "No Zarr data type found"),
    ({"dtype": "|O"}, ValueError, "No Zarr data type found"),
    ({"dtype": "|O", "filters": [{"id": "pickle"}]}, ValueError, "No Zarr data type found"),
    ({"fill_value": "NaN"}, TypeError, "Invalid type: NaN"),
    ({"filters": [1]}, TypeError, "Invalid filter at index 0"),
    ({"filters": {"id": "zlib"}}, TypeError, "Invalid filter at index 0"),
    ({"filters": 7}, TypeError, "Invalid filters"),
    ({"filters": [{"id": "nope"}]}, UnknownCodecError, "codec 'nope' is not available"),
    ({"compressor": {"id": "nope"}}, UnknownCodecError, "codec 'nope' is not available"),
    ({"compressor": [{"id": "zlib"}]}, ValueError, "Invalid compressor"),
    ({"attributes": [1]}, TypeError, "dictionary update sequence"),
]


@pytest.mark.parametrize(("changes", "error", "message"), REFUSED)
def test_documents_that_are_not_valid_are_refused(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        make(**changes)


@pytest.mark.parametrize("name", ["zarr_format", "shape", "chunks", "dtype", "fill_value", "order"])
def test_a_missing_field_is_named_with_the_place(name: str) -> None:
    lacking = document()
    del lacking[name]
    with pytest.raises(MetadataValidationError, match=f"'a/b' lack the field '{name}'") as caught:
        ArrayV2Metadata.from_dict(lacking, path="a/b")
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, TypeError)


def test_an_empty_list_of_filters_is_none_with_a_warning() -> None:
    with pytest.warns(ZarrUserWarning, match="empty list of filters"):
        metadata = make(filters=[])
    assert metadata.filters is None


def test_the_object_codec_decides_the_data_type() -> None:
    assert make(dtype="|O", filters=[{"id": "vlen-utf8"}], fill_value="").dtype == (
        VariableLengthUTF8()
    )
    assert make(dtype="|O", compressor={"id": "vlen-bytes"}, fill_value="").dtype == (
        VariableLengthBytes()
    )


PARSED: list[tuple[Any, tuple[Any, ...], Any]] = [
    (parse_zarr_format, (2,), 2),
    (parse_dtype, ("<i4",), np.dtype("<i4")),
    (
        parse_dtype,
        ([["a", "<i4"], ["b", [["c", ">f8"]]]],),
        np.dtype([("a", "<i4"), ("b", [("c", ">f8")])]),
    ),
    (parse_chunks, (2, (4,)), (2,)),
    (parse_chunks, ([2, 3], (4, 5)), (2, 3)),
    (parse_filters, (None,), None),
    (parse_filters, ([],), None),
    (parse_filters, (numcodecs.Zlib(1),), (numcodecs.Zlib(1),)),
    (parse_filters, ([{"id": "zlib", "level": 2}],), (numcodecs.Zlib(2),)),
    (parse_compressor, (None,), None),
    (parse_compressor, ({"id": "zlib", "level": 2},), numcodecs.Zlib(2)),
    (parse_compressor, (numcodecs.Zlib(1),), numcodecs.Zlib(1)),
    (get_object_codec_id, ([],), None),
    (get_object_codec_id, ([{"id": "zlib"}],), None),
    (get_object_codec_id, ([{"id": "zlib"}, {"id": "pickle"}],), "pickle"),
    (get_object_codec_id, ([None, {"id": "json2"}],), "json2"),
]


@pytest.mark.parametrize(("parse", "arguments", "expected"), PARSED)
def test_fields_are_parsed(parse: Any, arguments: tuple[Any, ...], expected: Any) -> None:
    assert parse(*arguments) == expected


def test_codecs_of_format_3_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Got <class 'zarr\.codecs\.gzip\.GzipCodec'>"):
        parse_compressor(GzipCodec())
    with pytest.raises(TypeError, match=r"Got <class 'zarr\.codecs\.gzip\.GzipCodec'>"):
        parse_filters([GzipCodec()])


def test_chunk_keys() -> None:
    assert make().encode_chunk_key((1, 0)) == "1.0"
    assert make(dimension_separator="/").encode_chunk_key((1, 0)) == "1/0"
    assert make(shape=[], chunks=[]).encode_chunk_key(()) == "0"


def test_chunk_spec_and_grid() -> None:
    metadata = make(order="F", fill_value=None)
    array_config = ArrayConfig(order="C", write_empty_chunks=False)
    assert metadata.get_chunk_spec((1, 1), array_config, buffer_prototype) == ArraySpec(
        (2, 3), Int32(), None, array_config, buffer_prototype
    )
    assert metadata.chunk_grid == ChunkGrid.from_sizes((4, 6), (2, 3))
    assert ChunkGrid.from_metadata(metadata) == metadata.chunk_grid
    assert (metadata.shards, metadata.ndim) == (None, 2)


def test_updates_return_new_metadata() -> None:
    metadata = make(attributes={"a": 1}, compressor={"id": "zlib", "level": 2})
    larger = metadata.update_shape((9, 9))
    assert (larger.shape, larger.chunks, metadata.shape) == ((9, 9), (2, 3), (4, 6))
    assert larger.compressor == numcodecs.Zlib(2)
    other = metadata.update_attributes({"b": 2})
    assert (other.attributes, metadata.attributes) == ({"b": 2}, {"a": 1})
    with pytest.raises(ValueError, match="must have the same length"):
        metadata.update_shape((9,))


DIFFERENT: list[dict[str, Any]] = [
    {"shape": [5, 6]},
    {"chunks": [1, 3]},
    {"dtype": ">i4"},
    {"fill_value": None},
    {"fill_value": 8},
    {"order": "F"},
    {"filters": [{"id": "zlib", "level": 1}]},
    {"dimension_separator": "/"},
    {"compressor": {"id": "zlib", "level": 1}},
    {"attributes": {"a": 1}},
]


@pytest.mark.parametrize("changes", DIFFERENT, ids=lambda c: next(iter(c)))
def test_metadata_that_differ_are_not_equal(changes: dict[str, Any]) -> None:
    assert make(**changes) != make()
    assert make(**changes) == make(**changes)


def test_chunk_lengths_of_zero_are_repaired() -> None:
    written = document(shape=[0, 6], chunks=[0, 3])
    metadata = ArrayV2Metadata.from_dict(written)
    assert (metadata.chunks, metadata._stored_document) == ((1, 3), written)
    assert metadata.update_attributes({})._stored_document is None
    with pytest.warns(ZarrUserWarning, match=r"'p' is stored with .*\(dimensions: \[1\]"):
        metadata = ArrayV2Metadata.from_dict(document(chunks=[2, 0]), path="p")
    assert metadata.chunks == (2, 1)


def test_chunk_lengths_of_zero_are_not_stored() -> None:
    metadata = ArrayV2Metadata(shape=(4,), dtype=Int16(), chunks=(0,), fill_value=0, order="C")
    with pytest.raises(ValueError, match="at least 1"):
        metadata.to_buffer_dict(buffer_prototype)
