"""Decoding and encoding of single chunks without an event loop. Other packages use this module."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zarr.core._codec_chain import CodecChain, _is_sync
from zarr.core._states import set_codecs

if TYPE_CHECKING:
    from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec, Codec
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer

__all__ = ["ChunkTransform"]


@dataclass(kw_only=True)
class ChunkTransform:
    """Decode and encode single chunks in the calling thread.

    Parameters
    ----------
    codecs : tuple of codec
        The codecs in the order of encoding. The codecs must already be adapted to the chunks, with
        `Codec.evolve_from_array_spec`.

    Raises
    ------
    TypeError
        If a codec cannot decode synchronously, if a codec cannot encode synchronously, or if a
        codec cannot take the output of the previous codec.
    ValueError
        If there is no array-to-bytes codec, or more than one.
    """

    codecs: tuple[Codec, ...]
    _chain: CodecChain = field(init=False, repr=False, compare=False)

    __setstate__ = set_codecs

    def __post_init__(self) -> None:
        self._chain = CodecChain.from_codecs(self.codecs)
        if not self._chain.is_sync:
            names = [
                type(codec).__name__
                for codec in self.codecs
                if not (_is_sync(codec, "decode") and _is_sync(codec, "encode"))
            ]
            raise TypeError(
                "All codecs of a ChunkTransform must have the synchronous methods `_decode_sync` "
                f"and `_encode_sync`. These codecs do not have them: {', '.join(names)}."
            )

    @property
    def _aa_codecs(self) -> tuple[ArrayArrayCodec, ...]:
        return self._chain.array_array_codecs

    @property
    def _ab_codec(self) -> ArrayBytesCodec:
        return self._chain.array_bytes_codec

    @property
    def _bb_codecs(self) -> tuple[BytesBytesCodec, ...]:
        return self._chain.bytes_bytes_codecs

    def decode_chunk(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        """Decode one chunk.

        Parameters
        ----------
        chunk_bytes : Buffer
            The encoded chunk.
        chunk_spec : ArraySpec
            The spec of the decoded chunk.
        """
        return self._chain.decode_sync(chunk_bytes, chunk_spec)

    def encode_chunk(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        """Encode one chunk; return None if the chunk does not need to be stored.

        Parameters
        ----------
        chunk_array : NDBuffer
            The chunk.
        chunk_spec : ArraySpec
            The spec of the chunk.
        """
        return self._chain.encode_sync(chunk_array, chunk_spec)

    def compute_encoded_size(self, byte_length: int, array_spec: ArraySpec) -> int:
        """Return the size of an encoded chunk in bytes.

        Parameters
        ----------
        byte_length : int
            Size of the decoded chunk in bytes.
        array_spec : ArraySpec
            The spec of the chunk.

        Raises
        ------
        NotImplementedError
            If the encoded size depends on the values in the chunk.
        """
        return self._chain.compute_encoded_size(byte_length, array_spec)
