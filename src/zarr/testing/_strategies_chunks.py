"""Strategies for the chunks and shards of arrays. All lengths are in elements."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hypothesis import strategies as st

from zarr.core.common import ceildiv_int
from zarr.core.config import config
from zarr.core.metadata.v3 import RectilinearChunkGridMetadata, RegularChunkGridMetadata
from zarr.testing._strategies_dtypes import numpy_arrays

if TYPE_CHECKING:
    import numpy as np

    from zarr.core.metadata.v3 import ChunkGridMetadata

RunLengths: TypeAlias = int | list[int | list[int]]
"""One dimension in JSON: a length for all chunks, or lengths and ``[length, count]`` pairs."""

# A larger number of chunks would make tests slower, but would not reveal more errors.
_MOST_CHUNKS: Final = 120

_NUMPY_ARRAYS: Final = numpy_arrays()


@st.composite
def chunk_shapes(draw: st.DrawFn, *, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Draw a chunk shape with which an array has at most 120 chunks.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array. Along a dimension of length 0, the chunk length is 1.

    Returns
    -------
    tuple of int
        For each dimension, a chunk length between 1 and the length of the array. The last chunk of
        a dimension may extend past the end of the array.
    """
    lengths = []
    left = _MOST_CHUNKS
    for extent in shape:
        count = draw(st.integers(1, max(1, min(extent, left))))
        left //= count
        lengths.append(max(1, ceildiv_int(extent, count)))
    return tuple(lengths)


@st.composite
def shard_shapes(
    draw: st.DrawFn, *, shape: tuple[int, ...], chunk_shape: tuple[int, ...]
) -> tuple[int, ...]:
    """Draw the shape of a shard.

    Along each dimension, a shard contains at least one chunk, and at most the number of chunks that
    is needed to cover the array.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    chunk_shape : tuple of int
        Shape of the chunks within a shard.
    """
    return tuple(
        length * draw(st.integers(1, max(1, ceildiv_int(extent, length))))
        for extent, length in zip(shape, chunk_shape, strict=True)
    )


@st.composite
def np_array_and_chunks(
    draw: st.DrawFn, *, arrays: st.SearchStrategy[np.ndarray[Any, Any]] = _NUMPY_ARRAYS
) -> tuple[np.ndarray[Any, Any], tuple[int, ...]]:
    """Draw a NumPy array and a chunk shape for it.

    Parameters
    ----------
    arrays : strategy for numpy.ndarray
        Strategy for the array.

    Returns
    -------
    tuple
        The array, and a shape drawn by `chunk_shapes`.
    """
    array = draw(arrays)
    return array, draw(chunk_shapes(shape=array.shape))


@st.composite
def chunk_paths(draw: st.DrawFn, ndim: int, numblocks: tuple[int, ...], subset: bool = True) -> str:
    """Draw the grid position of a chunk, as numbers joined by ``/``.

    Parameters
    ----------
    ndim : int
        Number of dimensions.
    numblocks : tuple of int
        Number of chunks along each dimension. If a dimension has no chunks, the index 0 is drawn
        for this dimension, although no chunk has this index.
    subset : bool
        Whether the path may consist of only the first few numbers, or of no number. A path without
        numbers is the empty string. With the default chunk keys, a shortened path is the path of a
        directory that contains chunks.
    """
    kept = draw(st.integers(0, ndim)) if subset else ndim
    return "/".join(str(draw(st.integers(0, max(0, count - 1)))) for count in numblocks[:kept])


# --- rectilinear grids ------------------------------------------------------------------


@st.composite
def rectilinear_dim_edges(draw: st.DrawFn, *, extent: int, max_chunks: int = 20) -> list[int]:
    """Draw the length of each chunk along one dimension.

    Parameters
    ----------
    extent : int
        Length of the array along the dimension.
    max_chunks : int
        Maximum number of chunks, at least 1.

    Returns
    -------
    list of int
        Lengths of at least 1 whose sum is `extent`. If `extent` is 0, up to five lengths are drawn
        instead; chunks of these lengths become part of the array only when the array grows.
    """
    if extent == 0:
        return draw(st.lists(st.integers(1, 10), min_size=1, max_size=min(5, max_chunks)))
    most = min(extent, max_chunks) - 1
    cuts = draw(st.sets(st.integers(1, extent - 1), max_size=most)) if most > 0 else set()
    return [stop - start for start, stop in itertools.pairwise([0, *sorted(cuts), extent])]


