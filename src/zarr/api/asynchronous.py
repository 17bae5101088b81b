"""The functions of the package as coroutines."""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np

from zarr.core._redact import redact_url
from zarr.core.array import (
    Array,
    AsyncArray,
    create_array,
    from_array,
    open_array_node,
)
from zarr.core.array._documents import find_array
from zarr.core.array._filled import (
    empty,
    empty_like,
    full,
    full_like,
    like,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from zarr.core.array._legacy import create, merge_config, store_elements, warn_without_effect
from zarr.core.buffer import NDArrayLike
from zarr.core.common import concurrent_map
from zarr.core.config import config as zarr_config
from zarr.core.group import AsyncGroup, GroupMetadata, create_hierarchy
from zarr.core.group._consolidate import consolidate
from zarr.core.group._documents import find_place, read_node_metadata
from zarr.errors import (
    ArrayNotFoundError,
    ContainsArrayError,
    ContainsGroupError,
    GroupNotFoundError,
    NodeNotFoundError,
    NodeTypeValidationError,
    ZarrDeprecationWarning,
)
from zarr.storage._common import contains_array, make_store_path

if TYPE_CHECKING:
    from zarr.core._tree import TreeRepr
    from zarr.core.array_spec import ArrayConfig, ArrayConfigParams
    from zarr.core.buffer import NDArrayLikeOrScalar
    from zarr.core.common import AccessModeLiteral, ZarrFormat
    from zarr.storage._common import StoreLike, StorePath

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
    "save",
    "save_array",
    "save_group",
    "tree",
    "zeros",
    "zeros_like",
]

for _public in (
    create,
    empty,
    empty_like,
    full,
    full_like,
    ones,
    ones_like,
    zeros,
    zeros_like,
):
    _public.__module__ = __name__


# --- opening ----------------------------------------------------------------------------


async def open(
    *,
    store: StoreLike | None = None,
    mode: AccessModeLiteral | None = None,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: dict[str, Any] | None = None,
    config: ArrayConfig | ArrayConfigParams | None = None,
    **kwargs: Any,
) -> AsyncArray[Any] | AsyncGroup:
    """Open an array or a group, whichever is stored.

    Parameters
    ----------
    store : StoreLike or None
        Where the node is; None for a new store in memory.
    mode : {"r", "r+", "a", "w", "w-"} or None
        ``"r"`` and ``"r+"`` open what is there, to read or to read and write. ``"a"`` creates it
        if it is not there: an array where a ``shape`` is given, else a group. ``"w"`` creates it
        in any case, and deletes what is there. ``"w-"`` creates an array, and only where nothing
        is. None is ``"r"`` for a read-only store and ``"a"`` for others.
    zarr_format : {2, 3} or None
        Format of the node; None for whichever is stored, 3 if both are.
    path : str or None
        Path of the node below `store`; None for `store` itself.
    storage_options : dict or None
        For the file system, where `store` is a URL.
    config : ArrayConfig, dict or None
        Options of an array that are not stored; what is left out follows `zarr.config`. None for a
        group, which has none.
    **kwargs
        For a group as for `open_group`. For an array that is created as for `create`; they are not
        looked at if it is there.

    Raises
    ------
    ArrayNotFoundError, GroupNotFoundError
        If nothing is there and the mode creates nothing; the former where a ``shape`` is given.
    FileNotFoundError
        If the directory of the store is not there and the mode creates nothing.
    FileExistsError
        If the mode is ``"w-"`` and there is data.
    TypeError, ValueError
        If a parameter or stored metadata are not valid, or the store is read-only and the mode
        writes.
    """
    if mode is None:
        mode = "r" if _is_read_only(store) else "a"
    store_path = await make_store_path(store, path=path, mode=mode, storage_options=storage_options)
    to_array = {**kwargs, "store": store_path, "zarr_format": zarr_format, "mode": mode}
    to_group = to_array
    if mode in ("w", "w-"):
        if "shape" in kwargs or mode == "w-":
            return await open_array(config=config, **to_array)
        _refuse_config(config, store_path)
        return await open_group(**to_group)
    use_consolidated = kwargs.get("use_consolidated")
    try:
        metadata = await read_node_metadata(store_path, zarr_format, use_consolidated)
    except NodeNotFoundError:
        try:
            if "shape" in kwargs:
                return await open_array(config=config, **to_array)
            if mode == "a":
                _refuse_config(config, store_path)
            return await open_group(**to_group)
        except GroupNotFoundError:
            raise GroupNotFoundError(store_path, store_path.path) from None
        except (ContainsArrayError, ContainsGroupError):  # somebody else was faster
            metadata = await read_node_metadata(store_path, zarr_format, use_consolidated)
    if isinstance(metadata, GroupMetadata):
        inspect.signature(open_group).bind(**to_group)  # refuses parameters of arrays
        _refuse_config(config, store_path)
        return AsyncGroup(metadata=metadata, store_path=store_path)
    options = merge_config(config, kwargs.get("write_empty_chunks"))
    return AsyncArray(metadata=metadata, store_path=store_path, config=options)


