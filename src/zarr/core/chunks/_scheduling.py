"""Fair semaphores that reduce GIL contention between threads that read small chunks.

Even a system call of one microsecond releases the GIL, and getting the GIL back from another thread
takes a context switch. If several threads open, read and close many small files at the same time,
they spend most of their time on these switches. In this case, eight threads were no faster than one
thread.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

# Python 3.13 and later can run without the GIL.
has_gil: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)

# A use of a permit is "far" if it takes longer than `_FAR_SECONDS`, and the process uses less than
# `_BUSY_SHARE` of a processor during this time. The thread probably waited for a slow disk or
# network, or was preempted. After `_FAR_TIMES` such uses in a row, no permits are needed for
# `_FAR_FOR_SECONDS` seconds: all threads run in parallel.
_FAR_SECONDS = 0.002
_BUSY_SHARE = 0.5
_FAR_TIMES = 4
_FAR_FOR_SECONDS = 10.0


class FairSemaphore:
    """A semaphore that gives permits to threads in the order of arrival, and has a timeout.

    The semaphore is meant for threads that compete for the GIL, but for no other resource. A plain
    lock would cause starvation: if a thread releases the lock and soon acquires it again, no other
    thread wakes up in time to get the lock.

    Parameters
    ----------
    permits : int
        Maximum number of threads that hold a permit.
    timeout : float
        Time in seconds. If no permit is released during this time, a waiting thread continues
        without a permit. In this case, the threads that hold the permits are doing long work, and
        running in parallel with them is faster than waiting.
    """

    def __init__(self, permits: int, timeout: float) -> None:
        self._permits = permits
        self._timeout = timeout
        self._renew()
        if hasattr(os, "register_at_fork"):
            # After a fork, the other threads do not exist in the child, so they cannot release the
            # lock or a permit there. Therefore the child needs a new lock and new permits.
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._free = self._permits
        # One lock for each waiting thread. Releasing the lock gives a permit to the thread.
        self._waiting: deque[threading.Lock] = deque()
        self._given_back = 0
        self._far_times = 0
        self._far_until = -math.inf
        self._of_thread = threading.local()

    @property
    def is_uncontended(self) -> bool:
        """True if there is no GIL, or if only the calling thread holds a permit."""
        return not has_gil() or (self._is_mine() and self._free == self._permits - 1)

    def held(self, is_wanted: bool = True) -> AbstractContextManager[bool]:
        """Return a context manager that acquires a permit, and releases the permit at the end.

        The context manager yields whether it got a permit. A caller that did not get a permit
        should not try again. A thread may already hold a permit, for example if one of its codecs
        reads an array. Such a thread continues without waiting.

        Parameters
        ----------
        is_wanted : bool
            Whether to acquire a permit. If False, the context manager does nothing and yields
            False.
        """
        return self._held() if is_wanted else nullcontext(False)

    @contextmanager
    def _held(self) -> Iterator[bool]:
        if self._is_mine() or not has_gil() or time.monotonic() < self._far_until:
            yield self._is_mine()
            return
        self._of_thread.is_holder = is_holder = self._acquire()
        began = time.monotonic(), time.process_time()
        try:
            yield is_holder
        finally:
            if self._is_mine():  # False in a child that was forked meanwhile: its permits are new
                self._of_thread.is_holder = False
                self._release()
                self._note(*began)

    def _is_mine(self) -> bool:
        return getattr(self._of_thread, "is_holder", False)

    def _note(self, began: float, worked: float) -> None:
        """Record whether a thread with a permit waited for something other than the GIL."""
        seconds = time.monotonic() - began
        is_far = seconds > _FAR_SECONDS and time.process_time() - worked < seconds * _BUSY_SHARE
        self._far_times = self._far_times + 1 if is_far else 0
        if self._far_times >= _FAR_TIMES:
            self._far_until = time.monotonic() + _FAR_FOR_SECONDS

    def _acquire(self) -> bool:
        """Wait for a permit, and return whether a permit was acquired.

        The wait ends without a permit if no permit is released during the time `timeout`.
        """
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        try:
            given_back = self._given_back
            while not gate.acquire(timeout=self._timeout):
                if given_back == self._given_back:
                    return not self._withdraw(gate)
                given_back = self._given_back
        except BaseException:
            if not self._withdraw(gate):
                self._release()
            raise
        return True

    def _withdraw(self, gate: threading.Lock) -> bool:
        """Stop waiting; return False if the thread has got a permit in the meantime."""
        with self._lock:
            if gate in self._waiting:
                self._waiting.remove(gate)
                return True
        return False

    def _release(self) -> None:
        """Release a permit; the thread that has waited longest gets it."""
        with self._lock:
            self._given_back += 1
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


class Scheduling:
    """The semaphores that the threads of a process share.

    Attributes
    ----------
    short_work : FairSemaphore
        The semaphore for work of about 0.2 ms: reading some small files, or scattering some small
        chunks.
    readers : FairSemaphore
        The semaphore for work of one or two milliseconds: reading, decoding and scattering some
        small chunks. A thread that waits for the GIL slows down the thread that holds the GIL.
        Therefore, the total speed is lower if there are more threads than processors.
    """

    def __init__(self) -> None:
        self.short_work = FairSemaphore(1, timeout=0.05)
        self.readers = FairSemaphore(os.cpu_count() or 1, timeout=0.05)


SCHEDULING = Scheduling()
