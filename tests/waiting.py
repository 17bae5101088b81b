"""Waiting for what happens, so that no verdict depends on how fast the machine is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

# How many seconds a test waits at most for what has to happen. Where it does, none waits so long.
PATIENCE = 120.0


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for a condition, which is never to be waited for in vain."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


async def steps(count: int = 100) -> None:
    """Let the running event loop take so many steps, with whatever else is ready in each."""
    for _ in range(count):
        await asyncio.sleep(0)


@contextmanager
def time_out_once(condition: Callable[[], object]) -> Iterator[None]:
    """Let a limit of time be over for who waits in `zarr.core.sync` once a condition holds.

    Until then no time passes there, so what is to be given up has begun by then. And those who give
    up wait for the end of what they began as long as it takes.
    """
    import pytest  # not for programs that only wait

    now = 0.0

    def monotonic() -> float:
        nonlocal now
        now += 1e6 if condition() else 0.0
        return now

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zarr.core.sync.time", SimpleNamespace(monotonic=monotonic))
        patch.setattr("zarr.core.sync._MOMENT", PATIENCE)
        yield