def _refuse_config(config: object, store_path: StorePath) -> None:
    if config is not None:
        raise TypeError(
            f"config is the runtime configuration of an array, but {store_path} resolves to a "
            "group. Groups have no runtime configuration."
        )


def _is_read_only(store: StoreLike | None) -> bool:
    return bool(getattr(store, "read_only", False))


async def open_array(
    *,
    store: StoreLike | None = None,
    zarr_format: ZarrFormat | None = None,
    path: str | None = "",
    storage_options: dict[str, Any] | None = None,
    config: ArrayConfig | ArrayConfigParams | None = None,
    **kwargs: Any,
) -> AsyncArray[Any]:
    """Open an array.

    Parameters
    ----------
    store, zarr_format, path, storage_options, config
        As for `open`.
    **kwargs
        ``mode`` as for `open`, but that nothing is created unless it is given. Others as for
        `create`; they are not looked at if the array is there.

    Raises
    ------
    ArrayNotFoundError
        If no array is there and the mode creates none.
    NodeTypeValidationError
        If a format 3 group is there.
    FileNotFoundError, FileExistsError, TypeError, ValueError
        As `open`.
    """
    mode = kwargs.pop("mode", None)
    options = merge_config(config, kwargs.pop("write_empty_chunks", None))
    if mode is None:
        store_path = await find_array(store, path=path, storage_options=storage_options)
    else:
        store_path = await make_store_path(
            store, path=path, mode=mode, storage_options=storage_options
        )
    if mode not in ("w", "w-"):
        try:
            return await open_array_node(store_path, zarr_format, options)
        except ArrayNotFoundError:
            if mode != "a":
                raise ArrayNotFoundError(
                    f"No array found in store {store_path.store} at path {store_path.path}"
                ) from None
    kwargs["overwrite"] = kwargs.get("overwrite", False) or mode == "w"
    kwargs["store"], kwargs["zarr_format"], kwargs["config"] = store_path, zarr_format, options
    try:
        return await create(**kwargs)
    except (ContainsArrayError, ContainsGroupError) as error:
        if mode != "a":
            raise
        try:  # somebody else was faster
            return await open_array_node(store_path, zarr_format, options)
        except (ArrayNotFoundError, NodeTypeValidationError):
            raise error from None


