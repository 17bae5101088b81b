"""Writing of chunks.

If a write replaces only a part of a chunk, the chunk is read first. An executor encodes the chunks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from zarr.core._byte_ranges import RangeByteRequest
from zarr.core._codec_chain import CodecChain, split_codecs
from zarr.core._faults import told
from zarr.core.buffer import default_buffer_prototype
from zarr.core.chunks._item import key_for
from zarr.core.chunks._scatter import detached, filled, gather, is_empty, merge, sticks_out

if TYPE_CHECKING:
    from zarr.abc.codec import Codec
    from zarr.core._codec_chain import ResolvedChain
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.chunks._executor import Executor
    from zarr.core.chunks._item import WriteItem

    # A function that takes a byte setter, values, the selection that the values replace, a spec, an
    # executor, and a bool. The bool is True if the values replace all elements of the chunk that
    # are within the array.
    WritePart: TypeAlias = Callable[..., Awaitable[None]]


async def write_chunks(
    items: Sequence[WriteItem],
    value: NDBuffer,
    drop_axes: tuple[int, ...],
    executor: Executor,
    chain: CodecChain,
    write_part: WritePart | None,
    always: bool,
) -> None:
    """Write chunks.

    Parameters
    ----------
    items : sequence of WriteItem
        The chunks, and the selection of `value` for each chunk; see `CodecPipeline.write`.
    value : NDBuffer
        The elements to write.
    drop_axes : tuple of int
        Dimensions that have length 1 in the chunk selections and are missing from `value`.
    executor : Executor
        Runs the codecs, and decides how many chunks are written at the same time.
    chain : CodecChain
        Encodes the chunks.
    write_part : callable or None
        Function with which a codec changes a selection of a stored chunk; None if no codec has such
        a function.
    always : bool
        Whether `write_part` is also called for chunks that are written as a whole.
    """

    is_sync, memory = chain.is_sync, value.as_numpy_array()

    async def write(item: WriteItem, executor: Executor) -> None:
        place, spec, chunk_selection, out_selection, is_complete_chunk = item
        part = gather(value, out_selection, drop_axes)

        if write_part and (always or not is_complete_chunk or sticks_out(chunk_selection, spec)):
            key = key_for(place, executor)
            await write_part(key, part, chunk_selection, spec, executor, is_complete_chunk)
            return
        stored = None if is_complete_chunk else await key_for(place, executor).get(spec.prototype)

        try:
            if not is_sync:
                (existing,) = await chain.decode([(stored, spec)])
                (encoded,) = await chain.encode([(_renew(existing, part, item), spec)])
                encoded = detached(encoded, memory)
            elif executor.waits:
                encoded = await executor.run(_encode, chain, stored, part, item, memory)
            else:
                encoded = _encode(chain, stored, part, item, memory)
        except Exception as error:
            error.add_note(f"while encoding the chunk {place}")
            raise
        if encoded is None:
            key = key_for(place, executor)
            await delete_chunk(key, lambda: encode_filled(chain.codecs, spec, executor))
        elif executor.waits:
            await place.set(encoded)
        else:  # a coroutine would cost 0.5 us per chunk
            cast("Any", place).set_sync(encoded)

    await executor.each(write, items, lambda item: item[1]._nbytes or 0)


def _renew(existing: NDBuffer | None, part: NDBuffer, item: WriteItem) -> NDBuffer | None:
    """Return the new content of a chunk; None if the chunk does not need to be stored."""
    _, spec, chunk_selection, _, is_complete_chunk = item
    chunk = merge(existing, part, chunk_selection, spec, is_complete_chunk)
    return None if is_empty(chunk, spec) else chunk


def _encode(
    chain: CodecChain, stored: Buffer | None, part: NDBuffer, item: WriteItem, memory: Any
) -> Buffer | None:
    """Encode the new content of a chunk in the calling thread."""
    codecs = chain.for_spec(item[1])
    chunk = _renew(None if stored is None else decode(codecs, stored), part, item)
    return None if chunk is None else detached(codecs.encode_sync(chunk), memory)


def decode(codecs: ResolvedChain, stored: Buffer) -> NDBuffer:
    """Decode a stored chunk that a write will change in part."""
    try:
        return codecs.decode_sync(stored)
    except Exception as error:
        raise told(error)  # noqa: B904


async def delete_chunk(place: Any, encode_filled: Callable[[], Awaitable[Buffer | None]]) -> None:
    """Delete a chunk, or overwrite it with the fill value if the store cannot delete keys.

    Parameters
    ----------
    place : ByteSetter
        The key of the chunk.
    encode_filled : callable
        Returns an awaitable. The result of the awaitable is an encoded chunk that contains only the
        fill value. If the codecs do not encode such a chunk, the result is None.

    Raises
    ------
    NotImplementedError
        If the store cannot delete keys, the key is present, and the codecs do not encode a chunk
        that contains only the fill value.
    """
    if getattr(getattr(place, "store", None), "supports_deletes", True):  # assume True if unknown
        with suppress(NotImplementedError):
            await place.delete()
            return
    if await place.get(default_buffer_prototype(), RangeByteRequest(0, 1)) is None:
        return
    chunk = await encode_filled()
    if chunk is None:
        raise NotImplementedError(
            f"The store cannot delete {place}, and the codecs do not encode a chunk of fill values."
        )
    await place.set(chunk)


async def encode_filled(
    codecs: Sequence[Codec], spec: ArraySpec, executor: Executor
) -> Buffer | None:
    """Encode a chunk that contains only the fill value.

    Parameters
    ----------
    codecs : sequence of Codec
        The codecs in the order of encoding.
    spec : ArraySpec
        The spec of the chunk.
    executor : Executor
        Runs the codecs.

    Returns
    -------
    Buffer or None
        The encoded chunk; None if a codec returns None for such a chunk.
    """
    encode_nothing = getattr(codecs[0], "_encode_nothing", None)
    if encode_nothing is not None and len(codecs) == 1:
        return cast("Buffer", await encode_nothing(spec, executor))
    # With `write_empty_chunks`, codecs encode empty chunks instead of returning None.
    kept = replace(spec, config=replace(spec.config, write_empty_chunks=True))
    chain = CodecChain(*split_codecs(codecs, check_order=False))
    if chain.encodes_sync:
        return await executor.run(lambda: chain.encode_sync(filled(kept), kept))
    (encoded,) = await chain.encode([(filled(kept), kept)])
    return encoded
