"""Functions that copy elements from decoded chunks into an array (scatter), and back (gather).

The functions do no I/O and may run in any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zarr.core.buffer.cpu import NDBuffer as CPUNDBuffer

if TYPE_CHECKING:
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.indexing import SelectorTuple


def fill_value_of(spec: ArraySpec) -> Any:
    """Return the fill value, or the default of the data type if no fill value is set."""
    return spec.dtype.default_scalar() if spec.fill_value is None else spec.fill_value


def filled(spec: ArraySpec, shape: tuple[int, ...] | None = None, dtype: Any = None) -> NDBuffer:
    """Return a chunk that contains only the fill value.

    `shape` and `dtype`, if given, replace the shape and the data type of the spec.
    """
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
    """Copy a selection of a chunk into an array.

    Parameters
    ----------
    out : NDBuffer
        The array that receives the selection.
    chunk : NDBuffer
        A decoded chunk.
    chunk_selection : tuple
        The selection within the chunk.
    out_selection : tuple
        The selection within `out`.
    drop_axes : tuple of int
        Axes of the chunk selection that have length 1 and are missing in `out`.
    """
    if not drop_axes and type(out) is type(chunk) is CPUNDBuffer:
        # This special case avoids two intermediate buffers. Creating these buffers would take as
        # long as copying a small chunk.
        data: Any = out.as_ndarray_like()
        data[out_selection] = chunk.as_ndarray_like()[chunk_selection]
        return
    scatter_part(out, chunk[chunk_selection], out_selection, drop_axes)


def scatter_part(
    out: NDBuffer, part: NDBuffer, out_selection: SelectorTuple, drop_axes: tuple[int, ...]
) -> None:
    """Copy an already selected part of a chunk into an array; see `scatter`."""
    out[out_selection] = part.squeeze(axis=drop_axes) if drop_axes else part


def place_of(out: NDBuffer, out_selection: SelectorTuple) -> NDBuffer | None:
    """Return a view of the selected part of `out`, for direct writes.

    The result is None if `out_selection` is an empty tuple, or is not a tuple of slices.
    """
    # If `out_selection` is an empty tuple, NumPy may return a scalar, which is not a view.
    if not isinstance(out_selection, tuple) or not out_selection:
        return None
    return out[out_selection] if all(type(item) is slice for item in out_selection) else None


def fill(out: NDBuffer, out_selection: SelectorTuple, spec: ArraySpec) -> None:
    """Write the fill value to the elements of `out` that an absent chunk covers."""
    out[out_selection] = fill_value_of(spec)


def gather(value: NDBuffer, out_selection: SelectorTuple, drop_axes: tuple[int, ...]) -> NDBuffer:
    """Select the values for one chunk from all values of a write.

    Parameters
    ----------
    value : NDBuffer
        All values of the write. If the shape is ``()``, the value is used for all elements.
    out_selection : tuple
        The selection within `value` that contains the values for the chunk.
    drop_axes : tuple of int
        Axes of the chunk selection that have length 1 and are missing in `value`.

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
    """Return the content of a chunk after a write.

    Parameters
    ----------
    existing : NDBuffer or None
        The content of the chunk before the write. It is None if the chunk is absent, or if the new
        values replace all elements of the chunk.
    part : NDBuffer
        The new values. If the shape is ``()``, the value is used for all elements.
    chunk_selection : tuple
        The selection within the chunk. The new values replace the selected elements.
    spec : ArraySpec
        The spec of the chunk.
    is_complete_chunk : bool
        Whether the new values replace all elements of the chunk that are within the array.

    Returns
    -------
    NDBuffer
        A chunk with the shape of the spec. The chunk may share memory with `part`, but never with
        `existing`.
    """
    dtype = spec.dtype.to_native_dtype()
    if is_complete_chunk and part.shape == spec.shape and _in_order(chunk_selection):
        return part if part.dtype == dtype else part.astype(dtype)
    if existing is None:
        chunk = filled(spec, dtype=dtype)
    else:
        # Copy, because decoded data may be a read-only view of memory that belongs to the store.
        chunk = existing.copy()
    chunk[chunk_selection] = part
    return chunk


def _in_order(selection: SelectorTuple) -> bool:
    """Return whether a selection consists only of slices of step 1."""
    if not isinstance(selection, tuple):
        return False
    for item in selection:  # noqa: SIM110 (a generator takes five times as long)
        if type(item) is not slice or item.step not in (None, 1):
            return False
    return True


def sticks_out(chunk_selection: Any, spec: ArraySpec) -> bool:
    """Return whether a selection is contiguous and smaller than the chunk.

    If the chunk extends past the end of the array, such a selection can still contain all elements
    of the chunk that are within the array.
    """
    if not isinstance(chunk_selection, tuple):
        return False
    parts = [slice(i, i + 1, 1) if type(i) is int else i for i in chunk_selection]
    return _in_order(tuple(parts)) and any(
        part != slice(0, length, 1) for part, length in zip(parts, spec.shape)
    )


def is_empty(chunk: NDBuffer, spec: ArraySpec) -> bool:
    """Return whether a chunk contains only the fill value and does not need to be stored.

    If the fill value is None (null in format 2), the elements of an absent chunk are undefined. In
    this case, every chunk has to be stored.
    """
    fill_value = spec.fill_value
    if spec.config.write_empty_chunks or fill_value is None:
        return False
    return chunk._holds_only(fill_value)


def detached(encoded: Buffer | None, values: Any) -> Buffer | None:
    """Return an encoded chunk that shares no memory with the NumPy array `values`.

    A chunk that shares memory with `values` is copied, because a store may keep the buffer, and the
    caller may change the array later.
    """
    if encoded is None:
        return None
    data = encoded.as_numpy_array()
    owner: Any = data.base
    if type(owner) is bytes:
        return encoded
    # Compare the bases first, because views of one array have the same base, and
    # `np.may_share_memory` takes 0.5 us.
    shares = owner is not None and (owner is values or owner is values.base)
    if not shares and not np.may_share_memory(data, values):
        return encoded
    # Copy to a bytes object, because a memory store keeps such an object without another copy.
    return type(encoded).from_bytes(data.tobytes())
