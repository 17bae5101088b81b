"""Migrating format 2 metadata to format 3, and removing the metadata of one format."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zarr
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.core.dtype import VariableLengthBytes
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata
from zarr.core.sync import sync
from zarr.errors import GroupNotFoundError, MetadataValidationError, ZarrUserWarning
from zarr.metadata.migrate_v3 import (
    _convert_array_metadata,
    migrate_to_v3,
    migrate_v2_to_v3,
    remove_metadata,
)
from zarr.storage import FsspecStore, LocalStore, MemoryStore, StorePath, WrapperStore, ZipStore

pytestmark = [
    # No specification settles what structured, string and date types are in format 3.
    pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning"),
    # Listing a group of one format comes upon the documents of the other.
    pytest.mark.filterwarnings("ignore:Object at .* is not recognized"),
]

SHAPE, CHUNKS = (5, 4, 3), (2, 3, 2)


def remove(store: Any, zarr_format: Any, **options: Any) -> None:
    sync(remove_metadata(store, zarr_format, **options))


def contents(store: zarr.abc.store.Store) -> dict[str, bytes]:
    """Return all keys and values of a store."""

    async def read() -> dict[str, bytes]:
        found = {}
        async for key in store.list():
            value = await store.get(key, default_buffer_prototype())
            assert value is not None
            found[key] = value.to_bytes()
        return found

    return sync(read())


def keys(store: zarr.abc.store.Store) -> list[str]:
    return sorted(contents(store))


def put(store: zarr.abc.store.Store, key: str, document: object) -> None:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    sync(store.set(key, default_buffer_prototype().buffer.from_bytes(text)))


def hierarchy(store: zarr.abc.store.Store) -> dict[str, npt.NDArray[Any]]:
    """Store groups in groups and arrays in both, and return the values of the arrays."""
    values = {"x": np.arange(6), "h/y": np.arange(3.0), "h/deep/z": np.ones((2, 2), "i1")}
    root = zarr.create_group(store, zarr_format=2, attributes={"r": 1})
    root.create_group("h", attributes={"title": "H"}).create_group("deep")
    for path, data in values.items():
        root.create_array(path, data=data, fill_value=0, attributes={"path": path})
    return values


V3_KEYS = ["h/deep/z/zarr.json", "h/deep/zarr.json", "h/y/zarr.json", "h/zarr.json"] + [
    "x/zarr.json",
    "zarr.json",
]


def check_hierarchy(store: Any, values: dict[str, npt.NDArray[Any]]) -> None:
    root: Any = zarr.open_group(store, mode="r+", zarr_format=3)
    assert root.attrs.asdict() == {"r": 1}
    assert root["h"].attrs.asdict() == {"title": "H"}
    for path, data in values.items():
        array = root[path]
        assert array.attrs.asdict() == {"path": path}
        np.testing.assert_array_equal(array[...], data)


# --- values -----------------------------------------------------------------------------


def sample(dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return elements that differ, in the shape of the arrays here."""
    size = int(np.prod(SHAPE))
    numbers = np.arange(size)
    if dtype.names is not None:
        array = np.zeros(SHAPE, dtype)
        for name in dtype.names:
            array[name] = sample(dtype[name])
        return array
    if dtype.kind in "UT":
        flat = np.array(["aé"[: i % 3] for i in range(size)]).astype(dtype)
    elif dtype.kind in "SO":
        flat = np.array([b"ab"[: i % 3] for i in range(size)]).astype(dtype)
    elif dtype.kind == "V":
        flat = np.arange(size * dtype.itemsize, dtype="u1").view(dtype)
    elif dtype.kind == "b":
        flat = numbers % 3 == 0
    else:
        flat = numbers.astype("i8").astype(dtype)
    return flat.reshape(SHAPE)


