"""Reading chunks: answers of a source are decoded by an executor and put into their places."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from zarr.core._faults import told
from zarr.core.chunks._item import batched
from zarr.core.chunks._scatter import Sizes, fill, place_of, scatter, scatter_part
from zarr.core.chunks._scheduling import SCHEDULING
from zarr.core.common import closing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from zarr.core._codec_chain import CodecChain, ResolvedChain
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.chunks._executor import Executor
    from zarr.core.chunks._item import Batch, ReadItem

    # Takes a byte getter, a selection, a spec, an executor, and a buffer that may receive the
    # selection. Returns the selection; None where the chunk is absent.
    ReadPart: TypeAlias = Callable[..., Awaitable[NDBuffer | None]]

# Decoded bytes of small chunks that are decoded together before they are put into place. They
# should still be in the cache of the processor then.
RUN_BYTES = 512 * 1024


async def read_chunks(
    items: Sequence[ReadItem],
    out: NDBuffer,
    drop_axes: tuple[int, ...],
    batches: AsyncIterator[Batch],
    executor: Executor,
    chain: CodecChain,
    batch_size: int,
) -> list[bool]:
    """Decode chunks as they arrive, and put their selections into place.

    Parameters
    ----------
    items, out, drop_axes
        As for the pipeline's `read`.
    batches : async iterator
        The encoded chunks, each with its index in `items`; None for those that are absent.
    executor : Executor
        Where codecs run.
    chain : CodecChain
        Decodes.
    batch_size : int
        How many chunks a codec that is given by coroutines gets at once.

    Returns
    -------
    list of bool
        Whether each was found.
    """
    placing = _Placing(items, out, drop_axes, chain)
    if chain.decodes_sync:
        await executor.consume(batches, placing.place)
    else:
        async with closing(batches):
            async for batch in batches:
                await placing.place_by_coroutines(batch, batch_size)
    return placing.found


async def read_parts(
    items: Sequence[ReadItem],
    out: NDBuffer,
    drop_axes: tuple[int, ...],
    read_part: ReadPart,
    executor: Executor,
) -> list[bool]:
    """Read selections of chunks by a codec that needs not all of a chunk for it.

    Parameters
    ----------
    items, out, drop_axes
        As for the pipeline's `read`.
    read_part : callable
        The codec's own way.
    executor : Executor
        Where codecs run.

    Returns
    -------
    list of bool
        Whether each was found.
    """
    found = [False] * len(items)

    async def read(index: int, executor: Executor) -> None:
        byte_getter, spec, chunk_selection, out_selection, _ = items[index]
        target = None if drop_axes else place_of(out, out_selection)
        part = await read_part(byte_getter, chunk_selection, spec, executor, target)
        if part is None:
            fill(out, out_selection, spec)
            return
        found[index] = True
        if part is not target:
            scatter_part(out, part, out_selection, drop_axes)

    sizes = Sizes()
    await executor.each(read, range(len(items)), lambda index: sizes.of(items[index][1]))
    return found


class _Placing:
    """The chunks of one read, and how they get into their places."""

    def __init__(
        self,
        items: Sequence[ReadItem],
        out: NDBuffer,
        drop_axes: tuple[int, ...],
        chain: CodecChain,
    ) -> None:
        self.found = [False] * len(items)
        self._items = items
        self._out = out
        self._drop_axes = drop_axes
        self._chain = chain
        self._contends = True  # until there was no permit to be had

    def place(self, batch: Batch, beside_loop: bool) -> None:
        """Decode chunks and put them into place, in the calling thread.

        Parameters
        ----------
        batch : sequence of tuple
            Encoded chunks, each with its index in the items; None for absent ones.
        beside_loop : bool
            Whether an event loop is busy at the same time.
        """
        present = self._present(batch)
        start = 0
        while start < len(present):
            spec = self._items[present[start][0]][1]
            chain = self._chain.for_spec(spec)
            run = present[start : start + chain.at_once(RUN_BYTES)]
            if len(run) == 1 or not self._place_together(chain, spec, run, beside_loop):
                self._place_one_by_one(run)
            start += len(run)

    async def place_by_coroutines(self, batch: Batch, batch_size: int) -> None:
        """Decode chunks by the coroutines of the codecs, and put them into place."""
        for portion in batched(self._present(batch), batch_size):
            items = [self._items[index] for index, _ in portion]
            try:
                chunks = await self._chain.decode(
                    [(encoded, item[1]) for (_, encoded), item in zip(portion, items)]
                )
            except Exception as error:
                places = ", ".join(str(item[0]) for item in items)
                raise told(error, f"while decoding the chunks {places}")  # noqa: B904
            for (_, _, chunk_selection, out_selection, _), chunk in zip(items, chunks):
                assert chunk is not None
                scatter(self._out, chunk, chunk_selection, out_selection, self._drop_axes)

    def _present(self, batch: Batch) -> list[tuple[int, Buffer]]:
        """Put fill value where chunks are absent, and return the others."""
        present: list[tuple[int, Buffer]] = []
        for index, encoded in batch:
            if encoded is None:
                _, spec, _, out_selection, _ = self._items[index]
                fill(self._out, out_selection, spec)
            else:
                self.found[index] = True
                present.append((index, encoded))
        return present

    def _place_together(
        self,
        chain: ResolvedChain,
        spec: ArraySpec,
        run: Sequence[tuple[int, Buffer]],
        beside_loop: bool,
    ) -> bool:
        """Decode chunks before any is put into place; tell whether that was possible.

        It is not if one of them is of another spec, or damaged.
        """
        items, out, drop_axes = self._items, self._out, self._drop_axes
        for index, _ in run:
            if items[index][1] is not spec:
                return False
        encoded: Any = [buffer for _, buffer in run]
        try:
            decoded = chain.decode_many_sync(encoded, beside_loop=beside_loop)
        except Exception:
            return False
        with SCHEDULING.short_work.held_if(self._contends) as self._contends:
            for (index, _), chunk in zip(run, decoded):
                place, _, chunk_selection, out_selection, _ = items[index]
                try:
                    scatter(out, chunk, chunk_selection, out_selection, drop_axes)
                except Exception as error:
                    raise told(error, f"while decoding the chunk {place}")  # noqa: B904
        return True

    def _place_one_by_one(self, run: Sequence[tuple[int, Buffer]]) -> None:
        for index, encoded in run:
            place, spec, chunk_selection, out_selection, _ = self._items[index]
            try:
                chunk = self._chain.for_spec(spec).decode_sync(encoded)
                scatter(self._out, chunk, chunk_selection, out_selection, self._drop_axes)
            except Exception as error:
                raise told(error, f"while decoding the chunk {place}")  # noqa: B904
