"""Specs, and one-line coding of NumPy arrays and bytes, for tests of single codecs."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import numpy.typing as npt

from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import Buffer, NDBuffer
from zarr.core.buffer.cpu import buffer_prototype
from zarr.core.dtype import ZDType, get_data_type_from_native_dtype


def make_spec(
    shape: tuple[int, ...], dtype: Any = "u1", *, fill_value: Any = 0, order: Any = "C"
) -> ArraySpec:
    """Describe a chunk; `dtype` is a ZDType or what NumPy takes for a dtype."""
    zdtype = (
        dtype if isinstance(dtype, ZDType) else get_data_type_from_native_dtype(np.dtype(dtype))
    )
    return ArraySpec(
        shape=shape,
        dtype=zdtype,
        fill_value=fill_value,
        config=ArrayConfig(order=order, write_empty_chunks=True),
        prototype=buffer_prototype,
    )


def spec_of(array: npt.NDArray[Any], *, order: Any = "C") -> ArraySpec:
    """Describe a chunk like an array."""
    return make_spec(array.shape, array.dtype, order=order)


def as_buffer(data: Any) -> Buffer | NDBuffer:
    if isinstance(data, np.ndarray):
        return buffer_prototype.nd_buffer.from_numpy_array(data)
    return buffer_prototype.buffer.from_bytes(data)


def plain(result: Any) -> Any:
    """Turn a buffer into bytes, and an array buffer into an array."""
    return result.as_numpy_array() if isinstance(result, NDBuffer) else result.to_bytes()


def encode(codec: Any, data: Any, spec: ArraySpec) -> Any:
    return plain(codec._encode_sync(as_buffer(data), spec))


def decode(codec: Any, data: Any, spec: ArraySpec) -> Any:
    return plain(codec._decode_sync(as_buffer(data), spec))


def encode_async(codec: Any, data: Any, spec: ArraySpec) -> Any:
    (result,) = asyncio.run(codec.encode([(as_buffer(data), spec)]))
    return plain(result)


def decode_async(codec: Any, data: Any, spec: ArraySpec) -> Any:
    (result,) = asyncio.run(codec.decode([(as_buffer(data), spec)]))
    return plain(result)
