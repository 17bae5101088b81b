"""Conversion of user input to a data type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from typing_extensions import TypeAliasType

from zarr.core.common import JSON
from zarr.core.dtype._lookup import data_type_registry, get_data_type_from_native_dtype
from zarr.core.dtype._string import VariableLengthUTF8
from zarr.core.dtype.registry import remember
from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType, unknown_format

if TYPE_CHECKING:
    import numpy.typing as npt

    from zarr.core.common import ZarrFormat
    from zarr.core.dtype.common import DTypeJSON

# The type alias is written as a string, so that numpy.typing is not imported at run time.
ZDTypeLike = TypeAliasType(
    "ZDTypeLike", "npt.DTypeLike | ZDType[TBaseDType, TBaseScalar] | Mapping[str, JSON] | str"
)

# NumPy converts these values to string dtypes of length zero, which cannot contain any data.
VLEN_UTF8_ALIAS: Final = ("str", str, "string")


def parse_dtype(
    dtype_spec: ZDTypeLike, *, zarr_format: ZarrFormat
) -> ZDType[TBaseDType, TBaseScalar]:
    """Return the data type that user input describes.

    Parameters
    ----------
    dtype_spec : ZDType, dtype-like, str or Mapping
        A data type, which is returned unchanged; an object that NumPy converts to a dtype (NumPy
        converts None to float64); or the JSON form of a data type. ``str``, "str", "string" and the
        pandas ``StringDtype`` stand for strings of variable length.
    zarr_format : {2, 3}
        Format of `dtype_spec` if it is a JSON form. Names that NumPy does not know are only
        supported for format 3.

    Raises
    ------
    TypeError
        If `dtype_spec` is neither a JSON form nor an object that NumPy converts to a dtype.
    ValueError
        If no data type matches, if several data types match, or if a parameter is out of range.
    """
    if isinstance(dtype_spec, ZDType):
        return dtype_spec
    if zarr_format not in (2, 3):
        raise unknown_format(zarr_format)
    if isinstance(dtype_spec, np.dtype):
        return data_type_registry.match_dtype(dtype_spec)
    if isinstance(dtype_spec, str | type) and dtype_spec in VLEN_UTF8_ALIAS:
        return VariableLengthUTF8()
    if isinstance(dtype_spec, Mapping) or (zarr_format == 3 and isinstance(dtype_spec, str)):
        return _parse_json_or_native(cast("Mapping[str, JSON] | str", dtype_spec), zarr_format)
    if isinstance(dtype_spec, list):
        dtype_spec = _fields_as_tuples(dtype_spec)
    return get_data_type_from_native_dtype(cast("npt.DTypeLike", dtype_spec))


def _parse_json_or_native(
    spec: Mapping[str, JSON] | str, zarr_format: ZarrFormat
) -> ZDType[TBaseDType, TBaseScalar]:
    form = cast("DTypeJSON", spec)
    memo = data_type_registry._memo
    known = memo.get(spec) if isinstance(spec, str) else None
    if known is not None:
        return known
    # Entry points are searched last, because the search is slow and rarely needed.
    known = data_type_registry._known_for_json(form, zarr_format)
    if known is not None:
        return known
    try:
        native = np.dtype(cast("npt.DTypeLike", spec))
    except (TypeError, ValueError) as not_native:
        try:
            return data_type_registry.match_json(form, zarr_format=zarr_format)
        except ValueError as not_json:
            not_native.add_note(str(not_json))
        raise
    found = data_type_registry.match_dtype(native)
    if isinstance(spec, str):
        remember(memo, spec, found)
    return found


def _fields_as_tuples(fields: list[Any]) -> list[Any]:
    """Return fields of a structured dtype as tuples, because NumPy does not accept lists."""
    return [
        (field[0], _fields_as_tuples(field[1]) if isinstance(field[1], list) else field[1])
        if isinstance(field, list) and len(field) == 2
        else field
        for field in fields
    ]


def parse_data_type(
    dtype_spec: ZDTypeLike, *, zarr_format: ZarrFormat
) -> ZDType[TBaseDType, TBaseScalar]:
    """Return the data type that `dtype_spec` describes; an alias of `parse_dtype`."""
    return parse_dtype(dtype_spec, zarr_format=zarr_format)
