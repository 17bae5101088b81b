"""Orders in which the chunks of a grid are visited, the write orders of shards among them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

# A shard writer asks for the same few grids over and over.
_GRIDS_REMEMBERED = 16


def _morton_bits(chunk_shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Iterate over the bits of a Morton code from the lowest on: axis, and bit of its coordinate.

    The axes take turns, the first one first. An axis has only as many bits as its longest
    coordinate, so that codes stay dense for grids that are longer along one axis.
    """
    widths = [max(0, length - 1).bit_length() for length in chunk_shape]
    for bit in range(max(widths, default=0)):
        for axis, width in enumerate(widths):
            if bit < width:
                yield axis, bit


def decode_morton(z: int, chunk_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the position that a Morton code stands for.

    Parameters
    ----------
    z : int
        The code.
    chunk_shape : tuple of int
        Number of chunks along each dimension.

    Returns
    -------
    tuple of int
        The position. Codes of grids whose sides are no powers of two also stand for positions
        outside the grid.
    """
    coords = [0] * len(chunk_shape)
    for place, (axis, bit) in enumerate(_morton_bits(chunk_shape)):
        coords[axis] |= ((z >> place) & 1) << bit
    return tuple(coords)


def decode_morton_vectorized(
    z: npt.NDArray[np.intp], chunk_shape: tuple[int, ...]
) -> npt.NDArray[np.intp]:
    """Return the positions that many Morton codes stand for, as `decode_morton` does for one.

    Parameters
    ----------
    z : array of int
        Codes, one-dimensional.
    chunk_shape : tuple of int
        Number of chunks along each dimension.

    Returns
    -------
    array of int
        One row per code, one column per dimension.
    """
    codes = np.asarray(z).astype(np.intp, copy=False)
    coords = np.zeros((codes.size, len(chunk_shape)), dtype=np.intp)
    for place, (axis, bit) in enumerate(_morton_bits(chunk_shape)):
        coords[:, axis] |= ((codes >> place) & 1) << bit
    return coords


def morton_codes(chunk_shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
    """Return the Morton codes of all positions of a grid, positions in C order.

    Parameters
    ----------
    chunk_shape : tuple of int
        Number of chunks along each dimension.
    """
    coords = np.indices(chunk_shape, dtype=np.intp).reshape(
        len(chunk_shape), math.prod(chunk_shape)
    )
    codes = np.zeros(coords.shape[1], dtype=np.intp)
    for place, (axis, bit) in enumerate(_morton_bits(chunk_shape)):
        codes |= ((coords[axis] >> bit) & 1) << place
    return codes


@lru_cache(maxsize=_GRIDS_REMEMBERED)
def morton_order_coords(chunk_shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return all positions of a grid in the order of their Morton codes.

    Parameters
    ----------
    chunk_shape : tuple of int
        Number of chunks along each dimension.
    """
    if not chunk_shape:
        return ((),)
    coords = np.indices(chunk_shape, dtype=np.intp).reshape(len(chunk_shape), -1)
    # Sorting the codes of the grid costs the same for any shape; counting through all codes would
    # visit up to twice as many per dimension.
    return tuple(map(tuple, coords.T[np.argsort(morton_codes(chunk_shape))].tolist()))


@lru_cache(maxsize=_GRIDS_REMEMBERED)
def lexicographic_order_coords(chunk_shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return all positions of a grid, the last dimension varying fastest.

    Parameters
    ----------
    chunk_shape : tuple of int
        Number of chunks along each dimension.
    """
    return tuple(itertools.product(*map(range, chunk_shape)))


@lru_cache(maxsize=_GRIDS_REMEMBERED)
def colexicographic_order_coords(chunk_shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return all positions of a grid, the first dimension varying fastest.

    Parameters
    ----------
    chunk_shape : tuple of int
        Number of chunks along each dimension.
    """
    return tuple(coords[::-1] for coords in itertools.product(*map(range, chunk_shape[::-1])))
