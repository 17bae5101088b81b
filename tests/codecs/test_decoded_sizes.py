"""What stored bytes say of sizes and counts is checked before room is made for it."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import struct
import tracemalloc
import zlib
from typing import Any

import numcodecs
import numpy as np
import pytest
import zstandard
from tests.codecs.codec_kit import decode, spec_of

import zarr
from zarr.codecs import BytesCodec, Crc32cCodec, GzipCodec, VLenUTF8Codec, ZstdCodec
from zarr.codecs import numcodecs as zn
from zarr.codecs._v2 import V2Codec
from zarr.storage import MemoryStore

pytestmark = [
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3:UserWarning"),
    pytest.mark.filterwarnings("ignore:The data type:zarr.errors.UnstableSpecificationWarning"),
]

MIB = 1 << 20
ZEROS = bytes(128 * MIB)
CHUNK_NBYTES = 4096
# What decoding a chunk of a few kilobytes may allocate; a bomb would take 128 MiB.
ALLOWED = 64 * MIB


def zstd_frames(data: bytes, *, tell_size: bool) -> bytes:
    compressor = zstandard.ZstdCompressor(write_content_size=tell_size)
    if tell_size:
        return compressor.compress(data)
    stream = compressor.compressobj()
    return stream.compress(data) + stream.flush()


def blosc_header(nbytes: int) -> bytes:
    encoded = bytearray(numcodecs.Blosc(cname="lz4").encode(bytes(CHUNK_NBYTES)))
    encoded[4:8] = struct.pack("<I", nbytes)
    return bytes(encoded)


BOMBS: dict[str, tuple[Any, bytes]] = {
    "blosc": (numcodecs.Blosc(), blosc_header(2**31 - 17)),
    "bz2": (numcodecs.BZ2(), bz2.compress(ZEROS)),
    "bz2 streams": (numcodecs.BZ2(), bz2.compress(b"x") + bz2.compress(ZEROS)),
    "gzip": (numcodecs.GZip(), gzip.compress(ZEROS)),
    "gzip members": (numcodecs.GZip(), gzip.compress(b"x") + gzip.compress(ZEROS)),
    "lz4": (numcodecs.LZ4(), struct.pack("<I", 2**31 - 1) + b"\0" * 50),
    "lzma": (numcodecs.LZMA(), lzma.compress(ZEROS, preset=0)),
    "zlib": (numcodecs.Zlib(), zlib.compress(ZEROS)),
    "zstd": (numcodecs.Zstd(), zstd_frames(ZEROS, tell_size=True)),
    "zstd of no size": (numcodecs.Zstd(), zstd_frames(ZEROS, tell_size=False)),
    "zstd frames": (
        numcodecs.Zstd(),
        zstd_frames(b"x", tell_size=True) * 2 + zstd_frames(ZEROS, tell_size=False),
    ),
}


def read_guarded(store: MemoryStore, key: str) -> ValueError:
    """Read an array that has a bomb; return the error, which has to name the key."""
    array = zarr.open_array(store, mode="r")
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as caught:
            array[...]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < ALLOWED
    assert any(key in note for note in caught.value.__notes__)
    return caught.value


def put(store: MemoryStore, key: str, data: bytes) -> None:
    store._store_dict[key] = zarr.buffer.default_buffer_prototype().buffer.from_bytes(data)


@pytest.mark.parametrize("filters", [[], [numcodecs.Shuffle(4)], [numcodecs.Delta("i4", "i2")]])
@pytest.mark.parametrize("name", BOMBS)
def test_v2(name: str, filters: list[Any]) -> None:
    compressor, bomb = BOMBS[name]
    store = MemoryStore()
    zarr.create_array(
        store,
        shape=(2 * CHUNK_NBYTES // 4,),
        chunks=(CHUNK_NBYTES // 4,),
        dtype="i4",
        zarr_format=2,
        compressors=compressor,
        filters=filters,
    )
    put(store, "0", bomb)
    put(store, "1", bomb)
    read_guarded(store, "0")


V3: dict[str, Any] = {
    "blosc": zarr.codecs.BloscCodec(),
    "gzip": GzipCodec(),
    "gzip members": GzipCodec(),
    "zstd": ZstdCodec(),
    "zstd of no size": ZstdCodec(),
    "zstd frames": ZstdCodec(),
}
NUMCODECS: dict[str, Any] = {
    "blosc": zn.Blosc(),
    "bz2": zn.BZ2(),
    "gzip": zn.GZip(),
    "lz4": zn.LZ4(),
    "lzma": zn.LZMA(),
    "zlib": zn.Zlib(),
    "zstd": zn.Zstd(),
}


@pytest.mark.parametrize("shards", [None, (CHUNK_NBYTES,)])
@pytest.mark.parametrize(
    ("name", "codec"), [*V3.items(), *NUMCODECS.items()], ids=lambda value: str(value)[:12]
)
def test_v3(name: str, codec: Any, shards: Any) -> None:
    store = MemoryStore()
    array = zarr.create_array(
        store,
        shape=(CHUNK_NBYTES,),
        chunks=(CHUNK_NBYTES // 4,),
        shards=shards,
        dtype="u1",
        compressors=[codec],
    )
    bomb = BOMBS[name][1]
    if shards is None:
        put(store, "c/0", bomb)
    else:
        index = struct.pack("<QQ", 0, len(bomb)) + b"\xff" * 48
        put(store, "c/0", bomb + index + crc32c(index))
    assert array.shape == (CHUNK_NBYTES,)
    read_guarded(store, "c/0")


def crc32c(data: bytes) -> bytes:
    import google_crc32c

    value: int = google_crc32c.value(data)
    return value.to_bytes(4, "little")


@pytest.mark.parametrize(
    "compressors",
    [
        [GzipCodec(), Crc32cCodec()],
        [Crc32cCodec(), GzipCodec()],
        [GzipCodec(), GzipCodec()],
        [ZstdCodec(), GzipCodec()],
    ],
    ids=str,
)
def test_several_codecs(compressors: list[Any]) -> None:
    store = MemoryStore()
    array = zarr.create_array(store, shape=(CHUNK_NBYTES,), dtype="u1", compressors=compressors)
    noise = np.random.default_rng(1).integers(0, 256, CHUNK_NBYTES, dtype="u1")
    array[...] = noise
    np.testing.assert_array_equal(array[...], noise)
    bomb = gzip.compress(ZEROS)
    put(store, "c/0", bomb + crc32c(bomb) if compressors[-1] == Crc32cCodec() else bomb)
    read_guarded(store, "c/0")


def test_strings_of_unknown_size_are_limited_by_what_is_stored() -> None:
    store = MemoryStore()
    array = zarr.create_array(
        store, shape=(4,), dtype="str", serializer=VLenUTF8Codec(), compressors=[GzipCodec()]
    )
    array[...] = ["a" * 200_000] * 4  # compresses well over a thousand times
    assert len(str(array[0])) == 200_000
    put(store, "c/0", gzip.compress(bytes(300 * MIB)))
    with pytest.raises(ValueError, match="more than the"):
        array[...]


def test_a_chunk_that_is_no_larger_is_decoded() -> None:
    """Blocks, members and frames of any number, up to the last byte."""
    data = np.random.default_rng(1).integers(0, 256, CHUNK_NBYTES, dtype="u1")
    half = CHUNK_NBYTES // 2
    parts = data[:half].tobytes(), data[half:].tobytes()
    for compressor, compress in (
        (numcodecs.GZip(), gzip.compress),
        (numcodecs.BZ2(), bz2.compress),
        (numcodecs.LZMA(), lzma.compress),
        (numcodecs.Zstd(), lambda part: zstd_frames(part, tell_size=False)),
        (numcodecs.Zstd(), lambda part: zstd_frames(part, tell_size=True)),
    ):
        store = MemoryStore()
        array: Any = zarr.create_array(
            store, shape=data.shape, dtype="u1", zarr_format=2, compressors=compressor
        )
        put(store, "0", b"".join(map(compress, parts)))
        np.testing.assert_array_equal(array[...], data)


# --- counts -------------------------------------------------------------------------------------


def vlen(count: int, *elements: bytes, lengths: list[int] | None = None) -> bytes:
    sizes = [len(element) for element in elements] if lengths is None else lengths
    items = b"".join(struct.pack("<i", n) + element for n, element in zip(sizes, elements))
    return struct.pack("<I", count & 0xFFFFFFFF) + items


DAMAGED_VLEN = [
    b"",
    b"\2\0",
    b"<html><body>error</body></html>",
    vlen(-1, b"a", b"b"),
    vlen(2**31, b"a", b"b"),
    vlen(3, b"a", b"b"),
    vlen(1, b"a"),
    vlen(2, b"a"),
    vlen(2, b"a", b"b", lengths=[1, -1]),
    vlen(2, b"a", b"b", lengths=[-4, 1]),
    vlen(2, b"a", b"b", lengths=[1, 2]),
    vlen(2, b"a", b"b", lengths=[2**31 - 1, 1]),
]
VLEN: list[tuple[dict[str, Any], str]] = [
    ({"dtype": "str"}, "c/0"),
    ({"dtype": zarr.dtype.VariableLengthBytes()}, "c/0"),
    ({"dtype": "str", "zarr_format": 2}, "0"),
    ({"dtype": zarr.dtype.VariableLengthBytes(), "zarr_format": 2}, "0"),
]


@pytest.mark.parametrize("data", DAMAGED_VLEN, ids=lambda data: data[:12].hex())
@pytest.mark.parametrize(("parameters", "key"), VLEN, ids=str)
def test_elements_of_variable_length(parameters: dict[str, Any], key: str, data: bytes) -> None:
    store = MemoryStore()
    zarr.create_array(store, shape=(2,), compressors=None, **parameters)
    put(store, key, data)
    read_guarded(store, key)


@pytest.mark.parametrize(
    "items",
    [
        ["a", "b", "|O", [2**40]],
        ["a", "b", "|O", [2, 2**40]],
        ["a", "b", "|O", [-1]],
        ["a", "b", "|O", [1.5]],
        ["a", "b", "|O", 2],
        ["a", "b", "<U500000000", [2]],
        ["a", "b", 5, [2]],
        ["a", "|O", [2]],
        ["|O"],
        [],
        {"a": 1},
        7,
    ],
    ids=str,
)
def test_items_with_their_shape(items: Any) -> None:
    """No data type of format 2 has the codec json2 any more, but a pipeline can be made of it."""
    codec: Any = V2Codec((numcodecs.JSON(),), None)
    array = np.array(["a", "b"], np.dtypes.StringDType())
    spec = spec_of(array)
    with pytest.raises((ValueError, TypeError)):
        decode(codec, json.dumps(items).encode(), spec)
    decoded = decode(codec, json.dumps(["a", "b", "|O", [2]]).encode(), spec)
    np.testing.assert_array_equal(decoded, array)


def test_damage_without_a_clear_error_of_its_own() -> None:
    """What a decoder stumbles over is a ValueError with that as its cause."""
    store = MemoryStore()
    zarr.create_array(
        store,
        shape=(2,),
        dtype="?",
        zarr_format=2,
        compressors=None,
        filters=[numcodecs.PackBits()],
    )
    put(store, "0", b"")
    error = read_guarded(store, "0")
    assert isinstance(error.__cause__, IndexError)


def test_serializers_are_not_limited_by_the_codecs_after_them() -> None:
    array: Any = zarr.create_array(
        {}, shape=(8,), dtype="i4", serializer=BytesCodec(), compressors=[GzipCodec(), ZstdCodec()]
    )
    array[...] = 5
    np.testing.assert_array_equal(array[...], 5)
