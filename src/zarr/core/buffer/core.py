"""Buffer interfaces: flat bytes (`Buffer`) and N-dimensional arrays (`NDBuffer`)."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    NamedTuple,
    Protocol,
    SupportsIndex,
    TypeAlias,
    cast,
    runtime_checkable,
)

import numpy as np
import numpy.typing as npt

from zarr.core.buffer._equal import holds_only
from zarr.registry import get_buffer_class, get_ndbuffer_class

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

    from zarr.core.common import BytesLike, MemoryOrder

ScalarType: TypeAlias = int | float | complex | bytes | str | bool | np.generic


@runtime_checkable
class ArrayLike(Protocol):
    """The methods and properties of one-dimensional arrays that `Buffer` uses."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the elements."""

    @property
    def ndim(self) -> int:
        """Number of dimensions."""

    @property
    def size(self) -> int:
        """Number of elements."""

    def __getitem__(self, key: slice) -> Self:
        """Return a slice of the array."""

    def __setitem__(self, key: slice, value: Any) -> None:
        """Assign new values to a slice of the array."""

    def copy(self) -> Self:
        """Return a copy."""


@runtime_checkable
class NDArrayLike(Protocol):
    """The methods and properties of N-dimensional arrays that `NDBuffer` uses."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the elements."""

    @property
    def ndim(self) -> int:
        """Number of dimensions."""

    @property
    def size(self) -> int:
        """Number of elements."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in elements."""

    def __len__(self) -> int:
        """Return the length of the first dimension."""

    def __getitem__(self, key: Any) -> Self:
        """Return a selection of the elements."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Assign new values to a selection of the elements."""

    def __array__(self) -> npt.NDArray[Any]:
        """Return the elements as a NumPy array."""

    def __eq__(self, other: object) -> Self:  # type: ignore[override]
        """Compare element by element, and return an array of booleans."""

    # Type checkers must accept NumPy arrays as `NDArrayLike`. In the stubs of NumPy, shape and
    # dtype are type parameters, so a method that changes the shape or dtype does not return `Self`.
    # Moreover, in these stubs no single overload of `reshape` accepts both a tuple and a number.

    def reshape(self, shape: Any, /, *, order: Any = ..., copy: bool | None = ...) -> NDArrayLike:
        """Return the same elements with a new shape; -1 makes the result one-dimensional."""

    def view(self, dtype: npt.DTypeLike) -> NDArrayLike:
        """Return a view of the same memory with a new data type."""

    def astype(self, dtype: npt.DTypeLike, order: Any = ..., *, copy: bool = ...) -> NDArrayLike:
        """Return the elements converted to the data type `dtype`."""

    def fill(self, value: Any) -> None:
        """Set every element to the same value."""

    def copy(self) -> Self:
        """Return a copy."""

    def transpose(self, axes: SupportsIndex | Sequence[SupportsIndex] | None) -> NDArrayLike:
        """Return the array with its dimensions permuted."""

    def ravel(self, order: Any = ...) -> NDArrayLike:
        """Return the elements as a one-dimensional array."""

    def all(self) -> bool | np.bool:
        """Return whether every element is true."""


NDArrayLikeOrScalar = ScalarType | NDArrayLike


def check_item_key_is_1d_contiguous(key: Any) -> None:
    """Raise an error if `key` is not a slice with the step 1.

    Raises
    ------
    TypeError
        If `key` is not a slice.
    ValueError
        If the step is not 1.
    """
    if not isinstance(key, slice):
        raise TypeError(
            f"Item key has incorrect type (expected slice, got {key.__class__.__name__})"
        )
    if key.step not in (None, 1):
        raise ValueError("slice must be contiguous")


def _restore(value: object, state: Any) -> None:
    """Set the attributes of an unpickled buffer, whether or not its class uses slots."""
    for part in state if isinstance(state, tuple) else (state,):
        for name, member in (part or {}).items():
            setattr(value, name, member)


