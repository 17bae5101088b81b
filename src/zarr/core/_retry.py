"""When a failed request is made again, and how many run at once where a server has too many."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_RETRIES = 3
BASE_SECONDS = 0.1
MAX_SECONDS = 10.0
MAX_RETRY_AFTER_SECONDS = 60.0

_MAX_EXPONENT = 1000  # the largest powers of two are no floats


@dataclass(frozen=True, slots=True)
class Transient:
    """What is known of a failure that may go away.

    Parameters
    ----------
    is_overload : bool
        Whether the server asks for fewer requests (status 429 or 503, or what stands for them).
    retry_after : float or None
        Seconds that the server asks to wait for (``Retry-After``, RFC 9110, section 10.2.3), not
        negative; None where it does not say.
    """

    is_overload: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is made again, and after which delays.

    Parameters
    ----------
    max_retries : int
        How often a request is made again after the first attempt; 0 for never.
    base_seconds : float
        Upper bound of the delay before the first retry, in seconds. It doubles with each.
    max_seconds : float
        What it grows to, in seconds.
    max_retry_after_seconds : float
        The longest time in seconds that a server's ``Retry-After`` is followed for.

    Raises
    ------
    ValueError
        If a number is negative, or a time not finite.
    """

    max_retries: int = MAX_RETRIES
    base_seconds: float = BASE_SECONDS
    max_seconds: float = MAX_SECONDS
    max_retry_after_seconds: float = MAX_RETRY_AFTER_SECONDS

    def __post_init__(self) -> None:
        if self.max_retries < 0:
            raise ValueError(f"max_retries must not be negative: {self.max_retries}")
        for name in ("base_seconds", "max_seconds", "max_retry_after_seconds"):
            seconds = getattr(self, name)
            if not (math.isfinite(seconds) and seconds >= 0):
                raise ValueError(f"{name} must be finite and not negative: {seconds}")

    def delay(
        self,
        attempt: int,
        transient: Transient,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> float:
        """Return how long to wait before a retry.

        The delay is drawn from all times up to a bound that grows exponentially ("exponential
        backoff with full jitter"), so that clients that failed together do not come back together.
        Where the server says how long to wait, it is that much longer, for the same reason.

        Parameters
        ----------
        attempt : int
            How many retries of the request there have been, 0 before the first.
        transient : Transient
            The failure.
        uniform : callable
            Draws a number between two others.

        Returns
        -------
        float
            Seconds, from 0 to ``max_retry_after_seconds + max_seconds``.
        """
        most = min(self.max_seconds, self.base_seconds * 2.0 ** min(attempt, _MAX_EXPONENT))
        jitter = uniform(0.0, most)
        if transient.retry_after is None:
            return jitter
        return min(transient.retry_after, self.max_retry_after_seconds) + jitter


class AdaptiveLimit:
    """How many requests may be in flight to a server that may have too many of them.

    The limit is that of TCP's congestion avoidance (RFC 5681, section 3.1): additive increase,
    multiplicative decrease (AIMD). It is halved when the server says that it is overloaded, and
    grows by about one each time as many requests as it allows have succeeded, until it has reached
    the largest maximum that it was asked about. Then, as in the beginning, there is none.

    An instance belongs to one event loop. Its methods take constant time, and next to none where
    there is no limit.
    """

    __slots__ = ("_generation", "_limit", "_maximum")

    def __init__(self) -> None:
        self._limit: float | None = None
        self._maximum = 1  # the largest one seen; only of meaning where there is a limit
        self._generation = 0

    def allowed(self, maximum: int) -> int:
        """Return how many requests may be in flight.

        Parameters
        ----------
        maximum : int
            How many may be in any case, at least 1. It may differ from call to call.

        Returns
        -------
        int
            From 1 to `maximum`.
        """
        if self._limit is None:
            return maximum
        if maximum > self._maximum:
            self._maximum = maximum
        return min(maximum, int(self._limit))

    def began(self) -> int:
        """Return a mark for a request that starts now, to hand to `overloaded`."""
        return self._generation

    def overloaded(self, mark: int, maximum: int) -> None:
        """Halve the limit, since the server said that it had too many requests.

        All requests that were in flight when the limit was last halved had been started under the
        one before, so they say nothing of the present one, and do not count.

        Parameters
        ----------
        mark : int
            What `began` returned for the request that was refused.
        maximum : int
            How many requests may be in flight in any case, at least 1; see `allowed`.
        """
        if mark != self._generation:
            return
        self._generation += 1
        before = self.allowed(maximum)
        if self._limit is None:
            self._maximum = maximum
        self._limit = max(1.0, before / 2)

    def succeeded(self) -> None:
        """Let the limit grow, since a request has been answered."""
        limit = self._limit
        if limit is None:
            return
        limit += 1 / limit
        self._limit = limit if limit < self._maximum else None
