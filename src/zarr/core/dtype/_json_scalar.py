"""JSON forms of scalars for which JSON has no type: special floats, and bytes."""

from __future__ import annotations

import math
import re
import sys
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from zarr.core.common import JSON, ZarrFormat

_TFloat = TypeVar("_TFloat", bound="np.floating[Any]")

# Maps the number of hexadecimal digits of a float to the NumPy type string of the float.
_HEX_TYPES = {4: ">f2", 8: ">f4", 16: ">f8"}
_HEX_DIGITS = re.compile("[0-9a-fA-F]+")


def encode_float(value: np.floating[Any], *, zarr_format: ZarrFormat) -> float | str:
    """Return the JSON form of a float.

    Both formats use the strings NaN, Infinity and -Infinity (v2 "Fill value encoding", v3 "Fill
    value"). In format 3, "NaN" means one specific bit pattern. All other NaNs are stored as bits in
    hexadecimal, so that rewriting metadata does not change them.
    """
    if math.isfinite(value):
        return float(value)
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    bits = value.tobytes()
    if zarr_format == 3 and bits != type(value)(math.nan).tobytes():
        return "0x" + (bits[::-1] if sys.byteorder == "little" else bits).hex()
    return "NaN"


def decode_float(
    data: JSON, scalar_cls: type[_TFloat], *, zarr_format: ZarrFormat
) -> _TFloat | None:
    """Return the scalar for the JSON form of a float.

    Parameters
    ----------
    data : JSON
        A number, a string that Python's `float` accepts or, in format 3, the bits in hexadecimal.
    scalar_cls : type
        NumPy class of the result.

    Returns
    -------
    numpy.floating or None
        The scalar; None if `data` is not a JSON form of a float.

    Raises
    ------
    ValueError
        If `data` begins with ``0x`` in format 3, but is not a valid hexadecimal form.
    """
    if isinstance(data, str):
        if zarr_format == 3 and data.startswith("0x"):
            return _decode_hex(data, scalar_cls)
        try:
            return scalar_cls(float(data))
        except ValueError:
            return None
    if isinstance(data, int | float):
        return scalar_cls(float(data))
    return None


def _decode_hex(data: str, scalar_cls: type[_TFloat]) -> _TFloat:
    digits = data[2:]
    if len(digits) not in _HEX_TYPES or not _HEX_DIGITS.fullmatch(digits):
        raise ValueError(
            f"Invalid hexadecimal float value: {data!r}. Expected the '0x' prefix to be followed by "
            "4, 8, or 16 numeral characters"
        )
    bits = np.frombuffer(bytes.fromhex(digits), dtype=_HEX_TYPES[len(digits)])
    # Between types of equal size, `astype` preserves all bits of a NaN.
    scalar: _TFloat = bits.astype(np.dtype(scalar_cls))[0]
    return scalar


def encode_bytes(data: bytes) -> str:
    """Return bytes as a standard base64 string."""
    return b64encode(data).decode("ascii")


def decode_bytes(data: str) -> bytes:
    """Return the bytes that a standard base64 string encodes.

    Raises
    ------
    ValueError
        If `data` is not base64.
    """
    try:
        return b64decode(data, validate=True)
    except (Base64Error, ValueError) as exc:
        raise ValueError(f"Invalid base64 string: {data!r}. {exc}.") from exc
