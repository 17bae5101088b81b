"""A store that records and fails on demand, codecs that tell where they run, and both drivers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zarr.abc.codec import BytesBytesCodec
from zarr.abc.store import Store
from zarr.codecs import ShardingCodec
from zarr.core._byte_ranges import ByteRequest, resolve_byte_range
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.core.buffer.cpu import NDBuffer, buffer_prototype
from zarr.core.dtype import get_data_type_from_native_dtype
from zarr.storage import StorePath

Request = tuple[str, Any]


class OneValueStore(Store):
    """Holds values in a dictionary, and notes every physical operation in `log`."""

    supports_writes = True
    supports_deletes = True
    supports_listing = False

    def __init__(self, **values: bytes) -> None:
        super().__init__()
        self.values = values
        self.log: list[Request] = []
        # Called with the number of the read and its byte range; may raise or replace the answer.
        self.fault: Callable[[int, ByteRequest | None, bytes | None], bytes | None] | None = None

    def __eq__(self, value: object) -> bool:
        return self is value

    def __str__(self) -> str:
        return "fake://store"

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        number = len(self.log)
        self.log.append(("get", byte_range))
        value = self.values.get(key)
        if value is not None:
            start, stop = resolve_byte_range(byte_range, len(value))
            value = value[start:stop]
        if self.fault is not None:
            value = self.fault(number, byte_range, value)
        return None if value is None else buffer_prototype.buffer.from_bytes(value)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        await asyncio.sleep(0)
        return self.get_sync(key, prototype=prototype, byte_range=byte_range)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        return key in self.values

    def set_sync(self, key: str, value: Buffer) -> None:
        self.log.append(("set", len(value)))
        self.values[key] = value.to_bytes()

    async def set(self, key: str, value: Buffer) -> None:
        self.set_sync(key, value)

    def delete_sync(self, key: str) -> None:
        self.log.append(("delete", None))
        self.values.pop(key, None)

    async def delete(self, key: str) -> None:
        self.delete_sync(key)

    async def _keys(self) -> AsyncIterator[str]:
        for key in self.values:
            yield key

    def list(self) -> AsyncIterator[str]:
        return self._keys()

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        return self._keys()

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        return self._keys()

    @property
    def requests(self) -> Sequence[Any]:
        """What was read, and other operations by name; forgets them."""
        log, self.log = self.log, []
        return [arg if name == "get" else name for name, arg in log]


class Key(StorePath):
    """One key of a store, as the stores of this package give it to codecs."""

    store: OneValueStore

    def __init__(self, store: OneValueStore, path: str = "c/0") -> None:
        super().__init__(store, path)

    @property
    def value(self) -> bytes | None:
        return self.store.values.get(self.path)


class ForeignKey:
    """A byte getter and setter that shows neither its store nor its key."""

    def __init__(self, key: Key) -> None:
        for name in ("get", "get_sync", "set", "set_sync", "delete", "delete_sync"):
            setattr(self, name, getattr(key, name))


def make_spec(
    shape: tuple[int, ...],
    dtype: npt.DTypeLike = "i4",
    fill_value: Any = 0,
    *,
    write_empty_chunks: bool = False,
    max_gap_bytes: int = 1 << 20,
    max_bytes: int = 16 << 20,
) -> ArraySpec:
    config = ArrayConfig(
        order="C",
        write_empty_chunks=write_empty_chunks,
        sharding_coalesce_max_gap_bytes=max_gap_bytes,
        sharding_coalesce_max_bytes=max_bytes,
    )
    zdtype: Any = get_data_type_from_native_dtype(np.dtype(dtype))
    return ArraySpec(shape, zdtype, zdtype.cast_scalar(fill_value), config, buffer_prototype)


def counting(shape: tuple[int, ...], dtype: npt.DTypeLike = "i4") -> npt.NDArray[Any]:
    """An array without zeros, every element its own."""
    return np.arange(1, np.prod(shape, dtype=int) + 1, dtype=dtype).reshape(shape)


def encode(codec: ShardingCodec, array: npt.NDArray[Any], spec: ArraySpec) -> bytes | None:
    encoded = codec._encode_sync(NDBuffer.from_numpy_array(array), spec)
    return None if encoded is None else encoded.to_bytes()


def decode(codec: ShardingCodec, data: bytes, spec: ArraySpec) -> npt.NDArray[Any]:
    return codec._decode_sync(buffer_prototype.buffer.from_bytes(data), spec).as_numpy_array()


def encode_async(codec: ShardingCodec, array: npt.NDArray[Any], spec: ArraySpec) -> bytes | None:
    (encoded,) = asyncio.run(codec.encode([(NDBuffer.from_numpy_array(array), spec)]))
    return None if encoded is None else encoded.to_bytes()


def decode_async(codec: ShardingCodec, data: bytes, spec: ArraySpec) -> npt.NDArray[Any]:
    (decoded,) = asyncio.run(codec.decode([(buffer_prototype.buffer.from_bytes(data), spec)]))
    assert decoded is not None
    return decoded.as_numpy_array()


def read(how: str, codec: ShardingCodec, key: Any, selection: Any, spec: ArraySpec) -> Any:
    """Read a selection with, or without, an event loop; None means only fill values."""
    if how == "sync":
        part = codec._decode_partial_sync(key, selection, spec)
    else:
        (part,) = asyncio.run(codec.decode_partial([(key, selection, spec)]))
    return None if part is None else part.as_numpy_array()


def write(
    how: str, codec: ShardingCodec, key: Any, values: Any, selection: Any, spec: ArraySpec
) -> None:
    """Write a selection with, or without, an event loop."""
    value = NDBuffer.from_numpy_array(np.asarray(values))
    if how == "sync":
        codec._encode_partial_sync(key, value, selection, spec)
    else:
        asyncio.run(codec.encode_partial([(key, value, selection, spec)]))


@dataclass(frozen=True)
class ThreadNotingCodec(BytesBytesCodec):
    """Changes nothing, and notes the threads it is called in."""

    is_fixed_size = True
    threads: Any = None

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        self.threads.append(threading.get_ident())
        return chunk_data

    def _encode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        self.threads.append(threading.get_ident())
        return chunk_data

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        return input_byte_length


@dataclass(frozen=True)
class AsyncOnlyCodec(BytesBytesCodec):
    """Inverts all bits, by coroutines only, as a third party may write a codec."""

    is_fixed_size = True

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        await asyncio.sleep(0)
        inverted = np.invert(chunk_data.as_numpy_array().view("u1"))
        return chunk_spec.prototype.buffer.from_array_like(inverted)

    async def _encode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        return await self._decode_single(chunk_data, chunk_spec)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        return input_byte_length