DTYPES: list[Any] = [
    *("bool", "i1", "u1", "<i2", ">i2", ">u4", "<u8", "<f2", ">f4", "<f8", "<c8", ">c16"),
    *("<M8[ns]", ">M8[s]", "<m8[us]", "S5", "<U3", ">U3", "V4", "T"),
    [("a", "<i4"), ("b", "<f8")],
    [("a", ">i4"), ("b", ">U2"), ("c", "u1"), ("d", [("e", ">M8[s]")])],
]
COMPRESSORS = [
    None,
    numcodecs.Zlib(1),
    numcodecs.GZip(2),
    numcodecs.BZ2(1),
    numcodecs.LZMA(),
    numcodecs.LZ4(),
    numcodecs.Zstd(3),
    numcodecs.Zstd(3, checksum=True),
    numcodecs.Blosc("zstd", 3, shuffle=0),
    numcodecs.Blosc("lz4", 5, shuffle=1, blocksize=256),
    numcodecs.Blosc("lz4hc", 1, shuffle=2),
    numcodecs.Blosc("lz4", 5, shuffle=-1),
    numcodecs.CRC32(),
    numcodecs.Adler32(),
]


def check_same_values(**options: Any) -> dict[str, Any]:
    """Store an array with a chunk left out, migrate it, and return the format 3 document."""
    data = options.pop("data")
    options.setdefault("dtype", data.dtype)
    store = MemoryStore()
    array = zarr.create_array(store, shape=SHAPE, chunks=CHUNKS, zarr_format=2, **options)
    array[:4] = data[:4]
    before = contents(store)
    expected: Any = zarr.open_array(store, mode="r", zarr_format=2)[...]

    migrate_v2_to_v3(input_store=store)

    after = contents(store)
    document: dict[str, Any] = json.loads(after.pop("zarr.json"))
    assert after == before
    found: Any = zarr.open_array(store, mode="r", zarr_format=3)[...]
    if expected.dtype.kind in "TO":
        assert found.tolist() == expected.tolist()
    else:
        assert found.tobytes() == expected.astype(found.dtype).tobytes()
    # Reading back is no proof that the array held anything.
    np.testing.assert_array_equal(expected[:4], data[:4])
    return document


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_data_types(dtype: Any, order: str) -> None:
    document = check_same_values(
        data=sample(np.dtype(dtype)), order=order, compressors=numcodecs.Zlib(1)
    )
    names = [codec["name"] for codec in document["codecs"]]
    serializer = "vlen-utf8" if dtype == "T" else "bytes"
    assert names == ["transpose"] * (order == "F") + [serializer, "numcodecs.zlib"]


@pytest.mark.parametrize("compressor", COMPRESSORS, ids=repr)
def test_compressors(compressor: Any) -> None:
    for dtype in ("<f8", "i1"):
        check_same_values(data=sample(np.dtype(dtype)), compressors=compressor)


@given(
    dtype=st.sampled_from(DTYPES),
    compressor=st.sampled_from(COMPRESSORS),
    order=st.sampled_from("CF"),
    separator=st.sampled_from("./"),
)
@settings(max_examples=60, deadline=None)
def test_every_combination_reads_the_same(
    dtype: Any, compressor: Any, order: str, separator: str
) -> None:
    document = check_same_values(
        data=sample(np.dtype(dtype)),
        compressors=compressor,
        order=order,
        chunk_key_encoding={"name": "v2", "separator": separator},
    )
    assert document["chunk_key_encoding"]["configuration"] == {"separator": separator}


def filter_cases() -> Iterator[Any]:
    for byte_order in "<>":
        i4, i8, f4, f8 = (byte_order + name for name in ("i4", "i8", "f4", "f8"))
        other = {"<": ">", ">": "<"}[byte_order]
        scaled = numcodecs.FixedScaleOffset(offset=1, scale=2, dtype=f8, astype=f"{other}i2")
        for dtype, filters in (
            (i4, [numcodecs.Delta(i4)]),
            (i4, [numcodecs.Delta(i4, astype=f"{other}i8")]),
            (f8, [scaled]),
            (f8, [scaled, numcodecs.Delta(f"{other}i2")]),
            (f8, [numcodecs.AsType(f4, f8)]),
            (f4, [numcodecs.Quantize(2, f4)]),
            (f"{byte_order}M8[s]", [numcodecs.Delta(i8)]),
        ):
            yield pytest.param(dtype, filters, id=f"{dtype}-{filters}")
    yield pytest.param("<f4", [numcodecs.BitRound(20)], id="bitround")
    yield pytest.param("bool", [numcodecs.PackBits()], id="packbits")
    yield pytest.param("bool", [numcodecs.PackBits(), numcodecs.Delta("|u1")], id="packed delta")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("dtype", "filters"), list(filter_cases()))
