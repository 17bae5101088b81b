"""Where encoded chunks come from: a store's bulk read, or byte getters one by one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from zarr.abc._store_access import read_method
from zarr.core._fetch import expecting
from zarr.core.common import closing, concurrent_iter
from zarr.storage._common import StorePath

if TYPE_CHECKING:
    from zarr.abc.store import Store
    from zarr.core.chunks._executor import Executor
    from zarr.core.chunks._item import Batch, ReadItem, WriteItem

_T = TypeVar("_T")


def shared_store(items: Sequence[ReadItem | WriteItem]) -> Store | None:
    """Return the store that holds all chunks; None where they cannot be read in bulk.

    That takes store paths of one store, whose `get` is the store's own, and one kind of buffer.
    """
    if not items:
        return None
    first, first_spec, *_ = items[0]
    if type(first) is not StorePath:
        return None
    store = first.store
    for place, spec, *_ in items:
        if type(place) is not StorePath or place.store is not store:
            return None
        if spec is not first_spec and spec.prototype != first_spec.prototype:
            return None
    return store


async def answers(
    items: Sequence[ReadItem], store: Store | None, executor: Executor
) -> AsyncIterator[Batch]:
    """Yield the encoded chunks of a read as they arrive, each with its index in the items.

    Parameters
    ----------
    items : sequence of tuple
        As a pipeline's `read` gets them.
    store : Store or None
        Holds all of them, and gets all keys in one call of `Store.get_many`. None where byte
        getters are asked one by one, as many at once as the executor says.
    executor : Executor
        Where the chunks are decoded; where it does not wait for anything the calling thread waits.
    """
    if not items:
        return
    batches: Any
    prototype = items[0][1].prototype
    if store is None:

        async def get(index: int, item: ReadItem) -> Batch:
            byte_getter, spec, *_ = item
            return [(index, await byte_getter.get(prototype=spec.prototype))]

        batches = concurrent_iter(enumerate(items), get, executor.concurrency)
    else:
        keys = [cast("StorePath", byte_getter).path for byte_getter, *_ in items]
        if executor.waits:
            batches = read_method(store, "get_many")(keys, prototype=prototype)
        else:
            batches = _one_after_the_other(store._get_many_sync(keys, prototype=prototype))
    async with closing(batches):
        while True:
            with expecting(items[0][1]._nbytes):
                batch = await anext(batches, None)
            if batch is None:
                return
            yield batch


async def _one_after_the_other(items: Iterator[_T]) -> AsyncIterator[_T]:
    with contextlib.closing(cast("Any", items)):
        for item in items:
            yield item
