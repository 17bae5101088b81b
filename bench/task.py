"""A case in the form that is sent to a worker: the operation, the data and their location."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench import values
from bench.datasets import EXPECTED, Dataset

# The options of an S3 case contain the URL of the server under this key.
ENDPOINT = "endpoint"


@dataclass(frozen=True)
class Task:
    """A case, in the form that is sent to a worker.

    Parameters
    ----------
    operation : str
        Name of the operation, a key of `OPERATIONS` of a peer.
    transport : str
        ``local``, ``memory``, ``http``, ``references``, ``s3`` or ``s3-references``.
    dataset : Dataset
        Data that are read or written.
    folder : str
        Local directory of the dataset; empty if there is none.
    url : str
        URL of this directory on a server; empty if no server is used.
    scratch : str
        Directory in which the worker may write.
    selection : sequence of (start, stop) or None
        Part to read; None for all elements.
    options : mapping
        Further parameters of the operation.
    worker : sequence of str
        Arguments with which the worker was started; the worker itself sets them.
    """

    operation: str
    transport: str
    dataset: Dataset
    folder: str = ""
    url: str = ""
    scratch: str = ""
    selection: tuple[tuple[int, int], ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    worker: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form of the task."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Task:
        """Return a task from its JSON form."""
        dataset: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data["dataset"].items()
        }
        selection = data["selection"]
        return cls(
            **{
                **data,
                "dataset": Dataset(**dataset),
                "selection": None if selection is None else tuple(map(tuple, selection)),
                "worker": tuple(data["worker"]),
            }
        )

    @property
    def slices(self) -> Any:
        """Index that reads the selection."""
        if self.selection is None:
            return ...
        return tuple(slice(*bounds) for bounds in self.selection)

    def path(self, copy: int | None = None) -> str:
        """Return the local path of a copy of the array; None for the copy in the options."""
        if copy is None:
            copy = self.options.get("copy", 0)
        return str(Path(self.folder) / self.dataset.array(copy))

    def array_url(self, copy: int | None = None) -> str:
        """Return the URL of a copy of the array; None for the copy in the options."""
        if copy is None:
            copy = self.options.get("copy", 0)
        return f"{self.url}/{self.dataset.array(copy)}"

    def expected(self) -> values.AnyValues:
        """Return all values of the dataset."""
        path = Path(self.folder) / EXPECTED
        if self.folder and path.exists():
            stored: values.AnyValues = np.load(path)
            return stored
        return values.make(self.dataset.values, self.dataset.shape)
