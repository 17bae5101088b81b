"""A future that calls a function as soon as the future is done.

The call happens in the turn of the event loop in which the future becomes done, not in the next
turn.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class ImmediateFuture(asyncio.Future[T]):
    """A future with a callback that is called immediately.

    asyncio runs the done callbacks of a future in the next turn of the event loop, and creates a
    handle for each callback. A bulk read creates one future for each of its reads. When these
    futures were of the class `asyncio.Future`, the handles took 5 % of the time of a bulk read.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
        The event loop of the future.
    """

    __slots__ = ("_on_done",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.Future.__init__(self, loop=loop)
        self._on_done: Callable[[Any], object] | None = None

    def call_when_done(self, function: Callable[[ImmediateFuture[T]], object]) -> None:
        """Call a function as soon as this future is done or cancelled.

        If the future is already done, the function is called in the next turn of the event loop. So
        the function is never called before this method returns.

        Parameters
        ----------
        function : callable
            Takes this future. If this method is called again before this future is done, the new
            function replaces the previous one.
        """
        if self.done():
            self.add_done_callback(function)
        else:
            self._on_done = function

    def set_result(self, result: T) -> None:
        # docstring inherited
        asyncio.Future.set_result(self, result)
        self._call()

    def set_exception(self, exception: type[BaseException] | BaseException) -> None:
        # docstring inherited
        asyncio.Future.set_exception(self, exception)
        self._call()

    def cancel(self, msg: object = None) -> bool:
        # docstring inherited
        if not asyncio.Future.cancel(self, msg):
            return False
        self._call()
        return True

    def _call(self) -> None:
        function, self._on_done = self._on_done, None
        if function is not None:
            function(self)
