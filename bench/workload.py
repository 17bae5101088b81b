"""One piece of work that a peer has prepared, and how it is timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class Unsupported(Exception):
    """A peer cannot do a case; the message says why."""


class WrongResult(Exception):
    """A peer did a case, and the values are not the expected ones."""


def nothing(*_: Any) -> None:
    """Do nothing."""


@dataclass
class Workload:
    """Work that can be done again and again.

    Parameters
    ----------
    run : callable
        Does the work, all of it and nothing else.
    check : callable
        Takes what `run` returned; raises `WrongResult`.
    before : callable
        Brings about what a run needs; not timed.
    close : callable
        Lets go of what has been prepared.
    is_measure : bool
        Whether `run` returns the figure itself, which is then not its duration.
    """

    run: Callable[[], Any]
    check: Callable[[Any], None] = nothing
    before: Callable[[], object] = nothing
    close: Callable[[], None] = nothing
    is_measure: bool = False


def timed(work: Workload, number: int) -> float:
    """Return the figure of a workload: seconds for a run, as the mean of several ones."""
    total = 0.0
    for _ in range(number):
        work.before()
        started = time.perf_counter()
        result = work.run()
        total += float(result) if work.is_measure else time.perf_counter() - started
        del result
    return total / number


def repetitions(work: Workload, seconds: float, wanted: float) -> int:
    """Return how many runs of so many seconds each fill the wanted seconds, at least one."""
    if work.is_measure:
        return 1
    return max(1, min(10_000, int(wanted / max(seconds, 1e-6))))
