"""Metadata of format 2 arrays: ``.zarray`` and ``.zattrs`` documents (Zarr v2 specification)."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias, cast

import numpy as np
from typing_extensions import TypedDict, TypeIs

from zarr.abc.metadata import Metadata
from zarr.core.array_spec import ArraySpec
from zarr.core.chunk_grids import ChunkGrid
from zarr.core.chunk_key_encodings import parse_separator
from zarr.core.common import (
    JSON,
    ZARRAY_JSON,
    ZATTRS_JSON,
    MemoryOrder,
    ShapeLike,
    parse_order,
    parse_shapelike,
)
from zarr.core.dtype import get_data_type_from_json
from zarr.core.metadata.common import (
    as_fill_value,
    copied,
    json_to_buffer,
    parse_attributes,
    repair_chunk_shape,
    required_field,
    same_json,
    without_flags,
)
from zarr.core.metadata.v3 import check_storable
from zarr.errors import MetadataValidationError, ZarrUserWarning
from zarr.registry import get_numcodec

if TYPE_CHECKING:
    from typing import Self

    from zarr.abc.numcodec import Numcodec
    from zarr.core.array_spec import ArrayConfig
    from zarr.core.buffer import Buffer, BufferPrototype
    from zarr.core.dtype.wrapper import TBaseDType, TBaseScalar, ZDType

CompressorLikev2: TypeAlias = "dict[str, JSON] | Numcodec | None"

# Ids of the codecs that encode NumPy object arrays as bytes. The data type of such an array depends
# on the id.
OBJECT_CODEC_IDS: Final = ("vlen-utf8", "vlen-bytes", "vlen-array", "pickle", "json2", "msgpack2")


class ArrayV2MetadataDict(TypedDict):
    """The documents of a format 2 array as one dictionary: ``.zarray`` fields and attributes."""

    zarr_format: Literal[2]
    attributes: dict[str, JSON]


# --- parsing of fields ------------------------------------------------------------------


def parse_zarr_format(data: object) -> Literal[2]:
    """Return the number 2, after checking that `data` is this number.

    Raises
    ------
    MetadataValidationError
        If `data` is not 2.
    """
    if data == 2:
        return 2
    raise MetadataValidationError(
        f"Failed to parse input for 'zarr_format': expected Literal[2], got {data!r}."
    )


def parse_dtype(data: Any) -> np.dtype[Any]:
    """Return the NumPy dtype for a ``dtype`` field.

    Parameters
    ----------
    data : str or list
        A type string of the NumPy array protocol, such as ``"<f8"``; or, for a structured dtype, a
        list of fields.
    """
    return np.dtype(_fields(data) if isinstance(data, list) else data)


def _fields(data: list[Any]) -> list[tuple[Any, ...]]:
    return [
        (name, _fields(spec) if isinstance(spec, list) else spec, *(tuple(s) for s in shape))
        for name, spec, *shape in data
    ]


def parse_chunks(chunks: ShapeLike, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the validated chunk shape of an array.

    Parameters
    ----------
    chunks : iterable of int or int
        Chunk shape in elements.
    shape : tuple of int
        Shape of the array in elements.

    Raises
    ------
    TypeError, ValueError
        If `chunks` is not a shape, or does not have one length for each dimension of the array.
    """
    lengths = parse_shapelike(chunks)
    if len(lengths) != len(shape):
        raise ValueError(
            "The `shape` and `chunks` attributes must have the same length. `chunks` has length "
            f"{len(lengths)}, but `shape` has length {len(shape)}."
        )
    return lengths


def _is_numcodec(value: object) -> TypeIs[Numcodec]:
    # Format 3 codecs also have `encode` and `decode`, but no `get_config`.
    return not isinstance(value, type) and all(
        callable(getattr(value, name, None)) for name in ("encode", "decode", "get_config")
    )


