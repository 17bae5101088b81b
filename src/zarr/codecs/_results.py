"""Conversion of the results of numcodecs codecs to buffers and arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zarr.core.buffer.cpu import Buffer as CPUBuffer

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer, BufferPrototype


def encoded_buffer(encoded: object, prototype: BufferPrototype) -> Buffer:
    """Return the output of a codec as a buffer; contiguous output is not copied.

    Parameters
    ----------
    encoded : bytes-like or array
        The output. For an array, the buffer contains the bytes of the elements in memory order.
    prototype : BufferPrototype
        The result is an instance of ``prototype.buffer``.

    Raises
    ------
    TypeError
        If `encoded` is a string, or an array of Python objects or variable-length strings. In that
        case, no codec has converted the elements to bytes.
    """
    if isinstance(encoded, bytes):
        return prototype.buffer.from_bytes(encoded)
    flat = flat_array(encoded)
    buffer = prototype.buffer
    if flat.dtype.hasobject or flat.dtype.kind == "T":
        raise TypeError(
            f"An array of dtype {flat.dtype} cannot be stored as it is. A codec must convert its "
            "elements to bytes first."
        )
    if flat.dtype.itemsize == 0:
        return buffer.create_zero_length()
    data = flat.view("B")
    # `from_bytes` would also work for CPU buffers, but `from_array_like` avoids a second conversion
    # to an array.
    return buffer.from_array_like(data) if buffer is CPUBuffer else buffer.from_bytes(data.data)


def flat_array(data: object) -> npt.NDArray[Any]:
    """Return an array or bytes-like object as a contiguous one-dimensional array."""
    if isinstance(data, np.ndarray):
        return data.ravel(order="A")
    if isinstance(data, str):
        raise TypeError("A codec returned a string instead of bytes.")
    return np.frombuffer(memoryview(data).cast("B"), dtype="B")  # type: ignore[arg-type]


def byte_view(data: object) -> memoryview:
    """Return an array or bytes-like object as a contiguous view of bytes, in memory order."""
    flat: Any = flat_array(data).view("B")
    return memoryview(flat)


def writeable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return an object array unchanged if it is writeable, or a writeable copy otherwise.

    numcodecs requests write access even to data that it only reads.
    """
    return array if array.flags.writeable else array.copy()


def array_of(
    data: object, dtype: np.dtype[Any], shape: tuple[int, ...], order: Any = "C"
) -> npt.NDArray[Any]:
    """Return decoded data as an array with the elements of a chunk; contiguous data are not copied.

    Parameters
    ----------
    data : bytes-like or array
        The decoded data. An array with the shape and item size of the chunk keeps its memory
        layout. Any other data are interpreted as the bytes of the elements.
    dtype : numpy.dtype
        Data type of the chunk; it must not contain Python objects.
    shape : tuple of int
        Shape of the chunk in elements.
    order : {"C", "F"}
        Memory order of the elements if `data` are bytes.

    Returns
    -------
    numpy.ndarray
        An array of the given dtype and shape, which may be read-only.

    Raises
    ------
    ValueError
        If `data` does not have the size of one chunk, or is an array of Python objects.
    """
    if isinstance(data, np.ndarray) and data.shape == shape and data.dtype == dtype:
        return data
    if isinstance(data, np.ndarray) and data.dtype.hasobject:
        raise ValueError(f"A chunk of {dtype} was decoded to an array of Python objects.")
    if (
        isinstance(data, np.ndarray)
        and data.ndim > 1
        and data.shape == shape
        and data.dtype.itemsize == dtype.itemsize
    ):
        return data.view(dtype)
    flat = flat_array(data)
    check_nbytes(flat.nbytes, dtype, shape)
    if dtype.itemsize == 0:
        return np.zeros(shape, dtype=dtype)
    return flat.view(dtype).reshape(shape, order=order)


def check_nbytes(nbytes: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Check that decoded data have the size of the chunk.

    Raises
    ------
    ValueError
        If `nbytes` is not the size of the chunk. The message gives both sizes in bytes.
    """
    expected = math.prod(shape) * dtype.itemsize
    if nbytes != expected:
        raise ValueError(
            f"A chunk of shape {shape} and dtype {dtype} has {expected} bytes, but decoding gave "
            f"{nbytes}. The stored chunk is truncated or corrupt, or belongs to another array."
        )
