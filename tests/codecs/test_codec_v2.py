"""V2Codec: the filters and the compressor of format 2 arrays."""

from __future__ import annotations

import pickle
import re
from typing import Any, ClassVar

import numcodecs
import numcodecs.pickles
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from tests.codecs.codec_kit import decode, encode, make_spec, spec_of

from zarr.codecs._v2 import V2Codec
from zarr.core.config import config
from zarr.core.dtype import Int32, VariableLengthBytes, VariableLengthUTF8
from zarr.errors import PickleCodecDisabledError

TEXT, BYTES = VariableLengthUTF8(), VariableLengthBytes()
STRING = np.dtypes.StringDType()


def codec_of(*filters: Any, compressor: Any = None) -> V2Codec:
    return V2Codec(filters=filters or None, compressor=compressor)


COMPRESSORS: list[Any] = [
    None,
    numcodecs.Zlib(1),
    numcodecs.GZip(1),
    numcodecs.BZ2(),
    numcodecs.LZMA(),
    numcodecs.LZ4(),
    numcodecs.Zstd(),
    numcodecs.Blosc(),
    numcodecs.Blosc("zstd", shuffle=numcodecs.Blosc.BITSHUFFLE),
]

DTYPES = st.one_of(
    npst.boolean_dtypes(),
    npst.integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    npst.complex_number_dtypes(endianness="?"),
    npst.byte_string_dtypes(min_len=1, max_len=5),
    npst.unicode_string_dtypes(endianness="?", min_len=1, max_len=5),
    npst.datetime64_dtypes(endianness="?", max_period="D"),
    npst.timedelta64_dtypes(endianness="?", max_period="D"),
    st.just(np.dtype([("a", "<i2"), ("t", ">M8[s]"), ("b", "u1")])),
)


@given(
    st.data(),
    npst.array_shapes(min_dims=0, max_dims=3, max_side=4),
    st.sampled_from(COMPRESSORS),
    st.sampled_from("CF"),
    st.booleans(),
)
def test_round_trip(
    data: st.DataObject, shape: tuple[int, ...], compressor: Any, order: Any, fortran: bool
) -> None:
    array = data.draw(npst.arrays(data.draw(DTYPES), shape))
    if fortran:
        array = np.asfortranarray(array)
    codec, spec = codec_of(compressor=compressor), spec_of(array, order=order)
    stored = encode(codec, array, spec)
    raw = stored if compressor is None else bytes(compressor.decode(stored))
    assert raw == array.tobytes(order=order)
    decoded = decode(codec, stored, spec)
    assert decoded.dtype == array.dtype
    assert decoded.tobytes() == array.tobytes()


FILTERS: list[tuple[str, list[Any]]] = [
    ("i4", [numcodecs.Delta("<i4")]),
    ("i4", [numcodecs.Delta("<i4", "<i8"), numcodecs.Delta("<i8")]),
    ("i4", [numcodecs.Delta("<i4", ">i2")]),
    (">i4", [numcodecs.Delta(">i4")]),
    ("M8[s]", [numcodecs.Delta("<i8")]),
    ("f8", [numcodecs.FixedScaleOffset(offset=1, scale=2, dtype="<f8", astype="<i2")]),
    ("f8", [numcodecs.Quantize(digits=3, dtype="<f8", astype="<f4")]),
    ("f8", [numcodecs.AsType("<f4", "<f8")]),
    ("f4", [numcodecs.BitRound(20)]),
    ("f8", [numcodecs.AsType("<f4", "<f8"), numcodecs.BitRound(20)]),
    ("?", [numcodecs.PackBits()]),
    ("U1", [numcodecs.Categorize(labels=list("0123456789ab"), dtype="<U1")]),
    ("f8", [numcodecs.Shuffle(8)]),
    ("f8", [numcodecs.Shuffle(8), numcodecs.Zlib(1)]),
    ("i4", [numcodecs.Base64()]),
    ("i4", [numcodecs.CRC32()]),
    ("i4", [numcodecs.Fletcher32()]),
    ("i4", [numcodecs.JenkinsLookup3()]),
    ("i4", [numcodecs.JSON()]),
]


