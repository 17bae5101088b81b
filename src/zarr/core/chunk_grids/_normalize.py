"""Construction of chunk grids from user input."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias, cast

from zarr.core.chunk_grids._dimensions import DimensionGrid, FixedDimension, VaryingDimension
from zarr.core.chunk_grids._grid import ChunkGrid
from zarr.core.common import parse_shapelike

if TYPE_CHECKING:
    from zarr.core.common import ShapeLike

ChunkSizes: TypeAlias = SupportsIndex | Iterable[SupportsIndex]
"""One dimension: one length for all chunks, or the length of each chunk."""

_NO_CHUNKS = (
    "Chunk specification must be an integer or an iterable of integers; got {!r} of type {}."
)
_INVALID_CHUNKS = (
    '{!r} is not a valid chunk input. Use chunks=None or chunks="auto" from the top-level API for '
    "auto-chunking, or pass an int / tuple of ints."
)


class RectilinearChunks(tuple[Any, ...]):
    """Chunk lengths of a rectilinear grid, in a form that `normalize_chunks_nd` accepts.

    The metadata describe such a grid as rectilinear, even if all chunks along each dimension have
    equal length.
    """


def is_regular_1d(dim_chunks: Sequence[int]) -> bool:
    """Return whether chunk lengths fit a regular grid.

    In a regular grid all lengths are equal, except that the last one may be smaller.
    """
    if len(dim_chunks) == 0:
        return True
    first = dim_chunks[0]
    return bool(dim_chunks[-1] <= first) and all(size == first for size in dim_chunks[:-1])


def is_regular_nd(chunks: Iterable[Sequence[int]]) -> bool:
    """Return whether the chunk lengths of every dimension fit a regular grid."""
    return all(map(is_regular_1d, chunks))


def full_span_chunk_size(span: int, unit: int = 1) -> int:
    """Return the length of a single chunk that covers a dimension.

    Parameters
    ----------
    span : int
        Length of the dimension in elements.
    unit : int
        Number of elements; the result is a multiple of this number.

    Returns
    -------
    int
        Length of the chunk in elements. It is at least `unit`, even for an empty dimension.
    """
    return max(1, -(-span // unit)) * unit


def normalize_chunks_1d(chunks: ChunkSizes, span: int, unit: int = 1) -> DimensionGrid:
    """Convert user input to the chunk grid of one dimension.

    Parameters
    ----------
    chunks : int, iterable of int or VaryingDimension
        An integer is the length of each chunk in elements; -1 means one chunk that covers the
        dimension. An iterable contains the length of each chunk. The chunk lengths of a
        `VaryingDimension` are used unchanged; their sum may exceed `span`.
    span : int
        Length of the dimension in elements.
    unit : int
        Number of elements. If `chunks` is -1, the chunk length is a multiple of this number.

    Raises
    ------
    TypeError
        If `chunks` is neither an integer nor an iterable of integers.
    ValueError
        If an integer is neither positive nor -1. If an iterable is empty or contains a length that
        is not positive. If `span` is not 0 and the sum of an iterable differs from `span`. If the
        sum of the lengths of a `VaryingDimension` is less than `span`.
    """
    if isinstance(chunks, VaryingDimension):
        return VaryingDimension(chunks.edges, span)
    size = _as_length(chunks)
    if size is None:
        return _normalize_edges(chunks, span)
    if size == -1:
        size = full_span_chunk_size(span, unit)
    if size < 1:
        raise ValueError(f"Chunk size must be positive or -1, got {size}")
    return FixedDimension(size, span)


def _as_length(value: object) -> int | None:
    try:
        return operator.index(cast("SupportsIndex", value))
    except TypeError:
        return None


def _normalize_edges(chunks: object, span: int) -> VaryingDimension:
    if not isinstance(chunks, Iterable):
        raise TypeError(_NO_CHUNKS.format(chunks, type(chunks).__name__))
    sizes = list(chunks)
    if not sizes:
        raise ValueError("Chunk specification must not be empty")
    wrong = {at: size for at, size in enumerate(sizes) if _as_length(size) is None}
    if wrong:
        raise TypeError(
            "Each chunk size must be an integer; got non-integer element(s) "
            f"{tuple(wrong.values())} at indices {tuple(wrong)}. Chunk sizes must be declared as a "
            "flat sequence of positive integers (e.g. [3, 3, 1])."
        )
    edges = [operator.index(size) for size in sizes]
    if min(edges) < 1:
        raise ValueError(f"All chunk sizes must be positive, got {edges}")
    if span and sum(edges) != span:
        raise ValueError(f"Chunk sizes {edges} do not sum to span {span}")
    return VaryingDimension(edges, span)


def normalize_chunks_nd(
    chunks: object, shape: ShapeLike, unit: Iterable[int] | None = None
) -> ChunkGrid:
    """Convert user input to a chunk grid.

    Parameters
    ----------
    chunks : int, False, iterable or metadata of a chunk grid
        Either one length in elements for all dimensions, or an iterable with one item per
        dimension, as accepted by `normalize_chunks_1d`. ``False`` and ``-1`` mean one chunk that
        covers the array. The metadata of a chunk grid are also accepted; the chunks of that grid
        may extend past the end of the array.
    shape : int or iterable of int
        Shape of the array in elements.
    unit : iterable of int or None
        For each dimension, the value that is passed to `normalize_chunks_1d` as `unit`. None means
        1 for every dimension.

    Raises
    ------
    TypeError
        If `chunks`, or the item for a dimension, has a type that is not supported.
    ValueError
        If `chunks` is None or True, if it has the wrong number of dimensions, or if the chunk
        lengths are not valid for the shape.
    """
    if chunks is None or chunks is True:
        raise ValueError(_INVALID_CHUNKS.format(chunks))
    spans = parse_shapelike(shape)
    sizes = getattr(chunks, "_chunk_sizes", None)
    if sizes is not None:
        return ChunkGrid.from_sizes(spans, sizes)
    units = (1,) * len(spans) if unit is None else tuple(unit)
    per_dimension: Sequence[Any]
    if chunks is False:
        per_dimension = (-1,) * len(spans)
    elif _as_length(chunks) is not None:
        per_dimension = (chunks,) * len(spans)
    elif isinstance(chunks, Iterable):
        per_dimension = tuple(chunks)
    else:
        # This function must reject an unsupported type itself, because `normalize_chunks_1d` is
        # not called for zero-dimensional arrays.
        raise TypeError(_NO_CHUNKS.format(chunks, type(chunks).__name__))
    if len(per_dimension) != len(spans):
        raise ValueError(
            f"chunks has {len(per_dimension)} dimensions but shape has {len(spans)} dimensions"
        )
    grid = ChunkGrid(
        dimensions=[
            normalize_chunks_1d(*given) for given in zip(per_dimension, spans, units, strict=True)
        ]
    )
    return grid._as_rectilinear() if isinstance(chunks, RectilinearChunks) else grid
