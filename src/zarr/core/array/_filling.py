"""Write the initial elements of a new array, from memory, a stored array or an array-like.

Each class implements the protocol `zarr.core._derive.Move`, which describes a pending write. The
function that creates the array executes the pending write as its last step. A synchronous function
writes in the calling thread if possible; an asynchronous function does not block the event loop.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zarr.abc._store_access import access_of
from zarr.core.array._async import AsyncArray
from zarr.core.array._copy import concurrency, copy, copy_sync
from zarr.core.array._selection import set_selection, set_selection_sync
from zarr.core.common import concurrent_foreach
from zarr.core.indexing import BasicIndexer
from zarr.core.sync import get_pool, in_pool, sync

if TYPE_CHECKING:
    from concurrent.futures import Future

    from zarr.core._derive import Move

    Region = tuple[slice, ...]


def array_of(data: Any) -> AsyncArray[Any] | None:
    """Return the `AsyncArray` of an array of this library; None for other data."""
    inner = getattr(data, "async_array", data)
    return inner if isinstance(inner, AsyncArray) else None


def filling(array: AsyncArray[Any], data: Any) -> Move:
    """Return the `Move` that fills a new array with the elements of an array-like of equal shape.

    Parameters
    ----------
    array : AsyncArray
        The new array.
    data : array-like
        A NumPy array is written in one operation. A stored array is copied; see
        `zarr.core.array._copy`. Any other object must have the attributes ``shape`` and ``dtype``.
        If `array` has shards, such an object is indexed once per shard, otherwise once per chunk.
        Only a limited number of the indexed regions is in memory at a time.
    """
    if isinstance(data, np.ndarray):
        return FromMemory(array, data)
    source = array_of(data)
    return FromArrayLike(array, data) if source is None else FromArray(array, source)


@dataclass(frozen=True, slots=True)
class FromMemory:
    """Write values that are in memory to the whole array."""

    array: AsyncArray[Any]
    values: Any

    @property
    def runs_here(self) -> bool:
        # docstring inherited
        return access_of(self.array.store).writes_in_thread

    async def run(self) -> None:
        # docstring inherited
        await set_selection(self.array, _box(self.array, ...), self.values)

    def run_sync(self) -> None:
        # docstring inherited
        set_selection_sync(self.array, _box(self.array, ...), self.values)


@dataclass(frozen=True, slots=True)
class FromArray:
    """Copy the elements of a stored array."""

    array: AsyncArray[Any]
    source: AsyncArray[Any]

    @property
    def runs_here(self) -> bool:
        # docstring inherited
        return (
            access_of(self.source.store).reads_in_thread
            and access_of(self.array.store).writes_in_thread
        )

    async def run(self) -> None:
        # docstring inherited
        await copy(self.source, self.array)

    def run_sync(self) -> None:
        # docstring inherited
        if self.runs_here:
            copy_sync(self.source, self.array)
        else:
            sync(self.run())


@dataclass(frozen=True, slots=True)
class FromArrayLike:
    """Write the elements of an array-like that computes or reads elements when it is indexed.

    The array-like is indexed region by region. Indexing can be slow, and some array-likes wait for
    tasks on the event loop of this library. Therefore several workers of the thread pool index the
    array-like concurrently.
    """

    array: AsyncArray[Any]
    data: Any

    @property
    def runs_here(self) -> bool:
        # docstring inherited
        return access_of(self.array.store).writes_in_thread

    async def run(self) -> None:
        # docstring inherited
        async def move(region: Region) -> None:
            values = await in_pool(lambda: self._take(region))
            await set_selection(self.array, _box(self.array, region), values)

        regions = self.array._chunk_grid.iter_chunk_regions()
        await concurrent_foreach(((region,) for region in regions), move, None)

    def run_sync(self) -> None:
        # docstring inherited
        if not self.runs_here:
            sync(self.run())
            return
        pool, most = get_pool(), concurrency()
        taken: deque[tuple[Region, Future[Any]]] = deque()
        try:
            for region in self.array._chunk_grid.iter_chunk_regions():
                taken.append((region, pool.submit(self._take, region)))
                if len(taken) >= most:
                    self._put(taken)
            while taken:
                self._put(taken)
        finally:
            for _, values in taken:
                values.cancel()

    def _put(self, taken: deque[tuple[Region, Future[Any]]]) -> None:
        region, values = taken.popleft()
        set_selection_sync(self.array, _box(self.array, region), values.result())

    def _take(self, region: Region) -> Any:
        part = self.data[region]
        return part if hasattr(part, "__cuda_array_interface__") else np.asarray(part)


def _box(array: AsyncArray[Any], selection: Any) -> BasicIndexer:
    return BasicIndexer(selection, array.shape, array._chunk_grid)
