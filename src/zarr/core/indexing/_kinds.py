"""Predicates for the kinds of selections. The predicates raise no errors."""

from __future__ import annotations

import numbers
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt


def is_integer(x: Any) -> TypeGuard[int]:
    """Return whether `x` is an integer of Python or NumPy, but not a bool."""
    return isinstance(x, numbers.Integral) and not is_bool(x)


def is_bool(x: Any) -> TypeGuard[bool | np.bool_]:
    """Return whether `x` is a bool of Python or NumPy."""
    return isinstance(x, (bool, np.bool_))


def _is_array(x: Any, kinds: str, ndim: int | None) -> bool:
    # Arrays of any library are accepted. NumPy scalars also have a shape, but are not arrays.
    if isinstance(x, np.generic) or not (hasattr(x, "shape") and hasattr(x, "dtype")):
        return False
    return getattr(x.dtype, "kind", "") in kinds and (ndim is None or len(x.shape) == ndim)


def is_integer_array(x: Any, ndim: int | None = None) -> TypeGuard[npt.NDArray[np.intp]]:
    """Return whether `x` is an array of integers.

    Parameters
    ----------
    x : object
        The object to test. NumPy scalars are not arrays.
    ndim : int or None
        Required number of dimensions; None means any number.
    """
    return _is_array(x, "iu", ndim)


def is_bool_array(x: Any, ndim: int | None = None) -> TypeGuard[npt.NDArray[np.bool_]]:
    """Return whether `x` is an array of bools; see `is_integer_array` for the parameters."""
    return _is_array(x, "b", ndim)


def is_integer_list(x: Any) -> TypeGuard[list[int]]:
    """Return whether `x` is a non-empty list of integers."""
    return isinstance(x, list) and len(x) > 0 and all(map(is_integer, x))


def is_bool_list(x: Any) -> TypeGuard[list[bool | np.bool_]]:
    """Return whether `x` is a non-empty list of bools."""
    return isinstance(x, list) and len(x) > 0 and all(map(is_bool, x))


def is_int_or_bool_iterable(x: Any) -> bool:
    """Return whether `x` is an array or a list that contains only integers or only bools."""
    return is_integer_array(x) or is_bool_array(x) or is_integer_list(x) or is_bool_list(x)


def is_slice(s: Any) -> TypeGuard[slice]:
    """Return whether `s` is a slice."""
    return isinstance(s, slice)


def is_contiguous_slice(s: Any) -> TypeGuard[slice]:
    """Return whether `s` is a slice of step 1."""
    return is_slice(s) and s.step in (None, 1)


def is_positive_slice(s: Any) -> TypeGuard[slice]:
    """Return whether `s` is a slice with a step of at least 1."""
    return is_slice(s) and (s.step is None or s.step >= 1)


def is_contiguous_selection(selection: Any) -> TypeGuard[slice | tuple[slice, ...]]:
    """Return whether a selection consists only of slices of step 1 and ``...``."""
    items = selection if isinstance(selection, tuple) else (selection,)
    return all(item is Ellipsis or is_contiguous_slice(item) for item in items)


def is_basic_selection(selection: Any) -> bool:
    """Return whether a selection consists only of integers and slices of step 1 or more."""
    items = selection if isinstance(selection, tuple) else (selection,)
    return all(is_integer(item) or is_positive_slice(item) for item in items)


def is_coordinate_selection(selection: Any, shape: tuple[int, ...]) -> bool:
    """Return whether `selection` is a tuple of coordinates with one item per dimension.

    Each item must be an integer or an integer array.
    """
    return (
        isinstance(selection, tuple)
        and len(selection) == len(shape)
        and all(is_integer(item) or is_integer_array(item) for item in selection)
    )


def is_mask_selection(selection: Any, shape: tuple[int, ...]) -> bool:
    """Return whether `selection` is a tuple with one item, a bool array of the given shape."""
    return (
        isinstance(selection, tuple)
        and len(selection) == 1
        and is_bool_array(selection[0])
        and selection[0].shape == shape
    )


def is_pure_fancy_indexing(selection: Any, ndim: int) -> bool:
    """Return whether NumPy treats a selection as a selection of points.

    A bool array selects points. A list of bools, a list of integers or an integer array selects
    points of a one-dimensional array. A tuple with one item per dimension selects points if each
    item is an integer, an integer array or a list of integers, and if at least one item is an array
    or a list.

    Parameters
    ----------
    selection : object
        A selection without field names.
    ndim : int
        Number of dimensions of the indexed array.

    Returns
    -------
    bool
        False if all items are integers, because such a selection selects a single element.
    """
    if is_bool_array(selection):
        return True
    if ndim == 1 and is_int_or_bool_iterable(selection):
        return True
    if not isinstance(selection, tuple) or len(selection) != ndim:
        return False
    arrays = [is_integer_array(item) or is_integer_list(item) for item in selection]
    return any(arrays) and all(
        array or is_integer(item) for array, item in zip(arrays, selection, strict=True)
    )


def is_pure_orthogonal_indexing(selection: Any, ndim: int) -> bool:
    """Return whether a selection can be treated as an orthogonal selection.

    Parameters
    ----------
    selection : object
        A selection without field names.
    ndim : int
        Number of dimensions of the indexed array.

    Returns
    -------
    bool
        True if the items are Python integers, slices and at most one list or array. Also True if
        there is exactly one item per dimension, and each item is a list or an array. False if the
        selection has more items than the indexed array has dimensions, or if the indexed array is
        zero-dimensional.
    """
    if ndim == 0:
        return False
    items = selection if isinstance(selection, tuple) else (selection,)
    if len(items) > ndim:
        return False
    arrays = sum(1 for item in items if is_int_or_bool_iterable(item))
    if arrays == len(items) == ndim:
        return True
    simple = sum(1 for item in items if isinstance(item, (int, slice)))
    return arrays <= 1 and arrays + simple == len(items)


def is_scalar(value: Any, dtype: np.dtype[Any]) -> bool:
    """Return whether `value` is a single element, as opposed to an array of elements.

    Parameters
    ----------
    value : object
        The value to test. Scalars and zero-dimensional arrays are single elements. For a structured
        data type, a tuple with one item per field is also a single element.
    dtype : numpy.dtype
        Data type of the element.
    """
    if np.isscalar(value) or getattr(value, "shape", None) == ():
        return True
    names = dtype.names
    return names is not None and isinstance(value, tuple) and len(value) == len(names)
