"""Count of the writes to stores in this process, so that no reader gets stale bytes."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_epochs = itertools.count(1)
_epoch = 0


def epoch() -> int:
    """Return a number that changes with each write."""
    return _epoch


def note_write() -> None:
    """Mark reads in flight and bytes that were read ahead as stale.

    Call it when a write or a deletion has ended. A later read then returns the written value, and
    does not share a read that started before the write.
    """
    global _epoch
    _epoch = next(_epochs)


def writes(method: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorate a method that changes a store: call `note_write` at its end, even on failure."""

    @functools.wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        finally:
            note_write()

    return call
