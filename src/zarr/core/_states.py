"""Unpickle objects that zarr-python pickled, whose classes have slots there.

The functions are used as ``__setstate__`` of a dataclass, and also take its own pickled state.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any


def set_fields(self: Any, state: dict[str, Any] | list[Any]) -> None:
    """Set the fields of a dataclass.

    Parameters
    ----------
    self : object
        The dataclass, not initialized.
    state : dict or list
        The attributes, or the values of all fields in order.
    """
    if isinstance(state, list):
        state = {field.name: value for field, value in zip(fields(self), state, strict=True)}
    vars(self).update(state)


def set_codecs(self: Any, state: dict[str, Any] | tuple[None, dict[str, Any]]) -> None:
    """Initialize an object whose only parameter is `codecs`.

    Parameters
    ----------
    self : object
        The object, not initialized.
    state : dict or tuple
        The attributes; in a tuple they are preceded by None.
    """
    attributes = state[1] if isinstance(state, tuple) else state
    type(self).__init__(self, codecs=attributes["codecs"])
