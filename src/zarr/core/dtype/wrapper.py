"""`ZDType`, the base class of data types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
from typing_extensions import TypeAliasType

from zarr.core._states import set_fields
from zarr.errors import DataTypeValidationError

if TYPE_CHECKING:
    from typing import Self, TypeGuard

    from zarr.core.common import JSON, ZarrFormat
    from zarr.core.dtype.common import DTypeJSON, DTypeSpec_V2, DTypeSpec_V3

__all__ = ["TBaseDType", "TBaseScalar", "ZDType", "scalar_failed_type_check_msg"]

TBaseDType = TypeAliasType("TBaseDType", np.dtype[np.generic])
TBaseScalar = TypeAliasType("TBaseScalar", np.generic | str | bytes)

TDType_co = TypeVar("TDType_co", bound=TBaseDType, covariant=True)
TScalar_co = TypeVar("TScalar_co", bound=TBaseScalar, covariant=True)


@dataclass(frozen=True, kw_only=True)
class ZDType(ABC, Generic[TDType_co, TScalar_co]):
    """A Zarr data type, with its name in metadata and its NumPy dtype in memory.

    Subclasses are frozen dataclasses. The fields of a subclass are the parameters of the data type,
    so instances are compared and hashed by value. A third-party data type is a subclass that
    implements the abstract methods. Such a subclass is registered with ``data_type_registry``, or
    by an entry point in the entry point group ``zarr.data_type``.

    Attributes
    ----------
    dtype_cls : type
        Class of the NumPy dtypes that the data type represents.
    _zarr_v3_name : str
        Name of the data type in format 3 metadata.
    """

    dtype_cls: ClassVar[type[np.dtype[Any]]]
    _zarr_v3_name: ClassVar[str]

    __setstate__ = set_fields

    @classmethod
    def _check_native_dtype(cls, dtype: np.dtype[Any]) -> bool:
        """Return whether the data type represents a NumPy dtype."""
        return type(dtype) is cls.dtype_cls

    @classmethod
    @abstractmethod
    def from_native_dtype(cls, dtype: np.dtype[Any]) -> Self:
        """Create an instance from a NumPy dtype.

        Parameters
        ----------
        dtype : numpy.dtype
            The dtype, which determines the parameters of the data type, such as the byte order.

        Raises
        ------
        DataTypeValidationError
            If `dtype` does not belong to this data type.
        ValueError
            If `dtype` belongs to this data type but cannot be stored.
        """

    @abstractmethod
    def to_native_dtype(self) -> TDType_co:
        """Return the NumPy dtype of arrays in memory."""

    @classmethod
    @abstractmethod
    def _from_json_v2(cls, data: DTypeJSON) -> Self:
        """Create an instance from its format 2 JSON form; see `from_json`."""

    @classmethod
    @abstractmethod
    def _from_json_v3(cls, data: DTypeJSON) -> Self:
        """Create an instance from its format 3 JSON form; see `from_json`."""

    @classmethod
    def from_json(cls, data: DTypeJSON, *, zarr_format: ZarrFormat) -> Self:
        """Create an instance from its JSON form.

        Parameters
        ----------
        data : str or Mapping
            For format 2, an object with the members ``name`` and ``object_codec_id``. For format 3,
            a name, or an object with the members ``name`` and ``configuration``.
        zarr_format : {2, 3}
            Format of `data`.

        Raises
        ------
        DataTypeValidationError
            If `data` is not a JSON form of this data type.
        ValueError
            If a parameter in `data` is out of range, or if `zarr_format` is neither 2 nor 3.
        """
        if zarr_format == 3:
            return cls._from_json_v3(data)
        if zarr_format == 2:
            return cls._from_json_v2(data)
        raise unknown_format(zarr_format)

    @abstractmethod
    def to_json(self, zarr_format: ZarrFormat) -> DTypeSpec_V2 | DTypeSpec_V3:
        """Return the JSON form, as accepted by `from_json`.

        Parameters
        ----------
        zarr_format : {2, 3}
            Format of the result.

        Raises
        ------
        ValueError
            If `zarr_format` is neither 2 nor 3.
        """

    @abstractmethod
    def _check_scalar(self, data: object) -> TypeGuard[Any]:
        """Return whether `cast_scalar` accepts the type of `data`."""

    @abstractmethod
    def cast_scalar(self, data: object) -> TScalar_co:
        """Convert a Python or NumPy value to a scalar of this data type.

        Parameters
        ----------
        data : object
            The value to convert.

        Raises
        ------
        TypeError
            If values with the type of `data` cannot be converted.
        ValueError, OverflowError
            If the type of `data` is accepted, but the value cannot be converted.
        """

    @abstractmethod
    def default_scalar(self) -> TScalar_co:
        """Return the default fill value."""

    @abstractmethod
    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> TScalar_co:
        """Return the scalar, such as a fill value, that a JSON form represents.

        Parameters
        ----------
        data : JSON
            The stored JSON value.
        zarr_format : {2, 3}
            Format of the metadata.

        Raises
        ------
        TypeError
            If `data` has a JSON type that this data type never uses for its scalars.
        ValueError, OverflowError
            If the data type cannot represent the value.
        """

    @abstractmethod
    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        """Return the JSON form of a scalar, such as a fill value.

        Parameters
        ----------
        data : object
            A scalar of this data type, or a value that `cast_scalar` accepts.
        zarr_format : {2, 3}
            Format of the metadata.

        Raises
        ------
        TypeError, ValueError, OverflowError
            If `cast_scalar` rejects `data`.
        """


def scalar_failed_type_check_msg(
    cls_instance: ZDType[TBaseDType, TBaseScalar], bad_scalar: object
) -> str:
    """Return the error message for a value whose type cannot be converted to a scalar."""
    return (
        f"The value {bad_scalar!r} failed a type check. "
        f"It cannot be safely cast to a scalar compatible with {cls_instance}. "
        f"Consult the documentation for {cls_instance} to determine the possible values that can "
        "be cast to scalars of the wrapped data type."
    )


def cannot_cast(dtype: ZDType[Any, Any], data: object) -> TypeError:
    """Return the error for a value that `ZDType.cast_scalar` rejects."""
    return TypeError(
        f"Cannot convert object {data!r} with type {type(data)} to a scalar compatible with the "
        f"data type {dtype}."
    )


def invalid_native_dtype(cls: type[ZDType[Any, Any]], dtype: object) -> DataTypeValidationError:
    """Return the error for a NumPy dtype that the data type `cls` does not represent."""
    return DataTypeValidationError(
        f"Invalid data type: {dtype}. Expected an instance of {cls.dtype_cls}"
    )


def invalid_json(cls: type[ZDType[Any, Any]], data: object, expected: str) -> Exception:
    """Return the error for a value that is not a JSON form of the data type `cls`."""
    return DataTypeValidationError(
        f"Invalid JSON representation of {cls.__name__}. Got {data!r}, expected {expected}"
    )


def unknown_format(zarr_format: object) -> ValueError:
    """Return the error for a format that is neither 2 nor 3."""
    return ValueError(f"zarr_format must be 2 or 3, got {zarr_format}")
