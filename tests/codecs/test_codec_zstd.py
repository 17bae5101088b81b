"""Decompressing Zstandard: frames of every kind, and one context a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numcodecs.zstd
import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from tests.waiting import PATIENCE

from zarr.codecs import _zstd
from zarr.codecs._zstd import decode_many_zstd, decode_zstd

TEXT = b"abcdefgh" * 300
SKIPPABLE = bytes.fromhex("502a4d18") + (4).to_bytes(4, "little") + b"skip"
SKIPPABLE_NOTHING = bytes.fromhex("502a4d18") + bytes(4)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_zstd, "_contexts", _zstd._Contexts())
    _zstd._takes_frames.cache_clear()
    yield
    _zstd._takes_frames.cache_clear()


def frame(data: bytes, **options: Any) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)


# Parts of a stream with what they decode to, None for what is no frame.
PARTS = st.one_of(
    st.builds(lambda data: (frame(data), data), st.binary(max_size=50)),
    st.builds(
        lambda data, **options: (frame(data, **options), data),
        st.sampled_from([b"", TEXT]),
        write_checksum=st.booleans(),
        write_content_size=st.booleans(),
    ),
    st.sampled_from([(SKIPPABLE, b""), (SKIPPABLE_NOTHING, b"")]),
    st.sampled_from([(b"x", None), (b"garbage", None), (bytes(9), None)]),
)


@given(parts=st.lists(PARTS, min_size=1, max_size=3), cut=st.integers(0, 30))
def test_whole_frames_are_decoded_and_nothing_else(
    parts: list[tuple[bytes, bytes | None]], cut: int
) -> None:
    while parts and cut >= len(parts[-1][0]):
        cut -= len(parts.pop()[0])
    stored = np.frombuffer(b"".join(part for part, _ in parts)[: -cut or None], "B")
    contents = [content for _, content in parts if content is not None]
    if cut or not parts or len(contents) < len(parts):
        with pytest.raises(RuntimeError, match=r"^Zstd decompression error: invalid input data$"):
            decode_zstd(stored)
    else:
        assert decode_zstd(stored) == b"".join(contents)


@given(
    frames=st.lists(st.binary(max_size=30).map(frame), max_size=3),
    odd=st.one_of(st.none(), PARTS.map(lambda part: part[0])),
    after=st.binary(max_size=5),
    cut=st.integers(0, 3),
)
def test_many_are_decoded_as_one_by_one(
    frames: list[bytes], odd: bytes | None, after: bytes, cut: int
) -> None:
    if odd is not None:
        frames.append((odd + after)[: len(odd + after) - cut])
    arrays = [np.frombuffer(stored, "B") for stored in frames]
    try:
        expected = [decode_zstd(array) for array in arrays]
    except RuntimeError:
        with pytest.raises(RuntimeError):
            decode_many_zstd(arrays, beside_loop=True)
    else:
        assert decode_many_zstd(arrays, beside_loop=True) == expected


@pytest.mark.parametrize("cut", [0, 1, 5])
@pytest.mark.parametrize("frames", [1, 2])
def test_numcodecs_says_the_same(frames: int, cut: int) -> None:
    stored = np.frombuffer(frame(TEXT) * frames, "B")
    stored = stored[: stored.size - cut]
    if cut == 0:
        assert decode_zstd(stored) == numcodecs.zstd.decompress(stored)
        return
    with pytest.raises(RuntimeError) as theirs:
        numcodecs.zstd.decompress(stored)
    with pytest.raises(RuntimeError) as ours:
        decode_zstd(stored)
    assert str(ours.value) == str(theirs.value)


def test_the_fault_that_the_library_found_is_told() -> None:
    damaged = frame(TEXT, write_checksum=True)[:-1] + b"\0"
    with pytest.raises(RuntimeError) as found:
        decode_zstd(damaged)
    assert "doesn't match checksum" in str(found.value.__cause__)


def context_of_this_thread() -> Any:
    decode_zstd(frame(TEXT))
    return _zstd._contexts.decompressor


def test_a_context_belongs_to_a_thread() -> None:
    mine, theirs = context_of_this_thread(), []
    thread = threading.Thread(target=lambda: theirs.append(context_of_this_thread()))
    thread.start()
    thread.join(PATIENCE)
    assert context_of_this_thread() is mine
    assert theirs[0] is not mine


def test_a_context_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def make() -> Any:
        made.append(None)
        return decompressor()

    decompressor = zstandard.ZstdDecompressor
    monkeypatch.setattr(zstandard, "ZstdDecompressor", make)
    for data in (TEXT, b"abc"):
        assert decode_zstd(frame(data)) == data
        assert decode_many_zstd([frame(data), frame(TEXT)]) == [data, TEXT]
    assert len(made) == 1


def test_no_context_outlives_a_damaged_frame() -> None:
    before = context_of_this_thread()
    with pytest.raises(RuntimeError):
        decode_zstd(frame(TEXT)[:-1])
    assert context_of_this_thread() is not before


def test_threads_do_not_disturb_each_other() -> None:
    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(100):
            data = rng.integers(0, 9, 20_000).astype("u1")
            same = decode_zstd(frame(data.tobytes(), level=seed % 3)) == data.tobytes()
            assert same  # pytest would take minutes to show where they differ

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes numcodecs was asked to decompress, call by call."""
    asked: list[int] = []
    decompress = numcodecs.zstd.decompress

    def recorded(frames: Any, into: Any = None) -> Any:
        asked.append(len(frames))
        return decompress(frames, into)

    if not _zstd._takes_frames():
        pytest.skip("numcodecs takes one frame a call before 0.16.4")
    monkeypatch.setattr(numcodecs.zstd, "decompress", recorded)
    return asked


