"""Write a selection of a shard: update the selected inner chunks and keep the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from zarr.codecs.sharding._inner_key import inner_key
from zarr.codecs.sharding._plan import InnerChunk, plan_selection
from zarr.core.chunks._executor import Inline, on_loop
from zarr.core.chunks._scatter import is_empty, merge
from zarr.core.chunks._write import decode
from zarr.core.common import concurrent_map
from zarr.core.sync import run_now

if TYPE_CHECKING:
    from zarr.codecs.sharding._layout import ShardLayout
    from zarr.codecs.sharding._plan import SelectionPlan
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.chunks._executor import Executor


async def rewrite_shard(
    layout: ShardLayout,
    existing: Buffer | None,
    value: NDBuffer,
    plan: SelectionPlan,
    executor: Executor,
    name: str,
) -> Buffer | None:
    """Return the bytes of a shard in which a selection is replaced by new values.

    Parameters
    ----------
    layout : ShardLayout
        The layout of the shard.
    existing : Buffer or None
        The stored shard; None if the shard is absent, or if the selection covers the whole shard.
    value : NDBuffer
        The new values, in the shape of the selection. The shape ``()`` means one value for all
        selected elements.
    plan : SelectionPlan
        The selection.
    executor : Executor
        Runs the codecs.
    name : str
        Name of the shard for error messages.

    Returns
    -------
    Buffer or None
        The new shard. None if the new shard would contain no inner chunk; such a shard need not be
        stored. Inner chunks that contain only the fill value are omitted, unless
        ``write_empty_chunks`` is on.

    Raises
    ------
    ValueError
        If the stored shard is corrupt.
    """
    stored = {} if existing is None else await _inner_chunks(layout, existing, executor, name)
    rewriting = _Rewriting(layout, stored, value, name)
    if layout.is_sync:
        encoded = await executor.map(rewriting.encode, plan.chunks, layout.inner_nbytes)
    else:
        encoded = await rewriting.encode_async(plan.chunks)
    for chunk, buffer in zip(plan.chunks, encoded):
        if buffer is None:
            stored.pop(chunk.number, None)
        else:
            stored[chunk.number] = buffer
    if not stored:
        return None
    return await _join(layout, stored, executor)


async def empty_shard(layout: ShardLayout, executor: Executor) -> Buffer:
    """Return a shard with an index but no inner chunks, for stores that cannot delete a key."""
    return await _join(layout, {}, executor)


async def _inner_chunks(
    layout: ShardLayout, shard: Buffer, executor: Executor, name: str
) -> dict[int, Buffer]:
    """Return the stored inner chunks of a shard, keyed by their position in the index."""
    index = await layout.decode_index(layout.index.cut(shard), executor, name)
    numbers = index.present()
    try:
        places = index.locate(numbers, len(shard))
    except ValueError as error:
        error.add_note(f"in the shard {name}")
        raise
    return {
        number: shard[place[0] : place[1]]
        for number, place in zip(numbers, places)
        if place is not None
    }


async def _join(layout: ShardLayout, stored: dict[int, Buffer], executor: Executor) -> Buffer:
    """Join the inner chunks and their index into a shard."""
    numbers, entries = layout.index.lay_out(
        {number: len(buffer) for number, buffer in stored.items()}, layout.write_order
    )
    chain, spec = layout.index_chain, layout.index.spec
    index: Buffer | None
    if chain.encodes_sync:
        index = await executor.run(chain.encode_sync, entries, spec)
    else:
        (index,) = await chain.encode([(entries, spec)])
    if index is None or len(index) != layout.index.nbytes:
        size = 0 if index is None else len(index)
        raise ValueError(
            f"The index codecs encoded the index to {size} bytes, but their compute_encoded_size "
            f"returned {layout.index.nbytes}. A shard with this index could not be read back."
        )
    parts = [stored[number] for number in numbers]
    parts = [index, *parts] if layout.index.location == "start" else [*parts, index]
    return await executor.run(_concatenate, layout, parts)


def _concatenate(layout: ShardLayout, parts: list[Buffer]) -> Buffer:
    # `combine` allocates the buffer of the shard only once. If the parts were appended one by one,
    # the same bytes would be copied repeatedly.
    return layout.spec.prototype.buffer.create_zero_length().combine(parts)


class _Rewriting:
    """Encoder for a write to one shard; it encodes the inner chunks that the write changes."""

    def __init__(
        self, layout: ShardLayout, stored: dict[int, Buffer], value: NDBuffer, name: str
    ) -> None:
        self._layout = layout
        self._stored = stored
        self._value = value
        self._name = name

    def encode(self, chunk: InnerChunk) -> Buffer | None:
        """Encode an inner chunk with its new values; return None if it need not be stored."""
        layout, spec = self._layout, self._layout.inner_spec
        encoded = None if chunk.is_complete else self._stored.get(chunk.number)
        if layout.nested is not None and not chunk.is_complete:
            plan = plan_selection(chunk.chunk_selection, spec.shape, layout.nested.inner_spec.shape)
            part = self._part(chunk)
            return run_now(
                rewrite_shard(layout.nested, encoded, part, plan, Inline(), self._describe(chunk))
            )
        chain = layout.chain.for_spec(spec)
        try:
            merged = self._merged(chunk, None if encoded is None else decode(chain, encoded))
            return None if merged is None else chain.encode_sync(merged)
        except Exception as error:
            error.add_note(f"while encoding {self._describe(chunk)}")
            raise

    async def encode_async(self, chunks: tuple[InnerChunk, ...]) -> list[Buffer | None]:
        """Encode inner chunks that have new values, with asynchronous codecs; see `encode`."""
        if self._layout.write_part is not None:
            return await concurrent_map([(chunk,) for chunk in chunks], self._encode_own)
        if self._layout.nested is not None:
            return await concurrent_map([(chunk,) for chunk in chunks], self._encode_nested)
        chain, spec = self._layout.chain, self._layout.inner_spec
        before = [
            (None if chunk.is_complete else self._stored.get(chunk.number), spec)
            for chunk in chunks
        ]
        try:
            existing = await chain.decode(before)
            merged = [self._merged(*pair) for pair in zip(chunks, existing)]
            return await chain.encode([(chunk, spec) for chunk in merged])
        except Exception as error:
            error.add_note(f"while encoding inner chunks of the shard {self._name}")
            raise

    async def _encode_own(self, chunk: InnerChunk) -> Buffer | None:
        """Write new values into an inner chunk with `encode_partial` of the inner codec."""
        write_part: Any = self._layout.write_part
        key = inner_key(self._stored.get(chunk.number))
        spec = self._layout.inner_spec
        try:
            await write_part([(key, self._part(chunk), chunk.chunk_selection, spec)])
        except Exception as error:
            error.add_note(f"while encoding {self._describe(chunk)}")
            raise
        return await key.get(spec.prototype)

    async def _encode_nested(self, chunk: InnerChunk) -> Buffer | None:
        """Encode an inner chunk that is itself a shard, with its new values; see `encode`."""
        nested = cast("ShardLayout", self._layout.nested)
        existing = None if chunk.is_complete else self._stored.get(chunk.number)
        plan = plan_selection(chunk.chunk_selection, nested.spec.shape, nested.inner_spec.shape)
        part, where = self._part(chunk), self._describe(chunk)
        return await rewrite_shard(nested, existing, part, plan, on_loop(), where)

    def _part(self, chunk: InnerChunk) -> NDBuffer:
        return self._value if self._value.shape == () else self._value[chunk.out_selection]

    def _merged(self, chunk: InnerChunk, existing: NDBuffer | None) -> NDBuffer | None:
        spec = self._layout.inner_spec
        part = self._part(chunk)
        merged = merge(existing, part, chunk.chunk_selection, spec, chunk.is_identity)
        return None if is_empty(merged, spec) else merged

    def _describe(self, chunk: InnerChunk) -> str:
        return f"inner chunk number {chunk.number} of the shard {self._name}"
