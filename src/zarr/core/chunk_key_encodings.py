"""Chunk key encodings, which map a position in the chunk grid to a key relative to the array.

The encodings ``default`` and ``v2`` are defined in the Zarr v3 core specification, "Chunk key
encoding". `zarr.registry.register_chunk_key_encoding` adds other encodings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NotRequired, TypeAlias, TypedDict, cast

from typing_extensions import TypeAliasType

from zarr.abc.metadata import Metadata
from zarr.core.common import JSON, parse_named_configuration
from zarr.registry import get_chunk_key_encoding_class, register_chunk_key_encoding

if TYPE_CHECKING:
    from typing import Self

SeparatorLiteral: TypeAlias = Literal[".", "/"]


def parse_separator(data: JSON) -> SeparatorLiteral:
    """Return `data` if it is a separator of chunk keys, ``"."`` or ``"/"``.

    Raises
    ------
    ValueError
        If `data` is not one of the two separators.
    """
    if data == "." or data == "/":
        return cast("SeparatorLiteral", data)
    raise ValueError(
        f"Failed to parse input for 'separator': expected Literal['.', '/'], got {data!r}."
    )


def _parse_name_and_configuration(data: object) -> tuple[str, dict[str, Any]]:
    # In metadata, some extension points may be given as a bare name. A chunk key encoding must be
    # given as a JSON object.
    if not isinstance(data, Mapping):
        raise TypeError(f"Expected dict, got {type(data)}")
    name, configuration = parse_named_configuration(data, require_configuration=False)
    return name, dict(configuration or {})


class ChunkKeyEncodingParams(TypedDict):
    """The short form of a chunk key encoding, which users may pass instead of the JSON form."""

    name: Literal["v2", "default"]
    separator: NotRequired[SeparatorLiteral]


@dataclass(frozen=True)
class ChunkKeyEncoding(ABC, Metadata):
    """Base class of the chunk key encodings.

    A subclass is a frozen dataclass. The subclass sets `name`, the name of the encoding in
    metadata, and has one field per member of the stored configuration.
    """

    name: ClassVar[str]

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> Self:
        """Return an instance from its JSON form.

        Parameters
        ----------
        data : dict
            ``{"name": ..., "configuration": {...}}``; the configuration may be omitted.

        Raises
        ------
        TypeError
            If `data` or its configuration is not a JSON object, or if a member of the
            configuration is unknown.
        ValueError
            If the name is missing, or if a value in the configuration is not allowed.
        """
        _, configuration = _parse_name_and_configuration(data)
        return cls(**configuration)

    def to_dict(self) -> dict[str, JSON]:
        """Return the JSON form, ``{"name": ..., "configuration": {...}}``."""
        return {"name": self.name, "configuration": super().to_dict()}

    def decode_chunk_key(self, chunk_key: str) -> tuple[int, ...]:
        """Return the position in the chunk grid that a key encodes.

        A subclass does not need to implement this method. The built-in encodings implement this
        method.

        Parameters
        ----------
        chunk_key : str
            Key relative to the array.

        Raises
        ------
        NotImplementedError
            If the encoding cannot decode keys.
        ValueError
            If `chunk_key` is not a key of this encoding.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement decode_chunk_key.")

    def _key_template(self, ndim: int) -> str | None:
        """Return a template for the fast creation of many keys, or None.

        The key of a chunk is ``template % position``. None means that there is no template, so that
        `encode_chunk_key` has to be called for each key.

        Parameters
        ----------
        ndim : int
            Number of dimensions of the array.
        """
        return None

    @abstractmethod
    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        """Return the key of the chunk at a position in the chunk grid, relative to the array.

        Parameters
        ----------
        chunk_coords : tuple of int
            Index of the chunk along each dimension; empty for an array without dimensions.
        """


ChunkKeyEncodingLike = TypeAliasType(
    "ChunkKeyEncodingLike", Mapping[str, JSON] | ChunkKeyEncodingParams | ChunkKeyEncoding
)
"""Types accepted for a chunk key encoding."""


def _decode_numbers(text: str, separator: str, *, name: str, chunk_key: str) -> tuple[int, ...]:
    parts = text.split(separator)
    # `int` also accepts signs, whitespace and underscores, but no encoding writes them into keys.
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"Invalid chunk key for {name} encoding: {chunk_key!r}")
    return tuple(map(int, parts))


