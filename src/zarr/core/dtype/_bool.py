"""The boolean data type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zarr.core.dtype._named import NamedDType
from zarr.core.dtype.wrapper import cannot_cast

if TYPE_CHECKING:
    from typing import TypeGuard

    from zarr.core.common import JSON, ZarrFormat

_WORDS = {"true": True, "false": False, "": False}


class Bool(NamedDType[np.dtypes.BoolDType, np.bool_]):
    """Booleans of one byte each: ``bool`` in format 3, ``|b1`` in format 2."""

    dtype_cls = np.dtypes.BoolDType
    _zarr_v3_name: ClassVar[str] = "bool"
    _zarr_v2_name: ClassVar[str] = "|b1"
    _zarr_v2_names: ClassVar[tuple[str, ...]] = ("|b1",)

    def _check_scalar(self, data: object) -> TypeGuard[Any]:
        if isinstance(data, str):
            return data.lower() in _WORDS
        if isinstance(data, np.ndarray):
            return data.ndim == 0
        return data is None or isinstance(data, bytes | np.generic) or hasattr(data, "__bool__")

    def cast_scalar(self, data: object) -> np.bool_:
        """Convert a scalar to its truth value, or parse the word "true" or "false".

        Parameters
        ----------
        data : object
            A number or other scalar, None, or a string. A string must be the word "true" or "false"
            in upper or lower case, or the empty string, which is read as False.

        Raises
        ------
        TypeError
            If `data` is a string with other content, or is not a scalar.
        """
        if not self._check_scalar(data):
            raise cannot_cast(self, data)
        return np.bool_(_WORDS[data.lower()] if isinstance(data, str) else data)

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.bool_:
        """Parse a boolean. Numbers and the words "true" and "false" are also accepted."""
        if isinstance(data, bool | int | float) or (
            isinstance(data, str) and self._check_scalar(data)
        ):
            return self.cast_scalar(data)
        raise TypeError(f"Invalid type: {data}. Expected a boolean.")

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> bool:
        # docstring inherited
        return bool(self.cast_scalar(data))
