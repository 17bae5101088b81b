"""Runs of sorted indices: where each chunk's share begins and ends, and which are slices."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from enum import Enum

import numpy as np
import numpy.typing as npt

from zarr.core.indexing._types import DimSelection


class Order(Enum):
    """How the elements of an index array are ordered."""

    UNKNOWN = 0
    INCREASING = 1
    DECREASING = 2
    UNORDERED = 3

    # What `inspect` shows from Python 3.12 on; before, it shows the functional API of `enum`.
    __signature__ = inspect.Signature(
        [inspect.Parameter("values", inspect.Parameter.VAR_POSITIONAL)]
    )

    @staticmethod
    def check(a: npt.NDArray[np.intp]) -> Order:
        """Return the order of a one-dimensional array.

        Returns
        -------
        Order
            ``INCREASING`` if no element is less than the one before, which holds for up to one
            element; ``DECREASING`` if each is less than the one before; else ``UNORDERED``.
        """
        if bool((a[1:] >= a[:-1]).all()):
            return Order.INCREASING
        if bool((a[1:] < a[:-1]).all()):
            return Order.DECREASING
        return Order.UNORDERED


def sorted_run_ends(
    a: npt.NDArray[np.intp],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the distinct values of a sorted array and where the run of each ends.

    Parameters
    ----------
    a : array of int
        One-dimensional and sorted.

    Returns
    -------
    values : array of int
        Distinct values in order.
    run_ends : array of int
        For each the position one past its last occurrence.
    """
    if a.size == 0:
        return a, np.zeros(0, dtype=np.intp)
    ends = np.append(np.flatnonzero(a[1:] != a[:-1]) + 1, a.size)
    return a[ends - 1], ends


def run_starts(run_ends: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return where runs begin that follow each other without gap."""
    return (
        np.concatenate((np.zeros(1, dtype=np.intp), run_ends[:-1])) if run_ends.size else run_ends
    )


def select_runs(
    values: npt.NDArray[np.intp], run_ends: npt.NDArray[np.intp]
) -> Sequence[DimSelection]:
    """Return each run of an index array, as a slice where its indices grow by the same step.

    Slices are copied without looking at single elements, and codecs that read parts of chunks
    understand them.

    Parameters
    ----------
    values : array of int
        Indices, none negative.
    run_ends : array of int
        Where each run ends; none is empty.
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
    """Return the step of each run: 1 for a single index, 0 where steps differ or are not positive."""
    steps = np.ones(starts.size, dtype=np.intp)
    longer = np.flatnonzero(ends - starts > 1)
    if longer.size == 0:
        return steps
    between = np.diff(values)
    # How often the step changed so far; the same number at both ends of a run means never within it.
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
