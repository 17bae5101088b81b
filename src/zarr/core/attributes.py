"""User attributes of arrays and groups, as a mapping that stores each change immediately."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zarr.core.common import JSON
from zarr.core.metadata.common import copied
from zarr.core.sync import sync

if TYPE_CHECKING:
    from zarr.core.array import Array, AsyncArray
    from zarr.core.group import AsyncGroup, Group


async def replace_attributes(
    node: AsyncArray[Any] | AsyncGroup, attributes: Mapping[str, JSON]
) -> None:
    """Replace all user attributes of a node, in the store and then in memory.

    Parameters
    ----------
    node : AsyncArray or AsyncGroup
        The node. If storing the new attributes fails, the node keeps the old attributes.
    attributes : mapping
        The new attributes. The values must be JSON values.

    Raises
    ------
    TypeError
        If a key is not a string, or if a value cannot be serialized to JSON.
    ValueError
        If the store is read-only.
    """
    if not all(isinstance(key, str) for key in attributes):
        raise TypeError(f"Expected dict with string keys. Got {type(attributes)} instead.")
    old: Any = node.metadata
    if hasattr(old, "update_attributes"):
        metadata = old.update_attributes(attributes)
    else:
        metadata = replace(old, attributes=dict(attributes))
    await node._save(metadata)
    # Change the dictionary in place, because the consolidated metadata of the parent group contain
    # the same dictionary. If the node is opened from the parent group later, it must have the new
    # attributes.
    old.attributes.clear()
    old.attributes.update(metadata.attributes)


class Attributes(MutableMapping[str, JSON]):
    """The user attributes of an array or a group.

    Every change of an attribute stores all attributes of the node, and so overwrites concurrent
    changes by other processes. A change inside a nested value is not detected. To store such a
    change, assign the whole value again.

    Parameters
    ----------
    obj : Array or Group
        The node.
    """

    def __init__(self, obj: Array[Any] | Group) -> None:
        self._obj = obj

    def __getitem__(self, key: str) -> JSON:
        value: JSON = self._obj.metadata.attributes[key]
        return value

    def __setitem__(self, key: str, value: JSON) -> None:
        self.put({**self._obj.metadata.attributes, key: value})

    def __delitem__(self, key: str) -> None:
        attributes = self.asdict()
        del attributes[key]
        self.put(attributes)

    def __iter__(self) -> Iterator[str]:
        return iter(self._obj.metadata.attributes)

    def __len__(self) -> int:
        return len(self._obj.metadata.attributes)

    def asdict(self) -> dict[str, JSON]:
        """Return a deep copy of the attributes as a dictionary."""
        attributes: dict[str, JSON] = copied(self._obj.metadata.attributes)
        return attributes

    def put(self, d: Mapping[str, JSON]) -> None:
        """Replace all attributes in one write.

        Parameters
        ----------
        d : mapping
            The new attributes. The values must be JSON values.

        Raises
        ------
        TypeError
            If a key is not a string, or if a value cannot be serialized to JSON.
        ValueError
            If the store is read-only.
        """
        node: Any = self._obj
        inner = node._async_array if hasattr(node, "_async_array") else node._async_group
        sync(replace_attributes(inner, dict(d)))

    def update(self, *args: Any, **kwargs: JSON) -> None:
        """Set several attributes in one write; takes the same arguments as `dict.update`."""
        if changed := dict(*args, **kwargs):
            self.put({**self.asdict(), **changed})

    def clear(self) -> None:
        """Remove all attributes in one write; write nothing if there are no attributes."""
        if len(self):
            self.put({})
