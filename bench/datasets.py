"""Datasets of the cases: arrays and groups in a directory that is kept between runs."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench import values

# Part of the directory names. Change it when this module changes, so that old data are not used.
VERSION = 1
ZarrFormat = Literal[2, 3]


@dataclass(frozen=True)
class Dataset:
    """An array of float32, or a group of small arrays.

    Parameters
    ----------
    shape, chunks : tuple of int
        Shapes of the array and of its chunks, in elements.
    shards : tuple of int or None
        Shape of a shard; None for an array without shards.
    zstd : bool
        Whether chunks are compressed by Zstandard, at level 1.
    zarr_format : int
        Zarr format, 2 or 3.
    values : str
        See `bench.values.make`.
    copies : int
        Number of copies of the array that are stored.
    children : int
        Number of arrays if the dataset is a group; each has the given `shape` and `chunks`. 0 if
        the dataset is an array.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None = None
    zstd: bool = True
    zarr_format: ZarrFormat = 3
    values: str = "smooth"
    copies: int = 1
    children: int = 0

    @property
    def name(self) -> str:
        """Name of the directory; it is unique for each dataset."""
        described = json.dumps([VERSION, asdict(self)], sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()[:16]

    @property
    def nbytes(self) -> int:
        """Size in bytes of the elements of one copy."""
        return 4 * int(np.prod(self.shape, dtype=int))

    def array(self, copy: int = 0) -> str:
        """Return the path of a copy, relative to the directory of the dataset."""
        return f"data-{copy}.zarr"


EXPECTED = "expected.npy"
REFERENCES = "references.json"
OBJECT = "object.bin"


def make(dataset: Dataset, root: Path) -> Path:
    """Return the directory of a dataset below `root`; write the dataset if it does not exist.

    The directory contains the copies of the array or group. For an array, it also contains the
    expected values in ``expected.npy``. For values of the kind ``pattern`` this file is missing,
    because the expected values are computed when they are needed. If a one-dimensional array is
    uncompressed, the directory also contains ``object.bin`` and ``references.json``. The first file
    contains all chunks, one after the other. The second file contains the metadata documents, and
    the offset and length of each chunk.
    """
    folder = root / dataset.name
    if folder.exists():
        return folder
    unfinished = root / f".{dataset.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    first = unfinished / dataset.array()
    if dataset.children:
        write_group(dataset, first)
    else:
        write_array(dataset, first)
        if dataset.values != "pattern":
            np.save(unfinished / EXPECTED, values.make(dataset.values, dataset.shape))
        if not dataset.zstd and len(dataset.shape) == 1:
            write_references(first, unfinished)
    for copy in range(1, dataset.copies):
        shutil.copytree(first, unfinished / dataset.array(copy))
    unfinished.rename(folder)
    return folder


def compressors(zarr_format: int) -> Any:
    """Return the `compressors` argument of `zarr.create_array` for zstd at level 1."""
    if zarr_format == 2:
        import numcodecs

        return numcodecs.Zstd(level=1)
    from zarr.codecs import ZstdCodec

    return ZstdCodec(level=1)


def create(store: Any, dataset: Dataset, **kwargs: Any) -> Any:
    """Create the array of a dataset, without writing its values."""
    import zarr

    if dataset.zarr_format == 3 and dataset.shards is not None:
        kwargs["shards"] = dataset.shards
    return zarr.create_array(
        store,
        shape=dataset.shape,
        chunks=dataset.chunks,
        dtype="f4",
        compressors=compressors(dataset.zarr_format) if dataset.zstd else None,
        zarr_format=dataset.zarr_format,
        **kwargs,
    )


def write_array(dataset: Dataset, path: Path) -> None:
    """Create an array and write its values.

    Values of the kind ``smooth`` are written in one operation. Other values are written in one or
    more operations, each for some rows of chunks or shards.
    """
    array = create(path, dataset)
    if dataset.values == "smooth":
        array[...] = values.make(dataset.values, dataset.shape)
        return
    step = (dataset.shards or dataset.chunks)[0]
    step *= max(1, (32 << 20) // max(1, step * dataset.nbytes // dataset.shape[0]))
    for start in range(0, dataset.shape[0], step):
        stop = min(start + step, dataset.shape[0])
        array[start:stop] = values.make(dataset.values, dataset.shape, start, stop)


def write_group(dataset: Dataset, path: Path) -> None:
    """Create a group and its child arrays, without chunks."""
    import zarr

    group = zarr.create_group(path, zarr_format=dataset.zarr_format)
    for number in range(dataset.children):
        group.create_array(f"a{number:04}", shape=dataset.shape, chunks=dataset.chunks, dtype="f4")


def write_references(array: Path, folder: Path) -> None:
    """Write an object with all chunks of a one-dimensional array, and a file of references."""
    is_format_2 = (array / ".zarray").exists()
    references: dict[str, Any] = {}
    metadata = [".zarray", ".zattrs"] if is_format_2 else ["zarr.json"]
    for name in metadata:
        if (array / name).exists():
            references[name] = (array / name).read_text()
    chunks = array if is_format_2 else array / "c"
    names = sorted(int(path.name) for path in chunks.iterdir() if path.name.isdigit())
    offset = 0
    with (folder / OBJECT).open("wb") as target:
        for name in map(str, names):
            data = (chunks / name).read_bytes()
            target.write(data)
            references[name if is_format_2 else f"c/{name}"] = [OBJECT, offset, len(data)]
            offset += len(data)
    (folder / REFERENCES).write_text(json.dumps(references))
