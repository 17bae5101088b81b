"""Reading parts of shards: what is requested, what comes back, and faults that must not be data."""

from __future__ import annotations

import asyncio
import gc
import struct
import threading
import time
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.codecs.sharding_kit import (
    AsyncOnlyCodec,
    ForeignKey,
    Key,
    OneValueStore,
    ThreadNotingCodec,
    counting,
    encode,
    encode_async,
    make_spec,
    read,
)
from tests.waiting import PATIENCE

import zarr
from zarr.abc.codec import Codec
from zarr.abc.store import Store
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, TransposeCodec, ZstdCodec
from zarr.core._byte_ranges import RangeByteRequest, SuffixByteRequest
from zarr.core._pool import Pool
from zarr.core.buffer import Buffer
from zarr.core.buffer.cpu import Buffer as CPUBuffer
from zarr.core.buffer.cpu import NDBuffer, buffer_prototype
from zarr.storage import LocalStore, MemoryStore, StorePath, ZipStore

HOW = ["sync", "async"]

# 16 inner chunks of 2 x 2 elements of 4 bytes; stored in C order, so that places are easy to tell.
SHAPE = (8, 8)
CODEC = ShardingCodec(chunk_shape=(2, 2), subchunk_write_order="lexicographic")
INDEX_NBYTES = 16 * 16 + 4
INDEX = SuffixByteRequest(INDEX_NBYTES)


def stored(codec: ShardingCodec = CODEC, array: Any = None, fill_value: int = 0) -> Key:
    """Store a shard."""
    data = encode(
        codec, counting(SHAPE) if array is None else array, make_spec(SHAPE, fill_value=fill_value)
    )
    assert data is not None
    return Key(OneValueStore(**{"c/0": data}))


def span(first: int, last: int) -> RangeByteRequest:
    """The bytes of some inner chunks in a row, counted in C order."""
    return RangeByteRequest(16 * first, 16 * (last + 1))


# --- requests ---------------------------------------------------------------------------

EVERYTHING = (slice(0, 8), slice(0, 8))
SPARSE = (slice(0, 8, 4), slice(0, 8, 4))  # inner chunks 0, 2, 8 and 10
REQUESTS: list[tuple[Any, dict[str, Any], list[Any]]] = [
    (EVERYTHING, {}, [None]),
    ((slice(None), slice(None)), {}, [None]),
    ((slice(1, 7), slice(1, 7)), {}, [None]),  # a piece of every inner chunk
    ((slice(0, 8, 2), slice(0, 8, 2)), {}, [None]),
    ((slice(0, 1), slice(0, 1)), {}, [INDEX, span(0, 0)]),
    ((3, 5), {}, [INDEX, span(6, 6)]),
    ((slice(0, 2), slice(0, 8)), {}, [INDEX, span(0, 3)]),
    ((slice(0, 8), slice(0, 2)), {}, [INDEX, span(0, 12)]),
    (SPARSE, {"max_gap_bytes": 16}, [INDEX, span(0, 2), span(8, 10)]),
    (SPARSE, {"max_gap_bytes": 15}, [INDEX, span(0, 0), span(2, 2), span(8, 8), span(10, 10)]),
    (SPARSE, {"max_gap_bytes": 80}, [INDEX, span(0, 10)]),
    (SPARSE, {"max_bytes": 48}, [INDEX, span(0, 2), span(8, 10)]),
    (
        (slice(0, 2), slice(0, 8)),
        {"max_bytes": 1},
        [INDEX, span(0, 0), span(1, 1), span(2, 2), span(3, 3)],
    ),
]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(("selection", "options", "requests"), REQUESTS)
def test_the_index_is_read_once_and_neighbours_together(
    how: str, selection: Any, options: dict[str, Any], requests: list[Any]
) -> None:
    key = stored()
    part = read(how, CODEC, key, selection, make_spec(SHAPE, **options))
    assert np.array_equal(part, counting(SHAPE)[selection])
    asked = key.store.requests
    assert asked[:1] == requests[:1]
    assert sorted(asked[1:], key=repr) == sorted(requests[1:], key=repr)


