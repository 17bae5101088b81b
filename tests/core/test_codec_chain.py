"""Chains of codecs: order, specs, who decides how to code, and chunks between bytes and arrays."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from typing import Any

import numcodecs
import numpy as np
import pytest

from zarr.abc.codec import ArrayArrayCodec, BytesBytesCodec, Codec
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)
from zarr.codecs._v2 import V2Codec
from zarr.core._codec_chain import CodecChain, split_codecs
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import Buffer, NDBuffer, default_buffer_prototype
from zarr.core.buffer.cpu import Buffer as CpuBuffer
from zarr.core.buffer.cpu import NDBuffer as CpuNDBuffer
from zarr.core.chunks._scatter import detached, gather, is_empty, merge
from zarr.core.codec_pipeline import AsyncChunkTransform, BatchedCodecPipeline
from zarr.core.dtype import Float32, Int16
from zarr.core.sync import sync
from zarr.errors import ZarrUserWarning

SPEC = ArraySpec((2, 3), Int16(), 0, ArrayConfig("C", False), default_buffer_prototype())
VALUES = np.arange(6, dtype="i2").reshape(2, 3)


def array(values: Any) -> NDBuffer:
    return CpuNDBuffer.from_numpy_array(np.asarray(values))


def test_round_trip_and_resolution() -> None:
    chain = CodecChain.from_codecs([TransposeCodec(order=(1, 0)), BytesCodec(), ZstdCodec()])
    stages = chain.for_spec(SPEC).stages
    assert [stage.spec.shape for stage in stages] == [(2, 3), (3, 2), (3, 2)]
    assert chain.for_spec(SPEC) is chain.for_spec(SPEC)
    encoded = chain.encode_sync(array(VALUES), SPEC)
    assert encoded is not None
    assert (chain.decode_sync(encoded, SPEC).as_numpy_array() == VALUES).all()
    (again,) = sync(chain.decode([(encoded, SPEC)]))
    assert again is not None
    assert (again.as_numpy_array() == VALUES).all()
    assert sync(chain.encode([(None, SPEC), (array(VALUES), SPEC)])) == [None, encoded]


def test_many_specs_do_not_pile_up() -> None:
    chain = CodecChain.from_codecs([BytesCodec()])
    for length in range(300):
        spec = replace_shape(SPEC, (length, 1))
        assert chain.for_spec(spec).spec.shape == (length, 1)
    assert len(chain._resolved) < 100
    assert len(pickle.dumps(chain)) < 500


def replace_shape(spec: ArraySpec, shape: tuple[int, ...]) -> ArraySpec:
    return replace(spec, shape=shape)


@pytest.mark.parametrize(
    ("codecs", "error", "message"),
    [
        ([], ValueError, "At least one ArrayBytesCodec"),
        ([BytesCodec(), BytesCodec()], ValueError, "Only one ArrayBytesCodec"),
        ([GzipCodec(), BytesCodec()], TypeError, "Invalid codec order"),
        ([BytesCodec(), TransposeCodec(order=(0,))], TypeError, "Invalid codec order"),
        ([TransposeCodec(order=(0,)), GzipCodec()], TypeError, "Invalid codec order"),
        ([BytesCodec(), "gzip"], TypeError, "Expected a codec"),
    ],
)
def test_orders_that_cannot_work(codecs: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        split_codecs(codecs)


def test_codecs_around_sharding_are_warned_about() -> None:
    with pytest.warns(ZarrUserWarning, match="disables partial reads"):
        pipeline = BatchedCodecPipeline.from_codecs([ShardingCodec(chunk_shape=(1,)), ZstdCodec()])
    assert not pipeline.supports_partial_decode
    alone = BatchedCodecPipeline.from_codecs([ShardingCodec(chunk_shape=(1,))])
    assert alone.supports_partial_decode
    assert alone.supports_partial_encode


@dataclass(frozen=True)
class OnlyCoroutines(BytesBytesCodec):
    """A codec of a third party, given by coroutines for single chunks."""

    is_fixed_size = True

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return CpuBuffer.from_bytes(chunk_data.to_bytes()[::-1])

    async def _encode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return CpuBuffer.from_bytes(chunk_data.to_bytes()[::-1])


@dataclass(frozen=True)
class SaysNoSize(BytesBytesCodec):
    """Does not say whether the size of its output follows from that of its input."""

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return CpuBuffer.from_bytes(chunk_data.to_bytes()[::-1])

    async def _encode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return CpuBuffer.from_bytes(chunk_data.to_bytes()[::-1])

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        return input_byte_length


@dataclass(frozen=True)
class OverridesACoroutine(GzipCodec):
    """A subclass of a codec that is given by functions: the nearer definition is meant."""

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        raise KeyError("the override ran")


def test_the_nearest_definition_decides() -> None:
    plain = CodecChain.from_codecs([BytesCodec(), GzipCodec()])
    assert plain.decodes_sync
    assert plain.is_sync
    waits = CodecChain.from_codecs([BytesCodec(), OnlyCoroutines()])
    assert not waits.decodes_sync
    assert not waits.encodes_sync
    overrides = CodecChain.from_codecs([BytesCodec(), OverridesACoroutine()])
    assert not overrides.decodes_sync
    assert overrides.encodes_sync


def test_coroutine_codecs_work_in_every_form() -> None:
    codecs: list[Any] = [BytesCodec(), OnlyCoroutines()]
    pipeline = BatchedCodecPipeline.from_codecs(codecs, batch_size=2).evolve_from_array_spec(SPEC)
    chunks = [(array(VALUES + i), SPEC) for i in range(5)]
    encoded = list(sync(pipeline.encode(chunks)))
    decoded = sync(pipeline.decode([(chunk, SPEC) for chunk in encoded]))
    for i, chunk in enumerate(decoded):
        assert chunk is not None
        assert (chunk.as_numpy_array() == VALUES + i).all()
    transform = AsyncChunkTransform(codecs=codecs)
    one = sync(transform.encode_chunk(array(VALUES), SPEC))
    assert one is not None
    assert (sync(transform.decode_chunk(one, SPEC)).as_numpy_array() == VALUES).all()


@pytest.mark.parametrize("others", [[], [GzipCodec()]], ids=["alone", "with gzip"])
async def test_a_codec_need_not_say_whether_its_size_is_fixed(others: list[Codec]) -> None:
    chain = CodecChain.from_codecs([BytesCodec(), SaysNoSize(), *others])
    (encoded,) = await chain.encode([(array(VALUES), SPEC)])
    (decoded,) = await chain.decode([(encoded, SPEC)])
    assert decoded is not None
    np.testing.assert_array_equal(decoded.as_numpy_array(), VALUES)
    with pytest.raises(ValueError, match="fixed-size"):
        ShardingCodec(chunk_shape=(2,), index_codecs=[BytesCodec(), SaysNoSize()])


@dataclass(frozen=True)
class WrongShape(ArrayArrayCodec):
    is_fixed_size = True

    def _decode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        return chunk_data[0:1]

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        return chunk_data


def test_a_chunk_of_another_shape_is_not_broadcast() -> None:
    chain = CodecChain.from_codecs([WrongShape(), BytesCodec()])
    encoded = chain.encode_sync(array(VALUES), SPEC)
    assert encoded is not None
    with pytest.raises(ValueError, match=r"shape \(2, 3\) was expected.*\(1, 3\)"):
        chain.decode_sync(encoded, SPEC)
    with pytest.raises(ValueError, match="was expected"):
        sync(chain.decode([(encoded, SPEC)]))


def test_a_codec_without_any_hook_says_so() -> None:
    class Nothing(BytesBytesCodec):
        is_fixed_size = True

    chain = CodecChain.from_codecs([BytesCodec(), Nothing()])
    with pytest.raises(NotImplementedError, match="Nothing must implement _encode_sync"):
        sync(chain.encode([(array(VALUES), SPEC)]))
    with pytest.raises(NotImplementedError, match="depends on the values"):
        chain.compute_encoded_size(12, SPEC)


def test_sizes() -> None:
    assert CodecChain.from_codecs([BytesCodec()]).compute_encoded_size(12, SPEC) == 12


def test_merging() -> None:
    row: Any = (slice(0, 1), slice(0, 3))
    old = array(VALUES.copy())
    merged = merge(old, array([[9, 9, 9]]), row, SPEC, False)
    assert merged.as_numpy_array().tolist() == [[9, 9, 9], [3, 4, 5]]
    assert old.as_numpy_array().tolist() == VALUES.tolist()
    fresh = merge(None, array([[9, 9, 9]]), row, SPEC, False)
    assert fresh.as_numpy_array().tolist() == [[9, 9, 9], [0, 0, 0]]
    everything: Any = (slice(0, 2), slice(0, 3))
    whole = merge(None, old, everything, SPEC, True)
    assert np.shares_memory(whole.as_numpy_array(), old.as_numpy_array())
    converted = merge(None, array(VALUES.astype("f8")), everything, SPEC, True)
    assert converted.dtype == np.dtype("i2")


def test_gathering_restores_dropped_axes() -> None:
    value = array(np.arange(6).reshape(2, 3))
    assert gather(array(5), (slice(0, 1),), ()).shape == ()
    part = gather(value, (slice(0, 2), slice(1, 3)), (1,))
    assert part.shape == (2, 1, 2)


def test_empty_chunks() -> None:
    zeros = array(np.zeros((2, 3), "i2"))
    assert is_empty(zeros, SPEC)
    assert not is_empty(array(VALUES), SPEC)
    assert not is_empty(zeros, replace(SPEC, config=ArrayConfig("C", True)))
    negative = replace(SPEC, dtype=Float32(), fill_value=np.float32(0.0))
    assert not is_empty(array(np.array([[-0.0] * 3] * 2, "f4")), negative)


def test_encoded_chunks_do_not_share_memory_with_the_values() -> None:
    encoded = CodecChain.from_codecs([BytesCodec()]).encode_sync(array(VALUES), SPEC)
    kept = detached(encoded, VALUES)
    assert kept is not None
    assert not np.shares_memory(kept.as_numpy_array(), VALUES)
    assert detached(None, VALUES) is None
    other = CpuBuffer.from_bytes(b"ab")
    assert detached(other, VALUES) is other


class OverridesOneHook(ZstdCodec):
    """Decodes to the bytes backwards."""

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        decoded = super()._decode_sync(chunk_data, chunk_spec)
        return CpuBuffer.from_bytes(decoded.to_bytes()[::-1])


@pytest.mark.parametrize(
    "codecs",
    [
        [BytesCodec()],
        [BytesCodec(), ZstdCodec()],
        [BytesCodec(), BloscCodec()],
        [BytesCodec(), GzipCodec()],
        [BytesCodec(), ZstdCodec(checksum=True), BloscCodec(cname="lz4"), Crc32cCodec()],
        [TransposeCodec(order=(1, 0)), BytesCodec(endian="big"), ZstdCodec()],
        [BytesCodec(), OverridesOneHook()],
        [V2Codec(None, None)],
        [V2Codec(None, numcodecs.Zstd())],
        [V2Codec(None, numcodecs.Blosc())],
        [V2Codec(None, numcodecs.GZip())],
        [V2Codec(None, numcodecs.LZ4())],
        [V2Codec((numcodecs.Delta("i2"),), numcodecs.Zstd())],
        [V2Codec((numcodecs.Shuffle(2),), None)],
    ],
    ids=[*map(str, range(14))],
)
@pytest.mark.parametrize("damaged", [None, 0, 2])
def test_chunks_decode_together_as_they_do_one_by_one(codecs: Any, damaged: int | None) -> None:
    chain = CodecChain.from_codecs(codecs).evolve(SPEC).for_spec(SPEC)
    encoded = [chain.encode_sync(array((VALUES + factor).astype("i2"))) for factor in range(4)]
    assert all(each is not None for each in encoded)
    buffers = [CpuBuffer.from_bytes(each.to_bytes()) for each in encoded if each is not None]
    if damaged is not None:
        buffers[damaged] = buffers[damaged][:-1]
        with pytest.raises((ValueError, RuntimeError, EOFError)):
            chain.decode_many_sync(buffers)
        return
    expected = [chain.decode_sync(buffer) for buffer in buffers]
    found = chain.decode_many_sync(buffers)
    assert len(found) == 4
    for one, other in zip(found, expected):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one.as_numpy_array(), other.as_numpy_array())
    assert chain.decode_many_sync([]) == []


def test_chunks_of_another_shape_are_refused_among_others() -> None:
    chain = CodecChain.from_codecs([WrongShape(), BytesCodec()]).for_spec(SPEC)
    encoded = chain.encode_sync(array(VALUES))
    assert encoded is not None
    with pytest.raises(ValueError, match="was expected"):
        chain.decode_many_sync([encoded, encoded])


class OverridesEncoding(BytesCodec):
    """Stores the bytes of a chunk backwards."""

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        encoded = super()._encode_sync(chunk_data, chunk_spec)
        return None if encoded is None else CpuBuffer.from_bytes(encoded.to_bytes()[::-1])


class OverridesV2Encoding(V2Codec):
    """Stores the bytes of a chunk backwards."""

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        encoded = super()._encode_sync(chunk_data, chunk_spec)
        return None if encoded is None else CpuBuffer.from_bytes(encoded.to_bytes()[::-1])


@pytest.mark.parametrize("codec", [OverridesEncoding(), OverridesV2Encoding(None, None)])
def test_a_codec_that_overrides_one_hook_means_it(codec: Any) -> None:
    encoded = CodecChain.from_codecs([codec]).encode_sync(array(VALUES), SPEC)
    assert encoded is not None
    assert encoded.to_bytes() == VALUES.tobytes()[::-1]


@pytest.mark.parametrize("codec", [BytesCodec(), V2Codec(None, None)])
@pytest.mark.parametrize("values", [VALUES, VALUES.T.copy().T, VALUES.astype(">i2")])
def test_what_is_stored_as_it_is(codec: Any, values: Any) -> None:
    chain = CodecChain.from_codecs([codec]).for_spec(SPEC)
    encoded = chain.encode_sync(array(values))
    assert encoded is not None
    assert np.array_equal(chain.decode_sync(encoded).as_numpy_array(), VALUES)
