"""Which chunks are not stored: those whose elements have the bits of the fill value, if there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import zarr
from zarr.core.sync import sync

NewArray = Callable[..., Any]

pytestmark = pytest.mark.filterwarnings(
    "ignore:The data type:zarr.errors.UnstableSpecificationWarning"
)


def stored_chunks(store: dict[str, Any]) -> list[str]:
    return sorted(
        key for key in store if not key.rpartition("/")[2].startswith((".z", "zarr.json"))
    )


# --- no fill value ----------------------------------------------------------------------------

ZEROS: list[tuple[Any, Any]] = [
    ("i4", 0),
    ("f8", 0.0),
    ("?", False),
    ("c8", 0j),
    ("S3", b""),
    ("U3", ""),
    ("V2", b"\0\0"),
    ("M8[s]", np.datetime64("NaT")),
    ("m8[s]", np.timedelta64("NaT")),
    ([("a", "i4"), ("b", "f8")], (0, 0.0)),
    ("str", ""),
    (zarr.dtype.VariableLengthBytes(), b""),
]


@pytest.mark.parametrize("write_empty", [False, True])
@pytest.mark.parametrize(("dtype", "zero"), ZEROS, ids=str)
def test_without_a_fill_value_every_chunk_is_stored(
    new_array: NewArray, dtype: Any, zero: Any, write_empty: bool
) -> None:
    store: dict[str, Any] = {}
    array = new_array(
        store,
        shape=(6,),
        chunks=(2,),
        dtype=dtype,
        zarr_format=2,
        fill_value=None,
        config={"write_empty_chunks": write_empty},
    )
    array[...] = np.array([zero] * 6, dtype=array.dtype)
    assert stored_chunks(store) == ["0", "1", "2"]


def assigned(array: Any) -> None:
    array[0:2] = 0


def assigned_in_part(array: Any) -> None:
    array[0] = 0


def assigned_by_coordinates(array: Any) -> None:
    array.vindex[[0, 1]] = 0


def assigned_by_mask(array: Any) -> None:
    array.vindex[np.arange(4) < 2] = 0


def assigned_async(array: Any) -> None:
    sync(array.async_array.setitem(slice(0, 2), 0))


def assigned_in_part_async(array: Any) -> None:
    sync(array.async_array.setitem(slice(0, 1), 0))


@pytest.mark.parametrize("overwritten", [False, True])
@pytest.mark.parametrize(
    "assign",
    [
        assigned,
        assigned_in_part,
        assigned_by_coordinates,
        assigned_by_mask,
        assigned_async,
        assigned_in_part_async,
    ],
)
def test_however_zeros_are_written(
    new_array: NewArray, assign: Callable[[Any], None], overwritten: bool
) -> None:
    store: dict[str, Any] = {}
    array = new_array(store, shape=(4,), chunks=(2,), dtype="i4", zarr_format=2, fill_value=None)
    if overwritten:
        array[...] = [1, 0, 1, 0]
    assign(array)
    assert "0" in stored_chunks(store)
    assert array[0] == 0


def test_a_field_of_zeros_without_a_fill_value(new_array: NewArray) -> None:
    store: dict[str, Any] = {}
    dtype = [("a", "i4"), ("b", "f4")]
    array = new_array(store, shape=(2,), chunks=(1,), dtype=dtype, zarr_format=2, fill_value=None)
    array.set_basic_selection(slice(None), np.zeros(2, "i4"), fields="a")
    assert stored_chunks(store) == ["0", "1"]


# --- the bits of the fill value ---------------------------------------------------------------


def other_nan(dtype: str) -> npt.NDArray[Any]:
    """Return one NaN with a bit that NumPy's own does not have."""
    element = np.array([np.nan], dtype)
    element.view("u1")[0] ^= 1
    return element


def field_of(inner: npt.NDArray[Any], dtype: Any) -> npt.NDArray[Any]:
    return np.frombuffer(inner.tobytes(), dtype=dtype)


