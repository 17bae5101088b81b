"""Copy all elements of a stored array into another array of the same shape.

If both arrays encode chunks in the same way, the encoded chunks are copied. Otherwise chunks are
read, decoded, encoded and written, several neighbouring chunks at a time. In this way bulk reads
and bulk writes are used, but the whole array is never in memory at once.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import closing as closing_sync
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from zarr.abc._store_access import read_method
from zarr.core._fetch import Outstanding
from zarr.core._overrides import is_overridden
from zarr.core.array._batch import chunk_places
from zarr.core.array._read import plan_read, read, read_sync
from zarr.core.array._selection import (
    get_selection,
    get_selection_sync,
    set_selection,
    set_selection_sync,
)
from zarr.core.buffer import cpu, default_buffer_prototype
from zarr.core.chunk_grids import FixedDimension, positions
from zarr.core.codec_pipeline import BatchedCodecPipeline, FusedCodecPipeline
from zarr.core.common import closing, concurrent_foreach, product
from zarr.core.config import config
from zarr.core.indexing import BasicIndexer
from zarr.core.metadata import ArrayV3Metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zarr.core.array._async import AsyncArray
    from zarr.core.buffer import Buffer
    from zarr.core.chunk_grids import DimensionGrid
    from zarr.core.metadata import ArrayMetadata
    from zarr.storage._common import StorePath

    Coords = tuple[int, ...]
    Region = tuple[slice, ...]

# Approximate maximum size, in decoded bytes, of a region that is copied in one step. A region of
# large chunks may exceed this size, so that it contains about half as many chunks as the maximum
# number of requests in flight; see `boxes`.
_TOGETHER_BYTES = 16 * 2**20

# Number of encoded chunks that one bulk read requests. The store limits the number of reads in
# flight.
_ASKED_TOGETHER = 1024

# Metadata fields that do not affect the encoded chunks.
_NOT_ENCODED = {"attributes", "dimension_names", "chunk_key_encoding", "dimension_separator"}


def concurrency() -> int:
    """Return the configured maximum number of requests in flight per operation."""
    return max(1, int(config.get("async.concurrency")))


async def copy(source: AsyncArray[Any], target: AsyncArray[Any]) -> None:
    """Copy all elements; see `copy_sync`.

    While one part is read, the previous part is written. The copy has at most as many reads in
    flight as a single read operation, and at most as many writes as a single write operation.
    """
    if not encodes_alike(source, target):
        await _copy_decoded(source, target, boxes(target))
        return
    for coords in _portions(target):
        absent: list[Coords] = []
        arrived: list[tuple[StorePath, Buffer]] = []
        kept = [*chunk_places(target, coords)]
        outstanding = Outstanding(len(coords))
        batches = read_method(source.store, "get_many")(
            _keys(source, coords), prototype=default_buffer_prototype()
        )
        async with closing(batches):
            async for batch in batches:
                for index, encoded in batch:
                    outstanding.answered(index)
                    if encoded is None:
                        absent.append(coords[index])
                    else:
                        arrived.append((kept[index], _owned(encoded)))
                if len(arrived) >= concurrency():
                    await concurrent_foreach(arrived, _set, None)
                    arrived = []
        outstanding.check(partial(_chunk_of, source, coords))
        await concurrent_foreach(arrived, _set, None)
        if absent and _absence_matters(source, target):
            await _copy_decoded(source, target, _regions(target, absent))


async def _set(place: StorePath, encoded: Buffer) -> None:
    await place.set(encoded)


async def _copy_decoded(
    source: AsyncArray[Any], target: AsyncArray[Any], regions: Iterable[Region]
) -> None:
    reading, writing = asyncio.Lock(), asyncio.Lock()

    async def move(region: Region) -> None:
        async with reading:
            elements = await _take(source, region)
        async with writing:
            await set_selection(target, _box(target, region), elements)

    await concurrent_foreach(((region,) for region in regions), move, 2)


def copy_sync(source: AsyncArray[Any], target: AsyncArray[Any]) -> None:
    """Copy all elements in the calling thread.

    Parameters
    ----------
    source : AsyncArray
        Array to copy, in a store that the calling thread can read.
    target : AsyncArray
        New array of the same shape, without stored chunks. Its store must be writable in the
        calling thread.

    Raises
    ------
    ChunkNotFoundError
        If a chunk is absent and ``array.read_missing_chunks`` of the source is off.
    Exception
        If a chunk cannot be read, decoded, encoded or written. Chunks that were already copied stay
        in the store.
    """
    if not encodes_alike(source, target):
        _copy_decoded_sync(source, target, boxes(target))
        return
    for coords in _portions(target):
        absent: list[Coords] = []
        kept = [*chunk_places(target, coords)]
        outstanding = Outstanding(len(coords))
        batches: Any = source.store._get_many_sync(
            _keys(source, coords), prototype=default_buffer_prototype()
        )
        with closing_sync(batches):
            for batch in batches:
                for index, encoded in batch:
                    outstanding.answered(index)
                    if encoded is None:
                        absent.append(coords[index])
                    else:
                        kept[index].set_sync(_owned(encoded))
        outstanding.check(partial(_chunk_of, source, coords))
        if absent and _absence_matters(source, target):
            _copy_decoded_sync(source, target, _regions(target, absent))


def _chunk_of(source: AsyncArray[Any], coords: Sequence[Coords], index: int) -> str:
    (place,) = chunk_places(source, [coords[index]])
    return f"the chunk {place}"


def _copy_decoded_sync(
    source: AsyncArray[Any], target: AsyncArray[Any], regions: Iterable[Region]
) -> None:
    for region in regions:
        set_selection_sync(target, _box(target, region), _take_sync(source, region))


async def _take(source: AsyncArray[Any], region: Region) -> Any:
    if is_overridden(source, "_get_selection"):
        return await get_selection(source, _box(source, region))
    # Do not convert a zero-dimensional array to a scalar: the scalar could be an object that would
    # be mistaken for an array.
    return (await read(plan_read(source, _box(source, region)))).as_ndarray_like()


def _take_sync(source: AsyncArray[Any], region: Region) -> Any:
    if is_overridden(source, "_get_selection"):
        return get_selection_sync(source, _box(source, region))
    return read_sync(plan_read(source, _box(source, region))).as_ndarray_like()


def _box(array: AsyncArray[Any], region: Region) -> BasicIndexer:
    return BasicIndexer(region, array.shape, array._chunk_grid)


# --- copying encoded chunks -------------------------------------------------------------


def encodes_alike(source: AsyncArray[Any], target: AsyncArray[Any]) -> bool:
    """Return whether encoded chunks of one array can be copied to another array unchanged.

    The metadata documents of both arrays must contain the same grid, data type, fill value and
    codecs. The pipeline of each array must be an instance of one of the two pipeline classes of
    this library. An instance of a subclass is not sufficient, because a subclass may do more than
    apply the codecs. The method that reads the source and the method that writes the target must
    not be overridden.

    A chunk is empty if all its elements equal the fill value. The setting
    ``array.write_empty_chunks`` decides whether empty chunks are stored. If this setting is on for
    the source and off for the target, the result is False, because empty chunks are found only by
    decoding. If it is off for the source and on for the target, the result is False for arrays with
    shards, because the shards of the source may lack empty chunks.
    """
    if is_overridden(source, "_get_selection") or is_overridden(target, "_set_selection"):
        return False
    pipelines = (BatchedCodecPipeline, FusedCodecPipeline)
    if not (type(source.codec_pipeline) in pipelines and type(target.codec_pipeline) in pipelines):
        return False
    keeps, shall_keep = (array.config.write_empty_chunks for array in (source, target))
    if keeps and not shall_keep:
        return False
    metadata: ArrayMetadata = target.metadata
    sharded = isinstance(metadata, ArrayV3Metadata) and metadata.sharding_codec is not None
    if sharded and shall_keep and not keeps:
        return False
    return _encoding(source.metadata) == _encoding(metadata)


def _encoding(metadata: ArrayMetadata) -> str:
    """Return the metadata that affect encoded chunks, as JSON text.

    The text of -0.0 differs from the text of 0.0, although the two numbers are equal in Python.
    """
    document = {key: item for key, item in metadata.to_dict().items() if key not in _NOT_ENCODED}
    return json.dumps(document, sort_keys=True, default=repr)


def _absence_matters(source: AsyncArray[Any], target: AsyncArray[Any]) -> bool:
    """Return whether absent chunks of the source require an action: a write or an error.

    If ``array.write_empty_chunks`` of the target is on, chunks of fill values must be written to
    the target. If ``array.read_missing_chunks`` of the source is off, an absent chunk must raise an
    error. Otherwise absent chunks can be skipped.
    """
    return target.config.write_empty_chunks or not source.config.read_missing_chunks


def _portions(array: AsyncArray[Any]) -> Iterator[list[Coords]]:
    every = array._chunk_grid.all_chunk_coords()
    return iter(lambda: list(islice(every, _ASKED_TOGETHER)), [])


def _keys(array: AsyncArray[Any], coords: Sequence[Coords]) -> list[str]:
    return [place.path for place in chunk_places(array, coords)]


def _regions(array: AsyncArray[Any], coords: Iterable[Coords]) -> Iterator[Region]:
    """Yield the region of each chunk, in elements."""
    once = (1,) * array.ndim
    for at in coords:
        yield from array._chunk_grid.iter_chunk_regions(origin=at, selection_shape=once)


def _owned(encoded: Buffer) -> Buffer:
    """Return the bytes in a buffer that no other code can change; copy them if necessary."""
    if not isinstance(encoded, cpu.Buffer):
        return encoded
    data = encoded.as_numpy_array()
    owner: Any = data.base
    return encoded if type(owner) is bytes else type(encoded).from_bytes(data.tobytes())


# --- regions of several chunks ----------------------------------------------------------


def boxes(array: AsyncArray[Any]) -> Iterator[Region]:
    """Yield regions that consist of whole stored chunks and together cover the array.

    The number of chunks in a region is approximately the larger of two numbers: the number of
    decoded chunks that fit into 16 MiB, and half of the maximum number of requests in flight. The
    maximum is halved because one region can be read while another region is written.

    Parameters
    ----------
    array : AsyncArray
        The array.
    """
    grid = array._chunk_grid
    dtype = array.dtype
    counts: list[int] = []
    largest = product(tuple(map(_longest, grid.dimensions)))
    room = concurrency() // 2
    if not (dtype.hasobject or dtype.kind == "T"):  # the size of these elements is not known
        room = max(room, _TOGETHER_BYTES // max(1, largest * dtype.itemsize))
    for number in reversed(grid.grid_shape):
        counts.insert(0, max(1, min(number, room)))
        room //= counts[0]
    for at in positions([range(-(-n // count)) for n, count in zip(grid.grid_shape, counts)]):
        yield tuple(
            _span(dimension, first * count, min((first + 1) * count, dimension.nchunks) - 1)
            for dimension, first, count in zip(grid.dimensions, at, counts)
        )


def _longest(dimension: DimensionGrid) -> int:
    if isinstance(dimension, FixedDimension):
        return dimension.size
    return max(map(dimension.chunk_size, range(dimension.nchunks)), default=1)


def _span(dimension: DimensionGrid, first: int, last: int) -> slice:
    """Return the slice, in elements, that neighbouring chunks cover along a dimension."""
    return slice(
        dimension.chunk_offset(first), dimension.chunk_offset(last) + dimension.data_size(last), 1
    )
