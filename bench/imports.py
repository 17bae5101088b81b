"""How long it takes to import a package, over what numpy takes.

A package may put off its work until a name of it is used; so there is a figure with a use as well.
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
    """Return how long a new interpreter takes to run code."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
    return time.perf_counter() - started


def workload(task: Task) -> Workload:
    """Measure interpreters that import numpy alone, and numpy and the package, in turns."""
    module, settings = task.worker
    chosen = json.loads(settings)
    if chosen.get("config") and not chosen.get("imports"):
        raise Unsupported("the package is that of another peer")
    package = module.removesuffix("_api")
    names = ["numpy", *chosen.get("imports", ()), package]
    code = f"import {', '.join(names)}"
    if task.options["use"]:
        code += f"; {package}.{OPENERS[package]}"

    def run() -> float:
        pairs = [(seconds(code), seconds("import numpy")) for _ in range(PAIRS)]
        # The least of each: what else is going on only ever adds to it.
        return min(first for first, _ in pairs) - min(second for _, second in pairs)

    return Workload(run, is_measure=True)
