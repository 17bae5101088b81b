"""`zarr.create`: create arrays with the parameters known from zarr-python 2."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zarr.abc.codec import BytesBytesCodec
from zarr.core._derive import Begun, begin, in_two_steps
from zarr.core.array._async import converted
from zarr.core.array._build import (
    build_v2,
    build_v3,
    resolve_zarr_format,
    warn_order_without_effect,
)
from zarr.core.array._create import create_from_metadata
from zarr.core.array._filling import FromMemory
from zarr.core.array._parse import parse_chunk_layout, parse_codecs_v2, parse_codecs_v3
from zarr.core.array._types import DEFAULT_FILL_VALUE
from zarr.core.array_spec import ArrayConfig, parse_array_config
from zarr.core.buffer import NDArrayLike
from zarr.core.common import parse_shapelike
from zarr.core.dtype import parse_dtype
from zarr.core.metadata.v2 import parse_compressor
from zarr.core.metadata.v3 import parse_codecs
from zarr.errors import ZarrRuntimeWarning, ZarrUserWarning
from zarr.storage._common import make_store_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zarr.abc.codec import Codec
    from zarr.core.array._async import AsyncArray
    from zarr.core.array._types import CompressorLike
    from zarr.core.array_spec import ArrayConfigParams
    from zarr.core.chunk_key_encodings import ChunkKeyEncodingLike
    from zarr.core.common import (
        JSON,
        AccessModeLiteral,
        ChunksLike,
        DimensionNames,
        MemoryOrder,
        ShapeLike,
        ZarrFormat,
    )
    from zarr.core.dtype import ZDTypeLike
    from zarr.core.metadata import ArrayMetadata
    from zarr.storage._common import StoreLike, StorePath


def warn_without_effect(**parameters: object) -> None:
    """Issue a warning for each given parameter: none of them has an effect in this version."""
    for name, value in parameters.items():
        if value is not None:
            warnings.warn(
                f"{name} is not yet implemented", category=ZarrRuntimeWarning, stacklevel=3
            )


def merge_config(
    config: ArrayConfig | ArrayConfigParams | None, write_empty_chunks: bool | None
) -> ArrayConfig | None:
    """Return the options of an array, including the value of `write_empty_chunks`.

    Parameters
    ----------
    config : ArrayConfig, dict or None
        Options of the array; None means the configured defaults.
    write_empty_chunks : bool or None
        Value that overrides ``write_empty_chunks`` in `config`; None to use the value in `config`.

    Warns
    -----
    ZarrRuntimeWarning
        If `write_empty_chunks` is given.
    ZarrUserWarning
        If both `config` and `write_empty_chunks` are given.
    """
    if write_empty_chunks is None:
        return None if config is None else parse_array_config(config)
    warnings.warn(
        "The `write_empty_chunks` keyword argument is deprecated and will be removed in future "
        "versions. To control whether empty chunks are written to storage, either use the "
        "`config` keyword argument, as in `config={'write_empty_chunks': True}`,"
        "or change the global 'array.write_empty_chunks' configuration variable.",
        category=ZarrRuntimeWarning,
        stacklevel=4,
    )
    if config is not None:
        warnings.warn(
            "Both write_empty_chunks and config keyword arguments are set. This is redundant. "
            "When both are set, write_empty_chunks will be used instead of the value in config.",
            category=ZarrUserWarning,
            stacklevel=4,
        )
    return replace(parse_array_config(config), write_empty_chunks=write_empty_chunks)


@in_two_steps
async def create(
    shape: ShapeLike,
    *,
    chunks: ChunksLike | bool = None,
    dtype: ZDTypeLike | None = None,
    compressor: CompressorLike = "auto",
    fill_value: Any = DEFAULT_FILL_VALUE,
    order: MemoryOrder | None = None,
    store: StoreLike | None = None,
    synchronizer: Any | None = None,
    overwrite: bool = False,
    path: str | None = None,
    chunk_store: StoreLike | None = None,
    filters: Iterable[Any] | None = None,
    cache_metadata: bool | None = None,
    cache_attrs: bool | None = None,
    read_only: bool | None = None,
    object_codec: Codec | None = None,
    dimension_separator: Literal[".", "/"] | None = None,
    write_empty_chunks: bool | None = None,
    zarr_format: ZarrFormat | None = None,
    meta_array: Any | None = None,
    attributes: Mapping[str, JSON] | None = None,
    chunk_shape: ChunksLike | bool = None,
    chunk_key_encoding: ChunkKeyEncodingLike | tuple[str, str] | None = None,
    codecs: Iterable[Codec | dict[str, JSON]] | None = None,
    dimension_names: DimensionNames = None,
    storage_options: dict[str, Any] | None = None,
    config: ArrayConfig | ArrayConfigParams | None = None,
    mode: AccessModeLiteral | None = None,
    data: Any | None = None,
) -> Begun[AsyncArray[Any]]:
    """Create an array, with separate codec parameters for each format.

    `create_array` has one set of codec parameters for both formats, and supports shards.

    Parameters
    ----------
    shape : iterable of int or int
        Shape of the array in elements.
    fill_value : scalar or None
        Value of elements that are not stored; if omitted, the default value of the data type. None
        means an undefined fill value in format 2, and the default value of the data type in format
        3.
    zarr_format : {2, 3} or None
        Format of the array; None means the configured ``default_zarr_format``.
    attributes : mapping or None
        User attributes with JSON values; None means no attributes.
    config : ArrayConfig, dict or None
        Runtime options, which are not stored. Missing options are taken from `zarr.config`.
    chunks : iterable of int, int, False or None
        Shape of the chunks in elements. False means one chunk that covers the array, and None means
        that the shape is chosen automatically.
    chunk_shape : iterable of int, int, False or None
        Alias of `chunks`.
    dtype : dtype-like, ZDType or None
        Data type of the elements; None means ``float64``.
    compressor : numcodecs codec, dict, "auto" or None
        Codec for the last step of encoding, format 2 only; None means no compressor.
    order : {"C", "F"} or None
        Memory layout of encoded chunks, format 2 only; None means the layout in `config`.
    store : StoreLike or None
        Location of the new array; None means a new store in memory.
    overwrite : bool
        Whether to delete everything stored at the location before the array is created.
    path : str or None
        Path of the array relative to `store`; None if `store` is itself the location of the array.
    filters : iterable of numcodecs codec or dict, or None
        Codecs that are applied before the compressor, format 2 only; None means the filters that
        the data type requires.
    dimension_separator : {".", "/"} or None
        Character between the numbers of a chunk key, format 2 only; None means ``"."``.
    write_empty_chunks : bool or None
        Deprecated way to set the option ``write_empty_chunks``; None means the value in `config`.
    chunk_key_encoding : ChunkKeyEncoding, dict, tuple of str or None
        Encoding of the chunk keys, format 3 only; a tuple contains the name and the separator of
        the encoding. None means the default encoding.
    codecs : iterable of codec or dict, or None
        All codecs in encoding order, format 3 only; None means the default codecs.
    dimension_names : iterable of str or None, or None
        One item per dimension, format 3 only: its name, or None for a dimension without a name. If
        the parameter itself is None, no dimension has a name.
    storage_options : dict or None
        Options of the file system, if `store` is a URL.
    mode : {"a", "w", "w-"} or None
        Access mode of the store. ``"w"`` overwrites a stored node, and ``"w-"`` never overwrites a
        stored node. None means ``"a"``.
    data : array-like or None
        Elements to write; None to write no elements.
    synchronizer : object
        Parameter of zarr-python 2; it has no effect.
    chunk_store : StoreLike or None
        Parameter of zarr-python 2; it has no effect.
    cache_metadata : bool or None
        Parameter of zarr-python 2; it has no effect.
    cache_attrs : bool or None
        Parameter of zarr-python 2; it has no effect.
    read_only : bool or None
        Parameter of zarr-python 2; it has no effect.
    object_codec : codec or None
        Parameter of zarr-python 2; it has no effect.
    meta_array : object
        Parameter of zarr-python 2; it has no effect.

    Returns
    -------
    Array or AsyncArray
        The new array: `Array` in the synchronous API, `AsyncArray` in the asynchronous API.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not valid, if it is not available for the format of the array, or if the
        store is read-only. If one of these errors is raised, nothing has been stored or deleted.
    ContainsArrayError, ContainsGroupError
        If a node exists at the location and is not overwritten. It is overwritten if `mode` is
        ``"w"``, or if `overwrite` is True and `mode` is not ``"w-"``.
    FileExistsError
        If `mode` is ``"w-"``, `store` is not a `StorePath`, and the location contains data.

    Warns
    -----
    ZarrRuntimeWarning
        If a given parameter has no effect or is deprecated.
    """
    warn_without_effect(
        synchronizer=synchronizer,
        chunk_store=chunk_store,
        cache_attrs=cache_attrs,
        object_codec=object_codec,
        read_only=read_only,
        meta_array=meta_array,
        cache_metadata=cache_metadata,
    )
    merged = merge_config(config, write_empty_chunks)
    store_path = await make_store_path(
        store, path=path, mode="a" if mode is None else mode, storage_options=storage_options
    )
    zarr_format = resolve_zarr_format(zarr_format)
    if chunks is not None and chunk_shape is not None:
        raise ValueError("Only one of chunk_shape or chunks can be provided.")
    given = chunks if chunks is not None else chunk_shape
    lengths = parse_shapelike(shape)
    data_type = parse_dtype("float64" if dtype is None else dtype, zarr_format=zarr_format)
    options = parse_array_config(merged)
    layout = parse_chunk_layout("auto" if given is None else given, None, lengths, data_type)
    metadata: ArrayMetadata
    if zarr_format == 3:
        _refuse(
            3,
            (dimension_separator is not None, "dimension_separator", "chunk_key_encoding"),
            (filters is not None, "filters", "array-to-array codecs"),
            (compressor != "auto", "compressor", "bytes-to-bytes codecs"),
        )
        if order is not None:
            warn_order_without_effect()
        if codecs is None:
            before, serializer, after = parse_codecs_v3("auto", "auto", "auto", data_type)
            codecs = (*before, serializer, *after)
        if isinstance(chunk_key_encoding, tuple):
            chunk_key_encoding = dict(zip(("name", "separator"), chunk_key_encoding))
        metadata = build_v3(
            shape=lengths,
            dtype=data_type,
            grid=layout.outer_chunks,
            fill_value=fill_value,
            codecs=parse_codecs(codecs),
            chunk_key_encoding=chunk_key_encoding,
            dimension_names=dimension_names,
            attributes=attributes,
        )
    else:
        _refuse(
            2,
            (codecs is not None, "codecs", "filters and compressor"),
            (chunk_key_encoding is not None, "chunk_key_encoding", "dimension_separator"),
            (dimension_names is not None, "dimension_names", None),
        )
        if isinstance(compressor, BytesBytesCodec):
            raise ValueError(
                "Cannot use a BytesBytesCodec as a compressor for zarr v2 arrays. Use a numcodecs "
                "codec directly instead."
            )
        if compressor != "auto":
            compressor = parse_compressor(compressor)
        chosen = parse_codecs_v2("auto" if filters is None else filters, compressor, data_type)
        metadata = build_v2(
            shape=lengths,
            dtype=data_type,
            grid=layout.outer_chunks,
            fill_value=fill_value,
            order=options.order if order is None else order,
            filters=chosen[0],
            compressor=chosen[1],
            dimension_separator="." if dimension_separator is None else dimension_separator,
            attributes=attributes,
        )
        options = replace(options, order=metadata.order)
    if data is not None:
        data = await converted(data, data_type.to_native_dtype())
        np.broadcast_to(data, lengths)
    array = await create_from_metadata(
        store_path, metadata, options, overwrite=mode == "w" or (overwrite and mode != "w-")
    )
    return Begun(array, () if data is None else (FromMemory(array, data),))


def _refuse(zarr_format: int, *parameters: tuple[bool, str, str | None]) -> None:
    """Raise an error with a hint if a given parameter is not available for this Zarr format."""
    for is_given, name, instead in parameters:
        if is_given:
            hint = "" if instead is None else f" Use {instead} instead."
            raise ValueError(
                f"{name} cannot be used for arrays with zarr_format {zarr_format}.{hint}"
            )


@in_two_steps
async def store_elements(
    store_path: StorePath, arr: object, *, zarr_format: ZarrFormat | None, **kwargs: Any
) -> Begun[None]:
    """Create an array from elements in memory.

    Parameters
    ----------
    store_path : StorePath
        Location of the new array.
    arr : NumPy array or similar
        The elements.
    zarr_format : {2, 3} or None
        Format of the array; None means the configured ``default_zarr_format``.
    **kwargs
        Parameters of `create`.

    Raises
    ------
    TypeError
        If `arr` does not have the interface of a NumPy array. Lists and arrays of this library do
        not have this interface.
    TypeError, ValueError, ContainsArrayError, ContainsGroupError
        See `create`.
    """
    if not isinstance(arr, NDArrayLike):
        raise TypeError("arr argument must be numpy or other NDArrayLike array")
    begun = await begin(
        create,
        arr.shape,
        store=store_path,
        dtype=np.dtype(arr.dtype),
        zarr_format=zarr_format,
        data=arr,
        **kwargs,
    )
    return Begun(None, begun.moves)
