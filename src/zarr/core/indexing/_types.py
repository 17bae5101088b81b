"""Types of selections, and the items that an indexer yields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import EllipsisType
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

IntSequence: TypeAlias = list[int] | npt.NDArray[np.intp]
ArrayOfIntOrBool: TypeAlias = npt.NDArray[np.intp] | npt.NDArray[np.bool_]
BasicSelector: TypeAlias = int | slice | EllipsisType
Selector: TypeAlias = BasicSelector | ArrayOfIntOrBool
BasicSelection: TypeAlias = BasicSelector | tuple[BasicSelector, ...]
CoordinateSelection: TypeAlias = IntSequence | tuple[IntSequence, ...]
MaskSelection: TypeAlias = npt.NDArray[np.bool_]
OrthogonalSelection: TypeAlias = Selector | tuple[Selector, ...]
Selection: TypeAlias = BasicSelection | CoordinateSelection | MaskSelection | OrthogonalSelection
CoordinateSelectionNormalized: TypeAlias = tuple[npt.NDArray[np.intp], ...]
SelectionNormalized: TypeAlias = tuple[Selector, ...] | ArrayOfIntOrBool
SelectionWithFields: TypeAlias = Selection | str | Sequence[str]
SelectorTuple: TypeAlias = tuple[Selector, ...] | npt.NDArray[np.intp] | slice
Fields: TypeAlias = str | list[str] | tuple[str, ...]

DimSelection: TypeAlias = int | slice | npt.NDArray[np.intp]
"""Index or slice along one dimension of a chunk or of the output array."""


Columns: TypeAlias = tuple[
    Iterable[int], Iterable[DimSelection], Iterable[DimSelection], Iterable[bool]
]
"""Fields of many `ChunkDimProjection` objects as columns; no projection drops its dimension."""


class ChunkDimProjection(NamedTuple):
    """The part of a selection that lies in one chunk, along one dimension.

    Parameters
    ----------
    dim_chunk_ix : int
        Index of the chunk along the dimension.
    dim_chunk_sel : int, slice or array
        Selected indices, counted from the start of the chunk. Never negative.
    dim_out_sel : slice, array or None
        Position of the selected elements in the output; None if the dimension is dropped.
    is_complete_chunk : bool
        Whether all elements of the chunk are selected, except those past the end of the array.
    """

    dim_chunk_ix: int
    dim_chunk_sel: Any
    dim_out_sel: Any
    is_complete_chunk: bool


class ChunkProjection(NamedTuple):
    """The part of a selection that lies in one chunk.

    To read, assign ``out[out_selection] = chunk[chunk_selection]`` with NumPy semantics. To write,
    assign ``chunk[chunk_selection] = out[out_selection]``. If `drop_axes` of the indexer is not
    empty, the axes in `drop_axes` have length 1 in ``chunk[chunk_selection]``, and are missing in
    ``out[out_selection]``.

    Parameters
    ----------
    chunk_coords : tuple of int
        Position of the chunk in the grid.
    chunk_selection : tuple of int, slice or array
        Selected indices, counted from the start of the chunk. Never negative.
    out_selection : tuple of slice or array
        Position of the selected elements in the output.
    is_complete_chunk : bool
        Whether all elements of the chunk are selected, except those past the end of the array. If
        True, a write does not need to read the chunk first.
    """

    chunk_coords: tuple[int, ...]
    chunk_selection: tuple[Any, ...]
    out_selection: tuple[Any, ...]
    is_complete_chunk: bool


class ComparedByIdentity:
    """Base class of indexers with arrays as fields. Such an indexer is equal only to itself.

    The fields are not compared, because ``==`` of arrays does not return a single bool.
    """

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


@runtime_checkable
class Indexer(Protocol):
    """A selection that has been validated for an array shape and chunk grid.

    Iteration yields one `ChunkProjection` per selected chunk. Together the projections cover each
    element of the output exactly once.

    Attributes
    ----------
    shape : tuple of int
        Shape of the output in elements.
    drop_axes : tuple of int
        Axes of ``chunk[chunk_selection]`` that the output does not have; see `ChunkProjection`.
    """

    shape: tuple[int, ...]
    drop_axes: tuple[int, ...]

    def __iter__(self) -> Iterator[ChunkProjection]: ...
