"""Chunk grids bound to an array shape, and the ways to choose one.

A grid is the product of one `DimensionGrid` per dimension. A dimension is cut at regular distances
(Zarr v3 core specification, "Regular grids"; Zarr v2, "chunks") or at given edges (rectilinear chunk
grid, zarr-extensions). All lengths and offsets are in elements.

Along a dimension, a chunk has a `chunk_size`, the length that is encoded, and a `data_size`, the part
of it inside the array. They differ only where the array ends within the chunk.
"""

from __future__ import annotations

import bisect
import itertools
import math
import operator
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    NamedTuple,
    Protocol,
    SupportsIndex,
    TypeAlias,
    cast,
    runtime_checkable,
)

import numpy as np
import numpy.typing as npt

from zarr.core.common import ceildiv_int, parse_shapelike, product
from zarr.core.config import config
from zarr.errors import ZarrUserWarning

if TYPE_CHECKING:
    from typing import Self

    from zarr.core.common import ShapeLike

ChunkSizes: TypeAlias = SupportsIndex | Iterable[SupportsIndex]
"""One dimension: one length for all chunks, or the length of each chunk."""

_INCREMENT_BYTES = 256 * 1024
_MIN_CHUNK_BYTES = 128 * 1024
_MAX_CHUNK_BYTES = 64 * 1024 * 1024

_NO_CHUNKS = (
    "Chunk specification must be an integer or an iterable of integers; got {!r} of type {}."
)
_INVALID_CHUNKS = (
    '{!r} is not a valid chunk input. Use chunks=None or chunks="auto" from the top-level API for '
    "auto-chunking, or pass an int / tuple of ints."
)


# --- one dimension ----------------------------------------------------------------------

# Ranges up to this length may be kept as numbers.
_NUMBERS_KEPT = 1 << 16


