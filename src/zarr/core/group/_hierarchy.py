"""Create many arrays and groups in one operation."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, cast

from zarr.core.array._documents import create_documents, creates_in_one_step
from zarr.core.buffer import default_buffer_prototype
from zarr.core.common import ZarrFormat, concurrent_map, concurrent_results
from zarr.core.group._documents import read_many
from zarr.core.group._metadata import GroupMetadata, ImplicitGroupMarker, NodeMetadata
from zarr.core.metadata.v3 import check_usable
from zarr.errors import ContainsArrayError, ContainsGroupError
from zarr.storage._common import StorePath
from zarr.storage._utils import normalize_path

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer

_T = TypeVar("_T")


def normalize_paths(nodes: Mapping[str, _T]) -> dict[str, _T]:
    """Return `nodes` with normalized paths as keys.

    Raises
    ------
    ValueError
        If a path has a part ``.`` or ``..``, or two paths are equal after normalization.
    """
    given: dict[str, str] = {}
    for path in nodes:
        normal = normalize_path(path)
        if normal in given:
            first = given[normal]
            raise ValueError(
                f"After normalization, the value '{path}' collides with '{first}'. Both '{path}' "
                f"and '{first}' normalize to the same value: '{normal}'. You should use either "
                f"'{path}' or '{first}', but not both."
            )
        given[normal] = path
    return {normal: nodes[path] for normal, path in given.items()}


def complete(nodes: Mapping[str, NodeMetadata]) -> dict[str, NodeMetadata]:
    """Return all nodes of a hierarchy, including missing groups above the given nodes.

    Parameters
    ----------
    nodes : mapping
        Metadata of the nodes by path. All nodes must have the same Zarr format.

    Returns
    -------
    dict
        Metadata of all nodes by normalized path, parents before children. If a group above a node
        is missing from `nodes`, the result contains an `ImplicitGroupMarker` for this group.

    Raises
    ------
    ValueError
        If two paths are equal after normalization, if formats are mixed, or if one of the nodes is
        an array with other nodes below it.
    """
    given = normalize_paths(nodes)
    zarr_format = _one_format(given)
    everything = dict(given)
    for path in given:
        parts = path.split("/") if path else []
        for depth in range(len(parts)):
            parent = "/".join(parts[:depth])
            node = everything.setdefault(parent, ImplicitGroupMarker(zarr_format=zarr_format))
            if not isinstance(node, GroupMetadata):
                raise ValueError(
                    f"The node at {parent} contains other nodes, but it is not a Zarr group. "
                    "This is invalid. Only Zarr groups can contain other nodes."
                )
    return dict(sorted(everything.items(), key=lambda item: (len(item[0].split("/")), item[0])))


def complete_below(
    nodes: Mapping[str, NodeMetadata], zarr_format: ZarrFormat
) -> dict[str, NodeMetadata]:
    """Return all nodes below an existing group, including missing intermediate groups.

    Parameters
    ----------
    nodes : mapping
        Metadata of the nodes by path relative to the group.
    zarr_format : {2, 3}
        Format of the group.

    Returns
    -------
    dict
        See `complete`.

    Raises
    ------
    ValueError
        See `complete`. `ValueError` is also raised if the group itself is among the nodes, or if a
        node does not have the given format.
    """
    given = normalize_paths(nodes)
    if "" in given:
        raise ValueError(
            "The input defines a root node, but a root node already exists, namely this Group "
            "instance.It is an error to use this method to create a root node. Remove the root "
            "node from the input dict, or use a function like create_rooted_hierarchy to "
            "create a rooted hierarchy."
        )
    for path, node in given.items():
        if node.zarr_format != zarr_format:
            raise ValueError(
                "The zarr_format of the nodes must be the same as the parent group. The node "
                f"at {path} has zarr_format {node.zarr_format}, but the parent group has "
                f"zarr_format {zarr_format}."
            )
    everything = complete(given)
    everything.pop("", None)
    return everything


def _one_format(nodes: Mapping[str, NodeMetadata]) -> ZarrFormat:
    v2 = [path for path, node in nodes.items() if node.zarr_format == 2]
    v3 = [path for path, node in nodes.items() if node.zarr_format == 3]
    if v2 and v3:
        raise ValueError(
            "Got data with both Zarr v2 and Zarr v3 nodes, which is invalid. "
            f"The following keys map to Zarr v2 nodes: {v2}. "
            f"The following keys map to Zarr v3 nodes: {v3}."
            "Ensure that all nodes have the same Zarr format."
        )
    return 2 if v2 else 3


def root_of(nodes: Mapping[str, NodeMetadata]) -> str:
    """Return the path of the node that is above all other nodes.

    Raises
    ------
    ValueError
        If no node is above all other nodes.
    """
    paths = sorted(nodes, key=len)
    if paths:
        root = paths[0]
        prefix = f"{root}/" if root else ""
        if all(path.startswith(prefix) for path in paths[1:]):
            return root
    raise ValueError(
        "The input does not specify a root node. This function can only create hierarchies that "
        "contain a root node, which is defined as a group that is ancestral to all the other "
        "arrays and groups in the hierarchy, or a single array."
    )


async def store_hierarchy(
    store_path: StorePath, nodes: Mapping[str, NodeMetadata], *, overwrite: bool
) -> AsyncGenerator[tuple[str, NodeMetadata], None]:
    """Store the metadata of a hierarchy.

    Parameters
    ----------
    store_path : StorePath
        Location of the root of the hierarchy.
    nodes : mapping
        Result of `complete`.
    overwrite : bool
        If True, all content at and below the path of each array and each non-implicit group is
        deleted first. If False, an error is raised if one of these paths already has a node. If the
        store does not support deletes, True has the same effect as False. A group that is stored at
        the path of an implicit group is kept, unless the path is below a deleted path.

    Yields
    ------
    tuple
        Path and metadata of each stored node, in the order in which nodes are stored.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        If an array is stored at the path of an implicit group, and this path is not below a deleted
        path. If `overwrite` is False, also if a node is stored at the path of an array or a
        non-implicit group. If one of these errors is raised, nothing is stored or deleted.
    ValueError
        If the store is read-only.
    TypeError
        If an attribute cannot be serialized to JSON.
    """
    store_path.store._check_writable()
    # Copy each node, because the caller may pass one object for several nodes. A change of one node
    # then does not affect the other nodes.
    nodes = {path: replace(node) for path, node in nodes.items()}
    encoded = {path: encode(node) for path, node in nodes.items()}
    overwrite = overwrite and store_path.store.supports_deletes
    zarr_format = _one_format(nodes)
    doomed = [
        path
        for path, node in nodes.items()
        if overwrite and not isinstance(node, ImplicitGroupMarker)
    ]
    kept = [path for path in nodes if not _lies_in(path, doomed)]
    found = dict(zip(kept, await read_many(store_path, kept, zarr_format), strict=True))
    for path, node in found.items():
        if isinstance(node, GroupMetadata):
            if not isinstance(nodes[path], ImplicitGroupMarker):
                raise ContainsGroupError(store_path.store, (store_path / path).path)
            del encoded[path]
        elif node is not None:
            raise ContainsArrayError(store_path.store, (store_path / path).path)
    await concurrent_map([(store_path / path,) for path in doomed], StorePath.delete_dir)

    at_once = creates_in_one_step(store_path.store)

    async def create(path: str) -> None:
        place, documents = store_path / path, encoded[path]
        if isinstance(nodes[path], ImplicitGroupMarker):
            # Another writer may have just created this group with attributes, which must be kept.
            for name, value in documents.items():
                await (place / name).set_if_not_exists(value)
        elif at_once and not _lies_in(path, doomed):
            await create_documents(place, documents, zarr_format)
        else:
            await _put(place, documents)

    stored = _in_order_of_completion(encoded, create)
    async with aclosing(stored):
        async for path in stored:
            yield path, nodes[path]


def _lies_in(path: str, tops: list[str]) -> bool:
    return any(top in ("", path) or path.startswith(f"{top}/") for top in tops)


def encode(node: NodeMetadata) -> dict[str, Buffer]:
    """Return the encoded metadata documents of a node.

    Raises `ValueError` if the node is an array with storage transformers, because such an array
    could not be read or written.
    """
    check_usable(node)
    return node.to_buffer_dict(default_buffer_prototype())


async def store_encoded(
    places: Mapping[str, StorePath], documents: Mapping[str, Mapping[str, Buffer]]
) -> AsyncGenerator[str, None]:
    """Store the documents of many nodes concurrently, and yield the key of each stored node."""

    async def put(key: str) -> None:
        await _put(places[key], documents[key])

    stored = _in_order_of_completion(documents, put)
    async with aclosing(stored):
        async for key in stored:
            yield key


async def _put(place: StorePath, documents: Mapping[str, Buffer]) -> None:
    for name, value in documents.items():
        await (place / name).set(value)


def _in_order_of_completion(
    keys: Iterable[str], act: Callable[[str], Awaitable[None]]
) -> AsyncGenerator[str, None]:
    """Call `act` for many keys concurrently, and yield each key when its call has returned."""

    async def act_on(key: str) -> str:
        await act(key)
        return key

    return cast("AsyncGenerator[str, None]", concurrent_results([(key,) for key in keys], act_on))