@dataclass(frozen=True)
class DefaultChunkKeyEncoding(ChunkKeyEncoding):
    """The ``default`` encoding: ``c`` and the chunk position, as in ``c/0/1`` or ``c.0.1``.

    Parameters
    ----------
    separator : {"/", "."}
        The separator between the parts of a key.

    Raises
    ------
    ValueError
        If `separator` is neither ``"."`` nor ``"/"``.
    """

    name: ClassVar[Literal["default"]] = "default"
    separator: SeparatorLiteral = "/"

    def __post_init__(self) -> None:
        object.__setattr__(self, "separator", parse_separator(self.separator))

    def decode_chunk_key(self, chunk_key: str) -> tuple[int, ...]:
        # docstring inherited
        if chunk_key == "c":
            return ()
        prefix = f"c{self.separator}"
        if not chunk_key.startswith(prefix):
            raise ValueError(f"Invalid chunk key for {self.name} encoding: {chunk_key!r}")
        return _decode_numbers(
            chunk_key[len(prefix) :], self.separator, name=self.name, chunk_key=chunk_key
        )

    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        # docstring inherited
        return self.separator.join(("c", *map(str, chunk_coords)))

    def _key_template(self, ndim: int) -> str | None:
        # docstring inherited
        if type(self).encode_chunk_key is not DefaultChunkKeyEncoding.encode_chunk_key:
            return None
        return self.separator.join(("c", *["%d"] * ndim))


@dataclass(frozen=True)
class V2ChunkKeyEncoding(ChunkKeyEncoding):
    """The ``v2`` encoding: only the chunk position, as in ``0.1`` or ``0/1``.

    The only chunk of an array without dimensions has the key ``0``.

    Parameters
    ----------
    separator : {".", "/"}
        The separator between the parts of a key.

    Raises
    ------
    ValueError
        If `separator` is neither ``"."`` nor ``"/"``.
    """

    name: ClassVar[Literal["v2"]] = "v2"
    separator: SeparatorLiteral = "."

    def __post_init__(self) -> None:
        object.__setattr__(self, "separator", parse_separator(self.separator))

    def decode_chunk_key(self, chunk_key: str) -> tuple[int, ...]:
        """Return the position in the chunk grid that a key encodes.

        The key ``"0"`` is ambiguous: it is the first chunk of an array with one dimension, or the
        only chunk of an array without dimensions. This key is decoded as ``(0,)``.

        Parameters
        ----------
        chunk_key : str
            Key relative to the array.

        Raises
        ------
        ValueError
            If `chunk_key` is not a key of this encoding.
        """
        return _decode_numbers(chunk_key, self.separator, name=self.name, chunk_key=chunk_key)

    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        # docstring inherited
        return self.separator.join(map(str, chunk_coords)) or "0"

    def _key_template(self, ndim: int) -> str | None:
        # docstring inherited
        if type(self).encode_chunk_key is not V2ChunkKeyEncoding.encode_chunk_key:
            return None
        return self.separator.join(["%d"] * ndim) or "0"


def parse_chunk_key_encoding(data: ChunkKeyEncodingLike) -> ChunkKeyEncoding:
    """Return `data` as a chunk key encoding.

    Parameters
    ----------
    data : ChunkKeyEncoding or mapping
        An encoding, or its JSON form ``{"name": ..., "configuration": {...}}``, or the short form
        ``{"name": ..., "separator": ...}``. The separator of the short form takes precedence over
        a separator in a configuration.

    Raises
    ------
    TypeError
        If `data` is neither an encoding nor a mapping, or if a member of the configuration is
        unknown.
    ValueError
        If the name is missing or no encoding is registered under the name, or if the separator is
        not allowed.
    """
    if isinstance(data, ChunkKeyEncoding):
        return data
    name, members = _parse_name_and_configuration(data)
    try:
        cls = get_chunk_key_encoding_class(name)
    except KeyError as error:
        raise ValueError(f"Unknown chunk key encoding: {error}") from error
    if "separator" in data:
        members["separator"] = data["separator"]
    return cls.from_dict({"name": name, "configuration": members})


register_chunk_key_encoding("default", DefaultChunkKeyEncoding)
register_chunk_key_encoding("v2", V2ChunkKeyEncoding)
