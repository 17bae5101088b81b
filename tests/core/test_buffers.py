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
    ([0, 0], np.nan, False),
    ([0, 0], -0.0, True),
    ([0, 0], 0.5, False),
    ([0, 0], np.inf, False),
    ([0, 0], 2**40, False),
    ([0, 0], 2**80, False),
    ([0, 0], 0j, True),
    ([0, 0], complex(0.0, np.nan), False),
    (np.full(2, 255, "u1"), -1, False),
    ([True, True], np.nan, False),
    ([True, True], 2, False),
    ([-0.0], 0, True),
    ([-0.0], 0j, False),
    ([0.0], 0j, True),
    (np.array([np.inf], "f4"), 1e300, False),
    ([0j], -0.0, False),
    ([complex(0.0, -0.0)], complex(0.0, -0.0), True),
    ([complex(np.nan, 1)], np.nan, True),
    ([complex(np.nan, 1)], complex(np.nan, 0), True),
    ([complex(0, 1)], complex(np.nan, 1), False),
    (np.array([0], "M8[s]"), 0.0, False),
    (np.array([0], "M8[s]"), np.timedelta64(0, "s"), False),
    (np.array(["NaT"], "m8[s]"), np.timedelta64("NaT"), True),
    (["a", "a"], "ab", False),
    (["nan"], np.nan, False),
    ([b"1"], 1, False),
    ([1, 1], "1", False),
]


@pytest.mark.parametrize(("data", "value", "expected"), EQUAL)
def test_all_equal(data: Any, value: Any, expected: bool) -> None:
    assert NDBuffer.from_numpy_array(np.asarray(data)).all_equal(value) is expected


HELD: list[tuple[Any, Any, bool]] = [
    (np.zeros((3, 4)), 0.0, True),
    (np.zeros((3, 4)), -0.0, False),
    (np.zeros((3, 4)), 0, True),
    (np.zeros((4, 6), "c16")[::2, ::-3], 0j, True),
    (np.zeros((4, 6), "c16", order="F"), 0j, True),
    (np.broadcast_to(np.array(1 + 2j), (3, 4)), 1 + 2j, True),
    (np.arange(6, dtype="c16")[::-2], 5 + 0j, False),
    (np.array([b"abc", b"abc"]), b"abc", True),
    (np.array([b"abc", b"abd"]), b"abc", False),
    (np.array(["ab", "ab", "ac"])[::-1], "ab", False),
    (np.array([1, 1], "M8[s]"), np.datetime64(1, "s"), True),
    (np.array([b"", b""], "S1"), b"", True),
    (np.zeros(2, "V3"), b"\0\0\0", True),
    (np.array([0, 0], object), 0, True),
    (np.array([0, False], object), 0, False),
    (np.array([0.0, -0.0], object), 0.0, False),
    (np.array(["x", "x"], object), "x", True),
    (np.array(["x", "x"], np.dtypes.StringDType()), "x", True),
    (np.array(["x", "y"], np.dtypes.StringDType()), "x", False),
    (np.zeros(0), 1.0, True),
    (np.array(2.0), 2.0, True),
]


@pytest.mark.parametrize(("data", "value", "expected"), HELD, ids=repr)
def test_bits_are_compared(data: Any, value: Any, expected: bool) -> None:
    assert NDBuffer.from_numpy_array(data)._holds_only(value) is expected


def test_padding_between_fields_is_not_compared() -> None:
    dtype = np.dtype([("a", "u1"), ("b", "f8")], align=True)
    data = np.frombuffer(bytes(range(16)) * 2, "u1").copy().view(dtype)
    value = data[0]
    data.view("u1")[1] = 99  # between the fields
    assert NDBuffer(data)._holds_only(value.copy())
    data.view("u1")[8] = 99
    assert not NDBuffer(data)._holds_only(data[1])


def test_bits_of_subarrays_are_compared() -> None:
    dtype = np.dtype([("a", "f4", (3,)), ("b", "f8")])
    data = np.zeros(4, dtype)
    assert NDBuffer(data)._holds_only(np.zeros((), dtype)[()])
    data["a"][3, 2] = -0.0
    assert not NDBuffer(data)._holds_only(np.zeros((), dtype)[()])


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
