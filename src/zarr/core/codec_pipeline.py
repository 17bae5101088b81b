"""Reading and writing the chunks of an array through its codecs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from zarr.abc.codec import (
    ArrayArrayCodec,
    ArrayBytesCodec,
    ArrayBytesCodecPartialDecodeMixin,
    ArrayBytesCodecPartialEncodeMixin,
    BytesBytesCodec,
    CodecPipeline,
    GetResult,
)
from zarr.abc.store import set_or_delete
from zarr.core._chunk_io import (
    detached,
    fill,
    gather,
    is_empty,
    merge,
    scatter,
    scatter_part,
)
from zarr.core._coalesce import KiB
from zarr.core._codec_chain import CodecChain, split_codecs
from zarr.core.common import closing, concurrent_foreach, concurrent_map
from zarr.core.config import config
from zarr.core.sync import get_pool
from zarr.registry import register_pipeline
from zarr.storage._common import StorePath

if TYPE_CHECKING:
    from typing import Self

    from zarr.abc.codec import Codec
    from zarr.abc.store import ByteGetter, ByteSetter, Store
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType
    from zarr.core.indexing import SelectorTuple
    from zarr.core.metadata.v3 import ChunkGridMetadata

    # where the chunk is stored, its spec, selection in the chunk, place in the array, whole chunk?
    ReadItem: TypeAlias = tuple[ByteGetter, ArraySpec, SelectorTuple, SelectorTuple, bool]
    WriteItem: TypeAlias = tuple[ByteSetter, ArraySpec, SelectorTuple, SelectorTuple, bool]

_T = TypeVar("_T")

# Encoded bytes worth a hand-over to the worker pool, about 20 us; zstd decodes them in 200 us.
_PORTION_BYTES = 256 * KiB
_PORTIONS_IN_POOL = os.cpu_count() or 1

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
        return cls(*split_codecs(codecs), batch_size=size)

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        # docstring inherited
        chain = self._chain.evolve(array_spec)
        return type(self)(
            chain.array_array_codecs,
            chain.array_bytes_codec,
            chain.bytes_bytes_codecs,
            self.batch_size,
        )

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

        return await _in_pool(decode_all)

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

        return await _in_pool(encode_all)

    async def _in_batches(self, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        batches = _batched(items, self.batch_size)
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
        batches = store.get_many(keys, prototype=items[0][1].prototype)
        async with closing(batches), _Placing(self, items, out, drop_axes) as placing:
            async for batch in batches:
                for index, encoded in batch:
                    found[index] = encoded is not None
                await placing.add(batch)
        return tuple(_PRESENT if present else _MISSING for present in found)

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
        async with _Placing(self, [item], out, drop_axes) as placing:
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
        if not is_complete_chunk and self.supports_partial_encode:
            await self.encode_partial_batch([(byte_setter, part, chunk_selection, spec)])
            return
        stored = None if is_complete_chunk else await byte_setter.get(prototype=spec.prototype)
        chain = self._chain

        def merged(existing: NDBuffer | None) -> NDBuffer | None:
            chunk = merge(existing, part, chunk_selection, spec, is_complete_chunk)
            return None if is_empty(chunk, spec) else chunk

        def encode() -> Buffer | None:
            existing = None if stored is None else chain.decode_sync(stored, spec)
            chunk = merged(existing)
            return None if chunk is None else detached(chain.encode_sync(chunk, spec), value)

        try:
            if chain.is_sync:
                encoded = await _in_pool(encode)
            else:
                (existing,) = await chain.decode([(stored, spec)])
                (encoded,) = await chain.encode([(merged(existing), spec)])
                encoded = detached(encoded, value)
        except Exception as error:
            error.add_note(f"while encoding the chunk {byte_setter}")
            raise
        await set_or_delete(byte_setter, encoded)


def _shared_store(items: Sequence[ReadItem]) -> Store | None:
    """Return the store that holds all chunks of a read; None where they cannot be read in bulk.

    That takes store paths of one store, whose `get` is the store's own, and one kind of buffer.
    """
    if not items:
        return None
    first, spec, *_ = items[0]
    if not isinstance(first, StorePath):
        return None
    store, prototype = first.store, spec.prototype
    for byte_getter, spec, *_ in items:
        if type(byte_getter) is not StorePath or byte_getter.store is not store:
            return None
        if spec.prototype != prototype:
            return None
    return store


class _Placing:
    """Decodes chunks and puts them into place, while others are still being fetched.

    Small chunks are handed to the worker pool several at a time: handing over costs as much as
    decoding one. At most as many portions as there are processors are in the pool at once; adding
    more waits, and with it the read that brings them. On leaving, all that was added is in place,
    or nothing writes into the output any more.

    Parameters
    ----------
    pipeline : BatchedCodecPipeline
        Whose codecs decode.
    items : sequence of tuple
        The chunks of the read.
    out : NDBuffer
        Receives their selections.
    drop_axes : tuple of int
        See `CodecPipeline.read`.
    """

    def __init__(
        self,
        pipeline: BatchedCodecPipeline,
        items: Sequence[ReadItem],
        out: NDBuffer,
        drop_axes: tuple[int, ...],
    ) -> None:
        self._chain = pipeline._chain
        self._batch_size = pipeline.batch_size
        self._items = items
        self._out = out
        self._drop_axes = drop_axes
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

    async def add(self, arrived: Sequence[tuple[int, Buffer | None]]) -> None:
        """Take chunks that have arrived, by their index in the items of the read.

        Raises
        ------
        Exception
            If decoding one of those added before has failed.
        """
        present: list[tuple[int, Buffer]] = []
        for index, encoded in arrived:
            if encoded is None:
                _, spec, _, out_selection, _ = self._items[index]
                fill(self._out, out_selection, spec)
            else:
                present.append((index, encoded))
        if not self._chain.decodes_sync:
            for batch in _batched(present, self._batch_size):
                await self._decode_async(batch)
            return
        loop = asyncio.get_running_loop()
        for portion in _portions(present):
            if len(self._running) >= _PORTIONS_IN_POOL:
                done, self._running = await asyncio.wait(
                    self._running, return_when=asyncio.FIRST_COMPLETED
                )
                # Of several that fail at once one is raised, and none is reported when it is freed.
                failed = [ended for ended in done if ended.exception() is not None]
                for ended in failed:
                    ended.result()
            self._running.add(loop.run_in_executor(get_pool(), self.place, portion))

    def place(self, portion: Sequence[tuple[int, Buffer]]) -> None:
        """Decode chunks and put them into place, in the calling thread."""
        out, drop_axes = self._out, self._drop_axes
        for index, encoded in portion:
            byte_getter, spec, chunk_selection, out_selection, _ = self._items[index]
            try:
                chunk = self._chain.decode_sync(encoded, spec)
                scatter(out, chunk, chunk_selection, out_selection, drop_axes)
            except Exception as error:
                error.add_note(f"while decoding the chunk {byte_getter}")
                raise

    async def _decode_async(self, batch: Sequence[tuple[int, Buffer]]) -> None:
        """Decode chunks by the coroutines of the codecs, and put them into place."""
        items = [self._items[index] for index, _ in batch]
        try:
            chunks = await self._chain.decode(
                [(encoded, item[1]) for (_, encoded), item in zip(batch, items)]
            )
        except Exception as error:
            error.add_note(f"while decoding the chunks {', '.join(str(item[0]) for item in items)}")
            raise
        for (_, _, chunk_selection, out_selection, _), chunk in zip(items, chunks):
            assert chunk is not None
            scatter(self._out, chunk, chunk_selection, out_selection, self._drop_axes)


def _portions(chunks: Sequence[tuple[int, Buffer]]) -> Iterator[list[tuple[int, Buffer]]]:
    """Divide chunks so that each portion is worth a hand-over to another thread."""
    portion: list[tuple[int, Buffer]] = []
    nbytes = 0
    for chunk in chunks:
        portion.append(chunk)
        nbytes += len(chunk[1])
        if nbytes >= _PORTION_BYTES:
            yield portion
            portion, nbytes = [], 0
    if portion:
        yield portion


async def _in_pool(function: Callable[[], _T]) -> _T:
    return await asyncio.get_running_loop().run_in_executor(get_pool(), function)


def _batched(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    source = iter(items)
    while batch := list(islice(source, max(1, size))):
        yield batch


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


register_pipeline(BatchedCodecPipeline)
