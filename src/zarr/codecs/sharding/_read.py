"""Read a selection of a shard: first the index, then the inner chunks of the selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, cast

from zarr.codecs.sharding._inner_key import inner_key
from zarr.codecs.sharding._plan import plan_selection
from zarr.codecs.sharding._source import MemorySource, WindowSource
from zarr.core._byte_ranges import RangeByteRequest
from zarr.core._coalesce import CoalescePolicy
from zarr.core._faults import told
from zarr.core.buffer.cpu import numpy_buffer_prototype
from zarr.core.chunks._scatter import fill, fill_value_of
from zarr.core.chunks._scatter import filled as filled_buffer
from zarr.core.common import closing

if TYPE_CHECKING:
    from zarr.codecs.sharding._index import ShardIndex
    from zarr.codecs.sharding._layout import ShardLayout
    from zarr.codecs.sharding._plan import InnerChunk, SelectionPlan
    from zarr.codecs.sharding._source import Source
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.chunks._executor import Executor
    from zarr.core.chunks._item import Batch
    from zarr.storage import StorePath


async def read_shard(
    layout: ShardLayout,
    source: Source,
    executor: Executor,
    plan: SelectionPlan,
    target: NDBuffer | None = None,
) -> NDBuffer | None:
    """Read and decode a selection of a shard.

    If the selection touches every inner chunk, the whole shard is read. Otherwise the index is
    read first, and then the byte ranges of the selected inner chunks.

    Parameters
    ----------
    layout : ShardLayout
        The layout of the shard.
    source : Source
        The source of the bytes of the shard.
    executor : Executor
        Runs the codecs.
    plan : SelectionPlan
        The selection.
    target : NDBuffer or None
        Buffer for the result. The buffer is used if it has the shape of the selection and the data
        type of the shard. Otherwise a new buffer is allocated. If `target` is None, a new buffer is
        always allocated.

    Returns
    -------
    NDBuffer or None
        The selected elements, in the shape of the selection. None if the shard is absent.

    Raises
    ------
    ValueError
        If the shard index is corrupt, or if an inner chunk has fewer bytes than the index states.
    FileNotFoundError
        If the shard disappears after its index was read.
    """
    nbytes: int | None = None
    if plan.touches_all:
        shard = await source.get(layout.spec.prototype, None)
        if shard is None:
            return None
        nbytes = len(shard)
        source, encoded = MemorySource(shard, source.name), layout.index.cut(shard)
    else:
        found = await source.get(numpy_buffer_prototype(), layout.index.byte_range)
        if found is None:
            return None
        encoded = found
    index = await layout.decode_index(encoded, executor, source.name)
    return await _Selection(layout, source, plan, target).read(index, nbytes, executor)


class _Selection:
    """Reader for one selection of a stored shard."""

    def __init__(
        self, layout: ShardLayout, source: Source, plan: SelectionPlan, target: NDBuffer | None
    ) -> None:
        self._layout = layout
        self._source = source
        self._plan = plan
        self._chunks: list[InnerChunk] = []
        self._ranges: list[RangeByteRequest] = []
        self._out = target

    async def read(
        self, index: ShardIndex, shard_nbytes: int | None, executor: Executor
    ) -> NDBuffer:
        """Read the stored inner chunks and copy the selected parts into the result."""
        layout, plan = self._layout, self._plan
        try:
            places = index.locate([chunk.number for chunk in plan.chunks], shard_nbytes)
        except ValueError as error:
            error.add_note(f"in the shard {self._source.name}")
            raise
        out = self._out = _allocate(layout, plan.shape, self._out, filled=None in places)
        if layout.read_part is not None:
            # Absent inner chunks are included, because the codec may produce values for these
            # chunks.
            await executor.each(self._read_own, list(zip(plan.chunks, places)), lambda _: 0)
            return out
        parts: list[tuple[InnerChunk, RangeByteRequest, SelectionPlan]] = []
        for chunk, place in zip(plan.chunks, places):
            if place is None:
                continue
            within = self._plan_within(chunk)
            if within is None:
                self._chunks.append(chunk)
                self._ranges.append(RangeByteRequest(*place))
            else:
                parts.append((chunk, RangeByteRequest(*place), within))
        if self._chunks:
            await self._read_chunks(executor)
        if parts:
            await executor.each(self._read_part, parts, lambda _: 0)
        return out

    def _plan_within(self, chunk: InnerChunk) -> SelectionPlan | None:
        """Return the plan for reading a part of an inner chunk that is itself a shard.

        Returns None if the inner chunk is not a shard, or if all its bytes have to be read.
        """
        nested = self._layout.nested
        if nested is None or chunk.is_complete:
            return None
        plan = plan_selection(chunk.chunk_selection, nested.spec.shape, nested.inner_spec.shape)
        # If the plan touches all inner chunks of the nested shard, the whole nested shard is read.
        return None if plan.touches_all else plan

    async def _read_part(
        self, part: tuple[InnerChunk, RangeByteRequest, SelectionPlan], executor: Executor
    ) -> None:
        """Read a selection of an inner chunk that is itself a shard."""
        chunk, place, plan = part
        nested = cast("ShardLayout", self._layout.nested)
        where = self._describe(chunk, place)
        window = WindowSource(self._source, place.start, place.end, where)
        selected = await read_shard(nested, window, executor, plan)
        if selected is None:
            raise FileNotFoundError(f"The shard is gone after its index was read: {where}.")
        self._target[chunk.out_selection] = selected

    async def _read_own(
        self, part: tuple[InnerChunk, tuple[int, int] | None], _executor: Executor
    ) -> None:
        """Read a selection of an inner chunk by the method `decode_partial` of the inner codec."""
        chunk, place = part
        read_part: Any = self._layout.read_part
        spec = self._layout.inner_spec
        key: StorePath | WindowSource
        if place is None:
            where = f"inner chunk number {chunk.number} of {self._source.name}"
            key = inner_key(None)
        else:
            where = self._describe(chunk, RangeByteRequest(*place))
            key = WindowSource(self._source, *place, where)
        try:
            (selected,) = await read_part([(key, chunk.chunk_selection, spec)])
        except Exception as error:
            raise told(error, f"while decoding {where}")  # noqa: B904
        if selected is not None:
            self._target[chunk.out_selection] = selected
        elif place is None:
            fill(self._target, chunk.out_selection, spec)
        else:
            raise FileNotFoundError(f"The shard is gone after its index was read: {where}.")

    async def _read_chunks(self, executor: Executor) -> None:
        layout = self._layout
        config = layout.spec.config
        policy = CoalescePolicy(
            config.sharding_coalesce_max_gap_bytes, config.sharding_coalesce_max_bytes
        )
        outstanding = set(range(len(self._ranges)))
        batches = self._arriving(
            self._source.get_ranges(
                layout.spec.prototype, self._ranges, policy, executor.concurrency
            ),
            outstanding,
        )
        self._executor = executor
        if layout.is_sync:
            await executor.consume(batches, self._place)
        else:
            async with closing(batches):
                async for batch in batches:
                    await self._place_async(batch)
        if outstanding:
            raise ValueError(f"The store returned no result for {self._name(min(outstanding))}.")

    async def _arriving(self, batches: Any, outstanding: set[int]) -> Any:
        """Yield batches as they arrive.

        If a read fails, the error names the first chunk that has not yet arrived. The name is in
        the message of the error or in a note.
        """
        try:
            async with closing(batches):
                async for batch in batches:
                    outstanding.difference_update(index for index, _ in batch)
                    yield batch
        except Exception as error:
            self._explain(error, outstanding)

    def _explain(self, error: Exception, outstanding: set[int]) -> NoReturn:
        # `Store.get_ranges` wraps its first failure in an `ExceptionGroup`.
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        waited_for = self._name(min(outstanding, default=0))
        if isinstance(error, FileNotFoundError):
            raise FileNotFoundError(
                f"The shard is gone after its index was read: {waited_for}."
            ) from error
        error.add_note(f"while reading {waited_for}")
        raise error

    def _place(self, batch: Batch, _beside_loop: bool) -> None:
        """Decode inner chunks and copy the selected parts into the result."""
        decode = self._layout.chain.for_spec(self._layout.inner_spec).decode_sync
        out = self._target
        for index, buffer in batch:
            self._executor.proceed()
            encoded = self._checked(index, buffer)
            chunk = self._chunks[index]
            try:
                decoded = decode(encoded)
            except Exception as error:
                raise told(error, f"while decoding {self._name(index)}")  # noqa: B904
            if not chunk.is_identity:
                decoded = decoded[chunk.chunk_selection]
            out[chunk.out_selection] = decoded

    async def _place_async(self, batch: Batch) -> None:
        """Decode inner chunks with async codecs, and copy the selected parts into the result."""
        spec = self._layout.inner_spec
        indexes = [index for index, _ in batch]
        encoded = [(self._checked(index, buffer), spec) for index, buffer in batch]
        try:
            decoded = await self._layout.chain.decode(encoded)
        except Exception as error:
            names = ", ".join(map(self._name, indexes))
            raise told(error, f"while decoding {names}")  # noqa: B904
        for index, inner in zip(indexes, decoded):
            chunk = self._chunks[index]
            self._target[chunk.out_selection] = cast("NDBuffer", inner)[chunk.chunk_selection]

    def _checked(self, index: int, buffer: Buffer | None) -> Buffer:
        """Return the bytes of an inner chunk; raise an error if they are missing or incomplete."""
        if buffer is None:
            raise FileNotFoundError(
                f"The shard is gone after its index was read: {self._name(index)}."
            )
        wanted = self._ranges[index].end - self._ranges[index].start
        if len(buffer) != wanted:
            raise ValueError(
                f"Read {len(buffer)} of {wanted} bytes of {self._name(index)}. The shard is "
                "truncated, or its index corrupt."
            )
        return buffer

    @property
    def _target(self) -> NDBuffer:
        return cast("NDBuffer", self._out)

    def _name(self, index: int) -> str:
        return self._describe(self._chunks[index], self._ranges[index])

    def _describe(self, chunk: InnerChunk, place: RangeByteRequest) -> str:
        coords: list[int] = []
        rest = chunk.number
        for length in reversed(self._layout.index.grid_shape):
            rest, coord = divmod(rest, length)
            coords.insert(0, coord)
        return (
            f"inner chunk {tuple(coords)} of the shard {self._source.name} "
            f"at bytes [{place.start}, {place.end})"
        )


def _allocate(
    layout: ShardLayout, shape: tuple[int, ...], target: NDBuffer | None, *, filled: bool
) -> NDBuffer:
    """Return a buffer for a selection: `target` if its shape and dtype match, else a new buffer.

    If `filled` is True, the buffer contains the fill value; otherwise its content is arbitrary.
    """
    spec = layout.spec
    dtype = spec.dtype.to_native_dtype()
    if target is not None and target.shape == shape and target.dtype == dtype:
        if filled:
            target.fill(fill_value_of(spec))
        return target
    if not filled:
        return spec.prototype.nd_buffer.empty(shape, dtype, spec.order)
    return filled_buffer(spec, shape, dtype)
