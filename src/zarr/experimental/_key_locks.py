"""One at a time for each key, whichever event loop or thread it comes from."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future


class KeyLocks:
    """A lock per key, held in coroutines of any event loop; those who wait take turns in order.

    A key that nobody holds takes no memory.
    """

    def __init__(self) -> None:
        self._queues: dict[str, deque[Future[None]]] = {}
        self._lock = threading.Lock()

    def held(self, key: str) -> bool:
        """Tell whether somebody holds the lock of a key."""
        return key in self._queues

    def try_acquire(self, key: str) -> bool:
        """Take the lock of a key if it is free; tell whether it was."""
        with self._lock:
            if key in self._queues:
                return False
            self._queues[key] = deque()
            return True

    async def acquire(self, key: str) -> None:
        """Take the lock of a key, waiting for it."""
        with self._lock:
            queue = self._queues.get(key)
            if queue is None:
                self._queues[key] = deque()
                return
            turn: Future[None] = Future()
            queue.append(turn)
        try:
            await asyncio.wrap_future(turn)
        except BaseException:
            # The turn may have come while the wait was given up; then it goes to the next.
            if not turn.cancel():
                self.release(key)
            raise

    def release(self, key: str) -> None:
        """Pass the lock of a key to the next who waits, or free it."""
        while True:
            with self._lock:
                queue = self._queues[key]
                if not queue:
                    del self._queues[key]
                    return
                turn = queue.popleft()
            if turn.set_running_or_notify_cancel():
                turn.set_result(None)
                return
