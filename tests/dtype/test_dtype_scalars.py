"""Scalars: conversion of values, and their JSON forms."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import zarr.dtype as zd

AB = np.dtype([("a", "<i4"), ("b", "<f8")])
STRUCT = zd.Struct(fields=(("a", zd.Int32()), ("b", zd.Float64())))
ONE = zd.Struct(fields=(("a", zd.Int32()),))
DT, TD = zd.DateTime64(unit="s"), zd.TimeDelta64(unit="s")
S2, U2, V2 = (
    zd.NullTerminatedBytes(length=2),
    zd.FixedLengthUTF32(length=2),
    zd.RawBytes(length=2),
)
NAN = float("nan")


def same(a: Any, b: Any) -> bool:
    """Whether two scalars are equal in type and bits."""
    if isinstance(b, np.generic):
        return isinstance(a, np.generic) and a.dtype == b.dtype and a.tobytes() == b.tobytes()
    return type(a) is type(b) and a == b


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        (zd.Int8(), 5, np.int8(5)),
        (zd.Int8(), 5.9, np.int8(5)),
        (zd.Int8(), -5.9, np.int8(-5)),
        (zd.Int8(), "5", np.int8(5)),
        (zd.Int8(), b"5", np.int8(5)),
        (zd.Int8(), True, np.int8(1)),
        (zd.Int8(), np.bool_(True), np.int8(1)),
        (zd.Int8(), np.float32(3.5), np.int8(3)),
        (zd.Int8(), Fraction(7, 2), np.int8(3)),
        (zd.Int8(), Decimal("7.2"), np.int8(7)),
        (zd.Int32(), np.array(3), np.int32(3)),
        (zd.Int16(endianness="big"), 5, np.int16(5)),
        (zd.Int64(), 2**63 - 1, np.int64(2**63 - 1)),
        (zd.UInt64(), 2**64 - 1, np.uint64(2**64 - 1)),
        (zd.Bool(), 5, np.True_),
        (zd.Bool(), "", np.False_),
        (zd.Bool(), "True", np.True_),
        (zd.Bool(), "False", np.False_),
        (zd.Bool(), None, np.False_),
        (zd.Bool(), np.array(0), np.False_),
        (zd.Float32(), "nan", np.float32(NAN)),
        (zd.Float32(), "Infinity", np.float32(np.inf)),
        (zd.Float32(), 1, np.float32(1)),
        (zd.Float32(), "1.5", np.float32(1.5)),
        (zd.Float32(), b"1.5", np.float32(1.5)),
        (zd.Float32(), Decimal("7.5"), np.float32(7.5)),
        (zd.Float32(), np.array(1.5), np.float32(1.5)),
        (zd.Float64(), 1e400, np.float64(np.inf)),
        (zd.Float64(), -0.0, np.float64(-0.0)),
        (zd.Float16(endianness="big"), 1.5, np.float16(1.5)),
        (zd.Complex64(), 1j, np.complex64(1j)),
        (zd.Complex64(), "1+2j", np.complex64(1 + 2j)),
        (zd.Complex64(), 5, np.complex64(5)),
        (zd.Complex128(), np.float64(2), np.complex128(2)),
        (zd.Complex64(), np.array(1j), np.complex64(1j)),
        (U2, "abc", np.str_("ab")),
        (U2, 5, np.str_("5")),
        (U2, np.str_("a"), np.str_("a")),
        (S2, b"abc", np.bytes_(b"ab")),
        (S2, "abc", np.bytes_(b"ab")),
        (S2, 5, np.bytes_(b"5")),
        (S2, np.int64(5), np.bytes_(b"5")),
        (S2, bytearray(b"a"), np.bytes_(b"a")),
        (V2, b"abc", np.void(b"ab")),
        (V2, b"a", np.void(b"a\0")),
        (V2, np.void(b"abc"), np.void(b"ab")),
        (V2, bytearray(b"ab"), np.void(b"ab")),
        (zd.VariableLengthUTF8(), 5, "5"),
        (zd.VariableLengthUTF8(), None, "None"),
        (zd.VariableLengthUTF8(), np.str_("x"), "x"),
        (zd.VariableLengthBytes(), "é", b"\xc3\xa9"),
        (zd.VariableLengthBytes(), 3, b"\0\0\0"),
        (zd.VariableLengthBytes(), bytearray(b"a"), b"a"),
        (zd.VariableLengthBytes(), np.bytes_(b"a"), b"a"),
        (DT, "2020-01-01", np.datetime64("2020-01-01", "s")),
        (DT, 5, np.datetime64(5, "s")),
        (DT, np.int64(5), np.datetime64(5, "s")),
        (DT, None, np.datetime64("NaT", "s")),
        (DT, "NaT", np.datetime64("NaT", "s")),
        (DT, b"NaT", np.datetime64("NaT", "s")),
        (DT, np.datetime64("NaT"), np.datetime64("NaT", "s")),
        (DT, np.datetime64(1500, "ms"), np.datetime64(1, "s")),
        (DT, datetime.datetime(2020, 1, 1), np.datetime64("2020-01-01", "s")),
        (DT, datetime.date(2020, 1, 1), np.datetime64("2020-01-01", "s")),
        (zd.DateTime64(unit="ms", scale_factor=10), 5, np.datetime64(5, ("ms", 10))),
        (zd.DateTime64(), "NaT", np.datetime64("NaT")),
        (zd.DateTime64(), np.datetime64("NaT", "s"), np.datetime64("NaT")),
        (TD, 5, np.timedelta64(5, "s")),
        (TD, "5", np.timedelta64(5, "s")),
        (TD, np.timedelta64(1500, "ms"), np.timedelta64(1, "s")),
        (TD, datetime.timedelta(minutes=1), np.timedelta64(60, "s")),
        (zd.TimeDelta64(), 5, np.timedelta64(5)),
        (STRUCT, (1, 2), np.array((1, 2), AB)[()]),
        (STRUCT, [1, 2], np.array((1, 2), AB)[()]),
        (STRUCT, 5, np.array((5, 5), AB)[()]),
        (STRUCT, np.array((1, 2), AB), np.array((1, 2), AB)[()]),
        (STRUCT, np.array((1, 2), [("x", "i8"), ("y", "f4")])[()], np.array((1, 2), AB)[()]),
        (ONE, b"\x01\0\0\0", np.array((1,), [("a", "<i4")])[()]),
        (ONE, np.void(b"\x01\0\0\0"), np.array((1,), [("a", "<i4")])[()]),
    ],
)
def test_cast(dtype: Any, value: Any, expected: Any) -> None:
    result = dtype.cast_scalar(value)
    assert same(result, expected)
    assert same(dtype.cast_scalar(result), expected)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (zd.Int8(), None),
        (zd.Int8(), [3]),
        (zd.Int8(), ()),
        (zd.Int8(), {}),
        (zd.Int8(), 3 + 0j),
        (zd.Int8(), np.complex64(3)),
        (zd.Int8(), np.array([5])),
        (zd.Int8(), np.datetime64(5, "s")),
        (zd.Bool(), [1]),
        (zd.Bool(), np.array([1])),
        (zd.Bool(), {}),
        (zd.Bool(), "maybe"),
        (zd.Float32(), None),
        (zd.Float32(), [1.5]),
        (zd.Float32(), 1 + 0j),
        (zd.Float32(), "abc"),
        (zd.Float32(), "0x7fc00000"),
        (zd.Float32(), np.array([1.5])),
        (zd.Complex64(), None),
        (zd.Complex64(), [1, 2]),
        (zd.Complex64(), (1, 2)),
        (S2, None),
        (S2, [1]),
        (S2, 1.5),
        (V2, "ab"),
        (V2, None),
        (V2, 0),
        (zd.VariableLengthBytes(), None),
        (zd.VariableLengthBytes(), 1.5),
        (zd.VariableLengthBytes(), [1]),
        (DT, 1.5),
        (DT, [1]),
        (DT, np.timedelta64(5, "s")),
        (TD, 1.5),
        (TD, np.datetime64(5, "s")),
        (STRUCT, None),
        (STRUCT, "x"),
        (STRUCT, {"a": 1, "b": 2}),
        (STRUCT, 1.5),
        (STRUCT, np.array([(1, 2)], AB)),
    ],
)
def test_cast_refuses_types(dtype: Any, value: Any) -> None:
    with pytest.raises(TypeError) as error:
        dtype.cast_scalar(value)
    assert str(error.value) == (
        f"Cannot convert object {value!r} with type {type(value)} to a scalar compatible with the "
        f"data type {dtype!r}."
    )


@pytest.mark.parametrize(
    ("dtype", "value", "error", "message"),
    [
        (zd.Int8(), 300, OverflowError, "Python integer 300 out of bounds for int8"),
        (zd.Int8(), np.int64(300), OverflowError, "Python integer 300 out of bounds for int8"),
        (zd.Int8(), np.float32(300), OverflowError, "Python integer 300 out of bounds for int8"),
        (zd.UInt8(), -1, OverflowError, "Python integer -1 out of bounds for uint8"),
        (zd.UInt8(), np.int64(-1), OverflowError, "Python integer -1 out of bounds for uint8"),
        (zd.Int64(), 2**63, OverflowError, "Python int too large to convert to C long"),
        (zd.Int8(), "x", ValueError, "invalid literal for int"),
        (zd.Int8(), NAN, ValueError, "cannot convert float NaN to integer"),
        (zd.Int8(), np.inf, OverflowError, "cannot convert float infinity to integer"),
        (zd.Float32(), 10**400, OverflowError, "int too large to convert to float"),
        (zd.Complex64(), "abc", ValueError, "complex\\(\\) arg is a malformed string"),
        (S2, "é", ValueError, "'ascii' codec can't encode"),
        (zd.VariableLengthBytes(), -5, ValueError, "negative count"),
        (DT, "junk", ValueError, 'Error parsing datetime string "junk"'),
        (zd.DateTime64(), 5, ValueError, "unit"),
        (zd.DateTime64(), "2020-01-01", ValueError, "without a time unit"),
        (zd.TimeDelta64(), np.timedelta64(5, "s"), ValueError, "without a time unit"),
        (TD, "x", ValueError, "Could not convert object to NumPy timedelta"),
        (ONE, (1, 2), ValueError, "could not assign tuple of length 2"),
        (ONE, ("x",), ValueError, "invalid literal for int"),
        (ONE, b"\0\0\0", ValueError, "Expected 4 bytes .* got 3"),
    ],
)
def test_cast_refuses_values(dtype: Any, value: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        dtype.cast_scalar(value)


BOTH = (2, 3)


@pytest.mark.parametrize(
    ("dtype", "formats", "stored", "expected"),
    [
        (zd.Int8(), BOTH, 5, np.int8(5)),
        (zd.Int8(), BOTH, 5.0, np.int8(5)),
        (zd.Int8(), BOTH, "5", np.int8(5)),
        (zd.Int8(), BOTH, True, np.int8(1)),
        (zd.Int64(), BOTH, 2**53 + 1, np.int64(2**53 + 1)),
        (zd.Bool(), BOTH, True, np.True_),
        (zd.Bool(), BOTH, 0, np.False_),
        (zd.Bool(), BOTH, "true", np.True_),
        (zd.Bool(), BOTH, "false", np.False_),
        (zd.Float32(), BOTH, "NaN", np.float32(NAN)),
        (zd.Float32(), BOTH, "nan", np.float32(NAN)),
        (zd.Float32(), BOTH, "Infinity", np.float32(np.inf)),
        (zd.Float32(), BOTH, "-Infinity", np.float32(-np.inf)),
        (zd.Float32(), BOTH, "1.5", np.float32(1.5)),
        (zd.Float64(), BOTH, 5, np.float64(5)),
        (zd.Float32(), (3,), "0x3f800000", np.float32(1)),
        (zd.Float16(), (3,), "0x7e00", np.float16(NAN)),
        (zd.Float64(), (3,), "0x3ff0000000000000", np.float64(1)),
        (zd.Float64(endianness="big"), (3,), "0x3ff0000000000000", np.float64(1)),
        (zd.Float32(), (3,), "0x3C00", np.float32(1)),
        (zd.Float32(), (3,), "0x7fc00001", np.uint32(0x7FC00001).view(np.float32)),
        (zd.Complex64(), BOTH, [1, 2], np.complex64(1 + 2j)),
        (zd.Complex64(), BOTH, (1, 2), np.complex64(1 + 2j)),
        (zd.Complex64(), BOTH, ["NaN", 0.0], np.complex64(complex(NAN, 0))),
        (zd.Complex64(), BOTH, ["Infinity", "NaN"], np.complex64(complex(np.inf, NAN))),
        (zd.Complex128(), (3,), ["0x3ff0000000000000", "-Infinity"], np.complex128(complex(1, -np.inf))),
        (U2, BOTH, "ab", np.str_("ab")),
        (S2, BOTH, "YWI=", np.bytes_(b"ab")),
        (S2, BOTH, "", np.bytes_(b"")),
        (V2, BOTH, "YWI=", np.void(b"ab")),
        (V2, (3,), [1, 255], np.void(b"\x01\xff")),
        (zd.VariableLengthUTF8(), BOTH, "x", "x"),
        (zd.VariableLengthUTF8(), BOTH, 5, "5"),
        (zd.VariableLengthUTF8(), BOTH, 1.5, "1.5"),
        (zd.VariableLengthBytes(), BOTH, "YWI=", b"ab"),
        (zd.VariableLengthBytes(), (2,), 0, b""),
        (zd.VariableLengthBytes(), (3,), [1, 2], b"\x01\x02"),
        (zd.VariableLengthBytes(), (3,), [], b""),
        (DT, BOTH, 100, np.datetime64(100, "s")),
        (DT, BOTH, "NaT", np.datetime64("NaT", "s")),
        (DT, BOTH, -(2**63), np.datetime64("NaT", "s")),
        (zd.DateTime64(), BOTH, -(2**63), np.datetime64("NaT")),
        (TD, BOTH, 5, np.timedelta64(5, "s")),
        (STRUCT, BOTH, {"a": 1, "b": "NaN"}, np.array((1, NAN), AB)[()]),
        (STRUCT, BOTH, {"b": 2.5}, np.array((0, 2.5), AB)[()]),
        (STRUCT, BOTH, {}, np.array((0, 0), AB)[()]),
        (ONE, BOTH, "BQAAAA==", np.array((5,), [("a", "<i4")])[()]),
        (
            zd.Struct(fields=(("t", DT),)),
            BOTH,
            {},
            np.array((np.datetime64("NaT", "s"),), [("t", "<M8[s]")])[()],
        ),
        (
            zd.Struct(fields=(("a", zd.Int32(endianness="big")),)),
            (2,),
            "AAAAAQ==",
            np.array((1,), [("a", ">i4")])[()],
        ),
        (
            zd.Struct(fields=(("p", ONE),)),
            (3,),
            {"p": {"a": 3}},
            np.array(((3,),), [("p", [("a", "<i4")])])[()],
        ),
        (zd.Structured(fields=(("a", zd.Int32()),)), BOTH, "BQAAAA==", np.array((5,), [("a", "<i4")])[()]),
    ],
)  # fmt: skip
def test_read(dtype: Any, formats: Any, stored: Any, expected: Any) -> None:
    for zarr_format in formats:
        assert same(dtype.from_json_scalar(stored, zarr_format=zarr_format), expected)


@pytest.mark.parametrize(
    ("dtype", "formats", "stored", "error", "message"),
    [
        (zd.Int8(), BOTH, 5.5, TypeError, "Invalid type: 5.5. Expected an integer."),
        (zd.Int8(), BOTH, "x", TypeError, "Invalid type: x. Expected an integer."),
        (zd.Int8(), BOTH, None, TypeError, "Invalid type: None. Expected an integer."),
        (zd.Int8(), BOTH, [1], TypeError, "Invalid type: [1]. Expected an integer."),
        (zd.Int8(), BOTH, NAN, TypeError, "Invalid type: nan. Expected an integer."),
        (zd.Int8(), BOTH, 300, OverflowError, "Python integer 300 out of bounds for int8"),
        (zd.Bool(), BOTH, None, TypeError, "Invalid type: None. Expected a boolean."),
        (zd.Bool(), BOTH, "x", TypeError, "Invalid type: x. Expected a boolean."),
        (zd.Bool(), BOTH, [], TypeError, "Invalid type: []. Expected a boolean."),
        *(
            (
                zd.Float32(),
                formats,
                stored,
                TypeError,
                f"Invalid type: {stored}. Expected a float or a special string encoding of a float.",
            )
            for formats, stored in [
                (BOTH, None), (BOTH, [1]), (BOTH, "abc"), (BOTH, ""), ((2,), "0x7fc00000"),
            ]
        ),
        (
            zd.Float32(),
            (3,),
            "0x7fc0000",
            ValueError,
            "Invalid hexadecimal float value: '0x7fc0000'. Expected the '0x' prefix to be followed "
            "by 4, 8, or 16 numeral characters",
        ),
        (
            zd.Float32(),
            (3,),
            "0xzz000000",
            ValueError,
            "Invalid hexadecimal float value: '0xzz000000'. Expected the '0x' prefix to be followed "
            "by 4, 8, or 16 numeral characters",
        ),
        *(
            (
                zd.Complex64(),
                formats,
                stored,
                TypeError,
                f"Invalid type: {stored}. Expected a float or a special string encoding of a float.",
            )
            for formats, stored in [
                (BOTH, 5), (BOTH, [1]), (BOTH, [1, 2, 3]), (BOTH, "NaN"), (BOTH, None),
                (BOTH, ["abc", 2]), ((2,), ["0x7fc00000", 2]),
            ]
        ),
        (U2, BOTH, 5, TypeError, "Invalid type: 5. Expected a string."),
        (S2, BOTH, 5, TypeError, "Invalid type: 5. Expected a base64-encoded string."),
        (S2, BOTH, "###", ValueError, "Invalid base64 string: '###'. Only base64 data is allowed."),
        (S2, BOTH, "abc", ValueError, "Invalid base64 string: 'abc'. Incorrect padding."),
        (V2, BOTH, 5, TypeError, "Invalid type: 5. Expected a string."),
        (V2, (2,), [1, 2], TypeError, "Invalid type: [1, 2]. Expected a string."),
        (V2, (3,), [1.5, 2], TypeError, "Invalid type: [1.5, 2]. Expected a string."),
        (V2, (3,), [256], ValueError, "bytes must be in range(0, 256)"),
        (V2, BOTH, "#", ValueError, "Invalid base64 string: '#'. Only base64 data is allowed."),
        (zd.VariableLengthUTF8(), BOTH, None, TypeError, "Invalid type: None. Expected a string or number."),
        (zd.VariableLengthUTF8(), BOTH, [1], TypeError, "Invalid type: [1]. Expected a string or number."),
        (zd.VariableLengthBytes(), BOTH, 5, TypeError, "Invalid type: 5. Expected a string."),
        (zd.VariableLengthBytes(), (3,), 0, TypeError, "Invalid type: 0. Expected a string."),
        (DT, BOTH, 1.5, TypeError, "Invalid type: 1.5. Expected an integer."),
        (DT, BOTH, "2020-01-01", TypeError, "Invalid type: 2020-01-01. Expected an integer."),
        (TD, BOTH, "x", TypeError, "Invalid type: x. Expected an integer."),
        (TD, BOTH, None, TypeError, "Invalid type: None. Expected an integer."),
        (STRUCT, BOTH, [1, 2], TypeError, "Invalid type: [1, 2]. Expected a dict or base64-encoded string."),
        (STRUCT, BOTH, 0, TypeError, "Invalid type: 0. Expected a dict or base64-encoded string."),
        (STRUCT, BOTH, {"a": "x"}, TypeError, "Invalid type: x. Expected an integer."),
        (ONE, BOTH, {"c": 1}, ValueError, "Fields ['c'] are not part of Struct(fields=(('a', Int32(endianness='little')),))."),
        (ONE, BOTH, "AAAA", ValueError, "Expected 4 bytes for a scalar of the data type Struct(fields=(('a', Int32(endianness='little')),)), got 3."),
        (zd.Structured(fields=(("a", zd.Int32()),)), BOTH, {"a": 1}, TypeError, "Invalid type: {'a': 1}. Expected a string."),
    ],
)  # fmt: skip
def test_read_refuses(dtype: Any, formats: Any, stored: Any, error: Any, message: str) -> None:
    for zarr_format in formats:
        with pytest.raises(error) as caught:
            dtype.from_json_scalar(stored, zarr_format=zarr_format)
        assert str(caught.value) == message


@pytest.mark.parametrize(
    ("dtype", "value", "v2", "v3"),
    [
        (zd.Bool(), np.True_, True, True),
        (zd.Int8(), np.int8(-3), -3, -3),
        (zd.Int32(endianness="big"), "7", 7, 7),
        (zd.Float64(), 3, 3.0, 3.0),
        (zd.Float32(), 0.1, 0.10000000149011612, 0.10000000149011612),
        (zd.Float16(), 0.1, 0.0999755859375, 0.0999755859375),
        (zd.Float64(), NAN, "NaN", "NaN"),
        (zd.Float32(), np.inf, "Infinity", "Infinity"),
        (zd.Float16(), -np.inf, "-Infinity", "-Infinity"),
        (zd.Float32(), np.uint32(0x7FC00001).view(np.float32), "NaN", "0x7fc00001"),
        (zd.Float64(), np.uint64(0xFFF8 << 48).view(np.float64), "NaN", "0xfff8000000000000"),
        (zd.Complex64(), 1 + 2j, (1.0, 2.0), (1.0, 2.0)),
        (zd.Complex128(), complex(NAN, np.inf), ("NaN", "Infinity"), ("NaN", "Infinity")),
        (U2, "hé", "hé", "hé"),
        (S2, b"\x00\xff", "AP8=", "AP8="),
        (S2, "toolong", "dG8=", "dG8="),
        (V2, b"a", "YQA=", "YQA="),
        (zd.VariableLengthUTF8(), 5, "5", "5"),
        (zd.VariableLengthBytes(), b"\x00\xffz", "AP96", "AP96"),
        (zd.VariableLengthBytes(), "text", "dGV4dA==", "dGV4dA=="),
        (DT, np.datetime64("2020-02-03T04:05:06"), 1580702706, 1580702706),
        (DT, np.datetime64("2020-02-03", "D"), 1580688000, 1580688000),
        (zd.DateTime64(unit="ms", scale_factor=10), np.datetime64(55, "ms"), 5, 5),
        (DT, np.datetime64("NaT"), -(2**63), -(2**63)),
        (zd.TimeDelta64(unit="h"), np.timedelta64(3, "h"), 3, 3),
        (STRUCT, (1, NAN), "AQAAAAAAAAAAAPh/", {"a": 1, "b": "NaN"}),
        (zd.Struct(fields=(("a", zd.Int32(endianness="big")),)), (1,), "AAAAAQ==", {"a": 1}),
        (zd.Struct(fields=(("p", ONE), ("u", U2), ("s", S2), ("v", V2))), ((1,), "x", b"y", b"z"),
         "AQAAAHgAAAAAAAAAeQB6AA==", {"p": {"a": 1}, "u": "x", "s": "eQ==", "v": "egA="}),
        (zd.Structured(fields=(("a", zd.Int32()),)), (1,), "AQAAAA==", "AQAAAA=="),
    ],
)  # fmt: skip
def test_write(dtype: Any, value: Any, v2: Any, v3: Any) -> None:
    for zarr_format, expected in ((2, v2), (3, v3)):
        stored = dtype.to_json_scalar(value, zarr_format=zarr_format)
        assert type(stored) is type(expected)
        assert stored == expected
        json.dumps(stored, allow_nan=False)


def test_structured_scalars_are_copies() -> None:
    array = np.zeros(2, AB)
    for value in (array[0], array[:1].reshape(())):
        scalar = STRUCT.cast_scalar(value)
        array["a"] += 1
        assert scalar["a"] == array["a"][0] - 1


def test_fields_keep_their_bits() -> None:
    dtype = zd.Struct(fields=(("f", zd.Float32()), ("t", zd.DateTime64(unit="us", scale_factor=7))))
    raw = (0x7FC00001).to_bytes(4, "little") + (2**62).to_bytes(8, "little")
    scalar = np.frombuffer(raw, dtype.to_native_dtype())[0]
    assert dtype.cast_scalar(scalar).tobytes() == raw
    stored = dtype.to_json_scalar(scalar, zarr_format=3)
    assert stored == {"f": "0x7fc00001", "t": 2**62}
    assert dtype.from_json_scalar(stored, zarr_format=3).tobytes() == raw


def test_minus_zero_keeps_its_sign() -> None:
    stored = zd.Float64().to_json_scalar(-0.0, zarr_format=3)
    assert json.dumps(stored) == "-0.0"


def test_overflow_of_a_float_warns() -> None:
    with pytest.warns(RuntimeWarning, match="overflow"):
        assert zd.Float32().cast_scalar(1e300) == np.inf


@pytest.mark.parametrize(
    "dtype", [zd.Int8(), zd.Float64(), STRUCT, S2, V2, zd.VariableLengthBytes()]
)
def test_write_refuses_what_cast_refuses(dtype: Any) -> None:
    with pytest.raises(TypeError, match="Cannot convert object None"):
        dtype.to_json_scalar(None, zarr_format=3)
