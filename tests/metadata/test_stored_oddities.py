"""What earlier releases and others stored: fill values out of range, chunk lengths as true or lists."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import zarr
from zarr.core.metadata._chunk_grid import RectilinearChunksDisabledError
from zarr.errors import ZarrUserWarning
from zarr.storage import MemoryStore

OUT_OF_RANGE: list[tuple[Any, Any]] = [
    ("i4", 2**40),
    ("u1", -1),
    ("i8", 2**70),
    ("i4", float("inf")),
    ("f8", 10**400),
    ("c16", 10**400),
    ("M8[s]", 2**70),
    ("m8[s]", 2**70),
    ([("a", "i4")], (2**40,)),
]
STORED: list[tuple[str, Any]] = [
    ("i4", 2**40),
    ("u1", -1),
    ("i4", "99999999999"),
    ("i4", 1e300),
    ("f4", 10**400),
    ("c8", [10**400, 0]),
    ("M8[s]", 2**70),
    ("m8[s]", -(2**70)),
]


def rewritten(parameters: dict[str, Any], change: Any) -> MemoryStore:
    """Return a store with an array whose document was changed."""
    store = MemoryStore()
    zarr.create_array(store, **parameters)
    key = ".zarray" if parameters.get("zarr_format") == 2 else "zarr.json"
    document = json.loads(store._store_dict[key].to_bytes())
    change(document)
    data = json.dumps(document).encode()
    store._store_dict[key] = zarr.buffer.default_buffer_prototype().buffer.from_bytes(data)
    return store


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(("dtype", "value"), OUT_OF_RANGE, ids=lambda value: str(value)[:20])
def test_fill_values_out_of_range(dtype: Any, value: Any, zarr_format: Any) -> None:
    store: dict[str, Any] = {}
    with pytest.raises(ValueError, match=r"fill_value .* out of the range") as caught:
        zarr.create_array(
            store, shape=2, dtype=np.dtype(dtype), fill_value=value, zarr_format=zarr_format
        )
    assert isinstance(caught.value, OverflowError)
    assert store == {}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(("dtype", "value"), STORED, ids=lambda value: str(value)[:20])
def test_stored_fill_values_out_of_range(dtype: str, value: Any, zarr_format: Any) -> None:
    store = rewritten(
        {"shape": 2, "dtype": dtype, "zarr_format": zarr_format},
        lambda document: document.update(fill_value=value),
    )
    with pytest.raises(ValueError, match=r"fill_value .* out of the range") as caught:
        zarr.open_array(store)
    assert isinstance(caught.value, OverflowError)


def test_other_fill_values_are_named_in_a_note() -> None:
    with pytest.raises(ValueError, match="invalid literal") as caught:
        zarr.create_array({}, shape=2, dtype="i4", fill_value="abc")
    assert caught.value.__notes__ == ["in fill_value 'abc'"]


def with_chunks(zarr_format: Any, shape: tuple[int, ...], chunks: Any) -> MemoryStore:
    def change(document: Any) -> None:
        if zarr_format == 2:
            document["chunks"] = chunks
        else:
            document["chunk_grid"]["configuration"]["chunk_shape"] = chunks

    return rewritten(
        {"shape": shape, "chunks": (1,) * len(shape), "dtype": "i4", "zarr_format": zarr_format},
        change,
    )


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    ("stored", "chunks"), [([True, True], (1, 1)), ([True, 3], (1, 3)), ([2, True], (2, 1))]
)
def test_true_is_a_chunk_length_of_one(stored: Any, chunks: Any, zarr_format: Any) -> None:
    array = zarr.open_array(with_chunks(zarr_format, (4, 6), stored))
    assert array.chunks == chunks
    array[...] = 5
    np.testing.assert_array_equal(array[...], 5)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_false_is_a_chunk_length_of_zero(zarr_format: Any) -> None:
    with pytest.warns(ZarrUserWarning, match="chunk shape"):
        array = zarr.open_array(with_chunks(zarr_format, (4,), [False]))
    assert array.chunks == (1,)


@pytest.mark.parametrize(
    ("stored", "sizes"),
    [
        ([[2, 4], 3], ((2, 4), (3, 3))),
        ([3, [4, 2]], ((3, 3), (4, 2))),
        ([[2, 4], True], ((2, 4), (1,) * 6)),
    ],
)
def test_lists_of_chunk_lengths_are_a_rectilinear_grid(stored: Any, sizes: Any) -> None:
    store = with_chunks(3, (6, 6), stored)
    with pytest.warns(ZarrUserWarning, match="lists of chunk lengths"):
        array = zarr.open_array(store)
    assert array.write_chunk_sizes == sizes
    array[...] = 5
    np.testing.assert_array_equal(array[...], 5)
    with pytest.raises(RectilinearChunksDisabledError):
        array.update_attributes({})
    with zarr.config.set({"array.rectilinear_chunks": True}):
        array.update_attributes({})
        np.testing.assert_array_equal(zarr.open_array(store)[...], 5)


@pytest.mark.parametrize("stored", [[[2, 4], [3, 3]], [[2, 4], None], [[2, 4], -1], [["2"], 3]])
def test_other_lists_are_refused(stored: Any) -> None:
    with pytest.raises(TypeError, match="integers"):
        zarr.open_array(with_chunks(3, (6, 6), stored))
