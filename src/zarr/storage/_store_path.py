"""`StorePath`: a store and a path in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from zarr.abc._store_access import read_method
from zarr.abc.store import Store
from zarr.core._json import parse_json
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.core.common import ANY_ACCESS_MODE, AccessModeLiteral
from zarr.storage._failures import note_once
from zarr.storage._utils import normalize_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zarr.core._byte_ranges import ByteRequest
    from zarr.core.buffer import BufferPrototype

_MODES: Final = ("r", "r+", "a", "w", "w-")
# Matches keys that `normalize_path` returns unchanged. Nearly all keys that are appended to a path
# match this pattern.
_is_normal = re.compile(r"(?:(?!\.\.?(?:/|\Z))[^/\\]+(?:/(?!\Z)|\Z))+").fullmatch


class StorePath:
    """A path in a store: the path of a node, or a key.

    Parameters
    ----------
    store : Store
        The store.
    path : str
        The path relative to the root of the store, with parts separated by ``/``; empty for the
        root. Leading, trailing and repeated slashes are removed.

    Raises
    ------
    TypeError
        If `path` is not a string, bytes or a `pathlib.Path`.
    ValueError
        If `path` has a part ``.`` or ``..``.
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
        """Return a path in a store after checking an access mode.

        Only the mode ``"w-"`` reads from the store, to find out whether the path contains data. No
        mode deletes anything.

        Parameters
        ----------
        store : Store
            The store, which is opened if necessary.
        path : str
            The path.
        mode : {"r", "r+", "a", "w", "w-"} or None
            For ``"r"``, the result is a path in a read-only view of the store. All other modes
            require a writable store, and ``"w-"`` also requires a path without data. If the mode is
            None, nothing is checked.

        Raises
        ------
        ValueError
            If the mode is invalid, or if the store does not support the mode.
        FileExistsError
            If the mode is ``"w-"`` and the path contains data.
        """
        check_mode(mode)
        if mode is not None and mode != "r" and store.read_only:
            raise ValueError(
                f"Store is read-only but mode is {mode!r}. Create a writable store or use 'r' mode."
            )
        if mode == "r" and not store.read_only:
            return cls(read_only_view(store), path)
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
            The result is an instance of the ``buffer`` class of this prototype. If None, the
            configured prototype is used.
        byte_range : ByteRequest or None
            The bytes to read; None means all.

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
            The bytes of the document to read; None means all.

        Returns
        -------
        object
            The parsed document; None if the key is absent.

        Raises
        ------
        json.JSONDecodeError
            If the bytes are not a JSON document. A note on the exception names the path.
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
        """Write the value unless the key is present; see `Store.set_if_not_exists`."""
        with _About(self):
            await self.store.set_if_not_exists(self.path, default)

    async def delete(self) -> None:
        """Delete the key; see `Store.delete`."""
        with _About(self):
            await self.store.delete(self.path)

    async def delete_dir(self) -> None:
        """Delete all keys below the path; see `Store.delete_dir`."""
        await read_method(self.store, "delete_dir")(self.path)

    async def exists(self) -> bool:
        """Return whether the key is present; see `Store.exists`."""
        return await self.store.exists(self.path)

    async def is_empty(self) -> bool:
        """Return whether the path contains no keys; see `Store.is_empty`."""
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
        prototype : BufferPrototype or None
            The result is an instance of the ``buffer`` class of this prototype. If None, the
            configured prototype is used.
        byte_range : ByteRequest or None
            The bytes to read; None means all.

        Raises
        ------
        TypeError
            If the store does not support reads in the calling thread.
        """
        read = self._sync_method("get_sync")
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
            If the store does not support writes in the calling thread.
        """
        write = self._sync_method("set_sync")
        try:  # `_About` would be slower, and this method is called for each written chunk
            write(self.path, value)
        except Exception as error:
            note_once(error, self.store, self.path)
            raise

    def delete_sync(self) -> None:
        """Delete the key in the calling thread.

        Raises
        ------
        TypeError
            If the store does not support deletion in the calling thread.
        """
        delete = self._sync_method("delete_sync")
        with _About(self):
            delete(self.path)

    def _sync_method(self, name: str) -> Any:
        method = getattr(self.store, name, None)
        if method is None:
            verb = name.removesuffix("_sync")
            raise TypeError(
                f"Store {type(self.store).__name__} does not support synchronous {verb}."
            )
        return method

    def __truediv__(self, other: str) -> StorePath:
        """Return the `StorePath` for the path `other` below this path."""
        joined = "/".join((self.path, other)) if self.path else other
        if _is_normal(other) is None:
            return StorePath(self.store, joined)
        return next(self._siblings([joined]))

    def _siblings(self, paths: Iterable[str]) -> Iterator[StorePath]:
        """Yield `StorePath` objects in the same store for paths that are already normalized."""
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
    """Context manager that adds a note to exceptions; the note names key, byte range and store."""

    __slots__ = ("_byte_range", "_place")

    def __init__(self, place: StorePath, byte_range: ByteRequest | None = None) -> None:
        self._place = place
        self._byte_range = byte_range

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, failure: BaseException | None, traceback: object) -> None:
        if isinstance(failure, Exception):
            note_once(failure, self._place.store, self._place.path, self._byte_range)


def check_mode(mode: str | None) -> None:
    if mode is not None and mode not in ANY_ACCESS_MODE:
        raise ValueError(f"Invalid mode: {mode}, expected one of {_MODES}")


def read_only_view(store: Store) -> Store:
    try:
        return store.with_read_only(True)
    except NotImplementedError as error:
        raise ValueError(
            "Store is not read-only but mode is 'r'. Unable to create a read-only copy of the "
            "store. Please use a read-only store or a storage class that implements "
            ".with_read_only()."
        ) from error
