"""The operations without a Zarr package: loops over files, with numcodecs and numpy.

All work is done in one thread, without checks. Only the format features that the cases use are
supported. The time is a lower bound for single-threaded packages, because they do this work and
additional work.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numcodecs
import numpy as np

from bench import readers
from bench.datasets import Dataset
from bench.peers import bare_http
from bench.scratch import Scratch
from bench.task import ENDPOINT, Task
from bench.values import AnyValues, check_equal
from bench.workload import Unsupported, Workload, WrongResult

MODULE: str | None = None
Bounds = tuple[tuple[int, int], ...]
decode = numcodecs.Zstd(level=1).decode
encode = numcodecs.Zstd(level=1).encode


def key(dataset: Dataset, position: tuple[int, ...]) -> str:
    """Return the key of the chunk or shard at a grid position."""
    if dataset.zarr_format == 2:
        return ".".join(map(str, position))
    return "/".join(("c", *map(str, position)))


def touched(bounds: Bounds, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the grid positions of the chunks that overlap `bounds`; `shape` is the chunk shape."""
    return itertools.product(
        *(range(start // n, -(-stop // n)) for (start, stop), n in zip(bounds, shape))
    )


def places(position: tuple[int, ...], shape: tuple[int, ...], bounds: Bounds) -> tuple[Any, Any]:
    """Return two selections: one in the chunk at `position`, and one in the result."""
    inside, outside = [], []
    for i, n, (start, stop) in zip(position, shape, bounds):
        first, last = max(start, i * n), min(stop, (i + 1) * n)
        inside.append(slice(first - i * n, last - i * n))
        outside.append(slice(first - start, last - start))
    return tuple(inside), tuple(outside)


def bounds_of(task: Task) -> Bounds:
    """Return the bounds of the selection of a task."""
    return task.selection or tuple((0, n) for n in task.dataset.shape)


def decoded(dataset: Dataset, data: Any) -> AnyValues:
    """Return the elements of a chunk."""
    elements: AnyValues = np.frombuffer(decode(data) if dataset.zstd else data, "f4")
    return elements.reshape(dataset.chunks)


def read_chunks(
    dataset: Dataset, bounds: Bounds, fetch: Callable[[str], Any], out: AnyValues
) -> None:
    """Read the chunks that overlap the bounds, one after the other."""
    for position in touched(bounds, dataset.chunks):
        inside, outside = places(position, dataset.chunks, bounds)
        out[outside] = decoded(dataset, fetch(key(dataset, position)))[inside]


def read_shards(dataset: Dataset, bounds: Bounds, folder: str, out: AnyValues) -> None:
    """Read the chunks that overlap the bounds, from shards with the index at the end."""
    assert dataset.shards is not None
    grid = tuple(s // c for s, c in zip(dataset.shards, dataset.chunks))
    index_nbytes = 16 * int(np.prod(grid)) + 4
    whole = tuple((0, n) for n in dataset.shards)
    for shard in touched(bounds, dataset.shards):
        inside, outside = places(shard, dataset.shards, bounds)
        of_shard = tuple((part.start, part.stop) for part in inside)
        target = out[outside]
        with open(f"{folder}/{key(dataset, shard)}", "rb", buffering=0) as file:
            if of_shard == whole:
                data = file.read()
                index = np.frombuffer(data[-index_nbytes:-4], "<u8").reshape(*grid, 2)
            else:
                data = b""
                nbytes = os.fstat(file.fileno()).st_size
                raw = os.pread(file.fileno(), index_nbytes - 4, nbytes - index_nbytes)
                index = np.frombuffer(raw, "<u8").reshape(*grid, 2)
            for position in touched(of_shard, dataset.chunks):
                offset, length = map(int, index[position])
                part = data[offset : offset + length] or os.pread(file.fileno(), length, offset)
                a, b = places(position, dataset.chunks, of_shard)
                target[b] = decoded(dataset, part)[a]


def read_local(dataset: Dataset, folder: str, bounds: Bounds) -> AnyValues:
    """Read a selection of an array in a directory."""
    out = np.empty([stop - start for start, stop in bounds], "f4")
    if dataset.shards is not None:
        read_shards(dataset, bounds, folder, out)
    else:
        read_chunks(dataset, bounds, lambda name: file_bytes(f"{folder}/{name}"), out)
    return out


def file_bytes(path: str) -> bytes:
    """Return the content of a file."""
    with open(path, "rb", buffering=0) as file:
        return file.read()


def encoded(dataset: Dataset, elements: AnyValues) -> Iterator[tuple[str, Any]]:
    """Yield keys and stored bytes of all chunks."""
    whole = tuple((0, n) for n in dataset.shape)
    for position in touched(whole, dataset.chunks):
        chunk = np.ascontiguousarray(elements[places(position, dataset.chunks, whole)[1]])
        yield key(dataset, position), encode(chunk) if dataset.zstd else chunk.tobytes()


def read(task: Task) -> Workload:
    """Read an array, or a selection of it."""
    dataset, bounds = task.dataset, bounds_of(task)

    def check(result: AnyValues) -> None:
        check_equal(result, task.expected()[task.slices])

    if task.transport == "memory":
        stored = dict(encoded(dataset, task.expected()))

        def read_memory() -> AnyValues:
            out = np.empty([stop - start for start, stop in bounds], "f4")
            read_chunks(dataset, bounds, stored.__getitem__, out)
            return out

        return Workload(read_memory, check)
    if task.transport == "local":
        return Workload(lambda: read_local(dataset, task.path(), bounds), check)
    if task.transport in ("http", "s3"):
        read_http, close = over_http(task)
        return Workload(read_http, check, close=close)
    if task.transport == "references":
        one = bare_http.Fetcher([f"{task.url}/object.bin"])
        return Workload(
            lambda: np.frombuffer(one.fetch()[0], "f4").reshape(dataset.shape),
            check,
            close=one.close,
        )
    raise Unsupported(f"the loop without zarr does not read from {task.transport}")


def over_http(
    task: Task, copy: int | None = None
) -> tuple[Callable[[], AnyValues], Callable[[], None]]:
    """Return two functions: the first reads an array, and the second closes the connections."""
    dataset, bounds = task.dataset, bounds_of(task)
    keys = [key(dataset, position) for position in touched(bounds, dataset.chunks)]
    base = task.array_url(copy)
    if task.transport == "s3":
        base = f"{task.options[ENDPOINT]}/{base.removeprefix('s3://')}"
    fetcher = bare_http.Fetcher([f"{base}/{name}" for name in keys])

    def read_http() -> AnyValues:
        found = dict(zip(keys, fetcher.fetch()))
        out = np.empty([stop - start for start, stop in bounds], "f4")
        read_chunks(dataset, bounds, found.__getitem__, out)
        return out

    return read_http, fetcher.close


def write(task: Task) -> Workload:
    """Write all chunks of an array."""
    dataset, elements = task.dataset, task.expected()
    whole = bounds_of(task)
    if task.transport == "memory":
        stored: dict[str, Any] = {}

        def check_memory(_: Any) -> None:
            out = np.empty_like(elements)
            read_chunks(dataset, whole, stored.__getitem__, out)
            check_equal(out, elements)

        return Workload(
            lambda: stored.update(encoded(dataset, elements)), check_memory, stored.clear
        )
    scratch = Scratch(task.scratch, "bare")

    def write_files() -> None:
        made = set()
        for name, data in encoded(dataset, elements):
            path = f"{scratch.folder}/{name}"
            parent = path.rpartition("/")[0]
            if parent not in made:
                os.makedirs(parent, exist_ok=True)
                made.add(parent)
            with open(path, "wb", buffering=0) as file:
                file.write(data)

    return Workload(
        write_files,
        lambda _: check_equal(read_local(dataset, str(scratch.folder), whole), elements),
        scratch.renew,
    )


def metadata_names(dataset: Dataset) -> tuple[str, ...]:
    """Return the names of the metadata documents of an array."""
    return (".zarray", ".zattrs") if dataset.zarr_format == 2 else ("zarr.json",)


def parsed(folder: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the metadata documents in a directory; optional documents may be missing."""
    return {
        name: json.loads(file_bytes(f"{folder}/{name}"))
        for name in names
        if os.path.exists(f"{folder}/{name}")
    }


def open_array(task: Task) -> Workload:
    """Read and parse the metadata of an array."""
    names, folder = metadata_names(task.dataset), task.path()

    def check(found: dict[str, Any]) -> None:
        if tuple(found[names[0]]["shape"]) != task.dataset.shape:
            raise WrongResult("another shape")

    return Workload(lambda: parsed(folder, names), check)


def members(task: Task) -> Workload:
    """Read and parse the metadata of all children of a group."""
    names, count = metadata_names(task.dataset), task.dataset.children

    def check(found: list[Any]) -> None:
        if len(found) != count:
            raise WrongResult(f"{len(found)} children, not {count}")

    if task.transport == "local":
        folder = task.path()

        def list_local() -> list[Any]:
            parsed(folder, (".zgroup", ".zattrs") if ".zarray" in names else names)
            with os.scandir(folder) as entries:
                children = [entry.path for entry in entries if entry.is_dir()]
            return [parsed(child, names) for child in children]

        return Workload(list_local, check)
    base = task.array_url()
    listing = bare_http.Fetcher([f"{base}/"])

    def list_http() -> list[Any]:
        children = bare_http.links(listing.fetch()[0])
        urls = [f"{base}/{child}{names[0]}" for child in children]
        return [json.loads(data) for data in bare_http.Fetcher(urls, listing).fetch()]

    return Workload(list_http, check, close=listing.close)


def read_in_threads(task: Task) -> Workload:
    """Read several arrays, each in its own thread."""
    dataset, bounds, count = task.dataset, bounds_of(task), task.options["readers"]
    if task.transport == "http":
        reads, closes = zip(*(over_http(task, copy) for copy in range(count)))
        return readers.in_threads(task, reads, closes)
    paths = [task.path(i) for i in range(count)]
    return readers.in_threads(task, [partial(read_local, dataset, path, bounds) for path in paths])


OPERATIONS: dict[str, Callable[[Task], Workload]] = {
    "read": read,
    "write": write,
    "open": open_array,
    "members": members,
    "threads": read_in_threads,
    "processes": readers.in_processes,
}
