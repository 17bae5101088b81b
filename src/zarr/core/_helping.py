"""Work of a thread that waits for all of it, shared with the worker pool where that pays."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, ParamSpec

from zarr.core.sync import get_pool

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from types import TracebackType
    from typing import Self

P = ParamSpec("P")

# Asking takes microseconds.
_CPUS = os.cpu_count() or 1


class Helping:
    """Runs jobs in the calling thread, and large ones in the worker pool beside it.

    A large job goes to the pool as long as a processor may be free there; otherwise the thread
    does it itself, so many threads work side by side without a queue. On leaving, every job has
    ended.

    Parameters
    ----------
    workers : int or None
        How many threads work at most, the calling one included; None for one per processor.
    """

    def __init__(self, workers: int | None = None) -> None:
        self._spare = (_CPUS if workers is None else workers) - 1
        self._running: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A thread cannot be interrupted: wait, so that nothing goes on behind the caller's back.
        failed = [ended for ended in (job.exception() for job in self._running) if ended]
        if failed and kind is None:
            raise failed[0]

    def run(
        self, large: bool, job: Callable[P, None], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Run a job, or have it run.

        Parameters
        ----------
        large : bool
            Whether the job is worth a hand-over to another thread.
        job : callable
            Called with the other arguments.

        Raises
        ------
        Exception
            If this job fails here, or an earlier one has failed in the pool.
        """
        while self._running and self._running[0].done():
            self._running.popleft().result()
        if large and len(self._running) < self._spare:
            self._running.append(get_pool().submit(job, *args, **kwargs))
        else:
            job(*args, **kwargs)
