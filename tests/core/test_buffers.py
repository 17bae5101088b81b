"""Buffers: flat bytes, decoded arrays, and what each refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr.core.buffer import default_buffer_prototype, numpy_buffer_prototype
from zarr.core.buffer.cpu import Buffer, NDBuffer, as_numpy_array_wrapper, buffer_prototype
from zarr.core.config import config
from zarr.registry import register_buffer


def test_bytes_in_and_out_without_copies() -> None:
    data = np.arange(6, dtype="u1")
    buffer = Buffer.from_array_like(data)
    assert len(buffer) == 6
    assert buffer.to_bytes() == bytes(range(6))
    assert np.shares_memory(buffer[2:4].as_numpy_array(), data)
    assert bytes(buffer.as_buffer_like()) == bytes(range(6))
    assert Buffer.from_bytes(bytearray(b"ab")).to_bytes() == b"ab"
    assert len(Buffer.create_zero_length()) == 0
    assert Buffer.from_buffer(buffer) == buffer
    assert buffer != Buffer.from_bytes(b"012345")
    assert buffer != b"012345"


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5))
def test_joining(parts: list[bytes]) -> None:
    first, *others = (Buffer.from_bytes(part) for part in parts)
    assert first.combine(others).to_bytes() == b"".join(parts)
    assert (first + first).to_bytes() == parts[0] * 2


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Buffer(np.arange(3, dtype="i4")), ValueError, "only byte dtype"),
        (lambda: Buffer(np.zeros((2, 2), "u1")), ValueError, "only 1-dim"),
        (lambda: Buffer(np.array(5, "u1")), ValueError, "only 1-dim"),
        (lambda: Buffer.from_bytes("text"), TypeError, "bytes-like"),  # type: ignore[arg-type]
        (lambda: Buffer.from_bytes(b"ab")[0], TypeError, "expected slice, got int"),  # type: ignore[index]
        (lambda: Buffer.from_bytes(b"ab")[::2], ValueError, "contiguous"),
        (lambda: hash(Buffer.from_bytes(b"a")), TypeError, "unhashable"),
        (lambda: NDBuffer(5), AttributeError, "shape"),  # type: ignore[arg-type]
        (lambda: NDBuffer.from_numpy_array(np.zeros(2)).as_scalar(), ValueError, "single scalar"),
        (lambda: NDBuffer.from_numpy_array(np.zeros((2, 3))).squeeze((0,)), ValueError, "reshape"),
    ],
)
def test_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_writing_into_a_buffer() -> None:
    buffer = Buffer.from_array_like(np.zeros(4, "u1"))
    buffer[1:3] = Buffer.from_bytes(b"\x07\x08")
    assert buffer.to_bytes() == b"\0\x07\x08\0"
    with pytest.raises(ValueError, match="read-only"):
        Buffer.from_bytes(b"ab")[0:1] = Buffer.from_bytes(b"c")


def test_arrays() -> None:
    buffer = NDBuffer.create(shape=(2, 3), dtype="i4", order="F", fill_value=7)
    array = buffer.as_numpy_array()
    assert array.flags["F_CONTIGUOUS"]
    assert (array == 7).all()
    assert buffer.shape == (2, 3)
    assert buffer.transpose((1, 0)).shape == (3, 2)
    assert buffer.reshape(-1).shape == (6,)
    assert buffer.astype("f4").dtype == np.dtype("f4")
    buffer[0] = NDBuffer.from_numpy_array(np.array([1, 2, 3]))
    buffer[1] = 9
    assert array.tolist() == [[1, 2, 3], [9, 9, 9]]
    assert np.shares_memory(buffer[0].as_numpy_array(), array)
    assert not np.shares_memory(buffer.copy().as_numpy_array(), array)
    assert NDBuffer.from_numpy_array(np.zeros(2, ">i4")).byteorder == "big"
    assert NDBuffer.from_numpy_array(np.zeros((1, 3, 1))).squeeze((0, 2)).shape == (3,)
    assert NDBuffer.from_numpy_array(np.array(5)).as_scalar() == 5


EQUAL: list[tuple[Any, Any, bool]] = [
    ([0.0, 0.0], 0.0, True),
    ([0.0, -0.0], 0.0, False),
    ([-0.0], 0.0, False),
    ([0.0], -0.0, False),
    ([np.nan, np.nan], np.nan, True),
    ([np.nan, 1.0], np.nan, False),
    ([1, 1], 1, True),
    ([1, 2], 1, False),
    ([1j, 1j], 1j, True),
    ([complex(0.0, -0.0)], 0j, False),
    ([complex(np.nan, 0)], complex(np.nan, 0), True),
    (np.array(["NaT", "NaT"], "M8[s]"), np.datetime64("NaT"), True),
    (np.array([1, 2], "m8[s]"), np.timedelta64(1, "s"), False),
    ([b"a", b"a"], b"a", True),
    (np.array(["x", "x"], dtype=object), "x", True),
    (np.zeros(2, [("a", "i4")]), np.zeros((), [("a", "i4")])[()], True),
    (np.zeros(0), 1.0, True),
    ([[0.0, 0.0]], 0.0, True),
    (np.array(3.0), 3.0, True),
]


@pytest.mark.parametrize(("data", "value", "expected"), EQUAL)
def test_all_equal(data: Any, value: Any, expected: bool) -> None:
    assert NDBuffer.from_numpy_array(np.asarray(data)).all_equal(value) is expected


def test_nan_may_differ_from_itself() -> None:
    assert not NDBuffer.from_numpy_array(np.array([np.nan])).all_equal(np.nan, equal_nan=False)
    assert not NDBuffer.from_numpy_array(np.array([1.0])).all_equal(None)


def test_the_configuration_names_the_classes() -> None:
    class Mine(Buffer):
        pass

    register_buffer(Mine, qualname="test.Mine")
    assert default_buffer_prototype() == buffer_prototype == numpy_buffer_prototype()
    with config.set({"buffer": "test.Mine"}):
        assert default_buffer_prototype().buffer is Mine
        assert numpy_buffer_prototype().buffer is Buffer


def test_functions_of_arrays_on_buffers() -> None:
    doubled = as_numpy_array_wrapper(
        lambda array: bytes(array.tobytes() * 2), Buffer.from_bytes(b"ab"), buffer_prototype
    )
    assert doubled.to_bytes() == b"abab"
