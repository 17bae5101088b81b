"""JSON forms of data types, checks of them, and the traits that data types share.

Zarr format 2 stores a data type as a NumPy type string or, for structured types, as a list of
fields (v2 specification, "Data type encoding"). The element type of ``|O`` arrays hangs on the
object codec, which format 2 keeps among the filters: the JSON form here pairs both. Format 3 stores
a name, or an object of a name and a configuration (v3 specification, "Extension definition").
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Generic, Literal, TypeAlias, TypeVar

from typing_extensions import ReadOnly, TypedDict

from zarr.core.common import NamedConfig
from zarr.errors import DataTypeValidationError as _DataTypeValidationError
from zarr.errors import UnstableSpecificationWarning, ZarrDeprecationWarning

if TYPE_CHECKING:
    from typing import TypeGuard

__all__ = [
    "DTypeConfig_V2",
    "DTypeJSON",
    "DTypeName_V2",
    "DTypeSpec_V2",
    "DTypeSpec_V3",
    "EndiannessStr",
    "HasEndianness",
    "HasItemSize",
    "HasLength",
    "HasObjectCodec",
    "ScalarTypeValidationError",
    "StructuredName_V2",
    "check_dtype_name_v2",
    "check_dtype_spec_no_object_codec_v2",
    "check_dtype_spec_v2",
    "check_dtype_spec_v3",
    "check_structured_dtype_name_v2",
    "check_structured_dtype_v2_inner",
    "unpack_dtype_json",
    "v3_unstable_dtype_warning",
]

EndiannessStr: TypeAlias = Literal["little", "big"]
ENDIANNESS: Final = ("little", "big")
BYTE_ORDER_CHAR: Final[Mapping[str, Literal["<", ">"]]] = {"little": "<", "big": ">"}

DTypeJSON: TypeAlias = (
    str | int | float | Sequence["DTypeJSON"] | Mapping[str, "DTypeJSON | object"] | None
)
StructuredName_V2: TypeAlias = Sequence["str | StructuredName_V2"]
DTypeName_V2: TypeAlias = StructuredName_V2 | str

_NameT = TypeVar("_NameT", bound=DTypeName_V2)
_ObjectCodecT = TypeVar("_ObjectCodecT", bound=str | None)


class DTypeConfig_V2(TypedDict, Generic[_NameT, _ObjectCodecT]):
    """A data type of format 2: its name, and the object codec if its elements are objects."""

    name: ReadOnly[_NameT]
    object_codec_id: ReadOnly[_ObjectCodecT]


DTypeSpec_V2: TypeAlias = DTypeConfig_V2[DTypeName_V2, str | None]
DTypeSpec_V3: TypeAlias = str | NamedConfig[str, Mapping[str, object]]


def moved_error(module: str, name: str) -> type[Exception]:
    """Return an exception that other packages import from where it was once.

    Parameters
    ----------
    module : str
        The module that is asked for it, in its ``__getattr__``.
    name : str
        What it is asked for.

    Raises
    ------
    AttributeError
        If it has never had it.

    Warns
    -----
    ZarrDeprecationWarning
        Saying where it is.
    """
    if name != "DataTypeValidationError":
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    warnings.warn(
        f"{name} is no longer part of {module}: import it from zarr.errors.",
        ZarrDeprecationWarning,
        stacklevel=3,
    )
    return _DataTypeValidationError


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        return moved_error(__name__, name)


class ScalarTypeValidationError(ValueError):
    """A value is not a scalar of the data type it was given to."""


# --- checks of the shape of JSON forms ---------------------------------------------------


def _is_list(data: object) -> TypeGuard[Sequence[object]]:
    return isinstance(data, Sequence) and not isinstance(data, (str, bytes, bytearray))


def check_dtype_name_v2(data: object) -> TypeGuard[DTypeName_V2]:
    """Whether `data` has the form of a format 2 type name: a string, or a list of fields."""
    return isinstance(data, str) or check_structured_dtype_name_v2(data)


def check_structured_dtype_name_v2(data: object) -> TypeGuard[StructuredName_V2]:
    """Whether `data` is a list of ``[name, type]`` pairs; types may nest. No fields also pass."""
    return _is_list(data) and all(check_structured_dtype_v2_inner(field) for field in data)


def check_structured_dtype_v2_inner(data: object) -> TypeGuard[StructuredName_V2]:
    """Whether `data` is one ``[name, type]`` pair of a format 2 structured type."""
    return (
        _is_list(data)
        and len(data) == 2
        and isinstance(data[0], str)
        and check_dtype_name_v2(data[1])
    )


def check_dtype_spec_v2(data: object) -> TypeGuard[DTypeSpec_V2]:
    """Whether `data` pairs a format 2 type name with an object codec id (a string or None)."""
    return (
        isinstance(data, Mapping)
        and len(data) == 2
        and "name" in data
        and "object_codec_id" in data
        and check_dtype_name_v2(data["name"])
        and isinstance(data["object_codec_id"], str | None)
    )


def check_dtype_spec_no_object_codec_v2(
    data: object,
) -> TypeGuard[DTypeConfig_V2[DTypeName_V2, None]]:
    """Whether `data` is a format 2 type that needs no object codec."""
    return check_dtype_spec_v2(data) and data["object_codec_id"] is None


def check_dtype_spec_v3(data: object) -> TypeGuard[DTypeSpec_V3]:
    """Whether `data` is a bare name, or an object of exactly a name and a configuration object."""
    if isinstance(data, str):
        return True
    return (
        isinstance(data, Mapping)
        and len(data) == 2
        and "name" in data
        and isinstance(data.get("configuration"), Mapping)
    )


def unpack_dtype_json(data: DTypeSpec_V2 | DTypeSpec_V3) -> DTypeJSON:
    """Turn the JSON form of a data type into what a metadata document holds.

    Parameters
    ----------
    data : str or Mapping
        What `ZDType.to_json` returns.

    Returns
    -------
    str, list or Mapping
        The name alone for format 2, whose documents keep the object codec among the filters;
        `data` itself for format 3.
    """
    if isinstance(data, Mapping) and "object_codec_id" in data:
        name: DTypeName_V2 = data["name"]
        return name
    return data


_UNSTABLE = (
    "The data type ({dtype!r}) does not have a Zarr V3 specification. That means that the "
    "representation of arrays saved with this data type may change without warning in a future "
    "version of Zarr Python. Arrays stored with this data type may be unreadable by other Zarr "
    "libraries. Use this data type at your own risk! Check "
    "https://github.com/zarr-developers/zarr-extensions/tree/main/data-types for the status of "
    "data type specifications for Zarr V3."
)


def v3_unstable_dtype_warning(dtype: object) -> None:
    """Warn that the format 3 form of a data type is not settled by a specification.

    Parameters
    ----------
    dtype : ZDType
        Named in the warning.

    Warns
    -----
    UnstableSpecificationWarning
        Always.
    """
    warnings.warn(_UNSTABLE.format(dtype=dtype), UnstableSpecificationWarning, stacklevel=2)


# --- traits -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class HasEndianness:
    """A trait: elements span several bytes, in one of two orders.

    Parameters
    ----------
    endianness : {"little", "big"}
        Order of the bytes in memory. Format 2 stores it with the data type; in format 3 it is the
        business of the codecs.
    """

    endianness: EndiannessStr = "little"


@dataclass(frozen=True, kw_only=True)
class HasLength:
    """A trait: the number of units in an element is part of the data type.

    Parameters
    ----------
    length : int
        Code points of a string type, bytes of a byte string type.
    """

    length: int


@dataclass(frozen=True, kw_only=True)
class HasItemSize:
    """A trait: all elements take the same number of bytes in memory."""

    @property
    def item_size(self) -> int:
        """Size of an element in bytes.

        Raises
        ------
        NotImplementedError
            If the data type does not define it.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class HasObjectCodec:
    """A trait: elements are Python objects, which format 2 stores through an object codec.

    Attributes
    ----------
    object_codec_id : str
        The id of that codec; it stands among the filters of the array.
    """

    object_codec_id: ClassVar[str]


