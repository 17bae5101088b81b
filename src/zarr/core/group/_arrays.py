"""Creation of arrays in a group."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np

from zarr.core._derive import Begun, begin, in_two_steps
from zarr.core.array import DEFAULT_FILL_VALUE, AsyncArray, _filled, create_array
from zarr.core.common import parse_shapelike
from zarr.core.dtype import parse_dtype
from zarr.core.group._info import GroupProperties
from zarr.core.group._members import find
from zarr.core.group._metadata import GroupMetadata
from zarr.errors import ContainsArrayError, ContainsGroupError, ZarrUserWarning

if TYPE_CHECKING:
    from zarr.core.array import (
        CompressorLike,
        CompressorsLike,
        FiltersLike,
        SerializerLike,
        ShardsLike,
    )
    from zarr.core.array_spec import ArrayConfig, ArrayConfigParams
    from zarr.core.chunk_key_encodings import ChunkKeyEncodingLike
    from zarr.core.common import JSON, ChunksLike, DimensionNames, MemoryOrder, ShapeLike
    from zarr.core.dtype import ZDTypeLike

# Default compressor of arrays in format 2 groups.
_DEFAULT_COMPRESSOR_V2: Final = {"id": "blosc"}


class ArrayCreation(GroupProperties):
    """Coroutines of `AsyncGroup` that create arrays."""

    if TYPE_CHECKING:

        async def _find(self, key: str, *, use_consolidated: bool = True) -> Any: ...

    @in_two_steps
    async def create_array(
        self,
        name: str,
        *,
        shape: ShapeLike | None = None,
        dtype: ZDTypeLike | None = None,
        data: Any | None = None,
        chunks: ChunksLike | Literal["auto"] = "auto",
        shards: ShardsLike | None = None,
        filters: FiltersLike = "auto",
        compressors: CompressorsLike = "auto",
        compressor: CompressorLike = "auto",
        serializer: SerializerLike = "auto",
        fill_value: Any = DEFAULT_FILL_VALUE,
        order: MemoryOrder | None = None,
        attributes: dict[str, JSON] | None = None,
        chunk_key_encoding: ChunkKeyEncodingLike | None = None,
        dimension_names: DimensionNames = None,
        storage_options: dict[str, Any] | None = None,
        overwrite: bool = False,
        config: ArrayConfig | ArrayConfigParams | None = None,
        write_data: bool = True,
    ) -> Begun[AsyncArray[Any]]:
        """Create an array in this group, with the format of the group.

        Parameters
        ----------
        name : str
            Path relative to this group. Missing groups between this group and the array are
            created.
        shape : iterable of int, int or None
            Shape of the array in elements; None if `data` is given.
        dtype : dtype-like, ZDType or None
            Data type of the elements; None if `data` is given.
        data : array or None
            Array that provides the shape, the data type and the elements. If `data` is None, no
            elements are written.
        chunks : iterable of int, int or "auto"
            Shape of the chunks in elements; -1 stands for the whole length of a dimension. If
            ``array.rectilinear_chunks`` is on, the item for a dimension may be a list of chunk
            lengths. The metadata of a chunk grid are accepted for both `chunks` and `shards`.
        shards : iterable of int, int, dict, "auto" or None
            Shape of the shards in elements, a multiple of `chunks`. If `shards` is None, the array
            has no shards. A dictionary contains the key ``shape`` and optionally the key
            ``index_location``. Format 3 only.
        filters : iterable of codec, codec, "auto" or None
            In format 3, the filters are array-to-array codecs; in format 2, they are numcodecs
            codecs. If `filters` is None, the array has no filters.
        compressors : iterable of codec, codec, "auto" or None
            In format 3, the compressors are bytes-to-bytes codecs; in format 2, there is one
            compressor, a numcodecs codec. If `compressors` is None, chunks are not compressed.
        serializer : ArrayBytesCodec, dict or "auto"
            Array-to-bytes codec. Format 3 only.
        fill_value : scalar or None
            Value of the elements in absent chunks. By default, it is the default value of the data
            type. None means an undefined fill value in format 2, and the default value of the data
            type in format 3.
        order : {"C", "F"} or None
            Memory layout of encoded chunks. If `order` is None, the configured ``array.order`` is
            used. Format 2 only.
        attributes : mapping or None
            User attributes with JSON values. If `attributes` is None, the array has no attributes.
        chunk_key_encoding : ChunkKeyEncoding, dict or None
            Encoding of the chunk keys. If `chunk_key_encoding` is None, the default of the format
            is used.
        dimension_names : iterable of str or None, or None
            For each dimension a name, or None for a dimension without a name. If `dimension_names`
            itself is None, no dimension has a name. Format 3 only.
        overwrite : bool
            Whether to delete everything that is stored at the location before the array is created.
        config : ArrayConfig, dict or None
            Runtime options, which are not stored. Missing options are taken from `zarr.config`.
        write_data : bool
            Whether to write the elements of `data`.
        compressor : codec or None
            One compressor; may be given instead of `compressors`. By default, arrays in a format 2
            group are compressed with Blosc.
        storage_options : dict or None
            Storage options are not supported, because the store of the group is already open.

        Returns
        -------
        Array or AsyncArray
            The new array: `Array` in the synchronous API, `AsyncArray` in the asynchronous API.

        Raises
        ------
        ContainsArrayError, ContainsGroupError
            If a node exists at the location and `overwrite` is False.
        TypeError, ValueError
            If a parameter is not valid, or if the store is read-only.

        Warns
        -----
        ZarrUserWarning
            If `compressor` is given for a format 3 array.
        """
        given = dict(locals())  # all parameters, before other local variables exist
        del given["self"], given["compressor"]
        if not (isinstance(compressor, str) and compressor == "auto"):
            if not (isinstance(compressors, str) and compressors == "auto"):
                raise ValueError("Cannot specify both `compressor` and `compressors`.")
            if self.metadata.zarr_format == 3:
                warnings.warn(
                    "The `compressor` argument is deprecated. Use `compressors` instead.",
                    category=ZarrUserWarning,
                    stacklevel=1,
                )
            given["compressors"] = None if compressor is None else (compressor,)
        elif self.metadata.zarr_format == 2 and isinstance(compressors, str):
            given["compressors"] = _DEFAULT_COMPRESSOR_V2
        return await begin(
            create_array, self.store_path, zarr_format=self.metadata.zarr_format, **given
        )

    @in_two_steps
    async def require_array(
        self,
        name: str,
        *,
        shape: ShapeLike,
        dtype: ZDTypeLike | None = None,
        exact: bool = False,
        config: ArrayConfig | ArrayConfigParams | None = None,
        **kwargs: Any,
    ) -> Begun[AsyncArray[Any]]:
        """Return an array in this group, creating it if it does not exist.

        Parameters
        ----------
        name : str
            Path relative to this group.
        shape : iterable of int or int
            Shape of the array in elements.
        dtype : dtype-like, ZDType or None
            Data type of the elements. If `dtype` is None, an existing array may have any data type.
        exact : bool
            Whether the data type of an existing array must equal `dtype`. If False, a data type
            that casts safely to `dtype` is also accepted.
        config : ArrayConfig, dict or None
            Runtime options, which are not stored. Missing options are taken from `zarr.config`.
        **kwargs
            Parameters of `create_array`; ignored if the array exists.

        Raises
        ------
        TypeError
            If a group is stored at the path, or if the array at the path has a different shape or
            an incompatible data type.
        ValueError
            If the array must be created, but the store is read-only or `dtype` is None.
        """
        node = await self._find(name, use_consolidated=False)
        metadata: Any = None if node is None else node.metadata
        if metadata is None:
            try:
                return await begin(
                    self.create_array, name, shape=shape, dtype=dtype, config=config, **kwargs
                )
            except (ContainsArrayError, ContainsGroupError):  # another writer created a node
                metadata = await find(self.store_path, self.metadata, name, use_consolidated=False)
                if metadata is None:
                    raise
        if isinstance(metadata, GroupMetadata):
            raise TypeError("Incompatible object (AsyncGroup) already exists")
        wanted_shape = parse_shapelike(shape)
        if wanted_shape != metadata.shape:
            raise TypeError(f"Incompatible shape ({metadata.shape} vs {wanted_shape})")
        if dtype is not None:
            have = cast("np.dtype[Any]", metadata.dtype.to_native_dtype())
            wanted = cast(
                "np.dtype[Any]",
                parse_dtype(dtype, zarr_format=metadata.zarr_format).to_native_dtype(),
            )
            if have != wanted and (exact or not np.can_cast(have, wanted)):
                raise TypeError(f"Incompatible dtype ({have} vs {wanted})")
        array = AsyncArray(metadata, self.store_path / name) if node is None else node
        return Begun(array if config is None else array.with_config(config))

    # --- creating arrays with one value -------------------------------------------------

    def _parameters(self, name: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments with which `zarr.create` creates an array in this group.

        The format of the array is the format of the group.

        Raises
        ------
        ValueError
            If `kwargs` requests a format that differs from the format of the group.
        TypeError
            If `kwargs` contains ``store`` or ``path``.
        """
        own, zarr_format = self.metadata.zarr_format, kwargs.get("zarr_format")
        if zarr_format is not None and zarr_format != own:
            raise ValueError(
                f"Cannot create a zarr_format={zarr_format} array in a zarr_format={own} group."
            )
        for parameter in ("store", "path"):
            if parameter in kwargs:
                raise TypeError(f"got multiple values for keyword argument {parameter!r}")
        return {**kwargs, "store": self.store_path, "path": name, "zarr_format": own}

    @in_two_steps
    async def empty(self, *, name: str, shape: ShapeLike, **kwargs: Any) -> Begun[AsyncArray[Any]]:
        """Create an array with uninitialized elements.

        Parameters
        ----------
        name : str
            Path relative to this group.
        shape : iterable of int or int
            Shape of the array in elements.
        **kwargs
            Parameters of `zarr.create`. The format is always the format of the group.

        Raises
        ------
        ValueError
            If `zarr_format` differs from the format of the group, or if a parameter is not valid.
        """
        return await begin(_filled.empty, shape, **self._parameters(name, kwargs))

    @in_two_steps
    async def zeros(self, *, name: str, shape: ShapeLike, **kwargs: Any) -> Begun[AsyncArray[Any]]:
        """Create an array with the fill value 0; see `empty`."""
        return await begin(_filled.zeros, shape, **self._parameters(name, kwargs))

    @in_two_steps
    async def ones(self, *, name: str, shape: ShapeLike, **kwargs: Any) -> Begun[AsyncArray[Any]]:
        """Create an array with the fill value 1; see `empty`."""
        return await begin(_filled.ones, shape, **self._parameters(name, kwargs))

    @in_two_steps
    async def full(
        self, *, name: str, shape: ShapeLike, fill_value: Any | None, **kwargs: Any
    ) -> Begun[AsyncArray[Any]]:
        """Create an array with a given fill value; see `empty`."""
        return await begin(_filled.full, shape, fill_value, **self._parameters(name, kwargs))

    @in_two_steps
    async def empty_like(self, *, name: str, data: Any, **kwargs: Any) -> Begun[AsyncArray[Any]]:
        """Create an array like `data`, with uninitialized elements.

        Parameters
        ----------
        name : str
            Path relative to this group.
        data : Array, AsyncArray or array-like
            Array that provides the parameters; see `zarr.empty_like`.
        **kwargs
            Parameters of `zarr.create`.
        """
        return await begin(_filled.empty_like, data, **self._parameters(name, kwargs))

    @in_two_steps
    async def zeros_like(self, *, name: str, data: Any, **kwargs: Any) -> Begun[AsyncArray[Any]]:
        """Create an array like `data` with the fill value 0; see `empty_like`."""
        return await begin(_filled.zeros_like, data, **self._parameters(name, kwargs))

    @in_two_steps
    async def ones_like(self, *, name: str, data: Any, **kwargs: Any) -> Begun[AsyncArray[Any]]:
        """Create an array like `data` with the fill value 1; see `empty_like`."""
        return await begin(_filled.ones_like, data, **self._parameters(name, kwargs))

    @in_two_steps
    async def full_like(self, *, name: str, data: Any, **kwargs: Any) -> Begun[AsyncArray[Any]]:
        """Create an array like `data` with a given fill value; see `empty_like`."""
        return await begin(_filled.full_like, data, **self._parameters(name, kwargs))


# The methods are public methods of `AsyncGroup`. Their `__qualname__` is changed to
# ``AsyncGroup.<name>``, so that errors about wrong arguments mention `AsyncGroup`.
for _name, _method in vars(ArrayCreation).items():
    if inspect.iscoroutinefunction(_method):
        for _step in (_method, _method._first_step):
            _step.__module__ = "zarr.core.group._async"
            _step.__qualname__ = f"AsyncGroup.{_name}"
