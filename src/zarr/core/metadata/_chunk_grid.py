"""The ``chunk_grid`` of format 3 metadata: regular and rectilinear grids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, cast

from zarr.abc.metadata import Metadata
from zarr.core.common import (
    NamedRequiredConfig,
    compress_rle,
    expand_rle,
    parse_chunk_edge,
    parse_chunk_shape,
    parse_named_configuration,
    validate_rectilinear_kind,
)
from zarr.core.config import config

if TYPE_CHECKING:
    from typing import Self

    from zarr.core.chunk_grids import ChunkGrid
    from zarr.core.common import JSON

RectilinearDimSpecJSON: TypeAlias = int | Sequence[int | Sequence[int]]


class RegularChunkGridMetadataConfig(TypedDict):
    """JSON form of the configuration of a ``regular`` chunk grid."""

    chunk_shape: Sequence[int]


class RectilinearChunkGridMetadataConfig(TypedDict):
    """JSON form of the configuration of a ``rectilinear`` chunk grid."""

    kind: Literal["inline"]
    chunk_shapes: Sequence[RectilinearDimSpecJSON]


RegularChunkGridMetadataJSON: TypeAlias = NamedRequiredConfig[
    Literal["regular"], RegularChunkGridMetadataConfig
]
RectilinearChunkGridMetadataJSON: TypeAlias = NamedRequiredConfig[
    Literal["rectilinear"], RectilinearChunkGridMetadataConfig
]


class RectilinearChunksDisabledError(ValueError):
    """Raised if a rectilinear chunk grid is used although ``array.rectilinear_chunks`` is off."""


def check_rectilinear_enabled() -> None:
    """Raise an error unless the configuration allows rectilinear chunk grids.

    Raises
    ------
    RectilinearChunksDisabledError
        If ``array.rectilinear_chunks`` is off.
    """
    if not config.get("array.rectilinear_chunks"):
        raise RectilinearChunksDisabledError(
            "Rectilinear chunk grids are experimental and disabled by default. Enable them with: "
            "zarr.config.set({'array.rectilinear_chunks': True}) or set the environment variable "
            "ZARR_ARRAY__RECTILINEAR_CHUNKS=True"
        )


@dataclass(frozen=True, kw_only=True)
class RegularChunkGridMetadata(Metadata):
    """A grid of chunks that all have the same shape (Zarr v3 core specification, "Regular grids").

    Parameters
    ----------
    chunk_shape : tuple of int
        Shape of every chunk in elements; each length is at least 1. The last chunk along a
        dimension may extend past the end of the array.

    Raises
    ------
    TypeError, ValueError
        If a chunk length is not a positive integer.
    """

    chunk_shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.chunk_shape, Iterable):
            raise TypeError(
                f"The shape of a chunk must be a sequence of integers. Got {self.chunk_shape!r}."
            )
        object.__setattr__(self, "chunk_shape", parse_chunk_shape(self.chunk_shape))

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.chunk_shape)

    @property
    def _chunk_sizes(self) -> tuple[int, ...]:
        # The function `normalize_chunks_nd` recognizes chunk grid metadata by the attribute
        # `_chunk_sizes`. That function belongs to a lower layer, which cannot import this class.
        return self.chunk_shape

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Create an instance from its JSON form.

        Raises
        ------
        TypeError, ValueError, KeyError
            If `data` is not the JSON form of a regular chunk grid.
        """
        _, configuration = parse_named_configuration(data, "regular")
        return cls(chunk_shape=cast("Any", configuration)["chunk_shape"])

    def to_dict(self) -> dict[str, JSON]:
        # docstring inherited
        return {"name": "regular", "configuration": {"chunk_shape": self.chunk_shape}}


