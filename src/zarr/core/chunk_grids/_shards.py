"""The layout of stored chunks: plain chunks, or shards that contain chunks."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Final, NamedTuple

from zarr.core.chunk_grids._grid import ChunkGrid
from zarr.core.chunk_grids._normalize import normalize_chunks_nd
from zarr.core.common import product
from zarr.core.config import config
from zarr.errors import ZarrUserWarning

# Maximum size of automatically chosen inner chunks, in bytes. The limit ensures that a shard
# contains several inner chunks.
SHARDED_INNER_CHUNK_MAX_BYTES: Final = 1 << 20


class ChunkLayout(NamedTuple):
    """A grid of stored chunks, and the layout within each stored chunk.

    Parameters
    ----------
    outer_chunks : ChunkGrid
        The grid of the stored chunks or shards. Each stored chunk or shard has its own key.
    inner : ChunkLayout or None
        The layout of the inner chunks within a shard; None without sharding.
    """

    outer_chunks: ChunkGrid
    inner: ChunkLayout | None = None


def resolve_outer_and_inner_chunks(
    *,
    array_shape: tuple[int, ...],
    chunks: ChunkGrid,
    shard_shape: object,
    item_size: int,
) -> ChunkLayout:
    """Return the layout of stored chunks or shards, and of the chunks within shards.

    Parameters
    ----------
    array_shape : tuple of int
        Shape of the array in elements.
    chunks : ChunkGrid
        The grid of the chunks. With sharding, it is the grid of the inner chunks.
    shard_shape : None, "auto", mapping or what `normalize_chunks_nd` takes
        If `shard_shape` is None, the array has no shards. With ``"auto"``, the shape depends on the
        setting ``array.target_shard_size_bytes``. If the setting is None, a shard contains two
        chunks along each dimension that has more than eight whole chunks, and one chunk along each
        other dimension. If the setting is a size, a shard contains the same number of chunks along
        each dimension. This number is the largest for which the shard fits into the array and its
        decoded size does not exceed the setting. The number is at least 1, even if a shard of one
        chunk exceeds these limits. In a mapping, the value of the key ``"shape"`` is the shape of a
        shard. In a shape, -1 stands for the smallest multiple of the chunk length that covers the
        dimension.
    item_size : int
        Size of an element in bytes.

    Raises
    ------
    KeyError
        If `shard_shape` is a mapping without the key ``"shape"``.
    TypeError, ValueError
        If the shape of a shard is not valid, or if sharding is used and `chunks` is not regular.
    """
    if shard_shape is None:
        return ChunkLayout(chunks)
    if not chunks.is_regular:
        raise ValueError(
            "Rectilinear chunks with sharding is not supported. Use rectilinear shards instead: "
            "chunks=(inner_size, ...), shards=[[shard_sizes], ...]"
        )
    chunk_shape = chunks.chunk_shape
    given = shard_shape["shape"] if isinstance(shard_shape, Mapping) else shard_shape
    if isinstance(given, str) and given == "auto":
        warnings.warn(
            "Automatic shard shape inference is experimental and may change without notice.",
            ZarrUserWarning,
            stacklevel=2,
        )
        outer = ChunkGrid.from_sizes(
            array_shape, _guess_shards(array_shape, chunk_shape, item_size)
        )
    else:
        outer = normalize_chunks_nd(given, array_shape, chunk_shape)
    return ChunkLayout(outer, ChunkLayout(chunks))


def _guess_shards(
    array_shape: tuple[int, ...], chunk_shape: tuple[int, ...], item_size: int
) -> tuple[int, ...]:
    whole_chunks = [extent // size for extent, size in zip(array_shape, chunk_shape, strict=True)]
    target: int | None = config.get("array.target_shard_size_bytes")
    if target is None:
        return tuple(
            2 * size if count > 8 else size
            for size, count in zip(chunk_shape, whole_chunks, strict=True)
        )
    chunk_bytes = product(chunk_shape) * item_size
    factor = 1
    if chunk_shape and chunk_bytes > 0:
        ndim, most = len(chunk_shape), min(whole_chunks)
        while factor < most and (factor + 1) ** ndim * chunk_bytes <= target:
            factor += 1
    return tuple(factor * size for size in chunk_shape)
