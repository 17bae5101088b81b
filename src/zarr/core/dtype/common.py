"""JSON forms of data types, functions that validate them, and traits of data types.

Zarr format 2 stores a data type as a NumPy type string or, for structured types, as a list of
fields (v2 specification, "Data type encoding"). The element type of ``|O`` arrays depends on the
object codec, which format 2 stores among the filters. In this package, a format 2 JSON form
therefore contains the type and the id of the object codec.

Format 3 stores a name, or an object with a name and a configuration (v3 specification, "Extension
definition").
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
    """The format 2 JSON form of a data type: the type name, and the id of the object codec."""

    name: ReadOnly[_NameT]
    object_codec_id: ReadOnly[_ObjectCodecT]


DTypeSpec_V2: TypeAlias = DTypeConfig_V2[DTypeName_V2, str | None]
DTypeSpec_V3: TypeAlias = str | NamedConfig[str, Mapping[str, object]]


def moved_error(module: str, name: str) -> type[Exception]:
    """Return `DataTypeValidationError` when it is imported from a module that no longer defines it.

    Parameters
    ----------
    module : str
        The module whose ``__getattr__`` is called.
    name : str
        Name of the requested attribute.

    Raises
    ------
    AttributeError
        If `name` is not ``"DataTypeValidationError"``.

    Warns
    -----
    ZarrDeprecationWarning
        If `name` is ``"DataTypeValidationError"``. The warning names the module that now defines
        the class.
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
    """A value is not a valid scalar of a data type."""


# --- validation of JSON forms ------------------------------------------------------------


def _is_list(data: object) -> TypeGuard[Sequence[object]]:
    return isinstance(data, Sequence) and not isinstance(data, (str, bytes, bytearray))


def check_dtype_name_v2(data: object) -> TypeGuard[DTypeName_V2]:
    """Return whether `data` is a format 2 type name: a string, or a list of fields."""
    return isinstance(data, str) or check_structured_dtype_name_v2(data)


def check_structured_dtype_name_v2(data: object) -> TypeGuard[StructuredName_V2]:
    """Return whether `data` is a list, possibly empty or nested, of ``[name, type]`` pairs."""
    return _is_list(data) and all(check_structured_dtype_v2_inner(field) for field in data)


def check_structured_dtype_v2_inner(data: object) -> TypeGuard[StructuredName_V2]:
    """Return whether `data` is a ``[name, type]`` pair of a format 2 structured type."""
    return (
        _is_list(data)
        and len(data) == 2
        and isinstance(data[0], str)
        and check_dtype_name_v2(data[1])
    )


def check_dtype_spec_v2(data: object) -> TypeGuard[DTypeSpec_V2]:
    """Return whether `data` is the format 2 JSON form of a data type.

    This form has two members: the type name, and the id of the object codec (a string or None).
    """
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
    """Return whether `data` is a format 2 JSON form without an object codec."""
    return check_dtype_spec_v2(data) and data["object_codec_id"] is None


def check_dtype_spec_v3(data: object) -> TypeGuard[DTypeSpec_V3]:
    """Return whether `data` is a name, or an object with only a name and a configuration."""
    if isinstance(data, str):
        return True
    return (
        isinstance(data, Mapping)
        and len(data) == 2
        and "name" in data
        and isinstance(data.get("configuration"), Mapping)
    )


def unpack_dtype_json(data: DTypeSpec_V2 | DTypeSpec_V3) -> DTypeJSON:
    """Return the part of a data type's JSON form that metadata documents store.

    Parameters
    ----------
    data : str or Mapping
        The result of `ZDType.to_json`.

    Returns
    -------
    str, list or Mapping
        For format 2, only the type name, because documents store the object codec among the
        filters. For format 3, `data` unchanged.
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
    """Warn that no specification defines the format 3 form of a data type.

    Parameters
    ----------
    dtype : ZDType
        The data type that the warning names.

    Warns
    -----
    UnstableSpecificationWarning
        Always.
    """
    warnings.warn(_UNSTABLE.format(dtype=dtype), UnstableSpecificationWarning, stacklevel=2)


# --- traits -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class HasEndianness:
    """Trait of data types whose elements have several bytes and therefore a byte order.

    Parameters
    ----------
    endianness : {"little", "big"}
        Byte order in memory. Format 2 stores this byte order with the data type. In format 3, the
        codecs define the stored byte order.
    """

    endianness: EndiannessStr = "little"


@dataclass(frozen=True, kw_only=True)
class HasLength:
    """Trait of data types that have the length of an element as a parameter.

    Parameters
    ----------
    length : int
        Number of code points in a string, or number of bytes in a byte string.
    """

    length: int


@dataclass(frozen=True, kw_only=True)
class HasItemSize:
    """Trait of data types whose elements all have the same size in memory."""

    @property
    def item_size(self) -> int:
        """Size of an element in bytes.

        Raises
        ------
        NotImplementedError
            If the data type does not define the size.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class HasObjectCodec:
    """Trait of data types whose elements are Python objects; format 2 needs an object codec.

    Attributes
    ----------
    object_codec_id : str
        The id of the object codec, which is stored among the filters of the array.
    """

    object_codec_id: ClassVar[str]


# Maximum element size in bytes. NumPy supports up to 2 GiB. A few elements of 2 GiB would exceed
# the available memory when they are read, even if no chunk is stored.
MAX_ITEM_NBYTES: Final = 1 << 28


def check_length(length: int, unit_nbytes: int = 1) -> None:
    """Check that a length is positive and that the element size is at most 256 MiB.

    Parameters
    ----------
    length : int
        Number of units (bytes or code points) in an element.
    unit_nbytes : int
        Size of one unit in bytes.

    Raises
    ------
    ValueError
        If `length` is 0 or negative, or if an element would be larger than 256 MiB.
    """
    if length < 1:
        raise ValueError(f"length must be >= 1, got {length}.")
    check_item_nbytes(length * unit_nbytes)


def check_item_nbytes(nbytes: int) -> None:
    """Check that an element size in bytes is at most 256 MiB.

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
    """Return the NumPy character for a byte order.

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
