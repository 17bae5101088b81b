"""What the tests of clients write and read."""

from __future__ import annotations

import numpy as np
import pandas
import xarray


def dataset(days: int = 6) -> xarray.Dataset:
    """Return variables of several types, each with the same values on every call."""
    rng = np.random.default_rng(0)
    return xarray.Dataset(
        {
            "temperature": (("time", "lat", "lon"), rng.random((days, 4, 5)).astype("f4")),
            "count": (("time",), np.arange(days, dtype="i8")),
            "name": (("lat",), np.array(["a", "bc", "d", "é"], dtype=object)),
            "flag": (("lon",), np.array([True, False, True, True, False])),
            "packed": (
                ("time", "lat"),
                np.where(rng.random((days, 4)) < 0.2, np.nan, rng.random((days, 4))),
            ),
        },
        coords={
            "time": pandas.date_range("2001-01-01", periods=days),
            "lat": np.linspace(-90, 90, 4),
            "lon": np.arange(5.0),
        },
        attrs={"title": "a test", "numbers": [1, 2.5], "nothing": ""},
    )
