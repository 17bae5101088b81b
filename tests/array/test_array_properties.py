"""What an array says of itself, with and without asking the store."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numcodecs
import numpy as np
import pytest
from tests.waiting import steps

import zarr
from zarr.core._info import GroupInfo, byte_info
from zarr.core.array import Array, AsyncArray, get_array_metadata, open_array_node
from zarr.core.config import config
from zarr.core.sync import sync
from zarr.errors import (
    ArrayNotFoundError,
    MetadataValidationError,
    NodeTypeValidationError,
    ZarrDeprecationWarning,
    ZarrUserWarning,
)
from zarr.storage import LocalStore, MemoryStore
from zarr.storage._common import StorePath

NewArray = Callable[..., Any]


def test_sizes(new_array: NewArray) -> None:
    array = new_array(shape=(10, 7), chunks=(4, 3), dtype="f4")
    assert (array.ndim, array.size, array.nbytes) == (2, 70, 280)
    assert (array.nchunks, array.cdata_shape, array.nchunks_initialized) == (9, (3, 3), 0)
    sharded = new_array(shape=(10, 7), chunks=(2, 3), shards=(4, 6), dtype="f4")
    assert (sharded.nchunks, sharded.cdata_shape) == (15, (5, 3))
    sharded[0, 0] = 1
    assert sharded.nchunks_initialized == sync(sharded.async_array.nchunks_initialized()) == 4
    scalar = new_array(shape=(), dtype="f8")
    assert (scalar.size, scalar.nchunks, scalar.cdata_shape, scalar.nbytes) == (1, 1, (), 8)
    empty = new_array(shape=(0, 4), dtype="f8")
    assert (empty.size, empty.nchunks, empty.cdata_shape, empty.nbytes) == (0, 0, (0, 1), 0)


def test_chunk_sizes(new_array: NewArray) -> None:
    array = new_array(shape=(10, 5), chunks=(3, 5), dtype="i4")
    assert array.read_chunk_sizes == array.write_chunk_sizes == ((3, 3, 3, 1), (5,))
    sharded = new_array(shape=(10,), chunks=(2,), shards=(6,), dtype="i4")
    assert sharded.read_chunk_sizes == ((2, 2, 2, 2, 2),)
    assert sharded.write_chunk_sizes == ((6, 4),)
    odd = new_array(shape=(9,), chunks=(2,), shards=(6,), dtype="i4")
    assert odd.read_chunk_sizes == ((2, 2, 2, 2, 1),)
    with config.set({"array.rectilinear_chunks": True}):
        uneven = new_array(shape=(12,), chunks=(2,), shards=[[4, 8]], dtype="u1")
        assert (uneven.cdata_shape, uneven.nchunks) == ((6,), 6)
        uneven[5] = 1
        assert uneven.nchunks_initialized == 4
        plain = new_array(shape=(10,), chunks=[[3, 7]], dtype="u1")
        assert plain.cdata_shape == (2,)
        with pytest.raises(NotImplementedError, match="read_chunk_sizes"):
            plain.chunks
        assert "Chunk shape        : <variable>" in repr(plain.info)


def test_place(new_array: NewArray) -> None:
    array = new_array(shape=(3,), dtype="i4", name="x/y")
    assert (array.name, array.path, array.basename) == ("/x/y", "x/y", "y")
    assert repr(array) == str(array) == f"<Array {array.store}/x/y shape=(3,) dtype=int32>"
    inner = array.async_array
    assert repr(inner) == f"<AsyncArray {array.store}/x/y shape=(3,) dtype=int32>"
    root = new_array(shape=(3,), dtype="i4")
    assert (root.name, root.path, root.basename) == ("/", "", "")


def test_equality(new_array: NewArray) -> None:
    array = new_array(data=np.arange(4))
    assert array == Array(array.async_array) == Array.open(array.store)
    assert array != new_array(data=np.arange(4), name="a")
    assert array != new_array(data=np.ones(4))
    assert array != array.with_config({"order": "F"})
    assert (array == np.arange(4)).all()
    with pytest.raises(TypeError):
        hash(array)


def test_the_asynchronous_array_is_frozen(new_array: NewArray) -> None:
    inner = new_array(shape=(3,), dtype="i4").async_array
    with pytest.raises(AttributeError):
        inner.metadata = None
    array = Array(inner)
    for name in ("chunks", "attrs", "metadata"):
        with pytest.raises(AttributeError):
            setattr(array, name, None)


def test_with_config(new_array: NewArray) -> None:
    array = new_array(shape=(3,), dtype="i4", config={"write_empty_chunks": True})
    other = array.with_config({"order": "F"})
    assert (other.config.order, other.config.write_empty_chunks) == ("F", True)
    assert array.config.order == "C"
    assert array.with_config(other.config).config == other.config
    with pytest.raises(TypeError, match="bogus"):
        array.with_config({"bogus": 1})


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_pickle(tmp_path: Path, new_array: NewArray, protocol: int) -> None:
    array = new_array(str(tmp_path / "x"), data=np.arange(3), config={"order": "F"})
    data = pickle.dumps(array, protocol)
    assert len(data) < 2048
    again = pickle.loads(data)
    assert again == array
    assert again.config.order == "F"
    np.testing.assert_array_equal(again[:], [0, 1, 2])
    memory = new_array(data=np.arange(3), zarr_format=2)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(memory, protocol))[:], [0, 1, 2])


def test_copies_share_the_store(new_array: NewArray) -> None:
    array = new_array(data=np.arange(3))
    copy.copy(array)[0] = 5
    assert array[0] == 5


def test_compressor_is_deprecated(new_array: NewArray) -> None:
    array = new_array(shape=(3,), dtype="i4", zarr_format=2)
    with pytest.warns(ZarrDeprecationWarning, match=r"Use Array\.compressors"):
        assert array.compressor == numcodecs.Zstd(level=0)
    with (
        pytest.warns(ZarrDeprecationWarning, match=r"Use AsyncArray\.compressors"),
        pytest.raises(TypeError, match="not available for Zarr format 3"),
    ):
        new_array(shape=(3,), dtype="i4").async_array.compressor


# --- what is stored ---------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_bytes_stored(new_array: NewArray, zarr_format: int) -> None:
    store: dict[str, Any] = {}
    array = new_array(
        store,
        name="a",
        shape=(8,),
        chunks=(2,),
        dtype="u1",
        compressors=None,
        zarr_format=zarr_format,
    )
    new_array(store, name="ab", data=np.ones(9))
    before = array.nbytes_stored()
    assert before == sum(len(value) for key, value in store.items() if key.startswith("a/"))
    array[:3] = 1
    assert array.nbytes_stored() == sync(array.async_array.nbytes_stored()) == before + 4
    assert array.nchunks_initialized == 2


class Unlistable(MemoryStore):
    """A store that knows single keys only."""

    supports_listing = False

    async def list_prefix(self, prefix: str) -> Any:
        raise AssertionError("listed")
        yield ""


def test_chunks_of_a_store_that_cannot_list(new_array: NewArray) -> None:
    array = new_array(Unlistable(), shape=(8,), chunks=(2,), dtype="u1")
    array[2:5] = 1
    assert array.nchunks_initialized == 2
    array.resize((3,))
    assert array.nchunks_initialized == 1


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_stray_keys_are_no_chunks(new_array: NewArray, zarr_format: int) -> None:
    store: dict[str, Any] = {}
    array = new_array(store, shape=(4,), chunks=(2,), dtype="u1", zarr_format=zarr_format)
    array[0] = 1
    for key in ("c/9", "c/x", "c/00", "c/0/0", "c", "9", "00", "0.0", "notes.txt", "c/-1"):
        store[key] = store["c/0" if zarr_format == 3 else "0"]
    assert array.nchunks_initialized == 1
    scalar_store: dict[str, Any] = {}
    scalar = new_array(scalar_store, shape=(), dtype="u1", zarr_format=zarr_format)
    assert scalar.nchunks_initialized == 0
    scalar[...] = 1
    assert scalar.nchunks_initialized == 1


# --- the summary ------------------------------------------------------------------------


def _lines(*rows: tuple[str, object]) -> str:
    return "\n".join(f"{label:<18} : {value}" for label, value in rows)


def test_info(new_array: NewArray) -> None:
    array = new_array(shape=(10, 10), chunks=(5, 5), dtype="i4")
    rows = [
        ("Type", "Array"),
        ("Zarr format", 3),
        ("Data type", "Int32(endianness='little')"),
        ("Fill value", 0),
        ("Shape", (10, 10)),
        ("Chunk shape", (5, 5)),
        ("Order", "C"),
        ("Read-only", False),
        ("Store type", "MemoryStore"),
        ("Filters", ()),
        ("Serializer", "BytesCodec(endian='little')"),
        ("Compressors", "(ZstdCodec(level=0, checksum=False),)"),
        ("No. bytes", 400),
    ]
    assert repr(array.info) == str(array.async_array.info) == _lines(*rows)
    array[:5, :5] = 1
    stored = array.nbytes_stored()
    complete = [
        *rows,
        ("No. bytes stored", stored),
        ("Storage ratio", f"{400 / stored:.1f}"),
        ("Chunks Initialized", 1),
    ]
    assert repr(array.info_complete()) == _lines(*complete)


def test_info_of_shards_and_format_2(new_array: NewArray) -> None:
    sharded = new_array(shape=(16,), chunks=(2,), shards=(8,), dtype="u1", compressors=None)
    sharded[:8] = 1
    text = repr(sync(sharded.async_array.info_complete()))
    assert "\nShard shape        : (8,)\nChunk shape        : (2,)\n" in text
    assert text.endswith("\nShards Initialized : 1")
    old = repr(new_array(shape=(4,), dtype="u1", zarr_format=2).info)
    assert "Serializer" not in old
    assert "Compressors        : (Zstd(level=0),)" in old
    undefined = new_array(shape=(4,), dtype="u1", zarr_format=2, fill_value=None)
    assert "Fill value         : None" in repr(undefined.info)


@pytest.mark.parametrize("shards", [[[4, 8]], [[6, 6]]])
def test_info_of_shards_that_differ(new_array: NewArray, shards: Any) -> None:
    with config.set({"array.rectilinear_chunks": True}):
        array = new_array(shape=(12,), chunks=(2,), shards=shards, dtype="u1")
    array[:1] = 1
    shapes = "\nShard shape        : <variable>\nChunk shape        : (2,)\n"
    for found in (array.info, sync(array.async_array.info_complete())):
        assert shapes in repr(found)
        assert (found._shard_shape, found._chunk_shape) == ("<variable>", (2,))
    assert repr(array.info_complete()).endswith("\nShards Initialized : 1")
    assert "variable" in array._repr_html_()


def test_info_of_an_array_that_is_not_stored(new_array: NewArray) -> None:
    metadata = new_array(shape=(3,), dtype="i4").metadata
    array = Array.from_dict(StorePath(MemoryStore(), "q"), metadata.to_dict())
    text = repr(array.info_complete())
    assert "No. bytes stored   : 0\nChunks Initialized : 0" in text
    assert "Storage ratio" not in text


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1024 (1.0K)"),
        (2047, "2047 (2.0K)"),
        (2**20 - 1, "1048575 (1024.0K)"),
        (8000000, "8000000 (7.6M)"),
        (2**30, "1073741824 (1.0G)"),
        (2**40, "1099511627776 (1.0T)"),
        (2**60, "1152921504606846976 (1024.0P)"),
    ],
)
def test_readable_bytes(nbytes: int, text: str) -> None:
    assert byte_info(nbytes) == text


def test_group_info() -> None:
    info = GroupInfo(_name="a", _zarr_format=3, _read_only=False, _store_type="MemoryStore")
    text = (
        "Name        : a\nType        : Group\nZarr format : 3\nRead-only   : False\n"
        "Store type  : MemoryStore"
    )
    assert repr(info) == text
    counted = GroupInfo(
        _name="a",
        _zarr_format=3,
        _read_only=False,
        _store_type="MemoryStore",
        _count_members=3,
        _count_arrays=1,
        _count_groups=2,
    )
    assert repr(counted) == f"{text}\nNo. members : 3\nNo. arrays  : 1\nNo. groups  : 2"


# --- opening ----------------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_open(new_array: NewArray, zarr_format: Any) -> None:
    array = new_array(data=np.arange(3), name="a", zarr_format=zarr_format, attributes={"k": 1})
    for chosen in (zarr_format, None):
        node = sync(open_array_node(array.store_path, chosen, config={"order": "F"}))
        assert node.metadata == array.metadata
        assert node.config.order == "F"
        assert node.attrs == {"k": 1}
        same = sync(AsyncArray.open(array.store_path, zarr_format=chosen))
        assert same.metadata == array.metadata
    other = 5 - zarr_format
    with pytest.raises(ArrayNotFoundError, match=f"A Zarr V{other} array metadata document"):
        sync(AsyncArray.open(array.store_path, zarr_format=other))


def test_open_nothing(tmp_path: Path) -> None:
    place = StorePath(LocalStore(tmp_path), "x")
    with pytest.raises(ArrayNotFoundError, match="Neither Zarr V3 nor Zarr V2"):
        sync(open_array_node(place))
    with pytest.raises(FileNotFoundError):
        Array.open(place)
    with pytest.raises(MetadataValidationError, match="Got '5'"):
        sync(get_array_metadata(place, cast("Any", 5)))
    assert list(tmp_path.iterdir()) == []


def test_open_both_formats(new_array: NewArray) -> None:
    store: dict[str, Any] = {}
    new_array(store, data=np.arange(3), zarr_format=2)
    array = new_array(store, data=np.arange(4), zarr_format=3)
    with pytest.warns(ZarrUserWarning, match=r"Both zarr\.json .* Zarr v3 will be used"):
        assert sync(open_array_node(array.store_path)).shape == (4,)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (b"{broken", json.JSONDecodeError),
        (b"[]", TypeError),
        (b'{"zarr_format": 3}', NodeTypeValidationError),
        (b'{"zarr_format": 3, "node_type": "group"}', NodeTypeValidationError),
    ],
)
def test_open_what_is_no_array(
    new_array: NewArray, document: bytes, error: type[Exception]
) -> None:
    store: dict[str, Any] = {}
    array = new_array(store, shape=(3,), dtype="i4")
    store["zarr.json"] = type(store["zarr.json"]).from_bytes(document)
    with pytest.raises(error):
        sync(open_array_node(array.store_path))


@pytest.mark.parametrize(("zarr_format", "count"), [(None, 3), (2, 2), (3, 1)])
def test_documents_are_asked_for_at_once(
    new_array: NewArray, monkeypatch: pytest.MonkeyPatch, zarr_format: Any, count: int
) -> None:
    array = new_array(shape=(3,), dtype="i4", zarr_format=zarr_format or 3)
    waiting = 0
    most = 0
    get = MemoryStore.get

    async def slow(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        await steps()
        waiting -= 1
        return await get(self, *args, **kwargs)

    monkeypatch.setattr(MemoryStore, "get", slow)
    with config.set({"async.concurrency": 1}):
        sync(open_array_node(array.store_path, zarr_format))
    assert most == count


def test_v2_without_attributes_document(new_array: NewArray) -> None:
    store: dict[str, Any] = {}
    array = new_array(store, shape=(3,), dtype="i4", zarr_format=2)
    del store[".zattrs"]
    assert sync(get_array_metadata(array.store_path, 2))["attributes"] == {}
    assert sync(open_array_node(array.store_path)).attrs == {}


def test_bad_metadata(new_array: NewArray) -> None:
    place = new_array(shape=(3,), dtype="i4").store_path
    with pytest.raises(ValueError, match="Invalid zarr_format: 9"):
        AsyncArray.from_dict(place, {"zarr_format": 9})
    with pytest.raises(ValueError, match="Invalid zarr_format: None"):
        AsyncArray({}, place)


@pytest.mark.parametrize(
    ("dtype", "fill_value", "shown"), [("f4", 0.1, "0.10000000149011612"), ("i4", 3, "3")]
)
def test_the_fill_value_is_shown_in_full(dtype: str, fill_value: Any, shown: str) -> None:
    array = zarr.create_array({}, shape=(6,), dtype=dtype, fill_value=fill_value)
    assert f"Fill value         : {shown}\n" in str(array.info)
