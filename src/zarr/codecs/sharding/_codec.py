"""The ``sharding_indexed`` codec (Zarr v3, "Sharding codec", version 1.0)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

from zarr.abc.codec import (
    ArrayBytesCodec,
    ArrayBytesCodecPartialDecodeMixin,
    ArrayBytesCodecPartialEncodeMixin,
)
from zarr.codecs._deprecated import DeprecatedNames
from zarr.codecs._parse import plain_string
from zarr.codecs.bytes import BytesCodec
from zarr.codecs.crc32c_ import Crc32cCodec
from zarr.codecs.sharding._index import IndexFormat, index_nbytes, index_spec
from zarr.codecs.sharding._layout import ShardLayout
from zarr.codecs.sharding._plan import SUBCHUNK_WRITE_ORDERS, plan_selection, plan_whole
from zarr.codecs.sharding._read import read_shard
from zarr.codecs.sharding._source import KeySource, MemorySource, WindowSource
from zarr.codecs.sharding._write import empty_shard, rewrite_shard
from zarr.core._codec_chain import CodecChain, split_codecs
from zarr.core._overrides import is_overridden, overridable
from zarr.core.chunks._executor import Inline, on_loop
from zarr.core.chunks._item import InThread
from zarr.core.chunks._write import delete_chunk
from zarr.core.common import parse_chunk_shape, parse_named_configuration, parse_shapelike
from zarr.core.metadata.v3 import RegularChunkGridMetadata, parse_codecs, settle_codecs
from zarr.core.sync import run_now
from zarr.registry import get_pipeline_class

if TYPE_CHECKING:
    from typing import Self

    from zarr.abc.codec import Codec, CodecPipeline
    from zarr.abc.store import ByteGetter, ByteSetter, SyncByteGetter, SyncByteSetter
    from zarr.codecs.sharding._index import ShardingIndexLocation
    from zarr.codecs.sharding._plan import SubchunkWriteOrder
    from zarr.codecs.sharding._source import Source
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.chunks._executor import Executor
    from zarr.core.common import JSON, ShapeLike
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType
    from zarr.core.indexing import SelectorTuple
    from zarr.core.metadata.v3 import ChunkGridMetadata

_INDEX_LOCATIONS: Final = ("start", "end")

# Maximum number of shard shapes whose layouts are cached.
_KEPT_LAYOUTS = 64


class ShardingCodecIndexLocation(metaclass=DeprecatedNames, names=_INDEX_LOCATIONS):
    """Deprecated enumeration of index locations; pass ``"start"`` or ``"end"`` instead."""


def _parse_index_location(data: object) -> ShardingIndexLocation:
    plain = plain_string(data)
    if plain in _INDEX_LOCATIONS:
        return plain
    raise ValueError(f"index_location must be one of {list(_INDEX_LOCATIONS)!r}. Got {data!r}.")


def _parse_write_order(data: object) -> SubchunkWriteOrder:
    plain = plain_string(data)
    if plain in SUBCHUNK_WRITE_ORDERS:
        return plain
    raise ValueError(
        f"Unrecognized subchunk write order: {data}. Only {SUBCHUNK_WRITE_ORDERS} are allowed."
    )


@dataclass(frozen=True)
class ShardingCodec(
    ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin, ArrayBytesCodecPartialEncodeMixin
):
    """Codec that stores many inner chunks in one value, with an index of their byte ranges.

    Parameters
    ----------
    chunk_shape : iterable of int or int
        Shape of an inner chunk in elements. The shape of the shard must be a multiple of
        this shape.
    codecs : iterable of Codec or dict
        The codecs of an inner chunk.
    index_codecs : iterable of Codec or dict
        The codecs of the index, which is a ``uint64`` array. The size of the encoded index must not
        depend on the values in the index.
    index_location : {"end", "start"}
        Whether the index is at the end or at the start of the shard.
    subchunk_write_order : {"morton", "unordered", "lexicographic", "colexicographic"}
        Order in which a shard stores its inner chunks; see `write_order`. The parameter only
        affects writing and is not part of the metadata.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not valid.
    UnknownCodecError
        If no implementation of a codec is available.
    """

    is_fixed_size = False

    chunk_shape: tuple[int, ...]
    codecs: tuple[Codec, ...]
    index_codecs: tuple[Codec, ...]
    index_location: ShardingIndexLocation = "end"
    subchunk_write_order: SubchunkWriteOrder = "morton"

    def __init__(
        self,
        *,
        chunk_shape: ShapeLike,
        codecs: Iterable[Codec | Mapping[str, JSON]] = (BytesCodec(),),
        index_codecs: Iterable[Codec | Mapping[str, JSON]] = (BytesCodec(), Crc32cCodec()),
        index_location: ShardingIndexLocation = "end",
        subchunk_write_order: SubchunkWriteOrder = "morton",
    ) -> None:
        parsed_index_codecs = parse_codecs(index_codecs)
        variable = [c for c in parsed_index_codecs if not getattr(c, "is_fixed_size", False)]
        if variable:
            raise ValueError(
                "Sharding `index_codecs` must produce a fixed-size encoding, but these codecs do "
                f"not: {variable}. Compression codecs cannot be used for the shard index."
            )
        for name, value in (
            ("chunk_shape", parse_chunk_shape(parse_shapelike(chunk_shape))),
            ("codecs", parse_codecs(codecs)),
            ("index_codecs", parsed_index_codecs),
            ("index_location", _parse_index_location(index_location)),
            ("subchunk_write_order", _parse_write_order(subchunk_write_order)),
        ):
            object.__setattr__(self, name, value)

    def __getstate__(self) -> dict[str, Any]:
        # Pickles do not contain the cached layouts, because layouts can be computed again.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "configuration" in state:  # a pickle of zarr-python
            order = state["subchunk_write_order"]
            codec = ShardingCodec(**state["configuration"], subchunk_write_order=order)
            state = codec.__getstate__()
        self.__dict__.update(state)

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        # docstring inherited
        _, configuration = parse_named_configuration(data, "sharding_indexed")
        return cls(**cast("dict[str, Any]", configuration))

    def to_dict(self) -> dict[str, JSON]:
        # docstring inherited
        return {
            "name": "sharding_indexed",
            "configuration": {
                "chunk_shape": self.chunk_shape,
                "codecs": tuple(codec.to_dict() for codec in self.codecs),
                "index_codecs": tuple(codec.to_dict() for codec in self.index_codecs),
                "index_location": self.index_location,
            },
        }

    @property
    def codec_pipeline(self) -> CodecPipeline:
        """The codecs of an inner chunk as an instance of the configured pipeline class."""
        return get_pipeline_class().from_codecs(self.codecs)

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        # docstring inherited
        chain = _chain(self.codecs).evolve(self._inner_spec(array_spec))
        if chain.codecs == self.codecs:
            return self
        return replace(self, codecs=chain.codecs)

    def validate(
        self,
        *,
        shape: tuple[int, ...],
        dtype: ZDType[TBaseDType, TBaseScalar],
        chunk_grid: ChunkGridMetadata,
    ) -> None:
        """Check that each shard contains a whole number of inner chunks along each dimension.

        Parameters
        ----------
        shape : tuple of int
            Shape of the array in elements.
        dtype : ZDType
            Data type of the elements.
        chunk_grid : RegularChunkGridMetadata or RectilinearChunkGridMetadata
            Division of the array into shards.

        Raises
        ------
        ValueError
            If a shard length is not a multiple of the inner chunk length, if `shape` and the inner
            chunks differ in the number of dimensions, or if an inner codec or an index codec
            rejects its input.
        TypeError
            If the inner codecs are in the wrong order.
        """
        if len(self.chunk_shape) != len(shape):
            raise ValueError(
                "The shard's `chunk_shape` and array's `shape` need to have the same number of "
                "dimensions."
            )
        if isinstance(chunk_grid, RegularChunkGridMetadata):
            shards: tuple[int | tuple[int, ...], ...] = chunk_grid.chunk_shape
        else:
            shards = chunk_grid.chunk_shapes
        for axis, (lengths, inner) in enumerate(zip(shards, self.chunk_shape)):
            for length in {lengths} if isinstance(lengths, int) else set(lengths):
                if length % inner:
                    raise ValueError(
                        f"Chunk edge length {length} in dimension {axis} is not divisible by the "
                        f"shard's inner chunk size {inner}."
                    )
        # `split_codecs` checks the order, and warns about codecs that prevent partial reads.
        split_codecs(self.codecs)
        _chain(self.index_codecs).evolve(index_spec((1,) * len(shape)))
        settle_codecs(
            self.codecs,
            self.chunk_shape,
            dtype,
            dtype.default_scalar(),
            RegularChunkGridMetadata(chunk_shape=self.chunk_shape),
        )

    def compute_encoded_size(self, input_byte_length: int, shard_spec: ArraySpec) -> int:
        """Return the size that a shard has if all inner chunks are stored and none is compressed.

        Parameters
        ----------
        input_byte_length : int
            Total size of the inner chunks in bytes.
        shard_spec : ArraySpec
            Describes the shard.

        Returns
        -------
        int
            Size of the shard in bytes, including the index.
        """
        return input_byte_length + index_nbytes(self.index_codecs, self._grid_shape(shard_spec))

    def _grid_shape(self, shard_spec: ArraySpec) -> tuple[int, ...]:
        return tuple(n // inner for n, inner in zip(shard_spec.shape, self.chunk_shape))

    def _inner_spec(self, shard_spec: ArraySpec) -> ArraySpec:
        return replace(shard_spec, shape=self.chunk_shape)

    @cached_property
    def _layouts(self) -> dict[tuple[int, ...], ShardLayout]:
        return {}

    def _layout(self, spec: ArraySpec) -> ShardLayout:
        """Return the layout of shards with a given spec; layouts are cached by shape."""
        # The cache key is the shape and not the spec, because some fill values are not hashable.
        found = self._layouts.get(spec.shape)
        if found is not None and (found.spec is spec or found.spec == spec):
            return found
        layout = self._make_layout(spec)
        if len(self._layouts) >= _KEPT_LAYOUTS:
            self._layouts.clear()
        self._layouts[spec.shape] = layout
        return layout

    def _make_layout(self, spec: ArraySpec) -> ShardLayout:
        grid_shape = self._grid_shape(spec)
        inner_spec = self._inner_spec(spec)
        chain = _chain(self.codecs).evolve(inner_spec)
        index_chain = _chain(self.index_codecs).evolve(index_spec(grid_shape))
        inner = [codec for codec in chain.codecs if isinstance(codec, ShardingCodec)]
        only = inner[0] if len(chain.codecs) == len(inner) == 1 else None
        nested = only._layout(inner_spec) if only is not None and _is_plain(only) else None
        return ShardLayout(
            spec=spec,
            inner_spec=inner_spec,
            chain=chain,
            index=IndexFormat(
                grid_shape,
                self.index_location,
                index_nbytes(index_chain.codecs, grid_shape),
            ),
            index_chain=index_chain,
            order=self.subchunk_write_order,
            nested=nested,
            read_part=_own_part(chain, "decode"),
            write_part=_own_part(chain, "encode"),
            is_sync=_codes_sync(chain) and _codes_sync(index_chain),
        )

    @cached_property
    def _is_sync(self) -> bool:
        """Whether every codec of the inner chunks and of the index has synchronous methods."""
        # The value is cached, because nested shards use this property several times per level.
        return _codes_sync(_chain(self.codecs)) and _codes_sync(_chain(self.index_codecs))

    # --- whole shards -------------------------------------------------------------------

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        layout = self._sync_layout(chunk_spec)
        source = MemorySource(chunk_data, "<bytes>")
        plan = plan_whole(chunk_spec.shape, self.chunk_shape)
        return cast("NDBuffer", run_now(read_shard(layout, source, Inline(), plan)))

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        layout = self._sync_layout(chunk_spec)
        plan = plan_whole(chunk_spec.shape, self.chunk_shape)
        return run_now(rewrite_shard(layout, None, chunk_data, plan, Inline(), "<bytes>"))

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        source = MemorySource(chunk_data, "<bytes>")
        plan = plan_whole(chunk_spec.shape, self.chunk_shape)
        shard = await read_shard(self._layout(chunk_spec), source, on_loop(), plan)
        return cast("NDBuffer", shard)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        plan = plan_whole(chunk_spec.shape, self.chunk_shape)
        layout = self._layout(chunk_spec)
        return await rewrite_shard(layout, None, chunk_data, plan, on_loop(), "<bytes>")

    async def _encode_nothing(self, shard_spec: ArraySpec, executor: Executor) -> Buffer:
        """Return a shard without inner chunks; all its elements are read as the fill value."""
        return await empty_shard(self._layout(shard_spec), executor)

    def _sync_layout(self, spec: ArraySpec) -> ShardLayout:
        layout = self._layout(spec)
        if not layout.is_sync:
            raise TypeError(
                "The shard cannot be encoded or decoded without an event loop, because a codec of "
                "the inner chunks or of the index has only asynchronous methods."
            )
        return layout

    # --- parts of shards ----------------------------------------------------------------

    @overridable
    async def _decode_partial_single(
        self, byte_getter: ByteGetter, selection: SelectorTuple, chunk_spec: ArraySpec
    ) -> NDBuffer | None:
        # docstring inherited
        return await self._decode_partial_by(byte_getter, selection, chunk_spec, on_loop())

    def _decode_partial_sync(
        self, byte_getter: SyncByteGetter, selection: SelectorTuple, chunk_spec: ArraySpec
    ) -> NDBuffer | None:
        """Do the work of `_decode_partial_single` in the calling thread."""
        self._sync_layout(chunk_spec)
        return run_now(
            self._decode_partial_by(InThread(byte_getter), selection, chunk_spec, Inline())
        )

    async def _decode_partial_by(
        self,
        byte_getter: ByteGetter | InThread | WindowSource,
        selection: SelectorTuple,
        chunk_spec: ArraySpec,
        executor: Executor,
        target: NDBuffer | None = None,
    ) -> NDBuffer | None:
        """Read and decode a selection of one shard; `executor` runs the codecs.

        The result is `target` if its shape and data type match the selection, and a new buffer
        otherwise.
        """
        plan = plan_selection(selection, chunk_spec.shape, self.chunk_shape)
        layout = self._layout(chunk_spec)
        source: Source
        source = byte_getter if isinstance(byte_getter, WindowSource) else KeySource(byte_getter)
        return await read_shard(layout, source, executor, plan, target)

    @overridable
    async def _encode_partial_single(
        self,
        byte_setter: ByteSetter,
        chunk_array: NDBuffer,
        selection: SelectorTuple,
        chunk_spec: ArraySpec,
    ) -> None:
        # docstring inherited
        await self._encode_partial_by(byte_setter, chunk_array, selection, chunk_spec, on_loop())

    def _encode_partial_sync(
        self,
        byte_setter: SyncByteSetter,
        chunk_array: NDBuffer,
        selection: SelectorTuple,
        chunk_spec: ArraySpec,
    ) -> None:
        """Do the work of `_encode_partial_single` in the calling thread."""
        self._sync_layout(chunk_spec)
        key = InThread(byte_setter)
        run_now(self._encode_partial_by(key, chunk_array, selection, chunk_spec, Inline()))

    async def _encode_partial_by(
        self,
        byte_setter: ByteSetter | InThread,
        chunk_array: NDBuffer,
        selection: SelectorTuple,
        chunk_spec: ArraySpec,
        executor: Executor,
        replaces_all: bool = False,
    ) -> None:
        """Encode and store new values for a selection of one shard; `executor` runs the codecs.

        `replaces_all` tells whether the selection contains every element of the shard that is
        inside the array. A shard at the end of an array may extend past the array boundary. If
        `replaces_all` is True, the stored shard is not read, and inner chunks outside the array are
        not stored.
        """
        plan = plan_selection(selection, chunk_spec.shape, self.chunk_shape)
        layout = self._layout(chunk_spec)
        replaces_all = replaces_all or plan.covers_all
        existing = None if replaces_all else await byte_setter.get(chunk_spec.prototype)
        shard = await rewrite_shard(
            layout, existing, chunk_array, plan, executor, KeySource(byte_setter).name
        )
        if shard is not None:
            await byte_setter.set(shard)
        elif existing is not None or replaces_all:
            await delete_chunk(byte_setter, lambda: self._encode_nothing(chunk_spec, executor))


def _is_plain(codec: ShardingCodec) -> bool:
    """Return whether a codec encodes and decodes with the unchanged methods of `ShardingCodec`."""
    return all(getattr(type(codec), name) is getattr(ShardingCodec, name) for name in _CODING)


_CODING: Final = [
    f"{prefix}{verb}{suffix}"
    for verb in ("decode", "encode")
    for prefix, suffix in (
        ("", ""),
        ("_", "_single"),
        ("_", "_sync"),
        ("", "_partial"),
        ("_", "_partial_single"),
        ("_", "_partial_sync"),
        ("_", "_partial_by"),
    )
]


def _chain(codecs: tuple[Codec, ...]) -> CodecChain:
    return CodecChain(*split_codecs(codecs, check_order=False))


def _codes_sync(chain: CodecChain) -> bool:
    if _own_part(chain, "decode") is not None or _own_part(chain, "encode") is not None:
        return False
    return chain.is_sync and all(
        codec._is_sync for codec in chain.codecs if isinstance(codec, ShardingCodec)
    )


_PARTIAL: Final = {
    "decode": ArrayBytesCodecPartialDecodeMixin,
    "encode": ArrayBytesCodecPartialEncodeMixin,
}


def _own_part(chain: CodecChain, direction: str) -> Callable[..., Awaitable[Any]] | None:
    """Return `decode_partial` or `encode_partial` of the inner codec if overridden, otherwise None.

    The method also counts as overridden if the codec overrides the method for a single chunk,
    `_decode_partial_single` or `_encode_partial_single`. The returned method is called for every
    inner chunk, in the same way as for every chunk of an unsharded array. If inner chunks have more
    than one codec, the result is always None, because then only whole inner chunks can be decoded
    or encoded.
    """
    codec = chain.array_bytes_codec
    if len(chain.codecs) > 1 or not isinstance(codec, _PARTIAL[direction]):
        return None
    names = (f"{direction}_partial", f"_{direction}_partial_single")
    if not any(is_overridden(codec, name) for name in names):
        return None
    # By default, `decode_partial` calls `_decode_partial_single`, and `encode_partial` calls
    # `_encode_partial_single`.
    return cast("Callable[..., Awaitable[Any]]", getattr(codec, names[0]))
