"""Complex data types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import numpy as np

from zarr.core.dtype._json_scalar import decode_float, encode_float
from zarr.core.dtype._named import WideNamedDType
from zarr.core.dtype.wrapper import cannot_cast

if TYPE_CHECKING:
    from typing import TypeGuard

    from zarr.core.common import JSON, ZarrFormat

_TComplexDType = TypeVar("_TComplexDType", bound="np.dtype[Any]", covariant=True)
_TComplex = TypeVar("_TComplex", bound="np.complexfloating[Any, Any]", covariant=True)


class BaseComplex(WideNamedDType[_TComplexDType, _TComplex]):
    """Base class of the complex data types. An element is a real part, then an imaginary part."""

    _v3_expectation: ClassVar[str] = "{}."
    _part_cls: ClassVar[type[np.floating[Any]]]

    def _check_scalar(self, data: object) -> TypeGuard[Any]:
        if isinstance(data, np.ndarray | np.generic):
            return data.ndim == 0 and data.dtype.kind in "biufcU"
        return isinstance(data, str) or any(
            hasattr(data, name) for name in ("__complex__", "__float__", "__index__")
        )

    def cast_scalar(self, data: object) -> _TComplex:
        """Convert a number, or parse a string such as "1+2j".

        Parameters
        ----------
        data : object
            A number of any type, or a string that Python's `complex` accepts.

        Raises
        ------
        TypeError
            If `data` is neither a number nor a string. A pair of a real and an imaginary part is
            only accepted by `from_json_scalar`.
        ValueError
            If `data` is a string that does not represent a complex number.
        """
        if isinstance(data, self._scalar_cls):
            return cast("_TComplex", data)
        if not self._check_scalar(data):
            raise cannot_cast(self, data)
        return cast("_TComplex", self._scalar_cls(complex(data)))

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> _TComplex:
        """Parse a pair of a real and an imaginary part, both in the JSON form of a float."""
        if isinstance(data, Sequence) and not isinstance(data, str) and len(data) == 2:
            parts = [decode_float(part, self._part_cls, zarr_format=zarr_format) for part in data]
            if None not in parts:
                # View the memory of the pair as a complex number. Arithmetic on the two parts would
                # change the pair (inf, nan). It would also change the bits of NaN.
                pair = np.array(parts, dtype=self._part_cls)
                return cast("_TComplex", pair.view(self._scalar_cls)[0])
        raise TypeError(
            f"Invalid type: {data}. Expected a float or a special string encoding of a float."
        )

    def to_json_scalar(
        self, data: object, *, zarr_format: ZarrFormat
    ) -> tuple[float | str, float | str]:
        # docstring inherited
        scalar = self.cast_scalar(data)
        return (
            encode_float(scalar.real, zarr_format=zarr_format),
            encode_float(scalar.imag, zarr_format=zarr_format),
        )


class Complex64(BaseComplex[np.dtypes.Complex64DType, np.complex64]):
    """Pairs of 32-bit floats: ``complex64`` in format 3, ``<c8`` or ``>c8`` in format 2."""

    dtype_cls = np.dtypes.Complex64DType
    _zarr_v3_name: ClassVar[str] = "complex64"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = (">c8", "<c8")
    _part_cls: ClassVar[type[np.floating[Any]]] = np.float32


class Complex128(BaseComplex[np.dtypes.Complex128DType, np.complex128]):
    """Pairs of 64-bit floats: ``complex128`` in format 3, ``<c16`` or ``>c16`` in format 2."""

    dtype_cls = np.dtypes.Complex128DType
    _zarr_v3_name: ClassVar[str] = "complex128"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = (">c16", "<c16")
    _part_cls: ClassVar[type[np.floating[Any]]] = np.float64