@pytest.mark.parametrize(("dtype", "filters"), FILTERS)
@pytest.mark.parametrize("compressor", [None, numcodecs.Zlib(1), numcodecs.Blosc()])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("make", [np.ascontiguousarray, np.asfortranarray])
def test_filters(dtype: str, filters: list[Any], compressor: Any, order: Any, make: Any) -> None:
    values = np.arange(12) % 2 if dtype == "?" else np.arange(12) % 10
    array = make(values.astype(dtype).reshape(3, 4))
    codec, spec = codec_of(*filters, compressor=compressor), spec_of(array, order=order)
    decoded = decode(codec, encode(codec, array, spec), spec)
    assert decoded.dtype == array.dtype
    np.testing.assert_array_equal(decoded, array)


@pytest.mark.parametrize(
    ("array", "filters", "order", "stored"),
    [
        (np.array([[0, 1, 2], [3, 4, 5]], "u1"), [], "C", bytes([0, 1, 2, 3, 4, 5])),
        (np.array([[0, 1, 2], [3, 4, 5]], "u1"), [], "F", bytes([0, 3, 1, 4, 2, 5])),
        (np.array([1, 256], "<i4"), [], "C", b"\1\0\0\0\0\1\0\0"),
        (np.array([1, 256], ">i4"), [], "C", b"\0\0\0\1\0\0\1\0"),
        (np.array([1, 2, 5], "u1"), [numcodecs.Delta("u1")], "C", b"\1\1\3"),
        (np.array([[1, 2], [5, 9]], "u1"), [numcodecs.Delta("u1")], "F", b"\1\4\xfd\7"),
        (
            np.array([[1, 0, 0], [1, 1, 1], [0, 0, 1]], "?"),
            [numcodecs.PackBits()],
            "F",
            b"\7\xc9\x80",
        ),
        (np.array([1.0, 2.0]), [numcodecs.Base64()], "C", b"AAAAAAAA8D8AAAAAAAAAQA=="),
        (np.array([1, 2], "M8[s]"), [], "C", b"\1" + bytes(7) + b"\2" + bytes(7)),
        (
            np.array([["a", "b"], ["b", "z"]]),
            [numcodecs.Categorize(labels=["a", "b"], dtype="<U1")],
            "C",
            b"\1\2\2\0",
        ),
    ],
)
def test_stored_bytes(array: Any, filters: list[Any], order: Any, stored: bytes) -> None:
    codec = codec_of(*filters)
    assert encode(codec, array, spec_of(array, order=order)) == stored


def test_the_byte_order_of_the_data_type_is_stored() -> None:
    spec = make_spec((2,), ">i4")
    assert encode(codec_of(), np.array([1, 256], "<i4"), spec) == b"\0\0\0\1\0\0\1\0"


