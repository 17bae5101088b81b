"""Strategies for selections of elements, each with what selects the same of a NumPy array."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

if TYPE_CHECKING:
    from types import EllipsisType
    from typing import TypeAlias

    import numpy.typing as npt

    BasicIndex: TypeAlias = int | slice | EllipsisType | None
    OrthogonalIndex: TypeAlias = int | slice | npt.NDArray[np.intp] | npt.NDArray[np.bool_]


def is_negative_slice(idx: object) -> bool:
    """Return whether an index is a slice that goes backwards, which Zarr does not select by."""
    return isinstance(idx, slice) and idx.step is not None and idx.step < 0


def _forwards(idx: Any) -> Any:
    """Turn round a slice that goes backwards."""
    return slice(idx.stop, idx.start, -idx.step) if is_negative_slice(idx) else idx


@st.composite
def end_slices(draw: st.DrawFn, *, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Draw slices from the second half of every dimension, where the last chunks are.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array in elements.

    Returns
    -------
    tuple of slice
        One per dimension, some empty.
    """
    slices = []
    for length in shape:
        start = draw(st.integers(length // 2, max(length // 2, length - 1)))
        slices.append(slice(start, draw(st.integers(start, length))))
    return tuple(slices)


@st.composite
def basic_indices(
    draw: st.DrawFn,
    *,
    shape: tuple[int, ...],
    min_dims: int = 0,
    max_dims: int | None = None,
    allow_newaxis: bool = False,
    allow_ellipsis: bool = True,
) -> BasicIndex | tuple[BasicIndex, ...]:
    """Draw an index of integers and slices, for an array of Zarr or of NumPy.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array in elements.
    min_dims : int
        Fewest dimensions of what is selected.
    max_dims : int or None
        Most dimensions of what is selected, as for `hypothesis.extra.numpy.basic_indices`; None for
        as many as the array has, or some more with `allow_newaxis`.
    allow_newaxis : bool
        Whether to draw None, which adds a dimension; NumPy alone understands it.
    allow_ellipsis : bool
        Whether to draw ``...``.

    Returns
    -------
    tuple, or one index alone
        Slices go forwards only. Integers may be negative; all lie within the array.
    """
    options: dict[str, Any] = {"allow_newaxis": allow_newaxis, "allow_ellipsis": allow_ellipsis}
    forwards: st.SearchStrategy[BasicIndex | tuple[BasicIndex, ...]] = npst.basic_indices(
        shape, min_dims=min_dims, max_dims=max_dims, **options
    ).map(lambda idx: tuple(map(_forwards, idx)) if isinstance(idx, tuple) else _forwards(idx))
    fits = min_dims <= len(shape) and (max_dims is None or len(shape) <= max_dims)
    return draw(forwards | end_slices(shape=shape) if fits else forwards)


@st.composite
def _along(draw: st.DrawFn, length: int) -> OrthogonalIndex:
    """Draw an index of one dimension."""
    slices = st.slices(length).map(_forwards)
    masks = npst.arrays(np.bool_, (length,))
    if length == 0:
        return draw(slices | masks)
    positions = st.integers(-length, length - 1)
    lists = st.lists(positions, min_size=1, max_size=8).map(lambda drawn: np.array(drawn, np.intp))
    return draw(positions | slices | lists | masks)


@st.composite
def orthogonal_indices(
    draw: st.DrawFn, *, shape: tuple[int, ...]
) -> tuple[tuple[OrthogonalIndex, ...], tuple[npt.NDArray[np.intp], ...]]:
    """Draw an index that selects along each dimension on its own.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array in elements.

    Returns
    -------
    tuple
        For the ``oindex`` of a Zarr array: per dimension an integer, a slice, an array of
        integers in any order, some of them negative or more than once, or a boolean mask. And for
        a NumPy array: integer arrays of the shape of the result that select the same elements.
    """
    index = tuple(draw(_along(length)) for length in shape)
    return index, spread_out(index, shape)


def spread_out(
    index: tuple[OrthogonalIndex, ...], shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.intp], ...]:
    """Return the position of every element that an index selects along each dimension on its own.

    Parameters
    ----------
    index : tuple
        Per dimension an integer, which leaves no dimension behind, a slice or an array.
    shape : tuple of int
        Shape of the array in elements.

    Returns
    -------
    tuple of numpy.ndarray
        Per dimension of the array the positions, from 0, in the shape of the result.
    """
    kept = [axis for axis, along in enumerate(index) if not isinstance(along, int)]
    positions = []
    for axis, (along, length) in enumerate(zip(index, shape, strict=True)):
        if isinstance(along, int):
            positions.append(np.array(along, np.intp))
            continue
        chosen = np.arange(length, dtype=np.intp)[along]
        own = [1] * len(kept)
        own[kept.index(axis)] = chosen.size
        positions.append(chosen.reshape(own))
    return tuple(np.array(spread) for spread in np.broadcast_arrays(*positions))


@st.composite
def block_indices(
    draw: st.DrawFn, *, chunk_sizes: Sequence[Sequence[int]]
) -> tuple[tuple[int | slice, ...], tuple[slice, ...]]:
    """Draw an index of whole chunks.

    Parameters
    ----------
    chunk_sizes : sequence of sequence of int
        Per dimension the number of elements in each chunk, as `zarr.Array.write_chunk_sizes`.

    Returns
    -------
    tuple
        For the ``blocks`` of a Zarr array: per dimension an integer, some of them negative, or a
        slice. And for a NumPy array: slices of the elements that those chunks hold.
    """
    blocks: list[int | slice] = []
    elements = []
    for sizes in chunk_sizes:
        count = len(sizes)
        bounds = st.none() | st.integers(-count, count)
        index: st.SearchStrategy[int | slice] = st.builds(
            slice, bounds, bounds, st.sampled_from([None, 1])
        )
        if count:
            index = st.integers(-count, count - 1) | index
        block = draw(index)
        chosen = range(count)[block] if isinstance(block, slice) else [range(count)[block]]
        ends = [0, *accumulate(sizes)]
        first = ends[chosen[0]] if len(chosen) else 0
        blocks.append(block)
        elements.append(slice(first, first + sum(sizes[number] for number in chosen)))
    return tuple(blocks), tuple(elements)
