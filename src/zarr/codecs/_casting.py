"""Conversion between number types with explicit rounding and range rules.

NumPy's `astype` does not define the result for values out of range, or for NaN and infinities that
are converted to integers. It also offers no choice of rounding mode. This module follows the
definitions in zarr-extensions, "cast_value".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    _Array: TypeAlias = npt.NDArray[Any]

Rounding: TypeAlias = Literal[
    "nearest-even", "towards-zero", "towards-positive", "towards-negative", "nearest-away"
]
OutOfRange: TypeAlias = Literal["clamp", "wrap"]

ROUNDINGS: tuple[Rounding, ...] = (
    "nearest-even",
    "towards-zero",
    "towards-positive",
    "towards-negative",
    "nearest-away",
)
OUT_OF_RANGE: tuple[OutOfRange, ...] = ("clamp", "wrap")


def cast_numbers(
    array: _Array, target: np.dtype[Any], rounding: Rounding, out_of_range: OutOfRange | None
) -> _Array:
    """Convert an array of integers or floating-point numbers.

    Parameters
    ----------
    array : numpy.ndarray
        The numbers, with an integer or floating-point dtype of at most 8 bytes.
    target : numpy.dtype
        The dtype of the result: an integer or floating-point dtype of at most 8 bytes.
    rounding : str
        How to round a value that lies between two adjacent values of the target type.
    out_of_range : {"clamp", "wrap"} or None
        Treatment of values that are out of range after rounding; with None, they cause an error.

    Returns
    -------
    numpy.ndarray
        A new array of dtype `target`.

    Raises
    ------
    ValueError
        If a value is out of range and `out_of_range` is None. If `target` is a floating-point
        dtype, "wrap" has the same effect as None. If `target` is an integer dtype, NaN and
        infinities always raise this error.
    """
    # A scalar is converted to a one-dimensional array, because NumPy warns about integer overflow
    # in scalars, but not in arrays.
    numbers = np.atleast_1d(array)
    if target.kind == "f":
        result = _to_float(numbers, target, rounding, clamp=out_of_range == "clamp")
    elif array.dtype.kind == "f":
        result = _float_to_integer(numbers.astype("f8"), target, rounding, out_of_range)
    else:
        result = _integer_to_integer(numbers, target, out_of_range)
    return result.reshape(array.shape)


def matches(array: _Array, scalar: Any) -> _Array:
    """Return a mask of the elements that equal a scalar; NaN counts as equal to NaN."""
    return np.asarray(np.isnan(array) if scalar != scalar else array == scalar)


# --- integers ---------------------------------------------------------------------------


def _integer_to_integer(
    array: _Array, target: np.dtype[Any], out_of_range: OutOfRange | None
) -> _Array:
    limits = np.iinfo(target)
    if array.size and (int(array.min()) < limits.min or int(array.max()) > limits.max):
        if out_of_range == "clamp":
            own = np.iinfo(array.dtype)
            array = array.clip(max(limits.min, own.min), min(limits.max, own.max))
        elif out_of_range is None:
            inside = (int(limits.min) <= array) & (array <= int(limits.max))
            raise _out_of_integer_range(array[~inside].flat[0], limits)
    # astype reduces integers modulo 2**bits, which implements "wrap".
    return array.astype(target)


_ROUND_TO_INTEGER: dict[Rounding, Callable[[_Array], _Array]] = {
    "nearest-even": np.rint,
    "towards-zero": np.trunc,
    "towards-positive": np.ceil,
    "towards-negative": np.floor,
    "nearest-away": lambda array: (
        np.trunc(array) + np.copysign(np.abs(array - np.trunc(array)) >= 0.5, array)
    ),
}


def _float_to_integer(
    array: _Array, target: np.dtype[Any], rounding: Rounding, out_of_range: OutOfRange | None
) -> _Array:
    finite = np.isfinite(array)
    if not finite.all():
        value = array[~finite].flat[0]
        named = "NaN" if np.isnan(value) else str(value)
        raise ValueError(f"Cannot cast {named} to integer type without scalar_map")
    rounded = _ROUND_TO_INTEGER[rounding](array)
    limits = np.iinfo(target)
    # The lower bound L is the smallest integer of the target type. The upper bound U is the largest
    # integer plus 1, because float64 cannot represent the largest 64-bit integers. L is zero or
    # minus a power of two, and U is a power of two. Therefore float64 represents L and U exactly.
    below, above = rounded < float(limits.min), rounded >= float(limits.max + 1)
    outside = below | above
    if not outside.any():
        return rounded.astype(target)
    if out_of_range is None:
        raise _out_of_integer_range(array[outside].flat[0], limits)
    if out_of_range == "wrap":
        return _modulo(rounded, target)
    result = np.where(outside, 0.0, rounded).astype(target)
    result[below] = limits.min
    result[above] = limits.max
    return result


def _modulo(rounded: _Array, target: np.dtype[Any]) -> _Array:
    remainder = np.fmod(rounded, 2.0**64)
    magnitude = np.abs(remainder).astype("u8")
    return np.where(remainder < 0, np.uint64(0) - magnitude, magnitude).astype(target)


def _out_of_integer_range(value: Any, limits: np.iinfo[Any]) -> ValueError:
    return ValueError(
        f"Value {_plain(value)} out of range [{limits.min}, {limits.max}]. "
        "Set out_of_range='clamp' or out_of_range='wrap' to handle this."
    )


# --- floating-point numbers -------------------------------------------------------------


def _to_float(array: _Array, target: np.dtype[Any], rounding: Rounding, *, clamp: bool) -> _Array:
    with np.errstate(over="ignore", under="ignore"):
        if array.dtype.kind != "f" and rounding != "nearest-even":
            result = _integer_to_float(array, target, rounding)
        elif rounding == "nearest-even":
            result = array.astype(target)
        else:
            result = _float_to_float(array.astype("f8"), target, rounding)
    overflown = np.isinf(result)
    if array.dtype.kind == "f":
        overflown &= np.isfinite(array)
    if not clamp and overflown.any():
        limits = np.finfo(target)
        raise ValueError(
            f"Value {_plain(array[overflown].flat[0])} out of range "
            f"[{_plain(limits.min)}, {_plain(limits.max)}]. "
            "Set out_of_range='clamp' to map it to ±Infinity."
        )
    return result


def _float_to_float(array: _Array, target: np.dtype[Any], rounding: Rounding) -> _Array:
    """Round float64 values to a type of lower precision.

    Values are rounded as if the target type had an unlimited exponent range. Results that are too
    large for the target type are infinite.
    """
    if target.itemsize == array.dtype.itemsize:
        return array.astype(target)
    nearest = array.astype(target)
    # `lower` and `upper` are the nearest values of the target type below and above each element.
    # If the target type represents an element exactly, `lower` and `upper` equal the element.
    lower = np.where(nearest > array, np.nextafter(nearest, -np.inf, dtype=nearest.dtype), nearest)
    upper = np.where(nearest < array, np.nextafter(nearest, np.inf, dtype=nearest.dtype), nearest)
    negative = np.signbit(array)
    if rounding == "towards-negative":
        result = lower
    elif rounding == "towards-positive":
        result = upper
    else:
        result = np.where(negative, upper, lower)
        if rounding == "nearest-away":
            outer = np.where(negative, lower, upper)
            # The result of "nearest-away" differs from `nearest` only for elements halfway between
            # two values of the target type. Such a midpoint is exactly representable in float64.
            with np.errstate(invalid="ignore"):
                tie = (array - result.astype("f8")) == (outer.astype("f8") - array)
            result = np.where(tie, outer, nearest)
    too_large = np.abs(array) >= 2.0 ** np.finfo(target).maxexp
    result[too_large] = np.copysign(np.inf, array[too_large])
    return result.astype(target)


def _integer_to_float(array: _Array, target: np.dtype[Any], rounding: Rounding) -> _Array:
    """Round integers to a floating-point type, including integers that float64 cannot represent."""
    negative = array < 0
    unsigned = array.astype("u8")
    magnitude = np.where(negative, np.uint64(0) - unsigned, unsigned)
    precision = np.finfo(target).nmant + 1
    # `length` is the number of bits of each integer. If the conversion to float64 rounded an
    # integer up to a power of two, the number of bits is one too large and is corrected.
    length = np.clip(np.frexp(magnitude.astype("f8"))[1], 1, 64).astype("u8")
    length -= ((magnitude >> (length - np.uint64(1))) == 0) & (length > 1)
    dropped = np.maximum(length.astype("i8") - precision, 0).astype("u8")
    unit = np.uint64(1) << dropped
    remainder = magnitude & (unit - np.uint64(1))
    inner = magnitude - remainder
    if rounding == "nearest-away":
        outward = (remainder != 0) & (remainder >= unit - remainder)
    else:
        outward = (remainder != 0) & _rounds_outward(rounding, negative)
    # Both summands and their sum have so few significant bits that float64 represents them exactly.
    rounded = inner.astype("f8") + np.where(outward, unit, 0).astype("f8")
    result: _Array = np.where(negative, -rounded, rounded).astype(target)
    return result


def _rounds_outward(rounding: Rounding, negative: _Array) -> _Array | bool:
    """Return a mask of the elements that a directed rounding mode rounds away from zero.

    "towards-positive" rounds positive numbers away from zero, and "towards-negative" rounds
    negative numbers away from zero.
    """
    if rounding == "towards-positive":
        return ~negative
    return negative if rounding == "towards-negative" else False


def _plain(value: Any) -> str:
    """Format a number; a whole number is formatted without an exponent."""
    number = value.item()
    return str(int(number)) if number == int(number) else str(number)
