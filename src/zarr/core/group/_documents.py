"""Metadata documents of nodes: names, bulk reads and parsing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from zarr.abc._store_access import read_method
from zarr.abc.store import Store
from zarr.core._coalesce import KiB
from zarr.core._fetch import Outstanding, expecting
from zarr.core.array._documents import Documents, naming, parse_stored, read_documents
from zarr.core.array._documents import find_place as find_place
from zarr.core.buffer import Buffer
from zarr.core.buffer.cpu import buffer_prototype as cpu_prototype
from zarr.core.common import (
    JSON,
    ZARR_JSON,
    ZARRAY_JSON,
    ZATTRS_JSON,
    ZGROUP_JSON,
    ZMETADATA_V2_JSON,
    ZarrFormat,
    closing,
)
from zarr.core.group._metadata import (
    ConsolidatedMetadata,
    GroupMetadata,
    MissingParentError,
    NodeMetadata,
    parse_consolidated_v2,
)
from zarr.core.metadata import ArrayMetadata
from zarr.core.sync import has_event_loop
from zarr.errors import (
    ContainsArrayError,
    GroupNotFoundError,
    MetadataValidationError,
    NodeNotFoundError,
    NodeTypeValidationError,
    ZarrUserWarning,
)
from zarr.storage._common import StorePath

Document: TypeAlias = Mapping[str, JSON]

# For each Zarr format, the names of the documents that define an array or a group.
NODE_KEYS: Final[Mapping[ZarrFormat, tuple[str, ...]]] = {
    2: (ZARRAY_JSON, ZGROUP_JSON, ZATTRS_JSON),
    3: (ZARR_JSON,),
}
_GROUP_KEYS: Final[Mapping[ZarrFormat, tuple[str, ...]]] = {
    2: (ZGROUP_JSON, ZATTRS_JSON),
    3: (ZARR_JSON,),
}

# Maximum number of format 2 nodes for which all documents are requested in one bulk read. If there
# are more nodes, the group documents are requested in a second bulk read, and only for the nodes
# that are not arrays. The second bulk read takes one more round trip for groups, but saves a third
# of the requests for arrays. If there are many nodes, most of them are usually arrays.
_FEW = 10

# Estimated size of a metadata document in bytes. Without this estimate, a bulk read would assume
# larger values, and would start fewer reads before the first value arrives.
_DOCUMENT_NBYTES = 64 * KiB


def formats(zarr_format: object) -> tuple[ZarrFormat, ...]:
    """Return the Zarr formats to look for, in order of preference.

    Parameters
    ----------
    zarr_format : {2, 3} or None
        Requested format; None means any stored format.

    Raises
    ------
    MetadataValidationError
        If `zarr_format` is not 2, 3 or None.
    """
    if zarr_format is None:
        return (3, 2)
    if zarr_format == 2:
        return (2,)
    if zarr_format == 3:
        return (3,)
    raise MetadataValidationError(
        f"Invalid value for 'zarr_format'. Expected 2, 3, or None. Got '{zarr_format}'."
    )


# --- one node ---------------------------------------------------------------------------


async def read_group_metadata(
    store_path: StorePath,
    zarr_format: ZarrFormat | None,
    use_consolidated: bool | str | None,
) -> GroupMetadata:
    """Read the metadata of a group, in one round trip.

    Parameters
    ----------
    store_path : StorePath
        Location of the group.
    zarr_format : {2, 3} or None
        Zarr format; None to detect it. If metadata of both formats are stored, format 3 is used.
    use_consolidated : bool, str or None
        True to require consolidated metadata, False to ignore them, None to use them if they exist.
        A string is allowed only for a format 2 group. Such a string is the key of the consolidated
        metadata, relative to the group; in this case the consolidated metadata are required.

    Raises
    ------
    GroupNotFoundError
        If no group of the requested format is stored at the location. If consolidated metadata are
        used, and describe a node but not the group above that node, the error is a
        `MissingParentError`.
    ContainsArrayError
        If the ``zarr.json`` document describes an array.
    MetadataValidationError, TypeError, ValueError
        If a parameter or the metadata are not valid. `ValueError` is also raised if consolidated
        metadata are required but absent.

    Warns
    -----
    ZarrUserWarning
        If metadata of both formats are stored and `zarr_format` is None, or if `use_consolidated`
        is None and the consolidated metadata are not valid. If `MissingParentError` is raised,
        there is no warning about invalid consolidated metadata.
    """
    wanted = _Consolidated(store_path, use_consolidated)
    chosen = formats(zarr_format)
    names = [name for each in chosen for name in _GROUP_KEYS[each]]
    documents = await read_documents(store_path, wanted.add_key(names, chosen))
    v3 = documents.get(ZARR_JSON)
    if v3 is not None and v3.get("node_type") == "array":
        raise ContainsArrayError(
            f"An array already exists in store {store_path.store} at path {store_path.path}."
        )
    metadata = _group_of(documents, store_path, wanted)
    if metadata is None:
        raise GroupNotFoundError(store_path.store, store_path.path)
    return metadata


async def read_node_metadata(
    store_path: StorePath,
    zarr_format: ZarrFormat | None,
    use_consolidated: bool | str | None = False,
) -> NodeMetadata:
    """Read the metadata of an array or a group, in one round trip.

    Parameters
    ----------
    store_path : StorePath
        Location of the node.
    zarr_format : {2, 3} or None
        Format of the node; None means any format. If format 2 documents of an array and of a group
        are stored, the array takes precedence.
    use_consolidated : bool, str or None
        See `read_group_metadata`.

    Raises
    ------
    NodeNotFoundError
        If neither an array nor a group is stored at the location.
    MissingParentError, MetadataValidationError, TypeError, ValueError
        See `read_group_metadata`.

    Warns
    -----
    ZarrUserWarning
        See `read_group_metadata`.
    """
    wanted = _Consolidated(store_path, use_consolidated)
    chosen = formats(zarr_format)
    names = [name for each in chosen for name in NODE_KEYS[each]]
    documents = await read_documents(store_path, wanted.add_key(names, chosen))
    array = _array_of(documents, store_path)
    if array is not None:
        return array
    group = _group_of(documents, store_path, wanted)
    if group is None:
        raise NodeNotFoundError(
            f"No array or group found in store {store_path.store} at path {store_path.path!r}"
        )
    return group


def _array_of(documents: Documents, store_path: StorePath) -> ArrayMetadata | None:
    """Return the array metadata in the given documents; None if they describe no array."""
    v3 = documents.get(ZARR_JSON)
    if v3 is not None:
        if v3.get("node_type") != "array":
            return None
        if documents.seems_stored(ZARRAY_JSON):
            _warn_of_both(ZARRAY_JSON, store_path, "Zarr v3")
        return parse_stored(v3, 3, store_path)
    v2 = documents.get(ZARRAY_JSON)
    if v2 is None:
        return None
    attributes = documents.get(ZATTRS_JSON) or {}
    return parse_stored({**v2, "attributes": attributes}, 2, store_path)


def _group_of(
    documents: Documents, store_path: StorePath, consolidated: _Consolidated
) -> GroupMetadata | None:
    """Return the group metadata in the given documents; None if they describe no group."""
    v3 = documents.get(ZARR_JSON)
    if v3 is not None:
        if documents.seems_stored(ZGROUP_JSON):
            _warn_of_both(ZGROUP_JSON, store_path, "Zarr format 3")
        return consolidated.into_v3(v3)
    v2 = documents.get(ZGROUP_JSON)
    if v2 is None:
        return None
    group = parse_group_v2(v2, documents.get(ZATTRS_JSON), store_path)
    return consolidated.into_v2(group, documents)


def _warn_of_both(name: str, store_path: StorePath, used: str) -> None:
    warnings.warn(
        f"Both zarr.json (Zarr format 3) and {name} (Zarr format 2) metadata objects exist at "
        f"{store_path}. {used} will be used.",
        category=ZarrUserWarning,
        stacklevel=1,
    )


def parse_group_v2(
    zgroup: Document, zattrs: Document | None, store_path: StorePath
) -> GroupMetadata:
    """Return the metadata of a group from its ``.zgroup`` document and its ``.zattrs`` document.

    For compatibility with zarr-python, a ``.zgroup`` document with ``zarr_format`` 3 describes a
    format 3 group, and the members of that group are looked up in format 3. A ``.zgroup`` document
    without ``zarr_format`` describes a format 2 group.

    Raises
    ------
    MetadataValidationError
        If the ``zarr_format`` is neither 2 nor 3 (Zarr v2 specification, "Groups").
    TypeError
        If the attributes are not valid.
    """
    with naming(store_path / ZGROUP_JSON):
        stored_format = zgroup.get("zarr_format", 2)
        if stored_format == 3:
            return GroupMetadata.from_dict({**zgroup, "attributes": zattrs}, path=str(store_path))
        if stored_format != 2:
            raise MetadataValidationError(
                f"The {ZGROUP_JSON} document at {store_path} has zarr_format "
                f"{zgroup['zarr_format']!r}; expected 2."
            )
        return GroupMetadata.from_dict(
            {"zarr_format": 2, "attributes": zattrs}, path=str(store_path)
        )


# --- consolidated metadata --------------------------------------------------------------


class _Consolidated:
    """The caller's choice to ignore, use or require the consolidated metadata of a group.

    Parameters
    ----------
    store_path : StorePath
        Location of the group.
    wanted : bool, str or None
        See `use_consolidated` of `read_group_metadata`.

    Raises
    ------
    ValueError
        If consolidated metadata are required and the store does not support them.
    """

    def __init__(self, store_path: StorePath, wanted: bool | str | None) -> None:
        if not store_path.store.supports_consolidated_metadata:
            if wanted:
                raise ValueError(
                    f"The Zarr store in use ({type(store_path.store).__name__}) doesn't support "
                    "consolidated metadata."
                )
            wanted = False
        self.store_path = store_path
        self.wanted = wanted
        self.key = wanted if isinstance(wanted, str) else ZMETADATA_V2_JSON

    def add_key(self, names: list[str], chosen: Iterable[ZarrFormat]) -> list[str]:
        """Return `names`, plus the key of format 2 consolidated metadata if that key is needed.

        The key is needed if consolidated metadata may be used and `chosen` contains format 2.
        """
        return names if self.wanted is False or 2 not in chosen else [*names, self.key]

    def into_v3(self, document: Document) -> GroupMetadata:
        """Return the metadata of a format 3 group, with its inline consolidated metadata."""
        if isinstance(self.wanted, str):
            raise TypeError("use_consolidated must be a bool or None for Zarr format 3.")
        own: dict[str, Any] = dict(document)
        stored = own.pop("consolidated_metadata", None)
        path = str(self.store_path)
        with naming(self.store_path / ZARR_JSON):
            metadata = GroupMetadata.from_dict(own, path=path)
        if self.wanted is False:
            return metadata
        if stored is None:
            self._refuse_absence("")
            return metadata
        return self._add(
            metadata, ZARR_JSON, lambda: ConsolidatedMetadata.from_dict(stored, path=path)
        )

    def into_v2(self, metadata: GroupMetadata, documents: Documents) -> GroupMetadata:
        """Return the metadata of a format 2 group, with its separate consolidated metadata."""
        if self.wanted is False:
            return metadata
        if not documents.is_stored(self.key):
            self._refuse_absence(f" under {self.key!r}")
            return metadata
        return self._add(
            metadata, self.key, lambda: parse_consolidated_v2(documents[self.key] or {})
        )

    def _refuse_absence(self, where: str) -> None:
        if self.wanted:
            raise ValueError(
                f"Consolidated metadata requested with 'use_consolidated={self.wanted!r}' but not "
                f"found in '{self.store_path.path}'{where}."
            )

    def _add(
        self, metadata: GroupMetadata, name: str, parse: Callable[[], ConsolidatedMetadata]
    ) -> GroupMetadata:
        try:
            with naming(self.store_path / name):
                consolidated = parse()
        except (TypeError, ValueError) as error:
            if self.wanted or isinstance(error, MissingParentError):
                raise
            # Consolidated metadata are only a copy: the documents of the nodes can be read instead.
            warnings.warn(
                f"The consolidated metadata of the group at {self.store_path} are not valid and "
                f"are not used: {error}",
                category=ZarrUserWarning,
                stacklevel=1,
            )
            return metadata
        return replace(metadata, consolidated_metadata=consolidated)


# --- many nodes -------------------------------------------------------------------------


async def read_many(
    store_path: StorePath, paths: Iterable[str], zarr_format: ZarrFormat
) -> list[NodeMetadata | None]:
    """Read the metadata of many nodes with one bulk read, or two if there are many format 2 nodes.

    Parameters
    ----------
    store_path : StorePath
        Location to which the paths are relative.
    paths : iterable of str
        Paths of the nodes.
    zarr_format : {2, 3}
        Format of the nodes.

    Returns
    -------
    list
        Metadata of the nodes, in the order of `paths`; None for a path without a node of the given
        format. Consolidated metadata of format 2 groups are not read, because they are stored in a
        separate document.

    Raises
    ------
    json.JSONDecodeError, MetadataValidationError, TypeError, ValueError
        If a document is not valid. The path of the document is added to the error as a note (see
        ``BaseException.add_note``).
    """
    places = [store_path / path for path in paths]
    nodes: list[dict[str, Buffer | None]] = [dict.fromkeys(NODE_KEYS[zarr_format]) for _ in places]

    async def read(names: Iterable[str], wanted: Sequence[int]) -> None:
        missing = [(index, name) for index in wanted for name in names]
        keys = [(places[index] / name).path for index, name in missing]
        for (index, name), value in zip(missing, await _read_keys(store_path.store, keys)):
            nodes[index][name] = value

    everywhere = range(len(places))
    if zarr_format == 3 or len(places) <= _FEW:
        await read(NODE_KEYS[zarr_format], everywhere)
    else:
        await read([ZARRAY_JSON, ZATTRS_JSON], everywhere)
        await read([ZGROUP_JSON], [i for i in everywhere if nodes[i][ZARRAY_JSON] is None])
    return [
        parse_node(Documents(place, node), zarr_format, place) for node, place in zip(nodes, places)
    ]


async def _read_keys(store: Store, keys: list[str]) -> list[Buffer | None]:
    """Return the values of keys, in the order of the keys; None for an absent key."""
    values: list[Buffer | None] = [None] * len(keys)
    outstanding = Outstanding(len(keys))

    def take(batch: Sequence[tuple[int, Buffer | None]]) -> None:
        for index, value in batch:
            outstanding.answered(index)
            values[index] = value

    def name(index: int) -> str:
        return f"key {keys[index]!r} in {store!r}"

    if not has_event_loop():
        for batch in store._get_many_sync(keys, prototype=cpu_prototype):
            take(batch)
        outstanding.check(name)
        return values
    batches = read_method(store, "get_many")(keys, prototype=cpu_prototype)
    with expecting(_DOCUMENT_NBYTES):
        async with closing(batches):
            async for batch in batches:
                take(batch)
    outstanding.check(name)
    return values


def parse_node(
    documents: Mapping[str, Document | None], zarr_format: ZarrFormat, store_path: StorePath
) -> NodeMetadata | None:
    """Return the metadata of the node that is described by documents of one format.

    Parameters
    ----------
    documents : mapping
        The parsed documents by document name; None for an absent document. The keys include all
        document names in ``NODE_KEYS[zarr_format]``. The function accesses only the documents that
        it needs.
    zarr_format : {2, 3}
        Format of the documents.
    store_path : StorePath
        Location of the node, for error messages and notes.

    Returns
    -------
    ArrayV2Metadata, ArrayV3Metadata, GroupMetadata or None
        None if the documents describe no node.

    Raises
    ------
    NodeTypeValidationError
        If a ``zarr.json`` document has no ``node_type``.
    MetadataValidationError, TypeError, ValueError
        If a document is not valid.
    """
    if zarr_format == 3:
        document = documents[ZARR_JSON]
        if document is None:
            return None
        if document.get("node_type") == "array":
            return parse_stored(document, 3, store_path)
        with naming(store_path / ZARR_JSON):
            if document.get("node_type") is None:
                raise NodeTypeValidationError(
                    "Required key 'node_type' is missing from the provided metadata document."
                )
            return GroupMetadata.from_dict(document, path=str(store_path))
    array = documents[ZARRAY_JSON]
    if array is not None:
        attributes = documents[ZATTRS_JSON] or {}
        return parse_stored({**array, "attributes": attributes}, 2, store_path)
    group = documents[ZGROUP_JSON]
    return None if group is None else parse_group_v2(group, documents[ZATTRS_JSON], store_path)
