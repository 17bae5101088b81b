"""Structured data types: NumPy layouts, fields, errors."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import zarr.dtype as zd
from zarr.core.dtype import get_data_type_from_json
from zarr.errors import DataTypeValidationError, ZarrUserWarning


def test_fields_must_exist_and_differ() -> None:
    for cls in (zd.Struct, zd.Structured):
        with pytest.raises(ValueError, match="must have at least one field"):
            cls(fields=())
        with pytest.raises(ValueError, match="field 'a' occurs more than once"):
            cls(fields=(("a", zd.Int8()), ("a", zd.Int16())))


def test_fields_of_a_list_become_a_tuple() -> None:
    dtype = zd.Struct(fields=[("a", zd.Int8())])  # type: ignore[arg-type]
    assert dtype == zd.Struct(fields=(("a", zd.Int8()),))
    hash(dtype)


def test_the_two_classes_differ() -> None:
    fields = (("a", zd.Int16()),)
    assert zd.Struct(fields=fields) != zd.Structured(fields=fields)
    assert issubclass(zd.Struct, zd.Structured)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (zd.Int8(), False),
        (zd.Bool(), False),
        (zd.Int16(), True),
        (zd.FixedLengthUTF32(length=1), True),
        (zd.RawBytes(length=1), False),
        (zd.RawBytes(length=2), True),
        (zd.VariableLengthBytes(), False),
        (zd.Struct(fields=(("a", zd.Int16()),)), True),
    ],
)
def test_has_multi_byte_fields(field: Any, expected: bool) -> None:
    assert zd.Struct(fields=(("x", zd.Int8()), ("a", field))).has_multi_byte_fields() is expected


@pytest.mark.parametrize("field", [zd.VariableLengthUTF8(), zd.VariableLengthBytes()])
def test_fields_of_varying_size_have_no_layout(field: Any) -> None:
    dtype = zd.Struct(fields=(("a", field),))
    with pytest.raises(TypeError, match="Field 'a' has the data type Variable"):
        dtype.to_native_dtype()
    with pytest.raises(TypeError, match="need a fixed size"):
        dtype.item_size


@pytest.mark.parametrize(
    "native",
    [
        np.dtype({"names": ["a", "b"], "formats": ["u1", "i4"], "offsets": [0, 4], "itemsize": 8}),
        np.dtype({"names": ["a", "b"], "formats": ["u1", "i4"], "offsets": [4, 0], "itemsize": 5}),
        np.dtype({"names": ["a", "b"], "formats": ["u1", "i4"], "offsets": [0, 0], "itemsize": 4}),
        np.dtype({"names": ["a", "b"], "formats": ["u1", "i4"], "offsets": [0, 1], "itemsize": 9}),
        np.dtype([("a", "u1"), ("b", "i4")], align=True),
    ],
)
def test_padding_is_dropped_with_a_warning(native: Any) -> None:
    nested = np.dtype([("x", "u1"), ("p", native)])
    for _ in range(2):
        with pytest.warns(ZarrUserWarning) as caught:
            dtype = zd.data_type_registry.match_dtype(native)
        assert [str(w.message) for w in caught] == [
            "The structured dtype is converted to a packed field layout. Field values are preserved "
            "when writing arrays, but field offsets and itemsize may change."
        ]
        assert dtype == zd.Struct(fields=(("a", zd.UInt8()), ("b", zd.Int32())))
        with pytest.warns(ZarrUserWarning) as caught:
            outer = zd.data_type_registry.match_dtype(nested)
        assert len(caught) == 1
        assert outer == zd.Struct(fields=(("x", zd.UInt8()), ("p", dtype)))


def test_aligned_without_padding_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dtype = zd.Struct.from_native_dtype(np.dtype([("a", "i4"), ("b", "i4")], align=True))
    assert dtype.item_size == 8


def test_titles_and_subarrays_are_refused() -> None:
    with pytest.raises(ValueError) as error:
        zd.Struct.from_native_dtype(np.dtype([("x", "<i2", (2,)), ("y", "S3")]))
    assert str(error.value) == (
        "Cannot convert the structured data type [('x', '<i2', (2,)), ('y', 'S3')]: field 'x' is a "
        "subarray with shape (2,). Zarr-Python's current structured dtype conversion does not "
        "support field titles or subarray fields."
    )
    with pytest.raises(ValueError, match="field 'a' has a title \\('title'\\)"):
        zd.Struct.from_native_dtype(np.dtype([(("title", "a"), "i4")]))
    with pytest.raises(ValueError, match="field 'a' is a subarray"):
        zd.Struct.from_native_dtype(np.dtype([("p", [("a", "i4", 3)])]))


def test_nested_structs_are_of_the_current_class() -> None:
    native = np.dtype([("p", [("a", "<i4")])])
    inner = zd.Struct(fields=(("a", zd.Int32()),))
    assert zd.Structured.from_native_dtype(native) == zd.Structured(fields=(("p", inner),))


@pytest.mark.parametrize(
    ("form", "zarr_format", "message"),
    [
        (
            {"name": "struct", "configuration": {"fields": [{"name": "a", "data_type": "nope"}]}},
            3,
            "No Zarr data type found that matches 'nope' at /configuration/fields/0/data_type",
        ),
        (
            {"name": [["x", "|u1"], ["a", "|O"]], "object_codec_id": None},
            2,
            "No Zarr data type found that matches {'name': '|O', 'object_codec_id': None} at /1/1",
        ),
        (
            {"name": "struct", "configuration": {"fields": []}},
            3,
            "must have at least one field. Got ()",
        ),
        ({"name": [], "object_codec_id": None}, 2, "must have at least one field. Got ()"),
    ],
)
def test_bad_fields_are_named(form: Any, zarr_format: Any, message: str) -> None:
    for read in (zd.Struct.from_json, get_data_type_from_json):
        with pytest.raises(ValueError) as error:
            read(form, zarr_format=zarr_format)
        assert str(error.value) == message


@pytest.mark.parametrize(
    ("form", "zarr_format", "expected"),
    [
        ("x", 3, "a JSON object with the key 'struct'"),
        ("x", 2, "a JSON array of arrays"),
        ({"name": "struct"}, 3, "a JSON object with the key 'struct'"),
        ({"name": "struct", "configuration": {"fields": "ab"}}, 3, "a JSON object"),
        ({"name": "struct", "configuration": {"fields": [{"name": "a"}]}}, 3, "a JSON object"),
        ({"name": "struct", "configuration": {"fields": [[1, "int8"]]}}, 3, "a JSON object"),
        ({"name": "struct", "configuration": {"fields": [["a", "int8", 2]]}}, 3, "a JSON object"),
        ({"name": "struct", "configuration": {"fields": [], "x": 1}}, 3, "a JSON object"),
        ({"name": [["a", "<i4", [2]]], "object_codec_id": None}, 2, "a JSON array of arrays"),
        ({"name": [["a", "<i4"]], "object_codec_id": "x"}, 2, "a JSON array of arrays"),
    ],
)
def test_foreign_forms_of_structs(form: Any, zarr_format: Any, expected: str) -> None:
    with pytest.raises(DataTypeValidationError) as error:
        zd.Struct.from_json(form, zarr_format=zarr_format)
    assert f"Invalid JSON representation of Struct. Got {form!r}, expected {expected}" in str(
        error.value
    )


def test_the_older_class_reads_the_older_form_only() -> None:
    form = {"name": "struct", "configuration": {"fields": [{"name": "a", "data_type": "int32"}]}}
    with pytest.raises(DataTypeValidationError, match="with the key 'structured'"):
        zd.Structured.from_json(form, zarr_format=3)
