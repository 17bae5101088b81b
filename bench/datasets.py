"""What the cases read: arrays and groups in a directory that is kept from run to run."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench import values

# Written beside the data; to be changed with what is made here, so that nothing old is used.
VERSION = 1
ZarrFormat = Literal[2, 3]


@dataclass(frozen=True)
class Dataset:
    """An array of float32, or a group of small ones.

    Parameters
    ----------
    shape, chunks : tuple of int
        In elements.
    shards : tuple of int or None
        Shape of a shard, None for an array without.
    zstd : bool
        Whether chunks are compressed, at level 1.
    zarr_format : int
        2 or 3.
    values : str
        See `bench.values.make`.
    copies : int
        How many times the array is stored.
    children : int
        Greater than 0 for a group of so many arrays of this kind instead.
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
        """A name of a directory that no other dataset has."""
        described = json.dumps([VERSION, asdict(self)], sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()[:16]

    @property
    def nbytes(self) -> int:
        """Bytes of the elements of one copy."""
        return 4 * int(np.prod(self.shape, dtype=int))

    def array(self, copy: int = 0) -> str:
        """Return the path of an array or of the group, below the directory of the dataset."""
        return f"data-{copy}.zarr"


EXPECTED = "expected.npy"
REFERENCES = "references.json"
OBJECT = "object.bin"


def make(dataset: Dataset, root: Path) -> Path:
    """Return the directory of a dataset below `root`, writing it unless it is there.

    It holds the copies, the values in ``expected.npy`` unless they are of the kind that is made
    anew, and for uncompressed arrays ``object.bin`` with all chunks one after the other and
    ``references.json`` with where each lies there.
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
    """Return what `zarr.create_array` takes for zstd at level 1."""
    if zarr_format == 2:
        import numcodecs

        return numcodecs.Zstd(level=1)
    from zarr.codecs import ZstdCodec

    return ZstdCodec(level=1)


def create(store: Any, dataset: Dataset, **kwargs: Any) -> Any:
    """Create the array of a dataset, without its values."""
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
    """Write an array and its values, some rows of chunks or shards at a time."""
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
    """Write a group and its children, which hold no chunks."""
    import zarr

    group = zarr.create_group(path, zarr_format=dataset.zarr_format)
    for number in range(dataset.children):
        group.create_array(f"a{number:04}", shape=dataset.shape, chunks=dataset.chunks, dtype="f4")


def write_references(array: Path, folder: Path) -> None:
    """Put all chunks of an array of one dimension into one object, and write where they lie."""
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
