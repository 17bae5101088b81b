"""Decoders that check the stored number of elements before they allocate an array."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zarr.codecs._results import byte_view
from zarr.core._decoded_size import too_large

if TYPE_CHECKING:
    import numpy.typing as npt

    from zarr.abc.numcodec import Numcodec

# The stored form of variable-length elements begins with the number of elements. After this number,
# each element is stored as its length in bytes, followed by its data.
_COUNT_NBYTES = 4


def decode_vlen(codec: Numcodec, data: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Decode elements of variable length.

    Parameters
    ----------
    codec : Numcodec
        `VLenUTF8`, `VLenBytes` or `VLenArray` of numcodecs. These codecs check the length of each
        element, but allocate memory for the stored count without checking the count.
    data : numpy.ndarray or bytes-like
        The encoded chunk; must be contiguous.
    shape : tuple of int
        Shape of the chunk in elements.

    Raises
    ------
    ValueError
        If the stored number of elements does not match `shape`, or if the data are truncated.
    """
    encoded = byte_view(data)
    if encoded.nbytes >= _COUNT_NBYTES:
        check_count(int.from_bytes(encoded[:_COUNT_NBYTES], "little"), shape)
    elements: npt.NDArray[Any] = codec.decode(data)
    return elements


def decode_items(items: Any, shape: tuple[int, ...], limit: int) -> npt.NDArray[Any]:
    """Create an array from the data stored by the codecs ``json2`` and ``msgpack2``.

    Parameters
    ----------
    items : list
        List whose last two items are the dtype and the shape. The other items are the elements. If
        there are several dimensions, the elements are nested lists.
    shape : tuple of int
        Shape of the chunk in elements.
    limit : int
        Maximum size of the array in bytes.

    Raises
    ------
    ValueError
        If `items` does not have the form described above, if the number of elements does not match
        `shape`, or if the array would exceed `limit`.
    TypeError
        If the dtype in `items` is not valid.
    """
    if (
        not isinstance(items, list)
        or len(items) < 2
        or not isinstance(items[-2], str)
        or not isinstance(items[-1], list)
        or not all(type(length) is int and length >= 0 for length in items[-1])
        or len(items) - 2 != (items[-1][0] if items[-1] else 1)
    ):
        raise ValueError(
            "The stored data are invalid: expected a list of the elements, followed by their dtype "
            "and shape."
        )
    lengths = tuple(items[-1])
    check_count(math.prod(lengths), shape)
    dtype = np.dtype(items[-2])
    if dtype.itemsize * math.prod(lengths) > limit:
        raise too_large(limit)
    decoded = np.empty(lengths, dtype=dtype)
    if lengths:
        decoded[:] = items[:-2]
    else:
        decoded[...] = items[0]
    return decoded


def check_count(count: int, shape: tuple[int, ...]) -> None:
    """Check that decoded data have as many elements as the chunk.

    Raises
    ------
    ValueError
        If `count` is not the number of elements of the chunk. The message gives both numbers.
    """
    expected = math.prod(shape)
    if count != expected:
        raise ValueError(
            f"A chunk of shape {shape} has {expected} elements, but decoding gave {count}. The "
            "stored chunk is corrupt, or belongs to another array."
        )
