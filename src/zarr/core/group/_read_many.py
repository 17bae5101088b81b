"""Find the arrays of a group for a bulk read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from zarr.core._overrides import is_overridden
from zarr.core.array import AsyncArray
from zarr.core.common import concurrent_map
from zarr.core.group._members import find_many
from zarr.core.group._metadata import GroupMetadata
from zarr.errors import ContainsGroupError

if TYPE_CHECKING:
    from zarr.core.group._async import AsyncGroup


def absence(group: GroupMetadata, name: str) -> KeyError:
    """Return the exception to raise for a missing member of a group."""
    if group.consolidated_metadata is not None:
        return KeyError(f"'{name}' not found in consolidated metadata.")
    return KeyError(name)


def parse_names(names: object) -> dict[str, Any]:
    """Return a dictionary from member names to selections; duplicate names are merged.

    Raises
    ------
    TypeError
        If `names` is a string or bytes, if it is not iterable, or if a name is not a string.
    """
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise TypeError(
            "Expected an iterable of names, or a mapping from names to selections. "
            f"Got {type(names).__name__}."
        )
    wanted = dict(names) if isinstance(names, Mapping) else dict.fromkeys(names)
    for name in wanted:
        if not isinstance(name, str):
            raise TypeError(f"The name of a member is a string. Got {name!r}.")
    return wanted


async def find_arrays(group: AsyncGroup, names: Iterable[str]) -> list[AsyncArray[Any]]:
    """Return members of a group; raise an error if a member is not an array.

    Parameters
    ----------
    group : AsyncGroup
        The group.
    names : iterable of str
        Paths relative to the group.

    Raises
    ------
    KeyError
        If a member does not exist, or is missing from consolidated metadata.
    ContainsGroupError
        If a member is a group.
    TypeError, ValueError
        If a name is not a path, or the metadata of a member are not valid.
    """
    names = list(names)
    if is_overridden(group, "getitem"):
        nodes: list[Any] = await concurrent_map([(name,) for name in names], group.getitem)
    else:
        nodes = await find_many(group.store_path, group.metadata, names)
    arrays: list[AsyncArray[Any]] = []
    for name, node in zip(names, nodes, strict=True):
        if node is None:
            raise absence(group.metadata, name)
        place = group.store_path / name
        if isinstance(getattr(node, "metadata", node), GroupMetadata):
            raise ContainsGroupError(place.store, place.path)
        arrays.append(node if isinstance(node, AsyncArray) else AsyncArray(node, place))
    return arrays
