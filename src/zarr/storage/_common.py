"""From what a user passes as a store to a place in a hierarchy: `StorePath`, `make_store_path`.

Also here: the questions that creating a node asks about a place, `contains_array`,
`contains_group` and `ensure_no_existing_node`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, Union, cast

from typing_extensions import TypeAliasType

from zarr.abc._store_access import access_of
from zarr.abc.store import Store
from zarr.core._json import parse_json
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.core.common import (
    ANY_ACCESS_MODE,
    ZARR_JSON,
    ZARRAY_JSON,
    ZGROUP_JSON,
    AccessModeLiteral,
    NodeType,
    ZarrFormat,
    concurrent_map,
)
from zarr.errors import (
    ContainsArrayAndGroupError,
    ContainsArrayError,
    ContainsGroupError,
    MetadataValidationError,
)
from zarr.storage._failures import note_once
from zarr.storage._fsspec import FsspecStore
from zarr.storage._local import LocalStore
from zarr.storage._memory import ManagedMemoryStore, MemoryStore
from zarr.storage._utils import normalize_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fsspec.mapping import FSMap
    from upath import UPath

    from zarr.core._byte_ranges import ByteRequest
    from zarr.core.buffer import BufferPrototype

__all__ = [
    "StoreLike",
    "StorePath",
    "contains_array",
    "contains_group",
    "ensure_no_existing_node",
    "make_store",
    "make_store_path",
]

_MODES: Final = ("r", "r+", "a", "w", "w-")
# Keys that `normalize_path` would return as they are; nearly all that are appended to a path.
_is_normal = re.compile(r"(?:(?!\.\.?(?:/|\Z))[^/\\]+(?:/(?!\Z)|\Z))+").fullmatch
_is_chained = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*::").match


class StorePath:
    """A place in a store: a node of a hierarchy, or one key of it.

    Parameters
    ----------
    store : Store
        The store.
    path : str
        The place, relative to the root of the store, with ``/`` between its parts; empty for the
        root. Leading, trailing and repeated slashes are dropped.

    Raises
    ------
    TypeError
        If `path` is not a path.
    ValueError
        If it has a part ``.`` or ``..``.
    """

    store: Store
    path: str

    def __init__(self, store: Store, path: str = "") -> None:
        self.store = store
        self.path = normalize_path(path)

    @classmethod
    async def open(
        cls, store: Store, path: str, mode: AccessModeLiteral | None = None
    ) -> StorePath:
        """Return a place in a store that may be used as an access mode says.

        Nothing is read or deleted here, except that ``"w-"`` looks for data.

        Parameters
        ----------
        store : Store
            The store; it is opened if it is not.
        path : str
            The place.
        mode : {"r", "r+", "a", "w", "w-"} or None
            ``"r"`` gives a place in a read-only view of the store, every other mode needs a
            store that can be written, and ``"w-"`` a place that holds no data. None asks for
            nothing.

        Raises
        ------
        ValueError
            If there is no such mode, or the store cannot serve it.
        FileExistsError
            If the mode is ``"w-"`` and there is data.
        """
        _check_mode(mode)
        if mode is not None and mode != "r" and store.read_only:
            raise ValueError(
                f"Store is read-only but mode is {mode!r}. Create a writable store or use 'r' mode."
            )
        if mode == "r" and not store.read_only:
            return cls(_read_only_view(store), path)
        await store._ensure_open()
        place = cls(store, path)
        if mode == "w-" and not await place.is_empty():
            raise FileExistsError(
                f"Cannot create {place.path!r} with mode 'w-' because it already contains data. "
                "Use mode 'w' to overwrite or 'a' to append."
            )
        return place

    @property
    def read_only(self) -> bool:
        """Whether the store is read-only."""
        return self.store.read_only

    async def get(
        self, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read the value of the key.

        Parameters
        ----------
        prototype : BufferPrototype or None
            Its ``buffer`` class holds the result; None for the configured one.
        byte_range : ByteRequest or None
            Which bytes; None for all.

        Returns
        -------
        Buffer or None
            The bytes; None only if the key is absent.
        """
        if prototype is None:
            prototype = default_buffer_prototype()
        with _About(self, byte_range):
            return await self.store.get(self.path, prototype, byte_range)

    async def get_json(self, *, byte_range: ByteRequest | None = None) -> Any:
        """Read the value of the key as a JSON document.

        Parameters
        ----------
        byte_range : ByteRequest or None
            Which bytes hold the document; None for all.

        Returns
        -------
        object
            The parsed document; None if the key is absent.

        Raises
        ------
        json.JSONDecodeError
            If the bytes are not a JSON document; a note says which.
        """
        value = await self.get(byte_range=byte_range)
        if value is None:
            return None
        try:
            return parse_json(value.to_bytes())
        except ValueError as error:
            error.add_note(f"in the document {self}")
            raise

    async def set(self, value: Buffer) -> None:
        """Write the value of the key; see `Store.set`."""
        with _About(self):
            await self.store.set(self.path, value)

    async def set_if_not_exists(self, default: Buffer) -> None:
        """Write the value of the key unless it has one; see `Store.set_if_not_exists`."""
        with _About(self):
            await self.store.set_if_not_exists(self.path, default)

    async def delete(self) -> None:
        """Delete the key; see `Store.delete`."""
        with _About(self):
            await self.store.delete(self.path)

    async def delete_dir(self) -> None:
        """Delete all keys below the place; see `Store.delete_dir`."""
        await self.store.delete_dir(self.path)

    async def exists(self) -> bool:
        """Tell whether the key has a value; see `Store.exists`."""
        return await self.store.exists(self.path)

    async def is_empty(self) -> bool:
        """Tell whether no key lies below the place; see `Store.is_empty`."""
        return await self.store.is_empty(self.path)

    def get_sync(
        self,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read the value of the key in the calling thread.

        Parameters
        ----------
        prototype, byte_range
            As for `get`.

        Raises
        ------
        TypeError
            If the store cannot.
        """
        read = self._sync_method("get")
        if prototype is None:
            prototype = default_buffer_prototype()
        with _About(self, byte_range):
            value: Buffer | None = read(self.path, prototype=prototype, byte_range=byte_range)
        return value

    def set_sync(self, value: Buffer) -> None:
        """Write the value of the key in the calling thread.

        Raises
        ------
        TypeError
            If the store cannot.
        """
        write = self._sync_method("set")
        try:  # not `_About`: this runs for each chunk that is written
            write(self.path, value)
        except Exception as error:
            note_once(error, self.store, self.path)
            raise

    def delete_sync(self) -> None:
        """Delete the key in the calling thread.

        Raises
        ------
        TypeError
            If the store cannot.
        """
        delete = self._sync_method("delete")
        with _About(self):
            delete(self.path)

    def _sync_method(self, verb: str) -> Any:
        method = getattr(self.store, f"{verb}_sync", None)
        if method is None:
            raise TypeError(
                f"Store {type(self.store).__name__} does not support synchronous {verb}."
            )
        return method

    def __truediv__(self, other: str) -> StorePath:
        """Return the place `other` below this one."""
        joined = "/".join((self.path, other)) if self.path else other
        if _is_normal(other) is None:
            return StorePath(self.store, joined)
        return next(self._siblings([joined]))

    def _siblings(self, paths: Iterable[str]) -> Iterator[StorePath]:
        """Yield places in the same store, for paths that are known to be in order."""
        new, store = object.__new__, self.store
        for path in paths:
            place = new(StorePath)
            place.store = store
            place.path = path
            yield place

    def __str__(self) -> str:
        return f"{self.store}/{self.path}" if self.path else str(self.store)

    def __repr__(self) -> str:
        return f"StorePath({type(self.store).__name__}, {str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, StorePath) and self.path == other.path and self.store == other.store
        )


class _About:
    """Note on a failure which key, which bytes and which store it is about."""

    __slots__ = ("_byte_range", "_place")

    def __init__(self, place: StorePath, byte_range: ByteRequest | None = None) -> None:
        self._place = place
        self._byte_range = byte_range

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, failure: BaseException | None, traceback: object) -> None:
        if isinstance(failure, Exception):
            note_once(failure, self._place.store, self._place.path, self._byte_range)


# Union: the classes named by strings are those of packages that may not be installed.
StoreLike = TypeAliasType(
    "StoreLike",
    Union[Store, StorePath, "FSMap", "UPath", Path, str, dict[str, Buffer]],
)
_StorageOptions: TypeAlias = "dict[str, Any] | None"


async def make_store(
    store_like: StoreLike | None,
    *,
    mode: AccessModeLiteral | None = None,
    storage_options: dict[str, Any] | None = None,
) -> Store:
    """Turn what a user passes as a store into a store.

    Parameters
    ----------
    store_like : Store, StorePath, str, pathlib.Path, upath.UPath, fsspec.FSMap, dict or None
        A store stays what it is, whatever the mode. A string is the path of a local directory
        or a URL: ``file:``, ``local:`` and plain paths give a `LocalStore`, all others, chained
        ones (``simplecache::``) too, an `FsspecStore`; ``memory://`` finds a
        `ManagedMemoryStore` first, if one of that name lives. A dict is used in place, None is a
        new store in memory.
    mode : {"r", "r+", "a", "w", "w-"} or None
        ``"r"`` makes a store made here read-only; ``"r"`` and ``"r+"`` need an existing
        directory, and create none.
    storage_options : dict or None
        Arguments for the file system of an fsspec URL; None for none.

    Raises
    ------
    TypeError
        If `store_like` is nothing of the above, or has no use for `storage_options`.
    ValueError
        If there is no such mode, or no file system for the URL.
    FileNotFoundError
        If the directory does not exist and the mode creates none.
    """
    _check_mode(mode)
    read_only = mode == "r"
    if isinstance(store_like, str) and (url := _fsspec_url(store_like)) is not None:
        if not url.startswith("memory://"):
            return FsspecStore.from_url(url, storage_options=storage_options, read_only=read_only)
        _check_unused(storage_options)
        return _memory_store(url, read_only)
    if isinstance(store_like, StorePath):
        if storage_options:
            _check_unused(storage_options)
        return store_like.store
    _check_unused(storage_options)
    if isinstance(store_like, Store):
        return store_like
    if store_like is None:
        return await MemoryStore.open(read_only=read_only)
    if isinstance(store_like, dict):
        return await MemoryStore.open(store_dict=store_like, read_only=read_only)
    if _is_instance_of(store_like, "fsspec.mapping", "FSMap"):
        return FsspecStore.from_mapper(cast("FSMap", store_like), read_only=read_only)
    if _is_instance_of(store_like, "upath", "UPath"):
        upath = cast("UPath", store_like)
        if upath.protocol not in ("", "file", "local"):
            return FsspecStore.from_upath(upath, read_only=read_only)
        store_like = Path(upath.path)
    if isinstance(store_like, str):
        store_like = _local_path(store_like)
    if isinstance(store_like, Path):
        # The other modes speak of the node to be made, not of the whole directory: opened with
        # "w", it would be emptied.
        has_to_exist: AccessModeLiteral | None = "r+" if mode in ("r", "r+") else None
        return await LocalStore.open(store_like, mode=has_to_exist, read_only=read_only)
    raise TypeError(f"Unsupported type for store_like: '{type(store_like).__name__}'")


def never_waits(store_like: object) -> bool:
    """Tell whether what a user passes as a store is one that answers in the calling thread.

    Parameters
    ----------
    store_like
        As for `make_store`; False for what it would refuse.
    """
    if isinstance(store_like, StorePath):
        store_like = store_like.store
    if isinstance(store_like, Store):
        return access_of(store_like).never_waits
    if isinstance(store_like, str):
        return _fsspec_url(store_like) is None
    return isinstance(store_like, Path) and not _is_instance_of(store_like, "upath", "UPath")


async def make_store_path(
    store_like: StoreLike | None,
    *,
    path: str | None = "",
    mode: AccessModeLiteral | None = None,
    storage_options: dict[str, Any] | None = None,
) -> StorePath:
    """Turn what a user passes as a store, and a path, into a place in a store.

    Parameters
    ----------
    store_like, mode, storage_options
        As for `make_store`. A `StorePath`, and a store, are held to the mode: see
        `StorePath.open`.
    path : str or None
        The place relative to `store_like`; None and empty for `store_like` itself.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        As `make_store`, and for a path that is none.
    FileExistsError
        If the mode is ``"w-"`` and there is data.
    """
    place = normalize_path(path)
    store = await make_store(store_like, mode=mode, storage_options=storage_options)
    if isinstance(store_like, StorePath):
        place = (store_like / place).path if place else store_like.path
        if mode is None:
            return StorePath(store, place)
    return await StorePath.open(store, place, mode=mode)


async def contains_array(store_path: StorePath, zarr_format: ZarrFormat) -> bool:
    """Tell whether an array of one format is stored at a place.

    Parameters
    ----------
    store_path : StorePath
        The place.
    zarr_format : {2, 3}
        The format: ``.zarray`` or ``zarr.json`` is looked for.

    Raises
    ------
    ValueError
        If there is no such format.
    """
    return await _contains(store_path, zarr_format, "array")


async def contains_group(store_path: StorePath, zarr_format: ZarrFormat) -> bool:
    """Tell whether a group of one format is stored at a place.

    Parameters
    ----------
    store_path : StorePath
        The place.
    zarr_format : {2, 3}
        The format: ``.zgroup`` or ``zarr.json`` is looked for.

    Raises
    ------
    ValueError
        If there is no such format.
    """
    return await _contains(store_path, zarr_format, "group")


async def ensure_no_existing_node(
    store_path: StorePath, zarr_format: ZarrFormat, node_type: NodeType | None = None
) -> None:
    """Refuse a place where a node of one format is stored already.

    Parameters
    ----------
    store_path : StorePath
        The place.
    zarr_format : {2, 3}
        The format.
    node_type : {"array", "group"} or None
        The only kind of node to refuse; None for both.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        If there is such a node.
    ContainsArrayAndGroupError
        If format 2 metadata of both kinds are there.
    MetadataValidationError
        If ``zarr.json`` is there but is metadata of neither kind, so that nobody can tell what
        would be lost.
    ValueError
        If there is no such format.
    """
    array, group = await _existing_node(store_path, zarr_format)
    store, path = store_path.store, store_path.path
    if array and group:
        raise ContainsArrayAndGroupError(store, path)
    if array and node_type != "group":
        raise ContainsArrayError(store, path)
    if group and node_type != "array":
        raise ContainsGroupError(store, path)


async def _existing_node(store_path: StorePath, zarr_format: ZarrFormat) -> tuple[bool, bool]:
    if zarr_format == 2:
        documents = [(store_path / ZARRAY_JSON,), (store_path / ZGROUP_JSON,)]
        array, group = await concurrent_map(documents, StorePath.exists)
        return array, group
    document = await _v3_document(store_path, zarr_format)
    if document is None:
        return False, False
    node_type = _node_type(document)
    if node_type not in ("array", "group"):
        raise MetadataValidationError(
            f"The document {ZARR_JSON!r} in store {store_path.store!r} at path "
            f"{store_path.path!r} is not the metadata of an array or a group."
        )
    return node_type == "array", node_type == "group"


async def _contains(store_path: StorePath, zarr_format: ZarrFormat, node_type: NodeType) -> bool:
    if zarr_format == 2:
        name = ZARRAY_JSON if node_type == "array" else ZGROUP_JSON
        return await (store_path / name).exists()
    document = await _v3_document(store_path, zarr_format)
    return document is not None and _node_type(document) == node_type


async def _v3_document(store_path: StorePath, zarr_format: int) -> Buffer | None:
    if zarr_format != 3:
        raise ValueError(f"Invalid zarr_format provided. Got {zarr_format}, expected 2 or 3")
    return await (store_path / ZARR_JSON).get()


def _node_type(document: Buffer) -> object:
    """Return the member ``node_type`` of a document, None where there is none."""
    try:
        content: Mapping[str, object] = parse_json(document.to_bytes())
    except ValueError:
        return None
    return content.get("node_type") if isinstance(content, dict) else None


def _check_mode(mode: str | None) -> None:
    if mode is not None and mode not in ANY_ACCESS_MODE:
        raise ValueError(f"Invalid mode: {mode}, expected one of {_MODES}")


def _check_unused(storage_options: _StorageOptions) -> None:
    if storage_options is not None:
        raise TypeError(
            "'storage_options' was provided but unused. "
            "'storage_options' is only used when the store is passed as an FSSpec URI string."
        )


def _read_only_view(store: Store) -> Store:
    try:
        return store.with_read_only(True)
    except NotImplementedError as error:
        raise ValueError(
            "Store is not read-only but mode is 'r'. Unable to create a read-only copy of the "
            "store. Please use a read-only store or a storage class that implements "
            ".with_read_only()."
        ) from error


def _memory_store(url: str, read_only: bool) -> Store:
    try:
        return ManagedMemoryStore.from_url(url, read_only=read_only)
    except ValueError:  # no store of that name: fsspec's memory file system answers to it as well
        return FsspecStore.from_url(url, read_only=read_only)


def _fsspec_url(text: str) -> str | None:
    """Return a string if it is a URL for fsspec, None if it is a local path in some form."""
    if _is_chained(text) is not None:
        return text
    scheme, separator, _ = text.partition("://")
    return text if separator and scheme.lower() not in ("file", "local") else None


def _local_path(text: str) -> Path:
    """Return the path that a string or a ``file:`` or ``local:`` URL names."""
    match = re.match(r"(?:file:(?://(?:localhost(?=/))?)?|local://)", text, re.IGNORECASE)
    path = text if match is None else text[match.end() :]
    if match is not None and re.match(r"/[A-Za-z]:", path):  # file:///C:/data on Windows
        path = path[1:]
    return Path(path)


def _is_instance_of(value: object, module: str, name: str) -> bool:
    """Tell whether a value is an instance of a class, without importing its module."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))
