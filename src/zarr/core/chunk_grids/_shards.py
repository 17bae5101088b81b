"""What is stored under one key: a chunk, or a shard that holds chunks."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from zarr.core.chunk_grids._grid import ChunkGrid
from zarr.core.chunk_grids._normalize import normalize_chunks_nd
from zarr.core.common import product
from zarr.core.config import config
from zarr.errors import ZarrUserWarning

# Upper bound in bytes of chunks that are chosen together with their shards: a shard has several.
SHARDED_INNER_CHUNK_MAX_BYTES: Final = 1 << 20


class ChunkLayout(NamedTuple):
    """Chunks, and the chunks within them.

    Parameters
    ----------
    outer_chunks : ChunkGrid
        The grid of what is stored under one key each.
    inner : ChunkLayout or None
        The layout within an outer chunk, a shard; None without sharding.
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
    """Return what is stored under one key, and the chunks within it.

    Parameters
    ----------
    array_shape : tuple of int
        Shape of the array in elements.
    chunks : ChunkGrid
        The chunks; with shards, the chunks within them.
    shard_shape : None, "auto", mapping or what `normalize_chunks_nd` takes
        None for no shards, so that chunks are stored. ``"auto"`` joins chunks up to the configured
        ``array.target_shard_size_bytes``, or, where that is None, two along each dimension of more
        than eight chunks. A mapping has the shape under the key ``"shape"``. Along a dimension, -1
        stands for whole chunks that cover it.
    item_size : int
        Size of an element in bytes.

    Raises
    ------
    KeyError
        If a mapping has no shape.
    TypeError, ValueError
        If the shape is not valid, or chunks within shards are not regular.
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
    target: int | Literal["auto"] | None = config.get("array.target_shard_size_bytes")
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
