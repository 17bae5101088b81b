"""Convert store-like arguments to stores and store paths: `make_store`, `make_store_path`.

The module also contains the checks for existing nodes that run before a node is created:
`contains_array`, `contains_group` and `ensure_no_existing_node`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union, cast

from typing_extensions import TypeAliasType

from zarr.abc._store_access import access_of
from zarr.abc.store import Store
from zarr.core._json import parse_json
from zarr.core.buffer import Buffer
from zarr.core.common import (
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
from zarr.storage._fsspec import FsspecStore
from zarr.storage._local import LocalStore
from zarr.storage._memory import ManagedMemoryStore, MemoryStore
from zarr.storage._store_path import StorePath, check_mode
from zarr.storage._utils import normalize_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fsspec.mapping import FSMap
    from upath import UPath


__all__ = [
    "StoreLike",
    "StorePath",
    "contains_array",
    "contains_group",
    "ensure_no_existing_node",
    "make_store",
    "make_store_path",
]

_is_chained = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*::").match


# `Union` is used because forward references to classes of optional packages do not support ``|``.
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
    """Convert a store-like argument to a store.

    Parameters
    ----------
    store_like : Store, StorePath, str, pathlib.Path, upath.UPath, fsspec.FSMap, dict or None
        A store is returned unchanged, even if `mode` is ``"r"``. A string is a local path or a URL.
        For a plain path, a ``file:`` URL or a ``local:`` URL, the result is a `LocalStore`. For a
        ``memory://`` URL, the result is a `ManagedMemoryStore` if a store with the name in the URL
        exists, otherwise an `FsspecStore`. For all other URLs, including chained URLs
        (``simplecache::``), the result is an `FsspecStore`. For a dict, the result is a
        `MemoryStore` that uses the dict itself, not a copy. For None, the result is a new
        `MemoryStore`.
    mode : {"r", "r+", "a", "w", "w-"} or None
        ``"r"`` makes a new store read-only. ``"r"`` and ``"r+"`` require that a local directory
        exists. For all other modes, and for None, a missing local directory is created.
    storage_options : dict or None
        Arguments for the file system of an fsspec URL; None means no arguments.

    Raises
    ------
    TypeError
        If `store_like` has an unsupported type, or if `storage_options` are given but cannot be
        used. They can be used only if `store_like` is an fsspec URL other than a ``memory://`` URL.
    ValueError
        If the mode is invalid, or if no file system is known for the URL.
    FileNotFoundError
        If the mode is ``"r"`` or ``"r+"`` and the local directory does not exist.
    """
    check_mode(mode)
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
        # Modes other than "r" and "r+" apply only to the node at the path, so they are not passed
        # to the store. With mode "w", `LocalStore.open` would empty the whole directory.
        has_to_exist: AccessModeLiteral | None = "r+" if mode in ("r", "r+") else None
        return await LocalStore.open(store_like, mode=has_to_exist, read_only=read_only)
    raise TypeError(f"Unsupported type for store_like: '{type(store_like).__name__}'")


def never_waits(store_like: object) -> bool:
    """Return whether the calling thread can run the coroutines of a store without an event loop.

    Parameters
    ----------
    store_like
        A store, or an argument from which `make_store` makes the store. For all types except
        `Store`, `StorePath`, `str` and `Path`, the result is False.
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
    """Convert a store-like argument and a path to a `StorePath`.

    Parameters
    ----------
    store_like : StoreLike or None
        A store, or another argument that `make_store` accepts. If `store_like` is a `StorePath`,
        `mode` is not checked against the store, but the mode ``"r"`` makes the result read-only.
        For all other arguments, an error is raised if the store does not support `mode`.
    mode : {"r", "r+", "a", "w", "w-"} or None
        Access mode, as for `make_store` and `StorePath.open`.
    storage_options : dict or None
        Arguments for the file system if `store_like` is an fsspec URL; None means no arguments.
    path : str or None
        Path relative to `store_like`; None or empty for `store_like` itself.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        See `make_store`. A `TypeError` or `ValueError` is also raised if the path is invalid.
    FileExistsError
        If the mode is ``"w-"`` and the path contains data. If `store_like` is a `StorePath`, this
        error is not raised.
    """
    place = normalize_path(path)
    store = await make_store(store_like, mode=mode, storage_options=storage_options)
    if isinstance(store_like, StorePath):
        place = (store_like / place).path if place else store_like.path
        if mode != "r":
            return StorePath(store, place)
    return await StorePath.open(store, place, mode=mode)


