"""The default registry of data types, and functions that look up data types in it."""

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
    """Return the data type for a NumPy dtype.

    Parameters
    ----------
    dtype : dtype-like
        A dtype, or an object that NumPy converts to a dtype. The pandas ``StringDtype`` stands for
        strings of variable length.

    Raises
    ------
    TypeError
        If NumPy cannot convert `dtype`.
    ValueError
        If no data type matches, or if several data types match.
    """
    if is_pandas_text(dtype):
        return VariableLengthUTF8()
    native = dtype if isinstance(dtype, np.dtype) else np.dtype(dtype)
    return data_type_registry.match_dtype(native)


def is_pandas_text(dtype: object) -> bool:
    """Return whether an object is a pandas ``StringDtype``, without importing pandas."""
    return not isinstance(dtype, np.dtype) and any(
        cls.__name__ == "StringDtype" and cls.__module__.partition(".")[0] == "pandas"
        for cls in type(dtype).__mro__
    )


def get_data_type_from_json(
    dtype_spec: DTypeJSON, *, zarr_format: ZarrFormat
) -> ZDType[TBaseDType, TBaseScalar]:
    """Return the data type that a JSON form in a metadata document describes.

    For format 3, the function accepts all forms that the specification allows. Two of these forms
    are only read by this package, never written: the names ``r8``, ``r16`` … of raw types, and
    objects without a configuration.

    Parameters
    ----------
    dtype_spec : str or Mapping
        For format 3, the ``data_type`` member of the document. For format 2, an object with two
        members. The member ``name`` is the ``dtype`` member of the document. The member
        ``object_codec_id`` is the id of the filter that is an object codec, or None if there is no
        such filter.
    zarr_format : {2, 3}
        Format of the document.

    Raises
    ------
    ValueError
        If the data type is unknown, or if its parameters are not valid.
    """
    if zarr_format == 3:
        dtype_spec = _plain_name(dtype_spec)
        if isinstance(dtype_spec, str) and (bits := RawBytes._bits_of_name(dtype_spec)):
            return RawBytes(length=bits // 8)
    return data_type_registry.match_json(dtype_spec, zarr_format=zarr_format)


def _plain_name(spec: DTypeJSON) -> DTypeJSON:
    """Replace a JSON object without configuration by its name (v3, "Extension definition")."""
    if (
        isinstance(spec, Mapping)
        and isinstance(spec.get("name"), str)
        and not spec.get("configuration")
        and spec.keys() <= {"name", "configuration", "must_understand"}
    ):
        name: Any = spec["name"]
        return name  # type: ignore[no-any-return]
    return spec
