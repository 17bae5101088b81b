"""Documents that hold no metadata: errors that name key and store; harmless beside a valid one."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.group.recording import put

import zarr
import zarr.api.asynchronous as za
from zarr.core.array import get_array_metadata
from zarr.core.group import AsyncGroup
from zarr.core.sync import sync
from zarr.errors import ContainsArrayError, MetadataValidationError
from zarr.metadata.migrate_v3 import migrate_v2_to_v3
from zarr.storage import LocalStore, MemoryStore, StorePath
from zarr.storage._common import contains_array, ensure_no_existing_node

GROUP_V3 = {"zarr_format": 3, "node_type": "group", "attributes": {}}
ARRAY_V3 = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [4],
    "data_type": "float32",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}},
    "chunk_key_encoding": {"name": "default"},
    "fill_value": 0,
    "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
}
GROUP_V2 = {"zarr_format": 2}
ARRAY_V2 = {
    "zarr_format": 2,
    "shape": [4],
    "chunks": [2],
    "dtype": "<f4",
    "compressor": None,
    "fill_value": 0,
    "order": "C",
    "filters": None,
}

NO_JSON: dict[str, bytes] = {
    "page": b"<html><body>not here</body></html>",
    "empty": b"",
    "no text": b"\xff\xfe\xfa",
    "no utf-8": b'{"zarr_format": 3, "node_type": "\xe4\xe4"}',
    "brackets": b"[" * 20_000,
    "objects": b'{"a":' * 20_000,
    "digits": b'{"zarr_format": ' + b"1" * 5_000 + b"}",
    "cut": b'{"zarr_format": 3, "node_ty',
    "two": b"{}{}",
}
NO_OBJECT: dict[str, bytes] = {
    "list": b"[1]",
    "null": b"null",
    "string": b'"zarr"',
    "number": b"1e400",
    "not a number": b"NaN",
}
DAMAGE = {**NO_JSON, **NO_OBJECT}

# What has to be there for a document to be looked at, by the name of the document.
BESIDE: dict[str, dict[str, Any]] = {
    "zarr.json": {},
    ".zarray": {},
    ".zgroup": {},
    ".zattrs": {".zgroup": GROUP_V2},
}


def store_of(**documents: Any) -> MemoryStore:
    store = MemoryStore()
    for key, document in documents.items():
        put(store, key, document)
    return store


def open_async(store: MemoryStore) -> Any:
    return sync(za.open_array(store=store))


def read_async(store: MemoryStore) -> Any:
    return sync(get_array_metadata(StorePath(store), None))


def said(error: BaseException) -> str:
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


def error_of(call: Callable[[], Any]) -> TypeError | ValueError | None:
    """Return the clear error that a call ends in, None where it returns."""
    try:
        call()
    except (TypeError, ValueError) as error:
        return error
    return None


def check(call: Callable[[], Any], key: str, store: object) -> None:
    """A clear error, of the types that it had before it had a name, that says which document."""
    with pytest.raises(MetadataValidationError) as caught:
        call()
    assert isinstance(caught.value, json.JSONDecodeError | TypeError)
    if isinstance(caught.value, json.JSONDecodeError):  # some packages compare the name
        assert type(caught.value).__name__ == "JSONDecodeError"
    assert f"{store}/{key}" in said(caught.value)


# --- the errors -------------------------------------------------------------------------

OPENERS: dict[str, Callable[[Any], Any]] = {
    "open": lambda store: zarr.open(store, mode="r"),
    "open to append": lambda store: zarr.open(store, mode="a"),
    "open_group": lambda store: zarr.open_group(store, mode="r"),
    "open_group to append": lambda store: zarr.open_group(store, mode="a"),
    "Group.open": lambda store: zarr.Group.open(store, zarr_format=None),
    "async": lambda store: sync(za.open(store=store)),
    "async group": lambda store: sync(AsyncGroup.open(store, zarr_format=None)),
    "create below": lambda store: zarr.create_group(store, path="a/b"),
}


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_zarr_json(damage: str, opener: str) -> None:
    store = store_of(**{"zarr.json": DAMAGE[damage], ".zgroup": GROUP_V2})
    check(lambda: OPENERS[opener](store), "zarr.json", store)
    assert set(store._store_dict) == {"zarr.json", ".zgroup"}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_document_of_an_array(damage: str) -> None:
    for key in ("zarr.json", ".zarray"):
        store = store_of(**{key: DAMAGE[damage]})
        for call in (
            partial(zarr.open, store, mode="r"),
            partial(zarr.open_array, store, mode="r"),
            partial(zarr.open_array, store, mode="a", shape=(1,)),
            partial(open_async, store),
            partial(read_async, store),
        ):
            check(call, key, store)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_attributes(damage: str) -> None:
    for name, document in ((".zgroup", GROUP_V2), (".zarray", ARRAY_V2)):
        store = store_of(**{name: document, ".zattrs": DAMAGE[damage]})
        check(partial(zarr.open, store, mode="r"), ".zattrs", store)
        check(partial(zarr.open, store, mode="r", zarr_format=2), ".zattrs", store)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("key", BESIDE)
def test_damaged_file(key: str, damage: str, tmp_path: Path) -> None:
    for name, document in BESIDE[key].items():
        (tmp_path / name).write_text(json.dumps(document))
    (tmp_path / key).write_bytes(DAMAGE[damage])
    check(lambda: zarr.open(str(tmp_path), mode="r"), key, LocalStore(tmp_path))


MEMBER_USES: dict[str, Callable[[zarr.Group], Any]] = {
    "getitem": lambda group: group["x"],
    "in": lambda group: "x" in group,
    "members": lambda group: group.members(max_depth=None),
    "keys": lambda group: list(group.keys()),
    "tree": lambda group: group.tree(),
    "require_group": lambda group: group.require_group("x"),
    "require_array": lambda group: group.require_array("x", shape=(4,), dtype="f4"),
}


@pytest.mark.parametrize("use", MEMBER_USES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_member(damage: str, use: str) -> None:
    for own, key, beside in (
        ("zarr.json", "x/zarr.json", {}),
        (".zgroup", "x/.zgroup", {}),
        (".zgroup", "x/.zarray", {}),
        (".zgroup", "x/.zattrs", {"x/.zarray": ARRAY_V2}),
    ):
        document = GROUP_V3 if own == "zarr.json" else GROUP_V2
        store = store_of(**{own: document, key: DAMAGE[damage], **beside})
        group = zarr.open_group(store, mode="r+")
        check(partial(MEMBER_USES[use], group), key, store)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_consolidated_metadata(damage: str) -> None:
    store = store_of(**{".zgroup": GROUP_V2, ".zmetadata": DAMAGE[damage]})
    with pytest.warns(UserWarning, match="are not valid and are not used"):
        assert zarr.open_group(store, mode="r").metadata.consolidated_metadata is None
    check(lambda: zarr.open_consolidated(store), ".zmetadata", store)


def test_consolidated_metadata_of_a_damaged_member() -> None:
    inline = {"kind": "inline", "metadata": {"x": {**ARRAY_V3, "codecs": 5}}}
    store = store_of(**{"zarr.json": {**GROUP_V3, "consolidated_metadata": inline}})
    with pytest.raises(TypeError) as caught:
        zarr.open_consolidated(store)
    assert f"{store}/zarr.json" in said(caught.value)
    assert "'x'" in said(caught.value)


@pytest.mark.parametrize("damage", NO_JSON)
def test_damaged_value_read_as_json(damage: str) -> None:
    store = store_of(key=NO_JSON[damage])
    check(lambda: sync(StorePath(store, "key").get_json()), "key", store)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_document_where_a_node_is_created(damage: str) -> None:
    store = store_of(**{"zarr.json": DAMAGE[damage]})
    place = StorePath(store)
    assert not sync(contains_array(place, 3))
    with pytest.raises(MetadataValidationError, match=r"zarr\.json"):
        sync(ensure_no_existing_node(place, 3))


def test_damaged_document_while_migrating() -> None:
    store = store_of(**{".zgroup": GROUP_V2, "x/.zarray": NO_JSON["brackets"]})
    check(lambda: migrate_v2_to_v3(input_store=store), "x/.zarray", store)


# --- values of other types --------------------------------------------------------------

VALUES: list[Any] = [
    None,
    True,
    -1,
    0.5,
    float("nan"),
    2**64,
    10**400,
    "",
    "x",
    [],
    [[]],
    [None],
    [{}],
    {},
    {"name": []},
    {"name": "regular", "configuration": {}},
    {"name": "default", "configuration": {"separator": []}},
    {"id": []},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize(
    ("key", "field"),
    [
        *(("zarr.json", field) for field in (*ARRAY_V3, "attributes", "dimension_names")),
        *((".zarray", field) for field in (*ARRAY_V2, "dimension_separator")),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_field_of_another_type(key: str, field: str, value: Any) -> None:
    document = ARRAY_V3 if key == "zarr.json" else ARRAY_V2
    store = store_of(**{key: {**document, field: value}})
    error = error_of(lambda: zarr.open_array(store, mode="r"))
    assert error is None or f"{store}/{key}" in said(error)


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize(("key", "document"), [("zarr.json", GROUP_V3), (".zgroup", GROUP_V2)])
@pytest.mark.filterwarnings("ignore")
def test_field_of_a_group_of_another_type(key: str, document: dict[str, Any], value: Any) -> None:
    for field in document:
        store = store_of(**{key: {**document, field: value}})
        error = error_of(partial(zarr.open_group, store, mode="r"))
        assert error is None or f"{store}/{key}" in said(error)


def test_what_readers_and_writers_of_other_libraries_allow() -> None:
    head = '{"zarr_format": 3, "node_type": "x", "node_type": "group", "attributes": '
    attributes = '{"nan": NaN, "inf": -Infinity, "big": 1' + "0" * 400 + ', "half": "\\ud800"}}'
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        store = store_of(**{"zarr.json": (head + attributes).encode(encoding)})
        attrs = zarr.open_group(store, mode="r").attrs.asdict()
        assert (attrs["inf"], attrs["big"], attrs["half"]) == (-float("inf"), 10**400, "\ud800")


# --- beside a valid document ------------------------------------------------------------

V2_KEYS = (".zgroup", ".zarray", ".zattrs", ".zmetadata")

GROUP_READERS: dict[str, Callable[[Any], Any]] = {
    "open": lambda store: zarr.open(store, mode="r"),
    "open to append": lambda store: zarr.open(store, mode="a"),
    "open to write": lambda store: zarr.open(store, mode="r+"),
    "open_group": lambda store: zarr.open_group(store, mode="r"),
    "open_group to append": lambda store: zarr.open_group(store, mode="a"),
    "group": lambda store: zarr.group(store),
    "consolidated": lambda store: zarr.open_group(store, mode="r", use_consolidated=False),
    "members": lambda store: zarr.open_group(store, mode="r").members(max_depth=None),
    "create below": lambda store: zarr.open_group(store).create_group("a/b", overwrite=True),
}


@pytest.mark.parametrize("reader", GROUP_READERS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_junk_beside_a_format_3_group(damage: str, reader: str) -> None:
    junk = dict.fromkeys(V2_KEYS, DAMAGE[damage])
    below = {f"a/{key}": value for key, value in junk.items()}
    store = store_of(**{"zarr.json": GROUP_V3, "a/zarr.json": GROUP_V3, **junk, **below})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Object at")
        if DAMAGE[damage].startswith(b"{"):  # may be metadata: it is not parsed
            warnings.filterwarnings("ignore", "Both")
        GROUP_READERS[reader](store)


@pytest.mark.parametrize("damage", DAMAGE)
def test_junk_beside_a_format_3_array(damage: str) -> None:
    junk = dict.fromkeys(V2_KEYS, DAMAGE[damage])
    store = store_of(**{"zarr.json": ARRAY_V3, **junk})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if DAMAGE[damage].startswith(b"{"):
            warnings.filterwarnings("ignore", "Both")
        for mode in ("r", "r+", "a"):
            assert zarr.open(store, mode=mode).metadata.zarr_format == 3
            assert list(np.asarray(zarr.open_array(store, mode=mode)[:])) == [0] * 4
        assert zarr.Array.open(store).shape == (4,)
        with pytest.raises(ContainsArrayError):
            zarr.open_group(store, mode="r")


@pytest.mark.parametrize("damage", DAMAGE)
def test_junk_beside_a_format_2_array(damage: str) -> None:
    store = store_of(
        **{
            ".zgroup": GROUP_V2,
            "x/.zarray": ARRAY_V2,
            "x/.zgroup": DAMAGE[damage],
            "x/.zmetadata": DAMAGE[damage],
        }
    )
    group = zarr.open_group(store, mode="r", use_consolidated=False)
    assert isinstance(group["x"], zarr.Array)
    assert isinstance(zarr.open(store, path="x", mode="r"), zarr.Array)
    assert [name for name, _ in group.arrays()] == ["x"]


@pytest.mark.parametrize("damage", DAMAGE)
def test_junk_zarr_json_is_not_read_where_format_2_is_asked_for(damage: str) -> None:
    junk = {"zarr.json": DAMAGE[damage]}
    array = store_of(**{".zarray": ARRAY_V2}, **junk)
    group = store_of(**{".zgroup": GROUP_V2}, **junk)
    assert zarr.open_array(array, mode="r", zarr_format=2).shape == (4,)
    assert zarr.open(group, mode="r", zarr_format=2).metadata.zarr_format == 2
    check(lambda: zarr.open_array(array, mode="r"), "zarr.json", array)
    check(lambda: zarr.open(group, mode="r"), "zarr.json", group)
