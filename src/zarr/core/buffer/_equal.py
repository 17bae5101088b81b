"""Compare all elements of an array with a scalar, either bit by bit or by equality."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# Elements of these sizes (in bytes) are compared as integers, because integers are compared
# fastest.
_INTEGERS = {1: np.dtype("u1"), 2: np.dtype("u2"), 4: np.dtype("u4"), 8: np.dtype("u8")}


def holds_only(array: Any, value: Any) -> bool:
    """Return whether every element of `array` has the same bits as `value`.

    Therefore -0.0 differs from 0.0, and a NaN differs from a NaN with other bits. Strings and other
    objects of variable length are compared by type and value. Padding between fields is ignored.

    Parameters
    ----------
    array : array
        The elements. Arrays of numbers may be in GPU memory; other arrays must be in host memory.
    value : scalar
        A value that NumPy can convert to the data type of `array`.
    """
    if array.size == 0:
        return True
    dtype = array.dtype
    # Compare the first element before all others. Most chunks contain data, so the first element
    # usually differs from the value. If two elements are not equal, their bits differ. The only
    # exception is NaN, which is not equal to itself.
    in_host = isinstance(array, np.ndarray)
    if in_host and type(value) is dtype.type and dtype.kind in "biuf":
        first = array.item((0,) * array.ndim)
        if first != value and first == first:
            return False
    if dtype.kind == "O":
        return _objects_only(array, value)
    return _bits_only(array, np.asarray(value, dtype=dtype))


def _bits_only(array: Any, value: Any) -> bool:
    """Return whether every element of `array` has the same bits as `value`.

    `value` is a zero-dimensional array of the same dtype. If the elements are subarrays of a field,
    `value` has the shape of one subarray.
    """
    dtype = array.dtype
    if dtype.names is not None and not _is_solid(dtype):
        return all(_bits_only(array[name], value[name]) for name in dtype.names)
    if dtype.kind in "OT":
        return bool((array == value).all())
    if dtype.itemsize == 0:
        return True
    as_integers = _INTEGERS.get(dtype.itemsize)
    if as_integers is not None:
        array, value = array.view(as_integers), value.view(as_integers)
    elif not isinstance(array, np.ndarray):
        return _bits_only(array.real, value.real) and _bits_only(array.imag, value.imag)
    elif value.ndim == 0:
        return _repeats(array, value)
    else:
        array, value = (np.ascontiguousarray(one)[..., None].view("u1") for one in (array, value))
    if value.ndim == 0:
        value = value[()]
        if isinstance(array, np.ndarray) and array[(0,) * array.ndim] != value:
            return False
    return bool((array == value).all())


def _repeats(array: Any, value: Any) -> bool:
    """Return whether the bytes of every element of `array` equal the bytes of `value`."""
    nbytes = array.dtype.itemsize
    if array[(*(0,) * array.ndim, ...)].tobytes() != value.tobytes():
        return False
    # Compare the bytes of each element with the bytes of the next element. `ravel` copies the array
    # only if there are gaps between the elements in memory, or if a stride is negative or 0.
    unit = next(size for size in (8, 4, 2, 1) if nbytes % size == 0)
    flat: Any = np.ravel(array, order="K")
    flat = flat.view(_INTEGERS[unit])
    return bool((flat[nbytes // unit :] == flat[: -(nbytes // unit)]).all())


def _is_solid(dtype: np.dtype[Any]) -> bool:
    """Return whether the fields of a dtype have fixed sizes and fill an element without gaps."""
    end = 0
    for field, offset, *_ in (dtype.fields or {}).values():
        base = field.base
        if offset != end or base.kind in "OT" or (base.names is not None and not _is_solid(base)):
            return False
        end += field.itemsize
    return end == dtype.itemsize


def _objects_only(array: npt.NDArray[Any], value: Any) -> bool:
    cls = type(value)
    if cls in (str, bytes):
        # A str or bytes object equals only objects of the same type, so `==` is sufficient.
        return bool(np.all(array == value))
    wanted = repr(value)
    # Compare by `repr`, because 0, 0.0, -0.0 and False are equal but are stored differently.
    # Containers of such values can also be equal although they are stored differently.
    return all(type(item) is cls and repr(item) == wanted for item in array.flat)


def all_same(data: Any, other: Any, equal_nan: bool) -> bool:
    """Return whether every element of `data` equals `other`.

    `other` is compared without conversion to the data type of `data`.

    Parameters
    ----------
    data : array
        Array with at least one element. Its data type must be neither object nor structured.
    other : scalar
        The value to compare with.
    equal_nan : bool
        Whether NaN equals NaN and NaT equals NaT, regardless of their bits. A complex number is NaN
        if its real or imaginary part is NaN.
    """
    value = np.asarray(other)
    kinds = data.dtype.kind + value.dtype.kind
    if value.size != 1:
        raise ValueError(f"One value is needed to compare with, got {value.size}.")
    comparable = ("biufc", "biufcO"), ("mM", "mMf"), ("S", "S"), ("U", "U")
    if not any(kinds[0] in ours and kinds[1] in theirs for ours, theirs in comparable):
        return False
    if kinds[0] in "mM":
        if np.isnan(value):  # also True for NaT
            return equal_nan and bool(np.isnat(data).all())
        return kinds[0] == kinds[1] and bool((data == value).all())
    value = other if kinds[1] == "O" else value.reshape(())[()]
    if kinds[1] in "fc" and np.isnan(value) and (kinds[0] not in "fc" or not equal_nan):
        return False
    if isinstance(data, np.ndarray):
        first = data[(0,) * data.ndim]
        if not _equal(first, value, kinds):
            return False
    return bool(_equal(data, value, kinds).all())


def _equal(data: Any, value: Any, kinds: str) -> Any:
    """Compare each element with a value; floating-point 0.0 differs from floating-point -0.0."""
    if kinds[1] in "fc":
        if np.isnan(value):
            return np.isnan(data)
        equal = data == value
        if kinds[0] == "f" and value == 0:
            return equal & (np.signbit(data) == np.signbit(value.real))
        if kinds[0] == "c":
            for part, wanted in ((data.real, value.real), (data.imag, value.imag)):
                if wanted == 0:
                    equal = equal & (np.signbit(part) == np.signbit(wanted))
        return equal
    return data == value