async def contains_array(store_path: StorePath, zarr_format: ZarrFormat) -> bool:
    """Return whether an array of the given format is stored at a path.

    Parameters
    ----------
    store_path : StorePath
        The store and the path in the store.
    zarr_format : {2, 3}
        The format. The function looks for ``.zarray`` in format 2, and for ``zarr.json`` in format
        3.

    Raises
    ------
    ValueError
        If `zarr_format` is invalid.
    """
    return await _contains(store_path, zarr_format, "array")


async def contains_group(store_path: StorePath, zarr_format: ZarrFormat) -> bool:
    """Return whether a group of the given format is stored at a path.

    Parameters
    ----------
    store_path : StorePath
        The store and the path in the store.
    zarr_format : {2, 3}
        The format. The function looks for ``.zgroup`` in format 2, and for ``zarr.json`` in format
        3.

    Raises
    ------
    ValueError
        If `zarr_format` is invalid.
    """
    return await _contains(store_path, zarr_format, "group")


async def ensure_no_existing_node(
    store_path: StorePath, zarr_format: ZarrFormat, node_type: NodeType | None = None
) -> None:
    """Raise an error if a node of the given format is already stored at a path.

    Parameters
    ----------
    store_path : StorePath
        The store and the path in the store.
    zarr_format : {2, 3}
        The format.
    node_type : {"array", "group"} or None
        Type of node to look for; None for both types.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        If a node of the given format and type is stored at the path.
    ContainsArrayAndGroupError
        If format 2 metadata of both an array and a group are stored at the path.
    MetadataValidationError
        If ``zarr.json`` exists but is not the metadata of an array or a group. Overwriting such a
        node could delete data of an unknown kind.
    ValueError
        If `zarr_format` is invalid.
    """
    array, group = await _existing_node(store_path, zarr_format)
    store, path = store_path.store, store_path.path
    if array and group:
        raise ContainsArrayAndGroupError(store, path)
    if array and node_type != "group":
        raise ContainsArrayError(store, path)
    if group and node_type != "array":
        raise ContainsGroupError(store, path)


async def refuse_existing_nodes(store_path: StorePath, zarr_format: ZarrFormat | None) -> None:
    """Raise an error if a node of the given format, or of any format, is stored at a path.

    Parameters
    ----------
    store_path : StorePath
        The store and the path in the store.
    zarr_format : {2, 3} or None
        Format of the node to look for; None means both formats.

    Raises
    ------
    ContainsArrayError, ContainsGroupError, MetadataValidationError, ValueError
        See `ensure_no_existing_node`.
    """
    both: tuple[ZarrFormat, ...] = (3, 2)
    for each in both if zarr_format is None else (zarr_format,):
        await ensure_no_existing_node(store_path, each)


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
    """Return the member ``node_type`` of a JSON document, or None if there is no such member."""
    try:
        content: Mapping[str, object] = parse_json(document.to_bytes())
    except ValueError:
        return None
    return content.get("node_type") if isinstance(content, dict) else None


def _check_unused(storage_options: _StorageOptions) -> None:
    if storage_options is not None:
        raise TypeError(
            "'storage_options' was provided but unused. "
            "'storage_options' is only used when the store is passed as an FSSpec URI string."
        )


def _memory_store(url: str, read_only: bool) -> Store:
    try:
        return ManagedMemoryStore.from_url(url, read_only=read_only)
    except ValueError:  # no store of that name: use the memory file system of fsspec
        return FsspecStore.from_url(url, read_only=read_only)


def _fsspec_url(text: str) -> str | None:
    """Return the string if it is a URL for fsspec.

    Returns None if the string is a local path or a local URL.
    """
    if _is_chained(text) is not None:
        return text
    scheme, separator, _ = text.partition("://")
    return text if separator and scheme.lower() not in ("file", "local") else None


def _local_path(text: str) -> Path:
    """Return the local path for a plain path, a ``file:`` URL or a ``local:`` URL."""
    match = re.match(r"(?:file:(?://(?:localhost(?=/))?)?|local://)", text, re.IGNORECASE)
    path = text if match is None else text[match.end() :]
    if match is not None and re.match(r"/[A-Za-z]:", path):  # file:///C:/data on Windows
        path = path[1:]
    return Path(path)


def _is_instance_of(value: object, module: str, name: str) -> bool:
    """Return whether a value is an instance of a class, without importing the class."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))
