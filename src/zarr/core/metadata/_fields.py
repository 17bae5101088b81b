"""Validation of the fields of ``zarr.json`` whose values are plain JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, cast

from typing_extensions import TypedDict, TypeIs

from zarr.core.metadata.common import copied
from zarr.errors import MetadataValidationError, NodeTypeValidationError

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from zarr.core.common import JSON


class AllowedExtraField(TypedDict):
    """JSON form of an unknown field that readers are allowed to ignore."""

    must_understand: Literal[False]


def parse_zarr_format(data: object) -> Literal[3]:
    """Return `data` if it is 3.

    Raises
    ------
    MetadataValidationError
        If `data` is not 3.
    """
    if data == 3:
        return 3
    raise MetadataValidationError(
        f"Failed to parse input for 'zarr_format': expected Literal[3], got {data!r}."
    )


def parse_node_type_array(data: object) -> Literal["array"]:
    """Return `data` if it is ``"array"``.

    Raises
    ------
    NodeTypeValidationError
        If `data` is not ``"array"``.
    """
    if data == "array":
        return "array"
    raise NodeTypeValidationError(
        f"Failed to parse input for 'node_type': expected Literal['array'], got {data!r}."
    )


def parse_dimension_names(data: object) -> tuple[str | None, ...] | None:
    """Return dimension names as a tuple; None if `data` is None.

    Raises
    ------
    TypeError
        If `data` is neither None nor an iterable whose items are strings or None.
    """
    if data is None:
        return None
    if isinstance(data, Iterable):
        names = tuple(data)
        if all(name is None or isinstance(name, str) for name in names):
            return names
    raise TypeError(f"Expected either None or an iterable of str, got {type(data)}")


def parse_storage_transformers(data: object) -> tuple[dict[str, JSON], ...]:
    """Return storage transformers as a tuple; an empty tuple if `data` is None.

    Raises
    ------
    TypeError
        If `data` is a string, or if it is neither None nor an iterable.
    """
    if data is None:
        return ()
    if isinstance(data, Iterable) and not isinstance(data, str):
        return tuple(data)
    raise TypeError(
        f"Invalid storage_transformers. Expected an iterable of dicts. Got {type(data)} instead."
    )


def check_allowed_extra_field(data: object) -> TypeIs[AllowedExtraField]:
    """Return whether an unknown field is a JSON object with ``must_understand: false``."""
    return isinstance(data, Mapping) and data.get("must_understand", True) is False


def parse_extra_fields(
    data: Mapping[str, object] | None,
    *,
    reserved_keys: AbstractSet[str],
    node_type: Literal["array", "group"],
) -> dict[str, AllowedExtraField]:
    """Validate and return the unknown fields of a document.

    Parameters
    ----------
    data : mapping or None
        Unknown fields by name. If `data` is None, the document has no unknown fields.
    reserved_keys : set of str
        Field names that the specification defines.
    node_type : {"array", "group"}
        Node type for error messages.

    Raises
    ------
    MetadataValidationError
        If an unknown field is not a JSON object with ``must_understand: false``.
    ValueError
        If an unknown field has a name in `reserved_keys`.
    """
    fields: dict[str, object] = {} if data is None else copied(dict(data))
    reserved = sorted(reserved_keys & fields.keys())
    if reserved:
        raise ValueError(
            f"Invalid extra fields. The following keys: {reserved} are invalid because they collide "
            f"with keys reserved for use by the {node_type} metadata document."
        )
    refused = [name for name, value in fields.items() if not check_allowed_extra_field(value)]
    if refused:
        raise MetadataValidationError(
            f"Got Zarr V3 {node_type} metadata with the following disallowed extra fields: "
            f"{refused}. Extra fields are not allowed unless they are an object with a "
            '"must_understand" key which is assigned the value `false`.'
        )
    return cast("dict[str, AllowedExtraField]", fields)


for _public in (
    AllowedExtraField,
    check_allowed_extra_field,
    parse_dimension_names,
    parse_extra_fields,
    parse_node_type_array,
    parse_storage_transformers,
    parse_zarr_format,
):
    _public.__module__ = "zarr.core.metadata.v3"  # the public module path
del _public
