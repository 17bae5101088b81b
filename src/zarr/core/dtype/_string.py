"""String data types: strings of fixed length (UTF-32) and of variable length (UTF-8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict, cast

import numpy as np

from zarr.core.common import NamedConfig
from zarr.core.dtype.common import (
    DTypeConfig_V2,
    HasEndianness,
    HasItemSize,
    HasLength,
    HasObjectCodec,
    byte_order_char,
    check_dtype_spec_no_object_codec_v2,
    check_dtype_spec_v2,
    check_length,
)
from zarr.core.dtype.wrapper import (
    ZDType,
    invalid_json,
    invalid_native_dtype,
    unknown_format,
)

if TYPE_CHECKING:
    from typing import Self, TypeGuard

    from zarr.core.common import JSON, ZarrFormat
    from zarr.core.dtype.common import DTypeJSON, DTypeSpec_V2, DTypeSpec_V3

_V2_NAME = re.compile(r"([<>])U(\d+)")


class LengthBytesConfig(TypedDict):
    """The configuration of a fixed-length data type, with the element size in bytes."""

    length_bytes: int


class FixedLengthUTF32JSON_V2(DTypeConfig_V2[str, None]):
    """The JSON form of `FixedLengthUTF32` in format 2, for example ``<U3``."""


class FixedLengthUTF32JSON_V3(NamedConfig[Literal["fixed_length_utf32"], LengthBytesConfig]):
    """The JSON form of `FixedLengthUTF32` in format 3."""


class VariableLengthUTF8JSON_V2(DTypeConfig_V2[Literal["|O"], Literal["vlen-utf8"]]):
    """The JSON form of `VariableLengthUTF8` in format 2."""


def length_bytes_of(data: DTypeJSON, name: str) -> int | None:
    """Return ``length_bytes`` from the format 3 JSON form of a fixed-length data type.

    The result is None if `data` is not such a JSON form.

    Parameters
    ----------
    data : DTypeJSON
        The JSON form.
    name : str
        The name of the fixed-length data type that `data` must describe.
    """
    if not (isinstance(data, Mapping) and len(data) == 2 and data.get("name") == name):
        return None
    configuration = data.get("configuration")
    if not isinstance(configuration, Mapping) or configuration.keys() != {"length_bytes"}:
        return None
    length = configuration["length_bytes"]
    return length if isinstance(length, int) and not isinstance(length, bool) else None


@dataclass(frozen=True, kw_only=True)
class FixedLengthUTF32(
    ZDType["np.dtypes.StrDType[int]", np.str_],
    HasEndianness,
    HasLength,
    HasItemSize,
):
    """Strings of a fixed number of code points, padded with zeros: NumPy's ``U`` types.

    Parameters
    ----------
    length : int
        Number of code points in an element, at least 1.
    endianness : {"little", "big"}
        Byte order of the code points, which have four bytes each.

    Raises
    ------
    ValueError
        If `length` is less than 1, or if an element would be larger than 256 MiB.
    """

    dtype_cls = np.dtypes.StrDType
    _zarr_v3_name: ClassVar[Literal["fixed_length_utf32"]] = "fixed_length_utf32"
    code_point_bytes: ClassVar[int] = 4

    def __post_init__(self) -> None:
        check_length(self.length, self.code_point_bytes)

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype[Any]) -> Self:
        # docstring inherited
        if not cls._check_native_dtype(dtype):
            raise invalid_native_dtype(cls, dtype)
        return cls(
            length=dtype.itemsize // cls.code_point_bytes,
            endianness="big" if dtype.str[0] == ">" else "little",
        )

    @cached_property
    def _native(self) -> np.dtype[np.str_]:
        return np.dtype(f"{byte_order_char(self.endianness)}U{self.length}")

    def to_native_dtype(self) -> np.dtypes.StrDType[int]:
        # docstring inherited
        return cast("np.dtypes.StrDType[int]", self._native)

    @property
    def item_size(self) -> int:
        """Size of an element in bytes, four times the length."""
        return self.length * self.code_point_bytes

    @classmethod
    def _from_json_v2(cls, data: DTypeJSON) -> Self:
        if check_dtype_spec_no_object_codec_v2(data) and isinstance(name := data["name"], str):
            match = _V2_NAME.fullmatch(name)
            if match:
                return cls(length=int(match[2]), endianness="big" if match[1] == ">" else "little")
        raise invalid_json(cls, data, "a string representation of a NumPy U dtype.")

    @classmethod
    def _from_json_v3(cls, data: DTypeJSON) -> Self:
        length_bytes = length_bytes_of(data, cls._zarr_v3_name)
        if length_bytes is None:
            raise invalid_json(cls, data, f"{cls._zarr_v3_name}.")
        return cls(length=length_bytes // cls.code_point_bytes)

    def to_json(self, zarr_format: ZarrFormat) -> DTypeSpec_V2 | DTypeSpec_V3:
        # docstring inherited
        if zarr_format == 3:
            return {"name": self._zarr_v3_name, "configuration": {"length_bytes": self.item_size}}
        if zarr_format == 2:
            return {"name": self._native.str, "object_codec_id": None}
        raise unknown_format(zarr_format)

    def _check_scalar(self, data: object) -> TypeGuard[object]:
        return True

    def cast_scalar(self, data: object) -> np.str_:
        """Convert any object to text with `str`; truncate the text to the data type's length."""
        return np.str_(str(data)[: self.length])

    def default_scalar(self) -> np.str_:
        """Return the empty string."""
        return np.str_("")

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.str_:
        """Parse a string."""
        if isinstance(data, str):
            return np.str_(data)
        raise TypeError(f"Invalid type: {data}. Expected a string.")

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> str:
        # docstring inherited
        return str(data)


