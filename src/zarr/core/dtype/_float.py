"""Floating-point data types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import numpy as np

from zarr.core.dtype._json_scalar import decode_float, encode_float
from zarr.core.dtype._named import WideNamedDType
from zarr.core.dtype.wrapper import cannot_cast

if TYPE_CHECKING:
    from typing import TypeGuard

    from zarr.core.common import JSON, ZarrFormat

_TFloatDType = TypeVar("_TFloatDType", bound="np.dtype[Any]", covariant=True)
_TFloat = TypeVar("_TFloat", bound="np.floating[Any]", covariant=True)


class BaseFloat(WideNamedDType[_TFloatDType, _TFloat]):
    """Base class of the floating-point data types (IEEE 754 binary formats)."""

    _v3_expectation: ClassVar[str] = "{}."

    def _check_scalar(self, data: object) -> TypeGuard[Any]:
        if isinstance(data, np.ndarray | np.generic):
            return data.ndim == 0 and data.dtype.kind in "biufSU"
        return (
            hasattr(data, "__float__")
            or hasattr(data, "__index__")
            or isinstance(data, str | bytes)
        )

    def cast_scalar(self, data: object) -> _TFloat:
        """Convert a number, or parse a decimal string or the name of a special value.

        Parameters
        ----------
        data : object
            A real number of any type, or a string that Python's `float` accepts.

        Raises
        ------
        TypeError
            If `data` is neither a number nor a string that `float` accepts.
        OverflowError
            If `data` is an integer that is too large for a float.
        """
        if isinstance(data, self._scalar_cls):
            return cast("_TFloat", data)
        if not self._check_scalar(data):
            raise cannot_cast(self, data)
        try:
            number = float(data)
        except ValueError:
            raise cannot_cast(self, data) from None
        return cast("_TFloat", self._scalar_cls(number))

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> _TFloat:
        """Parse a number, the name of a special value or, in format 3, bits in hexadecimal."""
        scalar = decode_float(
            data, cast("type[np.floating[Any]]", self._scalar_cls), zarr_format=zarr_format
        )
        if scalar is None:
            raise TypeError(
                f"Invalid type: {data}. Expected a float or a special string encoding of a float."
            )
        return cast("_TFloat", scalar)

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> float | str:
        # docstring inherited
        return encode_float(self.cast_scalar(data), zarr_format=zarr_format)


class Float16(BaseFloat[np.dtypes.Float16DType, np.float16]):
    """16-bit floats: ``float16`` in format 3, ``<f2`` or ``>f2`` in format 2."""

    dtype_cls = np.dtypes.Float16DType
    _zarr_v3_name: ClassVar[str] = "float16"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = (">f2", "<f2")


class Float32(BaseFloat[np.dtypes.Float32DType, np.float32]):
    """32-bit floats: ``float32`` in format 3, ``<f4`` or ``>f4`` in format 2."""

    dtype_cls = np.dtypes.Float32DType
    _zarr_v3_name: ClassVar[str] = "float32"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = (">f4", "<f4")


class Float64(BaseFloat[np.dtypes.Float64DType, np.float64]):
    """64-bit floats: ``float64`` in format 3, ``<f8`` or ``>f8`` in format 2."""

    dtype_cls = np.dtypes.Float64DType
    _zarr_v3_name: ClassVar[str] = "float64"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = (">f8", "<f8")
