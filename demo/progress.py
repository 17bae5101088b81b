"""A progress line on a terminal; nothing is shown if the output is not a terminal."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

FIRST_AFTER, EVERY = 2.0, 0.25
START_OF_EMPTY_LINE = "\r\x1b[K"


@contextlib.contextmanager
def progress(
    describe: Callable[[], str], stream: TextIO | None = None, *, first_after: float = FIRST_AFTER
) -> Iterator[None]:
    """Show a line that changes while a block runs, and remove it at the end.

    Parameters
    ----------
    describe : callable
        Returns the text of the line. It is called in another thread.
    stream : file or None
        Stream for the line; None for standard error. If it is not a terminal, nothing is written.
    first_after : float
        Seconds until the line first appears. No line is shown for a block that ends earlier.
    """
    shown_on = sys.stderr if stream is None else stream
    if not shown_on.isatty():
        yield
        return
    began = time.monotonic()
    done = threading.Event()

    def show() -> None:
        wait = first_after
        while not done.wait(wait):
            wait = EVERY
            seconds = time.monotonic() - began
            shown_on.write(f"{START_OF_EMPTY_LINE}  {seconds:.0f} s: {describe()}")
            shown_on.flush()

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        shown_on.write(START_OF_EMPTY_LINE)
        shown_on.flush()
