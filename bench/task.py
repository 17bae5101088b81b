"""What a worker is told of a case: what to do, with which data, and where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench import values
from bench.datasets import EXPECTED, Dataset

# What a case at S3 has in its options: the URL of the server.
ENDPOINT = "endpoint"


@dataclass(frozen=True)
class Task:
    """A case as a worker gets it.

    Parameters
    ----------
    operation : str
        What to do: a name of `OPERATIONS` of a peer.
    transport : str
        ``local``, ``memory``, ``http``, ``references``, ``s3`` or ``s3-references``.
    dataset : Dataset
        What is read or written.
    folder : str
        The local directory of the dataset; empty where there is none.
    url : str
        Where a server has that directory; empty without one.
    scratch : str
        A directory that the worker may write into.
    selection : sequence of (start, stop) or None
        What to read, None for all.
    options : mapping
        What else the operation has to know.
    worker : sequence of str
        The arguments that the worker was started with, filled in by itself.
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
        """Return what `from_json` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Task:
        """Return a task from what came as JSON."""
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
        """What to put into brackets to read the selection."""
        if self.selection is None:
            return ...
        return tuple(slice(*bounds) for bounds in self.selection)

    def path(self, copy: int | None = None) -> str:
        """Return the local path of the array or group; None for the copy that the options name."""
        if copy is None:
            copy = self.options.get("copy", 0)
        return str(Path(self.folder) / self.dataset.array(copy))

    def array_url(self, copy: int | None = None) -> str:
        """Return the URL of the array or group; None for the copy that the options name."""
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
