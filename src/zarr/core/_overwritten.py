"""A stored chunk that is replaced whole, for a codec that writes parts of chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype


class Overwritten:
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
    def overwrites(self) -> Any:
        """The key itself, for who asks whether it is there."""
        return self._place

    def __str__(self) -> str:
        return str(self._place)

    async def get(
        self, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return None."""
        return None

    def get_sync(
        self, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return None."""
        return None

    async def set(self, value: Buffer) -> None:
        """Replace the value."""
        self.is_settled = True
        await self._place.set(value)

    def set_sync(self, value: Buffer) -> None:
        """Replace the value."""
        self.is_settled = True
        self._place.set_sync(value)

    async def set_if_not_exists(self, default: Buffer) -> None:
        """Replace the value, which does not count as existing."""
        await self.set(default)

    async def delete(self) -> None:
        """Delete the key."""
        self.is_settled = True
        await self._place.delete()

    def delete_sync(self) -> None:
        """Delete the key."""
        self.is_settled = True
        self._place.delete_sync()
