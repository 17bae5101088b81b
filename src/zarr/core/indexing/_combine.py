"""Combine projections along single dimensions into n-dimensional projections of chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from zarr.core.indexing._dims import SliceDimIndexer
from zarr.core.indexing._types import (
    ChunkDimProjection,
    ChunkProjection,
    Columns,
    DimSelection,
)

Column = Sequence[DimSelection]
"""The selections of all projections along one dimension."""


def combine(
    dim_indexers: Iterable[Iterable[ChunkDimProjection]], *, keep_dims: bool = False
) -> Iterator[ChunkProjection]:
    """Return an iterator over the projections of the selected chunks, in C order.

    Parameters
    ----------
    dim_indexers : iterable
        For each dimension, the projections along this dimension.
    keep_dims : bool
        Whether to convert integers to slices of length one, so that chunk selections keep all
        dimensions. The conversion is needed if a chunk selection contains arrays, because NumPy
        treats an integer in such a selection like an index array.
    """
    indexers = list(dim_indexers)
    columns = [_columns_of(projections) for projections in indexers]
    if len(columns) == 1 and columns[0] is not None:
        # Return a lazy iterator, because there may be a million projections.
        ixs, sels, outs, completes = columns[0]
        return map(ChunkProjection, zip(ixs), zip(sels), zip(outs), completes)
    if len(indexers) == 1:
        return map(_promote, indexers[0])
    coords: list[list[int]] = []
    chunk_sels: list[Column] = []
    out_sels: list[Column] = []
    complete: list[list[bool]] = []
    for known, projections in zip(columns, indexers, strict=True):
        rows = () if known else tuple(projections)
        if not known and not rows:
            return iter(())
        ixs, sels, outs, completes = known or zip(*rows, strict=True)
        coords.append(list(ixs))
        chunk_sels.append(list(sels))
        complete.append(list(completes))
        dim_outs = list(outs)
        # `out_sels` omits dropped dimensions. A dropped dimension has exactly one projection, so
        # its omission does not change the number of items in the product. Each of the four products
        # below has one item for each selected chunk.
        if dim_outs[0] is not None:
            out_sels.append(dim_outs)
    if keep_dims:
        chunk_sels = _open_mesh([[_keep_dim(sel) for sel in column] for column in chunk_sels])
        out_sels = _open_mesh(out_sels)
    # In each of the four products, the n-th item belongs to the n-th selected chunk. Using `map` on
    # the products is much faster than a Python loop that creates one projection at a time.
    return map(
        ChunkProjection,
        product(*coords),
        product(*chunk_sels),
        product(*out_sels),
        map(all, product(*complete)),
    )


def _columns_of(projections: Iterable[ChunkDimProjection]) -> Columns | None:
    return projections.columns() if isinstance(projections, SliceDimIndexer) else None


def _promote(projection: ChunkDimProjection) -> ChunkProjection:
    ix, chunk_sel, out_sel, complete = projection
    return ChunkProjection((ix,), (chunk_sel,), () if out_sel is None else (out_sel,), complete)


def _keep_dim(selection: DimSelection) -> DimSelection:
    return slice(selection, selection + 1, 1) if isinstance(selection, int) else selection


def _open_mesh(columns: list[Column]) -> list[Column]:
    """Reshape index arrays so that NumPy combines them orthogonally.

    A single array among slices needs no change. If there are several arrays, each array needs a
    dimension of its own. Slices between two arrays are also converted to arrays. Otherwise the
    arrays would not be adjacent, and NumPy would move the selected dimensions to the front.
    """
    axes = [
        axis
        for axis, column in enumerate(columns)
        if any(isinstance(selection, np.ndarray) for selection in column)
    ]
    if len(axes) < 2:
        return columns
    span = range(axes[0], axes[-1] + 1)
    meshed = list(columns)
    for axis in span:
        shape = [1] * len(span)
        shape[axis - span[0]] = -1
        meshed[axis] = [_as_indices(selection).reshape(shape) for selection in columns[axis]]
    return meshed


def _as_indices(selection: DimSelection) -> npt.NDArray[np.intp]:
    if isinstance(selection, slice):
        return np.arange(selection.start, selection.stop, selection.step, dtype=np.intp)
    return np.asarray(selection)
