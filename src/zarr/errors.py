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

Each warning is a subclass of the corresponding builtin category, so that existing warning filters
apply to it.
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
    """Base class of errors about a node or a chunk in a Zarr hierarchy.

    Parameters
    ----------
    *args : object
        A single argument is the message. Several arguments are inserted into the message template
        of the class, in order.
    """

    _template: str = "{}"

    def __init__(self, *args: object) -> None:
        super().__init__(args[0] if len(args) == 1 else self._template.format(*args))


class NodeNotFoundError(BaseZarrError, FileNotFoundError):
    """Neither an array nor a group is stored at the requested path."""


class ArrayNotFoundError(NodeNotFoundError):
    """No array metadata are stored at the requested path."""

    _template = "No array found in store {!r} at path {!r}"


class GroupNotFoundError(NodeNotFoundError):
    """No group metadata are stored at the requested path."""

    _template = "No group found in store {!r} at path {!r}"


class ContainsGroupError(BaseZarrError):
    """A node cannot be created because a group is stored at its path."""

    _template = "A group exists in store {!r} at path {!r}."


class ContainsArrayError(BaseZarrError):
    """A node cannot be created because an array is stored at its path."""

    _template = "An array exists in store {!r} at path {!r}."


class ContainsArrayAndGroupError(BaseZarrError):
    """The format 2 metadata of an array and of a group are stored at the same path."""

    _template = (
        "Array and group metadata documents (.zarray and .zgroup) were both found in store {!r} "
        "at path {!r}. Only one of these files may be present in a given directory / prefix. "
        "Remove the .zarray file, or the .zgroup file, or both."
    )


class MetadataValidationError(BaseZarrError):
    """A metadata document contains a value that the Zarr format does not allow."""

    _template = "Invalid value for '{}'. Expected '{}'. Got '{}'."


class NodeTypeValidationError(MetadataValidationError):
    """A metadata document describes an array instead of a group, or a group instead of an array."""


class ChunkNotFoundError(BaseZarrError):
    """A chunk is absent and ``array.read_missing_chunks`` is off."""


class UnknownCodecError(BaseZarrError):
    """No implementation is installed for a codec named in the metadata."""


class PickleCodecDisabledError(BaseZarrError):
    """Reading a chunk requires unpickling, which the configuration does not allow."""


class DataTypeValidationError(ValueError):
    """A data type, or its JSON form, is not valid."""


class ArrayIndexError(IndexError):
    """An integer array is used as a single index, but does not have exactly one element."""


class BoundsCheckError(IndexError):
    """An index is out of bounds for its dimension."""


class NegativeStepError(IndexError):
    """A slice has a negative step, which selections of a Zarr array do not support."""


class VindexInvalidSelectionError(IndexError):
    """A ``vindex`` selection consists neither of coordinate arrays nor of a single mask."""


class ZarrFutureWarning(FutureWarning):
    """Warns about behaviour that a later version will change."""


class UnstableSpecificationWarning(ZarrFutureWarning):
    """Warns about stored data in a form that no Zarr specification defines yet."""


class ZarrDeprecationWarning(DeprecationWarning):
    """Warns about a name or parameter that a later version will remove."""


class ZarrUserWarning(UserWarning):
    """Warns about a probable mistake of the user."""


class ZarrRuntimeWarning(RuntimeWarning):
    """Warns about an argument that has no effect, or that is deprecated."""
