"""Keys of stores as the drivers see them: read and written by coroutines, whatever is behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zarr.abc._store_access import access_of
from zarr.storage._common import StorePath

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zarr.abc.store import ByteRequest, Store
    from zarr.core.buffer import Buffer, BufferPrototype
    from zarr.core.chunks._item import ReadItem, WriteItem


class InThread:
    """A key whose coroutines do all in the calling thread, and so never suspend.

    Parameters
    ----------
    place : SyncByteSetter
        The key.
    """

    __slots__ = ("place",)

    def __init__(self, place: Any) -> None:
        self.place = place

    def __str__(self) -> str:
        return str(self.place)

    @property
    def store(self) -> Any:
        """The store of the key; None where it is not known."""
        return getattr(self.place, "store", None)

    async def get(
        self, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read the value; see `Store.get`."""
        buffer: Buffer | None = self.place.get_sync(prototype=prototype, byte_range=byte_range)
        return buffer

    async def set(self, value: Buffer) -> None:
        """Write the value; see `Store.set`."""
        self.place.set_sync(value)

    async def delete(self) -> None:
        """Delete the key; see `Store.delete`."""
        self.place.delete_sync()


class Replaced:
    """A key that reads as absent, since all elements that its value holds are replaced.

    At the end of an array a chunk sticks out, so what replaces it whole is not of its shape. A codec
    that writes parts of chunks then stores what lies within the array, and no padding.

    Parameters
    ----------
    place : ByteSetter
        The key.
    """

    def __init__(self, place: Any) -> None:
        self._place = place
        self.is_settled = False

    @property
    def replaces(self) -> Any:
        """The key itself, for who asks whether it is there."""
        return self._place

    def __str__(self) -> str:
        return str(self._place)

    async def get(
        self, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return None."""
        return None

    async def set(self, value: Buffer) -> None:
        """Replace the value."""
        self.is_settled = True
        await self._place.set(value)

    async def set_if_not_exists(self, default: Buffer) -> None:
        """Replace the value, which does not count as existing."""
        await self.set(default)

    async def delete(self) -> None:
        """Delete the key."""
        self.is_settled = True
        await self._place.delete()


def key_itself(place: Any) -> Any:
    """Return the key behind one that stands for it."""
    place = getattr(place, "replaces", place)
    return place.place if type(place) is InThread else place


def all_in_thread(items: Iterable[ReadItem | WriteItem], *, to_write: bool = False) -> bool:
    """Tell whether all chunks lie in stores that the calling thread may read, or write, itself."""
    known: Store | None = None
    for place, *_ in items:
        if type(place) is not StorePath:
            return False
        if place.store is not known:
            known = place.store
            access = access_of(known)
            if not (access.writes_in_thread if to_write else access.reads_in_thread):
                return False
    return True
