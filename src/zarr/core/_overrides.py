"""Detection of overridden or patched internal methods.

Released packages subclass the asynchronous arrays and groups, or replace their methods. They expect
their methods to be called wherever the library does the same work itself. Before the library takes
a faster path of its own, it checks for an override. A check costs about a tenth of a microsecond,
so it is done once per operation, never per chunk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_OWN: set[object] = set()


def overridable(method: F) -> F:
    """Register a method for `is_overridden`."""
    _OWN.add(method)
    return method


def is_overridden(obj: object, name: str) -> bool:
    """Return whether a method differs from the method of the library.

    Parameters
    ----------
    obj : object
        An array or a group.
    name : str
        Name of a method registered by `overridable`.

    Returns
    -------
    bool
        True if a subclass overrides the method, or if it was replaced on the class or object.
    """
    # By identity, because a wrapper copies the attributes of its function.
    return getattr(getattr(obj, name), "__func__", None) not in _OWN
