"""Names of the data types in both formats and in NumPy, and the way between them."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import zarr.dtype as zd
from zarr.core.dtype import get_data_type_from_json
from zarr.core.dtype.common import HasItemSize, unpack_dtype_json
from zarr.errors import DataTypeValidationError, UnstableSpecificationWarning


def v2(name: Any, codec: str | None = None) -> dict[str, Any]:
    return {"name": name, "object_codec_id": codec}


def v3(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name, "configuration": configuration}


NUMBERS: list[tuple[Any, str, str, int]] = [
    (zd.Int16, "i2", "int16", 2),
    (zd.UInt16, "u2", "uint16", 2),
    (zd.Int32, "i4", "int32", 4),
    (zd.UInt32, "u4", "uint32", 4),
    (zd.Int64, "i8", "int64", 8),
    (zd.UInt64, "u8", "uint64", 8),
    (zd.Float16, "f2", "float16", 2),
    (zd.Float32, "f4", "float32", 4),
    (zd.Float64, "f8", "float64", 8),
    (zd.Complex64, "c8", "complex64", 8),
    (zd.Complex128, "c16", "complex128", 16),
]
I4, F8 = zd.Int32(), zd.Float64()

# data type, repr, format 2, format 3, NumPy, item size in bytes, default
CASES: list[tuple[Any, str, Any, Any, Any, int | None, Any]] = [
    (zd.Bool(), "Bool()", v2("|b1"), "bool", "?", 1, False),
    (zd.Int8(), "Int8()", v2("|i1"), "int8", "i1", 1, 0),
    (zd.UInt8(), "UInt8()", v2("|u1"), "uint8", "u1", 1, 0),
    *(
        (cls(endianness=e), f"{cls.__name__}(endianness='{e}')", v2(c + t), n, c + t, size, 0)
        for cls, t, n, size in NUMBERS
        for e, c in [("little", "<"), ("big", ">")]
    ),
    (
        zd.FixedLengthUTF32(length=3),
        "FixedLengthUTF32(length=3, endianness='little')",
        v2("<U3"),
        v3("fixed_length_utf32", length_bytes=12),
        "<U3",
        12,
        "",
    ),
    (
        zd.FixedLengthUTF32(length=10, endianness="big"),
        "FixedLengthUTF32(length=10, endianness='big')",
        v2(">U10"),
        v3("fixed_length_utf32", length_bytes=40),
        ">U10",
        40,
        "",
    ),
    (
        zd.NullTerminatedBytes(length=4),
        "NullTerminatedBytes(length=4)",
        v2("|S4"),
        v3("null_terminated_bytes", length_bytes=4),
        "S4",
        4,
        b"",
    ),
    (
        zd.RawBytes(length=5),
        "RawBytes(length=5)",
        v2("|V5"),
        v3("raw_bytes", length_bytes=5),
        "V5",
        5,
        np.void(b"\0" * 5),
    ),
    (
        zd.VariableLengthUTF8(),
        "VariableLengthUTF8()",
        v2("|O", "vlen-utf8"),
        "string",
        np.dtypes.StringDType(),
        None,
        "",
    ),
    (
        zd.VariableLengthBytes(),
        "VariableLengthBytes()",
        v2("|O", "vlen-bytes"),
        "variable_length_bytes",
        "O",
        None,
        b"",
    ),
    (
        zd.DateTime64(unit="s"),
        "DateTime64(endianness='little', scale_factor=1, unit='s')",
        v2("<M8[s]"),
        v3("numpy.datetime64", unit="s", scale_factor=1),
        "<M8[s]",
        8,
        np.datetime64("NaT", "s"),
    ),
    (
        zd.DateTime64(unit="ms", scale_factor=10, endianness="big"),
        "DateTime64(endianness='big', scale_factor=10, unit='ms')",
        v2(">M8[10ms]"),
        v3("numpy.datetime64", unit="ms", scale_factor=10),
        ">M8[10ms]",
        8,
        np.datetime64("NaT", ("ms", 10)),
    ),
    (
        zd.DateTime64(),
        "DateTime64(endianness='little', scale_factor=1, unit='generic')",
        v2("<M8"),
        v3("numpy.datetime64", unit="generic", scale_factor=1),
        "<M8",
        8,
        np.datetime64("NaT"),
    ),
    (
        zd.TimeDelta64(unit="h", scale_factor=5),
        "TimeDelta64(endianness='little', scale_factor=5, unit='h')",
        v2("<m8[5h]"),
        v3("numpy.timedelta64", unit="h", scale_factor=5),
        "<m8[5h]",
        8,
        np.timedelta64("NaT", ("h", 5)),
    ),
    (
        zd.Struct(fields=(("a", I4), ("b", F8))),
        "Struct(fields=(('a', Int32(endianness='little')), ('b', Float64(endianness='little'))))",
        v2([["a", "<i4"], ["b", "<f8"]]),
        v3(
            "struct",
            fields=[
                {"name": "a", "data_type": "int32"},
                {"name": "b", "data_type": "float64"},
            ],
        ),
        [("a", "<i4"), ("b", "<f8")],
        12,
        np.zeros((), [("a", "<i4"), ("b", "<f8")])[()],
    ),
    (
        zd.Structured(fields=(("a", zd.UInt16(endianness="big")),)),
        "Structured(fields=(('a', UInt16(endianness='big')),))",
        v2([["a", ">u2"]]),
        v3("structured", fields=[["a", "uint16"]]),
        [("a", ">u2")],
        2,
        np.zeros((), [("a", ">u2")])[()],
    ),
    (
        zd.Struct(fields=(("p", zd.Struct(fields=(("q", zd.UInt8()),))), ("s", zd.Bool()))),
        "Struct(fields=(('p', Struct(fields=(('q', UInt8()),))), ('s', Bool())))",
        v2([["p", [["q", "|u1"]]], ["s", "|b1"]]),
        v3(
            "struct",
            fields=[
                {
                    "name": "p",
                    "data_type": v3("struct", fields=[{"name": "q", "data_type": "uint8"}]),
                },
                {"name": "s", "data_type": "bool"},
            ],
        ),
        [("p", [("q", "u1")]), ("s", "?")],
        2,
        np.zeros((), [("p", [("q", "u1")]), ("s", "?")])[()],
    ),
]
IDS = [case[1] for case in CASES]
UNSTABLE = (zd.NullTerminatedBytes, zd.RawBytes, zd.VariableLengthBytes)


def is_unstable(dtype: Any) -> bool:
    return isinstance(dtype, UNSTABLE) or type(dtype) is zd.Structured


def to_json_v3(dtype: Any) -> Any:
    if is_unstable(dtype):
        with pytest.warns(UnstableSpecificationWarning, match="does not have a Zarr V3"):
            return dtype.to_json(zarr_format=3)
    return dtype.to_json(zarr_format=3)


def same_scalar(a: Any, b: Any) -> bool:
    if isinstance(b, np.datetime64 | np.timedelta64):
        return bool(a.dtype == b.dtype and a.view("i8") == b.view("i8"))
    return bool(a == b)


@pytest.mark.parametrize(("dtype", "text", "j2", "j3", "native", "size", "default"), CASES, ids=IDS)
class TestForms:
    def test_repr(
        self, dtype: Any, text: str, j2: Any, j3: Any, native: Any, size: Any, default: Any
    ) -> None:
        assert repr(dtype) == text

    def test_to_json(
        self, dtype: Any, text: str, j2: Any, j3: Any, native: Any, size: Any, default: Any
    ) -> None:
        assert dtype.to_json(zarr_format=2) == j2
        assert to_json_v3(dtype) == j3
        assert json.loads(json.dumps(dtype.to_json(2))) == j2

    def test_from_json(
        self, dtype: Any, text: str, j2: Any, j3: Any, native: Any, size: Any, default: Any
    ) -> None:
        cls = type(dtype)
        assert cls.from_json(j2, zarr_format=2) == dtype
        # Format 3 leaves the byte order to the codecs.
        read = cls.from_json(j3, zarr_format=3)
        assert to_json_v3(read) == j3
        assert getattr(read, "endianness", "little") == "little"

    def test_other_classes_refuse_the_form(
        self, dtype: Any, text: str, j2: Any, j3: Any, native: Any, size: Any, default: Any
    ) -> None:
        related = (zd.Struct, zd.Structured)
        for other in zd.data_type_registry.contents.values():
            if other is type(dtype) or (other in related and type(dtype) in related):
                continue
            for form, zarr_format in ((j2, 2), (j3, 3)):
                with pytest.raises(DataTypeValidationError):
                    other.from_json(form, zarr_format=zarr_format)  # type: ignore[arg-type]

    def test_native(
        self, dtype: Any, text: str, j2: Any, j3: Any, native: Any, size: Any, default: Any
    ) -> None:
        expected = np.dtype(native)
        result = dtype.to_native_dtype()
        assert result == expected
        assert result.str == expected.str
        assert type(result) is dtype.dtype_cls
        assert type(dtype).from_native_dtype(expected) == dtype

    def test_size(
        self, dtype: Any, text: str, j2: Any, j3: Any, native: Any, size: Any, default: Any
    ) -> None:
        if size is None:
            assert not hasattr(dtype, "item_size")
            assert not isinstance(dtype, HasItemSize)
        else:
            assert dtype.item_size == size == np.dtype(native).itemsize

    def test_default(
        self, dtype: Any, text: str, j2: Any, j3: Any, native: Any, size: Any, default: Any
    ) -> None:
        value = dtype.default_scalar()
        assert same_scalar(value, default)
        assert type(value) is type(dtype.cast_scalar(value))
        for zarr_format in (2, 3):
            stored = json.loads(json.dumps(dtype.to_json_scalar(value, zarr_format=zarr_format)))
            assert same_scalar(dtype.from_json_scalar(stored, zarr_format=zarr_format), default)

    def test_value_semantics(
        self, dtype: Any, text: str, j2: Any, j3: Any, native: Any, size: Any, default: Any
    ) -> None:
        twin = type(dtype)(**{f.name: getattr(dtype, f.name) for f in dataclasses.fields(dtype)})
        assert twin == dtype
        assert hash(twin) == hash(dtype)
        dtype.to_native_dtype()
        assert pickle.loads(pickle.dumps(dtype)) == dtype
        assert copy.deepcopy(dtype) == dtype
        assert sum(other[0] == dtype for other in CASES) == 1
        assert dtype != j3

    def test_look_up(
        self, dtype: Any, text: str, j2: Any, j3: Any, native: Any, size: Any, default: Any
    ) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for form, zarr_format in ((j2, 2), (j3, 3)):
                found = get_data_type_from_json(form, zarr_format=zarr_format)  # type: ignore[arg-type]
                registered = zd.Struct if type(dtype) is zd.Structured else type(dtype)
                assert type(found) is registered
                if zarr_format == 2:
                    assert found.to_json(2) == j2


def test_what_metadata_documents_hold() -> None:
    assert unpack_dtype_json(zd.Int16().to_json(2)) == "<i2"
    assert unpack_dtype_json(zd.VariableLengthUTF8().to_json(2)) == "|O"
    assert unpack_dtype_json(CASES[-1][0].to_json(2)) == [["p", [["q", "|u1"]]], ["s", "|b1"]]
    assert unpack_dtype_json(zd.Int16().to_json(3)) == "int16"
    form = v3("numpy.datetime64", unit="s", scale_factor=1)
    assert unpack_dtype_json(zd.DateTime64(unit="s").to_json(3)) == form
    assert unpack_dtype_json({"name": "x"}) == {"name": "x"}


def test_unstable_warning_names_the_data_type() -> None:
    with pytest.warns(UnstableSpecificationWarning) as caught:
        zd.RawBytes(length=3).to_json(3)
    assert [str(w.message) for w in caught] == [
        "The data type (RawBytes(length=3)) does not have a Zarr V3 specification. That means that "
        "the representation of arrays saved with this data type may change without warning in a "
        "future version of Zarr Python. Arrays stored with this data type may be unreadable by "
        "other Zarr libraries. Use this data type at your own risk! Check "
        "https://github.com/zarr-developers/zarr-extensions/tree/main/data-types for the status of "
        "data type specifications for Zarr V3."
    ]


def test_unstable_field_of_a_struct_warns() -> None:
    dtype = zd.Struct(fields=(("a", zd.NullTerminatedBytes(length=3)),))
    with pytest.warns(UnstableSpecificationWarning, match="NullTerminatedBytes"):
        dtype.to_json(3)


@pytest.mark.parametrize("dtype", [case[0] for case in CASES], ids=IDS)
def test_unknown_format(dtype: Any) -> None:
    for zarr_format in (1, 4, None):
        with pytest.raises(ValueError, match=f"zarr_format must be 2 or 3, got {zarr_format}"):
            dtype.to_json(zarr_format)
        with pytest.raises(ValueError, match=f"zarr_format must be 2 or 3, got {zarr_format}"):
            type(dtype).from_json("int8", zarr_format=zarr_format)


def test_instances_are_frozen() -> None:
    dtype = zd.Int16()
    with pytest.raises(
        dataclasses.FrozenInstanceError, match="cannot assign to field 'endianness'"
    ):
        dtype.endianness = "big"  # type: ignore[misc]


@pytest.mark.parametrize("cls", [zd.Int16, zd.Float64, zd.DateTime64])
def test_byte_order_must_exist_when_used(cls: Any) -> None:
    dtype = cls(endianness="middle")
    with pytest.raises(ValueError, match="Invalid endianness: 'middle'"):
        dtype.to_native_dtype()
    with pytest.raises(ValueError, match="Invalid endianness: 'middle'"):
        dtype.to_json(2)


@pytest.mark.parametrize("cls", [zd.FixedLengthUTF32, zd.NullTerminatedBytes, zd.RawBytes])
@pytest.mark.parametrize("length", [0, -1])
def test_length_is_at_least_one(cls: Any, length: int) -> None:
    with pytest.raises(ValueError, match=f"length must be >= 1, got {length}."):
        cls(length=length)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"unit": "s", "scale_factor": 0}, "scale_factor must be > 0, got 0."),
        (
            {"unit": "s", "scale_factor": 2**31},
            "scale_factor must be < 2147483648, got 2147483648.",
        ),
        (
            {"unit": "fortnight"},
            "unit must be one of ('Y', 'M', 'W', 'D', 'h', 'm', 's', 'ms', 'us', 'μs', 'ns', 'ps', "
            "'fs', 'as', 'generic'), got 'fortnight'.",
        ),
    ],
)
def test_time_parameters_out_of_range(parameters: Any, message: str) -> None:
    for cls in (zd.DateTime64, zd.TimeDelta64):
        with pytest.raises(ValueError) as error:
            cls(**parameters)
        assert str(error.value) == message


def test_time_scale_factor_up_to_the_limit() -> None:
    dtype = zd.TimeDelta64(unit="s", scale_factor=2**31 - 1)
    assert dtype.to_native_dtype() == np.dtype("m8[2147483647s]")
    assert zd.TimeDelta64.from_json(dtype.to_json(2), zarr_format=2) == dtype


def test_micro_has_two_spellings() -> None:
    assert zd.DateTime64(unit="μs") == zd.DateTime64(unit="us")
    form = v3("numpy.datetime64", unit="μs", scale_factor=1)
    stored: Any = zd.DateTime64.from_json(form, zarr_format=3).to_json(3)
    assert stored == v3("numpy.datetime64", unit="us", scale_factor=1)


@pytest.mark.parametrize(
    ("cls", "form", "zarr_format", "message"),
    [
        (zd.Int8, "int16", 3, "Invalid JSON representation of Int8. Got 'int16', expected the string 'int8'"),
        (zd.Int8, v2("|i2"), 2, "Invalid JSON representation of Int8. Got {'name': '|i2', 'object_codec_id': None}, expected the string '|i1'"),
        (zd.Int8, "|i1", 2, "Invalid JSON representation of Int8. Got '|i1', expected the string '|i1'"),
        (zd.Int16, v2("|i2"), 2, "Invalid JSON representation of Int16. Got {'name': '|i2', 'object_codec_id': None}, expected one of the strings ('>i2', '<i2')."),
        (zd.Int16, v2("<i2", "x"), 2, "Invalid JSON representation of Int16. Got {'name': '<i2', 'object_codec_id': 'x'}, expected one of the strings ('>i2', '<i2')."),
        (zd.Bool, "x", 3, "Invalid JSON representation of Bool. Got 'x', expected the string 'bool'"),
        (zd.Float32, "x", 3, "Invalid JSON representation of Float32. Got 'x', expected float32."),
        (zd.Complex64, "x", 3, "Invalid JSON representation of Complex64. Got 'x', expected complex64."),
        (zd.VariableLengthUTF8, "int8", 3, "Invalid JSON representation of VariableLengthUTF8. Got 'int8', expected string."),
        (zd.VariableLengthUTF8, v2("|O", "vlen-bytes"), 2, "Invalid JSON representation of VariableLengthUTF8. Got {'name': '|O', 'object_codec_id': 'vlen-bytes'}, expected the string '|O'"),
        (zd.VariableLengthBytes, "x", 2, "Invalid JSON representation of VariableLengthBytes. Got 'x', expected the string '|O' and an object_codec_id of vlen-bytes"),
        (zd.FixedLengthUTF32, v2("U3"), 2, "Invalid JSON representation of FixedLengthUTF32. Got {'name': 'U3', 'object_codec_id': None}, expected a string representation of a NumPy U dtype."),
        (zd.NullTerminatedBytes, v2("S4"), 2, "Invalid JSON representation of NullTerminatedBytes. Got {'name': 'S4', 'object_codec_id': None}, expected a string like '|S1', '|S2', etc"),
        (zd.RawBytes, v2("|S4"), 2, "Invalid JSON representation of RawBytes. Got {'name': '|S4', 'object_codec_id': None}, expected a string like '|V1', '|V2', etc"),
        (zd.RawBytes, v3("raw_bytes", length_bytes=4, x=1), 3, "Invalid JSON representation of RawBytes. Got {'name': 'raw_bytes', 'configuration': {'length_bytes': 4, 'x': 1}}, expected the string 'raw_bytes'"),
        (zd.RawBytes, v3("raw_bytes", length_bytes=True), 3, "Invalid JSON representation of RawBytes. Got {'name': 'raw_bytes', 'configuration': {'length_bytes': True}}, expected the string 'raw_bytes'"),
        (zd.DateTime64, v2("<m8[s]"), 2, "Invalid JSON representation of DateTime64. Got {'name': '<m8[s]', 'object_codec_id': None}, expected a string representation of an instance of <class 'numpy.dtypes.DateTime64DType'>"),
        (zd.DateTime64, v2("<M8[foo]"), 2, "Invalid JSON representation of DateTime64. Got {'name': '<M8[foo]', 'object_codec_id': None}, expected a string representation of an instance of <class 'numpy.dtypes.DateTime64DType'>"),
        (zd.TimeDelta64, v3("numpy.timedelta64", unit="s"), 3, "Invalid JSON representation of TimeDelta64. Got {'name': 'numpy.timedelta64', 'configuration': {'unit': 's'}}, expected a dict with a 'name' key with the value 'numpy.timedelta64', and a 'configuration' key with a value of a dict with a 'unit' key and a 'scale_factor' key"),
    ],
)  # fmt: skip
def test_foreign_forms(cls: Any, form: Any, zarr_format: Any, message: str) -> None:
    with pytest.raises(DataTypeValidationError) as error:
        cls.from_json(form, zarr_format=zarr_format)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("cls", "form", "zarr_format", "message"),
    [
        (zd.FixedLengthUTF32, v2("<U0"), 2, "length must be >= 1, got 0."),
        (zd.FixedLengthUTF32, v3("fixed_length_utf32", length_bytes=3), 3, "length must be >= 1"),
        (zd.RawBytes, v2("|V0"), 2, "length must be >= 1, got 0."),
        (zd.DateTime64, v2("<M8[0s]"), 2, "scale_factor must be > 0, got 0."),
        (
            zd.DateTime64,
            v3("numpy.datetime64", unit="parsec", scale_factor=1),
            3,
            "got 'parsec'.",
        ),
    ],
)
def test_own_forms_with_parameters_out_of_range(
    cls: Any, form: Any, zarr_format: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        cls.from_json(form, zarr_format=zarr_format)
    assert not isinstance(error.value, DataTypeValidationError)


@pytest.mark.parametrize(
    ("cls", "native"),
    [
        (zd.Int8, "i2"),
        (zd.Int16, "i1"),
        (zd.Int16, "u2"),
        (zd.Bool, "i1"),
        (zd.Float64, "f4"),
        (zd.DateTime64, "m8[s]"),
        (zd.FixedLengthUTF32, "S4"),
        (zd.NullTerminatedBytes, "U4"),
        (zd.VariableLengthUTF8, "O"),
        (zd.VariableLengthBytes, "U4"),
        (zd.RawBytes, [("a", "i4")]),
        (zd.RawBytes, ("i4", (2,))),
        (zd.Struct, "V4"),
        (zd.Struct, "i4"),
    ],
)
def test_foreign_native_dtypes(cls: Any, native: Any) -> None:
    native = np.dtype(native)
    with pytest.raises(DataTypeValidationError) as error:
        cls.from_native_dtype(native)
    assert (
        str(error.value) == f"Invalid data type: {native}. Expected an instance of {cls.dtype_cls}"
    )


def test_both_c_types_of_one_size() -> None:
    for char in "lq":
        found = zd.data_type_registry.match_dtype(np.dtype(char))
        assert found.item_size == np.dtype(char).itemsize  # type: ignore[attr-defined]
    assert zd.Int64.from_native_dtype(np.dtype("q")) == zd.Int64()
    assert zd.UInt64.from_native_dtype(np.dtype(">Q")) == zd.UInt64(endianness="big")


def test_numbers_spell_the_byte_order_of_their_dtype() -> None:
    assert repr(zd.Int32().to_native_dtype()) == "dtype('<i4')"
    assert repr(zd.Float64(endianness="big").to_native_dtype()) == "dtype('>f8')"
    assert repr(zd.UInt8().to_native_dtype()) == "dtype('uint8')"


def test_strings_with_a_missing_value_are_refused() -> None:
    for na_object in (None, np.nan):
        with pytest.raises(ValueError, match="`na_object` set, which is not supported"):
            zd.VariableLengthUTF8.from_native_dtype(np.dtypes.StringDType(na_object=na_object))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("r8", zd.RawBytes(length=1)),
        ("r32", zd.RawBytes(length=4)),
        ({"name": "r16"}, zd.RawBytes(length=2)),
        ("bytes", zd.VariableLengthBytes()),
        ({"name": "int32"}, zd.Int32()),
        ({"name": "int32", "configuration": {}}, zd.Int32()),
        ({"name": "bool", "must_understand": True}, zd.Bool()),
        ({"name": "string", "configuration": {}}, zd.VariableLengthUTF8()),
        (v3("structured", fields=[{"name": "a", "data_type": "r8"}]), None),
        (v3("struct", fields=[["a", {"name": "raw_bytes", "configuration": {"length_bytes": 1}}]]), None),
    ],
)  # fmt: skip
def test_spellings_that_are_only_read(form: Any, expected: Any) -> None:
    if expected is None:
        expected = zd.Struct(fields=(("a", zd.RawBytes(length=1)),))
    assert get_data_type_from_json(form, zarr_format=3) == expected


@pytest.mark.parametrize(
    ("form", "zarr_format"),
    [
        ("int7", 3),
        ("r12", 3),
        ("r0", 3),
        ("r", 3),
        ("r32", 2),
        ({"name": "nope"}, 3),
        ({"name": "int32", "configuration": {"x": 1}}, 3),
        ({"name": "int32", "extra": 1}, 3),
        ("<i4", 2),
        ([["a", "<i4"]], 2),
        (v2("|O"), 2),
        (v2("|O", "pickle"), 2),
        (v2("|i4"), 2),
        (5, 3),
        (None, 3),
    ],
)
def test_unknown_forms(form: Any, zarr_format: Any) -> None:
    with pytest.raises(ValueError) as error:
        get_data_type_from_json(form, zarr_format=zarr_format)
    shown = form["name"] if form == {"name": "nope"} else form
    assert str(error.value) == f"No Zarr data type found that matches {shown!r}"
