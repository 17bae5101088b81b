"""Detection of overridden or patched internal methods.

Some released packages subclass the asynchronous arrays, groups and codecs, or replace methods of
these classes. These packages expect the library to call their methods. Some faster paths
do not call these methods. The library uses such a path only after a check that the methods are not
overridden. A check takes about a tenth of a microsecond. It is done once per operation, never once
per chunk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_OWN: set[object] = set()


def overridable(method: F) -> F:
    """Register a method that the library defines, so that `is_overridden` can recognize it."""
    _OWN.add(method)
    return method


def is_overridden(obj: object, name: str) -> bool:
    """Return whether a method that the library defines has been overridden for an object.

    Parameters
    ----------
    obj : object
        An array, a group or a codec.
    name : str
        Name of a method registered by `overridable`.

    Returns
    -------
    bool
        True if a subclass overrides the method, or if the method was replaced on the class or on
        the object.
    """
    # Functions are compared by identity, because a wrapper copies the attributes of the function
    # that it wraps.
    return getattr(getattr(obj, name), "__func__", None) not in _OWN
