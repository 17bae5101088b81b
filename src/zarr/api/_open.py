"""Open arrays and groups, and create missing ones."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, cast

from zarr.core._derive import Begun, begin, in_two_steps
from zarr.core._redact import redact_url
from zarr.core.array import Array, AsyncArray, open_array_node
from zarr.core.array._documents import find_array
from zarr.core.array._filled import like
from zarr.core.array._legacy import create, merge_config, warn_without_effect
from zarr.core.config import config as zarr_config
from zarr.core.group import AsyncGroup, GroupMetadata
from zarr.core.group._documents import read_node_metadata
from zarr.core.group._metadata import MissingParentError
from zarr.errors import (
    ArrayNotFoundError,
    ContainsArrayError,
    ContainsGroupError,
    GroupNotFoundError,
    NodeNotFoundError,
    NodeTypeValidationError,
)
from zarr.storage._common import contains_array, make_store_path, refuse_existing_nodes

if TYPE_CHECKING:
    from zarr.core.array_spec import ArrayConfig, ArrayConfigParams
    from zarr.core.common import AccessModeLiteral, ZarrFormat
    from zarr.storage._common import StoreLike, StorePath


@in_two_steps
async def open(
    *,
    store: StoreLike | None = None,
    mode: AccessModeLiteral | None = None,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: dict[str, Any] | None = None,
    config: ArrayConfig | ArrayConfigParams | None = None,
    **kwargs: Any,
) -> Begun[AsyncArray[Any] | AsyncGroup]:
    """Open an array or a group, depending on what is stored.

    Parameters
    ----------
    store : StoreLike or None
        Location of the node; None means a new store in memory.
    mode : {"r", "r+", "a", "w", "w-"} or None
        ``"r"`` opens an existing node for reading, ``"r+"`` for reading and writing. ``"a"`` also
        creates a missing node: an array if a ``shape`` is given, otherwise a group. ``"w"`` always
        deletes existing data and creates the node. ``"w-"`` creates an array if nothing is stored
        at the location, and raises an error otherwise. None means ``"r"`` for a read-only store and
        ``"a"`` for other stores. If `store` is a read-only `StorePath`, the modes ``"r+"`` and
        ``"a"`` open an existing node as read-only. Mode ``"r"`` always gives a read-only node.
    zarr_format : {2, 3} or None
        Format of the node; None to detect it. Format 3 is preferred if metadata of both formats
        exist.
    path : str or None
        Path of the node below `store`; None means `store` itself.
    storage_options : dict or None
        Options of the file system, if `store` is a URL.
    config : ArrayConfig, dict or None
        Runtime options of an array, which are not stored. Missing options are taken from
        `zarr.config`. Must be None for a group, because groups have no options.
    **kwargs
        Parameters of `open_group` for a group, or parameters of `create` for an array. The
        parameters of `create`, except ``write_empty_chunks``, are used only if the array is
        created.

    Raises
    ------
    ArrayNotFoundError, GroupNotFoundError
        If no node exists and the mode does not create a node. The error is `ArrayNotFoundError` if
        a ``shape`` is given.
    FileNotFoundError
        If the directory of the store does not exist and the mode does not create it.
    FileExistsError
        If the mode is ``"w-"`` and data exist at the location.
    ContainsArrayError, ContainsGroupError
        If the mode is ``"w-"``, `store` is a `StorePath`, and a node exists.
    TypeError, ValueError
        If a parameter is not valid, if stored metadata are not valid, or if the mode needs to write
        and the store is read-only.
    """
    if mode is None:
        mode = "r" if _is_read_only(store) else "a"
    store_path = await make_store_path(store, path=path, mode=mode, storage_options=storage_options)
    to_array = {**kwargs, "store": store_path, "zarr_format": zarr_format, "mode": mode}
    to_group = to_array
    if mode in ("w", "w-"):
        if "shape" in kwargs or mode == "w-":
            return await begin(open_array, config=config, **to_array)
        _refuse_config(config, store_path)
        return Begun(await open_group(**to_group))
    use_consolidated = kwargs.get("use_consolidated")
    try:
        metadata = await read_node_metadata(store_path, zarr_format, use_consolidated)
    except MissingParentError:
        raise
    except NodeNotFoundError:
        try:
            if "shape" in kwargs:
                return await begin(open_array, config=config, **to_array)
            if mode == "a":
                _refuse_config(config, store_path)
            return Begun(await open_group(**to_group))
        except GroupNotFoundError:
            raise GroupNotFoundError(store_path, store_path.path) from None
        except (ContainsArrayError, ContainsGroupError):  # another writer created a node
            metadata = await read_node_metadata(store_path, zarr_format, use_consolidated)
    if isinstance(metadata, GroupMetadata):
        inspect.signature(open_group).bind(**to_group)  # rejects parameters of arrays
        _refuse_config(config, store_path)
        return Begun(AsyncGroup(metadata=metadata, store_path=store_path))
    options = merge_config(config, kwargs.get("write_empty_chunks"))
    return Begun(AsyncArray(metadata=metadata, store_path=store_path, config=options))


def _refuse_config(config: object, store_path: StorePath) -> None:
    if config is not None:
        raise TypeError(
            f"config is the runtime configuration of an array, but {store_path} resolves to a "
            "group. Groups have no runtime configuration."
        )


def _is_read_only(store: StoreLike | None) -> bool:
    return bool(getattr(store, "read_only", False))


@in_two_steps
async def open_array(
    *,
    store: StoreLike | None = None,
    zarr_format: ZarrFormat | None = None,
    path: str | None = "",
    storage_options: dict[str, Any] | None = None,
    config: ArrayConfig | ArrayConfigParams | None = None,
    **kwargs: Any,
) -> Begun[AsyncArray[Any]]:
    """Open an array.

    Parameters
    ----------
    store : StoreLike or None
        Location of the array; None means a new store in memory.
    zarr_format : {2, 3} or None
        Format of the array; None to detect it. Format 3 is preferred if metadata of both formats
        exist.
    path : str or None
        Path of the array below `store`; None means `store` itself.
    storage_options : dict or None
        Options of the file system, if `store` is a URL; None means no options.
    config : ArrayConfig, dict or None
        Runtime options, which are not stored. Missing options are taken from `zarr.config`.
    **kwargs
        The parameter ``mode`` has the meaning described in `open`, with one exception: if ``mode``
        is None or not given, no array is created. All other keyword arguments are parameters of
        `create`. Except for ``write_empty_chunks``, they are used only if the array is created.

    Raises
    ------
    ArrayNotFoundError
        If no array exists and the mode does not create an array.
    NodeTypeValidationError
        If a format 3 group is stored at the path.
    FileNotFoundError, FileExistsError, ContainsArrayError, ContainsGroupError
        See `open`.
    TypeError, ValueError
        See `open`.
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
            return Begun(await open_array_node(store_path, zarr_format, options))
        except ArrayNotFoundError:
            if mode != "a" or store_path.read_only:
                raise _no_array(store_path) from None
    elif mode == "w-":
        await refuse_existing_nodes(store_path, zarr_format)
        if store_path.read_only:
            raise _no_array(store_path)
    kwargs["overwrite"] = mode == "w" or (mode != "w-" and kwargs.get("overwrite", False))
    kwargs["store"], kwargs["zarr_format"], kwargs["config"] = store_path, zarr_format, options
    try:
        return await begin(create, **kwargs)
    except (ContainsArrayError, ContainsGroupError) as error:
        if mode != "a":
            raise
        try:  # another writer created the array
            return Begun(await open_array_node(store_path, zarr_format, options))
        except (ArrayNotFoundError, NodeTypeValidationError):
            raise error from None


