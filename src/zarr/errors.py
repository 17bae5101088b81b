"""Exceptions and warnings that zarr raises.

::

    ValueError
      BaseZarrError
        NodeNotFoundError (also FileNotFoundError)
          ArrayNotFoundError, GroupNotFoundError
        ContainsArrayError, ContainsGroupError, ContainsArrayAndGroupError
        MetadataValidationError
          NodeTypeValidationError
        ChunkNotFoundError
        UnknownCodecError
        PickleCodecDisabledError
      DataTypeValidationError
    IndexError
      ArrayIndexError, BoundsCheckError, NegativeStepError, VindexInvalidSelectionError

Warnings derive from the builtin category of their kind, so that the filters users already have apply.
"""

from __future__ import annotations

__all__ = [
    "ArrayIndexError",
    "ArrayNotFoundError",
    "BaseZarrError",
    "BoundsCheckError",
    "ChunkNotFoundError",
    "ContainsArrayAndGroupError",
    "ContainsArrayError",
    "ContainsGroupError",
    "DataTypeValidationError",
    "GroupNotFoundError",
    "MetadataValidationError",
    "NegativeStepError",
    "NodeTypeValidationError",
    "PickleCodecDisabledError",
    "UnknownCodecError",
    "UnstableSpecificationWarning",
    "VindexInvalidSelectionError",
    "ZarrDeprecationWarning",
    "ZarrFutureWarning",
    "ZarrRuntimeWarning",
]


class BaseZarrError(ValueError):
    """Root of the errors that name a thing in a Zarr hierarchy.

    Parameters
    ----------
    *args : object
        One argument is the message itself. Several are the values for the message
        template of the class, in order.
    """

    _template: str = "{}"

    def __init__(self, *args: object) -> None:
        super().__init__(args[0] if len(args) == 1 else self._template.format(*args))


class NodeNotFoundError(BaseZarrError, FileNotFoundError):
    """Neither an array nor a group is stored where one was asked for."""


class ArrayNotFoundError(NodeNotFoundError):
    """An array was asked for and no array metadata is stored at that path."""

    _template = "No array found in store {!r} at path {!r}"


class GroupNotFoundError(NodeNotFoundError):
    """A group was asked for and no group metadata is stored at that path."""

    _template = "No group found in store {!r} at path {!r}"


class ContainsGroupError(BaseZarrError):
    """A node cannot be created because a group is stored at its path already."""

    _template = "A group exists in store {!r} at path {!r}."


class ContainsArrayError(BaseZarrError):
    """A node cannot be created because an array is stored at its path already."""

    _template = "An array exists in store {!r} at path {!r}."


class ContainsArrayAndGroupError(BaseZarrError):
    """Format 2 metadata of an array and of a group lie at the same path."""

    _template = (
        "Array and group metadata documents (.zarray and .zgroup) were both found in store {!r} "
        "at path {!r}. Only one of these files may be present in a given directory / prefix. "
        "Remove the .zarray file, or the .zgroup file, or both."
    )


class MetadataValidationError(BaseZarrError):
    """A metadata document holds a value that its format does not allow."""

    _template = "Invalid value for '{}'. Expected '{}'. Got '{}'."


class NodeTypeValidationError(MetadataValidationError):
    """A metadata document describes the other kind of node."""


class ChunkNotFoundError(BaseZarrError):
    """A chunk is absent although ``array.read_missing_chunks`` is off."""


class UnknownCodecError(BaseZarrError):
    """No implementation of a codec named in metadata is installed."""


class PickleCodecDisabledError(BaseZarrError):
    """A chunk would have to be unpickled, which the configuration does not allow."""


class DataTypeValidationError(ValueError):
    """A data type, or a JSON form of one, is not valid."""


class ArrayIndexError(IndexError):
    """A selection does not fit the array it is applied to."""


class BoundsCheckError(IndexError):
    """An index lies outside its dimension."""


class NegativeStepError(IndexError):
    """A slice has a negative step, which chunked selections do not support."""


class VindexInvalidSelectionError(IndexError):
    """``vindex`` got something else than coordinate arrays or one mask."""


class ZarrFutureWarning(FutureWarning):
    """Behaviour that will change."""


class UnstableSpecificationWarning(ZarrFutureWarning):
    """A stored form that no Zarr specification settles yet."""


class ZarrDeprecationWarning(DeprecationWarning):
    """A name or parameter that a later version drops."""


class ZarrUserWarning(UserWarning):
    """Something a user probably did not intend."""


class ZarrRuntimeWarning(RuntimeWarning):
    """Doubtful behaviour noticed while running."""
