"""Read one array in several ways, with one request per chunk and in bulk, and compare the reads.

    python -m demo.bulk_read                          a climate file from iris-sample-data
    python -m demo.bulk_read FILE_OR_URL              your own HDF5 or NetCDF-4 file
    python -m demo.bulk_read URL_OF_A_ZARR_STORE      your own Zarr store

A local file is served over HTTP from this machine, with a latency that simulates a network. The
server counts the requests. An HDF5 file is read through kerchunk references, first by
``array[...]``, and then by xarray and dask. Dask runs one task per chunk. The results are compared
with the values that h5py reads. The exit status is 0 only if all reads return the expected values.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import fsspec
import h5py
import numpy as np
from tests.servers.range_server import Fault, RangeServer

import zarr
from demo import dask_read
from demo.dask_read import Values
from demo.progress import progress
from demo.recording import Recording
from demo.stores import PerChunkStore, close, over_references
from demo.waterfall import draw
from zarr.abc.store import Store
from zarr.storage import FsspecStore
from zarr.types import AnyArray

HDF5_SUFFIXES = (".nc", ".nc4", ".h5", ".hdf5", ".he5")
PER_CHUNK, IN_BULK = "one get per chunk", "Store.get_many"


def say(text: str) -> None:
    """Print a progress message."""
    print(text, flush=True)


def sample_file() -> Path:
    """Return the path of the climate file in the package iris-sample-data."""
    import iris_sample_data

    return Path(iris_sample_data.path) / "A1B_north_america.nc"


def is_url(source: str) -> bool:
    """Return whether a source is a URL rather than a path."""
    return "://" in source


@contextlib.contextmanager
def served(source: str, latency: float) -> Iterator[tuple[str, RangeServer | None]]:
    """Serve a source with a latency in seconds; yield its URL and the server.

    A source that is already a URL is not served; the server is None in that case.
    """
    if is_url(source):
        yield source, None
        return
    path = Path(source).resolve()
    if not path.exists():
        raise SystemExit(f"{source} does not exist.")
    with RangeServer(path.parent) as server:
        server.inject(lambda *_: True, Fault(delay=latency))
        say(f"Serving {path.name} at {server.url} with {1000 * latency:.0f} ms latency.")
        yield f"{server.url}/{path.name}", server


def kerchunk_references(url: str, local: str | None) -> dict[str, Any]:
    """Return kerchunk references to the chunks of an HDF5 file."""
    from kerchunk.hdf import SingleHdf5ToZarr

    say("Making kerchunk references: where each chunk lies in the file.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # If the source is a local file, read it directly, which needs no requests.
        with fsspec.open(local or url, "rb") as file:
            references: dict[str, Any] = SingleHdf5ToZarr(file, url, inline_threshold=0).translate()
    return references


def open_stores(
    url: str, references: dict[str, Any] | None, recording: Recording
) -> tuple[dict[str, Store], list[Any]]:
    """Open the same data in two stores: the first reads chunk by chunk, the second in bulk.

    Returns the stores, and the file systems that send the requests.
    """
    stores: dict[str, Store] = {}
    remote: list[Any] = []
    for name, cls in ((PER_CHUNK, PerChunkStore), (IN_BULK, FsspecStore)):
        if references is None:
            store = cls.from_url(url, read_only=True)
            remote.append(store.fs)
        else:
            store, filesystem = over_references(cls, references, url)
            remote.append(filesystem)
        stores[name] = store
    for filesystem in remote:
        recording.watch(filesystem)
    return stores, remote


def choose_variable(root: AnyArray | zarr.Group, variable: str | None) -> str | None:
    """Return the path of the array to read; None if `root` itself is an array.

    If `variable` is None, the array with most chunks is chosen.
    """
    if isinstance(root, zarr.Array):
        return None
    arrays = dict(root.arrays())
    if variable is not None:
        return variable
    if not arrays:
        raise SystemExit("There is no array at the top of this file; name one with --variable.")
    return max(arrays, key=lambda name: arrays[name].nchunks)


def equal(a: Values, b: Values | None) -> bool:
    """Return whether two results are equal; NaN equals NaN."""
    if b is None or a.shape != b.shape:
        return False
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))


def show(recordings: Mapping[str, Recording], verdicts: Mapping[str, bool], judge: str) -> None:
    """Print a table of the reads: requests, bytes, time, and whether the result was correct."""
    say("")
    say(f"{'':24} {'requests':>9} {'MB fetched':>11} {'seconds':>8}  equal to {judge}")
    for name, made in recordings.items():
        say(
            f"{name:24} {len(made.requests):9} {made.nbytes / 1e6:11.3f} {made.seconds:8.3f}"
            f"  {'yes' if verdicts[name] else 'NO'}"
        )


def main() -> int:
    """Run the comparison; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", nargs="?", help="path or URL; a climate file if left out")
    parser.add_argument("--variable", help="array to read; the one with most chunks if left out")
    parser.add_argument("--latency-ms", type=float, default=20, help="of the local server (20)")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="for the pictures")
    args = parser.parse_args()

    source = args.source or str(sample_file())
    variable = args.variable or (None if args.source else "air_temperature")
    is_hdf5 = source.lower().endswith(HDF5_SUFFIXES)
    name_of_source = source if is_url(source) else Path(source).name
    say(f"Source: {name_of_source}")

    with served(source, args.latency_ms / 1000) as (url, server):
        local = None if is_url(source) else source
        references = kerchunk_references(url, local) if is_hdf5 else None
        recording = Recording(server=server)
        by_zarr: dict[str, Recording] = {}
        by_dask: dict[str, Recording] = {}
        answers: dict[str, Values] = {}
        stores, remote = open_stores(url, references, recording)
        for name, store in stores.items():
            root = zarr.open(store, mode="r")
            chosen = choose_variable(root, variable)
            array = root if isinstance(root, zarr.Array) else root[str(chosen)]
            assert isinstance(array, zarr.Array)
            say(
                f"Reading {chosen or 'the array'} {array.shape} {array.dtype}, {array.nchunks} chunks: {name}."
            )
            with progress(recording.so_far), recording:
                answers[name] = np.asarray(array[...])
            by_zarr[name] = recording.copy()

        close(remote)

        expected, judge = answers[PER_CHUNK], "the read per chunk"
        if is_hdf5:
            judge = "h5py"
            say("Reading the same with h5py.")
            with fsspec.open(local or url, "rb") as file, h5py.File(file, "r") as hdf5:
                expected = np.asarray(hdf5[str(chosen)][...])

        if references is not None:
            for way in dask_read.WAYS:
                say(f"Reading it by xarray and dask, a chunk a task: {way.name}.")
                answers[way.name] = dask_read.read(way, references, url, str(chosen), recording)
                by_dask[way.name] = recording.copy()

    verdicts = {name: equal(answer, expected) for name, answer in answers.items()}
    show(by_zarr | by_dask, verdicts, judge)
    args.output.mkdir(parents=True, exist_ok=True)
    title = name_of_source
    if local:
        title = f"{title}: {chosen or 'array'}, {args.latency_ms:.0f} ms latency"
    say("\nThe requests as pictures, each bar a request:")
    for made, heading, file_name in (
        (by_zarr, title, "waterfall.png"),
        (by_dask, f"{title}, xarray and dask", "waterfall-dask.png"),
    ):
        if made:
            picture = args.output / file_name
            draw(made, heading, picture)
            say(f"  {picture.resolve()}")
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
