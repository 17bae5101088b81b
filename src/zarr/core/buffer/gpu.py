"""Buffers in GPU memory, backed by CuPy arrays.

CuPy is an optional dependency and slow to import, so it is imported only when a buffer is created.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt

from zarr.core.buffer import core, cpu
from zarr.core.buffer._equal import all_same, holds_only
from zarr.errors import ZarrUserWarning
from zarr.registry import register_buffer, register_ndbuffer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from zarr.core.buffer.core import ArrayLike, NDArrayLike
    from zarr.core.common import BytesLike, MemoryOrder

__all__ = ["Buffer", "NDBuffer", "buffer_prototype"]

# Kinds (`dtype.kind`) of the data types that can be compared on the GPU.
_NUMBERS = "biufc"


def _cupy(wanted_by: type) -> Any:
    """Return the module `cupy`.

    Raises
    ------
    ImportError
        If CuPy is not installed. The message names `Buffer` or `NDBuffer`, even if `wanted_by` is a
        subclass of that class.
    """
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise
        raise ImportError(
            f"Cannot use zarr.buffer.gpu.{_public_name(wanted_by)} without cupy. "
            "Please install cupy."
        ) from error
    return cupy


def _public_name(cls: type) -> str:
    return "Buffer" if issubclass(cls, core.Buffer) else "NDBuffer"


def _is_on_device(data: object) -> bool:
    return hasattr(data, "__cuda_array_interface__")


def _moved(cls: type, data: Any) -> Any:
    """Return an array as a CuPy array; if the array is not on the device, warn and copy it."""
    if not _is_on_device(data):
        warnings.warn(
            f"Creating a zarr.buffer.gpu.{_public_name(cls)} with an array that does not support "
            "the __cuda_array_interface__ for zero-copy transfers, falling back to slow copy based "
            "path",
            ZarrUserWarning,
            stacklevel=3,
        )
    return _to_device(cls, data)


def _to_device(cls: type, data: Any) -> Any:
    """Return an array as a CuPy array; copy the array only if it is not on the device.

    A copy is converted to native byte order, because code on the device assumes that order.
    """
    cupy = _cupy(cls)
    if not _is_on_device(data):
        data = np.asanyarray(data)
        data = data.astype(_native(data.dtype), copy=False)
    return cupy.asarray(data)


def _native(dtype: npt.DTypeLike) -> np.dtype[Any]:
    return np.dtype(dtype).newbyteorder("=")


class Buffer(core.Buffer):
    """Bytes in GPU memory.

    Parameters
    ----------
    array_like : ArrayLike
        A one-dimensional array whose elements have a size of one byte. An array on the device is
        not copied. An array is on the device if it has the attribute ``__cuda_array_interface__``.

    Raises
    ------
    ImportError
        If CuPy is not installed.
    ValueError
        If `array_like` is not one-dimensional, or if the size of its elements is not one byte.

    Warns
    -----
    ZarrUserWarning
        If `array_like` is copied to the device. `from_buffer` and `from_bytes` copy without a
        warning.
    """

    __slots__ = ()

    def __init__(self, array_like: ArrayLike) -> None:
        _cupy(type(self))
        super().__init__(array_like)
        self._data = _moved(type(self), array_like)

    @classmethod
    def create_zero_length(cls) -> Self:
        # docstring inherited
        return cls(_cupy(cls).empty(0, dtype="B"))

    @classmethod
    def from_buffer(cls, buffer: core.Buffer) -> Self:
        # docstring inherited
        data = buffer.as_array_like()
        return cls(_to_device(cls, data if _is_on_device(data) else buffer.as_numpy_array()))

    @classmethod
    def from_bytes(cls, bytes_like: BytesLike) -> Self:
        # docstring inherited
        return cls(_to_device(cls, np.frombuffer(bytes_like, dtype="B")))

    def as_numpy_array(self) -> npt.NDArray[Any]:
        # docstring inherited
        return cast("npt.NDArray[Any]", _cupy(type(self)).asnumpy(self._data))

    def __setitem__(self, key: slice, value: Any) -> None:
        super().__setitem__(key, _operand(type(self), value))

    def combine(self, others: Iterable[core.Buffer]) -> Self:
        # docstring inherited
        cls = type(self)
        parts = [self._data, *(cls.from_buffer(other)._data for other in others)]
        return cls(_cupy(cls).concatenate(parts) if len(parts) > 1 else self._data.copy())


class NDBuffer(core.NDBuffer):
    """An array in GPU memory, with elements in native byte order.

    Parameters
    ----------
    array : NDArrayLike
        The array. An array on the device is not copied. An array is on the device if it has the
        attribute ``__cuda_array_interface__``.

    Raises
    ------
    ImportError
        If CuPy is not installed.

    Warns
    -----
    ZarrUserWarning
        If `array` is copied to the device. `from_numpy_array` copies without a warning.
    """

    __slots__ = ()

    def __init__(self, array: NDArrayLike) -> None:
        _cupy(type(self))
        super().__init__(array)
        self._data = _moved(type(self), array)

    @classmethod
    def create(
        cls,
        *,
        shape: Iterable[int],
        dtype: npt.DTypeLike,
        order: MemoryOrder = "C",
        fill_value: Any | None = None,
    ) -> Self:
        # docstring inherited
        cupy = _cupy(cls)
        lengths, native = tuple(shape), _native(dtype)
        if fill_value is None:
            return cls(cupy.zeros(lengths, dtype=native, order=order))
        array = cupy.empty(lengths, dtype=native, order=order)
        array.fill(fill_value)
        return cls(array)

    @classmethod
    def empty(cls, shape: tuple[int, ...], dtype: npt.DTypeLike, order: MemoryOrder = "C") -> Self:
        # docstring inherited
        return cls(_cupy(cls).empty(shape, dtype=_native(dtype), order=order))

    @classmethod
    def from_numpy_array(cls, array_like: npt.ArrayLike) -> Self:
        # docstring inherited
        return cls(_to_device(cls, array_like))

    def as_numpy_array(self) -> npt.NDArray[Any]:
        # docstring inherited
        return cast("npt.NDArray[Any]", _cupy(type(self)).asnumpy(self._data, order="A"))

    def astype(self, dtype: npt.DTypeLike, order: Literal["K", "A", "C", "F"] = "K") -> Self:
        # docstring inherited
        return super().astype(_native(dtype), order)

    def __getitem__(self, key: Any) -> Self:
        return super().__getitem__(self._key(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(self._key(key), _operand(type(self), value))

    def _key(self, key: Any) -> Any:
        """Return an indexing key whose index arrays have been copied to the device."""
        if isinstance(key, tuple):
            return tuple(self._key(item) for item in key)
        return _to_device(type(self), key) if isinstance(key, np.ndarray) else key

    def all_equal(self, other: Any, equal_nan: bool = True) -> bool:
        # docstring inherited
        if other is None or self._data.size == 0 or self.dtype.kind not in _NUMBERS:
            return cpu.NDBuffer.from_numpy_array(self.as_numpy_array()).all_equal(other, equal_nan)
        # Compare on the device. Only the result, which is one element, is transferred to the host.
        return all_same(self._data, other, equal_nan)

    def _holds_only(self, value: Any) -> bool:
        on_device = self._data.size > 0 and self.dtype.kind in _NUMBERS
        return holds_only(self._data if on_device else self.as_numpy_array(), value)


def _operand(cls: type, value: Any) -> Any:
    """Return a value in a form that CuPy can assign, that is, as a device array or a scalar."""
    if isinstance(value, core.Buffer):
        value = value.as_array_like()
    elif isinstance(value, core.NDBuffer):
        value = value.as_ndarray_like()
    return _to_device(cls, value) if isinstance(value, np.ndarray) else value


buffer_prototype = core.BufferPrototype(buffer=Buffer, nd_buffer=NDBuffer)

register_buffer(Buffer, qualname="zarr.buffer.gpu.Buffer")
register_ndbuffer(NDBuffer, qualname="zarr.buffer.gpu.NDBuffer")
