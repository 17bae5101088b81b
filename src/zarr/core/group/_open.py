"""Open nodes by location, and create hierarchies of nodes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from zarr.core.group import _hierarchy
from zarr.core.group._async import AsyncGroup, make_node
from zarr.core.group._documents import read_node_metadata
from zarr.core.group._metadata import NodeMetadata
from zarr.storage._common import StorePath

if TYPE_CHECKING:
    from zarr.abc.store import Store
    from zarr.core.array import AsyncArray
    from zarr.core.common import ZarrFormat


async def get_node(
    store: Store, path: str, zarr_format: ZarrFormat
) -> AsyncArray[Any] | AsyncGroup:
    """Open the array or the group at a path of a store.

    Parameters
    ----------
    store : Store
        The store.
    path : str
        Path of the node, relative to the root of the store.
    zarr_format : {2, 3}
        Format of the node.

    Raises
    ------
    NodeNotFoundError
        If neither an array nor a group is stored at the path.
    ValueError
        If `zarr_format` is not 2 or 3, or the metadata are not valid.
    """
    if zarr_format not in (2, 3):
        raise ValueError(f"Unexpected zarr format: {zarr_format}")
    store_path = StorePath(store, path)
    return make_node(store_path, await read_node_metadata(store_path, zarr_format))


async def create_nodes(
    *, store: Store, nodes: Mapping[str, NodeMetadata]
) -> AsyncGenerator[tuple[str, AsyncArray[Any] | AsyncGroup], None]:
    """Store the metadata of many nodes, overwriting existing metadata.

    This function does not create groups above the nodes, and does not check whether a node is below
    an array. `create_hierarchy` creates the groups and makes this check.

    Parameters
    ----------
    store : Store
        The store.
    nodes : mapping
        Metadata of arrays and groups by path relative to the root of the store.

    Yields
    ------
    tuple
        For each node, as soon as it is stored: its path as given in `nodes`, and the array or
        group.

    Raises
    ------
    ValueError
        If a path has a part ``.`` or ``..``, or the store is read-only.
    TypeError
        If an attribute cannot be serialized to JSON. If this error is raised, nothing is stored.
    """
    store._check_writable()
    places = {path: StorePath(store, path) for path in nodes}
    documents = {path: _hierarchy.encode(node) for path, node in nodes.items()}
    stored = _hierarchy.store_encoded(places, documents)
    async with aclosing(stored):
        async for path in stored:
            yield path, make_node(places[path], nodes[path])


async def create_hierarchy(
    *, store: Store, nodes: Mapping[str, NodeMetadata], overwrite: bool = False
) -> AsyncGenerator[tuple[str, AsyncArray[Any] | AsyncGroup], None]:
    """Create a hierarchy of arrays and groups.

    Parameters
    ----------
    store : Store
        The store.
    nodes : mapping
        Metadata of arrays and groups by path relative to the root of the store. All nodes have the
        same format. Missing groups above the nodes are also created.
    overwrite : bool
        Whether to first delete everything stored at and below the given paths.

    Yields
    ------
    tuple
        For each created node: its normalized path, and the array or group.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        If a node exists at one of the paths and `overwrite` is False.
    ValueError
        If two paths are equal after normalization, if formats are mixed, if one of the nodes is an
        array with other nodes below it, or if the store is read-only. If this error is raised,
        nothing is stored or deleted.
    """
    everything = _hierarchy.complete(nodes)
    if not everything:
        return
    root = StorePath(store)
    stored = _hierarchy.store_hierarchy(root, everything, overwrite=overwrite)
    async with aclosing(stored):
        async for path, metadata in stored:
            yield path, make_node(root / path, metadata)


async def create_rooted_hierarchy(
    *, store: Store, nodes: Mapping[str, NodeMetadata], overwrite: bool = False
) -> AsyncArray[Any] | AsyncGroup:
    """Create a hierarchy of arrays and groups that has a single root node.

    The root node is above all other nodes. It can be at any path in the store.

    Parameters
    ----------
    store : Store
        Store in which the nodes are created.
    nodes : mapping of str to metadata
        Metadata of the nodes by path, including the root node; see `create_hierarchy`.
    overwrite : bool
        Whether to first delete everything stored at and below the given paths.

    Returns
    -------
    AsyncGroup or AsyncArray
        The root node.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        See `create_hierarchy`.
    ValueError
        See `create_hierarchy`. `ValueError` is also raised if no node is above all other nodes.
    """
    normalized = _hierarchy.normalize_paths(nodes)
    root = _hierarchy.root_of(normalized)
    created = create_hierarchy(store=store, nodes=normalized, overwrite=overwrite)
    async with aclosing(created):
        async for _ in created:
            pass
    return make_node(StorePath(store, root), normalized[root])
