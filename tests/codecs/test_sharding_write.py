"""Writing parts of shards: requests, what is kept, and the shard that results."""

from __future__ import annotations

import asyncio
import struct
import threading
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
    decode,
    encode,
    make_spec,
    write,
)

import zarr
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, ZstdCodec
from zarr.core.buffer.cpu import NDBuffer

HOW = ["sync", "async"]
SHAPE = (8, 8)
CODEC = ShardingCodec(chunk_shape=(2, 2), subchunk_write_order="lexicographic")
NESTED = ShardingCodec(chunk_shape=(4, 4), codecs=[CODEC])
EVERYTHING = (slice(0, 8), slice(0, 8))


def empty() -> Key:
    return Key(OneValueStore())


def stored(codec: ShardingCodec = CODEC, array: Any = None) -> Key:
    data = encode(codec, counting(SHAPE) if array is None else array, make_spec(SHAPE))
    assert data is not None
    return Key(OneValueStore(**{"c/0": data}))


def content(key: Key, codec: ShardingCodec = CODEC, **options: Any) -> Any:
    assert key.value is not None
    return decode(codec, key.value, make_spec(SHAPE, **options))


# --- requests ---------------------------------------------------------------------------

# All inner chunks are replaced whole: nothing of the old shard is needed.
COVERING: list[tuple[Any, Any]] = [
    (EVERYTHING, counting(SHAPE)),
    (EVERYTHING, np.int32(5)),
    (np.ix_(range(8), [7, 6, 5, 4, 3, 2, 1, 0]), counting(SHAPE)),
]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("before", [empty, stored])
@pytest.mark.parametrize(("selection", "values"), COVERING)
def test_replacing_a_shard_reads_nothing(
    how: str, before: Any, selection: Any, values: Any
) -> None:
    key = before()
    write(how, CODEC, key, values, selection, make_spec(SHAPE))
    assert key.store.requests == ["set"]
    expected = np.zeros(SHAPE, "i4")
    expected[selection] = values
    assert np.array_equal(content(key), expected)


@pytest.mark.parametrize("how", HOW)
def test_changing_a_part_reads_the_shard_once_and_writes_it_once(how: str) -> None:
    key = stored()
    write(how, CODEC, key, [[-1]], (slice(3, 4), slice(3, 4)), make_spec(SHAPE))
    assert key.store.requests == [None, "set"]
    expected = counting(SHAPE)
    expected[3, 3] = -1
    assert np.array_equal(content(key), expected)


@pytest.mark.parametrize("how", HOW)
def test_an_absent_shard_is_made(how: str) -> None:
    key = empty()
    spec = make_spec(SHAPE, fill_value=9)
    write(how, CODEC, key, [[-1]], (slice(3, 4), slice(3, 4)), spec)
    assert key.store.requests == [None, "set"]
    expected = np.full(SHAPE, 9)
    expected[3, 3] = -1
    assert np.array_equal(content(key, fill_value=9), expected)
    assert len(key.value or b"") == 16 + 16 * 16 + 4  # one inner chunk, and the index


@pytest.mark.parametrize("how", HOW)
def test_foreign_byte_setters_work(how: str) -> None:
    key = stored()
    write(how, CODEC, ForeignKey(key), [[-1]], (slice(3, 4), slice(3, 4)), make_spec(SHAPE))
    assert key.store.requests == [None, "set"]


# --- empty inner chunks -----------------------------------------------------------------


@pytest.mark.parametrize("how", HOW)
def test_a_shard_that_becomes_empty_is_deleted(how: str) -> None:
    array = np.zeros(SHAPE, "i4")
    array[3, 3] = 1
    key = stored(array=array)
    write(how, CODEC, key, [[0]], (slice(3, 4), slice(3, 4)), make_spec(SHAPE))
    assert key.store.requests == [None, "delete"]
    assert key.value is None
    key = stored()
    write(how, CODEC, key, np.int32(0), EVERYTHING, make_spec(SHAPE))
    assert key.store.requests == ["delete"]


