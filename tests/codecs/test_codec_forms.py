"""How codecs are written in metadata, shown, compared, and refused."""

from __future__ import annotations

import dataclasses
import pickle
import re
from typing import Any

import pytest
from tests.codecs.codec_kit import make_spec

import zarr.codecs as zc
import zarr.codecs.numcodecs as zn
from zarr.codecs._v2 import V2Codec
from zarr.core.dtype import Float32, VariableLengthUTF8
from zarr.registry import get_codec_class

BLOSC = {"typesize": 1, "cname": "zstd", "clevel": 5, "shuffle": "bitshuffle", "blocksize": 0}

FORMS: list[tuple[Any, str, dict[str, Any] | None, str]] = [
    (zc.GzipCodec(), "gzip", {"level": 5}, "GzipCodec(level=5)"),
    (zc.GzipCodec(level=0), "gzip", {"level": 0}, "GzipCodec(level=0)"),
    (
        zc.ZstdCodec(),
        "zstd",
        {"level": 0, "checksum": False},
        "ZstdCodec(level=0, checksum=False)",
    ),
    (
        zc.ZstdCodec(level=-5, checksum=True),
        "zstd",
        {"level": -5, "checksum": True},
        "ZstdCodec(level=-5, checksum=True)",
    ),
    (zc.Crc32cCodec(), "crc32c", None, "Crc32cCodec()"),
    (zc.BytesCodec(), "bytes", {"endian": "little"}, "BytesCodec(endian='little')"),
    (zc.BytesCodec(endian="big"), "bytes", {"endian": "big"}, "BytesCodec(endian='big')"),
    (zc.BytesCodec(endian=None), "bytes", None, "BytesCodec(endian=None)"),
    (
        zc.TransposeCodec(order=[2, 0, 1]),
        "transpose",
        {"order": (2, 0, 1)},
        "TransposeCodec(order=(2, 0, 1))",
    ),
    (zc.TransposeCodec(order=()), "transpose", {"order": ()}, "TransposeCodec(order=())"),
    (zc.VLenUTF8Codec(), "vlen-utf8", {}, "VLenUTF8Codec()"),
    (zc.VLenBytesCodec(), "vlen-bytes", {}, "VLenBytesCodec()"),
    (
        zc.CastValue(data_type="int16"),
        "cast_value",
        {"data_type": "int16"},
        "CastValue(dtype=Int16(endianness='little'), rounding='nearest-even', out_of_range=None, "
        "scalar_map=None)",
    ),
    (
        zc.CastValue(
            data_type=Float32(),
            rounding="towards-zero",
            out_of_range="clamp",
            scalar_map={"encode": [["NaN", 0]]},
        ),
        "cast_value",
        {
            "data_type": "float32",
            "rounding": "towards-zero",
            "out_of_range": "clamp",
            "scalar_map": {"encode": [("NaN", 0)]},
        },
        "CastValue(dtype=Float32(endianness='little'), rounding='towards-zero', "
        "out_of_range='clamp', scalar_map={'encode': {'NaN': 0}})",
    ),
    (zc.ScaleOffset(), "scale_offset", None, "ScaleOffset(offset=0, scale=1)"),
    (
        zc.ScaleOffset(offset=5, scale=0.5),
        "scale_offset",
        {"offset": 5, "scale": 0.5},
        "ScaleOffset(offset=5, scale=0.5)",
    ),
    (
        zc.ScaleOffset(scale=2),
        "scale_offset",
        {"scale": 2},
        "ScaleOffset(offset=0, scale=2)",
    ),
    (
        zn.Zlib(level=2),
        "numcodecs.zlib",
        {"level": 2},
        "Zlib(codec_name='numcodecs.zlib', codec_config={'level': 2})",
    ),
    (zn.LZ4(), "numcodecs.lz4", {}, "LZ4(codec_name='numcodecs.lz4', codec_config={})"),
]


@pytest.mark.parametrize(("codec", "name", "configuration", "shown"), FORMS)
def test_form(codec: Any, name: str, configuration: dict[str, Any] | None, shown: str) -> None:
    form = (
        {"name": name} if configuration is None else {"name": name, "configuration": configuration}
    )
    assert codec.to_dict() == form
    assert repr(codec) == shown
    assert type(codec).from_dict(form) == codec
    assert get_codec_class(name) is type(codec)


