"""CastValue and ScaleOffset, against exact arithmetic."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.codec_kit import decode, encode, make_spec, spec_of

from zarr.codecs import CastValue, ScaleOffset
from zarr.codecs._casting import ROUNDINGS, cast_numbers
from zarr.core.dtype import Bool, Complex64, VariableLengthUTF8

INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
FLOATS = ["f2", "f4", "f8"]


def cast(dtype: str, values: Any, source: str, **parameters: Any) -> Any:
    array = np.array(values, dtype=source)
    return encode(CastValue(data_type=dtype, **parameters), array, spec_of(array)).tolist()


# --- the reference: rationals -----------------------------------------------------------


def rounded(value: Fraction, unit: Fraction, rounding: str) -> Fraction:
    """Round to a multiple of a unit."""
    lower = math.floor(value / unit) * unit
    rest = value - lower
    if rest == 0:
        return value
    upper = lower + unit
    if rounding == "towards-positive":
        return upper
    if rounding == "towards-negative":
        return lower
    inner, outer = (lower, upper) if value > 0 else (upper, lower)
    if rounding == "towards-zero":
        return inner
    if rest * 2 != unit:
        return lower if rest * 2 < unit else upper
    if rounding == "nearest-away":
        return outer
    return inner if (inner / unit) % 2 == 0 else outer


def reference(value: Any, target: np.dtype[Any], rounding: str, out_of_range: str | None) -> Any:
    """Convert one finite number; None where it has to be refused."""
    exact = Fraction(value)
    if target.kind == "f":
        info = np.finfo(target)
        exponent = math.frexp(exact)[1] if exact else 0
        # frexp of a rational rounds it to a float first
        while exact and abs(exact) >= Fraction(2) ** exponent:
            exponent += 1
        while exact and abs(exact) < Fraction(2) ** (exponent - 1):
            exponent -= 1
        unit = Fraction(2) ** (max(exponent, int(info.minexp) + 1) - int(info.nmant) - 1)
        result = rounded(exact, unit, rounding)
        if abs(result) <= Fraction(float(info.max)):
            return float(result)
        return math.copysign(math.inf, exact) if out_of_range == "clamp" else None
    limits = np.iinfo(target)
    integer = int(rounded(exact, Fraction(1), rounding))
    if limits.min <= integer <= limits.max:
        return integer
    if out_of_range == "clamp":
        return int(limits.min if integer < 0 else limits.max)
    if out_of_range == "wrap":
        return (integer - int(limits.min)) % (1 << limits.bits) + int(limits.min)
    return None


@st.composite
def numbers(draw: st.DrawFn, dtype: np.dtype[Any], target: np.dtype[Any]) -> Any:
    """Numbers of a dtype, many of them near the edges of another."""
    if target.kind == "f":
        edges = [2.0**e for e in (-25, -24, -14, 10, 11, 16, 23, 24, 53, 63, 64)]
        edges += [float(np.finfo("f2").max), float(np.finfo("f4").max), float(np.finfo("f4").tiny)]
    else:
        edges = [float(np.iinfo(target).min), float(np.iinfo(target).max)]
    near = st.builds(
        lambda edge, offset, sign: sign * (edge + offset),
        st.sampled_from(edges),
        st.sampled_from([-2, -1.5, -1, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.5, 2, 16, 32]),
        st.sampled_from([1, -1]),
    )
    if dtype.kind == "f":
        width: Any = dtype.itemsize * 8
        anything = st.floats(allow_nan=False, allow_infinity=False, width=width)
        halves = st.integers(-600, 600).map(lambda number: number / 2)
        value = float(draw(anything | halves | near))
        if target.kind == "f" and draw(st.booleans()):
            with np.errstate(over="ignore"):
                below = target.type(value)
                value = (float(below) + float(np.nextafter(below, target.type(np.inf)))) / 2
        with np.errstate(over="ignore"):
            converted = dtype.type(value)
        return converted if np.isfinite(converted) else dtype.type(0)
    limits = np.iinfo(dtype)
    value = draw(st.integers(int(limits.min), int(limits.max)) | near.map(int))
    return dtype.type(min(max(int(value), int(limits.min)), int(limits.max)))


@given(
    st.data(),
    st.sampled_from(INTEGERS + FLOATS),
    st.sampled_from(INTEGERS + FLOATS),
    st.sampled_from(ROUNDINGS),
    st.sampled_from([None, "clamp", "wrap"]),
)
def test_casts_are_exact(
    data: st.DataObject, source: str, target: str, rounding: Any, out_of_range: Any
) -> None:
    dtype, native = np.dtype(source), np.dtype(target)
    values = data.draw(st.lists(numbers(dtype, native), min_size=1, max_size=8))
    expected = [reference(value.item(), native, rounding, out_of_range) for value in values]
    array = np.array(values, dtype=dtype)
    if None in expected:
        with pytest.raises(ValueError, match="out of range"):
            cast_numbers(array, native, rounding, out_of_range)
        array = array[[value is not None for value in expected]]
        expected = [value for value in expected if value is not None]
    result = cast_numbers(array, native, rounding, out_of_range)
    assert result.dtype == native
    assert result.tolist() == expected


@given(st.data(), st.sampled_from(INTEGERS + FLOATS), st.sampled_from(FLOATS))
def test_signs_of_zeros_are_kept(data: st.DataObject, source: str, target: str) -> None:
    values = np.array([data.draw(numbers(np.dtype(source), np.dtype(target)))])
    for rounding in ROUNDINGS:
        result = cast_numbers(values, np.dtype(target), rounding, "clamp")
        assert np.signbit(result) == (np.signbit(values) if source[0] == "f" else values < 0)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("target", FLOATS)
def test_special_values_stay_special(rounding: Any, target: str) -> None:
    array = np.array([np.nan, np.inf, -np.inf, -0.0])
    for out_of_range in (None, "clamp"):
        result = cast_numbers(array, np.dtype(target), rounding, out_of_range)
        assert [str(value) for value in result] == ["nan", "inf", "-inf", "-0.0"]


# --- the codec --------------------------------------------------------------------------

HALVES = [0.5, 1.5, 2.5, -0.5, -1.5, 1.2, -1.2, 1.7, -1.7]


@pytest.mark.parametrize(
    ("rounding", "result"),
    [
        ("nearest-even", [0, 2, 2, 0, -2, 1, -1, 2, -2]),
        ("towards-zero", [0, 1, 2, 0, -1, 1, -1, 1, -1]),
        ("towards-positive", [1, 2, 3, 0, -1, 2, -1, 2, -1]),
        ("towards-negative", [0, 1, 2, -1, -2, 1, -2, 1, -2]),
        ("nearest-away", [1, 2, 3, -1, -2, 1, -1, 2, -2]),
    ],
)
def test_rounding(rounding: str, result: list[int]) -> None:
    assert cast("int8", HALVES, "f8", rounding=rounding) == result


@pytest.mark.parametrize(
    ("target", "source", "values", "parameters", "result"),
    [
        ("uint8", "f8", [1.6, 300.0, -2.0], {"out_of_range": "clamp"}, [2, 255, 0]),
        (
            "int8",
            "f8",
            [128, 255, 256, -129, 1e19],
            {"out_of_range": "wrap"},
            [-128, -1, 0, 127, 0],
        ),
        ("int64", "f8", [1e300], {"out_of_range": "wrap"}, [0]),
        ("uint64", "f8", [-1, 2.0**64], {"out_of_range": "wrap"}, [2**64 - 1, 0]),
        ("int64", "f8", [1e19, -1e19], {"out_of_range": "clamp"}, [2**63 - 1, -(2**63)]),
        ("uint8", "i4", [300, -1], {"out_of_range": "wrap"}, [44, 255]),
        ("int64", "f8", [2.0**63], {"out_of_range": "clamp"}, [2**63 - 1]),
        ("int64", "f8", [2.0**63], {"out_of_range": "wrap"}, [-(2**63)]),
        ("uint64", "f8", [-(2.0**63)], {"out_of_range": "wrap"}, [2**63]),
        ("float64", "i8", [2**63 - 1], {"rounding": "towards-zero"}, [2.0**63 - 1024]),
        ("float64", "i8", [2**63 - 1], {"rounding": "towards-positive"}, [2.0**63]),
        ("float64", "i8", [-(2**63)], {"rounding": "towards-zero"}, [-(2.0**63)]),
        ("float64", "u8", [2**64 - 1], {"rounding": "towards-zero"}, [2.0**64 - 2048]),
        ("float64", "u8", [2**64 - 1], {"rounding": "nearest-away"}, [2.0**64]),
        ("float32", "i8", [2**24 + 1], {"rounding": "nearest-away"}, [2.0**24 + 2]),
        ("float32", "i8", [2**24 + 1], {"rounding": "nearest-even"}, [2.0**24]),
        ("float32", "i8", [-(2**24) - 1], {"rounding": "nearest-away"}, [-(2.0**24) - 2]),
        ("float32", "f8", [1 + 2**-24], {}, [1.0]),
        ("float32", "f8", [1 + 2**-24], {"rounding": "nearest-away"}, [1 + 2**-23]),
        ("float32", "f8", [-1 - 2**-24], {"rounding": "nearest-away"}, [-1 - 2**-23]),
        ("float32", "f8", [1e300, -1e300], {"out_of_range": "clamp"}, [np.inf, -np.inf]),
        ("float16", "i8", [65520], {"rounding": "towards-zero"}, [65504.0]),
        ("int8", "f2", [1.5, 2.5], {}, [2, 2]),
        ("uint8", "f8", [255.5], {"rounding": "towards-zero"}, [255]),
        ("int32", ">i2", [1, 2], {}, [1, 2]),
    ],
)
def test_recorded_casts(
    target: str, source: str, values: Any, parameters: dict[str, Any], result: list[Any]
) -> None:
    assert cast(target, values, source, **parameters) == result


HINT = "Set out_of_range='clamp' or out_of_range='wrap' to handle this."


@pytest.mark.parametrize(
    ("target", "source", "values", "parameters", "message"),
    [
        ("uint8", "f8", [1, 300.0, 2], {}, f"Value 300 out of range [0, 255]. {HINT}"),
        ("uint8", "f8", [255.5], {}, f"Value 255.5 out of range [0, 255]. {HINT}"),
        ("uint8", "i4", [1, 300], {}, f"Value 300 out of range [0, 255]. {HINT}"),
        ("uint64", "i8", [-5], {}, "Value -5 out of range [0, 18446744073709551615]."),
        ("int64", "u8", [2**63], {}, "Value 9223372036854775808 out of range"),
        ("int64", "f8", [2.0**63], {}, "Value 9223372036854775808 out of range"),
        ("float16", "i8", [70000], {}, "Value 70000 out of range [-65504, 65504]."),
        ("float16", "i8", [70000], {"rounding": "towards-zero"}, "Value 70000 out of range"),
        ("float32", "f8", [-1e300], {"rounding": "towards-zero"}, "out of range"),
        ("float32", "f8", [1e300], {}, "Set out_of_range='clamp' to map it to ±Infinity."),
        ("uint8", "f8", [np.nan], {}, "Cannot cast NaN to integer type without scalar_map"),
        ("uint8", "f8", [np.inf], {"out_of_range": "clamp"}, "Cannot cast inf to integer type"),
        ("uint8", "f8", [-np.inf], {"out_of_range": "wrap"}, "Cannot cast -inf to integer type"),
    ],
)
def test_refused_casts(
    target: str, source: str, values: Any, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        cast(target, values, source, **parameters)


@pytest.mark.parametrize(
    ("target", "source", "values", "pairs", "result"),
    [
        ("uint8", "f8", [1, np.nan, 2], [["NaN", 255]], [1, 255, 2]),
        ("int8", "f8", [np.inf, -np.inf, 0], [["Infinity", -1], ["-Infinity", 5]], [-1, 5, 0]),
        ("uint8", "i4", [300, 1], [[300, 7]], [7, 1]),
        ("int8", "f8", [0.0, -0.0], [[0.0, 5]], [5, 5]),
        ("int8", "f8", [1, 2, 3], [[1, 2], [2, 3]], [2, 3, 3]),
        ("int8", "f8", [1, 2, 3], {1: 2, 2: 3}, [2, 3, 3]),
        ("int8", "f8", [1, np.nan], [[np.nan, 9]], [1, 9]),
        ("int8", "i4", [1, 2], [], [1, 2]),
    ],
)
def test_scalar_map(target: str, source: str, values: Any, pairs: Any, result: list[Any]) -> None:
    assert cast(target, values, source, scalar_map={"encode": pairs}) == result


def test_scalar_map_there_and_back() -> None:
    codec = CastValue(
        data_type="uint8", scalar_map={"encode": [["NaN", 255]], "decode": [[255, "NaN"]]}
    )
    array = np.array([[1.0, np.nan], [2.0, 0.0]])
    spec = spec_of(array)
    stored = encode(codec, array, spec)
    assert stored.tolist() == [[1, 255], [2, 0]]
    np.testing.assert_array_equal(decode(codec, stored, spec), array)


@pytest.mark.parametrize(
    "pairs", [[["NaN", "zz"]], [["NaN", 300]], [["NaN", 1.5]], [["NaN", "NaN"]], [["zz", 1]]]
)
def test_scalar_map_of_impossible_values(pairs: Any) -> None:
    codec = CastValue(data_type="uint8", scalar_map={"encode": pairs})
    spec = make_spec((1,), "f8")
    message = "cast_value scalar_map encode value .* is not representable in dtype"
    with pytest.raises(ValueError, match=message):
        codec.validate(shape=(1,), dtype=spec.dtype, chunk_grid=None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=message):
        encode(codec, np.array([1.0]), spec)


@given(st.sampled_from(INTEGERS + FLOATS), st.sampled_from(["C", "F"]), st.sampled_from("<>"))
def test_decoding_gives_the_data_type_of_the_array(source: str, order: Any, endian: Any) -> None:
    native = np.dtype(source).newbyteorder(endian)
    array = np.array([[1, 2], [3, 4]], dtype=native, order=order)
    spec = spec_of(array)
    for target in ("int16", "float32"):
        codec = CastValue(data_type=target)
        decoded = decode(codec, encode(codec, array, spec), spec)
        assert decoded.dtype == native
        assert decoded.tolist() == array.tolist()


def test_zero_dimensions_and_zero_elements() -> None:
    for shape in ((), (0,), (2, 0)):
        array = np.full(shape, -1.0)
        codec = CastValue(data_type="uint8", out_of_range="wrap")
        assert encode(codec, array, spec_of(array)).tolist() == np.full(shape, 255).tolist()
        scaled = encode(ScaleOffset(offset=1, scale=2), array, spec_of(array))
        assert scaled.tolist() == np.full(shape, -4.0).tolist()
        integers = array.astype("i1")
        codec_of_integers = ScaleOffset(offset=1, scale=2)
        stored = encode(codec_of_integers, integers, spec_of(integers))
        assert decode(codec_of_integers, stored, spec_of(integers)).tolist() == integers.tolist()


@pytest.mark.parametrize(
    ("fill_value", "parameters", "expected"),
    [
        (3.0, {}, 3),
        (300.0, {"out_of_range": "clamp"}, 255),
        (300.0, {"out_of_range": "wrap"}, 44),
        (np.nan, {"scalar_map": {"encode": [["NaN", 7]]}}, 7),
    ],
)
def test_cast_spec(fill_value: float, parameters: dict[str, Any], expected: int) -> None:
    codec = CastValue(data_type="uint8", **parameters)
    spec = codec.resolve_metadata(make_spec((2,), "f8", fill_value=fill_value))
    assert spec.dtype == codec.dtype
    assert spec.shape == (2,)
    assert spec.fill_value == expected
    assert spec.fill_value.dtype == np.dtype("u1")


@pytest.mark.parametrize("fill_value", [300.0, np.nan])
def test_cast_of_an_impossible_fill_value(fill_value: float) -> None:
    with pytest.raises(ValueError, match=r"out of range|Cannot cast NaN"):
        CastValue(data_type="uint8").resolve_metadata(make_spec((2,), "f8", fill_value=fill_value))


@pytest.mark.parametrize(
    ("codec", "dtype", "message"),
    [
        (
            CastValue(data_type="uint8"),
            VariableLengthUTF8(),
            "The cast_value codec only supports integer and floating-point data types. "
            "Got source dtype string.",
        ),
        (CastValue(data_type="uint8"), Complex64(), "Got source dtype complex64."),
        (CastValue(data_type="uint8"), Bool(), "Got source dtype bool."),
        (
            CastValue(data_type="float32", out_of_range="wrap"),
            "f8",
            "out_of_range='wrap' is only valid for integer target types. Got target dtype float32.",
        ),
        (
            ScaleOffset(scale=2),
            VariableLengthUTF8(),
            "scale_offset codec only supports integer and floating-point data types. "
            "Got VariableLengthUTF8().",
        ),
        (ScaleOffset(scale=2), Bool(), "Got Bool()."),
        (
            ScaleOffset(offset=1.5),
            "i4",
            "scale_offset offset value 1.5 is not representable in dtype int32.",
        ),
        (
            ScaleOffset(offset=300),
            "u1",
            "scale_offset offset value 300 is not representable in dtype uint8.",
        ),
        (
            ScaleOffset(scale="a"),
            "f8",
            "scale_offset scale value 'a' is not representable in dtype float64.",
        ),
        (ScaleOffset(scale=0), "f8", "scale_offset scale must be non-zero."),
        (ScaleOffset(scale=0), "i4", "scale_offset scale must be non-zero."),
    ],
)
def test_validation(codec: Any, dtype: Any, message: str) -> None:
    spec = make_spec((1,), dtype)
    with pytest.raises(ValueError, match=re.escape(message)):
        codec.validate(shape=(1,), dtype=spec.dtype, chunk_grid=None)


def test_validation_passes() -> None:
    dtype = make_spec((1,), "i4").dtype
    for codec in (CastValue(data_type="uint8", out_of_range="wrap"), ScaleOffset(scale=2.0)):
        codec.validate(shape=(1,), dtype=dtype, chunk_grid=None)  # type: ignore[arg-type]


# --- scale_offset -----------------------------------------------------------------------


@given(st.data(), st.sampled_from(INTEGERS))
def test_integers_are_scaled_exactly_or_refused(data: st.DataObject, dtype: str) -> None:
    limits = np.iinfo(dtype)
    integers = st.integers(int(limits.min), int(limits.max))
    small = st.integers(max(int(limits.min), -4), 4)
    values = data.draw(st.lists(integers | small, min_size=1, max_size=5))
    offset, scale = data.draw(integers | small), data.draw((integers | small).filter(bool))
    codec, array = ScaleOffset(offset=offset, scale=scale), np.array(values, dtype=dtype)
    spec = spec_of(array)

    def check(code: Any, expected: list[Any]) -> None:
        if all(value is not None and limits.min <= value <= limits.max for value in expected):
            assert code(codec, array, spec).tolist() == expected
        else:
            with pytest.raises(ValueError, match=r"outside the range of|non-zero remainder"):
                code(codec, array, spec)

    check(encode, [(value - offset) * scale for value in values])
    check(decode, [None if value % scale else value // scale + offset for value in values])


@pytest.mark.parametrize("shape", [(), (1,)])
def test_only_results_have_to_be_in_range(shape: tuple[int, ...]) -> None:
    array = np.full(shape, 127, dtype="i1")
    codec, spec = ScaleOffset(offset=-1, scale=-1), spec_of(array)
    stored = encode(codec, array, spec)
    assert stored.tolist() == np.full(shape, -128).tolist()
    assert decode(codec, stored, spec).tolist() == array.tolist()


@pytest.mark.parametrize("dtype", [*FLOATS, ">f4"])
def test_floats_are_scaled_in_their_type(dtype: str) -> None:
    array = np.array([0, 1, 2.5, np.nan, np.inf], dtype=dtype)
    codec, spec = ScaleOffset(offset=1, scale=0.5), spec_of(array)
    stored = encode(codec, array, spec)
    assert stored.dtype == array.dtype
    np.testing.assert_array_equal(stored, np.array([-0.5, 0, 0.75, np.nan, np.inf], dtype=dtype))
    decoded = decode(codec, stored, spec)
    assert decoded.dtype == array.dtype
    np.testing.assert_array_equal(decoded, array)


@pytest.mark.parametrize(
    ("codec", "code", "value", "message"),
    [
        (ScaleOffset(scale=1e300), encode, 1e300, "outside the range of dtype float64"),
        (ScaleOffset(scale=1e-300), decode, 1e300, "outside the range of dtype float64"),
        (ScaleOffset(offset="Infinity"), encode, np.inf, "outside the range of dtype float64"),
    ],
)
def test_floats_never_become_infinite_or_nan(
    codec: Any, code: Any, value: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        code(codec, np.array([value]), make_spec((1,), "f8"))
    assert isinstance(caught.value.__cause__, FloatingPointError)


@pytest.mark.parametrize(
    ("code", "values", "dtype", "parameters", "message"),
    [
        (encode, [0, 200], "u1", (1, 2), "a value outside the range of dtype uint8 [0, 255]."),
        (encode, [2**63 - 1], "i8", (0, 2), "outside the range of dtype int64"),
        (
            decode,
            [0, 9, 16],
            "i4",
            (1, 2),
            "scale_offset decode produced a non-zero remainder when dividing by scale=2; "
            "result is not exactly representable in dtype int32.",
        ),
        (decode, [20000], "i2", (30000, 1), "outside the range of dtype int16 [-32768, 32767]."),
        (decode, [-(2**15)], "i2", (0, -1), "outside the range of dtype int16 [-32768, 32767]."),
    ],
)
def test_recorded_messages(
    code: Any, values: list[int], dtype: str, parameters: tuple[int, int], message: str
) -> None:
    codec = ScaleOffset(offset=parameters[0], scale=parameters[1])
    array = np.array(values, dtype=dtype)
    with pytest.raises(ValueError, match=re.escape(message)):
        code(codec, array, spec_of(array))


@pytest.mark.parametrize(
    ("dtype", "fill_value", "expected"), [("i4", 0, -2), ("i4", np.int32(5), 8), ("f4", 0.0, -2.0)]
)
def test_scaled_fill_value(dtype: str, fill_value: Any, expected: Any) -> None:
    spec = make_spec((2,), dtype, fill_value=fill_value)
    resolved = ScaleOffset(offset=1, scale=2).resolve_metadata(spec)
    assert (resolved.shape, resolved.dtype) == (spec.shape, spec.dtype)
    assert resolved.fill_value == expected
    assert type(resolved.fill_value) is type(expected)


def test_impossible_scaled_fill_value() -> None:
    with pytest.raises(ValueError, match="outside the range of dtype uint8"):
        ScaleOffset(offset=1, scale=2).resolve_metadata(make_spec((2,), "u1", fill_value=0))


def test_numbers_as_strings() -> None:
    array = np.array([1.0, 2.0], dtype="f4")
    codec = ScaleOffset(scale="0x40000000")
    assert encode(codec, array, spec_of(array)).tolist() == [2.0, 4.0]
