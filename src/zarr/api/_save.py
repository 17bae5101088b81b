"""Write arrays from memory to a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarr.core._derive import Begun, begin, in_two_steps
from zarr.core.array._legacy import store_elements
from zarr.core.buffer import NDArrayLike
from zarr.core.common import concurrent_map
from zarr.storage._common import make_store_path

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from zarr.core.common import AccessModeLiteral, ZarrFormat
    from zarr.storage._common import StoreLike


@in_two_steps
async def save(
    store: StoreLike,
    *args: NDArrayLike,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Begun[None]:
    """Store one array as an array node, or several arrays as a group.

    Parameters
    ----------
    store : StoreLike
        Location of the new array or group.
    path : str or None
        Path of the array or group below `store`; None means `store` itself.
    storage_options : dict or None
        Options of the file system, if `store` is a URL; None means no options.
    *args : NDArrayLike
        NumPy arrays or similar. For the names under which several arrays are stored, see
        `save_group`.
    **kwargs
        NumPy arrays or similar. Each array is stored under the name of its keyword argument.
    zarr_format : {2, 3} or None
        Format of the arrays and the group; None means the configured ``default_zarr_format``.

    Raises
    ------
    ValueError
        If no array is given, or if the store is read-only.
    TypeError
        If an argument is not an array.
    ContainsArrayError, ContainsGroupError
        If a single array is given and a node exists at the location.
    """
    is_one_array = len(args) == 1 and not kwargs
    save_node: Callable[..., Coroutine[Any, Any, None]] = save_array if is_one_array else save_group
    return await begin(
        save_node,
        store,
        *args,
        zarr_format=zarr_format,
        path=path,
        storage_options=storage_options,
        **kwargs,
    )


@in_two_steps
async def save_array(
    store: StoreLike,
    arr: NDArrayLike,
    *,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Begun[None]:
    """Store an array.

    Parameters
    ----------
    store : StoreLike
        Location of the new array.
    path : str or None
        Path of the array below `store`; None means `store` itself.
    storage_options : dict or None
        Options of the file system, if `store` is a URL; None means no options.
    zarr_format : {2, 3} or None
        Format of the array; None means the configured ``default_zarr_format``.
    arr : NumPy array or similar
        The elements.
    **kwargs
        Parameters of `create`.

    Raises
    ------
    TypeError
        If `arr` is not an array.
    ContainsArrayError, ContainsGroupError
        If a node exists at the location.
    ValueError
        If a parameter is not valid, or the store is read-only.
    """
    mode: AccessModeLiteral | None = kwargs.pop("mode", "a")
    overwrite = bool(kwargs.pop("overwrite", False)) and mode != "w-"
    store_path = await make_store_path(store, path=path, mode=mode, storage_options=storage_options)
    return await begin(
        store_elements,
        store_path,
        arr,
        zarr_format=zarr_format,
        overwrite=overwrite or mode == "w",
        **kwargs,
    )


@in_two_steps
async def save_group(
    store: StoreLike,
    *args: NDArrayLike,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: dict[str, Any] | None = None,
    **kwargs: NDArrayLike,
) -> Begun[None]:
    """Store arrays in a group; existing nodes with the same names are replaced.

    Parameters
    ----------
    store : StoreLike
        Location of the group.
    path : str or None
        Path of the group below `store`; None means `store` itself.
    storage_options : dict or None
        Options of the file system, if `store` is a URL; None means no options.
    zarr_format : {2, 3} or None
        Format of the group; None means the configured ``default_zarr_format``.
    *args : NumPy arrays or similar
        Arrays to store under the names ``arr_0``, ``arr_1``, ...
    **kwargs : NumPy arrays or similar
        Arrays to store. Each array is stored under the name of its keyword argument.

    Raises
    ------
    ValueError
        If no array is given, or if the store is read-only.
    TypeError
        If an argument is not an array.
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

    async def put(name: str, arr: NDArrayLike) -> Begun[None]:
        return await begin(
            store_elements, store_path / name, arr, zarr_format=zarr_format, overwrite=True
        )

    begun = await concurrent_map(named.items(), put)
    return Begun(None, tuple(move for each in begun for move in each.moves))