@pytest.mark.parametrize("how", HOW)
def test_an_absent_shard_that_stays_empty_is_left_alone(how: str) -> None:
    key = empty()
    write(how, CODEC, key, [[0]], (slice(3, 4), slice(3, 4)), make_spec(SHAPE))
    assert key.store.requests == [None]


@pytest.mark.parametrize("how", HOW)
def test_an_inner_chunk_that_becomes_empty_is_dropped(how: str) -> None:
    key = stored()
    size = len(key.value or b"")
    write(how, CODEC, key, np.int32(0), (slice(0, 2), slice(0, 2)), make_spec(SHAPE))
    assert len(key.value or b"") == size - 16
    expected = counting(SHAPE)
    expected[0:2, 0:2] = 0
    assert np.array_equal(content(key), expected)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("codec", [CODEC, NESTED])
def test_empty_inner_chunks_are_kept_where_asked_for(how: str, codec: ShardingCodec) -> None:
    spec = make_spec(SHAPE, write_empty_chunks=True)
    key = empty()
    write(how, codec, key, np.int32(0), (slice(0, 4), slice(0, 4)), spec)
    assert key.value is not None
    assert key.value.count(bytes(4 * 16)) >= 1  # the four chunks of zeros, in a row
    assert not content(key, codec).any()


@pytest.mark.parametrize("how", HOW)
def test_negative_zero_and_not_a_number_are_told_from_fill_value(how: str) -> None:
    codec = ShardingCodec(chunk_shape=(1,))
    for fill_value, values in ((0.0, [-0.0, 0.0]), (np.nan, [np.nan, 0.0])):
        key = empty()
        spec = make_spec((2,), "f8", fill_value)
        write(how, codec, key, np.array(values), (slice(0, 2),), spec)
        shard = decode(codec, key.value or b"", spec)
        assert np.array_equal(shard, values, equal_nan=True)
        assert np.array_equal(np.signbit(shard), np.signbit(values))
        assert len(key.value or b"") == 8 + 2 * 16 + 4


# --- what is kept -----------------------------------------------------------------------


@pytest.mark.parametrize("how", HOW)
def test_inner_chunks_that_are_not_touched_are_not_coded_again(how: str) -> None:
    threads: list[int] = []
    chain: list[Any] = [BytesCodec(), ZstdCodec(level=1)]
    plain = ShardingCodec(chunk_shape=(4, 4), codecs=chain)
    noting = ShardingCodec(chunk_shape=(4, 4), codecs=[*chain, ThreadNotingCodec(threads=threads)])
    array = np.random.default_rng(0).integers(1, 4, SHAPE, dtype="i4")
    key = stored(plain, array)
    old = key.value or b""
    write(how, noting, key, [[7]], (slice(0, 1), slice(0, 1)), make_spec(SHAPE))
    assert len(threads) == 2  # decoded and encoded: one inner chunk
    array[0, 0] = 7
    assert np.array_equal(content(key, plain), array)
    for start, nbytes in np.frombuffer(old[-4 - 4 * 16 : -4], "<u8").reshape(4, 2)[1:].tolist():
        assert old[start : start + nbytes] in (key.value or b"")


@pytest.mark.parametrize("how", HOW)
def test_a_nested_shard_is_rewritten_like_the_one_around_it(how: str) -> None:
    threads: list[int] = []
    inner = ShardingCodec(
        chunk_shape=(1, 1), codecs=[BytesCodec(), ThreadNotingCodec(threads=threads)]
    )
    codec = ShardingCodec(chunk_shape=(4, 4), codecs=[inner])
    key = stored(codec)
    threads.clear()
    write(how, codec, key, np.full((1, 8), -1), (slice(0, 1), slice(0, 8)), make_spec(SHAPE))
    assert len(threads) == 8  # encoded: the inner chunks of the inner shards that are replaced
    expected = counting(SHAPE)
    expected[0] = -1
    assert np.array_equal(content(key, codec), expected)


