"""The array of the synchronous API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, cast

import numpy as np

from zarr.core._derive import sync_method
from zarr.core.array._async import AsyncArray
from zarr.core.array._info import ArrayProperties
from zarr.core.array._resize import plan_append
from zarr.core.array._selection import get_selection_sync, set_selection_sync
from zarr.core.array._types import T_ArrayMetadata
from zarr.core.array._write import convert
from zarr.core.attributes import Attributes
from zarr.core.indexing import (
    BasicIndexer,
    BlockIndex,
    BlockIndexer,
    CoordinateIndexer,
    MaskIndexer,
    OIndex,
    OrthogonalIndexer,
    VIndex,
    is_pure_fancy_indexing,
    is_pure_orthogonal_indexing,
    made_arrays,
    pop_fields,
)
from zarr.core.sync import refuse_at_the_end, sync_in_time, sync_opening
from zarr.storage._common import never_waits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    import numpy.typing as npt

    from zarr.core.array_spec import ArrayConfig, ArrayConfigParams
    from zarr.core.buffer import BufferPrototype, NDArrayLikeOrScalar, NDBuffer
    from zarr.core.chunk_grids import ChunkGrid
    from zarr.core.common import JSON, ShapeLike
    from zarr.core.indexing import (
        BasicSelection,
        CoordinateSelection,
        Fields,
        Indexer,
        MaskSelection,
        OrthogonalSelection,
        Selection,
    )
    from zarr.storage._common import StoreLike, StorePath


def _async_of(array: Array[Any]) -> AsyncArray[Any]:
    return array._async_array


@dataclass(repr=False)
class Array(ArrayProperties[T_ArrayMetadata], Generic[T_ArrayMetadata]):
    """An array whose chunks are in a store.

    Indexing reads elements into a new NumPy array, and assignment writes elements to the store. No
    elements are cached. Each calling thread decodes chunks, so threads can read in parallel.

    Parameters
    ----------
    _async_array : AsyncArray
        Array of the asynchronous API, which this class wraps.
    """

    _async_array: AsyncArray[T_ArrayMetadata]

    @classmethod
    def from_dict(cls, store_path: StorePath, data: Mapping[str, JSON]) -> Array[Any]:
        # docstring inherited
        inner: Any = AsyncArray.from_dict(store_path, data)
        return cls(inner)

    @classmethod
    def open(
        cls, store: StoreLike, *, config: ArrayConfig | ArrayConfigParams | None = None
    ) -> Array[Any]:
        """Open a stored array of format 3; `zarr.open_array` opens either format.

        Parameters
        ----------
        store : StoreLike
            Location of the array.
        config : ArrayConfig, dict or None
            Runtime options, which are not stored. Missing options are taken from `zarr.config`.

        Raises
        ------
        ArrayNotFoundError
            If no ``zarr.json`` is stored at the location.
        TypeError, ValueError
            If the metadata are not valid, or are the metadata of a group.
        """
        opened = AsyncArray.open(store, config=config)
        inner: Any = sync_opening(opened, in_thread=never_waits(store))
        return cls(inner)

    # --- properties ---------------------------------------------------------------------

    @property
    def async_array(self) -> AsyncArray[T_ArrayMetadata]:
        """The same array as an object of the asynchronous API."""
        return self._async_array

    @property
    def metadata(self) -> T_ArrayMetadata:
        """Metadata of the array."""
        return self._async_array.metadata

    @property
    def store_path(self) -> StorePath:
        """Location of the array."""
        return self._async_array.store_path

    @property
    def config(self) -> ArrayConfig:
        """Runtime options of the array, which are not stored."""
        return self._async_array.config

    @property
    def _chunk_grid(self) -> ChunkGrid:
        return self._async_array._chunk_grid

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array in elements; assigning a new shape resizes the array."""
        return self._async_array.metadata.shape

    @shape.setter
    def shape(self, value: ShapeLike) -> None:
        self.resize(value)

    @property
    def fill_value(self) -> Any:
        """Value of elements that are not stored; None if undefined (format 2 only)."""
        return self._async_array.metadata.fill_value

    @property
    def attrs(self) -> Attributes:
        """The user attributes; changes are stored immediately."""
        return Attributes(self)

    @property
    def nchunks_initialized(self) -> int:
        """Number of stored chunks; if a shard is stored, all its chunks are counted."""
        return sync_in_time(self._async_array.nchunks_initialized())

    def with_config(self, config: ArrayConfig | ArrayConfigParams) -> Self:
        # docstring inherited
        return type(self)(self._async_array.with_config(config))

    # --- NumPy --------------------------------------------------------------------------

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("`copy=False` is not supported. This method always creates a copy.")
        elements = np.asarray(self[...])
        return elements if dtype is None else elements.astype(dtype, copy=False)

    def __getitem__(self, selection: Selection | str | tuple[Any, ...]) -> NDArrayLikeOrScalar:
        """Read a selection, with the semantics of NumPy.

        Integers and slices select a box. An integer or boolean array combined with integers and
        slices makes an orthogonal selection; see `oindex`. Several integer arrays select single
        elements; see `vindex`. The items may include field names of a structured data type.

        Returns
        -------
        array or scalar
            A scalar if the array has no dimensions. If integers select one element: a scalar if any
            item is ``...`` or a NumPy integer, else a zero-dimensional array. Otherwise an array.

        Raises
        ------
        IndexError
            If the selection is invalid or out of bounds.
        ChunkNotFoundError
            If a chunk is absent and ``array.read_missing_chunks`` is off.
        """
        selection = made_arrays(selection)
        fields, plain = pop_fields(selection)
        if is_pure_fancy_indexing(plain, self.ndim):
            return cast("NDArrayLikeOrScalar", self.vindex[cast("Any", selection)])
        if is_pure_orthogonal_indexing(plain, self.ndim):
            return self.get_orthogonal_selection(cast("Any", plain), fields=fields)
        return self.get_basic_selection(cast("Any", plain), fields=fields)

    def __setitem__(
        self, selection: Selection | str | tuple[Any, ...], value: npt.ArrayLike | NDBuffer
    ) -> None:
        """Write a selection; see `__getitem__` and `set_basic_selection`."""
        selection = made_arrays(selection)
        fields, plain = pop_fields(selection)
        if is_pure_fancy_indexing(plain, self.ndim):
            self.vindex[cast("Any", selection)] = value
        elif is_pure_orthogonal_indexing(plain, self.ndim):
            self.set_orthogonal_selection(cast("Any", plain), value, fields=fields)
        else:
            self.set_basic_selection(cast("Any", plain), value, fields=fields)

    @property
    def oindex(self) -> OIndex:
        """Orthogonal selection, one selection per dimension: ``array.oindex[...]``."""
        return OIndex(self)

    @property
    def vindex(self) -> VIndex:
        """Selection by coordinates or a mask: ``array.vindex[...]``."""
        return VIndex(self)

    @property
    def blocks(self) -> BlockIndex:
        """Selection of whole chunks, or whole shards of a sharded array: ``array.blocks[...]``."""
        return BlockIndex(self)

    # --- reading ------------------------------------------------------------------------

    def _read(
        self,
        indexer: Indexer,
        *,
        out: NDBuffer | None,
        fields: Fields | None,
        prototype: BufferPrototype | None,
    ) -> NDArrayLikeOrScalar:
        refuse_at_the_end()
        return get_selection_sync(
            self._async_array, indexer, out=out, fields=fields, prototype=prototype
        )

    def get_basic_selection(
        self,
        selection: BasicSelection = Ellipsis,
        *,
        out: NDBuffer | None = None,
        prototype: BufferPrototype | None = None,
        fields: Fields | None = None,
    ) -> NDArrayLikeOrScalar:
        """Read a box, selected by integers and slices.

        Parameters
        ----------
        selection : int, slice, Ellipsis or tuple of them
            One item per dimension; a dimension without an item is selected completely. Steps are
            positive.
        out : NDBuffer or None
            Buffer that receives the result; None means a new array. `out` must have the shape of
            the result. NumPy must be able to cast the result to the data type of `out` with
            ``same_kind`` casting. `out` need not be contiguous.
        prototype : BufferPrototype or None
            Buffer classes for encoded and decoded data; None means the configured classes.
        fields : str, list of str or None
            Fields of a structured data type to return; None to return whole elements.

        Returns
        -------
        array or scalar
            A scalar if every dimension is selected by an integer, otherwise an array.

        Raises
        ------
        IndexError
            If the selection is invalid or out of bounds.
        TypeError, ValueError
            If `out` is not an `NDBuffer`, or has an unsuitable shape or data type.
        ChunkNotFoundError
            If a chunk is absent and ``array.read_missing_chunks`` is off.
        """
        indexer = BasicIndexer(selection, self.shape, self._chunk_grid)
        return self._read(indexer, out=out, fields=fields, prototype=prototype)

    def get_orthogonal_selection(
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
        selection : int, slice, integer array, boolean array or tuple of them
            One item per dimension; a dimension without an item is selected completely.
        out : NDBuffer or None
            Buffer that receives the result; see `get_basic_selection`. None means a new array.
        fields : str, list of str or None
            Fields of a structured data type to return; None to return whole elements.
        prototype : BufferPrototype or None
            Buffer classes for encoded and decoded data; None means the configured classes.

        Raises
        ------
        IndexError, TypeError, ValueError, ChunkNotFoundError
            See `get_basic_selection`.
        """
        indexer = OrthogonalIndexer(selection, self.shape, self._chunk_grid)
        return self._read(indexer, out=out, fields=fields, prototype=prototype)

    def get_mask_selection(
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
        mask : boolean array
            Mask with the shape of the array; True selects an element.
        out : NDBuffer or None
            Buffer that receives the result; see `get_basic_selection`. None means a new array.
        fields : str, list of str or None
            Fields of a structured data type to return; None to return whole elements.
        prototype : BufferPrototype or None
            Buffer classes for encoded and decoded data; None means the configured classes.

        Raises
        ------
        IndexError, TypeError, ValueError, ChunkNotFoundError
            See `get_basic_selection`.
        """
        indexer = MaskIndexer(mask, self.shape, self._chunk_grid)
        return self._read(indexer, out=out, fields=fields, prototype=prototype)

    def get_coordinate_selection(
        self,
        selection: CoordinateSelection,
        *,
        out: NDBuffer | None = None,
        fields: Fields | None = None,
        prototype: BufferPrototype | None = None,
    ) -> NDArrayLikeOrScalar:
        """Read single elements, selected by their coordinates.

        Parameters
        ----------
        selection : integer array or tuple of them
            One array of indices per dimension. The arrays are broadcast to a common shape, which is
            the shape of the result.
        out : NDBuffer or None
            Buffer that receives the result; see `get_basic_selection`. None means a new array. If
            the result has several dimensions, `out` may also be one-dimensional, with one element
            for each element of the result.
        fields : str, list of str or None
            Fields of a structured data type to return; None to return whole elements.
        prototype : BufferPrototype or None
            Buffer classes for encoded and decoded data; None means the configured classes.

        Raises
        ------
        IndexError, TypeError, ValueError, ChunkNotFoundError
            See `get_basic_selection`.
        """
        indexer = CoordinateIndexer(selection, self.shape, self._chunk_grid)
        return self._read(indexer, out=out, fields=fields, prototype=prototype)

    def get_block_selection(
        self,
        selection: BasicSelection,
        *,
        out: NDBuffer | None = None,
        fields: Fields | None = None,
        prototype: BufferPrototype | None = None,
    ) -> NDArrayLikeOrScalar:
        """Read whole chunks, or whole shards of a sharded array, by their position in the grid.

        Parameters
        ----------
        selection : int, slice, Ellipsis or tuple of them
            One item per dimension; a dimension without an item is selected completely. Slices must
            have the step 1.
        out : NDBuffer or None
            Buffer that receives the result; see `get_basic_selection`. None means a new array.
        fields : str, list of str or None
            Fields of a structured data type to return; None to return whole elements.
        prototype : BufferPrototype or None
            Buffer classes for encoded and decoded data; None means the configured classes.

        Raises
        ------
        IndexError, TypeError, ValueError, ChunkNotFoundError
            See `get_basic_selection`.
        """
        indexer = BlockIndexer(selection, self.shape, self._chunk_grid)
        return self._read(indexer, out=out, fields=fields, prototype=prototype)

    # --- writing ------------------------------------------------------------------------

    def _write(
        self,
        indexer: Indexer,
        value: object,
        *,
        fields: Fields | None = None,
        prototype: BufferPrototype | None = None,
    ) -> None:
        refuse_at_the_end()
        set_selection_sync(self._async_array, indexer, value, fields=fields, prototype=prototype)

    def set_basic_selection(
        self,
        selection: BasicSelection,
        value: npt.ArrayLike | NDBuffer,
        *,
        fields: Fields | None = None,
        prototype: BufferPrototype | None = None,
    ) -> None:
        """Write a box, selected by integers and slices.

        Parameters
        ----------
        selection : int, slice, Ellipsis or tuple of them
            As for `get_basic_selection`.
        value : scalar or array-like
            New values, which are converted to the data type of the array and broadcast to the
            selection.
        fields : str or None
            One field of a structured data type to write; None means all fields.
        prototype : BufferPrototype or None
            Buffer classes for encoded and decoded data; None means the configured classes.

        Raises
        ------
        IndexError
            If the selection is invalid or out of bounds.
        TypeError, ValueError, OverflowError
            If `value` does not fit the selection or the data type, or if the store is read-only. If
            one of these errors is raised, nothing has been written.
        """
        indexer = BasicIndexer(selection, self.shape, self._chunk_grid)
        self._write(indexer, value, fields=fields, prototype=prototype)

    def set_orthogonal_selection(
        self,
        selection: OrthogonalSelection,
        value: npt.ArrayLike | NDBuffer,
        *,
        fields: Fields | None = None,
        prototype: BufferPrototype | None = None,
    ) -> None:
        """Write an orthogonal selection: all combinations of the indices selected per dimension.

        Parameters
        ----------
        selection : int, slice, integer array, boolean array or tuple of them
            As for `get_orthogonal_selection`.
        value : scalar or array-like
            New values, which are converted to the data type of the array and broadcast to the
            selection.
        fields : str or None
            One field of a structured data type to write; None means all fields.
        prototype : BufferPrototype or None
            Buffer classes for encoded and decoded data; None means the configured classes.

        Raises
        ------
        IndexError, TypeError, ValueError, OverflowError
            See `set_basic_selection`.
        """
        indexer = OrthogonalIndexer(selection, self.shape, self._chunk_grid)
        self._write(indexer, value, fields=fields, prototype=prototype)

    def set_mask_selection(
        self,
        mask: MaskSelection,
        value: npt.ArrayLike | NDBuffer,
        *,
        fields: Fields | None = None,
        prototype: BufferPrototype | None = None,
    ) -> None:
        """Write the elements selected by a mask.

        Parameters
        ----------
        mask : boolean array
            Mask with the shape of the array; True selects an element.
        value : scalar or array-like
            New values, which are converted to the data type of the array and broadcast to the
            selection. If `value` is an array, it must be one-dimensional.
        fields : str or None
            One field of a structured data type to write; None means all fields.
        prototype : BufferPrototype or None
            Buffer classes for encoded and decoded data; None means the configured classes.

        Raises
        ------
        IndexError, TypeError, ValueError, OverflowError
            See `set_basic_selection`.
        """
        indexer = MaskIndexer(mask, self.shape, self._chunk_grid)
        self._write(indexer, value, fields=fields, prototype=prototype)

    def set_coordinate_selection(
        self,
        selection: CoordinateSelection,
        value: npt.ArrayLike | NDBuffer,
        *,
        fields: Fields | None = None,
        prototype: BufferPrototype | None = None,
    ) -> None:
        """Write single elements by coordinates; for repeated coordinates, the last value is stored.

        Parameters
        ----------
        selection : integer array or tuple of them
            As for `get_coordinate_selection`.
        value : scalar or array-like
            See `set_basic_selection`. If `value` is an array, it must be one-dimensional or have
            the shape of the coordinate arrays.
        fields : str or None
            One field of a structured data type to write; None means all fields.
        prototype : BufferPrototype or None
            Buffer classes for encoded and decoded data; None means the configured classes.

        Raises
        ------
        IndexError, TypeError, ValueError, OverflowError
            See `set_basic_selection`.
        """
        indexer = CoordinateIndexer(selection, self.shape, self._chunk_grid)
        self._write(indexer, value, fields=fields, prototype=prototype)

    def set_block_selection(
        self,
        selection: BasicSelection,
        value: npt.ArrayLike | NDBuffer,
        *,
        fields: Fields | None = None,
        prototype: BufferPrototype | None = None,
    ) -> None:
        """Write whole chunks, or whole shards of a sharded array, by their position in the grid.

        Parameters
        ----------
        selection : int, slice, Ellipsis or tuple of them
            As for `get_block_selection`.
        value : scalar or array-like
            New values, which are converted to the data type of the array and broadcast to the
            selection.
        fields : str or None
            One field of a structured data type to write; None means all fields.
        prototype : BufferPrototype or None
            Buffer classes for encoded and decoded data; None means the configured classes.

        Raises
        ------
        IndexError, TypeError, ValueError, OverflowError
            See `set_basic_selection`.
        """
        indexer = BlockIndexer(selection, self.shape, self._chunk_grid)
        self._write(indexer, value, fields=fields, prototype=prototype)

    def append(self, data: npt.ArrayLike, axis: int = 0) -> tuple[int, ...]:
        # docstring inherited
        values = convert(data, self.dtype)
        new_shape, place = plan_append(self._async_array, values, axis)
        self.resize(new_shape)
        self.set_basic_selection(place, values)
        return self.shape

    def resize(self, new_shape: ShapeLike) -> None:
        """Change the shape, and delete chunks that are completely outside the new shape.

        Parameters
        ----------
        new_shape : iterable of int or int
            New shape in elements, with as many dimensions as the array has. New elements usually
            have the fill value. If a stored chunk extends beyond the old shape, new elements in this
            chunk have the values that the chunk contains.

        Raises
        ------
        TypeError, ValueError
            If `new_shape` is not valid, or if the store is read-only.
        """
        sync_in_time(self._async_array.resize(new_shape))

    def update_attributes(self, new_attributes: Mapping[str, JSON]) -> Self:
        # docstring inherited
        return type(self)(sync_in_time(self._async_array.update_attributes(new_attributes)))

    nbytes_stored = sync_method(AsyncArray.nbytes_stored, to=_async_of)
    info_complete = sync_method(AsyncArray.info_complete, to=_async_of)
