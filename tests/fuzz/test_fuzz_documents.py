"""Damaged metadata documents: opening and reading end in a value or a clear error that names the key.

The sizes of data types (``<U500000000``, ``r2000000000000``) are not drawn here: those of chunks,
shapes and counts are.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from tests.fuzz.fuzz_kit import BOUNDED, Outcome, guarded, text_of

import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

NAMES = {"zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"}


def _stores() -> dict[str, dict[str, bytes]]:
    """Return hierarchies of both formats, with each kind of metadata there is."""
    stores: dict[str, dict[str, bytes]] = {}

    def add(name: str, **parameters: Any) -> None:
        store = MemoryStore()
        zarr_format = parameters.pop("zarr_format", 3)
        root = zarr.create_group(store, zarr_format=zarr_format, attributes={"a": [1, {"b": None}]})
        if parameters:
            data = np.arange(24).reshape(4, 6).astype(parameters.pop("dtype", "int32"))
            chunks = parameters.pop("chunks", (2, 3))
            array = root.create_array(
                "x", shape=(4, 6), dtype=data.dtype, chunks=chunks, **parameters
            )
            array[:] = data
        if "consolidated" in name:
            zarr.consolidate_metadata(store)
        stores[name] = {key: value.to_bytes() for key, value in store._store_dict.items()}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for zarr_format in (2, 3):
            add(f"group {zarr_format}", zarr_format=zarr_format)
            add(f"array {zarr_format}", zarr_format=zarr_format, fill_value=5)
            add(f"float {zarr_format}", zarr_format=zarr_format, dtype="float64", fill_value=np.nan)
            add(f"text {zarr_format}", zarr_format=zarr_format, dtype="<U3")
            add(f"time {zarr_format}", zarr_format=zarr_format, dtype="<M8[s]")
            add(f"consolidated {zarr_format}", zarr_format=zarr_format, fill_value=5)
        add("shards", shards=(4, 6), dimension_names=("y", None), attributes={"c": 1.5})
        add("v2 keys", chunk_key_encoding={"name": "v2", "separator": "."})
        with zarr.config.set({"array.rectilinear_chunks": True}):
            add("rectilinear", chunks=((1, 3), (2, 4)))
    return stores


STORES = _stores()
PLACES = [
    (name, key)
    for name, store in STORES.items()
    for key in store
    if key.rpartition("/")[2] in NAMES
]

NUMBERS = (0, -1, 1, 2, 2**31, 2**53 + 1, 2**62, 2**63, 2**64, -(2**64), 0.5, -0.0, 10**400)
JUNK: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from((None, True, False, "", "x", "zarr", "default", "bytes", "NaN", "<f4", "0x0")),
    st.sampled_from(NUMBERS),
    st.sampled_from((float("nan"), float("inf"), -float("inf"))),
    st.sampled_from(([], {}, [[]], [{}], [None], [0], [-1], [2**62], [1, 2, 3], [[1, 2**62]])),
    st.recursive(
        st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=8,
    ),
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the places in a JSON value at which something can be changed."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """Draw a store, the key of a document in it, and what is stored there instead."""
    name, key = draw(st.sampled_from(PLACES))
    document = json.loads(STORES[name][key])
    for _ in range(draw(st.integers(1, 3))):
        paths = list(_paths(document))
        if not paths:
            break
        path = draw(st.sampled_from(paths))
        if "length_bytes" in path:  # the size of a data type
            continue
        holder = document
        for part in path[:-1]:
            holder = holder[part]
        what = draw(st.sampled_from(("junk", "junk", "delete", "wrap", "twice", "nest")))
        if what == "junk":
            holder[path[-1]] = copy.deepcopy(draw(JUNK))
        elif what == "delete":
            del holder[path[-1]]
        elif what == "wrap":
            holder[path[-1]] = draw(
                st.sampled_from(([holder[path[-1]]], {"name": holder[path[-1]]}))
            )
        elif what == "twice" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[path[-1]]))
        elif what == "nest":
            inner = holder[path[-1]]
            for _ in range(draw(st.sampled_from((3, 50, 200)))):
                inner = [inner]
            holder[path[-1]] = inner
    data = json.dumps(document).encode()
    if draw(st.integers(0, 3)) == 0:
        data = _damaged(draw, data)
    return name, key, data


def _damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Draw bytes that are cut, or of which some are others."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(0, 3))):
        changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
    cut = draw(st.integers(0, len(changed)))
    return bytes(changed[:cut]) if draw(st.booleans()) else bytes(changed)


def _store(name: str, key: str, data: bytes) -> MemoryStore:
    make = default_buffer_prototype().buffer.from_bytes
    return MemoryStore({k: make(v) for k, v in {**STORES[name], key: data}.items()})


def _use(store: MemoryStore) -> Any:
    """Open a hierarchy in the ways there are, and read an element of each array in it."""
    root: Any = zarr.open(store, mode="r")
    nodes = [root]
    if isinstance(root, zarr.Group):
        root.attrs.asdict()
        nodes += [node for _, node in root.members(max_depth=None)]
        nodes.append(zarr.open(store, path="x", mode="r") if "x" in root else root)
    for node in nodes:
        repr(node), node.info
        if isinstance(node, zarr.Array):
            node.nchunks, node.cdata_shape
            node[(0,) * node.ndim] if node.size else node[...]
            node.metadata.to_dict()
    return len(nodes)


def _check(name: str, key: str, data: bytes) -> Outcome:
    store = _store(name, key, data)
    with warnings.catch_warnings(), zarr.config.set({"array.rectilinear_chunks": True}):
        warnings.simplefilter("ignore")
        # A document may be believed, and the chunk that does not fit it be named.
        outcome = guarded(lambda: _use(store))
    if outcome.error is not None:
        said = text_of(outcome.error)
        assert key in said or f"{key.rpartition('/')[0]}/" in said, said
    return outcome


def _with(name: str, field: str, value: Any) -> tuple[str, str, bytes]:
    """Return a case in which a field of the array's document has another value."""
    document = json.loads(STORES[name]["x/zarr.json"])
    return name, "x/zarr.json", json.dumps({**document, field: value}).encode()


def _shards_in_shards(depth: int) -> list[Any]:
    plain = {"name": "bytes", "configuration": {"endian": "little"}}
    codecs: list[Any] = [plain]
    for _ in range(depth):
        configuration = {"chunk_shape": [1, 1], "codecs": codecs, "index_codecs": [plain]}
        codecs = [{"name": "sharding_indexed", "configuration": configuration}]
    return codecs


def _grid(name: str, configuration: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "configuration": configuration}


# What was found: time that doubles with each level, any amount of memory, a negative size.
@example(_with("array 3", "codecs", _shards_in_shards(30)))
@example(_with("shards", "codecs", _shards_in_shards(300)))
@example(
    _with(
        "rectilinear",
        "chunk_grid",
        _grid("rectilinear", {"kind": "inline", "chunk_shapes": [[[1, 2**62]], [6]]}),
    )
)
@example(_with("shards", "chunk_grid", _grid("regular", {"chunk_shape": [2**62, 6]})))
@BOUNDED
@given(mutated())
def test_damaged_documents(case: tuple[str, str, bytes]) -> None:
    _check(*case)
