"""`ProcessLock`: a lock for what all threads of a process share."""

from __future__ import annotations

import os
import threading


class ProcessLock:
    """A lock that is free in a forked child; a context manager.

    A plain lock that another thread of the parent holds during a fork is never released in the
    child. The lock is reentrant, because garbage collection may run a finalizer that needs it in
    the thread that holds it. An instance is kept until the process ends: create one per module, not
    one per object.

    Hold it for a few operations on dictionaries. Do not import modules meanwhile: another thread
    may hold the import lock of a module whose code waits for this lock.
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
