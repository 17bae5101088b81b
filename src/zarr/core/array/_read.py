"""Plan the read of a selection without I/O; execute the plan asynchronously or synchronously."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zarr.core.array._batch import make_batch
from zarr.core.buffer import NDBuffer, default_buffer_prototype
from zarr.core.indexing import check_fields
from zarr.core.sync import sync
from zarr.errors import ChunkNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zarr.abc.codec import GetResult
    from zarr.core.array._async import AsyncArray
    from zarr.core.array._batch import BatchItem
    from zarr.core.buffer import BufferPrototype, NDArrayLikeOrScalar
    from zarr.core.indexing import Fields, Indexer


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A planned read.

    Parameters
    ----------
    array : AsyncArray
        Array to read.
    indexer : Indexer
        Iterable over the chunks of the selection.
    batch : iterator of tuple
        The chunks of the selection, as items for the codec pipeline. The iterator can be consumed
        only once.
    target : NDBuffer
        Buffer that receives whole elements; it has the shape of the indexer.
    drop_axes : tuple of int
        Dimensions that have length 1 in the chunk selections and are missing from `target`.
    shape : tuple of int
        Shape of the result in elements. If the coordinate arrays of a selection have several
        dimensions, the result also has several dimensions, but `target` is one-dimensional.
    fields : str, list of str or None
        Fields of a structured data type to return; None to return whole elements.
    field_dtype : numpy.dtype
        Data type of the result.
    out : NDBuffer or None
        Buffer of the caller, to which the result must be copied. None if the caller passed no
        buffer, or if `target` is the buffer of the caller.
    """

    array: AsyncArray[Any]
    indexer: Indexer
    batch: Iterator[BatchItem]
    target: NDBuffer
    drop_axes: tuple[int, ...]
    shape: tuple[int, ...]
    fields: Fields | None
    field_dtype: np.dtype[Any]
    out: NDBuffer | None

    def finish(self, results: Sequence[GetResult] | None) -> NDBuffer:
        """Return the result of the read.

        Parameters
        ----------
        results : sequence of GetResult or None
            Status of each chunk, as reported by the pipeline; None if the pipeline reports no
            status.

        Raises
        ------
        ChunkNotFoundError
            If chunks are absent and ``array.read_missing_chunks`` is off. The message lists all
            absent chunks.
        """
        if not self.array.config.read_missing_chunks:
            self._check_present(results)
        result = self.target
        if self.fields:
            result = _take_fields(result, self.fields, self.field_dtype)
        if result.shape != self.shape:
            result = result.reshape(self.shape)
        if self.out is not None:
            self.out[...] = (
                result if self.out.shape == result.shape else result.reshape(self.out.shape)
            )
            result = self.out if self.out.shape == self.shape else self.out.reshape(self.shape)
        return result

    def _check_present(self, results: Sequence[GetResult] | None) -> None:
        if results is None:
            raise RuntimeError(
                f"{type(self.array.codec_pipeline).__name__} does not report missing chunks. To "
                "read with this codec pipeline, set the 'array.read_missing_chunks' config to True."
            )
        coords = [
            projection.chunk_coords
            for projection, result in zip(self.indexer, results, strict=True)
            if result["status"] == "missing"
        ]
        if coords:
            key = self.array.metadata.encode_chunk_key
            chunks = "\n".join(f"  chunk '{key(at)}' (grid position {at})" for at in coords)
            raise ChunkNotFoundError(
                f"{len(coords)} chunk(s) not found in store '{self.array.store_path}'.\n"
                "Set the 'array.read_missing_chunks' config to True to fill missing chunks with "
                f"the fill value.\nMissing chunks:\n{chunks}"
            )


def _take_fields(buffer: NDBuffer, fields: Fields, dtype: np.dtype[Any]) -> NDBuffer:
    """Return a copy of some fields of structured elements, in the memory order of `buffer`."""
    elements = buffer.as_numpy_array()
    if isinstance(fields, str):
        return type(buffer).from_numpy_array(elements[fields].copy(order="K"))
    taken = np.empty_like(elements, dtype=dtype)
    for name in fields:
        taken[name] = elements[name]
    return type(buffer).from_numpy_array(taken)