@pytest.mark.parametrize("how", HOW)
def test_an_index_at_the_start_is_read_as_a_range(how: str) -> None:
    codec = ShardingCodec(
        chunk_shape=(2, 2), index_location="start", subchunk_write_order="lexicographic"
    )
    key = stored(codec)
    part = read(how, codec, key, (slice(0, 2), slice(2, 4)), make_spec(SHAPE))
    assert np.array_equal(part, counting(SHAPE)[0:2, 2:4])
    first = INDEX_NBYTES + 16
    assert key.store.requests == [
        RangeByteRequest(0, INDEX_NBYTES),
        RangeByteRequest(first, first + 16),
    ]


@pytest.mark.parametrize("how", HOW)
def test_the_size_of_the_index_is_what_its_codecs_say(how: str) -> None:
    codec = ShardingCodec(chunk_shape=(2, 2), index_codecs=[BytesCodec()])
    key = stored(codec)
    read(how, codec, key, (0, 0), make_spec(SHAPE))
    assert key.store.requests[0] == SuffixByteRequest(16 * 16)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("selection", [(slice(0, 1), slice(0, 1)), EVERYTHING])
def test_an_absent_shard_is_none_after_one_request(how: str, selection: Any) -> None:
    key = Key(OneValueStore())
    assert read(how, CODEC, key, selection, make_spec(SHAPE)) is None
    assert len(key.store.requests) == 1


@pytest.mark.parametrize("how", HOW)
def test_inner_chunks_that_are_not_stored_are_not_asked_for(how: str) -> None:
    array = counting(SHAPE)
    array[0:2] = -1
    key = stored(array=array, fill_value=-1)
    spec = make_spec(SHAPE, fill_value=-1)
    part = read(how, CODEC, key, (slice(0, 2), slice(0, 8)), spec)
    assert part is not None
    assert (part == -1).all()
    assert key.store.requests == [INDEX]
    mixed = read(how, CODEC, key, (slice(0, 4), slice(0, 1)), spec)
    assert np.array_equal(mixed, array[0:4, 0:1])
    assert key.store.requests == [INDEX, span(0, 0)]


@pytest.mark.parametrize("how", HOW)
def test_foreign_byte_getters_are_read_range_by_range(how: str) -> None:
    key = stored()
    part = read(how, CODEC, ForeignKey(key), (slice(0, 2), slice(0, 8)), make_spec(SHAPE))
    assert np.array_equal(part, counting(SHAPE)[0:2])
    asked = key.store.requests
    assert asked[0] == INDEX
    assert sorted(asked[1:], key=repr) == sorted((span(i, i) for i in range(4)), key=repr)


async def memory_store(folder: Path) -> Store:
    return await MemoryStore.open()


async def local_store(folder: Path) -> Store:
    return await LocalStore.open(folder)


async def zip_store(folder: Path) -> Store:
    return await ZipStore.open(folder / "store.zip", mode="w")


@pytest.mark.parametrize("make", [memory_store, local_store, zip_store])
async def test_stores_of_this_package(make: Any, tmp_path: Path) -> None:
    store = await make(tmp_path)
    path: Any = StorePath(store, "a/c/0")
    spec = make_spec(SHAPE, max_gap_bytes=0)
    assert await CODEC._decode_partial_single(path, (0, 0), spec) is None
    value = NDBuffer.from_numpy_array(counting(SHAPE))
    await CODEC._encode_partial_single(path, value, EVERYTHING, spec)
    for selection in ((3, 5), SPARSE, (slice(1, 7), slice(0, 3)), EVERYTHING):
        part = await CODEC._decode_partial_single(path, selection, spec)
        here = CODEC._decode_partial_sync(path, selection, spec)
        for found in (part, here):
            assert found is not None
            assert np.array_equal(found.as_numpy_array(), counting(SHAPE)[selection])
    await store.set("a/c/1", buffer_prototype.buffer.from_bytes(b"\x01\x02"))
    with pytest.raises(ValueError, match="read 2 bytes of index") as caught:
        await CODEC._decode_partial_single(StorePath(store, "a/c/1"), (0, 0), spec)
    assert "a/c/1" in notes(caught.value)
    store.close()


# --- nested shards ----------------------------------------------------------------------

