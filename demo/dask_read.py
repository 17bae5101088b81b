"""Reading a variable as most users do: xarray over references, computed by dask in threads."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

import zarr
from demo.progress import progress
from demo.recording import Recording
from demo.stores import PerChunkStore, close, over_references
from zarr.storage import FsspecStore

Values: TypeAlias = npt.NDArray[Any]
READ_AHEAD_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Way:
    """One way to read.

    Parameters
    ----------
    name : str
        What it is called in tables.
    store : type
        The class of the store.
    settings : mapping
        Configuration to set while the dataset is opened.
    """

    name: str
    store: type[FsspecStore] = FsspecStore
    settings: Mapping[str, Any] = field(default_factory=dict)


WAYS = (
    Way("dask, one get per chunk", PerChunkStore),
    Way("dask, default settings"),
    Way("dask, read_ahead_bytes", settings={"bulk_reads.read_ahead_bytes": READ_AHEAD_BYTES}),
)


def read(
    way: Way, references: Mapping[str, Any], url: str, variable: str, recording: Recording
) -> Values:
    """Read a variable, one chunk a task, and record the requests of the computation.

    Parameters
    ----------
    way : Way
        How.
    references : mapping
        Where the chunks of a file lie.
    url : str
        Where the file is.
    variable : str
        Path of the variable in the file; names of groups are separated by slashes.
    recording : Recording
        What records the requests.

    Returns
    -------
    array
        The elements as they are stored, neither masked nor scaled.
    """
    import xarray

    group, _, name = variable.rpartition("/")
    with zarr.config.set(dict(way.settings)):  # read when the store is made
        store, remote = over_references(way.store, references, url)
    recording.watch(remote)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about attributes of the file, which nobody can change
        dataset = xarray.open_zarr(
            store,
            group=group or None,
            chunks={},
            consolidated=False,
            mask_and_scale=False,
            decode_times=False,
        )
    data = dataset[name].data
    try:
        with progress(recording.so_far), recording:
            computed = np.asarray(data.compute(scheduler="threads"))
    finally:
        close([remote])
    return computed
