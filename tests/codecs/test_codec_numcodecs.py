"""The ``numcodecs.*`` codecs."""

from __future__ import annotations

import re
import zlib
from typing import Any, ClassVar

import numcodecs
import numcodecs.pickles
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.codec_kit import decode, decode_async, encode, encode_async, make_spec, spec_of

import zarr.codecs.numcodecs as zn
from zarr.codecs import BytesCodec, TransposeCodec
from zarr.core._codec_chain import CodecChain
from zarr.core.dtype import VariableLengthUTF8
from zarr.errors import PickleCodecDisabledError, UnknownCodecError

SPEC = make_spec((3,))

BYTES_CODECS: list[Any] = [
    zn.Blosc(cname="lz4", shuffle=2),
    zn.BZ2(level=3),
    zn.GZip(level=1),
    zn.LZ4(),
    zn.LZMA(),
    zn.Zlib(level=2),
    zn.Zstd(level=1),
    zn.Shuffle(elementsize=2),
    zn.Adler32(),
    zn.CRC32(),
    zn.CRC32(location="end"),
    zn.CRC32C(),
    zn.Fletcher32(),
    zn.JenkinsLookup3(),
]


@pytest.mark.parametrize("codec", BYTES_CODECS)
@given(data=st.binary(min_size=1, max_size=300).map(lambda part: part * 2))
def test_bytes_round_trip(codec: Any, data: bytes) -> None:
    stored = encode(codec, data, SPEC)
    expected = numcodecs.get_codec(
        codec.codec_config | {"id": codec.codec_name.removeprefix("numcodecs.")}
    ).encode(np.frombuffer(data, "B"))
    if not isinstance(codec, zn.GZip):  # its header holds the time
        assert stored == bytes(expected)
    if codec.is_fixed_size:
        assert len(stored) == codec.compute_encoded_size(len(data), SPEC)
    assert decode(codec, stored, SPEC) == data


@pytest.mark.parametrize("codec", [zn.Zlib(), zn.CRC32()])
def test_asynchronous_coding(codec: Any) -> None:
    stored = encode_async(codec, b"abc", SPEC)
    assert decode_async(codec, stored, SPEC) == b"abc"