class VariableLengthUTF8(
    ZDType["np.dtype[Any]", str],
    HasObjectCodec,
):
    """Strings of any length: ``string`` in format 3, ``|O`` with ``vlen-utf8`` in format 2.

    In memory, the strings are elements of NumPy's ``StringDType``. A dtype with an ``na_object`` is
    rejected, because neither format can store a missing string.
    """

    dtype_cls = np.dtypes.StringDType
    _zarr_v3_name: ClassVar[Literal["string"]] = "string"
    object_codec_id: ClassVar[Literal["vlen-utf8"]] = "vlen-utf8"

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype[Any]) -> Self:
        # docstring inherited
        if not cls._check_native_dtype(dtype):
            raise invalid_native_dtype(cls, dtype)
        if hasattr(dtype, "na_object"):
            raise ValueError(
                f"Zarr data type resolution from {dtype} failed. Attempted to resolve a zarr data "
                "type from a `numpy.dtypes.StringDType` with `na_object` set, which is not "
                "supported."
            )
        return cls()

    def to_native_dtype(self) -> np.dtypes.StringDType:
        # docstring inherited
        return np.dtypes.StringDType()

    @classmethod
    def _from_json_v2(cls, data: DTypeJSON) -> Self:
        if (
            check_dtype_spec_v2(data)
            and data["name"] == "|O"
            and data["object_codec_id"] == cls.object_codec_id
        ):
            return cls()
        raise invalid_json(cls, data, "the string '|O'")

    @classmethod
    def _from_json_v3(cls, data: DTypeJSON) -> Self:
        if data == cls._zarr_v3_name:
            return cls()
        raise invalid_json(cls, data, f"{cls._zarr_v3_name}.")

    def to_json(self, zarr_format: ZarrFormat) -> DTypeSpec_V2 | DTypeSpec_V3:
        # docstring inherited
        if zarr_format == 3:
            return self._zarr_v3_name
        if zarr_format == 2:
            return {"name": "|O", "object_codec_id": self.object_codec_id}
        raise unknown_format(zarr_format)

    def _check_scalar(self, data: object) -> TypeGuard[object]:
        return True

    def cast_scalar(self, data: object) -> str:
        """Convert any object to text with `str`."""
        return str(data)

    def default_scalar(self) -> str:
        """Return the empty string."""
        return ""

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> str:
        """Parse a string. Numbers, which some older writers stored, are converted to text."""
        if isinstance(data, str | int | float):
            return str(data)
        raise TypeError(f"Invalid type: {data}. Expected a string or number.")

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> str:
        # docstring inherited
        return self.cast_scalar(data)
