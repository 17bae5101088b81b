"""Functions shared by format 2 and format 3 metadata: parsing and encoding of documents."""

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
    """Raised if a metadata document lacks a required field.

    The class derives from `KeyError` and `TypeError`, so that handlers for either type catch the
    error.
    """

    def __str__(self) -> str:
        # Do not inherit `KeyError.__str__`, which returns the repr of the message.
        return str(self.args[0])


class FillValueRangeError(MetadataValidationError, ValueError, OverflowError):
    """Raised if a fill value is out of the range of its data type.

    The class derives from `OverflowError`, so that handlers for that type catch the error.
    """


def as_fill_value(data: Any, dtype: ZDType[Any, Any], zarr_format: ZarrFormat | None = None) -> Any:
    """Return a fill value as a scalar of its data type.

    Parameters
    ----------
    data : object
        The fill value, or its JSON form.
    dtype : ZDType
        Data type of the fill value.
    zarr_format : {2, 3} or None
        Format of the document if `data` is a JSON form; None if `data` is the value itself.

    Raises
    ------
    FillValueRangeError
        If the value is out of the range of the data type.
    TypeError, ValueError
        If the value cannot be converted to the data type. The value is added to the error as a note
        (see ``BaseException.add_note``).
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
    except ValueError:  # Python refuses to format integers with very many digits
        return f"of type {type(value).__name__}"


def required_field(document: Mapping[str, JSON], name: str, *, path: str | None) -> JSON:
    """Return a required field of a metadata document.

    Parameters
    ----------
    document : mapping
        The parsed document.
    name : str
        Name of the field.
    path : str or None
        Location of the document, for the error message; None if unknown.

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
    """Return a copy of a JSON value that shares no containers with the original.

    Lists, dictionaries and tuples are copied deeply; other objects are not copied. For lists and
    dictionaries, the function uses a loop and no recursion, because documents can be nested deeply.
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
            # A container that contains itself is also copied; JSON encoding rejects the copy later.
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
    """Return user attributes as a new dictionary that shares no containers with `data`.

    Parameters
    ----------
    data : mapping or None
        The attributes. If `data` is None, the result is an empty dictionary.

    Raises
    ------
    TypeError, ValueError
        If `data` is neither a mapping nor an iterable of pairs.
    """
    if data is None:
        return {}
    attributes: dict[str, JSON] = copied(dict(cast("Mapping[str, JSON]", data)))
    return attributes


def json_to_buffer(data: Mapping[str, Any], prototype: BufferPrototype) -> Buffer:
    """Encode a metadata document as JSON text.

    Parameters
    ----------
    data : mapping
        The document. Attributes may contain NaN and infinities, which are written as the words
        ``NaN`` and ``Infinity``. Strict JSON does not allow these words, but Zarr libraries read
        and write them.
    prototype : BufferPrototype
        Buffer classes; the result is an instance of ``prototype.buffer``.

    Returns
    -------
    Buffer
        UTF-8 text, indented as configured by ``json_indent``.

    Raises
    ------
    TypeError
        If an attribute has no JSON form.
    """
    text = json.dumps(data, indent=config.get("json_indent"), allow_nan=True)
    return prototype.buffer.from_bytes(text.encode())


def same_json(one: object, other: object) -> bool:
    """Return whether two JSON values are equal. NaN counts as equal to NaN."""
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
    """Replace chunk lengths of 0, which some writers have stored.

    An array with such a chunk length has no stored chunks, so its data are the same with any valid
    chunk length.

    Parameters
    ----------
    shape : object
        Stored shape of the array.
    chunk_shape : object
        Stored shape of the chunks. Only a list of integers with as many items as `shape`
        is repaired.
    path : str or None
        Location of the document, for the warning; None if unknown.
    inner_chunk_shape : sequence of int or None
        Shape of the inner chunks in elements if the chunks are shards; None otherwise. A chunk
        length of 0 is replaced by the length of the inner chunks, or by 1 if
        `inner_chunk_shape` is None.

    Returns
    -------
    list of int or None
        The repaired shape. None if no repair is needed, or if the shape also has other errors.

    Warns
    -----
    ZarrUserWarning
        If the length of the array is above 0 in a dimension with a chunk length of 0. If its length
        is 0 in all such dimensions, the shape is repaired without a warning.
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
    """Return a stored chunk shape with booleans replaced by integers.

    Earlier releases of zarr-python stored some chunk lengths as booleans. A value without booleans
    is returned unchanged.
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
