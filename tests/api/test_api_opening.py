"""`open`, `open_array`, `open_group` and their relatives: modes, what is created, how much is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.group.recording import RecordingStore, contents, put

import zarr as _zarr
import zarr.api.asynchronous as _za
from zarr.core.group import AsyncGroup
from zarr.errors import (
    ArrayNotFoundError,
    ContainsArrayError,
    GroupNotFoundError,
    MetadataValidationError,
    NodeTypeValidationError,
    ZarrRuntimeWarning,
    ZarrUserWarning,
)
from zarr.storage import LocalStore, MemoryStore
from zarr.storage._common import StorePath

# Wrong parameters are given on purpose.
zarr: Any = _zarr
za: Any = _za

MODES = ("r", "r+", "a", "w", "w-")
ARRAY: dict[str, Any] = {"shape": (2,), "dtype": "i4"}
Outcome = str


def _outcome(call: Callable[[], Any]) -> Outcome:
    """Return the kind of node with ``r`` or ``w``, or the name of the error."""
    try:
        node = call()
    except Exception as error:
        return type(error).__name__
    return f"{type(node).__name__} {'r' if node.read_only else 'w'}"


def _with_array(zarr_format: Any = 3) -> MemoryStore:
    store = MemoryStore()
    zarr.create_array(store, data=np.arange(3), zarr_format=zarr_format)
    return store


def _with_group(zarr_format: Any = 3) -> MemoryStore:
    store = MemoryStore()
    zarr.create_group(store, zarr_format=zarr_format).create_group("kid")
    return store


@pytest.mark.parametrize(
    ("make", "parameters", "expected"),
    [
        (
            MemoryStore,
            {},
            {
                "open": ["GroupNotFoundError"] * 2 + ["Group w"] * 2 + ["TypeError"],
                "open_array": ["ArrayNotFoundError"] * 2 + ["TypeError"] * 3,
                "open_group": ["GroupNotFoundError"] * 2 + ["Group w"] * 3,
            },
        ),
        (
            MemoryStore,
            ARRAY,
            {
                "open": ["ArrayNotFoundError"] * 2 + ["Array w"] * 3,
                "open_array": ["ArrayNotFoundError"] * 2 + ["Array w"] * 3,
            },
        ),
        (
            _with_array,
            {},
            {
                "open": ["Array r", "Array w", "Array w", "Group w", "FileExistsError"],
                "open_array": ["Array r", "Array w", "Array w", "TypeError", "FileExistsError"],
                "open_group": ["ContainsArrayError"] * 3 + ["Group w", "FileExistsError"],
            },
        ),
        (
            lambda: _with_array(2),
            {},
            {
                "open": ["Array r", "Array w", "Array w", "Group w", "FileExistsError"],
                "open_array": ["Array r", "Array w", "Array w", "TypeError", "FileExistsError"],
                "open_group": ["GroupNotFoundError"] * 2
                + ["ContainsArrayError", "Group w", "FileExistsError"],
            },
        ),
        (
            _with_group,
            {},
            {
                "open": ["Group r", "Group w", "Group w", "Group w", "FileExistsError"],
                "open_array": ["NodeTypeValidationError"] * 3 + ["TypeError", "FileExistsError"],
                "open_group": ["Group r", "Group w", "Group w", "Group w", "FileExistsError"],
            },
        ),
        (
            lambda: _with_group(2),
            {},
            {
                "open": ["Group r", "Group w", "Group w", "Group w", "FileExistsError"],
                "open_group": ["Group r", "Group w", "Group w", "Group w", "FileExistsError"],
            },
        ),
    ],
)
def test_modes(
    make: Callable[[], MemoryStore], parameters: dict[str, Any], expected: dict[str, list[Outcome]]
) -> None:
    for name, outcomes in expected.items():
        function = getattr(zarr, name)
        calls = [partial(function, make(), mode=mode, **parameters) for mode in MODES]
        assert [_outcome(call) for call in calls] == outcomes, name


@pytest.mark.parametrize("function", [zarr.open, zarr.open_array, zarr.open_group])
def test_there_is_no_such_mode(function: Any) -> None:
    with pytest.raises(ValueError, match="Invalid mode: q"):
        function({}, mode="q")


def test_modes_that_write_keep_or_replace() -> None:
    store = _with_array()
    assert zarr.open(store, mode="a", shape=(9,), dtype="f4").shape == (3,)
    assert zarr.open_array(store, mode="a", shape=(9,), dtype="f4").shape == (3,)
    assert zarr.open_array(store, mode="w", shape=(9,), dtype="f4").shape == (9,)
    assert sorted(contents(store)) == ["zarr.json"]
    zarr.open(store, mode="w", shape=(2,), dtype="i4")
    assert zarr.open_array(store).shape == (2,)
    zarr.open_group(store, mode="w", attributes={"new": 1})
    assert zarr.open_group(store, attributes={"other": 1}).attrs.asdict() == {"new": 1}


@pytest.mark.parametrize(
    "read",
    [
        lambda s, p: zarr.open(s, mode="r", path=p),
        lambda s, p: zarr.open(s, mode="r+", path=p),
        lambda s, p: zarr.open(s, mode="r", path=p, shape=(1,)),
        lambda s, p: zarr.open_array(s, path=p),
        lambda s, p: zarr.open_array(s, path=p, shape=(1,), dtype="i1"),
        lambda s, p: zarr.open_array(s, mode="r", path=p),
        lambda s, p: zarr.open_group(s, mode="r", path=p),
        lambda s, p: zarr.open_group(s, mode="r+", path=p),
        lambda s, p: zarr.open_consolidated(s, path=p),
        lambda s, p: zarr.consolidate_metadata(s, path=p),
        lambda s, p: zarr.load(s, path=p),
    ],
)
def test_reading_creates_nothing(read: Callable[[Any, str], Any], tmp_path: Path) -> None:
    for store in (MemoryStore(), _with_group()):
        before = contents(store)
        with pytest.raises(FileNotFoundError):
            read(store, "x/y")
        assert contents(store) == before
    with pytest.raises(FileNotFoundError):
        read(str(tmp_path / "missing"), "")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "missing", "x")
    assert list(tmp_path.iterdir()) == []


def test_errors_name_what_is_missing(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "g")
    with pytest.raises(GroupNotFoundError, match="at path 'nope'"):
        zarr.open(tmp_path / "g", mode="r", path="nope")
    with pytest.raises(GroupNotFoundError, match="at path 'nope'"):
        zarr.open_group(tmp_path / "g", mode="r", path="nope")
    with pytest.raises(ArrayNotFoundError, match="at path nope"):
        zarr.open_array(tmp_path / "g", path="nope")
    with pytest.raises(ArrayNotFoundError, match=f"{tmp_path}/missing"):
        zarr.open_array(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}/missing does not exist"):
        zarr.open(tmp_path / "missing", mode="r")


@pytest.mark.parametrize("zarr_format", [1, 4])
def test_formats_there_are_not(zarr_format: Any) -> None:
    for function in (zarr.open, zarr.open_array, zarr.open_group):
        with pytest.raises(MetadataValidationError, match="Expected 2, 3, or None"):
            function(_with_array(), mode="r", zarr_format=zarr_format)
    for create in (
        lambda s: zarr.create_array(s, shape=(1,), dtype="i1", zarr_format=zarr_format),
        lambda s: zarr.create_group(s, zarr_format=zarr_format),
        lambda s: zarr.create((1,), store=s, zarr_format=zarr_format),
    ):
        store = MemoryStore()
        with pytest.raises(ValueError, match="2"):
            create(store)
        assert contents(store) == {}


def test_read_only_stores() -> None:
    store = _with_array()
    frozen = store.with_read_only(True)
    node = zarr.open(frozen)
    assert (node.read_only, zarr.open_array(frozen).read_only) == (True, True)
    assert zarr.open(StorePath(frozen, "")).read_only
    for write in (
        lambda: zarr.open(frozen, mode="r+"),
        lambda: zarr.open_array(frozen, mode="a", **ARRAY),
        lambda: zarr.open_group(frozen),
        lambda: zarr.group(frozen),
        lambda: zarr.create_group(frozen),
        lambda: zarr.create((1,), store=frozen),
        lambda: zarr.save(frozen, np.ones(1)),
    ):
        with pytest.raises(ValueError, match=r"read-only|read only"):
            write()
    opened = zarr.open_group(_with_group(), mode="r")
    assert (opened.read_only, opened["kid"].read_only) == (True, True)


# --- requests ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zarr_format", "asked", "nkeys"), [(3, None, 5), (3, 3, 1), (2, None, 5), (2, 2, 4)]
)
@pytest.mark.parametrize("kind", ["array", "group"])
def test_open_takes_one_round(kind: str, zarr_format: Any, asked: Any, nkeys: int) -> None:
    store = RecordingStore()
    if kind == "array":
        zarr.create_array(store, name="x", shape=(1,), dtype="i1", zarr_format=zarr_format)
    else:
        zarr.create_group(store, path="x", zarr_format=zarr_format)
    store.reset()
    node = zarr.open(store, path="x", mode="r+", zarr_format=asked)
    assert node.metadata.zarr_format == zarr_format
    assert (len(store.keys), store.rounds) == (nkeys, 1)


# --- what goes through ------------------------------------------------------------------


def test_options_of_an_array() -> None:
    store = _with_array()
    config: Any = {"write_empty_chunks": True, "order": "F"}
    opened: tuple[Any, ...] = (
        zarr.open(store, config=config),
        zarr.open_array(store, config=config),
    )
    for node in opened:
        assert node.config.write_empty_chunks
        assert node.order == "F"
    for function in (zarr.open, zarr.open_array):
        for parameters in ({}, {"mode": "w", **ARRAY}):
            with pytest.warns(ZarrRuntimeWarning, match="`write_empty_chunks` keyword"):
                made: Any = function(_with_array(), write_empty_chunks=True, **parameters)
            assert made.config.write_empty_chunks
    with (
        pytest.warns(ZarrRuntimeWarning, match="`write_empty_chunks` keyword"),
        pytest.warns(ZarrUserWarning, match="Both write_empty_chunks and config"),
    ):
        array = zarr.open_array(store, write_empty_chunks=False, config=config)
    assert not array.config.write_empty_chunks
    assert array.order == "F"


def test_parameters_of_the_other_kind() -> None:
    assert zarr.open(_with_array(), mode="r", use_consolidated=True, foo=1).shape == (3,)
    for parameters in ({"shape": (1,)}, {"foo": 1}):
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            zarr.open(_with_group(), mode="r", **parameters)
    with pytest.raises(ValueError, match="'use_consolidated=True' but not found"):
        zarr.open(_with_group(), mode="r", use_consolidated=True)
    assert zarr.open({}, attributes={"a": 1}).attrs.asdict() == {"a": 1}


def test_format_of_what_is_created() -> None:
    assert zarr.open({}, mode="w", zarr_format=2, **ARRAY).metadata.zarr_format == 2
    assert zarr.open_group({}, zarr_format=2).metadata.zarr_format == 2
    with zarr.config.set({"default_zarr_format": 2}):
        assert zarr.open_group({}).metadata.zarr_format == 2
        assert zarr.create_group({}).metadata.zarr_format == 2
        assert zarr.open({}, mode="a", **ARRAY).metadata.zarr_format == 2


def test_default_stores() -> None:
    for node in (zarr.open(), zarr.open_group(), zarr.group(), zarr.open(shape=(2,))):
        assert isinstance(node.store, MemoryStore)
    with pytest.raises(ArrayNotFoundError):
        zarr.open_array()


def test_open_consolidated() -> None:
    store = _with_group(2)
    with pytest.raises(ValueError, match="not found in ''"):
        zarr.open_consolidated(store)
    zarr.consolidate_metadata(store)
    assert list(zarr.open_consolidated(store, mode="r")) == ["kid"]
    for use_consolidated in (False, None, "x"):
        with pytest.raises(TypeError, match="must be 'True' in 'open_consolidated'"):
            zarr.open_consolidated(store, use_consolidated=use_consolidated)
    assert zarr.open_consolidated(MemoryStore(), mode="w").metadata.consolidated_metadata is None


def test_open_group_where_a_document_is_of_no_known_kind() -> None:
    store = MemoryStore()
    put(store, "zarr.json", {"zarr_format": 3, "node_type": "other"})
    before = contents(store)
    for mode in ("r", "a"):
        with pytest.raises(NodeTypeValidationError, match="Got 'other'"):
            zarr.open_group(store, mode=mode)
    with pytest.raises(NodeTypeValidationError, match="Got 'other'"):
        zarr.open(store)
    assert contents(store) == before


def test_open_like() -> None:
    like = zarr.create_array(
        {}, shape=(6,), chunks=(2,), dtype="i2", fill_value=7, zarr_format=2, order="F"
    )
    store = MemoryStore()
    array = zarr.open_like(like, "sub/like", store=store)
    assert (array.path, array.shape, array.chunks, array.dtype) == ("sub/like", (6,), (2,), "i2")
    assert (array.metadata.zarr_format, array[:].tolist()) == (2, [7] * 6)
    array[:] = 1
    assert zarr.open_like(like, "sub/like", store=store)[:].tolist() == [1] * 6


# --- groups -----------------------------------------------------------------------------


def test_group() -> None:
    store = MemoryStore()
    made = zarr.group(store, path="a/b", zarr_format=2, attributes={"q": 1})
    assert (made.path, made.metadata.zarr_format, made.attrs.asdict()) == ("a/b", 2, {"q": 1})
    made.create_group("kid")
    assert list(zarr.group(store, path="a/b")) == ["kid"]
    assert list(zarr.group(store, path="a/b", zarr_format=2, overwrite=True)) == []
    for zarr_format in (2, 3):
        with pytest.raises(ContainsArrayError):
            zarr.group(_with_array(zarr_format))
    assert isinstance(zarr.group(_with_array(), overwrite=True), zarr.Group)


@pytest.mark.parametrize("name", ["cache_attrs", "synchronizer", "chunk_store", "meta_array"])
@pytest.mark.parametrize("function", [zarr.group, zarr.open_group])
def test_parameters_without_effect(function: Any, name: str) -> None:
    with pytest.warns(ZarrRuntimeWarning, match=f"^{name} is not yet implemented$"):
        function({}, **{name: 1})


def test_create_group(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "g", path="x/y", attributes={"a": 1})
    assert isinstance(group.store, LocalStore)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.json")) == [
        "g/x/y/zarr.json",
        "g/x/zarr.json",
        "g/zarr.json",
    ]


async def test_asynchronous() -> None:
    store = MemoryStore()
    group = await za.create_group(store=store, attributes={"a": 1})
    assert isinstance(group, AsyncGroup)
    array = await za.open_array(store=store, path="x", mode="w", **ARRAY)
    assert isinstance(array, zarr.AsyncArray)
    opened = await za.open(store=store, path="x", mode="r")
    assert (type(opened), opened.read_only) == (zarr.AsyncArray, True)
    assert (await za.open_group(store)).attrs == {"a": 1}
    assert (await za.group(store=store)).attrs == {"a": 1}
    with pytest.raises(TypeError, match="positional argument"):
        await za.group(store)
    with pytest.raises(GroupNotFoundError):
        await za.open(store=store, path="nope", mode="r")


def test_tree_is_deprecated() -> None:
    group = zarr.create_group({})
    group.create_group("a/b")
    with pytest.warns(zarr.errors.ZarrDeprecationWarning) as warned:
        drawn = zarr.tree(group, level=0)
    assert sorted(str(w.message) for w in warned) == [
        "Use AsyncGroup.tree instead.",
        "Use Group.tree instead.",
    ]
    assert str(drawn) == "/\n└── a\n"


@pytest.mark.parametrize("function", [zarr.copy, zarr.copy_all, zarr.copy_store])
def test_copying_is_not_there_yet(function: Any) -> None:
    with pytest.raises(NotImplementedError):
        function({}, {})
