"""Groups, and functions that find and create the nodes of a hierarchy."""

from zarr.core.group._async import AsyncGroup
from zarr.core.group._metadata import GROUP_METADATA_KEYS as GROUP_METADATA_KEYS
from zarr.core.group._metadata import (
    ConsolidatedMetadata,
    GroupMetadata,
    ImplicitGroupMarker,
    parse_attributes,
    parse_node_type,
    parse_zarr_format,
)
from zarr.core.group._open import (
    create_hierarchy,
    create_nodes,
    create_rooted_hierarchy,
    get_node,
)
from zarr.core.group._sync import Group
from zarr.storage._common import StoreLike as StoreLike

__all__ = [
    "AsyncGroup",
    "ConsolidatedMetadata",
    "Group",
    "GroupMetadata",
    "ImplicitGroupMarker",
    "create_hierarchy",
    "create_nodes",
    "create_rooted_hierarchy",
    "get_node",
    "parse_attributes",
    "parse_node_type",
    "parse_zarr_format",
]

# Set `__module__` of the public objects to this module, so that pickles refer to this module.
for _public in (
    AsyncGroup,
    ConsolidatedMetadata,
    Group,
    GroupMetadata,
    ImplicitGroupMarker,
    create_hierarchy,
    create_nodes,
    create_rooted_hierarchy,
    get_node,
):
    _public.__module__ = __name__
