"""Consolidate the metadata of all nodes below a group."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from zarr.core.group._async import AsyncGroup
from zarr.core.group._documents import read_group_metadata
from zarr.core.group._metadata import ConsolidatedMetadata
from zarr.errors import ZarrUserWarning

if TYPE_CHECKING:
    from zarr.core.common import ZarrFormat
    from zarr.storage._common import StorePath


async def consolidate(store_path: StorePath, zarr_format: ZarrFormat | None) -> AsyncGroup:
    """Read the metadata of all nodes below a group, and store them together with the group.

    Parameters
    ----------
    store_path : StorePath
        Location of the group.
    zarr_format : {2, 3} or None
        Zarr format; None to detect it. If metadata of both formats are stored, format 3 is used.

    Returns
    -------
    AsyncGroup
        The group, including the consolidated metadata.

    Raises
    ------
    TypeError
        If the store does not support consolidated metadata.
    GroupNotFoundError, ContainsArrayError
        If no group of the requested format is stored at the location.
    ValueError
        If the store is read-only, or metadata are not valid.

    Warns
    -----
    ZarrUserWarning
        If the group has format 3 and has members. The warning says that the Zarr v3 specification
        does not define consolidated metadata.
    """
    store = store_path.store
    if not store.supports_consolidated_metadata:
        raise TypeError(
            f"The Zarr Store in use ({type(store).__name__}) doesn't support consolidated metadata"
        )
    group = await read_group_metadata(store_path, zarr_format, False)
    store._check_writable()
    found = AsyncGroup(group, store_path)._walk(None, use_consolidated_for_children=False)
    nodes = {path: node async for path, node in found}
    if nodes and group.zarr_format == 3:
        warnings.warn(
            "Consolidated metadata is currently not part in the Zarr format 3 specification. It "
            "may not be supported by other zarr implementations and may change in the future.",
            category=ZarrUserWarning,
            stacklevel=1,
        )
    metadata = replace(group, consolidated_metadata=ConsolidatedMetadata.from_nodes(nodes))
    consolidated = AsyncGroup(metadata=metadata, store_path=store_path)
    await consolidated._save_metadata()
    return consolidated