@runtime_checkable
class DimensionGrid(Protocol):
    """How one dimension of an array is cut into chunks."""

    @property
    def extent(self) -> int:
        """Length of the array along the dimension, in elements."""
        ...

    @property
    def nchunks(self) -> int:
        """Number of chunks that hold a part of the array."""
        ...

    @property
    def ngridcells(self) -> int:
        """Number of chunks the grid defines, those past the end of the array included."""
        ...

    def index_to_chunk(self, idx: int) -> int:
        """Return the chunk that holds an element.

        Raises
        ------
        IndexError
            If `idx` is negative or not below `extent`.
        """
        ...

    def indices_to_chunks(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return the chunk of each of many elements, which the caller has checked for bounds."""
        ...

    def chunk_offset(self, chunk_ix: int) -> int:
        """Return the position of the first element of a chunk."""
        ...

    def chunk_size(self, chunk_ix: int) -> int:
        """Return the encoded length of a chunk in elements."""
        ...

    def data_size(self, chunk_ix: int) -> int:
        """Return the number of elements of a chunk that lie within the array."""
        ...

    def with_extent(self, new_extent: int) -> DimensionGrid:
        """Return the same cuts over another length.

        Raises
        ------
        ValueError
            If `new_extent` is negative, or the cuts do not reach that far.
        """
        ...

    def resize(self, new_extent: int) -> DimensionGrid:
        """Return the grid after the array was resized; cuts are added where they do not reach.

        Raises
        ------
        ValueError
            If `new_extent` is negative.
        """
        ...


@dataclass(frozen=True)
class FixedDimension:
    """A dimension cut at regular distances.

    Parameters
    ----------
    size : int
        Length of each chunk in elements, at least 1. The last one may reach past the array.
    extent : int
        Length of the array in elements, at least 0.

    Raises
    ------
    TypeError
        If a parameter is not an integer.
    ValueError
        If it is too small.
    """

    size: int
    extent: int
    nchunks: int = field(init=False, repr=False)
    ngridcells: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        size, extent = operator.index(self.size), operator.index(self.extent)
        if size < 1:
            raise ValueError(f"FixedDimension size must be >= 1, got {size}")
        if extent < 0:
            raise ValueError(f"FixedDimension extent must be >= 0, got {extent}")
        nchunks = ceildiv_int(extent, size)
        _set(self, size=size, extent=extent, nchunks=nchunks, ngridcells=nchunks)

    def index_to_chunk(self, idx: int) -> int:
        # docstring inherited
        if idx < 0:
            raise IndexError(f"Negative index {idx} is not allowed")
        if idx >= self.extent:
            raise IndexError(f"Index {idx} is out of bounds for extent {self.extent}")
        return idx // self.size

    def indices_to_chunks(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        # docstring inherited
        return indices // self.size

    def chunk_offset(self, chunk_ix: int) -> int:
        # docstring inherited
        return chunk_ix * self.size

    def chunk_size(self, chunk_ix: int) -> int:
        # docstring inherited
        return self.size

    def data_size(self, chunk_ix: int) -> int:
        # docstring inherited
        return max(0, min(self.size, self.extent - chunk_ix * self.size))

    def with_extent(self, new_extent: int) -> FixedDimension:
        # docstring inherited
        return FixedDimension(self.size, new_extent)

    resize = with_extent


@dataclass(frozen=True)
class VaryingDimension:
    """A dimension cut at given edges.

    Parameters
    ----------
    edges : sequence of int
        Length of each chunk in elements, each at least 1. Their sum may exceed `extent`, as after an
        array was made smaller.
    extent : int
        Length of the array in elements, at least 0.

    Attributes
    ----------
    cumulative : tuple of int
        Position in elements at which each chunk ends.

    Raises
    ------
    TypeError
        If a length is not an integer.
    ValueError
        If there are no edges, a length is too small, or the edges do not reach `extent`.
    """

    edges: tuple[int, ...]
    cumulative: tuple[int, ...] = field(init=False)
    extent: int
    nchunks: int = field(init=False, repr=False)
    ngridcells: int = field(init=False, repr=False)

    def __init__(self, edges: Sequence[int], extent: int) -> None:
        lengths, extent = tuple(map(operator.index, edges)), operator.index(extent)
        if not lengths:
            raise ValueError("VaryingDimension edges must not be empty")
        if min(lengths) < 1:
            raise ValueError(f"All edge lengths must be > 0, got {lengths}")
        if extent < 0:
            raise ValueError(f"VaryingDimension extent must be >= 0, got {extent}")
        ends = tuple(itertools.accumulate(lengths))
        if ends[-1] < extent:
            raise ValueError(f"VaryingDimension extent {extent} exceeds sum of edges {ends[-1]}")
        nchunks = 0 if extent == 0 else bisect.bisect_left(ends, extent) + 1
        _set(
            self,
            edges=lengths,
            cumulative=ends,
            extent=extent,
            nchunks=nchunks,
            ngridcells=len(lengths),
        )

    @cached_property
    def _ends(self) -> npt.NDArray[np.intp]:
        return np.array(self.cumulative, dtype=np.intp)

    def index_to_chunk(self, idx: int) -> int:
        # docstring inherited
        if not 0 <= idx < self.extent:
            raise IndexError(f"Index {idx} out of bounds for dimension with extent {self.extent}")
        return bisect.bisect_right(self.cumulative, idx)

    def indices_to_chunks(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        # docstring inherited
        return np.searchsorted(self._ends, indices, side="right")

    def chunk_offset(self, chunk_ix: int) -> int:
        # docstring inherited
        return self.cumulative[chunk_ix - 1] if chunk_ix > 0 else 0

    def chunk_size(self, chunk_ix: int) -> int:
        # docstring inherited
        return self.edges[chunk_ix]

    def data_size(self, chunk_ix: int) -> int:
        # docstring inherited
        return max(0, min(self.edges[chunk_ix], self.extent - self.chunk_offset(chunk_ix)))

    def with_extent(self, new_extent: int) -> VaryingDimension:
        # docstring inherited
        if self.cumulative[-1] < new_extent:
            raise ValueError(
                f"VaryingDimension edge sum {self.cumulative[-1]} is less than new extent {new_extent}"
            )
        return VaryingDimension(self.edges, new_extent)

    def resize(self, new_extent: int) -> VaryingDimension:
        # docstring inherited
        missing = new_extent - self.cumulative[-1]
        return VaryingDimension(self.edges + (missing,) if missing > 0 else self.edges, new_extent)


def _set(instance: object, **values: object) -> None:
    """Fill the fields of a frozen dataclass under construction."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)


# --- the grid ---------------------------------------------------------------------------


@dataclass(frozen=True)
class ChunkSpec:
    """Where one chunk lies and how large it is.

    Parameters
    ----------
    slices : tuple of slice
        The region of the array that the chunk holds, in elements, cut off where the array ends.
    codec_shape : tuple of int
        The shape that is encoded, in elements.
    """

    slices: tuple[slice, ...]
    codec_shape: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the region in elements."""
        return tuple(part.stop - part.start for part in self.slices)

    @property
    def is_boundary(self) -> bool:
        """Whether the array ends within the chunk, so that part of what is encoded is padding."""
        return self.shape != self.codec_shape


class _GridMetadata(Protocol):
    """What a grid needs to know of array metadata, of either format."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def chunk_grid(self) -> Any: ...


@dataclass(frozen=True)
class ChunkGrid:
    """The chunks of an array: one `DimensionGrid` per dimension.

    Parameters
    ----------
    dimensions : iterable of DimensionGrid
        How each dimension is cut; empty for an array without dimensions, which has one chunk.
    """

    _dimensions: tuple[DimensionGrid, ...]
    _is_regular: bool

    def __init__(self, *, dimensions: Iterable[DimensionGrid]) -> None:
        dims = tuple(dimensions)
        regular = all(isinstance(dim, FixedDimension) for dim in dims)
        _set(self, _dimensions=dims, _is_regular=regular)

    @classmethod
    def from_metadata(cls, metadata: _GridMetadata) -> Self:
        """Return the grid that array metadata describe.

        Parameters
        ----------
        metadata : object
            Has a ``shape`` and a ``chunk_grid``. The latter has either ``chunk_shape``, one length
            per dimension, or ``chunk_shapes``, per dimension one length or the length of each chunk.

        Raises
        ------
        ValueError
            If the grid does not fit the shape.
        """
        grid = metadata.chunk_grid
        sizes = grid.chunk_shapes if hasattr(grid, "chunk_shapes") else grid.chunk_shape
        return cls.from_sizes(metadata.shape, sizes)

    @classmethod
    def from_sizes(
        cls, array_shape: Sequence[int], chunk_sizes: Sequence[int | Sequence[int]]
    ) -> Self:
        """Return the grid of an array.

        Parameters
        ----------
        array_shape : sequence of int
            Shape of the array in elements.
        chunk_sizes : sequence
            Per dimension the length of all chunks, or a sequence with the length of each chunk, whose
            sum is at least the length of the array.

        Raises
        ------
        TypeError, ValueError
            If the lengths of the two differ, or an entry of `chunk_sizes` is not valid.
        """
        if len(array_shape) != len(chunk_sizes):
            raise ValueError(
                f"array_shape has {len(array_shape)} dimensions "
                f"but chunk_sizes has {len(chunk_sizes)} dimensions"
            )
        return cls(
            dimensions=[
                VaryingDimension(tuple(sizes), extent)
                if isinstance(sizes, Iterable)
                else FixedDimension(sizes, extent)
                for sizes, extent in zip(chunk_sizes, array_shape, strict=True)
            ]
        )

    def __repr__(self) -> str:
        sizes = ", ".join(
            str(dim.size if isinstance(dim, FixedDimension) else getattr(dim, "edges", dim))
            for dim in self._dimensions
        )
        return f"ChunkGrid(chunk_sizes=({sizes}), array_shape={self._array_shape})"

    @property
    def _array_shape(self) -> tuple[int, ...]:
        return tuple(dim.extent for dim in self._dimensions)

    @property
    def dimensions(self) -> tuple[DimensionGrid, ...]:
        """How each dimension is cut."""
        return self._dimensions

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self._dimensions)

    @property
    def is_regular(self) -> bool:
        """Whether every dimension is cut at regular distances."""
        return self._is_regular

    @cached_property
    def grid_shape(self) -> tuple[int, ...]:
        """Number of chunks along each dimension."""
        return tuple(dim.nchunks for dim in self._dimensions)

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of every chunk in elements.

        Raises
        ------
        ValueError
            If the grid is not regular.
        """
        if not self._is_regular:
            raise ValueError(
                "chunk_shape is only available for regular chunk grids. "
                "Use grid[coords] for per-chunk sizes."
            )
        return tuple(cast("FixedDimension", dim).size for dim in self._dimensions)

    @property
    def chunk_sizes(self) -> tuple[tuple[int, ...], ...]:
        """Per dimension the number of elements of the array in each chunk."""
        return tuple(tuple(map(dim.data_size, range(dim.nchunks))) for dim in self._dimensions)

    def get_nchunks(self) -> int:
        """Return the number of chunks, 1 for an array without dimensions."""
        return product(self.grid_shape)

    def __getitem__(self, coords: int | tuple[int, ...]) -> ChunkSpec | None:
        """Return where a chunk lies.

        Parameters
        ----------
        coords : int or tuple of int
            Position in the grid, one number per dimension.

        Returns
        -------
        ChunkSpec or None
            None for a position outside the grid, a negative one included.

        Raises
        ------
        ValueError
            If the number of coordinates is not the number of dimensions.
        """
        position = coords if isinstance(coords, tuple) else (coords,)
        if len(position) != len(self._dimensions):
            raise ValueError(
                f"Expected {self.ndim} coordinate(s) for a {self.ndim}-d chunk grid, "
                f"got {len(position)}."
            )
        slices, codec_shape = [], []
        for dim, index in zip(self._dimensions, position, strict=True):
            if not 0 <= index < dim.nchunks:
                return None
            offset = dim.chunk_offset(index)
            slices.append(slice(offset, offset + dim.data_size(index), 1))
            codec_shape.append(dim.chunk_size(index))
        return ChunkSpec(tuple(slices), tuple(codec_shape))

    def __iter__(self) -> Iterator[ChunkSpec]:
        """Iterate over all chunks, the last dimension varying fastest."""
        for coords in self.all_chunk_coords():
            yield cast("ChunkSpec", self[coords])

    def all_chunk_coords(
        self,
        *,
        origin: Sequence[int] | None = None,
        selection_shape: Sequence[int] | None = None,
    ) -> Iterator[tuple[int, ...]]:
        """Iterate over the positions of a box of chunks, the last dimension varying fastest.

        Parameters
        ----------
        origin : sequence of int or None
            Position of the first chunk; None for the first of the grid.
        selection_shape : sequence of int or None
            Number of chunks along each dimension; None for all from `origin` on.

        Raises
        ------
        IndexError
            If the box reaches out of the grid.
        ValueError
            If a parameter does not have one number per dimension.
        """
        grid_shape = self.grid_shape
        start = (0,) * self.ndim if origin is None else tuple(origin)
        if selection_shape is None:
            counts = tuple(max(0, n - first) for n, first in zip(grid_shape, start, strict=True))
        else:
            counts = tuple(selection_shape)
        ranges = []
        for axis, (n, first, count) in enumerate(zip(grid_shape, start, counts, strict=True)):
            if first < 0 or count < 0 or (count > 0 and first + count > n):
                raise IndexError(
                    f"Invalid selection shape ({count}) for origin ({first}) "
                    f"and grid shape ({n}) at axis {axis}."
                )
            ranges.append(range(first, first + count))
        return positions(ranges)

    def iter_chunk_regions(
        self,
        *,
        origin: Sequence[int] | None = None,
        selection_shape: Sequence[int] | None = None,
    ) -> Iterator[tuple[slice, ...]]:
        """Iterate over the regions of the array that a box of chunks holds, in elements.

        Parameters, order and errors are those of `all_chunk_coords`.
        """
        box = self.all_chunk_coords(origin=origin, selection_shape=selection_shape)
        return (cast("ChunkSpec", self[coords]).slices for coords in box)

    def update_shape(self, new_shape: Sequence[int]) -> Self:
        """Return the grid after the array was resized.

        Chunks keep their place. Where given edges do not reach the new length, one chunk is added
        that does.

        Parameters
        ----------
        new_shape : sequence of int
            Shape in elements.

        Raises
        ------
        ValueError
            If the number of dimensions differs, or a length is negative.
        """
        if len(new_shape) != self.ndim:
            raise ValueError(
                f"new_shape has {len(new_shape)} dimensions "
                f"but chunk grid has {self.ndim} dimensions"
            )
        return type(self)(
            dimensions=[
                dim.resize(extent) for dim, extent in zip(self._dimensions, new_shape, strict=True)
            ]
        )


def positions(ranges: Sequence[range]) -> Iterator[tuple[int, ...]]:
    """Iterate over the positions of a box, the last dimension varying fastest.

    As `itertools.product`, which keeps every number of each range.

    Parameters
    ----------
    ranges : sequence of range
        The numbers along each dimension.
    """
    if not all(ranges):
        return iter(())
    if all(each.stop - each.start <= _NUMBERS_KEPT for each in ranges):
        return itertools.product(*ranges)
    return ((first, *rest) for first in ranges[0] for rest in positions(ranges[1:]))


class ChunkLayout(NamedTuple):
    """Chunks, and the chunks within them.

    Parameters
    ----------
    outer_chunks : ChunkGrid
        The grid of what is stored under one key each.
    inner : ChunkLayout or None
        The layout within an outer chunk, a shard; None without sharding.
    """

    outer_chunks: ChunkGrid
    inner: ChunkLayout | None = None


# --- choosing a grid --------------------------------------------------------------------


def is_regular_1d(dim_chunks: Sequence[int]) -> bool:
    """Return whether chunk lengths are those of a regular grid: all equal, the last one or smaller."""
    if len(dim_chunks) == 0:
        return True
    first = dim_chunks[0]
    return bool(dim_chunks[-1] <= first) and all(size == first for size in dim_chunks[:-1])


def is_regular_nd(chunks: Iterable[Sequence[int]]) -> bool:
    """Return whether the chunk lengths of every dimension are those of a regular grid."""
    return all(map(is_regular_1d, chunks))


def full_span_chunk_size(span: int, unit: int = 1) -> int:
    """Return the length of one chunk that covers a dimension.

    Parameters
    ----------
    span : int
        Length of the dimension in elements.
    unit : int
        The length is a multiple of this, in elements.

    Returns
    -------
    int
        At least `unit`, also for an empty dimension.
    """
    return max(1, -(-span // unit)) * unit


def normalize_chunks_1d(chunks: ChunkSizes, span: int, unit: int = 1) -> DimensionGrid:
    """Return the grid of one dimension from what a user gave.

    Parameters
    ----------
    chunks : int, iterable of int or VaryingDimension
        The length of all chunks in elements, -1 for one chunk that covers the dimension; or the
        length of each chunk; or edges that may reach beyond the array.
    span : int
        Length of the dimension in elements.
    unit : int
        The length that -1 stands for is a multiple of this, in elements.

    Raises
    ------
    TypeError
        If `chunks` is neither an integer nor made of integers.
    ValueError
        If a length is not positive, or the lengths do not add up to `span`.
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
    """Return the chunk grid from what a user gave.

    Parameters
    ----------
    chunks : int, False or iterable
        One length in elements for all dimensions, or what `normalize_chunks_1d` takes per dimension.
        ``False`` and ``-1`` stand for one chunk that covers the array.
    shape : int or iterable of int
        Shape of the array in elements.
    unit : iterable of int or None
        Per dimension a length in elements that -1 is rounded up to a multiple of; None for 1.

    Raises
    ------
    TypeError
        If `chunks` is not made of integers.
    ValueError
        If it is None or True, has a wrong number of dimensions, or does not fit the shape.
    """
    if chunks is None or chunks is True:
        raise ValueError(_INVALID_CHUNKS.format(chunks))
    spans = parse_shapelike(shape)
    units = (1,) * len(spans) if unit is None else tuple(unit)
    per_dimension: Sequence[Any]
    if chunks is False:
        per_dimension = (-1,) * len(spans)
    elif _as_length(chunks) is not None:
        per_dimension = (chunks,) * len(spans)
    elif isinstance(chunks, Iterable):
        per_dimension = tuple(chunks)
    else:
        # Told here, because an array without dimensions would not look at it.
        raise TypeError(_NO_CHUNKS.format(chunks, type(chunks).__name__))
    if len(per_dimension) != len(spans):
        raise ValueError(
            f"chunks has {len(per_dimension)} dimensions but shape has {len(spans)} dimensions"
        )
    return ChunkGrid(
        dimensions=[
            normalize_chunks_1d(*given) for given in zip(per_dimension, spans, units, strict=True)
        ]
    )


