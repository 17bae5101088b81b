"""Counting the writes to stores of this process, so that no reader is given what is older."""

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
    """Return a number that is another one after each write."""
    return _epoch


def note_write() -> None:
    """Stop the sharing of reads that have begun, and of bytes that were read ahead.

    Call it when a write or a deletion has ended. A read that begins later then returns what was
    written, and not what a read in flight had found before.
    """
    global _epoch
    _epoch = next(_epochs)


def writes(method: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Have a method that changes a store end with `note_write`, though it fails."""

    @functools.wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        finally:
            note_write()

    return call
