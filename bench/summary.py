"""Middle, spread and ratios of figures."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def median(figures: Sequence[float]) -> float:
    """Return the middle one."""
    return statistics.median(figures)


def spread(figures: Sequence[float]) -> float:
    """Return how far the middle half of figures reaches, over the middle one.

    For fewer than four figures all of them count. 0 where there is no middle to compare with.
    """
    middle = statistics.median(figures)
    if len(figures) < 2 or not middle:
        return 0.0
    if len(figures) < 4:
        low, high = min(figures), max(figures)
    else:
        low, _, high = statistics.quantiles(figures, n=4, method="inclusive")
    return (high - low) / abs(middle)


def ratio(figures: Sequence[float], to: Sequence[float]) -> float:
    """Return the middle one of the ratios of figures taken in the same rounds.

    What slows down a whole round cancels. NaN where a ratio says nothing, as between numbers
    that are not positive.
    """
    pairs = [(a, b) for a, b in zip(figures, to) if a > 0 and b > 0]
    return statistics.median(a / b for a, b in pairs) if pairs else math.nan


def geometric_mean(ratios: Sequence[float]) -> float:
    """Return the mean of ratios, as such; NaN for none."""
    known = [ratio for ratio in ratios if ratio > 0]
    return statistics.geometric_mean(known) if known else math.nan
