"""Damaged shards and shard indexes: what is stored, or a clear error that names the shard."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import google_crc32c
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.fuzz_kit import BOUNDED, guarded
from tests.fuzz.test_fuzz_chunks import EXTREMES, damage, damaged

import zarr
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, ZstdCodec
from zarr.storage import LocalStore, MemoryStore

VALUES = np.arange(1, 65, dtype="<i4").reshape(8, 8)
KEY = "c/0/0"
COUNT = 16
INDEX_NBYTES = COUNT * 16

INDEX_CODECS: dict[str, Any] = {"plain": [BytesCodec()], "crc32c": [BytesCodec(), Crc32cCodec()]}
INNER: dict[str, Any] = {
    "bytes": [BytesCodec()],
    "zstd": [BytesCodec(), ZstdCodec()],
    "crc32c": [BytesCodec(), Crc32cCodec()],
    "nested": [ShardingCodec(chunk_shape=(1, 1), codecs=[BytesCodec(), Crc32cCodec()])],
}
SELECTIONS: list[Any] = [..., (0, 0), (slice(2, 5), slice(None)), (slice(None, None, 3), 7)]


@cache
def stored(inner: str, location: Any, index: str) -> dict[str, bytes]:
    store = MemoryStore()
    array: Any = zarr.create_array(
        store,
        shape=VALUES.shape,
        chunks=VALUES.shape,
        dtype=VALUES.dtype,
        filters=None,
        compressors=None,
        serializer=ShardingCodec(
            chunk_shape=(2, 2),
            codecs=INNER[inner],
            index_location=location,
            index_codecs=INDEX_CODECS[index],
        ),
    )
    array[...] = VALUES
    return {key: value.to_bytes() for key, value in store._store_dict.items()}


def check(store: Any, selection: Any, *, is_checked: bool) -> None:
    array: Any = zarr.open_array(store, mode="r")
    outcome = guarded(lambda: array[selection], KEY)
    if outcome.error is None:
        assert np.shape(outcome.value) == VALUES[selection].shape
        if is_checked:
            np.testing.assert_array_equal(outcome.value, VALUES[selection])


def memory_store(content: dict[str, bytes]) -> MemoryStore:
    from_bytes = zarr.buffer.default_buffer_prototype().buffer.from_bytes
    return MemoryStore({key: from_bytes(data) for key, data in content.items()})


@pytest.mark.parametrize("index", INDEX_CODECS)
@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("inner", INNER)
@settings(BOUNDED, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=damage(), selection=st.sampled_from(SELECTIONS))
def test_damaged_shards(
    inner: str, location: str, index: str, steps: list[tuple[str, Any]], selection: Any
) -> None:
    content = stored(inner, location, index)
    changed = content | {KEY: damaged(content[KEY], steps)}
    # A checksum of the index and of the inner chunks covers all that is read.
    is_checked = index == "crc32c" and inner == "crc32c"
    check(memory_store(changed), selection, is_checked=is_checked)


@pytest.mark.parametrize("index", INDEX_CODECS)
@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("inner", INNER)
@settings(BOUNDED, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    number=st.integers(0, COUNT - 1),
    entry=st.tuples(
        st.sampled_from([*EXTREMES, 16, 255, 256, 260]), st.sampled_from([*EXTREMES, 16, 20, 260])
    ),
    selection=st.sampled_from(SELECTIONS),
)
def test_entries_of_the_index(
    tmp_path_factory: pytest.TempPathFactory,
    inner: str,
    location: str,
    index: str,
    number: int,
    entry: tuple[int, int],
    selection: Any,
) -> None:
    """The checksum of the index is right, so that what it says is looked at."""
    content = stored(inner, location, index)
    shard = content[KEY]
    end = INDEX_NBYTES + (4 if index == "crc32c" else 0)
    entries = bytearray(shard[:end] if location == "start" else shard[-end:])[:INDEX_NBYTES]
    entries[number * 16 : number * 16 + 16] = struct.pack("<QQ", *entry)
    encoded = bytes(entries)
    if index == "crc32c":
        encoded += int(google_crc32c.value(encoded)).to_bytes(4, "little")
    changed = encoded + shard[end:] if location == "start" else shard[:-end] + encoded
    root = tmp_path_factory.mktemp("shard")
    for key, data in (content | {KEY: changed}).items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)
    check(LocalStore(root), selection, is_checked=False)
