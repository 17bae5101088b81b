"""Members of enumerations in place of the strings that codecs take."""

from __future__ import annotations

import enum
import json
from typing import Any

import numpy as np
import pytest

import zarr
from zarr.codecs import BloscCodec, BytesCodec, CastValue, ShardingCodec
from zarr.codecs import numcodecs as zn


class OfStrings(str, enum.Enum):  # noqa: UP042  (StrEnum spells its members as they are)
    LZ4 = "lz4"
    SHUFFLE = "shuffle"
    BIG = "big"
    START = "start"
    MORTON = "morton"
    EVEN = "nearest-even"
    CLAMP = "clamp"
    OTHER = "other"


class Plain(enum.Enum):
    LZ4 = "lz4"
    SHUFFLE = "shuffle"
    BIG = "big"
    START = "start"
    MORTON = "morton"
    EVEN = "nearest-even"
    CLAMP = "clamp"
    OTHER = "other"


@pytest.mark.parametrize("names", [OfStrings, Plain])
def test_members_stand_for_their_values(names: Any) -> None:
    pairs: list[tuple[Any, Any]] = [
        (
            BloscCodec(cname=names.LZ4, shuffle=names.SHUFFLE, typesize=4),
            BloscCodec(cname="lz4", shuffle="shuffle", typesize=4),
        ),
        (BytesCodec(endian=names.BIG), BytesCodec(endian="big")),
        (
            ShardingCodec(
                chunk_shape=(2,), index_location=names.START, subchunk_write_order=names.MORTON
            ),
            ShardingCodec(chunk_shape=(2,), index_location="start", subchunk_write_order="morton"),
        ),
        (
            CastValue(data_type="int8", rounding=names.EVEN, out_of_range=names.CLAMP),
            CastValue(data_type="int8", rounding="nearest-even", out_of_range="clamp"),
        ),
        (zn.Blosc(cname=names.LZ4), zn.Blosc(cname="lz4")),
    ]
    for made, expected in pairs:
        assert made == expected
        written = json.dumps(made.to_dict(), default=lambda codec: codec.to_dict())
        assert written == json.dumps(expected.to_dict(), default=lambda codec: codec.to_dict())
    for compressor in (BloscCodec(cname=names.LZ4), zn.Blosc(cname=names.LZ4)):
        store: dict[str, Any] = {}
        zarr.create_array(store, shape=4, dtype="i4", compressors=[compressor])[...] = 5
        np.testing.assert_array_equal(zarr.open_array(store)[...], 5)


@pytest.mark.parametrize("names", [OfStrings, Plain])
def test_members_of_other_values_are_refused(names: Any) -> None:
    with pytest.raises(ValueError, match="cname must be one of"):
        BloscCodec(cname=names.OTHER)
    with pytest.raises(ValueError, match="index_location must be one of"):
        ShardingCodec(chunk_shape=(2,), index_location=names.OTHER)
