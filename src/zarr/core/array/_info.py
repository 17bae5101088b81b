"""Properties of an array that need no I/O, shared by the asynchronous and synchronous classes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Generic, Literal, cast

from zarr.abc.codec import ArrayBytesCodec
from zarr.core._info import ArrayInfo
from zarr.core.array._parse import native_dtype
from zarr.core.array._types import T_ArrayMetadata
from zarr.core.chunk_grids import ChunkGrid
from zarr.core.common import product
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata
from zarr.core.metadata.v3 import RegularChunkGridMetadata
from zarr.errors import ZarrDeprecationWarning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from zarr.abc.codec import ArrayArrayCodec, BytesBytesCodec
    from zarr.abc.numcodec import Numcodec
    from zarr.abc.store import Store
    from zarr.core.array_spec import ArrayConfig
    from zarr.core.common import MemoryOrder
    from zarr.storage._common import StorePath


class ArrayProperties(Generic[T_ArrayMetadata]):
    """Properties of an array, derived from its metadata, store path and options.

    A chunk is the smallest part of the array that is encoded separately. A shard contains several
    chunks and is stored under one key. In an array without shards, each chunk is stored under a key
    of its own. All shapes are in elements.
    """

    if TYPE_CHECKING:

        @property
        def metadata(self) -> T_ArrayMetadata: ...

        @property
        def store_path(self) -> StorePath: ...

        @property
        def config(self) -> ArrayConfig: ...

        @property
        def _chunk_grid(self) -> ChunkGrid: ...

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.store_path} shape={self.shape} dtype={self.dtype}>"

    def _repr_html_(self) -> str:
        """Return the HTML representation for notebooks, without I/O."""
        from zarr.core._html import node_html  # deferred import

        name, place = type(self).__name__, str(self.store_path)
        return node_html(name, place, self.info._rows(), self.metadata.attributes)

    # --- location ---

    @property
    def store(self) -> Store:
        """The store that contains the array."""
        return self.store_path.store

    @property
    def path(self) -> str:
        """Path of the array in its store, empty for the root."""
        return self.store_path.path

    @property
    def name(self) -> str:
        """Path of the array in its store, with a leading slash."""
        return "/" + self.path

    @property
    def basename(self) -> str:
        """Last component of the path of the array."""
        return self.path.rpartition("/")[2]

    @property
    def read_only(self) -> bool:
        """Whether the store is read-only."""
        return self.store_path.read_only

    # --- elements ---

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array in elements."""
        return self.metadata.shape

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.metadata.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return product(self.metadata.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy data type of decoded elements."""
        return native_dtype(self.metadata.dtype)

    @property
    def nbytes(self) -> int:
        """Size in bytes of all decoded elements.

        For a data type of variable length, only the size of the references to elements is counted.
        """
        return self.size * self.dtype.itemsize

    @property
    def order(self) -> MemoryOrder:
        """Memory layout of the arrays that a read returns.

        In format 2, the stored chunks have the same memory layout.
        """
        metadata = self.metadata
        return metadata.order if isinstance(metadata, ArrayV2Metadata) else self.config.order

    # --- chunks ---

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of the chunks in elements.

        Raises
        ------
        NotImplementedError
            If the chunks have different shapes; see `read_chunk_sizes`.
        """
        return self.metadata.chunks

    @property
    def shards(self) -> tuple[int, ...] | None:
        """Shape of the shards in elements; None means an array without shards.

        Raises
        ------
        NotImplementedError
            If the shards have different shapes; see `write_chunk_sizes`.
        """
        return self.metadata.shards

    @property
    def read_chunk_sizes(self) -> tuple[tuple[int, ...], ...]:
        """Lengths of the chunks along each dimension in elements, without padding."""
        inner = _inner_chunk_shape(self.metadata)
        if inner is None:
            return self._chunk_grid.chunk_sizes
        return tuple(
            tuple(part for shard in shards for part in _split(shard, size))
            for shards, size in zip(self._chunk_grid.chunk_sizes, inner, strict=True)
        )

    @property
    def write_chunk_sizes(self) -> tuple[tuple[int, ...], ...]:
        """Lengths of the shards along each dimension in elements, without padding.

        If the array has no shards, the result contains the lengths of the chunks.
        """
        return self._chunk_grid.chunk_sizes

    @property
    def cdata_shape(self) -> tuple[int, ...]:
        """Number of chunks along each dimension."""
        inner = _inner_chunk_shape(self.metadata)
        if inner is None:
            return self._chunk_grid.grid_shape
        if self._chunk_grid.is_regular:
            return ChunkGrid.from_sizes(self.shape, inner).grid_shape
        return tuple(map(len, self.read_chunk_sizes))

    @property
    def nchunks(self) -> int:
        """Number of chunks of the array, including absent chunks."""
        return product(self.cdata_shape)

    # --- codecs ---

    @property
    def filters(self) -> tuple[Numcodec, ...] | tuple[ArrayArrayCodec, ...]:
        """Array-to-array codecs of a chunk (not of a shard), in encoding order."""
        metadata = self.metadata
        if isinstance(metadata, ArrayV3Metadata):
            return _by_role(metadata)[0]
        return metadata.filters or ()

    @property
    def serializer(self) -> ArrayBytesCodec | None:
        """Array-to-bytes codec of a chunk (not of a shard); None in format 2."""
        metadata = self.metadata
        return _by_role(metadata)[1] if isinstance(metadata, ArrayV3Metadata) else None

    @property
    def compressors(self) -> tuple[Numcodec, ...] | tuple[BytesBytesCodec, ...]:
        """Bytes-to-bytes codecs of a chunk (not of a shard), in encoding order."""
        metadata = self.metadata
        if isinstance(metadata, ArrayV3Metadata):
            return _by_role(metadata)[2]
        return () if metadata.compressor is None else (metadata.compressor,)

    @property
    def compressor(self) -> Numcodec | None:
        """Compressor of a format 2 array; deprecated in favour of `compressors`.

        Raises
        ------
        TypeError
            If the array has format 3.
        """
        warnings.warn(
            f"Use {type(self).__name__}.compressors instead.", ZarrDeprecationWarning, stacklevel=2
        )
        metadata = self.metadata
        if isinstance(metadata, ArrayV2Metadata):
            return metadata.compressor
        raise TypeError("`compressor` is not available for Zarr format 3 arrays.")

    # --- for compatibility --------------------------------------------------------------

    def _iter_shard_regions(
        self, origin: Sequence[int] | None = None, selection_shape: Sequence[int] | None = None
    ) -> Iterator[tuple[slice, ...]]:
        """Yield the region of each shard (of each chunk if the array has no shards), in elements.

        Parameters
        ----------
        origin : sequence of int or None
            Grid position of the first shard; None means the first shard of the array.
        selection_shape : sequence of int or None
            Number of shards along each dimension; None means all shards from `origin` on.

        Raises
        ------
        ValueError
            If a parameter does not have one item per dimension of the array.
        """
        return self._chunk_grid.iter_chunk_regions(origin=origin, selection_shape=selection_shape)

    # As in zarr-python, the regions are whole shards if the array has shards.
    def _iter_chunk_regions(
        self, origin: Sequence[int] | None = None, selection_shape: Sequence[int] | None = None
    ) -> Iterator[tuple[slice, ...]]:
        """Yield each region that is stored under one key; see `_iter_shard_regions`."""
        return self._iter_shard_regions(origin, selection_shape)

    # --- summary ---

    @property
    def info(self) -> ArrayInfo:
        """Summary for display, without I/O; `info_complete` also counts the stored chunks."""
        return self._summary()

    def _summary(
        self, count_chunks_initialized: int | None = None, count_bytes_stored: int | None = None
    ) -> ArrayInfo:
        metadata = self.metadata
        regular = isinstance(metadata, ArrayV2Metadata) or isinstance(
            metadata.chunk_grid, RegularChunkGridMetadata
        )
        shards: tuple[int, ...] | Literal["<variable>"] | None
        if regular:
            shards = self.shards
        else:
            shards = None if _inner_chunk_shape(metadata) is None else "<variable>"
        return ArrayInfo(
            _zarr_format=metadata.zarr_format,
            _data_type=metadata.dtype,
            _fill_value=metadata.fill_value,
            _shape=self.shape,
            _shard_shape=shards,
            _chunk_shape=self.chunks if regular else _inner_chunk_shape(metadata),
            _order=self.order,
            _read_only=self.read_only,
            _store_type=type(self.store).__name__,
            _filters=self.filters,
            _serializer=self.serializer,
            _compressors=self.compressors,
            _count_bytes=self.nbytes,
            _count_bytes_stored=count_bytes_stored,
            _count_chunks_initialized=count_chunks_initialized,
        )


def _inner_chunk_shape(metadata: ArrayV2Metadata | ArrayV3Metadata) -> tuple[int, ...] | None:
    """Return the shape of the chunks within shards; None for an array without shards."""
    if isinstance(metadata, ArrayV3Metadata) and metadata.sharding_codec is not None:
        return metadata.sharding_codec.chunk_shape
    return None


def _split(length: int, size: int) -> list[int]:
    whole, rest = divmod(length, size)
    return [size] * whole + ([rest] if rest else [])


def _by_role(
    metadata: ArrayV3Metadata,
) -> tuple[tuple[ArrayArrayCodec, ...], ArrayBytesCodec, tuple[BytesBytesCodec, ...]]:
    codecs = metadata.inner_codecs
    at = next(i for i, codec in enumerate(codecs) if isinstance(codec, ArrayBytesCodec))
    before = cast("tuple[ArrayArrayCodec, ...]", codecs[:at])
    after = cast("tuple[BytesBytesCodec, ...]", codecs[at + 1 :])
    return before, cast("ArrayBytesCodec", codecs[at]), after
