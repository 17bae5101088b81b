"""The elements that are stored, and with which results are compared; made with numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bench.workload import WrongResult

AnyValues = npt.NDArray[Any]


def make(kind: str, shape: tuple[int, ...], start: int = 0, stop: int | None = None) -> AnyValues:
    """Return the rows `start` to `stop` (None for the end) of a float32 array of a given shape.

    The kinds are ``smooth``, a smooth function with a little noise, for two dimensions only;
    ``ramp``, the position of each element in C order; and ``pattern``, which compresses well.
    """
    rows = range(shape[0])[start:stop]
    if kind == "smooth":
        y, x = (np.linspace(0, 20, n, dtype="f4") for n in shape)
        noise = np.random.default_rng(0).normal(0, 0.1, shape)
        return (100 * np.cos(y)[:, None] * np.sin(x) + noise).astype("f4")[start:stop]
    per_row = int(np.prod(shape[1:], dtype=int))
    numbers = np.arange(rows.start * per_row, rows.stop * per_row)
    if kind == "pattern":
        numbers = numbers % 1000 + numbers // (1 << 20)
    return numbers.astype("f4").reshape(len(rows), *shape[1:])


def check_equal(result: Any, expected: AnyValues) -> None:
    """Raise `WrongResult` unless a result has the expected shape, data type and values."""
    result = np.asarray(result)
    for name in ("shape", "dtype"):
        if getattr(result, name) != getattr(expected, name):
            raise WrongResult(f"{name} {getattr(result, name)}, not {getattr(expected, name)}")
    if not np.array_equal(result, expected):
        raise WrongResult(f"{np.count_nonzero(result != expected)} elements differ")
