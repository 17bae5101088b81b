"""Deleting a stored chunk that holds nothing but fill value, also where keys cannot be deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from zarr.core._byte_ranges import RangeByteRequest
from zarr.core._codec_chain import CodecChain, split_codecs
from zarr.core.buffer import default_buffer_prototype
from zarr.core.chunks._keys import key_itself
from zarr.core.chunks._scatter import fill_value_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from zarr.abc.codec import Codec
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.chunks._executor import Executor

_FIRST = RangeByteRequest(0, 1)


async def delete_chunk(place: Any, encode_filled: Callable[[], Awaitable[Buffer | None]]) -> None:
    """Delete a key, or write a chunk of fill value over it where it is there and has to stay.

    Parameters
    ----------
    place : ByteSetter
        The key.
    encode_filled : callable
        Returns that chunk, encoded.

    Raises
    ------
    NotImplementedError
        If the key cannot be deleted, and no codec makes anything of fill value.
    """
    # A place of somebody else's does not say whether it is worth to try.
    store = getattr(key_itself(place), "store", None)
    if getattr(store, "supports_deletes", True):
        try:
            await place.delete()
        except NotImplementedError:
            pass
        else:
            return
    stored = getattr(place, "replaces", place)
    if await stored.get(default_buffer_prototype(), _FIRST) is None:
        return
    filled = await encode_filled()
    if filled is None:
        raise NotImplementedError(
            f"{place} cannot be deleted, and its codecs do not encode a chunk of fill value."
        )
    await place.set(filled)


async def encode_filled(
    codecs: Sequence[Codec], spec: ArraySpec, executor: Executor
) -> Buffer | None:
    """Encode a chunk of fill value.

    Parameters
    ----------
    codecs : sequence of Codec
        In the order of encoding.
    spec : ArraySpec
        Describes the chunk.
    executor : Executor
        Where the codecs run.

    Returns
    -------
    Buffer or None
        None where a codec makes nothing of it.
    """
    encode_nothing = getattr(codecs[0], "_encode_nothing", None)
    if encode_nothing is not None and len(codecs) == 1:
        return cast("Buffer", await encode_nothing(spec, executor))
    # With this, codecs leave nothing out.
    kept = replace(spec, config=replace(spec.config, write_empty_chunks=True))
    chain = CodecChain(*split_codecs(codecs, check_order=False))
    if chain.encodes_sync:
        return await executor.run(lambda: chain.encode_sync(_filled_chunk(kept), kept))
    (encoded,) = await chain.encode([(_filled_chunk(kept), kept)])
    return encoded


def _filled_chunk(spec: ArraySpec) -> NDBuffer:
    return spec.prototype.nd_buffer.create(
        shape=spec.shape,
        dtype=spec.dtype.to_native_dtype(),
        order=spec.order,
        fill_value=fill_value_of(spec),
    )