@dataclass(frozen=True, kw_only=True)
class RectilinearChunkGridMetadata(Metadata):
    """A grid of chunks whose lengths may differ (zarr-extensions, "rectilinear").

    Parameters
    ----------
    chunk_shapes : tuple
        For each dimension, an integer or a tuple of integers. An integer is the common length of
        all chunks along the dimension; the number of chunks follows from the length of the array. A
        tuple lists the length of each chunk in order. The sum of the listed lengths is at least the
        length of the array. Lengths are in elements and at least 1.

    Raises
    ------
    TypeError, ValueError
        If a chunk length is not a positive integer, or if the tuple of a dimension is empty.
    """

    chunk_shapes: tuple[int | tuple[int, ...], ...]

    def __post_init__(self) -> None:
        dimensions = tuple(
            _parse_dimension(edges, axis) for axis, edges in enumerate(self.chunk_shapes)
        )
        object.__setattr__(self, "chunk_shapes", dimensions)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.chunk_shapes)

    @property
    def _chunk_sizes(self) -> tuple[int | tuple[int, ...], ...]:
        # See `RegularChunkGridMetadata._chunk_sizes`.
        return self.chunk_shapes

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Create an instance from its JSON form, which may use run-length encoding.

        Raises
        ------
        RectilinearChunksDisabledError
            If ``array.rectilinear_chunks`` is off.
        TypeError, ValueError, KeyError
            If `data` is not the JSON form of a rectilinear chunk grid of kind ``inline``.
        """
        check_rectilinear_enabled()
        _, configuration = parse_named_configuration(data, "rectilinear")
        settings = cast("dict[str, Any]", configuration)
        validate_rectilinear_kind(settings.get("kind"))
        shapes = settings["chunk_shapes"]
        if isinstance(shapes, str) or not isinstance(shapes, Sequence):
            raise TypeError(
                f"chunk_shapes must be a list with one item per dimension. Got {shapes!r}."
            )
        return cls(
            chunk_shapes=tuple(
                edges if isinstance(edges, int) else _expand_dimension(edges, axis)
                for axis, edges in enumerate(shapes)
            )
        )

    def to_dict(self) -> dict[str, JSON]:
        # docstring inherited
        shapes = tuple(
            edges if isinstance(edges, int) else compress_rle(edges) for edges in self.chunk_shapes
        )
        return {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": shapes}}

    def update_shape(self, old_shape: tuple[int, ...], new_shape: tuple[int, ...]) -> Self:
        """Return the metadata of the chunk grid after a resize of the array.

        Parameters
        ----------
        old_shape : tuple of int
            Previous shape of the array in elements.
        new_shape : tuple of int
            New shape of the array in elements.

        Returns
        -------
        RectilinearChunkGridMetadata
            The new grid. If the sum of the listed chunk lengths of a dimension is less than the new
            length of the dimension, one chunk is appended to the list. Existing chunks are never
            removed or shortened. If an array is shrunk and then extended to its old shape, the grid
            is therefore the same as before.
        """
        dimensions = tuple(
            edges
            if isinstance(edges, int) or sum(edges) >= extent
            else (*edges, extent - sum(edges))
            for edges, extent in zip(self.chunk_shapes, new_shape)
        )
        return type(self)(chunk_shapes=dimensions)


def _parse_dimension(edges: object, axis: int) -> int | tuple[int, ...]:
    if isinstance(edges, str) or not isinstance(edges, Iterable):
        return parse_chunk_edge(edges, axis)
    lengths = tuple(parse_chunk_edge(edge, axis) for edge in edges)
    if not lengths:
        raise ValueError(f"Dimension {axis} has no chunk edges.")
    return lengths


def _expand_dimension(edges: object, axis: int) -> tuple[int, ...]:
    if isinstance(edges, str) or not isinstance(edges, Sequence):
        raise TypeError(
            f"The chunks of dimension {axis} must be an integer or a list. Got {edges!r}."
        )
    return expand_rle(edges, axis)


ChunkGridMetadata: TypeAlias = RegularChunkGridMetadata | RectilinearChunkGridMetadata


def parse_chunk_grid(data: object) -> ChunkGridMetadata:
    """Return chunk grid metadata for a JSON form; chunk grid metadata are returned unchanged.

    Raises
    ------
    ValueError
        If the name of the grid is neither ``regular`` nor ``rectilinear``.
    RectilinearChunksDisabledError
        If the grid is rectilinear and ``array.rectilinear_chunks`` is off.
    TypeError, ValueError, KeyError
        If the JSON form or a chunk length is not valid.
    """
    if isinstance(data, RegularChunkGridMetadata | RectilinearChunkGridMetadata):
        return data
    name, _ = parse_named_configuration(cast("JSON", data))
    document = dict(cast("Mapping[str, JSON]", data))
    if name == "regular":
        return RegularChunkGridMetadata.from_dict(document)
    if name == "rectilinear":
        return RectilinearChunkGridMetadata.from_dict(document)
    raise ValueError(f"Unknown chunk grid name: {name!r}")


def create_chunk_grid_metadata(
    chunks: ChunkGrid | Iterable[int | Sequence[int]],
) -> ChunkGridMetadata:
    """Return the metadata of a chunk grid.

    Parameters
    ----------
    chunks : ChunkGrid or iterable
        A grid, or an iterable with one item for each dimension. An item is the length that all
        chunks have along this dimension, or a sequence with the length of each chunk along this
        dimension. Lengths are in elements.

    Returns
    -------
    RegularChunkGridMetadata or RectilinearChunkGridMetadata
        Metadata of a rectilinear grid if a dimension has a list of chunk lengths, or if the grid
        was stored as rectilinear. Otherwise, metadata of a regular grid.
    """
    dimensions = getattr(chunks, "dimensions", None)
    if dimensions is None:
        shapes = tuple(
            tuple(edges) if isinstance(edges, Iterable) else edges
            for edges in cast("Iterable[int | Sequence[int]]", chunks)
        )
    else:
        # A dimension with a list of chunk lengths keeps the list, even if all lengths are equal.
        shapes = tuple(
            tuple(dimension.edges) if hasattr(dimension, "edges") else dimension.size
            for dimension in dimensions
        )
    rectilinear = getattr(chunks, "_is_stored_rectilinear", False)
    if not rectilinear and not any(isinstance(edges, tuple) for edges in shapes):
        return RegularChunkGridMetadata(chunk_shape=cast("tuple[int, ...]", shapes))
    return RectilinearChunkGridMetadata(chunk_shapes=shapes)


for _class in (
    RectilinearChunkGridMetadata,
    RectilinearChunkGridMetadataConfig,
    RectilinearChunksDisabledError,
    RegularChunkGridMetadata,
    RegularChunkGridMetadataConfig,
):
    _class.__module__ = "zarr.core.metadata.v3"  # the public module path
del _class
