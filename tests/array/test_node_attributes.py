"""User attributes: a mapping whose changes are stored, or have no effect at all."""

from __future__ import annotations

import json
from collections.abc import Callable, MutableMapping
from typing import Any

import numpy as np
import pytest

from zarr.core.array import Array, open_array_node
from zarr.core.sync import sync

NewArray = Callable[..., Array[Any]]


def _stored(array: Array[Any]) -> Any:
    return sync(open_array_node(array.store_path)).attrs


@pytest.fixture(params=[2, 3])
def array(request: pytest.FixtureRequest, new_array: NewArray) -> Array[Any]:
    return new_array(shape=(1,), dtype="i1", attributes={"a": 1, "b": 2}, zarr_format=request.param)


CHANGES: list[tuple[str, Callable[[Any], object], dict[str, Any]]] = [
    (
        "set",
        lambda attrs: attrs.__setitem__("c", [1, {"z": None}]),
        {"a": 1, "b": 2, "c": [1, {"z": None}]},
    ),
    ("replace", lambda attrs: attrs.__setitem__("a", "ü"), {"a": "ü", "b": 2}),
    ("delete", lambda attrs: attrs.__delitem__("a"), {"b": 2}),
    ("update", lambda attrs: attrs.update({"b": 3}, c=4), {"a": 1, "b": 3, "c": 4}),
    ("update from pairs", lambda attrs: attrs.update([("b", 3)]), {"a": 1, "b": 3}),
    ("put", lambda attrs: attrs.put({"c": 4}), {"c": 4}),
    ("pop", lambda attrs: attrs.pop("a"), {"b": 2}),
    ("setdefault", lambda attrs: attrs.setdefault("k", 9), {"a": 1, "b": 2, "k": 9}),
    ("clear", lambda attrs: attrs.clear(), {}),
    ("tuple", lambda attrs: attrs.put({"t": (1, 2)}), {"t": [1, 2]}),
]


@pytest.mark.parametrize(("name", "change", "expected"), CHANGES, ids=[c[0] for c in CHANGES])
def test_changes_are_stored(
    array: Array[Any], name: str, change: Callable[[Any], object], expected: dict[str, Any]
) -> None:
    change(array.attrs)
    assert _stored(array) == expected
    assert json.loads(json.dumps(array.attrs.asdict())) == expected
    assert array.metadata.attributes == array.async_array.attrs == array.attrs.asdict()


def test_reading(array: Array[Any]) -> None:
    attrs = array.attrs
    assert isinstance(attrs, MutableMapping)
    assert attrs == {"a": 1, "b": 2}
    assert (list(attrs), len(attrs), "a" in attrs, "q" in attrs) == (["a", "b"], 2, True, False)
    assert attrs.get("q", 5) == 5
    copied = attrs.asdict()
    copied["a"] = 9
    assert attrs["a"] == 1
    with pytest.raises(KeyError, match="missing"):
        attrs["missing"]
    with pytest.raises(KeyError, match="missing"):
        del attrs["missing"]


def test_special_floats(array: Array[Any]) -> None:
    array.attrs.put({"n": float("nan"), "i": float("inf")})
    stored = _stored(array)
    assert np.isnan(stored["n"])
    assert stored["i"] == float("inf")


@pytest.mark.parametrize(
    "value",
    [{1, 2}, np.int64(3), np.arange(3), object(), {"deep": [b"bytes"]}],
    ids=["set", "int64", "array", "object", "bytes"],
)
def test_a_failed_change_has_no_effect(array: Array[Any], value: Any) -> None:
    for change in (
        lambda: array.attrs.__setitem__("x", value),
        lambda: array.attrs.update({"x": value}),
        lambda: array.attrs.put({"x": value}),
        lambda: array.update_attributes({"x": value}),
        lambda: sync(array.async_array.update_attributes({"x": value})),
    ):
        with pytest.raises(TypeError, match="not JSON serializable"):
            change()
        assert array.attrs == {"a": 1, "b": 2}
    assert _stored(array) == {"a": 1, "b": 2}


def test_a_failed_store_has_no_effect(array: Array[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(type(array.store), "set", refuse)
    with pytest.raises(OSError, match="disk full"):
        array.attrs["x"] = 1
    assert array.attrs == {"a": 1, "b": 2}


@pytest.mark.parametrize("attributes", [{1: 2}, {None: 1}])
def test_names_are_strings(array: Array[Any], attributes: Any) -> None:
    with pytest.raises(TypeError, match="string keys"):
        array.attrs.put(attributes)
    with pytest.raises(TypeError, match="string keys"):
        array.update_attributes(attributes)


def test_update_attributes(array: Array[Any]) -> None:
    updated = array.update_attributes({"b": 3, "c": 4})
    assert isinstance(updated, Array)
    assert updated.attrs == array.attrs == _stored(array) == {"a": 1, "b": 3, "c": 4}
    inner = sync(array.async_array.update_attributes({"d": 5}))
    assert inner is array.async_array


def test_arrays_do_not_see_what_others_store(array: Array[Any]) -> None:
    other = Array(sync(open_array_node(array.store_path)))
    array.attrs["x"] = 1
    assert other.attrs == {"a": 1, "b": 2}
    other.attrs["y"] = 2
    assert _stored(array) == {"a": 1, "b": 2, "y": 2}