# No element is larger, in bytes. NumPy would take up to 2 GiB, but then a handful of elements, of
# which nothing may be stored, takes more memory than there is.
MAX_ITEM_NBYTES: Final = 1 << 28


def check_length(length: int, unit_nbytes: int = 1) -> None:
    """Refuse a length of less than one, and elements of an absurd size.

    Parameters
    ----------
    length : int
        Units in an element.
    unit_nbytes : int
        Size of a unit in bytes.

    Raises
    ------
    ValueError
        If `length` is 0 or negative, or an element would have more than 256 MiB.
    """
    if length < 1:
        raise ValueError(f"length must be >= 1, got {length}.")
    check_item_nbytes(length * unit_nbytes)


def check_item_nbytes(nbytes: int) -> None:
    """Refuse elements of an absurd size.

    Raises
    ------
    ValueError
        If `nbytes` is more than 256 MiB.
    """
    if nbytes > MAX_ITEM_NBYTES:
        raise ValueError(
            f"An element of a data type has at most {MAX_ITEM_NBYTES} bytes, got {nbytes}."
        )


def byte_order_char(endianness: str) -> Literal["<", ">"]:
    """Return the NumPy character of a byte order.

    Raises
    ------
    ValueError
        If `endianness` is neither "little" nor "big".
    """
    try:
        return BYTE_ORDER_CHAR[endianness]
    except KeyError:
        raise ValueError(
            f"Invalid endianness: {endianness!r}. Expected one of {ENDIANNESS!r} or None"
        ) from None
