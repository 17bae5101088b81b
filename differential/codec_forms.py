"""Codecs of both formats, as Python expressions."""

from __future__ import annotations

from dataclasses import dataclass

from differential.choices import Choices
from differential.elements import Elements, Shape


@dataclass
class Chain:
    """The codecs of an array, each as an expression; ``None`` for an omitted parameter."""

    filters: str | None = None
    serializer: str | None = None
    compressors: str | None = None


def _blosc(choices: Choices, prefix: str) -> str:
    options = []
    if choices.chance(70):
        options.append(f"cname={choices.pick(('zstd', 'lz4', 'lz4hc', 'blosclz', 'zlib'))!r}")
    if choices.chance(40):
        options.append(f"clevel={choices.pick((5, 1, 9, 0))}")
    if choices.chance(50):
        shuffle = (
            choices.pick(("'shuffle'", "'bitshuffle'", "'noshuffle'", "None"))
            if prefix == "zc.BloscCodec"
            else choices.pick(("1", "2", "0", "-1"))
        )
        options.append(f"shuffle={shuffle}")
    if prefix == "zc.BloscCodec" and choices.chance(15):
        options.append(f"typesize={choices.pick((4, 1, 8, 3))}")
    if choices.chance(10):
        options.append("blocksize=256")
    return f"{prefix}({', '.join(options)})"


def draw_compressor(choices: Choices) -> str:
    """Draw a bytes-to-bytes codec of format 3."""
    kind = choices.weighted(
        (
            (20, "zstd"),
            (20, "gzip"),
            (20, "blosc"),
            (12, "crc32c"),
            (8, "dict"),
            (18, "numcodecs"),
        )
    )
    if kind == "zstd":
        level, checksum = choices.pick((0, 1, 3, -2)), choices.pick((False, True))
        return f"zc.ZstdCodec(level={level}, checksum={checksum})"
    if kind == "gzip":
        return f"zc.GzipCodec(level={choices.pick((5, 1, 9, 0))})"
    if kind == "blosc":
        return _blosc(choices, "zc.BloscCodec")
    if kind == "crc32c":
        return "zc.Crc32cCodec()"
    if kind == "dict":
        return choices.pick(
            (
                "{'name': 'gzip', 'configuration': {'level': 2}}",
                "{'name': 'zstd', 'configuration': {'level': 1, 'checksum': False}}",
                "{'name': 'crc32c'}",
                "{'name': 'blosc', 'configuration': {'typesize': 2, 'cname': 'lz4', 'clevel': 3,"
                " 'shuffle': 'shuffle', 'blocksize': 0}}",
                "{'name': 'numcodecs.zlib', 'configuration': {'level': 1}}",
            )
        )
    return choices.pick(
        (
            "zn.Zlib(level=2)",
            "zn.LZ4(acceleration=2)",
            "zn.BZ2(level=3)",
            "zn.LZMA(preset=1)",
            "zn.Zstd(level=1)",
            "zn.GZip(level=1)",
            "zn.Blosc(cname='lz4')",
            "zn.Shuffle(elementsize=4)",
            "zn.CRC32()",
            "zn.CRC32C()",
            "zn.Adler32()",
            "zn.Fletcher32()",
            "zn.JenkinsLookup3()",
        )
    )


def draw_compressors(choices: Choices) -> str:
    """Draw the ``compressors`` argument of a format 3 array."""
    count = choices.weighted(((65, 1), (25, 2), (10, 0)))
    codecs = [draw_compressor(choices) for _ in range(count)]
    if count == 1 and choices.chance(50):
        return codecs[0]
    if not count:
        return choices.pick(("None", "()"))
    return f"[{', '.join(codecs)}]"


def _number(elements: Elements) -> str:
    """Return the numpy name of a plain number type; empty for other types."""
    return elements.numpy if elements.kind in ("integer", "float") else ""


def draw_filters(choices: Choices, elements: Elements, ndim: int) -> list[str]:
    """Draw a sequence of array-to-array codecs of format 3."""
    filters: list[str] = []
    for _ in range(choices.weighted(((80, 1), (15, 2), (5, 0)))):
        # The numcodecs filters declare the data type of the array as the data type of their input.
        is_converted = any("CastValue" in code or "type=" in code for code in filters)
        filters.append(draw_filter(choices, elements, ndim, is_converted))
    return filters


