"""What a codec pipeline is given for each chunk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from zarr.abc.store import ByteGetter, ByteSetter
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer
    from zarr.core.indexing import SelectorTuple

    # where the chunk is stored, its spec, selection in the chunk, place in the array, whole chunk?
    ReadItem: TypeAlias = tuple[ByteGetter, ArraySpec, SelectorTuple, SelectorTuple, bool]
    WriteItem: TypeAlias = tuple[ByteSetter, ArraySpec, SelectorTuple, SelectorTuple, bool]

    # Answers to some requests, each with the index of the request.
    Batch: TypeAlias = Sequence[tuple[int, Buffer | None]]

_T = TypeVar("_T")


def batched(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Divide items into lists of at most `size`."""
    source = iter(items)
    while batch := list(islice(source, max(1, size))):
        yield batch
