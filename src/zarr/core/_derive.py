"""Synchronous functions and methods made from asynchronous ones.

Only the asynchronous function is written by hand. The synchronous function that is made from it
has the same name, parameters, defaults and docstring, but waits for the result. For both functions,
`inspect.signature` shows the same parameters. The synchronous function is not a coroutine function.
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


# --- functions in two steps -------------------------------------------------------------


class Move(Protocol):
    """A pending write of elements into a new array; the last step of creating the array."""

    @property
    def runs_here(self) -> bool:
        """Whether `run_sync` runs the write in the calling thread, without the event loop."""

    async def run(self) -> None:
        """Write the elements, without blocking the event loop."""

    def run_sync(self) -> None:
        """Write the elements and wait, in the calling thread if possible."""


@dataclass(frozen=True, slots=True)
class Begun(Generic[A]):
    """The result and the pending writes of a two-step function, after its first step.

    The first step does all the work except writing elements.

    Parameters
    ----------
    result : object
        The result of the function.
    moves : tuple of Move
        The pending writes. The second step of the function runs these writes before the function
        returns.
    """

    result: A
    moves: tuple[Move, ...] = ()

    async def finish(self) -> A:
        """Run the pending writes concurrently, and return the result."""
        await self._run_all()
        return self.result

    def finish_sync(self) -> A:
        """Run the pending writes, in the calling thread if possible, and return the result."""
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
    """Return a coroutine function that runs `first`, then the writes that `first` leaves pending.

    The returned function runs the writes on the event loop. A synchronous function that is made
    from it, for example by `sync_twin`, runs the writes in the calling thread if possible; see
    `Begun.finish_sync`.

    Parameters
    ----------
    first : callable
        A coroutine function that does all the work except writing elements. Its return annotation
        is ``Begun[...]``.

    Returns
    -------
    callable
        A coroutine function that runs both steps, with the same parameters as `first`. `begin` runs
        only the first step.
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
    """Return a coroutine that runs the first step of a function.

    If the function is not decorated with `in_two_steps`, the coroutine runs the whole function.

    Parameters
    ----------
    function : callable
        A coroutine function or method.
    *args
        The positional arguments of the function.
    **kwargs
        The keyword arguments of the function.
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
    """Run the first step of a function, then the second step, in the calling thread if possible.

    Parameters
    ----------
    begun : coroutine
        The result of `begin`.
    in_thread : bool
        Whether the calling thread may run `begun`; see `sync_opening`.
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
    """Return a synchronous function made from a coroutine function.

    Parameters
    ----------
    function : callable
        The coroutine function.
    wrap : callable or None
        Converts the result to the synchronous type, for example `AsyncArray` to `Array`; if None,
        the result is not converted.
    in_thread : callable or None
        Takes the same arguments as `function`, and returns whether the calling thread may run
        `function`; see `sync_opening`. None means never.

    Returns
    -------
    callable
        Runs `function` and waits for the result. `function` runs on the event loop of the process,
        or in the calling thread if `in_thread` allows it. If `function` is decorated with
        `in_two_steps`, the elements are written in the calling thread if possible.
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
    """Return a method of a synchronous class, made from a coroutine method.

    Parameters
    ----------
    function : callable
        The coroutine method of the asynchronous class, not bound to an object.
    to : callable
        Takes the synchronous object, and returns the asynchronous object that it wraps.
    wrap : callable or None
        Converts the result to the synchronous type; if None, the result is not converted.
    in_thread : callable or None
        Takes the synchronous object, and returns whether the calling thread may run the method; see
        `sync_opening`. None means never.

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
    """Return a generator method of a synchronous class, made from an async generator method.

    Parameters
    ----------
    function : callable
        The async generator method of the asynchronous class, not bound to an object.
    to : callable
        Takes the synchronous object, and returns the asynchronous object that it wraps.
    wrap : callable or None
        Converts each item to the synchronous type; if None, the items are not converted.

    Returns
    -------
    callable
        A generator method that first collects all items of `function`, and then yields the items.
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
    """Run a coroutine function and wait. A second step uses the calling thread if possible."""
    if hasattr(function, "_first_step"):
        return finished(begin(function, *args, **kwargs), in_thread=in_thread)
    return sync_opening(function(*args, **kwargs), in_thread=in_thread)


def _dress(twin: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Set `__signature__` and `__module__` of a synchronous function, and return the function."""
    twin.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    # pickle looks a function up by its module and name. So `__module__` has to name the module in
    # which the synchronous function is assigned to a variable.
    twin.__module__ = sys._getframe(2).f_globals["__name__"]
    # If `__wrapped__` were not deleted, `inspect.unwrap` would return the coroutine function. A
    # tool that unwraps functions could then report that the synchronous function is a
    # coroutine function.
    del twin.__wrapped__  # type: ignore[attr-defined]
    return twin
