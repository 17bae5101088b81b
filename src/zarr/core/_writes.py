"""Count the writes to stores in this process, so that reads can detect stale bytes."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from zarr.core._process_lock import ProcessLock

P = ParamSpec("P")
T = TypeVar("T")

_lock = ProcessLock()
_epoch = 0


def epoch() -> int:
    """Return a number that changes with each write."""
    return _epoch


def note_write() -> None:
    """Mark all reads in flight, and all bytes read ahead so far, as stale.

    Call this function when a write or a deletion has ended. A read that starts after this call
    returns the written value: it shares no read that started before this call, and uses no bytes
    that were read ahead before this call.
    """
    global _epoch
    with _lock:  # without the GIL, two simultaneous writes could otherwise be counted as one
        _epoch += 1


def writes(method: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorate a method that changes a store, so that `note_write` is called when the method ends.

    `note_write` is called even if the method fails.
    """

    @functools.wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        finally:
            note_write()

    return call
