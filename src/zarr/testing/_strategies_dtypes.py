"""Strategies for data types, and for NumPy arrays and scalars with these data types."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from zarr.core.dtype import (
    DateTime64,
    Struct,
    TBaseDType,
    TBaseScalar,
    TimeDelta64,
    ZDType,
    get_data_type_from_native_dtype,
)

AnyDType: TypeAlias = np.dtype[Any]
AnyZDType: TypeAlias = ZDType[TBaseDType, TBaseScalar]

_INTEGERS: Final = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
_INEXACT: Final = ("f2", "f4", "f8", "c8", "c16")
_UNITS: Final = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as")
_LENGTHS: Final = st.integers(1, 16)
_BYTE_ORDERS: Final = st.sampled_from("<>")
# Integer value of NaT (not a time).
_NAT: Final = -(2**63)
_FIELD_NAMES: Final = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=4)
_FIELD_SHAPES: Final = npst.array_shapes(max_dims=2, max_side=3)

array_shapes: st.SearchStrategy[tuple[int, ...]] = npst.array_shapes(
    max_dims=3, min_side=2, max_side=7
) | npst.array_shapes(max_dims=4, min_side=0, max_side=4)
"""Shapes in elements: one to four dimensions, some of length 0, and at most 343 elements."""


# --- data types -------------------------------------------------------------------------


# The strategy is cached, because hypothesis validates each strategy object on its first draw.
@cache
def _common_dtypes() -> st.SearchStrategy[AnyDType]:
    """Return a strategy for the data types that `hypothesis.extra.numpy.arrays` can fill."""
    return st.one_of(
        st.just(np.dtype("?")),
        st.builds(_dtype, _BYTE_ORDERS, st.sampled_from(_INTEGERS)),
        st.builds(_dtype, _BYTE_ORDERS, st.sampled_from(_INEXACT)),
        st.builds(_dtype, st.just("|"), st.just("S"), _LENGTHS),
        st.builds(_dtype, _BYTE_ORDERS, st.just("U"), _LENGTHS),
        st.builds(_dtype, _BYTE_ORDERS, st.sampled_from(["M8", "m8"]), st.sampled_from(_UNITS)),
    )


@cache
def _fixed_size_dtypes() -> st.SearchStrategy[AnyDType]:
    """Return a strategy for fixed-size data types without fields."""
    return _common_dtypes() | st.builds(_dtype, st.just("|"), st.just("V"), _LENGTHS)


def _dtype(byte_order: str, code: str, suffix: int | str = "") -> AnyDType:
    """Return the data type with this byte order and type code (NumPy array protocol).

    If `suffix` is a non-empty string, it is the unit of a ``datetime64`` or ``timedelta64`` data
    type. If `suffix` is a number, it is the length of the data type.
    """
    unit = f"[{suffix}]" if isinstance(suffix, str) and suffix else suffix
    return np.dtype(f"{byte_order}{code}{unit}")


def v2_dtypes() -> st.SearchStrategy[AnyDType]:
    """Return a strategy for NumPy data types of format 2 arrays.

    Returns
    -------
    strategy for numpy.dtype
        Booleans, numbers of every size, text and bytes of at most 16 characters, and times in every
        unit. Types with a byte order are drawn in both byte orders. `hypothesis.extra.numpy.arrays`
        can fill arrays of these data types. Void types and variable-length text, which
        `numpy_arrays` also draws, are not included, because `hypothesis.extra.numpy.arrays` cannot
        fill them.
    """
    return _common_dtypes()


def v3_dtypes() -> st.SearchStrategy[AnyDType]:
    """Return a strategy for NumPy data types of format 3 arrays.

    Some data types have no specification yet; storing an array of such a data type issues an
    `UnstableSpecificationWarning`.

    Returns
    -------
    strategy for numpy.dtype
        The same data types as `v2_dtypes`.
    """
    return _common_dtypes()


def dtypes() -> st.SearchStrategy[AnyDType]:
    """Return a strategy for NumPy data types that arrays of both formats can store.

    Returns
    -------
    strategy for numpy.dtype
        The same data types as `v2_dtypes`.
    """
    return _common_dtypes()


@cache
def _field_dtypes(allow_extended: bool, max_depth: int) -> st.SearchStrategy[AnyDType]:
    """Return a strategy for the data types of fields; see `structured_dtypes`."""
    plain = _fixed_size_dtypes()
    if max_depth < 1:
        return plain
    return plain | structured_dtypes(allow_extended=allow_extended, max_depth=max_depth - 1)


@st.composite
def structured_dtypes(
    draw: st.DrawFn, *, allow_extended: bool = False, max_depth: int = 3
) -> AnyDType:
    """Draw a NumPy data type with one to four fields.

    Parameters
    ----------
    allow_extended : bool
        Whether to also draw NumPy features that Zarr lacks: titles, fields that are arrays,
        alignment.
    max_depth : int
        Maximum depth of nested structured fields below the outermost type; 0 for no nesting.
    """
    kinds = _field_dtypes(allow_extended, max_depth)
    fields: list[tuple[Any, ...]] = []
    for index in range(draw(st.integers(1, 4))):
        # The index makes the field names unique. Titles are written in upper case, so that no title
        # equals a name.
        name: Any = f"{draw(_FIELD_NAMES)}{index}"
        field: tuple[Any, ...] = (draw(kinds),)
        if allow_extended:
            if draw(st.booleans()):
                name = (name.upper(), name)
            if draw(st.booleans()):
                field += (draw(_FIELD_SHAPES),)
        fields.append((name, *field))
    return np.dtype(fields, align=allow_extended and draw(st.booleans()))


@cache
def array_dtypes() -> st.SearchStrategy[AnyDType]:
    """Return a strategy for data types that NumPy and Zarr have in common."""
    text: AnyDType = np.dtypes.StringDType()
    return _fixed_size_dtypes() | structured_dtypes(max_depth=1) | st.just(text)


@st.composite
def _structs(draw: st.DrawFn, kinds: st.SearchStrategy[AnyZDType]) -> AnyZDType:
    fields = draw(st.lists(st.tuples(_FIELD_NAMES, kinds), min_size=1, max_size=4))
    return Struct(
        fields=tuple((f"{name}{index}", kind) for index, (name, kind) in enumerate(fields))
    )


@st.composite
def zdtypes(draw: st.DrawFn, *, max_leaves: int = 6) -> AnyZDType:
    """Draw a fixed-size data type, which may be a nested structure.

    Parameters
    ----------
    max_leaves : int
        Maximum number of fields that are not structures themselves, counted over all levels of
        nesting.

    Returns
    -------
    ZDType
        A data type of `v2_dtypes`, a void type, a `DateTime64` that counts multiples of a unit, a
        `TimeDelta64` with or without a unit, or a structure.
    """
    return draw(_zdtypes(max_leaves))


@lru_cache(8)
def _zdtypes(max_leaves: int) -> st.SearchStrategy[AnyZDType]:
    order = st.sampled_from(["little", "big"])
    times = st.sampled_from([DateTime64, TimeDelta64])
    units = st.sampled_from(_UNITS)
    scaled = st.builds(_time, times, order, st.integers(1, 2**31 - 1), units)
    # Dates without a unit are not drawn, because NaT is the only such date in NumPy.
    unitless = st.builds(_time, st.just(TimeDelta64), order, st.just(1), st.just("generic"))
    plain = _fixed_size_dtypes().map(get_data_type_from_native_dtype)
    return st.recursive(plain | scaled | unitless, _structs, max_leaves=max_leaves)


def _time(cls: Any, endianness: str, scale_factor: int, unit: str) -> AnyZDType:
    time: AnyZDType = cls(endianness=endianness, scale_factor=scale_factor, unit=unit)
    return time


# --- values -----------------------------------------------------------------------------


def safe_unicode_for_dtype(dtype: np.dtype[np.str_]) -> st.SearchStrategy[str]:
    """Return a strategy for text that an array stores without change.

    Parameters
    ----------
    dtype : numpy.dtype
        Data type of text (kind ``U``), with elements of four bytes per character.

    Returns
    -------
    strategy for str
        Text that fits into an element. It contains no surrogates, which cannot be encoded as UTF-8,
        and no NUL characters, because NumPy removes NUL characters at the end of a text.
    """
    characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    return st.text(characters, max_size=dtype.itemsize // 4)


@lru_cache(512)
def scalars(dtype: AnyDType, *, allow_nan: bool = True) -> st.SearchStrategy[Any]:
    """Return a strategy for elements of an array.

    Parameters
    ----------
    dtype : numpy.dtype
        Data type of the elements.
    allow_nan : bool
        Whether to also draw values that are not equal to themselves: NaN and NaT. Such values are
        never drawn for the fields of a structure, because NumPy compares a structure as a whole.

    Returns
    -------
    strategy
        Values that can be assigned to elements of this data type. For structures, the values are
        tuples.
    """
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return npst.arrays(base, shape, elements=scalars(base, allow_nan=False))
    if dtype.fields is not None:
        fields = (dtype.fields[name][0] for name in dtype.names or ())
        return st.tuples(*(scalars(field, allow_nan=False) for field in fields))
    if dtype.kind == "U":
        return safe_unicode_for_dtype(dtype)
    if dtype.kind == "T":
        return st.text(max_size=12)
    if dtype.kind == "O":
        return st.binary(max_size=12)
    if dtype.kind == "V":
        return st.binary(min_size=dtype.itemsize, max_size=dtype.itemsize).map(np.void)
    if dtype.kind in "mM":
        counts = st.integers(_NAT if allow_nan else _NAT + 1, 2**63 - 1)
        return counts.map(lambda count: np.array(count, f"{dtype.str[0]}i8").view(dtype)[()])
    return npst.from_dtype(dtype, allow_nan=allow_nan)


def arrays_of(
    dtype: AnyDType, shape: tuple[int, ...], *, allow_nan: bool = True
) -> st.SearchStrategy[np.ndarray[Any, Any]]:
    """Return a strategy for NumPy arrays of a given shape and data type.

    Parameters
    ----------
    dtype : numpy.dtype
        Data type; the elements of object arrays are `bytes`.
    shape : tuple of int
        Shape in elements.
    allow_nan : bool
        See `scalars`.
    """
    elements = scalars(dtype, allow_nan=allow_nan)
    if dtype.kind == "T":
        # Hypothesis does not support arrays of variable-length text.
        text = npst.arrays(np.dtype(object), shape, elements=elements, fill=elements)
        return text.map(lambda array: array.astype(dtype))
    # With `fill`, hypothesis draws only a few elements separately, and uses one value for all other
    # elements. Large arrays are therefore drawn quickly.
    return npst.arrays(dtype, shape, elements=elements, fill=elements)


@st.composite
def numpy_arrays(
    draw: st.DrawFn,
    *,
    shapes: st.SearchStrategy[tuple[int, ...]] = array_shapes,
    dtype: AnyDType | st.SearchStrategy[AnyDType] | None = None,
) -> np.ndarray[Any, Any]:
    """Draw a NumPy array that a Zarr array can store.

    Parameters
    ----------
    shapes : strategy for tuple of int
        Shape in elements.
    dtype : numpy.dtype, strategy for it, or None
        Data type of the elements. If None, the data type is drawn from `dtypes`, void types,
        structures, and variable-length text.

    Returns
    -------
    numpy.ndarray
        The array. Structures contain neither NaN nor NaT, because
        `numpy.testing.assert_array_equal` would treat an array with such structures as different
        from its copy.
    """
    if dtype is None:
        dtype = array_dtypes()
    drawn = draw(dtype) if isinstance(dtype, st.SearchStrategy) else np.dtype(dtype)
    return draw(arrays_of(drawn, draw(shapes)))


def fill_values(dtype: AnyDType) -> st.SearchStrategy[Any]:
    """Return a strategy for fill values of a data type, as NumPy scalars."""
    if dtype.kind in "TO":
        return scalars(dtype)
    return arrays_of(dtype, ()).map(lambda array: array[()])
