"""Choice of a chunk grid for an array if the user gives no chunk shape."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from zarr.core.chunk_grids._grid import ChunkGrid
from zarr.core.common import ceildiv_int, parse_shapelike, product

if TYPE_CHECKING:
    from zarr.core.common import ShapeLike

_INCREMENT_BYTES = 256 * 1024
_MIN_CHUNK_BYTES = 128 * 1024
_MAX_CHUNK_BYTES = 64 * 1024 * 1024


def guess_chunks(shape: ShapeLike, typesize: int, *, max_bytes: int | None = None) -> ChunkGrid:
    """Choose a regular grid from the shape and the element size of an array.

    The target chunk size is 256 KiB for an array of 1 MiB. The target doubles with every tenfold
    increase of the array size. The search starts with one chunk for the whole array. Each step of
    the search halves the chunk along the next dimension, until the chunk is small enough.

    Parameters
    ----------
    shape : int or iterable of int
        Shape of the array in elements. A dimension of length 0 gets chunks of length 1.
    typesize : int
        Size of an element in bytes.
    max_bytes : int or None
        Upper bound (exclusive) of the chunk size in bytes. If `max_bytes` is None, the bound is
        64 MiB. The bound must be greater than 128 KiB. A chunk is larger than the bound only if a
        single element is larger than the bound.

    Raises
    ------
    ValueError
        If `max_bytes` is not greater than the minimum target size of 128 KiB.
    """
    limit = _MAX_CHUNK_BYTES if max_bytes is None else max_bytes
    if limit <= _MIN_CHUNK_BYTES:
        raise ValueError(
            f"Cannot have more min_bytes ({_MIN_CHUNK_BYTES}) than max_bytes ({limit})"
        )
    extents = parse_shapelike(shape)
    sizes = [max(1, extent) for extent in extents]
    wanted = min(
        max(_wanted_chunk_bytes(product(tuple(sizes)) * typesize), _MIN_CHUNK_BYTES), limit
    )
    for axis in itertools.cycle(range(len(sizes))):
        elements = product(tuple(sizes))
        nbytes = elements * typesize
        # Accept a chunk of less than 1.5 times the target size. Half of such a chunk would have
        # less than 0.75 times the target size.
        if elements == 1 or (nbytes < limit and nbytes < 1.5 * wanted):
            break
        sizes[axis] = ceildiv_int(sizes[axis], 2)
    return ChunkGrid.from_sizes(extents, sizes)


def _wanted_chunk_bytes(nbytes: int) -> float:
    return _INCREMENT_BYTES * math.pow(2.0, math.log10(max(nbytes, 1) / 2**20))
