"""Retries of failed requests, and an adaptive concurrency limit for overloaded servers."""

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

_MAX_EXPONENT = 1000  # a power of two with a larger exponent may overflow a float


@dataclass(frozen=True, slots=True)
class Transient:
    """A transient failure.

    Parameters
    ----------
    is_overload : bool
        Whether the server asks for fewer requests (HTTP status 429 or 503, or an equivalent).
    retry_after : float or None
        Time in seconds that the server asks the client to wait before a retry; at least 0
        (``Retry-After``, RFC 9110, section 10.2.3). None if the server does not send this header.
    """

    is_overload: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of retries of a request, and the delays before them.

    Parameters
    ----------
    max_retries : int
        Maximum number of retries after the first attempt; 0 for none.
    base_seconds : float
        Upper bound of the random delay before the first retry, in seconds. The upper bound doubles
        with each retry.
    max_seconds : float
        Largest random delay before any retry, in seconds.
    max_retry_after_seconds : float
        Maximum ``Retry-After`` time, in seconds. If a server asks for a longer time, this maximum
        is used.

    Raises
    ------
    ValueError
        If a parameter is negative, or if a time is not finite.
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
        """Return the delay before a retry, in seconds.

        The delay is a uniform random number between 0 and a bound that grows exponentially
        ("exponential backoff with full jitter"). Therefore, if the requests of several clients
        fail at the same time, the clients retry at different times. If the server sends
        ``Retry-After``, the delay is the sum of the ``Retry-After`` time and the random number.

        Parameters
        ----------
        attempt : int
            Number of earlier retries of the request; 0 before the first retry.
        transient : Transient
            The failure.
        uniform : callable
            Draws a random number between two bounds.

        Returns
        -------
        float
            Delay in seconds, from 0 to ``max_retry_after_seconds + max_seconds``.
        """
        most = min(self.max_seconds, self.base_seconds * 2.0 ** min(attempt, _MAX_EXPONENT))
        jitter = uniform(0.0, most)
        if transient.retry_after is None:
            return jitter
        return min(transient.retry_after, self.max_retry_after_seconds) + jitter


class AdaptiveLimit:
    """Adaptive limit on the requests in flight to a server that may be overloaded.

    The limit follows TCP congestion avoidance (RFC 5681, section 3.1): additive increase,
    multiplicative decrease (AIMD). Initially there is no limit. The limit is halved each time the
    server reports an overload. If the limit is N, it grows by about one after N successful
    requests. Once the limit has grown to the largest `maximum` that was passed to `allowed`, there
    is no limit any more.

    An instance belongs to one event loop. The methods take constant time. While there is no limit,
    the methods take almost no time.
    """

    __slots__ = ("_generation", "_limit", "_maximum")

    def __init__(self) -> None:
        self._limit: float | None = None
        self._maximum = 1  # largest maximum passed so far; used only while there is a limit
        self._generation = 0

    def allowed(self, maximum: int) -> int:
        """Return how many requests may be in flight.

        Parameters
        ----------
        maximum : int
            Upper bound of the result, at least 1. Each call may pass a different upper bound.

        Returns
        -------
        int
            Number of requests, from 1 to `maximum`.
        """
        if self._limit is None:
            return maximum
        if maximum > self._maximum:
            self._maximum = maximum
        return min(maximum, int(self._limit))

    def began(self) -> int:
        """Return a token for a request that starts now; `overloaded` takes this token as `mark`."""
        return self._generation

    def overloaded(self, mark: int, maximum: int) -> None:
        """Halve the limit, because the server reported an overload.

        A call has no effect if the request started before the limit was last halved. The failure of
        such a request does not show that the present limit is too high.

        Parameters
        ----------
        mark : int
            The result of `began` for the request that the server refused.
        maximum : int
            Upper bound of the number of requests in flight, at least 1; see `allowed`.
        """
        if mark != self._generation:
            return
        self._generation += 1
        before = self.allowed(maximum)
        if self._limit is None:
            self._maximum = maximum
        self._limit = max(1.0, before / 2)

    def succeeded(self) -> None:
        """Increase the limit, because a request has been answered."""
        limit = self._limit
        if limit is None:
            return
        limit += 1 / limit
        self._limit = limit if limit < self._maximum else None
