"""What the metadata of format 2 and format 3 arrays share: reading documents, writing buffers."""

from __future__ import annotations

import json
import reprlib
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from zarr.core.config import config
from zarr.errors import MetadataValidationError, ZarrUserWarning

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer, BufferPrototype
    from zarr.core.common import JSON, ZarrFormat
    from zarr.core.dtype.wrapper import ZDType


class MissingFieldError(MetadataValidationError, KeyError, TypeError):
    """A metadata document lacks a field that its format requires.

    It is a `KeyError` and a `TypeError` as well, so handlers written for either are served.
    """

    def __str__(self) -> str:
        # KeyError would show the repr of the message.
        return str(self.args[0])


class FillValueRangeError(MetadataValidationError, ValueError, OverflowError):
    """A fill value is out of the range of its data type.

    It is an `OverflowError` as well, which it is elsewhere.
    """


def as_fill_value(data: Any, dtype: ZDType[Any, Any], zarr_format: ZarrFormat | None = None) -> Any:
    """Return a fill value as a scalar of its data type.

    Parameters
    ----------
    data : object
        The value.
    dtype : ZDType
        The data type.
    zarr_format : {2, 3} or None
        Format of the document that holds its JSON form; None where it is the value itself.

    Raises
    ------
    FillValueRangeError
        If it is out of the range of the data type.
    TypeError, ValueError
        If it has no such scalar; with a note of the value.
    """
    try:
        if zarr_format is None:
            return dtype.cast_scalar(data)
        return dtype.from_json_scalar(data, zarr_format=zarr_format)
    except OverflowError as error:
        raise FillValueRangeError(
            f"fill_value {_shown(data)} is out of the range of the data type {dtype}: {error}."
        ) from error
    except (TypeError, ValueError) as error:
        error.add_note(f"in fill_value {_shown(data)}")
        raise


def _shown(value: object) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # Python does not spell integers of very many digits
        return f"of type {type(value).__name__}"


def required_field(document: Mapping[str, JSON], name: str, *, path: str | None) -> JSON:
    """Return a field of a metadata document.

    Parameters
    ----------
    document : mapping
        The parsed document.
    name : str
        The field.
    path : str or None
        Where the document was found, for the message; None where that is not known.

    Raises
    ------
    MissingFieldError
        If the document has no such field.
    """
    try:
        return document[name]
    except KeyError:
        where = "" if path is None else f" at {path!r}"
        raise MissingFieldError(f"The array metadata{where} lack the field {name!r}.") from None


def copied(value: Any) -> Any:
    """Return a JSON value with containers of its own, so that changing one does not change both.

    As `copy.deepcopy`, for what JSON has: anything else stays the same object. It does not call
    itself, since a document may be nested deeply.
    """
    if not isinstance(value, (dict, list, tuple)):
        return value
    copies: dict[int, Any] = {}
    whole = [value]
    pending: list[Any] = [whole]
    while pending:
        container = pending.pop()
        items = container.items() if isinstance(container, dict) else enumerate(container)
        for key, item in list(items):
            if not isinstance(item, (dict, list, tuple)):
                continue
            # One that holds itself is refused when it is encoded.
            copy = copies.get(id(item))
            if copy is None:
                if isinstance(item, tuple):
                    copy = tuple(copied(each) for each in item)
                else:
                    copy = dict(item) if isinstance(item, dict) else list(item)
                    pending.append(copy)
                copies[id(item)] = copy
            container[key] = copy
    return whole[0]


def parse_attributes(data: object) -> dict[str, JSON]:
    """Return user attributes as a new dictionary, whose containers nobody else has.

    Parameters
    ----------
    data : mapping or None
        The attributes; None for none.

    Raises
    ------
    TypeError, ValueError
        If `data` is not a mapping, nor pairs that make one.
    """
    if data is None:
        return {}
    attributes: dict[str, JSON] = copied(dict(cast("Mapping[str, JSON]", data)))
    return attributes


def json_to_buffer(data: Mapping[str, Any], prototype: BufferPrototype) -> Buffer:
    """Encode a metadata document.

    Parameters
    ----------
    data : mapping
        The document. Attributes may hold NaN and infinities, which are written as the bare words
        ``NaN`` and ``Infinity``: no strict JSON, but what Zarr libraries read and write.
    prototype : BufferPrototype
        Its ``buffer`` class holds the result.

    Returns
    -------
    Buffer
        UTF-8 text, indented by the configured ``json_indent``.

    Raises
    ------
    TypeError
        If an attribute has no JSON form.
    """
    text = json.dumps(data, indent=config.get("json_indent"), allow_nan=True)
    return prototype.buffer.from_bytes(text.encode())


def same_json(one: object, other: object) -> bool:
    """Compare JSON values, NaN being equal to NaN."""
    if one == other:
        return True
    try:
        return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    except (TypeError, ValueError):
        return False


def repair_chunk_shape(
    shape: object,
    chunk_shape: object,
    *,
    path: str | None,
    inner_chunk_shape: Sequence[int] | None = None,
) -> list[int] | None:
    """Replace chunk lengths of 0 in a stored chunk shape, which some writers left behind.

    No chunk of such an array can be stored, so any other chunk length describes the same data.

    Parameters
    ----------
    shape : object
        Shape of the array as stored.
    chunk_shape : object
        Shape of the chunks as stored; only lists of integers of the length of `shape` are looked
        at.
    path : str or None
        Where the document was found, for the warning.
    inner_chunk_shape : sequence of int or None
        Shape of the inner chunks in elements where the chunks are shards. It replaces a 0; 1
        does where this is None.

    Returns
    -------
    list of int or None
        The shape to use, or None where there is nothing to repair, or more wrong than zeros.

    Warns
    -----
    ZarrUserWarning
        If the array is not empty along a dimension of chunk length 0. An array without elements
        loses nothing, and is repaired silently.
    """
    extents, lengths = _int_list(shape), _int_list(chunk_shape)
    if extents is None or lengths is None or len(extents) != len(lengths) or 0 not in lengths:
        return None
    if inner_chunk_shape is None:
        inner_chunk_shape = [1] * len(lengths)
    if len(inner_chunk_shape) != len(lengths) or min(inner_chunk_shape) < 1 or min(lengths) < 0:
        return None
    repaired = [length or inner for length, inner in zip(lengths, inner_chunk_shape)]
    axes = [
        axis for axis, (length, extent) in enumerate(zip(lengths, extents)) if not length and extent
    ]
    if axes:
        warnings.warn(
            f"{'The array' if path is None else f'Array {path!r}'} is stored with the chunk shape "
            f"{lengths}, but a chunk length is at least 1 (dimensions: {axes}). It is read with the "
            f"chunk shape {repaired}; no chunk of it can have been stored, so it holds its fill "
            "value only. `array.update_attributes({})` stores the valid chunk shape.",
            category=ZarrUserWarning,
            stacklevel=4,
        )
    return repaired


def without_flags(value: Any) -> Any:
    """Return a stored chunk shape with 1 for true and 0 for false, as earlier releases wrote them.

    What has none of them is returned itself.
    """
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, list):
        return value
    plain = [without_flags(item) for item in value]
    return value if all(one is other for one, other in zip(plain, value)) else plain


def _int_list(value: object) -> list[int] | None:
    if isinstance(value, list | tuple) and all(type(item) is int for item in value):
        return list(value)
    return None
