"""Fair semaphores against GIL contention between threads that read small chunks.

A system call of a microsecond releases the GIL, and taking the GIL back from another thread costs a
context switch. Threads that open, read and close many small files side by side spend their time on
these switches: eight threads were no faster than one.
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

# A thread that held the semaphore for longer than this, in seconds, while the processors were idle
# for more than half of the time, waited for a slow disk or network, or was preempted. After several
# such cases in a row no other thread should wait: all threads run side by side for some seconds.
_FAR_SECONDS = 0.002
_BUSY_SHARE = 0.5
_FAR_TIMES = 4
_FAR_FOR_SECONDS = 10.0


class FairSemaphore:
    """A fair semaphore: threads get permits in the order of arrival, with a timeout.

    It is for work that contends only for the GIL. A plain lock would cause starvation: a thread
    that returns at once would take it again before another thread has woken up.

    Parameters
    ----------
    permits : int
        Maximum number of threads that hold a permit.
    timeout : float
        Seconds to wait while no permit is released. A thread that has waited this long continues
        without a permit: the work is not short then, and is better done side by side.
    """

    def __init__(self, permits: int, timeout: float) -> None:
        self._permits = permits
        self._timeout = timeout
        self._renew()
        if hasattr(os, "register_at_fork"):
            # The thread that holds it does not exist in the child.
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._free = self._permits
        self._waiting: deque[threading.Lock] = deque()  # released to hand over a permit
        self._given_back = 0
        self._far_times = 0
        self._far_until = -math.inf
        self._of_thread = threading.local()

    @property
    def is_uncontended(self) -> bool:
        """Whether only the calling thread holds a permit, or there is no GIL."""
        return not has_gil() or (self._is_mine() and self._free == self._permits - 1)

    def held(self, is_wanted: bool = True) -> AbstractContextManager[bool]:
        """Hold a permit for a ``with`` block; gives whether a permit was acquired.

        A caller that did not get a permit should not ask again. A thread that already holds a
        permit continues at once, for example if its codec reads an array.

        Parameters
        ----------
        is_wanted : bool
            False for a block that needs no permit; gives False then.
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
            self._of_thread.is_holder = False
            if is_holder:
                self._release()
                self._note(*began)

    def _is_mine(self) -> bool:
        return getattr(self._of_thread, "is_holder", False)

    def _note(self, began: float, worked: float) -> None:
        """Detect whether the work waited for something other than the GIL."""
        seconds = time.monotonic() - began
        is_far = seconds > _FAR_SECONDS and time.process_time() - worked < seconds * _BUSY_SHARE
        self._far_times = self._far_times + 1 if is_far else 0
        if self._far_times >= _FAR_TIMES:
            self._far_until = time.monotonic() + _FAR_FOR_SECONDS

    def _acquire(self) -> bool:
        """Wait for a permit as long as permits are released; return whether one was acquired."""
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
        """Stop waiting; return whether no permit had been handed over yet."""
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
        For reading some small files, or for a scatter of some small chunks: 0.2 ms.
    readers : FairSemaphore
        For all work of a reader on some small chunks, a millisecond or two. A thread that waits for
        the GIL slows down the thread that holds it. So more threads than processors get less done.
    """

    def __init__(self) -> None:
        self.short_work = FairSemaphore(1, timeout=0.05)
        self.readers = FairSemaphore(os.cpu_count() or 1, timeout=0.05)


SCHEDULING = Scheduling()
