"""Median, interquartile range (IQR) and ratios of figures."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def median(figures: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(figures)


def relative_iqr(figures: Sequence[float]) -> float:
    """Return the interquartile range (IQR), divided by the median.

    For two or three figures, the result is the whole range divided by the median. The result is 0
    if there is only one figure, or if the median is 0.
    """
    center = statistics.median(figures)
    if len(figures) < 2 or not center:
        return 0.0
    if len(figures) < 4:
        low, high = min(figures), max(figures)
    else:
        low, _, high = statistics.quantiles(figures, n=4, method="inclusive")
    return (high - low) / abs(center)


def ratio(figures: Sequence[float], to: Sequence[float]) -> float:
    """Return the median of the ratios of `figures` to `to`, with one ratio per round.

    A disturbance that slows down a whole round cancels out in the ratio. If a figure of a round is
    not positive, the round is ignored. The result is NaN if no round remains.
    """
    pairs = [(a, b) for a, b in zip(figures, to) if a > 0 and b > 0]
    return statistics.median(a / b for a, b in pairs) if pairs else math.nan


def geometric_mean(ratios: Sequence[float]) -> float:
    """Return the geometric mean of the positive ratios; NaN if there are none."""
    known = [ratio for ratio in ratios if ratio > 0]
    return statistics.geometric_mean(known) if known else math.nan