async def open_group(
    store: StoreLike | None = None,
    *,
    mode: AccessModeLiteral = "a",
    cache_attrs: bool | None = None,
    synchronizer: Any = None,
    path: str | None = None,
    chunk_store: StoreLike | None = None,
    storage_options: dict[str, Any] | None = None,
    zarr_format: ZarrFormat | None = None,
    meta_array: Any | None = None,
    attributes: dict[str, Any] | None = None,
    use_consolidated: bool | str | None = None,
) -> AsyncGroup:
    """Open a group.

    Parameters
    ----------
    store, path, storage_options, zarr_format
        As for `open`.
    mode : {"r", "r+", "a", "w", "w-"}
        As for `open`, but that it is groups that are created.
    attributes : dict or None
        User attributes of the group if it is created, JSON values; None for none.
    use_consolidated : bool, str or None
        Whether consolidated metadata have to be there and are used; None to use them where they
        are. A string is the key, relative to the group, at which a format 2 group has them. Mode
        ``"a"`` creates no group where they are asked for.
    cache_attrs, synchronizer, chunk_store, meta_array
        Parameters of zarr-python 2 without effect.

    Raises
    ------
    GroupNotFoundError
        If no group is there and none is created.
    ContainsArrayError
        If an array is there.
    FileNotFoundError, FileExistsError, TypeError, ValueError
        As `open`; also if consolidated metadata are asked for and absent.
    """
    warn_without_effect(
        cache_attrs=cache_attrs,
        synchronizer=synchronizer,
        meta_array=meta_array,
        chunk_store=chunk_store,
    )
    if mode == "a" and use_consolidated:
        mode = "r+"
    store_path = await make_store_path(store, path=path, mode=mode, storage_options=storage_options)
    if mode not in ("w", "w-"):
        try:
            return await AsyncGroup.open(
                store_path, zarr_format=zarr_format, use_consolidated=use_consolidated
            )
        except GroupNotFoundError:
            if mode != "a":
                shown: object = store_path.store if store is None else store
                if isinstance(shown, str):
                    shown = redact_url(shown)
                raise GroupNotFoundError(shown, store_path.path) from None
        if zarr_format is None and await contains_array(store_path, 2):
            raise ContainsArrayError(store_path.store, store_path.path)
    try:
        return await _new_group(
            store_path, zarr_format=zarr_format, overwrite=mode == "w", attributes=attributes
        )
    except ContainsGroupError:
        if mode != "a":
            raise
        # Somebody else was faster.
        return await AsyncGroup.open(
            store_path, zarr_format=zarr_format, use_consolidated=use_consolidated
        )


async def _new_group(
    store_path: StorePath,
    *,
    zarr_format: ZarrFormat | None,
    overwrite: bool,
    attributes: dict[str, Any] | None,
) -> AsyncGroup:
    if zarr_format is None:
        zarr_format = cast("ZarrFormat", zarr_config.get("default_zarr_format"))
    return await AsyncGroup.from_store(
        store_path, zarr_format=zarr_format, overwrite=overwrite, attributes=attributes
    )


async def open_consolidated(*args: Any, use_consolidated: bool = True, **kwargs: Any) -> AsyncGroup:
    """Open a group that has consolidated metadata.

    Parameters
    ----------
    *args, **kwargs
        As for `open_group`.
    use_consolidated : True
        Has no other value.

    Raises
    ------
    ValueError
        If the group has none.
    GroupNotFoundError
        If no group is there; none is created, except by the modes ``"w"`` and ``"w-"``.
    TypeError
        If `use_consolidated` is not True.
    """
    if use_consolidated is not True:
        raise TypeError(
            "'use_consolidated' must be 'True' in 'open_consolidated'. Use 'open' with "
            "'use_consolidated=False' to bypass consolidated metadata."
        )
    return await open_group(*args, use_consolidated=use_consolidated, **kwargs)