class Buffer(ABC):
    """A contiguous sequence of bytes.

    Slices share memory with the buffer. The memory may be read-only, so code that gets a buffer
    must not write to it.

    Parameters
    ----------
    array_like : ArrayLike
        A one-dimensional array whose elements have a size of one byte. The array is not copied.

    Raises
    ------
    ValueError
        If `array_like` is not one-dimensional, or if the size of its elements is not one byte.
    """

    __slots__ = ("_data",)

    def __init__(self, array_like: ArrayLike) -> None:
        if array_like.ndim != 1:
            raise ValueError("array_like: only 1-dim allowed")
        if array_like.dtype.itemsize != 1:
            raise ValueError("array_like: only byte dtype allowed")
        self._data = array_like

    def __setstate__(self, state: Any) -> None:
        _restore(self, state)

    @classmethod
    @abstractmethod
    def create_zero_length(cls) -> Self:
        """Return a buffer without any bytes."""

    @classmethod
    def from_array_like(cls, array_like: ArrayLike) -> Self:
        """Return a buffer that wraps a one-dimensional array of bytes, without copying the array.

        Raises
        ------
        ValueError
            If `array_like` is not one-dimensional, or if the size of its elements is not one byte.
        """
        return cls(array_like)

    @classmethod
    @abstractmethod
    def from_buffer(cls, buffer: Buffer) -> Self:
        """Convert a buffer of any class to a buffer of this class."""

    @classmethod
    @abstractmethod
    def from_bytes(cls, bytes_like: BytesLike) -> Self:
        """Return a buffer with the bytes of `bytes_like`, without a copy if possible."""

    def as_array_like(self) -> ArrayLike:
        """Return the underlying array, without a copy."""
        return self._data

    @abstractmethod
    def as_numpy_array(self) -> npt.NDArray[Any]:
        """Return the bytes as a NumPy array; copy them only if they are not in host memory."""

    def as_buffer_like(self) -> BytesLike:
        """Return the bytes as a `memoryview`; copy them only if they are not in host memory."""
        data: Any = self.as_numpy_array()
        return memoryview(data)

    def to_bytes(self) -> bytes:
        """Return a copy of the bytes."""
        return self.as_numpy_array().tobytes()

    def __getitem__(self, key: slice) -> Self:
        check_item_key_is_1d_contiguous(key)
        return self.__class__(self._data[key])

    def __setitem__(self, key: slice, value: Any) -> None:
        check_item_key_is_1d_contiguous(key)
        self._data[key] = value.as_array_like() if isinstance(value, Buffer) else value

    def __len__(self) -> int:
        return self._data.size

    @abstractmethod
    def combine(self, others: Iterable[Buffer]) -> Self:
        """Return a new buffer with the bytes of this buffer, followed by the bytes of `others`."""

    def __add__(self, other: Buffer) -> Self:
        return self.combine([other])

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Buffer)
            and len(self) == len(other)
            and bool((self.as_numpy_array() == other.as_numpy_array()).all())
        )

    __hash__ = None  # type: ignore[assignment]  # mutable


