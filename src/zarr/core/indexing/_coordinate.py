"""Selections of single points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zarr.core.chunk_grids import ChunkGrid, DimensionGrid
from zarr.core.indexing._combine import combine
from zarr.core.indexing._dims import chunk_values, project_sorted
from zarr.core.indexing._kinds import is_coordinate_selection
from zarr.core.indexing._lazy import made_arrays
from zarr.core.indexing._normalize import ensure_tuple, normalize_indices, replace_lists
from zarr.core.indexing._runs import Order, run_starts, select_runs, sorted_run_ends
from zarr.core.indexing._types import ChunkProjection, ComparedByIdentity, DimSelection, Indexer


@dataclass(init=False, eq=False)
class CoordinateIndexer(ComparedByIdentity, Indexer):
    """A selection of single points by their coordinates.

    Parameters
    ----------
    selection : tuple of int, list or array of int
        For each dimension, the coordinates of the points along this dimension. The arrays are
        broadcast against each other. Negative coordinates count from the end. For a one-dimensional
        array, the coordinates may also be given without a tuple.
    shape : tuple of int
        Shape of the array in elements.
    chunk_grid : ChunkGrid
        Division of the array into chunks.

    Attributes
    ----------
    sel_shape : tuple of int
        Shape of the result: the broadcast shape of the coordinates, with at least one dimension.
    shape : tuple of int
        Shape of the output that the projections refer to. The output is one-dimensional, and has
        one element per point. The caller reshapes the output to `sel_shape`.
    selection : tuple of array
        Coordinates of the points, sorted by chunk.
    sel_sort : array of int or None
        Original position of each sorted point; None if the points were already sorted.
    chunk_rixs : array of int
        Indices of the selected chunks in the flattened grid, in C order.
    chunk_mixs : tuple of array
        Positions of the selected chunks in the grid, one array per dimension.
    chunk_run_ends : array of int
        For each selected chunk, the end (exclusive) of its points in `selection`.
    cdata_shape : tuple of int
        Number of chunks along each dimension.

    Raises
    ------
    IndexError
        If `selection` does not have one item for each dimension, if an item is neither an integer,
        an integer array, nor a list of integers, or if the indexed array is zero-dimensional.
    ValueError
        If the coordinates cannot be broadcast against each other.
    BoundsCheckError
        If a point is outside the array.
    """

    sel_shape: tuple[int, ...]
    selection: tuple[npt.NDArray[np.intp], ...]
    sel_sort: npt.NDArray[np.intp] | None
    cdata_shape: tuple[int, ...]
    chunk_run_ends: npt.NDArray[np.intp]
    chunk_rixs: npt.NDArray[np.intp]
    chunk_mixs: tuple[npt.NDArray[np.intp], ...]
    shape: tuple[int, ...]
    dim_grids: tuple[DimensionGrid, ...]
    drop_axes: tuple[int, ...]

    # Whether all points are known to be distinct.
    _distinct = False

    def __init__(self, selection: Any, shape: tuple[int, ...], chunk_grid: ChunkGrid) -> None:
        items = replace_lists(ensure_tuple(made_arrays(selection)))
        if not shape or not is_coordinate_selection(items, shape):
            raise IndexError(
                "invalid coordinate selection; expected one integer (coordinate) array "
                f"per dimension of the target array, got {selection!r}"
            )
        points = np.broadcast_arrays(
            *[
                normalize_indices(np.atleast_1d(item), length)
                for item, length in zip(items, shape, strict=True)
            ]
        )
        self._bind(tuple(points), chunk_grid)

    def _bind(self, points: tuple[npt.NDArray[np.intp], ...], chunk_grid: ChunkGrid) -> None:
        """Sort valid coordinates by chunk, and set the attributes of the indexer."""
        self.dim_grids = chunk_grid.dimensions
        self.cdata_shape = chunk_grid.grid_shape
        self.sel_shape = points[0].shape
        self.drop_axes = ()
        flat = tuple(coords.reshape(-1) for coords in points)
        self.shape = flat[0].shape
        self.sel_sort = None
        chunks = self._chunks_of(flat)
        # For a one-dimensional array, sort by coordinate, because sorted coordinates can often be
        # expressed as a slice within each chunk.
        key = flat[0] if len(flat) == 1 else chunks
        if Order.check(key) is not Order.INCREASING:
            # If several values are given for the same element, the last of these values must be
            # written last. Therefore use a stable sort.
            self.sel_sort = np.argsort(key, kind="stable")
            flat = tuple(coords[self.sel_sort] for coords in flat)
            chunks = chunks[self.sel_sort]
        self.selection = flat
        self.chunk_rixs, self.chunk_run_ends = sorted_run_ends(chunks)
        self.chunk_mixs = (
            np.unravel_index(self.chunk_rixs, self.cdata_shape)
            if self.chunk_rixs.size
            else (self.chunk_rixs,) * len(flat)
        )

    def _chunks_of(self, points: tuple[npt.NDArray[np.intp], ...]) -> npt.NDArray[np.intp]:
        if points[0].size == 0:
            return points[0]
        positions = tuple(
            grid.indices_to_chunks(coords)
            for grid, coords in zip(self.dim_grids, points, strict=True)
        )
        if len(positions) == 1:
            return positions[0]
        return np.ravel_multi_index(positions, self.cdata_shape)

    @property
    def chunk_nitems_cumsum(self) -> npt.NDArray[np.intp]:
        """Number of selected points up to the end of each chunk.

        This is the cumulative sum over all chunks of the grid, in C order.
        """
        counts = np.zeros(int(np.prod(self.cdata_shape, dtype=np.intp)), dtype=np.intp)
        counts[self.chunk_rixs] = np.diff(self.chunk_run_ends, prepend=0)
        return np.cumsum(counts)

    def __iter__(self) -> Iterator[ChunkProjection]:
        if self.chunk_rixs.size == 0:
            return iter(())
        if len(self.selection) > 1:
            return self._iter_nd()
        (grid,), (coords,) = self.dim_grids, self.selection
        return combine(
            [project_sorted(coords, self.sel_sort, grid, self.chunk_rixs, self.chunk_run_ends)]
        )

    def _iter_nd(self) -> Iterator[ChunkProjection]:
        ends = self.chunk_run_ends
        counts = np.diff(ends, prepend=0)
        bounds = list(zip(run_starts(ends).tolist(), ends.tolist(), strict=True))
        positions = [mixs.tolist() for mixs in self.chunk_mixs]
        columns = []
        volumes = np.ones(counts.size, dtype=np.intp)
        for coords, grid, chunks in zip(self.selection, self.dim_grids, positions, strict=True):
            local = coords - np.repeat(
                chunk_values(map(grid.chunk_offset, chunks), len(chunks)), counts
            )
            columns.append([local[start:end] for start, end in bounds])
            volumes *= chunk_values(map(grid.data_size, chunks), len(chunks))
        chunk_sels = list(zip(*columns, strict=True))
        complete: list[bool] = (counts >= volumes).tolist()
        if not self._distinct:
            # A chunk is selected completely only if the number of distinct points in the chunk
            # equals its number of elements. Counting distinct points is slow. Therefore they are
            # counted only if the number of points, including duplicates, is at least the number of
            # elements.
            complete = [
                enough and _count_points(points) == volume
                for enough, points, volume in zip(
                    complete, chunk_sels, volumes.tolist(), strict=True
                )
            ]
        out_sels: Sequence[DimSelection] = (
            [slice(start, end, 1) for start, end in bounds]
            if self.sel_sort is None
            else select_runs(self.sel_sort, ends)
        )
        return map(
            ChunkProjection._make,
            zip(
                zip(*positions, strict=True),
                chunk_sels,
                zip(out_sels, strict=True),
                complete,
                strict=True,
            ),
        )


def _count_points(points: tuple[npt.NDArray[np.intp], ...]) -> int:
    """Return the number of distinct points."""
    sides = tuple(int(np.max(coords)) + 1 for coords in points)
    return int(np.unique(np.ravel_multi_index(points, sides)).size)
