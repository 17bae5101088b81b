"""Synchronous functions and methods made from asynchronous ones.

The asynchronous function is written; its synchronous twin keeps the name, parameters, defaults
and docstring, and differs in that it waits. `inspect.signature` of the twin shows the same
parameters, without the coroutine.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from functools import wraps
from typing import Any, ParamSpec, TypeVar, overload

from zarr.core.sync import collect_aiterator, sync_opening

P = ParamSpec("P")
A = TypeVar("A")
S = TypeVar("S")


@overload
def sync_twin(function: Callable[P, Coroutine[Any, Any, A]], /) -> Callable[P, A]: ...


@overload
def sync_twin(
    function: Callable[P, Coroutine[Any, Any, A]],
    /,
    *,
    wrap: Callable[[A], S],
    at_once: Callable[..., bool] | None = None,
) -> Callable[P, S]: ...


def sync_twin(
    function: Callable[P, Coroutine[Any, Any, Any]],
    /,
    *,
    wrap: Callable[[Any], Any] | None = None,
    at_once: Callable[..., bool] | None = None,
) -> Callable[P, Any]:
    """Make the synchronous twin of a coroutine function.

    Parameters
    ----------
    function : callable
        The coroutine function.
    wrap : callable or None
        Turns its result into the synchronous type, `AsyncArray` into `Array` say; None returns
        the result as it is.
    at_once : callable or None
        Tells of the same arguments whether the calling thread may run it, see `sync_opening`; None
        for never.

    Returns
    -------
    callable
        Runs `function` on the event loop of the process and waits for the result.
    """

    @wraps(function)
    def twin(*args: P.args, **kwargs: P.kwargs) -> Any:
        here = at_once is not None and at_once(*args, **kwargs)
        result = sync_opening(function(*args, **kwargs), at_once=here)
        return result if wrap is None else wrap(result)

    return _dress(twin, function)


def sync_method(
    function: Callable[..., Coroutine[Any, Any, Any]],
    /,
    *,
    to: Callable[[Any], Any],
    wrap: Callable[[Any], Any] | None = None,
    at_once: Callable[[Any], bool] | None = None,
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
    at_once : callable or None
        Tells of the synchronous object whether the calling thread may run it, see `sync_opening`;
        None for never.

    Returns
    -------
    callable
        A method with the same parameters, which waits for the result.
    """

    @wraps(function)
    def twin(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        here = at_once is not None and at_once(self)
        result = sync_opening(function(to(self), *args, **kwargs), at_once=here)
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


def _dress(twin: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a twin the signature of its original and the module that defines it."""
    twin.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    # The twin is picklable only under the module that binds its name, and so is its class.
    twin.__module__ = sys._getframe(2).f_globals["__name__"]
    # inspect would follow __wrapped__ and call the twin a coroutine function.
    del twin.__wrapped__  # type: ignore[attr-defined]
    return twin
