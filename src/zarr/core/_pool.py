"""The worker pool of a process, for codecs and blocking calls; see `zarr.core.sync.get_pool`."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

# How many pools the running code is inside of, counted along from a worker to the coroutines that
# it waits for.
pool_depth: ContextVar[int] = ContextVar("zarr_pool_depth", default=0)


class Pool(ThreadPoolExecutor):
    """A worker pool that goes on in the calling thread once the interpreter starts no more jobs.

    That is so as soon as the main thread has ended, though other threads may go on for long, and
    in functions that `atexit` calls. Jobs run in the context of whoever submits them, so that they
    see its context variables; NumPy keeps `numpy.errstate` in one.

    Parameters
    ----------
    name : str
        How its threads are called.
    max_workers : int or None
        How many they are; None for the choice of `concurrent.futures.ThreadPoolExecutor`.
    depth : int or None
        How many pools a job is inside of; None for as many as whoever submits it.
    """

    def __init__(self, name: str, max_workers: int | None = None, depth: int | None = None) -> None:
        super().__init__(max_workers, thread_name_prefix=name)
        self._depth = depth

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        # docstring inherited
        context = copy_context()
        if self._depth is not None:
            context.run(pool_depth.set, self._depth)
        run: Callable[..., T] = context.run
        try:
            return super().submit(run, function, *args, **kwargs)
        except RuntimeError:
            if threading.main_thread().is_alive():
                raise
        done: Future[T] = Future()
        try:
            done.set_result(function(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done
