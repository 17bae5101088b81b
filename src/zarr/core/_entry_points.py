"""Loading of the entry points of installed packages, from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint  # importing it takes long


class _Loading(threading.local):
    """The entry points whose modules the current thread is importing."""

    def __init__(self) -> None:
        self.entries: list[EntryPoint] = []


_loading = _Loading()


def load_entry_points(waiting: list[EntryPoint], add: Callable[[EntryPoint, Any], object]) -> None:
    """Load entry points, and remove them from their list.

    An entry point is removed after its object was added. So a thread that finds the list empty
    finds the objects. Two threads may load and add the same entry point; Python imports its module
    once. No lock is held, because the module may look up an implementation while it is imported.
    Its own entry point is left out then.

    Parameters
    ----------
    waiting : list of EntryPoint
        The entry points; other threads may use the list too.
    add : callable
        Called with each entry point and its object. A second call with the same arguments must
        have no effect.

    Raises
    ------
    Exception
        Whatever the import of a module raises. Its entry point is removed, the others stay.
    """
    for entry in waiting.copy():
        if entry in _loading.entries:
            continue
        _loading.entries.append(entry)
        try:
            add(entry, entry.load())
        finally:
            _loading.entries.pop()
            with suppress(ValueError):  # another thread has removed it
                waiting.remove(entry)
