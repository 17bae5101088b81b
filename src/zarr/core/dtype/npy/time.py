"""The data types for datetimes and durations, at an import path that other packages use."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from zarr.core.dtype._time import (
    DateTime64,
    DateTime64JSON_V2,
    DateTime64JSON_V3,
    TimeConfig,
    TimeDelta64,
    TimeDelta64JSON_V2,
    TimeDelta64JSON_V3,
    TimeDTypeBase,
)

if TYPE_CHECKING:
    from typing import Literal, TypeGuard

    from zarr.core.dtype.npy.common import DateTimeUnit

__all__ = [
    "DateTime64",
    "DateTime64JSON_V2",
    "DateTime64JSON_V3",
    "DateTimeLike",
    "TimeConfig",
    "TimeDTypeBase",
    "TimeDelta64",
    "TimeDelta64JSON_V2",
    "TimeDelta64JSON_V3",
    "TimeDeltaLike",
    "check_json_time",
    "datetime_from_int",
    "datetimelike_to_int",
]

DateTimeLike: TypeAlias = str | int | bytes | np.datetime64 | datetime | None
TimeDeltaLike: TypeAlias = str | int | bytes | np.timedelta64 | timedelta | None


def datetime_from_int(data: int, *, unit: DateTimeUnit, scale_factor: int) -> np.datetime64:
    """Return the datetime for a number of time steps since the start of 1970.

    Parameters
    ----------
    data : int
        The number of steps; -2**63 means NaT.
    unit : str
        A NumPy time unit; one time step is `scale_factor` times this unit.
    scale_factor : int
        Number of units in a time step, as for `DateTime64`.
    """
    steps = np.int64(data)
    moment: np.datetime64 = steps.view(f"datetime64[{scale_factor}{unit}]")
    return moment


def datetimelike_to_int(data: np.datetime64 | np.timedelta64) -> int:
    """Return the number of time steps that represents a time; -2**63 for NaT."""
    return int(data.view(np.int64))


def check_json_time(data: object) -> TypeGuard[Literal["NaT"] | int]:
    """Return whether a JSON value can be a time: a number of time steps, or ``"NaT"``."""
    return isinstance(data, int) or data == "NaT"
