"""Find the members of groups whose method `getitem` is overridden.

A subclass can override `AsyncGroup.getitem`, or the method can be replaced on a class or an object.
In these cases `getitem` looks up each member. Iteration does not call `getitem` if consolidated
metadata are known. Without an override, the metadata of members are read in bulk.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from zarr.core._overrides import is_overridden
from zarr.core.common import closing, concurrent_map
from zarr.core.group._members import _PORTION, _children
from zarr.core.group._metadata import GroupMetadata
from zarr.errors import ZarrUserWarning

if TYPE_CHECKING:
    from zarr.core.group._async import AsyncGroup, AsyncNode


def looks_up_each(group: AsyncGroup) -> bool:
    """Return whether `getitem` must look up each member of a group.

    Return False if consolidated metadata are known, because they make lookups unnecessary.
    """
    return group.metadata.consolidated_metadata is None and is_overridden(group, "getitem")


async def look_up(group: AsyncGroup, key: str) -> AsyncNode | None:
    """Return the member that `getitem` returns, or None if `getitem` raises a `KeyError`."""
    try:
        return await group.getitem(key)
    except KeyError:
        return None


async def walk_each(
    group: AsyncGroup, max_depth: int | None, *, use_consolidated_for_children: bool
) -> AsyncGenerator[tuple[str, AsyncNode], None]:
    """Yield the nodes below a group, level by level, using the `getitem` of each parent group.

    See `zarr.core.group._members.walk` for parameters, errors and warnings.
    """
    if max_depth is not None and max_depth < 0:
        raise ValueError(f"max_depth must be None or >= 0. Got '{max_depth}' instead")
    level: dict[str, Any] = {"": group}
    depth = 0
    while level and (max_depth is None or depth <= max_depth):
        below: dict[str, Any] = {}
        for path, parent in level.items():
            if looks_up_each(parent):
                nodes = _look_up_children(parent, use_consolidated_for_children)
            else:
                nodes = parent.members(use_consolidated_for_children=use_consolidated_for_children)
            async with closing(nodes):
                async for name, node in nodes:
                    inner = f"{path}/{name}" if path else name
                    if isinstance(node.metadata, GroupMetadata):
                        below[inner] = node
                    yield inner, node
        level = below
        depth += 1


async def _look_up_children(
    group: AsyncGroup, use_consolidated: bool
) -> AsyncGenerator[tuple[str, AsyncNode], None]:
    """Yield the children of a group; several children are looked up concurrently."""
    metadata = group.metadata
    names = (
        name
        for name, _ in await _children(group.store_path, {"": metadata}, metadata.zarr_format, None)
    )

    async def look(name: str) -> AsyncNode | None:
        return await look_up(group, name)

    while portion := list(islice(names, _PORTION)):
        found = await concurrent_map([(name,) for name in portion], look)
        for name, node in zip(portion, found, strict=True):
            if node is None:
                warnings.warn(
                    f"Object at {name} is not recognized as a component of a Zarr hierarchy.",
                    category=ZarrUserWarning,
                    stacklevel=1,
                )
            else:
                yield name, node if use_consolidated else _without_consolidated(node)


def _without_consolidated(node: Any) -> AsyncNode:
    metadata = node.metadata
    if isinstance(metadata, GroupMetadata) and metadata.consolidated_metadata is not None:
        node = replace(node, metadata=replace(metadata, consolidated_metadata=None))
    return node  # type: ignore[no-any-return]
