"""Protocols for reading and writing one key, and for stores that do I/O in the calling thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from zarr.core._byte_ranges import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype


@runtime_checkable
class ByteGetter(Protocol):
    """Interface for reading one key of a store."""

    async def get(
        self, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read the value; see `Store.get`."""


@runtime_checkable
class ByteSetter(Protocol):
    """Interface for reading and writing one key of a store."""

    async def get(
        self, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read the value; see `Store.get`."""

    async def set(self, value: Buffer) -> None:
        """Write the value; see `Store.set`."""

    async def delete(self) -> None:
        """Delete the key; see `Store.delete`."""

    async def set_if_not_exists(self, default: Buffer) -> None:
        """Write the value if the key is absent; see `Store.set_if_not_exists`."""


@runtime_checkable
class SupportsGetSync(Protocol):
    """A store that can read values in the calling thread."""

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read the value of a key; see `Store.get`."""


@runtime_checkable
class SupportsSetSync(Protocol):
    """A store that can write values in the calling thread."""

    def set_sync(self, key: str, value: Buffer) -> None:
        """Write the value of a key; see `Store.set`."""


@runtime_checkable
class SupportsDeleteSync(Protocol):
    """A store that can delete keys in the calling thread."""

    def delete_sync(self, key: str) -> None:
        """Delete a key; see `Store.delete`."""


@runtime_checkable
class SupportsSyncStore(SupportsGetSync, SupportsSetSync, SupportsDeleteSync, Protocol):
    """A store that can read and write values and delete keys in the calling thread."""


@runtime_checkable
class SyncByteGetter(Protocol):
    """Interface for reading one key of a store in the calling thread."""

    def get_sync(
        self,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Read the value; see `Store.get`."""


@runtime_checkable
class SyncByteSetter(SyncByteGetter, Protocol):
    """Interface for reading and writing one key of a store in the calling thread."""

    def set_sync(self, value: Buffer) -> None:
        """Write the value; see `Store.set`."""

    def delete_sync(self) -> None:
        """Delete the key; see `Store.delete`."""


async def set_or_delete(byte_setter: ByteSetter, value: Buffer | None) -> None:
    """Write a value, or delete the key if the value is None."""
    if value is None:
        await byte_setter.delete()
    else:
        await byte_setter.set(value)


for _public in (
    ByteGetter,
    ByteSetter,
    SupportsDeleteSync,
    SupportsGetSync,
    SupportsSetSync,
    SupportsSyncStore,
    SyncByteGetter,
    SyncByteSetter,
    set_or_delete,
):
    _public.__module__ = "zarr.abc.store"  # the public import path
