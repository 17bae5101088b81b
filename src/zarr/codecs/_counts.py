"""Decoding what says how many elements it has: checked against the chunk before room is made."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zarr.codecs._results import byte_view
from zarr.core._decoded_size import too_large

if TYPE_CHECKING:
    import numpy.typing as npt

    from zarr.abc.numcodec import Numcodec

# Elements of variable length: their number first, then for each its length in bytes, and they.
_COUNT_NBYTES = 4


def decode_vlen(codec: Numcodec, data: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Decode elements of variable length.

    Parameters
    ----------
    codec : Numcodec
        `VLenUTF8`, `VLenBytes` or `VLenArray` of numcodecs, which check the length of each element,
        but make room for as many as the data say.
    data : numpy.ndarray or bytes-like
        Contiguous.
    shape : tuple of int
        Of the chunk, in elements.

    Raises
    ------
    ValueError
        If there are more or fewer elements, or the data are cut off.
    """
    encoded = byte_view(data)
    if encoded.nbytes >= _COUNT_NBYTES:
        check_count(int.from_bytes(encoded[:_COUNT_NBYTES], "little"), shape)
    elements: npt.NDArray[Any] = codec.decode(data)
    return elements


def decode_items(items: Any, shape: tuple[int, ...], limit: int) -> npt.NDArray[Any]:
    """Make an array of what the codecs ``json2`` and ``msgpack2`` store.

    Parameters
    ----------
    items : list
        The elements, nested where there are several dimensions, then dtype and shape.
    shape : tuple of int
        Of the chunk, in elements.
    limit : int
        How many bytes the array may take.

    Raises
    ------
    ValueError
        If it is something else, or of another number of elements.
    TypeError
        If the dtype is none.
    """
    if (
        not isinstance(items, list)
        or len(items) < 2
        or not isinstance(items[-2], str)
        or not isinstance(items[-1], list)
        or not all(type(length) is int and length >= 0 for length in items[-1])
        or len(items) - 2 != (items[-1][0] if items[-1] else 1)
    ):
        raise ValueError("The stored data are not elements followed by their dtype and shape.")
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
    """Refuse decoded data of more or fewer elements than a chunk has.

    Raises
    ------
    ValueError
        Naming both numbers.
    """
    expected = math.prod(shape)
    if count != expected:
        raise ValueError(
            f"A chunk of shape {shape} has {expected} elements, but decoding gave {count}. The "
            "stored chunk is corrupt, or of another array."
        )
