"""Functions for JSON scalars and byte orders, at an import path that other packages use."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Literal,
    NewType,
    SupportsComplex,
    SupportsFloat,
    SupportsIndex,
    SupportsInt,
    TypeAlias,
    Union,
    cast,
)

import numpy as np

from zarr.core.dtype._json_scalar import decode_bytes, decode_float, encode_bytes, encode_float
from zarr.core.dtype._time import TIME_UNITS as DATETIME_UNIT
from zarr.core.dtype._time import TimeUnit as DateTimeUnit
from zarr.core.dtype.common import BYTE_ORDER_CHAR, EndiannessStr
from zarr.core.dtype.common import ENDIANNESS as ENDIANNESS_STR
from zarr.core.dtype.wrapper import unknown_format

if TYPE_CHECKING:
    from typing import TypeGuard

    from zarr.core.common import ZarrFormat

__all__ = [
    "DATETIME_UNIT",
    "ENDIANNESS_STR",
    "NUMPY_ENDIANNESS_STR",
    "SPECIAL_FLOAT_STRINGS",
    "ComplexLike",
    "DateTimeUnit",
    "EndiannessStr",
    "FloatLike",
    "FloatishStr",
    "IntLike",
    "IntishFloat",
    "IntishStr",
    "JSONFloatV2",
    "JSONFloatV3",
    "NumpyEndiannessStr",
    "bytes_from_json",
    "bytes_to_json",
    "check_json_bool",
    "check_json_complex_float_v2",
    "check_json_complex_float_v3",
    "check_json_float_v2",
    "check_json_float_v3",
    "check_json_floatish_str",
    "check_json_int",
    "check_json_intish_float",
    "check_json_intish_str",
    "check_json_str",
    "complex_float_from_json_v2",
    "complex_float_from_json_v3",
    "complex_float_to_json_v2",
    "complex_float_to_json_v3",
    "endianness_from_numpy_str",
    "endianness_to_numpy_str",
    "float_from_json_v2",
    "float_from_json_v3",
    "float_to_json_v2",
    "float_to_json_v3",
    "get_endianness_from_numpy_dtype",
]

NumpyEndiannessStr: TypeAlias = Literal[">", "<", "="]
NUMPY_ENDIANNESS_STR: Final = (">", "<", "=")

_FloatWord: TypeAlias = Literal["NaN", "Infinity", "-Infinity"]
SPECIAL_FLOAT_STRINGS: Final = ("NaN", "Infinity", "-Infinity")
# These aliases are evaluated at run time. At run time, `Union` accepts any type form, including
# `Literal`.
JSONFloatV2: TypeAlias = Union[float, _FloatWord]  # noqa: UP007
JSONFloatV3: TypeAlias = Union[float, _FloatWord, str]  # noqa: UP007

IntLike: TypeAlias = SupportsInt | SupportsIndex | bytes | str
FloatLike: TypeAlias = SupportsIndex | SupportsFloat | bytes | str
ComplexLike: TypeAlias = SupportsFloat | SupportsIndex | SupportsComplex | bytes | str | None

IntishFloat = NewType("IntishFloat", float)
IntishStr = NewType("IntishStr", str)
FloatishStr = NewType("FloatishStr", str)


# --- byte orders ------------------------------------------------------------------------


def endianness_to_numpy_str(endianness: EndiannessStr) -> NumpyEndiannessStr:
    """Return the character that denotes a byte order in NumPy.

    Raises
    ------
    ValueError
        If `endianness` is neither ``"little"`` nor ``"big"``.
    """
    if endianness not in ENDIANNESS_STR:
        raise ValueError(
            f"Invalid endianness: {endianness!r}. Expected one of {ENDIANNESS_STR} or None"
        )
    return BYTE_ORDER_CHAR[endianness]


def endianness_from_numpy_str(endianness: NumpyEndiannessStr) -> EndiannessStr:
    """Return the byte order that a NumPy character denotes; ``=`` denotes native byte order.

    Raises
    ------
    ValueError
        If `endianness` is none of the characters ``<``, ``>`` and ``=``. The error is also raised
        for ``|``, which means that a data type has no byte order.
    """
    if endianness == "=":
        return sys.byteorder
    if endianness == "<":
        return "little"
    if endianness == ">":
        return "big"
    raise ValueError(f"Invalid endianness: {endianness!r}. Expected one of {NUMPY_ENDIANNESS_STR}")


def get_endianness_from_numpy_dtype(dtype: np.dtype[Any]) -> EndiannessStr:
    """Return the byte order of a NumPy data type.

    Raises
    ------
    ValueError
        If `dtype` has no byte order.
    """
    if dtype.byteorder not in NUMPY_ENDIANNESS_STR:
        raise ValueError(f"The dtype {dtype} has an unsupported endianness: {dtype.byteorder}")
    return endianness_from_numpy_str(dtype.byteorder)


# --- bytes ------------------------------------------------------------------------------


def bytes_from_json(data: str, *, zarr_format: ZarrFormat) -> bytes:
    """Return the bytes that a base64 string encodes; both formats store bytes as base64.

    Raises
    ------
    ValueError
        If `data` is not base64, or if `zarr_format` is neither 2 nor 3.
    """
    if zarr_format not in (2, 3):
        raise unknown_format(zarr_format)
    return decode_bytes(data)


def bytes_to_json(data: bytes, zarr_format: ZarrFormat) -> str:
    """Return bytes as a base64 string; both formats store bytes as base64.

    Raises
    ------
    ValueError
        If `zarr_format` is neither 2 nor 3.
    """
    if zarr_format not in (2, 3):
        raise unknown_format(zarr_format)
    return encode_bytes(data)


# --- floats -----------------------------------------------------------------------------


def float_to_json_v2(data: float | np.floating[Any]) -> JSONFloatV2:
    """Return the JSON form of a float in format 2: a number, or a special string."""
    return cast("JSONFloatV2", encode_float(_scalar(data), zarr_format=2))


def float_to_json_v3(data: float | np.floating[Any]) -> JSONFloatV3:
    """Return the JSON form of a float in format 3: a number, a special string, or NaN bits."""
    return encode_float(_scalar(data), zarr_format=3)


def _scalar(data: float | np.floating[Any]) -> np.floating[Any]:
    if isinstance(data, np.floating):
        return data
    math.isnan(data)  # raises an error for a string; `np.float64` would parse it
    return np.float64(data)


def float_from_json_v2(data: JSONFloatV2) -> float:
    """Return the float for a format 2 JSON value: a number, or a special string.

    Raises
    ------
    TypeError, ValueError
        If `data` is not the JSON form of a float.
    """
    return float(data)


def float_from_json_v3(data: JSONFloatV3) -> float:
    """Return the float for a format 3 JSON value: a number, special string or hexadecimal bits.

    Raises
    ------
    TypeError, ValueError
        If `data` is not the JSON form of a float.
    """
    if not isinstance(data, str) or data in SPECIAL_FLOAT_STRINGS:
        return float(data)
    if not data.startswith("0x"):
        raise ValueError(
            f"Invalid float value: {data!r}. Expected a string starting with the hex prefix '0x', "
            f"or one of {', '.join(map(repr, SPECIAL_FLOAT_STRINGS))}."
        )
    decoded = decode_float(data, np.float64, zarr_format=3)
    assert decoded is not None
    return float(decoded)


def complex_float_to_json_v2(
    data: complex | np.complexfloating[Any, Any],
) -> tuple[JSONFloatV2, JSONFloatV2]:
    """Return the format 2 JSON forms of the real part and the imaginary part of a number."""
    return float_to_json_v2(data.real), float_to_json_v2(data.imag)


def complex_float_to_json_v3(
    data: complex | np.complexfloating[Any, Any],
) -> tuple[JSONFloatV3, JSONFloatV3]:
    """Return the format 3 JSON forms of the real part and the imaginary part of a number."""
    return float_to_json_v3(data.real), float_to_json_v3(data.imag)


def complex_float_from_json_v2(data: Sequence[JSONFloatV2]) -> complex:
    """Return a complex number, given its real and imaginary parts as format 2 JSON values."""
    return complex(float_from_json_v2(data[0]), float_from_json_v2(data[1]))


def complex_float_from_json_v3(data: Sequence[JSONFloatV3]) -> complex:
    """Return a complex number, given its real and imaginary parts as format 3 JSON values."""
    return complex(float_from_json_v3(data[0]), float_from_json_v3(data[1]))


# --- checks of JSON values --------------------------------------------------------------


def check_json_bool(data: object) -> TypeGuard[bool]:
    """Return whether a JSON value is a boolean, that is, ``true`` or ``false``."""
    return isinstance(data, bool)


def check_json_int(data: object) -> TypeGuard[int]:
    """Return whether a JSON value is an integer. As in Python, booleans count as integers."""
    return isinstance(data, int)


def check_json_str(data: object) -> TypeGuard[str]:
    """Return whether a JSON value is a string."""
    return isinstance(data, str)


def check_json_intish_float(data: object) -> TypeGuard[IntishFloat]:
    """Return whether a JSON value is a float without a fraction."""
    return isinstance(data, float) and data.is_integer()


def check_json_intish_str(data: object) -> TypeGuard[IntishStr]:
    """Return whether a JSON value is a string that `int` accepts."""
    return isinstance(data, str) and _converts(int, data)


def check_json_floatish_str(data: object) -> TypeGuard[FloatishStr]:
    """Return whether a JSON value is a string that `float` accepts."""
    return isinstance(data, str) and _converts(float, data)


def _converts(kind: type[int] | type[float], data: str) -> bool:
    try:
        kind(data)
    except ValueError:
        return False
    return True


def check_json_float_v2(data: object) -> TypeGuard[JSONFloatV2]:
    """Return whether a JSON value is a format 2 float: a number, or a special string."""
    return isinstance(data, int | float) or (
        isinstance(data, str) and data in SPECIAL_FLOAT_STRINGS
    )


def check_json_float_v3(data: object) -> TypeGuard[JSONFloatV3]:
    """Return whether a JSON value is a format 3 float: a format 2 float, or a ``0x...`` string."""
    return check_json_float_v2(data) or (isinstance(data, str) and data.startswith("0x"))


def check_json_complex_float_v2(data: object) -> TypeGuard[tuple[JSONFloatV2, JSONFloatV2]]:
    """Return whether a JSON value is a pair of floats in format 2."""
    return _is_pair(data) and all(map(check_json_float_v2, data))


def check_json_complex_float_v3(data: object) -> TypeGuard[tuple[JSONFloatV3, JSONFloatV3]]:
    """Return whether a JSON value is a pair of floats in format 3."""
    return _is_pair(data) and all(map(check_json_float_v3, data))


def _is_pair(data: object) -> TypeGuard[Sequence[object]]:
    return isinstance(data, Sequence) and not isinstance(data, str | bytes) and len(data) == 2
