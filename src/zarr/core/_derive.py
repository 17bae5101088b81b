"""Synchronous functions and methods made from asynchronous ones.

The asynchronous function is written; its synchronous twin keeps the name, parameters, defaults
and docstring, and differs in that it waits. `inspect.signature` of the twin shows the same
parameters, without the coroutine.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from dataclasses import dataclass
from functools import wraps
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from zarr.core.common import concurrent_foreach
from zarr.core.sync import collect_aiterator, sync, sync_opening

P = ParamSpec("P")
A = TypeVar("A")
S = TypeVar("S")


# --- in two steps -----------------------------------------------------------------------


class Move(Protocol):
    """Elements on their way into an array, the last step of creating it."""

    @property
    def runs_here(self) -> bool:
        """Whether a thread that waits does it itself, without the event loop."""

    async def run(self) -> None:
        """Write the elements, without blocking the event loop."""

    def run_sync(self) -> None:
        """Write the elements and wait, in the calling thread where that is possible."""


@dataclass(frozen=True, slots=True)
class Begun(Generic[A]):
    """What a function has done that works in two steps: all but moving elements.

    Parameters
    ----------
    result : object
        What the function returns.
    moves : tuple of Move
        What is left to do before it returns.
    """

    result: A
    moves: tuple[Move, ...] = ()

    async def finish(self) -> A:
        """Move the elements, of several arrays concurrently, and return the result."""
        await self._run_all()
        return self.result

    def finish_sync(self) -> A:
        """Move the elements and wait, in the calling thread where that is possible."""
        if len(self.moves) > 1 and not all(move.runs_here for move in self.moves):
            sync(self._run_all())
        else:
            for move in self.moves:
                move.run_sync()
        return self.result

    async def _run_all(self) -> None:
        if len(self.moves) == 1:
            await self.moves[0].run()
        elif self.moves:
            await concurrent_foreach(
                ((move,) for move in self.moves), lambda each: each.run(), None
            )


def in_two_steps(
    first: Callable[P, Coroutine[Any, Any, Begun[A]]], /
) -> Callable[P, Coroutine[Any, Any, A]]:
    """Make a coroutine function of one that leaves the elements to be moved by whoever calls it.

    So that the synchronous twin can move them in the calling thread, as an assignment to the
    array does, where the coroutine moves them on the event loop.

    Parameters
    ----------
    first : callable
        A coroutine function that does all but moving elements. Its return annotation is
        ``Begun[...]``.

    Returns
    -------
    callable
        A coroutine function with the same parameters that does both steps. `begin` does the first
        one alone.
    """

    @wraps(first)
    async def both(*args: P.args, **kwargs: P.kwargs) -> A:
        return await (await first(*args, **kwargs)).finish()

    signature = inspect.signature(first)
    returned = str(signature.return_annotation).removeprefix("Begun[").removesuffix("]")
    del both.__wrapped__
    both.__annotations__ = {**first.__annotations__, "return": returned}
    both.__signature__ = signature.replace(return_annotation=returned)  # type: ignore[attr-defined]
    both._first_step = first  # type: ignore[attr-defined]
    return both


def begin(
    function: Callable[P, Coroutine[Any, Any, A]], /, *args: P.args, **kwargs: P.kwargs
) -> Coroutine[Any, Any, Begun[A]]:
    """Do the first step of a function; one that is not `in_two_steps` is done whole.

    Parameters
    ----------
    function : callable
        A coroutine function or method.
    *args
        Its positional arguments.
    **kwargs
        Its keyword arguments.
    """
    first = getattr(function, "_first_step", None)
    if first is None:
        return _whole(function(*args, **kwargs))
    bound = (function.__self__,) if inspect.ismethod(function) else ()
    begun: Coroutine[Any, Any, Begun[A]] = first(*bound, *args, **kwargs)
    return begun


async def _whole(coro: Coroutine[Any, Any, A]) -> Begun[A]:
    return Begun(await coro)


def finished(begun: Coroutine[Any, Any, Begun[A]], *, in_thread: bool = False) -> A:
    """Run the first step of a function, wait, and do the second one in the calling thread.

    Parameters
    ----------
    begun : coroutine
        What `begin` returned.
    in_thread : bool
        Whether the calling thread may run it, see `sync_opening`.
    """
    return sync_opening(begun, in_thread=in_thread).finish_sync()


# --- synchronous twins ------------------------------------------------------------------


@overload
def sync_twin(function: Callable[P, Coroutine[Any, Any, A]], /) -> Callable[P, A]: ...


@overload
def sync_twin(
    function: Callable[P, Coroutine[Any, Any, A]],
    /,
    *,
    wrap: Callable[[A], S],
    in_thread: Callable[..., bool] | None = None,
) -> Callable[P, S]: ...


def sync_twin(
    function: Callable[P, Coroutine[Any, Any, Any]],
    /,
    *,
    wrap: Callable[[Any], Any] | None = None,
    in_thread: Callable[..., bool] | None = None,
) -> Callable[P, Any]:
    """Make the synchronous twin of a coroutine function.

    Parameters
    ----------
    function : callable
        The coroutine function.
    wrap : callable or None
        Turns its result into the synchronous type, `AsyncArray` into `Array` say; None returns
        the result as it is.
    in_thread : callable or None
        Tells of the same arguments whether the calling thread may run it, see `sync_opening`; None
        for never.

    Returns
    -------
    callable
        Runs `function` on the event loop of the process and waits for the result. Elements are
        moved in the calling thread, where `function` works `in_two_steps`.
    """

    @wraps(function)
    def twin(*args: P.args, **kwargs: P.kwargs) -> Any:
        here = in_thread is not None and in_thread(*args, **kwargs)
        result = _run(function, args, kwargs, in_thread=here)
        return result if wrap is None else wrap(result)

    return _dress(twin, function)


def sync_method(
    function: Callable[..., Coroutine[Any, Any, Any]],
    /,
    *,
    to: Callable[[Any], Any],
    wrap: Callable[[Any], Any] | None = None,
    in_thread: Callable[[Any], bool] | None = None,
) -> Callable[..., Any]:
    """Make a method of a synchronous class from a coroutine method of the asynchronous one.

    Parameters
    ----------
    function : callable
        The coroutine method, as found on its class.
    to : callable
        Gives the asynchronous object for a synchronous one.
    wrap : callable or None
        Turns the result into the synchronous type; None returns it as it is.
    in_thread : callable or None
        Tells of the synchronous object whether the calling thread may run it, see `sync_opening`;
        None for never.

    Returns
    -------
    callable
        A method with the same parameters, which waits for the result.
    """

    @wraps(function)
    def twin(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        here = in_thread is not None and in_thread(self)
        result = _run(function, (to(self), *args), kwargs, in_thread=here)
        return result if wrap is None else wrap(result)

    return _dress(twin, function)


def sync_iteration(
    function: Callable[..., AsyncIterator[Any]],
    /,
    *,
    to: Callable[[Any], Any],
    wrap: Callable[[Any], Any] | None = None,
) -> Callable[..., Generator[Any, None, None]]:
    """Make a generator method of a synchronous class from an async generator method.

    Parameters
    ----------
    function : callable
        The async generator method, as found on its class.
    to : callable
        Gives the asynchronous object for a synchronous one.
    wrap : callable or None
        Applied to each item; None yields it as it is.

    Returns
    -------
    callable
        A method that collects what `function` yields, then yields it.
    """

    @wraps(function)
    def twin(self: Any, /, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        for item in collect_aiterator(function(to(self), *args, **kwargs)):
            yield item if wrap is None else wrap(item)

    return _dress(twin, function)


def _run(
    function: Callable[..., Coroutine[Any, Any, A]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    in_thread: bool,
) -> A:
    """Run a coroutine function and wait; what it moves last, the calling thread does."""
    if hasattr(function, "_first_step"):
        return finished(begin(function, *args, **kwargs), in_thread=in_thread)
    return sync_opening(function(*args, **kwargs), in_thread=in_thread)


def _dress(twin: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a twin the signature of its original and the module that defines it."""
    twin.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    # The twin is picklable only under the module that binds its name, and so is its class.
    twin.__module__ = sys._getframe(2).f_globals["__name__"]
    # inspect would follow __wrapped__ and call the twin a coroutine function.
    del twin.__wrapped__  # type: ignore[attr-defined]
    return twin
