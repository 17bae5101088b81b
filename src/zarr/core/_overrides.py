"""Internal methods that others override or patch, and asking whether somebody did.

Released packages subclass arrays and groups of the asynchronous API, or put functions in the place
of their methods, and mean that to be called wherever the library would do the same itself. Where
it has a faster way of its own, it asks first. Asking costs about a tenth of a microsecond, so it is
done once per operation, never per chunk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_OWN: set[object] = set()


def overridable(method: F) -> F:
    """Declare a method that `is_overridden` is asked about."""
    _OWN.add(method)
    return method


def is_overridden(obj: object, name: str) -> bool:
    """Return whether a method is another one than the class of the library gives.

    Parameters
    ----------
    obj : object
        An array or a group.
    name : str
        Name of a method that is declared as `overridable`.

    Returns
    -------
    bool
        Whether a subclass overrides it, or it was replaced on the class or on the object.
    """
    # By identity: what wraps a function has its attributes, too.
    return getattr(getattr(obj, name), "__func__", None) not in _OWN
