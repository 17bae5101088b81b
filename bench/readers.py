"""Many concurrent readers: threads of one process, or separate processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from bench.task import Task
from bench.values import check_equal
from bench.workers import Worker
from bench.workload import Unsupported, Workload

TIMEOUT = 120.0


def in_threads(
    task: Task, reads: Sequence[Callable[[], Any]], closes: Sequence[Callable[[], None]] = ()
) -> Workload:
    """Run all reads concurrently, each in its own thread, and wait for all of them."""
    pool = ThreadPoolExecutor(len(reads))

    def run() -> list[Any]:
        running = [pool.submit(read) for read in reads]
        return [future.result() for future in running]

    def check(results: list[Any]) -> None:
        expected = task.expected()
        for result in results:
            check_equal(result, expected)

    def close() -> None:
        pool.shutdown()
        for ending in closes:
            ending()

    return Workload(run, check, close=close)


def parts_in_threads(task: Task, read: Callable[[slice], Any]) -> Workload:
    """Read equal parts of a one-dimensional array, each in its own thread."""
    count, size = task.options["threads"], task.dataset.shape[0]
    parts = [slice(i * size // count, (i + 1) * size // count) for i in range(count)]
    pool = ThreadPoolExecutor(count)

    def check(results: Sequence[Any]) -> None:
        expected = task.expected()
        for result, part in zip(results, parts):
            check_equal(result, expected[part])

    return Workload(lambda: list(pool.map(read, parts)), check, close=pool.shutdown)


def in_processes(task: Task) -> Workload:
    """Read several arrays, each in a separate process that has already opened the array."""
    command = [sys.executable, "-P", "-m", "bench.worker", *task.worker]
    children = [Worker(command) for _ in range(task.options["readers"])]

    def close() -> None:
        for child in children:
            child.close()

    def collect() -> None:
        for child in children:
            answer = child.receive(TIMEOUT)
            if "figure" not in answer and "seconds" not in answer:
                raise Unsupported(str(answer))

    def run() -> None:
        for child in children:
            child.send({"run": "at once"})
        collect()

    try:
        for copy, child in enumerate(children):
            own = replace(task, operation="read", options={"copy": copy})
            child.send({"prepare": own.to_json(), "fill": 0})
        collect()
    except BaseException:
        close()
        raise
    return Workload(run, close=close)
