"""Strategies for array metadata, and for arrays in stores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import zarr
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)
from zarr.codecs.sharding._plan import SUBCHUNK_WRITE_ORDERS
from zarr.core.array._defaults import default_filters_v2, default_serializer_v3
from zarr.core.chunk_key_encodings import DefaultChunkKeyEncoding, V2ChunkKeyEncoding
from zarr.core.config import config
from zarr.core.dtype import VariableLengthBytes, VariableLengthUTF8, parse_data_type
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata
from zarr.core.metadata.v3 import RegularChunkGridMetadata
from zarr.registry import get_numcodec
from zarr.storage import MemoryStore
from zarr.testing._strategies_chunks import (
    chunk_grids,
    chunk_shapes,
    chunks_param_from_rectilinear,
    rectilinear_chunks,
    shard_shapes,
)
from zarr.testing._strategies_dtypes import (
    array_dtypes,
    array_shapes,
    fill_values,
    numpy_arrays,
    zdtypes,
)
from zarr.testing._strategies_names import (
    array_names,
    attrs,
    dimension_names,
    paths,
    short_node_names,
    stores,
    zarr_formats,
)

if TYPE_CHECKING:
    from typing import TypeAlias

    from zarr.abc.codec import Codec
    from zarr.abc.numcodec import Numcodec
    from zarr.codecs.sharding import SubchunkWriteOrder
    from zarr.core.chunk_key_encodings import ChunkKeyEncoding, SeparatorLiteral
    from zarr.core.common import JSON, AccessModeLiteral, MemoryOrder, ZarrFormat
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType
    from zarr.storage import StoreLike
    from zarr.types import AnyArray

    Values: TypeAlias = tuple[np.ndarray[Any, Any], ZDType[TBaseDType, TBaseScalar]]
    Attributes: TypeAlias = Mapping[str, JSON] | None

compressors: st.SearchStrategy[Any] = st.sampled_from([None, "default"])
"""Either no compressor, or the default compressor of an array."""

subchunk_write_orders: st.SearchStrategy[SubchunkWriteOrder] = st.sampled_from(
    SUBCHUNK_WRITE_ORDERS
)
"""Orders in which chunks are stored within a shard."""

sharding_inner_codecs: st.SearchStrategy[tuple[Codec, ...]] = st.sampled_from(
    [
        (BytesCodec(),),
        (BytesCodec(), ZstdCodec()),
        (BytesCodec(endian="big"), Crc32cCodec()),
    ]
)
"""Codecs of the chunks in a shard, for data types of fixed size."""

_PATHS: Final = paths()
_SEPARATORS: Final[st.SearchStrategy[SeparatorLiteral]] = st.sampled_from([".", "/"])
_ORDERS: Final[st.SearchStrategy[MemoryOrder]] = st.sampled_from(["C", "F"])
_BYTES_BYTES_CODECS: Final = st.sampled_from(
    [
        (),
        (ZstdCodec(),),
        (GzipCodec(level=1),),
        (BloscCodec(),),
        (Crc32cCodec(),),
        (ZstdCodec(level=3), Crc32cCodec()),
    ]
)
_COMPRESSORS_V2: Final[st.SearchStrategy[dict[str, JSON] | None]] = st.sampled_from(
    [
        None,
        {"id": "zstd", "level": 1},
        {"id": "zlib", "level": 1},
        {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1},
        {"id": "lz4", "acceleration": 1},
    ]
)


# --- codecs -----------------------------------------------------------------------------


def _transposes(ndim: int) -> st.SearchStrategy[tuple[Codec, ...]]:
    """Return a strategy for array-to-array codecs: none, or a transposition of the axes."""
    if ndim < 2:
        return st.just(())
    orders = st.permutations(range(ndim))
    return st.just(()) | orders.map(lambda order: (TransposeCodec(order=order),))


@st.composite
def _shardings(
    draw: st.DrawFn,
    chunk_shape: tuple[int, ...],
    codecs: Iterable[Codec],
    *,
    write_orders: st.SearchStrategy[SubchunkWriteOrder] = subchunk_write_orders,
) -> ShardingCodec:
    """Draw a sharding codec whose inner chunks have the given shape and codecs."""
    return ShardingCodec(
        chunk_shape=chunk_shape,
        codecs=tuple(codecs),
        index_location=draw(st.sampled_from(["end", "start"])),
        subchunk_write_order=draw(write_orders),
    )


def _filters_v2(dtype: Any) -> st.SearchStrategy[tuple[Numcodec, ...] | None]:
    """Return a strategy for the filters of a format 2 array."""
    needed = default_filters_v2(dtype)
    if needed is not None:
        return st.just(needed)
    itemsize = dtype.to_native_dtype().itemsize
    return st.sampled_from([None, (get_numcodec({"id": "shuffle", "elementsize": itemsize}),)])


def _chunk_key_encodings() -> st.SearchStrategy[ChunkKeyEncoding]:
    return st.builds(DefaultChunkKeyEncoding, _SEPARATORS) | st.builds(
        V2ChunkKeyEncoding, _SEPARATORS
    )


# --- metadata ---------------------------------------------------------------------------


@st.composite
def array_metadata(
    draw: st.DrawFn,
    *,
    array_shapes: Callable[..., st.SearchStrategy[tuple[int, ...]]] = npst.array_shapes,
    zarr_formats: st.SearchStrategy[ZarrFormat] = zarr_formats,
    attributes: st.SearchStrategy[Attributes] = attrs,
) -> ArrayV2Metadata | ArrayV3Metadata:
    """Draw the metadata of an array; the codecs support the drawn data type and chunks.

    Parameters
    ----------
    array_shapes : callable
        A function that returns a strategy for array shapes in elements. It is called without
        arguments.
    zarr_formats : strategy for 2 or 3
        Zarr format.
    attributes : strategy for a mapping or None
        The user attributes.

    Returns
    -------
    ArrayV2Metadata or ArrayV3Metadata
        Rectilinear chunk grids are drawn only if ``array.rectilinear_chunks`` is on.
    """
    zarr_format = draw(zarr_formats)
    shape = draw(array_shapes())
    variable_length = st.sampled_from([VariableLengthUTF8(), VariableLengthBytes()])
    dtype: Any = draw(zdtypes(max_leaves=3) | variable_length)
    fills = fill_values(dtype.to_native_dtype())
    if zarr_format == 2:
        return ArrayV2Metadata(
            shape=shape,
            dtype=dtype,
            chunks=draw(chunk_shapes(shape=shape)),
            fill_value=draw(st.none() | fills),
            order=draw(_ORDERS),
            dimension_separator=draw(_SEPARATORS),
            compressor=draw(_COMPRESSORS_V2),
            filters=draw(_filters_v2(dtype)),
            attributes=draw(attributes),
        )
    grid = draw(chunk_grids(shape=shape))
    transposes, serializer = draw(_transposes(len(shape))), default_serializer_v3(dtype)
    codecs: tuple[Codec, ...] = (*transposes, serializer, *draw(_BYTES_BYTES_CODECS))
    if isinstance(grid, RegularChunkGridMetadata) and draw(st.booleans()):
        chunk_shape = grid.chunk_shape
        shard_shape = draw(shard_shapes(shape=shape, chunk_shape=chunk_shape))
        grid = RegularChunkGridMetadata(chunk_shape=shard_shape)
        codecs = (draw(_shardings(chunk_shape, codecs)),)
    return ArrayV3Metadata(
        shape=shape,
        data_type=dtype,
        chunk_grid=grid,
        chunk_key_encoding=draw(_chunk_key_encodings()),
        fill_value=draw(fills),
        codecs=codecs,
        attributes=draw(attributes),
        dimension_names=draw(dimension_names(ndim=len(shape))),
    )


# --- arrays -----------------------------------------------------------------------------


@st.composite
def elements_and_dtypes(
    draw: st.DrawFn,
    shapes: st.SearchStrategy[tuple[int, ...]],
    arrays: st.SearchStrategy[np.ndarray[Any, Any]] | None = None,
) -> Values:
    """Draw elements, and the Zarr data type in which an array stores the elements."""
    if arrays is None:
        dtypes = array_dtypes() | st.just(np.dtype(object))
        arrays = numpy_arrays(shapes=shapes, dtype=dtypes)
    values = draw(arrays)
    if values.dtype == np.dtype(object):
        return values, VariableLengthBytes()
    return values, parse_data_type(values.dtype, zarr_format=3)


def store_values(
    store: StoreLike, values: Values, *, name: str | None = None, **parameters: Any
) -> AnyArray:
    """Create an array and write its elements."""
    elements, dtype = values
    # The chunk grid may be rectilinear even if the user has not enabled rectilinear grids.
    with config.set({"array.rectilinear_chunks": True}):
        array = zarr.create_array(store, name=name, shape=elements.shape, dtype=dtype, **parameters)
    array[...] = elements
    return array


@st.composite
def _fills(draw: st.DrawFn, values: Values) -> dict[str, Any]:
    """Draw a fill value: the default, any value, or one of the elements.

    If the fill value equals an element, some chunks may contain only the fill value.
    """
    elements = values[0]
    kinds: list[st.SearchStrategy[Any]] = [fill_values(elements.dtype)]
    if elements.size:
        kinds.append(st.integers(0, elements.size - 1).map(lambda at: elements.flat[at]))
    drawn: st.SearchStrategy[dict[str, Any]] = st.one_of(kinds).map(lambda x: {"fill_value": x})
    return draw(st.just({}) | drawn)


def _codecs(compressor: Any) -> tuple[Any, ...]:
    """Return the format 3 codecs for a value that the strategy `compressors` has drawn."""
    if isinstance(compressor, str):
        return (ZstdCodec(),)
    if compressor is None:
        return ()
    is_one = isinstance(compressor, Mapping) or not isinstance(compressor, Iterable)
    return (compressor,) if is_one else tuple(compressor)


@st.composite
def parameters_v2(draw: st.DrawFn, values: Values, compressor: Any) -> dict[str, Any]:
    elements, dtype = values
    parameters: dict[str, Any] = {
        "chunks": draw(chunk_shapes(shape=elements.shape)),
        "compressors": "auto" if isinstance(compressor, str) else compressor,
        "filters": draw(_filters_v2(dtype)),
        "order": draw(_ORDERS),
        "chunk_key_encoding": {"name": "v2", "separator": draw(_SEPARATORS)},
    }
    return parameters | draw(_fills(values) | st.just({"fill_value": None}))


@st.composite
def parameters_v3(
    draw: st.DrawFn,
    values: Values,
    compressor: Any,
    write_orders: st.SearchStrategy[SubchunkWriteOrder],
) -> dict[str, Any]:
    elements, dtype = values
    shape = elements.shape
    grid = draw(chunk_grids(shape=shape))
    filters = draw(_transposes(len(shape)))
    parameters: dict[str, Any] = {
        "chunk_key_encoding": draw(_chunk_key_encodings()),
        "dimension_names": draw(dimension_names(ndim=len(shape))),
        "config": {"order": draw(_ORDERS)},
    }
    if isinstance(grid, RegularChunkGridMetadata) and draw(st.booleans()):
        chunk_shape = grid.chunk_shape
        codecs = (*filters, default_serializer_v3(dtype), *_codecs(compressor))
        parameters |= {
            "chunks": draw(shard_shapes(shape=shape, chunk_shape=chunk_shape)),
            "serializer": draw(_shardings(chunk_shape, codecs, write_orders=write_orders)),
            "compressors": None,
            "filters": None,
        }
    else:
        parameters |= {
            "chunks": grid.chunk_shape
            if isinstance(grid, RegularChunkGridMetadata)
            else chunks_param_from_rectilinear(grid),
            "compressors": _codecs(compressor) or None,
            "filters": filters or None,
        }
    return parameters | draw(_fills(values))


@st.composite
def arrays(
    draw: st.DrawFn,
    *,
    shapes: st.SearchStrategy[tuple[int, ...]] = array_shapes,
    compressors: st.SearchStrategy[Any] = compressors,
    stores: st.SearchStrategy[StoreLike] = stores,
    paths: st.SearchStrategy[str] = _PATHS,
    array_names: st.SearchStrategy[str] = array_names,
    arrays: st.SearchStrategy[np.ndarray[Any, Any]] | None = None,
    attrs: st.SearchStrategy[Attributes] = attrs,
    zarr_formats: st.SearchStrategy[ZarrFormat] = zarr_formats,
    subchunk_write_orders: st.SearchStrategy[SubchunkWriteOrder] = subchunk_write_orders,
    open_mode: AccessModeLiteral = "w",
) -> AnyArray:
    """Draw an array and its elements, and store both at a drawn path below the root of a store.

    Data type, chunks, shards, codecs, fill value, memory layout, dimension names and chunk key
    encoding are drawn as well. Rectilinear grids are drawn only if ``array.rectilinear_chunks`` is
    on.

    Parameters
    ----------
    shapes : strategy for tuple of int
        Shape in elements; used only if `arrays` is None.
    compressors : strategy
        ``"default"`` for the default compressor, None for no compressor, or another value that
        `zarr.create_array` accepts as its argument ``compressors``. The value must be valid for the
        Zarr format that is drawn from `zarr_formats`.
    stores : strategy for StoreLike
        Store in which the root group is opened or created.
    paths : strategy for str
        Path of the group that contains the array; missing groups are created.
    array_names : strategy for str
        Name of the array in its group.
    arrays : strategy for numpy.ndarray, or None
        Elements of the array; the elements of object arrays must be `bytes`. If None,
        `numpy_arrays` draws the elements, and their data type may be variable-length bytes.
    attrs : strategy for a mapping or None
        User attributes of the array.
    zarr_formats : strategy for 2 or 3
        Zarr format of all nodes.
    subchunk_write_orders : strategy for str
        Order in which chunks are stored within shards, if there are shards.
    open_mode : str
        Mode in which the root group is opened; ``"w"`` deletes the content of the store.

    Returns
    -------
    zarr.Array
        Array opened for writing.
    """
    zarr_format = draw(zarr_formats)
    store, attributes, compressor = draw(stores), draw(attrs), draw(compressors)
    values = draw(elements_and_dtypes(shapes, arrays))
    parameters = draw(
        parameters_v2(values, compressor)
        if zarr_format == 2
        else parameters_v3(values, compressor, subchunk_write_orders)
    )
    path = f"{draw(paths)}/{draw(array_names)}".strip("/")
    root = zarr.open_group(store, mode=open_mode, zarr_format=zarr_format)
    return store_values(
        root.store_path,
        values,
        name=path,
        zarr_format=zarr_format,
        attributes=attributes,
        **parameters,
    )


def simple_arrays(
    *, shapes: st.SearchStrategy[tuple[int, ...]] = array_shapes
) -> st.SearchStrategy[AnyArray]:
    """Return a strategy for arrays with the default compressor, short paths and no attributes.

    Parameters
    ----------
    shapes : strategy for tuple of int
        Shape in elements.
    """
    return arrays(
        shapes=shapes,
        compressors=st.just("default"),
        paths=paths(max_num_nodes=2),
        array_names=short_node_names,
        attrs=st.none(),
    )


_SHARDED_SHAPES: Final = npst.array_shapes(max_dims=4, max_side=8)
_RECTILINEAR_SHAPES: Final = npst.array_shapes(max_dims=3, max_side=20)


@st.composite
def _fixed_size_values(draw: st.DrawFn, shapes: st.SearchStrategy[tuple[int, ...]]) -> Values:
    dtypes = zdtypes(max_leaves=2).map(lambda dtype: dtype.to_native_dtype())
    return draw(elements_and_dtypes(shapes, numpy_arrays(shapes=shapes, dtype=dtypes)))


@st.composite
def sharded_arrays(
    draw: st.DrawFn,
    *,
    shapes: st.SearchStrategy[tuple[int, ...]] = _SHARDED_SHAPES,
    nested: bool | None = None,
) -> AnyArray:
    """Draw an array with shards, at the root of a memory store.

    Parameters
    ----------
    shapes : strategy for tuple of int
        Shape in elements.
    nested : bool or None
        Whether the chunks in a shard are shards themselves. If None, the choice is drawn.
    """
    values = draw(_fixed_size_values(shapes))
    shape = values[0].shape
    inner = draw(chunk_shapes(shape=shape))
    outer = draw(shard_shapes(shape=shape, chunk_shape=inner))
    codec = draw(_shardings(inner, draw(sharding_inner_codecs)))
    if draw(st.booleans()) if nested is None else nested:
        codec = draw(_shardings(outer, (codec,)))
        outer = draw(shard_shapes(shape=shape, chunk_shape=outer))
    return store_values(
        MemoryStore(),
        values,
        zarr_format=3,
        chunks=outer,
        serializer=codec,
        compressors=None,
        filters=None,
        dimension_names=draw(dimension_names(ndim=len(shape))),
        **draw(_fills(values)),
    )


@st.composite
def rectilinear_arrays(
    draw: st.DrawFn, *, shapes: st.SearchStrategy[tuple[int, ...]] = _RECTILINEAR_SHAPES
) -> AnyArray:
    """Draw an array with a rectilinear chunk grid, at the root of a memory store.

    Such an array can be drawn even if ``array.rectilinear_chunks`` is off, but the setting must be
    on when the array is opened again.

    Parameters
    ----------
    shapes : strategy for tuple of int
        Shape in elements. Along a dimension of length 0, all chunks have length 1.
    """
    values = draw(elements_and_dtypes(shapes))
    shape = values[0].shape
    return store_values(
        MemoryStore(),
        values,
        zarr_format=3,
        chunks=draw(rectilinear_chunks(shape=shape)),
        dimension_names=draw(dimension_names(ndim=len(shape))),
        **draw(_fills(values)),
    )


@st.composite
def complex_rectilinear_arrays(
    draw: st.DrawFn,
    *,
    stores: st.SearchStrategy[StoreLike] = stores,
    paths: st.SearchStrategy[str] = _PATHS,
    array_names: st.SearchStrategy[str] = array_names,
    attrs: st.SearchStrategy[Attributes] = attrs,
) -> tuple[np.ndarray[Any, Any], AnyArray]:
    """Draw elements, and an array with chunks of different lengths along every dimension.

    Parameters
    ----------
    stores : strategy for StoreLike
        Store in which the array is created; all other content of the store is deleted.
    paths : strategy
        See `arrays`.
    array_names : strategy
        See `arrays`.
    attrs : strategy
        See `arrays`.

    Returns
    -------
    tuple of (numpy.ndarray, zarr.Array)
        The array has one to three dimensions. Each dimension has three to five chunks, with lengths
        of one to six elements.
    """
    lengths = st.lists(st.integers(1, 6), min_size=3, max_size=5)
    chunks = draw(st.lists(lengths, min_size=1, max_size=3))
    shape = tuple(map(sum, chunks))
    values = draw(elements_and_dtypes(st.just(shape)))
    root = zarr.open_group(draw(stores), mode="w", zarr_format=3)
    array = store_values(
        root.store_path,
        values,
        zarr_format=3,
        name=f"{draw(paths)}/{draw(array_names)}".strip("/"),
        chunks=chunks,
        attributes=draw(attrs),
        dimension_names=draw(dimension_names(ndim=len(shape))),
        **draw(_fills(values)),
    )
    return values[0], array


@st.composite
def block_test_arrays(draw: st.DrawFn) -> tuple[AnyArray, np.ndarray[Any, Any]]:
    """Draw an array and its elements, for tests of `block_indices`.

    Returns
    -------
    tuple of (zarr.Array, numpy.ndarray)
        Some arrays have shards; ``blocks`` of such an array selects whole shards. The other arrays
        have chunks of different lengths.
    """
    array = draw(sharded_arrays() | rectilinear_arrays())
    return array, np.asarray(array[...])