def parse_filters(data: object) -> tuple[Numcodec, ...] | None:
    """Return filters as codecs; None if there are no filters.

    Raises
    ------
    TypeError
        If `data` is neither None nor an iterable of numcodecs codecs or their configurations.
    UnknownCodecError
        If numcodecs has no codec with the id that a configuration contains.
    """
    if data is None:
        return None
    if _is_numcodec(data):
        return (data,)
    if not isinstance(data, Iterable):
        raise TypeError(
            "Invalid filters. Expected None, an iterable of numcodecs.abc.Codec or dict "
            f"representations of numcodecs.abc.Codec. Got {type(data)} instead."
        )
    filters = tuple(_parse_filter(item, index) for index, item in enumerate(data))
    return filters or None


def _parse_filter(data: object, index: int) -> Numcodec:
    if _is_numcodec(data):
        return data
    if isinstance(data, dict):
        return get_numcodec(data)
    raise TypeError(
        f"Invalid filter at index {index}. Expected a numcodecs.abc.Codec or a dict representation "
        f"of numcodecs.abc.Codec. Got {type(data)} instead."
    )


def parse_compressor(data: object) -> Numcodec | None:
    """Return a compressor as a codec; None if there is no compressor.

    Raises
    ------
    ValueError
        If `data` is neither None, a numcodecs codec, nor the configuration of such a codec.
    UnknownCodecError
        If numcodecs has no codec with the id that a configuration contains.
    """
    if data is None or _is_numcodec(data):
        return data
    if isinstance(data, dict):
        return get_numcodec(data)
    raise ValueError(
        "Invalid compressor. Expected None, a numcodecs.abc.Codec, or a dict representation of a "
        f"numcodecs.abc.Codec. Got {type(data)} instead."
    )


def get_object_codec_id(maybe_object_codecs: Sequence[JSON]) -> str | None:
    """Return the id of the first codec that encodes NumPy object arrays.

    Parameters
    ----------
    maybe_object_codecs : sequence of dict
        Configurations of codecs; other items are ignored.

    Returns
    -------
    str or None
        The id; None if none of the codecs encodes object arrays.
    """
    for codec in maybe_object_codecs:
        if isinstance(codec, Mapping) and codec.get("id") in OBJECT_CODEC_IDS:
            return cast("str", codec["id"])
    return None


