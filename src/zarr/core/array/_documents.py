"""Read and store the metadata documents of a node and of the groups above it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from zarr.abc._store_access import override_distance
from zarr.abc.store import Store
from zarr.core._json import parse_object
from zarr.core._redact import redact_url
from zarr.core.buffer import default_buffer_prototype
from zarr.core.buffer.cpu import buffer_prototype as cpu_prototype
from zarr.core.common import (
    JSON,
    ZARR_JSON,
    ZARRAY_JSON,
    ZATTRS_JSON,
    ZGROUP_JSON,
    ZarrFormat,
    concurrent_map,
)
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata
from zarr.core.metadata.common import json_to_buffer
from zarr.core.metadata.v3 import parse_node_type_array
from zarr.errors import ArrayNotFoundError, MetadataValidationError, ZarrUserWarning
from zarr.storage._common import StorePath, ensure_no_existing_node, make_store_path
from zarr.storage._wrapper import WrapperStore

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer, BufferPrototype
    from zarr.core.metadata import ArrayMetadata
    from zarr.storage._common import StoreLike


class Storable(Protocol):
    """Metadata of an array or group that can be serialized to metadata documents."""

    @property
    def zarr_format(self) -> ZarrFormat:
        """Zarr format of the metadata."""

    def to_buffer_dict(self, prototype: BufferPrototype) -> dict[str, Buffer]:
        """Return the bytes of each document, by the name of the document below the node."""


# --- reading ----------------------------------------------------------------------------


async def find_place(
    store: StoreLike | None,
    *,
    path: str | None = "",
    storage_options: dict[str, Any] | None = None,
) -> StorePath:
    """Return the location of a node to open, without creating a missing directory.

    Parameters
    ----------
    store : StoreLike or None
        Location of the node; None means a new store in memory.
    path : str or None
        Path of the node relative to `store`; None if `store` is itself the location of the node.
    storage_options : dict or None
        Options of the file system, if `store` is a URL; None means no options.

    Raises
    ------
    FileNotFoundError
        If `store` is the path of a local directory that does not exist.
    TypeError, ValueError
        See `make_store_path`.
    """
    is_store = store is None or isinstance(store, Store | StorePath)
    return await make_store_path(
        store, path=path, mode=None if is_store else "r+", storage_options=storage_options
    )


async def find_array(
    store: StoreLike | None,
    *,
    path: str | None = "",
    storage_options: dict[str, Any] | None = None,
) -> StorePath:
    """Return the location of an array to open; see `find_place`.

    Raises
    ------
    ArrayNotFoundError
        If `store` is the path of a local directory that does not exist.
    TypeError, ValueError
        See `make_store_path`.
    """
    try:
        return await find_place(store, path=path, storage_options=storage_options)
    except FileNotFoundError:
        where = redact_url(str(store))
        raise ArrayNotFoundError(f"No array found in store {where} at path {path}") from None


@contextmanager
def naming(place: StorePath) -> Iterator[None]:
    """Add a note with the path of a metadata document to errors raised in a ``with`` block.

    Parameters
    ----------
    place : StorePath
        Location of the document.

    Raises
    ------
    MetadataValidationError
        Raised instead of a `KeyError` or a similar error that does not describe the invalid value.
        A caller could take a `KeyError` to mean that the node is absent.
    """
    try:
        yield
    except Warning:
        raise
    except Exception as error:
        note = f"in the metadata document {place}"
        unclear = isinstance(error, LookupError | AttributeError | ArithmeticError | RecursionError)
        if not unclear or isinstance(error, ValueError | TypeError):
            error.add_note(note)
            raise
        clear = MetadataValidationError(f"A value is not valid: {type(error).__name__}: {error}")
        clear.add_note(note)
        raise clear from error


class Documents(Mapping[str, "dict[str, JSON] | None"]):
    """Metadata documents of a node by name, each parsed on first access.

    Invalid data in a document cause no error if the document is never accessed. For example, some
    servers answer a request for an absent document with a web page.

    Parameters
    ----------
    store_path : StorePath
        The node.
    values : mapping
        Mapping from the name of each document, relative to the node, to the stored value; None for
        an absent document.
    """

    def __init__(self, store_path: StorePath, values: Mapping[str, Buffer | None]) -> None:
        self._store_path = store_path
        self._values = values
        self._parsed: dict[str, dict[str, JSON]] = {}

    def __getitem__(self, name: str) -> dict[str, JSON] | None:
        """Return a document, or None if it is absent.

        Raises
        ------
        JSONDecodeError, NotAnObjectError
            If the document is not a JSON object.
        KeyError
            If `name` is not the name of one of the documents that were read.
        """
        value = self._values[name]
        if value is None:
            return None
        if name not in self._parsed:
            self._parsed[name] = parse_document(value, self._store_path / name)
        return self._parsed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def is_stored(self, name: str) -> bool:
        """Return whether a value is stored under `name`, without checking the content."""
        return self._values.get(name) is not None

    def seems_stored(self, name: str) -> bool:
        """Return whether a value is stored under `name` and begins like a JSON object."""
        value = self._values.get(name)
        return value is not None and value.to_bytes().lstrip()[:1] == b"{"


async def read_documents(store_path: StorePath, names: Iterable[str]) -> Documents:
    """Read metadata documents of a node concurrently.

    Parameters
    ----------
    store_path : StorePath
        The node.
    names : iterable of str
        Names of the documents, which are keys relative to the node.
    """
    keys = list(names)

    async def get(name: str) -> Buffer | None:
        return await (store_path / name).get(cpu_prototype)

    buffers = await concurrent_map([(key,) for key in keys], get, limit=max(1, len(keys)))
    return Documents(store_path, dict(zip(keys, buffers, strict=True)))


def parse_document(buffer: Buffer, place: StorePath) -> dict[str, JSON]:
    """Parse a metadata document into a JSON object.

    Parameters
    ----------
    buffer : Buffer
        The stored bytes.
    place : StorePath
        Location of the document, which is added to errors as a note.

    Raises
    ------
    JSONDecodeError
        If the bytes are not JSON.
    NotAnObjectError
        If the JSON value is not an object.
    """
    with naming(place):
        return parse_object(buffer.to_bytes())


async def get_array_metadata(
    store_path: StorePath, zarr_format: ZarrFormat | None = 3
) -> dict[str, JSON]:
    """Read the metadata document of an array, in one round trip.

    Parameters
    ----------
    store_path : StorePath
        The array.
    zarr_format : {2, 3} or None
        Zarr format of the array; None to detect the format. If metadata of both formats are stored,
        format 3 is used.

    Returns
    -------
    dict
        For format 3, the parsed ``zarr.json``. For format 2, the parsed ``.zarray``, with the
        content of ``.zattrs`` under the key ``attributes``.

    Raises
    ------
    ArrayNotFoundError
        If the metadata document is absent.
    NodeTypeValidationError
        If the ``zarr.json`` does not describe an array.
    MetadataValidationError
        If `zarr_format` is not 2, 3 or None.
    json.JSONDecodeError, TypeError
        If a document is not a JSON object. The exception is also an instance of
        `MetadataValidationError`. Format 2 documents are ignored if a ``zarr.json`` is stored too.

    Warns
    -----
    ZarrUserWarning
        If metadata of both formats are stored and `zarr_format` is None.
    """
    _, document = await _find_document(store_path, zarr_format)
    return document


async def _find_document(
    store_path: StorePath, zarr_format: ZarrFormat | None
) -> tuple[ZarrFormat, dict[str, JSON]]:
    """Return the document that `get_array_metadata` finds, and its Zarr format.

    The Zarr format is determined from the file name of the document.
    """
    if zarr_format not in (2, 3, None):
        raise MetadataValidationError(
            f"Invalid value for 'zarr_format'. Expected 2, 3, or None. Got '{zarr_format}'."
        )
    names = ([ZARR_JSON] if zarr_format != 2 else []) + (
        [ZARRAY_JSON, ZATTRS_JSON] if zarr_format != 3 else []
    )
    documents = await read_documents(store_path, names)
    v3 = documents.get(ZARR_JSON)
    if v3 is not None and documents.seems_stored(ZARRAY_JSON):
        warnings.warn(
            f"Both zarr.json (Zarr format 3) and .zarray (Zarr format 2) metadata objects exist at "
            f"{store_path}. Zarr v3 will be used.",
            category=ZarrUserWarning,
            stacklevel=1,
        )
    if v3 is not None:
        with naming(store_path / ZARR_JSON):
            parse_node_type_array(v3.get("node_type"))
        return 3, v3
    v2 = documents.get(ZARRAY_JSON)
    if v2 is not None:
        return 2, {**v2, "attributes": documents[ZATTRS_JSON] or {}}
    where = f"found in store {store_path.store!r} at path {store_path.path!r}."
    if zarr_format is None:
        raise ArrayNotFoundError(
            f"Neither Zarr V3 nor Zarr V2 array metadata documents were {where}"
        )
    raise ArrayNotFoundError(f"A Zarr V{zarr_format} array metadata document was not {where}")


async def open_metadata(store_path: StorePath, zarr_format: ZarrFormat | None) -> ArrayMetadata:
    """Read the metadata of an array; see `get_array_metadata` and `parse_stored`."""
    stored_format, document = await _find_document(store_path, zarr_format)
    return parse_stored(document, stored_format, store_path)


def parse_stored(
    document: Mapping[str, JSON], zarr_format: ZarrFormat, store_path: StorePath
) -> ArrayMetadata:
    """Parse the metadata document of an array.

    Parameters
    ----------
    document : mapping
        Document in the form that `get_array_metadata` returns.
    zarr_format : {2, 3}
        Zarr format, determined from the file name of the document.
    store_path : StorePath
        Location of the array, for error messages and notes.

    Raises
    ------
    NodeTypeValidationError
        If a ``zarr.json`` does not describe an array.
    TypeError, ValueError
        If the ``zarr_format`` in the document differs from the parameter, or if the document is not
        valid. The exception has a note that names the document.
    """
    path = str(store_path)
    with naming(store_path / (ZARR_JSON if zarr_format == 3 else ZARRAY_JSON)):
        if zarr_format == 3:
            parse_node_type_array(document.get("node_type"))
            return ArrayV3Metadata.from_dict(document, path=path)
        return ArrayV2Metadata.from_dict(document, path=path)


# --- storing ----------------------------------------------------------------------------


async def store_metadata(
    store_path: StorePath, metadata: Storable, *, ensure_parents: bool = False
) -> None:
    """Store the metadata documents of a node; overwrite documents that are already stored.

    Parameters
    ----------
    store_path : StorePath
        The node.
    metadata : ArrayV2Metadata, ArrayV3Metadata or GroupMetadata
        Metadata of the node.
    ensure_parents : bool
        Whether to create missing groups above the node.

    Raises
    ------
    ValueError
        If the store is read-only, or if `ensure_parents` is True and a parent of the node is an
        array.
    TypeError
        If an attribute cannot be serialized to JSON.
    """
    documents = metadata.to_buffer_dict(default_buffer_prototype())
    store_path.store._check_writable()
    if ensure_parents:
        await store_parents(await missing_parents(store_path, metadata.zarr_format))
    await store_documents(store_path, documents)


async def store_documents(store_path: StorePath, documents: Mapping[str, Buffer]) -> None:
    """Store the encoded metadata documents of a node concurrently."""

    async def put(name: str, buffer: Buffer) -> None:
        await (store_path / name).set(buffer)

    await concurrent_map(documents.items(), put)


async def store_new_array(store_path: StorePath, metadata: Storable, *, overwrite: bool) -> None:
    """Store the metadata of a new node and of the missing groups above it.

    Parameters
    ----------
    store_path : StorePath
        Location of the array or group.
    metadata : ArrayV2Metadata, ArrayV3Metadata or GroupMetadata
        Metadata of the node.
    overwrite : bool
        Whether to delete everything stored at `store_path` before the node is created. Nothing is
        deleted if one of the errors below is raised.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        If a node of the same format exists at `store_path`, or if another writer creates a node
        with different metadata at the same moment. The second case is only detected if the store
        can create a key atomically; see `create_documents`. These errors are not raised if
        `overwrite` is True and the store can delete keys.
    ValueError
        If the store is read-only, or if a parent of the node is an array.
    TypeError
        If an attribute cannot be serialized to JSON.
    """
    documents = metadata.to_buffer_dict(default_buffer_prototype())
    if store_path.read_only and not overwrite:
        await ensure_no_existing_node(store_path, zarr_format=metadata.zarr_format)
    store_path.store._check_writable()
    # If code outside this library overrides `set_if_not_exists`, the override is called for every
    # group above the node. The override may treat a key as absent although the key can be read.
    every = _is_overridden_by_others(store_path.store, "set_if_not_exists")
    missing = await missing_parents(store_path, metadata.zarr_format, every=every)
    replace = overwrite and store_path.store.supports_deletes
    if replace:
        await store_path.delete_dir()
    else:
        before = await leftovers(store_path, documents)
        await ensure_no_existing_node(store_path, zarr_format=metadata.zarr_format)
    await store_parents(missing)
    if replace:
        await store_documents(store_path, documents)
    else:
        await create_documents(store_path, documents, metadata.zarr_format, before)


async def create_documents(
    store_path: StorePath,
    documents: Mapping[str, Buffer],
    zarr_format: ZarrFormat,
    before: Mapping[str, Buffer | None] | None = None,
) -> None:
    """Store encoded documents of a node; the caller must have checked that no node exists.

    Another writer may have created a node after this check. If the store has an atomic
    `set_if_not_exists`, the node of the other writer stays unchanged; otherwise that node is
    overwritten.

    Parameters
    ----------
    store_path : StorePath
        The node.
    documents : mapping
        Mapping from the name of each document to its encoded bytes. The first document defines the
        node.
    zarr_format : {2, 3}
        Format of the documents.
    before : mapping or None
        Result of `leftovers`. The caller must have called `leftovers` before it checked that no
        node exists. If `before` is None, this function calls `leftovers` if it needs the result.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        If another writer created a node with different metadata after the caller had checked that
        no node exists.
    """
    if not creates_in_one_step(store_path.store):
        await store_documents(store_path, documents)
        return
    if before is None:
        before = await leftovers(store_path, documents)
        if before:
            await ensure_no_existing_node(store_path, zarr_format)
    for name, value in documents.items():
        place = store_path / name
        await place.set_if_not_exists(value)
        stored = await place.get(cpu_prototype)
        if stored is None or stored.to_bytes() == value.to_bytes():
            continue
        old = before.get(name)
        if old is None or stored.to_bytes() != old.to_bytes():
            await ensure_no_existing_node(store_path, zarr_format)
        await place.set(value)  # `stored` is a leftover, or its node has been deleted


async def leftovers(
    store_path: StorePath, documents: Mapping[str, Buffer]
) -> dict[str, Buffer | None]:
    """Return the stored value of each document in `documents`, except the first document.

    The first document defines the node. In format 2, the attributes of a deleted node may still be
    stored. `create_documents` uses the result to distinguish such attributes from the attributes of
    a node that another writer creates. The result is empty for format 3, and for stores that cannot
    create a key atomically. In these cases, `create_documents` does not need the result.
    """
    names = list(documents)[1:]
    if not names or not creates_in_one_step(store_path.store):
        return {}
    values = await concurrent_map([(store_path / name,) for name in names], StorePath.get)
    return dict(zip(names, values, strict=True))


def creates_in_one_step(store: Store) -> bool:
    """Return whether `set_if_not_exists` is atomic and does not bypass an override of `set`."""
    while True:
        kind = type(store)
        if kind.set_if_not_exists is Store.set_if_not_exists:  # a check followed by a write
            return False
        if override_distance(store, "set") < override_distance(store, "set_if_not_exists"):
            return False
        if not isinstance(store, WrapperStore):
            return True
        store = store._store


def _is_overridden_by_others(store: Store, name: str) -> bool:
    """Return whether code outside this library defines the method `name` of a store.

    If the store is a wrapper, the store inside the wrapper is checked as well.
    """
    while True:
        kind = type(store)
        owner = kind.__mro__[_depth(kind, name)]
        places = (owner.__module__, getattr(kind, name).__module__)
        if name in vars(store) or any(place.split(".")[0] != "zarr" for place in places):
            return True
        if not isinstance(store, WrapperStore):
            return False
        store = store._store


def _depth(kind: type, name: str) -> int:
    """Return the index in `kind.__mro__` of the first class that defines the method `name`."""
    return next(depth for depth, base in enumerate(kind.__mro__) if name in vars(base))


async def store_parents(missing: Iterable[tuple[StorePath, Mapping[str, Buffer]]]) -> None:
    """Store the groups that `missing_parents` returned, unless other writers have stored them."""

    async def put(parent: StorePath, group: Mapping[str, Buffer]) -> None:
        # First store the document that defines the group. Without this document, the other
        # documents would look like leftovers of a deleted group.
        for name, buffer in group.items():
            await (parent / name).set_if_not_exists(buffer)

    await concurrent_map(missing, put)


async def missing_parents(
    store_path: StorePath, zarr_format: ZarrFormat, *, every: bool = False
) -> list[tuple[StorePath, dict[str, Buffer]]]:
    """Return the missing groups above a new node; if `every` is True, also return the stored ones.

    For each group, the result contains the location of the group, and a mapping from document names
    to encoded bytes. These groups are implied by the nodes below them, and have no attributes (Zarr
    v3 core specification, "Hierarchy"; v2, "Groups").

    Raises
    ------
    ValueError
        If a parent of the node is an array.
    """
    group: dict[str, dict[str, Any]]
    if zarr_format == 3:
        group = {ZARR_JSON: {"attributes": {}, "zarr_format": 3, "node_type": "group"}}
    else:
        group = {ZGROUP_JSON: {"zarr_format": 2}, ZATTRS_JSON: {}}
    parents = _parents(store_path)
    names = [ZARR_JSON] if zarr_format == 3 else [ZARR_JSON, ZARRAY_JSON, *group]
    found = await concurrent_map([(parent, names) for parent in parents], read_documents)
    if zarr_format == 3:
        # If a parent has a ``zarr.json``, readers ignore its format 2 documents. So only parents
        # without a ``zarr.json`` are checked for format 2 documents.
        without = [p for p, v in zip(parents, found, strict=True) if v[ZARR_JSON] is None]
        more = await concurrent_map([(p, [ZARRAY_JSON]) for p in without], read_documents)
        format_2 = {p.path: v for p, v in zip(without, more, strict=True)}
    else:
        format_2 = {p.path: v for p, v in zip(parents, found, strict=True)}
    prototype = default_buffer_prototype()
    encoded = {name: json_to_buffer(document, prototype) for name, document in group.items()}
    missing: list[tuple[StorePath, dict[str, Buffer]]] = []
    for parent, documents in zip(parents, found, strict=True):
        v3 = documents[ZARR_JSON]
        is_array = v3 is not None and v3.get("node_type") == "array"
        v2 = format_2.get(parent.path)
        if is_array or (v2 is not None and v2.is_stored(ZARRAY_JSON)):
            raise ValueError(
                f"A parent of {store_path} is an array - only groups may have child nodes."
            )
        if every or not documents.is_stored(ZARR_JSON if zarr_format == 3 else ZGROUP_JSON):
            missing.append((parent, encoded))
    return missing


def _parents(store_path: StorePath) -> list[StorePath]:
    """Return the locations above a node, starting with the root."""
    parts = store_path.path.split("/") if store_path.path else []
    return [StorePath(store_path.store, "/".join(parts[:depth])) for depth in range(len(parts))]
