"""VLenUTF8Codec and VLenBytesCodec."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.codec_kit import decode, encode, make_spec

from zarr.codecs import VLenBytesCodec, VLenUTF8Codec
from zarr.core.dtype import FixedLengthUTF32, Int32, VariableLengthBytes, VariableLengthUTF8

TEXT, BYTES = VariableLengthUTF8(), VariableLengthBytes()
STRING = np.dtypes.StringDType()

# Format of numcodecs: count, then length and content of each element
TWO = b"\2\0\0\0\1\0\0\0a\2\0\0\0bb"


@given(st.lists(st.text(), min_size=1, max_size=12), st.sampled_from([(-1,), (1, -1), (-1, 1, 1)]))
def test_text_round_trip(elements: list[str], shape: tuple[int, ...]) -> None:
    array = np.array(elements, dtype=STRING).reshape(shape)
    spec = make_spec(array.shape, TEXT)
    decoded = decode(VLenUTF8Codec(), encode(VLenUTF8Codec(), array, spec), spec)
    assert decoded.dtype == TEXT.to_native_dtype()
    assert decoded.shape == array.shape
    assert decoded.ravel().tolist() == elements


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=12))
def test_bytes_round_trip(elements: list[bytes]) -> None:
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    spec = make_spec(array.shape, BYTES)
    decoded = decode(VLenBytesCodec(), encode(VLenBytesCodec(), array, spec), spec)
    assert decoded.dtype == object
    assert decoded.tolist() == elements


@pytest.mark.parametrize("dtype", [STRING, object, "U2"])
def test_text_of_every_kind_of_array(dtype: Any) -> None:
    array = np.array(["a", "bb"], dtype=dtype)
    assert encode(VLenUTF8Codec(), array, make_spec((2,), TEXT)) == TWO
    assert array.tolist() == ["a", "bb"]


@pytest.mark.parametrize("dtype", [object, "S2"])
def test_bytes_of_every_kind_of_array(dtype: Any) -> None:
    array = np.array([b"a", b"bb"], dtype=dtype)
    assert encode(VLenBytesCodec(), array, make_spec((2,), BYTES)) == TWO


def test_elements_that_may_not_be_written() -> None:
    for codec, data_type, element in (
        (VLenUTF8Codec(), TEXT, "a"),
        (VLenBytesCodec(), BYTES, b"a"),
    ):
        array = np.broadcast_to(np.array(element, dtype=object), (2,))
        assert not array.flags.writeable
        stored = encode(codec, array, make_spec((2,), data_type))
        assert stored == b"\2\0\0\0" + 2 * b"\1\0\0\0a"


@pytest.mark.parametrize("make", [np.asfortranarray, np.ascontiguousarray])
def test_elements_are_stored_in_c_order(make: Any) -> None:
    array = make(np.array([["a", "b"], ["c", "d"]], dtype=STRING))
    spec = make_spec((2, 2), TEXT, order="F")
    stored = encode(VLenUTF8Codec(), array, spec)
    assert bytes(stored[8::5]) == b"abcd"
    assert decode(VLenUTF8Codec(), stored, spec).tolist() == [["a", "b"], ["c", "d"]]


def test_fixed_length_text_is_decoded_to_its_type() -> None:
    decoded = decode(VLenUTF8Codec(), TWO, make_spec((2,), FixedLengthUTF32(length=2)))
    assert decoded.dtype == np.dtype("U2")
    assert decoded.tolist() == ["a", "bb"]


@pytest.mark.parametrize(
    ("stored", "shape", "error", "message"),
    [
        (b"", (2,), ValueError, "corrupt buffer"),
        (TWO[:-1], (2,), ValueError, "corrupt buffer"),
        (b"\3" + TWO[1:], (3,), ValueError, "corrupt buffer"),
        (b"\1" + TWO[1:9], (1,), UnicodeDecodeError, "utf-8"),
        (TWO, (3,), ValueError, "has 3 elements, but decoding gave 2."),
        (TWO, (1,), ValueError, "has 1 elements, but decoding gave 2."),
        (TWO, (), ValueError, "has 1 elements, but decoding gave 2."),
    ],
)
def test_damage(
    stored: bytes, shape: tuple[int, ...], error: type[Exception], message: str
) -> None:
    if error is UnicodeDecodeError:
        stored = stored[:-1] + b"\xff"
    with pytest.raises(error, match=re.escape(message)):
        decode(VLenUTF8Codec(), stored, make_spec(shape, TEXT))


def test_other_elements_are_refused() -> None:
    with pytest.raises(TypeError, match="Expected str, got int"):
        encode(VLenUTF8Codec(), np.array([0, 1]), make_spec((2,), Int32()))
    with pytest.raises(TypeError, match="Expected str, got int"):
        encode(VLenUTF8Codec(), np.array(["a", 1], dtype=object), make_spec((2,), TEXT))
    with pytest.raises(TypeError, match="Expected str, got int32"):
        decode(VLenUTF8Codec(), TWO, make_spec((2,), Int32()))
    with pytest.raises(TypeError, match="Expected bytes, got str"):
        encode(VLenBytesCodec(), np.array([b"a", "x"], dtype=object), make_spec((2,), BYTES))
    with pytest.raises(TypeError, match="Expected bytes, got <U1"):
        encode(VLenBytesCodec(), np.array(["x"]), make_spec((1,), BYTES))


@pytest.mark.parametrize("codec", [VLenUTF8Codec(), VLenBytesCodec()])
def test_size_is_not_known_beforehand(codec: Any) -> None:
    with pytest.raises(NotImplementedError, match="not implemented for VLen codecs"):
        codec.compute_encoded_size(100, make_spec((2,), TEXT))
