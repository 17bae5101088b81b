"""Metadata of format 3 arrays: the ``zarr.json`` document (Zarr v3 core specification)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NotRequired, TypeAlias, cast

from typing_extensions import TypedDict

from zarr.abc.metadata import Metadata
from zarr.core.chunk_key_encodings import parse_chunk_key_encoding
from zarr.core.common import (
    JSON,
    ZARR_JSON,
    DimensionNames,
    NamedConfig,
    parse_shapelike,
    validate_rectilinear_edges,
)
from zarr.core.dtype import get_data_type_from_json
from zarr.core.metadata._chunk_grid import (
    ChunkGridMetadata,
    RectilinearChunkGridMetadata,
    RectilinearChunkGridMetadataConfig,
    RectilinearChunksDisabledError,
    RegularChunkGridMetadata,
    RegularChunkGridMetadataConfig,
    check_rectilinear_enabled,
    create_chunk_grid_metadata,
    parse_chunk_grid,
)
from zarr.core.metadata._codecs import (
    inner_codecs_of,
    parse_codecs,
    settle_codecs,
    validate_array_bytes_codec,
    validate_codecs,
)
from zarr.core.metadata._fields import (
    AllowedExtraField,
    check_allowed_extra_field,
    parse_dimension_names,
    parse_extra_fields,
    parse_node_type_array,
    parse_storage_transformers,
    parse_zarr_format,
)
from zarr.core.metadata._repair import repair_chunk_grid
from zarr.core.metadata.common import (
    as_fill_value,
    copied,
    json_to_buffer,
    parse_attributes,
    required_field,
    same_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from zarr.abc.codec import Codec
    from zarr.codecs.sharding import ShardingCodec
    from zarr.core.buffer import Buffer, BufferPrototype
    from zarr.core.chunk_key_encodings import ChunkKeyEncoding, ChunkKeyEncodingLike
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType

__all__ = [
    "ARRAY_METADATA_KEYS",
    "AllowedExtraField",
    "ArrayMetadataJSON_V3",
    "ArrayV3Metadata",
    "ChunkGridMetadata",
    "RectilinearChunkGridMetadata",
    "RectilinearChunkGridMetadataConfig",
    "RectilinearChunksDisabledError",
    "RegularChunkGridMetadata",
    "RegularChunkGridMetadataConfig",
    "check_allowed_extra_field",
    "check_storable",
    "check_usable",
    "create_chunk_grid_metadata",
    "parse_chunk_grid",
    "parse_codecs",
    "parse_dimension_names",
    "parse_extra_fields",
    "parse_node_type_array",
    "parse_shapelike",
    "parse_storage_transformers",
    "parse_zarr_format",
    "settle_codecs",
    "validate_array_bytes_codec",
    "validate_codecs",
]

_ExtensionJSON: TypeAlias = str | NamedConfig[str, Mapping[str, JSON]]


class ArrayMetadataJSON_V3(TypedDict):
    """The ``zarr.json`` document of an array."""

    zarr_format: Literal[3]
    node_type: Literal["array"]
    data_type: _ExtensionJSON
    shape: tuple[int, ...]
    chunk_grid: _ExtensionJSON
    chunk_key_encoding: _ExtensionJSON
    fill_value: JSON
    codecs: tuple[_ExtensionJSON, ...]
    attributes: NotRequired[Mapping[str, JSON]]
    storage_transformers: NotRequired[tuple[_ExtensionJSON, ...]]
    dimension_names: NotRequired[tuple[str | None, ...]]


ARRAY_METADATA_KEYS: Final = frozenset(ArrayMetadataJSON_V3.__annotations__)


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayV3Metadata(Metadata):
    """Metadata of a format 3 array.

    Parameters
    ----------
    shape : iterable of int or int
        Shape of the array in elements.
    data_type : ZDType
        Data type of the elements.
    chunk_grid : RegularChunkGridMetadata, RectilinearChunkGridMetadata or dict
        Division of the array into chunks. The chunks are shards if the only codec is a sharding
        codec.
    chunk_key_encoding : ChunkKeyEncoding or dict
        Encoding of chunk positions as store keys.
    fill_value : scalar
        Value of elements that are not stored, in any form that `data_type` can convert.
    codecs : iterable of Codec or dict
        Codecs that encode a chunk, in order of encoding.
    attributes : mapping or None
        User attributes, which are JSON values; None means no attributes.
    dimension_names : iterable of str or None
        For each dimension, its name, or None if it has no name. If `dimension_names` is None, no
        dimension has a name. For an array of zero dimensions, an empty iterable is stored as an
        empty list.
    storage_transformers : iterable of dict or None
        Storage transformers; None means no transformers. Metadata with storage transformers are
        valid, but an array with such metadata can be neither opened nor created; see
        `check_usable`.
    extra_fields : mapping or None
        Unknown fields of the document, each with ``must_understand: false``; None means no unknown
        fields.

    Raises
    ------
    TypeError, ValueError
        If a field is not valid, or fields contradict each other.
    UnknownCodecError
        If no implementation of a codec is available.
    RectilinearChunksDisabledError
        If `chunk_grid` is the dictionary of a rectilinear grid and ``array.rectilinear_chunks`` is
        off.
    """

    shape: tuple[int, ...]
    data_type: ZDType[TBaseDType, TBaseScalar]
    chunk_grid: ChunkGridMetadata
    chunk_key_encoding: ChunkKeyEncoding
    fill_value: Any
    codecs: tuple[Codec, ...]
    attributes: dict[str, Any]
    dimension_names: tuple[str | None, ...] | None = None
    zarr_format: Literal[3] = field(default=3, init=False)
    node_type: Literal["array"] = field(default="array", init=False)
    storage_transformers: tuple[dict[str, JSON], ...]
    extra_fields: dict[str, AllowedExtraField]

    # If the stored document was repaired when it was read, `_stored_document` is the document
    # before the repair. Otherwise the attribute is None. Other packages use this attribute, so its
    # name must not change. Saving the metadata stores the repaired document. In modified copies of
    # the metadata, the attribute is None.
    _stored_document: ClassVar[dict[str, JSON] | None] = None

    def __init__(
        self,
        *,
        shape: Iterable[int] | int,
        data_type: ZDType[TBaseDType, TBaseScalar],
        chunk_grid: Mapping[str, JSON] | ChunkGridMetadata,
        chunk_key_encoding: ChunkKeyEncodingLike,
        fill_value: object,
        codecs: Iterable[Codec | Mapping[str, JSON]],
        attributes: Mapping[str, JSON] | None,
        dimension_names: DimensionNames,
        storage_transformers: Iterable[Mapping[str, JSON]] | None = None,
        extra_fields: Mapping[str, AllowedExtraField] | None = None,
    ) -> None:
        lengths = parse_shapelike(shape)
        grid = parse_chunk_grid(chunk_grid)
        names = parse_dimension_names(dimension_names)
        _check_dimensions(lengths, grid, names)
        transformers = parse_storage_transformers(storage_transformers)
        fill = as_fill_value(fill_value, data_type)
        chain = parse_codecs(codecs)
        validate_codecs(chain, data_type)

        for name, value in (
            ("shape", lengths),
            ("data_type", data_type),
            ("chunk_grid", grid),
            ("chunk_key_encoding", parse_chunk_key_encoding(chunk_key_encoding)),
            ("fill_value", fill),
            ("codecs", settle_codecs(chain, lengths, data_type, fill, grid)),
            ("attributes", parse_attributes(attributes)),
            ("dimension_names", names),
            ("storage_transformers", transformers),
            (
                "extra_fields",
                parse_extra_fields(
                    extra_fields, reserved_keys=ARRAY_METADATA_KEYS, node_type="array"
                ),
            ),
        ):
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._identity() == other._identity() and (
            same_json(self.attributes, other.attributes)
            and same_json(self._fill_value_json(), other._fill_value_json())
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.data_type, self.chunk_grid, self.dimension_names))

    def _identity(self) -> tuple[object, ...]:
        return (
            self.shape,
            self.data_type,
            self.chunk_grid,
            self.chunk_key_encoding,
            self.codecs,
            self.dimension_names,
            self.storage_transformers,
            self.extra_fields,
        )

    def _fill_value_json(self) -> JSON:
        return self.data_type.to_json_scalar(self.fill_value, zarr_format=3)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def dtype(self) -> ZDType[TBaseDType, TBaseScalar]:
        """Data type of the elements."""
        return self.data_type

    @property
    def sharding_codec(self) -> ShardingCodec | None:
        """The sharding codec if it is the only codec; None otherwise.

        If there are other codecs besides the sharding codec, shards can only be read and written as
        a whole.
        """
        if len(self.codecs) == 1 and inner_codecs_of(self.codecs[0]) is not None:
            return cast("ShardingCodec", self.codecs[0])
        return None

    @property
    def inner_codecs(self) -> tuple[Codec, ...]:
        """The codecs of the smallest readable unit: an inner chunk, or an unsharded chunk."""
        sharding = self.sharding_codec
        return self.codecs if sharding is None else sharding.codecs

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape, in elements, of the smallest readable unit: an inner chunk or an unsharded chunk.

        Raises
        ------
        NotImplementedError
            If the array is not sharded and its chunk grid is rectilinear.
        """
        sharding = self.sharding_codec
        return self._chunk_shape("chunks", "read") if sharding is None else sharding.chunk_shape

    @property
    def shards(self) -> tuple[int, ...] | None:
        """Shape of the shards in elements; None if the array is not sharded.

        Raises
        ------
        NotImplementedError
            If the array is sharded and its chunk grid is rectilinear.
        """
        return None if self.sharding_codec is None else self._chunk_shape("shards", "write")

    def _chunk_shape(self, name: str, access: str) -> tuple[int, ...]:
        if isinstance(self.chunk_grid, RegularChunkGridMetadata):
            return self.chunk_grid.chunk_shape
        raise NotImplementedError(
            f"The `{name}` attribute is only defined for arrays using regular chunk grids. This "
            f"array has a rectilinear chunk grid. Use `{access}_chunk_sizes` for general access."
        )

    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        """Return the key of a chunk, relative to the array.

        Parameters
        ----------
        chunk_coords : tuple of int
            Position of the chunk in the chunk grid.
        """
        return self.chunk_key_encoding.encode_chunk_key(chunk_coords)

    def _key_template(self) -> str | None:
        """Return a template for chunk keys, or None if there is no template.

        The key of a chunk is ``template % position``.
        """
        return self.chunk_key_encoding._key_template(len(self.shape))

    def to_buffer_dict(self, prototype: BufferPrototype) -> dict[str, Buffer]:
        """Return a dictionary with the encoded document.

        Parameters
        ----------
        prototype : BufferPrototype
            Buffer classes; the document is encoded as an instance of ``prototype.buffer``.

        Returns
        -------
        dict
            The encoded document under the key ``zarr.json``, which is relative to the array.

        Raises
        ------
        RectilinearChunksDisabledError
            If the chunk grid is rectilinear and ``array.rectilinear_chunks`` is off.
        TypeError
            If an attribute cannot be represented in JSON.
        """
        check_storable(self)
        return {ZARR_JSON: json_to_buffer(self.to_dict(), prototype)}

    @classmethod
    def from_dict(cls, data: Mapping[str, JSON], *, path: str | None = None) -> Self:
        """Create an instance from a ``zarr.json`` document.

        Parameters
        ----------
        data : mapping
            The parsed document.
        path : str or None
            Location of the document, for error messages; None if unknown.

        Raises
        ------
        MetadataValidationError
            If the document does not describe a format 3 array, lacks a required field, or has an
            unknown field that must be understood.
        TypeError, ValueError
            If a field is not valid.
        """
        document = dict(data)
        parse_zarr_format(required_field(document, "zarr_format", path=path))
        parse_node_type_array(required_field(document, "node_type", path=path))
        repaired = repair_chunk_grid(document, path)
        source = document if repaired is None else repaired
        data_type_json = required_field(source, "data_type", path=path)
        _check_data_type_form(data_type_json)
        data_type = get_data_type_from_json(cast("Any", data_type_json), zarr_format=3)
        metadata = cls(
            shape=cast("Any", required_field(source, "shape", path=path)),
            data_type=data_type,
            chunk_grid=cast("Any", required_field(source, "chunk_grid", path=path)),
            chunk_key_encoding=cast("Any", required_field(source, "chunk_key_encoding", path=path)),
            fill_value=as_fill_value(
                required_field(source, "fill_value", path=path), data_type, zarr_format=3
            ),
            codecs=cast("Any", required_field(source, "codecs", path=path)),
            attributes=cast("Any", source.get("attributes")),
            dimension_names=cast("Any", source.get("dimension_names")),
            storage_transformers=cast("Any", source.get("storage_transformers")),
            extra_fields=cast(
                "Any", {key: source[key] for key in source if key not in ARRAY_METADATA_KEYS}
            ),
        )
        if repaired is not None:
            object.__setattr__(metadata, "_stored_document", copy.deepcopy(document))
        return metadata

    def to_dict(self) -> dict[str, JSON]:
        # docstring inherited
        document: dict[str, Any] = {
            "shape": self.shape,
            "data_type": self.data_type.to_json(zarr_format=3),
            "chunk_grid": self.chunk_grid.to_dict(),
            "chunk_key_encoding": self.chunk_key_encoding.to_dict(),
            "fill_value": self._fill_value_json(),
            "codecs": tuple(codec.to_dict() for codec in self.codecs),
            "attributes": copied(self.attributes),
            "dimension_names": self.dimension_names,
            "zarr_format": self.zarr_format,
            "node_type": self.node_type,
            "storage_transformers": self.storage_transformers,
            **copied(dict(self.extra_fields)),
        }
        if self.dimension_names is None:
            del document["dimension_names"]
        return document

    def update_shape(self, shape: tuple[int, ...]) -> Self:
        """Return the metadata of the array after a resize.

        Parameters
        ----------
        shape : tuple of int
            The new shape in elements. If the grid is rectilinear and the listed chunk lengths of a
            dimension add up to less than its new length, the dimension gets one additional chunk.
        """
        grid = self.chunk_grid
        if isinstance(grid, RectilinearChunkGridMetadata):
            grid = grid.update_shape(self.shape, shape)
        return replace(self, shape=shape, chunk_grid=grid)

    def update_attributes(self, attributes: Mapping[str, JSON] | None) -> Self:
        """Return a copy that has `attributes` as its user attributes.

        If `attributes` is None, the copy has no user attributes.
        """
        return replace(self, attributes=cast("Any", attributes))


