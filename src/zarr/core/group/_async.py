"""The class `AsyncGroup`, a group whose methods are coroutines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from zarr.core._derive import Begun, begin, in_two_steps
from zarr.core._overrides import is_overridden, overridable
from zarr.core._tree import TreeRepr, draw_tree
from zarr.core.array import AsyncArray
from zarr.core.array._documents import store_metadata, store_new_array
from zarr.core.array._legacy import store_elements
from zarr.core.array._read_many import prepare, read_all
from zarr.core.attributes import replace_attributes
from zarr.core.common import concurrent_map
from zarr.core.group import _hierarchy
from zarr.core.group._arrays import ArrayCreation
from zarr.core.group._documents import find_place, read_group_metadata
from zarr.core.group._info import shape_and_type
from zarr.core.group._lookups import look_up, looks_up_each, walk_each
from zarr.core.group._members import find, walk
from zarr.core.group._metadata import GroupMetadata, ImplicitGroupMarker, NodeMetadata
from zarr.core.group._read_many import absence, find_arrays, parse_names
from zarr.errors import (
    ArrayNotFoundError,
    ContainsArrayError,
    ContainsGroupError,
    GroupNotFoundError,
)
from zarr.storage._common import make_store_path
from zarr.storage._utils import normalize_path

if TYPE_CHECKING:
    from zarr.core._info import GroupInfo
    from zarr.core.buffer import NDArrayLikeOrScalar
    from zarr.core.common import ZarrFormat
    from zarr.storage._common import StoreLike, StorePath

    AsyncNode: TypeAlias = "AsyncArray[Any] | AsyncGroup"


def make_node(store_path: StorePath, metadata: NodeMetadata) -> AsyncNode:
    """Return an array or a group object with given metadata, without access to the store."""
    if isinstance(metadata, ImplicitGroupMarker):  # the group exists now
        metadata = GroupMetadata(
            metadata.attributes,
            metadata.zarr_format,
            metadata.consolidated_metadata,
            metadata.extra_fields,
        )
    if isinstance(metadata, GroupMetadata):
        return AsyncGroup(metadata=metadata, store_path=store_path)
    return AsyncArray(metadata=metadata, store_path=store_path)


@dataclass(frozen=True, repr=False)
class AsyncGroup(ArrayCreation):
    """A group, with coroutines to find, create and delete its members.

    Parameters
    ----------
    metadata : GroupMetadata
        Metadata of the group.
    store_path : StorePath
        Location of the group.
    """

    metadata: GroupMetadata
    store_path: StorePath

    @classmethod
    async def from_store(
        cls,
        store: StoreLike,
        *,
        attributes: dict[str, Any] | None = None,
        overwrite: bool = False,
        zarr_format: ZarrFormat = 3,
    ) -> AsyncGroup:
        """Create a group.

        Parameters
        ----------
        store : StoreLike
            Location of the new group. Missing groups above the new group are created.
        attributes : dict or None
            User attributes with JSON values. If `attributes` is None, the group has no attributes.
        overwrite : bool
            Whether to first delete everything stored at the location of the new group.
        zarr_format : {2, 3}
            Format of the group.

        Raises
        ------
        ContainsArrayError, ContainsGroupError
            If a node exists at the location and `overwrite` is False.
        TypeError, ValueError
            If a parameter is not valid, if the store is read-only, or if a parent of the group is
            an array. If this error is raised, nothing is stored or deleted.
        """
        metadata = GroupMetadata(attributes=attributes, zarr_format=zarr_format)
        store_path = await make_store_path(store)
        await store_new_array(store_path, metadata, overwrite=overwrite)
        return cls(metadata=metadata, store_path=store_path)

    @classmethod
    async def open(
        cls,
        store: StoreLike,
        zarr_format: ZarrFormat | None = 3,
        use_consolidated: bool | str | None = None,
    ) -> AsyncGroup:
        """Open a stored group, in one round trip.

        Parameters
        ----------
        store : StoreLike
            Location of the group.
        zarr_format : {2, 3} or None
            Zarr format; None to detect it. If metadata of both formats are stored, format 3 is
            used.
        use_consolidated : bool, str or None
            True to require consolidated metadata, False to ignore them, None to use them if they
            exist. A string is allowed only for a format 2 group. Such a string is the key of the
            consolidated metadata, relative to the group; in this case the consolidated metadata are
            required.

        Raises
        ------
        GroupNotFoundError
            If no group of the requested format is stored at the location.
        FileNotFoundError
            If the directory of the store does not exist.
        ContainsArrayError
            If a format 3 array is stored at the location.
        MetadataValidationError, TypeError, ValueError
            If a parameter or the metadata are not valid. `ValueError` is also raised if
            consolidated metadata are required but absent.
        """
        store_path = await find_place(store)
        metadata = await read_group_metadata(store_path, zarr_format, use_consolidated)
        return cls(metadata=metadata, store_path=store_path)

    @classmethod
    def from_dict(cls, store_path: StorePath, data: dict[str, Any]) -> AsyncGroup:
        """Make a group from the JSON form of its metadata, without reading or storing anything.

        Parameters
        ----------
        store_path : StorePath
            Location of the group.
        data : dict
            JSON form of the metadata; see `GroupMetadata.from_dict`.
        """
        return cls(GroupMetadata.from_dict(data, path=str(store_path)), store_path)

    # --- properties ---------------------------------------------------------------------

    @property
    def attrs(self) -> dict[str, Any]:
        """The user attributes; changes to this dictionary are not stored."""
        return self.metadata.attributes

    async def info_complete(self) -> GroupInfo:
        """Return a summary of the group, with the number of members at all depths."""
        return self._counted([node async for _, node in self._walk(None)])

    # --- for compatibility --------------------------------------------------------------

    @overridable
    async def _save_metadata(self, ensure_parents: bool = False) -> None:
        """Store the metadata of the group, replacing the stored metadata.

        If a subclass overrides this method, the overriding method is called to store each change of
        the metadata.

        Parameters
        ----------
        ensure_parents : bool
            Whether to create missing groups above this group.

        Raises
        ------
        ValueError
            If the store is read-only, or if `ensure_parents` is True and a parent is an array.
        """
        await store_metadata(self.store_path, self.metadata, ensure_parents=ensure_parents)

    async def _save(self, metadata: GroupMetadata) -> None:
        """Store `metadata` as the metadata of the group; leave `self.metadata` as it was."""
        if not is_overridden(self, "_save_metadata"):
            await store_metadata(self.store_path, metadata)
            return
        before = self.metadata
        object.__setattr__(self, "metadata", metadata)  # the override stores `self.metadata`
        try:
            await self._save_metadata()
        finally:
            if self.metadata is metadata:
                object.__setattr__(self, "metadata", before)

    # --- finding members ----------------------------------------------------------------

    @overridable
    async def getitem(self, key: str) -> AsyncNode:
        """Return a member.

        Parameters
        ----------
        key : str
            Path of an array or a group relative to this group. The empty path means the group
            itself.

        Raises
        ------
        KeyError
            If the member does not exist, or is missing from consolidated metadata.
        TypeError, ValueError
            If `key` is not a path, or the metadata of the member are not valid.
        """
        node = await find(self.store_path, self.metadata, key)
        if node is None:
            raise absence(self.metadata, key)
        return make_node(self.store_path / key, node)

    async def get(self, key: str, default: Any = None) -> Any:
        """Return a member, or `default` if it does not exist; see `getitem`."""
        node = await self._find(key)
        return default if node is None else node

    async def _find(self, key: str, *, use_consolidated: bool = True) -> AsyncNode | None:
        """Return a member, or None if it does not exist."""
        if is_overridden(self, "getitem"):
            return await look_up(self, key)
        # Do not call `getitem` here: it raises a `KeyError` not only for an absent member, but
        # sometimes also for damaged metadata.
        node = await find(self.store_path, self.metadata, key, use_consolidated=use_consolidated)
        return None if node is None else make_node(self.store_path / key, node)

    async def get_array(self, path: str) -> AsyncArray[Any]:
        """Return a member that is an array.

        Parameters
        ----------
        path : str
            Path of the array, relative to this group.

        Raises
        ------
        ArrayNotFoundError
            If the member does not exist.
        ContainsGroupError
            If the member is a group.
        """
        node = await self.get(path)
        place = self.store_path / path
        if node is None:
            raise ArrayNotFoundError(place.store, place.path)
        if isinstance(node, AsyncGroup):
            raise ContainsGroupError(place.store, place.path)
        return cast("AsyncArray[Any]", node)

    async def get_group(self, path: str) -> AsyncGroup:
        """Return a member that is a group.

        Parameters
        ----------
        path : str
            Path of the group to return, relative to this group.

        Raises
        ------
        GroupNotFoundError
            If the member does not exist.
        ContainsArrayError
            If the member is an array.
        """
        node = await self.get(path)
        place = self.store_path / path
        if node is None:
            raise GroupNotFoundError(place.store, place.path)
        if not isinstance(node, AsyncGroup):
            raise ContainsArrayError(place.store, place.path)
        return node

    async def read_many(
        self, names: Iterable[str] | Mapping[str, Any]
    ) -> dict[str, NDArrayLikeOrScalar]:
        """Read several arrays of the group, or selections of them, concurrently.

        The metadata of the arrays are taken from consolidated metadata if those are known.
        Otherwise the metadata are read with one or two bulk reads. Chunks are read as in
        `zarr.read_many`.

        Parameters
        ----------
        names : iterable of str, or mapping
            Paths of arrays relative to this group, or a mapping from such paths to the selections
            to read. The selection None reads the whole array.

        Returns
        -------
        dict
            For each name, the result of ``group[name][selection]``, in the order of `names`.

        Raises
        ------
        KeyError
            If a member does not exist, or is missing from consolidated metadata.
        ContainsGroupError
            If a member is a group.
        TypeError, ValueError
            If a name is not a valid path, or if the metadata of a member are not valid.
        IndexError
            If a selection is invalid or out of bounds. This error and the errors listed above it
            are raised before any chunk is read.
        Exception
            See `zarr.read_many`.
        """
        wanted = parse_names(names)
        arrays = await find_arrays(self, wanted)
        results = await read_all(await prepare(zip(arrays, wanted.values(), strict=True)))
        return dict(zip(wanted, results, strict=True))

    async def contains(self, member: str) -> bool:
        """Return whether there is a member at a path relative to this group; see `getitem`."""
        if is_overridden(self, "getitem"):
            return await look_up(self, member) is not None
        return await find(self.store_path, self.metadata, member) is not None

    async def _walk(
        self, max_depth: int | None, *, use_consolidated_for_children: bool = True
    ) -> AsyncGenerator[tuple[str, NodeMetadata], None]:
        """Yield the path and the metadata of each member."""
        if looks_up_each(self):
            nodes = self.members(
                max_depth, use_consolidated_for_children=use_consolidated_for_children
            )
            async with aclosing(nodes):
                async for path, node in nodes:
                    yield path, node.metadata
            return
        found = walk(
            self.store_path,
            self.metadata,
            max_depth=max_depth,
            use_consolidated_for_children=use_consolidated_for_children,
        )
        async with aclosing(found):
            async for item in found:
                yield item

    async def members(
        self, max_depth: int | None = 0, *, use_consolidated_for_children: bool = True
    ) -> AsyncGenerator[tuple[str, AsyncNode], None]:
        """Yield the members of the group, and the members of nested groups down to `max_depth`.

        Metadata are read concurrently; nothing is read if consolidated metadata are known.

        Parameters
        ----------
        max_depth : int or None
            Number of levels of nested groups to descend into. None means all levels; 0 means only
            the children of this group.
        use_consolidated_for_children : bool
            Whether to use consolidated metadata of nested groups.

        Yields
        ------
        tuple
            Path of the member relative to this group, and the array or group. The children of a
            group are in the order of the store's listing, or in the order of the consolidated
            metadata. A group precedes its members. Members are yielded level by level, except below
            a group with consolidated metadata: there, each nested group is followed directly by its
            members.

        Raises
        ------
        ValueError
            If `max_depth` is negative, or the store does not support listing.
        """
        consolidated = use_consolidated_for_children
        if looks_up_each(self):
            each = walk_each(self, max_depth, use_consolidated_for_children=consolidated)
            async with aclosing(each):
                async for item in each:
                    yield item
            return
        nodes = self._walk(max_depth, use_consolidated_for_children=consolidated)
        async with aclosing(nodes):
            async for path, metadata in nodes:
                yield path, make_node(self.store_path / path, metadata)

    async def nmembers(self, max_depth: int | None = 0) -> int:
        """Return the number of members.

        Parameters
        ----------
        max_depth : int or None
            See `members`.
        """
        return len([path async for path, _ in self._walk(max_depth)])

    async def keys(self) -> AsyncGenerator[str, None]:
        """Yield the names of the children."""
        async for name, _ in self._walk(0):
            yield name

    async def groups(self) -> AsyncGenerator[tuple[str, AsyncGroup], None]:
        """Yield the name and the group for each child that is a group."""
        async for name, node in self.members():
            if isinstance(node, AsyncGroup):
                yield name, node

    async def group_keys(self) -> AsyncGenerator[str, None]:
        """Yield the names of the children that are groups."""
        async for name, metadata in self._walk(0):
            if isinstance(metadata, GroupMetadata):
                yield name

    async def group_values(self) -> AsyncGenerator[AsyncGroup, None]:
        """Yield the children that are groups."""
        async for _, node in self.groups():
            yield node

    async def arrays(self) -> AsyncGenerator[tuple[str, AsyncArray[Any]], None]:
        """Yield the name and the array for each child that is an array."""
        async for name, node in self.members():
            if isinstance(node, AsyncArray):
                yield name, node

    async def array_keys(self) -> AsyncGenerator[str, None]:
        """Yield the names of the children that are arrays."""
        async for name, metadata in self._walk(0):
            if not isinstance(metadata, GroupMetadata):
                yield name

    async def array_values(self) -> AsyncGenerator[AsyncArray[Any], None]:
        """Yield the children that are arrays."""
        async for _, node in self.arrays():
            yield node

    async def tree(
        self,
        expand: bool | None = None,
        level: int | None = None,
        *,
        max_nodes: int = 500,
        plain: bool = False,
    ) -> TreeRepr:
        """Return a drawing of the hierarchy below the group.

        Parameters
        ----------
        expand : None
            Must be None; expanding is not implemented yet.
        level : int or None
            Number of levels of nested groups to descend into; None means all levels.
        max_nodes : int
            Maximum number of nodes to draw.
        plain : bool
            Whether the HTML form shows names in regular type instead of bold type.

        Raises
        ------
        NotImplementedError
            If `expand` is not None.
        """
        if expand is not None:
            raise NotImplementedError("'expand' is not yet implemented.")
        labels = ((path, shape_and_type(metadata)) async for path, metadata in self._walk(level))
        return await draw_tree(self.name, labels, bold=not plain, max_nodes=max_nodes)

    # --- creating members ---------------------------------------------------------------

    async def create_group(
        self, name: str, *, overwrite: bool = False, attributes: dict[str, Any] | None = None
    ) -> AsyncGroup:
        """Create a group in this group.

        Parameters
        ----------
        name : str
            Path of the new group, relative to this group. Missing groups between this group and the
            new group are created.
        overwrite : bool
            Whether to first delete everything stored at the location of the new group.
        attributes : dict or None
            User attributes with JSON values. If `attributes` is None, the group has no attributes.

        Raises
        ------
        ContainsArrayError, ContainsGroupError
            If a node exists at the location and `overwrite` is False.
        TypeError, ValueError
            If a parameter is not valid, or the store is read-only.
        """
        return await type(self).from_store(
            self.store_path / normalize_path(name),
            attributes=attributes,
            overwrite=overwrite,
            zarr_format=self.metadata.zarr_format,
        )

    async def require_group(self, name: str, overwrite: bool = False) -> AsyncGroup:
        """Return a group in this group, creating it if it does not exist.

        Parameters
        ----------
        name : str
            Path of the group, relative to this group.
        overwrite : bool
            Whether to delete everything stored at the path and always create a new group.

        Raises
        ------
        TypeError
            If an array is stored at the path and `overwrite` is False.
        ValueError
            If the group must be created and the store is read-only.
        """
        if overwrite:
            return await self.create_group(name, overwrite=True)
        node = await self._find(name, use_consolidated=False)
        if node is None:
            try:
                return await self.create_group(name)
            except (ContainsArrayError, ContainsGroupError):  # another writer created a node
                metadata = await find(self.store_path, self.metadata, name, use_consolidated=False)
                if metadata is None:
                    raise
                node = make_node(self.store_path / name, metadata)
        if not isinstance(node, AsyncGroup):
            raise TypeError(f"Incompatible object ({type(node).__name__}) already exists")
        return node

    async def require_groups(self, *names: str) -> tuple[AsyncGroup, ...]:
        """Return groups in this group, creating those that do not exist.

        Parameters
        ----------
        *names : str
            Paths relative to this group.
        """
        return tuple(await concurrent_map([(name,) for name in names], self.require_group))

    async def create_hierarchy(
        self, nodes: Mapping[str, NodeMetadata], *, overwrite: bool = False
    ) -> AsyncGenerator[tuple[str, AsyncNode], None]:
        """Create many nodes below this group.

        Parameters
        ----------
        nodes : mapping
            Metadata of arrays and groups by path relative to this group. Missing groups between
            this group and the nodes are also created.
        overwrite : bool
            Whether to first delete everything stored at and below the given paths.

        Yields
        ------
        tuple
            For each created node: its path relative to this group, and the array or group.

        Raises
        ------
        ContainsArrayError, ContainsGroupError
            If a node exists at one of the paths and `overwrite` is False.
        ValueError
            If this group itself is among the nodes, if formats are mixed, if the parent of a node
            is an array, or if the store is read-only. If this error is raised, nothing is stored or
            deleted.
        """
        everything = _hierarchy.complete_below(nodes, self.metadata.zarr_format)
        stored = _hierarchy.store_hierarchy(self.store_path, everything, overwrite=overwrite)
        async with aclosing(stored):
            async for path, metadata in stored:
                yield path, make_node(self.store_path / path, metadata)

    # --- changing -----------------------------------------------------------------------

    @in_two_steps
    async def setitem(self, key: str, value: Any) -> Begun[None]:
        """Store an array, replacing any node at the same path.

        Parameters
        ----------
        key : str
            Path of the array, relative to this group.
        value : NumPy array or similar
            Elements of the array.

        Raises
        ------
        TypeError
            If `value` does not have the interface of a NumPy array.
        ValueError
            If `key` is the path of the group itself, or the store is read-only.
        """
        return await begin(
            store_elements,
            self._member_path(key),
            value,
            zarr_format=self.metadata.zarr_format,
            overwrite=True,
        )

    async def delitem(self, key: str) -> None:
        """Delete a member and everything below it; do nothing if it does not exist.

        Consolidated metadata of this group are updated, in the store and in memory. Some other
        group objects share these metadata in memory, so they are updated too: groups that were
        obtained from this group, and the group from which this group was obtained.

        Parameters
        ----------
        key : str
            Path of the member, relative to this group.

        Raises
        ------
        ValueError
            If `key` is the path of the group itself, or the store is read-only.
        NotImplementedError
            If the store does not support deletes.
        """
        await self._member_path(key).delete_dir()
        known = self.metadata.consolidated_metadata
        # Update in place: related groups in memory share the same metadata objects, so the member
        # disappears from all of these groups.
        if known is not None and known.discard(normalize_path(key)):
            await self._save(self.metadata)

    def _member_path(self, key: str) -> StorePath:
        path = normalize_path(key)
        if not path:
            raise ValueError("The empty path names the group itself, not a member of it.")
        return self.store_path / path

    async def update_attributes(self, new_attributes: dict[str, Any]) -> AsyncGroup:
        """Set several user attributes in one write; the other attributes do not change.

        Parameters
        ----------
        new_attributes : dict
            Names and JSON values of the attributes.

        Returns
        -------
        Group or AsyncGroup
            This group.

        Raises
        ------
        TypeError
            If a key is not a string, or a value cannot be serialized to JSON.
        ValueError
            If the store is read-only.
        """
        await replace_attributes(self, {**self.metadata.attributes, **dict(new_attributes)})
        return self

    async def move(self, source: str, dest: str) -> None:
        """Move a member; not implemented, because stores have no such operation yet.

        Raises
        ------
        NotImplementedError
            Always.
        """
        raise NotImplementedError
