"""Create arrays in a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zarr.core._derive import Begun, begin, in_two_steps
from zarr.core.array._async import AsyncArray
from zarr.core.array._build import (
    build_v2,
    build_v3,
    join_codecs,
    resolve_zarr_format,
    separator_v2,
    warn_order_without_effect,
)
from zarr.core.array._documents import open_metadata, store_new_array
from zarr.core.array._filling import array_of, filling
from zarr.core.array._parse import parse_chunk_layout, parse_codecs_v2, parse_codecs_v3
from zarr.core.array._source import refuse_overlap, settle_parameters
from zarr.core.array._types import DEFAULT_FILL_VALUE
from zarr.core.array._write import convert
from zarr.core.array_spec import ArrayConfig, parse_array_config
from zarr.core.common import parse_shapelike
from zarr.core.dtype import is_pandas_text, parse_dtype
from zarr.core.metadata.v3 import RectilinearChunkGridMetadata
from zarr.storage._common import make_store_path

if TYPE_CHECKING:
    from zarr.core.array._types import (
        CompressorsLike,
        FiltersLike,
        SerializerLike,
        ShardsLike,
    )
    from zarr.core.array_spec import ArrayConfigParams
    from zarr.core.chunk_key_encodings import ChunkKeyEncodingLike
    from zarr.core.common import (
        JSON,
        ChunksLike,
        DimensionNames,
        MemoryOrder,
        ShapeLike,
        ZarrFormat,
    )
    from zarr.core.dtype import ZDTypeLike
    from zarr.core.metadata import ArrayMetadata
    from zarr.storage._common import StoreLike, StorePath


async def open_array_node(
    store_path: StorePath,
    zarr_format: ZarrFormat | None = None,
    config: ArrayConfig | ArrayConfigParams | None = None,
) -> AsyncArray[Any]:
    """Open a stored array.

    Parameters
    ----------
    store_path : StorePath
        Location of the array.
    zarr_format : {2, 3} or None
        Zarr format of the array; None to detect the format. If metadata of both formats are stored,
        format 3 is used.
    config : ArrayConfig, dict or None
        Runtime options, which are not stored. Missing options are taken from `zarr.config`.

    Raises
    ------
    ArrayNotFoundError
        If no ``zarr.json`` (format 3) or ``.zarray`` (format 2) is stored at the location. Only the
        document of the requested format is read.
    NodeTypeValidationError
        If the ``zarr.json`` does not describe an array.
    TypeError, ValueError
        If the metadata are not valid.
    """
    return AsyncArray(await open_metadata(store_path, zarr_format), store_path, config)


async def create_from_metadata(
    store_path: StorePath, metadata: ArrayMetadata, config: ArrayConfig, *, overwrite: bool
) -> AsyncArray[Any]:
    """Create an array; its codecs are checked before its metadata are stored."""
    array: AsyncArray[Any] = AsyncArray(metadata, store_path, config)
    await store_new_array(store_path, metadata, overwrite=overwrite)
    return array


async def init_array(
    *,
    store_path: StorePath,
    shape: ShapeLike,
    dtype: ZDTypeLike,
    chunks: ChunksLike | Literal["auto"] = "auto",
    shards: ShardsLike | None = None,
    filters: FiltersLike = "auto",
    compressors: CompressorsLike = "auto",
    serializer: SerializerLike = "auto",
    fill_value: Any = DEFAULT_FILL_VALUE,
    order: MemoryOrder | None = None,
    zarr_format: ZarrFormat | None = 3,
    attributes: Mapping[str, JSON] | None = None,
    chunk_key_encoding: ChunkKeyEncodingLike | None = None,
    dimension_names: DimensionNames = None,
    overwrite: bool = False,
    config: ArrayConfig | ArrayConfigParams | None = None,
) -> AsyncArray[Any]:
    """Create an array by storing its metadata; no elements are written.

    Parameters
    ----------
    store_path : StorePath
        Location of the new array. Missing groups above the array are created.
    shape : iterable of int or int
        Shape of the array in elements.
    dtype : dtype-like or ZDType
        Data type of the elements.
    chunks : iterable of int, int or "auto"
        Shape of the chunks in elements; -1 stands for the whole length of a dimension. If
        ``array.rectilinear_chunks`` is on, a list of chunk lengths may be given for a dimension
        instead of one length. `chunks` and `shards` also accept the metadata object of a chunk
        grid.
    shards : iterable of int, int, dict, "auto" or None
        Shape of the shards in elements, a multiple of `chunks`; None means no shards. A dictionary
        must contain ``shape`` and may contain ``index_location``. Format 3 only.
    filters : iterable of codec, codec, "auto" or None
        Array-to-array codecs (format 3) or numcodecs codecs (format 2); None means no filters.
    compressors : iterable of codec, codec, "auto" or None
        Bytes-to-bytes codecs (format 3) or a single numcodecs codec (format 2); None means no
        compression.
    serializer : ArrayBytesCodec, dict or "auto"
        Array-to-bytes codec. Format 3 only.
    fill_value : scalar or None
        Value of elements that are not stored; if omitted, the default value of the data type. None
        means an undefined fill value in format 2, and the default value of the data type in format
        3.
    order : {"C", "F"} or None
        Memory layout of encoded chunks, format 2 only; None means the configured ``array.order``.
    zarr_format : {2, 3} or None
        Format of the array; None means the configured ``default_zarr_format``.
    attributes : mapping or None
        User attributes with JSON values; None means no attributes.
    chunk_key_encoding : ChunkKeyEncoding, dict or None
        Encoding of the chunk keys; None means the default encoding of the format.
    dimension_names : iterable of str or None, or None
        One item per dimension: its name, or None for a dimension without a name. If the parameter
        itself is None, no dimension has a name. Format 3 only.
    overwrite : bool
        Whether to delete everything stored at `store_path` before the array is created.
    config : ArrayConfig, dict or None
        Runtime options, which are not stored. Missing options are taken from `zarr.config`.

    Returns
    -------
    AsyncArray
        The array.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not valid, if it conflicts with the format or with another parameter, or
        if the store is read-only. If one of these errors is raised, nothing has been stored or
        deleted.
    ContainsArrayError, ContainsGroupError
        If a node exists at the location and `overwrite` is False.
    """
    zarr_format = resolve_zarr_format(zarr_format)
    lengths = parse_shapelike(shape)
    data_type = parse_dtype(dtype, zarr_format=zarr_format)
    options = parse_array_config(config)
    metadata: ArrayMetadata
    if zarr_format == 2:
        if dimension_names is not None:
            raise ValueError("Zarr format 2 arrays do not support dimension names.")
        if serializer != "auto":
            raise ValueError("Zarr format 2 arrays do not support `serializer`.")
        if shards is not None:
            shard_shape = shards.get("shape") if isinstance(shards, Mapping) else shards
            raise ValueError(
                "Zarr format 2 arrays can only be created with `shard_shape` set to `None`. "
                f"Got `shard_shape={shard_shape}` instead."
            )
        codecs = parse_codecs_v2(filters, compressors, data_type)
        layout = parse_chunk_layout(chunks, None, lengths, data_type)
        metadata = build_v2(
            shape=lengths,
            dtype=data_type,
            grid=layout.outer_chunks,
            fill_value=fill_value,
            # The `order` of `config` applies to reading only, not to the stored layout.
            order=parse_array_config(None).order if order is None else order,
            filters=codecs[0],
            compressor=codecs[1],
            dimension_separator=separator_v2(chunk_key_encoding),
            attributes=attributes,
        )
    else:
        if order is not None:
            warn_order_without_effect()
        chain = parse_codecs_v3(filters, serializer, compressors, data_type)
        layout = parse_chunk_layout(chunks, shards, lengths, data_type)
        grid = layout.outer_chunks
        if isinstance(chunks if shards is None else shards, RectilinearChunkGridMetadata):
            grid = grid._as_rectilinear()
        metadata = build_v3(
            shape=lengths,
            dtype=data_type,
            grid=grid,
            fill_value=fill_value,
            codecs=join_codecs(chain, layout, shards),
            chunk_key_encoding=chunk_key_encoding,
            dimension_names=dimension_names,
            attributes=attributes,
        )
    return await create_from_metadata(store_path, metadata, options, overwrite=overwrite)


@in_two_steps
async def create_array(
    store: StoreLike,
    *,
    name: str | None = None,
    shape: ShapeLike | None = None,
    dtype: ZDTypeLike | None = None,
    data: Any | None = None,
    chunks: ChunksLike | Literal["auto"] = "auto",
    shards: ShardsLike | None = None,
    filters: FiltersLike = "auto",
    compressors: CompressorsLike = "auto",
    serializer: SerializerLike = "auto",
    fill_value: Any = DEFAULT_FILL_VALUE,
    order: MemoryOrder | None = None,
    zarr_format: ZarrFormat | None = 3,
    attributes: Mapping[str, JSON] | None = None,
    chunk_key_encoding: ChunkKeyEncodingLike | None = None,
    dimension_names: DimensionNames = None,
    storage_options: dict[str, Any] | None = None,
    overwrite: bool = False,
    config: ArrayConfig | ArrayConfigParams | None = None,
    write_data: bool = True,
) -> Begun[AsyncArray[Any]]:
    """Create an array; if `data` is given, also write the elements of `data`.

    Parameters
    ----------
    store : StoreLike
        Location of the new array.
    name : str or None
        Path of the array relative to `store`; None if `store` is itself the location of the array.
    shape : iterable of int, int or None
        Shape of the array in elements; None if `data` is given.
    dtype : dtype-like, ZDType or None
        Data type of the elements; None if `data` is given.
    data : array or None
        Source of the shape, data type and elements; None to write no elements. If `data` is an
        array of this library, it also provides the fill value, attributes, dimension names and (in
        format 2) `order`, unless these parameters are given. If such an array has the same Zarr
        format as the new array, it also provides the chunk key encoding, unless
        `chunk_key_encoding` is given.
    chunks : iterable of int, int or "auto"
        Shape of the chunks in elements; -1 stands for the whole length of a dimension. If
        ``array.rectilinear_chunks`` is on, a list of chunk lengths may be given for a dimension
        instead of one length. `chunks` and `shards` also accept the metadata object of a chunk
        grid.
    shards : iterable of int, int, dict, "auto" or None
        Shape of the shards in elements, a multiple of `chunks`; None means no shards. A dictionary
        must contain ``shape`` and may contain ``index_location``. Format 3 only.
    filters : iterable of codec, codec, "auto" or None
        Array-to-array codecs (format 3) or numcodecs codecs (format 2); None means no filters.
    compressors : iterable of codec, codec, "auto" or None
        Bytes-to-bytes codecs (format 3) or a single numcodecs codec (format 2); None means no
        compression.
    serializer : ArrayBytesCodec, dict or "auto"
        Array-to-bytes codec. Format 3 only.
    fill_value : scalar or None
        Value of elements that are not stored; if omitted, the default value of the data type. None
        means an undefined fill value in format 2, and the default value of the data type in format
        3.
    order : {"C", "F"} or None
        Memory layout of encoded chunks, format 2 only; None means the configured ``array.order``.
    zarr_format : {2, 3} or None
        Format of the array; None means the configured ``default_zarr_format``.
    attributes : mapping or None
        User attributes with JSON values; None means no attributes.
    chunk_key_encoding : ChunkKeyEncoding, dict or None
        Encoding of the chunk keys; None means the default encoding of the format.
    dimension_names : iterable of str or None, or None
        One item per dimension: its name, or None for a dimension without a name. If the parameter
        itself is None, no dimension has a name. Format 3 only.
    overwrite : bool
        Whether to delete everything stored at the location before the array is created.
    config : ArrayConfig, dict or None
        Runtime options, which are not stored. Missing options are taken from `zarr.config`.
    storage_options : dict or None
        Options of the file system, if `store` is a URL.
    write_data : bool
        Whether to write the elements of `data`.

    Returns
    -------
    AsyncArray
        The array.

    Raises
    ------
    TypeError, ValueError, ContainsArrayError, ContainsGroupError
        See `init_array`. `ValueError` is also raised if `data` is given together with `shape` or
        `dtype`, or if `data` is None and `shape` or `dtype` is None too.
    """
    given = dict(locals())  # all parameters, before other local variables exist
    given["zarr_format"] = resolve_zarr_format(zarr_format)
    if data is not None:
        for parameter in ("shape", "dtype"):
            if given.pop(parameter) is not None:
                raise ValueError(
                    f"The data parameter was used, but the {parameter} parameter was also used. "
                    f"This is an error. Either use the data parameter, or the {parameter} "
                    "parameter, but not both."
                )
        data.shape, data.dtype  # noqa: B018  (raises AttributeError if `data` is not an array)
        return await begin(from_array, **given)
    if shape is None:
        raise ValueError(
            "The data parameter was set to None, but shape was not specified. Either provide a "
            "value for data, or specify shape."
        )
    if dtype is None:
        raise ValueError(
            "The data parameter was set to None, but dtype was not specified. Either provide an "
            "array-like value for data, or specify dtype."
        )
    store_path = await _place(store, name, storage_options)
    return Begun(await init_array(store_path=store_path, **_without_place_and_data(given)))


async def _place(
    store: StoreLike, name: str | None, storage_options: dict[str, Any] | None
) -> StorePath:
    return await make_store_path(store, path=name or "", mode="a", storage_options=storage_options)


def _without_place_and_data(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments in `given` that `init_array` accepts."""
    other = ("store", "name", "storage_options", "data", "write_data")
    return {name: value for name, value in given.items() if name not in other}


