"""What every fuzz test holds to: a value or a clear error that names the key, in bounded time and memory."""

from __future__ import annotations

import resource
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import settings

from zarr.errors import BaseZarrError

SECONDS = 5.0  # processor time of one case
NBYTES = 1 << 30  # address space that one case may add

# Errors a user can act on. A KeyError, an IndexError, an AttributeError, a RecursionError or a
# MemoryError says that the bytes were believed before they were checked.
CLEAR_ERRORS = (ValueError, TypeError, RuntimeError, OSError, BaseZarrError, zipfile.BadZipFile)
UNCLEAR_ERRORS = (RecursionError,)

# Bounded: a case may decode, list or open many things. The nightly profile runs them at length.
NIGHTLY = settings.get_current_profile_name() == "nightly"
BOUNDED = settings(
    max_examples=settings().max_examples if NIGHTLY else min(settings().max_examples, 15),
    derandomize=not NIGHTLY,  # the suite says what a change broke, new cases are drawn each night
)


class Outcome:
    """What a guarded call returned, or the error that it raised.

    Attributes
    ----------
    value : Any
        What was returned; None after an error.
    error : Exception or None
        What was raised; None after a return.
    """

    def __init__(self, value: Any = None, error: Exception | None = None) -> None:
        self.value = value
        self.error = error


def guarded(call: Callable[[], Any], *names: str) -> Outcome:
    """Run a call that meets damaged bytes, and check how it ends.

    Parameters
    ----------
    call : callable
        Takes nothing.
    *names : str
        Strings, such as the key, that an error has to contain in its message, its notes, or those
        of its causes.

    Returns
    -------
    Outcome
        What was returned or raised.

    Raises
    ------
    AssertionError
        If the call took over `SECONDS` of processor time, raised an error of an unclear type, or
        an error without the names. A `MemoryError` means that it wanted more than `NBYTES`.
    """
    outcome = Outcome()
    start = time.process_time()
    with _limited_memory():
        try:
            outcome.value = call()
        except CLEAR_ERRORS as error:
            outcome.error = error
    spent = time.process_time() - start
    assert spent <= SECONDS, f"took {spent:.1f} s of processor time"
    if outcome.error is not None:
        assert not isinstance(outcome.error, UNCLEAR_ERRORS), repr(outcome.error)
        said = text_of(outcome.error)
        missing = [name for name in names if name not in said]
        assert not missing, f"{missing} not in {said!r}"
    return outcome


def text_of(error: BaseException | None) -> str:
    """Return the messages and notes of an error and its causes, one a line."""
    lines = []
    while error is not None:
        lines += [str(error), *getattr(error, "__notes__", [])]
        error = error.__cause__
    return "\n".join(lines)


@contextmanager
def _limited_memory() -> Iterator[None]:
    """Limit the address space that the process may add, where the system can."""
    if sys.platform != "linux":
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + NBYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
