"""How long it takes to import a package, minus the time to import numpy.

A package may delay its imports until one of its names is used. Therefore a second case,
`import-use`, also looks up the function that opens an array, but does not call it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

from bench.task import Task
from bench.workload import Unsupported, Workload

PAIRS = 2
OPENERS = {"zarr": "open_array", "tensorstore": "open"}


def seconds(code: str) -> float:
    """Return the seconds that a new interpreter takes to run some code."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
    return time.perf_counter() - started


def workload(task: Task) -> Workload:
    """Return a workload that measures the import time of a package, minus that of numpy."""
    module, settings = task.worker
    chosen = json.loads(settings)
    if chosen.get("config") and not chosen.get("imports"):
        raise Unsupported("this peer imports the same package as another peer")
    package = module.removesuffix("_api")
    names = ["numpy", *chosen.get("imports", ()), package]
    code = f"import {', '.join(names)}"
    if task.options["use"]:
        code += f"; {package}.{OPENERS[package]}"

    def run() -> float:
        pairs = [(seconds(code), seconds("import numpy")) for _ in range(PAIRS)]
        # Take the minimum time with the package, and the minimum time without it, because other
        # activity of the machine only adds time.
        return min(first for first, _ in pairs) - min(second for _, second in pairs)

    return Workload(run, is_measure=True)
