"""Taking turns where threads that do the same short work at once only get in each other's way.

A system call that takes a microsecond lets go of the interpreter, and taking it back from another
thread costs a context switch. Threads that open, read and close many small files side by side so
spend their time in handing the interpreter to and fro: eight of them got no further than one. One
that reads some files, or puts some chunks into place, while others decode leaves them alone.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Python 3.13 and later can do without the lock on the interpreter that makes all this necessary.
_has_gil: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)


class _OfThread(threading.local):
    has_turn = False


class Turn:
    """Lets a few threads at a time do something, but lets nobody wait for one that takes long.

    Those that wait get it in the order in which they came; with a lock, a thread that comes back
    at once would take it again before another one has woken up, and that for ever.

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
        self._guard = threading.Lock()
        self._free = self._at_once
        self._waiting: deque[threading.Lock] = deque()  # each opened for one that gets the turn
        self._ended = 0
        self._of_thread = _OfThread()

    @property
    def is_mine(self) -> bool:
        """Whether the calling thread has the turn."""
        return self._of_thread.has_turn

    @property
    def is_only_mine(self) -> bool:
        """Whether the calling thread has the turn, and no other one."""
        return self.is_mine and self._free == self._at_once - 1

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Take the turn for a ``with`` block; gives whether it was to be had.

        Whoever did not get it does better without it from then on. A thread that has it already, as
        its codec reads an array say, goes on at once.
        """
        mine = self._of_thread
        if mine.has_turn or not _has_gil():
            yield mine.has_turn
            return
        mine.has_turn = self._take()
        try:
            yield mine.has_turn
        finally:
            if mine.has_turn:
                mine.has_turn = False
                self._give_back()

    def _take(self) -> bool:
        """Wait for the turn as long as turns end."""
        with self._guard:
            if self._free:
                self._free -= 1
                return True
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        try:
            ended = self._ended
            while not gate.acquire(timeout=self._patience):
                if ended == self._ended:
                    return not self._withdraw(gate)
                ended = self._ended
        except BaseException:
            if not self._withdraw(gate):
                self._give_back()
            raise
        return True

    def _withdraw(self, gate: threading.Lock) -> bool:
        """Wait no longer; tell whether the turn had not been handed over yet."""
        with self._guard:
            if gate in self._waiting:
                self._waiting.remove(gate)
                return True
        return False

    def _give_back(self) -> None:
        """End a turn: whoever has waited longest has the next one."""
        with self._guard:
            self._ended += 1
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


# Reading some small files, or putting some small chunks into place: 0.2 ms, some times that with
# others behind it.
short_work = Turn(patience=0.05)

# All that a reader of small chunks does with some of them, a millisecond or two. Whoever waits for
# the interpreter slows down the one that has it, so more threads than processors get less done.
reading = Turn(patience=0.05, at_once=os.cpu_count() or 1)


def may_be_helped() -> bool:
    """Tell whether another thread may do some of the work of a reader of small chunks.

    As long as no other reader is in its turn; readers that help each other get no more done.
    """
    return not _has_gil() or reading.is_only_mine


def may_be_beside_the_loop() -> bool:
    """Tell whether the event loop may be fetching more while the calling thread decodes.

    It is not for who reads in its own thread, and so in turn.
    """
    return _has_gil() and not reading.is_mine


# Opening, reading and closing a file takes 10 us where it is at hand, 100 us with other threads in
# the way, and a millisecond where a network lies between. Readers of such files get more done side
# by side. After some seconds they try again.
_NEAR_SECONDS = 0.00025
_FAR_FOR_SECONDS = 10.0
_BUSY_SHARE = 0.5


def clocks() -> tuple[float, float]:
    """Return the time, and how much of it processors have worked for this process, in seconds."""
    return time.perf_counter(), time.process_time()


class Distance:
    """How far away the values of stores are that the calling thread reads, as far as it has shown.

    One for all stores: what is lost by not taking turns is little.
    """

    def __init__(self) -> None:
        self._far_until = -math.inf

    @property
    def is_near(self) -> bool:
        """Whether values have not lately taken long to come."""
        return time.monotonic() >= self._far_until

    def note(self, count: int, since: tuple[float, float]) -> None:
        """Take note of how long some values took to come.

        Where the process was busy all the while, its threads were in each other's way, which tells
        nothing of the values.

        Parameters
        ----------
        count : int
            How many values.
        since : tuple of float
            What `clocks` returned when they were asked for.
        """
        now = clocks()
        seconds, busy = now[0] - since[0], now[1] - since[1]
        if seconds > count * _NEAR_SECONDS and busy < seconds * _BUSY_SHARE:
            self._far_until = time.monotonic() + _FAR_FOR_SECONDS


distance = Distance()
