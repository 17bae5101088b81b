"""Change the shape of an array."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from zarr.core.array._chunks import can_list_chunks, stored_chunks
from zarr.core.array._pipeline import chunk_grid, chunk_spec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.chunk_grids import positions
from zarr.core.chunks._scatter import fill_value_of
from zarr.core.common import ShapeLike, closing, concurrent_foreach, parse_shapelike

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarr.core.array._async import AsyncArray

# If the number of grid positions outside the new shape exceeds this limit, the store is listed to
# find the chunks that are stored there.
_MAX_BLIND_DELETES = 1000

# Maximum number of grid positions that are collected from a listing before the chunks at these
# positions are deleted.
_DELETED_AT_ONCE = 10_000


async def resize(
    array: AsyncArray[Any], new_shape: ShapeLike, *, delete_outside_chunks: bool = True
) -> None:
    """Change the shape of an array, in the store and in memory.

    Chunks are deleted before the new shape is stored. In the opposite order, an interruption could
    leave chunks that reappear with their old values when the array grows again.

    Parameters
    ----------
    array : AsyncArray
        The array.
    new_shape : iterable of int or int
        New shape in elements, with as many dimensions as the array has. If a stored chunk extends
        beyond the old shape, new elements in this chunk keep the values stored in the chunk.
        Stored chunks that are completely outside the old shape also keep their values; see
        `delete_outside_chunks`. All other new elements have the fill value.
    delete_outside_chunks : bool
        Whether to delete chunks that are completely outside the new shape. If the store cannot
        delete keys, these chunks are overwritten with the fill value instead.

    Raises
    ------
    TypeError, ValueError
        If `new_shape` is not a shape or has the wrong number of dimensions, or if the store is
        read-only.
    Exception
        The first error that the deletion of a chunk raises. After such an error, no more chunks are
        deleted, and the shape of the array does not change.
    """
    shape = parse_shapelike(new_shape)
    if len(shape) != array.ndim:
        raise ValueError(
            "The new shape must have the same number of dimensions as the array. "
            f"Got {len(shape)} dimension(s), expected {array.ndim}."
        )
    metadata = array.metadata.update_shape(shape)
    array.store_path.store._check_writable()
    if delete_outside_chunks:
        await _drop_chunks_outside(array, chunk_grid(metadata).grid_shape)
    await array._save(metadata)
    array._replace_metadata(metadata)


async def _drop_chunks_outside(array: AsyncArray[Any], new: tuple[int, ...]) -> None:
    """Delete the chunks that are outside the new grid, several at a time."""
    drop = partial(_delete if array.store.supports_deletes else _blank, array)
    old = array._chunk_grid.grid_shape
    kept = prod(min(before, after) for before, after in zip(old, new, strict=True))
    if prod(old) - kept <= _MAX_BLIND_DELETES or not can_list_chunks(array):
        await concurrent_foreach(((coords,) for coords in _difference(old, new)), drop, None)
        return
    # On some file systems, and on servers that list page by page, a deletion during a listing can
    # hide other keys. Therefore, if chunks were deleted during a listing, the store is listed
    # again.
    is_whole = False
    deleted: tuple[int, ...] | None = None  # first chunk deleted during the previous listing
    while not is_whole:
        is_whole = True
        first: tuple[int, ...] | None = None
        outside: list[tuple[tuple[int, ...]]] = []
        async with closing(stored_chunks(array)) as stored:
            async for coords in stored:
                if all(index < count for index, count in zip(coords, new, strict=True)):
                    continue
                if coords == deleted:
                    raise OSError(
                        f"The chunk {coords} of {array} was deleted, but the store still lists it."
                    )
                outside.append((coords,))
                if len(outside) >= _DELETED_AT_ONCE:
                    await concurrent_foreach(outside, drop, None)
                    first = first or outside[0][0]
                    outside, is_whole = [], not array.store.supports_deletes
        deleted = first
        await concurrent_foreach(outside, drop, None)


async def _delete(array: AsyncArray[Any], coords: tuple[int, ...]) -> None:
    await (array.store_path / array.metadata.encode_chunk_key(coords)).delete()


async def _blank(array: AsyncArray[Any], coords: tuple[int, ...]) -> None:
    """Overwrite a stored chunk with the fill value."""
    place = array.store_path / array.metadata.encode_chunk_key(coords)
    if not await place.exists():
        return
    prototype = default_buffer_prototype()
    shape = tuple(
        dimension.chunk_size(index)
        for dimension, index in zip(array._chunk_grid.dimensions, coords, strict=True)
    )
    spec = chunk_spec(array.metadata, array.config, shape, prototype)
    whole = tuple(slice(0, length, 1) for length in shape)
    fill = np.empty((), dtype=spec.dtype.to_native_dtype())
    fill[()] = fill_value_of(spec)
    value = prototype.nd_buffer.from_numpy_array(fill)
    await array.codec_pipeline.write([(place, spec, whole, whole, True)], value)


def _difference(old: tuple[int, ...], new: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield each grid position of the old grid that is outside the new grid, exactly once."""
    for axis, count in enumerate(new):
        yield from positions(
            [
                *(range(min(before, after)) for before, after in zip(old[:axis], new[:axis])),
                range(count, old[axis]),
                *map(range, old[axis + 1 :]),
            ]
        )


def plan_append(
    array: AsyncArray[Any], data: Any, axis: int
) -> tuple[tuple[int, ...], tuple[slice, ...]]:
    """Return the shape of the array after appending, and the region of the appended data.

    Parameters
    ----------
    array : AsyncArray
        The array.
    data : array
        Data to append. The shapes of `data` and of the array must be equal, except along `axis`.
    axis : int
        Dimension along which the array grows; negative numbers count from the last dimension.

    Raises
    ------
    numpy.exceptions.AxisError
        If the array has no dimension `axis`, or if `data` is zero-dimensional. `AxisError` is a
        subclass of `ValueError` and of `IndexError`.
    ValueError
        If the shapes of `data` and of the array differ, apart from the lengths along `axis`.
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
