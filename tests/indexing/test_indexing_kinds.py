"""Which selections count as what, field names, accessors, and orders of chunks."""

from __future__ import annotations

import inspect
import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zarr.core.indexing as indexing
from zarr.core.indexing import (
    AsyncOIndex,
    AsyncVIndex,
    BlockIndex,
    OIndex,
    VIndex,
    check_fields,
    check_no_multi_fields,
    colexicographic_order_coords,
    decode_morton,
    decode_morton_vectorized,
    is_basic_selection,
    is_bool,
    is_bool_array,
    is_bool_list,
    is_contiguous_selection,
    is_coordinate_selection,
    is_int_or_bool_iterable,
    is_integer,
    is_integer_array,
    is_integer_list,
    is_mask_selection,
    is_positive_slice,
    is_pure_fancy_indexing,
    is_pure_orthogonal_indexing,
    is_scalar,
    lexicographic_order_coords,
    morton_order_coords,
    pop_fields,
)
from zarr.errors import VindexInvalidSelectionError

INTS = np.arange(3)
BOOLS = np.ones(3, dtype=bool)
RECORD = np.dtype([("a", "i4"), ("b", "f8")])
ALL = slice(None)


@pytest.mark.parametrize(
    ("predicate", "yes", "no"),
    [
        (is_integer, [3, np.int8(3)], [True, np.True_, 3.0, np.array(3), "3"]),
        (is_bool, [True, np.True_], [1, np.array(True)]),
        (is_integer_array, [INTS, np.array(3), INTS.astype("u1")], [np.int64(3), [1], BOOLS]),
        (is_bool_array, [BOOLS, np.array(True)], [[True], np.True_, INTS]),
        (is_integer_list, [[1, 2], [np.int64(1)]], [[], (1, 2), [1, True], [1.0]]),
        (is_bool_list, [[True, False]], [[], (True,), [True, 1]]),
        (
            is_int_or_bool_iterable,
            [[1], [True], INTS, BOOLS, INTS.reshape(1, 3)],
            [[], (1, 2), "ab", [[1]], range(3), [True, 1], 3],
        ),
        (is_positive_slice, [ALL, slice(1, 2, 3)], [slice(None, None, -1), 3]),
        (
            is_contiguous_selection,
            [ALL, ..., (..., slice(1)), (), slice(0, 9, 1)],
            [(slice(1), 3), (slice(1, 2, 2),), 3, ([1],)],
        ),
        (
            is_basic_selection,
            [3, ALL, (1, ALL), ()],
            [..., (..., 1), ([1],), True, slice(5, 0, -1)],
        ),
    ],
)
def test_predicates(predicate: Any, yes: list[Any], no: list[Any]) -> None:
    assert [bool(predicate(item)) for item in yes] == [True] * len(yes)
    assert [bool(predicate(item)) for item in no] == [False] * len(no)


def test_number_of_dimensions_of_arrays() -> None:
    assert is_integer_array(INTS, 1)
    assert not is_integer_array(INTS, 2)
    assert is_bool_array(BOOLS.reshape(1, 3), 2)


@pytest.mark.parametrize(
    ("selection", "shape", "coordinates", "mask"),
    [
        ((np.array([1]), 2), (4, 4), True, False),
        (([1], [2]), (4, 4), False, False),
        ((np.array([1]),), (4, 4), False, False),
        (np.array([1]), (4,), False, False),
        ((slice(1), np.array([1])), (4, 4), False, False),
        ((np.ones((2, 2), dtype=bool),), (2, 2), False, True),
        ((np.ones((2, 3), dtype=bool),), (2, 2), False, False),
        (np.ones((2, 2), dtype=bool), (2, 2), False, False),
        ((np.ones((2, 2)),), (2, 2), False, False),
    ],
)
def test_coordinates_and_masks(
    selection: Any, shape: tuple[int, ...], coordinates: bool, mask: bool
) -> None:
    assert is_coordinate_selection(selection, shape) is coordinates
    assert is_mask_selection(selection, shape) is mask


