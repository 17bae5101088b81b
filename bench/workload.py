"""A prepared operation of a peer, and its timing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class Unsupported(Exception):
    """A peer cannot run a case; the message gives the reason."""


class WrongResult(Exception):
    """A peer ran a case, and the result is not as expected."""


def nothing(*_: Any) -> None:
    """Do nothing."""


@dataclass
class Workload:
    """An operation that can be repeated.

    Parameters
    ----------
    run : callable
        Performs the whole operation and nothing else.
    check : callable
        Called with the result of `run`; raises `WrongResult` if the result is wrong.
    before : callable
        Called before each run to set it up; not timed.
    close : callable
        Releases the resources of the operation.
    is_measure : bool
        Whether `run` returns the figure itself; otherwise the figure is the duration of `run`.
    """

    run: Callable[[], Any]
    check: Callable[[Any], None] = nothing
    before: Callable[[], object] = nothing
    close: Callable[[], None] = nothing
    is_measure: bool = False


def timed(work: Workload, number: int) -> float:
    """Return the figure of a workload: the mean of several runs, usually in seconds."""
    total = 0.0
    for _ in range(number):
        work.before()
        started = time.perf_counter()
        result = work.run()
        total += float(result) if work.is_measure else time.perf_counter() - started
        del result
    return total / number


def repetitions(work: Workload, seconds: float, wanted: float) -> int:
    """Return how many runs of `seconds` seconds fit into `wanted` seconds, but at least 1."""
    if work.is_measure:
        return 1
    return max(1, min(10_000, int(wanted / max(seconds, 1e-6))))
