"""Top-level functions of the package as coroutines."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from zarr.api._open import (
    new_group,
    open,
    open_array,
    open_consolidated,
    open_group,
    open_like,
)
from zarr.api._save import save, save_array, save_group
from zarr.core._derive import Begun, begin, in_two_steps
from zarr.core.array import Array, AsyncArray, create_array, from_array
from zarr.core.array._filled import (
    empty,
    empty_like,
    full,
    full_like,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from zarr.core.array._legacy import create
from zarr.core.array._read_many import read_many
from zarr.core.group import AsyncGroup, create_hierarchy
from zarr.core.group._consolidate import consolidate
from zarr.core.group._documents import find_place
from zarr.errors import ZarrDeprecationWarning
from zarr.storage._common import make_store_path

if TYPE_CHECKING:
    from zarr.core._tree import TreeRepr
    from zarr.core.buffer import NDArrayLikeOrScalar
    from zarr.core.common import ZarrFormat
    from zarr.storage._common import StoreLike

__all__ = [
    "array",
    "consolidate_metadata",
    "copy",
    "copy_all",
    "copy_store",
    "create",
    "create_array",
    "create_hierarchy",
    "empty",
    "empty_like",
    "from_array",
    "full",
    "full_like",
    "group",
    "load",
    "ones",
    "ones_like",
    "open",
    "open_array",
    "open_consolidated",
    "open_group",
    "open_like",
    "read_many",
    "save",
    "save_array",
    "save_group",
    "tree",
    "zeros",
    "zeros_like",
]

# Set `__module__` of the public functions to this module.
for _public in (
    create,
    empty,
    empty_like,
    full,
    full_like,
    ones,
    ones_like,
    open,
    open_array,
    open_consolidated,
    open_group,
    open_like,
    read_many,
    save,
    save_array,
    save_group,
    zeros,
    zeros_like,
):
    _public.__module__ = __name__


# --- groups -----------------------------------------------------------------------------


async def group(
    *,
    store: StoreLike | None = None,
    overwrite: bool = False,
    chunk_store: StoreLike | None = None,
    cache_attrs: bool | None = None,
    synchronizer: Any | None = None,
    path: str | None = None,
    zarr_format: ZarrFormat | None = None,
    meta_array: Any | None = None,
    attributes: dict[str, Any] | None = None,
    storage_options: dict[str, Any] | None = None,
) -> AsyncGroup:
    """Open a group, creating it if it does not exist.

    Parameters
    ----------
    store : StoreLike or None
        Location of the group; None means a new store in memory.
    path : str or None
        Path of the group below `store`; None means `store` itself.
    zarr_format : {2, 3} or None
        Format of the group; None to detect it. Format 3 is preferred if metadata of both formats
        exist.
    storage_options : dict or None
        Options of the file system, if `store` is a URL; None means no options.
    overwrite : bool
        If True, everything stored at the location is deleted, and a new group is created. If False,
        an existing group is opened.
    attributes : dict or None
        User attributes with JSON values for a new group; None means no attributes.
    chunk_store : StoreLike or None
        Parameter of zarr-python 2; it has no effect.
    cache_attrs : bool or None
        Parameter of zarr-python 2; it has no effect.
    synchronizer : object
        Parameter of zarr-python 2; it has no effect.
    meta_array : object
        Parameter of zarr-python 2; it has no effect.

    Raises
    ------
    ContainsArrayError
        If an array is stored at the path.
    TypeError, ValueError
        If a parameter is not valid, or the store is read-only.
    """
    return await open_group(
        store,
        mode="w" if overwrite else "a",
        chunk_store=chunk_store,
        cache_attrs=cache_attrs,
        synchronizer=synchronizer,
        path=path,
        zarr_format=zarr_format,
        meta_array=meta_array,
        attributes=attributes,
        storage_options=storage_options,
    )


async def create_group(
    *,
    store: StoreLike,
    path: str | None = None,
    overwrite: bool = False,
    zarr_format: ZarrFormat | None = None,
    attributes: dict[str, Any] | None = None,
    storage_options: dict[str, Any] | None = None,
) -> AsyncGroup:
    """Create a group.

    Parameters
    ----------
    store : StoreLike
        Location of the new group.
    path : str or None
        Path of the group below `store`; None for `store` itself. Missing groups above the new group
        are also created.
    storage_options : dict or None
        Options of the file system, if `store` is a URL; None means no options.
    overwrite : bool
        Whether to delete everything stored at the location before the group is created.
    zarr_format : {2, 3} or None
        Format of the group; None means the configured ``default_zarr_format``.
    attributes : dict or None
        User attributes with JSON values; None means no attributes.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        If a node exists at the location and `overwrite` is False.
    TypeError, ValueError
        If a parameter is not valid, or the store is read-only. In that case nothing is stored or
        deleted.
    """
    store_path = await make_store_path(store, path=path, mode="a", storage_options=storage_options)
    return await new_group(
        store_path, zarr_format=zarr_format, overwrite=overwrite, attributes=attributes
    )


async def consolidate_metadata(
    store: StoreLike, path: str | None = None, zarr_format: ZarrFormat | None = None
) -> AsyncGroup:
    """Store the metadata of all nodes below a group together with the metadata of the group.

    Afterwards, one read is enough to open the group and all nodes below it. Consolidated metadata
    become stale when nodes are created or changed. In that case, call this function again.

    Parameters
    ----------
    store : StoreLike
        Location of the group.
    path : str or None
        Path of the group below `store`; None means `store` itself.
    zarr_format : {2, 3} or None
        Format of the group; None to detect it. Format 3 is preferred if metadata of both formats
        exist.

    Returns
    -------
    Group or AsyncGroup
        The group with consolidated metadata: a `Group` in the synchronous API, an `AsyncGroup` in
        the asynchronous API.

    Raises
    ------
    TypeError
        If the store does not support consolidated metadata.
    GroupNotFoundError, FileNotFoundError, ContainsArrayError
        If no group exists at the location.
    ValueError
        If the store is read-only, or if stored metadata are not valid.
    """
    return await consolidate(await find_place(store, path=path), zarr_format)


async def tree(grp: AsyncGroup, expand: bool | None = None, level: int | None = None) -> TreeRepr:
    """Draw the hierarchy below a group; deprecated in favour of `AsyncGroup.tree`."""
    warnings.warn("Use AsyncGroup.tree instead.", category=ZarrDeprecationWarning, stacklevel=2)
    return await grp.tree(expand=expand, level=level)


async def copy(*args: Any, **kwargs: Any) -> NoReturn:
    """Copy a node; not implemented yet.

    Raises
    ------
    NotImplementedError
        Always.
    """
    raise NotImplementedError


async def copy_all(*args: Any, **kwargs: Any) -> NoReturn:
    """Copy all nodes of a group; not implemented yet.

    Raises
    ------
    NotImplementedError
        Always.
    """
    raise NotImplementedError


async def copy_store(*args: Any, **kwargs: Any) -> NoReturn:
    """Copy all keys of a store; not implemented yet.

    Raises
    ------
    NotImplementedError
        Always.
    """
    raise NotImplementedError


# --- elements ---------------------------------------------------------------------------


@in_two_steps
async def array(data: Any, **kwargs: Any) -> Begun[AsyncArray[Any]]:
    """Create an array from elements.

    Parameters
    ----------
    data : array-like
        The elements. If `data` is an array of this library, the new array has by default the
        chunks, codecs, fill value and attributes of `data`; see `from_array`.
    **kwargs
        Parameters of `from_array` if `data` is an array of this library, otherwise parameters of
        `create`. The parameter ``shape`` of `create` is ignored.
    """
    if isinstance(data, Array | AsyncArray):
        return await begin(from_array, data=data, **kwargs)
    if not (hasattr(data, "shape") and hasattr(data, "dtype")):
        data = np.asanyarray(data)
    return await begin(create, data=data, **{"dtype": data.dtype, **kwargs, "shape": data.shape})


async def load(
    *, store: StoreLike, path: str | None = None, zarr_format: ZarrFormat | None = None
) -> NDArrayLikeOrScalar:
    """Read a whole array into memory.

    Parameters
    ----------
    store : StoreLike
        Location of the array.
    path : str or None
        Path of the array below `store`; None means `store` itself.
    zarr_format : {2, 3} or None
        Format of the array; None to detect it. Format 3 is preferred if metadata of both formats
        exist.

    Returns
    -------
    array
        The elements.

    Raises
    ------
    NodeNotFoundError, FileNotFoundError
        If no array exists at the location.
    NotImplementedError
        If a group is stored at the path.
    """
    node = await open(store=store, path=path, zarr_format=zarr_format, mode="r")
    if isinstance(node, AsyncGroup):
        raise NotImplementedError("loading groups not yet supported")
    return await node.getitem(...)
