"""Division of one dimension of an array into chunks of equal length or of given lengths."""

from __future__ import annotations

import bisect
import itertools
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from zarr.core.common import ceildiv_int


@runtime_checkable
class DimensionGrid(Protocol):
    """The division of one dimension of an array into chunks."""

    @property
    def extent(self) -> int:
        """Length of the array along the dimension, in elements."""
        ...

    @property
    def nchunks(self) -> int:
        """Number of chunks that overlap the array."""
        ...

    @property
    def ngridcells(self) -> int:
        """Number of chunks in the grid, including those past the end of the array."""
        ...

    def index_to_chunk(self, idx: int) -> int:
        """Return the index of the chunk that contains an element.

        Raises
        ------
        IndexError
            If `idx` is negative, or not less than `extent`.
        """
        ...

    def indices_to_chunks(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return the index of the chunk that contains each element, without a bounds check."""
        ...

    def chunk_offset(self, chunk_ix: int) -> int:
        """Return the index of the first element of a chunk."""
        ...

    def chunk_size(self, chunk_ix: int) -> int:
        """Return the length of the encoded chunk in elements, including padding."""
        ...

    def data_size(self, chunk_ix: int) -> int:
        """Return the number of elements of a chunk that are within the array."""
        ...

    def with_extent(self, new_extent: int) -> DimensionGrid:
        """Return a grid with the same chunk lengths, for an array of length `new_extent`.

        Raises
        ------
        ValueError
            If `new_extent` is negative, or if the grid was created from a sequence of chunk lengths
            and their sum is less than `new_extent`.
        """
        ...

    def resize(self, new_extent: int) -> DimensionGrid:
        """Return the grid after a resize of the array to the length `new_extent`.

        If the grid was created from a sequence of chunk lengths and their sum is less than
        `new_extent`, one chunk is added.

        Raises
        ------
        ValueError
            If `new_extent` is negative.
        """
        ...


@dataclass(frozen=True)
class FixedDimension:
    """A dimension divided into chunks of equal length.

    Parameters
    ----------
    size : int
        Length of each chunk in elements, at least 1. The last chunk may extend past the array.
    extent : int
        Length of the array in elements, at least 0.

    Raises
    ------
    TypeError
        If a parameter is not an integer.
    ValueError
        If `size` is less than 1, or if `extent` is negative.
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
    """A dimension divided into chunks of given lengths.

    Parameters
    ----------
    edges : sequence of int
        Length of each chunk in elements, at least 1. The sum of the lengths may exceed `extent`,
        for example after the array has shrunk.
    extent : int
        Length of the array in elements, at least 0.

    Attributes
    ----------
    cumulative : tuple of int
        End of each chunk in elements, that is, the sum of the lengths up to and including this
        chunk.

    Raises
    ------
    TypeError
        If a length is not an integer.
    ValueError
        If `edges` is empty, if a length in `edges` is less than 1, if `extent` is negative, or if
        the sum of `edges` is less than `extent`.
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
    """Set fields of an instance of a frozen dataclass; only for use in constructors."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)
