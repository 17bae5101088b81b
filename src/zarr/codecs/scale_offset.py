"""The ``scale_offset`` codec."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zarr.abc.codec import ArrayArrayCodec
from zarr.codecs._named import NamedCodec
from zarr.codecs._parse import parse_scalar

if TYPE_CHECKING:
    import numpy.typing as npt

    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import NDBuffer
    from zarr.core.common import JSON
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType
    from zarr.core.metadata.v3 import ChunkGridMetadata

_DEFAULTS = {"offset": 0, "scale": 1}


@dataclass(frozen=True)
class ScaleOffset(ArrayArrayCodec, NamedCodec):
    """Codec that stores ``(x - offset) * scale`` for each element ``x``.

    See zarr-extensions, "scale_offset". All arithmetic is done in the data type of the array, which
    is an integer or floating-point type. The stored elements have the same data type. A result that
    the data type cannot represent raises an error; integers never wrap around.

    Parameters
    ----------
    offset : int, float or str
        Number subtracted by encoding and added by decoding. A string is written like a fill value
        in metadata, for example as ``"NaN"`` or as hexadecimal bits.
    scale : int, float or str
        Factor for encoding and divisor for decoding; not zero.

    Raises
    ------
    TypeError
        If `offset` or `scale` is neither a number nor a string.
    """

    is_fixed_size = True
    _name = "scale_offset"
    _configuration_required = False

    offset: float | str = 0
    scale: float | str = 1

    def __init__(self, *, offset: object = 0, scale: object = 1) -> None:
        for name, value in (("offset", offset), ("scale", scale)):
            if not isinstance(value, int | float | str):
                raise TypeError(f"{name} must be a number or string, got {type(value).__name__}")
            object.__setattr__(self, name, value)

    def _configuration(self) -> dict[str, JSON] | None:
        members: dict[str, JSON] = {"offset": self.offset, "scale": self.scale}
        changed = {name: value for name, value in members.items() if value != _DEFAULTS[name]}
        return changed or None

    def _numbers(self, dtype: ZDType[TBaseDType, TBaseScalar]) -> tuple[Any, Any]:
        """Return offset and scale as scalars of the data type, or raise ValueError."""
        if dtype.to_native_dtype().kind not in "iuf":
            raise ValueError(
                "scale_offset codec only supports integer and floating-point data types. "
                f"Got {dtype}."
            )
        offset = parse_scalar(self.offset, dtype, "scale_offset offset")
        scale = parse_scalar(self.scale, dtype, "scale_offset scale")
        if scale == 0:
            raise ValueError("scale_offset scale must be non-zero.")
        return offset, scale

    def validate(
        self,
        *,
        shape: tuple[int, ...],
        dtype: ZDType[TBaseDType, TBaseScalar],
        chunk_grid: ChunkGridMetadata,
    ) -> None:
        """Check that the data type is numeric and can represent offset and scale.

        Raises
        ------
        ValueError
            If the data type is not numeric or cannot represent a parameter, or if scale is zero.
            The message names the data type or the parameter.
        """
        self._numbers(dtype)

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        """Return the chunk spec with the encoded fill value.

        Raises
        ------
        ValueError
            If the data type cannot represent the encoded fill value.
        """
        native = chunk_spec.dtype.to_native_dtype()
        fill_value = np.full((1,), chunk_spec.fill_value, dtype=native)
        encoded = _encode(fill_value, *self._numbers(chunk_spec.dtype))
        return replace(chunk_spec, fill_value=encoded.item())

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        # docstring inherited
        return input_byte_length

    def _decode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        decoded = _decode(chunk_data.as_numpy_array(), *self._numbers(chunk_spec.dtype))
        return chunk_spec.prototype.nd_buffer.from_numpy_array(decoded)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer | None:
        encoded = _encode(chunk_data.as_numpy_array(), *self._numbers(chunk_spec.dtype))
        return chunk_spec.prototype.nd_buffer.from_numpy_array(encoded)


def _encode(array: npt.NDArray[Any], offset: Any, scale: Any) -> npt.NDArray[Any]:
    if array.dtype.kind == "f":
        with _refusing_faults(array.dtype):
            return np.asarray((array - offset) * scale, dtype=array.dtype)
    for value in _extremes(array):
        _check_range((value - int(offset)) * int(scale), array.dtype)
    # Intermediate results may wrap around. The final results are still correct: n-bit arithmetic is
    # exact modulo 2**n, and the final results are in range.
    with np.errstate(over="ignore"):
        return np.asarray((array - offset) * scale, dtype=array.dtype)


def _decode(array: npt.NDArray[Any], offset: Any, scale: Any) -> npt.NDArray[Any]:
    if array.dtype.kind == "f":
        with _refusing_faults(array.dtype):
            return np.asarray(array / scale + offset, dtype=array.dtype)
    with np.errstate(over="ignore"):
        quotient, remainder = np.divmod(array, scale)
        if np.any(remainder):
            raise ValueError(
                "scale_offset decode produced a non-zero remainder when dividing by "
                f"scale={scale}; result is not exactly representable in dtype {array.dtype}."
            )
        for value in _extremes(array):
            _check_range(value // int(scale) + int(offset), array.dtype)
        return np.asarray(quotient + offset, dtype=array.dtype)


def _extremes(array: npt.NDArray[Any]) -> tuple[int, ...]:
    """Return the smallest and the largest element.

    A linear function of the elements has its extreme values at these two elements.
    """
    return (int(array.min()), int(array.max())) if array.size else ()


def _check_range(value: int, dtype: np.dtype[Any]) -> None:
    limits = np.iinfo(dtype)
    if not limits.min <= value <= limits.max:
        raise ValueError(
            f"scale_offset produced a value outside the range of dtype {dtype} "
            f"[{limits.min}, {limits.max}]."
        )


class _refusing_faults:
    """Context manager that raises ValueError for a floating-point error such as overflow."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._errors = np.errstate(over="raise", invalid="raise", divide="raise")

    def __enter__(self) -> None:
        self._errors.__enter__()

    def __exit__(self, kind: object, error: BaseException | None, *_: object) -> None:
        self._errors.__exit__(None, None, None)
        if isinstance(error, FloatingPointError):
            raise ValueError(
                f"scale_offset produced a value outside the range of dtype {self._dtype}."
            ) from error
