"""Writing selections: values as NumPy takes them, and nothing touched by what cannot be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from zarr.core.array import Array
from zarr.core.buffer import default_buffer_prototype
from zarr.core.dtype import VariableLengthBytes
from zarr.core.sync import sync

NewArray = Callable[..., Any]

pytestmark = pytest.mark.filterwarnings("ignore:The data type:FutureWarning")


@pytest.fixture(
    params=[
        {"chunks": (2, 2)},
        {"chunks": (1, 1), "shards": (2, 2)},
        {"chunks": (2, 2), "zarr_format": 2, "order": "F"},
    ],
    ids=["v3", "sharded", "v2 F"],
)
def zeros(request: pytest.FixtureRequest, new_array: NewArray) -> Array[Any]:
    return new_array(shape=(4, 5), dtype="i4", **request.param)


VALUES: list[Any] = [
    1,
    True,
    1.7,
    "5",
    b"5",
    np.int64(2**40),
    np.float32(2.5),
    np.array(6),
    [1, 2, 3, 4, 5],
    ["1", "2", "3", "4", "5"],
    np.arange(5) + 0.9,
    np.arange(5, dtype=">i2"),
    np.array([2**40] * 5),
    np.arange(20).reshape(4, 5),
    np.arange(4)[:, None],
    np.ones((1, 5)),
    np.ones((1, 4, 5)),
    np.ones((1, 1, 1)),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_are_taken_as_numpy_takes_them(zeros: Any, value: Any) -> None:
    expected = np.zeros((4, 5), "i4")
    expected[...] = np.asarray(value).astype("i4")
    zeros[...] = value
    np.testing.assert_array_equal(zeros[...], expected)
    sync(zeros.async_array.setitem(..., 0))
    np.testing.assert_array_equal(zeros[...], 0)
    sync(zeros.async_array.setitem(..., value))
    np.testing.assert_array_equal(zeros[...], expected)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("x", ValueError),
        (None, TypeError),
        (1 + 2j, TypeError),
        (2**40, OverflowError),
        ([2**40] * 5, OverflowError),
        (float("nan"), ValueError),
        (np.arange(4), ValueError),
        (np.arange(20), ValueError),
        (np.ones((5, 5)), ValueError),
        (np.ones((4, 6)), ValueError),
        (np.ones((2, 4, 5)), ValueError),
        (np.ones((0, 5)), ValueError),
        ([[1, 2], [3]], ValueError),
        (np.array(["x"] * 5), ValueError),
    ],
    ids=repr,
)
def test_unsuitable_values_touch_nothing(zeros: Any, value: Any, error: type[Exception]) -> None:
    zeros[...] = 9
    writes: list[Callable[[], object]] = [
        lambda: zeros.__setitem__(slice(None), value),
        lambda: sync(zeros.async_array.setitem(slice(None), value)),
        lambda: zeros.oindex.__setitem__(slice(None), value),
        lambda: zeros.blocks.__setitem__(slice(None), value),
    ]
    for write in writes:
        with pytest.raises(error):
            write()
    np.testing.assert_array_equal(zeros[...], 9)


def test_a_value_larger_than_the_selection(zeros: Any) -> None:
    with pytest.raises(ValueError, match=r"from shape \(3, 3\) into shape \(2, 2\)"):
        zeros[1:3, 2:4] = np.ones((3, 3))
    with pytest.raises(ValueError, match="setting an array element with a sequence"):
        zeros[0, 0] = [1]
    with pytest.raises(ValueError, match="setting an array element with a sequence"):
        zeros.set_basic_selection((0, 0), np.array([[1]]))
    np.testing.assert_array_equal(zeros[...], 0)


@pytest.mark.parametrize(
    ("selection", "value"),
    [
        ((0, slice(None)), np.ones((1, 5))),
        ((slice(0, 1), slice(None)), np.arange(5)),
        ((slice(None), 1), np.arange(4)),
        ((slice(None, None, 2), slice(None)), np.arange(10).reshape(2, 5)),
        ((slice(1, 1), slice(None)), 5),
        ((slice(1, 1), slice(None)), np.zeros((0, 5))),
        ((slice(1, 3), slice(2, 4)), 5),
        ((-1, -1), 9),
        ((1, slice(1, None, 2)), [7, 8]),
        (([0, 2],), 8),
        (([0, 2], [1, 3]), [1, 2]),
        (([0, 2], slice(1, 3)), [[1, 2], [3, 4]]),
        (([3, 0], slice(None)), np.arange(5)),
    ],
    ids=repr,
)
def test_selections(zeros: Any, selection: Any, value: Any) -> None:
    expected = np.zeros((4, 5), "i4")
    expected[selection] = value
    zeros[selection] = value
    np.testing.assert_array_equal(zeros[...], expected)


def test_masks(zeros: Any) -> None:
    expected = np.zeros((4, 5), "i4")
    mask = np.eye(4, 5, dtype=bool)
    for value in (3, [1, 2, 3, 4], [7]):
        zeros[mask] = value
        expected[mask] = value
        np.testing.assert_array_equal(zeros[...], expected)
    with pytest.raises(ValueError, match="selection of 4 elements with an array of 2 elements"):
        zeros.set_mask_selection(mask, [1, 2])
    np.testing.assert_array_equal(zeros[...], expected)


def test_coordinates(zeros: Any) -> None:
    rows, columns = np.array([[0, 1], [2, 3]]), np.array([[4, 0], [1, 1]])
    expected = np.zeros((4, 5), "i4")
    for value in (np.arange(4).reshape(2, 2) + 1, np.array([5, 6]), np.array([[7], [8]]), 9):
        expected[rows, columns] = value
        zeros.set_coordinate_selection((rows, columns), value)
        np.testing.assert_array_equal(zeros[...], expected)
    # All values in one dimension will do as well.
    zeros.vindex[rows, columns] = [1, 2, 3, 4]
    np.testing.assert_array_equal(zeros.vindex[rows, columns], [[1, 2], [3, 4]])
    with pytest.raises(ValueError, match="selection of 4 elements with an array of 3 elements"):
        zeros.set_coordinate_selection((rows, columns), [1, 2, 3])


def test_of_duplicates_the_last_wins(zeros: Any) -> None:
    zeros.set_coordinate_selection(([0, 0, 3], [1, 1, 1]), [70, 80, 90])
    assert zeros[0, 1] == 80
    assert zeros[3, 1] == 90


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_broadcasting_is_that_of_numpy(new_array: NewArray, data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3)))
    value_shape = tuple(data.draw(st.lists(st.integers(0, 3), max_size=4)))
    value = np.arange(1, 1 + int(np.prod(value_shape)), dtype="i4").reshape(value_shape)
    array = new_array(shape=shape, dtype="i4", chunks=(2,) * len(shape), compressors=None)
    expected = np.zeros(shape, "i4")
    try:
        expected[...] = value
    except ValueError:
        with pytest.raises(ValueError, match="could not broadcast"):
            array[...] = value
    else:
        array[...] = value
    np.testing.assert_array_equal(array[...], expected)


def test_values_in_any_layout(new_array: NewArray) -> None:
    data = np.arange(20, dtype="f8").reshape(4, 5)
    array = new_array(shape=(4, 5), chunks=(3, 2), dtype="f8", compressors=None)
    for value in (
        np.asfortranarray(data),
        data[::-1],
        data[:, ::-1],
        np.broadcast_to(data[0], (4, 5)),
    ):
        array[...] = value
        np.testing.assert_array_equal(array[...], value)


def test_values_are_copied(new_array: NewArray) -> None:
    value = np.arange(4)
    array = new_array(shape=(4,), dtype=value.dtype, chunks=(4,), compressors=None)
    array[...] = value
    value[0] = 99
    np.testing.assert_array_equal(array[:], [0, 1, 2, 3])
    result = array[:]
    assert isinstance(result, np.ndarray)
    result[0] = 77
    np.testing.assert_array_equal(array[:], [0, 1, 2, 3])


def test_other_kinds_of_values(new_array: NewArray, zeros: Any) -> None:
    source = new_array(data=np.arange(10, dtype="f8").reshape(2, 5))
    zeros[0:2] = source
    sync(zeros.async_array.setitem(slice(2, 4), source))
    np.testing.assert_array_equal(zeros[...], np.arange(20).reshape(4, 5) % 10)
    zeros[0] = default_buffer_prototype().nd_buffer.from_numpy_array(np.full(5, 3))
    np.testing.assert_array_equal(zeros[0], 3)
    zeros[1] = np.ma.masked_array(np.arange(5), mask=[True, False, False, False, False])
    np.testing.assert_array_equal(zeros[1], np.arange(5))


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("M8[D]", ["2020-01-01", "NaT"], np.array(["2020-01-01", "NaT"], "M8[D]")),
        ("U3", ["abcdef", "z"], np.array(["abc", "z"])),
        ("S3", [b"ab", b"cdefg"], np.array([b"ab", b"cde"])),
        (str, [1, "é"], np.array(["1", "é"])),
        (str, "same", np.array(["same", "same"])),
        ("bool", [0, 2], np.array([False, True])),
        ("c8", [1, 2j], np.array([1, 2j], "c8")),
        (VariableLengthBytes(), [b"a", b"bc"], np.array([b"a", b"bc"], object)),
        (VariableLengthBytes(), b"zz", np.array([b"zz", b"zz"], object)),
        ([("i", "i4"), ("f", "f8")], (1, 2.5), np.array([(1, 2.5)] * 2, "i4,f8")),
        ([("i", "i4"), ("f", "f8")], 7, np.array([(7, 7.0)] * 2, "i4,f8")),
    ],
    ids=repr,
)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_data_types(
    new_array: NewArray, dtype: Any, value: Any, expected: Any, zarr_format: int
) -> None:
    array = new_array(shape=(2,), dtype=dtype, zarr_format=zarr_format)
    array[...] = value
    result = array[...]
    assert isinstance(result, np.ndarray)
    assert result.tolist() == expected.tolist()


def test_zero_dimensions(new_array: NewArray) -> None:
    array = new_array(shape=(), dtype="i4")
    array[()] = 5
    array[...] = array[()] + 1
    assert array[()] == 6
    with pytest.raises(ValueError, match="with a sequence"):
        array[()] = [1]


def test_empty_chunks_are_not_stored(new_array: NewArray) -> None:
    for write_empty, expected in ((False, ["c/1"]), (True, ["c/0", "c/1"])):
        store: dict[str, Any] = {}
        config = {"write_empty_chunks": write_empty}
        array = new_array(store, shape=(4,), chunks=(2,), dtype="i4", fill_value=3, config=config)
        array[...] = [3, 3, 3, 4]
        assert sorted(key for key in store if key != "zarr.json") == expected


def test_a_complete_chunk_is_not_read(new_array: NewArray, monkeypatch: pytest.MonkeyPatch) -> None:
    array = new_array(shape=(7,), chunks=(4,), dtype="i4")
    array[...] = 1
    reads: list[str] = []
    store_class = type(array.store)
    get, get_sync = store_class.get, store_class.get_sync

    async def counted(self: Any, key: str, *args: Any, **kwargs: Any) -> Any:
        reads.append(key)
        return await get(self, key, *args, **kwargs)

    def counted_sync(self: Any, key: str, **kwargs: Any) -> Any:
        reads.append(key)
        return get_sync(self, key, **kwargs)

    monkeypatch.setattr(store_class, "get", counted)
    monkeypatch.setattr(store_class, "get_sync", counted_sync)
    array[...] = 2
    array[4:] = 3  # the whole of the chunk at the border
    assert reads == []
    array[3:] = 4
    assert set(reads) == {"c/0"}


# --- read-only stores -------------------------------------------------------------------


def test_read_only(new_array: NewArray) -> None:
    array = new_array(data=np.arange(6), chunks=(2,))
    frozen = Array.open(array.store.with_read_only(True))
    assert frozen.read_only
    for change in (
        lambda: frozen.__setitem__(0, 1),
        lambda: frozen.set_mask_selection(np.ones(6, bool), 1),
        lambda: frozen.vindex.__setitem__([0], 1),
        lambda: frozen.resize((3,)),
        lambda: frozen.append([1]),
        lambda: frozen.attrs.update({"a": 1}),
        lambda: frozen.update_attributes({"a": 1}),
        lambda: sync(frozen.async_array.setitem(0, 1)),
    ):
        with pytest.raises(ValueError, match="read-only mode and does not support writing"):
            change()
    np.testing.assert_array_equal(array[:], np.arange(6))
    with pytest.raises(ValueError, match="read-only"):
        frozen[2:2] = 1  # although there is nothing to write
    assert frozen.shape == (6,)
    assert frozen.attrs.asdict() == {}


# --- fields -----------------------------------------------------------------------------

RECORDS = np.array([(1, 2.5), (3, 4.5), (5, 6.5)], [("i", "i4"), ("f", "f8")])


@pytest.fixture(params=[2, 3])
def records(request: pytest.FixtureRequest, new_array: NewArray) -> Array[Any]:
    return new_array(data=RECORDS, chunks=(2,), zarr_format=request.param)


@pytest.mark.parametrize(
    ("selection", "value"),
    [
        (slice(None), 7),
        (slice(None), [10, 20, 30]),
        (slice(1, None), [8, 9]),
        (0, 99),
        (slice(1, 1), 5),
    ],
    ids=repr,
)
def test_other_fields_keep_their_values(records: Any, selection: Any, value: Any) -> None:
    expected = RECORDS.copy()
    expected["i"][selection] = value
    records["i", selection] = value
    np.testing.assert_array_equal(records[:], expected)
    records[...] = RECORDS
    records.set_basic_selection(selection, value, fields=["i"])
    np.testing.assert_array_equal(records[:], expected)
    records[...] = RECORDS
    records.blocks["i"] = 4
    assert records[:].tolist() == [(4, 2.5), (4, 4.5), (4, 6.5)]


def test_fields_by_coordinates(records: Any) -> None:
    records.oindex["i", [0, 2]] = 1
    records.vindex["f", [2, 0]] = [8, 9]
    records.set_mask_selection(np.array([False, True, False]), 5, fields="i")
    assert records[:].tolist() == [(1, 9.0), (5, 4.5), (1, 8.0)]


def test_field_of_absent_chunks(new_array: NewArray) -> None:
    config = {"read_missing_chunks": False}
    array = new_array(shape=(3,), dtype=RECORDS.dtype, fill_value=(1, 2.0), config=config)
    array["f"] = 3
    assert array[:].tolist() == [(1, 3.0)] * 3


def test_refused_field_writes(records: Any) -> None:
    for fields, error in ((["i", "f"], IndexError), (("i", "f"), IndexError), ("nope", IndexError)):
        with pytest.raises(error):
            records.set_basic_selection(slice(None), 5, fields=fields)
    with pytest.raises(ValueError, match="could not broadcast"):
        records["i"] = [1, 2]
    np.testing.assert_array_equal(records[:], RECORDS)