@pytest.mark.parametrize(
    ("selection", "ndim", "fancy", "orthogonal"),
    [
        (3, 1, False, True),
        (np.int64(3), 1, False, False),
        (True, 1, False, True),
        (None, 1, False, False),
        ("x", 1, False, False),
        (ALL, 1, False, True),
        (..., 1, False, False),
        ([1, 2], 1, True, True),
        ([1, 2], 2, False, True),
        ([], 1, False, False),
        ([1.5], 1, False, False),
        ([[0, 2]], 2, False, False),
        (INTS, 1, True, True),
        (INTS, 2, False, True),
        (INTS.reshape(1, 3), 1, True, True),
        (np.array(3), 1, True, True),
        (BOOLS, 1, True, True),
        (BOOLS, 2, True, True),
        ([True, False], 1, True, True),
        ([True, False], 2, False, True),
        ((1, 2), 2, False, True),
        ((1, 2), 3, False, True),
        ((1, 2), 1, False, False),
        (([1], 2), 2, True, True),
        (([1], [2]), 2, True, True),
        (([1], [2]), 3, False, False),
        (([1], [1], [1]), 3, True, True),
        (([1], [1], ALL), 3, False, False),
        ((1, [2, 3], 4), 3, True, True),
        ((np.array([[0], [1]]), [1, 2]), 2, True, True),
        (([[0], [1]], [1, 2]), 2, False, False),
        (([1], ALL), 2, False, True),
        ((ALL, [1]), 3, False, True),
        (([1], ALL, ALL), 2, False, False),
        ((BOOLS, 1), 2, False, True),
        ((BOOLS, BOOLS), 2, False, True),
        ((..., [1]), 2, False, False),
        ((None, [1]), 2, False, False),
        ((), 0, False, False),
        ((), 2, False, True),
        (0, 0, False, False),
    ],
)
def test_what_square_brackets_mean(
    selection: Any, ndim: int, fancy: bool, orthogonal: bool
) -> None:
    assert is_pure_fancy_indexing(selection, ndim) is fancy
    assert is_pure_orthogonal_indexing(selection, ndim) is orthogonal


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (3, np.dtype("i4"), True),
        ("a", np.dtype("i4"), True),
        (np.array(3), np.dtype("i4"), True),
        (np.array([3]), np.dtype("i4"), False),
        ([1], np.dtype("i4"), False),
        (None, np.dtype("i4"), False),
        ((1, 2.0), np.dtype("i4"), False),
        ((1, 2.0), RECORD, True),
        ((1,), RECORD, False),
        (np.zeros((), dtype=RECORD)[()], RECORD, True),
    ],
)
def test_scalars(value: Any, dtype: np.dtype[Any], expected: bool) -> None:
    assert is_scalar(value, dtype) is expected


# --- fields -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selection", "fields", "rest"),
    [
        ("a", "a", ()),
        (("a", 1), "a", 1),
        ((1, "a"), "a", 1),
        (("a", "b", 1), ["a", "b"], 1),
        (("a", 1, 2), "a", (1, 2)),
        (("a",), "a", ()),
        (1, None, 1),
        ([1, 2], None, [1, 2]),
        (["a", "b"], None, ["a", "b"]),
        ((1, 2), [], (1, 2)),
        ((), [], ()),
    ],
)
def test_fields_are_taken_out_of_a_selection(selection: Any, fields: Any, rest: Any) -> None:
    assert pop_fields(selection) == (fields, rest)


def test_data_type_of_fields() -> None:
    assert check_fields(None, RECORD) == RECORD
    assert check_fields([], np.dtype("i4")) == np.dtype("i4")
    assert check_fields("a", RECORD) == np.dtype("i4")
    assert check_fields(["b", "a"], RECORD) == np.dtype([("b", "f8"), ("a", "i4")])


@pytest.mark.parametrize(
    ("fields", "dtype", "message"),
    [
        ("c", RECORD, "invalid 'fields' argument, field not found: KeyError(\"Field named 'c'"),
        (["a", "c"], RECORD, "invalid 'fields' argument, field not found"),
        ("a", np.dtype("i4"), "invalid 'fields' argument, array does not have any fields"),
        (3, RECORD, "'fields' argument must be a string or list of strings; found <class 'int'>"),
        ([3], RECORD, "'fields' argument must be a string or list of strings; found"),
    ],
)
def test_fields_that_do_not_exist(fields: Any, dtype: np.dtype[Any], message: str) -> None:
    with pytest.raises(IndexError) as caught:
        check_fields(fields, dtype)
    assert str(caught.value).startswith(message)


def test_one_field_at_most() -> None:
    assert check_no_multi_fields(None) is None
    assert check_no_multi_fields(["a"]) == check_no_multi_fields("a") == "a"
    assert check_no_multi_fields([]) == []
    with pytest.raises(IndexError, match="multiple fields are not supported"):
        check_no_multi_fields(["a", "b"])


# --- accessors --------------------------------------------------------------------------


class Recorder:
    """Stands for an array: notes the call an accessor makes of it."""

    shape = (3, 4)

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, Any]] = []

    def __getattr__(self, name: str) -> Any:
        if not name.endswith("_selection"):
            raise AttributeError(name)

        def call(selection: Any, *value: Any, fields: Any) -> Any:
            items = tuple(
                item.tolist() if isinstance(item, np.ndarray) else item for item in selection
            )
            self.calls.append((name, (items, *value), fields))
            return name

        return call


class AsyncRecorder(Recorder):
    def __getattr__(self, name: str) -> Any:
        call = super().__getattr__(name)

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            return call(*args, **kwargs)

        return awaited


