"""Opening arrays and groups, and creating those that are not there."""

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
    """Open an array or a group, whichever is stored.

    Parameters
    ----------
    store : StoreLike or None
        Where the node is; None for a new store in memory.
    mode : {"r", "r+", "a", "w", "w-"} or None
        A `StorePath` is used as it is in every mode but ``"r"``: a read-only one gives a read-only
        node. ``"r"`` and ``"r+"`` open what is there, to read or to read and write. ``"a"`` creates it
        if it is not there: an array where a ``shape`` is given, else a group. ``"w"`` creates it
        in any case, and deletes what is there. ``"w-"`` creates an array, and only where nothing
        is. None is ``"r"`` for a read-only store and ``"a"`` for others.
    zarr_format : {2, 3} or None
        Format of the node; None for whichever is stored, 3 if both are.
    path : str or None
        Path of the node below `store`; None for `store` itself.
    storage_options : dict or None
        Options of the file system, if `store` is a URL.
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
    ContainsArrayError, ContainsGroupError
        If the mode is ``"w-"``, `store` is a `StorePath`, and a node is there.
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
        except (ContainsArrayError, ContainsGroupError):  # somebody else was faster
            metadata = await read_node_metadata(store_path, zarr_format, use_consolidated)
    if isinstance(metadata, GroupMetadata):
        inspect.signature(open_group).bind(**to_group)  # refuses parameters of arrays
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
        Where the array is; None for a new store in memory.
    zarr_format : {2, 3} or None
        Format of the array; None for whichever is stored, 3 if both are.
    path : str or None
        Path of the array below `store`; None for `store` itself.
    storage_options : dict or None
        Options of the file system, where `store` is a URL; None for none.
    config : ArrayConfig, dict or None
        Runtime options, not stored; missing options come from `zarr.config`.
    **kwargs
        ``mode`` as for `open`, but that nothing is created unless it is given. Others as for
        `create`; they are not looked at if the array is there.

    Raises
    ------
    ArrayNotFoundError
        If no array is there and the mode creates none.
    NodeTypeValidationError
        If a format 3 group is there.
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
        try:  # somebody else was faster
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
        Where the group is; None for a new store in memory.
    path : str or None
        Path of the group below `store`; None for `store` itself.
    storage_options : dict or None
        Options of the file system, where `store` is a URL; None for none.
    zarr_format : {2, 3} or None
        Format of the group; None for whichever is stored, 3 if both are.
    mode : {"r", "r+", "a", "w", "w-"}
        As for `open`, but that it is groups that are created.
    attributes : dict or None
        User attributes of the group if it is created, JSON values; None for none.
    use_consolidated : bool, str or None
        Whether consolidated metadata have to be there and are used; None to use them where they
        are. A string is the key, relative to the group, at which a format 2 group has them. Mode
        ``"a"`` creates no group where they are asked for.
    cache_attrs : bool or None
        Parameter of zarr-python 2 without effect.
    synchronizer : object
        Parameter of zarr-python 2 without effect.
    chunk_store : StoreLike or None
        Parameter of zarr-python 2 without effect.
    meta_array : object
        Parameter of zarr-python 2 without effect.

    Raises
    ------
    GroupNotFoundError
        If no group is there and none is created; if its consolidated metadata lack a group in
        between: they are not looked at with ``use_consolidated=False``.
    ContainsArrayError
        If an array is there.
    ContainsGroupError
        If the mode is ``"w-"``, `store` is a `StorePath`, and a group is there.
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
        # Somebody else was faster.
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
    """Create a group, of the configured format where none is asked for."""
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


@in_two_steps
async def open_like(
    a: Any, path: str, *, zarr_format: ZarrFormat | None = None, **kwargs: Any
) -> Begun[AsyncArray[Any]]:
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
        As for `open_array`; they go before what `a` gives. The mode is ``"a"`` by default, and
        where it is None.
    """
    given = {**kwargs, "mode": "a" if kwargs.get("mode") is None else kwargs["mode"]}
    if isinstance(a, Array | AsyncArray):
        given = {"fill_value": a.metadata.fill_value, **given}
    return await begin(open_array, path=path, **like(a, zarr_format, given))
