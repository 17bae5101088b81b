"""The function `save_metadata`, which other packages import from this module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zarr.core.array._documents import missing_parents, store_documents, store_parents
from zarr.core.buffer import default_buffer_prototype

if TYPE_CHECKING:
    from zarr.core.array._documents import Storable
    from zarr.storage._common import StorePath

__all__ = ["save_metadata"]


async def save_metadata(
    store_path: StorePath, metadata: Storable, ensure_parents: bool = False
) -> None:
    """Store the metadata of a node, replacing any stored metadata.

    Parameters
    ----------
    store_path : StorePath
        Location of the array or group.
    metadata : ArrayV2Metadata, ArrayV3Metadata or GroupMetadata
        Metadata of the node.
    ensure_parents : bool
        Whether to first store missing groups above the node.

    Raises
    ------
    ValueError
        If the store is read-only, or if `ensure_parents` is True and a parent of the node is an
        array.
    TypeError
        If an attribute has no JSON form.
    """
    documents = metadata.to_buffer_dict(default_buffer_prototype())
    store_path.store._check_writable()
    if ensure_parents:
        await store_parents(await missing_parents(store_path, metadata.zarr_format))
    await store_documents(store_path, documents)
