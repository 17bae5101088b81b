"""Repair of format 3 documents that earlier releases stored with an invalid chunk grid."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from zarr.core.metadata._chunk_grid import RectilinearChunkGridMetadata
from zarr.core.metadata.common import repair_chunk_shape, without_flags
from zarr.errors import ZarrUserWarning

if TYPE_CHECKING:
    from zarr.core.common import JSON


def repair_chunk_grid(document: Mapping[str, JSON], path: str | None) -> dict[str, JSON] | None:
    """Return a document with its chunk lengths repaired; None if no repair is needed.

    Earlier releases of zarr-python stored invalid regular grids. In these grids, an item of the
    chunk shape is 0, a boolean (``true`` for 1, ``false`` for 0), or a list of lengths. Only
    rectilinear grids allow such lists.
    """
    grid = document.get("chunk_grid")
    if not isinstance(grid, Mapping) or grid.get("name") != "regular":
        return None
    configuration = grid.get("configuration")
    if not isinstance(configuration, Mapping):
        return None
    stored = configuration.get("chunk_shape")
    plain = without_flags(stored)
    if _has_edges(plain):
        return {**document, "chunk_grid": cast("Any", _as_rectilinear(plain, path))}
    chunk_shape = repair_chunk_shape(
        document.get("shape"),
        plain,
        path=path,
        inner_chunk_shape=_inner_chunk_shape(document.get("codecs")),
    )
    if chunk_shape is None:
        if plain is stored:
            return None
        chunk_shape = cast("Any", plain)
    return {
        **document,
        "chunk_grid": {**grid, "configuration": {**configuration, "chunk_shape": chunk_shape}},
    }


def _has_edges(chunk_shape: object) -> bool:
    """Return whether a chunk shape mixes single lengths and lists of lengths."""
    if not isinstance(chunk_shape, list):
        return False
    listed = [isinstance(item, list) and all(type(n) is int for n in item) for item in chunk_shape]
    single = [type(item) is int and item > 0 for item in chunk_shape]
    return any(listed) and any(single) and all(map(operator.or_, listed, single))


def _as_rectilinear(chunk_shape: Any, path: str | None) -> RectilinearChunkGridMetadata:
    grid = RectilinearChunkGridMetadata(
        chunk_shapes=tuple(tuple(item) if isinstance(item, list) else item for item in chunk_shape)
    )
    axes = [axis for axis, item in enumerate(chunk_shape) if isinstance(item, list)]
    warnings.warn(
        f"{'The array' if path is None else f'Array {path!r}'} is stored with a chunk grid named "
        f"'regular' that has lists of chunk lengths (dimensions: {axes}). It is read as the "
        "rectilinear chunk grid that they make. `array.update_attributes({})` stores that, with "
        "`zarr.config.set({'array.rectilinear_chunks': True})`.",
        category=ZarrUserWarning,
        stacklevel=5,
    )
    return grid


def _inner_chunk_shape(codecs: JSON) -> list[int] | None:
    """Find the sharding codec in a JSON list of codecs, and return its inner chunk shape.

    Returns None if there is no sharding codec whose ``chunk_shape`` is a list of integers.
    """
    if not isinstance(codecs, list | tuple):
        return None
    for codec in codecs:
        if isinstance(codec, Mapping) and codec.get("name") == "sharding_indexed":
            configuration = codec.get("configuration")
            inner = configuration.get("chunk_shape") if isinstance(configuration, Mapping) else None
            if isinstance(inner, list) and all(type(length) is int for length in inner):
                return cast("list[int]", inner)
    return None
