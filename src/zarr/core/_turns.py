"""Taking turns where threads that do the same short work at once only get in each other's way.

A system call that takes a microsecond lets go of the interpreter, and taking it back from another
thread costs a context switch. Threads that open, read and close many small files side by side so
spend their time in handing the interpreter to and fro: eight of them got no further than one. One
that reads some files, or puts some chunks into place, while others decode leaves them alone.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Python 3.13 and later can do without the lock on the interpreter that makes all this necessary.
_has_gil: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)


class _OfThread(threading.local):
    has_turn = False


class Turn:
    """Lets a few threads at a time do something, but lets nobody wait for one that takes long.

    Parameters
    ----------
    patience : float
        Seconds to wait while nobody's turn ends. A thread that has waited so long goes on without
        it: the work is not short then, say as files are far away, and is better done side by side.
    at_once : int
        How many threads may have it.
    """

    def __init__(self, patience: float, at_once: int = 1) -> None:
        self._patience = patience
        self._at_once = at_once
        self._renew()
        if hasattr(os, "register_at_fork"):
            # Whoever has the turn does not exist in the child.
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        one = self._at_once == 1
        self._lock = threading.Lock() if one else threading.Semaphore(self._at_once)
        self._ended = 0  # how many turns, roughly, as no lock guards it
        self._of_thread = _OfThread()

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Take the turn for a ``with`` block; gives whether it was to be had.

        Whoever did not get it does better without it from then on. A thread that has it already, as
        its codec reads an array say, goes on at once.
        """
        lock, mine = self._lock, self._of_thread
        if mine.has_turn or not _has_gil():
            yield mine.has_turn
            return
        mine.has_turn = self._take(lock)
        try:
            yield mine.has_turn
        finally:
            if mine.has_turn:
                mine.has_turn = False
                self._ended += 1
                lock.release()

    def _take(self, lock: threading.Lock | threading.Semaphore) -> bool:
        """Wait for the turn as long as turns end."""
        ended = self._ended
        while not lock.acquire(timeout=self._patience):
            if ended == self._ended:
                return False
            ended = self._ended
        return True


# Reading some small files, or putting some small chunks into place. It takes 0.2 ms, some times
# that with others behind it, and much longer where files are far away.
short_work = Turn(patience=0.005)

# All that a reader of small chunks does with some of them, a millisecond or two. Whoever waits for
# the interpreter slows down the one that has it, so more threads than processors get less done.
reading = Turn(patience=0.01, at_once=os.cpu_count() or 1)