NESTED = ShardingCodec(
    chunk_shape=(4, 4),
    codecs=[CODEC],
    subchunk_write_order="lexicographic",
    index_codecs=[BytesCodec()],
)
INNER_INDEX_NBYTES = 4 * 16 + 4
INNER_NBYTES = 4 * 16 + INNER_INDEX_NBYTES


@pytest.mark.parametrize("how", HOW)
def test_a_nested_shard_is_read_through_its_own_index(how: str) -> None:
    key = stored(NESTED)
    part = read(how, NESTED, key, (slice(6, 8), slice(4, 6)), make_spec(SHAPE))
    assert np.array_equal(part, counting(SHAPE)[6:8, 4:6])
    start, stop = 3 * INNER_NBYTES, 4 * INNER_NBYTES  # the last inner shard, of it the third chunk
    assert key.store.requests == [
        SuffixByteRequest(4 * 16),
        RangeByteRequest(stop - INNER_INDEX_NBYTES, stop),
        RangeByteRequest(start + 32, start + 48),
    ]


@pytest.mark.parametrize("how", HOW)
def test_inner_shards_needed_in_every_part_are_read_like_inner_chunks(how: str) -> None:
    key = stored(NESTED)
    part = read(how, NESTED, key, (slice(1, 3), slice(0, 8)), make_spec(SHAPE))
    assert np.array_equal(part, counting(SHAPE)[1:3])
    assert key.store.requests == [SuffixByteRequest(4 * 16), RangeByteRequest(0, 2 * INNER_NBYTES)]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("codecs", [[CODEC, ZstdCodec()], [TransposeCodec(order=(1, 0)), CODEC]])
def test_shards_behind_other_codecs_are_read_whole(how: str, codecs: list[Codec]) -> None:
    codec = ShardingCodec(chunk_shape=(4, 4), codecs=codecs)
    key = stored(codec)
    selection = (slice(6, 8), slice(4, 6))
    assert np.array_equal(
        read(how, codec, key, selection, make_spec(SHAPE)),
        counting(SHAPE)[selection],
    )
    assert len(key.store.requests) == 2


# --- what NumPy returns -----------------------------------------------------------------


def axis_slices(length: int) -> st.SearchStrategy[slice]:
    return st.builds(
        lambda a, b, step: slice(min(a, b), max(a, b) + 1, step),
        st.integers(0, length - 1),
        st.integers(0, length - 1),
        st.integers(1, 4),
    )


def selections() -> st.SearchStrategy[Any]:
    def points(count: int) -> st.SearchStrategy[Any]:
        indices = st.lists(st.integers(0, 7), min_size=count, max_size=count).map(np.array)
        return st.tuples(indices, indices)

    def mesh(counts: tuple[int, int]) -> st.SearchStrategy[Any]:
        return st.tuples(
            *(st.lists(st.integers(0, 7), min_size=n, max_size=n) for n in counts)
        ).map(lambda lists: np.ix_(*lists))

    basic = st.tuples(*([axis_slices(8) | st.integers(0, 7)] * 2))
    return (
        basic
        | st.integers(1, 9).flatmap(points)
        | st.tuples(st.integers(1, 8), st.integers(1, 8)).flatmap(mesh)
    )


@settings(max_examples=80)
@given(
    selection=selections(),
    nested=st.booleans(),
    empty=st.integers(0, 60),
    gap=st.sampled_from([0, 16, 100, 1 << 20]),
)
def test_a_selection_is_what_numpy_selects(
    selection: Any, nested: bool, empty: int, gap: int
) -> None:
    array = counting(SHAPE)
    array.ravel()[:empty] = 0
    codec = NESTED if nested else CODEC
    key = stored(codec, array)
    for how in HOW:
        part = read(how, codec, key, selection, make_spec(SHAPE, max_gap_bytes=gap))
        assert part is not None
        assert np.array_equal(part, array[selection])


REPEATED: list[Any] = [
    np.ix_([0, 0, 1], [0, 1]),
    np.ix_([1, 0], [1, 1, 0, 0]),
    (np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])),
    (np.array([1, 1, 0, 0, 1]), np.array([1, 0, 1, 0, 1])),
]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("selection", REPEATED)
def test_all_elements_of_an_inner_chunk_in_another_order(how: str, selection: Any) -> None:
    part = read(how, CODEC, stored(), selection, make_spec(SHAPE))
    assert np.array_equal(part, counting(SHAPE)[selection])