def _no_array(store_path: StorePath) -> ArrayNotFoundError:
    return ArrayNotFoundError(
        f"No array found in store {store_path.store} at path {store_path.path}"
    )


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
    store : StoreLike or None
        Location of the group; None means a new store in memory.
    path : str or None
        Path of the group below `store`; None means `store` itself.
    storage_options : dict or None
        Options of the file system, if `store` is a URL; None means no options.
    zarr_format : {2, 3} or None
        Format of the group; None to detect it. Format 3 is preferred if metadata of both formats
        exist.
    mode : {"r", "r+", "a", "w", "w-"}
        Access mode; see `open`. If the mode creates a node, the node is a group.
    attributes : dict or None
        User attributes with JSON values for a new group; None means no attributes.
    use_consolidated : bool, str or None
        True to require consolidated metadata, False to ignore them, None to use them if they exist.
        A string is allowed only for a format 2 group. Such a string is the key of the consolidated
        metadata, relative to the group; in this case the consolidated metadata are required. Mode
        ``"a"`` creates no group if consolidated metadata are required.
    cache_attrs : bool or None
        Parameter of zarr-python 2; it has no effect.
    synchronizer : object
        Parameter of zarr-python 2; it has no effect.
    chunk_store : StoreLike or None
        Parameter of zarr-python 2; it has no effect.
    meta_array : object
        Parameter of zarr-python 2; it has no effect.

    Raises
    ------
    GroupNotFoundError
        If no group exists and the mode does not create a group. This error is also raised if the
        consolidated metadata describe a node, but not the group above that node. With
        ``use_consolidated=False``, consolidated metadata are ignored.
    ContainsArrayError
        If an array is stored at the path.
    ContainsGroupError
        If the mode is ``"w-"``, `store` is a `StorePath`, and a group exists.
    FileNotFoundError, FileExistsError, TypeError, ValueError
        See `open`. `ValueError` is also raised if consolidated metadata are required and absent.
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
        except MissingParentError:
            raise
        except GroupNotFoundError:
            if mode != "a":
                shown: object = store_path.store if store is None else store
                if isinstance(shown, str):
                    shown = redact_url(shown)
                raise GroupNotFoundError(shown, store_path.path) from None
        if zarr_format is None and await contains_array(store_path, 2):
            raise ContainsArrayError(store_path.store, store_path.path)
    elif mode == "w-":
        await refuse_existing_nodes(store_path, zarr_format)
    try:
        return await new_group(
            store_path, zarr_format=zarr_format, overwrite=mode == "w", attributes=attributes
        )
    except ContainsGroupError:
        if mode != "a":
            raise
        # Another writer has created the group in the meantime.
        return await AsyncGroup.open(
            store_path, zarr_format=zarr_format, use_consolidated=use_consolidated
        )