@in_two_steps
async def from_array(
    store: StoreLike,
    *,
    data: Any,
    write_data: bool = True,
    name: str | None = None,
    chunks: ChunksLike | Literal["auto", "keep"] = "keep",
    shards: ShardsLike | Literal["keep"] | None = "keep",
    filters: FiltersLike | Literal["keep"] = "keep",
    compressors: CompressorsLike | Literal["keep"] = "keep",
    serializer: SerializerLike | Literal["keep"] = "keep",
    fill_value: Any = DEFAULT_FILL_VALUE,
    order: MemoryOrder | None = None,
    zarr_format: ZarrFormat | None = None,
    attributes: Mapping[str, JSON] | None = None,
    chunk_key_encoding: ChunkKeyEncodingLike | None = None,
    dimension_names: DimensionNames = None,
    storage_options: dict[str, Any] | None = None,
    overwrite: bool = False,
    config: ArrayConfig | ArrayConfigParams | None = None,
) -> Begun[AsyncArray[Any]]:
    """Create an array from another array.

    Parameters
    ----------
    store : StoreLike
        Location of the new array.
    data : Array, AsyncArray or array-like
        Source of the shape, data type and elements. If `data` is not in memory, it is copied in
        parts, a limited number of chunks at a time.
    write_data : bool
        Whether to write the elements of `data`.
    name : str or None
        Path of the array relative to `store`; None if `store` is itself the location of the array.
    chunks : iterable of int, int, "auto" or "keep"
        Shape of the chunks in elements. ``"keep"`` uses the chunks of `data` if `data` is an array
        of this library, and means ``"auto"`` otherwise.
    shards : iterable of int, int, dict, "auto", "keep" or None
        Shape of the shards in elements, a multiple of `chunks`; None means no shards. ``"keep"``
        uses the shards of `data` if `data` is an array of this library, and means None otherwise.
    filters : iterable of codec, codec, "auto", "keep" or None
        Filters, as for `create_array`. ``"keep"`` uses the filters of `data` if `data` is an array
        of this library and of the same format, and means ``"auto"`` otherwise.
    compressors : iterable of codec, codec, "auto", "keep" or None
        Compressors, as for `create_array`. ``"keep"`` uses the compressors of `data` if `data` is
        an array of this library and of the same format, and means ``"auto"`` otherwise.
    serializer : ArrayBytesCodec, dict, "auto" or "keep"
        Array-to-bytes codec. ``"keep"`` uses the codec of `data` if `data` is an array of this
        library and of the same format, and means ``"auto"`` otherwise.
    fill_value : scalar or None
        Value of elements that are not stored. If omitted, it is the fill value of `data` if `data`
        is an array of this library, and the default value of the data type otherwise.
    order : {"C", "F"} or None
        Memory layout of encoded chunks, format 2 only. None means the layout of `data` if `data` is
        an array of this library, and the configured ``array.order`` otherwise.
    attributes : mapping or None
        User attributes with JSON values. None means the attributes of `data` if `data` is an array
        of this library, and no attributes otherwise.
    chunk_key_encoding : ChunkKeyEncoding, dict or None
        Encoding of the chunk keys. None means the encoding of `data` if `data` is an array of this
        library and of the same format, and the default encoding of the format otherwise.
    dimension_names : iterable of str or None, or None
        One item per dimension: its name, or None for a dimension without a name. If the parameter
        itself is None and `data` is an array of this library, the new array has the dimension names
        of `data`.
    zarr_format : {2, 3} or None
        Format of the new array. None means the format of `data` if `data` is an array of this
        library, and format 3 otherwise.
    storage_options : dict or None
        Options of the file system, if `store` is a URL.
    overwrite : bool
        Whether to delete everything stored at the location before the array is created.
    config : ArrayConfig, dict or None
        Runtime options, which are not stored. Missing options are taken from `zarr.config`.

    Returns
    -------
    AsyncArray
        The new array.

    Notes
    -----
    If `data` is an array of this library, and the new array has the same chunks, shards, data type,
    fill value and codecs, the encoded chunks are copied without decoding. If encoded chunks are
    copied, a damaged chunk stays unchanged, and reading the chunk from the copy raises an error.
    Stored chunks whose elements all equal the fill value are normally copied as well. There is one
    exception: if ``write_empty_chunks`` is on for `data` and off for the new array, such chunks are
    omitted from the new array. If ``write_empty_chunks`` is on for the new array, all chunks of the
    new array are stored, even those that are absent in `data`. If the new array has shards, all
    shards are stored.

    Raises
    ------
    TypeError, ValueError, ContainsArrayError, ContainsGroupError
        See `init_array`. `ValueError` is also raised if `write_data` is True and overwriting the
        location would delete the stored elements of `data`.
    """
    given = _without_place_and_data(locals())  # before other local variables exist
    source = array_of(data)
    if source is None and not (hasattr(data, "shape") and hasattr(data, "dtype")):
        data = np.asarray(data)
    elif source is None and is_pandas_text(data.dtype):
        # pandas string arrays cannot be indexed by tuples of slices.
        data = convert(data, np.dtypes.StringDType())
    if zarr_format is None:
        zarr_format = 3 if source is None else source.metadata.zarr_format
    given["zarr_format"] = resolve_zarr_format(zarr_format)
    parameters = settle_parameters(source, given)
    store_path = await _place(store, name, storage_options)
    if source is not None and write_data and overwrite:
        refuse_overlap(source, store_path)
    array = await init_array(
        store_path=store_path,
        shape=data.shape,
        dtype=data.dtype if source is None else source.metadata.dtype,
        **parameters,
    )
    return Begun(array, (filling(array, data),) if write_data else ())
