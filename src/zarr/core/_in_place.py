"""Reading and writing chunks in a thread that waits for them."""

from __future__ import annotations

from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any, cast

from zarr.abc._store_access import access_of
from zarr.core._chunk_io import (
    decoded_nbytes,
    encode_merged,
    fill,
    gather,
    place_of,
    scatter_part,
    sticks_out,
)
from zarr.core._fetch import expecting
from zarr.core._overwritten import Overwritten
from zarr.core._placing import PORTION_BYTES
from zarr.core._removal import encode_filled_sync, remove_sync
from zarr.core._turns import clocks, distance, may_be_helped, reading
from zarr.core.common import product
from zarr.storage._common import StorePath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from zarr.abc.store import Store, SyncByteSetter
    from zarr.core._codec_chain import ResolvedChain
    from zarr.core._helping import Helping
    from zarr.core._placing import PlacingHere, ReadItem, WriteItem
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer

# How many chunks of a selection are looked at together. Where each is read by itself, taking all
# at once has no use, and thousands of objects more make the garbage collector look at all there are.
AT_ONCE_IN_PLACE = 1024


def all_in_place(items: Iterable[ReadItem | WriteItem], *, to_write: bool = False) -> bool:
    """Tell whether all chunks lie in stores that the calling thread may read, or write, itself."""
    store = None
    for place, *_ in items:
        if type(place) is not StorePath:
            return False
        if place.store is not store:
            store = place.store
            access = access_of(store)
            if not (access.writes_in_thread if to_write else access.reads_in_thread):
                return False
    return True


def is_large(spec: ArraySpec) -> bool:
    """Tell whether coding a chunk is worth a hand-over to another thread."""
    return product(spec.shape) * spec.dtype.to_native_dtype().itemsize >= PORTION_BYTES


def read_chunks(store: Store, items: Sequence[ReadItem], placing: PlacingHere) -> list[bool]:
    """Read chunks of one store in bulk, and put them into place as they arrive.

    Returns
    -------
    list of bool
        Whether each was found.
    """
    found = [False] * len(items)
    keys = [cast("StorePath", byte_getter).path for byte_getter, *_ in items]
    are_large = is_large(items[0][1])
    takes_turns = access_of(store).reads_in_thread and len(items) > 1 and not are_large
    in_turn = takes_turns
    prototype = items[0][1].prototype
    with (
        expecting(decoded_nbytes(items[0][1])),
        closing(store._get_many_sync(keys, prototype=prototype)) as batches,  # type: ignore[type-var]
    ):
        while True:
            with reading.taken() if in_turn and distance.is_near else nullcontext(False) as in_turn:
                asked = clocks()
                batch = next(batches, None)
                if batch is None:
                    return found
                if takes_turns:
                    distance.note(len(batch), asked)
                for index, encoded in batch:
                    found[index] = encoded is not None
                placing.add(batch, may_share=are_large or may_be_helped())


def read_parts(
    decode: Callable[..., NDBuffer | None],
    items: Sequence[ReadItem],
    out: NDBuffer,
    drop_axes: tuple[int, ...],
    helping: Helping,
) -> list[bool]:
    """Read selections of chunks by a codec that needs not all of a chunk for it.

    Parameters
    ----------
    decode : callable
        Takes a byte getter, a selection, a spec, and a buffer that may receive the selection.
    items, out, drop_axes
        As for the pipeline's `read`.
    helping : Helping
        Runs it.

    Returns
    -------
    list of bool
        Whether each chunk was found.
    """
    found = [False] * len(items)

    def read(index: int) -> None:
        byte_getter, spec, chunk_selection, out_selection, _ = items[index]
        target = None if drop_axes else place_of(out, out_selection)
        part = decode(byte_getter, chunk_selection, spec, target)
        if part is None:
            fill(out, out_selection, spec)
            return
        found[index] = True
        if part is not target:
            scatter_part(out, part, out_selection, drop_axes)

    for index, item in enumerate(items):
        helping.run(len(items) > 1 and is_large(item[1]), read, index)
    return found


def write_chunk(
    chain: ResolvedChain,
    encode_part: Callable[..., None] | None,
    item: WriteItem,
    value: NDBuffer,
    drop_axes: tuple[int, ...],
) -> None:
    """Write one chunk, reading it first where part of it stays.

    Parameters
    ----------
    chain : ResolvedChain
        Encodes, settled for the chunk.
    encode_part : callable or None
        Changes a selection of a stored chunk by itself; None where no codec can.
    item, value, drop_axes
        As for the pipeline's `write`.
    """
    place: Any
    place, spec, chunk_selection, out_selection, is_complete_chunk = item
    part = gather(value, out_selection, drop_axes)

    def encode_fill() -> Buffer | None:
        return encode_filled_sync([stage.codec for stage in chain.stages], spec)

    if encode_part is not None:
        if not is_complete_chunk:
            encode_part(place, part, chunk_selection, spec)
            return
        if sticks_out(chunk_selection, spec):
            whole = Overwritten(place)
            encode_part(whole, part, chunk_selection, spec)
            if not whole.is_settled:
                remove_sync(place, encode_fill)
            return
    byte_setter: SyncByteSetter = place
    stored = None if is_complete_chunk else byte_setter.get_sync(prototype=spec.prototype)
    try:
        encoded = encode_merged(chain, stored, item, part, value)
    except Exception as error:
        error.add_note(f"while encoding the chunk {place}")
        raise
    if encoded is None:
        remove_sync(place, encode_fill)
    else:
        byte_setter.set_sync(encoded)
