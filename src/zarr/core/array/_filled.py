"""Create arrays filled with one value: `zarr.zeros` and similar functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarr.core._derive import Begun, begin, in_two_steps
from zarr.core.array._async import AsyncArray
from zarr.core.array._legacy import create
from zarr.core.array._sync import Array
from zarr.core.array._types import DEFAULT_FILL_VALUE
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata
from zarr.core.metadata.v3 import RegularChunkGridMetadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zarr.core.common import ShapeLike, ZarrFormat


@in_two_steps
async def empty(shape: ShapeLike, **kwargs: Any) -> Begun[AsyncArray[Any]]:
    """Create an array without writing elements.

    Reading elements that have not been written returns the fill value of the array.

    Parameters
    ----------
    shape : iterable of int or int
        Shape of the array in elements.
    **kwargs
        Parameters of `create`.
    """
    return await begin(create, shape, **kwargs)


@in_two_steps
async def zeros(shape: ShapeLike, **kwargs: Any) -> Begun[AsyncArray[Any]]:
    """Create an array with the fill value 0; see `create` for the parameters."""
    return await begin(create, shape, fill_value=0, **kwargs)


@in_two_steps
async def ones(shape: ShapeLike, **kwargs: Any) -> Begun[AsyncArray[Any]]:
    """Create an array with the fill value 1; see `create` for the parameters."""
    return await begin(create, shape, fill_value=1, **kwargs)


@in_two_steps
async def full(shape: ShapeLike, fill_value: Any, **kwargs: Any) -> Begun[AsyncArray[Any]]:
    """Create an array in which all elements have the same value.

    Parameters
    ----------
    shape : iterable of int or int
        Shape of the array in elements.
    fill_value : scalar
        Value of all elements, stored as the fill value of the array.
    **kwargs
        Parameters of `create`.
    """
    return await begin(create, shape, fill_value=fill_value, **kwargs)


@in_two_steps
async def empty_like(
    a: Any, *, zarr_format: ZarrFormat | None = None, **kwargs: Any
) -> Begun[AsyncArray[Any]]:
    """Create an array like `a`, without writing elements.

    Parameters
    ----------
    a : Array, AsyncArray or array-like
        Array whose shape and data type are used. If `a` has the attribute ``chunks``, the chunks
        of `a` are also used. If `a` is an array of this library, the fill value of `a` is also
        used. If, in addition, the new array has the same format and `dtype` is not given, the
        codecs of `a` are also used.
    zarr_format : {2, 3} or None
        Format of the new array. None means the format of `a` if `a` is an array of this library,
        and the configured ``default_zarr_format`` otherwise.
    **kwargs
        Parameters of `create`; they override the parameters taken from `a`.
    """
    return await begin(empty, **like(a, zarr_format, {"fill_value": _fill_value(a), **kwargs}))


@in_two_steps
async def zeros_like(
    a: Any, *, zarr_format: ZarrFormat | None = None, **kwargs: Any
) -> Begun[AsyncArray[Any]]:
    """Create an array like `a` with the fill value 0; see `empty_like`."""
    return await begin(zeros, **like(a, zarr_format, kwargs))


@in_two_steps
async def ones_like(
    a: Any, *, zarr_format: ZarrFormat | None = None, **kwargs: Any
) -> Begun[AsyncArray[Any]]:
    """Create an array like `a` with the fill value 1; see `empty_like`."""
    return await begin(ones, **like(a, zarr_format, kwargs))


@in_two_steps
async def full_like(
    a: Any, *, zarr_format: ZarrFormat | None = None, **kwargs: Any
) -> Begun[AsyncArray[Any]]:
    """Create an array like `a` with a given fill value.

    Parameters
    ----------
    a : array-like
        Array whose shape, data type and layout are used; see `empty_like`.
    zarr_format : {2, 3} or None
        Format of the new array; see `empty_like`.
    **kwargs
        Parameters of `create`. If `a` is an array of this library, the default of ``fill_value`` is
        the fill value of `a`. Otherwise, ``fill_value`` is required.
    """
    if "fill_value" not in kwargs and isinstance(a, Array | AsyncArray):
        kwargs["fill_value"] = a.metadata.fill_value
    return await begin(full, **like(a, zarr_format, kwargs))


def _fill_value(a: object) -> Any:
    return a.metadata.fill_value if isinstance(a, Array | AsyncArray) else DEFAULT_FILL_VALUE


def like(a: Any, zarr_format: ZarrFormat | None, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of `create` for an array like `a`.

    Parameters
    ----------
    a : object
        Object whose shape, data type and chunks are used, if it has these attributes; see
        `empty_like`.
    zarr_format : {2, 3} or None
        Format of the new array.
    kwargs : mapping
        Parameters that override the parameters taken from `a`.
    """
    parameters: dict[str, Any] = {}
    if isinstance(a, Array | AsyncArray):
        metadata: ArrayV2Metadata | ArrayV3Metadata = a.metadata
        zarr_format = metadata.zarr_format if zarr_format is None else zarr_format
        parameters = {"shape": metadata.shape, "dtype": metadata.dtype}
        if isinstance(metadata, ArrayV2Metadata):
            parameters["chunks"] = metadata.chunks
        elif isinstance(metadata.chunk_grid, RegularChunkGridMetadata):
            parameters["chunks"] = metadata.chunk_grid.chunk_shape
        else:
            parameters["chunks"] = metadata.chunk_grid.chunk_shapes
        if zarr_format == metadata.zarr_format and "dtype" not in kwargs:
            parameters |= _codecs_of(metadata)
    else:
        for name in ("shape", "dtype"):
            if hasattr(a, name):
                parameters[name] = getattr(a, name)
        if hasattr(a, "chunks"):
            parameters["chunks"] = a.chunks
    if "chunk_shape" in kwargs:
        parameters.pop("chunks", None)
    return {**parameters, "zarr_format": zarr_format, **kwargs}


def _codecs_of(metadata: ArrayV2Metadata | ArrayV3Metadata) -> dict[str, Any]:
    if isinstance(metadata, ArrayV3Metadata):
        return {"codecs": metadata.codecs}
    return {
        "compressor": metadata.compressor,
        "filters": metadata.filters,
        "order": metadata.order,
    }
