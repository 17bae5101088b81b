"""Share one read among callers that request the same key concurrently."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(eq=False)
class _Flight(Generic[T]):
    task: asyncio.Future[T]
    waiting: int = 0


class Flights(Generic[T]):
    """Lets concurrent callers on the same event loop share one read of a key."""

    def __init__(self) -> None:
        self._by_key: dict[str, dict[Hashable, _Flight[T]]] = {}
        self._lock = threading.Lock()

    async def join(self, key: str, how: Hashable, fetch: Callable[[], Awaitable[T]]) -> T:
        """Return the result of reading a key.

        If a read of the key with equal parameters is in flight, the caller shares this read.
        Otherwise a new read starts.

        Parameters
        ----------
        key : str
            The key.
        how : hashable
            Parameters of the read. Only reads with equal parameters are shared.
        fetch : callable
            Performs the read. The function is called only if no read with the same key and equal
            parameters is in flight.

        Returns
        -------
        object
            The result of the read. Cancellation of a caller cancels the read only if no other
            caller waits for the read.

        Raises
        ------
        Exception
            Any exception that the read raises. All callers that wait for the read receive the
            exception.
        """
        how = (asyncio.get_running_loop(), how)
        with self._lock:
            flights = self._by_key.setdefault(key, {})
            flight = flights.get(how)
            if flight is None:
                flight = flights[how] = _Flight(asyncio.ensure_future(fetch()))
            flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                self._remove(key, how, flight)
                if not flight.task.done():
                    flight.task.cancel()
                    await asyncio.gather(flight.task, return_exceptions=True)

    def _remove(self, key: str, how: Hashable, flight: _Flight[T]) -> None:
        with self._lock:
            flights = self._by_key.get(key, {})
            if flights.get(how) is flight:
                del flights[how]
                if not flights:
                    del self._by_key[key]

    def detach(self, key: str) -> None:
        """Prevent further callers from sharing those reads of a key that are already in flight.

        The data of these reads may be stale.
        """
        with self._lock:
            self._by_key.pop(key, None)

    def detach_below(self, base: str) -> None:
        """Call `detach` for all keys that begin with `base`."""
        with self._lock:
            for key in [key for key in self._by_key if key.startswith(base)]:
                del self._by_key[key]
