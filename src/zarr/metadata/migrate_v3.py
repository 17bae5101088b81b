"""Migrate the metadata of arrays and groups from format 2 to format 3.

The chunks of an array can be described by format 2 metadata and by format 3 metadata. The metadata
of both formats can be stored together beside the chunks.
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

# VirtualiZarr imports this name.
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
        Node of format 2.
    output_path : StorePath
        Location for the documents. Other keys, such as chunks, may be stored there.
    dry_run : bool
        Whether to only convert and log, without writing.

    Raises
    ------
    TypeError, ValueError, NotImplementedError
        See `migrate_v2_to_v3`. In these cases, nothing is written.
    """
    sync_in_time(_migration.migrate_node(zarr_v2, output_path, dry_run))
