"""Reading and writing the chunks of an array through its codecs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from zarr.abc._store_access import access_of, position
from zarr.abc.codec import (
    ArrayArrayCodec,
    ArrayBytesCodec,
    ArrayBytesCodecPartialDecodeMixin,
    ArrayBytesCodecPartialEncodeMixin,
    BytesBytesCodec,
    CodecPipeline,
    GetResult,
)
from zarr.core._codec_chain import AsyncChunkTransform as AsyncChunkTransform
from zarr.core._codec_chain import CodecChain, split_codecs
from zarr.core._fetch import planning
from zarr.core._overrides import is_overridden
from zarr.core.chunks._executor import PORTION_BYTES, Executor, Inline, on_loop, run_in_worker
from zarr.core.chunks._item import batched
from zarr.core.chunks._read import read_chunks
from zarr.core.chunks._source import answers, shared_store
from zarr.core.chunks._write import write_chunks
from zarr.core.common import concurrent_map
from zarr.core.config import config
from zarr.core.sync import in_pool, run_now, sync
from zarr.registry import register_pipeline

if TYPE_CHECKING:
    from typing import Self

    from zarr.abc.codec import Codec
    from zarr.abc.store import ByteGetter, ByteSetter, Store
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.chunks._item import ReadItem, WriteItem
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType
    from zarr.core.indexing import SelectorTuple
    from zarr.core.metadata.v3 import ChunkGridMetadata

    CodecsByRole: TypeAlias = tuple[
        tuple[ArrayArrayCodec, ...], ArrayBytesCodec, tuple[BytesBytesCodec, ...]
    ]

# Number of chunks that a thread processes as one batch, for stores that read each chunk with a
# separate request. A larger number has no benefit for these stores, and thousands of additional
# objects would trigger full garbage collections.
_AT_ONCE = 1024

_PRESENT = GetResult(status="present")
_MISSING = GetResult(status="missing")


def codecs_from_list(codecs: Iterable[Codec]) -> CodecsByRole:
    """Sort codecs by role, and raise an error if their order is not valid.

    Returns
    -------
    tuple
        The array-to-array codecs, the array-to-bytes codec, and the bytes-to-bytes codecs.

    Raises
    ------
    TypeError, ValueError
        See `zarr.core._codec_chain.split_codecs`.
    """
    return split_codecs(codecs)


def codecs_from_list_unchecked(codecs: Iterable[Codec]) -> CodecsByRole:
    """Sort codecs by role without checking their order; see `codecs_from_list`."""
    return split_codecs(codecs, check_order=False)


def pipeline_supports_partial_decode(
    array_bytes_codec: ArrayBytesCodec,
    *,
    array_array_codecs: Sequence[ArrayArrayCodec],
    bytes_bytes_codecs: Sequence[BytesBytesCodec],
    require_no_aa_bb: bool,
) -> bool:
    """Return whether the codecs can read a selection of a chunk instead of the whole chunk.

    Parameters
    ----------
    array_bytes_codec : ArrayBytesCodec
        The codec that would decode the selection.
    array_array_codecs : sequence of codec
        The filters of the chain.
    bytes_bytes_codecs : sequence of codec
        The compressors of the chain.
    require_no_aa_bb : bool
        Whether filters or compressors in the chain make partial decoding impossible. This is
        normally True. In compressed data, the bytes of a selection cannot be located. In
        transposed data, the same selection contains other elements.
    """
    others = (*array_array_codecs, *bytes_bytes_codecs) if require_no_aa_bb else ()
    return isinstance(array_bytes_codec, ArrayBytesCodecPartialDecodeMixin) and not others


def pipeline_supports_partial_encode(
    array_bytes_codec: ArrayBytesCodec,
    *,
    array_array_codecs: Sequence[ArrayArrayCodec],
    bytes_bytes_codecs: Sequence[BytesBytesCodec],
    require_no_aa_bb: bool,
) -> bool:
    """Return whether the codecs can write a selection of a chunk instead of the whole chunk.

    See `pipeline_supports_partial_decode` for the parameters.
    """
    others = (*array_array_codecs, *bytes_bytes_codecs) if require_no_aa_bb else ()
    return isinstance(array_bytes_codec, ArrayBytesCodecPartialEncodeMixin) and not others


def resolve_batched(codec: Codec, chunk_specs: Iterable[ArraySpec]) -> Iterable[ArraySpec]:
    """Return the specs of chunks after a codec has encoded the chunks."""
    return [codec.resolve_metadata(spec) for spec in chunk_specs]


def resolve_aa_specs(
    aa_codecs: Iterable[ArrayArrayCodec], chunk_spec: ArraySpec
) -> tuple[list[ArraySpec], ArraySpec]:
    """Return the input spec of each array-to-array codec, and the output spec of the last codec."""
    specs: list[ArraySpec] = []
    for codec in aa_codecs:
        specs.append(chunk_spec)
        chunk_spec = codec.resolve_metadata(chunk_spec)
    return specs, chunk_spec


@dataclass(frozen=True)
class BatchedCodecPipeline(CodecPipeline):
    """The default codec pipeline of arrays.

    Synchronous codecs run in a worker pool or in the calling thread, never on the event loop. Other
    codecs run as coroutines on the event loop.

    Parameters
    ----------
    array_array_codecs : tuple of ArrayArrayCodec
        The codecs that are applied first when a chunk is encoded.
    array_bytes_codec : ArrayBytesCodec
        The codec that is applied next when a chunk is encoded.
    bytes_bytes_codecs : tuple of BytesBytesCodec
        The codecs that are applied last when a chunk is encoded.
    batch_size : int
        Number of chunks that are processed by one call of `decode_batch` or `encode_batch`. If a
        codec cannot decode synchronously, `read` also decodes chunks in batches of this size.
    """

    array_array_codecs: tuple[ArrayArrayCodec, ...]
    array_bytes_codec: ArrayBytesCodec
    bytes_bytes_codecs: tuple[BytesBytesCodec, ...]
    batch_size: int

    @classmethod
    def from_codecs(cls, codecs: Iterable[Codec], *, batch_size: int | None = None) -> Self:
        """Return a pipeline that consists of the given codecs.

        Parameters
        ----------
        codecs : iterable of codec
            The codecs in the order of encoding.
        batch_size : int or None
            See `BatchedCodecPipeline`. None means the configured ``codec_pipeline.batch_size``.

        Raises
        ------
        TypeError, ValueError
            If the codecs are invalid or in an invalid order; see `codecs_from_list`.
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
        return self._supports(pipeline_supports_partial_decode)

    @property
    def supports_partial_encode(self) -> bool:
        # docstring inherited
        return self._supports(pipeline_supports_partial_encode)

    def _supports(self, rule: Callable[..., bool]) -> bool:
        """Call a function such as `pipeline_supports_partial_decode` with the codecs."""
        return rule(
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
        """Decode one batch of chunks; see `decode`."""
        chain, chunks = self._chain, list(chunk_bytes_and_specs)
        if not chain.decodes_sync:
            return await chain.decode(chunks)
        return await in_pool(lambda: _each(chain.decode_sync, chunks))

    async def encode(
        self, chunk_arrays_and_specs: Iterable[tuple[NDBuffer | None, ArraySpec]]
    ) -> Iterable[Buffer | None]:
        # docstring inherited
        return await self._in_batches(self.encode_batch, chunk_arrays_and_specs)

    async def encode_batch(
        self, chunk_arrays_and_specs: Iterable[tuple[NDBuffer | None, ArraySpec]]
    ) -> Iterable[Buffer | None]:
        """Encode one batch of chunks; see `encode`."""
        chain, chunks = self._chain, list(chunk_arrays_and_specs)
        if not chain.encodes_sync:
            return await chain.encode(chunks)
        return await in_pool(lambda: _each(chain.encode_sync, chunks))

    async def _in_batches(self, function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        batches = [(batch,) for batch in batched(items, self.batch_size)]
        done = await concurrent_map(batches, function)
        return [result for batch in done for result in batch]

    async def decode_partial_batch(
        self, batch_info: Iterable[tuple[ByteGetter, SelectorTuple, ArraySpec]]
    ) -> Iterable[NDBuffer | None]:
        """Read and decode a selection of each chunk with the array-to-bytes codec."""
        codec = cast("ArrayBytesCodecPartialDecodeMixin", self.array_bytes_codec)
        return await codec.decode_partial(batch_info)

    async def encode_partial_batch(
        self, batch_info: Iterable[tuple[ByteSetter, NDBuffer, SelectorTuple, ArraySpec]]
    ) -> None:
        """Encode and store a selection of each chunk with the array-to-bytes codec."""
        codec = cast("ArrayBytesCodecPartialEncodeMixin", self.array_bytes_codec)
        await codec.encode_partial(batch_info)

    # --- reading ------------------------------------------------------------------------

    async def read(
        self, batch_info: Iterable[ReadItem], out: NDBuffer, drop_axes: tuple[int, ...] = ()
    ) -> tuple[GetResult, ...]:
        # docstring inherited
        items = list(batch_info)
        store = shared_store(items)
        if store is not None and access_of(store).reads_in_thread and self._decodes_in_thread:
            inline = self._inline(items, None)
            return await run_in_worker(self._read(items, out, drop_axes, inline, store), inline)
        with planning(object()):  # the store must not merge the separate reads of this operation
            return await self._read(items, out, drop_axes, on_loop(), store)

    def read_sync(
        self,
        batch_info: Iterable[ReadItem],
        out: NDBuffer,
        drop_axes: tuple[int, ...] = (),
        max_workers: int | None = None,
    ) -> tuple[GetResult, ...]:
        """Read chunks synchronously; decode in the calling thread if possible.

        Parameters
        ----------
        batch_info : iterable of tuple
            The chunks and their selections, as for `read`. The method returns the same result and
            raises the same errors as `read`.
        out : NDBuffer
            Array that receives the elements.
        drop_axes : tuple of int
            Dimensions that have length 1 in the chunk selections and are missing from `out`.
        max_workers : int or None
            Maximum number of threads that decode, including the calling thread. None means the
            configured ``codec_pipeline.max_workers``. If the configured value is also None, the
            maximum is one thread per processor. Only large chunks, or chunks that are slow to
            decode, are distributed over several threads.
        """
        results: list[GetResult] = []
        portions = batched(batch_info, _AT_ONCE)
        for items in portions:
            store = shared_store(items)
            here = store is not None and access_of(store).reads_in_thread
            if not here:  # read all chunks in one call, so that the store can merge reads
                items += [item for portion in portions for item in portion]
                store = shared_store(items)
            may_decode = self._decodes_in_thread and (here or not self.supports_partial_decode)
            if store is None or not may_decode:
                results += sync(self.read(items, out, drop_axes))
                continue
            inline = self._inline(items, max_workers, beside_loop=not here)
            results += run_now(self._read(items, out, drop_axes, inline, store))
        return tuple(results)

    def _inline(
        self, items: Sequence[ReadItem], max_workers: int | None, *, beside_loop: bool = False
    ) -> Inline:
        """Return an executor for a thread that reads or decodes chunks."""
        workers = max_workers or config.get("codec_pipeline.max_workers")
        if self.supports_partial_decode:
            return Inline(workers)
        if len(items) < 2:
            return Inline()
        are_large = (items[0][1]._nbytes or 0) >= PORTION_BYTES
        contends = not (are_large or beside_loop)
        return Inline(workers, contends=contends, are_large=are_large, beside_loop=beside_loop)

    async def _read(
        self,
        items: Sequence[ReadItem],
        out: NDBuffer,
        drop_axes: tuple[int, ...],
        executor: Executor,
        store: Store | None,
    ) -> tuple[GetResult, ...]:
        """Read chunks with an executor; never suspends if `executor.waits` is False."""
        source: Any = answers(items, store, executor)
        if self.supports_partial_decode:
            source = self._part_hook("decode") or self._decode_part
        chain, size = self._chain, self.batch_size
        found = await read_chunks(items, out, drop_axes, executor, chain, source, size)
        return tuple([_PRESENT if present else _MISSING for present in found])

    async def read_batch(
        self, batch_info: Iterable[ReadItem], out: NDBuffer, drop_axes: tuple[int, ...] = ()
    ) -> tuple[GetResult, ...]:
        """Read chunks; an alias of `read`."""
        return await self.read(batch_info, out, drop_axes)

    @property
    def _decodes_in_thread(self) -> bool:
        """Whether whole chunks and parts of chunks can be decoded synchronously."""
        own_way = self._waits("read", "decode", self.supports_partial_decode)
        return self._chain.decodes_sync and not own_way

    def _waits(self, way: str, direction: str, in_parts: bool) -> bool:
        """Return whether reading or writing chunks needs coroutines that may wait.

        The result is True if a subclass overrides the method with the name `way`. The result is
        also True if `in_parts` is True and `_part_hook` returns None.
        """
        return self._overrides(way) or (in_parts and self._part_hook(direction) is None)

    def _overrides(self, name: str) -> bool:
        """Return whether a subclass overrides a method of `BatchedCodecPipeline`."""
        return getattr(type(self), name) is not getattr(BatchedCodecPipeline, name)

    async def _decode_part(self, place: Any, selection: Any, spec: ArraySpec, *_: Any) -> Any:
        """Read a selection of one chunk with `decode_partial_batch`."""
        (part,) = await self.decode_partial_batch([(place, selection, spec)])
        return part

    # --- writing ------------------------------------------------------------------------

    async def write(
        self, batch_info: Iterable[WriteItem], value: NDBuffer, drop_axes: tuple[int, ...] = ()
    ) -> None:
        # docstring inherited
        items = list(batch_info)
        if self._writes_in_thread(items):
            inline = Inline(config.get("codec_pipeline.max_workers"))
            await run_in_worker(self._write(items, value, drop_axes, inline), inline)
        else:
            await self._write(items, value, drop_axes, on_loop())

    async def write_batch(
        self, batch_info: Iterable[WriteItem], value: NDBuffer, drop_axes: tuple[int, ...] = ()
    ) -> None:
        """Write chunks; an alias of `write`."""
        await self.write(batch_info, value, drop_axes)

    def write_sync(
        self,
        batch_info: Iterable[WriteItem],
        value: NDBuffer,
        drop_axes: tuple[int, ...] = (),
        max_workers: int | None = None,
    ) -> None:
        """Write chunks synchronously; encode in the calling thread if store and codecs allow it.

        Parameters
        ----------
        batch_info : iterable of tuple
            The chunks and their selections, as for `write`. The method raises the same errors as
            `write`.
        value : NDBuffer
            The elements to write.
        drop_axes : tuple of int
            Dimensions that have length 1 in the chunk selections and are missing from `value`.
        max_workers : int or None
            Maximum number of threads that encode, including the calling thread. For the meaning of
            None, see `read_sync`.
        """
        portions = batched(batch_info, _AT_ONCE)
        executor = Inline(max_workers or config.get("codec_pipeline.max_workers"))
        for items in portions:
            if not self._writes_in_thread(items):
                items += [item for portion in portions for item in portion]
                sync(self.write(items, value, drop_axes))
                return
            run_now(self._write(items, value, drop_axes, executor))

    def _writes_in_thread(self, items: Sequence[WriteItem]) -> bool:
        """Return whether the store and all codecs can write chunks synchronously."""
        store = shared_store(items)
        return (
            store is not None
            and access_of(store).writes_in_thread
            and self._chain.is_sync
            and not self._waits("write", "encode", self.supports_partial_encode)
        )

    async def _write(
        self,
        items: Sequence[WriteItem],
        value: NDBuffer,
        drop_axes: tuple[int, ...],
        executor: Executor,
    ) -> None:
        """Write chunks with an executor; never suspends if `executor.waits` is False."""
        part = None
        if self.supports_partial_encode:
            part = self._part_hook("encode") or self._encode_part
        # If a subclass or a codec overrides the method for partial writes, call the override for
        # every chunk, even for a chunk that is written as a whole.
        always = part == self._encode_part
        await write_chunks(items, value, drop_axes, executor, self._chain, part, always)

    async def _encode_part(
        self, place: Any, part: NDBuffer, selection: Any, spec: ArraySpec, *_: Any
    ) -> None:
        """Write a selection of one chunk with `encode_partial_batch`."""
        await self.encode_partial_batch([(place, part, selection, spec)])

    def _part_hook(self, direction: str) -> Callable[..., Any] | None:
        """Return the method of the codec that uses an executor to read or write parts of chunks.

        The result is None if the codec has no such method. The result is also None if the pipeline
        has to call a coroutine instead of the method. There are two such cases:

        - A subclass of the pipeline overrides `decode_partial_batch` (to read) or
          `encode_partial_batch` (to write).
        - A coroutine of the codec that reads or writes parts of chunks is overridden or replaced
          (see `is_overridden`), and the class that defines this coroutine does not follow, in the
          MRO, the class that defines the method.
        """
        codec = self.array_bytes_codec
        hook = f"_{direction}_partial_by"
        others = (f"_{direction}_partial_single", f"{direction}_partial")
        if self._overrides(f"{direction}_partial_batch") or not hasattr(codec, hook):
            return None
        cls = type(codec)
        if any(is_overridden(codec, o) and position(cls, o) <= position(cls, hook) for o in others):
            return None
        return cast("Callable[..., Any]", getattr(codec, hook))


def _each(function: Callable[..., Any], chunks: Iterable[tuple[Any, ArraySpec]]) -> list[Any]:
    return [None if chunk is None else function(chunk, spec) for chunk, spec in chunks]


@dataclass(frozen=True, init=False)
class FusedCodecPipeline(BatchedCodecPipeline):
    """`BatchedCodecPipeline` under a second name, with one thread by default.

    The class exists because existing configurations may contain its name. In both classes, the
    calling thread fetches and decodes chunks itself if the store and the codecs allow it. By
    default, `read_sync` and `write_sync` of this class use one thread. This is the only difference
    in behaviour.

    Parameters
    ----------
    codecs : tuple of codec
        All codecs in the order of encoding.
    array_array_codecs : tuple of ArrayArrayCodec
        The filters.
    array_bytes_codec : ArrayBytesCodec
        The serializer.
    bytes_bytes_codecs : tuple of BytesBytesCodec
        The compressors.
    sync_transform : CodecChain or None
        The codecs as a chain that decodes and encodes in the calling thread; None if a codec has
        only coroutines.
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
        super().__init__(array_array_codecs, array_bytes_codec, bytes_bytes_codecs, batch_size)
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
