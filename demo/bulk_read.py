"""Read one array twice, one request per chunk and in bulk, and show the difference.

    python -m demo.bulk_read                          a climate file that comes with a package
    python -m demo.bulk_read FILE_OR_URL              your own HDF5 or NetCDF-4 file
    python -m demo.bulk_read URL_OF_A_ZARR_STORE      your own Zarr store

A local file is served over HTTP from this machine, with a latency that stands for the network. HDF5
is read through kerchunk references, and the answer is compared with h5py's. The exit status is 0
only if both reads give the expected values.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import h5py
import numpy as np
import numpy.typing as npt
from tests.servers.range_server import Fault, RangeServer

import zarr
from demo.recording import Recording
from demo.waterfall import draw
from zarr.abc.store import Store
from zarr.core.sync import sync
from zarr.storage import FsspecStore
from zarr.types import AnyArray

HDF5_SUFFIXES = (".nc", ".nc4", ".h5", ".hdf5", ".he5")
PER_CHUNK, IN_BULK = "one get per chunk", "Store.get_many"


class PerChunkStore(FsspecStore):
    """Overrides `get`, and so sees every read: what a store without a bulk read does.

    It merges nothing between callers either.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "max_gap_bytes": None})

    async def get(self, *args: Any, **kwargs: Any) -> Any:
        """Read one key by itself."""
        return await super().get(*args, **kwargs)


def say(text: str) -> None:
    """Tell what is going on."""
    print(text, flush=True)


def sample_file() -> Path:
    """Return the climate file that the package iris-sample-data brings along."""
    import iris_sample_data

    return Path(iris_sample_data.path) / "A1B_north_america.nc"


def close(filesystems: Iterable[Any]) -> None:
    """Close the connections of HTTP file systems, on the loop that opened them."""

    async def close_all() -> None:
        for filesystem in filesystems:
            session = getattr(filesystem, "_session", None)
            if session is not None:
                await session.close()

    sync(close_all())


def is_url(source: str) -> bool:
    """Tell whether a source is a URL rather than a path."""
    return "://" in source


@contextlib.contextmanager
def served(source: str, latency: float) -> Iterator[str]:
    """Give the URL of a source; a local one is served over HTTP with a latency in seconds."""
    if is_url(source):
        yield source
        return
    path = Path(source).resolve()
    if not path.exists():
        raise SystemExit(f"{source} does not exist.")
    with RangeServer(path.parent) as server:
        server.inject(lambda *_: True, Fault(delay=latency))
        say(f"Serving {path.name} at {server.url} with {1000 * latency:.0f} ms latency.")
        yield f"{server.url}/{path.name}"


def kerchunk_references(url: str, local: str | None) -> dict[str, Any]:
    """Find out where the chunks of an HDF5 file lie."""
    from kerchunk.hdf import SingleHdf5ToZarr

    say("Making kerchunk references: where each chunk lies in the file.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The layout does not depend on how it is reached; locally it takes no requests to find.
        with fsspec.open(local or url, "rb") as file:
            references: dict[str, Any] = SingleHdf5ToZarr(file, url, inline_threshold=0).translate()
    return references


def open_stores(
    url: str, references: dict[str, Any] | None, recording: Recording
) -> tuple[dict[str, Store], list[Any]]:
    """Open the same data twice: as a store that reads per chunk, and as one that reads in bulk.

    Returns the stores, and the file systems that reach the server.
    """
    stores: dict[str, Store] = {}
    remote: list[Any] = []
    for name, cls in ((PER_CHUNK, PerChunkStore), (IN_BULK, FsspecStore)):
        if references is None:
            store = cls.from_url(url, read_only=True)
            remote.append(store.fs)
        else:
            protocol = url.split("://")[0]
            filesystem = fsspec.filesystem(
                "reference",
                fo=references,
                remote_protocol=protocol,
                remote_options={"asynchronous": True, "skip_instance_cache": True},
                asynchronous=True,
                skip_instance_cache=True,
            )
            remote.append(filesystem.fss[protocol])
            store = cls(filesystem, read_only=True, path="")
        stores[name] = store
    for filesystem in remote:
        recording.watch(filesystem)
    return stores, remote


def choose_variable(root: AnyArray | zarr.Group, variable: str | None) -> str | None:
    """Return the path of the array to read; the one with most chunks unless it is named."""
    if isinstance(root, zarr.Array):
        return None
    arrays = dict(root.arrays())
    if variable is not None:
        return variable
    if not arrays:
        raise SystemExit("There is no array at the top of this file; name one with --variable.")
    return max(arrays, key=lambda name: arrays[name].nchunks)


def equal(a: npt.NDArray[Any], b: npt.NDArray[Any] | None) -> bool:
    """Tell whether two answers are the same, NaN included."""
    if b is None or a.shape != b.shape:
        return False
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))


def main() -> int:
    """Run the comparison; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", nargs="?", help="path or URL; a climate file if left out")
    parser.add_argument("--variable", help="array to read; the one with most chunks if left out")
    parser.add_argument("--latency-ms", type=float, default=20, help="of the local server (20)")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="for the picture")
    args = parser.parse_args()

    source = args.source or str(sample_file())
    variable = args.variable or (None if args.source else "air_temperature")
    is_hdf5 = source.lower().endswith(HDF5_SUFFIXES)
    say(f"Source: {source if is_url(source) else Path(source).name}")

    with served(source, args.latency_ms / 1000) as url:
        local = None if is_url(source) else source
        references = kerchunk_references(url, local) if is_hdf5 else None
        recording = Recording()
        recordings: dict[str, Recording] = {}
        answers: dict[str, npt.NDArray[Any]] = {}
        stores, remote = open_stores(url, references, recording)
        for name, store in stores.items():
            root = zarr.open(store, mode="r")
            chosen = choose_variable(root, variable)
            array = root if isinstance(root, zarr.Array) else root[str(chosen)]
            assert isinstance(array, zarr.Array)
            say(
                f"Reading {chosen or 'the array'} {array.shape} {array.dtype}, {array.nchunks} chunks: {name}."
            )
            with recording:
                answers[name] = np.asarray(array[...])
            recordings[name] = Recording(list(recording.requests), recording.seconds)

        close(remote)

        expected, judge = answers[PER_CHUNK], "the read per chunk"
        if is_hdf5:
            judge = "h5py"
            say("Reading the same with h5py.")
            with fsspec.open(local or url, "rb") as file, h5py.File(file, "r") as hdf5:
                expected = np.asarray(hdf5[str(chosen)][...])

    verdicts = {name: equal(answer, expected) for name, answer in answers.items()}
    say("")
    say(f"{'':20} {'requests':>9} {'MB fetched':>11} {'seconds':>8}  equal to {judge}")
    for name, made in recordings.items():
        say(
            f"{name:20} {len(made.requests):9} {made.nbytes / 1e6:11.3f} {made.seconds:8.3f}"
            f"  {'yes' if verdicts[name] else 'NO'}"
        )
    args.output.mkdir(parents=True, exist_ok=True)
    picture = args.output / "waterfall.png"
    title = f"{Path(source).name}: {chosen or 'array'}, {args.latency_ms:.0f} ms latency"
    draw(recordings, title if local else Path(source).name, picture)
    say(f"\nThe requests of both reads as a picture: {picture.resolve()}")
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
