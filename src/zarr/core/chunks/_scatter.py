"""From a decoded chunk to its place in an array, and back; no I/O, any thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zarr.core.buffer.cpu import NDBuffer as CPUNDBuffer

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.indexing import SelectorTuple


def fill_value_of(spec: ArraySpec) -> Any:
    """Return the value of elements that are not stored; that of the data type where none is set."""
    return spec.dtype.default_scalar() if spec.fill_value is None else spec.fill_value


def filled(spec: ArraySpec, shape: tuple[int, ...] | None = None, dtype: Any = None) -> NDBuffer:
    """Return a chunk of fill value, or a selection of one that has another shape."""
    return spec.prototype.nd_buffer.create(
        shape=spec.shape if shape is None else shape,
        dtype=spec.dtype.to_native_dtype() if dtype is None else dtype,
        order=spec.order,
        fill_value=fill_value_of(spec),
    )


def scatter(
    out: NDBuffer,
    chunk: NDBuffer,
    chunk_selection: SelectorTuple,
    out_selection: SelectorTuple,
    drop_axes: tuple[int, ...],
) -> None:
    """Put a selection of a chunk into its place.

    Parameters
    ----------
    out : NDBuffer
        Receives the selection.
    chunk : NDBuffer
        A decoded chunk.
    chunk_selection : tuple
        The selection within the chunk.
    out_selection : tuple
        Its place in `out`.
    drop_axes : tuple of int
        Dimensions of length 1 of the selection that `out` does not have.
    """
    if not drop_axes and type(out) is type(chunk) is CPUNDBuffer:
        # Without the two buffers in between, which would cost as much as copying a small chunk.
        data: Any = out.as_ndarray_like()
        data[out_selection] = chunk.as_ndarray_like()[chunk_selection]
        return
    scatter_part(out, chunk[chunk_selection], out_selection, drop_axes)


def scatter_part(
    out: NDBuffer, part: NDBuffer, out_selection: SelectorTuple, drop_axes: tuple[int, ...]
) -> None:
    """Put what was selected of a chunk already into its place; see `scatter`."""
    out[out_selection] = part.squeeze(axis=drop_axes) if drop_axes else part


def place_of(out: NDBuffer, out_selection: SelectorTuple) -> NDBuffer | None:
    """Return the memory of a selection's place, so that it need not be copied there; else None."""
    # Without slices NumPy would return an element, which is a copy.
    if not isinstance(out_selection, tuple) or not out_selection:
        return None
    return out[out_selection] if all(type(item) is slice for item in out_selection) else None


def fill(out: NDBuffer, out_selection: SelectorTuple, spec: ArraySpec) -> None:
    """Put the fill value where the selection of an absent chunk would go."""
    out[out_selection] = fill_value_of(spec)


def gather(value: NDBuffer, out_selection: SelectorTuple, drop_axes: tuple[int, ...]) -> NDBuffer:
    """Take the values for one chunk out of the values of a write.

    Parameters
    ----------
    value : NDBuffer
        All values; of shape ``()`` for one value everywhere.
    out_selection : tuple
        Where the values for the chunk are.
    drop_axes : tuple of int
        Dimensions of length 1 of the chunk selection that `value` does not have.

    Returns
    -------
    NDBuffer
        Values that can be assigned to the selection within the chunk.
    """
    if value.shape == ():
        return value
    part = value[out_selection]
    if drop_axes:
        ndim = len(part.shape) + len(drop_axes)
        part = part[tuple(None if axis in drop_axes else slice(None) for axis in range(ndim))]
    return part


def merge(
    existing: NDBuffer | None,
    part: NDBuffer,
    chunk_selection: SelectorTuple,
    spec: ArraySpec,
    is_complete_chunk: bool,
) -> NDBuffer:
    """Make the new content of a chunk.

    Parameters
    ----------
    existing : NDBuffer or None
        Its content so far; None where it is absent, or replaced whole.
    part : NDBuffer
        The new values, of shape ``()`` for one value everywhere.
    chunk_selection : tuple
        Which elements of the chunk they replace.
    spec : ArraySpec
        Describes the chunk.
    is_complete_chunk : bool
        Whether they replace all elements that lie within the array.

    Returns
    -------
    NDBuffer
        Of the shape of the spec. It may share memory with `part`, never with `existing`.
    """
    dtype = spec.dtype.to_native_dtype()
    if is_complete_chunk and part.shape == spec.shape and _in_order(chunk_selection):
        return part if part.dtype == dtype else part.astype(dtype)
    if existing is None:
        chunk = filled(spec, dtype=dtype)
    else:
        # Decoded data may be a read-only view of what the store holds.
        chunk = existing.copy()
    chunk[chunk_selection] = part
    return chunk


def _in_order(selection: SelectorTuple) -> bool:
    """Tell whether a selection takes elements as they lie, so that it moves none."""
    if not isinstance(selection, tuple):
        return False
    for item in selection:  # noqa: SIM110 (a generator takes five times as long)
        if type(item) is not slice or item.step not in (None, 1):
            return False
    return True


def sticks_out(chunk_selection: Any, spec: ArraySpec) -> bool:
    """Tell whether a selection of all that a chunk has within the array is not all of the chunk."""
    if not isinstance(chunk_selection, tuple):
        return False
    parts = [slice(i, i + 1, 1) if type(i) is int else i for i in chunk_selection]
    return _in_order(tuple(parts)) and any(
        part != slice(0, length, 1) for part, length in zip(parts, spec.shape)
    )


def is_empty(chunk: NDBuffer, spec: ArraySpec) -> bool:
    """Tell whether a chunk need not be stored: only fill value, and empty chunks are not kept.

    Where no fill value is set (null in format 2) an absent chunk says nothing of its elements, so
    that every chunk is stored.
    """
    fill_value = spec.fill_value
    if spec.config.write_empty_chunks or fill_value is None:
        return False
    return chunk._holds_only(fill_value)


def detached(encoded: Buffer | None, values: Any) -> Buffer | None:
    """Copy an encoded chunk that shares memory with the values of a write, a NumPy array.

    A store may keep the buffer it is given, and the caller is free to change its array afterwards.
    """
    if encoded is None:
        return None
    data = encoded.as_numpy_array()
    owner: Any = data.base
    if type(owner) is bytes:
        return encoded
    # NumPy takes 0.5 us to tell; views of one array have one base, which is seen at once.
    shares = owner is not None and (owner is values or owner is values.base)
    if not shares and not np.may_share_memory(data, values):
        return encoded
    # As bytes, which a store in memory keeps without copying them once more.
    return type(encoded).from_bytes(data.tobytes())
