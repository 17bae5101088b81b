"""Metadata of groups and consolidated metadata: forms, laws, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarr.core.array import init_array
from zarr.core.buffer import default_buffer_prototype
from zarr.core.common import ZarrFormat
from zarr.core.config import config
from zarr.core.group import (
    ConsolidatedMetadata,
    GroupMetadata,
    ImplicitGroupMarker,
    parse_attributes,
    parse_node_type,
    parse_zarr_format,
)
from zarr.core.group._metadata import consolidated_document_v2, parse_consolidated_v2
from zarr.core.metadata import ArrayV2Metadata, ArrayV3Metadata
from zarr.core.sync import sync
from zarr.errors import MetadataValidationError, NodeTypeValidationError
from zarr.storage import MemoryStore
from zarr.storage._common import StorePath

GROUP = {"zarr_format": 3, "node_type": "group"}


def _array_metadata(zarr_format: int) -> Any:
    place = StorePath(MemoryStore())
    return sync(
        init_array(store_path=place, shape=(2,), dtype="i4", zarr_format=zarr_format)  # type: ignore[arg-type]
    ).metadata


ARRAYS: dict[int, Any] = {zarr_format: _array_metadata(zarr_format) for zarr_format in (2, 3)}


# --- fields -----------------------------------------------------------------------------


@pytest.mark.parametrize("data", [2, 3])
def test_parse_zarr_format_accepts(data: int) -> None:
    assert parse_zarr_format(data) == data


@pytest.mark.parametrize("data", [None, 1, 4, "3", True])
def test_parse_zarr_format_refuses(data: object) -> None:
    with pytest.raises(ValueError, match=r"expected Literal\[2, 3\], got"):
        parse_zarr_format(data)


def test_parse_node_type() -> None:
    assert [parse_node_type("array"), parse_node_type("group")] == ["array", "group"]
    for data in (None, "", "Group", 5):
        with pytest.raises(MetadataValidationError, match="node_type"):
            parse_node_type(data)


def test_parse_attributes() -> None:
    given = {"a": 1}
    parsed = parse_attributes(given)
    given["b"] = 2
    assert parsed == {"a": 1}
    assert parse_attributes(None) == {}
    for data in ({1: 2}, [1], "a", 5):
        with pytest.raises(TypeError, match="Expected dict with string keys"):
            parse_attributes(data)


# --- one group --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        {"attributes": {}, **GROUP},
        {"attributes": {"a": [1, {"b": None}]}, **GROUP},
        {"attributes": {}, "zarr_format": 2, "node_type": "group"},
        {"attributes": {}, **GROUP, "extra": {"must_understand": False, "x": 1}},
        {
            "attributes": {},
            **GROUP,
            "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": {}},
        },
    ],
)
def test_documents_survive(document: dict[str, Any]) -> None:
    assert GroupMetadata.from_dict(document).to_dict() == document


@pytest.mark.parametrize("document", [{}, {"zarr_format": 3}, {"node_type": None}])
def test_fields_with_defaults_may_be_missing(document: dict[str, Any]) -> None:
    assert GroupMetadata.from_dict(document) == GroupMetadata()


@pytest.mark.parametrize(
    ("document", "error", "message"),
    [
        ({"node_type": "array"}, NodeTypeValidationError, "Got 'array'"),
        ({**GROUP, "zarr_format": 4}, ValueError, "got 4"),
        ({**GROUP, "attributes": [1]}, TypeError, "string keys"),
        ({**GROUP, "foo": 1}, MetadataValidationError, r"\['foo'\]"),
        ({**GROUP, "foo": {"must_understand": True}}, MetadataValidationError, r"\['foo'\]"),
        ({**GROUP, "foo": {"a": 1}}, MetadataValidationError, r"\['foo'\]"),
    ],
)
def test_bad_documents_are_refused(
    document: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        GroupMetadata.from_dict(document)


def test_extra_fields_may_not_have_names_of_fields() -> None:
    with pytest.raises(ValueError, match=r"\['zarr_format'\]"):
        GroupMetadata(extra_fields={"zarr_format": {"must_understand": False}})


def test_unknown_fields_of_format_2_are_ignored() -> None:
    assert GroupMetadata.from_dict({"zarr_format": 2, "x": 1}) == GroupMetadata(zarr_format=2)


def test_stored_documents() -> None:
    prototype = default_buffer_prototype()

    def texts(metadata: GroupMetadata) -> dict[str, str]:
        return {k: v.to_bytes().decode() for k, v in metadata.to_buffer_dict(prototype).items()}

    assert texts(GroupMetadata({"a": 1})) == {
        "zarr.json": '{\n  "attributes": {\n    "a": 1\n  },\n  "zarr_format": 3,\n'
        '  "node_type": "group"\n}'
    }
    assert texts(GroupMetadata({"a": 1}, zarr_format=2)) == {
        ".zgroup": '{\n  "zarr_format": 2\n}',
        ".zattrs": '{\n  "a": 1\n}',
    }
    with config.set({"json_indent": None}):
        assert texts(GroupMetadata(zarr_format=2)) == {
            ".zgroup": '{"zarr_format": 2}',
            ".zattrs": "{}",
        }
    consolidated = GroupMetadata(zarr_format=2, consolidated_metadata=ConsolidatedMetadata({}))
    assert json.loads(texts(consolidated)[".zmetadata"]) == {
        "metadata": {".zgroup": {"zarr_format": 2}, ".zattrs": {}},
        "zarr_consolidated_format": 1,
    }


def test_implicit_marker() -> None:
    marker = ImplicitGroupMarker(zarr_format=2)
    assert isinstance(marker, GroupMetadata)
    assert marker.to_dict() == GroupMetadata(zarr_format=2).to_dict()
    assert repr(marker).startswith("ImplicitGroupMarker(attributes={}, zarr_format=2")


# --- consolidated metadata --------------------------------------------------------------


def _inline(nodes: object, **others: object) -> dict[str, Any]:
    return {"kind": "inline", "must_understand": False, "metadata": nodes, **others}


def test_nodes_hang_below_their_groups() -> None:
    array = ARRAYS[3].to_dict()
    parsed = ConsolidatedMetadata.from_dict(
        _inline({"a/b/x": array, "a/b": GROUP, "y": array, "a": {**GROUP, "attributes": {"k": 1}}})
    )
    assert list(parsed.metadata) == ["y", "a"]
    a = parsed.metadata["a"]
    assert isinstance(a, GroupMetadata)
    assert a.attributes == {"k": 1}
    assert a.consolidated_metadata is not None
    assert a.consolidated_metadata.get("b/x") == ARRAYS[3]
    assert sorted(parsed.flattened_metadata) == ["a", "a/b", "a/b/x", "y"]
    for group in ("a", "a/b"):
        flat = parsed.flattened_metadata[group]
        assert isinstance(flat, GroupMetadata)
        assert flat.consolidated_metadata == ConsolidatedMetadata({})


def test_groups_that_bring_their_own_nodes() -> None:
    inner = {**GROUP, "consolidated_metadata": _inline({"x": GROUP, "y": GROUP})}
    parsed = ConsolidatedMetadata.from_dict(
        _inline({"a": inner, "a/y": {**GROUP, "attributes": {"k": 1}}})
    )
    assert sorted(parsed.flattened_metadata) == ["a", "a/x", "a/y"]
    assert parsed.flattened_metadata["a/y"].attributes == {"k": 1}


def test_json_form_is_ordered_by_depth_and_name() -> None:
    nodes = {path: GroupMetadata() for path in ("b", "a", "a/z", "a/b", "c", "a/b/a")}
    written = ConsolidatedMetadata.from_nodes(nodes).to_dict()["metadata"]
    assert isinstance(written, dict)
    assert list(written) == ["a", "b", "c", "a/b", "a/z", "a/b/a"]


@pytest.mark.parametrize(
    ("document", "error", "message"),
    [
        (_inline({}, kind="other"), ValueError, "kind='other' is not supported"),
        ({"metadata": {}}, ValueError, "kind='None' is not supported"),
        ({"kind": "inline"}, TypeError, "Unexpected type for 'metadata': <class 'NoneType'>"),
        (_inline([]), TypeError, "Unexpected type for 'metadata'"),
        (_inline({"a": 5}), TypeError, "key='a', type='int'"),
        (_inline({"a": {}}), ValueError, "zarr_format"),
        (_inline({"a": {"zarr_format": 3}}), MetadataValidationError, "node_type"),
        (_inline({"a/b": GROUP}), MetadataValidationError, "'a/b', but no group above"),
        (_inline({"": GROUP}), MetadataValidationError, "no group above"),
        (
            _inline({"a": ARRAYS[3].to_dict(), "a/b": GROUP}),
            MetadataValidationError,
            "'a/b', but no group above",
        ),
    ],
)
def test_bad_consolidated_metadata_are_refused(
    document: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ConsolidatedMetadata.from_dict(document)


_names = st.sampled_from(["a", "b", "c0", "zarr.json"])


@st.composite
def hierarchies(draw: st.DrawFn) -> dict[str, Any]:
    """Nodes of one format by paths, with all the groups above each."""
    zarr_format: ZarrFormat = draw(st.sampled_from([2, 3]))
    nodes: dict[str, Any] = {}
    for parts in draw(st.lists(st.lists(_names, min_size=1, max_size=4), max_size=8)):
        for depth in range(1, len(parts)):
            path = "/".join(parts[:depth])
            if not isinstance(nodes.get(path), GroupMetadata):
                nodes[path] = GroupMetadata({"at": path}, zarr_format=zarr_format)
        path = "/".join(parts)
        if path not in nodes:
            is_array = draw(st.booleans())
            nodes[path] = (
                ARRAYS[zarr_format] if is_array else GroupMetadata(zarr_format=zarr_format)
            )
    return nodes


def _same_nodes(consolidated: ConsolidatedMetadata, nodes: dict[str, Any]) -> None:
    flat = consolidated.flattened_metadata
    assert flat.keys() == nodes.keys()
    for path, node in nodes.items():
        found = flat[path]
        if isinstance(node, GroupMetadata):
            assert isinstance(found, GroupMetadata)
            assert found.attributes == node.attributes
            assert isinstance(consolidated.get(path), GroupMetadata)
        else:
            assert isinstance(found, ArrayV2Metadata | ArrayV3Metadata)
            assert found == node == consolidated.get(path)


@given(hierarchies())
def test_consolidated_metadata_survive_json(nodes: dict[str, Any]) -> None:
    consolidated = ConsolidatedMetadata.from_nodes(nodes)
    _same_nodes(consolidated, nodes)
    stored = json.loads(json.dumps(consolidated.to_dict()))
    _same_nodes(ConsolidatedMetadata.from_dict(stored), nodes)


@given(hierarchies())
def test_consolidated_metadata_survive_the_format_2_document(nodes: dict[str, Any]) -> None:
    if any(node.zarr_format == 3 for node in nodes.values()):
        return
    consolidated = ConsolidatedMetadata.from_nodes(nodes)
    group = GroupMetadata(zarr_format=2, consolidated_metadata=consolidated)
    stored = json.loads(json.dumps(consolidated_document_v2(group)))
    _same_nodes(parse_consolidated_v2(stored), nodes)


@given(hierarchies(), st.data())
def test_discard_removes_a_node_and_what_lies_below(nodes: dict[str, Any], data: Any) -> None:
    consolidated = ConsolidatedMetadata.from_nodes(nodes)
    path = data.draw(st.sampled_from([*sorted(nodes), "a/missing", "nope"]))
    assert consolidated.discard(path) == (path in nodes)
    kept = {p: n for p, n in nodes.items() if p != path and not p.startswith(f"{path}/")}
    _same_nodes(consolidated, kept)
    assert not consolidated.discard(path)


def test_format_2_document_other_keys() -> None:
    parsed = parse_consolidated_v2(
        {
            "metadata": {
                ".zgroup": {"zarr_format": 2},
                "a/.zgroup": {},
                "a/foo": {"x": 1},
                "orphan/.zattrs": {"x": 1},
                "both/.zgroup": {"zarr_format": 2},
                "both/.zarray": {
                    key: value for key, value in ARRAYS[2].to_dict().items() if key != "attributes"
                },
                "both/.zattrs": {"k": 1},
                "other/.zarray": {
                    key: value for key, value in ARRAYS[2].to_dict().items() if key != "attributes"
                },
                "other/.zgroup": {"zarr_format": 2, "consolidated_metadata": {"kind": "odd"}},
                "g/.zgroup": {"zarr_format": 2, "consolidated_metadata": {"kind": "odd"}},
            }
        }
    )
    assert list(parsed.metadata) == ["a", "both", "other", "g"]
    assert isinstance(parsed.metadata["other"], ArrayV2Metadata)
    both = parsed.metadata["both"]
    assert isinstance(both, ArrayV2Metadata)
    assert both.attributes == {"k": 1}


@pytest.mark.parametrize(
    "document",
    [{"metadata": 5}, {}, {"zarr_consolidated_format": 2, "metadata": {}}],
)
def test_other_layouts_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises(MetadataValidationError, match="zarr_consolidated_format 1"):
        parse_consolidated_v2(document)
