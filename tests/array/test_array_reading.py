"""Reading selections: like NumPy, whatever the chunks, the format, and the API."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from tests.waiting import PATIENCE

import zarr
from zarr.core.array import Array
from zarr.core.array._read import plan_read
from zarr.core.buffer import NDBuffer, default_buffer_prototype
from zarr.core.indexing import BasicIndexer
from zarr.core.sync import sync
from zarr.errors import BoundsCheckError, ChunkNotFoundError, VindexInvalidSelectionError
from zarr.storage import MemoryStore
from zarr.storage._utils import METADATA_NAMES

NewArray = Callable[..., Any]

LAYOUTS: dict[str, dict[str, Any]] = {
    "v3": {"chunks": (2, 4)},
    "one chunk": {"chunks": (5, 6)},
    "large chunk": {"chunks": (9, 9)},
    "single elements": {"chunks": (1, 1), "compressors": None},
    "sharded": {"chunks": (1, 2), "shards": (2, 4)},
    "v2": {"chunks": (2, 4), "zarr_format": 2},
    "v2 F": {"chunks": (2, 4), "zarr_format": 2, "order": "F"},
    "memory order F": {"chunks": (3, 4), "config": {"order": "F"}},
}
DATA = np.arange(30, dtype="int32").reshape(5, 6)

BOXES: list[Any] = [
    (),
    ...,
    slice(None),
    (slice(1, 4), slice(2, 5)),
    (slice(None, None, 2), slice(1, None, 3)),
    2,
    -1,
    (slice(None), 1),
    (1, slice(None)),
    (..., 3),
    (1, ...),
    (slice(3, 1), slice(None)),
    (slice(-2, None), slice(-100, 100)),
]


@pytest.fixture(params=LAYOUTS, scope="module")
def filled(request: pytest.FixtureRequest, new_array: NewArray) -> Array[Any]:
    array = new_array(shape=DATA.shape, dtype=DATA.dtype, **LAYOUTS[request.param])
    array[...] = DATA
    return array


@pytest.mark.parametrize("selection", BOXES, ids=repr)
def test_boxes(filled: Any, selection: Any) -> None:
    expected = DATA[selection]
    result = filled[selection]
    assert isinstance(result, np.ndarray)
    assert result.dtype == DATA.dtype
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(filled.get_basic_selection(selection), expected)
    np.testing.assert_array_equal(sync(filled.async_array.getitem(selection)), expected)


@pytest.mark.parametrize(
    "selection",
    [
        ([0, 2], [1, 3]),
        ([4, 0, 2], slice(None)),
        (slice(1, 4, 2), [0, 3]),
        (2, [1, 3]),
        ([0, 0, 2], [5]),
        (np.array([True, False, True, False, True]), [0, 1]),
    ],
    ids=repr,
)
def test_orthogonal(filled: Any, selection: Any) -> None:
    rows, columns = selection
    expected = np.take(DATA, rows, axis=0) if isinstance(rows, list | int) else DATA[rows]
    expected = expected[..., columns]
    for result in (
        filled.oindex[selection],
        filled.get_orthogonal_selection(selection),
        sync(filled.async_array.get_orthogonal_selection(selection)),
        sync(filled.async_array.oindex.getitem(selection)),
    ):
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    "selection",
    [
        ([0, 2], [1, 3]),
        ([4, 0, 4], [5, 0, 5]),
        ([[0, 1], [2, 3]], [[0, 1], [2, 3]]),
        ([[0], [1]], [1, 2]),
        ([-1], [-6]),
    ],
    ids=repr,
)
def test_coordinates(filled: Any, selection: Any) -> None:
    points = tuple(np.array(item) for item in selection)
    expected = DATA[points]
    for result in (
        filled[points],
        filled.vindex[selection],
        filled.get_coordinate_selection(selection),
        sync(filled.async_array.get_coordinate_selection(selection)),
        sync(filled.async_array.vindex.getitem(selection)),
    ):
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("limit", [-1, 7, 40])
def test_masks(filled: Any, limit: int) -> None:
    mask = limit < DATA
    for result in (
        filled[mask],
        filled.vindex[mask],
        filled.get_mask_selection(mask),
        sync(filled.async_array.get_mask_selection(mask)),
        sync(filled.async_array.vindex.getitem(mask)),
    ):
        np.testing.assert_array_equal(result, DATA[mask])


def test_blocks_are_stored_chunks(filled: Any) -> None:
    rows, columns = (sizes[0] for sizes in filled.write_chunk_sizes)
    np.testing.assert_array_equal(filled.blocks[0, 0], DATA[:rows, :columns])
    np.testing.assert_array_equal(filled.get_block_selection(0), DATA[:rows])


def test_single_elements(filled: Any) -> None:
    # Plain integers give an array without dimensions, as recorded; the box methods give a scalar.
    assert isinstance(filled[1, 2], np.ndarray)
    assert filled[1, 2] == DATA[1, 2]
    for scalar in (
        filled[np.int64(1), 2],
        filled[1, 2, ...],
        filled.get_basic_selection((1, 2)),
        sync(filled.async_array.getitem((1, 2))),
    ):
        assert isinstance(scalar, np.int32)
        assert scalar == DATA[1, 2]


def test_result_layout(filled: Any) -> None:
    result = filled[...]
    assert isinstance(result, np.ndarray)
    assert result.flags.f_contiguous if filled.order == "F" else result.flags.c_contiguous
    assert result.flags.writeable


@pytest.mark.parametrize(
    ("selection", "error"),
    [
        (5, BoundsCheckError),
        ((0, -7), BoundsCheckError),
        ((0, 0, 0), IndexError),
        (None, IndexError),
        (1.5, IndexError),
        (slice(None, None, -1), IndexError),
        ("name", IndexError),
        (np.array([True, False, True, False, True]), VindexInvalidSelectionError),
        ((..., ...), IndexError),
    ],
    ids=repr,
)
def test_refused_selections(filled: Any, selection: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        filled[selection]


@st.composite
def _arrays_and_boxes(draw: st.DrawFn) -> tuple[tuple[int, ...], dict[str, Any], Any]:
    shape = tuple(draw(st.lists(st.integers(0, 7), min_size=0, max_size=3)))
    chunks = tuple(draw(st.integers(1, 5)) for _ in shape)
    layout: dict[str, Any] = {"chunks": chunks, "zarr_format": draw(st.sampled_from([2, 3]))}
    if layout["zarr_format"] == 3 and draw(st.booleans()):
        layout["shards"] = tuple(length * draw(st.integers(1, 2)) for length in chunks)
    box = tuple(
        draw(
            st.slices(length).filter(lambda s: (s.step or 1) > 0)
            if length == 0 or draw(st.booleans())
            else st.integers(-length, length - 1)
        )
        for length in shape
    )
    return shape, layout, box


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=_arrays_and_boxes())
def test_a_box_is_what_numpy_selects(new_array: NewArray, case: Any) -> None:
    shape, layout, box = case
    data = np.arange(1, 1 + int(np.prod(shape)), dtype="u2").reshape(shape)
    array = new_array(shape=shape, dtype=data.dtype, compressors=None, **layout)
    array[...] = data
    np.testing.assert_array_equal(array[box], data[box])
    array[box] = 0
    data[box] = 0
    np.testing.assert_array_equal(array[...], data)


# --- into a buffer of the caller --------------------------------------------------------


def _buffer(array: np.ndarray[Any, Any]) -> NDBuffer:
    return default_buffer_prototype().nd_buffer.from_numpy_array(array)


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((5, 3), "int32"),
        np.zeros((5, 3), "int32", order="F"),
        np.zeros((10, 6), "int32")[::2, ::2],
        np.zeros((5, 3), "int64"),
        np.zeros((5, 3), ">i4"),
        np.zeros((5, 3), "int16"),
        np.zeros((5, 3), "float64"),
    ],
    ids=lambda out: f"{out.dtype.str} {out.strides}",
)
def test_out(filled: Any, out: np.ndarray[Any, Any]) -> None:
    out[...] = 0
    result = filled.get_basic_selection((slice(None), slice(1, 4)), out=_buffer(out))
    assert result is not None
    np.testing.assert_array_equal(out, DATA[:, 1:4])
    np.testing.assert_array_equal(result, DATA[:, 1:4])


def test_pipelines_read_the_data_type_of_the_array(new_array: NewArray) -> None:
    array = new_array(shape=(4,), dtype="i4").async_array
    indexer = BasicIndexer(..., array.shape, array._chunk_grid)
    for dtype, direct in (("i4", True), ("i8", False), (">i4", False)):
        out = _buffer(np.zeros(4, dtype))
        plan = plan_read(array, indexer, out=out)
        assert plan.target.dtype == "i4"
        assert (plan.target is out) == direct


@pytest.mark.parametrize("shape", [(2, 2), (4,)])
def test_out_of_coordinates(filled: Any, shape: tuple[int, ...]) -> None:
    points = (np.array([[0, 1], [2, 4]]), np.array([[5, 1], [0, 3]]))
    out = np.zeros(shape, "int32")
    result = filled.get_coordinate_selection(points, out=_buffer(out))
    np.testing.assert_array_equal(out, DATA[points].reshape(shape))
    np.testing.assert_array_equal(result, DATA[points])


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (np.zeros((5, 3), "int32"), TypeError, "needs to be an NDBuffer"),
        (_buffer(np.zeros((3, 5), "int32")), ValueError, r"Expected \(5, 3\), got \(3, 5\)"),
        (_buffer(np.zeros((5, 3), "bool")), TypeError, "dtype of out"),
        (_buffer(np.zeros((5, 3), "uint8")), TypeError, "dtype of out"),
    ],
)
def test_unsuitable_out(filled: Any, out: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        filled.get_basic_selection((slice(None), slice(1, 4)), out=out)


# --- absent chunks ----------------------------------------------------------------------


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_absent_chunks_read_as_fill_value(new_array: NewArray, zarr_format: int) -> None:
    array = new_array(shape=(5,), chunks=(2,), dtype="i4", fill_value=7, zarr_format=zarr_format)
    array[2:4] = [1, 2]
    np.testing.assert_array_equal(array[:], [7, 7, 1, 2, 7])


def test_undefined_fill_value_reads_as_zero(new_array: NewArray) -> None:
    array = new_array(shape=(3,), dtype="i4", fill_value=None, zarr_format=2)
    assert array.fill_value is None
    np.testing.assert_array_equal(array[:], [0, 0, 0])


@pytest.mark.parametrize("pure_async", [False, True])
def test_absent_chunks_are_all_named(new_array: NewArray, pure_async: bool) -> None:
    config = {"read_missing_chunks": False}
    array = new_array(name="a", shape=(8,), chunks=(2,), dtype="i4", config=config)
    array[2:4] = 1
    np.testing.assert_array_equal(array[2:4], [1, 1])

    def read() -> Any:
        return sync(array.async_array.getitem(...)) if pure_async else array[:]

    with pytest.raises(ChunkNotFoundError) as caught:
        read()
    assert str(caught.value) == (
        f"3 chunk(s) not found in store '{array.store}/a'.\n"
        "Set the 'array.read_missing_chunks' config to True to fill missing chunks with the fill "
        "value.\nMissing chunks:\n"
        "  chunk 'c/0' (grid position (0,))\n"
        "  chunk 'c/2' (grid position (2,))\n"
        "  chunk 'c/3' (grid position (3,))"
    )


def test_a_fault_is_no_absent_chunk(new_array: NewArray, monkeypatch: pytest.MonkeyPatch) -> None:
    array = new_array(shape=(4,), chunks=(2,), dtype="i4")
    array[...] = 5
    store: Any = array.store

    def broken(*_: Any, **__: Any) -> Any:
        raise PermissionError("no")

    async def broken_async(*_: Any, **__: Any) -> Any:
        raise PermissionError("no")

    monkeypatch.setattr(type(store), "get", broken_async)
    monkeypatch.setattr(type(store), "get_sync", broken)
    with pytest.raises(PermissionError):
        array[:]


# --- who decodes, and for whom ----------------------------------------------------------


def test_a_pipeline_without_sync_methods(
    new_array: NewArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = new_array(shape=(4,), chunks=(2,), dtype="i4")
    inner: Any = array.async_array.codec_pipeline

    class AsyncOnly:
        async def read(self, *arguments: Any) -> Any:
            return await inner.read(*arguments)

        async def write(self, *arguments: Any) -> None:
            await inner.write(*arguments)

    object.__setattr__(array.async_array, "codec_pipeline", AsyncOnly())
    array[1:3] = [5, 6]
    np.testing.assert_array_equal(array[:], [0, 5, 6, 0])


def test_a_pipeline_that_does_not_tell_what_is_absent(new_array: NewArray) -> None:
    array = new_array(shape=(4,), dtype="i4", config={"read_missing_chunks": False})
    array[...] = 1

    class Silent:
        async def read(self, *_: Any) -> None:
            return None

    object.__setattr__(array.async_array, "codec_pipeline", Silent())
    with pytest.raises(RuntimeError, match="Silent does not report"):
        array[:]


def test_threads_read_at_once(new_array: NewArray) -> None:
    array = new_array(shape=(64, 64), chunks=(8, 8), dtype="i4")
    data = np.arange(64 * 64, dtype="i4").reshape(64, 64)
    array[...] = data
    start = threading.Barrier(4)

    def read(row: int) -> bool:
        start.wait(PATIENCE)
        return all(np.array_equal(array[row : row + 32], data[row : row + 32]) for _ in range(5))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, (0, 8, 16, 32)))


async def test_reads_on_a_loop_of_the_user(new_array: NewArray) -> None:
    array = await asyncio.to_thread(new_array, shape=(6,), chunks=(2,), dtype="i4")
    inner = array.async_array
    await asyncio.gather(*(inner.setitem(slice(i, i + 2), i) for i in (0, 2, 4)))
    parts = await asyncio.gather(*(inner.getitem(slice(i, i + 3)) for i in (0, 3)))
    np.testing.assert_array_equal(np.concatenate(parts), [0, 0, 2, 2, 4, 4])


# --- NumPy ------------------------------------------------------------------------------


def test_as_numpy_array(filled: Any) -> None:
    np.testing.assert_array_equal(np.asarray(filled), DATA)
    assert np.asarray(filled, dtype="f4").dtype == "f4"
    assert np.array(filled, copy=True).dtype == DATA.dtype
    with pytest.raises(ValueError, match="always creates a copy"):
        np.array(filled, copy=False)


def test_iteration_and_membership(new_array: NewArray) -> None:
    array = new_array(data=np.arange(4).reshape(2, 2))
    assert [row.tolist() for row in array] == [[0, 1], [2, 3]]
    assert list(new_array(shape=(), dtype="i4")) == []
    assert 2 in new_array(data=np.arange(4))
    assert bool(new_array(shape=(0,), dtype="i4"))
    with pytest.raises(TypeError):
        len(array)


# --- fields -----------------------------------------------------------------------------

RECORD = np.dtype([("i", "i4"), ("f", "f8"), ("p", "i2", (2,))])
RECORDS = np.array([(1, 2.5, (1, 2)), (3, 4.5, (3, 4)), (5, 6.5, (5, 6))], RECORD)


@pytest.fixture(params=[2, 3])
def records(request: pytest.FixtureRequest, new_array: NewArray) -> Array[Any]:
    plain = RECORDS[["i", "f"]].astype([("i", "i4"), ("f", "f8")])
    array = new_array(shape=(3,), chunks=(2,), dtype=plain.dtype, zarr_format=request.param)
    array[...] = plain
    return array


def test_one_field(records: Any) -> None:
    expected = RECORDS["f"]
    for result in (
        records["f"],
        records["f", :],
        records[..., "f"],
        records.get_basic_selection(fields="f"),
        records.oindex["f"],
        records.vindex["f", [0, 1, 2]],
        records.get_mask_selection(np.ones(3, bool), fields="f"),
        records.blocks["f"],
        sync(records.async_array.get_orthogonal_selection(slice(None), fields="f")),
    ):
        assert isinstance(result, np.ndarray)
        assert result.dtype == "f8"
        np.testing.assert_array_equal(result, expected)
        assert result.flags.contiguous


def test_several_fields(records: Any) -> None:
    result = records.get_basic_selection(slice(1, None), fields=["f", "i"])
    assert isinstance(result, np.ndarray)
    assert result.dtype == np.dtype([("f", "f8"), ("i", "i4")])
    assert result.tolist() == [(4.5, 3), (6.5, 5)]
    assert records["i", "f"].tolist() == records[:].tolist()


def test_field_of_one_element(records: Any) -> None:
    assert records["i", 1] == 3
    assert records.get_basic_selection(1, fields="f") == 4.5


def test_field_into_out(records: Any) -> None:
    out = np.zeros(2, "f4")
    records.get_basic_selection(slice(0, 2), fields="f", out=_buffer(out))
    np.testing.assert_array_equal(out, [2.5, 4.5])


def test_unknown_fields(records: Any) -> None:
    with pytest.raises(IndexError, match="field not found"):
        records["nope"]
    with pytest.raises(IndexError, match="field not found"):
        records["nope"] = 1


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("path", ["", "a", "50%", "%d/%s", "a/%%"])
def test_chunks_are_where_their_keys_say(path: str, zarr_format: Any) -> None:
    store = MemoryStore()
    array = zarr.create_array(
        store, name=path or None, shape=(2, 3), chunks=(1, 2), dtype="i1", zarr_format=zarr_format
    )
    array[:] = 1
    base = f"{path}/" if path else ""
    chunks = {base + array.metadata.encode_chunk_key((i, j)) for i in range(2) for j in range(2)}
    assert {key for key in store._store_dict if key.split("/")[-1] not in METADATA_NAMES} == chunks
    np.testing.assert_array_equal(array[:], np.ones((2, 3)))


@pytest.mark.parametrize("fields", ["a", ["b", "a"], ["a"]])
@pytest.mark.parametrize("order", ["C", "F"])
def test_fields_lie_in_the_order_of_the_array(order: Any, fields: Any) -> None:
    values = np.zeros((3, 4), dtype=[("a", "i4"), ("b", "f8")])
    values["a"], values["b"] = np.arange(12).reshape(3, 4), np.arange(12.0).reshape(3, 4) / 2
    array = zarr.create_array({}, data=values, chunks=(2, 2), zarr_format=2, order=order)
    found: Any = array.get_basic_selection(fields=fields)
    np.testing.assert_array_equal(found, values[fields])
    assert found.flags["F_CONTIGUOUS" if order == "F" else "C_CONTIGUOUS"]
