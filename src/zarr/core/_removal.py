"""Removing a stored chunk that holds nothing but fill value, also where keys cannot be deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from zarr.core._byte_ranges import RangeByteRequest
from zarr.core._chunk_io import fill_value_of
from zarr.core._codec_chain import CodecChain, split_codecs
from zarr.core.buffer import default_buffer_prototype

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from zarr.abc.codec import Codec
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer

_FIRST = RangeByteRequest(0, 1)


async def remove(place: Any, encode_filled: Callable[[], Awaitable[Buffer | None]]) -> None:
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
    if _can_delete(place):
        try:
            await place.delete()
        except NotImplementedError:
            pass
        else:
            return
    if await _stored_at(place).get(default_buffer_prototype(), _FIRST) is not None:
        await place.set(_checked(place, await encode_filled()))


def remove_sync(place: Any, encode_filled: Callable[[], Buffer | None]) -> None:
    """Do what `remove` does in the calling thread."""
    if _can_delete(place):
        try:
            place.delete_sync()
        except NotImplementedError:
            pass
        else:
            return
    stored = _stored_at(place).get_sync(prototype=default_buffer_prototype(), byte_range=_FIRST)
    if stored is not None:
        place.set_sync(_checked(place, encode_filled()))


def _can_delete(place: Any) -> bool:
    """Tell whether it is worth to try; a place of somebody else's does not say."""
    return bool(getattr(getattr(_stored_at(place), "store", None), "supports_deletes", True))


def _stored_at(place: Any) -> Any:
    """Return where a key really is, for one that reads as absent though it may be there."""
    return getattr(place, "overwrites", place)


def _checked(place: Any, filled: Buffer | None) -> Buffer:
    if filled is None:
        raise NotImplementedError(
            f"{place} cannot be deleted, and its codecs do not encode a chunk of fill value."
        )
    return filled


def encode_filled_sync(codecs: Sequence[Codec], spec: ArraySpec) -> Buffer | None:
    """Encode a chunk of fill value by codecs that do not wait for anything."""
    encode_nothing = getattr(codecs[0], "_encode_nothing_sync", None)
    if encode_nothing is not None and len(codecs) == 1:
        return cast("Buffer", encode_nothing(spec))
    kept = _that_keeps_all(spec)
    return _chain(codecs).for_spec(kept).encode_sync(_filled_chunk(kept))


async def encode_filled(codecs: Sequence[Codec], spec: ArraySpec) -> Buffer | None:
    """Encode a chunk of fill value, by coroutines where codecs have nothing else."""
    encode_nothing = getattr(codecs[0], "_encode_nothing", None)
    if encode_nothing is not None and len(codecs) == 1:
        return cast("Buffer", await encode_nothing(spec))
    kept = _that_keeps_all(spec)
    (encoded,) = await _chain(codecs).encode([(_filled_chunk(kept), kept)])
    return encoded


def _that_keeps_all(spec: ArraySpec) -> ArraySpec:
    """Return a spec with which codecs leave nothing out."""
    return replace(spec, config=replace(spec.config, write_empty_chunks=True))


def _filled_chunk(spec: ArraySpec) -> NDBuffer:
    return spec.prototype.nd_buffer.create(
        shape=spec.shape,
        dtype=spec.dtype.to_native_dtype(),
        order=spec.order,
        fill_value=fill_value_of(spec),
    )


def _chain(codecs: Sequence[Codec]) -> CodecChain:
    return CodecChain(*split_codecs(codecs, check_order=False))
