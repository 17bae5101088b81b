"""Damaged chunks of each codec: what is stored, or a clear error that names the chunk."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import numcodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.fuzz_kit import BOUNDED, guarded

import zarr
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    TransposeCodec,
    ZstdCodec,
)
from zarr.codecs import numcodecs as zn
from zarr.storage import MemoryStore

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
]

EXTREMES = [0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]
PAGE = (
    b"<!DOCTYPE html><html><head><title>503</title></head><body>Service Unavailable</body></html>"
)


@st.composite
def damage(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Return steps of damage, whose positions are fractions of what they meet."""
    places = st.floats(0, 1, exclude_max=True)
    step = st.one_of(
        st.tuples(st.just("flip"), st.tuples(places, st.integers(0, 7))),
        st.tuples(st.just("cut"), places),
        st.tuples(st.just("extend"), st.binary(min_size=1, max_size=40)),
        st.tuples(st.just("insert"), st.tuples(places, st.binary(min_size=1, max_size=8))),
        st.tuples(
            st.just("field"),
            st.tuples(st.integers(0, 40), st.sampled_from(EXTREMES), st.sampled_from("BHIQ")),
        ),
        st.tuples(st.just("replace"), st.sampled_from([PAGE, b"", b"\0" * 64, b"\xff" * 64])),
        st.tuples(st.just("repeat"), st.integers(2, 3)),
    )
    return draw(st.lists(step, min_size=1, max_size=3))


def damaged(data: bytes, steps: list[tuple[str, Any]]) -> bytes:
    for kind, details in steps:
        if kind == "flip" and data:
            place, bit = details
            position = int(place * len(data))
            data = data[:position] + bytes([data[position] ^ 1 << bit]) + data[position + 1 :]
        elif kind == "cut":
            data = data[: int(details * len(data))]
        elif kind == "extend":
            data += details
        elif kind == "insert":
            position = int(details[0] * len(data))
            data = data[:position] + details[1] + data[position:]
        elif kind == "field":
            offset, value, size = details
            field = struct.pack(f"<{size}", value % 2 ** (8 * struct.calcsize(size)))
            if offset + len(field) <= len(data):
                data = data[:offset] + field + data[offset + len(field) :]
        elif kind == "replace":
            data = details
        elif kind == "repeat":
            data *= details
    return data


NUMBERS = np.arange(200, dtype="<i4") ** 2 % 251
FLAGS = NUMBERS % 3 == 0
TEXT = np.array(["", "a", "héllo", "x" * 90] * 5, dtype=np.dtypes.StringDType())
BLOBS = np.array([b"", b"a", b"\0\xff", b"x" * 90] * 5, dtype=object)
WORDS = np.array(["ab", "cd", "ab"] * 20, dtype="U2")

# Values, parameters of the array, and whether a checksum covers what is stored.
CASES: dict[str, tuple[Any, dict[str, Any], bool]] = {
    "bytes": (NUMBERS, {"compressors": None}, False),
    "bytes big": (NUMBERS, {"compressors": None, "serializer": BytesCodec(endian="big")}, False),
    "transpose": (
        NUMBERS.reshape(20, 10),
        {"filters": [TransposeCodec(order=(1, 0))], "compressors": None},
        False,
    ),
    "crc32c": (NUMBERS, {"compressors": [Crc32cCodec()]}, True),
    "gzip": (NUMBERS, {"compressors": [GzipCodec()]}, False),
    "gzip, crc32c": (NUMBERS, {"compressors": [GzipCodec(), Crc32cCodec()]}, True),
    "crc32c, gzip": (NUMBERS, {"compressors": [Crc32cCodec(), GzipCodec()]}, True),
    "zstd": (NUMBERS, {"compressors": [ZstdCodec()]}, False),
    "zstd checksum": (NUMBERS, {"compressors": [ZstdCodec(checksum=True)]}, False),
    "string": (TEXT, {"compressors": None}, False),
    "string, zstd": (TEXT, {"compressors": [ZstdCodec()]}, False),
    "variable bytes": (
        BLOBS,
        {"compressors": None, "dtype": zarr.dtype.VariableLengthBytes()},
        False,
    ),
    "variable bytes, gzip": (
        BLOBS,
        {"compressors": [GzipCodec()], "dtype": zarr.dtype.VariableLengthBytes()},
        False,
    ),
}
for cname in ("lz4", "lz4hc", "blosclz", "zlib", "zstd"):
    for shuffle in ("noshuffle", "shuffle", "bitshuffle"):
        blosc: Any = BloscCodec(cname=cname, shuffle=shuffle)
        CASES[f"blosc {cname} {shuffle}"] = (NUMBERS, {"compressors": [blosc]}, False)