# --- the documents ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayV2Metadata(Metadata):
    """Metadata of a format 2 array.

    Parameters
    ----------
    shape : iterable of int or int
        Shape of the array in elements.
    dtype : ZDType
        Data type of the elements.
    chunks : iterable of int or int
        Shape of every chunk in elements.
    fill_value : scalar or None
        Value of elements that are not stored, in any form that `dtype` can convert. None means
        that such elements are undefined.
    order : {"C", "F"}
        Memory order of the elements in an encoded chunk.
    dimension_separator : {".", "/"}
        Separator of the numbers in a chunk key.
    compressor : numcodecs codec, dict or None
        Codec for the last step of encoding. If `compressor` is None, the array has no compressor.
    filters : iterable of numcodecs codec or dict, or None
        Codecs that are applied in order before the compressor. If `filters` is None, the array has
        no filters.
    attributes : mapping or None
        User attributes with JSON values. If `attributes` is None, the array has no attributes.

    Raises
    ------
    TypeError, ValueError
        If a field is not valid, or `shape` and `chunks` differ in length.
    UnknownCodecError
        If numcodecs has no codec with a given id.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: ZDType[TBaseDType, TBaseScalar]
    fill_value: Any = None
    order: MemoryOrder = "C"
    filters: tuple[Numcodec, ...] | None = None
    dimension_separator: Literal[".", "/"] = "."
    compressor: Numcodec | None
    attributes: dict[str, JSON]
    zarr_format: Literal[2] = field(default=2, init=False)

    # The original document if the document was repaired on reading; None otherwise. See
    # `ArrayV3Metadata._stored_document`.
    _stored_document: ClassVar[dict[str, JSON] | None] = None

    def __init__(
        self,
        *,
        shape: ShapeLike,
        dtype: ZDType[TBaseDType, TBaseScalar],
        chunks: ShapeLike,
        fill_value: object,
        order: MemoryOrder,
        dimension_separator: Literal[".", "/"] = ".",
        compressor: CompressorLikev2 = None,
        filters: Iterable[Numcodec | dict[str, JSON]] | None = None,
        attributes: Mapping[str, JSON] | None = None,
    ) -> None:
        lengths = parse_shapelike(shape)
        for name, value in (
            ("shape", lengths),
            ("chunks", parse_chunks(chunks, lengths)),
            ("dtype", dtype),
            ("fill_value", _as_stored(fill_value, dtype)),
            ("order", parse_order(order)),
            ("filters", parse_filters(filters)),
            ("dimension_separator", parse_separator(dimension_separator)),
            ("compressor", parse_compressor(compressor)),
            ("attributes", parse_attributes(attributes)),
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
        return hash((self.shape, self.chunks, self.dtype, self.order, self.dimension_separator))

    def _identity(self) -> tuple[object, ...]:
        return (
            self.shape,
            self.chunks,
            self.dtype,
            self.order,
            self.filters,
            self.dimension_separator,
            self.compressor,
        )

    def _fill_value_json(self) -> JSON:
        if self.fill_value is None:
            return None
        return self.dtype.to_json_scalar(self.fill_value, zarr_format=2)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def shards(self) -> tuple[int, ...] | None:
        """Always None, because format 2 arrays have no shards."""
        return None

    @property
    def chunk_grid(self) -> ChunkGrid:
        """Division of the array into chunks."""
        return ChunkGrid.from_sizes(self.shape, self.chunks)

    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        """Return the key of a chunk, relative to the array; ``"0"`` for a zero-dimensional array.

        Parameters
        ----------
        chunk_coords : tuple of int
            Position of the chunk in the chunk grid.
        """
        return self.dimension_separator.join(map(str, chunk_coords)) or "0"

    def _key_template(self) -> str | None:
        """Return a template for chunk keys; ``template % position`` is the key of a chunk."""
        return self.dimension_separator.join(["%d"] * len(self.shape)) or "0"

    def get_chunk_spec(
        self,
        _chunk_coords: tuple[int, ...],
        array_config: ArrayConfig,
        prototype: BufferPrototype,
    ) -> ArraySpec:
        """Return the `ArraySpec` of a chunk, which is the same for all chunks.

        Parameters
        ----------
        _chunk_coords : tuple of int
            Position of the chunk in the chunk grid.
        array_config : ArrayConfig
            Options of the array.
        prototype : BufferPrototype
            Buffer classes for encoded and decoded data.
        """
        return ArraySpec(self.chunks, self.dtype, self.fill_value, array_config, prototype)

    def to_buffer_dict(self, prototype: BufferPrototype) -> dict[str, Buffer]:
        """Return a dictionary with the encoded documents.

        Parameters
        ----------
        prototype : BufferPrototype
            Buffer classes; each document is encoded as an instance of ``prototype.buffer``.

        Returns
        -------
        dict
            The encoded documents under the keys ``.zarray`` and ``.zattrs``, which are relative to
            the array.

        Raises
        ------
        ValueError
            If a chunk length is 0.
        TypeError
            If an attribute has no JSON form.
        """
        check_storable(self)
        document = self.to_dict()
        attributes = cast("dict[str, JSON]", document.pop("attributes"))
        return {
            ZARRAY_JSON: json_to_buffer(document, prototype),
            ZATTRS_JSON: json_to_buffer(attributes, prototype),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, path: str | None = None) -> Self:
        """Create an instance from a ``.zarray`` document and attributes.

        Parameters
        ----------
        data : mapping
            The parsed document, with the parsed ``.zattrs`` as ``attributes``. Unknown fields are
            ignored, as the specification requires.
        path : str or None
            Location of the document, for error messages; None if unknown.

        Raises
        ------
        MetadataValidationError
            If the document lacks a required field.
        TypeError, ValueError
            If a field is not valid.

        Warns
        -----
        ZarrUserWarning
            If ``filters`` is an empty list, which the specification does not allow.
        """
        document = dict(data)
        parse_zarr_format(required_field(document, "zarr_format", path=path))
        filters, compressor = document.get("filters"), document.get("compressor")
        if isinstance(filters, list | tuple) and len(filters) == 0:
            warnings.warn(
                "Found an empty list of filters in the array metadata document. This is contrary "
                "to the Zarr V2 specification, and will cause an error in the future. Use None (or "
                "Null in a JSON document) instead of an empty list of filters.",
                category=ZarrUserWarning,
                stacklevel=2,
            )
        dtype_json = {
            "name": required_field(document, "dtype", path=path),
            "object_codec_id": get_object_codec_id(_configs(filters) + _configs([compressor])),
        }
        dtype = get_data_type_from_json(cast("Any", dtype_json), zarr_format=2)
        fill_value = required_field(document, "fill_value", path=path)
        shape = required_field(document, "shape", path=path)
        stored_chunks = required_field(document, "chunks", path=path)
        chunks = without_flags(stored_chunks)
        repaired = repair_chunk_shape(shape, chunks, path=path)
        metadata = cls(
            shape=cast("Any", shape),
            dtype=dtype,
            chunks=cast("Any", chunks) if repaired is None else repaired,
            fill_value=(
                None if fill_value is None else as_fill_value(fill_value, dtype, zarr_format=2)
            ),
            order=cast("Any", required_field(document, "order", path=path)),
            dimension_separator=document.get("dimension_separator", "."),
            compressor=compressor,
            filters=filters,
            attributes=document.get("attributes"),
        )
        if repaired is not None or chunks is not stored_chunks:
            object.__setattr__(metadata, "_stored_document", copy.deepcopy(document))
        return metadata

    def to_dict(self) -> dict[str, JSON]:
        # docstring inherited
        document: dict[str, Any] = {
            "shape": self.shape,
            "chunks": self.chunks,
            "dtype": cast("Any", self.dtype.to_json(zarr_format=2))["name"],
            "fill_value": self._fill_value_json(),
            "order": self.order,
            "filters": None if self.filters is None else [f.get_config() for f in self.filters],
            "dimension_separator": self.dimension_separator,
            "compressor": None if self.compressor is None else _compressor_json(self.compressor),
            "attributes": copied(self.attributes),
            "zarr_format": self.zarr_format,
        }
        return document

    def update_shape(self, shape: tuple[int, ...]) -> Self:
        """Return the metadata of the array after a resize to `shape` (in elements)."""
        return replace(self, shape=shape)

    def update_attributes(self, attributes: Mapping[str, JSON] | None) -> Self:
        """Return a copy that has `attributes` as its user attributes.

        If `attributes` is None, the copy has no attributes.
        """
        return replace(self, attributes=cast("Any", attributes))


def _as_stored(fill_value: object, dtype: ZDType[TBaseDType, TBaseScalar]) -> Any:
    """Return a fill value as it would be read back from stored metadata.

    A NaN is converted to JSON and back, because different NaNs can have the same JSON form.
    """
    if fill_value is None:
        return None
    scalar = as_fill_value(fill_value, dtype)
    if isinstance(scalar, np.inexact) and scalar != scalar:
        return dtype.from_json_scalar(dtype.to_json_scalar(scalar, zarr_format=2), zarr_format=2)
    return scalar


def _compressor_json(compressor: Numcodec) -> dict[str, Any]:
    config = dict(compressor.get_config())
    # Older readers reject the zstd parameter ``checksum``. A missing ``checksum`` means False.
    if config["id"] == "zstd" and config.get("checksum") is False:
        del config["checksum"]
    return config


def _configs(codecs: object) -> list[JSON]:
    """Return the configurations of codecs; items that are not numcodecs codecs are kept."""
    if codecs is None or not isinstance(codecs, Iterable):
        return []
    return [item.get_config() if _is_numcodec(item) else item for item in codecs]
