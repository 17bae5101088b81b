"""Parameters of a new array that keeps properties of an existing array.

The function in this module exists only for compatibility; this library does not call it.
"""

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
    """Return the parameters of `create_array` for a new array that keeps properties of `data`.

    Parameters
    ----------
    data : Array, AsyncArray or array-like
        Array that provides the parameters to keep.
    chunks : ChunksLike or {"auto", "keep"}
        Shape of the chunks in elements. ``"keep"`` uses the chunks of `data`.
    shards : ShardsLike, "keep" or None
        Shape of the shards in elements; None means no shards. ``"keep"`` uses the shards of `data`.
    filters : FiltersLike or "keep"
        Array-to-array codecs. ``"keep"`` uses the codecs of `data`.
    compressors : CompressorsLike or "keep"
        Bytes-to-bytes codecs. ``"keep"`` uses the codecs of `data`.
    serializer : SerializerLike or "keep"
        Array-to-bytes codec. ``"keep"`` uses the codec of `data`.
    fill_value : scalar or None
        Fill value. See `from_array` for details of this and the other parameters.
    order : {"C", "F"} or None
        Memory layout of encoded chunks, format 2 only; None means the layout of `data`.
    zarr_format : {2, 3} or None
        Format of the new array; None means the format of `data`.
    chunk_key_encoding : ChunkKeyEncodingLike or None
        Encoding of the chunk keys of the new array.
    dimension_names : sequence of str or None, or None
        Names of the dimensions.
    attributes : dict or None
        User attributes; None means the attributes of `data`.

    Returns
    -------
    tuple
        The values of the parameters from `chunks` to `attributes`, in the order of the signature.
        If filters are kept and `data` has none, the value of `filters` is None. If compressors are
        kept and `data` has none, the value of `compressors` is None. If the shards of `data` are
        kept, the value of `shards` is their shape. If the shard index is stored at the start of a
        shard, the value is instead a dictionary with ``shape`` and ``index_location``.

    Raises
    ------
    ValueError
        If `zarr_format` is not valid.
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
