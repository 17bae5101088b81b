"""Find single nodes and iterate over all nodes below a group."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from zarr.core.common import (
    ZARR_JSON,
    ZARRAY_JSON,
    ZATTRS_JSON,
    ZGROUP_JSON,
    ZMETADATA_V2_JSON,
    ZarrFormat,
    concurrent_map,
)
from zarr.core.group._documents import read_many
from zarr.core.group._metadata import ConsolidatedMetadata, GroupMetadata, NodeMetadata
from zarr.errors import ZarrUserWarning
from zarr.storage._utils import can_be_child, normalize_path

if TYPE_CHECKING:
    from zarr.storage._common import StorePath

# Names of the documents of a group. These names occur in the listing of the group, but are not
# names of members.
_OWN_KEYS: Final[Mapping[ZarrFormat, frozenset[str]]] = {
    2: frozenset({ZARRAY_JSON, ZGROUP_JSON, ZATTRS_JSON, ZMETADATA_V2_JSON}),
    3: frozenset({ZARR_JSON}),
}
# Number of nodes whose metadata are read together, before the first of them is yielded.
_PORTION: Final = 500


async def find(
    store_path: StorePath, group: GroupMetadata, key: str, *, use_consolidated: bool = True
) -> NodeMetadata | None:
    """Return the metadata of a node below a group, or None if the node does not exist.

    Parameters
    ----------
    store_path : StorePath
        Location of the group.
    group : GroupMetadata
        Metadata of the group.
    key : str
        Path relative to the group. The empty path means the group itself.
    use_consolidated : bool
        Whether to use consolidated metadata, if they are known.

    Raises
    ------
    TypeError, ValueError
        If `key` is not a path, or the metadata of the node are not valid.
    """
    (node,) = await find_many(store_path, group, [key], use_consolidated=use_consolidated)
    return node


async def find_many(
    store_path: StorePath,
    group: GroupMetadata,
    keys: Iterable[str],
    *,
    use_consolidated: bool = True,
) -> list[NodeMetadata | None]:
    """Return the metadata of nodes below a group, in the order of `keys`.

    Parameters
    ----------
    store_path : StorePath
        Location of the group.
    group : GroupMetadata
        Metadata of the group.
    use_consolidated : bool
        See `find`.
    keys : iterable of str
        Paths relative to the group.

    Raises
    ------
    TypeError, ValueError
        See `find`. If a key is not a valid path, nothing is read.
    """
    paths = [normalize_path(key) for key in keys]
    below = group.consolidated_metadata
    if below is not None and use_consolidated:
        return [below.get(path) if path else group for path in paths]
    return await read_many(store_path, paths, group.zarr_format)


async def walk(
    store_path: StorePath,
    group: GroupMetadata,
    *,
    max_depth: int | None = None,
    use_consolidated_for_children: bool = True,
) -> AsyncGenerator[tuple[str, NodeMetadata], None]:
    """Yield the nodes below a group, level by level.

    The metadata of one level are read with one or two bulk reads per 500 nodes. If the consolidated
    metadata of a group are known, the metadata of the nodes below that group are not read. The
    nodes below that group are yielded in depth-first order, without other nodes between them. Each
    nested group is yielded before the nodes below it.

    Parameters
    ----------
    store_path : StorePath
        Location of the group.
    group : GroupMetadata
        Metadata of the group.
    max_depth : int or None
        Number of levels of nested groups to descend into; None means all levels, 0 means only the
        children of this group.
    use_consolidated_for_children : bool
        Whether to also use the consolidated metadata of nested groups.

    Yields
    ------
    tuple
        Path of the node relative to this group, and metadata of the node. The children of a group
        are in the order of the store's listing, or in the order of the consolidated metadata.

    Raises
    ------
    ValueError
        If `max_depth` is negative, or the store does not support listing.
    json.JSONDecodeError, MetadataValidationError, TypeError, ValueError
        If metadata are not valid.

    Warns
    -----
    ZarrUserWarning
        For every listed name that is neither a child of the group nor one of the metadata documents
        of the group.
    """
    if max_depth is not None and max_depth < 0:
        raise ValueError(f"max_depth must be None or >= 0. Got '{max_depth}' instead")
    level = {"": group}
    while level:
        below: dict[str, GroupMetadata] = {}
        known = list(await _children(store_path, level, group.zarr_format, max_depth))
        for start in range(0, len(known), _PORTION):
            portion = known[start : start + _PORTION]
            unread = {path for path, node in portion if node is None}
            for path, node in await _complete(
                store_path, portion, group.zarr_format, use_consolidated_for_children
            ):
                if (
                    isinstance(node, GroupMetadata)
                    and _is_looked_into(path, max_depth)
                    and (path in unread or node.consolidated_metadata is None)
                ):
                    below[path] = node
                yield path, node
        level = below


def _is_looked_into(path: str, max_depth: int | None) -> bool:
    return max_depth is None or path.count("/") < max_depth


async def _children(
    store_path: StorePath,
    level: Mapping[str, GroupMetadata],
    zarr_format: ZarrFormat,
    max_depth: int | None,
) -> Iterator[tuple[str, NodeMetadata | None]]:
    """Return paths and known metadata of the children of several groups.

    Nodes below the children are included if consolidated metadata describe these nodes. The
    metadata of a child are None if they must still be read.
    """
    unknown = [path for path, group in level.items() if group.consolidated_metadata is None]
    if unknown and not store_path.store.supports_listing:
        raise ValueError(
            f"The store associated with this group ({type(store_path.store)}) does not support "
            "listing. Without consolidated metadata, members of a group are found by listing."
        )
    places = [store_path / path if path else store_path for path in unknown]
    names = await concurrent_map([(place, zarr_format) for place in places], _list)
    listed = dict(zip(unknown, names, strict=True))

    def merged() -> Iterator[tuple[str, NodeMetadata | None]]:
        for path, group in level.items():
            prefix = f"{path}/" if path else ""
            if group.consolidated_metadata is None:
                yield from ((f"{prefix}{name}", None) for name in listed[path])
            else:
                yield from _nested(prefix, group.consolidated_metadata, max_depth)

    return merged()


def _nested(
    prefix: str, consolidated: ConsolidatedMetadata, max_depth: int | None
) -> Iterator[tuple[str, NodeMetadata]]:
    """Yield paths and metadata from consolidated metadata; a group precedes the nodes below it."""
    # Use a loop and no recursion, because a hierarchy may be deeper than the recursion limit.
    waiting = [(prefix, iter(consolidated.metadata.items()))]
    while waiting:
        prefix, nodes = waiting[-1]
        for name, node in nodes:
            path = f"{prefix}{name}"
            yield path, node
            below = node.consolidated_metadata if isinstance(node, GroupMetadata) else None
            if below is not None and _is_looked_into(path, max_depth):
                waiting.append((f"{path}/", iter(below.metadata.items())))
                break
        else:
            waiting.pop()


async def _list(place: StorePath, zarr_format: ZarrFormat) -> list[str]:
    """Return the names of the children of a group without duplicates, in the store's order."""
    names = dict.fromkeys([name async for name in place.store.list_dir(place.path)])
    own = _OWN_KEYS[zarr_format]
    # Ignore invalid names in the listing. Such a name could lead back to the group itself or to a
    # node outside the group, and then the iteration could continue without end.
    return [name for name in names if name not in own and can_be_child(name)]


async def _complete(
    store_path: StorePath,
    children: list[tuple[str, NodeMetadata | None]],
    zarr_format: ZarrFormat,
    use_consolidated: bool,
) -> list[tuple[str, NodeMetadata]]:
    """Read the metadata that are not known yet, and omit paths at which there is no node."""
    unknown = [path for path, node in children if node is None]
    found = dict(
        zip(unknown, await read_many(store_path, unknown, zarr_format), strict=True)
        if unknown
        else ()
    )
    nodes: list[tuple[str, NodeMetadata]] = []
    for path, known in children:
        node = found[path] if known is None else known
        if node is None:
            warnings.warn(
                f"Object at {path} is not recognized as a component of a Zarr hierarchy.",
                category=ZarrUserWarning,
                stacklevel=1,
            )
            continue
        if known is None and isinstance(node, GroupMetadata) and not use_consolidated:
            node = replace(node, consolidated_metadata=None)
        nodes.append((path, node))
    return nodes