@pytest.mark.parametrize(
    ("dtype", "codec", "elements"),
    [
        (TEXT, codec_of(numcodecs.VLenUTF8()), ["a", "", "xyz", "ü"]),
        (TEXT, codec_of(numcodecs.VLenUTF8(), compressor=numcodecs.Zstd()), ["a", "b", "c", "d"]),
        (TEXT, codec_of(compressor=numcodecs.VLenUTF8()), ["a", "", "xyz", "ü"]),
        (TEXT, codec_of(numcodecs.JSON()), ["a", "", "xyz", "ü"]),
        (TEXT, codec_of(numcodecs.Categorize(labels=["a", "b"], dtype=object)), list("abba")),
        (BYTES, codec_of(numcodecs.VLenBytes()), [b"a", b"", b"xyz", b"\xff"]),
        (BYTES, codec_of(compressor=numcodecs.VLenBytes()), [b"a", b"", b"xyz", b"\xff"]),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("make", [np.ascontiguousarray, np.asfortranarray])
def test_objects(dtype: Any, codec: V2Codec, elements: list[Any], order: Any, make: Any) -> None:
    array = np.empty(4, dtype=dtype.to_native_dtype())
    array[:] = elements
    array = make(array.reshape(2, 2))
    spec = make_spec((2, 2), dtype, order=order)
    decoded = decode(codec, encode(codec, array, spec), spec)
    assert decoded.dtype == dtype.to_native_dtype()
    assert decoded.ravel().tolist() == elements


def test_objects_are_stored_in_order() -> None:
    array = np.array([["a", "b"], ["c", "d"]], dtype=STRING)
    for order, letters in (("C", b"abcd"), ("F", b"acbd")):
        stored = encode(codec_of(numcodecs.VLenUTF8()), array, make_spec((2, 2), TEXT, order=order))
        assert stored[:4] == b"\4\0\0\0"
        assert bytes(stored[8::5]) == letters


def test_objects_need_a_codec() -> None:
    spec = make_spec((2,), TEXT)
    with pytest.raises(TypeError, match="cannot be stored as it is"):
        encode(codec_of(), np.array(["a", "b"], dtype=STRING), spec)
    with pytest.raises(TypeError, match="object arrays are not supported"):
        encode(codec_of(compressor=numcodecs.Zlib()), np.array(["a", "b"], dtype=STRING), spec)
    for codec, stored in (
        (codec_of(), b"abc"),
        (codec_of(compressor=numcodecs.Zlib()), numcodecs.Zlib().encode(b"abc")),
    ):
        with pytest.raises(ValueError, match="was decoded to bytes"):
            decode(codec, stored, spec)


@pytest.mark.parametrize(
    ("dtype", "codec", "elements"),
    [
        ("<U3", codec_of(numcodecs.VLenUTF8()), ["abc", ""]),
        (">U3", codec_of(numcodecs.JSON()), ["ü", "xy"]),
        ("S2", codec_of(numcodecs.VLenBytes()), [b"ab", b""]),
    ],
)
def test_objects_where_elements_have_a_fixed_length(
    dtype: str, codec: V2Codec, elements: Any
) -> None:
    array = np.array(elements, dtype=dtype)
    spec = spec_of(array)
    stored = encode(codec, array, spec)
    decoded = decode(codec, stored, spec)
    assert decoded.dtype == array.dtype
    assert decoded.tolist() == elements
    with pytest.raises(ValueError, match=r"decoded to elements of up to|decoding gave 24"):
        decode(codec, stored, make_spec((2,), f"{dtype[:-1]}1"))


def test_objects_that_may_not_be_written() -> None:
    array = np.broadcast_to(np.array(b"a", dtype=object), (2,))
    codec = codec_of(numcodecs.VLenBytes())
    assert encode(codec, array, make_spec((2,), BYTES)) == b"\2\0\0\0" + 2 * b"\1\0\0\0a"


def test_objects_where_numbers_are_expected() -> None:
    stored = numcodecs.JSON().encode(np.array([1, None], dtype=object))
    with pytest.raises(ValueError, match="decoded to an array of Python objects"):
        decode(codec_of(numcodecs.JSON()), stored, make_spec((2,), "i4"))


def test_arrays_that_keep_their_shape_keep_their_layout() -> None:
    # As another implementation may store it: the shape with the elements, and another type of them
    stored = numcodecs.JSON().encode(np.array([[1, 2, 3], [4, 5, 6]], "<i8"))
    for order in ("C", "F"):
        decoded = decode(
            codec_of(numcodecs.JSON()), stored, make_spec((2, 3), "<M8[s]", order=order)
        )
        assert decoded.tolist() == np.array([[1, 2, 3], [4, 5, 6]], "M8[s]").tolist()


FULL = np.arange(4, dtype="<i4").tobytes()


@pytest.mark.parametrize(
    ("codec", "stored"),
    [
        (codec_of(), b""),
        (codec_of(), b"\1\2"),
        (codec_of(), FULL[:-1]),
        (codec_of(), FULL + b"\0"),
        (codec_of(), FULL * 2),
        (codec_of(numcodecs.Delta("<i4")), FULL[:-4]),
        (codec_of(numcodecs.Delta("<i4")), b""),
        (codec_of(numcodecs.FixedScaleOffset(0, 1, "<i4", "<i2")), FULL),
        (codec_of(compressor=numcodecs.Zlib()), b""),
        (codec_of(compressor=numcodecs.Zlib()), numcodecs.Zlib().encode(FULL)[:-1]),
        (codec_of(compressor=numcodecs.Zlib()), numcodecs.Zlib().encode(FULL[4:])),
        (codec_of(compressor=numcodecs.GZip()), b""),
        (codec_of(compressor=numcodecs.GZip()), numcodecs.GZip().encode(FULL)[:-1]),
        (codec_of(compressor=numcodecs.Zstd()), b""),
        (codec_of(compressor=numcodecs.Zstd()), numcodecs.Zstd().encode(b"")),
        (codec_of(compressor=numcodecs.Blosc()), b""),
        (codec_of(compressor=numcodecs.Blosc()), numcodecs.Blosc().encode(FULL)[:-1]),
        (codec_of(compressor=numcodecs.LZ4()), b"garbage, of some length"),
        (codec_of(numcodecs.CRC32()), b"\0\0\0\0" + FULL),
        (codec_of(numcodecs.JSON()), b"[1,2,3"),
    ],
    # gzip puts the time into what it writes; test ids have to be the same in every process
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else None,
)
def test_damage_never_decodes(codec: V2Codec, stored: bytes) -> None:
    with pytest.raises(Exception) as caught:
        decode(codec, stored, make_spec((4,), "<i4"))
    assert not isinstance(caught.value, AttributeError | AssertionError | IndexError)


def test_wrong_length_names_both() -> None:
    message = "A chunk of shape (4,) and dtype int32 has 16 bytes, but decoding gave 2."
    with pytest.raises(ValueError, match=re.escape(message)):
        decode(codec_of(), b"\1\2", make_spec((4,), "<i4"))


@pytest.mark.parametrize("shape", [(1,), (3,), (), (2, 2)])
def test_another_number_of_objects(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"but decoding gave 2\. The stored"):
        decode(codec_of(numcodecs.JSON()), b'["a","b","|O",[2]]', make_spec(shape, TEXT))


def test_decoding_shares_memory() -> None:
    spec = make_spec((2, 2), "<i4", order="F")
    stored = spec.prototype.buffer.from_bytes(FULL)
    decoded = codec_of()._decode_sync(stored, spec).as_numpy_array()
    assert np.shares_memory(decoded, stored.as_numpy_array())
    assert decoded.flags.f_contiguous


def test_equality_and_pickling() -> None:
    codec = codec_of(numcodecs.Delta("<i4"), compressor=numcodecs.Zlib(2))
    assert codec == codec_of(numcodecs.Delta("<i4"), compressor=numcodecs.Zlib(2))
    assert codec != codec_of(numcodecs.Delta("<i4"), compressor=numcodecs.Zlib(3))
    array = np.arange(4, dtype="<i4")
    stored = encode(codec, array, spec_of(array))
    decode(codec, stored, spec_of(array))
    copied = pickle.loads(pickle.dumps(codec))
    assert copied == codec
    assert decode(copied, stored, spec_of(array)).tolist() == [0, 1, 2, 3]


# --- pickles ----------------------------------------------------------------------------


class Renamed(numcodecs.Pickle):
    """Another id does not make it safe."""

    codec_id: ClassVar[str] = "harmless"


PICKLED = numcodecs.Pickle().encode(np.array([1, 2], "<i4"))


@pytest.mark.parametrize(
    "codec",
    [
        codec_of(numcodecs.Pickle()),
        codec_of(Renamed()),
        codec_of(compressor=numcodecs.Pickle()),
        codec_of(numcodecs.Delta("<i4"), numcodecs.Pickle(), compressor=None),
        codec_of(numcodecs.Pickle(), compressor=numcodecs.Pickle()),
    ],
)
def test_unpickling_is_refused(codec: V2Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    spec = make_spec((2,), Int32())
    for value in (False, 0, "yes", 1):
        with (
            config.set({"array.allow_unsafe_pickle_decode": value}),
            pytest.raises(
                PickleCodecDisabledError, match="Refusing to decode data with the 'pickle'"
            ),
        ):
            decode(codec, PICKLED, spec)


def test_unpickling_can_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    codec, spec = codec_of(numcodecs.Pickle()), make_spec((2,), Int32())
    stored = encode(codec, np.array([1, 2], "<i4"), spec)
    assert stored == PICKLED
    with config.set({"array.allow_unsafe_pickle_decode": True}):
        assert decode(codec, stored, spec).tolist() == [1, 2]
    with pytest.raises(PickleCodecDisabledError):
        decode(codec, stored, spec)
    assert decode(pickle.loads(pickle.dumps(codec_of())), FULL[:8], spec).tolist() == [0, 1]
