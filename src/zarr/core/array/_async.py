"""`AsyncArray`, the array class of the asynchronous API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic

import numpy as np

from zarr.core._overrides import overridable
from zarr.core.array._chunks import initialized_chunks, nbytes_stored, nchunks_initialized
from zarr.core.array._documents import find_array, open_metadata, store_metadata
from zarr.core.array._info import ArrayProperties
from zarr.core.array._parse import parse_array_metadata
from zarr.core.array._pipeline import chunk_grid, chunk_spec, create_codec_pipeline
from zarr.core.array._read import plan_read, read
from zarr.core.array._resize import plan_append, resize
from zarr.core.array._selection import get_selection, set_selection, taken
from zarr.core.array._types import T_ArrayMetadata
from zarr.core.array._write import convert, plan_write, write
from zarr.core.array_spec import ArrayConfig, parse_array_config
from zarr.core.attributes import replace_attributes
from zarr.core.buffer import default_buffer_prototype
from zarr.core.indexing import (
    AsyncOIndex,
    AsyncVIndex,
    BasicIndexer,
    CoordinateIndexer,
    MaskIndexer,
    OrthogonalIndexer,
    made_arrays_async,
)
from zarr.core.metadata.v3 import check_usable
from zarr.core.sync import in_pool

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    import numpy.typing as npt

    from zarr.abc.codec import CodecPipeline
    from zarr.core._info import ArrayInfo
    from zarr.core.array_spec import ArrayConfigParams, ArraySpec
    from zarr.core.buffer import BufferPrototype, NDArrayLikeOrScalar, NDBuffer
    from zarr.core.chunk_grids import ChunkGrid
    from zarr.core.common import JSON, ShapeLike, ZarrFormat
    from zarr.core.dtype import ZDType
    from zarr.core.indexing import (
        BasicSelection,
        CoordinateSelection,
        Fields,
        Indexer,
        MaskSelection,
        OrthogonalSelection,
    )
    from zarr.core.metadata import ArrayMetadata
    from zarr.storage._common import StoreLike, StorePath


@dataclass(frozen=True, init=False, repr=False)
class AsyncArray(ArrayProperties[T_ArrayMetadata], Generic[T_ArrayMetadata]):
    """An array in a store, with coroutines to read and write it.

    Parameters
    ----------
    metadata : ArrayV2Metadata, ArrayV3Metadata or dict
        Metadata of the array, or their JSON form.
    store_path : StorePath
        Location of the array.
    config : ArrayConfig, dict or None
        Runtime options, which are not stored. Missing options are taken from `zarr.config`.

    Raises
    ------
    TypeError, ValueError
        If the metadata or the options are not valid, or if the array has storage transformers.
    """

    metadata: T_ArrayMetadata
    store_path: StorePath
    # The pipeline, the grid and the spec are derived from the metadata.
    codec_pipeline: CodecPipeline = field(init=False, compare=False)
    _chunk_grid: ChunkGrid = field(init=False, compare=False)
    # The most recent chunk spec of a regular grid, kept because codecs are prepared once per spec.
    _kept_spec: ArraySpec | None = field(init=False, compare=False)
    config: ArrayConfig

    def __init__(
        self,
        metadata: T_ArrayMetadata | Mapping[str, JSON],
        store_path: StorePath,
        config: ArrayConfig | ArrayConfigParams | None = None,
    ) -> None:
        parsed = parse_array_metadata(metadata, path=str(store_path))
        check_usable(parsed, store_path)
        options = parse_array_config(config)
        grid = chunk_grid(parsed)
        first = tuple(dimension.chunk_size(0) for dimension in grid.dimensions)
        pipeline = create_codec_pipeline(parsed, store=store_path.store).evolve_from_array_spec(
            chunk_spec(parsed, options, first, default_buffer_prototype())
        )
        object.__setattr__(self, "metadata", parsed)
        object.__setattr__(self, "store_path", store_path)
        object.__setattr__(self, "config", options)
        object.__setattr__(self, "_chunk_grid", grid)
        object.__setattr__(self, "codec_pipeline", pipeline)
        object.__setattr__(self, "_kept_spec", None)

    def __reduce__(self) -> tuple[Any, ...]:
        # Unpickling makes a new pipeline, with the configuration of the process that unpickles.
        return type(self), (self.metadata, self.store_path, self.config)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Called only to unpickle an array that zarr-python pickled. Attributes that depend on the
        # metadata, such as the pipeline, are computed again, as for arrays pickled by `__reduce__`.
        self.__dict__.update(state)
        AsyncArray.__init__(self, self.metadata, self.store_path, self.config)

    def _replace_metadata(self, metadata: ArrayMetadata) -> None:
        """Replace the metadata in memory after a change of the shape or the attributes."""
        object.__setattr__(self, "metadata", metadata)
        object.__setattr__(self, "_chunk_grid", chunk_grid(metadata))
        object.__setattr__(self, "_kept_spec", None)

    def _regular_spec(self, prototype: BufferPrototype) -> ArraySpec:
        """Return the chunk spec of a regular grid. The spec for the last prototype is cached."""
        spec = self._kept_spec
        if spec is None or spec.prototype != prototype:
            spec = chunk_spec(self.metadata, self.config, self._chunk_grid.chunk_shape, prototype)
            object.__setattr__(self, "_kept_spec", spec)
        return spec

    @classmethod
    def from_dict(cls, store_path: StorePath, data: Mapping[str, JSON]) -> AsyncArray[Any]:
        """Make an array from the JSON form of its metadata, without reading or storing anything.

        Parameters
        ----------
        store_path : StorePath
            Location of the array.
        data : dict
            A ``zarr.json`` document; or a ``.zarray`` document with the content of ``.zattrs``
            under ``attributes``.

        Raises
        ------
        TypeError, ValueError
            If the metadata are not valid.
        """
        return cls(data, store_path)

    @classmethod
    async def open(
        cls,
        store: StoreLike,
        zarr_format: ZarrFormat | None = 3,
        *,
        config: ArrayConfig | ArrayConfigParams | None = None,
    ) -> AsyncArray[Any]:
        """Open a stored array.

        Parameters
        ----------
        store : StoreLike
            Location of the array.
        zarr_format : {2, 3} or None
            Zarr format; None to detect it. Format 3 is preferred if both formats are stored.
        config : ArrayConfig, dict or None
            Runtime options, which are not stored. Missing options are taken from `zarr.config`.

        Raises
        ------
        ArrayNotFoundError
            If no ``zarr.json`` (format 3) or ``.zarray`` (format 2) is stored at the location. Only
            the document of the requested format is read.
        NodeTypeValidationError
            If the ``zarr.json`` does not describe an array.
        TypeError, ValueError
            If the metadata are not valid.
        """
        store_path = await find_array(store)
        metadata: Any = await open_metadata(store_path, zarr_format)
        return cls(metadata, store_path, config)

    def with_config(self, config: ArrayConfig | ArrayConfigParams) -> Self:
        """Return an object for the same stored array, with changed runtime options.

        Parameters
        ----------
        config : ArrayConfig or dict
            All options, or only the options to change.

        Raises
        ------
        TypeError
            If `config` contains an option that does not exist.
        """
        if not isinstance(config, ArrayConfig):
            options: dict[str, Any] = {**self.config.to_dict(), **config}
            config = ArrayConfig(**options)
        return type(self)(self.metadata, self.store_path, config)

    @property
    def attrs(self) -> dict[str, JSON]:
        """The user attributes; changes to this dictionary are not stored."""
        return self.metadata.attributes

    # --- for compatibility --------------------------------------------------------------

    @property
    def _config(self) -> ArrayConfig:
        """Runtime options; alias of `config`."""
        return self.config

    @property
    def _zdtype(self) -> ZDType[Any, Any]:
        """Data type of the elements, as an instance of `ZDType`."""
        return self.metadata.dtype

    @overridable
    async def _get_selection(
        self,
        indexer: Indexer,
        *,
        prototype: BufferPrototype,
        out: NDBuffer | None = None,
        fields: Fields | None = None,
    ) -> NDArrayLikeOrScalar:
        """Read a selection.

        An override of this method handles every read of elements, including the reads of the
        synchronous API. The override may be defined in a subclass, or assigned to the class or to
        an instance.

        Parameters
        ----------
        indexer : Indexer
            The selection.
        prototype : BufferPrototype
            Buffer classes for encoded and decoded data.
        out : NDBuffer or None
            Buffer that receives the result. If None, a new buffer is allocated.
        fields : str, list of str or None
            Fields of a structured data type to return; None to return whole elements.

        Returns
        -------
        array or scalar
            A scalar if `indexer` is a `BasicIndexer` and the result has no dimensions; otherwise an
            array.
        """
        plan = plan_read(self, indexer, out=out, fields=fields, prototype=prototype)
        return taken(await read(plan), indexer)

    @overridable
    async def _set_selection(
        self,
        indexer: Indexer,
        value: npt.ArrayLike | NDBuffer,
        *,
        prototype: BufferPrototype,
        fields: Fields | None = None,
    ) -> None:
        """Write a selection; an override of this method handles every write of elements.

        Parameters
        ----------
        indexer : Indexer
            The selection.
        value : scalar, array-like or NDBuffer
            As for `Array.set_basic_selection`.
        prototype : BufferPrototype
            Buffer classes for encoded and decoded data.
        fields : str, list of str or None
            One field of a structured data type to set; None to set whole elements.
        """
        await write(plan_write(self, indexer, value, fields=fields, prototype=prototype))

    async def _save_metadata(self, metadata: ArrayMetadata, ensure_parents: bool = False) -> None:
        """Replace the stored metadata; an override of this method handles every write of metadata.

        The metadata in memory do not change.

        Parameters
        ----------
        metadata : ArrayV2Metadata or ArrayV3Metadata
            Metadata to store.
        ensure_parents : bool
            Whether to create missing groups above the array.

        Raises
        ------
        ValueError
            If the store is read-only, or if `ensure_parents` is True and a parent is an array.
        """
        await store_metadata(self.store_path, metadata, ensure_parents=ensure_parents)

    async def _save(self, metadata: ArrayMetadata) -> None:
        """Write updated metadata to the store, with a changed shape or changed attributes."""
        await self._save_metadata(metadata)

    # --- reading ------------------------------------------------------------------------

    async def _read(
        self,
        indexer: Indexer,
        *,
        out: NDBuffer | None = None,
        fields: Fields | None = None,
        prototype: BufferPrototype | None = None,
    ) -> NDArrayLikeOrScalar:
        return await get_selection(self, indexer, out=out, fields=fields, prototype=prototype)

    async def getitem(
        self, selection: BasicSelection, *, prototype: BufferPrototype | None = None
    ) -> NDArrayLikeOrScalar:
        """Read a rectangular region, selected by integers and slices.

        Parameters
        ----------
        selection : int, slice, Ellipsis or tuple of them
            One item per dimension. Dimensions without an item are selected completely. Steps are
            positive.
        prototype : BufferPrototype or None
            Buffer classes for encoded and decoded data; None means the configured classes.

        Returns
        -------
        array or scalar
            A scalar if every dimension is selected by an integer.

        Raises
        ------
        IndexError, ChunkNotFoundError
            See `Array.get_basic_selection`.
        """
        selection = await made_arrays_async(selection)
        indexer = BasicIndexer(selection, self.shape, self._chunk_grid)
        return await self._read(indexer, prototype=prototype)

    async def get_orthogonal_selection(
        self,
        selection: OrthogonalSelection,
        *,
        out: NDBuffer | None = None,
        fields: Fields | None = None,
        prototype: BufferPrototype | None = None,
    ) -> NDArrayLikeOrScalar:
        """Read an orthogonal selection: all combinations of the indices selected per dimension.

        Parameters
        ----------
        selection : int, slice, list, array or tuple of them
            One item per dimension, as for `Array.get_orthogonal_selection`.
        out : NDBuffer or None
            Buffer that receives the result; see `Array.get_basic_selection`. If None, a new array
            is returned.
        fields : str, list of str or None
            Fields of a structured data type to return; None to return whole elements.
        prototype : BufferPrototype or None
            Buffer classes for encoded and decoded data; None means the configured classes.

        Raises
        ------
        IndexError, TypeError, ValueError, ChunkNotFoundError
            See `Array.get_orthogonal_selection`.
        """
        selection = await made_arrays_async(selection)
        indexer = OrthogonalIndexer(selection, self.shape, self._chunk_grid)
        return await self._read(indexer, out=out, fields=fields, prototype=prototype)

    async def get_mask_selection(
        self,
        mask: MaskSelection,
        *,
        out: NDBuffer | None = None,
        fields: Fields | None = None,
        prototype: BufferPrototype | None = None,
    ) -> NDArrayLikeOrScalar:
        """Read the elements selected by a mask, as a one-dimensional array.

        Parameters
        ----------
        mask : array of bool
            Mask with the shape of the array. An element is read if the mask is True for that
            element.
        out : NDBuffer or None
            Buffer that receives the result; see `Array.get_basic_selection`. If None, a new array
            is returned.
        fields : str, list of str or None
            Fields of a structured data type to return; None to return whole elements.
        prototype : BufferPrototype or None
            Buffer classes for encoded and decoded data; None means the configured classes.

        Raises
        ------
        IndexError, TypeError, ValueError, ChunkNotFoundError
            See `Array.get_mask_selection`.
        """
        mask = await made_arrays_async(mask)
        indexer = MaskIndexer(mask, self.shape, self._chunk_grid)
        return await self._read(indexer, out=out, fields=fields, prototype=prototype)

    async def get_coordinate_selection(
        self,
        selection: CoordinateSelection,
        *,
        out: NDBuffer | None = None,
        fields: Fields | None = None,
        prototype: BufferPrototype | None = None,
    ) -> NDArrayLikeOrScalar:
        """Read single elements by coordinates.

        Parameters
        ----------
        selection : int, array of int or tuple of them
            Coordinates, one item per dimension; see `Array.get_coordinate_selection`.
        out : NDBuffer or None
            Buffer that receives the result; see `Array.get_basic_selection`. If None, a new array
            is returned.
        fields : str, list of str or None
            Fields of a structured data type to return; None to return whole elements.
        prototype : BufferPrototype or None
            Buffer classes for encoded and decoded data; None means the configured classes.

        Raises
        ------
        IndexError, TypeError, ValueError, ChunkNotFoundError
            See `Array.get_coordinate_selection`.
        """
        selection = await made_arrays_async(selection)
        indexer = CoordinateIndexer(selection, self.shape, self._chunk_grid)
        return await self._read(indexer, out=out, fields=fields, prototype=prototype)

    @property
    def oindex(self) -> AsyncOIndex[T_ArrayMetadata]:
        """Orthogonal selection: ``await array.oindex.getitem(...)``."""
        return AsyncOIndex(self)

    @property
    def vindex(self) -> AsyncVIndex[T_ArrayMetadata]:
        """Selection by coordinates or a mask: ``await array.vindex.getitem(...)``."""
        return AsyncVIndex(self)

    # --- writing ------------------------------------------------------------------------

    async def setitem(
        self,
        selection: BasicSelection,
        value: npt.ArrayLike | NDBuffer | AsyncArray[Any],
        prototype: BufferPrototype | None = None,
    ) -> None:
        """Write a rectangular region, selected by integers and slices.

        Parameters
        ----------
        selection : int, slice, Ellipsis or tuple of them
            One item per dimension. Dimensions without an item are selected completely. Steps are
            positive.
        value : scalar or array-like
            New values, which are converted to the data type of the array, and broadcast to the
            selection.
        prototype : BufferPrototype or None
            Buffer classes for encoded and decoded data; None means the configured classes.

        Raises
        ------
        IndexError, TypeError, ValueError, OverflowError
            See `Array.set_basic_selection`.
        """
        selection = await made_arrays_async(selection)
        indexer = BasicIndexer(selection, self.shape, self._chunk_grid)
        await set_selection(self, indexer, await in_memory(value), prototype=prototype)

    async def append(self, data: npt.ArrayLike, axis: int = 0) -> tuple[int, ...]:
        """Append data along a dimension.

        Parameters
        ----------
        data : array-like
            Data to append. The shapes of `data` and of the array must be equal, except along
            `axis`.
        axis : int
            Dimension that grows; negative numbers count from the last dimension.

        Returns
        -------
        tuple of int
            The new shape in elements.

        Raises
        ------
        ValueError
            If the dimension does not exist, if the shapes do not match, or if the store is
            read-only.
        TypeError, ValueError, OverflowError
            If `data` cannot be converted to the data type. In that case the array is not resized.
        """
        values = await converted(data, self.dtype)
        new_shape, place = plan_append(self, values, axis)
        await self.resize(new_shape)
        await self.setitem(place, values)
        return self.shape

    async def resize(self, new_shape: ShapeLike, delete_outside_chunks: bool = True) -> None:
        """Change the shape.

        Parameters
        ----------
        new_shape : iterable of int or int
            New shape in elements, with the same number of dimensions as the array.
        delete_outside_chunks : bool
            Whether to delete chunks that are completely outside the new shape.

        Raises
        ------
        TypeError, ValueError
            If `new_shape` is not valid, or if the store is read-only.
        """
        await resize(self, new_shape, delete_outside_chunks=delete_outside_chunks)

    async def update_attributes(self, new_attributes: Mapping[str, JSON]) -> Self:
        """Add user attributes; existing attributes with the same names are replaced.

        Parameters
        ----------
        new_attributes : mapping or iterable of pairs
            Names and JSON values of the attributes.

        Returns
        -------
        AsyncArray
            This array.

        Raises
        ------
        TypeError
            If a value cannot be serialized to JSON.
        ValueError
            If the store is read-only.
        """
        await replace_attributes(self, {**self.metadata.attributes, **dict(new_attributes)})
        return self

    # --- stored chunks and size ---------------------------------------------------------

    async def nchunks_initialized(self) -> int:
        """Return the number of stored chunks.

        In an array with shards, all inner chunks of a stored shard are counted, although some of
        the inner chunks may be absent.
        """
        return await nchunks_initialized(self)

    async def nbytes_stored(self) -> int:
        """Return the total size in bytes of all values stored for the array, including metadata."""
        return await nbytes_stored(self)

    async def info_complete(self) -> ArrayInfo:
        """Return a summary with the numbers of stored chunks (or shards) and of stored bytes."""
        return self._summary(
            count_chunks_initialized=len(await initialized_chunks(self)),
            count_bytes_stored=await nbytes_stored(self),
        )


async def converted(value: Any, dtype: np.dtype[Any]) -> Any:
    """Convert a value to an array of a data type; lazy values are computed in the worker pool."""
    value = await in_memory(value)
    if isinstance(value, np.ndarray):
        return convert(value, dtype)
    return await in_pool(lambda: convert(value, dtype))


async def in_memory(value: Any) -> Any:
    """Read and return all elements of an array of this library; return other values as they are."""
    inner = getattr(value, "async_array", value)
    return await inner.getitem(...) if isinstance(inner, AsyncArray) else value