@pytest.mark.parametrize("how", HOW)
def test_a_corrupt_shard_is_not_overwritten(how: str) -> None:
    key = stored()
    old = key.value or b""
    for bad in (old[:-1] + bytes([old[-1] ^ 1]), old[:100], b""):
        key.store.values["c/0"] = bad
        with pytest.raises(ValueError, match=r"checksum|too short"):
            write(how, CODEC, key, [[7]], (slice(0, 1), slice(0, 1)), make_spec(SHAPE))
        assert key.value == bad


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("entry", [(10**6, 16), (0, 10**6), (2**64 - 1, 16), (0, 2**64 - 1)])
def test_an_index_that_points_past_the_shard_is_an_error(how: str, entry: Any) -> None:
    codec = ShardingCodec(chunk_shape=(2, 2), index_codecs=[BytesCodec()])
    key = stored(codec)
    value = bytearray(key.value or b"")
    value[-16:] = struct.pack("<QQ", *entry)
    key.store.values["c/0"] = bytes(value)
    with pytest.raises(ValueError, match="index is corrupt") as caught:
        write(how, codec, key, [[7]], (slice(0, 1), slice(0, 1)), make_spec(SHAPE))
    assert caught.value.__notes__ == ["in the shard fake://store/c/0"]
    assert key.value == bytes(value)


@pytest.mark.parametrize("how", HOW)
def test_an_inner_chunk_that_cannot_be_decoded_is_named(how: str) -> None:
    codec = ShardingCodec(chunk_shape=(2, 2), codecs=[BytesCodec(), Crc32cCodec()])
    key = stored(codec)
    key.store.values["c/0"] = b"\x99" + (key.value or b"")[1:]
    with pytest.raises(ValueError, match="checksum") as caught:
        write(how, codec, key, [[7]], (slice(0, 1), slice(0, 1)), make_spec(SHAPE))
    assert "inner chunk number 0 of the shard fake://store/c/0" in caught.value.__notes__[0]
    # Replacing it whole needs nothing of it.
    write(how, codec, key, np.int32(7), (slice(0, 2), slice(0, 2)), make_spec(SHAPE))
    assert content(key, codec)[0, 0] == 7


def test_the_caller_may_change_the_values_afterwards() -> None:
    array = counting(SHAPE)
    encoded = CODEC._encode_sync(NDBuffer.from_numpy_array(array), make_spec(SHAPE))
    assert encoded is not None
    before = encoded.to_bytes()
    array[:] = 0
    assert encoded.to_bytes() == before


# --- what NumPy does --------------------------------------------------------------------

COORDINATES = st.lists(st.integers(0, 7), min_size=1, max_size=8, unique=True)


def axis_slices() -> st.SearchStrategy[slice]:
    return st.builds(
        lambda a, b, step: slice(min(a, b), max(a, b) + 1, step),
        st.integers(0, 7),
        st.integers(0, 7),
        st.integers(1, 3),
    )


def assignments() -> st.SearchStrategy[Any]:
    points = st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=20, unique=True
    ).map(lambda pairs: tuple(np.array(pairs).T))
    return (
        st.tuples(axis_slices(), axis_slices())
        | st.tuples(axis_slices(), st.integers(0, 7))
        | st.tuples(COORDINATES, COORDINATES).map(lambda lists: np.ix_(*lists))
        | points
    )


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("how", HOW)
def test_assignments_do_what_numpy_does(how: str, data: st.DataObject) -> None:
    codec = data.draw(
        st.sampled_from(
            [
                CODEC,
                NESTED,
                ShardingCodec(chunk_shape=(4, 2), index_location="start"),
                ShardingCodec(chunk_shape=(4, 4), codecs=[CODEC, ZstdCodec()]),
            ]
        )
    )
    spec = make_spec(SHAPE, fill_value=3, write_empty_chunks=data.draw(st.booleans()))
    key, expected = empty(), np.full(SHAPE, 3, "i4")
    for _ in range(data.draw(st.integers(1, 5))):
        selection = data.draw(assignments())
        if data.draw(st.booleans()):
            values: Any = np.int32(data.draw(st.integers(2, 4)))
        else:
            values = np.random.default_rng(1).integers(2, 5, expected[selection].shape, dtype="i4")
        write(how, codec, key, values, selection, spec)
        expected[selection] = values
    if key.value is None:
        assert (expected == 3).all()
    else:
        assert np.array_equal(decode(codec, key.value, spec), expected)


