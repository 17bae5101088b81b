"""Format 2 compared with format 3: the same operation on the same values, in one process.

Between two cases, the speed of the machine changes more than the formats differ. Therefore the two
formats alternate here, and which one goes first alternates too. The figure is the median of the
ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench import summary
from bench.task import Task
from bench.workload import Workload, repetitions, timed

TURNS = 11
# Seconds of one turn, in which short operations are repeated, and maximum for all turns together.
TURN_SECONDS, SECONDS = 0.03, 1.5
FEWEST_TURNS = 3
TWIN, DOES = "twin", "does"


def workload(task: Task, operations: Mapping[str, Callable[[Task], Workload]]) -> Workload:
    """Measure an operation in format 2 relative to the same operation in format 3.

    Parameters
    ----------
    task : Task
        Task of format 3; its options contain the task of format 2 and the name of the operation.
    operations : mapping
        Operations of the peer, by name.
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
