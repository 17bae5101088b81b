"""Data types with named fields."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, cast

import numpy as np

from zarr.core.common import NamedConfig
from zarr.core.dtype._json_scalar import decode_bytes, encode_bytes
from zarr.core.dtype._lookup import get_data_type_from_json, get_data_type_from_native_dtype
from zarr.core.dtype.common import (
    DTypeConfig_V2,
    DTypeJSON,
    HasItemSize,
    StructuredName_V2,
    check_dtype_spec_no_object_codec_v2,
    check_item_nbytes,
    v3_unstable_dtype_warning,
)
from zarr.core.dtype.wrapper import (
    TBaseDType,
    TBaseScalar,
    ZDType,
    cannot_cast,
    invalid_json,
    invalid_native_dtype,
    unknown_format,
)
from zarr.errors import ZarrUserWarning

if TYPE_CHECKING:
    from typing import Self, TypeGuard

    from zarr.core.common import JSON, ZarrFormat
    from zarr.core.dtype.common import DTypeName_V2, DTypeSpec_V2, DTypeSpec_V3

Fields: TypeAlias = tuple[tuple[str, ZDType[TBaseDType, TBaseScalar]], ...]


class StructuredJSON_V2(DTypeConfig_V2[StructuredName_V2, None]):
    """The JSON form of structured types in format 2: a list of ``[name, type]`` pairs."""


class StructuredJSON_V3(
    NamedConfig[Literal["structured"], dict[str, Sequence[Sequence[DTypeJSON]]]]
):
    """The older format 3 JSON form of structured types: fields are ``[name, data type]`` pairs."""


class StructJSON_V3(NamedConfig[Literal["struct"], dict[str, Sequence[dict[str, DTypeJSON]]]]):
    """The format 3 JSON form of structured types, with ``name`` and ``data_type`` in each field."""


@dataclass(frozen=True, kw_only=True)
class Structured(
    ZDType["np.dtypes.VoidDType[int]", np.void],
    HasItemSize,
):
    """Elements with named fields, stored in the older JSON form of format 3; see also `Struct`.

    The fields are stored without padding.

    Parameters
    ----------
    fields : tuple of (str, ZDType)
        Name and data type of each field, in order.

    Raises
    ------
    ValueError
        If there are no fields, or if two fields have the same name.
    """

    dtype_cls: ClassVar[type[np.dtype[Any]]] = cast("type[np.dtype[Any]]", np.dtypes.VoidDType)
    _zarr_v3_name: ClassVar[str] = "structured"
    _v3_names: ClassVar[tuple[str, ...]] = ("structured",)

    fields: Fields

    def __post_init__(self) -> None:
        if len(self.fields) < 1:
            raise ValueError(f"must have at least one field. Got {self.fields!r}")
        seen: set[str] = set()
        for name, _ in self.fields:
            if name in seen:
                raise ValueError(f"field {name!r} occurs more than once")
            seen.add(name)
        if not isinstance(self.fields, tuple):
            object.__setattr__(self, "fields", tuple(self.fields))

    # --- NumPy dtypes ---

    @classmethod
    def _check_native_dtype(cls, dtype: np.dtype[Any]) -> bool:
        return super()._check_native_dtype(dtype) and dtype.fields is not None

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype[Any]) -> Self:
        """Create an instance from a NumPy structured dtype.

        Parameters
        ----------
        dtype : numpy.dtype
            A dtype with fields. Padding between the fields is removed.

        Raises
        ------
        DataTypeValidationError
            If `dtype` has no fields.
        ValueError
            If a field has a title, is a subarray, or has no matching data type.

        Warns
        -----
        ZarrUserWarning
            If `dtype` has padding, or if fields overlap or are out of order.
        """
        if not cls._check_native_dtype(dtype):
            raise invalid_native_dtype(cls, dtype)
        result = cls(fields=_fields_of_native(dtype))
        if not _is_packed(dtype):
            warnings.warn(
                "The structured dtype is converted to a packed field layout. Field values are "
                "preserved when writing arrays, but field offsets and itemsize may change.",
                ZarrUserWarning,
                stacklevel=2,
            )
        return result

    @cached_property
    def _native(self) -> np.dtype[np.void]:
        for name, field in self.fields:
            if not isinstance(field, HasItemSize):
                raise TypeError(
                    f"Field {name!r} has the data type {field}, whose elements vary in size. The "
                    "fields of a structured data type need a fixed size."
                )
        fields = [(name, field.to_native_dtype()) for name, field in self.fields]
        check_item_nbytes(sum(native.itemsize for _, native in fields))
        return np.dtype(fields)

    def to_native_dtype(self) -> np.dtypes.VoidDType[int]:
        """Return the NumPy dtype, without padding.

        Raises
        ------
        TypeError
            If the elements of a field vary in size.
        """
        return cast("np.dtypes.VoidDType[int]", self._native)

    @property
    def item_size(self) -> int:
        """Size of an element in bytes, the sum of all field sizes."""
        return self._native.itemsize

    def has_multi_byte_fields(self) -> bool:
        """Return whether any field has a multi-byte data type, which may have a byte order."""
        return any(
            isinstance(field, HasItemSize) and field.item_size > 1 for _, field in self.fields
        )

    # --- JSON forms ---

    @classmethod
    def _from_json_v2(cls, data: DTypeJSON) -> Self:
        if not check_dtype_spec_no_object_codec_v2(data) or isinstance(data["name"], str):
            raise invalid_json(cls, data, "a JSON array of arrays")
        return cls(fields=_fields_of_v2(data["name"]))

    @classmethod
    def _from_json_v3(cls, data: DTypeJSON) -> Self:
        if isinstance(data, Mapping) and data.get("name") in cls._v3_names and len(data) == 2:
            configuration = data.get("configuration")
            if isinstance(configuration, Mapping) and configuration.keys() == {"fields"}:
                pairs = _field_pairs(configuration["fields"])
                if pairs is not None:
                    return cls(fields=_fields_of_v3(pairs))
        raise invalid_json(cls, data, f"a JSON object with the key {cls._zarr_v3_name!r}")

    def to_json(self, zarr_format: ZarrFormat) -> DTypeSpec_V2 | DTypeSpec_V3:
        # docstring inherited
        if zarr_format == 2:
            return self._to_json_v2()
        if zarr_format == 3:
            return self._to_json_v3()
        raise unknown_format(zarr_format)

    def _to_json_v2(self) -> DTypeSpec_V2:
        names = [[name, _name_v2(field)] for name, field in self.fields]
        return {"name": names, "object_codec_id": None}

    def _to_json_v3(self) -> DTypeSpec_V3:
        v3_unstable_dtype_warning(self)
        fields = [[name, field.to_json(3)] for name, field in self.fields]
        return {"name": self._zarr_v3_name, "configuration": {"fields": fields}}

    # --- scalars ---

    def _check_scalar(self, data: object) -> TypeGuard[Any]:
        if isinstance(data, np.ndarray):
            return data.ndim == 0 and data.dtype.kind == "V"
        return isinstance(data, bytes | bytearray | list | tuple | int | np.integer | np.void)

    def cast_scalar(self, data: object) -> np.void:
        """Create an element from field values, from its bytes, or from one number for all fields.

        Parameters
        ----------
        data : tuple, list, numpy.void, bytes or int
            The value to convert. The fields of a structured NumPy scalar are matched by position,
            not by name.

        Raises
        ------
        TypeError
            If `data` does not have one of the accepted types.
        ValueError
            If the number of values differs from the number of fields, or if the number of bytes
            differs from the element size.
        """
        if not self._check_scalar(data):
            raise cannot_cast(self, data)
        if isinstance(data, bytes | bytearray):
            return self._from_bytes(bytes(data))
        if isinstance(data, np.ndarray | np.void):
            if data.dtype.fields is None:
                return self._from_bytes(data.tobytes())
            # Do not convert to Python values, because this would lose NaN bits and time units.
            element = np.array(data).astype(self._native)
        else:
            values = tuple(data) if isinstance(data, list) else data
            element = np.array(values, dtype=self._native)
        return cast("np.void", element[()])

    def _from_bytes(self, data: bytes) -> np.void:
        if len(data) != self.item_size:
            raise ValueError(
                f"Expected {self.item_size} bytes for a scalar of the data type {self}, got "
                f"{len(data)}."
            )
        return cast("np.void", np.frombuffer(data, dtype=self._native)[0])

    def default_scalar(self) -> np.void:
        """Return an element whose bytes are all zero."""
        return self._from_bytes(bytes(self.item_size))

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.void:
        """Parse an element from a base64 string of its bytes."""
        if isinstance(data, str):
            return self._from_bytes(decode_bytes(data))
        raise TypeError(f"Invalid type: {data}. Expected a string.")

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        """Return the bytes of an element as a base64 string."""
        return encode_bytes(self.cast_scalar(data).tobytes())


@dataclass(frozen=True, kw_only=True)
class Struct(Structured):
    """Elements with named fields: ``struct`` in format 3, a list of fields in format 2.

    The fields are stored without padding. The older form ``structured`` is also accepted.

    Parameters
    ----------
    fields : tuple of (str, ZDType)
        Name and data type of each field, in order.

    Raises
    ------
    ValueError
        If there are no fields, or if two fields have the same name.
    """

    _zarr_v3_name: ClassVar[str] = "struct"
    _v3_names: ClassVar[tuple[str, ...]] = ("struct", "structured")

    def _to_json_v3(self) -> DTypeSpec_V3:
        fields = [{"name": name, "data_type": field.to_json(3)} for name, field in self.fields]
        return {"name": self._zarr_v3_name, "configuration": {"fields": fields}}

    def from_json_scalar(self, data: JSON, *, zarr_format: ZarrFormat) -> np.void:
        """Parse an element from a JSON object of field values, or from its bytes in base64.

        A field that the JSON object does not contain gets the default value of its data type.

        Raises
        ------
        TypeError
            If `data` is neither a JSON object nor a string, or if a field value has the wrong type.
        ValueError
            If a JSON object contains an unknown field, or if the number of bytes in a base64 string
            differs from the element size.
        """
        if isinstance(data, Mapping):
            unknown = data.keys() - {name for name, _ in self.fields}
            if unknown:
                raise ValueError(f"Fields {sorted(unknown)} are not part of {self}.")
            element = np.zeros((1,), dtype=self._native)
            for name, field in self.fields:
                element[name] = (
                    field.from_json_scalar(data[name], zarr_format=zarr_format)
                    if name in data
                    else field.default_scalar()
                )
            return cast("np.void", element[0])
        if isinstance(data, str):
            return self._from_bytes(decode_bytes(data))
        raise TypeError(f"Invalid type: {data}. Expected a dict or base64-encoded string.")

    def to_json_scalar(self, data: object, *, zarr_format: ZarrFormat) -> JSON:
        """Return a JSON object of field values or, for format 2, the bytes as a base64 string."""
        scalar = self.cast_scalar(data)
        if zarr_format == 2:
            return encode_bytes(scalar.tobytes())
        return {
            name: field.to_json_scalar(scalar[name], zarr_format=zarr_format)
            for name, field in self.fields
        }


# --- fields from dtypes and JSON ----------------------------------------------------------


def _fields_of_native(dtype: np.dtype[Any]) -> Fields:
    assert dtype.names is not None
    assert dtype.fields is not None
    fields: list[tuple[str, ZDType[TBaseDType, TBaseScalar]]] = []
    for name in dtype.names:
        field, _, *title = dtype.fields[name]
        if title:
            raise _unsupported_field(dtype, f"field {name!r} has a title ({title[0]!r})")
        if field.subdtype is not None:
            raise _unsupported_field(
                dtype, f"field {name!r} is a subarray with shape {field.subdtype[1]}"
            )
        if field.fields is not None:
            fields.append((name, Struct(fields=_fields_of_native(field))))
        else:
            fields.append((name, get_data_type_from_native_dtype(field)))
    return tuple(fields)


def _unsupported_field(dtype: np.dtype[Any], reason: str) -> ValueError:
    return ValueError(
        f"Cannot convert the structured data type {dtype}: {reason}. Zarr-Python's current "
        "structured dtype conversion does not support field titles or subarray fields."
    )


def _is_packed(dtype: np.dtype[Any]) -> bool:
    """Return whether the fields are in order and without padding, at every level of nesting."""
    end = 0
    for name in dtype.names or ():
        field, offset = dtype.fields[name][:2]  # type: ignore[index]
        if offset != end or (field.fields is not None and not _is_packed(field)):
            return False
        end += field.itemsize
    return end == dtype.itemsize


def _fields_of_v2(names: DTypeName_V2) -> Fields:
    fields: list[tuple[str, ZDType[TBaseDType, TBaseScalar]]] = []
    for index, (name, field) in enumerate(cast("Sequence[tuple[str, DTypeName_V2]]", names)):
        spec = cast("DTypeJSON", {"name": field, "object_codec_id": None})
        fields.append((name, _field(spec, 2, f"/{index}/1")))
    return tuple(fields)


def _field_pairs(fields: object) -> list[tuple[str, DTypeJSON]] | None:
    """Return the name and the data type of each field in the list of fields of a format 3 form.

    The result is None if `fields` is not a valid list of fields.
    """
    if not isinstance(fields, Sequence) or isinstance(fields, str):
        return None
    pairs: list[tuple[str, DTypeJSON]] = []
    for field in fields:
        if isinstance(field, Mapping):
            if field.keys() != {"name", "data_type"}:
                return None
            name, data_type = field["name"], field["data_type"]
        elif isinstance(field, Sequence) and not isinstance(field, str) and len(field) == 2:
            name, data_type = field
        else:
            return None
        if not isinstance(name, str):
            return None
        pairs.append((name, data_type))
    return pairs


def _fields_of_v3(pairs: list[tuple[str, DTypeJSON]]) -> Fields:
    return tuple(
        (name, _field(data_type, 3, f"/configuration/fields/{index}/data_type"))
        for index, (name, data_type) in enumerate(pairs)
    )


def _field(spec: DTypeJSON, zarr_format: ZarrFormat, where: str) -> ZDType[TBaseDType, TBaseScalar]:
    try:
        return get_data_type_from_json(spec, zarr_format=zarr_format)
    except ValueError as exc:
        raise ValueError(f"{exc} at {where}") from exc


def _name_v2(field: ZDType[TBaseDType, TBaseScalar]) -> DTypeName_V2:
    spec = cast("DTypeSpec_V2", field.to_json(2))
    return spec["name"]
