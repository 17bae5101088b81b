"""Reading and writing the chunks of an array through its codecs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from zarr.abc._store_access import read_method
from zarr.abc.codec import (
    ArrayArrayCodec,
    ArrayBytesCodec,
    ArrayBytesCodecPartialDecodeMixin,
    ArrayBytesCodecPartialEncodeMixin,
    BytesBytesCodec,
    CodecPipeline,
    GetResult,
)
from zarr.core._chunk_io import (
    decoded_nbytes,
    detached,
    encode_merged,
    fill,
    gather,
    is_empty,
    merge,
    scatter_part,
    sticks_out,
)
from zarr.core._codec_chain import CodecChain, split_codecs
from zarr.core._fetch import expecting
from zarr.core._helping import Helping
from zarr.core._in_place import (
    AT_ONCE_IN_PLACE,
    all_in_place,
    is_large,
    read_chunks,
    read_parts,
    write_chunk,
)
from zarr.core._overwritten import Overwritten
from zarr.core._placing import Placing, PlacingHere, batched
from zarr.core._removal import encode_filled, encode_filled_sync, remove
from zarr.core.common import closing, concurrent_foreach, concurrent_map
from zarr.core.config import config
from zarr.core.sync import in_pool, sync
from zarr.registry import register_pipeline
from zarr.storage._common import StorePath

if TYPE_CHECKING:
    from typing import Self

    from zarr.abc.codec import Codec
    from zarr.abc.store import ByteGetter, ByteSetter, Store
    from zarr.core._placing import ReadItem, WriteItem
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType
    from zarr.core.indexing import SelectorTuple
    from zarr.core.metadata.v3 import ChunkGridMetadata

_T = TypeVar("_T")

_PRESENT = GetResult(status="present")
_MISSING = GetResult(status="missing")


def codecs_from_list(
    codecs: Iterable[Codec],
) -> tuple[tuple[ArrayArrayCodec, ...], ArrayBytesCodec, tuple[BytesBytesCodec, ...]]:
    """Sort codecs by role, refusing an order in which they cannot work.

    Returns
    -------
    tuple
        Codecs from array to array, the one from array to bytes, codecs from bytes to bytes.

    Raises
    ------
    TypeError, ValueError
        See `zarr.core._codec_chain.split_codecs`.
    """
    return split_codecs(codecs)


def codecs_from_list_unchecked(
    codecs: Iterable[Codec],
) -> tuple[tuple[ArrayArrayCodec, ...], ArrayBytesCodec, tuple[BytesBytesCodec, ...]]:
    """Sort codecs by role, in whatever order they come; see `codecs_from_list`."""
    return split_codecs(codecs, check_order=False)


def pipeline_supports_partial_decode(
    array_bytes_codec: ArrayBytesCodec,
    *,
    array_array_codecs: Sequence[ArrayArrayCodec],
    bytes_bytes_codecs: Sequence[BytesBytesCodec],
    require_no_aa_bb: bool,
) -> bool:
    """Tell whether a selection of a chunk can be decoded without the rest of it.

    Parameters
    ----------
    array_bytes_codec : ArrayBytesCodec
        The codec that would have to do it.
    array_array_codecs, bytes_bytes_codecs : sequence of codec
        The other codecs of the chain.
    require_no_aa_bb : bool
        Whether any other codec rules it out: behind a compressor the bytes of a part cannot be
        found, and after a transposition a selection means something else.
    """
    alone = not array_array_codecs and not bytes_bytes_codecs
    return isinstance(array_bytes_codec, ArrayBytesCodecPartialDecodeMixin) and (
        alone or not require_no_aa_bb
    )


def pipeline_supports_partial_encode(
    array_bytes_codec: ArrayBytesCodec,
    *,
    array_array_codecs: Sequence[ArrayArrayCodec],
    bytes_bytes_codecs: Sequence[BytesBytesCodec],
    require_no_aa_bb: bool,
) -> bool:
    """Tell whether the codec can change a selection of a stored chunk by itself.

    Parameters are those of `pipeline_supports_partial_decode`.
    """
    alone = not array_array_codecs and not bytes_bytes_codecs
    return isinstance(array_bytes_codec, ArrayBytesCodecPartialEncodeMixin) and (
        alone or not require_no_aa_bb
    )


def resolve_batched(codec: Codec, chunk_specs: Iterable[ArraySpec]) -> Iterable[ArraySpec]:
    """Return the specs of chunks after a codec has encoded them."""
    return [codec.resolve_metadata(spec) for spec in chunk_specs]


def resolve_aa_specs(
    aa_codecs: Iterable[ArrayArrayCodec], chunk_spec: ArraySpec
) -> tuple[list[ArraySpec], ArraySpec]:
    """Return the spec each codec from array to array sees, and the one after the last."""
    specs: list[ArraySpec] = []
    for codec in aa_codecs:
        specs.append(chunk_spec)
        chunk_spec = codec.resolve_metadata(chunk_spec)
    return specs, chunk_spec


@dataclass(frozen=True)
class BatchedCodecPipeline(CodecPipeline):
    """The codec pipeline of arrays, unless the configuration names another.

    Codecs never run on the event loop: those that do not wait for anything run in the worker
    pool, the others by their own coroutines.

    Parameters
    ----------
    array_array_codecs : tuple of ArrayArrayCodec
        Applied first when encoding.
    array_bytes_codec : ArrayBytesCodec
        Applied next.
    bytes_bytes_codecs : tuple of BytesBytesCodec
        Applied last.
    batch_size : int
        How many chunks a codec that is given by coroutines gets at once.
    """

    array_array_codecs: tuple[ArrayArrayCodec, ...]
    array_bytes_codec: ArrayBytesCodec
    bytes_bytes_codecs: tuple[BytesBytesCodec, ...]
    batch_size: int

    @classmethod
    def from_codecs(cls, codecs: Iterable[Codec], *, batch_size: int | None = None) -> Self:
        """Make a pipeline of codecs in the order of encoding.

        Parameters
        ----------
        codecs : iterable of codec
            The codecs.
        batch_size : int or None
            See the class; None for the configured ``codec_pipeline.batch_size``.

        Raises
        ------
        TypeError, ValueError
            If the codecs cannot work in that order.
        """
        size = config.get("codec_pipeline.batch_size") if batch_size is None else batch_size
        return cls._from_chain(CodecChain.from_codecs(codecs), size)

    @classmethod
    def _from_chain(cls, chain: CodecChain, batch_size: int) -> Self:
        by_role = (chain.array_array_codecs, chain.array_bytes_codec, chain.bytes_bytes_codecs)
        return cls(*by_role, batch_size)

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        # docstring inherited
        return self._from_chain(self._chain.evolve(array_spec), self.batch_size)

    @cached_property
    def _chain(self) -> CodecChain:
        return CodecChain(self.array_array_codecs, self.array_bytes_codec, self.bytes_bytes_codecs)

    def __iter__(self) -> Iterator[Codec]:
        return iter(self._chain.codecs)

    @property
    def supports_partial_decode(self) -> bool:
        # docstring inherited
        return pipeline_supports_partial_decode(
            self.array_bytes_codec,
            array_array_codecs=self.array_array_codecs,
            bytes_bytes_codecs=self.bytes_bytes_codecs,
            require_no_aa_bb=True,
        )

    @property
    def supports_partial_encode(self) -> bool:
        # docstring inherited
        return pipeline_supports_partial_encode(
            self.array_bytes_codec,
            array_array_codecs=self.array_array_codecs,
            bytes_bytes_codecs=self.bytes_bytes_codecs,
            require_no_aa_bb=True,
        )

    def validate(
        self,
        *,
        shape: tuple[int, ...],
        dtype: ZDType[TBaseDType, TBaseScalar],
        chunk_grid: ChunkGridMetadata,
    ) -> None:
        # docstring inherited
        for codec in self:
            codec.validate(shape=shape, dtype=dtype, chunk_grid=chunk_grid)

    def compute_encoded_size(self, byte_length: int, array_spec: ArraySpec) -> int:
        # docstring inherited
        return self._chain.compute_encoded_size(byte_length, array_spec)

    # --- decoding and encoding ----------------------------------------------------------

    async def decode(
        self, chunk_bytes_and_specs: Iterable[tuple[Buffer | None, ArraySpec]]
    ) -> Iterable[NDBuffer | None]:
        # docstring inherited
        return await self._in_batches(self.decode_batch, chunk_bytes_and_specs)

    async def decode_batch(
        self, chunk_bytes_and_specs: Iterable[tuple[Buffer | None, ArraySpec]]
    ) -> Iterable[NDBuffer | None]:
        """Decode chunks at once; see `decode`."""
        chunks = list(chunk_bytes_and_specs)
        chain = self._chain
        if not chain.decodes_sync:
            return await chain.decode(chunks)

        def decode_all() -> list[NDBuffer | None]:
            return [None if c is None else chain.decode_sync(c, spec) for c, spec in chunks]

        return await in_pool(decode_all)

    async def encode(
        self, chunk_arrays_and_specs: Iterable[tuple[NDBuffer | None, ArraySpec]]
    ) -> Iterable[Buffer | None]:
        # docstring inherited
        return await self._in_batches(self.encode_batch, chunk_arrays_and_specs)

    async def encode_batch(
        self, chunk_arrays_and_specs: Iterable[tuple[NDBuffer | None, ArraySpec]]
    ) -> Iterable[Buffer | None]:
        """Encode chunks at once; see `encode`."""
        chunks = list(chunk_arrays_and_specs)
        chain = self._chain
        if not chain.encodes_sync:
            return await chain.encode(chunks)

        def encode_all() -> list[Buffer | None]:
            return [None if c is None else chain.encode_sync(c, spec) for c, spec in chunks]

        return await in_pool(encode_all)

    async def _in_batches(self, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        batches = batched(items, self.batch_size)
        done = await concurrent_map([(batch,) for batch in batches], function)
        return [result for batch in done for result in batch]

    async def decode_partial_batch(
        self, batch_info: Iterable[tuple[ByteGetter, SelectorTuple, ArraySpec]]
    ) -> Iterable[NDBuffer | None]:
        """Read and decode a selection of each chunk, by the codec that can."""
        codec = cast("ArrayBytesCodecPartialDecodeMixin", self.array_bytes_codec)
        return await codec.decode_partial(batch_info)

    async def encode_partial_batch(
        self, batch_info: Iterable[tuple[ByteSetter, NDBuffer, SelectorTuple, ArraySpec]]
    ) -> None:
        """Encode and store a selection of each chunk, by the codec that can."""
        codec = cast("ArrayBytesCodecPartialEncodeMixin", self.array_bytes_codec)
        await codec.encode_partial(batch_info)

    # --- reading ------------------------------------------------------------------------

    def _placing(
        self, items: Sequence[ReadItem], out: NDBuffer, drop_axes: tuple[int, ...]
    ) -> Placing:
        return Placing(self._chain, items, out, drop_axes, batch_size=self.batch_size)

    async def read(
        self,
        batch_info: Iterable[ReadItem],
        out: NDBuffer,
        drop_axes: tuple[int, ...] = (),
    ) -> tuple[GetResult, ...]:
        # docstring inherited
        items = list(batch_info)
        store = None if self.supports_partial_decode else _shared_store(items)
        if store is None:
            one = self._read_part if self.supports_partial_decode else self._read_chunk
            return tuple(await concurrent_map([(item, out, drop_axes) for item in items], one))
        found = [False] * len(items)
        keys = [cast("StorePath", byte_getter).path for byte_getter, *_ in items]
        batches = read_method(store, "get_many")(keys, prototype=items[0][1].prototype)
        with expecting(decoded_nbytes(items[0][1])):
            async with closing(batches), self._placing(items, out, drop_axes) as placing:
                async for batch in batches:
                    for index, encoded in batch:
                        found[index] = encoded is not None
                    await placing.add(batch)
        return _results(found)

    def read_sync(
        self,
        batch_info: Iterable[ReadItem],
        out: NDBuffer,
        drop_axes: tuple[int, ...] = (),
        max_workers: int | None = None,
    ) -> tuple[GetResult, ...]:
        """Read chunks and wait for them; this thread decodes.

        Parameters
        ----------
        batch_info, out, drop_axes
            As for `read`; so are what is returned, and the errors raised.
        max_workers : int or None
            How many threads may decode, this one included; None for the configured
            ``codec_pipeline.max_workers``, or one per processor. Chunks that take long are shared.
        """
        results: list[GetResult] = []
        portions = batched(batch_info, AT_ONCE_IN_PLACE)
        with Helping(max_workers or config.get("codec_pipeline.max_workers")) as helping:
            for items in portions:
                if not all_in_place(items[:1]):  # the store may fetch neighbours together
                    items += [item for portion in portions for item in portion]
                found = self._read_here(items, out, drop_axes, helping)
                results += (
                    sync(self.read(items, out, drop_axes)) if found is None else _results(found)
                )
        return tuple(results)

    def _read_here(
        self,
        items: Sequence[ReadItem],
        out: NDBuffer,
        drop_axes: tuple[int, ...],
        helping: Helping,
    ) -> list[bool] | None:
        """Read chunks in this thread and tell which were found; None where that is not possible."""
        if not self._chain.decodes_sync:
            return None
        if self.supports_partial_decode:
            decode = getattr(self.array_bytes_codec, "_decode_partial_sync", None)
            if decode is None or not all_in_place(items):
                return None
            return read_parts(decode, items, out, drop_axes, helping)
        store = _shared_store(items)
        if store is None:
            return None
        placing = PlacingHere(self._chain, items, out, drop_axes, helping)
        return read_chunks(store, items, placing)

    async def read_batch(
        self,
        batch_info: Iterable[ReadItem],
        out: NDBuffer,
        drop_axes: tuple[int, ...] = (),
    ) -> tuple[GetResult, ...]:
        """Read chunks; see `read`."""
        return await self.read(batch_info, out, drop_axes)

    async def _read_part(
        self, item: ReadItem, out: NDBuffer, drop_axes: tuple[int, ...]
    ) -> GetResult:
        """Read a selection of one chunk without the rest of it."""
        byte_getter, spec, chunk_selection, out_selection, _ = item
        (part,) = await self.decode_partial_batch([(byte_getter, chunk_selection, spec)])
        if part is None:
            fill(out, out_selection, spec)
            return _MISSING
        scatter_part(out, part, out_selection, drop_axes)
        return _PRESENT

    async def _read_chunk(
        self, item: ReadItem, out: NDBuffer, drop_axes: tuple[int, ...]
    ) -> GetResult:
        """Read one chunk."""
        byte_getter, spec, *_ = item
        encoded = await byte_getter.get(prototype=spec.prototype)
        return await self._place(item, encoded, out, drop_axes)

    async def _place(
        self,
        item: ReadItem,
        encoded: Buffer | None,
        out: NDBuffer,
        drop_axes: tuple[int, ...],
    ) -> GetResult:
        """Decode one chunk and put its selection into place."""
        async with self._placing([item], out, drop_axes) as placing:
            await placing.add([(0, encoded)])
        return _MISSING if encoded is None else _PRESENT

    # --- writing ------------------------------------------------------------------------

    async def write(
        self,
        batch_info: Iterable[WriteItem],
        value: NDBuffer,
        drop_axes: tuple[int, ...] = (),
    ) -> None:
        # docstring inherited
        items = ((item, value, drop_axes) for item in batch_info)
        await concurrent_foreach(items, self._write_chunk, None)

    async def write_batch(
        self,
        batch_info: Iterable[WriteItem],
        value: NDBuffer,
        drop_axes: tuple[int, ...] = (),
    ) -> None:
        """Write chunks; see `write`."""
        await self.write(batch_info, value, drop_axes)

    async def _write_chunk(
        self, item: WriteItem, value: NDBuffer, drop_axes: tuple[int, ...]
    ) -> None:
        """Write one chunk, reading it first where part of it stays."""
        byte_setter, spec, chunk_selection, out_selection, is_complete_chunk = item
        part = gather(value, out_selection, drop_axes)

        async def encode_fill() -> Buffer | None:
            if self._chain.is_sync:
                return await in_pool(lambda: encode_filled_sync(self._chain.codecs, spec))
            return await encode_filled(self._chain.codecs, spec)

        if self.supports_partial_encode:
            if not is_complete_chunk:
                await self.encode_partial_batch([(byte_setter, part, chunk_selection, spec)])
                return
            if sticks_out(chunk_selection, spec):
                whole = Overwritten(byte_setter)
                await self.encode_partial_batch([(whole, part, chunk_selection, spec)])
                if not whole.is_settled:
                    await remove(byte_setter, encode_fill)
                return
        stored = None if is_complete_chunk else await byte_setter.get(prototype=spec.prototype)
        chain = self._chain
        try:
            if chain.is_sync:
                settled = chain.for_spec(spec)
                encoded = await in_pool(lambda: encode_merged(settled, stored, item, part, value))
            else:
                (existing,) = await chain.decode([(stored, spec)])
                chunk = merge(existing, part, chunk_selection, spec, is_complete_chunk)
                kept = None if is_empty(chunk, spec) else chunk
                (encoded,) = await chain.encode([(kept, spec)])
                encoded = detached(encoded, value)
        except Exception as error:
            error.add_note(f"while encoding the chunk {byte_setter}")
            raise
        if encoded is None:
            await remove(byte_setter, encode_fill)
        else:
            await byte_setter.set(encoded)

    def write_sync(
        self,
        batch_info: Iterable[WriteItem],
        value: NDBuffer,
        drop_axes: tuple[int, ...] = (),
        max_workers: int | None = None,
    ) -> None:
        """Write chunks and wait until they are stored; this thread encodes, where the store can.

        Parameters
        ----------
        batch_info, value, drop_axes
            As for `write`; so are the errors raised.
        max_workers : int or None
            How many threads may encode, this one included; as for `read_sync`.
        """
        encode = None
        can_encode_here = self._chain.is_sync
        if self.supports_partial_encode:
            encode = getattr(self.array_bytes_codec, "_encode_partial_sync", None)
            can_encode_here = can_encode_here and encode is not None
        portions = batched(batch_info, AT_ONCE_IN_PLACE)
        with Helping(max_workers or config.get("codec_pipeline.max_workers")) as helping:
            for items in portions:
                if not can_encode_here or not all_in_place(items, to_write=True):
                    items += [item for portion in portions for item in portion]
                    sync(self.write(items, value, drop_axes))
                    return
                spec: ArraySpec | None = None
                for item in items:
                    if item[1] is not spec:
                        spec = item[1]
                        settled, large = self._chain.for_spec(spec), is_large(spec)
                    if large and len(items) > 1:
                        helping.run(True, write_chunk, settled, encode, item, value, drop_axes)
                    else:
                        write_chunk(settled, encode, item, value, drop_axes)


def _results(found: Sequence[bool]) -> tuple[GetResult, ...]:
    return tuple([_PRESENT if present else _MISSING for present in found])


def _shared_store(items: Sequence[ReadItem]) -> Store | None:
    """Return the store that holds all chunks of a read; None where they cannot be read in bulk.

    That takes store paths of one store, whose `get` is the store's own, and one kind of buffer.
    """
    if not items:
        return None
    first, first_spec, *_ = items[0]
    if type(first) is not StorePath:
        return None
    store = first.store
    for byte_getter, spec, *_ in items:
        if type(byte_getter) is not StorePath or byte_getter.store is not store:
            return None
        if spec is not first_spec and spec.prototype != first_spec.prototype:
            return None
    return store


@dataclass(frozen=True)
class AsyncChunkTransform:
    """Decodes and encodes single chunks by the coroutines of their codecs.

    Parameters
    ----------
    codecs : tuple of codec
        In the order of encoding.
    """

    codecs: tuple[Codec, ...]

    def __init__(self, *, codecs: Iterable[Codec]) -> None:
        object.__setattr__(self, "codecs", tuple(codecs))
        split_codecs(self.codecs)

    @cached_property
    def _chain(self) -> CodecChain:
        return CodecChain.from_codecs(self.codecs)

    @property
    def _aa_codecs(self) -> tuple[ArrayArrayCodec, ...]:
        return self._chain.array_array_codecs

    @property
    def _ab_codec(self) -> ArrayBytesCodec:
        return self._chain.array_bytes_codec

    @property
    def _bb_codecs(self) -> tuple[BytesBytesCodec, ...]:
        return self._chain.bytes_bytes_codecs

    async def decode_chunk(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        """Decode one chunk.

        Parameters
        ----------
        chunk_bytes : Buffer
            The encoded chunk.
        chunk_spec : ArraySpec
            Describes the decoded chunk.
        """
        (chunk,) = await self._chain.decode([(chunk_bytes, chunk_spec)])
        assert chunk is not None
        return chunk

    async def encode_chunk(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        """Encode one chunk; None where a codec finds nothing to store.

        Parameters
        ----------
        chunk_array : NDBuffer
            The chunk.
        chunk_spec : ArraySpec
            Describes it.
        """
        (encoded,) = await self._chain.encode([(chunk_array, chunk_spec)])
        return encoded


@dataclass(frozen=True, init=False)
class FusedCodecPipeline(BatchedCodecPipeline):
    """The codec pipeline of arrays under the name of one that fetches and codes in one step.

    That is what the other does where the calling thread can; the names differ in how many threads
    code by default. Settings that name this class go on working.

    Parameters
    ----------
    codecs : tuple of codec
        All codecs in the order of encoding.
    array_array_codecs, array_bytes_codec, bytes_bytes_codecs
        The same by role; see `BatchedCodecPipeline`.
    sync_transform : CodecChain or None
        The codecs as a function of a chunk; None where one of them is given by coroutines.
    batch_size : int
        See `BatchedCodecPipeline`.
    """

    codecs: tuple[Codec, ...]
    sync_transform: CodecChain | None

    def __init__(
        self,
        codecs: tuple[Codec, ...],
        array_array_codecs: tuple[ArrayArrayCodec, ...],
        array_bytes_codec: ArrayBytesCodec,
        bytes_bytes_codecs: tuple[BytesBytesCodec, ...],
        sync_transform: CodecChain | None,
        batch_size: int,
    ) -> None:
        by_role = (array_array_codecs, array_bytes_codec, bytes_bytes_codecs)
        super().__init__(*by_role, batch_size)
        object.__setattr__(self, "codecs", codecs)
        object.__setattr__(self, "sync_transform", sync_transform)

    @classmethod
    def _from_chain(cls, chain: CodecChain, batch_size: int) -> Self:
        by_role = (chain.array_array_codecs, chain.array_bytes_codec, chain.bytes_bytes_codecs)
        return cls(chain.codecs, *by_role, chain if chain.is_sync else None, batch_size)

    def read_sync(
        self,
        batch_info: Iterable[ReadItem],
        out: NDBuffer,
        drop_axes: tuple[int, ...] = (),
        max_workers: int | None = 1,
    ) -> tuple[GetResult, ...]:
        # docstring inherited
        return super().read_sync(batch_info, out, drop_axes, max_workers)

    def write_sync(
        self,
        batch_info: Iterable[WriteItem],
        value: NDBuffer,
        drop_axes: tuple[int, ...] = (),
        max_workers: int | None = 1,
    ) -> None:
        # docstring inherited
        super().write_sync(batch_info, value, drop_axes, max_workers)


register_pipeline(BatchedCodecPipeline)
register_pipeline(FusedCodecPipeline)
