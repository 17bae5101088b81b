"""Read selections of several arrays concurrently."""

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

# Maximum number of arrays that are read concurrently. This maximum limits the number of tasks, and
# the amount of data that is fetched but not yet decoded. `async.concurrency` is a separate limit,
# for the requests of a store. The maximum is large, because a store can merge the requests for many
# small arrays only if these arrays are read concurrently.
_AT_ONCE: Final = 256

# Size of one unit of the memory budget, in bytes. All reads of one call share `_AT_ONCE` units. If
# the size of one unit is not enough for a read, the read acquires several units. Therefore
# all reads of one call together need at most about `_AT_ONCE` times this size.
_PART_NBYTES: Final = 4 * MiB
# Maximum number of chunks that are counted to estimate the size of a read.
_MOST_COUNTED: Final = 32


@dataclass(frozen=True, slots=True)
class Reading:
    """A selection of an array that is validated, but not read yet.

    Parameters
    ----------
    array : AsyncArray
        Array to read.
    indexer : Indexer
        The selection.
    fields : str, list of str or None
        Fields of a structured data type to return; None to return whole elements.
    is_box : bool
        Whether a zero-dimensional result is returned as a scalar.
    """

    array: AsyncArray[Any]
    indexer: Indexer
    fields: Fields | None
    is_box: bool

    @property
    def held_nbytes(self) -> int:
        """Estimated upper bound of the encoded bytes that the read holds in memory."""
        itemsize = self.array.dtype.itemsize
        result = math.prod(self.indexer.shape) * itemsize
        if self.array.codec_pipeline.supports_partial_decode:
            return min(result, MAX_PENDING_BYTES)
        grid = self.array._chunk_grid
        chunk = math.prod([dimension.chunk_size(0) for dimension in grid.dimensions]) * itemsize
        chunks = 0
        # Whole chunks are fetched even for a small selection. At most `_MOST_COUNTED` chunks are
        # counted. If `_MOST_COUNTED` chunks need less than one unit of memory, or if `result` is at
        # least `MAX_PENDING_BYTES`, chunks are not counted.
        if result < MAX_PENDING_BYTES and chunk * _MOST_COUNTED >= _PART_NBYTES:
            chunks = chunk * self.count_chunks(_MOST_COUNTED)
        return min(max(result, chunks), max(chunk, MAX_PENDING_BYTES))

    @property
    def runs_here(self) -> bool:
        """Whether `run_sync` reads in the calling thread, without the event loop."""
        return access_of(self.array.store_path.store).reads_in_thread and hasattr(
            self.array.codec_pipeline, "read_sync"
        )

    def count_chunks(self, most: int) -> int:
        """Count the chunks or shards to read, up to the maximum count `most`."""
        return sum(1 for _ in islice(iter(self.indexer), most))

    async def run(self) -> NDArrayLikeOrScalar:
        """Read the selection asynchronously; `run_sync` reads it synchronously."""
        return await get_selection(self.array, self.indexer, fields=self.fields)

    def run_sync(self) -> NDArrayLikeOrScalar:
        """Read the selection synchronously, in the calling thread if possible."""
        with _naming(self.array):
            return get_selection_sync(self.array, self.indexer, fields=self.fields)


@contextmanager
def _naming(array: AsyncArray[Any]) -> Iterator[None]:
    """Add a note with the location of the array to errors raised in a ``with`` block."""
    try:
        yield
    except Exception as error:
        error.add_note(f"while reading the array {array.store_path}")
        raise


# --- validating selections --------------------------------------------------------------


def parse_selections(selections: object) -> list[tuple[AsyncArray[Any], Any]]:
    """Return pairs of an array and its selection.

    Raises
    ------
    TypeError
        If `selections` is not an iterable of arrays, or of pairs of an array and a selection.
    """
    # Arrays and groups are iterable. They are rejected, because iterating over them reads data.
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
    """Validate selections of arrays, without reading these arrays.

    Raises
    ------
    IndexError
        If a selection is invalid or out of bounds. The exception has a note that names the array.
    """
    readings: list[Reading] = []
    for array, selection in pairs:
        with _naming(array):
            readings.append(_reading(array, await made_arrays_async(selection)))
    return readings


