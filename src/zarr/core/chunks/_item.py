"""Types of the items that a codec pipeline takes, and of the encoded chunks that it reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from zarr.abc.store import ByteGetter, ByteRequest, ByteSetter
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, BufferPrototype
    from zarr.core.chunks._executor import Executor
    from zarr.core.indexing import SelectorTuple

    # An item is a tuple with five members: the key of a chunk; the spec of the chunk; the selection
    # within the chunk; the selection within the output or input array; and whether the whole chunk
    # is selected.
    ReadItem: TypeAlias = tuple[ByteGetter, ArraySpec, SelectorTuple, SelectorTuple, bool]
    WriteItem: TypeAlias = tuple[ByteSetter, ArraySpec, SelectorTuple, SelectorTuple, bool]

    # A sequence of pairs. Each pair contains the index of a request, and the value that was read.
    # The value is None if the key is absent.
    Batch: TypeAlias = Sequence[tuple[int, Buffer | None]]

_T = TypeVar("_T")


def batched(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Yield the items in lists of at most `size` items."""
    source = iter(items)
    while batch := list(islice(source, max(1, size))):
        yield batch


class InThread:
    """A store key with coroutine methods that run in the calling thread and never suspend.

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
        """The store of the key; None if the store is unknown."""
        return getattr(self.place, "store", None)

    async def get(
        self, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read the value of the key; see `Store.get`."""
        buffer: Buffer | None = self.place.get_sync(prototype=prototype, byte_range=byte_range)
        return buffer

    async def set(self, value: Buffer) -> None:
        """Write the value of the key; see `Store.set`."""
        self.place.set_sync(value)

    async def delete(self) -> None:
        """Delete the key; see `Store.delete`."""
        self.place.delete_sync()


def key_for(place: Any, executor: Executor) -> Any:
    """Return a store key whose coroutines suspend only if `executor.waits` is True."""
    return place if executor.waits else InThread(place)
