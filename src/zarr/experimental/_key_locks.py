"""One lock per key, for callers on any event loop and in any thread."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future


class KeyLocks:
    """Fair (first in, first out) locks, one per key, for coroutines on any event loop.

    A lock uses memory only while it is held.
    """

    def __init__(self) -> None:
        self._queues: dict[str, deque[Future[None]]] = {}
        self._lock = threading.Lock()

    def held(self, key: str) -> bool:
        """Return whether the lock of a key is held."""
        return key in self._queues

    def try_acquire(self, key: str) -> bool:
        """Acquire the lock of a key if it is free; return whether it was free."""
        with self._lock:
            if key in self._queues:
                return False
            self._queues[key] = deque()
            return True

    async def acquire(self, key: str) -> None:
        """Wait for the lock of a key and acquire it."""
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
            # If the lock was passed to this caller during the cancellation, pass it to the next
            # caller.
            if not turn.cancel():
                self.release(key)
            raise

    def release(self, key: str) -> None:
        """Pass the lock of a key to the next waiting caller, or free it."""
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