def test_filters(dtype: str, filters: list[Any], order: str) -> None:
    document = check_same_values(
        data=sample(np.dtype(dtype)), filters=filters, compressors=None, order=order
    )
    names = [codec["name"] for codec in document["codecs"]]
    assert names == ["transpose"] * (order == "F") + [
        *(f"numcodecs.{each.codec_id}" for each in filters),
        "bytes",
    ]
    # A byte order is a parameter of the bytes codec alone: readers disagree about any other.
    assert ">" not in json.dumps(document["codecs"])


def test_byte_strings_of_variable_length() -> None:
    check_same_values(data=sample(np.dtype("O")), dtype=VariableLengthBytes())


@pytest.mark.parametrize(
    ("dtype", "compressor", "expected"),
    [
        ("<i2", numcodecs.Blosc("zstd", 3, 2, 512), ("zstd", 3, "bitshuffle", 512)),
        ("<i2", numcodecs.Blosc("lz4", 5, 0), ("lz4", 5, "noshuffle", 0)),
        # What the library chooses by the item size.
        ("<i2", numcodecs.Blosc("lz4", 5, -1), ("lz4", 5, "shuffle", 0)),
        ("i1", numcodecs.Blosc("lz4", 5, -1), ("lz4", 5, "bitshuffle", 0)),
    ],
)
def test_parameters_of_blosc(dtype: str, compressor: Any, expected: tuple[Any, ...]) -> None:
    document = check_same_values(data=sample(np.dtype(dtype)), compressors=compressor)
    names = ("cname", "clevel", "shuffle", "blocksize")
    assert document["codecs"][-1] == {
        "name": "blosc",
        "configuration": {
            "typesize": np.dtype(dtype).itemsize,
            **dict(zip(names, expected, strict=True)),
        },
    }


@pytest.mark.parametrize(
    ("compressor", "name", "configuration"),
    [
        (numcodecs.GZip(3), "gzip", {"level": 3}),
        (numcodecs.Zstd(-2, checksum=True), "zstd", {"level": -2, "checksum": True}),
        (numcodecs.Zstd(7), "zstd", {"level": 7, "checksum": False}),
        (numcodecs.Zlib(8), "numcodecs.zlib", {"level": 8}),
        (numcodecs.LZ4(4), "numcodecs.lz4", {"acceleration": 4}),
    ],
)
def test_parameters_of_compressors(
    compressor: Any, name: str, configuration: dict[str, Any]
) -> None:
    document = check_same_values(data=sample(np.dtype("<i2")), compressors=compressor)
    assert document["codecs"][-1] == {"name": name, "configuration": configuration}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_undefined_fill_values_become_what_was_read(dtype: Any) -> None:
    check_same_values(data=sample(np.dtype(dtype)), fill_value=None)


@pytest.mark.parametrize(
    ("dtype", "fill_value", "stored"),
    [
        (">i2", 300, 300),
        ("<f4", np.nan, "NaN"),
        (">f8", -np.inf, "-Infinity"),
        ("<c8", 1 + 2j, [1.0, 2.0]),
        ("<M8[s]", np.datetime64(7, "s"), 7),
        (">U3", "aé", "aé"),
        ("S3", b"ab", "YWI="),
        ("bool", True, True),
        ([("a", ">i4"), ("b", ">f8")], (1, 0.5), {"a": 1, "b": 0.5}),
    ],
)
def test_fill_values(dtype: Any, fill_value: Any, stored: Any) -> None:
    document = check_same_values(data=sample(np.dtype(dtype)), fill_value=fill_value)
    assert document["fill_value"] == stored


