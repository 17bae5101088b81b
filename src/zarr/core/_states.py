"""Functions for unpickling objects that zarr-python pickled.

In zarr-python the classes of these objects have slots, so the pickled state has a different
structure than in this package. The functions are used as ``__setstate__`` of the classes of this
package. They accept the structure of zarr-python and the structure of this package.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any


def set_fields(self: Any, state: dict[str, Any] | list[Any]) -> None:
    """Set the fields of a dataclass instance to the values in a pickled state.

    Parameters
    ----------
    self : object
        An instance of the dataclass, not initialized.
    state : dict or list
        A dictionary of attributes, or a list of the values of all fields in the order of the
        fields.
    """
    if isinstance(state, list):
        state = {field.name: value for field, value in zip(fields(self), state, strict=True)}
    vars(self).update(state)


def set_codecs(self: Any, state: dict[str, Any] | tuple[None, dict[str, Any]]) -> None:
    """Initialize an object from a pickled state; its class must have only the parameter `codecs`.

    Parameters
    ----------
    self : object
        The object, not initialized.
    state : dict or tuple
        A dictionary of attributes, or a tuple of None and such a dictionary.
    """
    attributes = state[1] if isinstance(state, tuple) else state
    type(self).__init__(self, codecs=attributes["codecs"])
