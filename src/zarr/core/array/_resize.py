"""Changing the shape of an array."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from zarr.core.array._chunks import initialized_chunks
from zarr.core.array._documents import store_metadata
from zarr.core.array._pipeline import chunk_grid
from zarr.core.common import ShapeLike, concurrent_map, parse_shapelike

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarr.core.array._async import AsyncArray

# Above this many chunks that might be stored, a store is asked which of them are.
_MAX_BLIND_DELETES = 1000


async def resize(
    array: AsyncArray[Any], new_shape: ShapeLike, *, delete_outside_chunks: bool = True
) -> None:
    """Change the shape of an array, in the store and in memory.

    The new shape is stored before chunks are deleted: an interruption leaves chunks that nothing
    refers to, and never an array without its chunks.

    Parameters
    ----------
    array : AsyncArray
        The array.
    new_shape : iterable of int or int
        Shape in elements, with as many dimensions as the array has. Elements that come new have
        the fill value, or what is stored in a chunk that was only partly outside.
    delete_outside_chunks : bool
        Whether chunks that lie outside the new shape altogether are deleted.

    Raises
    ------
    TypeError, ValueError
        If `new_shape` is not a shape, has another number of dimensions, or the store is
        read-only.
    """
    shape = parse_shapelike(new_shape)
    if len(shape) != array.ndim:
        raise ValueError(
            "The new shape must have the same number of dimensions as the array. "
            f"Got {len(shape)} dimension(s), expected {array.ndim}."
        )
    metadata = array.metadata.update_shape(shape)
    old_grid, new_grid = array._chunk_grid, chunk_grid(metadata)
    dropped: list[tuple[int, ...]] = []
    if delete_outside_chunks:
        dropped = await _chunks_outside(array, old_grid.grid_shape, new_grid.grid_shape)
    await store_metadata(array.store_path, metadata)
    array._replace_metadata(metadata)

    async def delete(coords: tuple[int, ...]) -> None:
        await (array.store_path / metadata.encode_chunk_key(coords)).delete()

    if dropped and array.store.supports_deletes:
        await concurrent_map([(coords,) for coords in dropped], delete)


async def _chunks_outside(
    array: AsyncArray[Any], old: tuple[int, ...], new: tuple[int, ...]
) -> list[tuple[int, ...]]:
    """Return the chunks of the old grid outside the new one that are stored, or may be."""
    kept = prod(min(before, after) for before, after in zip(old, new, strict=True))
    if prod(old) - kept <= _MAX_BLIND_DELETES or not array.store.supports_listing:
        return list(_difference(old, new))
    return [
        coords
        for coords in await initialized_chunks(array)
        if any(index >= count for index, count in zip(coords, new, strict=True))
    ]


def _difference(old: tuple[int, ...], new: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the positions of a grid that a smaller grid does not have, each once."""
    for axis, count in enumerate(new):
        yield from product(
            *(range(min(before, after)) for before, after in zip(old[:axis], new[:axis])),
            range(count, old[axis]),
            *map(range, old[axis + 1 :]),
        )


def plan_append(
    array: AsyncArray[Any], data: Any, axis: int
) -> tuple[tuple[int, ...], tuple[slice, ...]]:
    """Return the shape of an array after appending, and where the appended data lie in it.

    Parameters
    ----------
    array : AsyncArray
        The array.
    data : array
        Of the shape of the array, except along `axis`.
    axis : int
        Dimension that grows; a negative one counts from the last.

    Raises
    ------
    numpy.exceptions.AxisError
        If the array has no such dimension, or `data` have none; it is a `ValueError` and an
        `IndexError`.
    ValueError
        If the shapes do not match.
    """
    ndim = array.ndim
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    if data.ndim == 0:
        raise np.exceptions.AxisError(axis, 0)
    axis %= ndim
    fixed = tuple(length for i, length in enumerate(array.shape) if i != axis)
    given = tuple(length for i, length in enumerate(data.shape) if i != axis)
    if fixed != given:
        raise ValueError(
            "shape of data to append is not compatible with the array. "
            f"The shape of the data is ({given})"
            f"and the shape of the array is ({fixed})."
            "All dimensions must match except for the dimension being appended."
        )
    start = array.shape[axis]
    stop = start + data.shape[axis]
    new_shape = (*array.shape[:axis], stop, *array.shape[axis + 1 :])
    place = tuple(slice(start, stop) if i == axis else slice(None) for i in range(ndim))
    return new_shape, place
