"""Decoding of JSON documents; every error that is raised is a `MetadataValidationError`."""

from __future__ import annotations

import json
from typing import Any

from zarr.errors import MetadataValidationError


class JSONDecodeError(MetadataValidationError, json.JSONDecodeError):
    """A metadata document is not JSON, or it exceeds a limit of the JSON decoder.

    The class has the name of its base class in `json`, because some packages compare the names of
    exception classes.

    Parameters
    ----------
    msg : str
        Description of the defect.
    doc : str
        The document. If the defect has no position, for example because the document is not text,
        `doc` is an empty string.
    pos : int
        Position of the defect in `doc`, in characters.
    """

    def __init__(self, msg: str, doc: str, pos: int) -> None:
        json.JSONDecodeError.__init__(self, msg, doc, pos)


class NotAnObjectError(MetadataValidationError, TypeError):
    """The JSON value of a metadata document is not an object."""


def parse_json(data: bytes) -> Any:
    """Return the value of a JSON document.

    Parameters
    ----------
    data : bytes
        The document in UTF-8, UTF-16 or UTF-32. The bare words ``NaN`` and ``Infinity`` are
        accepted as numbers, because Zarr libraries write these words. If an object contains a name
        twice, the last value is used.

    Raises
    ------
    JSONDecodeError
        If `data` is not JSON, if the JSON value is nested too deeply, or if an integer has too many
        digits.
    """
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        raise JSONDecodeError(error.msg, error.doc, error.pos) from None
    except RecursionError:
        raise JSONDecodeError("Nested too deeply", "", 0) from None
    except ValueError as error:  # undecodable bytes, or an integer with too many digits
        raise JSONDecodeError(str(error), "", 0) from None


def parse_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object that a document contains, as a dictionary.

    Parameters
    ----------
    data : bytes
        As for `parse_json`.

    Raises
    ------
    JSONDecodeError
        As for `parse_json`.
    NotAnObjectError
        If the value of the document is not a JSON object.
    """
    document = parse_json(data)
    if not isinstance(document, dict):
        raise NotAnObjectError(f"Expected a JSON object, got {type(document).__name__}.")
    return document
