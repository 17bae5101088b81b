"""Parse the metadata, codecs and chunks that a user passes as arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec
from zarr.core.array._defaults import (
    default_compressor_v2,
    default_compressors_v3,
    default_filters_v2,
    default_serializer_v3,
)
from zarr.core.chunk_grids import (
    SHARDED_INNER_CHUNK_MAX_BYTES,
    ChunkLayout,
    guess_chunks,
    normalize_chunks_nd,
    resolve_outer_and_inner_chunks,
)
from zarr.core.dtype.common import HasItemSize, HasObjectCodec
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata
from zarr.core.metadata.v2 import get_object_codec_id, parse_compressor, parse_filters
from zarr.core.metadata.v3 import parse_node_type_array
from zarr.errors import MetadataValidationError
from zarr.registry import get_codec_class, get_numcodec

if TYPE_CHECKING:
    from zarr.abc.codec import Codec
    from zarr.abc.numcodec import Numcodec
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType
    from zarr.core.metadata import ArrayMetadata

_C = TypeVar("_C", ArrayArrayCodec, BytesBytesCodec)


# --- metadata documents -----------------------------------------------------------------


def parse_array_metadata(data: object, path: str | None = None) -> ArrayMetadata:
    """Convert the JSON form of array metadata to a metadata object.

    Parameters
    ----------
    data : dict, ArrayV2Metadata or ArrayV3Metadata
        A parsed ``zarr.json`` document, or a parsed ``.zarray`` document with the content of
        ``.zattrs`` under the key ``attributes``. A metadata object is returned unchanged.
    path : str or None
        Location of the document, for error messages; None if the location is unknown.

    Raises
    ------
    NodeTypeValidationError
        If a ``zarr.json`` document does not describe an array.
    MetadataValidationError
        If the format is neither 2 nor 3.
    TypeError, ValueError
        If `data` has an unsupported type, or is not valid.
    """
    if isinstance(data, ArrayV2Metadata | ArrayV3Metadata):
        return data
    if not isinstance(data, Mapping):
        raise TypeError(f"Expected array metadata or their JSON object, got {type(data)}.")
    zarr_format = data.get("zarr_format")
    if zarr_format == 3:
        parse_node_type_array(data.get("node_type"))
        return ArrayV3Metadata.from_dict(data, path=path)
    if zarr_format == 2:
        return ArrayV2Metadata.from_dict(data, path=path)
    raise MetadataValidationError(f"Invalid zarr_format: {zarr_format}. Expected 2 or 3")


# --- chunks and shards ------------------------------------------------------------------


def item_size(dtype: ZDType[TBaseDType, TBaseScalar]) -> int:
    """Return the size of an element in bytes; 1 for a data type of variable length."""
    return dtype.item_size if isinstance(dtype, HasItemSize) else 1


def parse_chunk_layout(
    chunks: object, shards: object, shape: tuple[int, ...], dtype: ZDType[TBaseDType, TBaseScalar]
) -> ChunkLayout:
    """Return the layout of a new array: its chunks, or its shards and the chunks within a shard.

    Parameters
    ----------
    chunks : "auto" or what `normalize_chunks_nd` takes
        Shape of the chunks in elements. ``"auto"`` chooses the shape from the size of the array.
        The chosen chunks are smaller if `shards` is also ``"auto"``.
    shards : None, "auto", mapping or what `normalize_chunks_nd` takes
        Shape of the shards in elements; None means no shards.
    shape : tuple of int
        Shape of the array in elements.
    dtype : ZDType
        Data type of the array.

    Raises
    ------
    TypeError, ValueError
        If `chunks` or `shards` is not valid, or does not fit `shape`.
    """
    nbytes = item_size(dtype)
    if isinstance(chunks, str) and chunks == "auto":
        choose_both = isinstance(shards, str) and shards == "auto"
        limit = SHARDED_INNER_CHUNK_MAX_BYTES if choose_both else None
        grid = guess_chunks(shape, nbytes, max_bytes=limit)
    else:
        grid = normalize_chunks_nd(chunks, shape)
    return resolve_outer_and_inner_chunks(
        array_shape=shape, chunks=grid, shard_shape=shards, item_size=nbytes
    )


# --- codecs of format 2 -----------------------------------------------------------------


def parse_codecs_v2(
    filters: object, compressors: object, dtype: ZDType[TBaseDType, TBaseScalar]
) -> tuple[tuple[Numcodec, ...] | None, Numcodec | None]:
    """Return the filters and the compressor of a format 2 array.

    Parameters
    ----------
    filters : FiltersLike
        Filters, as passed by the user.
    compressors : CompressorsLike
        Compressors, as passed by the user.
    dtype : ZDType
        Data type of the array.

    Raises
    ------
    TypeError
        If a filter is not a numcodecs codec, or if more than one compressor is given.
    ValueError
        If the compressor is not a numcodecs codec, or if the data type requires a codec for objects
        and no such codec is given.
    """
    chosen = _filters_v2(filters, dtype)
    compressor = _compressor_v2(compressors, dtype)
    _check_object_codec(chosen, compressor, dtype)
    return chosen, compressor


def _filters_v2(
    data: object, dtype: ZDType[TBaseDType, TBaseScalar]
) -> tuple[Numcodec, ...] | None:
    if isinstance(data, str) and data == "auto":
        return default_filters_v2(dtype)
    if data is None or _is_filter(data):
        return parse_filters(data if data is None or _is_numcodec(data) else [data])
    if not isinstance(data, Iterable):
        raise TypeError(
            "For Zarr format 2 arrays, `filters` must be None, a numcodecs codec or an iterable of "
            f"them. Got {type(data)} instead."
        )
    items = tuple(data)
    for index, item in enumerate(items):
        if not _is_filter(item):
            raise TypeError(
                "For Zarr format 2 arrays, all elements of `filters` must be numcodecs codecs. "
                f"Element at index {index} has type {type(item)}, which is not a numcodecs codec."
            )
    return parse_filters(items)


def _is_filter(value: object) -> bool:
    return isinstance(value, dict) or _is_numcodec(value)


def _compressor_v2(data: object, dtype: ZDType[TBaseDType, TBaseScalar]) -> Numcodec | None:
    if isinstance(data, str) and data == "auto":
        return default_compressor_v2(dtype)
    if isinstance(data, Iterable) and not isinstance(data, Mapping) and not _is_numcodec(data):
        items = () if isinstance(data, str) else tuple(data)
        if isinstance(data, str) or len(items) > 1:
            raise TypeError(
                "For Zarr format 2 arrays, the `compressor` must be a single codec. Got an iterable "
                f"with type {type(data)} instead."
            )
        data = items[0] if items else None
    return parse_compressor(data)


def _is_numcodec(value: object) -> bool:
    return all(hasattr(value, name) for name in ("encode", "decode", "get_config"))


def _check_object_codec(
    filters: tuple[Numcodec, ...] | None,
    compressor: Numcodec | None,
    dtype: ZDType[TBaseDType, TBaseScalar],
) -> None:
    if not isinstance(dtype, HasObjectCodec):
        return
    codecs = (*(filters or ()), *(() if compressor is None else (compressor,)))
    if get_object_codec_id([cast("Any", codec.get_config()) for codec in codecs]) is None:
        expected = type(get_numcodec({"id": dtype.object_codec_id})).__name__
        raise ValueError(
            f"Data type {dtype} requires the numcodecs.{expected} codec, but no such codec was "
            "specified in the filters or compressor parameters for this array. "
        )


# --- codecs of format 3 -----------------------------------------------------------------


def parse_codecs_v3(
    filters: object,
    serializer: object,
    compressors: object,
    dtype: ZDType[TBaseDType, TBaseScalar],
) -> tuple[tuple[ArrayArrayCodec, ...], ArrayBytesCodec, tuple[BytesBytesCodec, ...]]:
    """Return the codecs of a format 3 array, grouped by role.

    Parameters
    ----------
    filters : FiltersLike
        Filters, as passed by the user.
    serializer : SerializerLike
        Serializer, as passed by the user.
    compressors : CompressorsLike
        Compressors, as passed by the user.
    dtype : ZDType
        Data type of the array.

    Raises
    ------
    TypeError
        If an argument is not a codec of the expected role.
    KeyError
        If a codec is given in its JSON form without a name.
    UnknownCodecError
        If no implementation of a given codec is available.
    """
    return (
        () if _is_auto(filters) else _chain(filters, ArrayArrayCodec, "an ArrayArrayCodec"),
        default_serializer_v3(dtype) if _is_auto(serializer) else _serializer(serializer),
        default_compressors_v3(dtype)
        if _is_auto(compressors)
        else _chain(compressors, BytesBytesCodec, "a BytesBytesCodec"),
    )


def _is_auto(data: object) -> bool:
    return isinstance(data, str) and data == "auto"


def _chain(data: object, role: type[_C], expected: str) -> tuple[_C, ...]:
    if data is None:
        return ()
    if isinstance(data, Mapping | role):
        items: Iterable[object] = (data,)
    else:
        items = cast("Iterable[object]", data)
    return tuple(cast("_C", _one(item, role, expected)) for item in items)


def _serializer(data: object) -> ArrayBytesCodec:
    return cast("ArrayBytesCodec", _one(data, ArrayBytesCodec, "an ArrayBytesCodec"))


def _one(data: object, role: type[Codec], expected: str) -> Codec:
    codec = _from_json(data) if isinstance(data, Mapping) else data
    if isinstance(codec, role):
        return codec
    raise TypeError(f"Expected {expected}. Got {type(codec)} instead.")


def _from_json(data: Mapping[str, Any]) -> Codec:
    return get_codec_class(data["name"]).from_dict(dict(data))


def native_dtype(dtype: ZDType[TBaseDType, TBaseScalar]) -> np.dtype[Any]:
    """Return the NumPy data type of decoded elements."""
    return cast("np.dtype[Any]", dtype.to_native_dtype())