@pytest.mark.parametrize("shape", [(), (0,), (3,), (0, 2)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_shapes(shape: tuple[int, ...], order: Any) -> None:
    store = MemoryStore()
    data = np.full(shape, 7, "i2")
    zarr.create_array(store, data=data, zarr_format=2, order=order, fill_value=0)
    migrate_v2_to_v3(input_store=store)
    np.testing.assert_array_equal(zarr.open_array(store, zarr_format=3)[...], data)


def test_stores_of_other_implementations(golden: Path, tmp_path: Path) -> None:
    refused = {}
    migrated = []
    for entry in json.loads((golden / "index.json").read_text()):
        if entry["zarr_format"] != 2 or not (golden / entry["path"]).is_dir():
            continue
        path = tmp_path / entry["path"]
        shutil.copytree(golden / entry["path"], path)
        try:
            migrate_v2_to_v3(input_store=path)
        except TypeError as error:
            refused[entry["path"]] = str(error)
            assert not list(path.rglob("zarr.json"))
            continue
        migrated.append(entry["path"])
        check_equal(
            zarr.open(path, mode="r", zarr_format=2), zarr.open(path, mode="r", zarr_format=3)
        )
    assert len(migrated) > 25
    reason = "Filter <class 'zarr.codecs.numcodecs._codecs.Shuffle'> is not an ArrayArrayCodec"
    assert refused == {"v2/filter_shuffle": reason, "v2/filter_two": reason}


def check_equal(v2: Any, v3: Any) -> None:
    assert v3.attrs.asdict() == v2.attrs.asdict()
    if isinstance(v2, zarr.Group):
        assert sorted(v3) == sorted(v2)
        for name in v2:
            check_equal(v2[name], v3[name])
    else:
        np.testing.assert_array_equal(v3[...], v2[...])


# --- what cannot be migrated ------------------------------------------------------------

NO_FILTER, NO_COMPRESSOR = "is not an ArrayArrayCodec", "is not a BytesBytesCodec"
UNKNOWN = "Couldn't find corresponding zarr.codecs.numcodecs codec for"
REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"dtype": "<f4", "filters": [numcodecs.Shuffle(4)]}, TypeError, NO_FILTER),
    ({"dtype": "<f4", "filters": [numcodecs.Zlib()]}, TypeError, NO_FILTER),
    ({"dtype": "<f4", "compressors": numcodecs.Delta("<f4")}, TypeError, NO_COMPRESSOR),
    (
        {"dtype": "<U1", "filters": [numcodecs.Categorize(["a"], "<U1")]},
        ValueError,
        f"{UNKNOWN} categorize",
    ),
    ({"dtype": "<i4", "compressors": numcodecs.Base64()}, ValueError, f"{UNKNOWN} base64"),
    ({"dtype": "<f4", "filters": [numcodecs.Delta(">f4")]}, ValueError, ">f4, but gets <f4"),
    ({"dtype": "<f4", "filters": [numcodecs.Delta("<i4")]}, ValueError, "<i4, but gets <f4"),
    (
        {"dtype": ">M8[s]", "filters": [numcodecs.Delta("<i8")], "fill_value": None},
        ValueError,
        "takes elements of <i8, but gets >M8[s]",
    ),
    ({"dtype": [("a", "<i4"), ("b", ">f8")]}, ValueError, "have different byte orders"),
    (
        {"dtype": "T", "filters": [numcodecs.VLenUTF8(), numcodecs.Zlib()]},
        ValueError,
        "'vlen-utf8' is its only filter. It has the filters ['vlen-utf8', 'zlib'].",
    ),
    ({"dtype": "<i4", "compressors": numcodecs.GZip(-1)}, ValueError, "Got -1"),
]


@pytest.mark.parametrize(("options", "error", "message"), REFUSED)
def test_nothing_is_written_unless_all_can_be(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    store = MemoryStore()
    hierarchy(store)
    zarr.create_array(store, name="h/zz", shape=(4,), zarr_format=2, **options)
    before = contents(store)
    for dry_run in (True, False):
        with pytest.raises(error) as caught:
            migrate_v2_to_v3(input_store=store, dry_run=dry_run)
        assert message in str(caught.value)
        assert f"while migrating the metadata at {store}/h/zz" in caught.value.__notes__
        assert contents(store) == before


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b'{"zarr_format": 2, ', "Expecting property name"),
        ({"zarr_format": 2}, "lack the field 'dtype'"),
        ({"filters": [{"id": "json2"}], "dtype": "|O"}, "No Zarr data type found"),
        ({"compressor": {"id": "nobody-knows"}}, "'nobody-knows' is not available"),
        ({"dtype": "<q9"}, ""),
        ({"fill_value": "x"}, ""),
    ],
)
def test_metadata_that_cannot_be_read(document: Any, message: str) -> None:
    store = MemoryStore()
    hierarchy(store)
    if isinstance(document, dict) and "zarr_format" not in document:
        document = {**json.loads(contents(store)["x/.zarray"]), **document}
    put(store, "x/.zarray", document)
    before = contents(store)
    with pytest.raises((TypeError, ValueError)) as caught:
        migrate_v2_to_v3(input_store=store)
    assert message in str(caught.value)
    assert f"while migrating the metadata at {store}/x" in caught.value.__notes__
    assert contents(store) == before


