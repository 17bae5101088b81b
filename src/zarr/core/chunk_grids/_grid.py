"""The chunk grid of an array of a given shape: the position and the size of each chunk."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from zarr.core.chunk_grids._dimensions import DimensionGrid, FixedDimension, VaryingDimension
from zarr.core.common import product

if TYPE_CHECKING:
    from typing import Self

# Maximum length of the ranges that are passed to `itertools.product`. The limit exists because
# `itertools.product` keeps all numbers of its ranges in memory.
_NUMBERS_KEPT = 1 << 16


@dataclass(frozen=True)
class ChunkSpec:
    """The position and the size of one chunk.

    Parameters
    ----------
    slices : tuple of slice
        The region of the array that the chunk covers, in elements. The region does not extend past
        the array.
    codec_shape : tuple of int
        The shape of the encoded chunk in elements, including padding.
    """

    slices: tuple[slice, ...]
    codec_shape: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the region of the array that the chunk covers, in elements."""
        return tuple(part.stop - part.start for part in self.slices)

    @property
    def is_boundary(self) -> bool:
        """Whether the array ends within the chunk, so that the encoded chunk contains padding."""
        return self.shape != self.codec_shape


class _GridMetadata(Protocol):
    """The attributes of array metadata (of either format) that define the chunk grid."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def chunk_grid(self) -> Any: ...


@dataclass(frozen=True)
class ChunkGrid:
    """The chunks of an array, as one `DimensionGrid` per dimension.

    Parameters
    ----------
    dimensions : iterable of DimensionGrid
        The division of each dimension into chunks. Empty for a zero-dimensional array, which has
        one chunk.
    """

    _dimensions: tuple[DimensionGrid, ...]
    _is_regular: bool

    # If True, array metadata describe this grid as rectilinear even if the grid is regular.
    _is_stored_rectilinear: ClassVar[bool] = False

    def __init__(self, *, dimensions: Iterable[DimensionGrid]) -> None:
        dims = tuple(dimensions)
        regular = all(isinstance(dim, FixedDimension) for dim in dims)
        object.__setattr__(self, "_dimensions", dims)
        object.__setattr__(self, "_is_regular", regular)

    def _as_rectilinear(self) -> Self:
        """Return a copy of this grid; array metadata describe the copy as a rectilinear grid."""
        grid = type(self)(dimensions=self._dimensions)
        object.__setattr__(grid, "_is_stored_rectilinear", True)
        return grid

    @classmethod
    def from_metadata(cls, metadata: _GridMetadata) -> Self:
        """Return the grid described by array metadata.

        Parameters
        ----------
        metadata : object
            The metadata, with the attributes ``shape`` and ``chunk_grid``. The object
            ``chunk_grid`` has an attribute ``chunk_shape`` or ``chunk_shapes``. ``chunk_shape``
            contains one length per dimension. ``chunk_shapes`` contains one item per dimension:
            either one length for all chunks, or a sequence with the length of each chunk.

        Raises
        ------
        ValueError
            If the chunk grid does not fit the shape of the array.
        """
        grid = metadata.chunk_grid
        sizes = grid.chunk_shapes if hasattr(grid, "chunk_shapes") else grid.chunk_shape
        return cls.from_sizes(metadata.shape, sizes)

    @classmethod
    def from_sizes(
        cls, array_shape: Sequence[int], chunk_sizes: Sequence[int | Sequence[int]]
    ) -> Self:
        """Return the grid that divides an array into chunks of given lengths.

        Parameters
        ----------
        array_shape : sequence of int
            Shape of the array in elements.
        chunk_sizes : sequence
            One item per dimension: either one length for all chunks, or a sequence with the length
            of each chunk. The sum of a sequence must be at least the length of the array along
            that dimension. All lengths are in elements.

        Raises
        ------
        TypeError, ValueError
            If the two parameters differ in length, or if an item of `chunk_sizes` is not valid.
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
        """The division of each dimension into chunks."""
        return self._dimensions

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self._dimensions)

    @property
    def is_regular(self) -> bool:
        """Whether every dimension is a `FixedDimension`, with chunks of equal length."""
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
        """For each dimension, the lengths of all chunks in elements, without padding."""
        return tuple(tuple(map(dim.data_size, range(dim.nchunks))) for dim in self._dimensions)

    def get_nchunks(self) -> int:
        """Return the number of chunks; 1 for a zero-dimensional array."""
        return product(self.grid_shape)

    def __getitem__(self, coords: int | tuple[int, ...]) -> ChunkSpec | None:
        """Return the position and size of a chunk.

        Parameters
        ----------
        coords : int or tuple of int
            Position in the grid, one number per dimension.

        Returns
        -------
        ChunkSpec or None
            The chunk; None if the position is outside the grid. A position with a negative number
            is always outside the grid.

        Raises
        ------
        ValueError
            If `coords` does not have one number per dimension.
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
        """Iterate over all chunks in C order."""
        for coords in self.all_chunk_coords():
            yield cast("ChunkSpec", self[coords])

    def all_chunk_coords(
        self,
        *,
        origin: Sequence[int] | None = None,
        selection_shape: Sequence[int] | None = None,
    ) -> Iterator[tuple[int, ...]]:
        """Iterate over the positions of the chunks in a box, in C order.

        Parameters
        ----------
        origin : sequence of int or None
            Position of the first chunk of the box; None means the first chunk of the grid.
        selection_shape : sequence of int or None
            Number of chunks of the box along each dimension. None means that the box extends from
            `origin` to the end of the grid.

        Raises
        ------
        IndexError
            If the box extends beyond the grid.
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
        """Iterate over the regions of the array, in elements, for all chunks in a box.

        The parameters, the order and the errors are those of `all_chunk_coords`.
        """
        box = self.all_chunk_coords(origin=origin, selection_shape=selection_shape)
        return (cast("ChunkSpec", self[coords]).slices for coords in box)

    def update_shape(self, new_shape: Sequence[int]) -> Self:
        """Return the grid of the array after it is resized to `new_shape`.

        The chunks keep their positions. If the length of each chunk is given and the chunks do not
        cover the new length of a dimension, one chunk is added for the rest.

        Parameters
        ----------
        new_shape : sequence of int
            New shape of the array in elements.

        Raises
        ------
        ValueError
            If `new_shape` has another number of dimensions than the grid, or if a length is
            negative.
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
    """Iterate over the positions in a box, in C order.

    The result is the same as that of `itertools.product`, but the numbers of long ranges are not
    kept in memory.

    Parameters
    ----------
    ranges : sequence of range
        The range of the positions along each dimension.
    """
    if not all(ranges):
        return iter(())
    if all(each.stop - each.start <= _NUMBERS_KEPT for each in ranges):
        return itertools.product(*ranges)
    return ((first, *rest) for first in ranges[0] for rest in positions(ranges[1:]))
