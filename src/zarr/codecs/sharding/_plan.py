"""Compute which inner chunks a selection touches, and the order of the inner chunks in a shard."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, cast

import numpy as np

from zarr.core.chunk_grids import ChunkGrid
from zarr.core.indexing import get_indexer
from zarr.core.indexing._orders import morton_codes

if TYPE_CHECKING:
    from zarr.core.indexing import SelectorTuple

SubchunkWriteOrder: TypeAlias = Literal["morton", "unordered", "lexicographic", "colexicographic"]
SUBCHUNK_WRITE_ORDERS: Final = ("morton", "unordered", "lexicographic", "colexicographic")


class InnerChunk(NamedTuple):
    """One inner chunk that a selection touches.

    `number` is the position of the inner chunk in the shard index, which lists the inner chunks in
    C order. `chunk_selection` is the selected part of the chunk, and `out_selection` is the
    position of this part in the result. `is_complete` tells whether every element of the chunk is
    selected. `is_identity` tells whether the selected part is the whole chunk with its elements in
    their original order. A fancy selection can select all elements in a different order.
    """

    number: int
    chunk_selection: SelectorTuple
    out_selection: SelectorTuple
    is_complete: bool
    is_identity: bool


class SelectionPlan(NamedTuple):
    """A selection of elements of a shard, split into one part per inner chunk.

    `shape` is the shape of the selected array, in elements. `touches_all` tells whether at least
    one element of every inner chunk is selected. `covers_all` tells whether all elements of every
    inner chunk are selected.
    """

    shape: tuple[int, ...]
    chunks: tuple[InnerChunk, ...]
    touches_all: bool
    covers_all: bool


def plan_selection(
    selection: SelectorTuple, shard_shape: tuple[int, ...], chunk_shape: tuple[int, ...]
) -> SelectionPlan:
    """Split a selection of elements of a shard into one part per inner chunk.

    Parameters
    ----------
    selection : tuple
        The selection within the shard, one item per dimension.
    shard_shape : tuple of int
        Shape of the shard in elements. Each length is a multiple of the corresponding length in
        `chunk_shape`.
    chunk_shape : tuple of int
        Shape of an inner chunk in elements.
    """
    if _selects_all(selection, shard_shape):
        return plan_whole(shard_shape, chunk_shape)
    grid = _inner_grid(shard_shape, chunk_shape)
    indexer = get_indexer(selection, shape=shard_shape, chunk_grid=grid)
    strides = _strides(grid.grid_shape)
    chunks = tuple(
        InnerChunk(
            sum(coord * stride for coord, stride in zip(coords, strides)),
            chunk_selection,
            out_selection,
            is_complete,
            is_complete and _selects_all(chunk_selection, chunk_shape),
        )
        for coords, chunk_selection, out_selection, is_complete in indexer
    )
    touches_all = len({chunk.number for chunk in chunks}) == grid.get_nchunks()
    return SelectionPlan(
        shape=indexer.shape,
        chunks=chunks,
        touches_all=touches_all,
        covers_all=touches_all and all(chunk.is_complete for chunk in chunks),
    )


@lru_cache(maxsize=8)
def plan_whole(shard_shape: tuple[int, ...], chunk_shape: tuple[int, ...]) -> SelectionPlan:
    """Return the plan for a selection of a whole shard, with the inner chunks in C order.

    Parameters
    ----------
    shard_shape : tuple of int
        Shape of the shard in elements. Each length is a multiple of the corresponding length in
        `chunk_shape`.
    chunk_shape : tuple of int
        Shape of an inner chunk in elements.
    """
    whole = tuple(slice(0, length, 1) for length in chunk_shape)
    grid_shape = _grid_shape(shard_shape, chunk_shape)
    chunks = tuple(
        InnerChunk(
            number,
            whole,
            tuple(slice(at * n, (at + 1) * n) for at, n in zip(coords, chunk_shape)),
            is_complete=True,
            is_identity=True,
        )
        for number, coords in enumerate(np.ndindex(grid_shape))
    )
    return SelectionPlan(shard_shape, chunks, touches_all=True, covers_all=True)


@lru_cache(maxsize=16)
def _inner_grid(shard_shape: tuple[int, ...], chunk_shape: tuple[int, ...]) -> ChunkGrid:
    return ChunkGrid.from_sizes(shard_shape, chunk_shape)


def _selects_all(selection: SelectorTuple, shape: tuple[int, ...]) -> bool:
    if not isinstance(selection, tuple) or len(selection) != len(shape):
        return False
    return all(
        isinstance(item, slice)
        and item.start in (0, None)
        and item.stop in (length, None)
        and item.step in (1, None)
        for item, length in zip(cast("tuple[Any, ...]", selection), shape)
    )


def _grid_shape(shard_shape: tuple[int, ...], chunk_shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(shard // chunk for shard, chunk in zip(shard_shape, chunk_shape))


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


@lru_cache(maxsize=16)
def write_order(grid_shape: tuple[int, ...], order: SubchunkWriteOrder) -> tuple[int, ...]:
    """Return the order in which a shard stores its inner chunks.

    Parameters
    ----------
    grid_shape : tuple of int
        Number of inner chunks along each dimension.
    order : str
        With ``"lexicographic"``, the last coordinate of successive inner chunks varies fastest.
        With ``"colexicographic"``, the first coordinate varies fastest. ``"morton"`` is the Z-order
        curve: the bits of the coordinates are interleaved, and the lowest bit of the result comes
        from the first dimension. With ``"unordered"``, no particular order is guaranteed.

    Returns
    -------
    tuple of int
        One integer per inner chunk, in the order in which the shard stores the inner chunks. The
        integer is the position of the inner chunk in the shard index, which lists the inner chunks
        in C order.
    """
    numbers = np.arange(math.prod(grid_shape)).reshape(grid_shape)
    if order == "colexicographic":
        return tuple(numbers.ravel(order="F").tolist())
    if order == "morton":
        return tuple(np.argsort(morton_codes(grid_shape), kind="stable").tolist())
    return tuple(numbers.ravel().tolist())
