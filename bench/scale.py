"""Reading from arrays with very many chunks: one element of each chunk, or all elements.

No chunk is stored, so that the figures include only planning, requests and filling.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.datasets import Dataset
from bench.workload import WrongResult

COLUMNS = 100
KINDS = ("basic", "orthogonal", "coordinate")


def dataset(nchunks: int) -> Dataset:
    """Return the description of an array with `nchunks` chunks of 2 x 2 elements.

    The number of chunks must be a multiple of `COLUMNS`.
    """
    return Dataset((2 * (nchunks // COLUMNS), 2 * COLUMNS), (2, 2), zstd=False, values="ramp")


def index(kind: str, of: Dataset) -> Any:
    """Return an index for all elements (kind ``basic``), or for the first element of each chunk."""
    rows, columns = (np.arange(0, n, 2) for n in of.shape)
    if kind == "basic":
        return ...
    if kind == "orthogonal":
        return rows, columns
    return tuple(part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))


def check(kind: str, of: Dataset, result: Any) -> None:
    """Raise unless a result has the expected shape and all elements are the fill value 1."""
    rows, columns = (n // 2 for n in of.shape)
    shapes = {"basic": of.shape, "orthogonal": (rows, columns), "coordinate": (rows * columns,)}
    if result.shape != shapes[kind]:
        raise WrongResult(f"shape {result.shape}, not {shapes[kind]}")
    if not (result == 1).all():
        raise WrongResult("values other than the fill value")
