"""Taking turns where threads that do the same short work at once only get in each other's way.

A system call that takes a microsecond lets go of the interpreter, and taking it back from another
thread costs a context switch. Threads that open, read and close many small files side by side so
spend their time in handing the interpreter to and fro: eight of them got no further than one. One
that reads some files while the others decode what they have read leaves them alone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turn:
    """Lets one thread at a time do something, but holds up none for long.

    Parameters
    ----------
    patience : float
        Seconds to wait for the turn. A thread that has waited so long goes on without it: the work
        is not short then, say as files are far away, and is better done side by side.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._renew()
        if hasattr(os, "register_at_fork"):
            # Whoever has the turn does not exist in the child.
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Take the turn for a ``with`` block; gives whether it was to be had.

        Whoever did not get it does better without it from then on.
        """
        lock = self._lock
        is_taken = lock.acquire(timeout=self._patience)
        try:
            yield is_taken
        finally:
            if is_taken:
                lock.release()