for bytes_codec in (
    zn.Blosc(),
    zn.BZ2(),
    zn.GZip(),
    zn.LZ4(),
    zn.LZMA(),
    zn.Zlib(),
    zn.Zstd(),
    zn.Shuffle(),
):
    CASES[bytes_codec.codec_name] = (NUMBERS, {"compressors": [bytes_codec]}, False)
for checksum in (zn.Adler32(), zn.CRC32(), zn.CRC32C(), zn.Fletcher32(), zn.JenkinsLookup3()):
    CASES[checksum.codec_name] = (NUMBERS, {"compressors": [checksum]}, True)
for array_codec, values in (
    (zn.Delta(dtype="<i4", astype="<i4"), NUMBERS),
    (zn.FixedScaleOffset(offset=0, scale=1, dtype="<i4", astype="<i4"), NUMBERS),
    (zn.AsType(encode_dtype="<i8", decode_dtype="<i4"), NUMBERS),
    (zn.PackBits(), FLAGS),
    (zn.BitRound(keepbits=23), NUMBERS.astype("<f4")),
    (zn.Quantize(digits=3, dtype="<f4"), NUMBERS.astype("<f4")),
):
    CASES[array_codec.codec_name] = (
        values,
        {"filters": [array_codec], "compressors": [zn.Zlib()]},
        False,
    )
for compressor in (
    numcodecs.Blosc(),
    numcodecs.BZ2(),
    numcodecs.GZip(),
    numcodecs.LZ4(),
    numcodecs.LZMA(),
    numcodecs.LZMA(format=3, filters=[{"id": 33, "preset": 1}]),
    numcodecs.Zlib(),
    numcodecs.Zstd(),
):
    CASES[f"v2 {compressor!r}"] = (NUMBERS, {"compressors": compressor, "zarr_format": 2}, False)
for filters, values, is_checked in (
    ([numcodecs.Delta("<i4")], NUMBERS, False),
    ([numcodecs.FixedScaleOffset(0, 1, "<i4", "<i4")], NUMBERS, False),
    ([numcodecs.AsType("<i8", "<i4")], NUMBERS, False),
    ([numcodecs.Shuffle(4)], NUMBERS, False),
    ([numcodecs.Base64()], NUMBERS, False),
    ([numcodecs.PackBits()], FLAGS, False),
    ([numcodecs.Categorize(["ab", "cd"], "<U2")], WORDS, False),
    ([numcodecs.CRC32()], NUMBERS, True),
    ([numcodecs.Adler32()], NUMBERS, True),
    ([numcodecs.Fletcher32()], NUMBERS, True),
    ([numcodecs.JenkinsLookup3()], NUMBERS, True),
    (None, TEXT, False),
):
    for compressor in (None, numcodecs.Zlib()):
        CASES[f"v2 {filters} {compressor} {values.dtype}"] = (
            values,
            {"filters": filters or "auto", "compressors": compressor, "zarr_format": 2},
            is_checked,
        )
CASES["v2 variable bytes"] = (
    BLOBS,
    {"dtype": zarr.dtype.VariableLengthBytes(), "compressors": None, "zarr_format": 2},
    False,
)


@cache
def stored(name: str) -> tuple[dict[str, bytes], str]:
    """Return the contents of a store with an array of one chunk, and the key of the chunk."""
    values, parameters, _ = CASES[name]
    store = MemoryStore()
    array: Any = zarr.create_array(
        store, **{"shape": values.shape, "chunks": values.shape, "dtype": values.dtype} | parameters
    )
    array[...] = values
    content = {key: value.to_bytes() for key, value in store._store_dict.items()}
    (key,) = (key for key in content if not key.endswith((".json", ".zarray", ".zattrs")))
    return content, key


@pytest.mark.parametrize("name", CASES)
@settings(
    BOUNDED,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=damage())
def test_damaged_chunks(name: str, steps: list[tuple[str, Any]]) -> None:
    values, _, is_checked = CASES[name]
    content, key = stored(name)
    from_bytes = zarr.buffer.default_buffer_prototype().buffer.from_bytes
    changed = content | {key: damaged(content[key], steps)}
    store = MemoryStore({name: from_bytes(data) for name, data in changed.items()})
    array = zarr.open_array(store, mode="r")
    outcome = guarded(lambda: array[...], key)
    if outcome.error is None:
        assert outcome.value.shape == values.shape
        if is_checked:
            expected, found = values, outcome.value
            if "letcher" in name:  # it adds 16-bit words modulo 65535, for which 65535 is 0
                expected, found = (
                    np.ascontiguousarray(one).view("<u2") % 65535 for one in (expected, found)
                )
            np.testing.assert_array_equal(found, expected)
