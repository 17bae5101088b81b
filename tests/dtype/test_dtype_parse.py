"""`parse_dtype`: from what users pass for a data type to one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import zarr.dtype as zd
from zarr.core.dtype import get_data_type_from_native_dtype, parse_data_type
from zarr.dtype import parse_dtype

A = zd.Struct(fields=(("a", zd.Int32()),))
V3_TIME = {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (zd.Int8(), zd.Int8()),
        ("int8", zd.Int8()),
        ("i4", zd.Int32()),
        (">i4", zd.Int32(endianness="big")),
        ("=i4", zd.Int32()),
        ("|b1", zd.Bool()),
        ("?", zd.Bool()),
        ("b", zd.Int8()),
        ("f", zd.Float32()),
        ("float64", zd.Float64()),
        ("intp", zd.Int64()),
        ("c8", zd.Complex64()),
        (float, zd.Float64()),
        (int, zd.Int64()),
        (bool, zd.Bool()),
        (complex, zd.Complex128()),
        (None, zd.Float64()),
        (np.float32, zd.Float32()),
        (np.dtype(">u2"), zd.UInt16(endianness="big")),
        (np.dtype("f4", metadata={"x": 1}), zd.Float32()),
        (str, zd.VariableLengthUTF8()),
        ("str", zd.VariableLengthUTF8()),
        ("string", zd.VariableLengthUTF8()),
        ("T", zd.VariableLengthUTF8()),
        (np.dtypes.StringDType(), zd.VariableLengthUTF8()),
        (np.dtypes.StringDType(coerce=False), zd.VariableLengthUTF8()),
        ("U5", zd.FixedLengthUTF32(length=5)),
        ("S5", zd.NullTerminatedBytes(length=5)),
        ("V5", zd.RawBytes(length=5)),
        ("M8[us]", zd.DateTime64(unit="us")),
        ("M8[2D]", zd.DateTime64(unit="D", scale_factor=2)),
        ("datetime64", zd.DateTime64()),
        ([("a", "i4")], A),
        ([["a", "<i4"]], A),
        ([["p", [["a", "<i4"]]]], zd.Struct(fields=(("p", A),))),
        ("i4,f8", zd.Struct(fields=(("f0", zd.Int32()), ("f1", zd.Float64())))),
        ({"names": ["a"], "formats": ["i4"]}, A),
    ],
    ids=repr,
)
def test_in_both_formats(spec: Any, expected: Any) -> None:
    for zarr_format in (2, 3):
        for _ in range(2):  # the second time it is remembered
            assert parse_dtype(spec, zarr_format=zarr_format) == expected
        assert parse_data_type(spec, zarr_format=zarr_format) == expected


@pytest.mark.parametrize(
    ("spec", "zarr_format", "expected"),
    [
        ({"name": "|O", "object_codec_id": "vlen-utf8"}, 2, zd.VariableLengthUTF8()),
        ({"name": "|O", "object_codec_id": "vlen-bytes"}, 2, zd.VariableLengthBytes()),
        ({"name": "<i4", "object_codec_id": None}, 2, zd.Int32()),
        ({"name": [["a", "<i4"]], "object_codec_id": None}, 2, A),
        ("variable_length_bytes", 3, zd.VariableLengthBytes()),
        ("bytes", 3, zd.VariableLengthBytes()),
        (V3_TIME, 3, zd.DateTime64(unit="s")),
        (
            {"name": "fixed_length_utf32", "configuration": {"length_bytes": 8}},
            3,
            zd.FixedLengthUTF32(length=2),
        ),
        ({"name": "raw_bytes", "configuration": {"length_bytes": 8}}, 3, zd.RawBytes(length=8)),
        ({"name": "structured", "configuration": {"fields": [["a", "int32"]]}}, 3, A),
        (
            {"name": "struct", "configuration": {"fields": [{"name": "a", "data_type": "int32"}]}},
            3,
            A,
        ),
    ],
    ids=repr,
)
def test_json_forms(spec: Any, zarr_format: Any, expected: Any) -> None:
    assert parse_dtype(spec, zarr_format=zarr_format) == expected


OBJECT = 'Attempted to resolve a zarr data type from a numpy "Object" data type'


@pytest.mark.parametrize(
    ("spec", "formats", "error", "message"),
    [
        (5, (2, 3), TypeError, "Cannot interpret '5' as a data type"),
        ("nope", (2, 3), TypeError, "data type 'nope' not understood"),
        ("r16", (2, 3), TypeError, "data type 'r16' not understood"),
        ("raw_bytes", (2, 3), TypeError, "data type 'raw_bytes' not understood"),
        ("variable_length_bytes", (2,), TypeError, "not understood"),
        ("", (2, 3), TypeError, "data type '' not understood"),
        (["f8"], (2, 3), TypeError, "Field elements must be 2- or 3-tuples"),
        (object, (2, 3), ValueError, OBJECT),
        ("O", (2, 3), ValueError, OBJECT),
        (zd.Int16, (2, 3), ValueError, OBJECT),
        ([("a", "O")], (2, 3), ValueError, OBJECT),
        ("longdouble", (2, 3), ValueError, "No Zarr data type found that matches dtype 'dtype\\('float128'\\)'"),
        (("i4", (2,)), (2, 3), ValueError, "No Zarr data type found that matches dtype"),
        (bytes, (2, 3), ValueError, "length must be >= 1, got 0."),
        ("bytes", (2,), ValueError, "length must be >= 1, got 0."),
        ("S", (2, 3), ValueError, "length must be >= 1, got 0."),
        ("U0", (2, 3), ValueError, "length must be >= 1, got 0."),
        (np.str_, (2, 3), ValueError, "length must be >= 1, got 0."),
        ("V0", (2, 3), ValueError, "length must be >= 1, got 0."),
        (np.dtype([]), (2, 3), ValueError, "must have at least one field. Got \\(\\)"),
        ([("a", "i4", (2,))], (2, 3), ValueError, "field 'a' is a subarray with shape \\(2,\\)"),
        ({"name": "int32"}, (2, 3), ValueError, "entry not a 2- or 3- tuple"),
        ({"name": "int32", "configuration": {}}, (3,), ValueError, "entry not a 2- or 3- tuple"),
        ({"name": "nope"}, (3,), ValueError, "entry not a 2- or 3- tuple"),
        ({"name": "|O", "object_codec_id": "pickle"}, (2,), ValueError, "entry not a 2- or 3- tuple"),
        (np.dtypes.StringDType(na_object=None), (2, 3), ValueError, "`na_object` set"),
        ("M8[B]", (2, 3), TypeError, "Invalid datetime unit"),
        ("int8", (1, 4, None), ValueError, "zarr_format must be 2 or 3"),
        ({"name": "int8"}, (4,), ValueError, "zarr_format must be 2 or 3, got 4"),
    ],
    ids=repr,
)  # fmt: skip
def test_refused(spec: Any, formats: Any, error: Any, message: str) -> None:
    for zarr_format in formats:
        for _ in range(2):
            with pytest.raises(error, match=message):
                parse_dtype(spec, zarr_format=zarr_format)


def test_a_json_form_that_nothing_matches_is_named() -> None:
    with pytest.raises(ValueError) as error:
        parse_dtype({"name": "nope", "configuration": {}}, zarr_format=3)
    assert error.value.__notes__ == [
        "No Zarr data type found that matches {'name': 'nope', 'configuration': {}}"
    ]


def test_the_format_must_be_given() -> None:
    with pytest.raises(TypeError, match="zarr_format"):
        parse_dtype("int8")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [("i4", zd.Int32()), (None, zd.Float64()), ([("a", "i4")], A), (np.dtype("?"), zd.Bool())],
)
def test_from_native(spec: Any, expected: Any) -> None:
    assert get_data_type_from_native_dtype(spec) == expected


def test_from_native_knows_no_json_names() -> None:
    with pytest.raises(TypeError, match="data type 'string' not understood"):
        get_data_type_from_native_dtype("string")
    with pytest.raises(ValueError, match="length must be >= 1"):
        get_data_type_from_native_dtype(str)
