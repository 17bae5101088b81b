"""Deleting the metadata documents of one format from a hierarchy."""

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

# Documents by the order of their deletion. Attributes outlive what makes the node theirs, so that
# none is ever seen without them, and consolidated copies never outlive what they are copies of.
_STAGES: Final[Mapping[ZarrFormat, tuple[tuple[str, ...], ...]]] = {
    2: ((ZMETADATA_V2_JSON,), (ZARRAY_JSON, ZGROUP_JSON), (ZATTRS_JSON,)),
    3: ((ZARR_JSON,),),
}
_OTHER: Final[Mapping[ZarrFormat, ZarrFormat]] = {2: 3, 3: 2}


class Found(NamedTuple):
    """A metadata document in a hierarchy."""

    path: str  # of the node, relative to the root of the hierarchy
    name: str

    @property
    def key(self) -> str:
        """Key relative to the root of the hierarchy."""
        return f"{self.path}/{self.name}" if self.path else self.name


async def remove_metadata(
    store: StoreLike, zarr_format: ZarrFormat, force: bool = False, dry_run: bool = False
) -> None:
    """Delete all metadata documents of one format from a hierarchy, in whatever depth.

    Chunks stay. Each document is logged, at level INFO.

    Parameters
    ----------
    store : StoreLike
        The hierarchy.
    zarr_format : {2, 3}
        Delete ``.zarray``, ``.zgroup``, ``.zattrs`` and ``.zmetadata``, or ``zarr.json``.
    force : bool
        Whether to delete even where metadata of the other format do not describe the same kind of
        node, so that it is lost.
    dry_run : bool
        Whether to log only, and to delete nothing.

    Raises
    ------
    FileNotFoundError
        If `store` is the path of a local directory that does not exist.
    ValueError
        If the store is read-only or cannot delete, there is no such format, or a node would be
        lost. Nothing is deleted then.
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
    """Refuse a store from which nothing can be deleted, or may not be unless in a dry run.

    Raises
    ------
    ValueError
        If so.
    """
    if not root.store.supports_deletes:
        raise ValueError("Store must support deletes to remove metadata")
    if not dry_run:
        root.store._check_writable()


async def find_documents(root: StorePath, zarr_format: ZarrFormat) -> list[Found]:
    """Return the metadata documents of one format, those of the root first.

    Parameters
    ----------
    root : StorePath
        The hierarchy.
    zarr_format : {2, 3}
        The format.
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
    """Refuse to delete documents of nodes that the other format does not describe.

    Parameters
    ----------
    root : StorePath
        The hierarchy.
    documents : collection of Found
        What is to be deleted.
    zarr_format : {2, 3}
        Their format.
    planned : collection of str
        Paths of nodes that the other format is going to describe.

    Raises
    ------
    ValueError
        Naming the first document whose node has no valid metadata of the other format.
    """
    names: dict[str, list[str]] = {}
    for path, name in documents:
        # Consolidated metadata are copies.
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
    """Return why metadata of the other format cannot replace documents, None where they can."""
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
    """Delete documents and log each, or log alone in a dry run.

    Parameters
    ----------
    root : StorePath
        The hierarchy.
    documents : collection of Found
        The documents.
    zarr_format : {2, 3}
        Their format.
    dry_run : bool
        Whether to delete nothing.
    """

    async def delete(document: Found) -> None:
        await (root / document.key).delete()

    for stage in _STAGES[zarr_format]:
        doomed = [document for document in documents if document.name in stage]
        for document in doomed:
            logger.info("Deleting metadata at %s", root / document.key)
        if not dry_run:
            await concurrent_map([(document,) for document in doomed], delete)
