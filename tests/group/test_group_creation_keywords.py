"""The methods of a group that create arrays of one value take the format of the group, if any."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import zarr
from zarr.core.sync import sync

METHODS: dict[str, dict[str, Any]] = {
    "empty": {"shape": (2,)},
    "zeros": {"shape": (2,)},
    "ones": {"shape": (2,)},
    "full": {"shape": (2,), "fill_value": 5},
    "empty_like": {"data": np.zeros(2)},
    "zeros_like": {"data": np.zeros(2)},
    "ones_like": {"data": np.zeros(2)},
    "full_like": {"data": np.zeros(2), "fill_value": 5},
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_the_format_is_that_of_the_group(method: str, zarr_format: Any) -> None:
    group = zarr.create_group({}, zarr_format=zarr_format)
    parameters = METHODS[method]
    for name, given in (
        ("a", {}),
        ("b", {"zarr_format": None}),
        ("c", {"zarr_format": zarr_format}),
    ):
        array = getattr(group, method)(name=name, **parameters, **given)
        assert (array.shape, array.metadata.zarr_format) == ((2,), zarr_format)
    same = getattr(group._async_group, method)(name="d", zarr_format=zarr_format, **parameters)
    assert sync(same).metadata.zarr_format == zarr_format
    other = 5 - zarr_format
    with pytest.raises(ValueError, match=f"zarr_format={other} array in a zarr_format="):
        getattr(group, method)(name="e", zarr_format=other, **parameters)
    for parameter in ("store", "path"):
        with pytest.raises(TypeError, match=parameter):
            getattr(group, method)(name="e", **{parameter: "x"}, **parameters)
    assert "e" not in group


@pytest.mark.parametrize("mode", ["a", "r", "r+", "w"])
def test_options_of_an_array_where_a_group_is(mode: Any) -> None:
    store = zarr.storage.MemoryStore()
    zarr.create_group(store, attributes={"a": 1})
    with pytest.raises(TypeError, match="Groups have no runtime configuration"):
        zarr.open(store, mode=mode, config={"order": "C"})
    assert zarr.open_group(store, mode="r").attrs.asdict() == {"a": 1}
    assert isinstance(zarr.open(store, mode=mode, config=None), zarr.Group)


@pytest.mark.parametrize("mode", ["a", "w"])
def test_options_of_an_array_where_a_group_would_be_created(mode: Any) -> None:
    store = zarr.storage.MemoryStore()
    with pytest.raises(TypeError, match="resolves to a group"):
        zarr.open(store, mode=mode, config={"order": "C"})
    assert store._store_dict == {}
    array = zarr.open(store, mode=mode, shape=(2,), config={"order": "F"})
    assert isinstance(array, zarr.Array)
    assert array.order == "F"