class NDBuffer:
    """An N-dimensional array that contains a decoded chunk or the result of a selection.

    Indexing returns a view in the same cases as in NumPy.

    Parameters
    ----------
    array : NDArrayLike
        The array; it is not copied.
    """

    __slots__ = ("_data",)

    def __init__(self, array: NDArrayLike) -> None:
        array.shape  # noqa: B018  (raises AttributeError for objects that are not arrays)
        self._data = array

    def __setstate__(self, state: Any) -> None:
        _restore(self, state)

    @classmethod
    def create(
        cls,
        *,
        shape: Iterable[int],
        dtype: npt.DTypeLike,
        order: MemoryOrder = "C",
        fill_value: Any | None = None,
    ) -> Self:
        """Create a new array.

        Parameters
        ----------
        shape : iterable of int
            Shape in elements.
        dtype : dtype-like
            Data type of the elements.
        order : {"C", "F"}
            Memory layout.
        fill_value : scalar or None
            Value of every element; None means zeros.
        """
        raise NotImplementedError

    @classmethod
    def empty(cls, shape: tuple[int, ...], dtype: npt.DTypeLike, order: MemoryOrder = "C") -> Self:
        """Create a new array with uninitialized elements."""
        return cls.create(shape=shape, dtype=dtype, order=order)

    @classmethod
    def from_ndarray_like(cls, ndarray_like: NDArrayLike) -> Self:
        """Return a buffer that wraps an array, without copying the array."""
        return cls(ndarray_like)

    @classmethod
    def from_numpy_array(cls, array_like: npt.ArrayLike) -> Self:
        """Return a buffer with the elements of a NumPy array; convert other objects to an array."""
        raise NotImplementedError

    def as_ndarray_like(self) -> NDArrayLike:
        """Return the underlying array, without a copy."""
        return self._data

    def as_numpy_array(self) -> npt.NDArray[Any]:
        """Return the data as a NumPy array; copy them only if they are not in host memory."""
        raise NotImplementedError

    def as_scalar(self) -> ScalarType:
        """Return the only element as a scalar.

        Raises
        ------
        ValueError
            If the array does not have exactly one element.
        """
        if self._data.size != 1:
            raise ValueError("Buffer does not contain a single scalar value")
        return cast("ScalarType", self.as_numpy_array()[()])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the elements."""
        return self._data.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in elements."""
        return self._data.shape

    @property
    def byteorder(self) -> Literal["little", "big"]:
        """Byte order of the elements; the native byte order if the data type has no byte order."""
        if self.dtype.byteorder == "<":
            return "little"
        if self.dtype.byteorder == ">":
            return "big"
        return sys.byteorder

    def reshape(self, newshape: tuple[int, ...] | Literal[-1]) -> Self:
        """Return the same elements with a new shape; -1 makes the result one-dimensional."""
        return self.__class__(self._data.reshape(newshape))

    def squeeze(self, axis: tuple[int, ...]) -> Self:
        """Return the elements without the dimensions in `axis`, which must have length 1.

        Raises
        ------
        ValueError
            If a dimension in `axis` does not have length 1.
        """
        kept = tuple(length for index, length in enumerate(self.shape) if index not in axis)
        return self.__class__(self._data.reshape(kept))

    def astype(self, dtype: npt.DTypeLike, order: Literal["K", "A", "C", "F"] = "K") -> Self:
        """Return the elements converted to the data type `dtype`."""
        return self.__class__(self._data.astype(dtype=dtype, order=order))

    def __getitem__(self, key: Any) -> Self:
        return self.__class__(self._data[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._data[key] = value.as_ndarray_like() if isinstance(value, NDBuffer) else value

    def __len__(self) -> int:
        return self._data.__len__()

    def __repr__(self) -> str:
        return f"<NDBuffer shape={self.shape} dtype={self.dtype} {self._data!r}>"

    def all_equal(self, other: Any, equal_nan: bool = True) -> bool:
        """Return whether every element equals `other`.

        If the elements are Python objects, strings of variable length, or void elements (with or
        without fields), `other` is converted to their data type. Otherwise `other` is compared
        without conversion. In arrays of numbers, the floating-point zeros -0.0 and 0.0 are
        different. The integer 0 equals -0.0 and 0.0.

        Parameters
        ----------
        other : scalar or None
            The value to compare with. If `other` is None, the result is False.
        equal_nan : bool
            Whether NaN equals NaN and NaT equals NaT, regardless of their bits. A complex number is
            NaN if its real or imaginary part is NaN.
        """
        raise NotImplementedError

    def _holds_only(self, value: Any) -> bool:
        """Return whether every element has the same bits as `value`; see `holds_only`."""
        return self.all_equal(value) and holds_only(self.as_numpy_array(), value)

    def fill(self, value: Any) -> None:
        """Set every element to the same value."""
        self._data.fill(value)

    def copy(self) -> Self:
        """Return a copy."""
        return self.__class__(self._data.copy())

    def transpose(self, axes: SupportsIndex | Sequence[SupportsIndex] | None) -> Self:
        """Return a view with the dimensions permuted."""
        return self.__class__(self._data.transpose(axes))


class BufferPrototype(NamedTuple):
    """The buffer classes that are used to read or write data.

    Parameters
    ----------
    buffer : type of Buffer
        Class for encoded bytes.
    nd_buffer : type of NDBuffer
        Class for decoded chunks.
    """

    buffer: type[Buffer]
    nd_buffer: type[NDBuffer]


def default_buffer_prototype() -> BufferPrototype:
    """Return the buffer classes that are configured as ``buffer`` and ``ndbuffer``."""
    return BufferPrototype(get_buffer_class(), get_ndbuffer_class())
