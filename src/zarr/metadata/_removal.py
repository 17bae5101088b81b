"""Delete the metadata documents of one format from a hierarchy."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from zarr.core.common import (
    ZARR_JSON,
    ZARRAY_JSON,
    ZATTRS_JSON,
    ZGROUP_JSON,
    ZMETADATA_V2_JSON,
    ZarrFormat,
    concurrent_map,
)
from zarr.core.group import GroupMetadata
from zarr.core.group._documents import find_place, read_many
from zarr.errors import MetadataValidationError
from zarr.storage._common import StorePath, contains_array, contains_group

if TYPE_CHECKING:
    from zarr.storage._common import StoreLike

logger = logging.getLogger("zarr.metadata.migrate_v3")

# Documents in the order of deletion. The document that defines a node is deleted before the
# attributes of the node, so that no node is ever visible without its attributes. Consolidated
# metadata are deleted before the documents that they copy.
_STAGES: Final[Mapping[ZarrFormat, tuple[tuple[str, ...], ...]]] = {
    2: ((ZMETADATA_V2_JSON,), (ZARRAY_JSON, ZGROUP_JSON), (ZATTRS_JSON,)),
    3: ((ZARR_JSON,),),
}
_OTHER: Final[Mapping[ZarrFormat, ZarrFormat]] = {2: 3, 3: 2}


class Found(NamedTuple):
    """A metadata document in a hierarchy."""

    path: str  # path of the node, relative to the root of the hierarchy
    name: str

    @property
    def key(self) -> str:
        """Key of the document, relative to the root of the hierarchy."""
        return f"{self.path}/{self.name}" if self.path else self.name


async def remove_metadata(
    store: StoreLike, zarr_format: ZarrFormat, force: bool = False, dry_run: bool = False
) -> None:
    """Delete all metadata documents of one format from a hierarchy, at all depths.

    Chunks are kept. Each document is logged at level INFO.

    Parameters
    ----------
    store : StoreLike
        Root of the hierarchy.
    zarr_format : {2, 3}
        Format of the documents to delete. The documents of format 2 are ``.zarray``, ``.zgroup``,
        ``.zattrs`` and ``.zmetadata``. The document of format 3 is ``zarr.json``.
    force : bool
        Whether to delete documents even if a node would be lost. A node is lost if it has no valid
        metadata of the other format. It is also lost if it is an array in one format and a group in
        the other format.
    dry_run : bool
        Whether to only log the documents, without deleting them.

    Raises
    ------
    FileNotFoundError
        If `store` is the path of a local directory that does not exist.
    ValueError
        If the store is read-only, if it does not support deletes, if `zarr_format` is neither 2 nor
        3, or if a node would be lost. In all these cases, nothing is deleted.
    """
    if zarr_format not in _STAGES:
        raise MetadataValidationError(
            f"Invalid value for 'zarr_format'. Expected 2 or 3. Got '{zarr_format}'."
        )
    root = await find_place(store)
    check_deletable(root, dry_run=dry_run)
    documents = await find_documents(root, zarr_format)
    if not force:
        await check_alternatives(root, documents, zarr_format)
    await delete_documents(root, documents, zarr_format, dry_run=dry_run)


def check_deletable(root: StorePath, *, dry_run: bool) -> None:
    """Raise an error if documents cannot be deleted from a store.

    Raises
    ------
    ValueError
        If the store does not support deletes, or if it is read-only and this is not a dry run.
    """
    if not root.store.supports_deletes:
        raise ValueError("Store must support deletes to remove metadata")
    if not dry_run:
        root.store._check_writable()


async def find_documents(root: StorePath, zarr_format: ZarrFormat) -> list[Found]:
    """Return the metadata documents of one format, starting with those of the root.

    Parameters
    ----------
    root : StorePath
        Root of the hierarchy.
    zarr_format : {2, 3}
        Zarr format of the documents.
    """
    names = [name for stage in _STAGES[zarr_format] for name in stage]
    prefix = f"{root.path}/" if root.path else ""
    found = []
    async for key in root.store.list_prefix(prefix):
        path, _, name = key.removeprefix(prefix).rpartition("/")
        if name in names:
            found.append(Found(path, name))
    return sorted(found, key=lambda each: (each.path.count("/"), each.path, names.index(each.name)))


async def check_alternatives(
    root: StorePath,
    documents: Collection[Found],
    zarr_format: ZarrFormat,
    *,
    planned: Collection[str] = (),
) -> None:
    """Raise an error if a node would be lost by deleting documents of one format.

    Parameters
    ----------
    root : StorePath
        Root of the hierarchy.
    documents : collection of Found
        Documents to delete.
    zarr_format : {2, 3}
        Zarr format of the documents.
    planned : collection of str
        Paths of nodes that are not checked, because metadata of the other format will be written
        for these nodes before the deletion.

    Raises
    ------
    ValueError
        If a node would be lost; see the parameter `force` of `remove_metadata`. The message names
        the first document of the first such node.
    """
    names: dict[str, list[str]] = {}
    for path, name in documents:
        # Consolidated metadata are only copies, so no node is lost if they are deleted.
        if name != ZMETADATA_V2_JSON and path not in planned:
            names.setdefault(path, []).append(name)
    nodes = [(root, path, zarr_format, found) for path, found in names.items()]
    for node, problem in zip(nodes, await concurrent_map(nodes, _problem), strict=True):
        if problem is not None:
            _, path, _, found = node
            raise ValueError(
                f"Cannot remove v{zarr_format} metadata at {root / Found(path, found[0]).key} - "
                f"{problem}. To delete anyway, use the 'force' option."
            )


async def _problem(
    root: StorePath, path: str, zarr_format: ZarrFormat, names: Collection[str]
) -> str | None:
    """Return why a node would be lost by deleting its documents; None if it would not be lost."""
    other = _OTHER[zarr_format]
    try:
        (alternative,) = await read_many(root, [path], other)
    except (LookupError, TypeError, ValueError) as error:
        return f"the v{other} metadata are not valid: {error}"
    if alternative is None:
        return f"no v{other} metadata exists"
    place = root / path
    if isinstance(alternative, GroupMetadata):
        differs = await contains_array(place, 3) if zarr_format == 3 else ZARRAY_JSON in names
        return f"the v{other} metadata are those of a group" if differs else None
    differs = (
        await contains_group(place, 3)
        if zarr_format == 3
        else ZGROUP_JSON in names and ZARRAY_JSON not in names
    )
    return f"the v{other} metadata are those of an array" if differs else None


async def delete_documents(
    root: StorePath, documents: Collection[Found], zarr_format: ZarrFormat, *, dry_run: bool
) -> None:
    """Delete documents and log each; a dry run only logs.

    Parameters
    ----------
    root : StorePath
        Root of the hierarchy.
    documents : collection of Found
        Documents to delete.
    zarr_format : {2, 3}
        Zarr format of the documents.
    dry_run : bool
        Whether to only log the documents, without deleting them.
    """

    async def delete(document: Found) -> None:
        await (root / document.key).delete()

    for stage in _STAGES[zarr_format]:
        doomed = [document for document in documents if document.name in stage]
        for document in doomed:
            logger.info("Deleting metadata at %s", root / document.key)
        if not dry_run:
            await concurrent_map([(document,) for document in doomed], delete)
