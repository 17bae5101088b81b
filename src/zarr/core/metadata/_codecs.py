"""The ``codecs`` of format 3 metadata: parsing, check of the order, and adaptation to an array."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final, cast

from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec, is_codec
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.common import parse_named_configuration
from zarr.core.dtype import VariableLengthUTF8
from zarr.core.metadata._chunk_grid import RegularChunkGridMetadata
from zarr.registry import get_codec_class

if TYPE_CHECKING:
    from zarr.abc.codec import Codec
    from zarr.codecs.sharding import ShardingCodec
    from zarr.core.common import JSON
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType
    from zarr.core.metadata._chunk_grid import ChunkGridMetadata

# Maximum number of nested sharding codecs. Each sharding codec evolves all codecs that are nested
# in it, so the work grows with the square of the number of levels.
_DEEPEST: Final = 32


def parse_codecs(data: object) -> tuple[Codec, ...]:
    """Create codecs from their JSON forms; codec instances are returned unchanged.

    Raises
    ------
    TypeError, ValueError
        If `data` is not an iterable, or an item is neither a codec nor the JSON form of a codec.
    UnknownCodecError
        If no implementation of a codec is available.
    """
    if not isinstance(data, Iterable):
        raise TypeError(f"Expected iterable, got {type(data)}")
    return tuple(item if is_codec(item) else _codec_from_json(item) for item in data)


def _codec_from_json(data: object) -> Codec:
    name, _ = parse_named_configuration(cast("JSON", data), require_configuration=False)
    if not isinstance(data, Mapping):
        raise TypeError(f"Expected dict, got {type(data)}")
    return get_codec_class(name).from_dict(dict(data))


def validate_array_bytes_codec(codecs: tuple[Codec, ...]) -> ArrayBytesCodec:
    """Return the only array-to-bytes codec of a chain.

    Raises
    ------
    ValueError
        If the chain has no array-to-bytes codec, or more than one.
    """
    found = [codec for codec in codecs if isinstance(codec, ArrayBytesCodec)]
    if not found:
        raise ValueError("At least one ArrayBytesCodec is required.")
    if len(found) > 1:
        raise ValueError("Only one ArrayBytesCodec is allowed.")
    return found[0]


def validate_codecs(codecs: tuple[Codec, ...], dtype: ZDType[TBaseDType, TBaseScalar]) -> None:
    """Check the order of a codec chain, and check that the chain can encode a data type.

    The order is: array-to-array codecs, one array-to-bytes codec, bytes-to-bytes codecs. If the
    array-to-bytes codec is a sharding codec, the codecs of the inner chunks are also checked.

    Raises
    ------
    ValueError
        If there is not exactly one array-to-bytes codec, or if shards are nested more than 32
        levels deep. If `dtype` is ``string``, the error is also raised unless the elements are
        encoded with ``vlen-utf8``. In an array with shards, the elements are encoded with the
        array-to-bytes codec of the innermost chunks.
    TypeError
        If the codecs are in a wrong order.
    """
    _validate(codecs, dtype, 0)


def _validate(
    codecs: tuple[Codec, ...], dtype: ZDType[TBaseDType, TBaseScalar], depth: int
) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"Shards are nested more than {_DEEPEST} deep.")
    serializer = validate_array_bytes_codec(codecs)
    for before, codec in pairwise(codecs):
        _check_successor(before, codec)
    inner = inner_codecs_of(serializer)
    if inner is not None:
        _validate(inner, dtype, depth + 1)
    elif isinstance(dtype, VariableLengthUTF8) and not isinstance(
        serializer, get_codec_class("vlen-utf8")
    ):
        raise ValueError(
            "For string dtype, ArrayBytesCodec must be `VLenUTF8Codec`, "
            f"got `{type(serializer).__name__}`."
        )


def _check_successor(before: Codec, codec: Codec) -> None:
    # Bytes-to-bytes codecs are not checked here. If such a codec is in a wrong place, the check of
    # a later codec fails.
    if isinstance(codec, ArrayArrayCodec) and not isinstance(before, ArrayArrayCodec):
        problem = f"ArrayArrayCodec {codec} must be preceded by another ArrayArrayCodec."
    elif isinstance(codec, ArrayBytesCodec) and not isinstance(before, ArrayArrayCodec):
        problem = f"ArrayBytes codec {codec} must be preceded by an ArrayArrayCodec."
    else:
        return
    raise TypeError(f"Invalid codec order. {problem} Got {type(before)} instead.")


def inner_codecs_of(codec: object) -> tuple[Codec, ...] | None:
    """Return the inner chunk codecs of a sharding codec; None for other codecs."""
    # A sharding codec is detected by its attributes, because its class is configurable and cannot
    # be imported in this layer.
    if all(hasattr(codec, name) for name in ("chunk_shape", "codecs", "index_codecs")):
        return cast("ShardingCodec", codec).codecs
    return None


def settle_codecs(
    codecs: tuple[Codec, ...],
    shape: tuple[int, ...],
    dtype: ZDType[TBaseDType, TBaseScalar],
    fill_value: object,
    chunk_grid: ChunkGridMetadata,
) -> tuple[Codec, ...]:
    """Adapt each codec to the array that results from the array-to-array codecs before it.

    The adapted array-to-array and array-to-bytes codecs are also validated. Bytes-to-bytes codecs
    are not validated.

    Parameters
    ----------
    codecs : tuple of Codec
        The codecs in order of encoding.
    shape : tuple of int
        Shape of the array in elements.
    dtype : ZDType
        Data type of the elements.
    fill_value : scalar
        Value of elements that are not stored.
    chunk_grid : RegularChunkGridMetadata or RectilinearChunkGridMetadata
        Division of the array into chunks.

    Returns
    -------
    tuple of Codec
        The adapted codecs, in which all parameters that depend on the array are set.

    Raises
    ------
    ValueError
        If a codec does not support the shape, the data type or the chunk grid of the array.
    """
    spec = ArraySpec(
        shape, dtype, fill_value, ArrayConfig.from_dict({}), default_buffer_prototype()
    )
    grid = chunk_grid
    settled: list[Codec] = []
    for codec in codecs:
        evolved = codec.evolve_from_array_spec(spec)
        if not isinstance(codec, BytesBytesCodec):
            evolved.validate(shape=spec.shape, dtype=spec.dtype, chunk_grid=grid)
        if isinstance(codec, ArrayArrayCodec):
            if isinstance(grid, RegularChunkGridMetadata):
                chunk_spec = replace(spec, shape=grid.chunk_shape)
                grid = RegularChunkGridMetadata(
                    chunk_shape=evolved.resolve_metadata(chunk_spec).shape
                )
            spec = evolved.resolve_metadata(spec)
        settled.append(evolved)
    return tuple(settled)
