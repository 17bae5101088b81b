"""The index of a shard: byte ranges of its inner chunks (Zarr v3, "Binary shard format")."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from zarr.core._byte_ranges import RangeByteRequest, SuffixByteRequest
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer.cpu import Buffer as CpuBuffer
from zarr.core.buffer.cpu import NDBuffer as CpuNDBuffer
from zarr.core.buffer.cpu import numpy_buffer_prototype
from zarr.core.dtype import UInt64

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

    from zarr.abc.codec import Codec
    from zarr.core._byte_ranges import ByteRequest
    from zarr.core.buffer import Buffer, NDBuffer

ShardingIndexLocation = Literal["start", "end"]

# If an inner chunk is not stored, both the offset and the length in its index entry have this
# value.
MAX_UINT_64: Final = 2**64 - 1


class ShardIndex:
    """The byte ranges of the inner chunks of one shard.

    Parameters
    ----------
    entries : ndarray of uint64
        Array of shape ``(number of inner chunks, 2)`` with the offset and the length of each inner
        chunk in bytes. The array lists the inner chunks in C order.
    before : int
        Size of the index in bytes if it is at the start of the shard; 0 otherwise.
    after : int
        Size of the index in bytes if it is at the end of the shard; 0 otherwise.
    """

    __slots__ = ("_after", "_before", "_entries")

    def __init__(self, entries: npt.NDArray[np.uint64], *, before: int = 0, after: int = 0) -> None:
        self._entries = entries
        self._before = before
        self._after = after

    def locate(
        self, numbers: list[int], shard_nbytes: int | None = None
    ) -> list[tuple[int, int] | None]:
        """Return the byte ranges of inner chunks.

        Parameters
        ----------
        numbers : list of int
            Positions of the inner chunks in the index.
        shard_nbytes : int or None
            Size of the shard in bytes; None if unknown.

        Returns
        -------
        list
            For each inner chunk, the position of its first byte and the position after its last
            byte; None if the inner chunk is not stored.

        Raises
        ------
        ValueError
            If only one of offset and length has the value for "not stored". If the byte range of an
            inner chunk overlaps an index at the start of the shard. If `shard_nbytes` is known and
            the byte range overlaps an index at the end, or reaches past the end of the shard. If
            `shard_nbytes` is None and the byte range reaches past position ``2**63 - 1``.
        """
        limit = MAX_UINT_64 >> 1 if shard_nbytes is None else shard_nbytes - self._after
        places: list[tuple[int, int] | None] = []
        for number, (offset, nbytes) in zip(numbers, self._entries[numbers].tolist()):
            if offset == MAX_UINT_64 and nbytes == MAX_UINT_64:
                places.append(None)
                continue
            if offset + nbytes > limit or (offset < self._before and nbytes):
                size = "" if shard_nbytes is None else f" The shard has {shard_nbytes} bytes."
                index = self._before + self._after
                raise ValueError(
                    f"The shard index is corrupt: it declares that inner chunk number {number} "
                    f"begins at byte {offset} and has {nbytes} bytes.{size} The index occupies "
                    f"{index} bytes at the {'start' if self._before else 'end'} of the shard."
                )
            places.append((offset, offset + nbytes))
        return places

    def present(self) -> list[int]:
        """Return the index positions of the inner chunks that are stored."""
        stored = (self._entries != np.uint64(MAX_UINT_64)).any(axis=1)
        return [int(number) for number in np.flatnonzero(stored)]


@dataclass(frozen=True)
class IndexFormat:
    """The storage format of the index; the same for all shards with equal grids of inner chunks.

    Parameters
    ----------
    grid_shape : tuple of int
        Number of inner chunks along each dimension.
    location : {"start", "end"}
        Whether the index is at the start or at the end of the shard.
    nbytes : int
        Size of the encoded index in bytes.
    """

    grid_shape: tuple[int, ...]
    location: ShardingIndexLocation
    nbytes: int

    @cached_property
    def spec(self) -> ArraySpec:
        """The array spec of the index."""
        return index_spec(self.grid_shape)

    @property
    def byte_range(self) -> ByteRequest:
        """The byte range of the index within the shard."""
        if self.location == "start":
            return RangeByteRequest(0, self.nbytes)
        return SuffixByteRequest(self.nbytes)

    @property
    def data_offset(self) -> int:
        """First position in the shard, in bytes, that an inner chunk can occupy."""
        return self.nbytes if self.location == "start" else 0

    def cut(self, shard: Buffer) -> Buffer:
        """Return the bytes of the index, cut out of the bytes of a whole shard."""
        if self.location == "start":
            return shard[: self.nbytes]
        return shard[max(0, len(shard) - self.nbytes) :]

    def check(self, encoded: Buffer) -> Buffer:
        """Check the size of an encoded index, and return the encoded index in host memory.

        Raises
        ------
        ValueError
            If the encoded index does not have the expected size.
        """
        if len(encoded) != self.nbytes:
            raise ValueError(
                f"The stored shard is too short to hold its index: read {len(encoded)} bytes of "
                f"index, expected {self.nbytes}. The shard is truncated or corrupt."
            )
        return CpuBuffer.from_buffer(encoded)

    def parse(self, decoded: NDBuffer) -> ShardIndex:
        """Create an index from the decoded array of offsets and lengths."""
        entries = decoded.as_numpy_array().reshape(-1, 2).astype(np.uint64, copy=False)
        at_start = self.location == "start"
        return ShardIndex(
            entries,
            before=self.nbytes if at_start else 0,
            after=0 if at_start else self.nbytes,
        )

    def lay_out(
        self, lengths: Mapping[int, int], order: Iterable[int]
    ) -> tuple[list[int], NDBuffer]:
        """Lay out the inner chunks contiguously and build the index.

        Parameters
        ----------
        lengths : mapping
            Maps the index position of each stored inner chunk to the size of the inner chunk in
            bytes.
        order : iterable of int
            The index positions of all inner chunks, in the order of storage.

        Returns
        -------
        tuple
            The index positions of the stored inner chunks, in the order of storage, and the index
            as an array.
        """
        entries = np.full((*self.grid_shape, 2), MAX_UINT_64, dtype=np.uint64)
        flat = entries.reshape(-1, 2)
        stored = [number for number in order if number in lengths]
        offset = self.data_offset
        for number in stored:
            flat[number] = (offset, lengths[number])
            offset += lengths[number]
        return stored, CpuNDBuffer.from_numpy_array(entries)


def index_spec(grid_shape: tuple[int, ...]) -> ArraySpec:
    """Return the spec of the array of offsets and lengths that is stored as the index.

    Parameters
    ----------
    grid_shape : tuple of int
        Number of inner chunks along each dimension.
    """
    return ArraySpec(
        shape=(*grid_shape, 2),
        dtype=UInt64(endianness="little"),
        fill_value=np.uint64(MAX_UINT_64),
        config=ArrayConfig(order="C", write_empty_chunks=True),
        prototype=numpy_buffer_prototype(),
    )


def index_nbytes(codecs: Iterable[Codec], grid_shape: tuple[int, ...]) -> int:
    """Return the encoded size of an index, as computed by its codecs.

    Parameters
    ----------
    codecs : iterable of Codec
        The index codecs.
    grid_shape : tuple of int
        Number of inner chunks along each dimension.

    Returns
    -------
    int
        Size of the encoded index in bytes.
    """
    spec = index_spec(grid_shape)
    nbytes = math.prod(spec.shape) * 8
    for codec in codecs:
        nbytes = codec.compute_encoded_size(nbytes, spec)
        spec = codec.resolve_metadata(spec)
    return nbytes
