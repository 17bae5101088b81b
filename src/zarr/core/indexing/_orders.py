"""Orders of the chunks in a grid, including the orders in which shards store their chunks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

# Maximum number of grids in each cache of chunk orders. A few grids are enough, because the shards
# of an array usually have the same grid of inner chunks.
_GRIDS_REMEMBERED = 16


def _morton_bits(chunk_shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """For each bit of a Morton code, beginning with the lowest, yield an axis and a bit number.

    A Morton code interleaves the bits of the coordinates of a grid position, so each bit of the
    code is a copy of one bit of one coordinate. The axis is the index of this coordinate. The bit
    number is the position of the bit in the coordinate; the lowest bit has the number 0.

    The axes alternate, beginning with the first axis. Each axis has only as many bits as its
    largest coordinate needs, so that the codes of elongated grids have fewer gaps.
    """
    widths = [max(0, length - 1).bit_length() for length in chunk_shape]
    for bit in range(max(widths, default=0)):
        for axis, width in enumerate(widths):
            if bit < width:
                yield axis, bit


def decode_morton(z: int, chunk_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the grid position for a Morton code.

    Parameters
    ----------
    z : int
        The Morton code.
    chunk_shape : tuple of int
        Number of chunks along each dimension.

    Returns
    -------
    tuple of int
        The position, which can be outside the grid if the number of chunks along a dimension is not
        a power of two.
    """
    coords = [0] * len(chunk_shape)
    for place, (axis, bit) in enumerate(_morton_bits(chunk_shape)):
        coords[axis] |= ((z >> place) & 1) << bit
    return tuple(coords)


def decode_morton_vectorized(
    z: npt.NDArray[np.intp], chunk_shape: tuple[int, ...]
) -> npt.NDArray[np.intp]:
    """Return the grid positions for an array of Morton codes; see `decode_morton`.

    Parameters
    ----------
    z : array of int
        One-dimensional array of Morton codes.
    chunk_shape : tuple of int
        Number of chunks along each dimension.

    Returns
    -------
    array of int
        The positions, with one row per code and one column per dimension.
    """
    codes = np.asarray(z).astype(np.intp, copy=False)
    coords = np.zeros((codes.size, len(chunk_shape)), dtype=np.intp)
    for place, (axis, bit) in enumerate(_morton_bits(chunk_shape)):
        coords[:, axis] |= ((codes >> place) & 1) << bit
    return coords


def morton_codes(chunk_shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
    """Return the Morton codes of all positions in a grid, in C order of the positions.

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
    # Sort the codes of the positions in the grid, so that the time does not depend on the shape of
    # the grid. A loop over all possible codes would visit up to ``2**ndim`` times as many codes as
    # there are positions.
    return tuple(map(tuple, coords.T[np.argsort(morton_codes(chunk_shape))].tolist()))


@lru_cache(maxsize=_GRIDS_REMEMBERED)
def lexicographic_order_coords(chunk_shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return all positions in a grid, ordered so that the last dimension varies fastest.

    Parameters
    ----------
    chunk_shape : tuple of int
        Number of chunks along each dimension.
    """
    return tuple(itertools.product(*map(range, chunk_shape)))


@lru_cache(maxsize=_GRIDS_REMEMBERED)
def colexicographic_order_coords(chunk_shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return all positions in a grid, ordered so that the first dimension varies fastest.

    Parameters
    ----------
    chunk_shape : tuple of int
        Number of chunks along each dimension.
    """
    return tuple(coords[::-1] for coords in itertools.product(*map(range, chunk_shape[::-1])))
