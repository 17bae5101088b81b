"""The registry of data types in use, and look-ups in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from zarr.core.dtype._bytes import RawBytes
from zarr.core.dtype._string import VariableLengthUTF8
from zarr.core.dtype.registry import DataTypeRegistry

if TYPE_CHECKING:
    import numpy.typing as npt

    from zarr.core.common import ZarrFormat
    from zarr.core.dtype.common import DTypeJSON
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType

data_type_registry: Final = DataTypeRegistry()
data_type_registry._discover("zarr.data_type")


def get_data_type_from_native_dtype(dtype: npt.DTypeLike) -> ZDType[TBaseDType, TBaseScalar]:
    """Return the data type that wraps a NumPy dtype.

    Parameters
    ----------
    dtype : dtype-like
        A dtype, or what NumPy makes one of. That of text in pandas means strings of variable length.

    Raises
    ------
    TypeError
        If NumPy does not understand `dtype`.
    ValueError
        If no data type wraps it, or several do.
    """
    if is_pandas_text(dtype):
        return VariableLengthUTF8()
    native = dtype if isinstance(dtype, np.dtype) else np.dtype(dtype)
    return data_type_registry.match_dtype(native)


def is_pandas_text(dtype: object) -> bool:
    """Tell whether something is pandas' ``StringDtype``, without importing pandas."""
    return not isinstance(dtype, np.dtype) and any(
        cls.__name__ == "StringDtype" and cls.__module__.partition(".")[0] == "pandas"
        for cls in type(dtype).__mro__
    )


def get_data_type_from_json(
    dtype_spec: DTypeJSON, *, zarr_format: ZarrFormat
) -> ZDType[TBaseDType, TBaseScalar]:
    """Return the data type that a metadata document names.

    For format 3 it also takes spellings that the specification allows and that we never write: the
    raw types ``r8``, ``r16`` …, and an object that holds a name and nothing of consequence.

    Parameters
    ----------
    dtype_spec : str or Mapping
        For format 3 the ``data_type`` member. For format 2 an object that pairs the ``dtype``
        member (``name``) with the id of the object codec among the filters, or None
        (``object_codec_id``).
    zarr_format : {2, 3}
        Format of the document.

    Raises
    ------
    ValueError
        If the data type is unknown, or refuses the parameters.
    """
    if zarr_format == 3:
        dtype_spec = _plain_name(dtype_spec)
        if isinstance(dtype_spec, str) and (bits := RawBytes._bits_of_name(dtype_spec)):
            return RawBytes(length=bits // 8)
    return data_type_registry.match_json(dtype_spec, zarr_format=zarr_format)


def _plain_name(spec: DTypeJSON) -> DTypeJSON:
    """Return the name of an object without configuration (v3, "Extension definition")."""
    if (
        isinstance(spec, Mapping)
        and isinstance(spec.get("name"), str)
        and not spec.get("configuration")
        and spec.keys() <= {"name", "configuration", "must_understand"}
    ):
        name: Any = spec["name"]
        return name  # type: ignore[no-any-return]
    return spec
