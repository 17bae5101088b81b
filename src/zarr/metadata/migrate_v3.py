"""Migrate the metadata of arrays and groups from format 2 to format 3.

Metadata of either format can describe the same chunks. The metadata of both formats can therefore
be stored together beside the chunks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarr.core._derive import sync_twin
from zarr.core.sync import sync_in_time
from zarr.metadata import _migration
from zarr.metadata._removal import remove_metadata
from zarr.metadata._to_v3 import convert_array

if TYPE_CHECKING:
    from zarr.core.array import Array, AsyncArray
    from zarr.core.group import AsyncGroup, Group
    from zarr.storage import StorePath

__all__ = ["migrate_to_v3", "migrate_v2_to_v3", "remove_metadata"]

migrate_v2_to_v3 = sync_twin(_migration.migrate_v2_to_v3)

# The package VirtualiZarr imports this name.
_convert_array_metadata = convert_array


def migrate_to_v3(
    zarr_v2: Array[Any] | AsyncArray[Any] | Group | AsyncGroup,
    output_path: StorePath,
    dry_run: bool = False,
) -> None:
    """Write the format 3 metadata of an open format 2 array, or of a group and all nodes below it.

    Parameters
    ----------
    zarr_v2 : Array, AsyncArray, Group or AsyncGroup
        The format 2 array or group.
    output_path : StorePath
        Location to which the documents are written. The location can contain other keys, such as
        chunks.
    dry_run : bool
        Whether to only convert the metadata and log the documents, without writing them.

    Raises
    ------
    TypeError, ValueError, NotImplementedError
        See `migrate_v2_to_v3`. If one of these errors is raised, nothing is written.
    """
    sync_in_time(_migration.migrate_node(zarr_v2, output_path, dry_run))