NESTED = [("x", [("y", "f8")])]
LOOK_ALIKES: list[tuple[npt.NDArray[Any], Any]] = [
    (np.array([-0.0], "f2"), 0.0),
    (np.array([-0.0], "f4"), 0.0),
    (np.array([-0.0], "f8"), 0.0),
    (np.array([-0.0], ">f8"), 0.0),
    (np.array([0.0]), -0.0),
    (np.array([complex(0.0, -0.0)], "c8"), 0),
    (np.array([complex(-0.0, 0.0)], "c16"), 0),
    (other_nan("<f2"), np.nan),
    (other_nan("<f4"), np.nan),
    (other_nan("<f8"), np.nan),
    (other_nan("<c8"), complex(np.nan, 0)),
    (other_nan("<c16"), complex(np.nan, 0)),
    (np.array([complex(np.nan, 1)]), complex(np.nan, 0)),
    (field_of(np.array([-0.0], "<f4"), [("a", "<f4")]), None),
    (field_of(np.array([0.0, -0.0]), [("a", "<f8"), ("b", "<f8")]), None),
    (field_of(np.array([-0.0]), NESTED), None),
    (field_of(other_nan("<f8"), NESTED), np.array((np.nan,), "f8").view([("y", "f8")])),
    (np.array([2], "u1").view("?"), True),
]


@pytest.mark.parametrize("layout", [{}, {"shards": (4,)}, {"zarr_format": 2}], ids=str)
@pytest.mark.parametrize(("element", "fill_value"), LOOK_ALIKES, ids=repr)
def test_what_only_looks_like_the_fill_value_is_stored(
    new_array: NewArray, layout: dict[str, Any], element: npt.NDArray[Any], fill_value: Any
) -> None:
    if isinstance(fill_value, np.ndarray):
        fill_value = np.full((), np.nan, "f8").view(element.dtype)[()]
    data = np.repeat(element, 8)
    store: dict[str, Any] = {}
    parameters = {"shape": (8,), "chunks": (2,), "dtype": data.dtype, "fill_value": fill_value}
    new_array(store, **parameters | layout)[...] = data
    read = np.asarray(zarr.open_array(store)[...])
    assert read.tobytes() == data.astype(read.dtype).tobytes()


@pytest.mark.parametrize("layout", [{}, {"shards": (4,)}, {"zarr_format": 2}], ids=str)
@pytest.mark.parametrize(
    ("dtype", "fill_value"),
    [
        ("f2", -0.0),
        ("f4", np.nan),
        (">f8", 1.5),
        ("c16", complex(0.0, -0.0)),
        ("c8", complex(np.nan, 1)),
        ("M8[s]", np.datetime64("NaT")),
        ("S3", b"ab"),
        ("U5", "abc"),
        ("V3", b"abc"),
        ([("a", "f4"), ("b", "S3")], None),
        (NESTED, None),
        ("str", "abc"),
        (zarr.dtype.VariableLengthBytes(), b"abc"),
    ],
    ids=str,
)
def test_chunks_of_fill_value_are_left_out(
    new_array: NewArray, layout: dict[str, Any], dtype: Any, fill_value: Any
) -> None:
    store: dict[str, Any] = {}
    if fill_value is None:
        fill_value = np.zeros((), dtype)[()]
    parameters = {"shape": (8,), "chunks": (2,), "dtype": dtype, "fill_value": fill_value}
    array = new_array(store, **parameters | layout)
    array[...] = array[...]
    assert stored_chunks(store) == []


def test_nan_that_format_2_cannot_spell_is_no_fill_value(new_array: NewArray) -> None:
    """The document says NaN, which is read back as another one."""
    element = other_nan("<f8")
    store: dict[str, Any] = {}
    array = new_array(
        store, shape=(2,), chunks=(1,), dtype="<f8", fill_value=element[0], zarr_format=2
    )
    array[...] = element[0]
    assert np.asarray(zarr.open_array(store)[...]).tobytes() == element.tobytes() * 2
