"""The string data types, at an import path that other packages use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from zarr.core.dtype._string import (
    FixedLengthUTF32,
    FixedLengthUTF32JSON_V2,
    FixedLengthUTF32JSON_V3,
    LengthBytesConfig,
    VariableLengthUTF8,
    VariableLengthUTF8JSON_V2,
)

if TYPE_CHECKING:
    from typing import TypeGuard

__all__ = [
    "FixedLengthUTF32",
    "FixedLengthUTF32JSON_V2",
    "FixedLengthUTF32JSON_V3",
    "LengthBytesConfig",
    "SupportsStr",
    "VariableLengthUTF8",
    "VariableLengthUTF8JSON_V2",
    "check_vlen_string_json_scalar",
]


@runtime_checkable
class SupportsStr(Protocol):
    """An object that can be converted to text."""

    def __str__(self) -> str: ...


def check_vlen_string_json_scalar(data: object) -> TypeGuard[int | str | float]:
    """Return whether a JSON value can be a `VariableLengthUTF8` scalar: a string or number."""
    return isinstance(data, int | str | float)
