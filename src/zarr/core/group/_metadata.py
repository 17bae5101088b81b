"""Metadata of groups, and consolidated metadata of all nodes below a group."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from zarr.abc.metadata import Metadata
from zarr.core.common import (
    JSON,
    ZARR_JSON,
    ZARRAY_JSON,
    ZATTRS_JSON,
    ZGROUP_JSON,
    ZMETADATA_V2_JSON,
    NodeType,
    ZarrFormat,
)
from zarr.core.metadata import ArrayMetadata, ArrayV2Metadata, ArrayV3Metadata
from zarr.core.metadata.common import copied, json_to_buffer
from zarr.core.metadata.v3 import parse_extra_fields
from zarr.errors import GroupNotFoundError, MetadataValidationError, NodeTypeValidationError

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer, BufferPrototype
    from zarr.core.metadata.v3 import AllowedExtraField

GROUP_METADATA_KEYS: Final = frozenset(
    {"attributes", "zarr_format", "consolidated_metadata", "node_type"}
)


class MissingParentError(MetadataValidationError, GroupNotFoundError):
    """Raised if consolidated metadata describe a node, but not the group above that node.

    For compatibility with zarr-python, this error is a `GroupNotFoundError`, although the group
    that stores the consolidated metadata exists. Functions that normally create a missing group
    raise this error instead.
    """


# --- parsing of fields ------------------------------------------------------------------


def parse_zarr_format(data: Any) -> ZarrFormat:
    """Return `data` if it is a valid format, 2 or 3.

    Raises
    ------
    ValueError
        If `data` is not a valid format.
    """
    if data in (2, 3) and not isinstance(data, bool):
        return cast("ZarrFormat", data)
    raise ValueError(
        f"Failed to parse input for 'zarr_format': expected Literal[2, 3], got {data!r}."
    )


def parse_node_type(data: Any) -> NodeType:
    """Return `data` if it is a valid node type, ``"array"`` or ``"group"``.

    Raises
    ------
    MetadataValidationError
        If `data` is not a valid node type.
    """
    if data in ("array", "group"):
        return cast("NodeType", data)
    raise MetadataValidationError(
        f"Failed to parse input for 'node_type': expected Literal['array', 'group'], got {data!r}."
    )


def parse_attributes(data: Any) -> dict[str, Any]:
    """Return a deep copy of user attributes; if `data` is None, return an empty dictionary.

    Raises
    ------
    TypeError
        If `data` is not a mapping whose keys are strings.
    """
    if data is None:
        return {}
    if isinstance(data, Mapping) and all(isinstance(key, str) for key in data):
        attributes: dict[str, Any] = copied(dict(data))
        return attributes
    raise TypeError(f"Expected dict with string keys. Got {type(data)} instead.")


# --- consolidated metadata --------------------------------------------------------------


@dataclass(frozen=True)
class ConsolidatedMetadata:
    """Metadata of all nodes below a group, as they were at the time of consolidation.

    Parameters
    ----------
    metadata : dict
        Metadata of the children of the group, by name. If a child is a group, its metadata
        contain the metadata of its own children, in `consolidated_metadata`.
    kind : "inline"
        Where consolidated metadata are stored: inline, within the metadata of the group.
    must_understand : bool
        Always False: a reader that does not support consolidated metadata is allowed to ignore
        them. Such a reader has to list the store.
    """

    metadata: dict[str, NodeMetadata]
    kind: Literal["inline"] = "inline"
    must_understand: Literal[False] = False

    def to_dict(self) -> dict[str, JSON]:
        """Return the JSON form of the consolidated metadata.

        Returns
        -------
        dict
            The member ``metadata`` contains the JSON form of the nodes of all depths, by path
            relative to the group. Paths are sorted by depth, then by name.
        """
        nodes = self.flattened_metadata
        return {
            "kind": self.kind,
            "must_understand": self.must_understand,
            "metadata": {path: nodes[path].to_dict() for path in _by_depth(nodes)},
        }

    @classmethod
    def from_dict(
        cls, data: Mapping[str, JSON], *, path: str | None = None
    ) -> ConsolidatedMetadata:
        """Make an instance from its JSON form.

        Parameters
        ----------
        data : mapping
            JSON form in the layout of `to_dict`; nodes may be in any order.
        path : str or None
            Location of the data, for error messages; None if unknown.

        Raises
        ------
        ValueError
            If the member ``kind`` of `data` is not ``"inline"``.
        TypeError
            If `data` or its member ``metadata`` is not an object, or if a node in ``metadata`` is
            not an object.
        MissingParentError
            If the parent of a node is not in `data`.
        MetadataValidationError
            If the parent of a node is an array, or the metadata of a node are not valid.
        """
        if not isinstance(data, Mapping):
            raise TypeError(f"Expected consolidated metadata as a JSON object, got {type(data)}.")
        kind = data.get("kind")
        if kind != "inline":
            raise ValueError(f"Consolidated metadata kind={str(kind)!r} is not supported.")
        documents = data.get("metadata")
        if not isinstance(documents, Mapping):
            raise TypeError(f"Unexpected type for 'metadata': {type(documents)}")
        for name, document in documents.items():
            if not isinstance(document, Mapping):
                raise TypeError(
                    "Invalid value for metadata items. "
                    f"key={name!r}, type={type(document).__name__!r}"
                )
        prefix = "" if path is None else f"{path}/"
        nodes: dict[str, NodeMetadata] = {}
        for name, document in documents.items():
            try:
                nodes[name] = _parse_node(cast("Mapping[str, JSON]", document), f"{prefix}{name}")
            except Exception as error:
                error.add_note(f"in the consolidated metadata of {name!r}")
                raise
        return cls.from_nodes(nodes)

    @classmethod
    def from_nodes(cls, nodes: Mapping[str, NodeMetadata]) -> ConsolidatedMetadata:
        """Make an instance from the metadata of nodes of all depths.

        Parameters
        ----------
        nodes : mapping
            Metadata by path relative to the group, in any order.

        Raises
        ------
        MissingParentError
            If the parent of a node is not in `nodes`.
        MetadataValidationError
            If the parent of a node is an array.
        """
        top: dict[str, NodeMetadata] = {}
        # Maps the path of each group to a dictionary with the metadata of its children, by name.
        # The first loop puts this dictionary into the metadata of the group. The second loop adds
        # the children to the dictionary.
        children = {"": top}
        hung = dict(nodes)
        for path, node in nodes.items():
            if isinstance(node, GroupMetadata):
                own = node.consolidated_metadata
                children[path] = {} if own is None else dict(own.metadata)
                hung[path] = replace(node, consolidated_metadata=cls(children[path]))
        for path, node in hung.items():
            parent, _, name = path.rpartition("/")
            if parent not in children or not name:
                lacks = bool(name) and parent not in nodes
                raise (MissingParentError if lacks else MetadataValidationError)(
                    f"Consolidated metadata describe a node at {path!r}, but no group above it."
                )
            children[parent][name] = node
        return cls(top)

    @staticmethod
    def _flat_to_nested(metadata: dict[str, NodeMetadata]) -> None:
        """Nest the metadata of each node in the metadata of its parent group, in place.

        The method is only needed for compatibility with zarr-python.

        Parameters
        ----------
        metadata : dict
            Metadata by path relative to the group, for nodes of all depths. When the method
            returns, this dictionary contains the metadata of the children by name, like
            the `metadata` parameter of the class.

        Raises
        ------
        KeyError
            If the parent of a node is not a group in `metadata`. If this error is raised,
            `metadata` is not changed.
        """
        try:
            nested = ConsolidatedMetadata.from_nodes(metadata).metadata
        except MetadataValidationError as error:
            raise KeyError(str(error)) from error
        metadata.clear()
        metadata.update(nested)

    @property
    def flattened_metadata(self) -> dict[str, NodeMetadata]:
        """Metadata of the nodes of all depths, by path relative to the group.

        In this dictionary, the metadata of a group do not contain the metadata of other nodes.
        """
        return dict(self._flatten(""))

    def _flatten(self, prefix: str) -> Iterator[tuple[str, NodeMetadata]]:
        for name, node in self.metadata.items():
            path = f"{prefix}{name}"
            below = node.consolidated_metadata if isinstance(node, GroupMetadata) else None
            if below is None:
                yield path, node
            else:
                group = cast("GroupMetadata", node)
                yield path, replace(group, consolidated_metadata=ConsolidatedMetadata({}))
                yield from below._flatten(f"{path}/")

    def get(self, path: str) -> NodeMetadata | None:
        """Return the metadata of the node at a path relative to the group.

        Returns None if there is no node at the path.
        """
        name, _, rest = path.partition("/")
        node = self.metadata.get(name)
        if not rest:
            return node
        below = node.consolidated_metadata if isinstance(node, GroupMetadata) else None
        return None if below is None else below.get(rest)

    def discard(self, path: str) -> bool:
        """Remove a node and all nodes below it, in place.

        All objects that share these metadata are changed.

        Parameters
        ----------
        path : str
            Path of the node, relative to the group.

        Returns
        -------
        bool
            True if the node was removed, False if the node does not exist.
        """
        parent, _, name = path.rpartition("/")
        group = self.get(parent) if parent else None
        below = group.consolidated_metadata if isinstance(group, GroupMetadata) else None
        siblings = below if parent else self
        return siblings is not None and siblings.metadata.pop(name, None) is not None


def _by_depth(paths: Mapping[str, object]) -> list[str]:
    return sorted(paths, key=lambda path: (path.count("/"), path))


def _parse_node(document: Mapping[str, JSON], path: str) -> NodeMetadata:
    if parse_zarr_format(document.get("zarr_format")) == 2:
        if "shape" in document:
            return ArrayV2Metadata.from_dict(document, path=path)
        return GroupMetadata.from_dict({**document, "consolidated_metadata": None}, path=path)
    if parse_node_type(document.get("node_type")) == "array":
        return ArrayV3Metadata.from_dict(document, path=path)
    return GroupMetadata.from_dict(document, path=path)


# --- metadata of a group ----------------------------------------------------------------


@dataclass(frozen=True)
class GroupMetadata(Metadata):
    """Metadata of a group.

    Parameters
    ----------
    attributes : dict or None
        User attributes with JSON values. If `attributes` is None, the group has no attributes.
    zarr_format : {2, 3}
        Format of the group.
    consolidated_metadata : ConsolidatedMetadata or None
        Metadata of all nodes below the group; None if the group has no consolidated metadata, or if
        they are not used.
    extra_fields : mapping or None
        Fields of the ``zarr.json`` document that the specification does not define. Each field is
        an object with ``must_understand: false``. If `extra_fields` is None, there are no such
        fields.

    Raises
    ------
    TypeError
        If the attributes are not a dictionary whose keys are strings.
    ValueError
        If `zarr_format` is not 2 or 3, or an extra field has the name of a standard field.
    MetadataValidationError
        If an extra field does not have ``must_understand: false``.
    """

    attributes: dict[str, Any] = field(default_factory=dict)
    zarr_format: ZarrFormat = 3
    consolidated_metadata: ConsolidatedMetadata | None = None
    node_type: Literal["group"] = field(default="group", init=False)
    extra_fields: dict[str, AllowedExtraField] = field(default_factory=dict)

    def __init__(
        self,
        attributes: dict[str, Any] | None = None,
        zarr_format: ZarrFormat = 3,
        consolidated_metadata: ConsolidatedMetadata | None = None,
        extra_fields: Mapping[str, AllowedExtraField] | None = None,
    ) -> None:
        extra = parse_extra_fields(
            extra_fields, reserved_keys=GROUP_METADATA_KEYS, node_type="group"
        )
        object.__setattr__(self, "attributes", parse_attributes(attributes))
        object.__setattr__(self, "zarr_format", parse_zarr_format(zarr_format))
        object.__setattr__(self, "consolidated_metadata", consolidated_metadata)
        object.__setattr__(self, "extra_fields", extra)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, path: str | None = None) -> GroupMetadata:
        """Make an instance from its JSON form.

        Parameters
        ----------
        data : mapping
            A ``zarr.json`` document (Zarr v3 core specification, "Group metadata"); or a
            ``.zgroup`` document with the content of ``.zattrs`` under ``attributes``. Unknown
            fields of a ``.zgroup`` document are ignored.
        path : str or None
            Location of the document, for error messages; None if unknown.

        Raises
        ------
        NodeTypeValidationError
            If `data` has a ``node_type`` that is neither ``"group"`` nor None.
        MetadataValidationError, TypeError, ValueError
            If a field is not valid.
        """
        if data.get("node_type", "group") not in ("group", None):
            raise NodeTypeValidationError(
                "Invalid value for 'node_type'. Expected 'group' or None. "
                f"Got {data['node_type']!r}."
            )
        consolidated = data.get("consolidated_metadata")
        zarr_format = data.get("zarr_format", 3)
        extra_fields = None
        if zarr_format == 3:
            extra_fields = {
                name: value for name, value in data.items() if name not in GROUP_METADATA_KEYS
            }
        return cls(
            attributes=data.get("attributes"),
            zarr_format=zarr_format,
            consolidated_metadata=(
                None
                if consolidated is None
                else ConsolidatedMetadata.from_dict(consolidated, path=path)
            ),
            extra_fields=extra_fields,
        )

    def to_dict(self) -> dict[str, JSON]:
        # docstring inherited
        document: dict[str, Any] = {
            "attributes": copied(self.attributes),
            "zarr_format": self.zarr_format,
        }
        if self.consolidated_metadata is not None:
            document["consolidated_metadata"] = self.consolidated_metadata.to_dict()
        document["node_type"] = self.node_type
        document.update(copied(dict(self.extra_fields)))
        return document

    def to_buffer_dict(self, prototype: BufferPrototype) -> dict[str, Buffer]:
        """Return the encoded metadata documents of the group.

        Parameters
        ----------
        prototype : BufferPrototype
            Buffer classes; each document is returned as an instance of ``prototype.buffer``.

        Returns
        -------
        dict
            Encoded documents by name. Format 3 has only ``zarr.json``. Format 2 has ``.zgroup`` and
            ``.zattrs``, and also ``.zmetadata`` if there are consolidated metadata. JSON text is
            indented as configured by ``json_indent``, except in ``.zmetadata``.

        Raises
        ------
        TypeError
            If an attribute cannot be serialized to JSON.
        """
        if self.zarr_format == 3:
            return {ZARR_JSON: json_to_buffer(self.to_dict(), prototype)}
        documents = {
            ZGROUP_JSON: json_to_buffer({"zarr_format": self.zarr_format}, prototype),
            ZATTRS_JSON: json_to_buffer(self.attributes, prototype),
        }
        if self.consolidated_metadata is not None:
            text = json.dumps(consolidated_document_v2(self))
            documents[ZMETADATA_V2_JSON] = prototype.buffer.from_bytes(text.encode())
        return documents


@dataclass(frozen=True)
class ImplicitGroupMarker(GroupMetadata):
    """Metadata of a group that is needed only as a parent of nodes that are created.

    If a group is already stored at this location, the stored group is kept.
    """


NodeMetadata: TypeAlias = ArrayMetadata | GroupMetadata


# --- consolidated metadata of format 2 --------------------------------------------------


def consolidated_document_v2(group: GroupMetadata) -> dict[str, JSON]:
    """Return the ``.zmetadata`` document of a format 2 group.

    Parameters
    ----------
    group : GroupMetadata
        Group metadata that include consolidated metadata.

    Returns
    -------
    dict
        The document in the layout of zarr-python 2. Its member ``metadata`` maps keys relative to
        the group to all ``.zgroup``, ``.zarray`` and ``.zattrs`` documents.
    """
    documents: dict[str, JSON] = {
        ZGROUP_JSON: {"zarr_format": 2},
        ZATTRS_JSON: dict(group.attributes),
    }
    below = group.consolidated_metadata
    nodes = {} if below is None else below.flattened_metadata
    for path in _by_depth(nodes):
        document = nodes[path].to_dict()
        documents[f"{path}/{ZATTRS_JSON}"] = document.pop("attributes")
        document.pop("node_type", None)
        is_group = isinstance(nodes[path], GroupMetadata)
        documents[f"{path}/{ZGROUP_JSON if is_group else ZARRAY_JSON}"] = document
    return {"metadata": documents, "zarr_consolidated_format": 1}


def parse_consolidated_v2(document: Mapping[str, JSON]) -> ConsolidatedMetadata:
    """Parse a ``.zmetadata`` document into consolidated metadata.

    Parameters
    ----------
    document : mapping
        The parsed document. Keys that are not names of metadata documents are ignored. A
        ``.zattrs`` document is also ignored if there is no node at the same path.

    Raises
    ------
    MetadataValidationError
        If the document has an unknown layout, or the parent of a node is not a group.
    TypeError, ValueError
        If the metadata of a node are not valid.
    """
    layout, contents = document.get("zarr_consolidated_format", 1), document.get("metadata")
    if layout != 1 or not isinstance(contents, Mapping):
        raise MetadataValidationError(
            "Expected consolidated metadata with the zarr_consolidated_format 1 and a JSON object "
            f"as 'metadata', got {layout!r} and {type(contents).__name__}."
        )
    nodes: dict[str, dict[str, JSON]] = {}
    for key, content in contents.items():
        path, _, name = key.rpartition("/")
        # An array takes precedence over a group at the same path. The same rule holds for opening a
        # single node.
        if path and (name == ZARRAY_JSON or (name == ZGROUP_JSON and path not in nodes)):
            nodes[path] = dict(cast("Mapping[str, JSON]", content))
    for path, node in nodes.items():
        if node.setdefault("zarr_format", 2) == 3:  # a `.zgroup` document may have format 3
            node.setdefault("node_type", "group")
        node["attributes"] = contents.get(f"{path}/{ZATTRS_JSON}")
    return ConsolidatedMetadata.from_dict({"kind": "inline", "metadata": nodes})
