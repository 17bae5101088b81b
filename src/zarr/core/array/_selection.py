"""Read or write a selection of an array.

If `AsyncArray._get_selection` is overridden, every read of elements calls the override. If
`AsyncArray._set_selection` is overridden, every write of elements calls the override. An override
may be defined in a subclass, or assigned to the class or to an instance. Without an override, the
synchronous functions use the event loop only if the store, a codec or the codec pipeline cannot
work synchronously.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarr.core._overrides import is_overridden
from zarr.core.array._read import plan_read, read, read_sync
from zarr.core.array._write import plan_write, write, write_sync
from zarr.core.buffer import default_buffer_prototype
from zarr.core.indexing import BasicIndexer
from zarr.core.sync import sync

if TYPE_CHECKING:
    from zarr.core.array._async import AsyncArray
    from zarr.core.buffer import BufferPrototype, NDArrayLikeOrScalar, NDBuffer
    from zarr.core.indexing import Fields, Indexer


def taken(result: NDBuffer, indexer: Indexer) -> NDArrayLikeOrScalar:
    """Return a scalar if the result of a `BasicIndexer` has no dimensions, otherwise an array."""
    if result.shape == () and isinstance(indexer, BasicIndexer):
        return result.as_scalar()
    return result.as_ndarray_like()


async def get_selection(
    array: AsyncArray[Any],
    indexer: Indexer,
    *,
    out: NDBuffer | None = None,
    fields: Fields | None = None,
    prototype: BufferPrototype | None = None,
) -> NDArrayLikeOrScalar:
    """Read a selection; see `plan_read` and `read` for parameters and errors."""
    if is_overridden(array, "_get_selection"):
        classes = default_buffer_prototype() if prototype is None else prototype
        return await array._get_selection(indexer, prototype=classes, out=out, fields=fields)
    plan = plan_read(array, indexer, out=out, fields=fields, prototype=prototype)
    return taken(await read(plan), indexer)


def get_selection_sync(
    array: AsyncArray[Any],
    indexer: Indexer,
    *,
    out: NDBuffer | None = None,
    fields: Fields | None = None,
    prototype: BufferPrototype | None = None,
) -> NDArrayLikeOrScalar:
    """Read a selection synchronously, in the calling thread if possible; see `get_selection`."""
    if is_overridden(array, "_get_selection"):
        return sync(get_selection(array, indexer, out=out, fields=fields, prototype=prototype))
    plan = plan_read(array, indexer, out=out, fields=fields, prototype=prototype)
    return taken(read_sync(plan), indexer)


async def set_selection(
    array: AsyncArray[Any],
    indexer: Indexer,
    value: Any,
    *,
    fields: Fields | None = None,
    prototype: BufferPrototype | None = None,
) -> None:
    """Write a selection; see `plan_write` and `write` for parameters and errors."""
    if is_overridden(array, "_set_selection"):
        classes = default_buffer_prototype() if prototype is None else prototype
        await array._set_selection(indexer, value, prototype=classes, fields=fields)
    else:
        await write(plan_write(array, indexer, value, fields=fields, prototype=prototype))


def set_selection_sync(
    array: AsyncArray[Any],
    indexer: Indexer,
    value: Any,
    *,
    fields: Fields | None = None,
    prototype: BufferPrototype | None = None,
) -> None:
    """Write a selection synchronously, in the calling thread if possible; see `set_selection`."""
    if is_overridden(array, "_set_selection"):
        sync(set_selection(array, indexer, value, fields=fields, prototype=prototype))
    else:
        write_sync(plan_write(array, indexer, value, fields=fields, prototype=prototype))
