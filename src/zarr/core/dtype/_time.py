"""Data types for datetimes and durations."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias, TypedDict, TypeVar, cast

import numpy as np

from zarr.core.common import NamedRequiredConfig
from zarr.core.dtype.common import (
    DTypeConfig_V2,
    HasEndianness,
    HasItemSize,
    byte_order_char,
    check_dtype_spec_no_object_codec_v2,
)
from zarr.core.dtype.wrapper import (
    ZDType,
    cannot_cast,
    invalid_json,
    invalid_native_dtype,
    unknown_format,
)

if TYPE_CHECKING:
    from typing import Self, TypeGuard

    from zarr.core.common import JSON, ZarrFormat
    from zarr.core.dtype.common import DTypeJSON, DTypeSpec_V2, DTypeSpec_V3

TimeUnit: TypeAlias = Literal[
    "Y", "M", "W", "D", "h", "m", "s", "ms", "us", "μs", "ns", "ps", "fs", "as", "generic"
]
TIME_UNITS: Final = (
    "Y", "M", "W", "D", "h", "m", "s", "ms", "us", "μs", "ns", "ps", "fs", "as", "generic",
)  # fmt: skip

# NumPy stores the scale factor as a C int.
_SCALE_FACTOR_LIMIT: Final = 2**31

# The count of time steps that represents NaT.
_NAT: Final = -(2**63)

_V2_NAME = re.compile(rf"([<>])([mM]8)(?:\[(\d*)({'|'.join(TIME_UNITS)})\])?")

_TTimeDType = TypeVar("_TTimeDType", bound="np.dtype[Any]", covariant=True)
_TTime = TypeVar("_TTime", bound=np.generic, covariant=True)


class TimeConfig(TypedDict):
    """The configuration of a time data type; a time step is `scale_factor` times `unit`."""

    unit: TimeUnit
    scale_factor: int


class DateTime64JSON_V2(DTypeConfig_V2[str, None]):
    """The JSON form of `DateTime64` in format 2, for example ``<M8[10s]``."""


class DateTime64JSON_V3(NamedRequiredConfig[Literal["numpy.datetime64"], TimeConfig]):
    """The JSON form of `DateTime64` in format 3."""


class TimeDelta64JSON_V2(DTypeConfig_V2[str, None]):
    """The JSON form of `TimeDelta64` in format 2, for example ``<m8[10s]``."""


class TimeDelta64JSON_V3(NamedRequiredConfig[Literal["numpy.timedelta64"], TimeConfig]):
    """The JSON form of `TimeDelta64` in format 3."""


@dataclass(frozen=True, kw_only=True)
class TimeDTypeBase(ZDType[_TTimeDType, _TTime], HasEndianness, HasItemSize):
    """Base class of the time data types. An element is a 64-bit count of time steps, or NaT.

    Parameters
    ----------
    endianness : {"little", "big"}
        Byte order of the 64-bit counts.
    scale_factor : int
        Number of units in a time step, from 1 to 2**31 - 1.
    unit : str
        A NumPy time unit; "generic" means no specific unit.

    Raises
    ------
    ValueError
        If `scale_factor` or `unit` is not valid.
    """

    _zarr_v2_names: ClassVar[tuple[str, ...]]
    _numpy_name: ClassVar[str]
    _scalar_cls: ClassVar[type[np.generic]]

    scale_factor: int = 1
    unit: TimeUnit = "generic"

    def __post_init__(self) -> None:
        if self.scale_factor < 1:
            raise ValueError(f"scale_factor must be > 0, got {self.scale_factor}.")
        if self.scale_factor >= _SCALE_FACTOR_LIMIT:
            raise ValueError(
                f"scale_factor must be < {_SCALE_FACTOR_LIMIT}, got {self.scale_factor}."
            )
        if self.unit not in TIME_UNITS:
            raise ValueError(f"unit must be one of {TIME_UNITS}, got {self.unit!r}.")
        if self.unit == "μs":
            object.__setattr__(self, "unit", "us")

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype[Any]) -> Self:
        # docstring inherited
        if not cls._check_native_dtype(dtype):
            raise invalid_native_dtype(cls, dtype)
        unit, scale_factor = np.datetime_data(dtype)
        return cls(
            unit=cast("TimeUnit", unit),
            scale_factor=scale_factor,
            endianness="big" if dtype.str[0] == ">" else "little",
        )

    @property
    def _step(self) -> str:
        """The time step in NumPy notation, such as ``10s``."""
        return self.unit if self.scale_factor == 1 else f"{self.scale_factor}{self.unit}"

    @cached_property
    def _native(self) -> np.dtype[Any]:
        kind = self._zarr_v2_names[0][1:]
        order = byte_order_char(self.endianness)
        if self.unit == "generic" and self.scale_factor == 1:
            return np.dtype(f"{order}{kind}")
        return np.dtype(f"{order}{kind}[{self._step}]")

    def to_native_dtype(self) -> _TTimeDType:
        # docstring inherited
        return cast("_TTimeDType", self._native)

    @property
    def item_size(self) -> int:
        """Size of an element in bytes, always 8."""
        return 8

    @classmethod
    def _from_json_v2(cls, data: DTypeJSON) -> Self:
        if check_dtype_spec_no_object_codec_v2(data) and isinstance(name := data["name"], str):
            match = _V2_NAME.fullmatch(name)
            if match and match[1] + match[2] in cls._zarr_v2_names:
                return cls(
                    unit=cast("TimeUnit", match[4] or "generic"),
                    scale_factor=int(match[3] or 1),
                    endianness="big" if match[1] == ">" else "little",
                )
        raise invalid_json(cls, data, f"a string representation of an instance of {cls.dtype_cls}")

    @classmethod
    def _from_json_v3(cls, data: DTypeJSON) -> Self:
        if isinstance(data, Mapping) and len(data) == 2 and data.get("name") == cls._zarr_v3_name:
            configuration = data.get("configuration")
            if isinstance(configuration, Mapping) and configuration.keys() == {
                "unit",
                "scale_factor",
            }:
                unit, scale_factor = configuration["unit"], configuration["scale_factor"]
                if isinstance(unit, str) and isinstance(scale_factor, int):
                    return cls(unit=cast("TimeUnit", unit), scale_factor=scale_factor)
        raise invalid_json(
            cls,
            data,
            f"a dict with a 'name' key with the value {cls._zarr_v3_name!r}, and a 'configuration' "
            "key with a value of a dict with a 'unit' key and a 'scale_factor' key",
        )

    def to_json(self, zarr_format: ZarrFormat) -> DTypeSpec_V2 | DTypeSpec_V3:
        # docstring inherited
        if zarr_format == 3:
            return {
                "name": self._zarr_v3_name,
                "configuration": {"unit": self.unit, "scale_factor": self.scale_factor},
            }
        if zarr_format == 2:
            kind = byte_order_char(self.endianness) + self._zarr_v2_names[0][1:]
            plain = self.unit == "generic" and self.scale_factor == 1
            return {"name": kind if plain else f"{kind}[{self._step}]", "object_codec_id": None}
        raise unknown_format(zarr_format)

    def _make_scalar(self, value: object) -> _TTime:
        make = cast("Any", self._scalar_cls)
        if self.unit != "generic":
            return cast("_TTime", make(value, self._step))
        # Without a unit, NumPy does not convert counts to datetimes, not even the count that
        # represents NaT. If `value` is text, NumPy infers a unit from the text.
        scalar = make("NaT" if isinstance(value, int) and value == _NAT else value)
        if np.isnat(scalar):
            return cast("_TTime", make("NaT"))
        if np.datetime_data(scalar.dtype)[0] != "generic":
            raise ValueError(f"Cannot represent {value!r} without a time unit.")
        return cast("_TTime", scalar)

    def cast_scalar(self, data: object) -> _TTime:
        """Convert a count of time steps, a time value in any unit, or text to a scalar.

        Parameters
        ----------
        data : int, str, bytes, None, NumPy or `datetime` value
            None and "NaT" are converted to NaT. Values between two time steps are rounded down.

        Raises
        ------
        TypeError
            If `data` does not have one of the accepted types.
        ValueError
            If `data` is text that cannot be parsed, or if the value needs a unit, but the data type
            has no unit.
        """
        if not self._check_scalar(data):
            raise cannot_cast(self, data)
        if isinstance(data, np.integer) and not isinstance(data, np.timedelta64):
            data = int(data)
        elif isinstance(data, bytes):
            data = data.decode("ascii")
        return self._make_scalar(data)

    def default_scalar(self) -> _TTime:
        """Return NaT."""
        return self._make_scalar("NaT")

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> _TTime:
        """Parse a count of time steps, or the string "NaT"."""
        if isinstance(data, int) or data == "NaT":
            return self.cast_scalar(data)
        raise TypeError(f"Invalid type: {data}. Expected an integer.")

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> int:
        """Return the count of time steps; for NaT, the smallest 64-bit integer."""
        return int(self.cast_scalar(data).view(np.int64))


class DateTime64(
    TimeDTypeBase["np.dtypes.DateTime64DType", np.datetime64],
):
    """Datetimes: ``numpy.datetime64`` in format 3, ``<M8`` or ``>M8`` in format 2.

    An element is a count of time steps since the start of 1970.
    """

    dtype_cls: ClassVar[type[np.dtype[Any]]] = cast(
        "type[np.dtype[Any]]", np.dtypes.DateTime64DType
    )
    _zarr_v3_name: ClassVar[Literal["numpy.datetime64"]] = "numpy.datetime64"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = (">M8", "<M8")
    _numpy_name: ClassVar[Literal["datetime64"]] = "datetime64"
    _scalar_cls: ClassVar[type[np.generic]] = np.datetime64

    def _check_scalar(self, data: object) -> TypeGuard[Any]:
        return (
            data is None
            or isinstance(
                data,
                str | bytes | int | np.datetime64 | datetime.date,
            )
            or (isinstance(data, np.integer) and not isinstance(data, np.timedelta64))
        )


class TimeDelta64(
    TimeDTypeBase["np.dtypes.TimeDelta64DType", np.timedelta64],
):
    """Durations: ``numpy.timedelta64`` in format 3, ``<m8`` or ``>m8`` in format 2."""

    dtype_cls: ClassVar[type[np.dtype[Any]]] = cast(
        "type[np.dtype[Any]]", np.dtypes.TimeDelta64DType
    )
    _zarr_v3_name: ClassVar[Literal["numpy.timedelta64"]] = "numpy.timedelta64"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = (">m8", "<m8")
    _numpy_name: ClassVar[Literal["timedelta64"]] = "timedelta64"
    _scalar_cls: ClassVar[type[np.generic]] = np.timedelta64

    def _check_scalar(self, data: object) -> TypeGuard[Any]:
        return data is None or isinstance(data, str | bytes | int | np.integer | datetime.timedelta)