def guess_chunks(shape: ShapeLike, typesize: int, *, max_bytes: int | None = None) -> ChunkGrid:
    """Choose a regular grid for an array of which nothing but its size is known.

    The wanted chunk grows slowly with the array, by a factor of two for each factor of ten, from
    256 kiB for an array of 1 MiB. Starting from one chunk for all, the dimensions are halved in turn
    until a chunk is small enough.

    Parameters
    ----------
    shape : int or iterable of int
        Shape of the array in elements; an empty dimension gets chunks of one element.
    typesize : int
        Size of an element in bytes.
    max_bytes : int or None
        Size in bytes below which a chunk has to stay, except a chunk of one element. More than 128
        kiB; None for 64 MiB.

    Raises
    ------
    ValueError
        If `max_bytes` is below the smallest wanted chunk.
    """
    limit = _MAX_CHUNK_BYTES if max_bytes is None else max_bytes
    if limit <= _MIN_CHUNK_BYTES:
        raise ValueError(
            f"Cannot have more min_bytes ({_MIN_CHUNK_BYTES}) than max_bytes ({limit})"
        )
    extents = parse_shapelike(shape)
    sizes = [max(1, extent) for extent in extents]
    wanted = min(
        max(_wanted_chunk_bytes(product(tuple(sizes)) * typesize), _MIN_CHUNK_BYTES), limit
    )
    for axis in itertools.cycle(range(len(sizes))):
        elements = product(tuple(sizes))
        nbytes = elements * typesize
        # Up to one and a half times the wanted size counts as met: a further halving is worse.
        if elements == 1 or (nbytes < limit and nbytes < 1.5 * wanted):
            break
        sizes[axis] = ceildiv_int(sizes[axis], 2)
    return ChunkGrid.from_sizes(extents, sizes)


