"""The machine on which the figures were measured, and how steady its speed was."""

from __future__ import annotations

import datetime
import os
import platform
import time
from pathlib import Path
from typing import Any


def describe() -> dict[str, Any]:
    """Return processor, number of cores, system, Python version and date, but no host name."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def processor() -> str:
    """Return the model of the processor."""
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def load() -> float | None:
    """Return the load average of the last minute: the mean number of runnable processes."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def calibrate() -> float:
    """Return the run time of a fixed loop in seconds, as a measure of the machine's speed."""
    started = time.perf_counter()
    total = 0
    for number in range(200_000):
        total += number * number % 7
    return time.perf_counter() - started
