"""Coding single chunks, without a store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from zarr.core._codec_chain import CodecChain, split_codecs

if TYPE_CHECKING:
    from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec, Codec
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer


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