# One frame that tells its size: of blocks that are compressed, stored, one byte repeated; of several.
NOISE = np.random.default_rng(0).integers(0, 256, 200_000, "u1").tobytes()
WHOLE = st.builds(
    lambda data, **options: (frame(data, **options), data),
    st.one_of(
        st.binary(min_size=1, max_size=600),
        st.sampled_from([TEXT, bytes(5000), bytes(200_000), NOISE, NOISE[:200] + bytes(255), b"0"]),
    ),
    write_checksum=st.booleans(),
    level=st.sampled_from([-5, 1, 19]),
)


@pytest.mark.skipif(not _zstd._takes_frames(), reason="an older numcodecs takes one frame a call")
@given(parts=st.lists(WHOLE, min_size=2, max_size=4))
def test_whole_frames_are_decoded_in_one_call(parts: list[tuple[bytes, bytes]]) -> None:
    decoded = _zstd._decode_together([np.frombuffer(stored, "B") for stored, _ in parts])
    assert decoded is not None
    assert [bytes(one) == data for one, (_, data) in zip(decoded, parts)] == [True] * len(parts)


@given(parts=st.lists(PARTS, max_size=2), whole=st.lists(WHOLE, min_size=1, max_size=2))
def test_others_are_not(
    parts: list[tuple[bytes, bytes | None]], whole: list[tuple[bytes, bytes]]
) -> None:
    stored = [*(part for part, _ in whole), b"".join(part for part, _ in parts)]
    decoded = _zstd._decode_together([np.frombuffer(one, "B") for one in stored])
    if decoded is not None:
        assert [bytes(one) == decode_zstd(part) for one, part in zip(decoded, stored)] == [
            True
        ] * len(stored)


@given(first=WHOLE, second=WHOLE, data=st.data())
def test_a_chunk_does_not_end_in_the_next_one(
    first: tuple[bytes, bytes], second: tuple[bytes, bytes], data: st.DataObject
) -> None:
    # One behind the other they are as good as ever.
    moved = data.draw(st.integers(1, len(first[0]) - 1))
    stored = [first[0][:-moved], first[0][-moved:] + second[0]]
    arrays = [np.frombuffer(one, "B") for one in stored]
    assert _zstd._decode_together(arrays) is None
    with pytest.raises(RuntimeError):
        decode_many_zstd(arrays, beside_loop=True)


@pytest.mark.parametrize(
    "odd",
    [
        frame(b""),
        frame(TEXT, write_content_size=False),
        frame(TEXT) + frame(TEXT),
        SKIPPABLE + frame(TEXT),
        frame(TEXT) + SKIPPABLE,
        bytes.fromhex("28b52ffd 21 01 0b0000 41"),
        frame(TEXT)[:4] + bytes([frame(TEXT)[4] | 8]) + frame(TEXT)[5:],
        b"?" + frame(TEXT)[1:],
        frame(NOISE)[:1000],
        frame(TEXT)[:4],
        b"",
    ],
    ids=[
        "empty",
        "no size",
        "two",
        "skippable",
        "skippable behind",
        "a byte of content were it not for the number of a dictionary",
        "reserved bit",
        "other magic",
        "cut in the first of several blocks",
        "magic alone",
        "nothing",
    ],
)
def test_what_is_no_whole_frame_goes_alone(odd: bytes, calls: list[int]) -> None:
    for stored in ([frame(TEXT), odd], [odd, frame(TEXT)]):
        assert _zstd._decode_together([np.frombuffer(one, "B") for one in stored]) is None
    assert calls == []


