"""Reading of chunks. An executor decodes chunks from a source and scatters them into an array."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from zarr.core._faults import told
from zarr.core.chunks._item import batched, key_for
from zarr.core.chunks._scatter import fill, place_of, scatter, scatter_part
from zarr.core.chunks._scheduling import SCHEDULING
from zarr.core.common import closing

if TYPE_CHECKING:
    from zarr.core._codec_chain import CodecChain, ResolvedChain
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.chunks._executor import Executor
    from zarr.core.chunks._item import Batch, ReadItem

    # A function that takes a byte getter, a selection, a spec, an executor, and a buffer (or None)
    # that may receive the selected elements. The function returns the selected elements, or None if
    # the chunk is absent.
    ReadPart: TypeAlias = Callable[..., Awaitable[NDBuffer | None]]

# Several small chunks are decoded together, and then scattered. This is the maximum of their total
# decoded size in bytes. The chunks should still be in the processor cache when they are scattered.
RUN_BYTES = 512 * 1024


async def read_chunks(
    items: Sequence[ReadItem],
    out: NDBuffer,
    drop_axes: tuple[int, ...],
    executor: Executor,
    chain: CodecChain,
    source: AsyncIterator[Batch] | ReadPart,
    batch_size: int,
) -> list[bool]:
    """Read chunks, and scatter the selected elements into an array.

    Parameters
    ----------
    items : sequence of ReadItem
        The chunks and their selections; see `CodecPipeline.read`.
    out : NDBuffer
        Array that receives the elements.
    drop_axes : tuple of int
        Dimensions that have length 1 in the chunk selections and are missing from `out`.
    executor : Executor
        Runs the codecs.
    chain : CodecChain
        Decodes the chunks.
    source : async iterator or callable
        An iterator over the encoded chunks as they arrive, each with its index in `items`; an
        absent chunk is None. If a codec can read a selection of a chunk instead of the whole chunk,
        `source` is the function that reads such a selection.
    batch_size : int
        Number of chunks that are passed to the codecs in one call. This number is only used if a
        codec cannot decode synchronously.

    Returns
    -------
    list of bool
        For each chunk, whether the chunk is present.
    """
    reading = _Reading(items, out, drop_axes, chain, executor)
    if callable(source):
        read_part = partial(reading.read_part, source)
        await executor.each(read_part, range(len(items)), lambda i: items[i][1]._nbytes or 0)
    elif chain.decodes_sync:
        await executor.consume(source, reading.place)
    else:
        async with closing(source):
            async for batch in source:
                await reading.place_by_coroutines(batch, batch_size)
    if None in reading.found:
        place = items[reading.found.index(None)][0]
        raise ValueError(f"The store returned no result for the chunk {place}.")
    return cast("list[bool]", reading.found)


@dataclass
class _Reading:
    """The state of one read: the chunks, and the array into which they are scattered."""

    items: Sequence[ReadItem]
    out: NDBuffer
    drop_axes: tuple[int, ...]
    chain: CodecChain
    executor: Executor

    def __post_init__(self) -> None:
        self.found: list[bool | None] = [None] * len(self.items)  # None: no answer yet
        self.contends = True  # becomes False if no permit is available

    async def read_part(self, read_part: ReadPart, index: int, executor: Executor) -> None:
        """Read a selection of a chunk by calling `read_part`, and scatter the selection."""
        byte_getter, spec, chunk_selection, out_selection, _ = self.items[index]
        target = None if self.drop_axes else place_of(self.out, out_selection)
        key = key_for(byte_getter, executor)
        part = await read_part(key, chunk_selection, spec, executor, target)
        self.found[index] = part is not None
        if part is None:
            fill(self.out, out_selection, spec)
        elif part is not target:
            scatter_part(self.out, part, out_selection, self.drop_axes)

    def place(self, batch: Batch, beside_loop: bool) -> None:
        """Decode chunks and scatter them, in the calling thread.

        Parameters
        ----------
        batch : sequence of tuple
            Encoded chunks, each with its index in `items`. An absent chunk is represented by None.
        beside_loop : bool
            Whether an event loop is busy while the chunks are decoded.
        """
        present = self._present(batch)
        start = 0
        while start < len(present):
            self.executor.proceed()
            chain = self.chain.for_spec(self.items[present[start][0]][1])
            run = present[start : start + chain.at_once(RUN_BYTES)]
            if len(run) == 1 or not self._place_together(chain, run, beside_loop):
                for index, encoded in run:
                    self._place_chunk(index, encoded)
            start += len(run)

    async def place_by_coroutines(self, batch: Batch, batch_size: int) -> None:
        """Decode chunks with the coroutines of the codecs, and scatter the chunks."""
        for portion in batched(self._present(batch), batch_size):
            items = [self.items[index] for index, _ in portion]
            try:
                chunks: Any = await self.chain.decode(
                    [(encoded, item[1]) for (_, encoded), item in zip(portion, items)]
                )
                for (_, _, chunk_selection, out_selection, _), chunk in zip(items, chunks):
                    scatter(self.out, chunk, chunk_selection, out_selection, self.drop_axes)
            except Exception as error:
                places = ", ".join(str(item[0]) for item in items)
                raise told(error, f"while decoding the chunks {places}")  # noqa: B904

    def _present(self, batch: Batch) -> list[tuple[int, Buffer]]:
        """Write the fill value for absent chunks, and return the chunks that are present."""
        present: list[tuple[int, Buffer]] = []
        for index, encoded in batch:
            if not 0 <= index < len(self.items):
                raise ValueError(f"The store returned chunk {index} of 0 to {len(self.items) - 1}.")
            self.found[index] = encoded is not None
            if encoded is None:
                _, spec, _, out_selection, _ = self.items[index]
                fill(self.out, out_selection, spec)
            else:
                present.append((index, encoded))
        return present

    def _place_together(
        self, chain: ResolvedChain, run: Sequence[tuple[int, Buffer]], beside_loop: bool
    ) -> bool:
        """Decode several chunks together, then scatter them; return whether this was possible.

        Returns False if the specs of the chunks differ, or if a chunk cannot be decoded.
        """
        items, out, drop_axes = self.items, self.out, self.drop_axes
        if any(items[index][1] is not chain.spec for index, _ in run):
            return False
        try:
            decoded = chain.decode_many_sync([data for _, data in run], beside_loop=beside_loop)
        except Exception:
            return False
        with SCHEDULING.short_work.held(self.contends) as self.contends:
            for (index, _), chunk in zip(run, decoded):
                place, _, chunk_selection, out_selection, _ = items[index]
                try:
                    scatter(out, chunk, chunk_selection, out_selection, drop_axes)
                except Exception as error:
                    raise told(error, f"while decoding the chunk {place}")  # noqa: B904
        return True

    def _place_chunk(self, index: int, encoded: Buffer) -> None:
        place, spec, chunk_selection, out_selection, _ = self.items[index]
        try:
            chunk = self.chain.for_spec(spec).decode_sync(encoded)
            scatter(self.out, chunk, chunk_selection, out_selection, self.drop_axes)
        except Exception as error:
            raise told(error, f"while decoding the chunk {place}")  # noqa: B904
