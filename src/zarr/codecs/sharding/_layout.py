"""The layout of a shard, which is computed once for all shards with the same spec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zarr.codecs.sharding._plan import write_order
from zarr.core._faults import told

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from zarr.codecs.sharding._index import IndexFormat, ShardIndex
    from zarr.codecs.sharding._plan import SubchunkWriteOrder
    from zarr.core._codec_chain import CodecChain
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer
    from zarr.core.chunks._executor import Executor


@dataclass(frozen=True)
class ShardLayout:
    """The layout of a shard and its inner chunks.

    Parameters
    ----------
    spec : ArraySpec
        Spec of the shard.
    inner_spec : ArraySpec
        Spec of an inner chunk.
    chain : CodecChain
        The codecs of an inner chunk, adapted to `inner_spec`.
    index : IndexFormat
        The storage format of the index.
    index_chain : CodecChain
        The codecs of the index, adapted to the array spec of the index.
    order : str
        Order in which the inner chunks are stored; see `write_order`.
    nested : ShardLayout or None
        The layout of the inner chunks if their only codec is `ShardingCodec`; None otherwise.
    read_part : callable or None
        Method `decode_partial` of the inner codec. None if the codec does not override partial
        decoding; in that case the library reads the inner chunks without this method.
    write_part : callable or None
        Method `encode_partial` of the inner codec. None if the codec does not override partial
        encoding; in that case the library writes the inner chunks without this method.
    is_sync : bool
        Whether all codecs can encode and decode synchronously.
    """

    spec: ArraySpec
    inner_spec: ArraySpec
    chain: CodecChain
    index: IndexFormat
    index_chain: CodecChain
    order: SubchunkWriteOrder
    nested: ShardLayout | None
    read_part: Callable[..., Awaitable[Any]] | None
    write_part: Callable[..., Awaitable[Any]] | None
    is_sync: bool

    @property
    def write_order(self) -> tuple[int, ...]:
        """The index positions of all inner chunks, in the order of storage."""
        return write_order(self.index.grid_shape, self.order)

    @property
    def inner_nbytes(self) -> int:
        """Size of a decoded inner chunk in bytes; an estimate for elements of variable length."""
        size = self.inner_spec.dtype.to_native_dtype().itemsize
        for length in self.inner_spec.shape:
            size *= length
        return size

    async def decode_index(self, encoded: Buffer, executor: Executor, name: str) -> ShardIndex:
        """Decode the index of a shard.

        Parameters
        ----------
        encoded : Buffer
            The encoded index.
        executor : Executor
            Runs the codecs.
        name : str
            Name of the shard for error messages.

        Raises
        ------
        ValueError
            If the index is too short, or its checksum does not match.
        """
        try:
            data, spec = self.index.check(encoded), self.index.spec
            if self.index_chain.decodes_sync:
                return self.index.parse(
                    await executor.run(self.index_chain.decode_sync, data, spec)
                )
            (decoded,) = await self.index_chain.decode([(data, spec)])
            assert decoded is not None
            return self.index.parse(decoded)
        except Exception as error:
            raise told(error, f"while decoding the index of the shard {name}")  # noqa: B904
