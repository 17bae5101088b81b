"""Nodes by their place in a store, and hierarchies of them, for the synchronous API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from zarr.core import group as _group
from zarr.core.array import Array
from zarr.core.group import Group
from zarr.core.group._sync import wrap_node
from zarr.core.sync import collect_aiterator, sync_in_time

if TYPE_CHECKING:
    from zarr.abc.store import Store
    from zarr.core.common import ZarrFormat
    from zarr.core.group import GroupMetadata
    from zarr.core.metadata import ArrayMetadata


def create_nodes(
    *, store: Store, nodes: Mapping[str, ArrayMetadata | GroupMetadata]
) -> Iterator[tuple[str, Array[Any] | Group]]:
    """Store the metadata of many nodes before the first is returned.

    Parameters, result and errors are those of `zarr.core.group.create_nodes`.
    """
    created = collect_aiterator(_group.create_nodes(store=store, nodes=nodes))
    return ((path, wrap_node(node)) for path, node in created)


def create_hierarchy(
    *, store: Store, nodes: Mapping[str, ArrayMetadata | GroupMetadata], overwrite: bool = False
) -> Iterator[tuple[str, Array[Any] | Group]]:
    """Create a hierarchy of arrays and groups before the first node is returned.

    Parameters
    ----------
    store : Store
        The store.
    nodes : mapping
        Metadata of arrays and groups by paths relative to the root of the store, all of one
        format. Groups above them that are not given are created too, unless they are stored.
    overwrite : bool
        Whether all that is stored at and below the given paths is deleted first.

    Returns
    -------
    iterator of tuple
        Normalized path, and array or group, for each node that was created.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        If a node is stored at one of the paths already and `overwrite` is False.
    ValueError
        If two paths are the same when normalized, formats are mixed, or a node lies below an
        array; if the store is read-only. Nothing is stored or deleted then.
    """
    created = collect_aiterator(
        _group.create_hierarchy(store=store, nodes=nodes, overwrite=overwrite)
    )
    return ((path, wrap_node(node)) for path, node in created)


def create_rooted_hierarchy(
    *, store: Store, nodes: Mapping[str, ArrayMetadata | GroupMetadata], overwrite: bool = False
) -> Array[Any] | Group:
    """Create a hierarchy of arrays and groups that all lie below one of them, and return that.

    Parameters and errors are those of `zarr.core.group.create_rooted_hierarchy`.
    """
    return wrap_node(
        sync_in_time(_group.create_rooted_hierarchy(store=store, nodes=nodes, overwrite=overwrite))
    )


def get_node(store: Store, path: str, zarr_format: ZarrFormat) -> Array[Any] | Group:
    """Open the array or the group at a path of a store.

    Parameters and errors are those of `zarr.core.group.get_node`.
    """
    return wrap_node(sync_in_time(_group.get_node(store, path, zarr_format)))
