"""What is selected, and what an indexer yields for it."""

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
"""What is taken along one dimension of a chunk or of the output."""


Columns: TypeAlias = tuple[
    Iterable[int], Iterable[DimSelection], Iterable[DimSelection], Iterable[bool]
]
"""The members of many `ChunkDimProjection`, none of which drops its dimension."""


class ChunkDimProjection(NamedTuple):
    """What a selection takes of one chunk along one dimension.

    Parameters
    ----------
    dim_chunk_ix : int
        The chunk along the dimension.
    dim_chunk_sel : int, slice or array
        Elements taken, counted from the start of the chunk. Never negative.
    dim_out_sel : slice, array or None
        Where they go in the output; None if the dimension is dropped from it.
    is_complete_chunk : bool
        Whether all elements of the chunk that lie within the array are taken.
    """

    dim_chunk_ix: int
    dim_chunk_sel: Any
    dim_out_sel: Any
    is_complete_chunk: bool


class ChunkProjection(NamedTuple):
    """What a selection takes of one chunk.

    ``out[out_selection] = chunk[chunk_selection]`` reads, the reverse writes, both as numpy
    understands them; where the indexer has `drop_axes`, these axes have length 1 on the right hand
    side and are missing on the left.

    Parameters
    ----------
    chunk_coords : tuple of int
        Position of the chunk in the grid.
    chunk_selection : tuple of int, slice or array
        Elements taken, counted from the start of the chunk. Never negative.
    out_selection : tuple of slice or array
        Where they go in the output.
    is_complete_chunk : bool
        Whether all elements of the chunk that lie within the array are taken, so that a write need
        not read it before.
    """

    chunk_coords: tuple[int, ...]
    chunk_selection: tuple[Any, ...]
    out_selection: tuple[Any, ...]
    is_complete_chunk: bool


class ComparedByIdentity:
    """Base of indexers that hold arrays, which have no single answer to whether they are equal."""

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


@runtime_checkable
class Indexer(Protocol):
    """A selection, checked and bound to an array shape and its chunk grid.

    Iterating yields one `ChunkProjection` per chunk that is touched. Together they cover the output,
    every element once.

    Attributes
    ----------
    shape : tuple of int
        Shape of the output in elements.
    drop_axes : tuple of int
        Axes of ``chunk[chunk_selection]`` that are missing in the output; see `ChunkProjection`.
    """

    shape: tuple[int, ...]
    drop_axes: tuple[int, ...]

    def __iter__(self) -> Iterator[ChunkProjection]: ...