def test_format_3_is_not_migrated() -> None:
    for store in (MemoryStore(), MemoryStore()):
        zarr.create_group(store, zarr_format=3)
        with pytest.raises(TypeError, match="Only arrays / groups with zarr v2 metadata can be"):
            migrate_v2_to_v3(input_store=store)
        with pytest.raises(TypeError, match="Only arrays / groups with zarr v2 metadata can be"):
            migrate_to_v3(zarr.open_group(store), StorePath(MemoryStore()))


@pytest.mark.filterwarnings("ignore:Both zarr.json")
def test_a_root_in_both_formats_is_not_migrated_again() -> None:
    store = MemoryStore()
    hierarchy(store)
    migrate_v2_to_v3(input_store=store)
    before = contents(store)
    with pytest.raises(TypeError, match="Only arrays / groups with zarr v2 metadata can be"):
        migrate_v2_to_v3(input_store=store)
    assert contents(store) == before


def test_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(GroupNotFoundError, match="No array or group found"):
        migrate_v2_to_v3(input_store=MemoryStore())
    with pytest.raises(FileNotFoundError, match="does not exist"):
        migrate_v2_to_v3(input_store=tmp_path / "none")
    assert not list(tmp_path.iterdir())


def test_consolidated_metadata_of_the_root_are_refused() -> None:
    store = MemoryStore()
    hierarchy(store)
    zarr.consolidate_metadata(store, zarr_format=2)
    before = contents(store)
    with pytest.raises(NotImplementedError) as caught:
        migrate_v2_to_v3(input_store=store)
    assert str(caught.value) == "Migration of consolidated metadata isn't supported."
    assert any(".zmetadata" in note for note in caught.value.__notes__)
    assert contents(store) == before


def test_consolidated_metadata_further_down_are_left_alone() -> None:
    store = MemoryStore()
    values = hierarchy(store)
    zarr.consolidate_metadata(store, path="h", zarr_format=2)
    migrate_v2_to_v3(input_store=store)
    assert "h/.zmetadata" in keys(store)
    remove(store, 2)
    assert "h/.zmetadata" not in keys(store)
    check_hierarchy(store, values)


# --- places -----------------------------------------------------------------------------


def memory(path: Path) -> MemoryStore:
    return MemoryStore()


def local(path: Path) -> LocalStore:
    return LocalStore(path / "store")


def archive(path: Path) -> ZipStore:
    return ZipStore(path / "store.zip", mode="w")


def remote(path: Path) -> FsspecStore:
    pytest.importorskip("fsspec")
    return FsspecStore.from_url(f"local://{path}/remote", storage_options={"auto_mkdir": True})


@pytest.mark.parametrize("make", [memory, local, archive, remote])
def test_stores(make: Callable[[Path], Any], tmp_path: Path) -> None:
    store = make(tmp_path)
    values = hierarchy(store)
    before = contents(store)
    migrate_v2_to_v3(input_store=store, dry_run=True)
    assert contents(store) == before
    migrate_v2_to_v3(input_store=store)
    after = contents(store)
    assert sorted(set(after) - set(before)) == V3_KEYS
    assert {key: after[key] for key in before} == before
    assert set(zarr.open_group(store, mode="r+", zarr_format=3)) == {"h", "x"}
    check_hierarchy(store, values)
    if store.supports_deletes:
        remove(store, 2)
        assert set(contents(store)) == {key for key in after if "/.z" not in f"/{key}"}
    else:
        with pytest.raises(ValueError, match="Store must support deletes to remove metadata"):
            remove(store, 2)
    check_hierarchy(store, values)
    store.close()


def test_dictionaries_paths_and_places_in_a_store(tmp_path: Path) -> None:
    mapping: dict[str, Buffer] = {}
    values = hierarchy(MemoryStore(mapping))
    migrate_v2_to_v3(input_store=mapping)
    check_hierarchy(mapping, values)

    values = hierarchy(LocalStore(tmp_path))
    migrate_v2_to_v3(input_store=str(tmp_path))
    check_hierarchy(tmp_path, values)

    store = MemoryStore()
    hierarchy(store)
    migrate_v2_to_v3(input_store=StorePath(store, "h"))
    assert [key for key in keys(store) if key.endswith("zarr.json")] == V3_KEYS[:4]


