"""Buffers in host memory, backed by NumPy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from zarr.core.buffer import core
from zarr.core.buffer._equal import all_same, holds_only
from zarr.registry import register_buffer, register_ndbuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    from zarr.core.buffer.core import NDArrayLike
    from zarr.core.common import BytesLike, MemoryOrder

__all__ = [
    "Buffer",
    "NDBuffer",
    "as_numpy_array_wrapper",
    "buffer_prototype",
    "numpy_buffer_prototype",
]


# This data type is created once, because parsing its string takes as long as creating an array.
_BYTE = np.dtype("B")


class Buffer(core.Buffer):
    """Bytes in host memory.

    Parameters
    ----------
    array_like : ArrayLike
        A one-dimensional array whose elements have a size of one byte. The array is not copied.
    """

    __slots__ = ()

    @classmethod
    def create_zero_length(cls) -> Self:
        # docstring inherited
        return cls(np.empty(0, dtype="B"))

    @classmethod
    def from_buffer(cls, buffer: core.Buffer) -> Self:
        # docstring inherited
        return cls.from_array_like(buffer.as_numpy_array())

    @classmethod
    def from_bytes(cls, bytes_like: BytesLike) -> Self:
        # docstring inherited
        return cls(np.frombuffer(bytes_like, _BYTE))

    def as_numpy_array(self) -> npt.NDArray[Any]:
        # docstring inherited
        return np.asanyarray(self._data)

    def combine(self, others: Iterable[core.Buffer]) -> Self:
        # docstring inherited
        parts = [self.as_numpy_array(), *(other.as_numpy_array() for other in others)]
        return self.__class__(np.concatenate(parts))


class NDBuffer(core.NDBuffer):
    """An array in host memory.

    Parameters
    ----------
    array : NDArrayLike
        The array; it is not copied.
    """

    __slots__ = ()

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
        lengths = tuple(shape)
        # `np.zeros` gets zeroed memory pages from the system, but `fill` would write to every page.
        if fill_value is None or (isinstance(fill_value, int) and fill_value == 0):
            return cls(cast("NDArrayLike", np.zeros(lengths, dtype=dtype, order=order)))
        array = np.empty(lengths, dtype=dtype, order=order)
        array.fill(fill_value)
        return cls(cast("NDArrayLike", array))

    @classmethod
    def empty(cls, shape: tuple[int, ...], dtype: npt.DTypeLike, order: MemoryOrder = "C") -> Self:
        # docstring inherited
        return cls(cast("NDArrayLike", np.empty(shape, dtype=dtype, order=order)))

    @classmethod
    def from_numpy_array(cls, array_like: npt.ArrayLike) -> Self:
        # docstring inherited
        return cls.from_ndarray_like(cast("NDArrayLike", np.asanyarray(array_like)))

    def as_numpy_array(self) -> npt.NDArray[Any]:
        # docstring inherited
        return np.asanyarray(self._data)

    def __getitem__(self, key: Any) -> Self:
        found: Any = self._data[key]
        if not isinstance(found, np.ndarray):
            # Do not use `asanyarray` here, because it drops trailing zeros of a bytes object.
            element, found = found, np.empty((), dtype=self._data.dtype)
            found[()] = element
        return self.__class__(found)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, core.NDBuffer):
            value = value.as_ndarray_like()
            if value.shape == () and value.dtype.hasobject:
                value = value[()]  # NumPy would store the array itself as an element
        self._data[key] = value

    def all_equal(self, other: Any, equal_nan: bool = True) -> bool:
        # docstring inherited
        if other is None:
            return False
        data = self.as_numpy_array()
        if data.size == 0:
            return True
        if data.dtype.kind in "OTV":
            return bool(np.all(data == np.array(other, dtype=data.dtype)))
        return all_same(data, other, equal_nan)

    def _holds_only(self, value: Any) -> bool:
        if type(self).all_equal is not NDBuffer.all_equal and not self.all_equal(value):
            return False  # a subclass may define stricter equality
        return holds_only(self.as_numpy_array(), value)


def as_numpy_array_wrapper(
    func: Callable[[npt.NDArray[Any]], bytes], buf: core.Buffer, prototype: core.BufferPrototype
) -> core.Buffer:
    """Apply a function for NumPy arrays to a buffer, and return the result as a buffer.

    Parameters
    ----------
    func : callable
        Function that takes a one-dimensional NumPy array of bytes and returns bytes.
    buf : Buffer
        Buffer that is passed to `func` as a NumPy array.
    prototype : BufferPrototype
        Buffer classes; the result has the class ``prototype.buffer``.
    """
    return prototype.buffer.from_bytes(func(buf.as_numpy_array()))


buffer_prototype = core.BufferPrototype(buffer=Buffer, nd_buffer=NDBuffer)


def numpy_buffer_prototype() -> core.BufferPrototype:
    """Return the buffer classes of this module, independent of the configuration."""
    return buffer_prototype


register_buffer(Buffer, qualname="zarr.buffer.cpu.Buffer")
register_ndbuffer(NDBuffer, qualname="zarr.buffer.cpu.NDBuffer")