# --- who runs what ----------------------------------------------------------------------


def test_no_codec_runs_on_the_thread_of_the_event_loop() -> None:
    threads: list[int] = []
    noting = ThreadNotingCodec(threads=threads)
    inner = ShardingCodec(chunk_shape=(2, 2), codecs=[BytesCodec(), noting])
    for codec in (
        ShardingCodec(chunk_shape=(2, 2), codecs=[BytesCodec(), noting]),
        ShardingCodec(chunk_shape=(2, 2), index_codecs=[BytesCodec(), noting]),
        ShardingCodec(chunk_shape=(4, 4), codecs=[inner]),
        ShardingCodec(chunk_shape=(4, 4), codecs=[inner, noting]),
    ):
        key = stored(codec)
        for selection in (EVERYTHING, (slice(0, 3), slice(0, 5))):
            threads.clear()
            read("async", codec, key, selection, make_spec(SHAPE))
            assert threads
            assert threading.get_ident() not in threads
            threads.clear()
            read("sync", codec, key, selection, make_spec(SHAPE))
            assert set(threads) == {threading.get_ident()}


def test_small_inner_chunks_share_a_hop_to_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[Any] = []
    submit = Pool.submit

    def counting_submit(pool: Pool, *args: Any) -> Any:
        jobs.append(args)
        return submit(pool, *args)

    monkeypatch.setattr(Pool, "submit", counting_submit)
    codec = ShardingCodec(chunk_shape=(1, 1))
    key = stored(codec)
    for selection in (EVERYTHING, (slice(0, 7), slice(0, 8))):
        jobs.clear()
        asyncio.run(codec._decode_partial_single(key, selection, make_spec(SHAPE)))
        assert len(jobs) == 2  # the index, and 64 or 56 inner chunks


def test_large_inner_chunks_are_decoded_in_parallel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    threads: list[int] = []
    both = threading.Barrier(2, timeout=PATIENCE)

    class Meeting(ThreadNotingCodec):
        def _decode_sync(self, chunk_data: Any, chunk_spec: Any) -> Any:
            if len(threads) < 2:
                threads.append(threading.get_ident())
                both.wait()  # passes only if two threads decode at the same time
            return chunk_data

    codec = ShardingCodec(chunk_shape=(1 << 17,), codecs=[BytesCodec(), Meeting(threads=[])])
    spec = make_spec((1 << 19,))
    data = encode(codec, counting((1 << 19,)), spec)
    key = Key(OneValueStore(**{"c/0": data}))  # type: ignore[arg-type]
    for selection in ((slice(0, 1 << 19),), (slice(0, 1 << 18),)):
        threads.clear()
        part = read("async", codec, key, selection, spec)
        assert part is not None
        assert len(set(threads)) == 2
        assert np.array_equal(part, counting((1 << 19,))[selection])


@pytest.mark.parametrize("selection", [EVERYTHING, (slice(0, 3), slice(0, 5)), (0, 0)])
def test_async_only_codecs_work(selection: Any) -> None:
    inner = ShardingCodec(chunk_shape=(2, 2), codecs=[BytesCodec(), AsyncOnlyCodec()])
    for codec in (inner, ShardingCodec(chunk_shape=(4, 4), codecs=[inner])):
        data = encode_async(codec, counting(SHAPE), make_spec(SHAPE))
        assert data is not None
        key = Key(OneValueStore(**{"c/0": data}))
        part = read("async", codec, key, selection, make_spec(SHAPE))
        assert np.array_equal(part, counting(SHAPE)[selection])
        with pytest.raises(TypeError, match="has only asynchronous methods"):
            read("sync", codec, key, selection, make_spec(SHAPE))


class Shuffling(OneValueStore):
    """Answers one range at a time, the last first."""

    async def get_ranges(self, key: str, byte_ranges: Any, **options: Any) -> AsyncIterator[Any]:
        for index in reversed(range(len(byte_ranges))):
            yield [(index, await self.get(key, options["prototype"], byte_ranges[index]))]