def _check_dimensions(
    shape: tuple[int, ...], grid: ChunkGridMetadata, names: Sequence[str | None] | None
) -> None:
    if len(shape) != grid.ndim:
        raise ValueError("`chunk_grid` and `shape` need to have the same number of dimensions.")
    if names is not None and len(names) != len(shape):
        raise ValueError(
            "`dimension_names` and `shape` need to have the same number of dimensions."
        )
    if isinstance(grid, RectilinearChunkGridMetadata):
        validate_rectilinear_edges(grid.chunk_shapes, shape)


def _check_data_type_form(data: object) -> None:
    if isinstance(data, str) or (
        isinstance(data, Mapping)
        and isinstance(data.get("name"), str)
        and isinstance(data.get("configuration"), Mapping)
    ):
        return
    raise ValueError(f"Invalid data_type: {data!r}")


def check_usable(metadata: object, place: object = None) -> None:
    """Raise an error if an array cannot be read or written although its metadata are valid.

    Parameters
    ----------
    metadata : ArrayV2Metadata or ArrayV3Metadata
        Metadata to check.
    place : StorePath or None
        Location of the metadata, for a note on the error; None if unknown.

    Raises
    ------
    ValueError
        If the metadata have storage transformers, which change how chunks are stored.
    """
    transformers = getattr(metadata, "storage_transformers", ())
    if transformers:
        error = ValueError(
            f"Array metadata contains storage transformers: {transformers}."
            "Arrays with storage transformers are not supported in zarr-python at this time."
        )
        if place is not None:
            error.add_note(f"in the metadata of the array at {place}")
        raise error


def check_storable(metadata: object) -> None:
    """Raise an error for metadata that are valid in memory but must not be stored.

    Parameters
    ----------
    metadata : ArrayV2Metadata or ArrayV3Metadata
        Metadata to check.

    Raises
    ------
    RectilinearChunksDisabledError
        If the chunk grid is rectilinear and ``array.rectilinear_chunks`` is off.
    ValueError
        If a chunk length is 0.
    """
    if isinstance(metadata, ArrayV3Metadata):
        if isinstance(metadata.chunk_grid, RectilinearChunkGridMetadata):
            check_rectilinear_enabled()
        return
    chunks = cast("Any", metadata).chunks
    if 0 in chunks:
        raise ValueError(f"Chunk lengths must be at least 1, got {chunks}.")
