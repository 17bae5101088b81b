"""`WrapperStore`: the base class of stores that change the behaviour of another store."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from zarr.abc._store_access import position, read_method
from zarr.abc.store import (
    Store,
    SupportsDeleteSync,
    SupportsGetSync,
    SupportsSetSync,
)
from zarr.core._coalesce import DEFAULT_MAX_COALESCED_BYTES, DEFAULT_MAX_GAP_BYTES
from zarr.core.buffer import default_buffer_prototype
from zarr.core.common import closing
from zarr.core.sync import sync

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from zarr.abc.store import ByteRequest, ReadRequest
    from zarr.core.buffer import Buffer, BufferPrototype

__all__ = ["WrapperStore"]

T_Store = TypeVar("T_Store", bound=Store)


class WrapperStore(Store, Generic[T_Store]):
    """Forwards all calls to a wrapped store.

    If a subclass overrides `get`, all reads call the overriding `get`, including reads of byte
    ranges (see `Store`) and reads in the calling thread. An overriding `set` is also called by
    `set_sync`. An overriding `delete` is also called by `delete_sync`, `delete_dir` and `clear`.
    All other writes and deletions are forwarded to the wrapped store.

    Parameters
    ----------
    store : Store
        The wrapped store.
    """

    # Bulk reads use `get_many`, because `get_many` of the wrapped store or of the subclass may be
    # faster than a sequence of single reads.
    _prefers_get_many = True

    _store: T_Store

    # Names of the keyword arguments that `open` passes to this class, not to the wrapped store.
    _options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, store: T_Store) -> None:
        # `super().__init__()` is not called, because this class takes `_is_open` and `read_only`
        # from the wrapped store.
        self._store = store

    def __init_subclass__(cls, **kwargs: Any) -> None:
        for name, by_async in _BY_ASYNC.items():
            if position(cls, name) < position(cls, by_async.__name__):
                setattr(cls, by_async.__name__, by_async)
        super().__init_subclass__(**kwargs)

    @classmethod
    async def open(cls, store_cls: type[T_Store], *args: Any, **kwargs: Any) -> Self:
        """Create a store of the given class, open the store, and return a wrapper of the store.

        Parameters
        ----------
        store_cls : type of Store
            The class of the wrapped store.
        *args
            Positional arguments of `store_cls`.
        **kwargs
            Keyword arguments of `store_cls`, and options of this class.
        """
        own = {name: kwargs.pop(name) for name in cls._options if name in kwargs}
        return cls(await store_cls.open(*args, **kwargs), **own)

    def _with_store(self, store: T_Store) -> Self:
        """Return a copy of this wrapper that wraps `store`, without calling the constructor."""
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        other._store = store
        return other

    @property
    def _is_open(self) -> bool:
        return self._store._is_open

    @_is_open.setter
    def _is_open(self, value: bool) -> None:
        self._store._is_open = value

    async def _open(self) -> None:
        await self._store._open()

    async def _ensure_open(self) -> None:
        await self._store._ensure_open()

    def close(self) -> None:
        # docstring inherited
        self._store.close()

    def __enter__(self) -> Self:
        return self._with_store(self._store.__enter__())

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._store.__exit__(exc_type, exc_value, traceback)

    def with_read_only(self, read_only: bool = False) -> Self:
        # docstring inherited
        return self._with_store(cast("T_Store", self._store.with_read_only(read_only)))

    @property
    def read_only(self) -> bool:
        # docstring inherited
        return self._store.read_only

    def _check_writable(self) -> None:
        self._store._check_writable()

    def __eq__(self, value: object) -> bool:
        return type(self) is type(value) and self._store == value._store

    __hash__ = None  # type: ignore[assignment]  # the wrapped store may not be hashable

    def __str__(self) -> str:
        return f"wrapping-{self._store}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self._store).__name__}, '{self._store}')"

    # --- reading ------------------------------------------------------------------------

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        # docstring inherited
        return await self._store.get(key, prototype, byte_range)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        # docstring inherited
        return await self._store.get_partial_values(prototype, key_ranges)

    async def get_many(
        self, requests: Iterable[ReadRequest], *, prototype: BufferPrototype
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        # docstring inherited
        batches = read_method(self._store, "get_many")(requests, prototype=prototype)
        async with closing(batches):
            async for batch in batches:
                yield batch

    async def get_ranges(
        self,
        key: str,
        byte_ranges: Iterable[ByteRequest | None],
        *,
        prototype: BufferPrototype,
        max_concurrency: int | None = None,
        max_gap_bytes: int | None = None,
        max_coalesced_bytes: int | None = None,
    ) -> AsyncIterator[Sequence[tuple[int, Buffer | None]]]:
        """Read many byte ranges of one value; see `Store.get_ranges`.

        For each option that is None, the wrapped store uses its own default.
        """
        given = {
            "max_concurrency": max_concurrency,
            "max_gap_bytes": max_gap_bytes,
            "max_coalesced_bytes": max_coalesced_bytes,
        }
        limits: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        batches = self._store.get_ranges(key, byte_ranges, prototype=prototype, **limits)
        async with closing(batches):
            async for batch in batches:
                yield batch

    async def exists(self, key: str) -> bool:
        # docstring inherited
        return await self._store.exists(key)

    async def getsize(self, key: str) -> int:
        # docstring inherited
        return await self._store.getsize(key)

    async def getsize_prefix(self, prefix: str) -> int:
        # docstring inherited
        return await self._store.getsize_prefix(prefix)

    # --- writing ------------------------------------------------------------------------

    @property
    def supports_writes(self) -> bool:
        # docstring inherited
        return self._store.supports_writes

    @property
    def supports_partial_writes(self) -> bool:
        # docstring inherited
        return self._store.supports_partial_writes

    @property
    def supports_deletes(self) -> bool:
        # docstring inherited
        return self._store.supports_deletes

    @property
    def supports_consolidated_metadata(self) -> bool:
        # docstring inherited
        return self._store.supports_consolidated_metadata

    async def set(self, key: str, value: Buffer) -> None:
        # docstring inherited
        await self._store.set(key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        # docstring inherited
        await self._store.set_if_not_exists(key, value)

    async def _set_many(self, values: Iterable[tuple[str, Buffer]]) -> None:
        # `_set_many` of the wrapped store is not called, so that the `set` method of a subclass is
        # called for each value.
        await super()._set_many(values)

    async def delete(self, key: str) -> None:
        # docstring inherited
        await self._store.delete(key)

    async def delete_dir(self, prefix: str) -> None:
        # docstring inherited
        await read_method(self._store, "delete_dir")(prefix)

    async def clear(self) -> None:
        # docstring inherited
        await read_method(self._store, "clear")()

    # --- listing ------------------------------------------------------------------------

    @property
    def supports_listing(self) -> bool:
        # docstring inherited
        return self._store.supports_listing

    def list(self) -> AsyncIterator[str]:
        # docstring inherited
        return self._store.list()

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        return self._store.list_prefix(prefix)

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        # docstring inherited
        return self._store.list_dir(prefix)

    async def is_empty(self, prefix: str) -> bool:
        # docstring inherited
        return await self._store.is_empty(prefix)

    # --- in the calling thread ----------------------------------------------------------

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read the value of a key in the calling thread; see `Store.get`.

        Raises
        ------
        TypeError
            If the wrapped store does not support reads in the calling thread.
        """
        if not isinstance(self._store, SupportsGetSync):
            raise TypeError(f"{type(self._store).__name__} does not support synchronous reads")
        return self._store.get_sync(key, prototype=prototype, byte_range=byte_range)

    def get_ranges_sync(
        self,
        key: str,
        byte_ranges: Iterable[ByteRequest | None],
        *,
        prototype: BufferPrototype,
        max_gap_bytes: int = DEFAULT_MAX_GAP_BYTES,
        max_coalesced_bytes: int = DEFAULT_MAX_COALESCED_BYTES,
    ) -> builtins.list[tuple[int, Buffer | None]]:
        # docstring inherited
        limits = {"max_gap_bytes": max_gap_bytes, "max_coalesced_bytes": max_coalesced_bytes}
        return self._store.get_ranges_sync(key, byte_ranges, prototype=prototype, **limits)

    def set_sync(self, key: str, value: Buffer) -> None:
        """Write the value of a key in the calling thread; see `Store.set`.

        Raises
        ------
        TypeError
            If the wrapped store does not support writes in the calling thread.
        """
        if not isinstance(self._store, SupportsSetSync):
            raise TypeError(f"{type(self._store).__name__} does not support synchronous writes")
        self._store.set_sync(key, value)

    def delete_sync(self, key: str) -> None:
        """Delete a key in the calling thread; see `Store.delete`.

        Raises
        ------
        TypeError
            If the wrapped store does not support deletion in the calling thread.
        """
        if not isinstance(self._store, SupportsDeleteSync):
            raise TypeError(f"{type(self._store).__name__} does not support synchronous deletes")
        self._store.delete_sync(key)


# The synchronous methods of `WrapperStore` call the wrapped store. If a subclass overrides `get`
# without overriding `get_sync`, the function `get_sync` below becomes a method of the subclass.
# Synchronous reads then call the overriding `get`. The same holds for `set` and `delete`.


def get_sync(
    self: Store,
    key: str,
    *,
    prototype: BufferPrototype | None = None,
    byte_range: ByteRequest | None = None,
) -> Buffer | None:
    """Call the asynchronous `get`, and block until it returns; see `Store.get`."""
    return sync(self.get(key, prototype or default_buffer_prototype(), byte_range))


def set_sync(self: Store, key: str, value: Buffer) -> None:
    """Call the asynchronous `set`, and block until it returns; see `Store.set`."""
    sync(self.set(key, value))


def delete_sync(self: Store, key: str) -> None:
    """Call the asynchronous `delete`, and block until it returns; see `Store.delete`."""
    sync(self.delete(key))


_BY_ASYNC: dict[str, Callable[..., Any]] = {
    "get": get_sync,
    "set": set_sync,
    "delete": delete_sync,
}
