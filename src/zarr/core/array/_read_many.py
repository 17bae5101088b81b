"""Reading selections of several arrays at once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from zarr.abc._store_access import access_of
from zarr.abc.store import Store
from zarr.core._coalesce import MiB
from zarr.core._fetch import MAX_PENDING_BYTES
from zarr.core.array._async import AsyncArray
from zarr.core.array._selection import get_selection, get_selection_sync
from zarr.core.array._sync import Array
from zarr.core.common import concurrent_map
from zarr.core.config import config
from zarr.core.indexing import check_fields, item_indexer, made_arrays, made_arrays_async
from zarr.core.sync import refuse_at_the_end, sync
from zarr.storage._wrapper import WrapperStore

if TYPE_CHECKING:
    from zarr.core.buffer import NDArrayLikeOrScalar
    from zarr.core.indexing import Fields, Indexer, Selection, SelectionWithFields

    AnyArray: TypeAlias = Array[Any] | AsyncArray[Any]
    ArraySelection: TypeAlias = (
        AnyArray | tuple[AnyArray, Selection | SelectionWithFields | tuple[Any, ...] | None]
    )

R = TypeVar("R")

# As many arrays are read at a time. That has little to do with `async.concurrency`, which bounds the
# requests of a store: a store merges what it is asked for at the same time, so many small arrays
# should ask together. It bounds tasks, and what has been fetched and not yet decoded.
_AT_ONCE: Final = 256

# A read that holds more bytes counts as several, so all hold about `_AT_ONCE` times this at most.
_PART_NBYTES: Final = 4 * MiB
# No more chunks of a selection are counted to find that out.
_MOST_COUNTED: Final = 32


@dataclass(frozen=True, slots=True)
class Reading:
    """A selection of an array that has been checked and not yet been read.

    Parameters
    ----------
    array : AsyncArray
        What is read.
    indexer : Indexer
        The selection.
    fields : str, list of str or None
        Fields of a structured data type to return; None for whole elements.
    is_box : bool
        Whether the result is a scalar where it has no dimensions.
    """

    array: AsyncArray[Any]
    indexer: Indexer
    fields: Fields | None
    is_box: bool

    @property
    def held_nbytes(self) -> int:
        """About how many bytes the read holds that are not decoded yet, at most."""
        itemsize = self.array.dtype.itemsize
        result = math.prod(self.indexer.shape) * itemsize
        if self.array.codec_pipeline.supports_partial_decode:
            return min(result, MAX_PENDING_BYTES)
        grid = self.array._chunk_grid
        chunk = math.prod([dimension.chunk_size(0) for dimension in grid.dimensions]) * itemsize
        chunks = 0
        # Of a small selection whole chunks are fetched. It matters where they are large.
        if result < MAX_PENDING_BYTES and chunk * _MOST_COUNTED >= _PART_NBYTES:
            chunks = chunk * self.count_chunks(_MOST_COUNTED)
        return min(max(result, chunks), max(chunk, MAX_PENDING_BYTES))

    @property
    def runs_here(self) -> bool:
        """Whether a thread that waits reads it itself, without the event loop."""
        return access_of(self.array.store_path.store).reads_in_thread and hasattr(
            self.array.codec_pipeline, "read_sync"
        )

    def count_chunks(self, most: int) -> int:
        """Return how many chunks are read, or shards, `most` at most."""
        return sum(1 for _ in islice(iter(self.indexer), most))

    async def run(self) -> NDArrayLikeOrScalar:
        """Read on the event loop, where `Reading.run_sync` does in the calling thread."""
        return await get_selection(self.array, self.indexer, fields=self.fields)

    def run_sync(self) -> NDArrayLikeOrScalar:
        """Read as indexing the array does."""
        with _naming(self.array):
            return get_selection_sync(self.array, self.indexer, fields=self.fields)


@contextmanager
def _naming(array: AsyncArray[Any]) -> Iterator[None]:
    """Note on a failure of which array it is."""
    try:
        yield
    except Exception as error:
        error.add_note(f"while reading the array {array.store_path}")
        raise


# --- what is asked for ------------------------------------------------------------------


def parse_selections(selections: object) -> list[tuple[AsyncArray[Any], Any]]:
    """Return arrays, each with its selection.

    Raises
    ------
    TypeError
        If `selections` is not an iterable of arrays, and pairs of an array and a selection.
    """
    # Arrays and groups can be iterated over too, which would read.
    if hasattr(selections, "store_path") or not isinstance(selections, Iterable):
        raise TypeError(
            "Expected an iterable of arrays, or of pairs of an array and a selection. "
            f"Got {type(selections).__name__}."
        )
    return [_parse_pair(item, at) for at, item in enumerate(selections)]


def _parse_pair(item: object, at: int) -> tuple[AsyncArray[Any], Any]:
    array, selection = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
    if isinstance(array, Array):
        array = array.async_array
    if not isinstance(array, AsyncArray):
        got = type(array).__name__
        if isinstance(item, tuple):
            got = f"a tuple of {', '.join(type(each).__name__ for each in item) or 'nothing'}"
        raise TypeError(
            f"Expected an array, or a pair of an array and a selection, at {at}. Got {got}."
        )
    return array, selection


async def prepare(pairs: Iterable[tuple[AsyncArray[Any], Any]]) -> list[Reading]:
    """Check selections of arrays; nothing is read.

    Raises
    ------
    IndexError
        If a selection is not valid, or out of bounds. A note names the array.
    """
    readings: list[Reading] = []
    for array, selection in pairs:
        with _naming(array):
            readings.append(_reading(array, await made_arrays_async(selection)))
    return readings


def prepare_sync(pairs: Iterable[tuple[AsyncArray[Any], Any]]) -> list[Reading]:
    """Check selections of arrays, as `prepare`; the calling thread computes what is lazy."""
    readings: list[Reading] = []
    for array, selection in pairs:
        with _naming(array):
            readings.append(_reading(array, made_arrays(selection)))
    return readings


def _reading(array: AsyncArray[Any], selection: Any) -> Reading:
    whole = ... if selection is None else selection
    indexer, fields, is_box = item_indexer(whole, array.shape, array._chunk_grid)
    check_fields(fields, array.dtype)
    return Reading(array, indexer, fields, is_box)


# --- reading ----------------------------------------------------------------------------


async def read_all(readings: Iterable[Reading]) -> list[NDArrayLikeOrScalar]:
    """Read selections of arrays at once.

    Parameters
    ----------
    readings : iterable of Reading
        What to read.

    Returns
    -------
    list
        The results in order.

    Raises
    ------
    Exception
        The first failure, with a note that names the array. Nothing is running any more then.
    """
    arrays = _Budget(_AT_ONCE)
    stores: dict[int, _Budget] = {}  # by identity: stores need not be hashable

    async def run(reading: Reading) -> NDArrayLikeOrScalar:
        with _naming(reading.array):
            share = 1 + reading.held_nbytes // _PART_NBYTES
            return await arrays.run(share, partial(within_store, reading))

    async def within_store(reading: Reading) -> NDArrayLikeOrScalar:
        store = _innermost(reading.array.store_path.store)
        if type(store).get_many is not Store.get_many:
            return await reading.run()
        # A bulk read by `get` takes all of `async.concurrency` for itself.
        concurrency = max(1, int(config.get("async.concurrency")))
        budget = stores.setdefault(id(store), _Budget(concurrency))
        in_parts = reading.array.codec_pipeline.supports_partial_decode
        # Of one shard there are several requests.
        share = concurrency if in_parts else reading.count_chunks(concurrency)
        return await budget.run(share, reading.run)

    return await concurrent_map(((reading,) for reading in readings), run, _AT_ONCE)


def read_all_sync(readings: list[Reading]) -> list[NDArrayLikeOrScalar]:
    """Read selections of arrays and wait for them.

    What is in stores that read in the calling thread is read there, one array after the other, as
    indexing them does; then all others at once.

    Parameters, results and errors are those of `read_all`.
    """
    refuse_at_the_end()
    others = [index for index, reading in enumerate(readings) if not reading.runs_here]
    if len(others) < 2:
        return [reading.run_sync() for reading in readings]
    results: dict[int, NDArrayLikeOrScalar] = {
        index: reading.run_sync() for index, reading in enumerate(readings) if reading.runs_here
    }
    results.update(zip(others, sync(read_all([readings[index] for index in others])), strict=True))
    return [results[index] for index in range(len(readings))]


class _Budget:
    """So much that may go on at once, of which each takes a share.

    Parameters
    ----------
    size : int
        All of it.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = asyncio.Semaphore(size)
        # Two that have taken half of what they need would wait for each other.
        self._turn = asyncio.Lock()

    async def run(self, share: int, function: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """Run a coroutine when so much is free, at most all; it is free again in the end."""
        taken = 0
        try:
            async with self._turn:
                while taken < min(share, self._size):
                    await self._left.acquire()
                    taken += 1
            return await function()
        finally:
            for _ in range(taken):
                self._left.release()


def _innermost(store: Store) -> Store:
    """Return the store that wrappers forward to."""
    while isinstance(store, WrapperStore):
        store = store._store
    return store


# --- functions of the package -----------------------------------------------------------


async def read_many(selections: Iterable[ArraySelection]) -> list[NDArrayLikeOrScalar]:
    """Read several arrays, or selections of them, at once.

    Over a store that merges requests, such as `FsspecStore`, they are fetched together, as the
    chunks of one array are.

    Parameters
    ----------
    selections : iterable
        Arrays, and pairs of an array and what indexing it takes, also names of fields. An array
        alone and a selection of None stand for the whole array. Stores and formats may differ.

    Returns
    -------
    list
        What ``array[selection]`` returns of each, in the same order.

    Raises
    ------
    TypeError
        If `selections` holds something else. Nothing is read then.
    IndexError
        If a selection is not valid, or out of bounds. Nothing is read then.
    ChunkNotFoundError
        If a chunk is absent and ``array.read_missing_chunks`` is off.
    Exception
        The first failure of a read; the others are cancelled. A note names the array.

    Notes
    -----
    At most 256 arrays are read at a time, fewer if they are large. The synchronous function reads
    what is in memory or in local files one array after the other, as a loop over them does.
    """
    return await read_all(await prepare(parse_selections(selections)))


def read_many_sync(selections: Iterable[ArraySelection]) -> list[NDArrayLikeOrScalar]:
    """Read several arrays and wait for them; see `read_many`."""
    return read_all_sync(prepare_sync(parse_selections(selections)))
