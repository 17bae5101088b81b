"""Normalization and validation of selections, independent of the chunk grid."""

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
    """Return `v` if it is a tuple, otherwise a tuple that contains only `v`."""
    return v if isinstance(v, tuple) else (v,)


def err_too_many_indices(selection: Sequence[Any], shape: tuple[int, ...]) -> NoReturn:
    """Raise the error for a selection that has more items than the array has dimensions.

    Raises
    ------
    IndexError
        Always.
    """
    raise IndexError(f"too many indices for array; expected {len(shape)}, got {len(selection)}")


def check_selection_length(selection: Sequence[Any], shape: tuple[int, ...]) -> None:
    """Raise an error if a selection has more items than the array has dimensions.

    Raises
    ------
    IndexError
        If the selection has too many items.
    """
    if len(selection) > len(shape):
        err_too_many_indices(selection, shape)


def replace_ellipsis(selection: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return a selection with one item per dimension.

    Parameters
    ----------
    selection : object
        One item or a tuple of items. One item may be ``...``. Dimensions without an item are
        selected completely.
    shape : tuple of int
        Shape of the array in elements.

    Raises
    ------
    IndexError
        If there are more items than dimensions, or more than one ``...``.
    """
    items = ensure_tuple(selection)
    # Compare the items by identity, because `==` would compare arrays element by element.
    at = [axis for axis, item in enumerate(items) if item is Ellipsis]
    if len(at) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    head, tail = (items[: at[0]], items[at[0] + 1 :]) if at else (items, ())
    missing = len(shape) - len(head) - len(tail)
    if missing < 0:
        err_too_many_indices(head + tail, shape)
    return (*head, *[slice(None)] * missing, *tail)


def replace_lists(selection: Iterable[Any]) -> tuple[Any, ...]:
    """Return the items of a selection as a tuple, with lists converted to NumPy arrays.

    Raises
    ------
    ValueError
        If a list contains lists of different lengths.
    """
    return tuple(np.asarray(item) if isinstance(item, list) else item for item in selection)


# --- integers ---------------------------------------------------------------------------


def _out_of_bounds(dim_len: int) -> NoReturn:
    raise BoundsCheckError(f"index out of bounds for dimension with length {dim_len}")


def normalize_integer_selection(dim_sel: int, dim_len: int) -> int:
    """Return an index as a non-negative number.

    Parameters
    ----------
    dim_sel : int
        The index; a negative index counts from the end.
    dim_len : int
        Length of the dimension in elements.

    Raises
    ------
    BoundsCheckError
        If the index is outside the dimension.
    """
    index = operator.index(dim_sel)
    if index < 0:
        index += dim_len
    if not 0 <= index < dim_len:
        _out_of_bounds(dim_len)
    return index


def wraparound_indices(x: npt.NDArray[np.intp], dim_len: int) -> npt.NDArray[np.intp]:
    """Return a copy of the indices, in which `dim_len` is added to each negative index."""
    return np.where(x < 0, x + dim_len, x)


def boundscheck_indices(x: npt.NDArray[np.intp], dim_len: int) -> None:
    """Raise an error if an index is negative or not less than the length of the dimension.

    Raises
    ------
    BoundsCheckError
        If an index is out of bounds.
    """
    if x.size and (np.min(x) < 0 or np.max(x) >= dim_len):
        _out_of_bounds(dim_len)


def normalize_indices(
    x: npt.NDArray[Any], dim_len: int, *, wraparound: bool = True, boundscheck: bool = True
) -> npt.NDArray[np.intp]:
    """Convert indices of any integer data type to the data type `intp`.

    If `wraparound` is True, negative indices are counted from the end.

    Raises
    ------
    BoundsCheckError
        If `boundscheck` is True and an index is outside the dimension.
    """
    # Check the bounds before the conversion to a signed type, because large unsigned numbers could
    # become negative.
    if boundscheck and x.dtype.kind == "u" and x.size and int(np.max(x)) >= dim_len:
        _out_of_bounds(dim_len)
    indices = x.astype(np.intp, copy=False)
    if wraparound and indices.size and np.min(indices) < 0:
        indices = wraparound_indices(indices, dim_len)
    if boundscheck:
        boundscheck_indices(indices, dim_len)
    return indices


def slice_to_range(s: slice, length: int) -> range:
    """Return the indices that a slice selects from a dimension of the given length."""
    return range(*s.indices(length))


def make_slice_selection(selection: Iterable[Any]) -> list[Any]:
    """Return a selection in which single indices are replaced by slices of length one.

    Parameters
    ----------
    selection : iterable
        Items of a selection. Integers and integer arrays with one element are replaced. Other items
        are kept.

    Raises
    ------
    ArrayIndexError
        If an integer array does not have exactly one element.
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
    # For the index -1, the stop of the slice has to be None, because -1 + 1 is 0.
    return slice(index, None if index == -1 else index + 1, 1)


# --- fields -----------------------------------------------------------------------------


def pop_fields(selection: Any) -> tuple[Fields | None, Any]:
    """Separate field names from the rest of a selection.

    Parameters
    ----------
    selection : object
        One item or a tuple of items; strings are field names.

    Returns
    -------
    fields : str, list of str or None
        The name as a string if there is one field name, otherwise a list of field names. The list
        is empty if `selection` is a tuple without field names. None if `selection` is neither a
        string nor a tuple.
    selection : object
        The items that are not field names. If only one item of a tuple remains, it is returned
        without the tuple.
    """
    if isinstance(selection, str):
        return selection, ()
    if not isinstance(selection, tuple):
        return None, selection
    names = [item for item in selection if isinstance(item, str)]
    rest = tuple(item for item in selection if not isinstance(item, str))
    return names[0] if len(names) == 1 else names, rest[0] if len(rest) == 1 else rest


def check_fields(fields: Fields | None, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the data type of the requested fields.

    Parameters
    ----------
    fields : str, list of str or None
        For one name, the result is the data type of the field. For several names, the result is a
        structured data type with these fields in this order. None and an empty list select all
        fields.
    dtype : numpy.dtype
        Data type of the array.

    Raises
    ------
    IndexError
        If `fields` has a wrong type, if a field does not exist, or if the data type has no fields.
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
    """Return `fields`; if it is a list of exactly one field name, return this name instead.

    The function is used by operations that support only one field.

    Raises
    ------
    IndexError
        If `fields` is a list of several field names.
    """
    if isinstance(fields, list) and fields:
        if len(fields) > 1:
            raise IndexError("multiple fields are not supported for this operation")
        return fields[0]
    return fields
