"""Measure the peak memory of a read, excluding its result.

    python -P -m bench.memory MODULE SETTINGS PATH KIND

This command reads an array in a new process, so that no earlier work affects the peak. It
subtracts two numbers from the peak memory of the process, and prints the difference in bytes. The
two numbers are the memory in use before the read, and the size of the result.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from bench import values
from bench.peers import load
from bench.task import Task
from bench.workload import Workload, WrongResult

TIMEOUT = 300.0
STATUS = Path("/proc/self/status")


def resident(name: str) -> int:
    """Return bytes of resident memory: the current value for ``VmRSS``, the peak for ``VmHWM``."""
    if STATUS.exists():
        found = re.search(rf"^{name}:\s+(\d+) kB", STATUS.read_text(), re.M)
        if found is not None:
            return 1024 * int(found[1])
    import resource  # not available on all platforms

    # In kB, but in bytes on macOS. Without /proc, the peak is returned for both names.
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(path: str, kind: str) -> int:
    """Return the peak memory of reading an array, in bytes, excluding the result."""
    import zarr

    array = zarr.open_array(path, mode="r")
    array[tuple(slice(1) for _ in array.shape)]  # the first read imports further modules
    before = resident("VmRSS")
    result = np.asarray(array[...])
    above = resident("VmHWM") - before - result.nbytes
    step = max(1, (16 << 20) // (result.nbytes // result.shape[0]))
    for start in range(0, result.shape[0], step):
        stop = min(start + step, result.shape[0])
        values.check_equal(result[start:stop], values.make(kind, result.shape, start, stop))
    return above


def workload(task: Task) -> Workload:
    """Measure each run in a new process."""
    arguments = [*task.worker, task.path(), task.dataset.values]

    def run() -> float:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "bench.memory", *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise WrongResult(done.stderr.strip().rpartition("\n")[2])
        return float(json.loads(done.stdout))

    return Workload(run, is_measure=True)


if __name__ == "__main__":
    load(sys.argv[1], sys.argv[2])
    sys.stdout.write(json.dumps(measure(sys.argv[3], sys.argv[4])))
