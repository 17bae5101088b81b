"""`ChunkTransform`: the codecs of single chunks, for who schedules the decoding by itself."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import zarr
from zarr.abc.codec import BytesBytesCodec
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, TransposeCodec, ZstdCodec
from zarr.codecs._v2 import V2Codec
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.core.chunk_utils import ChunkTransform
from zarr.core.dtype import Int32

CODECS = (TransposeCodec(order=(1, 0)), BytesCodec(), ZstdCodec())
PROTOTYPE = default_buffer_prototype()
VALUES = np.arange(6, dtype="i4").reshape(2, 3)


def spec(*shape: int) -> ArraySpec:
    config = ArrayConfig(order="C", write_empty_chunks=False)
    return ArraySpec(shape, Int32(), np.int32(0), config, PROTOTYPE)


def encode(transform: ChunkTransform, values: np.ndarray) -> Buffer | None:
    return transform.encode_chunk(PROTOTYPE.nd_buffer.from_numpy_array(values), spec(*values.shape))


@pytest.mark.parametrize(
    "codecs", [CODECS, (BytesCodec(),), (ShardingCodec(chunk_shape=(1, 3)),)], ids=repr
)
def test_chunks_of_several_shapes_go_there_and_back(codecs: tuple[Any, ...]) -> None:
    transform = ChunkTransform(codecs=codecs)
    for values in (VALUES, VALUES[:1], VALUES):
        encoded = encode(transform, values)
        assert encoded is not None
        decoded = transform.decode_chunk(encoded, spec(*values.shape))
        np.testing.assert_array_equal(decoded.as_numpy_array(), values)


def test_what_a_codec_does_not_store_is_none() -> None:
    transform = ChunkTransform(codecs=(ShardingCodec(chunk_shape=(1, 3)),))
    assert encode(transform, np.zeros((2, 3), "i4")) is None


def test_the_codecs_by_role() -> None:
    transform = ChunkTransform(codecs=CODECS)
    assert transform.codecs == CODECS
    assert transform._aa_codecs == CODECS[:1]
    assert transform._ab_codec == CODECS[1]
    assert transform._bb_codecs == CODECS[2:]


def test_encoded_sizes() -> None:
    assert (
        ChunkTransform(codecs=(BytesCodec(), Crc32cCodec())).compute_encoded_size(24, spec(2, 3))
        == 28
    )
    with pytest.raises(NotImplementedError):
        ChunkTransform(codecs=CODECS).compute_encoded_size(24, spec(2, 3))


class Waiting(BytesBytesCodec):
    is_fixed_size = True

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return chunk_data

    async def _encode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return chunk_data

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        return input_byte_length


@pytest.mark.parametrize(
    ("codecs", "error", "message"),
    [
        ((BytesCodec(), Waiting()), TypeError, "Waiting"),
        ((), ValueError, "ArrayBytesCodec"),
        ((ZstdCodec(),), ValueError, "ArrayBytesCodec"),
        ((ZstdCodec(), BytesCodec()), TypeError, "order"),
        ((BytesCodec(), BytesCodec()), ValueError, "one ArrayBytesCodec"),
    ],
)
def test_codecs_it_cannot_run(
    codecs: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ChunkTransform(codecs=codecs)


def test_equal_with_equal_codecs_also_pickled() -> None:
    transform = ChunkTransform(codecs=CODECS)
    encode(transform, VALUES)
    assert transform == ChunkTransform(codecs=CODECS) == pickle.loads(pickle.dumps(transform))
    assert transform != ChunkTransform(codecs=CODECS[1:])
    assert "codecs=(TransposeCodec" in repr(transform)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_it_decodes_what_arrays_store(zarr_format: Any) -> None:
    # As a loader of batches does: it fetches the bytes, and decodes them in threads of its own.
    store: dict[str, Buffer] = {}
    array = zarr.create_array(
        store, shape=(4, 3), chunks=(2, 3), dtype="i4", zarr_format=zarr_format
    )
    array[:] = np.arange(12).reshape(4, 3)
    metadata: Any = array.metadata
    codecs = (
        tuple(metadata.codecs)
        if zarr_format == 3
        else (V2Codec(filters=metadata.filters, compressor=metadata.compressor),)
    )
    transform = ChunkTransform(codecs=codecs)
    keys = ["c/0/0", "c/1/0"] if zarr_format == 3 else ["0.0", "1.0"]
    described = spec(2, 3)
    with ThreadPoolExecutor(2) as threads:
        chunks = list(threads.map(lambda key: transform.decode_chunk(store[key], described), keys))
    stacked = np.concatenate([chunk.as_numpy_array() for chunk in chunks])
    np.testing.assert_array_equal(stacked, array[:])
