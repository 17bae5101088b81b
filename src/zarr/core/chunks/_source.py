"""Sources of encoded chunks: one bulk read of a store, or separate calls of byte getters."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from zarr.abc._store_access import read_method
from zarr.core._fetch import expecting
from zarr.core.common import closing, concurrent_results
from zarr.storage._common import StorePath

if TYPE_CHECKING:
    from zarr.abc.store import Store
    from zarr.core.chunks._executor import Executor
    from zarr.core.chunks._item import Batch, ReadItem, WriteItem


def shared_store(items: Sequence[ReadItem | WriteItem]) -> Store | None:
    """Return the store that contains all chunks; None if the chunks cannot be read in bulk.

    For a bulk read, all items must have plain store paths of the same store, and the same buffer
    prototype.
    """
    if not items or type(first := items[0][0]) is not StorePath:
        return None
    store, first_spec = first.store, items[0][1]
    for place, spec, *_ in items:
        if type(place) is not StorePath or place.store is not store:
            return None
        if spec is not first_spec and spec.prototype != first_spec.prototype:
            return None
    return store


async def answers(
    items: Sequence[ReadItem], store: Store | None, executor: Executor
) -> AsyncIterator[Batch]:
    """Yield the encoded chunks of a read as they arrive, each with its index in `items`.

    Parameters
    ----------
    items : sequence of tuple
        The chunks and their selections; see `CodecPipeline.read`.
    store : Store or None
        The store that contains all chunks; one call of `Store.get_many` requests all keys. If
        `store` is None, each byte getter is called separately, and the executor limits the
        concurrency.
    executor : Executor
        Decodes the chunks. If `executor.waits` is False, the store is read in the calling thread,
        which is blocked during the read.
    """
    if not items:
        return
    first_spec = items[0][1]
    batches: Any
    if store is None:

        async def get(index: int, item: ReadItem) -> Batch:
            byte_getter, spec, *_ = item
            return [(index, await byte_getter.get(prototype=spec.prototype))]

        batches = concurrent_results(enumerate(items), get, executor.concurrency)
    else:
        keys = [cast("StorePath", byte_getter).path for byte_getter, *_ in items]
        if not executor.waits:
            batches = store._get_many_sync(keys, prototype=first_spec.prototype)
            with contextlib.closing(batches):
                with expecting(first_spec._nbytes):
                    batch = next(batches, None)
                while batch is not None:
                    yield list(batch)
                    batch = next(batches, None)
            return
        batches = aiter(read_method(store, "get_many")(keys, prototype=first_spec.prototype))
    async with closing(batches):
        with expecting(first_spec._nbytes):  # the bulk read takes the size in its first step
            batch = await anext(batches, None)
        while batch is not None:
            yield list(batch)
            batch = await anext(batches, None)
