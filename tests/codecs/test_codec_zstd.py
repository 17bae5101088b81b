"""Decompressing Zstandard: frames of every kind, and one context a thread."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numcodecs.zstd
import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from zarr.codecs import _zstd
from zarr.codecs._zstd import decode_many_zstd, decode_zstd

TEXT = b"abcdefgh" * 300
SKIPPABLE = bytes.fromhex("502a4d18") + (4).to_bytes(4, "little") + b"skip"
SKIPPABLE_NOTHING = bytes.fromhex("502a4d18") + bytes(4)


@pytest.fixture(autouse=True)
def _fresh_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_zstd, "_contexts", _zstd._Contexts())


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
            decode_many_zstd(arrays)
    else:
        assert decode_many_zstd(arrays) == expected


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
    thread.join(10)
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
