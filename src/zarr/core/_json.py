"""Decoding JSON documents: whatever is wrong with them is one kind of error."""

from __future__ import annotations

import json
from typing import Any

from zarr.errors import MetadataValidationError


class DocumentDecodeError(MetadataValidationError, json.JSONDecodeError):
    """The bytes of a metadata document are not JSON, or more than can be decoded.

    Parameters
    ----------
    msg : str
        What is wrong.
    doc : str
        The document, empty where it is not text.
    pos : int
        Where in `doc`, in characters.
    """

    def __init__(self, msg: str, doc: str, pos: int) -> None:
        json.JSONDecodeError.__init__(self, msg, doc, pos)


class NotAnObjectError(MetadataValidationError, TypeError):
    """A metadata document holds another JSON value than an object."""


def parse_json(data: bytes) -> Any:
    """Return the value that a JSON document holds.

    Parameters
    ----------
    data : bytes
        The document in UTF-8, -16 or -32. The bare words ``NaN`` and ``Infinity`` are numbers, as
        Zarr libraries write them; of members of one name the last counts.

    Raises
    ------
    DocumentDecodeError
        If it is not JSON, is nested too deeply, or has an integer of too many digits.
    """
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        raise DocumentDecodeError(error.msg, error.doc, error.pos) from None
    except RecursionError:
        raise DocumentDecodeError("Nested too deeply", "", 0) from None
    except ValueError as error:  # no text; an integer of thousands of digits
        raise DocumentDecodeError(str(error), "", 0) from None


def parse_object(data: bytes) -> dict[str, Any]:
    """Return the object that a JSON document holds.

    Parameters
    ----------
    data : bytes
        As for `parse_json`.

    Raises
    ------
    DocumentDecodeError
        As `parse_json`.
    NotAnObjectError
        If it holds something else.
    """
    document = parse_json(data)
    if not isinstance(document, dict):
        raise NotAnObjectError(f"Expected a JSON object, got {type(document).__name__}.")
    return document
