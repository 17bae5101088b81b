"""Base classes of boolean and number types, whose only possible parameter is the byte order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from zarr.core.dtype.common import (
    BYTE_ORDER_CHAR,
    HasEndianness,
    HasItemSize,
    byte_order_char,
    check_dtype_spec_no_object_codec_v2,
)
from zarr.core.dtype.wrapper import (
    TDType_co,
    TScalar_co,
    ZDType,
    invalid_json,
    invalid_native_dtype,
    unknown_format,
)

if TYPE_CHECKING:
    from typing import Self

    from zarr.core.common import ZarrFormat
    from zarr.core.dtype.common import (
        DTypeJSON,
        DTypeSpec_V2,
        DTypeSpec_V3,
    )


@dataclass(frozen=True, kw_only=True)
class NamedDType(ZDType[TDType_co, TScalar_co], HasItemSize):
    """Base class of the boolean and number types.

    Types with several bytes per element have one parameter, the byte order; other types have no
    parameter. Subclasses set `dtype_cls`, `_zarr_v3_name` and `_zarr_v2_names`. The other class
    attributes are derived from these attributes when a subclass is created, so that conversions are
    dictionary lookups.

    Attributes
    ----------
    _zarr_v2_names : tuple of str
        The NumPy type strings of the data type in format 2. The tuple contains one string if an
        element is a single byte, and otherwise one string for each byte order.
    _scalar_cls : type
        NumPy class of the scalars.
    """

    _zarr_v2_names: ClassVar[tuple[str, ...]]
    _scalar_cls: ClassVar[type[np.generic]]
    _native: ClassVar[dict[str, np.dtype[Any]]] = {}
    _order_of_v2_name: ClassVar[dict[str, str]] = {}
    _v3_expectation: ClassVar[str] = "the string {!r}"

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        names = cls.__dict__.get("_zarr_v2_names")
        if names is not None:
            cls._order_of_v2_name = {
                name: "big" if name.startswith(">") else "little" for name in names
            }
            for name in names:
                if name.startswith("|"):
                    # Elements of a single byte have no byte order, but some writers store type
                    # strings that begin with a byte order, such as ``<i1``.
                    cls._order_of_v2_name |= {f"{c}{name[1:]}": "little" for c in "<>"}
            cls._native = {
                order: np.dtype(names[0]).newbyteorder(c) for order, c in BYTE_ORDER_CHAR.items()
            }
            cls._scalar_cls = cls._native["little"].type

    @classmethod
    def _of_order(cls, order: str) -> Self:
        if issubclass(cls, HasEndianness):
            return cast("Any", cls)(endianness=order)
        return cls()

    @classmethod
    def _check_native_dtype(cls, dtype: np.dtype[Any]) -> bool:
        # A platform can have two C types of equal size (long, long long) with different dtype
        # classes.
        if type(dtype) is cls.dtype_cls:
            return True
        return isinstance(dtype, np.dtype) and dtype in cls._native.values()

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype[Any]) -> Self:
        # docstring inherited
        if not cls._check_native_dtype(dtype):
            raise invalid_native_dtype(cls, dtype)
        return cls._of_order("big" if dtype.str[0] == ">" else "little")

    def to_native_dtype(self) -> TDType_co:
        # docstring inherited
        order = getattr(self, "endianness", "little")
        try:
            return cast("TDType_co", self._native[order])
        except KeyError:
            byte_order_char(order)  # raises
            raise

    @property
    def item_size(self) -> int:
        """Size of an element in bytes."""
        return self._native["little"].itemsize

    @classmethod
    def _from_json_v2(cls, data: DTypeJSON) -> Self:
        if check_dtype_spec_no_object_codec_v2(data):
            name = data["name"]
            if isinstance(name, str) and name in cls._order_of_v2_name:
                return cls._of_order(cls._order_of_v2_name[name])
        if len(cls._zarr_v2_names) == 1:
            expected = f"the string {cls._zarr_v2_names[0]!r}"
        else:
            expected = f"one of the strings {cls._zarr_v2_names}."
        raise invalid_json(cls, data, expected)

    @classmethod
    def _from_json_v3(cls, data: DTypeJSON) -> Self:
        if data == cls._zarr_v3_name:
            return cls()
        raise invalid_json(cls, data, cls._v3_expectation.format(cls._zarr_v3_name))

    def to_json(self, zarr_format: ZarrFormat) -> DTypeSpec_V2 | DTypeSpec_V3:
        # docstring inherited
        if zarr_format == 3:
            return self._zarr_v3_name
        if zarr_format == 2:
            return {"name": self.to_native_dtype().str, "object_codec_id": None}
        raise unknown_format(zarr_format)

    def default_scalar(self) -> TScalar_co:
        """Return zero, or False for booleans."""
        return cast("TScalar_co", self._scalar_cls(0))


@dataclass(frozen=True, kw_only=True)
class WideNamedDType(NamedDType[TDType_co, TScalar_co], HasEndianness):
    """Base class of number types with more than one byte per element.

    Only this class and `NamedDType` are decorated as dataclasses, because their subclasses add no
    fields. Creating a dataclass takes half a millisecond. Decorating the number types would add
    this time to `import zarr` once per type.
    """
