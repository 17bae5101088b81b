"""Groups as containers: finding, creating, replacing and deleting members."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
from tests.group.recording import RecordingStore, contents, document

import zarr as _zarr
from zarr.codecs import GzipCodec
from zarr.core.group import AsyncGroup, Group
from zarr.core.sync import sync
from zarr.errors import (
    ArrayNotFoundError,
    ContainsArrayError,
    ContainsGroupError,
    GroupNotFoundError,
    ZarrRuntimeWarning,
    ZarrUserWarning,
)
from zarr.storage import LocalStore, MemoryStore, ZipStore

# Wrong parameters are given on purpose.
zarr: Any = _zarr


@pytest.fixture(params=["memory-3", "memory-2", "local-3", "below-3"])
def group(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    kind, zarr_format = request.param.split("-")
    store = LocalStore(tmp_path / "g") if kind == "local" else MemoryStore()
    path = "some/where" if kind == "below" else ""
    return zarr.create_group(store, path=path, zarr_format=int(zarr_format))


# --- properties -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name", "basename"), [("", "/", ""), ("a", "/a", "a"), ("a/b", "/a/b", "b")]
)
def test_names(path: str, name: str, basename: str) -> None:
    store = MemoryStore()
    group = zarr.create_group(store, path=path)
    assert (group.path, group.name, group.basename) == (path, name, basename)
    assert group.store is group.store_path.store is group._async_group.store
    assert (group.read_only, group.synchronizer) == (False, None)
    suffix = f"/{path}" if path else ""
    assert repr(group) == f"<Group {store}{suffix}>"
    assert repr(group._async_group) == f"<AsyncGroup {store}{suffix}>"


def test_equality_and_hash(group: Any) -> None:
    child = group.create_group("x")
    assert group == zarr.open_group(group.store_path)
    assert group != child
    with pytest.raises(TypeError, match="unhashable"):
        hash(group)


def test_groups_are_immutable(group: Any) -> None:
    with pytest.raises(AttributeError, match="cannot assign to field 'attrs'"):
        group.attrs = {}


def test_groups_survive_pickling(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "g", attributes={"a": 1})
    group.create_array("x", data=np.arange(3))
    copy = pickle.loads(pickle.dumps(group))
    assert copy == group
    assert copy["x"][:].tolist() == [0, 1, 2]
    inner = pickle.loads(pickle.dumps(group._async_group))
    assert isinstance(inner, AsyncGroup)
    assert type(inner).__module__ == type(group).__module__ == "zarr.core.group"


# --- finding ----------------------------------------------------------------------------


def test_getitem(group: Any) -> None:
    array = group.create_array("s/t/x", shape=(2,), dtype="i4")
    for key in ("s/t/x", "/s/t/x", "s//t/x/"):
        assert group[key] == array
        assert key in group
    assert group["s"]["t"]["x"] == array
    assert group[""] == group
    assert "" in group
    for key in ("zz", "s/zz", "s/t/x/zz"):
        with pytest.raises(KeyError) as raised:
            group[key]
        assert raised.value.args == (key,)
        assert key not in group
        assert group.get(key) is None
        assert group.get(key, 7) == 7
    assert group.get("s") == group["s"]


@pytest.mark.parametrize("use", [lambda g: g[5], lambda g: 5 in g, lambda g: g.get(5)])
def test_keys_are_strings(group: Any, use: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError):
        use(group)


@pytest.mark.parametrize("key", ["..", "../x", "a/./b", "."])
def test_paths_that_lead_elsewhere(group: Any, key: str) -> None:
    for use in (
        lambda: group[key],
        lambda: key in group,
        lambda: group.create_group(key),
        lambda: group.create_array(key, shape=(1,), dtype="i1"),
        lambda: group.__setitem__(key, np.ones(1)),
        lambda: group.__delitem__(key),
    ):
        with pytest.raises(ValueError, match="segments"):
            use()


def test_names_that_look_odd(group: Any) -> None:
    names = ["name with space", "ünï", "a..b", "__reserved", "zarr.json.x"]
    for name in names:
        group.create_group(name)
    assert sorted(group) == sorted(names)
    assert all(name in group for name in names)


def test_get_array_and_get_group(group: Any) -> None:
    array, child = group.create_array("a", shape=(1,), dtype="i1"), group.create_group("g")
    assert group.get_array("a") == array
    assert group.get_group("g") == child
    with pytest.raises(ContainsGroupError, match=r"path '.*g'"):
        group.get_array("g")
    with pytest.raises(ContainsArrayError, match=r"path '.*a'"):
        group.get_group("a")
    with pytest.raises(ArrayNotFoundError, match=r"path '.*zz'"):
        group.get_array("zz")
    with pytest.raises(GroupNotFoundError, match=r"path '.*zz'"):
        group.get_group("zz")


def test_a_member_takes_one_round() -> None:
    for zarr_format, documents in ((2, 3), (3, 1)):
        store = RecordingStore()
        group = zarr.create_group(store, zarr_format=zarr_format)
        group.create_array("x/y", shape=(1,), dtype="i1")
        store.reset()
        group["x/y"]
        assert (len(store.keys), store.rounds) == (documents, 1)


# --- creating groups --------------------------------------------------------------------


def test_create_group_stores_the_groups_above() -> None:
    for zarr_format, names in ((2, [".zattrs", ".zgroup"]), (3, ["zarr.json"])):
        store = MemoryStore()
        group = zarr.create_group(store, path="a", zarr_format=zarr_format)
        made = group.create_group("b/c", attributes={"k": 1})
        assert (made.path, made.attrs.asdict()) == ("a/b/c", {"k": 1})
        assert made.metadata.zarr_format == zarr_format
        assert sorted(contents(store)) == sorted(
            prefix + name for prefix in ("", "a/", "a/b/", "a/b/c/") for name in names
        )


def test_create_group_keeps_what_is_there(group: Any) -> None:
    group.create_group("x", attributes={"old": 1}).create_group("y")
    with pytest.raises(ContainsGroupError):
        group.create_group("x")
    group.create_array("a", shape=(1,), dtype="i1")
    with pytest.raises(ContainsArrayError):
        group.create_group("a")
    with pytest.raises(ValueError, match="only groups may have child nodes"):
        group.create_group("a/below")
    assert sorted(path for path, _ in group.members(None)) == ["a", "x", "x/y"]
    assert group["x"].attrs.asdict() == {"old": 1}


def test_create_group_overwrites(group: Any) -> None:
    group.create_group("x", attributes={"old": 1}).create_group("y")
    group.create_group("xx")
    assert group.create_group("x", overwrite=True).attrs.asdict() == {}
    assert sorted(path for path, _ in group.members(None)) == ["x", "xx"]


def test_a_bad_group_deletes_nothing(group: Any) -> None:
    group.create_group("x").create_group("y")
    with pytest.raises(TypeError, match="not JSON serializable"):
        group.create_group("x", overwrite=True, attributes={"a": object()})
    with pytest.raises(TypeError, match="string keys"):
        group.create_group("x", overwrite=True, attributes={1: 1})
    assert "x/y" in group
    with pytest.raises(TypeError, match="unexpected keyword"):
        group.create_group("q", foo=1)


def test_from_store() -> None:
    store = MemoryStore()
    group = Group.from_store(store, attributes={"a": 1}, zarr_format=2)
    assert (group.attrs.asdict(), group.metadata.zarr_format) == ({"a": 1}, 2)
    with pytest.raises(ContainsGroupError):
        Group.from_store(store, zarr_format=2)
    assert Group.from_store(store, zarr_format=2, overwrite=True).attrs.asdict() == {}
    with pytest.raises(ValueError, match=r"expected Literal\[2, 3\], got 5"):
        zarr.Group.from_store(store, zarr_format=5)


def test_require_group(group: Any) -> None:
    made = group.require_group("x")
    made.attrs["a"] = 1
    assert group.require_group("x").attrs.asdict() == {"a": 1}
    assert group.require_group("x", overwrite=True).attrs.asdict() == {}
    group.create_array("a", shape=(1,), dtype="i1")
    with pytest.raises(TypeError, match=r"Incompatible object \(AsyncArray\) already exists"):
        group.require_group("a")
    prefix = f"{group.path}/" if group.path else ""
    required = group.require_groups("x", "p/q", "p/r")
    assert [each.path for each in required] == [prefix + name for name in ("x", "p/q", "p/r")]
    assert group.require_groups() == ()


# --- creating arrays --------------------------------------------------------------------


def test_create_array_has_the_format_of_the_group(group: Any) -> None:
    array = group.create_array("d/x", shape=(4,), dtype="i2", chunks=(2,), attributes={"u": 1})
    assert isinstance(array, zarr.Array)
    assert array.metadata.zarr_format == group.metadata.zarr_format
    assert (array.basename, array.chunks, array.attrs.asdict()) == ("x", (2,), {"u": 1})
    with pytest.raises(ContainsArrayError):
        group.create_array("d/x", shape=(5,), dtype="i2")
    assert group.create_array("d/x", shape=(5,), dtype="i2", overwrite=True).shape == (5,)
    assert group.create("y", data=np.arange(3))[:].tolist() == [0, 1, 2]
    assert group.create_array("z", data=np.arange(3), write_data=False)[:].tolist() == [0, 0, 0]
    with pytest.raises(ContainsGroupError):
        group.create_array("", shape=(1,), dtype="i1")
    with pytest.raises(TypeError, match="unexpected keyword"):
        group.create_array("q", shape=(1,), dtype="i1", zarr_format=3)


@pytest.mark.parametrize(
    ("zarr_format", "parameters", "expected"),
    [
        (2, {}, (numcodecs.Blosc(),)),
        (2, {"compressors": "auto"}, (numcodecs.Blosc(),)),
        (2, {"compressors": None}, ()),
        (2, {"compressor": None}, ()),
        (2, {"compressor": numcodecs.GZip(2)}, (numcodecs.GZip(2),)),
        (2, {"compressors": numcodecs.GZip(2)}, (numcodecs.GZip(2),)),
        (3, {"compressor": "auto", "compressors": None}, ()),
        (3, {"compressors": GzipCodec()}, (GzipCodec(),)),
    ],
)
def test_compressors(zarr_format: Any, parameters: dict[str, Any], expected: Any) -> None:
    group = zarr.create_group({}, zarr_format=zarr_format)
    assert group.create_array("x", shape=(1,), dtype="i4", **parameters).compressors == expected


def test_compressor_is_deprecated_in_format_3() -> None:
    group = zarr.create_group({})
    for compressor, expected in ((None, ()), (GzipCodec(), (GzipCodec(),))):
        with pytest.warns(ZarrUserWarning, match="`compressor` argument is deprecated"):
            array = group.create_array(
                "x", shape=(1,), dtype="i4", compressor=compressor, overwrite=True
            )
        assert array.compressors == expected
    with pytest.raises(ValueError, match="Cannot specify both"):
        group.create_array("y", shape=(1,), dtype="i4", compressor=None, compressors=None)


def test_require_array(group: Any) -> None:
    made = group.require_array("x", shape=(3,), dtype="i4")
    assert group.require_array("x", shape=3, dtype="i4") == made
    assert group.require_array("x", shape=(3,)).dtype == np.int32
    assert group.require_array("x", shape=(3,), dtype="i8").dtype == np.int32
    for parameters, message in (
        ({"shape": (4,)}, r"Incompatible shape \(\(3,\) vs \(4,\)\)"),
        ({"shape": (3,), "dtype": "i2"}, r"Incompatible dtype \(int32 vs int16\)"),
        ({"shape": (3,), "dtype": "i8", "exact": True}, r"Incompatible dtype \(int32 vs int64\)"),
    ):
        with pytest.raises(TypeError, match=message):
            group.require_array("x", **parameters)
    group.create_group("g")
    with pytest.raises(TypeError, match=r"Incompatible object \(AsyncGroup\)"):
        group.require_array("g", shape=(1,))
    config = {"write_empty_chunks": True}
    assert group.require_array("x", shape=(3,), config=config).config.write_empty_chunks
    assert group.require_array("new", shape=(4,), dtype="i4", chunks=(2,)).chunks == (2,)
    with pytest.raises(ValueError, match="dtype was not specified"):
        group.require_array("other", shape=(1,))


def test_arrays_with_one_value(group: Any) -> None:
    like = np.arange(3, dtype="i2")
    made = {
        "e": group.empty(name="e", shape=(2,)),
        "z": group.zeros(name="z", shape=(2,), dtype="i1"),
        "o": group.ones(name="o", shape=2),
        "f": group.full(name="f", shape=(2,), fill_value=7),
        "el": group.empty_like(name="el", data=like),
        "zl": group.zeros_like(name="zl", data=like),
        "ol": group.ones_like(name="d/ol", data=like),
        "fl": group.full_like(name="fl", data=like, fill_value=5),
    }
    assert {name: array[:].tolist() for name, array in made.items()} == {
        "e": [0, 0],
        "z": [0, 0],
        "o": [1, 1],
        "f": [7, 7],
        "el": [0, 0, 0],
        "zl": [0, 0, 0],
        "ol": [1, 1, 1],
        "fl": [5, 5, 5],
    }
    assert made["fl"].dtype == np.int16
    assert all(a.metadata.zarr_format == group.metadata.zarr_format for a in made.values())
    with pytest.raises(ContainsArrayError):
        group.zeros(name="z", shape=(1,))
    assert group.zeros(name="z", shape=(1,), overwrite=True).shape == (1,)
    with pytest.warns(ZarrRuntimeWarning, match="synchronizer is not yet implemented"):
        group.zeros(name="s", shape=(1,), synchronizer=1)
    with pytest.raises(TypeError, match="multiple values for keyword argument 'path'"):
        group.zeros(name="p", shape=(1,), path="q")


# --- replacing and deleting -------------------------------------------------------------


def test_setitem(group: Any) -> None:
    group["x/y"] = np.arange(3)
    assert group["x/y"][:].tolist() == [0, 1, 2]
    group["x"] = np.arange(2.0)
    assert [path for path, _ in group.members(None)] == ["x"]
    assert group["x"].metadata.zarr_format == group.metadata.zarr_format
    for value in (5, [1, 2], zarr.ones((2,)), np.float64(3)):
        with pytest.raises(TypeError, match="NDArrayLike"):
            group["x"] = value
    assert group["x"][:].tolist() == [0, 1]


def test_delitem(group: Any) -> None:
    group.create_array("s/c", data=np.arange(3))
    group.create_group("s/t")
    group.create_group("ss")
    del group["s/c"]
    assert [path for path, _ in group.members(None)] == ["s", "ss", "s/t"]
    del group["s"]
    assert list(group) == ["ss"]
    del group["nothing"]
    assert list(group) == ["ss"]
    assert group
    del group["ss"]
    assert not group


@pytest.mark.parametrize("key", ["", "/", "//"])
def test_a_group_is_no_member_of_itself(group: Any, key: str) -> None:
    group.create_group("x")
    with pytest.raises(ValueError, match="names the group itself"):
        del group[key]
    with pytest.raises(ValueError, match="names the group itself"):
        group[key] = np.ones(3)
    assert "x" in group


def test_a_store_that_cannot_delete(tmp_path: Path) -> None:
    with ZipStore(tmp_path / "x.zip", mode="w") as store:
        group = zarr.create_group(store)
        group.create_group("a")
        with pytest.raises(NotImplementedError):
            del group["a"]
        with pytest.raises(ContainsGroupError):
            group.create_group("a", overwrite=True)
        assert "a" in group


def test_move_is_not_there_yet(group: Any) -> None:
    with pytest.raises(NotImplementedError):
        group.move("a", "b")
    with pytest.raises(NotImplementedError):
        sync(group._async_group.move("a", "b"))


@pytest.mark.parametrize(
    "change",
    [
        lambda g: g.create_group("n"),
        lambda g: g.create_group("x", overwrite=True),
        lambda g: g.require_group("n"),
        lambda g: g.create_array("n", shape=(1,), dtype="i1"),
        lambda g: g.require_array("n", shape=(1,), dtype="i1"),
        lambda g: g.zeros(name="n", shape=(1,)),
        lambda g: g.__setitem__("n", np.ones(1)),
        lambda g: g.__delitem__("x"),
        lambda g: g.attrs.update({"a": 1}),
        lambda g: g.update_attributes({"a": 1}),
        lambda g: list(g.create_hierarchy({"n": g.metadata})),
    ],
)
def test_a_read_only_group_stays_as_it_is(change: Callable[[Group], Any]) -> None:
    store = MemoryStore()
    zarr.create_group(store).create_group("x", attributes={"k": 1})
    before = contents(store)
    group = zarr.open_group(store, mode="r")
    with pytest.raises(ValueError, match="read-only"):
        change(group)
    assert contents(store) == before
    assert group.require_group("x").read_only


# --- attributes -------------------------------------------------------------------------


def test_update_attributes(group: Any) -> None:
    group.attrs["a"] = 1
    changed = group.update_attributes({"b": 2})
    assert isinstance(changed, Group)
    assert changed.attrs.asdict() == group.attrs.asdict() == {"a": 1, "b": 2}
    assert isinstance(sync(group.update_attributes_async({"c": 3})), Group)
    assert zarr.open_group(group.store_path).attrs.asdict() == {"a": 1, "b": 2, "c": 3}


def test_failed_attributes_are_not_kept(group: Any) -> None:
    group.attrs["a"] = 1
    with pytest.raises(TypeError, match="not JSON serializable"):
        group.update_attributes({"b": {1, 2}})
    with pytest.raises(TypeError, match="string keys"):
        group.update_attributes({1: 2})
    assert group.attrs.asdict() == zarr.open_group(group.store_path).attrs.asdict() == {"a": 1}


def test_attributes_with_nan() -> None:
    store = MemoryStore()
    zarr.create_group(store, attributes={"x": float("nan"), "y": float("-inf")})
    text = contents(store)["zarr.json"].decode()
    assert "NaN" in text
    assert "-Infinity" in text
    stored = zarr.open_group(store).attrs
    assert stored["x"] != stored["x"]
    assert json.loads(text) is not None
    assert document(store, "zarr.json")["attributes"]["y"] == float("-inf")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_the_group_itself_is_read_from_the_store(zarr_format: Any) -> None:
    store = MemoryStore()
    group = zarr.create_group(store, zarr_format=zarr_format, attributes={"old": 1})
    assert group["/"] == group[""] == group
    sync(store.clear())
    with pytest.raises(KeyError):
        group["/"]
    again = group.require_group("/")
    assert again.attrs.asdict() == {}
    assert zarr.open_group(store, mode="r").attrs.asdict() == {}