def test_output_elsewhere_is_metadata_only() -> None:
    source, target = MemoryStore(), MemoryStore()
    values = hierarchy(source)
    before = contents(source)
    place = StorePath(target, "below/here")
    migrate_v2_to_v3(input_store=source, output_store=place, dry_run=True)
    assert keys(target) == []
    migrate_v2_to_v3(input_store=source.with_read_only(True), output_store=place)
    assert contents(source) == before
    assert keys(target) == [f"below/here/{key}" for key in V3_KEYS]
    for key in before:
        put(target, f"below/here/{key}", before[key])
    check_hierarchy(place, values)


@pytest.mark.parametrize("key", ["zarr.json", ".zgroup", "x/0", "other"])
def test_output_elsewhere_has_to_be_empty(key: str) -> None:
    source, target = MemoryStore(), MemoryStore()
    hierarchy(source)
    put(target, key, b"{}")
    for dry_run in (True, False):
        with pytest.raises(FileExistsError, match="already contains data"):
            migrate_v2_to_v3(input_store=source, output_store=target, dry_run=dry_run)
    assert keys(target) == [key]


def test_a_dry_run_makes_no_directory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = MemoryStore()
    hierarchy(source)
    with caplog.at_level(logging.INFO, "zarr"):
        migrate_v2_to_v3(input_store=source, output_store=tmp_path / "out", dry_run=True)
    assert not list(tmp_path.iterdir())
    assert f"Saving metadata to {tmp_path / 'out'}/h/y/zarr.json" in caplog.messages
    migrate_v2_to_v3(input_store=source, output_store=tmp_path / "out")
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in tmp_path.rglob("*.json")) == V3_KEYS


