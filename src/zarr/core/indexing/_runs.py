"""Runs in index arrays: the start and end of each run, and conversion of runs to slices."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from enum import Enum

import numpy as np
import numpy.typing as npt

from zarr.core.indexing._types import DimSelection


class Order(Enum):
    """Sort order of an index array: increasing, decreasing, unordered or not known."""

    UNKNOWN = 0
    INCREASING = 1
    DECREASING = 2
    UNORDERED = 3

    # Before Python 3.12, `inspect` would show a signature with parameters for creating a new enum
    # class. Set the signature that `inspect` shows since Python 3.12.
    __signature__ = inspect.Signature(
        [inspect.Parameter("values", inspect.Parameter.VAR_POSITIONAL)]
    )

    @staticmethod
    def check(a: npt.NDArray[np.intp]) -> Order:
        """Return whether a one-dimensional array is increasing, decreasing or unordered.

        Returns
        -------
        Order
            ``INCREASING`` if no element is less than its predecessor; this includes arrays of
            length 0 or 1. ``DECREASING`` if every element is less than its predecessor.
            ``UNORDERED`` for all other arrays.
        """
        if bool((a[1:] >= a[:-1]).all()):
            return Order.INCREASING
        if bool((a[1:] < a[:-1]).all()):
            return Order.DECREASING
        return Order.UNORDERED


def sorted_run_ends(
    a: npt.NDArray[np.intp],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the distinct values of a sorted array, and the end of each run of equal values.

    Parameters
    ----------
    a : array of int
        A one-dimensional, sorted array.

    Returns
    -------
    values : array of int
        The distinct values in sorted order.
    run_ends : array of int
        For each value, the position after its last occurrence in `a`.
    """
    if a.size == 0:
        return a, np.zeros(0, dtype=np.intp)
    ends = np.append(np.flatnonzero(a[1:] != a[:-1]) + 1, a.size)
    return a[ends - 1], ends


def run_starts(run_ends: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return the start of each run; every run begins where the previous run ends."""
    return (
        np.concatenate((np.zeros(1, dtype=np.intp), run_ends[:-1])) if run_ends.size else run_ends
    )


def select_runs(
    values: npt.NDArray[np.intp], run_ends: npt.NDArray[np.intp]
) -> Sequence[DimSelection]:
    """Return each run of an index array as a slice if possible, otherwise as an array.

    A run is returned as a slice if its indices have a constant positive step. NumPy copies slices
    faster than single elements, and codecs that decode parts of chunks support slices.

    Parameters
    ----------
    values : array of int
        Non-negative indices.
    run_ends : array of int
        End of each run: the position in `values` after the last index of the run. No run may be
        empty.
    """
    starts = run_starts(run_ends)
    steps = _uniform_steps(values, starts, run_ends).tolist()
    first, last = values[starts].tolist(), values[run_ends - 1].tolist()
    return [
        slice(lo, hi + 1, step) if step else values[start:end]
        for lo, hi, step, start, end in zip(
            first, last, steps, starts.tolist(), run_ends.tolist(), strict=True
        )
    ]


def _uniform_steps(
    values: npt.NDArray[np.intp], starts: npt.NDArray[np.intp], ends: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Return the step of each run of indices.

    The result is 1 for a run of one index. It is 0 if the differences between neighbouring indices
    of the run are unequal, zero or negative.
    """
    steps = np.ones(starts.size, dtype=np.intp)
    longer = np.flatnonzero(ends - starts > 1)
    if longer.size == 0:
        return steps
    between = np.diff(values)
    # ``changes[i]`` is a cumulative count: the number of steps up to ``between[i]`` that differ
    # from the previous step. If the count is the same at the first and the last step of a run, the
    # step of the run is constant.
    changes = np.zeros(between.size, dtype=np.intp)
    np.cumsum(between[1:] != between[:-1], out=changes[1:])
    head, tail = starts[longer], ends[longer] - 2
    uniform = (changes[head] == changes[tail]) & (between[head] > 0)
    steps[longer] = np.where(uniform, between[head], 0)
    return steps


def count_distinct(
    values: npt.NDArray[np.intp], run_ends: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Return the number of distinct indices in each run of a sorted array."""
    first_of_its_kind = np.ones(values.size, dtype=np.intp)
    first_of_its_kind[1:] = values[1:] != values[:-1]
    return np.diff(np.cumsum(first_of_its_kind)[run_ends - 1], prepend=0)