MASK = np.eye(3, 4, dtype=bool)
ACCESSES: list[tuple[Any, Any, str, Any, Any]] = [
    (OIndex, [0, 2], "orthogonal", ([0, 2],), None),
    (OIndex, ("a", [0, 2], 1), "orthogonal", ([0, 2], 1), "a"),
    (OIndex, ..., "orthogonal", (...,), None),
    (OIndex, "a", "orthogonal", (), "a"),
    (VIndex, ([0, 1], [1, 1]), "coordinate", ([0, 1], [1, 1]), []),
    (VIndex, ("a", [0, 1], [1, 1]), "coordinate", ([0, 1], [1, 1]), "a"),
    (VIndex, (1, 2), "coordinate", (1, 2), []),
    (VIndex, MASK, "mask", (MASK.tolist(),), None),
    (BlockIndex, 1, "block", (1,), None),
    (BlockIndex, ("a", 1, ALL), "block", (1, ALL), "a"),
]


@pytest.mark.parametrize(("accessor", "selection", "kind", "items", "fields"), ACCESSES)
async def test_accessors_call_the_method_for_the_selection(
    accessor: Any, selection: Any, kind: str, items: Any, fields: Any
) -> None:
    array = Recorder()
    assert accessor(array)[selection] == f"get_{kind}_selection"
    accessor(array)[selection] = 7
    assert array.calls == [
        (f"get_{kind}_selection", (items,), fields),
        (f"set_{kind}_selection", (items, 7), fields),
    ]
    twins: dict[Any, Any] = {OIndex: AsyncOIndex, VIndex: AsyncVIndex}
    if accessor in twins:
        remote = AsyncRecorder()
        assert await twins[accessor](remote).getitem(selection) == f"get_{kind}_selection"
        assert remote.calls == array.calls[:1]


@pytest.mark.parametrize("selection", [([0, 1], ALL), ..., [0, 1], np.ones((2, 2), dtype=bool)])
async def test_vindex_refuses_what_selects_no_points(selection: Any) -> None:
    array = Recorder()
    with pytest.raises(VindexInvalidSelectionError, match="vectorized indexing"):
        VIndex(array)[selection]
    with pytest.raises(VindexInvalidSelectionError, match="vectorized indexing"):
        VIndex(array)[selection] = 1
    with pytest.raises(VindexInvalidSelectionError, match="vectorized indexing"):
        await AsyncVIndex(AsyncRecorder()).getitem(selection)
    assert array.calls == []


def test_accessors_of_one_array_are_equal() -> None:
    array = Recorder()
    assert OIndex(array) == OIndex(array)
    assert hash(VIndex(array)) == hash(VIndex(array))
    assert BlockIndex(array) != BlockIndex(Recorder())


# --- orders -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((), [()]),
        ((0, 2), []),
        ((5,), [(0,), (1,), (2,), (3,), (4,)]),
        ((2, 2), [(0, 0), (1, 0), (0, 1), (1, 1)]),
        ((2, 3), [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]),
        ((4, 1), [(0, 0), (1, 0), (2, 0), (3, 0)]),
        (
            (3, 3),
            [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (2, 1), (0, 2), (1, 2), (2, 2)],
        ),
    ],
)
def test_morton_order(shape: tuple[int, ...], expected: list[tuple[int, ...]]) -> None:
    assert morton_order_coords(shape) == tuple(expected)


@given(st.lists(st.integers(0, 6), max_size=4).map(tuple))
def test_orders_visit_every_position_once(shape: tuple[int, ...]) -> None:
    positions = list(np.ndindex(shape))
    assert list(lexicographic_order_coords(shape)) == positions
    assert list(colexicographic_order_coords(shape)) == sorted(positions, key=lambda p: p[::-1])
    assert sorted(morton_order_coords(shape)) == positions


@given(st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple))
def test_morton_order_is_that_of_the_codes(shape: tuple[int, ...]) -> None:
    bits = sum((n - 1).bit_length() for n in shape)
    decoded = [decode_morton(code, shape) for code in range(2**bits)]
    inside = [p for p in decoded if all(x < n for x, n in zip(p, shape, strict=True))]
    assert tuple(inside) == morton_order_coords(shape)
    codes = np.arange(2**bits, dtype="u8")
    assert list(map(tuple, decode_morton_vectorized(codes, shape).tolist())) == decoded


def test_axes_without_bits_left_are_skipped() -> None:
    order = morton_order_coords((2, 8))
    assert order == tuple((x, y) for y, x in itertools.product(range(8), range(2)))


# --- the package ------------------------------------------------------------------------


def test_names_are_found_and_pickled_at_the_public_path() -> None:
    for name in indexing.__all__:
        obj = getattr(indexing, name)
        if inspect.isclass(obj) or inspect.isfunction(obj):
            assert obj.__module__ in ("zarr.core.indexing", "builtins", "types", "typing"), name
    projection = indexing.ChunkProjection((0,), (slice(1),), (slice(1),), True)
    assert pickle.loads(pickle.dumps(projection)) == projection
    assert pickle.loads(pickle.dumps(morton_order_coords)) is morton_order_coords
