"""Checks of codec parameters, with the name of the parameter in every message."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType

T = TypeVar("T", bound=str)


def parse_integer(value: object, name: str) -> int:
    """Return `value` if it is a Python integer, and not a bool.

    Raises
    ------
    TypeError
        Otherwise, with the parameter's `name`.
    """
    if type(value) is int:
        return value
    raise TypeError(f"Failed to parse input for {name!r}: expected int, got {value!r}.")


def parse_flag(value: object, name: str) -> bool:
    """Return `value` if it is a bool.

    Raises
    ------
    TypeError
        Otherwise, with the parameter's `name`.
    """
    if isinstance(value, bool):
        return value
    raise TypeError(f"Failed to parse input for {name!r}: expected bool, got {value!r}.")


def plain_string(value: object) -> object:
    """Return the string that a value is or, as a member of an enumeration, stands for.

    Anything else is returned as it is. Members that are strings spell themselves with their class.
    """
    plain = value.value if isinstance(value, Enum) else value
    return str.__str__(plain) if isinstance(plain, str) else value


def parse_choice(value: object, name: str, choices: Sequence[T]) -> T:
    """Return `value`, or what a member of an enumeration stands for, if it is one of `choices`.

    Raises
    ------
    ValueError
        Otherwise, with the parameter's `name`.
    """
    plain = plain_string(value)
    if isinstance(plain, str) and plain in choices:
        return cast("T", plain)
    raise ValueError(f"{name} must be one of {list(choices)}. Got {value!r}.")


def parse_scalar(value: object, dtype: ZDType[TBaseDType, TBaseScalar], what: str) -> Any:
    """Return a configured number as a scalar of an integer or floating-point data type.

    Parameters
    ----------
    value : object
        A number, or the string form that fill values have in format 3 metadata: ``"NaN"``,
        ``"Infinity"``, ``"-Infinity"``, or the bits in hexadecimal.
    dtype : ZDType
        The data type.
    what : str
        What the value is, for the message.

    Returns
    -------
    numpy.generic
        Scalar of the native dtype; for floating-point types the nearest one.

    Raises
    ------
    ValueError
        If the data type has no such value.
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