def test_results_arrive_in_any_order() -> None:
    key = Key(Shuffling(**{"c/0": stored().value}))  # type: ignore[arg-type]
    part = read("async", CODEC, key, (slice(0, 6), slice(1, 7)), make_spec(SHAPE))
    assert np.array_equal(part, counting(SHAPE)[0:6, 1:7])


def test_what_arrives_while_another_thread_decodes_is_decoded_too() -> None:
    class SlowAtFirst(ThreadNotingCodec):
        def _decode_sync(self, chunk_data: Any, chunk_spec: Any) -> Any:
            self.threads.append(0)
            if len(self.threads) == 1:
                time.sleep(0.05)
            return chunk_data

    codec = ShardingCodec(chunk_shape=(2, 2), codecs=[BytesCodec(), SlowAtFirst(threads=[])])
    key = Key(Shuffling(**{"c/0": stored().value}))  # type: ignore[arg-type]
    part = read("async", codec, key, (slice(0, 6), slice(0, 8)), make_spec(SHAPE))
    assert np.array_equal(part, counting(SHAPE)[0:6])


# --- faults -----------------------------------------------------------------------------

SOME = (slice(2, 4), slice(2, 4))  # inner chunk (1, 1), the sixth
WHERE = "inner chunk (1, 1) of the shard fake://store/c/0 at bytes [80, 96)"


def notes(error: BaseException) -> str:
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("foreign", [False, True])
def test_a_shard_that_is_gone_after_its_index_was_read_is_an_error(how: str, foreign: bool) -> None:
    key = stored()
    key.store.fault = lambda number, byte_range, value: value if number == 0 else None
    getter = ForeignKey(key) if foreign else key
    with pytest.raises(FileNotFoundError, match="gone after its index was read") as caught:
        read(how, CODEC, getter, SOME, make_spec(SHAPE))
    where = WHERE.replace("fake://store/c/0", "<ForeignKey>") if foreign else WHERE
    assert where in str(caught.value)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("error", [ConnectionError("reset"), PermissionError("403"), OSError(5)])
def test_a_fault_of_the_store_is_raised_as_it_is(how: str, error: Exception) -> None:
    def fail(number: int, byte_range: Any, value: bytes | None) -> bytes | None:
        if number == 0:
            return value
        raise error

    key = stored()
    key.store.fault = fail
    with pytest.raises(type(error)) as caught:
        read(how, CODEC, key, SOME, make_spec(SHAPE))
    assert caught.value is error
    assert f"while reading {WHERE}" in notes(error)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("kept", [0, 15])
def test_a_short_read_is_an_error(how: str, foreign: bool, kept: int) -> None:
    key = stored()
    key.store.fault = lambda number, byte_range, value: value if number == 0 else value[:kept]  # type: ignore[index]
    with pytest.raises(Exception, match="bytes") as caught:
        read(how, CODEC, ForeignKey(key) if foreign else key, SOME, make_spec(SHAPE))
    assert isinstance(caught.value, ValueError | OSError | EOFError)
    assert "inner chunk (1, 1) of the shard" in notes(caught.value)
    assert "[80, 96)" in notes(caught.value)


@pytest.mark.parametrize("how", HOW)
def test_a_short_read_is_an_error_before_a_codec_makes_up_for_it(how: str) -> None:
    class Padding(ThreadNotingCodec):
        def _decode_sync(self, chunk_data: Any, chunk_spec: Any) -> Any:
            padded = chunk_data.to_bytes().ljust(16, b"\0")
            return chunk_spec.prototype.buffer.from_bytes(padded)

    codec = ShardingCodec(
        chunk_shape=(2, 2),
        codecs=[BytesCodec(), Padding(threads=[])],
        subchunk_write_order="lexicographic",
    )
    key = stored(codec)
    key.store.fault = lambda number, byte_range, value: value if number == 0 else value[:15]  # type: ignore[index]
    with pytest.raises(ValueError, match=r"Read 15 of 16 bytes of inner chunk \(1, 1\)"):
        read(how, codec, ForeignKey(key), SOME, make_spec(SHAPE))


