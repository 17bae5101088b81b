"""Data types as others store them: byte orders that mean nothing, times without unit, absurd sizes."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import pytest

import zarr
from zarr.core.dtype import get_data_type_from_json, parse_dtype
from zarr.storage import MemoryStore


def put(store: MemoryStore, key: str, data: bytes) -> None:
    store._store_dict[key] = zarr.buffer.default_buffer_prototype().buffer.from_bytes(data)


def document(dtype: Any, **members: Any) -> dict[str, Any]:
    plain = {"zarr_format": 2, "shape": [2], "chunks": [2], "compressor": None, "filters": None}
    return plain | {"dtype": dtype, "fill_value": None, "order": "C"} | members


# --- byte orders of what has none -----------------------------------------------------------------

ORDERS: list[tuple[Any, Any, bytes, list[Any]]] = [
    ("<u1", "|u1", b"\x01\xff", [1, 255]),
    (">u1", "|u1", b"\x01\xff", [1, 255]),
    ("<i1", "|i1", b"\x01\xff", [1, -1]),
    (">i1", "|i1", b"\x01\xff", [1, -1]),
    ("<b1", "|b1", b"\x01\x00", [True, False]),
    (">b1", "|b1", b"\x01\x00", [True, False]),
    ("<S2", "|S2", b"abcd", [b"ab", b"cd"]),
    (">S2", "|S2", b"abcd", [b"ab", b"cd"]),
    ("<V2", "|V2", b"abcd", [b"ab", b"cd"]),
    (">V2", "|V2", b"abcd", [b"ab", b"cd"]),
    ([["a", ">u1"], ["b", "<S1"]], [["a", "|u1"], ["b", "|S1"]], b"\1a\2b", [(1, b"a"), (2, b"b")]),
    (
        [["a", [["b", "<i1"], ["c", ">b1"]]]],
        [["a", [["b", "|i1"], ["c", "|b1"]]]],
        b"\xff\1\2\0",
        [((-1, True),), ((2, False),)],
    ),
]


@pytest.mark.parametrize("consolidated", [False, True])
@pytest.mark.parametrize(("stored", "written", "data", "expected"), ORDERS, ids=str)
def test_byte_orders_that_mean_nothing(
    stored: Any, written: Any, data: bytes, expected: list[Any], consolidated: bool
) -> None:
    store = MemoryStore()
    put(store, ".zgroup", b'{"zarr_format": 2}')
    put(store, "x/.zarray", json.dumps(document(stored)).encode())
    put(store, "x/0", data)
    if consolidated:
        metadata = {".zgroup": {"zarr_format": 2}, "x/.zarray": document(stored)}
        whole = {"zarr_consolidated_format": 1, "metadata": metadata}
        put(store, ".zmetadata", json.dumps(whole).encode())
    group = zarr.open_group(store, use_consolidated=consolidated)
    array: Any = dict(group.arrays())["x"]
    found = array[...]
    assert [item.tobytes() if item.dtype.kind == "V" and not item.dtype.names else item.item()
            for item in found] == expected  # fmt: skip
    array.attrs["a"] = 1
    array.resize((2,))
    assert json.loads(store._store_dict["x/.zarray"].to_bytes())["dtype"] == written


def test_other_names_are_refused_still() -> None:
    for name in ("=u1", "u1", "<u3", "|i2", "<|u1", "=S4"):
        with pytest.raises(ValueError, match="No Zarr data type"):
            get_data_type_from_json({"name": name, "object_codec_id": None}, zarr_format=2)


# --- times without a unit -------------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("name", ["<M8[2generic]", "<m8[3generic]", "<M8", "<m8"])
def test_times_without_a_unit_keep_their_scale(name: str, zarr_format: Any) -> None:
    native: Any = np.dtype(name)
    dtype = parse_dtype(native, zarr_format=zarr_format)
    assert np.datetime_data(cast("Any", dtype.to_native_dtype())) == np.datetime_data(native)
    form: Any = dtype.to_json(zarr_format)
    assert get_data_type_from_json(form, zarr_format=zarr_format) == dtype
    assert type(dtype).from_native_dtype(dtype.to_native_dtype()) == dtype


# --- absurd sizes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zarr_format", "form"),
    [
        (2, "<U500000000"),
        (2, "<U70000000"),
        (2, "|S268435457"),
        (2, "|V2000000000000"),
        (2, [["a", "|V200000000"], ["b", "|V200000000"]]),
        (3, "r2000000000000"),
        (3, {"name": "fixed_length_utf32", "configuration": {"length_bytes": 2**40}}),
        (3, {"name": "null_terminated_bytes", "configuration": {"length_bytes": 2**40}}),
        (3, {"name": "raw_bytes", "configuration": {"length_bytes": 2**28 + 1}}),
    ],
    ids=str,
)
def test_elements_of_an_absurd_size_are_refused(zarr_format: Any, form: Any) -> None:
    store = MemoryStore()
    if zarr_format == 2:
        put(store, ".zarray", json.dumps(document(form)).encode())
    else:
        zarr.create_array(store, shape=(2,), dtype="u1")
        metadata = json.loads(store._store_dict["zarr.json"].to_bytes())
        put(store, "zarr.json", json.dumps(metadata | {"data_type": form}).encode())
    with pytest.raises(ValueError, match="at most 268435456 bytes"):
        zarr.open_array(store)[...]


def test_large_elements_are_taken() -> None:
    for native in (np.dtype("V268435456"), np.dtype("U67108864")):
        assert parse_dtype(native, zarr_format=2).to_native_dtype() == native
    with pytest.raises(ValueError, match="at most 268435456 bytes"):
        parse_dtype(np.dtype("V268435457"), zarr_format=2)
