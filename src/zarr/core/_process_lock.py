"""`ProcessLock`: a lock for state that all threads of a process share."""

from __future__ import annotations

import os
import threading


class ProcessLock:
    """A reentrant lock that is free at the start of a forked child; used in a ``with`` statement.

    If one thread of a process forks while another thread holds a plain lock, the lock is never
    released in the child. A `ProcessLock` is therefore replaced by a new lock in the child. The
    lock is reentrant: a garbage collection in the thread that holds the lock may call a finalizer
    that acquires the same lock.

    An instance exists until the process ends, so create one per module, not one per object. Hold
    the lock only for a few operations on dictionaries. Do not import a module while you hold the
    lock: another thread may be importing the same module, and the code of that module may wait for
    the lock. Both threads would then wait forever.
    """

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()
