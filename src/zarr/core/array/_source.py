"""Parameters of new arrays that are made from existing arrays."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, cast

from zarr.core.array._types import DEFAULT_FILL_VALUE
from zarr.core.chunk_grids import FixedDimension, RectilinearChunks
from zarr.core.metadata import ArrayV2Metadata
from zarr.core.metadata.v3 import RegularChunkGridMetadata
from zarr.errors import ZarrUserWarning
from zarr.storage import LocalStore, MemoryStore, WrapperStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zarr.core.array._async import AsyncArray
    from zarr.core.chunk_grids import DimensionGrid, VaryingDimension
    from zarr.storage._common import StorePath

_KEPT = ("chunks", "shards", "filters", "compressors", "serializer")


def settle_parameters(source: AsyncArray[Any] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a new array, with some values copied from the source.

    Parameters
    ----------
    source : AsyncArray or None
        Array of this library that provides the elements; None if the elements come from other data.
    given : mapping
        Parameters of `from_array` that describe the new array; ``zarr_format`` must be 2 or 3. The
        following values are replaced with the same parameter of the source: the value ``"keep"``;
        the value None of ``attributes``, ``dimension_names``, ``chunk_key_encoding`` and ``order``;
        the value `DEFAULT_FILL_VALUE` of ``fill_value``. There are two exceptions. Codecs and chunk
        key encoding are copied only if the source has the format ``zarr_format``. The order is
        copied only if ``zarr_format`` is 2. If ``"keep"`` cannot be replaced in this way, it is
        replaced with the default of `create_array`. If `source` is None, no other value is
        replaced.

    Warns
    -----
    ZarrUserWarning
        If the source is a format 2 array in Fortran order and the new array has format 3.
    """
    settled = dict(given)
    keep = {name for name in _KEPT if isinstance(given[name], str) and given[name] == "keep"}
    if source is None:
        settled |= dict.fromkeys(keep, "auto")
        if "shards" in keep:
            settled["shards"] = None
        return settled
    zarr_format = given["zarr_format"]
    same_format = source.metadata.zarr_format == zarr_format
    own = _parameters_of(source)
    for name in keep:
        portable = same_format or name in ("chunks", "shards")
        settled[name] = own[name] if portable else "auto"
    if given["fill_value"] is DEFAULT_FILL_VALUE:
        settled["fill_value"] = source.metadata.fill_value
    for name in ("attributes", "dimension_names"):
        if given[name] is None:
            settled[name] = own[name]
    if given["chunk_key_encoding"] is None and same_format:
        settled["chunk_key_encoding"] = own["chunk_key_encoding"]
    if zarr_format == 2:
        if given["order"] is None:
            settled["order"] = source.order
    elif isinstance(source.metadata, ArrayV2Metadata) and source.order == "F":
        warnings.warn(
            "The 'order' attribute of a Zarr format 2 array does not have a direct analogue in "
            f"Zarr format 3. The existing order='{source.order}' of the source Zarr format 2 "
            "array will be ignored.",
            ZarrUserWarning,
            stacklevel=4,
        )
    return settled


def _parameters_of(source: AsyncArray[Any]) -> dict[str, Any]:
    metadata = source.metadata
    own: dict[str, Any] = {
        "attributes": metadata.attributes,
        "filters": source.filters,
        "compressors": source.compressors,
        "shards": None,
    }
    outer: tuple[Any, ...] = tuple(map(_lengths, source._chunk_grid.dimensions))
    if isinstance(metadata, ArrayV2Metadata):
        encoding = {"name": "v2", "separator": metadata.dimension_separator}
        return own | {
            "chunks": outer,
            "serializer": "auto",
            "dimension_names": None,
            "chunk_key_encoding": encoding,
        }
    sharding = metadata.sharding_codec
    if not isinstance(metadata.chunk_grid, RegularChunkGridMetadata):
        outer = RectilinearChunks(outer)
    own |= {
        "chunks": outer if sharding is None else sharding.chunk_shape,
        "serializer": source.serializer,
        "dimension_names": metadata.dimension_names,
        "chunk_key_encoding": metadata.chunk_key_encoding,
    }
    if sharding is not None:
        own["shards"] = {"shape": outer, "index_location": sharding.index_location}
    return own


def _lengths(dimension: DimensionGrid) -> int | VaryingDimension:
    # Use the lengths of stored chunks, including the padding beyond the end of the array.
    return dimension.size if isinstance(dimension, FixedDimension) else cast("Any", dimension)


def refuse_overlap(source: AsyncArray[Any], target: StorePath) -> None:
    """Raise an error if overwriting the target would delete the source of a copy.

    Parameters
    ----------
    source : AsyncArray
        Array that is copied.
    target : StorePath
        Location that the copy overwrites.

    Raises
    ------
    ValueError
        If the source is stored at or below the target.
    """
    (store, parts), (target_store, target_parts) = map(_location, (source.store_path, target))
    same = store is target_store or store == target_store
    if same and parts[: len(target_parts)] == target_parts:
        raise ValueError(
            f"Cannot overwrite {target.path!r} with the array at {source.path!r} because the paths "
            "overlap. Write to a different path, or pass data=array[...]."
        )


def _location(place: StorePath) -> tuple[object, tuple[str, ...]]:
    """Return a pair for a location: an identifier of its storage, and its path in that storage.

    Two memory stores may compare equal although their storage is distinct. Two local stores with
    different roots may contain the same directory.
    """
    store = place.store
    while isinstance(store, WrapperStore):
        store = store._store
    parts = tuple(place.path.split("/")) if place.path else ()
    if isinstance(store, MemoryStore):
        return id(store._store_dict), parts
    if isinstance(store, LocalStore):
        return "file", (*store.root.resolve().parts, *parts)
    return store, parts
