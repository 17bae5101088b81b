"""Properties of a group that need no I/O, shared by the asynchronous and synchronous classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from zarr.core._info import GroupInfo
from zarr.core.group._metadata import GroupMetadata, NodeMetadata

if TYPE_CHECKING:
    from zarr.abc.store import Store
    from zarr.storage._common import StorePath


class GroupProperties:
    """Properties of a group that are derived from its metadata and its store path."""

    if TYPE_CHECKING:

        @property
        def metadata(self) -> GroupMetadata: ...

        @property
        def store_path(self) -> StorePath: ...

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.store_path}>"

    @property
    def store(self) -> Store:
        """The store that contains the group."""
        return self.store_path.store

    @property
    def path(self) -> str:
        """Path of the group in its store; the empty string for the root group."""
        return self.store_path.path

    @property
    def name(self) -> str:
        """Path of the group in its store, with a leading slash."""
        return f"/{self.path}"

    @property
    def basename(self) -> str:
        """Last part of the path of the group; the empty string for the root group."""
        return self.path.rpartition("/")[2]

    @property
    def read_only(self) -> bool:
        """Whether the store is read-only."""
        return self.store_path.read_only

    @property
    def synchronizer(self) -> None:
        """Always None; this version has no locks between processes."""
        return

    @property
    def info(self) -> GroupInfo:
        """Summary of the group; members are counted only if consolidated metadata are known."""
        below = self.metadata.consolidated_metadata
        if below is None:
            return self._summary()
        return self._counted(below.flattened_metadata.values())

    def _counted(self, members: Iterable[NodeMetadata]) -> GroupInfo:
        """Return a summary of the group, with the number of members at all depths."""
        is_group = [isinstance(member, GroupMetadata) for member in members]
        return self._summary(len(is_group), is_group.count(False), is_group.count(True))

    def _summary(
        self, members: int | None = None, arrays: int | None = None, groups: int | None = None
    ) -> GroupInfo:
        return GroupInfo(
            _name=self.path,
            _read_only=self.read_only,
            _store_type=type(self.store).__name__,
            _zarr_format=self.metadata.zarr_format,
            _count_members=members,
            _count_arrays=arrays,
            _count_groups=groups,
        )

    def _repr_html_(self) -> str:
        """Return the HTML representation of the group for notebooks, without I/O."""
        from zarr.core._html import node_html  # deferred import

        metadata = self.metadata
        below = metadata.consolidated_metadata
        known = {} if below is None else below.metadata
        members = ((name, shape_and_type(node) or "group") for name, node in known.items())
        return node_html(
            type(self).__name__,
            str(self.store_path),
            self.info._rows(),
            metadata.attributes,
            None if below is None else members,
            len(known),
        )


def shape_and_type(metadata: NodeMetadata) -> str | None:
    """Return the shape and data type of an array as text for a drawn tree; None for a group."""
    if isinstance(metadata, GroupMetadata):
        return None
    return f"{metadata.shape} {metadata.dtype.to_native_dtype()}"