async def open_like(
    a: Any, path: str, *, zarr_format: ZarrFormat | None = None, **kwargs: Any
) -> AsyncArray[Any]:
    """Open an array that is created like another one if it is not there.

    Parameters
    ----------
    a : Array, AsyncArray or array-like
        As for `empty_like`.
    path : str
        Path of the array below the store.
    zarr_format : {2, 3} or None
        Format of the array; None for that of `a`, the configured one where it has none.
    **kwargs
        As for `open_array`; they go before what `a` gives. The mode is ``"a"`` by default.
    """
    given = {"mode": "a", **kwargs}
    if isinstance(a, Array | AsyncArray):
        given = {"fill_value": a.metadata.fill_value, **given}
    return await open_array(path=path, **like(a, zarr_format, given))


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
    """Open a group, which is created if it is not there.

    Parameters
    ----------
    store, path, zarr_format, storage_options
        As for `open`.
    overwrite : bool
        Whether it is created anew in any case, and all that is stored there is deleted.
    attributes : dict or None
        User attributes of the group if it is created, JSON values; None for none.
    chunk_store, cache_attrs, synchronizer, meta_array
        Parameters of zarr-python 2 without effect.

    Raises
    ------
    ContainsArrayError
        If an array is there.
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
    store, path, storage_options
        As for `open`. Groups above the new one that are not stored yet are created too.
    overwrite : bool
        Whether all that is stored at that place is deleted first.
    zarr_format : {2, 3} or None
        Format of the group; None for the configured ``default_zarr_format``.
    attributes : dict or None
        User attributes, JSON values; None for none.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        If a node is stored there already and `overwrite` is False.
    TypeError, ValueError
        If a parameter is not valid, or the store is read-only. Nothing is stored or deleted then.
    """
    store_path = await make_store_path(store, path=path, mode="a", storage_options=storage_options)
    return await _new_group(
        store_path, zarr_format=zarr_format, overwrite=overwrite, attributes=attributes
    )


async def consolidate_metadata(
    store: StoreLike, path: str | None = None, zarr_format: ZarrFormat | None = None
) -> AsyncGroup:
    """Store the metadata of all nodes below a group with the group, so that it opens in one read.

    Nodes that are created or changed later on are not seen through them: consolidate again.

    Parameters
    ----------
    store, path, zarr_format
        As for `open`.

    Returns
    -------
    Group or AsyncGroup
        The group, which knows them, of the API that is used.

    Raises
    ------
    TypeError
        If the store cannot have consolidated metadata.
    GroupNotFoundError, FileNotFoundError, ContainsArrayError
        If no group is there.
    ValueError
        If the store is read-only, or stored metadata are not valid.
    """
    return await consolidate(await find_place(store, path=path), zarr_format)


async def tree(grp: AsyncGroup, expand: bool | None = None, level: int | None = None) -> TreeRepr:
    """Draw the hierarchy below a group; `AsyncGroup.tree` is the name of today."""
    warnings.warn("Use AsyncGroup.tree instead.", category=ZarrDeprecationWarning, stacklevel=2)
    return await grp.tree(expand=expand, level=level)


async def copy(*args: Any, **kwargs: Any) -> NoReturn:
    """Copy a node; there is no such function yet.

    Raises
    ------
    NotImplementedError
        Always.
    """
    raise NotImplementedError


async def copy_all(*args: Any, **kwargs: Any) -> NoReturn:
    """Copy all nodes of a group; there is no such function yet.

    Raises
    ------
    NotImplementedError
        Always.
    """
    raise NotImplementedError


async def copy_store(*args: Any, **kwargs: Any) -> NoReturn:
    """Copy all keys of a store; there is no such function yet.

    Raises
    ------
    NotImplementedError
        Always.
    """
    raise NotImplementedError


# --- elements ---------------------------------------------------------------------------


async def array(data: Any, **kwargs: Any) -> AsyncArray[Any]:
    """Create an array from elements.

    Parameters
    ----------
    data : array-like
        The elements. Of an array of this library all else is kept, too.
    **kwargs
        As for `create`; as for `from_array` if `data` is an array of this library.
    """
    if isinstance(data, Array | AsyncArray):
        return await from_array(data=data, **kwargs)
    if not (hasattr(data, "shape") and hasattr(data, "dtype")):
        data = np.asanyarray(data)
    return await create(data.shape, data=data, **{"dtype": data.dtype, **kwargs})


