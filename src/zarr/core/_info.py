"""The result of ``node.info``: a readable summary of an array or a group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec
    from zarr.abc.numcodec import Numcodec
    from zarr.core.common import MemoryOrder, ZarrFormat
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType

_UNITS = "KMGTP"


def human_readable_size(nbytes: int) -> str:
    """Return a number of bytes as text with a unit, for example ``7.6M`` for 8000000.

    Numbers below 1024 are returned without a unit. Otherwise the result has one decimal and the
    largest unit that is not larger than the number. Each unit is 1024 times the previous one; the
    largest unit is ``P``.
    """
    if nbytes < 1024:
        return str(nbytes)
    power = min((nbytes.bit_length() - 1) // 10, len(_UNITS))
    return f"{nbytes / 1024**power:.1f}{_UNITS[power - 1]}"


def byte_info(nbytes: int) -> str:
    """Return a number of bytes as text, for example ``8000000 (7.6M)``.

    For numbers below 1024, the part in parentheses is omitted.
    """
    return str(nbytes) if nbytes < 1024 else f"{nbytes} ({human_readable_size(nbytes)})"


def _table(rows: Iterator[tuple[str, object]], width: int) -> str:
    return "\n".join(f"{label:<{width}} : {value}" for label, value in rows if value is not None)


@dataclass(frozen=True, kw_only=True, repr=False)
class GroupInfo:
    """Summary of a group; ``repr`` gives the text for users.

    Parameters
    ----------
    _name : str
        Path of the group in its store, empty for the root.
    _zarr_format : {2, 3}
        Zarr format of the group.
    _read_only : bool
        Whether the store is read-only.
    _store_type : str
        Name of the class of the store.
    _count_members : int or None
        Number of nodes below the group at any depth; None if not counted.
    _count_arrays : int or None
        Number of arrays below the group at any depth; None if not counted.
    _count_groups : int or None
        Number of groups below the group at any depth; None if not counted.
    """

    _name: str
    _type: Literal["Group"] = field(default="Group", init=False)
    _zarr_format: ZarrFormat
    _read_only: bool
    _store_type: str
    _count_members: int | None = None
    _count_arrays: int | None = None
    _count_groups: int | None = None

    def __repr__(self) -> str:
        return _table(self._rows(), 11)

    def _rows(self) -> Iterator[tuple[str, object]]:
        yield "Name", self._name
        yield "Type", self._type
        yield "Zarr format", self._zarr_format
        yield "Read-only", self._read_only
        yield "Store type", self._store_type
        yield "No. members", self._count_members
        yield "No. arrays", self._count_arrays
        yield "No. groups", self._count_groups


@dataclass(frozen=True, kw_only=True, repr=False)
class ArrayInfo:
    """Summary of an array; ``repr`` gives the text for users.

    Parameters
    ----------
    _zarr_format : {2, 3}
        Zarr format of the array.
    _data_type : ZDType
        Data type of the elements.
    _fill_value : scalar or None
        Fill value of the array; None if it is undefined (format 2 only).
    _shape : tuple of int
        Shape in elements.
    _shard_shape : tuple of int or None
        Shape of the shards in elements; ``"<variable>"`` if the shapes of shards differ. None if
        the array has no shards.
    _chunk_shape : tuple of int or None
        Shape of the chunks in elements; None if the shapes of chunks differ.
    _order : {"C", "F"}
        Memory layout of the NumPy arrays that reads return.
    _read_only : bool
        Whether the store is read-only.
    _store_type : str
        Name of the class of the store.
    _filters : tuple of codec
        Codecs that are applied before the serializer when a chunk is encoded.
    _compressors : tuple of codec
        Codecs that are applied after the serializer when a chunk is encoded.
    _serializer : ArrayBytesCodec or None
        The array-to-bytes codec; None in format 2.
    _count_bytes : int or None
        Size of all elements in bytes, before encoding; None if not counted.
    _count_bytes_stored : int or None
        Stored size of the array in bytes, including metadata; None if not requested.
    _count_chunks_initialized : int or None
        Number of stored shards, or of stored chunks if the array has no shards; None if not
        counted.
    """

    _type: Literal["Array"] = field(default="Array", init=False)
    _zarr_format: ZarrFormat
    _data_type: ZDType[TBaseDType, TBaseScalar]
    _fill_value: object
    _shape: tuple[int, ...]
    _shard_shape: tuple[int, ...] | Literal["<variable>"] | None = None
    _chunk_shape: tuple[int, ...] | None = None
    _order: MemoryOrder
    _read_only: bool
    _store_type: str
    _filters: tuple[Numcodec, ...] | tuple[ArrayArrayCodec, ...] = ()
    _serializer: ArrayBytesCodec | None = None
    _compressors: tuple[Numcodec, ...] | tuple[BytesBytesCodec, ...] = ()
    _count_bytes: int | None = None
    _count_bytes_stored: int | None = None
    _count_chunks_initialized: int | None = None

    def __repr__(self) -> str:
        return _table(self._rows(), 18)

    def _rows(self) -> Iterator[tuple[str, Any]]:
        sharded = self._shard_shape is not None
        yield "Type", self._type
        yield "Zarr format", self._zarr_format
        yield "Data type", self._data_type
        yield "Fill value", format(self._fill_value)
        yield "Shape", self._shape
        yield "Shard shape", self._shard_shape
        yield "Chunk shape", "<variable>" if self._chunk_shape is None else self._chunk_shape
        yield "Order", self._order
        yield "Read-only", self._read_only
        yield "Store type", self._store_type
        yield "Filters", self._filters
        yield "Serializer", self._serializer
        yield "Compressors", self._compressors
        if self._count_bytes is not None:
            yield "No. bytes", byte_info(self._count_bytes)
        if self._count_bytes_stored is not None:
            yield "No. bytes stored", byte_info(self._count_bytes_stored)
            if self._count_bytes is not None and self._count_bytes_stored > 0:
                yield "Storage ratio", f"{self._count_bytes / self._count_bytes_stored:.1f}"
        yield f"{'Shards' if sharded else 'Chunks'} Initialized", self._count_chunks_initialized
