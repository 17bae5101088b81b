"""Writing chunks: encoded by an executor, read before where part of them stays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from zarr.core._faults import told
from zarr.core.chunks._deletion import delete_chunk, encode_filled
from zarr.core.chunks._keys import Replaced
from zarr.core.chunks._scatter import (
    Sizes,
    detached,
    gather,
    is_empty,
    merge,
    sticks_out,
)

if TYPE_CHECKING:
    from zarr.core._codec_chain import CodecChain, ResolvedChain
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.chunks._executor import Executor
    from zarr.core.chunks._item import WriteItem

    # Takes a byte setter, values, the selection that they replace, a spec and an executor.
    WritePart: TypeAlias = Callable[..., Awaitable[None]]


async def write_chunks(
    items: Sequence[WriteItem],
    value: NDBuffer,
    drop_axes: tuple[int, ...],
    executor: Executor,
    chain: CodecChain,
    write_part: WritePart | None,
    key_of: Callable[[Any], Any],
) -> None:
    """Write chunks.

    Parameters
    ----------
    items, value, drop_axes
        As for the pipeline's `write`.
    executor : Executor
        Where codecs run, and how many chunks are written at once.
    chain : CodecChain
        Encodes.
    write_part : callable or None
        Changes a selection of a stored chunk by itself; None where no codec can.
    key_of : callable
        Returns the key to read and write for the byte setter of an item.
    """
    is_sync = chain.is_sync

    async def write(item: WriteItem, executor: Executor) -> None:
        byte_setter, spec, chunk_selection, out_selection, is_complete_chunk = item
        key = key_of(byte_setter)
        part = gather(value, out_selection, drop_axes)

        if write_part is not None:
            if not is_complete_chunk:
                await write_part(key, part, chunk_selection, spec, executor)
                return
            if sticks_out(chunk_selection, spec):
                whole = Replaced(key)
                await write_part(whole, part, chunk_selection, spec, executor)
                if not whole.is_settled:
                    await delete_chunk(key, lambda: encode_filled(chain.codecs, spec, executor))
                return
        stored = None if is_complete_chunk else await key.get(spec.prototype)
        try:
            if is_sync:
                settled = chain.for_spec(spec)
                encoded = await executor.run(_encode_merged, settled, stored, item, part, value)
            else:
                encoded = await _encode_by_coroutines(chain, stored, item, part, value)
        except Exception as error:
            error.add_note(f"while encoding the chunk {byte_setter}")
            raise
        if encoded is None:
            await delete_chunk(key, lambda: encode_filled(chain.codecs, spec, executor))
        else:
            await key.set(encoded)

    sizes = Sizes()
    await executor.each(write, items, lambda item: sizes.of(item[1]))


def _encode_merged(
    chain: ResolvedChain,
    stored: Buffer | None,
    item: WriteItem,
    part: NDBuffer,
    value: NDBuffer,
) -> Buffer | None:
    """Encode the new content of a chunk in the calling thread.

    Parameters
    ----------
    chain : ResolvedChain
        Codecs that do not wait for anything, settled for the chunk.
    stored : Buffer or None
        The encoded chunk so far; None where it is absent, or replaced whole.
    item : tuple
        The chunk, as a pipeline's `write` gets it.
    part : NDBuffer
        The new values; see `merge`.
    value : NDBuffer
        All values of the write, with which the result shares no memory.

    Returns
    -------
    Buffer or None
        None where the chunk need not be stored.
    """
    _, spec, chunk_selection, _, is_complete_chunk = item
    existing = None
    if stored is not None:
        try:
            existing = chain.decode_sync(stored)
        except Exception as error:
            raise told(error)  # noqa: B904
    chunk = merge(existing, part, chunk_selection, spec, is_complete_chunk)
    return None if is_empty(chunk, spec) else detached(chain.encode_sync(chunk), value)


async def _encode_by_coroutines(
    chain: CodecChain,
    stored: Buffer | None,
    item: WriteItem,
    part: NDBuffer,
    value: NDBuffer,
) -> Buffer | None:
    """Do what `_encode_merged` does by the coroutines of the codecs."""
    _, spec, chunk_selection, _, is_complete_chunk = item
    (existing,) = await chain.decode([(stored, spec)])
    chunk = merge(existing, part, chunk_selection, spec, is_complete_chunk)
    kept = None if is_empty(chunk, spec) else chunk
    (encoded,) = await chain.encode([(kept, spec)])
    return detached(encoded, value)