def draw_filter(choices: Choices, elements: Elements, ndim: int, is_converted: bool) -> str:
    """Draw an array-to-array codec of format 3.

    Parameters
    ----------
    choices : Choices
        Source of the random choices.
    elements : Elements
        Data type of the array.
    ndim : int
        Number of dimensions of the array.
    is_converted : bool
        Whether the data type of the codec's input may differ from the data type of the array.
    """
    kinds = [(50, "transpose")]
    if _number(elements):
        kinds += [(0 if is_converted else 25, "numbers"), (15, "cast_value"), (15, "scale_offset")]
    kind = choices.weighted(kinds)
    if kind == "transpose":
        order = choices.order(ndim)
        if choices.chance(20):
            return f"{{'name': 'transpose', 'configuration': {{'order': {order}}}}}"
        return f"zc.TransposeCodec(order={tuple(order)})"
    if kind == "scale_offset":
        offset, scale = choices.pick(("0", "1", "-5", "100")), choices.pick(("1", "2", "10", "3"))
        if elements.kind == "float" and choices.chance(50):
            offset, scale = choices.pick(("0.5", "-1.25")), choices.pick(("0.1", "4.0"))
        return f"zc.ScaleOffset(offset={offset}, scale={scale})"
    if kind == "cast_value":
        return _cast_value(choices, elements)
    return _number_filter(choices, elements)


def _cast_value(choices: Choices, elements: Elements) -> str:
    targets = (
        "int16",
        "uint8",
        "float32",
        "int64",
        "float64",
        "int8",
        "uint64",
        "float16",
        "uint32",
    )
    options = [f"data_type={choices.pick(targets)!r}"]
    if choices.chance(60):
        options.append(f"out_of_range={choices.pick(('clamp', 'wrap'))!r}")
    if choices.chance(40):
        roundings = ("towards-zero", "towards-positive", "towards-negative", "nearest-away")
        options.append(f"rounding={choices.pick(roundings)!r}")
    if choices.chance(50 if elements.kind == "float" else 10):
        options.append(
            "scalar_map="
            + choices.pick(
                (
                    "{'encode': [['NaN', 0], ['Infinity', 1], ['-Infinity', 2]]}",
                    "{'encode': [['NaN', 9]], 'decode': [[9, 'NaN']]}",
                    "{'encode': [[1, 5]], 'decode': [[5, 1]]}",
                )
            )
        )
    return f"zc.CastValue({', '.join(options)})"


def _number_filter(choices: Choices, elements: Elements) -> str:
    dtype = _number(elements)
    if elements.kind == "integer":
        return choices.pick(
            (
                f"zn.Delta(dtype={dtype})",
                f"zn.AsType(encode_dtype='<f8', decode_dtype={dtype})",
                f"zn.FixedScaleOffset(offset=1, scale=2, dtype={dtype}, astype={dtype})",
            )
        )
    return choices.pick(
        (
            f"zn.Quantize(digits=2, dtype={dtype})",
            "zn.BitRound(keepbits=4)",
            f"zn.AsType(encode_dtype='<f8', decode_dtype={dtype})",
            f"zn.Delta(dtype={dtype})",
            f"zn.FixedScaleOffset(offset=0, scale=4, dtype={dtype}, astype='<f8')",
        )
    )


def default_serializer(elements: Elements) -> str:
    """Return the default array-to-bytes codec of a data type."""
    codecs = {"text": "zc.VLenUTF8Codec()", "bytes": "zc.VLenBytesCodec()"}
    return codecs.get(elements.kind, "zc.BytesCodec()")


def draw_serializer(choices: Choices, elements: Elements, chunk: Shape) -> str | None:
    """Draw an array-to-bytes codec of format 3; None for the default of the data type."""
    kind = choices.weighted(((50, "omit"), (22, "bytes"), (24, "sharding"), (4, "pcodec")))
    if kind == "omit" or (kind == "pcodec" and not _number(elements)):
        return None
    if kind == "bytes" and elements.kind in ("text", "bytes"):
        return default_serializer(elements)
    if kind == "bytes":
        return choices.pick(
            (
                "zc.BytesCodec()",
                "zc.BytesCodec(endian='big')",
                "zc.BytesCodec(endian=None)",
                "{'name': 'bytes', 'configuration': {'endian': 'big'}}",
            )
        )
    if kind == "sharding":
        return draw_sharding(choices, elements, chunk, depth=0)
    return "zn.PCodec(level=4)"


