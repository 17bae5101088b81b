"""The ``cast_value`` codec, which converts elements to a different number type."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np

from zarr.abc.codec import ArrayArrayCodec
from zarr.codecs._casting import (
    OUT_OF_RANGE,
    ROUNDINGS,
    OutOfRange,
    Rounding,
    cast_numbers,
    matches,
)
from zarr.codecs._named import NamedCodec
from zarr.codecs._parse import parse_choice, parse_scalar
from zarr.core.dtype import ZDType, get_data_type_from_json

if TYPE_CHECKING:
    import numpy.typing as npt

    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import NDBuffer
    from zarr.core.common import JSON
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar
    from zarr.core.metadata.v3 import ChunkGridMetadata

_Direction: TypeAlias = Literal["encode", "decode"]
_DIRECTIONS: tuple[_Direction, ...] = ("encode", "decode")
_ScalarMap: TypeAlias = dict[_Direction, dict[Any, Any]]


@dataclass(frozen=True)
class CastValue(ArrayArrayCodec, NamedCodec):
    """Codec that stores elements as a different number type (zarr-extensions, "cast_value").

    The stored type is an integer or floating-point type. Decoding converts the elements back to the
    type of the array. Encoding and decoding use the same rounding and range rules. If `scalar_map`
    lists a replacement for a value, the replacement is used and the value is not converted.

    Parameters
    ----------
    data_type : str, dict or ZDType
        Data type of the stored elements: its name or JSON form in format 3 metadata, or a `ZDType`
        instance.
    rounding : {"nearest-even", "towards-zero", "towards-positive", "towards-negative", "nearest-away"}
        How to round a value that lies between two adjacent values of the target type.
    out_of_range : {"clamp", "wrap"} or None
        Treatment of values outside the range of the target type. ``"clamp"`` uses the nearest value
        of the target type, or an infinity if the target type is a floating-point type. ``"wrap"``
        uses the value modulo 2**bits and is only valid for integer target types. With None, such
        values cause an error. In all cases, converting NaN or an infinity to an integer raises an
        error.
    scalar_map : dict or None
        Replacements for single values, in the optional members ``encode`` and ``decode``. Each
        member is a mapping from values to their replacements, or an iterable of pairs of value and
        replacement. A value is a number, or a string that is written like a fill value in
        metadata. NaN matches any NaN. If `scalar_map` is None, no value is replaced.

    Raises
    ------
    TypeError
        If `scalar_map` is not a mapping, or one of its members is not iterable.
    ValueError
        If `rounding` or `out_of_range` is not one of the listed values, if `data_type` is not an
        integer or floating-point type, or if `scalar_map` has an unknown member or an item that
        is not a pair.
    """

    is_fixed_size = True
    _name = "cast_value"

    dtype: ZDType[TBaseDType, TBaseScalar]
    rounding: Rounding
    out_of_range: OutOfRange | None
    scalar_map: _ScalarMap | None

    def __init__(
        self,
        *,
        data_type: str | Mapping[str, object] | ZDType[TBaseDType, TBaseScalar],
        rounding: Rounding = "nearest-even",
        out_of_range: OutOfRange | None = None,
        scalar_map: Mapping[str, Any] | None = None,
    ) -> None:
        dtype = (
            data_type
            if isinstance(data_type, ZDType)
            else get_data_type_from_json(cast("Any", data_type), zarr_format=3)
        )
        if not _is_number(dtype):
            raise ValueError(
                f"Invalid target data type {data_type!r}. cast_value codec only supports integer "
                f"and floating-point data types. Got {dtype}."
            )
        if out_of_range is not None:
            out_of_range = parse_choice(out_of_range, "out_of_range", OUT_OF_RANGE)
        object.__setattr__(self, "dtype", dtype)
        object.__setattr__(self, "rounding", parse_choice(rounding, "rounding", ROUNDINGS))
        object.__setattr__(self, "out_of_range", out_of_range)
        object.__setattr__(self, "scalar_map", _parse_scalar_map(scalar_map))

    def __hash__(self) -> int:
        return hash(json.dumps(self.to_dict(), sort_keys=True, default=repr))

    def _configuration(self) -> dict[str, JSON] | None:
        configuration: dict[str, Any] = {"data_type": self.dtype.to_json(zarr_format=3)}
        if self.rounding != "nearest-even":
            configuration["rounding"] = self.rounding
        if self.out_of_range is not None:
            configuration["out_of_range"] = self.out_of_range
        if self.scalar_map is not None:
            configuration["scalar_map"] = {
                direction: list(pairs.items()) for direction, pairs in self.scalar_map.items()
            }
        return configuration

    def _pairs(
        self, direction: _Direction, array_dtype: ZDType[TBaseDType, TBaseScalar]
    ) -> tuple[tuple[Any, Any], ...]:
        """Return the `scalar_map` pairs for encoding or for decoding, as pairs of scalars.

        In a pair for encoding, the first scalar has the data type of the array, and the second
        scalar has the stored data type. In a pair for decoding, the data types are exchanged.
        """
        source, target = array_dtype, self.dtype
        if direction == "decode":
            source, target = target, source
        return tuple(
            (
                parse_scalar(key, source, f"cast_value scalar_map {direction}"),
                parse_scalar(value, target, f"cast_value scalar_map {direction}"),
            )
            for key, value in (self.scalar_map or {}).get(direction, {}).items()
        )

    def validate(
        self,
        *,
        shape: tuple[int, ...],
        dtype: ZDType[TBaseDType, TBaseScalar],
        chunk_grid: ChunkGridMetadata,
    ) -> None:
        """Check that the data type is numeric and compatible with the parameters of the codec.

        Raises
        ------
        ValueError
            If the data type is not numeric, or is not compatible with a parameter. The message
            names the data type or the parameter.
        """
        if not _is_number(dtype):
            raise ValueError(
                "The cast_value codec only supports integer and floating-point data types. "
                f"Got source dtype {dtype.to_native_dtype() if not _is_string(dtype) else 'string'}."
            )
        if self.out_of_range == "wrap" and self.dtype.to_native_dtype().kind == "f":
            raise ValueError(
                "out_of_range='wrap' is only valid for integer target types. "
                f"Got target dtype {self.dtype.to_native_dtype()}."
            )
        for direction in _DIRECTIONS:
            self._pairs(direction, dtype)

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        """Return the chunk spec with the target data type and the converted fill value.

        Raises
        ------
        ValueError
            If the fill value cannot be converted.
        """
        native = chunk_spec.dtype.to_native_dtype()
        fill_value = np.full((1,), chunk_spec.fill_value, dtype=native)
        encoded = self._cast("encode", fill_value, chunk_spec.dtype)
        return replace(chunk_spec, dtype=self.dtype, fill_value=encoded[0])

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        # docstring inherited
        source, target = chunk_spec.dtype.to_native_dtype(), self.dtype.to_native_dtype()
        return input_byte_length // source.itemsize * target.itemsize

    def _cast(
        self,
        direction: _Direction,
        array: npt.NDArray[Any],
        array_dtype: ZDType[TBaseDType, TBaseScalar],
    ) -> npt.NDArray[Any]:
        target = (self.dtype if direction == "encode" else array_dtype).to_native_dtype()
        pairs = self._pairs(direction, array_dtype)
        if not pairs:
            return cast_numbers(array, target, self.rounding, self.out_of_range)
        replaced = [(matches(array, key), value) for key, value in pairs]
        rest = ~np.any([mask for mask, _ in replaced], axis=0)
        result = np.empty(array.shape, dtype=target)
        result[rest] = cast_numbers(array[rest], target, self.rounding, self.out_of_range)
        for mask, value in replaced:
            result[mask] = value
        return result

    def _decode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        decoded = self._cast("decode", chunk_data.as_numpy_array(), chunk_spec.dtype)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(decoded)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer | None:
        encoded = self._cast("encode", chunk_data.as_numpy_array(), chunk_spec.dtype)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(encoded)


def _is_number(dtype: ZDType[TBaseDType, TBaseScalar]) -> bool:
    return dtype.to_native_dtype().kind in "iuf"


def _is_string(dtype: ZDType[TBaseDType, TBaseScalar]) -> bool:
    return dtype.to_native_dtype().kind == "T"


def _parse_scalar_map(data: object) -> _ScalarMap | None:
    if data is None:
        return None
    if not isinstance(data, Mapping):
        raise TypeError(f"scalar_map must be a mapping, got {data!r}.")
    unknown = [key for key in data if key not in _DIRECTIONS]
    if unknown:
        raise ValueError(
            f"scalar_map must have no members except {list(_DIRECTIONS)}. Got {unknown}."
        )
    parsed: _ScalarMap = {}
    for direction in _DIRECTIONS:
        if direction not in data:
            continue
        entries = data[direction]
        pairs = entries.items() if isinstance(entries, Mapping) else entries
        if not isinstance(pairs, Iterable):
            raise TypeError(f"scalar_map {direction} must be pairs of values, got {pairs!r}.")
        parsed[direction] = {}
        for pair in pairs:
            if isinstance(pair, str) or not isinstance(pair, Iterable) or len(tuple(pair)) != 2:
                raise ValueError(f"scalar_map {direction} must be pairs of values, got {pair!r}.")
            key, value = pair
            parsed[direction][key] = value
    return parsed
