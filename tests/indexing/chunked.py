"""A chunked array in memory, read and written through chunk projections as a codec pipeline would."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from zarr.core.chunk_grids import ChunkGrid
from zarr.core.indexing import Indexer

PADDING = -1
GARBAGE = -2


class ChunkedArray:
    """Chunks of a numpy array; what a chunk has beyond the array is `PADDING`."""

    def __init__(self, values: np.ndarray, chunk_sizes: tuple[Any, ...]) -> None:
        self.shape = values.shape
        self.grid = ChunkGrid.from_sizes(values.shape, chunk_sizes)
        self.chunks: dict[tuple[int, ...], np.ndarray] = {}
        for coords in self.grid.all_chunk_coords():
            spec = self.grid[coords]
            assert spec is not None
            chunk = np.full(spec.codec_shape, PADDING, dtype=values.dtype)
            chunk[tuple(slice(0, n) for n in spec.shape)] = values[spec.slices]
            self.chunks[coords] = chunk

    def to_numpy(self) -> np.ndarray:
        out = np.full(self.shape, GARBAGE)
        for coords, chunk in self.chunks.items():
            spec = self.grid[coords]
            assert spec is not None
            out[spec.slices] = chunk[tuple(slice(0, n) for n in spec.shape)]
        return out

    def read(self, indexer: Indexer) -> np.ndarray:
        out = np.full(indexer.shape, GARBAGE)
        hits = np.zeros(indexer.shape, dtype=int)
        touched = set()
        for coords, chunk_sel, out_sel, complete in indexer:
            assert coords not in touched
            touched.add(coords)
            part = self.chunks[coords][chunk_sel]
            assert (part != PADDING).all()
            if indexer.drop_axes:
                part = part.squeeze(axis=indexer.drop_axes)
            # No broadcasting: one element of the chunk for each of the output.
            assert part.shape == out[out_sel].shape
            assert part.size > 0
            out[out_sel] = part
            hits[out_sel] += 1
            assert complete is self._is_covered(coords, chunk_sel)
        assert (hits == 1).all()
        return out.reshape(getattr(indexer, "sel_shape", indexer.shape))

    def write(self, indexer: Indexer, value: np.ndarray) -> None:
        flat = value.reshape(indexer.shape)
        for coords, chunk_sel, out_sel, complete in indexer:
            part = flat[out_sel]
            if indexer.drop_axes:
                part = np.expand_dims(part, indexer.drop_axes)
            if complete:
                # What was there must not matter.
                self.chunks[coords][...] = GARBAGE
            assert self.chunks[coords][chunk_sel].shape == part.shape
            self.chunks[coords][chunk_sel] = part

    def _is_covered(self, coords: tuple[int, ...], chunk_sel: tuple[Any, ...]) -> bool:
        spec = self.grid[coords]
        assert spec is not None
        marked = np.zeros(spec.codec_shape, dtype=bool)
        marked[chunk_sel] = True
        return bool(marked[tuple(slice(0, n) for n in spec.shape)].all())


@st.composite
def chunk_sizes_of(draw: st.DrawFn, length: int) -> int | tuple[int, ...]:
    """One chunk length, or edges that cover a dimension and may reach beyond it."""
    if draw(st.booleans()):
        return draw(st.integers(1, length + 2))
    edges: list[int] = []
    while sum(edges) < length or not edges:
        edges.append(draw(st.integers(1, max(1, length))))
    return (*edges, *draw(st.lists(st.integers(1, 3), max_size=2)))


@st.composite
def chunked_arrays(
    draw: st.DrawFn, *, min_dims: int = 0, max_dims: int = 3, min_side: int = 0
) -> tuple[np.ndarray, ChunkedArray]:
    """An array whose elements are all different, and the same in chunks."""
    shape = draw(
        st.lists(st.integers(min_side, 9), min_size=min_dims, max_size=max_dims).map(tuple)
    )
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    sizes = tuple(draw(chunk_sizes_of(length)) for length in shape)
    return values, ChunkedArray(values, sizes)


@st.composite
def slices_of(draw: st.DrawFn, length: int) -> slice:
    bound = st.none() | st.integers(-length - 2, length + 2)
    return slice(draw(bound), draw(bound), draw(st.none() | st.integers(1, length + 2)))


def indices_of(length: int) -> st.SearchStrategy[int]:
    return st.integers(-length, length - 1) if length else st.nothing()


@st.composite
def int_arrays_of(draw: st.DrawFn, length: int) -> Any:
    """Indices in any order, as an array of some integer type or as a list."""
    indices = draw(st.lists(indices_of(length), max_size=12 if length else 0))
    in_order, as_list, unsigned = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    if in_order:
        # Runs of neighbours become common.
        indices = sorted(index % length for index in indices)
    if indices and as_list:
        return indices
    if unsigned and all(index >= 0 for index in indices):
        return np.array(indices, dtype=draw(st.sampled_from(["u1", "u8"])))
    return np.array(indices, dtype=draw(st.sampled_from(["i1", "i4", "i8"])))


@st.composite
def bool_arrays_of(draw: st.DrawFn, length: int) -> Any:
    mask, as_list = (
        draw(st.lists(st.booleans(), min_size=length, max_size=length)),
        draw(st.booleans()),
    )
    return mask if mask and as_list else np.array(mask, dtype=bool)


@st.composite
def basic_selections(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    items: list[Any] = [draw(slices_of(n) | indices_of(n)) for n in shape]
    leave_out, as_item = draw(st.booleans()), draw(st.booleans())
    if items and leave_out:
        # Leave dimensions out, at the place of an ellipsis or at the end.
        start = draw(st.integers(0, len(items)))
        stop = draw(st.integers(start, len(items)))
        items = items[:start] + [Ellipsis] + items[stop:] if draw(st.booleans()) else items[:start]
    return items[0] if len(items) == 1 and as_item else tuple(items)


@st.composite
def orthogonal_selections(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    return tuple(
        draw(slices_of(n) | indices_of(n) | int_arrays_of(n) | bool_arrays_of(n)) for n in shape
    )


@st.composite
def coordinate_selections(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Coordinates whose shapes broadcast; sometimes in the order of the array."""
    sel_shape = draw(st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple))
    coords: list[Any] = []
    for length in shape:
        if draw(st.integers(0, 4)) == 0:
            coords.append(draw(indices_of(length)))
            continue
        own = tuple(1 if draw(st.booleans()) else n for n in sel_shape)
        own = own[draw(st.integers(0, len(own) - 1)) :]
        size = int(np.prod(own))
        flat = draw(st.lists(indices_of(length), min_size=size, max_size=size))
        if draw(st.booleans()):
            flat = sorted(index % length for index in flat)
        coords.append(np.array(flat, dtype=int).reshape(own))
    return tuple(coords)


def take_orthogonally(values: np.ndarray, items: tuple[Any, ...]) -> np.ndarray:
    """What an orthogonal selection selects, one dimension after the other."""
    for axis in reversed(range(len(items))):
        item = items[axis]
        if isinstance(item, (slice, int)):
            values = values[(slice(None),) * axis + (item,)]
        else:
            indices = np.arange(values.shape[axis])[np.asarray(item)]
            values = np.take(values, indices, axis=axis)
    return values