def inner_shape(choices: Choices, chunk: Shape) -> Shape:
    """Draw an inner chunk shape that divides a chunk into at most 48 inner chunks."""
    inner = []
    left = 48
    for length in chunk:
        divisors = [d for d in range(length, 0, -1) if length % d == 0 and length // d <= left]
        inner.append(choices.pick(divisors))
        left //= length // inner[-1]
    return tuple(inner)


def draw_sharding(choices: Choices, elements: Elements, chunk: Shape, depth: int) -> str:
    """Draw a sharding codec, possibly with a nested sharding codec."""
    inner = inner_shape(choices, chunk)
    codecs = []
    if choices.chance(15):
        order = choices.order(len(chunk))
        codecs.append(f"zc.TransposeCodec(order={tuple(order)})")
        transposed = tuple(inner[axis] for axis in order)
    else:
        transposed = inner
    if depth == 0 and choices.chance(20):
        codecs.append(draw_sharding(choices, elements, transposed, depth=1))
    elif elements.kind in ("text", "bytes"):
        codecs.append(default_serializer(elements))
    else:
        codecs.append(choices.pick(("zc.BytesCodec()", "zc.BytesCodec(endian='big')")))
    codecs += [draw_compressor(choices) for _ in range(choices.pick((0, 1, 2)))]
    options = [f"chunk_shape={inner}"]
    if elements.kind in ("text", "bytes") or choices.chance(70):
        options.append(f"codecs=[{', '.join(codecs)}]")
    if choices.chance(40):
        options.append(f"index_location={choices.pick(('start', 'end'))!r}")
    if choices.chance(25):
        index_codecs = choices.pick(
            (
                "[zc.BytesCodec()]",
                "[zc.BytesCodec(endian='big'), zc.Crc32cCodec()]",
                "[zc.BytesCodec(), zc.GzipCodec()]",
                "[zc.TransposeCodec(order="
                + str(tuple(range(len(chunk), -1, -1)))
                + "), zc.BytesCodec()]",
            )
        )
        options.append(f"index_codecs={index_codecs}")
    if choices.chance(30):
        orders = ("morton", "lexicographic", "colexicographic", "unordered")
        options.append(f"subchunk_write_order={choices.pick(orders)!r}")
    return f"zc.ShardingCodec({', '.join(options)})"


def draw_chain_v3(choices: Choices, elements: Elements, chunk: Shape, sharded: bool) -> Chain:
    """Draw the codecs of a format 3 array; most often the defaults.

    Parameters
    ----------
    choices : Choices
        Source of the random choices.
    elements : Elements
        Data type of the array.
    chunk : tuple of int
        Shape of the chunks of the array, in elements.
    sharded : bool
        Whether the array is created with ``shards``.
    """
    chain = Chain()
    if choices.chance(30):
        filters = draw_filters(choices, elements, len(chunk))
        chain.filters = (
            filters[0] if len(filters) == 1 and choices.chance(50) else f"[{', '.join(filters)}]"
        )
    if choices.chance(10 if sharded else 45):
        chain.serializer = draw_serializer(choices, elements, chunk)
    if choices.chance(60):
        chain.compressors = draw_compressors(choices)
    return chain


def draw_chain_v2(choices: Choices, elements: Elements) -> Chain:
    """Draw the filters and the compressor of a format 2 array."""
    chain = Chain()
    dtype = _number(elements)
    if choices.chance(30):
        options = ["None", "[numcodecs.Shuffle(elementsize=4)]", "[]"]
        if elements.kind in ("text", "bytes"):
            options = []
        if dtype:
            options += [f"[numcodecs.Delta(dtype={dtype})]"] * 3
            options += [
                f"[numcodecs.FixedScaleOffset(offset=1, scale=2, dtype={dtype}, astype={dtype})]"
            ]
        if elements.kind == "integer":
            options += [f"[numcodecs.AsType(encode_dtype='<i8', decode_dtype={dtype})]"]
            options += [f"[numcodecs.Delta(dtype={dtype}), numcodecs.Shuffle(elementsize=2)]"]
        if elements.kind == "float":
            options += [
                f"[numcodecs.Quantize(digits=2, dtype={dtype})]",
                "[numcodecs.BitRound(keepbits=4)]",
            ]
        if elements.kind == "bool":
            options += ["[numcodecs.PackBits()]"]
        if elements.kind == "text":
            options += ["[numcodecs.VLenUTF8()]", "[numcodecs.JSON()]"]
        if elements.kind == "bytes":
            options += ["[numcodecs.VLenBytes()]"]
        chain.filters = choices.pick(options)
    if choices.chance(65):
        if choices.chance(30):
            chain.compressors = _blosc(choices, "numcodecs.Blosc")
        else:
            chain.compressors = choices.pick(
                (
                    "None",
                    "numcodecs.Zlib(level=3)",
                    "numcodecs.GZip(level=2)",
                    "numcodecs.BZ2(level=1)",
                    "numcodecs.LZMA(preset=1)",
                    "numcodecs.LZ4()",
                    "numcodecs.Zstd(level=2)",
                    "numcodecs.CRC32()",
                    "numcodecs.Fletcher32()",
                    "[numcodecs.Zlib()]",
                    "{'id': 'zlib', 'level': 1}",
                )
            )
    return chain


# Invalid codecs, each with the parameter to which it is passed.
_BAD_V3 = (
    ("compressors", "zc.BloscCodec(clevel=10)"),
    ("compressors", "zc.BloscCodec(clevel=-1)"),
    ("compressors", "zc.BloscCodec(cname='none')"),
    ("compressors", "zc.BloscCodec(shuffle='maybe')"),
    ("compressors", "zc.BloscCodec(blocksize=-1)"),
    ("compressors", "zc.GzipCodec(level=10)"),
    ("compressors", "zc.GzipCodec(level=-1)"),
    ("compressors", "zc.ZstdCodec(level=23)"),
    ("compressors", "zc.ZstdCodec(checksum='yes')"),
    ("compressors", "{'name': 'nothing'}"),
    ("compressors", "{'name': 'gzip', 'configuration': {'level': 'high'}}"),
    ("compressors", "'gzip'"),
    ("compressors", "zc.TransposeCodec(order=(0,))"),
    ("filters", "zc.TransposeCodec(order=(0, 0))"),
    ("filters", "zc.TransposeCodec(order=(0, 1, 2, 3, 4, 5))"),
    ("filters", "zc.TransposeCodec(order=(1, 2))"),
    ("filters", "zc.CastValue(data_type='int16', rounding='sideways')"),
    ("filters", "zc.CastValue(data_type='int16', out_of_range='other')"),
    ("filters", "zc.GzipCodec()"),
    ("serializer", "zc.BytesCodec()"),  # not valid for variable-length text and bytes
    ("serializer", "zc.VLenUTF8Codec()"),
    ("serializer", "zc.VLenBytesCodec()"),
    ("serializer", "zn.PCodec(level=4)"),
    ("serializer", "'bytes'"),
    ("serializer", "zc.ShardingCodec(chunk_shape=(2, 2, 2, 2, 2))"),
    ("serializer", "zc.ShardingCodec(chunk_shape=(97,))"),
    ("serializer", "zc.ShardingCodec(chunk_shape=(0,))"),
)
_BAD_V2 = (
    ("compressors", "zc.GzipCodec()"),
    ("compressors", "'zlib'"),
    ("compressors", "{'id': 'nothing'}"),
    ("compressors", "5"),
    ("filters", "'delta'"),
    ("filters", "[numcodecs.Delta(dtype='<i8'), 5]"),
)


def draw_bad_codec(choices: Choices, zarr_format: int) -> tuple[str, str]:
    """Draw a codec that is not valid for its parameter; return the parameter and the codec."""
    return choices.pick(_BAD_V3 if zarr_format == 3 else _BAD_V2)
