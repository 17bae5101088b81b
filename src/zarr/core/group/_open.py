"""Nodes by their place in a store, and hierarchies of them."""

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
        The node, relative to the root of the store.
    zarr_format : {2, 3}
        Its format.

    Raises
    ------
    NodeNotFoundError
        If neither is there.
    ValueError
        If there is no such format, or the metadata are not valid.
    """
    if zarr_format not in (2, 3):
        raise ValueError(f"Unexpected zarr format: {zarr_format}")
    store_path = StorePath(store, path)
    return make_node(store_path, await read_node_metadata(store_path, zarr_format))


async def create_nodes(
    *, store: Store, nodes: Mapping[str, NodeMetadata]
) -> AsyncGenerator[tuple[str, AsyncArray[Any] | AsyncGroup], None]:
    """Store the metadata of many nodes, whatever is stored at their places.

    Neither groups above them nor the way they lie in each other are looked at; `create_hierarchy`
    does both.

    Parameters
    ----------
    store : Store
        The store.
    nodes : mapping
        Metadata of arrays and groups by paths relative to the root of the store.

    Yields
    ------
    tuple
        Path as given and array or group, for each node when it is stored.

    Raises
    ------
    ValueError
        If a path has a part ``.`` or ``..``, or the store is read-only.
    TypeError
        If an attribute has no JSON form. Nothing is stored then.
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
        Metadata of arrays and groups by paths relative to the root of the store, all of one
        format. Groups above them that are not given are created too, unless they are stored.
    overwrite : bool
        Whether all that is stored at and below the given paths is deleted first.

    Yields
    ------
    tuple
        Normalized path, and array or group, for each node that was created.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        If a node is stored at one of the paths already and `overwrite` is False.
    ValueError
        If two paths are the same when normalized, formats are mixed, or a node lies below an
        array; if the store is read-only. Nothing is stored or deleted then.
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
    """Create a hierarchy of arrays and groups that all lie below one of them.

    Parameters
    ----------
    store : Store
        Where the nodes go.
    nodes : mapping of str to metadata
        Metadata of the nodes by path, one of which is the root; see `create_hierarchy`.
    overwrite : bool
        Whether nodes that are stored there are deleted first.

    Returns
    -------
    AsyncGroup or AsyncArray
        The node at the root of the hierarchy.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        As `create_hierarchy`.
    ValueError
        As `create_hierarchy`, and if no node lies above all others.
    """
    normalized = _hierarchy.normalize_paths(nodes)
    root = _hierarchy.root_of(normalized)
    created = create_hierarchy(store=store, nodes=normalized, overwrite=overwrite)
    async with aclosing(created):
        async for _ in created:
            pass
    return make_node(StorePath(store, root), normalized[root])
