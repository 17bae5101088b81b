"""Write format 3 metadata for a format 2 hierarchy."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

from zarr.abc.store import Store
from zarr.core._json import parse_json
from zarr.core.array import Array, AsyncArray
from zarr.core.buffer import default_buffer_prototype
from zarr.core.common import ZARR_JSON, concurrent_map
from zarr.core.group import AsyncGroup, Group, GroupMetadata
from zarr.core.group._documents import read_many, read_node_metadata
from zarr.core.metadata.common import same_json
from zarr.errors import GroupNotFoundError, NodeNotFoundError, ZarrUserWarning
from zarr.metadata._removal import (
    check_alternatives,
    check_deletable,
    delete_documents,
    find_documents,
)
from zarr.metadata._to_v3 import convert_array, convert_group
from zarr.storage._common import StorePath, make_store_path
from zarr.storage._utils import METADATA_NAMES

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer
    from zarr.core.common import AccessModeLiteral, ZarrFormat
    from zarr.core.group._metadata import NodeMetadata
    from zarr.core.metadata import ArrayV2Metadata
    from zarr.storage._common import StoreLike

logger = logging.getLogger("zarr.metadata.migrate_v3")


async def migrate_v2_to_v3(
    *,
    input_store: StoreLike,
    output_store: StoreLike | None = None,
    dry_run: bool = False,
) -> None:
    """Write the format 3 metadata of a format 2 array, or of a group and all nodes below it.

    Chunks are not moved or changed, and the documents of format 2 are kept. All nodes are converted
    before the first document is written, and the document of the root is written last. After a
    failure the hierarchy therefore still has format 2, and a second call completes the migration.
    Each document is logged at level INFO.

    Parameters
    ----------
    input_store : StoreLike
        Location of the array or group.
    output_store : StoreLike or None
        Location to which the format 3 documents are written. The location must be empty. Chunks are
        not copied. If None, the format 3 documents are written beside the format 2 documents.
    dry_run : bool
        Whether to only convert the metadata and log the documents, without writing them.

    Raises
    ------
    TypeError
        If the root already has format 3 metadata, or if a filter or compressor corresponds to a
        format 3 codec of the wrong kind; see `convert_array`.
    GroupNotFoundError
        If neither an array nor a group is stored at `input_store`.
    NotImplementedError
        If the metadata of the root are consolidated.
    FileExistsError
        If anything is stored at `output_store`.
    ValueError
        If the metadata of a node have no counterpart in format 3; a note names the node. If a node
        below the root already has format 3 metadata that differ from the converted metadata. If
        `dry_run` is False, and the store to which the documents are written is read-only.

    Warns
    -----
    ZarrUserWarning
        If the listing of a group contains entries that are not format 2 nodes. Each such entry
        causes one warning, and is not migrated.
    """
    await migrate(input_store, output_store, dry_run=dry_run)


async def migrate_node(
    zarr_v2: Array[Any] | AsyncArray[Any] | Group | AsyncGroup,
    output_path: StorePath,
    dry_run: bool,
) -> None:
    """Implement `zarr.metadata.migrate_v3.migrate_to_v3`."""
    documents = await _convert(zarr_v2.store_path, zarr_v2.metadata)
    if not dry_run:
        output_path.store._check_writable()
    await _save(output_path, await _missing(output_path, documents), dry_run=dry_run)


async def migrate(
    input_store: StoreLike,
    output_store: StoreLike | None = None,
    *,
    dry_run: bool = False,
    overwrite: bool = False,
    force: bool = False,
    remove_v2_metadata: bool = False,
) -> None:
    """Implement `migrate_v2_to_v3`, with options that delete metadata.

    Parameters
    ----------
    input_store : StoreLike
        Location of the format 2 metadata.
    output_store : StoreLike or None
        Location for the format 3 metadata; None means `input_store`.
    dry_run : bool
        Whether to only log the documents that would be written or deleted, without changing the
        stores.
    overwrite : bool
        Whether to delete the existing format 3 metadata at the output location. The existing
        metadata are deleted after all nodes have been converted, and before new metadata are
        written.
    force : bool
        Whether `overwrite` also deletes the format 3 metadata of nodes that have no format 2
        metadata.
    remove_v2_metadata : bool
        Whether to delete the format 2 metadata at the output location, after the format 3 metadata
        have been written.

    Raises
    ------
    TypeError, GroupNotFoundError, NotImplementedError, FileExistsError
        See `migrate_v2_to_v3`.
    ValueError
        See `migrate_v2_to_v3`. The error is also raised if metadata are to be deleted, but the
        store does not support deletes. It is also raised if a deletion would leave a node without
        valid metadata, unless `force` permits this deletion.
    """
    in_place = output_store is None
    source = await _place(input_store, writes=in_place and not dry_run)
    # If existing format 3 metadata will be overwritten, only format 2 metadata are read.
    documents = await _convert(source, await _root(source, 2 if in_place and overwrite else None))
    if output_store is None:
        target = source
    else:
        try:
            target = await _place(output_store, writes=not dry_run, creates=True)
        except FileNotFoundError:  # a dry run does not create a missing directory
            for path in documents:
                _log_saving(str(output_store), path)
            return
    doomed = await find_documents(target, 3) if overwrite else []
    if doomed or remove_v2_metadata:
        check_deletable(target, dry_run=dry_run)
    if not force:
        await check_alternatives(target, doomed, 3)
    if not in_place:
        await _check_empty(target, {each.key for each in doomed})
    missing = await _missing(target, documents, replaced={each.path for each in doomed})
    obsolete = await find_documents(target, 2) if remove_v2_metadata else []
    await check_alternatives(target, obsolete, 2, planned=documents)
    # Nothing is changed before this line.
    await delete_documents(target, doomed, 3, dry_run=dry_run)
    await _save(target, missing, dry_run=dry_run)
    await delete_documents(target, obsolete, 2, dry_run=dry_run)


# --- locations --------------------------------------------------------------------------


async def _place(store_like: StoreLike, *, writes: bool, creates: bool = False) -> StorePath:
    """Return the location as a `StorePath`.

    If `writes` and `creates` are both True, a missing local directory is created. Otherwise a
    missing local directory is an error, unless `store_like` is a `Store` or a `StorePath`.
    """
    mode: AccessModeLiteral | None = None
    if not isinstance(store_like, Store | StorePath) and not (writes and creates):
        mode = "r+" if writes else "r"
    place = await make_store_path(store_like, mode=mode)
    if writes:
        place.store._check_writable()
    return place


async def _check_empty(place: StorePath, apart_from: set[str]) -> None:
    """Raise an error if a location contains keys other than those in `apart_from`."""
    prefix = f"{place.path}/" if place.path else ""
    async for key in place.store.list_prefix(prefix):
        if key.removeprefix(prefix) not in apart_from:
            raise FileExistsError(
                f"Cannot create {place.path!r} with mode 'w-' because it already contains data. "
                "Use mode 'w' to overwrite or 'a' to append."
            )


# --- reading and converting -------------------------------------------------------------


async def _root(source: StorePath, zarr_format: ZarrFormat | None) -> NodeMetadata:
    with _naming(source):
        try:
            return await read_node_metadata(source, zarr_format, use_consolidated=None)
        except NodeNotFoundError as error:
            raise GroupNotFoundError(str(error)) from None


async def _convert(source: StorePath, root: NodeMetadata) -> dict[str, Buffer]:
    """Return the ``zarr.json`` documents of all nodes by path, with the deepest nodes first.

    Raises
    ------
    TypeError, ValueError, NotImplementedError
        If a node cannot be converted; a note names the node.
    """
    if root.zarr_format != 2:
        raise TypeError("Only arrays / groups with zarr v2 metadata can be converted")
    documents: dict[str, Buffer] = {}
    level: dict[str, NodeMetadata] = {"": root}
    while level:
        for path, node in level.items():
            with _naming(source / path):
                documents[path] = _document(node)
        logger.debug("Read the metadata of %d nodes", len(documents))
        groups = [path for path, node in level.items() if isinstance(node, GroupMetadata)]
        level = await _children(source, groups)
    return dict(reversed(documents.items()))


def _document(node: NodeMetadata) -> Buffer:
    converted = (
        convert_group(node)
        if isinstance(node, GroupMetadata)
        else convert_array(cast("ArrayV2Metadata", node))
    )
    return converted.to_buffer_dict(default_buffer_prototype())[ZARR_JSON]


async def _children(source: StorePath, groups: Iterable[str]) -> dict[str, NodeMetadata]:
    """Return the metadata of the format 2 nodes directly below the given groups, by path."""
    listed = await concurrent_map([(source, group) for group in groups], _list)
    paths = [path for found in listed for path in found]
    nodes = await concurrent_map([(source, path) for path in paths], _read)
    children = {}
    for path, node in zip(paths, nodes, strict=True):
        if node is not None:
            children[path] = node
            continue
        warnings.warn(
            f"Object at {source / path} is not a component of a Zarr format 2 hierarchy, and is "
            "not migrated.",
            category=ZarrUserWarning,
            stacklevel=1,
        )
    return children


async def _list(source: StorePath, group: str) -> list[str]:
    """Return the paths of possible nodes directly below a group."""
    place = source / group
    if not place.store.supports_listing:
        raise ValueError(f"{place.store} must support listing, because nodes are found by listing.")
    names = {name async for name in place.store.list_dir(place.path)} - METADATA_NAMES
    return [f"{group}/{name}" if group else name for name in sorted(names)]


async def _read(source: StorePath, path: str) -> NodeMetadata | None:
    with _naming(source / path):
        (node,) = await read_many(source, [path], 2)
    return node


@contextmanager
def _naming(place: StorePath) -> Iterator[None]:
    """Context manager that adds a note to exceptions; the note contains the location of a node."""
    try:
        yield
    except Exception as error:
        error.add_note(f"while migrating the metadata at {place}")
        raise


# --- writing ----------------------------------------------------------------------------


async def _missing(
    target: StorePath, documents: Mapping[str, Buffer], replaced: Collection[str] = ()
) -> dict[str, Buffer]:
    """Return the documents that are not stored yet.

    Parameters
    ----------
    target : StorePath
        Root of the hierarchy.
    documents : mapping
        Documents by path.
    replaced : collection of str
        Paths whose existing documents are ignored, because they will be replaced.

    Raises
    ------
    ValueError
        If a different document is already stored at a path that is not in `replaced`.
    """
    paths = [path for path in documents if path not in replaced]
    stored = await concurrent_map([(target / path / ZARR_JSON,) for path in paths], StorePath.get)
    done = set()
    for path, document in zip(paths, stored, strict=True):
        if document is None:
            continue
        if not _is_same(document, documents[path]):
            error = ValueError(f"{ZARR_JSON} already exists at {target / path / ZARR_JSON}")
            error.add_note("It is not the document that migrating writes there.")
            raise error
        done.add(path)
    return {path: value for path, value in documents.items() if path not in done}


def _is_same(stored: Buffer, document: Buffer) -> bool:
    try:
        return same_json(parse_json(stored.to_bytes()), parse_json(document.to_bytes()))
    except ValueError:
        return False


async def _save(target: StorePath, documents: Mapping[str, Buffer], *, dry_run: bool) -> None:
    """Write documents level by level, the root last, and log each; a dry run only logs."""

    async def put(path: str) -> None:
        await (target / path / ZARR_JSON).set(documents[path])

    for _, level in groupby(documents, key=_depth):
        paths = list(level)
        for path in paths:
            _log_saving(str(target), path)
        if not dry_run:
            await concurrent_map([(path,) for path in paths], put)


def _depth(path: str) -> int:
    return path.count("/") + 1 if path else 0


def _log_saving(target: str, path: str) -> None:
    logger.info("Saving metadata to %s", "/".join(filter(None, (target, path, ZARR_JSON))))
