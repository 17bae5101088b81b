"""Where encoded chunks come from: a store's bulk read, or byte getters one by one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from zarr.abc._store_access import read_method
from zarr.core._fetch import expecting
from zarr.core.chunks._scatter import decoded_nbytes
from zarr.core.common import closing, concurrent_iter
from zarr.storage._common import StorePath

if TYPE_CHECKING:
    from zarr.abc.store import Store
    from zarr.core.chunks._item import Batch, ReadItem


def shared_store(items: Sequence[ReadItem]) -> Store | None:
    """Return the store that holds all chunks of a read; None where they cannot be read in bulk.

    That takes store paths of one store, whose `get` is the store's own, and one kind of buffer.
    """
    if not items:
        return None
    first, first_spec, *_ = items[0]
    if type(first) is not StorePath:
        return None
    store = first.store
    for byte_getter, spec, *_ in items:
        if type(byte_getter) is not StorePath or byte_getter.store is not store:
            return None
        if spec is not first_spec and spec.prototype != first_spec.prototype:
            return None
    return store


async def answers(items: Sequence[ReadItem], concurrency: int) -> AsyncIterator[Batch]:
    """Yield the encoded chunks of a read as they arrive, each with its index in the items.

    Where one store holds all of them, it gets all keys in one call of `Store.get_many`.

    Parameters
    ----------
    items : sequence of tuple
        As a pipeline's `read` gets them.
    concurrency : int
        How many byte getters are asked at once, where there is no such store.
    """
    store = shared_store(items)
    batches: AsyncIterator[Batch]
    if store is not None:
        batches = read_method(store, "get_many")(_keys(items), prototype=items[0][1].prototype)
    else:

        async def get(index: int, item: ReadItem) -> Batch:
            byte_getter, spec, *_ = item
            return [(index, await byte_getter.get(prototype=spec.prototype))]

        batches = concurrent_iter(enumerate(items), get, concurrency)
    nbytes = decoded_nbytes(items[0][1]) if items else None
    async with closing(batches):
        while True:
            with expecting(nbytes):
                batch = await anext(batches, None)
            if batch is None:
                return
            yield batch


async def answers_in_thread(items: Sequence[ReadItem]) -> AsyncIterator[Batch]:
    """Yield what `answers` does of chunks of one store, and wait for it in the calling thread."""
    store = cast("Store", shared_store(items))
    batches: Any = store._get_many_sync(_keys(items), prototype=items[0][1].prototype)
    nbytes = decoded_nbytes(items[0][1])
    with contextlib.closing(batches):
        while True:
            with expecting(nbytes):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


def _keys(items: Sequence[ReadItem]) -> list[str]:
    return [cast("StorePath", byte_getter).path for byte_getter, *_ in items]
