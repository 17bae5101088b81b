"""Validation of codec parameters. Every error message names the parameter."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType

T = TypeVar("T", bound=str)


def parse_integer(value: object, name: str) -> int:
    """Return `value` if it is a Python integer but not a bool.

    Raises
    ------
    TypeError
        If `value` is not a Python integer, or is a bool. The message contains `name`.
    """
    if type(value) is int:
        return value
    raise TypeError(f"Failed to parse input for {name!r}: expected int, got {value!r}.")


def parse_flag(value: object, name: str) -> bool:
    """Return `value` if it is a bool.

    Raises
    ------
    TypeError
        If `value` is not a bool. The message contains `name`.
    """
    if isinstance(value, bool):
        return value
    raise TypeError(f"Failed to parse input for {name!r}: expected bool, got {value!r}.")


def plain_string(value: object) -> object:
    """Return a string, or the string value of an enumeration member, as a plain `str`.

    Any other value is returned unchanged. ``str(value)`` is not used: for a member of a string
    enumeration, it can return the class name and the member name.
    """
    plain = value.value if isinstance(value, Enum) else value
    return str.__str__(plain) if isinstance(plain, str) else value


def parse_choice(value: object, name: str, choices: Sequence[T]) -> T:
    """Return `value` as a plain string, if the string is one of `choices`.

    An enumeration member is converted to its string value.

    Raises
    ------
    ValueError
        If `value` is not one of `choices`; for an enumeration member, its string value is checked.
        The message contains `name`.
    """
    plain = plain_string(value)
    if isinstance(plain, str) and plain in choices:
        return cast("T", plain)
    raise ValueError(f"{name} must be one of {list(choices)}. Got {value!r}.")


def parse_scalar(value: object, dtype: ZDType[TBaseDType, TBaseScalar], what: str) -> Any:
    """Convert a number in a codec configuration to a scalar of an integer or floating-point type.

    Parameters
    ----------
    value : object
        A number, or a string in one of the forms of format 3 fill values: ``"NaN"``,
        ``"Infinity"``, ``"-Infinity"``, or the bits in hexadecimal.
    dtype : ZDType
        The data type.
    what : str
        Description of the value for the error message.

    Returns
    -------
    numpy.generic
        A scalar of the native dtype. For a floating-point type, the scalar nearest to `value`.

    Raises
    ------
    ValueError
        If the data type cannot represent the value.
    """
    native = dtype.to_native_dtype()
    try:
        if isinstance(value, str):
            return dtype.from_json_scalar(value, zarr_format=3)
        number: Any = value.item() if hasattr(value, "item") else value
        if native.kind in "iu":
            if number != int(number):
                raise ValueError(f"{number!r} is not an integer.")
            number = int(number)
        return native.type(number)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{what} value {value!r} is not representable in dtype {native}."
        ) from error
