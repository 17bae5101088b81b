"""Top-level functions of the package."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from zarr.api import asynchronous
from zarr.core._derive import begin, finished, sync_twin
from zarr.core.array import Array, AsyncArray
from zarr.core.array._read_many import read_many_sync
from zarr.core.group import AsyncGroup, Group
from zarr.core.group._sync import wrap_node
from zarr.core.sync import sync_in_time
from zarr.core.sync_group import create_hierarchy
from zarr.errors import ZarrDeprecationWarning
from zarr.storage._common import never_waits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zarr.core._tree import TreeRepr
    from zarr.core.array._read_many import ArraySelection
    from zarr.core.array_spec import ArrayConfig, ArrayConfigParams
    from zarr.core.buffer import NDArrayLikeOrScalar
    from zarr.core.common import AccessModeLiteral, ZarrFormat
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


def _array(array: AsyncArray[Any]) -> Array[Any]:
    return Array(array)


def _group(group: AsyncGroup) -> Group:
    return Group(group)


def _opens_group_in_thread(
    store: StoreLike | None = None, *, mode: AccessModeLiteral = "a", **_: Any
) -> bool:
    """Return whether a group can be opened, or created, in the calling thread."""
    return mode in ("r", "r+", "a") and never_waits(store)


# --- functions with the signatures of the coroutines ------------------------------------

array = sync_twin(asynchronous.array, wrap=_array)
create = sync_twin(asynchronous.create, wrap=_array)
create_array = sync_twin(asynchronous.create_array, wrap=_array)
empty = sync_twin(asynchronous.empty, wrap=_array)
empty_like = sync_twin(asynchronous.empty_like, wrap=_array)
from_array = sync_twin(asynchronous.from_array, wrap=_array)
full = sync_twin(asynchronous.full, wrap=_array)
full_like = sync_twin(asynchronous.full_like, wrap=_array)
ones = sync_twin(asynchronous.ones, wrap=_array)
ones_like = sync_twin(asynchronous.ones_like, wrap=_array)
open_like = sync_twin(asynchronous.open_like, wrap=_array)
zeros = sync_twin(asynchronous.zeros, wrap=_array)
zeros_like = sync_twin(asynchronous.zeros_like, wrap=_array)

consolidate_metadata = sync_twin(asynchronous.consolidate_metadata, wrap=_group)
open_consolidated = sync_twin(
    asynchronous.open_consolidated, wrap=_group, in_thread=_opens_group_in_thread
)
open_group = sync_twin(asynchronous.open_group, wrap=_group, in_thread=_opens_group_in_thread)

copy = sync_twin(asynchronous.copy)
copy_all = sync_twin(asynchronous.copy_all)
copy_store = sync_twin(asynchronous.copy_store)
save = sync_twin(asynchronous.save)
save_array = sync_twin(asynchronous.save_array)
save_group = sync_twin(asynchronous.save_group)


# --- functions with signatures of their own: `store` may be positional ------------------


def open(
    store: StoreLike | None = None,
    *,
    mode: AccessModeLiteral | None = None,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: dict[str, Any] | None = None,
    config: ArrayConfig | ArrayConfigParams | None = None,
    **kwargs: Any,
) -> Array[Any] | Group:
    # docstring inherited
    node = begin(
        asynchronous.open,
        store=store,
        mode=mode,
        zarr_format=zarr_format,
        path=path,
        storage_options=storage_options,
        config=config,
        **kwargs,
    )
    in_thread = mode in ("r", "r+") and never_waits(store)
    return wrap_node(finished(node, in_thread=in_thread))


def open_array(
    store: StoreLike | None = None,
    *,
    zarr_format: ZarrFormat | None = None,
    path: str | None = "",
    storage_options: dict[str, Any] | None = None,
    config: ArrayConfig | ArrayConfigParams | None = None,
    **kwargs: Any,
) -> Array[Any]:
    # docstring inherited
    array = begin(
        asynchronous.open_array,
        store=store,
        zarr_format=zarr_format,
        path=path,
        storage_options=storage_options,
        config=config,
        **kwargs,
    )
    in_thread = kwargs.get("mode") in (None, "r", "r+") and never_waits(store)
    return Array(finished(array, in_thread=in_thread))


def group(
    store: StoreLike | None = None,
    *,
    overwrite: bool = False,
    chunk_store: StoreLike | None = None,
    cache_attrs: bool | None = None,
    synchronizer: Any | None = None,
    path: str | None = None,
    zarr_format: ZarrFormat | None = None,
    meta_array: Any | None = None,
    attributes: dict[str, Any] | None = None,
    storage_options: dict[str, Any] | None = None,
) -> Group:
    # docstring inherited
    return Group(sync_in_time(asynchronous.group(**locals())))


def create_group(
    store: StoreLike,
    *,
    path: str | None = None,
    zarr_format: ZarrFormat | None = None,
    overwrite: bool = False,
    attributes: dict[str, Any] | None = None,
    storage_options: dict[str, Any] | None = None,
) -> Group:
    # docstring inherited
    return Group(sync_in_time(asynchronous.create_group(**locals())))


def load(
    store: StoreLike, path: str | None = None, zarr_format: ZarrFormat | None = None
) -> NDArrayLikeOrScalar:
    # docstring inherited
    node = open(store, path=path, zarr_format=zarr_format, mode="r")
    if isinstance(node, Group):
        raise NotImplementedError("loading groups not yet supported")
    return node[...]


def read_many(selections: Iterable[ArraySelection]) -> list[NDArrayLikeOrScalar]:
    # docstring inherited
    return read_many_sync(selections)


def tree(grp: Group, expand: bool | None = None, level: int | None = None) -> TreeRepr:
    """Draw the hierarchy below a group; deprecated in favour of `Group.tree`."""
    warnings.warn("Use Group.tree instead.", category=ZarrDeprecationWarning, stacklevel=2)
    return sync_in_time(asynchronous.tree(grp._async_group, expand=expand, level=level))


for _twin in (open, open_array, group, create_group, load, read_many):
    _twin.__doc__ = getattr(asynchronous, _twin.__name__).__doc__
