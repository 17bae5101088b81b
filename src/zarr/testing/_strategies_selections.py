"""Strategies for selections of elements. Most strategies also draw an equivalent NumPy index."""

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
    """Return whether an index is a slice with negative step, which Zarr does not support."""
    return isinstance(idx, slice) and idx.step is not None and idx.step < 0


def _forwards(idx: Any) -> Any:
    """Reverse a slice with negative step; return other indices unchanged."""
    return slice(idx.stop, idx.start, -idx.step) if is_negative_slice(idx) else idx


@st.composite
def end_slices(draw: st.DrawFn, *, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Draw slices from the second half of every dimension, which contains the last chunks.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array in elements.

    Returns
    -------
    tuple of slice
        One slice per dimension; slices may be empty.
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
    """Draw an index that consists of integers and slices, for a Zarr array or a NumPy array.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array in elements.
    min_dims : int
        Minimum number of dimensions of the selection.
    max_dims : int or None
        Maximum number of dimensions of the selection. If None,
        `hypothesis.extra.numpy.basic_indices` chooses the maximum: the number of dimensions of the
        array, or a few more if `allow_newaxis` is True.
    allow_newaxis : bool
        Whether to draw None, which adds a dimension of length 1; Zarr arrays do not support None.
    allow_ellipsis : bool
        Whether to draw ``...``.

    Returns
    -------
    tuple, or a single index
        Slices have a positive step. Integers may be negative; all are within bounds.
    """
    options: dict[str, Any] = {"allow_newaxis": allow_newaxis, "allow_ellipsis": allow_ellipsis}
    forwards: st.SearchStrategy[BasicIndex | tuple[BasicIndex, ...]] = npst.basic_indices(
        shape, min_dims=min_dims, max_dims=max_dims, **options
    ).map(lambda idx: tuple(map(_forwards, idx)) if isinstance(idx, tuple) else _forwards(idx))
    fits = min_dims <= len(shape) and (max_dims is None or len(shape) <= max_dims)
    return draw(forwards | end_slices(shape=shape) if fits else forwards)


@st.composite
def _along(draw: st.DrawFn, length: int) -> OrthogonalIndex:
    """Draw an index for one dimension."""
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
    """Draw an index that selects along each dimension independently.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array in elements.

    Returns
    -------
    tuple
        Two indices that select the same elements. The first index is for ``oindex`` of a Zarr
        array. For each dimension it contains an integer, a slice, a boolean mask, or an array of
        integers. Integers may be negative; the integers of an array may be unordered or repeated.
        The second index is for a NumPy array. For each dimension it contains an array of integers,
        which has the shape of the result.
    """
    index = tuple(draw(_along(length)) for length in shape)
    return index, spread_out(index, shape)


def spread_out(
    index: tuple[OrthogonalIndex, ...], shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.intp], ...]:
    """Return the positions of all elements that an orthogonal index selects.

    Parameters
    ----------
    index : tuple
        For each dimension, an integer, a slice or an array. An integer removes the dimension from
        the result.
    shape : tuple of int
        Shape of the array in elements.

    Returns
    -------
    tuple of numpy.ndarray
        For each dimension of the array, an array with the shape of the result. Each array contains
        the positions of the selected elements along its dimension, counted from 0.
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
    """Draw an index that selects whole chunks.

    Parameters
    ----------
    chunk_sizes : sequence of sequence of int
        For each dimension, the length of each chunk in elements. The attribute
        `zarr.Array.write_chunk_sizes` has this form.

    Returns
    -------
    tuple
        Two indices that select the same elements. The first index is for `Array.blocks`. For each
        dimension it contains a slice or an integer; integers and slice bounds may be negative. The
        second index is for a NumPy array, and contains a slice for each dimension.
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
