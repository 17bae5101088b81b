"""Byte string data types: null-terminated, of fixed length, and of variable length."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np

from zarr.core.common import NamedConfig
from zarr.core.dtype._json_scalar import decode_bytes, encode_bytes
from zarr.core.dtype._string import LengthBytesConfig, length_bytes_of
from zarr.core.dtype.common import (
    DTypeConfig_V2,
    HasItemSize,
    HasLength,
    HasObjectCodec,
    check_dtype_spec_no_object_codec_v2,
    check_dtype_spec_v2,
    check_length,
    v3_unstable_dtype_warning,
)
from zarr.core.dtype.wrapper import (
    TDType_co,
    TScalar_co,
    ZDType,
    cannot_cast,
    invalid_json,
    invalid_native_dtype,
    unknown_format,
)

if TYPE_CHECKING:
    from typing import Self, TypeGuard

    from zarr.core.common import JSON, ZarrFormat
    from zarr.core.dtype.common import DTypeJSON, DTypeSpec_V2, DTypeSpec_V3

# Byte strings have no byte order, but some writers store type strings that begin with a byte order,
# such as ``<S3``.
_V2_NAME = re.compile(r"[|<>]([SV])(\d+)")
_V3_BITS = re.compile(r"r([1-9]\d*)")


class NullterminatedBytesJSON_V2(DTypeConfig_V2[str, None]):
    """The JSON form of `NullTerminatedBytes` in format 2, for example ``|S3``."""


class NullTerminatedBytesJSON_V3(NamedConfig[Literal["null_terminated_bytes"], LengthBytesConfig]):
    """The JSON form of `NullTerminatedBytes` in format 3."""


class RawBytesJSON_V2(DTypeConfig_V2[str, None]):
    """The JSON form of `RawBytes` in format 2, for example ``|V3``."""


class RawBytesJSON_V3(NamedConfig[Literal["raw_bytes"], LengthBytesConfig]):
    """The JSON form of `RawBytes` in format 3."""


class VariableLengthBytesJSON_V2(DTypeConfig_V2[Literal["|O"], Literal["vlen-bytes"]]):
    """The JSON form of `VariableLengthBytes` in format 2."""


def _decode_byte_values(data: JSON) -> bytes | None:
    """Return the bytes that a list of integers represents; None if `data` is no such list.

    The v3 specification defines this form in the section "Fill value", for raw data types.

    Raises
    ------
    ValueError
        If an integer is not in the range 0 to 255.
    """
    if not isinstance(data, Sequence) or isinstance(data, str):
        return None
    if not all(isinstance(item, int) for item in data):
        return None
    return bytes(cast("Sequence[int]", data))


@dataclass(frozen=True, kw_only=True)
class FixedLengthBytes(ZDType[TDType_co, TScalar_co], HasLength, HasItemSize):
    """Base class of byte string types with elements of a fixed size.

    Parameters
    ----------
    length : int
        Number of bytes in an element, at least 1.

    Raises
    ------
    ValueError
        If `length` is less than 1, or if an element would be larger than 256 MiB.
    """

    _kind: ClassVar[Literal["S", "V"]]

    def __post_init__(self) -> None:
        check_length(self.length)

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype[Any]) -> Self:
        # docstring inherited
        if not cls._check_native_dtype(dtype):
            raise invalid_native_dtype(cls, dtype)
        return cls(length=dtype.itemsize)

    @cached_property
    def _native(self) -> np.dtype[Any]:
        return np.dtype(f"|{self._kind}{self.length}")

    def to_native_dtype(self) -> TDType_co:
        # docstring inherited
        return cast("TDType_co", self._native)

    @property
    def item_size(self) -> int:
        """Size of an element in bytes, equal to the length."""
        return self.length

    @classmethod
    def _from_json_v2(cls, data: DTypeJSON) -> Self:
        if check_dtype_spec_no_object_codec_v2(data) and isinstance(name := data["name"], str):
            match = _V2_NAME.fullmatch(name)
            if match and match[1] == cls._kind:
                return cls(length=int(match[2]))
        raise invalid_json(cls, data, f"a string like '|{cls._kind}1', '|{cls._kind}2', etc")

    @classmethod
    def _from_json_v3(cls, data: DTypeJSON) -> Self:
        length = length_bytes_of(data, cls._zarr_v3_name)
        if length is None:
            raise invalid_json(cls, data, f"the string {cls._zarr_v3_name!r}")
        return cls(length=length)

    def to_json(self, zarr_format: ZarrFormat) -> DTypeSpec_V2 | DTypeSpec_V3:
        # docstring inherited
        if zarr_format == 3:
            v3_unstable_dtype_warning(self)
            return {"name": self._zarr_v3_name, "configuration": {"length_bytes": self.length}}
        if zarr_format == 2:
            return {"name": self._native.str, "object_codec_id": None}
        raise unknown_format(zarr_format)


class NullTerminatedBytes(FixedLengthBytes["np.dtypes.BytesDType[int]", np.bytes_]):
    """Byte strings of limited length, padded with null bytes: NumPy's ``S`` types.

    Trailing null bytes of a value are lost, because they cannot be distinguished from padding.

    Parameters
    ----------
    length : int
        Number of bytes in an element, at least 1.

    Raises
    ------
    ValueError
        If `length` is less than 1, or if an element would be larger than 256 MiB.
    """

    dtype_cls = np.dtypes.BytesDType
    _zarr_v3_name: ClassVar[Literal["null_terminated_bytes"]] = "null_terminated_bytes"
    _kind: ClassVar[Literal["S", "V"]] = "S"

    def _check_scalar(self, data: object) -> TypeGuard[bytes | bytearray | str | int]:
        return isinstance(data, bytes | bytearray | str | int | np.integer)

    def cast_scalar(self, data: object) -> np.bytes_:
        """Convert `data` to a byte string, truncated to the length of the data type.

        Parameters
        ----------
        data : bytes, bytearray, str or int
            The value to convert. An integer is converted to its decimal digits.

        Raises
        ------
        TypeError
            If `data` is neither bytes, text nor an integer.
        ValueError
            If `data` is text with non-ASCII characters.
        """
        if not self._check_scalar(data):
            raise cannot_cast(self, data)
        encoded = bytes(data) if isinstance(data, bytes | bytearray) else str(data).encode("ascii")
        return np.bytes_(encoded[: self.length])

    def default_scalar(self) -> np.bytes_:
        """Return the empty byte string."""
        return np.bytes_(b"")

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.bytes_:
        """Parse a scalar from a base64 string (v2 specification, "Fill value encoding")."""
        if isinstance(data, str):
            return np.bytes_(decode_bytes(data))
        raise TypeError(f"Invalid type: {data}. Expected a base64-encoded string.")

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> str:
        # docstring inherited
        return encode_bytes(self.cast_scalar(data))


class RawBytes(FixedLengthBytes["np.dtypes.VoidDType[int]", np.void]):
    """Opaque elements of a fixed number of bytes: NumPy's ``V`` types without fields.

    In format 3 documents, the data type has the name ``raw_bytes``. The names in the core
    specification are also accepted. These names contain the number of bits of an element: an
    element of ``r24`` has three bytes.

    Parameters
    ----------
    length : int
        Number of bytes in an element, at least 1.

    Raises
    ------
    ValueError
        If `length` is less than 1, or if an element would be larger than 256 MiB.
    """

    dtype_cls: ClassVar[type[np.dtype[Any]]] = cast("type[np.dtype[Any]]", np.dtypes.VoidDType)
    _zarr_v3_name: ClassVar[Literal["raw_bytes"]] = "raw_bytes"
    _kind: ClassVar[Literal["S", "V"]] = "V"

    @classmethod
    def _check_native_dtype(cls, dtype: np.dtype[Any]) -> bool:
        # Structured and subarray dtypes also have the class `numpy.dtypes.VoidDType`, but their
        # elements are not opaque bytes.
        return (
            super()._check_native_dtype(dtype) and dtype.fields is None and dtype.subdtype is None
        )

    @staticmethod
    def _bits_of_name(name: str) -> int | None:
        """Return the number of bits that a name such as ``r24`` contains.

        The result is None if the name does not have this form, or if the number is not a multiple
        of 8.
        """
        match = _V3_BITS.fullmatch(name)
        return int(match[1]) if match and int(match[1]) % 8 == 0 else None

    def _check_scalar(self, data: object) -> TypeGuard[bytes | bytearray | np.void]:
        return isinstance(data, bytes | bytearray | np.void)

    def cast_scalar(self, data: object) -> np.void:
        """Convert bytes to an element; pad or truncate the bytes to the length of the data type.

        The padding consists of null bytes.

        Raises
        ------
        TypeError
            If `data` is neither bytes nor a NumPy void scalar.
        """
        if not self._check_scalar(data):
            raise cannot_cast(self, data)
        encoded = data.tobytes() if isinstance(data, np.void) else bytes(data)
        return np.void(encoded[: self.length].ljust(self.length, b"\0"))

    def default_scalar(self) -> np.void:
        """Return an element of null bytes."""
        return np.void(bytes(self.length))

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.void:
        """Parse a scalar from a base64 string or, in format 3, from a list of byte values."""
        if isinstance(data, str):
            return np.void(decode_bytes(data))
        if zarr_format == 3 and (values := _decode_byte_values(data)) is not None:
            return np.void(values)
        raise TypeError(f"Invalid type: {data}. Expected a string.")

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> str:
        # docstring inherited
        return encode_bytes(self.cast_scalar(data).tobytes())


class VariableLengthBytes(
    ZDType[np.dtypes.ObjectDType, bytes],
    HasObjectCodec,
):
    """Byte strings of any length: ``variable_length_bytes`` or ``bytes`` in format 3.

    Format 2 stores the data type as ``|O`` with the object codec ``vlen-bytes``. In memory, the
    elements are Python objects.
    """

    dtype_cls = np.dtypes.ObjectDType
    _zarr_v3_name: ClassVar[Literal["variable_length_bytes"]] = "variable_length_bytes"
    object_codec_id: ClassVar[Literal["vlen-bytes"]] = "vlen-bytes"

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype[Any]) -> Self:
        # docstring inherited
        if not cls._check_native_dtype(dtype):
            raise invalid_native_dtype(cls, dtype)
        return cls()

    def to_native_dtype(self) -> np.dtypes.ObjectDType:
        # docstring inherited
        return np.dtypes.ObjectDType()

    @classmethod
    def _from_json_v2(cls, data: DTypeJSON) -> Self:
        if (
            check_dtype_spec_v2(data)
            and data["name"] == "|O"
            and data["object_codec_id"] == cls.object_codec_id
        ):
            return cls()
        raise invalid_json(
            cls, data, f"the string '|O' and an object_codec_id of {cls.object_codec_id}"
        )

    @classmethod
    def _from_json_v3(cls, data: DTypeJSON) -> Self:
        # The repository zarr-extensions uses the name "bytes" for this data type.
        if data in (cls._zarr_v3_name, "bytes"):
            return cls()
        raise invalid_json(cls, data, f"the string {cls._zarr_v3_name!r}")

    def to_json(self, zarr_format: ZarrFormat) -> DTypeSpec_V2 | DTypeSpec_V3:
        # docstring inherited
        if zarr_format == 3:
            v3_unstable_dtype_warning(self)
            return self._zarr_v3_name
        if zarr_format == 2:
            return {"name": "|O", "object_codec_id": self.object_codec_id}
        raise unknown_format(zarr_format)

    def _check_scalar(self, data: object) -> TypeGuard[bytes | bytearray | str | int]:
        return isinstance(data, bytes | bytearray | str | int)

    def cast_scalar(self, data: object) -> bytes:
        """Convert bytes, text or an integer to a byte string.

        Text is encoded as UTF-8. An integer n is converted to n null bytes.

        Raises
        ------
        TypeError
            If `data` is neither bytes, text nor an integer.
        ValueError
            If `data` is a negative integer.
        """
        if not self._check_scalar(data):
            raise cannot_cast(self, data)
        return data.encode("utf-8") if isinstance(data, str) else bytes(data)

    def default_scalar(self) -> bytes:
        """Return the empty byte string."""
        return b""

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> bytes:
        """Parse a scalar from a base64 string or, in format 3, from a list of byte values.

        In format 2, the number 0 stands for the empty byte string, because 0 is a common fill value
        of object arrays.
        """
        if isinstance(data, str):
            return decode_bytes(data)
        if zarr_format == 2 and data == 0:
            return b""
        if zarr_format == 3 and (values := _decode_byte_values(data)) is not None:
            return values
        raise TypeError(f"Invalid type: {data}. Expected a string.")

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> str:
        # docstring inherited
        return encode_bytes(self.cast_scalar(data))
