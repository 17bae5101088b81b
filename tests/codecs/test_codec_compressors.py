"""gzip, zstd, blosc and crc32c: round trips, known bytes, and damage of every kind."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Callable
from typing import Any

import numcodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.codec_kit import (
    decode,
    decode_async,
    encode,
    encode_async,
    make_spec,
)

from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import BufferPrototype
from zarr.core.buffer.cpu import Buffer, NDBuffer

SPEC = make_spec((3,))

CODECS = st.one_of(
    st.builds(GzipCodec, level=st.integers(0, 9)),
    st.builds(ZstdCodec, level=st.integers(-100, 22), checksum=st.booleans()),
    st.builds(
        BloscCodec,
        typesize=st.integers(1, 300),
        cname=st.sampled_from(sorted(set(numcodecs.blosc.list_compressors()))),
        clevel=st.integers(0, 9),
        shuffle=st.sampled_from(["noshuffle", "shuffle", "bitshuffle"]),
        blocksize=st.integers(0, 1 << 20),
    ),
    st.just(Crc32cCodec()),
)
DATA = st.one_of(
    st.binary(max_size=2000),
    st.builds(
        lambda part, count: part * count, st.binary(min_size=1, max_size=9), st.integers(0, 999)
    ),
)


@given(CODECS, DATA)
def test_round_trip(codec: Any, data: bytes) -> None:
    assert decode(codec, encode(codec, data, SPEC), SPEC) == data


@pytest.mark.parametrize("codec", [GzipCodec(), ZstdCodec(), BloscCodec(), Crc32cCodec()])
def test_asynchronous_coding(codec: Any) -> None:
    stored = encode_async(codec, b"abc" * 99, SPEC)
    if not isinstance(codec, GzipCodec):  # its header holds the time
        assert stored == encode(codec, b"abc" * 99, SPEC)
    assert decode_async(codec, stored, SPEC) == b"abc" * 99


def test_known_bytes() -> None:
    assert encode(Crc32cCodec(), b"abc", SPEC) == b"abc\xb7?K6"
    # RFC 3720, B.4: 32 bytes of zeros
    assert encode(Crc32cCodec(), bytes(32), SPEC)[-4:] == bytes.fromhex("aa36918a")
    assert encode(GzipCodec(), b"abc", SPEC)[:3] == b"\x1f\x8b\x08"
    assert encode(ZstdCodec(), b"abc", SPEC)[:4] == b"\x28\xb5\x2f\xfd"
    # Blosc version 2, Zstandard in the upper bits of the flags, typesize, sizes
    header = encode(BloscCodec(typesize=4, shuffle="shuffle"), bytes(4096), SPEC)[:12]
    assert header[3] == 4
    assert int.from_bytes(header[4:8], "little") == 4096


def test_parameters_reach_the_library() -> None:
    data = np.random.default_rng(0).integers(0, 20, 20_000).astype("u1").tobytes()
    sizes = [len(encode(GzipCodec(level=level), data, SPEC)) for level in (0, 1, 9)]
    assert sizes[0] > len(data) > sizes[1] > sizes[2]
    levels = [len(encode(ZstdCodec(level=level), data, SPEC)) for level in (-50, 1, 19)]
    assert len(set(levels)) == 3
    with_checksum = encode(ZstdCodec(checksum=True), data, SPEC)
    assert len(with_checksum) == len(encode(ZstdCodec(), data, SPEC)) + 4
    integers = np.arange(5000, dtype="<u4").tobytes()
    stored = {
        shuffle: encode(BloscCodec(typesize=4, shuffle=shuffle), integers, SPEC)
        for shuffle in ("noshuffle", "shuffle", "bitshuffle")
    }
    assert len(stored["bitshuffle"]) < len(stored["shuffle"]) < len(stored["noshuffle"])
    assert [stored[name][2] & 0b101 for name in stored] == [0, 1, 4]
    assert len(encode(BloscCodec(clevel=0), integers, SPEC)) == len(integers) + 16
    compressors = {
        cname: encode(BloscCodec(cname=cname), integers, SPEC)[2] >> 5
        for cname in ("blosclz", "lz4", "lz4hc", "zlib", "zstd")
    }
    assert compressors == {"blosclz": 0, "lz4": 1, "lz4hc": 1, "zlib": 3, "zstd": 4}
    assert (
        int.from_bytes(encode(BloscCodec(blocksize=4096), integers, SPEC)[8:12], "little") == 4096
    )


@pytest.mark.parametrize(
    "stored", [b"", b"a", b"ab\0", b"abc\0\0\0\0", b"abc\xb7?K7", b"abb\xb7?K6"]
)
def test_checksum_mismatch(stored: bytes) -> None:
    with pytest.raises(ValueError, match="Stored and computed checksum do not match") as caught:
        decode(Crc32cCodec(), stored, SPEC)
    assert f"Stored: {stored[-4:]!r}." in str(caught.value)


def test_checksum_mismatch_is_reported_as_recorded() -> None:
    message = (
        r"Stored and computed checksum do not match. Stored: b'\x00\x00\x00\x00'. "
        r"Computed: b'\xb7?K6'."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        decode(Crc32cCodec(), b"abc\0\0\0\0", SPEC)


TEXT = np.random.default_rng(1).integers(0, 99, 4000).astype("u1").tobytes()

ERRORS = {
    "gzip": (OSError, EOFError, zlib.error),
    "zstd": (RuntimeError,),
    "blosc": (RuntimeError,),
}
COMPRESSORS: list[Any] = [GzipCodec(), ZstdCodec(), ZstdCodec(checksum=True), BloscCodec()]


@pytest.mark.parametrize("codec", COMPRESSORS)
@pytest.mark.parametrize(
    "damage",
    [
        lambda stored: b"",
        lambda stored: stored[:1],
        lambda stored: stored[:15],
        lambda stored: stored[:17],
        lambda stored: stored[:-1],
        lambda stored: stored[: len(stored) // 2],
        lambda stored: b"garbage",
        lambda stored: b"garbage!" * 40,
        lambda stored: b"\0" + stored[1:],
    ],
)
def test_damage_never_decodes(codec: Any, damage: Callable[[bytes], bytes]) -> None:
    stored = damage(encode(codec, TEXT, SPEC))
    with pytest.raises(ERRORS[codec._name]):
        decode(codec, stored, SPEC)


@pytest.mark.parametrize("codec", [GzipCodec(), ZstdCodec(checksum=True)])
@given(data=st.data())
def test_a_flipped_bit_never_becomes_data(codec: Any, data: st.DataObject) -> None:
    stored = bytearray(encode(codec, TEXT, SPEC))
    position = data.draw(st.integers(0, len(stored) - 1))
    stored[position] ^= 1 << data.draw(st.integers(0, 7))
    try:
        decoded = decode(codec, bytes(stored), SPEC)
    except (OSError, EOFError, zlib.error, RuntimeError, MemoryError):
        return
    # The fields that no checksum covers, such as the time in a gzip header
    assert decoded == TEXT


def test_recorded_error_messages() -> None:
    with pytest.raises(gzip.BadGzipFile, match=re.escape("Not a gzipped file (b'ga')")):
        decode(GzipCodec(), b"garbage", SPEC)
    with pytest.raises(RuntimeError, match="Zstd decompression error: invalid input data"):
        decode(ZstdCodec(), b"garbage", SPEC)
    with pytest.raises(RuntimeError, match="error during blosc decompression"):
        decode(BloscCodec(), b"garbage!" * 4, SPEC)


def test_a_blosc_chunk_shorter_than_its_header_says() -> None:
    stored = encode(BloscCodec(), TEXT, SPEC)
    message = f"the buffer has {len(stored) - 1} bytes, its header says {len(stored)}"
    with pytest.raises(RuntimeError, match=message):
        decode(BloscCodec(), stored[:-1], SPEC)


@pytest.mark.parametrize("nbytes", [0, 1, 4, 9, 15])
def test_a_blosc_header_that_is_cut_off(nbytes: int) -> None:
    """What lies behind it in memory was taken for the rest."""
    stored = encode(BloscCodec(), TEXT, SPEC)
    with pytest.raises(RuntimeError, match="fewer than a header"):
        decode(BloscCodec(), stored[:nbytes], SPEC)


def test_gzip_of_several_members_and_with_trailing_zeros() -> None:
    stored = encode(GzipCodec(), b"abc", SPEC) + encode(GzipCodec(), b"def", SPEC)
    assert decode(GzipCodec(), stored, SPEC) == b"abcdef"
    assert decode(GzipCodec(), stored + b"\0\0", SPEC) == b"abcdef"
    with pytest.raises(gzip.BadGzipFile):
        decode(GzipCodec(), stored + b"xy", SPEC)
    with pytest.raises(EOFError):
        decode(GzipCodec(), stored[:-1], SPEC)


def test_gzip_is_read_by_others() -> None:
    assert gzip.decompress(encode(GzipCodec(), TEXT, SPEC)) == TEXT
    written = io.BytesIO()
    with gzip.GzipFile(filename="named", mode="wb", fileobj=written) as file:
        file.write(TEXT)
    assert decode(GzipCodec(), written.getvalue(), SPEC) == TEXT


def test_zstd_frames_of_unknown_size() -> None:
    # Two frames, and a raw block in a frame without content size
    stored = encode(ZstdCodec(), b"abc", SPEC) + encode(ZstdCodec(), b"def", SPEC)
    assert decode(ZstdCodec(), stored, SPEC) == b"abcdef"
    streamed = bytes.fromhex("28b52ffd0058190000") + b"abc"
    assert decode(ZstdCodec(), streamed, SPEC) == b"abc"
    with pytest.raises(RuntimeError):
        decode(ZstdCodec(), streamed[:-1], SPEC)


class OtherBuffer(Buffer):
    """A buffer of another class."""


@pytest.mark.parametrize("codec", [*COMPRESSORS, Crc32cCodec()])
def test_results_are_of_the_class_of_the_prototype(codec: Any) -> None:
    prototype = BufferPrototype(OtherBuffer, NDBuffer)
    spec = ArraySpec(SPEC.shape, SPEC.dtype, 0, SPEC.config, prototype)
    stored = codec._encode_sync(OtherBuffer.from_bytes(TEXT), spec)
    assert isinstance(stored, OtherBuffer)
    decoded = codec._decode_sync(stored, spec)
    assert isinstance(decoded, OtherBuffer)
    assert decoded.to_bytes() == TEXT


@pytest.mark.parametrize("codec", [*COMPRESSORS, Crc32cCodec()])
def test_memory_is_not_written_to(codec: Any) -> None:
    data = np.frombuffer(TEXT, dtype="B")
    assert not data.flags.writeable
    stored = codec._encode_sync(Buffer.from_array_like(data), SPEC)
    frozen = Buffer.from_bytes(stored.to_bytes())
    assert codec._decode_sync(frozen, SPEC).to_bytes() == TEXT
