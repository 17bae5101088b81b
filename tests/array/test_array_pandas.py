"""Text of pandas: strings of variable length, none of which may be missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import zarr
from zarr.core.dtype import VariableLengthUTF8

pandas = pytest.importorskip("pandas")

DTYPES = [pandas.StringDtype("python"), pandas.StringDtype("python", na_value=np.nan)]

BY_DTYPE: dict[str, Callable[[Any], Any]] = {
    "create_array": lambda dtype: zarr.create_array({}, shape=2, dtype=dtype),
    "create_array v2": lambda dtype: zarr.create_array({}, shape=2, dtype=dtype, zarr_format=2),
    "create": lambda dtype: zarr.create(2, store={}, dtype=dtype),
    "zeros": lambda dtype: zarr.zeros(2, store={}, dtype=dtype),
    "group": lambda dtype: zarr.group().create_array("x", shape=2, dtype=dtype),
    "require": lambda dtype: zarr.group().require_array("x", shape=2, dtype=dtype),
}
BY_DATA: dict[str, Callable[[Any], Any]] = {
    "array": zarr.array,
    "array v2": lambda data: zarr.array(data, zarr_format=2),
    "create_array": lambda data: zarr.create_array({}, data=data),
    "from_array": lambda data: zarr.from_array({}, data=data),
    "group": lambda data: zarr.group().create_array("x", data=data),
    "in chunks": lambda data: zarr.from_array({}, data=data, chunks=(1,)),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
@pytest.mark.parametrize("way", BY_DTYPE)
def test_the_dtype_is_taken(way: str, dtype: Any) -> None:
    array = BY_DTYPE[way](dtype)
    assert array.metadata.dtype == VariableLengthUTF8()
    array[:] = pandas.Series(["a", "bb"], dtype=dtype)
    assert list(array[:]) == ["a", "bb"]


@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
@pytest.mark.parametrize("of", [lambda series: series, lambda series: series.array])
@pytest.mark.parametrize("way", BY_DATA)
def test_data_are_taken(way: str, of: Callable[[Any], Any], dtype: Any) -> None:
    array = BY_DATA[way](of(pandas.Series(["a", "bb"], dtype=dtype, index=[5, 6])))
    assert list(array[:]) == ["a", "bb"]


@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
@pytest.mark.parametrize("way", BY_DATA)
def test_missing_strings_are_refused(way: str, dtype: Any) -> None:
    data = pandas.Series(["a", None], dtype=dtype)
    with pytest.raises(ValueError, match="missing"):
        BY_DATA[way](data)
    array: Any = zarr.create_array({}, shape=2, dtype="str")
    array[:] = ["x", "y"]
    with pytest.raises(ValueError, match="missing"):
        array[:] = data
    assert list(array[:]) == ["x", "y"]
