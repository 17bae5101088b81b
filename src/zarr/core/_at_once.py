"""Coroutines that wait for nothing, run by the thread that wants their result.

Opening an array on a local disk takes a tenth of a millisecond, and the way to the event loop, on
to the worker pool and back three times as long. Where the store answers in the calling thread, the
coroutine runs there from its beginning to its end; what would hand over to other threads asks
`is_running` and does the work itself.
"""

from __future__ import annotations

import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _State(threading.local):
    is_running = False


_state = _State()


def is_running() -> bool:
    """Tell whether this thread is running a coroutine that must not wait."""
    return _state.is_running


def run(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in the calling thread.

    Parameters
    ----------
    coro : coroutine
        One that waits for nothing but what looks at `is_running`.

    Returns
    -------
    object
        What the coroutine returns.

    Raises
    ------
    RuntimeError
        If it waits for something. It is closed.
    """
    before, _state.is_running = _state.is_running, True
    try:
        coro.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    finally:
        _state.is_running = before
        coro.close()
    raise RuntimeError(f"{coro} waits for something, which no event loop will bring about")
