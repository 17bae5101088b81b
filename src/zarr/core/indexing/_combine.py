"""From projections along each dimension to projections of chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from zarr.core.indexing._types import ChunkDimProjection, ChunkProjection, DimSelection

Column = Sequence[DimSelection]
"""The selections of all projections along one dimension."""


def combine(
    dim_indexers: Iterable[Iterable[ChunkDimProjection]], *, keep_dims: bool = False
) -> Iterator[ChunkProjection]:
    """Iterate over the chunks touched by a selection, the last dimension varying fastest.

    Parameters
    ----------
    dim_indexers : iterable
        For each dimension the projections along it.
    keep_dims : bool
        Whether single indices are taken as slices of length one, so that chunk selections keep all
        dimensions. numpy treats an integer next to an array like another array, so this is needed
        where there are arrays.
    """
    indexers = list(dim_indexers)
    if len(indexers) == 1:
        # Nothing to combine: no list of a million projections either.
        return map(_promote, indexers[0])
    dims = [list(projections) for projections in indexers]
    if not all(dims):
        return iter(())
    coords = [[p.dim_chunk_ix for p in projections] for projections in dims]
    chunk_sels: list[Column] = [[p.dim_chunk_sel for p in projections] for projections in dims]
    # A dropped dimension has one projection, so the product without it keeps step with the others.
    out_sels: list[Column] = [
        [p.dim_out_sel for p in projections]
        for projections in dims
        if projections[0].dim_out_sel is not None
    ]
    complete = [[p.is_complete_chunk for p in projections] for projections in dims]
    if keep_dims:
        chunk_sels = _open_mesh([[_keep_dim(sel) for sel in column] for column in chunk_sels])
        out_sels = _open_mesh(out_sels)
    # Four products in step cost a fraction of assembling each projection here.
    return map(
        ChunkProjection._make,
        zip(
            product(*coords),
            product(*chunk_sels),
            product(*out_sels),
            map(all, product(*complete)),
            strict=True,
        ),
    )


def _promote(projection: ChunkDimProjection) -> ChunkProjection:
    ix, chunk_sel, out_sel, complete = projection
    return ChunkProjection((ix,), (chunk_sel,), () if out_sel is None else (out_sel,), complete)


def _keep_dim(selection: DimSelection) -> DimSelection:
    return slice(selection, selection + 1, 1) if isinstance(selection, int) else selection


def _open_mesh(columns: list[Column]) -> list[Column]:
    """Shape arrays of several dimensions so that numpy combines them orthogonally.

    One array among slices is orthogonal as it is. Several need a dimension each; the slices between
    them become arrays too, because arrays that are not next to each other move to the front.
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
