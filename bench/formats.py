"""Format 2 compared with format 3: the same operation on the same values, in one process.

From one case to the next, the speed of the machine can change by more than the difference between
the formats. Therefore each turn measures both formats. The order of these two measurements
alternates from turn to turn. The figure is the median of the ratios of all turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench import summary
from bench.task import Task
from bench.workload import Workload, repetitions, timed

TURNS = 11
# In each turn, the operation is repeated for about `TURN_SECONDS` seconds per format, but runs at
# least once. All turns together take at most about `SECONDS` seconds, unless `FEWEST_TURNS` turns
# take longer.
TURN_SECONDS, SECONDS = 0.03, 1.5
FEWEST_TURNS = 3
TWIN, DOES = "twin", "does"


def workload(task: Task, operations: Mapping[str, Callable[[Task], Workload]]) -> Workload:
    """Measure an operation in format 2 relative to the same operation in format 3.

    Parameters
    ----------
    task : Task
        Task for format 3. Its options contain the task for format 2, and the name of the operation
        that is measured in both formats.
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