@pytest.mark.parametrize("codec", [codec for codec, *_ in FORMS] + [zc.BloscCodec(typesize=4)])
def test_value_semantics(codec: Any) -> None:
    twin = type(codec).from_dict(codec.to_dict())
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert hash(twin) == hash(type(codec).from_dict(twin.to_dict()))
    for field in dataclasses.fields(codec):
        with pytest.raises(AttributeError):
            setattr(codec, field.name, 4)


def test_differing_codecs_differ() -> None:
    assert zc.GzipCodec(level=3) != zc.GzipCodec(level=4)
    assert zc.BloscCodec(typesize=4) != zc.BloscCodec()
    assert zn.Zlib(level=2) != zn.Zlib(level=3)
    assert zc.CastValue(data_type="int8") != zc.CastValue(data_type="int16")
    assert hash(zn.Zlib(level=2)) != hash(zn.Zlib(level=3))


@pytest.mark.parametrize(
    ("parameters", "changed"),
    [
        ({}, {}),
        ({"cname": "lz4", "clevel": 0, "shuffle": "noshuffle", "typesize": 4, "blocksize": 128},)
        * 2,
        ({"typesize": 8}, {"typesize": 8}),
        ({"shuffle": "shuffle"}, {"shuffle": "shuffle"}),
        ({"typesize": None, "clevel": 9}, {"clevel": 9}),
    ],
)
def test_blosc_form(parameters: dict[str, Any], changed: dict[str, Any]) -> None:
    codec = zc.BloscCodec(**parameters)
    form = {"name": "blosc", "configuration": BLOSC | changed}
    assert codec.to_dict() == form
    read = zc.BloscCodec.from_dict(form)  # type: ignore[arg-type]
    assert read.to_dict() == form
    assert read._tunable_attrs == frozenset()


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ({"name": "bytes"}, "BytesCodec(endian=None)"),
        ({"name": "bytes", "configuration": {}}, "BytesCodec(endian=None)"),
        ({"name": "crc32c", "configuration": {"a": 1}}, "Crc32cCodec()"),
        ({"name": "zstd", "configuration": {"level": 2}}, "ZstdCodec(level=2, checksum=False)"),
        ({"name": "vlen-utf8"}, "VLenUTF8Codec()"),
        ({"name": "vlen-bytes"}, "VLenBytesCodec()"),
        ({"name": "scale_offset"}, "ScaleOffset(offset=0, scale=1)"),
        ({"name": "scale_offset", "configuration": {}}, "ScaleOffset(offset=0, scale=1)"),
        (
            {"name": "cast_value", "configuration": {"data_type": {"name": "int8"}}},
            "CastValue(dtype=Int8(), rounding='nearest-even', out_of_range=None, scalar_map=None)",
        ),
        (
            {"name": "numcodecs.zlib", "configuration": {"id": "zlib", "level": 5}},
            "Zlib(codec_name='numcodecs.zlib', codec_config={'level': 5})",
        ),
    ],
)
def test_other_forms_that_are_read(form: dict[str, Any], shown: str) -> None:
    assert repr(get_codec_class(form["name"]).from_dict(form)) == shown


NO_CONFIGURATION = "Named configuration does not have a 'configuration' key. Got {}."