@pytest.mark.parametrize("how", HOW)
def test_a_store_that_leaves_out_a_range_is_an_error(how: str) -> None:
    class Silent(OneValueStore):
        async def get_ranges(self, key: str, byte_ranges: Any, **_: Any) -> AsyncIterator[Any]:
            nothing: list[Any] = []
            for batch in nothing:
                yield batch

        def get_ranges_sync(self, key: str, byte_ranges: Any, **_: Any) -> Any:
            return []

    key = Key(Silent(**{"c/0": stored().value}))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="returned no result for inner chunk"):
        read(how, CODEC, key, SOME, make_spec(SHAPE))


def corrupt(key: Key, at: int, data: bytes) -> Key:
    value = key.value
    assert value is not None
    at %= len(value)
    key.store.values["c/0"] = value[:at] + data + value[at + len(data) :]
    return key


UNCHECKED = ShardingCodec(
    chunk_shape=(2, 2), index_codecs=[BytesCodec()], subchunk_write_order="lexicographic"
)
ENTRY = -16 * 16 + 5 * 16  # of inner chunk (1, 1)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("selection", [SOME, EVERYTHING])
@pytest.mark.parametrize(
    "entry",
    [
        struct.pack("<QQ", 10**6, 16),
        struct.pack("<QQ", 80, 10**6),
        struct.pack("<QQ", 2**63, 16),
        struct.pack("<QQ", 2**64 - 1, 16),
        struct.pack("<QQ", 80, 2**64 - 1),
        struct.pack("<QQ", 2**64 - 8, 16),
    ],
)
def test_an_index_that_points_past_the_shard_is_an_error(
    how: str, selection: Any, entry: bytes
) -> None:
    key = corrupt(stored(UNCHECKED), ENTRY, entry)
    with pytest.raises(Exception, match=r"corrupt|bytes") as caught:
        read(how, UNCHECKED, key, selection, make_spec(SHAPE))
    assert isinstance(caught.value, ValueError | OSError | EOFError)
    assert "fake://store/c/0" in notes(caught.value)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("selection", [SOME, EVERYTHING])
def test_an_index_that_fails_its_checksum_is_an_error(how: str, selection: Any) -> None:
    key = corrupt(stored(), -10, b"\x07")
    with pytest.raises(ValueError, match="checksum do not match") as caught:
        read(how, CODEC, key, selection, make_spec(SHAPE))
    assert "index of the shard fake://store/c/0" in notes(caught.value)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("selection", [SOME, EVERYTHING])
def test_a_shard_shorter_than_its_index_is_an_error(
    how: str, location: Any, selection: Any
) -> None:
    codec = ShardingCodec(chunk_shape=(2, 2), index_location=location)
    key = Key(OneValueStore(**{"c/0": bytes(200)}))
    with pytest.raises(ValueError, match="read 200 bytes of index, expected 260") as caught:
        read(how, codec, key, selection, make_spec(SHAPE))
    assert "fake://store/c/0" in notes(caught.value)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("selection", [SOME, EVERYTHING])
def test_an_inner_chunk_that_cannot_be_decoded_is_named(how: str, selection: Any) -> None:
    codec = ShardingCodec(
        chunk_shape=(2, 2),
        codecs=[BytesCodec(), Crc32cCodec()],
        subchunk_write_order="lexicographic",
    )
    key = corrupt(stored(codec), 5 * 20, b"\x55")
    with pytest.raises(ValueError, match="checksum do not match") as caught:
        read(how, codec, key, selection, make_spec(SHAPE))
    assert "inner chunk (1, 1) of the shard fake://store/c/0 at bytes [100, 120)" in notes(
        caught.value
    )


@pytest.mark.parametrize("how", HOW)
def test_faults_in_nested_shards_name_the_way_there(how: str) -> None:
    selection = (slice(6, 8), slice(4, 6))
    for failing in (1, 2):
        key = stored(NESTED)
        key.store.fault = lambda number, _, value, at=failing: None if number == at else value
        with pytest.raises(FileNotFoundError, match="gone after its index was read") as caught:
            read(how, NESTED, key, selection, make_spec(SHAPE))
        assert "inner chunk (1, 1) of the shard fake://store/c/0 at bytes [" in str(caught.value)