async def save(
    store: StoreLike,
    *args: NDArrayLike,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: dict[str, Any] | None = None,
    **kwargs: Any,
) -> None:
    """Store one array as an array, several as a group.

    Parameters
    ----------
    store, path, storage_options
        As for `open`.
    *args, **kwargs
        NumPy arrays or similar; see `save_group` for the names they get.
    zarr_format : {2, 3} or None
        Format of the arrays; None for the configured ``default_zarr_format``.

    Raises
    ------
    ValueError
        If there is no array, or the store is read-only.
    TypeError
        If something else is given.
    ContainsArrayError, ContainsGroupError
        If one array is given and a node is stored there already.
    """
    if len(args) == 1 and not kwargs:
        await save_array(
            store, args[0], zarr_format=zarr_format, path=path, storage_options=storage_options
        )
        return
    await save_group(
        store, *args, zarr_format=zarr_format, path=path, storage_options=storage_options, **kwargs
    )


async def save_array(
    store: StoreLike,
    arr: NDArrayLike,
    *,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: dict[str, Any] | None = None,
    **kwargs: Any,
) -> None:
    """Store an array.

    Parameters
    ----------
    store, path, storage_options
        As for `open`.
    arr : NumPy array or similar
        The elements.
    zarr_format : {2, 3} or None
        Format of the array; None for the configured ``default_zarr_format``.
    **kwargs
        As for `create`.

    Raises
    ------
    TypeError
        If `arr` is something else.
    ContainsArrayError, ContainsGroupError
        If a node is stored there already.
    ValueError
        If a parameter is not valid, or the store is read-only.
    """
    mode: AccessModeLiteral = kwargs.pop("mode", None) or "a"
    overwrite = bool(kwargs.pop("overwrite", False)) or mode == "w"
    store_path = await make_store_path(store, path=path, mode=mode, storage_options=storage_options)
    await store_elements(store_path, arr, zarr_format=zarr_format, overwrite=overwrite, **kwargs)


async def save_group(
    store: StoreLike,
    *args: NDArrayLike,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: dict[str, Any] | None = None,
    **kwargs: NDArrayLike,
) -> None:
    """Store arrays in a group, in place of what has their names there.

    Parameters
    ----------
    store, path, storage_options
        As for `open`.
    *args : NumPy arrays or similar
        Are named ``arr_0``, ``arr_1``, ...
    zarr_format : {2, 3} or None
        Format of group and arrays; None for the configured ``default_zarr_format``.
    **kwargs : NumPy arrays or similar
        Have the names of their parameters.

    Raises
    ------
    ValueError
        If there is no array, or the store is read-only.
    TypeError
        If something else is given.
    """
    if not all(isinstance(arr, NDArrayLike) for arr in args):
        raise TypeError(
            "All arguments must be numpy or other NDArrayLike arrays (except store, path, "
            "storage_options, and zarr_format)"
        )
    for name, arr in kwargs.items():
        if not isinstance(arr, NDArrayLike):
            raise TypeError(f"Keyword argument '{name}' must be a numpy or other NDArrayLike array")
    named = {**{f"arr_{index}": arr for index, arr in enumerate(args)}, **kwargs}
    if not named:
        raise ValueError("at least one array must be provided")
    store_path = await make_store_path(store, path=path, mode="a", storage_options=storage_options)

    async def put(name: str, arr: NDArrayLike) -> None:
        await store_elements(store_path / name, arr, zarr_format=zarr_format, overwrite=True)

    await concurrent_map(named.items(), put)


async def load(
    *, store: StoreLike, path: str | None = None, zarr_format: ZarrFormat | None = None
) -> NDArrayLikeOrScalar:
    """Read a whole array into memory; nothing is created where there is none.

    Parameters
    ----------
    store, path, zarr_format
        As for `open`.

    Returns
    -------
    array
        The elements.

    Raises
    ------
    NodeNotFoundError, FileNotFoundError
        If no array is there.
    NotImplementedError
        If a group is there.
    """
    node = await open(store=store, path=path, zarr_format=zarr_format, mode="r")
    if isinstance(node, AsyncGroup):
        raise NotImplementedError("loading groups not yet supported")
    return await node.getitem(...)
