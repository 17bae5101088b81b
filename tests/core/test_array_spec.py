"""Specs of chunks: equal if all their parts are, and always hashable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer.cpu import numpy_buffer_prototype
from zarr.core.dtype import parse_dtype

STRUCTURED = np.dtype([("a", "f4"), ("b", "M8[s]")])
QUIET_NAN = np.array([0x7FC00001], "u4").view("f4")[0]


def spec(dtype: Any, fill_value: Any, shape: tuple[int, ...] = (2,)) -> ArraySpec:
    return ArraySpec(
        shape,
        parse_dtype(dtype, zarr_format=2),
        fill_value,
        ArrayConfig("C", False),
        numpy_buffer_prototype(),
    )


@pytest.mark.parametrize(
    ("dtype", "one", "other"),
    [
        ("f8", 0.0, -0.0),
        ("f4", np.float32(0.0), np.float32(-0.0)),
        ("f4", np.float32(np.nan), QUIET_NAN),
        ("c16", 0j, complex(0.0, -0.0)),
        ("i4", 0, 1),
        ("i4", 0, None),
        ("M8[s]", np.datetime64("NaT"), np.datetime64(0, "s")),
        (STRUCTURED, np.array((0.0, 0), STRUCTURED)[()], np.array((-0.0, 0), STRUCTURED)[()]),
        ("str", "", "a"),
    ],
)
def test_of_other_fill_values_are_not_equal(dtype: Any, one: Any, other: Any) -> None:
    assert spec(dtype, one) != spec(dtype, other)
    assert spec(dtype, one) == spec(dtype, one)
    assert len({spec(dtype, one), spec(dtype, other), spec(dtype, one)}) == 2


@pytest.mark.parametrize(
    ("dtype", "fill_value"),
    [
        ("f8", np.float64(np.nan)),
        ("M8[s]", np.datetime64("NaT")),
        ("m8[s]", np.timedelta64("NaT")),
        ("M8", np.datetime64("NaT")),
        (STRUCTURED, np.array((np.nan, "NaT"), STRUCTURED)[()]),
        ("V3", np.void(b"abc")),
        ("i4", None),
    ],
)
def test_of_equal_fill_values_are_equal(dtype: Any, fill_value: Any) -> None:
    one, other = spec(dtype, fill_value), spec(dtype, np.array(fill_value)[()])
    assert one == other
    assert hash(one) == hash(other)


def test_other_parts_count() -> None:
    assert spec("i4", 0) != spec("i4", 0, shape=(3,))
    assert spec("i4", 0) != spec("i8", 0)
    assert spec("i4", 0) != "spec"
