"""`ZDType`, the contract of data types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
from typing_extensions import TypeAliasType

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
    """A Zarr data type: how it is named in metadata, which NumPy dtype holds it in memory.

    Subclasses are frozen dataclasses whose fields are the parameters of the data type, so that
    instances compare and hash by value. A third-party type subclasses this class, implements the
    abstract methods, and is registered with ``data_type_registry`` or an entry point of the
    group ``zarr.data_type``.

    Attributes
    ----------
    dtype_cls : type
        Class of the NumPy dtypes that the data type wraps.
    _zarr_v3_name : str
        Name of the data type in format 3 metadata.
    """

    dtype_cls: ClassVar[type[np.dtype[Any]]]
    _zarr_v3_name: ClassVar[str]

    @classmethod
    def _check_native_dtype(cls, dtype: np.dtype[Any]) -> bool:
        """Whether a NumPy dtype is one that this data type wraps."""
        return type(dtype) is cls.dtype_cls

    @classmethod
    @abstractmethod
    def from_native_dtype(cls, dtype: np.dtype[Any]) -> Self:
        """Make an instance from a NumPy dtype.

        Parameters
        ----------
        dtype : numpy.dtype
            With the parameters to take over, such as the byte order.

        Raises
        ------
        DataTypeValidationError
            If `dtype` is of another kind.
        ValueError
            If it is of the right kind, but has a form that cannot be stored.
        """

    @abstractmethod
    def to_native_dtype(self) -> TDType_co:
        """Return the NumPy dtype of arrays in memory."""

    @classmethod
    @abstractmethod
    def _from_json_v2(cls, data: DTypeJSON) -> Self:
        """Make an instance from the format 2 form; see `from_json`."""

    @classmethod
    @abstractmethod
    def _from_json_v3(cls, data: DTypeJSON) -> Self:
        """Make an instance from the format 3 form; see `from_json`."""

    @classmethod
    def from_json(cls, data: DTypeJSON, *, zarr_format: ZarrFormat) -> Self:
        """Make an instance from its JSON form.

        Parameters
        ----------
        data : str or Mapping
            For format 2 an object with the members ``name`` and ``object_codec_id``, for format 3
            a name, or an object with the members ``name`` and ``configuration``.
        zarr_format : {2, 3}
            Which of the two.

        Raises
        ------
        DataTypeValidationError
            If `data` is the form of another data type.
        ValueError
            If `data` names this type with parameters out of range, or `zarr_format` is unknown.
        """
        if zarr_format == 3:
            return cls._from_json_v3(data)
        if zarr_format == 2:
            return cls._from_json_v2(data)
        raise unknown_format(zarr_format)

    @abstractmethod
    def to_json(self, zarr_format: ZarrFormat) -> DTypeSpec_V2 | DTypeSpec_V3:
        """Return the JSON form, in the shapes that `from_json` takes.

        Parameters
        ----------
        zarr_format : {2, 3}
            Which form.

        Raises
        ------
        ValueError
            If `zarr_format` is neither 2 nor 3.
        """

    @abstractmethod
    def _check_scalar(self, data: object) -> TypeGuard[Any]:
        """Whether the type of `data` is one that `cast_scalar` takes."""

    @abstractmethod
    def cast_scalar(self, data: object) -> TScalar_co:
        """Convert a Python or NumPy value to a scalar of this data type.

        Parameters
        ----------
        data : object
            The value.

        Raises
        ------
        TypeError
            If values of that type have no counterpart.
        ValueError, OverflowError
            If this one has none.
        """

    @abstractmethod
    def default_scalar(self) -> TScalar_co:
        """Return the scalar that fills an array for which no fill value is given."""

    @abstractmethod
    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> TScalar_co:
        """Read a scalar, such as a fill value, from its JSON form.

        Parameters
        ----------
        data : JSON
            As stored.
        zarr_format : {2, 3}
            Format of the metadata that holds it.

        Raises
        ------
        TypeError
            If `data` is of a JSON type that the data type does not use.
        ValueError, OverflowError
            If it is a value that the data type cannot represent.
        """

    @abstractmethod
    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        """Return the JSON form of a scalar, such as a fill value.

        Parameters
        ----------
        data : object
            A scalar of this data type, or a value that `cast_scalar` takes.
        zarr_format : {2, 3}
            Format of the metadata to store it in.

        Raises
        ------
        TypeError, ValueError, OverflowError
            As `cast_scalar`.
        """


def scalar_failed_type_check_msg(
    cls_instance: ZDType[TBaseDType, TBaseScalar], bad_scalar: object
) -> str:
    """Return an error message: a value is not of a type that a data type takes for a scalar."""
    return (
        f"The value {bad_scalar!r} failed a type check. "
        f"It cannot be safely cast to a scalar compatible with {cls_instance}. "
        f"Consult the documentation for {cls_instance} to determine the possible values that can "
        "be cast to scalars of the wrapped data type."
    )


def cannot_cast(dtype: ZDType[Any, Any], data: object) -> TypeError:
    """Return the error for a value that `ZDType.cast_scalar` does not take."""
    return TypeError(
        f"Cannot convert object {data!r} with type {type(data)} to a scalar compatible with the "
        f"data type {dtype}."
    )


def invalid_native_dtype(cls: type[ZDType[Any, Any]], dtype: object) -> DataTypeValidationError:
    """Return the error for a NumPy dtype that another data type wraps."""
    return DataTypeValidationError(
        f"Invalid data type: {dtype}. Expected an instance of {cls.dtype_cls}"
    )


def invalid_json(cls: type[ZDType[Any, Any]], data: object, expected: str) -> Exception:
    """Return the error for the JSON form of another data type."""
    return DataTypeValidationError(
        f"Invalid JSON representation of {cls.__name__}. Got {data!r}, expected {expected}"
    )


def unknown_format(zarr_format: object) -> ValueError:
    """Return the error for a format that is neither 2 nor 3."""
    return ValueError(f"zarr_format must be 2 or 3, got {zarr_format}")