@pytest.mark.parametrize("how", HOW)
def test_values_of_another_data_type_are_converted(how: str) -> None:
    key = empty()
    write(how, CODEC, key, counting(SHAPE).astype("i8"), EVERYTHING, make_spec(SHAPE))
    assert np.array_equal(content(key), counting(SHAPE))


# --- who runs what ----------------------------------------------------------------------


@pytest.mark.parametrize("selection", [EVERYTHING, (slice(0, 3), slice(0, 5))])
def test_no_codec_runs_on_the_thread_of_the_event_loop(selection: Any) -> None:
    threads: list[int] = []
    noting = ThreadNotingCodec(threads=threads)
    inner = ShardingCodec(chunk_shape=(2, 2), codecs=[BytesCodec(), noting])
    for codec in (
        ShardingCodec(
            chunk_shape=(2, 2), codecs=[BytesCodec(), noting], index_codecs=[BytesCodec(), noting]
        ),
        ShardingCodec(chunk_shape=(4, 4), codecs=[inner]),
    ):
        key = stored(codec)
        threads.clear()
        write("async", codec, key, np.int32(5), selection, make_spec(SHAPE))
        assert threads
        assert threading.get_ident() not in threads
        threads.clear()
        write("sync", codec, key, np.int32(6), selection, make_spec(SHAPE))
        assert set(threads) == {threading.get_ident()}


@pytest.mark.parametrize("selection", [EVERYTHING, (slice(0, 3), slice(0, 5)), (slice(1, 2),) * 2])
def test_async_only_codecs_work(selection: Any) -> None:
    inner = ShardingCodec(chunk_shape=(2, 2), codecs=[BytesCodec(), AsyncOnlyCodec()])
    for codec in (inner, ShardingCodec(chunk_shape=(4, 4), codecs=[inner])):
        key, expected = empty(), np.zeros(SHAPE, "i4")
        for values in (5, 6, 0):
            write("async", codec, key, np.int32(values), selection, make_spec(SHAPE))
            write("async", codec, key, [[8]], (slice(7, 8), slice(7, 8)), make_spec(SHAPE))
            expected[selection] = values
            expected[7, 7] = 8
            part = asyncio.run(codec._decode_partial_single(key, EVERYTHING, make_spec(SHAPE)))
            assert part is not None
            assert np.array_equal(part.as_numpy_array(), expected)


def test_a_failing_async_only_codec_is_an_error() -> None:
    class Failing(AsyncOnlyCodec):
        async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
            raise RuntimeError("broken")

    codec = ShardingCodec(chunk_shape=(2, 2), codecs=[BytesCodec(), Failing()])
    with pytest.raises(RuntimeError, match="broken") as caught:
        write("async", codec, empty(), np.int32(1), (slice(0, 1),) * 2, make_spec(SHAPE))
    assert "inner chunks of the shard fake://store/c/0" in caught.value.__notes__[-1]


@pytest.mark.parametrize("selection", [0, slice(0, 1), slice(None), ...])
def test_inner_chunks_outside_of_the_array_are_not_stored(selection: Any) -> None:
    sizes = {}
    for chunks in ((1,), (2,)):
        store: dict[str, Any] = {}
        array = zarr.create_array(
            store,
            shape=1,
            chunks=chunks,
            shards=(2,),
            dtype="u1",
            compressors=None,
            config={"write_empty_chunks": True},
        )
        array[selection] = 5
        assert array[0] == 5
        sizes[chunks] = len(store["c/0"])
    # Either a chunk of one element and an index of two, or one of two elements and an index of one
    assert sizes == {(1,): 1 + 2 * 16 + 4, (2,): 2 + 16 + 4}
