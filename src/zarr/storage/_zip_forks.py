"""Fork safety of zip stores: a child process never writes to an archive of its parent."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zarr.storage._zip import ZipStore

_stores: weakref.WeakValueDictionary[int, ZipStore] = weakref.WeakValueDictionary()
_held: list[ZipStore] = []
# A thread holds this lock while it forks, so that no other thread forks at the same time. Without
# this lock, two forking threads would both add stores to `_held`. After its fork, a thread could
# then remove stores that only the other thread has locked. It cannot release the locks of these
# stores, so these locks would never be released.
_forking = threading.Lock()


def release_in_forks(store: ZipStore) -> None:
    """Register a store, by a weak reference, so that forked children release its archive."""
    _stores[id(store)] = store


def _before_fork() -> None:
    """Wait until no thread is writing a member, so that `zipfile` has no unwritten data."""
    _forking.acquire()
    # The weak references are copied in one step. Iterating over `values()` would fail if a store
    # was garbage collected during the iteration.
    for store in [store for ref in _stores.valuerefs() if (store := ref()) is not None]:
        store._lock.acquire()
        _held.append(store)


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop()._lock.release()
    _forking.release()


def _after_fork_in_child() -> None:
    global _forking
    _forking = threading.Lock()
    while _held:
        _held.pop()._forget_archive_of_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
