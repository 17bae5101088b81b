"""Released xarray and dask, as their users use them: they write and read through this package."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pandas
import pytest
import xarray

import zarr

FORMATS = list(itertools.product([2, 3], [True, False]))


def dataset() -> xarray.Dataset:
    rng = np.random.default_rng(0)
    return xarray.Dataset(
        {
            "temperature": (("time", "lat", "lon"), rng.random((6, 4, 5)).astype("f4")),
            "count": (("time",), np.arange(6, dtype="i8")),
            "name": (("lat",), np.array(["a", "bc", "d", "é"], dtype=object)),
            "flag": (("lon",), np.array([True, False, True, True, False])),
            "packed": (
                ("time", "lat"),
                np.where(rng.random((6, 4)) < 0.2, np.nan, rng.random((6, 4))),
            ),
        },
        coords={
            "time": pandas.date_range("2001-01-01", periods=6),
            "lat": np.linspace(-90, 90, 4),
            "lon": np.arange(5.0),
        },
        attrs={"title": "a test", "numbers": [1, 2.5], "nothing": ""},
    )


@pytest.fixture
def encoding() -> dict[str, Any]:
    return {
        "temperature": {"chunks": (2, 2, 5)},
        "packed": {"dtype": "int16", "scale_factor": 1e-4, "_FillValue": -9999},
    }


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
@pytest.mark.parametrize(("zarr_format", "consolidated"), FORMATS)
def test_round_trip(
    tmp_path: Path, encoding: dict[str, Any], zarr_format: Any, consolidated: bool
) -> None:
    expected = dataset()
    expected.to_zarr(
        tmp_path / "a.zarr",
        zarr_format=zarr_format,
        consolidated=consolidated,
        encoding=encoding,
    )
    with xarray.open_zarr(tmp_path / "a.zarr", consolidated=consolidated) as lazy:
        found = lazy.load()
    xarray.testing.assert_allclose(found, expected, atol=1e-4)
    assert found.attrs == expected.attrs
    xarray.testing.assert_identical(found["temperature"], expected["temperature"])
    group = zarr.open_group(tmp_path / "a.zarr", mode="r", use_consolidated=False)
    array = group["temperature"]
    assert isinstance(array, zarr.Array)
    assert array.metadata.zarr_format == zarr_format
    assert array.chunks == (2, 2, 5)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_append_and_region(tmp_path: Path, zarr_format: Any) -> None:
    expected = dataset()[["temperature", "count"]]
    path = tmp_path / "a.zarr"
    expected.isel(time=slice(0, 4)).to_zarr(path, zarr_format=zarr_format, consolidated=False)
    expected.isel(time=slice(4, 6)).to_zarr(path, append_dim="time", consolidated=False)
    with xarray.open_zarr(path, consolidated=False) as found:
        xarray.testing.assert_equal(found.load(), expected)
    part = expected.isel(time=slice(2, 3)).drop_vars(["lat", "lon"]) + 10
    part.drop_vars("time").to_zarr(path, region={"time": slice(2, 3)}, consolidated=False)
    with xarray.open_zarr(path, consolidated=False) as found:
        np.testing.assert_allclose(found["temperature"][2], expected["temperature"][2] + 10)
        np.testing.assert_allclose(found["temperature"][3], expected["temperature"][3])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_selections_are_lazy_and_right(tmp_path: Path, zarr_format: Any) -> None:
    expected = dataset()
    expected.to_zarr(tmp_path / "a.zarr", zarr_format=zarr_format, consolidated=False)
    with xarray.open_zarr(tmp_path / "a.zarr", consolidated=False, chunks=None) as found:
        for indexers in (
            {"time": 3},
            {"time": [5, 0, 2], "lat": slice(1, 3)},
            {"time": slice(None, None, 2), "lon": [4, 1]},
            {"time": xarray.DataArray([0, 1], dims="p"), "lat": xarray.DataArray([2, 3], dims="p")},
        ):
            picked: Any = indexers
            xarray.testing.assert_equal(
                found["temperature"].isel(picked).load(), expected["temperature"].isel(picked)
            )


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_dask(tmp_path: Path, zarr_format: Any) -> None:
    values = np.random.default_rng(1).random((50, 40))
    path = str(tmp_path / "d.zarr")
    dask.array.from_array(values, chunks=(16, 11)).to_zarr(path, zarr_format=zarr_format)
    lazy = dask.array.from_zarr(path)
    assert lazy.chunksize == (16, 11)
    np.testing.assert_array_equal(lazy.compute(scheduler="threads"), values)
    np.testing.assert_allclose(lazy[::3, 5:20].sum(axis=0).compute(), values[::3, 5:20].sum(axis=0))
    stored = zarr.open_array(path, mode="r")
    assert stored.metadata.zarr_format == zarr_format
    np.testing.assert_array_equal(stored[:], values)


def test_xarray_through_dask(tmp_path: Path) -> None:
    expected = dataset().drop_vars("name").chunk({"time": 2})
    expected.to_zarr(tmp_path / "a.zarr", zarr_format=3, consolidated=False)
    with xarray.open_zarr(tmp_path / "a.zarr", consolidated=False) as found:
        means = found["temperature"].mean("time").compute(scheduler="threads")
        xarray.testing.assert_allclose(means, expected["temperature"].mean("time").compute())
