"""Plan the write of a selection; execute the plan asynchronously or synchronously."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zarr.core.array._batch import make_batch
from zarr.core.array._read import plan_read, read, read_sync
from zarr.core.buffer import NDBuffer, default_buffer_prototype
from zarr.core.dtype import is_pandas_text
from zarr.core.indexing import check_fields, check_no_multi_fields
from zarr.core.sync import sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zarr.core.array._async import AsyncArray
    from zarr.core.array._batch import BatchItem
    from zarr.core.array._read import ReadPlan
    from zarr.core.buffer import BufferPrototype
    from zarr.core.indexing import Fields, Indexer


@dataclass(frozen=True, slots=True)
class WritePlan:
    """A planned write.

    Parameters
    ----------
    array : AsyncArray
        Array to write.
    is_empty : bool
        Whether the selection is empty.
    batch : iterator of tuple
        The chunks of the selection, as items for the codec pipeline. The iterator can be consumed
        only once.
    value : NDBuffer
        Values to write. They have the data type of `field`; if `field` is None, they have the data
        type of the array. They have the shape of the indexer, or the shape ``()`` if one value
        replaces all elements.
    drop_axes : tuple of int
        Dimensions that have length 1 in the chunk selections and are missing from `value`.
    current : ReadPlan or None
        Planned read of the current elements, for a write that replaces only one field; None if
        whole elements are replaced.
    field : str or None
        The field that is replaced; None if whole elements are replaced.
    """

    array: AsyncArray[Any]
    is_empty: bool
    batch: Iterator[BatchItem]
    value: NDBuffer
    drop_axes: tuple[int, ...]
    current: ReadPlan | None = None
    field: str | None = None

    def with_field(self, elements: NDBuffer) -> NDBuffer:
        """Return elements with one field replaced."""
        whole = elements.as_numpy_array()
        whole[cast("str", self.field)] = self.value.as_numpy_array()
        return type(elements).from_numpy_array(whole)


def plan_write(
    array: AsyncArray[Any],
    indexer: Indexer,
    value: object,
    *,
    fields: Fields | None = None,
    prototype: BufferPrototype | None = None,
) -> WritePlan:
    """Plan the write of a selection, without storing anything.

    Parameters
    ----------
    array : AsyncArray
        Array to write.
    indexer : Indexer
        The selection.
    value : scalar, array-like or NDBuffer
        New values. They are converted to the data type of the array (or of the field, if `fields`
        names one), and broadcast to the selection as in a NumPy assignment. If the selection
        consists of coordinate arrays with several dimensions, one-dimensional values are also
        accepted.
    fields : str, list of str or None
        One field of a structured data type to write; None to write whole elements.
    prototype : BufferPrototype or None
        Buffer classes for encoded and decoded data; None means the configured classes.

    Raises
    ------
    ValueError
        If the store is read-only, or if `value` cannot be broadcast to the selection.
    TypeError, ValueError, OverflowError
        If `value` cannot be converted to the data type of the array or the field.
    IndexError
        If the data type lacks the field, or if several fields are given.
    """
    array.store_path.store._check_writable()
    classes = default_buffer_prototype() if prototype is None else prototype
    field = _one_field(fields)
    dtype = check_fields(field, array.dtype)
    values = _broadcast(convert(value, dtype.base), indexer, dtype.shape)
    plan = WritePlan(
        array=array,
        is_empty=0 in indexer.shape,
        batch=make_batch(array, indexer, classes),
        value=_as_buffer(values, classes),
        drop_axes=indexer.drop_axes,
    )
    if field is None:
        return plan
    # The other fields keep their stored values; if the chunk is absent, they get the fill value.
    lenient = (
        array
        if array.config.read_missing_chunks
        else array.with_config({"read_missing_chunks": True})
    )
    current = plan_read(lenient, indexer, prototype=prototype)
    return replace(plan, current=replace(current, shape=indexer.shape), field=field)


def _one_field(fields: Fields | None) -> str | None:
    one = check_no_multi_fields(list(fields) if isinstance(fields, tuple) else fields)
    return None if not one else cast("str", one)


def refuse_missing_text(value: Any, dtype: object) -> None:
    """Raise an error for a pandas string array with missing values.

    Raises
    ------
    ValueError
        If a string value is missing: no data type can store missing strings.
    """
    if is_pandas_text(dtype) and bool(np.any(value.isna())):
        raise ValueError(
            "The data contain missing values, but Zarr cannot store missing strings. Replace the "
            "missing values first, for example with data.fillna('')."
        )


def convert(value: object, dtype: np.dtype[Any]) -> Any:
    """Convert a value to an array with the data type `dtype`; data on a GPU stay on the GPU.

    Raises
    ------
    ValueError
        If the value is a pandas string array in which strings are missing. NumPy would convert a
        missing string to ``"<NA>"``.
    """
    if isinstance(value, NDBuffer):
        value = value.as_ndarray_like()
    if hasattr(value, "__cuda_array_interface__"):
        return cast("Any", value).astype(dtype, copy=False)
    kind: Any = getattr(value, "dtype", None)
    if kind is not None and not isinstance(kind, np.dtype):
        refuse_missing_text(value, kind)
    # As in a NumPy assignment, arrays are cast without checks of their values. The values of other
    # objects are checked: for example, a Python integer that is out of range raises
    # `OverflowError`.
    return np.asarray(value, dtype=dtype)


def _broadcast(values: Any, indexer: Indexer, element_shape: tuple[int, ...]) -> Any:
    """Broadcast values to the shape of a selection; values with the shape ``()`` stay unchanged.

    `element_shape` is the shape of the subarray if a field with subarrays is written, and ``()``
    otherwise.
    """
    flat = (*indexer.shape, *element_shape)
    if values.shape in ((), flat):
        return values
    points = getattr(indexer, "sel_shape", None)
    shape = flat if points is None else (*points, *element_shape)
    if shape == ():
        raise ValueError("setting an array element with a sequence.")
    trimmed = values
    while trimmed.ndim > len(shape) and trimmed.shape[0] == 1:
        trimmed = trimmed[0]
    try:
        return np.broadcast_to(trimmed, shape).reshape(flat)
    except ValueError:
        if points is not None:
            raise ValueError(
                f"Attempting to set a selection of {indexer.shape[0]} elements with an array of "
                f"{values.size} elements."
            ) from None
        raise ValueError(
            f"could not broadcast input array from shape {values.shape} into shape {shape}"
        ) from None


def _as_buffer(values: Any, prototype: BufferPrototype) -> NDBuffer:
    if isinstance(values, np.ndarray):
        return prototype.nd_buffer.from_numpy_array(values)
    return prototype.nd_buffer.from_ndarray_like(values)


async def write(plan: WritePlan) -> None:
    """Execute a planned write asynchronously."""
    if plan.is_empty:
        return
    value = plan.value if plan.current is None else plan.with_field(await read(plan.current))
    await plan.array.codec_pipeline.write(list(plan.batch), value, plan.drop_axes)


def write_sync(plan: WritePlan) -> None:
    """Execute a planned write synchronously; use `write_sync` of the pipeline if it exists."""
    if plan.is_empty:
        return
    value = plan.value if plan.current is None else plan.with_field(read_sync(plan.current))
    pipeline: Any = plan.array.codec_pipeline
    here = getattr(pipeline, "write_sync", None)
    if here is None:
        sync(pipeline.write(list(plan.batch), value, plan.drop_axes))
    else:
        here(plan.batch, value, plan.drop_axes)