def test_after_a_fault_nothing_is_left_running() -> None:
    async def main() -> set[asyncio.Task[Any]]:
        key = stored()

        def fail(number: int, byte_range: Any, value: bytes | None) -> bytes | None:
            if number == 2:
                raise ConnectionError
            return value

        key.store.fault = fail
        with pytest.raises(ConnectionError):
            await CODEC._decode_partial_single(
                key, (slice(0, 4), slice(0, 8)), make_spec(SHAPE, max_gap_bytes=0, max_bytes=1)
            )
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(main()) == set()


def test_a_read_can_be_cancelled() -> None:
    async def main() -> set[asyncio.Task[Any]]:
        key = stored()
        waiting = asyncio.Event()

        class Hanging(OneValueStore):
            async def get(self, *args: Any, **kwargs: Any) -> Any:
                if len(self.log) > 0:
                    waiting.set()
                    await asyncio.Event().wait()
                return await super().get(*args, **kwargs)

        hanging = Key(Hanging(**key.store.values))
        task = asyncio.ensure_future(CODEC._decode_partial_single(hanging, SOME, make_spec(SHAPE)))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(main()) == set()


def test_what_follows_a_damaged_nested_shard_is_closed() -> None:
    """Coroutines that nobody awaits are reported when they are freed, which pytest makes an error."""
    store = MemoryStore()
    array: Any = zarr.create_array(
        store,
        shape=(8,),
        chunks=(8,),
        dtype="i4",
        filters=None,
        compressors=None,
        serializer=ShardingCodec(
            chunk_shape=(4,), codecs=[ShardingCodec(chunk_shape=(1,), codecs=[BytesCodec()])]
        ),
    )
    array[...] = np.arange(8)
    shard = bytearray(store._store_dict["c/0"].to_bytes())
    shard[16:80] = b"\0" * 64  # the index of the first inner shard
    store._store_dict["c/0"] = buffer_prototype.buffer.from_bytes(bytes(shard))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(ValueError, match="checksum"):
            array[::5]
        gc.collect()
    assert caught == []


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("write", [False, True])
def test_an_inner_chunk_within_the_index(location: Any, write: bool) -> None:
    store = MemoryStore()
    array: Any = zarr.create_array(
        store,
        shape=(4,),
        chunks=(4,),
        dtype="u1",
        filters=None,
        compressors=None,
        serializer=ShardingCodec(
            chunk_shape=(2,),
            codecs=[BytesCodec()],
            index_codecs=[BytesCodec()],
            index_location=location,
        ),
    )
    array[...] = [1, 2, 3, 4]
    shard = store._store_dict["c/0"].to_bytes()
    entries = struct.pack("<QQQQ", *((30, 2, 32, 2) if location == "start" else (3, 2, 2, 2)))
    changed = entries + shard[32:] if location == "start" else shard[:4] + entries
    store._store_dict["c/0"] = buffer_prototype.buffer.from_bytes(changed)
    touch = (lambda: array.__setitem__(1, 5)) if write else (lambda: array[...])
    with pytest.raises(ValueError, match="The index occupies 32 bytes") as caught:
        touch()
    assert any("c/0" in note for note in caught.value.__notes__)


class Inverting(Key):
    """A key with a `get` of its own."""

    async def get(self, *args: Any, **kwargs: Any) -> Buffer | None:
        return self._inverted(await super().get(*args, **kwargs))

    def get_sync(self, *args: Any, **kwargs: Any) -> Buffer | None:
        return self._inverted(super().get_sync(*args, **kwargs))

    def _inverted(self, value: Buffer | None) -> Buffer | None:
        return value and CPUBuffer.from_bytes(bytes(255 - byte for byte in value.to_bytes()))


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("selection", [slice(0, 8), slice(0, 3), slice(2, 8, 5)])
def test_a_key_with_a_get_of_its_own_is_asked_itself(how: str, selection: slice) -> None:
    plain = stored()
    assert plain.value is not None
    plain.store.values["c/1"] = bytes(255 - byte for byte in plain.value)
    key, both = Inverting(plain.store, "c/1"), (selection, slice(0, 8))
    part = read(how, CODEC, key, both, make_spec(SHAPE))
    assert part is not None
    assert part.tolist() == counting(SHAPE)[both].tolist()
