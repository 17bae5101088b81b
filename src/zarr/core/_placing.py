"""Decoding the chunks of a read and putting them into place, while others are being fetched."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from zarr.core._chunk_io import fill, scatter
from zarr.core._coalesce import KiB
from zarr.core._faults import told
from zarr.core._turns import short_work
from zarr.core.sync import get_pool

if TYPE_CHECKING:
    from typing import Self

    from zarr.abc.store import ByteGetter, ByteSetter
    from zarr.core._codec_chain import CodecChain, ResolvedChain
    from zarr.core._helping import Helping
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.indexing import SelectorTuple

    # where the chunk is stored, its spec, selection in the chunk, place in the array, whole chunk?
    ReadItem: TypeAlias = tuple[ByteGetter, ArraySpec, SelectorTuple, SelectorTuple, bool]
    WriteItem: TypeAlias = tuple[ByteSetter, ArraySpec, SelectorTuple, SelectorTuple, bool]
    Arrived: TypeAlias = Sequence[tuple[int, Buffer | None]]

_T = TypeVar("_T")

# Encoded bytes worth a hand-over to the worker pool, about 20 us; zstd decodes them in 200 us.
PORTION_BYTES = 256 * KiB

# Decoded bytes of small chunks that are decoded together before they are put into place. They
# should still be in the cache of the processor then.
RUN_BYTES = 512 * KiB
_CPUS = os.cpu_count() or 1

# Seconds of work on a chunk for which decoding some of them in another thread pays, though both
# threads keep taking the interpreter away from each other: 64 KiB by zstd, 16 KiB by gzip.
_SLOW_SECONDS = 100e-6


class _Chunks:
    """The chunks of one read, and how one of them gets into its place.

    Parameters
    ----------
    chain : CodecChain
        Decodes.
    items : sequence of tuple
        The chunks of the read.
    out : NDBuffer
        Receives their selections.
    drop_axes : tuple of int
        See `CodecPipeline.read`.
    """

    def __init__(
        self,
        chain: CodecChain,
        items: Sequence[ReadItem],
        out: NDBuffer,
        drop_axes: tuple[int, ...],
    ) -> None:
        self._chain = chain
        self._items = items
        self._out = out
        self._drop_axes = drop_axes
        self._in_turn = True

    def _fill(self, index: int) -> None:
        _, spec, _, out_selection, _ = self._items[index]
        fill(self._out, out_selection, spec)

    def _place(self, portion: Sequence[tuple[int, Buffer]]) -> None:
        """Decode chunks and put them into place, in the calling thread."""
        start = 0
        while start < len(portion):
            spec = self._items[portion[start][0]][1]
            chain = self._chain.for_spec(spec)
            run = portion[start : start + chain.at_once(RUN_BYTES)]
            if len(run) == 1 or not self._place_together(chain, spec, run):
                self._place_one_by_one(run)
            start += len(run)

    def _place_together(
        self, chain: ResolvedChain, spec: ArraySpec, run: Sequence[tuple[int, Buffer]]
    ) -> bool:
        """Decode chunks before any is put into place; tell whether that was possible.

        It is not if one of them is of another spec, or damaged.
        """
        items, out, drop_axes = self._items, self._out, self._drop_axes
        for index, _ in run:
            if items[index][1] is not spec:
                return False
        try:
            decoded = chain.decode_many_sync([encoded for _, encoded in run])
        except Exception:
            return False
        with short_work.taken() if self._in_turn else nullcontext(False) as self._in_turn:
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


class Placing(_Chunks):
    """Puts chunks into place for a reader on the event loop, on which no codec runs.

    Small chunks are handed to the worker pool several at a time: handing over costs as much as
    decoding one. At most as many portions as there are processors are in the pool at once; adding
    more waits, and with it the read that brings them. On leaving, all that was added is in place,
    or nothing writes into the output any more.

    Parameters
    ----------
    chain, items, out, drop_axes
        As for `_Chunks`.
    batch_size : int
        How many chunks a codec that is given by coroutines gets at once.
    """

    def __init__(
        self,
        chain: CodecChain,
        items: Sequence[ReadItem],
        out: NDBuffer,
        drop_axes: tuple[int, ...],
        *,
        batch_size: int,
    ) -> None:
        super().__init__(chain, items, out, drop_axes)
        self._batch_size = batch_size
        self._running: set[asyncio.Future[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # A thread cannot be interrupted: wait, so that no one writes into `out` after the read.
        running, self._running = self._running, set()
        results = await asyncio.gather(*running, return_exceptions=True)
        failed = [result for result in results if isinstance(result, BaseException)]
        if failed and kind is None:
            raise failed[0]

    async def add(self, arrived: Arrived) -> None:
        """Take chunks that have arrived, by their index in the items of the read.

        Raises
        ------
        Exception
            If decoding one of those added before has failed.
        """
        present: list[tuple[int, Buffer]] = []
        for index, encoded in arrived:
            if encoded is None:
                self._fill(index)
            else:
                present.append((index, encoded))
        if not self._chain.decodes_sync:
            for batch in batched(present, self._batch_size):
                await self._decode_async(batch)
            return
        loop = asyncio.get_running_loop()
        for portion in _portions(present):
            if len(self._running) >= _CPUS:
                done, self._running = await asyncio.wait(
                    self._running, return_when=asyncio.FIRST_COMPLETED
                )
                # Of several that fail at once one is raised, and none is reported when it is freed.
                failed = [ended for ended in done if ended.exception() is not None]
                for ended in failed:
                    ended.result()
            self._running.add(loop.run_in_executor(get_pool(), self._place, portion))

    async def _decode_async(self, batch: Sequence[tuple[int, Buffer]]) -> None:
        """Decode chunks by the coroutines of the codecs, and put them into place."""
        items = [self._items[index] for index, _ in batch]
        try:
            chunks = await self._chain.decode(
                [(encoded, item[1]) for (_, encoded), item in zip(batch, items)]
            )
        except Exception as error:
            places = ", ".join(str(item[0]) for item in items)
            raise told(error, f"while decoding the chunks {places}")  # noqa: B904
        for (_, _, chunk_selection, out_selection, _), chunk in zip(items, chunks):
            assert chunk is not None
            scatter(self._out, chunk, chunk_selection, out_selection, self._drop_axes)


class PlacingHere(_Chunks):
    """Puts chunks into place for a reader that waits, in its own thread and those that help it.

    Parameters
    ----------
    chain, items, out, drop_axes
        As for `_Chunks`.
    helping : Helping
        Runs the decoding.
    """

    def __init__(
        self,
        chain: CodecChain,
        items: Sequence[ReadItem],
        out: NDBuffer,
        drop_axes: tuple[int, ...],
        helping: Helping,
    ) -> None:
        super().__init__(chain, items, out, drop_axes)
        self._helping = helping
        self._are_slow = False

    def add(self, arrived: Arrived, *, may_share: bool) -> None:
        """Take chunks that have arrived, by their index in the items of the read.

        Parameters
        ----------
        arrived : sequence of tuple
            The chunks; None for those that are absent.
        may_share : bool
            Whether another thread may help with those of few encoded bytes, if they take long.

        Raises
        ------
        Exception
            If decoding one of them, or of those added before, has failed.
        """
        small: list[tuple[int, Buffer]] = []
        for index, encoded in arrived:
            if encoded is None:
                self._fill(index)
            elif len(encoded) < PORTION_BYTES:
                small.append((index, encoded))
            else:
                self._helping.run(len(self._items) > 1, self._place, [(index, encoded)])
        if not small:
            return
        if may_share and self._are_slow:
            self._helping.run(True, self._place, small)
            return
        began = time.thread_time()
        self._helping.run(False, self._place, small)
        self._are_slow = time.thread_time() - began > len(small) * _SLOW_SECONDS


def _portions(chunks: Sequence[tuple[int, Buffer]]) -> Iterator[list[tuple[int, Buffer]]]:
    """Divide chunks so that each portion is worth a hand-over to another thread."""
    portion: list[tuple[int, Buffer]] = []
    nbytes = 0
    for chunk in chunks:
        portion.append(chunk)
        nbytes += len(chunk[1])
        if nbytes >= PORTION_BYTES:
            yield portion
            portion, nbytes = [], 0
    if portion:
        yield portion


def batched(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Divide items into lists of at most `size`."""
    source = iter(items)
    while batch := list(islice(source, max(1, size))):
        yield batch
