"""Format 2 beside format 3: the same work on the same values, in one process and in turn.

Cases that run one after the other differ by more than the formats do, as the machine does. Here
both take turns, the first one in turn, and the figure is the median of the ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench import summary
from bench.task import Task
from bench.workload import Workload, repetitions, timed

TURNS = 11
# What one turn fills by doing again what is quicker, and all of them together at most.
TURN_SECONDS, SECONDS = 0.03, 1.5
FEWEST_TURNS = 3
TWIN, DOES = "twin", "does"


def workload(task: Task, operations: Mapping[str, Callable[[Task], Workload]]) -> Workload:
    """Measure an operation of a peer on a dataset in format 2 over that on its twin.

    Parameters
    ----------
    task : Task
        That of format 3; its options hold the one of format 2 and the name of the operation.
    operations : mapping
        Those of the peer.
    """
    operation = operations[task.options[DOES]]
    new, old = (operation(each) for each in (task, Task.from_json(task.options[TWIN])))
    for work in (new, old):
        work.before()
        work.check(work.run())
    seconds = max(timed(work, 1) for work in (new, old))
    number = repetitions(new, seconds, TURN_SECONDS)
    turns = int(SECONDS / (2 * number * max(seconds, 1e-6)))
    turns = max(FEWEST_TURNS, min(TURNS, turns))

    def run() -> float:
        ratios = []
        for turn in range(turns):
            if turn % 2:
                after = timed(old, number)
                ratios.append(after / timed(new, number))
            else:
                before = timed(new, number)
                ratios.append(timed(old, number) / before)
        return summary.median(ratios)

    def close() -> None:
        new.close()
        old.close()

    return Workload(run, close=close, is_measure=True)
