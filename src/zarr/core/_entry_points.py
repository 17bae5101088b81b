"""Thread-safe loading of the entry points of installed packages."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint  # slow to import


class _Loading(threading.local):
    """The entry points whose modules the current thread is importing."""

    def __init__(self) -> None:
        self.entries: list[EntryPoint] = []


_loading = _Loading()


def load_entry_points(waiting: list[EntryPoint], add: Callable[[EntryPoint, Any], object]) -> None:
    """Load the entry points of a list, and remove each entry point from the list.

    An entry point is removed only after `add` was called with its object, or after its import
    failed. Therefore, if the list is empty, `add` has been called with every object that can be
    imported. Two threads may load and add the same entry point, but Python imports its module only
    once. No lock is held during an import, because the imported module may itself look up an object
    that an entry point refers to. Such a look-up calls this function again in the same thread, and
    the inner call skips the entry point whose module is being imported.

    Parameters
    ----------
    waiting : list of EntryPoint
        The entry points. Other threads may use the same list at the same time.
    add : callable
        Called with each entry point and the object that it refers to. A second call with the same
        arguments must have no effect.

    Raises
    ------
    Exception
        If the import of a module fails. The entry point of that module is removed from the list.
        All later entry points stay in the list.
    """
    for entry in waiting.copy():
        if entry in _loading.entries:
            continue
        _loading.entries.append(entry)
        try:
            add(entry, entry.load())
        finally:
            _loading.entries.pop()
            with suppress(ValueError):  # another thread may have removed it
                waiting.remove(entry)
