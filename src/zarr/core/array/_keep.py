"""The parameters of a new array that is to be like another one; kept for others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarr.core.array._build import resolve_zarr_format
from zarr.core.array._filling import array_of
from zarr.core.array._source import settle_parameters
from zarr.core.metadata.common import copied

if TYPE_CHECKING:
    from typing import Literal

    from zarr.core.array._types import CompressorsLike, FiltersLike, SerializerLike, ShardsLike
    from zarr.core.chunk_key_encodings import ChunkKeyEncodingLike
    from zarr.core.common import JSON, ChunksLike, DimensionNames, MemoryOrder, ZarrFormat


def _parse_keep_array_attr(
    data: Any,
    chunks: ChunksLike | Literal["auto", "keep"],
    shards: ShardsLike | Literal["keep"] | None,
    filters: FiltersLike | Literal["keep"],
    compressors: CompressorsLike | Literal["keep"],
    serializer: SerializerLike | Literal["keep"],
    fill_value: Any,
    order: MemoryOrder | None,
    zarr_format: ZarrFormat | None,
    chunk_key_encoding: ChunkKeyEncodingLike | None,
    dimension_names: DimensionNames,
    attributes: dict[str, JSON] | None,
) -> tuple[Any, ...]:
    """Return the parameters of `create_array` for an array like another one.

    Parameters
    ----------
    data : Array, AsyncArray or array-like
        The other one.
    chunks : ChunksLike or {"auto", "keep"}
        Shape of the chunks in elements. ``"keep"`` asks for what `data` has.
    shards : ShardsLike, "keep" or None
        Shape of the shards in elements; None for none. ``"keep"`` asks for what `data` has.
    filters : FiltersLike or "keep"
        Codecs from array to array. ``"keep"`` asks for what `data` has.
    compressors : CompressorsLike or "keep"
        Codecs from bytes to bytes. ``"keep"`` asks for what `data` has.
    serializer : SerializerLike or "keep"
        The codec from array to bytes. ``"keep"`` asks for what `data` has.
    fill_value : scalar or None
        As for `from_array`, as are the others.
    order : {"C", "F"} or None
        Memory layout of what reading returns.
    zarr_format : {2, 3} or None
        None for that of `data`.
    chunk_key_encoding : ChunkKeyEncodingLike or None
        How chunks are named.
    dimension_names : sequence of str or None, or None
        Names of the dimensions.
    attributes : dict or None
        The attributes; None for those of `data`.

    Returns
    -------
    tuple
        The parameters from `chunks` to `attributes`, in this order. Codecs that are kept are None
        where there are none; shards that are kept are a shape, or, where their index lies at the
        start, a shape and that.

    Raises
    ------
    ValueError
        If there is no such format.
    """
    given = {name: value for name, value in locals().items() if name != "data"}
    source = array_of(data)
    if zarr_format is None:
        zarr_format = 3 if source is None else source.metadata.zarr_format
    given["zarr_format"] = resolve_zarr_format(zarr_format)
    settled = settle_parameters(source, given)
    for name in ("filters", "compressors"):
        if settled[name] is not given[name]:
            settled[name] = settled[name] or None
    kept = settled["shards"]
    if kept is not shards and kept is not None and kept["index_location"] == "end":
        settled["shards"] = kept["shape"]
    if attributes is None:
        settled["attributes"] = copied(settled["attributes"])
    return tuple(settled[name] for name in given)