def prepare_sync(pairs: Iterable[tuple[AsyncArray[Any], Any]]) -> list[Reading]:
    """Validate selections of arrays synchronously; see `prepare`.

    If an item of a selection is lazy, the calling thread computes the item.
    """
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
    """Read selections of arrays concurrently.

    Parameters
    ----------
    readings : iterable of Reading
        Planned reads.

    Returns
    -------
    list
        The results, in the order of `readings`.

    Raises
    ------
    Exception
        The first error that a read raises, with a note that names the array. This error is raised
        after all other reads have ended.
    """
    arrays = _Budget(_AT_ONCE)
    stores: dict[int, _Budget] = {}  # keyed by identity: stores need not be hashable

    async def run(reading: Reading) -> NDArrayLikeOrScalar:
        with _naming(reading.array):
            share = 1 + reading.held_nbytes // _PART_NBYTES
            return await arrays.run(share, partial(within_store, reading))

    async def within_store(reading: Reading) -> NDArrayLikeOrScalar:
        store = _innermost(reading.array.store_path.store)
        if type(store).get_many is not Store.get_many:
            return await reading.run()
        # With the default `get_many`, a single bulk read may use all requests that
        # `async.concurrency` allows.
        concurrency = max(1, int(config.get("async.concurrency")))
        budget = stores.setdefault(id(store), _Budget(concurrency))
        in_parts = reading.array.codec_pipeline.supports_partial_decode
        # A partial decode makes several requests per shard.
        share = concurrency if in_parts else reading.count_chunks(concurrency)
        return await budget.run(share, reading.run)

    return await concurrent_map(((reading,) for reading in readings), run, _AT_ONCE)


def read_all_sync(readings: list[Reading]) -> list[NDArrayLikeOrScalar]:
    """Read selections of arrays synchronously.

    Arrays that can be read in the calling thread are read there, one after another; see
    `Reading.runs_here`. Each of these reads works like ``array[selection]``. If at least two
    arrays cannot be read in the calling thread, those arrays are then read concurrently.

    See `read_all` for parameters, results and errors.
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
    """A fair semaphore that lets a task acquire several units together.

    Parameters
    ----------
    size : int
        Total number of units.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = asyncio.Semaphore(size)
        # Only the task that holds this lock acquires units. Otherwise two tasks could deadlock:
        # each of them could hold a part of its units and wait for the rest.
        self._turn = asyncio.Lock()

    async def run(self, share: int, function: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """Run a coroutine while holding `share` units, or all units if there are fewer."""
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
    """Return the store itself, or the innermost store if the store is a wrapper."""
    while isinstance(store, WrapperStore):
        store = store._store
    return store


# --- public functions -------------------------------------------------------------------


async def read_many(selections: Iterable[ArraySelection]) -> list[NDArrayLikeOrScalar]:
    """Read several arrays, or selections of them, concurrently.

    A store that merges requests for the chunks of one array, such as `FsspecStore`, also merges
    requests for different arrays.

    Parameters
    ----------
    selections : iterable
        Arrays, or pairs of an array and a selection. A selection is anything that can index the
        array, including field names. An array without a selection, or with the selection None, is
        read completely. The arrays may belong to different stores and have different formats.

    Returns
    -------
    list
        Result of ``array[selection]`` for each item, in the same order.

    Raises
    ------
    TypeError
        If an item of `selections` is neither an array nor a pair of an array and a selection. The
        error is raised before anything is read.
    IndexError
        If a selection is invalid or out of bounds. The error is raised before anything is read.
    ChunkNotFoundError
        If a chunk is absent and ``array.read_missing_chunks`` is off.
    Exception
        The first error that a read raises, with a note that names the array. All other reads are
        cancelled.

    Notes
    -----
    At most 256 arrays are read at a time, or fewer if the arrays are large. If arrays are stored in
    memory or in local files, the synchronous function reads them one after another, like a loop
    over the arrays.
    """
    return await read_all(await prepare(parse_selections(selections)))


def read_many_sync(selections: Iterable[ArraySelection]) -> list[NDArrayLikeOrScalar]:
    """Read several arrays synchronously; see `read_many`."""
    return read_all_sync(prepare_sync(parse_selections(selections)))