async def new_group(
    store_path: StorePath,
    *,
    zarr_format: ZarrFormat | None,
    overwrite: bool,
    attributes: dict[str, Any] | None,
) -> AsyncGroup:
    """Create a group; if `zarr_format` is None, use the configured ``default_zarr_format``."""
    if zarr_format is None:
        zarr_format = cast("ZarrFormat", zarr_config.get("default_zarr_format"))
    return await AsyncGroup.from_store(
        store_path, zarr_format=zarr_format, overwrite=overwrite, attributes=attributes
    )


async def open_consolidated(*args: Any, use_consolidated: bool = True, **kwargs: Any) -> AsyncGroup:
    """Open a group that has consolidated metadata.

    Parameters
    ----------
    *args
        Positional arguments of `open_group`.
    **kwargs
        Keyword arguments of `open_group`.
    use_consolidated : True
        Must be True.

    Raises
    ------
    ValueError
        If the group has no consolidated metadata.
    GroupNotFoundError
        If no group exists. Only the modes ``"w"`` and ``"w-"`` create a group.
    TypeError
        If `use_consolidated` is not True.
    """
    if use_consolidated is not True:
        raise TypeError(
            "'use_consolidated' must be 'True' in 'open_consolidated'. Use 'open' with "
            "'use_consolidated=False' to bypass consolidated metadata."
        )
    return await open_group(*args, use_consolidated=use_consolidated, **kwargs)


@in_two_steps
async def open_like(
    a: Any, path: str, *, zarr_format: ZarrFormat | None = None, **kwargs: Any
) -> Begun[AsyncArray[Any]]:
    """Open an array; if it does not exist, create it with the properties of `a`.

    Parameters
    ----------
    a : Array, AsyncArray or array-like
        Object that determines the properties of a new array; see `empty_like`.
    path : str
        Path of the array below the store.
    zarr_format : {2, 3} or None
        Format of the array. None means the format of `a` if `a` is an array of this library. For
        any other `a`, None means that the format of an existing array is detected. A new array then
        has the configured ``default_zarr_format``.
    **kwargs
        Parameters of `open_array`; they override the parameters taken from `a`. The default of
        ``mode`` is ``"a"``, and None also means ``"a"``.
    """
    given = {**kwargs, "mode": "a" if kwargs.get("mode") is None else kwargs["mode"]}
    if isinstance(a, Array | AsyncArray):
        given = {"fill_value": a.metadata.fill_value, **given}
    return await begin(open_array, path=path, **like(a, zarr_format, given))
