"""Synchronous functions that open a node by its path, or create a hierarchy."""

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
    """Store the metadata of many nodes, and return an iterator over the nodes.

    The parameters, the result and the errors are those of `zarr.core.group.create_nodes`.
    """
    created = collect_aiterator(_group.create_nodes(store=store, nodes=nodes))
    return ((path, wrap_node(node)) for path, node in created)


def create_hierarchy(
    *, store: Store, nodes: Mapping[str, ArrayMetadata | GroupMetadata], overwrite: bool = False
) -> Iterator[tuple[str, Array[Any] | Group]]:
    """Create a hierarchy of arrays and groups, and return an iterator over its nodes.

    Parameters
    ----------
    store : Store
        The store.
    nodes : mapping
        Maps the path of each node to the metadata of the node. The paths are relative to the root
        of the store. All metadata must have the same Zarr format. Missing parent groups are also
        created.
    overwrite : bool
        Whether to delete all keys at and below the given paths before the nodes are created.

    Returns
    -------
    iterator of tuple
        For each created node, a pair of its normalized path and the array or group.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        If a node is already stored at one of the paths and `overwrite` is False.
    ValueError
        If two paths are equal after normalization, if the nodes have different Zarr formats, if a
        node would be below an array, or if the store is read-only. In all these cases, nothing is
        stored or deleted.
    """
    created = collect_aiterator(
        _group.create_hierarchy(store=store, nodes=nodes, overwrite=overwrite)
    )
    return ((path, wrap_node(node)) for path, node in created)


def create_rooted_hierarchy(
    *, store: Store, nodes: Mapping[str, ArrayMetadata | GroupMetadata], overwrite: bool = False
) -> Array[Any] | Group:
    """Create a hierarchy of arrays and groups with one root node, and return the root node.

    The parameters and the errors are those of `zarr.core.group.create_rooted_hierarchy`.
    """
    return wrap_node(
        sync_in_time(_group.create_rooted_hierarchy(store=store, nodes=nodes, overwrite=overwrite))
    )


def get_node(store: Store, path: str, zarr_format: ZarrFormat) -> Array[Any] | Group:
    """Open the array or group at a path of a store.

    The parameters and the errors are those of `zarr.core.group.get_node`.
    """
    return wrap_node(sync_in_time(_group.get_node(store, path, zarr_format)))
