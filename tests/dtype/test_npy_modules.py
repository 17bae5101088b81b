"""`zarr.core.dtype.npy`: data types and JSON forms of scalars, under the paths others know."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import zarr.core.dtype
from zarr.core.dtype.npy import common, string, time
from zarr.core.dtype.wrapper import ZDType

CLASSES = {
    "bool": ["Bool"],
    "int": ["Int8", "UInt8", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64"],
    "float": ["Float16", "Float32", "Float64"],
    "complex": ["Complex64", "Complex128"],
    "bytes": [
        "NullTerminatedBytes",
        "NullTerminatedBytesJSON_V3",
        "NullterminatedBytesJSON_V2",
        "RawBytes",
        "RawBytesJSON_V2",
        "RawBytesJSON_V3",
        "VariableLengthBytes",
        "VariableLengthBytesJSON_V2",
    ],
    "string": [
        "FixedLengthUTF32",
        "FixedLengthUTF32JSON_V2",
        "FixedLengthUTF32JSON_V3",
        "VariableLengthUTF8",
        "VariableLengthUTF8JSON_V2",
    ],
    "structured": [
        "Struct",
        "StructJSON_V3",
        "Structured",
        "StructuredJSON_V2",
        "StructuredJSON_V3",
    ],
    "time": [
        "DateTime64",
        "DateTime64JSON_V2",
        "DateTime64JSON_V3",
        "TimeDelta64",
        "TimeDelta64JSON_V2",
        "TimeDelta64JSON_V3",
    ],
}
# Of each family, what lies beside the data types.
BESIDE = {
    "int": ["BaseInt", "IntLike"],
    "float": ["BaseFloat", "FloatLike"],
    "complex": ["BaseComplex", "ComplexLike"],
    "bytes": ["FixedLengthBytesConfig", "BytesLike"],
    "string": ["LengthBytesConfig", "SupportsStr", "check_vlen_string_json_scalar"],
    "structured": ["StructuredScalarLike"],
    "time": [
        "TimeConfig",
        "TimeDTypeBase",
        "DateTimeLike",
        "TimeDeltaLike",
        "check_json_time",
        "datetime_from_int",
        "datetimelike_to_int",
    ],
}


def module(family: str) -> Any:
    return importlib.import_module(f"zarr.core.dtype.npy.{family}")


@pytest.mark.parametrize("family", CLASSES)
def test_a_family_is_that_of_the_package(family: str) -> None:
    there = module(family)
    for name in CLASSES[family]:
        assert getattr(there, name) is getattr(zarr.core.dtype, name)
    assert sorted(there.__all__) == sorted([*CLASSES[family], *BESIDE.get(family, [])])
    assert all(hasattr(there, name) for name in there.__all__)


def test_every_data_type_is_in_a_family() -> None:
    families = {name for names in CLASSES.values() for name in names}
    every = {name for name in zarr.core.dtype.__all__ if name[0].isupper()}
    kinds = {name for name in every if isinstance(getattr(zarr.core.dtype, name), type)}
    assert kinds - families == {"ZDType", "DataTypeRegistry"}


@pytest.mark.parametrize(
    ("path", "dtype"),
    [
        (b"zarr.core.dtype.npy.int\nInt16\n", "i2"),
        (b"zarr.core.dtype.npy.string\nVariableLengthUTF8\n", "T"),
    ],
)
def test_pickles_that_refer_to_them_load(path: bytes, dtype: str) -> None:
    # As pickles made with zarr-python do; `c` is the opcode of a global name.
    loaded = pickle.loads(b"c" + path + b".")
    assert issubclass(loaded, ZDType)
    assert loaded().to_native_dtype() == np.dtype(dtype)


def test_they_are_loaded_when_they_are_asked_for() -> None:
    program = (
        "import sys, zarr\n"
        "zarr.create_array({}, shape=3, dtype='i4')[:]\n"
        "assert not any(name.startswith('zarr.core.dtype.npy') for name in sys.modules)\n"
        "assert zarr.core.dtype.npy.int.Int8 is zarr.dtype.Int8\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


# --- checks of JSON values --------------------------------------------------------------

VALUES: list[Any] = [
    1, True, 1.0, 1.5, "1", " 1", "1.5", "x", "", "NaN", "nan", "-Infinity", "0x7fc0", None,
    [1, 2], (1, 2), [1.5, "NaN"], [1], [1, 2, 3], ["1", "2"], "12", b"a", b"ab", {},
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("check_json_bool", [True]),
        ("check_json_int", [1, True]),
        ("check_json_str", [value for value in VALUES if isinstance(value, str)]),
        ("check_json_intish_float", [1.0]),
        ("check_json_intish_str", ["1", " 1", "12"]),
        ("check_json_floatish_str", ["1", " 1", "1.5", "NaN", "nan", "-Infinity", "12"]),
        ("check_json_float_v2", [1, True, 1.0, 1.5, "NaN", "-Infinity"]),
        ("check_json_float_v3", [1, True, 1.0, 1.5, "NaN", "-Infinity", "0x7fc0"]),
        ("check_json_complex_float_v2", [[1, 2], (1, 2), [1.5, "NaN"]]),
        ("check_json_complex_float_v3", [[1, 2], (1, 2), [1.5, "NaN"]]),
    ],
)
def test_checks(name: str, accepted: list[Any]) -> None:
    check = getattr(common, name)
    found = [value for value in VALUES if check(value)]
    assert [(type(value), value) for value in found] == [(type(v), v) for v in accepted]
    assert all(check(value) in (True, False) for value in VALUES)


def test_checks_of_other_families() -> None:
    assert [v for v in ("NaT", 1, 1.5, "x", None) if time.check_json_time(v)] == ["NaT", 1]
    texts = [v for v in ("x", 1, 1.5, None, b"") if string.check_vlen_string_json_scalar(v)]
    assert texts == ["x", 1, 1.5]
    assert isinstance(3, string.SupportsStr)


# --- conversions ------------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_bytes(zarr_format: Any) -> None:
    assert common.bytes_to_json(b"\0\1", zarr_format) == "AAE="
    assert common.bytes_from_json("AAE=", zarr_format=zarr_format) == b"\0\1"
    with pytest.raises(ValueError, match="base64"):
        common.bytes_from_json("AAE", zarr_format=zarr_format)


def test_bytes_of_an_unknown_format() -> None:
    with pytest.raises(ValueError, match="4"):
        common.bytes_from_json("AAE=", zarr_format=4)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="4"):
        common.bytes_to_json(b"", 4)  # type: ignore[arg-type]


def test_byte_orders() -> None:
    assert common.endianness_to_numpy_str("little") == "<"
    assert common.endianness_to_numpy_str("big") == ">"
    assert common.endianness_from_numpy_str("<") == "little"
    assert common.endianness_from_numpy_str(">") == "big"
    assert common.endianness_from_numpy_str("=") == sys.byteorder
    for dtype, order in (("<i4", "little"), (">i4", "big"), (">U3", "big"), ("=f8", sys.byteorder)):
        assert common.get_endianness_from_numpy_dtype(np.dtype(dtype)) == order


@pytest.mark.parametrize("order", ["<", "|", None])
def test_no_byte_order_of_ours(order: Any) -> None:
    with pytest.raises(ValueError, match="Invalid endianness"):
        common.endianness_to_numpy_str(order)


@pytest.mark.parametrize("order", ["little", "|", None])
def test_no_byte_order_of_numpy(order: Any) -> None:
    with pytest.raises(ValueError, match="Invalid endianness"):
        common.endianness_from_numpy_str(order)


@pytest.mark.parametrize("dtype", ["i1", "?", "S3", "O", "V3", [("a", "<i4")]])
def test_data_types_without_byte_order(dtype: Any) -> None:
    with pytest.raises(ValueError, match="unsupported endianness"):
        common.get_endianness_from_numpy_dtype(np.dtype(dtype))


@pytest.mark.parametrize("to_json", [common.float_to_json_v2, common.float_to_json_v3])
def test_floats_to_json(to_json: Any) -> None:
    given = (1.0, 3, -0.0, np.float32(1.5), np.float16("nan"), float("nan"), np.float64("-inf"))
    forms = [to_json(value) for value in given]
    assert forms == [1.0, 3.0, 0.0, 1.5, "NaN", "NaN", "-Infinity"]
    assert all(type(form) in (float, str) for form in forms)
    assert str(forms[2]) == "-0.0"
    with pytest.raises(TypeError):
        to_json("1")


def test_floats_from_json() -> None:
    for from_json in (common.float_from_json_v2, common.float_from_json_v3):
        assert [from_json(form) for form in (1, 1.5, "-Infinity")] == [1.0, 1.5, -np.inf]
        assert np.isnan(from_json("NaN"))
        with pytest.raises(ValueError, match="x"):
            from_json("x")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            from_json(None)  # type: ignore[arg-type]
    assert common.float_from_json_v2("1.5") == 1.5  # type: ignore[arg-type]
    assert common.float_from_json_v3("0x3f800000") == 1.0
    assert np.isnan(common.float_from_json_v3("0x7fc0"))
    for wrong in ("1.5", "inf", "0x1", "0xzzzz"):
        with pytest.raises(ValueError, match="float value"):
            common.float_from_json_v3(wrong)


def test_complex_numbers() -> None:
    number = complex(1, -np.inf)
    for to_json, from_json in (
        (common.complex_float_to_json_v2, common.complex_float_from_json_v2),
        (common.complex_float_to_json_v3, common.complex_float_from_json_v3),
    ):
        assert to_json(number) == to_json(np.complex64(number)) == (1.0, "-Infinity")
        assert from_json([1.0, "-Infinity"]) == number
    assert common.complex_float_from_json_v3(["0x3f800000", 2]) == 1 + 2j


def test_units_of_time() -> None:
    assert common.DATETIME_UNIT[:3] == ("Y", "M", "W")
    assert set(common.DATETIME_UNIT) == set(common.DateTimeUnit.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("steps", "unit", "scale_factor", "expected"),
    [
        (5, "s", 10, np.array(5, "M8[10s]")[()]),
        (1, "ns", 1, np.datetime64(1, "ns")),
        (-(2**63), "s", 1, np.datetime64("NaT", "s")),
    ],
)
def test_times(steps: int, unit: Any, scale_factor: int, expected: np.datetime64) -> None:
    moment = time.datetime_from_int(steps, unit=unit, scale_factor=scale_factor)
    assert moment.dtype == expected.dtype
    np.testing.assert_array_equal(moment, expected)
    assert time.datetimelike_to_int(moment) == steps
    assert time.datetimelike_to_int(np.timedelta64(3, "s")) == 3