def plan_read(
    array: AsyncArray[Any],
    indexer: Indexer,
    *,
    out: NDBuffer | None = None,
    fields: Fields | None = None,
    prototype: BufferPrototype | None = None,
) -> ReadPlan:
    """Plan the read of a selection.

    Parameters
    ----------
    array : AsyncArray
        Array to read.
    indexer : Indexer
        The selection.
    out : NDBuffer or None
        Buffer that receives the result; None means a new buffer. `out` must have the shape of the
        result. NumPy must be able to cast the result to the data type of `out` with ``same_kind``
        casting. `out` need not be contiguous.
    fields : str, list of str or None
        Fields of a structured data type to return; None to return whole elements.
    prototype : BufferPrototype or None
        Buffer classes for encoded and decoded data; None means the configured classes.

    Raises
    ------
    TypeError
        If `out` is not an `NDBuffer`, or if the result cannot be cast to the data type of `out`.
    ValueError
        If the shape of `out` differs from the shape of the result.
    IndexError
        If the data type lacks one of the fields.
    """
    classes = default_buffer_prototype() if prototype is None else prototype
    dtype = array.dtype
    field_dtype = check_fields(fields, dtype)
    shape = cast("tuple[int, ...]", getattr(indexer, "sel_shape", indexer.shape))
    if out is not None:
        _check_out(out, shape, indexer.shape, field_dtype)
    direct = out is not None and not fields and out.dtype == dtype and out.shape == indexer.shape
    if out is not None and direct:
        target, out = out, None
    else:
        target = classes.nd_buffer.empty(shape=indexer.shape, dtype=dtype, order=array.order)
    return ReadPlan(
        array=array,
        indexer=indexer,
        batch=make_batch(array, indexer, classes),
        target=target,
        drop_axes=indexer.drop_axes,
        shape=shape,
        fields=fields,
        field_dtype=field_dtype,
        out=out,
    )


def _check_out(
    out: object, shape: tuple[int, ...], flat_shape: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    if not isinstance(out, NDBuffer):
        raise TypeError(f"out argument needs to be an NDBuffer. Got {type(out)!r}")
    if out.shape not in (shape, flat_shape):
        raise ValueError(f"shape of out argument doesn't match. Expected {shape}, got {out.shape}")
    if out.dtype != dtype and not np.can_cast(dtype, out.dtype, casting="same_kind"):
        raise TypeError(
            f"dtype of out argument doesn't match. Expected {dtype}, or a dtype to which {dtype} "
            f"can be cast with casting='same_kind', got {out.dtype}"
        )


async def read(plan: ReadPlan) -> NDBuffer:
    """Execute a planned read asynchronously.

    Raises
    ------
    ChunkNotFoundError
        See `ReadPlan.finish`.
    """
    if 0 in plan.target.shape:
        return plan.finish(())
    pipeline = plan.array.codec_pipeline
    return plan.finish(await pipeline.read(list(plan.batch), plan.target, plan.drop_axes))


def read_sync(plan: ReadPlan) -> NDBuffer:
    """Execute a planned read synchronously.

    If the pipeline has a method `read_sync`, the calling thread runs this method. Otherwise the
    calling thread waits for the coroutine `read` of the pipeline.

    Raises
    ------
    ChunkNotFoundError
        See `ReadPlan.finish`.
    """
    if 0 in plan.target.shape:
        return plan.finish(())
    pipeline: Any = plan.array.codec_pipeline
    here = getattr(pipeline, "read_sync", None)
    if here is None:
        return plan.finish(sync(pipeline.read(list(plan.batch), plan.target, plan.drop_axes)))
    return plan.finish(here(plan.batch, plan.target, plan.drop_axes))


def scalar_or_array(result: NDBuffer) -> NDArrayLikeOrScalar:
    """Return a zero-dimensional result as a scalar, any other result as an array."""
    return result.as_scalar() if result.shape == () else result.as_ndarray_like()
