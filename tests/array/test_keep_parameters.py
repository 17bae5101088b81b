"""`_parse_keep_array_attr`: the parameters of an array that is to be like another one."""

from __future__ import annotations

import warnings
from typing import Any

import numcodecs
import numpy as np
import pytest

import zarr
from zarr.codecs import BytesCodec, TransposeCodec, ZstdCodec
from zarr.core.array import DEFAULT_FILL_VALUE, _parse_keep_array_attr
from zarr.core.chunk_key_encodings import DefaultChunkKeyEncoding
from zarr.errors import ZarrUserWarning

KEEP: dict[str, Any] = dict.fromkeys(
    ("chunks", "shards", "filters", "compressors", "serializer"), "keep"
) | dict.fromkeys(
    ("fill_value", "order", "zarr_format", "chunk_key_encoding", "dimension_names", "attributes")
)
AUTO = ("auto", None, "auto", "auto", "auto", None, None, 3, None, None, None)
ZSTD, BYTES = (ZstdCodec(level=0),), BytesCodec()


def array(**given: Any) -> zarr.Array:
    return zarr.create_array({}, **({"shape": (100, 20), "chunks": (10, 5), "dtype": "i4"} | given))


def kept(data: Any, **given: Any) -> tuple[Any, ...]:
    return _parse_keep_array_attr(data, **(KEEP | given))


def test_all_of_a_sharded_array() -> None:
    source = array(shards=(20, 10), fill_value=7, dimension_names=("x", "y"), attributes={"k": [1]})
    expected = (
        (10, 5), (20, 10), None, ZSTD, BYTES, None, None, 3,
        DefaultChunkKeyEncoding(separator="/"), ("x", "y"), {"k": [1]},
    )  # fmt: skip
    assert kept(source) == kept(source.async_array) == expected
    kept(source)[-1]["k"].append(2)
    assert source.attrs["k"] == [1]
    assert kept(source, fill_value=DEFAULT_FILL_VALUE)[5] == 7


def test_codecs_and_shards_that_are_not_there() -> None:
    source = array(filters=[TransposeCodec(order=(1, 0))], compressors=None)
    assert kept(source)[1:4] == (None, (TransposeCodec(order=(1, 0)),), None)


def test_shards_whose_index_is_at_the_start() -> None:
    shards = {"shape": (20, 10), "index_location": "start"}
    assert kept(array(shards=shards))[1] == shards


def test_all_of_a_format_2_array() -> None:
    source = array(zarr_format=2, order="F", filters=[numcodecs.Delta("i4")], attributes={"q": 2})
    chunks, shards, filters, compressors, *rest = kept(source)
    assert (chunks, shards, filters) == ((10, 5), None, (numcodecs.Delta("i4"),))
    assert compressors == source.compressors
    assert rest == ["auto", None, "F", 2, {"name": "v2", "separator": "."}, None, {"q": 2}]


def test_to_another_format_the_codecs_are_chosen_anew() -> None:
    there = kept(array(shards=(20, 10)), zarr_format=2)
    assert there == ((10, 5), (20, 10), "auto", "auto", "auto", None, "C", 2, None, None, {})
    with pytest.warns(ZarrUserWarning, match="order"):
        back = kept(array(zarr_format=2, order="F"), zarr_format=3)
    assert back == ((10, 5), None, "auto", "auto", "auto", None, None, 3, None, None, {})


@pytest.mark.parametrize("data", [np.zeros((3, 4)), [[1, 2]]], ids=["numpy", "list"])
def test_of_data_that_are_no_array_of_ours(data: Any) -> None:
    assert kept(data) == AUTO
    assert kept(data, zarr_format=2)[7] == 2


@pytest.mark.parametrize("data", [None, "array"])
def test_what_is_given_is_taken(data: Any) -> None:
    given: dict[str, Any] = {
        "chunks": (2, 2), "shards": (4, 4), "filters": (), "compressors": None,
        "serializer": BYTES, "fill_value": 5, "order": "C", "zarr_format": 3,
        "chunk_key_encoding": {"name": "v2", "separator": "."}, "dimension_names": ("p", "q"),
        "attributes": {},
    }  # fmt: skip
    assert kept(array() if data else [[1]], **given) == tuple(given.values())


def test_an_unknown_format() -> None:
    with pytest.raises(ValueError, match="9"):
        kept([1], zarr_format=9)


@pytest.mark.parametrize(
    "described",
    [
        {"shards": (20, 10)},
        {"shards": {"shape": (20, 10), "index_location": "start"}},
        {"filters": [TransposeCodec(order=(1, 0))], "compressors": None},
        {"zarr_format": 2, "filters": None, "compressors": None},
        {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
    ],
    ids=str,
)
def test_an_array_made_of_them_is_like_the_other(described: dict[str, Any]) -> None:
    source = array(**described)
    names = [name for name in KEEP if name != "dimension_names" or source.metadata.zarr_format == 3]
    parameters = dict(zip(KEEP, kept(source, fill_value=DEFAULT_FILL_VALUE), strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy = zarr.create_array(
            {}, shape=source.shape, dtype="i4", **{name: parameters[name] for name in names}
        )
    assert copy.metadata == source.metadata