@st.composite
def rectilinear_chunks(draw: st.DrawFn, *, shape: tuple[int, ...]) -> list[int | list[int]]:
    """Draw the lengths of at most 120 rectilinear chunks, as an argument of `zarr.create_array`.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.

    Returns
    -------
    list of (list of int, or int)
        For each dimension, the length of each chunk; the lengths add up to the length of the array.
        For a dimension of length 0, the item is the integer 1 in place of a list, because positive
        lengths cannot add up to 0.
    """
    chunks: list[int | list[int]] = []
    left = _MOST_CHUNKS
    for extent in shape:
        if extent == 0:
            chunks.append(1)
            continue
        edges = draw(rectilinear_dim_edges(extent=extent, max_chunks=max(1, min(20, left))))
        left //= len(edges)
        chunks.append(edges)
    return chunks


@st.composite
def _rectilinear_dimensions(
    draw: st.DrawFn, shape: tuple[int, ...]
) -> tuple[int | tuple[int, ...], ...]:
    """Draw one chunk length, or a list of chunk lengths, for each dimension.

    The sum of the listed lengths is at least the length of the array.
    """
    dimensions: list[int | tuple[int, ...]] = []
    for extent in shape:
        if draw(st.booleans()):
            edges = draw(rectilinear_dim_edges(extent=extent, max_chunks=8))
            edges[-1] += draw(st.integers(0, 3))
            beyond = draw(st.lists(st.integers(1, 10), max_size=2))
            dimensions.append((*edges, *beyond))
        else:
            dimensions.append(draw(st.integers(1, extent + 3)))
    return tuple(dimensions)


@st.composite
def rectilinear_chunk_grids(
    draw: st.DrawFn, *, shape: tuple[int, ...]
) -> RectilinearChunkGridMetadata:
    """Draw the metadata of a rectilinear chunk grid (zarr-extensions, "rectilinear").

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.

    Returns
    -------
    RectilinearChunkGridMetadata
        Each dimension has one length for all chunks, or a list of lengths. The sum of the listed
        lengths may exceed the length of the array, for example after the array has shrunk.
    """
    return RectilinearChunkGridMetadata(chunk_shapes=draw(_rectilinear_dimensions(shape)))


@st.composite
def rectilinear_chunk_shape_declarations(
    draw: st.DrawFn, *, shape: tuple[int, ...]
) -> tuple[list[RunLengths], tuple[int | tuple[int, ...], ...]]:
    """Draw a ``chunk_shapes`` field of a rectilinear chunk grid, and the lengths it declares.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.

    Returns
    -------
    tuple
        The field in its JSON form, and the lengths. In the field, consecutive equal lengths may be
        written as a pair ``[length, count]``. The second item contains, for each dimension, one
        length for all chunks, or the length of each chunk.
    """
    dimensions = draw(_rectilinear_dimensions(shape))
    return [draw(_declarations(dimension)) for dimension in dimensions], dimensions


@st.composite
def _declarations(draw: st.DrawFn, dimension: int | tuple[int, ...]) -> RunLengths:
    if isinstance(dimension, int):
        return dimension
    declared: list[int | list[int]] = []
    for length, run in itertools.groupby(dimension):
        left = len(list(run))
        while left:
            count = draw(st.integers(1, left))
            declared.append([length, count] if count > 1 or draw(st.booleans()) else length)
            left -= count
    return declared


def chunks_param_from_rectilinear(meta: RectilinearChunkGridMetadata) -> list[int | list[int]]:
    """Return the `chunks` argument of `zarr.create_array` for a rectilinear chunk grid.

    Parameters
    ----------
    meta : RectilinearChunkGridMetadata
        Chunk grid. `zarr.create_array` requires that the sum of listed lengths equals the length
        of the array.

    Returns
    -------
    list of (int or list of int)
        For each dimension, one length for all chunks, or a list with the length of each chunk.
    """
    return [
        list(lengths) if isinstance(lengths, Sequence) else lengths for lengths in meta.chunk_shapes
    ]


@st.composite
def chunk_grids(draw: st.DrawFn, *, shape: tuple[int, ...]) -> ChunkGridMetadata:
    """Draw the metadata of a chunk grid of a format 3 array.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.

    Returns
    -------
    RegularChunkGridMetadata or RectilinearChunkGridMetadata
        A rectilinear grid is drawn only if ``array.rectilinear_chunks`` is on. The last chunks of a
        rectilinear grid end at the array boundary.
    """
    regular = chunk_shapes(shape=shape).map(
        lambda chunk_shape: RegularChunkGridMetadata(chunk_shape=chunk_shape)
    )
    if not config.get("array.rectilinear_chunks"):
        return draw(regular)
    varying = rectilinear_chunks(shape=shape).map(_rectilinear_metadata)
    return draw(regular | varying)


def _rectilinear_metadata(chunks: list[int | list[int]]) -> RectilinearChunkGridMetadata:
    return RectilinearChunkGridMetadata(
        chunk_shapes=tuple(tuple(edges) if isinstance(edges, list) else edges for edges in chunks)
    )