@pytest.mark.parametrize(
    ("codec", "stored", "error"),
    [
        (zn.Zlib(), b"abc", zlib.error),
        (zn.Zlib(), b"", zlib.error),
        (zn.GZip(), b"", EOFError),
        (zn.Blosc(), numcodecs.Blosc().encode(b"abc" * 99)[:-1], RuntimeError),
        (zn.CRC32(), b"\0\0\0\0abc", RuntimeError),
        (zn.CRC32C(), b"abc\0\0\0\0", RuntimeError),
        (zn.Fletcher32(), b"\0\0\0\0abcd", RuntimeError),
        (zn.JenkinsLookup3(), b"abc\0\0\0\0", RuntimeError),
    ],
)
def test_damage_never_decodes(codec: Any, stored: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        decode(codec, stored, SPEC)


# --- filters ----------------------------------------------------------------------------

FILTERS: list[tuple[Any, str]] = [
    (zn.Delta(dtype="<i4"), "<i4"),
    (zn.Delta(dtype="<i4", astype="<i2"), "<i4"),
    (zn.Delta(dtype="<i4", astype=">i8"), "<i4"),
    (zn.Delta(dtype="<i4"), ">i4"),
    (zn.Delta(dtype="<i8"), "<M8[s]"),
    (zn.FixedScaleOffset(offset=1, scale=10, astype="<i2"), "<f8"),
    (zn.FixedScaleOffset(offset=1, scale=10, dtype="<f8", astype="<i2"), ">f8"),
    (zn.FixedScaleOffset(offset=1, scale=1), "<f8"),
    (zn.Quantize(digits=3), "<f8"),
    (zn.Quantize(digits=3, dtype="<f8", astype="<f4"), "<f8"),
    (zn.BitRound(keepbits=20), "<f4"),
    (zn.BitRound(keepbits=23), "<f4"),
    (zn.AsType(encode_dtype="<f4"), "<f8"),
    (zn.AsType(encode_dtype="<i2", decode_dtype="<f8"), ">f8"),
    (zn.PackBits(), "?"),
]


@pytest.mark.parametrize(("codec", "dtype"), FILTERS)
@pytest.mark.parametrize("shape", [(12,), (3, 4), (2, 2, 3), (1, 12)])
@pytest.mark.parametrize("make", [np.ascontiguousarray, np.asfortranarray, lambda a: a[::-1]])
def test_filter_round_trip(codec: Any, dtype: str, shape: tuple[int, ...], make: Any) -> None:
    values = np.arange(12) % 2 if dtype == "?" else np.arange(12)
    array = make(values.astype(dtype).reshape(shape))
    spec = spec_of(array)
    codec = codec.evolve_from_array_spec(spec)
    resolved = codec.resolve_metadata(spec)
    encoded = encode(codec, array, spec)
    # The spec has to be true: it is what the next codec believes.
    assert encoded.shape == resolved.shape
    assert encoded.dtype == resolved.dtype.to_native_dtype()
    if resolved.dtype != spec.dtype:
        assert resolved.fill_value.dtype == encoded.dtype.newbyteorder("=")
    decoded = decode(codec, encoded, spec)
    assert decoded.dtype == array.dtype
    np.testing.assert_array_equal(decoded, array)


@pytest.mark.parametrize(("codec", "dtype"), FILTERS)
@pytest.mark.parametrize("endian", ["little", "big"])
def test_filters_in_a_chain(codec: Any, dtype: str, endian: Any) -> None:
    values = np.arange(12) % 2 if dtype == "?" else np.arange(12)
    array = values.astype(dtype).reshape(3, 4)
    spec = spec_of(array)
    codecs = [
        TransposeCodec(order=(1, 0)),
        codec,
        BytesCodec(endian=endian),
        zn.Shuffle(),
        zn.Zlib(),
    ]
    chain = CodecChain.from_codecs(codecs).evolve(spec)
    stored = chain.encode_sync(spec.prototype.nd_buffer.from_numpy_array(array), spec)
    assert stored is not None
    decoded = chain.decode_sync(stored, spec).as_numpy_array()
    assert decoded.dtype == array.dtype
    np.testing.assert_array_equal(decoded, array)


def test_encoded_values() -> None:
    square = np.array([[1, 3], [7, 10]], "<i4")
    delta = zn.Delta(dtype="<i4", astype="<i2")
    for array in (square, np.asfortranarray(square), square.astype(">i4")):
        encoded = encode(delta, array, spec_of(array))
        assert encoded.tolist() == [[1, 2], [4, 3]]
        assert encoded.dtype == np.dtype("<i2")
    bits = np.array([[1, 0, 1], [1, 1, 1], [0, 0, 1]], "?")
    assert encode(zn.PackBits(), bits, spec_of(bits)).tolist() == [7, 188, 128]
    floats = np.array([1.25, 2.5, 3.0])
    scaled = encode(
        zn.FixedScaleOffset(offset=0, scale=10, dtype="<f8", astype="<i2"), floats, spec_of(floats)
    )
    assert scaled.tolist() == [12, 25, 30]
    bitrounded = encode(zn.BitRound(keepbits=3), np.array([1.234], "<f4"), make_spec((1,), "<f4"))
    assert bitrounded.tolist() == [1.25]
    assert bitrounded.dtype == np.dtype("<f4")


@pytest.mark.parametrize(
    ("codec", "dtype", "configuration"),
    [
        (
            zn.FixedScaleOffset(offset=0, scale=10),
            "f8",
            {"offset": 0, "scale": 10, "dtype": "float64"},
        ),
        (
            zn.FixedScaleOffset(offset=0, scale=10, dtype="<f8", astype="<i2"),
            "f4",
            {"offset": 0, "scale": 10, "dtype": "<f8", "astype": "<i2"},
        ),
        (zn.Quantize(digits=2), "f8", {"digits": 2, "dtype": "float64"}),
        (zn.AsType(encode_dtype="<f4"), ">f8", {"encode_dtype": "<f4", "decode_dtype": ">f8"}),
        (
            zn.AsType(encode_dtype="<f4", decode_dtype="<i8"),
            "f8",
            {"encode_dtype": "<f4", "decode_dtype": "<i8"},
        ),
        (zn.Shuffle(), "f8", {"elementsize": 8}),
        (zn.Shuffle(elementsize=2), "f8", {"elementsize": 2}),
        (zn.Shuffle(), VariableLengthUTF8(), {"elementsize": 16}),
        (zn.Delta(dtype=np.dtype("<i4")), "i4", {"dtype": "<i4"}),
        (zn.Zlib(level=np.int64(3)), "i4", {"level": 3}),
        (zn.PackBits(), "?", {}),
    ],
)
def test_parameters_from_the_array(codec: Any, dtype: Any, configuration: dict[str, Any]) -> None:
    evolved = codec.evolve_from_array_spec(make_spec((4,), dtype))
    assert evolved.to_dict() == {"name": codec.codec_name, "configuration": configuration}
    assert all(type(value) in (int, str) for value in evolved.codec_config.values())


@pytest.mark.parametrize(
    ("codec", "spec", "shape", "dtype", "fill_value"),
    [
        (zn.Delta(dtype="<i4"), make_spec((4,), "i4", fill_value=7), (4,), "i4", 7),
        (zn.Delta(dtype="<i4", astype="<i8"), make_spec((4,), "i4", fill_value=7), (4,), "i8", 7),
        (zn.AsType(encode_dtype="<f4"), make_spec((4,), "f8", fill_value=1.5), (4,), "f4", 1.5),
        (
            zn.FixedScaleOffset(offset=0, scale=10, astype="<i2"),
            make_spec((4,), "f8", fill_value=2.5),
            (4,),
            "i2",
            2,
        ),
        (zn.Quantize(digits=1, astype="<f4"), make_spec((4,), "f8"), (4,), "f4", 0),
        (zn.PackBits(), make_spec((9,), "?", fill_value=False), (3,), "u1", 0),
        (zn.PackBits(), make_spec((3, 5), "?", fill_value=True), (3,), "u1", 1),
        (zn.PackBits(), make_spec((8,), "?"), (2,), "u1", 0),
        (zn.PackBits(), make_spec((), "?"), (2,), "u1", 0),
        (zn.BitRound(keepbits=5), make_spec((4,), "f4", fill_value=1.5), (4,), "f4", 1.5),
        (zn.AsType(encode_dtype="<i2"), make_spec((4,), "f8", fill_value=None), (4,), "i2", 0),
    ],
)
def test_resolved_spec(
    codec: Any, spec: Any, shape: tuple[int, ...], dtype: str, fill_value: Any
) -> None:
    resolved = codec.resolve_metadata(spec)
    assert resolved.shape == shape
    assert resolved.dtype.to_native_dtype() == np.dtype(dtype)
    assert resolved.fill_value == fill_value


def test_packbits_is_for_bools() -> None:
    message = "Packbits filter requires bool dtype. Got Int8()."
    with pytest.raises(ValueError, match=re.escape(message)):
        zn.PackBits().validate(shape=(3,), dtype=make_spec((3,), "i1").dtype, chunk_grid=None)
    zn.PackBits().validate(dtype=make_spec((3,), "?").dtype)


@pytest.mark.parametrize(
    ("codec", "message"),
    [
        (zn.Delta(), "missing 1 required positional argument: 'dtype'"),
        (zn.Zlib(nope=1), "unexpected keyword argument 'nope'"),
        (zn.BitRound(), "missing 1 required positional argument: 'keepbits'"),
    ],
)
def test_parameters_are_checked_for_an_array(codec: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        codec.evolve_from_array_spec(make_spec((4,), "f8"))


def test_a_codec_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for cls, extra in ((zn.PCodec, "numcodecs[pcodec]"), (zn.ZFPY, "numcodecs[zfpy]")):
        codec_id = cls.codec_name.removeprefix("numcodecs.")
        monkeypatch.delitem(numcodecs.registry.codec_registry, codec_id, raising=False)
        monkeypatch.delitem(numcodecs.registry.entries, codec_id, raising=False)
        spec = make_spec((4,), "f8")
        # Metadata can be read without it
        codec: Any = cls().evolve_from_array_spec(spec)
        with pytest.raises(UnknownCodecError, match=re.escape(extra)) as caught:
            encode(codec, np.zeros(4), spec)
        assert f"An implementation for codec '{codec_id}' is not available." in str(caught.value)
        with pytest.raises(UnknownCodecError):
            decode(codec, b"abc", spec)


class Stand:
    """Stands in for a serializer of another package: the elements, negated."""

    codec_id: ClassVar[str] = "pcodec"
    as_bytes: ClassVar[bool]

    @classmethod
    def from_config(cls, config: Any) -> Stand:
        return cls()

    def encode(self, buf: Any) -> Any:
        assert buf.flags.c_contiguous
        assert buf.dtype.isnative
        return (-buf).tobytes()

    def decode(self, buf: Any, out: Any = None) -> Any:
        negated = -np.frombuffer(buf.tobytes(), "<f8")
        return negated.tobytes() if self.as_bytes else negated


@pytest.mark.parametrize("as_bytes", [True, False])
def test_serializers(monkeypatch: pytest.MonkeyPatch, as_bytes: bool) -> None:
    monkeypatch.setattr(Stand, "as_bytes", as_bytes, raising=False)
    monkeypatch.setitem(numcodecs.registry.codec_registry, "pcodec", Stand)
    array = np.arange(6.0).reshape(2, 3).T
    codec, spec = zn.PCodec(), spec_of(array)
    stored = encode(codec, array, spec)
    assert stored == (-array).tobytes(order="C")
    np.testing.assert_array_equal(decode(codec, stored, spec), array)
    with pytest.raises(ValueError, match="has 48 bytes, but decoding gave 40"):
        decode(codec, stored[8:], spec)
    swapped = array.astype(">f8")
    assert encode(codec, swapped, spec_of(swapped)) == stored
    again = decode(codec, stored, spec_of(swapped))
    assert again.dtype == swapped.dtype
    np.testing.assert_array_equal(again, swapped)


class UnpicklingCodec(zn._NumcodecsArrayBytesCodec):
    """What somebody might write."""

    codec_name = "numcodecs.pickle"


def test_unpickling_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    array = np.arange(3.0)
    stored = encode(UnpicklingCodec(), array, spec_of(array))
    with pytest.raises(PickleCodecDisabledError):
        decode(UnpicklingCodec(), stored, spec_of(array))


def test_the_configuration_has_the_id_which_is_not_stored() -> None:
    codec = zn.Zlib(level=3)
    assert codec.codec_config == {"id": "zlib", "level": 3}
    assert codec.to_dict() == {"name": "numcodecs.zlib", "configuration": {"level": 3}}
    assert zn.Zlib(id="zlib", level=3) == codec
