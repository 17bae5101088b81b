"""BytesCodec and TransposeCodec: elements to bytes, and dimensions in another order."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from tests.codecs.codec_kit import decode, encode, make_spec, spec_of

from zarr.codecs import BytesCodec, TransposeCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import BufferPrototype
from zarr.core.buffer.cpu import Buffer, NDBuffer
from zarr.core.dtype import VariableLengthBytes, VariableLengthUTF8

STRUCT = np.dtype([("a", "<i2"), ("b", "u1")])

DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    npst.complex_number_dtypes(endianness="?"),
    npst.byte_string_dtypes(max_len=5),
    npst.unicode_string_dtypes(endianness="?", max_len=5),
    npst.datetime64_dtypes(endianness="?", max_period="D"),
    npst.timedelta64_dtypes(endianness="?", max_period="D"),
    st.just(STRUCT),
    st.just(np.dtype([("x", ">f4"), ("y", "<i8")])),
)
SHAPES = npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    """Arrays of any layout: contiguous in either order, or neither."""
    array = draw(npst.arrays(draw(DTYPES), draw(SHAPES)))
    layout = draw(st.sampled_from(["C", "F", "strided", "reversed"]))
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "strided" and array.ndim:
        return np.repeat(array, 2, axis=0)[::2]
    if layout == "reversed" and array.ndim:
        return array[::-1]
    return array


@given(arrays(), st.sampled_from(["little", "big"]), st.sampled_from("CF"))
def test_round_trip_gives_the_same_elements(array: Any, endian: Any, order: Any) -> None:
    spec = spec_of(array, order=order)
    codec = BytesCodec(endian=endian).evolve_from_array_spec(spec)
    stored = encode(codec, array, spec)
    swapped = "<" if endian == "little" else ">"
    assert stored == array.astype(array.dtype.newbyteorder(swapped)).tobytes(order="C")
    decoded = decode(codec, stored, spec)
    assert decoded.dtype == array.dtype
    assert decoded.shape == array.shape
    assert decoded.tobytes() == array.tobytes()


def test_decoding_shares_memory() -> None:
    stored = Buffer.from_bytes(np.arange(6, dtype="<i4").tobytes())
    for codec in (BytesCodec(), BytesCodec(endian=None)):
        decoded = codec._decode_sync(stored, make_spec((2, 3), "<i4"))
        assert np.shares_memory(decoded.as_numpy_array(), stored.as_numpy_array())


def test_encoding_shares_memory() -> None:
    array = np.arange(6, dtype="<i4").reshape(2, 3)
    stored = BytesCodec()._encode_sync(NDBuffer.from_numpy_array(array), spec_of(array))
    assert stored is not None
    assert np.shares_memory(stored.as_numpy_array(), array)


@pytest.mark.parametrize(
    ("stored", "shape", "dtype", "expected"),
    [
        (b"", (2,), "u1", 2),
        (b"x", (3,), "u1", 3),
        (b"toolong", (3,), "u1", 3),
        (b"1234567", (2,), "i4", 8),
        (b"123456789", (2,), "i4", 8),
        (b"12345678" * 2, (2,), "i4", 8),
        (b"", (), "f8", 8),
        (b"x", (0, 3), "f8", 0),
    ],
)
def test_wrong_length(stored: bytes, shape: tuple[int, ...], dtype: str, expected: int) -> None:
    message = f"has {expected} bytes, but decoding gave {len(stored)}."
    with pytest.raises(ValueError, match=re.escape(message)):
        decode(BytesCodec(), stored, make_spec(shape, dtype))


@pytest.mark.parametrize(
    ("endian", "dtype", "evolved"),
    [
        ("little", "u1", None),
        (None, "u1", None),
        ("big", "?", None),
        ("big", "S4", None),
        ("big", "V3", None),
        ("big", "U2", "big"),
        ("little", "f8", "little"),
        ("little", VariableLengthUTF8(), None),
        ("big", STRUCT, "big"),
        ("big", np.dtype([("a", "u1"), ("b", "S3")]), None),
        ("big", np.dtype([("a", "u1"), ("b", [("c", "u1"), ("d", ">f4")])]), "big"),
    ],
)
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
def test_byte_order_follows_data_type(endian: Any, dtype: Any, evolved: Any) -> None:
    codec = BytesCodec(endian=endian).evolve_from_array_spec(make_spec((2,), dtype))
    assert codec == BytesCodec(endian=evolved)


def test_byte_order_is_needed() -> None:
    codec = BytesCodec(endian=None)
    with pytest.raises(ValueError, match="needs to be specified for multi-byte data types"):
        codec.evolve_from_array_spec(make_spec((2,), "i4"))
    with pytest.warns(UserWarning, match="Assuming little-endian"):
        assert codec.evolve_from_array_spec(make_spec((2,), STRUCT)) == BytesCodec()


@pytest.mark.parametrize("dtype", [VariableLengthUTF8(), VariableLengthBytes()])
def test_elements_without_fixed_size(dtype: Any) -> None:
    spec = make_spec((1,), dtype)
    native = dtype.to_native_dtype()
    with pytest.raises(TypeError, match="needs elements of a fixed size"):
        encode(BytesCodec(), np.array(["a"], dtype=native), spec)
    with pytest.raises(TypeError, match="needs elements of a fixed size"):
        decode(BytesCodec(), b"\0" * native.itemsize, spec)


class OtherBuffer(Buffer):
    """A buffer of another class."""


class OtherNDBuffer(NDBuffer):
    """An array buffer of another class."""


def test_results_are_of_the_classes_of_the_prototype() -> None:
    base = make_spec((3,), "u1")
    prototype = BufferPrototype(OtherBuffer, OtherNDBuffer)
    spec = ArraySpec(base.shape, base.dtype, 0, base.config, prototype)
    decoded = BytesCodec()._decode_sync(Buffer.from_bytes(b"abc"), spec)
    assert isinstance(decoded, OtherNDBuffer)
    assert isinstance(BytesCodec()._encode_sync(decoded, spec), OtherBuffer)


# --- transpose --------------------------------------------------------------------------


@given(st.data(), npst.array_shapes(min_dims=1, max_dims=5, max_side=4))
def test_transpose(data: st.DataObject, shape: tuple[int, ...]) -> None:
    order = tuple(data.draw(st.permutations(range(len(shape)))))
    array = np.arange(np.prod(shape)).reshape(shape)
    codec, spec = TransposeCodec(order=order), spec_of(array)
    encoded = encode(codec, array, spec)
    assert encoded.shape == codec.resolve_metadata(spec).shape
    # Zarr v3: dimension i of the encoded chunk is dimension order[i] of the chunk.
    position = tuple(data.draw(st.integers(0, length - 1)) for length in shape)
    assert encoded[tuple(position[axis] for axis in order)] == array[position]
    assert np.shares_memory(encoded, array)
    np.testing.assert_array_equal(decode(codec, encoded, spec), array)


@pytest.mark.parametrize("order", [(0,), (1, 0, 2), ()])
def test_transpose_of_another_number_of_dimensions(order: tuple[int, ...]) -> None:
    codec = TransposeCodec(order=order)
    message = re.escape(f"as many entries as there are dimensions in the array. Got {order}.")
    with pytest.raises(ValueError, match=message):
        codec.evolve_from_array_spec(make_spec((2, 3)))
    with pytest.raises(ValueError, match=message):
        codec.validate(shape=(2, 3), dtype=make_spec((1,)).dtype, chunk_grid=None)  # type: ignore[arg-type]


def test_transpose_accepts_numpy_integers() -> None:
    codec = TransposeCodec(order=np.array([1, 0]))
    assert codec == TransposeCodec(order=(1, 0))
    assert [type(axis) for axis in codec.order] == [int, int]
    codec.validate(shape=(2, 3), dtype=make_spec((1,)).dtype, chunk_grid=None)  # type: ignore[arg-type]
    spec = make_spec((2, 3))
    assert codec.evolve_from_array_spec(spec) is codec
    assert codec.resolve_metadata(spec).dtype == spec.dtype


@pytest.mark.parametrize("endian", ["little", "big"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["M8", "m8", "M8[s]", "m8[ms]"])
def test_times_are_stored_in_the_byte_order_of_the_codec(
    dtype: str, order: str, endian: Any
) -> None:
    numbers = np.array([[1, 2], [3, -(2**63)]], dtype=f"{order}i8")
    times = numbers.view(f"{order}{dtype}")
    stored = numbers.astype({"little": "<i8", "big": ">i8"}[endian]).tobytes()
    codec = BytesCodec(endian=endian)
    assert encode(codec, times, spec_of(times)) == stored
    decoded = decode(codec, stored, spec_of(times))
    assert decoded.dtype == times.dtype
    np.testing.assert_array_equal(decoded.view(numbers.dtype), numbers)
