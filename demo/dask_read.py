"""Reading a variable as most users do: with xarray, through references, in dask threads."""

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
        Name in tables.
    store : type
        Class of the store.
    settings : mapping
        Configuration that is set while the dataset is opened.
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
    """Read a variable with one task per chunk, and record the requests of the computation.

    Parameters
    ----------
    way : Way
        Way to read the variable.
    references : mapping
        Kerchunk references to the chunks of a file.
    url : str
        URL of the file.
    variable : str
        Path of the variable in the file; names of groups are separated by slashes.
    recording : Recording
        Recording that receives the requests.

    Returns
    -------
    array
        Elements as stored, neither masked nor scaled.
    """
    import xarray

    group, _, name = variable.rpartition("/")
    with zarr.config.set(dict(way.settings)):  # the store reads the settings when it is created
        store, remote = over_references(way.store, references, url)
    recording.watch(remote)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the attributes of the file cause warnings
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
