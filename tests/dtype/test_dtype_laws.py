"""Laws of data types and scalars, checked on generated examples."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import zarr.dtype as zd
from zarr.core.dtype import get_data_type_from_json, get_data_type_from_native_dtype
from zarr.core.dtype._time import TIME_UNITS

ENDIANNESS = st.sampled_from(["little", "big"])
WIDE = [
    zd.Int16, zd.UInt16, zd.Int32, zd.UInt32, zd.Int64, zd.UInt64, zd.Float16, zd.Float32,
    zd.Float64, zd.Complex64, zd.Complex128,
]  # fmt: skip
LENGTHS = st.integers(1, 300)
UNITS = st.sampled_from([unit for unit in TIME_UNITS if unit != "generic"])
SCALE_FACTORS = st.integers(1, 2**31 - 1)

SIMPLE: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([zd.Bool(), zd.Int8(), zd.UInt8()]),
    st.builds(lambda cls, e: cls(endianness=e), st.sampled_from(WIDE), ENDIANNESS),
    st.builds(zd.FixedLengthUTF32, length=LENGTHS, endianness=ENDIANNESS),
    st.builds(zd.NullTerminatedBytes, length=LENGTHS),
    st.builds(zd.RawBytes, length=LENGTHS),
    st.builds(
        lambda cls, u, s, e: cls(unit=u, scale_factor=s, endianness=e),
        st.sampled_from([zd.DateTime64, zd.TimeDelta64]),
        UNITS,
        SCALE_FACTORS,
        ENDIANNESS,
    ),
)


def structs(field: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.text("abcxyz_é", min_size=1, max_size=4)
    fields = st.lists(st.tuples(names, field), min_size=1, max_size=4, unique_by=lambda f: f[0])
    return fields.map(lambda f: zd.Struct(fields=tuple(f)))


FIXED_SIZE = st.recursive(SIMPLE, structs, max_leaves=6)
ALL = st.one_of(FIXED_SIZE, st.sampled_from([zd.VariableLengthUTF8(), zd.VariableLengthBytes()]))


@given(ALL)
def test_format_2_names_a_data_type_exactly(dtype: Any) -> None:
    form = json.loads(json.dumps(dtype.to_json(2)))
    assert get_data_type_from_json(form, zarr_format=2) == dtype


@given(FIXED_SIZE)
def test_numpy_names_a_data_type_exactly(dtype: Any) -> None:
    native = dtype.to_native_dtype()
    assert get_data_type_from_native_dtype(native) == dtype
    assert native.itemsize == dtype.item_size


@given(st.data())
@settings(max_examples=200)
def test_bits_of_scalars_survive_storage(data: st.DataObject) -> None:
    """Every scalar that fits NumPy's layout comes back with the same bits, NaN payloads too."""
    dtype = data.draw(FIXED_SIZE)
    native = dtype.to_native_dtype()
    if native.kind in "USb":
        return
    raw = data.draw(st.binary(min_size=native.itemsize, max_size=native.itemsize))
    if has_text_or_bool(dtype):
        raw = bytes(native.itemsize)
    scalar = np.frombuffer(raw, native)[0]
    zarr_format: Any = data.draw(st.sampled_from([2, 3]))
    stored = json.loads(json.dumps(dtype.to_json_scalar(scalar, zarr_format=zarr_format)))
    back = dtype.from_json_scalar(stored, zarr_format=zarr_format)
    if zarr_format == 2 and native.kind in "fc":
        # Format 2 has one word for all NaNs.
        assert np.array_equal(np.array(back), np.array(scalar), equal_nan=True)
    else:
        assert np.array([back], native).tobytes() == raw


def has_text_or_bool(dtype: Any) -> bool:
    if isinstance(dtype, zd.Struct):
        return any(has_text_or_bool(field) for _, field in dtype.fields)
    return dtype.to_native_dtype().kind in "USb"


@given(LENGTHS, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_text_survives_up_to_the_length(length: int, text: str) -> None:
    dtype = zd.FixedLengthUTF32(length=length)
    scalar = dtype.cast_scalar(text)
    assert scalar == text[:length]
    assert np.array([scalar], dtype.to_native_dtype())[0] == scalar
    assert (
        dtype.from_json_scalar(dtype.to_json_scalar(scalar, zarr_format=3), zarr_format=3) == scalar
    )


@given(LENGTHS, st.binary())
def test_bytes_survive_up_to_the_length(length: int, data: bytes) -> None:
    for dtype in (zd.NullTerminatedBytes(length=length), zd.VariableLengthBytes()):
        scalar = dtype.cast_scalar(data)
        assert scalar == (data if isinstance(dtype, zd.VariableLengthBytes) else data[:length])
        stored = dtype.to_json_scalar(scalar, zarr_format=2)
        assert dtype.from_json_scalar(stored, zarr_format=2) == scalar
    raw = zd.RawBytes(length=length).cast_scalar(data).tobytes()
    assert raw == data[:length].ljust(length, b"\0")


@given(st.sampled_from([zd.Int8, zd.UInt8, *WIDE[:6]]), st.integers(-(2**65), 2**65))
def test_integers_are_exact_or_refused(cls: Any, number: int) -> None:
    dtype = cls()
    info = np.iinfo(dtype.to_native_dtype())
    if info.min <= number <= info.max:
        assert int(dtype.cast_scalar(number)) == number
        assert dtype.to_json_scalar(number, zarr_format=3) == number
        assert dtype.from_json_scalar(number, zarr_format=2) == number
    else:
        for convert in (dtype.cast_scalar, lambda n: dtype.from_json_scalar(n, zarr_format=3)):
            try:
                convert(number)
            except OverflowError:
                continue
            raise AssertionError("out of range, yet accepted")