def test_a_damaged_frame_is_left_to_its_own_call(calls: list[int]) -> None:
    damaged = frame(TEXT, write_checksum=True)[:-1] + b"\0"
    arrays = [np.frombuffer(one, "B") for one in (frame(TEXT), damaged)]
    assert _zstd._decode_together(arrays) is None
    assert len(calls) == 1
    with pytest.raises(RuntimeError):
        decode_many_zstd(arrays, beside_loop=True)


def test_chunks_that_are_not_small_go_alone(calls: list[int]) -> None:
    half = frame(bytes(_zstd._TOGETHER_NBYTES // 2))
    assert _zstd._decode_together([half, half]) is not None
    assert _zstd._decode_together([half, frame(b"1"), half]) is None
    assert len(calls) == 1


def calls_made(calls: list[int], chunks: list[bytes], *, beside_loop: bool) -> list[int]:
    del calls[:]
    stored = [np.frombuffer(frame(chunk), "B") for chunk in chunks]
    decoded = decode_many_zstd(stored, beside_loop=beside_loop)
    assert list(map(bytes, decoded)) == chunks
    return list(calls)


def test_calls_are_saved_beside_the_event_loop(calls: list[int]) -> None:
    chunks = [bytes([index]) * 100 for index in range(40)]
    assert calls_made(calls, chunks, beside_loop=True) == [40 * len(frame(chunks[0]))]
    assert calls_made(calls, chunks[:1], beside_loop=True) == []
    assert calls_made(calls, chunks, beside_loop=False) == []


def test_memory_is_used_again_when_it_is_free() -> None:
    memory = _zstd._Memory()
    first = memory.take(100)
    first[:] = b"1" * 100
    kept = first[10:20]
    second = memory.take(100)
    second[:] = b"2" * 100
    assert first.tobytes() == b"1" * 100
    del first
    third = memory.take(50)
    assert (kept.tobytes(), second.tobytes()) == (b"1" * 10, b"2" * 100)
    owner = third.obj
    del third
    assert [memory.take(nbytes).obj is owner for nbytes in (50, 0, 1000, 7)] == [True] * 4
    assert [len(memory.take(nbytes)) for nbytes in (0, 1, 1000, 2000)] == [0, 1, 1000, 2000]


def test_memory_does_not_grow_with_the_number_of_calls() -> None:
    memory = _zstd._Memory()
    sizes = []
    for nbytes in (1000, 10, 1000, 0, 999) * 20:
        memory.take(nbytes)
        sizes.append(len(memory._memory))
    assert set(sizes) == {1000}


def test_what_was_decoded_stays_as_it_is() -> None:
    before = [
        np.frombuffer(one, "B")
        for one in decode_many_zstd([frame(b"a" * 9), frame(b"b" * 9)], beside_loop=True)
    ]
    for _ in range(3):
        decode_many_zstd([frame(b"c" * 9), frame(b"d" * 9)], beside_loop=True)
    assert [one.tobytes() for one in before] == [b"a" * 9, b"b" * 9]


def test_chunks_with_gaps_go_alone(calls: list[int]) -> None:
    gaps = np.frombuffer(frame(TEXT), "B").repeat(2)[::2]
    assert list(map(bytes, decode_many_zstd([gaps, frame(b"a")], beside_loop=True))) == [TEXT, b"a"]
    signed = np.frombuffer(frame(TEXT), "b")
    assert calls == []
    assert list(map(bytes, decode_many_zstd([signed, signed], beside_loop=True))) == [TEXT, TEXT]
    assert len(calls) == 1


def test_an_older_numcodecs_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def one_frame_only(frames: Any, into: Any = None) -> Any:
        asked.append(len(frames))
        raise RuntimeError("Destination buffer is too small")

    monkeypatch.setattr(numcodecs.zstd, "decompress", one_frame_only)
    for _ in range(3):
        assert decode_many_zstd([frame(b"a"), frame(b"b")], beside_loop=True) == [b"a", b"b"]
    assert len(asked) == 1
