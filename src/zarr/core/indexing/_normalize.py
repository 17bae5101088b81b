"""Bringing selections into one form, with all checks that need no chunk grid."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from zarr.core.indexing._kinds import is_integer, is_integer_array
from zarr.errors import ArrayIndexError, BoundsCheckError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zarr.core.indexing._types import Fields

_NO_FIELDS = "invalid 'fields' argument, array does not have any fields"


# --- tuples -----------------------------------------------------------------------------


def ensure_tuple(v: Any) -> tuple[Any, ...]:
    """Return `v` if it is a tuple, else a tuple that holds it."""
    return v if isinstance(v, tuple) else (v,)


def err_too_many_indices(selection: Sequence[Any], shape: tuple[int, ...]) -> NoReturn:
    """Refuse a selection with more items than dimensions.

    Raises
    ------
    IndexError
        Always.
    """
    raise IndexError(f"too many indices for array; expected {len(shape)}, got {len(selection)}")


def check_selection_length(selection: Sequence[Any], shape: tuple[int, ...]) -> None:
    """Check that a selection does not have more items than the array has dimensions.

    Raises
    ------
    IndexError
        If it has.
    """
    if len(selection) > len(shape):
        err_too_many_indices(selection, shape)


def replace_ellipsis(selection: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return a selection with one item per dimension.

    Parameters
    ----------
    selection : object
        One item or a tuple of them. One may be ``...``; dimensions that are not named are taken in
        full.
    shape : tuple of int
        Shape of the array in elements.

    Raises
    ------
    IndexError
        If there are more items than dimensions, or more than one ``...``.
    """
    items = ensure_tuple(selection)
    # By identity: comparing an array item would compare its elements.
    at = [axis for axis, item in enumerate(items) if item is Ellipsis]
    if len(at) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    head, tail = (items[: at[0]], items[at[0] + 1 :]) if at else (items, ())
    missing = len(shape) - len(head) - len(tail)
    if missing < 0:
        err_too_many_indices(head + tail, shape)
    return (*head, *[slice(None)] * missing, *tail)


def replace_lists(selection: Iterable[Any]) -> tuple[Any, ...]:
    """Return the items of a selection, lists among them as numpy arrays.

    Raises
    ------
    ValueError
        If a list holds lists of different lengths.
    """
    return tuple(np.asarray(item) if isinstance(item, list) else item for item in selection)


# --- integers ---------------------------------------------------------------------------


def _out_of_bounds(dim_len: int) -> NoReturn:
    raise BoundsCheckError(f"index out of bounds for dimension with length {dim_len}")


def normalize_integer_selection(dim_sel: int, dim_len: int) -> int:
    """Return an index counted from the start.

    Parameters
    ----------
    dim_sel : int
        Index; a negative one counts from the end.
    dim_len : int
        Length of the dimension in elements.

    Raises
    ------
    BoundsCheckError
        If it lies outside the dimension.
    """
    index = operator.index(dim_sel)
    if index < 0:
        index += dim_len
    if not 0 <= index < dim_len:
        _out_of_bounds(dim_len)
    return index


def wraparound_indices(x: npt.NDArray[np.intp], dim_len: int) -> npt.NDArray[np.intp]:
    """Return indices with the negative ones counted from the end; `x` stays as it is."""
    return np.where(x < 0, x + dim_len, x)


def boundscheck_indices(x: npt.NDArray[np.intp], dim_len: int) -> None:
    """Check that indices lie within a dimension of length `dim_len`; negative ones do not.

    Raises
    ------
    BoundsCheckError
        If one does not.
    """
    if x.size and (x.min() < 0 or x.max() >= dim_len):
        _out_of_bounds(dim_len)


def normalize_indices(
    x: npt.NDArray[Any], dim_len: int, *, wraparound: bool = True, boundscheck: bool = True
) -> npt.NDArray[np.intp]:
    """Return an array of indices, of any integer data type, counted from the start.

    Raises
    ------
    BoundsCheckError
        If `boundscheck` and one lies outside the dimension.
    """
    # Converting an unsigned number that is too large would make a valid negative index of it.
    if boundscheck and x.dtype.kind == "u" and x.size and int(x.max()) >= dim_len:
        _out_of_bounds(dim_len)
    indices = x.astype(np.intp, copy=False)
    if wraparound and indices.size and indices.min() < 0:
        indices = wraparound_indices(indices, dim_len)
    if boundscheck:
        boundscheck_indices(indices, dim_len)
    return indices


def slice_to_range(s: slice, length: int) -> range:
    """Return the indices that a slice takes of a dimension of the given length in elements."""
    return range(*s.indices(length))


def make_slice_selection(selection: Iterable[Any]) -> list[Any]:
    """Return a selection with slices of length one instead of single indices.

    Parameters
    ----------
    selection : iterable
        Items of a selection. Integers, and integer arrays with one element, are replaced; what is
        not an array is kept.

    Raises
    ------
    ArrayIndexError
        If an array selects more than one element.
    """
    return [_as_slice(item) for item in selection]


def _as_slice(item: Any) -> Any:
    if is_integer_array(item):
        if item.size != 1:
            raise ArrayIndexError(f"an array of {item.size} indices cannot be expressed as a slice")
        item = item.item()
    if not is_integer(item):
        return item
    index = operator.index(item)
    # One past the last element counted from the end is no number.
    return slice(index, None if index == -1 else index + 1, 1)


# --- fields -----------------------------------------------------------------------------


def pop_fields(selection: Any) -> tuple[Fields | None, Any]:
    """Take field names out of a selection.

    Parameters
    ----------
    selection : object
        One item or a tuple of them; strings among them are field names.

    Returns
    -------
    fields : str, list of str or None
        The name, the names, an empty list where a tuple has none, None where there is no tuple.
    selection : object
        What is left; a single item of a tuple on its own.
    """
    if isinstance(selection, str):
        return selection, ()
    if not isinstance(selection, tuple):
        return None, selection
    names = [item for item in selection if isinstance(item, str)]
    rest = tuple(item for item in selection if not isinstance(item, str))
    return names[0] if len(names) == 1 else names, rest[0] if len(rest) == 1 else rest


def check_fields(fields: Fields | None, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the data type of the fields that were asked for.

    Parameters
    ----------
    fields : str, list of str or None
        One name gives the data type of that field, several a structured one with these fields in
        this order. None and an empty list stand for all.
    dtype : numpy.dtype
        Data type of the array.

    Raises
    ------
    IndexError
        If `fields` is something else, a field does not exist, or the data type has no fields.
    """
    if fields is None:
        return dtype
    names: Any = [fields] if isinstance(fields, str) else fields
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise IndexError(
            f"'fields' argument must be a string or list of strings; found {type(fields)!r}"
        )
    if not names:
        return dtype
    if dtype.names is None:
        raise IndexError(_NO_FIELDS)
    try:
        if isinstance(fields, str):
            return dtype[fields]
        return np.dtype([(name, dtype[name]) for name in names])
    except KeyError as error:
        raise IndexError(f"invalid 'fields' argument, field not found: {error!r}") from error


def check_no_multi_fields(fields: Fields | None) -> Fields | None:
    """Return the one field of a list, for operations that take no more.

    Raises
    ------
    IndexError
        If there are several.
    """
    if isinstance(fields, list) and fields:
        if len(fields) > 1:
            raise IndexError("multiple fields are not supported for this operation")
        return fields[0]
    return fields
