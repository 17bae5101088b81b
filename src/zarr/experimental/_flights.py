"""Reads that are under way, shared by all who ask for the same meanwhile."""

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
    """Joins reads of one key that run at the same time on the same event loop."""

    def __init__(self) -> None:
        self._by_key: dict[str, dict[Hashable, _Flight[T]]] = {}
        self._lock = threading.Lock()

    async def join(self, key: str, how: Hashable, fetch: Callable[[], Awaitable[T]]) -> T:
        """Return what a read under way returns, or begin it.

        Parameters
        ----------
        key : str
            The key.
        how : hashable
            What tells reads of the key apart: only equal ones are joined.
        fetch : callable
            Performs the read; called if none is under way.

        Returns
        -------
        object
            What the read returns. The caller's cancellation ends the read only if nobody else
            waits for it.

        Raises
        ------
        Exception
            What the read raises, to all who wait for it.
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
        """Let nobody else join the reads of a key, as what they return may be out of date."""
        with self._lock:
            self._by_key.pop(key, None)

    def detach_below(self, base: str) -> None:
        """Do the same for all keys that begin with `base`."""
        with self._lock:
            for key in [key for key in self._by_key if key.startswith(base)]:
                del self._by_key[key]
