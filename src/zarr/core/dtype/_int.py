"""Integer data types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import numpy as np

from zarr.core.dtype._named import NamedDType, WideNamedDType
from zarr.core.dtype.wrapper import cannot_cast

if TYPE_CHECKING:
    from typing import TypeGuard

    from zarr.core.common import JSON, ZarrFormat

_TIntDType = TypeVar("_TIntDType", bound="np.dtype[Any]", covariant=True)
_TInt = TypeVar("_TInt", bound="np.integer[Any]", covariant=True)


class BaseInt(NamedDType[_TIntDType, _TInt]):
    """Base class of the integer data types."""

    def _check_scalar(self, data: object) -> TypeGuard[Any]:
        if isinstance(data, np.ndarray | np.generic):
            return data.ndim == 0 and data.dtype.kind in "biufSU"
        return (
            hasattr(data, "__int__") or hasattr(data, "__index__") or isinstance(data, str | bytes)
        )

    def cast_scalar(self, data: object) -> _TInt:
        """Convert a number to an integer (truncating any fraction), or parse a decimal string.

        Parameters
        ----------
        data : object
            A real number of any type, or a string that Python's `int` accepts.

        Raises
        ------
        TypeError
            If `data` is neither a real number nor a string. Sequences and complex numbers raise
            this error, for example.
        ValueError
            If `data` is NaN, or a string that is not an integer.
        OverflowError
            If the value is out of range for the data type.
        """
        if not self._check_scalar(data):
            raise cannot_cast(self, data)
        # `int` is called first, because NumPy would wrap a NumPy integer that is out of
        # range. For a Python integer, NumPy raises `OverflowError`.
        return cast("_TInt", self._scalar_cls(int(data)))

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> _TInt:
        """Parse an integer. Floats without a fraction and decimal strings are also accepted."""
        if isinstance(data, int) or (isinstance(data, float) and data.is_integer()):
            return self.cast_scalar(data)
        if isinstance(data, str):
            try:
                number = int(data)
            except ValueError:
                pass
            else:
                return self.cast_scalar(number)
        raise TypeError(f"Invalid type: {data}. Expected an integer.")

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> int:
        # docstring inherited
        return int(self.cast_scalar(data))


class Int8(BaseInt[np.dtypes.Int8DType, np.int8]):
    """Signed 8-bit integers: ``int8`` in format 3, ``|i1`` in format 2."""

    dtype_cls = np.dtypes.Int8DType
    _zarr_v3_name: ClassVar[str] = "int8"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = ("|i1",)


class UInt8(BaseInt[np.dtypes.UInt8DType, np.uint8]):
    """Unsigned 8-bit integers: ``uint8`` in format 3, ``|u1`` in format 2."""

    dtype_cls = np.dtypes.UInt8DType
    _zarr_v3_name: ClassVar[str] = "uint8"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = ("|u1",)


class Int16(
    BaseInt[np.dtypes.Int16DType, np.int16], WideNamedDType[np.dtypes.Int16DType, np.int16]
):
    """Signed 16-bit integers: ``int16`` in format 3, ``<i2`` or ``>i2`` in format 2."""

    dtype_cls = np.dtypes.Int16DType
    _zarr_v3_name: ClassVar[str] = "int16"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = (">i2", "<i2")


class UInt16(
    BaseInt[np.dtypes.UInt16DType, np.uint16], WideNamedDType[np.dtypes.UInt16DType, np.uint16]
):
    """Unsigned 16-bit integers: ``uint16`` in format 3, ``<u2`` or ``>u2`` in format 2."""

    dtype_cls = np.dtypes.UInt16DType
    _zarr_v3_name: ClassVar[str] = "uint16"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = (">u2", "<u2")


class Int32(
    BaseInt[np.dtypes.Int32DType, np.int32], WideNamedDType[np.dtypes.Int32DType, np.int32]
):
    """Signed 32-bit integers: ``int32`` in format 3, ``<i4`` or ``>i4`` in format 2."""

    dtype_cls = np.dtypes.Int32DType
    _zarr_v3_name: ClassVar[str] = "int32"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = (">i4", "<i4")


class UInt32(
    BaseInt[np.dtypes.UInt32DType, np.uint32], WideNamedDType[np.dtypes.UInt32DType, np.uint32]
):
    """Unsigned 32-bit integers: ``uint32`` in format 3, ``<u4`` or ``>u4`` in format 2."""

    dtype_cls = np.dtypes.UInt32DType
    _zarr_v3_name: ClassVar[str] = "uint32"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = (">u4", "<u4")


class Int64(
    BaseInt[np.dtypes.Int64DType, np.int64], WideNamedDType[np.dtypes.Int64DType, np.int64]
):
    """Signed 64-bit integers: ``int64`` in format 3, ``<i8`` or ``>i8`` in format 2."""

    dtype_cls = np.dtypes.Int64DType
    _zarr_v3_name: ClassVar[str] = "int64"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = (">i8", "<i8")


class UInt64(
    BaseInt[np.dtypes.UInt64DType, np.uint64], WideNamedDType[np.dtypes.UInt64DType, np.uint64]
):
    """Unsigned 64-bit integers: ``uint64`` in format 3, ``<u8`` or ``>u8`` in format 2."""

    dtype_cls = np.dtypes.UInt64DType
    _zarr_v3_name: ClassVar[str] = "uint64"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = (">u8", "<u8")