def test_a_failing_migration_makes_no_directory(tmp_path: Path) -> None:
    source = MemoryStore()
    zarr.create_array(source, shape=(2,), dtype="i1", filters=[numcodecs.Zlib()], zarr_format=2)
    with pytest.raises(TypeError, match="is not an ArrayArrayCodec"):
        migrate_v2_to_v3(input_store=source, output_store=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_read_only_stores_are_not_written(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    hierarchy(store)
    before = contents(store)
    read_only = store.with_read_only(True)
    migrate_v2_to_v3(input_store=read_only, dry_run=True)
    for attempt in (
        lambda: migrate_v2_to_v3(input_store=read_only),
        lambda: migrate_v2_to_v3(input_store=store, output_store=MemoryStore(read_only=True)),
        lambda: migrate_to_v3(zarr.open_group(store, zarr_format=2), StorePath(read_only)),
        lambda: remove(read_only, 2, force=True),
    ):
        with caplog.at_level(logging.INFO, "zarr"), pytest.raises(ValueError, match="read-only"):
            attempt()
    assert contents(store) == before
    assert caplog.messages == []  # it was not even tried


@pytest.mark.parametrize("asynchronous", [False, True])
def test_open_nodes(asynchronous: bool) -> None:
    store = MemoryStore()
    values = hierarchy(store)
    group = zarr.open_group(store, mode="r", zarr_format=2)
    array: Any = group["x"]
    target = MemoryStore()
    node = array._async_array if asynchronous else array
    migrate_to_v3(node, StorePath(target, "a"), dry_run=True)
    assert keys(target) == []
    migrate_to_v3(node, StorePath(target, "a"))
    assert keys(target) == ["a/zarr.json"]
    migrate_to_v3(group._async_group if asynchronous else group, StorePath(store))
    check_hierarchy(store, values)


def test_what_is_no_node_is_left_out() -> None:
    store = MemoryStore()
    hierarchy(store)
    put(store, "h/implicit/.zattrs", {})
    put(store, "h/README.md", b"text")
    zarr.create_array(store, name="h/later", shape=(1,), dtype="i1", zarr_format=3)
    before = keys(store)
    for key in ("zarr.json", "h/zarr.json"):  # groups of format 3 that creating the array made
        sync(store.delete(key))
    with pytest.warns(ZarrUserWarning, match="is not a component of a Zarr format 2") as caught:
        migrate_v2_to_v3(input_store=store)
    assert [str(each.message).split()[2].removeprefix(f"{store}/") for each in caught] == [
        "h/README.md",
        "h/implicit",
        "h/later",
    ]
    assert set(keys(store)) - set(before) == set(V3_KEYS) - {"zarr.json", "h/zarr.json"}


# --- interruption -----------------------------------------------------------------------


class FailingStore(WrapperStore[MemoryStore]):
    """Fails after a number of writes."""

    def __init__(self, store: MemoryStore, writes: int) -> None:
        super().__init__(store)
        self.writes = writes

    async def set(self, key: str, value: Buffer) -> None:
        if self.writes == 0:
            raise OSError("disk full")
        self.writes -= 1
        await super().set(key, value)


@pytest.mark.parametrize("writes", range(6))
def test_after_an_interruption_migrating_again_completes_it(writes: int) -> None:
    store = MemoryStore()
    values = hierarchy(store)
    before = contents(store)
    with pytest.raises(OSError, match="disk full"):
        migrate_v2_to_v3(input_store=FailingStore(store, writes))
    after = contents(store)
    assert len(after) == len(before) + writes
    # The root still says format 2, so the hierarchy reads as before.
    assert "zarr.json" not in after
    assert zarr.open_group(store, mode="r").metadata.zarr_format == 2
    # What is written already is not written again.
    migrate_v2_to_v3(input_store=FailingStore(store, len(V3_KEYS) - writes))
    check_hierarchy(store, values)


def test_what_is_written_already_is_told_from_other_metadata() -> None:
    store = MemoryStore()
    root = zarr.create_group(store, zarr_format=2)
    root.create_array("x", shape=(1,), dtype="f4", fill_value=np.nan, attributes={"a": np.nan})
    with pytest.raises(OSError, match="disk full"):
        migrate_v2_to_v3(input_store=FailingStore(store, 1))
    assert keys(store) == [".zattrs", ".zgroup", "x/.zarray", "x/.zattrs", "x/zarr.json"]
    # Not a number equals nothing, not even itself.
    migrate_v2_to_v3(input_store=store)
    assert "zarr.json" in keys(store)


@pytest.mark.parametrize(
    "document", [b"{", {"zarr_format": 3, "node_type": "group", "attributes": {"new": 1}}]
)
def test_other_format_3_metadata_below_the_root_are_kept(document: Any) -> None:
    store = MemoryStore()
    hierarchy(store)
    put(store, "h/zarr.json", document)
    before = contents(store)
    with pytest.raises(ValueError, match=f"zarr.json already exists at {store}/h/zarr.json"):
        migrate_v2_to_v3(input_store=store)
    assert contents(store) == before


# --- metadata of one array --------------------------------------------------------------


def test_conversion_of_metadata_alone() -> None:
    # Other libraries convert metadata without a store, and change what they get.
    array = zarr.create_array(
        {},
        shape=(4, 6),
        chunks=(2, 3),
        dtype=">f4",
        zarr_format=2,
        fill_value=None,
        attributes={"_ARRAY_DIMENSIONS": ["y", "x"]},
    )
    metadata = array.metadata
    assert isinstance(metadata, ArrayV2Metadata)
    converted = _convert_array_metadata(metadata)
    assert isinstance(converted, ArrayV3Metadata)
    document: dict[str, Any] = converted.to_dict()
    assert ArrayV3Metadata.from_dict(document) == converted
    assert document["chunk_grid"]["configuration"]["chunk_shape"] == (2, 3)
    assert "dimension_names" not in document
    del document["attributes"]["_ARRAY_DIMENSIONS"]
    assert metadata.attributes == {"_ARRAY_DIMENSIONS": ["y", "x"]}


# --- removing ---------------------------------------------------------------------------


def both_formats() -> MemoryStore:
    store = MemoryStore()
    hierarchy(store)
    migrate_v2_to_v3(input_store=store)
    return store


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_removing_one_of_two_formats(zarr_format: int, caplog: pytest.LogCaptureFixture) -> None:
    store = both_formats()
    if zarr_format == 2:
        zarr.consolidate_metadata(store, zarr_format=2)
        put(store, "nobody/.zmetadata", {})
    before = contents(store)
    chunks = {key for key in before if key.rpartition("/")[2][0] in "0123456789"}
    v3 = {key for key in before if key.endswith("zarr.json")}
    kept = chunks | (v3 if zarr_format == 2 else set(before) - chunks - v3)
    with caplog.at_level(logging.INFO, "zarr"):
        remove(store, zarr_format, dry_run=True)
        assert contents(store) == before
        planned = list(caplog.messages)
        caplog.clear()
        remove(store, zarr_format)
    assert contents(store) == {key: before[key] for key in kept}
    assert caplog.messages == planned
    assert sorted(planned) == sorted(
        f"Deleting metadata at {store}/{key}" for key in before if key not in kept
    )


LOST: list[tuple[int, str, bytes | None, str, str]] = [
    (2, "x/zarr.json", None, "x/.zarray", "no v3 metadata exists"),
    (2, "h/zarr.json", None, "h/.zgroup", "no v3 metadata exists"),
    (2, "h/y/zarr.json", b"{", "h/y/.zarray", "the v3 metadata are not valid: Expecting"),
    (2, "x/zarr.json", b'{"zarr_format":3,"node_type":"group"}', "x/.zarray", "of a group"),
    (2, "lost/.zattrs", b"{}", "lost/.zattrs", "no v3 metadata exists"),
    (3, "x/.zarray", None, "x/zarr.json", "no v2 metadata exists"),
    (3, "h/.zgroup", None, "h/zarr.json", "no v2 metadata exists"),
    (3, "h/y/.zarray", b"{}", "h/y/zarr.json", "the v2 metadata are not valid: "),
    (3, "x/zarr.json", b'{"zarr_format":3,"node_type":"group"}', "x/zarr.json", "of an array"),
]


@pytest.mark.parametrize(("zarr_format", "key", "document", "named", "reason"), LOST)
def test_no_node_is_lost_unless_forced(
    zarr_format: int, key: str, document: bytes | None, named: str, reason: str
) -> None:
    store = both_formats()
    if document is None:
        sync(store.delete(key))
    else:
        put(store, key, document)
    before = contents(store)
    for dry_run in (True, False):
        with pytest.raises(ValueError) as caught:
            remove(store, zarr_format, dry_run=dry_run)
        message = str(caught.value)
        assert message.startswith(f"Cannot remove v{zarr_format} metadata at {store}/{named} - ")
        assert reason in message
        assert message.endswith("To delete anyway, use the 'force' option.")
        assert contents(store) == before
    remove(store, zarr_format, force=True)
    names = (".zarray", ".zgroup", ".zattrs") if zarr_format == 2 else ("zarr.json",)
    assert keys(store) == [key for key in sorted(before) if not key.endswith(names)]


def test_broken_metadata_of_a_format_that_is_not_needed_can_go() -> None:
    store = both_formats()
    put(store, "x/zarr.json", b"{")
    remove(store, 3)
    assert not [key for key in keys(store) if key.endswith("zarr.json")]


def test_removing_below_a_path_only() -> None:
    store = both_formats()
    zarr.create_array(store, name="hx", shape=(1,), dtype="i1", zarr_format=2)
    before = keys(store)
    remove(StorePath(store, "h"), 2)
    assert keys(store) == [key for key in before if not (key.startswith("h/") and "/.z" in key)]


@pytest.mark.parametrize("zarr_format", [1, 4, None, "v2"])
def test_there_are_two_formats(zarr_format: Any) -> None:
    store = both_formats()
    before = contents(store)
    with pytest.raises(MetadataValidationError, match="Expected 2 or 3"):
        remove(store, zarr_format, force=True)
    assert contents(store) == before


def test_removing_where_nothing_is(tmp_path: Path) -> None:
    remove(MemoryStore(), 2)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        remove(tmp_path / "none", 2)
    assert not list(tmp_path.iterdir())


class RecordingStore(WrapperStore[MemoryStore]):
    """Notes what is deleted."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.deleted: list[str] = []

    async def delete(self, key: str) -> None:
        self.deleted.append(key)
        await super().delete(key)


def test_a_node_never_stands_without_its_attributes() -> None:
    store = both_formats()
    zarr.consolidate_metadata(store, zarr_format=2)
    recording = RecordingStore(store)
    remove(recording, 2)
    names = [key.rpartition("/")[2] for key in recording.deleted]
    ranks = [{".zmetadata": 0, ".zattrs": 2}.get(name, 1) for name in names]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2}