def _wanted_chunk_bytes(nbytes: int) -> float:
    return _INCREMENT_BYTES * math.pow(2.0, math.log10(max(nbytes, 1) / 2**20))


def resolve_outer_and_inner_chunks(
    *,
    array_shape: tuple[int, ...],
    chunks: ChunkGrid,
    shard_shape: object,
    item_size: int,
) -> ChunkLayout:
    """Return what is stored under one key, and the chunks within it.

    Parameters
    ----------
    array_shape : tuple of int
        Shape of the array in elements.
    chunks : ChunkGrid
        The chunks; with shards, the chunks within them.
    shard_shape : None, "auto", mapping or what `normalize_chunks_nd` takes
        None for no shards, so that chunks are stored. ``"auto"`` joins chunks up to the configured
        ``array.target_shard_size_bytes``, or, where that is None, two along each dimension of more
        than eight chunks. A mapping has the shape under the key ``"shape"``. Along a dimension, -1
        stands for whole chunks that cover it.
    item_size : int
        Size of an element in bytes.

    Raises
    ------
    KeyError
        If a mapping has no shape.
    TypeError, ValueError
        If the shape is not valid, or chunks within shards are not regular.
    """
    if shard_shape is None:
        return ChunkLayout(chunks)
    if not chunks.is_regular:
        raise ValueError(
            "Rectilinear chunks with sharding is not supported. Use rectilinear shards instead: "
            "chunks=(inner_size, ...), shards=[[shard_sizes], ...]"
        )
    chunk_shape = chunks.chunk_shape
    given = shard_shape["shape"] if isinstance(shard_shape, Mapping) else shard_shape
    if isinstance(given, str) and given == "auto":
        warnings.warn(
            "Automatic shard shape inference is experimental and may change without notice.",
            ZarrUserWarning,
            stacklevel=2,
        )
        outer = ChunkGrid.from_sizes(
            array_shape, _guess_shards(array_shape, chunk_shape, item_size)
        )
    else:
        outer = normalize_chunks_nd(given, array_shape, chunk_shape)
    return ChunkLayout(outer, ChunkLayout(chunks))


def _guess_shards(
    array_shape: tuple[int, ...], chunk_shape: tuple[int, ...], item_size: int
) -> tuple[int, ...]:
    whole_chunks = [extent // size for extent, size in zip(array_shape, chunk_shape, strict=True)]
    target: int | Literal["auto"] | None = config.get("array.target_shard_size_bytes")
    if target is None:
        return tuple(
            2 * size if count > 8 else size
            for size, count in zip(chunk_shape, whole_chunks, strict=True)
        )
    chunk_bytes = product(chunk_shape) * item_size
    factor = 1
    if chunk_shape and chunk_bytes > 0:
        ndim, most = len(chunk_shape), min(whole_chunks)
        while factor < most and (factor + 1) ** ndim * chunk_bytes <= target:
            factor += 1
    return tuple(factor * size for size in chunk_shape)
