"""Selections along one dimension, split by chunk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from zarr.core.chunk_grids import DimensionGrid, FixedDimension
from zarr.core.common import ceildiv_int
from zarr.core.indexing._kinds import is_bool_array, is_integer_array
from zarr.core.indexing._normalize import normalize_indices, normalize_integer_selection
from zarr.core.indexing._runs import (
    Order,
    count_distinct,
    run_starts,
    select_runs,
    sorted_run_ends,
)
from zarr.core.indexing._types import (
    ChunkDimProjection,
    Columns,
    ComparedByIdentity,
    DimSelection,
)
from zarr.errors import NegativeStepError


@dataclass(init=False, unsafe_hash=True)
class IntDimIndexer:
    """A selection along one dimension by a single index, which drops the dimension.

    Parameters
    ----------
    dim_sel : int
        Index of the element; a negative index counts from the end.
    dim_len : int
        Length of the dimension in elements.
    dim_grid : DimensionGrid
        Division of the dimension into chunks.

    Raises
    ------
    BoundsCheckError
        If `dim_sel` is outside the dimension.
    """

    dim_sel: int
    dim_len: int
    dim_grid: DimensionGrid
    nitems: int = 1

    def __init__(self, dim_sel: int, dim_len: int, dim_grid: DimensionGrid) -> None:
        self.dim_sel = normalize_integer_selection(dim_sel, dim_len)
        self.dim_len = dim_len
        self.dim_grid = dim_grid

    def __iter__(self) -> Iterator[ChunkDimProjection]:
        ix = self.dim_grid.index_to_chunk(self.dim_sel)
        index = self.dim_sel - self.dim_grid.chunk_offset(ix)
        yield ChunkDimProjection(ix, index, None, self.dim_grid.data_size(ix) == 1)


@dataclass(init=False, unsafe_hash=True)
class SliceDimIndexer:
    """A selection along one dimension by a slice.

    Parameters
    ----------
    dim_sel : slice
        The slice, with a step of at least 1.
    dim_len : int
        Length of the dimension in elements.
    dim_grid : DimensionGrid
        Division of the dimension into chunks.

    Attributes
    ----------
    start : int
        First index of the slice, clipped to the dimension.
    stop : int
        One past the last index of the slice, clipped to the dimension.
    step : int
        Step of the slice.
    nitems : int
        Number of selected elements.
    nchunks : int
        Number of chunks along the dimension.

    Raises
    ------
    NegativeStepError
        If the step is negative.
    ValueError
        If the step is 0.
    TypeError
        If the start, stop or step of the slice is neither an integer nor None.
    """

    dim_len: int
    nitems: int
    nchunks: int
    dim_grid: DimensionGrid
    start: int
    stop: int
    step: int

    def __init__(self, dim_sel: slice, dim_len: int, dim_grid: DimensionGrid) -> None:
        self.start, self.stop, self.step = dim_sel.indices(dim_len)
        if self.step < 1:
            raise NegativeStepError("only slices with step >= 1 are supported.")
        self.dim_len = dim_len
        self.dim_grid = dim_grid
        self.nitems = len(range(self.start, self.stop, self.step))
        self.nchunks = dim_grid.nchunks

    def __iter__(self) -> Iterator[ChunkDimProjection]:
        columns = self.columns()
        return self._iter_any() if columns is None else map(ChunkDimProjection, *columns)

    def columns(self) -> Columns | None:
        """Return the projections as one iterable per field, each with one value per chunk.

        The iterables take constant memory. Built-in types and `itertools` compute the values, so no
        Python loop over the chunks is needed. The method returns None if the step is not 1, if
        `dim_grid` is not a `FixedDimension`, or if no element is selected.
        """
        grid = self.dim_grid
        if not (self.nitems and self.step == 1 and isinstance(grid, FixedDimension)):
            return None
        start, stop, size = self.start, self.stop, grid.size
        first, end = start // size, ceildiv_int(stop, size)
        sels: Iterable[slice]
        completes: Iterable[bool]
        head, tail = self._edge(grid, first), self._edge(grid, end - 1)
        if end - first == 1:
            sels, completes = [head[0]], [head[1]]
        else:
            between = end - first - 2
            sels = chain([head[0]], repeat(slice(0, size, 1), between), [tail[0]])
            completes = chain([head[1]], repeat(True, between), [tail[1]])
        # The chunk boundaries, as positions in the output.
        edges = range((first + 1) * size - start, (end - 1) * size - start + 1, size)
        outs = map(slice, chain([0], edges), chain(edges, [stop - start]), repeat(1))
        return range(first, end), sels, outs, completes

    def _edge(self, grid: FixedDimension, ix: int) -> tuple[slice, bool]:
        """Return the selected slice of chunk `ix`, and whether this slice covers the chunk.

        The chunk is the first or the last of the selected chunks.
        """
        offset = ix * grid.size
        first, last = max(self.start - offset, 0), min(self.stop - offset, grid.size)
        whole = last == grid.size or self.stop == grid.extent
        return slice(first, last, 1), first == 0 and whole

    def _iter_any(self) -> Iterator[ChunkDimProjection]:
        grid, step = self.dim_grid, self.step
        position, taken = self.start, 0
        while taken < self.nitems:
            ix = grid.index_to_chunk(position)
            offset, length = grid.chunk_offset(ix), grid.data_size(ix)
            count = ceildiv_int(min(offset + length, self.stop) - position, step)
            first, last = position - offset, position - offset + (count - 1) * step
            # A slice of a single element gets step 1, so that the slice is recognized as
            # contiguous.
            part = slice(first, last + 1, step if count > 1 else 1)
            yield ChunkDimProjection(ix, part, slice(taken, taken + count, 1), count == length)
            position += count * step
            taken += count


class _ArrayDimIndexer(ComparedByIdentity):
    """Base class of `IntArrayDimIndexer` and `BoolArrayDimIndexer`.

    Each of these indexers stores the selected indices in sorted order.
    """

    dim_grid: DimensionGrid
    dim_chunk_ixs: npt.NDArray[np.intp]
    chunk_run_ends: npt.NDArray[np.intp]

    def _bind(self, indices: npt.NDArray[np.intp], dim_grid: DimensionGrid) -> None:
        self.dim_grid = dim_grid
        chunk_ixs = dim_grid.indices_to_chunks(indices)
        self.dim_chunk_ixs, self.chunk_run_ends = sorted_run_ends(chunk_ixs)

    @property
    def chunk_nitems(self) -> npt.NDArray[np.intp]:
        """Number of selected elements in each chunk along the dimension."""
        counts = np.zeros(self.dim_grid.nchunks, dtype=np.intp)
        counts[self.dim_chunk_ixs] = np.diff(self.chunk_run_ends, prepend=0)
        return counts

    @property
    def chunk_nitems_cumsum(self) -> npt.NDArray[np.intp]:
        """Number of selected elements up to the end of each chunk.

        This is the cumulative sum of `chunk_nitems`.
        """
        return np.cumsum(self.chunk_nitems)

    def _project(
        self, indices: npt.NDArray[np.intp], out: npt.NDArray[np.intp] | None
    ) -> Iterator[ChunkDimProjection]:
        """Iterate over the chunk projections of a selection that is given by sorted indices.

        Parameters
        ----------
        indices : array of int
            The selected indices, sorted.
        out : array of int or None
            Output position of each index; None if the output is in the order of `indices`.
        """
        yield from project_sorted(
            indices, out, self.dim_grid, self.dim_chunk_ixs, self.chunk_run_ends
        )


def chunk_values(values: Iterator[int], count: int) -> npt.NDArray[np.intp]:
    """Return an array of the numbers that an iterator yields, one number per chunk."""
    return np.fromiter(values, dtype=np.intp, count=count)


def project_sorted(
    indices: npt.NDArray[np.intp],
    out: npt.NDArray[np.intp] | None,
    dim_grid: DimensionGrid,
    chunk_ixs: npt.NDArray[np.intp],
    run_ends: npt.NDArray[np.intp],
) -> Iterator[ChunkDimProjection]:
    """Return the chunk projections of a selection that is given by sorted indices.

    The offsets and the sizes of the chunks are looked up one chunk at a time; the arithmetic is
    vectorized over all chunks.

    Parameters
    ----------
    indices : array of int
        The selected indices, sorted; duplicates are allowed.
    out : array of int or None
        Output position of each index; None if the output is in the order of `indices`.
    dim_grid : DimensionGrid
        Division of the dimension into chunks.
    chunk_ixs : array of int
        Indices of the selected chunks along the dimension.
    run_ends : array of int
        For each selected chunk, the end (exclusive) of the chunk's run of indices in `indices`.
    """
    if indices.size == 0:
        return iter(())
    chunks: list[int] = chunk_ixs.tolist()
    offsets = chunk_values(map(dim_grid.chunk_offset, chunks), len(chunks))
    sizes = chunk_values(map(dim_grid.data_size, chunks), len(chunks))
    local = indices - np.repeat(offsets, np.diff(run_ends, prepend=0))
    out_sels: Sequence[DimSelection]
    if out is None:
        ends = run_ends.tolist()
        out_sels = [slice(a, b, 1) for a, b in zip(run_starts(run_ends).tolist(), ends)]
    else:
        out_sels = select_runs(out, run_ends)
    complete = (count_distinct(indices, run_ends) == sizes).tolist()
    return map(
        ChunkDimProjection._make,
        zip(chunks, select_runs(local, run_ends), out_sels, complete, strict=True),
    )


@dataclass(init=False, eq=False)
class IntArrayDimIndexer(_ArrayDimIndexer):
    """A selection along one dimension by indices, in any order and possibly with duplicates.

    Parameters
    ----------
    dim_sel : array of int
        One-dimensional array of indices.
    dim_len : int
        Length of the dimension in elements.
    dim_grid : DimensionGrid
        Division of the dimension into chunks.
    wraparound : bool
        Whether negative indices count from the end.
    boundscheck : bool
        Whether to check that all indices are within the dimension. If False, the caller must have
        checked the indices.
    order : Order
        Whether the indices are increasing, decreasing or unordered. If `order` is ``UNKNOWN``, the
        constructor compares the indices to find out.

    Attributes
    ----------
    dim_sel : array of int
        The sorted indices.
    dim_out_sel : array of int or None
        Output position of each sorted index; None if the indices were already sorted.
    dim_chunk_ixs : array of int
        Indices of the selected chunks along the dimension.
    chunk_run_ends : array of int
        For each selected chunk, the end (exclusive) of the chunk's run of indices in `dim_sel`.
    nitems : int
        Number of selected elements.
    nchunks : int
        Number of chunks along the dimension.

    Raises
    ------
    IndexError
        If `dim_sel` is not a one-dimensional array of integers.
    BoundsCheckError
        If an index is outside the dimension.
    """

    dim_len: int
    dim_grid: DimensionGrid
    nchunks: int
    nitems: int
    order: Order
    dim_sel: npt.NDArray[np.intp]
    dim_out_sel: npt.NDArray[np.intp] | None
    dim_chunk_ixs: npt.NDArray[np.intp]
    chunk_run_ends: npt.NDArray[np.intp]

    def __init__(
        self,
        dim_sel: Any,
        dim_len: int,
        dim_grid: DimensionGrid,
        wraparound: bool = True,
        boundscheck: bool = True,
        order: Order = Order.UNKNOWN,
    ) -> None:
        given = np.asarray(dim_sel)
        if not is_integer_array(given, 1):
            raise IndexError("integer arrays in an orthogonal selection must be 1-dimensional only")
        indices = normalize_indices(given, dim_len, wraparound=wraparound, boundscheck=boundscheck)
        self.dim_len = dim_len
        self.nitems = indices.size
        self.nchunks = dim_grid.nchunks
        self.order = Order.check(indices) if order is Order.UNKNOWN else order
        self.dim_out_sel = None
        if self.order is not Order.INCREASING:
            # If several values are given for the same element, the last of these values must be
            # written last. Therefore use a stable sort.
            self.dim_out_sel = np.argsort(indices, kind="stable")
            indices = indices[self.dim_out_sel]
        self.dim_sel = indices
        self._bind(indices, dim_grid)

    def __iter__(self) -> Iterator[ChunkDimProjection]:
        return self._project(self.dim_sel, self.dim_out_sel)


@dataclass(init=False, eq=False)
class BoolArrayDimIndexer(_ArrayDimIndexer):
    """A selection along one dimension by a boolean mask.

    Parameters
    ----------
    dim_sel : array of bool
        One bool for each index along the dimension.
    dim_len : int
        Length of the dimension in elements.
    dim_grid : DimensionGrid
        Division of the dimension into chunks.

    Attributes
    ----------
    dim_chunk_ixs : array of int
        Indices of the selected chunks along the dimension.
    nitems : int
        Number of selected elements.
    nchunks : int
        Number of chunks along the dimension.

    Raises
    ------
    IndexError
        If `dim_sel` is not a one-dimensional array of bools, or has the wrong length.
    """

    dim_sel: npt.NDArray[np.bool_]
    dim_len: int
    dim_grid: DimensionGrid
    nchunks: int
    nitems: int
    dim_chunk_ixs: npt.NDArray[np.intp]

    def __init__(
        self, dim_sel: npt.NDArray[np.bool_], dim_len: int, dim_grid: DimensionGrid
    ) -> None:
        if not is_bool_array(dim_sel, 1):
            raise IndexError("Boolean arrays in an orthogonal selection must be 1-dimensional only")
        if dim_sel.shape[0] != dim_len:
            raise IndexError(
                "Boolean array has the wrong length for dimension; "
                f"expected {dim_len}, got {dim_sel.shape[0]}"
            )
        self.dim_sel = dim_sel
        self.dim_len = dim_len
        self.nchunks = dim_grid.nchunks
        self._bind(self._indices, dim_grid)
        self.nitems = self._indices.size

    @cached_property
    def _indices(self) -> npt.NDArray[np.intp]:
        return np.flatnonzero(self.dim_sel)

    def __iter__(self) -> Iterator[ChunkDimProjection]:
        return self._project(self._indices, None)
