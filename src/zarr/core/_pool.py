"""Worker pools for codecs and blocking calls; see `zarr.core.sync.get_pool`."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

# Nesting depth of the running code. The depth is 0 outside of the pools that `get_pool` returns.
# For each depth, `get_pool` returns a different pool. If code at depth n submits a job to its pool,
# the job runs at depth n + 1. A `Pool` with `depth=None` runs its jobs at the depth of the code
# that submits them. If a worker waits for a coroutine, the coroutine inherits the depth of the
# worker.
pool_depth: ContextVar[int] = ContextVar("zarr_pool_depth", default=0)


class Pool(ThreadPoolExecutor):
    """A worker pool that runs jobs in the calling thread if the interpreter refuses new jobs.

    The interpreter refuses new jobs after the main thread has ended. Other threads and functions
    registered with `atexit` may still run at that time. A job runs in a copy of the context of its
    submitter, so it sees the same context variables. For example, NumPy stores `numpy.errstate` in
    a context variable.

    Parameters
    ----------
    name : str
        Prefix of the names of the threads.
    max_workers : int or None
        Maximum number of threads; None for the default of `concurrent.futures.ThreadPoolExecutor`.
    depth : int or None
        Nesting depth (see `pool_depth`) at which jobs run; None for the depth of the submitter.
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
