"""Find the stored chunks of an array, and compute the number of stored bytes."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from zarr.core.chunk_key_encodings import V2ChunkKeyEncoding
from zarr.core.common import closing, concurrent_map
from zarr.core.metadata import ArrayV3Metadata

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from zarr.core.array._async import AsyncArray
    from zarr.storage._common import StorePath

Coords = tuple[int, ...]


async def initialized_chunks(array: AsyncArray[Any]) -> list[Coords]:
    """Return the grid positions of stored chunks, or of stored shards in a sharded array.

    If the store supports listing and chunk keys can be decoded, the keys below the array are
    listed, so the cost depends on the number of stored keys. Otherwise the store is asked, once for
    each grid position, whether the key of the chunk exists.

    Parameters
    ----------
    array : AsyncArray
        The array.

    Returns
    -------
    list of tuple of int
        Grid positions in no particular order.
    """
    if can_list_chunks(array):
        return [coords async for coords in stored_chunks(array)]
    every = [(coords,) for coords in array._chunk_grid.all_chunk_coords()]

    async def is_stored(coords: Coords) -> bool:
        place: StorePath = array.store_path / array.metadata.encode_chunk_key(coords)
        return await place.exists()

    stored = await concurrent_map(every, is_stored)
    return [coords for (coords,), there in zip(every, stored, strict=True) if there]


def can_list_chunks(array: AsyncArray[Any]) -> bool:
    """Return whether the stored chunks can be found by listing the store."""
    return array.store.supports_listing and _key_decoder(array) is not None


async def stored_chunks(array: AsyncArray[Any]) -> AsyncIterator[Coords]:
    """Yield the grid positions of stored chunks, in the order in which the store lists the keys."""
    decode = _key_decoder(array)
    assert decode is not None
    async with closing(_keys_below(array)) as keys:
        async for key in keys:
            if (coords := decode(key)) is not None:
                yield coords


async def _keys_below(array: AsyncArray[Any]) -> AsyncIterator[str]:
    prefix = f"{array.path}/" if array.path else ""
    async with closing(array.store.list_prefix(prefix)) as keys:
        async for key in keys:
            yield key[len(prefix) :]


def _key_decoder(array: AsyncArray[Any]) -> Callable[[str], Coords | None] | None:
    """Return a function that converts a chunk key to a grid position, and any other key to None.

    If the array has dimensions and the chunk key encoding cannot decode keys, return None instead
    of a function.
    """
    metadata, grid_shape = array.metadata, array._chunk_grid.grid_shape
    if isinstance(metadata, ArrayV3Metadata):
        encoding = metadata.chunk_key_encoding
    else:
        encoding = V2ChunkKeyEncoding(separator=metadata.dimension_separator)
    if not grid_shape:
        only = metadata.encode_chunk_key(())
        return lambda key: () if key == only else None
    try:
        encoding.decode_chunk_key(metadata.encode_chunk_key((0,) * len(grid_shape)))
    except NotImplementedError:
        return None

    def decode(key: str) -> Coords | None:
        try:
            coords = encoding.decode_chunk_key(key)
        except ValueError:
            return None
        inside = len(coords) == len(grid_shape) and all(
            index < count for index, count in zip(coords, grid_shape)
        )
        # A key such as c/00 can be decoded, but it is not the key of a chunk.
        return coords if inside and metadata.encode_chunk_key(coords) == key else None

    return decode


def chunks_within(array: AsyncArray[Any], coords: Coords) -> int:
    """Return the number of chunks in a shard; 1 for an array without shards."""
    metadata = array.metadata
    sharding = metadata.sharding_codec if isinstance(metadata, ArrayV3Metadata) else None
    if sharding is None:
        return 1
    return prod(
        dimension.chunk_size(index) // size
        for dimension, index, size in zip(
            array._chunk_grid.dimensions, coords, sharding.chunk_shape, strict=True
        )
    )


async def nchunks_initialized(array: AsyncArray[Any]) -> int:
    """Return the number of stored chunks.

    In an array with shards, all inner chunks of a stored shard are counted, although some of the
    inner chunks may be absent.
    """
    return sum(chunks_within(array, coords) for coords in await initialized_chunks(array))


async def nbytes_stored(array: AsyncArray[Any]) -> int:
    """Return the total size in bytes of all values stored for the array, including metadata."""
    return await array.store.getsize_prefix(array.path)