@pytest.mark.parametrize(
    ("cls", "form", "error", "message"),
    [
        *(
            (cls, {"name": name}, ValueError, NO_CONFIGURATION.format({"name": name}))
            for cls, name in [
                (zc.GzipCodec, "gzip"),
                (zc.ZstdCodec, "zstd"),
                (zc.BloscCodec, "blosc"),
                (zc.TransposeCodec, "transpose"),
                (zc.CastValue, "cast_value"),
                (zn.Zlib, "numcodecs.zlib"),
            ]
        ),
        (
            zc.GzipCodec,
            {"name": "zstd", "configuration": {"level": 2}},
            ValueError,
            "Expected 'gzip'. Got zstd instead.",
        ),
        (
            zc.BytesCodec,
            {"name": "endian", "configuration": {"endian": "big"}},
            ValueError,
            "Expected 'bytes'. Got endian instead.",
        ),
        (
            zc.GzipCodec,
            {"name": "gzip", "configuration": {"lvl": 2}},
            TypeError,
            "GzipCodec.__init__() got an unexpected keyword argument 'lvl'",
        ),
        (
            zc.VLenUTF8Codec,
            {"name": "vlen-utf8", "configuration": {"a": 1}},
            TypeError,
            "VLenUTF8Codec.__init__() got an unexpected keyword argument 'a'",
        ),
        (
            zc.GzipCodec,
            {"configuration": {"level": 2}},
            ValueError,
            "Named configuration does not have a 'name' key. Got {'configuration': {'level': 2}}.",
        ),
        (zc.GzipCodec, "gzip", TypeError, "Expected dict, got <class 'str'>"),
        (
            zc.TransposeCodec,
            {"name": "transpose", "configuration": {"order": "C"}},
            TypeError,
            "Expected an iterable of integers. Got C instead.",
        ),
        (
            zn.Zlib,
            {"name": "zlib", "configuration": {"level": 2}},
            ValueError,
            "Expected name to start with 'numcodecs.'. Got zlib instead.",
        ),
        (
            zn.Zlib,
            {"name": "numcodecs.zstd", "configuration": {"level": 2}},
            ValueError,
            "Codec id does not match zlib. Got: zstd.",
        ),
    ],
)
def test_refused_forms(cls: Any, form: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        cls.from_dict(form)


INT = "Failed to parse input for {!r}: expected int, got {!r}."
RANGE = "between 0 and the number of dimensions in the array. Got {}."


@pytest.mark.parametrize(
    ("cls", "parameters", "error", "message"),
    [
        (zc.GzipCodec, {"level": 10}, ValueError, "inclusive range (0, 9). Got 10 instead."),
        (zc.GzipCodec, {"level": -1}, ValueError, "inclusive range (0, 9). Got -1 instead."),
        (zc.GzipCodec, {"level": "x"}, TypeError, INT.format("level", "x")),
        (zc.GzipCodec, {"level": 1.5}, TypeError, INT.format("level", 1.5)),
        (zc.GzipCodec, {"level": True}, TypeError, INT.format("level", True)),
        (zc.ZstdCodec, {"level": 23}, ValueError, "less than or equal to 22. Got 23 instead."),
        (zc.ZstdCodec, {"level": "1"}, TypeError, INT.format("level", "1")),
        (zc.ZstdCodec, {"checksum": 1}, TypeError, "'checksum': expected bool, got 1."),
        (zc.BytesCodec, {"endian": "middle"}, ValueError, "['little', 'big']. Got 'middle'."),
        (
            zc.BytesCodec,
            {"endian": 1},
            ValueError,
            "endian must be one of ['little', 'big']. Got 1.",
        ),
        (zc.TransposeCodec, {}, TypeError, "missing 1 required keyword-only argument: 'order'"),
        (zc.TransposeCodec, {"order": 1}, TypeError, "Expected an iterable. Got 1 instead."),
        (zc.TransposeCodec, {"order": "F"}, TypeError, "iterable of integers. Got F instead."),
        (zc.TransposeCodec, {"order": (1.0, 0)}, TypeError, "Got (1.0, 0) instead."),
        (zc.TransposeCodec, {"order": (True, 0)}, TypeError, "Got (True, 0) instead."),
        (zc.TransposeCodec, {"order": (1, 1)}, ValueError, "not be duplicates in the `order`"),
        (zc.TransposeCodec, {"order": (0, 2)}, ValueError, RANGE.format((0, 2))),
        (zc.TransposeCodec, {"order": (-1, 0)}, ValueError, RANGE.format((-1, 0))),
        (
            zc.BloscCodec,
            {"cname": "gzip"},
            ValueError,
            "cname must be one of ['lz4', 'lz4hc', 'blosclz', 'snappy', 'zlib', 'zstd']. Got 'gzip'.",
        ),
        (
            zc.BloscCodec,
            {"shuffle": "maybe"},
            ValueError,
            "shuffle must be one of ['noshuffle', 'shuffle', 'bitshuffle']. Got 'maybe'.",
        ),
        (zc.BloscCodec, {"shuffle": 1}, ValueError, "'bitshuffle']. Got 1."),
        (zc.BloscCodec, {"typesize": 0}, ValueError, "Value must be greater than 0. Got 0,"),
        (zc.BloscCodec, {"typesize": -1}, ValueError, "Got -1, which is less or equal to 0."),
        (zc.BloscCodec, {"typesize": "8"}, TypeError, INT.format("typesize", "8")),
        (zc.BloscCodec, {"blocksize": "1"}, TypeError, INT.format("blocksize", "1")),
        (zc.BloscCodec, {"blocksize": -1}, ValueError, "blocksize must be 0 or more"),
        (zc.BloscCodec, {"blocksize": 1 << 31}, ValueError, "less than 2 GiB"),
        (zc.BloscCodec, {"clevel": 10}, ValueError, "from 0 to 9, inclusive. Got 10."),
        (zc.BloscCodec, {"clevel": -1}, ValueError, "from 0 to 9, inclusive. Got -1."),
        (zc.BloscCodec, {"clevel": "3"}, TypeError, INT.format("clevel", "3")),
        (zc.CastValue, {}, TypeError, "missing 1 required keyword-only argument: 'data_type'"),
        (zc.CastValue, {"data_type": "nope"}, ValueError, "No Zarr data type found"),
        (zc.CastValue, {"data_type": "bool"}, ValueError, "Invalid target data type 'bool'."),
        (zc.CastValue, {"data_type": "complex64"}, ValueError, "integer and floating-point data"),
        (
            zc.CastValue,
            {"data_type": "int8", "rounding": "sideways"},
            ValueError,
            "rounding must be",
        ),
        (zc.CastValue, {"data_type": "int8", "out_of_range": "x"}, ValueError, "out_of_range must"),
        (zc.CastValue, {"data_type": "int8", "scalar_map": 5}, TypeError, "scalar_map must be a"),
        (
            zc.CastValue,
            {"data_type": "int8", "scalar_map": {"x": []}},
            ValueError,
            "scalar_map must have no members except ['encode', 'decode']. Got ['x'].",
        ),
        (
            zc.CastValue,
            {"data_type": "int8", "scalar_map": {"encode": [["NaN"]]}},
            ValueError,
            "must be pairs of values, got ['NaN']",
        ),
        (
            zc.CastValue,
            {"data_type": "int8", "scalar_map": {"decode": 3}},
            TypeError,
            "must be pairs of values, got 3",
        ),
        (zc.ScaleOffset, {"offset": [1]}, TypeError, "offset must be a number or string, got list"),
        (zc.ScaleOffset, {"scale": None}, TypeError, "scale must be a number or string, got None"),
        (zn.Zlib, {"id": "zstd"}, ValueError, "Codec id does not match zlib. Got: zstd."),
    ],
)
def test_refused_parameters(
    cls: Any, parameters: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        cls(**parameters)


@pytest.mark.parametrize(
    ("read", "name", "value"),
    [
        (lambda: zc.Endian.big, "Endian.big", "big"),
        (lambda: zc.Endian.little, "Endian.little", "little"),
        (lambda: zc.BloscCname.lz4hc, "BloscCname.lz4hc", "lz4hc"),
        (lambda: zc.BloscShuffle.shuffle, "BloscShuffle.shuffle", "shuffle"),
    ],
)
def test_names_of_former_enumerations(read: Any, name: str, value: str) -> None:
    with pytest.warns(
        DeprecationWarning, match=re.escape(f"{name} is deprecated; pass the string")
    ):
        assert read() == value


def test_former_enumerations_know_no_other_names() -> None:
    with pytest.raises(AttributeError):
        zc.BloscCname.gzip
    assert not hasattr(zc.Endian, "__members__")


def test_shuffle_numbers() -> None:
    assert [zc.BloscShuffle.from_int(number) for number in range(3)] == [
        "noshuffle",
        "shuffle",
        "bitshuffle",
    ]
    for number in (3, -1):
        with pytest.raises(ValueError, match=f"Value must be between 0 and 2. Got {number}."):
            zc.BloscShuffle.from_int(number)


SPEC = make_spec((25,), "i4")


@pytest.mark.parametrize(
    ("codec", "nbytes"),
    [
        (zc.BytesCodec(), 100),
        (zc.Crc32cCodec(), 104),
        (zc.TransposeCodec(order=(0,)), 100),
        (zc.CastValue(data_type="int16"), 50),
        (zc.CastValue(data_type="float64"), 200),
        (zc.ScaleOffset(scale=2), 100),
        (zn.CRC32(), 104),
        (zn.CRC32C(), 104),
        (zn.Adler32(), 104),
        (zn.Fletcher32(), 104),
        (zn.JenkinsLookup3(), 104),
    ],
)
def test_fixed_size(codec: Any, nbytes: int) -> None:
    assert codec.is_fixed_size
    assert codec.compute_encoded_size(100, SPEC) == nbytes


@pytest.mark.parametrize(
    "codec",
    [
        zc.GzipCodec(),
        zc.ZstdCodec(),
        zc.BloscCodec(),
        zc.VLenUTF8Codec(),
        zc.VLenBytesCodec(),
        zn.Zlib(),
        zn.Shuffle(),
        zn.Delta(dtype="i4"),
        zn.PCodec(),
        V2Codec(filters=None, compressor=None),
    ],
)
def test_size_that_depends_on_values(codec: Any) -> None:
    assert not codec.is_fixed_size
    with pytest.raises(NotImplementedError):
        codec.compute_encoded_size(100, SPEC)


def test_public_names() -> None:
    assert sorted(zc.__all__) == [
        "BloscCname",
        "BloscCodec",
        "BloscShuffle",
        "BytesCodec",
        "CastValue",
        "Crc32cCodec",
        "Endian",
        "GzipCodec",
        "ScaleOffset",
        "ShardingCodec",
        "ShardingCodecIndexLocation",
        "SubchunkWriteOrder",
        "TransposeCodec",
        "VLenBytesCodec",
        "VLenUTF8Codec",
        "ZstdCodec",
    ]
    classes = [name for name in zn.__all__ if not name.startswith("_")]
    assert all(getattr(zc, name) is getattr(zn, name) for name in classes)
    assert {getattr(zn, name).codec_name for name in classes} == {
        f"numcodecs.{codec_id}"
        for codec_id in (
            *("adler32", "astype", "bitround", "blosc", "bz2", "crc32", "crc32c", "delta"),
            *("fixedscaleoffset", "fletcher32", "gzip", "jenkins_lookup3", "lz4", "lzma"),
            *("packbits", "pcodec", "quantize", "shuffle", "zfpy", "zlib", "zstd"),
        )
    }


@pytest.mark.parametrize(
    ("codec", "dtype", "changed"),
    [
        (zc.BloscCodec(), "u1", {}),
        (zc.BloscCodec(), "f8", {"typesize": 8, "shuffle": "shuffle"}),
        (zc.BloscCodec(), "U100", {"typesize": 400, "shuffle": "shuffle"}),
        (zc.BloscCodec(typesize=2), "f8", {"typesize": 2, "shuffle": "shuffle"}),
        (zc.BloscCodec(shuffle="bitshuffle"), "f8", {"typesize": 8}),
        (
            zc.BloscCodec(typesize=2, shuffle="noshuffle"),
            "f8",
            {"typesize": 2, "shuffle": "noshuffle"},
        ),
        (zc.BloscCodec(), VariableLengthUTF8(), {}),
    ],
)
def test_blosc_takes_what_was_left_open_from_the_data_type(
    codec: zc.BloscCodec, dtype: Any, changed: dict[str, Any]
) -> None:
    evolved = codec.evolve_from_array_spec(make_spec((2,), dtype))
    assert evolved.to_dict()["configuration"] == BLOSC | changed
    assert evolved.evolve_from_array_spec(make_spec((2,), "i2")) == evolved
