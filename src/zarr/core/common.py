"""Basic helpers: constants, type aliases, argument parsing."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from itertools import groupby
from typing import Any, Final, Generic, Literal, Required, TypeAlias, TypeVar, cast

from typing_extensions import ReadOnly, TypedDict

from zarr.core._concurrent import cancel_all as cancel_all
from zarr.core._concurrent import closing as closing
from zarr.core._concurrent import concurrent_foreach as concurrent_foreach
from zarr.core._concurrent import concurrent_iter as concurrent_iter
from zarr.core._concurrent import concurrent_map as concurrent_map
from zarr.core._concurrent import concurrent_results as concurrent_results

ZARR_JSON: Final = "zarr.json"
ZARRAY_JSON: Final = ".zarray"
ZGROUP_JSON: Final = ".zgroup"
ZATTRS_JSON: Final = ".zattrs"
ZMETADATA_V2_JSON: Final = ".zmetadata"

ZarrFormat: TypeAlias = Literal[2, 3]
NodeType: TypeAlias = Literal["array", "group"]
MemoryOrder: TypeAlias = Literal["C", "F"]
AccessModeLiteral: TypeAlias = Literal["r", "r+", "a", "w", "w-"]
ANY_ACCESS_MODE: Final = frozenset({"r", "r+", "a", "w", "w-"})
BytesLike: TypeAlias = bytes | bytearray | memoryview
ShapeLike: TypeAlias = Iterable[int] | int
ChunksLike: TypeAlias = ShapeLike | Sequence[Sequence[int]] | None
DimensionNames: TypeAlias = Iterable[str | None] | None
DimensionNamesLike: TypeAlias = DimensionNames  # like `ChunkCoords`, used by other packages
ChunkCoords: TypeAlias = tuple[int, ...]
JSON: TypeAlias = str | int | float | Mapping[str, "JSON"] | Sequence["JSON"] | None

_NameT = TypeVar("_NameT", bound=str)
_ConfigT = TypeVar("_ConfigT", bound=Mapping[str, object])
_EnumT = TypeVar("_EnumT", bound=Enum)


class NamedConfig(TypedDict, Generic[_NameT, _ConfigT], total=False):
    """The JSON form of an extension point: a name, and an optional configuration."""

    name: Required[ReadOnly[_NameT]]
    configuration: ReadOnly[_ConfigT]


class NamedRequiredConfig(TypedDict, Generic[_NameT, _ConfigT]):
    """The JSON form of an extension point with a required configuration."""

    name: ReadOnly[_NameT]
    configuration: ReadOnly[_ConfigT]


def product(tup: tuple[int, ...]) -> int:
    """Return the product of integers; 1 for an empty tuple."""
    return math.prod(tup)


def ceildiv_int(a: int, b: int) -> int:
    """Return the quotient of integers, rounded up; exact for integers of any size.

    If `a` is 0 the result is 0, even if `b` is also 0, because no chunk is needed to cover an empty
    dimension.

    Raises
    ------
    ZeroDivisionError
        If `b` is 0 and `a` is not 0.
    """
    return 0 if a == 0 else -(-a // b)


def ceildiv(a: float, b: float) -> int:
    """Return the quotient, rounded up to an integer; if `a` is 0 the result is 0 for any `b`."""
    return 0 if a == 0 else math.ceil(a / b)


# --- parsing of arguments and metadata values -------------------------------------------


def parse_int(data: object) -> int:
    """Return `data` if it is an integer and not a bool.

    Raises
    ------
    TypeError
        If `data` is a bool or not an integer.
    """
    if isinstance(data, int) and not isinstance(data, bool):
        return data
    raise TypeError(f"Expected an integer. Got {data!r} instead.")


def parse_bool(data: object) -> bool:
    """Return `data` if it is a bool.

    Raises
    ------
    ValueError
        If `data` is not a bool.
    """
    if isinstance(data, bool):
        return data
    raise ValueError(f"Expected bool, got {data} instead.")


def parse_fill_value(data: object) -> Any:
    """Return `data` unchanged, because only a data type can validate a fill value."""
    return data


def parse_order(data: object) -> MemoryOrder:
    """Return `data` if it names a memory layout, ``"C"`` or ``"F"``.

    Raises
    ------
    ValueError
        If `data` is neither ``"C"`` nor ``"F"``.
    """
    if data == "C" or data == "F":
        return data
    raise ValueError(
        f"Failed to parse input for 'order': expected Literal['C', 'F'], got {data!r}."
    )


def enum_names(enum: type[_EnumT]) -> Iterable[str]:
    """Iterate over the names of the members of an enumeration."""
    return (member.name for member in enum)


def parse_enum(data: object, cls: type[_EnumT]) -> _EnumT:
    """Return a member of an enumeration; `data` is either the member itself or its name.

    Raises
    ------
    TypeError
        If `data` is neither a member nor a string.
    ValueError
        If `data` is a string, but not the name of a member.
    """
    if isinstance(data, cls):
        return data
    if not isinstance(data, str):
        raise TypeError(f"Expected str, got {type(data)}")
    if data in cls.__members__:
        return cls[data]
    raise ValueError(f"Value must be one of {list(enum_names(cls))!r}. Got {data} instead.")


def parse_shapelike(data: object) -> tuple[int, ...]:
    """Return a shape as a tuple of Python integers.

    Parameters
    ----------
    data : int or iterable of int
        The length of each dimension. An integer means a shape with one dimension.

    Returns
    -------
    tuple of int
        Length of each dimension in elements, at least 0.

    Raises
    ------
    TypeError
        If `data` is neither an integer nor an iterable of integers.
    ValueError
        If a length is negative.
    """
    lengths = (data,) if _is_index(data) else _as_tuple(data)
    if not all(_is_index(length) for length in lengths):
        raise TypeError(f"Expected an iterable of integers. Got {data} instead.")
    shape = tuple(operator.index(cast("int", length)) for length in lengths)
    if any(length < 0 for length in shape):
        if _is_index(data):
            raise ValueError(f"Expected a non-negative integer. Got {data} instead")
        raise ValueError(f"Expected all values to be non-negative. Got {data} instead.")
    return shape


def _is_index(value: object) -> bool:
    return (
        hasattr(value, "__index__")
        and not isinstance(value, bool)
        and not hasattr(value, "__len__")
    )


def _as_tuple(data: object) -> tuple[object, ...]:
    try:
        return tuple(cast("Iterable[object]", data))
    except TypeError as error:
        raise TypeError(
            f"Expected an integer or an iterable of integers. Got {data} instead."
        ) from error


def parse_name(data: JSON, expected: str | None = None) -> str:
    """Return `data` if it is a string and, if `expected` is given, equal to `expected`.

    Raises
    ------
    TypeError
        If `data` is not a string.
    ValueError
        If `expected` is given and `data` differs from it.
    """
    if not isinstance(data, str):
        raise TypeError(f"Expected a string, got an instance of {type(data)}.")
    if expected is not None and data != expected:
        raise ValueError(f"Expected '{expected}'. Got {data} instead.")
    return data


def parse_configuration(data: JSON) -> JSON:
    """Return the configuration `data` if it is a mapping.

    Raises
    ------
    TypeError
        If `data` is not a mapping.
    """
    if not isinstance(data, Mapping):
        raise TypeError(f"Expected dict, got {type(data)}")
    return data


def parse_named_configuration(
    data: JSON | NamedConfig[str, Any],
    expected_name: str | None = None,
    *,
    require_configuration: bool = True,
) -> tuple[str, dict[str, JSON] | None]:
    """Return the name and the configuration from the JSON form of an extension point.

    Parameters
    ----------
    data : JSON
        ``{"name": ..., "configuration": ...}``. A bare name is also valid if no configuration is
        required (Zarr v3 core specification, "Extension points").
    expected_name : str or None
        The required name. If `expected_name` is None, every name is accepted.
    require_configuration : bool
        Whether the configuration is required.

    Returns
    -------
    tuple
        The name and the configuration. The configuration is None if `data` contains no
        configuration.

    Raises
    ------
    TypeError, ValueError
        If `data` does not have the form described above, if the name is not the expected name, or
        if a required configuration is missing.
    """
    if isinstance(data, str) and not require_configuration:
        return parse_name(data, expected_name), None
    if not isinstance(data, Mapping):
        raise TypeError(f"Expected dict, got {type(data)}")
    if "name" not in data:
        raise ValueError(f"Named configuration does not have a 'name' key. Got {data}.")
    name = parse_name(data["name"], expected_name)
    if "configuration" in data:
        return name, dict(cast("Mapping[str, JSON]", parse_configuration(data["configuration"])))
    if require_configuration:
        raise ValueError(f"Named configuration does not have a 'configuration' key. Got {data}.")
    return name, None


# --- chunk shapes, regular and rectilinear ----------------------------------------------


def parse_chunk_shape(data: object) -> tuple[int, ...]:
    """Return a chunk shape as a tuple of positive integers.

    Raises
    ------
    TypeError, ValueError
        If `data` is neither an integer above 0 nor an iterable of such integers. The message names
        the invalid dimension.
    """
    lengths = (data,) if _is_index(data) else _as_tuple(data)
    return tuple(parse_chunk_edge(length, axis) for axis, length in enumerate(lengths))


def parse_chunk_edge(size: object, axis: int | None = None) -> int:
    """Return the length of a chunk along one axis as an integer above 0.

    Raises
    ------
    TypeError
        If `size` is not an integer.
    ValueError
        If `size` is below 1. The message names `axis` if it is given.
    """
    where = "" if axis is None else f" in dimension {axis}"
    if not _is_index(size):
        raise TypeError(f"Chunk edge lengths must be integers. Got {size!r}{where}.")
    length = operator.index(cast("int", size))
    if length < 1:
        raise ValueError(f"Chunk edge lengths must be at least 1. Got {length}{where}.")
    return length


_MOST_EDGES: Final = 1 << 24


def expand_rle(data: Sequence[int | Sequence[int]], axis: int | None = None) -> tuple[int, ...]:
    """Expand run-length encoded chunk edges.

    Parameters
    ----------
    data : sequence
        Edge lengths and ``[length, count]`` pairs, which may be mixed. The repository
        zarr-extensions defines this form of a rectilinear chunk grid.
    axis : int or None
        The axis that error messages mention. If `axis` is None, error messages mention no
        axis.

    Returns
    -------
    tuple of int
        The edge length of each chunk.

    Raises
    ------
    TypeError, ValueError
        If a length or a count is not an integer above 0, if a run is not a pair, or if a run
        extends the result to more than 2**24 edges. The limit exists because a count takes only a
        few bytes in the metadata, but its expansion could take any amount of memory.
    """
    edges: list[int] = []
    where = "" if axis is None else f" in dimension {axis}"
    for item in data:
        if not isinstance(item, Sequence) or isinstance(item, str):
            edges.append(parse_chunk_edge(item, axis))
            continue
        if len(item) != 2 or not _is_index(item[1]):
            raise ValueError(
                f"A run of chunk edges must be a pair [length, count]. Got {item!r}{where}."
            )
        length, count = parse_chunk_edge(item[0], axis), item[1]
        if operator.index(count) < 1:
            raise ValueError(
                f"The count in a run of chunk edges must be at least 1. Got {count!r}{where}."
            )
        if len(edges) + operator.index(count) > _MOST_EDGES:
            raise ValueError(
                f"A dimension of a rectilinear chunk grid must have at most {_MOST_EDGES} chunks. "
                f"Got a run of {count}{where}."
            )
        edges.extend([length] * operator.index(count))
    return tuple(edges)


def compress_rle(sizes: Sequence[int]) -> list[int | list[int]]:
    """Return run-length encoded chunk edges.

    A run of equal lengths becomes ``[length, count]``. A length that differs from both neighbours
    is kept as a number.
    """
    runs = [(length, sum(1 for _ in run)) for length, run in groupby(sizes)]
    return [length if count == 1 else [length, count] for length, count in runs]


def validate_rectilinear_kind(kind: str | None) -> None:
    """Raise an error if the ``kind`` of a rectilinear chunk grid is not ``"inline"``.

    Raises
    ------
    ValueError
        If `kind` is None or a string other than ``"inline"``.
    """
    if kind is None:
        raise ValueError(
            "A rectilinear chunk grid needs a 'kind' in its configuration. Only 'inline' is supported."
        )
    if kind != "inline":
        raise ValueError(
            f"Unsupported kind of rectilinear chunk grid: {kind!r}. Only 'inline' is supported."
        )


def validate_rectilinear_edges(
    chunk_shapes: Sequence[int | Sequence[int]], array_shape: Sequence[int]
) -> None:
    """Raise an error if explicit chunk edges do not cover the array.

    Parameters
    ----------
    chunk_shapes : sequence
        For each dimension, either one edge length for all chunks, or a sequence with the edge
        length of each chunk. Lengths are in elements.
    array_shape : sequence of int
        Shape of the array in elements.

    Raises
    ------
    ValueError
        If the sum of the edge lengths of a dimension is less than the length of the dimension. The
        message names the first such dimension.
    """
    for axis, (edges, extent) in enumerate(zip(chunk_shapes, array_shape)):
        if isinstance(edges, Sequence) and sum(edges) < extent:
            raise ValueError(
                f"The chunk edges of dimension {axis} add up to {sum(edges)}, "
                f"but the array has the length {extent} in this dimension."
            )
